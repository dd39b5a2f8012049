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
    setenv("ENGRAM_TEST_SERVER_KEY", std::string(ProviderServer::kKey).c_str(),
           1);
    std::ofstream(file_) << "providers:\n  openai:\n    base_url: "
                         << provider_.base_url()
                         << "\n    key_env: ENGRAM_TEST_SERVER_KEY\n"
                            "    proxy: none\n    timeout: 2s\n"
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
  }

  v1::ListModelsResponse ListModels() {
    grpc::ClientContext context;
    v1::ListModelsResponse response;
    EXPECT_TRUE(stub_->ListModels(&context, {}, &response).ok());
    return response;
  }

  const std::string socket_ =
      absl::StrCat(::testing::TempDir(), "engram-remote-model-test-", getpid());
  const std::string file_ = socket_ + ".yaml";
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

TEST(EmbeddingServerTest, StopsWithoutHavingStarted) {
  prometheus::Registry registry;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       EmbeddingServer::Create({}, registry));
  server->Stop();
  EXPECT_FALSE(server->IsReady());
}

}  // namespace
}  // namespace engram::embedding
