// Several limits at once: all or nothing, who refused is named, and what was reserved is settled once, on every way
// out.
#include "loom/tenant/limit.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <thread>
#include <vector>

#include "loom/tenant/address_limits.h"

namespace loom::tenant {
namespace {

constexpr uint64_t minute_ms = 60'000;

struct Given {
    uint64_t requests = 0;
    uint64_t tokens = 0;
    uint32_t concurrent = 0;
    uint64_t burst = 0;
};

Limit limit_of(LimitScope scope, const Given& given) {
    Limit limit{.scope = scope};
    limit.terms = {
        .requests = WindowTerms::of(given.requests, minute_ms),
        .tokens = WindowTerms::of(given.tokens, minute_ms),
        .burst = given.burst == 0 ? BucketTerms() : BucketTerms::per_window(given.requests, minute_ms, given.burst),
        .concurrent_max = given.concurrent};
    limit.requests = std::make_shared<RateWindow>();
    limit.tokens = std::make_shared<RateWindow>();
    limit.level = std::make_shared<LimitLevel>();
    return limit;
}

bool enter(Admission& admission, const Limit& limit, uint64_t now_ms, LimitRefusal& why) {
    return admission.enter(limit, limit.row(), now_ms, why);
}
bool enters(const Limit& limit, uint64_t now_ms) {
    Admission admission;
    LimitRefusal why;
    return enter(admission, limit, now_ms, why);
}

TEST(Admission, RequestsByTheWindow_ThenWhoRefusesSaysWhen) {
    const Limit limit = limit_of(LimitScope::consumer, {.requests = 2});
    EXPECT_TRUE(enters(limit, 0));
    EXPECT_TRUE(enters(limit, 0));
    Admission admission;
    LimitRefusal why;
    EXPECT_FALSE(enter(admission, limit, 1'000, why));
    EXPECT_EQ(why.of, &limit);
    EXPECT_EQ(why.kind, LimitKind::requests);
    EXPECT_TRUE(enters(limit, 1'000 + why.wait_ms));
}

TEST(Admission, AbandoningTheLastLeavesTheOthersTaken) {
    const Limit own = limit_of(LimitScope::consumer, {.requests = 5, .tokens = 100, .concurrent = 5});
    const Limit of_model = limit_of(LimitScope::model, {.requests = 60, .tokens = 100, .concurrent = 5, .burst = 1});
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(enter(admission, own, 0, why));
    ASSERT_TRUE(enter(admission, of_model, 0, why));
    ASSERT_TRUE(admission.reserve(0, 30, why));
    admission.abandon_last();
    EXPECT_EQ(admission.size(), 1u);
    EXPECT_EQ(of_model.requests->used(of_model.terms.requests, 0), 0u);
    EXPECT_EQ(of_model.tokens->used(of_model.terms.tokens, 0), 0u);
    EXPECT_EQ(of_model.level->concurrent.load(), 0u);
    EXPECT_EQ(of_model.level->burst.level(of_model.terms.burst, 0), 1u);
    EXPECT_EQ(own.tokens->used(own.terms.tokens, 0), 30u);
    admission.leave(0, 0);
    EXPECT_EQ(own.requests->used(own.terms.requests, 0), 1u);
    EXPECT_EQ(own.tokens->used(own.terms.tokens, 0), 0u);
    EXPECT_EQ(own.level->concurrent.load(), 0u);
}

/// It would take longer to fill than there are nanoseconds in a word.
TEST(Admission, ABurstOfMoreThanTheLimitRefusesNobody) {
    constexpr uint64_t day_ms = 86'400'000;
    for (const uint64_t burst : {213'503ull, 213'504ull, 1'000'000'000ull}) {
        SCOPED_TRACE(burst);
        Limit limit = limit_of(LimitScope::consumer, {});
        limit.terms.requests = WindowTerms::of(1, day_ms);
        limit.terms.burst = BucketTerms::per_window(1, day_ms, burst);
        EXPECT_TRUE(enters(limit, 1'000));
        EXPECT_FALSE(enters(limit, 2'000));
    }
}

TEST(Admission, AtOnce_UntilOneLeaves) {
    const Limit limit = limit_of(LimitScope::team, {.concurrent = 1});
    Admission first, second;
    LimitRefusal why;
    EXPECT_TRUE(enter(first, limit, 0, why));
    EXPECT_FALSE(enter(second, limit, 0, why));
    EXPECT_EQ(why.kind, LimitKind::concurrent);
    EXPECT_EQ(why.wait_ms, Admission::concurrency_wait_ms);
    first.leave(5, 0);
    first.leave(5, 0);
    first.abandon();
    EXPECT_TRUE(enter(second, limit, 5, why));
    EXPECT_EQ(limit.level->concurrent.load(), 1u) << "once, however often it is said";
}

TEST(Admission, ABurst_ThenAsTheyComeIn) {
    const Limit limit = limit_of(LimitScope::consumer, {.requests = 60, .burst = 5});
    int at_once = 0;
    while (enters(limit, 0)) at_once += 1;
    EXPECT_EQ(at_once, 5);
    Admission admission;
    LimitRefusal why;
    EXPECT_FALSE(enter(admission, limit, 0, why));
    EXPECT_EQ(why.kind, LimitKind::burst);
    EXPECT_EQ(why.wait_ms, 1'000u);
    EXPECT_TRUE(enters(limit, why.wait_ms));
}

TEST(Admission, AllOrNothing) {
    const Limit wide =
        limit_of(LimitScope::global, {.requests = 100, .tokens = 100'000, .concurrent = 10, .burst = 50});
    const Limit narrow = limit_of(LimitScope::model, {.requests = 1});
    ASSERT_TRUE(enters(narrow, 0));
    for (int i = 0; i < 1'000; ++i) {
        Admission admission;
        LimitRefusal why;
        ASSERT_TRUE(enter(admission, wide, 0, why));
        ASSERT_FALSE(enter(admission, narrow, 0, why));
        EXPECT_EQ(why.of, &narrow);
        admission.abandon();
    }
    EXPECT_EQ(wide.requests->used(wide.terms.requests, 0), 0u);
    EXPECT_EQ(wide.level->concurrent.load(), 0u);
    EXPECT_EQ(wide.level->burst.level(wide.terms.burst, 0), 50u);
}

TEST(Admission, TokensOfAllOrOfNone) {
    const Limit global = limit_of(LimitScope::global, {.tokens = 1'000});
    const Limit uncounted = limit_of(LimitScope::team, {.requests = 10});
    const Limit consumer = limit_of(LimitScope::consumer, {.tokens = 100});
    Admission admission;
    LimitRefusal why;
    for (const Limit* limit : {&global, &uncounted, &consumer}) ASSERT_TRUE(enter(admission, *limit, 0, why));
    EXPECT_TRUE(admission.counts_tokens());
    ASSERT_TRUE(admission.reserve(0, 60, why));
    EXPECT_EQ(admission.reserved(), 60u);
    EXPECT_FALSE(admission.extend(0, 41, why));
    EXPECT_EQ(global.tokens->used(global.terms.tokens, 0), 60u) << "nothing of what another refused";
    EXPECT_TRUE(admission.extend(0, 40, why));
    admission.leave(10, 25);
    EXPECT_EQ(global.tokens->used(global.terms.tokens, 10), 25u);
    EXPECT_EQ(consumer.tokens->used(consumer.terms.tokens, 10), 25u);
    EXPECT_EQ(uncounted.requests->used(uncounted.terms.requests, 10), 1u) << "a request is one, whatever it took";
}

TEST(Admission, WhatIsExtendedLaterIsGivenBackWhereItWasTaken) {
    const Limit limit = limit_of(LimitScope::consumer, {.tokens = 1'000});
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(enter(admission, limit, 0, why));
    ASSERT_TRUE(admission.reserve(0, 100, why));
    ASSERT_TRUE(admission.extend(30'000, 100, why));
    admission.leave(40'000, 150);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 40'000), 150u);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 70'000), 50u) << "the first hundred are a minute old";
}

TEST(Admission, WhatWasUsedBeyondWhatWasReservedIsBooked) {
    const Limit limit = limit_of(LimitScope::consumer, {.tokens = 1'000});
    Admission admission;
    LimitRefusal why;
    ASSERT_TRUE(enter(admission, limit, 0, why));
    ASSERT_TRUE(admission.reserve(0, 100, why));
    admission.leave(10, 5'000);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 10), 5'000u);
    Admission unreserved;
    ASSERT_TRUE(enter(unreserved, limit, 100'000, why));
    unreserved.leave(100'000, 7);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 100'000), 7u) << "of what reads no body, too";
}

/// A stream that goes on where its window has no room for it is not ended: others wait for what it takes as it takes
/// it, and what is settled is what was used, once.
TEST(Admission, WhatIsOverdrawnCountsAsItIsUsed) {
    const Limit limit = limit_of(LimitScope::consumer, {.tokens = 1'000});
    const Limit wide = limit_of(LimitScope::global, {.tokens = 100'000});
    Admission stream;
    LimitRefusal why;
    ASSERT_TRUE(enter(stream, limit, 0, why));
    ASSERT_TRUE(enter(stream, wide, 0, why));
    ASSERT_TRUE(stream.reserve(0, 900, why));
    ASSERT_FALSE(stream.extend(10'000, 256, why));
    stream.overdraw(10'000, 1'100);
    EXPECT_EQ(stream.reserved(), 1'100u);
    stream.overdraw(20'000, 1'400);
    stream.overdraw(20'000, 1'300);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 20'000), 1'400u);
    EXPECT_EQ(wide.tokens->used(wide.terms.tokens, 20'000), 1'400u);
    Admission other;
    ASSERT_TRUE(enter(other, limit, 63'000, why));
    EXPECT_FALSE(other.reserve(63'000, 501, why)) << "500 of the last minute are the stream's";
    EXPECT_TRUE(other.reserve(63'000, 500, why));
    stream.leave(63'000, 1'400);
    other.leave(63'000, 500);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 63'000), 1'000u) << "nobody is kept out at the end by old tokens";
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 90'000), 500u);
}

TEST(Admission, WhatWasOverdrawnAndNotUsedComesBack) {
    const Limit limit = limit_of(LimitScope::consumer, {.tokens = 1'000});
    Admission stream;
    LimitRefusal why;
    ASSERT_TRUE(enter(stream, limit, 0, why));
    ASSERT_TRUE(stream.reserve(0, 1'000, why));
    stream.overdraw(5'000, 1'600);
    stream.leave(6'000, 1'200);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 6'000), 1'200u);
    Admission unlimited;
    const Limit other = limit_of(LimitScope::team, {.requests = 5});
    ASSERT_TRUE(enter(unlimited, other, 0, why));
    unlimited.overdraw(0, 500);
    EXPECT_EQ(unlimited.reserved(), 0u) << "no limit of it counts tokens";
    unlimited.abandon();
}

/// What counts while streams run on many threads is what they have used, and what is left when all are over is that.
TEST(AdmissionThreads, WhatIsOverdrawnIsExact) {
    for (const unsigned threads_count : {1u, 2u, 8u}) {
        const Limit limit = limit_of(LimitScope::consumer, {.tokens = 2'000});
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < threads_count; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 200; ++i) {
                    Admission stream;
                    LimitRefusal why;
                    ASSERT_TRUE(enter(stream, limit, 1'000, why));
                    (void)stream.reserve(1'000, 5, why);
                    for (uint64_t tokens = 10; tokens <= 100; tokens += 10)
                        if (!stream.extend(1'000, 10, why)) stream.overdraw(1'000, tokens);
                    EXPECT_GE(limit.tokens->used(limit.terms.tokens, 1'000), (i + 1) * 100u) << "while it runs";
                    stream.leave(1'000, 100);
                }
            });
        for (std::thread& one : threads) one.join();
        EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 1'000), threads_count * 200u * 100u);
        EXPECT_EQ(limit.level->concurrent.load(), 0u);
    }
}

/// Random interleavings of requests that reserve, extend, end and break off: what is held and spent is within the limit
/// at each step, as long as none uses more than it holds; and in the end only what was spent counts.
TEST(Admission, Property_HeldAndSpentAreWithinTheLimit) {
    for (uint32_t seed = 1; seed <= 100; ++seed) {
        SCOPED_TRACE(seed);
        std::mt19937 random(seed);
        const std::array limits = {
            limit_of(LimitScope::global, {.tokens = 5'000, .concurrent = 12}),
            limit_of(LimitScope::team, {.tokens = 3'000}),
            limit_of(LimitScope::consumer, {.requests = 400, .tokens = 2'000 + random() % 3'000})};
        std::deque<Admission> under_way;
        uint64_t spent = 0, now_ms = 500;
        const auto held = [&] {
            uint64_t sum = 0;
            for (const Admission& one : under_way) sum += one.reserved();
            return sum;
        };
        for (int i = 0; i < 600 && now_ms < 50'000; ++i) {
            now_ms += random() % 80;
            LimitRefusal why;
            const uint64_t tokens = 1 + random() % 900;
            switch (random() % 4) {
                case 0: {
                    Admission one;
                    bool entered = true;
                    for (const Limit& limit : limits) entered = entered && enter(one, limit, now_ms, why);
                    if (entered && one.reserve(now_ms, tokens, why))
                        under_way.push_back(one);
                    else
                        one.abandon();
                    break;
                }
                case 1:
                    if (!under_way.empty())
                        (void)under_way[random() % under_way.size()].extend(now_ms, tokens / 4, why);
                    break;
                default: {
                    if (under_way.empty()) break;
                    const size_t which = random() % under_way.size();
                    const uint64_t used = random() % 3 == 0 ? 0 : random() % (under_way[which].reserved() + 1);
                    under_way[which].leave(now_ms, used);
                    under_way.erase(under_way.begin() + static_cast<ptrdiff_t>(which));
                    spent += used;
                }
            }
            for (const Limit& limit : limits) {
                ASSERT_EQ(limit.tokens->used(limit.terms.tokens, now_ms), held() + spent);
                ASSERT_LE(held() + spent, limit.terms.tokens.limit);
                ASSERT_EQ(limit.level->concurrent.load(), under_way.size());
            }
        }
        for (Admission& one : under_way) one.leave(now_ms, 0);
        for (const Limit& limit : limits) EXPECT_EQ(limit.tokens->used(limit.terms.tokens, now_ms), spent);
    }
}

TEST(AdmissionThreads, NoMoreAtOnceThanAllowed_AndAllComeHome) {
    const Limit limit = limit_of(LimitScope::consumer, {.tokens = 1'000'000, .concurrent = 3});
    std::atomic<int> at_once{0}, most{0};
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 8; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < 5'000; ++i) {
                Admission one;
                LimitRefusal why;
                if (!enter(one, limit, 1'000, why)) continue;
                const int now = at_once.fetch_add(1) + 1;
                int before = most.load();
                while (before < now && !most.compare_exchange_weak(before, now)) {
                }
                if (one.reserve(1'000, 100, why))
                    at_once.fetch_sub(1), one.leave(1'000, 0);
                else
                    at_once.fetch_sub(1), one.abandon();
            }
        });
    for (std::thread& one : threads) one.join();
    EXPECT_LE(most.load(), 3);
    EXPECT_EQ(limit.level->concurrent.load(), 0u);
    EXPECT_EQ(limit.tokens->used(limit.terms.tokens, 1'000), 0u);
}

TEST(OutputHabit, ExpectsWhatCameOfLate) {
    OutputHabit habit;
    EXPECT_EQ(habit.expected("gpt-4o", 512), 512u);
    for (int i = 0; i < 200; ++i) habit.note("gpt-4o", 40);
    EXPECT_EQ(habit.expected("gpt-4o", 512), 40u);
}

TEST(LimitTable, AReloadFindsWhatWasTaken) {
    LimitTable table;
    const WindowTerms minute = WindowTerms::of(100, minute_ms);
    auto window = table.window("consumer:a:requests", minute, 0);
    ASSERT_TRUE(window->take(minute, 0, 70));
    EXPECT_EQ(table.window("consumer:a:requests", WindowTerms::of(200, minute_ms), 10), window);
    EXPECT_NE(table.window("consumer:b:requests", minute, 10), window);
    const WindowTerms hour = WindowTerms::of(1'000, 60 * minute_ms);
    const auto longer = table.window("consumer:a:requests", hour, 20'000);
    EXPECT_NE(longer, window);
    EXPECT_EQ(longer->used(hour, 20'000), 70u);
    const auto level = table.level("consumer:a");
    EXPECT_EQ(table.level("consumer:a"), level);
    window.reset();
}

constexpr LimitTerms by_address{.requests = {.limit = 10, .slice_ns = 1'000'000'000}};

IpBytes address_of(const char* text) { return *parse_ip(text); }

TEST(AddressLimits, EachAddressHasItsRow_AnIPv6ClientItsNetwork) {
    AddressLimits table(by_address, 64);
    const auto row = [&](const char* text) { return table.row(address_of(text), 1'000).requests; };
    EXPECT_EQ(row("192.0.2.1"), row("192.0.2.1"));
    EXPECT_EQ(row("192.0.2.1"), row("::ffff:192.0.2.1"));
    EXPECT_NE(row("192.0.2.1"), row("192.0.2.2"));
    EXPECT_EQ(row("2001:db8::1"), row("2001:db8::ffff:1"));
    EXPECT_NE(row("2001:db8::1"), row("2001:db8:0:1::1"));
    EXPECT_EQ(table.size(), 4u);
}

TEST(AddressLimits, TheOldestThatHasNothingUnderWayMakesRoom) {
    AddressLimits table(by_address, 8);
    const auto address = [](uint32_t i) { return IpBytes{0x20, 0x01, 0, 0, 0, 0, 0, static_cast<uint8_t>(i)}; };
    std::vector<LimitRow> rows;
    for (uint32_t i = 0; i < 8; ++i) rows.push_back(table.row(address(i), 1'000 + i));
    rows[0].level->concurrent = 1;
    ASSERT_TRUE(rows[1].requests->take(by_address.requests, 1'001, 10));
    const LimitRow late = table.row(address(100), 2'000);
    EXPECT_EQ(late.requests, rows[1].requests) << "the first has a request under way";
    EXPECT_EQ(late.requests->used(by_address.requests, 2'000), 0u) << "what another took is not its own";
    EXPECT_EQ(table.row(address(0), 2'000).requests, rows[0].requests);
    for (const LimitRow& row : rows) row.level->concurrent = 1;
    EXPECT_EQ(table.row(address(101), 3'000).requests, rows[2].requests) << "shared, where all are busy";
    EXPECT_EQ(table.row(address(2), 3'000).requests, rows[2].requests);
    EXPECT_EQ(table.size(), 8u);
}

TEST(AddressLimits, ManyThreadsAndOneAddress_TheLimitHolds) {
    for (int round = 0; round < 50; ++round) {
        AddressLimits table(by_address, 1'024);
        const Limit limit = [&] {
            Limit made{.scope = LimitScope::ip};
            made.terms = by_address;
            return made;
        }();
        std::atomic<int> admitted{0};
        std::vector<std::thread> threads;
        for (uint32_t t = 0; t < 8; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 20; ++i) {
                    Admission one;
                    LimitRefusal why;
                    if (one.enter(limit, table.row(address_of("192.0.2.7"), 1'000), 1'000, why)) admitted += 1;
                }
            });
        for (std::thread& one : threads) one.join();
        ASSERT_EQ(admitted.load(), 10) << round;
    }
}

}  // namespace
}  // namespace loom::tenant
