#include "services/embedding/retrying_provider.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "libs/status/errors.h"
#include "services/embedding/backoff.h"
#include "services/embedding/open_texts.h"

namespace engram::embedding {
namespace {

constexpr int kMaxTries = 5;
constexpr absl::Duration kMaxBackoff = absl::Seconds(10);

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsInternal(status);
}

}  // namespace

// One call, until no text of it is worth another try.
class RetryingProvider::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(Provider& next, Timers& timers, const EmbedCall& call, EmbedDone done)
      : next_(next), timers_(timers), texts_(call), done_(std::move(done)) {}

  void Try() {
    ++tries_;
    next_.Start(texts_.call(),
                [work = shared_from_this()](std::vector<EmbedResult> results) {
                  work->Take(std::move(results));
                });
  }

 private:
  void Take(std::vector<EmbedResult> results) {
    absl::Duration pause = backoff_.Next();
    texts_.Take(std::move(results), [&](absl::string_view&,
                                        const EmbedResult& result) {
      if (!MayPass(result.status())) return false;
      pause = std::max(
          pause, RetryDelayOf(result.status()).value_or(absl::ZeroDuration()));
      return true;
    });
    const std::shared_ptr<Caller>& caller = texts_.caller();
    const absl::Time when = timers_.clock().Now() + pause;
    if (texts_.empty() || tries_ == kMaxTries || caller->has_left() ||
        when >= caller->deadline()) {
      return done_(texts_.TakeResults());
    }
    PauseUntil(timers_, caller, when, [work = shared_from_this()] {
      if (work->texts_.caller()->has_left()) {
        return work->done_(work->texts_.TakeResults());
      }
      work->Try();
    });
  }

  Provider& next_;
  Timers& timers_;
  OpenTexts texts_;
  EmbedDone done_;
  Backoff backoff_{kMaxBackoff};
  int tries_ = 0;
};

void RetryingProvider::Start(const EmbedCall& call, EmbedDone done) {
  std::make_shared<Work>(next(), timers_, call, std::move(done))->Try();
}

}  // namespace engram::embedding
