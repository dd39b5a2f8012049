#include "services/search/query_starter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/query_decoder.h"
#include "services/search/testing/occupied_backend.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::OccupiedBackend;
using ::engram::search::testing::SearchTest;
using ::testing::ElementsAre;

class QueryStarterTest : public SearchTest {
 protected:
  // A query on its way.
  struct Asked {
    v1::QueryResponse response;
    absl::Status status;
    absl::Notification done;
  };

  std::shared_ptr<Asked> Ask(const v1::QueryRequest& request) {
    auto asked = std::make_shared<Asked>();
    const absl::Time now = absl::Now();
    StartQuery(backend_.Lend(),
               CallTimes{.start = now, .deadline = now + absl::Seconds(20)},
               DecodeQuery(request), &asked->response, /*gatherer=*/nullptr,
               [asked](const absl::Status& status) {
                 asked->status = status;
                 asked->done.Notify();
               });
    return asked;
  }

  OccupiedBackend backend_{{proxy_.channel(), embedding_.channel()}};
};

TEST_F(QueryStarterTest, WhatIsShortWaitsForNoSearchThreadAndWhatMayNotBeDoes) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  v1::QueryRequest query = VectorQuery({1, 0, 0, 0});
  query.set_min_position(Newest());
  // Now the backend has both.
  Ask(query)->done.WaitForNotification();
  backend_.Occupy();
  const std::shared_ptr<Asked> brief = Ask(query);
  ASSERT_TRUE(brief->done.HasBeenNotified());
  ASSERT_OK(brief->status);
  EXPECT_THAT(IdsOf(brief->response), ElementsAre("a", "b"));
  query.set_exact(true);
  const std::shared_ptr<Asked> exact = Ask(query);
  EXPECT_FALSE(exact->done.HasBeenNotified());
  backend_.LetGo();
  exact->done.WaitForNotification();
  ASSERT_OK(exact->status);
  EXPECT_THAT(IdsOf(exact->response), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace engram::search
