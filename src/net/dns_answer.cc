#include "dns_answer.h"

#include <algorithm>

namespace loom::net {

Error dns_error(int ares_status) noexcept {
    const auto upstream = [](Errc code, const char* what) { return Error{code, Side::upstream, Retry::safe, 0, what}; };
    switch (ares_status) {
        case ARES_ENOTFOUND:
        case ARES_ENONAME:
        case ARES_EBADNAME: return upstream(Errc::unreachable, "no such host name");
        case ARES_ENODATA: return upstream(Errc::unreachable, "the host name has no address");
        case ARES_ETIMEOUT: return upstream(Errc::timed_out, "the DNS servers did not answer in time");
        case ARES_EBADRESP: return upstream(Errc::bad_message, "the DNS server's answer cannot be read");
        case ARES_ECANCELLED:
        case ARES_EDESTRUCTION: return {Errc::cancelled, Side::internal, Retry::safe, 0, "the resolver stops"};
        case ARES_ENOMEM: return {Errc::exhausted, Side::internal, Retry::safe, 0, "no memory for a DNS look-up"};
        default: return upstream(Errc::unreachable, "the DNS servers refused the question");
    }
}

void DnsAnswer::take(Family& family, int status, const ares_addrinfo* info) {
    family.status = status;
    if (status != ARES_SUCCESS || info == nullptr) return;
    for (const auto* cname = info->cnames; cname != nullptr; cname = cname->next)
        ttl_seconds_ = std::min(ttl_seconds_, cname->ttl);
    std::vector<Address>& addresses = family.addresses;
    for (const auto* node = info->nodes; node != nullptr && addresses.size() < addresses_max; node = node->ai_next) {
        const Address address = Address::from_sockaddr(node->ai_addr, node->ai_addrlen);
        const bool asked = address.family() == family.asked;
        if (!asked || std::find(addresses.begin(), addresses.end(), address) != addresses.end()) continue;
        addresses.push_back(address);
        ttl_seconds_ = std::min(ttl_seconds_, node->ai_ttl);
    }
}

Result<std::vector<Address>> DnsAnswer::addresses() const {
    std::vector<Address> mixed;
    for (size_t i = 0; i < std::max(v4.addresses.size(), v6.addresses.size()); ++i) {
        if (i < v4.addresses.size()) mixed.push_back(v4.addresses[i]);
        if (i < v6.addresses.size()) mixed.push_back(v6.addresses[i]);
    }
    if (mixed.size() > addresses_max) mixed.resize(addresses_max);
    if (!mixed.empty()) return mixed;
    // "No such record" of one family says nothing; whatever the other met does.
    const int status = v4.status == ARES_ENODATA || v4.status == ARES_SUCCESS ? v6.status : v4.status;
    return std::unexpected(dns_error(status == ARES_SUCCESS ? int{ARES_ENODATA} : status));
}

std::chrono::seconds DnsAnswer::ttl(std::chrono::seconds min, std::chrono::seconds max) const noexcept {
    return std::clamp(std::chrono::seconds(ttl_seconds_), min, max);
}

}  // namespace loom::net
