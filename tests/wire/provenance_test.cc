// Who says how many tokens a request took: its provider, its model's own rank file, or a guess. The ledger and the
// access log say the same word, and the same numbers.
#include <fmt/format.h>

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
    expect_booked("estimated", 2, 28);  // a quarter of the bytes
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
    expect_booked("estimated", 2, 28);
    EXPECT_TRUE(contains(loom().wait_for_access_line(R"("status":)"), R"("cost":0.03)"));
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
