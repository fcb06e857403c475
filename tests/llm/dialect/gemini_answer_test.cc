#include "gemini_case.h"

#include <vector>

namespace loom::llm {
namespace {

using Kind = Part::Kind;

// https://ai.google.dev/api/generate-content
constexpr std::string_view documented =
    R"({"candidates":[{"content":{"parts":[{"text":"Thinking ","thought":true},{"text":"hard.","thought":true},)"
    R"({"text":"Hello","thoughtSignature":"c2ln"},{"text":" there"},)"
    R"({"functionCall":{"name":"get_weather","args":{"city":"Kyoto"}},"thoughtSignature":"ZnVu"},)"
    R"({"functionCall":{"id":"own","name":"get_weather","args":{"city":"Nara"}}}],"role":"model"},)"
    R"("finishReason":"STOP","index":0,"safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"NEGLIGIBLE"}],)"
    R"("avgLogprobs":-0.1}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":20,"totalTokenCount":150,)"
    R"("cachedContentTokenCount":60,"thoughtsTokenCount":25,"toolUsePromptTokenCount":5,)"
    R"("promptTokensDetails":[{"modality":"TEXT","tokenCount":90},{"modality":"AUDIO","tokenCount":10}]},)"
    R"("modelVersion":"gemini-2.5-pro","responseId":"r1"})";

TEST(GeminiAnswer, IsRead) {
    GeminiCase c;
    ASSERT_TRUE(c.read_answer(documented));
    EXPECT_EQ(c.answer.id, "r1");
    EXPECT_EQ(c.answer.model, "gemini-2.5-pro");
    ASSERT_EQ(c.answer.choices.count(), 1u);
    const Choice& choice = c.answer.choices.front();
    EXPECT_EQ(choice.finish, FinishReason::tool_calls);
    EXPECT_EQ(choice.finish_text, "STOP");
    std::vector<Part> parts(choice.parts.begin(), choice.parts.end());
    ASSERT_EQ(parts.size(), 5u);
    EXPECT_EQ(parts[0].kind, Kind::thinking);
    EXPECT_EQ(parts[0].text, "Thinking hard.");
    EXPECT_EQ(parts[1].text, "Hello");
    EXPECT_EQ(parts[1].signature, "c2ln");
    EXPECT_EQ(parts[2].text, " there");
    EXPECT_EQ(parts[3].tool_id, "call_abc123_0");
    EXPECT_EQ(parts[3].signature, "ZnVu");
    EXPECT_EQ(parts[3].arguments, R"({"city":"Kyoto"})");
    EXPECT_EQ(parts[4].tool_id, "own");
    const Usage expected{.input = 105,
                         .output = 45,
                         .cached_input = 60,
                         .audio_input = 10,
                         .reasoning = 25,
                         .total = 150,
                         .provenance = Usage::Provenance::reported};
    EXPECT_EQ(c.answer.usage, expected);
    EXPECT_EQ(c.lost(), "");
}

// A part that nobody carries counts among the parts: the places behind it were those of all of the text.
TEST(GeminiAnswer, APlaceIsCountedInThePartThatItNames) {
    const auto cited = [](GeminiCase& c, std::string_view segment) {
        EXPECT_TRUE(c.read_answer(
            R"({"candidates":[{"content":{"parts":[{"text":"One. "},{"executableCode":{"code":"1"}},)"
            R"({"codeExecutionResult":{"output":"1"}},{"text":"Two."}]},"groundingMetadata":{"groundingChunks":)"
            R"([{"web":{"uri":"https://a/","title":"A"}}],"groundingSupports":[{"segment":{)" +
            std::string(segment) + R"(},"groundingChunkIndices":[0]}]}}]})"));
        std::string all;
        for (const Part& part : c.answer.choices.front().parts) all += part.citations;
        return all;
    };
    const std::string at_two =
        R"([{"type":"url_citation","start_index":5,"end_index":8,"url":"https://a/","title":"A"}])";
    GeminiCase c;
    EXPECT_EQ(cited(c, R"("partIndex":3,"startIndex":0,"endIndex":3)"), at_two);
    EXPECT_EQ(cited(c, R"("startIndex":5,"endIndex":8)"), at_two);
    EXPECT_EQ(cited(c, R"("partIndex":2,"startIndex":5,"endIndex":8,"text":"Two")"), at_two);  // its text is there
    EXPECT_FALSE(c.lost().contains("groundingMetadata"));
    EXPECT_EQ(cited(c, R"("partIndex":2,"startIndex":5,"endIndex":8)"), "");
    EXPECT_TRUE(c.lost().contains("groundingMetadata"));
}

// agentgateway#2813: usage nested in a `response` envelope.
TEST(GeminiAnswer, IsReadInAnEnvelope) {
    GeminiCase c;
    ASSERT_TRUE(c.read_answer(R"({"response":)" + std::string(documented) + R"(,"traceId":"t"})"));
    EXPECT_EQ(c.answer.usage.total, 150u);
    EXPECT_EQ(c.answer.choices.front().parts.count(), 5u);
}

TEST(GeminiAnswer, FunctionNamesAreTheClientsAgain) {
    GeminiCase c;
    const Text alias = c.aliases.alias_of("a tool", gemini::name_rule);
    ASSERT_TRUE(c.read_answer(R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":")" + std::string(alias) +
                              R"("}}]},"finishReason":"STOP"}]})"));
    EXPECT_EQ(c.answer.choices.front().parts.front().tool_name, "a tool");
    EXPECT_EQ(c.answer.choices.front().parts.front().arguments, "{}");
}

TEST(GeminiAnswer, ABlockedPromptIsAFilteredChoice) {
    GeminiCase c;
    ASSERT_TRUE(c.read_answer(
        R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT","safetyRatings":[]},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}})"));
    ASSERT_EQ(c.answer.choices.count(), 1u);
    EXPECT_EQ(c.answer.choices.front().finish, FinishReason::content_filter);
    EXPECT_EQ(c.answer.choices.front().finish_text, "PROHIBITED_CONTENT");
    EXPECT_EQ(c.answer.usage.input, 9u);
}

TEST(GeminiAnswer, WithoutCandidatesIsNone) {
    for (const std::string_view body :
         {"{}", "[]", "7", "", R"({"candidates":7})", R"({"error":{"message":"no"}})", R"({"promptFeedback":{}})"}) {
        GeminiCase c;
        const auto step = c.read_answer(body);
        ASSERT_FALSE(step) << body;
        EXPECT_EQ(step.error().code, Errc::bad_message);
        EXPECT_EQ(step.error().side, Side::upstream);
    }
}

TEST(GeminiAnswer, EveryFinishReasonHasAWord) {
    using gemini::finish_of;
    EXPECT_EQ(finish_of("STOP", false), FinishReason::stop);
    EXPECT_EQ(finish_of("STOP", true), FinishReason::tool_calls);
    EXPECT_EQ(finish_of("MAX_TOKENS", true), FinishReason::length);
    for (const Text word : {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
                            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"})
        EXPECT_EQ(finish_of(word, false), FinishReason::content_filter) << word;
    for (const Text word : {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
        EXPECT_EQ(finish_of(word, false), FinishReason::error) << word;
    for (const Text word : {"LANGUAGE", "OTHER", "NO_IMAGE", "IMAGE_OTHER", "A_NEW_ONE"})
        EXPECT_EQ(finish_of(word, false), FinishReason::other) << word;
    EXPECT_EQ(finish_of("FINISH_REASON_UNSPECIFIED", false), FinishReason::none);
    EXPECT_EQ(finish_of({}, false), FinishReason::none);
}

// Lesson 12: the parts of a usage sum to the total that the provider reported, however it counts.
TEST(GeminiUsage, PartsSumToTheTotal) {
    uint32_t state = 7;
    const auto random = [&state](uint32_t below) { return (state = state * 1103515245u + 12345u) / 65536u % below; };
    for (int round = 0; round < 3000; ++round) {
        const uint64_t prompt = random(1000), candidates = random(500), thoughts = random(2) * random(400),
                       tool = random(2) * random(50), cached = random(static_cast<uint32_t>(prompt) + 1);
        const bool inclusive = random(2) == 0;  // candidates that count the thoughts among them
        const uint64_t total = prompt + tool + candidates + (inclusive ? 0 : thoughts);
        const std::string body = R"({"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":)" +
                                 std::to_string(prompt) + R"(,"candidatesTokenCount":)" + std::to_string(candidates) +
                                 R"(,"thoughtsTokenCount":)" + std::to_string(thoughts) +
                                 R"(,"toolUsePromptTokenCount":")" + std::to_string(tool) +
                                 R"(","cachedContentTokenCount":)" + std::to_string(cached) + R"(,"totalTokenCount":)" +
                                 std::to_string(total) + "}}";
        GeminiCase c;
        ASSERT_TRUE(c.read_answer(body));
        const Usage& usage = c.answer.usage;
        EXPECT_EQ(usage.input + usage.output, total) << body;
        EXPECT_EQ(usage.total, total) << body;
        EXPECT_EQ(usage.input, prompt + tool);
        EXPECT_LE(usage.reasoning, usage.output);
        // and back: the document says the same to a Gemini client
        Usage again;
        ByteBuffer out(c.pool);
        JsonOut json(out);
        json.open_object();
        gemini::write_usage(usage, json);
        json.close_object();
        Tokens tokens;
        Fault fault;
        ASSERT_TRUE(c.nested.index(out.view(), Structure::Utf8::checked, tokens, fault));
        Cursor cursor(out.view(), tokens);
        ASSERT_TRUE(cursor.each_member([&](Range) { return gemini::read_usage(cursor, again); }));
        EXPECT_EQ(again, usage) << out.view();
    }
}

TEST(GeminiAnswer, LogprobsAreOpenaisAndBack) {
    GeminiCase c;
    ASSERT_TRUE(c.read_answer(
        R"({"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP","logprobsResult":)"
        R"({"topCandidates":[{"candidates":[{"token":"H\u00e4","tokenId":1,"logProbability":-0.5},{"token":"Ho"}]},{}],)"
        R"("chosenCandidates":[{"token":"H\u00e4","logProbability":-0.5},{"token":"i","logProbability":-1}]}}]})"));
    EXPECT_EQ(c.answer.choices.front().logprobs,
              R"({"content":[{"token":"H\u00e4","logprob":-0.5,"bytes":null,"top_logprobs":)"
              R"([{"token":"H\u00e4","logprob":-0.5,"bytes":null},{"token":"Ho","logprob":0,"bytes":null}]},)"
              R"({"token":"i","logprob":-1,"bytes":null,"top_logprobs":[]}],"refusal":null})");
    EXPECT_TRUE(c.write_answer(c.answer).contains(
        R"("logprobsResult":{"topCandidates":[{"candidates":[{"token":"H\u00e4","logProbability":-0.5},)"
        R"({"token":"Ho","logProbability":0}]},{"candidates":[]}],"chosenCandidates":[{"token":"H\u00e4",)"
        R"("logProbability":-0.5},{"token":"i","logProbability":-1}]})"));
}

TEST(GeminiAnswer, IsWritten) {
    GeminiCase c;
    c.terms.client_model = "my-model";
    Choice& choice = c.answer.choices.add(c.arena, {.finish = FinishReason::tool_calls});
    choice.parts.add(c.arena, {.kind = Kind::thinking, .text = "hm", .signature = "c2ln"});
    choice.parts.add(c.arena, {.kind = Kind::redacted_thinking, .text = "b3A="});
    choice.parts.add(c.arena, {.text = "a\\nb"});
    choice.parts.add(
        c.arena, {.kind = Kind::tool_call, .tool_id = "call_1", .tool_name = "f", .arguments_text = R"({\"x\": 1})"});
    Choice& second = c.answer.choices.add(c.arena, {.index = 1, .finish = FinishReason::length});
    second.parts.add(c.arena, {.kind = Kind::refusal, .text = "No."});
    c.answer.usage = {.input = 10,
                      .output = 7,
                      .cached_input = 4,
                      .reasoning = 2,
                      .total = 17,
                      .provenance = Usage::Provenance::reported};
    EXPECT_EQ(
        c.write_answer(c.answer),
        R"({"candidates":[{"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},)"
        R"({"text":"","thought":true,"partMetadata":{"redacted_thinking":"b3A="}},{"text":"a\nb"},)"
        R"({"functionCall":{"id":"call_1","name":"f","args":{"x": 1}}}],"role":"model"},"finishReason":"STOP",)"
        R"("index":0},{"content":{"parts":[{"text":"No."}],"role":"model"},"finishReason":"MAX_TOKENS","index":1}],)"
        R"("usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":17,)"
        R"("cachedContentTokenCount":4,"thoughtsTokenCount":2},"modelVersion":"my-model","responseId":"abc123"})");
}

TEST(GeminiError, IsRead) {
    GeminiCase c;
    ErrorAnswer error{.status = 400};
    gemini_dialect().read_error(
        R"([{"error":{"code":400,"message":"API key not \"valid\".","status":"INVALID_ARGUMENT","details":)"
        R"([{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}])",
        c.context, error);
    EXPECT_EQ(error.status, 400);
    EXPECT_EQ(error.message, R"(API key not \"valid\".)");
    EXPECT_EQ(error.type, "INVALID_ARGUMENT");
    EXPECT_EQ(error.code, "API_KEY_INVALID");

    ErrorAnswer plain{.status = 503};
    gemini_dialect().read_error("<html>\nbusy \"now\"", c.context, plain);
    EXPECT_EQ(plain.message, R"(<html>\nbusy \"now\")");
    EXPECT_EQ(plain.type, "UNAVAILABLE");
}

TEST(GeminiError, IsWrittenWithGooglesWords) {
    const auto write = [](const ErrorAnswer& error) {
        GeminiCase c;
        ByteBuffer out(c.pool);
        gemini_dialect().write_error(error, c.context, out);
        return std::string(out.view());
    };
    EXPECT_EQ(write({.status = 429, .message = "slow down", .type = "rate_limit_error"}),
              R"({"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}})");
    EXPECT_EQ(write({.message = "x", .type = "overloaded_error"}),
              R"({"error":{"code":503,"message":"x","status":"UNAVAILABLE"}})");
    EXPECT_EQ(write({.status = 418}), R"({"error":{"code":418,"message":"","status":"INVALID_ARGUMENT"}})");
    EXPECT_EQ(write({.status = 400, .message = "bad", .param = "contents"}),
              R"({"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT","details":[{"@type":)"
              R"("type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents"}]}]}})");
}

TEST(GeminiAnswer, HurtDocumentsAreRefusedAndNothingElse) {
    hurt(documented, 99, [](const std::string& body, bool cut) {
        GeminiCase c;
        if (c.read_answer(body)) {
            EXPECT_FALSE(cut) << body;
            (void)c.write_answer(c.answer);
        }
        ErrorAnswer error;
        gemini_dialect().read_error(body, c.context, error);
    });
}

}  // namespace
}  // namespace loom::llm
