#include "tools/engramctl/record_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;
using schema::FieldSpec;
using schema::FieldType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RecordSourceTest : public ::testing::Test {
 protected:
  RecordSourceTest() {
    spec_.name = "notes";
    const std::pair<const char*, FieldType> kFields[] = {
        {"title", FieldType::kString}, {"stars", FieldType::kInt},
        {"score", FieldType::kDouble}, {"done", FieldType::kBool},
        {"tags", FieldType::kStrings}, {"extra", FieldType::kJson},
        {"at", FieldType::kTimestamp}, {"data", FieldType::kBytes},
    };
    for (const auto& [name, type] : kFields) {
      FieldSpec& field = spec_.fields.emplace_back();
      field.name = name;
      field.type = type;
    }
  }

  // Each record as "<line>: <its fields as JSON, or what is wrong>".
  absl::Status Read(RecordFormat format, const std::string& text) {
    records_.clear();
    texts_.clear();
    std::istringstream in(text);
    auto source = OpenRecordSource(format, in, spec_, "id");
    if (!source.ok()) return source.status();
    while (true) {
      const absl::StatusOr<bool> more = (*source)->Next();
      if (!more.ok()) return more.status();
      if (!*more) {
        EXPECT_EQ((*source)->bytes(), text.size());
        return absl::OkStatus();
      }
      google::protobuf::Struct fields;
      const absl::Status status = (*source)->Read(&fields);
      std::string shown(status.message());
      if (status.ok()) json::AppendJson(fields, &shown);
      records_.push_back(absl::StrCat((*source)->line(), ": ", shown));
      texts_.emplace_back((*source)->text());
    }
  }

  schema::CollectionSpec spec_;
  std::vector<std::string> records_;
  std::vector<std::string> texts_;
};

TEST_F(RecordSourceTest, TheFileNameSaysTheFormat) {
  EXPECT_EQ(FormatOf("a/b.csv"), RecordFormat::kCsv);
  EXPECT_EQ(FormatOf("B.JSON"), RecordFormat::kJson);
  EXPECT_EQ(FormatOf("b.jsonl"), RecordFormat::kJsonLines);
  EXPECT_EQ(FormatOf("-"), RecordFormat::kJsonLines);
}

TEST_F(RecordSourceTest, LinesAreObjects) {
  EXPECT_OK(Read(RecordFormat::kJsonLines,
                 "{\"title\":\"a\"}\n\n[1]\n{\"stars\":1}"));
  EXPECT_THAT(records_,
              ElementsAre(R"(1: {"title":"a"})", "3: is not a JSON object",
                          R"(4: {"stars":1})"));
}

TEST_F(RecordSourceTest, WholeNumbersAreExactForIntsAndNumbersForDoubles) {
  EXPECT_OK(Read(RecordFormat::kJsonLines,
                 R"({"stars":9007199254740993,"score":9007199254740993})"
                 "\n"
                 R"({"score":18446744073709551615})"
                 "\n"
                 R"({"score":"12","title":"9007199254740993"})"));
  EXPECT_THAT(
      records_,
      ElementsAre(
          R"(1: {"score":9.007199254740992e+15,"stars":"9007199254740993"})",
          R"(2: {"score":1.8446744073709552e+19})",
          R"(3: {"score":"12","title":"9007199254740993"})"));
}

TEST_F(RecordSourceTest, AnArrayIsReadElementByElement) {
  EXPECT_OK(Read(RecordFormat::kJson,
                 "\xef\xbb\xbf [\n {\"title\":\"a]},\\\"\"},\n"
                 "{\"extra\":[{\"b\":[]}]}\n, 5, \"x,\" ]\n"));
  EXPECT_THAT(
      records_,
      ElementsAre(R"(2: {"title":"a]},\""})", R"(3: {"extra":[{"b":[]}]})",
                  "4: is not a JSON object", "4: is not a JSON object"));
  // A comma that is missing spoils two records, not the rest.
  EXPECT_OK(Read(RecordFormat::kJson, "[{} {},\n{}]"));
  EXPECT_THAT(records_, ElementsAre(HasSubstr("1: is not JSON"), "2: {}"));
  EXPECT_OK(Read(RecordFormat::kJson, "[]"));
  EXPECT_THAT(records_, IsEmpty());
}

TEST_F(RecordSourceTest, WhatIsNoArrayIsRefusedWithItsLine) {
  struct Case {
    const char* text;
    const char* problem;
  };
  const Case kCases[] = {
      {"", "line 1: is no JSON array"},
      {"{\"title\":\"a\"}", "--format jsonl"},
      {"[{}", "ends in the middle of the array"},
      {"[\"a", "ends in the middle of the array"},
      {"[{}] x", "has more after the array"},
      {"[{}},{}]", "closes what was not opened"},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_FALSE(Read(RecordFormat::kJson, text).ok()) << text;
  }
  EXPECT_THAT(Read(RecordFormat::kJson, "{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, "--format jsonl"));
  EXPECT_THAT(Read(RecordFormat::kJson, "[{}]\n x"),
              StatusIs(absl::StatusCode::kInvalidArgument, "line 2: has more"));
}

TEST_F(RecordSourceTest, CsvHasTheTypesOfTheFields) {
  EXPECT_OK(Read(RecordFormat::kCsv,
                 "id,title,stars,score,done,tags,extra,at\r\n"
                 "n1,Tea,9007199254740993,1e3,true,\"[\"\"a\"\"]\","
                 "\"{\"\"b\"\":1}\",2026-01-01T00:00:00Z\r\n"
                 "n2,,,,,,,\r\n"
                 "n3,\"\",,,no,,,\r\n"));
  EXPECT_THAT(
      records_,
      ElementsAre(R"(2: {"at":"2026-01-01T00:00:00Z","done":true,)"
                  R"("extra":{"b":1},"id":"n1","score":1000,)"
                  R"("stars":"9007199254740993","tags":["a"],"title":"Tea"})",
                  R"(3: {"id":"n2"})",
                  R"(4: {"done":false,"id":"n3","title":""})"));
}

TEST_F(RecordSourceTest, CsvTellsNoValueFromAnEmptyOne) {
  EXPECT_OK(Read(RecordFormat::kCsv,
                 "id,title,stars,data\n"
                 "n1,\\N,\\N,\\N\n"
                 "n2,\"\\N\",,\"\"\n"
                 "\\N,a\\N,,\n"));
  EXPECT_THAT(
      records_,
      ElementsAre(R"(2: {"data":null,"id":"n1","stars":null,"title":null})",
                  R"(3: {"data":"","id":"n2","title":"\\N"})",
                  R"(4: {"id":"\\N","title":"a\\N"})"));
}

TEST_F(RecordSourceTest, CsvValuesMayHoldCommasQuotesAndNewlines) {
  EXPECT_OK(Read(RecordFormat::kCsv,
                 "title,stars\n"
                 "\"a,\"\"b\"\"\nc\r\nd\",1\n"
                 "\n"
                 "5\" disk,2"));
  EXPECT_THAT(records_,
              ElementsAre(R"(2: {"stars":"1","title":"a,\"b\"\nc\r\nd"})",
                          R"(6: {"stars":"2","title":"5\" disk"})"));
  EXPECT_THAT(texts_, ElementsAre("\"a,\"\"b\"\"\nc\r\nd\",1", "5\" disk,2"));
}

TEST_F(RecordSourceTest, ACsvRecordThatIsWrongDoesNotSpoilTheNext) {
  EXPECT_OK(Read(RecordFormat::kCsv,
                 "title,stars,score,done\n"
                 "a,x,,\n"
                 "a,,nan,\n"
                 "a,,,maybe\n"
                 "a,1,2\n"
                 "\"a\"b,1,2,\n"
                 "ok,1,2,\n"
                 "\"open,1,2,\n"));
  EXPECT_THAT(records_,
              ElementsAre(R"(2: stars: wants an int; got "x")",
                          R"(3: score: wants a number; got "nan")",
                          R"(4: done: wants true or false; got "maybe")",
                          "5: has 3 values; the header has 4 names",
                          "6: has text after a closing quote",
                          HasSubstr("7: {\"score\":2"),
                          "8: has a quote that is not closed"));
}

TEST_F(RecordSourceTest, ACsvHeaderNamesFields) {
  EXPECT_THAT(Read(RecordFormat::kCsv, ""),
              StatusIs(absl::StatusCode::kInvalidArgument, "no header"));
  EXPECT_THAT(Read(RecordFormat::kCsv, "id,tilte\n"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "\"tilte\", which is no field of \"notes\"; did you "
                       "mean \"title\"?"));
  EXPECT_THAT(Read(RecordFormat::kCsv, "id,title,id\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, "\"id\" twice"));
  EXPECT_OK(Read(RecordFormat::kCsv,
                 "\xef\xbb\xbf"
                 "title , id\nA,1\n"));
  EXPECT_THAT(records_, ElementsAre(R"(2: {"id":"1","title":"A"})"));
}

}  // namespace
}  // namespace engram::engramctl
