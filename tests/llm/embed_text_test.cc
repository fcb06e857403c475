// One text in each provider's words, and its vector out of each one's answer.
#include "loom/llm/embed_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace loom::llm {
namespace {

using P = EmbedProtocol;

class EmbedTextCase : public testing::Test {
  protected:
    std::string written(P protocol, std::string_view text, uint64_t dimensions = 0, std::string_view model = "m") {
        ByteBuffer out(pool);
        EmbedText words(scratch, pool);
        EXPECT_TRUE(words.write({.protocol = protocol, .model = model, .dimensions = dimensions}, text, out));
        return std::string(out.view());
    }
    /// What is wrong with it; "": nothing.
    std::string read(P protocol, std::string_view body, size_t dimensions = 0) {
        EmbedText words(scratch, pool);
        usage = {};
        const auto step = words.read(protocol, body, dimensions, vector, usage);
        if (step) return "";
        EXPECT_EQ(step.error().side, Side::upstream);
        EXPECT_TRUE(vector.empty());
        return step.error().what;
    }
    TranslateScratch scratch;
    BlockPool pool;
    std::vector<float> vector;
    Usage usage;
};

TEST_F(EmbedTextCase, IsEscapedAndAsksForWhatTheConfSays) {
    EXPECT_EQ(written(P::openai, "say \"hi\"\n"), R"({"model":"m","input":["say \"hi\"\n"]})");
    EXPECT_EQ(written(P::openai, "hi", 256), R"({"model":"m","input":["hi"],"dimensions":256})");
    EXPECT_EQ(written(P::gemini_batch, "hi", 256),
              R"({"requests":[{"model":"models/m","content":{"parts":[{"text":"hi"}]},)"
              R"("taskType":"SEMANTIC_SIMILARITY","outputDimensionality":256}]})");
    EXPECT_EQ(written(P::bedrock_titan, "hi", 256), R"({"inputText":"hi","dimensions":256})");
    EXPECT_NE(written(P::cohere, "hi").find(R"("texts":["hi"])"), std::string::npos);
    EXPECT_NE(written(P::vertex, "hi").find(R"("content":"hi")"), std::string::npos);
}

TEST_F(EmbedTextCase, EveryProvidersVectorIsOfLengthOne) {
    const std::string numbers = "[3,0,0,0,0,0,0,4]";
    const std::pair<P, std::string> answers[] = {
        {P::openai, R"({"data":[{"index":0,"embedding":)" + numbers + R"(}],"usage":{"prompt_tokens":5}})"},
        {P::openai, R"({"data":[{"index":0,"embedding":"AABAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAgEA="}]})"},
        {P::gemini, R"({"embedding":{"values":)" + numbers + "}}"},
        {P::gemini_batch, R"({"embeddings":[{"values":)" + numbers + "}]}"},
        {P::cohere, R"({"embeddings":{"float":[)" + numbers + R"(]},"meta":{"billed_units":{"input_tokens":5}}})"},
        {P::bedrock_cohere, R"({"embeddings":{"float":[)" + numbers + "]}}"},
        {P::bedrock_titan, R"({"embedding":)" + numbers + R"(,"inputTextTokenCount":5})"},
        {P::vertex, R"({"predictions":[{"embeddings":{"values":)" + numbers + R"(,"statistics":{"token_count":5}}}]})"},
    };
    for (const auto& [protocol, body] : answers) {
        EXPECT_EQ(read(protocol, body), "") << body;
        ASSERT_EQ(vector.size(), 8u) << body;
        EXPECT_FLOAT_EQ(vector[0], 0.6f);
        EXPECT_FLOAT_EQ(vector[7], 0.8f);
        if (usage.provenance != Usage::Provenance::none) EXPECT_EQ(usage.input, 5u) << body;
    }
}

TEST_F(EmbedTextCase, EveryBeginningOfAnAnswerIsNone) {
    const std::string body =
        R"({"data":[{"index":0,"embedding":[0.5,-1e-3,0,0,0,0,0,4]}],"usage":{"prompt_tokens":5,"total_tokens":5}})";
    ASSERT_EQ(read(P::openai, body), "");
    for (size_t size = 0; size < body.size(); ++size)
        EXPECT_NE(read(P::openai, std::string(body.substr(0, size))), "") << size;
}

TEST_F(EmbedTextCase, WhatIsNoVectorIsRefusedAndPaidFor) {
    const auto with = [](std::string_view numbers) {
        return R"({"data":[{"index":0,"embedding":)" + std::string(numbers) + R"(}],"usage":{"prompt_tokens":5}})";
    };
    std::string many = "[1";
    for (size_t i = 1; i <= vector_dimensions_max; ++i) many += ",1";
    for (const std::string& numbers :
         {std::string("[0,0,0,0,0,0,0,0]"), std::string("[1,1,1,1,1,1,1]"), std::string("[1,1,1,1,1,1,1,1e39]"),
          std::string("[1,1,1,1,1,1,1,\"1\"]"), std::string("[]"), std::string("\"AAAA\""), std::string("null"),
          std::string("[1e-20,0,0,0,0,0,0,0]"), many + "]"}) {
        EXPECT_NE(read(P::openai, with(numbers)), "") << numbers.substr(0, 40);
        EXPECT_EQ(usage.input, 5u) << "its tokens were told";
    }
    EXPECT_NE(read(P::openai, with("[1,1,1,1,1,1,1,1]"), 9), "") << "another length than is wanted";
    EXPECT_EQ(read(P::openai, with("[1,1,1,1,1,1,1,1]"), 8), "");
    EXPECT_NE(read(P::openai, R"({"data":[]})"), "");
}

/// A vector has no output: whatever is counted is of the text, and none is no count.
TEST_F(EmbedTextCase, WhateverIsCountedIsInput) {
    const auto with = [](std::string_view usage) {
        return R"({"data":[{"index":0,"embedding":[1,1,1,1,1,1,1,1]}],"usage":)" + std::string(usage) + "}";
    };
    EXPECT_EQ(read(P::openai, with(R"({"total_tokens":9})")), "");
    EXPECT_EQ(usage, (Usage{.input = 9, .total = 9, .provenance = Usage::Provenance::reported}));
    EXPECT_EQ(read(P::openai, with(R"({"prompt_tokens":5,"completion_tokens":3,"total_tokens":8})")), "");
    EXPECT_EQ(usage, (Usage{.input = 5, .total = 5, .provenance = Usage::Provenance::reported}));
    for (const char* const none : {R"({"prompt_tokens":0,"total_tokens":0})", R"({"total_tokens":0})", "{}", "null"}) {
        EXPECT_EQ(read(P::openai, with(none)), "");
        EXPECT_EQ(usage, Usage{}) << none;
    }
}

TEST_F(EmbedTextCase, GreatNumbersHaveADirectionToo) {
    EXPECT_EQ(read(P::openai, R"({"data":[{"embedding":[3e38,3e38,3e38,3e38,3e38,3e38,3e38,3e38]}]})"), "");
    EXPECT_NEAR(vector[0], 1 / std::sqrt(8.0), 1e-6);
}

}  // namespace
}  // namespace loom::llm
