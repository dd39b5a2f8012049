#include "services/storage/vector_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "libs/clock/testing/fake_clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/content_hash.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title: {type: string}
  body:  {type: text}
  stars: {type: int}
vectors:
  text: {source: [title, body]}
)";

class VectorServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
    ASSERT_OK(storage_.ApplySchema({kNotes}));
  }

  // The entries that a lease hands out now.
  std::vector<v1::OutboxEntry> Lease() {
    const auto response = storage_.Lease("two-v1");
    EXPECT_OK(response);
    return {response->entries().begin(), response->entries().end()};
  }

  v1::OutboxEntry LeaseOne() {
    const std::vector<v1::OutboxEntry> entries = Lease();
    EXPECT_EQ(entries.size(), 1);
    return entries.empty() ? v1::OutboxEntry() : entries[0];
  }

  std::vector<std::string> LeaseIds() {
    std::vector<std::string> ids;
    for (const v1::OutboxEntry& entry : Lease()) ids.push_back(entry.id());
    return ids;
  }

  void Upsert(const std::string& id, const std::string& fields) {
    ASSERT_OK(storage_.Upsert("notes", id, fields));
  }

  // Stores a vector for an entry; returns whether it was taken.
  bool Put(const v1::OutboxEntry& entry) {
    const auto result = storage_.Put(entry, {{1, 0}});
    EXPECT_OK(result);
    return result->outcome() == v1::PutResult::OUTCOME_STORED;
  }

  // Embedded, pending, without text.
  std::vector<int64_t> Coverage() {
    const auto response = storage_.Coverage("notes");
    EXPECT_OK(response);
    const v1::VectorFieldCoverage& field = response->vector_fields(0);
    EXPECT_EQ(response->records(),
              field.embedded() + field.pending() + field.without_text());
    return {field.embedded(), field.pending(), field.without_text()};
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
};

TEST_F(VectorServiceTest, HandsOutTheTextOfANewRecord) {
  Upsert("a", R"({"title": "Hello", "body": "World"})");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_EQ(entry.database(), "default");
  EXPECT_EQ(entry.collection(), "notes");
  EXPECT_EQ(entry.id(), "a");
  EXPECT_EQ(entry.text(), "Hello\nWorld");
  EXPECT_EQ(entry.model(), "test/two");
  EXPECT_EQ(entry.fingerprint(), "two-v1");
  EXPECT_EQ(entry.content_hash(), ContentHash::Of("Hello\nWorld").bytes());
}

TEST_F(VectorServiceTest, RecordsWithoutTextHaveNoEntry) {
  Upsert("a", R"({"stars": 1})");
  Upsert("b", R"({"title": "  "})");
  EXPECT_THAT(LeaseIds(), ElementsAre());
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 2));
}

TEST_F(VectorServiceTest, StoredVectorsCount) {
  Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "y"})");
  EXPECT_THAT(Coverage(), ElementsAre(0, 2, 0));
  EXPECT_TRUE(Put(Lease()[0]));
  EXPECT_THAT(Coverage(), ElementsAre(1, 1, 0));
}

TEST_F(VectorServiceTest, ARepeatedPutIsDropped) {
  Upsert("a", R"({"title": "x"})");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_TRUE(Put(entry));
  EXPECT_FALSE(Put(entry));
  EXPECT_THAT(Coverage(), ElementsAre(1, 0, 0));
}

TEST_F(VectorServiceTest, ANewTextTakesThePlaceOfTheOld) {
  Upsert("a", R"({"title": "x"})");
  const v1::OutboxEntry old_entry = LeaseOne();
  Upsert("a", R"({"title": "y"})");
  EXPECT_FALSE(Put(old_entry));
  const v1::OutboxEntry new_entry = LeaseOne();
  EXPECT_EQ(new_entry.text(), "y");
  EXPECT_TRUE(Put(new_entry));
}

TEST_F(VectorServiceTest, AnUnchangedTextIsNotEmbeddedAgain) {
  Upsert("a", R"({"title": "x"})");
  const v1::OutboxEntry entry = LeaseOne();
  // While it waits, and once it is embedded.
  Upsert("a", R"({"title": "x", "stars": 1})");
  EXPECT_TRUE(Put(entry));
  Upsert("a", R"({"title": "x", "stars": 2})");
  EXPECT_THAT(LeaseIds(), ElementsAre());
  EXPECT_THAT(Coverage(), ElementsAre(1, 0, 0));
}

TEST_F(VectorServiceTest, ATextChangedBackIsEmbeddedAgain) {
  Upsert("a", R"({"title": "x"})");
  EXPECT_TRUE(Put(LeaseOne()));
  Upsert("a", R"({"title": "y"})");
  Upsert("a", R"({"title": "x"})");
  EXPECT_THAT(Coverage(), ElementsAre(0, 1, 0));
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_EQ(entry.text(), "x");
  EXPECT_TRUE(Put(entry));
  EXPECT_THAT(Coverage(), ElementsAre(1, 0, 0));
}

TEST_F(VectorServiceTest, ARemovedTextTakesItsVectorsWithIt) {
  Upsert("a", R"({"title": "x"})");
  EXPECT_TRUE(Put(LeaseOne()));
  Upsert("a", R"({"title": null})");
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 1));
}

TEST_F(VectorServiceTest, ADeletedRecordsVectorsAreDropped) {
  Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "y"})");
  const std::vector<v1::OutboxEntry> entries = Lease();
  EXPECT_TRUE(Put(entries[0]));
  ASSERT_OK(storage_.Delete("notes", "a"));
  ASSERT_OK(storage_.Delete("notes", "b"));
  EXPECT_FALSE(Put(entries[1]));
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 0));
}

TEST_F(VectorServiceTest, ALeasedEntryIsHandedOutAgainWhenItsLeaseEnds) {
  Upsert("a", R"({"title": "x"})");
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
  clock_.Advance(absl::Seconds(59));
  EXPECT_THAT(LeaseIds(), ElementsAre());
  clock_.Advance(absl::Seconds(2));
  storage_.RunOnce();
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
}

TEST_F(VectorServiceTest, LeasesDoNotOutliveTheProcess) {
  Upsert("a", R"({"title": "x"})");
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
  storage_.Restart();
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
}

TEST_F(VectorServiceTest, LeasesUpToTheNumberAskedFor) {
  for (const char* id : {"a", "b", "c"}) Upsert(id, R"({"title": "x"})");
  ASSERT_OK_AND_ASSIGN(const auto first, storage_.Lease("two-v1", 2));
  EXPECT_EQ(first.entries_size(), 2);
  EXPECT_THAT(LeaseIds(), ElementsAre("c"));
}

TEST_F(VectorServiceTest, LeasesUpToTheBytesAskedForButAlwaysOne) {
  for (const char* id : {"a", "b", "c"}) Upsert(id, R"({"title": "12345678"})");
  for (const int expected : {2, 1, 0}) {
    v1::LeasePendingRequest request;
    request.add_fingerprints("two-v1");
    // The last time less than one text.
    request.set_max_bytes(expected == 2 ? 16 : 1);
    grpc::ClientContext context;
    v1::LeasePendingResponse response;
    ASSERT_OK(FromGrpcStatus(
        storage_.vectors().LeasePending(&context, request, &response)));
    EXPECT_EQ(response.entries_size(), expected);
  }
}

TEST_F(VectorServiceTest, LeasesOnlyTheFingerprintsAskedFor) {
  Upsert("a", R"({"title": "x"})");
  ASSERT_OK_AND_ASSIGN(const auto other, storage_.Lease("other"));
  EXPECT_EQ(other.entries_size(), 0);
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
}

TEST_F(VectorServiceTest, LeasesFromEveryDatabase) {
  v1::DatabaseServiceCreateRequest create;
  create.set_database("second");
  grpc::ClientContext context;
  v1::DatabaseServiceCreateResponse created;
  ASSERT_OK(
      FromGrpcStatus(storage_.databases().Create(&context, create, &created)));
  ASSERT_OK(storage_.ApplySchema({kNotes}, "second"));
  Upsert("a", R"({"title": "x"})");
  v1::WriteRequest request;
  request.set_database("second");
  request.add_items()->set_collection("notes");
  request.mutable_items(0)->mutable_upsert()->set_id("b");
  *request.mutable_items(0)->mutable_upsert()->mutable_fields() =
      testing::ParseFields(R"({"title": "y"})");
  ASSERT_OK(storage_.Write(request));
  const std::vector<v1::OutboxEntry> entries = Lease();
  ASSERT_EQ(entries.size(), 2);
  EXPECT_THAT(
      (std::vector<std::string>{entries[0].database(), entries[1].database()}),
      UnorderedElementsAre("default", "second"));
  EXPECT_TRUE(Put(entries[0]));
  EXPECT_TRUE(Put(entries[1]));
}

TEST_F(VectorServiceTest, AWaitingLeaseIsWokenByTheCommit) {
  v1::LeasePendingResponse response;
  std::thread waiter([&] {
    v1::LeasePendingRequest request;
    request.add_fingerprints("two-v1");
    request.mutable_wait()->set_seconds(60);
    grpc::ClientContext context;
    EXPECT_OK(FromGrpcStatus(
        storage_.vectors().LeasePending(&context, request, &response)));
  });
  // Whichever comes first, the clock stands still: only the commit can end it.
  Upsert("a", R"({"title": "x"})");
  waiter.join();
  ASSERT_EQ(response.entries_size(), 1);
  EXPECT_EQ(response.entries(0).id(), "a");
}

TEST_F(VectorServiceTest, RefusesBadLeases) {
  v1::LeasePendingRequest request;
  request.set_max_entries(-1);
  request.mutable_wait()->set_seconds(61);
  request.mutable_lease()->set_seconds(601);
  grpc::ClientContext context;
  v1::LeasePendingResponse response;
  const absl::Status status = FromGrpcStatus(
      storage_.vectors().LeasePending(&context, request, &response));
  for (const char* path : {"fingerprints", "max_entries", "wait", "lease"}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, path));
  }
}

TEST_F(VectorServiceTest, RefusesVectorsThatCannotBe) {
  Upsert("a", R"({"title": "x"})");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_THAT(storage_.Put(entry, {{1, 0}, {1, 2, 3}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "puts[0].chunks[1].values: has 12 bytes; a vector of 2 "
                       "dimensions has 8"));
  EXPECT_THAT(storage_.Put(entry, {{1, std::nanf("")}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "puts[0].chunks[0].values: component 1 is NaN"));
  EXPECT_THAT(storage_.Put(entry, {{INFINITY, 0}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "is infinite"));
  EXPECT_THAT(storage_.Put(entry, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, "puts[0].chunks"));
  EXPECT_THAT(Coverage(), ElementsAre(0, 1, 0));
  EXPECT_TRUE(Put(entry));
}

TEST_F(VectorServiceTest, OneBadVectorMeansThatNoneIsStored) {
  Upsert("a", R"({"title": "x"})");
  Upsert("b", R"({"title": "y"})");
  const std::vector<v1::OutboxEntry> entries = Lease();
  v1::PutVectorsRequest request;
  for (const v1::OutboxEntry& entry : entries) {
    v1::VectorPut& put = *request.add_puts();
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    put.add_chunks()->set_values(testing::PackVector({1, 0}));
  }
  request.mutable_puts(1)->mutable_chunks(0)->set_values("x");
  grpc::ClientContext context;
  v1::PutVectorsResponse response;
  EXPECT_THAT(FromGrpcStatus(
                  storage_.vectors().PutVectors(&context, request, &response)),
              StatusIs(absl::StatusCode::kInvalidArgument, "puts[1]"));
  EXPECT_THAT(Coverage(), ElementsAre(0, 2, 0));
}

TEST_F(VectorServiceTest, UnknownPlacesAreReported) {
  v1::OutboxEntry entry;
  entry.set_database("nowhere");
  EXPECT_THAT(storage_.Put(entry, {{1, 0}}),
              StatusIs(absl::StatusCode::kNotFound, "puts[0]"));
  entry.set_database("");
  entry.set_generation(99);
  EXPECT_FALSE(Put(entry));
  EXPECT_THAT(storage_.Coverage("nothing"),
              StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace engram::storage
