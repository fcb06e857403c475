// One client's connection: bytes in, heads cut out of them, one exchange at a time, answers in order.
#pragma once

#include "loom/base/block_pool.h"
#include "loom/http/head_parser.h"
#include "loom/net/sender.h"
#include "loom/net/stream.h"
#include "loom/net/tls_session.h"
#include "loom/proxy/listener.h"
#include "loom/proxy/services.h"

namespace loom::proxy {

class ClientTls;
class Exchange;

/// Its stream, TCP or TLS, lies behind it in one block: a plain connection does not pay for TLS. Its deadline and its
/// turn on the ready list are its bases, which need no pointer back: an idle client is to cost little.
/// Whose certificate it is by the plan; null without one, and for nobody's.
[[nodiscard]] const tenant::Consumer* consumer_of(const Plan& plan, const net::TlsPeer* certificate) noexcept;

class ClientConnection final : net::StreamUser, io::Doomed, io::Timer, io::Runnable, public ListLink<ClientTag> {
  public:
    /// Takes over an accepted socket and its share; lives until its peer and the kernel have let go.
    static void accept(Services& services, const ListenerPlan& listener, const Arrival& arrival);

    /// One whose peer is nobody, with the one request that it ever has: a whole head and its body. Read in this tick.
    static void begin_mirror(Services& services, ByteBuffer request);

    /// One whose peer is nobody, for an exchange that has its request already (serve).
    static ClientConnection& stand_in(Services& services);
    /// This exchange's answer goes here from now on. Another one's connection may have been this.
    void serve(Exchange& exchange) noexcept;

    /// Of its block, the stream behind it included.
    [[nodiscard]] static size_t block_bytes(bool tls) noexcept;

    [[nodiscard]] net::Sender& sender() noexcept { return sender_; }
    [[nodiscard]] Services& services() noexcept { return services_; }
    [[nodiscard]] const net::PeerAddress& peer() const noexcept { return peer_; }
    /// The peer's IP as text, written into `room` once per call.
    [[nodiscard]] std::string_view peer_text(std::span<char> room) const noexcept;
    [[nodiscard]] const ListenerPlan& listener() const noexcept { return listener_; }
    [[nodiscard]] AddressShare share() const noexcept { return share_; }
    [[nodiscard]] bool is_tls() const noexcept { return listener_.tls != nullptr; }
    /// Nobody waits for its answer.
    [[nodiscard]] bool is_nobody() const noexcept { return listener_.discards; }
    /// A copy's.
    [[nodiscard]] bool is_mirror() const noexcept { return listener_.discards && !listener_.hedges; }
    /// Whose certificate the client has shown; null without one. Verified by the listener's client_ca.
    [[nodiscard]] const net::TlsPeer* certificate() const noexcept;

    // The exchange's side.
    void watch_bursts() noexcept { stream_->watch_bursts(); }
    void pause_reading() noexcept { stream_->pause_reading(); }
    void resume_reading() noexcept {
        if (!paused_) stream_->start_reading();
    }
    /// The exchange takes bytes again that it had left in the connection's hands.
    void read_on() noexcept { services_.shard().schedule(next_turn()); }
    /// The exchange is over. `keep`: the answer was whole and the request's body was read to its end.
    void exchange_done(bool keep) noexcept;
    /// The answer cannot be made whole any more, and the client must see that.
    void abort() noexcept;

    void on_new_plan() noexcept;
    /// Closes at once when idle; else after the answer.
    void drain() noexcept;
    void force_close() noexcept;

  private:
    enum class State : uint8_t { handshake, idle, head, exchange, lingering, closing };
    [[nodiscard]] io::Timer& deadline() noexcept { return *this; }
    /// What is left to read after an exchange, not from inside its last step; or of a body that had to wait for room.
    [[nodiscard]] io::Runnable& next_turn() noexcept { return *this; }
    ClientConnection(Services& services, const ListenerPlan& listener, const Arrival& arrival, Block home);
    ~ClientConnection();
    [[nodiscard]] net::Stream* make_stream() noexcept;
    [[nodiscard]] ClientTls& tls() const noexcept;
    void begin(int fd) noexcept;
    static void free_client(io::Doomed& doomed) noexcept;
    static void on_deadline(io::Timer& timer) noexcept;
    static void on_next_turn(io::Runnable& work) noexcept;
    void feed_exchange();

    void on_connected(net::Stream&, Result<void> result) noexcept override;
    void on_bytes(net::Stream&, io::BufferLease bytes) noexcept override;
    void on_end(net::Stream&, Error why) noexcept override;
    void on_hang_up(net::Stream& stream, Error why) noexcept override { on_end(stream, why); }
    void on_sent(net::Stream&, Result<size_t> sent) noexcept override;
    void on_closed(net::Stream&) noexcept override;

    void take(std::string_view bytes, io::BufferLease* lease);
    void take_head(std::string_view bytes);
    void keep_for_later(std::string_view bytes);
    void refuse_head(const Error& why);
    void log_refusal(const Error& why, uint16_t status);
    void refuse_handshake();
    void wait_for_next() noexcept;
    void arm(uint64_t delay_ms) noexcept;  // 0: none
    void linger() noexcept;
    void close() noexcept;
    void close_when_told() noexcept;
    void free_when_done() noexcept;

    Services& services_;
    const ListenerPlan& listener_;
    const net::PeerAddress peer_;
    net::Stream* const stream_;
    net::Sender sender_;
    http::HeadScan scan_;
    ByteBuffer inbox_;  // bytes of a head that is not whole, or of requests that follow
    Exchange* exchange_ = nullptr;
    State state_ = State::idle;
    const AddressShare share_;
    bool ended_ = false;   // the peer sends no more
    bool closed_ = false;  // the kernel has let go of the socket
    bool paused_ = false;  // requests ahead of their turn wait in the kernel
    uint32_t lingered_bytes_ = 0;
    Block home_;
};

}  // namespace loom::proxy
