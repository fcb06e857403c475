// Laws of every pair of protocols, on random conversations: what both know goes there and back.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "../dom.h"
#include "loom/llm/translate.h"
#include "one_dialect.h"

namespace loom::llm {
namespace {

std::vector<Protocol> protocols(bool clients) {
    std::vector<Protocol> all;
    for (uint32_t i = 0; i < protocol_count; ++i) {
        const auto protocol = static_cast<Protocol>(i);
        const Dialect& dialect = dialect_of(protocol);
        const bool is_provider = protocol != Protocol::openai_completions && dialect.decoder() != nullptr;
        const bool is_client =
            protocol != Protocol::bedrock && protocol != Protocol::cohere && dialect.encoder() != nullptr;
        if (is_provider && (is_client || !clients)) all.push_back(protocol);
    }
    return all;
}

/// A conversation that every protocol can hold, as OpenAI's chat tells it.
class RandomChat {
  public:
    explicit RandomChat(uint32_t seed) : random_(seed) {}

    std::string request() {
        std::string body = R"({"model":"m","max_completion_tokens":)" + std::to_string(100 + below(900));
        if (chance()) body += R"(,"temperature":0.)" + std::to_string(1 + below(9));
        if (chance()) body += R"(,"top_p":0.)" + std::to_string(1 + below(9));
        if (chance()) body += R"(,"tool_choice":")" + std::string(chance() ? "auto" : "required") + '"';
        body += R"(,"tools":[)" + tool("weather") + "," + tool("time") + R"(],"messages":[)";
        if (chance()) body += R"({"role":"system","content":)" + text() + "},";
        body += user();
        for (uint32_t turns = below(4); turns > 0; --turns) body += "," + turn() + "," + user();
        return body + "]}";
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }
    bool chance() { return below(2) == 0; }

    std::string text() {
        static constexpr const char* pieces[] = {"word ", "é",       "漢字", "\\n",          "\\\"",
                                                 "\\\\",  "\\u00e9", "😀",   "{\\\"a\\\":1}"};
        std::string out = "\"t";
        for (uint32_t count = below(6); count > 0; --count) out += pieces[below(std::size(pieces))];
        return out + '"';
    }
    std::string tool(std::string_view name) {
        return R"({"type":"function","function":{"name":")" + std::string(name) + R"(","description":)" + text() +
               R"(,"parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}}})";
    }
    std::string user() {
        if (chance()) return R"({"role":"user","content":)" + text() + "}";
        return R"({"role":"user","content":[{"type":"text","text":)" + text() +
               R"(},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]})";
    }
    std::string turn() {
        if (chance()) return R"({"role":"assistant","content":)" + text() + "}";
        std::string calls, results;
        for (uint32_t count = 1 + below(2); count > 0; --count) {
            const std::string id = "call_" + std::to_string(++calls_);
            const std::string name = chance() ? "weather" : "time";
            calls += (calls.empty() ? "" : ",") + std::string(R"({"id":")") + id +
                     R"(","type":"function","function":{"name":")" + name + R"(","arguments":"{\"city\":\"P)" +
                     std::to_string(below(100)) + R"(\"}"}})";
            results += R"(,{"role":"tool","tool_call_id":")" + id + R"(","content":)" + text() + "}";
        }
        return R"({"role":"assistant","content":)" + (chance() ? text() : std::string("null")) + R"(,"tool_calls":[)" +
               calls + "]}" + results;
    }

    std::mt19937 random_;
    uint32_t calls_ = 0;
};

std::string translated(Protocol client, Protocol provider, std::string_view body) {
    TranslateScratch scratch;
    BlockPool pool;
    Translation translation(
        scratch, pool, {.client = client, .provider = provider, .model = "m", .client_model = "m", .fallback_id = "x"});
    ByteBuffer out(pool);
    const auto step = translation.request(body, out);
    EXPECT_TRUE(step) << protocol_name(client) << " to " << protocol_name(provider) << ": " << step.error().what << "\n"
                      << body;
    return std::string(out.view());
}

/// What a request says, a line for each thing; how its parts are spread over messages is each protocol's own matter.
class Digest : public OneCall {
  public:
    Digest(Protocol protocol, std::string text) : body_(std::move(text)) {
        terms.client = terms.provider = protocol;
        const auto step = dialect_of(protocol).read_request(body_, context, request_);
        EXPECT_TRUE(step) << protocol_name(protocol) << ": " << step.error().what << "\n" << body_;
        lines_ = "max " + std::to_string(request_.max_tokens) + "\ntemperature " + std::string(request_.temperature) +
                 "\ntop_p " + std::string(request_.top_p) + "\nchoice " +
                 std::to_string(static_cast<int>(request_.tool_choice.kind)) + "\n";
        for (const Tool& tool : request_.tools)
            lines_ += "tool " + std::string(tool.name) + " " + decoded(tool.description) + "\n";
        for (const Message& message : request_.messages)
            for (const Part& part : message.parts) add(message, part);
    }
    const std::string& lines() const { return lines_; }

  private:
    std::string decoded(Text text) { return std::string(plain(text, arena)); }
    void add(const Message& message, const Part& part) {
        const bool is_system = message.role == Role::system || message.role == Role::developer;
        const std::string who = is_system ? "system " : message.role == Role::assistant ? "assistant " : "user ";
        switch (part.kind) {
            case Part::Kind::text: lines_ += who + decoded(part.text) + "\n"; break;
            case Part::Kind::image:
                lines_ +=
                    who + "image " + std::string(part.media.media_type) + " " + std::string(part.media.data) + "\n";
                break;
            case Part::Kind::tool_call:
                lines_ += "call " + std::string(part.tool_id) + " " + std::string(part.tool_name) + " " +
                          minified(arguments_object(part, context)) + "\n";
                break;
            case Part::Kind::tool_result:
                lines_ += "result " + std::string(part.tool_id) + " " + result(part) + "\n";
                break;
            default: lines_ += who + "something else\n";
        }
    }
    std::string result(const Part& part) {
        if (has(part.result_json)) return std::string(part.result_json);
        std::string all;
        for (const Part& piece : part.content) all += decoded(piece.text);
        return all;
    }

    std::string body_;
    ChatRequest request_;
    std::string lines_;
};

TEST(Matrix, RequestsGoThereAndBack) {
    for (const Protocol a : protocols(true)) {
        for (const Protocol b : protocols(true)) {
            if (a == b) continue;
            for (uint32_t seed = 0; seed < 40; ++seed) {
                const std::string chat = RandomChat(seed).request();
                const std::string there =
                    a == Protocol::openai_chat ? chat : translated(Protocol::openai_chat, a, chat);
                const std::string across = translated(a, b, there);
                ASSERT_TRUE(Dom(across).valid()) << across;
                const std::string back = translated(b, a, across);
                ASSERT_EQ(Digest(a, there).lines(), Digest(a, back).lines())
                    << "seed " << seed << ": " << protocol_name(a) << " to " << protocol_name(b) << "\n"
                    << there << "\n"
                    << across << "\n"
                    << back;
            }
        }
    }
}

// Byte-stable requests keep the provider's prompt cache (lesson 28): the next turn's document begins like this one's.
TEST(Matrix, TheSameRequestIsWrittenTheSame) {
    for (const Protocol a : protocols(true)) {
        for (const Protocol b : protocols(false)) {
            if (a == b) continue;
            const std::string chat = RandomChat(7).request();
            const std::string body = a == Protocol::openai_chat ? chat : translated(Protocol::openai_chat, a, chat);
            EXPECT_EQ(translated(a, b, body), translated(a, b, body));
        }
    }
}

}  // namespace
}  // namespace loom::llm
