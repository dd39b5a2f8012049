#ifndef ENGRAM_SERVICES_EMBEDDING_FAILOVER_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_FAILOVER_PROVIDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Several endpoints of one model: texts that an endpoint fails go to the next
// one, whatever the reason, unless the text is refused or the caller left.
// Every call begins with the first; one that is down fails at once by its
// circuit breaker.
//
// That endpoints serve the same model is proven, not believed: before the first
// answer of an endpoint counts, it embeds a text whose vector another one made,
// and if the two vectors differ it is not used until the process restarts, for
// `FailedPrecondition`. Mixed vectors would spoil searches without a trace.
class FailoverProvider : public Provider {
 public:
  // At least one; all describe the same model.
  explicit FailoverProvider(std::vector<std::unique_ptr<Provider>> endpoints);

  const Model& model() const override { return endpoints_[0]->model(); }
  CallLimits limits() const override { return endpoints_[0]->limits(); }
  RateLimits rate_limits() const override {
    return endpoints_[0]->rate_limits();
  }
  bool is_local() const override { return endpoints_[0]->is_local(); }
  int CountTokens(absl::string_view text) const override {
    return endpoints_[0]->CountTokens(text);
  }
  bool counts_exactly() const override {
    return endpoints_[0]->counts_exactly();
  }
  // OK if one of the endpoints is.
  absl::Status health() const override;
  void Start(const EmbedCall& call, EmbedDone done) override;
  void Shutdown() override;

 private:
  class Work;

  // A text whose vector is known.
  struct Witness {
    std::string text;
    Purpose purpose = Purpose::kDocument;
    std::vector<float> vector;
    // Which endpoint made it.
    size_t endpoint = 0;
  };
  enum class Trust { kUnproven, kProven, kRefused };

  Trust TrustIn(size_t endpoint) const;
  // Null if there is none.
  std::shared_ptr<const Witness> witness() const;
  // Keeps a text of `call` as the witness if there is none.
  void KeepWitness(const EmbedCall& call,
                   const std::vector<EmbedResult>& results, size_t endpoint);
  void SetTrust(size_t endpoint, Trust trust);

  const std::vector<std::unique_ptr<Provider>> endpoints_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const Witness> witness_ ABSL_GUARDED_BY(mutex_);
  std::vector<Trust> trust_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_FAILOVER_PROVIDER_H_
