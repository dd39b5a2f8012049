#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/chunk/token_count.h"
#include "services/embedding/caller.h"
#include "services/embedding/rate_limits.h"

namespace engram::embedding {

// What vectors are for; some models embed questions and texts differently.
enum class Purpose { kDocument, kQuery };

// Describes a model; see engram.common.v1.Model.
struct Model {
  std::string name;
  std::string fingerprint;
  // 1 for a model that reranks: its vectors are scores.
  int dimensions = 0;
  // Whether the vectors have unit length.
  bool normalized = false;
  // The most tokens of one text that reach the model; 0 is no limit.
  int max_tokens = 0;
  // Who makes the vectors, as providers.yaml calls it.
  std::string provider;
  // What a million tokens cost in US dollars; 0 is nothing, or not known.
  double usd_per_million_tokens = 0;
};

// The most that one call of a provider may hold; 0 is no limit.
struct CallLimits {
  int texts = 0;
  // Of all texts together.
  int64_t tokens = 0;
  // Of all texts together, as JSON strings.
  int64_t bytes = 0;
  // How many calls may be under way at once.
  int calls = 0;
};

// What an answer made a provider do: nothing where the vector was at hand, or
// on its way for another caller.
struct Spent {
  // Calls. One of several texts counts with the first of them.
  int requests = 0;
  // Tokens that the model read; at least one if it read the text.
  int tokens = 0;
  // In US dollars, by the price in the provider's spec.
  double cost_usd = 0;
};

// What became of one text.
struct EmbeddedText {
  std::vector<float> vector;
  // Tokens of the text that the model read, now or before.
  int tokens = 0;
  Spent spent;
  // How much of the text's end was left out, as the call allowed.
  size_t truncated_bytes = 0;
};

// The vector of one text, or why it has none.
using EmbedResult = absl::StatusOr<EmbeddedText>;
using EmbedDone = absl::AnyInvocable<void(std::vector<EmbedResult>)>;

// What a provider is asked for.
struct EmbedCall {
  // Stays valid, with the texts, until the answer comes.
  absl::Span<const absl::string_view> texts;
  Purpose purpose = Purpose::kDocument;
  // For models that rerank, the question that the texts are scored by; valid as
  // long as `texts`. Empty for all others.
  absl::string_view query;
  // Whether a text that is too long may be embedded without its end.
  bool truncate = false;
  // Never null.
  std::shared_ptr<Caller> caller;
};

// Step 5 of a record's life: turns texts into vectors with one model. Every
// implementation passes testing/provider_contract.h.
//
// A model that reranks is a provider too: the vector of a text is one number,
// how well it answers the query. So all that is wrapped around providers serves
// both.
//
// Thread-safe.
class Provider {
 public:
  virtual ~Provider() = default;

  // The same for as long as the provider lives.
  virtual const Model& model() const = 0;

  // How much goes into one call of the provider; what is beyond may be an
  // error, but WrapRemote's take any number of texts. The same for as long as
  // the provider lives.
  virtual CallLimits limits() const { return {}; }

  // How much it may be asked for in a minute.
  virtual RateLimits rate_limits() const { return {}; }

  // Whether it only computes, some microseconds a text, and answers before
  // Start returns.
  virtual bool is_local() const = 0;

  // OK, or why calls fail now, as far as is known: a key that is missing, or
  // the error of the last call.
  virtual absl::Status health() const { return absl::OkStatus(); }

  // About how many tokens the model reads of `text`, however long it is: to cut
  // texts by. An estimate (chunk::EstimateTokens) where its tokenizer is not at
  // hand. Some microseconds a kilobyte, at most.
  virtual int CountTokens(absl::string_view text) const {
    return chunk::EstimateTokens(text);
  }
  // Whether that is the model's own count.
  virtual bool counts_exactly() const { return false; }

  // Calls `done` once, from any thread, perhaps before it returns, with a
  // result for each text in their order; touches nothing of its own after that.
  // Safe to repeat, though a remote provider charges again. A text's error:
  //
  // - `InvalidArgument`: it cannot be embedded, now or later; the message says
  //   what is wrong with it.
  // - `Aborted`: another text of the call is refused, or may be; give this one
  //   again in another call. WrapRemote's providers do so by themselves.
  // - `Unavailable`, `DeadlineExceeded`: the provider is down; try later.
  // - `ResourceExhausted`: a quota is used up, or too much waits; try later.
  // - `FailedPrecondition`: it will not work before the configuration changes.
  // - `Internal`: the provider's answer was not what it promises.
  // - `Cancelled`: the caller no longer waits, and nothing was sent.
  //
  // IsTextsFault tells a text that is at fault from a provider that is.
  virtual void Start(const EmbedCall& call, EmbedDone done) = 0;

  // Ends the calls under way, soon, and refuses later ones: `Cancelled`.
  // Repeating is safe.
  virtual void Shutdown() {}

  // Calls Start and waits: for threads that have nothing else to do.
  std::vector<EmbedResult> EmbedEach(absl::Span<const absl::string_view> texts,
                                     Purpose purpose, absl::Time deadline);

  // The same, all or nothing: the vectors, or the errors of the texts that have
  // none, each named as `texts[3]`, and then no vector. Waits a minute at most.
  absl::StatusOr<std::vector<EmbeddedText>> Embed(
      absl::Span<const absl::string_view> texts, Purpose purpose);
};

// Marks `error`, of a text that its provider fails at while it embeds others.
absl::Status BlameText(absl::Status error);

// Whether `error` is the text's own fault: the provider refuses it, or fails at
// it alone, as BlameText says. The others are to be embedded without it.
bool IsTextsFault(const absl::Status& error);

// Returns `error` for each of `texts` texts.
std::vector<EmbedResult> FailAll(size_t texts, const absl::Status& error);

// Returns OK if every text has a vector. Else an error: if it is about texts it
// names each, those of the field `field` as `texts[3]`; else it is the first
// there is.
absl::Status FirstFailure(const std::vector<EmbedResult>& results,
                          absl::string_view field);

// Returns every vector, or FirstFailure.
absl::StatusOr<std::vector<EmbeddedText>> AllOrNothing(
    std::vector<EmbedResult> results, absl::string_view field);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDER_H_
