#include "libs/hnsw/code_table.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"

namespace engram::hnsw {

CodeTable::CodeTable(const float* rows, int64_t count, int dimensions,
                     Metric metric)
    : metric_(metric),
      dimensions_(dimensions),
      size_(count),
      range_(ChooseCodeRange(rows, count, dimensions, metric)),
      codes_(count * dimensions) {
  for (int64_t i = 0; i < count; ++i) {
    EncodeRow(range_, absl::MakeSpan(rows + i * dimensions, dimensions),
              codes_.data() + i * dimensions);
  }
  ComputeNorms();
}

CodeTable::CodeTable(HugeArray<uint8_t> codes, int dimensions, Metric metric,
                     CodeRange range)
    : metric_(metric),
      dimensions_(dimensions),
      size_(static_cast<int64_t>(codes.size()) /
            std::max<int64_t>(1, range.RowBytes(dimensions))),
      range_(range),
      codes_(std::move(codes)) {
  ComputeNorms();
}

CodeTable CodeTable::Narrow(const CodeView& wide) {
  const CodeRange range =
      ChooseNibbleRange(wide.range, wide.codes, wide.size, wide.dimensions);
  const NibbleEncoder encoder(wide.range, range);
  const int64_t row_bytes = range.RowBytes(wide.dimensions);
  HugeArray<uint8_t> codes(wide.size * row_bytes);
  for (int64_t i = 0; i < wide.size; ++i) {
    encoder.EncodeRow(wide.codes + i * wide.dimensions, wide.dimensions,
                      codes.data() + i * row_bytes);
  }
  return {std::move(codes), wide.dimensions, wide.metric, range};
}

void CodeTable::ComputeNorms() {
  if (metric_ != Metric::kL2 || range_.is_float32()) return;
  norms_ = HugeArray<int32_t>(size_);
  const auto norm_of = range_.bits == 8 ? CodeNorm : NibbleNorm;
  for (int64_t i = 0; i < size_; ++i) {
    norms_[i] =
        norm_of(codes_.data() + i * range_.RowBytes(dimensions_), dimensions_);
  }
}

CodeView CodeTable::view() const {
  return {.metric = metric_,
          .dimensions = dimensions_,
          .size = size_,
          .range = range_,
          .codes = codes_.data(),
          .norms = norms_.data()};
}

}  // namespace engram::hnsw
