// Who is let in, beside consumers with keys: tokens and whose they are, and addresses.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/base/ip.h"
#include "loom/base/secret.h"
#include "loom/rule/rule.h"
#include "loom/tenant/jwk.h"
#include "loom/tenant/jwt.h"
#include "loom/upstream/client.h"

namespace loom::proxy {

/// Where an issuer says whose a token is (RFC 7662), of tokens that say nothing by themselves.
struct IntrospectionPlan {
    static constexpr size_t answer_bytes_max = 16 * 1024;
    upstream::ClientOptions client;
    std::string target;                   // path and query
    std::shared_ptr<const Secret> lines;  // header lines, Loom's own credentials with them
    std::shared_ptr<const Secret> form;   // behind the token in the body: "&client_id=…", or ""
    uint64_t source = 0;                  // the same as long as the same is asked in the same place
    uint32_t cache_s = 60;                // that a good token is not asked about again; never beyond its end
    uint32_t negative_cache_s = 10;       // likewise of one that is refused
};

/// An issuer whose tokens are taken.
struct JwtPlan {
    std::string name;  // of jwt.NAME or introspection.NAME
    tenant::JwtOptions options;
    std::shared_ptr<const IntrospectionPlan> introspection;  // null: its tokens are signed
    std::optional<Sha256> secret;                // of the secret, where that is what signs: two plans may have one
    std::shared_ptr<const tenant::JwkSet> keys;  // of a file or a secret; null: they are fetched, by `source`
    uint64_t source = 0;                         // of fetched keys: the same as long as they are asked for in one place
    bool allows_unknown = false;                 // a token may name somebody who is no consumer of the configuration

    /// Is a token that `before` took taken by this one too? Keys of a file or a secret must be the same: what has
    /// verified it may be gone.
    [[nodiscard]] bool takes_what(const JwtPlan& before) const noexcept {
        return name == before.name && options.issuers == before.options.issuers &&
               options.audiences == before.options.audiences && options.algorithms == before.options.algorithms &&
               source == before.source &&
               (introspection == nullptr
                    ? before.introspection == nullptr
                    : before.introspection != nullptr && introspection->source == before.introspection->source) &&
               (secret ? secret == before.secret : keys == before.keys);
    }
};

/// Keys as they were fetched, off the requests' way. Immutable but for what requests find.
struct JwtKeys {
    uint64_t source = 0;
    tenant::JwkSet set;
    /// When they were last seen to be the issuer's, of the wall's clock.
    mutable std::atomic<int64_t> seen_unix_s = 0;
    /// So long they are not looked at again, whatever tokens say.
    static constexpr int64_t fresh_s = 10;
    /// A token of this issuer is by a key that is not in the set, or that has changed: whoever fetches keys looks for
    /// newer ones. Set by any shard.
    mutable std::atomic<bool> outdated = false;
};
/// Those that are there, replaced whole.
using JwtKeySets = std::vector<std::shared_ptr<const JwtKeys>>;
using JwtKeySetsPtr = std::shared_ptr<const JwtKeySets>;

/// Who may do what: the first that a request meets decides, and where none does it may.
struct AccessRule {
    std::string name;  // of access.rule.NAME
    rule::Rule when;
    bool allows = false;
    bool reads_request = false;  // it asks for what only a request for a model says
    bool asks_tags = false;      // it is judged by each who may answer
};
using AccessRules = std::vector<AccessRule>;

/// Which addresses are let in.
struct AddressRules {
    std::vector<IpNetwork> allow;  // none: all
    std::vector<IpNetwork> deny;   // goes before `allow`

    [[nodiscard]] bool empty() const noexcept { return allow.empty() && deny.empty(); }
    /// Without an address (a unix socket's peer) nothing can be shown: nobody is let in where there is a rule.
    [[nodiscard]] bool admits(const std::optional<IpBytes>& address) const noexcept {
        return admits(allow, deny, address);
    }
    [[nodiscard]] static bool admits(std::span<const IpNetwork> allow, std::span<const IpNetwork> deny,
                                     const std::optional<IpBytes>& address) noexcept;
};

}  // namespace loom::proxy
