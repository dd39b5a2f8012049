#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_HELD_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_HELD_PROVIDER_H_

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "services/embedding/provider.h"
#include "services/embedding/testing/text_vector.h"

namespace engram::embedding::testing {

// A fake: holds every call until the test answers it. Thread-safe.
class HeldProvider : public Provider {
 public:
  HeldProvider() = default;
  explicit HeldProvider(CallLimits limits) : limits_(limits) {}

  struct Held {
    std::vector<std::string> texts;
    Purpose purpose;
    std::string query;
    std::shared_ptr<Caller> caller;
    EmbedDone done;
    bool is_answered = false;
  };

  const Model& model() const override { return model_; }
  CallLimits limits() const override { return limits_; }
  bool is_local() const override { return false; }
  void Start(const EmbedCall& call, EmbedDone done) override {
    absl::MutexLock lock(&mutex_);
    Held& held = held_.emplace_back();
    held.texts = std::vector<std::string>(call.texts.begin(), call.texts.end());
    held.purpose = call.purpose;
    held.query = std::string(call.query);
    held.caller = call.caller;
    held.done = std::move(done);
  }

  // All calls, answered or not, in their order.
  size_t calls() const {
    absl::MutexLock lock(&mutex_);
    return held_.size();
  }
  void AwaitCalls(size_t calls) const {
    const auto has_come = [&] {
      mutex_.AssertReaderHeld();
      return held_.size() >= calls;
    };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&has_come));
  }
  const Held& call(size_t number) const {
    absl::MutexLock lock(&mutex_);
    return held_[number];
  }
  std::vector<std::string> texts(size_t number) const {
    return call(number).texts;
  }

  // Gives each text its vector, TextVector's.
  void Answer(size_t number) {
    std::vector<EmbedResult> results;
    for (const std::string& text : texts(number)) {
      results.emplace_back(
          EmbeddedText{.vector = TextVector(text, model_.dimensions),
                       .tokens = 3,
                       .spent = {.tokens = 3, .cost_usd = 0.5}});
    }
    Answer(number, std::move(results));
  }
  void Answer(size_t number, std::vector<EmbedResult> results) {
    EmbedDone done;
    {
      absl::MutexLock lock(&mutex_);
      held_[number].is_answered = true;
      done = std::move(held_[number].done);
    }
    done(std::move(results));
  }
  void Fail(size_t number, const absl::Status& error) {
    Answer(number, FailAll(texts(number).size(), error));
  }

 private:
  const Model model_ = {.name = "held/small",
                        .fingerprint = "held/small@1",
                        .dimensions = 4,
                        .normalized = true,
                        .provider = "held"};
  const CallLimits limits_ = CallLimits();
  mutable absl::Mutex mutex_;
  // Places stay valid.
  std::deque<Held> held_ ABSL_GUARDED_BY(mutex_);
};

// A call of a provider, and what became of it. It may end before it is
// answered.
class Question {
 public:
  Question(Provider& provider, std::vector<std::string> texts,
           EmbedCall call = {}, absl::Time deadline = absl::InfiniteFuture())
      : state_(std::make_shared<State>()) {
    state_->texts = std::move(texts);
    state_->views.assign(state_->texts.begin(), state_->texts.end());
    state_->caller = std::make_shared<Caller>(deadline);
    call.texts = state_->views;
    call.caller = state_->caller;
    provider.Start(call, [state = state_](std::vector<EmbedResult> results) {
      state->results = std::move(results);
    });
  }

  bool is_answered() const { return state_->results.has_value(); }
  const std::vector<EmbedResult>& results() const { return *state_->results; }
  // Of all texts; OK if each has its own vector.
  absl::Status status() const {
    if (!is_answered()) return absl::UnknownError("there is no answer");
    for (size_t i = 0; i < results().size(); ++i) {
      const EmbedResult& result = results()[i];
      if (!result.ok()) return result.status();
      const int dimensions = static_cast<int>(result->vector.size());
      if (result->vector != TextVector(state_->texts[i], dimensions)) {
        return absl::DataLossError("the vector of another text");
      }
    }
    return absl::OkStatus();
  }
  void Leave() { state_->caller->Leave(); }

 private:
  struct State {
    std::vector<std::string> texts;
    std::vector<absl::string_view> views;
    std::shared_ptr<Caller> caller;
    std::optional<std::vector<EmbedResult>> results;
  };

  const std::shared_ptr<State> state_;
};

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_HELD_PROVIDER_H_
