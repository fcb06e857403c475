// How many tokens a prompt is, and who says so.
#include <gtest/gtest.h>

#include "token_provenance.h"

namespace loom::proxy {
namespace {

using By = PromptTokens::By;

llm::Request request(uint64_t counted, uint64_t estimated, uint64_t bytes) {
    llm::Request made;
    made.prompt_tokens_counted = counted;
    made.prompt_tokens_estimated = estimated;
    made.prompt_bytes = bytes;
    return made;
}

}  // namespace

TEST(PromptTokens, NobodyHasReadIt) {
    PromptTokens prompt;
    EXPECT_EQ(prompt.by, By::nobody);
    EXPECT_FALSE(prompt.is_counted());
    llm::Request again = request(7, 8, 40);
    prompt.tell(again);
    EXPECT_EQ(again.prompt_tokens(), 8u) << "what was counted of another is not this one's";
}

TEST(PromptTokens, WhatNoTokenizerCountsIsAnEstimate) {
    for (const auto& [estimated, tokens] : {std::pair{uint64_t{8}, 8u}, std::pair{uint64_t{0}, 10u}}) {
        const PromptTokens prompt = PromptTokens::of(request(0, estimated, 40));
        EXPECT_EQ(prompt.by, By::estimate);
        EXPECT_EQ(prompt.tokens, tokens);
        EXPECT_FALSE(prompt.is_counted());
        llm::Request again = request(0, 9, 40);
        prompt.tell(again);
        EXPECT_EQ(again.prompt_tokens_counted, 0u) << "an estimate is no count";
    }
}

/// What a tokenizer has counted goes before an estimate, and holds for who reads the same again.
TEST(PromptTokens, ATokenizersCountIsOneWhereNothingIsGuessed) {
    const PromptTokens counted = PromptTokens::of(request(7, 8, 40));
    EXPECT_EQ(counted.tokens, 7u);
    EXPECT_TRUE(counted.is_counted());
    llm::Request parts[5];
    parts[0].has_images = parts[1].has_audio = parts[2].has_files = parts[3].uses_stored = true;
    parts[4].prompt_bytes = llm::RequestReader::counted_bytes_max + 1;
    for (llm::Request& one : parts) {
        one.prompt_tokens_counted = 7;
        const PromptTokens prompt = PromptTokens::of(one);
        EXPECT_EQ(prompt.by, By::part);
        EXPECT_FALSE(prompt.is_counted());
        for (const PromptTokens& told : {counted, prompt}) {
            llm::Request again;
            told.tell(again);
            EXPECT_EQ(again.prompt_tokens(), 7u);
        }
    }
}

}  // namespace loom::proxy
