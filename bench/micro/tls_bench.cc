// TLS over memory, both sides on one thread: what a handshake and a record cost. Halve the figures for one side's share
// of a record; a full handshake's larger half is the server's signature and the client's check of it.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "../../tests/net/tls_certificates.h"
#include "loom/net/tls_session.h"

namespace loom::net {
namespace {

struct Contexts {
    test::Authority authority;
    std::unique_ptr<TlsContext> server =
        *TlsContext::server({.certificates = {authority.issue({.names = "DNS:a.example"})}});
    std::unique_ptr<TlsContext> client = *TlsContext::client({.trust = authority.trust()});
};

bool pass(TlsSession& from, TlsSession& to, size_t* opened = nullptr) {
    char out[16384];
    while (from.pending_bytes() > 0) {
        std::string_view bytes = from.pending_ciphertext();
        const size_t size = bytes.size();
        for (bool more = true; more || !bytes.empty();) {
            const auto progress = to.feed(bytes, out);
            if (!progress) return false;
            bytes.remove_prefix(progress->consumed_bytes);
            if (opened != nullptr) *opened += progress->plaintext_bytes;
            more = progress->more;
        }
        from.consume_ciphertext(size);
    }
    return true;
}

bool open(TlsSession& client, TlsSession& server) {
    if (!server.start_server() || !client.start_client("a.example", 443)) return false;
    while (client.pending_bytes() + server.pending_bytes() > 0) {
        if (!pass(client, server) || !pass(server, client)) return false;
    }
    return server.write("!").has_value() && pass(server, client);  // tickets go with the first record
}

/// A look-up elsewhere than in the cache makes each handshake a full one.
void full_handshake(benchmark::State& state) {
    Contexts contexts;
    const auto cold = *TlsContext::client({.trust = contexts.authority.trust(), .session_hosts_max = 0});
    for (auto _ : state) {
        TlsSession client(*cold), server(*contexts.server);
        if (!open(client, server) || client.resumed()) state.SkipWithError("no full handshake");
    }
}
BENCHMARK(full_handshake)->Unit(benchmark::kMicrosecond);

void resumed_handshake(benchmark::State& state) {
    Contexts contexts;
    {
        TlsSession client(*contexts.client), server(*contexts.server);
        if (!open(client, server)) state.SkipWithError("no handshake");
    }
    for (auto _ : state) {
        TlsSession client(*contexts.client), server(*contexts.server);
        if (!open(client, server) || !client.resumed()) state.SkipWithError("not resumed");
    }
}
BENCHMARK(resumed_handshake)->Unit(benchmark::kMicrosecond);

/// Sealed by the server, opened by the client.
void record(benchmark::State& state) {
    Contexts contexts;
    TlsSession client(*contexts.client), server(*contexts.server);
    if (!open(client, server)) state.SkipWithError("no handshake");
    const std::string text(static_cast<size_t>(state.range(0)), 'x');
    for (auto _ : state) {
        size_t opened = 0;
        if (server.write(text).value_or(0) != text.size() || !pass(server, client, &opened) || opened != text.size()) {
            state.SkipWithError("not the text");
        }
    }
    state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(record)->Arg(300)->Arg(4000)->Arg(16384)->Arg(40000);

/// Not a time: heap bytes of one idle session pair, after its first exchange.
void idle_pair_bytes(benchmark::State& state) {
    constexpr size_t count = 200;
    Contexts contexts;
    for (auto _ : state) {
        std::vector<std::unique_ptr<TlsSession>> sessions;
        for (size_t i = 0; i < count + 10; ++i) {
            static size_t before;
            if (i == 10) before = mallinfo2().uordblks;  // the caches are warm now
            sessions.push_back(std::make_unique<TlsSession>(*contexts.client));
            sessions.push_back(std::make_unique<TlsSession>(*contexts.server));
            if (!open(**(sessions.end() - 2), **(sessions.end() - 1))) state.SkipWithError("no handshake");
            if (i == count + 9) {
                state.counters["bytes_per_pair"] = static_cast<double>(mallinfo2().uordblks - before) / count;
            }
        }
    }
}
BENCHMARK(idle_pair_bytes)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace loom::net

BENCHMARK_MAIN();
