// Requests that two parsers read differently. Each is refused, and the reason names the fault.
#include "support.h"

namespace loom::http::test {
namespace {

struct Case {
    std::string_view fields;  // between a good request line with a good Host, and the empty line
    std::string_view what;    // a part of the reason
};

class Smuggling : public ::testing::TestWithParam<Case> {};

TEST_P(Smuggling, IsRefusedWithItsReason) {
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(GetParam().fields) + "\r\n";
    const Error error = request_error(head);
    EXPECT_EQ(error.code, Errc::bad_message);
    EXPECT_EQ(error.side, Side::downstream);
    EXPECT_NE(std::string_view(error.what).find(GetParam().what), std::string_view::npos)
        << head << "\nwas refused for: " << error.what;
}

const Case lengths[] = {
    {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "both Transfer-Encoding and Content-Length"},
    {"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "both Transfer-Encoding and Content-Length"},
    {"transfer-encoding: x\r\ncontent-length: 0\r\n", "both Transfer-Encoding and Content-Length"},
    {"Content-Length: 5\r\nContent-Length: 6\r\n", "two Content-Length"},
    {"Content-Length: 5\r\ncontent-length: 5\r\n", "two Content-Length"},
    {"Content-Length: 5, 5\r\n", "malformed Content-Length"},
    {"Content-Length: \r\n", "malformed Content-Length"},
    {"Content-Length: +5\r\n", "malformed Content-Length"},
    {"Content-Length: -5\r\n", "malformed Content-Length"},
    {"Content-Length: 0x5\r\n", "malformed Content-Length"},
    {"Content-Length: 5a\r\n", "malformed Content-Length"},
    {"Content-Length: 5 5\r\n", "malformed Content-Length"},
    {"Content-Length: 5;\r\n", "malformed Content-Length"},
    {"Content-Length: \"5\"\r\n", "malformed Content-Length"},
    {"Content-Length: 9223372036854775808\r\n", "malformed Content-Length"},
    {"Content-Length: 18446744073709551621\r\n", "malformed Content-Length"},
    {"Content-Length: 99999999999999999999999999\r\n", "malformed Content-Length"},
    {"Content-Length: \xb2\r\n", "malformed Content-Length"},
};
const Case encodings[] = {
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "two Transfer-Encoding"},
    {"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "two Transfer-Encoding"},
    {"Transfer-Encoding: identity\r\n", "other than"},
    {"Transfer-Encoding: gzip, chunked\r\n", "other than"},
    {"Transfer-Encoding: chunked, chunked\r\n", "other than"},
    {"Transfer-Encoding: chunked, gzip\r\n", "other than"},
    {"Transfer-Encoding: xchunked\r\n", "other than"},
    {"Transfer-Encoding: chunked;q=1\r\n", "other than"},
    {"Transfer-Encoding: \"chunked\"\r\n", "other than"},
    {"Transfer-Encoding: chunke\r\n", "other than"},
    {"Transfer-Encoding:\r\n", "other than"},
    {"Transfer-Encoding: ,chunked\r\n", "other than"},
    {"Transfer-Encoding: \x0b"
     "chunked\r\n",
     "control character"},
    {"Transfer-Encoding: chunked\x00\r\n"sv, "NUL"},
};
const Case lines[] = {
    {"Transfer-Encoding : chunked\r\n", "white space before the colon"},
    {"Transfer-Encoding\t: chunked\r\n", "white space before the colon"},
    {"X: a\r\n Transfer-Encoding: chunked\r\n", "folded"},
    {"X: a\r\n\tb\r\n", "folded"},
    {" X: a\r\n", "folded"},
    {"X: a\nTransfer-Encoding: chunked\r\n", "bare LF"},
    {"X: a\n\r\n", "bare LF"},
    {"X: a\rTransfer-Encoding: chunked\r\n", "bare CR"},
    {"X: a\r\r\n", "bare CR"},
    {"\rX: a\r\n", "bare CR"},
    {"\nX: a\r\n", "bare LF"},
    {"X\r\n", "without a colon"},
    {"X\n: a\r\n", "bare LF"},
    {": a\r\n", "without a name"},
    {"X: a\0b\r\n"sv, "NUL"},
    {"X\0: a\r\n"sv, "NUL"},
    {"X\x80: a\r\n", "header name"},
    {"X(): a\r\n", "header name"},
    {"X[]: a\r\n", "header name"},
    {"Content Length: 5\r\n", "white space before the colon"},
    {"\"Content-Length\": 5\r\n", "header name"},
    {"X: \x7f\r\n", "control character"},
    {"X: \x1b[31m\r\n", "control character"},
    {"X: \x08\r\n", "control character"},
};
const Case hosts[] = {
    {"Host: a\r\n", "two Host"},
    {"host: b\r\n", "two Host"},
};

INSTANTIATE_TEST_SUITE_P(Lengths, Smuggling, ::testing::ValuesIn(lengths));
INSTANTIATE_TEST_SUITE_P(Encodings, Smuggling, ::testing::ValuesIn(encodings));
INSTANTIATE_TEST_SUITE_P(Lines, Smuggling, ::testing::ValuesIn(lines));
INSTANTIATE_TEST_SUITE_P(Hosts, Smuggling, ::testing::ValuesIn(hosts));

TEST(Smuggling, StartsInTheRequestLineToo) {
    const std::string_view rest = "Host: a\r\n\r\n";
    for (std::string_view line : {
             "GET / HTTP/1.1\n"sv,
             "GET / HTTP/1.1\r\r\n"sv,
             "GET /\r\n"sv,
             "GET  / HTTP/1.1\r\n"sv,
             "GET /  HTTP/1.1\r\n"sv,
             "GET\t/ HTTP/1.1\r\n"sv,
             "GET / a HTTP/1.1\r\n"sv,
             " GET / HTTP/1.1\r\n"sv,
             "\nGET / HTTP/1.1\r\n"sv,
             "GET /\0 HTTP/1.1\r\n"sv,
             "GET /a\tb HTTP/1.1\r\n"sv,
             "G@T / HTTP/1.1\r\n"sv,
             "GET / HTTP/1.1\r\n \r\n"sv,
             "GET / HTTP/1.1 \r\n"sv,
             "GET /\rX HTTP/1.1\r\n"sv,
             "GET / HTTP/1.1\0\r\n"sv,
             " / HTTP/1.1\r\n"sv,
         }) {
        EXPECT_EQ(request_error(std::string(line) + std::string(rest)).code, Errc::bad_message) << line;
    }
}

TEST(Smuggling, NeedsExactlyOneHostInOneOne) {
    EXPECT_STREQ(request_error("GET / HTTP/1.1\r\n\r\n").what, "no Host header");
    EXPECT_EQ(request_error("GET http://a/ HTTP/1.1\r\n\r\n").code, Errc::bad_message)
        << "the target does not replace it";
    EXPECT_EQ(request_error("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n").code, Errc::bad_message);
}

TEST(Smuggling, RefusesTransferEncodingInOneZero) {
    EXPECT_EQ(request_error("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n").code, Errc::bad_message);
}

}  // namespace
}  // namespace loom::http::test
