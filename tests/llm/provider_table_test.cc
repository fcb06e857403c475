#include "loom/llm/provider_table.h"

#include <gtest/gtest.h>

#include <set>

namespace loom::llm {
namespace {

std::string path_of(std::string_view type, Endpoint endpoint, const UpstreamPath& path) {
    std::string out;
    const ProviderType* row = find_provider_type(type);
    EXPECT_NE(row, nullptr) << type;
    if (row != nullptr) write_upstream_path(out, type_for_model(*row, path.model), endpoint, path);
    return out;
}

TEST(ProviderTable, EachRowCanBeAsked) {
    std::set<std::string_view> names;
    for (const ProviderType& type : provider_types()) {
        EXPECT_TRUE(names.insert(type.name).second) << type.name << " stands twice";
        EXPECT_EQ(find_provider_type(type.name), &type);
        EXPECT_EQ(type.auth == AuthStyle::header, !type.auth_header.empty()) << type.name;
        EXPECT_TRUE(type.lines.empty() || type.lines.ends_with("\r\n")) << type.name;
        EXPECT_FALSE(type.base_url.ends_with('/')) << type.name;
        const bool https = type.base_url.starts_with("https://");
        EXPECT_TRUE(type.base_url.empty() || https || type.base_url.starts_with("http://127.0.0.1:")) << type.name;
        // What has to be translated for it goes to an endpoint that it has.
        const bool own =
            type.protocol != Protocol::openai_chat || (type.endpoints & set_of(Endpoint::chat_completions)) != 0;
        EXPECT_TRUE(own) << type.name;
    }
    EXPECT_EQ(find_provider_type("azure"), find_provider_type("azure_openai"));
    EXPECT_EQ(find_provider_type("nobody"), nullptr);
    EXPECT_EQ(find_provider_type(""), nullptr);
}

TEST(ProviderTable, PathsAreThoseOfTheProvidersPages) {
    using E = Endpoint;
    EXPECT_EQ(path_of("openai", E::chat_completions, {.model = "gpt-4o"}), "/chat/completions");
    EXPECT_EQ(path_of("openai", E::messages, {}), "/messages");
    EXPECT_EQ(path_of("groq", E::embeddings, {}), "/embeddings");
    EXPECT_EQ(path_of("azure", E::chat_completions, {.model = "my gpt/4", .api_version = "2024-02-15-preview"}),
              "/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-02-15-preview");
    EXPECT_EQ(path_of("azure", E::responses, {.model = "d", .api_version = "2025-03-01-preview"}),
              "/openai/responses?api-version=2025-03-01-preview");
    EXPECT_EQ(path_of("azure", E::embeddings, {.model = "d"}), "/openai/v1/embeddings");
    EXPECT_EQ(path_of("anthropic", E::chat_completions, {}), "/v1/messages");
    EXPECT_EQ(path_of("anthropic", E::count_tokens, {}), "/v1/messages/count_tokens");
    EXPECT_EQ(path_of("gemini", E::chat_completions, {.model = "gemini-2.5-pro", .stream = true}),
              "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
    EXPECT_EQ(path_of("gemini", E::embed_content, {.model = "e"}), "/v1beta/models/e:embedContent");
    EXPECT_EQ(path_of("vertex", E::messages, {.model = "gemini-2.5-pro", .project = "p", .location = "us-central1"}),
              "/v1/projects/p/locations/us-central1/publishers/google/models/gemini-2.5-pro:generateContent");
    EXPECT_EQ(path_of("vertex", E::messages,
                      {.model = "claude-sonnet-4@20250514", .project = "p", .location = "l", .stream = true}),
              "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4%4020250514:streamRawPredict");
    EXPECT_EQ(path_of("vertex", E::count_tokens, {.model = "claude-x", .project = "p", .location = "l"}),
              "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict");
    EXPECT_EQ(path_of("bedrock", E::chat_completions,
                      {.model = "us.anthropic.claude-3-5-sonnet-20241022-v2:0", .stream = true}),
              "/model/us.anthropic.claude-3-5-sonnet-20241022-v2%3A0/converse-stream");
    EXPECT_EQ(path_of("bedrock", E::embeddings, {.model = "amazon.titan-embed-text-v2:0"}),
              "/model/amazon.titan-embed-text-v2%3A0/invoke");
    for (const E counting : {E::count_tokens, E::gemini_count_tokens, E::input_tokens}) {
        EXPECT_EQ(path_of("openai", counting, {}), "/responses/input_tokens");
        EXPECT_EQ(path_of("anthropic", counting, {}), "/v1/messages/count_tokens");
        EXPECT_EQ(path_of("gemini", counting, {.model = "g"}), "/v1beta/models/g:countTokens");
        EXPECT_EQ(path_of("vertex", counting, {.model = "g", .project = "p", .location = "l"}),
                  "/v1/projects/p/locations/l/publishers/google/models/g:countTokens");
        for (const std::string_view model :
             {"anthropic.claude-x-v1:0", "eu.anthropic.claude-x-v1:0",
              "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-x-v1:0"})
            EXPECT_EQ(path_of("bedrock", counting, {.model = model}), "/model/anthropic.claude-x-v1%3A0/count-tokens");
    }
    EXPECT_EQ(path_of("cohere", E::embeddings, {}), "/v2/embed");
    EXPECT_EQ(path_of("gemini", E::embeddings, {.model = "e"}), "/v1beta/models/e:batchEmbedContents");
    EXPECT_EQ(path_of("vertex", E::embeddings, {.model = "text-embedding-005", .project = "p", .location = "l"}),
              "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict");
    EXPECT_EQ(path_of("cohere", E::messages, {.model = "command-r"}), "/v2/chat");
    EXPECT_EQ(path_of("openai", E::realtime, {.model = "gpt-realtime"}), "/realtime?model=gpt-realtime");
    EXPECT_EQ(path_of("xai", E::realtime, {.model = "a&b"}), "/realtime?model=a%26b");
    EXPECT_EQ(path_of("openai", E::realtime, {.model = "gpt-4o-transcribe", .transcribes = true}),
              "/realtime?intent=transcription");
    EXPECT_EQ(path_of("azure", E::realtime, {.model = "mine"}), "/openai/v1/realtime?model=mine");
    EXPECT_EQ(path_of("azure", E::realtime, {.model = "mine", .api_version = "2025-04-01-preview"}),
              "/openai/realtime?api-version=2025-04-01-preview&deployment=mine");
}

TEST(ProviderTable, WhoCanBeAskedForACount) {
    const auto protocol = [](std::string_view type, std::string_view model) {
        const ProviderType& row = *find_provider_type(type);
        return count_protocol_of(type_for_model(row, model), model);
    };
    EXPECT_EQ(protocol("openai", "gpt-5"), CountProtocol::responses);
    EXPECT_EQ(protocol("anthropic", "claude-x"), CountProtocol::anthropic);
    EXPECT_EQ(protocol("gemini", "gemini-x"), CountProtocol::gemini);
    EXPECT_EQ(protocol("vertex", "gemini-x"), CountProtocol::vertex);
    EXPECT_EQ(protocol("vertex", "claude-x"), CountProtocol::anthropic);
    EXPECT_EQ(protocol("bedrock", "us.anthropic.claude-x"), CountProtocol::bedrock);
    for (const auto& [type, model] : {std::pair{"bedrock", "amazon.nova-pro-v1:0"},
                                      {"bedrock", "arn:aws:bedrock:r:1:application-inference-profile/x"},
                                      {"cohere", "command-r"},
                                      {"groq", "x"},
                                      {"local", "x"},
                                      {"azure", "gpt-5"},
                                      {"echo", "echo"}})
        EXPECT_EQ(protocol(type, model), std::nullopt) << type << " " << model;
}

TEST(ProviderTable, AModelsNameCannotLeaveItsSegment) {
    EXPECT_EQ(path_of("gemini", Endpoint::generate_content, {.model = "../x?y#z\r\n:countTokens"}),
              "/v1beta/models/..%2Fx%3Fy%23z%0D%0A%3AcountTokens:generateContent");
}

TEST(ProviderTable, VertexSpeaksTheModelsProtocol) {
    const ProviderType& vertex = *find_provider_type("vertex");
    EXPECT_EQ(type_for_model(vertex, "claude-opus-4").protocol, Protocol::anthropic);
    EXPECT_EQ(type_for_model(vertex, "claude-opus-4").body_version, "vertex-2023-10-16");
    EXPECT_TRUE(type_for_model(vertex, "claude-opus-4").quirks.no_system_in_messages);
    EXPECT_EQ(type_for_model(vertex, "gemini-2.5-pro").protocol, Protocol::gemini);
    EXPECT_EQ(type_for_model(vertex, "gemini-2.5-pro").body_version, "");
    EXPECT_EQ(&type_for_model(*find_provider_type("openai"), "claude"), find_provider_type("openai"));
}

TEST(ProviderTable, PalmIsRefusedByName) {
    EXPECT_NE(withdrawn_model("text-bison@001"), nullptr);
    EXPECT_NE(withdrawn_model("textembedding-gecko"), nullptr);
    EXPECT_EQ(withdrawn_model("gemini-2.5-pro"), nullptr);
}

}  // namespace
}  // namespace loom::llm
