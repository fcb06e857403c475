#include "loom/llm/stream_reader.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "random_json.h"

namespace loom::llm {
namespace {

std::string delta(std::string_view content_json, std::string_view id = "chatcmpl-1",
                  std::string_view created = "1700000000", std::string_view tail = "") {
    return R"({"id":")" + std::string(id) + R"(","object":"chat.completion.chunk","created":)" + std::string(created) +
           R"(,"model":"gpt-4o","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":)" +
           std::string(content_json) + R"(},"logprobs":null,"finish_reason":null}])" + std::string(tail) + "}";
}

struct Read {
    StreamReader reader;
    Usage usage;
    EventFacts operator()(std::string_view data) { return reader.read(data, usage); }
};

TEST(StreamReader, ReadsAWholeStream) {
    Read read;
    EventFacts facts = read(
        R"({"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null})");
    EXPECT_FALSE(facts.has_content);
    EXPECT_TRUE(facts.usage_null);
    EXPECT_FALSE(facts.usage_present);
    EXPECT_FALSE(facts.malformed);

    const std::string hello = delta(R"("Hel\"lo")");
    facts = read(hello);
    EXPECT_TRUE(facts.has_content);
    EXPECT_EQ(text_of(hello, facts.content), R"("Hel\"lo")");
    EXPECT_FALSE(facts.finished);

    facts = read(R"({"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null})");
    EXPECT_TRUE(facts.finished);
    EXPECT_FALSE(facts.has_content);

    facts = read(R"({"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}})");
    EXPECT_TRUE(facts.usage_present);
    EXPECT_TRUE(facts.usage_only);
    EXPECT_EQ(read.usage, (Usage{.input = 3, .output = 4, .total = 7, .provenance = Usage::Provenance::reported}));

    facts = read("[DONE]");
    EXPECT_TRUE(facts.done);
    EXPECT_FALSE(facts.malformed);
    EXPECT_TRUE(read.reader.texts().empty());
}

TEST(StreamReader, UsageMayComeWithContentOrWithoutChoices) {
    Read read;
    EventFacts facts = read(
        R"({"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}})");
    EXPECT_TRUE(facts.usage_present);
    EXPECT_FALSE(facts.usage_only);  // Mistral, Groq: stripping it would lose the text
    for (const std::string_view data :
         {R"({"choices":null,"usage":{"prompt_tokens":1}})", R"({"usage":{"prompt_tokens":1}})"}) {
        facts = read(data);
        EXPECT_TRUE(facts.usage_only) << data;
    }
    facts = read(R"({"choices":[],"usage":null})");
    EXPECT_FALSE(facts.usage_only);
}

TEST(StreamReader, UsageInTheTextIsText) {
    Read read;
    for (const std::string_view content :
         {R"("\"usage\":{\"prompt_tokens\":5}")", R"("[DONE]")", R"("\\")", R"("error")"}) {
        const EventFacts facts = read(delta(content));
        EXPECT_FALSE(facts.usage_present);
        EXPECT_FALSE(facts.done);
        EXPECT_FALSE(facts.is_error);
        EXPECT_TRUE(facts.has_content);
    }
    const EventFacts facts = read(R"({"choices":[{"delta":{"content":"a","x":{"usage":{"prompt_tokens":5}}}}]})");
    EXPECT_FALSE(facts.usage_present);
    EXPECT_EQ(read.usage, Usage{});
}

TEST(StreamReader, MalformedEventsHaveNoFactsAndHurtNobody) {
    Read read;
    EXPECT_TRUE(read(delta("\"before\"")).has_content);
    for (const std::string_view data :
         {"", " ", "hello", "[]", "\"x\"", "{\"choices\":[", "{\"choices\":[{\"delta\":{\"content\":\"x\"", "{}x",
          "[DONE] ", "{\"choices\":[}]"}) {
        const EventFacts facts = read(data);
        EXPECT_TRUE(facts.malformed) << data;
        EXPECT_FALSE(facts.has_content || facts.done || facts.usage_present || facts.finished) << data;
        EXPECT_TRUE(read.reader.texts().empty()) << data;
    }
    EXPECT_TRUE(read(delta("\"after\"")).has_content);
    EXPECT_FALSE(read(R"({"type":"ping"})").malformed);
    EXPECT_FALSE(read("{}").malformed);
}

TEST(StreamReader, SpokenAnswersAreContent) {
    StreamReader reader;
    Usage usage;
    EXPECT_TRUE(
        reader.read(R"({"choices":[{"index":0,"delta":{"audio":{"id":"a","data":"UklGRg=="}}}]})", usage).has_content);
    EXPECT_FALSE(
        reader.read(R"({"choices":[{"index":0,"delta":{"role":"assistant","audio":null}}]})", usage).has_content);
}

TEST(StreamReader, KnowsErrors) {
    Read read;
    EXPECT_TRUE(read(R"({"error":{"message":"overloaded"}})").is_error);
    EXPECT_TRUE(read(R"({"error":"overloaded"})").is_error);
    EXPECT_FALSE(read(R"({"error":null,"choices":[]})").is_error);
}

TEST(StreamReader, ListsEveryText) {
    using Kind = TextField::Kind;
    Read read;
    const std::string_view data =
        R"({"choices":[{"index":1,"delta":{"content":"c","refusal":"r","reasoning_content":"t","tool_calls":[{"index":2,"id":"i","function":{"name":"f","arguments":"{\"a"}},{"index":3,"function":{"arguments":""}}]}},{"delta":{"content":[{"type":"text","text":"p"}]},"index":4},{"text":"plain"}]})";
    const EventFacts facts = read(data);
    EXPECT_TRUE(facts.has_tool_call);
    EXPECT_EQ(text_of(data, facts.content), "\"c\"");
    struct Expected {
        Kind kind;
        uint32_t choice, tool;
        std::string_view raw;
    };
    const std::vector<Expected> expected{
        {Kind::content, 1, 0, "\"c\""},
        {Kind::refusal, 1, 0, "\"r\""},
        {Kind::reasoning, 1, 0, "\"t\""},
        {Kind::tool_name, 1, 2, "\"f\""},
        {Kind::tool_arguments, 1, 2, R"("{\"a")"},
        {Kind::tool_arguments, 1, 3, "\"\""},
        {Kind::content, 4, 0, "\"p\""},
        {Kind::text, 0, 0, "\"plain\""},
    };
    ASSERT_EQ(read.reader.texts().size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        const TextField& field = read.reader.texts()[i];
        EXPECT_EQ(field.kind, expected[i].kind) << i;
        EXPECT_EQ(field.choice, expected[i].choice) << i;
        EXPECT_EQ(field.tool, expected[i].tool) << i;
        EXPECT_EQ(text_of(data, field.range), expected[i].raw) << i;
    }
}

TEST(StreamReader, SaysWhenThereAreMoreTextsThanItLists) {
    Read read;
    std::string data = R"({"choices":[)";
    for (uint32_t i = 0; i <= StreamReader::texts_max; ++i) data += R"({"delta":{"content":"x"}},)";
    data.back() = ']';
    data += '}';
    EXPECT_TRUE(read(data).has_content);
    EXPECT_TRUE(read.reader.texts_overflowed());
    EXPECT_EQ(read.reader.texts().size(), StreamReader::texts_max);
    read(delta("\"x\""));
    EXPECT_FALSE(read.reader.texts_overflowed());
}

/// The reader that has just seen other events and a reader that never saw one must agree on every event: a form is a
/// short cut, never another answer.
void expect_same(StreamReader& warm, std::string_view data) {
    StreamReader cold;
    Usage warm_usage, cold_usage;
    const EventFacts a = warm.read(data, warm_usage), b = cold.read(data, cold_usage);
    EXPECT_EQ(a.done, b.done) << data;
    EXPECT_EQ(a.usage_present, b.usage_present) << data;
    EXPECT_EQ(a.usage_only, b.usage_only) << data;
    EXPECT_EQ(a.usage_null, b.usage_null) << data;
    EXPECT_EQ(a.has_content, b.has_content) << data;
    EXPECT_EQ(a.has_tool_call, b.has_tool_call) << data;
    EXPECT_EQ(a.is_error, b.is_error) << data;
    EXPECT_EQ(a.finished, b.finished) << data;
    EXPECT_EQ(a.malformed, b.malformed) << data;
    EXPECT_EQ(a.content, b.content) << data;
    EXPECT_EQ(warm_usage, cold_usage) << data;
    ASSERT_EQ(warm.texts().size(), cold.texts().size()) << data;
    for (size_t i = 0; i < cold.texts().size(); ++i) {
        EXPECT_EQ(warm.texts()[i].range, cold.texts()[i].range) << data;
        EXPECT_EQ(warm.texts()[i].kind, cold.texts()[i].kind) << data;
        EXPECT_EQ(warm.texts()[i].choice, cold.texts()[i].choice) << data;
    }
}

TEST(StreamReader, AFormNeverChangesAnAnswer) {
    StreamReader warm;
    RandomJson random(17);
    const std::string ids[] = {"chatcmpl-1", "chatcmpl-22", ""};
    const std::string created[] = {"1700000000", "1700000001", "0", "01", "1.5", "-1", "null"};
    const std::string tails[] = {"",
                                 R"(,"usage":null)",
                                 R"(,"obfuscation":"ab")",
                                 R"(,"obfuscation":"cdefgh")",
                                 R"(,"usage":{"prompt_tokens":5})",
                                 R"(,"error":"x")",
                                 R"(,"usage":null,"p":"x")"};
    for (int round = 0; round < 20000; ++round) {
        std::string content = random.string();
        if (random.chance(5)) content = random.value();
        std::string data =
            delta(content, ids[random.below(3)], created[random.chance(80) ? random.below(2) : random.below(7)],
                  tails[random.chance(70) ? random.below(4) : random.below(7)]);
        if (random.chance(20)) {
            const uint32_t at = random.below(static_cast<uint32_t>(data.size()));
            const char byte = "{}[]:,\"\\ 0u\n"[random.below(12)];
            random.chance(50)   ? void(data[at] = byte)
            : random.chance(50) ? void(data.erase(at, 1))
                                : void(data.insert(at, 1, byte));
        }
        expect_same(warm, data);
        if (HasFailure()) return;
    }
}

TEST(StreamReader, AFormHoldsForToolArgumentsAndCompletions) {
    StreamReader warm;
    for (const std::string_view text : {"{", "\\\"city\\\"", ": ", "", "漢", "}"}) {
        expect_same(warm,
                    R"({"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"function":{"arguments":")" +
                        std::string(text) + R"("}}]},"finish_reason":null}]})");
    }
    for (const std::string_view text : {"a", "", "\\n", "b"}) {
        expect_same(warm,
                    R"({"id":"c","choices":[{"text":")" + std::string(text) + R"(","index":2,"finish_reason":null}]})");
    }
}

}  // namespace
}  // namespace loom::llm
