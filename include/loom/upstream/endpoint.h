// Where an upstream is and how to speak to it: what a pool needs to know.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "loom/net/tcp_stream.h"
#include "loom/net/tls_context.h"

namespace loom::upstream {

/// On what terms TLS is spoken with an upstream. What was read once from one file is one pointer.
struct TlsTerms {
    net::TlsTrustPtr trust;                              // whose certificates are believed: a must
    std::shared_ptr<const net::TlsKeyPair> certificate;  // shown where the upstream asks for one; null: none
    net::TlsVersion min_version = net::TlsVersion::tls12;
    friend bool operator==(const TlsTerms&, const TlsTerms&) = default;
};

struct EndpointOptions {
    std::string name;  // of the provider or route, for logs
    std::string host;  // a name or a numeric address
    uint16_t port = 80;
    bool tls = false;
    TlsTerms terms;           // with tls
    uint32_t idle_max = 256;  // idle connections kept, per shard
    uint64_t idle_timeout_ms = 55'000;
    net::SocketOptions socket;

    /// Connections of the one may serve the other: a reload then keeps the pool.
    [[nodiscard]] bool same_place(const EndpointOptions& other) const {
        return host == other.host && port == other.port && tls == other.tls && terms == other.terms;
    }
};

}  // namespace loom::upstream
