// What clients may make Loom hold: the terms of `loom --check`'s sum that the proxy owns.
#pragma once

#include "loom/base/memory_term.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

/// What the terms depend on.
struct MemoryShape {
    Limits limits;
    uint32_t shard_count = 1;
    uint32_t backlog = 4096;            // clients that may be accepted before there is room for them
    uint32_t buffer_bytes = 16 * 1024;  // of the ring
    bool inspects = true;               // some route is an AI route
    bool streams_bodies = false;        // some requests are relayed without being read
    bool keeps_ids = false;             // some route relays families that store things
    bool fails_over = false;            // answers wait for their first content
    uint32_t hold_tokens = 0;           // and for so many more
    uint32_t continuation_bytes = 0;    // of a stream's text are kept for another provider; 0: none
    bool keeps_rule_fields = false;     // rules ask for fields of the head
    bool limits_clients = false;        // by rate_limit.*
    bool guards = false;                // look through bodies
    bool guards_answers = false;        // … and through streams
    bool compares_texts = false;        // answers to nearly the same requests are kept
    uint32_t vector_bytes = 0;          // … of such a text's vector
    bool keeps_ledger = false;          // of what they use
    bool has_echo = false;              // some provider is built in
    bool has_tls_clients = false;       // some listener speaks TLS
    bool has_tls_upstreams = false;
    uint64_t static_lines_bytes_max = 0;  // of a provider's own header lines
    uint32_t upstream_count = 0;          // places with a pool of their own
    uint32_t idle_max = 0;                // upstream.pool.max_idle
    uint32_t queue_max = 0;               // requests that may wait in line, per process
};

/// A client's connection, whether a request runs on it or not.
[[nodiscard]] MemoryTerms connection_memory(const MemoryShape& shape);
/// What a request on it adds, from its head to the end of its answer.
[[nodiscard]] MemoryTerms exchange_memory(const MemoryShape& shape);
/// What an exchange adds with its upstream's connection; those kept idle are of services_memory.
[[nodiscard]] MemoryTerms upstream_memory(const MemoryShape& shape);
/// The admin listener's connections and the requests on them, which have small bodies and no upstream.
[[nodiscard]] MemoryTerm admin_memory(const MemoryShape& shape);
/// Of the shard: idle upstream connections, and what one call needs while it runs.
[[nodiscard]] MemoryTerms services_memory(const MemoryShape& shape);

}  // namespace loom::proxy
