#include "loom/base/base64.h"

namespace loom {
namespace {

constexpr char common_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The last two digits are the alphabet's own.
void encode(std::span<const uint8_t> bytes, const char* last_digits, std::string& out) {
    const auto digit = [last_digits](uint32_t value) {
        return value < 62 ? common_digits[value] : last_digits[value - 62];
    };
    uint32_t bits = 0;
    unsigned count = 0;  // of bits that wait
    for (const uint8_t byte : bytes) {
        bits = bits << 8 | byte;
        for (count += 8; count >= 6; count -= 6) out += digit(bits >> (count - 6) & 63);
    }
    if (count > 0) out += digit(bits << (6 - count) & 63);
}

}  // namespace

void base64_encode(std::span<const uint8_t> bytes, std::string& out) {
    encode(bytes, "+/", out);
    out.append((3 - bytes.size() % 3) % 3, '=');
}

void base64url_encode(std::span<const uint8_t> bytes, std::string& out) { encode(bytes, "-_", out); }

}  // namespace loom
