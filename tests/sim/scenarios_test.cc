// Runs that a seed has found, as short as they go, and what they showed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "world.h"

namespace loom::sim {
namespace {

/// Nothing is late, cut or broken but what the case says.
WorldOptions kind_world() {
    WorldOptions options;
    options.faults = {.late = 0, .cut = 0, .end_multishot = 0, .cancel_races = 0};
    options.faults.pipe_bytes_min = options.faults.pipe_bytes_max = 256 * 1024;
    return options;
}

Case ask_case(Ask ask, std::string_view line, uint64_t number = 0) {
    Case c;
    c.ask = ask;
    c.number = number;
    c.request = fmt::format("{}\r\nhost: sim\r\nx-request-id: {}\r\n", line, c.id());
    if (ask == Ask::chat || ask == Ask::stream) {
        c.body = fmt::format(R"({{"model":"m",{}"messages":[]}})", ask == Ask::stream ? R"("stream":true,)" : "");
        c.request += fmt::format("content-length: {}\r\n", c.body.size());
    }
    c.request += "\r\n";
    c.head_bytes = c.request.size();
    c.request += c.body;
    c.http10 = line.ends_with("1.0");
    return c;
}

void answer(Case& c, std::string_view head, std::string_view body, Fate fate = Fate::whole) {
    c.fate = fate;
    c.answer = fmt::format("{}\r\n", head);
    c.answer_head_bytes = c.answer.size();
    c.answer += body;
    c.payload = body;
}

/// Runs one case in a kind world, and lets the judge speak.
Case run(Case c, const WorldOptions& options = kind_world()) {
    World world(options);
    std::vector<std::vector<Case>> clients(1);
    clients[0].push_back(std::move(c));
    world.script(std::move(clients));
    const WorldResult result = world.run();
    for (const std::string& what : result.complaints) ADD_FAILURE() << what;
    return world.judged(0);
}

TEST(Scenario, AnAnswerGoesThrough) {
    Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1");
    answer(c, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n", R"({"a":"b"})");
    EXPECT_EQ(run(std::move(c)).seen_status, 200);
}

TEST(Scenario, AnEventStreamGoesThrough) {
    Case c = ask_case(Ask::stream, "POST /v1/chat/completions HTTP/1.1");
    answer(c, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n", "data: {}\n\ndata: [DONE]\n\n");
    c.frame = Frame::close;
    c.closes_after = true;
    EXPECT_EQ(run(std::move(c)).seen_status, 200);
}

// Interim heads were counted within one read: one a read, and a flood of them went on until the deadline.
TEST(Scenario, AFloodOfInterimHeadsIsOneHoweverItIsCut) {
    Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1");
    answer(c, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", "{}", Fate::interim_flood);
    const std::string_view interim = "HTTP/1.1 100 Continue\r\n\r\n";
    for (int i = 0; i < 20; ++i) c.answer.insert(0, interim);
    c.answering = {.bytes = interim.size(), .ms = 5};
    EXPECT_EQ(run(std::move(c)).seen_status, 502);
}

// A head above limit.head_size was refused only where its end had not come yet.
TEST(Scenario, AHeadAboveTheLimitIsRefusedThoughItCameWhole) {
    Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1");
    answer(c, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: " + std::string(40'000, 'x') + "\r\n", "{}", Fate::huge_head);
    WorldOptions options = kind_world();
    options.proxy.buffer_bytes = 64 * 1024;
    EXPECT_EQ(run(std::move(c), options).seen_status, 502);
}

// The head had been written and not sent, and the client got a reset instead of a 502.
TEST(Scenario, AnAnswerThatBreaksInTheTurnOfItsHeadIs502WhereverItIsCut) {
    const std::string head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    for (const Frame frame : {Frame::length, Frame::chunked}) {
        const bool chunks = frame == Frame::chunked;
        const std::string framing = chunks ? "transfer-encoding: chunked\r\n" : "content-length: 9\r\n";
        const std::string body = chunks ? "9\r\n{\"a\":\"b\"}\r\n0\r\n\r\n" : "{\"a\":\"b\"}";
        for (const Fate fate : {Fate::dies, Fate::resets}) {
            for (size_t cut = 0; cut < body.size(); ++cut) {
                Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1");
                answer(c, head + framing, body, fate);
                c.frame = frame;
                c.payload = "{\"a\":\"b\"}";
                c.stops_at = c.answer_head_bytes + cut;
                const int status = run(std::move(c)).seen_status;
                const bool timed_out = fate == Fate::resets && status == 504;  // how the kernel may tell a break
                ASSERT_TRUE(status == 502 || timed_out) << status << ", cut at " << cut;
            }
        }
        Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1");
        answer(c, head + "transfer-encoding: chunked\r\n", "z" + body, Fate::bad_chunk);
        c.frame = Frame::chunked;
        ASSERT_EQ(run(std::move(c)).seen_status, 502);
    }
}

TEST(Scenario, AStreamThatBreaksBeforeItsFirstContentIs502) {
    for (const std::string_view body : {"", ": hello\n\n", "data: {\"choices\":[{\"del"}) {
        Case c = ask_case(Ask::stream, "POST /v1/chat/completions HTTP/1.1");
        answer(c, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n", body, Fate::dies);
        c.frame = Frame::close;
        c.closes_after = true;
        EXPECT_EQ(run(std::move(c)).seen_status, 502) << body;
    }
}

// In the read of the answer's end, or between two exchanges. tests/upstream has those that come with the next request.
TEST(Scenario, BytesBehindAnAnswerAreNobodysWhereverTheyAreCut) {
    const std::string behind = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    for (size_t cut = 0; cut <= behind.size(); ++cut) {
        World world(kind_world());
        std::vector<std::vector<Case>> clients(1);
        for (uint64_t number = 0; number < 3; ++number) {
            Case c = ask_case(Ask::chat, "POST /v1/chat/completions HTTP/1.1", number);
            answer(c, "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n", R"({"a":"b"})", Fate::too_long);
            c.answer += behind;
            c.answering = {.bytes = c.answer.size() - behind.size() + cut, .ms = 20};
            c.think_ms = 50;
            clients[0].push_back(std::move(c));
        }
        world.script(std::move(clients));
        const WorldResult result = world.run();
        for (const std::string& what : result.complaints) ADD_FAILURE() << "cut at " << cut << ": " << what;
    }
}

// A client that sends no more counts as gone, and its answer ends where it stands: with a FIN, a body that only the
// closing ends looked whole.
TEST(Scenario, ABodyThatTheClosingEndsIsNotCutByAnEndInOrder) {
    Case c = ask_case(Ask::plain_get, "GET /plain/thing HTTP/1.0");
    answer(c, "HTTP/1.1 200 OK\r\n", std::string(1'000, 'b'));
    c.frame = Frame::close;
    c.closes_after = true;
    c.answering = {.bytes = 100, .ms = 20};
    c.half_closes = true;
    c.half_close_ms = 50;
    EXPECT_EQ(run(std::move(c)).seen_status, 200);
}

// The same before its upstream has said anything: the stream that keep-alives had opened ended in order, and looked
// like a whole one without events.
TEST(Scenario, AStreamThatKeepAlivesOpenedIsNotCutByAnEndInOrder) {
    for (const std::string_view version : {"1.0", "1.1"}) {
        Case c = ask_case(Ask::stream, fmt::format("POST /v1/chat/completions HTTP/{}", version));
        answer(c, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n", "data: {}\n\ndata: [DONE]\n\n");
        c.frame = Frame::close;
        c.closes_after = true;
        c.delay_ms = 400;
        c.half_closes = true;
        c.half_close_ms = 200;
        WorldOptions options = kind_world();
        options.proxy.keepalive_ms = 50;
        EXPECT_EQ(run(std::move(c), options).seen_status, 200) << version;
    }
}

}  // namespace
}  // namespace loom::sim
