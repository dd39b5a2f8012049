#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_PROVIDER_H_

#include <atomic>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/embedding/provider.h"
#include "services/embedding/testing/text_vector.h"

namespace engram::embedding::testing {

// A fake: gives each text a direction of its own, always the same, and lets a
// test decide how a call ends.
class FakeProvider : public Provider {
 public:
  using Texts = absl::Span<const absl::string_view>;

  explicit FakeProvider(std::string name = "fake/small", int dimensions = 8)
      : model_{.name = name,
               .fingerprint = name + "@1",
               .dimensions = dimensions,
               .normalized = true,
               .provider = "fake"} {}

  const Model& model() const override { return model_; }
  CallLimits limits() const override { return limits_; }
  RateLimits rate_limits() const override { return rate_limits_; }
  bool is_local() const override { return is_local_; }
  absl::Status health() const override { return health_; }

  void Start(const EmbedCall& call, EmbedDone done) override {
    ++calls_;
    last_purpose_ = call.purpose;
    if (before_) {
      const absl::Status status = before_(call.texts);
      if (!status.ok()) return done(Refuse(call, status));
    }
    std::vector<EmbeddedText> answer;
    for (const absl::string_view text : call.texts) {
      answer.push_back({VectorOf(text), 1, {0, 1, 0.5}});
    }
    if (!answer.empty()) answer[0].spent.requests = 1;
    if (change_answer_) change_answer_(answer);
    done({answer.begin(), answer.end()});
  }

  // What Embed gives `text`.
  std::vector<float> VectorOf(absl::string_view text) const {
    return TextVector(text, model_.dimensions);
  }

  int calls() const { return calls_; }
  Purpose last_purpose() const { return last_purpose_; }

  void set_limits(CallLimits limits) { limits_ = limits; }
  void set_rate_limits(RateLimits limits) { rate_limits_ = limits; }
  void set_max_tokens(int tokens) { model_.max_tokens = tokens; }
  void set_price(double usd_per_million_tokens) {
    model_.usd_per_million_tokens = usd_per_million_tokens;
  }
  void set_is_local(bool is_local) { is_local_ = is_local; }
  void set_health(absl::Status health) { health_ = std::move(health); }
  // Embed calls `before` first and ends with its error, if it returns one.
  void set_before(std::function<absl::Status(Texts)> before) {
    before_ = std::move(before);
  }
  // Embed lets `change` spoil its answer.
  void set_change_answer(
      std::function<void(std::vector<EmbeddedText>&)> change) {
    change_answer_ = std::move(change);
  }

 private:
  // As a provider does that does not say which text it refuses.
  static std::vector<EmbedResult> Refuse(const EmbedCall& call,
                                         const absl::Status& error) {
    const bool hides = absl::IsInvalidArgument(error) && call.texts.size() > 1;
    return FailAll(call.texts.size(),
                   hides ? absl::AbortedError(error.message()) : error);
  }

  Model model_;
  CallLimits limits_;
  RateLimits rate_limits_;
  bool is_local_ = false;
  absl::Status health_;
  std::function<absl::Status(Texts)> before_;
  std::function<void(std::vector<EmbeddedText>&)> change_answer_;
  std::atomic<int> calls_ = 0;
  std::atomic<Purpose> last_purpose_ = Purpose::kDocument;
};

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_FAKE_PROVIDER_H_
