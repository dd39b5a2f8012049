#include "services/embedding/model_runner.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"

namespace engram::embedding {
namespace {

// A local model embeds this much in some tens of microseconds: less than it
// costs to hand it to another thread and to wake that.
constexpr size_t kMaxInlineBytes = 4096;
constexpr absl::Duration kBusyDelay = absl::Milliseconds(200);

bool HasEmptyText(const EmbedCall& call) {
  return std::any_of(call.texts.begin(), call.texts.end(),
                     [](absl::string_view text) { return text.empty(); });
}

// Has a call done without its empty texts, which no model makes a vector of,
// and gives them their error.
class WithoutEmpty {
 public:
  explicit WithoutEmpty(const EmbedCall& call) : call_(call) {
    results_.assign(call.texts.size(),
                    absl::InvalidArgumentError(
                        "is empty; give a text with at least one word"));
    for (size_t i = 0; i < call.texts.size(); ++i) {
      if (call.texts[i].empty()) continue;
      texts_.push_back(call.texts[i]);
      places_.push_back(i);
    }
    call_.texts = texts_;
  }

  // The call for the others; none if all are empty.
  const EmbedCall& call() const { return call_; }

  // Adds the results of call().
  std::vector<EmbedResult> Merge(std::vector<EmbedResult> results) {
    for (size_t i = 0; i < results.size(); ++i) {
      results_[places_[i]] = std::move(results[i]);
    }
    return std::move(results_);
  }

 private:
  EmbedCall call_;
  std::vector<EmbedResult> results_;
  std::vector<absl::string_view> texts_;
  std::vector<size_t> places_;
};

bool IsShort(const EmbedCall& call) {
  size_t bytes = 0;
  for (const absl::string_view text : call.texts) bytes += text.size();
  return bytes <= kMaxInlineBytes;
}

}  // namespace

void ModelRunner::Run(Provider& provider, const EmbedCall& call,
                      EmbedDone done) {
  if (HasEmptyText(call)) {
    const auto others = std::make_shared<WithoutEmpty>(call);
    if (others->call().texts.empty()) return done(others->Merge({}));
    return Run(provider, others->call(),
               [others, done = std::move(done)](
                   std::vector<EmbedResult> results) mutable {
                 done(others->Merge(std::move(results)));
               });
  }
  if (!provider.is_local()) {
    RunRemote(provider, call, std::move(done));
  } else if (IsShort(call)) {
    provider.Start(call, std::move(done));
  } else {
    RunInPool(provider, call, std::move(done));
  }
}

void ModelRunner::RunInPool(Provider& provider, const EmbedCall& call,
                            EmbedDone done) {
  // Shared with the task, which is destroyed if there is no room for it.
  const auto held = std::make_shared<EmbedDone>(std::move(done));
  const absl::Status queued = local_pool_.Submit([&provider, call, held] {
    const absl::Status wanted = call.caller->StillWaits(absl::Now());
    if (!wanted.ok()) return (*held)(FailAll(call.texts.size(), wanted));
    provider.Start(call, std::move(*held));
  });
  if (!queued.ok()) (*held)(FailAll(call.texts.size(), queued));
}

void ModelRunner::RunRemote(Provider& provider, const EmbedCall& call,
                            EmbedDone done) {
  if (++remote_calls_ > max_remote_calls_) {
    --remote_calls_;
    return done(FailAll(
        call.texts.size(),
        WithRetryDelay(
            MakeError(absl::StatusCode::kResourceExhausted,
                      common::v1::ERROR_REASON_OVERLOADED,
                      absl::StrCat(max_remote_calls_,
                                   " calls wait for remote models; retry "
                                   "after a moment")),
            kBusyDelay)));
  }
  provider.Start(call, [this, done = std::move(done)](
                           std::vector<EmbedResult> results) mutable {
    --remote_calls_;
    done(std::move(results));
  });
}

}  // namespace engram::embedding
