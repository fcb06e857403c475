// Who is let in, as the conf says it.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "jwt_keys.h"
#include "loom/config/config.h"
#include "loom/proxy/plan.h"
#include "tls_files.h"

namespace loom::app {

/// Of consumer.X.expires, seconds since 1970, one at least; nothing for what is no date.
[[nodiscard]] std::optional<int64_t> parse_expiry(std::string_view text);

/// How a jwt.NAME knows keys.
enum class JwtKeysFrom : uint8_t { secret, file, url, discovery };
[[nodiscard]] JwtKeysFrom jwt_keys_from(const config::Config& config, const std::string& name);
/// All of NAME but its keys.
/// Errors  a line that names the key.
[[nodiscard]] std::expected<tenant::JwtOptions, std::string> jwt_options(const config::Config& config,
                                                                         const std::string& name);
/// Lists of addresses; what is no network is left out, as the checks have told.
[[nodiscard]] std::vector<IpNetwork> networks(const config::Config& config, const std::string& key);

/// What a route asks for.
struct RouteAuth {
    bool none = false;
    bool keys = false;
    bool tokens = false;
    bool certificates = false;
    bool introspects = false;
};
/// Where it says nothing: keys, as soon as anybody is known by name or by token, or may come to be.
[[nodiscard]] RouteAuth route_auth(const config::Config& config, const std::string& route);
/// Of tokens, signed ones or others.
[[nodiscard]] bool has_issuers(const config::Config& config);
/// Is there an issuer of which the conf says something else of this word than `unset`? "team_claim": tokens tell teams.
[[nodiscard]] bool any_issuer_says(const config::Config& config, std::string_view word, std::string_view unset = "");
/// Consumers may come that the conf does not name (POST /ai/consumers).
[[nodiscard]] bool makes_consumers(const config::Config& config);
[[nodiscard]] bool has_clients(const config::Config& config);
/// May any issuer's tokens name this consumer? By consumer.X.jwt, else where there is no choice.
[[nodiscard]] bool may_be_named(const config::Config& config, const std::string& consumer);

/// Of a rule that says who may do what: those that it may not ask for, and what instead.
/// allows  it lets in, rather than denies.
[[nodiscard]] const char* access_fault(const rule::Rule& when, bool allows);

/// Issuers, with the keys that lie here, before the routes; the rest of it behind them.
void fill_jwt(const config::Config& config, proxy::Plan& plan, TlsFiles& files, std::vector<std::string>& messages);
/// Behind the rules of routing, whose claims are kept too.
void fill_access_rules(const config::Config& config, proxy::Plan& plan, std::vector<std::string>& messages);
void fill_access(const config::Config& config, proxy::Plan& plan, tenant::LimitTable& table);
/// Key files as they are now.
void renew_jwt_files(const config::Config& config, proxy::Plan& plan, TlsFiles& files,
                     std::vector<std::string>& messages);
/// Where the keys of the others are fetched. `config` needs no secrets.
[[nodiscard]] std::vector<JwtSource> jwt_sources(const config::Config& config, TlsFiles& files,
                                                 std::vector<std::string>& messages);

}  // namespace loom::app
