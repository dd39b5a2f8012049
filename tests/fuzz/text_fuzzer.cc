// Looks for arbitrary bytes as words in a few records, by each tokenizer. No
// query may fail, and what is found, in what order and on which page, must be
// what a plain evaluation of the query says.

#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/log/log.h"
#include "services/storage/testing/text_corpus.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

using storage::testing::TextCorpus;

// Made once, for its making takes longer than most inputs; nothing changes it.
TextCorpus& Corpus() {
  static TextCorpus* const corpus = [] {
    if (!log::SetLevel("off").ok()) std::abort();
    auto* const made = new TextCorpus();
    std::atexit([] { delete &Corpus(); });
    return made;
  }();
  return *corpus;
}

}  // namespace

int FuzzText(const uint8_t* data, size_t size) {
  const absl::Status status = Corpus().Check(
      absl::string_view(reinterpret_cast<const char*>(data), size));
  if (status.ok()) return 0;
  std::fprintf(stderr, "broken: %s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace engram::fuzz
