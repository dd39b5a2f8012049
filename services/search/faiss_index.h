#ifndef ENGRAM_SERVICES_SEARCH_FAISS_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_FAISS_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/search/index.h"

namespace engram::search {

// Vectors of one dimension, back to back, in memory of a faiss::IndexFlat: what
// Save writes, any FAISS opens. Its .cc is the one file that knows FAISS.
//
// A vector's number, its slot, is its place; removing one moves the last one
// there. Not thread-safe, except that const methods may run beside each other.
class FaissVectors {
 public:
  FaissVectors(int dimensions, Metric metric);
  ~FaissVectors();
  FaissVectors(FaissVectors&&) noexcept;
  FaissVectors& operator=(FaissVectors&&) noexcept;

  // Reads what Save wrote. `DataLoss` for anything but vectors of these
  // dimensions and metric.
  static absl::StatusOr<FaissVectors> Load(const std::string& path,
                                           int dimensions, Metric metric);

  // Writes and syncs the file. A failure may leave a part of it.
  absl::Status Save(const std::string& path) const;

  int64_t size() const;
  // `size()` times the dimensions floats; good until the next change.
  const float* data() const;
  int64_t memory_bytes() const;

  // `packed` has four times the dimensions bytes.
  void Append(absl::string_view packed);
  void Replace(int64_t slot, absl::string_view packed);
  void Swap(int64_t one, int64_t other);
  // Moves the last vector into `slot` and drops the last slot.
  void Remove(int64_t slot);

 private:
  struct Flat;
  explicit FaissVectors(std::unique_ptr<Flat> flat);

  std::unique_ptr<Flat> flat_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FAISS_INDEX_H_
