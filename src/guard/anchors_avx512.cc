// Sixty-four bytes at a time.
#include "anchors.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace loom::guard {

#define LOOM_AVX512 __attribute__((target("avx512f,avx512bw")))

namespace {

LOOM_AVX512 inline __m512i table(const HalfTable& half) noexcept {
    return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(half.data())));
}
LOOM_AVX512 inline __m512i look_up(const HalfTable& low, const HalfTable& high, __m512i bytes) noexcept {
    const __m512i half = _mm512_set1_epi8(15);
    const __m512i lows = _mm512_and_si512(bytes, half);
    const __m512i highs = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), half);
    return _mm512_and_si512(_mm512_shuffle_epi8(table(low), lows), _mm512_shuffle_epi8(table(high), highs));
}
LOOM_AVX512 inline uint64_t where(__m512i classes, uint8_t bits) noexcept {
    return _mm512_test_epi8_mask(classes, _mm512_set1_epi8(static_cast<char>(bits)));
}

}  // namespace

LOOM_AVX512 Anchors anchors_avx512(const unsigned char* p) noexcept {
    const FingerprintTables& t = fingerprint_tables;
    const __m512i bytes = _mm512_loadu_si512(p);
    const __m512i classes = look_up(class_low, class_high, bytes);
    const __m512i first = look_up(t.low[0], t.high[0], _mm512_loadu_si512(p - 2));
    const __m512i second = look_up(t.low[1], t.high[1], _mm512_loadu_si512(p - 1));
    const __m512i third = look_up(t.low[2], t.high[2], bytes);
    const RawAnchors raw = {.digits = where(classes, class_digit),
                            .words = where(classes, classes_of_words),
                            .signs = where(classes, classes_of_signs),
                            .literals = where(_mm512_and_si512(_mm512_and_si512(first, second), third), 0xff)};
    return refine(raw, p);
}

}  // namespace loom::guard
#endif
