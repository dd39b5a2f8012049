#ifndef ENGRAM_SERVICES_STORAGE_TEXT_RANKING_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_RANKING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/filter/filter.h"
#include "libs/sqlite/connection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// A record that was found, and its place in the order: the best score first,
// those of the same score by id.
struct RankedRecord {
  double score = 0;
  std::string id;
  int64_t row = 0;

  friend bool operator<(const RankedRecord& a, const RankedRecord& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  }
};

struct TextRanking {
  // In order.
  std::vector<RankedRecord> records;
  // All that are found, those before and after these too.
  int64_t total = 0;
  // Whether there are more after these.
  bool more = false;
};

// What to rank.
struct TextSearch {
  // See MatchExpression.
  std::string match;
  // One for each column of the index.
  std::vector<double> weights;
  // Only records that meet it; absent is all of them.
  std::optional<filter::Node> filter;
  // What has expired by then is not found; nor is it what `now` means.
  int64_t now_us = 0;
};

// Ranks the records of a collection, which has a text index, and returns the
// first `limit` after `after`, or from the beginning. Reads the index, and of
// the records only their ids and what filter and expiry need. Memory is bounded
// by `limit`. Ends with an error of `bounds` if those are reached.
absl::StatusOr<TextRanking> RankByText(sqlite::Connection& connection,
                                       const Collection& collection,
                                       const TextSearch& search,
                                       const std::optional<RankedRecord>& after,
                                       int limit, const CallBounds& bounds);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_RANKING_H_
