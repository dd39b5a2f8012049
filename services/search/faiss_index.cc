#include "services/search/faiss_index.h"

#include <faiss/IndexFlat.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

faiss::MetricType FaissMetric(Metric metric) {
  // Cosine vectors are kept at unit length, where the two agree.
  return metric == Metric::kL2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
}

}  // namespace

struct FaissVectors::Flat {
  faiss::IndexFlat index;

  uint8_t* At(int64_t slot) {
    return index.codes.data() + slot * index.code_size;
  }
};

FaissVectors::FaissVectors(int dimensions, Metric metric)
    : flat_(std::make_unique<Flat>(
          Flat{faiss::IndexFlat(dimensions, FaissMetric(metric))})) {}

FaissVectors::FaissVectors(std::unique_ptr<Flat> flat)
    : flat_(std::move(flat)) {}

FaissVectors::~FaissVectors() = default;
FaissVectors::FaissVectors(FaissVectors&&) noexcept = default;
FaissVectors& FaissVectors::operator=(FaissVectors&&) noexcept = default;

absl::StatusOr<FaissVectors> FaissVectors::Load(const std::string& path,
                                                int dimensions, Metric metric) {
  std::FILE* file = std::fopen(path.c_str(), "rbe");
  if (file == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", path));
  }
  const absl::Cleanup close_file = [&] { std::fclose(file); };
  std::unique_ptr<faiss::Index> read;
  try {
    read.reset(faiss::read_index(file));
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat(path, ": ", error.what()));
  }
  auto* flat = dynamic_cast<faiss::IndexFlat*>(read.get());
  if (flat == nullptr || flat->d != dimensions ||
      flat->metric_type != FaissMetric(metric) ||
      flat->codes.size() != flat->ntotal * dimensions * sizeof(float)) {
    return absl::DataLossError(
        absl::StrCat(path, " does not hold flat vectors of ", dimensions,
                     " dimensions and the index's metric"));
  }
  return FaissVectors(std::make_unique<Flat>(Flat{std::move(*flat)}));
}

absl::Status FaissVectors::Save(const std::string& path) const {
  return WriteSynced(path, [&](std::FILE* file) {
    try {
      faiss::write_index(&flat_->index, file);
    } catch (const faiss::FaissException& error) {
      // FAISS tells only that a write fell short; errno still says why.
      return absl::ErrnoToStatus(
          errno == 0 ? EIO : errno,
          absl::StrCat("write ", path, ": ", error.what()));
    }
    return absl::OkStatus();
  });
}

int64_t FaissVectors::size() const { return flat_->index.ntotal; }

const float* FaissVectors::data() const {
  return reinterpret_cast<const float*>(flat_->index.codes.data());
}

int64_t FaissVectors::memory_bytes() const {
  return static_cast<int64_t>(flat_->index.codes.capacity());
}

void FaissVectors::Append(absl::string_view packed) {
  auto& codes = flat_->index.codes;
  codes.insert(codes.end(), packed.begin(), packed.end());
  ++flat_->index.ntotal;
}

void FaissVectors::Replace(int64_t slot, absl::string_view packed) {
  std::memcpy(flat_->At(slot), packed.data(), packed.size());
}

void FaissVectors::Swap(int64_t one, int64_t other) {
  uint8_t* const at = flat_->At(one);
  std::swap_ranges(at, at + flat_->index.code_size, flat_->At(other));
}

void FaissVectors::Remove(int64_t slot) {
  faiss::IndexFlat& index = flat_->index;
  const int64_t last = index.ntotal - 1;
  if (slot != last) {
    std::memcpy(flat_->At(slot), flat_->At(last), index.code_size);
  }
  index.codes.resize(last * index.code_size);
  index.ntotal = last;
}

}  // namespace engram::search
