// TLS of a client that is alone with its connections: a context and a few buffers of its own.
#pragma once

#include <memory>

#include "loom/base/assert.h"
#include "loom/io/buffers.h"
#include "loom/net/tls_context.h"
#include "loom/upstream/endpoint.h"

namespace loom::upstream {

inline constexpr uint16_t client_tls_buffer_count = 4;
inline constexpr uint32_t client_tls_buffer_bytes = 16 * 1024;  // the most that a record holds
inline constexpr size_t client_tls_bytes_max =
    size_t{client_tls_buffer_count} * client_tls_buffer_bytes + net::TlsSession::library_bytes_max;

/// Null where the endpoint speaks no TLS.
inline std::unique_ptr<net::TlsContext> make_client_context(const EndpointOptions& endpoint) {
    if (!endpoint.tls) return nullptr;
    net::TlsClientOptions options{.trust = endpoint.terms.trust, .min_version = endpoint.terms.min_version};
    if (endpoint.terms.certificate != nullptr) options.certificate = *endpoint.terms.certificate;
    auto context = net::TlsContext::client(options);
    LOOM_ASSERT(context);  // who made the options has tried them; what is left is memory
    return std::move(*context);
}

inline std::unique_ptr<io::BufferPool> make_client_buffers(const EndpointOptions& endpoint) {
    if (!endpoint.tls) return nullptr;
    return std::make_unique<io::BufferPool>(client_tls_buffer_count, client_tls_buffer_bytes);
}

}  // namespace loom::upstream
