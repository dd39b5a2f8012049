#ifndef ENGRAM_SERVICES_EMBEDDING_OPEN_TEXTS_H_
#define ENGRAM_SERVICES_EMBEDDING_OPEN_TEXTS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// A call whose texts get their results in several rounds: which are open, and
// what became of the others. Not thread-safe.
class OpenTexts {
 public:
  // All of `call` are open; its texts must outlive this object.
  explicit OpenTexts(const EmbedCall& call);

  // The call for the texts that are open; valid until the next Take.
  EmbedCall call() const;
  bool empty() const { return texts_.empty(); }
  const std::shared_ptr<Caller>& caller() const { return call_.caller; }

  // Takes the results of call(). Those texts stay open for which `stays_open`,
  // which is given the text and its result, and may shorten the text for the
  // next round, says so. Of several errors of a text the first is kept: it
  // tells what is behind the others.
  void Take(std::vector<EmbedResult> results,
            absl::FunctionRef<bool(absl::string_view& text,
                                   const EmbedResult& result)>
                stays_open);

  // Returns the results of all texts; call it once.
  std::vector<EmbedResult> TakeResults() { return std::move(results_); }

 private:
  EmbedCall call_;
  std::vector<EmbedResult> results_;
  // Those that are open, and where they are in the call.
  std::vector<absl::string_view> texts_;
  std::vector<size_t> places_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_OPEN_TEXTS_H_
