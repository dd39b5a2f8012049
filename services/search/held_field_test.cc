#include "services/search/held_field.h"

#include <gtest/gtest.h>

#include "libs/schema/record_scope.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/attribute_builder.h"

namespace engram::search {
namespace {

using ::engram::search::testing::CollectionOf;
using ::engram::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(HeldFieldTest, NamesWhatToDeclareForOneThatIsNotHeld) {
  const auto read = ReadSchema(CollectionOf(R"(
collection: notes
fields:
  body: {type: text, index: true}
  kind: {type: string, index: true}
  author: {type: string}
  reads: {type: int, index: true, default: 0}
touch: {on: get, set: {reads: "+1"}}
vectors: {body: {source: [body]}}
)"));
  ASSERT_OK(read);
  const CollectionSchema& schema = **read;
  ASSERT_OK_AND_ASSIGN(const int kind, PlaceOfHeldField(schema, "kind"));
  EXPECT_EQ(NameOfPlace(schema, kind), "kind");
  EXPECT_EQ(TypeOfPlace(schema, kind), schema::FieldType::kString);
  ASSERT_OK_AND_ASSIGN(const int time,
                       PlaceOfHeldField(schema, "_create_time"));
  EXPECT_EQ(time, schema::kCreateTimePlace);
  EXPECT_EQ(NameOfPlace(schema, time), "_create_time");
  EXPECT_EQ(TypeOfPlace(schema, time), schema::FieldType::kTimestamp);

  EXPECT_THAT(PlaceOfHeldField(schema, "author"),
              StatusIs(kInvalid,
                       "search does not hold \"author\"; declare it with "
                       "`index: true` in collection \"notes\""));
  EXPECT_THAT(PlaceOfHeldField(schema, "body"),
              StatusIs(kInvalid, "which is of type text; declare a string"));
  EXPECT_THAT(PlaceOfHeldField(schema, "reads"),
              StatusIs(kInvalid, "which reads change"));
  EXPECT_THAT(PlaceOfHeldField(schema, "id"),
              StatusIs(kInvalid, "name a field of the collection"));
  EXPECT_THAT(PlaceOfHeldField(schema, "kimd"),
              StatusIs(kInvalid,
                       "no field of collection \"notes\"; did you "
                       "mean \"kind\"?"));
}

TEST(HeldFieldTest, WhereNothingIsHeldTimesAreNotEither) {
  const auto read = ReadSchema(CollectionOf(R"(
collection: notes
fields: {body: {type: text}}
vectors: {body: {source: [body]}}
)"));
  ASSERT_OK(read);
  EXPECT_FALSE(IsHeld(**read, schema::kCreateTimePlace));
}

}  // namespace
}  // namespace engram::search
