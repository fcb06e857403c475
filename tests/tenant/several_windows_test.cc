// A limit in several windows at once: a request takes of all of them or of none, who is refused hears of the one that
// has room last, and what was reserved is settled in each.
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "loom/tenant/address_limits.h"
#include "loom/tenant/limit.h"

namespace loom::tenant {
namespace {

constexpr uint64_t second_ms = 1'000, minute_ms = 60'000, hour_ms = 3'600'000;

struct Window {
    uint64_t limit;
    uint64_t ms;
};

/// A limit, and its longer ones behind it, as a configuration has them.
struct Several {
    Several(const std::vector<Window>& requests, const std::vector<Window>& tokens, LimitScope scope, bool of_table) {
        for (size_t i = 0; i < std::max(requests.size(), tokens.size()); ++i) {
            Limit& one = limits.emplace_back();
            one.scope = scope;
            if (i < requests.size()) {
                one.terms.requests = WindowTerms::of(requests[i].limit, requests[i].ms);
                one.terms.requests_window_ms = requests[i].ms;
                if (!of_table) one.requests = std::make_shared<RateWindow>();
            }
            if (i < tokens.size()) {
                one.terms.tokens = WindowTerms::of(tokens[i].limit, tokens[i].ms);
                one.terms.tokens_window_ms = tokens[i].ms;
                if (!of_table) one.tokens = std::make_shared<RateWindow>();
            }
            if (i == 0) continue;
            one.first = &limits.front();
            limits[i - 1].longer = &one;
        }
        if (!of_table) limits.front().level = std::make_shared<LimitLevel>();
    }
    explicit Several(const std::vector<Window>& requests, const std::vector<Window>& tokens = {},
                     LimitScope scope = LimitScope::consumer)
        : Several(requests, tokens, scope, false) {}
    Several(const Several&) = delete;

    [[nodiscard]] const Limit& first() const { return limits.front(); }
    [[nodiscard]] bool enter(Admission& admission, uint64_t now_ms, LimitRefusal& why) const {
        return admission.enter(first(), first().row(), now_ms, why);
    }
    [[nodiscard]] bool enters(uint64_t now_ms) const {
        Admission admission;
        LimitRefusal why;
        return enter(admission, now_ms, why);
    }
    [[nodiscard]] uint64_t requests(size_t window, uint64_t now_ms) const {
        return limits[window].requests->used(limits[window].terms.requests, now_ms);
    }
    [[nodiscard]] uint64_t tokens(size_t window, uint64_t now_ms) const {
        return limits[window].tokens->used(limits[window].terms.tokens, now_ms);
    }
    std::deque<Limit> limits;
};

TEST(SeveralWindows, ARequestTakesOfAll_OrOfNone) {
    const Several limit({{2, second_ms}, {3, minute_ms}});
    EXPECT_TRUE(limit.enters(0));
    EXPECT_TRUE(limit.enters(0));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.enters(0));
    EXPECT_EQ(limit.requests(0, 0), 2u);
    EXPECT_EQ(limit.requests(1, 0), 2u) << "nothing of those that the shorter refused";
    EXPECT_TRUE(limit.enters(2'000));
    for (int i = 0; i < 5; ++i) EXPECT_FALSE(limit.enters(4'000));
    EXPECT_EQ(limit.requests(0, 4'000), 0u) << "nor of those that the longer refused";
    EXPECT_EQ(limit.requests(1, 4'000), 3u);
    EXPECT_EQ(limit.first().level->concurrent.load(), 3u) << "those under way, without the refused";
}

TEST(SeveralWindows, WhoIsRefusedHearsOfTheOneThatHasRoomLast_ToTheMillisecond) {
    const Several limit({{2, second_ms}, {3, minute_ms}});
    ASSERT_TRUE(limit.enters(0) && limit.enters(0));
    Admission admission;
    LimitRefusal why;
    ASSERT_FALSE(limit.enter(admission, 100, why));
    EXPECT_EQ(why.of, &limit.limits[0]) << "the longer has room";
    EXPECT_EQ(why.kind, LimitKind::requests);
    EXPECT_FALSE(limit.enters(100 + why.wait_ms - 1));
    ASSERT_TRUE(limit.enters(100 + why.wait_ms));
    const uint64_t now_ms = 100 + why.wait_ms;
    ASSERT_FALSE(limit.enter(admission, now_ms, why));
    EXPECT_EQ(why.of, &limit.limits[1]);
    EXPECT_FALSE(limit.enters(now_ms + why.wait_ms - 1));
    EXPECT_TRUE(limit.enters(now_ms + why.wait_ms));
    EXPECT_EQ(why.of->whole().longer, &limit.limits[1]);
}

/// Both are full: who came when the shorter has room would come in vain.
TEST(SeveralWindows, OfTwoThatAreFullTheLongerWaitIsTold) {
    const Several limit({{2, second_ms}, {2, hour_ms}});
    ASSERT_TRUE(limit.enters(0) && limit.enters(0));
    Admission admission;
    LimitRefusal why;
    ASSERT_FALSE(limit.enter(admission, 10, why));
    EXPECT_EQ(why.of, &limit.limits[1]);
    EXPECT_FALSE(limit.enters(10 + why.wait_ms - 1));
    EXPECT_TRUE(limit.enters(10 + why.wait_ms));
    const Several tokens({}, {{100, second_ms}, {100, hour_ms}});
    ASSERT_TRUE(tokens.enter(admission, 0, why));
    ASSERT_TRUE(admission.reserve(0, 80, why));
    Admission other;
    ASSERT_TRUE(tokens.enter(other, 10, why));
    ASSERT_FALSE(other.reserve(10, 80, why));
    EXPECT_EQ(why.of, &tokens.limits[1]);
    EXPECT_EQ(why.kind, LimitKind::tokens);
    const uint64_t at_ms = 10 + why.wait_ms;
    EXPECT_FALSE(other.reserve(at_ms - 1, 80, why));
    EXPECT_TRUE(other.reserve(at_ms, 80, why));
}

TEST(SeveralWindows, TokensAreReservedExtendedAndSettledInEach) {
    const Several limit({{10, second_ms}}, {{1'000, second_ms}, {2'000, minute_ms}, {3'000, hour_ms}});
    const auto all = [&](uint64_t now_ms) {
        return std::array{limit.tokens(0, now_ms), limit.tokens(1, now_ms), limit.tokens(2, now_ms)};
    };
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(limit.enter(admission, 0, why));
    EXPECT_EQ(admission.size(), 3u);
    EXPECT_TRUE(admission.counts_tokens());
    ASSERT_TRUE(admission.reserve(0, 900, why));
    EXPECT_EQ(all(0), (std::array<uint64_t, 3>{900, 900, 900}));
    EXPECT_FALSE(admission.extend(0, 200, why)) << "the second has no more";
    EXPECT_EQ(all(0), (std::array<uint64_t, 3>{900, 900, 900})) << "nothing of the others then";
    ASSERT_TRUE(admission.extend(3'000, 200, why));
    EXPECT_EQ(all(3'000), (std::array<uint64_t, 3>{200, 1'100, 1'100}));
    EXPECT_EQ(admission.reserved(), 1'100u);
    const Admission copy = admission;
    EXPECT_EQ(copy.size(), 3u);
    EXPECT_EQ(copy.reserved(), 1'100u);
    admission.leave(3'000, 1'000);
    EXPECT_EQ(all(3'000), (std::array<uint64_t, 3>{100, 1'000, 1'000})) << "what was not used, from each";
    EXPECT_EQ(limit.first().level->concurrent.load(), 0u);
    ASSERT_TRUE(limit.enter(admission, 10'000, why));
    ASSERT_TRUE(admission.reserve(10'000, 100, why));
    admission.leave(10'000, 700);
    EXPECT_EQ(all(10'000), (std::array<uint64_t, 3>{700, 1'700, 1'700})) << "what was used beyond it, in each";
    ASSERT_TRUE(limit.enter(admission, 20'000, why));
    ASSERT_TRUE(admission.reserve(20'000, 300, why));
    EXPECT_EQ(all(20'000), (std::array<uint64_t, 3>{300, 2'000, 2'000}));
    admission.abandon();
    EXPECT_EQ(all(20'000), (std::array<uint64_t, 3>{0, 1'700, 1'700})) << "nothing of what was abandoned";
    EXPECT_EQ(limit.requests(0, 20'000), 0u);
    EXPECT_EQ(limit.first().level->concurrent.load(), 0u);
}

/// A stream that outgrows what was reserved where one of the windows has no room: it is booked in each as it is used.
TEST(SeveralWindows, WhatIsOverdrawnCountsInEach) {
    const Several limit({}, {{1'000, second_ms}, {1'200, minute_ms}, {100'000, hour_ms}});
    const auto all = [&](uint64_t now_ms) {
        return std::array{limit.tokens(0, now_ms), limit.tokens(1, now_ms), limit.tokens(2, now_ms)};
    };
    Admission stream, other;
    LimitRefusal why;
    ASSERT_TRUE(limit.enter(stream, 0, why) && stream.reserve(0, 900, why));
    ASSERT_FALSE(stream.extend(3'000, 400, why));
    EXPECT_EQ(why.of, &limit.limits[1]);
    stream.overdraw(3'000, 1'300);
    EXPECT_EQ(all(3'000), (std::array<uint64_t, 3>{400, 1'300, 1'300}));
    EXPECT_EQ(stream.reserved(), 1'300u);
    stream.overdraw(5'000, 1'500);
    stream.overdraw(5'000, 1'400);
    EXPECT_EQ(all(5'000), (std::array<uint64_t, 3>{200, 1'500, 1'500}));
    ASSERT_TRUE(limit.enter(other, 5'000, why));
    EXPECT_FALSE(other.reserve(5'000, 1, why)) << "whoever comes next waits for what it uses";
    EXPECT_EQ(why.of, &limit.limits[1]);
    other.abandon();
    stream.leave(5'000, 1'400);
    EXPECT_EQ(all(5'000), (std::array<uint64_t, 3>{100, 1'400, 1'400})) << "what it did not use comes back";
    // Of a window that is less than it reserves, all was taken and no more: the rest is booked there alone.
    const Several small({}, {{100, second_ms}, {10'000, hour_ms}});
    ASSERT_TRUE(small.enter(stream, 0, why) && stream.reserve(0, 500, why));
    stream.overdraw(0, 600);
    EXPECT_EQ(small.tokens(0, 0), 600u);
    EXPECT_EQ(small.tokens(1, 0), 600u);
    stream.abandon();
    EXPECT_EQ(small.tokens(0, 0), 0u);
    EXPECT_EQ(small.tokens(1, 0), 0u);
}

TEST(SeveralWindows, AbandoningTheLastIsOfAllItsWindows) {
    const Several own({{5, minute_ms}, {50, hour_ms}}, {{100, minute_ms}});
    const Several model({{6, minute_ms}, {60, hour_ms}}, {{100, minute_ms}, {200, hour_ms}}, LimitScope::model);
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(own.enter(admission, 0, why) && model.enter(admission, 0, why) && admission.reserve(0, 30, why));
    EXPECT_EQ(admission.size(), 4u);
    admission.abandon_last();
    EXPECT_EQ(admission.size(), 2u);
    for (const size_t window : {0u, 1u}) {
        EXPECT_EQ(model.requests(window, 0), 0u);
        EXPECT_EQ(model.tokens(window, 0), 0u);
        EXPECT_EQ(own.requests(window, 0), 1u);
    }
    EXPECT_EQ(model.first().level->concurrent.load(), 0u);
    EXPECT_EQ(own.tokens(0, 0), 30u);
}

/// What is more than a window's limit goes where nothing else was taken of that window, and is whole in the others.
TEST(SeveralWindows, ARequestOfMoreThanTheShortestHas) {
    const Several limit({}, {{100, second_ms}, {1'000, hour_ms}});
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(limit.enter(admission, 0, why) && admission.reserve(0, 500, why));
    EXPECT_EQ(limit.tokens(0, 0), 100u);
    EXPECT_EQ(limit.tokens(1, 0), 500u);
    admission.leave(0, 400);
    EXPECT_EQ(limit.tokens(0, 0), 400u) << "it used so many in that second, whatever was to be had";
    EXPECT_EQ(limit.tokens(1, 0), 400u);
}

/// A plain log of what counts, slice by slice: exact, and slow.
struct Log {
    explicit Log(Window window) : what(window), slice_ms(window.ms / RateWindow::slice_count) {}
    [[nodiscard]] uint64_t counted(uint64_t at_ms) const {
        uint64_t sum = 0;
        for (const auto& [slice, units] : of)
            if (slice + RateWindow::slice_count >= at_ms / slice_ms) sum += units;
        return sum;
    }
    [[nodiscard]] uint64_t cost(uint64_t units) const { return std::min(units, what.limit); }
    [[nodiscard]] bool has_room(uint64_t at_ms, uint64_t units) const {
        return counted(at_ms) + cost(units) <= what.limit;
    }
    [[nodiscard]] uint64_t wait_ms(uint64_t now_ms, uint64_t units) const {
        uint64_t wait_ms = 0;
        while (!has_room(now_ms + wait_ms, units)) wait_ms += slice_ms - (now_ms + wait_ms) % slice_ms;
        return wait_ms;
    }
    void add(uint64_t now_ms, uint64_t units) { of[now_ms / slice_ms] += units; }
    /// What no span reaches any more.
    void forget(uint64_t now_ms) {
        const uint64_t slice = now_ms / slice_ms;
        of.erase(of.begin(), of.lower_bound(slice - std::min<uint64_t>(slice, RateWindow::slice_count)));
    }
    void give_back(uint64_t slice, uint64_t units) {
        if (const auto it = of.find(slice); it != of.end()) it->second -= std::min(it->second, units);
    }
    Window what;
    uint64_t slice_ms;
    std::map<uint64_t, uint64_t> of;
};

/// Which of these has room last, if any has none: the first of them where several do at once.
std::optional<size_t> refuses(const std::vector<Log>& logs, uint64_t now_ms, uint64_t units) {
    std::optional<size_t> last;
    for (size_t i = 0; i < logs.size(); ++i)
        if (!logs[i].has_room(now_ms, units) &&
            (!last || logs[i].wait_ms(now_ms, units) > logs[*last].wait_ms(now_ms, units)))
            last = i;
    return last;
}

TEST(SeveralWindows, BruteForce_AsLogsOfSlicesSay) {
    constexpr std::array<uint64_t, 4> lengths = {31'000, 310'000, 3'100'000, 31'000'000};
    size_t refused_by[4] = {};
    for (uint32_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        std::vector<Window> requests, tokens;
        for (size_t i = 0; i < 4; ++i) {
            constexpr std::array<uint64_t, 4> growth = {20, 40, 80, 200};  // so that each is the one that refuses
            if (i < 1 + seed % 4) requests.push_back({growth[i] + random() % 20, lengths[i]});
            if (i < 1 + seed / 4 % 4) tokens.push_back({300 * growth[i] + random() % 4'000, lengths[i]});
        }
        const Several limit(requests, tokens);
        std::vector<Log> request_logs(requests.begin(), requests.end()), token_logs(tokens.begin(), tokens.end());
        struct UnderWay {
            Admission admission;
            uint64_t at_ms = 0;
            uint64_t reserved = 0;
        };
        std::deque<UnderWay> under_way;
        uint64_t now_ms = 1'000;
        for (int i = 0; i < 3'000; ++i) {
            now_ms += random() % 60 == 0 ? random() % 2'000'000 : random() % 3'000;
            for (std::vector<Log>* const logs : {&request_logs, &token_logs})
                for (Log& log : *logs) log.forget(now_ms);
            UnderWay one{.at_ms = now_ms, .reserved = 1 + random() % 1'500};
            LimitRefusal why;
            const auto request_fault = refuses(request_logs, now_ms, 1);
            ASSERT_EQ(limit.enter(one.admission, now_ms, why), !request_fault.has_value());
            if (request_fault) {
                ASSERT_EQ(why.of, &limit.limits[*request_fault]);
                ASSERT_EQ(why.wait_ms, request_logs[*request_fault].wait_ms(now_ms, 1));
                refused_by[*request_fault] += 1;
            } else {
                const auto token_fault = refuses(token_logs, now_ms, one.reserved);
                ASSERT_EQ(one.admission.reserve(now_ms, one.reserved, why), !token_fault.has_value());
                if (token_fault) {
                    ASSERT_EQ(why.of, &limit.limits[*token_fault]);
                    ASSERT_EQ(why.wait_ms, token_logs[*token_fault].wait_ms(now_ms, one.reserved));
                    refused_by[*token_fault] += 1;
                    one.admission.abandon();
                } else {
                    for (Log& log : request_logs) log.add(now_ms, 1);
                    for (Log& log : token_logs) log.add(now_ms, log.cost(one.reserved));
                    under_way.push_back(one);
                }
            }
            while (!under_way.empty() && (under_way.size() > 8 || random() % 2 == 0)) {
                UnderWay& done = under_way.front();
                const uint64_t used = random() % 4 == 0 ? done.reserved + random() % 500 : random() % done.reserved;
                const bool abandons = random() % 8 == 0;
                if (abandons)
                    done.admission.abandon();
                else
                    done.admission.leave(now_ms, used);
                for (Log& log : token_logs) {
                    const uint64_t taken = log.cost(done.reserved);
                    if (abandons || used < taken)
                        log.give_back(done.at_ms / log.slice_ms, abandons ? taken : taken - used);
                    else
                        log.add(now_ms, used - taken);
                }
                if (abandons)
                    for (Log& log : request_logs) log.give_back(done.at_ms / log.slice_ms, 1);
                under_way.pop_front();
            }
            for (size_t w = 0; w < requests.size(); ++w)
                ASSERT_EQ(limit.requests(w, now_ms), request_logs[w].counted(now_ms)) << w;
            for (size_t w = 0; w < tokens.size(); ++w)
                ASSERT_EQ(limit.tokens(w, now_ms), token_logs[w].counted(now_ms)) << w;
            ASSERT_EQ(limit.first().level->concurrent.load(), under_way.size());
        }
    }
    for (const size_t count : refused_by) EXPECT_GT(count, 0u) << "each was the one that refused";
}

/// Time stands while the threads ask, and goes on between: in no span of a window's length were more let in than it
/// allows, and what was given back by those that another window refused is missing nowhere.
TEST(SeveralWindowsThreads, NoneOfThemLetsInMore_AndNothingIsLost) {
    const std::vector<Window> windows = {{40, 31'000}, {150, 310'000}, {400, 3'100'000}};
    for (uint32_t round = 0; round < 6; ++round) {
        const Several limit(windows);
        std::vector<std::pair<uint64_t, uint64_t>> let_in;  // when, and how many
        std::vector<Log> logs(windows.begin(), windows.end());
        std::mt19937 random(round);
        uint64_t now_ms = 5'000;
        for (int step = 0; step < 60; ++step, now_ms += random() % 90'000) {
            std::atomic<uint64_t> count = 0;
            std::vector<std::thread> threads;
            for (uint32_t t = 0; t < 8; ++t)
                threads.emplace_back([&, t] {
                    std::mt19937 mine(round * 1'000 + static_cast<uint32_t>(step) * 10 + t);
                    for (int i = 0; i < 40; ++i) {
                        Admission one;
                        LimitRefusal why;
                        if (!limit.enter(one, now_ms, why)) continue;
                        if (mine() % 3 == 0)
                            one.abandon();
                        else
                            one.leave(now_ms, 0), count += 1;
                    }
                });
            for (std::thread& one : threads) one.join();
            let_in.emplace_back(now_ms, count.load());
            for (size_t w = 0; w < windows.size(); ++w) {
                logs[w].add(now_ms, count);
                ASSERT_EQ(limit.requests(w, now_ms), logs[w].counted(now_ms)) << w;
                uint64_t in_span = 0;
                for (const auto& [at_ms, units] : let_in)
                    if (at_ms + windows[w].ms > now_ms) in_span += units;
                ASSERT_LE(in_span, windows[w].limit) << w << " at " << now_ms;
            }
            ASSERT_EQ(limit.first().level->concurrent.load(), 0u);
        }
    }
}

TEST(SeveralWindowsThreads, TokensHeldAndSpentAreWithinEach) {
    const Several limit({}, {{5'000, second_ms * 31}, {8'000, hour_ms}, {9'000, 10 * hour_ms}});
    std::atomic<uint64_t> in_use = 0, spent = 0;
    std::atomic<bool> broken = false;
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 8; ++t)
        threads.emplace_back([&, t] {
            std::mt19937 random(t);
            for (int i = 0; i < 10'000; ++i) {
                const uint64_t now_ms = 5'000 + static_cast<uint64_t>(i) / 4'000 * 1'000;
                const uint64_t units = 1 + random() % 900;
                Admission one;
                LimitRefusal why;
                if (!limit.enter(one, now_ms, why)) continue;
                if (!one.reserve(now_ms, units, why)) {
                    one.abandon();
                    continue;
                }
                if (in_use.fetch_add(units) + units > 5'000) broken = true;
                const uint64_t used = random() % 1'000 == 0 ? std::min<uint64_t>(units, 3) : 0;
                spent += used;
                in_use.fetch_sub(units - used);
                one.leave(now_ms, used);
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_FALSE(broken);
    for (const size_t window : {0u, 1u, 2u}) EXPECT_GE(limit.tokens(window, 8'000), spent.load());
    EXPECT_LE(spent.load(), 5'000u);
    EXPECT_EQ(limit.first().level->concurrent.load(), 0u);
}

/// Where the rows are a table's, each has all windows, those of a limit beside each other or not.
TEST(SeveralWindows, OfAnAddress_AndWhoTakesItsPlaceHasAllOfThemAnew) {
    Several limit({{2, second_ms}, {3, minute_ms}}, {{100, minute_ms}, {150, hour_ms}}, LimitScope::ip, true);
    RowWindows windows;
    for (const Limit& one : limit.limits) windows.add(one.terms);
    windows.add({.requests = WindowTerms::of(1, 10 * second_ms)});  // another's, between these
    for (Limit& one : limit.limits) windows.place(one);
    EXPECT_EQ(windows.count(), 5u);
    AddressLimits table(windows, 8);
    EXPECT_TRUE(table.fits(windows, 8));
    EXPECT_FALSE(table.fits(RowWindows(limit.first().terms), 8));
    const auto address = [](uint32_t i) { return IpBytes{0x20, 0x01, 0, 0, 0, 0, 0, static_cast<uint8_t>(i)}; };
    const auto enters = [&](uint32_t who, uint64_t now_ms, uint64_t tokens, LimitRefusal& why) {
        Admission one;
        const LimitRow row = limit.first().row_in(table.row(address(who), now_ms));
        if (one.enter(limit.first(), row, now_ms, why) && one.reserve(now_ms, tokens, why)) {
            one.leave(now_ms, tokens);
            return true;
        }
        one.abandon();
        return false;
    };
    LimitRefusal why;
    EXPECT_TRUE(enters(1, 0, 40, why) && enters(1, 0, 40, why));
    EXPECT_FALSE(enters(1, 0, 1, why));
    EXPECT_EQ(why.of, &limit.limits[0]);
    EXPECT_FALSE(enters(1, 5'000, 40, why));
    EXPECT_EQ(why.of, &limit.limits[0]) << "its tokens of a minute";
    EXPECT_EQ(why.kind, LimitKind::tokens);
    EXPECT_TRUE(enters(1, 5'000, 1, why));
    EXPECT_FALSE(enters(1, 8'000, 1, why));
    EXPECT_EQ(why.of, &limit.limits[1]) << "its requests of a minute";
    EXPECT_FALSE(enters(1, 100'000, 90, why));
    EXPECT_EQ(why.of, &limit.limits[1]) << "its tokens of an hour";
    EXPECT_EQ(why.kind, LimitKind::tokens);
    EXPECT_TRUE(enters(2, 100'000, 100, why)) << "another's are its own";
    for (uint32_t who = 3; who <= 10; ++who) EXPECT_TRUE(enters(who, 100'001 + who, 100, why));
    EXPECT_TRUE(enters(1, 200'000, 90, why)) << "it was forgotten, and none of who had the place since is counted";
}

TEST(SeveralWindows, AReloadFindsEachByItsLength) {
    LimitTable table;
    const auto by = [&](uint64_t limit, uint64_t ms, uint64_t now_ms) {
        return table.window("consumer:a:requests", WindowTerms::of(limit, ms), now_ms);
    };
    const auto used = [](const RateWindow& window, uint64_t ms, uint64_t now_ms) {
        return window.used(WindowTerms::of(1, ms), now_ms);
    };
    auto second = by(10, second_ms, 0);
    auto hour = by(1'000, hour_ms, 0);
    EXPECT_NE(second, hour);
    const uint64_t now_ms = 2'000'000;
    ASSERT_TRUE(hour->take(WindowTerms::of(1'000, hour_ms), 10'000, 300));
    ASSERT_TRUE(hour->take(WindowTerms::of(1'000, hour_ms), now_ms, 5));
    ASSERT_TRUE(second->take(WindowTerms::of(10, second_ms), now_ms, 5));
    EXPECT_EQ(by(20, second_ms, now_ms), second) << "another number is no other window";
    EXPECT_EQ(by(500, hour_ms, now_ms), hour);
    const auto minute = by(60, minute_ms, now_ms);
    EXPECT_EQ(used(*minute, minute_ms, now_ms), 5u) << "what the hour knows of the last minute, and no more";
    const auto day = by(5'000, 24 * hour_ms, now_ms);
    EXPECT_EQ(used(*day, 24 * hour_ms, now_ms), 305u) << "as much as is known";
    hour.reset();
    const auto again = by(1'000, hour_ms, now_ms);
    EXPECT_EQ(used(*again, hour_ms, now_ms), 305u) << "a day knows of an hour";
    second.reset();
    EXPECT_GE(used(*by(10, second_ms, now_ms), second_ms, now_ms), 5u);
}

/// A stream of the first configuration keeps its window alive, which knows nothing of what the second one's counts.
TEST(SeveralWindows, AWindowThatWasOutOfForceKnowsWhatCameSince) {
    LimitTable table;
    const auto by = [&](uint64_t limit, uint64_t ms, uint64_t now_ms) {
        return table.window("consumer:a:requests", WindowTerms::of(limit, ms), now_ms);
    };
    table.begin_build();
    const auto day = by(1'000, 24 * hour_ms, 0);
    ASSERT_TRUE(day->take(WindowTerms::of(1'000, 24 * hour_ms), 0, 300));
    table.begin_build();
    auto hour = by(5'000, hour_ms, 1'000);
    ASSERT_TRUE(hour->take(WindowTerms::of(5'000, hour_ms), 2'000, 700));
    table.begin_build();
    const auto again = by(1'000, 24 * hour_ms, 3'000);
    EXPECT_EQ(again, day);
    EXPECT_EQ(again->used(WindowTerms::of(1'000, 24 * hour_ms), 3'000), 1'000u);
    table.begin_build();  // of the hour, which is out of force now, the next one takes nothing
    EXPECT_EQ(by(9'000, hour_ms / 2, 10'000'000)->used(WindowTerms::of(9'000, hour_ms / 2), 10'000'000), 0u);
}

/// The same where the shorter one was in force all the time, and is asked for first.
TEST(SeveralWindows, AWindowThatWasOutOfForceKnowsWhatCameSinceInTheOthers) {
    for (const uint64_t longer_ms : {24 * hour_ms, 12 * hour_ms}) {
        LimitTable table;
        const auto by = [&](uint64_t limit, uint64_t ms, uint64_t now_ms) {
            return table.window("consumer:a:requests", WindowTerms::of(limit, ms), now_ms);
        };
        table.begin_build();
        const auto hour = by(5'000, hour_ms, 0), day = by(9'000, 24 * hour_ms, 0);
        table.begin_build();
        EXPECT_EQ(by(5'000, hour_ms, 1'000), hour);
        ASSERT_TRUE(hour->take(WindowTerms::of(5'000, hour_ms), 2'000, 700));
        table.begin_build();
        EXPECT_EQ(by(5'000, hour_ms, 3'000), hour);
        const auto again = by(9'000, longer_ms, 3'000);
        EXPECT_EQ(again->used(WindowTerms::of(9'000, longer_ms), 3'000), 700u) << longer_ms;
    }
}

/// However the lengths are to each other: a window that takes another's place never lets in more than its limit in a
/// span that began before.
TEST(SeveralWindows, BruteForce_WhatIsInheritedIsNeverTooLittle) {
    for (uint32_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const uint64_t old_ms = 1'000 + random() % 100'000;
        const uint64_t new_ms = 1'000 + random() % 100'000;
        const WindowTerms old_terms = WindowTerms::of(1'000, old_ms), new_terms = WindowTerms::of(1'000, new_ms);
        RateWindow old_one;
        std::vector<std::pair<uint64_t, uint64_t>> taken;
        uint64_t now_ms = random() % 50'000;
        for (int i = 0; i < 300; ++i) {
            now_ms += random() % (old_ms / 60);
            const uint64_t units = 1 + random() % 20;
            if (old_one.take(old_terms, now_ms, units)) taken.emplace_back(now_ms, units);
        }
        now_ms += random() % 2'000;
        RateWindow heir;
        heir.inherit(new_terms, old_one, old_terms, now_ms);
        const uint64_t known_ms = std::min(old_ms, new_ms);
        uint64_t least = 0;
        for (const auto& [at_ms, units] : taken)
            if (at_ms + known_ms > now_ms) least += units;
        EXPECT_GE(heir.used(new_terms, now_ms), least);
        EXPECT_LE(heir.used(new_terms, now_ms), old_one.used(old_terms, now_ms));
        EXPECT_EQ(heir.used(new_terms, now_ms + new_ms + new_ms / 15), 0u) << "and goes by as any";
    }
}

}  // namespace
}  // namespace loom::tenant
