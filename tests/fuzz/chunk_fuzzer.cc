// Cuts arbitrary bytes into chunks: the first few choose how. What SplitText
// promises must hold.

#include <cstdio>
#include <cstdlib>
#include <string>

#include "libs/chunk/testing/chunk_checks.h"
#include "tests/fuzz/choices.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

constexpr size_t kChoices = 4;

}  // namespace

int FuzzChunk(const uint8_t* data, size_t size) {
  if (size <= kChoices) return 0;
  Choices choices(data, kChoices);
  chunk::Options options;
  options.method = static_cast<chunk::Method>(choices.Below(5));
  if (options.method != chunk::Method::kNone) {
    options.size = chunk::kMinSize + choices.Below(256);
  }
  if (options.method == chunk::Method::kTokens) {
    options.overlap = choices.Below(options.size / 2 + 1);
  }
  options.headings = options.method == chunk::Method::kMarkdown;
  const int max_chunks = choices.OneIn(2) ? 1 + choices.Below(16) : 4096;
  const absl::string_view text(reinterpret_cast<const char*>(data + kChoices),
                               size - kChoices);
  const std::string problem =
      chunk::testing::FindSplitProblem(text, options, max_chunks);
  if (problem.empty()) return 0;
  std::fprintf(stderr, "broken: %s\n", problem.c_str());
  std::abort();
}

}  // namespace engram::fuzz
