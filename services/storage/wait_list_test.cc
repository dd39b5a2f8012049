#include "services/storage/wait_list.h"

#include <gtest/gtest.h>

namespace engram::storage {
namespace {

class WaitListTest : public ::testing::Test {
 protected:
  WaitList::Added Add(WaitList::Ticket ticket, uint64_t seen,
                      absl::Time deadline = absl::InfiniteFuture()) {
    return list_.Add(ticket, seen, deadline, [this] { ++woken_; });
  }

  WaitList list_{/*max_waiting=*/2};
  int woken_ = 0;
};

TEST_F(WaitListTest, NewsWakeEveryoneOnce) {
  Add(list_.NewTicket(), list_.version());
  Add(list_.NewTicket(), list_.version());
  list_.Notify();
  list_.Notify();
  EXPECT_EQ(woken_, 2);
}

TEST_F(WaitListTest, NewsBetweenLookingAndWaitingAreNotMissed) {
  const uint64_t seen = list_.version();
  list_.Notify();
  EXPECT_EQ(Add(list_.NewTicket(), seen), WaitList::Added::kNews);
  list_.Notify();
  EXPECT_EQ(woken_, 0);
}

TEST_F(WaitListTest, ADeadlineWakesOnlyThoseItIsFor) {
  const absl::Time soon = absl::FromUnixSeconds(100);
  Add(list_.NewTicket(), list_.version(), soon);
  Add(list_.NewTicket(), list_.version(), soon + absl::Seconds(1));
  list_.Tick(soon - absl::Seconds(1));
  EXPECT_EQ(woken_, 0);
  list_.Tick(soon);
  EXPECT_EQ(woken_, 1);
}

TEST_F(WaitListTest, ARemovedWaiterIsNotWoken) {
  const WaitList::Ticket ticket = list_.NewTicket();
  EXPECT_FALSE(list_.Remove(ticket));
  Add(ticket, list_.version());
  EXPECT_TRUE(list_.Remove(ticket));
  EXPECT_FALSE(list_.Remove(ticket));
  list_.Notify();
  EXPECT_EQ(woken_, 0);
}

TEST_F(WaitListTest, IsBounded) {
  Add(list_.NewTicket(), list_.version());
  Add(list_.NewTicket(), list_.version());
  EXPECT_EQ(Add(list_.NewTicket(), list_.version()), WaitList::Added::kFull);
}

TEST_F(WaitListTest, NobodyWaitsAfterAStop) {
  Add(list_.NewTicket(), list_.version());
  list_.Stop();
  EXPECT_EQ(woken_, 1);
  EXPECT_EQ(Add(list_.NewTicket(), list_.version()), WaitList::Added::kNews);
}

}  // namespace
}  // namespace engram::storage
