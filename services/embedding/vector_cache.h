#ifndef ENGRAM_SERVICES_EMBEDDING_VECTOR_CACHE_H_
#define ENGRAM_SERVICES_EMBEDDING_VECTOR_CACHE_H_

#include <array>
#include <cstddef>
#include <list>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// Says which vector: a SHA-256, so that no two texts share one, not even those
// that somebody chose for it.
using VectorKey = std::array<unsigned char, 32>;

// Returns the key of what the model of `fingerprint` makes of `text`.
VectorKey MakeVectorKey(absl::string_view fingerprint, Purpose purpose,
                        absl::string_view query, absl::string_view text);

// Vectors that were paid for, those used last, in memory: all models of a
// process share one. A vector never gets old, for its key holds the model's
// fingerprint.
//
// Thread-safe.
class VectorCache {
 public:
  // Holds `max_bytes` at most; 0 keeps nothing.
  explicit VectorCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Returns what Put was given, which counts as used by that.
  std::optional<EmbeddedText> Get(const VectorKey& key);
  void Put(const VectorKey& key, const EmbeddedText& embedded);

  size_t bytes() const;

 private:
  using Entries = std::list<std::pair<VectorKey, EmbeddedText>>;

  static size_t BytesOf(const EmbeddedText& embedded);

  const size_t max_bytes_;

  mutable absl::Mutex mutex_;
  // Those used last come first.
  Entries entries_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<VectorKey, Entries::iterator> places_
      ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_VECTOR_CACHE_H_
