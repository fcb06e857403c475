// Opaque tokens: their issuer is asked whose they are (RFC 7662), by requests that wait for it. And an issuer that does
// not know Loom, is slow, dies, talks nonsense, or takes a token back.
#include <atomic>
#include <ctime>
#include <functional>
#include <mutex>
#include <thread>

#include "../base/token_maker.h"
#include "fixture.h"
#include "loom/base/base64.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

const std::string secret = "s3cret:of&loom";
const std::string inactive = R"({"active":false})";

std::string in_s(int64_t seconds) { return std::to_string(std::time(nullptr) + seconds); }
std::string active(const std::string& sub, const std::string& more = "") {
    return R"({"active":true,"sub":")" + sub + R"(","token_type":"Bearer")" + more + "}";
}
std::string basic(const std::string& pair) {
    std::string line = "Basic ";
    base64_encode({reinterpret_cast<const uint8_t*>(pair.data()), pair.size()}, line);
    return line;
}

class Introspection : public WireTest {
  protected:
    void SetUp() override {
        conf.set("introspection.corp.client_id", "loom@corp").set("introspection.corp.client_secret", secret);
        conf.set("route.ai.auth.type", "introspection").set("route.ai.auth.introspection", "corp");
    }
    /// The issuer, which knows Loom by Basic, and answers what `document` makes of the token.
    void serve(std::function<std::string(const std::string& token)> document) {
        issue(answer_with([this, document = std::move(document)](const Message& asked) {
            const std::string authorization = basic("loom%40corp:s3cret%3Aof%26loom");
            if (asked.head.value("Authorization") != authorization) return answer("{}", "401 Unauthorized");
            return answer(document(token_of(asked)));
        }));
    }
    void issue(ScriptedUpstream::Script script) {
        issuer = std::make_unique<ScriptedUpstream>(std::move(script));
        conf.set("introspection.corp.url", issuer->origin() + "/oauth/introspect");
    }
    static std::string token_of(const Message& asked) {
        EXPECT_TRUE(asked.body.starts_with("token=")) << asked.body;
        return asked.body.substr(6, asked.body.find('&') - 6);
    }
    void begin() { start(answer_always(answer(chat_answer))); }
    static std::string asking(const std::string& token, const std::string& body = chat_body) {
        return request("POST", "/v1/chat/completions",
                       "Content-Type: application/json\r\nAuthorization: Bearer " + token + "\r\n", body);
    }
    Message ask_with(const std::string& token) {
        shown.push_back(token);
        return ask(asking(token));
    }
    Eventually refused(const std::string& reason) {
        return loom().eventually("loom_ai_auth_failures_total{reason=\"" + reason + "\"}");
    }
    double asked(const std::string& result) {
        return loom().metric("loom_token_introspections_total{result=\"" + result + "\"}");
    }
    void expect_unavailable(const Message& told) {
        expect_error(told, 503, "issuer_unavailable");
        EXPECT_TRUE(told.head.has("Retry-After")) << told.head.raw;
    }
    void TearDown() override {
        const std::string told =
            loom().log() + loom().access_log() + ask_once(loom().admin_port(), request("GET", "/metrics")).body;
        for (const std::string& token : shown)
            if (token.size() > 8) EXPECT_FALSE(contains(told, token)) << token << " in\n" << told;
        for (const std::string& word : {secret, std::string("s3cret")}) EXPECT_FALSE(contains(told, word)) << told;
        WireTest::TearDown();
    }

    void tell(const std::string& bytes) {
        const std::scoped_lock lock(mutex_);
        told_ = bytes;
    }
    std::string told() const {
        const std::scoped_lock lock(mutex_);
        return told_;
    }

    mutable std::mutex mutex_;
    std::string told_;
    Gate gate;  // outlives the scripts that wait for it
    std::unique_ptr<ScriptedUpstream> issuer;
    std::vector<std::string> shown;
};

TEST_F(Introspection, ATokenIsAskedAboutOnceAndGoesNoFurther) {
    serve([](const std::string& token) { return token == "tok-tester-1" ? active("tester") : inactive; });
    begin();
    for (int i = 0; i < 5; ++i) EXPECT_EQ(ask_with("tok-tester-1").status(), 200);
    EXPECT_EQ(issuer->request_count(), 1U);
    const Message question = issuer->request(0);
    EXPECT_EQ(question.target(), "/oauth/introspect");
    EXPECT_EQ(question.head.value("Content-Type"), "application/x-www-form-urlencoded");
    EXPECT_EQ(question.head.value("Accept"), "application/json");
    EXPECT_EQ(question.body, "token=tok-tester-1&token_type_hint=access_token");
    EXPECT_EQ(upstream().last_request().head.value("Authorization"), "Bearer " + std::string(provider_key));
    EXPECT_FALSE(contains(upstream().last_request().head.raw, "tok-tester-1"));
    EXPECT_TRUE(contains(loom().wait_for_access_line("chat_completions"), R"("consumer":"tester")"));
    EXPECT_EQ(asked("active"), 1);
    const std::string by_header = "Content-Type: application/json\r\nx-api-key: tok-tester-1\r\n";
    EXPECT_EQ(ask(request("POST", "/v1/chat/completions", by_header, chat_body)).status(), 200);
    expect_error(ask(chat_request(chat_body)), 401);  // a key is asked about as a token here, and is none
    expect_error(ask(request("POST", "/v1/chat/completions", "", chat_body)), 401);
}

TEST_F(Introspection, AnInactiveTokenIsRefusedAndRememberedForAWhile) {
    serve([](const std::string&) { return inactive; });
    begin();
    for (int i = 0; i < 5; ++i) {
        const Message told = ask_with("tok-dead-0001");
        expect_error(told, 401, "invalid_api_key");
        EXPECT_TRUE(told.head.has("WWW-Authenticate"));
        EXPECT_TRUE(contains(told.body, "not good")) << told.body;
    }
    EXPECT_EQ(issuer->request_count(), 1U);
    EXPECT_EQ(upstream().request_count(), 0U);
    EXPECT_EQ(refused("inactive"), 5);
    EXPECT_EQ(asked("inactive"), 1);
}

TEST_F(Introspection, CredentialsInTheBodyOrATokenOfItsOwn) {
    issue(answer_with([](const Message& question) {
        EXPECT_FALSE(question.head.has("Authorization"));
        EXPECT_EQ(question.body,
                  "token=tok-a&token_type_hint=access_token&client_id=loom%40corp&client_secret="
                  "s3cret%3Aof%26loom");
        return answer(active("tester"));
    }));
    conf.set("introspection.corp.auth", "post");
    begin();
    EXPECT_EQ(ask_with("tok-a").status(), 200);
    issuer->set_script(answer_with([](const Message& question) {
        EXPECT_EQ(question.head.value("Authorization"), "Bearer s3cret-own");
        EXPECT_EQ(question.body, "token=tok-b&token_type_hint=access_token");
        return answer(active("tester"));
    }));
    conf.set("introspection.corp.auth", "bearer").set("introspection.corp.client_id", "");
    conf.set("introspection.corp.client_secret", "s3cret-own");
    loom().reload(conf.text());
    issuer->end_connections();
    EXPECT_EQ(ask_with("tok-b").status(), 200);
}

TEST_F(Introspection, WhomTheIssuerDoesNotKnowAsLoomGetsNobodyIn) {
    serve([](const std::string&) { return active("tester"); });
    conf.set("introspection.corp.client_secret", "s3cret-that-is-wrong");
    begin();
    expect_unavailable(ask_with("tok-tester-2"));
    EXPECT_EQ(refused("unavailable"), 1);
    EXPECT_TRUE(contains(loom().log(), "introspection.corp: 127.0.0.1: it does not take Loom's own credentials"));
}

TEST_F(Introspection, KeysAndSignedTokensComeFirst) {
    serve([](const std::string&) { return active("opaque"); });
    conf.set("route.ai.auth.type", "api_key, jwt, introspection").set("route.ai.auth.jwt", "signed");
    conf.set("jwt.signed.issuer", "https://id.example").set("jwt.signed.audience", "loom");
    conf.set("jwt.signed.secret", "a-secret-of-more-than-thirty-two-bytes");
    conf.set("consumer.opaque.jwt", "corp").set("consumer.tester.jwt", "signed");
    begin();
    EXPECT_EQ(ask(chat_request(chat_body)).status(), 200);
    const auto signed_by = [](const std::string& issuer_name, const std::string& with) {
        return test::hmac_token(
            with, R"({"iss":")" + issuer_name + R"(","aud":"loom","sub":"tester","exp":)" + in_s(3600) + "}",
            R"({"alg":"HS256"})");
    };
    const std::string own = "a-secret-of-more-than-thirty-two-bytes";
    EXPECT_EQ(ask_with(signed_by("https://id.example", own)).status(), 200);
    expect_error(ask_with(signed_by("https://id.example", own + "x")), 401);
    EXPECT_EQ(issuer->request_count(), 0U) << "nobody is asked about a key, or a token that says itself whose it is";
    expect_error(ask_with("sk-loom-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"), 401);
    EXPECT_EQ(issuer->request_count(), 0U) << "nor about a key that Loom has made";
    EXPECT_EQ(ask_with("tok-opaque-1").status(), 200);
    EXPECT_EQ(ask_with(signed_by("https://other.example", own)).status(), 200)
        << "its issuer is asked, if nobody knows it";
    EXPECT_EQ(issuer->request_count(), 2U);
    expect_error(ask_with("not%a!token"), 401);
    EXPECT_EQ(issuer->request_count(), 2U) << "what can be no token";
}

TEST_F(Introspection, TheAnswersClaimsSayWhoAsksAndWhatTheyMay) {
    serve([](const std::string& token) {
        if (token == "tok-limited") return active("limited");
        if (token == "tok-stranger") return active("stranger");
        if (token == "tok-admin") return active("tester", R"(,"scope":"chat admin")");
        return active("tester", R"(,"scope":"chat")");
    });
    conf.set("introspection.corp.roles_claim", "scope").set("consumer.limited.models", "gpt-4o-mini");
    conf.set("access.rule.admins.when", R"("admin" in roles)").set("access.rule.admins.action", "allow");
    conf.set("access.rule.others.when", R"(model matches "*")").set("access.rule.others.action", "deny");
    begin();
    EXPECT_EQ(ask_with("tok-admin").status(), 200);
    expect_error(ask_with("tok-plain"), 403);
    expect_error(ask_with("tok-limited"), 403);
    const Message unknown = ask_with("tok-stranger");
    expect_error(unknown, 403);
    EXPECT_TRUE(contains(unknown.body, "unknown_consumers")) << unknown.body;
    EXPECT_EQ(refused("consumer"), 1);
    conf.set("introspection.corp.unknown_consumers", "allow").set("access.rule.others.when", "");
    conf.set("access.rule.others.action", "").set("access.rule.admins.when", "").set("access.rule.admins.action", "");
    loom().reload(conf.set("consumer.limited.jwt", "corp").text());
    EXPECT_EQ(ask_with("tok-stranger").status(), 200);
    expect_error(ask_with("tok-plain"), 403);  // nobody's users become another's consumers
}

TEST_F(Introspection, ARevokedTokenIsRefusedWithinTheCachesTime) {
    std::atomic<bool> revoked = false;
    serve([&](const std::string&) { return revoked ? inactive : active("tester"); });
    conf.set("introspection.corp.cache", "2s");
    begin();
    EXPECT_EQ(ask_with("tok-to-be-revoked").status(), 200);
    const auto from = std::chrono::steady_clock::now();
    revoked = true;
    wait_until("the token to be refused", [&] { return ask_with("tok-to-be-revoked").status() == 401; });
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(4));
    EXPECT_EQ(issuer->request_count(), 2U);
}

TEST_F(Introspection, ATokenIsNotBelievedBeyondItsEnd) {
    const std::string end = in_s(2);
    serve([&](const std::string&) { return active("tester", R"(,"exp":)" + end); });
    conf.set("introspection.corp.cache", "1h");
    begin();
    EXPECT_EQ(ask_with("tok-short-lived").status(), 200);
    wait_until("its end", [&] { return ask_with("tok-short-lived").status() == 401; });
    const auto now = std::chrono::system_clock::now() + std::chrono::milliseconds(200);
    EXPECT_GE(std::chrono::system_clock::to_time_t(now), std::stoll(end));
    EXPECT_EQ(refused("claims"), 1) << "it was asked about again, and its end had come";
}

TEST_F(Introspection, EqualTokensAreAskedAboutOnceAtATime) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(active("tester")));
        }
    });
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(client());
        clients.back().send(asking("tok-asked-at-once"));
    }
    EXPECT_EQ(ask(get("/healthz")).status(), 200) << "the shard serves others meanwhile";
    (void)issuer->request(0);
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().status(), 200);
    EXPECT_EQ(issuer->request_count(), 1U);
    EXPECT_EQ(upstream().request_count(), 8U);
}

TEST_F(Introspection, SoManyAtOnceAndNoMore) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(active("tester")));
        }
    });
    conf.set("introspection.corp.max_in_flight", "2");
    begin();
    std::vector<RawClient> clients;
    for (int i = 0; i < 2; ++i) {
        clients.push_back(client());
        clients.back().send(asking("tok-waiting-" + std::to_string(i)));
    }
    wait_until("both to be asked", [&] { return issuer->request_count() == 2; });
    const Message told = ask_with("tok-one-too-many");
    expect_error(told, 503);
    EXPECT_TRUE(told.head.has("Retry-After"));
    EXPECT_TRUE(contains(told.body, "max_in_flight")) << told.body;
    gate.open();
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().status(), 200);
    EXPECT_EQ(ask_with("tok-one-too-many").status(), 200);
}

/// What comes behind the head waits, in whatever pieces, and is the request's when it is known whose.
TEST_F(Introspection, TheBodyWaitsWithTheRequestWhereverItIsCut) {
    serve([](const std::string&) { return active("tester"); });
    conf.set("introspection.corp.cache", "0");
    begin();
    const std::string bytes = asking("tok-cut-0001");
    const size_t head = bytes.find("\r\n\r\n") + 4;
    for (const size_t cut : {size_t{1}, head - 1, head, head + 1, head + 20, bytes.size() - 1}) {
        RawClient one = client();
        one.send(bytes.substr(0, cut));
        one.send(bytes.substr(cut) + bytes);  // and the next one behind it
        EXPECT_EQ(one.read_response().status(), 200) << cut;
        EXPECT_EQ(one.read_response().status(), 200) << cut;
        EXPECT_EQ(upstream().last_request().body.find("tok-cut"), std::string::npos);
    }
    const std::string large =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + std::string(300'000, 'x') + R"("}]})";
    EXPECT_EQ(ask(asking("tok-cut-0001", large)).status(), 200) << "more than an inbox holds";
    EXPECT_EQ(upstream().last_request().body.size(), large.size());
    const std::string chunked =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: loom\r\nContent-Type: application/json\r\nAuthorization: Bearer "
        "tok-cut-0001\r\nTransfer-Encoding: chunked\r\n\r\n" +
        chunk(chat_body) + std::string(last_chunk);
    EXPECT_EQ(ask(chunked).status(), 200);
}

TEST_F(Introspection, AStreamAndASlowIssuer) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send_byte_by_byte(answer(active("tester")));
        }
    });
    start(answer_always(sse_answer(delta_event("Hi") + usage_event + done_event)));
    RawClient one = client();
    one.send(asking("tok-slow-0001", stream_body));
    (void)issuer->request(0);
    gate.open();
    EXPECT_EQ(one.read_response().status(), 200);
}

TEST_F(Introspection, AnIssuerThatDoesNotAnswerInTimeLetsNobodyIn) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) gate.wait();
    });
    conf.set("introspection.corp.timeout", "200ms");
    begin();
    expect_unavailable(ask_with("tok-unanswered"));
    EXPECT_EQ(asked("error"), 1);
    EXPECT_TRUE(contains(loom().log(), "introspection.corp: 127.0.0.1: timed_out"));
    EXPECT_EQ(upstream().request_count(), 0U);
    gate.open();
}

TEST_F(Introspection, AnIssuerThatIsGoneLetsOnlyThoseInWhoAreKnown) {
    serve([](const std::string&) { return active("tester"); });
    begin();
    EXPECT_EQ(ask_with("tok-known-0001").status(), 200);
    issuer->stop_listening();
    issuer->end_connections();
    for (int i = 0; i < 3; ++i) expect_unavailable(ask_with("tok-unknown-" + std::to_string(i)));
    EXPECT_EQ(ask_with("tok-known-0001").status(), 200) << "for as long as the cache says";
    EXPECT_EQ(refused("unavailable"), 3);
}

TEST_F(Introspection, GarbageLetsNobodyInAndIsNotKept) {
    issue(answer_with([this](const Message&) { return told(); }));
    begin();
    const std::string good = active("tester");
    const std::vector<std::string> answers = {
        answer("<html>"),
        answer(""),
        answer("[]"),
        answer(R"({"sub":"tester"})"),
        answer(R"({"active":"true","sub":"tester"})"),
        answer(R"({"active":false,"active":true,"sub":"tester"})"),
        answer(R"({"active":true,"sub":"tester","sub":"limited"})"),
        answer(R"({"active":true,"sub":"tester","more":")" + std::string(20'000, 'x') + R"("})"),
        answer(good, "500 Internal Server Error"),
        answer(good, "204 No Content"),
        answer(good, "302 Found", "Location: http://127.0.0.1:1/\r\n"),
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        "garbage\r\n\r\n",
    };
    for (const std::string& one : answers) {
        tell(one);
        expect_unavailable(ask_with("tok-garbled-01"));
    }
    EXPECT_EQ(upstream().request_count(), 0U);
    tell(answer(good));
    EXPECT_EQ(ask_with("tok-garbled-01").status(), 200);
}

TEST_F(Introspection, AnAnswerThatBreaksOffIsNone) {
    issue([](UpstreamConnection& connection) {
        if (!connection.read_request()) return;
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + active("tester"));
    });
    begin();
    expect_unavailable(ask_with("tok-broken-off"));
}

TEST_F(Introspection, WhoTriesTokensIsLockedOut) {
    serve([](const std::string& token) { return token == "tok-right-0001" ? active("tester") : inactive; });
    conf.set("forwarded.trust", "127.0.0.0/8").set("auth.lockout.failures", "3").set("auth.lockout.time", "1m");
    begin();
    const auto ask_from = [&](const std::string& address, const std::string& token) {
        return ask(request("POST", "/v1/chat/completions",
                           "Content-Type: application/json\r\nX-Forwarded-For: " + address +
                               "\r\nAuthorization: Bearer " + token + "\r\n",
                           chat_body));
    };
    EXPECT_EQ(ask_from("203.0.113.9", "tok-right-0001").status(), 200);
    for (int i = 0; i < 3; ++i) expect_error(ask_from("203.0.113.9", "tok-guess-" + std::to_string(i)), 401);
    const size_t before = issuer->request_count();
    expect_error(ask_from("203.0.113.9", "tok-guess-7"), 429);
    EXPECT_EQ(issuer->request_count(), before) << "nobody is asked for one who is locked out";
    EXPECT_EQ(ask_from("203.0.113.9", "tok-right-0001").status(), 200) << "it was verified of late";
    EXPECT_EQ(ask_from("203.0.113.10", "tok-guess-8").status(), 401);
}

TEST_F(Introspection, AClientThatLeavesIsNoReasonToCrashAndAReloadLosesNobody) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(active("tester")));
        }
    });
    begin();
    RawClient leaves = client(), waits = client();
    leaves.send(asking("tok-left-0001"));
    waits.send(asking("tok-waits-001"));
    wait_until("both to be asked", [&] { return issuer->request_count() == 2; });
    leaves.reset();
    conf.set("introspection.corp.cache", "30s").set("consumer.another.models", "gpt-4o");
    loom().reload(conf.text());
    gate.open();
    EXPECT_EQ(waits.read_response().status(), 200);
    EXPECT_EQ(ask_with("tok-waits-001").status(), 200) << "asked about anew: what it said was of the old conf";
    EXPECT_EQ(issuer->request_count(), 3U);
}

/// "in_force" is true of those too who were not let in yet when it was said.
TEST_F(Introspection, WhoIsKeptOutWhileTheIssuerIsAskedIsNotLetIn) {
    StateDirectory state;
    conf.set("auth.issued_keys", "on").set("state.directory", state.path()).set("consumer.withdrawn.models", "gpt-4o");
    issue([this](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const std::string token = token_of(*asked);
            gate.wait();
            connection.send(answer(active(token.substr(4, token.find('-', 4) - 4))));
        }
    });
    begin();
    const auto admin = [&](std::string_view method, std::string_view place, std::string_view body) {
        const Message told =
            ask_once(loom().admin_port(), request(method, "/ai/consumers" + std::string(place), "", body), false);
        EXPECT_TRUE(contains(told.body, R"("in_force":true)")) << told.body;
    };
    for (const char* const name : {"stays", "disabled", "removed", "remade", "elsewhere"})
        admin("POST", "", R"({"name":")" + std::string(name) + R"("})");
    std::vector<RawClient> waiting;
    const std::vector<std::pair<std::string, int>> whom = {{"stays", 200},    {"tester", 200}, {"disabled", 401},
                                                           {"removed", 401},  {"remade", 401}, {"elsewhere", 403},
                                                           {"withdrawn", 401}};
    for (const auto& [name, status] : whom) {
        waiting.push_back(client());
        waiting.back().send(asking("tok-" + name + "-001"));
    }
    wait_until("all to be asked about", [&] { return issuer->request_count() == whom.size(); });
    admin("PATCH", "/disabled", R"({"disabled":true})");
    admin("PATCH", "/elsewhere", R"({"allow_ips":["192.0.2.0/24"]})");
    admin("DELETE", "/removed", "");
    admin("DELETE", "/remade", "");
    admin("POST", "", R"({"name":"remade"})");
    loom().reload(conf.set("consumer.withdrawn.models", "").text());
    gate.open();
    for (size_t i = 0; i < whom.size(); ++i)
        EXPECT_EQ(waiting[i].read_response().status(), whom[i].second) << whom[i].first;
    EXPECT_EQ(upstream().request_count(), 2U);
}

/// Who was removed is not let in with the removed one's terms because strangers are let in.
TEST_F(Introspection, WhoIsRemovedWhileTheIssuerIsAskedIsNoStrangerYet) {
    conf.set("introspection.corp.unknown_consumers", "allow").set("consumer.known.jwt", "corp");
    conf.set("consumer.known.models", "gpt-4o");
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(active("known")));
        }
    });
    begin();
    RawClient waits = client();
    waits.send(asking("tok-known-0001"));
    wait_until("it to be asked about", [&] { return issuer->request_count() == 1; });
    loom().reload(conf.set("consumer.known.jwt", "").set("consumer.known.models", "").text());
    gate.open();
    EXPECT_EQ(waits.read_response().status(), 401);
    EXPECT_EQ(ask_with("tok-known-0002").status(), 200) << "a stranger from now on";
}

/// A key of Loom's own is not told to an issuer, whatever route it comes to.
TEST_F(Introspection, AKeyOfTheConfIsNotAskedAbout) {
    serve([](const std::string&) { return active("tester"); });
    begin();
    expect_error(ask_with(std::string(client_key)), 401);
    EXPECT_EQ(issuer->request_count(), 0U);
    EXPECT_EQ(ask_with("tok-tester-1").status(), 200);
}

TEST_F(Introspection, ALoomThatDrainsAnswersWhoWaits) {
    issue([this](UpstreamConnection& connection) {
        while (connection.read_request()) {
            gate.wait();
            connection.send(answer(active("tester")));
        }
    });
    begin();
    RawClient waits = client();
    waits.send(asking("tok-drained-01"));
    (void)issuer->request(0);
    loom().signal(SIGTERM);
    wait_until("the drain", [&] { return contains(loom().log(), "draining"); });
    gate.open();
    EXPECT_EQ(waits.read_response().status(), 200);
}

TEST_F(Introspection, PlainRoutesAskToo) {
    serve([](const std::string& token) { return token == "tok-plain-001" ? active("tester") : inactive; });
    ScriptedUpstream plain(answer_always(answer("{}")));
    conf.set("route.plain.path", "/plain/*")
        .set("route.plain.ai_gateway", "off")
        .set("route.plain.upstream", plain.origin());
    conf.set("route.plain.auth.type", "introspection").set("route.plain.auth.introspection", "corp");
    begin();
    const auto put = [&](const std::string& token) {
        return ask(request("PUT", "/plain/x", "Authorization: Bearer " + token + "\r\n", std::string(100'000, 'b')));
    };
    EXPECT_EQ(put("tok-plain-001").status(), 200);
    EXPECT_EQ(plain.last_request().body.size(), 100'000U);
    EXPECT_FALSE(contains(plain.last_request().head.raw, "tok-plain-001"));
    expect_error(ask(request("GET", "/plain/x", "Authorization: Bearer tok-none-00001\r\n")), 401);
}

TEST_F(Introspection, SeveralShardsEachAskForThemselves) {
    serve([](const std::string&) { return active("tester"); });
    conf.set("loop.shards", "2");
    begin();
    for (int i = 0; i < 16; ++i) EXPECT_EQ(ask_with("tok-two-shards").status(), 200);
    EXPECT_LE(issuer->request_count(), 2U);
}

TEST_F(Introspection, GuessesByTheThousandTakeNoMoreMemory) {
    serve([](const std::string& token) { return token == "tok-right-0002" ? active("tester") : inactive; });
    begin();
    const auto guess = [&](int from, int count) {
        RawClient one = client();
        for (int i = from; i < from + count; ++i) {
            one.send(request("GET", "/v1/models", "Authorization: Bearer tok-guess-" + std::to_string(i) + "\r\n"));
            ASSERT_EQ(one.read_response().status(), 401);
        }
    };
    guess(0, 2000);
    const size_t before = loom().resident_bytes();
    guess(2000, 4000);
    EXPECT_LT(loom().resident_bytes(), before + (size_t{is_sanitized() ? 512u : 2u} << 20));
    EXPECT_EQ(ask_with("tok-right-0002").status(), 200);
    guess(6000, 1500);
    const size_t asked_before = issuer->request_count();
    EXPECT_EQ(ask_with("tok-right-0002").status(), 200);
    EXPECT_EQ(issuer->request_count(), asked_before) << "guesses displace nobody who is good";
}

}  // namespace
}  // namespace loom::wire
