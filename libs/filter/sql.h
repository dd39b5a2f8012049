#ifndef ENGRAM_LIBS_FILTER_SQL_H_
#define ENGRAM_LIBS_FILTER_SQL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

// How a table holds what names stand for.
struct SqlNames {
  // The SQL of the column at `place`, such as `"title"`.
  absl::FunctionRef<std::string(int place)> column;
  // A SELECT of the rows whose strings field at `place` has the element of one
  // `?`, without parentheses: two of them would make it one value of a list.
  // Empty if no table lists the elements.
  absl::FunctionRef<std::string(int place)> rows_with_element;
};

struct Sql {
  std::string text;
  // The values of its `?`s, in order.
  std::vector<schema::FieldValue> parameters;
};

// Compiles to an SQL expression of SQLite, to be put in parentheses: true
// exactly where Matches is, else false or NULL; with the value that Evaluate
// gives. Values are bound, never part of the text; a plain comparison of a
// column uses the column's index.
Sql CompileSql(const Node& node, const SqlNames& names, int64_t now_us);

// The same with literals as part of the text, for generated columns and partial
// indexes, which take no parameters. `node` must not use `now`; SQLite refuses
// HAS and some of json there.
std::string CompileSqlText(const Node& node,
                           absl::FunctionRef<std::string(int place)> column);

// Whether SQLite can compile the node's SQL as a part of a statement, whose
// parser and planner have their limits; ParseFilter and ParseExpression give no
// other.
bool FitsSql(const Node& node);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_SQL_H_
