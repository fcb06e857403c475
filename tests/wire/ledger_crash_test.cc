// A Loom that is killed while attempts follow each other, and race: the ledger knows each that a provider has received,
// once, and what was in flight is marked as estimated.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "fixture.h"
#include "ledger_pages.h"
#include "loom/llm/token_estimate.h"
#include "state_directory.h"

namespace loom::wire {
namespace {

using namespace std::chrono_literals;

/// A line of `loom ledger export`.
struct Attempt {
    std::string id, request, provider, model, exit, provenance;
    long status = 0, input = 0, output = 0;
};

std::vector<Attempt> attempts_in(const std::string& directory) {
    std::vector<Attempt> attempts;
    const auto [status, csv] = run_loom("ledger export " + directory);
    EXPECT_EQ(status, 0) << csv;
    for (size_t at = csv.find('\n') + 1; at < csv.size();) {
        const size_t end = std::min(csv.find('\n', at), csv.size());
        std::vector<std::string> fields;
        for (size_t from = at; from <= end;) {
            const size_t comma = std::min(csv.find(',', from), end);
            fields.push_back(csv.substr(from, comma - from));
            from = comma + 1;
        }
        at = end + 1;
        EXPECT_EQ(fields.size(), 26u);
        if (fields.size() != 26) return attempts;
        attempts.push_back({.id = fields[1],
                            .request = fields[2],
                            .provider = fields[9],
                            .model = fields[10],
                            .exit = fields[11],
                            .provenance = fields[13],
                            .status = std::stol(fields[12]),
                            .input = std::stol(fields[14]),
                            .output = std::stol(fields[17])});
    }
    return attempts;
}

std::string body_of(std::string_view model, std::string_view more = "") {
    return fmt::format(R"({{"model":"{}",{}"messages":[{{"role":"user","content":"Hello there"}}]}})", model, more);
}

/// Of each kind one: a whole answer, a stream that has begun, one that has failed over, and one that races.
TEST(LedgerOfTheKilled, WhatWasInFlightIsMarkedAsEstimated_AndWhatWasNotIsNot) {
    StateDirectory state;
    const auto holds = [](UpstreamConnection& connection) {
        while (const auto asked = connection.read_request()) {
            const std::string model = json_text(asked->body, "model");
            if (model == "done") {
                connection.send(answer(chat_answer));
                continue;
            }
            if (model == "fails") {
                connection.send(answer("{}", "500 Internal Server Error"));
                continue;
            }
            if (model == "streams") connection.send(sse_head + chunk(delta_event("one") + delta_event("two")));
            (void)connection.wait_closed();
            return;
        }
    };
    ScriptedUpstream mock(holds);
    ScriptedUpstream spare([](UpstreamConnection& connection) {
        (void)connection.read_request();
        (void)connection.wait_closed();
    });
    Conf conf;
    conf.use_upstream(mock.port());
    conf.set("provider.mock.models", "").set("provider.mock.priority", "1").set("log.access.path", "off");
    conf.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-spare");
    conf.set("provider.spare.base_url", spare.origin() + "/v1").set("provider.spare.models", "fails, races");
    conf.set("provider.spare.priority", "2")
        .set("routing.failover.enabled", "on")
        .set("routing.failover.backoff", "1ms");
    conf.set("routing.hedge.after", "50ms").set("routing.hedge.budget", "100%");
    conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
    {
        LoomProcess loom(conf.text());
        EXPECT_EQ(ask_once(loom.port(), chat_request(body_of("done"))).status(), 200);
        std::vector<RawClient> clients;
        for (const char* const model : {"whole", "streams", "fails", "races"}) {
            clients.emplace_back(loom.port());
            const bool streams = std::string_view(model) == "streams";
            clients.back().send(chat_request(body_of(model, streams ? R"("stream":true,)" : R"("max_tokens":77,)")));
            if (streams) EXPECT_EQ(clients.back().reader().start_response().status(), 200);
        }
        wait_until("all to be asked", [&] { return mock.request_count() == 5 && spare.request_count() == 2; });
        wait_until("what is settled to be in the file", [&] {
            return number_in(usage_page(loom, "/tester"), "attempts") == 2;  // the answered one, and the failed
        });
        loom.signal(SIGKILL);
        (void)loom.wait_for_exit();
    }
    mock.end_connections();
    spare.end_connections();
    LoomProcess loom(conf.text());
    EXPECT_EQ(number_in(usage_page(loom, "/tester"), "requests"), 5);
    EXPECT_EQ(number_in(usage_page(loom, "/tester"), "attempts_estimated"), 5);
    loom.stop_cleanly();
    std::set<std::string> lost;
    for (const Attempt& one : attempts_in(state.path())) {
        if (one.model == "done") {
            EXPECT_EQ(one.exit + " " + one.provenance, "answered reported");
            continue;
        }
        if (one.model == "fails" && one.provider == "mock") {
            EXPECT_EQ(one.exit + " " + one.provenance, "failed_over none");
            continue;
        }
        EXPECT_EQ(one.exit + " " + one.provenance, "lost estimated") << one.model << " " << one.provider;
        EXPECT_EQ(one.input, static_cast<int64_t>(llm::estimated_tokens(std::string_view("Hello there"))));
        if (one.model != "streams") EXPECT_EQ(one.output, 77) << one.model;
        EXPECT_GT(one.output, 0);
        lost.insert(one.model + " " + one.provider);
    }
    EXPECT_EQ(lost, (std::set<std::string>{"whole mock", "streams mock", "fails spare", "races mock", "races spare"}));
    EXPECT_EQ(verify(state.path()).first, 0);
}

/// What the clients and two providers know of requests that each have a model of their own. Of five, the first provider
/// fails one and is slow with one, which the second is then asked beside it.
class KilledMidway : public testing::Test {
  protected:
    KilledMidway()
        : mock_(answer_with([this](const Message& asked) { return answer_as("mock", asked); })),
          spare_(answer_with([this](const Message& asked) { return answer_as("spare", asked); })) {
        conf_.use_upstream(mock_.port());
        conf_.set("provider.mock.models", "").set("provider.mock.priority", "1").set("loop.shards", "2");
        conf_.set("provider.spare.type", "openai").set("provider.spare.api_key", "sk-spare");
        conf_.set("provider.spare.base_url", spare_.origin() + "/v1").set("provider.spare.priority", "2");
        conf_.set("routing.failover.enabled", "on").set("routing.failover.backoff", "1ms");
        conf_.set("routing.failover.retry_budget", "100%");
        conf_.set("routing.failover.circuit_breaker.failure_threshold", "0");
        conf_.set("routing.hedge.after", "10ms").set("routing.hedge.budget", "100%");
        conf_.set("token_accounting.enabled", "on").set("state.directory", state_.path());
        conf_.set("token_accounting.log.segment_size", "64KiB").set("log.access.path", "off");
    }
    static long number_of(const std::string& model) { return std::strtol(model.c_str() + 2, nullptr, 10); }
    static long prompt_of(long n) { return 10 + n % 97; }
    static long completion_of(long n) { return 1 + n % 13; }
    std::string answer_as(const std::string& provider, const Message& asked) {
        const std::string model = json_text(asked.body, "model");
        const long n = number_of(model);
        {
            const std::lock_guard lock(mutex_);
            received_[model + " " + provider] += 1;
        }
        if (provider == "mock" && n % 5 == 0) return answer("{}", "500 Internal Server Error");
        if (provider == "mock" && n % 5 == 1) std::this_thread::sleep_for(25ms);
        return answer(fmt::format(R"({{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[],)"
                                  R"("usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}}}})",
                                  prompt_of(n), completion_of(n), prompt_of(n) + completion_of(n)));
    }
    /// Until Loom is gone.
    void ask_on(uint16_t port) {
        long last = -1;
        try {
            RawClient client(port);
            for (;;) {
                const long n = next_++;
                const Message told = client.ask(chat_request(body_of(fmt::format("m-{}", n))));
                if (told.status() != 200) break;
                const std::lock_guard lock(mutex_);
                answered_.insert(n);
                last = n;
            }
        } catch (const WireError&) {
        }
        const std::lock_guard lock(mutex_);
        last_answered_.insert(last);
    }
    void run_and_kill(std::chrono::microseconds time) {
        LoomProcess loom(conf_.text());
        std::vector<std::thread> clients;
        for (int i = 0; i < 6; ++i) clients.emplace_back([&] { ask_on(loom.port()); });
        std::this_thread::sleep_for(time);
        loom.signal(SIGKILL);
        for (std::thread& client : clients) client.join();
        (void)loom.wait_for_exit();
    }
    void check(const std::vector<Attempt>& attempts);

    StateDirectory state_;
    std::mutex mutex_;
    std::map<std::string, int> received_;  // "m-7 spare"
    std::set<long> answered_;
    /// The last of each client before a kill: its settlement may have been under way. What it asked next has its intent
    /// behind it in the log, and was not sent before that was written.
    std::set<long> last_answered_;
    std::atomic<long> next_ = 0;
    ScriptedUpstream mock_;
    ScriptedUpstream spare_;
    Conf conf_;
};

void KilledMidway::check(const std::vector<Attempt>& attempts) {
    const std::lock_guard lock(mutex_);
    std::set<std::string> ids;
    std::map<std::string, int> booked;
    std::map<long, std::string> requests;
    std::map<long, int> answers;
    long lost = 0, hedged = 0, failed_over = 0;
    for (const Attempt& one : attempts) {
        const long n = number_of(one.model);
        EXPECT_TRUE(ids.insert(one.id).second) << one.id << " is there twice";
        booked[one.model + " " + one.provider] += 1;
        const auto [request, is_first] = requests.emplace(n, one.request);
        EXPECT_EQ(request->second, one.request) << one.model << " is one request";
        if (one.provenance == "reported") {
            EXPECT_EQ(one.input, prompt_of(n)) << one.model;
            EXPECT_EQ(one.output, completion_of(n)) << one.model;
        }
        if (one.exit == "lost") EXPECT_EQ(one.provenance, "estimated") << one.model;
        if (one.exit == "answered") {
            EXPECT_EQ(one.provenance, "reported") << one.model;
            answers[n] += 1;
        }
        if (one.exit == "failed_over") EXPECT_EQ(one.provenance, "none") << one.model;
        lost += one.exit == "lost" ? 1 : 0;
        hedged += one.exit == "hedged" ? 1 : 0;
        failed_over += one.exit == "failed_over" ? 1 : 0;
    }
    for (const auto& [what, count] : received_) {
        EXPECT_EQ(count, 1) << what << " was asked more than once";
        EXPECT_EQ(booked[what], 1) << what << " was received, and has to be in the ledger";
    }
    for (const long n : answered_) {
        if (last_answered_.contains(n)) continue;
        EXPECT_EQ(answers[n], 1) << "m-" << n << " was answered, and another asked behind it";
    }
    std::printf("%zu answered, %zu received, %zu booked: %ld lost, %ld hedged, %ld failed over\n", answered_.size(),
                received_.size(), attempts.size(), lost, hedged, failed_over);
    EXPECT_GT(hedged, 10);
    EXPECT_GT(failed_over, 10);
    EXPECT_GT(lost, 10);
}

TEST_F(KilledMidway, EachAttemptThatAProviderHasReceivedIsBookedOnce) {
    std::mt19937 random(20'261'122);
    for (int kill_number = 0; kill_number < 40; ++kill_number) {
        const bool is_long = kill_number % 5 == 4;  // for what is exact
        run_and_kill(std::chrono::microseconds((is_long ? 250'000 : 20'000) + random() % 40'000));
    }
    mock_.end_connections();
    spare_.end_connections();
    LoomProcess loom(conf_.text());
    const std::string page = usage_page(loom, "/tester");
    loom.stop_cleanly();
    const std::vector<Attempt> attempts = attempts_in(state_.path());
    check(attempts);
    EXPECT_EQ(number_in(page, "attempts"), static_cast<long>(attempts.size()));
    std::set<std::string> models;
    for (const Attempt& one : attempts) models.insert(one.model);
    EXPECT_EQ(number_in(page, "requests"), static_cast<long>(models.size()));
    const auto [status, text] = verify(state_.path());
    EXPECT_EQ(status, 0) << text;
}

}  // namespace
}  // namespace loom::wire
