// loom-mock: a mock provider for the bench.
#include <csignal>
#include <cstdio>

#include "mock_server.h"
#include "options.h"
#include "sockets.h"

static volatile std::sig_atomic_t stop = 0;

static constexpr std::string_view usage =
    "loom-mock --listen 127.0.0.1:9000 [--cpu N] [--mock events=200,interval_us=0,per_write=1,bytes=200,delay_us=0,slow_each=0,slow_us=0]\n"
    "          [--tls-listen 127.0.0.1:9020 --certificate FILE --key FILE]\n"
    "A request overrides the parameters by the header x-mock or by \"user\":\"mock:events=…\" in its body.\n";

int main(int argc, char** argv) {
    const bench::Options options(argc, argv, usage);
    bench::MockParams defaults;
    if (!bench::read_params(options.text("mock", ""), defaults)) {
        std::fprintf(stderr, "loom-mock: unknown parameter in --mock\n");
        return 64;
    }
    if (options.has("cpu")) bench::pin_to_cpu(int(options.number("cpu", 0)));
    bench::raise_fd_limit();
    std::signal(SIGTERM, [](int) { stop = 1; });
    std::signal(SIGINT, [](int) { stop = 1; });
    bench::MockServer server(options.text("listen", "127.0.0.1:9000"), defaults);
    if (options.has("tls-listen"))
        server.listen_with_tls(options.text("tls-listen", ""), options.text("certificate", ""),
                               options.text("key", ""));
    server.run(stop);
    const auto& stats = server.stats();
    std::fprintf(stderr, "{\"connections\":%lu,\"requests\":%lu,\"streams\":%lu,\"streams_cut\":%lu,\"bad\":%lu}\n",
                 stats.connections, stats.requests, stats.streams, stats.streams_cut, stats.bad_requests);
}
