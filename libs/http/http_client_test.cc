#include "libs/http/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "libs/http/testing/fake_http_server.h"
#include "libs/http/testing/tls_identity.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::http {
namespace {

using engram::testing::StatusIs;
using testing::FakeHttpServer;
using testing::FakeRequest;
using testing::FakeResponse;
using Fate = testing::FakeResponse::Fate;

FakeHttpServer::Handler Always(FakeResponse response) {
  return
      [response = std::move(response)](const FakeRequest&) { return response; };
}

TEST(HttpClientTest, PostsAndReturnsTheAnswerWhateverItsStatus) {
  std::optional<FakeRequest> seen;
  FakeHttpServer server([&](const FakeRequest& request) {
    seen = request;
    return FakeResponse{
        .status = 418, .headers = {{"X-Kind", "teapot"}}, .body = "short"};
  });
  HttpClient client({});

  ASSERT_OK_AND_ASSIGN(const HttpResponse response,
                       client.Post({.url = server.url() + "/v1/pour",
                                    .headers = {{"Authorization", "Bearer k"}},
                                    .body = std::string("a\0b", 3)}));

  EXPECT_EQ(response.status, 418);
  EXPECT_EQ(response.body, "short");
  EXPECT_EQ(response.Find("x-kind"), "teapot");
  EXPECT_EQ(response.Find("x-none"), "");
  EXPECT_GE(response.body.capacity(), response.body.size() + 64);
  EXPECT_EQ(seen->method, "POST");
  EXPECT_EQ(seen->path, "/v1/pour");
  EXPECT_EQ(seen->body, std::string("a\0b", 3));
  EXPECT_EQ(seen->Find("authorization"), "Bearer k");
}

TEST(HttpClientTest, ConnectionsAreUsedAgain) {
  FakeHttpServer server(Always({.body = "x"}));
  HttpClient client({});

  for (int i = 0; i < 5; ++i) ASSERT_OK(client.Post({.url = server.url()}));

  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClientTest, ServesSeveralThreadsAtOnce) {
  FakeHttpServer server([](const FakeRequest& request) {
    return FakeResponse{.body = request.body};
  });
  HttpClient client({});
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int call = 0; call < 50; ++call) {
        const std::string body = std::to_string(i * 1000 + call);
        const auto response = client.Post({.url = server.url(), .body = body});
        ASSERT_OK(response);
        EXPECT_EQ(response->body, body);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(server.connections(), 8);
}

TEST(HttpClientTest, AnswersThatAreTooLongAreRefused) {
  FakeHttpServer server(Always({.body = std::string(1001, 'x')}));
  HttpClient client({});

  EXPECT_OK(client.Post({.url = server.url(), .max_answer_bytes = 1001}));
  EXPECT_THAT(client.Post({.url = server.url(), .max_answer_bytes = 1000}),
              StatusIs(absl::StatusCode::kInternal, "longer than 1000 bytes"));
}

// A key must not travel to wherever a redirect points.
TEST(HttpClientTest, RedirectsAreNotFollowed) {
  FakeHttpServer elsewhere(Always({.body = "elsewhere"}));
  FakeHttpServer server(
      Always({.status = 307, .headers = {{"Location", elsewhere.url()}}}));
  HttpClient client({});

  ASSERT_OK_AND_ASSIGN(const auto response, client.Post({.url = server.url()}));

  EXPECT_EQ(response.status, 307);
  EXPECT_EQ(elsewhere.connections(), 0);
}

TEST(HttpClientTest, BrokenConnectionsAreUnavailable) {
  FakeHttpServer reset(Always({.fate = Fate::kReset}));
  FakeHttpServer cut(Always({.body = "0123456789", .fate = Fate::kCutShort}));
  std::string nobody;
  {
    FakeHttpServer gone(Always({}));
    nobody = gone.url();
  }
  HttpClient client({});

  EXPECT_THAT(client.Post({.url = reset.url()}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Post({.url = cut.url()}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Post({.url = nobody}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(client.Post({.url = "http://no.such.host.invalid"}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST(HttpClientTest, SlowAnswersEndAtTheTimeLimit) {
  FakeHttpServer server(Always({.body = "0123456789", .fate = Fate::kStalled}));
  HttpClient client({.timeout = absl::Milliseconds(200)});

  EXPECT_THAT(client.Post({.url = server.url()}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST(HttpClientTest, OnlyServersThatAnAuthorityKnowsAreTrusted) {
  testing::TlsIdentity identity;
  testing::TlsIdentity other;
  FakeHttpServer server(Always({.body = "x"}), &identity);

  EXPECT_OK(HttpClient({.ca_file = identity.certificate_file()})
                .Post({.url = server.url()}));
  EXPECT_THAT(HttpClient({}).Post({.url = server.url()}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "certificate"));
  EXPECT_THAT(HttpClient({.ca_file = other.certificate_file()})
                  .Post({.url = server.url()}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(HttpClient({.ca_file = "/no/file"}).Post({.url = server.url()}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "/no/file"));
}

TEST(HttpClientTest, GoesThroughAProxyWhereOneIsGiven) {
  std::optional<FakeRequest> seen;
  FakeHttpServer proxy([&](const FakeRequest& request) {
    seen = request;
    return FakeResponse{.body = "from the proxy"};
  });
  HttpClient client({.proxy = proxy.url()});

  ASSERT_OK_AND_ASSIGN(
      const auto response,
      client.Post({.url = "http://no.such.host.invalid/v1/embeddings"}));

  EXPECT_EQ(response.body, "from the proxy");
  EXPECT_EQ(seen->path, "http://no.such.host.invalid/v1/embeddings");
}

TEST(HttpClientTest, OtherProtocolsAreRefused) {
  EXPECT_THAT(HttpClient({}).Post({.url = "file:///etc/passwd"}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST(HttpClientTest, SendsNothingThatMayNotBeSent) {
  std::atomic<int> requests = 0;
  FakeHttpServer server([&](const FakeRequest&) {
    ++requests;
    return FakeResponse{.body = "x"};
  });
  HttpClient client({});

  EXPECT_THAT(
      client.Post({.url = server.url(),
                   .body = "b",
                   .may_send = [] { return absl::CancelledError("gone"); }}),
      StatusIs(absl::StatusCode::kCancelled, "gone"));
  EXPECT_EQ(requests, 0);
}

TEST(HttpClientTest, WhatIsSentIsBroughtToItsEnd) {
  std::atomic<bool> may_send = true;
  FakeHttpServer server([&](const FakeRequest&) {
    may_send = false;
    return FakeResponse{.body = "x"};
  });
  HttpClient client({});

  EXPECT_OK(client.Post({.url = server.url(), .body = "b", .may_send = [&] {
                           return may_send ? absl::OkStatus()
                                           : absl::CancelledError("gone");
                         }}));
}

TEST(HttpClientTest, ShutdownEndsCallsAndRefusesLaterOnes) {
  HttpClient client({});
  absl::Notification asked;
  FakeHttpServer server([&](const FakeRequest&) {
    asked.Notify();
    return FakeResponse{.body = "long", .fate = Fate::kStalled};
  });
  std::thread call([&] {
    EXPECT_THAT(client.Post({.url = server.url(), .body = "b"}),
                StatusIs(absl::StatusCode::kCancelled));
  });
  asked.WaitForNotification();

  client.Shutdown();

  call.join();
  EXPECT_THAT(client.Post({.url = server.url()}),
              StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace engram::http
