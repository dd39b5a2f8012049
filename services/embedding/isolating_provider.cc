#include "services/embedding/isolating_provider.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace engram::embedding {
namespace {

// Any model embeds it, for next to nothing.
constexpr absl::string_view kProbe = "engram";

// Whether a text may be the reason of an error that is not said to be about
// texts: one that the provider, or a proxy before it, stumbles over.
bool MayBeOfText(const absl::Status& status) {
  return absl::IsInternal(status) || absl::IsUnavailable(status) ||
         absl::IsDeadlineExceeded(status);
}

}  // namespace

// One call, until each of its texts has a result of its own. Parts are sent one
// after the other; it is held by the part that is under way.
class IsolatingProvider::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(Provider& next, const EmbedCall& call, EmbedDone done)
      : next_(next),
        call_(call),
        results_(FailAll(call.texts.size(), absl::AbortedError(""))),
        done_(std::move(done)) {
    Part all(call.texts.size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = i;
    parts_.push_back(std::move(all));
  }

  // Sends the next part, or ends the call.
  void Continue() {
    if (parts_.empty()) return done_(std::move(results_));
    part_ = std::move(parts_.back());
    parts_.pop_back();
    texts_.clear();
    for (const size_t place : part_) texts_.push_back(call_.texts[place]);
    EmbedCall call = call_;
    call.texts = texts_;
    next_.Start(call,
                [work = shared_from_this()](std::vector<EmbedResult> results) {
                  work->Take(std::move(results));
                });
  }

 private:
  // Places of texts in the call.
  using Part = std::vector<size_t>;

  void Take(std::vector<EmbedResult> results) {
    Part again;
    absl::Status failure;
    for (size_t i = 0; i < part_.size(); ++i) {
      const absl::Status& status = results[i].status();
      const bool is_stumble = IsStumble(status);
      if (is_stumble) failure.Update(status);
      // Alone, it is refused for its own sake.
      if (is_stumble || (absl::IsAborted(status) && part_.size() > 1)) {
        again.push_back(part_[i]);
      }
      results_[part_[i]] = std::move(results[i]);
    }
    if (!failure.ok()) return Probe(std::move(again), std::move(failure));
    SendAgain(std::move(again));
    Continue();
  }

  // Scores of rerankers and vectors of queries are wanted at once or never, and
  // nobody sets them aside.
  bool IsStumble(const absl::Status& status) const {
    return call_.purpose == Purpose::kDocument && MayBeOfText(status);
  }

  // Finds out whether the provider works, which failed so with `again`.
  void Probe(Part again, absl::Status failure) {
    EmbedCall probe = call_;
    probe.texts = {&kProbe, 1};
    next_.Start(probe, [work = shared_from_this(), again = std::move(again),
                        failure = std::move(failure)](
                           const std::vector<EmbedResult>& results) mutable {
      if (results[0].ok()) {
        work->Divide(std::move(again));
      } else {
        work->Fail(again, failure);
      }
      work->Continue();
    });
  }

  // Sends `again`, a part or what is left of one, in two halves; a text that is
  // alone is at fault.
  void Divide(Part again) {
    if (part_.size() > 1) return SendAgain(std::move(again));
    EmbedResult& result = results_[again[0]];
    result = BlameText(result.status());
  }

  // Nothing more is sent.
  void Fail(const Part& again, const absl::Status& failure) {
    for (const size_t place : again) {
      if (absl::IsAborted(results_[place].status())) results_[place] = failure;
    }
    for (const Part& part : std::exchange(parts_, {})) {
      for (const size_t place : part) results_[place] = failure;
    }
  }

  void SendAgain(Part again) {
    if (again.size() == part_.size() && again.size() > 1) {
      const auto middle = again.begin() + again.size() / 2;
      parts_.emplace_back(middle, again.end());
      again.erase(middle, again.end());
    }
    if (!again.empty()) parts_.push_back(std::move(again));
  }

  Provider& next_;
  const EmbedCall call_;
  std::vector<EmbedResult> results_;
  EmbedDone done_;
  std::vector<Part> parts_;
  // The part under way.
  Part part_;
  std::vector<absl::string_view> texts_;
};

void IsolatingProvider::Start(const EmbedCall& call, EmbedDone done) {
  std::make_shared<Work>(next(), call, std::move(done))->Continue();
}

}  // namespace engram::embedding
