#include "libs/http/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace engram::http {
namespace {

// What simdjson reads, and ignores, behind the end of a text.
constexpr size_t kPadding = 64;
// A provider's answer is some hundred kilobytes to a few megabytes.
constexpr long kReadBytes = 256 * 1024;  // NOLINT(google-runtime-int): curl's.
constexpr size_t kMaxHeaders = 100;

void InitializeCurl() {
  // Once a process, before the first handle.
  static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)result;
}

absl::StatusCode CodeOf(CURLcode code) {
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return absl::StatusCode::kDeadlineExceeded;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
      return absl::StatusCode::kFailedPrecondition;
    case CURLE_WRITE_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return absl::StatusCode::kInternal;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::string_view HttpResponse::Find(absl::string_view name) const {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return "";
}

// One libcurl handle: a call at a time, its connections kept between calls.
class HttpClient::Handle {
 public:
  Handle() : curl_(curl_easy_init()) {}
  ~Handle() { curl_easy_cleanup(curl_); }

  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  absl::StatusOr<HttpResponse> Post(const HttpClientOptions& options,
                                    const HttpRequest& request,
                                    const std::atomic<bool>& shut_down) {
    request_ = &request;
    shut_down_ = &shut_down;
    given_up_ = MayGoOn(false);
    if (!given_up_.ok()) return given_up_;
    response_ = HttpResponse();
    max_bytes_ = request.max_answer_bytes;
    is_too_long_ = false;
    error_[0] = '\0';
    curl_slist* const headers = MakeHeaders(request);
    Configure(options);
    curl_easy_setopt(curl_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl_, CURLOPT_POST, 1L);
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    // Not copied: `request` outlives the call.
    curl_easy_setopt(curl_, CURLOPT_POSTFIELDS, request.body.data());
    const CURLcode result = curl_easy_perform(curl_);
    // Clears the pointers into `request`; the connections stay.
    curl_easy_reset(curl_);
    curl_slist_free_all(headers);
    if (result != CURLE_OK) return Explain(result);
    response_.body.reserve(response_.body.size() + kPadding);
    return std::move(response_);
  }

 private:
  static curl_slist* MakeHeaders(const HttpRequest& request) {
    // No wait for a "100 Continue" before the body.
    curl_slist* list = curl_slist_append(nullptr, "Expect:");
    for (const Header& header : request.headers) {
      list = curl_slist_append(
          list, absl::StrCat(header.name, ": ", header.value).c_str());
    }
    return list;
  }

  void Configure(const HttpClientOptions& options) {
    // The process has threads, so no signals.
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl_, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl_, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl_, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl_, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(curl_, CURLOPT_BUFFERSIZE, kReadBytes);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "engram");
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, error_);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT_MS,
                     absl::ToInt64Milliseconds(options.connect_timeout));
    curl_easy_setopt(curl_, CURLOPT_TIMEOUT_MS,
                     absl::ToInt64Milliseconds(options.timeout));
    if (!options.ca_file.empty()) {
      curl_easy_setopt(curl_, CURLOPT_CAINFO, options.ca_file.c_str());
    }
    if (!options.proxy.empty()) {
      const bool none = options.proxy == "none";
      curl_easy_setopt(curl_, CURLOPT_PROXY, none ? "" : options.proxy.c_str());
      // An address that was given counts for every host.
      curl_easy_setopt(curl_, CURLOPT_NOPROXY, "");
    }
    curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, &Handle::OnProgress);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, &Handle::OnBody);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, &Handle::OnHeader);
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, this);
  }

  absl::Status Explain(CURLcode result) const {
    if (!given_up_.ok()) return given_up_;
    if (is_too_long_) {
      return absl::InternalError(
          absl::StrCat("the answer is longer than ", max_bytes_, " bytes"));
    }
    return {CodeOf(result),
            error_[0] != '\0' ? error_ : curl_easy_strerror(result)};
  }

  // Why the call should end; OK if it should not.
  absl::Status MayGoOn(bool is_sent) const {
    if (*shut_down_) return absl::CancelledError("the client was shut down");
    if (is_sent || !request_->may_send) return absl::OkStatus();
    return request_->may_send();
  }

  // Called at every step, and once a second in between. Another result than 0
  // ends the call.
  static int OnProgress(void* handle, curl_off_t, curl_off_t, curl_off_t,
                        curl_off_t uploaded) {
    auto& call = *static_cast<Handle*>(handle);
    call.given_up_ = call.MayGoOn(uploaded > 0);
    return call.given_up_.ok() ? 0 : 1;
  }

  // Less than `count` ends the call with CURLE_WRITE_ERROR.
  static size_t OnBody(char* data, size_t, size_t count, void* handle) {
    return static_cast<Handle*>(handle)->TakeBody({data, count}) ? count : 0;
  }
  static size_t OnHeader(char* data, size_t, size_t count, void* handle) {
    static_cast<Handle*>(handle)->TakeHeader({data, count});
    return count;
  }

  bool TakeBody(absl::string_view part) {
    std::string& body = response_.body;
    if (part.size() > max_bytes_ - body.size()) {
      is_too_long_ = true;
      return false;
    }
    if (body.empty()) {
      curl_off_t length = 0;
      curl_easy_getinfo(curl_, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
      // -1 if the server does not say. Not trusted with more than the bound.
      body.reserve(std::clamp<curl_off_t>(length, 0,
                                          static_cast<curl_off_t>(max_bytes_)) +
                   kPadding);
    }
    body.append(part.data(), part.size());
    return true;
  }

  void TakeHeader(absl::string_view line) {
    if (absl::StartsWithIgnoreCase(line, "HTTP/")) {
      // Of the last answer: a proxy's comes before the server's.
      response_.headers.clear();
      // NOLINTNEXTLINE(google-runtime-int): curl's type.
      long status = 0;
      curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
      response_.status = static_cast<int>(status);
      return;
    }
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos ||
        response_.headers.size() >= kMaxHeaders) {
      return;
    }
    response_.headers.push_back(
        {absl::AsciiStrToLower(line.substr(0, colon)),
         std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)))});
  }

  CURL* const curl_;
  // Of the call.
  const HttpRequest* request_ = nullptr;
  const std::atomic<bool>* shut_down_ = nullptr;
  absl::Status given_up_;
  HttpResponse response_;
  size_t max_bytes_ = 0;
  bool is_too_long_ = false;
  char error_[CURL_ERROR_SIZE] = {};
};

HttpClient::HttpClient(HttpClientOptions options)
    : options_(std::move(options)) {
  InitializeCurl();
}

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Handle> HttpClient::Take() {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      auto handle = std::move(idle_.back());
      idle_.pop_back();
      return handle;
    }
  }
  return std::make_unique<Handle>();
}

void HttpClient::GiveBack(std::unique_ptr<Handle> handle) {
  absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(handle));
}

absl::StatusOr<HttpResponse> HttpClient::Post(const HttpRequest& request) {
  auto handle = Take();
  auto response = handle->Post(options_, request, shut_down_);
  GiveBack(std::move(handle));
  return response;
}

}  // namespace engram::http
