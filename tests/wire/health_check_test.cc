// Active health checks: what is not well is known before a client pays for it.
#include <algorithm>
#include <atomic>

#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::string models = R"({"object":"list","data":[{"id":"gpt-4o","object":"model"}]})";
const std::string spare_answer = R"({"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"gpt-4o",)"
                                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"spare"},)"
                                 R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
                                 R"("total_tokens":12}})";

bool is_check(const Message& asked) { return asked.head.start_line.starts_with("GET "); }

/// Checks are answered with these bytes, chats well.
Script answers_checks(std::string bytes) {
    return [bytes = std::move(bytes)](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request())
            connection.send(is_check(*asked) ? bytes : answer(chat_answer));
    };
}

/// Provider `mock` is asked first and checked ten times a second; `spare` is not checked. There is no failover: whoever
/// is asked is the answer.
class HealthChecks : public WireTest {
  protected:
    HealthChecks() : spare_(answer_always(answer(spare_answer))) {
        conf.set("provider.mock.priority", "1").set("provider.spare.priority", "2");
        conf.set("provider.mock.health_check.enabled", "on").set("provider.mock.health_check.interval", "100ms");
        conf.set("provider.mock.health_check.timeout", "2s");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
        allow_script_failures();
    }
    size_t check_count() {
        const auto requests = upstream().requests();
        return static_cast<size_t>(std::ranges::count_if(requests, is_check));
    }
    void wait_for_checks(size_t count) {
        const size_t before = check_count();
        wait_until("checks", [&] { return check_count() >= before + count; });
    }
    std::string health() {
        return ask_once(loom().admin_port(), request("GET", "/ai/providers/mock/health"), false).body;
    }
    void wait_for_status(const std::string& status) {
        wait_until("status " + status, [&] { return json_text(health(), "status") == status; });
    }
    void wait_for_check() {
        wait_until("a check", [&] { return !contains(health(), R"("last_check":null)"); });
    }
    std::string asked_provider() { return ask(chat_request(chat_body)).body == spare_answer ? "spare" : "mock"; }

  private:
    ScriptedUpstream spare_;
};

TEST_F(HealthChecks, AskForTheListOfModelsAndNothingElse) {
    start(answers_checks(answer(models)));
    wait_for_checks(3);
    for (const Message& one : upstream().requests()) {
        EXPECT_EQ(one.head.start_line, "GET /v1/models HTTP/1.1");
        EXPECT_EQ(one.head.value("Authorization"), "Bearer " + std::string(provider_key));
        EXPECT_EQ(one.head.count("Host"), 1u);
    }
    wait_for_check();
    const std::string told = health();
    EXPECT_TRUE(told.starts_with(R"({"name":"mock","status":"healthy","latency_ms":)")) << told;
    EXPECT_TRUE(contains(told, R"("error":null,"breaker":"closed","models_open":0,"checked":"actively",)"
                               R"("consecutive_failures":0)"))
        << told;
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_health{provider="mock"})"), 1);
    EXPECT_EQ(asked_provider(), "mock");
}

TEST_F(HealthChecks, AnEndpointOfTheConfStandsAtTheOrigin) {
    conf.set("provider.mock.health_check.endpoint", "/healthz?deep=1");
    start(answers_checks(answer("ok")));
    wait_for_checks(1);
    EXPECT_EQ(upstream().request(0).head.start_line, "GET /healthz?deep=1 HTTP/1.1");
    wait_for_status("healthy");
    upstream().set_script(answers_checks(answer("{}", "404 Not Found")));
    wait_for_status("unhealthy");
}

struct Ill {
    const char* name;
    std::string bytes;
    const char* error;
};
class HealthChecksOfTheIll : public HealthChecks, public testing::WithParamInterface<Ill> {};

TEST_P(HealthChecksOfTheIll, NoClientPaysForIt) {
    start(answers_checks(GetParam().bytes));
    wait_for_status("unhealthy");
    for (int i = 0; i < 5; ++i) EXPECT_EQ(asked_provider(), "spare");
    EXPECT_EQ(check_count(), upstream().request_count()) << "no chat has come here";
    EXPECT_TRUE(contains(health(), GetParam().error)) << health();
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_health{provider="mock"})"), 0);
    EXPECT_TRUE(contains(loom().log(), "provider mock: is unhealthy and gets no requests")) << loom().log();
    upstream().set_script(answers_checks(answer(models)));
    wait_for_status("healthy");
    EXPECT_EQ(asked_provider(), "mock");
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_health{provider="mock"})"), 1);
    wait_until("the log", [&] { return contains(loom().log(), "provider mock: is healthy again"); });
}

INSTANTIATE_TEST_SUITE_P(Each, HealthChecksOfTheIll,
                         testing::Values(Ill{"Error", answer("{}", "500 Internal Server Error"),
                                             "answered with an error of the server"},
                                         Ill{"BadKey", answer("{}", "401 Unauthorized"), "credentials are refused"},
                                         Ill{"NoCredit", answer("{}", "402 Payment Required"), "no credit"},
                                         Ill{"Garbage", "this is no HTTP\r\n\r\n", "no HTTP that can be read"}),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(HealthChecks, WhoIsBusyOrHasNoListIsThere) {
    start(answers_checks(answer("{}", "429 Too Many Requests")));
    wait_for_checks(3);
    EXPECT_EQ(json_text(health(), "status"), "healthy");
    upstream().set_script(answers_checks(answer("{}", "404 Not Found")));
    wait_for_checks(3);
    EXPECT_EQ(json_text(health(), "status"), "healthy") << health();
}

TEST_F(HealthChecks, AHangingOneIsGivenUpAndNeverAskedTwiceAtOnce) {
    conf.set("provider.mock.health_check.timeout", "150ms").set("provider.mock.health_check.interval", "1s");
    auto open = std::make_shared<std::atomic<int>>(0);
    auto most = std::make_shared<std::atomic<int>>(0);
    start([open, most](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        most->store(std::max(most->load(), open->fetch_add(1) + 1));
        connection.wait_closed();
        open->fetch_sub(1);
    });
    wait_for_status("unhealthy");
    EXPECT_TRUE(contains(health(), "no answer in time")) << health();
    wait_for_checks(2);
    EXPECT_EQ(most->load(), 1);
    EXPECT_EQ(asked_provider(), "spare");
}

TEST_F(HealthChecks, WhoIsAwayIsNotWaitedFor) {
    start(answers_checks(answer(models)));
    wait_for_check();
    upstream().stop_listening();
    upstream().end_connections();
    wait_for_status("unhealthy");
    EXPECT_TRUE(contains(health(), "could not connect")) << health();
    EXPECT_EQ(asked_provider(), "spare");
}

TEST_F(HealthChecks, AFailedHandshakeIsOne) {
    ScriptedUpstream plain([](UpstreamConnection& connection) {
        connection.send("220 this is no TLS\r\n");
        connection.wait_closed();
    });
    conf.set("provider.mock.base_url", "https://127.0.0.1:" + std::to_string(plain.port()) + "/v1");
    start_without_upstream();
    wait_for_status("unhealthy");
    EXPECT_TRUE(contains(health(), "TLS handshake failed")) << health();
    EXPECT_EQ(asked_provider(), "spare");
}

TEST_F(HealthChecks, OneFailureNowAndThenChangesNothing) {
    auto count = std::make_shared<std::atomic<int>>(0);
    start([count](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const bool fails = is_check(*asked) && count->fetch_add(1) % 2 == 1;
            connection.send(fails ? answer("{}", "500 Internal Server Error")
                                  : answer(is_check(*asked) ? models : chat_answer));
        }
    });
    for (int i = 0; i < 6; ++i) {
        wait_for_checks(1);
        EXPECT_EQ(asked_provider(), "mock");
    }
    EXPECT_FALSE(contains(loom().log(), "unhealthy"));
}

TEST_F(HealthChecks, WhereItIsTheOnlyOneItIsAskedAllTheSame) {
    conf.set("provider.spare.models", "another");
    start(answers_checks(answer("{}", "500 Internal Server Error")));
    wait_for_status("unhealthy");
    EXPECT_EQ(ask(chat_request(chat_body)).body, chat_answer);
}

TEST_F(HealthChecks, OpenAndCloseItsBreakerToo) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("routing.failover.circuit_breaker.timeout", "50ms").set("routing.failover.circuit_breaker.restore", "0");
    start(answers_checks(answer(models)));
    wait_for_check();
    const auto breaker = [&] { return loom().metric(R"(loom_ai_provider_breaker_state{provider="mock"})"); };
    upstream().set_script(answers_checks(answer("{}", "500 Internal Server Error")));
    wait_until("an open breaker", [&] { return breaker() != 0; });
    upstream().set_script(answers_checks(answer(models)));
    wait_until("a closed breaker", [&] { return breaker() == 0; });
    EXPECT_EQ(check_count(), upstream().request_count()) << "no client was its probe";
}

TEST_F(HealthChecks, TheDrainedAreCheckedAndTheDisabledAreNot) {
    start(answers_checks(answer(models)));
    wait_for_check();
    const auto admin = [&](std::string_view verb) {
        return ask_once(loom().admin_port(), request("POST", "/ai/providers/mock/" + std::string(verb)), false)
            .status();
    };
    EXPECT_EQ(admin("drain"), 200);
    wait_for_checks(2);
    EXPECT_EQ(asked_provider(), "spare");
    EXPECT_EQ(admin("disable"), 200);
    wait_until("it to be forgotten", [&] { return contains(health(), R"("last_check":null)"); });
    const size_t before = check_count();
    EXPECT_EQ(admin("enable"), 200);
    EXPECT_EQ(admin("undrain"), 200);
    wait_until("a check", [&] { return check_count() > before; });
    EXPECT_EQ(asked_provider(), "mock");
}

TEST_F(HealthChecks, SwitchedOffTheyLeaveNoVerdict) {
    start(answers_checks(answer("{}", "500 Internal Server Error")));
    wait_for_status("unhealthy");
    EXPECT_EQ(asked_provider(), "spare");
    conf.set("provider.mock.health_check.enabled", "off").set("provider.mock.health_check.interval", "");
    loom().reload(conf.set("provider.mock.health_check.timeout", "").text());
    wait_until("its requests", [&] { return asked_provider() == "mock"; });
}

TEST_F(HealthChecks, EachInstanceIsCheckedForItself) {
    const Script script = [](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const bool good = asked->head.value("Authorization") == "Bearer sk-good";
            const std::string well = answer(is_check(*asked) ? models : chat_answer);
            connection.send(good ? well : answer("{}", "401 Unauthorized"));
        }
    };
    conf.set("provider.mock.api_key", "sk-bad\nprovider.mock.api_key = sk-good");
    start(script);
    wait_until("a verdict", [&] { return contains(health(), R"("key":1,"status":"unhealthy")"); });
    EXPECT_TRUE(contains(health(), R"("key":2,"status":"healthy")")) << health();
    EXPECT_EQ(json_text(health(), "status"), "healthy") << "one of its keys is good";
    for (int i = 0; i < 10; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    EXPECT_TRUE(contains(loom().log(), "provider mock/1: is unhealthy")) << loom().log();
}

}  // namespace
}  // namespace loom::wire
