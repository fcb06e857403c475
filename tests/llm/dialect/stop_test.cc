// A stream that is ended by us, wherever it stands: what its client has then is a whole answer of its protocol that ran
// out of tokens.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/llm/translate.h"

namespace loom::llm {
namespace {

struct Event {
    std::string name, data;
    std::string text() const { return (name.empty() ? "" : "event: " + name + "\n") + "data: " + data + "\n\n"; }
};

std::vector<Event> events_of(std::string_view stream) {
    std::vector<Event> events;
    while (!stream.empty()) {
        const size_t end = std::min(stream.find("\n\n"), stream.size());
        std::string_view lines = stream.substr(0, end);
        stream.remove_prefix(std::min(end + 2, stream.size()));
        Event event;
        while (!lines.empty()) {
            const size_t line_end = std::min(lines.find('\n'), lines.size());
            const std::string_view line = lines.substr(0, line_end);
            if (line.starts_with("event: ")) event.name = line.substr(7);
            if (line.starts_with("data: ")) event.data = line.substr(6);
            lines.remove_prefix(std::min(line_end + 1, lines.size()));
        }
        if (!event.data.empty()) events.push_back(std::move(event));
    }
    return events;
}

/// Without what ends it.
std::string chat_stream() {
    const auto chunk = [](std::string choice) {
        return R"(data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[)" + choice +
               "]}\n\n";
    };
    return chunk(R"({"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"reasoning_content":"Hm"},"finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"content":"Hel\"lo"},"finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"tool_calls":[{"index":0,"id":"t0","type":"function","function":)"
                 R"({"name":"f","arguments":""}}]},"finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":"}}]},)"
                 R"("finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]},)"
                 R"("finish_reason":null})") +
           chunk(R"({"index":0,"delta":{"tool_calls":[{"index":1,"id":"t1","type":"function","function":)"
                 R"({"name":"g","arguments":"{}"}}]},"finish_reason":null})");
}
std::string anthropic_stream() {
    const auto event = [](const std::string& name, const std::string& rest) {
        return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + rest + "}\n\n";
    };
    return event("message_start", R"(,"message":{"id":"msg_1","type":"message","role":"assistant","model":"m-1",)"
                                  R"("content":[],"stop_reason":null,"stop_sequence":null,)"
                                  R"("usage":{"input_tokens":9,"output_tokens":1}})") +
           event("content_block_start",
                 R"(,"index":0,"content_block":{"type":"thinking","thinking":"","signature":""})") +
           event("content_block_delta", R"(,"index":0,"delta":{"type":"thinking_delta","thinking":"Hm"})") +
           event("content_block_delta", R"(,"index":0,"delta":{"type":"signature_delta","signature":"c2ln"})") +
           event("content_block_stop", R"(,"index":0)") +
           event("content_block_start", R"(,"index":1,"content_block":{"type":"text","text":""})") + event("ping", "") +
           event("content_block_delta", R"(,"index":1,"delta":{"type":"text_delta","text":"Hel\"lo"})") +
           event("content_block_stop", R"(,"index":1)") +
           event("content_block_start",
                 R"(,"index":2,"content_block":{"type":"tool_use","id":"t0","name":"f","input":{}})") +
           event("content_block_delta", R"(,"index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"})") +
           event("content_block_delta", R"(,"index":2,"delta":{"type":"input_json_delta","partial_json":"1}"})") +
           event("content_block_stop", R"(,"index":2)");
}
std::string gemini_stream() {
    const auto chunk = [](const std::string& part) {
        return R"(data: {"candidates":[{"content":{"parts":[)" + part +
               R"(],"role":"model"},"index":0}],"modelVersion":"m-1","responseId":"r1"})" + "\n\n";
    };
    return chunk(R"({"text":"Hm","thought":true})") + chunk(R"({"text":"Hel\"lo"})") +
           chunk(R"({"functionCall":{"name":"f","args":{"a":1}}})");
}
std::string responses_stream() {
    int number = 0;
    const auto event = [&number](const std::string& type, const std::string& rest) {
        return "event: " + type + "\ndata: {\"type\":\"" + type + "\",\"sequence_number\":" + std::to_string(number++) +
               rest + "}\n\n";
    };
    const std::string response =
        R"(,"response":{"id":"resp_1","object":"response","created_at":7,"status":"in_progress","model":"m-1","output":[]})";
    return event("response.created", response) + event("response.in_progress", response) +
           event("response.output_item.added",
                 R"(,"output_index":0,"item":{"id":"rs_own","type":"reasoning","summary":[]})") +
           event("response.reasoning_summary_part.added",
                 R"(,"item_id":"rs_own","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""})") +
           event("response.reasoning_summary_text.delta",
                 R"(,"item_id":"rs_own","output_index":0,"summary_index":0,"delta":"Hm")") +
           event("response.reasoning_summary_text.done",
                 R"(,"item_id":"rs_own","output_index":0,"summary_index":0,"text":"Hm")") +
           event(
               "response.reasoning_summary_part.done",
               R"(,"item_id":"rs_own","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"Hm"})") +
           event(
               "response.output_item.done",
               R"(,"output_index":0,"item":{"id":"rs_own","type":"reasoning","summary":[{"type":"summary_text","text":"Hm"}]})") +
           event(
               "response.output_item.added",
               R"(,"output_index":1,"item":{"id":"msg_own","type":"message","status":"in_progress","role":"assistant","content":[]})") +
           event(
               "response.content_part.added",
               R"(,"item_id":"msg_own","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]})") +
           event("response.output_text.delta",
                 R"(,"item_id":"msg_own","output_index":1,"content_index":0,"delta":"Hel\"lo","logprobs":[])") +
           event("response.output_text.done",
                 R"(,"item_id":"msg_own","output_index":1,"content_index":0,"text":"Hel\"lo","logprobs":[])") +
           event("response.content_part.done", R"(,"item_id":"msg_own","output_index":1,"content_index":0,)"
                                               R"("part":{"type":"output_text","text":"Hel\"lo","annotations":[]})") +
           event("response.output_item.done",
                 R"(,"output_index":1,"item":{"id":"msg_own","type":"message","status":"completed","role":"assistant",)"
                 R"("content":[{"type":"output_text","text":"Hel\"lo","annotations":[]}]})") +
           event(
               "response.output_item.added",
               R"(,"output_index":2,"item":{"id":"fc_own","type":"function_call","status":"in_progress","call_id":"t0","name":"f","arguments":""})") +
           event("response.function_call_arguments.delta",
                 R"(,"item_id":"fc_own","output_index":2,"delta":"{\"a\":")") +
           event("response.function_call_arguments.delta", R"(,"item_id":"fc_own","output_index":2,"delta":"1}")");
}

struct Spoken {
    Protocol protocol;
    std::string stream;
    const char* finish;  // what the end says
};
const std::vector<Spoken>& all_spoken() {
    static const std::vector<Spoken> all = {
        {Protocol::openai_chat, chat_stream(), R"("finish_reason":"length")"},
        {Protocol::openai_responses, responses_stream(), R"("incomplete_details":{"reason":"max_output_tokens"})"},
        {Protocol::anthropic, anthropic_stream(), R"("stop_reason":"max_tokens")"},
        {Protocol::gemini, gemini_stream(), R"("finishReason":"MAX_TOKENS")"}};
    return all;
}

constexpr Usage used{.input = 11, .output = 22, .total = 33, .provenance = Usage::Provenance::counted};

/// A reader of that protocol takes it for a whole answer with that usage.
void expect_whole(Protocol protocol, const char* finish, const std::string& stream) {
    TranslateScratch scratch;
    BlockPool pool;
    StreamWatch watch(scratch, pool, protocol);
    Usage told;
    bool finished = false;
    for (const Event& event : events_of(stream)) {
        const EventFacts facts = watch.event(event.name, event.data, told);
        EXPECT_FALSE(facts.malformed && event.data != "[DONE]") << event.text();
        EXPECT_FALSE(facts.is_error) << event.text();
        finished |= facts.finished;
    }
    EXPECT_TRUE(watch.end()) << stream;
    EXPECT_TRUE(finished || protocol == Protocol::gemini) << stream;
    EXPECT_EQ(told.input, used.input) << stream;
    EXPECT_EQ(told.output, used.output) << stream;
    EXPECT_NE(stream.find(finish), stream.npos) << stream;
}

TranslateTerms shadow_terms(Protocol protocol) {
    return {.client = protocol, .provider = protocol, .fallback_id = "fallback", .stream = true, .include_usage = true};
}

/// What a client gets whose stream is ended behind so many events, or nothing where it cannot be ended there.
std::string stopped_behind(Protocol protocol, const std::vector<Event>& events, size_t cut) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation shadow(scratch, pool, shadow_terms(protocol));
    std::string passed;
    for (size_t i = 0; i < cut; ++i) {
        if (!shadow.shadow(events[i].name, events[i].data)) return "";
        passed += events[i].text();
    }
    if (!shadow.may_stop()) return "";
    ByteBuffer end(pool);
    shadow.stop(used, end);
    return passed + std::string(end.view());
}

size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
    return count;
}

/// Each block and item that is begun ends once, and none that was not.
void expect_balanced(Protocol protocol, const std::string& stream) {
    const auto pair = [&](const std::string& begin, const std::string& end) {
        for (int i = 0; i < 4; ++i) {
            const std::string place = ",\"" + std::string(protocol == Protocol::anthropic ? "index" : "output_index") +
                                      "\":" + std::to_string(i);
            size_t begun = 0, ended = 0;
            for (const Event& event : events_of(stream)) {
                const bool is_there = event.data.find(place) != event.data.npos;
                begun += is_there && event.name == begin;
                ended += is_there && event.name == end;
            }
            EXPECT_EQ(begun, ended) << end << place << ": " << stream;
            EXPECT_LE(ended, 1u) << end << place << ": " << stream;
        }
    };
    if (protocol == Protocol::anthropic) pair("content_block_start", "content_block_stop");
    if (protocol != Protocol::openai_responses) return;
    pair("response.output_item.added", "response.output_item.done");
    pair("response.content_part.added", "response.content_part.done");
    pair("response.reasoning_summary_part.added", "response.reasoning_summary_part.done");
}

TEST(Stop, AStreamThatPassesEndsWhereItCanBe_AndIsBalanced) {
    for (const Spoken& one : all_spoken()) {
        const auto events = events_of(one.stream);
        size_t ends = 0;
        for (size_t cut = 1; cut <= events.size(); ++cut) {
            SCOPED_TRACE(static_cast<int>(one.protocol) * 100 + static_cast<int>(cut));
            const std::string stream = stopped_behind(one.protocol, events, cut);
            if (stream.empty()) continue;
            ends += 1;
            EXPECT_EQ(stream.find("t0"), stream.npos) << "nobody ends a stream that has called a tool";
            expect_whole(one.protocol, one.finish, stream);
            expect_balanced(one.protocol, stream);
            if (one.protocol != Protocol::openai_responses) continue;
            // Ids that were not told before come to nobody's mind now.
            for (const char* const ours : {"\"id\":\"msg_1", "\"id\":\"rs_1", "\"id\":\"fc_1", "item_id\":\"msg_1"})
                EXPECT_EQ(stream.find(ours), stream.npos) << ours << ": " << stream;
        }
        EXPECT_GE(ends, 2u) << static_cast<int>(one.protocol);
    }
}

std::string anthropic_event(const std::string& name, const std::string& rest) {
    return "event: " + name + "\ndata: {\"type\":\"" + name + "\"" + rest + "}\n\n";
}
std::string anthropic_start() {
    return anthropic_event("message_start", R"(,"message":{"id":"msg_1","type":"message","role":"assistant",)"
                                            R"("model":"m-1","content":[],"stop_reason":null,"stop_sequence":null,)"
                                            R"("usage":{"input_tokens":9,"output_tokens":1}})");
}

TEST(Stop, ABlockIsEndedWhereItsProviderLeftIt) {
    const std::string begun =
        anthropic_start() +
        anthropic_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})");
    const auto events = events_of(begun);
    const std::string stream = stopped_behind(Protocol::anthropic, events, events.size());
    EXPECT_EQ(count_of(stream, "event: content_block_stop"), 1u) << "empty as it is: " << stream;
    // A signature does not end its block.
    const auto thought = events_of(
        anthropic_start() +
        anthropic_event("content_block_start", R"(,"index":0,"content_block":{"type":"thinking","thinking":""})") +
        anthropic_event("content_block_delta", R"(,"index":0,"delta":{"type":"signature_delta","signature":"c2ln"})") +
        anthropic_event("content_block_stop", R"(,"index":0)"));
    for (const size_t cut : {thought.size() - 1, thought.size()})
        EXPECT_EQ(count_of(stopped_behind(Protocol::anthropic, thought, cut), "event: content_block_stop"), 1u) << cut;
}

TEST(Stop, WhatCannotBeKeptInStepWithIsGivenUp) {
    const auto block = [](const std::string& members) {
        return anthropic_start() +
               anthropic_event("content_block_start", R"(,"index":0,"content_block":{)" + members + "}");
    };
    const std::string item =
        R"(data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"ws","type":"web_search_call"}})";
    const std::pair<Protocol, std::string> all[] = {
        {Protocol::anthropic, block(R"("type":"tool_use","id":"t0","name":"f","input":{})")},
        {Protocol::anthropic, block(R"("type":"server_tool_use","id":"t0","name":"web_search","input":{})")},
        {Protocol::anthropic, block(R"("type":"web_search_tool_result","tool_use_id":"t0","content":[])")},
        {Protocol::anthropic, block(R"("type":"redacted_thinking","data":"x")")},
        {Protocol::openai_responses, item + "\n\n"},
        {Protocol::openai_responses, "data: {\"type\":\n\n"},
        {Protocol::gemini, R"(data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]})"
                           "\n\n"},
        {Protocol::openai_chat, R"(data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t0",)"
                                R"("function":{"name":"f","arguments":"{}"}}]}}]})"
                                "\n\n"},
    };
    for (const auto& [protocol, stream] : all) {
        TranslateScratch scratch;
        BlockPool pool;
        Translation shadow(scratch, pool, shadow_terms(protocol));
        bool is_kept = true;
        for (const Event& event : events_of(stream)) is_kept = shadow.shadow(event.name, event.data);
        EXPECT_FALSE(is_kept) << stream;
    }
}

TEST(Stop, AStreamThatHasFinishedIsNotEndedAgain) {
    const auto chunk = [](const std::string& choice) {
        return Event{.name = "",
                     .data = R"({"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[)" +
                             choice + "]}"};
    };
    const auto finish = [&](int choice) {
        return chunk(R"({"index":)" + std::to_string(choice) + R"(,"delta":{},"finish_reason":"stop"})");
    };
    TranslateScratch scratch;
    BlockPool pool;
    Translation one(scratch, pool, shadow_terms(Protocol::openai_chat));
    EXPECT_TRUE(one.shadow("", chunk(R"({"index":0,"delta":{"content":"a"}})").data) && one.may_stop());
    EXPECT_TRUE(one.shadow("", chunk(R"({"index":1,"delta":{"content":"b"}})").data) && one.may_stop());
    EXPECT_TRUE(one.shadow("", finish(0).data) && one.may_stop()) << "the other goes on";
    EXPECT_TRUE(one.shadow("", finish(1).data));
    EXPECT_FALSE(one.may_stop());
}

TEST(Stop, TheModelsNameIsAsItsProviderSaysIt) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation one(scratch, pool, shadow_terms(Protocol::openai_chat));
    EXPECT_TRUE(
        one.shadow("", R"({"id":"c1","created":7,"model":"a\"b\\c","choices":[{"index":0,"delta":{"content":"a"}}]})"));
    ByteBuffer end(pool);
    one.stop(used, end);
    EXPECT_NE(end.view().find(R"("model":"a\"b\\c")"), std::string_view::npos) << end.view();
}

TEST(Stop, AStreamThatIsTranslatedEndsWhereNoCallIsHalf) {
    for (const Spoken& provider : all_spoken()) {
        const auto events = events_of(provider.stream);
        for (const Spoken& client : all_spoken()) {
            if (client.protocol == provider.protocol) continue;
            size_t ends = 0;
            for (size_t cut = 1; cut <= events.size(); ++cut) {
                SCOPED_TRACE(static_cast<int>(provider.protocol) * 10'000 + static_cast<int>(client.protocol) * 100 +
                             static_cast<int>(cut));
                TranslateScratch scratch;
                BlockPool pool;
                Translation translation(scratch, pool,
                                        {.client = client.protocol,
                                         .provider = provider.protocol,
                                         .client_model = "m",
                                         .fallback_id = "fallback",
                                         .stream = true,
                                         .include_usage = true});
                ByteBuffer out(pool);
                Usage usage;
                for (size_t i = 0; i < cut; ++i) (void)translation.event(events[i].name, events[i].data, out, usage);
                if (!translation.may_stop()) continue;
                ends += 1;
                translation.stop(used, out);
                const std::string stream(out.view());
                expect_whole(client.protocol, client.finish, stream);
                expect_balanced(client.protocol, stream);
                const bool has_call = stream.find("t0") != stream.npos;
                EXPECT_TRUE(!has_call || stream.find("1}") != stream.npos || stream.find(R"("a":1)") != stream.npos)
                    << "half a call: " << stream;
            }
            EXPECT_GE(ends, 3u);
        }
    }
}

TEST(Stop, EachChoiceHasItsFinish_AndOneThatHasOneKeepsIt) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation shadow(scratch, pool,
                       {.client = Protocol::openai_chat, .provider = Protocol::openai_chat, .stream = true});
    for (const char* const choice : {R"({"index":0,"delta":{"content":"a"},"finish_reason":"stop"})",
                                     R"({"index":2,"delta":{"content":"c"},"finish_reason":null})",
                                     R"({"index":1,"delta":{"content":"b"},"finish_reason":null})"})
        (void)shadow.shadow("", R"({"id":"c1","object":"chat.completion.chunk","created":7,"model":"m-1","choices":[)" +
                                    std::string(choice) + "]}");
    ByteBuffer end(pool);
    shadow.stop(used, end);
    const auto events = events_of(end.view());
    ASSERT_EQ(events.size(), 3u) << end.view();
    EXPECT_NE(events[0].data.find(R"("index":1)"), std::string::npos) << events[0].data;
    EXPECT_NE(events[0].data.find(R"("id":"c1")"), std::string::npos);
    EXPECT_NE(events[0].data.find(R"("model":"m-1")"), std::string::npos);
    EXPECT_NE(events[1].data.find(R"("index":2)"), std::string::npos);
    EXPECT_EQ(events[2].data, "[DONE]") << "and no usage, which the client did not ask for";
}

}  // namespace
}  // namespace loom::llm
