// The store that several Looms share, as the conf has it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "loom/config/config.h"
#include "shared_store.h"

namespace loom::app {

inline constexpr const char* redis_tls_prefix = "token_accounting.store.redis.tls.";

struct RedisPlace {
    std::string host;
    uint16_t port = 0;
    bool tls = false;
};

/// "redis:6379", "redis://redis:6379", "rediss://redis:6379".
/// Errors  a text for whoever wrote it.
[[nodiscard]] std::expected<RedisPlace, std::string> parse_redis_address(std::string_view text);
/// "", or what is wrong with it.
[[nodiscard]] std::string key_prefix_fault(std::string_view prefix);

/// Nothing where none is wanted. The terms of TLS are still to be filled in.
[[nodiscard]] std::optional<SharedStoreOptions> shared_store_options(const config::Config& config);

}  // namespace loom::app
