#include "support.h"

namespace loom::http::test {
namespace {

/// One scan over `bytes` arriving in pieces of `step`.
Result<size_t> scan_in_steps(std::string_view bytes, size_t step, Side side = Side::downstream) {
    HeadScan scan(side);
    for (size_t length = step; length < bytes.size(); length += step) {
        const Exact so_far(bytes.substr(0, length));
        const auto end = scan.end_of(so_far.view());
        if (!end || *end != 0) return end;
    }
    return scan.end_of(bytes);
}

TEST(HeadScan, FindsTheEndHoweverTheHeadIsCut) {
    for (size_t filler = 0; filler < 200; ++filler) {
        const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(filler, 'x') + "\r\n\r\n";
        const std::string bytes = head + "body \n\r\0\r\n\r\n"s;
        for (size_t step : {1, 2, 3, 7, 63, 64, 65, 1000}) {
            const auto end = scan_in_steps(bytes, step);
            ASSERT_TRUE(end) << filler << " in steps of " << step;
            EXPECT_EQ(*end, head.size()) << filler << " in steps of " << step;
        }
    }
}

TEST(HeadScan, GivesTheSameForEveryCutInTwo) {
    const std::string head =
        "POST /v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX-Long: " + std::string(90, 'y') + "\r\n\r\n";
    for (size_t cut = 0; cut <= head.size(); ++cut) {
        HeadScan scan;
        const auto first = scan.end_of(Exact(std::string_view(head).substr(0, cut)).view());
        ASSERT_TRUE(first);
        if (cut < head.size()) {
            EXPECT_EQ(*first, 0u) << cut;
            const auto whole = scan.end_of(head);
            ASSERT_TRUE(whole) << cut;
            EXPECT_EQ(*whole, head.size()) << cut;
        } else {
            EXPECT_EQ(*first, head.size());
        }
    }
}

TEST(HeadScan, FlagsBrokenLineEndsWhereverTheyStand) {
    for (size_t filler = 0; filler < 140; ++filler) {
        for (std::string_view fault : {"\n"sv, "\rx"sv, "\0"sv, "\r\r\n"sv}) {
            const std::string bytes =
                "GET / HTTP/1.1\r\nX: " + std::string(filler, 'x') + std::string(fault) + "\r\n\r\n";
            for (size_t step : {1, 64, 1000}) {
                const auto end = scan_in_steps(bytes, step);
                EXPECT_FALSE(end) << filler << " in steps of " << step;
            }
        }
    }
}

TEST(HeadScan, DoesNotJudgeTheBody) {
    const auto end = scan_in_steps("GET / HTTP/1.1\r\n\r\n\n\n\r\r\0"sv, 1000);
    ASSERT_TRUE(end);
    EXPECT_EQ(*end, 18u);
}

TEST(HeadScan, TellsTlsFromOtherGarbage) {
    HeadScan scan;
    const auto tls = scan.end_of("\x16\x03\x01\x02"sv);
    ASSERT_FALSE(tls);
    EXPECT_NE(std::string_view(tls.error().what).find("TLS"), std::string_view::npos);
    scan.reset();
    const auto garbage = scan.end_of("\xff\xfe"sv);
    ASSERT_FALSE(garbage);
    EXPECT_EQ(std::string_view(garbage.error().what).find("TLS"), std::string_view::npos);

    HeadScan answer(Side::upstream);
    const auto alert = answer.end_of("\x15\x03\x01"sv);
    ASSERT_FALSE(alert);
    EXPECT_EQ(alert.error().side, Side::upstream);
    EXPECT_NE(std::string_view(alert.error().what).find("https://"), std::string_view::npos);
}

TEST(HeadScan, StartsAgainAfterReset) {
    HeadScan scan;
    ASSERT_TRUE(scan.end_of("GET / HTTP/1.1\r\n"sv));
    scan.reset();
    EXPECT_EQ(*scan.end_of("GET / HTTP/1.1\r\n\r\n"sv), 18u);
}

TEST(HeadScan, TakesAnEmptyLineInFrontAsPartOfTheHead) {
    HeadScan scan;
    EXPECT_EQ(*scan.end_of("\r\n"sv), 0u);
    EXPECT_EQ(*scan.end_of("\r\nGET / HTTP/1.1\r\n\r\n"sv), 20u);
}

}  // namespace
}  // namespace loom::http::test
