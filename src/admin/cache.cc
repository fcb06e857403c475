#include "loom/admin/cache.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "answers.h"
#include "loom/llm/error.h"
#include "loom/llm/models.h"
#include "loom/observe/log.h"
#include "loom/proxy/semantic_cache.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalRequest;

constexpr std::string_view cache_path = "/ai/cache";
constexpr std::string_view purge_path = "/ai/cache/purge";

LocalAnswer bad_request(std::string_view message) {
    return refuse(400, message, llm::error_type::invalid_request, "invalid_purge");
}

/// 32 hexadecimal digits, as x-loom-cache-key has them.
std::optional<cache::Key> key_of(std::string_view text) noexcept {
    constexpr size_t half = 16;
    cache::Key key;
    if (text.size() != 2 * half) return std::nullopt;
    for (auto [part, number] : {std::pair{text.substr(0, half), &key.high}, std::pair{text.substr(half), &key.low}}) {
        const auto [end, fault] = std::from_chars(part.data(), part.data() + part.size(), *number, 16);
        if (fault != std::errc() || end != part.data() + part.size()) return std::nullopt;
    }
    return key;
}

struct Asked {
    cache::Purge what;
    bool any = false;
    const char* fault = nullptr;
};

Asked read_query(std::string_view query) {
    Asked asked;
    bool all = false;
    while (!query.empty()) {
        const std::string_view field = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(query.size(), field.size() + 1));
        const std::string_view name = field.substr(0, field.find('='));
        std::string value;
        if (!llm::decode_path_id(field.substr(std::min(field.size(), name.size() + 1)), value) || value.empty()) {
            asked.fault = "a value is missing, or not well encoded";
        } else if (name == "model") {
            asked.what.model = value;
        } else if (name == "tenant") {
            asked.what.tenant = value;
        } else if (name == "all" && value == "true") {
            all = true;
        } else if (const auto key = name == "key" ? key_of(value) : std::nullopt) {
            asked.what.by_key = true;
            asked.what.key = *key;
        } else {
            asked.fault = name == "key" ? "key has 32 hexadecimal digits, as x-loom-cache-key says them"
                                        : "say key=, model= or tenant=, or all=true";
        }
        asked.any = true;
    }
    const bool narrow = asked.what.by_key || !asked.what.model.empty() || !asked.what.tenant.empty();
    if (asked.fault == nullptr && all == narrow)
        asked.fault = all ? "all=true stands alone" : "say what is to go: key=, model= or tenant=, or all=true";
    return asked;
}

std::string semantic_of(const proxy::CacheShards& cache, const proxy::Plan& plan) {
    const proxy::SemanticPlan* const terms = plan.cache != nullptr ? plan.cache->semantic.get() : nullptr;
    if (terms == nullptr || cache.semantic() == nullptr) return R"({"enabled":false})";
    const proxy::SemanticCache::Totals sums = cache.semantic()->totals();
    return fmt::format(R"({{"enabled":true,"shadow":{},"max_bytes":{},"bytes":{},"entries":{},"stored":{},)"
                       R"("evicted":{},"expired":{},"purged":{},"too_large":{}}})",
                       terms->only_counts, terms->bytes_max, sums.bytes, sums.entries, sums.stored, sums.evicted,
                       sums.expired, sums.purged, sums.too_large);
}

LocalAnswer show(proxy::CacheShards& cache, const proxy::Plan& plan) {
    const proxy::CacheShards::Totals sums = cache.totals();
    return {.body = fmt::format(R"({{"enabled":{},"max_bytes":{},"bytes":{},"entries":{},"stored":{},"evicted":{},)"
                                R"("not_admitted":{},"expired":{},"purged":{},"semantic":{}}})",
                                plan.cache != nullptr, plan.cache != nullptr ? plan.cache->bytes_max : 0, sums.bytes,
                                sums.entries, sums.stored, sums.evicted, sums.not_admitted, sums.expired, sums.purged,
                                semantic_of(cache, plan))};
}

LocalAnswer purge(proxy::CacheShards& cache, const LocalRequest& request) {
    if (request.method != "POST")
        return refuse(405, "this resource takes POST", llm::error_type::invalid_request, "method_not_allowed");
    // A page in an operator's browser can reach loopback too, where no token may be asked for.
    if (!request.origin.empty())
        return refuse(403, "requests of web pages change nothing here", llm::error_type::permission, "origin_refused");
    Asked asked = read_query(request.query);
    if (asked.fault != nullptr) return bad_request(asked.fault);
    observe::log_warn("admin: the cache is purged by {} ({})", request.peer, request.query);
    const std::string fault = cache.purge(std::move(asked.what));
    if (!fault.empty())
        return refuse(500, fmt::format("it is purged in this process, but {}", fault), llm::error_type::api,
                      "snapshot_stays");
    return {.body = R"({"purged":true})"};
}

}  // namespace

bool is_cache(std::string_view path) noexcept { return path == cache_path || path == purge_path; }

LocalAnswer run_cache(proxy::CacheShards* cache, const proxy::Plan& plan, const LocalRequest& request) {
    if (cache == nullptr) return refuse(404, "this process keeps no answers", llm::error_type::not_found, "not_found");
    if (request.path == purge_path) return purge(*cache, request);
    if (request.method != "GET" && request.method != "HEAD")
        return refuse(405, "this resource takes GET", llm::error_type::invalid_request, "method_not_allowed");
    return show(*cache, plan);
}

}  // namespace loom::admin
