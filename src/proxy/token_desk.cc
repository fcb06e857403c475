#include "token_desk.h"

#include <algorithm>

#include "loom/proxy/rate_limit_plan.h"

namespace loom::proxy {
namespace {

using tenant::Consumer;
using tenant::JwtFault;
using tenant::JwtIdentity;
using tenant::TokenIdentity;

Error unauthenticated(const char* what) noexcept {
    return {.code = Errc::unauthenticated, .side = Side::downstream, .what = what};
}

/// A consumer of the configuration, with what the token says and it does not.
std::unique_ptr<const Consumer> completed(const Plan& plan, const Consumer& listed, const JwtIdentity& token) {
    const bool adds_tier = listed.tier.empty() && !token.tier.empty();
    const bool adds_team = listed.team.empty() && !token.team.empty();
    if (!adds_tier && !adds_team) return nullptr;
    auto own = std::make_unique<Consumer>(listed);
    if (adds_tier) own->tier = token.tier;
    if (adds_team) own->team = token.team;
    if (adds_team) own->team_key = tenant::team_key_of(own->tenant, own->team);
    if (adds_team) own->owners.team = plan.team_slot(own->team_key);
    return own;
}

std::unique_ptr<const Consumer> unlisted(const Plan& plan, const JwtPlan& jwt, const JwtIdentity& token) {
    auto own = std::make_unique<Consumer>();
    own->name = token.consumer;
    own->index = Consumer::unlisted;
    own->tier = token.tier;
    own->team = token.team;
    own->team_key = tenant::team_key_of({}, own->team);
    own->owners.team = plan.team_slot(own->team_key);
    own->issuer = jwt.name;
    return own;
}

/// Who signs by this name, of the route's; its end for nobody.
std::vector<uint32_t>::const_iterator signer_named(const Plan& plan, const RoutePlan& route, std::string_view issuer) {
    return std::ranges::find_if(route.jwt, [&](uint32_t ix) {
        const JwtPlan& one = plan.jwt[ix];
        return one.introspection == nullptr &&
               std::ranges::find(one.options.issuers, issuer) != one.options.issuers.end();
    });
}

AuthFailure failure_of(JwtFault fault) noexcept {
    switch (fault) {
        case JwtFault::form: return AuthFailure::token;
        case JwtFault::signature: return AuthFailure::signature;
        case JwtFault::claims: return AuthFailure::claims;
    }
    return AuthFailure::token;
}

}  // namespace

/// What was verified by a key that is gone is not taken any more.
void TokenDesk::set_keys(JwtKeySetsPtr keys) {
    keys_ = std::move(keys);
    cache_.clear();
}

bool TokenDesk::looks_like_token(std::string_view key) noexcept {
    return key.starts_with("eyJ") && std::ranges::count(key, '.') >= 2;
}

const JwtKeys* TokenDesk::fetched(uint64_t source) const noexcept {
    if (keys_ == nullptr) return nullptr;
    const auto found = std::ranges::find(*keys_, source, [](const auto& one) { return one->source; });
    return found == keys_->end() ? nullptr : found->get();
}

std::unexpected<Error> TokenDesk::refuse(AuthFailure failure, Error why) noexcept {
    failure_ = failure;
    return std::unexpected(why);
}

/// is_its_own  it names this issuer, so that newer keys of it may be of use.
Result<JwtIdentity> TokenDesk::verify(const JwtPlan& jwt, bool is_its_own, std::string_view token, int64_t now_unix_s) {
    static const tenant::JwkSet none;
    const JwtKeys* const fetched_keys = jwt.keys == nullptr ? fetched(jwt.source) : nullptr;
    const tenant::JwkSet* const keys = jwt.keys != nullptr       ? jwt.keys.get()
                                       : fetched_keys != nullptr ? &fetched_keys->set
                                       : is_its_own              ? nullptr
                                                                 : &none;
    if (keys == nullptr)
        return refuse(AuthFailure::unavailable,
                      {.code = Errc::unreachable,
                       .side = Side::internal,
                       .what = "the keys of this token's issuer have not been fetched yet; try again"});
    auto identity = verifier_.verify(token, jwt.options, *keys, now_unix_s);
    if (identity) return identity;
    const bool is_unsigned = verifier_.fault() == JwtFault::signature;
    if (is_unsigned && fetched_keys != nullptr && is_its_own) {  // some issuers change a key and leave its id
        fetched_keys->outdated.store(true, std::memory_order_relaxed);
        const int64_t seen_s = fetched_keys->seen_unix_s.load(std::memory_order_relaxed);
        keys_may_be_old_ = now_unix_s - seen_s > JwtKeys::fresh_s;
    }
    if (identity.error().code != Errc::not_found)
        return refuse(failure_of(verifier_.fault()), unauthenticated(identity.error().what));
    return refuse(AuthFailure::key_id, unauthenticated("the token's key is not one of its issuer's"));
}

tenant::TokenIdentityPtr TokenDesk::known(const RoutePlan& route, const Sha256& digest, int64_t now_unix_s) {
    if (route.jwt.empty()) return nullptr;
    const tenant::TokenIdentityPtr* const found = cache_.find(digest, now_unix_s);
    const bool fits = found != nullptr && std::ranges::find(route.jwt, (*found)->issuer_ix) != route.jwt.end();
    return fits ? *found : nullptr;
}

Result<std::shared_ptr<TokenIdentity>> TokenDesk::identity_of(const Plan& plan, uint32_t issuer_ix,
                                                              JwtIdentity claims) {
    const JwtPlan& jwt = plan.jwt[issuer_ix];
    auto identity = std::make_shared<TokenIdentity>();
    const Consumer* const listed = identity->consumer = plan.consumers.named(claims.consumer);
    if (listed == nullptr && !jwt.allows_unknown)
        return refuse(AuthFailure::consumer, {.code = Errc::forbidden,
                                              .side = Side::downstream,
                                              .what = "the token is good, but whom it names is no consumer here "
                                                      "(.unknown_consumers = refuse)"});
    if (listed != nullptr && !plan.may_name(jwt, *listed))
        return refuse(AuthFailure::consumer, {.code = Errc::forbidden,
                                              .side = Side::downstream,
                                              .what = "the token is good, but its issuer may not name this consumer "
                                                      "(consumer.NAME.jwt)"});
    identity->own = listed != nullptr ? completed(plan, *listed, claims) : unlisted(plan, jwt, claims);
    if (identity->own != nullptr) {
        identity->consumer = identity->own.get();
        if (plan.rate_limits != nullptr) identity->terms = plan.rate_limits->of_bearer(*identity->own, listed);
    }
    identity->roles = identity->consumer->roles;
    for (const std::string& role : claims.roles)
        if (std::ranges::find(identity->roles, role) == identity->roles.end()) identity->roles.push_back(role);
    identity->claims = std::move(claims.claims);
    identity->issuer_ix = issuer_ix;
    return identity;
}

bool TokenDesk::is_opaque(const Plan& plan, const RoutePlan& route, std::string_view key) {
    if (route.introspects == RoutePlan::no_issuer || key.starts_with(tenant::issued_key_prefix)) return false;
    if (!looks_like_token(key)) return true;
    const std::string_view issuer = verifier_.claimed_issuer(key);
    return issuer.empty() || signer_named(plan, route, issuer) == route.jwt.end();
}

Result<tenant::TokenIdentityPtr> TokenDesk::take(const Plan& plan, const RoutePlan& route,
                                                 const IntrospectionAnswer& answer, const Sha256& digest, bool keeps) {
    keys_may_be_old_ = false;
    if (!answer.bearer) return refuse(answer.failure, answer.bearer.error());
    auto identity = LOOM_TRY(identity_of(plan, route.introspects, *answer.bearer));
    // A session lasts until the token's own end; a table believes the answer for a while alone.
    identity->expires_unix_s = answer.bearer->expires_unix_s;
    identity->keep_until_unix_s = answer.asked_unix_s + plan.jwt[route.introspects].introspection->cache_s;
    tenant::TokenIdentityPtr shared = std::move(identity);
    if (keeps) cache_.put(digest, shared);
    return shared;
}

Result<tenant::TokenIdentityPtr> TokenDesk::identify(const Plan& plan, const RoutePlan& route, std::string_view token,
                                                     const Sha256& digest, int64_t now_unix_s) {
    keys_may_be_old_ = false;
    const std::string_view issuer = verifier_.claimed_issuer(token);
    const auto its_own = signer_named(plan, route, issuer);
    const bool is_known = its_own != route.jwt.end();
    if (!is_known && !issuer.empty())
        return refuse(AuthFailure::claims, unauthenticated("the token's issuer is not known here"));
    // What names no issuer is refused by whichever is asked: it says best what is wrong with it.
    const uint32_t issuer_ix = is_known ? *its_own : *std::ranges::find_if(route.jwt, [&plan](uint32_t ix) {
        return plan.jwt[ix].introspection == nullptr;
    });
    const JwtPlan& jwt = plan.jwt[issuer_ix];
    JwtIdentity claims = LOOM_TRY(verify(jwt, is_known, token, now_unix_s));

    const int64_t expires_unix_s = claims.expires_unix_s != 0 ? claims.expires_unix_s + jwt.options.leeway_s : 0;
    auto identity = LOOM_TRY(identity_of(plan, issuer_ix, std::move(claims)));
    identity->expires_unix_s = expires_unix_s;
    tenant::TokenIdentityPtr shared = std::move(identity);
    cache_.put(digest, shared);
    return shared;
}

}  // namespace loom::proxy
