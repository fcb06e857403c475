#include "loom/base/rsa_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace loom {

namespace {

constexpr unsigned key_bits_min = 2048;

/// BoringSSL would ask the terminal for a password.
int no_password(char*, int, int, void*) { return 0; }

std::unexpected<Error> bad_key(const char* what) noexcept {
    ERR_clear_error();  // the queue is the thread's: TLS must not find our errors in it
    return fail(Errc::bad_conf, Side::internal, what);
}

}  // namespace

void RsaKey::Free::operator()(void* key) const noexcept { EVP_PKEY_free(static_cast<EVP_PKEY*>(key)); }

Result<RsaKey> RsaKey::parse(std::string_view pem) {
    const bssl::UniquePtr<BIO> bytes(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    if (bytes == nullptr) return bad_key("no memory to read a private key");
    RsaKey key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, no_password, nullptr));
    auto* const pkey = static_cast<EVP_PKEY*>(key.key_.get());
    if (pkey == nullptr) return bad_key("not a private key in PEM, or an encrypted one");
    if (EVP_PKEY_id(pkey) != EVP_PKEY_RSA) return bad_key("a private key that is not RSA");
    if (static_cast<unsigned>(EVP_PKEY_bits(pkey)) < key_bits_min) return bad_key("an RSA key below 2048 bits");
    return key;
}

Result<std::string> RsaKey::sign_rs256(std::string_view bytes) const {
    auto* const pkey = static_cast<EVP_PKEY*>(key_.get());
    bssl::ScopedEVP_MD_CTX context;
    const auto* const text = reinterpret_cast<const uint8_t*>(bytes.data());
    std::string signature(static_cast<size_t>(EVP_PKEY_size(pkey)), '\0');
    size_t signature_bytes = signature.size();
    auto* const out = reinterpret_cast<uint8_t*>(signature.data());
    const bool signed_ = EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, pkey) == 1 &&
                         EVP_DigestSign(context.get(), out, &signature_bytes, text, bytes.size()) == 1;
    if (!signed_) {
        ERR_clear_error();
        return fail(Errc::exhausted, Side::internal, "a signature could not be made");
    }
    signature.resize(signature_bytes);
    return signature;
}

}  // namespace loom
