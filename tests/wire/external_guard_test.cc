// Guards outside of Loom: what they are asked and how they are waited for, what comes of their verdicts, and of guards
// that are slow, dead, lost or talk nonsense.
#include <algorithm>
#include <atomic>
#include <fstream>

#include "fixture.h"
#include "protocols.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

const std::string allow = R"({"verdict":"allow"})";
const std::string block = R"({"verdict":"block","reason":"jailbreak"})";
const std::string secret = "s3cret-of-the-guard";

std::string said(std::string_view content, std::string_view more = "") {
    return R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(content) + "\"}]" +
           std::string(more) + "}";
}
std::string masks(uint32_t begin, uint32_t end, std::string_view type = "EMAIL_1") {
    return R"({"verdict":"mask","spans":[{"text":0,"begin":)" + std::to_string(begin) + R"(,"end":)" +
           std::to_string(end) + R"(,"type":")" + std::string(type) + "\"}]}";
}
/// Every one of so many texts. pad  what else stands in each result.
std::string moderated(bool flagged, size_t texts = 1, size_t pad = 0) {
    std::string results;
    for (size_t i = 0; i < texts; ++i)
        results += (i == 0 ? "" : ",") + std::string(R"({"flagged":)") + (flagged ? "true" : "false") +
                   R"(,"categories":{"violence":)" + (flagged ? "true" : "false") +
                   R"(,"hate":false},"category_scores":{"violence":0.7,"hate":0.01},"more":")" + std::string(pad, 'x') +
                   "\"}";
    return R"({"id":"modr-1","model":"omni-moderation-latest","results":[)" + results + "]}";
}

/// As many messages.
std::string conversation(size_t messages) {
    std::string list;
    for (size_t i = 0; i < messages; ++i)
        list += (i == 0 ? "" : ",") + std::string(R"({"role":"user","content":"turn )") + std::to_string(i) + "\"}";
    return R"({"model":"gpt-4o","messages":[)" + list + "]}";
}

class ExternalGuard : public WireTest {
  protected:
    /// A guard that answers so, until told otherwise.
    ScriptedUpstream& guard(const std::string& name, ScriptedUpstream::Script script,
                            const std::string& type = "webhook") {
        auto& one = guards.emplace_back(std::make_unique<ScriptedUpstream>(std::move(script)));
        conf.set("security.guard." + name + ".url", one->origin() + "/check");
        conf.set("security.guard." + name + ".type", type);
        return *one;
    }
    ScriptedUpstream& guard_that_says(const std::string& name, const std::string& body,
                                      const std::string& type = "webhook") {
        return guard(name, answer_always(answer(body)), type);
    }
    ScriptedUpstream& guard_that_waits(const std::string& name, const std::string& body) {
        return guard(name, [this, body](UpstreamConnection& connection) {
            while (connection.read_request()) {
                gate.wait();
                connection.send(answer(body));
            }
        });
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    static std::string asking(const std::string& body) { return chat_request(body); }
    void expect_blocked(const Message& told, const std::string& by) {
        expect_error(told, 400, "guard_blocked");
        EXPECT_TRUE(contains(told.body, by)) << told.body;
    }
    void expect_unavailable(const Message& told, const std::string& by) {
        expect_error(told, 503, "guard_unavailable");
        EXPECT_TRUE(contains(told.body, by)) << told.body;
        EXPECT_TRUE(told.head.has("Retry-After")) << told.head.raw;
    }
    double result(const std::string& name, const std::string& word) {
        return loom().metric("loom_ai_security_guard_requests_total{guard=\"" + name + "\",result=\"" + word + "\"}");
    }
    double blocked_by(const std::string& name) {
        return loom().metric("loom_ai_security_blocked_total{reason=\"guard." + name + "\"}");
    }
    double would_block(const std::string& name) {
        return loom().metric("loom_ai_security_would_block_total{reason=\"guard." + name + "\"}");
    }
    static std::string audit_lines(const std::string& path, int count) {
        std::string lines;
        wait_until("the audit log's lines", [&] {
            std::ifstream file(path);
            lines.assign(std::istreambuf_iterator<char>(file), {});
            return std::ranges::count(lines, '\n') == count;
        });
        return lines;
    }
    void TearDown() override {
        std::string told = loom().log() + loom().access_log();
        if (!may_be_gone) told += ask_once(loom().admin_port(), request("GET", "/metrics")).body;
        for (const std::string& word : {secret, std::string("MY-PROMPT")})
            EXPECT_FALSE(contains(told, word)) << word << " in\n" << told;
        WireTest::TearDown();
    }

    bool may_be_gone = false;  // the process was told to end
    Gate gate;                 // outlives the scripts that wait for it
    std::vector<std::unique_ptr<ScriptedUpstream>> guards;
};

TEST_F(ExternalGuard, AWebhookIsAskedAndLetsThrough) {
    ScriptedUpstream& lakera = guard_that_says("lakera", allow);
    conf.set("security.guard.lakera.key", secret);
    begin();
    EXPECT_EQ(ask(asking(said("MY-PROMPT \\u00e9"))).status(), 200);
    const Message question = lakera.request(0);
    EXPECT_EQ(question.target(), "/check");
    EXPECT_EQ(question.head.value("Authorization"), "Bearer " + secret);
    EXPECT_EQ(question.head.value("Content-Type"), "application/json");
    const std::string id = json_text(question.body, "id");
    EXPECT_EQ(question.body,
              R"({"direction":"request","id":")" + id +
                  R"(","consumer":"tester","texts":[{"text":"MY-PROMPT é","role":"user"}],"model":"gpt-4o"})");
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), id));
    EXPECT_EQ(upstream().last_request().body, said("MY-PROMPT \\u00e9")) << "the request's bytes as they came";
    EXPECT_EQ(result("lakera", "allow"), 1);
    EXPECT_EQ(loom().metric("loom_ai_security_guard_duration_seconds_count{guard=\"lakera\"}"), 1);
}

TEST_F(ExternalGuard, AWebhookThatBlocksIsObeyed) {
    guard_that_says("lakera", block);
    begin();
    expect_blocked(ask(asking(said("MY-PROMPT"))), "lakera: jailbreak");
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(blocked_by("lakera"), 1);
    EXPECT_EQ(would_block("lakera"), 0);
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("guard":"guard.lakera:block")"));
}

TEST_F(ExternalGuard, ModerationsAreOpenAIs) {
    ScriptedUpstream& openai = guard_that_says("openai", moderated(false, 2), "moderations");
    conf.set("security.guard.openai.key", secret);
    begin();
    const std::string body =
        R"({"model":"gpt-4o","messages":[{"role":"system","content":"be \"kind\""},{"role":"user","content":"hi"}]})";
    EXPECT_EQ(ask(asking(body)).status(), 200);
    EXPECT_EQ(openai.request(0).body, R"({"model":"omni-moderation-latest","input":["be \"kind\"","hi"]})");
    EXPECT_EQ(openai.request(0).head.value("Authorization"), "Bearer " + secret);
    openai.set_script(answer_always(answer(moderated(true, 2))));
    openai.end_connections();
    expect_blocked(ask(asking(body)), "openai: violence");
    EXPECT_EQ(upstream().request_count(), 1U);
    EXPECT_EQ(result("openai", "allow"), 1);
    EXPECT_EQ(result("openai", "block"), 1);
}

/// OpenAI's results have about 2000 bytes each, whatever is in them.
TEST_F(ExternalGuard, ModerationsOfLongConversations) {
    std::atomic<size_t> texts = 0;
    ScriptedUpstream& openai =
        guard("openai", answer_with([&texts](const Message&) { return answer(moderated(false, texts, 1900)); }),
              "moderations");
    begin();
    for (const size_t count : {1, 30, 100, 256, 257, 1024}) {
        texts = count;
        EXPECT_EQ(ask(asking(conversation(count))).status(), 200) << count;
    }
    EXPECT_EQ(result("openai", "allow"), 6);
    const size_t asked = openai.request_count();
    expect_unavailable(ask(asking(conversation(1025))), "openai");
    EXPECT_EQ(openai.request_count(), asked);
    EXPECT_EQ(result("openai", "too_large"), 1);
    openai.set_script(answer_always(answer(moderated(true, 300, 1900))));
    openai.end_connections();
    expect_blocked(ask(asking(conversation(300))), "openai: violence");
}

TEST_F(ExternalGuard, OfLargeAnswersFewAreWaitedForAtOnce) {
    ScriptedUpstream& openai = guard_that_waits("openai", moderated(false, 300, 1900));
    conf.set("security.guard.openai.type", "moderations").set("security.guard.openai.timeout", "30s");
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(client());
        clients.back().send(asking(conversation(300)));
    }
    wait_until("four to be asked", [&] { return openai.request_count() == 4; });
    expect_unavailable(ask(asking(conversation(300))), "openai");
    EXPECT_EQ(result("openai", "busy"), 1);
    RawClient small = client();
    small.send(asking(said("a")));
    wait_until("a small one to be asked", [&] { return openai.request_count() == 5; });
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().status(), 200);
}

TEST_F(ExternalGuard, CategoriesAndThresholdsSayWhatCounts) {
    guard_that_says("openai", moderated(true), "moderations");
    conf.set("security.guard.openai.categories", "hate");
    begin();
    EXPECT_EQ(ask(asking(said("a"))).status(), 200) << "violence is flagged, and was not asked for";
    loom().reload(conf.set("security.guard.openai.thresholds", "violence:0.71").text());
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    loom().reload(conf.set("security.guard.openai.thresholds", "violence:0.7").text());
    expect_blocked(ask(asking(said("a"))), "openai: violence");
}

TEST_F(ExternalGuard, WhatIsNamedIsMasked) {
    ScriptedUpstream& presidio = guard_that_says("presidio", masks(6, 11));
    begin();
    // "é " is three bytes of UTF-8 and one escape here.
    EXPECT_EQ(ask(asking(said("\\u00e9 me: a@b.c!"))).status(), 200);
    EXPECT_EQ(upstream().last_request().body, said("\\u00e9 me:[EMAIL]c!"));
    EXPECT_EQ(result("presidio", "mask"), 1);
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("guard":"guard.presidio:mask")"));
    presidio.set_script(answer_always(answer(masks(1, 2))));
    presidio.end_connections();
    expect_unavailable(ask(asking(said("\\u00e9 me"))), "presidio");  // counts characters: its places are wrong
    EXPECT_EQ(result("presidio", "bad_answer"), 1);
    const std::string parts =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"text","text":"ab"},{"type":"text","text":"c"}]}]})";
    expect_unavailable(ask(asking(said("x"))), "presidio");  // in no text
    presidio.set_script(answer_always(answer(masks(1, 4))));
    presidio.end_connections();
    expect_blocked(ask(asking(parts)), "presidio");  // over the border of two strings
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(ExternalGuard, SeveralMaskTogetherAndLoomsOwnGoFirst) {
    ScriptedUpstream& one = guard_that_says("one", masks(0, 3, "NAME"));
    guard_that_says("two", masks(2, 5, "PERSON"));
    conf.set("security.pii_detection.enabled", "on").set("security.pii_detection.types", "email");
    begin();
    EXPECT_EQ(ask(asking(said("abcdefg ann@example.org"))).status(), 200);
    EXPECT_TRUE(contains(one.request(0).body, R"("text":"abcdefg [EMAIL_1]")")) << one.request(0).body;
    EXPECT_FALSE(contains(one.request(0).body, "ann@"));
    EXPECT_EQ(upstream().last_request().body, said("[NAME]fg [EMAIL_1]"));
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"),
                         R"("guard":"email:1 guard.one:mask guard.two:mask")"));
}

TEST_F(ExternalGuard, OnesNonsenseTakesNothingFromWhatAnotherMasks) {
    guard_that_says("one", masks(1, 2));  // inside a character
    guard_that_says("two", masks(3, 6, "NAME"));
    conf.set("security.guard.one.on_failure", "open").set("security.guard.two.on_failure", "open");
    begin();
    EXPECT_EQ(ask(asking(said("\\u00e9 Ann!"))).status(), 200);
    EXPECT_EQ(upstream().last_request().body, said("\\u00e9 [NAME]!"));
    EXPECT_EQ(result("one", "bad_answer"), 1);
    EXPECT_EQ(result("one", "mask"), 0) << "one request, one result";
    EXPECT_EQ(result("two", "mask"), 1);
    loom().reload(conf.set("security.guard.one.on_failure", "closed").text());
    expect_unavailable(ask(asking(said("\\u00e9 Ann!"))), "one");
}

/// One's span cuts a character, another's goes over two strings: that one is to be obeyed all the same.
TEST_F(ExternalGuard, WhatCannotBeMaskedIsRefusedWhateverAnotherSays) {
    guard_that_says("one", masks(1, 2));
    guard_that_says("three", masks(4, 5, "NAME"));
    guard_that_says("two", masks(2, 5));
    for (const char* const name : {"one", "two", "three"})
        conf.set("security.guard." + std::string(name) + ".on_failure", "open");
    begin();
    const std::string parts =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"text","text":"\u00e9b"},{"type":"text","text":"cdef"}]}]})";
    expect_blocked(ask(asking(parts)), "two");
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(blocked_by("two"), 1);
    EXPECT_EQ(blocked_by("one") + blocked_by("three"), 0) << "they have refused nothing";
    EXPECT_EQ(result("one", "bad_answer"), 1);
}

TEST_F(ExternalGuard, ARequestIsRefusedOnce) {
    guard_that_says("one", block);
    guard_that_says("two", block);
    begin();
    expect_blocked(ask(asking(said("a"))), "one: jailbreak");
    EXPECT_EQ(blocked_by("one") + blocked_by("two"), 1);
    EXPECT_EQ(result("one", "block") + result("two", "block"), 2);
}

/// What is to be masked goes nowhere unmasked, whatever on_failure says.
TEST_F(ExternalGuard, AMaskThatThereIsNoMemoryForIsARefusal) {
    ScriptedUpstream& presidio = guard_that_waits("presidio", masks(0, 3));
    conf.set("security.guard.presidio.on_failure", "open").set("security.guard.presidio.timeout", "30s");
    conf.set("limit.bodies_in_memory", "1MiB").set("loop.shards", "1");
    begin();
    RawClient waits = client();
    waits.send(asking(said("Ann " + std::string(200'000, 'x'))));
    (void)presidio.request(0);
    RawClient large = client();
    const std::string fills = asking(said(std::string(900'000, 'x')));
    large.send(std::string_view(fills).substr(0, fills.size() - 1));
    wait_until("its room", [&] { return loom().metric("loom_body_memory_bytes") >= 1'100'000; });
    gate.open();
    expect_unavailable(waits.read_response(), "presidio");
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(result("presidio", "mask") + result("presidio", "busy"), 1);
    large.reset();
}

TEST_F(ExternalGuard, WhatLoomItselfRefusesNobodyElseSees) {
    ScriptedUpstream& lakera = guard_that_says("lakera", allow);
    conf.set("security.pii_detection.enabled", "on").set("security.pii_detection.action", "block");
    begin();
    expect_error(ask(asking(said("ann@example.org"))), 400, "pii_detected");
    EXPECT_EQ(lakera.request_count(), 0U);
}

TEST_F(ExternalGuard, AllAreAskedAtTheSameTime) {
    ScriptedUpstream& one = guard_that_waits("one", allow);
    ScriptedUpstream& two = guard_that_waits("two", block);
    begin();
    RawClient waits = client();
    waits.send(asking(said("a")));
    wait_until("both to be asked before either answers",
               [&] { return one.request_count() == 1 && two.request_count() == 1; });
    EXPECT_EQ(ask(get("/healthz")).status(), 200) << "the shard serves others meanwhile";
    EXPECT_EQ(upstream().request_count(), 0U);
    gate.open();
    expect_blocked(waits.read_response(), "two: jailbreak");
    EXPECT_EQ(result("one", "allow"), 1);
}

TEST_F(ExternalGuard, OneThatIsLateHasFailed) {
    guard_that_waits("slow", allow);
    conf.set("security.guard.slow.timeout", "100ms");
    begin();
    expect_unavailable(ask(asking(said("MY-PROMPT"))), "slow");
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(result("slow", "timeout"), 1);
    EXPECT_TRUE(contains(loom().log(), "security.guard.slow: 127.0.0.1: timed_out")) << loom().log();
    loom().reload(conf.set("security.guard.slow.on_failure", "open").text());
    EXPECT_EQ(ask(asking(said("MY-PROMPT"))).status(), 200);
    EXPECT_EQ(result("slow", "timeout"), 2);
    gate.open();
}

TEST_F(ExternalGuard, AVerdictGoesBeforeAFailure) {
    ScriptedUpstream& gone = guard_that_says("gone", allow);
    guard_that_says("here", block);
    begin();
    gone.stop_listening();
    gone.end_connections();
    expect_blocked(ask(asking(said("a"))), "here: jailbreak");
    EXPECT_TRUE(
        contains(loom().wait_for_access_line("chat_completions"), R"("guard":"guard.gone:error guard.here:block")"));
}

TEST_F(ExternalGuard, OneThatIsDeadRestsAndComesBack) {
    ScriptedUpstream& dead = guard("dead", answer_always(answer("{}", "500 Internal Server Error")));
    conf.set("security.guard.dead.rest", "300ms").set("loop.shards", "2");
    begin();
    for (int i = 0; i < 5; ++i) expect_unavailable(ask(asking(said("a"))), "dead");
    EXPECT_EQ(dead.request_count(), 5U);
    for (int i = 0; i < 3; ++i) expect_unavailable(ask(asking(said("a"))), "dead");
    EXPECT_EQ(result("dead", "error") + result("dead", "resting"), 8);
    EXPECT_GE(result("dead", "resting"), 1) << "whichever shard they came to";
    dead.set_script(answer_always(answer(allow)));
    dead.end_connections();
    wait_until("it to be asked again", [&] { return ask(asking(said("a"))).status() == 200; });
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
}

TEST_F(ExternalGuard, WhatIsNoAnswerIsAFailure) {
    const std::string good = answer(allow);
    std::atomic<const std::string*> bytes = &good;
    ScriptedUpstream& odd = guard("odd", answer_with([&bytes](const Message&) { return *bytes.load(); }));
    begin();
    const std::vector<std::string> answers = {
        answer("<html>"),
        answer(""),
        answer("[]"),
        answer(R"({"verdict":"maybe"})"),
        answer(R"({"verdict":"allow","verdict":"block"})"),
        answer(R"({"verdict":"mask"})"),
        answer(masks(0, 4'000'000'000)),
        answer(R"({"verdict":"allow","more":")" + std::string(70'000, 'x') + R"("})"),
        answer(R"({"verdict":"allow","more":)" + std::string(3000, '[') + std::string(3000, ']') + "}"),
        answer(allow, "500 Internal Server Error"),
        answer(allow, "204 No Content"),
        answer(allow, "401 Unauthorized"),
        answer(allow, "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "garbage\r\n\r\n",
    };
    for (size_t i = 0; i < answers.size(); ++i) {
        bytes = &answers[i];
        const size_t asked = odd.request_count();
        expect_unavailable(ask(asking(said("MY-PROMPT"))), "odd");
        EXPECT_GT(odd.request_count(), asked) << "it rests, and was not asked: " << answers[i].substr(0, 100);
        EXPECT_EQ(upstream().request_count(), i);
        bytes = &good;  // or it would rest from the sixth on
        EXPECT_EQ(ask(asking(said("a"))).status(), 200) << "behind " << answers[i].substr(0, 100);
    }
    EXPECT_EQ(result("odd", "resting"), 0);
}

/// A guard is everybody's: what comes of one request's content must not keep it from others.
TEST_F(ExternalGuard, WhatARequestIsToBlameForLetsNoGuardRest) {
    std::string many = R"({"verdict":"mask","spans":[)";
    for (int i = 0; i < 1025; ++i) many += R"({"text":0,"begin":0,"end":1},)";
    many.back() = ']';
    const std::vector<std::string> answers = {
        answer("{}", "400 Bad Request"),
        answer("{}", "413 Content Too Large"),
        answer("{}", "422 Unprocessable Content"),
        answer(R"({"verdict":"allow","more":")" + std::string(70'000, 'x') + R"("})"),
        answer(many + "}"),
        answer(masks(0, 4'000'000'000)),
        answer(R"({"verdict":"maybe"})"),
    };
    std::atomic<size_t> turn = 0;
    ScriptedUpstream& lakera = guard("lakera", answer_with([&](const Message& question) {
                                         if (contains(question.body, "good")) return answer(allow);
                                         return answers[turn++ % answers.size()];
                                     }));
    begin();
    for (size_t i = 0; i < 2 * answers.size(); ++i) expect_unavailable(ask(asking(said("odd"))), "lakera");
    EXPECT_EQ(lakera.request_count(), 2 * answers.size());
    EXPECT_EQ(ask(asking(said("good"))).status(), 200);
    EXPECT_EQ(result("lakera", "resting"), 0);
    for (const char* const status :
         {"401 Unauthorized", "403 Forbidden", "429 Too Many Requests", "503 Service Unavailable"}) {
        conf.set("security.guard.lakera.timeout", std::to_string(1000 + turn++) + "ms");  // another guard, awake
        loom().reload(conf.text());
        lakera.set_script(answer_always(answer("{}", status)));
        lakera.end_connections();
        const double rested = result("lakera", "resting");
        for (int i = 0; i < 6; ++i) expect_unavailable(ask(asking(said("good"))), "lakera");
        EXPECT_EQ(result("lakera", "resting"), rested + 1) << status;
    }
}

TEST_F(ExternalGuard, AnAnswerThatBreaksOffIsNone) {
    guard("odd", [](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + allow);
    });
    begin();
    expect_unavailable(ask(asking(said("a"))), "odd");
}

TEST_F(ExternalGuard, LargeTextsInTurns) {
    ScriptedUpstream& lakera = guard_that_says("lakera", allow);
    conf.set("security.guard.lakera.max_text", "1MiB");
    begin();
    const std::string large(900'000, 'x');
    EXPECT_EQ(ask(asking(said(large))).status(), 200);
    EXPECT_TRUE(contains(lakera.request(0).body, R"("text":")" + large + "\""));
    const std::string larger(1'100'000, 'x');
    expect_unavailable(ask(asking(said(larger))), "lakera");
    EXPECT_EQ(lakera.request_count(), 1U);
    EXPECT_EQ(result("lakera", "too_large"), 1);
    loom().reload(conf.set("security.guard.lakera.on_failure", "open").text());
    EXPECT_EQ(ask(asking(said(larger))).status(), 200);
    EXPECT_EQ(ask(asking(said("a"))).status(), 200) << "and nothing rests for it";
}

TEST_F(ExternalGuard, SoManyAtOnceAndNoMore) {
    ScriptedUpstream& lakera = guard_that_waits("lakera", allow);
    conf.set("security.guard.lakera.max_in_flight", "2");
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 2; ++i) {
        clients.push_back(client());
        clients.back().send(asking(said("a")));
    }
    wait_until("both to be asked", [&] { return lakera.request_count() == 2; });
    expect_unavailable(ask(asking(said("a"))), "lakera");
    EXPECT_EQ(result("lakera", "busy"), 1);
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().status(), 200);
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
}

TEST_F(ExternalGuard, AClientThatLeavesTakesItsQuestionBack) {
    ScriptedUpstream& lakera = guard_that_waits("lakera", allow);
    conf.set("security.guard.lakera.max_in_flight", "1").set("security.guard.lakera.timeout", "30s");
    begin();
    RawClient leaves = client();
    leaves.send(asking(said("a")));
    (void)lakera.request(0);
    leaves.reset();
    // Its place is free before the guard has said anything.
    EXPECT_EQ(loom().eventually("loom_exchanges_live"), 0);
    RawClient next = client();
    next.send(asking(said("a")));
    (void)lakera.request(1);
    gate.open();
    EXPECT_EQ(next.read_response().status(), 200);
    EXPECT_EQ(upstream().request_count(), 1U);
}

TEST_F(ExternalGuard, AReloadInTheMiddleLosesNobody) {
    ScriptedUpstream& old_one = guard_that_waits("lakera", block);
    begin();
    RawClient waits = client();
    waits.send(asking(said("a")));
    (void)old_one.request(0);
    ScriptedUpstream& new_one = guard_that_says("lakera", allow);
    loom().reload(conf.text());
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(new_one.request_count(), 1U);
    gate.open();
    expect_blocked(waits.read_response(), "lakera: jailbreak");
    loom().reload(conf.set("security.guard.lakera.url", "").set("security.guard.lakera.type", "").text());
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(new_one.request_count(), 1U);
}

TEST_F(ExternalGuard, AStreamDoesNotBeginBeforeItsRequestIsLetThrough) {
    ScriptedUpstream& lakera = guard_that_waits("lakera", allow);
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    RawClient waits = client();
    waits.send(asking(stream_body));
    (void)lakera.request(0);
    EXPECT_EQ(upstream().request_count(), 0U);
    gate.open();
    const Message told = waits.read_response();
    EXPECT_EQ(told.status(), 200);
    EXPECT_TRUE(contains(told.body, "[DONE]"));
    lakera.set_script(answer_always(answer(block)));
    lakera.end_connections();
    expect_blocked(ask(asking(stream_body)), "lakera");  // an answer, no stream with an error in it
}

TEST_F(ExternalGuard, ARefusalIsInTheClientsProtocol) {
    guard_that_says("lakera", block);
    conf.set("route.gemini.path", "/v1beta/*");
    begin();
    for (const ClientProtocol& protocol : client_protocols())
        for (const bool stream : {false, true}) {
            const Message told = ask(protocol.ask("gpt-4o", stream, ""));
            EXPECT_EQ(told.status(), 400) << protocol.name;
            EXPECT_TRUE(told.body.starts_with(protocol.error_start)) << protocol.name << told.body;
            EXPECT_TRUE(contains(told.body, "lakera: jailbreak")) << protocol.name << told.body;
        }
    EXPECT_EQ(upstream().request_count(), 0U);
}

TEST_F(ExternalGuard, ADryRunCountsAlone) {
    guard_that_says("lakera", block);
    guard_that_says("presidio", masks(0, 1));
    ScriptedUpstream& gone = guard_that_says("gone", allow);
    conf.set("security.dry_run", "on");
    begin();
    gone.stop_listening();
    gone.end_connections();
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(upstream().last_request().body, said("a"));
    EXPECT_EQ(would_block("lakera"), 1);
    EXPECT_EQ(blocked_by("lakera"), 0);
    EXPECT_EQ(result("gone", "error"), 1);
    EXPECT_EQ(result("presidio", "mask"), 1);
}

/// A request that a closed guard's failure would have refused is told as one.
TEST_F(ExternalGuard, ADryRunsOutcomeIsWhatWouldHaveBeen) {
    StateDirectory directory;
    const std::string path = directory.path() + "/audit.log";
    ScriptedUpstream& gone = guard_that_says("gone", allow);
    conf.set("security.dry_run", "on").set("log.audit.path", path);
    begin();
    gone.stop_listening();
    gone.end_connections();
    constexpr struct {
        const char *on_failure, *action, *told, *outcome;
    } cases[] = {{"closed", "block", "closed", "refused"},
                 {"open", "block", "open", "passed"},
                 {"closed", "log", "log", "passed"}};
    for (int count = 1; const auto& one : cases) {
        conf.set("security.guard.gone.on_failure", one.on_failure).set("security.guard.gone.action", one.action);
        loom().reload(conf.text());
        EXPECT_EQ(ask(asking(said("a"))).status(), 200);
        const std::string lines = audit_lines(path, count++);
        const std::string line = lines.substr(lines.rfind('\n', lines.size() - 2) + 1);
        EXPECT_TRUE(contains(line, std::string(R"("outcome":")") + one.outcome + "\"")) << line;
        EXPECT_TRUE(contains(line, std::string(R"("type":"error","action":")") + one.told + "\"")) << line;
    }
}

/// In earnest it would see a placeholder, or nothing at all.
TEST_F(ExternalGuard, ADryRunTellsNobodyWhatLoomWouldHaveKept) {
    ScriptedUpstream& lakera = guard_that_says("lakera", block);
    conf.set("security.pii_detection.enabled", "on").set("security.pii_detection.types", "email");
    conf.set("security.dry_run", "on");
    begin();
    for (const char* const action : {"mask", "block"}) {
        loom().reload(conf.set("security.pii_detection.action", action).text());
        EXPECT_EQ(ask(asking(said("ann@example.org"))).status(), 200) << action;
        EXPECT_EQ(upstream().last_request().body, said("ann@example.org"));
    }
    EXPECT_EQ(lakera.request_count(), 0U);
    EXPECT_TRUE(
        contains(loom().wait_for_access_line("chat_completions"), R"("guard":"email:1 guard.lakera:withheld")"));
    EXPECT_EQ(ask(asking(said("nothing"))).status(), 200);
    EXPECT_EQ(lakera.request_count(), 1U);
    loom().reload(conf.set("security.pii_detection.action", "log").text());
    EXPECT_EQ(ask(asking(said("ann@example.org"))).status(), 200);
    EXPECT_EQ(lakera.request_count(), 2U) << "what is only counted would be seen in earnest too";
}

TEST_F(ExternalGuard, OneThatLogsIsAskedAndNothingComesOfIt) {
    ScriptedUpstream& lakera = guard_that_says("lakera", block);
    conf.set("security.guard.lakera.action", "log");
    begin();
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(would_block("lakera"), 1);
    lakera.stop_listening();
    lakera.end_connections();
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(result("lakera", "error"), 1);
}

TEST_F(ExternalGuard, WhatIsSaidStandsInTheAuditLog) {
    StateDirectory directory;
    const std::string path = directory.path() + "/audit.log";
    ScriptedUpstream& lakera = guard_that_says("lakera", block);
    conf.set("log.audit.path", path);
    begin();
    expect_blocked(ask(asking(said("MY-PROMPT"))), "lakera");
    lakera.set_script(answer_always(answer(masks(0, 2))));
    lakera.end_connections();
    EXPECT_EQ(ask(asking(said("MY-PROMPT"))).status(), 200);
    const std::string lines = audit_lines(path, 2);
    EXPECT_TRUE(contains(lines, R"("detector":"guard.lakera","type":"jailbreak","action":"block","count":1)")) << lines;
    EXPECT_TRUE(contains(lines, R"("detector":"guard.lakera","type":"EMAIL","action":"mask","count":1)")) << lines;
    EXPECT_FALSE(contains(lines, "PROMPT")) << lines;
}

TEST_F(ExternalGuard, ARouteMayGoWithout) {
    ScriptedUpstream& lakera = guard_that_says("lakera", block);
    conf.set("route.ai.security", "off");
    begin();
    EXPECT_EQ(ask(asking(said("a"))).status(), 200);
    EXPECT_EQ(lakera.request_count(), 0U);
}

TEST_F(ExternalGuard, OtherBodiesAreAskedAboutToo) {
    ScriptedUpstream& lakera = guard_that_says("lakera", block);
    begin();
    const std::string headers = "Content-Type: application/json\r\n" + auth_header();
    EXPECT_EQ(ask(request("POST", "/v1/embeddings", headers, R"({"model":"gpt-4o","input":["one","two"]})")).status(),
              400);
    EXPECT_TRUE(
        contains(lakera.last_request().body, R"("texts":[{"text":"one","role":"user"},{"text":"two","role":"user"}])"));
    EXPECT_EQ(ask(request("POST", "/v1/responses", headers, R"({"model":"gpt-4o","input":"three"})")).status(), 400);
    EXPECT_TRUE(contains(lakera.last_request().body, R"({"text":"three","role":"user"})"));
}

TEST_F(ExternalGuard, AKeptAnswerIsForThoseWhomItsGuardsLetThrough) {
    conf.set("cache.exact.enabled", "on");
    begin();
    const std::string body = said("a", R"(,"temperature":0)");
    EXPECT_EQ(ask(asking(body)).status(), 200);
    EXPECT_EQ(ask(asking(body)).status(), 200);
    const size_t before = upstream().request_count();
    ScriptedUpstream& lakera = guard_that_says("lakera", allow);
    loom().reload(conf.text());
    EXPECT_EQ(ask(asking(body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), before + 1) << "what was kept without the guard is not given";
    EXPECT_EQ(ask(asking(body)).status(), 200);
    EXPECT_EQ(upstream().request_count(), before + 1);
    EXPECT_EQ(lakera.request_count(), 2U) << "it is asked about who gets a kept answer too";
}

TEST_F(ExternalGuard, SeveralShardsAndManyClients) {
    std::atomic<int> asked = 0;
    guard("lakera", answer_with([&asked](const Message& question) {
              asked += 1;
              return answer(contains(question.body, "wicked") ? block : allow);
          }));
    conf.set("loop.shards", "2");
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 32; ++i) {
        clients.push_back(client());
        clients.back().send(asking(said(i % 2 == 0 ? "good" : "wicked")));
    }
    for (size_t i = 0; i < clients.size(); ++i)
        EXPECT_EQ(clients[i].read_response().status(), i % 2 == 0 ? 200 : 400) << i;
    EXPECT_EQ(asked, 32);
    EXPECT_EQ(result("lakera", "allow"), 16);
    EXPECT_EQ(blocked_by("lakera"), 16);
}

TEST_F(ExternalGuard, ALoomThatDrainsAnswersWhoWaits) {
    ScriptedUpstream& lakera = guard_that_waits("lakera", allow);
    begin();
    RawClient waits = client();
    waits.send(asking(said("a")));
    (void)lakera.request(0);
    may_be_gone = true;
    loom().signal(SIGTERM);
    wait_until("the drain", [&] { return contains(loom().log(), "draining"); });
    gate.open();
    EXPECT_EQ(waits.read_response().status(), 200);
}

}  // namespace
}  // namespace loom::wire
