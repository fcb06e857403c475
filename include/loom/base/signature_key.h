// Public keys, and secrets, that verify signatures of JOSE's kinds (RFC 7518, 3; RFC 8037).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "loom/base/result.h"

namespace loom {

enum class SignatureAlgorithm : uint8_t {
    rs256,  // RSASSA-PKCS1-v1_5 over SHA-256
    rs384,
    rs512,
    ps256,  // RSASSA-PSS over SHA-256, salted with as many bytes
    ps384,
    ps512,
    es256,  // ECDSA on P-256 over SHA-256; the signature is r and s, 32 bytes each
    es384,  // on P-384 over SHA-384; 48 bytes each
    eddsa,  // Ed25519
    hs256,  // HMAC with SHA-256
    hs384,
    hs512,
};

enum class EllipticCurve : uint8_t { p256, p384 };

/// Immutable and cheap to copy; any thread may verify with it.
class SignatureKey {
  public:
    static constexpr unsigned rsa_bits_min = 2048;  // RFC 7518, 3.3
    static constexpr unsigned rsa_bits_max = 8192;  // bounds what one verification may cost

    /// Big-endian numbers.
    /// Errors  bad_conf: no such key, or an RSA modulus out of those bounds.
    [[nodiscard]] static Result<SignatureKey> rsa(std::string_view modulus, std::string_view exponent);
    /// x, y  exactly as many bytes as the curve has; a point that is not on it is none.
    [[nodiscard]] static Result<SignatureKey> ec(EllipticCurve curve, std::string_view x, std::string_view y);
    [[nodiscard]] static Result<SignatureKey> ed25519(std::string_view public_key);
    /// Of HMAC. It is wiped when the last copy goes.
    [[nodiscard]] static Result<SignatureKey> secret(std::string_view bytes);

    /// May this key be asked about that algorithm at all? An RSA key never is about HMAC, nor a curve about another's;
    /// a secret has at least as many bytes as the hash (RFC 7518, 3.2).
    [[nodiscard]] bool fits(SignatureAlgorithm algorithm) const noexcept;
    /// False as well where the algorithm does not fit. The time depends on no secret.
    [[nodiscard]] bool verifies(SignatureAlgorithm algorithm, std::string_view text,
                                std::string_view signature) const noexcept;

  private:
    struct Material;
    explicit SignatureKey(std::shared_ptr<const Material> material) noexcept : material_(std::move(material)) {}
    std::shared_ptr<const Material> material_;
};

}  // namespace loom
