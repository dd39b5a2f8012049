#include "services/storage/testing/outbox_fixture.h"

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage::testing {
namespace {

constexpr char kNotes[] = R"(
collection: notes
fields:
  text: {type: text}
vectors:
  text: {source: [text]}
)";

using Stub = v1::VectorService::Stub;

}  // namespace

OutboxTest::OutboxTest() {
  EXPECT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  EXPECT_OK(storage_.ApplySchema({kNotes}));
}

void OutboxTest::Advance(absl::Duration duration) {
  clock_.Advance(duration);
  storage_.RunOnce();
}

void OutboxTest::CreateDatabase(const std::string& name) {
  v1::DatabaseServiceCreateRequest request;
  request.set_database(name);
  grpc::ClientContext context;
  v1::DatabaseServiceCreateResponse response;
  ASSERT_OK(FromGrpcStatus(
      storage_.databases().Create(&context, request, &response)));
  ASSERT_OK(storage_.ApplySchema({kNotes}, name));
}

void OutboxTest::ApplySchema(const std::string& document,
                             const std::string& database) {
  ASSERT_OK(storage_.ApplySchema({document}, database));
}

void OutboxTest::Write(const std::string& id, const std::string& text,
                       const std::string& database) {
  v1::WriteRequest request;
  request.set_database(database);
  v1::WriteItem& item = *request.add_items();
  item.set_collection("notes");
  item.mutable_upsert()->set_id(id);
  (*item.mutable_upsert()->mutable_fields()->mutable_fields())["text"]
      .set_string_value(text);
  ASSERT_OK(storage_.Write(request));
}

v1::LeasePendingRequest OutboxTest::LeaseRequest(int max_entries) const {
  v1::LeasePendingRequest request;
  request.add_fingerprints("two-v1");
  request.set_provider("test");
  request.set_max_entries(max_entries);
  return request;
}

v1::LeasePendingResponse OutboxTest::Lease(
    const v1::LeasePendingRequest& request) {
  const auto response = Call(&Stub::LeasePending, request);
  EXPECT_OK(response);
  return response.value_or(v1::LeasePendingResponse());
}

std::vector<std::string> OutboxTest::IdsOf(
    const v1::LeasePendingResponse& leased) {
  std::vector<std::string> ids;
  for (const v1::OutboxEntry& entry : leased.entries()) {
    ids.push_back(entry.database() == "default"
                      ? entry.id()
                      : absl::StrCat(entry.database(), ":", entry.id()));
  }
  return ids;
}

void OutboxTest::Embed(const std::string& id) {
  const v1::LeasePendingResponse leased = Lease();
  ASSERT_EQ(leased.entries_size(), 1);
  ASSERT_EQ(leased.entries(0).id(), id);
  v1::PutVectorsRequest request;
  *request.add_puts() = PutOf(leased.entries(0));
  Put(request);
}

v1::VectorPut OutboxTest::PutOf(const v1::OutboxEntry& entry) const {
  v1::VectorPut put;
  put.set_database(entry.database());
  put.set_entry(entry.entry());
  put.set_generation(entry.generation());
  put.set_content_hash(entry.content_hash());
  put.add_chunks()->set_values(PackVector({1, 0}));
  return put;
}

v1::PutVectorsResponse OutboxTest::Put(const v1::PutVectorsRequest& request) {
  const auto response = Call(&Stub::PutVectors, request);
  EXPECT_OK(response);
  return response.value_or(v1::PutVectorsResponse());
}

v1::FailureReport OutboxTest::ReportOf(const v1::OutboxEntry& entry,
                                       v1::FailureReason reason,
                                       const std::string& message) {
  v1::FailureReport report;
  report.set_database(entry.database());
  report.set_entry(entry.entry());
  report.set_generation(entry.generation());
  report.set_content_hash(entry.content_hash());
  report.set_reason(reason);
  report.set_message(message);
  return report;
}

v1::ReportFailureResponse OutboxTest::Report(
    const v1::ReportFailureRequest& request) {
  const auto response = Call(&Stub::ReportFailure, request);
  EXPECT_OK(response);
  return response.value_or(v1::ReportFailureResponse());
}

v1::FailureResult OutboxTest::Report(const v1::OutboxEntry& entry,
                                     v1::FailureReason reason,
                                     const std::string& message) {
  v1::ReportFailureRequest request;
  *request.add_failures() = ReportOf(entry, reason, message);
  const v1::ReportFailureResponse response = Report(request);
  EXPECT_EQ(response.results_size(), 1);
  return response.results_size() == 1 ? response.results(0)
                                      : v1::FailureResult();
}

void OutboxTest::Refuse(const std::string& id, const std::string& message) {
  const v1::LeasePendingResponse leased = Lease();
  ASSERT_EQ(leased.entries_size(), 1);
  ASSERT_EQ(leased.entries(0).id(), id);
  EXPECT_EQ(Report(leased.entries(0), v1::FAILURE_REASON_TEXT_REFUSED, message)
                .outcome(),
            v1::FailureResult::OUTCOME_FAILED);
}

std::vector<std::string> OutboxTest::Failures(const v1::FailureFilter& filter) {
  v1::ListFailuresRequest request;
  *request.mutable_filter() = filter;
  const auto response = Call(&Stub::ListFailures, request);
  EXPECT_OK(response);
  std::vector<std::string> failures;
  if (!response.ok()) return failures;
  for (const v1::EmbeddingFailure& failure : response->failures()) {
    failures.push_back(absl::StrCat(failure.id(), ": ", failure.message()));
  }
  return failures;
}

int64_t OutboxTest::Retry(const v1::FailureFilter& filter) {
  v1::RetryFailuresRequest request;
  *request.mutable_filter() = filter;
  const auto response = Call(&Stub::RetryFailures, request);
  EXPECT_OK(response);
  return response.ok() ? response->retried() : -1;
}

std::vector<int64_t> OutboxTest::Coverage() {
  const auto response = storage_.Coverage("notes");
  EXPECT_OK(response);
  if (!response.ok()) return {};
  const v1::VectorFieldCoverage& field = response->vector_fields(0);
  int64_t failed = 0;
  for (const v1::FailureCount& count : field.failures()) {
    failed += count.records();
  }
  EXPECT_EQ(response->records(),
            field.embedded() + field.pending() + failed + field.without_text());
  return {field.embedded(), field.pending(), failed, field.without_text()};
}

}  // namespace engram::storage::testing
