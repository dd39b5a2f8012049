#include "libs/lifecycle/grpc_endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <thread>

#include "libs/status/testing/status_matchers.h"

namespace engram::lifecycle {
namespace {

using ::engram::testing::StatusIs;
using ::grpc::health::v1::Health;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

class GrpcEndpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    options_.listen = "127.0.0.1:0";
    ASSERT_OK_AND_ASSIGN(endpoint_,
                         GrpcEndpoint::Start(options_, registry_, {}));
    health_ = Health::NewStub(
        ConnectTo("127.0.0.1:" + std::to_string(endpoint_->port())));
  }

  HealthCheckResponse::ServingStatus CheckServer() {
    grpc::ClientContext context;
    HealthCheckResponse response;
    EXPECT_TRUE(health_->Check(&context, {}, &response).ok());
    return response.status();
  }

  ServerOptions options_;
  prometheus::Registry registry_;
  std::unique_ptr<GrpcEndpoint> endpoint_;
  std::unique_ptr<Health::Stub> health_;
};

TEST_F(GrpcEndpointTest, HealthFollowsReadiness) {
  EXPECT_EQ(CheckServer(), HealthCheckResponse::NOT_SERVING);
  endpoint_->SetServing();
  EXPECT_EQ(CheckServer(), HealthCheckResponse::SERVING);
  endpoint_->SetNotServing();
  EXPECT_EQ(CheckServer(), HealthCheckResponse::NOT_SERVING);
}

TEST_F(GrpcEndpointTest, UnknownServiceIsNotFound) {
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("engram.nothing");
  HealthCheckResponse response;
  EXPECT_EQ(health_->Check(&context, request, &response).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcEndpointTest, WatchSeesEveryChangeAndEndsWithTheServer) {
  grpc::ClientContext context;
  auto stream = health_->Watch(&context, {});
  HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  endpoint_->SetServing();
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  endpoint_->SetNotServing();
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcEndpointTest, CancelledWatchLetsTheServerStop) {
  auto context = std::make_unique<grpc::ClientContext>();
  auto stream = health_->Watch(context.get(), {});
  HealthCheckResponse response;
  ASSERT_TRUE(stream->Read(&response));
  context->TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  endpoint_->Shutdown(absl::Seconds(10));
}

TEST_F(GrpcEndpointTest, CallsAreCountedByMethodAndCode) {
  CheckServer();
  grpc::ClientContext context;
  HealthCheckRequest request;
  request.set_service("engram.nothing");
  HealthCheckResponse response;
  health_->Check(&context, request, &response);

  const std::string page =
      prometheus::TextSerializer().Serialize(registry_.Collect());
  const std::string labels =
      "grpc_method=\"Check\",grpc_service=\"grpc.health.v1.Health\","
      "grpc_type=\"unary\"}";
  EXPECT_THAT(page, HasSubstr("grpc_server_started_total{" + labels + " 2"));
  EXPECT_THAT(page, HasSubstr("grpc_server_handled_total{grpc_code=\"OK\"," +
                              labels + " 1"));
  EXPECT_THAT(page,
              HasSubstr("grpc_server_handled_total{grpc_code=\"NotFound\"," +
                        labels + " 1"));
  EXPECT_THAT(page,
              HasSubstr("grpc_server_handling_seconds_count{" + labels + " 2"));
}

TEST_F(GrpcEndpointTest, InProcessChannelReachesTheSameServices) {
  endpoint_->SetServing();
  health_ = Health::NewStub(endpoint_->InProcessChannel());
  EXPECT_EQ(CheckServer(), HealthCheckResponse::SERVING);
}

TEST_F(GrpcEndpointTest, TakenPortIsAnError) {
  ServerOptions options = options_;
  options.listen = "127.0.0.1:" + std::to_string(endpoint_->port());
  EXPECT_THAT(GrpcEndpoint::Start(options, registry_, {}),
              StatusIs(absl::StatusCode::kUnavailable, options.listen));
}

TEST(ServerOptionsTest, PlaintextBeyondLoopbackMustBeAskedFor) {
  ServerOptions options;
  for (const char* loopback : {"127.0.0.1:1", "localhost:1", "[::1]:1"}) {
    options.listen = loopback;
    EXPECT_OK(options.Validate());
  }
  options.listen = "0.0.0.0:1";
  EXPECT_THAT(options.Validate(), StatusIs(absl::StatusCode::kInvalidArgument,
                                           "--allow-plaintext"));
  options.allow_plaintext = true;
  EXPECT_OK(options.Validate());
}

}  // namespace
}  // namespace engram::lifecycle
