#ifndef ENGRAM_SERVICES_STORAGE_VECTOR_WRITER_H_
#define ENGRAM_SERVICES_STORAGE_VECTOR_WRITER_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

inline constexpr int kMaxPuts = 4096;

// One chunk of a put.
struct CheckedChunk {
  // Packed float32, little-endian; of unit length where the metric is cosine,
  // unless all components are 0. Empty stands for the stored vector of the same
  // text.
  std::string vector;
  // Of what was embedded.
  std::string text_hash;
  // Only where the generation is chunked.
  ChunkRange range;
};

// The vectors of one outbox entry, checked.
struct CheckedPut {
  int64_t entry = 0;
  int64_t generation = 0;
  std::string content_hash;
  std::vector<CheckedChunk> chunks;
};

// Checks one put against its generation, if the database has it (else it will
// be dropped); mistakes are added to `violations` at
// `path`, such as `puts[0]`, and what is returned then is of no use.
CheckedPut CheckPut(const Catalog& catalog, const v1::VectorPut& put,
                    absl::string_view path, FieldViolations& violations);

// Stores the vectors and their changes, and removes the outbox entries, within
// `transaction`. A put whose entry is gone, or of another text, is dropped: so
// a repeat stores nothing. Returns one result a put in `results`.
// `InvalidArgument` for a chunk without a vector whose text has none stored.
absl::Status WriteVectors(WriteTransaction& transaction,
                          absl::string_view database, const Catalog& catalog,
                          const std::vector<CheckedPut>& puts,
                          std::vector<v1::PutResult>* results);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_WRITER_H_
