// What the ring does, on the kernel at hand: the rules that Loom's streams are built on, as an executable page. Above
// each test stands its rule, and what we do about it; should a kernel do otherwise, this page says which of our answers
// no longer fits.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "loom/io/uring.h"

namespace loom::io {
namespace {

constexpr uint64_t moment_ns = 20'000'000;

/// An operation that writes down what the kernel said, and keeps the leases it brought.
struct Operation : Completion {
    explicit Operation(BufferPool& b) : Completion(&Operation::on_cqe_), buffers(b) {}
    static void on_cqe_(Completion& completion, Cqe cqe) noexcept {
        auto& op = static_cast<Operation&>(completion);
        op.cqes.push_back(cqe);
        if (cqe.res > 0 && cqe.has_buffer()) {
            op.leases.push_back(op.buffers.lease(cqe));
            op.bytes += op.leases.back().view();
        } else if (cqe.has_buffer()) {
            op.buffers.recycle(cqe);
        }
    }
    [[nodiscard]] int last() const { return cqes.empty() ? 1 : cqes.back().res; }
    [[nodiscard]] bool ended() const { return !in_flight; }

    BufferPool& buffers;
    std::vector<Cqe> cqes;
    std::vector<BufferLease> leases;
    std::string bytes;
};

struct Sockets {
    int ours = -1;
    int peers = -1;
    ~Sockets() {
        if (ours >= 0) ::close(ours);
        if (peers >= 0) ::close(peers);
    }
};

void make_pair(Sockets& pair) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair.ours = fds[0];
    pair.peers = fds[1];
}

void make_tcp(Sockets& pair) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener, generic, length), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ASSERT_EQ(::getsockname(listener, generic, &length), 0);
    pair.peers = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(::connect(pair.peers, generic, length), 0);
    pair.ours = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    ASSERT_GE(pair.ours, 0);
    ::close(listener);
}

bool peer_sees_end(int fd) {
    pollfd wait{.fd = fd, .events = POLLIN, .revents = 0};
    char byte;
    return ::poll(&wait, 1, 20) == 1 && ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

class Rules : public testing::TestWithParam<RingFeatures> {
  protected:
    static constexpr uint16_t buffer_count = 4;
    static constexpr uint32_t buffer_bytes = 4096;

    void SetUp() override {
        const auto offered = probe_features(GetParam());
        ASSERT_TRUE(offered) << explain_refusal(offered.error().sys_errno);
        auto ring = make_uring(RingOptions{.entries = 64, .features = *offered}, buffers_);
        ASSERT_TRUE(ring);
        ring_ = std::move(*ring);
        incremental_ = offered->incremental_buffers;
    }
    void TearDown() override {
        recv_.leases.clear();
        for (Operation* const op : {&recv_, &send_}) {
            if (op->in_flight) ring_->cancel(*op);
            run_until([op] { return op->ended(); });
        }
        recv_.leases.clear();
        EXPECT_EQ(buffers_.leased_count(), 0u);
    }

    void tick(uint64_t timeout_ns = moment_ns) {
        ring_->wait(timeout_ns);
        (void)ring_->dispatch();
    }
    void run_until(const std::function<bool()>& done) {
        for (int i = 0; i < 200 && !done(); ++i) tick();
        EXPECT_TRUE(done());
    }
    /// Gives the kernel what was queued, and time for it.
    void settle() {
        for (int i = 0; i < 3; ++i) tick();
    }
    void start_send(int fd, const std::string& bytes, SendMode mode) {
        piece_ = {const_cast<char*>(bytes.data()), bytes.size()};
        message_ = {};
        message_.msg_iov = &piece_;
        message_.msg_iovlen = 1;
        ring_->send(fd, message_, mode, send_);
    }

    BufferPool buffers_{buffer_count, buffer_bytes};
    std::unique_ptr<Ring> ring_;
    Operation recv_{buffers_};
    Operation send_{buffers_};
    iovec piece_{};
    msghdr message_{};
    bool incremental_ = false;
};

// | close(fd) with a recv pending: no CQE comes, and the peer sees no FIN | shut down, drain, then close |
TEST_P(Rules, CloseWithAPendingRecvEndsNothing) {
    Sockets pair;
    make_tcp(pair);
    ring_->recv_multishot(pair.ours, recv_);
    settle();
    ring_->close(pair.ours);
    settle();
    EXPECT_TRUE(recv_.cqes.empty()) << "the kernel says nothing";
    EXPECT_FALSE(peer_sees_end(pair.peers)) << "the pending recv holds the socket open";
    ring_->cancel(recv_);
    run_until([&] { return recv_.ended(); });
    EXPECT_TRUE(peer_sees_end(pair.peers)) << "only now the last hold on it is gone";
    pair.ours = -1;
}

TEST_P(Rules, ShutdownEndsAPendingRecv) {
    Sockets pair;
    make_tcp(pair);
    ring_->recv_multishot(pair.ours, recv_);
    settle();
    ::shutdown(pair.ours, SHUT_RDWR);
    run_until([&] { return recv_.ended(); });
    EXPECT_EQ(recv_.last(), 0);
    EXPECT_TRUE(peer_sees_end(pair.peers));
}

// | a reset behind bytes may be missed by a multishot receive (Linux 6.18, more bytes than one go takes) | watch for
// the hang-up, then receive buffer by buffer |
TEST_P(Rules, AResetBehindBytesIsSeenByTheWatchAndFoundBufferByBuffer) {
    Sockets pair;
    make_tcp(pair);
    Operation watch(buffers_);
    ring_->poll_hang_up(pair.ours, watch);
    settle();
    EXPECT_FALSE(watch.ended());
    const std::string bytes(8 * buffer_bytes, 'x');
    ASSERT_EQ(::send(pair.peers, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    const linger reset{.l_onoff = 1, .l_linger = 0};
    ASSERT_EQ(::setsockopt(pair.peers, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    ::close(std::exchange(pair.peers, -1));
    run_until([&] { return watch.ended(); });
    EXPECT_NE(watch.last() & POLLERR, 0);
    while (recv_.last() > 0 || recv_.last() == -ENOBUFS) {
        recv_.leases.clear();
        ring_->recv_once(pair.ours, recv_);
        run_until([&] { return recv_.ended(); });
        ASSERT_LT(recv_.cqes.size(), 200u);
    }
    EXPECT_EQ(recv_.last(), -ECONNRESET);
    EXPECT_EQ(recv_.bytes.size(), bytes.size());
}

// | a cancel posts two CQEs in either order; the target's may be a real result | take only the target's CQE as the end
// |
TEST_P(Rules, TheTargetsOwnCqeIsTheEndOfACancel) {
    Sockets pair;
    make_pair(pair);
    ring_->recv_multishot(pair.ours, recv_);
    settle();
    ring_->cancel(recv_);
    run_until([&] { return recv_.ended(); });
    EXPECT_EQ(recv_.cqes.size(), 1u) << "the cancel's own is skipped when it succeeds";
    EXPECT_EQ(recv_.last(), -ECANCELED);
}

TEST_P(Rules, ACancelledOperationMayEndWithARealResult) {
    Sockets pair;
    make_pair(pair);
    ring_->recv_multishot(pair.ours, recv_);
    settle();
    ASSERT_EQ(::write(pair.peers, "late", 4), 4);  // in the socket before the cancel is looked at
    ring_->cancel(recv_);
    run_until([&] { return recv_.ended(); });
    const bool cancelled_only = recv_.bytes.empty() && recv_.last() == -ECANCELED;
    EXPECT_TRUE(recv_.bytes == "late" || cancelled_only);
    if (cancelled_only) {
        ring_->recv_once(pair.ours, recv_);
        run_until([&] { return recv_.ended(); });
        EXPECT_EQ(recv_.bytes, "late") << "in one way or the other, no byte is lost";
    }
}

TEST_P(Rules, CancellingWhatHasEndedDoesNothing) {
    Sockets pair;
    make_pair(pair);
    ASSERT_EQ(::write(pair.peers, "x", 1), 1);
    ring_->recv_once(pair.ours, recv_);
    run_until([&] { return recv_.ended(); });
    ring_->cancel(recv_);
    settle();
    EXPECT_EQ(recv_.cqes.size(), 1u);
}

// | a cancelled send ended with 3.9 MB already written | call a retry safe only when no byte was sent |
TEST_P(Rules, ACancelledSendTellsHowMuchWasWritten) {
    Sockets pair;
    make_tcp(pair);
    const std::string large(32 << 20, 'x');
    start_send(pair.ours, large, SendMode::whole);
    settle();
    ASSERT_FALSE(send_.ended()) << "the peer does not read";
    ring_->cancel(send_);
    run_until([&] { return send_.ended(); });
    EXPECT_GT(send_.last(), 0) << "not -ECANCELED: bytes have left";
    EXPECT_LT(send_.last(), static_cast<int>(large.size()));
}

// | multishot lives while IORING_CQE_F_MORE; out of buffers it ends with -ENOBUFS | re-arm once leases return |
TEST_P(Rules, MultishotEndsWhenNoBufferIsFreeAndLosesNothing) {
    Sockets pair;
    make_pair(pair);
    std::string sent;
    for (size_t i = 0; i < buffer_bytes * buffer_count + 1000; ++i) sent += static_cast<char>('a' + i % 26);
    ASSERT_EQ(::write(pair.peers, sent.data(), sent.size()), static_cast<ssize_t>(sent.size()));
    ring_->recv_multishot(pair.ours, recv_);
    run_until([&] { return recv_.ended(); });
    EXPECT_EQ(recv_.last(), -ENOBUFS);
    EXPECT_EQ(recv_.bytes.size(), size_t{buffer_bytes} * buffer_count) << "every buffer was filled";
    for (size_t i = 0; i + 1 < recv_.cqes.size(); ++i) EXPECT_TRUE(recv_.cqes[i].more());

    ring_->recv_multishot(pair.ours, recv_);
    run_until([&] { return recv_.ended(); });
    EXPECT_EQ(recv_.last(), -ENOBUFS) << "armed again in vain while the leases are out";

    recv_.leases.clear();
    ring_->recv_multishot(pair.ours, recv_);
    run_until([&] { return recv_.bytes.size() == sent.size(); });
    EXPECT_EQ(recv_.bytes, sent) << "what waited in the socket comes now";
    EXPECT_FALSE(recv_.ended());
}

// | after our own shutdown or close, a CQE still brings bytes in a leased buffer | give it back before the state |
TEST_P(Rules, BytesStillComeAfterOurOwnShutdown) {
    Sockets pair;
    make_tcp(pair);
    ring_->recv_multishot(pair.ours, recv_);
    settle();
    ASSERT_EQ(::write(pair.peers, "on its way", 10), 10);
    ::shutdown(pair.ours, SHUT_RDWR);
    run_until([&] { return recv_.ended(); });
    EXPECT_EQ(recv_.bytes, "on its way") << "in a leased buffer, which has to go home";
    EXPECT_EQ(recv_.last(), 0);
}

// MSG_DONTWAIT: bytes in leased buffers never wait in the kernel for a peer that does not read.
TEST_P(Rules, ASendThatMustNotWaitReturnsShortAndThenEagain) {
    Sockets pair;
    make_tcp(pair);
    const std::string large(32 << 20, 'x');
    start_send(pair.ours, large, SendMode::now);
    run_until([&] { return send_.ended(); });
    EXPECT_GT(send_.last(), 0);
    EXPECT_LT(send_.last(), static_cast<int>(large.size()));
    for (int tries = 0; tries < 100 && send_.last() > 0; ++tries) {
        start_send(pair.ours, large, SendMode::now);
        run_until([&] { return send_.ended(); });
    }
    EXPECT_EQ(send_.last(), -EAGAIN);
}

TEST_P(Rules, ASendThatMayWaitIsDoneWhenSomethingWasTaken) {
    Sockets pair;
    make_tcp(pair);
    const std::string large(32 << 20, 'x');
    do {
        start_send(pair.ours, large, SendMode::now);
        run_until([&] { return send_.ended(); });
    } while (send_.last() > 0);
    start_send(pair.ours, large, SendMode::wait);
    settle();
    EXPECT_FALSE(send_.ended());
    std::string sink(1 << 20, ' ');
    for (int i = 0; i < 100 && !send_.ended(); ++i) {
        (void)::recv(pair.peers, sink.data(), sink.size(), MSG_DONTWAIT);
        tick();
    }
    EXPECT_TRUE(send_.ended());
    EXPECT_GT(send_.last(), 0);
    EXPECT_LT(send_.last(), static_cast<int>(large.size()));
}

TEST_P(Rules, ASendToAPeerThatHasGoneSaysSoAndRaisesNoSignal) {
    Sockets pair;
    make_pair(pair);
    ::close(std::exchange(pair.peers, -1));
    const std::string bytes = "hello";
    start_send(pair.ours, bytes, SendMode::wait);
    run_until([&] { return send_.ended(); });
    EXPECT_EQ(send_.last(), -EPIPE);
}

// Incremental: one buffer serves several receives (Linux 6.12); without it, each takes one of its own.
TEST_P(Rules, ReceivesShareABufferWhereTheKernelCan) {
    Sockets pair;
    make_pair(pair);
    ring_->recv_multishot(pair.ours, recv_);
    for (const std::string word : {"one", "two", "three"}) {
        const std::string before = recv_.bytes;
        ASSERT_EQ(::write(pair.peers, word.data(), word.size()), static_cast<ssize_t>(word.size()));
        run_until([&] { return recv_.bytes == before + word; });
    }
    ASSERT_EQ(recv_.leases.size(), 3u);
    const char* const first = recv_.leases[0].view().data();
    const char* const second = recv_.leases[1].view().data();
    EXPECT_EQ(recv_.cqes[0].buffer_more(), incremental_);
    EXPECT_EQ(recv_.cqes[0].buffer_id() == recv_.cqes[1].buffer_id(), incremental_);
    EXPECT_EQ(second == first + 3, incremental_);
}

TEST_P(Rules, BuffersGoRoundThousandsOfTimes) {
    Sockets pair;
    make_pair(pair);
    ring_->recv_multishot(pair.ours, recv_);
    std::string sent, received;
    for (int i = 0; i < 4'000; ++i) {
        const std::string piece(1 + static_cast<size_t>(i) * 37 % 900, static_cast<char>('a' + i % 26));
        ASSERT_EQ(::write(pair.peers, piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
        sent += piece;
        tick();
        if (i % 3 == 0) recv_.leases.clear();
        if (!recv_.in_flight) {
            recv_.leases.clear();
            ring_->recv_multishot(pair.ours, recv_);
        }
    }
    run_until([&] {
        recv_.leases.clear();
        if (!recv_.in_flight) ring_->recv_multishot(pair.ours, recv_);
        return recv_.bytes.size() == sent.size();
    });
    EXPECT_TRUE(recv_.bytes == sent);
}

std::string name_of(const testing::TestParamInfo<RingFeatures>& info) {
    return std::string(info.param.incremental_buffers ? "incremental" : "classic") +
           (info.param.defer_taskrun ? "_deferred" : "_cooperative");
}
INSTANTIATE_TEST_SUITE_P(Features, Rules,
                         testing::Values(RingFeatures{true, true}, RingFeatures{false, true}, RingFeatures{true, false},
                                         RingFeatures{false, false}),
                         name_of);

TEST(Features, TheMaskTakesAwayWhatTheKernelHas) {
    const auto none = probe_features({.incremental_buffers = false, .defer_taskrun = false});
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->incremental_buffers);
    EXPECT_FALSE(none->defer_taskrun);
}

TEST(Refusal, SaysWhatToChange) {
    EXPECT_NE(explain_refusal(EPERM).find("seccomp"), std::string::npos);
    EXPECT_NE(explain_refusal(ENOSYS).find("6.1"), std::string::npos);
    EXPECT_NE(explain_refusal(ENOMEM).find("memlock"), std::string::npos);
}

}  // namespace
}  // namespace loom::io
