#ifndef ENGRAM_SERVICES_EMBEDDING_ROW_SUM_H_
#define ENGRAM_SERVICES_EMBEDDING_ROW_SUM_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace engram::embedding {

// A table of vectors as int8 rows, each with a scale. Borrowed.
struct ScaledRows {
  // Row i is the `dimensions` values from rows[i * dimensions], times
  // scales[i].
  const int8_t* rows = nullptr;
  const float* scales = nullptr;
  size_t dimensions = 0;
};

// Sets `sum`, of the table's dimensions, to the sum of the rows `ids`, each of
// which must be in the table. Runs at the speed of the best vector instructions
// that this processor has.
void SumRows(const ScaledRows& table, absl::Span<const int32_t> ids,
             absl::Span<float> sum);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_ROW_SUM_H_
