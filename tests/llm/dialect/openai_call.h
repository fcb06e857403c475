// One exchange as a dialect of OpenAI's meets it: a context with all it points to, and what was written.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "../dom.h"
#include "dialect.h"

namespace loom::llm {

struct OpenaiCall {
    explicit OpenaiCall(Protocol client, Protocol provider) {
        terms.client = client;
        terms.provider = provider;
        terms.model = "provider-model";
        terms.client_model = "client-model";
        terms.fallback_id = "fallback";
        terms.created = 1700000000;
    }
    std::string dropped() const {
        std::string names;
        for (const std::string_view name : losses.names())
            names += std::string(names.empty() ? "" : ",") + std::string(name);
        return names;
    }
    /// What was written since the last call.
    std::string taken() {
        std::string text(out.view());
        out.clear();
        return text;
    }

    BlockPool pool;
    Arena kept{pool, 512};
    Arena call{pool, 2048};
    Structure structure;
    Structure nested;
    Losses losses{kept};
    Aliases aliases{kept};
    Memo memo{kept};
    TranslateTerms terms;
    ByteBuffer out{pool};
    Context context{.arena = call,
                    .structure = structure,
                    .nested = nested,
                    .losses = losses,
                    .aliases = aliases,
                    .terms = terms,
                    .memo = &memo};
};

/// Every cut of a valid document, and many with a byte or two changed, given to `read`.
template <class Read>
void torment(const std::string& document, Read&& read) {
    for (size_t bytes = 0; bytes < document.size(); ++bytes) read(document.substr(0, bytes), true);
    constexpr uint32_t seed = 20261121;
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int i = 0; i < 3000; ++i) {
        std::string broken = document;
        for (uint32_t flips = 1 + random() % 3; flips > 0; --flips)
            broken[random() % broken.size()] =
                random() % 4 == 0 ? static_cast<char>(random()) : "{}[]\",:0n"[random() % 9];
        read(broken, false);
    }
}

struct SseEvent {
    std::string name;
    std::string data;
};
/// Fails the test for anything that is no whole event.
inline std::vector<SseEvent> events_of(std::string_view text) {
    std::vector<SseEvent> events;
    while (!text.empty()) {
        const size_t end = text.find("\n\n");
        EXPECT_NE(end, text.npos) << text;
        if (end == text.npos) break;
        std::string_view event = text.substr(0, end);
        text.remove_prefix(end + 2);
        SseEvent& one = events.emplace_back();
        if (event.starts_with("event: ")) {
            const size_t line = event.find('\n');
            one.name = event.substr(7, line - 7);
            event.remove_prefix(line + 1);
        }
        EXPECT_TRUE(event.starts_with("data: ")) << event;
        one.data = event.substr(6);
        EXPECT_EQ(one.data.find('\n'), one.data.npos);
    }
    return events;
}

}  // namespace loom::llm
