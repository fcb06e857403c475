#include <set>

#include "support.h"

namespace loom::http::test {
namespace {

TEST(HeaderNames, ResolveInEveryCaseToThemselvesAlone) {
    std::set<std::string> seen;
    for (size_t i = 1; i < static_cast<size_t>(HeaderId::count_); ++i) {
        const auto id = static_cast<HeaderId>(i);
        std::string name(header_name(id));
        EXPECT_TRUE(seen.insert(name).second) << name << " is there twice";
        EXPECT_EQ(header_id(name), id) << name;
        for (char& c : name) c = static_cast<char>(std::toupper(c));
        EXPECT_EQ(header_id(name), id) << name;
        EXPECT_EQ(header_id(name + "s"), HeaderId::other) << name;
        EXPECT_EQ(header_id(std::string_view(name).substr(1)) == id, false) << name;
    }
}

TEST(HeaderNames, AreNotMistakenWhenOneByteDiffers) {
    for (size_t i = 1; i < static_cast<size_t>(HeaderId::count_); ++i) {
        const std::string name(header_name(static_cast<HeaderId>(i)));
        for (size_t at = 0; at < name.size(); ++at) {
            for (char c : "!#$%&'*+.^_`|~0q"sv) {
                std::string other = name;
                other[at] = c;
                if (other != name) {
                    EXPECT_NE(header_id(other), static_cast<HeaderId>(i)) << other;
                }
            }
        }
    }
}

TEST(HeaderNames, OfOtherHeadersAreOther) {
    for (std::string_view name :
         {"", "x", "x-custom", "hosts", "content-lengt", "a-name-that-is-longer-than-any-known-one"})
        EXPECT_EQ(header_id(name), HeaderId::other) << name;
}

TEST(HopByHop, AreThoseOfTheRfcAndTheNominated) {
    for (std::string_view name : {"Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
                                  "Proxy-Connection", "Proxy-Authorization", "Proxy-Authenticate"})
        EXPECT_TRUE(is_hop_by_hop(Header{name, "", header_id(name), false})) << name;
    EXPECT_FALSE(is_hop_by_hop(Header{"X-Foo", "", HeaderId::other, false}));
    EXPECT_TRUE(is_hop_by_hop(Header{"X-Foo", "", HeaderId::other, true}));
}

TEST(ListHasToken, LooksAtWholeMembers) {
    EXPECT_TRUE(list_has_token("gzip, No-Store ,x", "no-store"));
    EXPECT_FALSE(list_has_token("no-storex", "no-store"));
    EXPECT_FALSE(list_has_token("", "no-store"));
}

}  // namespace
}  // namespace loom::http::test
