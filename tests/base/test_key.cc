#include "test_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace loom::test {

namespace {

std::string text_of(BIO* bio) {
    const uint8_t* bytes = nullptr;
    size_t size = 0;
    BIO_mem_contents(bio, &bytes, &size);
    return {reinterpret_cast<const char*>(bytes), size};
}

std::string private_pem(EVP_PKEY* key) {
    const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
    return text_of(bio.get());
}

}  // namespace

TestKey make_rsa_key(unsigned bits) {
    const bssl::UniquePtr<RSA> rsa(RSA_new());
    const bssl::UniquePtr<BIGNUM> exponent(BN_new());
    BN_set_word(exponent.get(), RSA_F4);
    RSA_generate_key_ex(rsa.get(), static_cast<int>(bits), exponent.get(), nullptr);
    const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
    EVP_PKEY_set1_RSA(key.get(), rsa.get());
    const bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_PUBKEY(bio.get(), key.get());
    return {private_pem(key.get()), text_of(bio.get())};
}

std::string make_ec_key() {
    const bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
    EC_KEY_generate_key(ec.get());
    const bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
    EVP_PKEY_set1_EC_KEY(key.get(), ec.get());
    return private_pem(key.get());
}

bool verifies_rs256(std::string_view public_pem, std::string_view bytes, std::string_view signature) {
    const bssl::UniquePtr<BIO> bio(BIO_new_mem_buf(public_pem.data(), static_cast<int>(public_pem.size())));
    const bssl::UniquePtr<EVP_PKEY> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
    bssl::ScopedEVP_MD_CTX context;
    return key != nullptr && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), reinterpret_cast<const uint8_t*>(signature.data()), signature.size(),
                            reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) == 1;
}

}  // namespace loom::test
