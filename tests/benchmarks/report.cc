#include "tests/benchmarks/report.h"

#include <cstdio>

#include "absl/strings/str_cat.h"

namespace engram::benchmarks {

void PrintRow(absl::string_view what, absl::string_view ours,
              absl::string_view theirs, absl::string_view result,
              absl::string_view goal) {
  std::printf("| %s |\n", absl::StrCat(what, " | ", ours, " | ", theirs, " | ",
                                       result, " | ", goal)
                              .c_str());
  std::fflush(stdout);
}

std::string Rounded(double value, const char* format) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

}  // namespace engram::benchmarks
