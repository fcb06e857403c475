// TLS on a TCP connection, as a stream like any other: what its user sends and gets is plaintext.
#pragma once

#include <string_view>

#include "loom/base/block_pool.h"
#include "loom/net/tcp_stream.h"
#include "loom/net/tls_session.h"

namespace loom::net {

/// Who hears about the TLS of streams: the owner's log and counters.
class TlsWatch {
  public:
    /// A handshake succeeded. resumed  by a session of before: no certificate was sent.
    /// duration_ns  since the connection was there.
    virtual void on_tls_open(bool resumed, uint64_t duration_ns) noexcept = 0;
    /// The handshake failed, or later a record. One line for people: what failed; of a certificate at fault subject and
    /// issuer; the remedy. Once a stream.
    virtual void on_tls_failed(std::string_view text, bool in_handshake) noexcept = 0;
    /// The owner closed it before the handshake's end: a deadline of its own has passed.
    virtual void on_tls_given_up() noexcept = 0;

  protected:
    ~TlsWatch() = default;
};

/// What the TLS streams of one shard share. All of it outlives them.
struct TlsShare {
    TlsContext* context = nullptr;
    /// Without a ring, of 16 KiB buffers: plaintext of a record that came in several reads, and so fits none of them.
    io::BufferPool* plain = nullptr;
    TlsWatch* watch = nullptr;
};

/// The server's side: a client that leaves without having said a word is no failure (a balancer's probe), and is not
/// told of. A client whose handshake was refused is read, and what it sends dropped, until it has seen why
/// (refused_linger_ms at most).
///
/// Plaintext takes the place of its ciphertext in the ring's own buffer wherever it fits, and comes in a lease of
/// `TlsShare::plain` else. `on_connected` comes after the handshake.
///
/// Errors  tls_failed: the handshake failed, or a record is not what the peer sent; its text went to the watch.
///         reset: the peer cut the connection off without close_notify, so the end of what it said may be missing
///         (closed is its orderly end). The rest is TCP's.
///
/// Sending: what was sealed counts as taken; up to TlsSession::pending_max bytes of it may wait for a peer that does
/// not read. While they do, SendMode::now takes nothing.
class TlsStream final : public Stream, private StreamUser {
  public:
    /// `user` outlives the stream.
    TlsStream(io::Shard& shard, const TlsShare& share, StreamUser& user) noexcept;
    ~TlsStream() override;

    /// Opens a socket, connects it and shakes hands with `host`, which the certificate must name; it is borrowed until
    /// on_connected. Errors are of socket() itself.
    [[nodiscard]] Result<void> connect(const Address& address, const SocketOptions& options, std::string_view host,
                                       uint16_t port) noexcept;
    /// Takes over an accepted socket, the server's side; on_connected follows. Errors  exhausted: begin_close.
    [[nodiscard]] Result<void> adopt(int fd) noexcept;

    void start_reading() noexcept override;
    void pause_reading() noexcept override;
    void watch_bursts() noexcept override { tcp_.watch_bursts(); }
    void send(std::span<const iovec> pieces, io::SendMode mode) noexcept override;
    [[nodiscard]] bool send_in_flight() const noexcept override { return sending_; }
    /// close_notify, then FIN.
    void shutdown_sending() noexcept override;
    /// orderly  what was sent and close_notify go out first, or the peer has not read for linger_ms.
    void begin_close(Close how) noexcept override;
    [[nodiscard]] bool closing() const noexcept override { return closing_; }
    [[nodiscard]] bool hung_up() const noexcept override { return tcp_.hung_up(); }

    [[nodiscard]] const TlsSession& session() const noexcept { return session_; }
    /// From on_connected, where session().met_plain_http(): an answer that the client can read, sent by begin_close.
    void answer_in_plain(std::string_view bytes) noexcept { session_.answer_in_plain(bytes); }

    static constexpr uint64_t linger_ms = 5'000;
    static constexpr uint64_t refused_linger_ms = 1'000;

  private:
    static constexpr size_t out_pieces_max = 14;  // blocks of ciphertext in one send: pending_max and a border
    struct Resume : io::Runnable {
        explicit Resume(TlsStream& s) noexcept : Runnable(&TlsStream::on_resume), stream(s) {}
        TlsStream& stream;
    };
    struct Report : io::Runnable {
        explicit Report(TlsStream& s) noexcept : Runnable(&TlsStream::on_report), stream(s) {}
        TlsStream& stream;
    };
    struct Linger : io::Timer {
        explicit Linger(TlsStream& s) noexcept : Timer(&TlsStream::on_linger_end), stream(s) {}
        TlsStream& stream;
    };

    // Of the TCP stream.
    void on_connected(Stream&, Result<void> result) noexcept override;
    void on_bytes(Stream&, io::BufferLease bytes) noexcept override;
    void on_end(Stream&, Error why) noexcept override;
    void on_hang_up(Stream&, Error why) noexcept override;
    void on_sent(Stream&, Result<size_t> sent) noexcept override;
    void on_closed(Stream&) noexcept override;

    static void on_resume(io::Runnable& work) noexcept;
    static void on_report(io::Runnable& work) noexcept;
    static void on_linger_end(io::Timer& timer) noexcept;

    void read_in_place(io::BufferLease lease) noexcept;
    void read_into_plain(std::string_view ciphertext) noexcept;
    bool take(const TlsSession::Progress& progress, io::BufferLease plaintext) noexcept;
    void wait_for_buffer(std::string_view ciphertext) noexcept;
    void begin_handshake() noexcept;
    void tell_failure(std::string_view text) noexcept;
    void end_of_transport(Error why) noexcept;
    void fail(Error why, std::string_view text) noexcept;
    void end_reading(const Error& why) noexcept;

    void seal() noexcept;
    void flush(io::SendMode mode) noexcept;
    void go_on_sending() noexcept;
    void report() noexcept;
    void finish_shutdown() noexcept;
    void go_on_closing() noexcept;
    void close_refused() noexcept;

    io::Shard& shard_;
    TlsShare share_;
    StreamUser& user_;
    TcpStream tcp_;
    TlsSession session_;

    std::string_view host_;  // client, until the handshake begins
    uint16_t port_ = 0;
    bool shaking_ = false;    // the handshake has begun and its end was not told
    bool connected_ = false;  // on_connected was told
    bool wanted_ = false;     // the user reads
    bool ended_ = false;      // on_end was told, or there is nobody to tell
    bool starved_ = false;    // input waits for a plain buffer
    bool transport_ended_ = false;
    bool sending_ = false;
    bool ending_ = false;  // shutdown_sending was asked for
    bool broken_ = false;  // TCP takes nothing any more
    bool closing_ = false;
    bool refused_ = false;  // closing, and the peer of a failed handshake is to see why
    io::SendMode mode_ = io::SendMode::wait;

    // The user's send: pieces_[0] from offset_ on is not sealed yet.
    std::span<const iovec> pieces_;
    size_t offset_ = 0;
    size_t sealed_bytes_ = 0;
    uint64_t last_send_ns_ = 0;  // until the handshake's end: its beginning
    Error send_error_;

    Block out_;            // the pieces that the kernel sends, while it does
    ByteBuffer waiting_;   // ciphertext, while starved
    Error transport_end_;  // told when that has been read
    Resume resume_{*this};
    Report report_{*this};
    Linger linger_{*this};
};

}  // namespace loom::net
