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

int value_of(char c, const char* last_digits) noexcept {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == last_digits[0]) return 62;
    return c == last_digits[1] ? 63 : -1;
}

/// Without padding.
bool decode(std::string_view text, const char* last_digits, std::string& out) {
    const size_t before = out.size();
    bool good = text.size() % 4 != 1;
    out.reserve(before + text.size() / 4 * 3 + 2);  // of a secret, growth would leave a copy behind
    uint32_t bits = 0;
    unsigned count = 0;  // of bits that wait
    for (const char c : text) {
        const int value = value_of(c, last_digits);
        good &= value >= 0;
        bits = bits << 6 | static_cast<uint32_t>(value & 63);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 0xff);
    }
    good &= (bits & ((1u << count) - 1)) == 0;
    if (!good) out.resize(before);
    return good;
}

}  // namespace

void base64_encode(std::span<const uint8_t> bytes, std::string& out) {
    encode(bytes, "+/", out);
    out.append((3 - bytes.size() % 3) % 3, '=');
}

bool base64_decode(std::string_view text, std::string& out) {
    if (text.size() % 4 != 0) return false;
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
    return decode(text, "+/", out);
}

bool base64url_decode(std::string_view text, std::string& out) { return decode(text, "-_", out); }

void base64url_encode(std::span<const uint8_t> bytes, std::string& out) { encode(bytes, "-_", out); }

}  // namespace loom
