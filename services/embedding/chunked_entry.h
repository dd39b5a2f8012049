#ifndef ENGRAM_SERVICES_EMBEDDING_CHUNKED_ENTRY_H_
#define ENGRAM_SERVICES_EMBEDDING_CHUNKED_ENTRY_H_

#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "engram/storage/v1/vector.pb.h"
#include "services/embedding/provider.h"

namespace engram::embedding {

// The most chunks of one text whose vectors have `dimensions` components: 4096,
// or less where the vectors would be more than storage takes in a message.
int MaxChunks(int dimensions);

// An outbox entry whose text is cut into chunks, as its vector field wants it.
// Knows which of them must be embedded, as storage has no vectors of them yet,
// and makes the put of their vectors.
class ChunkedEntry {
 public:
  // Cuts the text by the tokens of `provider`, into chunks of no more than its
  // model reads. `entry` must outlive what is returned. `Unimplemented` if it
  // is to be cut in a way that is newer than this program.
  static absl::StatusOr<ChunkedEntry> Create(
      const storage::v1::OutboxEntry& entry, const Provider& provider);

  ChunkedEntry(ChunkedEntry&&) = default;
  ChunkedEntry& operator=(ChunkedEntry&&) = default;

  const storage::v1::OutboxEntry& entry() const { return *entry_; }

  // What must be embedded, each text once; good for as long as this object, or
  // one that it is moved to. None if storage has it all.
  absl::Span<const absl::string_view> texts() const { return texts_; }

  // Returns the put; `embedded` are the vectors of texts(), in their order.
  storage::v1::VectorPut MakePut(absl::Span<const EmbeddedText> embedded) const;

 private:
  struct Part {
    storage::v1::ChunkText text;
    // The place in texts_; -1 if storage has the vector.
    int place = -1;
  };

  explicit ChunkedEntry(const storage::v1::OutboxEntry& entry)
      : entry_(&entry) {}

  const storage::v1::OutboxEntry* entry_;
  // Empty if the text is not cut.
  std::vector<Part> parts_;
  std::vector<absl::string_view> texts_;
  // What texts_ points into; never moved in memory.
  std::deque<std::string> owned_texts_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CHUNKED_ENTRY_H_
