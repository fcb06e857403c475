// A stream socket on the shard's ring: TCP over IPv4 and IPv6, and unix sockets.
#pragma once

#include "loom/net/address.h"
#include "loom/net/stream.h"

namespace loom::net {

struct SocketOptions {
    bool nodelay = true;
    int keepalive_s = 60;  // idle seconds before the kernel probes; 0 never
};

/// Asks the kernel to probe a silent peer after `idle_s`; nothing for 0 and for unix sockets.
void set_keepalive(int fd, int idle_s) noexcept;

class TcpStream final : public Stream {
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
    [[nodiscard]] bool send_in_flight() const noexcept override { return send_.in_flight; }
    void shutdown_sending() noexcept override;
    void begin_close(Close how) noexcept override;
    [[nodiscard]] bool closing() const noexcept override { return state_ >= State::closing; }
    [[nodiscard]] int fd() const noexcept { return fd_; }

  private:
    enum class State : uint8_t { idle, connecting, open, closing, closed };
    template <class Owner>
    struct Operation : io::Completion {
        Operation(Handler handler, Owner& o) noexcept : Completion(handler), owner(o) {}
        Owner& owner;
    };
    using Op = Operation<TcpStream>;
    struct Rearm : io::Runnable {
        Rearm(Run run, TcpStream& s) noexcept : Runnable(run), stream(s) {}
        TcpStream& stream;
    };

    static void on_recv_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_send_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_connect_cqe(io::Completion& completion, io::Cqe cqe) noexcept;
    static void on_close_ready(io::Runnable& runnable) noexcept;
    void on_recv(io::Cqe cqe) noexcept;
    void arm_recv() noexcept;
    void note_burst() noexcept;
    void end_reading(int res) noexcept;
    void close_if_drained() noexcept;

    io::Shard& shard_;
    StreamUser& user_;
    int fd_ = -1;
    State state_ = State::idle;
    bool reading_ = false;  // wanted
    bool ended_ = false;    // on_end was told
    bool watches_bursts_ = false;
    bool one_by_one_ = false;
    uint16_t burst_count_ = 0;   // receives in the tick at hand
    uint64_t burst_tick_ns_ = 0;
    Op recv_;
    Op send_;  // also connect's
    Rearm next_;
    msghdr message_{};
    Address peer_;  // while connecting: the kernel reads it
};

}  // namespace loom::net
