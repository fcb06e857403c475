#include "check/check.h"

#include <algorithm>
#include <bit>
#include <map>
#include <ranges>

#include "check/report.h"
#include "loom/http/url.h"
#include "loom/llm/resource.h"
#include "loom/net/address.h"
#include "loom/store/vault.h"
#include "plan/identity.h"

namespace loom::app {

namespace {

using config::Config;

/// Keys of one kind that must not have the same value: where each was seen first.
using SeenValues = std::map<std::string, std::string>;

void refuse_second(Report& report, SeenValues& seen, const std::string& key) {
    const auto& value = report.config.text(key);
    const auto [first, is_new] = seen.try_emplace(value, key);
    if (is_new) return;
    report.error(key, fmt::format("'{}' is taken by {} at {}", config::printable(value), first->second,
                                  config::to_string(report.config.place(first->second))));
}

bool is_open_to_others(const Config& config, const std::string& address_key) {
    const auto address = config::parse_address(config.text(address_key));
    return address && !address->is_local();
}

void check_listeners(Report& report) {
    const Config& config = report.config;
    SeenValues seen;
    for (const auto& name : config.names("listener")) {
        const auto key = fmt::format("listener.{}.address", name);
        if (config.has(key)) {
            refuse_second(report, seen, key);
        } else {
            report.missing(config.place_of_name("listener", name), key, "is missing");
        }
        check_listener_tls(report, name);
    }
    if (config.names("listener").empty()) {
        report.missing({config.path()}, "listener", "none is defined; add: listener.http.address = 127.0.0.1:8080");
    }
    if (config.has("admin.listen") && config.text("admin.listen") != "off") refuse_second(report, seen, "admin.listen");
    const std::string &token = config.text("admin.token"), &read_token = config.text("admin.read_token");
    if (!read_token.empty() && token.empty())
        report.error("admin.read_token",
                     "without admin.token anybody may read and change everything; set that as well");
    else if (!read_token.empty() && read_token == token)
        report.error("admin.read_token", "is admin.token: it would change things too");
    if (is_open_to_others(config, "admin.listen") && token.empty()) {
        report.error("admin.listen", "others than this machine can reach it; set admin.token, or listen on 127.0.0.1");
    }
}

/// `/exact` or `/prefix/*`, as route::RouteTable reads it.
bool is_path(std::string_view path) {
    if (!path.starts_with('/') || path.find_first_of("?# ") != std::string_view::npos) return false;
    const size_t star = path.find('*');
    return star == std::string_view::npos || (star + 1 == path.size() && path[star - 1] == '/');
}

void check_path(Report& report, SeenValues& seen, const std::string& name) {
    const auto key = fmt::format("route.{}.path", name);
    if (!report.config.has(key)) return report.missing(report.config.place_of_name("route", name), key, "is missing");
    if (!is_path(report.config.text(key))) return report.error(key, "expected /exact or /prefix/*");
    refuse_second(report, seen, key);
}

void check_upstream(Report& report, const std::string& name) {
    const auto key = fmt::format("route.{}.upstream", name);
    const bool is_ai = report.config.boolean(fmt::format("route.{}.ai_gateway", name));
    if (!report.config.has(key)) {
        if (is_ai) return;
        return report.missing(report.config.place_of_name("route", name), key, "is missing, and ai_gateway is off");
    }
    if (is_ai) return report.error(key, fmt::format("needs route.{}.ai_gateway = off", name));
    const auto url = http::parse_url(report.config.text(key));
    if (!url) return report.error(key, fmt::format("expected http://host:port or https://: {}", url.error().what));
    if (!url->path.empty()) report.error(key, "expected http://host:port without a path");
    check_upstream_tls(report, fmt::format("route.{}.tls.", name), url->scheme == http::Scheme::https);
}

/// The first listener that others can reach; "" when there is none.
std::string open_listener(const Config& config) {
    for (const auto& name : config.names("listener")) {
        const auto key = fmt::format("listener.{}.address", name);
        if (config.has(key) && is_open_to_others(config, key)) return key;
    }
    return "";
}

void check_auth(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto key = fmt::format("route.{}.auth.type", name);
    const bool has_consumers = !config.names("consumer").empty();
    const RouteAuth auth = route_auth(config, name);
    const bool none = config.has(key) && auth.none;
    const bool unset_and_open = !config.has(key) && auth.none;
    const bool only_tokens = !has_consumers && has_issuers(config);
    if (!config.has(key) && only_tokens && config.names("jwt").empty())
        report.missing(config.place_of_name("route", name), key,
                       fmt::format("is missing: set {0} = introspection and route.{1}.auth.introspection = {2}, or {0} "
                                   "= none",
                                   key, name, config.names("introspection").front()));
    else if (!config.has(key) && only_tokens)
        report.missing(config.place_of_name("route", name), key,
                       fmt::format("is missing: with jwt.{0} the route takes no request until it says whose: {1} = jwt "
                                   "and route.{2}.auth.jwt = {0}, or {1} = none",
                                   config.names("jwt").front(), key, name));
    if (config.has(key) && auth.keys && !auth.tokens && !auth.certificates && !auth.introspects && !has_consumers &&
        !makes_consumers(config) && report.complete) {
        report.warning(key, "no consumer is defined, so every request is refused; add: consumer.NAME.api_key = …");
    }
    const bool is_ai = config.boolean(fmt::format("route.{}.ai_gateway", name));
    if (!(none && is_ai) && !unset_and_open) return;
    const auto listener = open_listener(config);
    if (listener.empty()) return;
    const auto place = config.has(key) ? config.place(key) : config.place_of_name("route", name);
    report.missing(place, key,
                   fmt::format("anyone who reaches {} = {} may use this route; add consumer.NAME.api_key and "
                               "{} = api_key, or listen on 127.0.0.1",
                               listener, config.text(listener), key));
}

void check_routes(Report& report) {
    const Config& config = report.config;
    SeenValues seen;
    for (const auto& name : config.names("route")) {
        check_path(report, seen, name);
        check_upstream(report, name);
        check_auth(report, name);
        const auto header = fmt::format("route.{}.auth.header", name);
        if (config.has(header) && !config::fits(config::PatternPart::Kind::header, config.text(header))) {
            report.error(header, "expected the name of a header");
        }
        const auto provider = fmt::format("route.{}.provider", name);
        if (config.has(provider)) require_provider(report, provider, config.text(provider));
    }
    if (config.names("route").empty()) {
        report.missing({config.path()}, "route", "none is defined; add: route.ai.path = /v1/*");
    }
}

void check_power_of_two(Report& report, const std::string& key) {
    if (!std::has_single_bit(static_cast<uint64_t>(report.config.integer(key)))) {
        report.error(key, fmt::format("expected a power of two, got {}", report.config.integer(key)));
    }
}

void check_rest(Report& report) {
    const Config& config = report.config;
    check_power_of_two(report, "loop.ring_entries");
    check_power_of_two(report, "buffer.count");
    const auto& audit = config.text("log.audit.path");
    if (audit != "off" && audit == config.text("log.access.path"))
        report.error("log.audit.path",
                     "is where the access log goes (log.access.path): two logs would cut each other's lines");
    const auto& health = config.text("health.path");
    if (!health.empty() && (!is_path(health) || health.ends_with('*')))
        report.error("health.path", "expected a path such as /healthz");
    for (const auto& network : config.list("forwarded.trust")) {
        const auto parsed = net::Network::parse(network);
        if (parsed) continue;
        report.error("forwarded.trust", fmt::format("'{}': {}", config::printable(network), parsed.error().what));
    }
    for (const auto& origin : config.list("cors.origins")) {
        const auto url = http::parse_url(origin);
        if (origin == "*" || (url && url->path.empty() && !origin.ends_with('/'))) continue;
        report.error("cors.origins", fmt::format("'{}': expected * or an origin such as https://app.example.com",
                                                 config::printable(origin)));
    }
}

/// What families leave at providers is kept apart by ids, which are to outlive a restart.
void check_state(Report& report) {
    const Config& config = report.config;
    if (config.has("state.encryption_key")) {
        const auto key = store::parse_state_key(config.text("state.encryption_key"));
        if (!key) report.error("state.encryption_key", key.error());
        if (!config.has("state.directory"))
            report.warning("state.encryption_key", "there is nothing to encrypt: set state.directory = /var/lib/loom");
    }
    if (config.has("state.directory")) {
        if (!config.text("state.directory").starts_with('/'))
            report.error("state.directory", "expected a path that begins with /");
        return;
    }
    const size_t tenants = config.names("consumer").size();
    for (const auto& name : config.names("route")) {
        const auto key = fmt::format("route.{}.passthrough", name);
        for (const auto& family : config.list(key)) {
            if (!llm::stores_things(llm::endpoint_of_name(family))) continue;
            const char* const follows =
                tenants > 0 ? "after it every client's own are not found here any more, though the provider has them"
                            : "after it the first provider is asked for them";
            return report.warning(key, fmt::format("whose the {} are is kept in memory and lost at a restart: {}; set "
                                                   "state.directory = /var/lib/loom",
                                                   family, follows));
        }
    }
}

}  // namespace

std::vector<config::Diagnostic> check(const Config& config, bool complete) {
    Report report{config, complete, {}};
    check_listeners(report);
    check_routes(report);
    check_providers(report);
    check_routing(report);
    check_sticky(report);
    check_hold(report);
    check_experiments(report);
    check_mirror(report);
    check_hedge(report);
    check_cache(report);
    check_consumers(report);
    check_identity(report);
    check_selection(report);
    check_limits(report);
    check_rate_limits(report);
    check_budgets(report);
    check_alerts(report);
    check_context(report);
    check_ledger(report);
    check_security(report);
    check_custom_types(report);
    check_state(report);
    check_rest(report);
    return std::move(report.diagnostics);
}

void add_checks(config::Loaded& loaded) {
    auto found = check(*loaded.partial, loaded.config != nullptr);
    std::ranges::move(found, std::back_inserter(loaded.diagnostics));
    if (config::has_error(loaded.diagnostics)) loaded.config.reset();
}

}  // namespace loom::app
