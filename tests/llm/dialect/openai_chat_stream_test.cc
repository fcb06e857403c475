#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "../dom.h"
#include "one_dialect.h"

namespace loom::llm {
namespace {

constexpr TranslateTerms gpt_terms{.client_model = "gpt-5", .fallback_id = "loom-1", .created = 17, .stream = true};

std::string chunk(std::string_view delta, std::string_view finish = "null", std::string_view tail = "") {
    return R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1694268190,"model":"gpt-5-2026","choices":)"
           R"([{"index":0,"delta":)" +
           std::string(delta) + R"(,"logprobs":null,"finish_reason":)" + std::string(finish) + "}]" +
           std::string(tail) + "}";
}

struct Decoded : OneCall {
    explicit Decoded(const TranslateTerms& given = gpt_terms) : OneCall(given) {}
    std::unique_ptr<StreamDecoder> decoder = openai_chat_dialect().decoder();
    DeltaLines said;

    bool read(std::string_view data) { return decoder->read("", data, context, said); }
    std::string operator()(const std::vector<std::string>& events) {
        for (const std::string& data : events) EXPECT_TRUE(read(data)) << data;
        return said.text();
    }
};

// From platform.openai.com/docs/api-reference/chat/streaming.
TEST(ChatDecoder, TellsAWholeStream) {
    Decoded decoded;
    EXPECT_EQ(
        decoded(
            {chunk(R"({"role":"assistant","content":"","refusal":null})", "null", R"(,"usage":null)"),
             chunk(R"({"content":"Hel\"lo"})"), chunk(R"({"content":" é"})"), chunk("{}", R"("stop")"),
             R"({"id":"chatcmpl-1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})",
             "[DONE]", "[DONE]"}),
        "start: chatcmpl-1 gpt-5-2026 1694268190\n"
        "text(0): Hel\\\"lo\n"
        "text(0):  é\n"
        "finish(0): 1 stop\n"
        "usage: 3+4\n"
        "end\n");
    EXPECT_TRUE(decoded.decoder->read_end(decoded.context, decoded.said));
}

TEST(ChatDecoder, TellsParallelCalls) {
    Decoded decoded;
    EXPECT_EQ(
        decoded(
            {chunk(
                 R"({"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]})"),
             chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]})"),
             chunk(
                 R"({"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":""}}]})"),
             chunk(
                 R"({"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"function":{"arguments":"{}"}}]})"),
             chunk("{}", R"("tool_calls")"), "[DONE]"}),
        "start: chatcmpl-1 gpt-5-2026 1694268190\n"
        "call(0,0): call_a f\n"
        "arguments(0,0): {\\\"a\\\"\n"
        "call(0,1): call_b g\n"
        "arguments(0,0): :1}\n"
        "arguments(0,1): {}\n"
        "finish(0): 4 tool_calls\n"
        "end\n");
}

// bifrost#1961, litellm#5231: servers that count every call as 0, or not at all; the id tells them apart. And one that
// repeats id and name in each piece.
TEST(ChatDecoder, TellsCallsApartThatAreAllCountedZero) {
    const std::string expected =
        "start: chatcmpl-1 gpt-5-2026 1694268190\n"
        "call(0,0): a f\n"
        "arguments(0,0): {\n"
        "arguments(0,0): }\n"
        "call(0,1): b f\n"
        "arguments(0,1): json {\"x\":1}\n";
    for (const std::string index : {R"("index":0,)", ""}) {
        Decoded decoded;
        EXPECT_EQ(
            decoded(
                {chunk(R"({"tool_calls":[{)" + index + R"("id":"a","function":{"name":"f","arguments":"{"}}]})"),
                 chunk(R"({"tool_calls":[{)" + index + R"("id":"a","function":{"name":"f","arguments":"}"}}]})"),
                 chunk(R"({"tool_calls":[{)" + index + R"("id":"b","function":{"name":"f","arguments":{"x":1}}}]})")}),
            expected);
    }
}

TEST(ChatDecoder, MakesIdsWhereThereAreNone) {
    Decoded decoded;
    EXPECT_EQ(decoded({chunk(R"({"function_call":{"name":"f","arguments":""}})"),
                       chunk(R"({"function_call":{"arguments":"{}"}})"), chunk("{}", R"("function_call")")}),
              "start: chatcmpl-1 gpt-5-2026 1694268190\n"
              "call(0,0): call_loom-1_0_0 f\n"
              "arguments(0,0): {}\n"
              "finish(0): 4 function_call\n");
}

TEST(ChatDecoder, TellsThinking) {
    Decoded decoded;
    EXPECT_EQ(
        decoded(
            {chunk(R"({"reasoning_content":"h"})"), chunk(R"({"reasoning":"m"})"),
             chunk(R"({"reasoning_content":"!","reasoning":"!"})"),
             chunk(R"({"reasoning_content":"?","thinking_blocks":[{"type":"thinking","thinking":"?"}]})"),
             chunk(R"({"thinking_blocks":[{"type":"thinking","thinking":"","signature":"c2ln"}]})"),
             chunk(R"({"thinking_blocks":[{"type":"redacted_thinking","data":"eA=="}]})"),
             chunk(
                 R"({"content":[{"type":"thinking","thinking":[{"type":"text","text":"z"}]},{"type":"text","text":"y"}]})")}),
        "start: chatcmpl-1 gpt-5-2026 1694268190\n"
        "thinking(0): h\n"
        "thinking(0): m\n"
        "thinking(0): !\n"
        "thinking(0): ?\n"
        "signature(0): c2ln\n"
        "redacted(0): eA==\n"
        "thinking(0): z\n"
        "text(0): y\n");
}

TEST(ChatDecoder, TellsChoicesRefusalsLogprobsAndAnnotations) {
    Decoded decoded;
    EXPECT_EQ(
        decoded(
            {R"({"id":"c","choices":[{"delta":{"refusal":"No"},"logprobs":{"content":[]},"finish_reason":null,"index":1},{"index":0,"delta":{"content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}}]})",
             R"({"id":"c","choices":[{"index":1,"delta":{},"finish_reason":"stop"},{"index":0,"delta":{},"finish_reason":"length"}]})",
             R"({"id":"c","choices":[{"index":1,"delta":{},"finish_reason":"stop"}]})"}),
        "start: c  0\n"
        "refusal(1): No\n"
        "logprobs(1): {\"content\":[]}\n"
        "text(0): x\n"
        "citation(0): {\"type\":\"url_citation\",\"url_citation\":{\"url\":\"u\"}}\n"
        "finish(1): 6 stop\n"
        "finish(0): 3 length\n");
    EXPECT_TRUE(decoded.decoder->read_end(decoded.context, decoded.said));  // without [DONE]
    EXPECT_EQ(decoded.said.lines.back(), "end");
}

TEST(ChatDecoder, WaitsForTheFirstEventThatSaysSomething) {
    Decoded decoded;  // Azure's
    EXPECT_EQ(decoded({R"({"id":"","model":"","choices":[],"prompt_filter_results":[]})", chunk(R"({"content":"x"})")}),
              "start: chatcmpl-1 gpt-5-2026 1694268190\ntext(0): x\n");
}

TEST(ChatDecoder, EndsAtAnError) {
    Decoded decoded;
    EXPECT_EQ(decoded({chunk(R"({"content":"x"})"), R"({"error":{"message":"overloaded","type":"server_error"}})",
                       chunk(R"({"content":"y"})"), "[DONE]"}),
              "start: chatcmpl-1 gpt-5-2026 1694268190\ntext(0): x\nerror: overloaded server_error\n");
    EXPECT_FALSE(decoded.decoder->read_end(decoded.context, decoded.said));
}

TEST(ChatDecoder, KnowsWhatIsNotWhole) {
    Decoded decoded;
    EXPECT_FALSE(decoded.decoder->read_end(decoded.context, decoded.said));
    decoded({chunk(R"({"content":"x"})")});
    EXPECT_FALSE(decoded.decoder->read_end(decoded.context, decoded.said));
}

// litellm#40404: one bad line killed sixty good tokens.
TEST(ChatDecoder, AMalformedEventSaysNothingAndChangesNothing) {
    const std::string good[] = {
        chunk(R"({"content":"a","tool_calls":[{"index":0,"id":"i","function":{"name":"f","arguments":"{}"}}]})"),
        chunk("{}", R"("tool_calls")")};
    Decoded plain;
    const std::string expected = plain({good[0], good[1], "[DONE]"});
    Decoded broken;
    for (const std::string& data : good) {
        for (size_t bytes = 0; bytes < data.size(); ++bytes) ASSERT_FALSE(broken.read(data.substr(0, bytes))) << bytes;
        ASSERT_TRUE(broken.read(data));
    }
    EXPECT_FALSE(broken.read(R"({"choices":[{"index":128,"delta":{"content":"x"}}]})"));
    broken.read("[DONE]");
    EXPECT_EQ(broken.said.text(), expected);
}

// Encoding.

struct Encoded : OneCall {
    explicit Encoded(const TranslateTerms& given = gpt_terms) : OneCall(given) {}
    std::unique_ptr<StreamEncoder> encoder = openai_chat_dialect().encoder();
    ByteBuffer out{pool};

    Encoded& operator()(const Delta& delta) {
        encoder->write(delta, context, out);
        return *this;
    }
    std::string text() const { return std::string(out.view()); }
};

std::string event(std::string_view choice, std::string_view id = R"("msg_1")", std::string_view tail = "") {
    return R"(data: {"id":)" + std::string(id) +
           R"(,"object":"chat.completion.chunk","created":17,"model":"gpt-5","choices":[)" + std::string(choice) + "]" +
           std::string(tail) + "}\n\n";
}
std::string delta_event(std::string_view delta, std::string_view finish = "null", std::string_view tail = "") {
    return event(R"({"index":0,"delta":)" + std::string(delta) + R"(,"logprobs":null,"finish_reason":)" +
                     std::string(finish) + "}",
                 R"("msg_1")", tail);
}
using Kind = Delta::Kind;
constexpr Delta start{.kind = Kind::start, .id = "msg_1"};

TEST(ChatEncoder, WritesAWholeStream) {
    Encoded encoded;
    const Usage usage{.input = 3, .output = 4, .total = 7, .provenance = Usage::Provenance::reported};
    encoded(start)({.kind = Kind::ping})({.kind = Kind::text, .text = "Hel\\\"lo"})(
        {.kind = Kind::text, .text = " you"});
    encoded({.kind = Kind::part_end})({.kind = Kind::usage, .usage = &usage});
    encoded({.kind = Kind::finish, .reason = FinishReason::stop})({.kind = Kind::end})({.kind = Kind::end});
    EXPECT_EQ(encoded.text(), delta_event(R"({"role":"assistant","content":"Hel\"lo"})") +
                                  delta_event(R"({"content":" you"})") + delta_event("{}", R"("stop")") +
                                  "data: [DONE]\n\n");
}

TEST(ChatEncoder, ReportsUsageToWhomAsked) {
    TranslateTerms asked = gpt_terms;
    asked.include_usage = true;
    Encoded encoded(asked);
    const Usage early{.input = 3, .output = 1, .total = 4, .provenance = Usage::Provenance::reported};
    const Usage late{.input = 3,
                     .output = 4,
                     .cached_input = 2,
                     .reasoning = 1,
                     .total = 7,
                     .provenance = Usage::Provenance::reported};
    encoded({.kind = Kind::start, .id = "msg_1", .usage = &early})({.kind = Kind::text, .text = "x"});
    encoded({.kind = Kind::finish, .reason = FinishReason::length})({.kind = Kind::usage, .usage = &late})(
        {.kind = Kind::end});
    EXPECT_EQ(encoded.text(), delta_event(R"({"role":"assistant","content":"x"})", "null", R"(,"usage":null)") +
                                  delta_event("{}", R"("length")", R"(,"usage":null)") +
                                  event("", R"("msg_1")",
                                        R"(,"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,)"
                                        R"("prompt_tokens_details":{"cached_tokens":2,"audio_tokens":0},)"
                                        R"("completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":0}})") +
                                  "data: [DONE]\n\n");
}

// agentgateway#3002: no arguments are `{}`. agentgateway#3005: the role is on the first delta.
TEST(ChatEncoder, WritesCalls) {
    Encoded encoded;
    encoded(start)({.kind = Kind::tool_call, .tool = 0, .signature = "c2ln", .tool_id = "a", .tool_name = "f"});
    encoded({.kind = Kind::tool_call, .tool = 1, .tool_id = "b", .tool_name = "g"});
    encoded({.kind = Kind::arguments, .tool = 1, .json = R"({"x":"\"1\""})"});
    encoded({.kind = Kind::arguments, .tool = 7, .text = "{}"});  // of a call that nobody began
    encoded({.kind = Kind::finish, .reason = FinishReason::tool_calls})({.kind = Kind::end});
    EXPECT_EQ(
        encoded.text(),
        delta_event(
            R"({"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"c2ln"}}}]})") +
            delta_event(
                R"({"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]})") +
            delta_event(R"({"tool_calls":[{"index":1,"function":{"arguments":"{\"x\":\"\\\"1\\\"\"}"}}]})") +
            delta_event(R"({"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]})") +
            delta_event("{}", R"("tool_calls")") + "data: [DONE]\n\n");
}

TEST(ChatEncoder, WritesALegacyClientsCall) {
    Encoded encoded;
    encoded.aliases.legacy_functions = true;
    encoded(start)({.kind = Kind::tool_call, .tool = 0, .tool_id = "a", .tool_name = "f"});
    encoded({.kind = Kind::arguments, .tool = 0, .text = "{}"})({.kind = Kind::end});
    EXPECT_EQ(encoded.text(), delta_event(R"({"role":"assistant","function_call":{"name":"f","arguments":""}})") +
                                  delta_event(R"({"function_call":{"arguments":"{}"}})") +
                                  delta_event("{}", R"("function_call")") + "data: [DONE]\n\n");
}

TEST(ChatEncoder, WritesThinkingWithItsSignatures) {
    Encoded encoded;
    encoded(start)({.kind = Kind::thinking, .text = "h"})({.kind = Kind::thinking, .text = "m", .signature = "c2ln"});
    encoded({.kind = Kind::redacted_thinking, .text = "eA=="})({.kind = Kind::signature, .signature = "Zw=="});
    EXPECT_EQ(encoded.text(),
              delta_event(R"({"role":"assistant","reasoning_content":"h"})") +
                  delta_event(R"({"reasoning_content":"m"})") +
                  delta_event(R"({"thinking_blocks":[{"type":"thinking","thinking":"","signature":"c2ln"}]})") +
                  delta_event(R"({"thinking_blocks":[{"type":"redacted_thinking","data":"eA=="}]})") +
                  delta_event(R"({"thinking_blocks":[{"type":"thinking","thinking":"","signature":"Zw=="}]})"));
}

TEST(ChatEncoder, WritesCitationsThatHaveAUrl) {
    Encoded encoded;
    encoded(start)({.kind = Kind::citation, .json = R"({"type":"char_location"})"});
    EXPECT_EQ(encoded.text(), "");
    EXPECT_EQ(encoded.lost(), "citations");
    encoded({.kind = Kind::citation,
             .json = R"({"type":"url_citation","url":"u","title":"t","start_index":1,"end_index":2})"});
    EXPECT_EQ(
        encoded.text(),
        delta_event(
            R"({"role":"assistant","annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"u","title":"t"}}]})"));
}

TEST(ChatEncoder, StandsStreamsWithoutBeginningOrFinish) {
    Encoded silent;
    silent({.kind = Kind::end});
    EXPECT_EQ(silent.text(), event(R"({"index":0,"delta":{"role":"assistant"},"logprobs":null,"finish_reason":"stop"})",
                                   R"("loom-1")") +
                                 "data: [DONE]\n\n");
    Encoded unfinished;
    unfinished({.kind = Kind::tool_call, .tool_id = "a", .tool_name = "f"})({.kind = Kind::end});
    EXPECT_NE(unfinished.text().find(R"("finish_reason":"tool_calls")"), std::string::npos);
}

TEST(ChatEncoder, SaysNothingBehindAnErrorOrAFinish) {
    Encoded encoded;
    const ErrorAnswer error{.message = "over\\\"loaded", .type = "overloaded_error"};
    encoded(start)({.kind = Kind::text, .text = "x"})({.kind = Kind::error, .error = &error});
    encoded({.kind = Kind::text, .text = "y"})({.kind = Kind::error, .error = &error})({.kind = Kind::end});
    EXPECT_EQ(encoded.text(), delta_event(R"({"role":"assistant","content":"x"})") +
                                  "data: "
                                  "{\"error\":{\"message\":\"over\\\"loaded\",\"type\":\"overloaded_error\",\"param\":"
                                  "null,\"code\":null}}\n\n");
    Encoded twice;
    twice(start)({.kind = Kind::finish, .reason = FinishReason::stop})(
        {.kind = Kind::finish, .reason = FinishReason::stop});
    twice({.kind = Kind::text, .text = "late"});
    EXPECT_EQ(twice.text(), delta_event(R"({"role":"assistant"})", R"("stop")"));
}

/// The decoder's deltas, encoded.
class Echo final : public DeltaSink {
  public:
    Echo(Encoded& encoded) : encoded_(encoded) {}
    void on_delta(const Delta& delta) override { encoded_(delta); }

  private:
    Encoded& encoded_;
};

// What one side writes the other reads the same: a stream is its own translation.
TEST(ChatStream, RoundTripKeepsAll) {
    const std::vector<std::string> events = {
        chunk(R"({"role":"assistant","reasoning_content":"hm"})"),
        chunk(R"({"thinking_blocks":[{"type":"thinking","thinking":"","signature":"c2ln"}]})"),
        chunk(R"({"content":"Hi"})"),
        chunk(R"({"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]})"),
        chunk(R"({"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]})"),
        chunk(R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}}]})"),
        chunk("{}", R"("tool_calls")"),
        "[DONE]"};
    Decoded first;
    Encoded encoded;
    Echo echo(encoded);
    const auto decoder = openai_chat_dialect().decoder();
    for (const std::string& data : events) {
        ASSERT_TRUE(first.read(data));
        ASSERT_TRUE(decoder->read("", data, encoded.context, echo));
    }
    Decoded second;
    std::string_view text = encoded.out.view();
    while (!text.empty()) {
        const size_t end = text.find("\n\n");
        ASSERT_TRUE(second.read(text.substr(6, end - 6)));
        text.remove_prefix(end + 2);
    }
    ASSERT_FALSE(first.said.lines.empty());
    first.said.lines.front() = second.said.lines.front();  // the model's name is the client's
    EXPECT_EQ(first.said.text(), second.said.text());
}

TEST(ChatStream, FlippedBytesNeverMakeABadEvent) {
    const std::string event_data = chunk(
        R"({"role":"assistant","content":"Hi","reasoning_content":"h","tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]})",
        R"("stop")");
    std::mt19937 random(3);
    for (int run = 0; run < 4000; ++run) {
        std::string data = event_data;
        for (uint32_t times = 1 + random() % 3; times > 0; --times) data[random() % data.size()] ^= 1 << random() % 7;
        Encoded encoded;
        Echo echo(encoded);
        const auto decoder = openai_chat_dialect().decoder();
        if (!decoder->read("", data, encoded.context, echo) || !Dom(data).valid()) continue;
        std::string_view text = encoded.out.view();
        while (!text.empty()) {
            const size_t end = text.find("\n\n");
            ASSERT_NE(end, text.npos);
            ASSERT_TRUE(Dom(text.substr(6, end - 6)).valid()) << data;
            text.remove_prefix(end + 2);
        }
    }
}

}  // namespace
}  // namespace loom::llm
