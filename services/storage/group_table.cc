#include "services/storage/group_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// What the map needs for a group beside the bytes of its key, about.
constexpr size_t kEntryBytes = 64;

}  // namespace

GroupTable::GroupTable(const AggregatePlan& plan) : plan_(plan) {
  has_nocase_key_ =
      std::any_of(plan.keys.begin(), plan.keys.end(),
                  [](const AggregateKey& key) { return key.column.nocase; });
  if (plan.keys.empty()) NewGroup({});
}

absl::Status GroupTable::Add(absl::Span<const Cell> keys,
                             absl::Span<const Input> inputs) {
  const size_t group = FindGroup(keys);
  Accumulator* figure = figures_.data() + group * plan_.figures.size();
  for (size_t i = 0; i < inputs.size(); ++i) {
    bytes_ +=
        figure[i].Add(plan_.figures[i], inputs[i].value, inputs[i].weight);
  }
  if (bytes_ <= kMaxGroupBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the groups take more than ", kMaxGroupBytes >> 20,
                   " MiB of memory, after ", group_count_,
                   " of them; filter, or group by what has fewer values"));
}

size_t GroupTable::FindGroup(absl::Span<const Cell> keys) {
  if (keys.empty()) return 0;
  key_.clear();
  for (size_t i = 0; i < keys.size(); ++i) {
    AppendToKey(keys[i], plan_.keys[i].column.nocase, key_);
  }
  const auto found = groups_.find(key_);
  if (found == groups_.end()) {
    bytes_ += kEntryBytes + key_.size();
    const size_t group = NewGroup(keys);
    groups_.emplace(key_, group);
    return group;
  }
  if (has_nocase_key_) KeepSmallestSpelling(found->second, keys);
  return found->second;
}

size_t GroupTable::NewGroup(absl::Span<const Cell> keys) {
  for (size_t i = 0; i < keys.size(); ++i) {
    keys_.push_back(CopyOf(keys[i], plan_.keys[i].column.type));
    const auto* text = std::get_if<absl::string_view>(&keys[i]);
    bytes_ += sizeof(ColumnValue) + (text == nullptr ? 0 : text->size());
  }
  for (const AggregateFigure& figure : plan_.figures) {
    figures_.emplace_back(figure);
    bytes_ += sizeof(Accumulator);
  }
  return group_count_++;
}

void GroupTable::KeepSmallestSpelling(size_t group,
                                      absl::Span<const Cell> keys) {
  ColumnValue* kept = keys_.data() + group * keys.size();
  for (size_t i = 0; i < keys.size(); ++i) {
    if (plan_.keys[i].column.nocase &&
        CompareCells(keys[i], ViewOf(kept[i]), false) < 0) {
      kept[i] = CopyOf(keys[i], plan_.keys[i].column.type);
    }
  }
}

absl::StatusOr<std::vector<ColumnValue>> GroupTable::TakeRow(size_t group) {
  std::vector<ColumnValue> row;
  row.reserve(plan_.column_count());
  ColumnValue* keys = keys_.data() + group * plan_.keys.size();
  for (size_t i = 0; i < plan_.keys.size(); ++i) {
    row.push_back(std::move(keys[i]));
  }
  Accumulator* figures = figures_.data() + group * plan_.figures.size();
  for (size_t i = 0; i < plan_.figures.size(); ++i) {
    ASSIGN_OR_RETURN(ColumnValue value, figures[i].Take(plan_.figures[i]));
    row.push_back(std::move(value));
  }
  return row;
}

}  // namespace engram::storage
