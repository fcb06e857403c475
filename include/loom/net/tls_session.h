// TLS as a state machine over memory: ciphertext in, plaintext out, and back. No socket and no clock of its own: a
// stream gives it what the ring received and sends what it leaves pending.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/result.h"
#include "loom/net/tls_context.h"

namespace loom::net {

struct TlsBlock;  // src/net/tls_block.h: a piece of output

/// Who a peer is, by its certificate, which was verified.
struct TlsPeer {
    std::string subject;             // "CN=agent-7,O=Example": RFC 2253, cut at 256 bytes; for people
    std::vector<std::string> names;  // alternative names, exact: "DNS:a.example", "URI:spiffe://b/c",
                                     // "email:d@example", "IP:10.0.0.1"; those that hold odd bytes are left out
    std::string fingerprint;         // SHA-256 of the certificate, lower-case hex
    static constexpr size_t names_max = 32;
    static constexpr size_t name_bytes_max = 2048;
};

/// One TLS connection, client or server by its context. Stays where it is (BoringSSL points to it); lives on one shard.
/// Errors of every call: tls_failed (see last_error_text()), closed (cut off without close_notify), exhausted. After an
/// error only pending output (the alert) is left to send.
class TlsSession {
  public:
    /// What a feed did.
    struct Progress {
        size_t consumed_bytes = 0;   // of the ciphertext; the rest must be offered again, first
        size_t plaintext_bytes = 0;  // written from the start of the output
        bool more = false;  // plaintext is left inside: feed again (with nothing new if need be) and a free output
        bool peer_closed = false;  // close_notify: the clean end, everything before it has been delivered
    };

    explicit TlsSession(TlsContext& context) noexcept;
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    /// Client: `host` (a name or a numeric IP) is sent as SNI and is what the certificate must name; with `port` it
    /// keys the session cache. The first flight is pending afterwards.
    [[nodiscard]] Result<void> start_client(std::string_view host, uint16_t port);
    /// Session tickets go out with the first record written, so that a peer that never reads costs nothing.
    [[nodiscard]] Result<void> start_server();

    /// Takes ciphertext, drives the handshake, and opens records while `plaintext_out` has room (a record that does not
    /// fit waits inside, at most 16 KiB of it). Always look at pending_ciphertext() afterwards: handshake, tickets,
    /// alerts. ciphertext     borrowed for the call.      plaintext_out  may be empty before handshake_done().
    [[nodiscard]] Result<Progress> feed(std::string_view ciphertext, std::span<char> plaintext_out);

    /// The same, and the plaintext takes the ciphertext's place, so that a received buffer becomes the answer: it is
    /// bytes[0, plaintext_bytes). Where a record that began in earlier buffers has not enough room, `more` is set: take
    /// the plaintext away and feed bytes.subspan(consumed_bytes), then a free buffer through feed().
    [[nodiscard]] Result<Progress> feed_in_place(std::span<char> bytes);
    /// The beginning of a record, or plaintext without room, waits inside. When it does not, feed_in_place() has room
    /// for all that its bytes hold.
    [[nodiscard]] bool mid_record() const noexcept;

    /// The transport ended. Errors  closed: without close_notify, so the peer's last bytes may be missing. Ok: clean.
    [[nodiscard]] Result<void> end_of_input();

    /// Seals plaintext; pieces are joined into records, small ones first (latency), then 16 KiB.
    /// Returns bytes taken: fewer than given, or 0, when output is at pending_max (send, consume, then write the rest),
    /// and 0 before handshake_done().
    [[nodiscard]] Result<size_t> write(std::span<const iovec> pieces);
    [[nodiscard]] Result<size_t> write(std::string_view plaintext);
    /// A new answer starts: small records first again.
    void restart_small_records() noexcept { sealed_bytes_ = 0; }

    /// What to send, its first contiguous part. These bytes stay where they are until consumed: a send may be in
    /// flight.
    [[nodiscard]] std::string_view pending_ciphertext() const noexcept;
    /// The same as pieces for one sendmsg. Returns how many of `pieces` were filled.
    [[nodiscard]] size_t pending_ciphertext(std::span<iovec> pieces) const noexcept;
    [[nodiscard]] size_t pending_bytes() const noexcept { return pending_bytes_; }
    void consume_ciphertext(size_t bytes) noexcept;

    /// Sends close_notify (pending afterwards). Reading may go on. Idempotent; before the handshake's end it does
    /// nothing.
    void begin_close() noexcept;

    [[nodiscard]] bool handshake_done() const noexcept { return state_ == State::open; }
    [[nodiscard]] bool failed() const noexcept { return state_ == State::failed; }
    /// Why, where it has.
    [[nodiscard]] const Error& error() const noexcept { return error_; }
    [[nodiscard]] bool peer_closed() const noexcept { return peer_closed_; }
    [[nodiscard]] bool resumed() const noexcept;
    [[nodiscard]] std::string_view alpn() const noexcept;         // "" when none was agreed
    [[nodiscard]] std::string_view server_name() const noexcept;  // server: the client's SNI
    [[nodiscard]] std::string_view version() const noexcept;      // "TLSv1.3"
    [[nodiscard]] std::string_view cipher() const noexcept;
    /// After the handshake, a resumed one too: whose certificate the peer showed (mTLS); nothing without one.
    [[nodiscard]] std::optional<TlsPeer> peer() const;
    /// Server: something came from the client. Who connects and leaves without a word (a balancer's probe) did not
    /// fail.
    [[nodiscard]] bool heard() const noexcept { return heard_; }
    /// Server, failed: the client sent an HTTP request in plain text, and reads an answer like it.
    [[nodiscard]] bool met_plain_http() const noexcept { return met_plain_http_; }
    /// That answer: pending as it is. Only when met_plain_http().
    void answer_in_plain(std::string_view bytes) noexcept;

    /// After an error, for people: names subject, issuer, reason and remedy where a certificate was at fault.
    [[nodiscard]] std::string last_error_text() const;

    /// Bounds of pending_bytes(): of application records; handshake flights of our own certificates may reach the
    /// second.
    static constexpr size_t pending_max = 48 * 1024;
    static constexpr size_t pending_handshake_max = 256 * 1024;
    /// What the library may hold of one session: its state and a handshake with the longest chain it takes
    /// (SSL_MAX_CERT_LIST_DEFAULT, 100 KiB, in pieces and whole), and a record.
    static constexpr size_t library_bytes_max = 256 * 1024;
    /// Until small_records_until bytes are sealed, so that a reader can open the first while the rest is on its way;
    /// with its overhead such a record fits one output block. Then 16 KiB, the most TLS allows.
    static constexpr size_t small_record_bytes = 4000;
    static constexpr size_t small_records_until = 32 * 1024;
    static constexpr size_t record_bytes_max = 16 * 1024;

  private:
    friend struct TlsHooks;  // src/net/tls_hooks.h: what BoringSSL calls back
    enum class State : uint8_t { idle, handshaking, open, failed };

    Result<void> start();
    Result<void> drive_handshake();
    Result<void> refuse_plain_text();
    bool read_ended(int ssl_result, Progress& progress);
    Result<Progress> finish_feed(size_t offered_bytes, Progress progress);
    Result<size_t> seal(const char* bytes, size_t size);
    std::unexpected<Error> fail_with(Errc code, const char* what);
    std::unexpected<Error> fail_by_library(int ssl_result);
    bool append(std::string_view bytes) noexcept;

    TlsContext& context_;
    ssl_st* ssl_ = nullptr;
    std::string_view input_;     // what the current feed lent and BoringSSL has not taken
    TlsBlock* first_ = nullptr;  // output, oldest first
    TlsBlock* last_ = nullptr;
    size_t pending_bytes_ = 0;
    size_t sealed_bytes_ = 0;  // application bytes since the start or restart_small_records()
    State state_ = State::idle;
    bool peer_closed_ = false;
    bool close_sent_ = false;
    bool heard_ = false;
    bool met_plain_http_ = false;
    uint16_t port_ = 0;
    std::string host_;  // client: lower case, without brackets and final dot
    Error error_;
    std::unique_ptr<std::string> error_text_;  // nothing while all is well
};

}  // namespace loom::net
