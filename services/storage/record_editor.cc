#include "services/storage/record_editor.h"

#include <deque>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_id.h"
#include "services/storage/record_merger.h"

namespace engram::storage {
namespace {

// A key may be held by an expired record, which is deleted when it is found;
// then the write is tried again.
constexpr int kAttempts = 2;

absl::Status IdTaken(const Collection& collection, absl::string_view id) {
  return MakeError(absl::StatusCode::kAlreadyExists,
                   common::v1::ERROR_REASON_ALREADY_EXISTS,
                   absl::StrCat("collection \"", collection.name(),
                                "\" has a record \"", id, "\" already"),
                   {{"collection", collection.name()}, {"id", id}});
}

}  // namespace

absl::Status KeyTaken(const Collection& collection, const UniqueKey& key,
                      absl::string_view id, absl::string_view holder) {
  const std::string fields =
      absl::StrJoin(key.fields, ", ", [&](std::string* out, int place) {
        absl::StrAppend(out, collection.spec.fields[place].name);
      });
  return MakeError(
      absl::StatusCode::kAlreadyExists,
      common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN,
      absl::StrCat(
          "collection \"", collection.name(), "\": the unique key (", fields,
          ") of ",
          id.empty() ? "a new record" : absl::StrCat("record \"", id, "\""),
          " is held by record \"", holder, "\""),
      {{"collection", collection.name()},
       {"id", id},
       {"holder", holder},
       {"key", fields}});
}

absl::Status RecordDeleted(const Collection& collection, absl::string_view id) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_RECORD_DELETED,
      absl::StrCat("collection \"", collection.name(), "\": record \"", id,
                   "\" is deleted; restore it, or delete it with `purge`"),
      {{"collection", collection.name()}, {"id", id}});
}

absl::StatusOr<std::optional<StoredRecord>> RecordEditor::Unexpired(
    const Collection& collection, std::optional<StoredRecord> found) {
  if (!found.has_value() || !found->HasExpiredAt(now_us())) return found;
  DeleteCounts unused;
  RETURN_IF_ERROR(Delete(collection, absl::MakeConstSpan(&*found, 1),
                         DeleteMode::kPurge, &unused));
  return std::nullopt;
}

absl::StatusOr<std::optional<StoredRecord>> RecordEditor::FindById(
    const Collection& collection, absl::string_view id) {
  ASSIGN_OR_RETURN(auto found, store_.FindById(collection, id));
  return Unexpired(collection, std::move(found));
}

absl::StatusOr<std::optional<StoredRecord>> RecordEditor::FindByRow(
    const Collection& collection, int64_t row) {
  ASSIGN_OR_RETURN(auto found, store_.FindByRow(collection, row));
  return Unexpired(collection, std::move(found));
}

absl::StatusOr<bool> RecordEditor::Has(const Collection& collection,
                                       int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(collection.select_id));
  select.BindInt(1, row);
  return select.Step();
}

absl::StatusOr<std::optional<StoredRecord>> RecordEditor::FindByKey(
    const Collection& collection, const UniqueKey& key,
    absl::Span<const ColumnValue> values) {
  ASSIGN_OR_RETURN(auto found, store_.FindByKey(key, values));
  return Unexpired(collection, std::move(found));
}

absl::StatusOr<bool> RecordEditor::Create(const RecordItem& item,
                                          StoredRecord& record) {
  const Collection& collection = *item.collection;
  const bool makes_id = record.id.empty();
  int64_t number = 0;
  if (makes_id && collection.spec.required_ids) {
    return InvalidField(
        item.PathOf(absl::StrCat(ActionName(item.action), ".id")),
        absl::StrCat("is empty, but records of the collection \"",
                     collection.name(),
                     "\" have the ids that callers choose; give it one"));
  }
  if (makes_id && collection.spec.sequence_ids) {
    ASSIGN_OR_RETURN(number, transaction_.NextRecordNumber(collection.id));
    record.id = absl::StrCat(number);
  } else if (makes_id) {
    record.id = NewRecordId(now_us());
  } else if (collection.spec.sequence_ids &&
             !absl::SimpleAtoi(record.id, &number)) {
    return absl::InternalError("an id that is no number was let through");
  }
  ASSIGN_OR_RETURN(const bool inserted,
                   store_.Insert(collection, record, item.vectors));
  if (!inserted) {
    if (makes_id) record.id.clear();
    return false;
  }
  if (number > 0) {
    RETURN_IF_ERROR(transaction_.NoteRecordNumber(collection.id, number));
  }
  references_.Note(item, nullptr, record);
  rollups_.Note(collection, nullptr, &record);
  return true;
}

absl::StatusOr<bool> RecordEditor::HasNewVectors(const RecordItem& item,
                                                 int64_t row) {
  for (const SuppliedVectors& vectors : item.vectors) {
    ASSIGN_OR_RETURN(const bool has_these,
                     store_.HasVectors(*item.collection, row, vectors));
    if (!has_these) return true;
  }
  return false;
}

absl::StatusOr<bool> RecordEditor::Change(const RecordItem& item,
                                          const StoredRecord& before,
                                          StoredRecord& after) {
  const Collection& collection = *item.collection;
  ASSIGN_OR_RETURN(const bool has_new_vectors, HasNewVectors(item, before.row));
  if (!has_new_vectors && after.values == before.values) {
    after.version = before.version;
    after.updated_us = before.updated_us;
    after.sequence = before.sequence;
    if (after.expires_us != before.expires_us) {
      RETURN_IF_ERROR(
          store_.MoveExpiry(collection, before.row, after.expires_us));
    }
    return false;
  }
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(const bool updated,
                     store_.Update(collection, before, after, item.vectors));
    if (updated) {
      references_.Note(item, &before, after);
      rollups_.Note(collection, &before, &after);
      return true;
    }
    RETURN_IF_ERROR(
        ExplainConflict(collection, before.row, before.id, after.values));
  }
  return absl::InternalError("a unique key is taken by no record");
}

absl::Status RecordEditor::Delete(const Collection& collection,
                                  absl::Span<const StoredRecord> records,
                                  DeleteMode mode, DeleteCounts* counts) {
  const bool hides = mode == DeleteMode::kDelete && collection.keeps_deleted();
  ASSIGN_OR_RETURN(const DeletePlan plan,
                   DeletePlan::Make(transaction_, catalog_, collection, records,
                                    hides, limits_.max_cascade_rows));
  absl::Span<const DeletePlan::ClearedRef> cleared = plan.cleared();
  while (!cleared.empty()) {
    ASSIGN_OR_RETURN(const size_t done, ClearRefs(cleared));
    cleared.remove_prefix(done);
  }
  const auto history = mode == DeleteMode::kPurge
                           ? RecordStore::History::kForget
                           : RecordStore::History::kKeep;
  // Those that refer to others before the others, as a follower expects.
  const std::vector<DeletePlan::Victim>& victims = plan.victims();
  for (auto victim = victims.rbegin(); victim != victims.rend(); ++victim) {
    RETURN_IF_ERROR(Remove(*victim, hides, history));
  }
  counts->deleted += static_cast<int64_t>(records.size());
  counts->cascaded += static_cast<int64_t>(victims.size() - records.size());
  return absl::OkStatus();
}

absl::Status RecordEditor::Remove(const DeletePlan::Victim& victim, bool hides,
                                  RecordStore::History history) {
  const Collection& collection = *victim.collection;
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> record,
                   store_.FindByRow(collection, victim.row));
  if (!record.has_value()) {
    return absl::InternalError("a record went while its deletion was planned");
  }
  RETURN_IF_ERROR(hides ? store_.Hide(collection, *record)
                        : store_.Remove(collection, *record, history));
  rollups_.Note(collection, &*record, nullptr);
  return absl::OkStatus();
}

absl::StatusOr<size_t> RecordEditor::ClearRefs(
    absl::Span<const DeletePlan::ClearedRef> refs) {
  const Collection& collection = *refs[0].collection;
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> before,
                   store_.FindByRow(collection, refs[0].row));
  if (!before.has_value()) {
    return absl::InternalError("a record went while its ref was cleared");
  }
  StoredRecord after = *before;
  std::vector<int> places;
  for (const DeletePlan::ClearedRef& ref : refs) {
    if (ref.collection->id != collection.id || ref.row != refs[0].row) break;
    after.values[ref.field] = std::monostate();
    places.push_back(ref.field);
  }
  if (before->deleted_us.has_value()) {
    RETURN_IF_ERROR(store_.Touch(collection, after, places));
    return places.size();
  }
  for (size_t i = 0; i < after.values.size(); ++i) {
    if (collection.spec.fields[i].on_update_now) after.values[i] = now_us();
  }
  FillComputed(collection, after);
  // What has expired stays so.
  if (!before->HasExpiredAt(now_us())) {
    after.expires_us =
        ExpiryOf(collection, after.values, after.created_us, now_us());
  }
  ASSIGN_OR_RETURN(const bool updated,
                   store_.Update(collection, *before, after, {}));
  if (!updated) {
    RETURN_IF_ERROR(
        ExplainConflict(collection, before->row, before->id, after.values));
    return absl::InternalError("a unique key is taken by no record");
  }
  rollups_.Note(collection, &*before, &after);
  return places.size();
}

absl::Status RecordEditor::Undelete(const RecordItem& item,
                                    StoredRecord& record) {
  const int64_t deleted_us = *record.deleted_us;
  RETURN_IF_ERROR(Unhide(item, *item.collection, record));
  // Rows of collections whose referrers are to be looked at.
  std::deque<std::pair<CollectionPtr, std::string>> targets = {
      {catalog_.FindById(item.collection->id), record.id}};
  int64_t restored = 0;
  while (!targets.empty()) {
    const auto [target, id] = std::move(targets.front());
    targets.pop_front();
    for (const Referrer& referrer : target->referrers) {
      const CollectionPtr collection = catalog_.FindById(referrer.collection);
      if (referrer.on_delete != schema::OnDelete::kCascade ||
          !collection->keeps_deleted()) {
        continue;
      }
      // Read first: what is restored changes the rows that are read.
      std::vector<StoredRecord> children;
      {
        ASSIGN_OR_RETURN(sqlite::Statement select,
                         transaction_.connection().Cached(referrer.select));
        select.BindText(1, id);
        while (true) {
          ASSIGN_OR_RETURN(const bool found, select.Step());
          if (!found) break;
          StoredRecord child = ReadStoredRecord(select);
          if (child.deleted_us == deleted_us && !child.HasExpiredAt(now_us())) {
            children.push_back(std::move(child));
            if (++restored > limits_.max_cascade_rows) {
              return absl::ResourceExhaustedError(absl::StrCat(
                  "more than ", limits_.max_cascade_rows,
                  " records were deleted with this one; raise the limit"));
            }
          }
        }
      }
      for (StoredRecord& child : children) {
        RETURN_IF_ERROR(Unhide(item, *collection, child));
        targets.emplace_back(collection, std::move(child.id));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status RecordEditor::Unhide(const RecordItem& item,
                                  const Collection& collection,
                                  StoredRecord& record) {
  record.expires_us =
      ExpiryOf(collection, record.values, record.created_us, now_us());
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    StoredRecord restored = record;
    ASSIGN_OR_RETURN(const bool done, store_.Unhide(collection, restored));
    if (done) {
      record = std::move(restored);
      references_.NoteAll(item, catalog_.FindById(collection.id), record);
      rollups_.Note(collection, nullptr, &record);
      return absl::OkStatus();
    }
    RETURN_IF_ERROR(
        ExplainConflict(collection, record.row, record.id, record.values));
  }
  return absl::InternalError("a unique key is taken by no record");
}

absl::Status RecordEditor::ExplainConflict(
    const Collection& collection, int64_t row, absl::string_view id,
    absl::Span<const ColumnValue> values) {
  if (row == 0 && !id.empty()) {
    ASSIGN_OR_RETURN(const auto holder, FindById(collection, id));
    if (holder.has_value()) {
      return holder->deleted_us.has_value() ? RecordDeleted(collection, id)
                                            : IdTaken(collection, id);
    }
  }
  for (const UniqueKey& key : collection.unique_keys) {
    ASSIGN_OR_RETURN(const auto holder, FindByKey(collection, key, values));
    if (holder.has_value() && holder->row != row) {
      return KeyTaken(collection, key, id, holder->id);
    }
  }
  return absl::OkStatus();
}

absl::Status RecordEditor::Finish() {
  RETURN_IF_ERROR(rollups_.Flush());
  return references_.Check(now_us());
}

}  // namespace engram::storage
