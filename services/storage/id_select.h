#ifndef ENGRAM_SERVICES_STORAGE_ID_SELECT_H_
#define ENGRAM_SERVICES_STORAGE_ID_SELECT_H_

#include <array>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/sqlite/connection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/record_condition.h"

namespace engram::storage {

// Reads the records of one collection that many ids name, by the index of the
// column that holds them, in chunks of few sizes, so that few statements serve
// every number of ids. For use during one call, on one thread.
class IdSelect {
 public:
  // Whether the connection keeps the compiled statements for other calls: not
  // those with a filter that a caller wrote, as there is no end of these.
  enum class Statements { kShared, kOwn };

  struct Query {
    // Whether a row meets this is its column 0, 1 or 0: so that its owner can
    // count what is read in vain.
    RecordCondition condition;
    // What to read of a row from column 1 on, as SQL.
    std::string columns;
    // In quotes.
    std::string table;
    std::string id_column;
    Statements statements = Statements::kOwn;
  };

  // Both must outlive this object. A statement that takes long is ended by the
  // StatementGuard of the caller.
  IdSelect(sqlite::Connection& connection, Query query,
           const CallBounds& bounds);

  // Calls `visit` with each row that an id names, until it returns false. `ids`
  // must live until the end; one that is there twice counts once if both are in
  // one chunk.
  absl::Status Visit(
      absl::Span<const std::string> ids,
      absl::FunctionRef<absl::StatusOr<bool>(const sqlite::Statement&)> visit);

 private:
  // What a chunk can have ids; a smaller one repeats its last id.
  static constexpr std::array<size_t, 4> kSizes = {1, 8, 64, 512};

  // The statement for `size` ids.
  std::string Sql(size_t size) const;
  absl::StatusOr<sqlite::Statement*> Prepared(size_t size);
  // Whether `visit` wants more.
  absl::StatusOr<bool> VisitChunk(
      absl::Span<const std::string> ids,
      absl::FunctionRef<absl::StatusOr<bool>(const sqlite::Statement&)> visit);

  sqlite::Connection& connection_;
  const Query query_;
  const CallBounds& bounds_;
  std::array<std::optional<sqlite::Statement>, kSizes.size()> prepared_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ID_SELECT_H_
