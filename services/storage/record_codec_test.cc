#include "services/storage/record_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/protobuf/struct.pb.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;

constexpr char kPackages[] = R"(
collection: packages
fields:
  version:  {type: string}
  size:     {type: int}
  number:   {type: int, render: string}
  score:    {type: double}
  free:     {type: bool}
  released: {type: timestamp}
  tags:     {type: strings}
  extra:    {type: json}
  icon:     {type: bytes}
  parent:   {type: ref(packages)}
)";

class EncodeFieldTest : public ::testing::Test {
 protected:
  EncodeFieldTest() : spec_(*schema::ParseCollection("test", kPackages)) {}

  const schema::CollectionSpec spec_;
};

TEST_F(EncodeFieldTest, EveryTypeIsAnsweredAsItWasSent) {
  const std::string sent =
      R"({"extra":{"a":[1,"x",null]},"free":false,"icon":"AP8=",)"
      R"("number":"12","parent":"gimp","released":"2026-01-31T12:00:00.25Z",)"
      R"("score":0.5,"size":1000,"tags":["a","c"],"version":"1.2.3"})";
  google::protobuf::Struct object;
  json::Parser parser;
  ASSERT_OK(parser.ParseObject(sent, &object));
  google::protobuf::Struct answered;
  for (const schema::FieldSpec& field : spec_.fields) {
    ASSERT_OK_AND_ASSIGN(
        const ColumnValue value,
        schema::DecodeValue(field.type, object.fields().at(field.name)));
    ASSERT_OK(
        EncodeField(field, value, &(*answered.mutable_fields())[field.name]));
  }
  std::string text;
  json::AppendJson(answered, &text);
  EXPECT_EQ(text, sent);
}

TEST_F(EncodeFieldTest, AColumnThatAnotherHandChangedIsDataLossNamingTheField) {
  google::protobuf::Value out;
  EXPECT_THAT(EncodeField(spec_.fields[1], ColumnValue("text"), &out),
              StatusIs(absl::StatusCode::kDataLoss, "field \"size\""));
}

}  // namespace
}  // namespace engram::storage
