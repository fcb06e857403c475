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

namespace {

LOOM_AVX2 inline __m256i in_range(__m256i v, int first, int count) noexcept {
    const __m256i moved = _mm256_add_epi8(v, _mm256_set1_epi8(static_cast<char>(0x80 - first)));
    return _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(0x80 + count)), moved);
}
LOOM_AVX2 inline uint64_t bits(__m256i v) noexcept { return static_cast<uint32_t>(_mm256_movemask_epi8(v)); }

LOOM_AVX2 inline FieldMasks field_masks32(const char* p) noexcept {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    const __m256i letters = in_range(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), 'a', 26);
    const __m256i dash = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('-'));
    const __m256i common = _mm256_or_si256(_mm256_or_si256(letters, in_range(v, '0', 10)), dash);
    const __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(v, _mm256_set1_epi8(0x1f)), v);
    const __m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f));
    return {bits(common), bits(_mm256_or_si256(low, del))};
}

}  // namespace

LOOM_AVX2 FieldMasks Avx2::field_masks64(const char* p) noexcept {
    const FieldMasks first = field_masks32(p);
    const FieldMasks second = field_masks32(p + 32);
    return {~(first.breaks | second.breaks << 32), first.stops | second.stops << 32};
}

}  // namespace loom::http::scan
#endif
