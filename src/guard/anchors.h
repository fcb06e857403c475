// The pre-filter: one look at each byte, for all types at once. It says where something might be found; detectors say
// what. `Scalar` is the reference; AVX2 and AVX-512 answer the same, chosen once (anchors.cc).
#pragma once

#include <array>
#include <cstdint>

#include "literals.h"

namespace loom::guard {

/// Places in 64 bytes; bit i is byte i.
struct Anchors {
    uint64_t numbers = 0;   // a digit behind a byte that is none, where what stands near may be something
    uint64_t signs = 0;     // '@'; ':' or '=' where what stands near may be something
    uint64_t literals = 0;  // the third byte of what may be a fingerprint that no letter or digit stands before
    // Before anybody has looked at what stands near.
    uint64_t all_numbers = 0, all_signs = 0;
    friend bool operator==(const Anchors&, const Anchors&) = default;
};

inline constexpr Pos anchor_block = 64;
inline constexpr Pos anchor_before = 9;   // bytes that are read before the block
inline constexpr Pos anchor_behind = 24;  // and behind it

/// Classes of bytes by their two halves: a byte is of those in both tables' entries. `word` needs two, as letters stand
/// in two pairs of rows that begin and end differently.
enum ByteClass : uint8_t {
    class_digit = 1,
    class_sign = 2,
    class_letter_low = 4,
    class_letter_high = 8,
    class_colon = 16
};
inline constexpr uint8_t classes_of_words = class_digit | class_letter_low | class_letter_high;
inline constexpr uint8_t classes_of_signs = class_sign | class_colon;

using HalfTable = std::array<uint8_t, 16>;

inline constexpr HalfTable class_low = [] {
    HalfTable table{};
    for (int low = 0; low < 16; ++low) {
        if (low <= 9) table[low] |= class_digit;
        if (low >= 1) table[low] |= class_letter_low;    // 'A'..'O', 'a'..'o'
        if (low <= 10) table[low] |= class_letter_high;  // 'P'..'Z', 'p'..'z'
    }
    table[0x0] |= class_sign;                              // '@'
    table[0xa] |= class_colon, table[0xd] |= class_colon;  // ':', '='
    return table;
}();
inline constexpr HalfTable class_high = [] {
    HalfTable table{};
    table[3] = class_digit | class_colon;
    table[4] = class_letter_low | class_sign;
    table[6] = class_letter_low;
    table[5] = table[7] = class_letter_high;
    return table;
}();

/// The fingerprints in eight buckets, by the halves of each of their bytes (Teddy, of Intel's Hyperscan): a place may
/// be one's where a bucket is in all six entries.
struct FingerprintTables {
    std::array<HalfTable, fingerprint_bytes> low{}, high{};
};
inline constexpr FingerprintTables fingerprint_tables = [] {
    FingerprintTables tables;
    for (size_t i = 0; i < std::size(fingerprints); ++i) {
        const auto bucket = static_cast<uint8_t>(1u << fingerprint_buckets[i]);
        for (size_t at = 0; at < fingerprint_bytes; ++at) {
            const auto c = static_cast<unsigned char>(fingerprints[i][at]);
            tables.low[at][c & 15] |= bucket;
            tables.high[at][c >> 4] |= bucket;
        }
    }
    return tables;
}();

constexpr uint8_t class_of(unsigned char c) noexcept { return class_low[c & 15] & class_high[c >> 4]; }
constexpr uint8_t bucket_of(size_t at, unsigned char c) noexcept {
    return fingerprint_tables.low[at][c & 15] & fingerprint_tables.high[at][c >> 4];
}

/// What the kernels find, before the neighbours of each place are looked at.
struct RawAnchors {
    uint64_t digits = 0, words = 0, signs = 0, literals = 0;
};

/// p  the block; anchor_before bytes before it can be read.
inline Anchors refine(const RawAnchors& raw, const unsigned char* p) noexcept {
    const uint64_t digit_before = (class_of(p[-1]) & class_digit) != 0;
    uint64_t literals = raw.literals;
    if (literals != 0) {
        uint64_t words_before = 0;
        for (int i = 0; i < 3; ++i) words_before |= uint64_t{(class_of(p[i - 3]) & classes_of_words) != 0} << i;
        literals &= ~(raw.words << 3 | words_before);
    }
    const uint64_t numbers = raw.digits & ~(raw.digits << 1 | digit_before);
    return {
        .numbers = numbers, .signs = raw.signs, .literals = literals, .all_numbers = numbers, .all_signs = raw.signs};
}

/// Goes on from block to block, from the one at `block` to the last that begins before `end`, and returns the first in
/// which there is something, or the last; what is in it is `found`.
/// text  anchor_before bytes before the first block, and anchor_behind bytes behind the last, can be read.
using AnchorKernel = Pos (*)(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept;

Pos anchors_scalar(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept;
#if defined(__x86_64__)
/// Only where the processor has them.
Pos anchors_avx2(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept;
Pos anchors_avx512(const unsigned char* text, Pos block, Pos end, Anchors& found) noexcept;
#endif

/// Of the one block that begins at p.
[[nodiscard]] inline Anchors anchors_at(AnchorKernel kernel, const unsigned char* p) noexcept {
    Anchors found;
    (void)kernel(p, 0, 0, found);
    return found;
}

/// The best of this machine.
[[nodiscard]] AnchorKernel anchor_kernel() noexcept;
/// All that it has, the scalar one first; nullptr behind the last.
[[nodiscard]] std::array<AnchorKernel, 4> anchor_kernels() noexcept;

}  // namespace loom::guard
