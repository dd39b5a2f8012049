#include "libs/schema/typed_schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "google/protobuf/compiler/parser.h"
#include "google/protobuf/dynamic_message.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::testing::StatusIs;
using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::DynamicMessageFactory;
using ::google::protobuf::FileDescriptor;
using ::google::protobuf::FileDescriptorProto;
using ::google::protobuf::Message;
using ::google::protobuf::TextFormat;
using ::testing::HasSubstr;
using ::testing::Not;

class ErrorPrinter : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    ADD_FAILURE() << line << ":" << column << ": " << message;
  }
};

// Reads `.proto` text as protoc does.
FileDescriptorProto Parse(const TypedSchema& schema) {
  google::protobuf::io::ArrayInputStream stream(
      schema.source.data(), static_cast<int>(schema.source.size()));
  ErrorPrinter errors;
  google::protobuf::io::Tokenizer tokenizer(&stream, &errors);
  google::protobuf::compiler::Parser parser;
  parser.RecordErrorsTo(&errors);
  FileDescriptorProto file;
  EXPECT_TRUE(parser.Parse(&tokenizer, &file)) << schema.source;
  file.set_name(schema.file.name());
  return file;
}

FieldSpec Field(absl::string_view name, FieldType type) {
  FieldSpec field;
  field.name = std::string(name);
  field.type = type;
  return field;
}

class TypedSchemaTest : public ::testing::Test {
 protected:
  void Declare(absl::string_view collection, std::vector<FieldSpec> fields,
               TypedLayout layout) {
    spec_.name = std::string(collection);
    spec_.fields = std::move(fields);
    layout_ = std::move(layout);
  }

  void DeclareEveryType() {
    std::vector<FieldSpec> fields = {
        Field("title", FieldType::kString),
        Field("body", FieldType::kText),
        Field("number", FieldType::kInt),
        Field("score", FieldType::kDouble),
        Field("done", FieldType::kBool),
        Field("at", FieldType::kTimestamp),
        Field("extra", FieldType::kJson),
        Field("raw", FieldType::kBytes),
        Field("tags", FieldType::kStrings),
        Field("session", FieldType::kRef),
        // A name that hides the package of Timestamp from who looks it up.
        Field("google", FieldType::kInt),
    };
    fields[0].one_of = {FieldValue("a\nb*/"), FieldValue("c")};
    fields[2].required = true;
    fields[2].min = int64_t{0};
    fields[9].target = "sessions";
    Declare("chat_messages", fields,
            {.numbers = {1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14},
             .dropped = {{5, "old"}, {6, "older"}, {7, "done"}, {15, "old"}}});
  }

  // The message as a client sees it that compiled the text.
  const Descriptor* Compile() {
    const TypedSchema schema = DescribeTyped(spec_, layout_);
    EXPECT_NE(pool_.BuildFile(TimestampFile()), nullptr);
    const FileDescriptor* file = pool_.BuildFile(Parse(schema));
    EXPECT_NE(file, nullptr) << schema.source;
    return file == nullptr ? nullptr : file->message_type(0);
  }

  CollectionSpec spec_;
  TypedLayout layout_;
  DescriptorPool pool_;
  DynamicMessageFactory factory_;
};

TEST_F(TypedSchemaTest, TheTextSaysWhatTheDescriptorSays) {
  DeclareEveryType();
  const Descriptor* message = Compile();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->full_name(), "engram.records.ChatMessages");
  // As protobuf completes both.
  const TypedSchema schema = DescribeTyped(spec_, layout_);
  EXPECT_EQ(schema.message, message->full_name());
  FileDescriptorProto compiled;
  message->file()->CopyTo(&compiled);
  DescriptorPool other;
  other.BuildFile(TimestampFile());
  const FileDescriptor* described = other.BuildFile(schema.file);
  ASSERT_NE(described, nullptr) << schema.file.DebugString();
  FileDescriptorProto expected;
  described->CopyTo(&expected);
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(compiled, expected)) << difference;
}

TEST_F(TypedSchemaTest, WhatACompiledClientSendsIsReadAndTheAnswerToo) {
  DeclareEveryType();
  const Descriptor* descriptor = Compile();
  ASSERT_NE(descriptor, nullptr);
  const std::unique_ptr<Message> sent(factory_.GetPrototype(descriptor)->New());
  ASSERT_TRUE(TextFormat::ParseFromString(
      R"pb(title: "c"
           body: ""
           number: -9223372036854775808
           score: 0.5
           done: false
           at { seconds: -1 nanos: 500000000 }
           extra: '{"a":[1]}'
           raw: "\377\000"
           tags { values: "x" values: "" }
           session: "s-1")pb",
      sent.get()));

  std::vector<int> places;
  std::vector<FieldValue> values;
  ASSERT_OK(DecodeTyped(spec_, layout_, sent->SerializeAsString(),
                        [&](int place, absl::StatusOr<FieldValue> value) {
                          ASSERT_OK(value.status());
                          places.push_back(place);
                          values.push_back(*std::move(value));
                        }));
  EXPECT_EQ(places, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(values[5], FieldValue(int64_t{-500'000}));
  EXPECT_EQ(values[8], FieldValue(R"(["x",""])"));

  std::string bytes;
  ASSERT_OK(EncodeTyped(spec_, layout_, places, values, &bytes));
  const std::unique_ptr<Message> answered(
      factory_.GetPrototype(descriptor)->New());
  ASSERT_TRUE(answered->ParseFromString(bytes));
  EXPECT_EQ(answered->DebugString(), sent->DebugString());
}

TEST_F(TypedSchemaTest, AnEmptyListDiffersFromNone) {
  Declare("m", {Field("tags", FieldType::kStrings)}, {.numbers = {1}});
  const Descriptor* descriptor = Compile();
  ASSERT_NE(descriptor, nullptr);
  std::string bytes;
  ASSERT_OK(EncodeTyped(spec_, layout_, {0}, {FieldValue("[]")}, &bytes));
  const std::unique_ptr<Message> message(
      factory_.GetPrototype(descriptor)->New());
  ASSERT_TRUE(message->ParseFromString(bytes));
  EXPECT_TRUE(
      message->GetReflection()->HasField(*message, descriptor->field(0)));
}

TEST_F(TypedSchemaTest, IsWrittenForPeople) {
  FieldSpec kind = Field("kind", FieldType::kString);
  kind.required = true;
  kind.one_of = {FieldValue("fact"), FieldValue("note")};
  kind.default_value = FieldValue("note");
  Declare("memories",
          {kind, Field("tags", FieldType::kStrings),
           Field("at", FieldType::kTimestamp)},
          {.numbers = {1, 4, 3}, .dropped = {{2, "old"}}});
  EXPECT_EQ(
      DescribeTyped(spec_, layout_).source,
      R"(// A record of the collection `memories`, as `typed` bodies carry it.
// Written by `engramctl schema proto`. Write it again when the schema changes:
// fields keep their numbers for good.

syntax = "proto3";

package engram.records;

import "google/protobuf/timestamp.proto";

// Holds a record's fields. One that is not set is not sent; to clear one, name
// it in the update mask.
message Memories {
  // Of fields that there were once.
  reserved 2;
  reserved "old";

  // Holds a list, so that an empty one differs from none.
  message Strings {
    // The elements.
    repeated string values = 1;
  }

  // A string; required; one of "fact", "note"; by default "note".
  optional string kind = 1;
  // A time, kept to the microsecond.
  google.protobuf.Timestamp at = 3;
  // A list of strings.
  Strings tags = 4;
}
)");
}

TEST_F(TypedSchemaTest, NamesThatProtobufTakesForOneAreToldApart) {
  Declare("m",
          {Field("userid", FieldType::kInt), Field("user_id", FieldType::kInt),
           Field("user__id", FieldType::kInt)},
          {.numbers = {3, 1, 2}});
  const Descriptor* message = Compile();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->FindFieldByNumber(1)->name(), "user_id");
  EXPECT_EQ(message->FindFieldByNumber(2)->name(), "user__id_2");
  EXPECT_EQ(message->FindFieldByNumber(3)->name(), "userid_3");
  EXPECT_THAT(DescribeTyped(spec_, layout_).source,
              HasSubstr("the field `userid`"));
}

TEST_F(TypedSchemaTest, ANameThatIsInUseAgainIsNotReserved) {
  Declare("m", {Field("score", FieldType::kInt)},
          {.numbers = {2}, .dropped = {{1, "score"}}});
  const Descriptor* message = Compile();
  ASSERT_NE(message, nullptr);
  EXPECT_TRUE(message->IsReservedNumber(1));
  EXPECT_FALSE(message->IsReservedName("score"));
}

TEST_F(TypedSchemaTest, ACollectionOfNoFieldsIsAMessageToo) {
  Declare("m", {}, {});
  EXPECT_NE(Compile(), nullptr);
  EXPECT_THAT(DescribeTyped(spec_, layout_).source, Not(HasSubstr("import")));
}

TEST(MessageNameTest, IsTheCollectionsInCamelCase) {
  EXPECT_EQ(MessageName("memories"), "Memories");
  EXPECT_EQ(MessageName("chat_messages"), "ChatMessages");
  EXPECT_EQ(MessageName("v2_items"), "V2Items");
}

TEST(MessageNameTest, NoTwoCollectionsShareOne) {
  EXPECT_NE(MessageName("a_1b"), MessageName("a1b"));
  EXPECT_NE(MessageName("a__b"), MessageName("a_b"));
  EXPECT_NE(MessageName("a_b"), MessageName("ab"));
  EXPECT_NE(MessageName("ab_"), MessageName("ab"));
}

TEST(NextFieldNumberTest, IsAboveAllThatThereEverWere) {
  const auto next = [](int live, int dropped) {
    return NextFieldNumber({.numbers = {live}, .dropped = {{dropped, "old"}}});
  };
  EXPECT_EQ(NextFieldNumber({}).value_or(0), 1);
  EXPECT_EQ(next(3, 7).value_or(0), 8);
  EXPECT_EQ(next(7, 3).value_or(0), 8);
  EXPECT_EQ(next(18'999, 1).value_or(0), 20'000);
  EXPECT_THAT(next((1 << 29) - 1, 1),
              StatusIs(absl::StatusCode::kResourceExhausted));
}

}  // namespace
}  // namespace engram::schema
