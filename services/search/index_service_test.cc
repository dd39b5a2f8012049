#include "services/search/index_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <map>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

class IndexServiceTest : public SearchTest {
 protected:
  absl::StatusOr<common::v1::Operation> StartVerify(
      const std::string& collection) {
    grpc::ClientContext context;
    v1::VerifyIndexRequest request;
    request.set_collection(collection);
    v1::VerifyIndexResponse response;
    const grpc::Status status =
        indexes_->VerifyIndex(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.operation();
  }

  // Of the notes, unless it is told.
  absl::StatusOr<v1::GetIndexResponse> GetIndex(v1::GetIndexRequest request) {
    if (request.collection().empty()) request.set_collection("notes");
    grpc::ClientContext context;
    v1::GetIndexResponse response;
    const grpc::Status status =
        indexes_->GetIndex(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  // Waits until all changes are applied, though vectors are still to come.
  void WaitUntilApplied() {
    const std::string newest = Newest();
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (ListIndexes().at(0).position() != newest) {
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  common::v1::Operation Cancel(const std::string& name) {
    grpc::ClientContext context;
    v1::OperationServiceCancelRequest request;
    request.set_name(name);
    v1::OperationServiceCancelResponse response;
    EXPECT_TRUE(operations_->Cancel(&context, request, &response).ok());
    return response.operation();
  }
};

TEST_F(IndexServiceTest, VerifyFindsNoDifferenceInATrueIndex) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b", "c"});
  Delete("b");
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0) << result.DebugString();
  EXPECT_EQ(result.vectors(), 3);
  EXPECT_EQ(result.position(), Newest());
}

TEST_F(IndexServiceTest, WhatCannotBeEmbeddedIsWaitedForNoLonger) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  const std::string position = Write("a", "ab");
  ASSERT_OK_AND_ASSIGN(
      const auto leased,
      storage_.Lease(testing::FakeEmbeddingService::kFingerprint));
  ASSERT_EQ(leased.entries_size(), 1);
  storage::v1::ReportFailureRequest request;
  storage::v1::FailureReport& report = *request.add_failures();
  report.set_entry(leased.entries(0).entry());
  report.set_generation(leased.entries(0).generation());
  report.set_content_hash(leased.entries(0).content_hash());
  report.set_reason(storage::v1::FAILURE_REASON_TEXT_REFUSED);
  grpc::ClientContext context;
  storage::v1::ReportFailureResponse response;
  ASSERT_TRUE(
      storage_.vectors().ReportFailure(&context, request, &response).ok());

  EXPECT_OK(WaitForPosition(position));
  EXPECT_THAT(Find("a"), ElementsAre("b"));
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0) << result.DebugString();
  EXPECT_EQ(result.vectors(), 1);
}

// Records are rewritten and deleted all the time; no state of theirs may be
// taken for a difference.
TEST_F(IndexServiceTest, VerifyFindsNoDifferenceWhileRecordsChange) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b", "c", "cd"});
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      const std::string id = absl::StrCat("note-", i % 20);
      if (i % 7 == 6) {
        Delete(id);
      } else {
        Write(id, std::string(1 + i % 5, "abcd"[i % 4]) + "a");
      }
      EmbedPending();
    }
  });
  for (int i = 0; i < 5; ++i) {
    const auto result = Verify();
    EXPECT_THAT(result, IsOk());
    if (result.ok()) {
      EXPECT_EQ(result->difference_count(), 0) << result->DebugString();
    }
  }
  done = true;
  writer.join();
}

TEST_F(IndexServiceTest, VerifyNamesEveryKindOfDifference) {
  StartSearch();
  WriteAndIndex({"a", "b", "c", "d"});
  // What the index hears is not what storage did.
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.has_vectors_stored()) {
        storage::v1::VectorsStored& stored = *change.mutable_vectors_stored();
        if (stored.id() == "lost") stored.clear_chunks();
        if (stored.id() == "moved") stored.add_ranges()->set_end(3);
        if (stored.id() == "bent") {
          stored.mutable_chunks(0)->mutable_values()->at(0) ^= 1;
        }
      } else if (change.has_record_deleted()) {
        change.mutable_record_changed()->set_collection("notes");
      }
    }
  });
  WriteAndIndex({"lost"});
  Write("moved", "abc");
  Write("bent", "abcd");
  EmbedPending();
  Delete("c");
  WaitUntilIndexed();
  proxy_.AlterFeed({});

  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 4) << result.DebugString();
  EXPECT_EQ(result.vectors(), 6);  // a, b, d, lost, moved, bent.
  std::map<std::string, v1::IndexDifference::Kind> kinds;
  for (const v1::IndexDifference& difference : result.differences()) {
    kinds[difference.id()] = difference.kind();
    EXPECT_EQ(difference.chunk(), 0);
  }
  EXPECT_THAT(kinds,
              ElementsAre(Pair("bent", v1::IndexDifference::KIND_DIFFERENT),
                          Pair("c", v1::IndexDifference::KIND_EXTRA),
                          Pair("lost", v1::IndexDifference::KIND_MISSING),
                          Pair("moved", v1::IndexDifference::KIND_DIFFERENT)));
}

TEST_F(IndexServiceTest, ACheckCanBeCancelled) {
  StartSearch();
  WriteAndIndex({"a"});
  proxy_.HoldSnapshots();
  ASSERT_OK_AND_ASSIGN(const auto started, StartVerify("notes"));
  EXPECT_EQ(started.state(), common::v1::Operation::STATE_RUNNING);
  EXPECT_EQ(started.kind(), "verify-index");
  ASSERT_OK_AND_ASSIGN(auto operation,
                       Wait(started.name(), absl::ZeroDuration()));
  EXPECT_EQ(operation.state(), common::v1::Operation::STATE_RUNNING);
  Cancel(started.name());
  ASSERT_OK_AND_ASSIGN(operation, Wait(started.name(), absl::Seconds(20)));
  EXPECT_EQ(operation.state(), common::v1::Operation::STATE_CANCELLED);
  proxy_.ReleaseSnapshots();
}

TEST_F(IndexServiceTest, OperationsAreListedNewestFirstAndUnknownOnesNotFound) {
  StartSearch();
  ASSERT_OK(Verify());
  ASSERT_OK(Verify());
  grpc::ClientContext context;
  v1::OperationServiceListResponse list;
  ASSERT_TRUE(operations_->List(&context, {}, &list).ok());
  ASSERT_EQ(list.operations_size(), 2);
  EXPECT_EQ(list.operations(0).name(), "verify-index-2");
  const absl::Status unknown =
      Wait("verify-index-9", absl::Seconds(1)).status();
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(unknown), common::v1::ERROR_REASON_OPERATION_UNKNOWN);
  EXPECT_THAT(Wait("verify-index-1", absl::Seconds(61)),
              StatusIs(absl::StatusCode::kInvalidArgument, "timeout"));
}

TEST_F(IndexServiceTest, VerifyOfAnUnknownCollectionStartsNothing) {
  StartSearch();
  EXPECT_THAT(StartVerify("nots"), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(StartVerify(""),
              StatusIs(absl::StatusCode::kInvalidArgument, "collection"));
}

TEST_F(IndexServiceTest, AnIndexTellsItsMemoryAndWhatItCovers) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  Write("c", "c");  // Not embedded.
  Write("nothing", "");
  WaitUntilApplied();
  ASSERT_OK_AND_ASSIGN(auto found, GetIndex({}));
  EXPECT_EQ(found.index().collection(), "notes");
  EXPECT_EQ(found.index().state(), v1::Index::STATE_SERVING);
  EXPECT_EQ(found.coverage().records(), 4);
  EXPECT_EQ(found.coverage().indexed(), 2);
  EXPECT_EQ(found.coverage().pending(), 1);
  EXPECT_EQ(found.coverage().failed(), 0);
  EXPECT_EQ(found.coverage().without_text(), 1);

  int64_t total = 0;
  std::map<std::string, int64_t> parts;
  int64_t last = std::numeric_limits<int64_t>::max();
  for (const v1::MemoryPart& part : found.memory()) {
    parts[part.name()] = part.bytes();
    total += part.bytes();
    EXPECT_LE(part.bytes(), last);
    last = part.bytes();
  }
  EXPECT_EQ(total,
            found.index().memory_bytes() + found.index().attribute_bytes());
  EXPECT_THAT(parts, SizeIs(6));
  EXPECT_GE(parts["vectors"], 2 * 4 * sizeof(float));
  EXPECT_GT(parts["records"], 0);
  EXPECT_EQ(parts["graph"], 0);
  EXPECT_EQ(parts["codes"], 0);

  // Of its own it knows without storage, too.
  proxy_.GoAway();
  ASSERT_OK_AND_ASSIGN(found, GetIndex({}));
  EXPECT_FALSE(found.has_coverage());
  EXPECT_EQ(found.index().records(), 2);
}

TEST_F(IndexServiceTest, AnIndexIsAskedForByGeneration) {
  StartSearch();
  WriteAndIndex({"a"});
  v1::GetIndexRequest request;
  request.set_vector_field("body");
  ASSERT_OK_AND_ASSIGN(const auto serving, GetIndex(request));
  request.set_generation(serving.index().generation());
  ASSERT_OK_AND_ASSIGN(const auto same, GetIndex(request));
  EXPECT_EQ(same.index().generation(), serving.index().generation());
  request.set_generation(serving.index().generation() + 1);
  const absl::Status unknown = GetIndex(request).status();
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound, "no generation"));
  EXPECT_EQ(ReasonOf(unknown), common::v1::ERROR_REASON_GENERATION_UNKNOWN);
  request.set_collection("nots");
  EXPECT_THAT(GetIndex(request), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(IndexServiceTest, WaitForPositionNeedsAPosition) {
  StartSearch();
  EXPECT_THAT(WaitForPosition("soon"),
              StatusIs(absl::StatusCode::kInvalidArgument, "position: "));
  EXPECT_THAT(WaitForPosition("nobody@0000000000000001.5"),
              StatusIs(absl::StatusCode::kNotFound, "nobody"));
}

}  // namespace
}  // namespace engram::search
