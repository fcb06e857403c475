#include "support.h"

namespace loom::http::test {
namespace {

TEST(ResponseHead, SaysWhatTheStatusLineSays) {
    const ResponseHead head = response("HTTP/1.1 404 Not Found here\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_EQ(head.status, 404);
    EXPECT_EQ(head.reason, "Not Found here");
    EXPECT_EQ(head.minor_version, 1);
    EXPECT_EQ(head.framing, BodyFraming::length);
    EXPECT_EQ(head.content_length, 5u);
    EXPECT_EQ(head.value_of(HeaderId::server), "x");
    EXPECT_TRUE(head.keep_alive);
    EXPECT_EQ(head.head_bytes, 61u);
}

TEST(ResponseHead, NeedsNoReason) {
    EXPECT_EQ(response("HTTP/1.1 200 \r\n\r\n").reason, "");
    EXPECT_EQ(response("HTTP/1.1 200\r\n\r\n").reason, "") << "many servers leave out the space";
    EXPECT_EQ(response("HTTP/1.1 200 d\xc3\xa9j\xc3\xa0 vu\r\n\r\n").reason, "d\xc3\xa9j\xc3\xa0 vu");
}

TEST(ResponseHead, EndsItsBodyAsTheRulesOfMessageLengthSay) {  // RFC 9112, 6.3
    constexpr std::string_view plain = "HTTP/1.1 200 OK\r\n\r\n";
    constexpr std::string_view length = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
    constexpr std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(response(plain).framing, BodyFraming::until_close);
    EXPECT_EQ(response(length).framing, BodyFraming::length);
    EXPECT_EQ(response(chunked).framing, BodyFraming::chunked);
    for (std::string_view head : {plain, length, chunked}) {
        EXPECT_EQ(response(head, Method::head).framing, BodyFraming::none);
    }
    for (std::string_view status : {"100", "103", "204", "304"}) {
        EXPECT_EQ(response("HTTP/1.1 " + std::string(status) + " x\r\n\r\n").framing, BodyFraming::none) << status;
    }
    EXPECT_EQ(response(length, Method::head).content_length, 7u) << "what a GET would have had";
}

TEST(ResponseHead, KeepsTheConnectionOnlyWhereTheEndIsKnown) {
    EXPECT_FALSE(response("HTTP/1.1 200 OK\r\n\r\n").keep_alive);
    EXPECT_FALSE(response("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n").keep_alive);
    EXPECT_TRUE(response("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n").keep_alive);
    EXPECT_FALSE(response("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n").keep_alive);
    EXPECT_TRUE(response("HTTP/1.1 204 No Content\r\n\r\n").keep_alive);
    EXPECT_FALSE(response("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n").keep_alive)
        << "a 204 that announces a body may send one";
    EXPECT_TRUE(response("HTTP/1.1 304 x\r\nContent-Length: 3\r\n\r\n").keep_alive);
}

TEST(ResponseHead, TellsInterimFromFinal) {
    EXPECT_TRUE(response("HTTP/1.1 103 Early Hints\r\n\r\n").is_interim());
    EXPECT_FALSE(response("HTTP/1.1 200 OK\r\n\r\n").is_interim());
}

TEST(ResponseHead, RefusesGarbage) {
    for (std::string_view head : {
             ""sv,
             "HTTP/1.1 099 x\r\n\r\n"sv,
             "HTTP/1.1 600 x\r\n\r\n"sv,
             "HTTP/1.1 -20 x\r\n\r\n"sv,
             "HTTP/1.1 20 x\r\n\r\n"sv,
             "HTTP/1.1 2000 x\r\n\r\n"sv,
             "HTTP/1.1 2x0 x\r\n\r\n"sv,
             "HTTP/1.1  200 x\r\n\r\n"sv,
             "HTTP/1.1 200\tx\r\n\r\n"sv,
             "HTTP/1.1\r\n\r\n"sv,
             "HTTP/1.1 200 a\nb: c\r\n\r\n"sv,
             "HTTP/1.1 200 a\0b\r\n\r\n"sv,
             "http/1.1 200 OK\r\n\r\n"sv,
             "ICY 200 OK\r\n\r\n"sv,
             "\r\nHTTP/1.1 200 OK\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nA\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\n A: b\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nA: b\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"sv,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv,
             "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"sv,
         }) {
        const Error error = response_error(head);
        EXPECT_EQ(error.code, Errc::bad_message) << head;
        EXPECT_EQ(error.side, Side::upstream) << head;
    }
    EXPECT_EQ(response_error("HTTP/2.0 200 OK\r\n\r\n").code, Errc::unsupported);
}

TEST(ResponseHead, IsIncompleteAtEveryShorterLength) {
    constexpr std::string_view head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    for (size_t length = 0; length < head.size(); ++length) {
        EXPECT_EQ(response_error(head.substr(0, length)).code, Errc::bad_message) << length;
    }
}

}  // namespace
}  // namespace loom::http::test
