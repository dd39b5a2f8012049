// Distances for walks: integers, of which the smaller is the nearer.

#ifndef ENGRAM_LIBS_HNSW_CODE_DISTANCES_H_
#define ENGRAM_LIBS_HNSW_CODE_DISTANCES_H_

#include <cstdint>
#include <vector>

#include "libs/hnsw/code_kernels.h"
#include "libs/hnsw/code_view.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/float_distance.h"
#include "libs/hnsw/prefetch.h"
#include "libs/vector/kernels.h"

namespace engram::hnsw {

// Has the processor fetch what scoring `node` will read. Asked for all
// neighbours before the first is scored, so that their misses overlap.
inline void PrefetchCodes(const CodeView& codes, uint32_t node) {
  Prefetch(codes.Row(node), codes.row_bytes());
  if (codes.norms != nullptr) Prefetch(codes.norms + node, sizeof(int32_t));
}

// Distances from a vector to rows of float32. By the kernels that everything is
// scored by, so that a node's score is the same to the last bit however it was
// found.
inline void ScoreFloat32(const CodeView& codes, const float* from,
                         const uint32_t* nodes, int count, int32_t* distances) {
  const vector::Kernels& kernels = vector::BestKernels();
  const bool is_l2 = codes.metric == Metric::kL2;
  const vector::ScoreRows score_rows = is_l2 ? kernels.l2_squared : kernels.dot;
  for (int i = 0; i < count; ++i) {
    float score = 0;
    score_rows(from, reinterpret_cast<const float*>(codes.Row(nodes[i])), 1,
               codes.dimensions, &score);
    distances[i] = DistanceOfFloat(is_l2 ? score : -score);
  }
}

// Distances from a query: what EncodedQuery::ScoreOf takes.
class QueryDistances {
 public:
  // Borrows both.
  QueryDistances(const CodeView& codes, const EncodedQuery& query)
      : codes_(codes),
        gather_(codes.range.bits == 8 ? BestCodeKernels().gather
                                      : BestCodeKernels().gather_nibbles),
        query_(query.codes()),
        floats_(query.floats()),
        norm_weight_(query.norm_weight()) {}

  void Prefetch(uint32_t node) const { PrefetchCodes(codes_, node); }

  void Score(const uint32_t* nodes, int count, int32_t* distances) const {
    if (codes_.range.is_float32()) {
      ScoreFloat32(codes_, floats_, nodes, count, distances);
      return;
    }
    gather_(query_, codes_.codes, codes_.dimensions, nodes, count, distances);
    if (codes_.norms == nullptr) {
      for (int i = 0; i < count; ++i) distances[i] = -distances[i];
      return;
    }
    for (int i = 0; i < count; ++i) {
      distances[i] =
          static_cast<int32_t>(norm_weight_ *
                               static_cast<float>(codes_.norms[nodes[i]])) -
          distances[i];
    }
  }

 private:
  const CodeView& codes_;
  GatherCodes gather_;
  CodeQuery query_;
  const float* floats_;
  float norm_weight_;
};

// Distances from one node to others, the same both ways: for kDot the negative
// product of the codes, which have 8 bits or 32, for kL2 their squared
// distance.
class NodeDistances {
 public:
  // Borrows `codes`.
  explicit NodeDistances(const CodeView& codes)
      : codes_(codes), kernels_(BestCodeKernels()), values_(codes.dimensions) {}

  // Sets which node distances are from.
  void From(uint32_t node) {
    if (codes_.range.is_float32()) {
      from_ = reinterpret_cast<const float*>(codes_.Row(node));
      return;
    }
    query_.values = values_.data();
    query_.sum =
        kernels_.to_query(codes_.Row(node), codes_.dimensions, values_.data());
    if (codes_.norms != nullptr) norm_ = codes_.norms[node];
  }

  void Prefetch(uint32_t node) const { PrefetchCodes(codes_, node); }

  void Score(const uint32_t* nodes, int count, int32_t* distances) const {
    if (codes_.range.is_float32()) {
      ScoreFloat32(codes_, from_, nodes, count, distances);
      return;
    }
    kernels_.gather(query_, codes_.codes, codes_.dimensions, nodes, count,
                    distances);
    if (codes_.norms == nullptr) {
      for (int i = 0; i < count; ++i) distances[i] = -distances[i];
      return;
    }
    for (int i = 0; i < count; ++i) {
      distances[i] = norm_ + codes_.norms[nodes[i]] - 2 * distances[i];
    }
  }

  // Returns the distance from `node`, the one that distances are from, that
  // `distance` exceeds by a tenth: of squared ones, for kDot too, where those
  // of unit vectors differ as distances do.
  int32_t MuchNearer(uint32_t node, int32_t distance) const {
    int32_t self = 0;
    Score(&node, 1, &self);
    if (codes_.range.is_float32()) {
      const float least = FloatOfDistance(self);
      return DistanceOfFloat(least +
                             (FloatOfDistance(distance) - least) / 1.1f);
    }
    return self + static_cast<int32_t>((int64_t{distance} - self) * 10 / 11);
  }

 private:
  const CodeView& codes_;
  const CodeKernels& kernels_;
  std::vector<int8_t> values_;
  CodeQuery query_;
  int32_t norm_ = 0;
  const float* from_ = nullptr;
};

}  // namespace engram::hnsw

#endif  // ENGRAM_LIBS_HNSW_CODE_DISTANCES_H_
