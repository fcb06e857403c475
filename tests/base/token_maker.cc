#include "token_maker.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::test {
namespace {

constexpr size_t p256_bytes = 32;

std::string bytes_of(const BIGNUM* number, size_t size) {
    std::string bytes(size, '\0');
    BN_bn2bin_padded(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size(), number);
    return bytes;
}

}  // namespace

struct TokenMaker::Key {
    bssl::UniquePtr<RSA> rsa;
    bssl::UniquePtr<EC_KEY> ec;
};

std::string base64url(std::string_view bytes) {
    std::string out;
    base64url_encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, out);
    return out;
}

TokenMaker::TokenMaker(std::string kid, Kind kind) : kid_(std::move(kid)), kind_(kind), key_(std::make_unique<Key>()) {
    if (kind == Kind::ec) {
        key_->ec.reset(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
        EC_KEY_generate_key(key_->ec.get());
        return;
    }
    key_->rsa.reset(RSA_new());
    const bssl::UniquePtr<BIGNUM> exponent(BN_new());
    BN_set_word(exponent.get(), RSA_F4);
    RSA_generate_key_ex(key_->rsa.get(), 2048, exponent.get(), nullptr);
}

TokenMaker::~TokenMaker() = default;

std::string TokenMaker::jwk() const {
    const std::string id = kid_.empty() ? "" : R"("kid":")" + kid_ + "\",";
    if (kind_ == Kind::rsa) {
        const BIGNUM *n = nullptr, *e = nullptr;
        RSA_get0_key(key_->rsa.get(), &n, &e, nullptr);
        return "{" + id + R"("kty":"RSA","use":"sig","n":")" + base64url(bytes_of(n, BN_num_bytes(n))) + R"(","e":")" +
               base64url(bytes_of(e, BN_num_bytes(e))) + "\"}";
    }
    const bssl::UniquePtr<BIGNUM> x(BN_new()), y(BN_new());
    EC_POINT_get_affine_coordinates_GFp(EC_KEY_get0_group(key_->ec.get()), EC_KEY_get0_public_key(key_->ec.get()),
                                        x.get(), y.get(), nullptr);
    return "{" + id + R"("kty":"EC","crv":"P-256","use":"sig","x":")" + base64url(bytes_of(x.get(), p256_bytes)) +
           R"(","y":")" + base64url(bytes_of(y.get(), p256_bytes)) + "\"}";
}

std::string TokenMaker::token(std::string_view claims, std::string_view header) const {
    const std::string own = std::string(R"({"typ":"JWT","alg":")") + (kind_ == Kind::rsa ? "RS256" : "ES256") + "\"" +
                            (kid_.empty() ? "" : R"(,"kid":")" + kid_ + "\"") + "}";
    const std::string text = base64url(header.empty() ? own : header) + "." + base64url(claims);
    return text + "." + base64url(signature(text));
}

std::string TokenMaker::signature(std::string_view text) const {
    const Sha256 digest = sha256(text);
    if (kind_ == Kind::ec) {
        const bssl::UniquePtr<ECDSA_SIG> sig(ECDSA_do_sign(digest.data(), digest.size(), key_->ec.get()));
        const BIGNUM *r = nullptr, *s = nullptr;
        ECDSA_SIG_get0(sig.get(), &r, &s);
        return bytes_of(r, p256_bytes) + bytes_of(s, p256_bytes);
    }
    std::string out(RSA_size(key_->rsa.get()), '\0');
    unsigned size = 0;
    RSA_sign(NID_sha256, digest.data(), digest.size(), reinterpret_cast<uint8_t*>(out.data()), &size, key_->rsa.get());
    out.resize(size);
    return out;
}

std::string TokenMaker::public_pem() const {
    const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
    kind_ == Kind::rsa ? EVP_PKEY_set1_RSA(key.get(), key_->rsa.get())
                       : EVP_PKEY_set1_EC_KEY(key.get(), key_->ec.get());
    const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key.get());
    const uint8_t* bytes = nullptr;
    size_t size = 0;
    BIO_mem_contents(bio.get(), &bytes, &size);
    return {reinterpret_cast<const char*>(bytes), size};
}

std::string jwks_of(const std::vector<const TokenMaker*>& makers) {
    std::string text;
    for (const TokenMaker* const maker : makers) text += (text.empty() ? "" : ",") + maker->jwk();
    return R"({"keys":[)" + text + "]}";
}

std::string hmac_token(std::string_view secret, std::string_view claims, std::string_view header) {
    const std::string text = base64url(header) + "." + base64url(claims);
    const Sha256 mac = hmac_sha256(secret, text);
    return text + "." + base64url({reinterpret_cast<const char*>(mac.data()), mac.size()});
}

}  // namespace loom::test
