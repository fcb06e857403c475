// What a live stream takes that is TLS on both sides, beyond what the library takes for its two sessions.
#include <fmt/format.h>
#include <malloc.h>
#include <sys/resource.h>

#include <vector>

#include "tls_front.h"
#include "tls_listener_fixture.h"
#include "tls_pair.h"

namespace loom::wire {
namespace {

/// Loom's own part of such a stream, all of it: two connections, the exchange, two sessions' state outside the library.
constexpr size_t own_bytes_max = 9 * 1024;

/// Of the library's heap, for a session of each side after their handshake and a record each way, as in Loom: with its
/// contexts, and all output sent.
size_t library_bytes_per_pair() {
    constexpr size_t warm_count = 50, count = 200;
    net::test::Pair contexts({.names = "DNS:a.example"});
    std::vector<std::unique_ptr<net::test::Connection>> pairs;
    const auto open_one = [&] {
        pairs.push_back(std::make_unique<net::test::Connection>(contexts));
        if (!pairs.back()->open() || !pairs.back()->client.write("?") ||
            !net::test::pass(pairs.back()->client, pairs.back()->server, SIZE_MAX))
            throw WireError("no handshake in memory");
    };
    pairs.reserve(warm_count + count);
    while (pairs.size() < warm_count) open_one();
    const size_t before = ::mallinfo2().uordblks;
    while (pairs.size() < warm_count + count) open_one();
    return (::mallinfo2().uordblks - before) / count - sizeof(net::test::Connection);
}

class TlsMemory : public TlsListener {
  protected:
    TlsMemory() {
        rlimit limit{};
        ::getrlimit(RLIMIT_NOFILE, &limit);
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
        write("ca.pem", authority_.pem());
    }
    ~TlsMemory() override { front_.reset(); }

    void start_both_sides(ScriptedUpstream::Script script) {
        scripted_ = std::make_unique<ScriptedUpstream>(std::move(script));
        front_ = std::make_unique<TlsFront>(
            scripted_->port(), net::TlsServerOptions{.certificates = {authority_.issue({.names = "IP:127.0.0.1"})}});
        conf.set("provider.mock.base_url", fmt::format("https://127.0.0.1:{}/v1", front_->port()));
        conf.set("provider.mock.tls.ca_file", file("ca.pem"));
        start_without_upstream();
    }
    /// One more client in the middle of its answer.
    void open_stream() {
        live_.push_back(std::make_unique<TlsClient>(loom().port(), *trusting_));
        live_.back()->send(chat_request(stream_body));
        live_.back()->reader().start_response();
        live_.back()->reader().read_body_until("Hello");
    }

    std::unique_ptr<ScriptedUpstream> scripted_;
    std::unique_ptr<TlsFront> front_;
    std::vector<std::unique_ptr<TlsClient>> live_;
};

TEST_F(TlsMemory, ALiveStreamTakesLittleBeyondTheLibrary) {
    constexpr size_t warm_count = 60, count = 240;
    // Before any other thread is there: one that frees its sessions meanwhile would be counted against these.
    const size_t library_bytes = is_sanitized() ? 0 : library_bytes_per_pair();
    start_both_sides([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hello")));
        connection.wait_closed();
    });
    while (live_.size() < warm_count) open_stream();
    const size_t before = loom().resident_bytes();
    while (live_.size() < warm_count + count) open_stream();
    const size_t stream_bytes = (loom().resident_bytes() - before) / count;
    EXPECT_EQ(loom().eventually("loom_streams_open"), static_cast<double>(warm_count + count));
    if (is_sanitized()) return;  // freed memory is kept, and shadowed
    std::printf("a live stream, TLS on both sides: %zu bytes; BoringSSL's two sessions: %zu; Loom's own: %zd\n",
                stream_bytes, library_bytes, static_cast<ssize_t>(stream_bytes - library_bytes));
    EXPECT_GT(library_bytes, 4096u);
    EXPECT_LE(stream_bytes, library_bytes + own_bytes_max);
}

}  // namespace
}  // namespace loom::wire
