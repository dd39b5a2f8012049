#include "libs/vector/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace engram::vector {
namespace {

// Four sums, because one would wait for the latency of every addition.
float DotPortable(const float* a, const float* b, int dimensions) {
  float sums[4] = {};
  int i = 0;
  for (; i + 4 <= dimensions; i += 4) {
    for (int lane = 0; lane < 4; ++lane)
      sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < dimensions; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

float L2SquaredPortable(const float* a, const float* b, int dimensions) {
  float sums[4] = {};
  int i = 0;
  for (; i + 4 <= dimensions; i += 4) {
    for (int lane = 0; lane < 4; ++lane) {
      const float difference = a[i + lane] - b[i + lane];
      sums[lane] += difference * difference;
    }
  }
  for (; i < dimensions; ++i) sums[0] += (a[i] - b[i]) * (a[i] - b[i]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

#if defined(__x86_64__)

#define ENGRAM_AVX2 __attribute__((target("avx2,fma")))
#define ENGRAM_AVX512 __attribute__((target("avx512f,avx2,fma")))

ENGRAM_AVX2 float Sum(__m256 value) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(value),
                          _mm256_extractf128_ps(value, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

ENGRAM_AVX2 float DotAvx2(const float* a, const float* b, int dimensions) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps(), _mm256_setzero_ps()};
  int i = 0;
  for (; i + 32 <= dimensions; i += 32) {
    for (int lane = 0; lane < 4; ++lane) {
      sums[lane] =
          _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * lane),
                          _mm256_loadu_ps(b + i + 8 * lane), sums[lane]);
    }
  }
  for (; i + 8 <= dimensions; i += 8) {
    sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i),
                              sums[0]);
  }
  float sum = Sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]),
                                _mm256_add_ps(sums[2], sums[3])));
  for (; i < dimensions; ++i) sum += a[i] * b[i];
  return sum;
}

ENGRAM_AVX2 float L2SquaredAvx2(const float* a, const float* b,
                                int dimensions) {
  __m256 sums[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(),
                    _mm256_setzero_ps(), _mm256_setzero_ps()};
  int i = 0;
  for (; i + 32 <= dimensions; i += 32) {
    for (int lane = 0; lane < 4; ++lane) {
      const __m256 difference = _mm256_sub_ps(
          _mm256_loadu_ps(a + i + 8 * lane), _mm256_loadu_ps(b + i + 8 * lane));
      sums[lane] = _mm256_fmadd_ps(difference, difference, sums[lane]);
    }
  }
  for (; i + 8 <= dimensions; i += 8) {
    const __m256 difference =
        _mm256_sub_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i));
    sums[0] = _mm256_fmadd_ps(difference, difference, sums[0]);
  }
  float sum = Sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]),
                                _mm256_add_ps(sums[2], sums[3])));
  for (; i < dimensions; ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

ENGRAM_AVX512 float Sum(__m512 value) {
  // Halves are taken as doubles, because the float32 form asks for AVX-512DQ,
  // and masked, because GCC 12 warns of the undefined source of the plain form.
  const __m512d halves = _mm512_castps_pd(value);
  return Sum(_mm256_castpd_ps(_mm512_maskz_extractf64x4_pd(0xff, halves, 0)) +
             _mm256_castpd_ps(_mm512_maskz_extractf64x4_pd(0xff, halves, 1)));
}

// Masks the lanes from `count` on; `count` is 1 to 15.
ENGRAM_AVX512 __mmask16 FirstLanes(int count) {
  return static_cast<__mmask16>((1u << count) - 1);
}

ENGRAM_AVX512 float DotAvx512(const float* a, const float* b, int dimensions) {
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps(), _mm512_setzero_ps()};
  int i = 0;
  for (; i + 64 <= dimensions; i += 64) {
    for (int lane = 0; lane < 4; ++lane) {
      sums[lane] =
          _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16 * lane),
                          _mm512_loadu_ps(b + i + 16 * lane), sums[lane]);
    }
  }
  for (; i + 16 <= dimensions; i += 16) {
    sums[0] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i),
                              sums[0]);
  }
  if (i < dimensions) {
    const __mmask16 rest = FirstLanes(dimensions - i);
    sums[1] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(rest, a + i),
                              _mm512_maskz_loadu_ps(rest, b + i), sums[1]);
  }
  return Sum(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]),
                           _mm512_add_ps(sums[2], sums[3])));
}

ENGRAM_AVX512 float L2SquaredAvx512(const float* a, const float* b,
                                    int dimensions) {
  __m512 sums[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(),
                    _mm512_setzero_ps(), _mm512_setzero_ps()};
  int i = 0;
  for (; i + 64 <= dimensions; i += 64) {
    for (int lane = 0; lane < 4; ++lane) {
      const __m512 difference =
          _mm512_sub_ps(_mm512_loadu_ps(a + i + 16 * lane),
                        _mm512_loadu_ps(b + i + 16 * lane));
      sums[lane] = _mm512_fmadd_ps(difference, difference, sums[lane]);
    }
  }
  for (; i + 16 <= dimensions; i += 16) {
    const __m512 difference =
        _mm512_sub_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i));
    sums[0] = _mm512_fmadd_ps(difference, difference, sums[0]);
  }
  if (i < dimensions) {
    const __mmask16 rest = FirstLanes(dimensions - i);
    const __m512 difference = _mm512_sub_ps(_mm512_maskz_loadu_ps(rest, a + i),
                                            _mm512_maskz_loadu_ps(rest, b + i));
    sums[1] = _mm512_fmadd_ps(difference, difference, sums[1]);
  }
  return Sum(_mm512_add_ps(_mm512_add_ps(sums[0], sums[1]),
                           _mm512_add_ps(sums[2], sums[3])));
}

#endif  // defined(__x86_64__)

// One call a block of rows, so that choosing at run time costs nothing a row.
// A template could not carry the target attribute of the function it wraps.
#define ENGRAM_SCORE_ROWS(attributes, function)                           \
  attributes void function##Rows(const float* query, const float* rows,   \
                                 int64_t count, int dimensions,           \
                                 float* scores) {                         \
    for (int64_t row = 0; row < count; ++row) {                           \
      scores[row] = function(query, rows + row * dimensions, dimensions); \
    }                                                                     \
  }

ENGRAM_SCORE_ROWS(, DotPortable)
ENGRAM_SCORE_ROWS(, L2SquaredPortable)
#if defined(__x86_64__)
ENGRAM_SCORE_ROWS(ENGRAM_AVX2, DotAvx2)
ENGRAM_SCORE_ROWS(ENGRAM_AVX2, L2SquaredAvx2)
ENGRAM_SCORE_ROWS(ENGRAM_AVX512, DotAvx512)
ENGRAM_SCORE_ROWS(ENGRAM_AVX512, L2SquaredAvx512)
#endif

std::vector<Kernels> FindSupportedKernels() {
  std::vector<Kernels> kernels;
#if defined(__x86_64__)
  const bool has_avx2 =
      __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (has_avx2 && __builtin_cpu_supports("avx512f")) {
    kernels.push_back({"avx512f", DotAvx512Rows, L2SquaredAvx512Rows});
  }
  if (has_avx2) kernels.push_back({"avx2", DotAvx2Rows, L2SquaredAvx2Rows});
#endif
  kernels.push_back({"portable", DotPortableRows, L2SquaredPortableRows});
  return kernels;
}

}  // namespace

const Kernels& BestKernels() { return SupportedKernels().front(); }

const std::vector<Kernels>& SupportedKernels() {
  static const auto* kernels = new std::vector<Kernels>(FindSupportedKernels());
  return *kernels;
}

}  // namespace engram::vector
