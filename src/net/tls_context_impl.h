// The inside of a TlsContext, shared by the files of net/tls_*.
#pragma once

#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "loom/net/tls_context.h"
#include "tls_block.h"
#include "tls_pem.h"
#include "tls_session_cache.h"

namespace loom::net {

struct TlsContext::Impl {
    Impl(bool is_server, size_t session_hosts_max, size_t sessions_per_host_max)
        : server(is_server), sessions(session_hosts_max, sessions_per_host_max) {}

    const bool server;
    bssl::UniquePtr<CRYPTO_BUFFER_POOL> pool;  // one copy of each peer's certificates, not one a session
    TlsTrustPtr trust;                         // client; server with mTLS
    TlsSessionCache sessions;                  // client
    std::vector<TlsCertificate> certificates;  // server
    /// Which of them a name of SNI gets: "a.example" and "*.b.example", lower case, the first of the conf's order.
    std::unordered_map<std::string, size_t> certificate_of;
    std::string alpn;           // length-prefixed, best first
    TlsTicketKeys ticket_keys;  // server
    TlsBlockList blocks;
    std::unique_ptr<char[]> scratch;  // pieces of one record, joined; record_bytes_max, made at the first need
    bssl::UniquePtr<SSL_CTX> ctx;     // last: freed before what it refers to

    [[nodiscard]] Side side() const noexcept { return server ? Side::downstream : Side::upstream; }
    /// The certificate that names the host itself, else one with a wildcard for its first label, else the first.
    [[nodiscard]] const TlsCertificate& certificate_for(std::string_view name) const;
    [[nodiscard]] X509_STORE* trusted() const noexcept { return trust->store(); }
};

}  // namespace loom::net
