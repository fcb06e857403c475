// PEM text to what BoringSSL takes: chains, keys, CA stores.
#pragma once

#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/net/tls_context.h"

namespace loom::net {

/// Shared by the shards' contexts. BoringSSL locks what it caches inside.
class TlsTrust {
  public:
    explicit TlsTrust(bssl::UniquePtr<X509_STORE> store) noexcept : store_(std::move(store)) {}
    [[nodiscard]] X509_STORE* store() const noexcept { return store_.get(); }

  private:
    bssl::UniquePtr<X509_STORE> store_;
};

struct TlsCertificate {
    std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> chain;  // leaf first
    bssl::UniquePtr<X509> leaf;
    bssl::UniquePtr<EVP_PKEY> key;
};

/// Errors (of all below)  bad_conf, and *text says what is wrong with `name` and what to do.
[[nodiscard]] Result<TlsCertificate> parse_key_pair(const TlsKeyPair& pair, CRYPTO_BUFFER_POOL* pool,
                                                    std::string* text);
[[nodiscard]] Result<std::vector<bssl::UniquePtr<X509>>> parse_authorities(std::string_view pem,
                                                                           const std::string& name, std::string* text);
[[nodiscard]] Result<bssl::UniquePtr<X509_STORE>> make_store(const std::vector<bssl::UniquePtr<X509>>& authorities,
                                                             bool partial_chain);

}  // namespace loom::net
