#include "plan/introspection.h"

#include <fmt/format.h>

#include "client_place.h"
#include "loom/base/base64.h"
#include "loom/base/hash.h"
#include "loom/tenant/introspection.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

using config::Config;

constexpr uint32_t idle_connections_max = 4;

std::string key_of(const std::string& name, const char* word) { return fmt::format("introspection.{}.{}", name, word); }

uint32_t seconds(const Config& config, const std::string& key) {
    return static_cast<uint32_t>(config.milliseconds(key).count() / 1000);
}

/// "" or what is wrong with it.
std::string take_path(const Config& config, const std::string& key, tenant::ClaimPath& path) {
    if (config.text(key).empty()) return "";
    auto parsed = tenant::parse_claim_path(config.text(key));
    if (!parsed) return fmt::format("{}: {}", key, parsed.error().what);
    path = std::move(*parsed);
    return "";
}

/// Each part is encoded as a form's before both become Basic's (RFC 6749, 2.3.1).
Secret basic_line(const std::string& id, const std::string& password) {
    Secret pair, line;
    pair.text().reserve(3 * (id.size() + password.size()) + 1);
    tenant::append_form_encoded(id, pair.text());
    pair.text() += ':';
    tenant::append_form_encoded(password, pair.text());
    line.text().reserve(2 * pair.view().size() + 64);
    line.text() += "authorization: Basic ";
    base64_encode({reinterpret_cast<const uint8_t*>(pair.view().data()), pair.view().size()}, line.text());
    line.text() += "\r\n";
    return line;
}

void fill_credentials(const Config& config, const std::string& name, proxy::IntrospectionPlan& plan) {
    const std::string& how = config.text(key_of(name, "auth"));
    const std::string& id = config.text(key_of(name, "client_id"));
    const std::string& password = config.text(key_of(name, "client_secret"));
    Secret lines, form;
    lines.text().reserve(6 * (id.size() + password.size()) + 256);
    lines.text() += "content-type: application/x-www-form-urlencoded\r\n";
    if (how == "basic") lines.text() += basic_line(id, password).view();
    if (how == "bearer") {
        lines.text() += "authorization: Bearer ";
        lines.text() += password;
        lines.text() += "\r\n";
    }
    if (how == "post") {
        form.text().reserve(3 * (id.size() + password.size()) + 64);
        form.text() += "&client_id=";
        tenant::append_form_encoded(id, form.text());
        form.text() += "&client_secret=";
        tenant::append_form_encoded(password, form.text());
    }
    // The same as long as the same is asked by the same: sessions of a token outlive a reload by it.
    plan.source = hash64(
        fmt::format("{}\n{}\n{}\n{}", name, config.text(key_of(name, "url")), config.text(key_of(name, "issuer")), id));
    plan.lines = std::make_shared<const Secret>(std::move(lines));
    plan.form = std::make_shared<const Secret>(std::move(form));
}

}  // namespace

std::expected<proxy::IntrospectionPlan, std::string> introspection_plan(const Config& config, const std::string& name) {
    const std::string key = key_of(name, "url");
    auto place = client_place(config.text(key), nullptr, PlainHttp::anywhere);
    if (!place) return std::unexpected(fmt::format("{}: {}", key, place.error().what));
    proxy::IntrospectionPlan plan;
    plan.client = std::move(place->client);
    plan.target = std::move(place->target);
    plan.client.timeout_ms = ms(config, key_of(name, "timeout"));
    plan.client.answer_bytes_max = proxy::IntrospectionPlan::answer_bytes_max;
    plan.client.exchange_count_max = static_cast<size_t>(config.integer(key_of(name, "max_in_flight")));
    plan.client.endpoint.idle_max = idle_connections_max;
    plan.cache_s = seconds(config, key_of(name, "cache"));
    plan.negative_cache_s = seconds(config, key_of(name, "negative_cache"));
    fill_credentials(config, name, plan);
    return plan;
}

std::expected<tenant::JwtOptions, std::string> introspection_options(const Config& config, const std::string& name) {
    tenant::JwtOptions options{.leeway_s = 0, .needs_expiry = false};
    if (config.has(key_of(name, "issuer"))) options.issuers = {config.text(key_of(name, "issuer"))};
    options.audiences = config.list(key_of(name, "audience"));
    for (const auto& [word, path] :
         {std::pair{"consumer_claim", &options.consumer}, std::pair{"tier_claim", &options.tier},
          std::pair{"team_claim", &options.team}, std::pair{"roles_claim", &options.roles}})
        if (std::string fault = take_path(config, key_of(name, word), *path); !fault.empty())
            return std::unexpected(std::move(fault));
    return options;
}

void fill_introspection(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    for (const std::string& name : config.names("introspection")) {
        proxy::JwtPlan issuer{.name = name};
        auto asked = introspection_plan(config, name);
        auto options = introspection_options(config, name);
        if (!asked) messages.push_back(std::move(asked.error()));
        if (!options) messages.push_back(std::move(options.error()));
        if (!asked || !options) continue;
        asked->client.endpoint.terms.trust = files.trust_of_key(config, key_of(name, "tls.ca_file"), messages);
        issuer.options = std::move(*options);
        issuer.introspection = std::make_shared<const proxy::IntrospectionPlan>(std::move(*asked));
        issuer.allows_unknown = config.text(key_of(name, "unknown_consumers")) == "allow";
        plan.jwt.push_back(std::move(issuer));
    }
}

void renew_introspection(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    for (proxy::JwtPlan& issuer : plan.jwt) {
        if (issuer.introspection == nullptr) continue;
        const net::TlsTrustPtr trust = files.trust_of_key(config, key_of(issuer.name, "tls.ca_file"), messages);
        if (trust == issuer.introspection->client.endpoint.terms.trust) continue;
        auto renewed = std::make_shared<proxy::IntrospectionPlan>(*issuer.introspection);
        renewed->client.endpoint.terms.trust = trust;
        issuer.introspection = std::move(renewed);
    }
}

}  // namespace loom::app
