// What clients use is booked once, to the token, however requests end and whenever Loom does.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "fixture.h"
#include "ledger_pages.h"
#include "state_directory.h"
#include "three_providers.h"
#include "websocket.h"

namespace loom::wire {
namespace {

namespace fs = std::filesystem;

void keep_ledger(Conf& conf, const StateDirectory& state) {
    conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
    conf.set("consumer.tester.team", "testers").set("consumer.tester.tenant", "acme");
    conf.set("price.gpt-4o.input_per_1m", "2.50").set("price.gpt-4o.output_per_1m", "10");
}

class Ledger : public WireTest {
  protected:
    Ledger() { keep_ledger(conf, state); }
    /// Of the tester, once so many attempts are settled.
    std::string page(long attempts = 1) {
        std::string told;
        wait_until("all to be settled", [&] {
            told = usage_page(loom(), "/tester");
            return number_in(told, "attempts") == attempts;
        });
        return told;
    }
    long requests_in(const std::string& period) {
        return number_in(usage_page(loom(), "/tester?period=" + period), "requests");
    }
    void TearDown() override {
        WireTest::TearDown();
        const auto [status, text] = verify(state.path());
        EXPECT_EQ(status, 0) << text;
    }
    StateDirectory state;
};

TEST_F(Ledger, TellsWhatAConsumerHasUsed) {
    start(answer_always(answer(chat_answer)));
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string told = page(3);
    EXPECT_TRUE(told.starts_with(R"({"consumer":"tester","period":"20)")) << told;
    EXPECT_TRUE(contains(told,
                         R"("tokens":{"prompt":27,"completion":36,"total":63},"requests":3,"cost_estimate":"$0.00",)"
                         R"("cost":"0.0004275")"))
        << told;
    EXPECT_TRUE(contains(told, R"("models":[{"model":"gpt-4o","tokens":{"prompt":27,)")) << told;
    EXPECT_TRUE(contains(told, R"("days":[{"day":"20)")) << told;
    const std::string all = usage_page(loom(), "");
    for (const char* const part : {R"("tenants":[{"tenant":"acme",)", R"("teams":[{"team":"acme/testers",)",
                                   R"("consumers":[{"consumer":"tester",)", R"("providers":[{"provider":"mock",)",
                                   R"("provenances":[{"provenance":"reported",)"})
        EXPECT_TRUE(contains(all, part)) << all;
}

TEST_F(Ledger, PeriodsAreMonthsAndDays) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string now = page();
    const size_t at = now.find(R"("day":")") + 7;
    const std::string today = now.substr(at, 10);
    EXPECT_EQ(requests_in(today), 1);
    EXPECT_EQ(requests_in(today.substr(0, 7)), 1);
    EXPECT_EQ(requests_in("2024-02"), 0);
    for (const char* const bad : {"?period=2024-13", "?period=2024-02-30", "?period=", "?x=1", "?period=2024-2"})
        EXPECT_EQ(ask_once(loom().admin_port(), request("GET", "/ai/usage/tester" + std::string(bad))).status(), 400)
            << bad;
    EXPECT_EQ(ask_once(loom().admin_port(), request("GET", "/ai/usage/nobody")).status(), 404);
    EXPECT_EQ(ask_once(loom().admin_port(), request("POST", "/ai/usage")).status(), 405);
}

TEST_F(Ledger, AStreamsUsageIsBooked) {
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    EXPECT_EQ(ask(chat_request(stream_body)).status(), 200);
    const std::string told = page();
    EXPECT_EQ(number_in(told, "prompt"), 9);
    EXPECT_EQ(number_in(told, "completion"), 12);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 0);
}

TEST_F(Ledger, WhatAProviderRefusesCostsNothing) {
    start(answer_always(answer(R"({"error":{"message":"no"}})", "400 Bad Request")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 400);
    const std::string told = page();
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_EQ(number_in(told, "total"), 0);
    EXPECT_TRUE(contains(told, R"("cost":"0")")) << told;
}

TEST_F(Ledger, WhatLoomRefusesIsNotThere) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(R"({"model":"nothing","messages":[]})")).status(), 404);
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions", "", chat_body)).status(), 401);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_EQ(number_in(page(), "attempts"), 1) << "the last one's alone";
}

TEST_F(Ledger, AnAnswerWithoutUsageIsEstimated) {
    start(answer_always(answer(R"({"id":"c","object":"chat.completion","choices":[]})")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string told = page();
    EXPECT_GT(number_in(told, "prompt"), 0);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 1);
}

TEST_F(Ledger, AStreamThatBreaksOffIsBookedAsFarAsItCame) {
    allow_script_failures();
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("one")) + chunk(delta_event("two")) + chunk(delta_event("three")));
        connection.wait_until_loom_has_read();
        connection.reset();
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    (void)one.read_response();  // which ends with an error event
    const std::string told = page();
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_GT(number_in(told, "prompt"), 0);
    EXPECT_GE(number_in(told, "completion"), 3);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 1);
    EXPECT_TRUE(contains(usage_page(loom(), ""), R"("provenance":"estimated")")) << "nobody knows its model's tokens";
}

TEST_F(Ledger, AClientThatLeavesPaysForWhatCame) {
    allow_script_failures();
    Gate left;
    start([&left](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("one")) + chunk(delta_event("two")));
        connection.wait_until_loom_has_read();
        left.open();
        (void)connection.wait_closed();
    });
    {
        RawClient one = client();
        one.send(chat_request(stream_body));
        left.wait();
        one.reset();
    }
    const std::string told = page();
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_GT(number_in(told, "prompt"), 0);
    EXPECT_EQ(number_in(told, "completion"), 2);
}

/// An answer that comes whole is worked out before any of it is seen.
TEST_F(Ledger, AClientThatDoesNotWaitForAWholeAnswerPaysForWhatWasExpected) {
    allow_script_failures();
    Gate asked;
    start([&asked](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        asked.open();
        (void)connection.wait_closed();
    });
    {
        RawClient one = client();
        one.send(chat_request(R"({"model":"gpt-4o","max_tokens":77,"messages":[{"role":"user","content":"Hi"}]})"));
        asked.wait();
        one.reset();
    }
    const std::string told = page();
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_GT(number_in(told, "prompt"), 0);
    EXPECT_EQ(number_in(told, "completion"), 77);
    EXPECT_EQ(number_in(told, "attempts_estimated"), 1);
}

/// A translated answer that comes whole, with tokens that were read from the provider's cache.
TEST_F(Ledger, ATranslatedAnswersUsageIsBooked) {
    conf.set("provider.mock.type", "anthropic");
    conf.set("price.gpt-4o.cached_input_per_1m", "1.25");
    start(answer_always(answer(
        R"({"id":"m","type":"message","role":"assistant","model":"gpt-4o","content":[{"type":"text","text":"Hi"}],)"
        R"("stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":60,"cache_read_input_tokens":40,)"
        R"("output_tokens":5}})")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const std::string told = page();
    EXPECT_EQ(number_in(told, "prompt"), 100);
    EXPECT_EQ(number_in(told, "cached_tokens"), 40);
    EXPECT_EQ(number_in(told, "completion"), 5);
    // 60 * 2.50 + 40 * 1.25 + 5 * 10 of a million.
    EXPECT_TRUE(contains(told, R"("cost":"0.00025")")) << told;
}

TEST_F(Ledger, ASessionIsBookedAtItsEnd) {
    conf.set("provider.mock.models", "gpt-realtime");
    const std::string done =
        R"({"type":"response.done","event_id":"e","response":{"id":"r","status":"completed","usage":{"total_tokens":275,)"
        R"("input_tokens":127,"output_tokens":148}}})";
    start([&done](UpstreamConnection& connection) {
        auto end = accept_websocket(connection);
        if (!end) return;
        end->send_text(done);
        const Frame close = end->read();
        end->send(opcode::close, close.payload);
    });
    RawClient one = client();
    one.send(upgrade_request("/v1/realtime?model=gpt-realtime", auth_header()));
    ASSERT_EQ(one.reader().start_response(true).status(), 101);
    WebSocketEnd end(one.fd(), WebSocketEnd::Role::client, std::string(one.reader().unread()));
    (void)end.read();
    EXPECT_EQ(number_in(usage_page(loom(), "/tester"), "attempts"), 0) << "it is under way";
    end.send_close(1000);
    EXPECT_EQ(end.read_close(), 1000);
    const std::string told = page();
    EXPECT_EQ(number_in(told, "prompt"), 127);
    EXPECT_EQ(number_in(told, "completion"), 148);
    EXPECT_TRUE(contains(told, R"("model":"gpt-realtime")")) << told;
}

TEST_F(Ledger, WithoutItThereIsNoSuchPage) {
    conf.set("token_accounting.enabled", "").set("state.directory", "");
    start(answer_always(answer(chat_answer)));
    const Message told = ask_once(loom().admin_port(), request("GET", "/ai/usage"));
    EXPECT_EQ(told.status(), 404);
    EXPECT_TRUE(contains(told.body, "token_accounting.enabled")) << told.body;
    conf.set("token_accounting.enabled", "on").set("token_accounting.store.type", "memory");
    LoomProcess in_memory(conf.text());
    EXPECT_EQ(ask_once(in_memory.port(), chat_request(chat_body)).status(), 200);
    wait_until("it to be settled", [&] { return number_in(usage_page(in_memory, "/tester"), "prompt") == 9; });
    in_memory.stop_cleanly();
    conf.set("token_accounting.store.type", "").set("state.directory", state.path());
    LoomProcess on_disk(conf.text());  // for the end's verify
    on_disk.stop_cleanly();
}

TEST_F(Ledger, ASecondLoomOnTheSameDirectoryDoesNotStart) {
    start(answer_always(answer(chat_answer)));
    const Exit second = LoomProcess::run_to_end(conf.text());
    EXPECT_EQ(second.code, 78);
    EXPECT_TRUE(contains(second.log, "another Loom keeps its ledger in " + state.path())) << second.log;
}

/// The first cost in a line or page, as the currency's units.
double cost_in(std::string_view text) {
    const size_t at = text.find(R"("cost":)");
    return at == text.npos ? -1 : std::strtod(text.data() + text.find_first_of("0123456789", at), nullptr);
}

TEST_F(Ledger, AnOldAnswersLineTellsWhatTheProviderThatFailedHasCost) {
    conf.set("cache.exact.enabled", "on").set("cache.exact.ttl", "1ms").set("cache.exact.stale", "1h");
    allow_script_failures();
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const double first = cost_in(page(1));
    upstream().set_script([](UpstreamConnection& connection) {
        (void)connection.read_request();
        connection.reset();
    });
    upstream().end_connections();
    wait_until("it to be old", [&] {
        return ask(chat_request(chat_body)).head.value("x-loom-cache") == "stale" &&
               number_in(usage_page(loom(), "/tester"), "attempts") > 1;
    });
    const std::string line = loom().wait_for_access_line(R"("cache":"stale")");
    EXPECT_GT(cost_in(line), 0) << line;
    EXPECT_NEAR(cost_in(line), 512 * 10e-6, 100e-6) << line << "\nbeside what was answered first: " << first;
}

class LedgerOfThree : public ThreeProviders {
  protected:
    /// One request was made: its line and the ledger say the same.
    void expect_one_cost(std::string_view told) {
        const std::string line = loom().wait_for_access_line(R"("status":)");
        EXPECT_GT(cost_in(told), 0.005) << told << "512 tokens of an answer";
        EXPECT_NEAR(cost_in(line), cost_in(told), 1e-9) << line << told;
    }
    LedgerOfThree() {
        keep_ledger(conf, state);
        conf.set("routing.failover.enabled", "on");
    }
    /// Of everybody, once so many attempts are settled.
    std::string all(long attempts) {
        std::string told;
        wait_until("all to be settled", [&] {
            told = usage_page(loom(), "");
            return number_in(told, "attempts") == attempts;
        });
        return told;
    }
    static long of(std::string_view page, const std::string& kind, const std::string& name, std::string_view what) {
        const size_t at = page.find("{\"" + kind + "\":\"" + name + "\"");
        return at == page.npos ? -1 : number_in(page, what, at);
    }
    StateDirectory state;
};

TEST_F(LedgerOfThree, EachAttemptIsBookedAndTheRequestOnce) {
    start_all();
    fail(upstream());
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
    const std::string told = all(2);
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_EQ(number_in(told, "attempts"), 2);
    EXPECT_EQ(of(told, "provider", "mock", "total"), 0) << told;
    EXPECT_EQ(of(told, "provider", "spare", "total"), 2) << told;
}

TEST_F(LedgerOfThree, OfAStreamThatAnotherGoesOnWithEachHasItsPart) {
    conf.set("routing.failover.continuation", "on");
    start_all();
    upstream().set_script([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("one")) + chunk(delta_event(" two")));
        connection.wait_until_loom_has_read();
        connection.reset();
    });
    upstream().end_connections();
    spare().set_script(answer_always(sse_answer(delta_event(" three") + usage_event + done_event)));
    spare().end_connections();
    EXPECT_EQ(ask(chat_request(stream_body)).status(), 200);
    const std::string told = all(2);
    EXPECT_EQ(number_in(told, "requests"), 1) << told;
    EXPECT_GT(of(told, "provider", "mock", "prompt"), 0) << told;
    EXPECT_EQ(of(told, "provider", "mock", "completion"), 2) << told;
    EXPECT_EQ(of(told, "provider", "mock", "attempts_estimated"), 1) << told;
    EXPECT_EQ(of(told, "provider", "spare", "prompt"), 9) << told;
    EXPECT_EQ(of(told, "provider", "spare", "completion"), 12) << told;
}

TEST_F(LedgerOfThree, TheLogsCostIsThatOfAllAttempts_AlsoOfOneThatNeverAnswered) {
    conf.set("provider.mock.timeout.response_header", "100ms");
    start_all();
    upstream().set_script([](UpstreamConnection& connection) {
        (void)connection.read_request();
        (void)connection.wait_closed();
    });
    upstream().end_connections();
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
    expect_one_cost(all(2));
}

TEST_F(LedgerOfThree, WhatWasNeverSentCostsNothing) {
    start_all();
    upstream().stop_listening();
    upstream().end_connections();
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
    const std::string told = all(2);
    EXPECT_EQ(number_in(told, "requests"), 1);
    EXPECT_EQ(of(told, "provider", "mock", "total"), 0) << told;
}

TEST_F(LedgerOfThree, ACopyIsTheShadowsOwn) {
    conf.set("routing.mirror.provider", "third").set("provider.third.weight", "0");
    start_all();
    EXPECT_EQ(asked(body("gpt-4o")), "mock");
    wait_until("the copy", [&] { return loom().metric("loom_ai_mirrored_requests_total{result=\"answered\"}") == 1; });
    const std::string told = all(2);
    EXPECT_EQ(of(told, "consumer", "tester", "requests"), 1) << told;
    EXPECT_EQ(of(told, "consumer", "mirror/third", "requests"), 1) << told;
}

TEST_F(LedgerOfThree, OfTwoThatRaceBothAreBookedAndTheRequestOnce) {
    conf.set("routing.hedge.after", "20ms").set("routing.hedge.budget", "100%");
    start_all();
    Gate over;
    upstream().set_script([&over](UpstreamConnection& connection) {
        (void)connection.read_request();
        (void)connection.wait_closed();
        over.open();
    });
    upstream().end_connections();
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
    over.wait();
    const std::string told = all(2);
    EXPECT_EQ(number_in(told, "requests"), 1) << told;
    EXPECT_EQ(number_in(told, "attempts"), 2) << told;
    EXPECT_EQ(of(told, "provider", "spare", "total"), 2) << told;
    EXPECT_GT(of(told, "provider", "mock", "prompt"), 0) << "it was asked, and nobody knows what it has worked";
    EXPECT_EQ(of(told, "provider", "mock", "completion"), 512) << "as much as was to be expected\n" << told;
    expect_one_cost(told);
    EXPECT_EQ(of(told, "provider", "mock", "attempts_estimated"), 1) << told;
}

/// What the clients, the provider and the ledger say of requests that each have a model of their own.
class KilledLedger : public testing::TestWithParam<bool> {
  protected:
    /// In a plain state.directory, or in one that is encrypted.
    void keep(Conf& conf) const {
        conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
        if (GetParam()) conf.set("state.encryption_key", std::string(64, 'e'));
    }
    /// What `loom ledger verify` is given.
    std::string place(const LoomProcess& loom) const { return GetParam() ? loom.path("loom.conf") : state.path(); }
    static long prompt_of(long n) { return 10 + n % 97; }
    static long completion_of(long n) { return 1 + n % 13; }
    static std::string usage_of(long n) {
        return fmt::format(R"("usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", prompt_of(n),
                           completion_of(n), prompt_of(n) + completion_of(n));
    }
    static std::string body_of(long n) {
        return fmt::format(R"({{"model":"m-{}"{},"messages":[{{"role":"user","content":"Hello there"}}]}})", n,
                           n % 2 == 1 ? R"(,"stream":true,"stream_options":{"include_usage":true})" : "");
    }
    std::string answer_to(const Message& asked) {
        const long n = std::strtol(json_text(asked.body, "model").c_str() + 2, nullptr, 10);
        {
            const std::lock_guard lock(mutex);
            received.insert(n);
        }
        if (n % 2 == 0)
            return answer(R"({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[],)" +
                          usage_of(n) + "}");
        return sse_answer(delta_event("a") + delta_event("b") +
                          R"(data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],)" +
                          usage_of(n) + "}\n\n" + done_event);
    }
    /// Asks until Loom is gone.
    void ask_on(uint16_t port) {
        long last = -1;
        try {
            RawClient client(port);
            for (;;) {
                if (next >= models_max) break;
                const long n = next++;
                const Message told = client.ask(chat_request(body_of(n)));
                if (told.status() != 200) break;
                const std::lock_guard lock(mutex);
                answered.insert(n);
                last = n;
            }
        } catch (const WireError&) {
        }
        const std::lock_guard lock(mutex);
        last_answered.insert(last);
    }

    static constexpr long models_max = 90'000;  // each request has its own, and a day has 100 000 in the sums
    StateDirectory state;
    std::mutex mutex;
    std::atomic<long> next = 0;
    std::set<long> received;  // by the provider
    std::set<long> answered;  // whole, as their clients saw it
    /// The last of each client before a kill: its settlement may have been under way. What it asked next has its intent
    /// behind it in the log, and was not sent before that was written.
    std::set<long> last_answered;
};

/// One behind the other: a page has no more than a thousand.
std::string pages_by_model(const LoomProcess& loom, const std::string& consumer) {
    std::string all, after;
    for (;;) {
        const std::string page = usage_page(loom, "?group=model&limit=1000&consumer=" + consumer + after);
        all += page;
        constexpr std::string_view next = R"("next":")";
        const size_t at = page.rfind(next);
        if (at == page.npos) return all;
        const size_t begin = at + next.size();
        after = "&after=" + page.substr(begin, page.find('"', begin) - begin);
    }
}

TEST_P(KilledLedger, LosesNoSettledRequestAndRepeatsNone) {
    constexpr int kills = 60;
    ScriptedUpstream upstream(answer_with([this](const Message& asked) { return answer_to(asked); }));
    Conf conf;
    conf.use_upstream(upstream.port());
    conf.set("provider.mock.models", "").set("loop.shards", "2").set("log.access.path", "off");
    keep(conf);
    conf.set("token_accounting.log.segment_size", "64KiB");
    std::mt19937 random(20'260'711);
    for (int kill_number = 0; kill_number < kills; ++kill_number) {
        LoomProcess loom(conf.text());
        std::vector<std::thread> clients;
        for (int i = 0; i < 6; ++i) clients.emplace_back([&] { ask_on(loom.port()); });
        const bool is_long = kill_number % 6 == 5;
        std::this_thread::sleep_for(
            std::chrono::microseconds((is_long ? 200'000 : 20'000) + random() % (is_long ? 160'000 : 20'000)));
        loom.signal(SIGKILL);
        for (std::thread& client : clients) client.join();
        (void)loom.wait_for_exit();
    }
    upstream.end_connections();
    LoomProcess loom(conf.text());
    const std::string page = pages_by_model(loom, "tester");
    const std::lock_guard lock(mutex);
    ASSERT_GT(answered.size(), 100u);
    std::map<long, size_t> places;  // in the page
    constexpr std::string_view front = R"({"model":"m-)";
    for (size_t at = page.find(front); at != page.npos; at = page.find(front, at + 1))
        EXPECT_TRUE(places.emplace(std::strtol(page.c_str() + at + front.size(), nullptr, 10), at).second);
    const long booked = static_cast<long>(places.size());
    long late = 0;
    for (long n = 0; n < next; ++n) {
        const auto place = places.find(n);
        const bool is_booked = place != places.end();
        const size_t at = is_booked ? place->second : page.npos;
        if (received.contains(n)) {
            ASSERT_TRUE(is_booked) << "m-" << n << " was asked of the provider and is not in the ledger";
        }
        if (!is_booked) continue;
        EXPECT_EQ(number_in(page, "requests", at), 1) << "m-" << n;
        EXPECT_EQ(number_in(page, "attempts", at), 1) << "m-" << n;
        const bool exact = number_in(page, "prompt", at) == prompt_of(n) &&
                           number_in(page, "completion", at) == completion_of(n) &&
                           number_in(page, "attempts_estimated", at) == 0;
        EXPECT_TRUE(exact || number_in(page, "attempts_estimated", at) == 1)
            << "m-" << n << " was in flight, and is not marked: " << page.substr(at, 300);
        if (!answered.contains(n)) continue;
        if (!exact) late += 1;
        EXPECT_TRUE(exact || last_answered.contains(n)) << "m-" << n << ": " << page.substr(at, 300);
    }
    EXPECT_EQ(number_in(page, "requests"), booked);
    std::printf("%zu answered, %zu received, %ld booked, %ld answered but not settled when killed\n", answered.size(),
                received.size(), booked, late);
    EXPECT_LE(late, long{6} * kills) << "one of each client and kill";
    const auto [status, text] = verify(place(loom));
    EXPECT_EQ(status, 0) << text;
    loom.stop_cleanly();
    EXPECT_EQ(verify(place(loom)).first, 0);
    EXPECT_EQ(LoomProcess::complaint_in(text), "");
}

TEST_P(KilledLedger, VerifyFailsWhereALineWasChanged) {
    ScriptedUpstream upstream(answer_with([this](const Message& asked) { return answer_to(asked); }));
    Conf conf;
    conf.use_upstream(upstream.port());
    conf.set("provider.mock.models", "").set("log.access.path", "off");
    keep(conf);
    LoomProcess loom(conf.text());
    EXPECT_EQ(ask_once(loom.port(), chat_request(body_of(0))).status(), 200);
    loom.stop_cleanly();
    EXPECT_EQ(verify(place(loom)).first, 0) << verify(place(loom)).second;
    for (const auto& entry : fs::directory_iterator(state.path() + "/ledger")) {
        if (fs::file_size(entry.path()) < (GetParam() ? 200u : 100u)) continue;  // more than its beginning
        std::string bytes = read_file(entry.path());
        bytes[bytes.size() - 20] ^= 1;
        std::ofstream(entry.path(), std::ios::binary | std::ios::trunc) << bytes;
    }
    const auto [status, text] = verify(place(loom));
    EXPECT_EQ(status, 1) << text;
    EXPECT_TRUE(contains(text, "difference: ")) << text;
    EXPECT_EQ(verify(state.path() + "/nothing").first, 78);
}

INSTANTIATE_TEST_SUITE_P(State, KilledLedger, testing::Bool(),
                         [](const auto& info) { return info.param ? "Encrypted" : "Plain"; });

/// A disk of its own, which a test can fill; where the machine allows that.
class FullDisk : public WireTest {
  protected:
    FullDisk() {
        mounted = ::mount("none", state.path().c_str(), "tmpfs", 0, "size=2m") == 0;
        keep_ledger(conf, state);
    }
    ~FullDisk() override {
        if (mounted) ::umount2(state.path().c_str(), MNT_DETACH);
    }
    void fill() const {
        std::ofstream file(state.path() + "/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { fs::remove(state.path() + "/filler"); }
    void ask_until(int status) {
        wait_until(fmt::format("an answer {}", status),
                   [&] { return ask(chat_request(chat_body)).status() == status; });
    }
    StateDirectory state;
    bool mounted = false;
};

TEST_F(FullDisk, RequestsAreServedAndNothingThatHasRoomInMemoryIsLost) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    fill();
    long asked = 1;
    for (; asked < 60; ++asked) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    wait_until("the log to tell", [&] { return contains(loom().log(), "cannot be written: No space left"); });
    make_room();
    wait_until("the log to tell", [&] { return contains(loom().log(), "is written again"); });
    wait_until("all to be booked", [&] { return number_in(usage_page(loom(), "/tester"), "requests") == asked; });
    EXPECT_EQ(number_in(usage_page(loom(), "/tester"), "prompt"), 9 * asked);
    EXPECT_EQ(loom().eventually("loom_ai_ledger_lost_total"), 0);
}

TEST_F(FullDisk, OrRefusedUntilThereIsRoom) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    conf.set("token_accounting.on_disk_full", "refuse");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    fill();
    ask_until(503);
    EXPECT_TRUE(contains(ask(chat_request(chat_body)).body, "token_accounting.on_disk_full"));
    make_room();
    ask_until(200);
}

/// A disk of its own that a test can bring to a standstill, where the machine allows that: what is written to it waits.
class StalledDisk : public WireTest {
  protected:
    StalledDisk() {
        keep_ledger(conf, state);
        conf.set("timeout.connect", "200ms").set("loop.shards", "1");
        const std::string image = state.path() + "/image";
        fs::create_directory(disk());
        std::ofstream(image).close();
        fs::resize_file(image, uintmax_t{16} << 20);
        const std::string command =
            fmt::format("mkfs.ext4 -q -F {0} >/dev/null 2>&1 && mount -o loop {0} {1} 2>/dev/null", image, disk());
        mounted = std::system(command.c_str()) == 0;
        if (mounted) folder = ::open(disk().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    ~StalledDisk() override {
        let_go();
        if (folder >= 0) ::close(folder);
        if (mounted) ::umount2(disk().c_str(), MNT_DETACH);
    }
    void TearDown() override {
        let_go();
        WireTest::TearDown();
    }
    std::string disk() const { return state.path() + "/ledger"; }
    void hold() { held = ::ioctl(folder, FIFREEZE, 0) == 0; }
    void let_go() {
        if (std::exchange(held, false)) ::ioctl(folder, FITHAW, 0);
    }
    Eventually reused() {
        return loom().eventually("loom_upstream_connections_total{provider=\"mock\",result=\"reused\"}");
    }
    Eventually stale() {
        return loom().eventually("loom_upstream_connections_total{provider=\"mock\",result=\"stale\"}");
    }
    /// A request of a pooled connection that waits for its intent; then the connection ends as `ends` has it.
    void end_while_waiting(std::function<void(UpstreamConnection&)> ends) {
        start([this, ends = std::move(ends)](UpstreamConnection& connection) {
            const bool is_first = connections++ == 0;
            while (connection.read_request()) {
                connection.send(answer(chat_answer));
                if (!is_first) continue;
                waits.wait();
                return ends(connection);
            }
        });
        EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
        hold();
        ASSERT_TRUE(held);
        RawClient one = client();
        one.send(chat_request(chat_body));
        wait_until("the pooled connection to be taken", [this] { return reused() == 1; });
        waits.open();
        wait_until("its end to be seen", [this] { return stale() == 1; });
        let_go();
        EXPECT_EQ(one.read_response().status(), 200);
        wait_until("both to be booked", [&] { return number_in(usage_page(loom(), "/tester"), "prompt") == 2 * 9; });
        EXPECT_EQ(number_in(usage_page(loom(), "/tester"), "attempts"), 2);
    }

    StateDirectory state;
    Gate waits;
    std::atomic<int> connections = 0;
    bool mounted = false;
    bool held = false;
    int folder = -1;
};

TEST_F(StalledDisk, IsNoProvidersFault) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    hold();
    ASSERT_TRUE(held);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200) << i;
    EXPECT_EQ(loom().eventually("loom_timeouts_total"), 0);
    let_go();
    wait_until("all to be booked", [&] { return number_in(usage_page(loom(), "/tester"), "requests") == 11; });
    EXPECT_EQ(number_in(usage_page(loom(), "/tester"), "prompt"), 9 * 11);
    EXPECT_EQ(loom().eventually("loom_ai_ledger_lost_total"), 0);
}

TEST_F(StalledDisk, OrNobodyIsServed) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    conf.set("token_accounting.on_disk_full", "refuse");
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    hold();
    ASSERT_TRUE(held);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 503) << "also who waited already";
    let_go();
    wait_until("an answer", [&] { return ask(chat_request(chat_body)).status() == 200; });
    wait_until("both to be booked", [&] { return number_in(usage_page(loom(), "/tester"), "prompt") == 2 * 9; });
}

TEST_F(StalledDisk, APooledConnectionThatClosesMeanwhileIsReplaced) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    end_while_waiting([](UpstreamConnection& connection) { connection.close(); });
}

TEST_F(StalledDisk, APooledConnectionThatSaysGoodbyeMeanwhileIsReplaced) {
    if (!mounted) GTEST_SKIP() << "mounting a file system is not allowed here";
    end_while_waiting([](UpstreamConnection& connection) {
        connection.send("HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        connection.close();
    });
}

}  // namespace
}  // namespace loom::wire
