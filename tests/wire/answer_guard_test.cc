// Personal data in answers: masked, refused or counted, whole and in streams, in every pair of protocols; and what was
// masked of a request, put back for its client and nobody else.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "protocols.h"

namespace loom::wire {
namespace {

size_t count_of(std::string_view text, std::string_view part) {
    size_t count = 0;
    for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) count += 1;
    return count;
}

size_t pairs_of(const ProviderProtocol& provider) {
    return static_cast<size_t>(std::ranges::count_if(
        client_protocols(), [&](const ClientProtocol& client) { return is_pair(provider, client); }));
}

class AnswerGuard : public WireTest {
  protected:
    AnswerGuard() {
        conf.set("security.pii_detection.enabled", "on").set("security.pii_detection.direction", "response");
        serve_every_protocol(conf);
    }
    void begin(const ProviderProtocol& provider, bool stream) {
        conf.set("provider.mock.type", provider.type);
        begin(answer_always(stream ? stream_answer(provider) : answer(provider.answer)));
    }
    /// Also anew, with another conf.
    void begin(const ScriptedUpstream::Script& script) {
        start(script);
        upstream().set_script(script);
        requests_before_ = upstream().request_count();
    }
    size_t asked() { return upstream().request_count() - requests_before_; }
    double told(const std::string& type) {
        return loom().metric("loom_ai_pii_detected_total{type=\"" + type + "\",direction=\"response\"}");
    }

  private:
    size_t requests_before_ = 0;
};

TEST_F(AnswerGuard, WholeAnswersAreMaskedForEveryPair) {
    for (const ProviderProtocol& provider : provider_protocols()) {
        begin(saying(provider, "Write ann@exam", "ple.org."), false);
        for (const ClientProtocol& client : client_protocols()) {
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(client.ask("big", false, ""));
            EXPECT_EQ(got.status(), 200) << got.body;
            EXPECT_TRUE(contains(got.body, "Write [EMAIL_1].")) << got.body;
            EXPECT_FALSE(contains(got.body, "example.org"));
        }
        EXPECT_EQ(loom().eventually(R"(loom_ai_pii_detected_total{type="email",direction="response"})"),
                  static_cast<double>(client_protocols().size()));
        EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21.0 * static_cast<double>(client_protocols().size()));
        EXPECT_FALSE(contains(loom().log(), "ann@"));
    }
}

TEST_F(AnswerGuard, StreamsAreMaskedForEveryPair) {
    for (const ProviderProtocol& provider : provider_protocols()) {
        if (std::string_view(provider.type) == "bedrock") continue;  // whose frames have checksums
        begin(saying(provider, "Write ann@exam", "ple.org"), true);
        for (const ClientProtocol& client : client_protocols()) {
            if (!is_pair(provider, client)) continue;
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(client.ask("big", true, ""));
            EXPECT_EQ(got.status(), 200) << got.body;
            EXPECT_TRUE(got.is_whole());
            EXPECT_FALSE(contains(got.body, "ann@") || contains(got.body, "example.org") ||
                         contains(got.body, "ple.org"))
                << got.body;
            EXPECT_GE(count_of(got.body, "[EMAIL_1]"), 1u) << got.body;
            EXPECT_TRUE(contains(got.body, client.stream_end)) << got.body;
            EXPECT_FALSE(contains(got.body, "\"error\":{")) << got.body;
        }
        EXPECT_EQ(loom().eventually(R"(loom_ai_pii_detected_total{type="email",direction="response"})"),
                  static_cast<double>(pairs_of(provider)));
        EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21.0 * static_cast<double>(pairs_of(provider)));
    }
}

TEST_F(AnswerGuard, ResponsesAsTheyComeAreMaskedAlsoWhereTheyTellAllAgain) {
    const auto event = [](std::string_view type, std::string_view rest) {
        return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\",{1}}}\n\n", type, rest);
    };
    const std::string place = R"("item_id":"i","output_index":0,"content_index":0,)";
    const std::string part = R"({"type":"output_text","text":"Write ann@example.org","annotations":[]})";
    const std::string item =
        fmt::format(R"({{"id":"i","type":"message","role":"assistant","status":"completed","content":[{}]}})", part);
    const std::string response = R"("response":{"id":"r","object":"response","created_at":7,"model":"m","status":)";
    const std::string events =
        event("response.created", response + R"("in_progress","output":[]},"sequence_number":0)") +
        event(
            "response.output_item.added",
            R"("output_index":0,"item":{"id":"i","type":"message","status":"in_progress","role":"assistant","content":[]},"sequence_number":1)") +
        event("response.content_part.added",
              place + R"("part":{"type":"output_text","text":"","annotations":[]},"sequence_number":2)") +
        event("response.output_text.delta", place + R"("delta":"Write ann@exam","sequence_number":3)") +
        event("response.output_text.delta", place + R"("delta":"ple.org","sequence_number":4)") +
        event("response.output_text.done", place + R"("text":"Write ann@example.org","sequence_number":5)") +
        event("response.content_part.done", fmt::format(R"({}"part":{},"sequence_number":6)", place, part)) +
        event("response.output_item.done", fmt::format(R"("output_index":0,"item":{},"sequence_number":7)", item)) +
        event(
            "response.completed",
            fmt::format(
                R"({}"completed","output":[{}],"usage":{{"input_tokens":9,"output_tokens":12,"total_tokens":21}}}},"sequence_number":8)",
                response, item));
    for (const bool blocks : {false, true}) {
        conf.set("security.pii_detection.action", blocks ? "block" : "mask");
        begin(answer_always(sse_answer(events)));
        const Message got = ask(client_protocol("openai_responses").ask("big", true, ""));
        EXPECT_TRUE(got.is_whole());
        EXPECT_FALSE(contains(got.body, "ann@") || contains(got.body, "ple.org")) << got.body;
        if (!blocks) EXPECT_EQ(count_of(got.body, "[EMAIL_1]"), 5u) << got.body;
        EXPECT_EQ(count_of(got.body, "event: response.incomplete"), blocks ? 1u : 0u) << got.body;
        EXPECT_EQ(count_of(got.body, "event: response.completed"), blocks ? 0u : 1u) << got.body;
        if (blocks) EXPECT_TRUE(contains(got.body, R"("reason":"content_filter")")) << got.body;
        EXPECT_EQ(loom().eventually(R"(loom_ai_pii_detected_total{type="email",direction="response"})"), 1);
    }
}

/// An answer whose ids are written down first is collected by somebody else.
TEST_F(AnswerGuard, StoredResponsesAreMaskedToo) {
    conf.set("route.ai.passthrough", "responses");
    const std::string body =
        R"({"id":"resp_1","object":"response","created_at":7,"model":"m","status":"completed","output":[{"id":"i","type":"message","role":"assistant","content":[{"type":"output_text","text":"Write ann@example.org","annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":12,"total_tokens":21}})";
    for (const bool blocks : {false, true}) {
        conf.set("security.pii_detection.action", blocks ? "block" : "mask");
        begin(answer_always(answer(body)));
        const Message got = ask(client_protocol("openai_responses").ask("big", false, ""));
        EXPECT_EQ(got.status(), blocks ? 400 : 200) << got.body;
        EXPECT_EQ(contains(got.body, "Write [EMAIL_1]"), !blocks) << got.body;
        EXPECT_FALSE(contains(got.body, "ann@")) << got.body;
        EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21);
    }
}

/// Wherever the bytes of a stream are cut on the wire.
TEST_F(AnswerGuard, EveryCutOfTheBytesTellsTheSame) {
    const std::string events = delta_event("of ann@exam") + delta_event("ple.org, \\u0061nn@example.") +
                               delta_event("org and 4111 1111 ") + delta_event("1111 1111") + done_event;
    const std::string bytes = chunk(events) + std::string(last_chunk);
    std::atomic<size_t> cut = 0;
    start([&](UpstreamConnection& connection) {
        while (connection.read_request())
            if (!connection.send(sse_head) || !connection.send_cut_at(bytes, cut)) return;
    });
    std::string first;
    for (cut = 1; cut < bytes.size(); cut += 5) {
        const Message got = ask(chat_of("hi", true));
        if (first.empty()) first = got.body;
        ASSERT_EQ(got.body, first) << cut;
    }
    EXPECT_FALSE(contains(first, "ann@") || contains(first, "1111"));
    EXPECT_EQ(count_of(first, "[EMAIL_1]"), 2u) << first;
    EXPECT_EQ(count_of(first, "[CREDIT_CARD_1]"), 1u) << first;
}

TEST_F(AnswerGuard, ABlockedAnswerIsRefusedAndItsTokensAreBooked) {
    conf.set("security.pii_detection.action", "block").set("token_accounting.enabled", "on");
    for (const ProviderProtocol& provider : provider_protocols()) {
        begin(saying(provider, "Write ann@exam", "ple.org."), false);
        for (const ClientProtocol& client : client_protocols()) {
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(client.ask("big", false, ""));
            EXPECT_EQ(got.status(), 400) << got.body;
            EXPECT_TRUE(got.body.starts_with(client.error_start)) << got.body;
            EXPECT_FALSE(contains(got.body, "ann@"));
        }
        const auto count = static_cast<double>(client_protocols().size());
        EXPECT_EQ(loom().eventually(R"(loom_ai_security_blocked_total{reason="pii"})"), count);
        EXPECT_EQ(loom().eventually_sum("loom_ai_tokens_total"), 21 * count);
        EXPECT_EQ(asked(), client_protocols().size()) << "nobody asks again";
    }
}

TEST_F(AnswerGuard, ABlockedStreamEndsAsAFilterWouldEndIt) {
    conf.set("security.pii_detection.action", "block");
    for (const ProviderProtocol& provider : provider_protocols()) {
        if (std::string_view(provider.type) == "bedrock") continue;
        for (const std::string_view rest : {"ple.org", "ple.org and more"}) {
            begin(saying(provider, "Write to ann@exam", rest), true);
            for (const ClientProtocol& client : client_protocols()) {
                if (!is_pair(provider, client)) continue;
                SCOPED_TRACE(fmt::format("{} {} {}", provider.type, client.name, rest));
                RawClient one = this->client();
                one.send(client.ask("big", true, ""));
                const Message got = one.reader().read_response();
                EXPECT_EQ(got.status(), 200);
                EXPECT_TRUE(got.is_whole());
                EXPECT_FALSE(contains(got.body, "ann@") || contains(got.body, "ple.org")) << got.body;
                const bool says_so = contains(got.body, "content_filter") || contains(got.body, "\"refusal\"") ||
                                     contains(got.body, "\"SAFETY\"");
                EXPECT_TRUE(says_so) << got.body;
                EXPECT_TRUE(contains(got.body, client.stream_end) || contains(got.body, "response.incomplete") ||
                            contains(got.body, R"("finishReason":"SAFETY")"))
                    << got.body;
                EXPECT_FALSE(contains(got.body, "\"stop\"") || contains(got.body, "end_turn") ||
                             contains(got.body, "\"STOP\""))
                    << got.body;
                one.send(client.ask("big", true, ""));  // its connection serves on
                EXPECT_EQ(one.reader().read_response().status(), 200);
            }
            EXPECT_EQ(loom().eventually(R"(loom_ai_security_blocked_total{reason="pii"})"),
                      2.0 * static_cast<double>(pairs_of(provider)));
        }
    }
}

/// A stream of words behind the find: it ends there, and its provider is left.
TEST_F(AnswerGuard, ABlockedStreamIsReadNoFurther) {
    allow_script_failures();
    conf.set("security.pii_detection.action", "block").set("token_accounting.enabled", "on");
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hi ann@example.org, ")));
        for (int i = 0; i < 5000; ++i)
            if (!connection.send(chunk(delta_event("la ")))) return;
        throw std::runtime_error("nobody has stopped the stream");
    });
    const Message got = ask(chat_of("hi", true));
    EXPECT_TRUE(got.is_whole());
    EXPECT_EQ(count_of(got.body, "content_filter"), 1u) << got.body;
    EXPECT_TRUE(contains(got.body, "data: [DONE]"));
    EXPECT_FALSE(contains(got.body, "la "));
    const std::string line = loom().wait_for_access_line("\"stream\":true");
    EXPECT_TRUE(contains(line, R"("status":200)") && contains(line, "answer.email:1")) << line;
    EXPECT_TRUE(contains(line, "may not be told")) << line;
}

/// A type of one's own, cut between two events.
TEST_F(AnswerGuard, TypesOfOnesOwnAreMaskedInStreams) {
    conf.set("security.rule.project_x.pattern", R"((?i)project\s+titan)");
    for (const ProviderProtocol& provider : provider_protocols()) {
        if (!contains(provider.stream_type, "event-stream")) continue;  // frames have lengths
        begin(saying(provider, "We call it project t", "itan today"), true);
        for (const ClientProtocol& client : client_protocols()) {
            if (!is_pair(provider, client)) continue;
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(client.ask("big", true, ""));
            EXPECT_EQ(got.status(), 200);
            EXPECT_TRUE(contains(got.body, "[PROJECT_X_1]")) << got.body;
            EXPECT_FALSE(contains(got.body, "itan")) << got.body;
        }
    }
}

/// Its provider's usage would have come last: the prompt is booked as it was counted, also where no limit counts
/// tokens.
TEST_F(AnswerGuard, ABlockedStreamHasItsPromptBooked) {
    allow_script_failures();
    conf.set("security.pii_detection.action", "block")
        .set("token_accounting.enabled", "on")
        .set("rate_limit.request_rate.limit", "1000");
    start([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send(sse_head + chunk(delta_event("Hi ann@example.org, ")));
        (void)connection.read_request();  // until it is left
    });
    std::string prompt;
    for (int i = 0; i < 400; ++i) prompt += "word ";
    EXPECT_TRUE(contains(ask(chat_of(prompt, true)).body, "content_filter"));
    wait_until("its prompt is booked",
               [&] { return double{loom().eventually_where("loom_ai_tokens_total", {"type=\"input\""})} >= 300; });
}

/// What a filter has ended is no answer for others, however late in it the find stood.
TEST_F(AnswerGuard, ABlockedStreamIsNotKept) {
    conf.set("security.pii_detection.action", "block").set("cache.exact.enabled", "on");
    for (const std::string_view rest : {"ple.org", "ple.org and more"}) {
        begin(saying(provider_protocol("openai"), "Write to ann@exam", rest), true);
        for (size_t i = 1; i <= 2; ++i) {
            const Message got = ask(chat_of("hi", true));
            EXPECT_EQ(got.head.value("x-loom-cache"), "miss") << rest;
            EXPECT_EQ(asked(), i) << rest;
        }
    }
}

TEST_F(AnswerGuard, AStreamThatBreaksTellsWhatItHeldMasked) {
    start([](UpstreamConnection& connection) {
        if (connection.read_request()) connection.send(sse_head + chunk(delta_event("Hi ann@example.org")));
    });
    const Message got = ask(chat_of("hi", true));
    EXPECT_TRUE(contains(got.body, "[EMAIL_1]")) << got.body;
    EXPECT_TRUE(contains(got.body, "\"error\":{")) << got.body;
    EXPECT_LT(got.body.find("[EMAIL_1]"), got.body.find("\"error\":{"));
    EXPECT_FALSE(contains(got.body, "ann@"));
}

TEST_F(AnswerGuard, WhatCannotBeReadIsNotTold) {
    start(answer_always(sse_answer("data: ann@example.org\n\n" + done_event)));
    const Message stream = ask(chat_of("hi", true));
    EXPECT_FALSE(contains(stream.body, "ann@")) << stream.body;
    EXPECT_TRUE(contains(stream.body, "cannot be looked through")) << stream.body;
    upstream().set_script(answer_always(answer("<html>ann@example.org</html>")));
    const Message whole = ask(chat_of("hi"));
    EXPECT_EQ(whole.status(), 502) << whole.body;
    EXPECT_FALSE(contains(whole.body, "ann@"));
    upstream().set_script(
        answer_always(answer(R"({"error":{"message":"no such user: ann@example.org"}})", "400 Bad Request")));
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, "no such user: [EMAIL_1]"));
    begin(answer_always(answer("<html>ann@example.org</html>", "413 Content Too Large")));
    const Message page = ask(chat_of("hi"));
    EXPECT_EQ(page.status(), 413) << "the word of a provider's front: " << page.body;
    EXPECT_FALSE(contains(page.body, "ann@")) << page.body;
}

TEST_F(AnswerGuard, WhatNobodyReadsIsRefusedUnlessItIsNamed) {
    conf.set("route.ai.passthrough", "files");
    start(answer_always(answer("ann@example.org")));
    EXPECT_EQ(ask(get("/v1/files")).status(), 403);
    const Message array =
        ask(request("POST", "/v1beta/models/big:streamGenerateContent",
                    fmt::format("x-goog-api-key: {}\r\nContent-Type: application/json\r\n", client_key),
                    R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})"));
    EXPECT_GE(array.status(), 400);
    EXPECT_TRUE(contains(array.body, "alt=sse")) << array.body;
    EXPECT_EQ(upstream().request_count(), 0u);
    conf.set("security.unread", "files");
    begin(answer_always(answer("{\"data\":[]}")));
    EXPECT_NE(ask(get("/v1/files")).status(), 403);
}

TEST_F(AnswerGuard, ADryRunAndAnExemptRouteChangeNothing) {
    const std::string said = "Write ann@example.org.";
    const ProviderProtocol provider = saying(provider_protocol("openai"), "Write ann@exam", "ple.org.");
    conf.set("security.dry_run", "on").set("security.pii_detection.action", "block");
    begin(provider, false);
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, said));
    EXPECT_EQ(loom().eventually(R"(loom_ai_security_would_block_total{reason="pii"})"), 1);
    EXPECT_EQ(told("email"), 1);
    begin(provider, true);
    EXPECT_EQ(ask(chat_of("hi", true)).body.find("[EMAIL"), std::string::npos);
    EXPECT_EQ(loom().eventually(R"(loom_ai_pii_detected_total{type="email",direction="response"})"), 1);
    conf.set("security.dry_run", "off").set("route.ai.security", "off");
    begin(provider, false);
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, said));
    EXPECT_EQ(told("email"), 0);
}

/// Who only counts refuses nothing.
TEST_F(AnswerGuard, WhoOnlyCountsStandsInNobodysWay) {
    const std::string array_ask =
        request("POST", "/v1beta/models/big:streamGenerateContent",
                fmt::format("x-goog-api-key: {}\r\nContent-Type: application/json\r\n", client_key),
                R"({"contents":[{"role":"user","parts":[{"text":"hi"}]}]})");
    const std::string large = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" + std::string(200'000, 'a') +
                              "\"}}]}\n\n" + std::string(done_event);
    for (const char* const how : {"security.dry_run", "security.pii_detection.action"}) {
        const bool is_dry = std::string_view(how) == "security.dry_run";
        conf.set("security.dry_run", is_dry ? "on" : "off")
            .set("security.pii_detection.action", is_dry ? "mask" : "log");
        conf.set("stream.event_max", "64KiB").set("limit.body_size", "64KiB");
        begin(answer_always(sse_answer(large)));
        EXPECT_TRUE(contains(ask(chat_of("hi", true)).body, "[DONE]"));
        upstream().set_script(answer_always(answer("{\"choices\":[],\"x\":\"" + std::string(200'000, 'b') + "\"}")));
        const Message whole = ask(chat_of("hi"));
        EXPECT_EQ(whole.status(), 200) << whole.body.substr(0, 300);
        EXPECT_GT(whole.body.size(), 200'000u);
        conf.set("provider.mock.type", "gemini");
        begin(saying(provider_protocol("gemini"), "Write ann@example.org", "."), true);
        const Message array = ask(array_ask);
        EXPECT_EQ(array.status(), 200);
        EXPECT_TRUE(contains(array.body, "ann@example.org")) << array.body;
        conf.set("provider.mock.type", "openai");
    }
}

/// A provider is paid for what it said, whoever is told of it.
TEST_F(AnswerGuard, AWithheldAnswerIsBookedAgainstTheBudget) {
    conf.set("token_accounting.enabled", "on")
        .set("token_accounting.limit.tester.daily_limit", "100000")
        .set("security.pii_detection.action", "block");
    const auto used = [&] {
        const std::string told = ask_once(loom().admin_port(), request("GET", "/ai/limits"), false).body;
        const size_t at = told.find("\"used\":");
        return at == told.npos ? 0 : std::stoi(told.substr(at + 7));
    };
    const std::string_view without_usage =
        R"({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,)"
        R"("message":{"role":"assistant","content":"ann@example.org"},"finish_reason":"stop"}]})";
    begin(answer_always(answer(without_usage)));
    EXPECT_EQ(ask(chat_of("hi")).status(), 400);
    wait_until("what was expected is spent", [&] { return used() > 10; });
    conf.set("security.pii_detection.action", "mask");
    // An escape that is none: the answer cannot be looked through, and yet says what it took.
    begin(answer_always(answer(R"({"id":"c","choices":[{"index":0,"message":{"content":"\x"}}],"usage":)"
                               R"({"prompt_tokens":4000,"completion_tokens":321,"total_tokens":4321}})")));
    EXPECT_EQ(ask(chat_of("hi")).status(), 502);
    wait_until("what it told is spent", [&] { return used() >= 4321; });
    // The same of an answer that would have been translated.
    conf.set("provider.mock.type", "anthropic");
    begin(answer_always(answer(R"({"id":"m","type":"message","role":"assistant","model":"big","content":)"
                               R"([{"type":"text","text":"\x"}],"stop_reason":"end_turn","usage":)"
                               R"({"input_tokens":4000,"output_tokens":321}})")));
    EXPECT_EQ(ask(chat_of("hi")).status(), 502);
    wait_until("what it told is spent", [&] { return used() >= 4321; });
}

TEST_F(AnswerGuard, WhatIsKeptIsKeptMasked) {
    conf.set("cache.exact.enabled", "on");
    begin(saying(provider_protocol("openai"), "Write ann@exam", "ple.org."), false);
    EXPECT_TRUE(contains(ask(chat_of("hi")).body, "Write [EMAIL_1]."));
    const Message kept = ask(chat_of("hi"));
    EXPECT_EQ(kept.head.value("x-loom-cache"), "hit");
    EXPECT_TRUE(contains(kept.body, "Write [EMAIL_1].")) << kept.body;
}

class Reversible : public AnswerGuard {
  protected:
    Reversible() {
        conf.set("security.pii_detection.direction", "request").set("security.pii_detection.mask", "reversible");
    }
};

TEST_F(Reversible, TheProviderHasThePlaceholderAndTheClientItsValue) {
    for (const ProviderProtocol& provider : provider_protocols()) {
        begin(saying(provider, "Hello [EMA", "IL_1]!"), false);
        for (const ClientProtocol& client : client_protocols()) {
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const std::string asked = replaced(client.ask("big", false, ""), "Say hello", "a@bc.info");
            const Message got = ask(asked);
            EXPECT_TRUE(contains(upstream().last_request().body, "[EMAIL_1]")) << upstream().last_request().body;
            EXPECT_FALSE(contains(upstream().last_request().body, "a@bc.info"));
            EXPECT_TRUE(contains(got.body, "Hello a@bc.info!")) << got.body;
            const Message other = ask(client.ask("big", false, ""));  // who has sent no such value
            EXPECT_TRUE(contains(other.body, "Hello [EMAIL_1]!")) << other.body;
        }
        EXPECT_FALSE(contains(loom().log(), "a@bc.info"));
    }
}

TEST_F(Reversible, InStreamsToo) {
    for (const ProviderProtocol& provider : provider_protocols()) {
        if (std::string_view(provider.type) == "bedrock") continue;
        begin(saying(provider, "Hello [EMA", "IL_1]"), true);
        for (const ClientProtocol& client : client_protocols()) {
            if (!is_pair(provider, client)) continue;
            SCOPED_TRACE(fmt::format("{} {}", provider.type, client.name));
            const Message got = ask(replaced(client.ask("big", true, ""), "Say hello", "a@bc.info"));
            EXPECT_TRUE(contains(got.body, "a@bc.info")) << got.body;
            EXPECT_FALSE(contains(got.body, "EMA")) << got.body;
            EXPECT_TRUE(contains(got.body, client.stream_end)) << got.body;
            EXPECT_FALSE(contains(ask(client.ask("big", true, "")).body, "a@bc.info"));
        }
    }
}

TEST_F(Reversible, ValuesAreEscapedForWhereTheyStand) {
    conf.set("security.pii_detection.types", "private_key");
    const std::string line(64, 'A');
    const std::string key = "-----BEGIN PRIVATE KEY-----\\n" + line + "\\n" + line + "\\n-----END PRIVATE KEY-----";
    const std::string message =
        R"("role":"assistant","content":"It is [PRIVATE_KEY_1]","tool_calls":[{"index":0,"id":"t","type":"function",)"
        R"("function":{"name":"f","arguments":"{\"key\":\"[PRIVATE_KEY_1]\"}"}}])";
    const auto told = [&](const std::string& body) {
        EXPECT_TRUE(contains(body, "It is " + key)) << body;
        EXPECT_TRUE(contains(body, R"({\"key\":\")" + replaced(key, "\\n", "\\\\n") + R"(\"})")) << body;
    };
    begin(answer_always(
        answer(fmt::format(R"({{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,)"
                           R"("message":{{{}}},"finish_reason":"tool_calls"}}]}})",
                           message))));
    told(ask(chat_of(key)).body);
    EXPECT_TRUE(contains(upstream().last_request().body, R"("content":"[PRIVATE_KEY_1]")"));
    begin(answer_always(sse_answer(
        fmt::format("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{{}}},\"finish_reason\":null}}]}}\n\n",
                    message) +
        done_event)));
    told(ask(chat_of(key, true)).body);
}

/// A client says again what it was told of another value: nothing is put back in its place.
TEST_F(Reversible, APlaceholderOfTheRequestStaysWhatItIs) {
    for (const bool stream : {false, true}) {
        begin(saying(provider_protocol("openai"), "Ask [EMA", "IL_1], not [EMAIL_2]!"), stream);
        for (const std::string_view first : {"[EMAIL_1] or a@bc.info?", "a@bc.info or [EMAIL_1]?"}) {
            const Message got = ask(chat_of(first, stream));
            EXPECT_TRUE(
                contains(upstream().last_request().body, replaced(std::string(first), "a@bc.info", "[EMAIL_2]")))
                << upstream().last_request().body;
            EXPECT_TRUE(contains(got.body, "EMAIL_1")) << got.body;
            EXPECT_EQ(count_of(got.body, "a@bc.info"), 1u) << got.body;
            EXPECT_FALSE(contains(got.body, "EMAIL_2")) << got.body;
        }
    }
}

/// A written "\n" is no break for who sends it.
TEST_F(Reversible, WhatIsPutBackIsWhatWasSent) {
    conf.set("security.pii_detection.types", "private_key");
    const std::string line(64, 'A');
    const std::string key = R"(-----BEGIN PRIVATE KEY-----\\n)" + line + R"(\\n-----END PRIVATE KEY-----)";
    for (const bool stream : {false, true}) {
        begin(saying(provider_protocol("openai"), "It is [PRIVATE_", "KEY_1]"), stream);
        const Message got = ask(chat_of(key, stream));
        EXPECT_TRUE(contains(upstream().last_request().body, "[PRIVATE_KEY_1]"));
        EXPECT_TRUE(contains(got.body, key)) << got.body;
    }
}

TEST_F(Reversible, NothingOfItIsKept) {
    conf.set("cache.exact.enabled", "on");
    begin(saying(provider_protocol("openai"), "Hello [EMA", "IL_1]!"), false);
    for (const std::string_view own : {"ann@example.org", "bob@example.org", "ann@example.org"}) {
        const Message got = ask(chat_of(own));
        EXPECT_TRUE(contains(got.body, fmt::format("Hello {}!", own))) << got.body;
        EXPECT_NE(got.head.value("x-loom-cache"), "hit");
    }
    EXPECT_EQ(upstream().request_count(), 3u);
    (void)ask(chat_of("no value"));
    EXPECT_EQ(ask(chat_of("no value")).head.value("x-loom-cache"), "hit");
}

TEST_F(Reversible, BothDirectionsMaskWhatIsNew) {
    conf.set("security.pii_detection.direction", "request, response");
    begin(saying(provider_protocol("openai"), "[EMAIL_1] ann@example.org ", "bob@example.org [EMAIL_2]"), true);
    const Message got = ask(chat_of("ann@example.org", true));
    EXPECT_GE(count_of(got.body, "ann@example.org"), 1u) << got.body;
    EXPECT_FALSE(contains(got.body, "bob@")) << got.body;
    EXPECT_TRUE(contains(got.body, "[EMAIL_2]")) << got.body;
}

/// The second provider's answer is told with the first exchange's values.
TEST_F(Reversible, ARivalsAnswerAndARetrysAreToldWithTheValues) {
    ScriptedUpstream rival(
        answer_always(answer(saying(provider_protocol("anthropic"), "Hello [EMA", "IL_1]!").answer)));
    conf.set("provider.rival.type", "anthropic")
        .set("provider.rival.api_key", "sk-rival")
        .set("provider.rival.models", "big")
        .set("provider.rival.base_url", rival.origin())
        .set("provider.rival.priority", "2")
        .set("provider.mock.priority", "1")
        .set("routing.failover.enabled", "on");
    begin(saying(provider_protocol("openai"), "", ""), false);
    upstream().set_script(answer_always(answer(R"({"error":{"message":"no"}})", "503 Service Unavailable")));
    EXPECT_TRUE(contains(ask(chat_of("ann@example.org")).body, "Hello ann@example.org!"));
    conf.set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    Gate over;
    begin([over](UpstreamConnection& connection) {
        if (connection.read_request()) over.wait();
    });
    const Message got = ask(chat_of("ann@example.org"));
    over.open();
    EXPECT_TRUE(contains(got.body, "Hello ann@example.org!")) << got.body;
}

/// The embedded model says again what it was told.
TEST_F(AnswerGuard, TheEmbeddedModelIsGuardedAsAnyOther) {
    conf.set("provider.mock.models", "");
    conf.use_echo();
    start_without_upstream();
    for (const bool stream : {false, true}) {
        const std::string body = fmt::format(
            R"({{"model":"echo","stream":{},"messages":[{{"role":"user","content":"Write ann@example.org now"}}]}})",
            stream);
        const Message got = ask(chat_request(body));
        EXPECT_EQ(got.status(), 200) << got.body;
        EXPECT_FALSE(contains(got.body, "ann@")) << got.body;
        EXPECT_TRUE(contains(got.body, "[EMAIL_1]")) << got.body;
        EXPECT_TRUE(got.is_whole());
    }
    EXPECT_EQ(loom().eventually(R"(loom_ai_pii_detected_total{type="email",direction="response"})"), 2);
}

TEST_F(AnswerGuard, OffIsOff) {
    conf.set("security.pii_detection.direction", "request");
    const ProviderProtocol provider = saying(provider_protocol("openai"), "Write ann@exam", "ple.org.");
    begin(provider, true);
    const Message got = ask(chat_of("hi", true));
    EXPECT_TRUE(contains(got.body, "ann@exam"));
    EXPECT_EQ(told("email"), 0);
}

}  // namespace
}  // namespace loom::wire
