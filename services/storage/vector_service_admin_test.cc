// What an operator sees of embedding, and its pauses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/rate_meter.h"
#include "services/storage/testing/outbox_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

using Stub = v1::VectorService::Stub;
using State = v1::RecordVectors;

class VectorAdminTest : public testing::OutboxTest {
 protected:
  v1::GetBacklogResponse Backlog(const std::string& database = "") {
    v1::GetBacklogRequest request;
    request.set_database(database);
    const auto response = Call(&Stub::GetBacklog, request);
    EXPECT_OK(response);
    return response.value_or(v1::GetBacklogResponse());
  }

  absl::StatusOr<v1::SetPauseResponse> Pause(const std::string& database,
                                             const std::string& collection,
                                             const std::string& provider,
                                             bool paused = true) {
    v1::SetPauseRequest request;
    request.set_database(database);
    request.set_collection(collection);
    request.set_provider(provider);
    request.set_paused(paused);
    return Call(&Stub::SetPause, request);
  }

  // Such as `default test test/two 1/2/30/400`: requests, texts, tokens, cost.
  std::vector<std::string> Usage(const v1::GetUsageRequest& request = {}) {
    const auto response = Call(&Stub::GetUsage, request);
    EXPECT_OK(response);
    std::vector<std::string> rows;
    if (!response.ok()) return rows;
    for (const v1::UsageRow& row : response->rows()) {
      const v1::EmbeddingUsage& usage = row.usage();
      rows.push_back(absl::StrCat(row.database(), " ", row.provider(), " ",
                                  row.model(), " ", usage.requests(), "/",
                                  usage.texts(), "/", usage.tokens(), "/",
                                  usage.cost_nanousd()));
    }
    return rows;
  }

  // A put that says what it used.
  v1::PutVectorsRequest PaidPut(const v1::LeasePendingResponse& leased) {
    v1::PutVectorsRequest request;
    request.set_lease_id(leased.lease_id());
    request.set_provider("test");
    for (const v1::OutboxEntry& entry : leased.entries()) {
      v1::VectorPut& put = *request.add_puts();
      put = PutOf(entry);
      put.mutable_usage()->set_requests(1);
      put.mutable_usage()->set_texts(2);
      put.mutable_usage()->set_tokens(30);
      put.mutable_usage()->set_cost_nanousd(400);
    }
    return request;
  }
};

TEST_F(VectorAdminTest, TheBacklogCountsWhatWaitsAndHowFastItGoes) {
  for (const char* id : {"a", "b", "c", "d"}) Write(id, id);
  const v1::LeasePendingResponse leased = Lease(3);
  v1::PutVectorsRequest puts;
  *puts.add_puts() = PutOf(leased.entries(0));
  Put(puts);
  Report(leased.entries(1), v1::FAILURE_REASON_TEXT_REFUSED);
  Advance(absl::Seconds(10));

  v1::GetBacklogResponse backlog = Backlog();
  ASSERT_EQ(backlog.fields_size(), 1);
  EXPECT_EQ(backlog.fields(0).database(), "default");
  EXPECT_EQ(backlog.fields(0).collection(), "notes");
  EXPECT_EQ(backlog.fields(0).vector_field(), "text");
  EXPECT_EQ(backlog.fields(0).model(), "test/two");
  EXPECT_EQ(backlog.fields(0).pending(), 2);
  EXPECT_EQ(backlog.fields(0).backlog(), 0);
  EXPECT_EQ(backlog.fields(0).failed(), 1);
  EXPECT_DOUBLE_EQ(backlog.fields(0).rate(), 0.2);
  EXPECT_FALSE(backlog.fields(0).paused());

  Retry();
  backlog = Backlog("default");
  EXPECT_EQ(backlog.fields(0).pending(), 3);
  EXPECT_EQ(backlog.fields(0).backlog(), 1);
  EXPECT_EQ(backlog.fields(0).failed(), 0);
}

TEST_F(VectorAdminTest, TheBacklogIsOfEveryDatabaseOrOne) {
  CreateDatabase("second");
  Write("a", "x", "second");
  EXPECT_EQ(Backlog().fields_size(), 2);
  EXPECT_EQ(Backlog("second").fields_size(), 1);
  EXPECT_EQ(Backlog("second").fields(0).pending(), 1);
  v1::GetBacklogRequest request;
  request.set_database("nowhere");
  EXPECT_THAT(Call(&Stub::GetBacklog, request),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(VectorAdminTest, PausesAreListedUntilTheyEnd) {
  ASSERT_OK(Pause("default", "notes", ""));
  ASSERT_OK_AND_ASSIGN(const auto two, Pause("", "", "openai"));
  ASSERT_EQ(two.pauses_size(), 2);
  EXPECT_EQ(two.pauses(0).provider(), "openai");
  EXPECT_EQ(two.pauses(1).collection(), "notes");
  EXPECT_EQ(two.pauses(1).create_time().seconds(),
            absl::ToUnixSeconds(clock_.Now()));
  EXPECT_TRUE(Backlog().fields(0).paused());
  ASSERT_OK(Pause("default", "notes", "", false));
  EXPECT_FALSE(Backlog().fields(0).paused());
  EXPECT_EQ(Backlog().pauses_size(), 1);
}

TEST_F(VectorAdminTest, ADeletedDatabaseTakesItsPausesWithIt) {
  CreateDatabase("second");
  ASSERT_OK(Pause("second", "", ""));
  v1::DatabaseServiceDeleteRequest request;
  request.set_database("second");
  request.set_confirm("second");
  grpc::ClientContext context;
  v1::DatabaseServiceDeleteResponse response;
  ASSERT_OK(FromGrpcStatus(
      storage_.databases().Delete(&context, request, &response)));
  EXPECT_EQ(Backlog().pauses_size(), 0);
}

TEST_F(VectorAdminTest, RefusesPausesOfWhatDoesNotExist) {
  EXPECT_THAT(Pause("nowhere", "", ""), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Pause("default", "nothing", ""),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Pause("", "notes", ""),
              StatusIs(absl::StatusCode::kInvalidArgument, "database"));
  // What is gone can be resumed.
  EXPECT_OK(Pause("nowhere", "", "", false));
}

TEST_F(VectorAdminTest, UsageIsSummedUp) {
  Write("a", "x");
  Write("b", "y");
  Put(PaidPut(Lease()));
  EXPECT_THAT(Usage(), ElementsAre("default test test/two 2/4/60/800"));

  Write("c", "z");
  const v1::LeasePendingResponse leased = Lease();
  v1::ReportFailureRequest report;
  report.set_provider("test");
  *report.add_failures() =
      ReportOf(leased.entries(0), v1::FAILURE_REASON_ANSWER_UNUSABLE, "no");
  report.mutable_failures(0)->mutable_usage()->set_tokens(5);
  Report(report);
  EXPECT_THAT(Usage(), ElementsAre("default test test/two 2/4/65/800"));
}

// What was embedded in vain was paid for all the same, but once.
TEST_F(VectorAdminTest, UsageOfDroppedVectorsCountsOnce) {
  Write("a", "x");
  const v1::PutVectorsRequest put = PaidPut(Lease());
  Write("a", "y");
  Put(put);
  EXPECT_THAT(Usage(), ElementsAre("default test test/two 1/2/30/400"));
  Put(put);
  EXPECT_THAT(Usage(), ElementsAre("default test test/two 1/2/30/400"));

  const v1::PutVectorsRequest stored = PaidPut(Lease());
  Put(stored);
  Put(stored);
  EXPECT_THAT(Usage(), ElementsAre("default test test/two 2/4/60/800"));
}

TEST_F(VectorAdminTest, UsageIsToldByTime) {
  Write("a", "x");
  Put(PaidPut(Lease()));
  Advance(absl::Hours(2));
  Write("b", "x");
  Put(PaidPut(Lease()));

  v1::GetUsageRequest request;
  EXPECT_THAT(Usage(request), ElementsAre("default test test/two 2/4/60/800"));
  request.mutable_interval()->set_seconds(3600);
  EXPECT_THAT(Usage(request), ElementsAre("default test test/two 1/2/30/400",
                                          "default test test/two 1/2/30/400"));
  request.mutable_start_time()->set_seconds(
      absl::ToUnixSeconds(clock_.Now() - absl::Hours(1)));
  EXPECT_THAT(Usage(request), ElementsAre("default test test/two 1/2/30/400"));
  Advance(absl::Hours(24 * 401));
  Write("c", "x");
  Put(PaidPut(Lease()));
  request.mutable_start_time()->set_seconds(0);
  // What is too old is gone.
  EXPECT_THAT(Usage(request), ElementsAre("default test test/two 1/2/30/400"));
}

TEST_F(VectorAdminTest, RefusesTimesThatCannotBe) {
  v1::GetUsageRequest request;
  request.mutable_interval()->set_seconds(90);
  request.mutable_start_time()->set_seconds(7200);
  request.mutable_end_time()->set_seconds(3600);
  const auto status = Call(&Stub::GetUsage, request).status();
  for (const char* path : {"interval", "start_time"}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, path));
  }
}

TEST_F(VectorAdminTest, VectorsAreReadWithWhereTheyStand) {
  Write("a", "x");
  Embed("a");
  Write("b", "x");
  Embed("b");
  Write("b", "y");
  Write("c", "");
  v1::GetVectorsRequest request;
  request.set_collection("notes");
  for (const char* id : {"b", "a", "c", "d"}) request.add_ids(id);
  ASSERT_OK_AND_ASSIGN(const auto response, Call(&Stub::GetVectors, request));
  ASSERT_EQ(response.records_size(), 4);
  EXPECT_EQ(response.fingerprint(), "two-v1");
  EXPECT_EQ(response.records(0).state(), State::STATE_PENDING);
  EXPECT_EQ(response.records(0).chunks_size(), 1);
  EXPECT_EQ(response.records(1).state(), State::STATE_EMBEDDED);
  EXPECT_THAT(testing::UnpackVector(response.records(1).chunks(0).values()),
              ElementsAre(1, 0));
  EXPECT_EQ(response.records(2).state(), State::STATE_WITHOUT_TEXT);
  EXPECT_EQ(response.records(3).state(), State::STATE_RECORD_UNKNOWN);
  EXPECT_EQ(response.records(3).id(), "d");
}

TEST_F(VectorAdminTest, RefusesVectorsOfWhatDoesNotExist) {
  v1::GetVectorsRequest request;
  request.set_collection("notes");
  EXPECT_THAT(Call(&Stub::GetVectors, request),
              StatusIs(absl::StatusCode::kInvalidArgument, "ids"));
  request.add_ids("a");
  request.set_vector_field("other");
  EXPECT_THAT(Call(&Stub::GetVectors, request),
              StatusIs(absl::StatusCode::kNotFound,
                       "has the vector fields text, not \"other\""));
}

TEST(RateMeterTest, CountsTheLastMinute) {
  const absl::Time start = absl::FromUnixSeconds(1000);
  RateMeter meter;
  EXPECT_EQ(meter.PerSecond(start), 0);
  meter.Note(start, 30);
  EXPECT_EQ(meter.PerSecond(start), 30);
  EXPECT_EQ(meter.PerSecond(start + absl::Seconds(10)), 3);
  meter.Note(start + absl::Seconds(59), 30);
  EXPECT_DOUBLE_EQ(meter.PerSecond(start + absl::Seconds(59)), 60.0 / 59);
  EXPECT_DOUBLE_EQ(meter.PerSecond(start + absl::Seconds(60)), 0.5);
  EXPECT_EQ(meter.PerSecond(start + absl::Seconds(200)), 0);
  // The place of the first second is used again.
  meter.Note(start + absl::Seconds(240), 60);
  EXPECT_EQ(meter.PerSecond(start + absl::Seconds(240)), 1);
}

}  // namespace
}  // namespace engram::storage
