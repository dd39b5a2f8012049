#ifndef ENGRAM_SERVICES_SEARCH_TEXT_EMBEDDING_H_
#define ENGRAM_SERVICES_SEARCH_TEXT_EMBEDDING_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/embedding.pb.h"
#include "services/search/search_backend.h"

namespace engram::search {

// A query's text, to be embedded.
struct QueryText {
  // Of the vector field.
  std::string model;
  std::string text;
  absl::Time deadline;
};

// The model that answered, and the one vector; or why there is none, as
// embedding says it.
using EmbedCallback =
    absl::AnyInvocable<void(absl::StatusOr<embedding::v1::EmbedResponse>)>;

// Asks embedding for the vector of one text.
void EmbedText(SearchBackend& backend, QueryText text, EmbedCallback done);

// Embeds the texts of queries that came together, those of one model by one
// call; a text that fails fails alone. Thread-safe.
class TextGatherer {
 public:
  // Gathers texts until Send.
  explicit TextGatherer(std::shared_ptr<SearchBackend> backend)
      : backend_(std::move(backend)) {}

  // As EmbedText. Texts that come after Send, of queries that had to wait for
  // something, are embedded by calls of their own.
  void Embed(QueryText text, EmbedCallback done);

  // Embeds what has been gathered. Call it once: until then nobody who gave a
  // text is called back.
  void Send();

 private:
  // By model and deadline: queries that may do without a vector wait for less.
  using Key = std::pair<std::string, absl::Time>;
  struct Texts {
    std::vector<std::string> texts;
    std::vector<EmbedCallback> done;
  };

  const std::shared_ptr<SearchBackend> backend_;

  absl::Mutex mutex_;
  bool sent_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<Key, Texts> gathered_ ABSL_GUARDED_BY(mutex_);
};

// How a query has its text embedded.
struct EmbeddingRules {
  // When a query that can do without a vector gives up waiting for one; then,
  // and when embedding has no time for it, the vector is missing as it is while
  // embedding is down.
  std::optional<absl::Time> give_up;
  // Null for a query that came alone.
  std::shared_ptr<TextGatherer> gatherer;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_TEXT_EMBEDDING_H_
