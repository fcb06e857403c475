// Streams of all protocols through their guard, and the same texts as whole answers.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "answer_stream.h"
#include "html_text.h"
#include "loom/http/sse.h"
#include "request_guard.h"

namespace loom::proxy::test {

inline GuardPlan plan_of(GuardAction action, bool reversible = false) {
    GuardPlan plan;
    PiiPlan& pii = plan.pii.emplace();
    pii.actions.fill(action);
    pii.scanner = guard::PiiScanner(guard::PiiTypes::all());
    pii.answers = true;
    if (reversible) pii.style = guard::MaskStyle::reversible;
    return plan;
}

/// A protocol's events for the pieces of one text.
struct Form {
    const char* name;
    llm::Protocol protocol;
    std::string begin;
    std::function<std::string(std::string_view piece)> piece;
    std::string end;     // of the text, and of the stream
    const char* before;  // what stands before a piece in an event

    [[nodiscard]] bool holds_json() const { return std::string_view(name).ends_with("tool"); }
};

inline std::string chat_event(std::string_view delta, std::string_view finish = "null") {
    return fmt::format(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"m\","
        "\"choices\":[{{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":{}}}]}}\n\n",
        delta, finish);
}
inline std::string named_event(std::string_view type, std::string_view rest) {
    return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}
inline std::string anthropic_piece(std::string_view type, std::string_view member, std::string_view piece) {
    return named_event("content_block_delta",
                       fmt::format(R"(,"index":0,"delta":{{"type":"{}","{}":"{}"}})", type, member, piece));
}

inline const std::vector<Form>& forms() {
    static const std::string chat_end = chat_event("{}", "\"stop\"") + "data: [DONE]\n\n";
    static const std::string anthropic_end =
        named_event("content_block_stop", ",\"index\":0") +
        named_event("message_delta", R"(,"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3})") +
        named_event("message_stop", "");
    static const std::string place = R"(,"item_id":"i","output_index":0,"content_index":0,"sequence_number":)";
    static const std::vector<Form> all = {
        {"chat", llm::Protocol::openai_chat, chat_event(R"({"role":"assistant","content":""})"),
         [](std::string_view piece) { return chat_event(fmt::format(R"({{"content":"{}"}})", piece)); }, chat_end,
         "\"content\":\""},
        {"reasoning", llm::Protocol::openai_chat, "",
         [](std::string_view piece) { return chat_event(fmt::format(R"({{"reasoning_content":"{}"}})", piece)); },
         chat_end, "\"reasoning_content\":\""},
        {"tool", llm::Protocol::openai_chat,
         chat_event(
             R"({"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]})"),
         [](std::string_view piece) {
             return chat_event(
                 fmt::format(R"({{"tool_calls":[{{"index":0,"function":{{"arguments":"{}"}}}}]}})", piece));
         },
         chat_end, "\"arguments\":\""},
        {"completions", llm::Protocol::openai_completions, "",
         [](std::string_view piece) {
             return fmt::format(
                 "data: {{\"id\":\"c1\",\"choices\":[{{\"index\":0,\"text\":\"{}\",\"finish_reason\":null}}]}}\n\n",
                 piece);
         },
         "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: "
         "[DONE]\n\n",
         "\"text\":\""},
        {"anthropic", llm::Protocol::anthropic,
         named_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})"),
         [](std::string_view piece) { return anthropic_piece("text_delta", "text", piece); }, anthropic_end,
         "\"text\":\""},
        {"anthropic_tool", llm::Protocol::anthropic,
         named_event("content_block_start",
                     R"(,"index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}})"),
         [](std::string_view piece) { return anthropic_piece("input_json_delta", "partial_json", piece); },
         anthropic_end, "\"partial_json\":\""},
        {"gemini", llm::Protocol::gemini, "",
         [](std::string_view piece) {
             return fmt::format(
                 "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{}\"}}],\"role\":"
                 "\"model\"}},\"index\":0}}]}}\n\n",
                 piece);
         },
         "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}],\"role\":\"model\"},\"finishReason\":"
         "\"STOP\",\"index\":0}]}\n\n",
         "\"text\":\""},
        {"responses", llm::Protocol::openai_responses, "",
         [](std::string_view piece) {
             return named_event("response.output_text.delta", fmt::format("{}1,\"delta\":\"{}\"", place, piece));
         },
         named_event("response.output_text.done", place + "9,\"logprobs\":[]"), "\"delta\":\""},
        {"responses_tool", llm::Protocol::openai_responses, "",
         [](std::string_view piece) {
             return named_event("response.function_call_arguments.delta",
                                fmt::format("{}1,\"delta\":\"{}\"", place, piece));
         },
         named_event("response.function_call_arguments.done", place + "9"), "\"delta\":\""},
        {"responses_custom_tool", llm::Protocol::openai_responses, "",
         [](std::string_view piece) {
             return named_event("response.custom_tool_call_input.delta",
                                fmt::format("{}1,\"delta\":\"{}\"", place, piece));
         },
         named_event("response.custom_tool_call_input.done", place + "9"), "\"delta\":\""},
    };
    return all;
}

/// Of whole events; the text that a client puts together of them.
inline std::string joined(std::string_view events, std::string_view before) {
    std::string text;
    for (size_t at = events.find(before); at != events.npos; at = events.find(before, at)) {
        at += before.size();
        for (bool slash = false; slash || events[at] != '"'; ++at) {
            slash = !slash && events[at] == '\\';
            text += events[at];
        }
    }
    return text;
}

struct Told {
    std::string events;
    bool refused = false;
    bool blocked = false;
    AnswerFinds const* finds = nullptr;
    uint32_t found = 0;
    uint32_t html = 0;
};

class Guarded {
  public:
    /// value  one more that is put back, where any is: [SECRET_2].
    explicit Guarded(GuardPlan plan, std::string_view value = {})
        : plan_(std::move(plan)), arena_(pool_, 1024), values_(arena_, plan_.restores()) {
        if (!plan_.restores()) return;
        (void)values_.placeholder(PiiType::email, "own@client.example");
        (void)values_.placeholder(PiiType::secret, "a \"quoted\"\nsecret\\");
        if (!value.empty()) (void)values_.placeholder(PiiType::secret, value);
        values_.keep_no_more();
    }
    Told stream(llm::Protocol protocol, std::string_view events) {
        AnswerStream guard(plan_, pool_, scratch_, protocol, values_, expects_json, system, html);
        Told told;
        http::SseSplitter splitter;
        ByteBuffer out(pool_);
        while (const size_t end = splitter.next_event_end(events)) {
            const std::string_view event = events.substr(0, end);
            events.remove_prefix(end);
            const auto step = guard.on_event(event, out);
            if (step == EventGuard::Step::refused) told.refused = true;
            if (told.refused) break;
            if (step == EventGuard::Step::as_it_came) out.append(event);
        }
        guard.on_end(out);
        told.events = out.view();
        told.blocked = guard.blocks_answer();
        told.html = guard.finds().html_count;
        for (const uint32_t count : guard.finds().counts) told.found += count;
        return told;
    }
    bool expects_json = false;
    const guard::SystemText* system = nullptr;
    guard::HtmlMode html = guard::HtmlMode::off;
    bool blocked = false;  // the document
    uint32_t html_count = 0;
    std::string document(std::string_view document) {
        HtmlDocument strip({.mode = html, .expects_json = expects_json, .restores = values_.keeps_any()}, pool_,
                           document);
        strip.leave_out(repeats_of(document));
        while (html != guard::HtmlMode::off && strip.turn()) {
        }
        html_count = strip.count();
        const bool strips = !plan_.dry_run && !strip.changed().empty();
        return look_through(strips ? strip.changed().view() : document);
    }

  private:
    /// Any chat protocol's are the same.
    std::vector<llm::Range> repeats_of(std::string_view document) {
        llm::EventTexts texts(scratch_, llm::Protocol::openai_chat);
        EXPECT_TRUE(texts.read_document(document)) << document;
        std::vector<llm::Range> repeats;
        for (const llm::EventTexts::Change& change : texts.repeats()) repeats.push_back(change.range);
        return repeats;
    }
    std::string look_through(std::string_view document) {
        RequestGuard guard(plan_, pool_, document, &values_, GuardSide::answer);
        if (expects_json) guard.expect_json();
        if (html != guard::HtmlMode::off) guard.keep_html_out();
        if (system != nullptr) guard.compare_with(*system);
        for (const llm::Range range : repeats_of(document)) guard.put_in(range, "null");
        for (bool more = true; more;) {
            const auto step = guard.turn();
            EXPECT_TRUE(step.has_value());
            more = step && *step;
        }
        blocked = guard.blocked().has_value();
        return guard.changed().empty() ? std::string(document) : std::string(guard.changed().view());
    }

    GuardPlan plan_;
    BlockPool pool_;
    Arena arena_;
    guard::MaskTable values_;
    llm::EventScratch scratch_;
};

/// Where the inside of a JSON string may be cut: never in an escape or a character.
inline std::vector<size_t> borders_of(std::string_view raw) {
    std::vector<size_t> borders;
    for (size_t at = 0; at < raw.size();) {
        borders.push_back(at);
        const auto c = static_cast<unsigned char>(raw[at]);
        at += c == '\\' ? (raw[at + 1] == 'u' ? 6 : 2) : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    }
    borders.push_back(raw.size());
    return borders;
}

inline std::string streamed(const Form& form, std::string_view raw, const std::vector<size_t>& cuts) {
    std::string events = form.begin;
    size_t at = 0;
    for (const size_t cut : cuts) {
        events += form.piece(raw.substr(at, cut - at));
        at = cut;
    }
    return events + form.piece(raw.substr(at)) + form.end;
}

inline void expect_law(GuardPlan plan, std::string_view raw, size_t two_max,
                       guard::HtmlMode html = guard::HtmlMode::off) {
    Guarded guarded(std::move(plan));
    guarded.html = html;
    for (const Form& form : forms()) {
        SCOPED_TRACE(form.name);
        const std::string_view member = form.holds_json() ? "arguments" : "content";
        const std::string document =
            guarded.document(fmt::format(R"({{"choices":[{{"message":{{"{}":"{}"}}}}]}})", member, raw));
        const std::string whole = joined(document, fmt::format("\"{}\":\"", member));
        const auto expect = [&](const std::vector<size_t>& cuts) {
            const Told told = guarded.stream(form.protocol, streamed(form, raw, cuts));
            ASSERT_FALSE(told.refused);
            ASSERT_EQ(joined(told.events, form.before), whole) << told.events;
        };
        const std::vector<size_t> borders = borders_of(raw);
        for (const size_t first : borders) {
            expect({first});
            if (testing::Test::HasFatalFailure()) return;
            if (borders.size() > two_max) continue;
            for (const size_t second : borders)
                if (second > first) expect({first, second});
            if (testing::Test::HasFatalFailure()) return;
        }
        expect(borders);
        if (testing::Test::HasFatalFailure()) return;
    }
}

inline void expect_law(bool reversible, std::string_view raw, size_t two_max) {
    expect_law(plan_of(GuardAction::mask, reversible), raw, two_max);
}

}  // namespace loom::proxy::test
