// Tokens that requests to a provider carry and that are fetched off the requests' way: what app hands to the shards.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "loom/base/secret.h"

namespace loom::proxy {

inline constexpr size_t access_token_bytes_max = 16 * 1024;  // Google's own have 2 KiB, its federated ones 12

/// Immutable but for what its provider says of it, and overwritten with the last that holds it.
struct AccessToken {
    uint64_t account = 0;    // of ProviderPlan::google_account
    Secret line;             // the header line, ready to send
    uint64_t expires_s = 0;  // Unix
    /// Its provider has answered 401 to it: whoever fetches tokens gets another one. Set by any shard.
    mutable std::atomic<bool> refused = false;
};

/// Those that are there, replaced whole.
using AccessTokens = std::vector<std::shared_ptr<const AccessToken>>;
using AccessTokensPtr = std::shared_ptr<const AccessTokens>;

}  // namespace loom::proxy
