#include "services/search/attribute_columns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/schema/record_scope.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/attribute_builder.h"

namespace engram::search {
namespace {

using ::engram::search::testing::CollectionOf;
using ::engram::search::testing::FieldsOf;
using ::engram::testing::StatusIs;
using Values = std::map<std::string, schema::FieldValue>;

constexpr char kNotes[] = R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  author: {type: string}
vectors: {body: {source: [body]}}
)";

std::shared_ptr<const CollectionSchema> SchemaOf(
    const std::string& yaml, const std::map<std::string, int>& numbers = {}) {
  const auto schema = ReadSchema(CollectionOf(yaml, numbers));
  EXPECT_OK(schema);
  return *schema;
}

// A schema in which `kind` and `stars` are as given.
std::shared_ptr<const CollectionSchema> SchemaWith(const std::string& kind,
                                                   const std::string& stars) {
  return SchemaOf(
      absl::StrCat("collection: notes\nfields:\n  body: {type: text}\n  ", kind,
                   "\n  ", stars, "\n  author: {type: string}\n",
                   "vectors: {body: {source: [body]}}\n"));
}

class AttributeColumnsTest : public ::testing::Test {
 protected:
  AttributeColumnsTest() { columns_->CompleteFrom(0); }

  void Put(int64_t row, const Values& values) {
    Put(row, FieldsOf(*columns_->schema(), values), /*later_schema=*/false);
  }
  void Put(int64_t row, const std::string& fields, bool later_schema) {
    columns_->Apply({{.row = row,
                      .created_us = 1000 * row,
                      .updated_us = 1000 * row,
                      .fields = fields,
                      .later_schema = later_schema}},
                    ++sequence_);
  }
  void Do(AttributeChange::Kind kind, int64_t row) {
    columns_->Apply({{.kind = kind, .row = row}}, ++sequence_);
  }

  // The rows that meet the filter; `?` before them if storage must be asked,
  // which alone is every row.
  std::string Find(const std::string& text) const {
    const auto schema = columns_->schema();
    const auto condition =
        filter::ParseFilter(text, schema::RecordScope(schema->spec), {});
    EXPECT_OK(condition);
    std::string found;
    EXPECT_OK(columns_->Find(
        {.schema = schema, .condition = *condition}, absl::Now(),
        absl::InfiniteFuture(), [&](const MatchingRows& rows) {
          if (!rows.is_exact()) found = "?";
          if (rows.total() == 0) return;
          std::vector<int64_t> all;
          rows.Rows().ForEach([&](int64_t row) { all.push_back(row); });
          std::sort(all.begin(), all.end());
          EXPECT_EQ(rows.count(), all.size());
          for (const int64_t row : all) {
            EXPECT_TRUE(rows.Has(row));
            absl::StrAppend(&found, " ", row);
          }
          EXPECT_FALSE(rows.Has(999));
        }));
    return found;
  }

  std::unique_ptr<AttributeColumns> columns_ =
      std::make_unique<AttributeColumns>(SchemaOf(kNotes));
  int64_t sequence_ = 0;
};

TEST_F(AttributeColumnsTest, FollowTheRecords) {
  Put(1, {{"kind", "fact"}, {"stars", int64_t{3}}});
  Put(2, {{"kind", "rumour"}});
  Put(3, {{"kind", "fact"}});
  EXPECT_EQ(Find("kind = 'fact'"), " 1 3");
  EXPECT_EQ(Find("NOT stars >= 3"), " 2 3");
  EXPECT_EQ(Find("true"), " 1 2 3");
  EXPECT_EQ(Find("kind = 'fact' AND stars > 3"), "");
  Put(1, {{"kind", "rumour"}});
  Do(AttributeChange::Kind::kErase, 3);
  EXPECT_EQ(Find("kind = 'rumour'"), " 1 2");
  EXPECT_EQ(Find("kind = 'fact' OR stars IS NOT NULL"), "");
  EXPECT_EQ(columns_->size(), 2);
  // In the place of a record that is gone.
  Put(4, {{"stars", int64_t{1}}});
  EXPECT_EQ(Find("kind IS NULL"), " 4");
}

TEST_F(AttributeColumnsTest, TellRowsThatFollowEachOtherAndOthers) {
  std::string expected;
  const auto put = [&](int64_t row) {
    Put(row, {{"kind", row % 3 == 0 ? "fact" : "rumour"}});
    if (row % 3 == 0) absl::StrAppend(&expected, " ", row);
  };
  // None of which begins where a word does, and a gap in the fourth 64.
  for (int64_t row = 5; row < 220; ++row) put(row);
  for (int64_t row = 230; row < 400; ++row) put(row);
  EXPECT_EQ(Find("kind = 'fact'"), expected);
  // Two among the first 64 have the places of others.
  Do(AttributeChange::Kind::kErase, 10);
  Do(AttributeChange::Kind::kErase, 20);
  put(402);
  put(405);
  EXPECT_EQ(Find("kind = 'fact'"), expected);
  std::string bytes;
  columns_->Encode(bytes);
  auto schema = columns_->schema();
  columns_ = std::make_unique<AttributeColumns>(std::move(schema));
  ASSERT_OK(columns_->Decode(bytes));
  EXPECT_EQ(Find("kind = 'fact'"), expected);
}

TEST_F(AttributeColumnsTest, KnowTheTimesOfCreationAndOfTheLastChange) {
  for (int64_t row = 1; row <= 3; ++row) Put(row, {});
  EXPECT_EQ(Find("_create_time < '1970-01-01T00:00:00.003Z'"), " 1 2");
  EXPECT_EQ(Find("_update_time >= '1970-01-01T00:00:00.003Z'"), " 3");
  EXPECT_EQ(Find("_create_time > now - 1d"), "");
}

TEST_F(AttributeColumnsTest, SayWhatStorageMustBeAsked) {
  Put(1, {{"kind", "fact"}});
  Put(2, {{"kind", "rumour"}});
  EXPECT_EQ(Find("author = 'ada'"), "?");
  EXPECT_EQ(Find("id = 'a' OR kind = 'fact'"), "?");
  // As much of it as is known here narrows the search.
  EXPECT_EQ(Find("author = 'ada' AND kind = 'fact'"), "? 1");
  EXPECT_EQ(Find("kind = 'fact' AND (_version > 1 AND NOT kind = 'x')"), "? 1");
}

TEST_F(AttributeColumnsTest, AFilterOfAnotherSchemaIsRefused) {
  const ReadFilter old = {.schema = columns_->schema()};
  columns_->ChangeSchema(SchemaOf(kNotes));
  EXPECT_THAT(columns_->Find(old, absl::Now(), absl::InfiniteFuture(),
                             [](const MatchingRows&) { FAIL(); }),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(AttributeColumnsTest, ARenamedFieldKeepsItsValues) {
  Put(1, {{"kind", "fact"}});
  columns_->ChangeSchema(
      SchemaWith("sort: {type: string, renamed_from: kind, index: true}",
                 "stars: {type: int, index: true}"));
  EXPECT_FALSE(columns_->WantsFill());
  EXPECT_EQ(Find("sort = 'fact'"), " 1");
}

TEST_F(AttributeColumnsTest, AFieldThatIsIndexedFromNowOnWaitsForItsValues) {
  Put(1, {{"kind", "fact"}});
  Put(2, {{"kind", "fact"}});
  columns_->ChangeSchema(SchemaOf(R"(
collection: notes
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  author: {type: string, index: true}
vectors: {body: {source: [body]}}
)"));
  EXPECT_TRUE(columns_->WantsFill());
  EXPECT_EQ(Find("author = 'ada'"), "?");
  EXPECT_EQ(Find("kind = 'fact'"), " 1 2");
  Put(1, {{"author", "ada"}});
  columns_->CompleteFrom(sequence_ + 1);
  EXPECT_FALSE(columns_->WantsFill());
  // Not before what the values are of is applied.
  EXPECT_EQ(Find("author = 'ada'"), "?");
  Put(2, {{"author", "ada"}});
  EXPECT_EQ(Find("author = 'ada'"), " 1 2");
}

TEST_F(AttributeColumnsTest, AChangeOfAFieldThatMayAlterValuesDoesSo) {
  Put(1, {{"kind", "fact"}});
  columns_->ChangeSchema(SchemaWith(
      "kind: {type: string, index: true, required: true, default: x}",
      "stars: {type: int, index: true}"));
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  EXPECT_EQ(Find("stars IS NULL"), " 1");
}

TEST_F(AttributeColumnsTest, AFieldOfAnotherNumberIsAnother) {
  Put(1, {{"kind", "fact"}});
  columns_->ChangeSchema(SchemaOf(kNotes, {{"kind", 9}}));
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  EXPECT_TRUE(columns_->WantsFill());
}

TEST_F(AttributeColumnsTest, WhatIsDistrustedWaitsForItsValues) {
  Put(1, {{"stars", int64_t{3}}});
  columns_->Distrust("stars");
  columns_->Distrust("nothing");
  EXPECT_EQ(Find("stars = 3"), "?");
  EXPECT_TRUE(columns_->WantsFill());
  columns_->CompleteFrom(sequence_);
  EXPECT_EQ(Find("stars = 3"), " 1");
}

TEST_F(AttributeColumnsTest, NothingIsHeldOnceNothingIsIndexed) {
  Put(1, {{"kind", "fact"}});
  columns_->ChangeSchema(
      SchemaWith("kind: {type: string}", "stars: {type: int}"));
  EXPECT_EQ(columns_->size(), 0);
  EXPECT_FALSE(columns_->WantsFill());
  EXPECT_EQ(Find("true"), "?");
  columns_->ChangeSchema(SchemaOf(kNotes));
  EXPECT_TRUE(columns_->WantsFill());
  EXPECT_EQ(Find("true"), "?");
}

// A field that is not indexed any more is left out from then on.
TEST_F(AttributeColumnsTest, NothingAnswersBetweenALaterSchemaAndItsComing) {
  Put(1, {{"kind", "fact"}, {"stars", int64_t{3}}});
  const auto later =
      SchemaWith("kind: {type: string, index: true}", "stars: {type: int}");
  Put(2, FieldsOf(*later, {{"kind", "fact"}}), /*later_schema=*/true);
  EXPECT_EQ(Find("stars IS NULL"), "?");
  EXPECT_FALSE(columns_->WantsFill());
  columns_->ChangeSchema(later);
  EXPECT_EQ(Find("kind = 'fact'"), " 1 2");
  EXPECT_EQ(Find("stars IS NULL"), "?");
}

TEST_F(AttributeColumnsTest, FieldsOfALaterSchemaThatAreNotKnownAreReadAgain) {
  Put(1, {{"kind", "fact"}});
  const auto later =
      SchemaOf(R"(
collection: notes
fields:
  body: {type: text}
  color: {type: string, index: true}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  author: {type: string}
vectors: {body: {source: [body]}}
)",
               {{"color", 8}, {"kind", 2}, {"stars", 3}, {"author", 4}});
  Put(1, FieldsOf(*later, {{"color", "red"}, {"kind", "rumour"}}),
      /*later_schema=*/true);
  columns_->ChangeSchema(later);
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  EXPECT_TRUE(columns_->WantsFill());
}

TEST_F(AttributeColumnsTest, WhatStorageDoesNotTellItIsAsked) {
  Put(1, {{"kind", "fact"}});
  Do(AttributeChange::Kind::kUntold, 2);
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  Put(3, {{"kind", "fact"}});
  columns_->CompleteFrom(sequence_);
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  EXPECT_FALSE(columns_->WantsFill());
}

TEST_F(AttributeColumnsTest, AColumnWhoseValuesAreTooLargeIsGivenUpAlone) {
  Put(1, {{"kind", "fact"}, {"stars", int64_t{3}}});
  const int64_t before = columns_->memory_bytes();
  Put(2, {{"kind", std::string(2000, 'x')}, {"stars", int64_t{3}}});
  EXPECT_EQ(Find("kind = 'fact'"), "?");
  EXPECT_EQ(Find("stars = 3"), " 1 2");
  EXPECT_LT(columns_->memory_bytes(), before + 1000);
  EXPECT_FALSE(columns_->WantsFill());
}

TEST_F(AttributeColumnsTest, ComeBackFromWhatTheyWrote) {
  for (int64_t row = 1; row <= 50; ++row) {
    Put(row, {{"kind", absl::StrCat("k", row % 3)}, {"stars", row}});
  }
  Do(AttributeChange::Kind::kErase, 7);
  columns_->Distrust("stars");
  std::string bytes;
  columns_->Encode(bytes);
  const auto schema = columns_->schema();
  const auto frozen_kinds = Find("kind = 'k1'");

  columns_ = std::make_unique<AttributeColumns>(schema);
  ASSERT_OK(columns_->Decode(bytes));
  columns_->Apply({}, sequence_);
  EXPECT_EQ(Find("kind = 'k1'"), frozen_kinds);
  EXPECT_EQ(Find("stars = 1"), "?");
  EXPECT_TRUE(columns_->WantsFill());
  EXPECT_EQ(columns_->size(), 49);

  for (const size_t size : {size_t{0}, size_t{5}, bytes.size() - 1}) {
    EXPECT_THAT(AttributeColumns(schema).Decode(bytes.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss));
  }
  EXPECT_THAT(AttributeColumns(schema).Decode(bytes + "x"),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(AttributeColumns(SchemaOf(kNotes, {{"kind", 9}})).Decode(bytes),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(AttributeColumnsTest, AFrozenCopyHasTheChecksumsOfWhatWasTold) {
  const std::string fields =
      FieldsOf(*columns_->schema(), {{"kind", "fact"}, {"stars", int64_t{3}}});
  Put(5, fields, /*later_schema=*/false);
  const auto frozen = columns_->Freeze();
  ASSERT_TRUE(frozen.has_value());
  EXPECT_EQ(frozen->sequence, sequence_);
  ASSERT_EQ(frozen->checksums.size(), 1);
  EXPECT_EQ(frozen->checksums.at(5), AttributeChecksum(5000, 5000, fields));
  columns_->Distrust("stars");
  EXPECT_FALSE(columns_->Freeze().has_value());
}

}  // namespace
}  // namespace engram::search
