#include "loom/llm/count.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "dom.h"

namespace loom::llm {
namespace {

struct Ask {
    CountProtocol protocol;
    std::string_view body;
};
// A question with instructions and a tool, with all that weighs nothing, as each client asks it.
constexpr Ask asks[] = {
    {CountProtocol::anthropic,
     R"({"model":"m","system":"Be kind.","messages":[{"role":"user","content":"Hi"}],)"
     R"("tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}],"max_tokens":9,"temperature":0.5})"},
    {CountProtocol::gemini,
     R"({"generateContentRequest":{"model":"models/m","systemInstruction":{"parts":[{"text":"Be kind."}]},)"
     R"("contents":[{"role":"user","parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[)"
     R"({"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}],)"
     R"("generationConfig":{"temperature":0.5,"maxOutputTokens":9}}})"},
    {CountProtocol::responses,
     R"({"model":"m","instructions":"Be kind.","input":"Hi","tools":[{"type":"function","name":"f","description":"d",)"
     R"("parameters":{"type":"object"},"strict":false}],"tool_choice":"auto"})"},
};

struct Told {
    CountProtocol protocol;
    std::string_view request;  // what the provider is asked
    std::string_view answer;   // what it says: 14 tokens
};
constexpr Told providers[] = {
    {CountProtocol::anthropic,
     R"({"model":"big","system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":)"
     R"([{"type":"text","text":"Hi"}]}],"tools":[{"name":"f","description":"d","input_schema":{"type":"object"}}])",
     R"({"input_tokens":14})"},
    {CountProtocol::gemini,
     R"({"generateContentRequest":{"model":"models/big","contents":[{"role":"user","parts":[{"text":"Hi"}]}],)"
     R"("systemInstruction":{"parts":[{"text":"Be kind."}]},"tools":[{"functionDeclarations":[)"
     R"({"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}])",
     R"({"totalTokens":14,"promptTokensDetails":[{"modality":"TEXT","tokenCount":14}]})"},
    {CountProtocol::vertex,
     R"({"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"systemInstruction":{"parts":[{"text":"Be kind."}]},)"
     R"("tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":{"type":"object"}}]}])",
     R"({"totalBillableCharacters":30, "totalTokens":14})"},
    {CountProtocol::responses,
     R"({"model":"big","instructions":"Be kind.","input":[{"type":"message","role":"user","content":)"
     R"([{"type":"input_text","text":"Hi"}]}],"tools":[{"type":"function","name":"f","description":"d",)",
     R"({"object":"response.input_tokens","input_tokens":14})"},
    {CountProtocol::bedrock,
     R"({"input":{"converse":{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"system":[{"text":"Be kind."}],)"
     R"("toolConfig":{"tools":[{"toolSpec":{"name":"f","description":"d","inputSchema":{"json":{"type":"object"}}}}]}}}})",
     R"({"inputTokens":14})"},
};

class Count : public testing::Test {
  protected:
    CountTranslation between(CountProtocol client, CountProtocol provider) {
        const std::string_view model =
            provider == CountProtocol::bedrock ? "anthropic.claude-sonnet-4-5-v1:0" : std::string_view("big");
        return {scratch, pool, {.client = client, .provider = provider, .model = model}};
    }
    BlockPool pool;
    TranslateScratch scratch;
};

TEST_F(Count, IsAskedForInEveryProvidersWordsAndToldInTheClients) {
    for (const Ask& ask : asks) {
        for (const Told& told : providers) {
            SCOPED_TRACE(std::string(ask.body) + " → " + std::string(told.request));
            CountTranslation count = between(ask.protocol, told.protocol);
            ByteBuffer request(pool), answer(pool);
            ASSERT_TRUE(count.request(ask.body, request)) << count.error_param();
            EXPECT_TRUE(request.view().starts_with(told.request)) << request.view();
            EXPECT_TRUE(Dom(request.view()).valid()) << request.view();
            for (const std::string_view lost : {"emperature", "max", "stream", "store", "inferenceConfig"})
                EXPECT_EQ(request.view().find(lost), std::string_view::npos) << request.view();
            ASSERT_TRUE(count.answer(told.answer, answer));
            ByteBuffer expected(pool);
            write_count(ask.protocol, 14, expected);
            EXPECT_EQ(answer.view(), expected.view());
        }
    }
}

TEST_F(Count, IsToldInEachProtocol) {
    const auto written = [this](CountProtocol client) {
        ByteBuffer out(pool);
        write_count(client, 7, out);
        return std::string(out.view());
    };
    EXPECT_EQ(written(CountProtocol::anthropic), R"({"input_tokens":7})");
    EXPECT_EQ(written(CountProtocol::gemini), R"({"totalTokens":7})");
    EXPECT_EQ(written(CountProtocol::responses), R"({"object":"response.input_tokens","input_tokens":7})");
}

TEST_F(Count, OfAnAnswerThatDoesNotSayItIsTheProvidersFault) {
    for (const std::string_view bad : {"", "{}", "[]", R"({"input_tokens":"9"})", R"({"input_tokens":9)",
                                       R"({"input_tokens":9}{})", R"({"totalTokens":9})"}) {
        CountTranslation count = between(CountProtocol::gemini, CountProtocol::anthropic);
        ByteBuffer out(pool);
        const Result<void> told = count.answer(bad, out);
        ASSERT_FALSE(told) << bad;
        EXPECT_EQ(told.error().side, Side::upstream);
        EXPECT_TRUE(out.empty());
    }
}

TEST_F(Count, OfABrokenRequestIsTheClientsFault) {
    for (const Ask& ask : asks) {
        for (size_t length = 0; length < ask.body.size(); ++length) {
            CountTranslation count = between(ask.protocol, CountProtocol::bedrock);
            ByteBuffer out(pool);
            const Result<void> asked = count.request(std::string(ask.body.substr(0, length)), out);
            ASSERT_FALSE(asked) << length;
            ASSERT_EQ(asked.error().side, Side::downstream);
            ASSERT_LE(count.error_offset(), length);
        }
    }
}

}  // namespace
}  // namespace loom::llm
