// Cohere's chat (v2), provider side. Documents and events after Cohere's API reference; each test of a lesson carries
// the issue of the gateway that shipped the bug.
#include <random>

#include "provider_side.h"

namespace loom::llm {
namespace {

using Kind = Part::Kind;

struct Cohere : ProviderSide {
    explicit Cohere(std::string_view model = "command-a-reasoning-08-2025") : ProviderSide(cohere_dialect(), model) {}
    /// What stands behind the messages of a request that says "Hi", after `change`.
    template <class Change>
    std::string behind(Change change) {
        ChatRequest request;
        say(request, Role::user, "Hi");
        change(request);
        const std::string document = write(request);
        const std::string front = R"({"model":")" + std::string(terms.model) +
                                  R"(","messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}])";
        EXPECT_TRUE(document.starts_with(front)) << document;
        return document.substr(front.size());
    }
};

TEST(CohereRequest, TheSystemComesFirstAndTheUsersMessagesAreOne) {
    Cohere cohere("command-a-03-2025");
    ChatRequest request;
    cohere.say(request, Role::system, R"(Be \"brief\".)");
    cohere.say(request, Role::user, "One");
    cohere.say(request, Role::user, "Two");
    cohere.say(request, Role::user, " ");
    cohere.say(request, Role::assistant, "Three");
    cohere.say(request, Role::developer, "And kind.");
    cohere.say(request, Role::user, "Four");
    request.stream = true;
    EXPECT_EQ(
        cohere.write(request),
        R"({"model":"command-a-03-2025","stream":true,"messages":[)"
        R"({"role":"system","content":[{"type":"text","text":"Be \"brief\"."},{"type":"text","text":"And kind."}]},)"
        R"({"role":"user","content":[{"type":"text","text":"One"},{"type":"text","text":"Two"}]},)"
        R"({"role":"assistant","content":[{"type":"text","text":"Three"}]},)"
        R"({"role":"user","content":[{"type":"text","text":"Four"}]}]})");
    EXPECT_EQ(cohere.losses(), "");
}

// higress#3503: text kept beside tool results.
TEST(CohereRequest, AToolLoop) {
    Cohere cohere("m");
    ChatRequest request;
    cohere.say(request, Role::user, "Weather?");
    Message& calls = cohere.say(request, Role::assistant, {});
    cohere.add(calls, {.kind = Kind::thinking, .text = "I shall look.", .signature = "s"});
    cohere.add(calls, {.kind = Kind::tool_call, .tool_id = "a", .tool_name = "f", .arguments = R"({"city":"Bern"})"});
    cohere.add(calls, {.kind = Kind::tool_call, .tool_id = "b", .tool_name = "g", .arguments_text = ""});
    Message& results = cohere.say(request, Role::user, {});
    cohere.add(results, {.kind = Kind::tool_result, .tool_id = "a", .result_json = R"({"t":1})"});
    cohere.add(results, {.kind = Kind::tool_result, .is_error = true, .tool_id = "b"});
    cohere.add(results, {.kind = Kind::text, .text = "And?"});
    EXPECT_EQ(cohere.write(request),
              R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"Weather?"}]},)"
              R"({"role":"assistant","tool_plan":"I shall look.","tool_calls":[)"
              R"({"id":"a","type":"function","function":{"name":"f","arguments":"{\"city\":\"Bern\"}"}},)"
              R"({"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},)"
              R"({"role":"tool","tool_call_id":"a","content":[{"type":"document","document":{"data":{"t":1}}}]},)"
              R"({"role":"tool","tool_call_id":"b","content":[{"type":"text","text":"no output"}]},)"
              R"({"role":"user","content":[{"type":"text","text":"And?"}]}]})");
    EXPECT_EQ(cohere.losses(), "thinking_blocks[].signature tool_result.is_error");
}

TEST(CohereRequest, ImagesAndDocuments) {
    Cohere cohere("m");
    ChatRequest request;
    Message& message = cohere.say(request, Role::user, "See");
    cohere.add(message, {.kind = Kind::image, .media = {.data = "AAAA", .media_type = "image/gif", .detail = "low"}});
    cohere.add(message, {.kind = Kind::image, .media = {.source = Media::Source::url, .data = "https://e.com/a.png"}});
    cohere.add(message,
               {.kind = Kind::file, .media = {.source = Media::Source::text, .data = "Long.", .name = "a.txt"}});
    EXPECT_EQ(cohere.write(request),
              R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"See"},)"
              R"({"type":"image_url","image_url":{"url":"data:image/gif;base64,AAAA","detail":"low"}},)"
              R"({"type":"image_url","image_url":{"url":"https://e.com/a.png"}}]}],)"
              R"("documents":[{"data":{"title":"a.txt","content":"Long."}}]})");
}

TEST(CohereRequest, WhatCohereCannotTakeIsRefused) {
    const std::pair<Part, std::string_view> parts[] = {
        {{.kind = Kind::audio}, "Cohere takes no sounds and no videos"},
        {{.kind = Kind::video}, "Cohere takes no sounds and no videos"},
        {{.kind = Kind::file}, "Cohere takes files as plain text alone"},
        {{.kind = Kind::image, .media = {.source = Media::Source::file_id, .data = "f"}},
         "Cohere keeps no files: send the image's bytes or its URL"}};
    for (const auto& [part, what] : parts) {
        Cohere cohere;
        ChatRequest request;
        cohere.add(cohere.say(request, Role::user, "See"), part);
        EXPECT_EQ(cohere.write(request), "unsupported messages: " + std::string(what));
    }
    Cohere cohere;
    EXPECT_EQ(cohere.write({}), "unsupported messages: Cohere takes no conversation without a text");
}

TEST(CohereRequest, ToolsAndTheirChoice) {
    using Choice = ToolChoice::Kind;
    const auto written = [](ToolChoice choice, std::string& losses) {
        Cohere cohere;
        std::string behind = cohere.behind([&](ChatRequest& r) {
            r.tools.add(cohere.arena, {.name = "f", .description = "Does.", .schema = R"({"type":"object"})"});
            r.tools.add(cohere.arena, {.name = "g"});
            r.tool_choice = choice;
        });
        losses = cohere.losses();
        return behind;
    };
    const std::string f =
        R"({"type":"function","function":{"name":"f","description":"Does.","parameters":{"type":"object"}}})";
    const std::string g =
        R"({"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}})";
    std::string losses;
    EXPECT_EQ(written({}, losses), R"(,"tools":[)" + f + "," + g + "]}");
    EXPECT_EQ(written({.kind = Choice::any}, losses), R"(,"tools":[)" + f + "," + g + R"(],"tool_choice":"REQUIRED"})");
    EXPECT_EQ(written({.kind = Choice::none}, losses), R"(,"tools":[)" + f + "," + g + R"(],"tool_choice":"NONE"})");
    EXPECT_EQ(written({.kind = Choice::named, .name = "g"}, losses),
              R"(,"tools":[)" + g + R"(],"tool_choice":"REQUIRED"})");
    EXPECT_EQ(losses, "");
    EXPECT_EQ(written({.kind = Choice::named, .name = "h"}, losses), "}");
    EXPECT_EQ(losses, "tool_choice");
    (void)written({.parallel = false}, losses);
    EXPECT_EQ(losses, "parallel_tool_calls");
}

TEST(CohereRequest, StrictnessIsOfAllToolsOrNone) {
    const auto written = [](bool first, bool second, std::string& losses) {
        Cohere cohere;
        std::string behind = cohere.behind([&](ChatRequest& r) {
            r.tools.add(cohere.arena, {.name = "f", .strict = first});
            r.tools.add(cohere.arena, {.name = "g", .strict = second});
        });
        losses = cohere.losses();
        return behind.find(R"("strict_tools":true)") != std::string::npos;
    };
    std::string losses;
    EXPECT_TRUE(written(true, true, losses));
    EXPECT_EQ(losses, "");
    EXPECT_FALSE(written(true, false, losses));
    EXPECT_EQ(losses, "tools[].strict");
    EXPECT_FALSE(written(false, false, losses));
    EXPECT_EQ(losses, "");
}

TEST(CohereRequest, ParametersInCoheresWordsAndRanges) {
    Cohere cohere;
    EXPECT_EQ(cohere.behind([&](ChatRequest& r) {
        r.max_tokens = 300;
        r.temperature = "1.5";
        r.top_p = "1";
        r.top_k = "40";
        r.seed = "7";
        r.frequency_penalty = "0.5";
        r.presence_penalty = "0.4";
        for (const Text stop : {"a", "b", "c", "d", "e", "f"}) r.stop.add(cohere.arena, stop);
        r.reasoning.budget_tokens = 2000;
    }),
              R"(,"max_tokens":300,"temperature":1,"p":0.99,"k":40,"seed":7,"frequency_penalty":0.5,)"
              R"("stop_sequences":["a","b","c","d","e"],"thinking":{"type":"enabled","token_budget":2000}})");
    EXPECT_EQ(cohere.losses(), "temperature presence_penalty stop");
}

TEST(CohereRequest, ThinkingWhereTheModelThinks) {
    const auto written = [](std::string_view model, Reasoning reasoning, std::string& losses) {
        Cohere cohere(model);
        std::string behind = cohere.behind([&](ChatRequest& r) { r.reasoning = reasoning; });
        losses = cohere.losses();
        return behind;
    };
    std::string losses;
    using Effort = Reasoning::Effort;
    EXPECT_EQ(written("command-a-plus-05-2026", {.effort = Effort::none}, losses),
              R"(,"thinking":{"type":"disabled"}})");
    EXPECT_EQ(written("command-a-plus-05-2026", {.budget_tokens = -1}, losses), R"(,"thinking":{"type":"enabled"}})");
    EXPECT_EQ(written("command-r-plus", {.effort = Effort::none}, losses), "}");
    EXPECT_EQ(losses, "");
    EXPECT_EQ(written("command-r-plus", {.effort = Effort::high}, losses), "}");
    EXPECT_EQ(losses, "reasoning_effort");
}

TEST(CohereRequest, ASchemaOfTheAnswerStandsAlone) {
    const ResponseFormat format{
        .kind = ResponseFormat::Kind::json_schema, .name = "w", .schema = R"({"type":"object"})"};
    Cohere cohere;
    EXPECT_EQ(cohere.behind([&](ChatRequest& r) { r.format = format; }),
              R"(,"response_format":{"type":"json_object","json_schema":{"type":"object"}}})");
    EXPECT_EQ(cohere.losses(), "");
    Cohere with_tools;
    EXPECT_EQ(with_tools
                  .behind([&](ChatRequest& r) {
                      r.format = format;
                      r.tools.add(with_tools.arena, {.name = "f"});
                  })
                  .find("response_format"),
              std::string::npos);
    EXPECT_EQ(with_tools.losses(), "response_format");
}

TEST(CohereRequest, WhatCohereDoesNotKnowIsNamed) {
    Cohere cohere;
    EXPECT_EQ(cohere.behind([](ChatRequest& r) {
        r.n = 2;
        r.logit_bias = "{}";
        r.logprobs = true;
        r.top_logprobs = 3;
        r.user = "u";
        r.metadata = "{}";
        r.verbosity = "low";
        r.prompt_cache_key = "k";
        r.service_tier = "flex";
        r.messages.front().parts.front().cache_control = R"({"type":"ephemeral"})";
    }),
              "}");
    EXPECT_EQ(cohere.losses(),
              "cache_control n logit_bias logprobs top_logprobs user service_tier verbosity prompt_cache_key metadata");
}

constexpr std::string_view whole_answer =
    R"({"id":"c14c80c3","message":{"role":"assistant","content":[{"type":"thinking","thinking":"Hm"},)"
    R"({"type":"text","text":"It \"rains\"."}],"citations":[{"start":0,"end":2,"text":"It"}],"tool_plan":"I shall look.",)"
    R"("tool_calls":[{"id":"f_1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},)"
    R"({"id":"g_1","type":"function","function":{"name":"g","arguments":""}}]},"finish_reason":"TOOL_CALL",)"
    R"("usage":{"billed_units":{"input_tokens":5.0,"output_tokens":418},"tokens":{"input_tokens":71.0,"output_tokens":418},)"
    R"("cached_tokens":64}})";

TEST(CohereAnswer, EveryPartIsRead) {
    Cohere cohere;
    ChatAnswer answer;
    ASSERT_TRUE(cohere.read(whole_answer, answer));
    EXPECT_EQ(answer.id, "c14c80c3");
    const Choice& choice = answer.choices.front();
    ASSERT_EQ(choice.parts.count(), 5u);
    auto part = choice.parts.begin();
    EXPECT_EQ(part->kind, Kind::thinking);
    EXPECT_EQ(part->text, "I shall look.");
    ++part;
    EXPECT_EQ(part->kind, Kind::thinking);
    EXPECT_EQ(part->text, "Hm");
    ++part;
    EXPECT_EQ(part->text, R"(It \"rains\".)");
    ++part;
    EXPECT_EQ(part->tool_id, "f_1");
    EXPECT_EQ(part->arguments_text, R"({\"a\":1})");
    ++part;
    EXPECT_EQ(part->tool_name, "g");
    EXPECT_EQ(part->arguments_text, "{}");
    EXPECT_EQ(choice.finish, FinishReason::tool_calls);
    EXPECT_EQ(
        answer.usage,
        (Usage{
            .input = 71, .output = 418, .cached_input = 64, .total = 489, .provenance = Usage::Provenance::reported}));
    EXPECT_EQ(cohere.losses(), "citations");
}

TEST(CohereAnswer, FinishReasons) {
    const std::pair<std::string_view, FinishReason> reasons[] = {{"COMPLETE", FinishReason::stop},
                                                                 {"STOP_SEQUENCE", FinishReason::stop_sequence},
                                                                 {"MAX_TOKENS", FinishReason::length},
                                                                 {"TOOL_CALL", FinishReason::tool_calls},
                                                                 {"ERROR", FinishReason::error},
                                                                 {"TIMEOUT", FinishReason::error},
                                                                 {"ERROR_TOXIC", FinishReason::content_filter},
                                                                 {"NEW", FinishReason::other}};
    for (const auto& [word, reason] : reasons) {
        Cohere cohere;
        ChatAnswer answer;
        ASSERT_TRUE(cohere.read(R"({"message":{},"finish_reason":")" + std::string(word) + "\"}", answer));
        EXPECT_EQ(answer.choices.front().finish, reason) << word;
    }
}

TEST(CohereAnswer, EveryTruncationIsRefusedAndNoFlippedByteCrashes) {
    for (size_t size = 0; size < whole_answer.size(); ++size) {
        Cohere cohere;
        ChatAnswer answer;
        const std::string cut(whole_answer.substr(0, size));
        EXPECT_FALSE(cohere.read(cut, answer)) << size;
    }
    std::mt19937_64 random(3);
    for (int i = 0; i < 5000; ++i) {
        std::string changed(whole_answer);
        for (int flips = 0; flips < 3; ++flips)
            changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
        Cohere cohere;
        ChatAnswer answer;
        (void)cohere.read(changed, answer);
    }
}

TEST(CohereError, Message) {
    Cohere cohere;
    EXPECT_EQ(cohere.read_error(R"({"id":"x","message":"invalid request: no \"model\""})").message,
              R"(invalid request: no \"model\")");
    EXPECT_EQ(cohere.read_error("upstream \"gone\"").message, R"(upstream \"gone\")");
}

constexpr StreamEvent message_start{
    "message-start",
    R"({"id":"29f1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}})"};
constexpr StreamEvent message_end{
    "message-end",
    R"({"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":12},"tokens":{"input_tokens":66,"output_tokens":13}}}})"};

TEST(CohereStream, ThinkingTextAndUsage) {
    Cohere cohere;
    EXPECT_EQ(
        cohere.stream(
            {message_start,
             {"content-start",
              R"({"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}})"},
             {"content-delta",
              R"({"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm"}}}})"},
             {"content-end", R"({"type":"content-end","index":0})"},
             {"content-start",
              R"({"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":""}}}})"},
             {"", R"({"type":"content-delta","index":1,"delta":{"message":{"content":{"text":"It\n"}}}})"},
             {"citation-start",
              R"({"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":2}}}})"},
             {"citation-end", R"({"type":"citation-end","index":0})"},
             {"content-end", R"({"type":"content-end","index":1})"},
             message_end,
             {"", "[DONE]"}}),
        "start 29f1\nthinking Hm\npart_end\ntext It\\n\npart_end\nfinish 1 COMPLETE \n"
        "usage in 66 cached 0 written 0 out 13 reasoning 0 total 79\nend\nwhole\n");
    EXPECT_EQ(cohere.losses(), "citations");
}

// bifrost#1961, litellm#5231: the index of parallel calls rises. agentgateway#3002: no arguments are an object.
TEST(CohereStream, ThePlanAndParallelCalls) {
    Cohere cohere;
    EXPECT_EQ(
        cohere.stream(
            {message_start,
             {"tool-plan-delta", R"({"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I shall"}}})"},
             {"tool-call-start",
              R"({"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"f_1","type":"function","function":{"name":"f","arguments":""}}}}})"},
             {"tool-call-delta",
              R"({"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}})"},
             {"tool-call-delta",
              R"({"type":"tool-call-delta","index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}})"},
             {"tool-call-end", R"({"type":"tool-call-end","index":0})"},
             {"tool-call-start",
              R"({"type":"tool-call-start","index":1,"delta":{"message":{"tool_calls":{"id":"g_1","type":"function","function":{"name":"g","arguments":""}}}}})"},
             {"tool-call-end", R"({"type":"tool-call-end","index":1})"},
             message_end}),
        "start 29f1\nthinking I shall\ncall 0 f_1 f\narguments 0 {\\\"a\\\":\narguments 0 1}\npart_end\ncall 1 g_1 g\n"
        "arguments 1 {}\npart_end\nfinish 1 COMPLETE \nusage in 66 cached 0 written 0 out 13 reasoning 0 total "
        "79\nend\n"
        "whole\n");
}

TEST(CohereStream, AnErrorAtTheEndIsAnError) {
    Cohere cohere;
    EXPECT_EQ(cohere.stream({message_start,
                             {"message-end",
                              R"({"type":"message-end","delta":{"error":"it \"broke\"","finish_reason":"ERROR"}})"},
                             message_end}),
              "start 29f1\nerror 500 ERROR it \\\"broke\\\"\ncut off\n");
}

TEST(CohereStream, AMalformedEventSaysNothingAndUnknownOnesPass) {
    Cohere cohere;
    EXPECT_EQ(
        cohere.stream({message_start,
                       {"content-delta", R"({"type":"content-delta","delta":{"message":)"},
                       {"debug", R"({"type":"debug","prompt":"…"})"},
                       {"content-delta", R"({"type":"content-delta","delta":{"message":{"content":{"text":"B"}}}})"}}),
        "start 29f1\nmalformed\ntext B\ncut off\n");
}

TEST(CohereStream, EveryTruncationIsMalformedAndNoFlippedByteCrashes) {
    constexpr std::string_view events[] = {
        message_start.data, message_end.data,
        R"({"type":"tool-call-start","index":0,"delta":{"message":{"tool_calls":{"id":"f","function":{"name":"f","arguments":"{}"}}}}})"};
    std::mt19937_64 random(5);
    for (const std::string_view data : events) {
        for (size_t size = 0; size < data.size(); ++size) {
            Cohere cohere;
            EXPECT_EQ(cohere.stream({{"", data.substr(0, size)}}), "malformed\ncut off\n") << size;
        }
        for (int i = 0; i < 2000; ++i) {
            std::string changed(data);
            for (int flips = 0; flips < 3; ++flips)
                changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
            Cohere cohere;
            (void)cohere.stream({message_start, {"", changed}, message_end});
        }
    }
}

// "accurate" citations come behind their content's end: it ends with what is next. Those of an earlier content have no
// place any more.
TEST(CohereStream, CitationsStayWithTheContentTheyAreOf) {
    Cohere cohere;
    const auto content = [](int index, std::string_view text) {
        return R"({"type":"content-delta","index":)" + std::to_string(index) +
               R"(,"delta":{"message":{"content":{"text":")" + std::string(text) + R"("}}}})";
    };
    const auto start = [](int index) {
        return R"({"type":"content-start","index":)" + std::to_string(index) +
               R"(,"delta":{"message":{"content":{"type":"text","text":""}}}})";
    };
    const auto citation = [](int index) {
        return R"({"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":3,"text":"Two",)"
               R"("sources":[{"type":"tool","tool_output":{"url":"https://a/"}}],"content_index":)" +
               std::to_string(index) + R"(,"type":"TEXT_CONTENT"}}}})";
    };
    const std::string start_0 = start(0), start_1 = start(1), one = content(0, "One."), two = content(1, "Two."),
                      of_one = citation(0), of_two = citation(1);
    EXPECT_EQ(cohere.stream({{"content-start", start_0},
                             {"content-delta", one},
                             {"content-end", R"({"type":"content-end","index":0})"},
                             {"content-start", start_1},
                             {"content-delta", two},
                             {"content-end", R"({"type":"content-end","index":1})"},
                             {"citation-start", of_one},
                             {"citation-start", of_two},
                             {"message-end", R"({"type":"message-end","delta":{"finish_reason":"COMPLETE"}})"}}),
              "text One.\npart_end\ntext Two.\n"
              R"(citation {"type":"url_citation","start_index":0,"end_index":3,"url":"https://a/","title":""})"
              "\npart_end\nfinish 1 COMPLETE \nend\nwhole\n");
    EXPECT_EQ(cohere.losses(), "citations");
}

}  // namespace
}  // namespace loom::llm
