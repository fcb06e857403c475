// The bound that `loom --check` prints, attacked: each client does its worst, and the process stays below it.
#include <sys/socket.h>

#include <atomic>
#include <memory>
#include <thread>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr size_t connections_max = 96;
constexpr size_t body_bytes = 512 * 1024;

/// "memory at worst: 123.4 MiB, …" → bytes.
size_t worst_bytes(const std::string& check_text) {
    const std::string_view lead = "memory at worst: ";
    const size_t at = check_text.find(lead);
    if (at == std::string::npos) throw WireError("no bound in:\n" + check_text);
    size_t digits = 0;
    const double number = std::stod(check_text.substr(at + lead.size()), &digits);
    const std::string_view unit = std::string_view(check_text).substr(at + lead.size() + digits + 1, 3);
    const size_t factor = unit == "KiB" ? 1u << 10 : unit == "MiB" ? 1u << 20 : unit == "GiB" ? 1u << 30 : 0;
    if (factor == 0) throw WireError("a bound that is no bound: " + check_text.substr(at, 40));
    return static_cast<size_t>(number * static_cast<double>(factor));
}

class MemoryBound : public WireTest {
  protected:
    MemoryBound() {
        conf.set("limit.connections", std::to_string(connections_max)).set("limit.head_size", "16KiB");
        conf.set("limit.body_size", std::to_string(body_bytes)).set("stream.event_max", "64KiB");
        conf.set("stream.buffer_max", "64KiB").set("buffer.size", "4KiB").set("buffer.count", "64");
        conf.set("upstream.pool.max_idle", "8");
        for (const auto* key : {"timeout.client_head", "timeout.client_body", "timeout.client_write",
                                "timeout.inter_event", "timeout.first_token", "timeout.client_idle"})
            conf.set(key, "120s");
    }

    void begin(ScriptedUpstream::Script script) {
        start(std::move(script));
        const std::string text = loom().check_conf();
        bound_ = worst_bytes(text);
        ASSERT_EQ(ask(get("/v1/models")).status(), 200);
        resident_before_ = loom().resident_bytes();
        RecordProperty("bound", std::to_string(bound_));
    }
    /// Sanitizers keep freed memory and shadow it: there only the wire is tested.
    void expect_within(const char* stage) {
        resident_max_ = std::max(resident_max_, loom().resident_bytes());
        if (!is_sanitized()) EXPECT_LT(loom().resident_bytes(), bound_) << stage;
    }
    /// The attack was one.
    void expect_grown_by(size_t bytes) { EXPECT_GT(resident_max_, resident_before_ + bytes); }

    size_t bound_ = 0;
    size_t resident_before_ = 0;
    size_t resident_max_ = 0;
};

/// All of them send what they may, in steps, so that every buffer grows through every size; none ends.
TEST_F(MemoryBound, HeadsAndBodiesInPieces) {
    begin(answer_always(answer(chat_answer)));
    const std::string head =
        request("POST", "/v1/chat/completions",
                auth_header() + "content-type: application/json\r\n" + "content-length: " + std::to_string(body_bytes) +
                    "\r\nx-filler: " + std::string(14'000, 'h') + "\r\n");
    const std::string body(body_bytes - 1, ' ');  // one byte is missing for ever
    std::vector<RawClient> clients;
    for (size_t i = 0; i < connections_max; ++i) clients.push_back(client());
    for (size_t from = 0, size = 200; from < head.size(); from += size, size += size / 2) {
        for (auto& one : clients) {
            one.send(std::string_view(head).substr(from, size));
            ASSERT_TRUE(one.wait_until_loom_has_read());
        }
        expect_within("heads");
    }
    for (size_t from = 0, size = 1'000; from < body.size(); from += size, size *= 2) {
        for (auto& one : clients) {
            one.send(std::string_view(body).substr(from, size));
            ASSERT_TRUE(one.wait_until_loom_has_read());
        }
        expect_within("bodies");
    }
    expect_grown_by(connections_max * body_bytes);
    // Those above the limit wait; admin's door stays open.
    std::vector<RawClient> waiting;
    for (size_t i = 0; i < 2 * connections_max; ++i) {
        waiting.push_back(client());
        (void)waiting.back().try_send(head);
    }
    EXPECT_EQ(loom().eventually("loom_connections_open"), connections_max);
    expect_within("with a queue at the door");
    clients.clear();
    wait_until("the next in the queue", [&] { return loom().metric_sum("loom_exchanges_live") == connections_max; });
    expect_within("with the next ones");
    waiting.clear();
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    expect_within("afterwards");
}

/// A request as large as it may be.
std::string large_request() {
    const std::string lead = R"({"model":"gpt-4o","messages":[{"role":"user","content":")";
    const std::string tail = R"("}]})";
    return chat_request(lead + std::string(body_bytes - lead.size() - tail.size(), 'x') + tail);
}

/// Reads every request, and answers when the gate is open.
ScriptedUpstream::Script answer_once_open(std::shared_ptr<Gate> gate) {
    return [gate = std::move(gate)](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate->wait(Deadline::in(std::chrono::seconds(60)));
            if (!connection.send(answer(chat_answer))) return;
        }
    };
}

/// All together they would take ten times what bodies may: those beyond it wait in their turn, and none is lost.
TEST_F(MemoryBound, BodiesBeyondTheirBudgetWaitAndAreServed) {
    constexpr size_t budget_bytes = 2u << 20;
    constexpr size_t client_count = 40;
    conf.set("limit.bodies_in_memory", std::to_string(budget_bytes));
    const auto answers = std::make_shared<Gate>();
    begin(answer_once_open(answers));
    std::atomic<int> served_count = 0;
    std::vector<std::jthread> clients;
    for (size_t i = 0; i < client_count; ++i)
        clients.emplace_back([&] { served_count += ask(large_request()).status() == 200 ? 1 : 0; });
    constexpr size_t whole_count = budget_bytes / body_bytes + 1;  // one goes beyond
    wait_until("the others to wait",
               [&] { return loom().metric("loom_bodies_waited_total") >= client_count - whole_count; });
    EXPECT_LE(loom().metric("loom_body_memory_bytes"), budget_bytes + body_bytes);
    expect_within("full of bodies");
    answers->open();
    for (bool is_done = false; !is_done;) {
        const auto metrics = loom().metrics();
        EXPECT_LE(metrics.at("loom_body_memory_bytes"), budget_bytes + body_bytes);
        expect_within("bodies taking turns");
        is_done = sum_where(metrics, "loom_exchanges_live") == 0 && served_count == client_count;
    }
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

/// Compressed bodies, each of which wants the widest window and does not end.
TEST_F(MemoryBound, DecodersTakeTheirTurnsToo) {
    using namespace std::string_literals;
    conf.set("limit.bodies_in_memory", "2MiB").set("timeout.client_body", "2s");
    begin(answer_always(answer(chat_answer)));
    const std::string block = "\x00\x00\x08 "s;  // raw, 64 KiB
    const std::string body = "\x28\xB5\x2F\xFD\x00\x68"s + block.substr(0, 3) + std::string(64 * 1024, ' ') + block;
    const std::string asked = chat_request(body, "content-encoding: zstd\r\n");
    std::vector<RawClient> clients;
    for (size_t i = 0; i < connections_max; ++i) {
        clients.push_back(client());
        (void)clients.back().try_send(std::string_view(asked).substr(0, asked.size() - 1));
        expect_within("as they come");
    }
    wait_until("the others to wait", [&] { return loom().metric("loom_bodies_waited_total") >= connections_max - 1; });
    EXPECT_LE(loom().metric("loom_body_memory_bytes"), size_t{12} << 20);
    expect_within("in their turns");
    clients.clear();
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

/// Who waits for room has as long as for its body's bytes, and is told what to do then.
TEST_F(MemoryBound, WhoWaitsTooLongForRoomIsToldToTryAgain) {
    conf.set("limit.bodies_in_memory", "1MiB").set("timeout.client_body", "2s");
    const auto answers = std::make_shared<Gate>();
    begin(answer_once_open(answers));
    constexpr size_t whole_count = 3;  // two in the budget, one beyond it
    std::vector<RawClient> holders;
    for (size_t i = 0; i < whole_count; ++i) {
        holders.push_back(client());
        holders.back().send(large_request());
        wait_until("it to be upstream", [&] { return upstream().request_count() == i + 1; });
    }
    RawClient late = client();
    (void)late.try_send(large_request());
    RawClient leaver = client();
    (void)leaver.try_send(large_request());
    leaver.close();
    const Message refused = late.read_response();
    expect_error(refused, 503, "overloaded");
    EXPECT_TRUE(contains(refused.body, "limit.bodies_in_memory")) << refused.body;
    EXPECT_EQ(refused.head.value("Retry-After"), "1");
    answers->open();
    for (auto& holder : holders) EXPECT_EQ(holder.read_response().status(), 200);
    wait_until("all to have come home", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
    EXPECT_EQ(ask(large_request()).status(), 200);
}

/// A stalled reader behind an upstream that never stops: events as long as they may be, plain and compressed.
TEST_F(MemoryBound, StalledReadersOfEndlessStreams) {
    std::atomic<size_t> streams = 0;
    begin([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        if (!connection.send(sse_head)) return;
        ++streams;
        connection.send_forever(chunk(delta_event(std::string(60'000, 'x'))), size_t{1} << 30);
    });
    std::vector<RawClient> clients;
    for (size_t i = 0; i < connections_max; ++i) {
        clients.push_back(client(2048));
        clients.back().send(chat_request(stream_body));
    }
    wait_until("every stream", [&] { return streams == connections_max; });
    wait_until("every stall", [&] { return loom().metric_sum("loom_stream_stalls_total") >= connections_max; });
    for (int turn = 0; turn < 20; ++turn) {
        (void)loom().metrics();
        expect_within("stalled");
    }
    expect_grown_by(connections_max * 32 * 1024);
    clients.clear();
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    wait_until("no leased buffer", [&] { return loom().metric_sum("loom_buffers_leased") == 0; });
}

/// Requests without end before their turn, on every connection, and many who watch.
TEST_F(MemoryBound, PipelinedFloods) {
    const auto over = std::make_shared<Gate>();  // a script may be the last to leave it
    begin([over](UpstreamConnection& connection) {
        if (!connection.read_request() || !connection.send(sse_head)) return;
        over->wait(Deadline::in(std::chrono::seconds(60)));
    });
    std::string flood = chat_request(stream_body);
    while (flood.size() < 1'000'000) flood += get("/v1/models");
    std::vector<RawClient> clients;
    for (size_t i = 0; i < connections_max; ++i) clients.push_back(client());
    for (int turn = 0; turn < 4; ++turn) {
        for (auto& one : clients) {
            // Until the kernel takes no more: Loom has stopped reading.
            (void)::send(one.fd(), flood.data(), flood.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        for (int scrape = 0; scrape < 5; ++scrape) (void)loom().metrics();
        expect_within("flooded");
    }
    clients.clear();
    // Loom reads nothing of these clients, and their answers go on: that they have gone it is told all the same.
    wait_until("no live exchange", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    over->open();
}

/// Whoever asks admin's listener without end takes nothing from the clients, and no more than a few connections.
TEST_F(MemoryBound, AdminHasAFewConnectionsOfItsOwn) {
    constexpr size_t admin_connections_max = 64;
    begin(answer_always(answer(chat_answer)));
    std::vector<RawClient> watchers;
    for (size_t i = 0; i < admin_connections_max; ++i) {
        watchers.emplace_back(loom().admin_port());
        ASSERT_EQ(watchers.back().ask(get("/healthz")).status(), 200);
    }
    RawClient late(loom().admin_port());
    late.send(get("/metrics"));
    EXPECT_EQ(watchers.front().ask(get("/metrics")).status(), 200);
    char byte = 0;
    EXPECT_EQ(::recv(late.fd(), &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1) << "the late one waits";
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200) << "clients do not";
    watchers.pop_back();
    EXPECT_EQ(late.read_response().status(), 200);
    watchers.clear();
    late.close();
}

}  // namespace
}  // namespace loom::wire
