#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CacheCliTest : public testing::CliFixture {
 protected:
  int Cache(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "cache");
    return Engramctl(arguments, input);
  }
};

TEST_F(CacheCliTest, SetsAndGets) {
  EXPECT_EQ(Cache({"set", "a", R"({"b": [1, 2]})", "--category", "api", "--ttl",
                   "10m"}),
            0)
      << errors_;
  EXPECT_THAT(output_, ContainsRegex("^set        a\n"
                                     "expires    20[^\n]*Z\n"
                                     "position   default@"));
  EXPECT_EQ(Cache({"get", "a"}), 0);
  EXPECT_THAT(output_, ContainsRegex("^key        a\n"
                                     "value      \\{\"b\":\\[1,2\\]\\}\n"
                                     "category   api\n"
                                     "created    20[^\n]*Z\n"
                                     "expires    20[^\n]*Z\n"
                                     "hits       0\n$"));
  EXPECT_EQ(Cache({"get", "a", "--json"}), 0);
  EXPECT_THAT(output_, StartsWith(R"({"key":"a","found":true,"value":)"
                                  R"({"b":[1,2]},"category":"api",)"));
}

TEST_F(CacheCliTest, AValueIsJsonOrElseText) {
  const auto value_of = [&](std::vector<std::string> set,
                            const std::string& input = "") {
    set.insert(set.begin(), {"set", "a"});
    EXPECT_EQ(Cache(set, input), 0) << errors_;
    EXPECT_EQ(Cache({"get", "a", "--json"}), 0);
    std::string json;
    json::AppendJson(Json().fields().at("value"), &json);
    return json;
  };
  EXPECT_EQ(value_of({"hello world"}), R"("hello world")");
  EXPECT_EQ(value_of({"7"}), "7");
  EXPECT_EQ(value_of({"null"}), "null");
  EXPECT_EQ(value_of({"7", "--text"}), R"("7")");
  EXPECT_EQ(value_of({R"("7")"}), R"("7")");
  EXPECT_EQ(value_of({"-"}, "<p>\n"), R"("<p>\n")");
  EXPECT_EQ(Cache({"get", "a", "--value"}), 0);
  EXPECT_EQ(output_, "<p>\n\n");
}

TEST_F(CacheCliTest, AMissIsCode3) {
  EXPECT_EQ(Cache({"get", "a"}), 3);
  EXPECT_THAT(output_, IsEmpty());
  EXPECT_EQ(errors_, "no entry \"a\"\n");
  EXPECT_EQ(Cache({"get", "a", "--json"}), 3);
  EXPECT_EQ(output_, "{\"key\":\"a\",\"found\":false}\n");
  EXPECT_EQ(Cache({"has", "a"}), 3);
  EXPECT_EQ(Cache({"set", "a", "1"}), 0);
  EXPECT_EQ(Cache({"has", "a"}), 0);
  EXPECT_EQ(output_, "found      a\n");
  EXPECT_EQ(Cache({"has", "a", "--json"}), 0);
  EXPECT_EQ(output_, "{\"key\":\"a\",\"found\":true}\n");
}

TEST_F(CacheCliTest, ListsKeys) {
  for (const std::string key : {"api:1", "api:2", "tool:1"}) {
    ASSERT_EQ(Cache({"set", key, "1", "--category", key.substr(0, 3)}), 0);
  }
  EXPECT_EQ(Cache({"keys"}), 0);
  EXPECT_EQ(output_, "api:1\napi:2\ntool:1\n");
  EXPECT_EQ(Cache({"keys", "--glob", "*:1", "--json"}), 0);
  EXPECT_EQ(output_, "{\"key\":\"api:1\"}\n{\"key\":\"tool:1\"}\n");
  EXPECT_EQ(Cache({"keys", "--regex", "^t"}), 0);
  EXPECT_EQ(output_, "tool:1\n");
  EXPECT_EQ(Cache({"keys", "--category", "too"}), 0);
  EXPECT_EQ(output_, "tool:1\n");
  EXPECT_EQ(Cache({"keys", "--limit", "2"}), 0);
  EXPECT_EQ(output_, "api:1\napi:2\n");
  EXPECT_THAT(errors_, HasSubstr("--limit 0"));
}

TEST_F(CacheCliTest, Deletes) {
  for (const std::string key : {"api:1", "api:2", "tool:1", "x"}) {
    ASSERT_EQ(Cache({"set", key, "1", "--category", key.substr(0, 3)}), 0);
  }
  EXPECT_EQ(Cache({"delete", "x", "y"}), 0);
  EXPECT_EQ(output_, "deleted    1 entry\n");
  EXPECT_EQ(Cache({"delete", "--glob", "api:*"}), 0);
  EXPECT_EQ(output_, "deleted    2 entries\n");
  EXPECT_EQ(Cache({"clear", "--category", "nothing", "--json"}), 0);
  EXPECT_EQ(output_, "{\"deleted\":0}\n");
  EXPECT_EQ(Cache({"clear"}), 0);
  EXPECT_EQ(output_, "deleted    1 entry\n");
  EXPECT_EQ(Cache({"delete", "--regex", "a("}), 1);
  EXPECT_THAT(errors_, HasSubstr("missing )"));
}

TEST_F(CacheCliTest, ShowsFigures) {
  EXPECT_EQ(Cache({"stats"}), 0);
  EXPECT_THAT(output_, StartsWith("entries    0 (and 0 expired)\n"));
  ASSERT_EQ(Cache({"set", "a", "123", "--category", "api"}), 0);
  ASSERT_EQ(Cache({"set", "b", "123"}), 0);
  ASSERT_EQ(Cache({"get", "a"}), 0);
  ASSERT_EQ(Cache({"get", "c"}), 3);
  EXPECT_EQ(Cache({"stats"}), 0);
  EXPECT_THAT(output_,
              AllOf(StartsWith("entries    2 (and 0 expired)\n"
                               "size       8 B of 268.4 MB\n"
                               "reads      1 hits, 1 misses (50 % hits) since "
                               "storage started\n"
                               "evicted    0\n"
                               "leases     0, 0 calls waiting\n"
                               "\nCATEGORY  ENTRIES  SIZE  HITS\n"
                               "(none)          1   4 B     0\n"
                               "api             1   4 B")));
  EXPECT_EQ(Cache({"stats", "--json"}), 0);
  EXPECT_THAT(output_, StartsWith(R"({"entries":2,"expired":0,"bytes":8,)"));
}

TEST_F(CacheCliTest, AnotherCollectionServes) {
  Apply(R"(
collection: answers
fields:
  value:      {type: text}
  expires_at: {type: timestamp}
expire: {field: expires_at}
)");
  EXPECT_EQ(Cache({"set", "a", "b", "--collection", "answers"}), 0);
  EXPECT_EQ(Cache({"get", "a", "--collection", "answers", "--value"}), 0);
  EXPECT_EQ(output_, "b\n");
  EXPECT_EQ(Cache({"set", "a", "b", "--collection", "nothing"}), 1);
  EXPECT_THAT(errors_, HasSubstr("NOT_FOUND"));
}

TEST_F(CacheCliTest, ACommandLineThatMakesNoSenseIsCode2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {},
           {"get"},
           {"set", "a"},
           {"set", "a", "1", "--ttl", "soon"},
           {"set", "a", "1", "--ttl", "0s"},
           {"delete"},
           {"delete", "a", "--glob", "*"},
           {"keys", "--glob", "*", "--regex", "."},
           {"keys", "--limit", "-1"}}) {
    EXPECT_EQ(Cache(arguments), 2);
    EXPECT_THAT(errors_, HasSubstr("--help"));
  }
  for (const std::string command :
       {"get", "set", "has", "delete", "keys", "clear", "stats"}) {
    EXPECT_EQ(Cache({command, "--help"}), 0);
    EXPECT_THAT(output_, HasSubstr("Examples:"));
  }
}

}  // namespace
}  // namespace engram::engramctl
