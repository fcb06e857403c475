// Keys of features that this version does not have. Known, so that the answer is "not available in this version" and
// not "unknown key", and nobody believes that a guard is on.
#include "keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow later(const char* pattern, KeyType type) {
    return {.pattern = pattern, .type = type, .available = false};
}
constexpr KeyRow alias(const char* pattern, const char* canonical) {
    return {.pattern = pattern, .type = text, .available = false, .alias_of = canonical};
}

constexpr KeyRow rows[] = {
    // app
    later("state.encryption_key", secret),
    // proxy
    later("route.<name>.auth.jwt", text), alias("route.<name>.middleware.auth.jwt", "route.<name>.auth.jwt"),
    // llm: providers
    // tenant
    later("consumer.<name>.roles", list), later("consumer.<name>.expires", text), later("jwt.<name>.issuer", text),
    later("jwt.<name>.jwks", text), later("jwt.<name>.audience", text), later("jwt.<name>.consumer_claim", text),
    later("jwt.<name>.roles_claim", text), later("token_accounting.enabled", boolean),
    later("token_accounting.store.type", text), later("token_accounting.store.redis.address", text),
    later("token_accounting.store.redis.key_prefix", text), later("token_accounting.limit.<name>.daily_limit", integer),
    later("token_accounting.limit.<name>.weekly_limit", integer),
    later("token_accounting.limit.<name>.monthly_limit", integer),
    later("token_accounting.limit.<name>.budget.daily", text),
    later("token_accounting.limit.<name>.budget.weekly", text),
    later("token_accounting.limit.<name>.budget.monthly", text), later("token_accounting.limit.<name>.alert", list),
    // cache
    later("semantic_cache.enabled", boolean), later("semantic_cache.similarity_threshold", share),
    later("semantic_cache.ttl", duration), later("semantic_cache.max_size", size),
    later("semantic_cache.embedding.provider", text), later("semantic_cache.embedding.model", text),
    later("semantic_cache.embedding.model_path", path), later("cache.exact.enabled", boolean),
    later("cache.exact.max_size", size), later("cache.exact.ttl", duration),
    // guard
    later("security.content_filtering.enabled", boolean), later("security.content_filtering.categories", list),
    later("security.content_filtering.action", text), later("security.rule.<name>.pattern", text),
    later("security.rule.<name>.max_length", integer), later("security.rule.<name>.action", text),
    later("security.max_tokens_per_request", integer),
    // dialects
};

}  // namespace

std::span<const KeyRow> later_keys() { return rows; }

}  // namespace loom::app
