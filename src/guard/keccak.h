// Keccak-256 as Ethereum uses it (the padding of Keccak's submission, not SHA-3's): a mixed-case address is its own
// check.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace loom::guard {

/// text  below 136 bytes, one block of the sponge.
[[nodiscard]] std::array<uint8_t, 32> keccak256(std::string_view text) noexcept;

}  // namespace loom::guard
