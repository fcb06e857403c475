// Checks of who is let in: issuers of tokens, what routes ask for, addresses, and consumers whose time is over.
#include <algorithm>
#include <set>

#include "check/report.h"
#include "client_place.h"
#include "loom/observe/metrics.h"
#include "loom/tenant/jwk.h"
#include "loom/tenant/made_consumer.h"
#include "plan/identity.h"
#include "shown_certificates.h"

namespace loom::app {

namespace {

using config::Config;

constexpr size_t secret_bytes_min = 32;
constexpr int64_t day_s = 24 * 3600;
constexpr int64_t warned_days = 14;

bool is_symmetric(std::string_view algorithm) { return algorithm.starts_with("HS"); }

void check_networks(Report& report, const std::string& key) {
    if (key.ends_with("allow_ips") && report.config.has(key) && report.config.list(key).empty())
        report.error(key, "is empty: that would let everybody in; name networks, or take the line out");
    for (const std::string& text : report.config.list(key))
        if (const auto network = IpNetwork::parse(text); !network)
            report.error(key, fmt::format("'{}': {}", config::printable(text), network.error().what));
}

void check_expiry(Report& report, const std::string& consumer) {
    const auto key = fmt::format("consumer.{}.expires", consumer);
    const std::string& text = report.config.text(key);
    if (!report.config.has(key)) return;
    const auto expires_s = parse_expiry(text);
    if (!expires_s) return report.error(key, "expected a date, 2026-12-31, or a time, 2026-12-31T18:00:00Z");
    const int64_t left_s = *expires_s - wall_clock_s();
    if (left_s <= 0)
        report.warning(key, "is over: this consumer is refused (401); set a later one, or take the consumer out");
    else if (left_s < warned_days * day_s)
        report.warning(key, fmt::format("comes in {} days; then this consumer is refused (401)", left_s / day_s));
}

/// As those of consumers that are made over the admin listener.
void check_metadata(Report& report, const std::string& consumer) {
    using tenant::MadeConsumer;
    const auto prefix = fmt::format("consumer.{}.metadata.", consumer);
    size_t count = 0;
    for (const auto& [name, value] : report.config.entries_below(prefix)) {
        const auto key = prefix + std::string(name);
        if (++count == MadeConsumer::metadata_max + 1)
            report.error(key, fmt::format("is one too many: a consumer has {} at most", MadeConsumer::metadata_max));
        if (value.empty()) report.error(key, "is empty: nobody would know it from one that is not there");
        if (value.size() > MadeConsumer::metadata_bytes_max)
            report.error(key, fmt::format("is longer than {} bytes", MadeConsumer::metadata_bytes_max));
    }
}

void check_secret(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto secret = fmt::format("jwt.{}.secret", name), jwks = fmt::format("jwt.{}.jwks", name);
    if (config.text(secret).size() < secret_bytes_min)
        report.error(secret, fmt::format("has fewer than {} bytes: tokens could be forged by guessing it; "
                                         "openssl rand -base64 32 makes one",
                                         secret_bytes_min));
    if (config.has(jwks)) report.error(jwks, fmt::format("goes without {}: one or the other", secret));
}

void check_algorithms(Report& report, const std::string& name, bool by_secret) {
    const auto key = fmt::format("jwt.{}.algorithms", name);
    for (const std::string& one : report.config.list(key)) {
        if (is_symmetric(one) && !by_secret)
            report.error(key, fmt::format("{} is verified by a secret: set jwt.{}.secret, or leave it out", one, name));
        if (!is_symmetric(one) && by_secret)
            report.error(key, fmt::format("{} is verified by public keys, and jwt.{}.secret is a secret", one, name));
    }
}

void check_place(Report& report, const std::string& name, JwtKeysFrom from) {
    const Config& config = report.config;
    const auto issuer = fmt::format("jwt.{}.issuer", name), jwks = fmt::format("jwt.{}.jwks", name);
    if (from == JwtKeysFrom::discovery) {
        const auto place = client_place(config.text(issuer), nullptr, PlainHttp::loopback_only);
        if (place) return;
        return report.missing(
            config.place(issuer), jwks,
            fmt::format("is missing, and the issuer is no place to ask for it: {}", place.error().what));
    }
    const auto place = client_place(config.text(jwks), nullptr, PlainHttp::anywhere);
    if (!place) return report.error(jwks, place.error().what);
    const bool is_local = is_loopback_host(place->client.endpoint.host);
    if (!place->client.endpoint.tls && !is_local)
        report.warning(jwks,
                       "whoever is on the way may put keys of their own in place of these, and be anybody; use "
                       "https://");
}

void check_issuer(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto issuer = fmt::format("jwt.{}.issuer", name);
    if (config.text(issuer).empty())
        return report.missing(config.place_of_name("jwt", name), issuer, "is missing: tokens say it as `iss`");
    const JwtKeysFrom from = jwt_keys_from(config, name);
    if (from == JwtKeysFrom::secret) check_secret(report, name);
    if (from == JwtKeysFrom::url || from == JwtKeysFrom::discovery) check_place(report, name, from);
    check_algorithms(report, name, from == JwtKeysFrom::secret);
    for (const char* const word : {"consumer_claim", "tier_claim", "team_claim", "roles_claim"}) {
        const auto key = fmt::format("jwt.{}.{}", name, word);
        if (config.text(key).empty()) continue;
        if (const auto path = tenant::parse_claim_path(config.text(key)); !path) report.error(key, path.error().what);
    }
    const auto consumer = fmt::format("jwt.{}.consumer_claim", name);
    if (config.has(consumer) && config.text(consumer).empty()) report.error(consumer, "is empty");
}

/// A token is looked at by the one issuer that it names.
void check_route_issuers(Report& report, const std::string& route, std::set<std::string>& used) {
    const Config& config = report.config;
    const auto key = fmt::format("route.{}.auth.jwt", route);
    std::set<std::string> issuers;
    for (const std::string& name : config.list(key)) {
        used.insert(name);
        const auto& defined = config.names("jwt");
        if (std::ranges::find(defined, name) == defined.end()) {
            report.missing(config.place(key), key, fmt::format("no jwt.{}.issuer is defined", config::printable(name)));
            continue;
        }
        if (!issuers.insert(config.text(fmt::format("jwt.{}.issuer", name))).second)
            report.error(key, fmt::format("'{}' has the issuer of another one here", config::printable(name)));
    }
}

void check_consumers_issuers(Report& report, const std::string& consumer) {
    const auto key = fmt::format("consumer.{}.jwt", consumer);
    const auto signers = report.config.names("jwt"), asked = report.config.names("introspection");
    if (report.config.has(key) && report.config.list(key).empty())
        report.error(key, "is empty: name issuers (jwt.NAME, introspection.NAME), or take the line out");
    for (const std::string& name : report.config.list(key))
        if (std::ranges::find(signers, name) == signers.end() && std::ranges::find(asked, name) == asked.end())
            report.error(key, fmt::format("no jwt.{}.issuer is defined", config::printable(name)));
}

/// A route that takes certificates must get some.
void check_certificates(Report& report, const std::string& type) {
    const Config& config = report.config;
    const bool asks = std::ranges::any_of(config.names("listener"), [&config](const std::string& name) {
        return !config.text(fmt::format("listener.{}.tls.client_ca", name)).empty();
    });
    if (!asks)
        report.missing(config.place(type), type,
                       "mtls needs a listener that asks clients for certificates: set listener.NAME.protocol = https "
                       "and listener.NAME.tls.client_ca");
    const bool any = std::ranges::any_of(config.names("consumer"), [&config](const std::string& name) {
        return !config.all(fmt::format("consumer.{}.certificate", name)).empty();
    });
    if (!any)
        report.warning(type, "mtls: no consumer has a certificate; add consumer.NAME.certificate = URI:spiffe://a/b");
}

void check_consumers_certificates(Report& report, const std::string& consumer) {
    constexpr std::string_view kinds[] = {"URI:", "DNS:", "email:", "IP:", "sha256:"};
    constexpr size_t fingerprint_digits = 64;
    const auto key = fmt::format("consumer.{}.certificate", consumer);
    const auto takes = [&report](const std::string& route) { return route_auth(report.config, route).certificates; };
    if (report.config.has(key) && std::ranges::none_of(report.config.names("route"), takes))
        report.warning(key, "means nothing: no route takes certificates (route.NAME.auth.type = mtls)");
    for (const auto& setting : report.config.settings(key)) {
        const std::string& text = setting.value.text;
        const auto fault = [&](std::string_view what) { report.add(setting.value_place, true, key, what); };
        const bool named = std::ranges::any_of(kinds, [&text](auto kind) { return text.starts_with(kind); });
        if (!named && text.find('=') == text.npos)
            fault("expected URI:…, DNS:…, email:…, IP:…, sha256:…, or a subject such as CN=agent-7,O=Example");
        else if (!named && text.size() >= tenant::ConsumerTable::subject_bytes_max)
            fault("a subject of 256 bytes and more cannot be told from others; use an alternative name or sha256:");
        const std::string_view digits = text.starts_with("sha256:") ? std::string_view(text).substr(7) : "";
        const bool hex = digits.find_first_not_of("0123456789abcdef") == digits.npos;
        if (text.starts_with("sha256:") && (digits.size() != fingerprint_digits || !hex))
            fault("expected sha256: and 64 hexadecimal digits in lower case, without colons");
    }
}

void check_route(Report& report, const std::string& route, std::set<std::string>& used) {
    const Config& config = report.config;
    const auto type = fmt::format("route.{}.auth.type", route), jwt = fmt::format("route.{}.auth.jwt", route);
    check_networks(report, fmt::format("route.{}.allow_ips", route));
    check_networks(report, fmt::format("route.{}.deny_ips", route));
    check_route_issuers(report, route, used);
    const RouteAuth auth = route_auth(config, route);
    if (config.has(type) && config.list(type).empty()) report.error(type, "is empty: api_key, jwt or none");
    if (auth.certificates) check_certificates(report, type);
    if (auth.none && (auth.keys || auth.tokens || auth.certificates || auth.introspects))
        report.error(type, "none stands alone: with it anyone may");
    if (auth.tokens && config.list(jwt).empty())
        report.missing(config.place(type), jwt, "is missing: whose tokens are taken");
    if (!auth.tokens && !config.list(jwt).empty())
        report.error(jwt, fmt::format("has no effect without {} = jwt, or api_key, jwt", type));
}

/// Over the admin listener: what it makes must outlive a restart.
void check_issued_keys(Report& report) {
    const config::Config& config = report.config;
    if (!config.boolean("auth.issued_keys")) return;
    if (!config.has("state.directory"))
        report.missing(config.place("auth.issued_keys"), "auth.issued_keys",
                       "needs state.directory, where the keys' hashes are kept: state.directory = /var/lib/loom");
    if (config.text("admin.listen") == "off")
        report.warning("auth.issued_keys", "makes no keys while admin.listen is off; those that were made are good");
}

}  // namespace

void check_identity(Report& report) {
    check_issued_keys(report);
    check_introspection(report);
    const Config& config = report.config;
    const auto issuers = config.names("jwt");
    if (issuers.size() > observe::jwt_issuers_max)
        report.missing(
            config.place_of_name("jwt", issuers.back()), "jwt",
            fmt::format("there are {} issuers, and {} at most may be", issuers.size(), observe::jwt_issuers_max));
    for (const std::string& name : issuers) check_issuer(report, name);
    std::set<std::string> used;
    for (const std::string& route : config.names("route")) check_route(report, route, used);
    for (const std::string& name : issuers)
        if (!used.contains(name) && report.complete)
            report.add(config.place_of_name("jwt", name), false, fmt::format("jwt.{}", name),
                       fmt::format("no route takes its tokens; set route.NAME.auth.type = jwt and "
                                   "route.NAME.auth.jwt = {}",
                                   name));
    check_networks(report, "access.allow_ips");
    check_networks(report, "access.deny_ips");
    for (const std::string& consumer : config.names("consumer")) {
        check_expiry(report, consumer);
        check_metadata(report, consumer);
        check_networks(report, fmt::format("consumer.{}.allow_ips", consumer));
        check_consumers_issuers(report, consumer);
        check_consumers_certificates(report, consumer);
    }
}

}  // namespace loom::app
