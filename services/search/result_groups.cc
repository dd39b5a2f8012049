#include "services/search/result_groups.h"

#include <utility>
#include <variant>

namespace engram::search {
namespace {

bool IsMissing(const schema::FieldValue& value) {
  return std::holds_alternative<std::monostate>(value);
}

}  // namespace

void ResultGroups::Tell(int64_t row, schema::FieldValue value) {
  // Once told it stays, so that a place is given back to the group that it was
  // taken in.
  values_.try_emplace(row, std::move(value));
}

bool ResultGroups::Take(int64_t row) {
  const schema::FieldValue& value = values_.at(row);
  if (IsMissing(value)) return true;
  int& taken = taken_[value];
  if (taken == size_) return false;
  if (++taken == size_) ++full_;
  return true;
}

void ResultGroups::GiveBack(int64_t row) {
  const schema::FieldValue& value = values_.at(row);
  if (IsMissing(value)) return;
  int& taken = taken_.at(value);
  if (taken-- == size_) --full_;
}

bool ResultGroups::IsFull(const schema::FieldValue& value) const {
  const auto taken = taken_.find(value);
  return taken != taken_.end() && taken->second == size_;
}

}  // namespace engram::search
