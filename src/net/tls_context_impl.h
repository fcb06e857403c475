// The inside of a TlsContext, shared by the files of net/tls_*.
#pragma once

#include <openssl/pool.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
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
    TlsTrustPtr trust;                         // client
    bssl::UniquePtr<X509_STORE> client_ca;     // server with mTLS
    TlsSessionCache sessions;                  // client
    std::vector<TlsCertificate> certificates;  // server
    std::string alpn;                          // length-prefixed, best first
    TlsTicketKeys ticket_keys;                 // server
    TlsBlockList blocks;
    std::unique_ptr<char[]> scratch;  // pieces of one record, joined; record_bytes_max, made at the first need
    bssl::UniquePtr<SSL_CTX> ctx;     // last: freed before what it refers to

    [[nodiscard]] Side side() const noexcept { return server ? Side::downstream : Side::upstream; }
    [[nodiscard]] X509_STORE* trusted() const noexcept { return server ? client_ca.get() : trust->store(); }
};

}  // namespace loom::net
