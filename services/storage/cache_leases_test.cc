#include "services/storage/cache_leases.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = CacheLeases::Outcome::Kind;

const CacheKey kKey = {.collection = "cache", .key = "k"};

// What one caller was told, once it was.
struct Caller {
  CacheLeases::Ticket ticket = 0;
  std::vector<CacheLeases::Outcome> told;

  std::vector<Kind> kinds() const {
    std::vector<Kind> kinds;
    for (const auto& outcome : told) kinds.push_back(outcome.kind);
    return kinds;
  }
  std::string lease() const { return told.empty() ? "" : told.back().lease; }
};

class CacheLeasesTest : public ::testing::Test {
 protected:
  void Ask(Caller& caller, absl::Duration wait = absl::Seconds(30),
           const CacheKey& key = kKey) {
    caller.ticket = leases_.NewTicket();
    leases_.Acquire(key, absl::Seconds(10), clock_.Now() + wait, caller.ticket,
                    [&caller](CacheLeases::Outcome outcome) {
                      caller.told.push_back(std::move(outcome));
                    });
  }

  // A Set that succeeds or not, all at once.
  absl::Status Set(const std::string& lease, bool stored = true) {
    CacheLeases::Setting setting(&leases_, kKey, lease);
    const absl::Status begun = setting.Begin();
    setting.End(begun.ok() && stored);
    return begun;
  }

  void Advance(absl::Duration time) {
    clock_.Advance(time);
    leases_.Tick();
  }

  FakeClock clock_;
  CacheLeases leases_{&clock_, {.max_keys = 3, .max_waiting = 3}};
};

TEST_F(CacheLeasesTest, OneGetsTheLeaseAndTheOthersWait) {
  Caller first, second, third;
  Ask(first);
  Ask(second);
  Ask(third);
  EXPECT_THAT(first.kinds(), ElementsAre(Kind::kGranted));
  EXPECT_EQ(first.told[0].expire_time, clock_.Now() + absl::Seconds(10));
  EXPECT_THAT(second.kinds(), IsEmpty());
  EXPECT_EQ(leases_.Count("cache").leases, 1);
  EXPECT_EQ(leases_.Count("cache").waiting, 2);
  EXPECT_EQ(leases_.Count("other").leases, 0);

  EXPECT_OK(Set(first.lease()));
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kStored));
  EXPECT_THAT(third.kinds(), ElementsAre(Kind::kStored));
  EXPECT_EQ(leases_.Count("cache").leases, 0);
}

TEST_F(CacheLeasesTest, KeysAndCollectionsAreApart) {
  Caller one, other_key, other_collection;
  Ask(one);
  Ask(other_key, absl::Seconds(30), {.collection = "cache", .key = "k2"});
  Ask(other_collection, absl::Seconds(30), {.collection = "c2", .key = "k"});
  EXPECT_THAT(other_key.kinds(), ElementsAre(Kind::kGranted));
  EXPECT_THAT(other_collection.kinds(), ElementsAre(Kind::kGranted));
  EXPECT_EQ(leases_.Count("cache").leases, 2);
}

TEST_F(CacheLeasesTest, AReleaseGivesItToTheNextInTheOrderOfTheirComing) {
  Caller first, second, third;
  Ask(first);
  Ask(second);
  Ask(third);
  clock_.Advance(absl::Seconds(3));
  leases_.Release(kKey, "of somebody else");
  EXPECT_THAT(second.kinds(), IsEmpty());
  leases_.Release(kKey, first.lease());
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kHandedOver));
  // From when it was granted.
  EXPECT_EQ(second.told[0].expire_time, clock_.Now() + absl::Seconds(10));
  EXPECT_THAT(third.kinds(), IsEmpty());
  leases_.Release(kKey, first.lease());
  EXPECT_THAT(third.kinds(), IsEmpty());
  leases_.Release(kKey, second.lease());
  EXPECT_THAT(third.kinds(), ElementsAre(Kind::kHandedOver));
}

TEST_F(CacheLeasesTest, ADeadHoldersLeaseGoesOnWhenItsTimeIsOver) {
  Caller dead, second;
  Ask(dead);
  Ask(second);
  Advance(absl::Seconds(10) - absl::Milliseconds(1));
  EXPECT_THAT(second.kinds(), IsEmpty());
  Advance(absl::Milliseconds(1));
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kHandedOver));
  EXPECT_THAT(Set(dead.lease()),
              StatusIs(absl::StatusCode::kAborted, "nothing is stored"));
  EXPECT_OK(Set(second.lease()));
}

TEST_F(CacheLeasesTest, ALeaseThatHasEndedSetsNothingEvenBeforeATick) {
  Caller holder;
  Ask(holder);
  clock_.Advance(absl::Seconds(10));
  const absl::Status status = Set(holder.lease());
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_LEASE_LOST);
}

TEST_F(CacheLeasesTest, WhoComesAfterTheEndStandsBehindThoseWhoWait) {
  Caller holder, second, late;
  Ask(holder);
  Ask(second);
  clock_.Advance(absl::Seconds(10));
  Ask(late);
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kHandedOver));
  EXPECT_THAT(late.kinds(), IsEmpty());
}

TEST_F(CacheLeasesTest, WhoComesAfterTheEndGetsItIfNobodyWaits) {
  Caller holder, late;
  Ask(holder);
  clock_.Advance(absl::Seconds(10));
  Ask(late);
  EXPECT_THAT(late.kinds(), ElementsAre(Kind::kGranted));
  EXPECT_NE(late.lease(), holder.lease());
}

// Between the check within the transaction and the commit the lease is nobody
// else's, however long that takes.
TEST_F(CacheLeasesTest, ASetOnItsWayKeepsItsLease) {
  Caller holder, second;
  Ask(holder);
  Ask(second, absl::Minutes(5));
  CacheLeases::Setting setting(&leases_, kKey, holder.lease());
  ASSERT_OK(setting.Begin());
  Advance(absl::Seconds(20));
  leases_.Release(kKey, holder.lease());
  EXPECT_THAT(second.kinds(), IsEmpty());
  Caller late;
  Ask(late);
  EXPECT_THAT(late.kinds(), IsEmpty());
  // The group that it was part of failed, and it is run again.
  EXPECT_OK(setting.Begin());
  setting.End(/*stored=*/true);
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kStored));
  EXPECT_THAT(late.kinds(), ElementsAre(Kind::kStored));
  EXPECT_EQ(leases_.Count("cache").leases, 0);
}

TEST_F(CacheLeasesTest, ASetThatFailsPassesOnALeaseThatEndedMeanwhile) {
  Caller holder, second;
  Ask(holder);
  Ask(second);
  CacheLeases::Setting setting(&leases_, kKey, holder.lease());
  ASSERT_OK(setting.Begin());
  Advance(absl::Seconds(10));
  setting.End(/*stored=*/false);
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kHandedOver));
}

TEST_F(CacheLeasesTest, ASetThatFailsLeavesTheHolderItsLease) {
  Caller holder, second;
  Ask(holder);
  Ask(second);
  EXPECT_OK(Set(holder.lease(), /*stored=*/false));
  EXPECT_THAT(second.kinds(), IsEmpty());
  EXPECT_OK(Set(holder.lease()));
}

TEST_F(CacheLeasesTest, ASetWithoutALeaseServesThoseWhoWaitAndEndsTheLease) {
  Caller holder, second;
  Ask(holder);
  Ask(second);
  EXPECT_OK(Set(""));
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kStored));
  EXPECT_THAT(Set(holder.lease()), StatusIs(absl::StatusCode::kAborted));
}

// Both in one commit: the holder's would overwrite what ended its lease.
TEST_F(CacheLeasesTest, ASetOnItsWayEndsTheLeaseForSetsBehindIt) {
  Caller holder;
  Ask(holder);
  CacheLeases::Setting other(&leases_, kKey, "");
  CacheLeases::Setting own(&leases_, kKey, holder.lease());
  EXPECT_OK(other.Begin());
  EXPECT_THAT(own.Begin(), StatusIs(absl::StatusCode::kAborted));
  other.End(/*stored=*/true);
  own.End(/*stored=*/false);
  EXPECT_EQ(leases_.Count("cache").leases, 0);
}

TEST_F(CacheLeasesTest, ASetWithoutALeaseThatFailsEndsNothing) {
  Caller holder;
  Ask(holder);
  EXPECT_OK(Set("", /*stored=*/false));
  EXPECT_OK(Set(holder.lease()));
}

TEST_F(CacheLeasesTest, WhileASetIsOnItsWayOthersWaitForIt) {
  Caller holder;
  Ask(holder);
  CacheLeases::Setting first(&leases_, kKey, "");
  CacheLeases::Setting second(&leases_, kKey, "");
  ASSERT_OK(first.Begin());
  ASSERT_OK(second.Begin());
  first.End(/*stored=*/true);
  Caller late;
  Ask(late);
  EXPECT_THAT(late.kinds(), IsEmpty());
  second.End(/*stored=*/true);
  EXPECT_THAT(late.kinds(), ElementsAre(Kind::kStored));
}

TEST_F(CacheLeasesTest, WhoFoundAValueSettlesTheLease) {
  Caller holder, second;
  Ask(holder);
  Ask(second);
  leases_.Settle(kKey, "of somebody else");
  EXPECT_THAT(second.kinds(), IsEmpty());
  leases_.Settle(kKey, holder.lease());
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kStored));
}

TEST_F(CacheLeasesTest, AWaitEndsAtItsTime) {
  Caller holder, patient, impatient;
  Ask(holder);
  Ask(impatient, absl::Seconds(2));
  Ask(patient, absl::Seconds(3));
  Advance(absl::Seconds(2) - absl::Microseconds(1));
  EXPECT_THAT(impatient.kinds(), IsEmpty());
  Advance(absl::Microseconds(1));
  EXPECT_THAT(impatient.kinds(), ElementsAre(Kind::kTimeOver));
  EXPECT_THAT(patient.kinds(), IsEmpty());
}

TEST_F(CacheLeasesTest, WhoDoesNotWantToWaitIsToldAtOnce) {
  Caller holder, other;
  Ask(holder);
  Ask(other, absl::ZeroDuration());
  EXPECT_THAT(other.kinds(), ElementsAre(Kind::kTimeOver));
}

TEST_F(CacheLeasesTest, WhoHasGoneGetsNoLease) {
  Caller holder, gone, second;
  Ask(holder);
  Ask(gone);
  Ask(second);
  EXPECT_TRUE(leases_.Cancel(kKey, gone.ticket));
  EXPECT_FALSE(leases_.Cancel(kKey, gone.ticket));
  EXPECT_FALSE(leases_.Cancel(kKey, holder.ticket));
  leases_.Release(kKey, holder.lease());
  EXPECT_THAT(gone.kinds(), IsEmpty());
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kHandedOver));
  Advance(absl::Hours(1));
  EXPECT_EQ(leases_.Count("cache").leases, 0);
}

TEST_F(CacheLeasesTest, IsBounded) {
  std::vector<Caller> callers(8);
  for (int i = 0; i < 3; ++i) {
    Ask(callers[i], absl::Seconds(30),
        {.collection = "cache", .key = absl::StrCat("k", i)});
  }
  Ask(callers[3], absl::Seconds(30), {.collection = "cache", .key = "k3"});
  EXPECT_THAT(callers[3].kinds(), ElementsAre(Kind::kFull));
  for (int i = 4; i < 8; ++i) {
    Ask(callers[i], absl::Seconds(30), {.collection = "cache", .key = "k0"});
  }
  EXPECT_THAT(callers[6].kinds(), IsEmpty());
  EXPECT_THAT(callers[7].kinds(), ElementsAre(Kind::kFull));
  // What ends makes room.
  Advance(absl::Seconds(30));
  Caller late;
  Ask(late, absl::Seconds(30), {.collection = "cache", .key = "k9"});
  EXPECT_THAT(late.kinds(), ElementsAre(Kind::kGranted));
}

TEST_F(CacheLeasesTest, StoppingTellsThoseWhoWaitAndThoseWhoCome) {
  Caller holder, waiting, late;
  Ask(holder);
  Ask(waiting);
  leases_.Stop();
  EXPECT_THAT(waiting.kinds(), ElementsAre(Kind::kStopped));
  Ask(late);
  EXPECT_THAT(late.kinds(), ElementsAre(Kind::kStopped));
  // What the writer has still is not lost.
  EXPECT_OK(Set(holder.lease()));
}

// Whoever is told may call back.
TEST_F(CacheLeasesTest, ToldCallersMayAskAgain) {
  Caller holder, second;
  Ask(holder);
  leases_.Acquire(kKey, absl::Seconds(10), absl::InfiniteFuture(),
                  leases_.NewTicket(),
                  [&](const CacheLeases::Outcome&) { Ask(second); });
  EXPECT_OK(Set(holder.lease()));
  EXPECT_THAT(second.kinds(), ElementsAre(Kind::kGranted));
}

// Of many who look, ask and set at once, none computes what another stored.
TEST(CacheLeasesThreadsTest, ManyCallersComputeOnce) {
  FakeClock clock;
  CacheLeases leases(&clock);
  std::atomic<bool> stored = false;
  std::atomic<int> computed = 0;
  const auto compute = [&](const std::string& lease) {
    CacheLeases::Setting setting(&leases, kKey, lease);
    ASSERT_OK(setting.Begin());
    ++computed;
    stored = true;
    setting.End(/*stored=*/true);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      if (stored) return;
      leases.Acquire(kKey, absl::Seconds(10), absl::InfiniteFuture(),
                     leases.NewTicket(), [&](CacheLeases::Outcome outcome) {
                       if (outcome.kind != Kind::kGranted) return;
                       if (stored) return leases.Settle(kKey, outcome.lease);
                       compute(outcome.lease);
                     });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(computed, 1);
  EXPECT_EQ(leases.Count("cache").leases, 0);
}

}  // namespace
}  // namespace engram::storage
