#include "plan/builder.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <thread>

#include "check/check.h"
#include "listener_tls.h"
#include "loom/base/stream_hash.h"
#include "loom/http/message.h"
#include "loom/http/url.h"
#include "loom/llm/json_text.h"
#include "loom/observe/log.h"
#include "plan/alerts.h"
#include "plan/anomaly.h"
#include "plan/embedding.h"
#include "plan/guards.h"
#include "plan/identity.h"
#include "plan/instances.h"
#include "plan/introspection.h"
#include "plan/milliseconds.h"
#include "plan/owners.h"
#include "plan/rate_limit.h"
#include "plan/routing.h"
#include "plan/security.h"
#include "plan/selection.h"
#include "plan/sharing.h"
#include "plan/tokens.h"

namespace loom::app {
namespace {

using config::Config;
using Messages = std::vector<std::string>;

net::SocketOptions socket_options(const Config& config) {
    const auto keepalive = std::chrono::duration_cast<std::chrono::seconds>(config.milliseconds("tcp.keepalive"));
    return {.nodelay = config.boolean("tcp.nodelay"), .keepalive_s = static_cast<int>(keepalive.count())};
}

proxy::Timeouts common_timeouts(const Config& config) {
    return {.connect_ms = ms(config, "timeout.connect"),
            .response_header_ms = ms(config, "timeout.response_header"),
            .first_token_ms = ms(config, "timeout.first_token"),
            .inter_event_ms = ms(config, "timeout.inter_event"),
            .total_ms = ms(config, "timeout.total")};
}

proxy::Timeouts provider_timeouts(const Config& config, const std::string& name) {
    proxy::Timeouts timeouts = common_timeouts(config);
    const auto narrow = [&](const char* which, uint64_t& value) {
        const std::string key = fmt::format("provider.{}.timeout.{}", name, which);
        if (config.has(key)) value = ms(config, key);
    };
    narrow("connect", timeouts.connect_ms);
    narrow("response_header", timeouts.response_header_ms);
    narrow("first_token", timeouts.first_token_ms);
    narrow("inter_event", timeouts.inter_event_ms);
    narrow("total", timeouts.total_ms);
    return timeouts;
}

upstream::EndpointOptions endpoint(const Config& config, const std::string& name, const http::Url& url) {
    upstream::EndpointOptions options;
    options.name = name;
    options.host = std::string(url.host);
    options.port = url.port;
    options.tls = url.scheme == http::Scheme::https;
    options.idle_max = static_cast<uint32_t>(config.integer("upstream.pool.max_idle"));
    options.idle_timeout_ms = ms(config, "upstream.pool.idle_timeout");
    options.socket = socket_options(config);
    return options;
}

void fill_tls(const Config& config, const std::string& prefix, upstream::EndpointOptions& endpoint, TlsFiles& files,
              Messages& messages) {
    if (!endpoint.tls) return;
    auto terms = tls_terms(config, prefix, files);
    if (terms)
        endpoint.terms = std::move(*terms);
    else
        messages.push_back(std::move(terms.error()));
}

/// Of the provider's type, where the conf gives none.
std::string base_url_of(const Config& config, const std::string& name, const llm::ProviderType& type) {
    std::string url(type.base_url);
    constexpr std::string_view hole = "{location}";
    const size_t at = url.find(hole);
    if (at == url.npos) return url;
    const std::string& location = config.text(fmt::format("provider.{}.location", name));
    // Vertex's global endpoint has no region in its name.
    if (location == "global") return url.replace(at, hole.size() + 1, "");
    return url.replace(at, hole.size(), location);
}

/// Null where the provider's requests are not signed.
std::shared_ptr<const proxy::AwsKeys> aws_keys(const Config& config, const std::string& prefix,
                                               const llm::ProviderType& type) {
    const std::string& id = config.text(prefix + "access_key_id");
    if (type.auth != llm::AuthStyle::aws_sigv4 || id.empty() || !config.text(prefix + "api_key").empty())
        return nullptr;
    auto keys = std::make_shared<proxy::AwsKeys>();
    keys->region = config.text(prefix + "location");
    keys->access_key_id = id;
    keys->secret_access_key = Secret(config.text(prefix + "secret_access_key"));
    keys->session_token = Secret(config.text(prefix + "session_token"));
    return keys;
}

/// 0 where there is none.
uint64_t google_account(const Config& config, const std::string& name, const llm::ProviderType& type, TlsFiles& files,
                        Messages& messages) {
    const std::string key = fmt::format("provider.{}.credentials_file", name);
    const std::string& path = config.text(key);
    if (type.auth != llm::AuthStyle::google_token || path.empty()) return 0;
    std::string text;
    const auto account = files.google_account(name, path, text);
    if (account) return (*account)->id;
    messages.push_back(fmt::format("{}: {}", key, text));
    return 0;
}

/// The lines that do not change from one request to the next.
std::string static_lines(const Config& config, const proxy::ProviderPlan& provider, std::string_view authority,
                         std::string_view key) {
    const std::string prefix = fmt::format("provider.{}.", provider.name);
    const llm::ProviderType& type = *provider.type;
    const auto extra = config.entries_below(prefix + "header.");
    const auto overridden = [&extra](std::string_view name) {
        return std::ranges::any_of(extra,
                                   [name](const auto& one) { return http::equal_ignoring_case(one.first, name); });
    };
    std::string lines = fmt::format("host: {}\r\n", authority);
    const std::string_view header = type.auth == llm::AuthStyle::header ? type.auth_header : "authorization";
    const std::string_view scheme = type.auth == llm::AuthStyle::header ? "" : "Bearer ";
    const bool sends_key = !key.empty() && type.auth != llm::AuthStyle::google_token;
    if (sends_key && !overridden(header)) lines += fmt::format("{}: {}{}\r\n", header, scheme, key);
    const std::string& organization = config.text(prefix + "organization");
    if (!organization.empty()) lines += fmt::format("openai-organization: {}\r\n", organization);
    for (const auto& [name, value] : extra) lines += fmt::format("{}: {}\r\n", name, value);
    return lines;
}

void fill_http_provider(const Config& config, proxy::ProviderPlan& provider, TlsFiles& files, Messages& messages) {
    const std::string prefix = fmt::format("provider.{}.", provider.name);
    const llm::ProviderType& type = *provider.type;
    provider.api_version = config.text(prefix + "api_version");
    provider.project = config.text(prefix + "project_id");
    provider.location = config.text(prefix + "location");
    provider.guardrail = config.text(prefix + "guardrail");
    provider.guardrail_version = config.text(prefix + "guardrail_version");
    const uint64_t account = google_account(config, provider.name, type, files, messages);
    const auto keys = aws_keys(config, prefix, type);
    std::vector<std::string> base_urls = base_urls_of(config, provider.name);
    if (base_urls.empty()) base_urls.push_back(base_url_of(config, provider.name, type));
    provider.instances.clear();
    for (const std::string& base_url : base_urls) {
        const auto url = http::parse_url(base_url);
        if (!url) {
            messages.push_back(fmt::format("{}base_url: {}", prefix, url.error().what));
            continue;
        }
        proxy::InstancePlan at_place{.endpoint = endpoint(config, provider.name, *url),
                                     .authority = std::string(url->authority),
                                     .base_path = std::string(url->path),
                                     .aws_keys = keys,
                                     .google_account = account};
        fill_tls(config, prefix + "tls.", at_place.endpoint, files, messages);
        for (const std::string_view key : api_keys_of(config, provider.name, type)) {
            proxy::InstancePlan& one = provider.instances.emplace_back(at_place);
            one.static_lines = static_lines(config, provider, one.authority, key);
            one.key_id = instance_hash(provider.name, "", key);
            one.id = instance_hash(provider.name, base_url, key);
        }
    }
    if (provider.instances.empty()) provider.instances.emplace_back();  // its faults are told: the plan is refused
}

/// Whoever points a provider elsewhere, or sends it other words, gets other answers of it. Its keys are not among it,
/// nor how long it is waited for.
uint64_t provider_fingerprint(const Config& config, const proxy::ProviderPlan& provider) {
    StreamHash hash;
    const auto add = [&hash](std::string_view text) {
        const uint64_t size = text.size();
        hash.add({reinterpret_cast<const char*>(&size), sizeof size});
        hash.add(text);
    };
    const std::string prefix = fmt::format("provider.{}.", provider.name);
    for (const char* const key :
         {"type", "api_version", "project_id", "location", "guardrail", "guardrail_version", "organization"})
        add(config.text(prefix + key));
    for (const proxy::InstancePlan& one : provider.instances) {
        add(one.authority);
        add(one.base_path);
    }
    for (const std::string& quirk : config.list(prefix + "quirks")) add(quirk);
    for (const auto& [name, value] : config.entries_below(prefix + "header.")) {
        add(name);
        add(value);
    }
    return hash.value();
}

std::vector<proxy::ProviderPlan> build_providers(const Config& config, observe::Metrics& metrics, TlsFiles& files,
                                                 Messages& messages) {
    std::vector<proxy::ProviderPlan> providers;
    for (const std::string& name : config.names("provider")) {
        if (!provider_is_active(config, name)) continue;
        proxy::ProviderPlan provider;
        provider.name = name;
        provider.label_ix = metrics.provider(name);
        provider.timeouts = provider_timeouts(config, name);
        provider.delay_ms = ms(config, fmt::format("provider.{}.delay", name));
        provider.token_interval_ms = ms(config, fmt::format("provider.{}.token_interval", name));
        provider.type = llm::find_provider_type(config.text(fmt::format("provider.{}.type", name)));
        provider.quirks = provider.type->quirks;
        for (const std::string& quirk : config.list(fmt::format("provider.{}.quirks", name)))
            llm::set_quirk(provider.quirks, quirk);
        if (provider.type->name == "echo")
            provider.kind = proxy::ProviderKind::echo;
        else
            fill_http_provider(config, provider, files, messages);
        provider.fingerprint = provider_fingerprint(config, provider);
        providers.push_back(std::move(provider));
    }
    return providers;
}

tenant::ConsumerTable build_consumers(const Config& config, observe::Metrics& metrics, Messages& messages) {
    std::vector<tenant::ConsumerOptions> options;
    for (const std::string& name : config.names("consumer")) {
        tenant::ConsumerOptions one;
        one.consumer.name = name;
        one.consumer.expires_unix_s = parse_expiry(config.text(fmt::format("consumer.{}.expires", name))).value_or(0);
        one.consumer.roles = config.list(fmt::format("consumer.{}.roles", name));
        for (const auto& [word, value] : config.entries_below(fmt::format("consumer.{}.metadata.", name)))
            one.consumer.metadata.emplace_back(word, value);
        one.consumer.issuers = config.list(fmt::format("consumer.{}.jwt", name));
        one.consumer.networks = networks(config, fmt::format("consumer.{}.allow_ips", name));
        one.consumer.models = config.list(fmt::format("consumer.{}.models", name));
        one.consumer.routes = config.list(fmt::format("consumer.{}.routes", name));
        one.consumer.tenant = config.text(fmt::format("consumer.{}.tenant", name));
        one.consumer.team = config.text(fmt::format("consumer.{}.team", name));
        one.consumer.project = config.text(fmt::format("consumer.{}.project", name));
        one.consumer.tier = config.text(fmt::format("consumer.{}.tier", name));
        one.consumer.owners = owner_slots(one.consumer, metrics);
        one.consumer.priority = static_cast<uint8_t>(config.integer(fmt::format("consumer.{}.priority", name)));
        for (const auto key : config.all(fmt::format("consumer.{}.api_key", name))) one.api_keys.emplace_back(key);
        for (const auto hash : config.all(fmt::format("consumer.{}.api_key_sha256", name)))
            one.api_key_sha256.emplace_back(hash);
        for (const auto certificate : config.all(fmt::format("consumer.{}.certificate", name)))
            one.certificates.emplace_back(certificate);
        options.push_back(std::move(one));
    }
    auto table = tenant::ConsumerTable::build(std::move(options));
    if (table) return std::move(*table);
    messages.push_back(table.error());
    return {};
}

/// No `auth`, no consumers and no issuers: open, on loopback, which the checks see to.
void fill_auth(const Config& config, const proxy::Plan& plan, proxy::RoutePlan& route) {
    const RouteAuth auth = route_auth(config, route.name);
    route.auth = auth.none ? proxy::AuthType::none : proxy::AuthType::credentials;
    route.takes_keys = auth.keys;
    route.takes_certificates = auth.certificates;
    if (auth.tokens)
        for (const std::string& name : config.list(fmt::format("route.{}.auth.jwt", route.name)))
            for (uint32_t ix = 0; ix < plan.jwt.size(); ++ix)
                if (plan.jwt[ix].name == name && plan.jwt[ix].introspection == nullptr) route.jwt.push_back(ix);
    const std::string& asked = config.text(fmt::format("route.{}.auth.introspection", route.name));
    for (uint32_t ix = 0; auth.introspects && ix < plan.jwt.size(); ++ix)
        if (plan.jwt[ix].name == asked && plan.jwt[ix].introspection != nullptr)
            route.jwt.push_back(route.introspects = ix);
    route.addresses = {.allow = networks(config, fmt::format("route.{}.allow_ips", route.name)),
                       .deny = networks(config, fmt::format("route.{}.deny_ips", route.name))};
}

void build_routes(const Config& config, proxy::Plan& plan, TlsFiles& files, Messages& messages) {
    const bool ai_enabled = config.boolean("ai_gateway.enabled");
    for (const std::string& name : config.names("route")) {
        const std::string prefix = fmt::format("route.{}.", name);
        proxy::RoutePlan route;
        route.name = name;
        route.ai = config.boolean(prefix + "ai_gateway");
        if (route.ai && !ai_enabled) continue;
        fill_auth(config, plan, route);
        route.auth_header = config.text(prefix + "auth.header");
        route.bearer = config.boolean(prefix + "auth.bearer");
        route.guarded = config.boolean(prefix + "security");
        route.keepalive_ms = ms(config, prefix + "keepalive");
        route.caches = config.boolean(prefix + "cache");
        for (const std::string& name_of_family : config.list(prefix + "passthrough")) {
            const llm::Endpoint family = llm::endpoint_of_name(name_of_family);
            route.passthrough |= llm::set_of(family);
            if (route.ai && llm::stores_things(family)) plan.storing_families |= llm::set_of(family);
        }
        fill_strategies(config, route);
        const std::string& provider = config.text(prefix + "provider");
        for (size_t i = 0; i < plan.providers.size(); ++i)
            if (plan.providers[i].name == provider) route.provider_ix = static_cast<int>(i);
        if (!route.ai) {
            const auto url = http::parse_url(config.text(prefix + "upstream"));
            if (!url) {
                messages.push_back(fmt::format("{}upstream: {}", prefix, url.error().what));
                continue;
            }
            route.upstream = endpoint(config, name, *url);
            fill_tls(config, prefix + "tls.", route.upstream, files, messages);
            route.upstream_base_path = std::string(url->path);
            route.upstream_static_lines = fmt::format("host: {}\r\n", url->authority);
        }
        const auto added =
            plan.route_table.add(config.text(prefix + "path"), static_cast<uint32_t>(plan.routes.size()));
        if (!added) messages.push_back(added.error());
        plan.routes.push_back(std::move(route));
    }
}

void fill_limits(const Config& config, proxy::Plan& plan) {
    plan.limits = {
        .body_bytes = config.bytes("limit.body_size"),
        .bodies_bytes = config.bytes("limit.bodies_in_memory"),
        .head_bytes = static_cast<uint32_t>(config.bytes("limit.head_size")),
        .connections = static_cast<uint32_t>(config.integer("limit.connections")),
        .connections_per_address = static_cast<uint32_t>(config.integer("limit.connections_per_address")),
        .stream_buffer_bytes = static_cast<uint32_t>(config.bytes("stream.buffer_max")),
        .event_bytes = static_cast<uint32_t>(config.bytes("stream.event_max")),
        .burst_bytes = static_cast<uint32_t>(config.bytes("buffer.size") * (net::Stream::burst_receives_max + 1))};
    plan.client = {.handshake_ms = ms(config, "timeout.client_handshake"),
                   .head_ms = ms(config, "timeout.client_head"),
                   .body_ms = ms(config, "timeout.client_body"),
                   .idle_ms = ms(config, "timeout.client_idle"),
                   .write_ms = ms(config, "timeout.client_write"),
                   .drain_ms = ms(config, "timeout.drain")};
    plan.realtime = {.idle_ms = ms(config, "timeout.realtime_idle"), .total_ms = ms(config, "timeout.realtime_total")};
    plan.timeouts = common_timeouts(config);
    plan.streaming = config.boolean("streaming.enabled");
    const std::string& unsupported = config.text("translate.unsupported");
    if (unsupported == "drop") plan.unsupported = proxy::Unsupported::drop;
    if (unsupported == "reject") plan.unsupported = proxy::Unsupported::reject;
    plan.max_tokens_default = config.integer("translate.max_tokens_default");
    plan.flush_interval_ms = ms(config, "streaming.flush_interval");
    plan.health_path = config.text("health.path");
    plan.cors_origins = config.list("cors.origins");
}

void fill_forwarded(const Config& config, proxy::Plan& plan, Messages& messages) {
    for (const std::string& text : config.list("forwarded.trust")) {
        const auto network = net::Network::parse(text);
        if (network)
            plan.forwarded_trust.push_back(*network);
        else
            messages.push_back(fmt::format("forwarded.trust: '{}': {}", text, network.error().what));
    }
    const std::string& policy = config.text("forwarded.headers");
    if (policy == "off") plan.forwarded_for = proxy::ForwardedFor::off;
    if (policy == "replace") plan.forwarded_for = proxy::ForwardedFor::replace;
}

void fill_ledger(const Config& config, ServerOptions& options) {
    if (!config.boolean("token_accounting.enabled")) return;
    const bool in_memory = config.text("token_accounting.store.type") == "memory";
    options.ledger = {.directory = in_memory ? std::string() : config.text("state.directory"),
                      .shard_count = options.shard_count,
                      .segment_bytes = config.bytes("token_accounting.log.segment_size"),
                      .sync_interval_ms = ms(config, "token_accounting.sync"),
                      .keep_s = ms(config, "token_accounting.log.max_age") / 1000,
                      .keep_days = static_cast<uint64_t>(config.integer("token_accounting.retention.days")),
                      .keep_months = static_cast<uint64_t>(config.integer("token_accounting.retention.months")),
                      .shared = config.text("token_accounting.store.type") == "redis",
                      .on_notice = [](const std::string& text) { observe::log_warn("{}", text); }};
    options.shared_store = shared_store_options(config);
    options.ledger_refuses = config.text("token_accounting.on_disk_full") == "refuse";
}

void fill_state_key(const Config& config, ServerOptions& options, Messages& messages) {
    if (!config.has("state.encryption_key") || options.resources.directory.empty()) return;
    auto key = store::parse_state_key(config.text("state.encryption_key"));
    if (key)
        options.state_key = *key;
    else
        messages.push_back(fmt::format("state.encryption_key: {}", key.error()));
}

uint32_t cores_of_this_process() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
    return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::expected<upstream::TlsTerms, std::string> tls_terms(const Config& config, const std::string& prefix,
                                                         TlsFiles& files) {
    const auto fault = [&](const char* word, const std::string& text) {
        return std::unexpected(fmt::format("{}{}: {}", prefix, word, text));
    };
    upstream::TlsTerms terms{.min_version = tls_min_version(config, prefix)};
    std::string text;
    const auto trust = files.trust(config.text(prefix + "ca_file"), text);
    if (!trust) return fault("ca_file", text);
    terms.trust = *trust;
    if (!config.has(prefix + "certificate")) return terms;
    const auto pair = files.key_pair(config.text(prefix + "certificate"), config.text(prefix + "key"), text);
    if (!pair) return fault("certificate", text);
    terms.certificate = *pair;
    // The shards' contexts are made of the same: what can be wrong shows here.
    const auto tried = net::TlsContext::client({.trust = terms.trust, .certificate = **pair}, &text);
    if (!tried) return fault("certificate", text);
    return terms;
}

std::expected<std::shared_ptr<const proxy::Plan>, Messages> build_plan(const Config& config, observe::Metrics& metrics,
                                                                       TlsFiles& files, route::TargetTable& targets,
                                                                       tenant::LimitTable& limits,
                                                                       uint64_t generation) {
    Messages messages;
    auto plan = std::make_shared<proxy::Plan>();
    plan->generation = generation;
    plan->providers = build_providers(config, metrics, files, messages);
    plan->consumers = build_consumers(config, metrics, messages);
    fill_jwt(config, *plan, files, messages);
    fill_introspection(config, *plan, files, messages);
    fill_team_slots(config, *plan, metrics);
    build_routes(config, *plan, files, messages);
    fill_routing(config, *plan, metrics, targets, messages);
    fill_security(config, *plan, metrics, files, messages);
    fill_selection(config, *plan, targets, messages);
    fill_access_rules(config, *plan, messages);
    fill_limits(config, *plan);
    fill_request_caps(config, *plan);
    fill_context(config, *plan);
    fill_tokenizers(config, *plan, messages);
    fill_forwarded(config, *plan, messages);
    fill_alerts(config, *plan, files, messages);
    metrics.set_compat(config.boolean("metrics.compat"));
    if (!messages.empty()) return std::unexpected(std::move(messages));
    // Last: the rows of a plan that is refused would stand in place of those in use.
    fill_rate_limits(config, *plan, limits);
    fill_access(config, *plan, limits);
    fill_prompt_wish(config, *plan);
    for (const route::ListedModel& model : plan->catalogue.models())
        for (const route::Candidate& candidate : plan->catalogue.find(model.id))
            metrics.declare(candidate.provider_label_ix, candidate.model_label_ix);
    return plan;
}

std::expected<std::shared_ptr<const proxy::Plan>, Messages> renew_tls(const proxy::Plan& plan, const Config& config,
                                                                      TlsFiles& files, uint64_t generation) {
    Messages messages;
    auto renewed = std::make_shared<proxy::Plan>(plan);
    renewed->generation = generation;
    for (proxy::ProviderPlan& provider : renewed->providers) {
        const uint64_t account = google_account(config, provider.name, *provider.type, files, messages);
        for (proxy::InstancePlan& instance : provider.instances) {
            fill_tls(config, fmt::format("provider.{}.tls.", provider.name), instance.endpoint, files, messages);
            instance.google_account = account;
        }
    }
    renew_jwt_files(config, *renewed, files, messages);
    renew_introspection(config, *renewed, files, messages);
    renew_guards(config, *renewed, files, messages);
    renew_alerts(config, *renewed, files, messages);
    renew_embedding(*renewed);
    for (proxy::RoutePlan& route : renewed->routes)
        if (!route.ai) fill_tls(config, fmt::format("route.{}.tls.", route.name), route.upstream, files, messages);
    if (!messages.empty()) return std::unexpected(std::move(messages));
    return renewed;
}

std::expected<ServerOptions, Messages> build_server_options(const Config& config) {
    Messages messages;
    ServerOptions options;
    options.shard_count = static_cast<uint32_t>(config.integer("loop.shards"));
    if (options.shard_count == 0) options.shard_count = cores_of_this_process();
    options.pin = config.boolean("loop.pin");
    options.shard.ring_entries = static_cast<uint32_t>(config.integer("loop.ring_entries"));
    options.shard.buffer_count = static_cast<uint16_t>(config.integer("buffer.count"));
    options.shard.buffer_bytes = static_cast<uint32_t>(config.bytes("buffer.size"));
    for (const std::string& feature : config.list("loop.features_off")) {
        if (feature == "incremental_buffers") options.shard.features.incremental_buffers = false;
        if (feature == "defer_taskrun") options.shard.features.defer_taskrun = false;
    }
    const net::SocketOptions socket = socket_options(config);
    options.listen = {.backlog = static_cast<int>(config.integer("tcp.backlog")),
                      .nodelay = socket.nodelay,
                      .keepalive_s = socket.keepalive_s};
    for (const std::string& name : config.names("listener")) {
        const auto address = net::Address::parse(config.text(fmt::format("listener.{}.address", name)));
        if (address)
            options.listeners.push_back({name, *address, speaks_tls(config, name),
                                         config.boolean(fmt::format("listener.{}.share_address", name))});
        else
            messages.push_back(fmt::format("listener.{}.address: {}", name, address.error().what));
    }
    options.ticket_rotation_ms = ms(config, "tls.ticket_rotation");
    options.watch_interval_ms = ms(config, "tls.watch_interval");
    options.admin_listen = config.text("admin.listen");
    options.admin_share_address = config.boolean("admin.share_address");
    options.admin_token = config.text("admin.token");
    options.admin_read_token = config.text("admin.read_token");
    options.issues_keys = config.boolean("auth.issued_keys");
    options.resources = {.directory = config.text("state.directory"),
                         .count_max = static_cast<uint64_t>(config.integer("state.resources.count_max")),
                         .keep_s = ms(config, "state.resources.max_age") / 1000,
                         .on_notice = [](const std::string& text) { observe::log_warn("{}", text); }};
    fill_state_key(config, options, messages);
    fill_ledger(config, options);
    options.anomaly = anomaly_options(config);
    options.log_path = config.text("log.access.path");
    options.audit_path = config.text("log.audit.path");
    options.model_path = config.text("semantic_cache.embedding.model_path");
    options.log_sample = config.decimal("log.access.sample");
    options.log_level = config.text("log.level");
    if (!messages.empty()) return std::unexpected(std::move(messages));
    return options;
}

}  // namespace loom::app
