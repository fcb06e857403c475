// Checks of issuers that are asked about tokens.
#include <algorithm>

#include "check/report.h"
#include "client_place.h"
#include "loom/tenant/introspection.h"
#include "plan/identity.h"
#include "plan/introspection.h"

namespace loom::app {

namespace {

using config::Config;

constexpr size_t issuers_max = 16;

void check_credentials(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto prefix = fmt::format("introspection.{}.", name);
    const auto id = prefix + "client_id", secret = prefix + "client_secret";
    const bool bearer = config.text(prefix + "auth") == "bearer";
    const auto place = config.place_of_name("introspection", name);
    if (bearer && config.has(id)) report.error(id, "means nothing with auth = bearer; leave it out");
    if (!bearer && config.text(id).empty())
        report.missing(place, id, "is missing: an issuer answers only those that it knows (RFC 7662, 2.1)");
    if (config.text(secret).empty())
        report.missing(place, secret,
                       bearer ? "is missing: the access token that Loom shows" : "is missing: Loom's password there");
    else if (bearer && !tenant::is_opaque_token(config.text(secret)))
        report.error(secret, "is no bearer token (RFC 6750): letters, digits and -._~+/=");
}

void check_place(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto url = fmt::format("introspection.{}.url", name);
    if (config.text(url).empty())
        return report.missing(config.place_of_name("introspection", name), url,
                              "is missing: where the issuer is asked");
    const auto place = client_place(config.text(url), nullptr, PlainHttp::anywhere);
    if (!place) return report.error(url, place.error().what);
    if (!place->client.endpoint.tls && !is_loopback_host(place->client.endpoint.host))
        report.warning(url, "whoever is on the way reads tokens and Loom's password, and may be anybody; use https://");
}

void check_claims(Report& report, const std::string& name) {
    for (const char* const word : {"consumer_claim", "tier_claim", "team_claim", "roles_claim"}) {
        const auto key = fmt::format("introspection.{}.{}", name, word);
        if (report.config.has(key) && report.config.text(key).empty()) report.error(key, "is empty");
        if (report.config.text(key).empty()) continue;
        if (const auto path = tenant::parse_claim_path(report.config.text(key)); !path)
            report.error(key, path.error().what);
    }
}

void check_route(Report& report, const std::string& route) {
    const Config& config = report.config;
    const auto type = fmt::format("route.{}.auth.type", route), key = fmt::format("route.{}.auth.introspection", route);
    const std::string& name = config.text(key);
    const RouteAuth auth = route_auth(config, route);
    if (auth.introspects && name.empty())
        report.missing(config.place(type), key, "is missing: who is asked about tokens (introspection.NAME)");
    if (!auth.introspects && !name.empty())
        report.error(key, fmt::format("has no effect without {} = introspection, or api_key, introspection", type));
    const auto& defined = config.names("introspection");
    if (!name.empty() && std::ranges::find(defined, name) == defined.end())
        report.missing(config.place(key), key,
                       fmt::format("no introspection.{}.url is defined", config::printable(name)));
}

}  // namespace

void check_introspection(Report& report) {
    const Config& config = report.config;
    const auto names = config.names("introspection");
    const auto signers = config.names("jwt");
    if (names.size() > issuers_max)
        report.missing(config.place_of_name("introspection", names.back()), "introspection",
                       fmt::format("there are {} issuers to ask, and {} at most may be", names.size(), issuers_max));
    for (const std::string& route : config.names("route")) check_route(report, route);
    for (const std::string& name : names) {
        check_place(report, name);
        check_credentials(report, name);
        check_claims(report, name);
        const auto place = config.place_of_name("introspection", name);
        const auto key = fmt::format("introspection.{}", name);
        if (std::ranges::find(signers, name) != signers.end())
            report.missing(place, key, fmt::format("jwt.{} has this name too; both name issuers: take another", name));
        const bool used = std::ranges::any_of(config.names("route"), [&](const std::string& route) {
            return config.text(fmt::format("route.{}.auth.introspection", route)) == name;
        });
        if (!used && report.complete)
            report.add(place, false, key,
                       fmt::format("no route asks it; set route.NAME.auth.type = introspection and "
                                   "route.NAME.auth.introspection = {}",
                                   name));
    }
}

}  // namespace loom::app
