// A crowd at its working size: thousands of clients that hold their connection and say nothing, beside hundreds of
// paced streams of which not one event may be lost. scripts/bench has it five times as large.
#include <fmt/format.h>
#include <poll.h>

#include <thread>
#include <vector>

#include "fixture.h"

namespace loom::wire {
namespace {

constexpr size_t idle_bytes_max = 1024;         // a client that waits: one block of 512, and the table that holds it
constexpr size_t stream_bytes_max = 16 * 1024;  // a client, an exchange and an upstream at work
constexpr size_t slack_bytes = 3u << 20;
constexpr auto pace = std::chrono::milliseconds(40);  // of the upstream, between two events

std::string name_of(size_t stream) { return fmt::format("stream-{}-", stream); }

std::string body_of(size_t stream) {
    return fmt::format(R"({{"model":"gpt-4o","stream":true,"stream_options":{{"include_usage":true}},)"
                       R"("messages":[{{"role":"user","content":"{}"}}]}})",
                       name_of(stream));
}

std::string event_of(std::string_view name, size_t index) { return delta_event(fmt::format("{}{};", name, index)); }

class Crowd : public WireTest {
  protected:
    const size_t idle_count = is_sanitized() ? 400 : 2'000;
    const size_t stream_count = is_sanitized() ? 60 : 300;
    const size_t event_count = 50;

    void start_paced() {
        raise_descriptor_limit();
        start([this](UpstreamConnection& connection) {
            const std::optional<Message> request = connection.read_request();
            if (!request) return;
            const std::string name = json_text(request->body, "content");
            connection.send(sse_head);
            for (size_t i = 0; i < event_count; ++i) {
                std::this_thread::sleep_for(pace);
                if (!connection.send(chunk(event_of(name, i)))) return;
            }
            connection.send(chunk(usage_event) + chunk(done_event) + std::string(last_chunk));
            connection.wait_closed();
        });
    }
    /// Every other one has asked something before; the rest has not said a word.
    std::vector<RawClient> gather_idle() {
        std::vector<RawClient> idle;
        for (size_t i = 0; i < idle_count; ++i) {
            idle.push_back(client());
            if (i % 2 == 0) EXPECT_EQ(idle.back().ask(get("/v1/models")).status(), 200);
        }
        wait_until("all to be connected", [&] { return loom().metric("loom_connections_open") >= idle_count; });
        return idle;
    }
    std::vector<RawClient> begin_streams() {
        std::vector<RawClient> streams;
        for (size_t i = 0; i < stream_count; ++i) {
            streams.push_back(client());
            streams.back().send(chat_request(body_of(i)));
        }
        return streams;
    }
    static size_t closed_count(const std::vector<RawClient>& clients) {
        size_t closed = 0;
        for (const RawClient& one : clients) {
            pollfd state{.fd = one.fd(), .events = POLLIN, .revents = 0};
            closed += ::poll(&state, 1, 0) != 0 ? 1 : 0;
        }
        return closed;
    }
    /// Sanitizers keep freed memory and shadow it: there only the wire is tested.
    void expect_resident(size_t bytes_max, const char* stage) {
        const size_t bytes = loom().resident_bytes();
        RecordProperty(stage, std::to_string(bytes));
        if (!is_sanitized()) EXPECT_LT(bytes, bytes_max) << stage;
    }
};

TEST_F(Crowd, IdleClientsAndPacedStreamsLoseNotOneEvent) {
    start_paced();
    ASSERT_EQ(ask(get("/v1/models")).status(), 200);
    const size_t before = loom().resident_bytes();
    std::vector<RawClient> idle = gather_idle();
    const size_t idle_bound = before + idle_count * idle_bytes_max + slack_bytes;
    expect_resident(idle_bound, "idle");

    std::vector<RawClient> streams = begin_streams();
    for (RawClient& one : streams) ASSERT_EQ(one.reader().start_response().status(), 200);
    for (size_t i = 0; i < event_count; ++i) {
        for (size_t k = 0; k < streams.size(); ++k) streams[k].reader().read_body_until(event_of(name_of(k), i));
        if (i == event_count / 2) expect_resident(idle_bound + stream_count * stream_bytes_max, "streaming");
    }
    for (size_t k = 0; k < streams.size(); ++k) {
        std::string wanted;
        for (size_t i = 0; i < event_count; ++i) wanted += event_of(name_of(k), i);
        const Message& answer = streams[k].reader().read_rest();
        ASSERT_TRUE(answer.is_whole()) << name_of(k);
        ASSERT_EQ(answer.body, wanted + usage_event + done_event) << name_of(k);
    }
    EXPECT_EQ(loom().eventually_sum("loom_stream_events_total"), stream_count * (event_count + 2));
    EXPECT_EQ(closed_count(idle), 0U) << "whoever waits is let wait";
    for (size_t i = 0; i < idle.size(); i += 97) EXPECT_EQ(idle[i].ask(get("/v1/models")).status(), 200);
    expect_resident(idle_bound + stream_count * stream_bytes_max, "after");
}

}  // namespace
}  // namespace loom::wire
