#include "plan/identity.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/timestamp.h"
#include "loom/proxy/model_tags.h"
#include "loom/tenant/discovery.h"

namespace loom::app {
namespace {

using config::Config;

constexpr const char* asymmetric[] = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"};
constexpr const char* symmetric[] = {"HS256", "HS384", "HS512"};

/// What only a request for a model says.
constexpr rule::Attribute said_by_requests[] = {
    rule::Attribute::model,    rule::Attribute::tags,          rule::Attribute::user,
    rule::Attribute::stream,   rule::Attribute::task,          rule::Attribute::complexity,
    rule::Attribute::tools,    rule::Attribute::vision,        rule::Attribute::json_schema,
    rule::Attribute::messages, rule::Attribute::prompt_tokens, rule::Attribute::max_tokens};

std::string key_of(const std::string& name, const char* word) { return fmt::format("jwt.{}.{}", name, word); }

bool is_url(std::string_view text) { return text.starts_with("https://") || text.starts_with("http://"); }

/// False where it cannot be read.
bool take_path(const Config& config, const std::string& key, tenant::ClaimPath& path, std::string& text) {
    if (config.text(key).empty()) return true;
    auto parsed = tenant::parse_claim_path(config.text(key));
    if (!parsed) {
        text = fmt::format("{}: {}", key, parsed.error().what);
        return false;
    }
    path = std::move(*parsed);
    return true;
}

std::shared_ptr<const tenant::JwkSet> secret_keys(const Config& config, const std::string& name,
                                                  std::vector<std::string>& messages) {
    auto set = tenant::JwkSet::of_secret(config.text(key_of(name, "secret")));
    if (set) return std::make_shared<const tenant::JwkSet>(std::move(*set));
    messages.push_back(fmt::format("{}: {}", key_of(name, "secret"), set.error().what));
    return nullptr;
}

std::shared_ptr<const tenant::JwkSet> file_keys(const Config& config, const std::string& name, TlsFiles& files,
                                                std::vector<std::string>& messages) {
    std::string text;
    const auto set = files.jwk_set(config.text(key_of(name, "jwks")), text);
    if (set) return *set;
    messages.push_back(fmt::format("{}: {}", key_of(name, "jwks"), text));
    return nullptr;
}

JwtSource source_of(const Config& config, const std::string& name) {
    JwtSource source{.name = name, .issuer = config.text(key_of(name, "issuer"))};
    source.discovers = jwt_keys_from(config, name) == JwtKeysFrom::discovery;
    source.url = source.discovers ? tenant::discovery_url(source.issuer) : config.text(key_of(name, "jwks"));
    source.refresh_ms = static_cast<uint64_t>(config.milliseconds(key_of(name, "refresh")).count());
    return source;
}

bool fetches(JwtKeysFrom from) { return from == JwtKeysFrom::url || from == JwtKeysFrom::discovery; }

}  // namespace

std::optional<int64_t> parse_expiry(std::string_view text) {
    auto time = parse_date(text);
    if (!time) time = parse_rfc3339(text);
    if (time && *time < 1) time = 1;  // 0 is "never"
    return time;
}

JwtKeysFrom jwt_keys_from(const Config& config, const std::string& name) {
    if (config.has(key_of(name, "secret"))) return JwtKeysFrom::secret;
    const std::string& jwks = config.text(key_of(name, "jwks"));
    if (jwks.empty()) return JwtKeysFrom::discovery;
    return is_url(jwks) ? JwtKeysFrom::url : JwtKeysFrom::file;
}

std::expected<tenant::JwtOptions, std::string> jwt_options(const Config& config, const std::string& name) {
    tenant::JwtOptions options;
    options.issuers = {config.text(key_of(name, "issuer"))};
    options.audiences = config.list(key_of(name, "audience"));
    const bool by_secret = jwt_keys_from(config, name) == JwtKeysFrom::secret;
    std::vector<std::string> algorithms = config.list(key_of(name, "algorithms"));
    if (algorithms.empty() && by_secret) algorithms.assign(std::begin(symmetric), std::end(symmetric));
    if (algorithms.empty()) algorithms.assign(std::begin(asymmetric), std::end(asymmetric));
    for (const std::string& one : algorithms)
        if (const auto algorithm = tenant::signature_algorithm(one)) options.algorithms.push_back(*algorithm);
    options.leeway_s = static_cast<uint32_t>(config.milliseconds(key_of(name, "leeway")).count() / 1000);
    std::string text;
    const bool good = take_path(config, key_of(name, "consumer_claim"), options.consumer, text) &&
                      take_path(config, key_of(name, "tier_claim"), options.tier, text) &&
                      take_path(config, key_of(name, "team_claim"), options.team, text) &&
                      take_path(config, key_of(name, "roles_claim"), options.roles, text);
    if (!good) return std::unexpected(text);
    return options;
}

std::vector<IpNetwork> networks(const Config& config, const std::string& key) {
    std::vector<IpNetwork> found;
    for (const std::string& text : config.list(key))
        if (const auto network = IpNetwork::parse(text)) found.push_back(*network);
    return found;
}

bool has_issuers(const Config& config) {
    return !config.names("jwt").empty() || !config.names("introspection").empty();
}

bool any_issuer_says(const Config& config, std::string_view word, std::string_view unset) {
    for (const char* const kind : {"jwt", "introspection"})
        for (const std::string& name : config.names(kind))
            if (config.text(fmt::format("{}.{}.{}", kind, name, word)) != unset) return true;
    return false;
}

bool makes_consumers(const Config& config) { return config.boolean("auth.issued_keys"); }

bool has_clients(const Config& config) {
    return !config.names("consumer").empty() || has_issuers(config) || makes_consumers(config);
}

RouteAuth route_auth(const Config& config, const std::string& route) {
    const std::string key = fmt::format("route.{}.auth.type", route);
    if (!config.has(key)) return {.none = !has_clients(config), .keys = has_clients(config)};
    const auto& types = config.list(key);
    const auto has = [&types](const char* type) { return std::ranges::find(types, type) != types.end(); };
    return {.none = has("none"),
            .keys = has("api_key"),
            .tokens = has("jwt"),
            .certificates = has("mtls"),
            .introspects = has("introspection")};
}

bool may_be_named(const Config& config, const std::string& consumer) {
    if (!config.list(fmt::format("consumer.{}.jwt", consumer)).empty()) return true;
    const auto signers = config.names("jwt"), asked = config.names("introspection");
    if (signers.size() + asked.size() != 1) return false;
    const std::string key = signers.empty() ? fmt::format("introspection.{}.unknown_consumers", asked.front())
                                            : key_of(signers.front(), "unknown_consumers");
    return config.text(key) != "allow";
}

void fill_jwt(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    for (const std::string& name : config.names("jwt")) {
        proxy::JwtPlan jwt{.name = name};
        auto options = jwt_options(config, name);
        if (!options) {
            messages.push_back(std::move(options.error()));
            continue;
        }
        jwt.options = std::move(*options);
        jwt.allows_unknown = config.text(key_of(name, "unknown_consumers")) == "allow";
        const JwtKeysFrom from = jwt_keys_from(config, name);
        if (from == JwtKeysFrom::secret) {
            jwt.keys = secret_keys(config, name, messages);
            jwt.secret = sha256(config.text(key_of(name, "secret")));
        }
        if (from == JwtKeysFrom::file) jwt.keys = file_keys(config, name, files, messages);
        if (fetches(from)) jwt.source = source_of(config, name).id();
        plan.jwt.push_back(std::move(jwt));
    }
    (void)jwt_sources(config, files, messages);  // what their servers are trusted by is read now
}

void renew_jwt_files(const Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages) {
    for (proxy::JwtPlan& jwt : plan.jwt)
        if (jwt.introspection == nullptr && jwt_keys_from(config, jwt.name) == JwtKeysFrom::file)
            jwt.keys = file_keys(config, jwt.name, files, messages);
    (void)jwt_sources(config, files, messages);
}

std::vector<JwtSource> jwt_sources(const Config& config, TlsFiles& files, std::vector<std::string>& messages) {
    std::vector<JwtSource> sources;
    for (const std::string& name : config.names("jwt")) {
        if (!fetches(jwt_keys_from(config, name))) continue;
        JwtSource source = source_of(config, name);
        source.trust = files.trust_of_key(config, key_of(name, "tls.ca_file"), messages);
        if (source.trust == nullptr) continue;
        sources.push_back(std::move(source));
    }
    return sources;
}

const char* access_fault(const rule::Rule& when, bool allows) {
    const auto uses = [&when](rule::Attribute one) { return when.uses().test(static_cast<size_t>(one)); };
    if (uses(rule::Attribute::header)) return "a header says what its client likes: ask for roles, claim, team or ip";
    if (allows && (uses(rule::Attribute::task) || uses(rule::Attribute::complexity)))
        return "task and complexity are guesses, and nothing to let somebody in by";
    if (allows && (uses(rule::Attribute::query) || uses(rule::Attribute::user)))
        return "query and user say what the client likes, and are nothing to let somebody in by: ask for roles, claim, "
               "team or ip";
    return nullptr;
}

void fill_access_rules(const Config& config, proxy::Plan& plan, std::vector<std::string>& messages) {
    auto rules = std::make_shared<proxy::AccessRules>();
    std::vector<std::string> claims;
    const auto want = [&claims](std::span<const std::string_view> names) {
        for (const std::string_view name : names)
            if (std::ranges::find(claims, name) == claims.end()) claims.emplace_back(name);
    };
    for (const std::string& name : config.names("access.rule")) {
        const std::string prefix = fmt::format("access.rule.{}.", name);
        auto when = rule::Rule::compile(config.text(prefix + "when"));
        if (!when) {  // the checks have told where
            messages.push_back(fmt::format("{}when: {}", prefix, when.error().front().text));
            continue;
        }
        want(when->names_of(rule::Attribute::claim));
        const bool reads_request = std::ranges::any_of(
            said_by_requests, [&](rule::Attribute one) { return when->uses().test(static_cast<size_t>(one)); });
        const bool asks_tags = when->uses().test(static_cast<size_t>(rule::Attribute::tags));
        rules->push_back({name, std::move(*when), config.text(prefix + "action") == "allow", reads_request, asks_tags});
    }
    if (!rules->empty()) plan.access_rules = std::move(rules);
    auto tags = std::make_shared<proxy::ModelTags>();
    for (const std::string& model : config.names("model_tag")) tags->add(model, config.list("model_tag." + model));
    if (!tags->empty()) plan.model_tags = std::move(tags);
    if (plan.selection != nullptr) want(plan.selection->rules.names_of(rule::Attribute::claim));
    for (proxy::JwtPlan& jwt : plan.jwt)
        for (const std::string& name : claims)
            if (auto path = tenant::parse_claim_path(name)) jwt.options.claims.push_back({name, std::move(*path)});
}

void fill_access(const Config& config, proxy::Plan& plan, tenant::LimitTable& table) {
    plan.addresses = {.allow = networks(config, "access.allow_ips"), .deny = networks(config, "access.deny_ips")};
    const auto seconds = [&config](const char* key) {
        return static_cast<uint32_t>(config.milliseconds(key).count() / 1000);
    };
    plan.lockout = table.lockout({.failures = static_cast<uint32_t>(config.integer("auth.lockout.failures")),
                                  .window_s = seconds("auth.lockout.window"),
                                  .time_s = seconds("auth.lockout.time")});
}

}  // namespace loom::app
