#include "memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "alert_webhook.h"
#include "health_checks.h"
#include "jwt_keys.h"
#include "loom/admin/report_desk.h"
#include "loom/base/block_pool.h"
#include "loom/llm/history_trim.h"
#include "loom/net/resolver.h"
#include "loom/observe/access_log.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/cache_snapshots.h"
#include "loom/proxy/embedding_plan.h"
#include "loom/proxy/external_guard.h"
#include "loom/proxy/introspection.h"
#include "loom/proxy/memory.h"
#include "loom/proxy/semantic_cache.h"
#include "loom/proxy/services.h"
#include "loom/store/key_store.h"
#include "loom/tenant/made_consumer.h"
#include "loom/tenant/token_cache.h"
#include "loom/upstream/client.h"
#include "plan/experiment.h"
#include "plan/owners.h"
#include "sentence_model.h"

namespace loom::app {

namespace {

constexpr uint64_t mib = 1024 * 1024;
constexpr uint64_t program_bytes = 24 * mib;  // code, libraries, the system's authorities, stacks as far as touched
constexpr uint64_t plan_bytes_per_name = 16 * 1024;  // of a provider, route, consumer or model, in two generations

/// Of a text that is compared with others.
uint32_t vector_bytes_max(const ServerOptions& server, const proxy::Plan& plan) {
    if (plan.cache == nullptr || plan.cache->semantic == nullptr) return 0;
    size_t numbers = server.model_path.empty() ? cache::lexical_dimensions : llm::vector_dimensions_max;
    if (const auto& embedding = plan.cache->semantic->embedding; embedding != nullptr)
        numbers = embedding->dimensions != 0 ? embedding->dimensions : llm::vector_dimensions_max;
    return static_cast<uint32_t>(numbers * sizeof(float));
}

proxy::MemoryShape shape_of(const ServerOptions& server, const proxy::Plan& plan) {
    proxy::MemoryShape shape{.limits = plan.limits,
                             .shard_count = server.shard_count,
                             .backlog = static_cast<uint32_t>(server.listen.backlog),
                             .buffer_bytes = server.shard.buffer_bytes,
                             .inspects = false,
                             .fails_over = plan.failover.enabled};
    shape.hold_tokens = plan.failover.hold_tokens;
    shape.continuation_bytes = plan.failover.continues ? plan.failover.continuation_bytes : 0;
    shape.keeps_ids = plan.keeps_any();
    shape.keeps_rule_fields = plan.selection != nullptr && !plan.selection->rule_headers.empty();
    shape.queue_max = plan.queue.max;
    shape.limits_clients = plan.rate_limits != nullptr;
    shape.guards = plan.guard != nullptr;
    shape.guards_answers = plan.guard != nullptr && (plan.guard->tells_answers() || plan.guard->strips_html);
    shape.compares_texts = plan.cache != nullptr && plan.cache->semantic != nullptr;
    shape.vector_bytes = vector_bytes_max(server, plan);
    shape.keeps_ledger = server.ledger.has_value();
    shape.has_tls_clients = std::ranges::any_of(server.listeners, &ListenerOptions::tls);
    const auto add_upstream = [&shape](const upstream::EndpointOptions& endpoint, uint64_t line_bytes) {
        shape.upstream_count += 1;
        shape.idle_max = std::max(shape.idle_max, endpoint.idle_max);
        shape.has_tls_upstreams = shape.has_tls_upstreams || endpoint.tls;
        shape.static_lines_bytes_max = std::max(shape.static_lines_bytes_max, line_bytes);
    };
    for (const auto& provider : plan.providers) {
        const bool is_echo = provider.kind == proxy::ProviderKind::echo;
        shape.has_echo = shape.has_echo || is_echo;
        if (!is_echo)
            for (const proxy::InstancePlan& one : provider.instances)
                add_upstream(one.endpoint,
                             one.static_lines.size() + one.base_path.size() + one.credentials_bytes_max());
    }
    for (const auto& route : plan.routes) {
        shape.inspects = shape.inspects || route.ai;
        shape.streams_bodies = shape.streams_bodies || !route.ai || route.passthrough != 0;
        if (!route.ai) add_upstream(route.upstream, route.upstream_static_lines.size());
    }
    return shape;
}

/// Each is a request like a client's, whose body stands in its connection until it is collected.
MemoryTerm mirror_term(const proxy::MirrorPlan& mirror, const proxy::MemoryShape& shape) {
    const uint64_t one = sum_of(proxy::connection_memory(shape)) + sum_of(proxy::exchange_memory(shape)) +
                         sum_of(proxy::upstream_memory(shape)) + BlockPool::footprint(mirror.body_bytes_max);
    return {"copies of requests for a shadow", one * mirror.in_flight_max, "routing.mirror.max_in_flight"};
}

/// Each is one more exchange, whose body is one of limit.bodies_in_memory.
MemoryTerm hedge_term(const proxy::HedgePlan& hedge, const proxy::MemoryShape& shape) {
    const uint64_t one = sum_of(proxy::connection_memory(shape)) + sum_of(proxy::exchange_memory(shape)) +
                         sum_of(proxy::upstream_memory(shape));
    return {"requests that two providers are asked", one * hedge.in_flight_max, "routing.hedge.max_in_flight"};
}

/// Of the configuration in force, and of the one before.
MemoryTerm rate_limit_term(const proxy::RateLimitPlan& limits) {
    const uint64_t row = sizeof(tenant::Limit) + 2 * sizeof(tenant::RateWindow) + sizeof(tenant::LimitLevel);
    uint64_t bytes = limits.limits.size() * row + limits.habits.size() * sizeof(tenant::OutputHabit);
    if (limits.bearers.rows != nullptr) bytes += limits.bearers.rows->memory_bytes();
    if (limits.addresses != nullptr) bytes += limits.addresses->memory_bytes();
    return {"what was taken of clients' limits, old and new", 2 * bytes,
            limits.addresses != nullptr ? "rate_limit.ip.addresses" : ""};
}

MemoryTerms shard_terms(const ServerOptions& server, const proxy::Plan& plan, const proxy::MemoryShape& shape) {
    MemoryTerms terms = io::shard_memory(server.shard);
    if (plan.mirror != nullptr) terms.push_back(mirror_term(*plan.mirror, shape));
    if (plan.hedge != nullptr) terms.push_back(hedge_term(*plan.hedge, shape));
    for (auto& term : proxy::services_memory(shape)) terms.push_back(std::move(term));
    if (plan.cache != nullptr)  // one that leaves after a change of its size goes in steps
        terms.push_back({"answers that are kept", plan.cache->bytes_max / server.shard_count, "cache.exact.max_size"});
    if (!plan.jwt.empty())
        terms.push_back(
            {"tokens that were verified of late", tenant::TokenCache::memory_bytes_max(), "jwt.NAME.issuer"});
    if (const size_t bytes = proxy::introspection_memory_bytes(plan); bytes != 0)
        terms.push_back({"tokens that issuers are asked about", bytes, "introspection.NAME.max_in_flight"});
    if (const size_t bytes = proxy::embedding_memory_bytes(plan); bytes != 0)
        terms.push_back({"texts that a provider makes vectors of", bytes, "semantic_cache.embedding.provider"});
    if (const size_t bytes = proxy::external_guard_memory_bytes(plan); bytes != 0)
        terms.push_back({"requests that external guards are asked about", bytes, "security.guard.NAME.max_in_flight"});
    if (plan.context != nullptr)
        terms.push_back({"what is remembered of conversations that are shortened", llm::HistoryTrim::memory_bytes_max,
                         "context_window.on_overflow"});
    if (plan.tokenizers != nullptr)
        terms.push_back({"what tokens are counted with", llm::TokenCounter::memory_bytes(), "tokenizer.NAME.path"});
    if (server.log_path != "off")
        terms.push_back({"the access log's ring", observe::LineLog::Options{}.ring_bytes, "log.access.path"});
    if (server.audit_path != "off")
        terms.push_back({"the audit log's ring", observe::LineLog::Options{}.ring_bytes, "log.audit.path"});
    terms.push_back({"counters", sizeof(observe::ShardMetrics), ""});
    if (server.ledger)
        terms.push_back({"the ledger's batches", store::LedgerLog::memory_bytes, "token_accounting.enabled"});
    return terms;
}

MemoryTerms process_terms(const ServerOptions& server, const proxy::Plan& plan, const proxy::MemoryShape& shape) {
    const uint64_t model_count = plan.catalogue.model_count();
    const uint64_t name_count =
        plan.providers.size() + plan.routes.size() + plan.consumers.consumers().size() + model_count;
    MemoryTerms terms = {{"the program", program_bytes, ""},
                         {"the configuration, old and new", plan_bytes_per_name * name_count, ""},
                         {"the resolver's names", net::Resolver::memory_bytes_max({}), ""}};
    if (plan.tokenizers != nullptr) {
        uint64_t bytes = 2 * mib;  // the classes of characters
        for (const auto& family : plan.tokenizers->families) bytes += 2 * family.tokenizer.memory_bytes();
        terms.push_back({"tokenizers, old and new", bytes, "tokenizer.NAME.path"});
    }
    if (!server.model_path.empty())
        terms.push_back(
            {"the sentence model", sentence_model_bytes(server.model_path), "semantic_cache.embedding.model_path"});
    if (plan.cache != nullptr && plan.cache->semantic != nullptr)
        terms.push_back(
            {"answers to nearly the same requests",
             plan.cache->semantic->bytes_max +
                 proxy::SemanticCache::line_bytes_max(plan.cache->entry_bytes_max, vector_bytes_max(server, plan)),
             "semantic_cache.max_size"});
    if (plan.cache != nullptr && server.cache_snapshot_ms)
        terms.push_back({"what of the cache is being written, or read",
                         proxy::CacheSnapshots::memory_bytes_max(plan.cache->entry_bytes_max), "cache.snapshot"});
    if (plan.keeps_any())
        terms.push_back({"the register of ids", store::ResourceRegister::memory_bytes_max(server.resources),
                         server.resources.directory.empty() ? "state.directory" : ""});
    if (server.ledger)
        terms.push_back({"the ledger's sums", store::UsageStore::memory_bytes, "token_accounting.enabled"});
    if (server.ledger && server.admin_listen != "off")
        terms.push_back({"reports of usage", admin::ReportDesk::memory_bytes, "token_accounting.enabled"});
    if (server.shared_store)
        terms.push_back({"the store that Looms share", SharedStore::memory_bytes_max(*server.shared_store),
                         "token_accounting.store.type"});
    if (server.issues_keys)
        terms.push_back({"keys and consumers that were made here",
                         store::KeyStore::memory_bytes_max +
                             store::KeyStore::consumers_max * 3 * tenant::MadeConsumer::document_bytes_max,
                         "auth.issued_keys"});
    uint64_t instance_rows = 0;  // its own, its place's and its key's
    for (const auto& provider : plan.providers)
        if (provider.instance_set != nullptr) instance_rows += 3 * provider.instances.size();
    if (instance_rows > 0)
        terms.push_back({"what is known of instances, old and new", 2 * instance_rows * sizeof(route::TargetState),
                         "provider.NAME.base_url"});
    if (plan.tells_routing) {
        uint64_t row_count = plan.providers.size();
        for (const size_t candidate_count : plan.catalogue.set_sizes()) row_count += candidate_count;
        terms.push_back({"what is known of providers and their models, old and new",
                         2 * row_count * (sizeof(route::TargetState) + sizeof(route::TargetLatency)) +
                             2 * plan.providers.size() * sizeof(route::LimitState),
                         ""});
    }
    if (plan.rate_limits != nullptr) terms.push_back(rate_limit_term(*plan.rate_limits));
    uint64_t checked_count = 0;
    for (const auto& provider : plan.providers)
        if (provider.health_check != nullptr) checked_count += provider.instances.size();
    if (checked_count > 0)
        terms.push_back({"health checks under way", checked_count * health_check_bytes_max(),
                         "provider.NAME.health_check.enabled"});
    const auto fetched_count =
        static_cast<size_t>(std::ranges::count_if(plan.jwt, [](const proxy::JwtPlan& one) { return one.source != 0; }));
    if (fetched_count > 0)
        terms.push_back({"keys of issuers on their way", fetched_count * jwt_fetch_bytes_max(), "jwt.NAME.jwks"});
    if (plan.alerts != nullptr)
        terms.push_back({"events that are told",
                         AlertWebhook::memory_bytes_max(*plan.alerts) + server.shard_count * sizeof(tenant::AlertRing),
                         "alerts.webhook.queue"});
    if (server.anomaly)
        terms.push_back({"what consumers usually do",
                         AnomalyWatch::memory_bytes_max(*server.anomaly, server.shard_count),
                         "alerts.anomaly.consumers"});
    if (plan.lockout != nullptr)
        terms.push_back({"addresses that have failed to authenticate, old and new", 2 * tenant::Lockout::memory_bytes(),
                         "auth.lockout.failures"});
    const size_t token_count = static_cast<size_t>(std::ranges::count_if(
        plan.providers, [](const auto& one) { return one.instances.front().google_account != 0; }));
    if (token_count > 0) {
        upstream::ClientOptions client{.exchange_count_max = 1};
        client.endpoint.tls = true;
        const uint64_t clients = 2 * token_count;  // the token's, and the impersonation's
        terms.push_back({"access tokens on their way", clients * upstream::Client::memory_bytes_max(client),
                         "provider.NAME.credentials_file"});
    }
    if (server.admin_listen == "off" &&
        (token_count + checked_count + fetched_count > 0 || plan.alerts != nullptr || server.shared_store))
        terms.push_back({"the ring and blocks that tokens, health checks and events go by",
                         sum_of(io::shard_memory(server.admin_shard())), ""});
    if (server.admin_listen == "off") return terms;
    const uint64_t text_bytes =
        observe::Metrics::exposition_bytes_max(plan.providers.size(), model_count, arm_count(plan), owner_count(plan));
    terms.push_back({"the admin's ring and blocks", sum_of(io::shard_memory(server.admin_shard())), "admin.listen"});
    terms.push_back(proxy::admin_memory(shape));
    terms.push_back({"answers of /metrics", text_bytes * (proxy::Services::admin_connections_max + 1), "admin.listen"});
    return terms;
}

/// The key that the most of these terms' bytes hang on.
std::string largest_key(std::initializer_list<const MemoryTerms*> parts) {
    std::map<std::string, uint64_t> bytes;
    for (const MemoryTerms* const terms : parts)
        for (const MemoryTerm& term : *terms)
            if (!term.key.empty()) bytes[term.key] += term.bytes;
    return std::ranges::max_element(bytes, {}, [](const auto& one) { return one.second; })->first;
}

void print_terms(std::string& text, const std::string& title, MemoryTerms terms) {
    text += fmt::format("  {:>10}  {}\n", byte_text(sum_of(terms)), title);
    std::ranges::sort(terms, std::ranges::greater(), &MemoryTerm::bytes);
    for (const auto& term : terms) {
        const auto key = term.key.empty() ? "" : fmt::format("  ({})", term.key);
        text += fmt::format("    {:>10}  {}{}\n", byte_text(term.bytes), term.what, key);
    }
}

}  // namespace

MemoryBound memory_bound(const ServerOptions& server, const proxy::Plan& plan) {
    const proxy::MemoryShape shape = shape_of(server, plan);
    return {.connection = proxy::connection_memory(shape),
            .exchange = proxy::exchange_memory(shape),
            .upstream = proxy::upstream_memory(shape),
            .shard = shard_terms(server, plan, shape),
            .process = process_terms(server, plan, shape),
            .connection_count = std::max<uint64_t>(plan.limits.connections, server.shard_count),  // one each at least
            .shard_count = server.shard_count};
}

std::string to_string(const MemoryBound& bound) {
    std::string text =
        fmt::format("memory at worst: {}, if each of {} connections did its worst; without kernel memory of sockets\n",
                    byte_text(bound.process_bytes()), bound.connection_count);
    print_terms(text, fmt::format("each connection, {} at most (limit.connections)", bound.connection_count),
                bound.connection);
    print_terms(text, "and with a request on it (a stream counts as one)", bound.exchange);
    print_terms(text, "and with that request's upstream", bound.upstream);
    print_terms(text, fmt::format("each shard, {} of them (loop.shards)", bound.shard_count), bound.shard);
    print_terms(text, "the process", bound.process);
    return text +
           fmt::format("  {:>10}  the allocator's share of all this, an eighth\n", byte_text(bound.allocator_bytes()));
}

std::string advice(const MemoryBound& bound, uint64_t machine_bytes) {
    if (machine_bytes == 0 || bound.process_bytes() <= machine_bytes) return "";
    const std::string lead = fmt::format("  more than the {} that this machine has: ", byte_text(machine_bytes));
    const uint64_t fixed_bytes = bound.shard_count * sum_of(bound.shard) + sum_of(bound.process);
    const uint64_t named_bytes_max = machine_bytes / 9 * 8;  // the rest is the allocator's eighth on top
    const uint64_t connections =
        named_bytes_max < fixed_bytes ? 0 : (named_bytes_max - fixed_bytes) / bound.client_bytes();
    if (connections < bound.shard_count)
        return lead +
               fmt::format("its shards alone are too much; lower {}, or loop.shards\n", largest_key({&bound.shard}));
    return lead + fmt::format("limit.connections = {} fits; or lower {}\n", connections,
                              largest_key({&bound.connection, &bound.exchange, &bound.upstream}));
}

std::string byte_text(uint64_t bytes) {
    constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    size_t unit = 0;
    auto value = static_cast<double>(bytes);
    for (; value >= 1024 && unit + 1 < std::size(units); value /= 1024) unit += 1;
    return fmt::format("{:.1f} {}", std::ceil(value * 10) / 10, units[unit]);
}

}  // namespace loom::app
