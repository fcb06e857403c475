// OpenAI Responses: streams, both ways.
#include "openai_responses.h"

#include "openai_call.h"

namespace loom::llm {
namespace {

using Kind = Delta::Kind;

std::string_view kind_name(Kind kind) {
    constexpr std::string_view names[] = {
        "start",     "text",      "refusal",  "thinking", "signature", "redacted_thinking",
        "tool_call", "arguments", "citation", "logprobs", "part_end",  "finish",
        "usage",     "error",     "ping",     "end"};
    return names[static_cast<size_t>(kind)];
}

/// What a decoder tells, one line for each delta.
class Told final : public DeltaSink {
  public:
    void on_delta(const Delta& delta) override {
        text += kind_name(delta.kind);
        for (const Text one :
             {delta.id, delta.model, delta.tool_id, delta.tool_name, delta.text, delta.signature, delta.json})
            if (has(one)) text += " " + std::string(one);
        if (delta.kind == Kind::tool_call || delta.kind == Kind::arguments) text += " #" + std::to_string(delta.tool);
        if (delta.kind == Kind::finish) text += " " + std::to_string(static_cast<int>(delta.reason));
        if (delta.usage != nullptr) text += " " + std::to_string(delta.usage->total);
        if (delta.error != nullptr) text += " " + std::string(delta.error->message);
        text += "\n";
    }
    std::string text;
};

class ResponsesDecoder : public ::testing::Test {
  protected:
    bool read(std::string_view data) { return decoder->read("", data, call.context, told); }
    std::string taken() { return std::exchange(told.text, {}); }

    OpenaiCall call{Protocol::openai_chat, Protocol::openai_responses};
    std::unique_ptr<StreamDecoder> decoder = openai_responses_dialect().decoder();
    Told told;
};

constexpr std::string_view recorded[] = {
    R"({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1741290958,"status":"in_progress","model":"gpt-5","output":[],"usage":null}})",
    R"({"type":"response.in_progress","sequence_number":1,"response":{"id":"resp_1"}})",
    R"({"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[]}})",
    R"({"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})",
    R"({"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":0,"delta":"one","obfuscation":"xx"})",
    R"({"type":"response.reasoning_summary_part.added","item_id":"rs_1","output_index":0,"summary_index":1,"part":{"type":"summary_text","text":""}})",
    R"({"type":"response.reasoning_summary_text.delta","item_id":"rs_1","output_index":0,"summary_index":1,"delta":"two"})",
    R"({"type":"response.output_item.done","output_index":0,"item":{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"one"}],"encrypted_content":"gAAA"}})",
    R"({"type":"response.output_item.added","output_index":1,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}})",
    R"({"type":"response.content_part.added","item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}})",
    R"({"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"Hi \"x\"","logprobs":[]})",
    R"({"type":"response.output_text.delta","item_id":"msg_1","output_index":1,"content_index":0,"delta":"\u00e9\n","logprobs":[{"token":"e","logprob":-1}]})",
    R"({"type":"response.output_text.annotation.added","item_id":"msg_1","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"u"}})",
    R"({"type":"response.output_text.done","item_id":"msg_1","output_index":1,"content_index":0,"text":"Hi"})",
    R"({"type":"response.content_part.done","item_id":"msg_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hi","annotations":[]}})",
    R"({"type":"response.output_item.done","output_index":1,"item":{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[]}})",
    R"({"type":"response.output_item.added","output_index":2,"item":{"id":"fc_1","type":"function_call","status":"in_progress","arguments":"","call_id":"call_1","name":"f"}})",
    R"({"type":"response.output_item.added","output_index":3,"item":{"id":"fc_2","type":"function_call","status":"in_progress","arguments":"","call_id":"call_2","name":"g"}})",
    R"({"type":"response.function_call_arguments.delta","item_id":"fc_2","output_index":3,"delta":"{\"b\""})",
    R"({"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":2,"delta":"{}"})",
    R"({"type":"response.function_call_arguments.delta","item_id":"fc_2","output_index":3,"delta":":1}"})",
    R"({"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":2,"arguments":"{}"})",
    R"({"type":"response.output_item.done","output_index":2,"item":{"id":"fc_1","type":"function_call","status":"completed","arguments":"{}","call_id":"call_1","name":"f"}})",
    R"({"type":"response.output_item.done","output_index":3,"item":{"id":"fc_2","type":"function_call","status":"completed","arguments":"{\"b\":1}","call_id":"call_2","name":"g"}})",
    R"({"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[{"type":"message"}],"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":15}}})",
};
constexpr std::string_view recorded_told =
    "start resp_1 gpt-5\n"
    "thinking one\n"
    "thinking \\n\\n\n"
    "thinking two\n"
    "signature loom.openai_responses.thinking:gAAA\n"
    "part_end\n"
    "text Hi \\\"x\\\"\n"
    "text \\u00e9\\n\n"
    "logprobs {\"content\":[{\"token\":\"e\",\"logprob\":-1}],\"refusal\":null}\n"
    "citation {\"type\":\"url_citation\",\"url\":\"u\"}\n"
    "part_end\n"
    "tool_call call_1 f #0\n"
    "tool_call call_2 g #1\n"
    "arguments {\\\"b\\\" #1\n"
    "arguments {} #0\n"
    "arguments :1} #1\n"
    "part_end\n"
    "part_end\n"
    "usage 15\n"
    "finish 4\n"
    "end\n";

TEST_F(ResponsesDecoder, ARecordedStreamIsTold) {
    for (const std::string_view data : recorded) EXPECT_TRUE(read(data)) << data;
    EXPECT_EQ(taken(), recorded_told);
    EXPECT_TRUE(read(recorded[10]));  // behind the end nothing is told
    EXPECT_EQ(taken(), "");
    EXPECT_TRUE(decoder->read_end(call.context, told));
}

// litellm#40404: one line that is no JSON ended an answer of sixty good tokens.
TEST_F(ResponsesDecoder, AMalformedEventChangesNothing) {
    for (const std::string_view data : recorded) {
        const std::string before = told.text;
        EXPECT_FALSE(read(data.substr(0, data.size() / 2)));
        EXPECT_FALSE(read(""));
        EXPECT_FALSE(read("[]"));
        EXPECT_FALSE(read(R"({"type":"response.output_text.delta"})"));
        EXPECT_FALSE(read(R"({"type":"response.function_call_arguments.delta","output_index":99,"delta":"x"})"));
        EXPECT_EQ(told.text, before);
        EXPECT_TRUE(read(data));
    }
    EXPECT_EQ(taken(), recorded_told);
}

TEST_F(ResponsesDecoder, UnknownEventsAndServersPass) {
    EXPECT_TRUE(read(R"({"type":"keepalive","sequence_number":1})"));
    EXPECT_TRUE(read(R"({"type":"response.web_search_call.searching","output_index":0,"item_id":"x"})"));
    EXPECT_TRUE(read("[DONE]"));
    EXPECT_EQ(taken(), "");
    EXPECT_FALSE(decoder->read_end(call.context, told));
}

TEST_F(ResponsesDecoder, ArgumentsThatComeOnlyAtTheEndAreTold) {
    EXPECT_TRUE(read(
        R"({"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"c","name":"f"}})"));
    EXPECT_TRUE(read(R"({"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"})"));
    EXPECT_TRUE(read(
        R"({"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"d","name":"g","arguments":"{}"}})"));
    EXPECT_EQ(taken(), "tool_call c f #0\narguments {\\\"a\\\":1} #0\ntool_call d g #1\narguments {} #1\npart_end\n");
}

TEST_F(ResponsesDecoder, CustomAndShellCallsAreCallsOfFunctions) {
    EXPECT_TRUE(read(
        R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"p","input":""}})"));
    EXPECT_TRUE(read(R"({"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"a\n\"b\""})"));
    EXPECT_TRUE(read(
        R"({"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","call_id":"c","name":"p","input":"a\n\"b\""}})"));
    EXPECT_TRUE(read(
        R"({"type":"response.output_item.done","output_index":1,"item":{"type":"local_shell_call","call_id":"d","action":{"command":["ls"]}}})"));
    EXPECT_EQ(taken(),
              "tool_call c p #0\n"
              "arguments {\\\"input\\\":\\\" #0\n"
              "arguments a\\\\n\\\\\\\"b\\\\\\\" #0\n"
              "arguments \\\"} #0\n"
              "part_end\n"
              "tool_call d local_shell #1\n"
              "arguments {\"command\":[\"ls\"]} #1\n"
              "part_end\n");
}

// new-api#7241, obot#7488: usage was read of response.completed alone.
TEST_F(ResponsesDecoder, EveryEndHasItsUsageAndReason) {
    EXPECT_TRUE(read(
        R"({"type":"response.incomplete","response":{"id":"r","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}})"));
    EXPECT_EQ(taken(), "usage 3\nfinish 3\nend\n");
    decoder = openai_responses_dialect().decoder();
    EXPECT_TRUE(read(
        R"({"type":"response.failed","response":{"id":"r","status":"failed","error":{"code":"server_error","message":"boom"},"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}}})"));
    EXPECT_EQ(taken(), "usage 3\nerror boom\n");
    EXPECT_FALSE(decoder->read_end(call.context, told));
    for (const std::string_view data :
         {R"({"type":"error","code":"x","message":"flat","param":null,"sequence_number":1})",
          R"({"type":"error","error":{"type":"t","code":"x","message":"flat","param":null}})"}) {
        decoder = openai_responses_dialect().decoder();
        EXPECT_TRUE(read(data));
        EXPECT_EQ(taken(), "error flat\n");
    }
}

TEST_F(ResponsesDecoder, BrokenEventsNeverCrash) {
    for (const std::string_view data : recorded) {
        torment(std::string(data), [&](const std::string& event, bool is_cut) {
            const std::unique_ptr<StreamDecoder> one = openai_responses_dialect().decoder();
            Told ignored;
            const bool good = one->read("", event, call.context, ignored);
            if (is_cut) EXPECT_FALSE(good);
            if (!good) EXPECT_EQ(ignored.text, "");
        });
        call.call.release();
    }
}

class ResponsesEncoder : public ::testing::Test {
  protected:
    void tell(const Delta& delta) { encoder->write(delta, call.context, call.out); }

    OpenaiCall call{Protocol::openai_responses, Protocol::anthropic};
    std::unique_ptr<StreamEncoder> encoder = openai_responses_dialect().encoder();
};

/// The parts of an event that a client of the SDK reads, without what a whole response repeats.
std::string brief(const SseEvent& event) {
    Dom dom(event.data);
    if (!dom.valid()) return "broken: " + event.data;
    EXPECT_EQ(dom.text("/type"), event.name);
    if (dom.has("/response")) return event.name + " " + dom.text("/response/status");
    return event.data.substr(event.data.find(",\"sequence_number\""));
}

TEST_F(ResponsesEncoder, AnAnswerHasEveryEvent) {
    const Usage usage{.input = 3, .output = 4, .total = 7, .provenance = Usage::Provenance::reported};
    tell({.kind = Kind::start, .id = "x1", .model = "m", .created = 5});
    tell({.kind = Kind::thinking, .text = "hm"});
    tell({.kind = Kind::signature, .signature = "EqQB"});
    tell({.kind = Kind::text, .text = "Hel"});
    tell({.kind = Kind::ping});
    tell({.kind = Kind::text, .text = "lo"});
    tell({.kind = Kind::tool_call, .tool = 0, .tool_id = "c1", .tool_name = "f"});
    tell({.kind = Kind::arguments, .tool = 0, .text = R"({\"a\":)"});
    tell({.kind = Kind::arguments, .tool = 0, .text = "1}"});
    tell({.kind = Kind::finish, .reason = FinishReason::tool_calls});
    tell({.kind = Kind::usage, .usage = &usage});
    tell({.kind = Kind::end});
    tell({.kind = Kind::text, .text = "late"});
    const std::string text = call.taken();
    std::string lines;
    const std::vector<SseEvent> events = events_of(text);
    for (const SseEvent& event : events) lines += brief(event) + "\n";
    EXPECT_EQ(lines,
              R"(response.created in_progress
response.in_progress in_progress
,"sequence_number":2,"output_index":0,"item":{"id":"rs_x1_0","type":"reasoning","summary":[]}}
,"sequence_number":3,"item_id":"rs_x1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}
,"sequence_number":4,"item_id":"rs_x1_0","output_index":0,"summary_index":0,"delta":"hm"}
,"sequence_number":5,"item_id":"rs_x1_0","output_index":0,"summary_index":0,"text":"hm"}
,"sequence_number":6,"item_id":"rs_x1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"hm"}}
,"sequence_number":7,"output_index":0,"item":{"id":"rs_x1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"loom.anthropic.thinking:EqQB"}}
,"sequence_number":8,"output_index":1,"item":{"id":"msg_x1_1","type":"message","status":"in_progress","role":"assistant","content":[]}}
,"sequence_number":9,"item_id":"msg_x1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}
,"sequence_number":10,"item_id":"msg_x1_1","output_index":1,"content_index":0,"delta":"Hel","logprobs":[]}
,"sequence_number":11,"item_id":"msg_x1_1","output_index":1,"content_index":0,"delta":"lo","logprobs":[]}
,"sequence_number":12,"item_id":"msg_x1_1","output_index":1,"content_index":0,"text":"Hello","logprobs":[]}
,"sequence_number":13,"item_id":"msg_x1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}}
,"sequence_number":14,"output_index":1,"item":{"id":"msg_x1_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[],"logprobs":[]}]}}
,"sequence_number":15,"output_index":2,"item":{"id":"fc_x1_2","type":"function_call","status":"in_progress","call_id":"c1","name":"f","arguments":""}}
,"sequence_number":16,"item_id":"fc_x1_2","output_index":2,"delta":"{\"a\":"}
,"sequence_number":17,"item_id":"fc_x1_2","output_index":2,"delta":"1}"}
,"sequence_number":18,"item_id":"fc_x1_2","output_index":2,"arguments":"{\"a\":1}"}
,"sequence_number":19,"output_index":2,"item":{"id":"fc_x1_2","type":"function_call","status":"completed","call_id":"c1","name":"f","arguments":"{\"a\":1}"}}
response.completed completed
)");
    Dom last(events.back().data);
    EXPECT_EQ(last.size("/response/output"), 3u);
    EXPECT_EQ(last.text("/response/id"), "resp_x1");
    EXPECT_EQ(last.number("/response/created_at"), 5);
    EXPECT_EQ(last.number("/response/usage/total_tokens"), 7);
    EXPECT_EQ(last.text("/response/model"), "client-model");
    EXPECT_EQ(Dom(events.front().data).size("/response/output"), 0u);
    EXPECT_EQ(call.dropped(), "");
}

TEST_F(ResponsesEncoder, CustomCallsComeWhole) {
    call.memo.note_free_text_tool("p");
    tell({.kind = Kind::tool_call, .tool = 0, .tool_id = "c", .tool_name = "p"});
    for (const Text piece : {R"({\"inp)", R"(ut\":\"a\\)", R"(n\\\"b\"})"})
        tell({.kind = Kind::arguments, .tool = 0, .text = piece});
    tell({.kind = Kind::end});
    std::string inputs;
    for (const SseEvent& event : events_of(call.taken())) {
        Dom dom(event.data);
        if (event.name == "response.custom_tool_call_input.delta") inputs += "delta " + dom.text("/delta") + ";";
        if (event.name == "response.custom_tool_call_input.done") inputs += "done " + dom.text("/input") + ";";
        if (event.name == "response.output_item.done") inputs += dom.text("/item/type") + " " + dom.text("/item/input");
    }
    EXPECT_EQ(inputs, "delta a\n\"b;done a\n\"b;custom_tool_call a\n\"b");
}

// agentgateway#3002: a call without arguments is one of an empty object.
TEST_F(ResponsesEncoder, NoArgumentsAreAnEmptyObject) {
    tell({.kind = Kind::tool_call, .tool = 0, .tool_id = "c", .tool_name = "f"});
    tell({.kind = Kind::finish, .reason = FinishReason::tool_calls});
    tell({.kind = Kind::end});
    std::string deltas, done;
    for (const SseEvent& event : events_of(call.taken())) {
        if (event.name == "response.function_call_arguments.delta") deltas += Dom(event.data).text("/delta");
        if (event.name == "response.function_call_arguments.done") done = Dom(event.data).text("/arguments");
    }
    EXPECT_EQ(deltas, "{}");
    EXPECT_EQ(done, "{}");
}

TEST_F(ResponsesEncoder, AnErrorEndsTheStreamForSdksAndForCodex) {
    const ErrorAnswer error{.message = "slow down", .type = "rate_limit_error", .code = "rate_limit_exceeded"};
    tell({.kind = Kind::text, .text = "x"});
    (void)call.taken();
    tell({.kind = Kind::error, .error = &error});
    tell({.kind = Kind::end});
    const std::vector<SseEvent> events = events_of(call.taken());
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(events[0].name, "error");
    EXPECT_EQ(
        events[0].data,
        R"({"type":"error","sequence_number":5,"code":"rate_limit_exceeded","message":"slow down","param":null,)"
        R"("error":{"type":"rate_limit_error","code":"rate_limit_exceeded","message":"slow down","param":null}})");
    Dom failed(events[1].data);
    EXPECT_EQ(failed.text("/type"), "response.failed");
    EXPECT_EQ(failed.text("/response/error/code"), "rate_limit_exceeded");
    EXPECT_EQ(failed.text("/response/error/message"), "slow down");
}

TEST_F(ResponsesEncoder, BeyondItsRoomDeltasPassAndTheEndIsIncomplete) {
    const std::string piece(1 << 20, 'x');
    size_t deltas = 0;
    for (int i = 0; i < 10; ++i) {
        tell({.kind = Kind::text, .text = piece});
        const std::string text = call.taken();
        deltas += text.size() / piece.size();
        call.call.release();
    }
    EXPECT_EQ(deltas, 10u);
    tell({.kind = Kind::finish, .reason = FinishReason::stop});
    tell({.kind = Kind::end});
    const std::vector<SseEvent> events = events_of(call.taken());
    EXPECT_EQ(events.back().name, "response.incomplete");
    Dom last(events.back().data);
    EXPECT_EQ(last.text("/response/output/0/content/0/text").size(), size_t{8} << 20);
    EXPECT_EQ(call.dropped(), "output[].content");
}

// Where an element of a list has no room, its comma was kept all the same: `"annotations":[{…},]`.
TEST_F(ResponsesEncoder, AListThatIsCutIsOneOfWholeElements) {
    const std::string annotation = R"({"type":"file_citation","file_id":"f","filename":"n","index":0})";
    const std::string logprob = R"({"token":"a","logprob":-1})";
    const std::string logprobs = R"({"content":[)" + logprob + R"(],"refusal":null})";
    const struct {
        Delta delta;
        size_t bytes;
        const char* list;
    } kinds[] = {{{.kind = Kind::citation, .json = annotation}, annotation.size(), "annotations"},
                 {{.kind = Kind::logprobs, .json = logprobs}, logprob.size(), "logprobs"}};
    for (const auto& [delta, bytes, list] : kinds) {
        for (const size_t room : {size_t{0}, bytes, bytes + 1, 2 * bytes, 2 * bytes + 1}) {
            SCOPED_TRACE(std::string(list) + " in " + std::to_string(room));
            encoder = openai_responses_dialect().encoder();
            const std::string text((size_t{8} << 20) - room, 'x');
            tell({.kind = Kind::text, .text = text});
            tell(delta);
            tell(delta);
            tell({.kind = Kind::finish, .reason = FinishReason::stop});
            tell({.kind = Kind::end});
            for (const SseEvent& event : events_of(call.taken())) EXPECT_TRUE(Dom(event.data).valid()) << event.name;
            call.call.release();
        }
    }
}

// Without a token between its brackets it left a comma before the next one's.
TEST_F(ResponsesEncoder, AnEmptyListOfLogprobsAddsNothing) {
    tell({.kind = Kind::text, .text = "a"});
    tell({.kind = Kind::logprobs, .json = "{\"content\":[ \n]}"});
    tell({.kind = Kind::logprobs, .json = R"({"content":[{"token":"a"}]})"});
    tell({.kind = Kind::end});
    for (const SseEvent& event : events_of(call.taken())) EXPECT_TRUE(Dom(event.data).valid()) << event.data;
}

/// Whatever is told, in whatever order: numbers rise by one, every delta has its item and its part, texts are the sum
/// of their deltas, the last event's output is the list of items done, and the stream ends once.
class Law {
  public:
    void check(const std::vector<SseEvent>& events) {
        for (const SseEvent& event : events) {
            Dom dom(event.data);
            ASSERT_TRUE(dom.valid()) << event.data;
            ASSERT_EQ(dom.text("/type"), event.name);
            ASSERT_EQ(dom.number("/sequence_number"), next_++);
            ASSERT_FALSE(is_over_) << event.data;
            see(event, dom);
            if (::testing::Test::HasFatalFailure()) return;
        }
        EXPECT_TRUE(is_over_);
    }

  private:
    static std::string key_of(const Dom& dom) {
        for (const char* place : {"/content_index", "/summary_index"})
            if (dom.has(place)) return dom.text("/item_id") + "/" + std::to_string(dom.number(place));
        return dom.text("/item_id");
    }
    void see(const SseEvent& event, const Dom& dom) {
        if (next_ == 1) ASSERT_EQ(event.name, "response.created");
        if (event.name == "response.output_item.added") {
            ASSERT_EQ(dom.number("/output_index"), static_cast<int64_t>(items_.size()));
            items_.push_back(dom.text("/item/id"));
        } else if (event.name == "response.output_item.done") {
            ASSERT_EQ(items_.at(static_cast<size_t>(dom.number("/output_index"))), dom.text("/item/id"));
            auto item = dom.root().at_pointer("/item");
            done_ += (done_.empty() ? "" : ",") + simdjson::minify(item.value());
        } else if (event.name.ends_with(".delta")) {
            ASSERT_EQ(items_.at(static_cast<size_t>(dom.number("/output_index"))), dom.text("/item_id"));
            sums_[key_of(dom)] += dom.text("/delta");
        } else if (dom.has("/item_id") && event.name.ends_with(".done")) {
            for (const char* place : {"/text", "/refusal", "/arguments", "/input"})
                if (dom.has(place)) ASSERT_EQ(sums_[key_of(dom)], dom.text(place)) << event.data;
        } else if (dom.has("/response") && dom.text("/response/status") != "in_progress") {
            is_over_ = true;
            ASSERT_EQ(simdjson::minify(dom.root().at_pointer("/response/output").value()), "[" + done_ + "]");
        }
    }

    int64_t next_ = 0;
    std::vector<std::string> items_;
    std::map<std::string, std::string> sums_;
    std::string done_;
    bool is_over_ = false;
};

TEST(ResponsesEncoderLaw, HoldsForAnyOrderOfDeltas) {
    for (uint32_t seed = 0; seed < 400; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        OpenaiCall call(Protocol::openai_responses, seed % 2 == 0 ? Protocol::gemini : Protocol::openai_responses);
        call.memo.note_free_text_tool("custom");
        const auto encoder = openai_responses_dialect().encoder();
        uint32_t tools = 0;
        constexpr Kind kinds[] = {Kind::start,
                                  Kind::text,
                                  Kind::text,
                                  Kind::refusal,
                                  Kind::thinking,
                                  Kind::signature,
                                  Kind::redacted_thinking,
                                  Kind::tool_call,
                                  Kind::arguments,
                                  Kind::arguments,
                                  Kind::citation,
                                  Kind::logprobs,
                                  Kind::part_end,
                                  Kind::finish,
                                  Kind::usage,
                                  Kind::ping};
        const Usage usage{.input = 1, .total = 1, .provenance = Usage::Provenance::reported};
        for (uint32_t count = random() % 40; count > 0; --count) {
            Delta delta{.kind = kinds[random() % std::size(kinds)]};
            delta.id = "id";
            delta.text = std::vector<Text>{"a", "\\n", "", "\\u00e9"}[random() % 4];
            if (random() % 4 == 0) delta.signature = "c2ln";
            if (delta.kind == Kind::signature) delta.signature = "c2ln";
            if (delta.kind == Kind::tool_call) delta.tool = tools++;
            if (delta.kind == Kind::arguments) delta.tool = tools == 0 ? 0 : static_cast<uint32_t>(random() % tools);
            if (delta.kind == Kind::arguments && random() % 2 == 0) delta.json = R"({"q":"\""})";
            if (delta.kind == Kind::citation) delta.json = R"({"type":"url_citation","url_citation":{"url":"u"}})";
            if (delta.kind == Kind::logprobs) delta.json = R"({"content":[{"token":"t","logprob":-1}]})";
            delta.tool_id = "call";
            delta.tool_name = random() % 3 == 0 ? "custom" : "f";
            delta.reason = static_cast<FinishReason>(random() % 10);
            if (delta.kind == Kind::usage) delta.usage = &usage;
            encoder->write(delta, call.context, call.out);
        }
        encoder->write({.kind = Kind::end}, call.context, call.out);
        encoder->write({.kind = Kind::end}, call.context, call.out);
        Law().check(events_of(call.taken()));
        if (::testing::Test::HasFatalFailure()) return;
    }
}

/// Both sides: the recorded stream comes out with the same texts, and Codex finds what it reads.
TEST(ResponsesStreamRoundTrip, KeepsTextsCallsProofAndUsage) {
    BlockPool pool;
    TranslateScratch scratch;
    Translation translation(scratch, pool,
                            {.client = Protocol::openai_responses,
                             .provider = Protocol::openai_responses,
                             .model = "m",
                             .client_model = "c"});
    ByteBuffer out(pool);
    Usage usage;
    bool is_done = false;
    for (const std::string_view data : recorded) is_done |= translation.event("", data, out, usage).done;
    EXPECT_TRUE(is_done);
    EXPECT_TRUE(translation.end(out, usage));
    EXPECT_EQ(usage.total, 15u);
    const std::vector<SseEvent> events = events_of(out.view());
    Law().check(events);
    Dom last(events.back().data);
    EXPECT_EQ(last.text("/response/id"), "resp_1");
    EXPECT_EQ(last.text("/response/output/0/summary/0/text"), "one\n\ntwo");
    EXPECT_EQ(last.text("/response/output/0/encrypted_content"), "gAAA");
    EXPECT_EQ(last.text("/response/output/1/content/0/text"), "Hi \"x\"é\n");
    EXPECT_EQ(last.text("/response/output/1/content/0/annotations/0/url"), "u");
    EXPECT_EQ(last.text("/response/output/1/content/0/logprobs/0/token"), "e");
    EXPECT_EQ(last.text("/response/output/2/arguments"), "{}");
    EXPECT_EQ(last.text("/response/output/3/arguments"), "{\"b\":1}");
    EXPECT_EQ(last.number("/response/usage/output_tokens_details/reasoning_tokens"), 2);
}

TEST(ResponsesStreamFail, SaysWhyInTheClientsShape) {
    BlockPool pool;
    TranslateScratch scratch;
    Translation translation(scratch, pool,
                            {.client = Protocol::openai_responses, .provider = Protocol::openai_responses});
    ByteBuffer out(pool);
    translation.fail("the provider \"left\"", "api_error", out);
    const std::vector<SseEvent> events = events_of(out.view());
    ASSERT_EQ(events.size(), 2u);
    EXPECT_EQ(Dom(events[0].data).text("/message"), "the provider \"left\"");
    EXPECT_EQ(Dom(events[1].data).text("/response/status"), "failed");
}

}  // namespace
}  // namespace loom::llm
