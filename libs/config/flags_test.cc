#include "libs/config/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include "absl/strings/str_cat.h"

namespace engram::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

class FlagsTest : public ::testing::Test {
 protected:
  FlagsTest() {
    flags_.Add("data-dir", &data_dir_, "Where the data is.");
    flags_.Add("threads", &threads_, "How many.");
    flags_.Add("wait", &wait_, "How long.");
    flags_.Add("ephemeral", &ephemeral_, "Keep nothing.");
  }
  ~FlagsTest() override { unsetenv("ENGRAM_THREADS"); }

  std::optional<int> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "engram-test");
    ::testing::internal::CaptureStderr();
    ::testing::internal::CaptureStdout();
    const auto code =
        flags_.Parse(static_cast<int>(arguments.size()), arguments.data(),
                     [this] { return validity_; });
    errors_ = ::testing::internal::GetCapturedStderr();
    output_ = ::testing::internal::GetCapturedStdout();
    return code;
  }

  const char* WriteConfig(const std::string& text) {
    std::ofstream(path_) << text;
    return path_.c_str();
  }

  Flags flags_{"engram-test", "A test."};
  std::string data_dir_ = "data";
  int threads_ = 4;
  absl::Duration wait_ = absl::Seconds(10);
  bool ephemeral_ = false;
  absl::Status validity_;
  std::string errors_;
  std::string output_;
  std::string path_ = ::testing::TempDir() + "/flags_test.yaml";
};

TEST_F(FlagsTest, DefaultsStandWhenNothingIsGiven) {
  EXPECT_EQ(Parse({}), std::nullopt);
  EXPECT_EQ(threads_, 4);
  EXPECT_EQ(wait_, absl::Seconds(10));
}

TEST_F(FlagsTest, FlagBeatsEnvironmentBeatsFile) {
  setenv("ENGRAM_THREADS", "2", 1);
  const char* config =
      WriteConfig("threads: 1\nwait: 3s\ndata-dir: from-file\n");
  EXPECT_EQ(Parse({"--config", config, "--data-dir", "from-flag"}),
            std::nullopt);
  EXPECT_EQ(data_dir_, "from-flag");
  EXPECT_EQ(threads_, 2);
  EXPECT_EQ(wait_, absl::Seconds(3));
}

TEST_F(FlagsTest, CheckConfigPrintsWhatTheFileWouldSay) {
  EXPECT_THAT(Parse({"--check-config", "--threads=9", "--ephemeral"}),
              Optional(0));
  EXPECT_EQ(output_,
            "data-dir: data\nthreads: 9\nwait: 10s\nephemeral: true\n");
}

TEST_F(FlagsTest, CheckConfigPrintsReportsOfWhatWasGiven) {
  flags_.Report([this] { return absl::StrCat("# threads ", threads_, "\n"); });
  EXPECT_THAT(Parse({"--check-config", "--threads=9"}), Optional(0));
  EXPECT_THAT(output_, HasSubstr("ephemeral: false\n# threads 9\n"));
}

TEST_F(FlagsTest, MistakesNameThePlace) {
  EXPECT_THAT(Parse({"--config", WriteConfig("threads: 1\ntreads: 2\n")}),
              Optional(2));
  EXPECT_THAT(errors_,
              HasSubstr("flags_test.yaml:2: unknown setting \"treads\""));
  EXPECT_THAT(Parse({"--config", WriteConfig("wait: soon\n")}), Optional(2));
  EXPECT_THAT(errors_, HasSubstr("\"soon\" is no duration"));
  EXPECT_NE(Parse({"--threads", "many"}).value_or(0), 0);
  EXPECT_NE(Parse({"--unknown"}).value_or(0), 0);
}

TEST_F(FlagsTest, ValidationStopsTheProgram) {
  validity_ = absl::InvalidArgumentError("threads: must be positive");
  EXPECT_THAT(Parse({}), Optional(2));
  EXPECT_THAT(errors_, HasSubstr("threads: must be positive"));
}

}  // namespace
}  // namespace engram::config
