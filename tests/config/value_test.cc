#include "loom/config/value.h"

#include <gtest/gtest.h>

namespace loom::config {
namespace {

constexpr int64_t second = 1'000'000;

TEST(Duration, UnitsDownToMicroseconds) {
    EXPECT_EQ(parse_duration("250us").value(), 250);
    EXPECT_EQ(parse_duration("50ms").value(), 50'000);
    EXPECT_EQ(parse_duration("30s").value(), 30 * second);
    EXPECT_EQ(parse_duration("5m").value(), 300 * second);
    EXPECT_EQ(parse_duration("1h").value(), 3600 * second);
    EXPECT_EQ(parse_duration("30d").value(), 30 * 86'400 * second);
    EXPECT_EQ(parse_duration("1.5s").value(), 1'500'000);
    EXPECT_EQ(parse_duration("0").value(), 0);
}

TEST(Duration, NeedsAUnitAndNoSign) {
    for (const auto* text : {"", "5", "s", "-1s", "+1s", "1 s", "1s2", "1S", "1e3s", "0x1s", "1.2.3s", ".5s", "nan",
                             "infs", "99999999999d"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(Size, DecimalAndBinaryUnits) {
    EXPECT_EQ(parse_size("512").value(), 512);
    EXPECT_EQ(parse_size("0").value(), 0);
    EXPECT_EQ(parse_size("1KB").value(), 1000);
    EXPECT_EQ(parse_size("1MB").value(), 1'000'000);
    EXPECT_EQ(parse_size("1GB").value(), 1'000'000'000);
    EXPECT_EQ(parse_size("64KiB").value(), 65'536);
    EXPECT_EQ(parse_size("1.5MiB").value(), 1'572'864);
    EXPECT_EQ(parse_size("2GiB").value(), 2'147'483'648);
    for (const auto* text : {"", "K", "64 KiB", "64kib", "-1", "1e3", "99999999TiB"})
        EXPECT_FALSE(parse_size(text)) << text;
}

TEST(Share, AsANumberOrAPercentage) {
    EXPECT_DOUBLE_EQ(parse_share("0.95").value(), 0.95);
    EXPECT_DOUBLE_EQ(parse_share("95%").value(), 0.95);
    EXPECT_DOUBLE_EQ(parse_share("0").value(), 0);
    EXPECT_DOUBLE_EQ(parse_share("100%").value(), 1);
    for (const auto* text : {"", "%", "1.01", "101%", "-1%", "a", "0.5 %"}) EXPECT_FALSE(parse_share(text)) << text;
}

TEST(Address, EveryForm) {
    EXPECT_EQ(parse_address(":8080")->kind, Address::Kind::any);
    EXPECT_EQ(parse_address(":8080")->port, 8080);
    EXPECT_EQ(parse_address("127.0.0.1:0")->host, "127.0.0.1");
    EXPECT_EQ(parse_address("[::1]:8080")->host, "::1");
    EXPECT_EQ(parse_address("unix:/run/loom.sock")->host, "/run/loom.sock");
    EXPECT_EQ(parse_address("unix:@loom")->host, "@loom");
    for (const auto* text : {"", "8080", "localhost:80", "1.2.3:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536",
                             "1.2.3.4:-1", "::1:80", "[::1]", "[::1]80", "[x]:80", "unix:", "unix:x", ":80x"}) {
        EXPECT_FALSE(parse_address(text)) << text;
    }
    EXPECT_EQ(parse_address("unix:/" + std::string(107, 'x')).error(), "expected a socket path of at most 107 bytes");
}

TEST(Address, LocalIsWhatOthersCannotReach) {
    for (const auto* text : {"127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/x"}) {
        EXPECT_TRUE(parse_address(text)->is_local()) << text;
    }
    for (const auto* text : {":1", "0.0.0.0:1", "10.0.0.1:1", "[::]:1", "[::ffff:10.0.0.1]:1", "[fe80::1]:1"}) {
        EXPECT_FALSE(parse_address(text)->is_local()) << text;
    }
}

TEST(Boolean, SixWords) {
    const KeyRow row{.pattern = "x", .type = KeyType::boolean};
    for (const auto* text : {"on", "true", "yes"})
        EXPECT_EQ(parse_value(row, text, Quoting::bare, text)->number, 1) << text;
    for (const auto* text : {"off", "false", "no"})
        EXPECT_EQ(parse_value(row, text, Quoting::bare, text)->number, 0) << text;
    for (const auto* text : {"", "On", "1", "0"}) EXPECT_FALSE(parse_value(row, text, Quoting::bare, text)) << text;
}

TEST(Number, MayBeAWordWhereTheRowSaysSo) {
    const KeyRow row{.pattern = "x", .type = KeyType::integer, .choices = "auto", .range = "1..4"};
    EXPECT_EQ(parse_value(row, "auto", Quoting::bare, "auto")->number, 0);
    EXPECT_EQ(parse_value(row, "auto", Quoting::bare, "auto")->text, "auto");
    EXPECT_EQ(parse_value(row, "4", Quoting::bare, "4")->number, 4);
    EXPECT_FALSE(parse_value(row, "0", Quoting::bare, "0"));
    EXPECT_FALSE(parse_value(row, "often", Quoting::bare, "often"));
}

TEST(SameValue, ComparesWhatIsMeant) {
    const auto value = [](KeyType type, const char* text) {
        return parse_value(KeyRow{.pattern = "x", .type = type}, text, Quoting::bare, text).value();
    };
    EXPECT_TRUE(same_value(KeyType::duration, value(KeyType::duration, "1s"), value(KeyType::duration, "1000ms")));
    EXPECT_TRUE(same_value(KeyType::duration, value(KeyType::duration, "0"), value(KeyType::duration, "0ms")));
    EXPECT_TRUE(same_value(KeyType::boolean, value(KeyType::boolean, "on"), value(KeyType::boolean, "yes")));
    EXPECT_TRUE(same_value(KeyType::list, value(KeyType::list, "a, b"), value(KeyType::list, "[a,b]")));
    EXPECT_FALSE(same_value(KeyType::text, value(KeyType::text, "1s"), value(KeyType::text, "1000ms")));
}

}  // namespace
}  // namespace loom::config
