// Streams that outgrow what their budgets have left: the client gets an end in order, the provider is left, and what
// was counted is what is booked.
#include <fmt/format.h>

#include <algorithm>

#include "loom/llm/token_estimate.h"
#include "protocols.h"

namespace loom::wire {
namespace {

constexpr int limit = 600;  // more than is expected of an answer, so that it is let in
constexpr int words_max = 5'000;

std::string anthropic_event(std::string_view name, std::string_view rest) {
    return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", name, rest);
}

/// How a provider begins a stream, and tells a word of it.
struct Teller {
    const char* type;
    const char* path;  // that it is asked at
    std::string start;
    std::string (*word)(int number);
};

/// Each event is estimated to be less than a token of text, and so is one.
std::string chat_word(int) {
    return "data: {\"id\":\"chatcmpl-told\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m-1\","
           "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lala\"},\"finish_reason\":null}]}\n\n";
}
std::string completions_word(int) {
    return "data: {\"id\":\"cmpl-told\",\"object\":\"text_completion\",\"created\":7,\"model\":\"m-1\","
           "\"choices\":[{\"index\":0,\"text\":\"lala\",\"logprobs\":null,\"finish_reason\":null}]}\n\n";
}
std::string anthropic_word(int) {
    return anthropic_event("content_block_delta", R"(,"index":0,"delta":{"type":"text_delta","text":"lala"})");
}
std::string gemini_word(int) {
    return "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"lala\"}],\"role\":\"model\"},\"index\":0}],"
           "\"modelVersion\":\"m-1\",\"responseId\":\"r-told\"}\n\n";
}
std::string responses_event(std::string_view type, int number, std::string_view rest) {
    return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",\"sequence_number\":{1}{2}}}\n\n", type, number, rest);
}
std::string responses_word(int number) {
    return responses_event("response.output_text.delta", 4 + number,
                           R"(,"item_id":"msg_own","output_index":0,"content_index":0,"delta":"lala","logprobs":[])");
}

const std::vector<Teller>& tellers() {
    static const std::string response =
        R"(,"response":{"id":"resp_told","object":"response","created_at":7,"status":"in_progress","model":"m-1",)"
        R"("output":[]})";
    static const std::vector<Teller> all = {
        {"openai", "/v1/chat/completions", "", chat_word},
        {"openai", "/v1/completions", "", completions_word},
        {"openai", "/v1/responses",
         responses_event("response.created", 0, response) + responses_event("response.in_progress", 1, response) +
             responses_event("response.output_item.added", 2,
                             R"(,"output_index":0,"item":{"id":"msg_own","type":"message","status":"in_progress",)"
                             R"("role":"assistant","content":[]})") +
             responses_event("response.content_part.added", 3,
                             R"(,"item_id":"msg_own","output_index":0,"content_index":0,)"
                             R"("part":{"type":"output_text","text":"","annotations":[]})"),
         responses_word},
        {"anthropic", "/v1/messages",
         anthropic_event("message_start",
                         R"(,"message":{"id":"msg_told","type":"message","role":"assistant","model":"m-1",)"
                         R"("content":[],"stop_reason":null,"stop_sequence":null,)"
                         R"("usage":{"input_tokens":25,"output_tokens":1}})") +
             anthropic_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})"),
         anthropic_word},
        {"gemini", "generateContent", "", gemini_word},
    };
    return all;
}

/// An answer without an end, by whatever the provider is asked.
void tells_for_ever(UpstreamConnection& connection) {
    const auto asked = connection.read_request();
    if (!asked) return;
    const std::string target = asked->target();
    const auto by = std::ranges::find_if(tellers(), [&](const Teller& one) {
        return contains(target, one.path) ||
               (std::string_view(one.type) == "gemini" && contains(target, "GenerateContent"));
    });
    if (by == tellers().end()) throw std::runtime_error("asked at " + target);
    if (!connection.send(sse_head + (by->start.empty() ? "" : chunk(by->start)))) return;
    for (int i = 0; i < words_max; ++i)
        if (!connection.send(chunk(by->word(i)))) return;
    throw std::runtime_error("nobody has stopped the stream");
}

size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
    return count;
}

/// What stands once at the end of a stream that ran out of tokens, in this order.
std::vector<std::string> ends_of(std::string_view client) {
    if (client == "openai_chat") return {R"("finish_reason":"length")", "data: [DONE]"};
    if (client == "openai_completions") return {R"("finish_reason":"length")", "data: [DONE]"};
    if (client == "openai_responses")
        return {"event: response.output_text.done", "event: response.content_part.done",
                "event: response.output_item.done", "event: response.incomplete", R"("reason":"max_output_tokens")"};
    if (client == "anthropic")
        return {"event: content_block_stop", "event: message_delta", R"("stop_reason":"max_tokens")",
                "event: message_stop"};
    return {R"("finishReason":"MAX_TOKENS")"};
}

class StreamStop : public WireTest {
  protected:
    StreamStop() {
        allow_script_failures();
        conf.set("token_accounting.enabled", "on").set("provider.mock.models", "big");
        conf.set("token_accounting.limit.tester.monthly_limit", std::to_string(limit));
        conf.set("route.gemini.path", "/v1beta/*").set("route.gemini.ai_gateway", "on");
        conf.set("route.gemini.auth.type", "api_key");
    }
    void begin(std::string_view type) {
        conf.set("provider.mock.type", std::string(type));
        start(tells_for_ever);
    }
    /// Waits until so much is told: a client has its answer before its exchange is settled.
    void expect_told(const std::string& part) {
        wait_until(part.c_str(), [&] {
            return contains(ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body, part);
        });
    }
    static void expect_stopped(std::string_view client, const Message& stream, std::string_view word = "lala") {
        EXPECT_EQ(stream.status(), 200);
        EXPECT_TRUE(stream.is_whole());
        size_t at = 0;
        for (const std::string& end : ends_of(client)) {
            EXPECT_EQ(count_of(stream.body, end), 1U) << end << ": " << stream.body.substr(stream.body.size() - 3000);
            EXPECT_GE(stream.body.find(end), at) << end;
            at = stream.body.find(end);
        }
        EXPECT_GT(count_of(stream.body, word), 500U);
        EXPECT_FALSE(contains(stream.body, "\"error\":{"));
    }
    static const std::string chat;
};
const std::string StreamStop::chat = R"({"model":"big","stream":true,"stream_options":{"include_usage":true},)"
                                     R"("messages":[{"role":"user","content":"Sing to me"}]})";

class StreamStopOf : public StreamStop, public testing::WithParamInterface<const char*> {};

TEST_P(StreamStopOf, EndsInOrderForEachClient) {
    conf.set("token_accounting.limit.tester.monthly_limit", "");
    for (const ClientProtocol& one : client_protocols())
        conf.set(fmt::format("consumer.{}.api_key", one.name), fmt::format("sk-of-{}-0123456789", one.name))
            .set(fmt::format("token_accounting.limit.{}.monthly_limit", one.name), std::to_string(limit));
    begin(GetParam());
    for (const ClientProtocol& one : client_protocols()) {
        SCOPED_TRACE(one.name);
        std::string asked = one.ask("big", true, "");
        const size_t at = asked.find(client_key);
        ASSERT_NE(at, std::string::npos);
        asked.replace(at, client_key.size(), fmt::format("sk-of-{}-0123456789", one.name));
        const Message stream = ask(asked);
        expect_stopped(one.name, stream);
        expect_told(fmt::format(R"("month":{{"limit":{0},"used":{0},"remaining":0)", limit));
    }
}
INSTANTIATE_TEST_SUITE_P(Providers, StreamStopOf, testing::Values("openai", "anthropic", "gemini"),
                         [](const auto& info) { return info.param; });

TEST_F(StreamStop, TheUsageThatIsToldIsTheOneThatIsBooked) {
    begin("openai");
    const Message stream = ask(chat_request(chat));
    expect_stopped("openai_chat", stream);
    EXPECT_TRUE(contains(stream.body, fmt::format(R"("total_tokens":{})", limit))) << stream.body;
    EXPECT_EQ(count_of(stream.body, "\"id\":\"chatcmpl-told\""), count_of(stream.body, "\"object\":"));
    EXPECT_EQ(count_of(stream.body, "\"model\":\"m-1\""), count_of(stream.body, "\"object\":"));
    const size_t words = count_of(stream.body, "lala");
    EXPECT_TRUE(contains(stream.body, fmt::format(R"("completion_tokens":{})", words))) << words;
    expect_told(fmt::format(R"("used":{},"remaining":0)", limit));
    wait_until("the ledger to have it", [&] {
        const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage/tester"), false).body;
        return contains(page, fmt::format("{}", words));
    });
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_TRUE(contains(line, R"("status":200)")) << line;
    EXPECT_TRUE(contains(line, "a budget is spent")) << line;
    expect_error(ask(chat_request(chat)), 429, "insufficient_quota");
}

/// A provider that tells the prompt at its beginning is believed, and its count of the answer until then is none.
TEST_F(StreamStop, OneNumberForClientLogAndLedger) {
    begin("anthropic");
    const Message stream = ask(client_protocol("anthropic").ask("big", true, ""));
    expect_stopped("anthropic", stream);
    const size_t words = count_of(stream.body, "lala");
    const size_t end = stream.body.find("event: message_delta");
    ASSERT_NE(end, std::string::npos);
    EXPECT_TRUE(contains(stream.body.substr(end), fmt::format(R"("output_tokens":{})", limit - 25)))
        << stream.body.substr(end);
    EXPECT_LE(words, static_cast<size_t>(limit - 25));
    expect_told(fmt::format(R"("used":{},"remaining":0)", limit));
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_TRUE(contains(line, fmt::format(R"("tokens_input":25,"tokens_output":{})", limit - 25))) << line;
    wait_until("the ledger to have it", [&] {
        const std::string page = ask_once(loom().admin_port(), request("GET", "/ai/usage/tester"), false).body;
        return contains(page, fmt::format("{}", limit - 25)) && contains(page, "25");
    });
}

TEST_F(StreamStop, ItsConnectionServesOnAndItsProviderIsNotBlamed) {
    conf.set("routing.failover.enabled", "on").set("routing.failover.circuit_breaker.failure_threshold", "1");
    conf.set("consumer.other.api_key", "sk-other-0123456789abcdef");
    begin("openai");
    RawClient one = client();
    one.send(chat_request(chat));
    expect_stopped("openai_chat", one.reader().read_response());
    upstream().set_script(answer_always(answer(chat_answer)));
    one.send(request("POST", "/v1/chat/completions",
                     "Authorization: Bearer sk-other-0123456789abcdef\r\nContent-Type: application/json\r\n",
                     R"({"model":"big","messages":[]})"));
    EXPECT_EQ(one.reader().read_response().status(), 200);
    EXPECT_EQ(loom().metric(R"(loom_http_responses_total{class="5xx"})"), 0);
}

TEST_F(StreamStop, MoneyStopsItToo) {
    conf.set("token_accounting.limit.tester.monthly_limit", "");
    conf.set("price.big.input_per_1m", "0").set("price.big.output_per_1m", "1000");
    conf.set("token_accounting.limit.tester.budget.monthly", "$0.60");
    begin("openai");
    const Message stream = ask(chat_request(chat));
    expect_stopped("openai_chat", stream);
    const size_t words = count_of(stream.body, "lala");
    EXPECT_LE(words, 600U);
    EXPECT_GE(words, 590U);
    expect_told(R"("money":{"month":{"limit":"0.6","used":"0.)");
}

TEST_F(StreamStop, AResponseEndsWithItsOwnIdsAndNumbers) {
    begin("openai");
    const Message stream = ask(client_protocol("openai_responses").ask("big", true, ""));
    expect_stopped("openai_responses", stream);
    EXPECT_FALSE(contains(stream.body, "\"id\":\"msg_told")) << "an id of ours";
    EXPECT_EQ(count_of(stream.body, "\"id\":\"resp_told\""), 3U);
    EXPECT_EQ(count_of(stream.body, "\"id\":\"msg_own\""), 3U) << "added, done, and in the last event's output";
    // One number after the other, to the end.
    size_t expected = 0;
    for (size_t at = stream.body.find("\"sequence_number\":"); at != std::string::npos;
         at = stream.body.find("\"sequence_number\":", at + 1))
        EXPECT_EQ(std::stoul(stream.body.substr(at + 18)), expected++);
    EXPECT_GT(expected, 500U);
}

TEST_F(StreamStop, ALegacyCompletionEndsToo) {
    begin("openai");
    const Message stream = ask(request("POST", "/v1/completions", auth_header() + "Content-Type: application/json\r\n",
                                       R"({"model":"big","stream":true,"prompt":"Sing to me"})"));
    expect_stopped("openai_completions", stream);
}

TEST_F(StreamStop, OfTheEmbeddedModel) {
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "la ";  // which it says again
    const uint64_t all = llm::estimated_tokens(std::string_view(many)) + 650;
    conf.use_echo().set("token_accounting.limit.tester.monthly_limit", std::to_string(all));
    start_without_upstream();
    const Message stream = ask(chat_request(
        fmt::format(R"({{"model":"echo","stream":true,"messages":[{{"role":"user","content":"{}"}}]}})", many)));
    expect_stopped("openai_chat", stream, "la\"");
    EXPECT_LT(count_of(stream.body, "la\""), 700U);
    expect_told(fmt::format(R"("used":{},"remaining":0)", all));
}

TEST_F(StreamStop, ARequestsOwnPriceIsPaidOnce) {
    conf.set("token_accounting.limit.tester.monthly_limit", "");
    conf.set("price.big.input_per_1m", "0").set("price.big.output_per_1m", "1000").set("price.big.per_request", "0.1");
    conf.set("token_accounting.limit.tester.budget.monthly", "$1.00");
    begin("openai");
    const Message stream = ask(chat_request(chat));
    expect_stopped("openai_chat", stream);
    const size_t words = count_of(stream.body, "lala");
    EXPECT_GE(words, 890U);
    EXPECT_LE(words, 900U);
    const std::string spent =
        words == 900 ? std::string("1") : fmt::format("{:.3f}", 0.1 + static_cast<double>(words) / 1000);
    expect_told(fmt::format(R"("used":"{}")", spent));
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_TRUE(contains(line, fmt::format(R"("tokens_output":{})", words))) << line;
}

/// What it calls cannot be ended in order where its events pass as they come: it goes on to its own end.
TEST_F(StreamStop, OneThatCallsToolsRunsOn_AndIsBookedAsItTells) {
    std::string events = R"(data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[{)"
                         R"("index":0,"delta":{"tool_calls":[{"index":0,"id":"t0","type":"function","function":)"
                         R"({"name":"f","arguments":""}}]},"finish_reason":null}]})"
                         "\n\n";
    for (int i = 0; i < 900; ++i) events += chat_word(i);
    events += usage_event + done_event;
    start(answer_always(sse_answer(events)));
    const Message stream = ask(chat_request(chat));
    EXPECT_EQ(stream.body, events);
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_FALSE(contains(line, "a budget is spent")) << line;
}

TEST_F(StreamStop, OneThatHasFinishedIsNotEndedAgain) {
    const std::string finish =
        R"(data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[{"index":0,)"
        R"("delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":900,"total_tokens":905}})"
        "\n\n";
    std::string events;
    for (int i = 0; i < 500; ++i) events += chat_word(i);
    events += finish + done_event;
    start(answer_always(sse_answer(events)));
    const Message stream = ask(chat_request(chat));
    EXPECT_EQ(stream.body, events);
    expect_told(R"("used":905)");
}

/// Who says in the middle how much it takes is believed at once.
TEST_F(StreamStop, WhatIsReportedCountsWhereItIsMore) {
    const std::string told =
        R"(data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[{"index":0,)"
        R"("delta":{"content":"lala"},"finish_reason":null}],"usage":{"prompt_tokens":5,"completion_tokens":700,)"
        R"("total_tokens":705}})"
        "\n\n";
    std::string events = chat_word(0) + told;
    for (int i = 0; i < 100; ++i) events += chat_word(i);
    events += usage_event + done_event;
    start(answer_always(sse_answer(events)));
    const Message stream = ask(chat_request(chat));
    EXPECT_EQ(count_of(stream.body, "lala"), 2U) << stream.body;
    EXPECT_EQ(count_of(stream.body, R"("finish_reason":"length")"), 1U) << stream.body;
    EXPECT_TRUE(contains(stream.body, R"("total_tokens":705})")) << stream.body;
    expect_told(R"("used":705)");
}

TEST_F(StreamStop, WhereTheConfWantsItServedItGoesOn) {
    conf.set("token_accounting.on_budget_spent", "serve");
    std::string events;
    for (int i = 0; i < 900; ++i) events += chat_word(i);
    start(answer_always(sse_answer(events + done_event)));
    const Message stream = ask(chat_request(chat));
    EXPECT_EQ(count_of(stream.body, "lala"), 900U);
    EXPECT_FALSE(contains(stream.body, "length"));
    expect_told(R"("remaining":0)");
}

TEST_F(StreamStop, OneThatFitsIsNotTouched) {
    std::string events;
    for (int i = 0; i < 500; ++i) events += chat_word(i);
    events += usage_event + done_event;
    start(answer_always(sse_answer(events)));
    const Message stream = ask(chat_request(chat));
    EXPECT_EQ(stream.body, events);
}

}  // namespace
}  // namespace loom::wire
