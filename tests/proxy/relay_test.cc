// The way of an answer through the relay without edits: bytes untouched, whole events, and an end that tells the truth.
#include <gtest/gtest.h>

#include <random>

#include "relay_harness.h"

namespace loom::proxy::test {
namespace {

class RelayTest : public testing::Test {
  protected:
    Bench bench_;
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// --- streams, cut anywhere

TEST_F(RelayTest, GoldenStreamsCutAtEveryByteInEveryFraming) {
    for (const Golden& golden : golden_streams()) {
        for (const Framing& framing : source_framings()) {
            const std::string bytes = framing.wrap(golden.events);
            for (size_t cut = 0; cut <= bytes.size(); ++cut) {
                RelayRun run(bench_, stream_options(framing, golden.events));
                run.read_cut_at(bytes, cut);
                if (framing.kind == http::BodyFraming::until_close) run.source_ends();
                bool whole = false;
                ASSERT_EQ(run.payload(&whole), golden.events) << golden.name << " " << framing.name << " at " << cut;
                ASSERT_TRUE(whole) << golden.name << " " << framing.name << " at " << cut;
                ASSERT_EQ(run.relay.end(), Relay::End::whole);
                ASSERT_EQ(run.consumed, bytes.size());
                ASSERT_EQ(run.ends, 1);
                ASSERT_TRUE(run.relay.delivered());
            }
        }
    }
}

TEST_F(RelayTest, GoldenStreamsByteByByteToAClientWithoutChunks) {
    for (const Golden& golden : golden_streams()) {
        for (const Framing& framing : source_framings()) {
            RelayRun run(bench_, stream_options(framing, golden.events, ClientFraming::until_close));
            run.framing = ClientFraming::until_close;
            for (const char byte : framing.wrap(golden.events)) run.read({&byte, 1});
            if (framing.kind == http::BodyFraming::until_close) run.source_ends();
            ASSERT_EQ(run.payload(), golden.events) << golden.name << " " << framing.name;
            ASSERT_EQ(run.relay.end(), Relay::End::whole);
        }
    }
}

TEST_F(RelayTest, AnEventIsPassedOnWholeOrNotAtAll) {
    const std::string event = delta_event("hello");
    RelayRun run(bench_, stream_options(source_framings().back(), ""));
    for (size_t at = 0; at + 1 < event.size(); ++at) {
        run.read(event.substr(at, 1));
        ASSERT_EQ(run.raw(), "") << "the front of an event waits for its end";
    }
    run.read("\n");
    EXPECT_EQ(run.payload(), event);
}

TEST_F(RelayTest, WholeChunksOfWholeEventsPassAsTheVeryBytesThatCame) {
    const std::string bytes = chunk_per_event(golden_streams().front().events);
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    std::string_view rest = bytes;
    while (!rest.empty()) {  // a read a chunk
        const size_t end = std::min(rest.find("\n\n\r\n"), rest.size() - 4) + 4;
        run.read(rest.substr(0, end));
        rest.remove_prefix(end);
    }
    EXPECT_EQ(run.raw(), bytes);
    EXPECT_EQ(run.relay.end(), Relay::End::whole);

    RelayRun at_once(bench_, stream_options(source_framings().front(), ""));
    at_once.read(bytes);
    EXPECT_EQ(at_once.raw(), bytes);
    EXPECT_EQ(at_once.client.send_count, 1u) << "what a tick brings leaves in one send";
}

TEST_F(RelayTest, ChunksInManyPiecesOfOneReadPassAsTheyCameToo) {
    std::string events;
    for (int i = 0; i < 70; ++i) events += "data: " + std::to_string(i) + "\n\n";
    const std::string bytes = chunk_per_event(events);
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.read(bytes);
    EXPECT_EQ(run.raw(), bytes) << "seventy events in one read";
}

TEST_F(RelayTest, TheHeadLeavesWithTheFirstEvent) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.relay.add_head("HTTP/1.1 200 OK\r\n\r\n");
    run.read(chunk(delta_event("x")));
    EXPECT_EQ(run.client.send_count, 1u);
    EXPECT_TRUE(run.raw().starts_with("HTTP/1.1 200 OK\r\n\r\n"));
}

TEST_F(RelayTest, TrailersOfTheSourceStayBehindWhereverTheyAreCut) {
    const std::string events = delta_event("x") + done_event;
    const std::string bytes = chunk(events) + "0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n";
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
        RelayRun run(bench_, stream_options(source_framings().front(), ""));
        run.read_cut_at(bytes, cut);
        bool whole = false;
        ASSERT_EQ(run.payload(&whole), events) << cut;
        ASSERT_TRUE(whole) << cut;
        ASSERT_FALSE(contains(run.raw(), "a=b")) << cut;
    }
}

TEST_F(RelayTest, BytesBehindTheEndOfTheAnswerAreNotTaken) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    const std::string bytes = chunk(done_event) + "0\r\n\r\n";
    run.read(bytes + "HTTP/1.1 200 OK");
    EXPECT_EQ(run.consumed, bytes.size()) << "the connection is out of step";
    EXPECT_EQ(run.payload(), done_event);
}

TEST_F(RelayTest, TellsOfContentOnceAndOfEachEvent) {
    RelayRun run(bench_, stream_options(source_framings().back(), ""));
    run.read(": comment\n\n");
    EXPECT_EQ(run.first_contents, 0);
    run.read("data: " + std::string(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})") + "\n\n");
    EXPECT_EQ(run.first_contents, 0) << "a role is no content: another attempt could still follow";
    run.read(delta_event("a") + delta_event("b"));
    EXPECT_EQ(run.first_contents, 1);
    EXPECT_EQ(run.events_passed, 3);
    EXPECT_EQ(run.relay.event_count(), 3u);
}

// --- usage

TEST_F(RelayTest, TheUsageChunkThatLoomAskedForIsReadAndTakenAwayAtEveryCut) {
    const std::string before = delta_event("a") + delta_event("b");
    const std::string events = before + usage_event + done_event;
    for (const Framing& framing : source_framings()) {
        const std::string bytes = framing.wrap(events);
        for (size_t cut = 0; cut <= bytes.size(); ++cut) {
            RelayOptions options = stream_options(framing, events);
            options.strip_usage = true;
            RelayRun run(bench_, options);
            run.read_cut_at(bytes, cut);
            if (framing.kind == http::BodyFraming::until_close) run.source_ends();
            bool whole = false;
            ASSERT_EQ(run.payload(&whole), before + done_event) << framing.name << " at " << cut;
            ASSERT_TRUE(whole);
            ASSERT_EQ(run.relay.usage().input, 9u);
            ASSERT_EQ(run.relay.usage().output, 12u);
        }
    }
}

TEST_F(RelayTest, UsageOfAJsonAnswerIsReadInOneReadOrMany) {
    const std::string json = R"({"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":3,)"
                             R"("completion_tokens":4,"total_tokens":7}})";
    for (const std::string& body : {json, R"({"pad":")" + std::string(200'000, 'x') + "\"," + json.substr(1)}) {
        for (const size_t step : {body.size(), size_t{16'000}, size_t{7'777}}) {
            RelayRun run(bench_, {.source_framing = http::BodyFraming::length,
                                  .source_length = body.size(),
                                  .client_framing = ClientFraming::length,
                                  .read_usage = true});
            for (size_t at = 0; at < body.size(); at += step) run.read(std::string_view(body).substr(at, step));
            ASSERT_EQ(run.raw(), body);
            ASSERT_EQ(run.relay.usage().total, 7u) << body.size() << " in steps of " << step;
            ASSERT_EQ(run.relay.end(), Relay::End::whole);
        }
    }
}

// --- ends that are no ends

TEST_F(RelayTest, ASourceThatBreaksAnywhereIsToldByAnEventBehindWholeEvents) {
    const std::string events = delta_event("a") + delta_event("b") + done_event;
    for (const Framing& framing : source_framings()) {
        const std::string bytes = framing.wrap(events);
        for (size_t cut = 0; cut < bytes.size(); ++cut) {
            for (const Errc how : {Errc::closed, Errc::reset}) {
                RelayRun run(bench_, stream_options(framing, events));
                run.read(std::string_view(bytes).substr(0, cut));
                run.source_ends(how);
                bool whole = false;
                const std::string payload = run.payload(&whole);
                const size_t error_at = payload.find("data: {\"error\":");
                ASSERT_NE(error_at, payload.npos) << framing.name << " at " << cut << ": " << payload;
                const std::string before = payload.substr(0, error_at);
                ASSERT_TRUE(before.empty() || before.ends_with("\n\n")) << framing.name << " at " << cut;
                ASSERT_TRUE(events.starts_with(before));
                ASSERT_TRUE(contains(payload, "upstream_stream_broken"));
                ASSERT_TRUE(payload.ends_with("\n\n"));
                ASSERT_TRUE(whole) << "the framing itself ends well";
                ASSERT_EQ(run.relay.end(), Relay::End::broken);
                ASSERT_EQ(run.ends, 1);
                if (cut + 2 >= bytes.size()) break;  // [DONE] without its blank line is an end
            }
            if (framing.kind == http::BodyFraming::until_close && cut + 3 >= bytes.size()) break;
        }
    }
}

TEST_F(RelayTest, AStreamThatOnlyClosingEndsNeedsItsDone) {
    const Framing& until_close = source_framings().back();
    for (const auto& [last, end] : {std::pair<std::string, Relay::End>{"data: [DONE]\n\n", Relay::End::whole},
                                    {"data: [DONE]\n", Relay::End::whole},
                                    {"data: [DONE]", Relay::End::whole},
                                    {"data: [DON", Relay::End::broken},
                                    {"", Relay::End::broken}}) {
        RelayRun run(bench_, stream_options(until_close, ""));
        run.read(delta_event("x") + last);
        run.source_ends();
        EXPECT_EQ(run.relay.end(), end) << last;
        const std::string payload = run.payload();
        if (end == Relay::End::whole) EXPECT_EQ(payload, delta_event("x") + last);
        if (end == Relay::End::broken) EXPECT_TRUE(payload.starts_with(delta_event("x") + "data: {\"error\"")) << last;
    }
}

TEST_F(RelayTest, BrokenChunksInTheMiddleAreToldToo) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.read(chunk(delta_event("a")));
    run.read(chunk(delta_event("b")) + "nonsense");
    bool whole = false;
    const std::string payload = run.payload(&whole);
    EXPECT_TRUE(payload.starts_with(delta_event("a") + delta_event("b") + "data: {\"error\"")) << payload;
    EXPECT_TRUE(whole);
    EXPECT_EQ(run.relay.error().code, Errc::bad_message);
}

TEST_F(RelayTest, ATimeoutIsToldAsOne) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.read(chunk(delta_event("a")) + chunk(delta_event("half")).substr(0, 20));
    run.relay.fail(Error{.code = Errc::timed_out, .side = Side::upstream, .what = "the stream stood still"});
    run.run_ms(1);
    bool whole = false;
    const std::string payload = run.payload(&whole);
    EXPECT_TRUE(payload.starts_with(delta_event("a") + "data: {\"error\""));
    EXPECT_TRUE(contains(payload, "upstream_timeout"));
    EXPECT_TRUE(contains(payload, "the stream stood still"));
    EXPECT_TRUE(whole);
}

TEST_F(RelayTest, AJsonAnswerThatIsCutIsNeverMadeToLookWhole) {
    const std::string body = R"({"choices":[]})";
    for (const auto& [framing, client] : {std::pair{http::BodyFraming::length, ClientFraming::length},
                                          {http::BodyFraming::chunked, ClientFraming::chunked}}) {
        RelayRun run(bench_, {.source_framing = framing, .source_length = body.size(), .client_framing = client});
        run.read(framing == http::BodyFraming::length ? body.substr(0, 5) : chunk(body));
        run.source_ends();
        EXPECT_EQ(run.relay.end(), Relay::End::unfinished) << "the owner breaks the connection off";
        EXPECT_FALSE(run.raw().ends_with("0\r\n\r\n"));
    }
}

TEST_F(RelayTest, AfterItsEndNothingMoreComes) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.read(chunk(delta_event("a")));
    run.relay.fail(Error{.code = Errc::reset});
    run.run_ms(1);
    const std::string before = run.raw();
    run.read(chunk(delta_event("b")));
    run.source_ends(Errc::reset);
    run.relay.add_comment(": late\n\n");
    run.relay.resume();
    run.run_ms(5);
    EXPECT_EQ(run.raw(), before);
    EXPECT_EQ(run.ends, 1);
}

// --- comments and coalescing

TEST_F(RelayTest, ACommentStandsOnlyAtTheBorderOfAnEvent) {
    const std::string comment = ": keep-alive\n\n";
    const std::string events = delta_event("a") + delta_event("b") + done_event;
    const std::string bytes = source_framings().front().wrap(events);
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
        RelayRun run(bench_, stream_options(source_framings().front(), ""));
        run.read(std::string_view(bytes).substr(0, cut));
        run.relay.add_comment(comment);
        run.read(std::string_view(bytes).substr(cut));
        std::string payload = run.payload();
        const size_t at = payload.find(comment);
        if (at != payload.npos) {
            ASSERT_TRUE(at == 0 || payload.substr(0, at).ends_with("\n\n")) << cut;
            payload.erase(at, comment.size());
        }
        ASSERT_EQ(payload, events) << cut;
    }
}

TEST_F(RelayTest, AFlushIntervalGathersEventsIntoOneSend) {
    RelayOptions options = stream_options(source_framings().front(), "");
    options.flush_interval_ms = 20;
    RelayRun run(bench_, options);
    for (int i = 0; i < 10; ++i) {
        run.read(chunk(delta_event(std::to_string(i))));
        run.run_ms(1);
    }
    EXPECT_EQ(run.client.send_count, 0u);
    run.run_ms(15);
    const uint64_t sends = run.client.send_count;
    EXPECT_GE(sends, 1u);
    EXPECT_LE(sends, 3u);
    run.read(chunk(done_event) + "0\r\n\r\n");
    bool whole = false;
    EXPECT_TRUE(run.payload(&whole).ends_with(done_event));
    EXPECT_TRUE(whole) << "the end does not wait";
}

// --- back-pressure

TEST_F(RelayTest, AReaderThatIsBehindPausesTheSourceAtTheLimitAndHalfOfItLetsItGoOn) {
    RelayOptions options = stream_options(source_framings().front(), "");
    options.buffer_bytes_max = 10'000;
    RelayRun run(bench_, options);
    run.client_takes(0);
    const std::string event = chunk(delta_event(std::string(900, 'x')));
    std::string sent;
    while (!run.paused) {
        run.read(event);
        sent += event;
        ASSERT_LE(run.sender.held_bytes(), options.buffer_bytes_max + event.size());
    }
    EXPECT_GT(run.sender.held_bytes(), options.buffer_bytes_max);
    EXPECT_TRUE(run.relay.stalled());
    run.client_takes(1'000);
    EXPECT_EQ(run.raw(), sent) << "every byte, in order";
    EXPECT_EQ(run.pauses, 1);
    EXPECT_EQ(run.resumes, 1);
    EXPECT_FALSE(run.relay.stalled());
}

TEST_F(RelayTest, TheSourceGoesOnAtHalfTheLimitNotBefore) {
    RelayOptions options = stream_options(source_framings().front(), "");
    options.buffer_bytes_max = 10'000;
    RelayRun run(bench_, options);
    run.client_takes(0);
    const std::string event = chunk(delta_event(std::string(900, 'x')));
    while (!run.paused) run.read(event);
    while (run.paused) {
        ASSERT_GT(run.sender.held_bytes(), options.buffer_bytes_max / 2);
        (void)run.sender.on_sent(Result<size_t>(run.client.take(500)));
        run.relay.on_client_progress();
    }
    EXPECT_LE(run.sender.held_bytes(), options.buffer_bytes_max / 2);
}

TEST_F(RelayTest, AClientThatIsLostEndsTheRelayAndItsMemoryGoesHome) {
    RelayRun run(bench_, stream_options(source_framings().front(), ""));
    run.read(chunk(delta_event("a")) + chunk(delta_event("half")).substr(0, 20));
    run.relay.on_client_failed(Error{.code = Errc::reset, .side = Side::downstream});
    EXPECT_EQ(run.relay.end(), Relay::End::client_lost);
    EXPECT_EQ(bench_.sim.shard().blocks().live_count(), 0u);
}

// --- large events, coded sources

TEST_F(RelayTest, AnEventTooLongToHoldPassesInParts) {
    const std::string large = delta_event(std::string(5'000, 'L'));
    const std::string events = delta_event("a") + large + delta_event("b") + done_event;
    for (const size_t step : {1u, 7u, 100u, 999u}) {
        RelayOptions options = stream_options(source_framings().back(), "");
        options.event_bytes_max = 1'000;
        RelayRun run(bench_, options);
        for (size_t at = 0; at < events.size(); at += step) run.read(std::string_view(events).substr(at, step));
        run.source_ends();
        bool whole = false;
        ASSERT_EQ(run.payload(&whole), events) << step;
        ASSERT_TRUE(whole);
    }
}

TEST_F(RelayTest, InTheMiddleOfSuchAnEventNoErrorEventCanBeTold) {
    RelayOptions options = stream_options(source_framings().back(), "");
    options.event_bytes_max = 1'000;
    RelayRun run(bench_, options);
    for (int i = 0; i < 5; ++i) run.read(std::string(500, 'x'));
    run.source_ends(Errc::reset);
    EXPECT_EQ(run.relay.end(), Relay::End::unfinished);
}

/// RFC 1952 around stored blocks (RFC 1951, 3.2.4): coded, though no smaller.
std::string gzip(std::string_view text) {
    const auto number = [](uint32_t value, int bytes) {
        std::string little;
        for (int i = 0; i < bytes; ++i) little += static_cast<char>(value >> 8 * i);
        return little;
    };
    uint32_t crc = ~0u;
    for (const char c : text) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB88320u & (0u - (crc & 1)));
    }
    std::string coded("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
    for (size_t at = 0; at < text.size();) {
        const std::string_view block = text.substr(at, 700);
        at += block.size();
        const auto size = static_cast<uint32_t>(block.size());
        coded += number(at == text.size() ? 1 : 0, 1) + number(size, 2) + number(~size, 2);
        coded += block;
    }
    return coded + number(~crc, 4) + number(static_cast<uint32_t>(text.size()), 4);
}

TEST_F(RelayTest, AGzippedStreamIsDecodedAtEveryCut) {
    std::string events;
    for (int i = 0; i < 5; ++i) events += delta_event("event " + std::to_string(i));
    events += usage_event + done_event;
    const std::string coded = gzip(events);
    for (const Framing& framing : source_framings()) {
        const std::string bytes = framing.wrap(coded);
        for (size_t cut = 0; cut <= bytes.size(); ++cut) {
            RelayOptions options = stream_options(framing, coded);
            options.coding = http::ContentCoding::gzip;
            RelayRun run(bench_, options);
            run.read_cut_at(bytes, cut);
            if (framing.kind == http::BodyFraming::until_close) run.source_ends();
            bool whole = false;
            ASSERT_EQ(run.payload(&whole), events) << framing.name << " at " << cut;
            ASSERT_TRUE(whole);
            ASSERT_EQ(run.relay.usage().total, 21u);
        }
    }
}

TEST_F(RelayTest, GzippedJsonOfManyBuffersIsDecoded) {
    std::string body = R"({"data":[)";
    std::mt19937 random(7);
    for (int i = 0; i < 20'000; ++i) body += std::to_string(random() % 1000) + ",";
    body += R"(0],"usage":{"prompt_tokens":1,"total_tokens":2}})";
    const std::string coded = gzip(body);
    RelayRun run(bench_, {.source_framing = http::BodyFraming::length,
                          .source_length = coded.size(),
                          .client_framing = ClientFraming::chunked,
                          .coding = http::ContentCoding::gzip,
                          .read_usage = true});
    run.read(coded);
    EXPECT_EQ(run.payload(), body);
    EXPECT_EQ(run.relay.usage().total, 2u);
}

/// 500 events of 956 bytes and [DONE], by gzip -9: what the test below takes for `events`.
constexpr std::string_view dense_gzip_hex =
    "1f8b0800000000000203edd3210ec2401445513fab205f23d0a3c1c2029a8aa633094d482b18d1a499bd83600f9873ec732fb9656a533e"
    "1d313fb765aeefc8c311cb5aea1ef9728e525f6d8afc9db7b5d5b5458e1df8abe87dec2915ed827601ed02da05ed6a17b40b6817b4ab5d"
    "d02ea05d40bba05d40bb807641bbda05ed02da05ed6a17b40b6817d02e68d773a05d40bba05ded827601ed02da05ed02da05b40bdad52e"
    "6817d02e6857bba05d40bb807641bb807601ed8276b50bda05b40b6817b40b6817d02e6857bba05d40bba05ded827601ed02da05ed02da"
    "05b40bdad52e6817d02ea05dd02ea05d40bba05ded827601ed8276b50bda05b40b6817b40b6817d02e6857bba05d40bba05ded827601ed"
    "02da05ed6a17b40b6817b4ab5dd02ea05d40bba05d40bb807641bbda05ed02da05ed6a17b40b6817d02e6857bba05d40bba05ded827601"
    "ed02da05ed02da05b40bdad52e6817d02e6857bba05d40bb807641bbda05ed02da05ed6a17b40b6817d02e6817d02ea05dd0ae7641bb80"
    "7641bbda05ed02da05b40bdad52e6817d02e6857bba05d40bb807641bb807601ed8276b50bda05b40bdad52e6817d02ea05dd0aee740bb"
    "807641bbda05ed02da05b40bda05b40b6817b4ab5dd02ea05dd0ae7641bb807601ed827601ed02da05ed6a17b40b6817d02e6817d02ea0"
    "5dd0ae7641bb807641bbda05ed02da05b40bda05b40b6817b4ab5dd02ea05d40bba05d40bb807641bbda05ed02da05ed6a17b40b6817d0"
    "2e6817d02ea05dd0ae7641bb807641bbda05ed02da05b40bdad52e6817d02e6857bba05d40bb807641bb807601ed8276b50bda05b40bda"
    "d52e6817d02ea05dd0ae7641bb807641bbda05ed02da05b40bda05b40b6817b4ab5dd02ea05dd0ae7641bb807601ed8276b50bda05b40b"
    "dad52e6817d02ea05dd02ea05d40bba05ded827601ed8276b50bda05b40b6817b4ab5dd02ea05dd0ae7641bb807601ed827601ed02da05"
    "ed6a17b40b6817b4ab5dd02ea05d40bba05dcf817601ed8276b50bda05b40b6817b40b6817d02e6857bba05d40bba05ded827601ed02da"
    "05ed02da05b40bdad52e6817d02ea05dd02ea05d40bba05ded827601ed8276b50bda05b40b6817b40b6817d02e6857bba05d40bb807641"
    "bb807601ed8276b50bda05b40bdad52e6817d02ea05dd02ea05d40bba05ded827601ed8276b50bda05b40b6817b4ab5dd02ea05dd0ae76"
    "41bb807601ed827601ed02da05ed6a17b40b6817b4ab5dd02ea05d40bba05ded827601ed8276b50bda05b40b6817b40b6817d02e6857bb"
    "a05d40bba05ded827601ed02da05ed6a17b40b6817b4ab5dd02ea05d40bba05d40bb807641bbda05ed02da05ed6a17b40b6817d02e6857"
    "bba05d40bba05ded827601ed02da05ed02da05b40bdad52e6817d02e6857bba05d40bb807641bb9e03ed02da05ed6a17b40b6817d02e68"
    "17d02ea05dd0ae7641bb807641bbda05ed02da05b40bda05b40b6817b4ab5dd02ea05d40bba05d40bb807641bbda05ed02da05ed6a17b4"
    "0b6817d02e6817d02ea05dd0ae7641bb807601ed827601ed02da05ed6a17b40b6817b4ab5dd02ea05d40bba05d40bb807641bbda05ed02"
    "da05ed6a17b40b6817d02e6857bba05d40bba05ded827601ed02da05ed02da05b40bdad52e6817d02e6857bba05d40bb807641bbda05ed"
    "02da05ed6a17b40b6817d02e6817d02ea05dd0ae7641bb807641bbbf7687ebe37e1b53fa00adee030c3e4b0700";

TEST_F(RelayTest, ADenseAnswerIsDecodedNoFasterThanItsReaderTakesIt) {
    std::string events;
    for (int i = 0; i < 500; ++i)
        events += R"(data: {"choices":[{"index":0,"delta":{"content":")" + std::string(900, 'x') + "\"}}]}\n\n";
    events += done_event;
    std::string coded;
    for (size_t i = 0; i < dense_gzip_hex.size(); i += 2)
        coded += static_cast<char>(std::stoi(std::string(dense_gzip_hex.substr(i, 2)), nullptr, 16));
    for (const Framing& framing : source_framings()) {
        RelayOptions options = stream_options(framing, coded);
        options.coding = http::ContentCoding::gzip;
        options.buffer_bytes_max = 10'000;
        RelayRun run(bench_, options);
        run.client_takes(0);
        run.read(framing.wrap(coded));
        if (framing.kind == http::BodyFraming::until_close) run.source_ends();
        EXPECT_FALSE(run.relay.ended()) << framing.name;
        EXPECT_LE(run.sender.held_bytes(), options.buffer_bytes_max + 20'000) << "one step of the decoder above it";
        size_t held_max = 0;
        while (!run.relay.ended()) {
            ASSERT_FALSE(run.sender.idle()) << "nobody is left to go on, " << framing.name;
            (void)run.sender.on_sent(Result<size_t>(run.client.take(500)));
            run.relay.on_client_progress();
            held_max = std::max(held_max, run.sender.held_bytes());
        }
        EXPECT_LE(held_max, options.buffer_bytes_max + 20'000);
        run.client_takes(100'000);
        bool whole = false;
        EXPECT_EQ(run.payload(&whole), events) << framing.name;
        EXPECT_TRUE(whole) << framing.name;
    }
}

TEST_F(RelayTest, AGzippedStreamThatIsNoneIsBroken) {
    RelayOptions options = stream_options(source_framings().front(), "");
    options.coding = http::ContentCoding::gzip;
    RelayRun run(bench_, options);
    run.read(chunk(delta_event("plain, after all")));
    EXPECT_EQ(run.relay.end(), Relay::End::broken);
    EXPECT_TRUE(contains(run.payload(), "data: {\"error\""));
}

TEST_F(RelayTest, AnAnswerWithoutABodyIsOverAtOnce) {
    RelayRun run(bench_, {.source_framing = http::BodyFraming::none, .client_framing = ClientFraming::none});
    run.relay.add_head("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_EQ(run.relay.on_source_copy({}), 0u);
    run.run_ms(1);
    EXPECT_EQ(run.relay.end(), Relay::End::whole);
    EXPECT_EQ(run.raw(), "HTTP/1.1 204 No Content\r\n\r\n");
}

// --- starts that wait

/// A stream that is held leaves as it came, and one that breaks within it leaves no byte: wherever its reads are cut.
TEST_F(RelayTest, HeldStartsCutAtEveryByteInEveryFraming) {
    for (const Golden& golden : golden_streams()) {
        for (const Framing& framing : source_framings()) {
            const std::string bytes = framing.wrap(golden.events);
            RelayOptions options = stream_options(framing, golden.events);
            options.hold = {.bytes_max = 64 * 1024, .tokens = 1000};
            Relay::End end = Relay::End::open;
            for (size_t cut = 0; cut <= bytes.size(); ++cut) {
                RelayRun run(bench_, options);
                run.read_cut_at(bytes, cut);
                if (framing.kind == http::BodyFraming::until_close) run.source_ends();
                if (cut == 0) end = run.relay.end();
                ASSERT_EQ(run.relay.end(), end) << golden.name << " " << framing.name << " at " << cut;
                bool whole = false;
                if (end == Relay::End::whole) {
                    ASSERT_EQ(run.payload(&whole), golden.events) << golden.name << " " << framing.name;
                    ASSERT_EQ(run.first_contents, 1) << golden.name << " at " << cut;
                } else {
                    ASSERT_TRUE(run.relay.holding()) << golden.name;
                    ASSERT_EQ(run.raw(), "") << golden.name << " " << framing.name << " at " << cut;
                }
            }
        }
    }
}

TEST_F(RelayTest, AHeldStartThatBreaksAnywhereLeavesNothing) {
    const std::string events = delta_event("one") + delta_event("two") + delta_event("three");
    const Framing& framing = source_framings().front();
    const std::string bytes = framing.wrap(events);
    for (size_t cut = 0; cut < bytes.size() - 5; ++cut) {
        RelayOptions options = stream_options(framing, events);
        options.hold = {.bytes_max = 64 * 1024, .tokens = 1000};
        RelayRun run(bench_, options);
        run.read(std::string_view(bytes).substr(0, cut));
        run.source_ends(Errc::reset);
        ASSERT_EQ(run.raw(), "") << "cut at " << cut;
        ASSERT_EQ(run.relay.end(), Relay::End::unfinished);
        ASSERT_TRUE(run.relay.holding());
        ASSERT_EQ(run.first_contents, 0);
    }
}

TEST_F(RelayTest, AHeldStartLeavesWithItsTokensItsTimeOrItsBytes) {
    const Framing& framing = source_framings().front();
    const auto begun = [&](const HoldTerms& terms) {
        RelayOptions options = stream_options(framing, "");
        options.hold = terms;
        return std::make_unique<RelayRun>(bench_, options);
    };
    const std::string one = chunk(delta_event("four"));
    const auto by_tokens = begun({.bytes_max = 64 * 1024, .tokens = 3});
    by_tokens->read(one + one);
    by_tokens->run_ms(100'000);
    EXPECT_EQ(by_tokens->raw(), "");
    EXPECT_EQ(by_tokens->contents_came, 1);
    by_tokens->read(one);
    EXPECT_EQ(by_tokens->raw(), one + one + one);
    EXPECT_EQ(by_tokens->first_contents, 1);

    const auto by_time = begun({.bytes_max = 64 * 1024, .tokens = 100, .time_ms = 50});
    by_time->run_ms(1'000);
    by_time->read(one);
    by_time->run_ms(40);
    EXPECT_EQ(by_time->raw(), "");
    by_time->run_ms(20);
    EXPECT_EQ(by_time->raw(), one);
    by_time->read(one);
    EXPECT_EQ(by_time->raw(), one + one);
    EXPECT_EQ(by_time->first_contents, 1);

    const auto by_bytes = begun({.bytes_max = 1000, .tokens = 100});
    std::string sent;
    while (sent.size() <= 1000) {
        EXPECT_EQ(by_bytes->raw(), "");
        by_bytes->read(one);
        sent += one;
    }
    EXPECT_EQ(by_bytes->raw(), sent);
    EXPECT_EQ(by_bytes->first_contents, 1);
}

}  // namespace
}  // namespace loom::proxy::test
