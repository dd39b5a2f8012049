#ifndef ENGRAM_SERVICES_STORAGE_SCHEMA_EXECUTOR_H_
#define ENGRAM_SERVICES_STORAGE_SCHEMA_EXECUTOR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "libs/sqlite/connection.h"
#include "services/storage/schema_plan.h"

namespace engram::storage {

// Does the steps of a plan, in their order, within a transaction that the
// caller has begun with foreign keys off. After an error the caller rolls back.
class SchemaExecutor {
 public:
  // Both must outlive this object.
  SchemaExecutor(sqlite::Connection& connection, const SchemaPlan& plan,
                 int64_t now_us)
      : connection_(connection), plan_(plan), now_us_(now_us) {}

  // `FailedPrecondition`, reason `RECORDS_INVALID`, with the count and one id,
  // if records cannot be what the new schema wants.
  absl::Status Run(const SchemaStep& step);

 private:
  absl::Status RunSql(const SchemaStep& step);
  absl::Status Rebuild(const SchemaStep& step);
  absl::Status CopyRecords(const SchemaStep& step);
  absl::Status Verify(const SchemaStep& step);
  absl::Status VerifyRefs(const SchemaStep& step);
  absl::Status VerifyNoneDeleted(const SchemaStep& step);
  absl::Status FillDefault(const SchemaStep& step);
  absl::Status FillExtract(const SchemaStep& step);
  absl::Status NumberIds(const SchemaStep& step);
  absl::Status Build(const SchemaStep& step);
  absl::Status RollUp(const SchemaStep& step);
  // Where a roll-up says when the parents in `collection` expire.
  absl::Status SetExpiry(const std::string& collection,
                         const schema::RollupSpec& rollup);
  // Runs `sql`, which counts records and names one; `problem` is what is wrong
  // with them.
  absl::Status RefuseIfAny(const SchemaStep& step, absl::string_view sql,
                           absl::string_view problem);

  const CollectionChange& ChangeOf(const SchemaStep& step) const {
    return plan_.changes[step.change];
  }

  sqlite::Connection& connection_;
  const SchemaPlan& plan_;
  const int64_t now_us_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SCHEMA_EXECUTOR_H_
