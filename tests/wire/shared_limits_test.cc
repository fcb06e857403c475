// Several Looms on one Redis share limits and budgets, whatever happens to it: together they let in no more than one
// would, nobody who is served waits for it, and what a Loom has used is known after it was killed.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "calendar.h"
#include "sharing.h"
#include "tcp_relay.h"

namespace loom::wire {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A chat.completion that took a thousand tokens.
const std::string thousand_tokens =
    R"({"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,"message":)"
    R"({"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":400,)"
    R"("completion_tokens":600,"total_tokens":1000}})";

struct Sharer : SharingLoom {
    Sharer(uint16_t upstream_port, const std::string& address, std::string_view keys)
        : SharingLoom(upstream_port, address) {
        conf.set("token_accounting.store.redis.timeout", "300ms");
        while (!keys.empty()) {
            const std::string_view line = keys.substr(0, keys.find('\n'));
            keys.remove_prefix(std::min(line.size() + 1, keys.size()));
            const size_t mark = line.find(" = ");
            conf.set(std::string(line.substr(0, mark)), std::string(line.substr(mark + 3)));
        }
        start();
    }
    /// Counts it if it was let in.
    Message send() {
        Message response = ask_once(loom->port(), chat_request(chat_body));
        if (response.status() == 200) admitted += 1;
        return response;
    }
    int admitted = 0;
};

class SharedLimits : public SharingTest<Sharer> {
  protected:
    SharedLimits() : SharingTest(thousand_tokens) {
        wait_for_a_day_that_lasts(50s);
        has_been_there();
    }
    /// As one that has known all leases for long.
    void has_been_there() {
        EXPECT_EQ(redis.run({"EVAL",
                             "return redis.call('SET', KEYS[1], '1 ' .. string.match(redis.call('INFO', 'server'), "
                             "'run_id:(%w+)'))",
                             "1", "loom:tokens:{loom}leases:since"}),
                  "+OK\r\n");
    }
    Sharer& add(std::string_view keys) { return add_one(redis.address(), keys); }
    int admitted() const {
        int sum = 0;
        for (const auto& one : looms) sum += one->admitted;
        return sum;
    }
    /// By turns, until all that can be let in has been, or so many.
    void ask_all(std::chrono::seconds longest, int enough) {
        const auto end = Clock::now() + longest;
        while (Clock::now() < end && admitted() < enough)
            for (auto& one : looms)
                if (one->loom != nullptr && one->send().status() != 200) std::this_thread::sleep_for(20ms);
    }
};

constexpr std::string_view forty_requests =
    "rate_limit.consumer.tester.request_rate = 40\n"
    "rate_limit.on_store_lost = fail_closed";
constexpr std::string_view budget = "token_accounting.limit.tester.daily_limit = 40000";

/// A consumer that is made over the API, on both alike.
TEST_F(SharedLimits, ThoseOfConsumersOfTheApiToo) {
    const std::string conf = std::string(forty_requests) + "\nauth.issued_keys = on";
    std::vector<std::string> keys;
    for (int i = 0; i < 2; ++i) {
        const Sharer& one = add(conf);
        const auto admin = [&](std::string_view target, std::string_view body) {
            const Message told = ask_once(one.loom->admin_port(), request("POST", target, "", body), false);
            EXPECT_EQ(told.status(), 201) << told.body;
            return told.body;
        };
        (void)admin("/ai/consumers", R"({"name":"ci","limits":{"request_rate":20}})");
        keys.push_back(json_text(admin("/ai/keys?consumer=ci", ""), "key"));
    }
    int let_in = 0;
    const auto ask_both = [&](int enough, std::chrono::seconds longest) {
        for (const auto end = Clock::now() + longest; Clock::now() < end && let_in < enough;) {
            for (size_t i = 0; i < looms.size(); ++i) {
                const std::string asking =
                    request("POST", "/v1/chat/completions",
                            "Authorization: Bearer " + keys[i] + "\r\nContent-Type: application/json\r\n", chat_body);
                let_in += ask_once(looms[i]->loom->port(), asking).status() == 200 ? 1 : 0;
            }
        }
    };
    ask_both(20, 15s);
    EXPECT_EQ(let_in, 20);
    ask_both(21, 1s);
    EXPECT_EQ(let_in, 20);
    // What is changed over the API is drawn by as well.
    for (const auto& one : looms) {
        const Message told =
            ask_once(one->loom->admin_port(),
                     request("PATCH", "/ai/consumers/ci", "", R"({"limits":{"request_rate":30}})"), false);
        EXPECT_EQ(told.status(), 200) << told.body;
    }
    ask_both(30, 15s);
    EXPECT_EQ(let_in, 30);
}

TEST_F(SharedLimits, RequestsOfAMinuteAreThoseOfBoth) {
    Sharer& one = add(forty_requests);
    (void)add(forty_requests);
    for (auto& each : looms) {
        const Message first = each->send();
        EXPECT_EQ(first.status(), 200) << "leases are there before the first who comes: " << first.raw();
    }
    ask_all(15s, 40);
    EXPECT_EQ(admitted(), 40);
    for (auto& each : looms)
        for (int i = 0; i < 20; ++i) {
            const Message refused = each->send();
            EXPECT_EQ(refused.status(), 429) << refused.raw();
            EXPECT_NE(refused.head.value("retry-after"), "");
        }
    EXPECT_EQ(admitted(), 40);
    EXPECT_EQ(upstream.request_count(), 40u);
    EXPECT_EQ(one.loom->metric("loom_ai_limit_store_up"), 1);
    EXPECT_GE(one.loom->metric("loom_ai_shared_limits"), 1);
    EXPECT_GE(one.loom->metric("loom_ai_lease_draws_total"), 1);
}

TEST_F(SharedLimits, ABudgetIsThatOfBoth_AndOneAloneMayUseAllOfIt) {
    Sharer &one = add(budget), &two = add(budget);
    const Message first = two.send();
    EXPECT_EQ(first.status(), 200) << first.raw();
    // It is held as it is expected, and booked as it was told: the last may go beyond by less than a thousand.
    const auto end = Clock::now() + 20s;
    Message last;
    while (Clock::now() < end) {
        last = one.send();
        if (contains(last.body, "insufficient_quota")) break;
        if (last.status() != 200) std::this_thread::sleep_for(50ms);
    }
    EXPECT_TRUE(contains(last.body, "insufficient_quota")) << last.raw();
    EXPECT_EQ(last.head.value("x-should-retry"), "false");
    EXPECT_GE(admitted(), 38);
    EXPECT_LE(admitted(), 40);
    ask_all(3s, 100);
    EXPECT_LE(admitted(), 40);
}

/// Of whomever or whatever it is.
TEST_F(SharedLimits, BudgetsOfATenantAProjectAndAModelAreThoseOfBoth) {
    const std::string_view conf =
        "consumer.tester.tenant = acme\nconsumer.tester.project = x\n"
        "token_accounting.tenant.acme.monthly_limit = 20000\ntoken_accounting.project.x.daily_limit = 21000\n"
        "token_accounting.model.gpt-4o.weekly_limit = 22000";
    for (int i = 0; i < 2; ++i) (void)add(conf);
    for (auto& each : looms) EXPECT_EQ(each->send().status(), 200);
    ask_all(20s, 18);
    EXPECT_GE(admitted(), 18);
    ask_all(3s, 100);
    EXPECT_LE(admitted(), 20);
    for (const auto& each : looms) {
        const std::string told = ask_once(each->loom->admin_port(), request("GET", "/ai/limits"), false).body;
        EXPECT_TRUE(contains(told, R"("scope":"project","name":"acme/x")")) << told;
        EXPECT_GE(each->loom->metric("loom_ai_shared_limits"), 3);
    }
}

TEST_F(SharedLimits, RequestsOfATenantAreThoseOfBoth) {
    const std::string_view conf =
        "consumer.tester.tenant = acme\nrate_limit.tenant.acme.request_rate = 40\n"
        "rate_limit.on_store_lost = fail_closed";
    for (int i = 0; i < 2; ++i) (void)add(conf);
    ask_all(15s, 40);
    EXPECT_EQ(admitted(), 40);
    ask_all(1s, 41);
    EXPECT_EQ(admitted(), 40);
}

TEST_F(SharedLimits, ARedisThatHangsKeepsNobodyWaiting) {
    Sharer& one = add(budget);
    (void)add(budget);
    EXPECT_EQ(one.send().status(), 200);
    redis.stall();
    const auto begun = Clock::now();
    Message refused;
    while (Clock::now() - begun < 20s) {
        const auto before = Clock::now();
        refused = one.send();
        EXPECT_LT(Clock::now() - before, 250ms) << "no request waits for the store";
        if (refused.status() == 503) break;
    }
    EXPECT_EQ(refused.status(), 503) << "what was leased is spent: " << refused.raw();
    EXPECT_TRUE(contains(refused.body, "a store that does not answer")) << refused.body;
    EXPECT_TRUE(contains(refused.body, "store_unavailable")) << refused.body;
    EXPECT_GE(admitted(), 5) << "of the lease";
    EXPECT_LT(admitted(), 40);
    EXPECT_EQ(one.loom->metric("loom_ai_limit_store_up"), 0);
    EXPECT_GE(one.loom->metric(R"(loom_ai_lease_refused_total{reason="lost"})"), 1);
    redis.go_on();
    ask_all(15s, 38);
    EXPECT_GE(admitted(), 38);
    EXPECT_LE(admitted(), 40);
    EXPECT_EQ(one.loom->metric("loom_ai_limit_store_losses_total"), 1);
}

/// One of two whose way to the store is cut, both ways, while the other's is not.
class PartedLimits : public SharedLimits {
  protected:
    Sharer& add_far(std::string_view keys) { return add_one(way.address(), keys); }
    /// Until it has no more of what it had leased, or so many were let in.
    static Message spend(Sharer& one, int enough) {
        Message last = one.send();
        const auto end = Clock::now() + 20s;
        while (Clock::now() < end && last.status() != 503 && one.admitted < enough) {
            if (last.status() != 200) std::this_thread::sleep_for(20ms);
            last = one.send();
        }
        return last;
    }
    TcpRelay way{redis.port()};
};

TEST_F(PartedLimits, RequestsAreNoMoreThanThoseOfBoth) {
    Sharer &near = add(forty_requests), &far = add_far(forty_requests);
    EXPECT_EQ(near.send().status(), 200);
    EXPECT_EQ(far.send().status(), 200);
    way.cut();
    const Message refused = spend(far, 40);
    EXPECT_EQ(refused.status(), 503) << refused.raw();
    EXPECT_TRUE(contains(refused.body, "store_unavailable")) << refused.body;
    EXPECT_GE(far.admitted, 2) << "what it had leased";
    EXPECT_EQ(far.loom->eventually("loom_ai_limit_store_up"), 0);
    for (const auto end = Clock::now() + 5s; Clock::now() < end && near.admitted + far.admitted < 40;)
        if (near.send().status() != 200) std::this_thread::sleep_for(20ms);
    EXPECT_LE(admitted(), 40);
    EXPECT_GE(admitted(), 38) << "whoever has a store takes all that the other has not";
    EXPECT_EQ(near.loom->metric("loom_ai_limit_store_up"), 1);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(near.send().status(), 429);
        EXPECT_EQ(far.send().status(), 503);
    }
    way.heal();
    EXPECT_EQ(far.loom->eventually("loom_ai_limit_store_up"), 1);
    ask_all(5s, 40);
    for (auto& each : looms)
        for (int i = 0; i < 20; ++i) (void)each->send();
    EXPECT_LE(admitted(), 40) << "what was on its way when it was cut does no harm";
}

TEST_F(PartedLimits, ABudgetIsNoMoreThanThatOfBoth) {
    Sharer &near = add(budget), &far = add_far(budget);
    EXPECT_EQ(near.send().status(), 200);
    EXPECT_EQ(far.send().status(), 200);
    way.cut();
    EXPECT_EQ(spend(far, 40).status(), 503);
    for (const auto end = Clock::now() + 5s; Clock::now() < end && admitted() < 40;)
        if (near.send().status() != 200) std::this_thread::sleep_for(20ms);
    EXPECT_LE(admitted(), 40);
    way.heal();
    EXPECT_EQ(far.loom->eventually("loom_ai_limit_store_up"), 1);
    ask_all(15s, 40);
    EXPECT_GE(admitted(), 38);
    EXPECT_LE(admitted(), 40);
}

TEST_F(SharedLimits, WhereItMayFailOpenEachCountsAlone) {
    constexpr std::string_view keys = "rate_limit.consumer.tester.request_rate = 40";  // as it is by default
    Sharer &one = add(keys), &two = add(keys);
    redis.stop();
    for (auto& each : looms) EXPECT_EQ(each->loom->eventually("loom_ai_limit_store_losses_total"), 1);
    while (one.send().status() == 200 && one.admitted < 100) {
    }
    while (two.send().status() == 200 && two.admitted < 100) {
    }
    EXPECT_EQ(one.admitted, 40);
    EXPECT_EQ(two.admitted, 40);
    redis.start();
    has_been_there();
    for (auto& each : looms) EXPECT_EQ(each->loom->eventually("loom_ai_limit_store_up"), 1);
    EXPECT_EQ(one.send().status(), 429);
}

TEST_F(SharedLimits, ARedisThatHasLostEverythingLetsNoMoreIn) {
    Sharer &one = add(forty_requests), &two = add(forty_requests);
    while (admitted() < 20) {
        (void)one.send();
        (void)two.send();
    }
    redis.stop();
    redis.start();
    ask_all(25s, 40);
    EXPECT_EQ(admitted(), 40);
    for (auto& each : looms)
        for (int i = 0; i < 10; ++i) (void)each->send();
    EXPECT_EQ(admitted(), 40);
}

TEST_F(SharedLimits, WhoWasKilledKnowsWhatItHasSpent) {
    Sharer &one = add(budget), &two = add(budget);
    while (one.admitted < 12) (void)one.send();
    one.kill();
    one.start();
    EXPECT_EQ(one.send().status(), 200);
    ask_all(20s, 40);
    (void)two;
    EXPECT_GE(admitted(), 38);
    EXPECT_LE(admitted(), 40);
    for (auto& each : looms)
        for (int i = 0; i < 5; ++i) (void)each->send();
    EXPECT_LE(admitted(), 40);
}

TEST_F(SharedLimits, WhoStopsGivesBackWhatItHasLeft) {
    Sharer &one = add(budget), &two = add(budget);
    EXPECT_EQ(one.send().status(), 200);
    one.loom->stop_cleanly();
    one.loom.reset();
    const auto begun = Clock::now();
    while (two.admitted < 38 && Clock::now() - begun < 15s)
        if (two.send().status() != 200) std::this_thread::sleep_for(20ms);
    EXPECT_GE(two.admitted, 38) << "all but what the first has used";
    EXPECT_LE(two.admitted, 39);
}

TEST_F(SharedLimits, AReloadMayChangeASharedLimit) {
    Sharer& one = add(forty_requests);
    EXPECT_EQ(one.send().status(), 200);
    one.conf.set("rate_limit.consumer.tester.request_rate", "5");
    one.loom->reload(one.conf.text());
    const auto begun = Clock::now();
    while (Clock::now() - begun < 5s && one.send().status() == 200) {
    }
    for (int i = 0; i < 10; ++i) (void)one.send();
    EXPECT_EQ(one.admitted, 5);
}

}  // namespace
}  // namespace loom::wire
