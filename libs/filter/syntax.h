// A filter's text as a tree, before anything is known of types and names.

#ifndef ENGRAM_LIBS_FILTER_SYNTAX_H_
#define ENGRAM_LIBS_FILTER_SYNTAX_H_

#include <string>
#include <vector>

#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

struct Syntax {
  // kField: the names and indexes of `path`. kLiteral: `value` of `type`, or
  // the parameter of the name `parameter`. kIn: the first operand in the
  // others, or in the list that `parameter` is.
  Operator op = Operator::kLiteral;
  // Where it begins; of an operator between operands, where that stands.
  int column = 1;
  std::vector<PathStep> path;
  // Of kField: whether each of the first two steps was written as a plain name,
  // so that they may be one name of the scope.
  bool joinable = false;
  Type type = Type::kString;
  schema::FieldValue value;
  std::string parameter;
  std::vector<Syntax> operands;
  // The levels of operators in this tree, lists of AND and OR left out: these
  // are bounded by the parser.
  int height = 0;
};

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_SYNTAX_H_
