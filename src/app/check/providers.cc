// Checks of providers, of what refers to them, and of consumers.
#include <algorithm>
#include <map>
#include <optional>

#include "check/check.h"
#include "check/report.h"
#include "loom/base/crypto.h"
#include "loom/http/url.h"
#include "loom/llm/provider_table.h"
#include "loom/route/catalogue.h"
#include "loom/route/instances.h"
#include "plan/fallback.h"
#include "plan/health.h"
#include "plan/identity.h"

namespace loom::app {

namespace {

using config::Config;

// Written by Loom itself for every request; two of one of them are how requests get smuggled.
constexpr std::string_view framing_headers[] = {
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect"};

constexpr size_t tenant_bytes_max = 128;  // as long as the ledger's records hold it whole

std::string lower(std::string_view text) {
    std::string lowered(text);
    for (char& c : lowered) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return lowered;
}

/// `gpt-4`, or `gpt-*` for every name that begins so.
bool is_listed(const std::vector<std::string>& patterns, std::string_view name) {
    return std::ranges::any_of(patterns, [name](std::string_view pattern) {
        if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
        return pattern == name;
    });
}

void check_base_url(Report& report, const std::string& name, const llm::ProviderType& type) {
    const auto key = fmt::format("provider.{}.base_url", name);
    if (!report.config.has(key)) {
        if (!type.base_url.empty() || type.name == "echo") return;
        return report.missing(report.config.place_of_name("provider", name), key,
                              fmt::format("is missing; {} needs one", type.name));
    }
    for (const config::Setting& one : report.config.settings(key)) {
        const auto url = http::parse_url(one.value.text);
        if (!url)
            report.add(one.value_place, true, key,
                       fmt::format("expected a URL such as https://api.openai.com/v1: {}", url.error().what));
    }
}

/// Each base URL with each key is an instance.
void check_instances(Report& report, const std::string& name) {
    size_t count = 1;
    for (const char* const word : {"base_url", "api_key"}) {
        const auto key = fmt::format("provider.{}.{}", name, word);
        const std::span<const config::Setting> settings = report.config.settings(key);
        for (size_t i = 0; i < settings.size(); ++i)
            for (size_t before = 0; before < i; ++before)
                if (settings[i].value.text == settings[before].value.text && !settings[i].value.text.empty())
                    report.add(settings[i].value_place, true, key,
                               fmt::format("is there already, at {}", config::to_string(settings[before].value_place)));
        count *= std::max<size_t>(1, settings.size());
    }
    if (count > route::instances_max)
        report.error(fmt::format("provider.{}.base_url", name),
                     fmt::format("each base_url with each api_key are {} instances, and {} can be balanced: define "
                                 "several providers",
                                 count, route::instances_max));
}

void check_tls(Report& report, const std::string& name, const llm::ProviderType& type) {
    const Config& config = report.config;
    const auto base_url = fmt::format("provider.{}.base_url", name);
    const auto speaks_tls = [](std::string_view text) {
        const auto url = http::parse_url(text);
        return url && url->scheme == http::Scheme::https;
    };
    const bool is_https = config.has(base_url) ? std::ranges::any_of(config.all(base_url), speaks_tls)
                                               : type.base_url.starts_with("https");
    check_upstream_tls(report, fmt::format("provider.{}.tls.", name), is_https);
}

void check_headers(Report& report, const std::string& name) {
    const auto prefix = fmt::format("provider.{}.header.", name);
    for (const auto& [header, value] : report.config.entries_below(prefix)) {
        const auto key = prefix + std::string(header);
        if (!fits_a_header(value)) report.error(key, "holds a control byte");
        if (std::ranges::find(framing_headers, lower(header)) != std::end(framing_headers)) {
            report.error(key, "this header is Loom's own to write");
        }
    }
    const auto organization = fmt::format("provider.{}.organization", name);
    if (!fits_a_header(report.config.text(organization))) report.error(organization, "holds a control byte");
}

/// Keys that mean something to other types alone.
void warn_of_idle_keys(Report& report, const std::string& name, const llm::ProviderType& type) {
    struct Owner {
        const char* key;
        bool owns;
        const char* who;
    };
    const bool echo = type.name == "echo", azure = type.path == llm::PathStyle::azure;
    const bool vertex = type.path == llm::PathStyle::vertex, bedrock = type.path == llm::PathStyle::bedrock;
    for (const Owner& one : {Owner{"delay", echo, "echo"}, Owner{"token_interval", echo, "echo"},
                             Owner{"api_version", azure, "azure_openai"}, Owner{"project_id", vertex, "vertex"},
                             Owner{"location", vertex || bedrock, "vertex and bedrock"},
                             Owner{"guardrail", bedrock, "bedrock"}, Owner{"guardrail_version", bedrock, "bedrock"},
                             Owner{"access_key_id", bedrock, "bedrock"}, Owner{"secret_access_key", bedrock, "bedrock"},
                             Owner{"session_token", bedrock, "bedrock"}, Owner{"credentials_file", vertex, "vertex"}}) {
        const auto key = fmt::format("provider.{}.{}", name, one.key);
        if (!one.owns && report.config.has(key))
            report.warning(key, fmt::format("means something to {} providers only", one.who));
    }
}

/// What its paths are made of.
void check_place(Report& report, const std::string& name, const llm::ProviderType& type) {
    const bool vertex = type.path == llm::PathStyle::vertex, bedrock = type.path == llm::PathStyle::bedrock;
    const auto need = [&](const char* word, const char* example) {
        const auto key = fmt::format("provider.{}.{}", name, word);
        const std::string& text = report.config.text(key);
        if (!report.config.has(key))
            return report.missing(report.config.place_of_name("provider", name), key,
                                  fmt::format("is missing; {} needs one, such as {}", type.name, example));
        const bool plain = std::ranges::all_of(text, [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ':' || c == '.';
        });
        if (!plain || text.empty()) report.error(key, fmt::format("expected a name such as {}", example));
    };
    if (vertex) need("project_id", "my-project");
    if (vertex) need("location", "us-central1");
    const auto has = [&](const char* word) { return report.config.has(fmt::format("provider.{}.{}", name, word)); };
    if (bedrock && (!has("base_url") || has("access_key_id"))) need("location", "us-east-1");
}

void check_model_name(Report& report, const config::Place& place, const std::string& key, const std::string& name) {
    if (route::is_model_name(name)) return;
    report.add(place, true, key,
               fmt::format("'{}' is no model name; '*' may only stand at its end", config::printable(name)));
}

void check_models(Report& report, const std::string& provider) {
    const auto key = fmt::format("provider.{}.models", provider);
    for (const auto& model : report.config.list(key)) check_model_name(report, report.config.place(key), key, model);
}

void check_provider(Report& report, const std::string& name) {
    const auto type_key = fmt::format("provider.{}.type", name);
    const auto& type = report.config.text(type_key);
    const llm::ProviderType* const row = llm::find_provider_type(type);
    if (row == nullptr) {  // a type that is no type was told by the key's own row
        if (!report.config.has(type_key))
            report.missing(report.config.place_of_name("provider", name), type_key, "is missing");
    } else {
        warn_of_idle_keys(report, name, *row);
        check_credentials(report, name, *row);
        check_place(report, name, *row);
        check_base_url(report, name, *row);
        check_instances(report, name);
        check_health_check(report, name, *row);
        check_tls(report, name, *row);
    }
    check_models(report, name);
    check_headers(report, name);
}

/// Can the provider take `model`: does it list it, or is a mapping there?
bool takes_model(const Config& config, const std::string& provider, const std::string& model) {
    const auto models = fmt::format("provider.{}.models", provider);
    if (!config.has(models)) return true;
    return is_listed(config.list(models), model) || config.has(fmt::format("model_mapping.{}.{}", model, provider));
}

void check_model_routes(Report& report) {
    const Config& config = report.config;
    for (const auto& model : config.names("routing.model_route")) {
        const auto key = "routing.model_route." + model;
        const auto& provider = config.text(key);
        check_model_name(report, config.place_of_name("routing.model_route", model), key, model);
        require_provider(report, key, provider);
        if (model == "default" || !report.complete || !is_defined_provider(config, provider)) continue;
        if (takes_model(config, provider, model)) continue;
        report.warning(key, fmt::format("{0} does not list {1}; add it to provider.{0}.models, or "
                                        "model_mapping.{1}.{0}",
                                        provider, config::printable(model)));
    }
    if (config.text("routing.strategy") == "model" && config.names("routing.model_route").empty() && report.complete) {
        report.warning("routing.strategy", "there is no routing.model_route, so it works as priority does");
    }
}

void check_failover(Report& report) {
    const Config& config = report.config;
    const bool enabled = config.boolean("routing.failover.enabled");
    if (config.has("routing.fallback.provider")) {
        require_provider(report, "routing.fallback.provider", config.text("routing.fallback.provider"));
        if (!enabled && report.complete)
            report.warning("routing.fallback.provider", "is asked by nobody: set routing.failover.enabled = on");
    }
    for (const std::string& code : config.list("routing.failover.retry_codes")) {
        const bool is_status =
            code.size() == 3 && (code[0] == '4' || code[0] == '5') && code.find_first_not_of("0123456789") == code.npos;
        if (!is_status)
            report.error("routing.failover.retry_codes",
                         fmt::format("expected statuses from 400 to 599, got '{}'", config::printable(code)));
    }
}

/// The hexadecimal SHA-256 of one key setting; nothing when it cannot be one.
std::optional<std::string> hash_of(const config::Setting& setting, bool is_hash) {
    const auto& text = setting.value.text;
    Sha256 hash;
    if (!is_hash) return hex_encode(sha256(text));
    if (!hex_decode(text, hash)) return std::nullopt;
    return lower(text);
}

struct KeyOwner {
    std::string consumer;
    config::Place place;
};
using KeyOwners = std::map<std::string, KeyOwner>;

void check_key(Report& report, KeyOwners& owners, const std::string& consumer, const config::Setting& setting,
               bool is_hash) {
    const auto key = fmt::format("consumer.{}.{}", consumer, is_hash ? "api_key_sha256" : "api_key");
    if (setting.value.text.empty()) return report.add(setting.value_place, true, key, "is empty");
    const auto hash = hash_of(setting, is_hash);
    if (!hash) return report.add(setting.value_place, true, key, "expected 64 hexadecimal digits");
    const auto [owner, is_new] = owners.try_emplace(*hash, KeyOwner{consumer, setting.value_place});
    if (is_new) return;
    report.add(setting.value_place, true, key,
               fmt::format("consumer {} has the same key at {}", owner->second.consumer,
                           config::to_string(owner->second.place)));
}

void check_routes_of(Report& report, const std::string& consumer) {
    const auto key = fmt::format("consumer.{}.routes", consumer);
    const auto defined = report.config.names("route");
    for (const auto& route : report.config.list(key)) {
        const bool found = std::ranges::any_of(defined, [&](const auto& name) { return is_listed({route}, name); });
        if (!found)
            report.missing(report.config.place(key), key,
                           fmt::format("no route '{}' is defined", config::printable(route)));
    }
}

}  // namespace

bool is_defined_provider(const Config& config, std::string_view name) {
    return std::ranges::find(config.names("provider"), name) != config.names("provider").end();
}

void require_provider(Report& report, const std::string& key, const std::string& name) {
    if (is_defined_provider(report.config, name)) return;
    report.missing(report.config.place(key), key, fmt::format("no provider '{}' is defined", config::printable(name)));
}

void check_providers(Report& report) {
    const Config& config = report.config;
    bool any_active = false;
    for (const auto& name : config.names("provider")) {
        check_provider(report, name);
        any_active = any_active || provider_is_active(config, name);
    }
    if (any_active || !config.boolean("ai_gateway.enabled")) return;
    for (const auto& name : config.names("route")) {
        if (!config.boolean(fmt::format("route.{}.ai_gateway", name))) continue;
        report.missing(config.place_of_name("route", name), fmt::format("route.{}", name),
                       "leads to nothing: there is no provider; add: provider.demo.type = echo");
    }
}

void check_routing(Report& report) {
    const Config& config = report.config;
    for (const auto& name : config.list("routing.providers")) require_provider(report, "routing.providers", name);
    check_model_routes(report);
    check_failover(report);
    check_fallback_models(report);
    for (const auto& model : config.names("model_mapping")) {
        const auto model_key = "model_mapping." + model;
        check_model_name(report, config.place_of_name("model_mapping", model), model_key, model);
        for (const auto& provider : config.names(model_key)) {
            const auto key = fmt::format("{}.{}", model_key, provider);
            require_provider(report, key, provider);
            if (!route::is_one_model(config.text(key))) report.error(key, "must be one model's name");
        }
    }
}

void check_consumers(Report& report) {
    const Config& config = report.config;
    KeyOwners owners;
    for (const auto& name : config.names("consumer")) {
        const auto plain = config.settings(fmt::format("consumer.{}.api_key", name));
        const auto hashed = config.settings(fmt::format("consumer.{}.api_key_sha256", name));
        for (const auto& setting : plain) check_key(report, owners, name, setting, false);
        for (const auto& setting : hashed) check_key(report, owners, name, setting, true);
        const bool has_certificate = !config.all(fmt::format("consumer.{}.certificate", name)).empty();
        const bool has_key = !plain.empty() || !hashed.empty() || has_certificate;
        const auto place = config.place_of_name("consumer", name);
        const bool may_get_one = has_key || config.boolean("auth.issued_keys");
        if (!may_get_one && !has_issuers(config))
            report.missing(place, fmt::format("consumer.{}.api_key", name),
                           "is missing (or set auth.issued_keys = on, and make one over the admin listener)");
        else if (!may_get_one && !may_be_named(config, name))
            report.missing(
                place, fmt::format("consumer.{}.jwt", name),
                "is missing: whose tokens may name it (jwt.NAME), since there are several issuers, or one with "
                "unknown_consumers = allow; it has no key either, so nobody can be it");
        const auto tenant = fmt::format("consumer.{}.tenant", name);
        if (config.text(tenant).size() > tenant_bytes_max)
            report.error(tenant, fmt::format("is longer than {} bytes", tenant_bytes_max));
        const auto team = fmt::format("consumer.{}.team", name);
        if (config.text(team).size() > tenant_bytes_max)
            report.error(team, fmt::format("is longer than {} bytes", tenant_bytes_max));
        const auto project = fmt::format("consumer.{}.project", name);
        if (config.text(project).size() > tenant_bytes_max)
            report.error(project, fmt::format("is longer than {} bytes", tenant_bytes_max));
        check_routes_of(report, name);
    }
}

}  // namespace loom::app
