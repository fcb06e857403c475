#include "plan_cache.h"

namespace loom::app {
namespace {

proxy::CacheScope scope_of(const std::string& word) noexcept {
    if (word == "consumer") return proxy::CacheScope::consumer;
    return word == "shared" ? proxy::CacheScope::shared : proxy::CacheScope::tenant;
}

}  // namespace

std::shared_ptr<const proxy::CachePlan> cache_plan(const config::Config& config) {
    if (!config.boolean("cache.exact.enabled")) return nullptr;
    const auto ms = [&config](const char* key) { return static_cast<uint64_t>(config.milliseconds(key).count()); };
    auto plan = std::make_shared<proxy::CachePlan>();
    plan->bytes_max = config.bytes("cache.exact.max_size");
    plan->entry_bytes_max = config.bytes("cache.exact.max_entry");
    plan->ttl_ms = ms("cache.exact.ttl");
    plan->stale_ms = ms("cache.exact.stale");
    plan->wait_ms = ms("cache.exact.single_flight");
    plan->scope = scope_of(config.text("cache.exact.scope"));
    return plan;
}

}  // namespace loom::app
