#include "services/storage/touch_buffer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/filter/evaluate.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_merger.h"
#include "services/storage/record_store.h"

namespace engram::storage {
namespace {

// Of one record in one commit: some milliseconds of the writer's time.
constexpr int64_t kMaxRounds = 10'000;

// Whether the record is one that its collection's checks let be. Generated
// values, which the checks may read, are computed first.
bool MeetsChecks(const Collection& collection, int64_t now_us,
                 StoredRecord& record) {
  if (collection.checks.empty()) return true;
  if (std::any_of(collection.generated.begin(), collection.generated.end(),
                  [](const auto& field) { return field.has_value(); })) {
    FillComputed(collection, record);
  }
  const auto value_at = [&](int place) -> const ColumnValue& {
    return ValueAt(record, place);
  };
  return std::all_of(collection.checks.begin(), collection.checks.end(),
                     [&](const filter::Node& check) {
                       return filter::Matches(check, value_at, now_us);
                     });
}

// What one touch makes of the record. False if it changes nothing, as then none
// after it does.
bool TouchOnce(const Collection& collection, int64_t now_us,
               StoredRecord& record) {
  const std::vector<schema::TouchSpec::Set>& sets = collection.spec.touch->set;
  // All from the record as it is before, as an UPDATE does.
  std::vector<ColumnValue> results;
  for (const filter::Node& expression : collection.touches) {
    results.push_back(filter::Evaluate(
        expression,
        [&](int place) -> const ColumnValue& { return ValueAt(record, place); },
        now_us));
  }
  std::vector<std::pair<int, ColumnValue>> before;
  for (size_t i = 0; i < sets.size(); ++i) {
    const int place = collection.spec.FieldIndex(sets[i].field);
    if (record.values[place] == results[i] ||
        !schema::CheckValue(collection.spec.fields[place], results[i]).ok()) {
      continue;
    }
    before.emplace_back(
        place, std::exchange(record.values[place], std::move(results[i])));
  }
  if (before.empty()) return false;
  if (MeetsChecks(collection, now_us, record)) return true;
  for (auto& [place, value] : before) record.values[place] = std::move(value);
  return false;
}

// Returns how many touches were not made.
absl::StatusOr<int64_t> WriteTouch(RecordStore& store,
                                   const Collection& collection,
                                   const Touch& touch) {
  ASSIGN_OR_RETURN(const std::optional<StoredRecord> before,
                   store.FindByRow(collection, touch.row));
  if (!before.has_value() || before->deleted_us.has_value() ||
      before->HasExpiredAt(touch.last_us)) {
    return 0;
  }
  // A cache's entry that was set since it was read: its hits begin anew.
  if (collection.cache_value >= 0 && touch.last_us < before->updated_us) {
    return 0;
  }
  StoredRecord after = *before;
  int64_t left = touch.count;
  for (int64_t round = 0; left > 0 && round < kMaxRounds; ++round) {
    left = TouchOnce(collection, touch.last_us, after) ? left - 1 : 0;
  }
  if (collection.expires() && collection.spec.expire->sliding) {
    after.expires_us = std::max(
        before->expires_us,
        ExpiryOf(collection, after.values, after.created_us, touch.last_us));
  }
  std::vector<int> places;
  for (size_t i = 0; i < after.values.size(); ++i) {
    if (!collection.spec.fields[i].generated.empty()) continue;
    if (after.values[i] != before->values[i]) {
      places.push_back(static_cast<int>(i));
    }
  }
  RETURN_IF_ERROR(store.Touch(collection, after, places));
  return left;
}

}  // namespace

bool TouchBuffer::Add(const Touch& touch) {
  absl::MutexLock lock(&mutex_);
  const std::pair<int64_t, int64_t> key = {touch.collection, touch.row};
  auto found = touches_.find(key);
  if (found == touches_.end()) {
    if (touches_.size() >= max_rows_) return false;
    if (touches_.empty()) first_us_ = touch.last_us;
    found = touches_.emplace(key, std::pair<int64_t, int64_t>()).first;
  }
  found->second.first += touch.count;
  found->second.second = std::max(found->second.second, touch.last_us);
  return true;
}

bool TouchBuffer::empty() const {
  absl::MutexLock lock(&mutex_);
  return touches_.empty();
}

bool TouchBuffer::HasWaitedSince(int64_t us) const {
  absl::MutexLock lock(&mutex_);
  return !touches_.empty() && first_us_ <= us;
}

std::vector<Touch> TouchBuffer::Take() {
  std::vector<Touch> taken;
  absl::MutexLock lock(&mutex_);
  taken.reserve(touches_.size());
  for (const auto& [key, value] : touches_) {
    taken.push_back({key.first, key.second, value.first, value.second});
  }
  touches_.clear();
  return taken;
}

absl::Status WriteTouches(WriteTransaction& transaction, const Catalog& catalog,
                          const std::vector<Touch>& touches,
                          std::vector<Touch>* rest) {
  rest->clear();
  RecordStore store(transaction);
  for (const Touch& touch : touches) {
    const CollectionPtr collection = catalog.FindById(touch.collection);
    if (collection == nullptr || !collection->spec.touch.has_value()) continue;
    ASSIGN_OR_RETURN(const int64_t left, WriteTouch(store, *collection, touch));
    if (left == 0) continue;
    rest->push_back(touch);
    rest->back().count = left;
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
