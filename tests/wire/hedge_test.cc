// Two providers asked for one request: the client gets one answer, whole and once, and each attempt is booked for what
// it is.
#include <thread>

#include "protocols.h"
#include "three_providers.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::string role_event =
    "data: "
    R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o","choices":[{"index":0,)"
    R"("delta":{"role":"assistant","content":""},"finish_reason":null}]})"
    "\n\n";
std::string stream_of(std::string_view provider) {
    return role_event + delta_event("from ") + delta_event(provider) + usage_event + done_event;
}
std::string error_of(std::string_view provider) {
    return R"({"error":{"message":"by )" + std::string(provider) + "\"}}";
}

/// `mock` is asked first, `spare` beside it after 50 ms, `third` where these fail. Each goes by its test's script.
class Hedge : public ThreeProviders {
  protected:
    Hedge() {
        conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "20ms");
        conf.set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    }
    ~Hedge() override { over.open(); }

    /// Takes a request and says no more than this, until Loom goes.
    Script hangs(std::string bytes = "") {
        return [this, bytes = std::move(bytes)](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(bytes);
            if (connection.wait_closed() != End::open) cancelled += 1;
        };
    }
    /// Answers what the test says, when the test says.
    static Script answers_at(Gate& gate, std::string whole, std::string streamed = "") {
        return [&gate, whole = std::move(whole), streamed = std::move(streamed)](UpstreamConnection& connection) {
            while (const auto asked = connection.read_request()) {
                gate.wait();
                connection.send(contains(asked->body, "\"stream\":true") && !streamed.empty() ? streamed : whole);
            }
        };
    }
    static Script resets_at(Gate& gate) {
        return [&gate](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            gate.wait();
            connection.reset();
        };
    }
    static Script answers_well(std::string name) {
        return answer_with([name = std::move(name)](const Message& asked) {
            return contains(asked.body, "\"stream\":true") ? sse_answer(stream_of(name)) : answer_of(name);
        });
    }
    Eventually hedges(const std::string& result) {
        return loom().eventually("loom_ai_hedges_total{result=\"" + result + "\"}");
    }
    void expect_hedges(double won, double lost, double failed, double abandoned = 0) {
        wait_until("all exchanges to end", [&] { return loom().metric("loom_exchanges_live") == 0; });
        EXPECT_EQ(hedges("won"), won);
        EXPECT_EQ(hedges("lost"), lost);
        EXPECT_EQ(hedges("failed"), failed);
        EXPECT_EQ(hedges("abandoned"), abandoned);
    }
    void wait_for_hedge() {
        wait_until("the second to be asked", [&] { return spare().request_count() > 0; });
    }

    /// Of its one request.
    void wait_for_failure_of(const std::string& provider) {
        wait_until("a failure to be known", [&] {
            return loom().metric("loom_upstream_pool{provider=\"" + provider + "\",state=\"busy\"}") == 0;
        });
    }

    std::atomic<int> cancelled = 0;  // connections that Loom gave up
    Gate over;
};

TEST_F(Hedge, ASecondProviderAnswersInPlaceOfASlowOne) {
    spare().set_script(answers_well("spare"));
    start(hangs());
    const Message whole = ask(chat_request(chat_body));
    EXPECT_TRUE(answer_of("spare").ends_with("\r\n\r\n" + whole.body)) << whole.raw();
    EXPECT_EQ(whole.head.value("x-loom-provider"), "spare");
    EXPECT_EQ(whole.head.value("x-loom-hedge"), "won");
    EXPECT_EQ(whole.head.value("x-loom-attempts"), "2");
    EXPECT_FALSE(whole.head.has("x-loom-failover")) << "nobody has failed";
    const Message stream = ask(chat_request(stream_body));
    EXPECT_EQ(stream.body, stream_of("spare"));
    EXPECT_TRUE(stream.is_whole());
    wait_until("both to be cancelled", [&] { return cancelled == 2; });
    expect_hedges(2, 0, 0);
    EXPECT_EQ(loom().eventually(R"(loom_http_requests_total{code="200"})"), 2) << "each is one request";
    EXPECT_EQ(loom().eventually_sum("loom_ai_requests_total"), 2);
    EXPECT_EQ(loom().eventually_sum("loom_ai_failovers_total"), 0);
    EXPECT_EQ(loom().eventually("loom_ai_hedges_untold_total"), 2) << "the first had said nothing of its tokens";
    const std::string line = loom().wait_for_access_line("\"hedge\"");
    EXPECT_TRUE(contains(line, R"("attempts":2,"hedge":"won","hedge_other":"mock")")) << line;
    EXPECT_EQ(spare().request(0).body, chat_body);
    EXPECT_EQ(spare().request(0).head.value("Authorization"), "Bearer sk-of-spare");
    EXPECT_EQ(spare().request(0).head.value("x-request-id"), whole.head.value("x-request-id"));
}

TEST_F(Hedge, AClientsConnectionGoesOnBehindIt) {
    spare().set_script(answers_well("spare"));
    start(hangs());
    RawClient one = client();
    one.send(chat_request(chat_body) + chat_request(stream_body) + get("/v1/models"));
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "spare");
    EXPECT_EQ(one.read_response().body, stream_of("spare"));
    EXPECT_EQ(one.read_response().status(), 200);
    expect_hedges(2, 0, 0);
}

TEST_F(Hedge, TheFirstMayBeTheFasterAllTheSame) {
    Gate gates[2];
    spare().set_script(hangs());
    start(hangs());
    for (const bool streams : {false, true}) {
        Gate& answers = gates[streams];
        upstream().set_script(answers_at(answers, answer_of("mock"), sse_answer(stream_of("mock"))));
        upstream().end_connections();
        RawClient one = client();
        const size_t before = spare().request_count();
        one.send(chat_request(streams ? stream_body : chat_body));
        wait_until("the second to be asked", [&] { return spare().request_count() > before; });
        answers.open();
        const Message response = one.read_response();
        EXPECT_EQ(response.head.value("x-loom-provider"), "mock");
        EXPECT_EQ(response.head.value("x-loom-hedge"), "lost");
        EXPECT_TRUE(contains(response.body, "mock")) << response.raw();
    }
    wait_until("the second to be cancelled", [&] { return cancelled == 2; });
    expect_hedges(0, 2, 0);
    const std::string line = loom().wait_for_access_line("\"hedge\"");
    EXPECT_TRUE(contains(line, R"("attempts":2,"hedge":"lost","hedge_other":"spare")")) << line;
}

TEST_F(Hedge, AStartWithoutContentIsNoAnswer) {
    // The head and an event without content are there, and held: another's first content is before them.
    spare().set_script(answers_well("spare"));
    start(hangs(sse_head + chunk(role_event)));
    EXPECT_EQ(ask(chat_request(stream_body)).body, stream_of("spare"));
    expect_hedges(1, 0, 0);
}

TEST_F(Hedge, ContentThatHasBegunIsNotReplaced) {
    conf.set("routing.hedge.after", "400ms");
    Gate later;
    spare().set_script(answers_well("spare"));
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(role_event) + chunk(delta_event("from ")));
        later.wait();
        connection.send(chunk(delta_event("mock")) + chunk(usage_event) + chunk(done_event) + std::string(last_chunk));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    one.reader().start_response();
    one.reader().read_body_until("from ");
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // longer than that
    later.open();
    EXPECT_EQ(one.reader().read_rest().body, stream_of("mock"));
    EXPECT_EQ(spare().request_count(), 0u);
    expect_hedges(0, 0, 0);
}

TEST_F(Hedge, ContentThatWaitsForMoreOfItIsNoSilence) {
    conf.set("routing.hedge.after", "400ms").set("routing.failover.hold_tokens", "1000");
    Gate later;
    spare().set_script(answers_well("spare"));
    start([&](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(role_event) + chunk(delta_event("from ")));
        later.wait();
        connection.send(chunk(delta_event("mock")) + chunk(usage_event) + chunk(done_event) + std::string(last_chunk));
    });
    RawClient one = client();
    one.send(chat_request(stream_body));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));  // longer than routing.hedge.after
    later.open();
    EXPECT_EQ(one.read_response().body, stream_of("mock"));
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hedge, WhereTheFirstFailsTheSecondIsTheAnswer) {
    Gate answers;
    spare().set_script(answers_at(answers, answer_of("spare"), sse_answer(stream_of("spare"))));
    start(resets_at(over));
    RawClient one = client();
    one.send(chat_request(stream_body));
    wait_for_hedge();
    over.open();
    wait_for_failure_of("mock");
    answers.open();
    const Message response = one.read_response();
    EXPECT_EQ(response.body, stream_of("spare"));
    expect_hedges(1, 0, 0);
    const std::string line = loom().wait_for_access_line("\"hedge\"");
    EXPECT_TRUE(contains(line, R"("failover":"mock=reset","hedge":"won")")) << line;
}

TEST_F(Hedge, WhereTheSecondFailsTheFirstIsTheAnswer) {
    spare().set_script(answer_always(answer(error_of("spare"), "500 Internal Server Error")));
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_until("the second to fail", [&] { return hedges("failed") == 1; });
    over.open();
    const Message response = one.read_response();
    EXPECT_EQ(response.head.value("x-loom-provider"), "mock");
    EXPECT_EQ(response.head.value("x-loom-hedge"), "failed");
    EXPECT_EQ(response.head.value("x-loom-failover"), "spare=status:500");
    expect_hedges(0, 0, 1);
}

TEST_F(Hedge, AnErrorOfTheSecondIsNoAnswerWhateverItSays) {
    spare().set_script(answer_always(answer(error_of("spare"), "400 Bad Request")));
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_until("the second to fail", [&] { return hedges("failed") == 1; });
    over.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "mock");
}

TEST_F(Hedge, AnErrorOfTheFirstThatIsNoFailureIsTheAnswer) {
    spare().set_script(hangs());
    start(answers_at(over, answer(error_of("mock"), "400 Bad Request")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    over.open();
    const Message response = one.read_response();
    EXPECT_EQ(response.status(), 400);
    EXPECT_EQ(response.body, error_of("mock"));
    expect_hedges(0, 1, 0);
}

TEST_F(Hedge, WhereBothFailOneErrorNamesBoth) {
    conf.set("routing.failover.max_retries", "0");
    for (const bool second_first : {true, false}) {
        Gate first, second;
        spare().set_script(resets_at(second));
        spare().end_connections();
        if (second_first)
            start(resets_at(first));
        else
            upstream().set_script(resets_at(first));
        RawClient one = client();
        const size_t asked = spare().request_count();
        one.send(chat_request(chat_body));
        wait_until("the second to be asked", [&] { return spare().request_count() > asked; });
        (second_first ? second : first).open();
        wait_for_failure_of(second_first ? "spare" : "mock");
        (second_first ? first : second).open();
        const Message response = one.read_response();
        expect_error(response, 502);
        const char* const both = second_first ? "spare=reset, mock=reset" : "mock=reset, spare=reset";
        EXPECT_TRUE(contains(response.body, both)) << response.raw();
        EXPECT_EQ(response.head.value("x-loom-hedge"), "failed");
    }
    expect_hedges(0, 0, 2);
    EXPECT_EQ(loom().eventually(R"(loom_http_requests_total{code="502"})"), 2);
}

TEST_F(Hedge, FailoverGoesOnBehindBoth) {
    Gate second;
    spare().set_script(answers_at(second, answer(error_of("spare"), "500 Internal Server Error")));
    start(resets_at(over));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    over.open();
    wait_for_failure_of("mock");
    second.open();
    const Message response = one.read_response();
    EXPECT_EQ(response.head.value("x-loom-provider"), "third");
    EXPECT_EQ(response.head.value("x-loom-failover"), "mock=reset, spare=status:500");
    EXPECT_EQ(response.head.value("x-loom-attempts"), "3");
}

TEST_F(Hedge, AClientThatLeavesEndsBoth) {
    spare().set_script(hangs(sse_head + chunk(role_event)));
    start(hangs());
    RawClient one = client();
    one.send(chat_request(stream_body));
    wait_for_hedge();
    one.reset();
    wait_until("both to be cancelled", [&] { return cancelled == 2; });
    expect_hedges(0, 0, 0, 1);
    EXPECT_EQ(loom().eventually(R"(loom_http_requests_total{code="499"})"), 1);
    EXPECT_EQ(loom().eventually("loom_client_cancels_total"), 1);
    EXPECT_EQ(loom().eventually("loom_streams_open"), 0);
    const std::string line = loom().wait_for_access_line("\"hedge\"");
    EXPECT_TRUE(contains(line, R"("hedge":"abandoned")")) << line;
}

TEST_F(Hedge, AnAnswerThatIsHereAlreadyIsNoSilence) {
    conf.set("routing.hedge.after", "300ms");
    spare().set_script(answers_well("spare"));
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_until("it to be asked", [&] { return upstream().request_count() == 1; });
    loom().signal(SIGSTOP);  // a turn that takes long: then the answer and the time are there at once
    over.open();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    loom().signal(SIGCONT);
    const Message response = one.read_response();
    EXPECT_EQ(response.head.value("x-loom-provider"), "mock");
    EXPECT_FALSE(response.head.has("x-loom-hedge")) << response.head.raw;
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hedge, AProbeThatWasBeatenHasFailed) {
    conf.set("routing.hedge.after", "400ms");  // no answer that is on its way takes so long
    conf.set("routing.failover.circuit_breaker.failure_threshold", "1")
        .set("routing.failover.circuit_breaker.success_threshold", "1")
        .set("routing.failover.circuit_breaker.timeout", "2s")
        .set("routing.failover.circuit_breaker.restore", "0");
    spare().set_script(answers_well("spare"));
    start(answer_always(answer("{}", "500 Internal Server Error")));
    EXPECT_EQ(asked(body("gpt-4o")), "spare") << "the other's breaker is open now";
    upstream().set_script(hangs());
    upstream().end_connections();
    wait_until("a probe", [&] {
        EXPECT_EQ(asked(body("gpt-4o")), "spare");
        return upstream().request_count() == 2;
    });
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
    EXPECT_EQ(upstream().request_count(), 2u) << "its breaker is open again";
    expect_hedges(1, 0, 0);
}

TEST_F(Hedge, ACommentThatKeepsTheClientWaitingLeavesTheSecondItsTime) {
    conf.set("routing.hedge.after", "1s").set("route.ai.keepalive", "1500ms");
    Gate answers;
    spare().set_script(answers_at(answers, "", sse_answer(stream_of("spare"))));
    start(hangs());
    RawClient one = client();
    one.send(chat_request(stream_body));
    wait_for_hedge();
    std::this_thread::sleep_for(std::chrono::milliseconds(800));  // 1.8 s from its begin
    answers.open();
    EXPECT_EQ(one.read_response().body, stream_of("spare"));
    expect_hedges(1, 0, 0);
}

/// A whole answer whose head, first content and fault are one read.
const std::string broken_answer =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\nzz\r\n";

TEST_F(Hedge, AnAnswerThatBreaksAsItBeginsEndsNothing) {
    conf.set("routing.failover.max_retries", "0");
    Gate answers;
    spare().set_script(answers_at(answers, answer_of("spare")));
    start(answers_at(over, broken_answer));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    over.open();
    wait_for_failure_of("mock");
    answers.open();
    const Message response = one.read_response();
    EXPECT_TRUE(answer_of("spare").ends_with("\r\n\r\n" + response.body)) << response.raw();
    EXPECT_EQ(response.head.value("x-loom-failover"), "mock=bad_answer");
    EXPECT_EQ(response.head.value("x-loom-hedge"), "won");
    expect_hedges(1, 0, 0);
}

TEST_F(Hedge, AnAnswerOfTheSecondThatBreaksAsItBeginsEndsNothing) {
    conf.set("routing.failover.max_retries", "0").set("rate_limit.token_rate.limit", "5000");
    spare().set_script(answer_always(broken_answer));
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(chat_body) + get("/v1/models"));
    wait_until("the second to fail", [&] { return hedges("failed") == 1; });
    over.open();
    const Message response = one.read_response();
    EXPECT_TRUE(answer_of("mock").ends_with("\r\n\r\n" + response.body)) << response.raw();
    EXPECT_EQ(response.head.value("x-loom-failover"), "spare=bad_answer");
    EXPECT_EQ(response.head.value("x-ratelimit-limit-tokens"), "5000");
    EXPECT_EQ(one.read_response().status(), 200) << "its connection goes on";
    expect_hedges(0, 0, 1);
}

TEST_F(Hedge, ItsClientsLimitsAreTakenOnce) {
    conf.set("rate_limit.token_rate.limit", "5000").set("rate_limit.tier.free.concurrent", "1");
    conf.set("consumer.tester.tier", "free").set("routing.failover.hold_tokens", "10");
    Gate lost, failed, carried, carries;
    spare().set_script(answers_well("spare"));
    start(hangs());
    std::string limits;
    const auto used = [&] {
        wait_until("it to be settled", [&] {
            limits = ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body;
            return contains(limits, R"("in_flight":0)") && !contains(limits, R"("in_flight":1)");
        });
        return std::stoi(limits.substr(limits.find(R"("used":)", limits.find(R"("tokens":{)")) + 7));
    };
    const auto ask_slow = [&](Script first, Script second, const std::function<void()>& then) {
        upstream().set_script(std::move(first));
        upstream().end_connections();
        spare().set_script(std::move(second));
        spare().end_connections();
        RawClient one = client();
        const size_t before = spare().request_count();
        one.send(chat_request(chat_body));
        wait_until("the second to be asked", [&] { return spare().request_count() > before; });
        then();
        return one.read_response();
    };
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-hedge"), "won");
    EXPECT_EQ(used(), 2) << limits;
    EXPECT_EQ(ask(chat_request(stream_body)).head.value("x-loom-hedge"), "won");
    EXPECT_EQ(used(), 2 + 21) << limits;
    EXPECT_EQ(ask_slow(answers_at(lost, answer_of("mock")), hangs(), [&] { lost.open(); }).status(), 200);
    EXPECT_EQ(used(), 4 + 21) << limits;
    const auto fails = answer_always(answer("{}", "500 Internal Server Error"));
    EXPECT_EQ(ask_slow(answers_at(failed, answer_of("mock")), fails,
                       [&] {
                           wait_until("it to fail", [&] { return hedges("failed") == 1; });
                           failed.open();
                       })
                  .status(),
              200);
    EXPECT_EQ(used(), 6 + 21) << limits;
    EXPECT_EQ(ask_slow(resets_at(carried), answers_at(carries, answer_of("spare")),
                       [&] {
                           carried.open();
                           wait_for_failure_of("mock");
                           carries.open();
                       })
                  .status(),
              200);
    EXPECT_EQ(used(), 8 + 21) << limits;
    expect_hedges(3, 1, 1);
}

TEST_F(Hedge, NoMoreThanItsBudget) {
    conf.set("routing.hedge.budget", "1%");
    spare().set_script(answers_well("spare"));
    start(answers_at(over, answer_of("mock")));
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "spare") << "one is free";
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_until("it to be refused", [&] { return loom().metric("loom_ai_hedges_refused_total") == 1; });
    over.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "mock");
    EXPECT_EQ(spare().request_count(), 1u);
}

TEST_F(Hedge, ABudgetOfNothingIsNone) {
    conf.set("routing.hedge.budget", "0");
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_until("it to be refused", [&] { return loom().metric("loom_ai_hedges_refused_total") == 1; });
    over.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "mock");
    EXPECT_EQ(spare().request_count(), 0u);
}

TEST_F(Hedge, WhatAskedNobodyTakesNoneOfTheBudget) {
    conf.set("routing.hedge.budget", "1%").set("translate.unsupported", "reject");
    conf.set("provider.spare.type", "anthropic").set("provider.spare.base_url", spare().origin());
    spare().set_script(answer_always(answer(provider_protocol("anthropic").answer)));
    start(answers_at(over, answer_of("mock")));
    RawClient one = client();
    one.send(chat_request(body("gpt-4o", "Hi", R"(,"logit_bias":{"50256":-100})")));
    wait_until("it to be given up", [&] { return hedges("failed") == 1; });
    EXPECT_EQ(spare().request_count(), 0u);
    over.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "mock");
    upstream().set_script(hangs());
    upstream().end_connections();
    EXPECT_EQ(ask(chat_request(body("gpt-4o"))).head.value("x-loom-hedge"), "won");
}

TEST_F(Hedge, NoMoreAtOnceThanItsBound) {
    conf.set("routing.hedge.max_in_flight", "1");
    spare().set_script(hangs());
    start(answers_at(over, answer_of("mock")));
    RawClient one = client(), two = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    two.send(chat_request(chat_body));
    wait_until("it to be refused", [&] { return loom().metric("loom_ai_hedges_refused_total") == 1; });
    over.open();
    for (RawClient* const each : {&one, &two}) EXPECT_EQ(each->read_response().head.value("x-loom-provider"), "mock");
    EXPECT_EQ(spare().request_count(), 1u);
}

TEST_F(Hedge, APercentileNeedsEnoughSamples) {
    conf.set("routing.hedge.after", "p90");
    std::atomic<bool> slow = false;
    spare().set_script(answers_well("spare"));
    start([&](UpstreamConnection& connection) {
        while (connection.read_request()) {
            // How slow it is, is what is measured.
            if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(400));
            connection.send(answer_of("mock"));
        }
    });
    slow = true;
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "mock");
    EXPECT_EQ(spare().request_count(), 0u) << "nobody knows how long it takes";
    slow = false;
    for (int n = 0; n < 60; ++n) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    // What is known is looked at ten times a second.
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    slow = true;
    EXPECT_EQ(ask(chat_request(chat_body)).head.value("x-loom-provider"), "spare");
}

TEST_F(Hedge, EachSpeaksItsOwnProtocolAndIsBookedForWhatItTold) {
    const ProviderProtocol& anthropic = provider_protocol("anthropic");
    conf.set("provider.spare.type", "anthropic").set("provider.spare.base_url", spare().origin());
    conf.set("provider.mock.type", "anthropic");
    conf.set("price.gpt-4o.input_per_1m", "1").set("price.gpt-4o.output_per_1m", "1");
    const std::string first_event = anthropic.stream.substr(0, anthropic.stream.find("\n\n") + 2);
    spare().set_script(answer_with([&](const Message& asked) {
        return contains(asked.body, "\"stream\":true") ? stream_answer(anthropic) : answer(anthropic.answer);
    }));
    start(hangs(sse_head + chunk(first_event)));
    conf.set("provider.mock.base_url", upstream().origin());
    loom().reload(conf.text());
    const Message stream = ask(chat_request(stream_body));
    EXPECT_TRUE(contains(stream.body, "\"content\":\"Hello")) << stream.body;
    EXPECT_TRUE(stream.body.ends_with(done_event));
    expect_hedges(1, 0, 0);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="mock",type="input"})"), 9)
        << "as it said before its end";
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="spare",type="input"})"), 9);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="spare",type="output"})"), 12);
    EXPECT_EQ(loom().eventually("loom_ai_hedges_untold_total"), 0);
    const std::string line = loom().wait_for_access_line("\"hedge\"");
    EXPECT_TRUE(contains(line, R"("cost":0.000031,)")) << line;  // 9 + 1 of the one, 9 + 12 of the other
    // The same whole: collected, translated, and the client's.
    upstream().set_script(hangs());
    const Message whole = ask(chat_request(chat_body));
    EXPECT_EQ(json_text(whole.body, "content"), "Hello world");
    EXPECT_EQ(whole.head.value("x-loom-hedge"), "won");
    expect_hedges(2, 0, 0);
}

TEST_F(Hedge, AReloadInBetweenChangesNothingForIt) {
    Gate answers;
    spare().set_script(answers_at(answers, answer_of("spare")));
    start(hangs());
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    conf.set("routing.hedge.after", "").set("routing.hedge.budget", "").set("routing.providers", "mock, third");
    loom().reload(conf.text());
    answers.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "spare");
    expect_hedges(1, 0, 0);
}

TEST_F(Hedge, ADrainWaitsForWhoeverAnswers) {
    Gate answers;
    spare().set_script(answers_at(answers, answer_of("spare")));
    start(hangs());
    RawClient one = client();
    one.send(chat_request(chat_body));
    wait_for_hedge();
    loom().signal(SIGTERM);
    answers.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "spare");
    EXPECT_EQ(loom().wait_for_exit().code, 0);
}

TEST_F(Hedge, WhatLeavesSomethingBehindIsAskedOnce) {
    spare().set_script(answers_well("spare"));
    start([](UpstreamConnection& connection) {
        while (connection.read_request()) {
            std::this_thread::sleep_for(std::chrono::milliseconds(120));  // longer than routing.hedge.after
            connection.send(answer_of("mock"));
        }
    });
    EXPECT_EQ(asked(body("gpt-4o", "Hi", R"(,"store":true)")), "mock");
    EXPECT_EQ(asked(body("gpt-4o", "Hi",
                         R"(,"tools":[{"type":"mcp","server_label":"s","server_url":"https://example.com"}])")),
              "mock");
    EXPECT_EQ(asked(body("gpt-4o", std::string(1'100'000, 'x'))), "mock") << "over 1 MiB";
    EXPECT_EQ(spare().request_count(), 0u);
    EXPECT_EQ(asked(body("gpt-4o")), "spare");
}

TEST_F(Hedge, NobodyIsAskedWhoIsNotWell) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("routing.fallback.provider", "third");
    spare().set_script(answer_always(answer("{}", "500 Internal Server Error")));
    start(answer_always(answer("{}", "500 Internal Server Error")));
    EXPECT_EQ(asked(body("gpt-4o")), "third") << "the others' breakers are open now";
    conf.set("routing.fallback.provider", "").set("provider.third.priority", "1").set("provider.mock.priority", "5");
    loom().reload(conf.text());
    third().set_script(answers_at(over, answer_of("third")));
    third().end_connections();
    RawClient one = client();
    const size_t asked_before = spare().request_count() + upstream().request_count();
    one.send(chat_request(chat_body));
    wait_until("it to be asked", [&] { return third().request_count() == 2; });
    std::this_thread::sleep_for(std::chrono::milliseconds(120));  // longer than routing.hedge.after
    over.open();
    EXPECT_EQ(one.read_response().head.value("x-loom-provider"), "third");
    EXPECT_EQ(spare().request_count() + upstream().request_count(), asked_before);
}

}  // namespace
}  // namespace loom::wire
