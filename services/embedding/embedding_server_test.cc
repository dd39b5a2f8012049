#include "services/embedding/embedding_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_storage.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;

TEST(EmbeddingServerTest, RefusesBadOptionsAndMissingModels) {
  prometheus::Registry registry;
  EXPECT_THAT(EmbeddingServer::Create({.indexer_threads = 0}, registry),
              StatusIs(absl::StatusCode::kInvalidArgument, "indexer-threads"));
  EXPECT_THAT(EmbeddingServer::Create({.model_file = "/no/model"}, registry),
              StatusIs(absl::StatusCode::kNotFound, "/no/model"));
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

  server->Stop();
  server->Stop();
  EXPECT_FALSE(server->IsReady());
  grpc_server->Shutdown();
  unlink(path.c_str());
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
