// Sixteen numbers at a time, in one register; two sums, so that one does not wait for the other.
#include "distance.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace loom::cache {

#define LOOM_AVX512 __attribute__((target("avx512f")))

LOOM_AVX512 float dot_avx512(const float* a, const float* b, size_t size) noexcept {
    __m512 even = _mm512_setzero_ps();
    __m512 odd = _mm512_setzero_ps();
    size_t at = 0;
    for (; at + 2 * vector_step <= size; at += 2 * vector_step) {
        even = _mm512_fmadd_ps(_mm512_loadu_ps(a + at), _mm512_loadu_ps(b + at), even);
        odd = _mm512_fmadd_ps(_mm512_loadu_ps(a + at + vector_step), _mm512_loadu_ps(b + at + vector_step), odd);
    }
    if (at < size) even = _mm512_fmadd_ps(_mm512_loadu_ps(a + at), _mm512_loadu_ps(b + at), even);
    return _mm512_reduce_add_ps(_mm512_add_ps(even, odd));
}

}  // namespace loom::cache
#endif
