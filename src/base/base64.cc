#include "loom/base/base64.h"

namespace loom {

void base64url_encode(std::span<const uint8_t> bytes, std::string& out) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint32_t bits = 0;
    unsigned count = 0;  // of bits that wait
    for (const uint8_t byte : bytes) {
        bits = bits << 8 | byte;
        for (count += 8; count >= 6; count -= 6) out += digits[bits >> (count - 6) & 63];
    }
    if (count > 0) out += digits[bits << (6 - count) & 63];
}

}  // namespace loom
