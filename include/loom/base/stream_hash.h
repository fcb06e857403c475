// hash64 and hash128 of bytes that come in pieces.
#pragma once

#include "loom/base/hash.h"

namespace loom {

/// Where the pieces are cut makes no difference. Some 600 bytes: for the stack.
class StreamHash {
  public:
    explicit StreamHash(uint64_t seed = 0) noexcept {
        XXH3_INITSTATE(&state_);  // else it is taken for one that may have this very seed already
        XXH3_64bits_reset_withSeed(&state_, seed);
    }
    void add(std::string_view bytes) noexcept { XXH3_64bits_update(&state_, bytes.data(), bytes.size()); }
    [[nodiscard]] uint64_t value() const noexcept { return XXH3_64bits_digest(&state_); }

  private:
    XXH3_state_t state_;
};

/// The same for hash128.
class StreamHash128 {
  public:
    explicit StreamHash128(uint64_t seed = 0) noexcept {
        XXH3_INITSTATE(&state_);
        XXH3_128bits_reset_withSeed(&state_, seed);
    }
    void add(std::string_view bytes) noexcept { XXH3_128bits_update(&state_, bytes.data(), bytes.size()); }
    [[nodiscard]] Hash128 value() const noexcept {
        const XXH128_hash_t h = XXH3_128bits_digest(&state_);
        return {h.low64, h.high64};
    }

  private:
    XXH3_state_t state_;
};

}  // namespace loom
