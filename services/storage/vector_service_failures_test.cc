// Texts that cannot be embedded.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/failure_list.h"
#include "services/storage/failure_writer.h"
#include "services/storage/testing/outbox_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using Result = v1::FailureResult;
using Stub = v1::VectorService::Stub;

constexpr auto kRefused = v1::FAILURE_REASON_TEXT_REFUSED;
constexpr auto kUnusable = v1::FAILURE_REASON_ANSWER_UNUSABLE;

class FailuresTest : public testing::OutboxTest {
 protected:
  v1::OutboxEntry LeaseOne() {
    const v1::LeasePendingResponse leased = Lease();
    EXPECT_EQ(leased.entries_size(), 1);
    return leased.entries_size() == 1 ? leased.entries(0) : v1::OutboxEntry();
  }

  // The changes of `notes` after the first, as an index follows them.
  std::vector<std::string> Changes() {
    v1::WatchChangesRequest request;
    request.set_after_position(first_position_);
    request.set_view(v1::FEED_VIEW_INDEX);
    grpc::ClientContext context;
    const auto reader = storage_.feed().WatchChanges(&context, request);
    std::vector<std::string> changes;
    v1::WatchChangesResponse response;
    // The first message has all there is.
    if (reader->Read(&response)) {
      for (const v1::Change& change : response.changes()) {
        changes.push_back(
            change.has_vectors_failed()
                ? absl::StrCat("failed ", change.vectors_failed().id(), " ",
                               change.vectors_failed().generation())
            : change.has_vectors_stored()
                ? absl::StrCat("vectors ", change.vectors_stored().id())
                : "other");
      }
    }
    context.TryCancel();
    reader->Finish();
    return changes;
  }

  void NotePosition() {
    const auto coverage = storage_.Coverage("notes");
    ASSERT_OK(coverage);
    first_position_ = coverage->position();
  }

  std::string first_position_;
};

TEST_F(FailuresTest, ARefusedTextIsListedAndWaitsNoLonger) {
  Write("a", "x");
  const v1::OutboxEntry entry = LeaseOne();
  NotePosition();

  EXPECT_EQ(Report(entry, kRefused, "too long").outcome(),
            Result::OUTCOME_FAILED);

  EXPECT_THAT(Failures(), ElementsAre("a: too long"));
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 1, 0));
  Advance(absl::Hours(1));
  EXPECT_THAT(LeaseIds(), IsEmpty());
  EXPECT_THAT(Changes(),
              ElementsAre(absl::StrCat("failed a ", entry.generation())));
}

TEST_F(FailuresTest, AFailureSaysAllThatIsKnown) {
  Advance(absl::Seconds(5));
  Write("a", "x");
  Refuse("a", std::string(2000, 'x'));
  ASSERT_OK_AND_ASSIGN(const auto response,
                       Call(&Stub::ListFailures, v1::ListFailuresRequest()));
  ASSERT_EQ(response.failures_size(), 1);
  const v1::EmbeddingFailure& failure = response.failures(0);
  EXPECT_EQ(failure.collection(), "notes");
  EXPECT_EQ(failure.vector_field(), "text");
  EXPECT_EQ(failure.model(), "test/two");
  EXPECT_EQ(failure.reason(), kRefused);
  EXPECT_EQ(failure.attempts(), 1);
  EXPECT_EQ(failure.fail_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  EXPECT_LE(failure.message().size(), 1027);  // With an ellipsis.
}

// A record that fails has no vector of another text.
TEST_F(FailuresTest, TheVectorsOfAnEarlierTextGo) {
  Write("a", "x");
  Embed("a");
  Write("a", "y");
  EXPECT_THAT(Coverage(), ElementsAre(0, 1, 0, 0));
  Refuse("a");
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 1, 0));
  v1::GetVectorsRequest request;
  request.set_collection("notes");
  request.add_ids("a");
  ASSERT_OK_AND_ASSIGN(const auto vectors, Call(&Stub::GetVectors, request));
  EXPECT_EQ(vectors.records(0).state(), v1::RecordVectors::STATE_FAILED);
  EXPECT_EQ(vectors.records(0).chunks_size(), 0);
}

TEST_F(FailuresTest, AnotherTextIsEmbedded) {
  Write("a", "x");
  Refuse("a");
  Write("a", "y");
  EXPECT_THAT(Failures(), IsEmpty());
  EXPECT_THAT(Coverage(), ElementsAre(0, 1, 0, 0));
  Embed("a");
  EXPECT_THAT(Coverage(), ElementsAre(1, 0, 0, 0));
}

TEST_F(FailuresTest, TheSameTextIsNotTriedAgain) {
  Write("a", "x");
  Refuse("a");
  Write("a", "x");
  EXPECT_THAT(Failures(), ElementsAre("a: no"));
  EXPECT_THAT(LeaseIds(), IsEmpty());
}

TEST_F(FailuresTest, WithoutTextNothingHasFailed) {
  Write("a", "x");
  Refuse("a");
  Write("a", "");
  EXPECT_THAT(Failures(), IsEmpty());
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 0, 1));
}

TEST_F(FailuresTest, ADeletedRecordTakesItsFailureWithIt) {
  Write("a", "x");
  Refuse("a");
  ASSERT_OK(storage_.Delete("notes", "a"));
  EXPECT_THAT(Failures(), IsEmpty());
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 0, 0));
}

TEST_F(FailuresTest, AnotherModelKeepsTheFailuresOfTheOneThatServes) {
  Write("a", "x");
  Refuse("a");
  ASSERT_OK(storage_.RegisterModel("test/three", "three-v1", 3));
  ApplySchema(R"(
collection: notes
fields:
  text: {type: text}
vectors:
  text: {source: [text], model: test/three, cutover: manual}
)");
  EXPECT_THAT(Failures(), ElementsAre("a: no"));
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 1, 0));
}

TEST_F(FailuresTest, ADroppedVectorFieldTakesItsFailuresWithIt) {
  Write("a", "x");
  Refuse("a");
  v1::ApplySchemaRequest request;
  request.add_documents()->set_yaml(
      "{collection: notes, fields: {text: {type: text}}}");
  request.set_allow_destructive(true);
  grpc::ClientContext context;
  v1::ApplySchemaResponse response;
  ASSERT_TRUE(
      storage_.catalog().ApplySchema(&context, request, &response).ok());
  EXPECT_THAT(Failures(), IsEmpty());
}

TEST_F(FailuresTest, WhatMayPassLaterIsHandedOutAfterADelayThatGrows) {
  Write("a", "x");
  absl::Duration delay = absl::Seconds(5);
  for (int attempt = 1; attempt < kMaxAttempts; ++attempt) {
    const Result result = Report(LeaseOne(), kUnusable, "NaN");
    EXPECT_EQ(result.outcome(), Result::OUTCOME_RETRY);
    EXPECT_EQ(result.retry_time().seconds(),
              absl::ToUnixSeconds(clock_.Now() + delay));
    Advance(delay - absl::Seconds(1));
    EXPECT_THAT(LeaseIds(), IsEmpty());
    Advance(absl::Seconds(1));
    delay *= 2;
  }
  EXPECT_THAT(Failures(), IsEmpty());
  // Attempts outlive the process.
  storage_.Restart();
  EXPECT_EQ(Report(LeaseOne(), kUnusable, "NaN").outcome(),
            Result::OUTCOME_FAILED);
  EXPECT_THAT(Failures(), ElementsAre("a: NaN"));
}

TEST_F(FailuresTest, AReportAboutAnotherTextIsDropped) {
  Write("a", "x");
  const v1::OutboxEntry entry = LeaseOne();
  Write("a", "y");
  EXPECT_EQ(Report(entry, kRefused).outcome(), Result::OUTCOME_DROPPED);
  EXPECT_THAT(LeaseIds(), ElementsAre("a"));
}

TEST_F(FailuresTest, ARepeatedReportChangesNothing) {
  Write("a", "x");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_EQ(Report(entry, kRefused).outcome(), Result::OUTCOME_FAILED);
  EXPECT_EQ(Report(entry, kRefused, "other").outcome(),
            Result::OUTCOME_DROPPED);
  EXPECT_THAT(Failures(), ElementsAre("a: no"));
}

TEST_F(FailuresTest, AVectorThatComesAfterAFailureIsDropped) {
  Write("a", "x");
  const v1::OutboxEntry entry = LeaseOne();
  Report(entry, kRefused);
  v1::PutVectorsRequest request;
  *request.add_puts() = PutOf(entry);
  EXPECT_EQ(Put(request).results(0).outcome(), v1::PutResult::OUTCOME_DROPPED);
  EXPECT_THAT(Coverage(), ElementsAre(0, 0, 1, 0));
}

TEST_F(FailuresTest, ListsAndRetriesByFilter) {
  for (const char* id : {"a", "b", "c"}) {
    Write(id, id);
    Refuse(id, absl::StrCat("Bad token ", id));
  }
  v1::FailureFilter by_message;
  by_message.set_contains("TOKEN b");
  EXPECT_THAT(Failures(by_message), ElementsAre("b: Bad token b"));
  v1::FailureFilter by_id;
  by_id.add_ids("c");
  EXPECT_THAT(Failures(by_id), ElementsAre("c: Bad token c"));
  v1::FailureFilter by_reason;
  by_reason.add_reasons(kUnusable);
  EXPECT_THAT(Failures(by_reason), IsEmpty());
  v1::FailureFilter by_field;
  by_field.set_vector_field("other");
  EXPECT_THAT(Failures(by_field), IsEmpty());
  v1::FailureFilter by_collection;
  by_collection.set_collection("other");
  EXPECT_EQ(Retry(by_collection), 0);

  EXPECT_EQ(Retry(by_message), 1);
  EXPECT_THAT(Failures(), SizeIs(2));
  Embed("b");
  EXPECT_EQ(Retry(), 2);
  EXPECT_THAT(LeaseIds(), ElementsAre("a", "c"));
}

TEST_F(FailuresTest, ARetriedTextMayFailAgainAndComesBehindNewOnes) {
  Write("a", "x");
  Refuse("a");
  EXPECT_EQ(Retry(), 1);
  Write("b", "y");
  EXPECT_THAT(LeaseIds(1), ElementsAre("b"));
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_EQ(entry.id(), "a");
  EXPECT_EQ(Report(entry, kRefused, "still no").outcome(),
            Result::OUTCOME_FAILED);
  EXPECT_THAT(Failures(), ElementsAre("a: still no"));
}

TEST_F(FailuresTest, ListsPageByPageAndRetriesPartByPart) {
  // More than one part of a retry takes.
  const int count = kMaxFailuresRetried + 1;
  v1::WriteRequest writes;
  for (int i = 0; i < count; ++i) {
    v1::WriteItem& item = *writes.add_items();
    item.set_collection("notes");
    item.mutable_upsert()->set_id(absl::StrCat(i));
    (*item.mutable_upsert()->mutable_fields()->mutable_fields())["text"]
        .set_string_value("x");
    if (writes.items_size() < 1000 && i + 1 < count) continue;
    ASSERT_OK(storage_.Write(writes));
    writes.clear_items();
  }
  v1::ReportFailureRequest reports;
  const v1::LeasePendingResponse leased = Lease(4096);
  for (const v1::OutboxEntry& entry : leased.entries()) {
    *reports.add_failures() = ReportOf(entry, kRefused, "no");
  }
  Report(reports);

  v1::ListFailuresRequest list;
  list.set_page_size(400);
  std::vector<int> pages;
  do {
    ASSERT_OK_AND_ASSIGN(const auto page, Call(&Stub::ListFailures, list));
    pages.push_back(page.failures_size());
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty());
  EXPECT_THAT(pages, ElementsAre(400, 400, count - 800));
  EXPECT_EQ(Retry(), count);
  EXPECT_THAT(Coverage(), ElementsAre(0, count, 0, 0));
}

TEST_F(FailuresTest, RefusesBadReportsAndFilters) {
  v1::ReportFailureRequest report;
  report.set_provider(std::string(64, 'x'));
  report.add_failures()->mutable_usage()->set_tokens(-1);
  const auto status = Call(&Stub::ReportFailure, report).status();
  for (const char* path :
       {"provider", "failures[0].reason", "failures[0].usage.tokens"}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, path));
  }
  v1::RetryFailuresRequest retry;
  retry.mutable_filter()->add_reasons(v1::FAILURE_REASON_UNSPECIFIED);
  EXPECT_THAT(
      Call(&Stub::RetryFailures, retry),
      StatusIs(absl::StatusCode::kInvalidArgument, "filter.reasons[0]"));
  v1::ListFailuresRequest list;
  list.set_page_token("x");
  EXPECT_THAT(Call(&Stub::ListFailures, list),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
}

}  // namespace
}  // namespace engram::storage
