#include "services/storage/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kPackages[] = R"(
collection: packages
fields:
  version:  {type: string, max_length: 5}
  section:  {type: string, one_of: [net, editors]}
  size:     {type: int, min: 0, max: 1000}
  score:    {type: double, min: 0, max: 1}
  free:     {type: bool, default: true}
  released: {type: timestamp, min: 2000-01-01T00:00:00Z}
  tags:     {type: strings, max_length: 3, one_of: [a, b, c]}
  extra:    {type: json}
  icon:     {type: bytes, max_length: 2}
  summary:  {type: text, required: true}
)";

class RecordCodecTest : public ::testing::Test {
 protected:
  RecordCodecTest() : spec_(*schema::ParseCollection("test", kPackages)) {}

  std::vector<Assignment> Decode(absl::string_view fields) {
    google::protobuf::Struct object;
    json::Parser parser;
    EXPECT_OK(parser.ParseObject(fields, &object));
    return DecodeFields(spec_, object, "items[0].upsert.fields", violations_);
  }

  // Path and problem of each violation.
  std::vector<std::pair<std::string, std::string>> violations() const {
    std::vector<std::pair<std::string, std::string>> result;
    const auto payload = violations_.ToStatus().GetPayload(
        "type.googleapis.com/google.rpc.BadRequest");
    if (!payload.has_value()) return result;
    google::rpc::BadRequest details;
    EXPECT_TRUE(details.ParseFromString(std::string(*payload)));
    for (const auto& violation : details.field_violations()) {
      result.emplace_back(violation.field(), violation.description());
    }
    return result;
  }

  const schema::CollectionSpec spec_;
  FieldViolations violations_;
};

TEST_F(RecordCodecTest, DecodesFieldsInTheOrderOfTheSchema) {
  EXPECT_THAT(
      Decode(R"({"summary":"an editor","size":7,"version":null})"),
      ElementsAre(Assignment{0, ColumnValue()}, Assignment{2, int64_t{7}},
                  Assignment{9, "an editor"}));
  EXPECT_THAT(violations(), IsEmpty());
}

TEST_F(RecordCodecTest, EveryTypeComesBackAsItWasSent) {
  const std::string sent =
      R"({"extra":{"a":[1,"x",null]},"free":false,"icon":"AP8=",)"
      R"("released":"2026-01-31T12:00:00.25Z","score":0.5,"section":"net",)"
      R"("size":1000,"summary":"s","tags":["a","c"],"version":"1.2.3"})";
  google::protobuf::Struct answered;
  for (const Assignment& assignment : Decode(sent)) {
    const schema::FieldSpec& field = spec_.fields[assignment.field];
    ASSERT_OK(EncodeField(field, assignment.value,
                          &(*answered.mutable_fields())[field.name]));
  }
  EXPECT_THAT(violations(), IsEmpty());
  std::string text;
  json::AppendJson(answered, &text);
  EXPECT_EQ(text, sent);
}

TEST_F(RecordCodecTest, ReportsEveryMistakeOfARecordAtItsPath) {
  Decode(R"({"sizee":1,"size":"many","score":2,"tags":["a","x"],"summary":null,
             "zebra":1})");
  using ::testing::UnorderedElementsAre;
  const std::string path = "items[0].upsert.fields.";
  EXPECT_THAT(
      violations(),
      UnorderedElementsAre(
          Pair(path + "size",
               HasSubstr("wants an int; got the string \"many\"")),
          Pair(path + "score", "is 2; at most 1 is allowed"),
          Pair(path + "tags",
               HasSubstr("element 1 that is \"x\"; allowed are")),
          Pair(path + "summary", "is required; give it a value"),
          Pair(path + "sizee",
               HasSubstr("no field \"sizee\" in the collection \"packages\"; "
                         "did you mean \"size\"?")),
          Pair(path + "zebra", HasSubstr("no field \"zebra\""))));
}

TEST_F(RecordCodecTest, ChecksTheRulesOfTheSchema) {
  struct Case {
    const char* fields;
    const char* problem;
  };
  const Case kCases[] = {
      {R"({"version":"1.2.34"})", "has 6 characters; at most 5 are allowed"},
      {R"({"section":"games"})",
       "is \"games\"; allowed are \"editors\", \"net\""},
      {R"({"size":-1})", "is -1; at least 0 is allowed"},
      {R"({"size":1001})", "is 1001; at most 1000 is allowed"},
      {R"({"released":"1999-12-31T23:59:59Z"})",
       "is 1999-12-31T23:59:59Z; at least 2000-01-01T00:00:00Z is allowed"},
      {R"({"tags":["a","a","a","a"]})",
       "has 4 elements; at most 3 are allowed"},
      {R"({"icon":"AAAA"})", "has 3 bytes; at most 2 are allowed"},
  };
  for (const Case& c : kCases) {
    violations_ = FieldViolations();
    Decode(c.fields);
    EXPECT_THAT(violations(), ElementsAre(Pair(::testing::_, c.problem)))
        << c.fields;
  }
}

TEST_F(RecordCodecTest, AcceptsValuesOnTheirBounds) {
  Decode(R"({"version":"ünïté","size":0,"score":1,"tags":["a","b","c"],
             "released":"2000-01-01T00:00:00Z","icon":"AAA="})");
  EXPECT_THAT(violations(), IsEmpty());
}

TEST_F(RecordCodecTest, SaysWhereTheIdBelongs) {
  Decode(R"({"id":"gimp"})");
  EXPECT_THAT(violations(),
              ElementsAre(Pair("items[0].upsert.fields.id",
                               HasSubstr("stands beside the fields"))));
}

TEST_F(RecordCodecTest, CutsTheNamesThatAClientMadeUp) {
  // Cut where a character of two bytes stands across the limit.
  Decode(absl::StrCat("{\"", std::string(63, 'x'), "ü",
                      std::string(100'000, 'x'), "\":1}"));
  ASSERT_EQ(violations().size(), 1);
  EXPECT_EQ(violations()[0].first,
            absl::StrCat("items[0].upsert.fields.", std::string(63, 'x'), "…"));
  EXPECT_LT(violations()[0].first.size() + violations()[0].second.size(), 300);
}

TEST_F(RecordCodecTest, ANewRecordGetsDefaultsUnlessTheFieldIsSent) {
  const auto completed = [&](absl::string_view fields) {
    return CompleteNewRecord(spec_, Decode(fields), "items[0].upsert.fields",
                             violations_);
  };
  EXPECT_EQ(completed(R"({"summary":"s"})")[4], ColumnValue(int64_t{1}));
  EXPECT_EQ(completed(R"({"summary":"s","free":false})")[4],
            ColumnValue(int64_t{0}));
  EXPECT_EQ(completed(R"({"summary":"s","free":null})")[4], ColumnValue());
  EXPECT_EQ(completed(R"({"summary":"s"})").size(), spec_.fields.size());
  EXPECT_THAT(violations(), IsEmpty());
}

TEST_F(RecordCodecTest, ANewRecordNeedsItsRequiredFields) {
  CompleteNewRecord(spec_, Decode(R"({"size":1})"), "items[3].upsert.fields",
                    violations_);
  EXPECT_THAT(violations(), ElementsAre(Pair("items[3].upsert.fields.summary",
                                             "is required; give it a value")));
}

TEST_F(RecordCodecTest, AColumnThatAnotherHandChangedIsDataLossNamingTheField) {
  google::protobuf::Value out;
  EXPECT_THAT(EncodeField(spec_.fields[2], ColumnValue("text"), &out),
              StatusIs(absl::StatusCode::kDataLoss, "field \"size\""));
}

TEST(SourceTextTest, JoinsWhatHasText) {
  const std::vector<ColumnValue> all = {"title", "body"};
  EXPECT_EQ(SourceText(all), "title\nbody");
  const std::vector<ColumnValue> some = {ColumnValue(), "", " \n\t", "body"};
  EXPECT_EQ(SourceText(some), "body");
}

TEST(SourceTextTest, IsNothingWithoutText) {
  EXPECT_EQ(SourceText({}), std::nullopt);
  const std::vector<ColumnValue> none = {ColumnValue(), "", "  "};
  EXPECT_EQ(SourceText(none), std::nullopt);
}

}  // namespace
}  // namespace engram::storage
