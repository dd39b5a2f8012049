// What both back ends mean by numbers, times and text.

#ifndef ENGRAM_LIBS_FILTER_ARITHMETIC_H_
#define ENGRAM_LIBS_FILTER_ARITHMETIC_H_

#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"

namespace engram::filter {

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z.
inline constexpr int64_t kMinTimestamp = -62'135'596'800'000'000;
inline constexpr int64_t kMaxTimestamp = 253'402'300'799'999'999;

// Whether the node is arithmetic whose overflow carries over into what is
// computed from it, so that only the last of a chain need look for it: SQLite
// turns an int that overflows into a double, which no int arithmetic makes an
// int again, and a double into infinity.
bool IsChained(const Node& node);

// Whether `node` scales a duration by a double, which rounds.
bool ScalesByDouble(const Node& node);

// As SQLite's round: half away from zero, by adding a half.
double RoundHalfAway(double number);
double PowerOfTen(int64_t digits);

// Below, at, or above zero, as the int is to the double; exact.
int CompareExactly(int64_t whole, double number);

// Whether `text` matches a LIKE pattern: % any characters, _ one, \ before
// either is itself, ASCII case ignored. Time is at most the product of their
// lengths.
bool MatchesLike(absl::string_view text, absl::string_view pattern);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_ARITHMETIC_H_
