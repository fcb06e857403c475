// The most memory that a configuration lets anybody make Loom hold: what `loom --check` prints at its end.
#pragma once

#include <string>

#include "loom/base/memory_term.h"
#include "plan/builder.h"

namespace loom::app {

struct MemoryBound {
    MemoryTerms connection;  // of each client's connection
    MemoryTerms exchange;    // of the one request that may run on it
    MemoryTerms upstream;    // of that request's connection to its upstream
    MemoryTerms shard;       // of each shard
    MemoryTerms process;
    uint64_t connection_count = 0;  // at once, over all shards
    uint64_t shard_count = 0;

    /// Everything of one client who does the worst.
    [[nodiscard]] uint64_t client_bytes() const noexcept { return sum_of(connection) + stream_bytes(); }
    /// The part of it that a request in flight adds.
    [[nodiscard]] uint64_t stream_bytes() const noexcept { return sum_of(exchange) + sum_of(upstream); }
    /// What the allocator adds to all this: rounding and pages that are not full.
    [[nodiscard]] uint64_t allocator_bytes() const noexcept { return named_bytes() / 8; }
    [[nodiscard]] uint64_t process_bytes() const noexcept { return named_bytes() + allocator_bytes(); }

  private:
    [[nodiscard]] uint64_t named_bytes() const noexcept {
        return connection_count * client_bytes() + shard_count * sum_of(shard) + sum_of(process);
    }
};

/// Bytes of the process itself. What the kernel holds for sockets (net.ipv4.tcp_mem) is beside it.
[[nodiscard]] MemoryBound memory_bound(const ServerOptions& server, const proxy::Plan& plan);

/// The sum in one line, and each term with the key that turns it, largest first.
[[nodiscard]] std::string to_string(const MemoryBound& bound);

/// One line that says which keys to turn where the bound is more than the machine has (machine.h); "" where it is not,
/// or `machine_bytes` is 0.
[[nodiscard]] std::string advice(const MemoryBound& bound, uint64_t machine_bytes);

/// "37.5 MiB", rounded up to the last digit shown.
[[nodiscard]] std::string byte_text(uint64_t bytes);

}  // namespace loom::app
