// What a reader and a writer of a dialect work with, for tests.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dialect.h"

namespace loom::llm {

/// One exchange: its losses and aliases add up.
struct Desk {
    BlockPool pool;
    Arena arena{pool, 4096};
    Structure structure, nested;
    Losses losses{arena};
    Aliases aliases{arena};
    TranslateTerms terms{.model = "claude-sonnet-4-5", .fallback_id = "msg_loom", .max_tokens_default = 4096};
    Context context{
        .arena = arena, .structure = structure, .nested = nested, .losses = losses, .aliases = aliases, .terms = terms};

    std::string dropped() const {
        std::string names;
        for (const std::string_view name : losses.names()) names.append(names.empty() ? "" : " ").append(name);
        return names;
    }
    /// The request that `body` is; it must be a good one.
    ChatRequest request(std::string_view body) {
        ChatRequest request;
        const Result<void> read = anthropic_dialect().read_request(body, context, request);
        EXPECT_TRUE(read) << (read ? "" : read.error().what) << " at " << context.error_offset << " of " << body;
        return request;
    }
    std::string written(const ChatRequest& request) {
        ByteBuffer out(pool);
        const Result<void> written = anthropic_dialect().write_request(request, context, out);
        EXPECT_TRUE(written) << (written ? "" : written.error().what);
        return std::string(out.view());
    }
    ChatAnswer answer(std::string_view body) {
        ChatAnswer answer;
        const Result<void> read = anthropic_dialect().read_answer(body, context, answer);
        EXPECT_TRUE(read) << (read ? "" : read.error().what) << " at " << context.error_offset << " of " << body;
        return answer;
    }
    std::string written(const ChatAnswer& answer) {
        ByteBuffer out(pool);
        anthropic_dialect().write_answer(answer, context, out);
        return std::string(out.view());
    }
    Message& say(ChatRequest& request, Role role, std::string_view text = {}) {
        Message& message = request.messages.add(arena, {.role = role});
        if (has(text)) message.parts.add(arena, {.kind = Part::Kind::text, .text = text});
        return message;
    }
    Part& part(Message& message, Part part) { return message.parts.add(arena, part); }
};

/// The member `name` of a document that a writer of ours made: from its key to the end of its value.
inline std::string member(std::string_view document, std::string_view name) {
    const std::string key = "\"" + std::string(name) + "\":";
    const size_t begin = document.find(key);
    if (begin == document.npos) return "";
    size_t depth = 0, end = begin + key.size();
    for (bool in_string = false; end < document.size(); ++end) {
        const char c = document[end];
        if (in_string && c == '\\') {
            ++end;
        } else if (c == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            if (c == '{' || c == '[') ++depth;
            if (depth == 0 && (c == ',' || c == '}' || c == ']')) break;
            if (c == '}' || c == ']') --depth;
        }
    }
    return std::string(document.substr(begin + key.size(), end - begin - key.size()));
}

}  // namespace loom::llm
