// Reads the first line of arbitrary bytes as a filter and as an expression of
// every type, the rest as the JSON object of its parameters. What is accepted
// is computed for a few records by the evaluator and by SQLite: both must
// agree, and SQLite must be able to run it.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/filter/testing/sample_records.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {

int FuzzFilter(const uint8_t* data, size_t size) {
  const absl::Status status = filter::testing::CheckInput(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (status.ok()) return 0;
  std::fprintf(stderr, "broken: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace engram::fuzz
