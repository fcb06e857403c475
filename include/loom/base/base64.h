// Base64 (RFC 4648).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace loom {

/// Appends. Section 4: "+" and "/", padded with "=".
void base64_encode(std::span<const uint8_t> bytes, std::string& out);

/// Appends the bytes of a text of section 4. False, with nothing appended, for what its own encoder would not have
/// written: padding that is missing, white space, bits behind the last byte.
[[nodiscard]] bool base64_decode(std::string_view text, std::string& out);

/// Appends. Section 5, for addresses and file names: "-" and "_", without "=" at the end.
void base64url_encode(std::span<const uint8_t> bytes, std::string& out);

/// Appends the bytes of a text of section 5. False, with nothing appended, for what its own encoder would not have
/// written: padding, white space, another alphabet's digits, bits behind the last byte. One value has one spelling.
[[nodiscard]] bool base64url_decode(std::string_view text, std::string& out);

}  // namespace loom
