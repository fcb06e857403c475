// Thirty-two bytes at a time.
#include "anchors.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace loom::guard {

#define LOOM_AVX2 __attribute__((target("avx2,bmi")))

namespace {

LOOM_AVX2 inline __m256i load(const unsigned char* p) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
LOOM_AVX2 inline __m256i table(const HalfTable& half) noexcept {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half.data())));
}
LOOM_AVX2 inline __m256i look_up(const HalfTable& low, const HalfTable& high, __m256i bytes) noexcept {
    const __m256i half = _mm256_set1_epi8(15);
    const __m256i lows = _mm256_and_si256(bytes, half);
    const __m256i highs = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), half);
    return _mm256_and_si256(_mm256_shuffle_epi8(table(low), lows), _mm256_shuffle_epi8(table(high), highs));
}
/// Where a byte has one of the bits.
LOOM_AVX2 inline uint64_t where(__m256i classes, uint8_t bits) noexcept {
    const __m256i some = _mm256_and_si256(classes, _mm256_set1_epi8(static_cast<char>(bits)));
    return ~static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(some, _mm256_setzero_si256()))) & 0xffffffffu;
}

}  // namespace

LOOM_AVX2 Anchors anchors_avx2(const unsigned char* p) noexcept {
    RawAnchors raw;
    const FingerprintTables& t = fingerprint_tables;
    for (int half = 0; half < 2; ++half) {
        const unsigned char* const at = p + 32 * half;
        const __m256i classes = look_up(class_low, class_high, load(at));
        const __m256i buckets = _mm256_and_si256(
            _mm256_and_si256(look_up(t.low[0], t.high[0], load(at - 2)), look_up(t.low[1], t.high[1], load(at - 1))),
            look_up(t.low[2], t.high[2], load(at)));
        raw.digits |= where(classes, class_digit) << (32 * half);
        raw.words |= where(classes, classes_of_words) << (32 * half);
        raw.signs |= where(classes, classes_of_signs) << (32 * half);
        raw.literals |= where(buckets, 0xff) << (32 * half);
    }
    return refine(raw, p);
}

}  // namespace loom::guard
#endif
