// A pool of connections on a ring of memory: the test is the kernel, and says in which order it tells what.
#include "loom/upstream/pool.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <string>

#include "sim_ring.h"

namespace loom::upstream {
namespace {

using sim::Op;

class OneAddress final : public net::NameService {
  public:
    void resolve(std::string, uint16_t port, Done done) override {
        const uint8_t ip[] = {192, 0, 2, 1};
        done(std::vector<net::Address>{net::Address::from_ip(ip, port)}, std::chrono::hours(1));
    }
};

struct Uncounted final : PoolWatch {
    void on_connected() noexcept override {}
    void on_reused() noexcept override {}
    void on_connect_failed(Errc) noexcept override {}
    void on_level(int, int) noexcept override {}
    void on_tls_open(bool, uint64_t) noexcept override {}
    void on_tls_failed(std::string_view, bool) noexcept override {}
    void on_tls_given_up() noexcept override {}
};

struct User final : ConnectionUser {
    void on_upstream_connected(Result<void> result) noexcept override { connected = result.has_value(); }
    void on_upstream_bytes(io::BufferLease lease) noexcept override { bytes += lease.view(); }
    void on_upstream_end(Error why) noexcept override {
        end = why;
        ends += 1;
    }
    void on_upstream_sent(net::Sender::State) noexcept override {}
    void on_upstream_closed() noexcept override {}
    bool connected = false;
    std::string bytes;
    Error end;
    int ends = 0;
};

class PoolTest : public testing::Test {
  protected:
    PoolTest() { next_tick(); }
    ~PoolTest() override {
        pool_.retire();
        while (!pool_.empty()) {
            if (fd_ >= 0 && ring().in_flight(fd_, Op::recv)) ring().complete(fd_, Op::recv, -ECANCELED);
            if (fd_ >= 0 && ring().in_flight(fd_, Op::send)) ring().complete(fd_, Op::send, -ECANCELED);
            next_tick();
        }
    }

    sim::SimRing& ring() { return sim_.ring(); }
    void next_tick() { sim_.tick(); }

    /// A connection that has served once and is idle.
    void have_idle() {
        User first;
        Connection* const connection = *pool_.acquire(first);
        next_tick();  // the address comes by the mailbox
        ring().complete(mailbox_fd(), Op::read, 8);
        next_tick();
        for (int fd = 0; fd < 64 && fd_ < 0; ++fd)
            if (ring().in_flight(fd, Op::connect)) fd_ = fd;
        ASSERT_GE(fd_, 0);
        ring().complete(fd_, Op::connect, 0);
        next_tick();
        ASSERT_TRUE(first.connected);
        connection->sender().add_copy("one");
        connection->flush();
        ASSERT_TRUE(ring().in_flight(fd_, Op::send)) << "a fresh connection has nothing to tell";
        ring().complete(fd_, Op::send, 3);
        next_tick();
        pool_.give_back(*connection);
    }
    int mailbox_fd() {
        for (int fd = 0; fd < 1024; ++fd)
            if (ring().in_flight(fd, Op::read)) return fd;
        return -1;
    }
    Connection& lend(User& user, std::string_view request = "two") {
        Connection* const connection = *pool_.acquire(user);
        connection->sender().add_copy(request);
        connection->flush();
        return *connection;
    }
    void drop(Connection& connection) { EXPECT_FALSE(pool_.drop(connection, net::Close::abort)); }
    bool was_asked() { return ring().in_flight(fd_, Op::send); }

    sim::SimShard sim_;
    OneAddress names_;
    Uncounted watch_;
    Pool pool_{sim_.shard(), names_, watch_, EndpointOptions{.name = "test", .host = "test.example", .port = 80}};
    int fd_ = -1;
};

TEST_F(PoolTest, AnIdleConnectionThatTalksIsClosed) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    ring().deliver(fd_, "H");
    next_tick();
    EXPECT_EQ(pool_.idle_count(), 0u);
}

// The upstream's bytes and the client's next request came in one go, the request's completion first: what nobody had
// asked for was read as its answer.
TEST_F(PoolTest, BytesThatCameBeforeTheRequestAreNoAnswerToIt) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    ring().deliver(fd_, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");  // behind the client's in the same queue
    User user;
    Connection& connection = lend(user);
    EXPECT_FALSE(was_asked()) << "before the kernel has told what it has";
    next_tick();
    EXPECT_EQ(user.bytes, "");
    EXPECT_EQ(user.ends, 1);
    EXPECT_EQ(user.end.code, Errc::bad_message);
    EXPECT_FALSE(was_asked()) << "so that another connection may be asked instead";
    drop(connection);
}

TEST_F(PoolTest, WhatComesInSeveralPiecesBeforeTheRequestIsToldOnce) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    for (const std::string_view piece : {"HTTP/1.1 200 OK\r\n", "content-length: 0\r\n\r\n"})
        ring().deliver(fd_, piece);
    ring().end_of_stream(fd_);
    User user;
    Connection& connection = lend(user);
    next_tick();
    EXPECT_EQ(user.bytes, "");
    EXPECT_EQ(user.ends, 1);
    drop(connection);
}

TEST_F(PoolTest, AnEndThatCameBeforeTheRequestSparesIt) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    ring().end_of_stream(fd_);
    User user;
    Connection& connection = lend(user);
    next_tick();
    EXPECT_EQ(user.ends, 1);
    EXPECT_EQ(user.end.code, Errc::closed);
    EXPECT_FALSE(was_asked());
    drop(connection);
}

// The poll may tell of a FIN before the receive has come to it.
TEST_F(PoolTest, AnIdleConnectionWhosePeerHungUpIsNotLent) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    ring().complete(fd_, Op::hang_up, POLLRDHUP);
    next_tick();
    User user;
    Connection& connection = *pool_.acquire(user).value();
    EXPECT_FALSE(connection.reused());
    EXPECT_EQ(pool_.idle_count(), 0u);
    drop(connection);
    next_tick();
    for (int fd = 0; fd < 64; ++fd)
        if (ring().in_flight(fd, Op::connect)) ring().complete(fd, Op::connect, -ECANCELED);
}

TEST_F(PoolTest, AConnectionWhosePeerHangsUpBeforeItIsAskedSparesTheRequest) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    User user;
    Connection& connection = lend(user);
    ring().complete(fd_, Op::hang_up, POLLRDHUP);
    next_tick();
    EXPECT_EQ(user.ends, 1);
    EXPECT_EQ(user.end.code, Errc::closed);
    EXPECT_FALSE(was_asked());
    drop(connection);
}

TEST_F(PoolTest, AConnectionWhosePeerHungUpDoesNotComeBack) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    User user;
    Connection& connection = lend(user);
    next_tick();
    ring().complete(fd_, Op::send, 3);
    ring().complete(fd_, Op::hang_up, POLLRDHUP);
    next_tick();
    EXPECT_EQ(user.ends, 0) << "its answer may still lie in the socket";
    pool_.give_back(connection);
    EXPECT_EQ(pool_.idle_count(), 0u);
}

TEST_F(PoolTest, AQuietConnectionIsAskedInTheSameTurn) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    User user;
    Connection& connection = lend(user);
    next_tick();
    ASSERT_TRUE(was_asked());
    EXPECT_EQ(ring().find(fd_, Op::send)->bytes, "two");
    ring().complete(fd_, Op::send, 3);
    ring().deliver(fd_, "answer");
    next_tick();
    EXPECT_EQ(user.bytes, "answer");
    drop(connection);
}

// Its receive may have been paused or be armed anew: only the next turn tells what the socket holds.
TEST_F(PoolTest, AConnectionLentInTheTurnInWhichItCameBackIsAskedInTheNext) {
    ASSERT_NO_FATAL_FAILURE(have_idle());  // given back between two ticks, and so is it lent
    User user;
    Connection& connection = lend(user);
    next_tick();
    EXPECT_TRUE(was_asked());
    ring().complete(fd_, Op::send, 3);
    next_tick();
    pool_.give_back(connection);
    User next;
    Connection& again = lend(next, "three");
    ring().deliver(fd_, "late");
    next_tick();
    EXPECT_EQ(next.bytes, "");
    EXPECT_EQ(next.ends, 1);
    EXPECT_FALSE(was_asked());
    drop(again);
}

TEST_F(PoolTest, ARequestThatIsGivenUpBeforeItLeftIsForgotten) {
    ASSERT_NO_FATAL_FAILURE(have_idle());
    next_tick();
    User user;
    drop(lend(user));
    next_tick();
    EXPECT_FALSE(was_asked());
}

}  // namespace
}  // namespace loom::upstream
