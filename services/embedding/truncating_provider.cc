#include "services/embedding/truncating_provider.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "services/embedding/open_texts.h"
#include "services/embedding/providers/provider_error.h"

namespace engram::embedding {
namespace {

// To a thirtieth of what is tried first.
constexpr int kMaxTries = 12;
// No tokenizer makes fewer tokens of plain text.
constexpr size_t kMostBytesPerToken = 6;

}  // namespace

absl::string_view CutEnd(absl::string_view text, size_t bytes) {
  if (bytes >= text.size()) return text;
  while (bytes > 0 && (text[bytes] & 0xC0) == 0x80) --bytes;
  const absl::string_view start = text.substr(0, bytes);
  for (size_t i = bytes; i > 0 && i >= bytes - bytes / 4; --i) {
    if (absl::ascii_isspace(text[i])) return text.substr(0, i);
  }
  return start;
}

// One call, until no text of it is too long.
class TruncatingProvider::Work : public std::enable_shared_from_this<Work> {
 public:
  Work(Provider& next, const EmbedCall& call, EmbedDone done)
      : next_(next),
        max_tokens_(next.model().max_tokens),
        texts_(call),
        done_(std::move(done)) {}

  void Try() {
    ++tries_;
    next_.Start(texts_.call(),
                [work = shared_from_this()](std::vector<EmbedResult> results) {
                  work->Take(std::move(results));
                });
  }

 private:
  void Take(std::vector<EmbedResult> results) {
    texts_.Take(std::move(results),
                [this](absl::string_view& text, const EmbedResult& result) {
                  if (!IsTooLong(result.status())) return false;
                  text = Shorten(text);
                  return !text.empty();
                });
    if (!texts_.empty() && tries_ < kMaxTries) return Try();
    done_(texts_.TakeResults());
  }

  absl::string_view Shorten(absl::string_view text) const {
    size_t bytes = text.size() / 4 * 3;
    if (max_tokens_ > 0) {
      bytes = std::min(bytes, kMostBytesPerToken * max_tokens_);
    }
    return CutEnd(text, bytes);
  }

  Provider& next_;
  const size_t max_tokens_;
  OpenTexts texts_;
  EmbedDone done_;
  int tries_ = 0;
};

void TruncatingProvider::Start(const EmbedCall& call, EmbedDone done) {
  if (!call.truncate) return next().Start(call, std::move(done));
  std::make_shared<Work>(next(), call, std::move(done))->Try();
}

}  // namespace engram::embedding
