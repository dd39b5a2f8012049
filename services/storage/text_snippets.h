#ifndef ENGRAM_SERVICES_STORAGE_TEXT_SNIPPETS_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_SNIPPETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// Which passages to cut out, and how to mark the words in them.
struct SnippetRules {
  // Columns of the text index.
  std::vector<int> columns;
  int max_tokens = 0;
  std::string begin_mark;
  std::string end_mark;
};

// Reads the request's field `snippets`. After a violation what is returned is
// of no use.
SnippetRules DecodeSnippetOptions(const Collection& collection,
                                  const v1::SnippetOptions& options,
                                  FieldViolations& violations);

// Cuts passages out of the records that a query found. For use during one call,
// on one thread.
class SnippetReader {
 public:
  // All must outlive this object. `match` as of MatchExpression.
  static absl::StatusOr<SnippetReader> Create(sqlite::Connection& connection,
                                              const Collection& collection,
                                              const SnippetRules& rules,
                                              const std::string& match);

  // Adds the passages of the record in `row`, one for each column that a word
  // was found in.
  absl::Status Read(int64_t row,
                    google::protobuf::RepeatedPtrField<v1::TextSnippet>* out);

 private:
  SnippetReader(sqlite::Statement select, const Collection& collection,
                const SnippetRules& rules)
      : select_(std::move(select)), collection_(collection), rules_(rules) {}

  // A passage as FTS5 gave it, with the marks of the request.
  std::string WithMarks(absl::string_view passage) const;

  sqlite::Statement select_;
  const Collection& collection_;
  const SnippetRules& rules_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_SNIPPETS_H_
