// Base64 for addresses and file names (RFC 4648, 5): "-" and "_", without "=" at the end.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace loom {

/// Appends.
void base64url_encode(std::span<const uint8_t> bytes, std::string& out);

}  // namespace loom
