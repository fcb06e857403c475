// Legacy completions: requests read, answers and streams written.
#include "openai_completions.h"

#include "openai_call.h"

namespace loom::llm {
namespace {

class CompletionsClient : public ::testing::Test {
  protected:
    Result<void> read(std::string_view body) {
        request = {};
        return openai_completions_dialect().read_request(body, call.context, request);
    }
    void tell(const Delta& delta) { encoder->write(delta, call.context, call.out); }

    OpenaiCall call{Protocol::openai_completions, Protocol::anthropic};
    ChatRequest request;
    std::unique_ptr<StreamEncoder> encoder = openai_completions_dialect().encoder();
};

TEST_F(CompletionsClient, APromptIsTheUsersMessage) {
    ASSERT_TRUE(read(R"({"model":"m","prompt":"Say \"hi\"","max_tokens":7,"temperature":0,"top_p":1,"n":2,"stream":true,
        "stream_options":{"include_usage":true},"stop":["a","b"],"presence_penalty":0.5,"frequency_penalty":0.25,
        "logit_bias":{"1":2},"user":"u","seed":9,"best_of":2,"echo":false,"logprobs":null,"suffix":null})"));
    ASSERT_EQ(request.messages.count(), 1u);
    EXPECT_EQ(request.messages.front().role, Role::user);
    EXPECT_EQ(request.messages.front().parts.front().text, R"(Say \"hi\")");
    EXPECT_EQ(request.max_tokens, 7u);
    EXPECT_EQ(request.n, 2u);
    EXPECT_EQ(request.stop.count(), 2u);
    EXPECT_EQ(request.seed, "9");
    EXPECT_TRUE(request.stream);
    EXPECT_TRUE(request.include_usage);
    EXPECT_EQ(call.dropped(), "");
    ASSERT_TRUE(read(R"({"prompt":["one"],"logprobs":3,"echo":true,"best_of":4,"top_x":1})"));
    EXPECT_EQ(request.messages.front().parts.front().text, "one");
    EXPECT_EQ(call.dropped(), "logprobs,echo,best_of,top_x");
}

TEST_F(CompletionsClient, WhatChatCannotDoIsRefused) {
    struct Case {
        std::string_view body;
        std::string_view param;
        Errc code;
    };
    for (const Case& one : std::initializer_list<Case>{{R"({"prompt":["a","b"]})", "prompt", Errc::unsupported},
                                                       {R"({"prompt":[1,2,3]})", "prompt", Errc::unsupported},
                                                       {R"({"prompt":[[1]]})", "prompt", Errc::unsupported},
                                                       {R"({"prompt":"x","suffix":"y"})", "suffix", Errc::unsupported},
                                                       {R"({"model":"x"})", "prompt", Errc::bad_message},
                                                       {R"({"prompt":[]})", "prompt", Errc::bad_message},
                                                       {R"({"prompt":"x","n":-1})", "n", Errc::bad_message},
                                                       {R"({"prompt":"x","top_p":"1"})", "top_p", Errc::bad_message}}) {
        const Result<void> step = read(one.body);
        ASSERT_FALSE(step) << one.body;
        EXPECT_EQ(step.error().code, one.code) << one.body;
        EXPECT_EQ(call.context.error_param, one.param) << one.body;
    }
    EXPECT_FALSE(openai_completions_dialect().write_request(request, call.context, call.out));
}

TEST_F(CompletionsClient, AnAnswerHasTheLegacyShape) {
    ChatAnswer answer{.id = "cmpl-1", .created = 5};
    answer.usage = {.input = 3, .output = 4, .cached_input = 1, .total = 7, .provenance = Usage::Provenance::reported};
    Choice& choice = answer.choices.add(call.call, {.finish = FinishReason::length});
    choice.parts.add(call.call, {.kind = Part::Kind::thinking, .text = "hm"});
    choice.parts.add(call.call, {.text = "Hel"});
    choice.parts.add(call.call, {.text = "lo"});
    answer.choices.add(call.call, {.index = 1});
    openai_completions_dialect().write_answer(answer, call.context, call.out);
    EXPECT_EQ(
        call.taken(),
        R"({"id":"cmpl-1","object":"text_completion","created":5,"model":"client-model","choices":[)"
        R"({"text":"Hello","index":0,"logprobs":null,"finish_reason":"length"},)"
        R"({"text":"","index":1,"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,)"
        R"("total_tokens":7,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":0}}})");
    EXPECT_EQ(call.dropped(), "reasoning_content");
}

TEST_F(CompletionsClient, AStreamHasTheLegacyShapeAndEndsOnce) {
    call.terms.include_usage = true;
    const Usage usage{.input = 1, .output = 2, .total = 3, .provenance = Usage::Provenance::reported};
    tell({.kind = Delta::Kind::text, .text = "a\\n"});
    tell({.kind = Delta::Kind::finish, .reason = FinishReason::stop});
    tell({.kind = Delta::Kind::finish, .reason = FinishReason::length});
    tell({.kind = Delta::Kind::usage, .usage = &usage});
    tell({.kind = Delta::Kind::end});
    tell({.kind = Delta::Kind::end});
    const std::string front =
        R"(data: {"id":"fallback","object":"text_completion","created":1700000000,"model":"client-model","choices":[)";
    EXPECT_EQ(
        call.taken(),
        front + R"({"text":"a\n","index":0,"logprobs":null,"finish_reason":null}],"usage":null})" + "\n\n" + front +
            R"({"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null})" + "\n\n" + front +
            R"(],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0},)"
            R"("completion_tokens_details":{"reasoning_tokens":0}}})" +
            "\n\ndata: [DONE]\n\n");
}

TEST_F(CompletionsClient, AnErrorEndsTheStream) {
    const ErrorAnswer error{.message = "gone", .type = "api_error"};
    tell({.kind = Delta::Kind::error, .error = &error});
    tell({.kind = Delta::Kind::end});
    EXPECT_EQ(call.taken(),
              "data: {\"error\":{\"message\":\"gone\",\"type\":\"api_error\",\"param\":null,\"code\":null}}\n\n");
}

TEST_F(CompletionsClient, AResponsesProviderAnswersIt) {
    BlockPool pool;
    TranslateScratch scratch;
    Translation translation(scratch, pool,
                            {.client = Protocol::openai_completions,
                             .provider = Protocol::openai_responses,
                             .model = "m",
                             .client_model = "c"});
    ByteBuffer out(pool);
    ASSERT_TRUE(translation.request(R"({"model":"x","prompt":"p","max_tokens":50})", out));
    EXPECT_EQ(out.view(),
              R"({"model":"m","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"p"}]}],)"
              R"("max_output_tokens":50,"store":false})");
    out.clear();
    Usage usage;
    ASSERT_TRUE(translation.answer(
        R"({"id":"r","created_at":1,"output":[{"type":"message","content":[{"type":"output_text","text":"t"}]}]})", out,
        usage));
    EXPECT_EQ(
        out.view(),
        R"({"id":"r","object":"text_completion","created":1,"model":"c","choices":[{"text":"t","index":0,"logprobs":null,"finish_reason":"stop"}]})");
}

TEST_F(CompletionsClient, BrokenRequestsNeverCrash) {
    torment(
        R"({"model":"m","prompt":["é"],"max_tokens":7,"stream_options":{"include_usage":true},"stop":["a"],"logit_bias":{"1":2}})",
        [](const std::string& body, bool is_cut) {
            OpenaiCall one(Protocol::openai_completions, Protocol::anthropic);
            ChatRequest chat;
            const Result<void> step = openai_completions_dialect().read_request(body, one.context, chat);
            if (is_cut) EXPECT_FALSE(step) << body;
        });
}

}  // namespace
}  // namespace loom::llm
