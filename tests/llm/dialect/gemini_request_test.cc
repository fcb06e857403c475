#include "gemini_case.h"

namespace loom::llm {
namespace {

using Kind = Part::Kind;
using Effort = Reasoning::Effort;

TEST(GeminiRequest, IsReadInBothSpellingsOfProtoJson) {
    for (const std::string_view body :
         {R"({"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]}],
             "generationConfig":{"maxOutputTokens":64,"topP":0.9,"stopSequences":["END"]}})",
          R"({"contents":{"parts":{"text":"Hi"}},"system_instruction":{"parts":{"text":"Be brief."}},
             "generation_config":{"max_output_tokens":"64","top_p":0.9,"stop_sequences":"END"}})"}) {
        GeminiCase c;
        ASSERT_TRUE(c.read(body));
        ASSERT_EQ(c.request.messages.count(), 2u);
        EXPECT_EQ(c.message(0).role, Role::system);
        EXPECT_EQ(c.part(0, 0).text, "Be brief.");
        EXPECT_EQ(c.message(1).role, Role::user);
        EXPECT_EQ(c.part(1, 0).text, "Hi");
        EXPECT_EQ(c.request.max_tokens, 64u);
        EXPECT_EQ(c.request.top_p, "0.9");
        EXPECT_EQ(c.request.stop.front(), "END");
        EXPECT_EQ(c.lost(), "");
    }
}

TEST(GeminiRequest, TellsEverySetting) {
    GeminiCase c;
    ASSERT_TRUE(c.read(R"({"model":"models/gemini-2.5-pro","contents":[{"parts":[{"text":"x"}]}],"generationConfig":{
        "temperature":0.5,"topK":40,"candidateCount":2,"seed":7,"presencePenalty":0.1,"frequencyPenalty":-0.2,
        "responseMimeType":"application/json","responseLogprobs":true,"logprobs":3,
        "thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true},
        "responseModalities":["TEXT"],"speechConfig":{"languageCode":"de"}},
        "safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}],
        "labels":{"team":"a"},"cachedContent":"","newField":1})"));
    const ChatRequest& r = c.request;
    EXPECT_EQ(r.model, "gemini-2.5-pro");
    EXPECT_EQ(r.temperature, "0.5");
    EXPECT_EQ(r.top_k, "40");
    EXPECT_EQ(r.n, 2u);
    EXPECT_EQ(r.seed, "7");
    EXPECT_EQ(r.presence_penalty, "0.1");
    EXPECT_EQ(r.frequency_penalty, "-0.2");
    EXPECT_EQ(r.format.kind, ResponseFormat::Kind::json_object);
    EXPECT_EQ(r.logprobs, true);
    EXPECT_EQ(r.top_logprobs, 3u);
    EXPECT_EQ(r.reasoning.budget_tokens, -1);
    EXPECT_EQ(r.reasoning.include_thoughts, true);
    EXPECT_EQ(c.lost(), "generationConfig.speechConfig safetySettings labels newField");
}

TEST(GeminiRequest, ThinkingLevelIsAnEffortInEitherCase) {
    for (const std::string_view level : {"HIGH", "high"}) {
        GeminiCase c;
        const std::string body = R"({"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"thinkingConfig":)"
                                 R"({"thinkingLevel":")" +
                                 std::string(level) + R"("}}})";
        ASSERT_TRUE(c.read(body));
        EXPECT_EQ(c.request.reasoning.effort, Effort::high);
    }
}

TEST(GeminiRequest, MediaTellsItsKindByItsType) {
    GeminiCase c;
    ASSERT_TRUE(c.read(R"({"contents":[{"role":"user","parts":[
        {"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"inline_data":{"mime_type":"audio/wav","data":"BBBB"}},
        {"fileData":{"mimeType":"application/pdf","fileUri":"gs://bucket/a.pdf"}},
        {"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}},
        {"fileData":{"mimeType":"video/mp4","fileUri":"https://example.com/a.mp4"},"videoMetadata":{"fps":5}}]}]})"));
    EXPECT_EQ(c.part(0, 0).kind, Kind::image);
    EXPECT_EQ(c.part(0, 0).media.data, "AAAA");
    EXPECT_EQ(c.part(0, 1).kind, Kind::audio);
    EXPECT_EQ(c.part(0, 2).kind, Kind::file);
    EXPECT_EQ(c.part(0, 2).media.source, Media::Source::url);
    EXPECT_EQ(c.part(0, 3).media.source, Media::Source::file_id);
    EXPECT_EQ(c.part(0, 4).kind, Kind::video);
    EXPECT_EQ(c.lost(), "contents[].parts[].videoMetadata");
}

// litellm#5231 and its like: results find their calls, which in Gemini need have no ids.
TEST(GeminiRequest, CallsWithoutIdsAndTheirResultsGetTheSameOnes) {
    GeminiCase c;
    ASSERT_TRUE(c.read(R"({"contents":[{"role":"user","parts":[{"text":"weather?"}]},
        {"role":"model","parts":[{"functionCall":{"name":"get","args":{"c":"A"}},"thoughtSignature":"c2ln"},
                                 {"functionCall":{"name":"get","args":{"c":"B"}}},
                                 {"functionCall":{"name":"other"}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"other","response":{"output":"o"}}},
                                {"functionResponse":{"name":"get","response":{"t":1}}},
                                {"functionResponse":{"name":"get","response":{"error":"no"}}},
                                {"text":"go on"}]}]})"));
    EXPECT_EQ(c.part(1, 0).tool_id, "call_1");
    EXPECT_EQ(c.part(1, 0).signature, "c2ln");
    EXPECT_EQ(c.part(1, 0).arguments, R"({"c":"A"})");
    EXPECT_EQ(c.part(1, 1).tool_id, "call_2");
    EXPECT_EQ(c.part(1, 2).arguments, "{}");
    EXPECT_EQ(c.part(2, 0).tool_id, "call_3");
    EXPECT_EQ(c.part(2, 0).content.front().text, "o");
    EXPECT_EQ(c.part(2, 1).tool_id, "call_1");
    EXPECT_EQ(c.part(2, 1).result_json, R"({"t":1})");
    EXPECT_EQ(c.part(2, 2).tool_id, "call_2");
    EXPECT_TRUE(c.part(2, 2).is_error);
    EXPECT_EQ(c.part(2, 2).content.front().text, "no");
    EXPECT_EQ(c.part(2, 3).text, "go on");
}

// A stream's thinking comes back as its chunks, the signature behind them: other providers want one block.
TEST(GeminiRequest, PiecesOfAThinkingAreJoined) {
    GeminiCase c;
    ASSERT_TRUE(
        c.read(R"({"contents":[{"role":"model","parts":[{"text":"I ","thought":true},{"text":"think","thought":true},
        {"text":"","thought":true,"thoughtSignature":"c2ln"},{"text":"So."},
        {"text":"","thought":true,"partMetadata":{"redacted_thinking":"b3BhcXVl"}}]}]})"));
    ASSERT_EQ(c.message(0).parts.count(), 3u);
    EXPECT_EQ(c.part(0, 0).kind, Kind::thinking);
    EXPECT_EQ(c.part(0, 0).text, "I think");
    EXPECT_EQ(c.part(0, 0).signature, "c2ln");
    EXPECT_EQ(c.part(0, 1).text, "So.");
    EXPECT_EQ(c.part(0, 2).kind, Kind::redacted_thinking);
    EXPECT_EQ(c.part(0, 2).text, "b3BhcXVl");
}

TEST(GeminiRequest, SchemasBecomeJsonSchema) {
    GeminiCase c;
    ASSERT_TRUE(c.read(R"({"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[
        {"name":"f","description":"d","parameters":{"type":"OBJECT","properties":{
            "type":{"type":"STRING","nullable":true,"enum":["STRING","B"]},
            "list":{"nullable":false,"type":"ARRAY","items":{"type":"INTEGER","format":"int64"},"max_items":"5"},
            "either":{"any_of":[{"type":"NUMBER"},{"type":"BOOLEAN"}]}},"required":["type"],
            "property_ordering":["type"]}},
        {"name":"g","parameters_json_schema":{"type":"object","additionalProperties":false}},{"name":"h"}]},
        {"googleSearch":{}},{"url_context":{}}]})"));
    auto tool = c.request.tools.begin();
    EXPECT_EQ(tool->schema, R"({"type":"object","properties":{"type":{"type":["string","null"],"enum":["STRING","B"]},)"
                            R"("list":{"type":"array","items":{"type":"integer","format":"int64"},"maxItems":5},)"
                            R"("either":{"anyOf":[{"type":"number"},{"type":"boolean"}]}},"required":["type"],)"
                            R"("propertyOrdering":["type"]})");
    EXPECT_EQ((++tool)->schema, R"({"type":"object","additionalProperties":false})");
    EXPECT_FALSE(has((++tool)->schema));
    EXPECT_FALSE((++tool)->is_function);
    EXPECT_EQ(tool->type, "google_search");
    EXPECT_EQ(tool->raw, R"({"googleSearch":{}})");
    EXPECT_EQ((++tool)->type, "url_context");
}

TEST(GeminiRequest, ChoosesATool) {
    const auto read = [](std::string_view config) {
        GeminiCase c;
        const std::string body = R"({"contents":[{"parts":[{"text":"x"}]}],"toolConfig":{"functionCallingConfig":)" +
                                 std::string(config) + "}}";
        EXPECT_TRUE(c.read(body));
        return std::pair(c.request.tool_choice.kind, std::string(c.request.tool_choice.name) + c.lost());
    };
    using Choice = ToolChoice::Kind;
    EXPECT_EQ(read(R"({"mode":"AUTO"})"), std::pair(Choice::automatic, std::string()));
    EXPECT_EQ(read(R"({"mode":"NONE"})"), std::pair(Choice::none, std::string()));
    EXPECT_EQ(read(R"({"mode":"ANY"})"), std::pair(Choice::any, std::string()));
    EXPECT_EQ(read(R"({"mode":"ANY","allowed_function_names":["f"]})"), std::pair(Choice::named, std::string("f")));
    EXPECT_EQ(read(R"({"mode":"ANY","allowedFunctionNames":["f","g"]})"),
              std::pair(Choice::any, std::string("functionCallingConfig.allowedFunctionNames")));
    EXPECT_EQ(read(R"({"mode":"VALIDATED"})"), std::pair(Choice::automatic, std::string("functionCallingConfig.mode")));
}

TEST(GeminiRequest, RefusesWhatItCannotRead) {
    struct Bad {
        std::string_view body;
        Errc code;
        std::string_view param;
        uint32_t offset;
    };
    for (const Bad& bad :
         {Bad{"", Errc::bad_message, "", 0}, Bad{"[]", Errc::bad_message, "", 0},
          Bad{"{}", Errc::bad_message, "contents", 0},
          Bad{R"({"contents":[{"role":"system","parts":[]}]})", Errc::bad_message, "contents", 13},
          Bad{R"({"contents":[7]})", Errc::bad_message, "contents", 13},
          Bad{R"({"contents":[{"parts":[{}]}]} x)", Errc::bad_message, "", 30},
          Bad{R"({"tools":[{"functionDeclarations":[{}]}]})", Errc::bad_message, "tools", 35},
          Bad{R"({"cachedContent":"cachedContents/1","contents":[]})", Errc::unsupported, "cachedContent", 17}}) {
        GeminiCase c;
        const auto step = c.read(bad.body);
        ASSERT_FALSE(step) << bad.body;
        EXPECT_EQ(step.error().code, bad.code) << bad.body;
        EXPECT_EQ(step.error().side, Side::downstream);
        EXPECT_EQ(c.context.error_param, bad.param) << bad.body;
        EXPECT_EQ(c.context.error_offset, bad.offset) << bad.body;
    }
}

// writing

TEST(GeminiRequest, WritesAConversation) {
    GeminiCase c;
    c.terms.model = "gemini-2.5-flash";
    c.say(Role::system, {.text = "Be brief."});
    c.say(Role::user, {.text = "a \\\"quote\\\""});
    c.say(Role::user, {.kind = Kind::image, .media = {.data = "iVBORw0KGgoAAAA"}});
    c.say(Role::developer, {.text = "In German."});
    c.say(Role::assistant, {.kind = Kind::thinking, .text = "hm", .signature = "c2ln"});
    c.say(Role::assistant, {.text = "Ja"});
    c.say(Role::user, {.text = ""});
    c.request.temperature = "2.5";
    c.request.top_p = "1";
    c.request.max_tokens = 100;
    c.request.seed = "3000000000";
    c.request.n = 12;
    c.request.logit_bias = R"({"1":2})";
    for (const Text word : {"a", "b", "c", "d", "e", "f"}) c.request.stop.add(c.arena, word);
    EXPECT_EQ(c.write(),
              R"({"contents":[{"role":"user","parts":[{"text":"a \"quote\""},)"
              R"({"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAAA"}}]},)"
              R"({"role":"model","parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},{"text":"Ja"}]}],)"
              R"("systemInstruction":{"parts":[{"text":"Be brief."},{"text":"In German."}]},)"
              R"("generationConfig":{"temperature":2,"topP":1,"maxOutputTokens":100,"candidateCount":8,)"
              R"("seed":2147483647,"stopSequences":["a","b","c","d","e"]}})");
    EXPECT_EQ(c.lost(), "temperature n seed stop logit_bias");
}

TEST(GeminiRequest, ResultsStandTogetherInTheOrderOfTheirCalls) {
    GeminiCase c;
    c.terms.model = "gemini-2.5-flash";
    Message& calls = c.say(Role::assistant, {.kind = Kind::tool_call,
                                             .signature = "c2ln",
                                             .tool_id = "a",
                                             .tool_name = "f",
                                             .arguments_text = R"({\"x\":1})"});
    c.add(calls, {.kind = Kind::tool_call, .tool_id = "b", .tool_name = "g", .arguments_text = ""});
    c.add(calls, {.kind = Kind::tool_call, .tool_id = "c", .tool_name = "g", .arguments_text = "{oh"});
    Part late{.kind = Kind::tool_result, .tool_id = "c"};
    late.content.add(c.arena, {.text = "third"});
    c.say(Role::tool, late);
    c.say(Role::tool, {.kind = Kind::tool_result, .tool_id = "a", .result_json = R"({"t":1})"});
    Part failed{.kind = Kind::tool_result, .is_error = true, .tool_id = "b"};
    failed.content.add(c.arena, {.text = "second"});
    failed.content.add(c.arena, {.kind = Kind::image, .media = {.data = "/9j/4AAQ"}});
    c.say(Role::tool, failed);
    c.say(Role::user, {.text = "go on"});
    EXPECT_EQ(
        c.write(),
        R"({"contents":[{"role":"model","parts":[)"
        R"({"functionCall":{"id":"a","name":"f","args":{"x":1}},"thoughtSignature":"c2ln"},)"
        R"({"functionCall":{"id":"b","name":"g","args":{}}},)"
        R"({"functionCall":{"id":"c","name":"g","args":{"_unparsed":"{oh"}}}]},)"
        R"({"role":"user","parts":[{"functionResponse":{"id":"a","name":"f","response":{"t":1}}},)"
        R"({"functionResponse":{"id":"b","name":"g","response":{"error":"second"}}},)"
        R"({"functionResponse":{"id":"c","name":"g","response":{"output":"third"}}},)"
        R"({"text":"go on"},{"inlineData":{"mimeType":"image/jpeg","data":"/9j/4AAQ"}}]}],"generationConfig":{}})");
}

// A call that another model made has no signature, and Gemini 3 refuses a turn without one.
TEST(GeminiRequest, UnsignedCallsPassTheValidatorOfModelsThatHaveOne) {
    GeminiCase c;
    c.terms.model = "gemini-3-pro-preview";
    Message& calls = c.say(Role::assistant, {.kind = Kind::tool_call, .tool_id = "a", .tool_name = "f"});
    c.add(calls, {.kind = Kind::tool_call, .tool_id = "b", .tool_name = "f"});
    Part result{.kind = Kind::tool_result, .tool_id = "a"};
    result.content.add(c.arena, {.text = "see"});
    result.content.add(c.arena, {.kind = Kind::image, .media = {.data = "/9j/4AAQ"}});
    c.say(Role::tool, result);
    EXPECT_EQ(c.write(),
              R"({"contents":[{"role":"model","parts":[{"functionCall":{"id":"a","name":"f","args":{}},)"
              R"("thoughtSignature":"skip_thought_signature_validator"},)"
              R"({"functionCall":{"id":"b","name":"f","args":{}}}]},{"role":"user","parts":[)"
              R"({"functionResponse":{"id":"a","name":"f","response":{"output":"see"},)"
              R"("parts":[{"inlineData":{"mimeType":"image/jpeg","data":"/9j/4AAQ"}}]}}]}],"generationConfig":{}})");
}

TEST(GeminiRequest, WritesToolsAndChoices) {
    GeminiCase c;
    c.terms.model = "gemini-2.5-flash";
    c.say(Role::user, {.text = "x"});
    const std::string_view long_name =
        "mcp__a_server_with_a_long_name__and_a_tool_whose_name_is_long_as_well_so_that_"
        "both_are_too_long_for_the_protocol_that_allows_128_bytes";
    c.request.tools.add(c.arena, {.name = "1st", .description = "d", .schema = R"({"type":"object"})", .strict = true});
    c.request.tools.add(c.arena, {.name = long_name});
    c.request.tools.add(c.arena, {.is_function = false,
                                  .type = "web_search_20250305",
                                  .raw = R"({"type":"web_search_20250305","name":"web_search","max_uses":5})"});
    c.request.tools.add(c.arena, {.is_function = false, .type = "computer_20250124"});
    const std::string written = c.write();
    const auto begin = written.find(R"("tools")");
    const std::string_view tools = std::string_view(written).substr(begin);
    EXPECT_TRUE(tools.starts_with(R"("tools":[{"functionDeclarations":[{"name":"_1st_)")) << tools;
    EXPECT_TRUE(
        tools.contains(R"(,"description":"d","parametersJsonSchema":{"type":"object"}},{"name":"mcp__a_server)"));
    EXPECT_TRUE(
        tools.contains(R"(]},{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}})"))
        << tools;
    EXPECT_EQ(c.lost(), "tools[].max_uses tools[].computer_20250124");
    const Text alias = c.aliases.alias_of(long_name, gemini::name_rule);
    EXPECT_LE(alias.size(), 128u);
    EXPECT_EQ(c.aliases.original_of(alias), long_name);

    c.request.tool_choice = {.kind = ToolChoice::Kind::named, .name = long_name, .parallel = false};
    EXPECT_TRUE(c.write().contains(R"("functionCallingConfig":{"mode":"ANY","allowedFunctionNames":[")" +
                                   std::string(alias) + R"("]}})"));
    EXPECT_TRUE(c.lost().ends_with("parallel_tool_calls"));
}

TEST(GeminiRequest, AChoiceWithoutToolsIsDropped) {
    GeminiCase c;
    c.say(Role::user, {.text = "x"});
    c.request.tool_choice.kind = ToolChoice::Kind::any;
    EXPECT_EQ(c.write(), R"({"contents":[{"role":"user","parts":[{"text":"x"}]}],"generationConfig":{}})");
}

TEST(GeminiRequest, SystemTextsAloneAreTheConversation) {
    GeminiCase c;
    c.say(Role::system, {.text = "Say hello."});
    EXPECT_EQ(c.write(), R"({"contents":[{"role":"user","parts":[{"text":"Say hello."}]}],"generationConfig":{}})");
}

TEST(GeminiRequest, WritesAFormat) {
    GeminiCase c;
    c.say(Role::user, {.text = "x"});
    c.request.format = {.kind = ResponseFormat::Kind::json_schema, .name = "n", .schema = R"({"type":"object"})"};
    c.request.logprobs = true;
    c.request.top_logprobs = 5;
    EXPECT_TRUE(c.write().ends_with(
        R"("generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},)"
        R"("responseLogprobs":true,"logprobs":5}})"));
}

TEST(GeminiRequest, ThinksAsMuchAsItsFamilyMay) {
    struct Row {
        std::string_view model;
        Reasoning reasoning;
        std::string_view config;
        std::string_view lost;
    };
    const Row rows[] = {
        {"gemini-2.5-pro", {}, "", ""},
        {"gemini-2.5-pro", {.effort = Effort::low}, R"("thinkingBudget":1024,"includeThoughts":true)", ""},
        {"gemini-2.5-pro", {.effort = Effort::xhigh}, R"("thinkingBudget":32768,"includeThoughts":true)", ""},
        {"gemini-2.5-flash", {.effort = Effort::xhigh}, R"("thinkingBudget":24576,"includeThoughts":true)", ""},
        {"gemini-2.5-flash", {.effort = Effort::none}, R"("thinkingBudget":0)", ""},
        {"gemini-2.5-pro", {.effort = Effort::none}, R"("thinkingBudget":128)", "reasoning_effort"},
        {"gemini-2.5-pro",
         {.budget_tokens = 50000},
         R"("thinkingBudget":32768,"includeThoughts":true)",
         "budget_tokens"},
        {"gemini-2.5-flash", {.budget_tokens = -1, .include_thoughts = false}, R"("thinkingBudget":-1)", ""},
        {"gemini-3-pro-preview",
         {.effort = Effort::medium},
         R"("thinkingLevel":"HIGH","includeThoughts":true)",
         "reasoning_effort"},
        {"gemini-3-pro-preview", {.effort = Effort::minimal}, R"("thinkingLevel":"LOW","includeThoughts":true)", ""},
        {"gemini-3-flash", {.budget_tokens = 4000}, R"("thinkingLevel":"LOW","includeThoughts":true)", ""},
        {"gemini-3-flash", {.budget_tokens = -1}, R"("includeThoughts":true)", ""},
        {"gemini-3.1-pro", {.effort = Effort::medium}, R"("thinkingLevel":"MEDIUM","includeThoughts":true)", ""},
        {"gemini-flash-latest", {.effort = Effort::none}, R"("thinkingLevel":"MINIMAL")", "reasoning_effort"},
        {"gemini-2.0-flash", {.effort = Effort::high}, "", "reasoning_effort"},
        {"gemini-2.0-flash", {.effort = Effort::none}, "", ""},
    };
    for (const Row& row : rows) {
        GeminiCase c;
        c.terms.model = row.model;
        c.say(Role::user, {.text = "x"});
        c.request.reasoning = row.reasoning;
        const std::string config = row.config.empty() ? "" : R"("thinkingConfig":{)" + std::string(row.config) + "}";
        EXPECT_TRUE(c.write().ends_with(R"("generationConfig":{)" + config + "}}")) << row.model << c.write();
        EXPECT_EQ(c.lost(), row.lost) << row.model;
    }
}

TEST(GeminiRequest, AFileOfAnotherProviderIsRefused) {
    GeminiCase c;
    c.say(Role::user, {.kind = Kind::file, .media = {.source = Media::Source::file_id, .data = "file-abc"}});
    ByteBuffer out(c.pool);
    const auto step = gemini_dialect().write_request(c.request, c.context, out);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Errc::unsupported);
    EXPECT_EQ(c.context.error_param, std::string_view("file_id"));
}

// What both know comes back from the document as it went in.
TEST(GeminiRequest, IsReadAsItWasWritten) {
    const std::string_view document =
        R"({"contents":[{"role":"user","parts":[{"text":"Wie geht's? \u00e4 \\ \""},)"
        R"({"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"fileData":{"mimeType":"video/mp4","fileUri":"gs://b/v"}}]},)"
        R"({"role":"model","parts":[{"text":"t","thought":true,"thoughtSignature":"cw"},{"text":"x","thoughtSignature":"dw"},)"
        R"({"functionCall":{"id":"i1","name":"f","args":{"a":[1,2]}},"thoughtSignature":"eA"}]},)"
        R"({"role":"user","parts":[{"functionResponse":{"id":"i1","name":"f","response":{"k":1}}},{"text":"next"}]}],)"
        R"("systemInstruction":{"parts":[{"text":"S"}]},)"
        R"("tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]},)"
        R"({"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},)"
        R"("generationConfig":{"temperature":0.5,"topP":0.25,"topK":3,"maxOutputTokens":9,"candidateCount":2,"seed":-5,)"
        R"("presencePenalty":1,"frequencyPenalty":-1,"stopSequences":["x"],"responseMimeType":"application/json",)"
        R"("responseJsonSchema":{"type":"object"},"responseLogprobs":true,"logprobs":2,)"
        R"("thinkingConfig":{"thinkingBudget":2048,"includeThoughts":true}}})";
    GeminiCase c;
    c.terms.model = "gemini-2.5-flash";
    ASSERT_TRUE(c.read(document));
    EXPECT_EQ(c.write(), document);
    EXPECT_EQ(c.lost(), "");
}

TEST(GeminiRequest, HurtDocumentsAreRefusedAndNothingElse) {
    const std::string_view document =
        R"({"systemInstruction":{"parts":[{"text":"S"}]},"contents":[{"role":"user","parts":[{"text":"a\u00e4"},)"
        R"({"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},{"role":"model","parts":[{"functionCall":{"name":"f",)"
        R"("args":{"a":[1,{"b":null}]}},"thoughtSignature":"eA"},{"text":"t","thought":true}]},{"role":"user","parts":)"
        R"([{"functionResponse":{"name":"f","response":{"output":"x"},"parts":[{"inlineData":{"data":"A"}}]}}]}],"tools":)"
        R"([{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","nullable":true,"properties":{"a":)"
        R"({"type":"STRING","maxLength":"5"}}}}]}],"generationConfig":{"topK":1,"thinkingConfig":{"thinkingBudget":1}}})";
    hurt(document, 4711, [](const std::string& body, bool cut) {
        GeminiCase c;
        if (c.read(body)) {
            EXPECT_FALSE(cut) << body;
            ByteBuffer out(c.pool);
            (void)gemini_dialect().write_request(c.request, c.context, out);
        } else {
            EXPECT_LE(c.context.error_offset, body.size());
        }
    });
}

TEST(GeminiRequest, DeepSchemasEndAtTheDepthThatDocumentsMayHave) {
    std::string schema;
    for (int i = 0; i < 5000; ++i) schema += R"({"items":)";
    GeminiCase c;
    const std::string body =
        R"({"contents":[],"tools":[{"functionDeclarations":[{"name":"f","parameters":)" + schema + "}]}]}";
    EXPECT_FALSE(c.read(body));
}

// countTokens

TEST(GeminiCount, ReadsBothFormsOfItsRequest) {
    for (const std::string_view body :
         {R"({"contents":[{"parts":[{"text":"Hi"}]}]})",
          R"({"generateContentRequest":{"model":"models/m","contents":[{"parts":[{"text":"Hi"}]}],"tools":[]}})"}) {
        GeminiCase c;
        ASSERT_TRUE(gemini::read_count_request(body, c.context, c.request));
        ASSERT_EQ(c.request.messages.count(), 1u);
        EXPECT_EQ(c.part(0, 0).text, "Hi");
    }
    GeminiCase c;
    EXPECT_FALSE(gemini::read_count_request("{}", c.context, c.request));
    EXPECT_FALSE(gemini::read_count_request("7", c.context, c.request));
}

TEST(GeminiCount, AsksForAWholeRequestThatNamesItsModel) {
    GeminiCase c;
    c.terms.model = "gemini-2.5-pro";
    ASSERT_TRUE(c.read(R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}]})"));
    ByteBuffer out(c.pool);
    ASSERT_TRUE(gemini::write_count_request(c.request, c.context, out));
    EXPECT_EQ(out.view(), R"({"generateContentRequest":{"model":"models/gemini-2.5-pro",)"
                          R"("contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}}})");
}

}  // namespace
}  // namespace loom::llm
