// The schemas that ship are the language's largest examples.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "libs/schema/collection_parser.h"
#include "libs/schema/schema_check.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// The folders of deploy/schemas; each is applied as one unit.
std::vector<std::filesystem::path> Folders() {
  std::vector<std::filesystem::path> folders;
  for (const auto& entry :
       std::filesystem::directory_iterator(DEPLOYED_SCHEMAS)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  return folders;
}

std::string Read(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

class DeployedSchemasTest
    : public ::testing::TestWithParam<std::filesystem::path> {};

TEST_P(DeployedSchemasTest, ParseAndBelongTogether) {
  std::deque<CollectionSpec> specs;
  std::vector<const CollectionSpec*> all;
  for (const auto& entry : std::filesystem::directory_iterator(GetParam())) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string name = entry.path().filename().string();
    const std::string yaml = Read(entry.path());
    auto spec = ParseCollection(name, yaml);
    ASSERT_OK(spec);
    ASSERT_OK_AND_ASSIGN(const CollectionSpec again,
                         ParseCollection(name, yaml));
    EXPECT_EQ(*spec, again) << name;
    all.push_back(&specs.emplace_back(*std::move(spec)));
  }
  EXPECT_THAT(all, Not(IsEmpty()));
  const auto report = [](absl::string_view collection, absl::string_view path,
                         absl::string_view problem) {
    ADD_FAILURE() << collection << ": " << path << ": " << problem;
  };
  CheckReferences(all, report);
  CheckRenames(all, report);
}

INSTANTIATE_TEST_SUITE_P(Folders, DeployedSchemasTest,
                         ::testing::ValuesIn(Folders()), [](const auto& info) {
                           std::string name = info.param.filename().string();
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace engram::schema
