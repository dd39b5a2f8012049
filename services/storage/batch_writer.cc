#include "services/storage/batch_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/rpc_status.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_history.h"
#include "services/storage/record_merger.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

using Action = RecordItem::Action;

// What a new record meets may have expired, and is deleted when it is found.
constexpr int kAttempts = 2;

absl::Status RecordUnknown(const RecordItem& item) {
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_RECORD_UNKNOWN,
                   absl::StrCat("collection \"", item.collection->name(),
                                "\" has no record \"", item.id, "\""),
                   {{"collection", item.collection->name()}, {"id", item.id}});
}

absl::Status VersionUnknown(const RecordItem& item) {
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_VERSION_UNKNOWN,
      absl::StrCat("version ", item.version, " of record \"", item.id,
                   "\" of \"", item.collection->name(), "\" is not kept"),
      {{"collection", item.collection->name()},
       {"id", item.id},
       {"version", absl::StrCat(item.version)}});
}

void Fill(const StoredRecord& record, v1::WriteResult::Outcome outcome,
          v1::WriteResult& result) {
  result.set_id(record.id);
  result.set_version(record.version);
  result.set_outcome(outcome);
}

}  // namespace

absl::Status BatchWriter::Write(v1::WriteResponse* response) {
  response->mutable_results()->Reserve(static_cast<int>(batch_.items.size()));
  RETURN_IF_ERROR(batch_.atomic ? WriteTogether(response)
                                : WriteEach(response));
  return editor_.Finish();
}

absl::Status BatchWriter::WriteTogether(v1::WriteResponse* response) {
  for (size_t i = 0; i < batch_.items.size(); ++i) {
    const absl::Status status =
        WriteItem(batch_.items[i], *response->add_results());
    // After a broken rule others fail because this item was not written.
    if (!status.ok() && violations_.empty()) {
      return WithContext(status, absl::StrCat("items[", i, "]"));
    }
  }
  return violations_.ToStatus();
}

absl::Status BatchWriter::WriteEach(v1::WriteResponse* response) {
  for (const RecordItem& item : batch_.items) {
    RETURN_IF_ERROR(WriteAlone(item, *response->add_results()));
  }
  return absl::OkStatus();
}

absl::Status BatchWriter::WriteAlone(const RecordItem& item,
                                     v1::WriteResult& result) {
  absl::Status status = item.error;
  if (status.ok()) {
    const RecordEditor::Mark mark = editor_.NewMark();
    ASSIGN_OR_RETURN(WriteTransaction::Part part,
                     WriteTransaction::Part::Begin(editor_.transaction()));
    violations_ = FieldViolations();
    status = WriteItem(item, result);
    if (!violations_.empty()) status = violations_.ToStatus();
    if (status.ok()) status = editor_.CheckReferences();
    if (status.ok()) return part.Keep();
    // SQLite gave the whole transaction up.
    if (!editor_.transaction().connection().in_transaction()) return status;
    editor_.Rewind(mark);
  }
  result.Clear();
  result.set_id(item.id);
  result.set_outcome(v1::WriteResult::OUTCOME_FAILED);
  *result.mutable_error() = ToRpcStatus(status);
  return absl::OkStatus();
}

absl::Status BatchWriter::WriteItem(const RecordItem& item,
                                    v1::WriteResult& result) {
  switch (item.action) {
    case Action::kCreate:
      return Create(item, result);
    case Action::kUpsert:
    case Action::kReplace:
      return Put(item, result);
    case Action::kUpdate:
      return Update(item, result);
    case Action::kDelete:
      return Delete(item, result);
    case Action::kRestore:
      return item.version == 0 ? Undelete(item, result)
                               : RestoreVersion(item, result);
  }
  return absl::InternalError("an item without an action was let through");
}

void BatchWriter::CheckMade(const RecordItem& item,
                            const StoredRecord* existing) {
  CheckRecord(*item.collection, existing, record_, item.FieldsPath(),
              editor_.now_us(), violations_);
}

absl::Status BatchWriter::Create(const RecordItem& item,
                                 v1::WriteResult& result) {
  record_.id = item.id;
  MakeRecord(item, editor_.now_us(), record_, violations_);
  editor_.BeginRollups(*item.collection, record_);
  CheckMade(item, nullptr);
  return AddRecord(item, result);
}

absl::Status BatchWriter::AddRecord(const RecordItem& item,
                                    v1::WriteResult& result) {
  if (!violations_.empty()) return absl::OkStatus();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const bool created, editor_.Create(item, record_));
    if (created) {
      Fill(record_, v1::WriteResult::OUTCOME_CREATED, result);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(editor_.ExplainConflict(*item.collection, /*row=*/0,
                                            item.id, record_.values));
  }
  return absl::InternalError("a new record meets what cannot be found");
}

absl::Status BatchWriter::Put(const RecordItem& item, v1::WriteResult& result) {
  if (expects_new_) {
    ASSIGN_OR_RETURN(const bool created, TryCreate(item, result));
    if (created) return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const Found existing, FindMeant(item));
  expects_new_ = !existing.has_value();
  if (existing.has_value()) return ChangeExisting(item, *existing, result);
  RETURN_IF_ERROR(CheckCondition(item, nullptr, editor_.now_us()));
  return Create(item, result);
}

absl::StatusOr<bool> BatchWriter::TryCreate(const RecordItem& item,
                                            v1::WriteResult& result) {
  if (!violations_.empty() ||
      !CheckCondition(item, nullptr, editor_.now_us()).ok()) {
    return false;
  }
  FieldViolations problems;
  record_.id = item.id;
  MakeRecord(item, editor_.now_us(), record_, problems);
  editor_.BeginRollups(*item.collection, record_);
  CheckRecord(*item.collection, nullptr, record_, "", editor_.now_us(),
              problems);
  // They count only if there is no such record yet.
  if (!problems.empty()) return false;
  ASSIGN_OR_RETURN(const bool created, editor_.Create(item, record_));
  if (created) Fill(record_, v1::WriteResult::OUTCOME_CREATED, result);
  return created;
}

absl::StatusOr<BatchWriter::Found> BatchWriter::FindMeant(
    const RecordItem& item) {
  const Collection& collection = *item.collection;
  if (!item.id.empty()) return editor_.FindById(collection, item.id);
  Found found;
  if (collection.unique_keys.empty()) return found;
  FieldViolations unused;
  record_.id.clear();
  MakeRecord(item, editor_.now_us(), record_, unused);
  for (const UniqueKey& key : collection.unique_keys) {
    ASSIGN_OR_RETURN(Found holder,
                     editor_.FindByKey(collection, key, record_.values));
    if (!holder.has_value()) continue;
    if (found.has_value() && found->row != holder->row) {
      return KeyTaken(collection, key, found->id, holder->id);
    }
    found = std::move(holder);
  }
  return found;
}

absl::Status BatchWriter::ChangeExisting(const RecordItem& item,
                                         const StoredRecord& existing,
                                         v1::WriteResult& result) {
  if (existing.deleted_us.has_value()) {
    return RecordDeleted(*item.collection, existing.id);
  }
  RETURN_IF_ERROR(CheckCondition(item, &existing, editor_.now_us()));
  if (ChangeRecord(item, existing, editor_.now_us(), record_, violations_)) {
    CheckMade(item, &existing);
  }
  return StoreChanged(item, existing, result);
}

absl::Status BatchWriter::StoreChanged(const RecordItem& item,
                                       const StoredRecord& existing,
                                       v1::WriteResult& result) {
  if (!violations_.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const bool changed, editor_.Change(item, existing, record_));
  Fill(record_,
       changed ? v1::WriteResult::OUTCOME_UPDATED
               : v1::WriteResult::OUTCOME_UNCHANGED,
       result);
  return absl::OkStatus();
}

absl::Status BatchWriter::Update(const RecordItem& item,
                                 v1::WriteResult& result) {
  ASSIGN_OR_RETURN(const Found existing,
                   editor_.FindById(*item.collection, item.id));
  if (!existing.has_value()) return RecordUnknown(item);
  return ChangeExisting(item, *existing, result);
}

absl::Status BatchWriter::Delete(const RecordItem& item,
                                 v1::WriteResult& result) {
  result.set_id(item.id);
  result.set_outcome(v1::WriteResult::OUTCOME_ABSENT);
  ASSIGN_OR_RETURN(const Found existing,
                   editor_.FindById(*item.collection, item.id));
  const bool is_hidden =
      existing.has_value() && existing->deleted_us.has_value();
  if (!existing.has_value() || (is_hidden && !item.purge)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(CheckCondition(item, &*existing, editor_.now_us()));
  if (!violations_.empty()) return absl::OkStatus();
  DeleteCounts counts;
  RETURN_IF_ERROR(editor_.Delete(
      *item.collection, absl::MakeConstSpan(&*existing, 1),
      item.purge ? DeleteMode::kPurge : DeleteMode::kDelete, &counts));
  result.set_outcome(v1::WriteResult::OUTCOME_DELETED);
  return absl::OkStatus();
}

absl::Status BatchWriter::Undelete(const RecordItem& item,
                                   v1::WriteResult& result) {
  ASSIGN_OR_RETURN(Found existing, editor_.FindById(*item.collection, item.id));
  if (!existing.has_value()) return RecordUnknown(item);
  RETURN_IF_ERROR(CheckCondition(item, &*existing, editor_.now_us()));
  if (!existing->deleted_us.has_value()) {
    Fill(*existing, v1::WriteResult::OUTCOME_UNCHANGED, result);
    return absl::OkStatus();
  }
  if (!violations_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(editor_.Undelete(item, *existing));
  Fill(*existing, v1::WriteResult::OUTCOME_UPDATED, result);
  return absl::OkStatus();
}

absl::Status BatchWriter::RestoreVersion(const RecordItem& item,
                                         v1::WriteResult& result) {
  const Collection& collection = *item.collection;
  const int64_t now_us = editor_.now_us();
  ASSIGN_OR_RETURN(Found existing, editor_.FindById(collection, item.id));
  if (existing.has_value()) {
    RETURN_IF_ERROR(CheckCondition(item, &*existing, now_us));
  }
  const bool is_hidden =
      existing.has_value() && existing->deleted_us.has_value();
  if (is_hidden) RETURN_IF_ERROR(editor_.Undelete(item, *existing));
  if (existing.has_value() && !is_hidden && existing->version == item.version) {
    Fill(*existing, v1::WriteResult::OUTCOME_UNCHANGED, result);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      std::optional<OldVersion> old,
      FindOldVersion(editor_.transaction(), collection, item.id, item.version));
  if (!old.has_value()) return VersionUnknown(item);
  record_ = existing.has_value() ? *existing
                                 : StoredRecord{.id = item.id,
                                                .version = old->newest + 1,
                                                .created_us = old->created_us};
  record_.values = std::move(old->values);
  // What roll-ups keep is of the children there are now.
  const WritableCollection writable(item.collection, editor_.catalog());
  for (const int place : writable.kept()) {
    record_.values[place] =
        existing.has_value() ? existing->values[place] : ColumnValue();
  }
  FillComputed(collection, record_);
  if (!existing.has_value()) editor_.BeginRollups(collection, record_);
  record_.expires_us =
      ExpiryOf(collection, record_.values, record_.created_us, now_us);
  CheckValues(collection, record_.values, item.FieldsPath(), violations_);
  CheckMade(item, nullptr);
  if (!existing.has_value()) return AddRecord(item, result);
  RETURN_IF_ERROR(StoreChanged(item, *existing, result));
  // It was brought back, if with the fields that it had.
  if (is_hidden) result.set_outcome(v1::WriteResult::OUTCOME_UPDATED);
  return absl::OkStatus();
}

}  // namespace engram::storage
