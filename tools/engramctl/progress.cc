#include "tools/engramctl/progress.h"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kNewLine = absl::Seconds(5);

}  // namespace

ProgressLine::ProgressLine(const Console& console)
    : console_(console),
      next_(absl::Now() +
            (console.err_terminal.is_terminal ? kRedraw : kNewLine)) {}

ProgressLine::~ProgressLine() { Erase(); }

void ProgressLine::Update(absl::string_view text, absl::Time now) {
  if (console_.json || now < next_) return;
  if (!console_.err_terminal.is_terminal) {
    console_.err << text << std::endl;
    next_ = now + kNewLine;
    return;
  }
  // One cell is left free: some terminals wrap when the last one is filled.
  console_.err << "\r\x1b[K" << Fit(text, console_.err_terminal.width - 1)
               << std::flush;
  drawn_ = true;
  next_ = now + kRedraw;
}

void ProgressLine::Erase() {
  if (drawn_) console_.err << "\r\x1b[K" << std::flush;
}

std::string Bar(double share, int width) {
  const int full =
      std::clamp(static_cast<int>(std::lround(share * width)), 0, width);
  std::string bar;
  for (int i = 0; i < width; ++i) absl::StrAppend(&bar, i < full ? "█" : "░");
  return bar;
}

std::string ClockTime(absl::Duration duration) {
  if (duration == absl::InfiniteDuration() || duration < absl::ZeroDuration() ||
      duration > absl::Hours(1000)) {
    return "-:--";
  }
  const int64_t seconds = absl::ToInt64Seconds(duration);
  if (seconds < 3600)
    return absl::StrFormat("%d:%02d", seconds / 60, seconds % 60);
  return absl::StrFormat("%d:%02d:%02d", seconds / 3600, seconds / 60 % 60,
                         seconds % 60);
}

}  // namespace engram::engramctl
