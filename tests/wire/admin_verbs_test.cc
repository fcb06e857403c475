// What an operator does to providers while Loom runs: at once, on every shard, without a reload.
#include "fixture.h"

namespace loom::wire {
namespace {

const std::string spare_answer = R"({"id":"chatcmpl-2","object":"chat.completion","created":1,"model":"gpt-4o",)"
                                 R"("choices":[{"index":0,"message":{"role":"assistant","content":"spare"},)"
                                 R"("finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,)"
                                 R"("total_tokens":12}})";

/// Providers `mock` and `spare` take turns by weight, on two shards.
class AdminVerbs : public WireTest {
  protected:
    AdminVerbs() : spare_(answer_always(answer(spare_answer))) {
        conf.set("loop.shards", "2").set("routing.strategy", "weighted");
        conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-of-the-spare");
        conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare_.origin() + "/v1");
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    Message admin(std::string_view method, std::string_view path, std::string_view lines = "") {
        return ask_once(loom().admin_port(), request(method, path, lines), false);
    }
    /// The state after a verb that was obeyed.
    std::string done(std::string_view path) {
        const Message told = admin("POST", path);
        EXPECT_EQ(told.status(), 200) << told.raw();
        EXPECT_EQ(told.head.value("Content-Type"), "application/json");
        return told.body;
    }
    /// How many of `count` requests, over connections of their own, went to the spare.
    int to_spare(int count) {
        int spare = 0;
        for (int i = 0; i < count; ++i) {
            const Message response = ask(chat_request(chat_body));
            EXPECT_EQ(response.status(), 200) << response.raw();
            spare += response.body == spare_answer ? 1 : 0;
        }
        return spare;
    }
    ScriptedUpstream& spare() { return spare_; }

  private:
    ScriptedUpstream spare_;
};

TEST_F(AdminVerbs, DrainedTakesNoNewRequestsUntilItIsUndrained) {
    begin();
    EXPECT_EQ(done("/ai/providers/mock/drain"),
              R"({"name":"mock","weight":0,"weight_wanted":1,"weight_configured":1,"drained":true,"disabled":false})");
    EXPECT_EQ(to_spare(12), 12);
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_TRUE(contains(admin("GET", "/ai/providers").body, R"("weight":0,"weight_wanted":1,"weight_configured":1,)"
                                                             R"("drained":true,"disabled":false,"instances":[)"));
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="mock"})"), 0);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="spare"})"), 1);
    done("/ai/providers/mock/undrain");
    EXPECT_LT(to_spare(12), 12);
    EXPECT_TRUE(contains(loom().log(), "admin: drain mock by 127.0.0.1")) << loom().log();
    EXPECT_TRUE(contains(loom().log(), "admin: undrain mock by 127.0.0.1"));
}

TEST_F(AdminVerbs, AllDrainedIsA503ThatSaysSo) {
    begin();
    done("/ai/providers/mock/drain");
    done("/ai/providers/spare/disable");
    const Message refused = ask(chat_request(chat_body));
    expect_error(refused, 503);
    EXPECT_TRUE(contains(refused.body, "drained")) << refused.body;
    EXPECT_EQ(spare().request_count() + upstream().request_count(), 0u);
}

TEST_F(AdminVerbs, AWeightActsAtOnce) {
    begin();
    EXPECT_TRUE(
        contains(done("/ai/providers/spare/weight?value=3"), R"("weight":3,"weight_wanted":3,"weight_configured":1)"));
    const int spare = to_spare(40);
    EXPECT_GE(spare, 26) << "two shards take turns each for itself";
    EXPECT_LE(spare, 34);
    EXPECT_EQ(admin("PUT", "/ai/providers/spare/weight?value=0").status(), 200);
    EXPECT_EQ(to_spare(6), 0);
}

TEST_F(AdminVerbs, AReloadKeepsThemUntilTheConfChangesTheWeight) {
    begin();
    done("/ai/providers/mock/drain");
    done("/ai/providers/spare/weight?value=7");
    loom().reload(conf.set("routing.strategy", "round_robin").text());
    EXPECT_EQ(to_spare(6), 6);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="spare"})"), 7);
    loom().reload(conf.set("provider.mock.weight", "2").text());
    EXPECT_LT(to_spare(12), 12) << "the conf's weight is the last word, and ends the drain";
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="mock"})"), 2);
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="spare"})"), 7);
}

TEST_F(AdminVerbs, OneThatTheConfHasDrainedComesBackByItsWeight) {
    conf.set("provider.mock.weight", "0");
    begin();
    EXPECT_EQ(to_spare(4), 4);
    done("/ai/providers/mock/weight?value=1");
    EXPECT_LT(to_spare(8), 8);
}

TEST_F(AdminVerbs, TheListOfModelsNamesWhoIsAskedNow) {
    conf.set("routing.strategy", "priority").set("provider.mock.priority", "1").set("provider.spare.priority", "2");
    begin();
    const auto owner = [this] { return json_text(ask(get("/v1/models/gpt-4o")).body, "owned_by"); };
    EXPECT_EQ(owner(), "mock");
    done("/ai/providers/mock/drain");
    EXPECT_EQ(owner(), "spare");
    done("/ai/providers/spare/drain");
    EXPECT_TRUE(contains(ask(get("/v1/models")).body, R"("data":[])")) << "nobody may be asked for any";
    expect_error(ask(get("/v1/models/gpt-4o")), 404);
    done("/ai/providers/mock/undrain");
    EXPECT_EQ(owner(), "mock");
}

TEST_F(AdminVerbs, ARouteWithItsOwnProviderAndTheFallbackMindThemToo) {
    conf.set("routing.strategy", "priority").set("routing.failover.enabled", "on");
    conf.set("routing.fallback.provider", "spare");
    begin();
    EXPECT_EQ(to_spare(3), 0);
    done("/ai/providers/mock/drain");
    EXPECT_EQ(to_spare(3), 3);
    done("/ai/providers/spare/drain");
    expect_error(ask(chat_request(chat_body)), 503);
    conf.set("routing.fallback.provider", "").set("route.ai.provider", "mock");
    loom().reload(conf.text());
    expect_error(ask(chat_request(chat_body)), 503);
    done("/ai/providers/mock/undrain");
    EXPECT_EQ(to_spare(2), 0);
}

TEST_F(AdminVerbs, FamiliesGoToWhoIsInServiceAndToWhoStoresIt) {
    conf.set("route.ai.passthrough", "files").set("state.directory", "@DIR@/state");
    const auto file = [](std::string_view id) {
        return answer(R"({"id":")" + std::string(id) + R"(","object":"file","bytes":1,"filename":"a"})");
    };
    start(answer_always(file("file-m")));
    spare().set_script(answer_always(file("file-s")));
    const std::string upload = request("POST", "/v1/files", auth_header() + "Content-Type: application/json\r\n", "{}");
    EXPECT_TRUE(contains(ask(upload).body, "file-m"));
    done("/ai/providers/mock/drain");
    EXPECT_TRUE(contains(ask(upload).body, "file-s")) << "what is new goes elsewhere";
    EXPECT_EQ(ask(get("/v1/files/file-m")).status(), 200) << "what it stores is still there";
    EXPECT_EQ(upstream().request_count(), 2u);
    done("/ai/providers/mock/disable");
    expect_error(ask(get("/v1/files/file-m")), 503);
    done("/ai/providers/spare/drain");
    expect_error(ask(upload), 503);
    EXPECT_EQ(upstream().request_count(), 2u);
}

TEST_F(AdminVerbs, WhatCannotBeDoneIsRefusedInJson) {
    begin();
    expect_error(admin("POST", "/ai/providers/none/drain"), 404, "not_found");
    expect_error(admin("GET", "/ai/providers/mock/drain"), 405, "method_not_allowed");
    expect_error(admin("DELETE", "/ai/providers/mock/weight?value=1"), 405, "method_not_allowed");
    for (const char* const query : {"", "?value=", "?value=-1", "?value=1000001", "?value=1x", "?weight=1"})
        expect_error(admin("POST", std::string("/ai/providers/mock/weight") + query), 400, "invalid_weight");
    expect_error(admin("POST", "/ai/providers/mock/drain?soon=1"), 400, "unexpected_query");
    expect_error(admin("POST", "/ai/providers/mock/drain", "Origin: https://evil.example\r\n"), 403, "origin_refused");
    EXPECT_EQ(loom().eventually(R"(loom_ai_provider_weight{provider="mock"})"), 1);
}

TEST_F(AdminVerbs, TheTokenIsAskedForWhereThereIsOne) {
    conf.set("admin.token", "operators-only");
    begin();
    expect_error(admin("POST", "/ai/providers/mock/drain"), 401, "invalid_admin_token");
    expect_error(admin("POST", "/ai/providers/mock/drain", "Authorization: Bearer wrong\r\n"), 401);
    EXPECT_LT(to_spare(4), 4);
    EXPECT_EQ(admin("POST", "/ai/providers/mock/drain", "Authorization: Bearer operators-only\r\n").status(), 200);
    EXPECT_EQ(to_spare(4), 4);
}

/// Who scrapes metrics needs no token that makes keys.
TEST_F(AdminVerbs, AnotherTokenReadsAndChangesNothing) {
    conf.set("admin.token", "operators-only").set("admin.read_token", "scrapers");
    begin();
    const std::string reader = "Authorization: Bearer scrapers\r\n";
    for (const char* const page : {"/metrics", "/ai/providers", "/ai/limits", "/ai/openapi.json"}) {
        EXPECT_EQ(admin("GET", page, reader).status(), 200) << page;
        expect_error(admin("GET", page), 401, "invalid_admin_token");
    }
    expect_error(admin("POST", "/ai/providers/mock/drain", reader), 403, "read_only_token");
    expect_error(admin("PUT", "/ai/providers/mock/weight?value=0", reader), 403, "read_only_token");
    for (const auto& [method, page] :
         {std::pair{"POST", "/ai/keys?consumer=tester"}, std::pair{"DELETE", "/ai/keys/1"},
          std::pair{"POST", "/ai/consumers"}, std::pair{"DELETE", "/ai/consumers/a"}, std::pair{"DELETE", "/ai/cache"}})
        expect_error(admin(method, page, reader), 403, "read_only_token");
    EXPECT_LT(to_spare(4), 4);
}

}  // namespace
}  // namespace loom::wire
