// Several Looms and one store in one process: a window and a budget that they share, over a network that delays, loses
// and repeats. The law is looked at at every step: what all have let in together is never more than the limit.
#include "loom/tenant/lease_book.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace loom::tenant {
namespace {

constexpr int64_t noon = 1'772'452'800;  // 2026-03-02 12:00 UTC
constexpr uint64_t begin_ms = 1'000'000;

/// Where leases are kept, as store/lease_script.h has it.
class MemoryStore {
  public:
    std::vector<LeaseGrant> draw(const std::string& loom, const std::vector<LeaseDraw>& draws, uint64_t now_ms) {
        if (born_ms_ == 0) born_ms_ = now_ms;
        std::vector<LeaseGrant> grants;
        for (const LeaseDraw& draw : draws) grants.push_back(draw_one(loom, draw, now_ms));
        return grants;
    }
    void forget() {
        limits_.clear();
        born_ms_ = 0;
    }
    /// What it has now, for come_back.
    void keep_copy() { copy_ = limits_; }
    /// Another run of it, with what a copy of long ago has.
    void come_back() {
        limits_ = copy_;
        born_ms_ = 0;
    }
    /// As one that has been there for ever.
    void grow_up(uint64_t now_ms) { born_ms_ = now_ms - lease_settle_ms; }
    [[nodiscard]] uint64_t granted(const std::string& key, uint64_t now_ms) const {
        uint64_t sum = 0;
        if (const auto it = limits_.find(key); it != limits_.end())
            for (const auto& [loom, kept] : it->second)
                if (kept.dies_ms > now_ms) sum += kept.units;
        return sum;
    }

  private:
    struct Kept {
        uint64_t units = 0, dies_ms = 0, start = 0, sequence = 0;
    };
    LeaseGrant draw_one(const std::string& loom, const LeaseDraw& draw, uint64_t now_ms) {
        auto& all = limits_[draw.key];
        const std::string me = draw.of_start ? loom + ":" + std::to_string(draw.start) : loom;
        std::erase_if(all, [now_ms](const auto& one) { return one.second.dies_ms <= now_ms; });
        LeaseGrant grant{.granted = 0, .others = 0, .looms = 1, .settled = now_ms - born_ms_ >= lease_settle_ms};
        for (const auto& [other, kept] : all)
            if (other != me) {
                grant.others += kept.units;
                grant.looms += 1;
            }
        const auto mine = all.find(me);
        if (mine != all.end() && mine->second.start == draw.start && draw.sequence <= mine->second.sequence) {
            grant.granted = mine->second.units;
            return grant;
        }
        const uint64_t room = draw.limit > grant.others ? draw.limit - grant.others : 0;
        grant.granted = std::max(draw.floor, std::min(draw.want, room));
        if (draw.want == 0)
            all.erase(me);
        else
            all[me] = {grant.granted, now_ms + draw.ttl_ms, draw.start, draw.sequence};
        return grant;
    }

    std::map<std::string, std::map<std::string, Kept>> limits_, copy_;
    uint64_t born_ms_ = 0;
};

struct Faults {
    uint64_t delay_ms_max = 3;  // each way
    unsigned loss_percent = 0;  // of requests, and of answers
    uint64_t late_ms_max = 0;   // a request whose answer nobody waits for any more comes so late
};

struct World;

/// One process. Its ledger, `spent`, outlives it.
struct Loom {
    Loom(World& world, std::string name);
    void start();
    void die();  // and its connections with it
    [[nodiscard]] bool alive() const { return book != nullptr; }
    void step();
    bool ask_window(uint64_t units);
    bool spend(uint64_t units);
    void receive();
    void send(std::vector<LeaseDraw> draws);

    World& w;
    std::string id;
    std::shared_ptr<RateWindow> window;
    std::shared_ptr<BudgetMeters> meters;
    std::unique_ptr<LeaseBook> book;
    uint64_t spent = 0;
    uint64_t admitted = 0, refused = 0;
    bool cut_off = false;
    struct Waiting {
        uint64_t at_ms = 0;
        std::optional<std::vector<LeaseGrant>> grants;  // nothing: it failed
    };
    std::optional<Waiting> answer;
};

struct World {
    explicit World(uint64_t seed) : random(seed) {}

    Loom& add(const std::string& name) {
        looms.push_back(std::make_unique<Loom>(*this, name));
        looms.back()->start();
        return *looms.back();
    }
    [[nodiscard]] LeaseBook::Now now() const {
        return {now_ms, noon + static_cast<int64_t>((now_ms - begin_ms) / 1'000)};
    }
    void pass(uint64_t ms) {
        for (const uint64_t end = now_ms + ms; now_ms < end;) {
            now_ms += 1 + random() % 10;
            while (!late.empty() && late.front().at_ms <= now_ms) {
                (void)store.draw(late.front().loom, late.front().draws, now_ms);
                late.pop_front();
            }
            for (auto& loom : looms)
                if (loom->alive()) loom->step();
            if (tick) tick();
            check();
        }
    }
    void note(uint64_t units) {
        let_in.push_back({now_ms, units});
        in_window += units;
        check();
    }
    /// Independent of all meters: what was let in within any span of the window's length.
    void check() {
        for (; !let_in.empty() && let_in.front().first + window_ms <= now_ms; let_in.pop_front())
            in_window -= let_in.front().second;
        ASSERT_LE(in_window, window_limit) << "at " << now_ms - begin_ms << " ms";
        most_in_window = std::max(most_in_window, in_window);
        uint64_t all = 0;
        for (const auto& loom : looms) all += loom->spent;
        ASSERT_LE(all, budget_limit + booked_over) << "at " << now_ms - begin_ms << " ms";
    }
    [[nodiscard]] uint64_t spent() const {
        uint64_t all = 0;
        for (const auto& loom : looms) all += loom->spent;
        return all;
    }

    std::mt19937_64 random;
    MemoryStore store;
    Faults faults;
    bool store_answers = true;
    bool fails_open = false;
    uint64_t now_ms = begin_ms;
    uint64_t window_limit = 1'000;
    uint64_t window_ms = 2'000;
    uint64_t budget_limit = 10'000;
    uint64_t booked_over = 0;
    uint64_t in_window = 0;
    uint64_t most_in_window = 0;
    std::function<void()> tick;
    std::vector<std::unique_ptr<Loom>> looms;
    std::deque<std::pair<uint64_t, uint64_t>> let_in;
    struct Late {
        uint64_t at_ms;
        std::string loom;
        std::vector<LeaseDraw> draws;
    };
    std::deque<Late> late;
};

void Loom::die() {
    book.reset();
    std::erase_if(w.late, [this](const auto& one) { return one.loom == id; });
}

Loom::Loom(World& world, std::string name) : w(world), id(std::move(name)) {}

void Loom::start() {
    const LeaseBook::Now now = w.now();
    window = std::make_shared<RateWindow>();
    window->share();
    meters = std::make_shared<BudgetMeters>(period_numbers(now.unix_s));
    meters->tokens.share();
    meters->tokens.restore(BudgetPeriod::day, period_numbers(now.unix_s), spent);
    answer.reset();
    book = std::make_unique<LeaseBook>(w.random());
    book->use({{.key = "rate",
                .limit = w.window_limit,
                .fails_open = w.fails_open,
                .window = window,
                .terms = WindowTerms::of(w.window_limit, w.window_ms),
                .window_ms = w.window_ms},
               {.key = "budget", .limit = w.budget_limit, .fails_open = w.fails_open, .meters = meters}},
              now);
}

void Loom::step() {
    if (answer && answer->at_ms <= w.now_ms) receive();
    if (auto draws = book->draw(w.now()); !draws.empty()) send(std::move(draws));
}

void Loom::send(std::vector<LeaseDraw> draws) {
    constexpr uint64_t timeout_ms = 500;
    const auto lost = [&] { return !w.store_answers || cut_off || w.random() % 100 < w.faults.loss_percent; };
    const uint64_t trip = 1 + w.random() % w.faults.delay_ms_max;
    if (lost()) {  // perhaps it stands in a buffer, and comes behind others
        if (w.faults.late_ms_max != 0 && w.random() % 2 == 0)
            w.late.push_back({w.now_ms + w.random() % w.faults.late_ms_max, id, std::move(draws)});
        std::ranges::sort(w.late, {}, &World::Late::at_ms);
        answer = {w.now_ms + timeout_ms, std::nullopt};
        return;
    }
    auto grants = w.store.draw(id, draws, w.now_ms);
    if (w.random() % 8 == 0) grants = w.store.draw(id, draws, w.now_ms);  // told twice
    if (lost())
        answer = {w.now_ms + timeout_ms, std::nullopt};
    else
        answer = {w.now_ms + trip, std::move(grants)};
}

void Loom::receive() {
    auto come = std::exchange(answer, std::nullopt);
    if (come->grants)
        book->granted(*come->grants, w.now());
    else
        book->failed(w.now());
}

bool Loom::ask_window(uint64_t units) {
    const bool taken = window->take(WindowTerms::of(w.window_limit, w.window_ms), w.now_ms, units).has_value();
    (taken ? admitted : refused) += units;
    if (taken) w.note(units);
    return taken;
}

bool Loom::spend(uint64_t units) {
    BudgetMeter::Hold hold;
    const PeriodNumbers now = period_numbers(w.now().unix_s);
    if (meters->tokens.take({w.budget_limit, 0, 0}, now, units, hold)) return false;
    meters->tokens.settle(now, units, hold);
    spent += units;
    return true;
}

TEST(LeaseBook, OneLoomAloneHasAllOfIt) {
    World w(1);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    w.pass(200);
    w.tick = [&] { (void)one.spend(1 + w.random() % 7), (void)one.ask_window(20); };
    w.pass(60'000);
    EXPECT_GE(w.spent(), w.budget_limit - 7);
    EXPECT_GE(w.most_in_window, w.window_limit * 95 / 100);
}

TEST(LeaseBook, TheFirstWhoComesFindsSomething) {
    World w(2);
    w.store.grow_up(w.now_ms);
    for (const char* name : {"one", "two", "three"}) w.add(name);
    w.pass(3'000);
    for (auto& loom : w.looms) {
        EXPECT_TRUE(loom->ask_window(50)) << loom->id;
        EXPECT_TRUE(loom->spend(500)) << loom->id;
    }
}

/// The others are there, and have leases of their own.
TEST(LeaseBook, WhoIsBusyAloneGets95PercentThoughOthersExist) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        World w(seed);
        w.store.grow_up(w.now_ms);
        w.window_ms = 10'000;
        w.budget_limit = 100'000;
        for (const char* name : {"one", "two", "three", "four"}) w.add(name);
        w.pass(5'000);
        Loom& busy = *w.looms[1];
        w.tick = [&] { (void)busy.ask_window(1 + w.random() % 10); };
        w.pass(15'000);
        const uint64_t before = busy.admitted;
        w.pass(100'000);
        const double share = static_cast<double>(busy.admitted - before) / static_cast<double>(10 * w.window_limit);
        EXPECT_GE(share, 0.93) << "31 of 32 parts are what a window gives alone; seed " << seed;
        w.tick = [&] { (void)busy.spend(1 + w.random() % 200); };
        w.pass(60'000);
        EXPECT_GE(busy.spent, w.budget_limit - 200) << seed;
    }
}

TEST(LeaseBook, NobodyWhoIsHungryStarves) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        World w(seed);
        w.store.grow_up(w.now_ms);
        for (const char* name : {"one", "two", "three"}) w.add(name);
        w.pass(1'000);
        w.tick = [&] {
            (void)w.looms[0]->ask_window(1 + w.random() % 60), (void)w.looms[1]->ask_window(1 + w.random() % 20);
        };
        w.pass(20'000);  // the first two have all of it
        w.tick = [&] {
            for (auto& loom : w.looms) (void)loom->ask_window(1 + w.random() % 20);
        };
        w.pass(60'000);
        for (auto& loom : w.looms) {
            const uint64_t before = loom->admitted;
            w.pass(20'000);
            EXPECT_GE(loom->admitted - before, w.window_limit / 2) << loom->id << " of ten windows, seed " << seed;
        }
    }
}

/// Two of them have half of what either needs.
TEST(LeaseBook, ARequestThatNeedsMostOfWhatIsLeftGetsIt) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        World w(seed);
        w.store.grow_up(w.now_ms);
        w.budget_limit = 1'000;
        for (const char* name : {"one", "two"}) w.add(name);
        w.pass(2'000);
        unsigned done = 0;
        uint64_t next_ms = 0;
        w.tick = [&] {
            if (w.now_ms < next_ms) return;
            next_ms = w.now_ms + 1'000;  // as Retry-After tells
            for (auto& loom : w.looms)
                if (done == 0 && loom->spend(800)) done += 1;
        };
        w.pass(20'000);
        EXPECT_EQ(done, 1u) << seed;
    }
}

class Faulty : public testing::TestWithParam<uint64_t> {};

/// Looms that ask for all there is, at random; some are idle for a while, some die and come back with their ids.
TEST_P(Faulty, NeverMoreThanTheLimit) {
    World w(GetParam());
    w.store.grow_up(w.now_ms);
    w.faults = {.delay_ms_max = 1 + w.random() % 200,
                .loss_percent = static_cast<unsigned>(w.random() % 20),
                .late_ms_max = 3'000};
    w.window_limit = 1 + w.random() % 2'000;
    w.window_ms = w.random() % 2 == 0 ? 2'000 : 15'000;
    w.budget_limit = 1 + w.random() % 50'000;
    const size_t count = 2 + w.random() % 5;
    for (size_t i = 0; i < count; ++i) w.add("loom" + std::to_string(i));
    for (int scene = 0; scene < 12; ++scene) {
        Loom& some = *w.looms[w.random() % count];
        switch (w.random() % 5) {
            case 0: some.die(); break;
            case 1:
                if (!some.alive()) some.start();
                break;
            case 2: some.cut_off = !some.cut_off; break;
            case 3: w.store_answers = !w.store_answers; break;
            default: break;
        }
        const uint64_t most = 1 + w.random() % 40;
        const uint64_t busy = w.random();
        w.tick = [&, most, busy] {
            for (size_t i = 0; i < count; ++i) {
                if (!w.looms[i]->alive() || (busy >> i & 1) == 0) continue;
                (void)w.looms[i]->ask_window(1 + w.random() % most);
                (void)w.looms[i]->spend(1 + w.random() % most);
            }
        };
        w.pass(w.random() % (w.random() % 3 == 0 ? 300 : 8'000));
        if (HasFatalFailure()) return;
    }
    // In the end all of it is to be had, whatever has been.
    w.faults = {};
    w.store_answers = true;
    for (auto& loom : w.looms) {
        loom->cut_off = false;
        if (!loom->alive()) loom->start();
    }
    w.tick = [&] {
        for (auto& loom : w.looms) (void)loom->spend(1), (void)loom->ask_window(1);
    };
    w.pass(15'000);
    w.most_in_window = 0;
    w.tick = [&] {
        for (auto& loom : w.looms)
            for (uint64_t n = 0; n <= w.budget_limit / 2'000; ++n) (void)loom->spend(1), (void)loom->ask_window(1);
    };
    w.pass(120'000);
    EXPECT_GE(w.spent(), w.budget_limit * 95 / 100);
    EXPECT_GE(w.most_in_window, std::min(w.window_limit * 9 / 10, w.window_limit - 1));
}

/// Everybody is there, and some are busy, in scene after scene; then all are, and all is to be had.
/// scene  called with its number; passes the time.
template <class Scene>
void play_scenes(World& w, Scene&& scene) {
    w.store.grow_up(w.now_ms);
    w.faults = {.delay_ms_max = 1 + w.random() % 50, .loss_percent = static_cast<unsigned>(w.random() % 5)};
    const size_t count = 2 + w.random() % 4;
    for (size_t i = 0; i < count; ++i) w.add("loom" + std::to_string(i));
    uint64_t busy = ~uint64_t{0};
    w.tick = [&] {
        for (size_t i = 0; i < count; ++i)
            if ((busy >> i & 1) != 0)
                (void)w.looms[i]->ask_window(1 + w.random() % 20), (void)w.looms[i]->spend(1 + w.random() % 4);
    };
    for (int number = 0; number < 6; ++number) {
        busy = w.random();
        scene(number);
        if (testing::Test::HasFatalFailure()) return;
    }
    busy = ~uint64_t{0};
    w.pass(100'000);
    EXPECT_GE(w.spent(), w.budget_limit * 95 / 100);
    w.tick = nullptr;
}

/// The store begins anew, with nothing.
TEST_P(Faulty, AStoreThatForgetsLetsNoMoreIn) {
    World w(GetParam());
    play_scenes(w, [&](int) {
        w.pass(1'000 + w.random() % 12'000);
        w.store.forget();
    });
}

/// It comes back with what it had long ago, as another run of it.
TEST_P(Faulty, AStoreThatComesBackOldLetsNoMoreIn) {
    World w(GetParam());
    play_scenes(w, [&](int number) {
        if (number % 2 == 0) w.store.keep_copy();
        w.pass(1'000 + w.random() % 20'000);
        w.store.come_back();
    });
}

INSTANTIATE_TEST_SUITE_P(Seeds, Faulty, testing::Range<uint64_t>(1, 61));

/// However it lets go of what it has meanwhile, and however rarely it is asked.
TEST(LeaseBook, ABudgetWhoseRestIsTooSmallIsSpentForThatRequest) {
    for (const uint64_t every_ms : {100u, 1'000u, 3'000u, 7'000u})
        for (uint64_t seed = 1; seed <= 10; ++seed) {
            World w(seed);
            w.store.grow_up(w.now_ms);
            w.budget_limit = 1'000;
            Loom& one = w.add("one");
            Loom& two = w.add("two");
            w.pass(1'000);
            w.tick = [&] {
                if (one.spent < 400) (void)one.spend(10);
                if (two.spent < 550) (void)two.spend(10);
            };
            w.pass(10'000);
            ASSERT_EQ(w.spent(), 950u);
            const PeriodNumbers numbers = period_numbers(w.now().unix_s);
            uint64_t next_ms = 0;
            const uint64_t from_ms = w.now_ms + 6'000 + 2 * every_ms;
            w.tick = [&] {
                if (w.now_ms < next_ms) return;
                next_ms = w.now_ms + every_ms;
                EXPECT_FALSE(one.spend(100));
                if (w.now_ms < from_ms) return;
                EXPECT_EQ(one.meters->tokens.lack(BudgetPeriod::day, numbers, 100), LeaseLack::spent)
                    << "seed " << seed << ", each " << every_ms << " ms";
            };
            w.pass(60'000);
            w.tick = nullptr;
            EXPECT_EQ(one.meters->tokens.lack(BudgetPeriod::day, numbers, 20), LeaseLack::drawing) << "that may do";
        }
}

TEST(LeaseBook, RequestsThatComeRarelyFindWhatTheirLikesLacked) {
    World w(18);
    w.store.grow_up(w.now_ms);
    w.budget_limit = 1'000;
    for (const char* name : {"one", "two"}) w.add(name);
    w.pass(2'000);
    unsigned turn = 0;
    uint64_t next_ms = 0;
    w.tick = [&] {
        if (w.now_ms < next_ms) return;
        next_ms = w.now_ms + 2'500;
        turn += 1;
        (void)w.looms[turn % 2]->spend(70);
    };
    w.pass(120'000);
    EXPECT_GE(w.spent(), 840u);
}

SharedLimit small_window(const std::shared_ptr<RateWindow>& window) {
    SharedLimit rate{.key = "rate", .limit = 100, .fails_open = false, .window = window};
    rate.terms = WindowTerms::of(100, 60'000);
    rate.window_ms = 60'000;
    return rate;
}

/// A take adds first and looks at its lease again then. What it has added may be told as used meanwhile, and granted,
/// since a store refuses no floor: that is no room for it.
TEST(LeaseBook, AFloorIsNoRoomForTheTakeThatMadeIt) {
    const auto window = std::make_shared<RateWindow>();
    window->share();
    LeaseBook book(5);
    const SharedLimit rate = small_window(window);
    uint64_t now_ms = begin_ms;
    const auto now = [&] { return LeaseBook::Now{now_ms, noon}; };
    book.use({rate}, now());
    ASSERT_EQ(book.draw(now()).size(), 1u);
    book.granted(std::vector<LeaseGrant>{{.granted = 75, .others = 25, .looms = 2}}, now());
    EXPECT_EQ(window->lease()->granted.load(), 75u);
    ASSERT_TRUE(window->take(rate.terms, now_ms, 50));
    window->charge(rate.terms, now_ms, 50);  // of one who has read a lease of 100 before
    now_ms += 5'000;
    const auto draws = book.draw(now());
    ASSERT_EQ(draws.size(), 1u);
    EXPECT_EQ(draws[0].floor, 100u);
    EXPECT_LT(window->lease()->granted.load(), 100u);
    book.granted(std::vector<LeaseGrant>{{.granted = 100, .others = 25, .looms = 2}}, now());
    EXPECT_EQ(window->lease()->granted.load(), 75u);
    now_ms += 5'000;
    (void)book.draw(now());
    EXPECT_LE(window->lease()->granted.load(), 75u);
}

/// What is taken before the answer is covered by it.
TEST(LeaseBook, WhoAsksForMoreKeepsWhatItHas) {
    const auto window = std::make_shared<RateWindow>();
    window->share();
    LeaseBook book(5);
    const SharedLimit rate = small_window(window);
    uint64_t now_ms = begin_ms;
    const auto now = [&] { return LeaseBook::Now{now_ms, noon}; };
    book.use({rate}, now());
    ASSERT_EQ(book.draw(now()).size(), 1u);
    book.granted(std::vector<LeaseGrant>{{.granted = 40, .others = 0, .looms = 2}}, now());
    ASSERT_TRUE(window->take(rate.terms, now_ms, 10));
    EXPECT_FALSE(window->take(rate.terms, now_ms, 60));
    now_ms += 5'000;
    const auto draws = book.draw(now());
    ASSERT_EQ(draws.size(), 1u);
    EXPECT_EQ(draws[0].floor, 40u);
    EXPECT_EQ(draws[0].want, 70u);
}

TEST(LeaseBook, WhatWasSpentYesterdaySaysNothingOfToday) {
    const auto meters = std::make_shared<BudgetMeters>(period_numbers(noon));
    meters->tokens.share();
    LeaseBook book(5);
    book.use({{.key = "budget", .limit = 100, .meters = meters}}, {begin_ms, noon});
    ASSERT_EQ(book.draw({begin_ms, noon}).size(), 1u);
    BudgetMeter::Hold hold;
    const BudgetTerms terms = {100, 0, 0};
    const PeriodNumbers today = period_numbers(noon);
    (void)meters->tokens.take(terms, today, 10, hold);
    book.granted(std::vector<LeaseGrant>{{.granted = 0, .others = 100, .looms = 2}}, {begin_ms, noon});
    ASSERT_EQ(book.draw({begin_ms + 3'000, noon}).size(), 1u);
    book.granted(std::vector<LeaseGrant>{{.granted = 0, .others = 100, .looms = 2}}, {begin_ms + 3'000, noon});
    ASSERT_EQ(book.draw({begin_ms + 9'000, noon}).size(), 1u);
    book.granted(std::vector<LeaseGrant>{{.granted = 0, .others = 100, .looms = 2}}, {begin_ms + 9'000, noon});
    EXPECT_EQ(meters->tokens.lack(BudgetPeriod::day, today, 10), LeaseLack::spent);
    EXPECT_EQ(meters->tokens.used_of_all(BudgetPeriod::day, today), 100u);
    const int64_t midnight = noon + 43'200;
    const PeriodNumbers next = period_numbers(midnight);
    EXPECT_EQ(meters->tokens.lack(BudgetPeriod::day, next, 10), LeaseLack::drawing);
    EXPECT_EQ(meters->tokens.used_of_all(BudgetPeriod::day, next), 0u);
    // Nobody has to answer for the new day to begin; and what is answered late is the old one's.
    ASSERT_EQ(book.draw({begin_ms + 18'000, noon}).size(), 1u);
    EXPECT_TRUE(book.draw({begin_ms + 18'050, midnight}).empty());
    EXPECT_EQ(meters->tokens.lease(BudgetPeriod::day)->others.load(), 0u);
    book.granted(std::vector<LeaseGrant>{{.granted = 60, .others = 40, .looms = 2}}, {begin_ms + 18'060, midnight});
    EXPECT_EQ(meters->tokens.room(BudgetPeriod::day, next, 100), 0u);
    ASSERT_EQ(book.draw({begin_ms + 18'070, midnight}).size(), 1u);
    book.granted(std::vector<LeaseGrant>{{.granted = 60, .others = 40, .looms = 2}}, {begin_ms + 18'080, midnight});
    EXPECT_EQ(meters->tokens.room(BudgetPeriod::day, next, 100), 60u);
}

/// A row that a configuration has again, before what had it has let go.
TEST(LeaseBook, ARowThatIsOlderThanItsLeaseBeginsAtNothing) {
    const auto window = std::make_shared<RateWindow>();
    window->share();
    const SharedLimit rate = small_window(window);
    window->set_lease(rate.terms, begin_ms, 80);
    LeaseBook book(5);
    book.use({rate}, {begin_ms, noon});
    EXPECT_FALSE(window->take(rate.terms, begin_ms, 1));
}

TEST(LeaseBook, WhatADeadLoomHadOfAWindowComesHome) {
    World w(7);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    Loom& two = w.add("two");
    w.pass(1'000);
    w.tick = [&] { (void)one.ask_window(10); };
    w.pass(5'000);
    one.die();
    w.tick = [&] { (void)two.ask_window(10); };
    w.pass(LeaseBook::hold_ms + LeaseBook::margin_ms + 2 * w.window_ms + 5'000);
    w.most_in_window = 0;
    w.pass(10'000);
    EXPECT_GE(w.most_in_window, w.window_limit * 95 / 100);
}

/// The store gives its lease to others in the end: by then it has ceased to use it, and what it has let in is over.
TEST(LeaseBook, WhoIsCutOffUsesItsLeaseNoLongerThanItIsGood) {
    World w(17);
    w.store.grow_up(w.now_ms);
    w.window_ms = 15'000;
    Loom& one = w.add("one");
    Loom& two = w.add("two");
    w.pass(2'000);
    one.cut_off = true;
    w.tick = [&] {  // evenly, so that there is something to count at whatever moment
        if (w.random() % 8 == 0) (void)one.ask_window(1);
        (void)two.ask_window(5);
    };
    w.pass(20'000);
    EXPECT_GT(one.admitted, w.window_limit / 4) << "what it has of it";
    w.pass(LeaseBook::hold_ms);
    const uint64_t before = one.admitted;
    w.pass(60'000);
    EXPECT_EQ(one.admitted, before);
    EXPECT_EQ(one.window->lease()->lack.load(), LeaseLack::lost);
    EXPECT_GE(w.most_in_window, w.window_limit * 95 / 100);
}

TEST(LeaseBook, WhoStopsGivesBackWhatItHasNotUsed) {
    World w(8);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    w.pass(1'000);
    ASSERT_TRUE(one.spend(123));
    EXPECT_GT(w.store.granted("budget:" + std::to_string(period_numbers(noon)[0]), w.now_ms), 5'000u);
    one.book->stop();
    w.pass(1'000);
    EXPECT_TRUE(one.book->done());
    EXPECT_EQ(w.store.granted("budget:" + std::to_string(period_numbers(noon)[0]), w.now_ms), 123u);
    EXPECT_EQ(w.store.granted("rate", w.now_ms), 0u);
    EXPECT_FALSE(one.spend(1));
}

TEST(LeaseBook, ALostStoreClosesOrOpens) {
    for (const bool opens : {false, true}) {
        World w(9);
        w.fails_open = opens;
        w.window_limit = 100;
        w.window_ms = 60'000;
        w.budget_limit = 1'000;
        w.store.grow_up(w.now_ms);
        Loom& one = w.add("one");
        Loom& two = w.add("two");
        w.pass(2'000);
        w.store_answers = false;
        w.pass(3'000);
        EXPECT_TRUE(one.book->facts().lost);
        EXPECT_EQ(one.book->facts().losses, 1u);
        uint64_t spent = 0;
        if (opens) w.booked_over = w.budget_limit;
        while (one.spend(10)) spent += 10;
        const Lease& lease = *one.meters->tokens.lease(BudgetPeriod::day);
        if (opens) {
            EXPECT_EQ(spent, 1'000u) << "by what it has used itself";
        } else {
            EXPECT_GT(spent, 100u) << "what there is of a lease";
            EXPECT_LT(spent, 900u);
            EXPECT_EQ(lease.lack.load(), LeaseLack::lost);
        }
        w.store_answers = true;
        w.pass(10'000);
        EXPECT_FALSE(one.book->facts().lost);
        EXPECT_NE(lease.granted.load(), Lease::open);
        if (!opens) {
            w.tick = [&] { spent += two.spend(10) ? 10 : 0; };
            w.pass(10'000);
            EXPECT_GE(spent, 950u);
        }
    }
}

TEST(LeaseBook, ANewDayIsDrawnAnew) {
    World w(10);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    w.pass(1'000);
    while (one.spend(10)) {
    }
    const uint64_t yesterday = w.spent();
    w.now_ms += 86'400'000;
    w.store.grow_up(w.now_ms);
    w.booked_over = yesterday;
    w.pass(1'000);
    while (one.spend(10)) {
    }
    EXPECT_GE(w.spent() - yesterday, w.budget_limit * 8 / 10);
}

TEST(LeaseBook, AReloadKeepsLeases_AndGivesBackThoseOfLimitsThatAreGone) {
    World w(11);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    w.pass(1'000);
    ASSERT_TRUE(one.spend(100));
    SharedLimit budget{.key = "budget", .limit = 500, .meters = one.meters};
    one.book->use({budget}, w.now());
    w.budget_limit = 500;
    w.pass(1'000);
    const std::string key = "budget:" + std::to_string(period_numbers(noon)[0]);
    EXPECT_LE(w.store.granted(key, w.now_ms), 500u);
    EXPECT_GE(w.store.granted(key, w.now_ms), 100u);
    EXPECT_EQ(w.store.granted("rate", w.now_ms), 0u);
    EXPECT_EQ(one.book->facts().limits, 1u);
    EXPECT_FALSE(one.ask_window(1));
    EXPECT_TRUE(one.spend(100));
}

TEST(LeaseBook, ALimitThatIsGoneAndComesBackIsOneLease) {
    World w(12);
    w.store.grow_up(w.now_ms);
    Loom& one = w.add("one");
    w.pass(1'000);
    ASSERT_TRUE(one.ask_window(100));
    w.store_answers = false;
    one.book->use({}, w.now());
    w.pass(200);
    one.window = std::make_shared<RateWindow>();  // nobody had the old row any more
    one.window->share();
    SharedLimit rate{.key = "rate", .limit = w.window_limit, .fails_open = false, .window = one.window};
    rate.terms = WindowTerms::of(w.window_limit, w.window_ms);
    rate.window_ms = w.window_ms;
    one.book->use({rate}, w.now());
    w.pass(w.window_ms);
    w.store_answers = true;
    w.pass(5'000);
    EXPECT_EQ(one.book->facts().limits, 1u);
    EXPECT_EQ(w.store.granted("rate", w.now_ms), one.window->lease()->granted.load());
    EXPECT_TRUE(one.ask_window(100));
}

TEST(LeaseBook, ManyLimitsAreDrawnInBatches) {
    LeaseBook book(5);
    std::vector<SharedLimit> limits;
    for (int i = 0; i < 1'000; ++i) {
        auto meters = std::make_shared<BudgetMeters>(period_numbers(noon));
        meters->money.share();
        limits.push_back({.key = "b" + std::to_string(i), .limit = 100, .meters = meters, .unit = BudgetUnit::money});
    }
    book.use(limits, {begin_ms, noon});
    MemoryStore store;
    store.grow_up(begin_ms);
    size_t drawn = 0;
    for (int i = 0; i < 4; ++i) {
        const auto draws = book.draw({begin_ms, noon});
        EXPECT_LE(draws.size(), LeaseBook::batch_max);
        EXPECT_TRUE(book.draw({begin_ms, noon}).empty()) << "one batch at a time";
        drawn += draws.size();
        book.granted(store.draw("me", draws, begin_ms), {begin_ms, noon});
    }
    EXPECT_EQ(drawn, 1'000u);
    for (const SharedLimit& limit : limits)
        EXPECT_GE(limit.meters->money.room(BudgetPeriod::day, period_numbers(noon), 100), 50u);
}

}  // namespace
}  // namespace loom::tenant
