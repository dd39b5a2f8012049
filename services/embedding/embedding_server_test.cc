#include "services/embedding/embedding_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/embedding/v1/admin.grpc.pb.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_storage.h"
#include "services/embedding/testing/provider_server.h"
#include "services/embedding/testing/text_vector.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::ProviderServer;

TEST(EmbeddingServerTest, RefusesBadOptionsAndMissingModels) {
  prometheus::Registry registry;
  EXPECT_THAT(EmbeddingServer::Create({.indexer_threads = 0}, registry),
              StatusIs(absl::StatusCode::kInvalidArgument, "indexer-threads"));
  EXPECT_THAT(EmbeddingServer::Create({.model_file = "/no/model"}, registry),
              StatusIs(absl::StatusCode::kNotFound, "/no/model"));
  EXPECT_THAT(EmbeddingServer::Create({.providers = "/no/file"}, registry),
              StatusIs(absl::StatusCode::kInvalidArgument, "/no/file"));
}

TEST(EmbeddingServerTest, EmbedsForStorageAndForQueriesAlike) {
  const std::string path =
      absl::StrCat(::testing::TempDir(), "engram-embedding-server-", getpid());
  testing::FakeStorage storage("unix:" + path);
  prometheus::Registry registry;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       EmbeddingServer::Create({}, registry));
  grpc::ServerBuilder builder;
  for (grpc::Service* service : server->services()) {
    builder.RegisterService(service);
  }
  const auto grpc_server = builder.BuildAndStart();
  EXPECT_FALSE(server->IsReady());
  ASSERT_OK(server->Start({grpc::CreateChannel(
      "unix:" + path, grpc::InsecureChannelCredentials())}));
  EXPECT_TRUE(server->IsReady());

  const auto stub = v1::EmbeddingService::NewStub(
      grpc_server->InProcessChannel(grpc::ChannelArguments()));
  v1::EmbedRequest request;
  request.add_texts("program to edit photographs");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub->Embed(&context, request, &response).ok());
  storage.WriteText("a", request.texts(0), response.model().fingerprint());
  storage.AwaitVectors(1);

  const auto stored = storage.vectors().at("a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(stored.data()),
                        stored.size() * sizeof(float)),
            response.embeddings(0).vector().values());

  const auto admin = v1::EmbeddingAdminService::NewStub(
      grpc_server->InProcessChannel(grpc::ChannelArguments()));
  v1::CheckProviderResponse checked;
  grpc::ClientContext check_context;
  ASSERT_TRUE(admin->CheckProvider(&check_context, {}, &checked).ok());
  ASSERT_EQ(checked.checks_size(), 1);
  EXPECT_EQ(checked.checks(0).model(), response.model().name());
  EXPECT_GT(checked.checks(0).tokens(), 0);
  EXPECT_FALSE(checked.checks(0).has_error());

  server->Stop();
  server->Stop();
  EXPECT_FALSE(server->IsReady());
  grpc_server->Shutdown();
  unlink(path.c_str());
}

// An embedding service beside a fake storage, with the model test-model of a
// provider's server, as a user's file configures it.
class RemoteModelTest : public ::testing::Test {
 protected:
  RemoteModelTest() {
    WriteKey();
    std::ofstream(file_) << "providers:\n  openai:\n    base_url: "
                         << provider_.base_url()
                         << "\n    key_file: " << key_file_
                         << "\n    proxy: none\n    timeout: 2s\n"
                            "    models: {test-model: {dimensions: 8}}\n"
                            "use: [openai/test-model]\n";
    server_ = *EmbeddingServer::Create({.providers = file_}, registry_);
    grpc::ServerBuilder builder;
    for (grpc::Service* service : server_->services()) {
      builder.RegisterService(service);
    }
    grpc_server_ = builder.BuildAndStart();
    stub_ = v1::EmbeddingService::NewStub(
        grpc_server_->InProcessChannel(grpc::ChannelArguments()));
    EXPECT_OK(server_->Start({grpc::CreateChannel(
        "unix:" + socket_, grpc::InsecureChannelCredentials())}));
  }
  ~RemoteModelTest() override {
    server_->Stop();
    grpc_server_->Shutdown();
    unlink(socket_.c_str());
    unlink(file_.c_str());
    unlink(key_file_.c_str());
  }

  void WriteKey() {
    std::ofstream(key_file_) << std::string(ProviderServer::kKey);
  }

  v1::ListModelsResponse ListModels() {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, {}, &response).ok());
    return response;
  }

  // How Embed of the remote model ends within a short while.
  absl::Status Embed(const std::string& text) {
    v1::EmbedRequest request;
    request.set_model("openai/test-model");
    request.add_texts(text);
    v1::EmbedResponse response;
    grpc::ClientContext context;
    context.set_deadline(
        absl::ToChronoTime(absl::Now() + absl::Milliseconds(1500)));
    return FromGrpcStatus(stub_->Embed(&context, request, &response));
  }
  // Why the model does not work, as far as is known.
  absl::Status Fault() {
    const auto models = ListModels();
    return models.faults().empty() ? absl::OkStatus()
                                   : FromRpcStatus(models.faults(0).error());
  }

  const std::string socket_ =
      absl::StrCat(::testing::TempDir(), "engram-remote-model-test-", getpid());
  const std::string file_ = socket_ + ".yaml";
  const std::string key_file_ = socket_ + ".key";
  ProviderServer provider_{testing::ProviderKind::kOpenAi};
  testing::FakeStorage storage_{"unix:" + socket_};
  prometheus::Registry registry_;
  std::unique_ptr<EmbeddingServer> server_;
  std::unique_ptr<grpc::Server> grpc_server_;
  std::unique_ptr<v1::EmbeddingService::Stub> stub_;
};

TEST_F(RemoteModelTest, IsListedAndEmbedsForStorageAndForQueries) {
  const auto models = ListModels();
  ASSERT_EQ(models.models_size(), 2);
  EXPECT_EQ(models.models(0).name(), "builtin/static-minilm-256");
  EXPECT_TRUE(models.models(0).is_default());
  EXPECT_EQ(models.models(1).name(), "openai/test-model");
  EXPECT_EQ(models.models(1).dimensions(), 8);

  v1::EmbedRequest request;
  request.set_model("openai/test-model");
  request.add_texts("photo editor");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Embed(&context, request, &response).ok());
  storage_.WriteText("a", "photo editor", models.models(1).fingerprint());
  storage_.AwaitVectors(1);

  EXPECT_EQ(response.model().fingerprint(), models.models(1).fingerprint());
  const auto stored = storage_.vectors().at("a");
  EXPECT_THAT(stored,
              ::testing::Pointwise(::testing::FloatNear(1e-6),
                                   testing::TextVector("photo editor", 8)));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(stored.data()),
                        stored.size() * sizeof(float)),
            response.embeddings(0).vector().values());
}

TEST_F(RemoteModelTest, AProviderThatHangsHoldsUpNoOtherModel) {
  using Fate = http::testing::FakeResponse::Fate;
  provider_.Behave({.fate = Fate::kStalled});
  const auto models = ListModels();
  // As many as would keep every indexer thread waiting, were they shared.
  for (int i = 0; i < 8; ++i) {
    storage_.WriteText(absl::StrCat("remote-", i), "text",
                       models.models(1).fingerprint());
  }
  const absl::Time start = absl::Now();
  storage_.WriteText("local", "text", models.models(0).fingerprint());
  storage_.AwaitVectors(1);

  EXPECT_EQ(storage_.vectors().count("local"), 1);
  // The provider gives up after two seconds.
  EXPECT_LT(absl::Now() - start, absl::Seconds(2));
}

TEST_F(RemoteModelTest, WithoutItsKeyTextsWaitAndTheReasonIsTold) {
  unlink(key_file_.c_str());
  EXPECT_THAT(Fault(),
              StatusIs(absl::StatusCode::kFailedPrecondition, key_file_));
  EXPECT_THAT(Embed("a"),
              StatusIs(absl::StatusCode::kFailedPrecondition, key_file_));
  storage_.WriteText("a", "a", ListModels().models(1).fingerprint());
  // The other model works on.
  storage_.WriteText("b", "b", ListModels().models(0).fingerprint());
  storage_.AwaitVectors(1);
  EXPECT_EQ(storage_.vectors().count("b"), 1);
  EXPECT_THAT(provider_.requests(), ::testing::IsEmpty());

  WriteKey();
  EXPECT_OK(Embed("a"));
  EXPECT_OK(Fault());
}

TEST_F(RemoteModelTest, ARevokedKeyIsTold) {
  provider_.Behave({.status = 401, .words = "key was revoked"});
  EXPECT_THAT(
      Embed("a"),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               "key was revoked (invalid_request_error); check the key"));
  EXPECT_THAT(Fault(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                "key was revoked"));
  provider_.Behave({});
  EXPECT_OK(Embed("a"));
  EXPECT_OK(Fault());
}

TEST_F(RemoteModelTest, AMistypedModelIsTold) {
  provider_.Behave({.status = 404, .words = "model `x` does not exist"});
  EXPECT_THAT(Embed("a"), StatusIs(absl::StatusCode::kFailedPrecondition,
                                   "check the model's id"));
  EXPECT_THAT(Fault(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                "`x` does not exist"));
}

TEST_F(RemoteModelTest, ATextIsPaidForOnce) {
  EXPECT_OK(Embed("a"));
  EXPECT_OK(Embed("a"));
  EXPECT_THAT(provider_.requests(), ::testing::SizeIs(1));
}

// Whatever the cache holds.
TEST_F(RemoteModelTest, CheckProviderAsksItEachTime) {
  const auto admin = v1::EmbeddingAdminService::NewStub(
      grpc_server_->InProcessChannel(grpc::ChannelArguments()));
  const auto check = [&] {
    v1::CheckProviderRequest request;
    request.set_model("openai/test-model");
    v1::CheckProviderResponse response;
    grpc::ClientContext context;
    EXPECT_TRUE(admin->CheckProvider(&context, request, &response).ok());
    return FromRpcStatus(response.checks(0).error());
  };
  EXPECT_OK(check());
  provider_.Behave({.status = 401, .words = "key was revoked"});
  EXPECT_THAT(check(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                "key was revoked"));
}

TEST(EmbeddingServerTest, StopsWithoutHavingStarted) {
  prometheus::Registry registry;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       EmbeddingServer::Create({}, registry));
  server->Stop();
  EXPECT_FALSE(server->IsReady());
}

}  // namespace
}  // namespace engram::embedding
