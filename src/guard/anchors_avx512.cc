// Sixty-four bytes at a time.
#include "anchors.h"
#include "near.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace loom::guard {

#define LOOM_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl")))

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

LOOM_AVX512 inline uint64_t equal(__m512i bytes, char c) noexcept {
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(c));
}
/// first, and so many bytes from it on.
LOOM_AVX512 inline uint64_t within(__m512i bytes, char first, char count) noexcept {
    return _mm512_cmplt_epu8_mask(_mm512_sub_epi8(bytes, _mm512_set1_epi8(first)), _mm512_set1_epi8(count));
}

LOOM_AVX512 Near<uint64_t> near_at(const unsigned char* p) noexcept {
    const __m512i bytes = _mm512_loadu_si512(p);
    const __m512i small = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    const NameEndTables& t = name_end_tables;
    const __m512i before_last = look_up(t.before_last_low, t.before_last_high, _mm512_loadu_si512(p - 1));
    const __m512i last = look_up(t.last_low, t.last_high, bytes);
    return {.digits = within(bytes, '0', 10),
            .letters = within(small, 'a', 26),
            .hex_letters = within(small, 'a', 6),
            .blank = equal(bytes, ' '),
            .dash = equal(bytes, '-'),
            .dot = equal(bytes, '.'),
            .slash = equal(bytes, '/'),
            .open = equal(bytes, '('),
            .close = equal(bytes, ')'),
            .plus = equal(bytes, '+'),
            .one_or_two = within(bytes, '1', 2),
            .at_sign = equal(bytes, '@'),
            .colon = equal(bytes, ':'),
            .equals = equal(bytes, '='),
            .quote = equal(bytes, '"') | equal(bytes, '\''),
            .name_end = _mm512_test_epi8_mask(before_last, last)};
}

LOOM_AVX512 inline RawAnchors raw_at(const unsigned char* p) noexcept {
    const FingerprintTables& t = fingerprint_tables;
    const __m512i bytes = _mm512_loadu_si512(p);
    const __m512i classes = look_up(class_low, class_high, bytes);
    const __m512i first = look_up(t.low[0], t.high[0], _mm512_loadu_si512(p - 2));
    const __m512i second = look_up(t.low[1], t.high[1], _mm512_loadu_si512(p - 1));
    const __m512i third = look_up(t.low[2], t.high[2], bytes);
    return {.digits = where(classes, class_digit),
            .words = where(classes, classes_of_words),
            .signs = where(classes, classes_of_signs),
            .literals = where(_mm512_and_si512(_mm512_and_si512(first, second), third), 0xff)};
}

}  // namespace

LOOM_AVX512 Pos anchors_avx512(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept {
    for (;; block += anchor_block) {
        const unsigned char* const p = text + block;
        found = refine(raw_at(p), p);
        if ((found.numbers | found.signs) != 0)
            look_near(found, near_at(p - near_before), near_at(p - near_before + half_block));
        if ((found.numbers | found.signs | found.literals) != 0 || block + anchor_block >= end) return block;
    }
}

}  // namespace loom::guard
#endif
