// What answers cost: booked exactly, to whoever gave them, and what the strategy cost makes of it.
#include "fixture.h"

namespace loom::wire {
namespace {

/// The counter's own text: a double of it would have been rounded.
std::string cost_text(LoomProcess& loom, std::string_view provider, std::string_view model) {
    const Message page = ask_once(loom.admin_port(), request("GET", "/metrics"), false);
    const std::string series =
        "loom_ai_cost_total{provider=\"" + std::string(provider) + "\",model=\"" + std::string(model) + "\"} ";
    const size_t at = page.body.find(series);
    if (at == page.body.npos) return "none";
    const size_t begin = at + series.size();
    return page.body.substr(begin, page.body.find('\n', begin) - begin);
}

std::string answer_with_usage(std::string_view usage) {
    return answer(R"({"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,)"
                  R"("message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":)" +
                  std::string(usage) + "}");
}

class PricesTest : public WireTest {
  protected:
    void settle() {
        wait_until("all to be booked", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    }
};

TEST_F(PricesTest, EachPartOfAnAnswerIsBookedAtItsPrice) {
    conf.set("price.gpt-4o.input_per_1m", "2.50").set("price.gpt-4o.cached_input_per_1m", "1.25");
    conf.set("price.gpt-4o.output_per_1m", "10").set("price.gpt-4o.reasoning_per_1m", "12");
    conf.set("price.gpt-4o.per_request", "0.000001");
    start(answer_always(answer_with_usage(
        R"({"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100,)"
        R"("prompt_tokens_details":{"cached_tokens":400},"completion_tokens_details":{"reasoning_tokens":60}})")));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    settle();
    // 600 * 2.50 + 400 * 1.25 + 40 * 10 + 60 * 12 of a million, and a request's.
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "0.003121");
    EXPECT_TRUE(contains(loom().wait_for_access_line("\"cost\""), R"("cost":0.003121,)"));
    for (int i = 0; i < 9; ++i) EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    settle();
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "0.03121");
}

TEST_F(PricesTest, AStreamCostsWhatItsUsageTells) {
    conf.set("provider.mock.cost.input_per_1k", "0.01").set("provider.mock.cost.output_per_1k", "0.03");
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    EXPECT_EQ(ask(chat_request(stream_body)).status(), 200);
    settle();
    const auto metrics = loom().metrics();
    const double input = sum_where(metrics, "loom_ai_tokens_total", {"type=\"input\""});
    const double output = sum_where(metrics, "loom_ai_tokens_total", {"type=\"output\""});
    ASSERT_GT(input, 0);
    EXPECT_DOUBLE_EQ(sum_where(metrics, "loom_ai_cost_total"), (input * 0.01 + output * 0.03) / 1000);
}

TEST_F(PricesTest, WithoutAPriceNothingIsBookedOrTold) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    settle();
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "0");
    EXPECT_FALSE(contains(loom().wait_for_access_line("\"status\":200"), "\"cost\""));
}

TEST_F(PricesTest, AFailedAttemptCostsItsOwnProvider) {
    const std::string started =
        "event: message_start\ndata: "
        R"({"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],)"
        R"("stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"output_tokens":1}}})"
        "\n\n";
    const std::string broken =
        "event: error\ndata: "
        R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"
        "\n\n";
    ScriptedUpstream spare(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    conf.set("routing.failover.enabled", "on").set("provider.mock.type", "anthropic");
    conf.set("provider.mock.priority", "1").set("provider.mock.cost.input_per_1m", "4");
    conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-spare");
    conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare.origin() + "/v1");
    conf.set("provider.spare.cost.per_request", "0.5");
    start(answer_always(sse_answer(started + broken)));
    EXPECT_EQ(ask(chat_request(stream_body)).head.value("x-loom-provider"), "spare");
    settle();
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "0.0001");
    EXPECT_EQ(cost_text(loom(), "spare", "gpt-4o"), "0.5");
    EXPECT_TRUE(contains(loom().wait_for_access_line("\"cost\""), R"("cost":0.5001,)"));
}

TEST_F(PricesTest, ATableIsTakenWithAReloadOrNotAtAll) {
    const std::string origin = "table.openai.as_of = 2026-11-01\ntable.openai.source = https://example.com\n";
    start(answer_always(answer(chat_answer)));
    const std::string path = loom().path("table.conf");
    const auto write = [&path](const std::string& text) {
        std::FILE* const file = std::fopen(path.c_str(), "w");
        ASSERT_NE(file, nullptr);
        std::fputs(text.c_str(), file);
        std::fclose(file);
    };
    write(origin + "price.openai/gpt-4o.input_per_1m = 1000000\n");
    loom().reload(conf.set("prices.path", path).text());
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    settle();
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "9");
    write("price.openai/gpt-4o.input_per_1m = 2000000\n");
    loom().reload(conf.text(), false);
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    settle();
    EXPECT_EQ(cost_text(loom(), "mock", "gpt-4o"), "18") << "the table of before is in force";
}

TEST_F(PricesTest, TheCheapestForTheRequestIsAsked) {
    ScriptedUpstream spare(answer_always(answer(chat_answer)));
    conf.set("routing.strategy", "cost").set("provider.mock.cost.input_per_1m", "1");
    conf.set("provider.mock.cost.output_per_1m", "100");
    conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-spare");
    conf.set("provider.spare.models", "gpt-4o").set("provider.spare.base_url", spare.origin() + "/v1");
    conf.set("provider.spare.cost.input_per_1m", "10").set("provider.spare.cost.output_per_1m", "10");
    start(answer_always(answer(chat_answer)));
    const auto asked = [&](const std::string& prompt, const std::string& bound) {
        return ask(chat_request(R"({"model":"gpt-4o","max_tokens":)" + bound +
                                R"(,"messages":[{"role":"user","content":")" + prompt + R"("}]})"))
            .head.value("x-loom-provider");
    };
    EXPECT_EQ(asked("Hi", "500"), "spare");
    EXPECT_EQ(asked(std::string(8'000, 'x'), "10"), "mock");
}

}  // namespace
}  // namespace loom::wire
