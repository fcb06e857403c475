// What TLS sessions of one shard share: trust, certificates, session cache, ticket keys. BoringSSL stays behind it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"

struct ssl_ctx_st;
struct ssl_st;

namespace loom::net {

class TlsTrust;  // a loaded CA store

/// Certificate authorities to believe. Immutable once loaded: shards share one, since the system's costs ~1 MB and ~10
/// ms.
using TlsTrustPtr = std::shared_ptr<const TlsTrust>;

/// path  a PEM file, of at most 8 MiB; "" takes the system's (/etc/ssl/certs/ca-certificates.crt, then the other
/// systems' places). text  on an error, one line: what is wrong with which file and what to do. Errors  not_found,
/// bad_conf (nothing readable in it).                  Blocks on files: not for a shard.
[[nodiscard]] Result<TlsTrustPtr> load_tls_trust(const std::string& path, std::string* text = nullptr);

/// The same in two steps, for who wants to know first whether the bytes are those of before. `name` is for messages.
[[nodiscard]] Result<std::string> read_tls_authorities(const std::string& path, std::string* text = nullptr);
[[nodiscard]] Result<TlsTrustPtr> parse_tls_authorities(std::string_view pem, const std::string& name,
                                                        std::string* text = nullptr);

enum class TlsVersion : uint8_t { tls12, tls13 };

struct TlsKeyPair {
    std::string certificate_pem;  // leaf first, then intermediates
    std::string key_pem;          // its private key, unencrypted
    std::string name;             // the file, for messages
};

/// Reads both files. key_path "" looks for the key beside the certificate (x.crt → x.key) and in the same file.
/// Errors  not_found, bad_conf (over 1 MiB).                              Blocks on files: not for a shard.
[[nodiscard]] Result<TlsKeyPair> read_tls_key_pair(const std::string& certificate_path, const std::string& key_path,
                                                   std::string* text = nullptr);

/// Where a key is looked for that nobody named: "x.key" beside "x.crt".
[[nodiscard]] std::string tls_key_path_beside(const std::string& certificate_path);

/// What a certificate file says of itself, for warnings before it is used.
struct TlsCertificateFacts {
    std::string subject, issuer;  // of the first certificate
    int64_t begins_s = 0;         // seconds since 1970, of the whole chain: the latest beginning
    int64_t ends_s = 0;           // and the earliest end
    std::string ends_text;        // "Nov 21 02:34:49 2026 GMT"
    bool chain_in_order = true;   // each certificate was issued by the next one of the file
};

/// Errors  bad_conf: a certificate or key that cannot be read, or that do not belong together; *text says it.
[[nodiscard]] Result<TlsCertificateFacts> inspect_tls_key_pair(const TlsKeyPair& pair, std::string* text = nullptr);

struct TlsClientOptions {
    TlsTrustPtr trust;                             // a must: there is no unverified mode
    TlsKeyPair certificate;                        // empty: none is offered
    std::vector<std::string> alpn = {"http/1.1"};  // best first; a server that chooses none is taken as http/1.1
    TlsVersion min_version = TlsVersion::tls12;
    /// Of a session that was kept. Each connection renews it, up to 7 days after the handshake that it began with; the
    /// certificate is verified each time.
    std::chrono::seconds session_lifetime{2 * 3600};
    size_t session_hosts_max = 1024;
    size_t sessions_per_host_max = 8;  // TLS 1.3 tickets are used once, so a burst of connects needs several
};

struct TlsServerOptions {
    std::vector<TlsKeyPair> certificates;          // the first is for clients whose SNI matches none
    std::vector<std::string> alpn = {"http/1.1"};  // best first; a client that offers only others is refused
    TlsTrustPtr client_ca;                         // set: clients must show a certificate by one of these (mTLS)
    TlsVersion min_version = TlsVersion::tls12;
    /// Of a ticket; its key may end it sooner. Each connection brings a new one, up to 7 days after the handshake that
    /// it began with; a client's certificate is verified each time.
    std::chrono::seconds session_lifetime{24 * 3600};
};

/// Keys that seal session tickets. All shards (and all processes that share a name) hold the same, so that a client may
/// come back to any of them. The first seals; all open.
struct TlsTicketKeys {
    struct Key {
        std::array<uint8_t, 16> name{};
        std::array<uint8_t, 32> secret{};
    };
    static constexpr size_t keys_max = 3;
    std::array<Key, keys_max> keys{};
    size_t count = 0;

    /// A fresh key in front, the oldest out: the app calls it every few hours and posts the result to every shard.
    void rotate() noexcept;
};

/// One side of TLS on one shard: not to be shared between threads. Sessions borrow it and must be gone before it.
class TlsContext {
  public:
    /// text    on an error, one line: which file, what is wrong, what to do.
    /// Errors  bad_conf: a certificate or key that cannot be read, or that do not belong together.
    [[nodiscard]] static Result<std::unique_ptr<TlsContext>> client(const TlsClientOptions& options,
                                                                    std::string* text = nullptr);
    [[nodiscard]] static Result<std::unique_ptr<TlsContext>> server(const TlsServerOptions& options,
                                                                    std::string* text = nullptr);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

    /// Server: the keys from now on. Without a call, keys of this context's own are used, which no other shard can
    /// open.
    void set_ticket_keys(const TlsTicketKeys& keys) noexcept;

    [[nodiscard]] bool is_server() const noexcept;
    [[nodiscard]] size_t cached_sessions() const noexcept;  // client: sessions kept for resumption

    struct Impl;  // src/net/tls_context_impl.h
    [[nodiscard]] Impl& impl() noexcept { return *impl_; }

  private:
    explicit TlsContext(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::net
