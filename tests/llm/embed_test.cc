#include "loom/llm/embed.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <string>

namespace loom::llm {
namespace {

using P = EmbedProtocol;

class EmbedCase {
  public:
    explicit EmbedCase(P client, P provider, std::string_view model = "m")
        : translation_(
              scratch_, pool_,
              {.client = client, .provider = provider, .model = model, .client_model = "asked", .fallback_id = "id1"}) {
    }

    /// The document, or "code what" of the error.
    std::string request(std::string_view body) {
        ByteBuffer out(pool_);
        const auto step = translation_.request(body, out);
        return step ? std::string(out.view()) : text_of_error(step.error());
    }
    std::string answer(std::string_view body) {
        ByteBuffer out(pool_);
        const auto step = translation_.answer(body, out, usage);
        if (!step) EXPECT_EQ(step.error().side, Side::upstream);
        if (!step) EXPECT_TRUE(out.empty());
        return step ? std::string(out.view()) : text_of_error(step.error());
    }
    std::string lost() const {
        std::string names;
        for (const std::string_view name : translation_.dropped()) names.append(names.empty() ? "" : " ").append(name);
        return names;
    }
    std::string_view param() const { return translation_.error_param(); }
    Usage usage;

  private:
    static std::string text_of_error(const Error& error) {
        return std::string(errc_name(error.code)) + ": " + error.what;
    }
    TranslateScratch scratch_;
    BlockPool pool_;
    EmbedTranslation translation_;
};

constexpr std::string_view two_texts = R"({"model":"x","input":["a \"b\"","\u00e4"],"dimensions":256})";

TEST(Embed, OpenaiIsAskedOfEveryProvider) {
    struct Row {
        P provider;
        std::string_view model;
        std::string_view document;
        std::string_view lost;
    };
    for (const Row& row : {
             Row{P::openai, "text-embedding-3-small",
                 R"({"model":"text-embedding-3-small","input":["a \"b\"","\u00e4"],"dimensions":256})", ""},
             Row{P::gemini_batch, "gemini-embedding-001",
                 R"({"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a \"b\""}]},)"
                 R"("outputDimensionality":256},{"model":"models/gemini-embedding-001","content":{"parts":)"
                 R"([{"text":"\u00e4"}]},"outputDimensionality":256}]})",
                 ""},
             Row{P::cohere, "embed-v4.0",
                 R"({"model":"embed-v4.0","input_type":"search_document","texts":["a \"b\"","\u00e4"],)"
                 R"("embedding_types":["float"],"output_dimension":256})",
                 ""},
             Row{P::bedrock_cohere, "cohere.embed-multilingual-v3",
                 R"({"input_type":"search_document","texts":["a \"b\"","\u00e4"],"embedding_types":["float"]})",
                 "dimensions"},
         }) {
        EmbedCase c(P::openai, row.provider, row.model);
        EXPECT_EQ(c.request(two_texts), row.document);
        EXPECT_EQ(c.lost(), row.lost);
    }
    EmbedCase vertex(P::openai, P::vertex, "text-embedding-005");
    EXPECT_EQ(
        vertex.request(two_texts),
        R"({"instances":[{"content":"a \"b\""},{"content":"\u00e4"}],"parameters":{"outputDimensionality":256}})");
    EmbedCase one_input(P::openai, P::vertex, "gemini-embedding-001");
    EXPECT_EQ(one_input.request(R"({"input":"one","task_type":"CLUSTERING"})"),
              R"({"instances":[{"task_type":"CLUSTERING","content":"one"}]})");
    EXPECT_TRUE(EmbedCase(P::openai, P::vertex, "gemini-embedding-001").request(two_texts).starts_with("unsupported"));
    EmbedCase titan(P::openai, P::bedrock_titan, "amazon.titan-embed-text-v2:0");
    EXPECT_EQ(titan.request(R"({"input":"one","dimensions":512,"user":"u","task_type":"CLUSTERING"})"),
              R"({"inputText":"one","dimensions":512})");
    EXPECT_EQ(titan.lost(), "task_type user");
}

TEST(Embed, EveryProvidersAnswerIsOpenais) {
    constexpr std::string_view expected =
        R"({"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-3]},)"
        R"({"object":"embedding","index":1,"embedding":[1, 2]}],"model":"asked",)"
        R"("usage":{"prompt_tokens":7,"total_tokens":7}})";
    struct Row {
        P provider;
        std::string_view body;
    };
    for (
        const Row& row : {
            Row{P::openai,
                R"({"object":"list","data":[{"object":"embedding","embedding":[0.5,-1e-3],"index":0},)"
                R"({"embedding":[1, 2],"index":1}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}})"},
            Row{P::gemini_batch,
                R"({"embeddings":[{"values":[0.5,-1e-3]},{"values":[1, 2]}],"usageMetadata":{"promptTokenCount":7}})"},
            Row{P::vertex,
                R"({"predictions":[{"embeddings":{"values":[0.5,-1e-3],"statistics":{"truncated":false,"token_count":3.0}}},)"
                R"({"embeddings":{"statistics":{"token_count":4},"values":[1, 2]}}],"metadata":{"billableCharacterCount":9}})"},
            Row{P::cohere,
                R"({"id":"i","embeddings":{"float":[[0.5,-1e-3],[1, 2]]},"texts":["a","b"],"meta":)"
                R"({"tokens":{"input_tokens":9},"billed_units":{"input_tokens":7}},"response_type":"embeddings_by_type"})"},
        }) {
        EmbedCase c(P::openai, row.provider);
        (void)c.request(two_texts);
        EXPECT_EQ(c.answer(row.body), expected) << static_cast<int>(row.provider);
        EXPECT_EQ(c.usage.input, 7u);
        EXPECT_EQ(c.usage.total, 7u);
    }
    EmbedCase bedrock(P::openai, P::bedrock_cohere);  // which reports its tokens in a header
    (void)bedrock.request(two_texts);
    EXPECT_TRUE(bedrock.answer(R"({"embeddings":[[1],[2]],"id":"i","response_type":"embeddings_floats"})")
                    .contains(R"("index":1,"embedding":[2]})"));
    EXPECT_EQ(bedrock.usage.provenance, Usage::Provenance::none);
    EmbedCase titan(P::openai, P::bedrock_titan);
    (void)titan.request(R"({"input":"x"})");
    EXPECT_TRUE(titan.answer(R"({"embedding":[3.5],"inputTextTokenCount":4,"embeddingsByType":{"float":[3.5]}})")
                    .contains(R"("embedding":[3.5]})"));
    EXPECT_EQ(titan.usage.input, 4u);
}

// Its own clients ask for base64 unasked.
TEST(Embed, Base64IsLittleEndianFloat32) {
    EmbedCase c(P::openai, P::cohere);
    (void)c.request(R"({"input":["x","y","z"],"encoding_format":"base64"})");
    const std::string answer = c.answer(R"({"embeddings":{"float":[[1,-2.5],[ 0.1 ],[]]}})");
    EXPECT_TRUE(answer.contains(R"("index":0,"embedding":"AACAPwAAIMA="})")) << answer;
    EXPECT_TRUE(answer.contains(R"("index":1,"embedding":"zczMPQ=="})")) << answer;
    EXPECT_TRUE(answer.contains(R"("index":2,"embedding":""})")) << answer;
}

TEST(Embed, VectorsComeBackFromBase64AsTheyWent) {
    uint32_t state = 12345;
    for (int round = 0; round < 300; ++round) {
        std::string numbers = "[";
        for (int i = 0; i < round % 7; ++i) {
            state = state * 1664525u + 1013904223u;
            const float value = std::bit_cast<float>((state & 0xbfffffffu) % 0x7f000000u);
            char text[64];
            std::snprintf(text, sizeof text, "%s%.9g", i > 0 ? "," : "", static_cast<double>(value));
            numbers += text;
        }
        numbers += "]";
        EmbedCase there(P::openai, P::gemini_batch);
        (void)there.request(R"({"input":"x","encoding_format":"base64"})");
        const std::string packed = there.answer(R"({"embeddings":[{"values":)" + numbers + "}]}");
        EmbedCase back(P::gemini_batch, P::openai);
        (void)back.request(R"({"requests":[{"content":{"parts":[{"text":"x"}]}}]})");
        const std::string unpacked = back.answer(packed);
        EmbedCase again(P::openai, P::gemini_batch);
        (void)again.request(R"({"input":"x","encoding_format":"base64"})");
        EXPECT_EQ(again.answer(unpacked), packed) << numbers << unpacked;
    }
}

TEST(Embed, GeminiIsAskedOfOthers) {
    EmbedCase c(P::gemini, P::openai, "text-embedding-3-small");
    EXPECT_EQ(c.request(R"({"model":"models/x","content":{"parts":[{"text":"a"},{"text":"b"}]},"taskType":)"
                        R"("RETRIEVAL_QUERY","title":"T","output_dimensionality":64})"),
              R"({"model":"text-embedding-3-small","input":["a\nb"],"dimensions":64})");
    EXPECT_EQ(c.lost(), "task_type title");
    EXPECT_EQ(
        c.answer(R"({"data":[{"embedding":"AACAPwAAIMA=","index":0}],"usage":{"prompt_tokens":3,"total_tokens":3}})"),
        R"({"embedding":{"values":[1,-2.5]},"usageMetadata":{"promptTokenCount":3}})");

    EmbedCase batch(P::gemini_batch, P::cohere, "embed-v4.0");
    EXPECT_EQ(batch.request(R"({"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"SEMANTIC_SIMILARITY"},)"
                            R"({"content":{"parts":[{"text":"b"}]},"taskType":"CLUSTERING"}]})"),
              R"({"model":"embed-v4.0","input_type":"clustering","texts":["a","b"],"embedding_types":["float"]})");
    EXPECT_EQ(batch.lost(), "requests[].taskType task_type");
    EXPECT_EQ(batch.answer(R"({"id":"i","embeddings":{"float":[[1],[2]]}})"),
              R"({"embeddings":[{"values":[1]},{"values":[2]}]})");
}

TEST(Embed, CohereIsAskedOfOthers) {
    EmbedCase c(P::cohere, P::gemini_batch, "e");
    EXPECT_EQ(
        c.request(R"({"model":"x","texts":["a"],"input_type":"search_query","embedding_types":["float","base64"],)"
                  R"("truncate":"START","output_dimension":8,"max_tokens":5})"),
        R"({"requests":[{"model":"models/e","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY",)"
        R"("outputDimensionality":8}]})");
    EXPECT_EQ(c.lost(), "max_tokens truncate");
    EXPECT_EQ(c.answer(R"({"embeddings":[{"values":[1,-2.5]}],"usageMetadata":{"promptTokenCount":2}})"),
              R"({"id":"id1","embeddings":{"float":[[1,-2.5]],"base64":["AACAPwAAIMA="]},"meta":{"api_version":)"
              R"({"version":"2"},"billed_units":{"input_tokens":2}},"response_type":"embeddings_by_type"})");
    EmbedCase inputs(P::cohere, P::openai);
    EXPECT_EQ(inputs.request(R"({"inputs":[{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})"),
              R"({"model":"m","input":["a\nb"]})");
    EmbedCase bedrock(P::cohere, P::bedrock_cohere, "us.cohere.embed-v4:0");
    EXPECT_TRUE(bedrock.request(R"({"texts":["a"],"truncate":"START"})").contains(R"("truncate":"LEFT")"));
}

TEST(Embed, TitanIsAskedOfOthers) {
    EmbedCase c(P::bedrock_titan, P::openai);
    EXPECT_EQ(c.request(R"({"inputText":"a","dimensions":512,"normalize":true,"embeddingTypes":["float"]})"),
              R"({"model":"m","input":["a"],"dimensions":512})");
    EXPECT_EQ(c.lost(), "");
    EXPECT_EQ(c.answer(R"({"data":[{"embedding":[1],"index":0}],"usage":{"prompt_tokens":3,"total_tokens":3}})"),
              R"({"embedding":[1],"inputTextTokenCount":3})");
}

TEST(Embed, WhatCannotBeDoneIsRefusedByName) {
    struct Row {
        P client, provider;
        std::string_view body;
        std::string_view error;
        std::string_view param;
    };
    for (const Row& row : {
             Row{P::openai, P::cohere, R"({"input":[1,2]})", "unsupported: tokens of another model's: send the text",
                 "input"},
             Row{P::openai, P::gemini_batch, R"({"input":[[1],[2]]})",
                 "unsupported: tokens of another model's: send the text", "input"},
             Row{P::openai, P::bedrock_titan, R"({"input":["a","b"]})",
                 "unsupported: this model embeds one text a request: send them one by one", "input"},
             Row{P::openai, P::cohere, R"({"input":[]})", "bad_message: there is nothing to embed", "input"},
             Row{P::openai, P::cohere, R"({"input":[7,"a"]})", "bad_message: tokens are numbers", "input"},
             Row{P::openai, P::cohere, R"({"input":{"a":1}})", "bad_message: an array is expected", "input"},
             Row{P::openai, P::cohere, R"({"input":"a","encoding_format":"int8"})",
                 "bad_message: encoding_format is float or base64", "encoding_format"},
             Row{P::cohere, P::openai, R"({"images":["data:image/png;base64,AA"]})",
                 "unsupported: only texts are embedded by another provider", "images"},
             Row{P::cohere, P::openai, R"({"texts":["a"],"embedding_types":["int8"]})",
                 "unsupported: another provider's vectors are float", "embedding_types"},
             Row{P::gemini, P::openai, R"({"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"A"}}]}})",
                 "unsupported: only texts are embedded by another provider", "content"},
             Row{P::gemini, P::openai, R"({})", "bad_message: content is missing", "content"},
             Row{P::bedrock_titan, P::openai, R"({"inputText":"a","embeddingTypes":["binary"]})",
                 "unsupported: another provider's vectors are float", "embeddingTypes"},
         }) {
        EmbedCase c(row.client, row.provider);
        EXPECT_EQ(c.request(row.body), row.error) << row.body;
        EXPECT_EQ(c.param(), row.param) << row.body;
    }
    EmbedCase tokens(P::openai, P::openai);
    EXPECT_EQ(tokens.request(R"({"input":[[1, 2],[3]]})"), R"({"model":"m","input":[[1, 2],[3]]})");
}

TEST(Embed, AnswersThatDoNotFitAreRefused) {
    for (const std::string_view body :
         {"", "7", "{}", R"({"embeddings":[{"values":[1]}]})", R"({"embeddings":[{"values":[1]},{"values":null}]})",
          R"({"embeddings":[{"values":[1]},{"values":["a"]}]})", R"({"embeddings":[{"values":[1]},{"values":[1e99]}]})",
          R"({"embeddings":[{"values":[1]},{"values":[[2]]}]})"}) {
        EmbedCase c(P::openai, P::gemini_batch);
        (void)c.request(R"({"input":["x","y"],"encoding_format":"base64"})");
        EXPECT_TRUE(c.answer(body).starts_with("bad_message: ")) << body;
    }
    EmbedCase order(P::cohere, P::openai);
    (void)order.request(R"({"texts":["a","b"]})");
    EXPECT_TRUE(order.answer(R"({"data":[{"embedding":[1],"index":1},{"embedding":[2],"index":0}]})")
                    .starts_with("bad_message: "));
    for (const std::string_view text : {"A", "AAAA", "AACAPwAA", "!!!!", "AACAfw=="}) {  // the last is infinite
        EmbedCase c(P::gemini, P::openai);
        (void)c.request(R"({"content":{"parts":[{"text":"x"}]}})");
        EXPECT_TRUE(c.answer(R"({"data":[{"embedding":")" + std::string(text) + R"("}]})").starts_with("bad_message: "))
            << text;
    }
}

TEST(Embed, HurtDocumentsAreRefusedAndNothingElse) {
    struct Row {
        P protocol;
        std::string_view request;
        std::string_view answer;
    };
    for (
        const Row& row :
        {Row{P::openai, R"({"model":"x","input":["a","b"],"encoding_format":"base64","user":"u"})",
             R"({"data":[{"embedding":[1,2],"index":0},{"embedding":"AACAPw==","index":1}],"usage":{"prompt_tokens":3}})"},
         Row{P::gemini_batch,
             R"({"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"},{"content":{"parts":[{"text":"b"}]}}]})",
             R"({"embeddings":[{"values":[1,2]},{"values":[3]}],"usageMetadata":{"promptTokenCount":3}})"},
         Row{P::cohere, R"({"texts":["a","b"],"embedding_types":["float"],"truncate":"END"})",
             R"({"id":"i","embeddings":{"float":[[1,2],[3]]},"meta":{"billed_units":{"input_tokens":3}}})"}}) {
        uint32_t state = 17;
        const auto random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
        for (const P other : {P::openai, P::gemini_batch, P::cohere, P::bedrock_titan}) {
            for (size_t size = 0; size < row.request.size(); ++size) {
                EmbedCase c(row.protocol, other);
                EXPECT_TRUE(c.request(row.request.substr(0, size)).starts_with("bad_message: ")) << size;
            }
            for (int round = 0; round < 300; ++round) {
                std::string request(row.request), answer(row.answer);
                request[random() % request.size()] = "\"\\{}[]:,0a \x01\xff"[random() % 13];
                answer[random() % answer.size()] = "\"\\{}[]:,0a \x01\xff"[random() % 13];
                EmbedCase asked(row.protocol, other);
                (void)asked.request(request);
                EmbedCase answered(other, row.protocol);
                (void)answered.request(other == P::openai ? R"({"input":["x","y"]})" : "");
                (void)answered.answer(answer);
            }
        }
    }
}

TEST(Embed, AHurtAnswerOfVertexIsRefusedAndNothingElse) {
    constexpr std::string_view whole =
        R"({"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":3}}}],"metadata":{}})";
    for (size_t size = 0; size < whole.size(); ++size) {
        EmbedCase c(P::openai, P::vertex);
        (void)c.request(R"({"input":"x"})");
        EXPECT_TRUE(c.answer(whole.substr(0, size)).starts_with("bad_message: ")) << size;
    }
    for (const std::string_view none : {R"({"predictions":[]})", R"({"predictions":[{"embeddings":{}}]})",
                                        R"({"predictions":[{"embeddings":{"values":"x"}}]})", "{}"}) {
        EmbedCase c(P::openai, P::vertex);
        (void)c.request(R"({"input":"x"})");
        EXPECT_TRUE(c.answer(none).starts_with("bad_message: ")) << none;
    }
    uint32_t state = 17;
    const auto random = [&state] { return (state = state * 1664525u + 1013904223u) >> 8; };
    for (int round = 0; round < 2000; ++round) {
        std::string answer(whole);
        answer[random() % answer.size()] = "\"\\{}[]:,0a \x01\xff"[random() % 13];
        EmbedCase c(P::openai, P::vertex);
        (void)c.request(R"({"input":"x"})");
        (void)c.answer(answer);
    }
}

}  // namespace
}  // namespace loom::llm
