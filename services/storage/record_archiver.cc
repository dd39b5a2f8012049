#include "services/storage/record_archiver.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_merger.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

using schema::FieldType;

bool IsText(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText;
}

// Whether a field of type `to` can hold every value of one of type `from`. A
// ref's value is text, that an archive may outlive what it named.
bool CanHold(FieldType to, FieldType from) {
  return to == from ||
         (IsText(to) && (IsText(from) || from == FieldType::kRef));
}

bool IsComputed(const schema::FieldSpec& field) {
  return !field.generated.empty() || !field.extract.empty();
}

absl::Status IsDeleted(const Collection& archive, absl::string_view id) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_RECORD_DELETED,
      absl::StrCat("the archive \"", archive.name(), "\" has a record \"", id,
                   "\" that is deleted but kept; restore it or delete it with "
                   "`purge`"),
      {{"collection", archive.name()}, {"id", id}});
}

}  // namespace

RecordArchiver::RecordArchiver(const CollectionPtr& from,
                               const CollectionPtr& archive,
                               const Catalog& catalog, absl::string_view path,
                               FieldViolations& violations)
    : archive_(archive), path_(path) {
  if (archive == from) {
    violations.Add(path, "is the collection itself; name another one");
    return;
  }
  kept_ = WritableCollection(archive, catalog).kept();
  if (archive->spec.sequence_ids && !from->spec.sequence_ids) {
    violations.Add(path, absl::StrCat("numbers its records, so it cannot take "
                                      "the ids of \"",
                                      from->name(), "\""));
  }
  MapFields(*from, violations);
}

void RecordArchiver::MapFields(const Collection& from,
                               FieldViolations& violations) {
  for (size_t i = 0; i < from.spec.fields.size(); ++i) {
    const schema::FieldSpec& field = from.spec.fields[i];
    const int place = archive_->spec.FieldIndex(field.name);
    if (place < 0) {
      // What can be computed again is no loss.
      if (IsComputed(field)) continue;
      violations.Add(path_,
                     absl::StrCat("\"", archive_->name(), "\" has no field \"",
                                  field.name, "\"; declare it there"));
      continue;
    }
    const schema::FieldSpec& to = archive_->spec.fields[place];
    if (IsComputed(to) ||
        std::binary_search(kept_.begin(), kept_.end(), place)) {
      continue;
    }
    if (!CanHold(to.type, field.type)) {
      violations.Add(
          path_,
          absl::StrCat("\"", archive_->name(), "\" has a field \"", field.name,
                       "\" of type ", schema::FieldTypeName(to.type),
                       "; it must be of type ",
                       schema::FieldTypeName(field.type)));
      continue;
    }
    places_.emplace_back(place, static_cast<int>(i));
  }
  std::sort(places_.begin(), places_.end());
}

absl::Status RecordArchiver::Copy(RecordEditor& editor,
                                  const StoredRecord& record) {
  RecordItem& item = items_.emplace_back();
  item.collection = archive_;
  item.action = RecordItem::Action::kReplace;
  item.id = record.id;
  item.kept = kept_;
  for (const auto& [to, from] : places_) {
    item.sent.push_back({to, record.values[from]});
  }
  return WithContext(Write(editor, item),
                     absl::StrCat("archiving record \"", record.id, "\""));
}

absl::Status RecordArchiver::Write(RecordEditor& editor,
                                   const RecordItem& item) {
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> before,
                   editor.FindById(*archive_, item.id));
  if (before.has_value() && before->deleted_us.has_value()) {
    return IsDeleted(*archive_, item.id);
  }
  StoredRecord after;
  after.id = item.id;
  FieldViolations violations;
  if (before.has_value()) {
    ChangeRecord(item, *before, editor.now_us(), after, violations);
  } else {
    MakeRecord(item, editor.now_us(), after, violations);
    editor.BeginRollups(*archive_, after);
  }
  CheckValues(*archive_, after.values, path_, violations);
  CheckRecord(*archive_, before.has_value() ? &*before : nullptr, after, path_,
              editor.now_us(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  if (before.has_value()) return editor.Change(item, *before, after).status();
  ASSIGN_OR_RETURN(const bool created, editor.Create(item, after));
  if (created) return absl::OkStatus();
  return editor.ExplainConflict(*archive_, 0, item.id, after.values);
}

}  // namespace engram::storage
