// Where requests may go: whatever fails, and whatever else is said, nothing leaves its region.
#include "three_providers.h"
#include "websocket.h"

namespace loom::wire {
namespace {

class Residency : public ThreeProviders {
  protected:
    Residency() {
        conf.set("provider.mock.region", "us").set("provider.spare.region", "eu-west-1");
        conf.set("provider.third.region", "us-east-1");
    }
    void require_failover() {
        conf.set("routing.failover.enabled", "on").set("routing.failover.backoff", "5ms");
        conf.set("routing.failover.retry_budget", "100%");
    }
    void expect_refused(const Message& response, std::string_view why) {
        expect_error(response, 403);
        EXPECT_TRUE(contains(response.body, why)) << response.body;
        EXPECT_EQ(abroad(), 0u);
    }
    /// What has been sent to those who are not in the EU.
    size_t abroad() { return upstream().request_count() + third().request_count(); }
};

TEST_F(Residency, OfTheGatewayOfARouteAndOfAConsumer) {
    conf.set("route.eu.path", "/v1/chat/*").set("route.eu.require_region", "eu");
    start_all();
    EXPECT_EQ(asked(chat_body), "spare");
    EXPECT_EQ(abroad(), 0u);
    conf.set("route.eu.require_region", "").set("routing.require_region", "eu");
    loom().reload(conf.text());
    EXPECT_EQ(asked(chat_body), "spare");
    conf.set("routing.require_region", "").set("consumer.tester.regions", "ch, eu-west");
    loom().reload(conf.text());
    EXPECT_EQ(asked(chat_body), "spare");
    conf.set("routing.require_region", "eu").set("route.eu.require_region", "us");
    loom().reload(conf.text());
    expect_refused(ask(chat_request(chat_body)), "consumer.tester.regions = ch, eu-west");
    conf.set("consumer.tester.regions", "");
    loom().reload(conf.text());
    EXPECT_EQ(asked(chat_body), "mock") << "the route's stands in place of the gateway's";
}

TEST_F(Residency, NothingElseLeadsOut) {
    require_failover();
    conf.set("routing.require_region", "eu").set("routing.fallback.provider", "third");
    conf.set("routing.model_route.gpt-4o", "mock").set("routing.rule.us.when", R"(header.go == "us")");
    conf.set("routing.rule.us.use", "mock, third").set("route.pinned.path", "/v1/chat/*");
    start_all();
    fail(spare(), "503 Service Unavailable");
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 503)
        << "neither failover, nor the fallback, nor the model's route";
    expect_refused(ask(chat_request(chat_body, "go: us\r\n")), "routing.rule.us");
    expect_refused(ask(chat_request(body("mock/gpt-4o"))), "routing.require_region = eu");
    conf.set("provider.spare.models", "gpt-4o-mini");
    loom().reload(conf.text());
    expect_refused(ask(chat_request(chat_body)), "routing.require_region = eu");
    conf.set("route.pinned.provider", "mock");
    loom().reload(conf.text());
    expect_refused(ask(chat_request(chat_body)), "routing.require_region = eu");
}

TEST_F(Residency, UnderChaos) {
    require_failover();
    conf.set("routing.require_region", "eu").set("routing.fallback.provider", "third");
    conf.set("routing.failover.circuit_breaker.failure_threshold", "2");
    conf.set("routing.failover.circuit_breaker.timeout", "20ms").set("routing.failover.timeout", "100ms");
    start_all();
    const std::vector<ScriptedUpstream::Script> ways = {
        answer_always(answer("{}", "500 Internal Server Error")),
        answer_always(answer("{}", "429 Too Many Requests")),
        [](UpstreamConnection& connection) { connection.reset(); },
        [](UpstreamConnection& connection) {
            if (connection.read_request()) connection.wait_closed();
        },
        answer_always("garbage\r\n\r\n"),
        answer_always(sse_answer("data: {\"error\":{\"message\":\"no\"}}\n\n")),
        answer_always(answer_of("spare"))};
    int answered = 0;
    for (int turn = 0; turn < 3; ++turn) {
        for (const auto& way : ways) {
            spare().set_script(way);
            spare().end_connections();
            for (const std::string* one : {&chat_body, &stream_body}) {
                const Message response = ask(chat_request(*one));
                EXPECT_TRUE(response.status() == 200 || response.status() >= 429) << response.raw();
                answered += response.status() == 200;
            }
        }
    }
    EXPECT_GT(answered, 0);
    spare().stop_listening();
    spare().end_connections();
    EXPECT_GE(ask(chat_request(chat_body)).status(), 429);
    EXPECT_EQ(abroad(), 0u);
}

TEST_F(Residency, APreferredRegionGoesFirst_AndOthersWhereNobodyThereIsWell) {
    require_failover();
    conf.set("routing.prefer_region", "eu, us-east");
    start_all();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(asked(chat_body), "spare");
    fail(spare());
    EXPECT_EQ(asked(chat_body), "third");
    loom().reload(conf.set("routing.rule.legal.when", R"(header.go == "us")")
                      .set("routing.rule.legal.use", "mock, spare")
                      .text());
    EXPECT_EQ(asked(chat_body, "go: us\r\n"), "mock") << "whom a rule names goes in the rule's order";
}

TEST_F(Residency, TheNearestIsFoundByAskingEach) {
    conf.set("routing.prefer_region", "nearest").set("provider.third.region", "us");
    start_all();
    wait_until("each region has been looked at", [this] {
        asked(chat_body);
        return upstream().request_count() > 1 && spare().request_count() > 0;
    });
    EXPECT_EQ(third().request_count(), 0u) << "it lies where mock does, which stands before it";
    const size_t before = spare().request_count();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(asked(chat_body), "mock") << "about as near: the strategy decides";
    EXPECT_EQ(spare().request_count(), before);
    const std::string list = ask_once(loom().admin_port(), get("/ai/providers")).body;
    EXPECT_FALSE(contains(list, R"("connect_ms":null)")) << "of each region it is known: " << list;
}

TEST_F(Residency, AProviderThatDoesNotSayWhereIsNowhere) {
    conf.set("provider.mock.region", "").set("routing.require_region", "us");
    start_all();
    EXPECT_EQ(asked(chat_body), "third");
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(Residency, WhatIsStoredAndWhatPassesUnread) {
    conf.set("route.ai.passthrough", "files, responses").set("route.free.path", "/v1/files/*");
    conf.set("route.free.passthrough", "files").set("route.ai.require_region", "eu");
    const auto stores = [](const std::string& id) { return answer(R"({"id":")" + id + R"(","object":"file"})"); };
    start(answer_always(stores("file-us")));
    spare().set_script(answer_always(stores("file-eu")));
    const std::string upload = request("POST", "/v1/files", auth_header() + "Content-Type: application/json\r\n", "{}");
    const Message made = ask(upload);
    EXPECT_EQ(json_text(made.body, "id"), "file-eu") << "the first that lies there: " << made.raw();
    EXPECT_EQ(abroad(), 0u);
    // Made abroad before the requirement was there, it is not fetched from abroad afterwards.
    loom().reload(conf.set("route.ai.require_region", "").text());
    EXPECT_EQ(json_text(ask(upload).body, "id"), "file-us");
    const size_t before = abroad();
    loom().reload(conf.set("route.ai.require_region", "eu").set("route.free.require_region", "eu").text());
    const Message fetched = ask(get("/v1/files/file-us"));
    expect_error(fetched, 403);
    EXPECT_EQ(ask(get("/v1/files/file-eu")).status(), 200);
    EXPECT_EQ(abroad(), before);
}

TEST_F(Residency, SessionsToo) {
    const auto talks = [](UpstreamConnection& connection) {
        auto end = accept_websocket(connection);
        if (end) (void)end->read_to_end();
    };
    conf.set("provider.mock.models", "gpt-realtime").set("provider.spare.models", "gpt-realtime");
    start(talks);
    spare().set_script(talks);
    const std::string upgrade = upgrade_request("/v1/realtime?model=gpt-realtime", auth_header());
    RawClient client = this->client();
    client.send(upgrade);
    const Message begun = client.reader().start_response(true);
    ASSERT_EQ(begun.status(), 101) << begun.head.raw;
    EXPECT_EQ(upstream().request_count(), 1u);
    loom().reload(conf.set("routing.require_region", "eu").text());
    WebSocketEnd end(client.fd(), WebSocketEnd::Role::client, std::string(client.reader().unread()));
    EXPECT_EQ(end.read_close(), 1008) << "it may last for hours";
    RawClient second = this->client();
    second.send(upgrade);
    EXPECT_EQ(second.reader().start_response(true).status(), 101);
    EXPECT_EQ(spare().request_count(), 1u);
    loom().reload(conf.set("provider.spare.models", "gpt-4o").text());
    expect_error(ask(upgrade), 403);
    RawClient third_one = this->client();
    third_one.send(upgrade_request("/v1/realtime?intent=transcription", auth_header()));
    EXPECT_EQ(third_one.reader().start_response(true).status(), 101);
    EXPECT_EQ(spare().request_count(), 2u) << "whose events name the model";
    EXPECT_EQ(upstream().request_count(), 1u);
}

}  // namespace
}  // namespace loom::wire
