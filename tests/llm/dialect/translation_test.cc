// What holds for every pair of protocols, whatever a client or a provider sends: no document is broken by what it
// carries, a stream ends once, and nothing takes time that grows faster than its bytes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "../dom.h"
#include "aliases.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

struct Exchange {
    Exchange(Protocol client, Protocol provider) {
        terms.client = client;
        terms.provider = provider;
        terms.model = terms.client_model = "m";
        terms.fallback_id = "x";
        terms.include_usage = true;
    }
    [[nodiscard]] std::string data_of(std::string_view name, std::string_view data) {
        ByteBuffer out(pool);
        facts = translation().event(name, data, out, usage);
        return std::string(out.view());
    }
    Translation& translation() {
        if (made == nullptr) made = std::make_unique<Translation>(scratch, pool, terms);
        return *made;
    }

    TranslateScratch scratch;
    BlockPool pool;
    TranslateTerms terms;
    std::unique_ptr<Translation> made;
    EventFacts facts;
    Usage usage;
};

struct Event {
    std::string_view name, data;
};
struct Stream {
    Protocol provider;
    std::vector<Event> events;
};

/// "hi" and its end, as each provider streams it.
const std::vector<Stream>& streams() {
    static const std::vector<Stream> all = {
        {Protocol::openai_chat,
         {{"", R"({"id":"c","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]})"},
          {"", R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"},
          {"", R"({"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}})"},
          {"", "[DONE]"}}},
        {Protocol::openai_responses,
         {{"", R"({"type":"response.created","response":{"id":"resp_1","model":"m"}})"},
          {"", R"({"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"hi"})"},
          {"",
           R"({"type":"response.completed","response":{"id":"resp_1","usage":{"input_tokens":3,"output_tokens":1}}})"}}},
        {Protocol::anthropic,
         {{"message_start", R"({"type":"message_start","message":{"id":"m","usage":{"input_tokens":3}}})"},
          {"content_block_start",
           R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"},
          {"content_block_delta",
           R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}})"},
          {"content_block_stop", R"({"type":"content_block_stop","index":0})"},
          {"message_delta",
           R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}})"},
          {"message_stop", R"({"type":"message_stop"})"}}},
        {Protocol::gemini,
         {{"", R"({"candidates":[{"content":{"parts":[{"text":"hi"}]},"index":0}]})"},
          {"",
           R"({"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP","index":0}],"usageMetadata":{)"
           R"("promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4}})"}}},
        {Protocol::cohere,
         {{"", R"({"type":"message-start","id":"m"})"},
          {"", R"({"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}})"},
          {"", R"({"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":3,)"
               R"("output_tokens":1}}}})"}}},
        {Protocol::bedrock,
         {{"messageStart", R"({"role":"assistant"})"},
          {"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"hi"}})"},
          {"contentBlockStop", R"({"contentBlockIndex":0})"},
          {"messageStop", R"({"stopReason":"end_turn"})"},
          {"metadata", R"({"usage":{"inputTokens":3,"outputTokens":1,"totalTokens":4}})"}}}};
    return all;
}

struct Ending {
    Protocol client;
    std::string_view mark;
};
constexpr Ending endings[] = {{Protocol::openai_chat, "data: [DONE]"},
                              {Protocol::openai_completions, "data: [DONE]"},
                              {Protocol::openai_responses, R"("type":"response.completed")"},
                              {Protocol::anthropic, "event: message_stop"},
                              {Protocol::gemini, R"("finishReason")"}};

size_t count(std::string_view text, std::string_view mark) {
    size_t found = 0;
    for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) ++found;
    return found;
}

// Whatever stands twice at the end, and however the connection then closes.
TEST(TranslatedStream, EndsOnceAndCountsOnce) {
    for (const Stream& stream : streams()) {
        for (const Ending& ending : endings) {
            SCOPED_TRACE(std::string(protocol_name(stream.provider)) + " to " +
                         std::string(protocol_name(ending.client)));
            Exchange x(ending.client, stream.provider);
            std::string out;
            bool done = false;
            for (const Event& event : stream.events) {
                out += x.data_of(event.name, event.data);
                done |= x.facts.done;
            }
            const size_t whole = out.size();
            out += x.data_of(stream.events.back().name, stream.events.back().data);
            if (done) EXPECT_EQ(out.size(), whole) << out;
            ByteBuffer last(x.pool);
            if (!done) EXPECT_TRUE(x.translation().end(last, x.usage));
            out += last.view();
            EXPECT_EQ(count(out, ending.mark), 1U) << out;
            EXPECT_EQ(count(out, "hi") > 0, true) << out;
            EXPECT_EQ(x.usage.input, 3U);
            EXPECT_EQ(x.usage.output, 1U);
        }
    }
}

TEST(TranslatedStream, ThatIsCutIsNotWhole) {
    for (const Stream& stream : streams()) {
        for (const Ending& ending : endings) {
            Exchange x(ending.client, stream.provider);
            std::string out = x.data_of(stream.events[0].name, stream.events[0].data);
            if (stream.provider != Protocol::openai_chat && stream.provider != Protocol::gemini)
                out += x.data_of(stream.events[1].name, stream.events[1].data);
            ByteBuffer last(x.pool);
            EXPECT_FALSE(x.translation().end(last, x.usage)) << protocol_name(stream.provider);
            EXPECT_EQ(count(out + std::string(last.view()), ending.mark), 0U) << protocol_name(stream.provider);
        }
    }
}

// The index of a document's tokens does not look into strings: \x went into the provider's document as it stood and
// broke it whole.
TEST(Translation, ABrokenEscapeGoesNowhere) {
    for (const std::string_view bad : {R"(\x)", R"(\u12)", R"(\uzzzz)"}) {
        Exchange x(Protocol::openai_chat, Protocol::anthropic);
        ByteBuffer out(x.pool);
        const std::string request =
            R"({"model":"m","messages":[{"role":"user","content":"a)" + std::string(bad) + R"("}]})";
        const auto asked = x.translation().request(request, out);
        ASSERT_FALSE(asked) << out.view();
        EXPECT_EQ(asked.error().code, Errc::bad_message);
        EXPECT_EQ(asked.error().side, Side::downstream);
        EXPECT_EQ(x.translation().error_offset(), request.find(bad));

        const std::string answer = R"({"id":"m","type":"message","content":[{"type":"text","text":"a)" +
                                   std::string(bad) + R"("}],"stop_reason":"end_turn"})";
        const auto told = x.translation().answer(answer, out, x.usage);
        ASSERT_FALSE(told) << out.view();
        EXPECT_EQ(told.error().side, Side::upstream);

        EXPECT_EQ(x.data_of("content_block_delta",
                            R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":")" +
                                std::string(bad) + R"("}})"),
                  "");
        EXPECT_TRUE(x.facts.malformed);

        x.translation().error(500, R"({"type":"error","error":{"message":"a)" + std::string(bad) + R"("}})", out);
        EXPECT_TRUE(Dom(out.view()).valid()) << out.view();
        EXPECT_EQ(Dom(out.view()).text("/error/message").find(R"({"type":"error")"), 0U) << "as it stands";
    }
}

// An id was cut at 256 bytes, between a backslash and its quote: what followed stood outside the string.
TEST(TranslatedStream, ALongIdWithEscapesBreaksNoEvent) {
    for (size_t length = 250; length < 260; ++length) {
        Exchange x(Protocol::openai_chat, Protocol::anthropic);
        const std::string id = std::string(length, 'a') + R"(\"\",\"injected\":\"yes)";
        std::string out = x.data_of("", R"({"type":"message_start","message":{"id":")" + id + R"("}})");
        for (size_t i = 1; i < 3; ++i) out += x.data_of(streams()[2].events[i].name, streams()[2].events[i].data);
        ASSERT_TRUE(out.starts_with("data: "));
        const Dom event(std::string_view(out).substr(6, out.find("\n\n") - 6));
        ASSERT_TRUE(event.valid()) << out;
        EXPECT_FALSE(event.has("/injected"));
    }
}

/// Every line of a stream is its event's name, one whole document, or empty.
void expect_a_document_a_line(std::string_view out) {
    for (size_t at = 0; at < out.size();) {
        const size_t end = out.find('\n', at);
        const std::string line(out.substr(at, end - at));
        at = end + 1;
        const bool is_data = line.starts_with("data: ");
        ASSERT_TRUE(is_data || line.empty() || line.starts_with("event: ")) << out;
        if (is_data && line != "data: [DONE]") ASSERT_TRUE(Dom(line.substr(6)).valid()) << line;
    }
}

// Models indent the arguments of their calls; as a JSON value they stood in the event's data with their line ends, and
// the client took each line but the first for something else.
TEST(TranslatedStream, ALineEndInADocumentIsNoneOfTheStreams) {
    const std::string call =
        R"({"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"i","function":{"name":"f",)"
        R"("arguments":"{\n  \"a\": 1,\r\n  \"b\": \"x\\ny\"\n}"}}]}}]})";
    for (const Ending& ending : endings) {
        Exchange x(ending.client, Protocol::openai_chat);
        std::string out = x.data_of("", call);
        out += x.data_of("",
                         "{\"id\":\"c\",\n\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\",\n"
                         "\"logprobs\":{\"content\":[\n]}}]}");
        out += x.data_of("", "[DONE]");
        EXPECT_FALSE(x.facts.malformed);
        ASSERT_NO_FATAL_FAILURE(expect_a_document_a_line(out)) << protocol_name(ending.client);
    }
}

// What passes as it stands, too: annotations, logprobs.
TEST(TranslatedStream, AnAnnotationOfSeveralLinesIsOneOfTheStreams) {
    const std::string event =
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\",\"annotations\":[{\"type\":\"url_"
        "citation\",\n"
        "\n\"url_citation\":{\"url\":\"https://a/\",\"title\":\"A\",\"start_index\":0,\"end_index\":2}},\n{\"type\":"
        "\"file_citation\",\n\n\"file_id\":\"f\",\"filename\":\"n\",\"index\":0}]},\"logprobs\":{\"content\":[\n\n"
        "{\"token\":\"hi\",\"logprob\":-1}]}}]}";
    for (const Ending& ending : endings) {
        Exchange x(ending.client, Protocol::openai_chat);
        std::string out = x.data_of("", event);
        EXPECT_FALSE(x.facts.malformed);
        out += x.data_of("", "[DONE]");
        ASSERT_NO_FATAL_FAILURE(expect_a_document_a_line(out)) << protocol_name(ending.client);
    }
}

// Each of them used to be compared with all before: a body of some megabytes held its shard for minutes.
TEST(Aliases, OfAHundredThousandNamesAreToldApart) {
    BlockPool pool;
    Arena arena(pool, 4096);
    Aliases aliases(arena);
    constexpr int names = 100'000;
    for (int i = 0; i < names; ++i) {
        const std::string name = "tool." + std::to_string(i);
        const Text alias = aliases.alias_of(name, {});
        ASSERT_EQ(alias, aliases.alias_of(name, {}));
        ASSERT_EQ(aliases.original_of(alias), name);
    }
}

// Of a long answer the relay keeps the end, and a picture is longer than that.
TEST(StreamWatch, FindsGeminisUsageAtTheEndOfALongAnswer) {
    TranslateScratch scratch;
    BlockPool pool;
    StreamWatch watch(scratch, pool, Protocol::gemini);
    Usage usage;
    const std::string usage_text = R"("usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":1290,)"
                                   R"("totalTokenCount":1297},"modelVersion":"g","responseId":"r"})";
    EXPECT_TRUE(watch.answer(R"(AAAA"}}]},"finishReason":"STOP"}],)" + usage_text, usage));
    EXPECT_EQ(usage.input, 7U);
    EXPECT_EQ(usage.output, 1290U);

    Usage none;
    EXPECT_FALSE(watch.answer(R"(AAAA","args":{"usageMetadata":{"promptTokenCount":7}}}]}}]})", none))
        << "a call's argument";
    EXPECT_FALSE(watch.answer(R"(AAAA\"usageMetadata\":{\"promptTokenCount\":7}}"}]}}]})", none)) << "the model's text";
    EXPECT_EQ(none, Usage{});
}

TEST(StreamWatch, KnowsWhetherAStreamWithoutAMarkIsWhole) {
    TranslateScratch scratch;
    BlockPool pool;
    const Stream& gemini = streams()[3];
    StreamWatch watch(scratch, pool, Protocol::gemini);
    Usage usage;
    (void)watch.event("", gemini.events[0].data, usage);
    EXPECT_FALSE(watch.end());
    (void)watch.event("", gemini.events[1].data, usage);
    EXPECT_TRUE(watch.end());
    EXPECT_EQ(usage.output, 1U);
}

// A usage that is told as null, or as something else, made the answer of some protocols unreadable.
TEST(Translation, AUsageThatIsNoneLeavesTheAnswer) {
    const struct {
        Protocol provider;
        std::string_view front, name, behind;
    } answers[] = {
        {Protocol::openai_chat,
         R"({"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],)",
         "usage", R"(,"model":"m"})"},
        {Protocol::openai_responses,
         R"({"id":"r","object":"response","status":"completed","model":"m","output":[{"type":"message","id":"msg",)"
         R"("role":"assistant","content":[{"type":"output_text","text":"hi","annotations":[]}]}],)",
         "usage", "}"},
        {Protocol::anthropic,
         R"({"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hi"}],)"
         R"("stop_reason":"end_turn",)",
         "usage", "}"},
        {Protocol::gemini,
         R"({"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],)",
         "usageMetadata", "}"},
        {Protocol::bedrock,
         R"({"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn",)", "usage",
         R"(,"metrics":null})"},
        {Protocol::cohere,
         R"({"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},)",
         "usage", "}"},
    };
    for (const auto& answer : answers) {
        for (const std::string_view value : {"null", "7", "\"none\"", "[]", "{}"}) {
            Exchange x(Protocol::openai_chat, answer.provider);
            const std::string body = std::string(answer.front) + "\"" + std::string(answer.name) +
                                     "\":" + std::string(value) + std::string(answer.behind);
            ByteBuffer out(x.pool);
            ASSERT_TRUE(x.translation().answer(body, out, x.usage)) << body;
            EXPECT_NE(out.view().find(R"("content":"hi")"), std::string_view::npos) << out.view();
            EXPECT_TRUE(Dom(out.view()).valid()) << out.view();
            EXPECT_EQ(x.usage.input + x.usage.output, 0u) << body;
        }
    }
}

TEST(Translation, AStreamsUsageThatIsNullLeavesItsEnd) {
    const Stream ends[] = {
        {Protocol::bedrock,
         {{"contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"hi"}})"},
          {"messageStop", R"({"stopReason":"end_turn"})"},
          {"metadata", R"({"usage":null,"metrics":{"latencyMs":1}})"}}},
        {Protocol::cohere,
         {{"content-delta", R"({"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}})"},
          {"message-end", R"({"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":null}})"}}},
    };
    for (const Stream& stream : ends) {
        Exchange x(Protocol::openai_chat, stream.provider);
        std::string all;
        for (const Event& event : stream.events) {
            all += x.data_of(event.name, event.data);
            EXPECT_FALSE(x.facts.malformed) << event.data;
        }
        ByteBuffer out(x.pool);
        EXPECT_TRUE(x.translation().end(out, x.usage));
        all += out.view();
        EXPECT_NE(all.find(R"("finish_reason":"stop")"), std::string::npos) << all;
        EXPECT_NE(all.find("[DONE]"), std::string::npos) << all;
    }
}

// A picture that Gemini streams went to nobody.
TEST(Translation, APictureInAStreamGoesWhereAWholeAnswersWould) {
    constexpr std::string_view event =
        R"({"candidates":[{"content":{"role":"model","parts":[{"text":"Here:"},{"inlineData":)"
        R"({"mimeType":"image/png","data":"iVBORw0KGgo="}}]},"finishReason":"STOP"}]})";
    const struct {
        Protocol client;
        std::string_view holds;
        bool json_array;
    } clients[] = {
        {Protocol::openai_chat,
         R"("delta":{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]})",
         false},
        {Protocol::gemini, R"("parts":[{"inlineData":{"mimeType":"image/png","data":"iVBORw0KGgo="}}])", true},
        {Protocol::anthropic, "", false},
        {Protocol::openai_responses, "", false},
        {Protocol::openai_completions, "", false},
    };
    for (const auto& one : clients) {
        Exchange x(one.client, Protocol::gemini);
        x.terms.json_array = one.json_array;
        std::string all = x.data_of("", event);
        EXPECT_TRUE(x.facts.has_content);
        ByteBuffer out(x.pool);
        EXPECT_TRUE(x.translation().end(out, x.usage));
        all += out.view();
        EXPECT_NE(all.find("Here:"), std::string::npos) << all;
        EXPECT_NE(all.find(one.holds), std::string::npos) << all;
        const bool lost = one.holds.empty();
        EXPECT_EQ(x.translation().dropped().count(), lost ? 1u : 0u) << protocol_name(one.client);
        if (lost) EXPECT_EQ(x.translation().dropped().front(), "inlineData");
    }
}

TEST(Translation, BedrocksGuardrailIsTheConfs) {
    const auto asked = [](std::string_view guardrail) {
        Exchange x(Protocol::openai_chat, Protocol::bedrock);
        x.terms.guardrail = guardrail;
        x.terms.guardrail_version = "DRAFT";
        ByteBuffer out(x.pool);
        EXPECT_TRUE(x.translation().request(R"({"model":"m","messages":[{"role":"user","content":"hi"}]})", out));
        EXPECT_TRUE(Dom(out.view()).valid());
        return std::string(out.view());
    };
    EXPECT_EQ(asked("").find("guardrail"), std::string::npos);
    EXPECT_TRUE(
        asked("gr-1\"").ends_with(R"("guardrailConfig":{"guardrailIdentifier":"gr-1\"","guardrailVersion":"DRAFT"}})"))
        << asked("gr-1\"");
}

}  // namespace
}  // namespace loom::llm
