#include "forwarded.h"

#include <algorithm>

namespace loom::proxy {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view trimmed(std::string_view text) noexcept {
    const size_t first = text.find_first_not_of(blanks);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool is_port(std::string_view text) noexcept {
    return !text.empty() && text.size() <= 5 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view forwarded_address(std::string_view entry) noexcept {
    const size_t colon = entry.rfind(':');
    const bool several = colon != entry.npos && entry.find(':') != colon;
    const bool behind_bracket = colon != entry.npos && colon > 0 && entry[colon - 1] == ']';
    if (colon != entry.npos && (!several || behind_bracket)) {
        if (!is_port(entry.substr(colon + 1))) return {};
        entry = entry.substr(0, colon);
    }
    if (!parse_ip(entry)) return {};
    return entry.starts_with('[') ? entry.substr(1, entry.size() - 2) : entry;
}

bool is_trusted(std::span<const net::Network> trust, const IpBytes& address) noexcept {
    const net::PeerAddress peer{
        .ip = address, .port = 0, .family = static_cast<uint16_t>(is_ipv4(address) ? AF_INET : AF_INET6)};
    return std::ranges::any_of(trust, [&peer](const net::Network& network) { return network.contains(peer); });
}

std::string_view forwarded_client(const http::RequestHead& head, std::span<const net::Network> trust) noexcept {
    std::string_view client;
    const auto headers = head.headers();
    for (size_t line = headers.size(); line-- > 0;) {
        if (headers[line].id != http::HeaderId::x_forwarded_for) continue;
        std::string_view rest = headers[line].value;
        for (bool more = true; more;) {
            const size_t comma = rest.rfind(',');
            more = comma != rest.npos;
            client = forwarded_address(trimmed(more ? rest.substr(comma + 1) : rest));
            if (client.empty() || !is_trusted(trust, *parse_ip(client))) return client;
            if (more) rest = rest.substr(0, comma);
        }
    }
    return client;
}

}  // namespace loom::proxy
