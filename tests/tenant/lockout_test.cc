// Addresses that fail too often are not asked for a while, and others know nothing of it.
#include "loom/tenant/lockout.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace loom::tenant {
namespace {

constexpr LockoutTerms terms{.failures = 3, .window_s = 10, .time_s = 30};

IpBytes ip(const std::string& text) { return *parse_ip(text); }
IpBytes numbered(uint32_t n) {
    return ip("10." + std::to_string(n >> 16 & 255) + "." + std::to_string(n >> 8 & 255) + "." +
              std::to_string(n & 255));
}

TEST(Lockouts, AfterSoManyFailuresInAWindowForATime) {
    Lockout lockout(terms);
    const IpBytes bad = ip("192.0.2.1"), other = ip("192.0.2.2");
    EXPECT_FALSE(lockout.note_failure(bad, 1000));
    EXPECT_FALSE(lockout.note_failure(bad, 1005));
    EXPECT_EQ(lockout.left_s(bad, 1005), 0u);
    EXPECT_TRUE(lockout.note_failure(bad, 1009));
    EXPECT_EQ(lockout.left_s(bad, 1009), 30u);
    EXPECT_EQ(lockout.left_s(bad, 1038), 1u);
    EXPECT_EQ(lockout.left_s(bad, 1039), 0u);
    EXPECT_EQ(lockout.left_s(other, 1010), 0u);
    EXPECT_FALSE(lockout.note_failure(bad, 1020)) << "it is locked out already, and no longer for it";
    EXPECT_EQ(lockout.left_s(bad, 1020), 19u);
    EXPECT_FALSE(lockout.note_failure(bad, 1039)) << "it begins anew";
    EXPECT_FALSE(lockout.note_failure(bad, 1040));
    EXPECT_TRUE(lockout.note_failure(bad, 1041));
}

TEST(Lockouts, FailuresFarApartAreForgotten) {
    Lockout lockout(terms);
    for (uint64_t at = 0; at < 200; at += 5) EXPECT_FALSE(lockout.note_failure(ip("192.0.2.1"), at)) << at;
}

TEST(Lockouts, AV6ClientIsItsNetworkAndAV4MappedOneIsV4) {
    Lockout lockout({.failures = 2, .window_s = 10, .time_s = 30});
    EXPECT_FALSE(lockout.note_failure(ip("2001:db8::1"), 1));
    EXPECT_TRUE(lockout.note_failure(ip("2001:db8::ffff:2"), 1));
    EXPECT_EQ(lockout.left_s(ip("2001:db8:0:1::1"), 1), 0u);
    EXPECT_FALSE(lockout.note_failure(ip("::ffff:192.0.2.1"), 1));
    EXPECT_TRUE(lockout.note_failure(ip("192.0.2.1"), 1));
}

/// An attacker with any number of addresses cannot make it forget who is locked out, while places hold others.
TEST(Lockouts, ManyAddressesTakeNoMoreRoomAndSetNobodyFree) {
    Lockout lockout(terms);
    for (int i = 0; i < 3; ++i) lockout.note_failure(ip("192.0.2.1"), 100);
    for (uint32_t n = 0; n < 100'000; ++n) EXPECT_FALSE(lockout.note_failure(numbered(n), 101));
    EXPECT_EQ(lockout.left_s(ip("192.0.2.1"), 101), 29u);
}

TEST(Lockouts, SeveralShardsAtOnce) {
    Lockout lockout({.failures = 4000, .window_s = 10, .time_s = 30});
    std::atomic<int> locked = 0;
    std::vector<std::thread> shards;
    for (int shard = 0; shard < 4; ++shard)
        shards.emplace_back([&lockout, &locked] {
            for (uint32_t n = 0; n < 1000; ++n) {
                locked += lockout.note_failure(ip("192.0.2.1"), 7) ? 1 : 0;
                lockout.note_failure(numbered(n % 8), 7);
            }
        });
    for (std::thread& shard : shards) shard.join();
    EXPECT_EQ(locked, 1) << "each failure counts once, and one of them is the last";
    EXPECT_EQ(lockout.left_s(ip("192.0.2.1"), 7), 30u);
}

TEST(Lockouts, NoneIsNone) {
    Lockout lockout({.failures = 0});
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(lockout.note_failure(ip("192.0.2.1"), 1));
    EXPECT_EQ(lockout.left_s(ip("192.0.2.1"), 1), 0u);
}

}  // namespace
}  // namespace loom::tenant
