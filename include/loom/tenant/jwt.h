// JSON Web Tokens as clients present them: signed (RFC 7515, compact), of an issuer whose keys are known, for an
// audience that is Loom, at a time that is now (RFC 7519). No I/O: who fetches keys hands them over.
//
// What RFC 8725 warns of is refused: "none", a key of another kind than the algorithm's, keys that a token brings
// itself (jwk, jku, x5c, x5u are never looked at), extensions nobody understands (crit), a member that two readers
// could read as two (doubles), encodings with two spellings, encryption and nesting.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/tenant/jwk.h"

namespace loom::tenant {

/// The members on the way to a claim: "sub"; "realm_access.roles"; or a JSON pointer (RFC 6901) where a name holds
/// dots:
/// "/https:~1~1example.com~1team".
using ClaimPath = std::vector<std::string>;
/// Errors  bad_conf: an empty name, a broken escape, more than eight names.
[[nodiscard]] Result<ClaimPath> parse_claim_path(std::string_view text);

/// A claim that somebody asks for.
struct WantedClaim {
    std::string name;  // as it is asked for
    ClaimPath path;
};

/// What a token says there.
struct TokenClaim {
    enum class Kind : uint8_t {
        text,
        number,
        flag,
        list,     // of texts
        unclear,  // an object, null, a list of other things, or more than is kept
    };
    std::string name;
    Kind kind = Kind::unclear;
    std::string text;
    double number = 0;
    bool flag = false;
    std::vector<std::string> list;
};

/// Of one issuer and its keys: where several are trusted, each has options and a set of its own, since whoever's key is
/// in a set may sign for every name in `issuers`.
struct JwtOptions {
    std::vector<std::string> issuers;            // `iss` is one of these, to the letter
    std::vector<std::string> audiences;          // `aud` names one of these; with none here a token has no `aud`
    std::vector<SignatureAlgorithm> algorithms;  // no others are taken
    uint32_t leeway_s = 60;                      // by which clocks may differ: for exp and nbf
    bool needs_expiry = true;                    // a token without `exp` is good for ever
    ClaimPath consumer = {"sub"};                // a string
    ClaimPath tier;                              // a string, if it is there; empty: not looked for
    ClaimPath team;                              // likewise
    ClaimPath roles;                             // strings in an array, or in one string between blanks; if it is there
    std::vector<WantedClaim> claims;
};

/// What a token says of who presents it.
struct JwtIdentity {
    std::string consumer;  // never empty; no control characters, as in tier, team and roles
    std::string tier;
    std::string team;
    std::vector<std::string> roles;
    std::vector<TokenClaim> claims;  // of those that are wanted, which are there
    int64_t expires_unix_s = 0;      // 0: never

    static constexpr size_t text_bytes_max = 256;
    static constexpr size_t roles_max = 64;
};

/// How far a token came that was refused.
enum class JwtFault : uint8_t {
    form,       // it is no token, or none of the kind that is taken
    signature,  // nobody known has signed it: a guess
    claims,     // it is not for here, not now, or for nobody
};

/// One lives per shard: its buffers stay warm. The options and keys are of a snapshot and shared.
class JwtVerifier {
  public:
    static constexpr size_t token_bytes_max = size_t{16} * 1024;
    static constexpr size_t tries_max = 4;  // keys of one id, for one token

    JwtVerifier();
    ~JwtVerifier();
    JwtVerifier(JwtVerifier&&) noexcept;

    /// token       what stands behind "Bearer ". Any bytes.
    /// now_unix_s  of the wall's clock.
    /// Errors  unauthenticated (downstream), all of them but one: not_found for a token whose key id is in no set, so
    ///         that whoever fetches keys may look for newer ones. `what` is a literal that says which rule was broken;
    ///         no part of a token is ever in it. `iss`, `aud` and the times may be refused before the signature is
    ///         looked at, in the same words as after; who bears it is read of a good one alone.
    /// Cost    that of one public-key verification, mostly; no I/O and no lock.
    [[nodiscard]] Result<JwtIdentity> verify(std::string_view token, const JwtOptions& options, const JwkSet& keys,
                                             int64_t now_unix_s);
    /// Of the last token that verify() has refused.
    [[nodiscard]] JwtFault fault() const noexcept { return fault_; }

    /// What the token itself names as its issuer, to choose whose keys are asked; nothing is verified. "" for what is
    /// no token. Good until the next call.
    [[nodiscard]] std::string_view claimed_issuer(std::string_view token);

  private:
    struct Scratch;
    std::unique_ptr<Scratch> scratch_;
    JwtFault fault_ = JwtFault::form;
};

}  // namespace loom::tenant
