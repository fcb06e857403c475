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
    EXPECT_EQ(classify(false, "/v1/messages/count_tokens"), Endpoint::count_tokens);
    EXPECT_EQ(classify(false, "/v1/responses/input_tokens"), Endpoint::input_tokens);
    EXPECT_EQ(classify(true, "/v1/responses/input_tokens"), Endpoint::stored_responses) << "by its path an id";
    EXPECT_EQ(classify(false, "/v1/responses/input_tokens/x"), Endpoint::stored_responses);
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

TEST(Classify, KnowsGeminisCallsByTheirEnd) {
    const auto call = [](std::string_view path) { return classify(false, path); };
    EXPECT_EQ(call("/v1beta/models/gemini-2.5-pro:generateContent"), Endpoint::generate_content);
    EXPECT_EQ(call("/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse"), Endpoint::stream_generate_content);
    EXPECT_EQ(call("/v1beta/models/m:countTokens"), Endpoint::gemini_count_tokens);
    EXPECT_EQ(call("/v1beta/models/m:embedContent"), Endpoint::embed_content);
    EXPECT_EQ(call("/v1beta/models/m:batchEmbedContents"), Endpoint::batch_embed_contents);
    EXPECT_EQ(call("/v1/projects/p/locations/l/publishers/google/models/m:generateContent"),
              Endpoint::generate_content);
    EXPECT_EQ(model_of_path("/v1beta/models/openai:gpt-4o:generateContent?key=k"), "openai:gpt-4o");
    EXPECT_EQ(model_of_path("/v1beta/models/meta-llama/Llama-3:countTokens"), "meta-llama/Llama-3");
    EXPECT_EQ(model_of_path("/v1beta/models/gemini-2.5-pro"), "gemini-2.5-pro");
    EXPECT_EQ(classify(true, "/v1beta/models"), Endpoint::models);
    EXPECT_EQ(classify(true, "/v1beta/models/gemini-2.5-pro"), Endpoint::model);
    for (const std::string_view path :
         {"/v1beta/models/:generateContent", "/v1beta/models/m:other", "/v1beta/models:generateContent",
          "/x/models/m:generateContent", "/v1beta/models/../m:generateContent",
          "/v1beta/models/m%2e%2e:generateContent"})
        EXPECT_EQ(call(path), Endpoint::unknown) << path;
}

TEST(Classify, EachEndpointHasTheProtocolOfItsClients) {
    EXPECT_EQ(chat_protocol_of(Endpoint::messages), Protocol::anthropic);
    EXPECT_EQ(chat_protocol_of(Endpoint::stream_generate_content), Protocol::gemini);
    EXPECT_EQ(chat_protocol_of(Endpoint::responses), Protocol::openai_responses);
    EXPECT_EQ(chat_protocol_of(Endpoint::embeddings), std::nullopt);
    EXPECT_EQ(error_protocol_of(Endpoint::count_tokens), Protocol::anthropic);
    EXPECT_EQ(error_protocol_of(Endpoint::embed_content), Protocol::gemini);
    EXPECT_EQ(error_protocol_of(Endpoint::files), Protocol::openai_chat);
}

TEST(Classify, NobodyReadsWhatIsStoredUnderASharedKey) {
    EXPECT_EQ(classify(true, "/v1/chat/completions"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/chat/completions/chatcmpl-1"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/responses"), Endpoint::unknown);
}

TEST(Classify, StoredResponsesAndMessageBatchesAreFamiliesBelowAnInspectedPath) {
    EXPECT_EQ(classify(true, "/v1/responses/resp_1"), Endpoint::stored_responses);
    EXPECT_EQ(classify(false, "/v1/responses/resp_1/cancel"), Endpoint::stored_responses);
    EXPECT_EQ(classify(true, "/v1/responses/../files"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/messages/batches"), Endpoint::message_batches);
    EXPECT_EQ(classify(false, "/v1/messages/batches/b/cancel"), Endpoint::message_batches);
    EXPECT_EQ(classify(true, "/v1/messages/batchesx"), Endpoint::unknown);
    EXPECT_EQ(classify(true, "/v1/conversations/c"), Endpoint::conversations);
    EXPECT_EQ(classify(false, "/v2/rerank"), Endpoint::rerank);
    EXPECT_EQ(error_protocol_of(Endpoint::message_batches), Protocol::anthropic);
    EXPECT_EQ(endpoint_name(Endpoint::stored_responses), "stored_responses");
}

TEST(Classify, WhatGeminiStoresIsBelowItsOwnVersion) {
    EXPECT_EQ(classify(true, "/v1beta/files"), Endpoint::gemini_files);
    EXPECT_EQ(classify(true, "/v1beta/files/abc:download?alt=media"), Endpoint::gemini_files);
    EXPECT_EQ(classify(false, "/upload/v1beta/files?upload_id=x"), Endpoint::gemini_files);
    EXPECT_EQ(classify(false, "/v1beta/cachedContents/c"), Endpoint::cached_contents);
    EXPECT_EQ(classify(false, "/upload/v1/files"), Endpoint::gemini_files);
    EXPECT_EQ(classify(true, "/v1/cachedContents"), Endpoint::cached_contents);
    EXPECT_EQ(classify(true, "/v1/files"), Endpoint::files) << "whose client tells more";
    for (const char* path : {"/upload/v1beta/files/x", "/upload/v2/files", "/v1beta/filesx", "/v1beta/files/../x",
                             "/v1/cachedContentsx", "/v1beta/cached_contents"})
        EXPECT_EQ(classify(false, path), Endpoint::unknown) << path;
    EXPECT_EQ(error_protocol_of(Endpoint::gemini_files), Protocol::gemini);
    EXPECT_EQ(endpoint_of_name("cached_contents"), Endpoint::cached_contents);
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
