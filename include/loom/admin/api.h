// The admin listener's resources: health, readiness, metrics, and what providers do.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "loom/admin/consumers.h"
#include "loom/admin/keys.h"
#include "loom/admin/usage.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/plan.h"

namespace loom::admin {

struct ApiOptions {
    std::string read_token;               // reads all and changes nothing, beside `token`; "": there is none
    std::string token;                    // "" asks for none: loopback only, which the configuration's check sees to
    std::string health_path;              // "/healthz"
    observe::Metrics* metrics = nullptr;  // outlives the handler
    std::function<observe::ProcessFacts()> facts;              // what no shard counts
    std::function<bool()> ready;                               // false while draining
    std::function<std::shared_ptr<const proxy::Plan>()> plan;  // in force
    UsageSource usage;                                         // outlives the handler; null: nothing is booked
    std::function<std::optional<observe::SharedStoreFacts>()> shared_store;  // of the store that Looms share
    proxy::CacheShards* cache = nullptr;                                     // outlives the handler
    KeyDesk* keys = nullptr;                                                 // likewise; null: none are made here
    ConsumerDesk* consumers = nullptr;                                       // likewise, where `keys` is there
};

/// Health and readiness are for anyone who reaches the listener; everything else asks for the token, where there is
/// one.
[[nodiscard]] proxy::LocalHandler make_api(ApiOptions options);

}  // namespace loom::admin
