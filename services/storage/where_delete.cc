#include "services/storage/where_delete.h"

#include <optional>
#include <utility>

#include "libs/filter/shared_parameters.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/where_filter.h"

namespace engram::storage {
namespace {

// How often records that refs kept are tried again because others of the same
// slice went: a chain of refs is as long as that, or its rest is left out.
constexpr int kMaxPasses = 4;

bool IsReferenced(const absl::Status& status) {
  return ReasonOf(status) == common::v1::ERROR_REASON_RECORD_REFERENCED;
}

}  // namespace

absl::Status WhereDelete::Prepare(absl::string_view database,
                                  const Catalog& catalog) {
  ASSIGN_OR_RETURN(collection_,
                   FindCollection(database, catalog, request_.collection()));
  schema_version_ = collection_->schema_version;
  deleted_ = request_.purge() ? Deleted::kIncluded : Deleted::kHidden;
  filter::SharedParameters parameters(request_.parameters());
  FieldViolations violations;
  filter_ = DecodeWhereFilter(collection_->spec, request_.filter(), parameters,
                              violations);
  parameters.CheckAllUsed(violations);
  archiver_ = nullptr;
  if (!request_.archive_to().empty()) {
    absl::StatusOr<CollectionPtr> archive =
        catalog.Get(database, request_.archive_to());
    if (!archive.ok()) return WithContext(archive.status(), "archive_to");
    archiver_ = std::make_unique<RecordArchiver>(collection_, *archive, catalog,
                                                 "archive_to", violations);
  }
  return violations.ToStatus();
}

absl::Status WhereDelete::Apply(RecordEditor& editor,
                                absl::Span<const StoredRecord> records,
                                WhereProgress& progress) {
  if (archiver_ != nullptr) archiver_->Begin();
  progress.matched += static_cast<int64_t>(records.size());
  const absl::Status status = Delete(editor, records, progress);
  if (!request_.skip_referenced() || !IsReferenced(status)) return status;
  return DeleteUnreferenced(editor, records, progress);
}

absl::Status WhereDelete::Delete(RecordEditor& editor,
                                 absl::Span<const StoredRecord> records,
                                 WhereProgress& progress) {
  if (records.empty()) return absl::OkStatus();
  DeleteCounts counts;
  RETURN_IF_ERROR(editor.Delete(
      *collection_, records,
      request_.purge() ? DeleteMode::kPurge : DeleteMode::kDelete, &counts));
  progress.changed += counts.deleted;
  progress.cascaded += counts.cascaded;
  if (archiver_ == nullptr) return absl::OkStatus();
  for (const StoredRecord& record : records) {
    RETURN_IF_ERROR(archiver_->Copy(editor, record));
  }
  return absl::OkStatus();
}

absl::Status WhereDelete::DeleteUnreferenced(
    RecordEditor& editor, absl::Span<const StoredRecord> records,
    WhereProgress& progress) {
  // Newest first: a record's ref mostly names an older one.
  std::vector<const StoredRecord*> left;
  for (const StoredRecord& record : records) left.push_back(&record);
  for (int pass = 0; pass < kMaxPasses && !left.empty(); ++pass) {
    std::vector<const StoredRecord*> referenced;
    for (auto record = left.rbegin(); record != left.rend(); ++record) {
      // Another one's deletion may have taken it along.
      ASSIGN_OR_RETURN(const std::optional<StoredRecord> found,
                       editor.FindByRow(*collection_, (*record)->row));
      if (!found.has_value() || found->deleted_us != (*record)->deleted_us) {
        continue;
      }
      const absl::Status status =
          Delete(editor, absl::MakeConstSpan(*record, 1), progress);
      if (status.ok()) continue;
      if (!IsReferenced(status)) return status;
      referenced.push_back(*record);
    }
    if (referenced.size() == left.size()) break;
    left.assign(referenced.rbegin(), referenced.rend());
  }
  progress.skipped += static_cast<int64_t>(left.size());
  return absl::OkStatus();
}

}  // namespace engram::storage
