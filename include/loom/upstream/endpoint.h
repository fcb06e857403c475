// Where an upstream is and how to speak to it: what a pool needs to know.
#pragma once

#include <cstdint>
#include <string>

#include "loom/net/tcp_stream.h"
#include "loom/net/tls_context.h"

namespace loom::upstream {

struct EndpointOptions {
    std::string name;  // of the provider or route, for logs
    std::string host;  // a name or a numeric address
    uint16_t port = 80;
    bool tls = false;
    net::TlsTrustPtr trust;   // with tls: whose certificates are believed. One file, read once, is one pointer
    uint32_t idle_max = 256;  // idle connections kept, per shard
    uint64_t idle_timeout_ms = 55'000;
    net::SocketOptions socket;

    /// Connections of the one may serve the other: a reload then keeps the pool.
    [[nodiscard]] bool same_place(const EndpointOptions& other) const {
        return host == other.host && port == other.port && tls == other.tls && trust == other.trust;
    }
};

}  // namespace loom::upstream
