#include "tests/benchmarks/local_storage.h"

#include <google/protobuf/arena.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "google/protobuf/wire_format_lite.h"
#include "libs/lifecycle/process.h"
#include "tests/benchmarks/check.h"

namespace engram::benchmarks {
namespace {

constexpr int kConnections = 4;

// The message that `engramctl schema proto` writes for notes: its fields have
// the numbers 1 to 4, in the order of the document.
std::string EncodeTyped(const Note& note) {
  using Wire = google::protobuf::internal::WireFormatLite;
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream output(&stream);
  Wire::WriteString(1, note.title, &output);
  Wire::WriteString(2, note.kind, &output);
  Wire::WriteDouble(3, note.score, &output);
  Wire::WriteString(4, note.body, &output);
  output.Trim();
  return bytes;
}

// What an asynchronous call needs until its end.
template <typename Request, typename Response>
struct Call {
  grpc::ClientContext context;
  std::shared_ptr<Request> request;
  Response response;
};

}  // namespace

storage::v1::WriteRequest MakeRequest(absl::Span<const Note> notes, Body body) {
  storage::v1::WriteRequest request;
  for (const Note& note : notes) {
    storage::v1::WriteItem& item = *request.add_items();
    item.set_collection("notes");
    storage::v1::Record& record = *item.mutable_create();
    record.set_id(note.id);
    if (body == Body::kTyped) {
      record.set_typed(EncodeTyped(note));
      continue;
    }
    auto& fields = *record.mutable_fields()->mutable_fields();
    fields["title"].set_string_value(note.title);
    fields["kind"].set_string_value(note.kind);
    fields["score"].set_number_value(note.score);
    fields["body"].set_string_value(note.body);
  }
  return request;
}

std::string NotesSchema(HandWrittenStore::FullText full_text) {
  std::string yaml = R"yaml(collection: notes
fields:
  title: {type: string}
  kind: {type: string, index: true}
  score: {type: double}
  body: {type: text}
)yaml";
  if (full_text == HandWrittenStore::FullText::kBody) {
    absl::StrAppend(&yaml, "full_text: [body]\n");
  }
  return yaml;
}

void ApplySchema(const std::shared_ptr<grpc::Channel>& channel,
                 const std::string& yaml) {
  storage::v1::ApplySchemaRequest request;
  request.add_documents()->set_yaml(yaml);
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  storage::v1::ApplySchemaResponse response;
  CheckOk(storage::v1::CatalogService::NewStub(channel)->ApplySchema(
      &context, request, &response));
}

Clients::Clients(const std::string& address) {
  for (int i = 0; i < kConnections; ++i) {
    grpc::ChannelArguments arguments;
    // Channels with the same arguments share one connection.
    arguments.SetInt("engram.benchmark.connection", i);
    channels_.push_back(grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), arguments));
    records_.push_back(storage::v1::RecordService::NewStub(channels_[i]));
    health_.push_back(grpc::health::v1::Health::NewStub(channels_[i]));
  }
}

void Clients::Write(int client,
                    std::shared_ptr<storage::v1::WriteRequest> request,
                    std::function<void()> done) {
  auto call = std::make_shared<
      Call<storage::v1::WriteRequest, storage::v1::WriteResponse>>();
  call->request = std::move(request);
  records_[client % kConnections]->async()->Write(
      &call->context, call->request.get(), &call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        CheckOk(status);
        done();
      });
}

void Clients::Get(int client,
                  std::shared_ptr<storage::v1::RecordServiceGetRequest> request,
                  std::function<void()> done) {
  struct GetCall {
    grpc::ClientContext context;
    std::shared_ptr<storage::v1::RecordServiceGetRequest> request;
    // As a client does that counts microseconds.
    google::protobuf::Arena arena;
    storage::v1::RecordServiceGetResponse* response =
        google::protobuf::Arena::CreateMessage<
            storage::v1::RecordServiceGetResponse>(&arena);
  };
  auto call = std::make_shared<GetCall>();
  call->request = std::move(request);
  records_[client % kConnections]->async()->Get(
      &call->context, call->request.get(), call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        CheckOk(status);
        done();
      });
}

void Clients::Echo(int client, std::function<void()> done) {
  using Request = grpc::health::v1::HealthCheckRequest;
  auto call =
      std::make_shared<Call<Request, grpc::health::v1::HealthCheckResponse>>();
  call->request = std::make_shared<Request>();
  health_[client % kConnections]->async()->Check(
      &call->context, call->request.get(), &call->response,
      [call, done = std::move(done)](const grpc::Status& status) {
        CheckOk(status);
        done();
      });
}

LocalStorage::LocalStorage(HandWrittenStore::FullText full_text) {
  lifecycle::ConfigureProcess();
  storage::StorageOptions options;
  options.data_dir = directory_.path();
  server_ = CheckOk(storage::StorageServer::Create(options, registry_));
  endpoint_ = CheckOk(lifecycle::GrpcEndpoint::Start(
      {.listen = "127.0.0.1:0"}, registry_, server_->services()));
  CheckOk(server_->Start());
  clients_ = std::make_unique<Clients>(address());
  ApplySchema(clients_->channel(), NotesSchema(full_text));
}

std::string LocalStorage::address() const {
  return absl::StrCat("127.0.0.1:", endpoint_->port());
}

LocalStorage::~LocalStorage() {
  clients_.reset();
  server_->Stop();
  endpoint_.reset();
}

std::string LocalStorage::DatabaseFile() const {
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(directory_.path())) {
    if (entry.path().filename() == "engram.db") return entry.path();
  }
  CheckOk(absl::NotFoundError("no engram.db"));
  return "";
}

}  // namespace engram::benchmarks
