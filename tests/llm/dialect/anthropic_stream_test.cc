#include <random>

#include "../dom.h"
#include "anthropic_desk.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

using Kind = Delta::Kind;
using Events = std::vector<std::pair<std::string_view, std::string_view>>;

/// What a decoder told, one word a delta.
class Teller final : public DeltaSink {
  public:
    void on_delta(const Delta& delta) override {
        told += told.empty() ? "" : "|";
        switch (delta.kind) {
            case Kind::start: told.append("start ").append(delta.id).append(" ").append(delta.model); break;
            case Kind::text: told.append("text ").append(delta.text); break;
            case Kind::thinking: told.append("thinking ").append(delta.text); break;
            case Kind::signature: told.append("signature ").append(delta.signature); break;
            case Kind::redacted_thinking: told.append("redacted ").append(delta.text); break;
            case Kind::tool_call:
                told += "call " + std::to_string(delta.tool) + " ";
                told.append(delta.tool_id).append(" ").append(delta.tool_name);
                break;
            case Kind::arguments:
                told += "arguments " + std::to_string(delta.tool) + " ";
                told.append(has(delta.json) ? delta.json : delta.text);
                break;
            case Kind::citation: told.append("citation ").append(delta.json); break;
            case Kind::part_end: told += "part_end"; break;
            case Kind::finish:
                told.append("finish ").append(delta.finish_text);
                if (has(delta.stop_sequence)) told.append(" ").append(delta.stop_sequence);
                break;
            case Kind::usage: told += "usage"; break;
            case Kind::error:
                told.append("error ").append(delta.error->type).append(" ").append(delta.error->message);
                break;
            case Kind::ping: told += "ping"; break;
            case Kind::end: told += "end"; break;
            default: told += "?"; break;
        }
        if (delta.usage == nullptr) return;
        usage = *delta.usage;
        told += " " + std::to_string(usage.input) + "+" + std::to_string(usage.output);
    }
    std::string told;
    Usage usage;
};

/// Of the documentation, with what real streams have besides.
const Events recorded = {
    {"message_start",
     R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-opus-4-6","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":25,"cache_creation_input_tokens":10,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},"output_tokens":1}}})"},
    {"message_start", R"({"type":"message_start","message":{"id":"msg_2","model":"other"}})"},
    {"ping", R"({"type": "ping"})"},
    {"content_block_start",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me\n"}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB+/="}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":0})"},
    {"content_block_start",
     R"({"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EmwK"}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":1})"},
    {"content_block_start",
     R"({"type":"content_block_start","index":2,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"query\":1}"}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":2})"},
    {"content_block_start", R"({"type":"content_block_start","index":3,"content_block":{"type":"text","text":""}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"Hello \"A\""}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"x"}}})"},
    {"content_block_delta", R"({"type":"content_block_delta","index":3,"delta":{"type":"glow_delta","glow":1}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":3})"},
    {"content_block_start",
     R"({"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":""}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"a\": \"S"}})"},
    {"content_block_delta",
     R"({"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"F\"}"}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":4})"},
    {"content_block_start",
     R"({"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}})"},
    {"content_block_stop", R"({"type":"content_block_stop","index":5})"},
    {"new_event", R"({"type":"new_event","x":1})"},
    {"message_delta",
     R"({"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":89}})"},
    {"message_stop", R"({"type":"message_stop"})"},
    {"ping", R"({"type": "ping"})"},
};

std::string told_of(const Events& events, Desk& desk, bool whole = true) {
    const auto decoder = anthropic_dialect().decoder();
    Teller teller;
    for (const auto& [name, data] : events) EXPECT_TRUE(decoder->read(name, data, desk.context, teller)) << data;
    EXPECT_EQ(decoder->read_end(desk.context, teller), whole);
    return teller.told;
}

// Of blocks that interleave, each one's citations stand behind its own text.
TEST(AnthropicDecoder, TellsCitationsBehindTheTextOfTheirBlock) {
    const auto start = [](int index, std::string_view type) {
        return R"({"type":"content_block_start","index":)" + std::to_string(index) + R"(,"content_block":{"type":")" +
               std::string(type) + R"(","text":""}})";
    };
    const auto delta = [](int index, std::string_view inside) {
        return R"({"type":"content_block_delta","index":)" + std::to_string(index) + R"(,"delta":{)" +
               std::string(inside) + "}}";
    };
    const auto text = [&](int index, std::string_view piece) {
        return delta(index, R"("type":"text_delta","text":")" + std::string(piece) + "\"");
    };
    const auto citation = [&](int index, std::string_view word) {
        return delta(index, R"("type":"citations_delta","citation":{"type":")" + std::string(word) + R"("})");
    };
    const auto stop = [](int index) {
        return R"({"type":"content_block_stop","index":)" + std::to_string(index) + "}";
    };
    const std::string error = R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})";
    const std::vector<std::string> events = {
        start(0, "text"), start(1, "text"), start(2, "new_tool_result"), text(0, "A"), citation(0, "a"), text(1, "B"),
        citation(1, "b"), text(0, "C"),     citation(2, "lost"),         stop(2),      stop(0),          stop(1)};
    const auto told = [&](Desk& desk, bool fails) {
        const auto decoder = anthropic_dialect().decoder();
        Teller teller;
        for (const std::string& event : events) EXPECT_TRUE(decoder->read("", event, desk.context, teller)) << event;
        if (fails) EXPECT_TRUE(decoder->read("", start(3, "text"), desk.context, teller));
        if (fails) EXPECT_TRUE(decoder->read("", citation(3, "late"), desk.context, teller));
        if (fails) EXPECT_TRUE(decoder->read("", error, desk.context, teller));
        return teller.told;
    };
    Desk desk;
    EXPECT_EQ(told(desk, false),
              R"(text A|citation {"type":"a"}|text B|citation {"type":"b"}|text C|part_end|part_end)");
    EXPECT_EQ(desk.dropped(), "new_tool_result citations");
    Desk broken;
    EXPECT_TRUE(told(broken, true).ends_with("|error overloaded_error Overloaded"));
}

// What waits for its text's end when the stream breaks is named.
TEST(AnthropicDecoder, NamesTheCitationsThatAnErrorCutOff) {
    Desk desk;
    const std::string told = told_of(
        {{"", R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"A"}})"},
         {"", R"({"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"a"}}})"},
         {"", R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})"}},
        desk, false);
    EXPECT_EQ(told, "text A|error overloaded_error Overloaded");
    EXPECT_EQ(desk.dropped(), "citations");
}

TEST(AnthropicDecoder, TellsAWholeStream) {
    Desk desk;
    EXPECT_EQ(
        told_of(recorded, desk),
        "start msg_1 claude-opus-4-6 40+1|ping|thinking |thinking Let me\\n|signature EqQB+/=|part_end|redacted EmwK|"
        "text Hello \\\"A\\\"|citation {\"type\":\"char_location\",\"cited_text\":\"x\"}|part_end|"
        "call 0 toolu_1 f|arguments 0 {\\\"a\\\": \\\"S|arguments 0 F\\\"}|part_end|"
        "call 1 toolu_2 g|arguments 1 {}|part_end|"  // agentgateway#3002
        "usage 40+89|finish tool_use|end");
    EXPECT_EQ(desk.dropped(), "server_tool_use");
}

TEST(AnthropicDecoder, UsageIsCumulativeAndNothingOfItIsLost) {  // lesson 12: cache tokens only when streaming
    Desk desk;
    const auto decoder = anthropic_dialect().decoder();
    Teller teller;
    const auto read = [&](std::string_view data) {
        EXPECT_TRUE(decoder->read("", data, desk.context, teller)) << data;
    };
    read(recorded.front().second);
    read(R"({"type":"message_delta","delta":{},"usage":{"input_tokens":null,"output_tokens":7}})");
    EXPECT_EQ(teller.usage.output, 7u);
    read(
        R"({"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"input_tokens":125,"cache_read_input_tokens":5,"output_tokens":70,"output_tokens_details":{"thinking_tokens":30}}})");
    read(R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":70}})");  // once told
    EXPECT_EQ(teller.told,
              "start msg_1 claude-opus-4-6 40+1|usage 40+7|usage 140+70|finish stop_sequence END|usage 140+70");
    EXPECT_EQ(teller.usage.cached_input, 5u);
    EXPECT_EQ(teller.usage.cache_write, 10u);
    EXPECT_EQ(teller.usage.cache_write_1h, 6u);
    EXPECT_EQ(teller.usage.reasoning, 30u);
    EXPECT_EQ(teller.usage.total, 210u);
    EXPECT_FALSE(decoder->read_end(desk.context, teller));  // no message_stop: it was cut
}

TEST(AnthropicDecoder, DeltasGoByTheirIndexAndArgumentsMayComeAtOnce) {  // praxis/ai#266
    Desk desk;
    EXPECT_EQ(
        told_of(
            {{"",
              R"({"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}})"},
             {"",
              R"({"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"x": 1}}})"},
             {"",
              R"({"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}})"},
             {"", R"({"type":"content_block_stop","index":1})"},
             {"", R"({"type":"content_block_stop","index":2})"},
             {"", "[DONE]"}},
            desk, false),
        "call 0 a f|call 1 b g|arguments 1 {\"x\": 1}|arguments 0 {}|part_end|part_end");
}

TEST(AnthropicDecoder, AnErrorIsTheLastThingTold) {
    Desk desk;
    EXPECT_EQ(
        told_of({{"error",
                  R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"})"},
                 {"message_stop", R"({"type":"message_stop"})"}},
                desk, false),
        "error overloaded_error Overloaded");
}

TEST(AnthropicDecoder, AMalformedEventChangesNothing) {
    for (const std::string_view data :
         {"", "{", "[]", "null", R"({"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"x"}})",
          R"({"type":"content_block_delta","index":0})",
          R"({"type":"content_block_start","index":0,"content_block":7})",
          R"({"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f"}})",
          R"({"type":"message_start"})", R"({"type":"message_stop"} x)"}) {
        Desk desk;
        const auto decoder = anthropic_dialect().decoder();
        Teller teller;
        EXPECT_FALSE(decoder->read("x", data, desk.context, teller)) << data;
        EXPECT_EQ(teller.told, "") << data;
    }
    // Each event cut at every byte, in the middle of its stream, which goes on as if it had not been.
    for (size_t broken = 0; broken < recorded.size(); ++broken) {
        for (size_t length = 0; length < recorded[broken].second.size(); length += 1 + length / 16) {
            Desk desk;
            const auto decoder = anthropic_dialect().decoder();
            Teller teller;
            for (size_t i = 0; i < broken; ++i)
                ASSERT_TRUE(decoder->read("", recorded[i].second, desk.context, teller));
            const std::string before = teller.told;
            const std::string cut(recorded[broken].second.substr(0, length));
            if (recorded[broken - (broken > 0)].first == "message_stop") continue;  // nothing is read any more
            ASSERT_FALSE(decoder->read("", cut, desk.context, teller)) << cut;
            ASSERT_EQ(teller.told, before);
        }
    }
}

// Writing.

class Writer {
  public:
    std::string operator()(const Delta& delta) {
        ByteBuffer out(desk.pool);
        encoder->write(delta, desk.context, out);
        return std::string(out.view());
    }
    Desk desk;
    std::unique_ptr<StreamEncoder> encoder = anthropic_dialect().encoder();
};

/// "name {…}" of each event, without its type, which is the name.
std::string short_of(std::string_view events) {
    std::string words;
    while (!events.empty()) {
        const size_t end = events.find("\n\n");
        std::string_view event = events.substr(0, end);
        events.remove_prefix(end + 2);
        EXPECT_TRUE(event.starts_with("event: ")) << event;
        const std::string_view name = event.substr(7, event.find('\n') - 7);
        const std::string front = "event: " + std::string(name) + "\ndata: {\"type\":\"" + std::string(name) + "\"";
        EXPECT_TRUE(event.starts_with(front)) << event;
        EXPECT_TRUE(Dom(event.substr(event.find("data: ") + 6)).valid()) << event;
        words.append(name).append(event.substr(front.size())).append("\n");
    }
    return words;
}

TEST(AnthropicEncoder, WritesAWholeStream) {
    Writer write;
    const Usage known{.input = 20, .cached_input = 5, .total = 20};
    const Usage all{.input = 20, .output = 9, .cached_input = 5, .reasoning = 3, .total = 29};
    std::string out = write({.kind = Kind::start, .id = "chatcmpl-1", .model = "gpt-5", .usage = &known});
    out += write({.kind = Kind::start, .id = "again"});  // bifrost#4556
    out += write({.kind = Kind::thinking, .text = "hm"});
    out += write({.kind = Kind::signature, .signature = "sig"});
    out += write({.kind = Kind::text, .text = ""});
    out += write({.kind = Kind::text, .text = "He\\n"});
    out += write({.kind = Kind::ping});
    out += write({.kind = Kind::text, .text = "llo"});
    out += write({.kind = Kind::citation, .json = "{\"cited_text\":\n\"x\"}"});
    out += write({.kind = Kind::tool_call, .tool = 0, .tool_id = "c0", .tool_name = "f"});
    out += write({.kind = Kind::arguments, .tool = 0, .text = R"({\"a\":)"});
    out += write({.kind = Kind::arguments, .tool = 0, .text = "1}"});
    out += write({.kind = Kind::tool_call, .tool = 1, .tool_id = "c1", .tool_name = "g"});
    out += write({.kind = Kind::finish, .reason = FinishReason::tool_calls, .finish_text = "tool_calls"});
    out += write({.kind = Kind::usage, .usage = &all});  // known late: behind the finish
    out += write({.kind = Kind::end});
    out += write({.kind = Kind::end});
    out += write({.kind = Kind::text, .text = "late"});
    EXPECT_EQ(
        short_of(out),
        R"(message_start,"message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"gpt-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":15,"cache_creation_input_tokens":0,"cache_read_input_tokens":5,"output_tokens":0}}}
content_block_start,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
content_block_delta,"index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}
content_block_delta,"index":0,"delta":{"type":"signature_delta","signature":"sig"}}
content_block_stop,"index":0}
content_block_start,"index":1,"content_block":{"type":"text","text":""}}
content_block_delta,"index":1,"delta":{"type":"text_delta","text":"He\n"}}
ping}
content_block_delta,"index":1,"delta":{"type":"text_delta","text":"llo"}}
content_block_delta,"index":1,"delta":{"type":"citations_delta","citation":{"cited_text": "x"}}}
content_block_stop,"index":1}
content_block_start,"index":2,"content_block":{"type":"tool_use","id":"c0","name":"f","input":{}}}
content_block_delta,"index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}
content_block_delta,"index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}
content_block_stop,"index":2}
content_block_start,"index":3,"content_block":{"type":"tool_use","id":"c1","name":"g","input":{}}}
content_block_delta,"index":3,"delta":{"type":"input_json_delta","partial_json":"{}"}}
content_block_stop,"index":3}
message_delta,"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":15,"cache_creation_input_tokens":0,"cache_read_input_tokens":5,"output_tokens":9,"output_tokens_details":{"thinking_tokens":3}}}
message_stop}
)");
}

TEST(AnthropicEncoder,
     CallsThatInterleaveGetTheirBlocksOneAfterTheOther) {  // bifrost#1961, litellm#5231, praxis/ai#266
    Writer write;
    std::string out;
    for (const uint32_t tool : {0u, 1u, 2u})
        out += write({.kind = Kind::tool_call,
                      .tool = tool,
                      .tool_id = tool == 0   ? "a"
                                 : tool == 1 ? "b"
                                             : "c",
                      .tool_name = "f"});
    out += write({.kind = Kind::arguments, .tool = 1, .text = R"({\"s\":\"}{\\\"\")"});
    out += write({.kind = Kind::arguments, .tool = 0, .text = R"({\"n\":[)"});
    out += write({.kind = Kind::arguments, .tool = 1, .text = "}"});
    out += write({.kind = Kind::arguments, .tool = 2, .json = R"({"z":0})"});
    out += write({.kind = Kind::arguments, .tool = 0, .text = "]}"});
    out += write({.kind = Kind::end});
    std::string blocks = short_of(out);
    blocks.erase(0, blocks.find("content_block_start"));
    EXPECT_EQ(blocks,
              R"(content_block_start,"index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}
content_block_delta,"index":0,"delta":{"type":"input_json_delta","partial_json":"{\"n\":["}}
content_block_delta,"index":0,"delta":{"type":"input_json_delta","partial_json":"]}"}}
content_block_stop,"index":0}
content_block_start,"index":1,"content_block":{"type":"tool_use","id":"b","name":"f","input":{}}}
content_block_delta,"index":1,"delta":{"type":"input_json_delta","partial_json":"{\"s\":\"}{\\\"\"}"}}
content_block_stop,"index":1}
content_block_start,"index":2,"content_block":{"type":"tool_use","id":"c","name":"f","input":{}}}
content_block_delta,"index":2,"delta":{"type":"input_json_delta","partial_json":"{\"z\":0}"}}
content_block_stop,"index":2}
message_delta,"delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}
message_stop}
)");
    EXPECT_EQ(write.desk.dropped(), "");
}

TEST(AnthropicEncoder, CallsThatWaitAreBounded) {
    Writer write;
    const std::string piece(64 << 10, 'x');
    std::string out = write({.kind = Kind::tool_call, .tool = 0, .tool_id = "a", .tool_name = "f"});
    out += write({.kind = Kind::tool_call, .tool = 1, .tool_id = "b", .tool_name = "f"});
    size_t pieces = 0;
    const size_t before = out.size();
    while (out.size() == before && pieces < 100) {
        out += write({.kind = Kind::arguments, .tool = 1, .text = piece});
        pieces += 1;
    }
    EXPECT_GT(pieces, 1u);
    EXPECT_LT(pieces, 20u);
    EXPECT_GE(out.size(), pieces * piece.size());  // and nothing of them is lost
}

TEST(AnthropicEncoder, StandsAStreamWithoutItsStartOrItsFinish) {
    Writer end;
    end.desk.terms.client_model = "my \"model\"";
    EXPECT_EQ(
        short_of(end({.kind = Kind::end})),
        R"(message_start,"message":{"id":"msg_loom","type":"message","role":"assistant","model":"my \"model\"","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}
message_delta,"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}
message_stop}
)");
    Writer refusal;
    refusal({.kind = Kind::refusal, .text = "No."});
    refusal({.kind = Kind::finish, .reason = FinishReason::stop});
    EXPECT_NE(refusal({.kind = Kind::end}).find(R"("stop_reason":"refusal")"), std::string::npos);
    Writer broken;
    broken({.kind = Kind::text, .text = "a"});
    const ErrorAnswer error{.message = "it \\\"broke\\\"", .type = "server_error"};
    EXPECT_EQ(broken({.kind = Kind::error, .error = &error}),
              "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"it "
              "\\\"broke\\\"\"}}\n\n");
    EXPECT_EQ(broken({.kind = Kind::end}), "");
}

// Both ways, as an exchange does it.

struct Exchange {
    BlockPool pool;
    TranslateScratch scratch;
    Translation translation{
        scratch,
        pool,
        {.client = Protocol::anthropic, .provider = Protocol::anthropic, .fallback_id = "msg_loom", .stream = true}};
    Usage usage;
    std::string event(std::string_view name, std::string_view data, EventFacts& facts) {
        ByteBuffer out(pool);
        facts = translation.event(name, data, out, usage);
        return std::string(out.view());
    }
};

TEST(AnthropicStream, ComesBackAsItWas) {
    Exchange exchange;
    std::string out;
    bool finished = false, done = false;
    for (const auto& [name, data] : recorded) {
        EventFacts facts;
        out += exchange.event(name, data, facts);
        EXPECT_FALSE(facts.malformed) << data;
        finished |= facts.finished;
        done |= facts.done;
    }
    EXPECT_TRUE(finished);
    EXPECT_TRUE(done);
    EXPECT_EQ(exchange.usage.total, 129u);
    // The same deltas again, but for the provider's own tools and for what no client needs.
    Desk first, second;
    Events again;
    std::vector<std::string> kept;
    for (size_t at = 0; at < out.size();) {
        const size_t end = out.find("\n\n", at);
        kept.push_back(out.substr(at, end - at));
        at = end + 2;
    }
    for (const std::string& event : kept) {
        const size_t line = event.find('\n');
        again.emplace_back(std::string_view(event).substr(7, line - 7), std::string_view(event).substr(line + 7));
    }
    EXPECT_EQ(told_of(again, second), told_of(recorded, first));
}

TEST(AnthropicStream, AnyBytesAreEventsOrMalformed) {
    std::mt19937 random(99);
    for (int round = 0; round < 1500; ++round) {
        Exchange exchange;
        std::string out;
        bool escapes_bad = false;
        for (const auto& [name, data] : recorded) {
            std::string bytes(data);
            if (random() % 4 == 0) bytes[random() % bytes.size()] = "\"\\{}[],:0a1\x80"[random() % 12];
            escapes_bad |= !Dom(bytes).valid();
            EventFacts facts;
            out += exchange.event(name, bytes, facts);
        }
        ByteBuffer last(exchange.pool);
        (void)exchange.translation.end(last, exchange.usage);
        if (!escapes_bad) short_of(out);  // each event has its form, whatever it says
        size_t starts = 0, stops = 0, depth = 0;
        for (size_t at = 0; (at = out.find("event: content_block_st", at)) != out.npos; at += 8) {
            const bool is_start = out.compare(at, 26, "event: content_block_start") == 0;
            starts += is_start;
            stops += !is_start;
            depth = starts - stops;
            ASSERT_LE(depth, 1u) << out;  // one block at a time
        }
    }
}

}  // namespace
}  // namespace loom::llm
