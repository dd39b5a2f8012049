// What is kept with a row: elements, full text, old versions, outbox, vectors,
// counts and changes. On real files.

#include "services/storage/record_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestDatabase;
using Result = v1::WriteResult;

class RecordStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<Result> Do(const std::string& action,
                            const std::string& body) {
    return database_.WriteOne(absl::StrCat(R"({"collection": "docs", ")",
                                           action, R"(": )", body, "}"));
  }
  absl::StatusOr<Result> Put(const std::string& id, const std::string& fields) {
    return Do("upsert", absl::StrCat(R"({"id": ")", id, R"(", "fields": {)",
                                     fields, "}}"));
  }
  absl::StatusOr<Result> Delete(const std::string& id) {
    return Do("delete", absl::StrCat(R"({"id": ")", id, "\"}"));
  }
  absl::StatusOr<Result> Restore(const std::string& id) {
    return Do("restore", absl::StrCat(R"({"id": ")", id, "\"}"));
  }
  CollectionPtr docs() { return database_.database().catalog().Find("docs"); }
  int64_t Count(const std::string& table) {
    return database_.QueryInt("SELECT count(*) FROM " + table);
  }
  // Ids of the records whose text matches.
  std::string Search(const std::string& words) {
    return database_.QueryText(absl::StrCat(
        "SELECT coalesce(group_concat(id), '') FROM docs WHERE _row IN (SELECT "
        "rowid FROM _text_",
        docs()->id, " WHERE _text_", docs()->id, " MATCH '", words, "')"));
  }
  void CheckTextIndex() {
    EXPECT_OK(database_.Run([&](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          absl::StrCat("INSERT INTO _text_", docs()->id, "(_text_", docs()->id,
                       ", rank) VALUES ('integrity-check', 0)"));
    }));
  }
  // The rows that list an element.
  int64_t CountElement(const std::string& element) {
    return database_.QueryInt(
        absl::StrCat("SELECT count(*) FROM _elements_", docs()->id, "_",
                     docs()->typed.numbers[docs()->spec.FieldIndex("tags")],
                     " WHERE value = '", element, "'"));
  }
  // Leases all text that waits.
  v1::LeasePendingResponse Lease() {
    const LeaseRequest wanted = {
        .fingerprints = {"test"},
        .now = database_.clock().Now(),
        .expire = database_.clock().Now() + absl::Hours(1),
        .lease_id = 1};
    LeaseBudget budget = {.entries = 100, .bytes = 1 << 20};
    v1::LeasePendingResponse leased;
    auto reader = database_.database().AcquireReader();
    EXPECT_OK(reader.status());
    EXPECT_OK(database_.database().outbox().Lease(
        **reader, wanted, OutboxClass::kFresh, budget, leased));
    return leased;
  }
  // Leases all text and stores a vector for each; returns the texts.
  std::vector<std::string> Embed() {
    const v1::LeasePendingResponse leased = Lease();
    std::vector<std::string> texts;
    for (const v1::OutboxEntry& entry : leased.entries()) {
      texts.push_back(entry.text());
      EXPECT_EQ(Put(entry), v1::PutResult::OUTCOME_STORED);
    }
    return texts;
  }
  v1::PutResult::Outcome Put(const v1::OutboxEntry& entry) {
    v1::VectorPut put;
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    put.add_chunks()->set_values(std::string(8, '\x3c'));
    FieldViolations violations;
    const Catalog& catalog = database_.database().catalog();
    const std::vector<CheckedPut> puts = {
        CheckPut(catalog, put, "put", violations)};
    EXPECT_TRUE(violations.empty());
    std::vector<v1::PutResult> results;
    EXPECT_OK(database_.Run([&](WriteTransaction& transaction) {
      return WriteVectors(transaction, "default", catalog, puts, &results);
    }));
    return results[0].outcome();
  }

  TestDatabase database_;
};

TEST_F(RecordStoreTest, FullTextFollowsTheRecord) {
  ASSERT_OK(
      database_.Apply({"{collection: docs, soft_delete: true, full_text: "
                       "[title, body], fields: {title: {type: string}, "
                       "body: {type: text}, n: {type: int}}}"}));
  ASSERT_OK(Put("a", R"("title": "red fox")"));
  ASSERT_OK(Put("b", R"("title": "dog", "body": "a red dog")"));
  EXPECT_EQ(Search("red"), "a,b");
  ASSERT_OK(Put("a", R"("title": "blue fox")"));
  EXPECT_EQ(Search("red"), "b");
  EXPECT_EQ(Search("blue"), "a");
  ASSERT_OK(Put("b", R"("n": 1)"));
  EXPECT_EQ(Search("red"), "b");
  ASSERT_OK(Delete("b"));
  EXPECT_EQ(Search("red"), "");
  ASSERT_OK(Restore("b"));
  EXPECT_EQ(Search("red"), "b");
  CheckTextIndex();
  ASSERT_OK(Delete("b"));
  ASSERT_OK(Do("delete", R"({"id": "b", "purge": true})"));
  EXPECT_EQ(Search("red"), "");
  EXPECT_EQ(Search("fox"), "a");
}

TEST_F(RecordStoreTest, ElementsFollowTheRecord) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, fields: {tags: {type: strings, index: true}}}"}));
  ASSERT_OK(Put("a", R"("tags": ["x", "y", "x", "it's \"q\""])"));
  ASSERT_OK(Put("b", R"("tags": ["y"])"));
  EXPECT_EQ(CountElement("x"), 1);
  EXPECT_EQ(CountElement("y"), 2);
  EXPECT_EQ(CountElement("it''s \"q\""), 1);
  ASSERT_OK(Put("a", R"("tags": ["y", "z"])"));
  EXPECT_EQ(CountElement("x"), 0);
  EXPECT_EQ(CountElement("y"), 2);
  EXPECT_EQ(CountElement("z"), 1);
  ASSERT_OK(Delete("a"));
  EXPECT_EQ(CountElement("y"), 1);
  ASSERT_OK(Put("b", R"("tags": null)"));
  EXPECT_EQ(CountElement("y"), 0);
}

constexpr char kVectors[] = R"(
collection: docs
soft_delete: true
fields: {title: {type: string}, body: {type: text}, n: {type: int}}
vectors: {text: {source: [title, body], template: '{title}: {body}'}}
)";

TEST_F(RecordStoreTest, OnlyNewTextIsEmbedded) {
  ASSERT_OK(database_.Apply({kVectors}));
  ASSERT_OK(Put("a", R"("title": "t", "body": "b")"));
  ASSERT_OK(Put("none", R"("n": 1)"));
  EXPECT_THAT(Embed(), ElementsAre("t: b"));
  ASSERT_OK(Put("a", R"("n": 2)"));
  ASSERT_OK(Put("a", R"("body": "b")"));
  EXPECT_THAT(Embed(), IsEmpty());
  ASSERT_OK(Put("a", R"("body": "c")"));
  EXPECT_THAT(Embed(), ElementsAre("t: c"));
}

TEST_F(RecordStoreTest, TextThatIsRemovedTakesItsVectorsAlong) {
  ASSERT_OK(database_.Apply({kVectors}));
  ASSERT_OK(Put("a", R"("title": "t")"));
  Embed();
  ASSERT_OK(Put("a", R"("title": null)"));
  EXPECT_EQ(Count("_vectors_1"), 0);
  EXPECT_EQ(database_.QueryInt("SELECT records FROM _generations"), 0);
}

TEST_F(RecordStoreTest, ARestoreTellsFollowersOfTheVectorsThatWereKept) {
  ASSERT_OK(database_.Apply({kVectors}));
  ASSERT_OK(Put("a", R"("title": "t")"));
  Embed();
  ASSERT_OK(Delete("a"));
  EXPECT_EQ(database_.QueryInt("SELECT records FROM _generations"), 0);
  const int64_t before = database_.newest_sequence();
  ASSERT_OK(Restore("a"));
  EXPECT_THAT(database_.ChangesAfter(before),
              ElementsAre("changed a", "vectors a"));
  EXPECT_EQ(database_.QueryInt("SELECT records FROM _generations"), 1);
  // The feed sends vectors with the change that has their sequence.
  EXPECT_EQ(database_.QueryInt("SELECT sequence FROM _vectors_1"),
            database_.newest_sequence());
  EXPECT_THAT(Embed(), IsEmpty());
}

TEST_F(RecordStoreTest, TextOfAHiddenRecordIsNotEmbedded) {
  ASSERT_OK(database_.Apply({kVectors}));
  ASSERT_OK(Put("a", R"("title": "t")"));
  const v1::LeasePendingResponse leased = Lease();
  ASSERT_EQ(leased.entries_size(), 1);
  ASSERT_OK(Delete("a"));
  EXPECT_EQ(Put(leased.entries(0)), v1::PutResult::OUTCOME_DROPPED);
  const int64_t before = database_.newest_sequence();
  ASSERT_OK(Restore("a"));
  EXPECT_THAT(database_.ChangesAfter(before), ElementsAre("changed a"));
  EXPECT_THAT(Embed(), ElementsAre("t: "));
}

TEST_F(RecordStoreTest, SuppliedVectorsAreStoredWithTheRecord) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, fields: {n: {type: int}}, vectors: {v: {supplied: "
       "true, dimensions: 2, metric: dot}}}"}));
  const float values[] = {1, 2};
  std::string packed(sizeof(values), '\0');
  std::memcpy(packed.data(), values, sizeof(values));
  const std::string vectors = absl::StrCat(
      R"("vectors": [{"vectorField": "v", "chunks": [{"values": ")",
      absl::Base64Escape(packed), R"("}]}])");
  const int64_t before = database_.newest_sequence();
  ASSERT_OK(Do("create", absl::StrCat(R"({"id": "a", )", vectors, "}")));
  EXPECT_THAT(database_.ChangesAfter(before),
              ElementsAre("changed a", "vectors a"));
  EXPECT_EQ(Count("_outbox"), 0);
  EXPECT_EQ(database_.QueryInt("SELECT sequence FROM _vectors_1"), before + 2);
  EXPECT_EQ(
      Do("update", absl::StrCat(R"({"id": "a", )", vectors, "}"))->outcome(),
      Result::OUTCOME_UNCHANGED);
  ASSERT_OK_AND_ASSIGN(
      const Result cleared,
      Do("update", R"({"id": "a", "vectors": [{"vectorField": "v"}]})"));
  EXPECT_EQ(cleared.outcome(), Result::OUTCOME_UPDATED);
  EXPECT_EQ(cleared.version(), 2);
  EXPECT_EQ(Count("_vectors_1"), 0);
}

TEST_F(RecordStoreTest, GeneratedFieldsFollow) {
  ASSERT_OK(database_.Apply(
      {"{collection: docs, fields: {a: {type: int}, b: {type: int}, sum: "
       "{type: int, generated: 'a + b', index: true}}, history: true}"}));
  ASSERT_OK(Put("x", R"("a": 1, "b": 2)"));
  EXPECT_EQ(*database_.Fields("docs", "x"), R"({"a":1,"b":2,"sum":3})");
  ASSERT_OK(Put("x", R"("b": 5)"));
  EXPECT_EQ(*database_.Fields("docs", "x"), R"({"a":1,"b":5,"sum":6})");
  ASSERT_OK(Do("restore", R"({"id": "x", "version": 1})"));
  EXPECT_EQ(*database_.Fields("docs", "x"), R"({"a":1,"b":2,"sum":3})");
}

TEST_F(RecordStoreTest, TheWholeFileIsSoundAfterAllThat) {
  ASSERT_OK(database_.Apply({kVectors}));
  ASSERT_OK(Put("a", R"("title": "t")"));
  ASSERT_OK(Delete("a"));
  EXPECT_EQ(database_.QueryText("PRAGMA integrity_check"), "ok");
  EXPECT_EQ(database_.QueryText("PRAGMA foreign_key_check"), "(no row)");
}

}  // namespace
}  // namespace engram::storage
