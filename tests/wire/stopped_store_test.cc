// A store that stands still is nobody's who is served: as long as a request takes while Redis is stopped, or somebody
// holds the database, as long it takes while they answer. Compared within one run, by medians and an order of
// magnitude, so that a busy machine is busy for both.
#include <algorithm>
#include <chrono>
#include <vector>

#include "database.h"
#include "ledger_pages.h"
#include "loom/store/usage_store.h"
#include "sharing.h"

namespace loom::wire {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::microseconds;

constexpr int request_count = 300;

/// Of requests that one client asks one after the other, each of which is answered.
struct Latencies {
    Microseconds median{}, nine_in_ten{}, slowest{};
};

Latencies measure(uint16_t port, std::string_view bytes, int count = request_count) {
    RawClient client(port);
    std::vector<Microseconds> times;
    for (int i = 0; i < count; ++i) {
        const auto begun = Clock::now();
        const Message response = client.ask(bytes);
        times.push_back(std::chrono::duration_cast<Microseconds>(Clock::now() - begun));
        EXPECT_EQ(response.status(), 200) << response.raw();
        if (response.status() != 200) break;
    }
    std::ranges::sort(times);
    return {times[times.size() / 2], times[times.size() * 9 / 10], times.back()};
}

/// A store is waited for two seconds: by whoever waits for it.
constexpr auto no_wait = 1s;

/// The slack is for a machine that is busier then, and far below what any wait for a store would take.
void expect_flat(const Latencies& before, const Latencies& stopped, const char* when) {
    EXPECT_LT(stopped.median, before.median * 10 + 2ms) << when << ": " << before.median.count() << " us before";
    EXPECT_LT(stopped.nine_in_ten, before.nine_in_ten * 10 + 20ms) << when;
    EXPECT_LT(stopped.slowest, no_wait) << when;
}

struct Sharer : SharingLoom {
    Sharer(uint16_t upstream_port, const std::string& address) : SharingLoom(upstream_port, address) {
        conf.set("token_accounting.store.redis.timeout", "2s").set("token_accounting.store.redis.interval", "100ms");
        conf.set("rate_limit.on_store_lost", "fail_open");
        conf.set("rate_limit.consumer.tester.request_rate", "1000000");
        conf.set("token_accounting.limit.tester.daily_limit", "900000000");
        start();
    }
};

class StoppedRedis : public SharingTest<Sharer> {
  protected:
    StoppedRedis() : SharingTest(chat_answer) {}
};

TEST_F(StoppedRedis, LatencyIsFlat) {
    Sharer& one = add_one(redis.address());
    const uint16_t port = one.loom->port();
    const std::string bytes = chat_request(chat_body);
    wait_until("the limits to be shared", [&] { return one.loom->metric("loom_ai_limit_store_up") == 1; });
    wait_until("a lease", [&] { return ask_once(port, bytes).status() == 200; });
    (void)measure(port, bytes, 50);
    const Latencies before = measure(port, bytes);
    redis.stall();
    const Latencies at_once = measure(port, bytes);
    expect_flat(before, at_once, "before it is known to be lost");
    wait_until("it to be missed", [&] {
        EXPECT_LT(measure(port, bytes, 5).slowest, no_wait);
        return one.loom->metric("loom_ai_limit_store_up") == 0;
    });
    expect_flat(before, measure(port, bytes), "while it is known to be lost");
    redis.go_on();
    wait_until("it to be there again", [&] { return one.loom->metric("loom_ai_limit_store_up") == 1; });
    expect_flat(before, measure(port, bytes), "when it is there again");
}

/// usage.db, under a transaction of another process that nobody else may write beside.
class HeldDatabase {
  public:
    explicit HeldDatabase(const std::string& path) : database_(store::Database::open(path)) {
        if (!database_) throw WireError("cannot open " + path);
        run("BEGIN EXCLUSIVE");
    }
    void let_go() { run("ROLLBACK"); }

  private:
    void run(const char* text) {
        if (const auto done = database_->run(text); !done)
            throw WireError(std::string(text) + ": " + done.error().text);
    }
    store::DatabaseResult<store::Database> database_;
};

class HeldUsage : public WireTest {
  protected:
    StateDirectory state;
};

TEST_F(HeldUsage, LatencyIsFlat_AndNothingIsLost) {
    conf.set("token_accounting.enabled", "on").set("state.directory", state.path());
    conf.set("token_accounting.limit.tester.daily_limit", "900000000");
    start(answer_always(answer(chat_answer)));
    const std::string bytes = chat_request(chat_body);
    (void)measure(loom().port(), bytes, 50);
    const Latencies before = measure(loom().port(), bytes);
    HeldDatabase held(state.path() + "/usage.db");
    const std::chrono::milliseconds fold_interval(store::UsageStore::Options{}.fold_interval_ms);
    const auto held_since = Clock::now();
    long all = 50 + request_count;
    for (; Clock::now() - held_since < 3 * fold_interval; all += request_count)
        expect_flat(before, measure(loom().port(), bytes), "while the database is held");
    EXPECT_EQ(loom().metric_sum("loom_ai_ledger_lost_total"), 0);
    held.let_go();
    wait_until("all to be in the sums", [&] { return number_in(usage_page(loom(), "/tester"), "requests") == all; });
    EXPECT_EQ(number_in(usage_page(loom(), "/tester"), "total"), all * 21);
}

}  // namespace
}  // namespace loom::wire
