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
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;
using ::testing::HasSubstr;
using testing::HeldProvider;
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
    auto held = std::make_unique<HeldProvider>();
    held_ = held.get();
    providers.push_back(std::move(held));
    auto reranker = std::make_unique<FakeProvider>("fake/rerank", 1);
    reranker_ = reranker.get();
    std::vector<std::unique_ptr<Provider>> rerankers;
    rerankers.push_back(std::move(reranker));
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/local",
                                     std::move(rerankers));
    service_ = std::make_unique<EmbeddingService>(*catalog_, pool_, 2);
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
  FakeProvider* local_;
  FakeProvider* remote_;
  HeldProvider* held_;
  FakeProvider* reranker_;
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

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound,
                               "fake/local, fake/remote, held/small"));
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

TEST_F(EmbeddingServiceTest, CallsThatWaitForRemoteModelsHoldNothingElseUp) {
  std::vector<std::thread> calls;
  for (int i = 0; i < 2; ++i) {
    calls.emplace_back([&] { EXPECT_OK(Embed({"a"}, "held/small")); });
  }
  held_->AwaitCalls(2);

  EXPECT_OK(Embed({"a"}, "fake/local"));
  // Too long for gRPC's own thread.
  EXPECT_OK(Embed({std::string(5000, 'a')}, "fake/local"));
  // No more than two may wait.
  const absl::Status refused = Embed({"a"}, "held/small").status();
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kResourceExhausted, "2 calls"));
  EXPECT_TRUE(RetryDelayOf(refused).has_value());

  held_->Answer(0);
  held_->Answer(1);
  for (auto& call : calls) call.join();
  // And there is room again.
  std::thread later([&] { EXPECT_OK(Embed({"a"}, "held/small")); });
  held_->AwaitCalls(3);
  held_->Answer(2);
  later.join();
}

TEST_F(EmbeddingServiceTest, AClientThatLeavesOrWillWaitNoMoreIsKnownBelow) {
  v1::EmbedRequest request;
  request.set_model("held/small");
  request.add_texts("a");
  v1::EmbedResponse response;
  grpc::ClientContext context;
  const auto deadline = absl::Now() + absl::Hours(1);
  context.set_deadline(absl::ToChronoTime(deadline));
  std::thread call([&] {
    EXPECT_EQ(stub_->Embed(&context, request, &response).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  held_->AwaitCalls(1);
  EXPECT_LT(held_->call(0).caller->deadline(), deadline + absl::Seconds(1));
  EXPECT_GT(held_->call(0).caller->deadline(), deadline - absl::Seconds(60));

  absl::Notification left;
  held_->call(0).caller->OnLeave([&] { left.Notify(); });
  context.TryCancel();
  left.WaitForNotification();
  call.join();
  held_->Fail(0, absl::CancelledError("gone"));
}

TEST_F(EmbeddingServiceTest, AnswersTellWhatTheyTook) {
  ASSERT_OK_AND_ASSIGN(const auto response, Embed({"a", "b"}));

  EXPECT_EQ(response.usage().tokens(), 2);
  EXPECT_EQ(response.usage().paid_tokens(), 2);
  EXPECT_EQ(response.usage().cost_usd(), 1);
}

TEST_F(EmbeddingServiceTest, TextsThatFailMayLeaveTheOthersTheirVectors) {
  v1::EmbedRequest request;
  request.set_model("held/small");
  request.set_partial(true);
  for (const char* const text : {"a", "b", "c"}) request.add_texts(text);
  v1::EmbedResponse response;
  std::thread call([&] {
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->Embed(&context, request, &response).ok());
  });
  held_->AwaitCalls(1);
  held_->Answer(
      0, {EmbeddedText{.vector = {1, 0, 0, 0}},
          absl::InvalidArgumentError("is too long"),
          WithRetryDelay(absl::UnavailableError("is down"), absl::Seconds(7))});
  call.join();

  ASSERT_EQ(response.embeddings_size(), 3);
  EXPECT_FALSE(response.embeddings(0).has_error());
  EXPECT_FALSE(response.embeddings(1).has_vector());
  EXPECT_THAT(
      FromRpcStatus(response.embeddings(1).error()),
      StatusIs(absl::StatusCode::kInvalidArgument, "texts[1]: is too long"));
  EXPECT_EQ(RetryDelayOf(FromRpcStatus(response.embeddings(2).error())),
            absl::Seconds(7));
}

TEST_F(EmbeddingServiceTest, RerankReturnsTheBestFirst) {
  reranker_->set_change_answer([](auto& answer) {
    const float scores[] = {0.1F, 0.7F, 0.3F, 0.7F};
    for (size_t i = 0; i < answer.size(); ++i) answer[i].vector = {scores[i]};
  });
  v1::RerankRequest request;
  request.set_query("q");
  request.set_limit(3);
  for (const char* const text : {"a", "b", "c", "d"}) {
    request.add_documents(text);
  }
  v1::RerankResponse response;
  grpc::ClientContext context;
  ASSERT_OK(FromGrpcStatus(stub_->Rerank(&context, request, &response)));

  EXPECT_EQ(response.model(), "fake/rerank");
  ASSERT_EQ(response.documents_size(), 3);
  EXPECT_EQ(response.documents(0).index(), 1);
  EXPECT_EQ(response.documents(1).index(), 3);
  EXPECT_EQ(response.documents(2).index(), 2);
  EXPECT_FLOAT_EQ(response.documents(2).score(), 0.3F);
  EXPECT_EQ(response.usage().tokens(), 4);
}

TEST_F(EmbeddingServiceTest, RerankNamesWhatIsWrong) {
  v1::RerankRequest request;
  request.set_limit(-1);
  request.add_documents("a");
  request.add_documents("");
  v1::RerankResponse response;
  const auto rerank = [&] {
    grpc::ClientContext context;
    return FromGrpcStatus(stub_->Rerank(&context, request, &response));
  };
  const absl::Status status = rerank();
  for (const char* const field : {"query: ", "documents[1]: ", "limit: "}) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, field));
  }
  request.set_query("q");
  request.set_limit(0);
  request.set_documents(1, "b");
  request.set_model("fake/local");
  EXPECT_THAT(rerank(), StatusIs(absl::StatusCode::kNotFound, "fake/rerank"));
  request.clear_model();
  reranker_->set_before([](auto) { return absl::UnavailableError("down"); });
  EXPECT_THAT(rerank(), StatusIs(absl::StatusCode::kUnavailable, "down"));
}

TEST_F(EmbeddingServiceTest, CountsTokensOrTellsThatItGuesses) {
  v1::CountTokensRequest request;
  request.set_model("fake/remote");
  request.add_texts(std::string(400, 'a'));
  request.add_texts("b");
  v1::CountTokensResponse response;
  grpc::ClientContext context;
  ASSERT_OK(FromGrpcStatus(stub_->CountTokens(&context, request, &response)));

  EXPECT_THAT(response.tokens(), ElementsAre(80, 1));
  EXPECT_FALSE(response.exact());
}

TEST_F(EmbeddingServiceTest, ModelsThatDoNotWorkAreListedWithTheReason) {
  remote_->set_health(absl::FailedPreconditionError("no key"));
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub_->ListModels(&context, {}, &response).ok());

  ASSERT_EQ(response.faults_size(), 1);
  EXPECT_EQ(response.faults(0).model(), "fake/remote");
  EXPECT_THAT(FromRpcStatus(response.faults(0).error()),
              StatusIs(absl::StatusCode::kFailedPrecondition, "no key"));
  ASSERT_EQ(response.rerank_models_size(), 1);
  EXPECT_EQ(response.rerank_models(0).name(), "fake/rerank");
}

TEST_F(EmbeddingServiceTest, ListsItsModelsByName) {
  grpc::ClientContext context;
  v1::ListModelsResponse response;
  ASSERT_TRUE(stub_->ListModels(&context, {}, &response).ok());

  ASSERT_EQ(response.models_size(), 3);
  EXPECT_EQ(response.models(0).name(), "fake/local");
  EXPECT_TRUE(response.models(0).is_default());
  EXPECT_EQ(response.models(1).name(), "fake/remote");
  EXPECT_FALSE(response.models(1).is_default());
}

}  // namespace
}  // namespace engram::embedding
