#include "loom/llm/usage.h"

#include <gtest/gtest.h>

#include <string>

#include "random_json.h"

namespace loom::llm {
namespace {

constexpr auto reported = Usage::Provenance::reported;

struct Case {
    std::string_view answer;
    Usage expected;
};

TEST(UsageReader, KnowsTheProtocols) {
    UsageReader reader;
    for (
        const Case& c : {
            // chat, with details
            Case{
                R"({"id":"c","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":5,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":3}},"service_tier":"default"})",
                {.input = 19, .output = 10, .cached_input = 5, .reasoning = 3, .total = 29, .provenance = reported}},
            // completions, spaces
            Case{"{\"choices\" : [ ] , \"usage\" : { \"prompt_tokens\" : 1 , \"completion_tokens\" : 2 } }\n",
                 {.input = 1, .output = 2, .total = 3, .provenance = reported}},
            // embeddings
            Case{
                R"({"object":"list","data":[{"embedding":[0.1,0.2]}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}})",
                {.input = 8, .output = 0, .total = 8, .provenance = reported}},
            // usage first
            Case{R"({"usage":{"prompt_tokens":8,"total_tokens":8},"data":[{"a":{"b":[{}]}}]})",
                 {.input = 8, .output = 0, .total = 8, .provenance = reported}},
            // responses
            Case{
                R"({"output":[],"usage":{"input_tokens":36,"input_tokens_details":{"cached_tokens":2},"output_tokens":87,"output_tokens_details":{"reasoning_tokens":1},"total_tokens":123}})",
                {.input = 36, .output = 87, .cached_input = 2, .reasoning = 1, .total = 123, .provenance = reported}},
            // messages: cached ones are told apart
            Case{
                R"({"content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":20,"output_tokens":7}})",
                {.input = 35, .output = 7, .cached_input = 20, .cache_write = 5, .total = 42, .provenance = reported}},
            // and those written to the cache, by how long they stay; audio on each side
            Case{
                R"({"content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":7}})",
                {.input = 35,
                 .output = 7,
                 .cached_input = 20,
                 .cache_write = 5,
                 .cache_write_1h = 3,
                 .total = 42,
                 .provenance = reported}},
            Case{
                R"({"usage":{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,"prompt_tokens_details":{"audio_tokens":4},"completion_tokens_details":{"audio_tokens":6}}})",
                {.input = 9, .output = 8, .audio_input = 4, .audio_output = 6, .total = 17, .provenance = reported}},
            // null details
            Case{
                R"({"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null}})",
                {.input = 1, .output = 1, .total = 2, .provenance = reported}},
        }) {
        Usage usage;
        const auto found = reader.read(c.answer, usage);
        ASSERT_TRUE(found) << c.answer;
        EXPECT_TRUE(*found) << c.answer;
        EXPECT_EQ(usage, c.expected) << c.answer;
    }
}

TEST(UsageReader, LeavesUsageAloneWhereNoneIsReported) {
    UsageReader reader;
    for (const std::string_view answer : {
             R"({"id":"c","choices":[]})",
             R"({"id":"c","usage":null})",
             R"({"id":"c","usage":null,"choices":[{"a":1}]})",
             R"({"id":"c","usage":{}})",
             R"({"id":"c","usage":[1]})",
             R"({"choices":[{"message":{"content":"the \"usage\": {\"prompt_tokens\":9}"}}]})",
             R"({"choices":[{"usage":{"prompt_tokens":9}}]})",
             R"({"a":{"usage":{"prompt_tokens":9}}})",
             R"({"a":"usage","b":["usage"]})",
             R"({"a\"usage":{"prompt_tokens":9}})",
             "",
         }) {
        Usage usage{.input = 1,
                    .output = 2,
                    .cached_input = 3,
                    .reasoning = 4,
                    .total = 5,
                    .provenance = Usage::Provenance::estimated};
        const Usage before = usage;
        const auto found = reader.read(answer, usage);
        ASSERT_TRUE(found) << answer;
        EXPECT_FALSE(*found) << answer;
        EXPECT_EQ(usage, before) << answer;
    }
}

TEST(UsageReader, IsNotFooledByWhatStandsBehind) {
    UsageReader reader;
    for (const std::string_view answer : {
             R"({"usage":{"prompt_tokens":7},"choices":[{"message":{"content":"\"usage\":{\"prompt_tokens\":9}"}}]})",
             R"({"usage":{"prompt_tokens":7},"x":{"usage":{"prompt_tokens":9}}})",
             R"({"usage":{"prompt_tokens":7},"x":[{"usage":{"prompt_tokens":9}}]})",
             R"({"usage":{"prompt_tokens":7},"x":"usage"})",
             R"({"usage":{"prompt_tokens":7,"usage":{"prompt_tokens":9}}})",
             R"({"usage":{"prompt_tokens":7},"a\"usage":{"prompt_tokens":9}})",
             R"({"usage":{"prompt_tokens":9},"usage":{"prompt_tokens":7}})",
         }) {
        Usage usage;
        const auto found = reader.read(answer, usage);
        ASSERT_TRUE(found) << answer;
        EXPECT_TRUE(*found) << answer;
        EXPECT_EQ(usage.input, 7u) << answer;
    }
}

TEST(UsageReader, RefusesWhatIsNoJson) {
    UsageReader reader;
    Usage usage;
    EXPECT_FALSE(reader.read(R"({"usage":{"prompt_tokens":7})", usage));
    EXPECT_FALSE(reader.read(R"(<html>"usage":{</html>)", usage));
    EXPECT_EQ(usage, Usage{});
}

/// Members around it, at random: the tail finds what stands at the top and nothing else.
TEST(UsageReader, FindsTheTopLevelAmongRandomMembers) {
    UsageReader reader;
    RandomJson random(13);
    for (int round = 0; round < 5000; ++round) {
        const std::string nested = R"({"usage":{"prompt_tokens":99}})";
        const auto filler = [&](const char* key) {
            const bool decoy = random.chance(30);
            return "\"" + std::string(key) + "\":" + (decoy ? "[" + nested + "]" : random.value()) + random.space();
        };
        const std::string usage_member =
            R"("usage":)" + random.space() + R"({"prompt_tokens":5,"x":)" + random.value() + R"(,"total_tokens":6})";
        const std::string answer = "{" + filler("a") + "," + usage_member + "," + filler("b") + "}" + random.space();
        Usage usage;
        const auto found = reader.read(answer, usage);
        ASSERT_TRUE(found && *found) << answer;
        EXPECT_EQ(usage.input, 5u) << answer;
        EXPECT_EQ(usage.total, 6u) << answer;
    }
}

TEST(UsageReader, FindsItAtEveryDistanceFromTheEnd) {
    UsageReader reader;
    for (size_t size = 0; size < 100; ++size) {
        const std::string answer = R"({"a":1,"usage":{"prompt_tokens":5},"b":")" + std::string(size, 'x') +
                                   R"(","c":")" + std::string(size, 'y') + "\"}";
        Usage usage;
        const auto found = reader.read(answer, usage);
        ASSERT_TRUE(found && *found);
        EXPECT_EQ(usage.input, 5u);
    }
}

}  // namespace
}  // namespace loom::llm
