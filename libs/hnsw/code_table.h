#ifndef ENGRAM_LIBS_HNSW_CODE_TABLE_H_
#define ENGRAM_LIBS_HNSW_CODE_TABLE_H_

#include <cstdint>

#include "libs/hnsw/code_range.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/huge_array.h"

namespace engram::hnsw {

// The codes of a segment, owned. Immutable, so any number of threads may read.
class CodeTable {
 public:
  // Encodes `count` (at most kMaxNodes) finite vectors of `dimensions` floats
  // each, back to back at `rows`, which are not needed afterwards.
  CodeTable(const float* rows, int64_t count, int dimensions, Metric metric);

  // Takes codes that were made before, row after row, and as many rows as fit.
  CodeTable(HugeArray<uint8_t> codes, int dimensions, Metric metric,
            CodeRange range);

  // Makes 4-bit codes of 8-bit ones, which are not needed afterwards: a graph
  // is built over the latter.
  static CodeTable Narrow(const CodeView& wide);

  // Good as long as this object.
  CodeView view() const;
  int64_t memory_bytes() const { return codes_.bytes() + norms_.bytes(); }

 private:
  void ComputeNorms();

  Metric metric_;
  int dimensions_;
  int64_t size_;
  CodeRange range_;
  HugeArray<uint8_t> codes_;
  HugeArray<int32_t> norms_;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_TABLE_H_
