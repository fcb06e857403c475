#include "support.h"

namespace loom::http::test {
namespace {

constexpr std::string_view chat =
    "POST /v1/chat/completions?trace=1 HTTP/1.1\r\n"
    "Host: api.example.com:8080\r\n"
    "User-Agent: OpenAI/JS 4.0\r\n"
    "authorization: Bearer sk-123\r\n"
    "CONTENT-TYPE:\t application/json \t\r\n"
    "Content-Length: 42\r\n"
    "X-Empty:\r\n"
    "\r\n";

TEST(RequestHead, SaysWhatTheRequestLineSays) {
    const RequestHead head = request(chat);
    EXPECT_EQ(head.method, Method::post);
    EXPECT_EQ(head.method_text, "POST");
    EXPECT_EQ(head.target, "/v1/chat/completions?trace=1");
    EXPECT_EQ(head.path, "/v1/chat/completions");
    EXPECT_EQ(head.query, "trace=1");
    EXPECT_EQ(head.host, "api.example.com:8080");
    EXPECT_EQ(head.minor_version, 1);
    EXPECT_EQ(head.head_bytes, chat.size());
}

TEST(RequestHead, TrimsValuesAndKeepsTheirCase) {
    const RequestHead head = request(chat);
    ASSERT_EQ(head.headers().size(), 6u);
    EXPECT_EQ(head.value_of(HeaderId::authorization), "Bearer sk-123");
    EXPECT_EQ(head.value_of(HeaderId::content_type), "application/json");
    EXPECT_EQ(head.find("x-EMPTY")->value, "");
    EXPECT_EQ(head.find("x-absent"), nullptr);
    EXPECT_EQ(head.find(HeaderId::cookie), nullptr);
}

TEST(RequestHead, PointsIntoTheBytesGiven) {
    RequestHead head;
    ASSERT_TRUE(parse_request_head(chat, head));
    for (const Header& header : head.headers()) {
        EXPECT_GE(header.name.data(), chat.data());
        EXPECT_LE(header.value.data() + header.value.size(), chat.data() + chat.size());
    }
}

TEST(RequestHead, LeavesWhatIsBehindTheEmptyLine) {
    const std::string with_body = std::string(chat) + "\0\n\r{\"model\""s;
    EXPECT_EQ(request(with_body).head_bytes, chat.size());
}

TEST(RequestHead, CanBeParsedIntoTheSameValueAgain) {
    RequestHead head;
    ASSERT_TRUE(parse_request_head(chat, head));
    ASSERT_TRUE(parse_request_head("GET / HTTP/1.0\r\n\r\n", head));
    EXPECT_EQ(head.headers().size(), 0u);
    EXPECT_EQ(head.find(HeaderId::content_length), nullptr);
    EXPECT_EQ(head.query, "");
    EXPECT_EQ(head.host, "");
    EXPECT_EQ(head.framing, BodyFraming::none);
}

TEST(RequestHead, KnowsItsMethods) {
    for (Method method : {Method::get, Method::head, Method::post, Method::put, Method::patch, Method::delete_,
                          Method::options, Method::trace}) {
        const std::string text(method_name(method));
        EXPECT_EQ(request(text + " / HTTP/1.1\r\nHost: a\r\n\r\n").method, method) << text;
        EXPECT_EQ(request(text + "X / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::other);
    }
    EXPECT_EQ(request("get / HTTP/1.1\r\nHost: a\r\n\r\n").method, Method::other) << "methods are case-sensitive";
}

TEST(RequestHead, ToleratesOneEmptyLineInFront) {
    EXPECT_EQ(request("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").head_bytes, 29u);
    EXPECT_EQ(request_error("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").code, Errc::bad_message);
}

TEST(RequestHead, SplitsAnAbsoluteTarget) {
    const RequestHead head = request("GET http://one.example:81/a/b?c=/?d HTTP/1.1\r\nHost: two\r\n\r\n");
    EXPECT_EQ(head.host, "one.example:81") << "the target's authority goes before Host (RFC 9112, 3.2.2)";
    EXPECT_EQ(head.path, "/a/b");
    EXPECT_EQ(head.query, "c=/?d");
}

TEST(RequestHead, GivesAnAbsoluteTargetWithoutPathTheRoot) {
    EXPECT_EQ(request("GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n").path, "/");
    const RequestHead head = request("GET http://a?q/r HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(head.path, "/");
    EXPECT_EQ(head.query, "q/r");
    EXPECT_EQ(head.host, "a");
}

TEST(RequestHead, RefusesTargetsThatAreNeitherPathNorUrl) {
    for (std::string_view target : {"v1/models", "http://", "http:///x", "http://user@host/", "http://a b/", "ftp://a/",
                                    "http://[::1/", "http://a:99999/", "*x", "/a#b", "/\x80", "/\x7f", "a:80"}) {
        const std::string head = "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
        EXPECT_EQ(request_error(head).code, Errc::bad_message) << target;
    }
}

TEST(RequestHead, TakesTheAsteriskWithOptionsAlone) {
    EXPECT_EQ(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path, "*");
    EXPECT_EQ(request_error("GET * HTTP/1.1\r\nHost: a\r\n\r\n").code, Errc::bad_message);
}

TEST(RequestHead, RefusesConnectAndSaysItWasConnect) {
    RequestHead head;
    const auto parsed = parse_request_head("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", head);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::unsupported);
    EXPECT_EQ(head.method, Method::connect);
}

TEST(RequestHead, SpeaksTwoVersions) {
    EXPECT_EQ(request("GET / HTTP/1.0\r\n\r\n").minor_version, 0);
    for (std::string_view version : {"HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/3.0", "HTTP/1.9"}) {
        const std::string head = "GET / " + std::string(version) + "\r\nHost: a\r\n\r\n";
        EXPECT_EQ(request_error(head).code, Errc::unsupported) << version;
    }
    for (std::string_view version :
         {"HTTP/1.", "HTTP/11", "http/1.1", "HTTP/1.1 ", "HTTP/1.10", "HTTP/+1.1", "HTTPS/1.1"}) {
        const std::string head = "GET / " + std::string(version) + "\r\nHost: a\r\n\r\n";
        EXPECT_EQ(request_error(head).code, Errc::bad_message) << version;
    }
    EXPECT_EQ(request_error("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").code, Errc::unsupported) << "the preface of HTTP/2";
}

TEST(RequestHead, KeepsTheConnectionAsItsVersionAndConnectionSay) {
    const auto keeps = [](std::string_view version, std::string_view headers) {
        return request("GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(headers) + "\r\n").keep_alive;
    };
    EXPECT_TRUE(keeps("HTTP/1.1", ""));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive, Close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", ""));
    EXPECT_TRUE(keeps("HTTP/1.0", "Connection: Keep-Alive\r\n"));
    EXPECT_FALSE(keeps("HTTP/1.0", "Connection: keep-alive, close\r\n"));
}

TEST(RequestHead, FlagsWhatConnectionNominates) {
    const RequestHead head = request(
        "GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nCookie: c\r\nX-Other: 2\r\nx-secret: 3\r\n"
        "Connection: x-SECRET , cookie,,\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    for (const Header& header : head.headers()) {
        const bool named = equal_ignoring_case(header.name, "x-secret") || header.id == HeaderId::cookie ||
                           header.id == HeaderId::upgrade;
        EXPECT_EQ(header.named_in_connection, named) << header.name;
    }
    EXPECT_TRUE(head.upgrade);
}

TEST(RequestHead, DoesNotLetConnectionNominateFramingOrHost) {
    const RequestHead head =
        request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: host, content-length\r\n\r\n");
    EXPECT_FALSE(head.find(HeaderId::host)->named_in_connection);
    EXPECT_FALSE(head.find(HeaderId::content_length)->named_in_connection);
}

TEST(RequestHead, BoundsTheOptionsOfConnection) {
    std::string options = "Connection: a";
    for (int i = 1; i < 32; ++i) options += ",a";
    EXPECT_TRUE(request("GET / HTTP/1.1\r\nHost: a\r\n" + options + "\r\n\r\n").keep_alive);
    EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\n" + options + ",a\r\n\r\n").code, Errc::bad_message);
    EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: a\r\nConnection: a b\r\n\r\n").code, Errc::bad_message);
}

TEST(RequestHead, UpgradesOnlyWhenBothHeadersSaySoInOneOne) {
    EXPECT_FALSE(request("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n").upgrade);
    EXPECT_FALSE(request("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n").upgrade);
    EXPECT_FALSE(request("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").upgrade);
}

TEST(RequestHead, ExpectsContinueInOneOneAlone) {
    EXPECT_TRUE(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n").expect_continue);
    EXPECT_FALSE(request("PUT / HTTP/1.1\r\nHost: a\r\nExpect: coffee\r\n\r\n").expect_continue);
    EXPECT_FALSE(request("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
}

TEST(RequestHead, FramesTheBody) {
    const RequestHead length = request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
    EXPECT_EQ(length.framing, BodyFraming::length);
    EXPECT_EQ(length.content_length, 9223372036854775807u);
    EXPECT_EQ(request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n").framing,
              BodyFraming::chunked);
    EXPECT_EQ(request("POST / HTTP/1.1\r\nHost: a\r\n\r\n").framing, BodyFraming::none) << "never until close";
    EXPECT_EQ(request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").framing, BodyFraming::length);
}

TEST(RequestHead, TakesHostsAsTheyAreWritten) {
    for (std::string_view host :
         {"a", "a.b-c_d~e", "127.0.0.1:80", "[::1]", "[::ffff:1.2.3.4]:8080", "a:", "a:65535"}) {
        EXPECT_EQ(request("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").host, host);
    }
    for (std::string_view host : {"", "a b", "a,b", "a/b", "u@a", "a:b", "a:65536", "a:-1", "[::1", "::1", "[]",
                                  "[g::1]", "[::1]x", "a?b", "a#b", "a\\b", "a%00", "\xc3\xa4"}) {
        EXPECT_EQ(request_error("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n").code, Errc::bad_message)
            << host;
    }
}

TEST(RequestHead, HoldsHeadersUpToItsLimit) {
    std::string head = "GET / HTTP/1.1\r\nHost: a\r\n";
    for (size_t i = 1; i < headers_max; ++i) head += "x-" + std::to_string(i) + ": y\r\n";
    const RequestHead full = request(head + "\r\n");
    EXPECT_EQ(full.headers().size(), headers_max);
    EXPECT_EQ(full.find("x-95")->value, "y");
    EXPECT_EQ(request_error(head + "one: more\r\n\r\n").code, Errc::head_too_large);
}

TEST(RequestHead, IsIncompleteAtEveryShorterLength) {
    for (size_t length = 0; length < chat.size(); ++length) {
        EXPECT_EQ(request_error(chat.substr(0, length)).code, Errc::bad_message) << length;
    }
}

TEST(RequestHead, CopiesItsListWithoutItsEmptyPlaces) {
    const RequestHead head = request(chat);
    const RequestHead copy = head;
    ASSERT_EQ(copy.headers().size(), head.headers().size());
    EXPECT_EQ(copy.value_of(HeaderId::content_length), "42");
}

}  // namespace
}  // namespace loom::http::test
