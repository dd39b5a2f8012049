#include "libs/wire/wire.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"
#include "google/protobuf/wrappers.pb.h"

namespace engram::wire {
namespace {

using ::google::protobuf::util::TimeUtil;

// What we write must be what protobuf writes: its messages are the reference.
template <typename Message, typename Value>
std::string Reference(Value value) {
  Message message;
  message.set_value(value);
  return message.SerializeAsString();
}

TEST(WireTest, Integers) {
  for (const int64_t value :
       {int64_t{1}, int64_t{127}, int64_t{128}, int64_t{16'384}, int64_t{-1},
        std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min()}) {
    std::string bytes;
    AppendInteger(1, value, &bytes);
    EXPECT_EQ(bytes, Reference<google::protobuf::Int64Value>(value)) << value;
  }
}

TEST(WireTest, Doubles) {
  for (const double value : {1.5, -0.25, 1e300, 5e-324}) {
    std::string bytes;
    AppendDouble(1, value, &bytes);
    EXPECT_EQ(bytes, Reference<google::protobuf::DoubleValue>(value)) << value;
  }
}

TEST(WireTest, BytesAndTheirSize) {
  for (const size_t size : {1, 127, 128, 16'383, 16'384}) {
    const std::string value(size, 'x');
    std::string bytes;
    AppendBytes(1, value, &bytes);
    EXPECT_EQ(bytes, Reference<google::protobuf::BytesValue>(value)) << size;
    EXPECT_EQ(FieldSize(size), bytes.size());
  }
}

TEST(WireTest, FieldNumbersBeyondOneByte) {
  std::string bytes;
  AppendInteger(2047, 1, &bytes);
  EXPECT_EQ(bytes, "\xf8\x7f\x01");
}

TEST(WireTest, Timestamps) {
  for (const int64_t microseconds :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'000'000},
        int64_t{-1'000'001}, int64_t{1'700'000'000'123'456},
        int64_t{-62'135'596'800'000'000}}) {
    std::string bytes;
    AppendTimestamp(1, microseconds, &bytes);
    std::string expected;
    AppendBytes(
        1, TimeUtil::MicrosecondsToTimestamp(microseconds).SerializeAsString(),
        &expected);
    EXPECT_EQ(bytes, expected) << microseconds;
  }
}

}  // namespace
}  // namespace engram::wire
