// Two tenants in one Loom, with everything on that keeps, counts or tells anything: what of the one's does the other
// ever see? Teams, projects and prompts are the same on both sides. Whatever the second is answered, on whichever way
// it asks, is read for the first's names, words and ids.
#include <fmt/format.h>

#include <ctime>
#include <mutex>
#include <set>

#include "../base/token_maker.h"
#include "fixture.h"
#include "ledger_pages.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

constexpr std::string_view json_type = "Content-Type: application/json\r\n";
constexpr std::string_view alice_key = "sk-alice-0123456789abcdef";
constexpr std::string_view bob_key = "sk-bob-0123456789abcdef";
const std::string acme_secret = "acmes-secret-of-more-than-thirty-two-bytes";
const std::string globex_secret = "globexs-secret-of-more-than-thirty-two-bytes";

std::string bearer(std::string_view key) { return fmt::format("Authorization: Bearer {}\r\n", key); }

/// Ids are its own, whoever asks; it has whatever is asked for by an id. Each answer has a number, by which it is known
/// whose it was.
class SharedProvider {
  public:
    std::string answer_to(const Message& asked) {
        const std::lock_guard lock(mutex_);
        const std::string target = asked.target();
        const std::string path = target.substr(0, target.find('?'));
        const int number = ++count_;
        if (asked.method() == "GET" && (path == "/v1/files" || path == "/v1/batches" || path == "/v1/containers")) {
            std::string data;
            for (const std::string& id : made_[path]) data += (data.empty() ? "" : ",") + (R"({"id":")" + id + "\"}");
            return answer(R"({"object":"list","data":[)" + data + R"(],"has_more":false})");
        }
        if (asked.method() != "POST")
            return answer(R"({"id":"x","found":true,"text":"said-in-no-)" + std::to_string(number) + "\"}");
        if (path == "/v1/responses")
            return answer(fmt::format(
                R"({{"id":"resp-{0}","object":"response","status":"completed","output":[{{"type":"message","id":"msg-{0}"}},)"
                R"({{"type":"image_generation_call","id":"ig-{0}"}}],"usage":{{"input_tokens":9,"output_tokens":12,"total_tokens":21}}}})",
                number));
        if (path == "/v1/files" || path == "/v1/batches" || path == "/v1/containers" || path == "/v1/conversations") {
            const std::string id = fmt::format("{}-{}", path.substr(4), number);
            made_[path].push_back(id);
            return answer(fmt::format(R"({{"id":"{}","object":"stored"}})", id));
        }
        return answer(
            fmt::format(R"({{"id":"chatcmpl-{0}","object":"chat.completion","created":1,"model":"gpt-4o","choices":)"
                        R"([{{"index":0,"message":{{"role":"assistant","content":"said-in-no-{0}."}},"finish_reason":)"
                        R"("stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}}}})",
                        number));
    }

  private:
    std::mutex mutex_;
    int count_ = 0;
    std::map<std::string, std::vector<std::string>> made_;
};

class Isolation : public WireTest {
  protected:
    Isolation() {
        conf.set("consumer.tester.api_key", "").set("loop.shards", "2");
        for (const auto& [name, key, tenant] :
             {std::tuple{"alice", alice_key, "acme"}, std::tuple{"bob", bob_key, "globex"}}) {
            const std::string of = std::string("consumer.") + name + ".";
            conf.set(of + "api_key", std::string(key)).set(of + "tenant", tenant);
            conf.set(of + "team", "core").set(of + "project", "apollo").set(of + "tier", "gold");
        }
        conf.set("consumer.alice.jwt", "acme-id").set("consumer.bob.jwt", "globex-id");
        conf.set("consumer.bob.models", "gpt-4*");
        conf.set("provider.mock.models", "gpt-4o, gpt-4o-mini, gpu-4-acme-private");
        for (const auto& [issuer, secret] :
             {std::pair{"acme-id", acme_secret}, std::pair{"globex-id", globex_secret}}) {
            const std::string of = std::string("jwt.") + issuer + ".";
            conf.set(of + "issuer", std::string("https://") + issuer).set(of + "audience", "loom");
            conf.set(of + "algorithms", "HS256").set(of + "secret", secret).set(of + "unknown_consumers", "allow");
            conf.set(of + "tier_claim", "tier").set(of + "team_claim", "team");
        }
        conf.set("route.ai.auth.type", "api_key, jwt").set("route.ai.auth.jwt", "acme-id, globex-id");
        conf.set("route.ai.passthrough", "files, batches, responses, containers, images");
        conf.set("state.directory", state.path()).set("token_accounting.enabled", "on").set("auth.issued_keys", "on");
        conf.set("cache.exact.enabled", "on").set("semantic_cache.enabled", "on");
        conf.set("routing.sticky", "prompt_prefix").set("routing.sticky.prompt_cache_key", "on");
        conf.set("rate_limit.team.core.request_rate", "1000").set("rate_limit.consumer.bob.request_rate", "5000");
        conf.set("rate_limit.token_rate.limit", "100000");
        conf.set("security.unread", "files, batches, images");
        conf.set("security.pii_detection.enabled", "on").set("log.audit.path", "@DIR@/audit.log");
        conf.set("admin.token", "operators-only").set("admin.read_token", "scrapers");
    }
    void begin() {
        start(answer_with([this](const Message& asked) { return provider.answer_to(asked); }));
    }

    Message alice(std::string_view method, std::string_view target, std::string_view body = "") {
        Message told = ask(request(method, target, bearer(alice_key) + std::string(json_type), body));
        EXPECT_EQ(told.status(), 200) << target << told.body;
        alices_requests += 1;
        return told;
    }
    /// Whatever it is told is looked at.
    Message bob(std::string_view method, std::string_view target, std::string_view body = "",
                std::string_view lines = "", std::string_view who = bob_key) {
        Message told = ask(request(method, target, bearer(who) + std::string(json_type) + std::string(lines), body));
        expect_nothing_of_alice(told, fmt::format("{} {} {}{}", method, target, lines, body));
        return told;
    }
    void expect_nothing_of_alice(const Message& told, std::string_view what) {
        std::string all = told.raw();
        for (const std::string_view sent : bobs_words)  // what it has said itself may come back
            for (size_t at = 0; (at = all.find(sent, at)) != all.npos;) all.erase(at, sent.size());
        for (const std::string& word : alices_words)
            EXPECT_FALSE(contains(all, word)) << "'" << word << "' is told by " << what << "\n" << told.raw();
    }
    Message admin(std::string_view method, std::string_view target, std::string_view token = "operators-only",
                  std::string_view body = "") {
        return ask_once(loom().admin_port(), request(method, target, bearer(token), body), false);
    }
    std::string usage_page_of(std::string_view token, const std::string& rest) {
        return admin("GET", "/ai/usage" + rest, token).body;
    }
    /// Of the page that a token opens: the sum of those of a family that have this label.
    double counted(std::string_view family, const std::string& label = "") {
        const auto all = parse_metrics(admin("GET", "/metrics", "scrapers").body);
        return label.empty() ? sum_where(all, family) : sum_where(all, family, {label});
    }
    static std::string chat(std::string_view prompt, std::string_view more = "", std::string_view model = "gpt-4o") {
        return fmt::format(R"({{"model":"{}","messages":[{{"role":"user","content":"{}"}}]{}}})", model, prompt, more);
    }
    static std::string token(std::string_view issuer, std::string_view secret, std::string_view claims) {
        return test::hmac_token(secret,
                                fmt::format(R"({{"iss":"https://{}","aud":"loom","exp":{},{}}})", issuer,
                                            std::time(nullptr) + 3'600, claims),
                                R"({"alg":"HS256"})");
    }

    StateDirectory state;
    SharedProvider provider;
    std::vector<std::string> alices_words = {"alice", "acme"};
    std::vector<std::string> bobs_words;
    int alices_requests = 0;
};

TEST_F(Isolation, WhatIsKeptIsFoundByNobodyElse) {
    begin();
    const std::string asked = chat("How do I reset my password?");
    const Message first = alice("POST", "/v1/chat/completions", asked);
    alices_words.push_back(json_text(first.body, "content"));
    alices_words.push_back(json_text(first.body, "id") + '"');
    alices_words.push_back(first.head.value("x-loom-cache-key"));
    wait_until("it to be found by what is like it", [&] { return counted("loom_ai_cache_semantic_entries") == 1; });
    EXPECT_EQ(alice("POST", "/v1/chat/completions", asked).head.value("x-loom-cache"), "hit") << "it is kept";
    EXPECT_EQ(alice("POST", "/v1/chat/completions", chat("how do i reset my password")).head.value("x-loom-cache"),
              "semantic");

    const std::string key_line = "x-loom-cache-key: " + std::string(first.head.value("x-loom-cache-key")) + "\r\n";
    for (const std::string& lines :
         {std::string("x-loom-cache: only\r\n"), std::string("Cache-Control: only-if-cached\r\n"),
          "Cache-Control: only-if-cached\r\n" + key_line}) {
        for (const std::string_view prompt : {"How do I reset my password?", "how do i reset my password"})
            EXPECT_EQ(bob("POST", "/v1/chat/completions", chat(prompt), lines).status(), 504) << lines;
    }
    const std::string named =
        "x-tenant: acme\r\nx-loom-tenant: acme\r\nx-loom-consumer: alice\r\n"
        "x-consumer: alice\r\nx-forwarded-user: alice\r\nopenai-organization: acme\r\n";
    for (const char* const more : {"", R"(,"user":"alice")", R"(,"metadata":{"tenant":"acme","consumer":"alice"})",
                                   R"(,"safety_identifier":"alice")"}) {
        const Message told = bob("POST", "/v1/chat/completions", chat("How do I reset my password?", more), named);
        EXPECT_EQ(told.status(), 200) << told.raw();
        EXPECT_NE(told.head.value("x-loom-cache-key"), first.head.value("x-loom-cache-key")) << more;
    }
    // A prompt cache at the provider is of keys of each one's own.
    std::set<std::string> keys;
    for (const Message& one : upstream().requests())
        if (const std::string key = json_text(one.body, "prompt_cache_key"); !key.empty()) keys.insert(key);
    EXPECT_EQ(keys.size(), 2u) << "one conversation's beginning, of two tenants";
    // Idempotency keys are each one's own as well.
    const std::string once = "Idempotency-Key: the-same\r\n";
    (void)ask(request("POST", "/v1/chat/completions", bearer(alice_key) + std::string(json_type) + once,
                      chat("One", R"(,"n":1)")));
    const std::string of_alice = upstream().last_request().head.value("idempotency-key");
    (void)bob("POST", "/v1/chat/completions", chat("One", R"(,"n":1)"), once);
    EXPECT_NE(upstream().last_request().head.value("idempotency-key"), of_alice);
}

TEST_F(Isolation, WhatIsStoredAtTheProviderIsItsMakersAlone) {
    begin();
    const auto made = [&](std::string_view target, std::string_view body) {
        const std::string id = json_text(alice("POST", target, body).body, "id");
        EXPECT_NE(id, "");
        alices_words.push_back(id);
        return id;
    };
    const std::string response = made("/v1/responses", R"({"model":"gpt-4o","input":"x"})");
    const std::string number = response.substr(5);
    const std::string conversation = made("/v1/conversations", "{}");
    const std::string container = made("/v1/containers", R"({"name":"c"})");
    const std::string form =
        "--B0\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n"
        "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{}\r\n--B0--\r\n";
    const std::string file =
        json_text(ask(request("POST", "/v1/files",
                              bearer(alice_key) + "Content-Type: multipart/form-data; boundary=B0\r\n", form))
                      .body,
                  "id");
    ASSERT_NE(file, "");
    const std::string batch = made("/v1/batches", R"({"input_file_id":")" + file + R"("})");
    const size_t asked = upstream().request_count();
    bobs_words = {response, conversation, container, file, batch};
    for (const auto& [method, target] :
         std::vector<std::pair<std::string, std::string>>{{"GET", "/v1/responses/" + response},
                                                          {"GET", "/v1/responses/" + response + "/input_items"},
                                                          {"DELETE", "/v1/responses/" + response},
                                                          {"GET", "/v1/conversations/" + conversation},
                                                          {"GET", "/v1/conversations/" + conversation + "/items"},
                                                          {"GET", "/v1/containers/" + container},
                                                          {"GET", "/v1/containers/" + container + "/files"},
                                                          {"DELETE", "/v1/containers/" + container},
                                                          {"GET", "/v1/files/" + file},
                                                          {"GET", "/v1/files/" + file + "/content"},
                                                          {"DELETE", "/v1/files/" + file},
                                                          {"GET", "/v1/batches/" + batch}})
        EXPECT_EQ(bob(method, target).status(), 404) << method << target;
    for (const std::string target : {"/v1/files", "/v1/batches", "/v1/containers"})
        EXPECT_TRUE(contains(bob("GET", target).body, R"("data":[])")) << target;
    const auto input = [](const std::string& item) { return R"({"model":"gpt-4o","input":[)" + item + "]}"; };
    for (
        const std::string& body :
        {std::string(R"({"model":"gpt-4o","input":"x","previous_response_id":")" + response + R"("})"),
         std::string(R"({"model":"gpt-4o","input":"x","conversation":")" + conversation + R"("})"),
         std::string(R"({"model":"gpt-4o","input":"x","conversation":{"id":")" + conversation + R"("}})"),
         std::string(R"({"model":"gpt-4o","input":"x","tools":[{"type":"code_interpreter","container":")" + container +
                     R"("}]})"),
         std::string(
             R"({"model":"gpt-4o","input":"x","tools":[{"type":"code_interpreter","container":{"type":"auto","file_ids":[")" +
             file + R"("]}}]})"),
         input(R"({"type":"item_reference","id":"msg-)" + number + R"("})"), input(R"({"id":"msg-)" + number + R"("})"),
         input(R"({"type":"image_generation_call","id":"ig-)" + number + R"("})"),
         input(R"({"role":"user","content":[{"type":"input_image","file_id":")" + file + R"("}]})"),
         input(R"({"role":"user","content":[{"type":"input_file","file\u005fid":")" + file + R"("}]})")})
        EXPECT_EQ(bob("POST", "/v1/responses", body).status(), 404) << body;
    for (
        const std::string& body :
        {std::string(R"({"model":"gpt-4o","max_tokens":5,"container":")" + container +
                     R"(","messages":[{"role":"user","content":"x"}]})"),
         std::string(
             R"({"model":"gpt-4o","max_tokens":5,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":")" +
             file + R"("}}]}]})")})
        EXPECT_EQ(bob("POST", "/v1/messages", body).status(), 404) << body;
    EXPECT_EQ(bob("POST", "/v1/batches", R"({"input_file_id":")" + file + R"("})").status(), 404);
    EXPECT_EQ(
        bob("POST", "/v1/images/edits", R"({"model":"gpt-4o","images":[{"file_id":")" + file + R"("}]})").status(),
        404);
    EXPECT_EQ(upstream().request_count(), asked) << "nobody was asked about any of it";
    // Whose it is, to that one it is there.
    EXPECT_EQ(alice("POST", "/v1/responses", input(R"({"type":"image_generation_call","id":"ig-)" + number + R"("})"))
                  .status(),
              200);
    EXPECT_EQ(alice("GET", "/v1/containers/" + container).status(), 200);
}

TEST_F(Isolation, NamesOfOthersModelsArePartOfNoAnswer) {
    begin();
    const std::string secret = "gpu-4-acme-private";
    EXPECT_TRUE(contains(alice("GET", "/v1/models").body, secret));
    EXPECT_FALSE(contains(bob("GET", "/v1/models").body, secret));
    bobs_words = {"gpt-4-acme-private", "gpt-4-acme"};
    for (const char* const near : {"gpt-4-acme-private", "gpt-4-acme"}) {
        const Message told = bob("POST", "/v1/chat/completions", chat("x", "", near));
        expect_error(told, 404, "model_not_found");
        EXPECT_FALSE(contains(told.body, secret)) << told.body;
    }
    EXPECT_TRUE(contains(bob("POST", "/v1/chat/completions", chat("x", "", "gpt-4o-mimi")).body, "'gpt-4o-mini'"));
    bobs_words = {secret, "gpu-4-acme-nothing"};
    const Message there = bob("POST", "/v1/chat/completions", chat("x", "", secret));
    const Message not_there = bob("POST", "/v1/chat/completions", chat("x", "", "gpu-4-acme-nothing"));
    EXPECT_EQ(there.status(), 403);
    EXPECT_EQ(there.body, not_there.body) << "whether it is there is not told";
    const Message mistaken = ask(request("POST", "/v1/chat/completions", bearer(alice_key) + std::string(json_type),
                                         chat("x", "", "gpt-4-acme-private")));
    EXPECT_TRUE(contains(mistaken.body, secret)) << "who may use it is helped: " << mistaken.body;
}

TEST_F(Isolation, NoClaimMakesAnotherOfABearer) {
    begin();
    const auto by_token = [&](std::string_view issuer, std::string_view secret, std::string_view claims) {
        const std::string made = token(issuer, secret, claims);
        bobs_words.push_back("alice");
        return bob("POST", "/v1/chat/completions", chat("x"), "", made).status();
    };
    EXPECT_EQ(by_token("globex-id", globex_secret, R"("sub":"bob")"), 200);
    EXPECT_EQ(by_token("globex-id", globex_secret, R"("sub":"alice")"), 403) << "another issuer's";
    EXPECT_EQ(by_token("acme-id", globex_secret, R"("sub":"alice")"), 401) << "signed by another";
    bobs_words.clear();
    // A stranger that calls its team as another tenant's is called is of no tenant's team.
    for (const char* const team : {"acme/core", "acme%2Fcore", "core"})
        EXPECT_EQ(bob("POST", "/v1/chat/completions", chat("x"), "",
                      token("globex-id", globex_secret,
                            fmt::format(R"("sub":"stranger","team":"{}","tier":"gold","tenant":"acme")", team)))
                      .status(),
                  200)
            << team;
    EXPECT_EQ(counted("loom_ai_team_tokens_total", "team=\"acme/core\""), 0);
    EXPECT_EQ(counted("loom_ai_tenant_tokens_total", "tenant=\"acme\""), 0);
    EXPECT_FALSE(contains(usage_page_of("operators-only", ""), R"("tenant":"acme")"));
}

TEST_F(Isolation, CountersPagesAndLogsTellEachItsOwn) {
    begin();
    for (int i = 0; i < 5; ++i)
        (void)alice("POST", "/v1/chat/completions", chat(fmt::format("Mail {} to a@b.example", i)));
    const Message told = bob("POST", "/v1/chat/completions", chat("Hello"));
    EXPECT_TRUE(contains(told.head.value("ratelimit"), R"("team-requests";r=999)"))
        << "of globex's own, whatever acme's of the same name have used: " << told.head.raw;
    // What the admin listener tells is there for nobody whose key is a consumer's, on neither listener.
    for (const char* const page :
         {"/ai/usage", "/ai/usage/alice", "/ai/usage?consumer=alice", "/ai/keys", "/ai/keys?consumer=alice",
          "/ai/consumers", "/ai/consumers/alice", "/ai/limits", "/ai/cache", "/ai/providers", "/ai/openapi.json",
          "/metrics", "/v1/ai/usage/alice", "/v1/usage/alice", "/v1/../ai/usage/alice", "//ai/usage/alice",
          "/v1/%2e%2e/ai/usage/alice"}) {
        bobs_words = {"alice"};
        EXPECT_GE(bob("GET", page).status(), 400) << page;
        const Message refused = admin("GET", page, bob_key);
        EXPECT_GE(refused.status(), 400) << page;
        expect_nothing_of_alice(refused, page);
    }
    bobs_words.clear();
    for (const auto& [method, page] :
         {std::pair{"POST", "/ai/keys?consumer=alice"}, std::pair{"POST", "/ai/consumers"},
          std::pair{"DELETE", "/ai/cache"}, std::pair{"POST", "/ai/providers/mock/drain"}}) {
        EXPECT_EQ(admin(method, page, "scrapers").status(), 403) << page;
        EXPECT_EQ(admin(method, page, bob_key).status(), 401) << page;
    }
    const std::string issued = json_text(admin("POST", "/ai/keys?consumer=alice").body, "key");
    ASSERT_NE(issued, "");
    for (const char* const page : {"/ai/keys", "/ai/consumers", "/ai/usage", "/ai/limits", "/metrics", "/ai/cache"})
        for (const std::string_view secret :
             {std::string_view(issued), alice_key, bob_key, std::string_view(acme_secret), provider_key})
            EXPECT_FALSE(contains(admin("GET", page, "scrapers").raw(), secret)) << page;

    // What a client says of itself is a value in one line of its own, whatever it looks like.
    bobs_words = {"alice", "acme"};
    (void)bob("POST", "/v1/chat/completions",
              chat("Mail c@d.example", "", R"(x\",\"consumer\":\"alice\",\"tenant\":\"acme)"),
              "User-Agent: x\",\"consumer\":\"alice\r\nX-Request-Id: r\",\"consumer\":\"alice\r\n");
    (void)bob("GET", R"(/v1/models?x=","consumer":"alice","y":")");
    (void)bob("POST", "/v1/chat/completions", chat("Hello once more", R"(,"user":"\",\"consumer\":\"alice")"));
    (void)bob("GET", "/v1/models", "", "X-Request-Id: bobs-last\r\n");
    bobs_words.clear();
    (void)loom().wait_for_access_line("bobs-last");
    EXPECT_EQ(number_in(usage_page_of("scrapers", "/alice"), "requests"), 5);
    EXPECT_EQ(number_in(usage_page_of("scrapers", "/bob"), "requests"), 2);
    EXPECT_EQ(counted("loom_ai_team_tokens_total", "team=\"acme/core\""), 5 * 21);
    EXPECT_EQ(counted("loom_ai_tenant_tokens_total", "tenant=\"globex\""), 2 * 21);
    int of_alice = 0;
    const std::string log = loom().access_log();
    for (size_t at = 0; (at = log.find(R"("consumer":"alice")", at)) != log.npos; ++at) of_alice += 1;
    EXPECT_EQ(of_alice, 5) << log;
    const std::string audit =
        loom().wait_for_line("audit.log", R"("consumer":"bob")") + read_file(loom().path("audit.log"));
    for (const char* const text : {"a@b.example", "c@d.example"}) EXPECT_FALSE(contains(audit + log, text)) << text;
}

}  // namespace
}  // namespace loom::wire
