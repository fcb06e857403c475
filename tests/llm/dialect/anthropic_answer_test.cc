#include <random>

#include "../dom.h"
#include "anthropic.h"
#include "anthropic_desk.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

constexpr std::string_view whole_answer =
    R"({"id":"msg_013Zva2CMHLNnjNjJJKqJ2EF","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929",
 "content":[{"type":"thinking","thinking":"Let me\nsee","signature":"EqQB+/="},{"type":"redacted_thinking","data":"EmwK"},
  {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
  {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example"}]},
  {"type":"text","text":"Hi! \"A\" é","citations":[{"type":"web_search_result_location","url":"https://a.example","cited_text":"x","encrypted_index":"E","title":"A"}]},
  {"type":"tool_use","id":"toolu_01","name":"get_weather","input":{"city":"Köln"},"caller":{"type":"direct"}}],
 "stop_reason":"tool_use","stop_sequence":null,"container":null,"stop_details":null,
 "usage":{"input_tokens":2095,"cache_creation_input_tokens":300,"cache_read_input_tokens":1000,
  "cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":503,
  "output_tokens_details":{"thinking_tokens":120},"server_tool_use":{"web_search_requests":1,"web_fetch_requests":0},"service_tier":"standard"}})";

TEST(AnthropicAnswer, IsReadWhole) {
    Desk desk;
    const ChatAnswer answer = desk.answer(whole_answer);
    EXPECT_EQ(answer.id, "msg_013Zva2CMHLNnjNjJJKqJ2EF");
    EXPECT_EQ(answer.service_tier, "default");
    ASSERT_EQ(answer.choices.count(), 1u);
    const Choice& choice = answer.choices.front();
    EXPECT_EQ(choice.finish, FinishReason::tool_calls);
    EXPECT_EQ(choice.finish_text, "tool_use");
    EXPECT_FALSE(has(choice.stop_sequence));
    const std::vector<Part> parts(choice.parts.begin(), choice.parts.end());
    ASSERT_EQ(parts.size(), 4u);
    EXPECT_EQ(parts[0].text, "Let me\\nsee");
    EXPECT_EQ(parts[0].signature, "EqQB+/=");
    EXPECT_EQ(parts[1].kind, Part::Kind::redacted_thinking);
    EXPECT_EQ(parts[2].text, R"(Hi! \"A\" é)");
    EXPECT_TRUE(parts[2].citations.starts_with("[{"));
    EXPECT_EQ(parts[3].arguments, R"({"city":"Köln"})");
    EXPECT_EQ(desk.dropped(), "server_tool_use web_search_tool_result");
    const Usage& usage = answer.usage;
    EXPECT_EQ(usage.input, 3395u);
    EXPECT_EQ(usage.cached_input, 1000u);
    EXPECT_EQ(usage.cache_write, 300u);
    EXPECT_EQ(usage.cache_write_1h, 200u);
    EXPECT_EQ(usage.output, 503u);
    EXPECT_EQ(usage.reasoning, 120u);
    EXPECT_EQ(usage.total, 3898u);
    EXPECT_EQ(usage.provenance, Usage::Provenance::reported);
}

TEST(AnthropicAnswer, ComesBackFromItsOwnWriter) {
    Desk desk;
    desk.terms.client_model = "sonnet";
    const std::string text = desk.written(desk.answer(whole_answer));
    EXPECT_EQ(
        text,
        R"({"id":"msg_013Zva2CMHLNnjNjJJKqJ2EF","type":"message","role":"assistant","model":"sonnet","content":[)"
        R"({"type":"thinking","thinking":"Let me\nsee","signature":"EqQB+/="},{"type":"redacted_thinking","data":"EmwK"},)"
        R"({"type":"text","text":"Hi! \"A\" é","citations":[{"type":"web_search_result_location","url":"https://a.example","cited_text":"x","encrypted_index":"E","title":"A"}]},)"
        R"({"type":"tool_use","id":"toolu_01","name":"get_weather","input":{"city":"Köln"}}],)"
        R"("stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":2095,"cache_creation_input_tokens":300,)"
        R"("cache_read_input_tokens":1000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},)"
        R"("output_tokens":503,"output_tokens_details":{"thinking_tokens":120},"service_tier":"standard"}})");
}

TEST(AnthropicAnswer, OfAnotherProtocolIsWritten) {
    Desk desk;
    ChatAnswer answer{.model = "gpt-5", .usage = {.input = 10, .output = 5, .cached_input = 4, .total = 15}};
    Choice& choice = answer.choices.add(desk.arena, {.finish = FinishReason::stop});
    choice.parts.add(desk.arena, {.kind = Part::Kind::thinking, .text = "t"});
    choice.parts.add(desk.arena, {.kind = Part::Kind::text, .text = ""});
    choice.parts.add(desk.arena, {.kind = Part::Kind::tool_call, .tool_name = "f", .arguments_text = ""});
    choice.parts.add(desk.arena,
                     {.kind = Part::Kind::tool_call, .tool_id = "c2", .tool_name = "g", .arguments_text = R"({\"a\")"});
    EXPECT_EQ(
        desk.written(answer),
        R"({"id":"msg_loom","type":"message","role":"assistant","model":"gpt-5","content":[)"
        R"({"type":"thinking","thinking":"t","signature":""},)"
        R"({"type":"tool_use","id":"toolu_msg_loom_0","name":"f","input":{}},)"         // agentgateway#3002
        R"({"type":"tool_use","id":"c2","name":"g","input":{"_unparsed":"{\"a\""}}],)"  // apisix#13599
        R"("stop_reason":"tool_use","stop_sequence":null,)"  // though its provider said `stop`
        R"("usage":{"input_tokens":6,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":5}})");
}

TEST(AnthropicAnswer, EveryReasonToStopHasItsWord) {
    const auto reason = [](std::string_view word) {
        Desk desk;
        return desk.answer(R"({"content":[],"stop_reason":")" + std::string(word) + R"("})").choices.front().finish;
    };
    EXPECT_EQ(reason("end_turn"), FinishReason::stop);
    EXPECT_EQ(reason("max_tokens"), FinishReason::length);
    EXPECT_EQ(reason("stop_sequence"), FinishReason::stop_sequence);
    EXPECT_EQ(reason("tool_use"), FinishReason::tool_calls);
    EXPECT_EQ(reason("pause_turn"), FinishReason::pause);
    EXPECT_EQ(reason("refusal"), FinishReason::refusal);
    EXPECT_EQ(reason("model_context_window_exceeded"), FinishReason::length);
    EXPECT_EQ(reason("compaction"), FinishReason::other);
    for (const std::string_view word : {"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
                                        "model_context_window_exceeded"})
        EXPECT_EQ(anthropic::stop_reason_of(anthropic::finish_reason_of(word), word, false), word);
    EXPECT_EQ(anthropic::stop_reason_of(FinishReason::content_filter, "content_filter", false), "refusal");
    EXPECT_EQ(anthropic::stop_reason_of(FinishReason::length, "length", true), "max_tokens");
    EXPECT_EQ(anthropic::stop_reason_of(FinishReason::error, {}, false), "end_turn");
}

TEST(AnthropicAnswer, PartsOfTheUsageSumToItsTotal) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 300; ++round) {
        const auto count = [&] { return random() % (round % 7 == 0 ? UINT64_MAX : 5000); };
        const uint64_t five = count(), hour = count();
        Desk desk;
        const Usage usage =
            desk.answer(R"({"content":[],"usage":{"input_tokens":)" + std::to_string(count()) + R"(,"output_tokens":)" +
                        std::to_string(count()) + R"(,"cache_read_input_tokens":)" + std::to_string(count()) +
                        R"(,"cache_creation_input_tokens":)" + std::to_string(five / 2 + hour / 2) +
                        R"(,"cache_creation":{"ephemeral_5m_input_tokens":)" + std::to_string(five / 2) +
                        R"(,"ephemeral_1h_input_tokens":)" + std::to_string(hour / 2) +
                        R"(},"output_tokens_details":{"thinking_tokens":)" + std::to_string(count()) + "}}}")
                .usage;
        EXPECT_GE(usage.input, usage.cached_input);
        EXPECT_GE(usage.input, usage.cache_write);
        EXPECT_GE(usage.cache_write, usage.cache_write_1h);
        EXPECT_GE(usage.output, usage.reasoning);
        uint64_t total = 0;
        if (!__builtin_add_overflow(usage.input, usage.output, &total)) EXPECT_EQ(usage.total, total);
        // And back: what the writer says is read as the same.
        ChatAnswer answer{.usage = usage};
        const std::string text = desk.written(answer);
        if (usage.total != UINT64_MAX) EXPECT_EQ(desk.answer(text).usage, usage) << text;
    }
}

TEST(AnthropicAnswer, ABrokenOneIsAnErrorOfTheProviders) {
    for (size_t length = 0; length < whole_answer.size(); ++length) {
        Desk desk;
        ChatAnswer answer;
        const std::string cut(whole_answer.substr(0, length));
        const Result<void> read = anthropic_dialect().read_answer(cut, desk.context, answer);
        ASSERT_FALSE(read) << length;
        ASSERT_EQ(read.error().side, Side::upstream);
        ASSERT_EQ(read.error().code, Errc::bad_message);
    }
    std::mt19937 random(5);
    for (int round = 0; round < 4000; ++round) {
        std::string body(whole_answer);
        for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
            body[random() % body.size()] = "\"\\{}[],:0ax\x80"[random() % 12];
        Desk desk;
        ChatAnswer answer;
        if (!anthropic_dialect().read_answer(body, desk.context, answer)) continue;
        const std::string text = desk.written(answer);
        ASSERT_TRUE(Dom(text).valid() || !Dom(body).valid()) << body << "\n" << text;
    }
}

// Errors.

ErrorAnswer read_error(Desk& desk, std::string_view body, int status) {
    ErrorAnswer error{.status = status};
    anthropic_dialect().read_error(body, desk.context, error);
    return error;
}
std::string written_error(const ErrorAnswer& error) {
    Desk desk;
    ByteBuffer out(desk.pool);
    anthropic_dialect().write_error(error, desk.context, out);
    return std::string(out.view());
}

TEST(AnthropicError, IsReadAndWritten) {
    Desk desk;
    const std::string_view body =
        R"({"type":"error","error":{"type":"not_found_error","message":"The \"x\" was not found."},"request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"})";
    const ErrorAnswer error = read_error(desk, body, 404);
    EXPECT_EQ(error.status, 404);
    EXPECT_EQ(error.type, "not_found_error");
    EXPECT_EQ(error.message, R"(The \"x\" was not found.)");
    EXPECT_EQ(written_error(error),
              R"({"type":"error","error":{"type":"not_found_error","message":"The \"x\" was not found."}})");
}

TEST(AnthropicError, ABodyThatIsNoneOfItsOwnIsToldAsItIs) {
    Desk desk;
    EXPECT_EQ(read_error(desk, "<html>\n\"502\"</html>", 502).message, R"(<html>\n\"502\"</html>)");
    EXPECT_EQ(read_error(desk, R"({"message":"no body"})", 403).message, "no body");
    EXPECT_EQ(read_error(desk, R"({"error":"just words"})", 500).message, "just words");
    EXPECT_EQ(read_error(desk, R"({"detail":"x"})", 422).message, R"({\"detail\":\"x\"})");
    EXPECT_EQ(read_error(desk, "", 500).message, "");
    std::string long_body(511, 'a');
    long_body += "éé";
    EXPECT_EQ(read_error(desk, long_body, 500).message.size(), 511u);  // no letter is cut
}

TEST(AnthropicError, TheStatusHasItsType) {
    const auto type = [](int status, std::string_view word) { return anthropic::error_type_of(status, word); };
    EXPECT_EQ(type(400, {}), "invalid_request_error");
    EXPECT_EQ(type(401, "invalid_request_error"), "authentication_error");  // OpenAI's one word for many
    EXPECT_EQ(type(402, {}), "billing_error");
    EXPECT_EQ(type(403, {}), "permission_error");
    EXPECT_EQ(type(404, {}), "not_found_error");
    EXPECT_EQ(type(413, {}), "request_too_large");
    EXPECT_EQ(type(422, {}), "invalid_request_error");
    EXPECT_EQ(type(429, "insufficient_quota"), "rate_limit_error");
    EXPECT_EQ(type(500, "server_error"), "api_error");
    EXPECT_EQ(type(503, {}), "overloaded_error");
    EXPECT_EQ(type(504, {}), "timeout_error");
    EXPECT_EQ(type(529, {}), "overloaded_error");
    EXPECT_EQ(type(0, "overloaded_error"), "overloaded_error");  // in a stream
    EXPECT_EQ(type(0, "server_error"), "api_error");
    EXPECT_EQ(type(0, "rate_limit_exceeded"), "rate_limit_error");
    EXPECT_EQ(written_error({.status = 529}),
              R"({"type":"error","error":{"type":"overloaded_error","message":"overloaded_error"}})");
}

}  // namespace
}  // namespace loom::llm
