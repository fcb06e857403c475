// Several keys and several base URLs of one provider: who gets the requests, whose fault what was, and where what is
// stored is found again.
#include <atomic>

#include "fixture.h"

namespace loom::wire {
namespace {

using Script = ScriptedUpstream::Script;

const std::string spare_answer = R"({"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"gpt-4o",)"
                                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"spare"},)"
                                 R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
                                 R"("total_tokens":12}})";

/// Answers by the key that asks; keys that are not named get `else_bytes`.
Script by_key(std::map<std::string, std::string> bytes, std::string else_bytes) {
    return [bytes = std::move(bytes), else_bytes = std::move(else_bytes)](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const auto one = bytes.find(std::string(asked->head.value("Authorization")));
            connection.send(one == bytes.end() ? else_bytes : one->second);
        }
    };
}

/// Provider `mock` has two base URLs and two keys.
class Instances : public WireTest {
  protected:
    Instances() : second_(answer_always(answer(chat_answer))) {}

    /// The order in the file is what a test says.
    void set_places(const std::vector<std::string>& origins) { set_several("base_url", origins, "/v1"); }
    void set_keys(const std::vector<std::string>& keys) { set_several("api_key", keys, ""); }
    void begin(Script script) {
        start_upstream(std::move(script));
        start_without_upstream();
    }
    void start_upstream(Script script) {
        first_ = std::make_unique<ScriptedUpstream>(std::move(script));
        set_places({first().origin(), second().origin()});
        set_keys({"sk-one", "sk-two"});
    }
    void add_spare() {
        spare_ = std::make_unique<ScriptedUpstream>(answer_always(answer(spare_answer)));
        conf.set("provider.mock.priority", "1").set("provider.spare.priority", "2");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_->origin() + "/v1");
    }
    static int asked_with(const ScriptedUpstream& upstream, std::string_view key) {
        int count = 0;
        for (const Message& one : upstream.requests())
            count += one.head.value("Authorization") == "Bearer " + std::string(key) ? 1 : 0;
        return count;
    }
    int asked_with(std::string_view key) { return asked_with(first(), key) + asked_with(second(), key); }
    /// Every client is answered well, by `mock`.
    void expect_served(int count) {
        for (int i = 0; i < count; ++i) {
            const Message response = ask(chat_request(chat_body));
            EXPECT_EQ(response.status(), 200) << response.raw();
            EXPECT_EQ(response.body, chat_answer);
        }
    }
    std::string providers() { return ask_once(loom().admin_port(), request("GET", "/ai/providers"), false).body; }
    ScriptedUpstream& first() { return *first_; }
    ScriptedUpstream& second() { return second_; }
    ScriptedUpstream& spare() { return *spare_; }

  private:
    void set_several(const std::string& word, const std::vector<std::string>& values, const std::string& end) {
        const std::string key = "provider.mock." + word;
        std::string text;
        for (const std::string& value : values) text += (text.empty() ? "" : "\n" + key + " = ") + value + end;
        conf.set(key, text);
    }
    std::unique_ptr<ScriptedUpstream> first_;
    ScriptedUpstream second_;
    std::unique_ptr<ScriptedUpstream> spare_;
};

TEST_F(Instances, EachBaseUrlIsAskedWithEachKey) {
    begin(answer_always(answer(chat_answer)));
    expect_served(120);
    for (ScriptedUpstream* const one : {&first(), &second()})
        for (const char* const key : {"sk-one", "sk-two"}) EXPECT_GT(asked_with(*one, key), 10);
    for (const Message& one : first().requests())
        EXPECT_EQ(one.head.value("Host"), "127.0.0.1:" + std::to_string(first().port()));
    const std::string list = providers();
    EXPECT_TRUE(contains(list, R"("instances":[{"instance":1,"base_url":")" + first().origin() +
                                   R"(/v1","key":1,"status":"healthy","in_flight":0,"breaker":"closed",)"
                                   R"("place_breaker":"closed","key_rests_ms":0},{"instance":2,)"))
        << list;
    EXPECT_TRUE(contains(list, R"({"instance":4,"base_url":")" + second().origin() + R"(/v1","key":2,)")) << list;
    EXPECT_FALSE(contains(list, "sk-one") || contains(loom().log(), "sk-two")) << "keys are told to nobody";
}

TEST_F(Instances, APlaceThatIsAwayCostsNoClientItsAnswer) {
    conf.set("routing.failover.enabled", "on");
    add_spare();
    begin(answer_always(answer(chat_answer)));
    first().stop_listening();
    expect_served(40);
    EXPECT_EQ(spare().request_count(), 0u) << "another instance goes before another provider";
    const std::string list = providers();
    EXPECT_TRUE(contains(list, R"("status":"unhealthy","in_flight":0,"breaker":"closed","place_breaker":"open")"))
        << list;
    EXPECT_TRUE(contains(list, R"({"name":"mock","status":"healthy")")) << list;
}

TEST_F(Instances, WithoutFailoverABrokenPlaceIsLeftAloneToo) {
    conf.set("routing.failover.circuit_breaker.failure_threshold", "2");
    begin(answer_always(answer(chat_answer)));
    first().stop_listening();
    int failures = 0;
    for (int i = 0; i < 40; ++i) failures += ask(chat_request(chat_body)).status() == 200 ? 0 : 1;
    EXPECT_EQ(failures, 2);
    EXPECT_EQ(second().request_count(), 38u);
}

TEST_F(Instances, AKeyThatIsLimitedRestsAndTheOthersGoOn) {
    conf.set("routing.failover.enabled", "on");
    add_spare();
    const Script script =
        by_key({{"Bearer sk-one", answer("{}", "429 Too Many Requests", "Retry-After: 60\r\n")}}, answer(chat_answer));
    begin(script);
    second().set_script(script);
    expect_served(30);
    EXPECT_EQ(asked_with("sk-one"), 1) << "everywhere: it is the key's limit";
    EXPECT_EQ(asked_with("sk-two"), 30);
    EXPECT_EQ(spare().request_count(), 0u);
    EXPECT_TRUE(contains(providers(), R"("key":1,"status":"resting")")) << providers();
    set_keys({"sk-one", "sk-two"});
    loom().reload(conf.set("routing.failover.max_retries", "3").text());
    expect_served(10);
    EXPECT_EQ(asked_with("sk-one"), 1) << "a reload finds what is known of it";
}

TEST_F(Instances, WithoutFailoverALimitedKeyCostsOneAnswer) {
    const Script script =
        by_key({{"Bearer sk-one", answer("{}", "429 Too Many Requests", "Retry-After: 60\r\n")}}, answer(chat_answer));
    begin(script);
    second().set_script(script);
    int limited = 0;
    for (int i = 0; i < 40; ++i) limited += ask(chat_request(chat_body)).status() == 429 ? 1 : 0;
    EXPECT_EQ(limited, 1);
    EXPECT_EQ(asked_with("sk-one"), 1);
}

class InstancesWithBadKey : public Instances, public testing::WithParamInterface<const char*> {};

TEST_P(InstancesWithBadKey, ItIsReplacedByAnother) {
    conf.set("routing.failover.enabled", "on");
    const Script script = by_key({{"Bearer sk-one", answer("{}", GetParam())}}, answer(chat_answer));
    begin(script);
    second().set_script(script);
    expect_served(20);
    EXPECT_EQ(asked_with("sk-one"), 1);
    EXPECT_EQ(asked_with("sk-two"), 20);
}

INSTANTIATE_TEST_SUITE_P(EachRefusal, InstancesWithBadKey, testing::Values("401 Unauthorized", "402 Payment Required"));

// A model that the key's project has no access to is a 403 too: one client that asks for it would rest all keys.
TEST_F(Instances, AKeyThatARequestMayBeToBlameForDoesNotRest) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.retry_budget", "100%");
    const Script script = by_key({{"Bearer sk-one", answer("{}", "403 Forbidden")}}, answer(chat_answer));
    begin(script);
    second().set_script(script);
    expect_served(20);
    EXPECT_GT(asked_with("sk-one"), 1);
    EXPECT_EQ(asked_with("sk-two"), 20);
}

TEST_F(Instances, WhereEveryKeyIsRefusedTheClientIsToldSo) {
    conf.set("routing.failover.enabled", "on");
    const std::string refusal = answer(R"({"error":{"message":"no"}})", "401 Unauthorized");
    begin(answer_always(refusal));
    second().set_script(answer_always(refusal));
    for (int i = 0; i < 5; ++i) {
        const Message response = ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 401) << response.raw();
        EXPECT_EQ(response.body, R"({"error":{"message":"no"}})");
    }
    EXPECT_GE(asked_with("sk-one"), 1);
    EXPECT_GE(asked_with("sk-two"), 1);
}

TEST_F(Instances, AnErrorOfOneInstanceIsTriedAtAnotherBeforeAnotherProvider) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.max_retries", "5");
    conf.set("routing.failover.retry_budget", "100%");
    add_spare();
    begin(answer_always(answer("{}", "500 Internal Server Error")));
    for (int i = 0; i < 20; ++i) {
        const Message response = ask(chat_request(chat_body));
        EXPECT_EQ(response.status(), 200);
        EXPECT_EQ(response.head.value("x-loom-provider"), "mock") << response.head.raw;
        EXPECT_TRUE(response.head.has("x-loom-instance"));
    }
    EXPECT_EQ(spare().request_count(), 0u);
    second().set_script(answer_always(answer("{}", "503 Service Unavailable")));
    second().end_connections();
    const Message response = ask(chat_request(chat_body));
    EXPECT_EQ(response.body, spare_answer) << response.raw();
}

TEST_F(Instances, WhatIsStoredIsAskedOfTheOneThatMadeIt) {
    conf.set("route.ai.passthrough", "responses, files").set("state.directory", "@DIR@/state");
    const auto serve = [](const std::string& name) -> Script {
        auto count = std::make_shared<std::atomic<int>>(0);
        return [name, count](UpstreamConnection& connection) {
            while (const auto asked = connection.read_request()) {
                const std::string id = name + std::to_string(count->fetch_add(1));
                const bool makes = asked->head.start_line.starts_with("POST /v1/responses ");
                connection.send(
                    answer(makes ? R"({"id":"resp_)" + id +
                                       R"(","object":"response","output":[],)"
                                       R"("usage":{"input_tokens":1,)"
                                       R"("output_tokens":1,"total_tokens":2}})"
                                 : R"({"id":"file-)" + id + R"(","object":"file","from":")" + name + R"("})"));
            }
        };
    };
    begin(serve("first"));
    second().set_script(serve("second"));
    const std::string json = auth_header() + "Content-Type: application/json\r\n";
    std::vector<std::string> ids;
    for (int i = 0; i < 12; ++i)
        ids.push_back(json_text(
            ask(request("POST", "/v1/responses", json, R"({"model":"gpt-4o","input":"Hi","store":true})")).body, "id"));
    const auto expect_home = [&] {
        int of_second = 0;
        for (const std::string& id : ids) {
            const bool by_first = id.starts_with("resp_first");
            of_second += by_first ? 0 : 1;
            const size_t at_first = first().request_count(), at_second = second().request_count();
            EXPECT_EQ(ask(get("/v1/responses/" + id)).status(), 200) << id;
            EXPECT_EQ(first().request_count(), at_first + (by_first ? 1 : 0)) << id;
            EXPECT_EQ(second().request_count(), at_second + (by_first ? 0 : 1)) << id;
            const std::string follows = R"({"model":"gpt-4o","input":"And?","previous_response_id":")" + id + R"("})";
            const Message next = ask(request("POST", "/v1/responses", json, follows));
            EXPECT_EQ(json_text(next.body, "id").starts_with("resp_first"), by_first) << next.raw();
        }
        EXPECT_GT(of_second, 0);
        EXPECT_LT(of_second, 12);
    };
    expect_home();
    for (const Message& one : first().requests())
        if (one.head.start_line.starts_with("GET")) EXPECT_NE(one.head.value("Authorization"), "");
    const std::string upload = request("POST", "/v1/files", json, "{}");
    EXPECT_EQ(json_text(ask(upload).body, "from"), "first") << "uploads have one home";
    set_places({second().origin(), first().origin()});
    set_keys({"sk-two", "sk-one"});
    loom().reload(conf.text());
    expect_home();
    EXPECT_EQ(json_text(ask(upload).body, "from"), "second") << "the first in the file";
    set_places({first().origin(), second().origin()});
    set_keys({"sk-one", "sk-new"});  // in the place of another of its account
    loom().reload(conf.text());
    expect_home();
    const std::string database = read_file(loom().path("state/resources.db"));
    for (const char* const key : {"sk-one", "sk-new"})
        EXPECT_FALSE(contains(database, key)) << "no key stands in the register";
}

TEST_F(Instances, WhatIsDeletedAfterItsKeyWasExchangedIsForgotten) {
    conf.set("route.ai.passthrough", "files").set("state.directory", "@DIR@/state");
    const std::string stored = answer(R"({"id":"file-1","object":"file","deleted":true})");
    begin(answer_always(stored));
    second().set_script(answer_always(stored));
    const std::string json = auth_header() + "Content-Type: application/json\r\n";
    EXPECT_EQ(ask(request("POST", "/v1/files", json, "{}")).status(), 200);
    set_keys({"sk-new", "sk-two"});
    loom().reload(conf.text());
    EXPECT_EQ(ask(request("DELETE", "/v1/files/file-1", auth_header(), "")).status(), 200);
    EXPECT_EQ(asked_with("sk-new"), 1);
    expect_error(ask(get("/v1/files/file-1")), 404, "not_found");
    EXPECT_EQ(asked_with("sk-new"), 1) << "who has it no more is not asked";
}

}  // namespace
}  // namespace loom::wire
