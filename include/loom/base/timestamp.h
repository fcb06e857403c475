// Moments as people and providers write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace loom {

/// "2025-08-21T12:40:59Z", with a fraction (dropped) or an offset too (RFC 3339, 5.6), as seconds since 1970.
/// Nothing for what is none.
[[nodiscard]] std::optional<int64_t> parse_rfc3339(std::string_view text) noexcept;

/// "2025-08-21": when that day begins in UTC, likewise.
[[nodiscard]] std::optional<int64_t> parse_date(std::string_view text) noexcept;

/// The other way round: "2025-08-21T12:40:59Z" (RFC 3339).
[[nodiscard]] std::string rfc3339_text(int64_t unix_s);

}  // namespace loom
