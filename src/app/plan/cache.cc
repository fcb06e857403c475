#include "plan/cache.h"

#include "plan/milliseconds.h"

namespace loom::app {
namespace {

proxy::CacheScope scope_of(const std::string& word) noexcept {
    if (word == "consumer") return proxy::CacheScope::consumer;
    return word == "shared" ? proxy::CacheScope::shared : proxy::CacheScope::tenant;
}

std::shared_ptr<const proxy::SemanticPlan> semantic_plan(const config::Config& config) {
    auto plan = std::make_shared<proxy::SemanticPlan>();
    plan->bytes_max = config.bytes("semantic_cache.max_size");
    plan->ttl_ms = ms(config, "semantic_cache.ttl");
    plan->similarity_min = static_cast<float>(config.decimal("semantic_cache.similarity_threshold"));
    plan->only_counts = config.boolean("semantic_cache.shadow");
    return plan;
}

}  // namespace

std::shared_ptr<const proxy::CachePlan> cache_plan(const config::Config& config) {
    const bool is_semantic = config.boolean("semantic_cache.enabled");
    if (!config.boolean("cache.exact.enabled") && !is_semantic) return nullptr;
    auto plan = std::make_shared<proxy::CachePlan>();
    plan->bytes_max = config.bytes("cache.exact.max_size");
    plan->entry_bytes_max = config.bytes("cache.exact.max_entry");
    plan->ttl_ms = ms(config, "cache.exact.ttl");
    plan->stale_ms = ms(config, "cache.exact.stale");
    plan->wait_ms = ms(config, "cache.exact.single_flight");
    plan->scope = scope_of(config.text("cache.exact.scope"));
    if (is_semantic) plan->semantic = semantic_plan(config);
    return plan;
}

}  // namespace loom::app
