// Who asks, and whether they are let in: addresses, keys, tokens, and those who have guessed too often.
#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "forwarded.h"
#include "google_files.h"
#include "known_by.h"
#include "loom/base/crypto.h"
#include "rule_facts.h"
#include "token_desk.h"
#include "token_visit.h"

namespace loom::proxy {
namespace {

constexpr uint64_t ms_per_s = 1000;

bool is_loopback(const IpBytes& address) noexcept {
    constexpr IpBytes v6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
    return is_ipv4(address) ? address[12] == 127 : address == v6;
}

std::unexpected<Error> unauthenticated(const char* what) noexcept {
    return fail(Errc::unauthenticated, Side::downstream, what);
}

/// Where that is to say who asks: a key or a token says it before.
const net::TlsPeer* certificate_for(const RoutePlan& route, std::string_view key,
                                    const ClientConnection& client) noexcept {
    if (!route.takes_certificates) return nullptr;
    const bool takes_others = route.takes_keys || !route.jwt.empty();
    return takes_others && !key.empty() ? nullptr : client.certificate();
}

/// A browser shows its user's certificate for whatever page asks. A page of an origin that the conf names may; "*"
/// names none. What the gateway itself has shown is of its own origin.
bool is_of_another_page(const http::RequestHead& head, const std::vector<std::string>& origins) noexcept {
    std::string_view origin, site;
    for (const http::Header& header : head.headers()) {
        if (http::equal_ignoring_case(header.name, "origin")) origin = header.value;
        if (http::equal_ignoring_case(header.name, "sec-fetch-site")) site = header.value;
    }
    if (origin.empty()) return site == "cross-site";
    return site != "same-origin" && std::ranges::find(origins, origin) == origins.end();
}

}  // namespace

bool is_known_by_certificate(const RoutePlan& route, std::string_view key, const ClientConnection& client) noexcept {
    return certificate_for(route, key, client) != nullptr;
}

const tenant::Consumer* consumer_of(const Plan& plan, const net::TlsPeer* certificate) noexcept {
    if (certificate == nullptr) return nullptr;
    return plan.consumers.find_certificate(certificate->subject, certificate->names, certificate->fingerprint);
}

/// How it goes with one request.
struct AuthTrial {
    AuthFailure why = AuthFailure::missing;
    bool is_locked = false;   // its address: only who is known by a look-up is let in
    bool is_lenient = false;  // what looks like a guess may be a token by a key that is newer than those at hand
};

bool AddressRules::admits(std::span<const IpNetwork> allow, std::span<const IpNetwork> deny,
                          const std::optional<IpBytes>& address) noexcept {
    if (allow.empty() && deny.empty()) return true;
    if (!address) return false;
    const auto has_it = [&address](const IpNetwork& network) { return network.contains(*address); };
    if (std::ranges::any_of(deny, has_it)) return false;
    return allow.empty() || std::ranges::any_of(allow, has_it);
}

/// Its own, as the trusted proxy in front says it; nothing where that says nothing, nor of a unix socket's peer.
std::optional<IpBytes> Exchange::client_ip() const noexcept {
    if (!client_text_.empty()) return parse_ip(client_text_);
    return client_unnamed_ ? std::nullopt : peer_ip();
}

std::optional<IpBytes> Exchange::peer_ip() const noexcept {
    const net::PeerAddress& peer = client_->peer();
    if (peer.family != AF_INET && peer.family != AF_INET6) return std::nullopt;
    return peer.ip;
}

void Exchange::note_auth_failure(AuthFailure why) noexcept { services_.metrics().auth_failed(why); }

Result<void> Exchange::refuse_address(const char* key) {
    note_auth_failure(AuthFailure::address);
    detail_ = key;
    return fail(Errc::forbidden, Side::downstream, "this address is not let in");
}

Result<void> Exchange::check_address() {
    const AddressRules& all = plan().addresses;
    if ((all.empty() && route_->addresses.empty()) || client_->is_nobody()) return {};
    const std::optional<IpBytes> address = client_ip();
    if (!all.admits(address)) return refuse_address("access.allow_ips, access.deny_ips");
    if (!route_->addresses.admits(address)) return refuse_address("route.NAME.allow_ips, .deny_ips");
    return {};
}

/// Who may be locked out. Never this machine, which would lock itself out, nor a trusted proxy, which would lock out
/// all behind it.
std::optional<IpBytes> Exchange::lockable_address() const noexcept {
    if (plan().lockout == nullptr || client_->is_nobody()) return std::nullopt;
    const std::optional<IpBytes> address = client_ip();
    if (!address || is_loopback(*address) || is_trusted(plan().forwarded_trust, *address)) return std::nullopt;
    return address;
}

/// Who comes from an address that is locked out is let in by a key that is known, or a token that was verified of late:
/// others may be behind the same address, and to look one up costs less than to refuse it. Nothing else is looked at.
Result<void> Exchange::authenticate(const http::RequestHead& head) {
    if (route_->auth == AuthType::none || client_->is_mirror()) return {};
    const std::optional<IpBytes> lockable = lockable_address();
    const uint64_t now_s = services_.shard().timers().now_ms() / ms_per_s;
    const uint32_t locked_s = lockable ? plan().lockout->left_s(*lockable, now_s) : 0;
    AuthTrial trial{.is_locked = locked_s != 0};
    const auto known = identify(head, trial);
    if (known || known.error().code == Errc::exhausted) return known;  // it was not asked who it is
    const bool is_unknown =
        trial.why != AuthFailure::expired && trial.why != AuthFailure::address && trial.why != AuthFailure::route;
    if (locked_s != 0 && is_unknown) {
        note_auth_failure(AuthFailure::lockout);
        retry_after_ms_ = locked_s * static_cast<uint32_t>(ms_per_s);
        return fail(Errc::limited, Side::downstream,
                    "too many failed authentications from this address (auth.lockout); try again later");
    }
    note_auth_failure(trial.why);
    if (lockable && is_guess(trial.why) && !trial.is_lenient) plan().lockout->note_failure(*lockable, now_s);
    return known;
}

/// Who goes on with an upload may be known by the address that they ask for alone.
Result<void> Exchange::identify_without_key(const http::RequestHead& head) {
    if (!route_->takes_keys && route_->jwt.empty())
        return unauthenticated(
            "no certificate: connect with one of a consumer's, over the listener that asks for it (mtls)");
    if (!route_->takes_keys)
        return unauthenticated("no token: send it as 'Authorization: Bearer TOKEN' or in the header this route names");
    consumer_ = GoogleFiles(*this).signer(head);
    if (consumer_ != nullptr) return {};
    return unauthenticated("no API key: send it as 'Authorization: Bearer KEY' or in the header this route names");
}

/// Keys first: to look one up is cheap, and the digest that finds it finds a token that was seen before.
Result<void> Exchange::identify_by_key(std::string_view key, int64_t now_unix_s, AuthTrial& trial) {
    const Sha256 digest = sha256(key);
    trial.why = AuthFailure::key;
    if (route_->takes_keys) consumer_ = plan().consumers.find(digest);
    if (consumer_ != nullptr) return {};
    // What is known is known by the plan in force; who has waited for an issuer may have begun by another.
    token_ = visit_ == nullptr ? services_.tokens().known(*route_, digest, now_unix_s) : nullptr;
    if (token_ == nullptr) LOOM_TRY(identify_by_token(key, digest, now_unix_s, trial));
    if (token_ != nullptr) consumer_ = token_->consumer;
    return {};
}

/// A signature is dear, and a question dearer: who is not known yet is asked for neither where there is too much to do.
Result<void> Exchange::identify_by_token(std::string_view key, const Sha256& digest, int64_t now_unix_s,
                                         AuthTrial& trial) {
    TokenDesk& desk = services_.tokens();
    const auto take = [&](Result<tenant::TokenIdentityPtr> bearer) -> Result<void> {
        if (bearer) {
            token_ = std::move(*bearer);
            return {};
        }
        trial.why = desk.failure();
        trial.is_lenient = desk.keys_may_be_old();
        return std::unexpected(bearer.error());
    };
    if (desk.is_opaque(plan(), *route_, key)) {
        const JwtPlan& issuer = plan().jwt[route_->introspects];
        const bool keeps = &plan() == &services_.plan();
        const auto answer =
            visit_ != nullptr ? visit_->answer() : services_.introspections().known(issuer, digest, now_unix_s);
        if (answer != nullptr) return take(desk.take(plan(), *route_, *answer, digest, keeps));
        if (trial.is_locked || !tenant::is_opaque_token(key))
            return unauthenticated("this is no key and no token that is known here");
        // A key of the conf that this route does not take is no token, and nobody else's to see.
        if (plan().consumers.find(digest) != nullptr)
            return unauthenticated("this is a key, and this route takes tokens alone");
        LOOM_TRY(shed_if_overloaded());
        trial.why = AuthFailure::unavailable;
        return TokenVisit::begin(*this, issuer, key, digest);
    }
    const bool takes_signed = route_->jwt.size() > (route_->introspects == RoutePlan::no_issuer ? 0u : 1u);
    if (trial.is_locked || !takes_signed || (route_->takes_keys && !TokenDesk::looks_like_token(key)))
        return unauthenticated("this API key is not known here; ask for one of this gateway");
    LOOM_TRY(shed_if_overloaded());
    return take(desk.identify(plan(), *route_, key, digest, now_unix_s));
}

Result<void> Exchange::identify(const http::RequestHead& head, AuthTrial& trial) {
    const std::string_view key = client_key(head);
    const auto now_s = static_cast<int64_t>(begun_wall_us_ / 1'000'000);
    const net::TlsPeer* const certificate = certificate_for(*route_, key, *client_);
    const bool takes_others = route_->takes_keys || !route_->jwt.empty();
    if (certificate != nullptr && is_of_another_page(head, plan().cors_origins)) {
        trial.why = AuthFailure::route;
        return fail(Errc::forbidden, Side::downstream,
                    "a page of this origin may not use its user's certificate (cors.origins names those that may)");
    }
    if (certificate != nullptr)
        consumer_ = consumer_of(plan(), certificate);
    else
        LOOM_TRY(key.empty() || !takes_others ? identify_without_key(head) : identify_by_key(key, now_s, trial));
    if (visit_ != nullptr && visit_->answer() == nullptr) return {};  // it is asked who that is
    if (consumer_ == nullptr) {
        trial.why = AuthFailure::consumer;
        detail_ = text_.keep(certificate->subject);
        return unauthenticated("this certificate is no consumer's here (consumer.NAME.certificate)");
    }
    if (visit_ != nullptr) LOOM_TRY(TokenVisit::check_in_force(*this, trial.why));
    trial.why = AuthFailure::expired;
    if (consumer_->expired(now_s))
        return unauthenticated(token_ == nullptr ? "this API key has expired (consumer.NAME.expires)"
                                                 : "this consumer has expired (consumer.NAME.expires)");
    return authorize(trial.why);
}

/// From an address that is this consumer's to come from.
bool Exchange::comes_from(const tenant::Consumer& consumer) const noexcept {
    return AddressRules::admits(consumer.networks, {}, client_ip());
}

/// Who asks is known; may they from here, and may they this?
Result<void> Exchange::authorize(AuthFailure& why) {
    why = AuthFailure::address;
    if (!comes_from(*consumer_)) {
        detail_ = "consumer.NAME.allow_ips";
        return fail(Errc::forbidden, Side::downstream, "this consumer may not come from this address");
    }
    why = AuthFailure::route;
    if (!consumer_->may_use_route(route_->name))
        return fail(Errc::forbidden, Side::downstream, "this consumer may not use this route (consumer.NAME.routes)");
    return {};
}

/// By the rules of the conf. One that allows must be known to hold; one that denies need only be possible.
const AccessRule* Exchange::denied_as(std::string_view model, const llm::Request& request,
                                      const route::Candidate* who) {
    const bool only_looks = endpoint_ == llm::Endpoint::models || endpoint_ == llm::Endpoint::model;
    const RuleFacts facts(*this, request, model, who);
    for (const AccessRule& rule : *plan().access_rules) {
        if (only_looks && rule.reads_request) continue;  // who lists models uses none of them
        const bool holds = rule.allows ? rule.when.known_to_hold(facts) : rule.when.may_hold(facts);
        if (holds) return rule.allows ? nullptr : &rule;
    }
    return nullptr;
}

/// "openai/gpt-5" is gpt-5 at openai: by neither name may it be denied. Nor, where models have tags, by what it is at
/// any of those who may answer, now or when another fails.
const AccessRule* Exchange::denied_by(std::string_view model, const llm::Request& request) {
    if (plan().access_rules == nullptr || client_->is_nobody()) return nullptr;
    const route::ModelMatch match = plan().catalogue.match(model);
    const auto judge = [&](const route::Candidate* who) {
        const AccessRule* const rule = denied_as(model, request, who);
        return rule != nullptr || match.model == model ? rule : denied_as(match.model, request, who);
    };
    const bool by_tags =
        plan().model_tags != nullptr && std::ranges::any_of(*plan().access_rules, &AccessRule::asks_tags);
    if (!by_tags || match.candidates.empty()) return judge(nullptr);
    const int only = route_->provider_ix;
    bool is_judged = false;
    for (const route::Candidate& who : match.candidates) {
        if (only >= 0 && who.provider_ix != static_cast<uint32_t>(only)) continue;
        is_judged = true;
        if (const AccessRule* const rule = judge(&who)) return rule;
    }
    return is_judged ? nullptr : judge(nullptr);
}

/// May the request go to this model, in place of the one that its client named?
bool Exchange::may_be_led_to(std::string_view model, const llm::Request& request) {
    const std::string_view listed = plan().catalogue.match(model).model;
    if (consumer_ != nullptr && !consumer_->may_use_model(listed)) return false;
    return denied_by(model, request) == nullptr;
}

Result<void> Exchange::refuse_access(const AccessRule& rule) {
    note_auth_failure(AuthFailure::rule);
    detail_ = text_.join("access.rule", ".", rule.name);
    return fail(Errc::forbidden, Side::downstream, "an access rule does not let this request in");
}

Result<void> Exchange::check_access(const llm::Request& request) {
    const AccessRule* const rule = denied_by(model_, request);
    return rule != nullptr ? refuse_access(*rule) : Result<void>();
}

/// Of what is not read, or not for a model.
Result<void> Exchange::check_access_unread() {
    if (plan().access_rules == nullptr) return {};
    return check_access(llm::Request());
}

}  // namespace loom::proxy
