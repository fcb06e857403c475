#include "loom/tenant/jwk.h"

#include <algorithm>
#include <array>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"
#include "strict_json.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

struct AlgorithmName {
    std::string_view name;
    SignatureAlgorithm algorithm;
};
constexpr std::array<AlgorithmName, 12> algorithm_names = {{{"RS256", SignatureAlgorithm::rs256},
                                                            {"RS384", SignatureAlgorithm::rs384},
                                                            {"RS512", SignatureAlgorithm::rs512},
                                                            {"PS256", SignatureAlgorithm::ps256},
                                                            {"PS384", SignatureAlgorithm::ps384},
                                                            {"PS512", SignatureAlgorithm::ps512},
                                                            {"ES256", SignatureAlgorithm::es256},
                                                            {"ES384", SignatureAlgorithm::es384},
                                                            {"EdDSA", SignatureAlgorithm::eddsa},
                                                            {"HS256", SignatureAlgorithm::hs256},
                                                            {"HS384", SignatureAlgorithm::hs384},
                                                            {"HS512", SignatureAlgorithm::hs512}}};

/// A member in base64url; "" where it is missing or malformed.
std::string bytes_at(const dom::object& jwk, std::string_view name) {
    std::string bytes;
    (void)base64url_decode(text_at(jwk, name), bytes);
    return bytes;
}

/// Is it there to verify signatures with (RFC 7517, 4.2 and 4.3)?
bool is_for_signatures(const dom::object& jwk) {
    if (has(jwk, "use") && text_at(jwk, "use") != "sig") return false;
    if (!has(jwk, "key_ops")) return true;
    dom::array operations;
    if (jwk.at_key("key_ops").get(operations) != simdjson::SUCCESS) return false;
    return std::ranges::any_of(operations, [](const dom::element& one) {
        std::string_view operation;
        return one.get(operation) == simdjson::SUCCESS && operation == "verify";
    });
}

Result<SignatureKey> key_of(const dom::object& jwk) {
    const std::string_view type = text_at(jwk, "kty"), curve = text_at(jwk, "crv");
    if (type == "oct") {
        std::string bytes = bytes_at(jwk, "k");
        auto key = SignatureKey::secret(bytes);
        secure_wipe(bytes);
        return key;
    }
    // A private key that everybody can fetch signs for nobody.
    if (has(jwk, "d")) return fail(Errc::bad_conf, Side::internal, "a private key");
    if (type == "RSA") return SignatureKey::rsa(bytes_at(jwk, "n"), bytes_at(jwk, "e"));
    if (type == "EC" && curve == "P-256")
        return SignatureKey::ec(EllipticCurve::p256, bytes_at(jwk, "x"), bytes_at(jwk, "y"));
    if (type == "EC" && curve == "P-384")
        return SignatureKey::ec(EllipticCurve::p384, bytes_at(jwk, "x"), bytes_at(jwk, "y"));
    if (type == "OKP" && curve == "Ed25519") return SignatureKey::ed25519(bytes_at(jwk, "x"));
    return fail(Errc::unsupported, Side::internal, "a key of another type");
}

std::optional<JwkSet::Key> read_key(const dom::element& element) {
    dom::object jwk;
    if (element.get(jwk) != simdjson::SUCCESS || !is_for_signatures(jwk)) return std::nullopt;
    const std::string_view id = text_at(jwk, "kid");
    if (id.size() > JwkSet::id_bytes_max || (has(jwk, "kid") && id.empty())) return std::nullopt;
    std::optional<SignatureAlgorithm> algorithm;
    if (has(jwk, "alg")) {
        algorithm = signature_algorithm(text_at(jwk, "alg"));
        if (!algorithm) return std::nullopt;
    }
    auto key = key_of(jwk);
    if (!key || (algorithm && !key->fits(*algorithm))) return std::nullopt;
    return JwkSet::Key{.id = std::string(id), .algorithm = algorithm, .key = std::move(*key), .any_id = false};
}

}  // namespace

std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name) noexcept {
    const auto* const found = std::ranges::find(algorithm_names, name, &AlgorithmName::name);
    return found != algorithm_names.end() ? std::optional(found->algorithm) : std::nullopt;
}

Result<JwkSet> JwkSet::parse(std::string_view document) {
    const auto bad = [](const char* what) { return fail(Errc::bad_message, Side::upstream, what); };
    if (document.size() > document_bytes_max) return bad("a set of keys above 256 KiB");
    StrictJson json;
    dom::object root;
    if (!json.read(document, root)) return bad("a set of keys that is no JSON object, or names a member twice");
    dom::array keys;
    if (root.at_key("keys").get(keys) != simdjson::SUCCESS) return bad("a set of keys without an array 'keys'");
    JwkSet set;
    for (const dom::element element : keys) {
        auto key = set.keys_.size() < keys_max ? read_key(element) : std::nullopt;
        if (key)
            set.keys_.push_back(std::move(*key));
        else
            set.left_out_ += 1;
    }
    return set;
}

Result<JwkSet> JwkSet::of_secret(std::string_view secret) {
    JwkSet set;
    set.keys_.push_back(
        {.id = {}, .algorithm = std::nullopt, .key = LOOM_TRY(SignatureKey::secret(secret)), .any_id = true});
    return set;
}

}  // namespace loom::tenant
