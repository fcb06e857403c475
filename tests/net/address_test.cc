#include "loom/net/address.h"

#include <gtest/gtest.h>
#include <sys/un.h>

namespace loom::net {
namespace {

Address at(std::string_view text) {
    const auto address = Address::parse(text);
    EXPECT_TRUE(address.has_value()) << text << ": " << address.error().what;
    return address.value_or(Address());
}

TEST(Address, SpellingsGoThereAndBack) {
    for (const char* text :
         {"127.0.0.1:8080", "[::1]:8080", "[2001:db8::7]:443", "unix:/run/loom.sock", "unix:@loom"}) {
        EXPECT_EQ(at(text).to_string(), text);
    }
    EXPECT_EQ(at(":8080").to_string(), "[::]:8080");
    EXPECT_EQ(Address().to_string(), "-");
}

TEST(Address, KnowsFamilyPortAndReach) {
    EXPECT_EQ(at("127.9.0.1:80").family(), AF_INET);
    EXPECT_EQ(at("[::1]:80").port(), 80);
    for (const char* text : {"127.9.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "unix:/x"}) {
        EXPECT_TRUE(at(text).is_loopback()) << text;
    }
    for (const char* text : {":80", "10.0.0.1:80", "[2001:db8::1]:80", "0.0.0.0:80"}) {
        EXPECT_FALSE(at(text).is_loopback()) << text;
    }
    EXPECT_TRUE(at(":80").is_wildcard());
    EXPECT_TRUE(at("0.0.0.0:80").is_wildcard());
    EXPECT_FALSE(at("127.0.0.1:80").is_wildcard());
    EXPECT_FALSE(at("unix:/x").is_wildcard());
}

TEST(Address, RefusesWhatIsNotOne) {
    for (const char* text : {"",
                             ":",
                             "8080",
                             "127.0.0.1",
                             "127.0.0.1:",
                             "127.0.0.1:0",
                             "127.0.0.1:65536",
                             "1.2.3:80",
                             "::1:80",
                             "[::1]",
                             "[::1:80",
                             "[::1]80",
                             "localhost:80",
                             "127.0.0.1:80x",
                             "127.0.0.1: 80",
                             "unix:",
                             "127.0.0.1:-1",
                             "[::1%nosuchif]:80",
                             "01.2.3.4:80",
                             "[]:80"}) {
        const auto address = Address::parse(text);
        ASSERT_FALSE(address.has_value()) << text;
        EXPECT_EQ(address.error().code, Errc::bad_conf) << text;
    }
    EXPECT_FALSE(Address::parse("unix:/" + std::string(107, 'x')).has_value());
    EXPECT_TRUE(Address::parse("unix:/" + std::string(106, 'x')).has_value());
    EXPECT_EQ(Address::parse("10.0.0.1", 443)->port(), 443);
    EXPECT_EQ(Address::parse("[::1]", 443)->port(), 443);
}

TEST(Address, EqualMeansSamePlace) {
    EXPECT_EQ(at("127.0.0.1:80"), at("127.0.0.1:80"));
    EXPECT_NE(at("127.0.0.1:80"), at("127.0.0.1:81"));
    EXPECT_NE(at("127.0.0.1:80"), at("[::ffff:127.0.0.1]:80"));
    EXPECT_EQ(at("unix:@a"), at("unix:@a"));
    EXPECT_NE(at("unix:@a"), at("unix:/a"));
    EXPECT_EQ(Address(), Address());
}

TEST(Address, TakesWhatTheKernelFillsIn) {
    sockaddr_un unnamed{};
    unnamed.sun_family = AF_UNIX;  // what accept gives for a client that did not bind
    const Address peer = Address::from_sockaddr(reinterpret_cast<sockaddr*>(&unnamed), sizeof(sa_family_t));
    EXPECT_TRUE(peer.is_unix());
    EXPECT_EQ(peer.to_string(), "unix:");

    const Address whole = at("127.0.0.1:80");
    EXPECT_EQ(Address::from_sockaddr(whole.get(), whole.length()), whole);
    EXPECT_TRUE(Address::from_sockaddr(whole.get(), 3).empty()) << "cut short";
    EXPECT_TRUE(Address::from_sockaddr(nullptr, 0).empty());
}

TEST(Address, IpStringIsWhatALogShows) {
    EXPECT_EQ(at("[::ffff:10.1.2.3]:80").ip_string(), "10.1.2.3");
    EXPECT_EQ(at("[::1]:80").ip_string(), "::1");
    EXPECT_EQ(at("unix:/x").ip_string(), "unix");
    EXPECT_EQ(Address().ip_string(), "-");
}

TEST(PeerAddress, OneClientIsOneKeyWhicheverListenerItCameThrough) {
    EXPECT_EQ(PeerAddress::from(at("[::ffff:10.1.2.3]:80")), PeerAddress::from(at("10.1.2.3:80")));
    for (const char* text : {"10.1.2.3:80", "[2001:db8::7]:443"}) {
        EXPECT_EQ(PeerAddress::from(at(text)).to_address(), at(text));
    }
    EXPECT_TRUE(PeerAddress::from(at("unix:/x")).to_address().is_unix());
    EXPECT_TRUE(PeerAddress().to_address().empty());
}

TEST(HostPort, CutsNamesToo) {
    EXPECT_EQ(split_host_port("redis:6379")->host, "redis");
    EXPECT_EQ(split_host_port("api.example.com", 443)->port, 443);
    EXPECT_EQ(split_host_port("[::1]:80")->host, "::1");
    EXPECT_EQ(split_host_port(":80")->host, "");
    EXPECT_FALSE(split_host_port("redis").has_value());
    EXPECT_FALSE(split_host_port("::1:80").has_value());
}

TEST(Network, Contains) {
    const auto ten = Network::parse("10.0.0.0/8");
    ASSERT_TRUE(ten.has_value());
    EXPECT_TRUE(ten->contains(at("10.255.0.1:1")));
    EXPECT_TRUE(ten->contains(at("[::ffff:10.255.0.1]:1")));
    EXPECT_FALSE(ten->contains(at("11.0.0.1:1")));
    EXPECT_FALSE(ten->contains(at("unix:/x")));
    EXPECT_FALSE(ten->contains(Address()));
    EXPECT_TRUE(Network::parse("192.168.4.0/22")->contains(at("192.168.7.255:1")));
    EXPECT_FALSE(Network::parse("192.168.4.0/22")->contains(at("192.168.8.0:1")));
    EXPECT_TRUE(Network::parse("fd00::/8")->contains(at("[fdff::1]:1")));
    EXPECT_TRUE(Network::parse("::1")->contains(at("[::1]:1")));
    EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(at("8.8.8.8:1")));
    EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(at("[2001:db8::1]:1")));
    EXPECT_FALSE(Network::parse("::/0")->contains(at("8.8.8.8:1")));
    EXPECT_EQ(*Network::parse("::ffff:10.0.0.0/104"), *ten);
}

TEST(Network, SpellingsAndRefusals) {
    for (const char* text : {"10.0.0.0/8", "fd00::/8", "0.0.0.0/0", "::/0", "127.0.0.1/32"}) {
        EXPECT_EQ(Network::parse(text)->to_string(), text);
    }
    EXPECT_EQ(Network::parse("10.1.2.3")->to_string(), "10.1.2.3/32");
    for (const char* text : {"", "10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/-1",
                             "x/8", "::ffff:10.0.0.0/95"}) {
        EXPECT_FALSE(Network::parse(text).has_value()) << text;
    }
}

}  // namespace
}  // namespace loom::net
