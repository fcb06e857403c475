// loom-load: the load client of the bench. Prints one line of JSON.
#include <sstream>

#include "load_client.h"
#include "options.h"
#include "sockets.h"

static constexpr std::string_view usage =
    "loom-load --mode closed|open|idle --target 127.0.0.1:9000 [--path /v1/chat/completions]\n"
    "  --connections 64  --duration 5  --warmup 1  --ramp 0  --count 0     seconds; count ends earlier\n"
    "  --rate 2000  --arrivals poisson|constant                            of the open loop\n"
    "  --prompt 300                                                        bytes of the whole request body\n"
    "  --tls off|on                                                        certificates are not checked\n"
    "  --stream off|on  --usage off|on  --mock events=200,interval_us=20000,per_write=1\n"
    "  --header 'Authorization: Bearer x'  (repeatable)  --cpu N  --watch PID,PID\n"
    "--watch reads CPU time and memory of these processes at the ends of the measured window.\n";

static std::vector<int> read_pids(const std::string& text) {
    std::vector<int> pids;
    std::istringstream in(text);
    for (std::string pid; std::getline(in, pid, ',');) pids.push_back(std::atoi(pid.c_str()));
    return pids;
}

static bench::LoadOptions read_options(const bench::Options& given) {
    bench::LoadOptions o;
    const std::string mode = given.text("mode", "closed");
    o.mode = mode == "open" ? bench::Mode::open : mode == "idle" ? bench::Mode::idle : bench::Mode::closed;
    o.target = given.text("target", o.target);
    o.path = given.text("path", o.path);
    o.connections = uint32_t(given.number("connections", o.connections));
    o.duration_s = given.number("duration", o.duration_s);
    o.warmup_s = given.number("warmup", o.warmup_s);
    o.ramp_s = given.number("ramp", o.ramp_s);
    o.count = uint64_t(given.number("count", 0));
    o.rate = given.number("rate", o.rate);
    o.poisson = given.text("arrivals", "poisson") == "poisson";
    o.prompt_bytes = size_t(given.number("prompt", double(o.prompt_bytes)));
    o.headers = given.all("header");
    o.tls = given.text("tls", "off") == "on";
    o.stream = given.text("stream", "off") == "on";
    o.include_usage = given.text("usage", "off") == "on";
    o.mock = given.text("mock", "");
    o.watch = read_pids(given.text("watch", ""));
    return o;
}

int main(int argc, char** argv) {
    const bench::Options given(argc, argv, usage);
    const bench::LoadOptions options = read_options(given);
    if (given.has("cpu")) bench::pin_to_cpu(int(given.number("cpu", 0)));
    bench::raise_fd_limit();
    bench::LoadClient client(options);
    const bench::LoadResult result = client.run();
    bench::print_result(options, result);
    return result.counters.errors() == 0 ? 0 : 1;
}
