#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>

#include "../dom.h"
#include "one_dialect.h"

namespace loom::llm {
namespace {

constexpr TranslateTerms gpt_terms{.client_model = "gpt-5", .fallback_id = "loom-1", .created = 17};

struct Read : OneCall {
    explicit Read(std::string text) : OneCall(gpt_terms), body(std::move(text)) {
        result = openai_chat_dialect().read_answer(body, context, answer);
    }
    std::string body;
    ChatAnswer answer;
    Result<void> result;

    const Choice& choice(uint32_t index = 0) const { return *std::next(answer.choices.begin(), index); }
    const Part& part(uint32_t index) const { return *std::next(choice().parts.begin(), index); }
};

std::string written(OneCall& call, const ChatAnswer& answer) {
    ByteBuffer out(call.pool);
    openai_chat_dialect().write_answer(answer, call.context, out);
    return std::string(out.view());
}

std::string answering(std::string_view message, std::string_view rest = R"("finish_reason":"stop")") {
    return R"({"id":"chatcmpl-1","object":"chat.completion","created":1741570283,"model":"gpt-5-2026","choices":[{"index":0,)"
           R"("message":)" +
           std::string(message) + R"(,"logprobs":null,)" + std::string(rest) + "}]}";
}

// From platform.openai.com/docs/api-reference/chat/create, "Default" and "Functions".
constexpr std::string_view documented =
    R"({"id":"chatcmpl-abc123","object":"chat.completion","created":1699896916,"model":"gpt-5",)"
    R"("choices":[{"index":0,"message":{"role":"assistant","content":"It is \"warm\".","refusal":null,)"
    R"("annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":4,"url":"https://w/","title":"W"}}],)"
    R"("tool_calls":[{"id":"call_abc123","type":"function","function":{"name":"get_current_weather",)"
    R"("arguments":"{\n\"location\": \"Boston, MA\"\n}"}}]},"logprobs":{"content":[],"refusal":null},"finish_reason":"tool_calls"},)"
    R"({"index":1,"message":{"role":"assistant","content":null,"refusal":"I can't.","reasoning_content":"hm",)"
    R"("thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"c2ln"}]},"logprobs":null,"finish_reason":"stop"}],)"
    R"("usage":{"prompt_tokens":82,"completion_tokens":17,"total_tokens":99,)"
    R"("prompt_tokens_details":{"cached_tokens":8,"audio_tokens":1,"cache_write_tokens":3},)"
    R"("completion_tokens_details":{"reasoning_tokens":5,"audio_tokens":2}},"service_tier":"default"})";

TEST(ChatAnswer, ReadsTheDocumentedAnswer) {
    Read read{std::string(documented)};
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(read.answer.id, "chatcmpl-abc123");
    EXPECT_EQ(read.answer.created, 1699896916u);
    EXPECT_EQ(read.answer.service_tier, "default");
    ASSERT_EQ(read.answer.choices.count(), 2u);
    EXPECT_EQ(read.part(0).text, R"(It is \"warm\".)");
    EXPECT_TRUE(has(read.part(0).citations));
    EXPECT_EQ(read.part(1).tool_id, "call_abc123");
    EXPECT_EQ(read.part(1).tool_name, "get_current_weather");
    EXPECT_EQ(read.choice().finish, FinishReason::tool_calls);
    EXPECT_TRUE(has(read.choice().logprobs));
    EXPECT_EQ(read.choice(1).index, 1u);
    EXPECT_EQ(read.choice(1).finish, FinishReason::refusal);
    EXPECT_EQ(read.choice(1).parts.front().signature, "c2ln");
    EXPECT_EQ(read.choice(1).parts.back().kind, Part::Kind::refusal);
    EXPECT_EQ(read.answer.usage, (Usage{.input = 82,
                                        .output = 17,
                                        .cached_input = 8,
                                        .cache_write = 3,
                                        .audio_input = 1,
                                        .reasoning = 5,
                                        .audio_output = 2,
                                        .total = 99,
                                        .provenance = Usage::Provenance::reported}));
}

TEST(ChatAnswer, WritesWhatItReadToTheByte) {
    Read read{std::string(documented)};
    EXPECT_EQ(written(read, read.answer), documented);
}

TEST(ChatAnswer, KnowsEveryFinishReason) {
    const std::pair<std::string_view, FinishReason> reasons[] = {
        {"stop", FinishReason::stop},
        {"length", FinishReason::length},
        {"tool_calls", FinishReason::tool_calls},
        {"function_call", FinishReason::tool_calls},
        {"content_filter", FinishReason::content_filter},
        {"model_length", FinishReason::length},                 // Mistral
        {"eos", FinishReason::stop},                            // Together
        {"insufficient_system_resource", FinishReason::error},  // DeepSeek
        {"error", FinishReason::error},                         // OpenRouter
        {"something_new", FinishReason::other},
    };
    for (const auto& [word, reason] : reasons) {
        Read read(
            answering(R"({"role":"assistant","content":"x"})", R"("finish_reason":")" + std::string(word) + "\""));
        ASSERT_TRUE(read.result);
        EXPECT_EQ(read.choice().finish, reason) << word;
        EXPECT_EQ(read.choice().finish_text, word);
    }
}

TEST(ChatAnswer, SaysEveryFinishReasonInOpenaisWords) {
    const auto word = [](FinishReason reason, Part part) {
        OneCall call(gpt_terms);
        ChatAnswer answer;
        Choice& choice = answer.choices.add(call.arena, {.finish = reason});
        choice.parts.add(call.arena, part);
        return Dom(written(call, answer)).text("/choices/0/finish_reason");
    };
    const Part text{.text = "x"}, refusal{.kind = Part::Kind::refusal, .text = "x"};
    const Part tool{.kind = Part::Kind::tool_call, .tool_id = "i", .tool_name = "f", .arguments = "{}"};
    EXPECT_EQ(word(FinishReason::stop, text), "stop");
    EXPECT_EQ(word(FinishReason::stop_sequence, text), "stop");
    EXPECT_EQ(word(FinishReason::length, tool), "length");
    EXPECT_EQ(word(FinishReason::tool_calls, tool), "tool_calls");
    EXPECT_EQ(word(FinishReason::stop, tool), "tool_calls");  // Gemini says STOP
    EXPECT_EQ(word(FinishReason::content_filter, text), "content_filter");
    EXPECT_EQ(word(FinishReason::refusal, text), "content_filter");
    EXPECT_EQ(word(FinishReason::refusal, refusal), "stop");
    EXPECT_EQ(word(FinishReason::pause, text), "stop");
    EXPECT_EQ(word(FinishReason::error, text), "stop");
    EXPECT_EQ(word(FinishReason::none, text), "stop");
}

TEST(ChatAnswer, ReadsWhatCompatibleServersSay) {
    // Mistral's thinking among the content; a server without ids, whose arguments are an object.
    Read mistral(answering(
        R"({"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"h"},{"type":"text","text":"m"}]},{"type":"text","text":"So."}],"tool_calls":[{"function":{"name":"f","arguments":{"a":1}}}]})"));
    ASSERT_TRUE(mistral.result) << mistral.result.error().what;
    EXPECT_EQ(mistral.part(0).kind, Part::Kind::thinking);
    EXPECT_EQ(mistral.part(0).text, "hm");
    EXPECT_EQ(mistral.part(1).text, "So.");
    EXPECT_EQ(mistral.part(2).arguments, R"({"a":1})");
    EXPECT_EQ(mistral.part(2).tool_id, "call_loom-1_0_0");
    // vLLM says which stop sequence it was.
    Read vllm(answering(R"({"role":"assistant","content":"x"})", R"("finish_reason":"stop","stop_reason":"END")"));
    EXPECT_EQ(vllm.choice().finish, FinishReason::stop_sequence);
    EXPECT_EQ(vllm.choice().stop_sequence, "END");
    // xAI counts reasoning beside the completion.
    Read xai(
        R"({"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":22,"completion_tokens_details":{"reasoning_tokens":7}}})");
    EXPECT_EQ(xai.answer.usage.output, 12u);
    EXPECT_EQ(xai.answer.usage.input + xai.answer.usage.output, xai.answer.usage.total);
}

TEST(ChatAnswer, AnswersALegacyClientInItsOwnWords) {
    Read read{std::string(documented)};
    read.aliases.legacy_functions = true;
    Dom dom(written(read, read.answer));
    EXPECT_EQ(dom.text("/choices/0/message/function_call/name"), "get_current_weather");
    EXPECT_EQ(dom.text("/choices/0/finish_reason"), "function_call");
    EXPECT_FALSE(dom.has("/choices/0/message/tool_calls"));
    EXPECT_EQ(read.lost(), "");
}

TEST(ChatAnswer, FindsTheNamesBehindAliases) {
    OneCall call(gpt_terms);
    const Text alias = call.aliases.alias_of("srv.search", {});
    const std::string body = answering(R"({"role":"assistant","tool_calls":[{"id":"i","function":{"name":")" +
                                       std::string(alias) + R"(","arguments":"{}"}}]})");
    ChatAnswer answer;
    ASSERT_TRUE(openai_chat_dialect().read_answer(body, call.context, answer));
    EXPECT_EQ(answer.choices.front().parts.front().tool_name, "srv.search");
}

// The request's body is gone when its answer comes.
TEST(ChatAnswer, NamesBehindAliasesOutliveTheRequest) {
    OneCall call(gpt_terms);
    auto name = std::make_unique<std::string>("srv.search and more than a short string holds");
    const std::string expected = *name;
    const std::string alias(call.aliases.alias_of(*name, {}));
    std::ranges::fill(*name, 'x');
    EXPECT_EQ(call.aliases.original_of(alias), expected);
}

// Anthropic's citations: one that has a URL is an annotation, any other is named as lost.
TEST(ChatAnswer, MakesAnnotationsOfCitationsWithUrls) {
    OneCall call(gpt_terms);
    ChatAnswer answer{.id = "msg_1"};
    Part& part = answer.choices.add(call.arena).parts.add(call.arena, {.text = "So."});
    part.citations = R"([{"type":"web_search_result_location","url":"https://w/","title":"W","cited_text":"c"},)"
                     R"({"type":"char_location","document_index":0}])";
    Dom dom(written(call, answer));
    ASSERT_EQ(dom.size("/choices/0/message/annotations"), 1u);
    EXPECT_EQ(dom.text("/choices/0/message/annotations/0/url_citation/url"), "https://w/");
    EXPECT_EQ(call.lost(), "citations");
}

TEST(ChatAnswer, FillsInWhatTheProviderDoesNotSay) {
    OneCall call(gpt_terms);
    ChatAnswer answer;
    Choice& choice = answer.choices.add(call.arena);
    choice.parts.add(call.arena, {.text = "a"});
    choice.parts.add(call.arena, {.kind = Part::Kind::image, .media = {.data = "AA", .media_type = "image/png"}});
    choice.parts.add(call.arena, {.text = "b"});
    EXPECT_EQ(
        written(call, answer),
        R"({"id":"loom-1","object":"chat.completion","created":17,"model":"gpt-5","choices":[{"index":0,"message":)"
        R"({"role":"assistant","content":"ab","refusal":null,)"
        R"("images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]},)"
        R"("logprobs":null,"finish_reason":"stop"}]})");
}

TEST(ChatAnswer, RefusesWhatIsNone) {
    for (const std::string_view body : {"", "[]", "{}", R"({"id":"x"})", "{\"choices\":[1]}", "<html>"}) {
        Read read{std::string(body)};
        ASSERT_FALSE(read.result) << body;
        EXPECT_EQ(read.result.error().side, Side::upstream);
    }
}

// Errors.

struct ErrorRead : OneCall {
    explicit ErrorRead(std::string text, int status = 400) : OneCall(gpt_terms), body(std::move(text)) {
        error.status = status;
        openai_chat_dialect().read_error(body, context, error);
    }
    std::string written() {
        ByteBuffer out(pool);
        openai_chat_dialect().write_error(error, context, out);
        return std::string(out.view());
    }
    std::string body;
    ErrorAnswer error;
};

TEST(ChatError, ReadsTheShapesThatAreAbout) {
    struct Case {
        std::string_view body, message, type, code;
    };
    constexpr Case cases[] = {
        {R"({"error":{"message":"Bad \"key\"","type":"invalid_request_error","param":null,"code":"invalid_api_key"}})",
         R"(Bad \"key\")", "invalid_request_error", "invalid_api_key"},
        {R"({"object":"error","message":"No","type":"BadRequestError","param":null,"code":400})", "No",
         "BadRequestError", "400"},                                             // vLLM, Mistral
        {R"({"error":"model 'x' not found"})", "model 'x' not found", "", ""},  // Ollama
        {R"([{"error":{"code":400,"message":"Bad","status":"INVALID_ARGUMENT"}}])", "Bad", "INVALID_ARGUMENT", "400"},
        {R"({"detail":"Not Found"})", "Not Found", "", ""},
        {R"({"detail":[{"msg":"m"}]})", R"([{\"msg\":\"m\"}])", "", ""},
        {"<html>\n\"502\"</html>", R"(<html>\n\"502\"</html>)", "", ""},
        {"", "", "", ""},
    };
    for (const Case& one : cases) {
        ErrorRead read{std::string(one.body)};
        EXPECT_EQ(read.error.message, one.message) << one.body;
        EXPECT_EQ(read.error.type, one.type) << one.body;
        EXPECT_EQ(read.error.code, one.code) << one.body;
        EXPECT_EQ(read.error.status, 400);
        EXPECT_TRUE(Dom(read.written()).valid()) << read.written();
    }
}

TEST(ChatError, WritesOpenaisShape) {
    ErrorRead ours(R"({"error":{"message":"m","type":"invalid_request_error","param":"n","code":"c"}})");
    EXPECT_EQ(ours.written(), R"({"error":{"message":"m","type":"invalid_request_error","param":"n","code":"c"}})");
    ErrorRead google(R"({"error":{"message":"m","status":"RESOURCE_EXHAUSTED"}})", 429);
    EXPECT_EQ(google.written(),
              R"({"error":{"message":"m","type":"rate_limit_error","param":null,"code":"RESOURCE_EXHAUSTED"}})");
    ErrorRead page("<html>", 502);
    EXPECT_EQ(page.written(), R"({"error":{"message":"<html>","type":"server_error","param":null,"code":null}})");
}

TEST(ChatAnswer, EveryTruncationIsRefused) {
    for (size_t bytes = 0; bytes < documented.size(); ++bytes) {
        Read read{std::string(documented.substr(0, bytes))};
        ASSERT_FALSE(read.result) << bytes;
        ErrorRead error{std::string(documented.substr(0, bytes))};
        ASSERT_TRUE(Dom(error.written()).valid());
    }
}

TEST(ChatAnswer, FlippedBytesNeverMakeABadDocument) {
    std::mt19937 random(11);
    for (int run = 0; run < 4000; ++run) {
        std::string body(documented);
        for (uint32_t times = 1 + random() % 3; times > 0; --times) body[random() % body.size()] ^= 1 << random() % 7;
        Read read(body);
        if (read.result && Dom(body).valid()) ASSERT_TRUE(Dom(written(read, read.answer)).valid()) << body;
    }
}

}  // namespace
}  // namespace loom::llm
