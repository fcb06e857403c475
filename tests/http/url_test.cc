#include "loom/http/url.h"

#include "support.h"

namespace loom::http::test {
namespace {

TEST(Url, IsTakenApart) {
    const auto url = parse_url("https://api.openai.com/v1");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->scheme, Scheme::https);
    EXPECT_EQ(url->host, "api.openai.com");
    EXPECT_EQ(url->authority, "api.openai.com");
    EXPECT_EQ(url->port, 443);
    EXPECT_EQ(url->path, "/v1");
    EXPECT_FALSE(url->ipv6);
}

TEST(Url, TakesPortsAndAddresses) {
    const auto url = parse_url("HTTP://[::1]:8080/");
    ASSERT_TRUE(url);
    EXPECT_EQ(url->host, "::1");
    EXPECT_EQ(url->authority, "[::1]:8080");
    EXPECT_EQ(url->port, 8080);
    EXPECT_EQ(url->path, "") << "no slash at the end";
    EXPECT_TRUE(url->ipv6);
    EXPECT_EQ(parse_url("http://10.0.0.1:9")->port, 9);
    EXPECT_EQ(parse_url("http://a:")->port, 80);
    EXPECT_EQ(parse_url("http://[::1]")->port, 80);
    EXPECT_EQ(parse_url("http://a/b%20c//")->path, "/b%20c");
}

TEST(Url, IsRefusedWithAReason) {
    for (std::string_view text : {"",
                                  "api.openai.com",
                                  "ftp://a",
                                  "unix:/run/x",
                                  "http://",
                                  "http:///v1",
                                  "http://u:p@a/",
                                  "http://a?b",
                                  "http://a#b",
                                  "http://a/b?c",
                                  "http://a/b#c",
                                  "http://a/b c",
                                  "http://a/\xc3\xa4",
                                  "http://a/%",
                                  "http://a/%2",
                                  "http://a/%zz",
                                  "http://a:0/",
                                  "http://a:65536",
                                  "http://a:x",
                                  "http://[::1",
                                  "http://a b",
                                  "http://a/b\\c",
                                  "http://a/\r\nx",
                                  "http://a,b"}) {
        const auto url = parse_url(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code, Errc::bad_conf);
        EXPECT_STRNE(url.error().what, "");
    }
}

TEST(JoinPath, PutsOneSlashBetween) {
    const auto joined = [](std::string_view base, std::string_view rest) {
        char out[32];
        return std::string(out, join_path(base, rest, out));
    };
    EXPECT_EQ(joined("/v1", "/chat"), "/v1/chat");
    EXPECT_EQ(joined("/v1/", "chat"), "/v1/chat");
    EXPECT_EQ(joined("", "/chat?x=1"), "/chat?x=1");
    EXPECT_EQ(joined("/v1", ""), "/v1");
    EXPECT_EQ(joined("", ""), "/");
    EXPECT_EQ(joined("/a-path-that-is-too-long-for-the-buffer", "/b"), "");
}

}  // namespace
}  // namespace loom::http::test
