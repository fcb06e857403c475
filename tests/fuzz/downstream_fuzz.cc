// Whatever a client sends, and whatever the upstream answers: Loom speaks HTTP to both, everything comes home, and
// nothing waits for ever. The whole proxy runs on the memory of tests/sim; the first byte chooses who is wild and how
// the client leaves, the second how its bytes are cut, the third seeds the ring, the fourth says where they end and the
// upstream's begin.
#include <string>
#include <string_view>

#include "message_reader.h"
#include "sim_proxy.h"

using namespace loom;
using namespace loom::sim;

namespace {

void require(bool holds) {
    if (!holds) __builtin_trap();
}

constexpr std::string_view answers[] = {
    "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"a\":\"bcd\"}",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    "c\r\ndata: {\"a\":1\r\n3\r\n}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
    "HTTP/1.1 429 Slow\r\nretry-after: 1\r\n\r\nby close",
};

/// Answers everything, with bytes that are the input's or its own; what it is asked must be HTTP.
class Upstream final : public Host {
  public:
    Upstream(std::string_view answer, bool closes) : answer_(answer), closes_(closes) {}

    void on_connection(FarEnd end) override {
        connections_.emplace_back();
        connections_.back().end = std::move(end);
        connections_.back().reader.start(MessageReader::Kind::request);
    }
    void step() {
        for (Connection& c : connections_)
            if (c.end) step_one(c);
    }

  private:
    struct Connection {
        FarEnd end;
        MessageReader reader;
        size_t sent = 0;
    };
    void step_one(Connection& c) {
        const std::string_view bytes = c.end.readable();
        const size_t taken = c.reader.take(bytes);
        require(!c.reader.broken());
        require(taken == bytes.size() || c.sent > 0 || c.reader.whole());
        c.end.consume(c.reader.whole() ? taken : bytes.size());
        if (c.reader.whole()) {
            c.sent += c.end.write(answer_.substr(c.sent));
            if (c.sent < answer_.size()) return;
            if (closes_) return c.end.close();
            c.sent = 0;
            c.reader.start(MessageReader::Kind::request);
        }
        if (c.end && (c.end.at_end() || c.end.at_reset())) c.end.close();
    }

    std::string_view answer_;
    bool closes_;
    std::vector<Connection> connections_;
};

/// What the client got has to be answers, one behind the other, of which the last may be cut.
class Reader {
  public:
    Reader() { reader_.start(MessageReader::Kind::answer); }
    void take(std::string_view bytes) {
        while (!bytes.empty()) {
            bytes.remove_prefix(reader_.take(bytes));
            require(!reader_.broken());
            if (reader_.whole()) reader_.start(MessageReader::Kind::answer);
        }
    }

  private:
    MessageReader reader_;
};

struct Plan {
    bool wild_upstream, closes, incremental, half_closes, resets;
    size_t cut;
};

void run(const Plan& plan, uint64_t seed, std::string_view client_bytes, std::string_view upstream_bytes) {
    static observe::Metrics metrics(1);
    Random random(seed);
    Faults faults{.pipe_bytes_min = 512, .pipe_bytes_max = 8192};
    Network network(random, faults);
    Upstream upstream(plan.wild_upstream ? upstream_bytes : answers[seed % 3], plan.closes || seed % 3 == 2);
    network.listen(SimProxy::provider_port, upstream);
    network.listen(SimProxy::web_port, upstream);
    SimProxy proxy(network, {.buffer_count = 4, .buffer_bytes = 1024, .incremental_buffers = plan.incremental}, metrics,
                   nullptr);
    FarEnd client = network.knock();
    // The answer to a HEAD has no body, and this reader does not know which answers are of one.
    const bool readable = client_bytes.find("HEAD") == client_bytes.npos;
    Reader reader;
    int quiet_turns = 0;
    const auto turn = [&] {
        upstream.step();
        proxy.turn(NetworkRing::never_ns);
    };
    while (client && quiet_turns < 40) {
        const size_t sent = client.write(client_bytes.substr(0, plan.cut));
        client_bytes.remove_prefix(std::min(sent, client_bytes.size()));
        const std::string_view got = client.readable();
        if (readable) reader.take(got);
        client.consume(got.size());
        const bool busy = sent > 0 || !got.empty();
        quiet_turns = busy ? 0 : quiet_turns + 1;
        if (client_bytes.empty() && quiet_turns == 20 && plan.half_closes) client.end_sending();
        if (client.at_end() || client.at_reset()) client.close();
        upstream.step();
        proxy.turn(busy ? 0 : NetworkRing::never_ns);
    }
    if (client && plan.resets)
        client.reset(0);
    else
        client.close();
    require(proxy.bring_home(turn));
    require(proxy.close().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 4 || size > 64 * 1024) return 0;
    const Plan plan{.wild_upstream = (data[0] & 1) != 0,
                    .closes = (data[0] & 2) != 0,
                    .incremental = (data[0] & 4) != 0,
                    .half_closes = (data[0] & 8) != 0,
                    .resets = (data[0] & 16) != 0,
                    .cut = size_t{1} + data[1] * 8u};
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 4, size - 4);
    const size_t border = plan.wild_upstream ? bytes.size() * data[3] / 255 : bytes.size();
    run(plan, data[2], bytes.substr(0, border), bytes.substr(border));
    return 0;
}
