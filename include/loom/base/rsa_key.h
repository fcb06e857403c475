// A private RSA key that signs, as service accounts do.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "loom/base/result.h"

namespace loom {

class RsaKey {
  public:
    /// pem     "-----BEGIN PRIVATE KEY-----" (PKCS #8) or "-----BEGIN RSA PRIVATE KEY-----", not encrypted.
    /// Errors  bad_conf: no such key, another kind of key, one below 2048 bits.
    [[nodiscard]] static Result<RsaKey> parse(std::string_view pem);

    /// RS256 (RFC 7518, 3.3): PKCS #1 v1.5 over SHA-256. The signature's bytes, not encoded.
    /// Errors  exhausted: BoringSSL found no memory.
    /// Cost    about a millisecond: off the way of requests.
    [[nodiscard]] Result<std::string> sign_rs256(std::string_view bytes) const;

  private:
    struct Free {
        void operator()(void* key) const noexcept;
    };
    explicit RsaKey(void* key) noexcept : key_(key) {}
    std::unique_ptr<void, Free> key_;  // EVP_PKEY
};

}  // namespace loom
