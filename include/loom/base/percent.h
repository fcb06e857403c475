// Percent-encoding (RFC 3986, 2.1): what is not unreserved (2.3) becomes %XX.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace loom {

/// Letters, digits and "-._~".
[[nodiscard]] constexpr bool is_unreserved(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/// Hands the encoded text to `sink` in pieces. What stands in `kept` stays as it is too.
template <class Sink>
void percent_encode(std::string_view text, std::string_view kept, Sink&& sink) {
    constexpr char digits[] = "0123456789ABCDEF";
    size_t clean = 0;
    for (size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && (is_unreserved(text[i]) || kept.find(text[i]) != kept.npos)) continue;
        if (i > clean) sink(text.substr(clean, i - clean));
        if (i == text.size()) return;
        const auto byte = static_cast<uint8_t>(text[i]);
        const char escape[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        sink(std::string_view(escape, 3));
        clean = i + 1;
    }
}

/// Appends.
inline void percent_encode(std::string_view text, std::string& out) {
    percent_encode(text, "", [&out](std::string_view piece) { out += piece; });
}

}  // namespace loom
