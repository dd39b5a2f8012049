#include "libs/http/testing/fake_http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/http/testing/tls_identity.h"

namespace engram::http::testing {

absl::string_view FakeRequest::Find(absl::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

// One connection: bytes in and out, with or without TLS.
class FakeHttpServer::Connection {
 public:
  Connection(int socket, const TlsIdentity* identity) : socket_(socket) {
    if (identity == nullptr) return;
    ssl_ = SSL_new(identity->context());
    SSL_set_fd(ssl_, socket_);
    // A client that does not trust the certificate ends it here.
    is_open_ = SSL_accept(ssl_) == 1;
  }
  ~Connection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
  }

  // Nothing if the client has gone.
  std::optional<FakeRequest> Read() {
    size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Fill()) return std::nullopt;
    }
    FakeRequest request;
    const std::vector<std::string> lines =
        absl::StrSplit(buffer_.substr(0, end), "\r\n");
    const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
    request.method = words[0];
    request.path = words.size() > 1 ? words[1] : "";
    for (size_t i = 1; i < lines.size(); ++i) {
      const std::pair<std::string, std::string> parts =
          absl::StrSplit(lines[i], absl::MaxSplits(':', 1));
      request.headers.push_back(
          {absl::AsciiStrToLower(parts.first),
           std::string(absl::StripAsciiWhitespace(parts.second))});
    }
    buffer_.erase(0, end + 4);
    size_t length = 0;
    (void)absl::SimpleAtoi(request.Find("content-length"), &length);
    while (buffer_.size() < length) {
      if (!Fill()) return std::nullopt;
    }
    request.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return request;
  }

  void Write(absl::string_view bytes) {
    while (!bytes.empty() && is_open_) {
      const auto count =
          ssl_ != nullptr
              ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
              : send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      is_open_ = count > 0;
      if (is_open_) bytes.remove_prefix(count);
    }
  }

  // Makes closing it a reset.
  void Reset() {
    const linger now = {1, 0};
    setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  }

 private:
  bool Fill() {
    char bytes[16384];
    if (!is_open_) return false;
    const auto count = ssl_ != nullptr ? SSL_read(ssl_, bytes, sizeof(bytes))
                                       : recv(socket_, bytes, sizeof(bytes), 0);
    is_open_ = count > 0;
    if (is_open_) buffer_.append(bytes, count);
    return is_open_;
  }

  const int socket_;
  SSL* ssl_ = nullptr;
  bool is_open_ = true;
  std::string buffer_;
};

FakeHttpServer::FakeHttpServer(Handler handler)
    : FakeHttpServer(std::move(handler), nullptr) {}

FakeHttpServer::FakeHttpServer(Handler handler, const TlsIdentity* identity)
    : handler_(std::move(handler)),
      identity_(identity),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  // OpenSSL writes without MSG_NOSIGNAL.
  if (identity != nullptr) std::signal(SIGPIPE, SIG_IGN);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_, generic, size) != 0 || listen(listener_, 128) != 0 ||
      getsockname(listener_, generic, &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeHttpServer::~FakeHttpServer() {
  stopping_.Notify();
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  close(listener_);
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    for (const int socket : open_) shutdown(socket, SHUT_RDWR);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

std::string FakeHttpServer::url() const {
  return absl::StrCat(identity_ != nullptr ? "https" : "http",
                      "://127.0.0.1:", port_);
}

void FakeHttpServer::Accept() {
  while (!stopping_.HasBeenNotified()) {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    ++connections_;
    const int at_once = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once));
    absl::MutexLock lock(&mutex_);
    open_.insert(socket);
    threads_.emplace_back([this, socket] { Serve(socket); });
  }
}

void FakeHttpServer::Serve(int socket) {
  using Fate = FakeResponse::Fate;
  {
    Connection connection(socket, identity_);
    while (const auto request = connection.Read()) {
      const FakeResponse response = handler_(*request);
      if (response.fate == Fate::kReset) {
        connection.Reset();
        break;
      }
      std::string head =
          absl::StrCat("HTTP/1.1 ", response.status, " x\r\n",
                       "Content-Length: ", response.body.size(), "\r\n");
      for (const Header& header : response.headers) {
        absl::StrAppend(&head, header.name, ": ", header.value, "\r\n");
      }
      const absl::string_view body = response.body;
      const bool whole = response.fate == Fate::kSent;
      connection.Write(absl::StrCat(
          head, "\r\n", whole ? body : body.substr(0, body.size() / 2)));
      if (response.fate == Fate::kStalled) stopping_.WaitForNotification();
      if (!whole) break;
    }
  }
  absl::MutexLock lock(&mutex_);
  open_.erase(socket);
  close(socket);
}

}  // namespace engram::http::testing
