// Runs every file of a fuzzer's corpus through its function, as an ordinary
// test. A crash that a fuzzer finds joins the corpus, so it stays mended.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_targets.h"

#if !defined(ENGRAM_FUZZ_TARGET) || !defined(ENGRAM_FUZZ_CORPUS)
#error "engram_fuzzer() of CMakeLists.txt defines both"
#endif

namespace engram::fuzz {
namespace {

std::vector<std::filesystem::path> CorpusFiles() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(ENGRAM_FUZZ_CORPUS)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string Read(const std::filesystem::path& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

TEST(ENGRAM_FUZZ_TARGET, RunsItsCorpusClean) {
  const auto files = CorpusFiles();
  ASSERT_FALSE(files.empty());
  for (const std::filesystem::path& file : files) {
    // A target aborts; the last line then says on what.
    std::cerr << file.filename().string() << std::endl;
    const std::string input = Read(file);
    EXPECT_EQ(ENGRAM_FUZZ_TARGET(reinterpret_cast<const uint8_t*>(input.data()),
                                 input.size()),
              0);
  }
}

}  // namespace
}  // namespace engram::fuzz
