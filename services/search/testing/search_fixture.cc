#include "services/search/testing/search_fixture.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/search_server.h"

namespace engram::search::testing {

namespace fs = std::filesystem;

SearchTest::SearchTest() {
  EXPECT_OK(storage_.RegisterModel(FakeEmbeddingService::kModel,
                                   FakeEmbeddingService::kFingerprint, 4));
  EXPECT_OK(storage_.ApplySchema({kNotes}));
}

SearchTest::~SearchTest() { StopSearch(); }

void SearchTest::StartSearchSoon() {
  options_.cache_dir = fs::path(cache_.path()) / "cache";
  registry_ = std::make_unique<prometheus::Registry>();
  ASSERT_OK_AND_ASSIGN(server_, SearchServer::Create(options_, *registry_));
  grpc::ServerBuilder builder;
  for (grpc::Service* service : server_->services()) {
    builder.RegisterService(service);
  }
  grpc_server_ = builder.BuildAndStart();
  const auto channel = grpc_server_->InProcessChannel(grpc::ChannelArguments());
  search_ = v1::SearchService::NewStub(channel);
  indexes_ = v1::IndexService::NewStub(channel);
  operations_ = v1::OperationService::NewStub(channel);
  ASSERT_OK(server_->Start({proxy_.channel(), embedding_.channel()}));
}

void SearchTest::StartSearch() {
  StartSearchSoon();
  WaitUntilReady();
}

void SearchTest::WaitUntil(const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!condition()) {
    ASSERT_LT(absl::Now(), give_up);
    absl::SleepFor(absl::Milliseconds(1));
  }
}

void SearchTest::WaitUntilReady() {
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  do {
    // Readiness also needs the watch of databases, which tells when it likes.
    WaitUntilIndexed();
  } while (!server_->IsReady() && absl::Now() < give_up);
  EXPECT_TRUE(server_->IsReady());
}

void SearchTest::StopSearch() {
  if (server_ == nullptr) return;
  server_->Stop();
  grpc_server_->Shutdown();
  grpc_server_.reset();
  server_.reset();
}

void SearchTest::CrashAndRestart() {
  const fs::path live = fs::path(cache_.path()) / "cache";
  const fs::path kept = fs::path(cache_.path()) / "kept";
  fs::copy(live, kept, fs::copy_options::recursive);
  StopSearch();
  fs::remove_all(live);
  fs::rename(kept, live);
  StartSearchSoon();
}

std::string SearchTest::Write(const std::string& id, const std::string& body) {
  const auto written =
      storage_.Upsert("notes", id, absl::StrCat("{\"body\": \"", body, "\"}"));
  EXPECT_OK(written);
  return written.ok() ? written->position() : "";
}

std::string SearchTest::Delete(const std::string& id) {
  const auto written = storage_.Delete("notes", id);
  EXPECT_OK(written);
  return written.ok() ? written->position() : "";
}

void SearchTest::EmbedPending() {
  EmbedPending(FakeEmbeddingService::kFingerprint);
  EmbedPending(FakeEmbeddingService::kTurnedFingerprint);
}

void SearchTest::EmbedPending(const std::string& fingerprint) {
  const bool is_turned =
      fingerprint == FakeEmbeddingService::kTurnedFingerprint;
  while (true) {
    ASSERT_OK_AND_ASSIGN(const auto leased, storage_.Lease(fingerprint));
    if (leased.entries().empty()) return;
    for (const storage::v1::OutboxEntry& entry : leased.entries()) {
      ASSERT_OK(storage_.Put(entry, {is_turned ? TurnedVector(entry.text())
                                               : LetterVector(entry.text())}));
    }
  }
}

void SearchTest::WriteAndIndex(const std::vector<std::string>& bodies_as_ids) {
  for (const std::string& body : bodies_as_ids) Write(body, body);
  EmbedPending();
  WaitUntilIndexed();
}

std::string SearchTest::Newest(const std::string& database) {
  grpc::ClientContext context;
  storage::v1::DatabaseServiceGetRequest request;
  request.set_database(database);
  storage::v1::DatabaseServiceGetResponse response;
  EXPECT_TRUE(storage_.databases().Get(&context, request, &response).ok());
  return response.database().position();
}

void SearchTest::WaitUntilIndexed() { EXPECT_OK(WaitForPosition(Newest())); }

v1::QueryRequest SearchTest::TextQuery(const std::string& text) {
  v1::QueryRequest request;
  request.set_collection("notes");
  request.set_text(text);
  return request;
}

v1::QueryRequest SearchTest::VectorQuery(const std::vector<float>& values) {
  v1::QueryRequest request;
  request.set_collection("notes");
  request.mutable_vector()->set_values(std::string(vector::Pack(values)));
  return request;
}

absl::StatusOr<v1::QueryResponse> SearchTest::Query(
    const v1::QueryRequest& request, absl::Duration timeout) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  v1::QueryResponse response;
  RETURN_IF_ERROR(FromGrpcStatus(search_->Query(&context, request, &response)));
  return response;
}

absl::StatusOr<v1::RecommendResponse> SearchTest::Recommend(
    const v1::RecommendRequest& request) {
  grpc::ClientContext context;
  SetDeadline(context, absl::Seconds(20));
  v1::RecommendResponse response;
  RETURN_IF_ERROR(
      FromGrpcStatus(search_->Recommend(&context, request, &response)));
  return response;
}

std::vector<std::string> SearchTest::Find(const std::string& text) {
  return Ids(TextQuery(text));
}

std::vector<std::string> SearchTest::Ids(const v1::QueryRequest& request) {
  const auto found = Query(request);
  if (!found.ok()) return {found.status().ToString()};
  return IdsOf(*found);
}

std::vector<std::string> SearchTest::IdsOf(const v1::QueryResponse& response) {
  std::vector<std::string> ids;
  for (const v1::Hit& hit : response.hits()) ids.push_back(hit.id());
  return ids;
}

absl::Status SearchTest::WaitForPosition(const std::string& position,
                                         absl::Duration timeout) {
  grpc::ClientContext context;
  SetDeadline(context, timeout);
  v1::WaitForPositionRequest request;
  request.set_position(position);
  v1::WaitForPositionResponse response;
  return FromGrpcStatus(
      indexes_->WaitForPosition(&context, request, &response));
}

std::vector<v1::Index> SearchTest::ListIndexes() {
  grpc::ClientContext context;
  v1::ListIndexesResponse response;
  EXPECT_TRUE(indexes_->ListIndexes(&context, {}, &response).ok());
  return {response.indexes().begin(), response.indexes().end()};
}

absl::StatusOr<common::v1::Operation> SearchTest::Wait(
    const std::string& operation, absl::Duration timeout) {
  grpc::ClientContext context;
  v1::OperationServiceWaitRequest request;
  request.set_name(operation);
  request.mutable_timeout()->set_seconds(absl::ToInt64Seconds(timeout));
  v1::OperationServiceWaitResponse response;
  RETURN_IF_ERROR(
      FromGrpcStatus(operations_->Wait(&context, request, &response)));
  return response.operation();
}

absl::StatusOr<v1::VerifyIndexResult> SearchTest::Verify(
    const std::string& collection) {
  grpc::ClientContext context;
  v1::VerifyIndexRequest request;
  request.set_collection(collection);
  v1::VerifyIndexResponse response;
  RETURN_IF_ERROR(
      FromGrpcStatus(indexes_->VerifyIndex(&context, request, &response)));
  ASSIGN_OR_RETURN(const common::v1::Operation operation,
                   Wait(response.operation().name(), absl::Seconds(20)));
  if (operation.state() != common::v1::Operation::STATE_SUCCEEDED) {
    return absl::Status(static_cast<absl::StatusCode>(operation.error().code()),
                        operation.error().message());
  }
  v1::VerifyIndexResult result;
  EXPECT_TRUE(operation.result().UnpackTo(&result));
  return result;
}

double SearchTest::Metric(const std::string& name) const {
  for (const prometheus::MetricFamily& family : registry_->Collect()) {
    if (family.name != name) continue;
    const prometheus::ClientMetric& metric = family.metric.at(0);
    return family.type == prometheus::MetricType::Counter ? metric.counter.value
                                                          : metric.gauge.value;
  }
  ADD_FAILURE() << "no metric " << name;
  return -1;
}

void SearchTest::SetDeadline(grpc::ClientContext& context,
                             absl::Duration timeout) {
  context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
}

}  // namespace engram::search::testing
