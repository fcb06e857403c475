// One TCP connection on a ring of memory: what the kernel may say, in whatever order it says it.
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "loom/net/tcp_stream.h"
#include "sim_ring.h"

namespace loom::net {
namespace {

using sim::Op;

struct User final : StreamUser {
    explicit User(io::Shard& shard) : stream(shard, *this) {}
    void on_connected(Stream&, Result<void> result) noexcept override {
        connected += 1;
        if (!result) connect_error = result.error();
    }
    void on_bytes(Stream&, io::BufferLease lease) noexcept override {
        EXPECT_FALSE(stream.closing()) << "no other callback after begin_close but on_closed";
        bytes += lease.view();
        reads += 1;
        if (keep_leases) leases.push_back(std::move(lease));
        if (pause_after != 0 && reads == pause_after) stream.pause_reading();
    }
    void on_end(Stream&, Error why) noexcept override {
        EXPECT_FALSE(stream.closing());
        ends += 1;
        end = why;
    }
    void on_hang_up(Stream&, Error why) noexcept override {
        EXPECT_FALSE(stream.closing());
        hang_ups += 1;
        end = why;
    }
    void on_sent(Stream&, Result<size_t> sent) noexcept override {
        EXPECT_FALSE(stream.closing());
        sends += 1;
        last_sent = sent;
    }
    void on_closed(Stream&) noexcept override { closed += 1; }

    TcpStream stream;
    std::string bytes;
    std::vector<io::BufferLease> leases;
    Error end;
    Error connect_error;
    Result<size_t> last_sent = size_t{0};
    bool keep_leases = false;
    int pause_after = 0;
    int connected = 0, reads = 0, ends = 0, sends = 0, closed = 0, hang_ups = 0;
};

constexpr int fd = sim::fd_base + 1;

/// The real connection on a ring made of memory: open, with a recv and, where asked, a send in flight.
struct SimConnection {
    explicit SimConnection(bool sending = false) {
        user.stream.adopt(fd);
        user.stream.start_reading();
        if (sending) user.stream.send({&piece, 1}, io::SendMode::wait);
    }
    ~SimConnection() {
        user.leases.clear();
        user.stream.begin_close(Close::abort);
        for (const Op op : {Op::recv, Op::recv_once, Op::send})
            if (sim.ring().in_flight(fd, op)) sim.ring().complete(fd, op, -ECANCELED);
        sim.tick();
        EXPECT_EQ(user.closed, 1);
        EXPECT_EQ(sim.shard().buffers().leased_count(), 0u);
    }
    SimConnection(const SimConnection&) = delete;

    sim::SimShard sim{io::ShardOptions{.buffer_count = 8, .buffer_bytes = 512}};
    char byte = 'x';
    iovec piece{&byte, 1};
    User user{sim.shard()};
};

TEST(Close, WaitsForEveryCqeInWhateverOrderTheyCome) {
    std::vector<Op> order{Op::recv, Op::send};
    do {
        for (const Close how : {Close::orderly, Close::abort}) {
            for (const int send_result : {-ECANCELED, -EPIPE, 1}) {
                SimConnection c(true);
                c.user.stream.begin_close(how);
                c.sim.tick();
                for (const Op op : order) {
                    EXPECT_EQ(c.user.closed, 0);
                    EXPECT_FALSE(c.sim.ring().is_closed(fd)) << "the descriptor outlives its operations";
                    c.sim.ring().complete(fd, op, op == Op::send ? send_result : 0);
                    c.sim.tick();
                }
                EXPECT_EQ(c.user.closed, 1);
                EXPECT_TRUE(c.sim.ring().is_closed(fd));
                EXPECT_EQ(c.user.sends + c.user.ends, 0) << "the user hears of nothing but the close";
            }
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST(HangUp, IsFoundByAReceiveThatIsArmedAnewWhereTheKernelDoesNotTellOfIt) {
    SimConnection c;
    (void)c.sim.ring().deliver(fd, "the last bytes");  // the reset behind them: never a word from this receive
    c.sim.ring().complete(fd, Op::hang_up, POLLRDHUP | POLLERR | POLLHUP);
    c.sim.tick();
    c.sim.tick();
    const sim::Operation* const recv = c.sim.ring().find(fd, Op::recv);
    ASSERT_NE(recv, nullptr);
    EXPECT_TRUE(recv->cancelled);
    EXPECT_EQ(c.user.hang_ups + c.user.ends, 0) << "bytes may still lie in the socket";
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    ASSERT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once)) << "a multishot may miss it again";
    (void)c.sim.ring().deliver(fd, ", and more");
    c.sim.tick();
    ASSERT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once));
    c.sim.ring().complete(fd, Op::recv, -ECONNRESET);
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "the last bytes, and more");
    EXPECT_EQ(c.user.ends, 1);
    EXPECT_EQ(c.user.hang_ups, 0);
    EXPECT_EQ(c.user.end.code, Errc::reset);
}

TEST(HangUp, OfAFinLetsTheReceiveBeArmedAnewToo) {
    SimConnection c;
    (void)c.sim.ring().deliver(fd, "the last bytes");
    c.sim.ring().complete(fd, Op::hang_up, POLLRDHUP);
    c.sim.tick();
    c.sim.tick();
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    ASSERT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once));
    c.sim.ring().complete(fd, Op::recv, 0);
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "the last bytes");
    EXPECT_EQ(c.user.ends, 1);
    EXPECT_EQ(c.user.end.code, Errc::closed);
}

TEST(HangUp, IsToldToWhoHasPaused) {
    SimConnection c;
    c.user.stream.pause_reading();
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.ring().complete(fd, Op::hang_up, POLLRDHUP | POLLERR | POLLHUP);
    c.sim.tick();
    EXPECT_EQ(c.user.hang_ups, 1);
    EXPECT_EQ(c.user.end.code, Errc::reset);
    EXPECT_EQ(c.user.ends, 0);
    c.user.stream.start_reading();
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once)) << "what came before it can still be read";
}

TEST(HangUp, IsToldToWhoPausesAfterIt) {
    SimConnection c;
    c.user.pause_after = 1;
    c.sim.ring().complete(fd, Op::hang_up, POLLERR | POLLHUP);
    (void)c.sim.ring().deliver(fd, "left in the socket");
    c.sim.tick();
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    c.sim.tick();
    EXPECT_FALSE(c.sim.ring().in_flight(fd, Op::recv) || c.sim.ring().in_flight(fd, Op::recv_once));
    EXPECT_EQ(c.user.hang_ups, 1);
}

TEST(HangUp, IsNoFinBehindBytesThatAPausedReaderHasToReadYet) {
    SimConnection c;
    c.user.stream.pause_reading();
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.ring().complete(fd, Op::hang_up, POLLRDHUP);
    c.sim.tick();
    EXPECT_EQ(c.user.hang_ups + c.user.ends, 0);
}

TEST(Close, BothCqesMayComeInOneTick) {
    SimConnection c(true);
    c.user.stream.begin_close(Close::orderly);
    c.sim.ring().complete(fd, Op::send, -ECANCELED);
    c.sim.ring().complete(fd, Op::recv, 0);
    c.sim.tick();
    EXPECT_EQ(c.user.closed, 1);
}

TEST(Close, BytesThatComeAfterItGoHomeUnseen) {
    SimConnection c;
    c.user.stream.begin_close(Close::orderly);
    (void)c.sim.ring().deliver(fd, "late");
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "");
    EXPECT_EQ(c.sim.shard().buffers().leased_count(), 0u);
    EXPECT_EQ(c.sim.ring().free_buffer_count(), 8u);
    c.sim.ring().complete(fd, Op::recv, 0, sim::SimRing::flag_buffer | 3u << 16);  // a buffer, and no bytes
    c.sim.tick();
    EXPECT_EQ(c.user.closed, 1);
}

TEST(Close, IsNeverToldFromInsideTheCall) {
    SimConnection c;
    c.sim.ring().end_of_stream(fd);
    c.sim.tick();
    EXPECT_EQ(c.user.ends, 1);
    c.user.stream.begin_close(Close::orderly);  // nothing is in flight
    EXPECT_EQ(c.user.closed, 0);
    c.sim.tick();
    EXPECT_EQ(c.user.closed, 1);
}

TEST(Close, OnlyTheFirstCallCounts) {
    SimConnection c;
    c.user.stream.begin_close(Close::orderly);
    c.user.stream.begin_close(Close::abort);
    c.sim.ring().complete(fd, Op::recv, 0);
    c.sim.tick();
    c.user.stream.begin_close(Close::orderly);
    c.sim.tick();
    EXPECT_EQ(c.user.closed, 1);
}

TEST(Close, OfAStreamThatNeverBecameOne) {
    sim::SimShard sim;
    User user(sim.shard());
    user.stream.begin_close(Close::abort);
    sim.tick();
    EXPECT_EQ(user.closed, 1);
}

TEST(Close, AnAbortCancelsWhatIsInFlight) {
    SimConnection c(true);
    c.user.stream.begin_close(Close::abort);
    EXPECT_TRUE(c.sim.ring().find(fd, Op::recv)->cancelled);
    EXPECT_TRUE(c.sim.ring().find(fd, Op::send)->cancelled);
}

TEST(Connect, CancelledByACloseItEndsWithoutAWordToTheUser) {
    for (const int result : {0, -ECANCELED, -ECONNREFUSED}) {
        sim::SimShard sim;
        User user(sim.shard());
        const auto address = Address::parse("127.0.0.1:9");
        ASSERT_TRUE(address);
        ASSERT_TRUE(user.stream.connect(*address, {}));
        user.stream.begin_close(Close::abort);
        sim.tick();
        EXPECT_EQ(user.closed, 0);
        sim.ring().complete(user.stream.fd(), Op::connect, result);
        sim.tick();
        EXPECT_EQ(user.closed, 1);
        EXPECT_EQ(user.connected, 0);
    }
}

TEST(Connect, TellsWhatTheKernelSaid) {
    for (const auto& [result, code] : {std::pair{0, Errc::ok},
                                       {-ECONNREFUSED, Errc::refused},
                                       {-ETIMEDOUT, Errc::timed_out},
                                       {-EHOSTUNREACH, Errc::unreachable}}) {
        sim::SimShard sim;
        User user(sim.shard());
        const auto address = Address::parse("127.0.0.1:9");
        ASSERT_TRUE(user.stream.connect(*address, {}));
        sim.ring().complete(user.stream.fd(), Op::connect, result);
        sim.tick();
        EXPECT_EQ(user.connected, 1);
        EXPECT_EQ(user.connect_error.code, code);
        if (code != Errc::ok) EXPECT_EQ(user.connect_error.retry, Retry::safe);
        user.stream.begin_close(Close::orderly);
        sim.tick();
        EXPECT_EQ(user.closed, 1);
    }
}

TEST(Reading, BytesComeInTheirOrderUntilTheEnd) {
    SimConnection c;
    (void)c.sim.ring().deliver(fd, "one ");
    (void)c.sim.ring().deliver(fd, "two");
    c.sim.ring().end_of_stream(fd);
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "one two");
    EXPECT_EQ(c.user.ends, 1);
    EXPECT_EQ(c.user.end.code, Errc::closed);
    c.user.stream.start_reading();
    EXPECT_FALSE(c.sim.ring().in_flight(fd, Op::recv)) << "there is nothing more to be read";
}

TEST(Reading, ABrokenConnectionIsAnEndWithItsCause) {
    for (const auto& [result, code] : {std::pair{-ECONNRESET, Errc::reset}, {-ETIMEDOUT, Errc::timed_out}}) {
        SimConnection c;
        c.sim.ring().complete(fd, Op::recv, result);
        c.sim.tick();
        EXPECT_EQ(c.user.ends, 1);
        EXPECT_EQ(c.user.end.code, code);
        EXPECT_EQ(c.user.end.sys_errno, -result);
    }
}

TEST(Reading, AReceiveThatEndsWithBytesIsArmedAgain) {
    SimConnection c;
    (void)c.sim.ring().deliver(fd, "last of this multishot", 0);
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "last of this multishot");
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv));
}

TEST(Reading, WithoutABufferItTriesAgainInTheNextTick) {
    SimConnection c;
    c.user.keep_leases = true;
    std::vector<io::BufferLease> others;
    while (c.sim.ring().free_buffer_count() > 0) others.push_back(c.sim.ring().lease("x"));
    EXPECT_EQ(c.sim.ring().deliver(fd, "waits in the socket"), 0u);
    c.sim.tick();
    EXPECT_EQ(c.user.ends, 0) << "the peer is fine";
    EXPECT_EQ(c.sim.shard().stats().buffer_starvations.load(), 1u);
    others.clear();
    c.sim.tick();
    ASSERT_TRUE(c.sim.ring().in_flight(fd, Op::recv));
    (void)c.sim.ring().deliver(fd, "waits in the socket");
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "waits in the socket");
}

TEST(Reading, StarvedAndClosedInOneTickItClosesOnce) {
    SimConnection c;
    struct Closer : io::Runnable {
        explicit Closer(TcpStream& s) : Runnable(&Closer::close), stream(s) {}
        static void close(io::Runnable& self) noexcept {
            static_cast<Closer&>(self).stream.begin_close(Close::orderly);
        }
        TcpStream& stream;
    } closer(c.user.stream);
    c.sim.shard().schedule(closer);
    c.sim.ring().complete(fd, Op::recv, -ENOBUFS);
    c.sim.tick();
    c.sim.tick();  // the watch for a hang-up ends
    EXPECT_EQ(c.user.closed, 1);
    EXPECT_FALSE(c.sim.ring().in_flight(fd, Op::recv)) << "a closed stream is not armed again";
}

TEST(Pause, StopsTheReceiveAndResumeStartsItAgain) {
    SimConnection c;
    c.user.stream.pause_reading();
    EXPECT_TRUE(c.sim.ring().find(fd, Op::recv)->cancelled);
    (void)c.sim.ring().deliver(fd, "on its way");
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "on its way") << "what was on its way still comes";
    EXPECT_EQ(c.user.ends, 0);
    EXPECT_FALSE(c.sim.ring().in_flight(fd, Op::recv));
    c.user.stream.start_reading();
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv));
}

TEST(Pause, TakenBackBeforeTheCancelCameItReadsOn) {
    SimConnection c;
    c.user.stream.pause_reading();
    c.user.stream.start_reading();
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv));
    (void)c.sim.ring().deliver(fd, "more");
    c.sim.tick();
    EXPECT_EQ(c.user.bytes, "more");
}

TEST(Pause, APeerThatFloodsIsReadOneBufferAtATimeWhereThatIsAskedFor) {
    const std::string burst(512 * Stream::burst_receives_max, 'b');
    SimConnection c;
    EXPECT_EQ(c.sim.ring().deliver(fd, burst), burst.size());  // so many buffers in one tick
    c.sim.tick();
    EXPECT_FALSE(c.sim.ring().find(fd, Op::recv)->cancelled) << "nobody's reader is slow here";

    c.sim.ring().advance_ms(1);
    c.user.stream.watch_bursts();
    EXPECT_EQ(c.sim.ring().deliver(fd, burst), burst.size());
    c.sim.tick();
    EXPECT_EQ(c.user.bytes.size(), 2 * burst.size());
    EXPECT_TRUE(c.sim.ring().find(fd, Op::recv)->cancelled);
    c.sim.ring().complete(fd, Op::recv, -ECANCELED);
    c.sim.tick();
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once)) << "so that a pause is felt at once";
    c.user.pause_after = c.user.reads + 1;
    (void)c.sim.ring().deliver(fd, "one more");
    c.sim.tick();
    EXPECT_FALSE(c.sim.ring().in_flight(fd, Op::recv_once));
    c.user.stream.start_reading();
    EXPECT_TRUE(c.sim.ring().in_flight(fd, Op::recv_once));
}

TEST(Sending, TellsWhatTheKernelTook) {
    SimConnection c(true);
    EXPECT_EQ(c.sim.ring().find(fd, Op::send)->bytes, "x");
    c.sim.ring().complete(fd, Op::send, 1);
    c.sim.tick();
    EXPECT_EQ(c.user.last_sent.value(), 1u);
    for (const int nothing : {-EAGAIN, -EINTR}) {
        c.user.stream.send({&c.piece, 1}, io::SendMode::now);
        c.sim.ring().complete(fd, Op::send, nothing);
        c.sim.tick();
        EXPECT_EQ(c.user.last_sent.value(), 0u) << "a peer that does not read is no error";
    }
    c.user.stream.send({&c.piece, 1}, io::SendMode::wait);
    c.sim.ring().complete(fd, Op::send, -EPIPE);
    c.sim.tick();
    EXPECT_EQ(c.user.last_sent.error().code, Errc::reset);
    EXPECT_EQ(c.user.sends, 4);
}

}  // namespace
}  // namespace loom::net
