#include "services/storage/where_update.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/shared_parameters.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_body_decoder.h"
#include "services/storage/record_merger.h"
#include "services/storage/transform_decoder.h"
#include "services/storage/where_filter.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {

absl::Status WhereUpdate::Prepare(absl::string_view database,
                                  const Catalog& catalog) {
  ASSIGN_OR_RETURN(collection_,
                   FindCollection(database, catalog, request_.collection()));
  schema_version_ = collection_->schema_version;
  const WritableCollection target(collection_, catalog);
  filter::SharedParameters parameters(request_.parameters());
  FieldViolations violations;
  filter_ = DecodeWhereFilter(collection_->spec, request_.filter(), parameters,
                              violations);
  item_ = RecordItem();
  item_.collection = collection_;
  item_.action = RecordItem::Action::kUpdate;
  DecodeFields(target, request_.fields(), item_, violations);
  DecodeTransforms(
      target, request_.transforms(),
      [&](absl::string_view text) { return parameters.Of(text); }, item_,
      violations);
  if (request_.fields().fields().empty() && request_.transforms().empty()) {
    violations.Add("fields", "is empty; give fields or transforms");
  }
  parameters.CheckAllUsed(violations);
  return violations.ToStatus();
}

absl::Status WhereUpdate::Apply(RecordEditor& editor,
                                absl::Span<const StoredRecord> records,
                                WhereProgress& progress) {
  StoredRecord after;
  for (const StoredRecord& before : records) {
    FieldViolations violations;
    const bool differs =
        ChangeRecord(item_, before, progress.now_us, after, violations);
    if (differs) {
      CheckRecord(*collection_, &before, after, item_.FieldsPath(),
                  progress.now_us, violations);
    }
    const absl::string_view context = before.id;
    if (!violations.empty()) {
      return WithContext(violations.ToStatus(),
                         absl::StrCat("record \"", context, "\""));
    }
    absl::StatusOr<bool> changed = editor.Change(item_, before, after);
    if (!changed.ok()) {
      return WithContext(changed.status(),
                         absl::StrCat("record \"", context, "\""));
    }
    ++progress.matched;
    if (*changed) ++progress.changed;
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
