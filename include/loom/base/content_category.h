// What texts are looked through for beside personal data: guards find it, metrics and the conf name it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace loom {

/// As OpenAI's moderation names them; `custom` is the operator's own list of words.
enum class ContentCategory : uint8_t { hate, violence, self_harm, sexual, harassment, illegal, custom };
inline constexpr size_t content_category_count = 7;
inline constexpr std::array<std::string_view, content_category_count> content_category_names = {
    "hate", "violence", "self_harm", "sexual", "harassment", "illegal", "custom"};

[[nodiscard]] constexpr std::string_view content_category_name(ContentCategory category) noexcept {
    return content_category_names[static_cast<size_t>(category)];
}
[[nodiscard]] constexpr std::optional<ContentCategory> content_category(std::string_view name) noexcept {
    for (size_t i = 0; i < content_category_count; ++i)
        if (content_category_names[i] == name) return static_cast<ContentCategory>(i);
    return std::nullopt;
}

}  // namespace loom
