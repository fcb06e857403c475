// OpenAI Responses: requests and whole answers, both ways.
#include "openai_responses.h"

#include "openai_call.h"

namespace loom::llm {
namespace {

using Kind = Part::Kind;

class ResponsesClient : public ::testing::Test {
  protected:
    Result<void> read(std::string_view body) {
        return openai_responses_dialect().read_request(body, call.context, request);
    }
    const Message& message(size_t index) {
        auto at = request.messages.begin();
        while (index-- > 0) ++at;
        return *at;
    }
    const Part& part(size_t message_index, size_t index = 0) {
        auto at = message(message_index).parts.begin();
        while (index-- > 0) ++at;
        return *at;
    }
    std::string write(const ChatAnswer& answer) {
        openai_responses_dialect().write_answer(answer, call.context, call.out);
        return call.taken();
    }

    OpenaiCall call{Protocol::openai_responses, Protocol::anthropic};
    ChatRequest request;
};

TEST_F(ResponsesClient, AStringIsTheUsersMessage) {
    ASSERT_TRUE(read(R"({"model":"gpt-5","input":"Tell me \"three\" words","instructions":"Be brief."})"));
    EXPECT_EQ(request.model, "gpt-5");
    ASSERT_EQ(request.messages.count(), 2u);
    EXPECT_EQ(message(0).role, Role::system);
    EXPECT_EQ(part(0).text, "Be brief.");
    EXPECT_EQ(message(1).role, Role::user);
    EXPECT_EQ(part(1).text, R"(Tell me \"three\" words)");
    EXPECT_EQ(call.dropped(), "");
}

TEST_F(ResponsesClient, PartsOfEveryKindAreRead) {
    ASSERT_TRUE(read(R"({"input":[{"role":"user","content":[
        {"type":"input_text","text":"what is this?"},
        {"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"low"},
        {"type":"input_image","image_url":"https://x/y.png"},
        {"type":"input_image","file_id":"file-1","detail":"auto"},
        {"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,BBBB"},
        {"type":"input_file","file_url":"https://x/a.pdf"},
        {"type":"input_audio","input_audio":{"data":"CCCC","format":"mp3"}}]}]})"));
    EXPECT_EQ(part(0, 1).media.media_type, "image/png");
    EXPECT_EQ(part(0, 1).media.data, "AAAA");
    EXPECT_EQ(part(0, 1).media.detail, "low");
    EXPECT_EQ(part(0, 2).media.source, Media::Source::url);
    EXPECT_EQ(part(0, 3).media.source, Media::Source::file_id);
    EXPECT_EQ(part(0, 4).kind, Kind::file);
    EXPECT_EQ(part(0, 4).media.name, "a.pdf");
    EXPECT_EQ(part(0, 4).media.data, "BBBB");
    EXPECT_EQ(part(0, 5).media.data, "https://x/a.pdf");
    EXPECT_EQ(part(0, 6).kind, Kind::audio);
    EXPECT_EQ(part(0, 6).media.media_type, "audio/mpeg");
    EXPECT_EQ(call.dropped(), "");
}

// litellm#30723, apisix#13780: history of items lost its calls and results, and a turn was torn into many.
TEST_F(ResponsesClient, TheItemsOfATurnAreOneMessage) {
    ASSERT_TRUE(read(R"({"input":[
        {"type":"message","role":"developer","content":"d"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"go"}]},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],
         "encrypted_content":"loom.anthropic.thinking:EqQB+/=="},
        {"type":"message","role":"assistant","id":"msg_1","status":"completed",
         "content":[{"type":"output_text","text":"I look","annotations":[]},{"type":"refusal","refusal":"no"}]},
        {"type":"function_call","id":"fc_1","call_id":"c1","name":"ls","arguments":"{\"p\":1}","status":"completed"},
        {"type":"function_call","call_id":"c2","name":"now","arguments":""},
        {"type":"function_call_output","call_id":"c1","output":"a\nb"},
        {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"noon"},
         {"type":"input_image","image_url":"https://x/1.png"}]}]})"));
    ASSERT_EQ(request.messages.count(), 5u);
    EXPECT_EQ(message(0).role, Role::developer);
    const Message& turn = message(2);
    EXPECT_EQ(turn.role, Role::assistant);
    ASSERT_EQ(turn.parts.count(), 5u);
    EXPECT_EQ(part(2, 0).kind, Kind::thinking);
    EXPECT_EQ(part(2, 0).text, R"(one\n\ntwo)");
    EXPECT_EQ(part(2, 0).signature, "EqQB+/==");
    EXPECT_EQ(part(2, 2).kind, Kind::refusal);
    EXPECT_EQ(part(2, 3).tool_id, "c1");
    EXPECT_EQ(part(2, 3).arguments_text, R"({\"p\":1})");
    EXPECT_EQ(arguments_object(part(2, 4), call.context), "{}");
    EXPECT_EQ(message(3).role, Role::tool);
    EXPECT_EQ(part(3).content.front().text, R"(a\nb)");
    EXPECT_EQ(part(4).content.count(), 2u);
    EXPECT_EQ(call.dropped(), "");
}

// litellm, February 2026: encrypted reasoning went to an organisation that had not made it, and was refused.
TEST_F(ResponsesClient, AProofOfAnotherProviderIsALossAndNotSent) {
    ASSERT_TRUE(read(R"({"input":[{"role":"user","content":"x"},
        {"type":"reasoning","summary":[],"encrypted_content":"gAAAAABo"},
        {"type":"reasoning","summary":[],"encrypted_content":"loom.gemini.thinking:xyz"},
        {"type":"reasoning","summary":[],"encrypted_content":"loom.anthropic.redacted:opaque"}]})"));
    EXPECT_EQ(call.dropped(), "input[].encrypted_content");
    ASSERT_EQ(message(1).parts.count(), 1u);
    EXPECT_EQ(part(1).kind, Kind::redacted_thinking);
    EXPECT_EQ(part(1).text, "opaque");
}

// OmniRoute#11669, livekit#1257, higress#3973: Gemini refuses calls that come back without their signature.
TEST_F(ResponsesClient, ACallsSignatureTravelsAsTheItemBeforeIt) {
    call.terms.provider = Protocol::gemini;
    ChatAnswer answer{.id = "r1"};
    Choice& choice = answer.choices.add(call.call, {.finish = FinishReason::tool_calls});
    choice.parts.add(
        call.call,
        {.kind = Kind::tool_call, .signature = "Cg==", .tool_id = "c1", .tool_name = "a", .arguments = "{}"});
    choice.parts.add(call.call,
                     {.kind = Kind::tool_call, .tool_id = "c2", .tool_name = "b", .arguments = R"({"x":"\n"})"});
    Dom dom(write(answer));
    ASSERT_TRUE(dom.valid());
    ASSERT_EQ(dom.size("/output"), 3u);
    EXPECT_EQ(dom.text("/output/0/encrypted_content"), "loom.gemini.call:Cg==");
    EXPECT_EQ(dom.text("/output/2/arguments"), R"({"x":"\n"})");
    ASSERT_TRUE(read("{\"input\":" + simdjson::minify(dom.root().at_pointer("/output").value()) + "}"));
    ASSERT_EQ(message(0).parts.count(), 2u);
    EXPECT_EQ(part(0, 0).signature, "Cg==");
    EXPECT_FALSE(has(part(0, 1).signature));
}

TEST_F(ResponsesClient, ToolsAndTheirChoiceAreRead) {
    ASSERT_TRUE(read(R"({"input":"x","tools":[
        {"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":true},
        {"type":"custom","name":"apply_patch","description":"p","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
        {"type":"web_search","search_context_size":"low"},{"type":"local_shell"}],
        "tool_choice":{"type":"function","name":"f"},"parallel_tool_calls":false})"));
    ASSERT_EQ(request.tools.count(), 4u);
    auto tool = request.tools.begin();
    EXPECT_EQ(tool->name, "f");
    EXPECT_EQ(tool->schema, R"({"type":"object"})");
    EXPECT_EQ(tool->strict, true);
    ++tool;
    EXPECT_TRUE(tool->is_function);
    EXPECT_EQ(tool->schema, R"({"type":"object","properties":{"input":{"type":"string"}},"required":["input"]})");
    ++tool;
    EXPECT_FALSE(tool->is_function);
    EXPECT_EQ(tool->type, "web_search");
    EXPECT_EQ(tool->raw, R"({"type":"web_search","search_context_size":"low"})");
    EXPECT_EQ(request.tool_choice.kind, ToolChoice::Kind::named);
    EXPECT_EQ(request.tool_choice.name, "f");
    EXPECT_EQ(request.tool_choice.parallel, false);
    EXPECT_EQ(call.dropped(), "tools[].format");
}

TEST_F(ResponsesClient, ParametersAreReadOrNamed) {
    ASSERT_TRUE(
        read(R"({"input":"x","temperature":0.5,"top_p":0.9,"max_output_tokens":100,"top_logprobs":3,"stream":true,
        "text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object"},"strict":true},"verbosity":"low"},
        "reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content","message.output_text.logprobs",
        "file_search_call.results"],"metadata":{"a":"b"},"safety_identifier":"u1","user":"u0","prompt_cache_key":"k",
        "service_tier":"flex","truncation":"auto","store":true,"max_tool_calls":3,"background":false,"prompt":null,
        "previous_response_id":null,"conversation":null,"x_new":[],"y_new":1})"));
    EXPECT_EQ(request.temperature, "0.5");
    EXPECT_EQ(request.max_tokens, 100u);
    EXPECT_EQ(request.top_logprobs, 3u);
    EXPECT_EQ(request.logprobs, true);
    EXPECT_TRUE(request.stream);
    EXPECT_EQ(request.format.kind, ResponseFormat::Kind::json_schema);
    EXPECT_EQ(request.format.schema, R"({"type":"object"})");
    EXPECT_EQ(request.verbosity, "low");
    EXPECT_EQ(request.reasoning.effort, Reasoning::Effort::high);
    EXPECT_EQ(request.reasoning.include_thoughts, true);
    EXPECT_EQ(request.user, "u1");
    EXPECT_EQ(request.prompt_cache_key, "k");
    EXPECT_EQ(request.service_tier, "flex");
    EXPECT_EQ(call.dropped(), "include.file_search_call.results,truncation,store,max_tool_calls,y_new");
}

TEST_F(ResponsesClient, WhatLivesAtOpenaiIsRefusedWithItsRemedy) {
    struct Case {
        std::string_view body;
        std::string_view param;
    };
    for (const Case& one :
         std::initializer_list<Case>{{R"({"input":"x","previous_response_id":"resp_1"})", "previous_response_id"},
                                     {R"({"input":"x","conversation":"conv_1"})", "conversation"},
                                     {R"({"input":"x","conversation":{"id":"conv_1"}})", "conversation"},
                                     {R"({"input":"x","prompt":{"id":"pmpt_1"}})", "prompt"},
                                     {R"({"input":"x","background":true})", "background"},
                                     {R"({"input":[{"type":"item_reference","id":"msg_1"}]})", "input"},
                                     {R"({"input":[{"id":"msg_1"}]})", "input"},
                                     {R"({"input":[{"type":"compaction","encrypted_content":"x"}]})", "input"},
                                     {R"({"input":[{"role":"user","content":[{"type":"input_video"}]}]})", "input"}}) {
        const Result<void> step = read(one.body);
        ASSERT_FALSE(step) << one.body;
        EXPECT_EQ(step.error().code, Errc::unsupported) << one.body;
        EXPECT_EQ(step.error().side, Side::downstream);
        EXPECT_EQ(call.context.error_param, one.param);
    }
}

TEST_F(ResponsesClient, BadRequestsNameTheirPlace) {
    struct Case {
        std::string_view body;
        std::string_view param;
        uint32_t offset;
    };
    for (const Case& one :
         std::initializer_list<Case>{{R"({"model":"m"})", "input", 13},
                                     {R"({"input":7})", "input", 9},
                                     {R"({"input":[7]})", "input", 10},
                                     {R"({"input":[{"role":"boss","content":"x"}]})", "input", 10},
                                     {R"({"input":"x","temperature":"hot"})", "temperature", 27},
                                     {R"({"input":"x","max_output_tokens":-1})", "max_output_tokens", 33},
                                     {R"({"input":"x","tools":[{"name":"f"}]})", "tools", 22},
                                     {R"({"input":"x","tool_choice":"maybe"})", "tool_choice", 34},
                                     {R"([1])", "", 0}}) {
        const Result<void> step = read(one.body);
        ASSERT_FALSE(step) << one.body;
        EXPECT_EQ(step.error().code, Errc::bad_message) << one.body;
        EXPECT_EQ(call.context.error_param, one.param) << one.body;
        EXPECT_EQ(call.context.error_offset, one.offset) << one.body;
    }
}

/// All that an SDK's types demand, the fields of the request among it.
TEST_F(ResponsesClient, AnAnswerIsAWholeResponseObject) {
    ASSERT_TRUE(read(
        R"({"input":"x","instructions":"i","temperature":0.5,"tools":[{"type":"function","name":"f","parameters":{}}],
        "tool_choice":"auto","metadata":{"a":"b"},"reasoning":{"effort":"low"}})"));
    ChatAnswer answer{.id = "msg_01", .model = "claude", .created = 0};
    answer.usage = {.input = 30,
                    .output = 9,
                    .cached_input = 20,
                    .cache_write = 5,
                    .reasoning = 4,
                    .total = 39,
                    .provenance = Usage::Provenance::reported};
    Choice& choice = answer.choices.add(call.call, {.finish = FinishReason::tool_calls});
    choice.parts.add(call.call, {.kind = Kind::thinking, .text = "hm", .signature = "EqQB"});
    choice.parts.add(call.call, {.text = "Hel"});
    choice.parts.add(call.call, {.text = "lo"});
    choice.parts.add(call.call,
                     {.kind = Kind::tool_call, .tool_id = "toolu_1", .tool_name = "f", .arguments = R"({"a":1})"});
    EXPECT_EQ(
        write(answer),
        R"({"id":"resp_msg_01","object":"response","created_at":1700000000,"status":"completed","error":null,)"
        R"("incomplete_details":null,"model":"client-model","output":[)"
        R"({"id":"rs_msg_01_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],)"
        R"("encrypted_content":"loom.anthropic.thinking:EqQB"},)"
        R"({"id":"msg_msg_01_1","type":"message","status":"completed","role":"assistant","content":[)"
        R"({"type":"output_text","text":"Hel","annotations":[],"logprobs":[]},)"
        R"({"type":"output_text","text":"lo","annotations":[],"logprobs":[]}]},)"
        R"({"id":"fc_msg_01_2","type":"function_call","status":"completed","call_id":"toolu_1","name":"f","arguments":"{\"a\":1}"}],)"
        R"("background":false,"instructions":"i","max_output_tokens":null,"max_tool_calls":null,"metadata":{"a":"b"},)"
        R"("parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":"low"},)"
        R"("safety_identifier":null,"store":false,"temperature":0.5,"text":{"format":{"type":"text"}},"tool_choice":"auto",)"
        R"("tools":[{"type":"function","name":"f","parameters":{}}],"top_logprobs":0,"top_p":null,"truncation":"disabled","user":null,)"
        R"("usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":20,"cache_write_tokens":5},"output_tokens":9,)"
        R"("output_tokens_details":{"reasoning_tokens":4},"total_tokens":39}})");
    EXPECT_EQ(call.dropped(), "");
}

TEST_F(ResponsesClient, FinishReasonsAreStatuses) {
    struct Case {
        FinishReason reason;
        std::string_view status;
        std::string_view incomplete;
    };
    for (const Case& one : std::initializer_list<Case>{{FinishReason::stop, "completed", ""},
                                                       {FinishReason::length, "incomplete", "max_output_tokens"},
                                                       {FinishReason::content_filter, "incomplete", "content_filter"},
                                                       {FinishReason::refusal, "incomplete", "content_filter"},
                                                       {FinishReason::pause, "completed", ""},
                                                       {FinishReason::error, "failed", ""}}) {
        ChatAnswer answer;
        answer.choices.add(call.call, {.finish = one.reason}).parts.add(call.call, {.text = "t"});
        Dom dom(write(answer));
        ASSERT_TRUE(dom.valid());
        EXPECT_EQ(dom.text("/status"), one.status);
        EXPECT_EQ(dom.is_null("/incomplete_details"), one.incomplete.empty());
        if (!one.incomplete.empty()) EXPECT_EQ(dom.text("/incomplete_details/reason"), one.incomplete);
        EXPECT_EQ(dom.is_null("/error"), one.status != "failed");
    }
}

/// Codex's apply_patch: free text that chat providers know as a function of one string.
TEST_F(ResponsesClient, ACustomToolsCallComesBackAsOne) {
    ASSERT_TRUE(read(R"({"input":[{"role":"user","content":"x"},
        {"type":"custom_tool_call","call_id":"c0","name":"apply_patch","input":"*** Begin\n\"q\""},
        {"type":"custom_tool_call_output","call_id":"c0","output":"done"}],
        "tools":[{"type":"custom","name":"apply_patch"}]})"));
    EXPECT_EQ(arguments_object(part(1), call.context), R"({"input":"*** Begin\n\"q\""})");
    EXPECT_EQ(part(2).kind, Kind::tool_result);
    ChatAnswer answer;
    Choice& choice = answer.choices.add(call.call);
    for (const Json arguments : {Json(R"({"input":"*** Begin\n\"q\""})"), Json(R"({"patch":1})")})
        choice.parts.add(call.call,
                         {.kind = Kind::tool_call, .tool_id = "c", .tool_name = "apply_patch", .arguments = arguments});
    Dom dom(write(answer));
    EXPECT_EQ(dom.text("/output/0/type"), "custom_tool_call");
    EXPECT_EQ(dom.text("/output/0/input"), "*** Begin\n\"q\"");
    EXPECT_EQ(dom.text("/output/1/input"), R"({"patch":1})");
}

TEST_F(ResponsesClient, AShellsHistoryIsCarried) {
    ASSERT_TRUE(read(R"({"input":[
        {"type":"local_shell_call","id":"ls1","call_id":"c1","status":"completed","action":{"type":"exec","command":["ls"],"env":{}}},
        {"type":"local_shell_call_output","id":"c1","output":"{\"exit\":0}"},
        {"type":"shell_call_output","call_id":"c2","output":[{"stdout":"x","stderr":"","outcome":{"type":"exit","exit_code":0}}]},
        {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}}]})"));
    ASSERT_EQ(request.messages.count(), 3u);
    EXPECT_EQ(part(0).tool_name, "local_shell");
    EXPECT_EQ(part(0).arguments, R"({"type":"exec","command":["ls"],"env":{}})");
    EXPECT_EQ(part(1).tool_id, "c1");
    EXPECT_EQ(part(1).content.front().text, R"({\"exit\":0})");
    EXPECT_TRUE(part(2).content.front().text.starts_with(R"([{\"stdout\")"));
    EXPECT_EQ(call.dropped(), "input[].web_search_call");
}

TEST_F(ResponsesClient, WhatIsRepeatedHasABound) {
    const std::string tools =
        R"([{"type":"function","name":"f","parameters":{"description":")" + std::string(40'000, 'x') + R"("}}])";
    ASSERT_TRUE(read(R"({"input":"x","tools":)" + tools + R"(,"instructions":"short"})"));
    Dom dom(write({}));
    EXPECT_EQ(dom.size("/tools"), 0u);
    EXPECT_EQ(dom.text("/instructions"), "short");
}

TEST_F(ResponsesClient, BrokenRequestsAreRefusedAndNeverCrash) {
    const std::string valid =
        R"({"model":"m","instructions":"i","input":[{"role":"user","content":[{"type":"input_text","text":"é\u00e9"},)"
        R"({"type":"input_image","image_url":"data:image/png;base64,AA","detail":"low"}]},{"type":"reasoning",)"
        R"("summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"loom.anthropic.thinking:x"},)"
        R"({"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"},)"
        R"({"type":"function_call_output","call_id":"c","output":"o"}],"tools":[{"type":"function","name":"f",)"
        R"("parameters":{}},{"type":"custom","name":"p"}],"tool_choice":{"type":"function","name":"f"},)"
        R"("text":{"format":{"type":"json_schema","name":"s","schema":{}}},"reasoning":{"effort":"low"}})";
    ASSERT_TRUE(read(valid));
    torment(valid, [](const std::string& body, bool is_cut) {
        OpenaiCall one(Protocol::openai_responses, Protocol::anthropic);
        ChatRequest chat;
        const Result<void> step = openai_responses_dialect().read_request(body, one.context, chat);
        if (is_cut) EXPECT_FALSE(step) << body;
        if (step) return;
        EXPECT_LE(one.context.error_offset, body.size());
        EXPECT_TRUE(step.error().code == Errc::bad_message || step.error().code == Errc::unsupported);
    });
}

class ResponsesProvider : public ::testing::Test {
  protected:
    std::string write(Result<void>* result = nullptr) {
        const Result<void> step = openai_responses_dialect().write_request(request, call.context, call.out);
        if (result != nullptr) {
            *result = step;
        } else {
            EXPECT_TRUE(step);
        }
        return call.taken();
    }
    Part& add(Role role, const Part& part) {
        if (request.messages.empty() || request.messages.back().role != role)
            request.messages.add(call.call, {.role = role});
        return request.messages.back().parts.add(call.call, part);
    }
    Result<void> read(std::string_view body) {
        return openai_responses_dialect().read_answer(body, call.context, answer);
    }

    OpenaiCall call{Protocol::anthropic, Protocol::openai_responses};
    ChatRequest request;
    ChatAnswer answer;
};

TEST_F(ResponsesProvider, AConversationIsItsItems) {
    add(Role::system, {.text = "Be"});
    add(Role::system, {.text = "brief"});
    add(Role::user, {.text = "hi"});
    add(Role::user, {.kind = Kind::image, .media = {.data = "AAAA", .media_type = "image/png"}});
    add(Role::assistant, {.kind = Kind::thinking, .text = "hm", .signature = "loom.openai_responses.thinking:gAAA"});
    add(Role::assistant, {.text = "let me"});
    add(Role::assistant, {.kind = Kind::tool_call, .tool_id = "c1", .tool_name = "f", .arguments = R"({"a":"b"})"});
    Part& result = add(Role::user, {.kind = Kind::tool_result, .tool_id = "c1"});
    result.content.add(call.call, {.text = "r"});
    add(Role::user, {.text = "and?"});
    EXPECT_EQ(write(),
              R"({"model":"provider-model","instructions":"Be\n\nbrief","input":[)"
              R"({"type":"message","role":"user","content":[{"type":"input_text","text":"hi"},)"
              R"({"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"}]},)"
              R"({"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"gAAA"},)"
              R"({"type":"message","role":"assistant","content":[{"type":"output_text","text":"let me"}]},)"
              R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\":\"b\"}"},)"
              R"({"type":"function_call_output","call_id":"c1","output":"r"},)"
              R"({"type":"message","role":"user","content":[{"type":"input_text","text":"and?"}]}],)"
              R"("store":false,"include":["reasoning.encrypted_content"]})");
    EXPECT_EQ(call.dropped(), "");
}

TEST_F(ResponsesProvider, ThinkingOfOthersIsALossAndNotSent) {
    add(Role::user, {.text = "hi"});
    add(Role::assistant, {.kind = Kind::thinking, .text = "hm", .signature = "EqQB"});
    add(Role::assistant, {.kind = Kind::thinking, .text = "hm"});
    add(Role::assistant, {.kind = Kind::redacted_thinking, .text = "x"});
    add(Role::assistant, {.text = "a"});
    const std::string written = write();
    EXPECT_EQ(written.find("reasoning"), written.npos);
    EXPECT_EQ(call.dropped(), "thinking,redacted_thinking");
}

TEST_F(ResponsesProvider, ParametersAreWrittenClampedOrNamed) {
    add(Role::user, {.text = "x"});
    request.tools.add(call.call, {.name = "f", .description = "d", .schema = R"({"type":"object"})"});
    request.tools.add(call.call, {.is_function = false, .type = "web_search_20250305", .raw = "{}"});
    request.tools.add(call.call, {.is_function = false, .type = "bash_20250124", .raw = "{}"});
    request.tool_choice = {.kind = ToolChoice::Kind::any, .parallel = false};
    request.format = {.kind = ResponseFormat::Kind::json_schema, .schema = R"({"type":"object"})", .strict = true};
    request.reasoning.budget_tokens = 4000;
    request.reasoning.include_thoughts = true;
    request.max_tokens = 5;
    request.temperature = "2.5";
    request.top_k = "40";
    request.seed = "7";
    request.stop.add(call.call, "END");
    request.n = 2;
    request.user = "u";
    request.service_tier = "standard_only";
    request.stream = true;
    EXPECT_EQ(
        write(),
        R"({"model":"provider-model","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"x"}]}],)"
        R"("tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false},{"type":"web_search"}],)"
        R"("tool_choice":"required","parallel_tool_calls":false,)"
        R"("text":{"format":{"type":"json_schema","name":"response","schema":{"type":"object"},"strict":true}},)"
        R"("reasoning":{"effort":"low","summary":"auto"},"max_output_tokens":16,"temperature":2,"user":"u","store":false,)"
        R"("include":["reasoning.encrypted_content"],"stream":true})");
    EXPECT_EQ(call.dropped(), "tools[].type,max_tokens,temperature,top_k,seed,stop,n,service_tier");
}

// apisix#13583: a choice without tools was sent, and refused.
TEST_F(ResponsesProvider, NoToolsNoChoice) {
    add(Role::user, {.text = "x"});
    request.tool_choice = {.kind = ToolChoice::Kind::automatic, .parallel = true};
    const std::string written = write();
    EXPECT_EQ(written.find("tool"), written.npos);
}

// agentgateway#2384: a name that is too long is refused; its call must come back under it.
TEST_F(ResponsesProvider, LongNamesComeBack) {
    const std::string name(80, 'n');
    add(Role::user, {.text = "x"});
    request.tools.add(call.call, {.name = name});
    Dom dom(write());
    const std::string alias = dom.text("/tools/0/name");
    EXPECT_LE(alias.size(), 64u);
    ASSERT_TRUE(
        read(R"({"output":[{"type":"function_call","call_id":"c","name":")" + alias + R"(","arguments":"{}"}]})"));
    EXPECT_EQ(answer.choices.front().parts.front().tool_name, name);
}

TEST_F(ResponsesProvider, WhatItCannotTakeIsRefused) {
    add(Role::user, {.kind = Kind::video, .media = {.data = "AA"}});
    Result<void> step;
    write(&step);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Errc::unsupported);
    EXPECT_STREQ(call.context.error_param, "messages");
}

/// From the API's reference, shortened.
constexpr std::string_view documented =
    R"({"id":"resp_67ccd","object":"response","created_at":1741476542.5,"status":"completed",
  "error":null,"incomplete_details":null,"instructions":null,"model":"gpt-4.1-2025-04-14","output":[
  {"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"think"}],"encrypted_content":"gAAA"},
  {"id":"ws_1","type":"web_search_call","status":"completed","action":{"type":"search","query":"q"}},
  {"type":"message","id":"msg_67","status":"completed","role":"assistant","content":[{"type":"output_text","text":"In a \"forest\"",
   "annotations":[{"type":"url_citation","start_index":0,"end_index":2,"url":"u","title":"t"}],"logprobs":[{"token":"In","logprob":-0.1,"bytes":[73],"top_logprobs":[]}]},
   {"type":"output_hologram","x":1}]},
  {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"}],
  "parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"store":true,"temperature":1.0,
  "text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{"input_tokens":36,
  "input_tokens_details":{"cached_tokens":6},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":123},
  "user":null,"metadata":{}})";

TEST_F(ResponsesProvider, ADocumentedAnswerIsRead) {
    ASSERT_TRUE(read(documented));
    EXPECT_EQ(answer.id, "resp_67ccd");
    EXPECT_EQ(answer.created, 1741476542u);
    ASSERT_EQ(answer.choices.count(), 1u);
    const Choice& choice = answer.choices.front();
    EXPECT_EQ(choice.finish, FinishReason::tool_calls);
    ASSERT_EQ(choice.parts.count(), 3u);
    auto part = choice.parts.begin();
    EXPECT_EQ(part->text, "think");
    EXPECT_EQ(part->signature, "loom.openai_responses.thinking:gAAA");
    ++part;
    EXPECT_EQ(part->text, R"(In a \"forest\")");
    EXPECT_TRUE(has(part->citations));
    ++part;
    EXPECT_EQ(part->arguments_text, R"({\"a\":1})");
    EXPECT_TRUE(choice.logprobs.starts_with(R"({"content":[{"token":"In")"));
    EXPECT_EQ(answer.usage.input, 36u);
    EXPECT_EQ(answer.usage.cached_input, 6u);
    EXPECT_EQ(answer.usage.reasoning, 5u);
    EXPECT_EQ(answer.usage.total, 123u);
    EXPECT_EQ(call.dropped(), "output[].type,output[].content[].type");
}

TEST_F(ResponsesProvider, AnAnswerSaysHowItEnded) {
    struct Case {
        std::string_view members;
        FinishReason reason;
    };
    for (const Case& one : std::initializer_list<Case>{
             {R"("status":"completed","output":[])", FinishReason::stop},
             {R"("status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[])",
              FinishReason::length},
             {R"("status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[])",
              FinishReason::content_filter},
             {R"("output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}])",
              FinishReason::refusal},
             {R"("status":"failed","error":{"code":"server_error","message":"boom"},"output":[])",
              FinishReason::error}}) {
        answer = {};
        ASSERT_TRUE(read("{" + std::string(one.members) + "}")) << one.members;
        EXPECT_EQ(answer.choices.front().finish, one.reason) << one.members;
    }
    EXPECT_EQ(answer.choices.front().finish_text, "boom");
}

TEST_F(ResponsesProvider, BrokenAnswersAreRefusedAndNeverCrash) {
    torment(std::string(documented), [](const std::string& body, bool is_cut) {
        OpenaiCall one(Protocol::openai_chat, Protocol::openai_responses);
        ChatAnswer read;
        const Result<void> step = openai_responses_dialect().read_answer(body, one.context, read);
        if (is_cut) EXPECT_FALSE(step);
        if (!step) EXPECT_EQ(step.error().side, Side::upstream);
    });
}

TEST_F(ResponsesProvider, ErrorsKeepTheirWords) {
    ErrorAnswer error{.status = 429};
    const Dialect& dialect = openai_responses_dialect();
    dialect.read_error(
        R"({"error":{"message":"slow \"down\"","type":"tokens","param":null,"code":"rate_limit_exceeded"}})",
        call.context, error);
    EXPECT_EQ(error.message, R"(slow \"down\")");
    EXPECT_EQ(error.code, "rate_limit_exceeded");
    EXPECT_EQ(error.status, 429);
    dialect.write_error(error, call.context, call.out);
    EXPECT_EQ(call.taken(),
              R"({"error":{"message":"slow \"down\"","type":"tokens","param":null,"code":"rate_limit_exceeded"}})");
    ErrorAnswer page{.status = 502};
    dialect.read_error("<html>\n\"bad\"", call.context, page);
    dialect.write_error(page, call.context, call.out);
    EXPECT_EQ(call.taken(),
              R"({"error":{"message":"<html>\n\"bad\"","type":"server_error","param":null,"code":null}})");
    ErrorAnswer flat{.status = 400};
    dialect.read_error(R"({"error":"no such model"})", call.context, flat);
    EXPECT_EQ(flat.message, "no such model");
}

/// Both ways: what goes through both sides of the dialect comes out as it went in.
TEST(ResponsesRoundTrip, KeepsWhatBothSidesKnow) {
    BlockPool pool;
    TranslateScratch scratch;
    Translation translation(scratch, pool,
                            {.client = Protocol::openai_responses,
                             .provider = Protocol::openai_responses,
                             .model = "m",
                             .client_model = "c"});
    ByteBuffer out(pool);
    const std::string body =
        R"({"model":"m","instructions":"i","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"é\u00e9\n"},)"
        R"({"type":"input_file","file_id":"file-1"}]},{"type":"reasoning","summary":[{"type":"summary_text","text":"s"}],"encrypted_content":"gAAA"},)"
        R"({"type":"message","role":"assistant","content":[{"type":"output_text","text":"t"}]},)"
        R"({"type":"function_call","call_id":"c1","name":"f","arguments":"{\"a\": 1}"},)"
        R"({"type":"function_call_output","call_id":"c1","output":"o"}],)"
        R"("tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"mcp","server_label":"x"}],)"
        R"("tool_choice":"required","parallel_tool_calls":true,"text":{"format":{"type":"json_object"},"verbosity":"low"},)"
        R"("reasoning":{"effort":"minimal","summary":"detailed"},"max_output_tokens":100,"temperature":0.5,"top_p":0.25,"user":"u",)"
        R"("metadata":{"k":"v"},"prompt_cache_key":"p","service_tier":"flex","store":false,"include":["reasoning.encrypted_content"]})";
    ASSERT_TRUE(translation.request(body, out));
    EXPECT_EQ(out.view(), body);
    EXPECT_TRUE(translation.dropped().empty());
    out.clear();
    Usage usage;
    ASSERT_TRUE(translation.answer(documented, out, usage));
    Dom before(documented), after(out.view());
    EXPECT_EQ(usage.total, 123u);
    EXPECT_EQ(after.text("/output/0/encrypted_content"), "gAAA");
    EXPECT_EQ(after.text("/output/1/content/0/text"), before.text("/output/2/content/0/text"));
    EXPECT_EQ(after.text("/output/1/content/0/annotations/0/url"), "u");
    EXPECT_EQ(after.text("/output/1/content/0/logprobs/0/token"), "In");
    EXPECT_EQ(
        simdjson::minify(after.root().at_pointer("/tools").value()),
        R"([{"type":"function","name":"f","parameters":{"type":"object"},"strict":true},{"type":"mcp","server_label":"x"}])");
}

}  // namespace
}  // namespace loom::llm
