// Where an upstream is and how to speak to it: what a pool needs to know.
#pragma once

#include <cstdint>
#include <string>

#include "loom/net/tcp_stream.h"

namespace loom::upstream {

struct EndpointOptions {
    std::string name;  // of the provider or route, for logs
    std::string host;  // a name or a numeric address
    uint16_t port = 80;
    bool tls = false;
    std::string ca_file;      // "" takes the system's store
    uint32_t idle_max = 256;  // idle connections kept, per shard
    uint64_t idle_timeout_ms = 55'000;
    net::SocketOptions socket;

    /// Connections of the one may serve the other: a reload then keeps the pool.
    [[nodiscard]] bool same_place(const EndpointOptions& other) const {
        return host == other.host && port == other.port && tls == other.tls && ca_file == other.ca_file;
    }
};

}  // namespace loom::upstream
