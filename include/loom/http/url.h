// The part of RFC 3986 that a base_url needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "loom/base/result.h"

namespace loom::http {

enum class Scheme : uint8_t { http, https };

/// Views into the text that was parsed.
struct Url {
    Scheme scheme = Scheme::http;
    uint16_t port = 0;           // given, or the scheme's
    std::string_view host;       // name or address, IPv6 without brackets
    std::string_view authority;  // host[:port] as written, brackets included: what a Host header says
    std::string_view path;       // "" or "/…" without a slash at its end
    bool ipv6 = false;
};

/// text    "https://api.openai.com/v1", "http://[::1]:8080". Scheme in any case. Query, fragment, user information, a
///         backslash, white space and broken percent escapes are refused.
/// Errors  bad_conf, Side::internal; `what` says what is missing or too much.
[[nodiscard]] Result<Url> parse_url(std::string_view text) noexcept;

/// Writes `base` and `rest` with exactly one slash between them; returns how many bytes, 0 when `out` is too small.
/// ("/v1", "/chat" → "/v1/chat"; "", "" → "/"). `rest` may carry a query.
[[nodiscard]] size_t join_path(std::string_view base, std::string_view rest, std::span<char> out) noexcept;

}  // namespace loom::http
