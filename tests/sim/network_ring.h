// A ring on the network made of memory: it does what io_uring may do (tests/io/ring_rules_test.cc), in whatever order
// and however late the seed says.
//
// What is queued is looked at in order by the next wait. A receive delivers what the socket holds, in as many buffers
// and pieces as it likes; a send that must not wait is done in that very wait, one that may wait when the peer reads;
// the completions of one operation keep their order, those of different ones do not.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "loom/io/ring.h"
#include "network.h"
#include "provided_buffers.h"
#include "wall_clock.h"

namespace loom::sim {

class NetworkRing final : public io::Ring {
  public:
    /// Later than any uptime, so that a shard's wheel starts at the same place in every run.
    static constexpr uint64_t start_ns = 1'000'000'000'000'000'000;
    static constexpr int fd_base = 1 << 24;  // descriptors that no kernel knows
    static constexpr int listener_fd = fd_base;
    static constexpr int admin_listener_fd = fd_base + 1;
    static constexpr uint64_t never_ns = UINT64_MAX;

    NetworkRing(io::BufferPool& buffers, Network& network);
    ~NetworkRing() override;

    void recv_multishot(int fd, io::Completion& completion) override { queue({Op::recv, fd, &completion}); }
    void recv_once(int fd, io::Completion& completion) override { queue({Op::recv_once, fd, &completion}); }
    void poll_hang_up(int fd, io::Completion& completion) override { queue({Op::hang_up, fd, &completion}); }
    void accept_multishot(int fd, io::Completion& completion) override { queue({Op::accept, fd, &completion}); }
    void send(int fd, const msghdr& message, io::SendMode mode, io::Completion& completion) override {
        queue({.op = Op::send, .fd = fd, .completion = &completion, .message = &message, .mode = mode});
    }
    void connect(int fd, const sockaddr* address, socklen_t length, io::Completion& completion) override;
    void read(int fd, std::span<char> into, io::Completion& completion) override;
    void write(int fd, std::span<const char> bytes, uint64_t offset, io::Completion& completion) override;
    void cancel(io::Completion& target) override;
    void close(int fd) override { queue({.op = Op::close, .fd = fd}); }
    void provide_buffer(uint16_t id) override { returned_.push_back(id); }
    void wait(uint64_t timeout_ns) override;
    uint32_t dispatch() override;
    [[nodiscard]] int open_socket(int family) noexcept override;
    void shutdown(int fd, int how) noexcept override;
    void reset_on_close(int fd) noexcept override { socket(fd).reset_on_close = true; }
    [[nodiscard]] socklen_t peer_name(int fd, sockaddr* address, socklen_t capacity) noexcept override;
    [[nodiscard]] uint64_t now_ns() const noexcept override { return now_ns_; }
    [[nodiscard]] uint64_t wall_us() const noexcept override { return wall_.at(now_ns_); }

    // The world's side.
    /// The far ends have nothing to do before `until_ns`: when the proxy has nothing to do either, time passes.
    void let_time_pass_until(uint64_t until_ns) noexcept { idle_until_ns_ = until_ns; }
    /// The last wait found nothing to say, and nothing was held back: only time or an actor can change that.
    [[nodiscard]] bool quiet() const noexcept { return quiet_; }
    [[nodiscard]] WallClock& wall() noexcept { return wall_; }
    /// A letter lies in the shard's mailbox.
    void ring_mailbox() noexcept { mailbox_rung_ = true; }
    [[nodiscard]] size_t open_count() const noexcept;
    [[nodiscard]] uint64_t completion_count() const noexcept { return completion_count_; }

  private:
    enum class Op : uint8_t { recv, recv_once, hang_up, send, connect, accept, close, cancel };
    struct Submission {
        Op op;
        int fd;
        io::Completion* completion = nullptr;
        const msghdr* message = nullptr;
        io::SendMode mode = io::SendMode::now;
    };
    struct Receive {
        io::Completion* completion = nullptr;
        bool once = false;
        bool cancelled = false;
        bool deaf = false;  // to an end: bytes it still tells of
    };
    struct HangUp {
        io::Completion* completion = nullptr;
        bool cancelled = false;
    };
    struct Send {
        io::Completion* completion = nullptr;
        const msghdr* message = nullptr;
        io::SendMode mode = io::SendMode::now;
        size_t sent = 0;  // of a send of the whole
        bool cancelled = false;
    };
    struct Connect {
        io::Completion* completion = nullptr;
        uint16_t port = 0;
        int result = 1;  // 0 and errors; 1: not decided yet
        uint64_t due_ns = 0;
        bool cancelled = false;
    };
    struct Socket {
        std::shared_ptr<Link> link;
        Receive receive;
        HangUp hang_up;
        Send send;
        Connect connect;
        io::Completion* accept = nullptr;
        bool accept_cancelled = false;
        bool open = false;
        bool shut_reading = false;
        bool shut_sending = false;
        bool reset_on_close = false;
        bool reset_told = false;
    };
    struct Posted {
        io::Completion* completion;
        io::Cqe cqe;
    };

    [[nodiscard]] Socket& socket(int fd) {
        LOOM_ASSERT(fd >= fd_base && static_cast<size_t>(fd - fd_base) < sockets_.size());
        LOOM_ASSERT(sockets_[static_cast<size_t>(fd - fd_base)].open);  // a descriptor that was closed is used
        return sockets_[static_cast<size_t>(fd - fd_base)];
    }
    void queue(const Submission& submission);
    [[nodiscard]] int add_socket(std::shared_ptr<Link> link);
    [[nodiscard]] static bool is_listener(int fd) noexcept { return fd == listener_fd || fd == admin_listener_fd; }
    [[nodiscard]] Listener& listener_of(int fd) noexcept {
        return network_.listener(fd == listener_fd ? Door::clients : Door::admin);
    }
    void submit(const Submission& submission);
    void start_connect(Socket& s);
    void end(const io::Completion& target);
    void close_now(int fd);
    void pump();
    void pump_socket(Socket& s);
    void pump_receive(Socket& s);
    void pump_hang_up(Socket& s);
    void pump_send(Socket& s);
    void pump_connect(Socket& s);
    void pump_accept(Socket& s, Listener& listener);
    [[nodiscard]] int move_out(Socket& s, size_t from, size_t& wanted);
    void post(io::Completion*& completion, int res, uint32_t flags = 0);
    [[nodiscard]] bool held_back() noexcept;

    Network& network_;
    Random& random_;
    const Faults& faults_;
    ProvidedBuffers buffers_;
    std::vector<uint16_t> returned_;  // published by the next wait
    std::deque<Socket> sockets_;      // a reference stays good while others are added
    std::vector<int> free_fds_;       // the last closed is opened first, as the kernel does
    std::vector<Submission> queued_;
    std::vector<Posted> posted_;
    io::Completion* mailbox_ = nullptr;
    bool mailbox_rung_ = false;
    bool mailbox_cancelled_ = false;
    bool held_back_ = false;
    bool quiet_ = false;
    uint64_t now_ns_ = start_ns;
    WallClock wall_{start_ns};
    uint64_t idle_until_ns_ = 0;
    uint64_t next_connect_ns_ = never_ns;
    uint64_t completion_count_ = 0;
};

}  // namespace loom::sim
