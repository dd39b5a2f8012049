#include "libs/schema/nearest_name.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"

namespace engram::schema {
namespace {

// A name longer than any real one is like none, and would cost time.
constexpr size_t kMaxLength = 128;

// How many letters must be added, dropped, replaced or swapped with their
// neighbour to turn `a` into `b`.
int EditDistance(absl::string_view a, absl::string_view b) {
  // The rows of the usual table for the last two letters of `a` and this one.
  std::vector<int> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = static_cast<int>(i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const int replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, row[j - 1] + 1, last[j] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(absl::string_view wrong,
                       const std::vector<absl::string_view>& names) {
  if (wrong.size() > kMaxLength) return "";
  absl::string_view nearest;
  // A third of the letters may differ: enough for a typing mistake, too few for
  // another word.
  int best = std::max<int>(1, static_cast<int>(wrong.size()) / 3) + 1;
  for (const absl::string_view name : names) {
    const int distance = EditDistance(wrong, name);
    if (distance < best) {
      best = distance;
      nearest = name;
    }
  }
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean \"", nearest, "\"?");
}

}  // namespace engram::schema
