#include "client_place.h"

#include <algorithm>

#include "loom/base/ip.h"
#include "loom/http/url.h"

namespace loom::app {

bool is_loopback_host(std::string_view host) noexcept {
    if (host == "localhost") return true;
    const auto ip = parse_ip(host);
    if (!ip) return false;
    constexpr IpBytes v6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return is_ipv4(*ip) ? (*ip)[12] == 127 : *ip == v6;
}

Result<ClientPlace> client_place(std::string_view url_text, const net::TlsTrustPtr& trust, PlainHttp plain) {
    const auto bad = [](const char* what) { return fail(Errc::bad_conf, Side::internal, what); };
    const size_t mark = url_text.find('?');
    const std::string_view query = mark == url_text.npos ? std::string_view() : url_text.substr(mark);
    if (std::ranges::any_of(query, [](char c) { return c <= ' ' || c >= 0x7f || c == '#'; }))
        return bad("a URL's query holds a character that has no place in it");
    const http::Url url = LOOM_TRY(http::parse_url(url_text.substr(0, mark)));
    const bool is_https = url.scheme == http::Scheme::https;
    const bool plain_allowed =
        plain == PlainHttp::anywhere || (plain == PlainHttp::loopback_only && is_loopback_host(url.host));
    if (!is_https && !plain_allowed) return bad("it is asked over https:// only");
    ClientPlace place;
    place.client.endpoint.name = std::string(url.host);
    place.client.endpoint.host = std::string(url.host);
    place.client.endpoint.port = url.port;
    place.client.endpoint.tls = is_https;
    place.client.endpoint.terms.trust = trust;
    place.client.endpoint.idle_max = 0;  // what is asked next is asked much later
    place.client.exchange_count_max = 1;
    place.client.authority = std::string(url.authority);
    place.target = url.path.empty() ? "/" : std::string(url.path);
    place.target += query;
    return place;
}

}  // namespace loom::app
