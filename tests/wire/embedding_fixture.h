// A Loom that has texts made into vectors by a scripted provider (semantic_cache.embedding.provider).
#pragma once

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <thread>

#include "cached_chat.h"
#include "fixture.h"

namespace loom::wire {

inline constexpr std::string_view asked = "How do I reset my password?";
inline constexpr std::string_view in_other_words =
    "how can I reset my password";  // as far as the comparison of words allows
inline constexpr std::string_view once_more = "how do i reset my password";
inline constexpr std::string_view model = "text-embedding-3-small";

/// What the embedder makes of a text: the direction of its matter, and of nothing else.
inline std::string numbers_of(std::string_view text, size_t dimensions = 16) {
    constexpr std::string_view matters[] = {"password", "mountain", "weather", "invoice"};
    size_t matter = std::size(matters);
    for (size_t i = 0; i < std::size(matters); ++i)
        if (contains(text, matters[i])) matter = i;
    std::string numbers = "[";
    for (size_t i = 0; i < dimensions; ++i)
        numbers += fmt::format("{}{}", i == 0 ? "" : ",", i == matter ? "0.5" : i + 1 == dimensions ? "0.01" : "0");
    return numbers + "]";
}

inline std::string vector_answer(std::string_view numbers,
                                 std::string_view usage = R"({"prompt_tokens":7,"total_tokens":7})") {
    return answer(fmt::format(
        R"({{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{}}}],"model":"m","usage":{}}})",
        numbers, usage));
}

inline std::string embed(const Message& request) { return vector_answer(numbers_of(request.body)); }

/// It takes everything and says nothing.
inline void never(UpstreamConnection& connection) {
    while (connection.read_request()) {
    }
}

class Embedding : public WireTest {
  protected:
    Embedding() : embedder_(std::make_unique<ScriptedUpstream>(answer_with(embed))) {
        conf.set("semantic_cache.enabled", "on").set("semantic_cache.similarity_threshold", "0.9");
        conf.set("semantic_cache.embedding.provider", "embed");
        conf.set("semantic_cache.embedding.model", std::string(model));
        conf.set("semantic_cache.embedding.timeout", "5s");
        conf.set("provider.embed.type", "openai").set("provider.embed.api_key", "sk-of-the-embedder");
        conf.set("provider.embed.base_url", embedder_->origin() + "/v1");
        conf.set("provider.embed.models", std::string(model)).set("provider.mock.models", "gpt-4o");
    }
    void begin() { start(answer_with(plain_answer)); }
    ScriptedUpstream& embedder() { return *embedder_; }
    void embed_with(ScriptedUpstream::Script script) {
        embedder_->set_script(std::move(script));
        embedder_->end_connections();
    }
    static std::string status_of(const Message& message) { return message.head.value("x-loom-cache"); }
    std::string status(std::string_view body, std::string_view headers = "") {
        const Message message = ask(chat_request(body, headers));
        EXPECT_EQ(message.status(), 200) << message.body;
        return status_of(message);
    }
    Message keep(std::string_view body, int entries = 1) {
        Message first = ask(chat_request(body));
        EXPECT_EQ(status_of(first), "miss");
        EXPECT_EQ(loom().eventually("loom_ai_cache_semantic_entries"), entries);
        return first;
    }
    Eventually count_of(std::string_view result) {
        return loom().eventually(fmt::format("loom_ai_cache_embeddings_total{{result=\"{}\"}}", result));
    }
    /// Chat answers wait for it.
    Gate hold_answers() {
        Gate gate;
        upstream().set_script([gate](UpstreamConnection& connection) {
            while (const auto request = connection.read_request()) {
                gate.wait();
                if (!connection.send(plain_answer(*request))) return;
            }
        });
        upstream().end_connections();
        return gate;
    }
    void reload() { loom().reload(conf.text()); }
    /// With another key: what is told of the provider is over, a rest, too.
    void begin_anew() {
        conf.set("provider.embed.api_key", fmt::format("sk-of-the-embedder-{}", ++keys_));
        reload();
    }
    /// Its vectors wait for it.
    static ScriptedUpstream::Script wait_for(const Gate& gate, std::string bytes) {
        return [gate, bytes = std::move(bytes)](UpstreamConnection& connection) {
            while (connection.read_request()) {
                gate.wait();
                if (!connection.send(bytes)) return;
            }
        };
    }
    /// It is asked again within the time of a test, and answers.
    void expect_awake() {
        embed_with(answer_with(embed));
        const Deadline deadline = Deadline::standard();
        for (int i = 0; loom().metric("loom_ai_cache_semantic_entries") == 0 && !deadline.passed(); ++i) {
            (void)status(body_of(asked, fmt::format(R"(,"seed":{})", i)));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the pace of it
        }
        EXPECT_EQ(status(body_of(in_other_words, R"(,"seed":1000)")), "miss");
        EXPECT_EQ(count_of("answered"), 2);
    }

  private:
    std::unique_ptr<ScriptedUpstream> embedder_;
    int keys_ = 0;
};

}  // namespace loom::wire
