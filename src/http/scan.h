// The kernels under the parsers. Each is the same few questions about bytes: `Scalar` is the reference, `Sse2` is in
// every x86-64, and the questions about long lines have an AVX2 answer too, chosen once (scan.cc). No kernel reads
// outside [p, end).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace loom::http::scan {

/// tchar of RFC 9110, 5.6.2.
inline constexpr std::array<bool, 256> token_bytes = [] {
    std::array<bool, 256> table{};
    for (unsigned char c : std::string_view("!#$%&'*+-.^_`|~0123456789")) table[c] = true;
    for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
    return table;
}();
constexpr bool is_token(char c) noexcept { return token_bytes[static_cast<unsigned char>(c)]; }
/// Neither visible, nor space, tab or obs-text (RFC 9110, 5.5): what ends a field value.
constexpr bool is_control(char c) noexcept { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }
/// What a request target is made of here: visible ASCII without '#'.
constexpr bool is_target(char c) noexcept { return c > 0x20 && c < 0x7f && c != '#'; }

/// reg-name without percent escapes and sub-delims, which hosts in use do not have and forged ones do ("a,b", "a%00").
inline constexpr std::array<bool, 256> host_bytes = [] {
    std::array<bool, 256> table{};
    for (unsigned char c : std::string_view("-._~0123456789")) table[c] = true;
    for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
    return table;
}();
constexpr bool is_host(char c) noexcept { return host_bytes[static_cast<unsigned char>(c)]; }

/// Where CR, LF and NUL are in 64 bytes; bit i is byte i.
struct LineMasks {
    uint64_t cr = 0;
    uint64_t lf = 0;
    uint64_t nul = 0;
};

/// Which of 64 bytes may end a name or a value; bit i is byte i. Both hold more than they must: `breaks` all but
/// letters, digits and '-', `stops` tabs too. Who meets one of those asks the table and goes on.
struct FieldMasks {
    uint64_t breaks = 0;
    uint64_t stops = 0;
};

struct Scalar {
    static const char* name_end(const char* p, const char* end) noexcept {
        while (p < end && is_token(*p)) ++p;
        return p;
    }
    static const char* value_end(const char* p, const char* end) noexcept {
        while (p < end && !is_control(*p)) ++p;
        return p;
    }
    static const char* target_end(const char* p, const char* end) noexcept {
        while (p < end && is_target(*p)) ++p;
        return p;
    }
    static const char* host_end(const char* p, const char* end) noexcept {
        while (p < end && is_host(*p)) ++p;
        return p;
    }
    static const char* line_end(const char* p, const char* end) noexcept {
        while (p < end && *p != '\n' && *p != '\r') ++p;
        return p;
    }
    static LineMasks masks(const char* p, size_t count) noexcept {
        LineMasks found;
        for (size_t i = 0; i < count; ++i) {
            found.cr |= static_cast<uint64_t>(p[i] == '\r') << i;
            found.lf |= static_cast<uint64_t>(p[i] == '\n') << i;
            found.nul |= static_cast<uint64_t>(p[i] == '\0') << i;
        }
        return found;
    }
    static LineMasks masks64(const char* p) noexcept { return masks(p, 64); }
    static FieldMasks field_masks(const char* p, size_t count) noexcept {
        FieldMasks found;
        for (size_t i = 0; i < count; ++i) {
            const bool common =
                host_bytes[static_cast<unsigned char>(p[i])] && p[i] != '.' && p[i] != '_' && p[i] != '~';
            found.breaks |= static_cast<uint64_t>(!common) << i;
            found.stops |= static_cast<uint64_t>(is_control(p[i]) || p[i] == '\t') << i;
        }
        return found;
    }
    static FieldMasks field_masks64(const char* p) noexcept { return field_masks(p, 64); }
};

#if defined(__SSE2__)
struct Sse2 {
    static __m128i load(const char* p) noexcept { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
    static unsigned bits(__m128i v) noexcept { return static_cast<unsigned>(_mm_movemask_epi8(v)); }
    static __m128i equal(__m128i v, char c) noexcept { return _mm_cmpeq_epi8(v, _mm_set1_epi8(c)); }
    static __m128i at_most(__m128i v, char c) noexcept { return _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(c)), v); }
    /// first <= v < first + count, unsigned, by moving the range to the bottom of the signed ones.
    static __m128i in_range(__m128i v, int first, int count) noexcept {
        const __m128i moved = _mm_add_epi8(v, _mm_set1_epi8(static_cast<char>(0x80 - first)));
        return _mm_cmplt_epi8(moved, _mm_set1_epi8(static_cast<char>(0x80 + count)));
    }

    /// Up to the first byte that is not allowed. Most are letters, digits and `more`.
    template <char more, bool (*is_allowed)(char)>
    static const char* word_end(const char* p, const char* end) noexcept {
        while (end - p >= 16) {
            const __m128i v = load(p);
            const __m128i letters = in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 26);
            const __m128i common = _mm_or_si128(_mm_or_si128(letters, in_range(v, '0', 10)), equal(v, more));
            const unsigned others = bits(common) ^ 0xffff;
            p += others == 0 ? 16 : __builtin_ctz(others);
            if (others == 0) continue;
            if (!is_allowed(*p)) return p;  // the rarer bytes are asked of the table, one by one
            p += 1;
        }
        while (p < end && is_allowed(*p)) ++p;
        return p;
    }
    static const char* name_end(const char* p, const char* end) noexcept { return word_end<'-', is_token>(p, end); }
    static const char* host_end(const char* p, const char* end) noexcept { return word_end<'.', is_host>(p, end); }
    static const char* value_end(const char* p, const char* end) noexcept {
        while (end - p >= 16) {
            const __m128i v = load(p);
            const unsigned stops = bits(_mm_or_si128(at_most(v, 0x1f), equal(v, 0x7f)));
            if (stops == 0) {
                p += 16;
                continue;
            }
            p += __builtin_ctz(stops);
            if (*p != '\t') return p;
            p += 1;
        }
        return Scalar::value_end(p, end);
    }
    static const char* target_end(const char* p, const char* end) noexcept {
        while (end - p >= 16) {
            const __m128i v = load(p);
            const __m128i inside = in_range(v, 0x21, 0x7f - 0x21);
            const unsigned stops = bits(_mm_andnot_si128(equal(v, '#'), inside)) ^ 0xffff;
            if (stops != 0) return p + __builtin_ctz(stops);
            p += 16;
        }
        return Scalar::target_end(p, end);
    }
    static const char* line_end(const char* p, const char* end) noexcept {
        while (end - p >= 16) {
            const __m128i v = load(p);
            const unsigned stops = bits(_mm_or_si128(equal(v, '\n'), equal(v, '\r')));
            if (stops != 0) return p + __builtin_ctz(stops);
            p += 16;
        }
        return Scalar::line_end(p, end);
    }
    static LineMasks masks64(const char* p) noexcept {
        LineMasks found;
        for (int part = 0; part < 4; ++part) {
            const __m128i v = load(p + 16 * part);
            found.cr |= static_cast<uint64_t>(bits(equal(v, '\r'))) << (16 * part);
            found.lf |= static_cast<uint64_t>(bits(equal(v, '\n'))) << (16 * part);
            found.nul |= static_cast<uint64_t>(bits(equal(v, '\0'))) << (16 * part);
        }
        return found;
    }
    static FieldMasks field_masks64(const char* p) noexcept {
        FieldMasks found;
        for (int part = 0; part < 4; ++part) {
            const __m128i v = load(p + 16 * part);
            const __m128i letters = in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 26);
            const __m128i common = _mm_or_si128(_mm_or_si128(letters, in_range(v, '0', 10)), equal(v, '-'));
            const __m128i stops = _mm_or_si128(at_most(v, 0x1f), equal(v, 0x7f));
            found.breaks |= static_cast<uint64_t>(bits(common) ^ 0xffff) << (16 * part);
            found.stops |= static_cast<uint64_t>(bits(stops)) << (16 * part);
        }
        return found;
    }
};
using Baseline = Sse2;
#else
using Baseline = Scalar;
#endif

#if defined(__x86_64__)
#define LOOM_HTTP_AVX2 1
/// Only where `__builtin_cpu_supports("avx2")`; compiled for it by attribute, so that nothing else in the program is.
struct Avx2 {
    static const char* line_end(const char* p, const char* end) noexcept;
    static LineMasks masks64(const char* p) noexcept;
    static FieldMasks field_masks64(const char* p) noexcept;
};
#endif

/// The best of this machine.
const char* line_end(const char* p, const char* end) noexcept;
LineMasks masks64(const char* p) noexcept;
FieldMasks field_masks64(const char* p) noexcept;

struct Best : Baseline {
    static LineMasks masks64(const char* p) noexcept { return scan::masks64(p); }
    static FieldMasks field_masks64(const char* p) noexcept { return scan::field_masks64(p); }
};

}  // namespace loom::http::scan
