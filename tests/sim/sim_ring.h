// A ring made of memory: the real streams, pools and exchanges run on it, and a test decides what the kernel says, in
// which order, and what time it is. Nothing happens by itself but the end of the loop's own reads.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/io/ring.h"
#include "loom/io/shard.h"
#include "provided_buffers.h"

namespace loom::sim {

enum class Op : uint8_t { recv, recv_once, hang_up, accept, send, connect, read, write };

/// One operation in flight, as it was given to the ring.
struct Operation {
    Op op;
    int fd;
    io::Completion* completion;
    io::SendMode mode = io::SendMode::now;
    std::string bytes;    // of a send or a write
    uint64_t offset = 0;  // of a write
    bool cancelled = false;
};

/// Descriptors that no kernel knows: what TcpStream does to them fails quietly.
inline constexpr int fd_base = 1 << 24;

class SimRing final : public io::Ring {
  public:
    /// Later than any uptime, so that a shard's wheel starts at the same place in every run.
    static constexpr uint64_t start_ns = 1'000'000'000'000'000'000;

    explicit SimRing(io::BufferPool& buffers) : buffers_(buffers), free_(buffers) {}

    // What the world does. Completions are handed out by the next dispatch, in the order of these calls.
    void complete(int fd, Op op, int res, uint32_t flags = 0);
    /// Bytes for a receive of `fd`, in as many provided buffers as they take; -ENOBUFS when these run out. Returns how
    /// many bytes found a buffer.
    size_t deliver(int fd, std::string_view bytes, uint32_t more = flag_more);
    void end_of_stream(int fd) { complete(fd, Op::recv, 0); }
    void advance_ms(uint64_t ms) noexcept { now_ns_ += ms * 1'000'000; }

    // What it was asked for.
    [[nodiscard]] const Operation* find(int fd, Op op) const noexcept;
    /// The oldest of its kind, of any descriptor.
    [[nodiscard]] const Operation* oldest(Op op) const noexcept;
    [[nodiscard]] bool in_flight(int fd, Op op) const noexcept { return find(fd, op) != nullptr; }
    [[nodiscard]] bool is_closed(int fd) const noexcept;
    [[nodiscard]] size_t free_buffer_count() const noexcept { return free_.free_count(); }
    /// The longest that the last `wait` would have slept.
    [[nodiscard]] uint64_t last_wait_ns() const noexcept { return last_wait_ns_; }

    /// A provided buffer filled by hand, for what takes leases and no streams.
    [[nodiscard]] io::BufferLease lease(std::string_view bytes);
    /// How many bytes the next one can take.
    [[nodiscard]] size_t room() const noexcept { return free_.room(); }

    void recv_multishot(int fd, io::Completion& completion) override { start({Op::recv, fd, &completion}); }
    void recv_once(int fd, io::Completion& completion) override { start({Op::recv_once, fd, &completion}); }
    void poll_hang_up(int fd, io::Completion& completion) override { start({Op::hang_up, fd, &completion}); }
    void accept_multishot(int fd, io::Completion& completion) override { start({Op::accept, fd, &completion}); }
    void send(int fd, const msghdr& message, io::SendMode mode, io::Completion& completion) override;
    void connect(int fd, const sockaddr*, socklen_t, io::Completion& completion) override {
        start({Op::connect, fd, &completion});
    }
    void read(int fd, std::span<char>, io::Completion& completion) override { start({Op::read, fd, &completion}); }
    void write(int fd, std::span<const char> bytes, uint64_t offset, io::Completion& completion) override;
    void cancel(io::Completion& target) override;
    void close(int fd) override;
    void provide_buffer(uint16_t id) override { free_.provide(id); }
    void wait(uint64_t timeout_ns) override { last_wait_ns_ = timeout_ns; }
    uint32_t dispatch() override;
    [[nodiscard]] uint64_t now_ns() const noexcept override { return now_ns_; }

    static constexpr uint32_t flag_buffer = ProvidedBuffers::flag_buffer;
    static constexpr uint32_t flag_more = ProvidedBuffers::flag_more;
    static constexpr uint32_t flag_buffer_more = ProvidedBuffers::flag_buffer_more;

  private:
    struct Posted {
        io::Completion* completion;
        io::Cqe cqe;
    };
    void start(Operation operation);
    void post(Operation& operation, int res, uint32_t flags);
    Operation* operation_of(int fd, Op op) noexcept;

    io::BufferPool& buffers_;
    ProvidedBuffers free_;
    std::vector<Operation> operations_;
    std::deque<Posted> posted_;
    std::vector<int> closed_;
    uint64_t now_ns_ = start_ns;
    uint64_t last_wait_ns_ = 0;
};

/// A shard that lives on a ring of memory, and must have everything home at its end.
class SimShard {
  public:
    explicit SimShard(const io::ShardOptions& options = {.buffer_count = 16}, bool incremental_buffers = false);
    ~SimShard();

    [[nodiscard]] io::Shard& shard() noexcept { return shard_; }
    [[nodiscard]] SimRing& ring() noexcept { return *ring_; }
    void tick() { shard_.tick(); }
    /// Time goes by, a millisecond a tick.
    void run_ms(uint64_t ms);

  private:
    io::Shard shard_;
    SimRing* ring_;
};

}  // namespace loom::sim
