// Sixteen numbers at a time, in two registers.
#include "distance.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace loom::cache {

#define LOOM_AVX2 __attribute__((target("avx2,fma")))

LOOM_AVX2 float dot_avx2(const float* a, const float* b, size_t size) noexcept {
    __m256 low = _mm256_setzero_ps();
    __m256 high = _mm256_setzero_ps();
    for (size_t at = 0; at < size; at += vector_step) {
        low = _mm256_fmadd_ps(_mm256_loadu_ps(a + at), _mm256_loadu_ps(b + at), low);
        high = _mm256_fmadd_ps(_mm256_loadu_ps(a + at + 8), _mm256_loadu_ps(b + at + 8), high);
    }
    const __m256 both = _mm256_add_ps(low, high);
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(both), _mm256_extractf128_ps(both, 1));
    four = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

}  // namespace loom::cache
#endif
