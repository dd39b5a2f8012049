#ifndef ENGRAM_LIBS_HTTP_TESTING_FAKE_HTTP_SERVER_H_
#define ENGRAM_LIBS_HTTP_TESTING_FAKE_HTTP_SERVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "libs/http/http_client.h"

namespace engram::http::testing {

class TlsIdentity;

struct FakeRequest {
  std::string method;
  // With the query, as it was sent.
  std::string path;
  // Names in lower case.
  std::vector<Header> headers;
  std::string body;

  absl::string_view Find(absl::string_view name) const;
};

struct FakeResponse {
  // What becomes of the answer.
  enum class Fate {
    kSent,
    // The connection is reset instead.
    kReset,
    // Headers that promise the body are sent, and half of the body; then the
    // connection closes.
    kCutShort,
    // Headers and half of the body are sent; the rest only when the server
    // ends.
    kStalled,
  };

  int status = 200;
  std::vector<Header> headers;
  std::string body;
  Fate fate = Fate::kSent;
};

// A fake: a real HTTP/1.1 server with keep-alive on a free port of 127.0.0.1,
// whose answers a function makes. A thread a connection.
class FakeHttpServer {
 public:
  // Called in the connections' threads, several at once.
  using Handler = std::function<FakeResponse(const FakeRequest&)>;

  explicit FakeHttpServer(Handler handler);
  // Speaks TLS with a certificate of its own for `localhost` and 127.0.0.1;
  // `identity` must outlive the server.
  FakeHttpServer(Handler handler, const TlsIdentity* identity);
  // Ends every connection.
  ~FakeHttpServer();

  FakeHttpServer(const FakeHttpServer&) = delete;
  FakeHttpServer& operator=(const FakeHttpServer&) = delete;

  // `http://127.0.0.1:<port>`, or https.
  std::string url() const;
  int connections() const { return connections_; }

 private:
  class Connection;

  void Accept();
  void Serve(int socket);

  const Handler handler_;
  const TlsIdentity* const identity_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  absl::Notification stopping_;

  absl::Mutex mutex_;
  std::set<int> open_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace engram::http::testing

#endif  // ENGRAM_LIBS_HTTP_TESTING_FAKE_HTTP_SERVER_H_
