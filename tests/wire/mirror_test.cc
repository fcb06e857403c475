// Copies for a shadow: exactly their share, made for it, and whatever it does, no client notices.
#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

/// Clients ask `mock`; `shadow` gets the copies.
class Mirror : public WireTest {
  protected:
    Mirror() : shadow_(answer_always(answer(chat_answer))) {
        conf.set("provider.shadow.type", "openai").set("provider.shadow.api_key", "sk-of-the-shadow");
        conf.set("provider.shadow.models", "gpt-4o").set("provider.shadow.base_url", shadow_.origin() + "/v1");
        conf.set("provider.shadow.weight", "0").set("routing.mirror.provider", "shadow");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    double copies(const std::string& result) {
        return loom().metric("loom_ai_mirrored_requests_total{result=\"" + result + "\"}");
    }
    /// Waits until so many copies have come to this end.
    void expect_copies(const std::string& result, double count) {
        const Deadline deadline = Deadline::standard();
        while (copies(result) < count && !deadline.passed()) {
        }
        EXPECT_EQ(copies(result), count) << result;
    }
    void expect_answered_well(int count = 1) {
        for (int n = 0; n < count; ++n) EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
    }
    ScriptedUpstream& shadow() { return shadow_; }
    Gate over;  // for scripts that wait for the end of their test

  private:
    ScriptedUpstream shadow_;
};

TEST_F(Mirror, ACopyIsMadeForTheShadow) {
    conf.set("model_mapping.gpt-4o.shadow", "gpt-shadow");
    begin();
    const Message answered = ask(chat_request(chat_body));
    EXPECT_EQ(answered.body, chat_answer);
    expect_copies("answered", 1);
    const Message copy = shadow().request(0);
    EXPECT_EQ(edited_run(chat_body, copy.body), "shadow") << copy.body;
    EXPECT_EQ(copy.head.value("Authorization"), "Bearer sk-of-the-shadow");
    EXPECT_EQ(copy.head.value("x-request-id"), answered.head.value("x-request-id"));
    EXPECT_EQ(upstream().request(0).body, chat_body);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="shadow",type="output"})"), 12);
    EXPECT_EQ(loom().eventually(R"(loom_http_requests_total{code="200"})"), 1) << "a copy is no client's request";
    EXPECT_EQ(loom().eventually_sum("loom_ai_requests_total"), 1);
}

TEST_F(Mirror, ExactlyItsShare) {
    conf.set("routing.mirror.share", "30%");
    begin();
    for (int n = 1; n <= 10; ++n) {
        expect_answered_well(10);
        expect_copies("answered", 3 * n);
    }
    EXPECT_EQ(shadow().request_count(), 30u);
}

/// The caps of its client are not those of a copy, which is nobody's: then there is no copy.
TEST_F(Mirror, NoCopyIsMadeOfARequestWithACapOfItsClients) {
    conf.set("rate_limit.consumer.tester.max_tokens_per_request", "100000");
    begin();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    conf.set("rate_limit.consumer.tester.max_tokens_per_request", "");
    conf.set("security.max_tokens_per_request", "100000");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    expect_copies("answered", 1);
    EXPECT_EQ(shadow().request_count(), 1u);
    EXPECT_TRUE(contains(shadow().request(0).body, "max_completion_tokens")) << shadow().request(0).body;
}

TEST_F(Mirror, AnotherProtocolAndModel) {
    conf.set("provider.shadow.type", "anthropic").set("provider.shadow.base_url", shadow().origin());
    conf.set("provider.shadow.models", "claude-4").set("routing.mirror.model", "claude-4");
    shadow().set_script(answer_always(answer(
        R"({"id":"m","type":"message","role":"assistant","model":"claude-4","content":[{"type":"text","text":"Hi"}],)"
        R"("stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":7}})")));
    begin();
    expect_answered_well();
    expect_copies("answered", 1);
    const Message copy = shadow().request(0);
    EXPECT_EQ(copy.target(), "/v1/messages");
    EXPECT_EQ(json_text(copy.body, "model"), "claude-4");
    EXPECT_EQ(copy.head.value("x-api-key"), "sk-of-the-shadow");
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="shadow",type="output"})"), 7);
}

TEST_F(Mirror, StreamsAreReadToTheirEnd) {
    const std::string events = delta_event("Hello") + usage_event + done_event;
    shadow().set_script(answer_always(sse_answer(events)));
    start(answer_always(sse_answer(events)));
    EXPECT_EQ(ask(chat_request(stream_body)).body, events);
    expect_copies("answered", 1);
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="shadow",type="output"})"), 12);
}

TEST_F(Mirror, WhatLeavesSomethingBehindHasNoCopy) {
    begin();
    const std::string messages = R"("messages":[{"role":"user","content":"Hi"}]})";
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o","store":true,)" + messages)).status(), 200);
    EXPECT_EQ(ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                          R"({"model":"gpt-4o","input":"Hi"})"))
                  .status(),
              200);
    // The provider would call the tool's server once more, in the user's name.
    EXPECT_EQ(ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                          R"({"model":"gpt-4o","input":"Hi","store":false,"tools":[{"type":"mcp","server_label":"s",)"
                          R"("server_url":"https://example.com","authorization":"t"}]})"))
                  .status(),
              200);
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o","store":false,)" + messages)).status(), 200);
    expect_copies("answered", 1);
    EXPECT_EQ(ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                          R"({"model":"gpt-4o","input":"Hi","store":false})"))
                  .status(),
              200);
    expect_copies("answered", 2);
    EXPECT_EQ(shadow().request_count(), 2u);
}

TEST_F(Mirror, AShadowThatHangsHoldsNobodyUpAndIsAskedNoMoreThanItsBound) {
    conf.set("routing.mirror.max_in_flight", "2");
    shadow().set_script([](UpstreamConnection& connection) {
        (void)connection.read_request();
        connection.wait_closed(Deadline::in(std::chrono::seconds(30)));
    });
    begin();
    expect_answered_well(10);
    expect_copies("dropped", 8);
    EXPECT_EQ(shadow().request(1).body, chat_body);
    EXPECT_EQ(shadow().request_count(), 2u);
    const auto before = std::chrono::steady_clock::now();
    loom().stop_cleanly();
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10)) << "a drain does not wait for it";
}

TEST_F(Mirror, ACopysTimeoutIsNoClients) {
    conf.set("provider.shadow.timeout.response_header", "20ms");
    begin();
    shadow().set_script([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.wait_closed();
    });
    expect_answered_well(3);
    expect_copies("failed", 3);
    EXPECT_EQ(loom().eventually("loom_timeouts_total"), 0);
}

TEST_F(Mirror, AShadowThatDoesNotReadHoldsNobodyUp) {
    shadow().set_script([this](UpstreamConnection&) { over.wait(Deadline::in(std::chrono::seconds(30))); });
    begin();
    const std::string large =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(900'000, 'x') + "\"}]}";
    for (int n = 0; n < 5; ++n) EXPECT_EQ(ask(chat_request(large)).body, chat_answer);
    EXPECT_EQ(upstream().request_count(), 5u);
    over.open();
}

TEST_F(Mirror, AShadowThatDiesAnywhereIsCountedAndNoMore) {
    allow_script_failures();
    const std::string whole = answer(chat_answer);
    int asked = 0;
    for (const size_t cut : {size_t{0}, size_t{9}, whole.size() - chat_answer.size(), whole.size() - 1}) {
        shadow().set_script([whole, cut](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(whole.substr(0, cut));
            connection.wait_until_loom_has_read();
            connection.reset();
        });
        if (asked == 0) begin();
        expect_answered_well();
        expect_copies("failed", ++asked);
    }
    shadow().stop_listening();
    expect_answered_well();
    expect_copies("failed", ++asked);
}

TEST_F(Mirror, ErrorsAreTheShadows) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.circuit_breaker.failure_threshold", "1");
    shadow().set_script(answer_always(answer("{}", "500 Internal Server Error")));
    begin();
    expect_answered_well(5);
    expect_copies("failed", 5);
    EXPECT_EQ(shadow().request_count(), 5u) << "none is tried again";
    EXPECT_EQ(loom().eventually_sum("loom_ai_failovers_total"), 0);
}

TEST_F(Mirror, AnOperatorEndsItByDisablingTheShadow) {
    begin();
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(ask_once(loom().admin_port(), request("POST", "/ai/providers/shadow/disable"), false).status(), 200);
    expect_answered_well(3);
    EXPECT_EQ(shadow().request_count(), 1u);
    EXPECT_EQ(copies("dropped"), 0);
}

TEST_F(Mirror, ACopyLeavesNoRegionThatItsRequestMustNotLeave) {
    conf.set("provider.mock.region", "eu").set("provider.shadow.region", "us");
    conf.set("routing.require_region", "eu");
    begin();
    expect_answered_well();
    conf.set("routing.require_region", "").set("consumer.tester.regions", "eu");
    loom().reload(conf.text());
    expect_answered_well();
    conf.set("provider.shadow.region", "eu-west-1");
    loom().reload(conf.text());
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(shadow().request_count(), 1u) << "only the last one's lies where it may go";
    EXPECT_EQ(copies("failed") + copies("dropped"), 0);
}

TEST_F(Mirror, NeitherDoesItGoPastARule) {
    conf.set("routing.rule.legal.when", R"(header.x-team == "legal")").set("routing.rule.legal.use", "mock");
    begin();
    EXPECT_EQ(ask(chat_request(chat_body, "x-team: legal\r\n")).status(), 200);
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(shadow().request_count(), 1u);
}

/// By the shadow's model, whichever name says what it is: the request itself goes on.
TEST_F(Mirror, NorToAModelThatAnAccessRuleDenies) {
    conf.set("provider.shadow.models", "gpt-shadow").set("routing.mirror.model", "gpt-shadow");
    conf.set("model_mapping.gpt-shadow.shadow", "us-7b").set("model_tag.us-*", "us");
    conf.set("access.rule.a.when", R"("us" in tags and consumer == "tester")").set("access.rule.a.action", "deny");
    begin();
    expect_answered_well(2);
    expect_copies("dropped", 2);
    EXPECT_EQ(shadow().request_count(), 0u) << "by its name at the provider";
    conf.set("model_tag.us-*", "").set("model_tag.gpt-shadow", "us");
    loom().reload(conf.text());
    expect_answered_well();
    expect_copies("dropped", 3);
    conf.set("routing.mirror.model", "shadow/gpt-shadow");
    loom().reload(conf.text());
    expect_answered_well();
    expect_copies("dropped", 4);
    conf.set("model_tag.gpt-shadow", "").set("access.rule.a.when", R"(model == "gpt-shadow")");
    loom().reload(conf.text());
    expect_answered_well();
    expect_copies("dropped", 5);
    EXPECT_EQ(shadow().request_count(), 0u);
    conf.set("access.rule.a.when", R"(model == "gpt-shadow" and method == "GET")");
    loom().reload(conf.text());
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(shadow().request_count(), 1u);
    EXPECT_EQ(copies("dropped") + copies("failed"), 5);
}

/// What is allowed by a tag alone has to have it where its copy goes.
TEST_F(Mirror, ATagThatLetsIn_LetsNoCopyOut) {
    conf.set("provider.shadow.models", "gpt-shadow").set("routing.mirror.model", "gpt-shadow");
    conf.set("model_tag.gpt-4o", "eu");
    conf.set("access.rule.a.when", R"("eu" in tags)").set("access.rule.a.action", "allow");
    conf.set("access.rule.b.when", R"(method == "POST")").set("access.rule.b.action", "deny");
    begin();
    expect_answered_well();
    expect_copies("dropped", 1);
    loom().reload(conf.set("model_tag.gpt-shadow", "eu").text());
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(shadow().request_count(), 1u);
}

TEST_F(Mirror, AtTheShadowsLimitItIsDropped) {
    conf.set("provider.shadow.rate_limit.requests_per_minute", "1").set("routing.queue.max", "10");
    begin();
    expect_answered_well();
    expect_copies("answered", 1);
    expect_answered_well(2);
    expect_copies("dropped", 2);
    EXPECT_EQ(shadow().request_count(), 1u);
    EXPECT_EQ(loom().eventually("loom_ai_queue_length"), 0) << "no copy waits";
}

TEST_F(Mirror, LargeBodiesHaveNone) {
    conf.set("routing.mirror.max_body", "1KiB");
    begin();
    const std::string large =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(2'000, 'x') + "\"}]}";
    EXPECT_EQ(ask(chat_request(large)).status(), 200);
    expect_copies("dropped", 1);
    expect_answered_well();
    expect_copies("answered", 1);
}

TEST_F(Mirror, ModelsThatTheShadowDoesNotHaveAreNotItsBusiness) {
    conf.set("provider.mock.models", "gpt-4o, gpt-4o-mini");
    begin();
    EXPECT_EQ(ask(chat_request(R"({"model":"gpt-4o-mini","messages":[]})")).status(), 200);
    expect_answered_well();
    expect_copies("answered", 1);
    EXPECT_EQ(copies("dropped"), 0);
}

}  // namespace
}  // namespace loom::wire
