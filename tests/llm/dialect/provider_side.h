// A dialect's provider side at work: requests written from chat.h, answers and streams told as text.
#pragma once

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "../dom.h"
#include "dialect.h"

namespace loom::llm {

/// What a decoder told, a line for each delta.
class Told final : public DeltaSink {
  public:
    void on_delta(const Delta& delta) override { lines.push_back(line(delta)); }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const std::string& line : lines) all += line + '\n';
        return all;
    }
    std::vector<std::string> lines;

  private:
    static std::string usage_text(const Usage& u) {
        return "in " + std::to_string(u.input) + " cached " + std::to_string(u.cached_input) + " written " +
               std::to_string(u.cache_write) + " out " + std::to_string(u.output) + " reasoning " +
               std::to_string(u.reasoning) + " total " + std::to_string(u.total);
    }
    static std::string line(const Delta& d) {
        using Kind = Delta::Kind;
        const auto text = [](std::string_view view) { return std::string(view); };
        const std::string tool = std::to_string(d.tool);
        switch (d.kind) {
            case Kind::start: return "start " + text(d.id);
            case Kind::text: return "text " + text(d.text);
            case Kind::refusal: return "refusal " + text(d.text);
            case Kind::thinking: return "thinking " + text(d.text);
            case Kind::signature: return "signature " + text(d.signature);
            case Kind::redacted_thinking: return "redacted " + text(d.text);
            case Kind::tool_call: return "call " + tool + ' ' + text(d.tool_id) + ' ' + text(d.tool_name);
            case Kind::arguments: return "arguments " + tool + ' ' + text(d.text) + text(d.json);
            case Kind::citation: return "citation " + text(d.json);
            case Kind::logprobs: return "logprobs " + text(d.json);
            case Kind::part_end: return "part_end";
            case Kind::finish:
                return "finish " + std::to_string(static_cast<int>(d.reason)) + ' ' + text(d.finish_text) + ' ' +
                       text(d.stop_sequence);
            case Kind::usage: return "usage " + usage_text(*d.usage);
            case Kind::error:
                return "error " + std::to_string(d.error->status) + ' ' + text(d.error->type) + ' ' +
                       text(d.error->message);
            case Kind::ping: return "ping";
            case Kind::end: return "end";
        }
        return "?";
    }
};

struct StreamEvent {
    std::string_view name;
    std::string_view data;
};

class ProviderSide {
  public:
    ProviderSide(const Dialect& dialect, std::string_view model) : dialect_(dialect) { terms.model = model; }

    Context context() {
        return {.arena = arena,
                .structure = structure_,
                .nested = nested_,
                .losses = losses_,
                .aliases = aliases,
                .terms = terms};
    }
    /// The document, or what refused it.
    std::string write(const ChatRequest& request) {
        Context at = context();
        ByteBuffer out(pool_);
        const Result<void> step = dialect_.write_request(request, at, out);
        if (!step) return std::string(errc_name(step.error().code)) + ' ' + at.error_param + ": " + step.error().what;
        const std::string document(out.view());
        EXPECT_TRUE(Dom(document).valid()) << document;
        return document;
    }
    bool read(std::string_view body, ChatAnswer& answer) {
        Context at = context();
        return dialect_.read_answer(body, at, answer).has_value();
    }
    ErrorAnswer read_error(std::string_view body) {
        Context at = context();
        ErrorAnswer error;
        dialect_.read_error(body, at, error);
        return error;
    }
    /// Every event in turn, then the end; "malformed" for an event that was refused.
    std::string stream(std::initializer_list<StreamEvent> events) {
        const auto decoder = dialect_.decoder();
        Told told;
        for (const StreamEvent& event : events) {
            Context at = context();
            const std::string copy(event.data);  // of its own, so that a reader beyond it is caught
            if (!decoder->read(event.name, copy, at, told)) told.lines.emplace_back("malformed");
        }
        Context at = context();
        told.lines.emplace_back(decoder->read_end(at, told) ? "whole" : "cut off");
        return told.text();
    }
    std::string losses() const {
        std::string all;
        for (const std::string_view name : losses_.names()) all += (all.empty() ? "" : " ") + std::string(name);
        return all;
    }

    // A conversation in a few words.
    Message& say(ChatRequest& request, Role role, Text text) {
        Message& message = request.messages.add(arena, {.role = role});
        if (has(text)) message.parts.add(arena, {.kind = Part::Kind::text, .text = text});
        return message;
    }
    Part& add(Message& message, const Part& part) { return message.parts.add(arena, part); }

  private:
    BlockPool pool_;

  public:
    Arena arena{pool_, 1024};
    TranslateTerms terms;

  private:
    const Dialect& dialect_;
    Structure structure_;
    Structure nested_;
    Losses losses_{arena};

  public:
    Aliases aliases{arena};
};

}  // namespace loom::llm
