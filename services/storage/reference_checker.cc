#include "services/storage/reference_checker.h"

#include <optional>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

void ReferenceChecker::Note(const RecordItem& item, const StoredRecord* before,
                            const StoredRecord& after) {
  Add(item, item.collection, before, after);
}

void ReferenceChecker::NoteAll(const RecordItem& item, CollectionPtr collection,
                               const StoredRecord& record) {
  Add(item, collection, nullptr, record);
}

void ReferenceChecker::Add(const RecordItem& item,
                           const CollectionPtr& collection,
                           const StoredRecord* before,
                           const StoredRecord& after) {
  const schema::CollectionSpec& spec = collection->spec;
  for (size_t i = 0; i < spec.fields.size(); ++i) {
    if (spec.fields[i].type != schema::FieldType::kRef) continue;
    const auto* target = std::get_if<std::string>(&after.values[i]);
    if (target == nullptr) continue;
    if (before != nullptr && before->values[i] == after.values[i]) continue;
    written_.push_back({.collection = collection,
                        .row = after.row,
                        .field = static_cast<int>(i),
                        .target = *target,
                        .item = &item});
  }
}

absl::StatusOr<bool> ReferenceChecker::Holds(const Written& written) {
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> record,
                   store_.FindByRow(*written.collection, written.row));
  return record.has_value() && !record->deleted_us.has_value() &&
         record->values[written.field] == ColumnValue(written.target);
}

absl::Status ReferenceChecker::Check(int64_t now_us) {
  absl::flat_hash_set<std::pair<absl::string_view, absl::string_view>> live;
  for (const Written& written : written_) {
    const schema::FieldSpec& field =
        written.collection->spec.fields[written.field];
    if (live.contains({field.target, written.target})) continue;
    const CollectionPtr target = catalog_.Find(field.target);
    if (target == nullptr) {
      return absl::InternalError("a ref to a collection that does not exist");
    }
    ASSIGN_OR_RETURN(const std::optional<StoredRecord> record,
                     store_.FindById(*target, written.target));
    if (record.has_value() && !record->deleted_us.has_value() &&
        !record->HasExpiredAt(now_us)) {
      live.insert({field.target, written.target});
      continue;
    }
    // A later item may have taken the ref back.
    ASSIGN_OR_RETURN(const bool holds, Holds(written));
    if (!holds) continue;
    const std::string path =
        absl::StrCat(written.item->FieldsPath(), ".", field.name);
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        common::v1::ERROR_REASON_REFERENCE_MISSING,
        absl::StrCat(path, ": collection \"", field.target,
                     "\" has no record \"", written.target,
                     "\"; create it first, or in the same request"),
        {{"field", path},
         {"collection", field.target},
         {"id", written.target}});
  }
  written_.clear();
  return absl::OkStatus();
}

}  // namespace engram::storage
