// Base64 (RFC 4648).
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace loom {

/// Appends. Section 4: "+" and "/", padded with "=".
void base64_encode(std::span<const uint8_t> bytes, std::string& out);

/// Appends. Section 5, for addresses and file names: "-" and "_", without "=" at the end.
void base64url_encode(std::span<const uint8_t> bytes, std::string& out);

}  // namespace loom
