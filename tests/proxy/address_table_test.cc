// The count of connections by address: against a plain map, and what it takes for one address.
#include "address_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace loom::proxy {
namespace {

net::PeerAddress peer(const std::string& ip, uint16_t port = 1) {
    const std::string text =
        ip.find(':') == std::string::npos ? fmt::format("{}:{}", ip, port) : fmt::format("[{}]:{}", ip, port);
    return net::PeerAddress::from(net::Address::parse(text).value());
}

TEST(AddressTable, OneAddressHasItsShareAndOthersHaveTheirs) {
    AddressTable table;
    EXPECT_TRUE(table.take(peer("192.0.2.1"), 2));
    EXPECT_TRUE(table.take(peer("192.0.2.1"), 2));
    EXPECT_FALSE(table.take(peer("192.0.2.1"), 2));
    EXPECT_EQ(table.count_of(peer("192.0.2.1")), 2u) << "what was refused is not counted";
    EXPECT_TRUE(table.take(peer("192.0.2.2"), 2));
    table.give_back(peer("192.0.2.1"));
    EXPECT_TRUE(table.take(peer("192.0.2.1"), 2));
    EXPECT_EQ(table.address_count(), 2u);
}

TEST(AddressTable, ALowerLimitAfterAReloadRefusesUntilEnoughHaveLeft) {
    AddressTable table;
    for (int count = 0; count < 5; ++count) EXPECT_TRUE(table.take(peer("192.0.2.1"), 5));
    EXPECT_FALSE(table.take(peer("192.0.2.1"), 2));
    for (int count = 0; count < 4; ++count) table.give_back(peer("192.0.2.1"));
    EXPECT_TRUE(table.take(peer("192.0.2.1"), 2));
}

TEST(AddressTable, PortsAreNoAddresses) {
    AddressTable table;
    EXPECT_TRUE(table.take(peer("192.0.2.1", 1000), 1));
    EXPECT_FALSE(table.take(peer("192.0.2.1", 2000), 1));
}

TEST(AddressTable, OfIPv6TheNetworkOf64BitsCounts) {
    AddressTable table;
    EXPECT_TRUE(table.take(peer("2001:db8:1:2::1"), 1));
    EXPECT_FALSE(table.take(peer("2001:db8:1:2:ffff:ffff:ffff:ffff"), 1));
    EXPECT_TRUE(table.take(peer("2001:db8:1:3::1"), 1));
}

TEST(AddressTable, IPv4CountsWholeAlsoWhenMapped) {
    AddressTable table;
    EXPECT_TRUE(table.take(peer("192.0.2.1"), 1));
    EXPECT_FALSE(table.take(peer("::ffff:192.0.2.1"), 1)) << "the same client through a dual-stack listener";
    EXPECT_TRUE(table.take(peer("::ffff:192.0.2.2"), 1)) << "all of IPv4 is one /64 when mapped";
    EXPECT_TRUE(table.take(peer("::1"), 1)) << "and that /64 is another's";
}

/// Small sets of addresses collide and leave gaps in every order; large ones make the table grow.
TEST(AddressTable, CountsAsAMapDoes) {
    for (const uint32_t addresses : {3u, 40u, 5'000u}) {
        std::mt19937 random(20'261'121 + addresses);
        SCOPED_TRACE(fmt::format("{} addresses, seed {}", addresses, 20'261'121 + addresses));
        AddressTable table;
        std::map<uint32_t, uint32_t> counts;
        constexpr uint32_t share = 3;
        for (int turn = 0; turn < 60'000; ++turn) {
            const bool filling = turn / 10'000 % 2 == 0;
            const uint32_t number = random() % addresses;
            const auto one = peer(fmt::format("10.0.{}.{}", number >> 8, number & 255));
            uint32_t& count = counts[number];
            if (random() % 4 < (filling ? 3 : 1)) {
                ASSERT_EQ(table.take(one, share), count < share);
                if (count < share) count += 1;
            } else if (count > 0) {
                table.give_back(one);
                count -= 1;
            }
            ASSERT_EQ(table.count_of(one), count);
            if (count == 0) counts.erase(number);
            ASSERT_EQ(table.address_count(), counts.size());
        }
        for (const auto& [number, count] : counts)
            ASSERT_EQ(table.count_of(peer(fmt::format("10.0.{}.{}", number >> 8, number & 255))), count);
    }
}

TEST(AddressTable, ItsMemoryIsBoundedByTheConnections) {
    EXPECT_LE(AddressTable::memory_bytes_max(60'000), 60'000u * 160);
    for (uint64_t count = 1; count < 200'000; count = count * 3 + 1)
        EXPECT_GE(AddressTable::memory_bytes_max(count), 2 * count * sizeof(net::PeerAddress)) << count;
}

}  // namespace
}  // namespace loom::proxy
