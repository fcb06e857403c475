#include "loom/llm/endpoint.h"

#include <gtest/gtest.h>

namespace loom::llm {
namespace {

TEST(Classify, KnowsTheCreateCalls) {
    EXPECT_EQ(classify(false, "/v1/chat/completions"), Endpoint::chat_completions);
    EXPECT_EQ(classify(false, "/v1/chat/completions/"), Endpoint::chat_completions);
    EXPECT_EQ(classify(false, "/v1/chat/completions?api-version=1"), Endpoint::chat_completions);
    EXPECT_EQ(classify(false, "/v1/completions"), Endpoint::completions);
    EXPECT_EQ(classify(false, "/v1/embeddings"), Endpoint::embeddings);
    EXPECT_EQ(classify(false, "/v1/responses"), Endpoint::responses);
    EXPECT_EQ(classify(false, "/v1/messages"), Endpoint::messages);
}

TEST(Classify, KnowsTheModels) {
    EXPECT_EQ(classify(true, "/v1/models"), Endpoint::models);
    EXPECT_EQ(classify(true, "/v1/models/"), Endpoint::models);
    EXPECT_EQ(classify(true, "/v1/models/gpt-4o"), Endpoint::model);
    EXPECT_EQ(classify(true, "/v1/models/org/name"), Endpoint::model);
    EXPECT_EQ(classify(false, "/v1/models"), Endpoint::unknown);
    EXPECT_EQ(model_of_path("/v1/models/org/name?x=1"), "org/name");
    EXPECT_EQ(model_of_path("/v1/models"), "");
    EXPECT_EQ(model_of_path("/v1/files/f"), "");
}

TEST(Classify, NobodyReadsWhatIsStoredUnderASharedKey) {
    EXPECT_EQ(classify(true, "/v1/chat/completions"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/chat/completions/chatcmpl-1"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/responses/resp_1"), Endpoint::unknown);
    EXPECT_EQ(classify(false, "/v1/responses/resp_1/cancel"), Endpoint::unknown);
}

TEST(Classify, KnowsTheFamilies) {
    EXPECT_EQ(classify(true, "/v1/files"), Endpoint::files);
    EXPECT_EQ(classify(true, "/v1/files/f-1/content"), Endpoint::files);
    EXPECT_EQ(classify(false, "/v1/audio/transcriptions"), Endpoint::audio);
    EXPECT_EQ(classify(false, "/v1/fine_tuning/jobs"), Endpoint::fine_tuning);
    EXPECT_EQ(classify(true, "/v1/realtime?model=x"), Endpoint::realtime);
    EXPECT_EQ(classify(true, "/v1/filesystem"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v2/files"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1"), Endpoint::unknown);
    EXPECT_EQ(classify(true, ""), Endpoint::unknown);
}

TEST(Classify, APathThatAnUpstreamMightReadOtherwiseIsOfNoFamily) {
    EXPECT_EQ(classify(true, "/v1/files/../chat/completions"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/files/%2e%2e/responses"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/files//x"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/files\\x"), Endpoint::unknown);
}

TEST(Endpoint, NamesGoBothWays) {
    for (int i = 0; i <= static_cast<int>(Endpoint::unknown); ++i) {
        const auto endpoint = static_cast<Endpoint>(i);
        EXPECT_EQ(endpoint_of_name(endpoint_name(endpoint)), endpoint);
    }
    EXPECT_EQ(endpoint_of_name("nobody"), Endpoint::unknown);
    EXPECT_TRUE(is_passthrough(Endpoint::realtime));
    EXPECT_FALSE(is_passthrough(Endpoint::unknown));
    EXPECT_FALSE(is_passthrough(Endpoint::messages));
}

}  // namespace
}  // namespace loom::llm
