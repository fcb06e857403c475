// The one door to xxHash. XXH3 is fast and not keyed by a secret: it spreads names over tables, and never stands in for
// a cryptographic hash (see base/crypto.h).
#pragma once

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom {

struct Hash128 {
    uint64_t low = 0;
    uint64_t high = 0;
    friend bool operator==(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] inline uint64_t hash64(std::string_view bytes, uint64_t seed = 0) noexcept {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

[[nodiscard]] inline Hash128 hash128(std::string_view bytes, uint64_t seed = 0) noexcept {
    const XXH128_hash_t h = XXH3_128bits_withSeed(bytes.data(), bytes.size(), seed);
    return {h.low64, h.high64};
}

/// For `std::unordered_map<std::string, T, StringHash, std::equal_to<>>`: find() takes a string_view and allocates
/// nothing.
struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view s) const noexcept { return hash64(s); }
};

}  // namespace loom
