#include "libs/schema/typed_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <random>

#include "google/protobuf/timestamp.pb.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

// One field of each type, named as its type, with numbers that are neither
// dense nor in the order of the schema.
class TypedCodecTest : public ::testing::Test {
 protected:
  using Fields = std::map<std::string, FieldValue>;
  using Problems = std::map<std::string, std::string>;

  TypedCodecTest() {
    spec_.name = "memories";
    for (const FieldType type : kTypes) {
      FieldSpec& field = spec_.fields.emplace_back();
      field.name = std::string(FieldTypeName(type));
      field.type = type;
    }
  }

  int PlaceOf(FieldType type) const {
    return spec_.FieldIndex(FieldTypeName(type));
  }

  int NumberOf(FieldType type) const { return layout_.numbers[PlaceOf(type)]; }

  std::string Encode(FieldType type, const FieldValue& value) const {
    std::string bytes;
    EXPECT_OK(EncodeTyped(spec_, layout_, {PlaceOf(type)}, {value}, &bytes));
    return bytes;
  }

  // A field of `type` whose bytes are `value`.
  std::string WithLength(FieldType type, absl::string_view value) const {
    return Encode(FieldType::kBytes, Blob{std::string(value)})
        .replace(0, 1, 1, static_cast<char>(NumberOf(type) << 3 | 2));
  }

  // A field of `type` that is a varint.
  std::string WithVarint(FieldType type, int64_t value) const {
    return Encode(FieldType::kInt, value)
        .replace(0, 1, 1, static_cast<char>(NumberOf(type) << 3));
  }

  // The fields that `bytes` hold, by name; what is wrong with others goes to
  // problems_, what is wrong with the whole to status_.
  Fields Decode(absl::string_view bytes) {
    Fields fields;
    problems_.clear();
    status_ = DecodeTyped(spec_, layout_, bytes,
                          [&](int place, absl::StatusOr<FieldValue> value) {
                            const std::string& name = spec_.fields[place].name;
                            fields.erase(name);
                            problems_.erase(name);
                            if (value.ok()) {
                              fields[name] = *std::move(value);
                            } else {
                              problems_[name] =
                                  std::string(value.status().message());
                            }
                          });
    return fields;
  }

  static constexpr FieldType kTypes[] = {
      FieldType::kString, FieldType::kText,  FieldType::kInt,
      FieldType::kDouble, FieldType::kBool,  FieldType::kTimestamp,
      FieldType::kJson,   FieldType::kBytes, FieldType::kStrings,
      FieldType::kRef,
  };

  CollectionSpec spec_;
  TypedLayout layout_ = {.numbers = {1, 2, 9, 4, 3, 6, 7, 8, 11, 12},
                         .dropped = {{5, "old"}, {10, "older"}}};
  Problems problems_;
  absl::Status status_;
};

TEST_F(TypedCodecTest, EveryValueComesBack) {
  const std::pair<FieldType, FieldValue> kCases[] = {
      {FieldType::kString, std::string()},
      {FieldType::kString, std::string("grüße 🎉")},
      {FieldType::kText, std::string(100'000, 'x')},
      {FieldType::kRef, std::string("a/b")},
      {FieldType::kInt, int64_t{0}},
      {FieldType::kInt, int64_t{-1}},
      {FieldType::kInt, kMinInt},
      {FieldType::kInt, kMaxInt},
      {FieldType::kDouble, 0.0},
      {FieldType::kDouble, -1.5},
      {FieldType::kDouble, std::numeric_limits<double>::max()},
      {FieldType::kDouble, std::numeric_limits<double>::denorm_min()},
      {FieldType::kBool, int64_t{0}},
      {FieldType::kBool, int64_t{1}},
      {FieldType::kTimestamp, int64_t{0}},
      {FieldType::kTimestamp, int64_t{-1}},
      {FieldType::kTimestamp, int64_t{1'700'000'000'123'456}},
      {FieldType::kTimestamp, kMinTimestamp},
      {FieldType::kTimestamp, kMaxTimestamp},
      {FieldType::kJson, std::string(R"({"a":[1,null,"x"],"b":1.5})")},
      {FieldType::kBytes, Blob{}},
      {FieldType::kBytes, Blob{std::string("\0\xff", 2)}},
      {FieldType::kStrings, std::string("[]")},
      {FieldType::kStrings, std::string(R"(["","a \"b\"","ü"])")},
  };
  for (const auto& [type, value] : kCases) {
    const std::string name(FieldTypeName(type));
    EXPECT_THAT(Decode(Encode(type, value)), ElementsAre(Pair(name, value)))
        << name;
    EXPECT_OK(status_);
  }
}

TEST_F(TypedCodecTest, FieldsComeInAnyOrderAndTheLastOfARepeatedOneCounts) {
  const std::string bytes = Encode(FieldType::kInt, int64_t{1}) +
                            Encode(FieldType::kString, std::string("a")) +
                            Encode(FieldType::kInt, int64_t{2});
  EXPECT_THAT(Decode(bytes), ElementsAre(Pair("int", FieldValue(int64_t{2})),
                                         Pair("string", std::string("a"))));
  EXPECT_THAT(Decode(""), IsEmpty());
  EXPECT_OK(status_);
}

TEST_F(TypedCodecTest, WhatHasNoValueIsNotSent) {
  std::string bytes = "kept";
  EXPECT_OK(EncodeTyped(spec_, layout_, {0, 2}, {FieldValue(), FieldValue()},
                        &bytes));
  EXPECT_EQ(bytes, "kept");
}

TEST_F(TypedCodecTest, JsonTakesItsCanonicalForm) {
  EXPECT_THAT(
      Decode(WithLength(FieldType::kJson, R"( {"b": 1.0, "a": "\u0041"} )")),
      ElementsAre(Pair("json", std::string(R"({"a":"A","b":1})"))));
  EXPECT_THAT(Decode(WithLength(FieldType::kJson, " null ")),
              ElementsAre(Pair("json", FieldValue())));
}

TEST_F(TypedCodecTest, TimesLoseWhatIsBelowTheMicrosecond) {
  google::protobuf::Timestamp time;
  time.set_seconds(-1);
  time.set_nanos(999'999'999);
  EXPECT_THAT(
      Decode(WithLength(FieldType::kTimestamp, time.SerializeAsString())),
      ElementsAre(Pair("timestamp", FieldValue(int64_t{-1}))));
}

TEST_F(TypedCodecTest, EachFieldsMistakeIsItsOwn) {
  const auto timestamp = [&](int64_t seconds, int32_t nanos) {
    google::protobuf::Timestamp time;
    time.set_seconds(seconds);
    time.set_nanos(nanos);
    return WithLength(FieldType::kTimestamp, time.SerializeAsString());
  };
  const std::string nan = Encode(FieldType::kDouble, 1.0).substr(0, 1) +
                          std::string("\0\0\0\0\0\0\xf8\x7f", 8);
  const std::string infinity = Encode(FieldType::kDouble, 1.0).substr(0, 1) +
                               std::string("\0\0\0\0\0\0\xf0\xff", 8);
  struct Case {
    FieldType type;
    std::string bytes;
    const char* problem;
  };
  const Case kCases[] = {
      {FieldType::kString, WithVarint(FieldType::kString, 1),
       "wants bytes with a length on the wire, as string has; got a varint"},
      {FieldType::kInt, WithLength(FieldType::kInt, "1"), "wants a varint"},
      {FieldType::kDouble, WithVarint(FieldType::kDouble, 1), "wants 8 bytes"},
      {FieldType::kTimestamp, WithVarint(FieldType::kTimestamp, 1),
       "wants bytes with a length"},
      {FieldType::kString, WithLength(FieldType::kString, "\xff"),
       "is not valid UTF-8"},
      {FieldType::kRef, WithLength(FieldType::kRef, std::string("a\0b", 3)),
       "holds a NUL"},
      {FieldType::kDouble, nan, "is not a finite number"},
      {FieldType::kDouble, infinity, "is not a finite number"},
      {FieldType::kBool, WithVarint(FieldType::kBool, 2),
       "wants true or false"},
      {FieldType::kTimestamp, timestamp(kMaxInt, 0), "outside the years"},
      {FieldType::kTimestamp, timestamp(kMinInt, 0), "outside the years"},
      {FieldType::kTimestamp, timestamp(253'402'300'800, 0),
       "outside the years"},
      {FieldType::kTimestamp, timestamp(-62'135'596'801, 0),
       "outside the years"},
      {FieldType::kTimestamp, timestamp(0, 1'000'000'000), "nanos"},
      {FieldType::kTimestamp, timestamp(0, -1), "nanos"},
      {FieldType::kTimestamp, WithLength(FieldType::kTimestamp, "\x08"),
       "ends in the middle"},
      {FieldType::kTimestamp, WithLength(FieldType::kTimestamp, "\x18\x01"),
       "another message"},
      {FieldType::kJson, WithLength(FieldType::kJson, "{"), "is not JSON"},
      {FieldType::kJson, WithLength(FieldType::kJson, ""), "is empty"},
      {FieldType::kJson, WithLength(FieldType::kJson, R"("\u0000")"), "NUL"},
      {FieldType::kJson,
       WithLength(FieldType::kJson,
                  std::string(1'000, '[') + std::string(1'000, ']')),
       "nests deeper"},
      {FieldType::kStrings, WithLength(FieldType::kStrings, "\x0a\x01\xff"),
       "has an element 0 that is not valid UTF-8"},
      {FieldType::kStrings, WithLength(FieldType::kStrings, "\x0a\x09"),
       "ends in the middle"},
      {FieldType::kStrings, WithLength(FieldType::kStrings, "\x08\x01"),
       "another message"},
  };
  for (const auto& [type, bytes, problem] : kCases) {
    // What comes after is read all the same.
    EXPECT_THAT(Decode(bytes + Encode(FieldType::kText, std::string("next"))),
                ElementsAre(Pair("text", std::string("next"))))
        << problem;
    EXPECT_OK(status_);
    EXPECT_THAT(problems_,
                ElementsAre(Pair(FieldTypeName(type), HasSubstr(problem))));
  }
}

TEST_F(TypedCodecTest, FieldsThatWereDroppedAreSkipped) {
  const std::string bytes = std::string("\x28\x01\x52\x02zz", 6) +
                            Encode(FieldType::kBool, int64_t{1});
  EXPECT_THAT(Decode(bytes), ElementsAre(Pair("bool", FieldValue(int64_t{1}))));
  EXPECT_OK(status_);
}

TEST_F(TypedCodecTest, BytesThatAreNoMessageAreRefused) {
  struct Case {
    std::string bytes;
    const char* problem;
  };
  const Case kCases[] = {
      {"\x48", "ends in the middle of a field"},
      {"\x48\xff", "ends in the middle of a field"},
      {"\x0a\x05"
       "abc",
       "ends in the middle of a field"},
      {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
       "ends in the middle of a field"},
      {std::string("\x21\0\0\0", 4), "ends in the middle of a field"},
      {"\x48\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "varint of more"},
      {std::string("\x02\x00", 2), "field number"},
      {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "field number"},
      {"\x2b\x2c", "group"},
      {"\x0f", "wire type"},
      {"\x68\x01", "holds a field 13, which the collection never had"},
  };
  for (const auto& [bytes, problem] : kCases) {
    Decode(bytes);
    EXPECT_THAT(status_, StatusIs(absl::StatusCode::kInvalidArgument, problem));
  }
}

TEST_F(TypedCodecTest, WhatNoFieldCanHoldIsDataLoss) {
  const std::pair<FieldType, FieldValue> kCases[] = {
      {FieldType::kString, int64_t{1}},
      {FieldType::kString, std::string("\xff")},
      {FieldType::kInt, 1.5},
      {FieldType::kBool, int64_t{2}},
      {FieldType::kDouble, std::numeric_limits<double>::infinity()},
      {FieldType::kTimestamp, kMaxInt},
      {FieldType::kBytes, std::string("a")},
      {FieldType::kStrings, std::string("[1]")},
      {FieldType::kStrings, std::string("{}")},
      {FieldType::kText, Blob{"a"}},
  };
  for (const auto& [type, value] : kCases) {
    std::string bytes;
    EXPECT_THAT(EncodeTyped(spec_, layout_, {PlaceOf(type)}, {value}, &bytes),
                StatusIs(absl::StatusCode::kDataLoss))
        << FieldTypeName(type);
  }
}

// What a body of random bytes is read as can be written and read again.
TEST_F(TypedCodecTest, HostileBytesAreReadOrRefused) {
  const std::string kWhole =
      Encode(FieldType::kString, std::string("grüße")) +
      Encode(FieldType::kInt, kMinInt) + Encode(FieldType::kDouble, -1.5) +
      Encode(FieldType::kTimestamp, int64_t{-1}) +
      Encode(FieldType::kJson, std::string(R"({"a":[1,"x"]})")) +
      Encode(FieldType::kStrings, std::string(R"(["a","b"])")) +
      Encode(FieldType::kBytes, Blob{"\xff"});
  std::mt19937 random(20261121);  // The same run each time.
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = kWhole;
    for (int change = random() % 4; change >= 0; --change) {
      const size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.insert(at, 1, static_cast<char>(random()));
          break;
        case 2:
          bytes.erase(at, 1 + random() % 3);
          break;
        default:
          bytes.resize(at + 1);
      }
      if (bytes.empty()) bytes = "x";
    }
    const Fields fields = Decode(bytes);
    if (!status_.ok()) continue;
    std::string again;
    for (const auto& [name, value] : fields) {
      ASSERT_OK(EncodeTyped(spec_, layout_, {spec_.FieldIndex(name)}, {value},
                            &again));
    }
    Fields expected = fields;
    std::erase_if(expected,
                  [](const auto& field) { return field.second.index() == 0; });
    ASSERT_EQ(Decode(again), expected);
    ASSERT_THAT(problems_, IsEmpty());
    ++accepted;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace engram::schema
