// What is told of the certificates that Loom shows: their ends, the warnings before, their renewals.
#include "shown_certificates.h"

#include <gtest/gtest.h>

#include <string>

namespace loom::app {
namespace {

constexpr int64_t day_s = 86'400;
constexpr int64_t now_s = 1'800'000'000;

ShownCertificate shown(std::string owner, std::string path, int64_t ends_s, uint8_t bytes = 1) {
    ShownCertificate one{.owner = std::move(owner), .path = std::move(path)};
    one.facts = {.subject = "CN=a", .issuer = "CN=ca", .ends_s = ends_s, .ends_text = "a day"};
    one.digest.fill(bytes);
    return one;
}

TEST(ShownCertificates, AreWarnedOfInTheirLastTwoWeeksAndAfter) {
    ShownCertificates certificates;
    certificates.set({shown("listener.https", "/a.crt", now_s)});
    const auto said_at = [&](int64_t time_s) {
        const auto lines = certificates.warnings(time_s);
        EXPECT_LE(lines.size(), 1u);
        return lines.empty() ? "" : lines.front();
    };
    EXPECT_EQ(said_at(now_s - 14 * day_s), "");
    const std::string whose = "listener.https.tls.certificate: /a.crt (subject \"CN=a\", issuer \"CN=ca\"): ";
    EXPECT_EQ(said_at(now_s - 14 * day_s + 1), whose + "expires on a day, in 13 days; remedy: renew it");
    EXPECT_EQ(said_at(now_s - 2 * day_s + 1), whose + "expires on a day, in 1 day; remedy: renew it");
    EXPECT_EQ(said_at(now_s - 1), whose + "expires on a day, in 0 days; remedy: renew it");
    EXPECT_EQ(said_at(now_s + 1), whose + "expired on a day; remedy: renew it");
}

TEST(ShownCertificates, CountAsRenewedWhereOtherBytesTookTheirPlace) {
    ShownCertificates certificates;
    const auto count_after = [&](std::vector<ShownCertificate> next) {
        certificates.set(std::move(next));
        return certificates.renewal_count();
    };
    const auto https = shown("listener.https", "/a.crt", now_s), own = shown("provider.p", "/own.crt", now_s);
    EXPECT_EQ(count_after({https, own}), 0u) << "the first of all";
    EXPECT_EQ(count_after({https, own}), 0u) << "a reload";
    EXPECT_EQ(count_after({https, own, shown("listener.https", "/b.crt", now_s)}), 0u) << "a new one is no renewal";
    EXPECT_EQ(count_after({shown("listener.https", "/a.crt", now_s + 1, 2), own}), 1u);
    EXPECT_EQ(count_after({shown("listener.https", "/a.crt", now_s + 1, 2), shown("provider.p", "/own.crt", 2, 2)}),
              2u);
    EXPECT_EQ(count_after({}), 2u);
    EXPECT_FALSE(certificates.any());
}

TEST(ShownCertificates, AreBoundedInNumberAndNameTheSoonestFirst) {
    ShownCertificates certificates;
    std::vector<ShownCertificate> many;
    for (int64_t i = 0; i < 200; ++i) many.push_back(shown("listener.https", "/" + std::to_string(i), 1000 - i));
    const std::string deep(500, 'd');
    many.push_back(shown("listener.https", "/x/" + deep, 3));
    many.push_back(shown("listener.https", "/y/" + deep, 2));  // the same label once it is cut
    many.push_back(shown("provider.p", "/y/" + deep, 1));
    certificates.set(many);
    const auto ends = certificates.ends();
    ASSERT_EQ(ends.size(), observe::certificates_max);
    EXPECT_EQ(ends[0].owner, "provider.p");
    EXPECT_EQ(ends[0].certificate.size(), observe::certificate_label_max);
    EXPECT_EQ(ends[0].certificate.substr(0, 4), "...d");
    EXPECT_EQ(ends[1].owner, "listener.https");
    EXPECT_EQ(ends[1].ends_s, 2);
    EXPECT_EQ(ends[2].certificate, "/199");
    EXPECT_EQ(ends[2].ends_s, 801);
}

}  // namespace
}  // namespace loom::app
