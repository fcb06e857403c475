// Ways in which an answer may carry out what is not for its reader: guards find them, metrics and logs name them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom {

enum class LeakKind : uint8_t {
    link,           // an address that carries data out
    canary,         // a word that the operator has planted
    system_prompt,  // words of the request's own instructions
};
inline constexpr size_t leak_kind_count = 3;

[[nodiscard]] constexpr std::string_view leak_kind_name(LeakKind kind) noexcept {
    constexpr std::array<std::string_view, leak_kind_count> names = {"link", "canary", "system_prompt"};
    return names[static_cast<size_t>(kind)];
}

}  // namespace loom
