// TLS as an actor speaks it: bare BoringSSL over the bytes of a link, and nothing of the product's own.
//
// The authority's keys are RSA: its signatures are all of one length, so that a run of a seed is the same run each
// time.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "loom/net/tls_context.h"

struct ssl_st;
struct bio_st;

namespace loom::sim {

struct Link;

/// What one process of runs needs of certificates; made once.
struct TlsIdentity {
    net::TlsKeyPair host;    // of every name of the simulated world
    net::TlsTrustPtr trust;  // who believes it
    static const TlsIdentity& get();
};

class TlsEnd {
  public:
    enum class Role : uint8_t { client, server };
    explicit TlsEnd(Role role);
    ~TlsEnd();
    TlsEnd(const TlsEnd&) = delete;

    /// Moves what can be moved: the handshake, what the link holds while nothing waits to be read, what it has room
    /// for.
    void pump(Link& link);
    /// Returns how many bytes are on their way, none before the handshake's end.
    size_t write(Link& link, std::string_view bytes);
    [[nodiscard]] std::string_view readable() const noexcept { return std::string_view(plaintext_).substr(read_); }
    void consume(size_t count) noexcept;
    /// close_notify, whatever room there is.
    void end_sending(Link& link);

    [[nodiscard]] bool peer_ended() const noexcept { return peer_ended_; }  // by close_notify
    [[nodiscard]] bool failed() const noexcept { return failed_; }

  private:
    void read_more();
    void flush(Link& link, size_t bytes_max);

    ssl_st* const ssl_;
    bio_st* const in_;  // ssl_'s
    bio_st* const out_;
    std::string plaintext_;
    size_t read_ = 0;  // of it
    bool peer_ended_ = false;
    bool failed_ = false;
};

}  // namespace loom::sim
