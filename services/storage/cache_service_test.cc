#include "services/storage/cache_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "google/protobuf/util/time_util.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::google::protobuf::util::TimeUtil;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// One GetOrLease under way.
struct LeaseCall {
  grpc::ClientContext context;
  v1::GetOrLeaseRequest request;
  v1::GetOrLeaseResponse response;
  absl::Status status;
  absl::Notification done;
};

class CacheServiceTest : public ::testing::Test {
 protected:
  CacheServiceTest() { Connect(); }

  void Connect() { stub_ = v1::CacheService::NewStub(storage_.channel()); }

  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (v1::CacheService::Stub::*method)(grpc::ClientContext*,
                                                     const Request&, Response*),
      const Request& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status =
        ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  absl::StatusOr<v1::SetResponse> Set(const std::string& key, double value,
                                      const std::string& lease = "",
                                      const std::string& database = "") {
    v1::SetRequest request;
    request.set_database(database);
    request.mutable_entry()->set_key(key);
    request.mutable_entry()->mutable_value()->set_number_value(value);
    request.set_lease(lease);
    return Call(&v1::CacheService::Stub::Set, request);
  }

  absl::StatusOr<v1::CacheServiceGetResponse> Get(const std::string& key) {
    v1::CacheServiceGetRequest request;
    request.set_key(key);
    return Call(&v1::CacheService::Stub::Get, request);
  }

  // -1 on a miss.
  double Value(const std::string& key) {
    const auto response = Get(key);
    EXPECT_OK(response);
    return response->has_entry() ? response->entry().value().number_value()
                                 : -1;
  }

  absl::StatusOr<v1::CacheServiceStatsResponse> Stats(
      const std::string& database = "") {
    v1::CacheServiceStatsRequest request;
    request.set_database(database);
    return Call(&v1::CacheService::Stub::Stats, request);
  }

  // Without waiting.
  absl::StatusOr<v1::GetOrLeaseResponse> GetOrLease(const std::string& key) {
    v1::GetOrLeaseRequest request;
    request.set_key(key);
    request.mutable_wait();
    return Call(&v1::CacheService::Stub::GetOrLease, request);
  }

  std::string LeaseOf(const std::string& key) {
    const auto response = GetOrLease(key);
    EXPECT_OK(response);
    EXPECT_NE(response->lease(), "");
    return response->lease();
  }

  absl::Status Release(const std::string& key, const std::string& lease) {
    v1::ReleaseLeaseRequest request;
    request.set_key(key);
    request.set_lease(lease);
    return Call(&v1::CacheService::Stub::ReleaseLease, request).status();
  }

  // Begins a call that may wait.
  LeaseCall& Begin(const std::string& key, const std::string& database = "") {
    LeaseCall& call = calls_.emplace_back();
    call.request.set_key(key);
    call.request.set_database(database);
    *call.request.mutable_wait() = TimeUtil::SecondsToDuration(60);
    stub_->async()->GetOrLease(&call.context, &call.request, &call.response,
                               [&call](const grpc::Status& status) {
                                 call.status = FromGrpcStatus(status);
                                 call.done.Notify();
                               });
    return call;
  }

  // Until so many calls wait at the server.
  void AwaitWaiting(int64_t count, const std::string& database = "") {
    while (true) {
      const auto stats = Stats(database);
      ASSERT_OK(stats);
      if (stats->waiting() == count) return;
      std::this_thread::yield();
    }
  }

  void ExpectLost(const absl::Status& status) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kAborted));
    EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_LEASE_LOST);
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
  std::unique_ptr<v1::CacheService::Stub> stub_;
  std::deque<LeaseCall> calls_;
};

TEST_F(CacheServiceTest, AMissIsNoError) {
  EXPECT_EQ(Value("a"), -1);
  ASSERT_OK(Set("a", 7));
  EXPECT_EQ(Value("a"), 7);
  EXPECT_EQ(Value("b"), -1);
}

TEST_F(CacheServiceTest, ACollectionThatDoesNotExistIsEmpty) {
  EXPECT_FALSE(Call(&v1::CacheService::Stub::Has,
                    [] {
                      v1::HasRequest request;
                      request.set_key("a");
                      return request;
                    }())
                   ->found());
  v1::CacheServiceDeleteRequest one;
  one.set_key("a");
  EXPECT_FALSE(Call(&v1::CacheService::Stub::Delete, one)->deleted());
  v1::DeleteMatchingRequest some;
  some.mutable_pattern()->set_glob("*");
  EXPECT_EQ(Call(&v1::CacheService::Stub::DeleteMatching, some)->deleted(), 0);
  EXPECT_EQ(Call(&v1::CacheService::Stub::Clear, v1::ClearRequest())->deleted(),
            0);
  EXPECT_EQ(Call(&v1::CacheService::Stub::Keys, v1::KeysRequest())->keys_size(),
            0);
  EXPECT_EQ(Stats()->entries(), 0);
  EXPECT_EQ(Stats()->max_bytes(), int64_t{256} << 20);
  v1::CacheServiceGetRequest elsewhere;
  elsewhere.set_database("nowhere");
  elsewhere.set_key("a");
  EXPECT_THAT(Call(&v1::CacheService::Stub::Get, elsewhere),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(CacheServiceTest, OfAHundredWhoMissOneComputes) {
  for (int i = 0; i < 100; ++i) Begin("k");
  AwaitWaiting(99);
  const auto holder = std::find_if(
      calls_.begin(), calls_.end(),
      [](const LeaseCall& call) { return call.done.HasBeenNotified(); });
  ASSERT_NE(holder, calls_.end());
  ASSERT_OK(holder->status);
  EXPECT_EQ(
      TimeUtil::TimestampToMicroseconds(holder->response.lease_expire_time()),
      absl::ToUnixMicros(clock_.Now() + absl::Seconds(30)));
  EXPECT_EQ(Stats()->leases(), 1);
  ASSERT_OK(Set("k", 42, holder->response.lease()));
  int leases = 0;
  for (LeaseCall& call : calls_) {
    call.done.WaitForNotification();
    ASSERT_OK(call.status);
    leases += call.response.lease().empty() ? 0 : 1;
    if (!call.response.lease().empty()) continue;
    EXPECT_EQ(call.response.entry().value().number_value(), 42);
  }
  EXPECT_EQ(leases, 1);
  EXPECT_EQ(Stats()->hits(), 99);
  EXPECT_EQ(Stats()->misses(), 1);
  EXPECT_EQ(Stats()->leases(), 0);
}

// Nothing holds them back: looks, leases and Sets meet in every order.
TEST_F(CacheServiceTest, ManyCallersComputeEachKeyOnce) {
  constexpr int kKeys = 40;
  std::vector<std::atomic<int>> computed(kKeys);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kKeys; ++i) {
        v1::GetOrLeaseRequest request;
        request.set_key(absl::StrCat("k", i));
        const auto got = Call(&v1::CacheService::Stub::GetOrLease, request);
        ASSERT_OK(got);
        if (got->has_entry()) {
          EXPECT_EQ(got->entry().value().number_value(), i);
          continue;
        }
        ASSERT_NE(got->lease(), "");
        ++computed[i];
        ASSERT_OK(Set(request.key(), i, got->lease()));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(computed, ::testing::Each(::testing::Eq(1)));
}

TEST_F(CacheServiceTest, ADeadHoldersLeaseGoesToOneWhoWaits) {
  const std::string dead = LeaseOf("k");
  LeaseCall* second = &Begin("k");
  LeaseCall* third = &Begin("k");
  AwaitWaiting(2);
  clock_.Advance(absl::Seconds(30) - absl::Milliseconds(1));
  storage_.RunOnce();
  EXPECT_EQ(Stats()->waiting(), 2);
  clock_.Advance(absl::Milliseconds(1));
  AwaitWaiting(1);
  // Either of them may have come first.
  if (third->done.HasBeenNotified()) std::swap(second, third);
  second->done.WaitForNotification();
  ASSERT_NE(second->response.lease(), "");
  ExpectLost(Set("k", 1, dead).status());
  EXPECT_EQ(Value("k"), -1);
  ASSERT_OK(Set("k", 2, second->response.lease()));
  third->done.WaitForNotification();
  EXPECT_EQ(third->response.entry().value().number_value(), 2);
}

TEST_F(CacheServiceTest, AReleasedLeaseGoesToOneWhoWaits) {
  const std::string first = LeaseOf("k");
  LeaseCall& second = Begin("k");
  AwaitWaiting(1);
  EXPECT_OK(Release("k", "another"));
  EXPECT_OK(Release("k", first));
  second.done.WaitForNotification();
  EXPECT_NE(second.response.lease(), "");
  EXPECT_NE(second.response.lease(), first);
  // One that has ended is no error.
  EXPECT_OK(Release("k", first));
  ExpectLost(Set("k", 1, first).status());
  ASSERT_OK(Set("k", 2, second.response.lease()));
  EXPECT_EQ(Value("k"), 2);
}

TEST_F(CacheServiceTest, ASetOfSomebodyElseServesThoseWhoWait) {
  const std::string lease = LeaseOf("k");
  LeaseCall& waiting = Begin("k");
  AwaitWaiting(1);
  ASSERT_OK(Set("k", 3));
  waiting.done.WaitForNotification();
  EXPECT_EQ(waiting.response.entry().value().number_value(), 3);
  ExpectLost(Set("k", 4, lease).status());
  EXPECT_EQ(Value("k"), 3);
}

TEST_F(CacheServiceTest, WhoDoesNotWaitGetsNeither) {
  LeaseOf("k");
  ASSERT_OK_AND_ASSIGN(const v1::GetOrLeaseResponse response, GetOrLease("k"));
  EXPECT_FALSE(response.has_entry());
  EXPECT_EQ(response.lease(), "");
}

TEST_F(CacheServiceTest, AWaitEndsAtItsTime) {
  v1::GetOrLeaseRequest request;
  request.set_key("k");
  *request.mutable_lease_duration() = TimeUtil::SecondsToDuration(600);
  ASSERT_OK(Call(&v1::CacheService::Stub::GetOrLease, request));
  LeaseCall& waiting = Begin("k");
  AwaitWaiting(1);
  clock_.Advance(absl::Seconds(60));
  waiting.done.WaitForNotification();
  ASSERT_OK(waiting.status);
  EXPECT_FALSE(waiting.response.has_entry());
  EXPECT_EQ(waiting.response.lease(), "");
}

TEST_F(CacheServiceTest, WhoHasGoneGetsNoLease) {
  const std::string first = LeaseOf("k");
  LeaseCall& gone = Begin("k");
  AwaitWaiting(1);
  gone.context.TryCancel();
  gone.done.WaitForNotification();
  EXPECT_THAT(gone.status, StatusIs(absl::StatusCode::kCancelled));
  AwaitWaiting(0);
  EXPECT_OK(Release("k", first));
  EXPECT_NE(LeaseOf("k"), "");
}

TEST_F(CacheServiceTest, ADeletedDatabaseLetsNobodyWait) {
  grpc::ClientContext create_context, delete_context;
  v1::DatabaseServiceCreateRequest create;
  create.set_database("other");
  v1::DatabaseServiceCreateResponse created;
  ASSERT_TRUE(
      storage_.databases().Create(&create_context, create, &created).ok());
  LeaseCall& holder = Begin("k", "other");
  holder.done.WaitForNotification();
  LeaseCall& waiting = Begin("k", "other");
  AwaitWaiting(1, "other");
  v1::DatabaseServiceDeleteRequest remove;
  remove.set_database("other");
  remove.set_confirm("other");
  v1::DatabaseServiceDeleteResponse removed;
  ASSERT_TRUE(
      storage_.databases().Delete(&delete_context, remove, &removed).ok());
  waiting.done.WaitForNotification();
  EXPECT_THAT(waiting.status, StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(CacheServiceTest, ARestartKeepsEntriesAndNoLeases) {
  ASSERT_OK(Set("a", 1));
  const std::string lease = LeaseOf("k");
  LeaseCall& waiting = Begin("k");
  AwaitWaiting(1);
  storage_.Restart();
  waiting.done.WaitForNotification();
  EXPECT_THAT(waiting.status, StatusIs(absl::StatusCode::kUnavailable));
  Connect();
  EXPECT_EQ(Value("a"), 1);
  EXPECT_EQ(Stats()->hits(), 1);
  ExpectLost(Set("k", 1, lease).status());
  EXPECT_NE(LeaseOf("k"), lease);
}

TEST_F(CacheServiceTest, AnEntryLivesToTheMillisecond) {
  v1::SetRequest request;
  request.mutable_entry()->set_key("a");
  request.mutable_entry()->mutable_value()->set_null_value(
      google::protobuf::NULL_VALUE);
  *request.mutable_ttl() = TimeUtil::MillisecondsToDuration(1);
  ASSERT_OK(Call(&v1::CacheService::Stub::Set, request));
  clock_.Advance(absl::Microseconds(999));
  EXPECT_TRUE(Get("a")->has_entry());
  EXPECT_TRUE(Get("a")->entry().value().has_null_value());
  clock_.Advance(absl::Microseconds(1));
  EXPECT_FALSE(Get("a")->has_entry());
  EXPECT_NE(LeaseOf("a"), "");
}

TEST_F(CacheServiceTest, PagesOfKeysAreOfOneCache) {
  for (const std::string key : {"a", "b", "c"}) ASSERT_OK(Set(key, 1));
  v1::KeysRequest request;
  request.set_page_size(2);
  ASSERT_OK_AND_ASSIGN(const v1::KeysResponse first,
                       Call(&v1::CacheService::Stub::Keys, request));
  EXPECT_THAT(first.keys(), ElementsAre("a", "b"));
  request.set_page_token(first.next_page_token());
  ASSERT_OK_AND_ASSIGN(const v1::KeysResponse second,
                       Call(&v1::CacheService::Stub::Keys, request));
  EXPECT_THAT(second.keys(), ElementsAre("c"));
  EXPECT_EQ(second.next_page_token(), "");
  request.set_collection("other");
  EXPECT_THAT(Call(&v1::CacheService::Stub::Keys, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
}

TEST_F(CacheServiceTest, WhatARequestLacksIsNamed) {
  EXPECT_THAT(Get(""), StatusIs(absl::StatusCode::kInvalidArgument, "key"));
  v1::GetOrLeaseRequest lease;
  *lease.mutable_wait() = TimeUtil::SecondsToDuration(61);
  *lease.mutable_lease_duration() = TimeUtil::MicrosecondsToDuration(999);
  const absl::Status status =
      Call(&v1::CacheService::Stub::GetOrLease, lease).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "key: "));
  EXPECT_THAT(std::string(status.message()), HasSubstr("wait: is 1m1s"));
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("lease_duration: is 999us"));
  v1::DeleteMatchingRequest matching;
  EXPECT_THAT(Call(&v1::CacheService::Stub::DeleteMatching, matching),
              StatusIs(absl::StatusCode::kInvalidArgument, "pattern"));
  matching.mutable_pattern()->set_regex("a(");
  EXPECT_THAT(Call(&v1::CacheService::Stub::DeleteMatching, matching),
              StatusIs(absl::StatusCode::kInvalidArgument, "missing )"));
  EXPECT_THAT(Release("", "x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(CacheServiceTest, CategoriesAreClearedAndCounted) {
  v1::SetRequest request;
  request.mutable_entry()->set_key("a");
  request.mutable_entry()->set_category("api");
  request.mutable_entry()->mutable_value()->set_number_value(1);
  ASSERT_OK(Call(&v1::CacheService::Stub::Set, request));
  ASSERT_OK(Set("b", 1));
  ASSERT_OK_AND_ASSIGN(const v1::CacheServiceStatsResponse stats, Stats());
  ASSERT_EQ(stats.categories_size(), 2);
  EXPECT_EQ(stats.categories(1).category(), "api");
  v1::ClearRequest clear;
  clear.set_category("api");
  EXPECT_EQ(Call(&v1::CacheService::Stub::Clear, clear)->deleted(), 1);
  EXPECT_EQ(Stats()->entries(), 1);
  v1::CacheServiceDeleteRequest one;
  one.set_key("b");
  EXPECT_TRUE(Call(&v1::CacheService::Stub::Delete, one)->deleted());
}

TEST_F(CacheServiceTest, ReadsAreMeasured) {
  ASSERT_OK(Set("a", 1));
  Value("a");
  Value("a");
  Value("b");
  const std::string metrics =
      prometheus::TextSerializer().Serialize(storage_.metrics().Collect());
  EXPECT_THAT(metrics, HasSubstr("\nengram_storage_cache_hits_total 2\n"));
  EXPECT_THAT(metrics, HasSubstr("\nengram_storage_cache_misses_total 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nengram_storage_cache_evictions_total 0\n"));
}

}  // namespace
}  // namespace engram::storage
