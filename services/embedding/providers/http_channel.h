#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_CHANNEL_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_CHANNEL_H_

#include <cstddef>
#include <utility>

#include "libs/http/http_client.h"
#include "libs/rpc/thread_pool.h"

namespace engram::embedding {

// What the models of one provider share: its connections, and the threads that
// encode, wait and decode, one for each call that may be under way.
struct HttpChannel {
  HttpChannel(http::HttpClientOptions options, int calls)
      : client(std::move(options)), pool(calls, kMaxQueued) {}

  http::HttpClient client;
  // After the client: its end waits for the calls.
  rpc::ThreadPool pool;

 private:
  // Batches of all models together; each model keeps to a few.
  static constexpr size_t kMaxQueued = 4096;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_CHANNEL_H_
