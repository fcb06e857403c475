// Who says how many tokens a request took: its provider, its model's own rank file, or a guess. The ledger and the
// access log say the same word, and the same numbers.
#include <fmt/format.h>

#include "ledger_pages.h"
#include "loom/llm/token_estimate.h"
#include "tokenized.h"

namespace loom::wire {
namespace {

const std::string breaks_off = R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"the the"}]})";

/// Ten events of three words, and no end.
void tell_and_break(UpstreamConnection& connection) {
    if (!connection.read_request()) return;
    std::string events;
    for (int i = 0; i < 10; ++i) events += delta_event("the the the");
    connection.send(sse_head + chunk(events));
    connection.wait_until_loom_has_read();
    connection.reset();
}

/// As they are estimated.
long told_tokens() {
    llm::TokenEstimate estimate;
    for (int i = 0; i < 10; ++i) estimate.add("the the the");
    return static_cast<long>(estimate.tokens());
}

class Provenance : public Tokenized {
  protected:
    Provenance() { allow_script_failures(); }
    void without_ranks() { conf.set("tokenizer.o200k_base.path", ""); }
    /// Of the one request that was made: so many tokens, in the ledger and in the log, and who has told them.
    void expect_booked(std::string_view word, long prompt, long completion) {
        const std::string numbers = fmt::format(R"("tokens":{{"prompt":{},"completion":{},)", prompt, completion);
        std::string page;
        wait_until("it to be in the ledger", [&] {
            page = ask_once(loom().admin_port(), request("GET", "/ai/usage"), false).body;
            return contains(page, R"("provenances":[{"provenance":)");
        });
        const std::string row = page.substr(page.find(R"("provenances":[)"));
        EXPECT_TRUE(row.starts_with(fmt::format(R"("provenances":[{{"provenance":"{}",{})", word, numbers))) << page;
        const std::string line = loom().wait_for_access_line(R"("status":)");
        EXPECT_TRUE(contains(
            line, fmt::format(R"("usage":"{}","tokens_input":{},"tokens_output":{},)", word, prompt, completion)))
            << line;
    }
    Message asked(std::string_view body) { return ask(chat_request(body)); }
};

TEST_F(Provenance, WhatTheProviderTellsIsReported) {
    start(answer_always(answer(chat_answer)));
    EXPECT_EQ(asked(chat_body).status(), 200);
    expect_booked("reported", 9, 12);
}

TEST_F(Provenance, AStreamThatBreaksOffIsCountedByTheRankFile) {
    start(tell_and_break);
    EXPECT_EQ(asked(breaks_off).status(), 200);
    expect_booked("counted", 2 + 4 + 3, 3 * 10);  // words, and the frame of a message and an answer
}

TEST_F(Provenance, WithoutARankFileItIsEstimated) {
    without_ranks();
    start(tell_and_break);
    EXPECT_EQ(asked(breaks_off).status(), 200);
    expect_booked("estimated", 2, told_tokens());
}

TEST_F(Provenance, SoIsWhatTheRankFileDoesNotReach) {
    start(tell_and_break);
    const std::string picture =
        R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":"the the"},)"
        R"({"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}]})";
    EXPECT_EQ(asked(picture).status(), 200);
    wait_until("it to be in the ledger", [&] {
        return contains(ask_once(loom().admin_port(), request("GET", "/ai/usage"), false).body,
                        R"("provenance":"estimated")");
    });
    EXPECT_TRUE(contains(loom().wait_for_access_line(R"("status":)"), R"("usage":"estimated")"));
}

/// Text that the provider reads in documents, or has stored, nobody here has counted.
TEST_F(Provenance, ACountOfWhatIsNotHereIsEstimated) {
    conf.set("provider.mock.type", "groq");
    start(answer_always(answer(chat_answer)));
    const auto count = [&](std::string_view path, std::string_view document) {
        const Message told =
            ask(request("POST", path, auth_header() + "Content-Type: application/json\r\n", std::string(document)));
        EXPECT_EQ(told.status(), 200) << told.raw();
        return told.head.value("x-loom-token-count");
    };
    const auto message = [&](std::string_view part) {
        return count("/v1/messages/count_tokens",
                     fmt::format(R"({{"model":"gpt-4o","messages":[{{"role":"user","content":[{},)"
                                 R"({{"type":"text","text":"the the"}}]}}]}})",
                                 part));
    };
    EXPECT_EQ(message(R"({"type":"text","text":"the"})"), "counted");
    EXPECT_EQ(message(R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"the"}})"),
              "estimated");
    EXPECT_EQ(message(R"({"type":"container_upload","file_id":"file_1"})"), "estimated");
}

TEST_F(Provenance, SoIsAPromptWithAFile) {
    start(tell_and_break);
    EXPECT_EQ(asked(R"({"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":[{"type":"text","text":)"
                    R"("the the"},{"type":"file","file":{"file_id":"file-1"}}]}]})")
                  .status(),
              200);
    EXPECT_TRUE(contains(loom().wait_for_access_line(R"("status":)"), R"("usage":"estimated")"));
}

class ProvenanceOfResponses : public Provenance,
                              public testing::WithParamInterface<std::pair<const char*, const char*>> {};

TEST_P(ProvenanceOfResponses, WhatTheProviderHasOrReadsIsEstimated) {
    const auto [document, word] = GetParam();
    conf.set("route.ai.auth.type", "none");  // what is stored is told to no consumer
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head +
                        chunk("event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
                              "\"item_id\":\"m\",\"output_index\":0,\"content_index\":0,\"delta\":\" the\"}\n\n"));
        connection.wait_until_loom_has_read();
        connection.reset();
    });
    (void)ask(request("POST", "/v1/responses", auth_header() + "Content-Type: application/json\r\n",
                      fmt::format(R"({{"model":"gpt-4o","stream":true,{}}})", document)));
    const std::string line = loom().wait_for_access_line(R"("status":)");
    EXPECT_TRUE(contains(line, fmt::format(R"("usage":"{}")", word))) << line;
}

INSTANTIATE_TEST_SUITE_P(
    Each, ProvenanceOfResponses,
    testing::Values(std::pair(R"("input":"the the")", "counted"),
                    std::pair(R"("input":[{"role":"user","content":[{"type":"input_text","text":"the"},)"
                              R"({"type":"input_file","file_id":"f"}]}])",
                              "estimated"),
                    std::pair(R"("input":"the the","previous_response_id":"resp_1")", "estimated"),
                    std::pair(R"("input":"the the","conversation":"conv_1")", "estimated"),
                    std::pair(R"("input":[{"role":"user","content":"the"},{"type":"item_reference","id":"m"}])",
                              "estimated"),
                    std::pair(R"("input":[{"role":"user","content":"the"},{"id":"m"}])", "estimated")));

/// Another model's tokens are others.
class ProvenanceOfFallback : public Provenance {
  protected:
    void expect_led_on(std::string_view model, std::string_view word) {
        conf.set("provider.mock.models", "gpt-4o, gpt-long, gpt-known");
        conf.set("model_fallback.gpt-4o.context_window", std::string(model));
        conf.set("tokenizer.other.path", path_)
            .set("tokenizer.other.models", "gpt-long")
            .set("tokenizer.other.pattern", "o200k_base");
        conf.set("tokenizer.o200k_base.models", "gpt-known").set("routing.failover.enabled", "on");
        start([](UpstreamConnection& connection) {
            while (const auto request = connection.read_request()) {
                if (contains(request->body, R"("gpt-4o")")) {
                    connection.send(answer(R"({"error":{"message":"too long","code":"context_length_exceeded"}})",
                                           "400 Bad Request"));
                    continue;
                }
                connection.send(sse_head + chunk(delta_event("the the the")));
                connection.wait_until_loom_has_read();
                return connection.reset();
            }
        });
        EXPECT_EQ(asked(breaks_off).status(), 200);
        const std::string line = loom().wait_for_access_line(R"("status":)");
        EXPECT_TRUE(contains(line, fmt::format(R"("usage":"{}")", word))) << line;
    }
};

TEST_F(ProvenanceOfFallback, ToOneOfAnotherRankFileIsEstimated) { expect_led_on("gpt-long", "estimated"); }
TEST_F(ProvenanceOfFallback, ToOneOfTheSameIsCounted) { expect_led_on("gpt-known", "counted"); }

TEST_F(Provenance, SoIsAPromptThatIsLongerThanIsCounted) {
    start(tell_and_break);
    EXPECT_EQ(asked(fmt::format(R"({{"model":"gpt-4o","stream":true,"messages":[{{"role":"user","content":"{}"}}]}})",
                                std::string(40'000, 'a')))
                  .status(),
              200);
    wait_until("it to be in the ledger", [&] {
        return contains(ask_once(loom().admin_port(), request("GET", "/ai/usage"), false).body,
                        R"("provenance":"estimated")");
    });
}

TEST_F(Provenance, AnAnswerThatComesWholeAndTellsNothingIsEstimated) {
    start(answer_always(answer(R"({"id":"c","object":"chat.completion","choices":[]})")));
    EXPECT_EQ(asked(the_words).status(), 200);
    expect_booked("estimated", 3 + 4 + 3, 13);  // the prompt was counted, and the answer was not
}

/// Anthropic tells the prompt's tokens first, and those of the answer at its end.
class ProvenanceOfTheBeginning : public Provenance {
  protected:
    void begin() {
        conf.set("provider.mock.type", "anthropic");
        start([](UpstreamConnection& connection) {
            if (!connection.read_request()) return;
            connection.send(
                sse_head +
                chunk("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":"
                      "\"message\",\"role\":\"assistant\",\"model\":\"gpt-4o\",\"content\":[],\"stop_reason\":null,"
                      "\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n"
                      "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                      "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
                      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":"
                      "{\"type\":\"text_delta\",\"text\":\" the the the the the the the the\"}}\n\n"));
            connection.wait_until_loom_has_read();
            connection.reset();
        });
        EXPECT_EQ(asked(breaks_off).status(), 200);
    }
};

TEST_F(ProvenanceOfTheBeginning, IsCountedWithARankFile) {
    begin();
    expect_booked("counted", 25, 8);
}

TEST_F(ProvenanceOfTheBeginning, AndEstimatedWithout) {
    without_ranks();
    begin();
    expect_booked("estimated", 25, 8);
}

/// Streams for ever, so that its budget ends it.
void tell_for_ever(UpstreamConnection& connection) {
    if (!connection.read_request()) return;
    connection.send(sse_head);
    for (int i = 0; i < 5'000; ++i) connection.send(chunk(delta_event(" the")));
}

class ProvenanceOfTheStopped : public Provenance {
  protected:
    void expect_stopped(std::string_view word) {
        conf.set("token_accounting.limit.tester.daily_limit", "600");
        start(tell_for_ever);
        EXPECT_TRUE(contains(asked(breaks_off).body, R"("finish_reason":"length")"));
        wait_until("it to be in the ledger", [&] {
            return contains(ask_once(loom().admin_port(), request("GET", "/ai/usage"), false).body,
                            fmt::format(R"("provenances":[{{"provenance":"{}")", word));
        });
        EXPECT_TRUE(contains(loom().wait_for_access_line(R"("status":)"), fmt::format(R"("usage":"{}")", word)));
    }
};

TEST_F(ProvenanceOfTheStopped, IsCountedWithARankFile) { expect_stopped("counted"); }

TEST_F(ProvenanceOfTheStopped, AndEstimatedWithout) {
    without_ranks();
    expect_stopped("estimated");
}

TEST_F(Provenance, TheLogsCostIsTheLedgers) {
    conf.set("price.gpt-4o.input_per_1m", "1000").set("price.gpt-4o.output_per_1m", "1000");
    without_ranks();
    start(tell_and_break);
    EXPECT_EQ(asked(breaks_off).status(), 200);
    expect_booked("estimated", 2, told_tokens());
    const std::string cost = fmt::format("{}", static_cast<double>(2 + told_tokens()) / 1000);
    EXPECT_TRUE(contains(loom().wait_for_access_line(R"("status":)"), fmt::format(R"("cost":{},)", cost)));
    EXPECT_TRUE(contains(usage_page(loom(), "/tester"), fmt::format(R"("cost":"{}")", cost)));
}

TEST_F(Provenance, ACountSaysWhetherItWasCounted) {
    start(answer_always(answer(chat_answer)));
    const auto count = [&] {
        return ask(request("POST", "/v1/messages/count_tokens", auth_header() + "Content-Type: application/json\r\n",
                           R"({"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":"the the"}]})"));
    };
    conf.set("provider.mock.type", "groq");
    loom().reload(conf.text());
    EXPECT_EQ(count().head.value("x-loom-token-count"), "counted");
    without_ranks();
    loom().reload(conf.text());
    EXPECT_EQ(count().head.value("x-loom-token-count"), "estimated");
}

}  // namespace
}  // namespace loom::wire
