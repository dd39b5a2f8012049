#ifndef ENGRAM_TOOLS_ENGRAMCTL_TESTING_CLI_FIXTURE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_TESTING_CLI_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "libs/json/json.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"
#include "tools/engramctl/cli.h"
#include "tools/engramctl/testing/test_engram.h"

namespace engram::engramctl::testing {

inline constexpr char kNotes[] = R"(
collection: notes
fields:
  title:   {type: string, required: true}
  content: {type: text}
  stars:   {type: int, min: 0, max: 5}
vectors:
  text: {source: [title, content]}
)";

// Runs command lines against an Engram of its own.
class CliFixture : public ::testing::Test {
 protected:
  // `output_` and `errors_` become what it printed; returns its exit code.
  int Engramctl(std::vector<std::string> arguments,
                const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Console console{.in = in, .out = out, .err = err};
    console.out_terminal.width = 80;
    arguments.insert(arguments.begin(), {"--server", engram_.address()});
    const int code = RunCommandLine(arguments, console);
    output_ = out.str();
    errors_ = err.str();
    return code;
  }

  // The one JSON object that was printed to `output_`.
  google::protobuf::Struct Json() {
    google::protobuf::Struct object;
    json::Parser parser;
    EXPECT_OK(parser.ParseObject(output_, &object)) << output_;
    return object;
  }

  std::string WriteFile(const std::string& name, const std::string& text) {
    std::ofstream(directory_.File(name)) << text;
    return directory_.File(name);
  }

  static std::string ReadFile(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }

  void Apply(const std::string& schema) {
    engram_.RegisterModel();
    ASSERT_EQ(Engramctl({"schema", "apply", "-"}, schema), 0) << errors_;
  }

  void CreateNotes() { Apply(kNotes); }

  TestEngram engram_;
  engram::testing::TempDirectory directory_;
  std::string output_;
  std::string errors_;
};

}  // namespace engram::engramctl::testing

#endif  // ENGRAM_TOOLS_ENGRAMCTL_TESTING_CLI_FIXTURE_H_
