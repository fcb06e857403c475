// Clients and providers of different protocols over the wire: what is booked as a success, what a client gets where a
// stream breaks, and what of a client's words may stand in a provider's path.
#include "fixture.h"

namespace loom::wire {
namespace {

const std::string anthropic_front =
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":"
    "{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":"
    "{\"type\":\"text\",\"text\":\"\"}}\n\n"
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
    "{\"type\":\"text_delta\",\"text\":\"half an\"}}\n\n";
const std::string anthropic_error =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
const std::string anthropic_end =
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":"
    "{\"output_tokens\":12}}\n\n"
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

size_t count(std::string_view text, std::string_view part) {
    size_t found = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
    return found;
}

class TranslateReview : public WireTest {
  protected:
    TranslateReview() { conf.set("provider.mock.type", "anthropic"); }

    std::string messages_request(std::string_view body, std::string_view headers = "") {
        return request("POST", "/v1/messages",
                       auth_header() + "Content-Type: application/json\r\n" + std::string(headers), body);
    }
    const std::string messages_stream =
        R"({"model":"gpt-4o","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]})";

    /// After so many requests of the provider's: how many were booked so.
    double booked(std::string_view status, double requests) {
        std::map<std::string, double> metrics;
        wait_until("the booking", [&] {
            metrics = loom().metrics();
            return sum_where(metrics, "loom_ai_requests_total", {"provider=\"mock\""}) >= requests;
        });
        return sum_where(metrics, "loom_ai_requests_total",
                         {"provider=\"mock\"", "status=\"" + std::string(status) + "\""});
    }
};

// An upstream's error in the middle of its stream ends the stream's bytes in order, and was booked as a success.
TEST_F(TranslateReview, AnErrorInAStreamIsNoSuccess) {
    start(answer_always(sse_answer(anthropic_front + anthropic_error)));
    const Message translated = ask(chat_request(stream_body));
    EXPECT_TRUE(contains(translated.body, "half an")) << translated.body;
    EXPECT_EQ(count(translated.body, "Overloaded"), 1U) << translated.body;
    EXPECT_FALSE(contains(translated.body, "[DONE]")) << translated.body;
    const Message passed = ask(messages_request(messages_stream));
    EXPECT_EQ(passed.body, anthropic_front + anthropic_error);
    EXPECT_EQ(booked("error", 2), 2);
    EXPECT_EQ(booked("success", 2), 0);
}

TEST_F(TranslateReview, AStreamEndsOnceAndIsASuccess) {
    start(answer_always(sse_answer(anthropic_front + anthropic_end + anthropic_end)));
    const Message translated = ask(chat_request(stream_body));
    EXPECT_EQ(count(translated.body, "[DONE]"), 1U) << translated.body;
    EXPECT_TRUE(translated.body.ends_with(done_event)) << translated.body;
    EXPECT_EQ(booked("success", 1), 1);
    const auto metrics = loom().metrics();
    EXPECT_EQ(sum_where(metrics, "loom_ai_tokens_total", {"provider=\"mock\"", "type=\"input\""}), 9);
    EXPECT_EQ(sum_where(metrics, "loom_ai_tokens_total", {"provider=\"mock\"", "type=\"output\""}), 12);
}

// What such an event said was lost in silence, and the rest passed for a whole answer.
TEST_F(TranslateReview, AnEventThatCannotBeReadEndsTheStreamWithAnError) {
    start(answer_always(sse_answer(anthropic_front +
                                   "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
                                   "\"delta\":{\"type\":\"text_delta\",\"text\":\"\\x\"}}\n\n" +
                                   anthropic_end)));
    const Message response = ask(chat_request(stream_body));
    EXPECT_TRUE(contains(response.body, "half an")) << response.body;
    EXPECT_TRUE(contains(response.body, "\"error\"")) << response.body;
    EXPECT_FALSE(contains(response.body, "[DONE]")) << response.body;
    EXPECT_EQ(booked("error", 1), 1);
}

TEST_F(TranslateReview, ABrokenEscapeReachesNoProvider) {
    start(answer_always(answer(chat_answer)));
    const Message refused = ask(chat_request(R"({"model":"gpt-4o","messages":[{"role":"user","content":"a\x"}]})"));
    expect_error(refused, 400);
    EXPECT_EQ(upstream().request_count(), 0U);
}

// A model that is named with its provider's name in front could leave its segment of the path.
TEST_F(TranslateReview, AModelsNameStaysInItsSegment) {
    conf.set("provider.mock.type", "azure").set("provider.mock.api_version", "2024-10-21");
    conf.set("provider.mock.models", "");  // any
    start(answer_always(answer(chat_answer)));
    for (const char* model : {"..", "mock/..", "mock:.", "mock/.."}) {
        const std::string body =
            R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":"hi"}]})";
        EXPECT_EQ(ask(chat_request(body)).status(), 400) << model;
    }
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(ask(chat_request(R"({"model":"mock/a/../b?c#d","messages":[]})")).status(), 200);
    EXPECT_TRUE(contains(upstream().request(0).head.raw, "/deployments/a%2F..%2Fb%3Fc%23d/chat/completions"))
        << upstream().request(0).head.raw;
}

// The timer of the comments went on behind an error that came whole, and wrote into whatever the connection said next.
TEST_F(TranslateReview, NoCommentFollowsAWholeAnswer) {
    conf.set("route.ai.keepalive", "300ms").set("limit.body_size", "32MiB");
    Gate slow_saw_comments;
    const std::string error =
        R"({"type":"error","error":{"type":"rate_limit_error","message":")" + std::string(8 << 20, 'm') + R"("}})";
    start([&](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            if (contains(asked->body, "slow")) {
                slow_saw_comments.wait();
                connection.send(sse_answer(anthropic_front + anthropic_end));
            } else {
                connection.send(answer(error, "429 Too Many Requests"));
            }
        }
    });
    RawClient stalled = client(4096);
    stalled.send(chat_request(stream_body));
    stalled.reader().start_response();  // its head is there, and most of its body waits in Loom
    RawClient slow = client();
    slow.send(chat_request(R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"slow"}]})"));
    slow.reader().start_response();
    slow.reader().read_body_until(": keep-alive\n\n: keep-alive\n\n");
    slow_saw_comments.open();
    EXPECT_TRUE(slow.reader().read_rest().body.ends_with(done_event));
    const Message refused = stalled.reader().read_rest();
    EXPECT_TRUE(refused.is_whole());  // a 429, or an event of a stream that a slow machine had opened before
    EXPECT_EQ(stalled.ask(get("/v1/models")).status(), 200);
}

/// All consumers share the provider's key, and so what is stored under it.
TEST_F(TranslateReview, WhatIsStoredAtTheProviderIsNobodysToName) {
    conf.set("provider.mock.type", "openai");
    start(answer_always(answer(R"({"id":"resp_1","object":"response","output":[]})")));
    const auto respond = [&](std::string_view members) {
        return ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                           R"({"model":"gpt-4o","input":"hi")" + std::string(members) + "}"));
    };
    for (const char* members : {R"(,"previous_response_id":"resp_of_another")", R"(,"conversation":{"id":"conv_1"})",
                                R"(,"conversation":"conv_1")"})
        expect_error(respond(members), 403, "forbidden");
    for (const char* item : {R"({"type":"item_reference","id":"msg_of_another"})", R"({"id":"msg_of_another"})",
                             R"({"id":"msg_of_another","type":null})"}) {
        const Message referred =
            ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                        R"({"model":"gpt-4o","input":[)" + std::string(item) + "]}"));
        expect_error(referred, 403, "forbidden");
    }
    expect_error(respond(R"(,"previous\u005fresponse_id":"resp_of_another")"), 400);  // an upstream would read it
    EXPECT_EQ(upstream().requests().size(), 0U);
    EXPECT_EQ(respond(R"(,"previous_response_id":null,"conversation":null)").status(), 200);
    conf.set("route.ai.passthrough", "responses");
    loom().reload(conf.text());
    expect_error(respond(R"(,"previous_response_id":"resp_1")"), 404);  // of before: nobody knows whose it is
    EXPECT_EQ(respond("").status(), 200);
    EXPECT_EQ(respond(R"(,"previous_response_id":"resp_1")").status(), 200);
}

}  // namespace
}  // namespace loom::wire
