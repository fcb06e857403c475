// What providers say of their limits, in the spellings that they were seen with.
#include "loom/route/headroom.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "loom/route/target_state.h"

namespace loom::route {
namespace {

constexpr int64_t now_s = 1'755'780'000;  // 2025-08-21T12:40:00Z

TEST(Reset, EverySpelling) {
    const std::vector<std::pair<std::string, std::optional<uint64_t>>> spellings = {
        {"6m0s", 360'000},
        {"1s", 1'000},
        {"120ms", 120},
        {"1h2m3s", 3'723'000},
        {"7.66s", 7'660},
        {"2m59.56s", 179'560},
        {"1d", 86'400'000},
        {"900d", 86'400'000},
        {"300us", 1},
        {"0", 0},
        {"0s", 0},
        {"35", 35'000},
        {"1.5", 1'500},
        {"1755780059", 59'000},
        {"1755780059000", 59'000},
        {"1755770000", 0},
        {"2025-08-21T12:40:59Z", 59'000},
        {"2025-08-21T12:40:59.250Z", 59'000},
        {"2025-08-21T14:40:59+02:00", 59'000},
        {"2025-08-21T12:39:00Z", 0},
        {"", std::nullopt},
        {"-1", std::nullopt},
        {"soon", std::nullopt},
        {"6m0", std::nullopt},
        {"m", std::nullopt},
        {"1..5s", std::nullopt},
        {"nan", std::nullopt},
        {"2025-13-21T12:40:59Z", std::nullopt},
        {"2025-08-21T12:40:59", std::nullopt},
        {"2025-08-21", std::nullopt},
        {"99999999999999999999999", std::nullopt},
    };
    for (const auto& [text, wanted] : spellings) EXPECT_EQ(parse_reset(text, now_s), wanted) << text;
}

Headroom read(const std::vector<std::pair<std::string, std::string>>& headers) {
    Headroom room;
    for (const auto& [name, value] : headers) room.note(name, value, now_s);
    return room;
}

TEST(Headroom, OfOpenAI) {
    const Headroom room = read({{"x-ratelimit-limit-requests", "5000"},
                                {"X-RateLimit-Remaining-Requests", "0"},
                                {"x-ratelimit-reset-requests", "12ms"},
                                {"x-ratelimit-remaining-tokens", "159976"},
                                {"x-ratelimit-reset-tokens", "6m0s"},
                                {"x-ratelimit-remaining-tokens_usage_based", "0"}});
    EXPECT_EQ(room.of(Quota::requests).remaining, 0u);
    EXPECT_EQ(room.of(Quota::tokens).remaining, 159'976u);
    EXPECT_EQ(room.of(Quota::tokens).reset_ms, 360'000u);
    EXPECT_EQ(room.rest_ms(), 12u) << "of the one that has run out";
}

TEST(Headroom, OfAnthropic) {
    const Headroom room = read({{"anthropic-ratelimit-requests-remaining", "999"},
                                {"anthropic-ratelimit-requests-reset", "2025-08-21T12:40:01Z"},
                                {"anthropic-ratelimit-input-tokens-remaining", "80000"},
                                {"anthropic-ratelimit-output-tokens-remaining", "0"},
                                {"anthropic-ratelimit-output-tokens-reset", "2025-08-21T12:40:30Z"}});
    EXPECT_EQ(room.of(Quota::input_tokens).remaining, 80'000u);
    EXPECT_EQ(room.rest_ms(), 30'000u);
}

TEST(Headroom, OfAzure_WhoMayNotKnow) {
    const Headroom unknown = read({{"x-ratelimit-remaining-tokens", "-1"}, {"x-ratelimit-reset-tokens", "0"}});
    EXPECT_EQ(unknown.rest_ms(), 0u) << "-1 is not none";
    const Headroom bare = read({{"x-ratelimit-remaining-requests", "0"}});
    EXPECT_EQ(bare.rest_ms(), Headroom::rest_default_ms);
}

TEST(Headroom, OfOthersNothing) {
    const Headroom room = read({{"x-request-id", "req_0123456789012345678901234567890"},
                                {"access-control-expose-headers", "x-ratelimit-remaining-requests"},
                                {"anthropic-ratelimit-unified-remaining", "0"},
                                {"x-ratelimit-remaining", "0"},
                                {"", "0"},
                                {"x-ratelimit-remaining-", "0"}});
    EXPECT_FALSE(room.said);
    EXPECT_EQ(room.rest_ms(), 0u);
}

TEST(Headroom, WhatATargetKeepsOfIt) {
    TargetState state(false);
    EXPECT_TRUE(state.has_room(1'000, 1'000'000, 1'000'000)) << "nothing was said";
    state.note_room(1'000, read({{"anthropic-ratelimit-input-tokens-remaining", "500"},
                                 {"anthropic-ratelimit-input-tokens-reset", "2025-08-21T12:40:10Z"},
                                 {"anthropic-ratelimit-output-tokens-remaining", "100"},
                                 {"anthropic-ratelimit-output-tokens-reset", "2025-08-21T12:40:05Z"}}));
    EXPECT_TRUE(state.has_room(1'000, 500, 100));
    EXPECT_FALSE(state.has_room(1'000, 501, 0));
    EXPECT_FALSE(state.has_room(1'000, 0, 101));
    EXPECT_TRUE(state.has_room(11'000, 1'000'000, 1'000'000)) << "it has been reset";
    state.note_room(2'000, read({{"x-ratelimit-remaining-tokens", "90"}, {"x-ratelimit-reset-tokens", "1s"}}));
    EXPECT_FALSE(state.has_room(2'000, 50, 41)) << "of both together";
    EXPECT_TRUE(state.has_room(2'000, 50, 40)) << "and no more of what was said before";
    state.note_room(2'000, read({{"x-ratelimit-remaining-requests", "100"},
                                 {"x-ratelimit-reset-requests", "23h"},
                                 {"x-ratelimit-remaining-tokens", "90"},
                                 {"x-ratelimit-reset-tokens", "1s"}}));
    EXPECT_TRUE(state.has_room(3'000, 1'000, 0)) << "each by its own reset";
    state.note_room(2'000, read({{"x-ratelimit-remaining-tokens", "90"}, {"x-ratelimit-reset-tokens", "23h"}}));
    EXPECT_FALSE(state.has_room(301'999, 1'000, 0));
    EXPECT_TRUE(state.has_room(302'000, 1'000, 0)) << "then it is asked again, to see";
}

}  // namespace
}  // namespace loom::route
