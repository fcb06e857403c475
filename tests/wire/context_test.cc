// Prompts that do not fit their model's context (context_window.on_overflow): served, refused, flagged, or sent without
// their oldest turns; and what is trimmed is the request to all who come behind.
#include <fmt/format.h>

#include "fixture.h"
#include "loom/llm/token_estimate.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

/// So many turns, each estimated to be some 100 tokens; the last says "end".
std::string turns(int count) {
    std::string text;
    for (int n = 0; n < count; ++n)
        text += fmt::format(R"({{"role":"user","content":"turn {} {}"}},{{"role":"assistant","content":"{}"}},)", n,
                            std::string(120, 'u'), std::string(240, 'a'));
    return text + R"({"role":"user","content":"end"})";
}

class Context : public WireTest {
  protected:
    Context() { conf.set("provider.mock.context_length", "1000").set("context_window.answer_tokens", "100"); }
    void begin(const std::string& policy) {
        conf.set("context_window.on_overflow", policy);
        start(answer_always(answer(chat_answer)));
    }
    static std::string chat(int turn_count, const std::string& more = "") {
        return chat_request(
            fmt::format(R"({{"model":"gpt-4o",{}"messages":[{{"role":"system","content":"Be brief"}},{}]}})", more,
                        turns(turn_count)));
    }
};

TEST_F(Context, ServedWhereNothingIsSaid) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(chat(20));
    EXPECT_EQ(response.status(), 200);
    EXPECT_FALSE(response.head.has("x-loom-context-overflow"));
    EXPECT_TRUE(contains(upstream().request(0).body, "turn 0 "));
}

TEST_F(Context, RefusedInTheClientsProtocol) {
    begin("refuse");
    EXPECT_EQ(ask(chat(5)).status(), 200);
    const Message refused = ask(chat(20));
    expect_error(refused, 400, "context_length_exceeded");
    EXPECT_TRUE(contains(refused.body, "its context is 1000")) << refused.body;
    EXPECT_EQ(ask(chat(5, R"("max_tokens":900,)")).status(), 400) << "what is asked for its answer counts";
    EXPECT_EQ(ask(chat(5, R"("max_tokens":10,)")).status(), 200);
    const Message anthropic =
        ask(request("POST", "/v1/messages", "Content-Type: application/json\r\n" + auth_header(),
                    fmt::format(R"({{"model":"gpt-4o","max_tokens":10,"messages":[{}]}})", turns(20))));
    EXPECT_EQ(anthropic.status(), 400);
    EXPECT_TRUE(contains(anthropic.body, R"("type":"invalid_request_error")")) << anthropic.body;
    EXPECT_EQ(upstream().request_count(), 2u);
    EXPECT_EQ(loom().eventually("loom_ai_context_refused_total"), 3);
}

TEST_F(Context, FlaggedAndSentAsItIs) {
    begin("flag");
    EXPECT_FALSE(ask(chat(5)).head.has("x-loom-context-overflow"));
    const Message response = ask(chat(20));
    EXPECT_EQ(response.status(), 200);
    EXPECT_TRUE(std::string(response.head.value("x-loom-context-overflow")).ends_with(" of 1000"))
        << response.head.value("x-loom-context-overflow");
    EXPECT_TRUE(contains(upstream().last_request().body, "turn 0 "));
    EXPECT_EQ(loom().eventually("loom_ai_context_flagged_total"), 1);
}

TEST_F(Context, TrimmedUntilItFits) {
    begin("trim");
    const Message response = ask(chat(20));
    EXPECT_EQ(response.status(), 200) << response.raw();
    const int told = std::stoi(std::string(response.head.value("x-loom-context-trimmed")));
    EXPECT_GE(told, 22);  // of 41, about 900 tokens are left
    EXPECT_LE(told, 28);
    EXPECT_EQ(told % 2, 0) << "whole turns";
    const std::string sent = upstream().last_request().body;
    EXPECT_TRUE(sent.starts_with(fmt::format(
        R"({{"model":"gpt-4o","messages":[{{"role":"system","content":"Be brief"}},{{"role":"user","content":"turn {} )",
        told / 2)))
        << sent.substr(0, 200);
    EXPECT_TRUE(sent.ends_with(R"({"role":"user","content":"end"}]})"));
    EXPECT_EQ(loom().eventually("loom_ai_context_trimmed_total"), 1);
    EXPECT_EQ(loom().eventually("loom_ai_context_messages_dropped_total"), told);
    const Message whole = ask(chat(5));
    EXPECT_FALSE(whole.head.has("x-loom-context-trimmed"));
}

/// Of so many turns of two texts of `size` letters, and a last word.
uint64_t tokens_of(int turn_count, size_t size) {
    llm::TokenEstimate estimate;
    const auto add = [&estimate](const std::string& text) {
        estimate.add(text);
        estimate.end_text();
    };
    for (int n = 0; n < turn_count; ++n) {
        add(std::string(size, 'u'));
        add(std::string(size, 'a'));
    }
    add("end.");
    return estimate.tokens();
}

/// Of turns of a few bytes, most of whose document is no text, and of pictures, which the estimate does not count.
TEST_F(Context, NoShorterThanItHasToBe) {
    begin("trim");
    for (const size_t size : {10u, 20u}) {
        std::string messages;
        for (int n = 0; n < 5'000; ++n)
            messages += fmt::format(R"({{"role":"user","content":"{}"}},{{"role":"assistant","content":"{}"}},)",
                                    std::string(size, 'u'), std::string(size, 'a'));
        const Message response = ask(chat_request(
            fmt::format(R"({{"model":"gpt-4o","messages":[{}{{"role":"user","content":"end."}}]}})", messages)));
        EXPECT_EQ(response.status(), 200);
        int left = 0;
        while (tokens_of(left + 1, size) <= 900) ++left;
        EXPECT_EQ(response.head.value("x-loom-context-trimmed"), std::to_string(2 * (5'000 - left)));
    }
    const std::string image =
        R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" + std::string(200'000, 'A') + "\"}}";
    std::string messages = fmt::format(R"({{"role":"user","content":[{}]}},{{"role":"assistant","content":"{}"}},)",
                                       image, std::string(40, 'a'));
    const Message response =
        ask(chat_request(fmt::format(R"({{"model":"gpt-4o","messages":[{}{}]}})", messages, turns(9))));
    EXPECT_EQ(response.head.value("x-loom-context-trimmed"), "4") << "the picture's turn, and one more";
}

TEST_F(Context, TheModelThatItIsLedToCounts) {
    conf.set("provider.mock.models", "gpt-4o, gpt-4.1").set("provider.mock.model.gpt-4.1.context_length", "100000");
    conf.set("routing.experiment.canary.model", "gpt-4o");
    conf.set("routing.experiment.canary.arm.large.share", "100%");
    conf.set("routing.experiment.canary.arm.large.use", "gpt-4.1");
    begin("trim");
    const Message response = ask(chat(20));
    EXPECT_EQ(response.status(), 200);
    EXPECT_FALSE(response.head.has("x-loom-context-trimmed"));
    EXPECT_TRUE(contains(upstream().last_request().body, "gpt-4.1"));
}

TEST_F(Context, WhoIsDrainedHasNoRoom) {
    conf.set("provider.large.type", "openai").set("provider.large.api_key", "sk-large");
    conf.set("provider.large.models", "gpt-4o").set("provider.large.base_url", "http://127.0.0.1:1/v1");
    conf.set("provider.large.weight", "0").set("provider.large.context_length", "100000");
    begin("refuse");
    EXPECT_EQ(ask(chat(20)).status(), 400) << "who is drained has no room";
}

TEST_F(Context, WhatTheRequestsCapLowersIsNotNeeded) {
    conf.set("security.max_tokens_per_request", "500");
    begin("refuse");
    EXPECT_EQ(ask(chat(2, R"("max_tokens":5000,)")).status(), 200) << "500 in all fit 1000";
    EXPECT_EQ(ask(chat(20, R"("max_tokens":10,)")).status(), 400);
}

TEST_F(Context, WhatCannotFitIsRefused) {
    begin("trim");
    const std::string huge =
        fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}}]}})", std::string(20'000, 'x'));
    expect_error(ask(chat_request(huge)), 400, "context_length_exceeded");
    expect_error(ask(chat(5, R"("max_tokens":1000,)")), 400, "context_length_exceeded");
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_EQ(loom().eventually("loom_ai_context_refused_total"), 2);
    EXPECT_EQ(loom().eventually("loom_ai_context_trimmed_total"), 0);
}

/// The document that is translated is the one that is left.
TEST_F(Context, TrimmedBeforeATranslation) {
    begin("trim");
    const Message response = ask(request(
        "POST", "/v1/messages", "Content-Type: application/json\r\n" + auth_header(),
        fmt::format(R"({{"model":"gpt-4o","max_tokens":100,"system":"Be brief","messages":[{}]}})", turns(20))));
    EXPECT_EQ(response.status(), 200) << response.raw();
    EXPECT_TRUE(response.head.has("x-loom-context-trimmed"));
    const std::string sent = upstream().last_request().body;
    EXPECT_TRUE(contains(sent, "Be brief"));
    EXPECT_FALSE(contains(sent, "turn 0 "));
    EXPECT_FALSE(contains(sent, "turn 9 "));
    EXPECT_TRUE(contains(sent, "turn 19 "));
}

TEST_F(Context, TheLargestContextOfThoseWhoHaveTheModelCounts_AndOneThatIsNotKnownFitsAll) {
    conf.set("provider.large.type", "openai").set("provider.large.api_key", "sk-large");
    conf.set("provider.large.models", "gpt-4o").set("provider.large.base_url", "http://127.0.0.1:1/v1");
    conf.set("provider.large.priority", "2").set("provider.mock.priority", "1");
    conf.set("provider.large.model.gpt-4o.context_length", "100000");
    begin("refuse");
    EXPECT_EQ(ask(chat(20)).status(), 502) << "who has room for it is asked, and is not there";
    conf.set("provider.large.model.gpt-4o.context_length", "900");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat(20)).status(), 400);
    conf.set("provider.large.model.gpt-4o.context_length", "");
    loom().reload(conf.text());
    EXPECT_EQ(ask(chat(20)).status(), 502);
}

TEST_F(Context, ARoutesOwnPolicyGoesBefore) {
    conf.set("route.ai.context_window.on_overflow", "flag");
    begin("refuse");
    EXPECT_EQ(ask(chat(20)).status(), 200);
}

TEST_F(Context, LimitsAndBudgetsAreHeldForWhatIsLeft) {
    conf.set("token_accounting.enabled", "on").set("token_accounting.limit.tester.daily_limit", "1100");
    begin("trim");
    EXPECT_EQ(ask(chat(50, R"("max_tokens":20,)")).status(), 200) << "of 5000 tokens, 1000 are left";
}

TEST_F(Context, TheCacheKnowsWhatIsLeft) {
    conf.set("cache.exact.enabled", "on");
    begin("trim");
    const std::string first =
        chat_request(fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}},)"
                                 R"({{"role":"assistant","content":"x"}},{{"role":"user","content":"end"}}]}})",
                                 std::string(8'000, 'a')));
    const std::string second =
        chat_request(fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":"{}"}},)"
                                 R"({{"role":"assistant","content":"x"}},{{"role":"user","content":"end"}}]}})",
                                 std::string(8'000, 'b')));
    EXPECT_EQ(ask(first).status(), 200);
    wait_until("a hit", [&] { return ask(second).head.value("x-loom-cache") == "hit"; });
    EXPECT_EQ(ask(second).head.value("x-loom-context-trimmed"), "2") << "of its own request, too";
}

}  // namespace
}  // namespace loom::wire
