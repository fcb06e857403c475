// Where a shard looks at tokens: whose they are, by the issuers' keys of now and the configuration in force.
#pragma once

#include <string_view>

#include "introspection_desk.h"
#include "loom/base/auth_failure.h"
#include "loom/proxy/plan.h"
#include "loom/tenant/token_cache.h"

namespace loom::proxy {

/// Used from its shard's loop alone. Nothing waits here: where keys are not there yet, or not new enough, whoever
/// fetches them is told by a mark, and the request is refused.
class TokenDesk {
  public:
    /// In place of those before.
    void set_keys(JwtKeySetsPtr keys);
    /// Another configuration is in force.
    void on_new_plan() noexcept { cache_.clear(); }

    /// Could this be a token? A key that is none of the configuration's need not be.
    [[nodiscard]] static bool looks_like_token(std::string_view key) noexcept;

    /// Is it a token that says nothing by itself, and its issuer has to be asked? Whatever this route's other issuers
    /// have not signed; never a key that Loom has made.
    [[nodiscard]] bool is_opaque(const Plan& plan, const RoutePlan& route, std::string_view key);

    /// One that was verified of late and is good on this route, or null. A table's look-up.
    [[nodiscard]] tenant::TokenIdentityPtr known(const RoutePlan& route, const Sha256& digest, int64_t now_unix_s);

    /// Of a route that takes tokens; where it is not known().
    /// digest  the token's SHA-256.     plan  the one in force.
    /// Errors  unauthenticated, forbidden (downstream): failure() says more. unreachable (internal): no keys of its
    ///         issuer have come yet. No part of a token is in any of them.
    /// Cost    that of a signature, and a few allocations; less where the token's own claims say that it is not for
    /// here.
    [[nodiscard]] Result<tenant::TokenIdentityPtr> identify(const Plan& plan, const RoutePlan& route,
                                                            std::string_view token, const Sha256& digest,
                                                            int64_t now_unix_s);
    /// The same of an opaque token, by what its issuer has said.
    /// keeps  `plan` is in force: it is known() from now on.
    [[nodiscard]] Result<tenant::TokenIdentityPtr> take(const Plan& plan, const RoutePlan& route,
                                                        const IntrospectionAnswer& answer, const Sha256& digest,
                                                        bool keeps);
    [[nodiscard]] AuthFailure failure() const noexcept { return failure_; }
    /// Of the last one that was refused: its signature may be good by keys that the issuer has by now, which are looked
    /// for.
    [[nodiscard]] bool keys_may_be_old() const noexcept { return keys_may_be_old_; }

  private:
    [[nodiscard]] const JwtKeys* fetched(uint64_t source) const noexcept;
    [[nodiscard]] Result<tenant::JwtIdentity> verify(const JwtPlan& jwt, bool is_its_own, std::string_view token,
                                                     int64_t now_unix_s);
    [[nodiscard]] Result<std::shared_ptr<tenant::TokenIdentity>> identity_of(const Plan& plan, uint32_t issuer_ix,
                                                                             tenant::JwtIdentity claims);
    [[nodiscard]] std::unexpected<Error> refuse(AuthFailure failure, Error why) noexcept;

    tenant::JwtVerifier verifier_;
    tenant::TokenCache cache_;
    JwtKeySetsPtr keys_;
    AuthFailure failure_ = AuthFailure::token;
    bool keys_may_be_old_ = false;
};

}  // namespace loom::proxy
