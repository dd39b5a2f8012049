#include "services/storage/delete_plan.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

absl::StatusOr<DeletePlan> DeletePlan::Make(
    WriteTransaction& transaction, const Catalog& catalog,
    const Collection& collection, absl::Span<const StoredRecord> records,
    bool hides, int64_t max_rows) {
  DeletePlan plan(transaction, catalog, hides, max_rows);
  const CollectionPtr owned = catalog.FindById(collection.id);
  if (owned == nullptr) {
    return absl::InternalError("a delete in a collection that does not exist");
  }
  for (const StoredRecord& record : records) {
    plan.AddVictim(owned, record.row, record.id);
  }
  plan.asked_ = plan.victims_.size();
  for (size_t i = 0; i < plan.victims_.size(); ++i) {
    // Held here: the vector grows while its victims are followed.
    const CollectionPtr target = plan.victims_[i].collection;
    for (const Referrer& referrer : target->referrers) {
      RETURN_IF_ERROR(plan.Follow(i, referrer));
    }
  }
  RETURN_IF_ERROR(plan.CheckHolders());
  plan.DropClearedVictims();
  return plan;
}

void DeletePlan::AddVictim(const CollectionPtr& collection, int64_t row,
                           std::string id) {
  if (!met_.insert({collection->id, row}).second) return;
  victims_.push_back({collection, row, std::move(id)});
}

absl::Status DeletePlan::Follow(size_t victim, const Referrer& referrer) {
  const CollectionPtr collection = catalog_.FindById(referrer.collection);
  if (collection == nullptr) {
    return absl::InternalError("a ref of a collection that does not exist");
  }
  // Copied: the vector grows while the statement is bound to it.
  const std::string id = victims_[victim].id;
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(referrer.select));
  select.BindText(1, id);
  StoredRecord child;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    ReadStoredRecord(select, child);
    Meet(collection, child, referrer, victim);
    RETURN_IF_ERROR(CheckSize());
  }
}

void DeletePlan::Meet(const CollectionPtr& collection,
                      const StoredRecord& child, const Referrer& referrer,
                      size_t victim) {
  const bool is_live = !child.deleted_us.has_value() &&
                       !child.HasExpiredAt(transaction_.now_us());
  switch (referrer.on_delete) {
    case schema::OnDelete::kRestrict:
      if (is_live) {
        holders_.push_back({collection, child.row, child.id, victim});
      } else if (!hides_) {
        // Nobody sees it any more, and what it refers to goes for good.
        AddVictim(collection, child.row, child.id);
      }
      return;
    case schema::OnDelete::kCascade:
      // What cannot be hidden stays until its target goes for good.
      if (!hides_ || (collection->keeps_deleted() && is_live)) {
        AddVictim(collection, child.row, child.id);
      }
      return;
    case schema::OnDelete::kSetNull:
      if (!hides_) {
        cleared_.push_back({collection, child.row, referrer.field});
      }
      return;
  }
}

absl::Status DeletePlan::CheckSize() const {
  const size_t others =
      victims_.size() - asked_ + cleared_.size() + holders_.size();
  if (static_cast<int64_t>(others) <= max_rows_) return absl::OkStatus();
  if (static_cast<int64_t>(holders_.size()) == static_cast<int64_t>(others)) {
    return CheckHolders();
  }
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_CASCADE_TOO_LARGE,
      absl::StrCat("collection \"", victims_[0].collection->name(),
                   "\": deleting record \"", victims_[0].id,
                   "\" takes at least ", others,
                   " others along, or clears their refs; at most ", max_rows_,
                   " are allowed at once: delete those first, with "
                   "DeleteWhere, which works in slices"),
      {{"collection", victims_[0].collection->name()},
       {"id", victims_[0].id},
       {"rows", absl::StrCat(others)},
       {"limit", absl::StrCat(max_rows_)}});
}

absl::Status DeletePlan::CheckHolders() const {
  const Holder* first = nullptr;
  int64_t count = 0;
  for (const Holder& holder : holders_) {
    if (IsVictim(holder.collection, holder.row)) continue;
    if (first == nullptr) first = &holder;
    ++count;
  }
  if (first == nullptr) return absl::OkStatus();
  const Victim& target = victims_[first->victim];
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_RECORD_REFERENCED,
      absl::StrCat("collection \"", target.collection->name(), "\": record \"",
                   target.id, "\" cannot be deleted while record \"", first->id,
                   "\" of \"", first->collection->name(), "\"",
                   count > 1 ? absl::StrCat(" and ", count - 1, " more") : "",
                   " refer", count > 1 ? "" : "s", " to it"),
      {{"collection", target.collection->name()},
       {"id", target.id},
       {"referrer_collection", first->collection->name()},
       {"referrer_id", first->id},
       {"referrers", absl::StrCat(count)}});
}

void DeletePlan::DropClearedVictims() {
  const auto goes = [&](const ClearedRef& ref) {
    return IsVictim(ref.collection, ref.row);
  };
  cleared_.erase(std::remove_if(cleared_.begin(), cleared_.end(), goes),
                 cleared_.end());
  std::sort(cleared_.begin(), cleared_.end(),
            [](const ClearedRef& a, const ClearedRef& b) {
              return std::tie(a.collection->id, a.row, a.field) <
                     std::tie(b.collection->id, b.row, b.field);
            });
}

}  // namespace engram::storage
