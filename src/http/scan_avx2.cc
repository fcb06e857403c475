// Thirty-two bytes at a time, for lines that are long and heads that are looked through whole.
#include "scan.h"

#if defined(LOOM_HTTP_AVX2)
#include <immintrin.h>

namespace loom::http::scan {

#define LOOM_AVX2 __attribute__((target("avx2,bmi")))

LOOM_AVX2 const char* Avx2::line_end(const char* p, const char* end) noexcept {
    const __m256i lf = _mm256_set1_epi8('\n');
    const __m256i cr = _mm256_set1_epi8('\r');
    for (; end - p >= 32; p += 32) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
        const __m256i either = _mm256_or_si256(_mm256_cmpeq_epi8(v, lf), _mm256_cmpeq_epi8(v, cr));
        const unsigned stops = static_cast<unsigned>(_mm256_movemask_epi8(either));
        if (stops != 0) return p + __builtin_ctz(stops);
    }
    return Baseline::line_end(p, end);
}

LOOM_AVX2 LineMasks Avx2::masks64(const char* p) noexcept {
    LineMasks found;
    for (int half = 0; half < 2; ++half) {
        const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32 * half));
        const auto where = [&](char c) LOOM_AVX2 {
            const __m256i same = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(c));
            return static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(same))) << (32 * half);
        };
        found.cr |= where('\r');
        found.lf |= where('\n');
        found.nul |= where('\0');
    }
    return found;
}

}  // namespace loom::http::scan
#endif
