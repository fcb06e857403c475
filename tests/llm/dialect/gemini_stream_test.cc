#include "gemini_case.h"

#include <vector>

#include "one_dialect.h"

namespace loom::llm {
namespace {

/// Deltas as one line of text each.
class Lines final : public DeltaSink {
  public:
    std::string text;
    Usage usage;
    void on_delta(const Delta& d) override {
        using Kind = Delta::Kind;
        const auto line = [this](auto... words) { ((text += words, text += ' '), ...), text.back() = '\n'; };
        const std::string choice = std::to_string(d.choice), tool = std::to_string(d.tool);
        if (d.usage != nullptr) usage = *d.usage;
        switch (d.kind) {
            case Kind::start: return line("start", d.id, d.model);
            case Kind::text: return line("text", choice, d.text, d.signature);
            case Kind::thinking: return line("thinking", choice, d.text, d.signature);
            case Kind::tool_call: return line("call", choice, tool, d.tool_id, d.tool_name, d.signature);
            case Kind::arguments: return line("arguments", choice, tool, d.json);
            case Kind::finish: return line("finish", choice, std::to_string(int(d.reason)), d.finish_text);
            case Kind::usage: return line("usage", std::to_string(d.usage->total));
            case Kind::error: return line("error", std::to_string(d.error->status), d.error->message);
            case Kind::end: return line("end");
            case Kind::part_end: return;
            default: return line("other");
        }
    }
};

struct Stream {
    GeminiCase c;
    std::unique_ptr<StreamDecoder> decoder = gemini_dialect().decoder();
    Lines lines;
    bool read(std::string_view data) { return decoder->read("", data, c.context, lines); }
    bool end() { return decoder->read_end(c.context, lines); }
};

// Recorded from gemini-2.5-flash with includeThoughts, shortened.
constexpr std::string_view first =
    R"({"candidates":[{"content":{"parts":[{"text":"**Plan**\n","thought":true}],"role":"model"},"index":0}],)"
    R"("usageMetadata":{"promptTokenCount":8,"totalTokenCount":30,"thoughtsTokenCount":22},)"
    R"("modelVersion":"gemini-2.5-flash","responseId":"r1"})";
constexpr std::string_view second =
    R"({"candidates":[{"content":{"parts":[{"text":"Hello"},{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"c2ln"},)"
    R"({"functionCall":{"id":"x","name":"g","args":{}}}],"role":"model"},"index":0}],"usageMetadata":)"
    R"({"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":32,"thoughtsTokenCount":22},)"
    R"("modelVersion":"gemini-2.5-flash","responseId":"r1"})";
constexpr std::string_view last =
    R"({"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"ZW5k"}],"role":"model"},"finishReason":"STOP",)"
    R"("index":0}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":5,"totalTokenCount":35,)"
    R"("thoughtsTokenCount":22},"modelVersion":"gemini-2.5-flash","responseId":"r1"})";

TEST(GeminiStream, IsRead) {
    Stream s;
    EXPECT_TRUE(s.read(first));
    EXPECT_TRUE(s.read(second));
    EXPECT_FALSE(s.read(R"({"candidates":[{"content":{"parts":[{"text":"lost"}]}}])"));  // malformed: nothing is told
    EXPECT_TRUE(s.read(last));
    EXPECT_TRUE(s.end());
    EXPECT_EQ(s.lines.text,
              "start r1 gemini-2.5-flash\nthinking 0 **Plan**\\n \nusage 30\ntext 0 Hello \n"
              "call 0 0 call_abc123_0 f c2ln\narguments 0 0 {\"a\":1}\ncall 0 1 x g \narguments 0 1 {}\nusage 32\n"
              "text 0  ZW5k\nfinish 0 4 STOP\nusage 35\nend\n");
    EXPECT_EQ(s.lines.usage.reasoning, 22u);
    EXPECT_EQ(s.lines.usage.input + s.lines.usage.output, 35u);
}

TEST(GeminiStream, WithoutAFinishIsNotWhole) {
    Stream s;
    EXPECT_FALSE(s.end());
    EXPECT_TRUE(s.read(first));
    EXPECT_FALSE(s.end());
    EXPECT_EQ(s.lines.text.find("end"), std::string::npos);
}

// Servers that say STOP in every event do not end the answer twice.
TEST(GeminiStream, FinishesAChoiceOnce) {
    Stream s;
    constexpr std::string_view event = R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]})";
    EXPECT_TRUE(s.read(event));
    EXPECT_TRUE(s.read(event));
    EXPECT_TRUE(s.read("[DONE]"));
    EXPECT_TRUE(s.end());
    EXPECT_EQ(s.lines.text, "start  \ntext 0 a \nfinish 0 1 STOP\ntext 0 a \nend\n");
}

TEST(GeminiStream, BlockedPromptsAndErrorsAreTold) {
    Stream blocked;
    EXPECT_TRUE(blocked.read(R"({"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}})"));
    EXPECT_TRUE(blocked.end());
    EXPECT_EQ(blocked.lines.text, "start  \nfinish 0 5 SAFETY\nusage 3\nend\n");

    Stream failed;
    EXPECT_TRUE(failed.read(first));
    EXPECT_TRUE(failed.read(R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})"));
    EXPECT_TRUE(failed.read(last));
    EXPECT_FALSE(failed.end());
    EXPECT_TRUE(failed.lines.text.ends_with("usage 30\nerror 503 The model is overloaded.\n")) << failed.lines.text;
}

TEST(GeminiStream, ChoicesBeyondThoseThatExistAreMalformed) {
    Stream s;
    EXPECT_TRUE(s.read(R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"index":7}]})"));
    EXPECT_FALSE(s.read(R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"index":8}]})"));
    EXPECT_FALSE(s.read(R"({"candidates":[{"content":{"parts":[{"text":"a"}]},"index":4294967296}]})"));
}

TEST(GeminiStream, HurtEventsAreMalformedAndNothingElse) {
    hurt(second, 5, [](const std::string& body, bool cut) {
        Stream s;
        const bool good = s.read(body);
        if (good && !cut) (void)s.end();
        if (!good) EXPECT_EQ(s.lines.text, "");
        EXPECT_FALSE(good && cut) << body;
    });
}

// Sources

std::string gemini_event(std::string_view parts, std::string_view supports) {
    const std::string grounding =
        supports.empty() ? ""
                         : R"(,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a/","title":"A"}}],)"
                           R"("groundingSupports":[)" +
                               std::string(supports) + "]}";
    return R"({"candidates":[{"content":{"parts":[)" + std::string(parts) + R"(],"role":"model"})" + grounding +
           R"(,"index":0}]})";
}
std::string support(int begin, int end) {
    return R"({"segment":{"startIndex":)" + std::to_string(begin) + R"(,"endIndex":)" + std::to_string(end) +
           R"(},"groundingChunkIndices":[0]})";
}
constexpr std::string_view stop_event =
    R"({"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP","index":0}]})";

// At Responses' clients a thought between two texts begins another message: the places of the second text were told
// as if the first one stood before them. OpenAI chat's stay places in all of the text.
TEST(GeminiTranslation, PlacesBehindAThoughtAreCountedInTheirOwnText) {
    const std::string events[] = {
        gemini_event(R"({"text":"AA\u6f22\u6f22"})", ""), gemini_event(R"({"text":"hm","thought":true})", ""),
        gemini_event(R"({"text":"BB"},{"text":"BB"})", support(8, 12) + "," + support(9, 10) + "," + support(0, 2)),
        std::string(stop_event)};
    const auto annotations = [&](Protocol client) {
        TranslateScratch scratch;
        BlockPool pool;
        Translation translation(
            scratch, pool,
            {.client = client, .provider = Protocol::gemini, .model = "m", .client_model = "m", .fallback_id = "f1"});
        ByteBuffer out(pool);
        Usage usage;
        for (const std::string& event : events)
            EXPECT_FALSE(translation.event("", event, out, usage).malformed) << event;
        EXPECT_TRUE(translation.end(out, usage));
        EXPECT_EQ(translation.dropped().count(), 1u);
        for (const std::string_view name : translation.dropped())
            EXPECT_EQ(name, "groundingMetadata");  // the place in the first text
        return std::string(out.view());
    };
    const auto holds = [](const std::string& all, std::string_view piece) {
        return all.find(piece) != all.npos ? all.find(piece) : 0;
    };
    const std::string chat = annotations(Protocol::openai_chat);
    EXPECT_TRUE(holds(chat, R"("start_index":4,"end_index":8)")) << chat;
    EXPECT_TRUE(holds(chat, R"("start_index":5,"end_index":6)")) << chat;
    EXPECT_FALSE(holds(chat, R"("start_index":0)")) << chat;
    const std::string responses = annotations(Protocol::openai_responses);
    const std::string own = R"("output_index":2,"content_index":0,"annotation_index":)";
    EXPECT_TRUE(holds(responses, own + R"(0,"annotation":{"type":"url_citation","start_index":0,"end_index":4)"))
        << responses;
    EXPECT_TRUE(holds(responses, own + R"(1,"annotation":{"type":"url_citation","start_index":1,"end_index":2)"))
        << responses;
}

// Some events say again what the ones before them said, and some say it after the end.
TEST(GeminiStream, SourcesThatAreRepeatedAreToldOnce) {
    GeminiCase c;
    DeltaLines told;
    const auto decoder = gemini_dialect().decoder();
    const auto read = [&](const std::string& event) {
        EXPECT_TRUE(decoder->read("", event, c.context, told)) << event;
    };
    read(gemini_event(R"({"text":"one two"})", support(0, 3)));
    read(gemini_event(R"({"text":"."})", support(0, 3) + "," + support(4, 7)));
    read(gemini_event(R"({"text":""})", support(4, 7)));
    std::string citations;
    for (const std::string& line : told.lines)
        if (line.starts_with("citation")) citations += line + "\n";
    EXPECT_EQ(
        citations,
        "citation(0): {\"type\":\"url_citation\",\"start_index\":0,\"end_index\":3,\"url\":\"https://a/\",\"title\":"
        "\"A\"}\ncitation(0): {\"type\":\"url_citation\",\"start_index\":4,\"end_index\":7,\"url\":\"https://a/\","
        "\"title\":\"A\"}\n");
    EXPECT_EQ(c.lost(), "");
}

TEST(GeminiTranslation, SourcesBehindTheEndAreNamed) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation(scratch, pool,
                            {.client = Protocol::openai_chat,
                             .provider = Protocol::gemini,
                             .model = "m",
                             .client_model = "m",
                             .fallback_id = "f1"});
    ByteBuffer out(pool);
    Usage usage;
    const std::string text = gemini_event(R"({"text":"one"})", ""),
                      late = gemini_event(R"({"text":""})", support(0, 3));
    for (const std::string_view event : {std::string_view(text), stop_event, std::string_view(late)})
        EXPECT_FALSE(translation.event("", event, out, usage).malformed);
    ASSERT_EQ(translation.dropped().count(), 1u);
    EXPECT_EQ(translation.dropped().front(), "citations");
}

// writing

struct Writing {
    GeminiCase c;
    std::unique_ptr<StreamEncoder> encoder = gemini_dialect().encoder();
    ByteBuffer out{c.pool};
    std::string write(const Delta& delta) {
        out.clear();
        encoder->write(delta, c.context, out);
        return std::string(out.view());
    }
};

using DeltaKind = Delta::Kind;

// A refusal leaves as a text: what is cited behind it stands that much later.
TEST(GeminiEncoder, CountsARefusalsBytes) {
    Writing w;
    w.write({.kind = DeltaKind::refusal, .text = "No. "});
    w.write({.kind = DeltaKind::text, .text = "\xc3\xa9 one"});
    w.write({.kind = DeltaKind::citation,
             .json = R"({"type":"url_citation","url":"https://a/","title":"A","start_index":2,"end_index":5})"});
    const std::string last = w.write({.kind = DeltaKind::end});
    EXPECT_TRUE(last.contains(R"("segment":{"startIndex":7,"endIndex":10,"text":"one"})")) << last;
}

TEST(GeminiEncoder, WritesAStream) {
    Writing w;
    const Usage input{.input = 9, .provenance = Usage::Provenance::reported};
    const Usage usage{.input = 9, .output = 4, .total = 13, .provenance = Usage::Provenance::reported};
    EXPECT_EQ(w.write({.kind = DeltaKind::start, .id = "id1", .model = "m", .usage = &input}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::thinking, .text = "hm"}),
              R"(data: {"candidates":[{"content":{"parts":[{"text":"hm","thought":true}],"role":"model"},"index":0}],)"
              R"("modelVersion":"m","responseId":"id1"})"
              "\n\n");
    EXPECT_EQ(w.write({.kind = DeltaKind::signature, .signature = "c2ln"}),
              R"(data: {"candidates":[{"content":{"parts":[{"text":"","thought":true,"thoughtSignature":"c2ln"}],)"
              R"("role":"model"},"index":0}],"modelVersion":"m","responseId":"id1"})"
              "\n\n");
    EXPECT_EQ(w.write({.kind = DeltaKind::text, .text = "a\\nb"}),
              R"(data: {"candidates":[{"content":{"parts":[{"text":"a\nb"}],"role":"model"},"index":0}],)"
              R"("modelVersion":"m","responseId":"id1"})"
              "\n\n");
    EXPECT_EQ(w.write({.kind = DeltaKind::text, .text = ""}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::ping}), "");
    // arguments in pieces, of two calls in turn: written when they are whole
    EXPECT_EQ(w.write({.kind = DeltaKind::tool_call, .tool = 0, .tool_id = "c1", .tool_name = "f"}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::arguments, .tool = 0, .text = R"({\"x\":)"}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::tool_call, .tool = 1, .signature = "eA", .tool_id = "c2", .tool_name = "g"}),
              "");
    EXPECT_EQ(w.write({.kind = DeltaKind::arguments, .tool = 0, .text = R"(\"\\ud83d)"}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::arguments, .tool = 0, .text = R"(\\ude00\"})"}), "");
    EXPECT_EQ(
        w.write({.kind = DeltaKind::finish, .reason = FinishReason::tool_calls}),
        R"(data: {"candidates":[{"content":{"parts":[{"functionCall":{"id":"c1","name":"f","args":{"x":"\ud83d\ude00"}}},)"
        R"({"functionCall":{"id":"c2","name":"g","args":{}},"thoughtSignature":"eA"}],"role":"model"},"index":0}],)"
        R"("modelVersion":"m","responseId":"id1"})"
        "\n\n");
    EXPECT_EQ(w.write({.kind = DeltaKind::finish, .reason = FinishReason::length}), "");  // once per choice
    EXPECT_EQ(w.write({.kind = DeltaKind::usage, .usage = &usage}), "");
    EXPECT_EQ(
        w.write({.kind = DeltaKind::end}),
        R"(data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0,"finishReason":"STOP"}],)"
        R"("usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13},)"
        R"("modelVersion":"m","responseId":"id1"})"
        "\n\n");
    EXPECT_EQ(w.write({.kind = DeltaKind::end}), "");
    EXPECT_EQ(w.write({.kind = DeltaKind::text, .text = "late"}), "");
}

TEST(GeminiEncoder, WritesOneArrayForWhoeverDidNotAskForEvents) {
    Writing w;
    w.c.terms.json_array = true;
    std::string all = w.write({.kind = DeltaKind::text, .text = "a"});
    all += w.write({.kind = DeltaKind::text, .choice = 1, .text = "b"});
    all += w.write({.kind = DeltaKind::finish, .reason = FinishReason::content_filter, .choice = 1});
    all += w.write({.kind = DeltaKind::finish, .reason = FinishReason::stop});
    all += w.write({.kind = DeltaKind::end});
    EXPECT_EQ(
        all,
        R"([{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"index":0}],"responseId":"abc123"})"
        ",\r\n"
        R"({"candidates":[{"content":{"parts":[{"text":"b"}],"role":"model"},"index":1}],"responseId":"abc123"})"
        ",\r\n"
        R"({"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0,"finishReason":"STOP"},)"
        R"({"content":{"parts":[{"text":""}],"role":"model"},"index":1,"finishReason":"SAFETY"}],"responseId":"abc123"}])");

    Writing broken;
    broken.c.terms.json_array = true;
    const ErrorAnswer error{.message = "gone", .type = "server_error"};
    EXPECT_EQ(broken.write({.kind = DeltaKind::error, .error = &error}),
              R"([{"error":{"code":500,"message":"gone","status":"INTERNAL"}}])");
}

TEST(GeminiEncoder, StandsAnEndThatNobodyGaveAReasonFor) {
    Writing w;
    EXPECT_EQ(
        w.write({.kind = DeltaKind::end}),
        R"(data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0,"finishReason":"STOP"}],)"
        R"("responseId":"abc123"})"
        "\n\n");
    Writing failed;
    const ErrorAnswer error{.status = 429, .message = "x"};
    EXPECT_EQ(failed.write({.kind = DeltaKind::error, .error = &error}),
              "data: {\"error\":{\"code\":429,\"message\":\"x\",\"status\":\"RESOURCE_EXHAUSTED\"}}\n\n");
    EXPECT_EQ(failed.write({.kind = DeltaKind::end}), "");
}

TEST(GeminiEncoder, HoldsNoMoreThanItsBounds) {
    Writing w;
    const std::string piece(1 << 20, 'x');
    for (uint32_t i = 0; i < 1000; ++i) (void)w.write({.kind = DeltaKind::tool_call, .tool = i, .tool_name = "f"});
    for (int i = 0; i < 8; ++i) (void)w.write({.kind = DeltaKind::arguments, .tool = 999, .text = piece});
    EXPECT_EQ(w.c.lost(), "tool_calls[].function.arguments");
    EXPECT_LT(w.write({.kind = DeltaKind::end}).size(), size_t{5} << 20);
}

// What comes out goes in: the stream that the encoder wrote from the decoder's deltas says the same when it is read.
TEST(GeminiStream, IsTheSameAfterADetour) {
    class Encode final : public DeltaSink {
      public:
        explicit Encode(Writing& writing) : writing_(writing) {}
        void on_delta(const Delta& delta) override { events += writing_.write(delta); }
        std::string events;

      private:
        Writing& writing_;
    };
    Stream original;
    Writing writing;
    Encode encode(writing);
    const auto decoder = gemini_dialect().decoder();
    for (const std::string_view event : {first, second, last}) {
        EXPECT_TRUE(original.read(event));
        EXPECT_TRUE(decoder->read("", event, writing.c.context, encode));
    }
    EXPECT_TRUE(original.end());
    EXPECT_TRUE(decoder->read_end(writing.c.context, encode));
    Stream again;
    std::string_view rest = encode.events;
    while (!rest.empty()) {
        const size_t end = rest.find("\n\n");
        EXPECT_TRUE(again.read(rest.substr(6, end - 6)));
        rest.remove_prefix(end + 2);
    }
    EXPECT_TRUE(again.end());
    const auto strip = [](std::string text) {  // usage comes more often from Gemini
        for (size_t at; (at = text.find("usage 3")) != text.npos;) text.erase(at, 9);
        return text;
    };
    EXPECT_EQ(strip(again.lines.text), strip(original.lines.text));
    EXPECT_EQ(again.lines.usage, original.lines.usage);
}

TEST(GeminiTranslation, GoesThroughTheHub) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation(scratch, pool,
                            {.client = Protocol::gemini,
                             .provider = Protocol::gemini,
                             .model = "gemini-2.5-flash",
                             .client_model = "fast",
                             .fallback_id = "f1",
                             .stream = true});
    ByteBuffer out(pool);
    ASSERT_TRUE(translation.request(R"({"contents":[{"parts":[{"text":"Hi"}]}],"labels":{"a":"b"}})", out));
    EXPECT_EQ(out.view(), R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{}})");
    EXPECT_EQ(translation.dropped().count(), 1u);
    Usage usage;
    out.clear();
    const EventFacts facts = translation.event("", last, out, usage);
    EXPECT_TRUE(facts.finished);
    EXPECT_TRUE(facts.usage_present);
    EXPECT_TRUE(translation.end(out, usage));
    EXPECT_TRUE(out.view().contains(R"("finishReason":"STOP")"));
    EXPECT_TRUE(out.view().contains(R"("modelVersion":"fast","responseId":"r1")"));
    EXPECT_EQ(usage.total, 35u);
}

}  // namespace
}  // namespace loom::llm
