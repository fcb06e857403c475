// What providers say when a prompt is too long or its contents are not allowed, each in its own words.
#include "loom/llm/refusal.h"

#include <gtest/gtest.h>

#include <string>

namespace loom::llm {
namespace {

Refusal of(Protocol provider, int status, std::string_view body) {
    static BlockPool pool;
    return read_refusal(pool, provider, status, body);
}

struct Said {
    Protocol by;
    Refusal refusal;
    const char* body;
};
// As they were seen on the wire: see the sources beside the table.
const Said bodies[] = {
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","param":null,"code":400})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"message":"This model's maximum context length is 65536 tokens. However, you requested 70000 tokens","type":"invalid_request_error","param":null,"code":"invalid_request_error"}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"message":"Blocked.","type":"content_filter","param":null,"code":"content_filter"}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy.","type":"invalid_request_error","param":null,"code":"invalid_prompt"}})"},
    {Protocol::openai_chat, Refusal::none,
     R"({"error":{"message":"Invalid prompt: it has no messages","type":"invalid_request_error","code":"invalid_prompt"}})"},
    {Protocol::openai_chat, Refusal::none,
     R"({"error":{"message":"'maximum context length' is no field of this request","type":"invalid_request_error","code":"unknown_parameter"}})"},
    // A text is too long; a call's id is, which another model does not take either.
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"message":"Invalid 'messages[17].content': string too long. Expected a string with maximum length 1048576, but got a string with length 1744259 instead.","type":"invalid_request_error","param":"messages[17].content","code":"string_above_max_length"}})"},
    {Protocol::openai_responses, Refusal::none,
     R"({"error":{"message":"Invalid 'input[95].call_id': string too long. Expected a string with maximum length 64, but got a string with length 116 instead.","type":"invalid_request_error","param":"input[95].call_id","code":"string_above_max_length"}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o model. Max size: 8000 tokens.","details":"Request body too large for gpt-4o model. Max size: 8000 tokens."}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"code":"invalid_parameter_error","message":"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 983616]","param":null,"type":"invalid_request_error"},"request_id":"81a373d6"})"},
    {Protocol::openai_chat, Refusal::none,
     R"({"error":{"code":"invalid_parameter_error","message":"Range of max_tokens should be [1, 8192]","param":null,"type":"invalid_request_error"}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content.","type":"data_inspection_failed"}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"code":"invalid-argument","error":"This model's maximum prompt length is 500000 but the request contains 637815 tokens."})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"code":"Client specified an invalid argument","error":"Generated image rejected by content moderation"})"},
    {Protocol::openai_chat, Refusal::none, R"({"code":"invalid-argument","error":"Argument not supported: stop"})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"code":"1261","message":"Prompt exceeds max length"}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"type":"image_generation_user_error","code":"moderation_blocked","message":"Your request was rejected by the safety system."}})"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"j({"error":{"message":"Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)","type":"invalid_request_error"}})j"},
    {Protocol::openai_chat, Refusal::content_policy,
     R"({"error":{"message":"Content Exists Risk","type":"invalid_request_error","param":null,"code":"invalid_request_error"}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"message":"This model's maximum context length is 2048 tokens. However, your request has 8 input tokens plus 2045 'max_tokens'.","type":"BadRequestError","param":"input_tokens, max_tokens","code":400}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":{"message":"This endpoint's maximum context length is 32768 tokens. However, you requested about 42832 tokens","code":400,"metadata":{"provider_name":null}}})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"object":"error","message":"Prompt contains 66385 tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","param":null,"code":"3051"})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5013 `inputs` tokens and 128 `max_new_tokens`","error_type":"validation"})"},
    {Protocol::openai_chat, Refusal::context_window,
     R"({"error":"Trying to keep the first 10136 tokens when context the overflows. However, the model is loaded with context length of only 7866 tokens, which is not enough."})"},
    {Protocol::openai_responses, Refusal::context_window,
     R"({"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","param":"input","code":"context_length_exceeded"}})"},
    {Protocol::anthropic, Refusal::context_window,
     R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 209353 tokens > 200000 maximum"}})"},
    {Protocol::anthropic, Refusal::context_window,
     R"({"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}})"},
    {Protocol::anthropic, Refusal::content_policy,
     R"({"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}})"},
    {Protocol::anthropic, Refusal::none,
     R"({"type":"error","error":{"type":"invalid_request_error","message":"messages: at least one message is required"}})"},
    {Protocol::gemini, Refusal::context_window,
     R"({"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}})"},
    {Protocol::gemini, Refusal::context_window,
     R"([{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed 1048576.","errors":[{"message":"x","domain":"global","reason":"badRequest"}],"status":"INVALID_ARGUMENT"}}])"},
    {Protocol::gemini, Refusal::context_window,
     R"({"error":{"code":400,"message":"Unable to submit request because the input token count is 3601938 but model only supports up to 1000000.","status":"INVALID_ARGUMENT"}})"},
    {Protocol::gemini, Refusal::none,
     R"({"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}})"},
    {Protocol::bedrock, Refusal::context_window, R"({"message":"Input is too long for requested model."})"},
    {Protocol::bedrock, Refusal::context_window,
     R"({"message":"The model returned the following errors: prompt is too long: 200049 tokens > 200000 maximum"})"},
    {Protocol::bedrock, Refusal::context_window,
     R"({"message":"400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token count: 9279 "})"},
    {Protocol::bedrock, Refusal::context_window,
     R"({"message":"This model's maximum context length is 8192 tokens. Please reduce the length of the prompt"})"},
    {Protocol::bedrock, Refusal::none, R"({"message":"messages.0.content: Field required"})"},
    {Protocol::cohere, Refusal::none,
     R"({"message":"too many tokens: max tokens must be less than or equal to 4096, the maximum output for this model - received 8192."})"},
    {Protocol::cohere, Refusal::context_window,
     R"({"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4292."})"},
    {Protocol::cohere, Refusal::context_window,
     R"({"message":"too many tokens: size limit exceeded by 11326 tokens. Try using shorter or fewer inputs"})"},
};

TEST(RefusalOf, EachProtocolsOwnWords) {
    for (const Said& one : bodies) EXPECT_EQ(of(one.by, 400, one.body), one.refusal) << one.body;
}

TEST(RefusalOf, OnlyAnErrorOfTheRequestIsOne) {
    for (const int status : {200, 401, 403, 404, 429, 500, 503})
        EXPECT_EQ(of(Protocol::openai_chat, status, bodies[0].body), Refusal::none) << status;
    EXPECT_EQ(of(Protocol::openai_chat, 413, bodies[0].body), Refusal::context_window);
}

TEST(RefusalOf, WhatCannotBeReadIsNone) {
    for (const char* body : {"", "<html>413 Request Entity Too Large</html>", "null", "[]",
                             "{\"error\":", "{\"error\":{}}", "{\"error\":\"no\"}", "\xff\xfe"})
        for (const Protocol provider : {Protocol::openai_chat, Protocol::openai_responses, Protocol::anthropic,
                                        Protocol::gemini, Protocol::bedrock, Protocol::cohere})
            EXPECT_EQ(of(provider, 400, body), Refusal::none) << body;
    const std::string whole = bodies[0].body;
    for (size_t cut = 0; cut < whole.size(); ++cut) (void)of(Protocol::openai_chat, 400, whole.substr(0, cut));
}

}  // namespace
}  // namespace loom::llm
