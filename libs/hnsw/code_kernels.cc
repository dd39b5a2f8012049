#include "libs/hnsw/code_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstddef>

namespace engram::hnsw {
namespace {

// Every kernel scores four rows at once: each load of the query serves four,
// and the sums of four rows are added up together.
constexpr int kLanes = 4;

// Without it GCC keeps the four sums in memory at -O2, at half the speed.
#define ENGRAM_UNROLL _Pragma("GCC unroll 4")

inline void FourPortable(const CodeQuery& query, const uint8_t* const* rows,
                         int dimensions, int32_t* scores) {
  for (int lane = 0; lane < kLanes; ++lane) {
    int32_t sum = 0;
    for (int i = 0; i < dimensions; ++i) {
      sum += (rows[lane][i] - 128) * query.values[i];
    }
    scores[lane] = sum;
  }
}

inline void FourNibblesPortable(const CodeQuery& query,
                                const uint8_t* const* rows, int row_bytes,
                                int32_t* scores) {
  const int8_t* const odd = query.values + row_bytes;
  for (int lane = 0; lane < kLanes; ++lane) {
    int32_t sum = 0;
    for (int i = 0; i < row_bytes; ++i) {
      sum += (rows[lane][i] & 15) * query.values[i] +
             (rows[lane][i] >> 4) * odd[i];
    }
    scores[lane] = 2 * sum - 15 * query.sum;
  }
}

// As FourPortable, of four rows that lie one behind the other, read in that
// order: from memory that is faster by a third than to go from row to row.
inline void NextFourPortable(const CodeQuery& query, const uint8_t* first,
                             int dimensions, int32_t* scores) {
  const uint8_t* rows[kLanes] = {first, first + dimensions,
                                 first + 2 * dimensions,
                                 first + 3 * dimensions};
  FourPortable(query, rows, dimensions, scores);
}

int32_t ToQueryPortable(const uint8_t* row, int dimensions, int8_t* values) {
  int32_t sum = 0;
  for (int i = 0; i < dimensions; ++i) {
    values[i] = static_cast<int8_t>(row[i] == 0 ? -127 : row[i] - 128);
    sum += values[i];
  }
  return sum;
}

#if defined(__x86_64__)

#define ENGRAM_INLINE __attribute__((always_inline)) inline
#define ENGRAM_AVX2 __attribute__((target("avx2")))
#define ENGRAM_VNNI \
  __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni,avx2")))

// Writes the sum of each of four vectors.
ENGRAM_AVX2 ENGRAM_INLINE __m128i Sums(__m256i a, __m256i b, __m256i c,
                                       __m256i d) {
  const __m256i pairs =
      _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
  return _mm_add_epi32(_mm256_castsi256_si128(pairs),
                       _mm256_extracti128_si256(pairs, 1));
}

// Adds the products of 32 dimensions to a sum.
ENGRAM_AVX2 ENGRAM_INLINE __m256i AddAvx2(__m256i sum, const uint8_t* row,
                                          __m256i values) {
  const __m256i middle = _mm256_set1_epi8(static_cast<char>(0x80));
  const __m256i ones = _mm256_set1_epi16(1);
  const __m256i steps = _mm256_xor_si256(
      middle, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row)));
  // The instruction multiplies unsigned by signed bytes and adds pairs in
  // 16 bits, where 2 * 255 * 127 would saturate. Magnitudes by values that
  // took the sign are 2 * 128 * 127 at most, which fits.
  const __m256i products = _mm256_maddubs_epi16(
      _mm256_abs_epi8(steps), _mm256_sign_epi8(values, steps));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(products, ones));
}

ENGRAM_AVX2 ENGRAM_INLINE void FourAvx2(const CodeQuery& query,
                                        const uint8_t* const* rows,
                                        int dimensions, int32_t* scores) {
  __m256i sums[kLanes] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256(), _mm256_setzero_si256()};
  int i = 0;
  for (; i + 32 <= dimensions; i += 32) {
    const __m256i values =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.values + i));
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] = AddAvx2(sums[lane], rows[lane] + i, values);
    }
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(scores),
                   Sums(sums[0], sums[1], sums[2], sums[3]));
  for (; i < dimensions; ++i) {
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      scores[lane] += (rows[lane][i] - 128) * query.values[i];
    }
  }
}

ENGRAM_AVX2 ENGRAM_INLINE void FourNibblesAvx2(const CodeQuery& query,
                                               const uint8_t* const* rows,
                                               int row_bytes, int32_t* scores) {
  const int8_t* const odd = query.values + row_bytes;
  const __m256i half = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sums[kLanes] = {_mm256_setzero_si256(), _mm256_setzero_si256(),
                          _mm256_setzero_si256(), _mm256_setzero_si256()};
  int i = 0;
  for (; i + 32 <= row_bytes; i += 32) {
    const __m256i even_values =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(query.values + i));
    const __m256i odd_values =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(odd + i));
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      const __m256i codes =
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[lane] + i));
      // Four products of at most 15 * 127 fit 16 bits.
      const __m256i products = _mm256_add_epi16(
          _mm256_maddubs_epi16(_mm256_and_si256(codes, half), even_values),
          _mm256_maddubs_epi16(
              _mm256_and_si256(_mm256_srli_epi16(codes, 4), half), odd_values));
      sums[lane] =
          _mm256_add_epi32(sums[lane], _mm256_madd_epi16(products, ones));
    }
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(scores),
                   Sums(sums[0], sums[1], sums[2], sums[3]));
  for (; i < row_bytes; ++i) {
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      scores[lane] += (rows[lane][i] & 15) * query.values[i] +
                      (rows[lane][i] >> 4) * odd[i];
    }
  }
  ENGRAM_UNROLL
  for (int lane = 0; lane < kLanes; ++lane) {
    scores[lane] = 2 * scores[lane] - 15 * query.sum;
  }
}

ENGRAM_AVX2 ENGRAM_INLINE void NextFourAvx2(const CodeQuery& query,
                                            const uint8_t* first,
                                            int dimensions, int32_t* scores) {
  __m256i sums[kLanes];
  const int whole = dimensions / 32 * 32;
  ENGRAM_UNROLL
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint8_t* row = first + static_cast<size_t>(lane) * dimensions;
    sums[lane] = _mm256_setzero_si256();
    for (int i = 0; i < whole; i += 32) {
      sums[lane] = AddAvx2(sums[lane], row + i,
                           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(
                               query.values + i)));
    }
  }
  _mm_storeu_si128(reinterpret_cast<__m128i*>(scores),
                   Sums(sums[0], sums[1], sums[2], sums[3]));
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint8_t* row = first + static_cast<size_t>(lane) * dimensions;
    for (int i = whole; i < dimensions; ++i) {
      scores[lane] += (row[i] - 128) * query.values[i];
    }
  }
}

ENGRAM_AVX2 int32_t ToQueryAvx2(const uint8_t* row, int dimensions,
                                int8_t* values) {
  const __m256i one = _mm256_set1_epi8(1);
  const __m256i middle = _mm256_set1_epi8(static_cast<char>(0x80));
  __m256i sums = _mm256_setzero_si256();
  int i = 0;
  for (; i + 32 <= dimensions; i += 32) {
    const __m256i codes = _mm256_max_epu8(
        one, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row + i)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i),
                        _mm256_xor_si256(codes, middle));
    sums =
        _mm256_add_epi64(sums, _mm256_sad_epu8(codes, _mm256_setzero_si256()));
  }
  const __m128i halves = _mm_add_epi64(_mm256_castsi256_si128(sums),
                                       _mm256_extracti128_si256(sums, 1));
  const auto of_codes = static_cast<int32_t>(_mm_extract_epi64(halves, 0) +
                                             _mm_extract_epi64(halves, 1));
  return of_codes - 128 * i +
         ToQueryPortable(row + i, dimensions - i, values + i);
}

// Adds the halves of `value`. Masked, because GCC 12 warns of the undefined
// source of the plain form.
ENGRAM_VNNI ENGRAM_INLINE __m256i Halves(__m512i value) {
  return _mm256_add_epi32(_mm512_maskz_extracti64x4_epi64(0xff, value, 0),
                          _mm512_maskz_extracti64x4_epi64(0xff, value, 1));
}

ENGRAM_VNNI ENGRAM_INLINE void StoreVnni(const CodeQuery& query,
                                         const __m512i* sums, int32_t* scores) {
  // The sums are of code * value; 128 steps less a code are taken off at once.
  const __m128i codes =
      Sums(Halves(sums[0]), Halves(sums[1]), Halves(sums[2]), Halves(sums[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(scores),
                   _mm_sub_epi32(codes, _mm_set1_epi32(128 * query.sum)));
}

ENGRAM_VNNI ENGRAM_INLINE void FourVnni(const CodeQuery& query,
                                        const uint8_t* const* rows,
                                        int dimensions, int32_t* scores) {
  __m512i sums[kLanes] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                          _mm512_setzero_si512(), _mm512_setzero_si512()};
  int i = 0;
  for (; i + 64 <= dimensions; i += 64) {
    const __m512i values = _mm512_loadu_si512(query.values + i);
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] = _mm512_dpbusd_epi32(
          sums[lane], _mm512_loadu_si512(rows[lane] + i), values);
    }
  }
  if (i < dimensions) {
    const __mmask64 rest = (uint64_t{1} << (dimensions - i)) - 1;
    const __m512i values = _mm512_maskz_loadu_epi8(rest, query.values + i);
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] = _mm512_dpbusd_epi32(
          sums[lane], _mm512_maskz_loadu_epi8(rest, rows[lane] + i), values);
    }
  }
  StoreVnni(query, sums, scores);
}

ENGRAM_VNNI ENGRAM_INLINE void NextFourVnni(const CodeQuery& query,
                                            const uint8_t* first,
                                            int dimensions, int32_t* scores) {
  __m512i sums[kLanes];
  const int whole = dimensions / 64 * 64;
  const __mmask64 rest = (uint64_t{1} << (dimensions - whole)) - 1;
  ENGRAM_UNROLL
  for (int lane = 0; lane < kLanes; ++lane) {
    const uint8_t* row = first + static_cast<size_t>(lane) * dimensions;
    sums[lane] = _mm512_setzero_si512();
    for (int i = 0; i < whole; i += 64) {
      sums[lane] = _mm512_dpbusd_epi32(sums[lane], _mm512_loadu_si512(row + i),
                                       _mm512_loadu_si512(query.values + i));
    }
    if (rest == 0) continue;
    sums[lane] = _mm512_dpbusd_epi32(
        sums[lane], _mm512_maskz_loadu_epi8(rest, row + whole),
        _mm512_maskz_loadu_epi8(rest, query.values + whole));
  }
  StoreVnni(query, sums, scores);
}

// Adds to the sums of the lower and of the upper halves of bytes. The latter
// are 16 times what they should be, which saves shifting each byte.
ENGRAM_VNNI ENGRAM_INLINE void AddNibbles(__m512i codes, __m512i even,
                                          __m512i odd, __m512i& low,
                                          __m512i& high) {
  const __m512i lower = _mm512_set1_epi8(15);
  const __m512i upper = _mm512_set1_epi8(static_cast<char>(0xf0));
  low = _mm512_dpbusd_epi32(low, _mm512_and_si512(codes, lower), even);
  high = _mm512_dpbusd_epi32(high, _mm512_and_si512(codes, upper), odd);
}

ENGRAM_VNNI ENGRAM_INLINE void FourNibblesVnni(const CodeQuery& query,
                                               const uint8_t* const* rows,
                                               int row_bytes, int32_t* scores) {
  const int8_t* const odd = query.values + row_bytes;
  __m512i low[kLanes] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                         _mm512_setzero_si512(), _mm512_setzero_si512()};
  __m512i high[kLanes] = {_mm512_setzero_si512(), _mm512_setzero_si512(),
                          _mm512_setzero_si512(), _mm512_setzero_si512()};
  int i = 0;
  for (; i + 64 <= row_bytes; i += 64) {
    const __m512i even_values = _mm512_loadu_si512(query.values + i);
    const __m512i odd_values = _mm512_loadu_si512(odd + i);
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      AddNibbles(_mm512_loadu_si512(rows[lane] + i), even_values, odd_values,
                 low[lane], high[lane]);
    }
  }
  if (i < row_bytes) {
    const __mmask64 rest = (uint64_t{1} << (row_bytes - i)) - 1;
    const __m512i even_values = _mm512_maskz_loadu_epi8(rest, query.values + i);
    const __m512i odd_values = _mm512_maskz_loadu_epi8(rest, odd + i);
    ENGRAM_UNROLL
    for (int lane = 0; lane < kLanes; ++lane) {
      AddNibbles(_mm512_maskz_loadu_epi8(rest, rows[lane] + i), even_values,
                 odd_values, low[lane], high[lane]);
    }
  }
  ENGRAM_UNROLL
  for (int lane = 0; lane < kLanes; ++lane) {
    low[lane] = _mm512_add_epi32(
        low[lane], _mm512_maskz_srai_epi32(0xffff, high[lane], 4));
  }
  // The sums are of code * value; scores are of 2 code - 15 half steps.
  const __m128i codes =
      Sums(Halves(low[0]), Halves(low[1]), Halves(low[2]), Halves(low[3]));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(scores),
                   _mm_sub_epi32(_mm_add_epi32(codes, codes),
                                 _mm_set1_epi32(15 * query.sum)));
}

#endif  // defined(__x86_64__)

// One call for many rows, so that choosing at run time costs little a row. A
// template could not carry the target attribute of the function it wraps. The
// last rows are filled up to four with one that is there.
#define ENGRAM_GATHER(attributes, name, bytes_of_a_row)                        \
  attributes void Gather##name(const CodeQuery& query, const uint8_t* codes,   \
                               int dimensions, const uint32_t* nodes,          \
                               int count, int32_t* scores) {                   \
    const int row_bytes = bytes_of_a_row;                                      \
    const auto row = [&](int i) {                                              \
      return codes + static_cast<size_t>(nodes[i]) * row_bytes;                \
    };                                                                         \
    int i = 0;                                                                 \
    for (; i + kLanes <= count; i += kLanes) {                                 \
      const uint8_t* rows[kLanes] = {row(i), row(i + 1), row(i + 2),           \
                                     row(i + 3)};                              \
      Four##name(query, rows, row_bytes, scores + i);                          \
    }                                                                          \
    if (i < count) {                                                           \
      const int last = count - 1;                                              \
      const uint8_t* rows[kLanes] = {row(i), row(i + 1 < last ? i + 1 : last), \
                                     row(last), row(last)};                    \
      int32_t four[kLanes];                                                    \
      Four##name(query, rows, row_bytes, four);                                \
      for (int lane = 0; i + lane < count; ++lane)                             \
        scores[i + lane] = four[lane];                                         \
    }                                                                          \
  }
#define ENGRAM_SCAN(attributes, name)                                          \
  attributes void Scan##name(const CodeQuery& query, const uint8_t* codes,     \
                             int dimensions, int64_t count, int32_t* scores) { \
    int64_t i = 0;                                                             \
    for (; i + kLanes <= count; i += kLanes) {                                 \
      NextFour##name(query, codes + i * dimensions, dimensions, scores + i);   \
    }                                                                          \
    for (; i < count; ++i) {                                                   \
      const uint8_t* only = codes + i * dimensions;                            \
      const uint8_t* rows[kLanes] = {only, only, only, only};                  \
      int32_t four[kLanes];                                                    \
      Four##name(query, rows, dimensions, four);                               \
      scores[i] = four[0];                                                     \
    }                                                                          \
  }

#define ENGRAM_CODE_KERNELS(attributes, name)                    \
  ENGRAM_GATHER(attributes, name, dimensions)                    \
  ENGRAM_GATHER(attributes, Nibbles##name, (dimensions + 1) / 2) \
  ENGRAM_SCAN(attributes, name)

ENGRAM_CODE_KERNELS(, Portable)
#if defined(__x86_64__)
ENGRAM_CODE_KERNELS(ENGRAM_AVX2, Avx2)
ENGRAM_CODE_KERNELS(ENGRAM_VNNI, Vnni)
#endif

std::vector<CodeKernels> FindSupportedKernels() {
  std::vector<CodeKernels> kernels;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back(
        {"avx512vnni", GatherVnni, ScanVnni, GatherNibblesVnni, ToQueryAvx2});
  }
  if (__builtin_cpu_supports("avx2")) {
    kernels.push_back(
        {"avx2", GatherAvx2, ScanAvx2, GatherNibblesAvx2, ToQueryAvx2});
  }
#endif
  kernels.push_back({"portable", GatherPortable, ScanPortable,
                     GatherNibblesPortable, ToQueryPortable});
  return kernels;
}

}  // namespace

const CodeKernels& BestCodeKernels() { return SupportedCodeKernels().front(); }

const std::vector<CodeKernels>& SupportedCodeKernels() {
  static const auto* kernels =
      new std::vector<CodeKernels>(FindSupportedKernels());
  return *kernels;
}

}  // namespace engram::hnsw
