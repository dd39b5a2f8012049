#include "services/embedding/isolating_provider.h"

#include <memory>
#include <utility>
#include <vector>

namespace engram::embedding {

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
                  work->Continue();
                });
  }

 private:
  // Places of texts in the call.
  using Part = std::vector<size_t>;

  void Take(std::vector<EmbedResult> results) {
    Part again;
    for (size_t i = 0; i < part_.size(); ++i) {
      // Alone, it is refused for its own sake.
      if (absl::IsAborted(results[i].status()) && part_.size() > 1) {
        again.push_back(part_[i]);
      } else {
        results_[part_[i]] = std::move(results[i]);
      }
    }
    if (again.size() == part_.size()) {
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
