#include "services/storage/record_id.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::storage {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

TEST(RecordIdTest, NewIdsSortByTheirTime) {
  EXPECT_LT(NewRecordId(1'800'000'000'000'000),
            NewRecordId(1'800'000'000'001'000));
  EXPECT_NE(NewRecordId(1), NewRecordId(1));
  // 0x017f22e279b0 milliseconds: the example of RFC 9562.
  EXPECT_EQ(NewRecordId(0x017f22e279b0 * 1000).substr(0, 15),
            "017f22e2-79b0-7");
}

TEST(RecordIdTest, AcceptsText) {
  for (const char* id :
       {"a", "with space", "Zürich", "日本", "🦉", "a/b:c"}) {
    EXPECT_EQ(FindRecordIdProblem(id), std::nullopt) << id;
  }
  EXPECT_EQ(FindRecordIdProblem(std::string(512, 'a')), std::nullopt);
}

TEST(RecordIdTest, RefusesWhatIsNoText) {
  EXPECT_THAT(FindRecordIdProblem(""), Optional(HasSubstr("empty")));
  EXPECT_THAT(FindRecordIdProblem(std::string(513, 'a')),
              Optional(HasSubstr("513 bytes")));
  for (const char* id : {"a\n", "\x7f", "\x01", "\xc2\x85"}) {
    EXPECT_THAT(FindRecordIdProblem(id), Optional(HasSubstr("control"))) << id;
  }
  EXPECT_THAT(FindRecordIdProblem(std::string("a\0", 2)),
              Optional(HasSubstr("at byte 1")));
  // Truncated, overlong, a surrogate, beyond Unicode.
  for (const char* id : {"\xe2\x82", "\xc0\xaf", "\xed\xa0\x80",
                         "\xf4\x90\x80\x80", "\xff", "\x80"}) {
    EXPECT_THAT(FindRecordIdProblem(id), Optional(HasSubstr("UTF-8"))) << id;
  }
}

}  // namespace
}  // namespace engram::storage
