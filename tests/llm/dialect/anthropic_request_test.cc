#include <random>

#include "../dom.h"
#include "anthropic_count.h"
#include "anthropic_desk.h"
#include "anthropic_model.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

constexpr std::string_view whole_request = R"({"model":"claude-sonnet-4-5","max_tokens":1024,
 "system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
 "messages":[
  {"role":"user","content":"Hello \"you\""},
  {"role":"assistant","content":[
    {"type":"thinking","thinking":"hm","signature":"EqQB+/="},
    {"type":"redacted_thinking","data":"EmwK"},
    {"type":"text","text":"Let me look."},
    {"type":"tool_use","id":"toolu_01","name":"get_weather","input":{"city":"Köln","n":1.0}},
    {"type":"tool_use","id":"toolu_02","name":"get_time","input":{}}]},
  {"role":"user","content":[
    {"type":"tool_result","tool_use_id":"toolu_01","content":"15 °C","cache_control":{"type":"ephemeral"}},
    {"type":"tool_result","tool_use_id":"toolu_02","is_error":true,"content":[{"type":"text","text":"no clock"},
      {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]},
    {"type":"image","source":{"type":"url","url":"https://a.example/b.jpg"}},
    {"type":"image","source":{"type":"file","file_id":"file_1"}},
    {"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}},
    {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}},
    {"type":"text","text":"And now?"}]}],
 "tools":[{"name":"get_weather","description":"Weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true,"cache_control":{"type":"ephemeral"}},
  {"type":"custom","name":"get_time","input_schema":{"type":"object"}},
  {"type":"web_search_20250305","name":"web_search","max_uses":5}],
 "tool_choice":{"type":"auto","disable_parallel_tool_use":true},
 "stop_sequences":["END","\n\nHuman:"],"temperature":0.7,"top_k":5,"stream":true,
 "metadata":{"user_id":"u-1"},"service_tier":"standard_only",
 "output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}})";

TEST(AnthropicRequest, IsReadWhole) {
    Desk desk;
    const ChatRequest request = desk.request(whole_request);
    EXPECT_EQ(desk.dropped(), "");
    EXPECT_EQ(request.model, "claude-sonnet-4-5");
    EXPECT_EQ(request.max_tokens, 1024u);
    ASSERT_EQ(request.messages.count(), 4u);
    std::vector<Message> messages(request.messages.begin(), request.messages.end());
    EXPECT_EQ(messages[0].role, Role::system);
    EXPECT_EQ(messages[0].parts.front().text, "Be brief.");
    EXPECT_EQ(messages[0].parts.front().cache_control, R"({"type":"ephemeral","ttl":"1h"})");
    EXPECT_EQ(messages[1].parts.front().text, R"(Hello \"you\")");  // raw, as it stands
    std::vector<Part> said(messages[2].parts.begin(), messages[2].parts.end());
    ASSERT_EQ(said.size(), 5u);
    EXPECT_EQ(said[0].kind, Part::Kind::thinking);
    EXPECT_EQ(said[0].signature, "EqQB+/=");
    EXPECT_EQ(said[1].kind, Part::Kind::redacted_thinking);
    EXPECT_EQ(said[1].text, "EmwK");
    EXPECT_EQ(said[3].tool_id, "toolu_01");
    EXPECT_EQ(said[3].arguments, R"({"city":"Köln","n":1.0})");
    EXPECT_EQ(said[4].arguments, "{}");
    std::vector<Part> given(messages[3].parts.begin(), messages[3].parts.end());
    ASSERT_EQ(given.size(), 7u);
    EXPECT_EQ(given[0].tool_id, "toolu_01");
    EXPECT_EQ(given[0].content.front().text, "15 °C");
    EXPECT_TRUE(given[1].is_error);
    EXPECT_EQ(given[1].content.back().media.media_type, "image/png");
    EXPECT_EQ(given[2].media.source, Media::Source::url);
    EXPECT_EQ(given[3].media.data, "file_1");
    EXPECT_EQ(given[4].media.name, "a.pdf");
    EXPECT_EQ(given[5].media.source, Media::Source::text);
    std::vector<Tool> tools(request.tools.begin(), request.tools.end());
    ASSERT_EQ(tools.size(), 3u);
    EXPECT_EQ(tools[0].strict, true);
    EXPECT_TRUE(tools[1].is_function);
    EXPECT_FALSE(tools[2].is_function);
    EXPECT_EQ(tools[2].raw, R"({"type":"web_search_20250305","name":"web_search","max_uses":5})");
    EXPECT_EQ(request.tool_choice.kind, ToolChoice::Kind::automatic);
    EXPECT_EQ(request.tool_choice.parallel, false);
    EXPECT_EQ(request.stop.back(), R"(\n\nHuman:)");
    EXPECT_EQ(request.temperature, "0.7");
    EXPECT_EQ(request.top_k, "5");
    EXPECT_TRUE(request.stream);
    EXPECT_EQ(request.user, "u-1");
    EXPECT_EQ(request.service_tier, "default");
    EXPECT_EQ(request.format.kind, ResponseFormat::Kind::json_schema);
}

TEST(AnthropicRequest, ComesBackFromItsOwnWriterTheSameToTheByte) {
    Desk first;
    const std::string once = first.written(first.request(whole_request));
    EXPECT_TRUE(Dom(once).valid()) << once;
    Desk second;
    const std::string twice = second.written(second.request(once));
    EXPECT_EQ(once, twice);
    EXPECT_EQ(first.dropped(), "");
    for (
        const std::string_view kept :
        {R"({"city":"Köln","n":1.0})", R"("signature":"EqQB+/=")", R"({"type":"redacted_thinking","data":"EmwK"})",
         R"("max_uses":5)", R"("cache_control":{"type":"ephemeral","ttl":"1h"})", R"("title":"a.pdf")",
         R"({"type":"file","file_id":"file_1"})", R"("is_error":true)", R"("service_tier":"standard_only")",
         R"("disable_parallel_tool_use":true)", R"("stop_sequences":["END","\n\nHuman:"])", R"("user_id":"u-1")",
         R"("output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}})"})
        EXPECT_NE(once.find(kept), once.npos) << kept;
}

TEST(AnthropicRequest, WhatHasNoWordIsNamed) {
    Desk desk;
    const ChatRequest request = desk.request(
        R"({"model":"m","max_tokens":1,"container":"c","mcp_servers":[],"speed":null,"inference_geo":"us","new_field":{"a":1},
         "messages":[{"role":"user","content":[{"type":"container_upload","file_id":"f"},{"type":"text","text":"a","glow":1}]},
          {"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
           {"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"b"}]}],
         "tools":[{"name":"t","input_schema":{},"defer_loading":true,"allowed_callers":["direct"],"eager_input_streaming":null}],
         "output_config":{"effort":"max","task_budget":{"type":"tokens","total":5}}})");
    EXPECT_EQ(desk.dropped(),
              "container inference_geo new_field file_id container_upload glow server_tool_use web_search_tool_result "
              "defer_loading allowed_callers task_budget");
    EXPECT_EQ(request.messages.back().parts.front().text, "b");
    EXPECT_EQ(request.reasoning.effort, Reasoning::Effort::max);
}

TEST(AnthropicRequest, SearchResultsAndDocumentsOfBlocksBecomeText) {
    Desk desk;
    const ChatRequest request = desk.request(
        R"({"messages":[{"role":"user","content":[
         {"type":"search_result","source":"https://a.example","title":"A","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}],"citations":{"enabled":true}},
         {"type":"document","source":{"type":"content","content":[{"type":"text","text":"x"},{"type":"image","source":{"type":"url","url":"https://i.example"}}]}}]}]})");
    const std::vector<Part> parts(request.messages.front().parts.begin(), request.messages.front().parts.end());
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[0].text, R"(A\nhttps://a.example\n\none\ntwo)");
    EXPECT_EQ(parts[1].media.data, "x");
    EXPECT_EQ(parts[2].kind, Part::Kind::image);
    EXPECT_EQ(desk.dropped(), "citations");
}

TEST(AnthropicRequest, ThinkingIsReadInItsThreeForms) {
    const auto reasoning = [](std::string_view members) {
        Desk desk;
        return desk.request(R"({"messages":[],)" + std::string(members) + "}").reasoning;
    };
    Reasoning read = reasoning(R"("thinking":{"type":"enabled","budget_tokens":10000})");
    EXPECT_EQ(read.budget_tokens, 10000);
    EXPECT_EQ(read.include_thoughts, true);
    read = reasoning(R"("thinking":{"type":"disabled"})");
    EXPECT_EQ(read.effort, Reasoning::Effort::none);
    EXPECT_EQ(read.budget_tokens, 0);
    read = reasoning(R"("thinking":{"type":"adaptive","display":"omitted"})");
    EXPECT_EQ(read.budget_tokens, -1);
    EXPECT_EQ(read.include_thoughts, false);
    read = reasoning(R"("output_config":{"effort":"low"},"thinking":{"type":"adaptive"})");
    EXPECT_EQ(read.effort, Reasoning::Effort::low);
    EXPECT_EQ(read.budget_tokens, std::nullopt);
}

TEST(AnthropicRequest, ABadOneSaysWhere) {
    const auto refused = [](std::string_view body, std::string_view param, uint32_t offset) {
        Desk desk;
        ChatRequest request;
        const Result<void> read = anthropic_dialect().read_request(body, desk.context, request);
        ASSERT_FALSE(read) << body;
        EXPECT_EQ(read.error().code, Errc::bad_message);
        EXPECT_EQ(read.error().side, Side::downstream);
        EXPECT_EQ(desk.context.error_param, param) << body;
        EXPECT_EQ(desk.context.error_offset, offset) << body;
    };
    refused(R"({"messages":5})", "messages", 12);
    refused(R"({"model":"m"})", "messages", 0);
    refused(R"({"messages":[{"role":"robot","content":"x"}]})", "messages", 13);
    refused(R"({"messages":[{"role":"user"}]})", "messages", 13);
    refused(R"({"messages":[{"role":"user","content":[{"text":"x"}]}]})", "messages", 39);
    refused(R"({"messages":[{"role":"user","content":[{"type":"text","text":7}]}]})", "messages", 61);
    refused(R"({"max_tokens":"many","messages":[]})", "max_tokens", 14);
    refused(R"({"messages":[],"temperature":"hot"})", "temperature", 29);
    refused(R"({"messages":[],"tool_choice":{"type":"tool"}})", "tool_choice", 29);
    refused(R"({"messages":[]} x)", "", 16);
    refused("{\"messages\":[],\"a\":\"\xff\"}", "", 20);
}

// Writing.

TEST(AnthropicWriter, MergesTurnsPutsResultsFirstAndKeepsTheTextBeside) {  // higress#3503
    Desk desk;
    ChatRequest request;
    desk.say(request, Role::system, "S1");
    desk.say(request, Role::developer, "S2");
    desk.say(request, Role::user, "a");
    desk.say(request, Role::user, "b");
    Message& called = desk.say(request, Role::assistant, "");
    desk.part(called,
              {.kind = Part::Kind::tool_call, .tool_id = "c1", .tool_name = "f", .arguments_text = R"({\"x\":1})"});
    desk.part(called, {.kind = Part::Kind::tool_call, .tool_id = "c2", .tool_name = "g", .arguments_text = ""});
    desk.say(request, Role::user, "meanwhile");
    for (const std::string_view id : {"c1", "c2"}) {
        Part& result = desk.part(desk.say(request, Role::tool), {.kind = Part::Kind::tool_result, .tool_id = id});
        result.content.add(desk.arena, {.kind = Part::Kind::text, .text = "ok"});
    }
    request.tools.add(desk.arena, {.name = "f"});
    const std::string text = desk.written(request);
    EXPECT_EQ(member(text, "system"), R"([{"type":"text","text":"S1"},{"type":"text","text":"S2"}])");
    EXPECT_EQ(
        member(text, "messages"),
        R"([{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},)"
        R"({"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"f","input":{"x":1}},)"
        R"({"type":"tool_use","id":"c2","name":"g","input":{}}]},)"
        R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"ok"}]},)"
        R"({"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"ok"}]},)"
        R"({"type":"text","text":"meanwhile"}]}])");
    EXPECT_EQ(member(text, "max_tokens"), "4096");
    EXPECT_EQ(member(text, "input_schema"), R"({"type":"object","properties":{}})");
    EXPECT_EQ(desk.dropped(), "");
}

TEST(AnthropicWriter, SystemTextsInTheMiddleStayWhereTheModelTakesThemThere) {
    const auto written = [](std::string_view model, Desk& desk) {
        desk.terms.model = model;
        ChatRequest request;
        desk.say(request, Role::system, "first");
        desk.say(request, Role::user, "u1");
        desk.say(request, Role::developer, "behind u1");
        desk.say(request, Role::assistant, "a1");
        desk.say(request, Role::system, "before u2");
        desk.say(request, Role::user, "u2");
        return desk.written(request);
    };
    Desk newer;
    EXPECT_EQ(member(written("claude-opus-4-8", newer), "messages"),
              R"([{"role":"user","content":[{"type":"text","text":"u1"}]},)"
              R"({"role":"system","content":[{"type":"text","text":"behind u1"}]},)"
              R"({"role":"assistant","content":[{"type":"text","text":"a1"}]},)"
              R"({"role":"user","content":[{"type":"text","text":"u2"}]},)"
              R"({"role":"system","content":[{"type":"text","text":"before u2"}]}])");
    EXPECT_EQ(newer.dropped(), "messages[].role");  // the second moved behind the user's words
    Desk older, vertex;
    vertex.terms.quirks.no_system_in_messages = true;
    for (const std::string& text : {written("claude-sonnet-4-5", older), written("claude-opus-4-8", vertex)})
        EXPECT_EQ(
            member(text, "system"),
            R"([{"type":"text","text":"first"},{"type":"text","text":"behind u1"},{"type":"text","text":"before u2"}])");
    EXPECT_EQ(older.dropped(), "messages[].role");
    EXPECT_EQ(vertex.dropped(), "messages[].role");
}

TEST(AnthropicWriter, OnVertexTheBodySaysItsVersionAndNoModel) {
    Desk desk;
    desk.terms.model = "claude-opus-4-8";
    desk.terms.body_version = "vertex-2023-10-16";
    ChatRequest request;
    desk.say(request, Role::user, "u1");
    const std::string text = desk.written(request);
    EXPECT_EQ(member(text, "anthropic_version"), R"("vertex-2023-10-16")");
    EXPECT_EQ(text.find(R"("model")"), std::string::npos) << text;
}

TEST(AnthropicWriter, ASystemTextBehindTheUsersIsAtItsPlace) {
    Desk desk;
    desk.terms.model = "claude-opus-4-8";
    ChatRequest request;
    desk.say(request, Role::user, "u1");
    desk.say(request, Role::system, "now");
    EXPECT_EQ(member(desk.written(request), "messages"),
              R"([{"role":"user","content":[{"type":"text","text":"u1"}]},)"
              R"({"role":"system","content":[{"type":"text","text":"now"}]}])");
    EXPECT_EQ(desk.dropped(), "");
    desk.say(request, Role::assistant, "a1");
    desk.say(request, Role::system, "at the end");  // behind an assistant's turn there is no place
    EXPECT_EQ(member(desk.written(request), "system"), R"([{"type":"text","text":"at the end"}])");
    EXPECT_EQ(desk.dropped(), "messages[].role");
}

TEST(AnthropicWriter, AConversationOfSystemTextsAloneIsTheUsers) {
    Desk desk;
    ChatRequest request;
    desk.say(request, Role::system, "Tell a joke.");
    const std::string text = desk.written(request);
    EXPECT_EQ(member(text, "messages"), R"([{"role":"user","content":[{"type":"text","text":"Tell a joke."}]}])");
    EXPECT_EQ(member(text, "system"), "");
    EXPECT_EQ(desk.dropped(), "messages[].role");
}

TEST(AnthropicWriter, NoBlankTextsNoUnsignedThinkingNoSpaceBehindAPrefill) {
    Desk desk;
    ChatRequest request;
    desk.say(request, Role::user, "q");
    desk.say(request, Role::user, " \\n\\t ");
    Message& answer = desk.say(request, Role::assistant);
    desk.part(answer, {.kind = Part::Kind::thinking, .text = "not mine"});
    desk.part(answer, {.kind = Part::Kind::text, .text = "{ \\\\n \\n "});
    EXPECT_EQ(member(desk.written(request), "messages"),
              R"([{"role":"user","content":[{"type":"text","text":"q"}]},)"
              R"({"role":"assistant","content":[{"type":"text","text":"{ \\n"}]}])");
    EXPECT_EQ(desk.dropped(), "reasoning_content");
    ChatRequest nothing;
    desk.say(nothing, Role::user, "  ");
    ByteBuffer out(desk.pool);
    const Result<void> written = anthropic_dialect().write_request(nothing, desk.context, out);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Errc::unsupported);
    EXPECT_STREQ(desk.context.error_param, "messages");
}

TEST(AnthropicWriter, NamesAndIdsThatAreRefusedHaveAliases) {
    Desk desk;
    ChatRequest request;
    const std::string long_name(80, 'n');
    Message& message = desk.say(request, Role::assistant, "x");
    desk.part(message,
              {.kind = Part::Kind::tool_call, .tool_id = "call:1/a", .tool_name = "my.tool", .arguments = "{}"});
    desk.part(desk.say(request, Role::tool), {.kind = Part::Kind::tool_result, .tool_id = "call:1/a"});
    request.tools.add(desk.arena, {.name = "my.tool"});
    request.tools.add(desk.arena, {.name = long_name});
    request.tool_choice = {.kind = ToolChoice::Kind::named, .name = "my.tool"};
    const std::string text = desk.written(request);
    EXPECT_EQ(text.find("my.tool"), text.npos);
    EXPECT_EQ(text.find("call:1"), text.npos);
    const std::string id = member(text, "id");
    EXPECT_EQ(member(text, "tool_use_id"), id);
    const std::string choice = member(text, "tool_choice");
    const std::string alias = member(choice, "name");
    EXPECT_NE(text.find(R"({"name":)" + alias), text.npos);
    EXPECT_EQ(desk.aliases.original_of(std::string_view(alias).substr(1, alias.size() - 2)), "my.tool");
    const ChatAnswer answer = desk.answer(R"({"content":[{"type":"tool_use","id":"t","name":)" + alias +
                                          R"(,"input":{}}],"stop_reason":"tool_use"})");
    EXPECT_EQ(answer.choices.front().parts.front().tool_name, "my.tool");
}

TEST(AnthropicWriter, ToolsAreDeclaredWhileTheConversationHoldsCalls) {  // litellm#7755
    Desk desk;
    ChatRequest request;
    desk.say(request, Role::user, "q");
    Message& message = desk.say(request, Role::assistant);
    for (int i = 0; i < 2; ++i)
        desk.part(message,
                  {.kind = Part::Kind::tool_call, .tool_id = i ? "b" : "a", .tool_name = "f", .arguments = "{}"});
    request.tool_choice = {.kind = ToolChoice::Kind::any};  // apisix#13583: none to choose from
    const std::string text = desk.written(request);
    EXPECT_EQ(member(text, "tools"), R"([{"name":"f","input_schema":{"type":"object","properties":{}}}])");
    EXPECT_EQ(member(text, "tool_choice"), R"({"type":"none"})");
    ChatRequest plain;
    desk.say(plain, Role::user, "q");
    plain.tool_choice = {.kind = ToolChoice::Kind::automatic};
    EXPECT_EQ(member(desk.written(plain), "tool_choice"), "");
}

TEST(AnthropicWriter, SchemasSayThatTheyAreObjects) {
    const auto schema = [](std::string_view given) {
        Desk desk;
        ChatRequest request;
        desk.say(request, Role::user, "q");
        request.tools.add(desk.arena, {.name = "f", .schema = given});
        const std::string text = desk.written(request);
        EXPECT_TRUE(Dom(text).valid()) << text;
        return member(text, "input_schema");
    };
    EXPECT_EQ(schema("{}"), R"({"type":"object","properties":{}})");
    EXPECT_EQ(schema("{ }"), R"({"type":"object","properties":{}})");
    EXPECT_EQ(schema("true"), R"({"type":"object","properties":{}})");
    EXPECT_EQ(schema(R"({"properties":{"type":{}}})"), R"({"type":"object","properties":{"type":{}}})");
    EXPECT_EQ(schema(R"({"required":[],"type":"object"})"), R"({"required":[],"type":"object"})");
}

TEST(AnthropicWriter, WhatItCannotSayIsNamedOrRefused) {
    Desk desk;
    ChatRequest request;
    Message& message = desk.say(request, Role::user, "q");
    message.name = "bob";
    request.n = 2;
    request.seed = "7";
    request.presence_penalty = "0.0";
    request.frequency_penalty = "0.5";
    request.logit_bias = R"({"1":2})";
    request.logprobs = true;
    request.top_logprobs = 3;
    request.verbosity = "low";
    request.prompt_cache_key = "k";
    request.metadata = R"({"a":"b"})";
    request.service_tier = "flex";
    request.temperature = "1.7";
    request.top_p = "0.9";
    request.format.kind = ResponseFormat::Kind::json_object;
    request.stop.add(desk.arena, "\\n");
    request.tools.add(desk.arena, {.is_function = false, .type = "web_search_preview", .raw = "{}"});
    const std::string text = desk.written(request);
    EXPECT_EQ(member(text, "temperature"), "1");
    EXPECT_EQ(desk.dropped(),
              "messages[].name web_search_preview response_format temperature top_p stop service_tier n seed "
              "frequency_penalty logit_bias logprobs top_logprobs verbosity prompt_cache_key metadata");
    for (const Part::Kind kind : {Part::Kind::audio, Part::Kind::video}) {
        ChatRequest media;
        desk.part(desk.say(media, Role::user), {.kind = kind});
        ByteBuffer out(desk.pool);
        const Result<void> written = anthropic_dialect().write_request(media, desk.context, out);
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, Errc::unsupported);
        EXPECT_STREQ(desk.context.error_param, "messages");
    }
}

TEST(AnthropicWriter, FilesArePdfOrText) {
    const auto written = [](Media media) {
        Desk desk;
        ChatRequest request;
        desk.part(desk.say(request, Role::user), {.kind = Part::Kind::file, .media = media});
        ByteBuffer out(desk.pool);
        const Result<void> result = anthropic_dialect().write_request(request, desk.context, out);
        if (!result) EXPECT_EQ(result.error().code, Errc::unsupported);
        return result ? member(out.view(), "source") : std::string("refused");
    };
    EXPECT_EQ(written({.data = "JVBERi0=", .media_type = "application/pdf"}),
              R"({"type":"base64","media_type":"application/pdf","data":"JVBERi0="})");
    EXPECT_EQ(written({.data = "YSJiCsOp", .media_type = "text/csv"}),
              R"({"type":"text","media_type":"text/plain","data":"a\"b\né"})");
    EXPECT_EQ(written({.data = "eyJhIjoxfQ==", .media_type = "application/json"}),
              R"({"type":"text","media_type":"text/plain","data":"{\"a\":1}"})");
    EXPECT_EQ(written({.data = "YQ==", .media_type = "text\\/plain"}),
              R"({"type":"text","media_type":"text/plain","data":"a"})");
    EXPECT_EQ(written({.data = "w7==", .media_type = "text/plain"}), "refused");  // half a letter
    EXPECT_EQ(written({.data = "a b", .media_type = "text/plain"}), "refused");
    EXPECT_EQ(written({.data = "UEsDBA==", .media_type = "application/zip"}), "refused");
    EXPECT_EQ(written({.source = Media::Source::url, .data = "gs://b/f.pdf"}), "refused");
    EXPECT_EQ(written({.source = Media::Source::url, .data = "https://a.example/f.pdf"}),
              R"({"type":"url","url":"https://a.example/f.pdf"})");
}

/// The members that tell how to think and to sample, of a request for `model`.
std::string thinking(std::string_view model, Reasoning reasoning, uint64_t max_tokens, std::string* dropped = nullptr,
                     ToolChoice::Kind choice = ToolChoice::Kind::unset) {
    Desk desk;
    desk.terms.model = model;
    ChatRequest request;
    desk.say(request, Role::user, "q");
    request.reasoning = reasoning;
    request.max_tokens = max_tokens;
    request.temperature = "0.5";
    if (choice != ToolChoice::Kind::unset) {
        request.tools.add(desk.arena, {.name = "f"});
        request.tool_choice = {.kind = choice, .name = "f"};
    }
    const std::string text = desk.written(request);
    if (dropped != nullptr) *dropped = desk.dropped();
    std::string told = member(text, "max_tokens");
    for (const std::string_view name : {"thinking", "output_config", "tool_choice", "temperature"}) {
        const std::string value = member(text, name);
        if (!value.empty()) told += " " + value;
    }
    return told;
}

TEST(AnthropicThinking, ABudgetStaysBelowMaxTokens) {  // agentgateway#2856, higress#4244
    using Effort = Reasoning::Effort;
    const std::string_view model = "claude-sonnet-4-5";
    std::string dropped;
    // The client's bound is not raised: what it pays for is its own choice.
    EXPECT_EQ(thinking(model, {.budget_tokens = 8000}, 8000, &dropped),
              R"(8000 {"type":"enabled","budget_tokens":6000})");
    EXPECT_EQ(dropped, "reasoning.budget_tokens temperature");
    EXPECT_EQ(thinking(model, {.effort = Effort::high}, 8000, &dropped),
              R"(8000 {"type":"enabled","budget_tokens":6000})");
    EXPECT_EQ(dropped, "temperature");
    EXPECT_EQ(thinking(model, {.budget_tokens = 2000}, 8000, &dropped),
              R"(8000 {"type":"enabled","budget_tokens":2000})");
    // Ours is, for it is the answer's.
    EXPECT_EQ(thinking(model, {.budget_tokens = 10000}, 0), R"(14096 {"type":"enabled","budget_tokens":10000})");
    EXPECT_EQ(thinking(model, {.effort = Effort::low}, 0), R"(5120 {"type":"enabled","budget_tokens":1024})");
    // No room for the least of budgets.
    EXPECT_EQ(thinking(model, {.effort = Effort::low}, 1024, &dropped), "1024 0.5");
    EXPECT_EQ(dropped, "reasoning_effort");
    EXPECT_EQ(thinking(model, {.effort = Effort::low}, 1025), R"(1025 {"type":"enabled","budget_tokens":1024})");
    for (uint64_t max_tokens = 1; max_tokens < 5000; ++max_tokens) {
        const std::string told = thinking(model, {.budget_tokens = 4096}, max_tokens);
        const size_t at = told.find(R"("budget_tokens":)");
        if (at == told.npos) continue;
        const uint64_t budget = std::stoull(told.substr(at + 16));
        ASSERT_GE(budget, 1024u) << max_tokens;
        ASSERT_LT(budget, max_tokens);
    }
    EXPECT_EQ(thinking(model, {.budget_tokens = INT64_MAX}, 0).substr(0, 20), "9223372036854779903 ");
}

TEST(AnthropicThinking, EachModelIsToldInItsOwnWords) {
    using Effort = Reasoning::Effort;
    std::string dropped;
    EXPECT_EQ(thinking("claude-opus-4-8", {.effort = Effort::xhigh}, 100, &dropped),
              R"(100 {"type":"adaptive"} {"effort":"xhigh"})");
    EXPECT_EQ(dropped, "temperature");
    EXPECT_EQ(thinking("anthropic/claude-opus-4.6", {.effort = Effort::xhigh}, 100, &dropped),
              R"(100 {"type":"adaptive"} {"effort":"high"})");
    EXPECT_EQ(dropped, "reasoning_effort temperature");
    EXPECT_EQ(thinking("claude-opus-4-6", {.budget_tokens = 2000}, 9000),
              R"(9000 {"type":"enabled","budget_tokens":2000})");
    EXPECT_EQ(thinking("claude-sonnet-5", {.budget_tokens = 2000, .include_thoughts = true}, 9000, &dropped),
              R"(9000 {"type":"adaptive","display":"summarized"} {"effort":"low"})");
    EXPECT_EQ(dropped, "reasoning.budget_tokens temperature");
    EXPECT_EQ(thinking("claude-sonnet-5", {.effort = Effort::none}, 9000), R"(9000 {"type":"disabled"})");
    EXPECT_EQ(thinking("claude-opus-5-5", {.effort = Effort::none}, 9000, &dropped), R"(9000 {"effort":"low"})");
    EXPECT_EQ(dropped, "reasoning_effort temperature");
    EXPECT_EQ(thinking("claude-sonnet-5-5", {.budget_tokens = 0}, 9000),
              R"(9000 {"type":"between_tools"} {"effort":"low"})");
    EXPECT_EQ(thinking("claude-3-5-haiku-20241022", {.effort = Effort::high}, 9000, &dropped), "9000 0.5");
    EXPECT_EQ(dropped, "reasoning_effort");
    EXPECT_EQ(thinking("deepseek-chat", {}, 9000), "9000 0.5");
    EXPECT_EQ(thinking("claude-something-new", {}, 9000, &dropped), "9000");
    EXPECT_EQ(dropped, "temperature");
}

TEST(AnthropicThinking, GivesWayToAForcedTool) {
    using Effort = Reasoning::Effort;
    std::string dropped;
    EXPECT_EQ(thinking("claude-sonnet-4-5", {.effort = Effort::high}, 9000, &dropped, ToolChoice::Kind::named),
              R"(9000 {"type":"tool","name":"f"} 0.5)");
    EXPECT_EQ(dropped, "reasoning_effort");
    EXPECT_EQ(thinking("claude-sonnet-5", {.effort = Effort::high}, 9000, &dropped, ToolChoice::Kind::any),
              R"(9000 {"type":"adaptive"} {"effort":"high"} {"type":"any"})");
    EXPECT_EQ(thinking("claude-opus-5-5", {.effort = Effort::high}, 9000, &dropped, ToolChoice::Kind::any),
              R"(9000 {"type":"adaptive"} {"effort":"high"} {"type":"auto"})");
    EXPECT_EQ(dropped, "tool_choice temperature");
}

TEST(AnthropicThinking, GivesWayToCallsWhoseThinkingIsLost) {
    // A client of another protocol sends its calls back without the thinking; Anthropic answers 400: "expected
    // `thinking` or `redacted_thinking`, but found `tool_use`".
    for (const bool signed_thinking : {false, true}) {
        Desk desk;
        ChatRequest request;
        desk.say(request, Role::user, "q");
        Message& message = desk.say(request, Role::assistant);
        if (signed_thinking) desk.part(message, {.kind = Part::Kind::thinking, .text = "t", .signature = "s"});
        desk.part(message, {.kind = Part::Kind::tool_call, .tool_id = "a", .tool_name = "f", .arguments = "{}"});
        desk.part(desk.say(request, Role::tool), {.kind = Part::Kind::tool_result, .tool_id = "a"});
        request.reasoning.effort = Reasoning::Effort::low;
        request.tools.add(desk.arena, {.name = "f"});
        const std::string text = desk.written(request);
        EXPECT_EQ(text.find(R"("thinking":{"type":"enabled")") != text.npos, signed_thinking) << text;
        EXPECT_EQ(desk.dropped(), signed_thinking ? "" : "reasoning_effort");
    }
}

TEST(AnthropicModels, AreKnownByTheirNamesEverywhere) {
    using anthropic::Model;
    using anthropic::model_named;
    EXPECT_EQ(&model_named("us.anthropic.claude-opus-4-5-20251101-v1:0"), &model_named("claude-opus-4.5"));
    EXPECT_EQ(&model_named("claude-sonnet-4@20250514"), &model_named("claude-sonnet-4-20250514"));
    EXPECT_FALSE(model_named("claude-sonnet-4-20250514").formats);
    EXPECT_TRUE(model_named("claude-opus-4-1").formats);
    EXPECT_EQ(model_named("claude-3-7-sonnet-latest").thinking, Model::Thinking::budget);
    EXPECT_EQ(model_named("claude-3-5-sonnet-latest").thinking, Model::Thinking::none);
    EXPECT_EQ(model_named("claude-next").sampling, Model::Sampling::none);
    EXPECT_EQ(model_named("kimi-k2").sampling, Model::Sampling::all);
    EXPECT_FALSE(model_named("claude-opus-5-5").forced_tools);
    EXPECT_TRUE(model_named("claude-opus-5").forced_tools);
}

// count_tokens.

TEST(AnthropicCount, AsksWithoutWhatOnlyAnAnswerNeeds) {
    Desk desk;
    const ChatRequest request = desk.request(whole_request);
    ByteBuffer out(desk.pool);
    ASSERT_TRUE(anthropic::write_count_request(request, desk.context, out));
    const std::string text(out.view());
    EXPECT_TRUE(Dom(text).valid());
    for (const std::string_view name :
         {"max_tokens", "temperature", "top_k", "stream", "metadata", "service_tier", "stop_sequences"})
        EXPECT_EQ(member(text, name), "") << name;
    for (const std::string_view name : {"model", "system", "messages", "tools", "tool_choice", "output_config"})
        EXPECT_NE(member(text, name), "") << name;
    EXPECT_EQ(desk.dropped(), "");
}

// Any bytes.

TEST(AnthropicRequest, ATruncatedOneIsAnErrorAndNeverMore) {
    for (size_t length = 0; length < whole_request.size(); ++length) {
        Desk desk;
        ChatRequest request;
        const std::string cut(whole_request.substr(0, length));
        ASSERT_FALSE(anthropic_dialect().read_request(cut, desk.context, request)) << length;
        ASSERT_LE(desk.context.error_offset, length);
    }
}

TEST(AnthropicRequest, AnyBytesAreReadAndWrittenOrRefused) {
    std::mt19937 random(20261121);
    for (int round = 0; round < 4000; ++round) {
        std::string body(whole_request);
        for (uint32_t flips = 1 + random() % 4; flips > 0; --flips) {
            const char c = "\"\\{}[],:0ax\x80"[random() % 12];
            body[random() % body.size()] = c;
        }
        Desk desk;
        ChatRequest request;
        if (!anthropic_dialect().read_request(body, desk.context, request)) continue;
        ByteBuffer out(desk.pool);
        if (!anthropic_dialect().write_request(request, desk.context, out)) continue;
        // Escapes pass as they stand, so a bad one comes out as it went in.
        ASSERT_TRUE(Dom(out.view()).valid() || !Dom(body).valid()) << "round " << round << "\n"
                                                                   << body << "\n"
                                                                   << out.view();
    }
}

}  // namespace
}  // namespace loom::llm
