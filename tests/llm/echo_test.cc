#include "loom/llm/echo.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "dom.h"
#include "loom/llm/stream_reader.h"

namespace loom::llm {
namespace {

struct Echo {
    explicit Echo(Endpoint endpoint, std::string_view body) {
        const auto request = reader.read(endpoint, body);
        EXPECT_TRUE(request) << request.error().what;
        started = answer.start(endpoint, *request, body, "abc", 1700000000);
    }
    std::string whole() {
        std::string out;
        answer.whole(out);
        EXPECT_TRUE(Dom(out).valid()) << out;
        return out;
    }
    /// The data of every event, [DONE] included.
    std::vector<std::string> events() {
        std::vector<std::string> events;
        std::string out;
        while (answer.next_event(out)) {
            EXPECT_TRUE(out.starts_with("data: ") && out.ends_with("\n\n")) << out;
            events.push_back(out.substr(6, out.size() - 8));
            out.clear();
        }
        EXPECT_TRUE(out.empty());
        EXPECT_EQ(events.back(), "[DONE]");
        return events;
    }
    RequestReader reader;
    EchoAnswer answer;
    Result<void> started;
};

TEST(Echo, AnswersAChat) {
    Echo echo(
        Endpoint::chat_completions,
        R"({"model":"demo","messages":[{"role":"system","content":"be nice"},{"role":"user","content":"good \"day\" 漢"}]})");
    ASSERT_TRUE(echo.started);
    EXPECT_EQ(
        echo.whole(),
        R"({"id":"chatcmpl-abc","object":"chat.completion","created":1700000000,"model":"demo","system_fingerprint":"fp_loom_echo",)"
        R"("choices":[{"index":0,"message":{"role":"assistant","content":"Hello! I am demo, the demo model inside Loom. You said: good \"day\" 漢","refusal":null},)"
        R"("logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":14,"total_tokens":19}})");
    EXPECT_EQ(echo.answer.usage().provenance, Usage::Provenance::counted);
}

TEST(Echo, StreamsTheSameWordByWord) {
    Echo echo(
        Endpoint::chat_completions,
        R"({"model":"demo","stream":true,"stream_options":{"include_usage":true},"n":2,"messages":[{"role":"user","content":" one\n two  "}]})");
    ASSERT_TRUE(echo.started);
    const Dom whole(echo.whole());
    const auto events = echo.events();
    StreamReader reader;
    std::string said[2];
    int finished = 0, usage_only = 0;
    for (const std::string& data : events) {
        Usage usage;
        const EventFacts facts = reader.read(data, usage);
        EXPECT_FALSE(facts.malformed) << data;
        finished += facts.finished;
        usage_only += facts.usage_only;
        if (facts.usage_only) {
            EXPECT_EQ(usage.total, echo.answer.usage().total);
        }
        EXPECT_TRUE(facts.done || facts.usage_only || facts.usage_null) << data;
        if (facts.has_content) {
            const Dom dom(data);
            said[dom.number("/choices/0/index")] += dom.text("/choices/0/delta/content");
            EXPECT_EQ(dom.text("/object"), "chat.completion.chunk");
        }
    }
    EXPECT_EQ(finished, 2);
    EXPECT_EQ(usage_only, 1);
    EXPECT_EQ(Dom(events[0]).text("/choices/0/delta/role"), "assistant");
    EXPECT_EQ(said[0], "Hello! I am demo, the demo model inside Loom. You said:  one\n two  ");
    EXPECT_EQ(said[0], said[1]);
    EXPECT_EQ(said[0], whole.text("/choices/0/message/content"));
}

TEST(Echo, StopsAtMaxTokens) {
    Echo echo(Endpoint::chat_completions,
              R"({"model":"demo","stream":true,"max_tokens":3,"messages":[{"role":"user","content":"x"}]})");
    const Dom whole(echo.whole());
    EXPECT_EQ(whole.text("/choices/0/message/content"), "Hello! I am");
    EXPECT_EQ(whole.text("/choices/0/finish_reason"), "length");
    const auto events = echo.events();
    ASSERT_EQ(events.size(), 1u + 3 + 1 + 1);
    EXPECT_EQ(Dom(events[4]).text("/choices/0/finish_reason"), "length");
    EXPECT_FALSE(Dom(events[4]).has("/usage"));
}

TEST(Echo, RepeatsABoundedMessageWithoutCuttingACharacter) {
    std::string text;
    for (int i = 0; i < 5000; ++i) text += "漢";
    Echo echo(Endpoint::chat_completions, R"({"model":"demo","messages":[{"role":"user","content":")" + text + "\"}]}");
    const std::string said = Dom(echo.whole()).text("/choices/0/message/content");
    EXPECT_TRUE(said.ends_with("漢…"));
    EXPECT_LT(said.size(), EchoAnswer::repeated_bytes_max + 100);
}

TEST(Echo, AnswersCompletions) {
    Echo echo(Endpoint::completions, R"({"model":"demo","prompt":"a b","stream":true})");
    const Dom whole(echo.whole());
    EXPECT_EQ(whole.text("/object"), "text_completion");
    EXPECT_EQ(whole.text("/id"), "cmpl-abc");
    std::string said;
    for (const std::string& data : echo.events()) {
        if (data != "[DONE]") said += Dom(data).text("/choices/0/text");
    }
    EXPECT_EQ(said, whole.text("/choices/0/text"));
    EXPECT_EQ(whole.number("/usage/prompt_tokens"), 2);
}

constexpr std::string_view tools =
    R"("tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"},"days":{"type":"integer"},"unit":{"type":"string","enum":["C","F"]},"note":{"type":"string"}},"required":["city","days","unit"]}}},{"type":"function","function":{"name":"clock"}}])";

TEST(Echo, CallsTheNamedTool) {
    Echo echo(
        Endpoint::chat_completions,
        R"({"model":"demo","messages":[{"role":"user","content":"x"}],"stream":true,"tool_choice":{"type":"function","function":{"name":"weather"}},)" +
            std::string(tools) + "}");
    ASSERT_TRUE(echo.started);
    const Dom whole(echo.whole());
    EXPECT_TRUE(whole.is_null("/choices/0/message/content"));
    EXPECT_EQ(whole.text("/choices/0/finish_reason"), "tool_calls");
    EXPECT_EQ(whole.size("/choices/0/message/tool_calls"), 1u);
    const std::string arguments = whole.text("/choices/0/message/tool_calls/0/function/arguments");
    EXPECT_EQ(arguments, R"({"city": "echo", "days": 1, "unit": "C"})");
    std::string streamed;
    for (const std::string& data : echo.events()) {
        const Dom dom(data);
        if (data == "[DONE]" || !dom.has("/choices/0/delta/tool_calls")) continue;
        EXPECT_EQ(dom.number("/choices/0/delta/tool_calls/0/index"), 0);
        EXPECT_EQ(dom.has("/choices/0/delta/tool_calls/0/id"),
                  streamed.empty() && dom.has("/choices/0/delta/tool_calls/0/function/name"));
        streamed += dom.text("/choices/0/delta/tool_calls/0/function/arguments");
    }
    EXPECT_EQ(streamed, arguments);
}

TEST(Echo, CallsToolsInParallelWithARisingIndex) {
    Echo echo(Endpoint::chat_completions,
              R"({"model":"demo","messages":[{"role":"user","content":"x"}],"stream":true,"tool_choice":"required",)" +
                  std::string(tools) + "}");
    std::vector<std::string> names;
    int64_t last = -1;
    for (const std::string& data : echo.events()) {
        const Dom dom(data);
        if (data == "[DONE]" || !dom.has("/choices/0/delta/tool_calls")) continue;
        const int64_t index = dom.number("/choices/0/delta/tool_calls/0/index");
        EXPECT_GE(index, last);
        last = index;
        if (dom.has("/choices/0/delta/tool_calls/0/function/name"))
            names.push_back(dom.text("/choices/0/delta/tool_calls/0/function/name"));
    }
    EXPECT_EQ(names, (std::vector<std::string>{"weather", "clock"}));
}

TEST(Echo, SpeaksWhereNoCallIsAskedFor) {
    for (const std::string_view choice : {R"("auto")", R"("none")"}) {
        Echo echo(Endpoint::chat_completions, R"({"model":"demo","messages":[],"tool_choice":)" + std::string(choice) +
                                                  "," + std::string(tools) + "}");
        EXPECT_EQ(Dom(echo.whole()).text("/choices/0/message/content"),
                  "Hello! I am demo, the demo model inside Loom. Say something and I will repeat it.");
    }
    Echo echo(Endpoint::chat_completions,
              R"({"model":"demo","messages":[],"tool_choice":{"type":"function","function":{"name":"nobody"}},)" +
                  std::string(tools) + "}");
    EXPECT_FALSE(echo.started);
    EXPECT_STREQ(echo.answer.error_param(), "tool_choice");
}

std::vector<double> vector_at(const Dom& dom, std::string_view pointer) {
    std::vector<double> vector;
    for (const auto x : dom.root().at_pointer(pointer).get_array()) vector.push_back(x.get_double());
    return vector;
}

TEST(Echo, EmbedsAsUnitVectorsThatOnlyDependOnTheText) {
    Echo echo(Endpoint::embeddings, R"({"model":"e","input":["a b","c","a b"]})");
    ASSERT_TRUE(echo.started);
    const Dom dom(echo.whole());
    ASSERT_EQ(dom.size("/data"), 3u);
    const auto first = vector_at(dom, "/data/0/embedding"), second = vector_at(dom, "/data/1/embedding");
    EXPECT_EQ(first.size(), EchoAnswer::dimensions_default);
    EXPECT_EQ(first, vector_at(dom, "/data/2/embedding"));
    EXPECT_NE(first, second);
    double squares = 0;
    for (const double x : first) squares += x * x;
    EXPECT_NEAR(squares, 1.0, 1e-5);
    EXPECT_EQ(dom.number("/data/1/index"), 1);
    EXPECT_EQ(dom.number("/usage/prompt_tokens"), 5);
    EXPECT_EQ(dom.number("/usage/total_tokens"), 5);
}

TEST(Echo, HonoursDimensionsAndBase64AndTokenArrays) {
    Echo floats(Endpoint::embeddings, R"({"model":"e","input":[1,2,3],"dimensions":5,"encoding_format":"float"})");
    Echo base64(Endpoint::embeddings,
                R"({"model":"e","input":[[1,2,3],[4]],"dimensions":5,"encoding_format":"base64"})");
    const Dom a(floats.whole()), b(base64.whole());
    EXPECT_EQ(a.size("/data"), 1u);
    EXPECT_EQ(b.size("/data"), 2u);
    EXPECT_EQ(b.number("/usage/prompt_tokens"), 4);
    const auto vector = vector_at(a, "/data/0/embedding");
    const std::string text = b.text("/data/0/embedding");
    ASSERT_EQ(text.size(), 28u);  // 20 bytes
    std::string bytes;
    uint32_t bits = 0, have = 0;
    for (const char c : text.substr(0, 27)) {
        const auto digit = std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/").find(c);
        bits = bits << 6 | static_cast<uint32_t>(digit);
        have += 6;
        if (have >= 8) bytes += static_cast<char>(bits >> (have -= 8));
    }
    ASSERT_EQ(bytes.size(), 20u);
    for (size_t i = 0; i < 5; ++i) {
        float x;
        std::memcpy(&x, bytes.data() + i * 4, 4);
        EXPECT_FLOAT_EQ(x, static_cast<float>(vector[i]));
    }
}

TEST(Echo, RefusesWhatIsOutOfRange) {
    for (const auto& [body, param] : std::vector<std::pair<std::string, std::string>>{
             {R"({"model":"e","input":"x","dimensions":0})", "dimensions"},
             {R"({"model":"e","input":"x","dimensions":1000000})", "dimensions"},
             {R"({"model":"e","input":"x","encoding_format":"hex"})", "encoding_format"},
             {R"({"model":"e","input":[]})", "input"},
         }) {
        Echo echo(Endpoint::embeddings, body);
        ASSERT_FALSE(echo.started) << body;
        EXPECT_EQ(echo.answer.error_param(), param);
    }
    Echo many(Endpoint::chat_completions, R"({"model":"m","messages":[],"n":17})");
    EXPECT_FALSE(many.started);
    Echo other(Endpoint::responses, R"({"model":"m","input":"x"})");
    EXPECT_EQ(other.started.error().code, Errc::unsupported);
}

}  // namespace
}  // namespace loom::llm
