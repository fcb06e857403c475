// loom-floor: the cheapest relay there can be, as the bench's anchor. It ties each client to an upstream connection of
// its own and moves bytes between the two without looking at them: io_uring, multishot receives into provided buffers,
// at most one send a direction and tick. What it costs is the kernel's TCP; what a proxy costs beyond it is its own
// work.
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "options.h"
#include "sockets.h"

namespace bench {

enum class Op : uint64_t { accept, recv, send };

struct Pair;

/// One direction's receiving socket, and what waits to be sent on it.
struct Half {
    struct Piece {
        uint16_t buffer;
        uint32_t bytes;
    };
    static constexpr size_t pieces_max = 64;  // of one send
    int fd = -1;
    Pair* pair = nullptr;
    Half* peer = nullptr;
    std::vector<Piece> queue;
    size_t sending_count = 0;  // the first pieces of the queue are the kernel's
    bool dirty = false;
    bool starved = false;
    msghdr message{};
    std::unique_ptr<iovec[]> parts;
};

struct Pair {
    Half client, upstream;
    int in_flight_count = 0;
    bool closing = false;
};

class Floor {
  public:
    Floor(const std::string& listen, std::string upstream)
        : listener_(listen_on(listen)), upstream_(std::move(upstream)) {
        io_uring_params params{};
        params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
        params.cq_entries = 32768;
        errno = -io_uring_queue_init_params(4096, &ring_, &params);
        if (errno != 0) die("io_uring");
        io_uring_register_ring_fd(&ring_);
        let_wait(listener_);
        make_buffers();
        io_uring_sqe* sqe = get_sqe();
        io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
        io_uring_sqe_set_data64(sqe, uint64_t(Op::accept));
    }

    void run(const volatile std::sig_atomic_t& stop) {
        while (!stop) {
            io_uring_submit_and_wait(&ring_, 1);
            io_uring_cqe* cqes[512];
            const unsigned count = io_uring_peek_batch_cqe(&ring_, cqes, 512);
            for (unsigned i = 0; i < count; ++i) on_cqe(*cqes[i]);
            io_uring_cq_advance(&ring_, count);
            finish_tick();
        }
    }

  private:
    static constexpr unsigned buffers_count = 1024;
    static constexpr size_t buffer_bytes = 16 * 1024;

    void make_buffers() {
        const size_t bytes = buffers_count * sizeof(io_uring_buf);
        void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
        buffers_ = static_cast<io_uring_buf_ring*>(memory);
        io_uring_buf_reg reg{};
        reg.ring_addr = reinterpret_cast<uint64_t>(memory);
        reg.ring_entries = buffers_count;
        errno = -io_uring_register_buf_ring(&ring_, &reg, 0);
        if (errno != 0) die("io_uring_register_buf_ring");
        io_uring_buf_ring_init(buffers_);
        bytes_ = std::make_unique_for_overwrite<char[]>(buffers_count * buffer_bytes);
        for (unsigned i = 0; i < buffers_count; ++i) give_back(uint16_t(i));
        io_uring_buf_ring_advance(buffers_, int(std::exchange(given_back_count_, 0)));
    }

    /// The ring waits only on blocking sockets; on others an operation ends with EAGAIN.
    static int let_wait(int fd) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        return fd;
    }

    char* at(uint16_t buffer) { return bytes_.get() + size_t(buffer) * buffer_bytes; }

    void give_back(uint16_t buffer) {
        const int mask = io_uring_buf_ring_mask(buffers_count);
        io_uring_buf_ring_add(buffers_, at(buffer), buffer_bytes, buffer, mask, int(given_back_count_++));
    }

    io_uring_sqe* get_sqe() {
        io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
        if (sqe != nullptr) return sqe;
        io_uring_submit(&ring_);
        return io_uring_get_sqe(&ring_);
    }

    void on_cqe(const io_uring_cqe& cqe) {
        if (cqe.user_data == uint64_t(Op::accept)) return on_accept(cqe.res);
        Half& half = *reinterpret_cast<Half*>(cqe.user_data & ~uint64_t(3));
        if (Op(cqe.user_data & 3) == Op::recv)
            on_recv(half, cqe);
        else
            on_send(half, cqe.res);
        if (half.pair->closing && half.pair->in_flight_count == 0) ended_.push_back(half.pair);
    }

    void on_accept(int fd) {
        if (fd < 0) return;
        auto* pair = new Pair;
        const int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        pair->client = {.fd = fd, .pair = pair, .peer = &pair->upstream};
        pair->upstream = {.fd = let_wait(start_connect(upstream_)), .pair = pair, .peer = &pair->client};
        pair->client.parts = std::make_unique<iovec[]>(Half::pieces_max);
        pair->upstream.parts = std::make_unique<iovec[]>(Half::pieces_max);
        arm_recv(pair->client);
        arm_recv(pair->upstream);
    }

    void arm_recv(Half& half) {
        io_uring_sqe* sqe = get_sqe();
        io_uring_prep_recv_multishot(sqe, half.fd, nullptr, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = 0;
        io_uring_sqe_set_data64(sqe, reinterpret_cast<uint64_t>(&half) | uint64_t(Op::recv));
        half.pair->in_flight_count += 1;
    }

    void on_recv(Half& half, const io_uring_cqe& cqe) {
        const bool more = cqe.flags & IORING_CQE_F_MORE;
        if (!more) half.pair->in_flight_count -= 1;
        if (cqe.flags & IORING_CQE_F_BUFFER) {
            const auto buffer = uint16_t(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
            if (cqe.res > 0 && !half.pair->closing)
                enqueue(*half.peer, {buffer, uint32_t(cqe.res)});
            else
                give_back(buffer);
        }
        if (half.pair->closing) return;
        if (cqe.res == -ENOBUFS) {
            half.starved = true;
            starved_.push_back(&half);
        } else if (cqe.res <= 0) {
            begin_close(*half.pair);
        } else if (!more) {
            arm_recv(half);
        }
    }

    void enqueue(Half& half, Half::Piece piece) {
        half.queue.push_back(piece);
        if (half.dirty) return;
        half.dirty = true;
        dirty_.push_back(&half);
    }

    void start_send(Half& half) {
        half.sending_count = std::min(half.queue.size(), Half::pieces_max);
        for (size_t i = 0; i < half.sending_count; ++i) half.parts[i] = {at(half.queue[i].buffer), half.queue[i].bytes};
        half.message.msg_iov = half.parts.get();
        half.message.msg_iovlen = half.sending_count;
        io_uring_sqe* sqe = get_sqe();
        if (half.sending_count == 1) {
            io_uring_prep_send(sqe, half.fd, half.parts[0].iov_base, half.parts[0].iov_len, MSG_WAITALL | MSG_NOSIGNAL);
        } else {
            io_uring_prep_sendmsg(sqe, half.fd, &half.message, MSG_WAITALL | MSG_NOSIGNAL);
        }
        io_uring_sqe_set_data64(sqe, reinterpret_cast<uint64_t>(&half) | uint64_t(Op::send));
        half.pair->in_flight_count += 1;
    }

    void on_send(Half& half, int result) {
        half.pair->in_flight_count -= 1;
        size_t wanted = 0;
        for (size_t i = 0; i < half.sending_count; ++i) {
            wanted += half.queue[i].bytes;
            give_back(half.queue[i].buffer);
        }
        half.queue.erase(half.queue.begin(), half.queue.begin() + ptrdiff_t(half.sending_count));
        half.sending_count = 0;
        if (result != int(wanted)) return begin_close(*half.pair);
        if (half.queue.empty() || half.dirty || half.pair->closing) return;
        half.dirty = true;
        dirty_.push_back(&half);
    }

    void begin_close(Pair& pair) {
        if (pair.closing) return;
        pair.closing = true;
        shutdown(pair.client.fd, SHUT_RDWR);
        shutdown(pair.upstream.fd, SHUT_RDWR);
        for (Half* half : {&pair.client, &pair.upstream}) {
            if (half->starved) std::erase(starved_, half);
        }
    }

    void finish_tick() {
        for (Half* half : dirty_) {
            half->dirty = false;
            if (half->sending_count == 0 && !half->pair->closing) start_send(*half);
        }
        dirty_.clear();
        for (Pair* pair : ended_) free_pair(pair);
        ended_.clear();
        if (given_back_count_ == 0) return;
        io_uring_buf_ring_advance(buffers_, int(std::exchange(given_back_count_, 0)));
        for (Half* half : starved_) {
            half->starved = false;
            arm_recv(*half);
        }
        starved_.clear();
    }

    void free_pair(Pair* pair) {
        for (Half* half : {&pair->client, &pair->upstream}) {
            for (const Half::Piece& piece : half->queue) give_back(piece.buffer);
            close(half->fd);
        }
        delete pair;
    }

    int listener_;
    std::string upstream_;
    io_uring ring_{};
    io_uring_buf_ring* buffers_ = nullptr;
    std::unique_ptr<char[]> bytes_;
    unsigned given_back_count_ = 0;
    std::vector<Half*> dirty_, starved_;
    std::vector<Pair*> ended_;
};

}  // namespace bench

static volatile std::sig_atomic_t stop = 0;

static constexpr std::string_view usage = "loom-floor --listen 127.0.0.1:9004 --upstream 127.0.0.1:9000\n";

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, usage);
    bench::raise_fd_limit();
    struct sigaction action{};
    action.sa_handler = [](int) { stop = 1; };  // no SA_RESTART: the wait for completions ends with EINTR
    sigaction(SIGTERM, &action, nullptr);
    sigaction(SIGINT, &action, nullptr);
    bench::Floor floor(options.text("listen", "127.0.0.1:9004"), options.text("upstream", "127.0.0.1:9000"));
    floor.run(stop);
}
