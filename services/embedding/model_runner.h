#ifndef ENGRAM_SERVICES_EMBEDDING_MODEL_RUNNER_H_
#define ENGRAM_SERVICES_EMBEDDING_MODEL_RUNNER_H_

#include <atomic>

#include "absl/status/status.h"
#include "libs/rpc/thread_pool.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Decides where the work of clients' calls is done, and how much of it is taken
// on.
//
// Thread-safe.
class ModelRunner {
 public:
  // `local_pool` must outlive this object; see EmbeddingService.
  ModelRunner(rpc::ThreadPool& local_pool, int max_remote_calls)
      : local_pool_(local_pool), max_remote_calls_(max_remote_calls) {}

  // Starts `call`, without waiting for it: what a local model does in a moment
  // is done here and now, the rest of its work in the pool. An empty text is
  // `InvalidArgument`, and the model does not see it. Too much to do is
  // `ResourceExhausted` with a retry delay, for each text.
  void Run(Provider& provider, const EmbedCall& call, EmbedDone done);

  // For other work of calls that takes long.
  rpc::ThreadPool& local_pool() { return local_pool_; }

 private:
  void RunInPool(Provider& provider, const EmbedCall& call, EmbedDone done);
  void RunRemote(Provider& provider, const EmbedCall& call, EmbedDone done);

  rpc::ThreadPool& local_pool_;
  const int max_remote_calls_;
  std::atomic<int> remote_calls_ = 0;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_MODEL_RUNNER_H_
