// The entry that libFuzzer's own main() calls; ENGRAM_FUZZ_TARGET is one of the
// functions of fuzz_targets.h.

#include "tests/fuzz/fuzz_targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return engram::fuzz::ENGRAM_FUZZ_TARGET(data, size);
}
