// TLS streams on a real shard, both ends over the loopback: what a user of net::Stream sees must be what TCP shows.
#include "loom/net/tls_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "loom/net/listener.h"
#include "loom/net/sender.h"
#include "tls_pair.h"

namespace loom::net::test {
namespace {

const std::string question = "question", answer = "answer", words = "last words", good = "good";

struct Watch final : TlsWatch {
    int opened = 0;
    int resumed = 0;
    std::vector<std::string> faults;
    int given_up = 0;
    void on_tls_open(bool was_resumed, uint64_t) noexcept override {
        opened += 1;
        resumed += was_resumed ? 1 : 0;
    }
    void on_tls_failed(std::string_view text, bool) noexcept override { faults.emplace_back(text); }
    void on_tls_given_up() noexcept override { given_up += 1; }
};

/// One end of a connection, and all that its stream told it.
struct End final : StreamUser {
    std::unique_ptr<TlsStream> stream;
    std::unique_ptr<Sender> sender;
    std::optional<Result<void>> connected;
    std::string received;
    std::optional<Error> end;
    std::vector<size_t> sent;
    std::optional<Error> send_error;
    bool reads = true;
    bool raw = false;  // sends without a Sender
    bool closed = false;
    std::string greeting;  // sent from inside on_connected

    void on_connected(Stream&, Result<void> result) noexcept override {
        EXPECT_FALSE(connected.has_value()) << "told twice";
        connected = result;
        if (!result) return;
        if (reads) stream->start_reading();
        if (greeting.empty()) return;
        sender->add_stable(greeting);
        sender->flush();
    }
    void on_bytes(Stream&, io::BufferLease bytes) noexcept override {
        EXPECT_TRUE(connected.has_value()) << "bytes before the handshake was told";
        EXPECT_FALSE(bytes.view().empty());
        EXPECT_FALSE(end.has_value()) << "bytes behind the end";
        received += bytes.view();
    }
    void on_end(Stream&, Error why) noexcept override {
        EXPECT_FALSE(end.has_value()) << "told twice";
        end = why;
    }
    void on_sent(Stream&, Result<size_t> bytes) noexcept override {
        if (bytes) sent.push_back(*bytes);
        if (!bytes) send_error = bytes.error();
        if (!raw) (void)sender->on_sent(bytes);
    }
    void on_closed(Stream&) noexcept override {
        EXPECT_FALSE(closed) << "told twice";
        closed = true;
        sender->abandon();
    }
    /// `text` stays put until it was sent.
    void say(const std::string& text) {
        sender->add_stable(text);
        sender->flush();
    }
};

class TlsStreamTest : public testing::Test {
  protected:
    void SetUp() override {
        ASSERT_TRUE(shard_.open());
        listener_ = open_listener(*Address::parse_ip("127.0.0.1"), {}, Claim::alone).value();
        sockaddr_storage bound{};
        socklen_t length = sizeof bound;
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&bound), &length);
        address_ = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&bound), length);
        make_contexts({.names = "DNS:a.example"});
        make_plain(8);
    }
    void TearDown() override {
        for (End* end : {&client_, &server_}) close(*end, Close::abort);
        EXPECT_EQ(plain_->leased_count(), 0u);
        EXPECT_EQ(shard_.buffers().leased_count(), 0u);
        ::close(listener_);
        shard_.close();
    }

    void make_contexts(const HostSpec& spec) {
        server_context_ = make_server({.certificates = {authority_.issue(spec)}});
        client_context_ = make_client({.trust = authority_.trust()});
    }
    void make_plain(uint16_t count) { plain_ = std::make_unique<io::BufferPool>(count, 16 * 1024); }

    template <class Condition>
    void tick_until(const char* what, Condition condition) {
        struct Heart : io::Timer {
            Heart() : Timer([](io::Timer&) noexcept {}) {}
        } heart;
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!condition()) {
            ASSERT_LT(std::chrono::steady_clock::now(), until) << "not in time: " << what;
            shard_.timers().arm(heart, 2);
            shard_.tick();
        }
    }
    void ticks(int count) {
        tick_until("ticks", [&] { return count-- == 0; });
    }

    void make_end(End& end, TlsContext& context, Watch& watch) {
        end.stream = std::make_unique<TlsStream>(
            shard_, TlsShare{.context = &context, .plain = plain_.get(), .watch = &watch}, end);
        end.sender = std::make_unique<Sender>(*end.stream, shard_);
    }
    /// Connects; the handshake is under way when this returns.
    void start(const char* host = "a.example") {
        make_end(client_, *client_context_, client_watch_);
        make_end(server_, *server_context_, server_watch_);
        ASSERT_TRUE(client_.stream->connect(address_, {}, host, 443));
        server_fd_ = accept();
        ASSERT_TRUE(server_.stream->adopt(server_fd_));
    }
    int accept() {
        int fd = -1;
        tick_until("a connection", [&] {
            fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
            return fd >= 0;
        });
        return fd;
    }
    void open(const char* host = "a.example") {
        start(host);
        tick_until("both handshakes", [&] { return client_.connected && server_.connected; });
        ASSERT_TRUE(client_.connected->has_value()) << client_.connected->error().what;
        ASSERT_TRUE(server_.connected->has_value()) << server_.connected->error().what;
    }
    void close(End& end, Close how) {
        if (end.stream == nullptr) return;
        end.stream->begin_close(how);
        tick_until("on_closed", [&] { return end.closed; });
    }
    /// Both ends anew, over the same contexts.
    void forget_connection() {
        for (End* end : {&client_, &server_}) close(*end, Close::orderly);
        std::destroy_at(&client_);
        std::construct_at(&client_);
        std::destroy_at(&server_);
        std::construct_at(&server_);
    }
    void expect_refused(std::initializer_list<const char*> parts) {
        tick_until("the client's refusal", [&] { return client_.connected.has_value(); });
        ASSERT_FALSE(client_.connected->has_value());
        EXPECT_EQ(client_.connected->error().code, Errc::tls_failed);
        EXPECT_EQ(client_.connected->error().retry, Retry::safe);
        ASSERT_EQ(client_watch_.faults.size(), 1u);
        expect_says(client_watch_.faults[0], parts);
        EXPECT_EQ(client_watch_.opened, 0);
    }

    Authority authority_;
    std::unique_ptr<TlsContext> server_context_, client_context_;
    std::unique_ptr<io::BufferPool> plain_;
    io::Shard shard_{0, {.ring_entries = 64, .buffer_count = 64, .buffer_bytes = 16 * 1024}};
    Watch client_watch_, server_watch_;
    End client_, server_;
    Address address_;
    int listener_ = -1;
    int server_fd_ = -1;
};

TEST_F(TlsStreamTest, OpensAfterTheHandshakeAndCarriesBytesBothWays) {
    client_.greeting = "GET / HTTP/1.1\r\n\r\n";
    open();
    EXPECT_EQ(client_watch_.opened, 1);
    EXPECT_EQ(client_.stream->session().alpn(), "http/1.1");
    tick_until("the request", [&] { return server_.received == client_.greeting; });
    server_.say(answer);
    tick_until("the answer", [&] { return client_.received == answer; });
    EXPECT_EQ(client_.sent, std::vector<size_t>{client_.greeting.size()});
    EXPECT_EQ(server_.sent, std::vector<size_t>{answer.size()});
}

TEST_F(TlsStreamTest, SmallRecordsStayInTheRingsOwnBuffers) {
    make_plain(1);
    open();
    io::BufferLease only = plain_->take();  // a plain buffer would not be there
    std::string all;
    for (int i = 0; i < 100; ++i) {
        const std::string event = "data: " + std::to_string(i) + "\n\n";
        all += event;
        server_.say(event);
        tick_until("an event", [&] { return client_.received == all; });
    }
}

TEST_F(TlsStreamTest, CarriesMegabytesWholeInBothModes) {
    open();
    const std::string big = noise(3 << 20);
    client_.say(big);
    tick_until("3 MiB", [&] { return server_.received.size() >= big.size(); });
    EXPECT_EQ(server_.received, big);
    for (size_t at = 0; at < big.size(); at += 100'000) {  // as leased bytes: sent now, or copied aside
        server_.sender->add_leased(std::string_view(big).substr(at, 100'000));
        server_.sender->flush();
        if (at % 700'000 == 0) ticks(1);
    }
    tick_until("3 MiB back", [&] { return client_.received.size() >= big.size(); });
    EXPECT_EQ(client_.received, big);
    tick_until("the sender to be idle", [&] { return server_.sender->idle(); });
}

TEST_F(TlsStreamTest, APeerThatDoesNotReadHoldsBackTheSender) {
    client_.reads = false;
    open();
    const std::string block = noise(100'000);
    std::string all;
    size_t held_bytes = 0;
    for (int i = 0; i < 200 && held_bytes < 1'000'000; ++i) {
        all += block;
        server_.sender->add_leased(block);
        server_.sender->flush();
        ticks(2);
        held_bytes = server_.sender->held_bytes();
    }
    EXPECT_GE(held_bytes, 1'000'000u);
    EXPECT_LE(server_.stream->session().pending_bytes(), TlsSession::pending_max);
    client_.stream->start_reading();
    tick_until("all of it", [&] { return client_.received.size() >= all.size(); });
    EXPECT_TRUE(client_.received == all);
    tick_until("the sender to be idle", [&] { return server_.sender->idle(); });
}

TEST_F(TlsStreamTest, NowTakesNothingWhileThePeerIsBehindAndWaitWaits) {
    client_.reads = false;
    server_.raw = true;
    open();
    const std::string block = noise(1 << 20);
    const iovec piece{const_cast<char*>(block.data()), block.size()};
    size_t taken = 0;
    const auto send = [&](io::SendMode mode) {
        server_.sent.clear();
        server_.stream->send({&piece, 1}, mode);
        EXPECT_TRUE(server_.sent.empty()) << "told from inside the call";
        EXPECT_TRUE(server_.stream->send_in_flight());
    };
    for (bool behind = false; !behind;) {
        send(io::SendMode::now);
        tick_until("on_sent", [&] { return !server_.sent.empty(); });
        behind = server_.sent.front() == 0;
        taken += server_.sent.front();
    }
    EXPECT_GT(taken, 0u);
    send(io::SendMode::wait);
    ticks(20);
    EXPECT_TRUE(server_.sent.empty());
    client_.stream->start_reading();
    tick_until("on_sent", [&] { return !server_.sent.empty(); });
    EXPECT_GT(server_.sent.front(), 0u);
    taken += server_.sent.front();
    tick_until("all that was taken", [&] { return client_.received.size() >= taken; });
    ticks(5);
    EXPECT_EQ(client_.received.size(), taken);
}

TEST_F(TlsStreamTest, WithoutPlainBuffersTheReaderWaitsAndLosesNothing) {
    make_plain(1);
    open();
    io::BufferLease only = plain_->take();
    const std::string big = noise(1 << 20);
    server_.say(big);
    ticks(50);
    EXPECT_LT(client_.received.size(), 200'000u);
    only.release();
    tick_until("1 MiB", [&] { return client_.received.size() >= big.size(); });
    EXPECT_EQ(client_.received, big);
}

TEST_F(TlsStreamTest, AnEndInOrderIsToldFromACut) {
    open();
    server_.say(words);
    server_.stream->begin_close(Close::orderly);
    tick_until("the end", [&] { return client_.end.has_value(); });
    EXPECT_EQ(client_.end->code, Errc::closed);
    forget_connection();

    open();
    server_.say(words);
    tick_until("the words", [&] { return !client_.received.empty(); });
    ::shutdown(server_fd_, SHUT_WR);  // FIN, and no close_notify before it
    tick_until("the end", [&] { return client_.end.has_value(); });
    EXPECT_EQ(client_.end->code, Errc::reset);
    expect_says(client_.end->what, {"close_notify"});
    forget_connection();

    open();
    server_.stream->begin_close(Close::abort);
    tick_until("the end", [&] { return client_.end.has_value(); });
    EXPECT_EQ(client_.end->code, Errc::reset);
}

TEST_F(TlsStreamTest, AnOrderlyCloseDeliversWhatWasSent) {
    open();
    const std::string big = noise(200'000);
    server_.say(big);
    tick_until("the sender to be idle", [&] { return server_.sender->idle(); });
    server_.stream->begin_close(Close::orderly);
    tick_until("the end", [&] { return client_.end.has_value(); });
    EXPECT_EQ(client_.received, big);
    EXPECT_EQ(client_.end->code, Errc::closed);
    tick_until("on_closed", [&] { return server_.closed; });
}

TEST_F(TlsStreamTest, ShutdownEndsOneDirection) {
    open();
    client_.say(question);
    client_.stream->shutdown_sending();
    tick_until("the end of the question", [&] { return server_.end.has_value(); });
    EXPECT_EQ(server_.end->code, Errc::closed);
    EXPECT_EQ(server_.received, "question");
    server_.say(answer);
    tick_until("the answer", [&] { return client_.received == "answer"; });
}

TEST_F(TlsStreamTest, AWrongHostIsRefusedBeforeAnyByte) {
    client_.greeting = "secret";
    start("b.example");
    expect_refused({"b.example", "a.example", "subject \"", "issuer \"CN=Test CA\"", "remedy:"});
    tick_until("the server's end", [&] { return server_.connected || server_.end; });
    EXPECT_EQ(server_.received, "");
}

TEST_F(TlsStreamTest, AnUnknownAuthorityIsRefused) {
    Authority other("Another CA");
    client_context_ = make_client({.trust = other.trust()});
    start();
    expect_refused({"a.example", "issuer \"CN=Test CA\"", "trusted CA file"});
}

TEST_F(TlsStreamTest, AnExpiredCertificateIsRefused) {
    make_contexts({.names = "DNS:a.example", .begins_in_seconds = -7200, .ends_in_seconds = -3600});
    start();
    expect_refused({"expired on", "renew it"});
}

TEST_F(TlsStreamTest, AServerWithoutTlsIsNamed) {
    make_end(client_, *client_context_, client_watch_);
    ASSERT_TRUE(client_.stream->connect(address_, {}, "a.example", 443));
    const int fd = accept();
    ASSERT_GT(::send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0), 0);
    expect_refused({"does not speak TLS", "http instead of https"});
    ::close(fd);
}

TEST_F(TlsStreamTest, AServerThatClosesInTheHandshakeIsNamed) {
    make_end(client_, *client_context_, client_watch_);
    ASSERT_TRUE(client_.stream->connect(address_, {}, "a.example", 443));
    const int fd = accept();
    char hello[4096];
    tick_until("the hello", [&] { return ::recv(fd, hello, sizeof hello, MSG_DONTWAIT) > 0; });
    ::close(fd);
    expect_refused({"a.example", "in the TLS handshake", "443", "remedy:"});
}

TEST_F(TlsStreamTest, ARefusedConnectionIsToldAsTcpTellsIt) {
    make_end(client_, *client_context_, client_watch_);
    ::close(listener_);
    listener_ = -1;
    ASSERT_TRUE(client_.stream->connect(address_, {}, "a.example", 443));
    tick_until("the answer", [&] { return client_.connected.has_value(); });
    ASSERT_FALSE(client_.connected->has_value());
    EXPECT_EQ(client_.connected->error().code, Errc::refused);
    EXPECT_TRUE(client_watch_.faults.empty());
}

TEST_F(TlsStreamTest, TheSecondConnectionResumes) {
    for (int i = 0; i < 3; ++i) {
        client_.greeting = "question";
        open();
        server_.say(answer);  // the ticket comes with it
        tick_until("the answer", [&] { return client_.received == "answer"; });
        EXPECT_EQ(client_watch_.opened, i + 1);
        EXPECT_EQ(client_watch_.resumed, i);
        forget_connection();
    }
}

TEST_F(TlsStreamTest, ClosesAtAnyStepOfTheHandshake) {
    for (const Close how : {Close::orderly, Close::abort}) {
        for (int steps = 0; steps < 6; ++steps) {
            start();
            ticks(steps);
            client_.stream->begin_close(how);
            tick_until("on_closed", [&] { return client_.closed; });
            tick_until("the server's end", [&] { return server_.end || (server_.connected && !*server_.connected); });
            forget_connection();
        }
    }
}

TEST_F(TlsStreamTest, ABrokenRecordEndsTheStreamAndIsSaid) {
    open();
    server_.say(good);
    tick_until("good bytes", [&] { return client_.received == "good"; });
    const std::string bad = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
    ASSERT_EQ(::send(server_fd_, bad.data(), bad.size(), 0), static_cast<ssize_t>(bad.size()));
    tick_until("the end", [&] { return client_.end.has_value(); });
    EXPECT_EQ(client_.end->code, Errc::tls_failed);
    EXPECT_EQ(client_watch_.faults.size(), 1u);
    EXPECT_EQ(client_.received, "good");
}

// ---- a server's clients that do not shake hands ----

/// A client without TLS of its own: a socket of the kernel's.
class TlsServerAlone : public TlsStreamTest {
  protected:
    void TearDown() override {
        ::close(raw_);
        TlsStreamTest::TearDown();
    }
    void start_raw() {
        raw_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(::connect(raw_, address_.get(), address_.length()), 0);
        make_end(server_, *server_context_, server_watch_);
        ASSERT_TRUE(server_.stream->adopt(accept()));
    }
    void say_raw(const std::string& text) {
        ASSERT_EQ(::send(raw_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
    }
    /// All that comes until the FIN; "reset" when there is none.
    std::string read_raw_to_end() {
        std::string all;
        ssize_t count = 1;
        tick_until("the end", [&] {
            char bytes[1000];
            while ((count = ::recv(raw_, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
                all.append(bytes, static_cast<size_t>(count));
            return count == 0 || errno != EAGAIN;
        });
        return count == 0 ? all : "reset";
    }
    int raw_ = -1;
};

/// It had ended the process: bytes were handed on before anybody was told of the handshake's end.
TEST_F(TlsServerAlone, TheHandshakesEndWithGoodAndBrokenRecordsInOneReadIsAFailure) {
    start_raw();
    TlsSession client(*client_context_);
    ASSERT_TRUE(client.start_client("a.example", 443));
    const auto take_all = [&client] {
        std::string all;
        while (client.pending_bytes() > 0) {
            const std::string part(client.pending_ciphertext());
            client.consume_ciphertext(part.size());
            all += part;
        }
        return all;
    };
    say_raw(take_all());
    tick_until("the client's end of the handshake", [&] {
        char bytes[4000];
        char none[1];
        const ssize_t count = ::recv(raw_, bytes, sizeof bytes, MSG_DONTWAIT);
        std::string_view ciphertext(bytes, count > 0 ? static_cast<size_t>(count) : 0);
        while (!ciphertext.empty()) {
            const auto progress = client.feed(ciphertext, none);
            if (!progress) return true;
            ciphertext.remove_prefix(progress->consumed_bytes);
        }
        return client.handshake_done();
    });
    ASSERT_TRUE(client.handshake_done());
    ASSERT_TRUE(client.write("GET / HTTP/1.1\r\n\r\n"));
    say_raw(take_all() + std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));
    tick_until("the verdict", [&] { return server_.connected.has_value(); });
    ASSERT_FALSE(server_.connected->has_value());
    EXPECT_EQ(server_.connected->error().code, Errc::tls_failed);
    EXPECT_EQ(server_.received, "");
    EXPECT_EQ(server_watch_.opened, 0);
    EXPECT_EQ(server_watch_.faults.size(), 1u);
}

TEST_F(TlsServerAlone, WhoSpeaksHttpReadsAnAnswerWhateverItStillSends) {
    start_raw();
    say_raw("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n");
    tick_until("the refusal", [&] { return server_.connected.has_value(); });
    EXPECT_EQ(server_.connected->error().code, Errc::tls_failed);
    ASSERT_TRUE(server_.stream->session().met_plain_http());
    say_raw(std::string(50'000, 'x'));  // unread by now: closing at once would reset
    server_.stream->answer_in_plain("HTTP/1.1 400 Bad Request\r\n\r\n");
    server_.stream->begin_close(Close::orderly);
    EXPECT_EQ(read_raw_to_end(), "HTTP/1.1 400 Bad Request\r\n\r\n");
    say_raw(std::string(50'000, 'x'));
    ::shutdown(raw_, SHUT_WR);
    tick_until("on_closed", [&] { return server_.closed; });
    ASSERT_EQ(server_watch_.faults.size(), 1u);
    expect_says(server_watch_.faults[0], {"plain HTTP", "https://"});
}

TEST_F(TlsServerAlone, WhoIsRefusedAndNeverLeavesIsLetGo) {
    start_raw();
    say_raw("GET / HTTP/1.1\r\n\r\n");
    tick_until("the refusal", [&] { return server_.connected.has_value(); });
    const uint64_t begun_ms = shard_.timers().now_ms();
    server_.stream->begin_close(Close::orderly);
    tick_until("on_closed", [&] { return server_.closed; });
    EXPECT_GE(shard_.timers().now_ms() - begun_ms, TlsStream::refused_linger_ms - 1);
    EXPECT_EQ(server_watch_.given_up, 0) << "it failed, and that was told";
}

TEST_F(TlsServerAlone, WhoLeavesWithoutAWordDidNotFail) {
    start_raw();
    ::shutdown(raw_, SHUT_WR);
    tick_until("the end", [&] { return server_.connected.has_value(); });
    EXPECT_FALSE(server_.connected->has_value());
    EXPECT_TRUE(server_watch_.faults.empty());
}

TEST_F(TlsServerAlone, WhoLeavesInTheHandshakeIsTold) {
    start_raw();
    say_raw(std::string("\x16\x03\x01\x02", 4));
    ::shutdown(raw_, SHUT_WR);
    tick_until("the end", [&] { return server_.connected.has_value(); });
    ASSERT_EQ(server_watch_.faults.size(), 1u);
    expect_says(server_watch_.faults[0], {"left in the handshake", "remedy"});
}

TEST_F(TlsServerAlone, AHandshakeThatTheOwnerEndsIsCountedOnce) {
    start_raw();
    say_raw(std::string("\x16\x03\x01\x02", 4));
    ticks(3);
    close(server_, Close::abort);
    EXPECT_EQ(server_watch_.given_up, 1);
    EXPECT_TRUE(server_watch_.faults.empty());
}

}  // namespace
}  // namespace loom::net::test
