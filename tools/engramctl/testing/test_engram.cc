#include "tools/engramctl/testing/test_engram.h"

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "services/storage/storage_server.h"

namespace engram::engramctl::testing {
namespace {

constexpr int kMaxMessageBytes = 1 << 20;

void AbortUnlessOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

TestEngram::TestEngram() {
  storage::StorageOptions options;
  options.data_dir = directory_.path();
  options.lock_wait = absl::ZeroDuration();
  auto storage = storage::StorageServer::Create(options, metrics_);
  AbortUnlessOk(storage.status());
  storage_ = *std::move(storage);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                           &port);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  for (grpc::Service* service : storage_->services()) {
    builder.RegisterService(service);
  }
  builder.RegisterService(&search);
  builder.RegisterService(&indexes);
  builder.RegisterService(&operations);
  builder.RegisterService(&embedding);
  builder.RegisterService(&embedding_admin);
  server_ = builder.BuildAndStart();
  address_ = absl::StrCat("127.0.0.1:", port);
  AbortUnlessOk(storage_->Start());
}

TestEngram::~TestEngram() {
  storage_->Stop();
  server_->Shutdown();
  server_.reset();
}

void TestEngram::RegisterModel() {
  storage::v1::RegisterModelsRequest request;
  auto* model = request.add_models();
  model->set_name("test/model");
  model->set_fingerprint("test");
  model->set_dimensions(2);
  model->set_normalized(true);
  model->set_is_default(true);
  const auto stub = storage::v1::CatalogService::NewStub(
      server_->InProcessChannel(grpc::ChannelArguments()));
  grpc::ClientContext context;
  storage::v1::RegisterModelsResponse response;
  AbortUnlessOk(
      FromGrpcStatus(stub->RegisterModels(&context, request, &response)));
}

}  // namespace engram::engramctl::testing
