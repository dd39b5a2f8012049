#include "libs/schema/record_scope.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::testing::Contains;
using ::testing::Not;

class RecordScopeTest : public ::testing::Test {
 protected:
  const CollectionSpec spec_ = *ParseCollection(
      "",
      "{collection: c, fields: {title: {type: string, collate: nocase}, "
      "size: {type: int}}}");
};

TEST_F(RecordScopeTest, FindsFieldsAndWhatEveryRecordHas) {
  const RecordScope scope(spec_);
  ASSERT_TRUE(scope.Find("title").has_value());
  EXPECT_EQ(scope.Find("title")->place, 0);
  EXPECT_EQ(scope.Find("title")->type, FieldType::kString);
  EXPECT_TRUE(scope.Find("title")->nocase);
  EXPECT_EQ(scope.Find("size")->place, 1);
  EXPECT_FALSE(scope.Find("size")->nocase);
  EXPECT_EQ(scope.Find("id")->place, kIdPlace);
  EXPECT_EQ(scope.Find("_version")->type, FieldType::kInt);
  EXPECT_EQ(scope.Find("_create_time")->place, kCreateTimePlace);
  EXPECT_EQ(scope.Find("_update_time")->place, kUpdateTimePlace);
  EXPECT_EQ(scope.Find("_expire_time")->type, FieldType::kTimestamp);
  EXPECT_FALSE(scope.Find("_row").has_value());
  EXPECT_FALSE(scope.Find("new.size").has_value());
  EXPECT_THAT(scope.Names(), Contains("_version"));
}

TEST_F(RecordScopeTest, AMergeSeesWhatIsSent) {
  const MergeScope scope(spec_);
  EXPECT_EQ(scope.Find("size")->place, 1);
  EXPECT_EQ(scope.Find("new.size")->place, kSentPlace + 1);
  EXPECT_TRUE(scope.Find("new.title")->nocase);
  EXPECT_FALSE(scope.Find("new.id").has_value());
  EXPECT_THAT(scope.Names(), Contains("new.title"));
  EXPECT_THAT(RecordScope(spec_).Names(), Not(Contains("new.title")));
}

}  // namespace
}  // namespace engram::schema
