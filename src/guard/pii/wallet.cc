// Addresses of crypto currencies, each with its own check: Bitcoin's Base58Check (Bitcoin Wiki, "Base58Check
// encoding"), Bech32 and Bech32m (BIP 173, BIP 350), Ethereum's (EIP-55, where letters of both cases are the check).
#include <algorithm>
#include <array>
#include <cstring>

#include "../keccak.h"
#include "detectors.h"
#include "loom/base/crypto.h"

namespace loom::guard {

namespace {

constexpr std::string_view base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
constexpr std::string_view bech32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
constexpr Pos base58_min = 26;
constexpr Pos base58_max = 35;
constexpr Pos bech32_max = 90;
constexpr size_t address_bytes = 25;

/// A version, a hash of 20 bytes, and four of its double SHA-256.
bool good_base58(std::string_view text) noexcept {
    std::array<uint8_t, address_bytes> bytes{};
    for (char c : text) {
        uint32_t carry = static_cast<uint32_t>(base58.find(c));
        for (size_t i = address_bytes; i-- > 0;) {
            carry += bytes[i] * 58u;
            bytes[i] = static_cast<uint8_t>(carry);
            carry >>= 8;
        }
        if (carry != 0) return false;
    }
    const bool known_version = bytes[0] == 0x00 || bytes[0] == 0x05;
    if (!known_version || (text[0] == '1') != (bytes[0] == 0x00)) return false;
    const Sha256 once = sha256({reinterpret_cast<const char*>(bytes.data()), address_bytes - 4});
    const Sha256 twice = sha256({reinterpret_cast<const char*>(once.data()), once.size()});
    return std::memcmp(twice.data(), bytes.data() + address_bytes - 4, 4) == 0;
}

uint32_t polymod(uint32_t check, uint32_t value) noexcept {
    constexpr uint32_t generators[5] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    const uint32_t top = check >> 25;
    check = (check & 0x1ffffff) << 5 ^ value;
    for (uint32_t i = 0; i < 5; ++i) check ^= (top >> i & 1) != 0 ? generators[i] : 0;
    return check;
}

bool has_both_cases(std::string_view text) noexcept {
    return std::ranges::any_of(text, [](char c) { return is_lower(c); }) &&
           std::ranges::any_of(text, [](char c) { return is_upper(c); });
}

}  // namespace

Match find_base58_address(Probe& probe) noexcept {
    Window& text = probe.text;
    const int first = text.at(probe.anchor);
    if ((first != '1' && first != '3') || is_name(text.at(probe.anchor - 1))) return {};
    Pos end = probe.anchor;
    for (int c = first; is_alnum(c); c = text.at(++end)) {
        if (base58.find(static_cast<char>(c)) == base58.npos || end - probe.anchor >= base58_max) return {};
    }
    if (end - probe.anchor < base58_min || !free_after(text, end)) return {};
    return good_base58(text.view(probe.anchor, end)) ? Match{probe.anchor, end} : Match{};
}

Match find_hex_address(Probe& probe) noexcept {
    Window& text = probe.text;
    if (text.at(probe.anchor) != '0' || text.at(probe.anchor + 1) != 'x' || is_name(text.at(probe.anchor - 1)))
        return {};
    constexpr Pos digits = 40;
    const Pos begin = probe.anchor + 2;
    for (Pos i = 0; i < digits; ++i)
        if (!is_hex(text.at(begin + i))) return {};
    const Pos end = begin + digits;
    if (is_name(text.at(end))) return {};
    const std::string_view address = text.view(begin, end);
    if (address.find_first_not_of(address[0]) == address.npos) return {};  // nobody's
    if (!has_both_cases(address)) return {probe.anchor, end};
    std::array<char, digits> small;
    std::ranges::transform(address, small.begin(), [](char c) { return static_cast<char>(lower(c)); });
    const auto hash = keccak256({small.data(), small.size()});
    for (size_t i = 0; i < small.size(); ++i) {
        const uint32_t nibble = i % 2 == 0 ? hash[i / 2] >> 4 : hash[i / 2] & 15u;
        if (is_alpha(small[i]) && is_upper(address[i]) != (nibble >= 8)) return {};
    }
    return {probe.anchor, end};
}

/// "bc1…", all small or all capital.
Match find_bech32_address(Probe& probe) noexcept {
    Window& text = probe.text;
    const Pos begin = probe.anchor - 2;
    const bool capital = is_upper(text.at(begin));
    if (is_name(text.at(begin - 1))) return {};
    uint32_t check = 1;
    for (uint32_t value : {3u, 3u, 0u, 2u, 3u}) check = polymod(check, value);  // "bc", spread as BIP 173 says
    Pos end = probe.anchor + 1;
    for (int c = text.at(end); is_alnum(c); c = text.at(++end)) {
        if (end - begin >= bech32_max || (is_alpha(c) && is_upper(c) != capital)) return {};
        const size_t value = bech32.find(static_cast<char>(lower(c)));
        if (value == bech32.npos) return {};
        check = polymod(check, static_cast<uint32_t>(value));
    }
    if (end - begin < 14 || (check != 1 && check != 0x2bc830a3) || !free_after(text, end)) return {};
    return {begin, end};
}

}  // namespace loom::guard
