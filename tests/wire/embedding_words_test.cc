// Texts' vectors by a provider's work: as each type of provider is asked for them.
#include "embedding_fixture.h"
#include "sigv4_verifier.h"

namespace loom::wire {
namespace {

class EmbeddingWords : public Embedding {};

TEST_F(EmbeddingWords, InAzuresWords) {
    conf.set("provider.embed.type", "azure_openai").set("provider.embed.base_url", embedder().origin());
    conf.set("provider.embed.api_version", "2024-02-01");
    conf.set(fmt::format("provider.embed.deployment.{}", model), "our-vectors").set("provider.embed.models", "");
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /openai/deployments/our-vectors/embeddings?api-version=2024-02-01 HTTP/1.1");
    EXPECT_EQ(sent.head.value("api-key"), "sk-of-the-embedder");
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

TEST_F(EmbeddingWords, InCoheresWords) {
    conf.set("provider.embed.type", "cohere").set("provider.embed.base_url", embedder().origin());
    conf.set("semantic_cache.embedding.model", "embed-v4.0").set("provider.embed.models", "embed-v4.0");
    embed_with(answer_with([](const Message& request) {
        return answer(
            fmt::format(R"({{"id":"1","embeddings":{{"float":[{}]}},"meta":{{"billed_units":{{"input_tokens":5}}}}}})",
                        numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /v2/embed HTTP/1.1");
    EXPECT_TRUE(contains(sent.body, R"("texts":["How do I)")) << sent.body;
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
    EXPECT_EQ(loom().eventually(R"(loom_ai_tokens_total{provider="embed",type="input"})"), 10);
}

TEST_F(EmbeddingWords, InGeminisWords) {
    conf.set("provider.embed.type", "gemini").set("provider.embed.base_url", embedder().origin());
    conf.set("semantic_cache.embedding.model", "gemini-embedding-001");
    conf.set("provider.embed.models", "gemini-embedding-001");
    embed_with(answer_with([](const Message& request) {
        return answer(fmt::format(R"({{"embeddings":[{{"values":{}}}]}})", numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /v1beta/models/gemini-embedding-001:batchEmbedContents HTTP/1.1");
    EXPECT_EQ(sent.head.value("x-goog-api-key"), "sk-of-the-embedder");
    EXPECT_TRUE(contains(sent.body, "SEMANTIC_SIMILARITY")) << sent.body;
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

TEST_F(EmbeddingWords, InTitansWordsAndSigned) {
    conf.set("provider.embed.type", "bedrock").set("provider.embed.base_url", embedder().origin());
    conf.set("provider.embed.api_key", "").set("provider.embed.location", "us-east-1");
    conf.set("provider.embed.access_key_id", "AKIDEXAMPLE").set("provider.embed.secret_access_key", "of-aws");
    conf.set("semantic_cache.embedding.model", "amazon.titan-embed-text-v2:0");
    conf.set("provider.embed.models", "amazon.titan-embed-text-v2:0");
    embed_with(answer_with([](const Message& request) {
        return answer(fmt::format(R"({{"embedding":{},"inputTextTokenCount":6}})", numbers_of(request.body)));
    }));
    begin();
    (void)keep(body_of(asked));
    const Message sent = embedder().request(0);
    EXPECT_EQ(sent.head.start_line, "POST /model/amazon.titan-embed-text-v2%3A0/invoke HTTP/1.1");
    EXPECT_EQ(signature_fault(sent, {.access_key_id = "AKIDEXAMPLE",
                                     .secret_access_key = "of-aws",
                                     .session_token = "",
                                     .region = "us-east-1"}),
              "");
    EXPECT_EQ(status(body_of(in_other_words)), "semantic");
}

}  // namespace
}  // namespace loom::wire
