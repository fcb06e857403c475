// Thirty-two bytes at a time.
#include "anchors.h"
#include "near.h"

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

LOOM_AVX2 inline uint64_t bits_of(__m256i low, __m256i high) noexcept {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32;
}
struct Bytes {
    __m256i low, high;
};
LOOM_AVX2 inline uint64_t equal(Bytes bytes, char c) noexcept {
    const __m256i wanted = _mm256_set1_epi8(c);
    return bits_of(_mm256_cmpeq_epi8(bytes.low, wanted), _mm256_cmpeq_epi8(bytes.high, wanted));
}
/// first, and so many bytes from it on.
LOOM_AVX2 inline uint64_t within(Bytes bytes, char first, char count) noexcept {
    const __m256i from = _mm256_set1_epi8(first), last = _mm256_set1_epi8(static_cast<char>(count - 1));
    const __m256i low = _mm256_sub_epi8(bytes.low, from), high = _mm256_sub_epi8(bytes.high, from);
    return bits_of(_mm256_cmpeq_epi8(_mm256_min_epu8(low, last), low),
                   _mm256_cmpeq_epi8(_mm256_min_epu8(high, last), high));
}

LOOM_AVX2 Near<uint64_t> near_at(const unsigned char* p) noexcept {
    const Bytes bytes{load(p), load(p + 32)};
    const __m256i case_bit = _mm256_set1_epi8(0x20);
    const Bytes small{_mm256_or_si256(bytes.low, case_bit), _mm256_or_si256(bytes.high, case_bit)};
    const NameEndTables& t = name_end_tables;
    const auto name_end = [&](const unsigned char* at) LOOM_AVX2 {
        return where(_mm256_and_si256(look_up(t.before_last_low, t.before_last_high, load(at - 1)),
                                      look_up(t.last_low, t.last_high, load(at))),
                     0xff);
    };
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
            .name_end = name_end(p) | name_end(p + 32) << 32};
}

LOOM_AVX2 inline RawAnchors raw_at(const unsigned char* p) noexcept {
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
    return raw;
}

}  // namespace

LOOM_AVX2 Pos anchors_avx2(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept {
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
