#include "loom/base/ip.h"

#include <gtest/gtest.h>

namespace loom {
namespace {

IpBytes at(const char* text) { return parse_ip(text).value(); }

TEST(Ip, Parse) {
    EXPECT_TRUE(is_ipv4(at("127.0.0.1")));
    EXPECT_EQ(at("::ffff:127.0.0.1"), at("127.0.0.1"));
    EXPECT_EQ(at("[::1]"), at("::1"));
    EXPECT_FALSE(is_ipv4(at("::1")));
    for (const char* text : {"", "1.2.3", "1.2.3.4.5", "::1%eth0", "localhost", "1.2.3.4:80", "[::1", "256.1.1.1"})
        EXPECT_FALSE(parse_ip(text)) << text;
    EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
}

TEST(IpNetwork, ContainsByItsPrefix) {
    const auto ten = IpNetwork::parse("10.0.0.0/8");
    ASSERT_TRUE(ten);
    EXPECT_TRUE(ten->contains(at("10.255.0.1")));
    EXPECT_TRUE(ten->contains(at("::ffff:10.255.0.1")));
    EXPECT_FALSE(ten->contains(at("11.0.0.1")));
    EXPECT_TRUE(IpNetwork::parse("192.168.4.0/22")->contains(at("192.168.7.255")));
    EXPECT_FALSE(IpNetwork::parse("192.168.4.0/22")->contains(at("192.168.8.0")));
    EXPECT_FALSE(IpNetwork::parse("0.0.0.0/0")->contains(at("2001:db8::1")));
    EXPECT_FALSE(IpNetwork::parse("::/0")->contains(at("8.8.8.8")));
    EXPECT_EQ(*IpNetwork::parse("::ffff:10.0.0.0/104"), *ten);
    EXPECT_EQ(ten->to_string(), "10.0.0.0/8");
    EXPECT_EQ(IpNetwork::parse("fd00::/8")->to_string(), "fd00::/8");
}

TEST(IpNetwork, RefusesSlips) {
    for (const char* text : {"", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1",
                             "x/8", "::ffff:10.0.0.0/95"})
        EXPECT_FALSE(IpNetwork::parse(text)) << text;
}

}  // namespace
}  // namespace loom
