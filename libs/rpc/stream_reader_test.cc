#include "libs/rpc/stream_reader.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/rpc/reactors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::rpc {
namespace {

using engram::testing::StatusIs;
using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Watch streams as many messages as the service's name says, then ends with
// DataLoss; or, if the name is empty, one, and nothing until it is cancelled.
class StreamingServer : public Health::CallbackService {
 public:
  StreamingServer() {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(),
                             &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    stub_ = Health::NewStub(grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()));
  }

  Health::Stub& stub() { return *stub_; }
  // Of a stream that says nothing.
  void WaitForCancel() { cancelled_.WaitForNotification(); }

  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* context,
                                  const HealthCheckRequest*,
                                  HealthCheckResponse*) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    Finish(reactor, absl::OkStatus());
    return reactor;
  }
  grpc::ServerWriteReactor<HealthCheckResponse>* Watch(
      grpc::CallbackServerContext*,
      const HealthCheckRequest* request) override {
    int messages = 0;
    if (!absl::SimpleAtoi(request->service(), &messages)) messages = -1;
    return BeginStream(new Stream(messages, cancelled_));
  }

 private:
  class Stream : public StreamReactor<HealthCheckResponse> {
   public:
    Stream(int messages, absl::Notification& cancelled)
        : messages_(messages), cancelled_(cancelled) {}

   private:
    void Next() override {
      if (sent_ == messages_) return End(absl::DataLossError("no more"));
      if (sent_ == 1 && messages_ < 0) {
        waits_ = true;
        if (stopped()) EndWait();
        return;
      }
      HealthCheckResponse message;
      message.set_status(HealthCheckResponse::SERVING);
      ++sent_;
      Send(message);
    }
    void OnStop() override {
      cancelled_.Notify();
      EndWait();
    }
    void EndWait() {
      if (waits_.exchange(false)) End(absl::CancelledError("stopped"));
    }

    const int messages_;
    absl::Notification& cancelled_;
    int sent_ = 0;
    std::atomic<bool> waits_ = false;
  };

  absl::Notification cancelled_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<Health::Stub> stub_;
};

class StreamReaderTest : public ::testing::Test {
 protected:
  StreamReader<HealthCheckResponse> Watch(const std::string& service) {
    request_.set_service(service);
    return StreamReader<HealthCheckResponse>(context_, [&](auto* reactor) {
      server_.stub().async()->Watch(&context_, &request_, reactor);
    });
  }

  StreamingServer server_;
  grpc::ClientContext context_;
  HealthCheckRequest request_;
  HealthCheckResponse message_;
};

TEST_F(StreamReaderTest, ReadsEveryMessageAndHowTheCallEnded) {
  auto reader = Watch("3");
  for (int i = 0; i < 3; ++i) {
    message_.Clear();
    ASSERT_TRUE(reader.Read(&message_));
    EXPECT_EQ(message_.status(), HealthCheckResponse::SERVING);
  }
  EXPECT_FALSE(reader.Read(&message_));
  EXPECT_THAT(reader.Finish(),
              StatusIs(absl::StatusCode::kDataLoss, "no more"));
}

TEST_F(StreamReaderTest, ACallThatEndsBetweenReadsCanBeReadOn) {
  auto reader = Watch("");
  ASSERT_TRUE(reader.Read(&message_));
  context_.TryCancel();
  server_.WaitForCancel();
  absl::SleepFor(absl::Milliseconds(50));  // Until the client knows, too.
  EXPECT_FALSE(reader.Read(&message_));
  EXPECT_THAT(reader.Finish(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StreamReaderTest, ACallThatIsNotFinishedIsCancelled) {
  {
    auto reader = Watch("");
    ASSERT_TRUE(reader.Read(&message_));
  }
  server_.WaitForCancel();
}

// What makes a server beside it slow.
TEST_F(StreamReaderTest, AThreadThatWaitsIsNotWokenByOtherCalls) {
  constexpr int kCalls = 500;
  auto reader = Watch("");
  ASSERT_TRUE(reader.Read(&message_));
  int64_t wakes = 0;
  std::thread waiting([&] {
    EXPECT_FALSE(reader.Read(&message_));
    rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    wakes = usage.ru_nvcsw;
  });
  for (int i = 0; i < kCalls; ++i) {
    grpc::ClientContext context;
    HealthCheckResponse response;
    ASSERT_TRUE(server_.stub().Check(&context, {}, &response).ok());
  }
  context_.TryCancel();
  waiting.join();
  EXPECT_THAT(reader.Finish(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(wakes, kCalls / 10);
}

}  // namespace
}  // namespace engram::rpc
