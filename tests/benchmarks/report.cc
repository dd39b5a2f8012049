#include "tests/benchmarks/report.h"

#include <algorithm>
#include <cstddef>
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

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle]
                                : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace engram::benchmarks
