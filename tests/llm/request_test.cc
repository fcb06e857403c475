#include "loom/llm/request.h"

#include <gtest/gtest.h>

#include <string>

#include "loom/llm/json_text.h"

namespace loom::llm {
namespace {

constexpr std::string_view chat = R"({
  "model": "gpt-4o", "stream": true, "temperature": 0.2,
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "first"},
    {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c", "content": "42"},
    {"role": "user", "content": [{"type": "text", "text": "say \"hi\""},
                                 {"type": "image_url", "image_url": {"url": "data:"}}]}
  ],
  "stream_options": {"include_usage": false, "x": 1},
  "max_tokens": 10, "max_completion_tokens": 20, "n": 2, "user": "u-1",
  "tools": [{"type": "function"}], "tool_choice": "auto"
})";

TEST(RequestReader, ReadsTheFieldsThatDecide) {
    RequestReader reader;
    const auto request = reader.read(Endpoint::chat_completions, chat);
    ASSERT_TRUE(request) << request.error().what << " at " << reader.error_offset();
    EXPECT_EQ(request->model, "gpt-4o");
    EXPECT_TRUE(request->stream);
    EXPECT_TRUE(request->has_stream_options);
    EXPECT_FALSE(request->stream_options_empty);
    EXPECT_FALSE(request->include_usage);
    EXPECT_EQ(request->max_tokens, 20u);
    EXPECT_EQ(request->n, 2u);
    EXPECT_EQ(request->user, "u-1");
    EXPECT_EQ(request->message_count, 5u);
    EXPECT_TRUE(request->has_tools);
    EXPECT_TRUE(request->has_images);
    EXPECT_EQ(request->last_user_text, R"(say \"hi\")");
    std::string decoded;
    ASSERT_TRUE(unescape(request->last_user_text, decoded));
    EXPECT_EQ(decoded, "say \"hi\"");
    const std::string_view calls = R"([{"id": "c", "function": {"name": "f", "arguments": "{}"}}])";
    EXPECT_EQ(request->prompt_bytes, sizeof("Be brief.") - 1 + sizeof("first") - 1 + calls.size() + 2 +
                                         sizeof(R"(say \"hi\")") - 1 + sizeof(R"({"type": "function"})") - 1);
}

TEST(RequestReader, EveryRangePointsAtTheRawText) {
    RequestReader reader;
    const auto request = reader.read(Endpoint::chat_completions, chat);
    ASSERT_TRUE(request);
    EXPECT_EQ(text_of(chat, request->model_range), "\"gpt-4o\"");
    EXPECT_EQ(text_of(chat, request->stream_range), "true");
    EXPECT_EQ(text_of(chat, request->stream_options_range), R"({"include_usage": false, "x": 1})");
    EXPECT_EQ(text_of(chat, request->include_usage_range), "false");
    EXPECT_EQ(text_of(chat, request->tools_range), R"([{"type": "function"}])");
    EXPECT_EQ(text_of(chat, request->tool_choice_range), R"("auto")");
    EXPECT_EQ(text_of(chat, request->last_user_range), R"("say \"hi\"")");
    EXPECT_EQ(text_of(chat, request->messages_range).front(), '[');
    EXPECT_EQ(text_of(chat, request->messages_range).back(), ']');
    EXPECT_EQ(request->object_insert_offset, 1u);
    EXPECT_FALSE(request->object_empty);
}

TEST(RequestReader, NullIsUnsetAsSdksSendIt) {
    RequestReader reader;
    const auto request = reader.read(
        Endpoint::chat_completions,
        R"({"model":"m","messages":[],"stream":null,"stream_options":null,"max_tokens":null,"n":null,"user":null,"tools":null})");
    ASSERT_TRUE(request) << request.error().what;
    EXPECT_FALSE(request->stream);
    EXPECT_FALSE(request->has_stream_options);
    EXPECT_FALSE(request->stream_options_range.absent());
    EXPECT_EQ(request->max_tokens, 0u);
    EXPECT_EQ(request->n, 1u);
    EXPECT_EQ(request->user, "");
    EXPECT_FALSE(request->has_tools);
}

/// They are kept beside the body, decoded: a name of the body's size would take its memory twice.
TEST(RequestReader, NamesHaveALength) {
    RequestReader reader;
    const auto body = [](const char* key, size_t size) {
        return std::string(R"({"messages":[],"model":"m",")") + key + R"(":")" + std::string(size, 'x') + R"("})";
    };
    EXPECT_TRUE(reader.read(Endpoint::chat_completions, body("user", 4096)));
    EXPECT_FALSE(reader.read(Endpoint::chat_completions, body("user", 4097)));
    EXPECT_EQ(reader.error_param(), std::string_view("user"));
    const std::string model = R"({"messages":[],"model":")" + std::string(4097, 'x') + R"("})";
    const auto refused = reader.read(Endpoint::chat_completions, model);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::bad_message);
    EXPECT_STREQ(refused.error().what, "'model' is longer than any model's name (4096 bytes)");
    EXPECT_EQ(reader.error_offset(), model.find("\"x"));
}

TEST(RequestReader, DecodesAModelSpelledWithEscapes) {
    RequestReader reader;
    const auto request = reader.read(Endpoint::chat_completions, R"({"model":"gpt\u002d4\/x","messages":[]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->model, "gpt-4/x");
    EXPECT_EQ(request->model_range, (Range{9, 15}));
}

struct Bad {
    std::string_view body;
    std::string_view what;
    std::string_view param;
    uint64_t offset;
};

TEST(RequestReader, NamesTheFieldOfAWrongType) {
    RequestReader reader;
    for (const Bad& bad : {
             Bad{R"({"model":1,"messages":[]})", "'model' must be a string", "model", 9},
             Bad{R"({"model":null,"messages":[]})", "'model' must be a string", "model", 9},
             Bad{R"({"model":"m","stream":"true","messages":[]})", "'stream' must be true or false", "stream", 22},
             Bad{R"({"model":"m","stream":1,"messages":[]})", "'stream' must be true or false", "stream", 22},
             Bad{R"({"model":"m","messages":{}})", "'messages' must be an array of objects", "messages", 24},
             Bad{R"({"model":"m","messages":["x"]})", "'messages' must be an array of objects", "messages", 25},
             Bad{R"({"model":"m","stream_options":[]})", "'stream_options' must be an object", "stream_options", 30},
             Bad{R"({"model":"m","stream_options":{"include_usage":1}})", "'include_usage' must be true or false",
                 "include_usage", 47},
             Bad{R"({"model":"m","max_tokens":-1})", "'max_tokens' must be a whole number, 0 or above", "max_tokens",
                 26},
             Bad{R"({"model":"m","max_tokens":1.5})", "'max_tokens' must be a whole number, 0 or above", "max_tokens",
                 26},
             Bad{R"({"model":"m","n":0})", "'n' must be a whole number, 1 or above", "n", 17},
             Bad{R"({"model":"m","user":7})", "'user' must be a string", "user", 20},
             Bad{R"({"model":"m","tools":{}})", "'tools' must be an array", "tools", 21},
             Bad{R"({"messages":[]})", "'model' is missing: name the model to use", "model", 0},
             Bad{R"({"model":"m"})", "'messages' is missing", "messages", 0},
             Bad{R"({})", "'model' is missing: name the model to use", "model", 0},
             Bad{R"({"model":"a\qb","messages":[]})", "'model' holds a broken escape", "model", 9},
         }) {
        const auto request = reader.read(Endpoint::chat_completions, bad.body);
        ASSERT_FALSE(request) << bad.body;
        EXPECT_EQ(request.error().code, Errc::bad_message);
        EXPECT_EQ(request.error().side, Side::downstream);
        EXPECT_EQ(request.error().what, bad.what) << bad.body;
        EXPECT_EQ(reader.error_param(), bad.param) << bad.body;
        EXPECT_EQ(reader.error_offset(), bad.offset) << bad.body;
    }
}

TEST(RequestReader, SaysWhereADocumentIsBroken) {
    RequestReader reader;
    for (const Bad& bad : {
             Bad{"", "the document is empty", "", 0},
             Bad{"[]", "the body must be a JSON object", "", 0},
             Bad{"\"x\"", "the body must be a JSON object", "", 0},
             Bad{R"({"model":"m")", "the document ends too early", "", 12},
             Bad{R"({"model":"m","messages":[{"role":"user","content":"hi"})", "the document ends too early", "", 55},
             Bad{R"({"model":"m","messages":[]}x)", "there are bytes behind the JSON object", "", 27},
             Bad{R"({"model":"m","x":[1 2]})", "a comma or the end of the array or object is expected", "", 20},
             Bad{R"({"model":"m","x":[1}})", "a comma or the end of the array or object is expected", "", 19},
             Bad{R"({"model":"m" "x":1})", "a comma or the end of the object is expected", "", 13},
         }) {
        const auto request = reader.read(Endpoint::chat_completions, bad.body);
        ASSERT_FALSE(request) << bad.body;
        EXPECT_EQ(request.error().what, bad.what) << bad.body;
        EXPECT_TRUE(reader.error_is_syntax()) << bad.body;
        EXPECT_EQ(reader.error_offset(), bad.offset) << bad.body;
    }
}

TEST(RequestReader, EveryCutIsRefused) {
    RequestReader reader;
    for (size_t size = 0; size < chat.size(); ++size) {
        const auto request = reader.read(Endpoint::chat_completions, chat.substr(0, size));
        ASSERT_FALSE(request) << size;
        EXPECT_LE(reader.error_offset(), size);
        const bool half_a_literal = std::string_view(request.error().what).ends_with("true or false");
        EXPECT_TRUE(reader.error_is_syntax() || half_a_literal) << size << request.error().what;
    }
}

TEST(RequestReader, AKeyThatStandsTwiceIsRefusedInEveryDisguise) {
    RequestReader reader;
    for (const std::string_view second : {
             R"("model":"b")",
             R"("mod\u0065l":"b")",
             R"("Model":"b")",
             R"("MODEL":"b")",
             R"("\u004dodel":"b")",
             R"("stream":false,"stream":true)",
             R"("ſtream":true)",
             R"("\u017ftream":true)",
             R"("STREAM":true)",
             R"("messages":[])",
             R"("meſſages":[])",
             R"("to\u006fls":[],"tools":[])",
             R"("max_to\u212aens":5)",
             R"("stream_options":{"include_usage":true,"include_usage":false})",
             R"("stream_options":{"include_us\u0061ge":true})",
         }) {
        const std::string body = R"({"model":"a","messages":[],)" + std::string(second) + "}";
        const auto request = reader.read(Endpoint::chat_completions, body);
        ASSERT_FALSE(request) << body;
        EXPECT_NE(std::string_view(request.error().what).find("stands twice"), std::string_view::npos) << body;
        EXPECT_FALSE(reader.error_is_syntax());
    }
    EXPECT_FALSE(reader.read(Endpoint::chat_completions,
                             R"({"model":"a","messages":[{"role":"user","content":"a","content":"b"}]})"));
}

TEST(RequestReader, OtherKeysMayLookAsTheyLike) {
    RequestReader reader;
    EXPECT_TRUE(reader.read(
        Endpoint::chat_completions,
        R"({"model":"a","messages":[],"Größe":1,"x\u0041":2,"x\u0041":2,"metadata":{"model":"z"},"include_usage":3})"));
}

TEST(RequestReader, ReadsPromptsAndInputs) {
    RequestReader reader;
    auto request = reader.read(Endpoint::completions, R"({"model":"m","prompt":"hello"})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->message_count, 1u);
    EXPECT_EQ(request->prompt_bytes, 5u);
    EXPECT_EQ(request->last_user_text, "hello");

    request = reader.read(Endpoint::embeddings, R"({"model":"m","input":["a","bc"]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->message_count, 2u);
    EXPECT_EQ(request->prompt_bytes, 3u);
    EXPECT_EQ(request->last_user_text, "bc");

    request = reader.read(Endpoint::embeddings, R"({"model":"m","input":[1,2,3]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->message_count, 1u);

    request = reader.read(Endpoint::embeddings, R"({"model":"m","input":[[1,2],[3]]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->message_count, 2u);

    request = reader.read(
        Endpoint::responses,
        R"({"model":"m","instructions":"xy","input":[{"role":"user","content":[{"type":"input_text","text":"q"}]}]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->last_user_text, "q");
    EXPECT_EQ(request->prompt_bytes, 3u);

    EXPECT_FALSE(reader.read(Endpoint::embeddings, R"({"model":"m","input":7})"));
    EXPECT_STREQ(reader.error_param(), "input");
    EXPECT_FALSE(reader.read(Endpoint::embeddings, R"({"model":"m"})"));
    EXPECT_STREQ(reader.error_param(), "input");
    EXPECT_TRUE(reader.read(Endpoint::completions, R"({"model":"m"})"));
}

TEST(RequestReader, TheLastUserIsNotTheTool) {
    RequestReader reader;
    const auto request = reader.read(
        Endpoint::messages,
        R"({"model":"m","system":"s","messages":[{"content":[{"type":"text","text":"ask"},{"type":"tool_result","content":[{"type":"text","text":"42"}]}],"role":"user"},{"role":"assistant","content":"no"}]})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->last_user_text, "ask");
    EXPECT_EQ(request->prompt_bytes, 1u + 3 + 2 + 2);
}

TEST(RequestReader, NeedsNoPadding) {
    RequestReader reader;
    const std::string_view body = R"({"messages":[],"model":"m"})";
    const std::unique_ptr<char[]> block(new char[body.size()]);
    body.copy(block.get(), body.size());
    EXPECT_TRUE(reader.read(Endpoint::chat_completions, {block.get(), body.size()}));
}

/// What a document of this endpoint needs of its model.
std::string wishes(Endpoint endpoint, std::string_view body) {
    RequestReader reader;
    const auto request = reader.read(endpoint, body);
    if (!request) return request.error().what;
    std::string text;
    if (request->has_images) text += "images ";
    if (request->has_audio) text += "audio ";
    if (request->has_schema) text += "schema ";
    return text;
}

TEST(RequestReader, KnowsWhatTheAnswerHasToBe) {
    const auto chat = [](const std::string& member) {
        return wishes(Endpoint::chat_completions, R"({"model":"m","messages":[],)" + member + "}");
    };
    EXPECT_EQ(chat(R"("response_format":{"type":"json_schema","json_schema":{}})"), "schema ");
    EXPECT_EQ(chat(R"("response_format":{"json_schema":{"type":"x"},"type":"json_object"})"), "");
    EXPECT_EQ(chat(R"("response_format":null)"), "");
    EXPECT_EQ(chat(R"("audio":{"voice":"a"},"modalities":["audio"])"), "audio ");
    EXPECT_EQ(chat(R"("text":{"format":{"type":"json_schema"}})"), "") << "that is Responses'";
    EXPECT_EQ(wishes(Endpoint::responses, R"({"model":"m","input":"x","text":{"format":{"type":"json_schema"}}})"),
              "schema ");
    EXPECT_EQ(wishes(Endpoint::responses, R"({"model":"m","input":"x","text":{"type":"json_schema"}})"), "");
    EXPECT_EQ(wishes(Endpoint::messages, R"({"model":"m","messages":[],"output_format":{"type":"json_schema"}})"),
              "schema ");
    EXPECT_EQ(
        wishes(Endpoint::messages, R"({"model":"m","messages":[],"output_config":{"format":{"type":"json_schema"}}})"),
        "schema ");
    EXPECT_EQ(wishes(Endpoint::generate_content, R"({"contents":[],"generationConfig":{"responseSchema":{}}})"),
              "schema ");
    EXPECT_EQ(wishes(Endpoint::generate_content, R"({"contents":[],"generationConfig":{"responseSchema":null}})"), "");
}

TEST(RequestReader, KnowsTheMediaOfAPrompt) {
    const auto gemini = [](const std::string& part) {
        return wishes(Endpoint::generate_content, R"({"contents":[{"parts":[)" + part + "]}]}");
    };
    EXPECT_EQ(gemini(R"({"inlineData":{"data":"AA","mimeType":"audio/wav"}})"), "audio ");
    EXPECT_EQ(gemini(R"({"fileData":{"mime_type":"image/png","fileUri":"x"}},{"text":"t"})"), "images ");
    EXPECT_EQ(gemini(R"({"inlineData":7})"), "images ") << "what does not say is looked at";
    EXPECT_EQ(
        wishes(Endpoint::chat_completions,
               R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]})"),
        "audio ");
}

TEST(RequestReader, GeminisBoundOnTheAnswer) {
    RequestReader reader;
    EXPECT_EQ(reader.read(Endpoint::generate_content, R"({"generationConfig":{"maxOutputTokens":7}})")->max_tokens, 7u);
    EXPECT_EQ(reader.read(Endpoint::generate_content, R"({"generationConfig":{"maxOutputTokens":7.5}})")->max_tokens,
              0u)
        << "the upstream is the judge";
}

TEST(OutputBounds, AreThoseOfTheEndpointAlone) {
    RequestReader reader;
    const auto bounds = [&](Endpoint endpoint, std::string_view members) {
        const std::string body =
            R"({"model":"m",)" + std::string(members) + R"(,"input":"x","messages":[{"role":"user","content":"x"}]})";
        const auto request = reader.read(endpoint, body);
        EXPECT_TRUE(request) << body;
        size_t count = 0;
        for (const OutputBound& bound : request->output_bounds) count += !bound.range.absent();
        EXPECT_EQ(request->max_tokens != 0, count != 0) << body;
        return count;
    };
    constexpr std::string_view completion = R"("max_completion_tokens":5)", plain = R"("max_tokens":5)",
                               output = R"("max_output_tokens":5)";
    EXPECT_EQ(bounds(Endpoint::chat_completions, completion), 1u);
    EXPECT_EQ(bounds(Endpoint::chat_completions, plain), 1u);
    EXPECT_EQ(bounds(Endpoint::chat_completions, output), 0u);
    EXPECT_EQ(bounds(Endpoint::responses, output), 1u);
    EXPECT_EQ(bounds(Endpoint::responses, plain), 0u);
    EXPECT_EQ(bounds(Endpoint::responses, completion), 0u);
    EXPECT_EQ(bounds(Endpoint::messages, plain), 1u);
    EXPECT_EQ(bounds(Endpoint::messages, output), 0u);
    EXPECT_EQ(bounds(Endpoint::completions, plain), 1u);
    EXPECT_EQ(bounds(Endpoint::completions, completion), 0u);
}

TEST(OutputBounds, OfGeminiAreUnclearWhereTheyAreNoPlainNumberThatStandsOnce) {
    RequestReader reader;
    const auto is_unclear = [&](std::string_view members) {
        const std::string body = R"({"contents":[])" + std::string(members) + "}";
        const auto request = reader.read(Endpoint::generate_content, body);
        EXPECT_TRUE(request) << body;
        return request->has_unclear_bound;
    };
    for (const char* const clear :
         {"", R"(,"generationConfig":{})", R"(,"generationConfig":null)", R"(,"generationConfig":{"topK":"x"})",
          R"(,"generationConfig":{"maxOutputTokens":5})", R"(,"generation_config":{"max_output_tokens":5})",
          R"(,"generationConfig":{"maxOutputTokens":null})", R"(,"generationConfig":{"maxOutputTokensX":"5"})"})
        EXPECT_FALSE(is_unclear(clear)) << clear;
    for (const char* const unclear :
         {R"(,"generationConfig":{"maxOutputTokens":"5"})", R"(,"generationConfig":{"maxOutputTokens":6e4})",
          R"(,"generationConfig":{"maxOutputTokens":-1})", R"(,"generationConfig":{"maxOutputTokens":5.0})",
          R"(,"generationConfig":{"maxOutputTokens":[5]})",
          R"(,"generationConfig":{"maxOutputTokens":1,"maxOutputTokens":5})",
          R"(,"generationConfig":{"maxOutputTokens":1,"max_output_tokens":5})",
          R"(,"generationConfig":{"MaxOutputTokens":5})", R"(,"generationConfig":{"max_outputTokens":5})",
          R"(,"generationConfig":{"m\u0061xOutputTokens":5})",
          R"(,"generationConfig":{},"generationConfig":{"maxOutputTokens":5})",
          R"(,"generationConfig":{},"generation_config":{"maxOutputTokens":5})",
          R"(,"generationConfig":null,"generation_config":{"maxOutputTokens":5})",
          R"(,"GenerationConfig":{"maxOutputTokens":5})", R"(,"gener\u0061tionConfig":{"maxOutputTokens":5})"})
        EXPECT_TRUE(is_unclear(unclear)) << unclear;
}

}  // namespace
}  // namespace loom::llm
