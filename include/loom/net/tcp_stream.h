// A stream socket on the shard's ring: TCP over IPv4 and IPv6, and unix sockets.
#pragma once

#include "loom/base/block_pool.h"
#include "loom/net/address.h"
#include "loom/net/stream.h"

namespace loom::net {

struct SocketOptions {
    bool nodelay = true;
    int keepalive_s = 60;  // idle seconds before the kernel probes; 0 never
};

/// Asks the kernel to probe a silent peer after `idle_s`; nothing for 0 and for unix sockets.
void set_keepalive(int fd, int idle_s) noexcept;

/// A stream's operations are its bases: a completion finds its stream without a pointer that every connection would
/// hold.
struct TcpRecv : io::Completion {
    using Completion::Completion;
};
struct TcpSend : io::Completion {  // also connect's
    using Completion::Completion;
};
struct TcpHangUp : io::Completion {  // a poll for a peer that ends or resets
    using Completion::Completion;
};

class TcpStream final : public Stream, TcpRecv, TcpSend, TcpHangUp, io::Runnable {
  public:
    /// `user` outlives the stream.
    TcpStream(io::Shard& shard, StreamUser& user) noexcept;
    ~TcpStream() override;

    /// Takes over an accepted socket.
    void adopt(int fd) noexcept;
    /// Opens a socket and connects it; on_connected follows. Errors are of socket() itself (exhausted descriptors).
    [[nodiscard]] Result<void> connect(const Address& address, const SocketOptions& options) noexcept;

    void start_reading() noexcept override;
    void pause_reading() noexcept override;
    void watch_bursts() noexcept override {
        watches_bursts_ = true;
        one_by_one_ = false;
    }
    void send(std::span<const iovec> pieces, io::SendMode mode) noexcept override;
    [[nodiscard]] bool send_in_flight() const noexcept override { return sending().in_flight; }
    void shutdown_sending() noexcept override;
    void begin_close(Close how) noexcept override;
    [[nodiscard]] bool closing() const noexcept override { return state_ >= State::closing; }
    [[nodiscard]] bool hung_up() const noexcept override { return hung_up_; }
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    enum class State : uint8_t { idle, connecting, open, closing, closed };
    /// Where it connects to: the kernel reads it until that is over, and no connection holds it afterwards.
    struct Target {
        Address address;
        Block home;
    };

    [[nodiscard]] TcpRecv& recv() noexcept { return *this; }
    [[nodiscard]] TcpSend& sending() noexcept { return *this; }
    [[nodiscard]] const TcpSend& sending() const noexcept { return *this; }
    [[nodiscard]] TcpHangUp& hang_up() noexcept { return *this; }
    [[nodiscard]] bool drained() noexcept { return !recv().in_flight && !sending().in_flight && !hang_up().in_flight; }
    static void on_recv_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_send_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_hang_up_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_connect_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_turn(io::Runnable& runnable) noexcept;
    void on_recv(io::Cqe cqe) noexcept;
    void arm_recv() noexcept;
    void release_target() noexcept;
    void note_burst() noexcept;
    void tell_reset() noexcept;
    void end_reading(int res) noexcept;
    void close_if_drained() noexcept;

    io::Shard& shard_;
    StreamUser& user_;
    int fd_ = -1;
    State state_ = State::idle;
    bool reading_ : 1 = false;  // wanted
    bool ended_ : 1 = false;    // on_end was told
    bool hung_up_ : 1 = false;  // the peer sends no more: receives of one buffer find the end of what it sent
    bool reset_ : 1 = false;    // and the connection is broken, of which a user learns that has paused
    bool watches_bursts_ : 1 = false;
    bool one_by_one_ : 1 = false;
    uint16_t burst_count_ = 0;    // receives in the tick at hand
    uint32_t burst_tick_ns_ = 0;  // the low half of now_ns: it tells one tick from the next
    Target* target_ = nullptr;
    msghdr message_{};
};

}  // namespace loom::net
