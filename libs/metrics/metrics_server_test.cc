#include "libs/metrics/metrics_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/gauge.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "libs/status/testing/status_matchers.h"

namespace engram::metrics {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

// What a scrape of 127.0.0.1:`port` gets.
std::string Scrape(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
            0);
  const std::string request =
      "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  EXPECT_EQ(write(fd, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  ssize_t count;
  while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
    answer.append(buffer, count);
  }
  close(fd);
  return answer;
}

TEST(MetricsServerTest, ServesTheProcessTheBuildAndWhatIsRegistered) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       MetricsServer::Start("127.0.0.1:0", "1.2.3"));
  prometheus::BuildGauge()
      .Name("engram_test_value")
      .Register(server->registry())
      .Add({})
      .Set(7);

  const std::string page = Scrape(server->port());

  EXPECT_THAT(page, HasSubstr("engram_build_info{version=\"1.2.3\"} 1"));
  EXPECT_THAT(page, HasSubstr("engram_test_value 7"));
  EXPECT_THAT(page, ContainsRegex("process_resident_memory_bytes [1-9]"));
  EXPECT_THAT(page, ContainsRegex("process_open_fds [1-9]"));
  EXPECT_THAT(page, ContainsRegex("process_start_time_seconds [1-9]"));
}

TEST(MetricsServerTest, TakenPortIsAnErrorThatSaysWhatToDo) {
  ASSERT_OK_AND_ASSIGN(const auto server,
                       MetricsServer::Start("127.0.0.1:0", ""));
  EXPECT_THAT(
      MetricsServer::Start("127.0.0.1:" + std::to_string(server->port()), ""),
      StatusIs(absl::StatusCode::kUnavailable, "--metrics-listen"));
}

}  // namespace
}  // namespace engram::metrics
