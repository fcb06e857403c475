// Bedrock's Converse, provider side. Documents and events after the API reference and user guide of Amazon Bedrock;
// each test of a lesson carries the issue of the gateway that shipped the bug.
#include <random>
#include <set>

#include "provider_side.h"

namespace loom::llm {
namespace {

using Kind = Part::Kind;

constexpr std::string_view sonnet = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
constexpr std::string_view opus_46 = "anthropic.claude-opus-4-6-v1";
constexpr std::string_view nova = "amazon.nova-pro-v1:0";
constexpr std::string_view llama = "meta.llama3-3-70b-instruct-v1:0";

struct Bedrock : ProviderSide {
    explicit Bedrock(std::string_view model = sonnet) : ProviderSide(bedrock_dialect(), model) {}
    /// The document of a request that says "Hi", after `change`.
    template <class Change>
    std::string written(Change change) {
        ChatRequest request;
        say(request, Role::user, "Hi");
        change(request);
        return write(request);
    }
};

constexpr std::string_view hi = R"({"messages":[{"role":"user","content":[{"text":"Hi"}]}])";

TEST(BedrockRequest, SystemTextsStandApartAndRolesTakeTurns) {
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::system, R"(Be \"brief\".)");
    bedrock.say(request, Role::user, "One");
    bedrock.say(request, Role::user, "Two");
    bedrock.say(request, Role::assistant, "Three");
    bedrock.say(request, Role::developer, "And kind.");
    bedrock.say(request, Role::user, "Four");
    EXPECT_EQ(bedrock.write(request),
              R"({"messages":[{"role":"user","content":[{"text":"One"},{"text":"Two"}]},)"
              R"({"role":"assistant","content":[{"text":"Three"}]},{"role":"user","content":[{"text":"Four"}]}],)"
              R"("system":[{"text":"Be \"brief\"."},{"text":"And kind."}]})");
    EXPECT_EQ(bedrock.losses(), "");
}

// bifrost#2765: a blank block is refused, and with it the whole conversation.
TEST(BedrockRequest, BlankBlocksAreLeftOut) {
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::system, " ");
    bedrock.say(request, Role::user, "One");
    bedrock.say(request, Role::assistant, R"(\n )");
    bedrock.say(request, Role::user, "Two");
    EXPECT_EQ(bedrock.write(request), R"({"messages":[{"role":"user","content":[{"text":"One"},{"text":"Two"}]}]})");
}

TEST(BedrockRequest, AConversationBeginsWithTheUser) {
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::assistant, "Welcome.");
    EXPECT_EQ(bedrock.write(request), R"({"messages":[{"role":"user","content":[{"text":"Continue."}]},)"
                                      R"({"role":"assistant","content":[{"text":"Welcome."}]}]})");
    EXPECT_EQ(bedrock.losses(), "messages[0].role");
}

TEST(BedrockRequest, InstructionsAloneAreTheUsers) {
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::system, "Write a poem.");
    EXPECT_EQ(bedrock.write(request), R"({"messages":[{"role":"user","content":[{"text":"Write a poem."}]}]})");
    EXPECT_EQ(bedrock.losses(), "messages[].role");
}

TEST(BedrockRequest, NothingToSayIsRefused) {
    Bedrock bedrock;
    ChatRequest request;
    EXPECT_EQ(bedrock.write(request), "unsupported messages: Bedrock takes no conversation without a text");
}

TEST(BedrockRequest, APrefillLosesItsTrailingBlanks) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([&](ChatRequest& r) { bedrock.say(r, Role::assistant, R"(a\\n b\\\n \t)"); }),
              R"({"messages":[{"role":"user","content":[{"text":"Hi"}]},)"
              R"({"role":"assistant","content":[{"text":"a\\n b\\"}]}]})");
}

TEST(BedrockRequest, ImagesAreBytesOrInS3) {
    Bedrock bedrock;
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, "See");
    bedrock.add(message, {.kind = Kind::image, .media = {.data = "AAAA", .media_type = "image/jpg"}});
    bedrock.add(message, {.kind = Kind::image, .media = {.data = "iVBORw0KGgoAAA"}});
    bedrock.add(message, {.kind = Kind::image,
                          .media = {.source = Media::Source::url, .data = "data:image/gif;base64,R0lGODlh"}});
    bedrock.add(message,
                {.kind = Kind::image, .media = {.source = Media::Source::url, .data = "s3://bucket/cat.webp"}});
    EXPECT_EQ(bedrock.write(request),
              R"({"messages":[{"role":"user","content":[{"text":"See"},)"
              R"({"image":{"format":"jpeg","source":{"bytes":"AAAA"}}},)"
              R"({"image":{"format":"png","source":{"bytes":"iVBORw0KGgoAAA"}}},)"
              R"({"image":{"format":"gif","source":{"bytes":"R0lGODlh"}}},)"
              R"({"image":{"format":"webp","source":{"s3Location":{"uri":"s3://bucket/cat.webp"}}}}]}]})");
}

TEST(BedrockRequest, WhatMustBeFetchedIsRefusedWithTheRemedy) {
    for (const Kind kind : {Kind::image, Kind::file, Kind::video, Kind::audio}) {
        Bedrock bedrock;
        ChatRequest request;
        Message& message = bedrock.say(request, Role::user, "See");
        bedrock.add(message,
                    {.kind = kind, .media = {.source = Media::Source::url, .data = "https://example.com/cat.png"}});
        EXPECT_EQ(bedrock.write(request),
                  "unsupported messages: Bedrock fetches no URLs: send the bytes as base64, or an s3:// address");
    }
}

TEST(BedrockRequest, DocumentsGetNamesThatConverseTakesAndNoTwoTheSame) {
    Bedrock bedrock;
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, {});
    const Media pdf{.data = "JVBE", .media_type = "application/pdf", .name = "Q3 report_v2 (final).pdf"};
    bedrock.add(message, {.kind = Kind::file, .media = pdf});
    bedrock.add(message, {.kind = Kind::file, .media = pdf});
    bedrock.add(message, {.kind = Kind::file, .media = {.source = Media::Source::text, .data = "Text."}});
    EXPECT_EQ(bedrock.write(request),
              R"({"messages":[{"role":"user","content":[)"
              R"x({"document":{"format":"pdf","name":"Q3 report v2 (final)","source":{"bytes":"JVBE"}}},)x"
              R"x({"document":{"format":"pdf","name":"Q3 report v2 (final) 2","source":{"bytes":"JVBE"}}},)x"
              R"({"document":{"format":"txt","name":"document","source":{"bytes":"VGV4dC4="}}},)"
              R"({"text":"document"}]}]})");
}

TEST(BedrockRequest, ManyDocumentsHaveAsManyNames) {
    Bedrock bedrock;
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, "Read");
    for (const Text name : {"a 3", "a", "a", "a 2", "a.txt"})
        bedrock.add(message, {.kind = Kind::file, .media = {.source = Media::Source::text, .data = "x", .name = name}});
    for (int i = 0; i < 60; ++i)
        bedrock.add(message, {.kind = Kind::file, .media = {.source = Media::Source::text, .data = "x"}});
    const std::string document = bedrock.write(request);
    const Dom dom(document);
    std::set<std::string> names;
    for (int i = 1; i <= 65; ++i) names.insert(dom.text("/messages/0/content/" + std::to_string(i) + "/document/name"));
    EXPECT_EQ(names.size(), 65u);
    EXPECT_TRUE(names.contains("a 3") && names.contains("a") && names.contains("document 65"));
}

// strands-agents/harness-sdk#3582: of a document that is not to be cited Bedrock takes bytes alone, and says of a text
// that they are missing.
TEST(BedrockRequest, DocumentsAreTextsAndBlocksWhereTheyAreCited) {
    const auto document = [](std::string_view model, bool is_cited) {
        Bedrock bedrock(model);
        ChatRequest request;
        Message& message = bedrock.say(request, Role::user, "Read");
        Part text{.kind = Kind::file, .media = {.source = Media::Source::text, .data = R"(S\u00fcn \"1\")"}};
        if (is_cited) text.citations = R"({"enabled":true})";
        Part blocks = text;
        blocks.content.add(bedrock.arena, {.text = "One."});
        blocks.content.add(bedrock.arena, {.text = "Two."});
        bedrock.add(message, text);
        bedrock.add(message, blocks);
        const std::string written = bedrock.write(request);
        return written.substr(0, written.find("]}]")) + " lost " + bedrock.losses();
    };
    const std::string cited =
        R"({"messages":[{"role":"user","content":[{"text":"Read"},)"
        R"({"document":{"format":"txt","name":"document","source":{"text":"S\u00fcn \"1\""},"citations":{"enabled":true}}},)"
        R"({"document":{"format":"txt","name":"document 2","source":{"content":[{"text":"One."},{"text":"Two."}]},)"
        R"("citations":{"enabled":true}}} lost )";
    const std::string plain =
        R"({"messages":[{"role":"user","content":[{"text":"Read"},)"
        R"({"document":{"format":"txt","name":"document","source":{"bytes":"U8O8biAiMSI="}}},)"
        R"({"document":{"format":"txt","name":"document 2","source":{"bytes":"U8O8biAiMSI="}}} lost )";
    EXPECT_EQ(document(sonnet, true), cited);
    EXPECT_EQ(document(sonnet, false), plain);
    for (const std::string_view model : {"anthropic.claude-3-haiku-20240307-v1:0",
                                         "anthropic.claude-3-5-sonnet-20240620-v1:0", "amazon.nova-pro-v1:0"})
        EXPECT_EQ(document(model, true), plain + "citations") << model;  // "This model doesn't support citations."
}

// What is cited in a document that is there is told again; a page has no place in Converse but in an answer.
TEST(BedrockRequest, WhatClaudeCitedIsToldAgain) {
    Bedrock bedrock;
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, "Read");
    bedrock.add(message, {.kind = Kind::file,
                          .media = {.source = Media::Source::text, .data = "Rain."},
                          .citations = R"({"enabled":true})"});
    Message& said = bedrock.say(request, Role::assistant, {});
    const auto cite = [&](Text text, Json citations) {
        bedrock.add(said, {.kind = Kind::text, .text = text, .citations = citations});
    };
    cite(
        "It rains.",
        R"([{"type":"char_location","cited_text":"Rain \"漢\"","document_index":0,"document_title":"D","start_char_index":0,"end_char_index":5},)"
        R"({"type":"page_location","cited_text":"R","document_index":0,"document_title":null,"start_page_number":1,"end_page_number":2}])");
    cite(
        "So the web.",
        R"([{"type":"web_search_result_location","cited_text":"c","url":"https://a/","title":"A","encrypted_index":"E"}])");
    cite(
        "Another.",
        R"([{"type":"char_location","cited_text":"c","document_index":1,"document_title":"E","start_char_index":0,"end_char_index":1}])");
    bedrock.say(request, Role::user, "Go on");
    const std::string written = bedrock.write(request);
    EXPECT_NE(
        written.find(
            R"({"role":"assistant","content":[{"citationsContent":{"content":[{"text":"It rains."}],"citations":[)"
            R"({"title":"D","sourceContent":[{"text":"Rain \"漢\""}],"location":{"documentChar":{"documentIndex":0,"start":0,"end":5}}},)"
            R"({"sourceContent":[{"text":"R"}],"location":{"documentPage":{"documentIndex":0,"start":1,"end":2}}}]}},)"
            R"({"text":"So the web."},{"text":"Another."}]})"),
        std::string::npos)
        << written;
    EXPECT_EQ(bedrock.losses(), "citations");
}

TEST(BedrockRequest, SoundsAndVideosHaveTheirFormats) {
    Bedrock bedrock("amazon.nova-2-sonic-v1:0");
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, "Hear");
    bedrock.add(message, {.kind = Kind::audio, .media = {.data = "UklG", .media_type = "audio/mpeg"}});
    bedrock.add(message, {.kind = Kind::video, .media = {.data = "AAAA", .media_type = "video/quicktime"}});
    EXPECT_EQ(bedrock.write(request), R"({"messages":[{"role":"user","content":[{"text":"Hear"},)"
                                      R"({"audio":{"format":"mp3","source":{"bytes":"UklG"}}},)"
                                      R"({"video":{"format":"mov","source":{"bytes":"AAAA"}}}]}]})");
    message.parts.back().media.media_type = "video/ogg";
    EXPECT_EQ(bedrock.write(request),
              "unsupported messages: Bedrock does not take a sound or video of this media type");
}

/// user, two calls, their results, and a question.
ChatRequest tool_loop(Bedrock& bedrock) {
    ChatRequest request;
    bedrock.say(request, Role::user, "Weather?");
    Message& calls = bedrock.say(request, Role::assistant, {});
    bedrock.add(calls, {.kind = Kind::tool_call,
                        .tool_id = "call_1",
                        .tool_name = "weather",
                        .arguments_text = R"({\"city\":\"Bern\"})"});
    bedrock.add(calls, {.kind = Kind::tool_call, .tool_id = "call_2", .tool_name = "time", .arguments_text = ""});
    Part& first = bedrock.add(bedrock.say(request, Role::tool, {}), {.kind = Kind::tool_result, .tool_id = "call_1"});
    first.content.add(bedrock.arena, {.text = "rain"});
    bedrock.add(bedrock.say(request, Role::tool, {}),
                {.kind = Kind::tool_result, .is_error = true, .tool_id = "call_2"});
    bedrock.say(request, Role::user, "And?");
    return request;
}

// agentgateway#2747: a history with tools is refused where none is declared. higress#3503: text beside results stays.
TEST(BedrockRequest, AToolLoopDeclaresItsToolsAndKeepsTheTextBesideResults) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.write(tool_loop(bedrock)),
              R"({"messages":[{"role":"user","content":[{"text":"Weather?"}]},)"
              R"({"role":"assistant","content":[)"
              R"({"toolUse":{"toolUseId":"call_1","name":"weather","input":{"city":"Bern"}}},)"
              R"({"toolUse":{"toolUseId":"call_2","name":"time","input":{}}}]},)"
              R"({"role":"user","content":[)"
              R"({"toolResult":{"toolUseId":"call_1","content":[{"text":"rain"}]}},)"
              R"({"toolResult":{"toolUseId":"call_2","content":[{"text":"no output"}],"status":"error"}},)"
              R"({"text":"And?"}]}],)"
              R"("toolConfig":{"tools":[)"
              R"({"toolSpec":{"name":"weather","inputSchema":{"json":{"type":"object","properties":{}}}}},)"
              R"({"toolSpec":{"name":"time","inputSchema":{"json":{"type":"object","properties":{}}}}}]}})");
    Bedrock other(llama);
    EXPECT_EQ(other.write(tool_loop(other)).find("status"), std::string::npos) << "of Claude and Nova alone";
    EXPECT_EQ(other.losses(), "tool_result.is_error");
}

TEST(BedrockRequest, MistralsIdsAreNineLettersTheSameForCallAndResult) {
    Bedrock bedrock("mistral.mistral-large-2407-v1:0");
    const std::string document = bedrock.write(tool_loop(bedrock));
    const Dom dom(document);
    const std::string id = dom.text("/messages/1/content/0/toolUse/toolUseId");
    EXPECT_EQ(id.size(), 9u);
    EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
    EXPECT_EQ(dom.text("/messages/2/content/0/toolResult/toolUseId"), id);
    EXPECT_NE(dom.text("/messages/1/content/1/toolUse/toolUseId"), id);
}

TEST(BedrockRequest, ResultsThatAreObjectsStayObjects) {
    Bedrock bedrock;
    ChatRequest request;
    Message& message = bedrock.say(request, Role::user, {});
    bedrock.add(message, {.kind = Kind::tool_result, .tool_id = "a", .result_json = R"({"t":1})"});
    bedrock.add(message, {.kind = Kind::tool_result, .tool_id = "b", .result_json = R"(["x"])"});
    const std::string document = bedrock.write(request);
    EXPECT_NE(document.find(R"("content":[{"json":{"t":1}}])"), std::string::npos) << document;
    EXPECT_NE(document.find(R"("content":[{"text":"[\"x\"]"}])"), std::string::npos) << document;
}

// agentgateway#2384: Bedrock takes 64 bytes of [a-zA-Z0-9_-].
TEST(BedrockRequest, LongToolNamesAreShortenedAndMappedBack) {
    Bedrock bedrock;
    const std::string name = "mcp__a.very.long.server.name__" + std::string(60, 'x');
    ChatRequest request;
    bedrock.say(request, Role::user, "Hi");
    request.tools.add(bedrock.arena, {.name = name, .schema = R"({"type":"object"})"});
    request.tool_choice = {.kind = ToolChoice::Kind::named, .name = name};
    const std::string document = bedrock.write(request);
    const std::string alias = Dom(document).text("/toolConfig/tools/0/toolSpec/name");
    EXPECT_LE(alias.size(), 64u);
    EXPECT_EQ(Dom(document).text("/toolConfig/toolChoice/tool/name"), alias);

    ChatAnswer answer;
    const std::string body =
        R"({"output":{"message":{"role":"assistant","content":[{"toolUse":{"toolUseId":"t","name":")" + alias +
        R"(","input":{}}}]}},"stopReason":"tool_use"})";
    ASSERT_TRUE(bedrock.read(body, answer));
    EXPECT_EQ(answer.choices.front().parts.front().tool_name, name);
    const std::string start =
        R"({"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":")" + alias + R"("}}})";
    EXPECT_EQ(bedrock.stream({{"contentBlockStart", start}}), "call 0 t " + name + "\ncut off\n");
}

TEST(BedrockRequest, ToolsAndTheirChoice) {
    const auto written = [](ToolChoice choice, Bedrock& bedrock) {
        return bedrock.written([&](ChatRequest& r) {
            r.tools.add(bedrock.arena, {.name = "f", .description = "Does.", .schema = R"({"type":"object"})"});
            r.tool_choice = choice;
        });
    };
    const std::string tools =
        std::string(hi) +
        R"(,"toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"Does.","inputSchema":{"json":{"type":"object"}}}}])";
    Bedrock b;
    using Choice = ToolChoice::Kind;
    EXPECT_EQ(written({}, b), tools + "}}");
    EXPECT_EQ(written({.kind = Choice::automatic}, b), tools + R"(,"toolChoice":{"auto":{}}}})");
    EXPECT_EQ(written({.kind = Choice::any}, b), tools + R"(,"toolChoice":{"any":{}}}})");
    EXPECT_EQ(written({.kind = Choice::named, .name = "f"}, b), tools + R"(,"toolChoice":{"tool":{"name":"f"}}}})");
    EXPECT_EQ(b.losses(), "");
    EXPECT_EQ(written({.kind = Choice::none}, b), std::string(hi) + "}") << "Converse has no word for it";
    EXPECT_EQ(written({.parallel = false}, b), tools + "}}");
    EXPECT_EQ(b.losses(), "parallel_tool_calls");
}

// apisix#13583: a choice among no tools is refused.
TEST(BedrockRequest, AChoiceWithoutToolsIsDropped) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([](ChatRequest& r) { r.tool_choice.kind = ToolChoice::Kind::any; }),
              std::string(hi) + "}");
    EXPECT_EQ(bedrock.losses(), "tool_choice");
}

TEST(BedrockRequest, StrictToolsGoWhereTheyAreTaken) {
    const auto strict = [](Bedrock& bedrock) {
        return bedrock.written([&](ChatRequest& r) { r.tools.add(bedrock.arena, {.name = "f", .strict = true}); });
    };
    Bedrock takes, refuses("anthropic.claude-3-5-sonnet-20241022-v2:0");
    EXPECT_NE(strict(takes).find(R"("strict":true)"), std::string::npos);
    EXPECT_EQ(takes.losses(), "");
    EXPECT_EQ(strict(refuses).find("strict"), std::string::npos);
    EXPECT_EQ(refuses.losses(), "tools[].strict");
}

TEST(BedrockRequest, ToolsOfOtherProvidersAreNamed) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([&](ChatRequest& r) {
        r.tools.add(bedrock.arena, {.is_function = false, .type = "web_search_20250305"});
    }),
              std::string(hi) + "}");
    EXPECT_EQ(bedrock.losses(), "tools[].type");
}

TEST(BedrockRequest, CachePointsFollowWhatTheyCache) {
    constexpr std::string_view five = R"({"type":"ephemeral"})", hour = R"({"type":"ephemeral","ttl":"1h"})";
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::system, "Long.").parts.back().cache_control = hour;
    bedrock.say(request, Role::user, "Hi").parts.back().cache_control = five;
    request.tools.add(bedrock.arena, {.name = "f", .schema = "{}", .cache_control = five});
    EXPECT_EQ(bedrock.write(request),
              R"({"messages":[{"role":"user","content":[{"text":"Hi"},{"cachePoint":{"type":"default"}}]}],)"
              R"("system":[{"text":"Long."},{"cachePoint":{"type":"default","ttl":"1h"}}],)"
              R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":{}}}},)"
              R"({"cachePoint":{"type":"default"}}]}})");
    Bedrock other(llama);
    EXPECT_EQ(other.write(request).find("cachePoint"), std::string::npos) << "refused by models that cache nothing";
    EXPECT_EQ(other.losses(), "cache_control");
}

TEST(BedrockRequest, ThinkingGoesBackWithItsSignatureByteForByte) {
    Bedrock bedrock;
    ChatRequest request;
    bedrock.say(request, Role::user, "Hi");
    Message& message = bedrock.say(request, Role::assistant, {});
    bedrock.add(message, {.kind = Kind::thinking, .text = R"(Hm\n)", .signature = "Eq/+w=="});
    bedrock.add(message, {.kind = Kind::redacted_thinking, .text = "EmwK+/=="});
    bedrock.add(message, {.kind = Kind::thinking, .text = "another provider's"});
    bedrock.add(message, {.kind = Kind::text, .text = "Yes"});
    EXPECT_EQ(bedrock.write(request),
              R"({"messages":[{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[)"
              R"({"reasoningContent":{"reasoningText":{"text":"Hm\n","signature":"Eq/+w=="}}},)"
              R"({"reasoningContent":{"redactedContent":"EmwK+/=="}},{"text":"Yes"}]}]})");
    EXPECT_EQ(bedrock.losses(), "reasoning_content");
}

TEST(BedrockRequest, ParametersStandWhereTheyBelong) {
    Bedrock bedrock(nova);
    EXPECT_EQ(
        bedrock.written([&](ChatRequest& r) {
            r.max_tokens = 300;
            r.temperature = "0.5";
            r.top_p = "0.9";
            r.top_k = "20";
            r.stop.add(bedrock.arena, "END");
            r.stop.add(bedrock.arena, " ");
            r.service_tier = "priority";
        }),
        std::string(hi) +
            R"(,"inferenceConfig":{"maxTokens":300,"temperature":0.5,"topP":0.9,"stopSequences":["END"]},)"
            R"("additionalModelRequestFields":{"inferenceConfig":{"topK":20}},"serviceTier":{"type":"priority"}})");
    EXPECT_EQ(bedrock.losses(), "stop");
}

// agentgateway#2860: top_k is no field of inferenceConfig, and each family has its own place for it.
TEST(BedrockRequest, TopKByFamily) {
    const auto with_top_k = [](std::string_view model, std::string& losses) {
        Bedrock bedrock(model);
        std::string document = bedrock.written([](ChatRequest& r) { r.top_k = "5"; });
        losses = bedrock.losses();
        return document.substr(hi.size());
    };
    std::string losses;
    EXPECT_EQ(with_top_k(sonnet, losses), R"(,"additionalModelRequestFields":{"top_k":5}})");
    EXPECT_EQ(with_top_k("cohere.command-r-v1:0", losses), R"(,"additionalModelRequestFields":{"k":5}})");
    EXPECT_EQ(losses, "");
    EXPECT_EQ(with_top_k(llama, losses), "}");
    EXPECT_EQ(losses, "top_k");
}

TEST(BedrockRequest, ClaudeTakesOneSamplingParameterAndOnlyUpToOne) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([](ChatRequest& r) {
        r.temperature = "1.7";
        r.top_p = "0.8";
    }),
              std::string(hi) + R"(,"inferenceConfig":{"temperature":1}})");
    EXPECT_EQ(bedrock.losses(), "top_p temperature");
    Bedrock silent;
    (void)silent.written([](ChatRequest& r) {
        r.temperature = "0.7";
        r.top_p = "1";
    });
    EXPECT_EQ(silent.losses(), "") << "a top_p of 1 says nothing";
}

TEST(BedrockRequest, WhatConverseDoesNotKnowIsNamed) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([](ChatRequest& r) {
        r.n = 2;
        r.seed = "7";
        r.presence_penalty = "0.1";
        r.frequency_penalty = "0";
        r.logit_bias = "{}";
        r.logprobs = true;
        r.top_logprobs = 3;
        r.user = "u";
        r.metadata = "{}";
        r.verbosity = "low";
        r.prompt_cache_key = "k";
        r.service_tier = "scale";
    }),
              std::string(hi) + "}");
    EXPECT_EQ(bedrock.losses(),
              "service_tier n seed presence_penalty logit_bias logprobs top_logprobs user verbosity prompt_cache_key "
              "metadata");
}

// agentgateway#2856, higress#4244: the budget stays below max_tokens. bifrost#5887: and thinking is not dropped.
TEST(BedrockRequest, ClaudesThinkingByGeneration) {
    struct Case {
        std::string_view model;
        Reasoning reasoning;
        uint64_t max_tokens;
        std::string_view thinking;  // behind the messages
        std::string_view losses;
    };
    using Effort = Reasoning::Effort;
    const Case cases[] = {
        {sonnet,
         {.budget_tokens = 2000},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}})",
         ""},
        {sonnet,
         {.budget_tokens = 100},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":1024}}})",
         ""},
        {sonnet,
         {.budget_tokens = 9000},
         8000,
         R"("inferenceConfig":{"maxTokens":8000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":7999}}})",
         "reasoning.budget_tokens"},
        {sonnet,
         {.effort = Effort::high},
         8000,
         R"("inferenceConfig":{"maxTokens":8000},"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":4000}}})",
         "reasoning.budget_tokens"},
        {sonnet, {.effort = Effort::low}, 900, R"("inferenceConfig":{"maxTokens":900}})", "reasoning.budget_tokens"},
        {sonnet, {.effort = Effort::none}, 0, "", ""},
        {opus_46,
         {.effort = Effort::medium},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}}})",
         ""},
        {opus_46,
         {.budget_tokens = 5000},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":5000}}})",
         ""},
        {opus_46,
         {.effort = Effort::max},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}}})",
         ""},
        {opus_46,
         {.effort = Effort::xhigh},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}})",
         "reasoning_effort"},
        {"anthropic.claude-opus-5-v1",
         {.budget_tokens = 40000, .include_thoughts = true},
         0,
         R"("additionalModelRequestFields":{"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}}})",
         ""},
        {"anthropic.claude-3-haiku-20240307-v1:0", {.effort = Effort::low}, 0, "", "reasoning_effort"},
        {"openai.gpt-oss-120b-1:0",
         {.effort = Effort::xhigh},
         0,
         R"("additionalModelRequestFields":{"reasoning_effort":"high"}})",
         "reasoning_effort"},
        {"openai.gpt-5.6",
         {.effort = Effort::xhigh},
         0,
         R"("additionalModelRequestFields":{"reasoning":{"effort":"xhigh"}}})",
         ""},
        {"us.amazon.nova-2-lite-v1:0",
         {.effort = Effort::high},
         0,
         R"("additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"high"}}})",
         ""},
        {"us.amazon.nova-2-lite-v1:0",
         {.effort = Effort::high},
         50,
         R"("inferenceConfig":{"maxTokens":50},"additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"medium"}}})",
         "reasoning_effort"},
        {llama, {.effort = Effort::high}, 0, "", "reasoning_effort"},
    };
    for (const Case& one : cases) {
        Bedrock bedrock(one.model);
        const std::string document = bedrock.written([&](ChatRequest& r) {
            r.reasoning = one.reasoning;
            r.max_tokens = one.max_tokens;
        });
        const std::string expected = std::string(hi) + (one.thinking.empty() ? "}" : "," + std::string(one.thinking));
        EXPECT_EQ(document, expected) << one.model;
        EXPECT_EQ(bedrock.losses(), one.losses) << one.model;
    }
}

TEST(BedrockRequest, ThinkingClaudeTakesNoSampling) {
    Bedrock bedrock;
    EXPECT_EQ(
        bedrock.written([](ChatRequest& r) {
            r.reasoning.budget_tokens = 2000;
            r.temperature = "0.2";
            r.top_k = "4";
            r.top_p = "0.5";
        }),
        std::string(hi) + R"(,"additionalModelRequestFields":{"thinking":{"type":"enabled","budget_tokens":2000}}})");
    EXPECT_EQ(bedrock.losses(), "temperature top_k top_p");
}

// "Expected `thinking` … but found `tool_use`": clients of other protocols do not send signatures back.
TEST(BedrockRequest, AToolLoopWithoutItsThinkingGoesOnWithout) {
    Bedrock bedrock;
    ChatRequest request = tool_loop(bedrock);
    request.reasoning.budget_tokens = 2000;
    EXPECT_EQ(bedrock.write(request).find("thinking"), std::string::npos);
    EXPECT_EQ(bedrock.losses(), "reasoning_effort");
}

TEST(BedrockRequest, AForcedToolWinsOverThinking) {
    Bedrock bedrock;
    const std::string document = bedrock.written([&](ChatRequest& r) {
        r.tools.add(bedrock.arena, {.name = "f"});
        r.tool_choice.kind = ToolChoice::Kind::any;
        r.reasoning.budget_tokens = 2000;
    });
    EXPECT_EQ(document.find("thinking"), std::string::npos) << document;
    EXPECT_EQ(bedrock.losses(), "reasoning_effort");
}

TEST(BedrockRequest, ASchemaOfTheAnswer) {
    const auto with_schema = [](Bedrock& bedrock) {
        return bedrock.written([](ChatRequest& r) {
            r.format = {.kind = ResponseFormat::Kind::json_schema, .name = "w", .schema = R"({"type":"object"})"};
        });
    };
    Bedrock takes;
    EXPECT_EQ(
        with_schema(takes),
        std::string(hi) +
            R"(,"outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"{\"type\":\"object\"}","name":"w"}}}}})");
    EXPECT_EQ(takes.losses(), "");
    Bedrock told(nova);
    const std::string document = with_schema(told);
    EXPECT_NE(Dom(document).text("/system/0/text").find(R"(JSON Schema: {"type":"object"})"), std::string::npos);
    EXPECT_EQ(told.losses(), "response_format");
}

TEST(BedrockRequest, ClaudeIsAskedWhichStopSequenceItWas) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.written([&](ChatRequest& r) { r.stop.add(bedrock.arena, "END"); }),
              std::string(hi) + R"(,"inferenceConfig":{"stopSequences":["END"]},)"
                                R"("additionalModelResponseFieldPaths":["/stop_sequence","/delta/stop_sequence"]})");
}

constexpr std::string_view whole_answer =
    R"({"output":{"message":{"role":"assistant","content":[)"
    R"({"reasoningContent":{"reasoningText":{"text":"Hm","signature":"sig=="}}},)"
    R"({"reasoningContent":{"redactedContent":"AbC="}},)"
    R"({"text":"It is \"wet\"."},)"
    R"({"citationsContent":{"content":[{"text":"Rain."}],"citations":[{"title":"Doc","sourceContent":[{"text":"rain"}],)"
    R"("location":{"documentChar":{"documentIndex":0,"start":3,"end":7}}}]}},)"
    R"({"toolUse":{"toolUseId":"tooluse_1","name":"weather","input":{"city":"Bern"}}}]}},)"
    R"("stopReason":"tool_use","usage":{"inputTokens":10,"outputTokens":20,"totalTokens":180,)"
    R"("cacheReadInputTokens":100,"cacheWriteInputTokens":50,"cacheDetails":[{"ttl":"1h","inputTokens":30},)"
    R"({"ttl":"5m","inputTokens":20}]},"metrics":{"latencyMs":900},"serviceTier":{"type":"default"}})";

TEST(BedrockAnswer, EveryBlockIsRead) {
    Bedrock bedrock;
    ChatAnswer answer;
    ASSERT_TRUE(bedrock.read(whole_answer, answer));
    const Choice& choice = answer.choices.front();
    ASSERT_EQ(choice.parts.count(), 5u);
    auto part = choice.parts.begin();
    EXPECT_EQ(part->kind, Kind::thinking);
    EXPECT_EQ(part->text, "Hm");
    EXPECT_EQ(part->signature, "sig==");
    ++part;
    EXPECT_EQ(part->kind, Kind::redacted_thinking);
    EXPECT_EQ(part->text, "AbC=");
    ++part;
    EXPECT_EQ(part->text, R"(It is \"wet\".)");
    ++part;
    EXPECT_EQ(part->text, "Rain.");
    EXPECT_EQ(part->citations, R"([{"type":"char_location","cited_text":"rain","document_index":0,)"
                               R"("document_title":"Doc","start_char_index":3,"end_char_index":7}])");
    ++part;
    EXPECT_EQ(part->kind, Kind::tool_call);
    EXPECT_EQ(part->tool_id, "tooluse_1");
    EXPECT_EQ(part->arguments, R"({"city":"Bern"})");
    EXPECT_EQ(choice.finish, FinishReason::tool_calls);
    EXPECT_EQ(choice.finish_text, "tool_use");
    EXPECT_EQ(answer.service_tier, "default");
    EXPECT_EQ(answer.usage, (Usage{.input = 160,
                                   .output = 20,
                                   .cached_input = 100,
                                   .cache_write = 50,
                                   .cache_write_1h = 30,
                                   .total = 180,
                                   .provenance = Usage::Provenance::reported}));
    EXPECT_EQ(bedrock.losses(), "");
}

TEST(BedrockAnswer, StopReasons) {
    const std::pair<std::string_view, FinishReason> reasons[] = {
        {"end_turn", FinishReason::stop},
        {"max_tokens", FinishReason::length},
        {"stop_sequence", FinishReason::stop_sequence},
        {"guardrail_intervened", FinishReason::content_filter},
        {"content_filtered", FinishReason::content_filter},
        {"malformed_tool_use", FinishReason::error},
        {"malformed_model_output", FinishReason::error},
        {"model_context_window_exceeded", FinishReason::length},
        {"something_new", FinishReason::other}};
    for (const auto& [word, reason] : reasons) {
        Bedrock bedrock;
        ChatAnswer answer;
        const std::string body = R"({"output":{"message":{"content":[]}},"stopReason":")" + std::string(word) +
                                 R"(","additionalModelResponseFields":{"stop_sequence":"END"}})";
        ASSERT_TRUE(bedrock.read(body, answer));
        EXPECT_EQ(answer.choices.front().finish, reason) << word;
        EXPECT_EQ(answer.choices.front().stop_sequence, "END");
    }
}

// litellm#9812, #11789: cached tokens counted twice, or not at all. The parts sum to the total that Bedrock says.
TEST(BedrockAnswer, UsageSumsToTheTotal) {
    std::mt19937_64 random(7);
    for (int i = 0; i < 500; ++i) {
        const uint64_t in = random() % 5000, out = random() % 5000, read = random() % 5000, written = random() % 5000;
        const bool inclusive = i % 2 == 1;
        const uint64_t told = inclusive ? in + read + written : in;
        const uint64_t total = in + read + written + out;
        const std::string body = R"({"output":{"message":{"content":[]}},"usage":{"inputTokens":)" +
                                 std::to_string(told) + R"(,"outputTokens":)" + std::to_string(out) +
                                 R"(,"cacheReadInputTokens":)" + std::to_string(read) + R"(,"cacheWriteInputTokens":)" +
                                 std::to_string(written) + R"(,"totalTokens":)" + std::to_string(total) + "}}";
        Bedrock bedrock;
        ChatAnswer answer;
        ASSERT_TRUE(bedrock.read(body, answer));
        EXPECT_EQ(answer.usage.input + answer.usage.output, total);
        EXPECT_EQ(answer.usage.total, total);
        EXPECT_EQ(answer.usage.cached_input, read);
        EXPECT_EQ(answer.usage.input - read - written, in);
    }
}

TEST(BedrockAnswer, BedrocksOwnToolsAreNoCallsOfTheClients) {
    Bedrock bedrock;
    ChatAnswer answer;
    ASSERT_TRUE(bedrock.read(R"({"output":{"message":{"content":[{"toolUse":{"toolUseId":"t","name":"web","input":{},)"
                             R"("type":"server_tool_use"}},{"text":"a"}]}}})",
                             answer));
    EXPECT_EQ(answer.choices.front().parts.count(), 1u);
    EXPECT_EQ(bedrock.losses(), "server_tool_use");
    EXPECT_EQ(
        bedrock.stream(
            {{"contentBlockStart",
              R"({"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"t","name":"web","type":"server_tool_use"}}})"},
             {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"toolUse":{"input":"{}"}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":0})"}}),
        "part_end\ncut off\n");
}

TEST(BedrockAnswer, UnknownBlocksAreNamed) {
    Bedrock bedrock;
    ChatAnswer answer;
    ASSERT_TRUE(bedrock.read(R"({"output":{"message":{"content":[{"hologram":{"x":1}},{"text":"a"}]}}})", answer));
    EXPECT_EQ(answer.choices.front().parts.count(), 1u);
    EXPECT_EQ(bedrock.losses(), "hologram");
}

TEST(BedrockAnswer, EveryTruncationIsRefusedAndNoFlippedByteCrashes) {
    for (size_t size = 0; size < whole_answer.size(); ++size) {
        Bedrock bedrock;
        ChatAnswer answer;
        const std::string cut(whole_answer.substr(0, size));
        EXPECT_FALSE(bedrock.read(cut, answer)) << size;
    }
    std::mt19937_64 random(11);
    for (int i = 0; i < 5000; ++i) {
        std::string changed(whole_answer);
        for (int flips = 0; flips < 3; ++flips)
            changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
        Bedrock bedrock;
        ChatAnswer answer;
        (void)bedrock.read(changed, answer);
    }
}

// apisix#13565: the provider's own message, whichever way it spells it.
TEST(BedrockError, MessageAndType) {
    Bedrock bedrock;
    const ErrorAnswer plain = bedrock.read_error(R"({"message":"Too many \"tokens\""})");
    EXPECT_EQ(plain.message, R"(Too many \"tokens\")");
    const ErrorAnswer typed =
        bedrock.read_error(R"({"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"})");
    EXPECT_EQ(typed.type, "AccessDeniedException");
    EXPECT_EQ(typed.message, "no");
    EXPECT_EQ(bedrock.read_error("<html>\"x\"</html>").message, R"(<html>\"x\"</html>)");
    EXPECT_EQ(bedrock.read_error("").message, "");
}

constexpr StreamEvent message_start{"messageStart", R"({"p":"abcd","role":"assistant"})"};
constexpr StreamEvent metadata{
    "metadata",
    R"({"metrics":{"latencyMs":519},"p":"ab","usage":{"inputTokens":12,"outputTokens":7,"totalTokens":19}})"};

TEST(BedrockStream, TextThinkingAndUsage) {
    Bedrock bedrock;
    EXPECT_EQ(
        bedrock.stream(
            {message_start,
             {"contentBlockDelta",
              R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}},"p":"abcdefgh"})"},
             {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"sig=="}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":0})"},
             {"contentBlockDelta",
              R"({"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"AbC="}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":1})"},
             {"contentBlockDelta", R"({"contentBlockIndex":2,"delta":{"text":"It\n"}})"},
             {"contentBlockDelta", R"({"contentBlockIndex":2,"delta":{"text":""}})"},
             {"contentBlockDelta",
              R"({"contentBlockIndex":2,"delta":{"citation":{"title":"Doc","sourceContent":[{"text":"r"}],"location":{"documentPage":{"documentIndex":1,"start":2,"end":3}}}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":2})"},
             {"messageStop",
              R"({"stopReason":"stop_sequence","additionalModelResponseFields":{"delta":{"stop_sequence":"END"}}})"},
             metadata}),
        "start \nthinking Hm\nsignature sig==\npart_end\nredacted AbC=\npart_end\ntext It\\n\n"
        R"(citation {"type":"page_location","cited_text":"r","document_index":1,"document_title":"Doc","start_page_number":2,"end_page_number":3})"
        "\npart_end\nfinish 2 stop_sequence END\nusage in 12 cached 0 written 0 out 7 reasoning 0 total "
        "19\nend\nwhole\n");
}

// bifrost#1961, litellm#5231: the index of parallel calls rises. agentgateway#3002: no arguments are an object.
TEST(BedrockStream, ParallelCallsHaveRisingIndexesAndArgumentsAreJson) {
    Bedrock bedrock;
    EXPECT_EQ(
        bedrock.stream(
            {message_start,
             {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"Let me see."}})"},
             {"contentBlockStop", R"({"contentBlockIndex":0})"},
             {"contentBlockStart",
              R"({"contentBlockIndex":1,"start":{"toolUse":{"name":"weather","toolUseId":"t1"}}})"},
             {"contentBlockDelta", R"({"contentBlockIndex":1,"delta":{"toolUse":{"input":""}}})"},
             {"contentBlockDelta", R"({"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"city\":"}}})"},
             {"contentBlockDelta", R"({"contentBlockIndex":1,"delta":{"toolUse":{"input":"\"Bern\"}"}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":1})"},
             {"contentBlockStart", R"({"contentBlockIndex":2,"start":{"toolUse":{"name":"time","toolUseId":"t2"}}})"},
             {"contentBlockStop", R"({"contentBlockIndex":2})"},
             {"messageStop", R"({"stopReason":"tool_use"})"},
             metadata}),
        "start \ntext Let me see.\npart_end\ncall 0 t1 weather\narguments 0 {\\\"city\\\":\narguments 0 \\\"Bern\\\"}\n"
        "part_end\ncall 1 t2 time\narguments 1 {}\npart_end\nfinish 4 tool_use \n"
        "usage in 12 cached 0 written 0 out 7 reasoning 0 total 19\nend\nwhole\n");
}

TEST(BedrockStream, ExceptionsEndItWithTheirStatus) {
    const std::pair<std::string_view, int> names[] = {
        {"throttlingException", 429},   {"validationException", 400},     {"modelStreamErrorException", 424},
        {"modelTimeoutException", 408}, {"internalServerException", 500}, {"serviceUnavailableException", 503},
        {"somethingNewException", 500}};
    for (const auto& [name, status] : names) {
        Bedrock bedrock;
        EXPECT_EQ(bedrock.stream({message_start, {name, R"({"message":"Slow down"})"}, metadata}),
                  "start \nerror " + std::to_string(status) + ' ' + std::string(name) + " Slow down\ncut off\n");
    }
    Bedrock bedrock;
    EXPECT_EQ(bedrock.stream({{"modelStreamErrorException",
                               R"({"message":"","originalStatusCode":529,"originalMessage":"Overloaded"})"}}),
              "error 529 modelStreamErrorException Overloaded\ncut off\n");
    EXPECT_EQ(bedrock.stream({{"error", "it \"broke\""}}), "error 500 error it \\\"broke\\\"\ncut off\n");
}

TEST(BedrockStream, AStreamWithoutMetadataIsWholeAndOneWithoutAStopIsNot) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.stream({message_start, {"messageStop", R"({"stopReason":"end_turn"})"}}),
              "start \nfinish 1 end_turn \nend\nwhole\n");
    EXPECT_EQ(bedrock.stream({message_start, metadata}),
              "start \nusage in 12 cached 0 written 0 out 7 reasoning 0 total 19\ncut off\n");
}

// litellm#40404: one bad line must not end a good stream. Unknown events pass (agentgateway's "rest").
TEST(BedrockStream, AMalformedEventSaysNothingAndUnknownOnesPass) {
    Bedrock bedrock;
    EXPECT_EQ(bedrock.stream({message_start,
                              {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"A"})"},
                              {"contentBlockDelta", ""},
                              {"newEvent", R"({"x":[1]})"},
                              {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"B"}})"}}),
              "start \nmalformed\nmalformed\ntext B\ncut off\n");
}

TEST(BedrockStream, OpenCallsAreBounded) {
    Bedrock bedrock;
    const auto decoder = bedrock_dialect().decoder();
    Told told;
    Context context = bedrock.context();
    int taken = 0;
    for (int block = 0; block < 100; ++block) {
        const std::string start = R"({"contentBlockIndex":)" + std::to_string(block) +
                                  R"(,"start":{"toolUse":{"name":"f","toolUseId":"t"}}})";
        taken += decoder->read("contentBlockStart", start, context, told);
    }
    EXPECT_EQ(taken, 16);
    EXPECT_EQ(told.lines.size(), 16u);
}

TEST(BedrockStream, EveryTruncationIsMalformedAndNoFlippedByteCrashes) {
    constexpr std::string_view names[] = {"contentBlockDelta", "contentBlockStart", "messageStop", "metadata",
                                          "throttlingException"};
    constexpr std::string_view data =
        R"({"contentBlockIndex":1,"start":{"toolUse":{"name":"f","toolUseId":"t"}},"delta":{"text":"a","toolUse":{"input":"{}"}},)"
        R"("stopReason":"end_turn","usage":{"inputTokens":1,"cacheDetails":[{"ttl":"1h","inputTokens":2}]},"message":"m"})";
    for (const std::string_view name : names) {
        for (size_t size = 0; size < data.size(); ++size) {
            Bedrock bedrock;
            EXPECT_EQ(bedrock.stream({{name, data.substr(0, size)}}), "malformed\ncut off\n") << size;
        }
    }
    std::mt19937_64 random(5);
    for (int i = 0; i < 5000; ++i) {
        std::string changed(data);
        for (int flips = 0; flips < 3; ++flips)
            changed[random() % changed.size()] ^= static_cast<char>(1 << random() % 8);
        Bedrock bedrock;
        (void)bedrock.stream({message_start, {names[i % 5], changed}, metadata});
    }
}

TEST(BedrockClient, ConverseIsNoProtocolOfApplications) {
    Bedrock bedrock;
    Context context = bedrock.context();
    ChatRequest request;
    const Result<void> step = bedrock_dialect().read_request("{}", context, request);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, Errc::unsupported);
}

}  // namespace
}  // namespace loom::llm
