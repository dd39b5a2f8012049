#include "services/search/duplicate_finder.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"

namespace engram::search {
namespace {

// How many of the nearest are asked for first: few records have more that are
// close. Then ever more, up to the most.
constexpr int kFirstLimit = 64;
constexpr int kMaxLimit = 1024;

// A pair is found unless it is missed from both sides; but one that is not may
// be all that holds two halves of a group together.
constexpr double kTargetRecall = 0.99;

constexpr int64_t kRecordsBetweenReports = 64;

// What a result may hold: it is kept, and sent in one message.
constexpr size_t kMaxIdsOfGroup = 100;
constexpr size_t kMaxIdBytes = 1 << 20;

SearchEffort EffortOf(const Index& index, size_t rows) {
  const auto records =
      std::max<double>(static_cast<double>(index.Stats().records), 1);
  return {.target_recall = kTargetRecall,
          .share = std::min(static_cast<double>(rows) / records, 1.0),
          .is_live = false};
}

}  // namespace

bool DuplicateFinder::PrefersRows(const Index& index, size_t rows) {
  return index.PrefersRows(static_cast<int64_t>(rows), kFirstLimit,
                           EffortOf(index, rows));
}

DuplicateFinder::DuplicateFinder(const Index& index, float min_score,
                                 std::vector<int64_t> rows, bool are_few,
                                 RowFilter is_current)
    : index_(index),
      sign_(index.spec().metric == Metric::kL2 ? -1.0f : 1.0f),
      min_closeness_(sign_ * min_score),
      rows_(std::move(rows)),
      few_rows_(are_few ? std::optional<RowSet>(rows_) : std::nullopt),
      is_current_(is_current),
      effort_(EffortOf(index, rows_.size())),
      groups_(static_cast<uint32_t>(rows_.size())) {
  numbers_.reserve(rows_.size());
  for (const int64_t row : rows_) {
    numbers_.emplace(row, static_cast<uint32_t>(numbers_.size()));
  }
}

absl::StatusOr<v1::FindDuplicatesResult> DuplicateFinder::Find(
    int limit, Progress progress) {
  const auto dimensions = static_cast<size_t>(index_.spec().dimensions);
  for (uint32_t record = 0; record < rows_.size(); ++record) {
    if (record % kRecordsBetweenReports == 0) RETURN_IF_ERROR(progress(record));
    if (!is_current_(rows_[record])) continue;
    const std::optional<RecordVectors> vectors =
        index_.GetVectors(rows_[record]);
    if (!vectors.has_value()) continue;  // Deleted meanwhile.
    const auto values = absl::MakeConstSpan(vectors->values);
    for (size_t at = 0; at < values.size(); at += dimensions) {
      const auto vector = values.subspan(at, dimensions);
      // Another record with this very vector has found all that this one would,
      // this one too.
      if (!searched_.insert(vector::VectorChecksum(vector)).second) continue;
      AddPairsOf(record, vector);
    }
  }
  RETURN_IF_ERROR(progress(static_cast<int64_t>(rows_.size())));

  std::vector<DuplicateGroups::Group> groups = groups_.Take();
  v1::FindDuplicatesResult result;
  result.set_group_count(static_cast<int64_t>(groups.size()));
  int64_t records = 0;
  for (const auto& group : groups) {
    records += static_cast<int64_t>(group.records.size());
  }
  result.set_record_count(records);
  KeepLargest(groups, limit);
  size_t bytes = 0;
  for (const auto& group : groups) {
    v1::DuplicateGroup encoded = EncodeGroup(group);
    for (const std::string& id : encoded.ids()) bytes += id.size();
    if (bytes > kMaxIdBytes) break;
    *result.add_groups() = std::move(encoded);
  }
  return result;
}

void DuplicateFinder::AddPairsOf(uint32_t record,
                                 absl::Span<const float> vector) {
  bool are_more =
      AddNearest(record, vector, kFirstLimit, [](uint32_t) { return true; });
  // What is in the group already leads no further.
  for (int limit = kFirstLimit; are_more;) {
    limit = std::min(2 * limit, kMaxLimit);
    are_more = AddNearest(record, vector, limit, [&](uint32_t other) {
      return !groups_.AreTogether(record, other);
    });
  }
}

bool DuplicateFinder::AddNearest(
    uint32_t record, absl::Span<const float> vector, int limit,
    absl::FunctionRef<bool(uint32_t other)> filter) {
  const auto is_other = [&](int64_t row) {
    const auto number = numbers_.find(row);
    return number != numbers_.end() && number->second != record &&
           is_current_(row) && filter(number->second);
  };
  const SearchResult found =
      few_rows_.has_value()
          ? index_.SearchRows(vector, limit, *few_rows_, is_other, effort_)
          : index_.Search(vector, limit, is_other, effort_);
  for (const Candidate& candidate : found.candidates) {
    const float closeness = sign_ * candidate.score;
    if (!(closeness >= min_closeness_)) return false;
    groups_.Add(record, numbers_.at(candidate.row), closeness);
  }
  return found.candidates.size() == static_cast<size_t>(limit);
}

void DuplicateFinder::KeepLargest(std::vector<DuplicateGroups::Group>& groups,
                                  int limit) const {
  const auto most = static_cast<size_t>(limit);
  if (groups.size() > most) {
    // Which of equally large ones are left out, their ids say.
    const size_t least = groups[most - 1].records.size();
    std::erase_if(groups, [&](const DuplicateGroups::Group& group) {
      return group.records.size() < least;
    });
  }
  std::vector<std::pair<std::string, DuplicateGroups::Group>> named;
  named.reserve(groups.size());
  for (DuplicateGroups::Group& group : groups) {
    std::vector<std::string> ids = IdsOf(group, 1);
    named.emplace_back(ids.empty() ? "" : std::move(ids.front()),
                       std::move(group));
  }
  std::sort(named.begin(), named.end(), [](const auto& a, const auto& b) {
    const size_t a_size = a.second.records.size();
    const size_t b_size = b.second.records.size();
    return a_size != b_size ? a_size > b_size : a.first < b.first;
  });
  groups.clear();
  for (auto& [id, group] : named) {
    if (groups.size() == most) break;
    groups.push_back(std::move(group));
  }
}

v1::DuplicateGroup DuplicateFinder::EncodeGroup(
    const DuplicateGroups::Group& group) const {
  v1::DuplicateGroup encoded;
  for (std::string& id : IdsOf(group, kMaxIdsOfGroup)) {
    encoded.add_ids(std::move(id));
  }
  encoded.set_record_count(static_cast<int64_t>(group.records.size()));
  encoded.set_weakest_score(sign_ * group.weakest);
  return encoded;
}

std::vector<std::string> DuplicateFinder::IdsOf(
    const DuplicateGroups::Group& group, size_t most) const {
  std::set<std::string> ids;
  for (const uint32_t record : group.records) {
    std::optional<RecordVectors> vectors = index_.GetVectors(rows_[record]);
    if (!vectors.has_value()) continue;
    ids.insert(std::move(vectors->id));
    if (ids.size() > most) ids.erase(std::prev(ids.end()));
  }
  return {ids.begin(), ids.end()};
}

}  // namespace engram::search
