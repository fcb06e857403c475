// One dialect, called as class Translation calls it, and what it read as it stands.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialect.h"

namespace loom::llm {

/// A context whose memory stays as long as the test.
struct OneCall {
    explicit OneCall(const TranslateTerms& given = {}) : terms(given) {}

    BlockPool pool;
    Arena arena{pool, 2048};
    Structure structure;
    Structure nested;
    Losses losses{arena};
    Aliases aliases{arena};
    TranslateTerms terms;
    Context context{
        .arena = arena, .structure = structure, .nested = nested, .losses = losses, .aliases = aliases, .terms = terms};

    /// "a, b": what was lost.
    [[nodiscard]] std::string lost() const {
        std::string names;
        for (const std::string_view name : losses.names()) names += (names.empty() ? "" : ", ") + std::string(name);
        return names;
    }
};

/// Deltas by what they say: "text(0): Hello".
class DeltaLines final : public DeltaSink {
  public:
    std::vector<std::string> lines;

    void on_delta(const Delta& delta) override { lines.push_back(line_of(delta)); }
    [[nodiscard]] std::string text() const {
        std::string all;
        for (const std::string& line : lines) all += line + "\n";
        return all;
    }

  private:
    static std::string line_of(const Delta& delta) {
        using Kind = Delta::Kind;
        const std::string at = "(" + std::to_string(delta.choice) + ")";
        const std::string call = "(" + std::to_string(delta.choice) + "," + std::to_string(delta.tool) + ")";
        const auto text = [](std::string_view view) { return std::string(view); };
        switch (delta.kind) {
            case Kind::start:
                return "start: " + text(delta.id) + " " + text(delta.model) + " " + std::to_string(delta.created);
            case Kind::text: return "text" + at + ": " + text(delta.text);
            case Kind::refusal: return "refusal" + at + ": " + text(delta.text);
            case Kind::thinking: return "thinking" + at + ": " + text(delta.text);
            case Kind::signature: return "signature" + at + ": " + text(delta.signature);
            case Kind::redacted_thinking: return "redacted" + at + ": " + text(delta.text);
            case Kind::tool_call:
                return "call" + call + ": " + text(delta.tool_id) + " " + text(delta.tool_name) +
                       (has(delta.signature) ? " signed " + text(delta.signature) : "");
            case Kind::arguments:
                return "arguments" + call + ": " + (has(delta.json) ? "json " + text(delta.json) : text(delta.text));
            case Kind::citation: return "citation" + at + ": " + text(delta.json);
            case Kind::logprobs: return "logprobs" + at + ": " + text(delta.json);
            case Kind::part_end: return "part_end" + at;
            case Kind::finish:
                return "finish" + at + ": " + std::to_string(static_cast<int>(delta.reason)) + " " +
                       text(delta.finish_text) +
                       (has(delta.stop_sequence) ? " at " + text(delta.stop_sequence) : std::string());
            case Kind::usage:
                return "usage: " + std::to_string(delta.usage->input) + "+" + std::to_string(delta.usage->output);
            case Kind::error: return "error: " + text(delta.error->message) + " " + text(delta.error->type);
            case Kind::ping: return "ping";
            case Kind::end: return "end";
        }
        return "?";
    }
};

}  // namespace loom::llm
