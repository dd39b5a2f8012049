#include "services/embedding/embed_stream.h"

#include <gmock/gmock.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/embedding/embedding_service.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/embedding/testing/held_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using testing::FakeProvider;
using testing::HeldProvider;

class EmbedStreamTest : public ::testing::Test {
 protected:
  EmbedStreamTest() {
    // Of the largest vectors there are.
    auto fake = std::make_unique<FakeProvider>("fake/large", 4096);
    fake_ = fake.get();
    fake_->set_is_local(true);
    auto held = std::make_unique<HeldProvider>();
    held_ = held.get();
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(std::move(fake));
    providers.push_back(std::move(held));
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/large");
    service_ = std::make_unique<EmbeddingService>(*catalog_, pool_, 100);
    grpc::ServerBuilder builder;
    builder.RegisterService(service_.get());
    server_ = builder.BuildAndStart();
    stub_ = v1::EmbeddingService::NewStub(
        server_->InProcessChannel(grpc::ChannelArguments()));
    stream_ = stub_->EmbedStream(&context_);
  }

  bool Send(const std::vector<std::string>& texts,
            const std::string& model = "") {
    v1::EmbedStreamRequest request;
    request.set_model(model);
    request.mutable_texts()->Assign(texts.begin(), texts.end());
    return stream_->Write(request);
  }
  absl::Status Finish() { return FromGrpcStatus(stream_->Finish()); }

  rpc::ThreadPool pool_{1, 100};
  FakeProvider* fake_;
  HeldProvider* held_;
  std::unique_ptr<ModelCatalog> catalog_;
  std::unique_ptr<EmbeddingService> service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<v1::EmbeddingService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<
      grpc::ClientReaderWriter<v1::EmbedStreamRequest, v1::EmbedStreamResponse>>
      stream_;
};

TEST_F(EmbedStreamTest, AnswersBeyondTheMessageLimitInOrder) {
  // 1,000 vectors of 16 KiB.
  constexpr int kTexts = 1000;
  std::thread writer([&] {
    for (int i = 0; i < kTexts; i += 250) {
      std::vector<std::string> texts;
      for (int j = i; j < i + 250; ++j) texts.push_back(absl::StrCat("t", j));
      EXPECT_TRUE(Send(texts));
    }
    stream_->WritesDone();
  });
  int received = 0;
  v1::EmbedStreamResponse response;
  while (stream_->Read(&response)) {
    EXPECT_LT(response.ByteSizeLong(), 2 << 20);
    EXPECT_EQ(response.first(), received);
    EXPECT_EQ(response.has_model(), received == 0);
    EXPECT_EQ(response.usage().tokens(), response.embeddings_size());
    for (const auto& embedding : response.embeddings()) {
      EXPECT_EQ(vector::Unpack(embedding.vector().values()),
                fake_->VectorOf(absl::StrCat("t", received)));
      ++received;
    }
  }
  writer.join();

  EXPECT_OK(Finish());
  EXPECT_EQ(received, kTexts);
}

TEST_F(EmbedStreamTest, MessagesAreEmbeddedAtOnceAndAnsweredInOrder) {
  ASSERT_TRUE(Send({"a"}, "held/small"));
  ASSERT_TRUE(Send({"b", "c"}));
  held_->AwaitCalls(2);
  held_->Answer(1);
  held_->Answer(0);
  v1::EmbedStreamResponse first, second;
  ASSERT_TRUE(stream_->Read(&first));
  ASSERT_TRUE(stream_->Read(&second));

  EXPECT_EQ(first.first(), 0);
  EXPECT_EQ(first.embeddings_size(), 1);
  EXPECT_EQ(second.first(), 1);
  EXPECT_EQ(second.embeddings_size(), 2);
  stream_->WritesDone();
  EXPECT_OK(Finish());
}

TEST_F(EmbedStreamTest, ATextThatFailsHasItsErrorAndTheStreamGoesOn) {
  ASSERT_TRUE(Send({"a", "b"}, "held/small"));
  held_->AwaitCalls(1);
  held_->Answer(0, {absl::InvalidArgumentError("is too long"),
                    absl::UnavailableError("down")});
  ASSERT_TRUE(Send({"c"}));
  held_->AwaitCalls(2);
  held_->Answer(1);
  v1::EmbedStreamResponse first, second;
  ASSERT_TRUE(stream_->Read(&first));
  ASSERT_TRUE(stream_->Read(&second));

  EXPECT_THAT(FromRpcStatus(first.embeddings(0).error()),
              StatusIs(absl::StatusCode::kInvalidArgument, "is too long"));
  EXPECT_THAT(FromRpcStatus(first.embeddings(1).error()),
              StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_TRUE(second.embeddings(0).has_vector());
  stream_->WritesDone();
  EXPECT_OK(Finish());
}

TEST_F(EmbedStreamTest, AStreamWithoutTextsEndsWell) {
  ASSERT_TRUE(Send({}));
  stream_->WritesDone();
  EXPECT_OK(Finish());
}

TEST_F(EmbedStreamTest, MistakesEndIt) {
  ASSERT_TRUE(Send({"a"}, "fake/none"));
  EXPECT_THAT(Finish(), StatusIs(absl::StatusCode::kNotFound, "fake/large"));

  grpc::ClientContext context;
  stream_ = stub_->EmbedStream(&context);
  ASSERT_TRUE(Send(std::vector<std::string>(2049, "a")));
  EXPECT_THAT(Finish(), StatusIs(absl::StatusCode::kInvalidArgument,
                                 "texts: has 2049 texts"));
}

// Of millions, one must not end the stream of the others.
TEST_F(EmbedStreamTest, AnEmptyTextHasItsErrorAndNoModelSeesIt) {
  ASSERT_TRUE(Send({"a", "", "b"}));
  ASSERT_TRUE(Send({""}));
  v1::EmbedStreamResponse first, second;
  ASSERT_TRUE(stream_->Read(&first));
  ASSERT_TRUE(stream_->Read(&second));
  ASSERT_EQ(first.embeddings_size(), 3);
  EXPECT_EQ(vector::Unpack(first.embeddings(0).vector().values()),
            fake_->VectorOf("a"));
  EXPECT_THAT(FromRpcStatus(first.embeddings(1).error()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "texts[1]: is empty; give a text"));
  EXPECT_EQ(vector::Unpack(first.embeddings(2).vector().values()),
            fake_->VectorOf("b"));
  EXPECT_TRUE(second.embeddings(0).has_error());
  EXPECT_EQ(fake_->calls(), 1);
  stream_->WritesDone();
  EXPECT_OK(Finish());
}

TEST_F(EmbedStreamTest, AClientThatLeavesIsKnownBelow) {
  ASSERT_TRUE(Send({"a"}, "held/small"));
  held_->AwaitCalls(1);
  absl::Notification left;
  held_->call(0).caller->OnLeave([&] { left.Notify(); });
  context_.TryCancel();
  left.WaitForNotification();
  held_->Fail(0, absl::CancelledError("gone"));

  EXPECT_THAT(Finish(), StatusIs(absl::StatusCode::kCancelled));
}

// One that sends without reading would fill the memory.
TEST_F(EmbedStreamTest, ReadsNoMoreThanAFewMessagesAhead) {
  std::thread writer([&] {
    for (int i = 0; i < 6; ++i) {
      EXPECT_TRUE(Send({absl::StrCat("t", i)}, "held/small"));
    }
    stream_->WritesDone();
  });
  held_->AwaitCalls(4);
  for (int i = 0; i < 6; ++i) {
    held_->AwaitCalls(i + 1);
    // Never more than four that are not answered.
    EXPECT_LE(held_->calls(), i + 4);
    held_->Answer(i);
    v1::EmbedStreamResponse response;
    ASSERT_TRUE(stream_->Read(&response));
  }
  writer.join();
  EXPECT_OK(Finish());
}

}  // namespace
}  // namespace engram::embedding
