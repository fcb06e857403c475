// Guards will fit: an observer that rewrites a word split over two deltas, and once suspends the stream for 50 ms,
// gives what a rewrite of the whole text gives, for every cut of every framing.
#include <gtest/gtest.h>

#include <optional>

#include "loom/io/timer_wheel.h"
#include "relay_harness.h"
#include "rewriting_observer.h"

namespace loom::proxy::test {
namespace {

constexpr std::string_view word = "secret";
constexpr std::string_view mask = "[redacted]";

/// Deltas that split the word in every way, begin it falsely, and have other events between its parts.
const std::string& source_events() {
    static const std::string events =
        delta_event("The sec") + delta_event("ret is a se") + ": ping\n\n" + delta_event("c") + delta_event("ret: s") +
        delta_event("esecretsecr") + "event: note\ndata: {\"vendor\":1}\n\n" + delta_event("et\\n secre") +
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" + usage_event + done_event;
    return events;
}

/// All that is said, and all else that stands beside it.
struct Heard {
    std::string text;
    std::string others;
};
Heard hear(std::string_view events) {
    Heard heard;
    llm::StreamReader reader;
    llm::Usage usage;
    http::SseSplitter splitter;
    while (const size_t end = splitter.next_event_end(events)) {
        const std::string_view event = events.substr(0, end);
        events.remove_prefix(end);
        http::SseEvent parsed;
        EXPECT_TRUE(http::parse_event(event, parsed, {}));
        const llm::EventFacts facts = reader.read(parsed.data, usage);
        if (facts.content.length < 2) {
            heard.others += event;
        } else {
            heard.text += parsed.data.substr(facts.content.offset + 1, facts.content.length - 2);
        }
    }
    EXPECT_EQ(events, "");
    return heard;
}

class Observer : public testing::Test {
  protected:
    Bench bench_;
};

TEST_F(Observer, ARewriteOverDeltasEqualsTheRewriteOfTheWholeTextAtEveryCut) {
    const Heard source = hear(source_events());
    for (const Framing& framing : source_framings()) {
        const std::string bytes = framing.wrap(source_events());
        for (size_t cut = 0; cut <= bytes.size(); ++cut) {
            RewritingObserver observer(word, mask);
            RelayOptions options = stream_options(framing, source_events());
            options.observer = &observer;
            RelayRun run(bench_, options);
            run.read_cut_at(bytes, cut);
            if (framing.kind == http::BodyFraming::until_close) run.source_ends();
            bool whole = false;
            const Heard heard = hear(run.payload(&whole));
            ASSERT_EQ(heard.text, replace_all(source.text, word, mask)) << framing.name << " at " << cut;
            ASSERT_EQ(heard.others, source.others) << framing.name << " at " << cut;
            ASSERT_TRUE(whole);
            ASSERT_EQ(run.relay.end(), Relay::End::whole);
        }
    }
}

TEST_F(Observer, SuspendingOnceChangesNothingButTheTimeAtEveryCut) {
    const Heard source = hear(source_events());
    for (const Framing& framing : source_framings()) {
        const std::string bytes = framing.wrap(source_events());
        for (const bool honours_pause : {false, true}) {
            for (size_t cut = 0; cut <= bytes.size(); ++cut) {
                RewritingObserver observer(word, mask);
                RelayOptions options = stream_options(framing, source_events());
                options.observer = &observer;
                std::optional<RelayRun> run;
                run.emplace(bench_, options);
                run->honours_pause = honours_pause;
                const uint64_t begun_ms = bench_.sim.shard().timers().now_ms();
                observer.suspend_at_event(1 + static_cast<uint32_t>(cut % 10), 50, bench_.sim.shard(), run->relay);
                run->read_cut_at(bytes, cut);
                if (framing.kind == http::BodyFraming::until_close) run->source_ends();
                ASSERT_FALSE(run->relay.ended()) << "a verdict is awaited";
                ASSERT_TRUE(run->paused);
                run->run_ms(49);
                ASSERT_FALSE(run->relay.ended());
                run->run_ms(2);
                ASSERT_GE(observer.resumed_at_ms(), begun_ms + 50);
                bool whole = false;
                const Heard heard = hear(run->payload(&whole));
                ASSERT_EQ(heard.text, replace_all(source.text, word, mask))
                    << framing.name << " at " << cut << " honours_pause " << honours_pause;
                ASSERT_EQ(heard.others, source.others);
                ASSERT_TRUE(whole);
                ASSERT_EQ(run->relay.end(), Relay::End::whole);
                ASSERT_EQ(run->relay.usage().total, 21u);
            }
        }
    }
}

TEST_F(Observer, EventsBeforeTheSuspendedOneHaveLeft) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().front(), "");
    options.observer = &observer;
    RelayRun run(bench_, options);
    observer.suspend_at_event(2, 50, bench_.sim.shard(), run.relay);
    run.read(chunk(delta_event("one") + delta_event("two") + delta_event("three")));
    EXPECT_EQ(run.payload(), delta_event("one"));
    run.relay.add_comment(": keep-alive\n\n");
    run.run_ms(1);
    EXPECT_EQ(run.payload(), delta_event("one")) << "not in the middle of what waits";
    run.run_ms(60);
    EXPECT_EQ(run.payload(), delta_event("one") + delta_event("two") + delta_event("three"));
}

TEST_F(Observer, TheVerdictMayComeByACall) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().front(), "");
    options.observer = &observer;
    RelayRun run(bench_, options);
    observer.suspend_at_event(1, 0, bench_.sim.shard(), run.relay);
    run.read(chunk(delta_event("a secret")));
    EXPECT_EQ(run.raw(), "");
    run.relay.resume();
    run.run_ms(1);
    EXPECT_EQ(run.payload(), delta_event("a [redacted]"));
    EXPECT_EQ(run.pauses, 1);
    EXPECT_EQ(run.resumes, 1);
}

TEST_F(Observer, ASourceThatBreaksWhileAVerdictIsAwaitedIsToldAfterIt) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().front(), "");
    options.observer = &observer;
    RelayRun run(bench_, options);
    observer.suspend_at_event(2, 50, bench_.sim.shard(), run.relay);
    run.read(chunk(delta_event("one") + delta_event("two")));
    run.source_ends(Errc::reset);
    EXPECT_FALSE(run.relay.ended());
    run.run_ms(60);
    EXPECT_EQ(run.relay.end(), Relay::End::broken);
    EXPECT_TRUE(run.payload().starts_with(delta_event("one") + delta_event("two") + "data: {\"error\""));
}

TEST_F(Observer, WhatItHeldBackComesBeforeTheErrorEvent) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().front(), "");
    options.observer = &observer;
    RelayRun run(bench_, options);
    run.read(chunk(delta_event("no sec")));
    EXPECT_EQ(hear(run.payload()).text, "no ");
    run.source_ends(Errc::reset);
    bool whole = false;
    const std::string payload = run.payload(&whole);
    EXPECT_EQ(hear(payload).text, "no sec");
    EXPECT_LT(payload.find("sec"), payload.find("\"error\""));
    EXPECT_TRUE(whole);
}

TEST_F(Observer, DataOfSeveralLinesIsSeenJoined) {
    const std::string json = R"({"choices":[{"index":0,"delta":{"content":"a secret"}}]})";
    const size_t comma = json.find(',') + 1;
    const std::string event = "data: " + json.substr(0, comma) + "\ndata: " + json.substr(comma) + "\n\n";
    for (size_t cut = 0; cut <= event.size(); ++cut) {
        RewritingObserver observer(word, mask);
        RelayOptions options = stream_options(source_framings().back(), "");
        options.observer = &observer;
        RelayRun run(bench_, options);
        run.read_cut_at(event, cut);
        ASSERT_EQ(hear(run.payload()).text, "a [redacted]") << cut;
    }
}

TEST_F(Observer, ALastEventWithoutItsBlankLineIsJudgedToo) {
    for (const Framing& framing : {source_framings()[1], source_framings()[3]}) {
        RewritingObserver observer(word, mask);
        std::string events = delta_event("x") + delta_event("a secret");
        events.pop_back();
        RelayOptions options = stream_options(framing, events);
        options.observer = &observer;
        RelayRun run(bench_, options);
        run.read(framing.wrap(events));
        EXPECT_EQ(run.relay.end(), Relay::End::whole);
        EXPECT_EQ(run.payload().find(word), std::string::npos) << framing.name;
        EXPECT_NE(run.payload().find(mask), std::string::npos) << framing.name;
    }
}

TEST_F(Observer, AnEventTooLongToBeSeenWholeEndsTheStreamRatherThanPassUnseen) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().back(), "");
    options.observer = &observer;
    options.event_bytes_max = 1'000;
    RelayRun run(bench_, options);
    run.read(delta_event("before"));
    const std::string large = delta_event(std::string(5'000, 'x') + "secret");
    for (size_t at = 0; at < large.size(); at += 400) run.read(std::string_view(large).substr(at, 400));
    EXPECT_EQ(run.relay.end(), Relay::End::broken);
    EXPECT_TRUE(run.payload().starts_with(delta_event("before") + "data: {\"error\""));
    EXPECT_EQ(run.relay.error().code, Errc::too_large);
}

TEST_F(Observer, ThatChangesNothingLetsTheVeryBytesPass) {
    RewritingObserver observer(word, mask);
    RelayOptions options = stream_options(source_framings().front(), "");
    options.observer = &observer;
    RelayRun run(bench_, options);
    const std::string bytes = chunk(delta_event("one")) + chunk(delta_event("two"));
    run.read(bytes);
    EXPECT_EQ(run.raw(), bytes);
}

}  // namespace
}  // namespace loom::proxy::test
