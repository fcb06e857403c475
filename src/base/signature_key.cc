#include "loom/base/signature_key.h"

#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include <array>
#include <string>

#include "loom/base/crypto.h"

namespace loom {

namespace {

const uint8_t* bytes_of(std::string_view text) noexcept { return reinterpret_cast<const uint8_t*>(text.data()); }

std::unexpected<Error> bad_key(const char* what) noexcept {
    ERR_clear_error();  // the queue is the thread's: TLS must not find our errors in it
    return fail(Errc::bad_conf, Side::internal, what);
}

const EVP_MD* digest_of(SignatureAlgorithm algorithm) noexcept {
    using enum SignatureAlgorithm;
    switch (algorithm) {
        case rs256:
        case ps256:
        case es256:
        case hs256: return EVP_sha256();
        case rs384:
        case ps384:
        case es384:
        case hs384: return EVP_sha384();
        case rs512:
        case ps512:
        case hs512: return EVP_sha512();
        case eddsa: break;
    }
    return nullptr;
}

bool is_pss(SignatureAlgorithm algorithm) noexcept {
    using enum SignatureAlgorithm;
    return algorithm == ps256 || algorithm == ps384 || algorithm == ps512;
}

constexpr unsigned exponent_bits_max = 33;  // BoringSSL's own
constexpr int salt_as_digest = -1;          // bytes of PSS's salt: as many as the digest's

bssl::UniquePtr<BIGNUM> number_of(std::string_view bytes) {
    return bssl::UniquePtr<BIGNUM>(BN_bin2bn(bytes_of(bytes), bytes.size(), nullptr));
}

bool verify_rsa(EVP_PKEY* key, SignatureAlgorithm algorithm, std::string_view text, std::string_view signature) {
    bssl::ScopedEVP_MD_CTX context;
    EVP_PKEY_CTX* options = nullptr;  // the context's
    const EVP_MD* const digest = digest_of(algorithm);
    if (EVP_DigestVerifyInit(context.get(), &options, digest, nullptr, key) != 1) return false;
    if (is_pss(algorithm) && (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
                              EVP_PKEY_CTX_set_rsa_mgf1_md(options, digest) != 1 ||
                              EVP_PKEY_CTX_set_rsa_pss_saltlen(options, salt_as_digest) != 1))
        return false;
    return EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
}

/// JOSE writes r and s one behind the other, BoringSSL takes them as numbers; it refuses those that are out of range.
bool verify_ecdsa(const EC_KEY* key, SignatureAlgorithm algorithm, std::string_view text, std::string_view signature) {
    const size_t half = algorithm == SignatureAlgorithm::es256 ? 32 : 48;
    if (signature.size() != 2 * half) return false;
    std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
    unsigned digest_bytes = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &digest_bytes, digest_of(algorithm), nullptr) != 1)
        return false;
    bssl::UniquePtr<BIGNUM> r = number_of(signature.substr(0, half)), s = number_of(signature.substr(half));
    const bssl::UniquePtr<ECDSA_SIG> numbers(ECDSA_SIG_new());
    if (r == nullptr || s == nullptr || numbers == nullptr) return false;
    if (ECDSA_SIG_set0(numbers.get(), r.get(), s.get()) != 1) return false;
    (void)r.release();  // the signature's now
    (void)s.release();
    return ECDSA_do_verify(digest.data(), digest_bytes, numbers.get(), key) == 1;
}

}  // namespace

struct SignatureKey::Material {
    enum class Kind : uint8_t { rsa, p256, p384, ed25519, secret };
    explicit Material(Kind given) noexcept : kind(given) {}
    Material(const Material&) = delete;
    ~Material() {
        if (kind == Kind::secret) secure_wipe(raw);
    }

    Kind kind;
    bssl::UniquePtr<EVP_PKEY> rsa;
    bssl::UniquePtr<EC_KEY> ec;
    std::string raw;  // a secret, or a key of Ed25519
};

Result<SignatureKey> SignatureKey::rsa(std::string_view modulus, std::string_view exponent) {
    if (modulus.size() > rsa_bits_max / 8 + 1 || exponent.size() > 8) return bad_key("an RSA key that is too large");
    bssl::UniquePtr<BIGNUM> n = number_of(modulus), e = number_of(exponent);
    const bssl::UniquePtr<RSA> key(RSA_new());
    if (n == nullptr || e == nullptr || key == nullptr) return bad_key("no memory for a key");
    if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()) || BN_num_bits(e.get()) > exponent_bits_max)
        return bad_key("no RSA key");
    if (RSA_set0_key(key.get(), n.get(), e.get(), nullptr) != 1) return bad_key("no RSA key");
    (void)n.release();  // the key's now
    (void)e.release();
    const unsigned bits = RSA_bits(key.get());
    if (bits < rsa_bits_min) return bad_key("an RSA key below 2048 bits");
    if (bits > rsa_bits_max) return bad_key("an RSA key above 8192 bits");
    auto material = std::make_shared<Material>(Material::Kind::rsa);
    material->rsa.reset(EVP_PKEY_new());
    if (material->rsa == nullptr || EVP_PKEY_set1_RSA(material->rsa.get(), key.get()) != 1)
        return bad_key("no memory for a key");
    return SignatureKey(std::move(material));
}

Result<SignatureKey> SignatureKey::ec(EllipticCurve curve, std::string_view x, std::string_view y) {
    const bool small = curve == EllipticCurve::p256;
    const size_t size = small ? 32 : 48;
    if (x.size() != size || y.size() != size) return bad_key("coordinates of another length than the curve's");
    auto material = std::make_shared<Material>(small ? Material::Kind::p256 : Material::Kind::p384);
    material->ec.reset(EC_KEY_new_by_curve_name(small ? NID_X9_62_prime256v1 : NID_secp384r1));
    const bssl::UniquePtr<BIGNUM> x_number = number_of(x), y_number = number_of(y);
    if (material->ec == nullptr || x_number == nullptr || y_number == nullptr) return bad_key("no memory for a key");
    if (EC_KEY_set_public_key_affine_coordinates(material->ec.get(), x_number.get(), y_number.get()) != 1)
        return bad_key("a point that is not on its curve");
    return SignatureKey(std::move(material));
}

Result<SignatureKey> SignatureKey::ed25519(std::string_view public_key) {
    if (public_key.size() != ED25519_PUBLIC_KEY_LEN) return bad_key("an Ed25519 key has 32 bytes");
    auto material = std::make_shared<Material>(Material::Kind::ed25519);
    material->raw = public_key;
    return SignatureKey(std::move(material));
}

Result<SignatureKey> SignatureKey::secret(std::string_view bytes) {
    if (bytes.empty()) return bad_key("an empty secret");
    auto material = std::make_shared<Material>(Material::Kind::secret);
    material->raw = bytes;
    return SignatureKey(std::move(material));
}

bool SignatureKey::fits(SignatureAlgorithm algorithm) const noexcept {
    using enum SignatureAlgorithm;
    using Kind = Material::Kind;
    switch (algorithm) {
        case rs256:
        case rs384:
        case rs512:
        case ps256:
        case ps384:
        case ps512: return material_->kind == Kind::rsa;
        case es256: return material_->kind == Kind::p256;
        case es384: return material_->kind == Kind::p384;
        case eddsa: return material_->kind == Kind::ed25519;
        case hs256:
        case hs384:
        case hs512:
            return material_->kind == Kind::secret && material_->raw.size() >= EVP_MD_size(digest_of(algorithm));
    }
    return false;
}

bool SignatureKey::verifies(SignatureAlgorithm algorithm, std::string_view text,
                            std::string_view signature) const noexcept {
    if (!fits(algorithm)) return false;
    bool good = false;
    switch (material_->kind) {
        case Material::Kind::rsa: good = verify_rsa(material_->rsa.get(), algorithm, text, signature); break;
        case Material::Kind::p256:
        case Material::Kind::p384: good = verify_ecdsa(material_->ec.get(), algorithm, text, signature); break;
        case Material::Kind::ed25519:
            good = signature.size() == ED25519_SIGNATURE_LEN &&
                   ED25519_verify(bytes_of(text), text.size(), bytes_of(signature), bytes_of(material_->raw)) == 1;
            break;
        case Material::Kind::secret: {
            std::array<uint8_t, EVP_MAX_MD_SIZE> mac;
            unsigned mac_bytes = 0;
            good = HMAC(digest_of(algorithm), material_->raw.data(), material_->raw.size(), bytes_of(text), text.size(),
                        mac.data(), &mac_bytes) != nullptr &&
                   equal_constant_time(std::span<const uint8_t>(mac.data(), mac_bytes),
                                       std::span<const uint8_t>(bytes_of(signature), signature.size()));
            break;
        }
    }
    if (!good) ERR_clear_error();
    return good;
}

}  // namespace loom
