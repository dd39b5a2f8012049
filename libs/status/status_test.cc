#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/status/status_macros.h"

namespace engram {
namespace {

using ::testing::HasSubstr;

google::rpc::BadRequest BadRequestOf(const grpc::Status& status) {
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  google::rpc::BadRequest bad_request;
  for (const auto& detail : details.details()) {
    if (detail.Is<google::rpc::BadRequest>()) detail.UnpackTo(&bad_request);
  }
  return bad_request;
}

TEST(ErrorsTest, InvalidFieldNamesTheFieldInTheDetails) {
  const grpc::Status status =
      ToGrpcStatus(InvalidField("items[3].upsert.id", "is empty; give an id"));

  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  const auto bad_request = BadRequestOf(status);
  ASSERT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).field(), "items[3].upsert.id");
  EXPECT_EQ(bad_request.field_violations(0).description(),
            "is empty; give an id");
}

TEST(ErrorsTest, NotesOfThisProcessStayInIt) {
  absl::Status sent = InvalidField("id", "is empty; give an id");
  const google::rpc::Status without_notes = ToRpcStatus(sent);
  sent.SetPayload("engram/a-note", absl::Cord("x"));

  EXPECT_EQ(ToRpcStatus(sent).details_size(), without_notes.details_size());
  EXPECT_EQ(without_notes.details_size(), 2);
}

TEST(ErrorsTest, ViolationsAreReportedTogetherAndTheMessageStaysShort) {
  FieldViolations violations;
  EXPECT_TRUE(violations.ToStatus().ok());
  for (int i = 0; i < 20; ++i) violations.Add(absl::StrCat("f", i), "is wrong");

  const absl::Status status = violations.ToStatus();

  EXPECT_EQ(BadRequestOf(ToGrpcStatus(status)).field_violations_size(), 20);
  EXPECT_THAT(std::string(status.message()), HasSubstr("and 15 more"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FIELD_INVALID);
}

TEST(ErrorsTest, TextIsCutBetweenCharacters) {
  EXPECT_EQ(CutText("abc", 3), "abc");
  EXPECT_EQ(CutText("abcd", 3), "abc…");
  EXPECT_EQ(CutText("aüb", 2), "a…");
  EXPECT_EQ(CutText("aüb", 3), "aü…");
  EXPECT_EQ(CutText("ü", 1), "…");
}

TEST(ErrorsTest, PathsOfViolationsCanBeReplaced) {
  const auto map = [](absl::string_view path) {
    return absl::StrCat("batch.", path);
  };
  const grpc::Status status = ToGrpcStatus(
      MapFieldPaths(InvalidField("texts[3]", "is empty; give a text"), map));

  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "batch.texts[3]: is empty; give a text");
  EXPECT_EQ(BadRequestOf(status).field_violations(0).field(), "batch.texts[3]");

  const absl::Status other = absl::UnavailableError("down");
  EXPECT_EQ(MapFieldPaths(other, map), other);
}

TEST(ErrorsTest, ViolationsFitTheMetadataThatAClientTakes) {
  FieldViolations violations;
  // "ü" takes two bytes, and six on the wire in a message.
  std::string long_text;
  for (int i = 0; i < 1000; ++i) long_text += "ü";
  for (int i = 0; i < 100'000; ++i) violations.Add(long_text, long_text);
  EXPECT_TRUE(violations.full());

  const absl::Status status = violations.ToStatus();

  const grpc::Status wire = ToGrpcStatus(status);
  EXPECT_GT(BadRequestOf(wire).field_violations_size(), 3);
  EXPECT_LT(3 * wire.error_message().size() + wire.error_details().size(),
            7500);
  EXPECT_THAT(std::string(status.message()), HasSubstr("; and 99999 more"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("ü…: ü"));
}

TEST(GrpcStatusTest, DetailsSurviveTheWire) {
  const absl::Status sent =
      WithRetryDelay(MakeError(absl::StatusCode::kResourceExhausted,
                               common::v1::ERROR_REASON_OVERLOADED,
                               "the queue is full", {{"database", "default"}}),
                     absl::Milliseconds(1500));

  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent));

  EXPECT_EQ(received, sent);
  EXPECT_EQ(ReasonOf(received), common::v1::ERROR_REASON_OVERLOADED);
  EXPECT_EQ(RetryDelayOf(received), absl::Milliseconds(1500));
  EXPECT_EQ(RetryDelayOf(absl::UnavailableError("")), std::nullopt);
}

TEST(GrpcStatusTest, ContextKeepsCodeAndReason) {
  const absl::Status status = WithContext(
      MakeError(absl::StatusCode::kNotFound,
                common::v1::ERROR_REASON_COLLECTION_UNKNOWN, "no such thing"),
      "apply change 7");

  EXPECT_EQ(status.message(), "apply change 7: no such thing");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
}

absl::StatusOr<int> Half(int value) {
  if (value % 2 != 0) return absl::InvalidArgumentError("odd");
  return value / 2;
}

absl::StatusOr<int> Quarter(int value) {
  ASSIGN_OR_RETURN(const int half, Half(value));
  RETURN_IF_ERROR(Half(half).status());
  return half / 2;
}

TEST(StatusMacrosTest, ReturnAtTheFirstError) {
  EXPECT_EQ(*Quarter(12), 3);
  EXPECT_EQ(Quarter(7).status().message(), "odd");
  EXPECT_EQ(Quarter(6).status().message(), "odd");
}

}  // namespace
}  // namespace engram
