// How benchmarks say what they measured.

#ifndef ENGRAM_TESTS_BENCHMARKS_REPORT_H_
#define ENGRAM_TESTS_BENCHMARKS_REPORT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::benchmarks {

// Prints a row of a Markdown table to standard output.
void PrintRow(absl::string_view what, absl::string_view ours,
              absl::string_view theirs, absl::string_view result,
              absl::string_view goal);

// A number as `format`, one of printf's for a double, writes it.
std::string Rounded(double value, const char* format = "%.0f");

// Of at least one value.
double Median(std::vector<double> values);

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_REPORT_H_
