#include "services/storage/testing/storage_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/status/grpc_status.h"
#include "services/storage/storage_server.h"

namespace engram::storage::testing {
namespace {

// Turns the two outcomes of a stub's call into one.
template <typename Response>
absl::StatusOr<Response> ToResult(const grpc::Status& status,
                                  Response response) {
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

void AbortUnlessOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

TestStorage::TestStorage(const Clock& clock) : clock_(clock) { Start(); }

TestStorage::~TestStorage() { Shutdown(); }

void TestStorage::Restart() {
  Restart([] {});
}

void TestStorage::Restart(absl::FunctionRef<void()> while_stopped) {
  Shutdown();
  while_stopped();
  Start();
}

void TestStorage::RunOnce() { server_->RunOnce(); }

std::string TestStorage::DatabaseFile() const {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (entry.path().filename() == "engram.db") return entry.path();
  }
  AbortUnlessOk(absl::NotFoundError("no engram.db"));
  return "";
}

std::string TestStorage::address() const {
  return absl::StrCat("unix:", directory_.path(), "/socket");
}

void TestStorage::Start() {
  metrics_ = std::make_unique<prometheus::Registry>();
  StorageOptions options;
  options.data_dir = directory_.path();
  options.threads = 2;
  options.lock_wait = absl::ZeroDuration();
  auto server = StorageServer::Create(options, *metrics_, clock_);
  AbortUnlessOk(server.status());
  server_ = *std::move(server);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
  for (grpc::Service* service : server_->services()) {
    builder.RegisterService(service);
  }
  grpc_server_ = builder.BuildAndStart();
  channel_ = grpc_server_->InProcessChannel(grpc::ChannelArguments());
  databases_ = v1::DatabaseService::NewStub(channel_);
  catalog_ = v1::CatalogService::NewStub(channel_);
  records_ = v1::RecordService::NewStub(channel_);
  vectors_ = v1::VectorService::NewStub(channel_);
  feed_ = v1::FeedService::NewStub(channel_);
  AbortUnlessOk(server_->Start());
}

void TestStorage::Shutdown() {
  server_->Stop();
  grpc_server_->Shutdown();
  grpc_server_.reset();
  server_.reset();
}

absl::Status TestStorage::RegisterModel(const std::string& name,
                                        const std::string& fingerprint,
                                        int dimensions) {
  v1::RegisterModelsRequest request;
  common::v1::Model& model = *request.add_models();
  model.set_name(name);
  model.set_fingerprint(fingerprint);
  model.set_dimensions(dimensions);
  model.set_normalized(true);
  model.set_is_default(true);
  grpc::ClientContext context;
  v1::RegisterModelsResponse response;
  return FromGrpcStatus(catalog_->RegisterModels(&context, request, &response));
}

absl::StatusOr<v1::ApplySchemaResponse> TestStorage::ApplySchema(
    const std::vector<std::string>& documents, const std::string& database) {
  v1::ApplySchemaRequest request;
  request.set_database(database);
  for (const std::string& document : documents) {
    request.add_documents()->set_yaml(document);
  }
  grpc::ClientContext context;
  v1::ApplySchemaResponse response;
  const grpc::Status status =
      catalog_->ApplySchema(&context, request, &response);
  return ToResult(status, std::move(response));
}

absl::StatusOr<v1::WriteResponse> TestStorage::Upsert(
    const std::string& collection, const std::string& id,
    const std::string& fields_json) {
  v1::WriteRequest request;
  v1::WriteItem& item = *request.add_items();
  item.set_collection(collection);
  item.mutable_upsert()->set_id(id);
  *item.mutable_upsert()->mutable_fields() = ParseFields(fields_json);
  return Write(request);
}

absl::StatusOr<v1::WriteResponse> TestStorage::Delete(
    const std::string& collection, const std::string& id) {
  v1::WriteRequest request;
  v1::WriteItem& item = *request.add_items();
  item.set_collection(collection);
  item.mutable_delete_()->set_id(id);
  return Write(request);
}

absl::StatusOr<v1::WriteResponse> TestStorage::Write(
    const v1::WriteRequest& request) {
  grpc::ClientContext context;
  v1::WriteResponse response;
  const grpc::Status status = records_->Write(&context, request, &response);
  return ToResult(status, std::move(response));
}

absl::StatusOr<v1::Record> TestStorage::Get(const std::string& collection,
                                            const std::string& id) {
  v1::RecordServiceGetRequest request;
  request.set_collection(collection);
  request.set_id(id);
  grpc::ClientContext context;
  v1::RecordServiceGetResponse response;
  const grpc::Status status = records_->Get(&context, request, &response);
  return ToResult(status, std::move(*response.mutable_record()));
}

absl::StatusOr<v1::LeasePendingResponse> TestStorage::Lease(
    const std::string& fingerprint, int max_entries) {
  v1::LeasePendingRequest request;
  request.set_holder("test");
  request.add_fingerprints(fingerprint);
  request.set_max_entries(max_entries);
  grpc::ClientContext context;
  v1::LeasePendingResponse response;
  const grpc::Status status =
      vectors_->LeasePending(&context, request, &response);
  return ToResult(status, std::move(response));
}

absl::StatusOr<v1::PutResult> TestStorage::Put(
    const v1::OutboxEntry& entry,
    const std::vector<std::vector<float>>& chunks) {
  v1::PutVectorsRequest request;
  v1::VectorPut& put = *request.add_puts();
  put.set_database(entry.database());
  put.set_entry(entry.entry());
  put.set_generation(entry.generation());
  put.set_content_hash(entry.content_hash());
  for (const std::vector<float>& chunk : chunks) {
    put.add_chunks()->set_values(PackVector(chunk));
  }
  grpc::ClientContext context;
  v1::PutVectorsResponse response;
  const grpc::Status status =
      vectors_->PutVectors(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response.results(0);
}

absl::StatusOr<v1::GetCoverageResponse> TestStorage::Coverage(
    const std::string& collection) {
  v1::GetCoverageRequest request;
  request.set_collection(collection);
  grpc::ClientContext context;
  v1::GetCoverageResponse response;
  const grpc::Status status =
      vectors_->GetCoverage(&context, request, &response);
  return ToResult(status, std::move(response));
}

std::string PackVector(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(float)};
}

std::vector<float> UnpackVector(const std::string& bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

google::protobuf::Struct ParseFields(const std::string& json) {
  google::protobuf::Struct fields;
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, &fields);
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", json.c_str(), status.ToString().c_str());
    std::abort();
  }
  return fields;
}

}  // namespace engram::storage::testing
