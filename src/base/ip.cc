#include "loom/base/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace loom {
namespace {

constexpr std::array<uint8_t, 12> v4_mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> bad(const char* what) noexcept { return fail(Errc::bad_conf, Side::internal, what); }

/// inet_pton wants a NUL behind the text; no IP is longer than the buffer.
bool to_binary(int family, std::string_view text, uint8_t* out) noexcept {
    char buffer[INET6_ADDRSTRLEN + 1];
    if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return false;
    buffer[text.copy(buffer, sizeof buffer - 1)] = '\0';
    return inet_pton(family, buffer, out) == 1;
}

bool same_prefix(const IpBytes& a, const IpBytes& b, unsigned bits) noexcept {
    const unsigned whole = bits / 8;
    if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
    if (bits % 8 == 0) return true;
    const auto mask = static_cast<uint8_t>(0xff << (8 - bits % 8));
    return (a[whole] & mask) == (b[whole] & mask);
}

bool clear_behind(const IpBytes& ip, unsigned bits) noexcept {
    for (unsigned bit = bits; bit < 128; ++bit) {
        if (ip[bit / 8] & (0x80 >> (bit % 8))) return false;
    }
    return true;
}

/// Written with dots: a prefix behind it is IPv4's.
bool is_dotted(std::string_view text) noexcept { return text.find(':') == std::string_view::npos; }

}  // namespace

bool is_ipv4(const IpBytes& ip) noexcept {
    return std::equal(v4_mapped_prefix.begin(), v4_mapped_prefix.end(), ip.begin());
}

std::optional<IpBytes> parse_ip(std::string_view text) noexcept {
    if (text.size() > 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    IpBytes ip{};
    if (to_binary(AF_INET, text, ip.data() + 12)) {
        std::ranges::copy(v4_mapped_prefix, ip.begin());
        return ip;
    }
    if (to_binary(AF_INET6, text, ip.data())) return ip;
    return std::nullopt;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) noexcept {
    const size_t slash = text.find('/');
    const auto ip = parse_ip(text.substr(0, slash));
    if (!ip) return bad("not a numeric IP address");
    IpNetwork network;
    network.ip_ = *ip;
    network.ipv4_ = is_ipv4(*ip);
    // A mapped range (::ffff:10.0.0.0/104) is already counted from the start of the 128 bits.
    const unsigned offset = is_dotted(text.substr(0, slash)) ? 96 : 0;
    unsigned bits = 128 - offset;
    if (slash != std::string_view::npos) {
        const std::string_view digits = text.substr(slash + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
        if (error != std::errc() || end != digits.data() + digits.size() || bits > 128 - offset) {
            return bad("a prefix is a number up to 32 (IPv4) or 128 (IPv6)");
        }
    }
    if (network.ipv4_ && bits + offset < 96) return bad("a v4-mapped network has a prefix of 96 or more");
    network.prefix_bits_ = static_cast<uint8_t>(bits + offset);
    if (!clear_behind(network.ip_, network.prefix_bits_)) return bad("bits are set behind the network's prefix");
    return network;
}

bool IpNetwork::contains(const IpBytes& ip) const noexcept {
    return is_ipv4(ip) == ipv4_ && same_prefix(ip, ip_, prefix_bits_);
}

std::string IpNetwork::to_string() const {
    char buffer[INET6_ADDRSTRLEN];
    const char* const text = ipv4_ ? inet_ntop(AF_INET, ip_.data() + 12, buffer, sizeof buffer)
                                   : inet_ntop(AF_INET6, ip_.data(), buffer, sizeof buffer);
    return fmt::format("{}/{}", text, ipv4_ ? prefix_bits_ - 96 : prefix_bits_);
}

}  // namespace loom
