#include "services/storage/change_pruner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/feed.h"
#include "services/storage/follower_table.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;

class ChangePrunerTest : public ::testing::Test {
 protected:
  ChangePrunerTest()
      : db_(Database::Options{.change_retention = absl::Hours(1),
                              .change_max_bytes = 100'000}) {}

  void SetUp() override {
    ASSERT_OK(db_.Apply({"{collection: c, fields: {x: {type: string}}}"}));
  }

  // Writes `count` records of some bytes, each twice, and returns the newest
  // sequence.
  int64_t Write(int count, size_t bytes = 1) {
    const std::string value(bytes, 'x');
    for (const char* last : {"a", "b"}) {
      std::vector<std::string> items;
      for (int i = 0; i < count; ++i) {
        items.push_back(absl::StrCat(
            R"({"collection": "c", "upsert": {"id": ")", i,
            R"(", "fields": {"x": ")", value, last, ++values_, "\"}}}"));
      }
      EXPECT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
    }
    return db_.newest_sequence();
  }

  void Acknowledge(const std::string& name, int64_t sequence) {
    ASSERT_OK(TryAcknowledge(name, sequence));
  }
  absl::Status TryAcknowledge(const std::string& name, int64_t sequence) {
    Follower follower;
    RETURN_IF_ERROR(db_.Run([&](WriteTransaction& transaction) {
      return FollowerTable::Acknowledge(transaction, name, sequence, &follower);
    }));
    db_.database().followers().Publish(follower);
    return absl::OkStatus();
  }

  void Prune() {
    absl::Notification done;
    ChangePruner::Start(db_.database(), [&](absl::StatusOr<PrunedLog> left) {
      EXPECT_OK(left);
      EXPECT_EQ(left.ok() ? left->oldest : 0, Oldest());
      done.Notify();
    });
    done.WaitForNotification();
  }

  int64_t Oldest() {
    return db_.QueryInt("SELECT min(sequence) FROM _changes");
  }
  int64_t Images() { return db_.QueryInt("SELECT count(*) FROM _images"); }

  testing::TestDatabase db_;
  int values_ = 0;
};

TEST_F(ChangePrunerTest, WhatIsOldGoesWithItsImages) {
  Write(5);
  db_.clock().Advance(absl::Minutes(90));
  const int64_t newest = Write(5);
  EXPECT_EQ(Images(), 15);
  Prune();
  EXPECT_EQ(Oldest(), newest - 9);
  EXPECT_EQ(Images(), 10);
}

TEST_F(ChangePrunerTest, TheNewestChangeStays) {
  const int64_t newest = Write(5);
  db_.clock().Advance(absl::Hours(900));
  Prune();
  EXPECT_EQ(Oldest(), newest);
  Prune();
  EXPECT_EQ(Oldest(), newest);
  EXPECT_OK(CheckFollower(db_.database(), db_.database().NewestPosition(), 0));
}

TEST_F(ChangePrunerTest, NothingToPruneIsNoWrite) {
  Write(5);
  const int64_t version = db_.database().commits().version();
  Prune();
  EXPECT_EQ(db_.database().commits().version(), version);
}

TEST_F(ChangePrunerTest, AFollowerKeepsWhatIsOld) {
  Write(5);
  Acknowledge("slow", 4);
  Acknowledge("fast", 9);
  db_.clock().Advance(absl::Hours(2));
  const int64_t newest = Write(5);
  Prune();
  // The change at its position stays, with the checksum.
  EXPECT_EQ(Oldest(), 4);
  EXPECT_OK(CheckFollower(db_.database(), db_.database().PositionAt(4), 0));
  EXPECT_EQ(db_.database().FollowerLag(), newest - 4);
  Acknowledge("slow", newest);
  Prune();
  EXPECT_EQ(Oldest(), 9);
  ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
    return FollowerTable::Remove(transaction, "fast");
  }));
  db_.database().followers().Forget("fast");
  Prune();
  EXPECT_EQ(Oldest(), newest - 9);
}

TEST_F(ChangePrunerTest, AFollowerFromBeforeTheFirstChangeKeepsAll) {
  Acknowledge("new", 0);
  Write(5);
  db_.clock().Advance(absl::Hours(2));
  Write(5);
  Prune();
  EXPECT_EQ(Oldest(), 1);
}

TEST_F(ChangePrunerTest, SizeCountsImagesAndOverridesFollowers) {
  Acknowledge("slow", 1);
  // 50 KB of images, and the next 50 KB.
  Write(50, 1000);
  Prune();
  EXPECT_EQ(Oldest(), 1);
  EXPECT_LT(db_.database().ChangeLogBytes(), 100'000);
  for (int i = 0; i < 5; ++i) Write(50, 1000);
  Prune();
  EXPECT_GT(Oldest(), 300);
  const int64_t kept = db_.QueryInt(
      "SELECT max(bytes_through) - min(bytes_through) FROM _changes");
  EXPECT_LT(kept, 100'000);
  EXPECT_GT(kept, 90'000);
  EXPECT_EQ(Images(), db_.QueryInt("SELECT count(*) FROM _changes"));
  // It needs a snapshot now, and holds nothing back any more.
  db_.database().PruneChanges();
  EXPECT_EQ(db_.database().FollowerLag(), 0);
}

TEST_F(ChangePrunerTest, MuchIsPrunedInSlices) {
  const auto count = static_cast<int>(ChangePruner::kLeastSlice);
  Write(count);
  Write(count);
  db_.clock().Advance(absl::Hours(2));
  const int64_t newest = Write(1);
  const int64_t commits = db_.commits();
  Prune();
  EXPECT_EQ(Oldest(), newest - 1);
  EXPECT_EQ(Images(), 2);
  EXPECT_EQ(db_.commits(), commits + 5);
}

TEST_F(ChangePrunerTest, TheLogsSizeSurvivesARestart) {
  Write(10, 1000);
  db_.clock().Advance(absl::Hours(2));
  Write(1);
  db_.database().PruneChanges();
  ASSERT_OK(db_.Run([](WriteTransaction&) { return absl::OkStatus(); }));
  const int64_t bytes = db_.database().ChangeLogBytes();
  EXPECT_GT(bytes, 0);
  EXPECT_LT(bytes, 2000);
  Acknowledge("f", db_.newest_sequence() - 1);
  db_.Reopen();
  EXPECT_EQ(db_.database().ChangeLogBytes(), bytes);
  EXPECT_EQ(db_.database().FollowerLag(), 1);
}

TEST_F(ChangePrunerTest, AFollowerGoesOnlyForwardAndNotBeyondTheLog) {
  const int64_t newest = Write(2);
  Acknowledge("f", 3);
  Acknowledge("f", 3);
  EXPECT_THAT(TryAcknowledge("f", 2),
              StatusIs(absl::StatusCode::kInvalidArgument, "acknowledged 3"));
  EXPECT_THAT(TryAcknowledge("f", newest + 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "newest change"));
  EXPECT_EQ(db_.database().followers().Find("f")->sequence, 3);
}

TEST_F(ChangePrunerTest, WhatAFollowerHadOfAnotherEpochHoldsNothing) {
  Write(2);
  Acknowledge("f", 3);
  ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
    return transaction.connection().Execute(
        "UPDATE _followers SET epoch = 7, sequence = 100");
  }));
  db_.Reopen();
  EXPECT_EQ(db_.database().FollowerLag(), 0);
  // It begins again.
  Acknowledge("f", 2);
  EXPECT_EQ(db_.database().followers().Find("f")->sequence, 2);
}

TEST_F(ChangePrunerTest, FollowersAreBounded) {
  for (size_t i = 0; i < FollowerTable::kMaxFollowers; ++i) {
    Acknowledge(absl::StrCat("f", i), 1);
  }
  EXPECT_THAT(TryAcknowledge("one-more", 1),
              StatusIs(absl::StatusCode::kResourceExhausted, "remove one"));
  Acknowledge("f7", 1);
}

TEST(FollowerNameTest, IsOneOfFewCharacters) {
  for (const char* good : {"a", "search", "a.b-c_9"}) {
    EXPECT_OK(CheckFollowerName(good)) << good;
  }
  EXPECT_OK(CheckFollowerName(std::string(63, 'a')));
  for (const std::string& bad :
       {std::string(), std::string("A"), std::string("9a"), std::string("a b"),
        std::string("a/b"), std::string("\u00e4"), std::string(64, 'a')}) {
    EXPECT_THAT(CheckFollowerName(bad),
                StatusIs(absl::StatusCode::kInvalidArgument, "follower"))
        << bad;
  }
}

}  // namespace
}  // namespace engram::storage
