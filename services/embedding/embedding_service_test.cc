#include "services/embedding/embedding_service.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;
using ::testing::HasSubstr;
using ::testing::Not;

class EmbeddingServiceTest : public ::testing::Test {
 protected:
  EmbeddingServiceTest() {
    auto local = std::make_unique<FakeProvider>("fake/local");
    auto remote = std::make_unique<FakeProvider>("fake/remote");
    local_ = local.get();
    remote_ = remote.get();
    local_->set_is_local(true);
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(std::move(local));
    providers.push_back(std::move(remote));
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/local");
    service_ =
        std::make_unique<EmbeddingService>(*catalog_, pool_, remote_pool_);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::EmbeddingService::NewStub(
        server_->InProcessChannel(grpc::ChannelArguments()));
  }

  absl::StatusOr<v1::EmbedResponse> Embed(
      const std::vector<std::string>& texts, const std::string& model = "",
      v1::Purpose purpose = v1::PURPOSE_QUERY) {
    v1::EmbedRequest request;
    request.set_model(model);
    request.set_purpose(purpose);
    request.mutable_texts()->Assign(texts.begin(), texts.end());
    v1::EmbedResponse response;
    grpc::ClientContext context;
    const absl::Status status =
        FromGrpcStatus(stub_->Embed(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  static std::vector<float> Decode(const v1::Embedding& embedding) {
    const std::string& bytes = embedding.vector().values();
    std::vector<float> vector(bytes.size() / sizeof(float));
    std::memcpy(vector.data(), bytes.data(), bytes.size());
    return vector;
  }

  // One call at a time, and one that waits.
  rpc::ThreadPool pool_{1, 1};
  rpc::ThreadPool remote_pool_{1, 1};
  FakeProvider* local_;
  FakeProvider* remote_;
  std::unique_ptr<ModelCatalog> catalog_;
  std::unique_ptr<EmbeddingService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::EmbeddingService::Stub> stub_;
};

TEST_F(EmbeddingServiceTest, ReturnsAVectorATextInTheirOrder) {
  for (const std::string model : {"fake/local", "fake/remote"}) {
    ASSERT_OK_AND_ASSIGN(const auto response, Embed({"b", "a"}, model));

    ASSERT_EQ(response.embeddings_size(), 2);
    EXPECT_EQ(Decode(response.embeddings(0)), local_->VectorOf("b"));
    EXPECT_EQ(Decode(response.embeddings(1)), local_->VectorOf("a"));
    EXPECT_EQ(response.embeddings(0).tokens(), 1);
    EXPECT_EQ(response.model().name(), model);
    EXPECT_EQ(response.model().fingerprint(), model + "@1");
    EXPECT_EQ(response.model().dimensions(), 8);
    EXPECT_TRUE(response.model().normalized());
  }
}

TEST_F(EmbeddingServiceTest, EmptyModelIsTheDefault) {
  ASSERT_OK_AND_ASSIGN(const auto response, Embed({"a"}));

  EXPECT_EQ(response.model().name(), "fake/local");
  EXPECT_TRUE(response.model().is_default());
}

TEST_F(EmbeddingServiceTest, PassesThePurposeOn) {
  ASSERT_OK(Embed({"a"}, "", v1::PURPOSE_QUERY));
  EXPECT_EQ(local_->last_purpose(), Purpose::kQuery);
  ASSERT_OK(Embed({"a"}, "", v1::PURPOSE_UNSPECIFIED));
  EXPECT_EQ(local_->last_purpose(), Purpose::kDocument);
  EXPECT_THAT(Embed({"a"}, "", static_cast<v1::Purpose>(7)),
              StatusIs(absl::StatusCode::kInvalidArgument, "purpose"));
}

TEST_F(EmbeddingServiceTest, UnknownModelListsThoseThereAre) {
  const absl::Status status = Embed({"a"}, "fake/none").status();

  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound, "fake/local, fake/remote"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_MODEL_UNKNOWN);
}

TEST_F(EmbeddingServiceTest, EmptyTextIsNamedByItsPlace) {
  const absl::Status status = Embed({"a", "b", "c", ""}).status();

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "texts[3]"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FIELD_INVALID);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("texts[0]")));
}

TEST_F(EmbeddingServiceTest, TakesOneTo2048Texts) {
  EXPECT_THAT(Embed({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                  "texts: has 0 texts"));
  EXPECT_THAT(Embed(std::vector<std::string>(2049, "a")),
              StatusIs(absl::StatusCode::kInvalidArgument, "2048"));
  EXPECT_OK(Embed(std::vector<std::string>(2048, "a")));
}

TEST_F(EmbeddingServiceTest, ProvidersErrorsReachTheCaller) {
  for (auto* provider : {local_, remote_}) {
    provider->set_before(
        [](auto) { return absl::UnavailableError("is down"); });
    EXPECT_THAT(Embed({"a"}, provider->model().name),
                StatusIs(absl::StatusCode::kUnavailable, "is down"));
  }
}

TEST_F(EmbeddingServiceTest,
       AFullQueueOfRemoteCallsIsRefusedAndHoldsUpNoLocalModel) {
  absl::Notification running, release;
  remote_->set_before([&](auto) {
    if (!running.HasBeenNotified()) running.Notify();
    release.WaitForNotification();
    return absl::OkStatus();
  });
  std::thread first([&] { EXPECT_OK(Embed({"a"}, "fake/remote")); });
  running.WaitForNotification();
  // One more waits in the queue, and the next is refused: which of them is
  // which is for the scheduler to say.
  absl::Notification refused;
  std::vector<std::thread> others;
  absl::Mutex mutex;
  std::vector<absl::StatusCode> codes;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      const auto status = Embed({"a"}, "fake/remote").status();
      absl::MutexLock lock(&mutex);
      codes.push_back(status.code());
      if (absl::IsResourceExhausted(status)) refused.Notify();
    });
  }
  refused.WaitForNotification();

  EXPECT_OK(Embed({"a"}, "fake/local"));
  // Too long for gRPC's own thread.
  EXPECT_OK(Embed({std::string(5000, 'a')}, "fake/local"));

  release.Notify();
  first.join();
  for (auto& other : others) other.join();
  EXPECT_THAT(codes, ElementsAre(absl::StatusCode::kResourceExhausted,
                                 absl::StatusCode::kOk));
}

TEST_F(EmbeddingServiceTest, ListsItsModelsByName) {
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub_->ListModels(&context, {}, &response).ok());

  ASSERT_EQ(response.models_size(), 2);
  EXPECT_EQ(response.models(0).name(), "fake/local");
  EXPECT_TRUE(response.models(0).is_default());
  EXPECT_EQ(response.models(1).name(), "fake/remote");
  EXPECT_FALSE(response.models(1).is_default());
}

}  // namespace
}  // namespace engram::embedding
