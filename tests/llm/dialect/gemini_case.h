// What one call of the Gemini dialect needs, and what it leaves.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "gemini.h"

namespace loom::llm {

class GeminiCase {
  public:
    BlockPool pool;
    Arena arena{pool, 4096};
    Structure structure, nested;
    Losses losses{arena};
    Aliases aliases{arena};
    TranslateTerms terms{.client = Protocol::gemini, .provider = Protocol::gemini, .fallback_id = "abc123"};
    Context context{
        .arena = arena, .structure = structure, .nested = nested, .losses = losses, .aliases = aliases, .terms = terms};
    ChatRequest request;
    ChatAnswer answer;

    Result<void> read(std::string_view body) {
        request = {};
        return gemini_dialect().read_request(body, context, request);
    }
    Result<void> read_answer(std::string_view body) {
        answer = {};
        return gemini_dialect().read_answer(body, context, answer);
    }
    /// The request as Gemini's document; empty when it is refused.
    std::string write() { return write(request); }
    std::string write(const ChatRequest& given) {
        ByteBuffer out(pool);
        const auto step = gemini_dialect().write_request(given, context, out);
        EXPECT_TRUE(step.has_value()) << step.error().what;
        return std::string(out.view());
    }
    std::string write_answer(const ChatAnswer& given) {
        ByteBuffer out(pool);
        gemini_dialect().write_answer(given, context, out);
        return std::string(out.view());
    }
    /// Separated by blanks.
    std::string lost() const {
        std::string names;
        for (const std::string_view name : losses.names()) names.append(names.empty() ? "" : " ").append(name);
        return names;
    }
    Part& part(uint32_t message, uint32_t index) {
        auto at = request.messages.begin();
        while (message-- > 0) ++at;
        auto part = at->parts.begin();
        while (index-- > 0) ++part;
        return *part;
    }
    Message& message(uint32_t index) {
        auto at = request.messages.begin();
        while (index-- > 0) ++at;
        return *at;
    }
    Message& say(Role role, const Part& first) {
        Message& message = request.messages.add(arena, {.role = role});
        message.parts.add(arena, first);
        return message;
    }
    void add(Message& message, const Part& part) { message.parts.add(arena, part); }
};

/// The documents cut at every place, and with random bytes changed: read by `read`, which must only not crash.
template <class Read>
void hurt(std::string_view document, uint32_t seed, Read&& read) {
    for (size_t size = 0; size < document.size(); ++size) read(std::string(document.substr(0, size)), true);
    uint64_t state = seed;
    const auto random = [&state] { return (state = state * 6364136223846793005u + 1442695040888963407u) >> 33; };
    for (int round = 0; round < 2000; ++round) {
        std::string hurt(document);
        for (uint64_t flips = 1 + random() % 4; flips > 0; --flips)
            hurt[random() % hurt.size()] = "\"\\{}[]:,0a \x01\xff-e."[random() % 17];
        read(hurt, false);
    }
}

}  // namespace loom::llm
