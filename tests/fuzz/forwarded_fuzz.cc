// X-Forwarded-For, as lines of the input: read from its end, against a plain reading of the whole chain.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "forwarded.h"
#include "loom/http/head_parser.h"

using namespace loom;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

/// An entry that says an address says it alone, with no port and no brackets.
void check_entry(std::string_view entry) {
    const std::string_view address = proxy::forwarded_address(entry);
    if (address.empty()) return;
    require(parse_ip(address).has_value() && address.find_first_of("[] \t,") == address.npos);
    require(entry.find(address) != entry.npos && proxy::forwarded_address(address) == address);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static const std::vector<net::Network> trust = {*net::Network::parse("10.0.0.0/8"),
                                                    *net::Network::parse("::1/128")};
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string request = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        request += "X-Forwarded-For: " + std::string(text.substr(at, end - at)) + "\r\n";
        at = end + 1;
    }
    request += "\r\n";
    http::RequestHead head;
    if (!http::parse_request_head(request, head)) return 0;

    std::vector<std::string_view> entries;
    for (const http::Header& header : head.headers()) {
        if (header.id != http::HeaderId::x_forwarded_for) continue;
        for (size_t at = 0; at <= header.value.size();) {
            const size_t end = std::min(header.value.find(',', at), header.value.size());
            entries.push_back(trimmed(header.value.substr(at, end - at)));
            at = end + 1;
        }
    }
    std::string_view client;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        check_entry(*entry);
        client = proxy::forwarded_address(*entry);
        if (client.empty() || !proxy::is_trusted(trust, *parse_ip(client))) break;
    }
    require(proxy::forwarded_client(head, trust) == client);
    require(proxy::forwarded_client(head, {}) == (entries.empty() ? "" : proxy::forwarded_address(entries.back())));
    return 0;
}
