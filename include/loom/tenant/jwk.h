// The keys by which an issuer's tokens are verified: a JSON Web Key Set (RFC 7517), as it is fetched or stands in a
// file.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/signature_key.h"

namespace loom::tenant {

/// JOSE's names of those that Loom verifies: "RS256" … "HS512", "EdDSA". Case counts. "none" is none of them.
[[nodiscard]] std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name) noexcept;

/// Immutable: an issuer's keys at one time.
class JwkSet {
  public:
    struct Key {
        std::string id;                               // kid; "" for one that has none
        std::optional<SignatureAlgorithm> algorithm;  // alg; without one, any that the key fits
        SignatureKey key;
        bool any_id = false;  // a token's kid does not matter
    };
    static constexpr size_t document_bytes_max = size_t{256} * 1024;
    static constexpr size_t keys_max = 128;
    static constexpr size_t id_bytes_max = 256;  // of a kid; one that is longer has no use

    /// document  any bytes.
    /// Keys that are of no use are left out, and counted, as RFC 7517, 5 asks for: those of other types, for encryption
    /// (use, key_ops), of other algorithms, too weak, malformed, or of which the private half stands there too.
    /// Errors  bad_message (upstream): no set of keys, too large, or with a member that stands twice in one object.
    [[nodiscard]] static Result<JwkSet> parse(std::string_view document);
    /// One secret, of HMAC, that is meant whatever id a token names.
    /// Errors  bad_conf: it is empty.
    [[nodiscard]] static Result<JwkSet> of_secret(std::string_view secret);

    [[nodiscard]] std::span<const Key> keys() const noexcept { return keys_; }
    [[nodiscard]] size_t left_out() const noexcept { return left_out_; }

  private:
    std::vector<Key> keys_;
    size_t left_out_ = 0;
};

}  // namespace loom::tenant
