// Who gets which texts, and for how long.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/outbox_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Stub = v1::VectorService::Stub;

class PendingLeaseTest : public testing::OutboxTest {
 protected:
  // Gives the schema another model, so that every note is to be embedded again.
  void ChangeModel() {
    ASSERT_OK(storage_.RegisterModel("test/three", "three-v1", 3));
    ApplySchema(R"(
collection: notes
fields:
  text: {type: text}
vectors:
  text: {source: [text], model: test/three}
)");
  }

  std::vector<std::string> LeaseIdsOfThree(int max_entries) {
    v1::LeasePendingRequest request;
    request.add_fingerprints("three-v1");
    request.set_max_entries(max_entries);
    return IdsOf(Lease(request));
  }

  v1::ExtendLeaseRequest ExtendRequest(const v1::LeasePendingResponse& leased,
                                       int64_t seconds) {
    v1::ExtendLeaseRequest request;
    request.set_lease_id(leased.lease_id());
    for (const v1::OutboxEntry& entry : leased.entries()) {
      v1::LeasedEntry& extended = *request.add_entries();
      extended.set_database(entry.database());
      extended.set_entry(entry.entry());
    }
    request.mutable_lease()->set_seconds(seconds);
    return request;
  }

  // Returns how many entries another has.
  int Extend(const v1::LeasePendingResponse& leased, int64_t seconds) {
    const auto response =
        Call(&Stub::ExtendLease, ExtendRequest(leased, seconds));
    EXPECT_OK(response);
    return response.ok() ? response->lost_size() : -1;
  }
};

TEST_F(PendingLeaseTest, WhatIsWrittenComesBeforeABackfill) {
  for (const char* id : {"a", "b", "c"}) Write(id, id);
  ChangeModel();
  Write("d", "new");
  // A change makes the text of a backfill one that somebody waits for.
  Write("c", "newer");

  EXPECT_THAT(LeaseIdsOfThree(2), ElementsAre("d", "c"));
  // A batch is filled up, so that the backfill goes on.
  Write("e", "newest");
  EXPECT_THAT(LeaseIdsOfThree(2), ElementsAre("e", "a"));
  EXPECT_THAT(LeaseIdsOfThree(2), ElementsAre("b"));
}

TEST_F(PendingLeaseTest, ABackfillGoesOnAfterARestart) {
  for (const char* id : {"a", "b"}) Write(id, id);
  ChangeModel();
  EXPECT_THAT(LeaseIdsOfThree(1), ElementsAre("a"));
  storage_.Restart();
  EXPECT_THAT(LeaseIdsOfThree(9), ElementsAre("a", "b"));
}

// One with much to embed does not keep the others waiting.
TEST_F(PendingLeaseTest, EveryDatabaseGetsItsShare) {
  CreateDatabase("second");
  CreateDatabase("third");
  for (int i = 0; i < 20; ++i) Write(std::string(1, 'a' + i), "x");
  Write("b1", "x", "second");
  Write("c1", "x", "third");

  const std::vector<std::string> ids = LeaseIds(6);

  // What the two do not need goes to the first.
  EXPECT_THAT(ids, SizeIs(6));
  EXPECT_THAT(ids, AllOf(Contains("second:b1"), Contains("third:c1")));
  EXPECT_THAT(LeaseIds(6), SizeIs(6));
}

TEST_F(PendingLeaseTest, EveryCollectionGetsItsShare) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: papers
fields:
  text: {type: text}
vectors:
  text: {source: [text]}
)"}));
  for (int i = 0; i < 9; ++i) Write(std::string(1, 'a' + i), "x");
  ASSERT_OK(storage_.Upsert("papers", "p", R"({"text": "y"})"));

  EXPECT_THAT(LeaseIds(4), ElementsAre("a", "b", "p", "c"));
}

TEST_F(PendingLeaseTest, AnExtendedLeaseLasts) {
  Write("a", "x");
  const v1::LeasePendingResponse leased = Lease();
  Advance(absl::Seconds(50));
  EXPECT_EQ(Extend(leased, 60), 0);
  Advance(absl::Seconds(50));
  EXPECT_THAT(LeaseIds(), IsEmpty());
  Advance(absl::Seconds(11));
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
}

TEST_F(PendingLeaseTest, WhatIsGivenBackIsFreeAtOnce) {
  Write("a", "x");
  Write("b", "x");
  const v1::LeasePendingResponse leased = Lease();
  EXPECT_EQ(Extend(leased, 0), 0);
  EXPECT_THAT(LeaseIds(), ElementsAre("a", "b"));
}

TEST_F(PendingLeaseTest, ALeaseThatEndedIsLostOnceAnotherHasTheText) {
  Write("a", "x");
  const v1::LeasePendingResponse first = Lease();
  Advance(absl::Seconds(61));
  // Nobody has it yet.
  EXPECT_EQ(Extend(first, 60), 0);
  EXPECT_THAT(LeaseIds(), IsEmpty());
  Advance(absl::Seconds(61));
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
  EXPECT_EQ(Extend(first, 60), 1);
}

// Whoever embeds a text while storage restarts need not lose it to another.
TEST_F(PendingLeaseTest, ALeaseIsTakenUpAgainAfterARestart) {
  Write("a", "x");
  Write("b", "x");
  const v1::LeasePendingResponse leased = Lease(1);
  storage_.Restart();
  EXPECT_EQ(Extend(leased, 60), 0);
  EXPECT_THAT(LeaseIds(), ElementsAre("b"));
  Advance(absl::Seconds(61));
  EXPECT_THAT(LeaseIds(), UnorderedElementsAre("a", "b"));
}

TEST_F(PendingLeaseTest, RefusesBadExtensions) {
  v1::ExtendLeaseRequest request;
  request.mutable_lease()->set_seconds(601);
  for (int i = 0; i < 4097; ++i) request.add_entries();
  const auto status = Call(&Stub::ExtendLease, request).status();
  for (const char* path : {"lease_id", "entries", "lease: is"}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, path));
  }
}

TEST_F(PendingLeaseTest, WhatIsPausedIsNotHandedOut) {
  CreateDatabase("second");
  Write("a", "x");
  Write("b", "x", "second");
  const auto pause = [&](const std::string& database,
                         const std::string& collection,
                         const std::string& provider, bool paused) {
    v1::SetPauseRequest request;
    request.set_database(database);
    request.set_collection(collection);
    request.set_provider(provider);
    request.set_paused(paused);
    EXPECT_OK(Call(&Stub::SetPause, request));
  };
  // Looks, and gives back.
  const auto look = [&] {
    const v1::LeasePendingResponse leased = Lease();
    Extend(leased, 0);
    std::vector<std::string> ids = IdsOf(leased);
    std::sort(ids.begin(), ids.end());
    return ids;
  };

  pause("second", "", "", true);
  EXPECT_THAT(look(), ElementsAre("a"));
  pause("second", "", "", false);
  pause("default", "notes", "", true);
  storage_.Restart();
  EXPECT_THAT(look(), ElementsAre("second:b"));
  pause("default", "notes", "", false);
  pause("", "", "test", true);
  EXPECT_THAT(look(), IsEmpty());
  pause("", "", "test", false);
  pause("", "", "another", true);
  EXPECT_THAT(look(), ElementsAre("a", "second:b"));
  pause("", "", "", true);
  EXPECT_THAT(look(), IsEmpty());
}

}  // namespace
}  // namespace engram::storage
