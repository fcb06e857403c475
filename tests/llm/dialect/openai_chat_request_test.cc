#include <gtest/gtest.h>

#include <random>
#include <string>

#include "../dom.h"
#include "one_dialect.h"

namespace loom::llm {
namespace {

/// Reads a request; what was read stays with it.
struct Read : OneCall {
    explicit Read(std::string text, const TranslateTerms& given = {}) : OneCall(given), body(std::move(text)) {
        result = openai_chat_dialect().read_request(body, context, request);
    }
    std::string body;
    ChatRequest request;
    Result<void> result;

    const Message& message(uint32_t index) const { return *std::next(request.messages.begin(), index); }
    const Part& part(uint32_t message_index, uint32_t index) const {
        return *std::next(message(message_index).parts.begin(), index);
    }
};

/// The request written again, for a provider with these terms; losses of reading and writing are with `call`.
std::string written(Read& call, bool stream = false) {
    call.request.stream = stream;
    ByteBuffer out(call.pool);
    const auto step = openai_chat_dialect().write_request(call.request, call.context, out);
    return step ? std::string(out.view()) : std::string("refused: ") + step.error().what;
}

std::string with(std::string_view members) {
    return R"({"model":"gpt-5","messages":[{"role":"user","content":"Hi"}],)" + std::string(members) + "}";
}
std::string saying(std::string_view messages) {
    return R"({"model":"gpt-5","messages":[)" + std::string(messages) + "]}";
}

constexpr TranslateTerms to_gpt{.model = "gpt-5"};

// From platform.openai.com/docs/api-reference/chat/create, "Image input" and "Functions".
TEST(ChatRequestReader, ReadsTheDocumentedRequest) {
    Read read(R"({
      "model": "gpt-5.4",
      "messages": [
        {"role": "developer", "content": "You are a helpful assistant."},
        {"role": "user", "name": "ann", "content": [
          {"type": "text", "text": "What's in this \"image\"?"},
          {"type": "image_url", "image_url": {"url": "https://example.com/boardwalk.jpg", "detail": "high"}},
          {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,AAEC"}},
          {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
          {"type": "input_audio", "input_audio": {"data": "SUQz", "format": "mp3"}},
          {"type": "file", "file": {"file_id": "file-6F2ksmvXxt4VdoqmHRw6kL"}},
          {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}
        ]}],
      "max_completion_tokens": 300, "temperature": 0.20, "stream": true, "stream_options": {"include_usage": true}
    })");
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(read.request.model, "gpt-5.4");
    EXPECT_EQ(read.message(0).role, Role::developer);
    EXPECT_EQ(read.part(0, 0).text, "You are a helpful assistant.");
    EXPECT_EQ(read.message(1).name, "ann");
    EXPECT_EQ(read.part(1, 0).text, R"(What's in this \"image\"?)");
    EXPECT_EQ(read.part(1, 1).media.source, Media::Source::url);
    EXPECT_EQ(read.part(1, 1).media.data, "https://example.com/boardwalk.jpg");
    EXPECT_EQ(read.part(1, 1).media.detail, "high");
    EXPECT_EQ(read.part(1, 2).media.source, Media::Source::base64);
    EXPECT_EQ(read.part(1, 2).media.media_type, "image/jpeg");
    EXPECT_EQ(read.part(1, 2).media.data, "AAEC");
    EXPECT_EQ(read.part(1, 3).kind, Part::Kind::audio);
    EXPECT_EQ(read.part(1, 3).media.media_type, "audio/wav");
    EXPECT_EQ(read.part(1, 4).media.media_type, "audio/mpeg");
    EXPECT_EQ(read.part(1, 5).media.source, Media::Source::file_id);
    EXPECT_EQ(read.part(1, 6).media.media_type, "application/pdf");
    EXPECT_EQ(read.part(1, 6).media.name, "a.pdf");
    EXPECT_EQ(read.request.max_tokens, 300u);
    EXPECT_EQ(read.request.temperature, "0.20");
    EXPECT_TRUE(read.request.stream);
    EXPECT_TRUE(read.request.include_usage);
    EXPECT_EQ(read.lost(), "");
}

TEST(ChatRequestReader, ReadsToolsAndWhatTheyAnswered) {
    Read read(R"({"model":"m","messages":[
      {"role":"assistant","content":null,"refusal":null,"tool_calls":[
        {"id":"call_a","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Paris\"}"}},
        {"id":"call_b","type":"function","function":{"name":"time","arguments":""},
         "extra_content":{"google":{"thought_signature":"c2ln"}}}]},
      {"role":"tool","tool_call_id":"call_a","content":"18 °C"},
      {"role":"tool","tool_call_id":"call_b","content":[{"type":"text","text":"noon"}]}],
      "tools":[{"type":"function","function":{"name":"weather","description":"d","strict":true,
                "parameters":{"type":"object","properties":{}}},"cache_control":{"type":"ephemeral"}}],
      "tool_choice":{"type":"function","function":{"name":"weather"}},"parallel_tool_calls":false})");
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(read.message(0).parts.count(), 2u);
    EXPECT_EQ(read.part(0, 0).tool_id, "call_a");
    EXPECT_EQ(read.part(0, 0).arguments_text, R"({\"city\":\"Paris\"})");
    EXPECT_EQ(read.part(0, 1).signature, "c2ln");
    EXPECT_TRUE(has(read.part(0, 1).arguments_text));
    EXPECT_EQ(read.message(1).role, Role::tool);
    EXPECT_EQ(read.part(1, 0).kind, Part::Kind::tool_result);
    EXPECT_EQ(read.part(1, 0).tool_id, "call_a");
    EXPECT_EQ(read.part(1, 0).content.front().text, "18 °C");
    EXPECT_EQ(read.part(2, 0).content.front().text, "noon");
    const Tool& tool = read.request.tools.front();
    EXPECT_EQ(tool.name, "weather");
    EXPECT_EQ(tool.schema, R"({"type":"object","properties":{}})");
    EXPECT_EQ(tool.strict, true);
    EXPECT_EQ(tool.cache_control, R"({"type":"ephemeral"})");
    EXPECT_EQ(read.request.tool_choice.kind, ToolChoice::Kind::named);
    EXPECT_EQ(read.request.tool_choice.name, "weather");
    EXPECT_EQ(read.request.tool_choice.parallel, false);
    EXPECT_EQ(read.lost(), "");
}

TEST(ChatRequestReader, ShowsTheModelTheAllowedToolsAlone) {
    Read read(with(R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[
        {"type":"function","function":{"name":"b"}}]}},
        "tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}])"));
    ASSERT_TRUE(read.result);
    EXPECT_EQ(read.request.tool_choice.kind, ToolChoice::Kind::any);
    ASSERT_EQ(read.request.tools.count(), 1u);
    EXPECT_EQ(read.request.tools.front().name, "b");
}

// `functions` is what there was before tools: a call and its result have no id, and the answer is to be like it.
TEST(ChatRequestReader, GivesLegacyFunctionCallsIds) {
    Read read(R"({"model":"m","functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"},
      "messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
      {"role":"function","name":"f","content":"1"},
      {"role":"assistant","content":"so","function_call":{"name":"f","arguments":"{}"}},
      {"role":"function","name":"f","content":"2"}]})");
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(read.part(0, 0).tool_id, "call_1");
    EXPECT_EQ(read.part(1, 0).tool_id, "call_1");
    EXPECT_EQ(read.part(1, 0).tool_name, "f");
    EXPECT_EQ(read.part(2, 1).tool_id, "call_2");
    EXPECT_EQ(read.part(3, 0).tool_id, "call_2");
    EXPECT_EQ(read.request.tool_choice.name, "f");
    EXPECT_TRUE(read.aliases.legacy_functions);
    EXPECT_EQ(read.lost(), "");
}

TEST(ChatRequestReader, KeepsThinkingAndItsSignatures) {
    Read read(saying(R"({"role":"assistant","content":"A","reasoning_content":"hm","thinking_blocks":[
      {"type":"thinking","thinking":"hm","signature":"EqQB+/="},{"type":"redacted_thinking","data":"Zm9v"}]},
      {"role":"assistant","content":"B","reasoning":"so"},
      {"role":"assistant","content":"C","reasoning_content":"streamed","thinking_blocks":[
        {"type":"thinking","thinking":"","signature":"S"}]},
      {"role":"user","content":"?"})"));
    ASSERT_TRUE(read.result);
    EXPECT_EQ(read.part(0, 0).kind, Part::Kind::thinking);
    EXPECT_EQ(read.part(0, 0).text, "hm");
    EXPECT_EQ(read.part(0, 0).signature, "EqQB+/=");
    EXPECT_EQ(read.part(0, 1).kind, Part::Kind::redacted_thinking);
    EXPECT_EQ(read.part(0, 1).text, "Zm9v");
    EXPECT_EQ(read.part(0, 2).text, "A");
    EXPECT_EQ(read.part(1, 0).text, "so");
    EXPECT_FALSE(has(read.part(1, 0).signature));
    EXPECT_EQ(read.part(2, 0).text, "streamed");
    EXPECT_EQ(read.part(2, 0).signature, "S");
}

// SDKs send a message back as it came: its empty lists are no citations that another protocol would miss.
TEST(ChatRequestReader, AnEmptyListOfAnnotationsIsNone) {
    Read read(saying(R"({"role":"assistant","content":"A","annotations":[],"audio":null,"function_call":null},
      {"role":"assistant","content":"B","annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]})"));
    ASSERT_TRUE(read.result);
    EXPECT_FALSE(has(read.part(0, 0).citations));
    EXPECT_TRUE(has(read.part(1, 0).citations));
    EXPECT_EQ(read.lost(), "");
}

// Places are counted in the whole of a content: in one of its parts they would hold another text.
TEST(ChatRequestReader, AnnotationsOfSeveralTextsAreALoss) {
    Read read(saying(R"({"role":"assistant","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}],
      "annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":1,"end_index":2}}]})"));
    ASSERT_TRUE(read.result);
    EXPECT_FALSE(has(read.part(0, 0).citations) || has(read.part(0, 1).citations));
    EXPECT_EQ(read.lost(), "annotations");
}

TEST(ChatRequestReader, ReadsEveryParameter) {
    Read read(with(R"("top_p":0.5,"n":2,"stop":["a","\n"],"presence_penalty":0.5,"frequency_penalty":-1,"seed":7,
      "logit_bias":{"50256":-100},"logprobs":true,"top_logprobs":3,"user":"u1","service_tier":"flex","verbosity":"low",
      "prompt_cache_key":"k","metadata":{"a":"b"},"reasoning_effort":"high","top_k":40,
      "response_format":{"type":"json_schema","json_schema":{"name":"s","description":"d","strict":true,
        "schema":{"type":"object"}}})"));
    ASSERT_TRUE(read.result) << read.result.error().what;
    const ChatRequest& request = read.request;
    EXPECT_EQ(request.top_p, "0.5");
    EXPECT_EQ(request.n, 2u);
    ASSERT_EQ(request.stop.count(), 2u);
    EXPECT_EQ(request.stop.back(), R"(\n)");
    EXPECT_EQ(request.presence_penalty, "0.5");
    EXPECT_EQ(request.frequency_penalty, "-1");
    EXPECT_EQ(request.seed, "7");
    EXPECT_EQ(request.logit_bias, R"({"50256":-100})");
    EXPECT_EQ(request.logprobs, true);
    EXPECT_EQ(request.top_logprobs, 3u);
    EXPECT_EQ(request.user, "u1");
    EXPECT_EQ(request.service_tier, "flex");
    EXPECT_EQ(request.verbosity, "low");
    EXPECT_EQ(request.prompt_cache_key, "k");
    EXPECT_EQ(request.metadata, R"({"a":"b"})");
    EXPECT_EQ(request.reasoning.effort, Reasoning::Effort::high);
    EXPECT_EQ(request.top_k, "40");
    EXPECT_EQ(request.format.kind, ResponseFormat::Kind::json_schema);
    EXPECT_EQ(request.format.schema, R"({"type":"object"})");
    EXPECT_EQ(request.format.strict, true);
    EXPECT_EQ(read.lost(), "");
}

TEST(ChatRequestReader, TakesOneStopForAList) {
    Read read(with(R"("stop":"END")"));
    ASSERT_TRUE(read.result);
    ASSERT_EQ(read.request.stop.count(), 1u);
    EXPECT_EQ(read.request.stop.front(), "END");
}

// bifrost#6132, #5887: what is dropped silently is missed for weeks.
TEST(ChatRequestReader, NamesWhatItCannotCarry) {
    Read read(with(R"("store":true,"modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"},
      "prediction":{"type":"content","content":"x"},"web_search_options":{},"moderation":{"model":"m"},
      "my_own":1,"prompt_cache_retention":"24h","reasoning_effort":"enormous","response_format":{"type":"grammar"})"));
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(read.lost(),
              "store, modalities, audio, prediction, moderation, my_own, prompt_cache_retention, reasoning_effort, "
              "response_format");
}
TEST(ChatRequestReader, NamesWhatItCannotCarryInAMessage) {
    Read read(
        saying(R"({"role":"user","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}}],
      "weight":1})"));
    ASSERT_TRUE(read.result);
    EXPECT_EQ(read.lost(), "messages[].content[].prompt_cache_breakpoint, messages[].weight");
}

TEST(ChatRequestReader, MissesNothingThatSaysNothing) {
    Read read(with(R"("store":false,"modalities":["text"],"audio":null,"n":null,"n":1,"stop":null,"stop":[],"tools":[],
      "logprobs":false,"logit_bias":{},"logit_bias":null,"presence_penalty":0,"frequency_penalty":0.0,"metadata":{},
      "service_tier":"auto","verbosity":"medium","parallel_tool_calls":true,"response_format":{"type":"text"},
      "unknown":[],"unknown2":"","unknown3":{ },"temperature":null,"max_tokens":null,"reasoning_effort":null,
      "stream_options":null,"tool_choice":null,"user":null,"seed":null)"));
    ASSERT_TRUE(read.result) << read.result.error().what << " " << read.context.error_param;
    EXPECT_EQ(read.lost(), "");
    EXPECT_FALSE(has(read.request.presence_penalty));
    EXPECT_FALSE(has(read.request.metadata));
    EXPECT_FALSE(read.request.tool_choice.parallel);
    EXPECT_EQ(read.request.format.kind, ResponseFormat::Kind::unset);
}

TEST(ChatRequestReader, SaysWhereABadRequestIsBad) {
    struct Case {
        std::string body;
        std::string_view param, at;  // the offset is that of `at`, or of its end
    };
    const Case cases[] = {
        {"[]", "", "["},
        {R"({"model":"m"})", "messages", "{"},
        {R"({"model":"m","messages":[]})", "messages", "{"},
        {R"({"model":1,"messages":[]})", "model", "1,"},
        {saying(R"({"role":"bot","content":"x"})"), "messages", R"({"role":"bot")"},
        {saying(R"({"content":"x"})"), "messages", R"({"content")"},
        {saying(R"({"role":"user","content":7})"), "messages", "7"},
        {saying(R"({"role":"user","content":[{"type":"hologram"}]})"), "messages", R"({"type":"hologram")"},
        {saying(R"({"role":"user","content":[{"type":"image_url"}]})"), "messages", R"({"type":"image_url")"},
        {with(R"("max_tokens":-1)"), "max_tokens", "-1"},
        {with(R"("max_completion_tokens":"many")"), "max_completion_tokens", R"("many")"},
        {with(R"("n":0)"), "n", "0}"},
        {with(R"("stop":[1])"), "stop", "1]"},
        {with(R"("temperature":"hot")"), "temperature", R"("hot")"},
        {with(R"("tools":{})"), "tools", "{}"},
        {with(R"("tools":[{"type":"function","function":{}}])"), "tools", R"({"type":"function")"},
        {with(R"("tool_choice":"perhaps")"), "tool_choice", R"("perhaps")"},
        {with(R"("tool_choice":{"type":"function"})"), "tool_choice", R"({"type":"function")"},
        {with(R"("response_format":"json")"), "response_format", R"("json")"},
    };
    for (const Case& one : cases) {
        Read read(one.body);
        ASSERT_FALSE(read.result) << one.body;
        EXPECT_EQ(read.result.error().code, Errc::bad_message);
        EXPECT_EQ(read.result.error().side, Side::downstream);
        EXPECT_STRNE(read.result.error().what, "");
        EXPECT_EQ(std::string_view(read.context.error_param), one.param) << one.body;
        EXPECT_EQ(read.context.error_offset, one.body.find(one.at)) << one.body << ": " << read.result.error().what;
    }
}

// Writing.

constexpr std::string_view everything =
    R"({"model":"gpt-5","messages":[)"
    R"({"role":"system","content":"Be brief."},)"
    R"({"role":"developer","content":"Be kind."},)"
    R"({"role":"user","name":"ann","content":"Hi \u00e9\n\"you\""},)"
    R"({"role":"user","content":[{"type":"text","text":"a"},)"
    R"({"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},)"
    R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AAEC"}},)"
    R"({"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},)"
    R"({"type":"input_audio","input_audio":{"data":"SUQz","format":"mp3"}},)"
    R"({"type":"file","file":{"file_id":"file-1"}},)"
    R"({"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}}]},)"
    R"({"role":"assistant","content":"I will.","reasoning_content":"hm",)"
    R"("thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"eA=="}],)"
    R"("tool_calls":[{"id":"call_a","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},)"
    R"("extra_content":{"google":{"thought_signature":"Zw=="}}},)"
    R"({"id":"call_b","type":"function","function":{"name":"g","arguments":"{}"}}]},)"
    R"({"role":"tool","tool_call_id":"call_a","content":"1"},)"
    R"({"role":"tool","tool_call_id":"call_b","content":[{"type":"text","text":"2"},{"type":"text","text":"3"}]},)"
    R"({"role":"assistant","content":null,"refusal":"No."},)"
    R"({"role":"assistant","content":"","audio":{"id":"audio_1"}},)"
    R"({"role":"user","content":"Go on."}],)"
    R"("tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},)"
    R"({"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],)"
    R"("tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,)"
    R"("response_format":{"type":"json_schema","json_schema":{"name":"s","description":"d","schema":{"type":"object"},"strict":true}},)"
    R"("reasoning_effort":"low","max_completion_tokens":99,"n":2,"stop":["a","b"],"temperature":0.7,"top_p":0.9,)"
    R"("presence_penalty":1.5,"frequency_penalty":-0.5,"seed":42,"logit_bias":{"1":2},"logprobs":true,"top_logprobs":5,)"
    R"("user":"u","service_tier":"flex","verbosity":"high","prompt_cache_key":"k",)"
    R"("stream":true,"stream_options":{"include_usage":true}})";

// Prompt caches of providers match bytes: what is written is the same at each turn, and in OpenAI's own spelling.
TEST(ChatRequestWriter, WritesWhatItReadToTheByte) {
    Read read{std::string(everything), to_gpt};
    ASSERT_TRUE(read.result) << read.result.error().what;
    EXPECT_EQ(written(read, true), everything);
    EXPECT_EQ(read.lost(), "");
    Read again(written(read, true), to_gpt);
    ASSERT_TRUE(again.result);
    EXPECT_EQ(written(again, true), everything);
}

std::string written_with(const Quirks& quirks, std::string body, std::string& lost, bool stream = false) {
    TranslateTerms terms = to_gpt;
    terms.quirks = quirks;
    Read read(std::move(body), terms);
    EXPECT_TRUE(read.result);
    std::string text = written(read, stream);
    lost = read.lost();
    return text.substr(text.find(R"("messages":)"));
}

TEST(ChatRequestWriter, ObeysQuirks) {
    std::string lost;
    const std::string hi = R"("messages":[{"role":"user","content":"Hi"}])";
    const auto quirky = [&](const Quirks& quirks, std::string_view members, bool stream = false) {
        return written_with(quirks, with(members), lost, stream);
    };
    EXPECT_EQ(quirky({.max_tokens_only = true}, R"("max_completion_tokens":5)"), hi + R"(,"max_tokens":5})");
    EXPECT_EQ(lost, "");
    EXPECT_EQ(quirky({.no_stream_options = true}, R"("stream":true)", true), hi + R"(,"stream":true})");
    EXPECT_EQ(quirky({.seed_is_random_seed = true}, R"("seed":5)"), hi + R"(,"random_seed":5})");
    EXPECT_EQ(quirky({.no_seed = true}, R"("seed":5)"), hi + "}");
    EXPECT_EQ(lost, "seed");
    EXPECT_EQ(quirky({.no_n = true}, R"("n":5)"), hi + "}");
    EXPECT_EQ(lost, "n");
    EXPECT_EQ(quirky({.no_penalties = true}, R"("presence_penalty":1,"frequency_penalty":1)"), hi + "}");
    EXPECT_EQ(lost, "presence_penalty, frequency_penalty");
    EXPECT_EQ(quirky({.no_logprobs = true}, R"("logprobs":true,"top_logprobs":2)"), hi + "}");
    EXPECT_EQ(lost, "logprobs");
    EXPECT_EQ(quirky({.no_user = true}, R"("user":"u")"), hi + "}");
    EXPECT_EQ(lost, "user");
    const std::string tool =
        R"("tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}])";
    EXPECT_EQ(quirky({.no_tool_choice_required = true}, tool + R"(,"tool_choice":"required")"),
              hi + "," + tool + R"(,"tool_choice":"any"})");
    EXPECT_EQ(quirky({.no_parallel_tool_calls = true}, tool + R"(,"parallel_tool_calls":false)"),
              hi + "," + tool + "}");
    EXPECT_EQ(lost, "parallel_tool_calls");
}

TEST(ChatRequestWriter, GivesSystemTextsAPlace) {
    std::string lost;
    const std::string body = saying(
        R"({"role":"system","content":"S"},{"role":"developer","content":"D"},{"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"})");
    EXPECT_EQ(written_with({.no_developer_role = true}, body, lost),
              R"("messages":[{"role":"system","content":"S"},{"role":"system","content":"D"},)"
              R"({"role":"user","content":"U"},{"role":"assistant","content":"A"},{"role":"user","content":"V"}]})");
    EXPECT_EQ(written_with({.no_system_in_messages = true, .no_content_parts = true}, body, lost),
              R"("messages":[{"role":"user","content":"S\n\nD\n\nU"},{"role":"assistant","content":"A"},)"
              R"({"role":"user","content":"V"}]})");
    EXPECT_EQ(written_with({.no_system_in_messages = true}, saying(R"({"role":"system","content":"S"})"), lost),
              R"("messages":[{"role":"user","content":"S"}]})");
    EXPECT_EQ(lost, "");
}

TEST(ChatRequestWriter, TellsTheSchemaWhereTheProviderTakesNone) {
    std::string lost;
    const std::string format =
        R"("response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object"}}})";
    EXPECT_EQ(written_with({.no_json_schema = true}, with(format), lost),
              R"("messages":[{"role":"system","content":"Answer with a JSON object that follows this JSON Schema: )"
              R"({\"type\":\"object\"}"},{"role":"user","content":"Hi"}],"response_format":{"type":"json_object"}})");
    EXPECT_EQ(written_with({.no_json_schema = true, .no_system_in_messages = true, .no_content_parts = true},
                           with(format), lost),
              R"("messages":[{"role":"user","content":"Answer with a JSON object that follows this JSON Schema: )"
              R"({\"type\":\"object\"}\n\nHi"}],"response_format":{"type":"json_object"}})");
}

// OpenAI: "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
TEST(ChatRequestWriter, SaysJsonWhereNobodyDid) {
    std::string lost;
    const std::string format = R"("response_format":{"type":"json_object"})";
    EXPECT_EQ(
        written_with({}, with(format), lost),
        R"("messages":[{"role":"system","content":"Answer in JSON."},{"role":"user","content":"Hi"}],)" + format + "}");
    const std::string asked = R"("messages":[{"role":"user","content":"As JSON, please"}],)" + format + "}";
    EXPECT_EQ(written_with({}, R"({"model":"m",)" + asked, lost), asked);
}

TEST(ChatRequestWriter, KeepsWithinOpenaisRanges) {
    std::string lost;
    EXPECT_EQ(written_with(
                  {}, with(R"("temperature":3,"top_p":1.5,"presence_penalty":-9,"stop":["1","2","3","4","5"])"), lost),
              R"("messages":[{"role":"user","content":"Hi"}],"stop":["1","2","3","4"],"temperature":2,"top_p":1,)"
              R"("presence_penalty":-2})");
    EXPECT_EQ(lost, "stop, temperature, top_p, presence_penalty");
}

// apisix#13583: tool_choice without tools is refused.
TEST(ChatRequestWriter, SaysNothingOfToolsWhereThereAreNone) {
    std::string lost;
    EXPECT_EQ(written_with({}, with(R"("tool_choice":"auto","parallel_tool_calls":false,"tools":[])"), lost),
              R"("messages":[{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(written_with({}, with(R"("tool_choice":"auto","tools":[{"type":"custom","custom":{"name":"c"}}])"), lost),
              R"("messages":[{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(lost, "tools[].custom");
}

/// A request made by hand: what other protocols read.
struct Made : OneCall {
    explicit Made(const TranslateTerms& given = to_gpt) : OneCall(given) {}
    ChatRequest request;

    Part& add(Role role, Part part) { return request.messages.add(arena, {.role = role}).parts.add(arena, part); }
    std::string messages() {
        ByteBuffer out(pool);
        const auto step = openai_chat_dialect().write_request(request, context, out);
        if (!step) return std::string("refused: ") + step.error().what;
        const std::string text(out.view());
        return text.substr(text.find(R"("messages":)"));
    }
};

// higress#3503: the text beside a tool's result was lost. And a result of OpenAI's has no images: they follow it.
TEST(ChatRequestWriter, PutsWhatAResultCannotHoldBehindTheResults) {
    Made made;
    Message& message = made.request.messages.add(made.arena, {.role = Role::user});
    for (const std::string_view id : {"t1", "t2"}) {
        Part& result = message.parts.add(made.arena, {.kind = Part::Kind::tool_result, .tool_id = id});
        result.content.add(made.arena, {.text = "seen"});
        result.content.add(made.arena, {.kind = Part::Kind::image, .media = {.data = "AA", .media_type = "image/gif"}});
    }
    message.parts.add(made.arena, {.text = "And now?"});
    EXPECT_EQ(made.messages(), R"("messages":[{"role":"tool","tool_call_id":"t1","content":"seen"},)"
                               R"({"role":"tool","tool_call_id":"t2","content":"seen"},{"role":"user","content":[)"
                               R"({"type":"image_url","image_url":{"url":"data:image/gif;base64,AA"}},)"
                               R"({"type":"image_url","image_url":{"url":"data:image/gif;base64,AA"}},)"
                               R"({"type":"text","text":"And now?"}]}]})");
}

TEST(ChatRequestWriter, WritesArgumentsAndResultsThatAreObjects) {
    Made made;
    made.add(
        Role::assistant,
        {.kind = Part::Kind::tool_call, .tool_id = "t1", .tool_name = "f", .arguments = R"({"a":"\u00e9\"","b":[1]})"});
    made.add(Role::tool, {.kind = Part::Kind::tool_result, .tool_id = "t1", .result_json = R"({"ok":"\"yes\""})"});
    EXPECT_EQ(made.messages(),
              R"("messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"t1","type":"function",)"
              R"("function":{"name":"f","arguments":"{\"a\":\"\\u00e9\\\"\",\"b\":[1]}"}}]},)"
              R"({"role":"tool","tool_call_id":"t1","content":"{\"ok\":\"\\\"yes\\\"\"}"}]})");
}

TEST(ChatRequestWriter, FitsNamesAndIdsAndFindsThemAgain) {
    Made made;
    const std::string name(80, 'n'), id(64, 'i');
    made.request.tools.add(made.arena, {.name = "srv.search"});
    made.add(Role::assistant, {.kind = Part::Kind::tool_call, .tool_id = id, .tool_name = name, .arguments = "{}"});
    made.add(Role::tool, {.kind = Part::Kind::tool_result, .tool_id = id});
    Dom dom("{" + made.messages());
    ASSERT_TRUE(dom.valid());
    const std::string call_id = dom.text("/messages/0/tool_calls/0/id");
    EXPECT_LE(call_id.size(), 40u);
    EXPECT_EQ(dom.text("/messages/1/tool_call_id"), call_id);
    const std::string short_name = dom.text("/messages/0/tool_calls/0/function/name");
    EXPECT_LE(short_name.size(), 64u);
    EXPECT_EQ(made.aliases.original_of(short_name), name);
    const std::string tool = dom.text("/tools/0/function/name");
    EXPECT_EQ(tool.find('.'), tool.npos);
    EXPECT_EQ(made.aliases.original_of(tool), "srv.search");
}

TEST(ChatRequestWriter, RefusesWhatOpenaiHasNoPlaceFor) {
    const auto refused = [](Part part) {
        Made made;
        made.add(Role::user, part);
        const std::string text = made.messages();
        EXPECT_EQ(std::string_view(made.context.error_param), "messages");
        return text.starts_with("refused: ");
    };
    using Source = Media::Source;
    EXPECT_TRUE(refused({.kind = Part::Kind::video, .media = {.data = "AA"}}));
    EXPECT_TRUE(refused({.kind = Part::Kind::image, .media = {.source = Source::url, .data = "gs://b/i.png"}}));
    EXPECT_TRUE(refused({.kind = Part::Kind::image, .media = {.source = Source::file_id, .data = "f"}}));
    EXPECT_TRUE(refused({.kind = Part::Kind::audio, .media = {.source = Source::url, .data = "https://x/a.mp3"}}));
    EXPECT_TRUE(refused({.kind = Part::Kind::file, .media = {.source = Source::url, .data = "https://x/a.pdf"}}));
}

TEST(ChatRequestWriter, NamesWhatOpenaiHasNoPlaceFor) {
    Made made;
    made.request.top_k = "40";
    made.request.metadata = R"({"a":"b"})";
    made.request.service_tier = "reserved";
    made.request.tools.add(made.arena, {.is_function = false, .type = "web_search_20250305", .raw = "{}"});
    Part& part = made.add(Role::user, {.text = "Hi"});
    part.cache_control = R"({"type":"ephemeral"})";
    made.request.reasoning.budget_tokens = 10000;
    EXPECT_EQ(made.messages(), R"("messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"medium"})");
    EXPECT_EQ(made.lost(), "cache_control, tools[].web_search_20250305, top_k, service_tier, metadata");
}

// Found by dialect_fuzz: arguments with a broken escape inside went into Anthropic's document as they were, and broke
// it.
TEST(ChatRequest, ArgumentsThatAreNoJsonBecomeSome) {
    OneCall call;
    const auto object = [&](Text text) {
        return std::string(arguments_object({.kind = Part::Kind::tool_call, .arguments_text = text}, call.context));
    };
    EXPECT_EQ(object(R"({\"a\":\"\\u00b0\\n\"})"), R"({"a":"\u00b0\n"})");
    for (const Text text : {R"({\"a\":\"\\u00)b0\"})", R"({\"a\":\"\\q\"})", R"({\"a\":\"\\u12\"})", "[1]", "x"})
        EXPECT_EQ(object(text), R"({"_unparsed":")" + std::string(text) + R"("})") << text;
}

// Whatever the bytes.

TEST(ChatRequest, EveryTruncationIsRefused) {
    for (size_t bytes = 0; bytes < everything.size(); ++bytes) {
        Read read{std::string(everything.substr(0, bytes)), to_gpt};
        ASSERT_FALSE(read.result) << bytes;
        ASSERT_LE(read.context.error_offset, bytes);
    }
}

TEST(ChatRequest, FlippedBytesNeverMakeABadDocument) {
    std::mt19937 random(7);
    uint32_t read_count = 0;
    for (int run = 0; run < 4000; ++run) {
        std::string body(everything);
        for (uint32_t times = 1 + random() % 3; times > 0; --times) body[random() % body.size()] ^= 1 << random() % 7;
        Read read(body, to_gpt);
        if (!read.result || !Dom(body).valid()) continue;  // an escape that nobody decodes stays as it is
        read_count += 1;
        const std::string text = written(read, true);
        if (!text.starts_with("refused")) ASSERT_TRUE(Dom(text).valid()) << body << "\n" << text;
    }
    EXPECT_GT(read_count, 400u);  // flips inside strings mostly
}

}  // namespace
}  // namespace loom::llm
