// PEM text to what BoringSSL takes: chains, keys, CA stores.
#pragma once

#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/net/tls_context.h"

namespace loom::net {

/// Shared by the shards' contexts. BoringSSL locks what it caches inside.
class TlsTrust {
  public:
    using Digest = std::array<uint8_t, 32>;
    TlsTrust(bssl::UniquePtr<X509_STORE> store, const Digest& digest) noexcept
        : store_(std::move(store)), digest_(digest) {}
    [[nodiscard]] X509_STORE* store() const noexcept { return store_.get(); }
    /// SHA-256 of the file: sessions of the one trust are none of another's.
    [[nodiscard]] const Digest& digest() const noexcept { return digest_; }

  private:
    bssl::UniquePtr<X509_STORE> store_;
    Digest digest_;
};

/// Since 1970 UTC; 0 of what is no time.
[[nodiscard]] int64_t seconds_of(const ASN1_TIME* time);

struct TlsCertificate {
    std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;  // leaf first
    bssl::UniquePtr<X509> leaf;
    bssl::UniquePtr<EVP_PKEY> key;
    std::vector<std::string> hosts;  // its DNS names, lower case; "*.b.example" too
};

/// Errors (of all below)  bad_conf, and *text says what is wrong with `name` and what to do.
[[nodiscard]] Result<TlsCertificate> parse_key_pair(const TlsKeyPair& pair, CRYPTO_BUFFER_POOL* pool,
                                                    std::string* text);
[[nodiscard]] Result<std::vector<bssl::UniquePtr<X509>>> parse_authorities(std::string_view pem,
                                                                           const std::string& name, std::string* text);
[[nodiscard]] Result<bssl::UniquePtr<X509_STORE>> make_store(const std::vector<bssl::UniquePtr<X509>>& authorities,
                                                             bool partial_chain);

}  // namespace loom::net
