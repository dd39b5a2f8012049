#include "services/storage/failure_writer.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/feed.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/failure_table.h"
#include "services/storage/outbox_table.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr size_t kMaxMessageBytes = 1024;
// After the first attempt; doubles with each one more.
constexpr int64_t kFirstDelayUs = 5'000'000;

absl::Status FailEntry(WriteTransaction& transaction,
                       const Collection& collection,
                       const CheckedReport& report, const PendingEntry& entry) {
  const Generation& generation = GetGeneration(collection, report.generation);
  // With the entry go the vectors of an earlier text: nobody would know that
  // they are not of this one.
  RETURN_IF_ERROR(RemoveVectors(transaction, generation, entry.row).status());
  RETURN_IF_ERROR(AddFailure(transaction, {.generation = report.generation,
                                           .row = entry.row,
                                           .content_hash = report.content_hash,
                                           .reason = report.reason,
                                           .message = report.message,
                                           .attempts = entry.attempts + 1}));
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(collection.select_id));
  select.BindInt(1, entry.row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return absl::DataLossError("an outbox entry without a record");
  v1::VectorsFailed payload;
  payload.set_generation(report.generation);
  return transaction
      .Append(ChangeKind::kVectorsFailed, collection.id, entry.row,
              select.Text(0), payload.SerializeAsString())
      .status();
}

absl::StatusOr<v1::FailureResult> WriteOne(WriteTransaction& transaction,
                                           const Catalog& catalog,
                                           const CheckedReport& report) {
  v1::FailureResult result;
  result.set_outcome(v1::FailureResult::OUTCOME_DROPPED);
  // The schema may have changed since the report was checked.
  const CollectionPtr collection = catalog.FindByGeneration(report.generation);
  if (collection == nullptr) return result;
  ASSIGN_OR_RETURN(const std::optional<PendingEntry> entry,
                   FindEntry(transaction, report.entry, report.generation,
                             report.content_hash));
  if (!entry.has_value()) return result;
  if (report.reason == v1::FAILURE_REASON_TEXT_REFUSED ||
      entry->attempts + 1 >= kMaxAttempts) {
    RETURN_IF_ERROR(FailEntry(transaction, *collection, report, *entry));
    result.set_outcome(v1::FailureResult::OUTCOME_FAILED);
    return result;
  }
  RETURN_IF_ERROR(CountAttempt(transaction, report.entry));
  result.set_outcome(v1::FailureResult::OUTCOME_RETRY);
  *result.mutable_retry_time() = TimeUtil::MicrosecondsToTimestamp(
      transaction.now_us() + (kFirstDelayUs << entry->attempts));
  return result;
}

}  // namespace

CheckedReport CheckReport(const v1::FailureReport& report,
                          absl::string_view path, FieldViolations& violations) {
  if (report.reason() != v1::FAILURE_REASON_TEXT_REFUSED &&
      report.reason() != v1::FAILURE_REASON_ANSWER_UNUSABLE) {
    violations.Add(absl::StrCat(path, ".reason"),
                   absl::StrCat("is ", static_cast<int>(report.reason()),
                                "; give TEXT_REFUSED or ANSWER_UNUSABLE"));
  }
  return {.entry = report.entry(),
          .generation = report.generation(),
          .content_hash = report.content_hash(),
          .reason = report.reason(),
          .message = CutText(report.message(), kMaxMessageBytes)};
}

absl::Status WriteFailures(WriteTransaction& transaction,
                           const Catalog& catalog,
                           const std::vector<CheckedReport>& reports,
                           std::vector<v1::FailureResult>* results) {
  results->clear();
  for (const CheckedReport& report : reports) {
    ASSIGN_OR_RETURN(results->emplace_back(),
                     WriteOne(transaction, catalog, report));
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
