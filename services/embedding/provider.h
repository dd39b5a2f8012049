#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/chunk/token_count.h"

namespace engram::embedding {

// What vectors are for; some models embed questions and texts differently.
enum class Purpose { kDocument, kQuery };

// Describes a model; see engram.common.v1.Model.
struct Model {
  std::string name;
  std::string fingerprint;
  int dimensions = 0;
  // Whether the vectors have unit length.
  bool normalized = false;
  // The most tokens of one text that reach the model; 0 is no limit.
  int max_tokens = 0;
};

// The most that one call of a provider may hold; 0 is no limit.
struct CallLimits {
  int texts = 0;
  // Of all texts together.
  int64_t tokens = 0;
  // Of all texts together, as JSON strings.
  int64_t bytes = 0;
};

// What became of one text.
struct EmbeddedText {
  std::vector<float> vector;
  // Tokens of the text that the model read.
  int tokens = 0;
};

// Step 5 of a record's life: turns texts into vectors with one model. Every
// implementation passes testing/provider_contract.h.
//
// Thread-safe.
class Provider {
 public:
  virtual ~Provider() = default;

  // The same for as long as the provider lives.
  virtual const Model& model() const = 0;

  // How much goes into one call of the provider. Embed may refuse what is
  // beyond, unless it is SplittingProvider's. The same for as long as the
  // provider lives.
  virtual CallLimits limits() const { return {}; }

  // Whether Embed only computes, some microseconds a text, and never waits.
  virtual bool is_local() const = 0;

  // About how many tokens the model reads of `text`, however long it is: to cut
  // texts by. An estimate (chunk::EstimateTokens) where its tokenizer is not at
  // hand. Some microseconds a kilobyte, at most.
  virtual int CountTokens(absl::string_view text) const {
    return chunk::EstimateTokens(text);
  }

  // Returns one vector for each of `texts`, in their order, or an error and no
  // vector at all. Safe to repeat, though a remote provider charges again.
  //
  // - `InvalidArgument`: a text cannot be embedded, now or later; the violation
  //   names it, such as `texts[3]`. The others may be given again without it.
  // - `Unavailable`, `DeadlineExceeded`: the provider is down; try later.
  // - `ResourceExhausted`: a quota is used up; try later.
  // - `FailedPrecondition`: it will not work before the configuration changes.
  // - `Internal`: the provider's answer was not what it promises.
  virtual absl::StatusOr<std::vector<EmbeddedText>> Embed(
      absl::Span<const absl::string_view> texts, Purpose purpose) = 0;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_
