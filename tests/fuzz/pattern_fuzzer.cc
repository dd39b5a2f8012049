// Reads arbitrary bytes as a pattern of keys, a line, and a key, the rest. A
// glob that is accepted must match as the plain reading of it here says, and
// the range of keys that a scan keeps to must have every key that matches.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/storage/cache_pattern.h"
#include "services/storage/record_id.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

using storage::CachePattern;
using Characters = std::vector<std::string>;

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

Characters Split(absl::string_view text) {
  Characters characters;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xc0) != 0x80) {
      characters.emplace_back();
    }
    characters.back() += byte;
  }
  return characters;
}

// Of UTF-8, bytes are in the order of characters.
struct Set {
  bool negated = false;
  std::vector<std::pair<std::string, std::string>> ranges;

  bool Has(const std::string& character) const {
    for (const auto& [from, to] : ranges) {
      if (from <= character && character <= to) return !negated;
    }
    return negated;
  }
};

// Takes the set that begins at `at`, behind its bracket.
Set TakeSet(const Characters& glob, size_t& at) {
  const auto take = [&] {
    if (glob[at] == "\\") ++at;
    return glob[at++];
  };
  Set set;
  if (glob[at] == "!") set.negated = true, ++at;
  while (glob[at] != "]") {
    const std::string from = take();
    std::string to = from;
    if (glob[at] == "-" && glob[at + 1] != "]") {
      ++at;
      to = take();
    }
    set.ranges.emplace_back(from, to);
  }
  ++at;
  return set;
}

// `glob` is a good one. Keeps every place of the key that what was read of the
// glob can reach.
bool Meets(const Characters& glob, const Characters& key) {
  std::vector<bool> reached(key.size() + 1);
  reached[0] = true;
  for (size_t at = 0; at < glob.size();) {
    if (glob[at] == "*") {
      const auto first = std::find(reached.begin(), reached.end(), true);
      std::fill(first, reached.end(), true);
      ++at;
      continue;
    }
    Set set;
    if (glob[at] == "[") {
      ++at;
      set = TakeSet(glob, at);
    } else if (glob[at] == "?") {
      set.negated = true;
      ++at;
    } else {
      if (glob[at] == "\\") ++at;
      set.ranges.emplace_back(glob[at], glob[at]);
      ++at;
    }
    std::vector<bool> next(reached.size());
    for (size_t place = 0; place < key.size(); ++place) {
      next[place + 1] = reached[place] && set.Has(key[place]);
    }
    reached = std::move(next);
  }
  return reached[key.size()];
}

void ExpectRange(const CachePattern& pattern, absl::string_view key) {
  Expect(pattern.first() <= key, "no key that matches is before the first");
  Expect(pattern.last().empty() || key <= pattern.last(),
         "no key that matches is after the last");
}

}  // namespace

int FuzzPattern(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const absl::string_view text = input.substr(0, input.find('\n'));
  const absl::string_view key =
      text.size() == input.size() ? "" : input.substr(text.size() + 1);
  // Requests hold UTF-8 only.
  if (storage::FindRecordIdProblem(text).has_value() ||
      storage::FindRecordIdProblem(key).has_value()) {
    return 0;
  }
  FieldViolations violations;
  storage::v1::KeyPattern regex;
  regex.set_regex(std::string(text));
  const CachePattern as_regex =
      CachePattern::Make(regex, "pattern", violations);
  if (violations.empty() && as_regex.Matches(key)) ExpectRange(as_regex, key);

  violations = FieldViolations();
  storage::v1::KeyPattern glob;
  glob.set_glob(std::string(text));
  const CachePattern as_glob = CachePattern::Make(glob, "pattern", violations);
  if (!violations.empty()) return 0;
  const bool matches = as_glob.Matches(key);
  Expect(matches == Meets(Split(text), Split(key)),
         "a glob matches what it says");
  if (matches) ExpectRange(as_glob, key);
  return 0;
}

}  // namespace engram::fuzz
