#ifndef ENGRAM_LIBS_HTTP_HTTP_CLIENT_H_
#define ENGRAM_LIBS_HTTP_HTTP_CLIENT_H_

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace engram::http {

struct Header {
  std::string name;
  std::string value;
};

struct HttpRequest {
  // `http://` or `https://`.
  std::string url;
  std::vector<Header> headers;
  std::string body;
  // A longer answer is refused while it comes; above 0.
  size_t max_answer_bytes = size_t{16} << 20;
  // Asked now and then until the body is on its way, in the thread of the call:
  // another answer than OK ends the call with it. Empty is always OK.
  std::function<absl::Status()> may_send;
};

struct HttpResponse {
  // 100 to 599.
  int status = 0;
  // Names in lower case.
  std::vector<Header> headers;
  // Has room for simdjson's padding behind its end.
  std::string body;

  // The value of the header `name`, in lower case; empty if there is none.
  absl::string_view Find(absl::string_view name) const;
};

struct HttpClientOptions {
  // `http://host:port`; empty is what http_proxy, https_proxy and no_proxy in
  // the environment say, `none` is no proxy at all.
  std::string proxy;
  // PEM file of the authorities that may vouch for a server; empty is the
  // system's.
  std::string ca_file;
  // How long a connection may take to come up.
  absl::Duration connect_timeout = absl::Seconds(5);
  // How long a call may take from first to last.
  absl::Duration timeout = absl::Seconds(30);
};

// Sends requests over HTTP/1.1, or HTTP/2 where TLS agrees on it. Connections
// stay open and are used again. Redirects are not followed, for the headers
// hold keys; servers must prove who they are. The one file that knows libcurl.
//
// Thread-safe; a call blocks its thread.
class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  // No call may be in progress.
  ~HttpClient();

  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Posts `request` and returns the answer, whatever its status. Tries once,
  // except that a connection which the server closed while it was idle is
  // replaced.
  //
  // - `Unavailable`: no connection, or it broke.
  // - `DeadlineExceeded`: it took longer than the options allow.
  // - `FailedPrecondition`: the server's certificate is not trusted, or the
  //   authorities' file cannot be read.
  // - `Internal`: the answer is too long, or not HTTP.
  // - `Cancelled`: after Shutdown.
  // - what `request.may_send` says.
  absl::StatusOr<HttpResponse> Post(const HttpRequest& request);

  // Ends the calls that are under way, within a second or so, and refuses all
  // later ones. Repeating is safe.
  void Shutdown() { shut_down_ = true; }

 private:
  class Handle;

  std::unique_ptr<Handle> Take();
  void GiveBack(std::unique_ptr<Handle> handle);

  const HttpClientOptions options_;
  std::atomic<bool> shut_down_ = false;

  absl::Mutex mutex_;
  // Each with its open connections; the last used is the first taken. There are
  // never more than calls were in progress at once.
  std::vector<std::unique_ptr<Handle>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::http

#endif  // ENGRAM_LIBS_HTTP_HTTP_CLIENT_H_
