// Requests whose framing two readers could see differently: refused with 400, the connection closed, and not one byte
// of them reaches an upstream.
#include "fixture.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

struct Attempt {
    const char* name;
    std::string headers;  // behind Host and the key; each line with its own ending
    std::string body;
    std::string request_line = "POST /v1/chat/completions HTTP/1.1\r\n";
    std::string host = "Host: loom.test\r\n";
};

void PrintTo(const Attempt& attempt, std::ostream* out) { *out << attempt.name; }

const std::string smuggled = "GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n";

std::vector<Attempt> attempts() {
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    const std::string good_chunks = "2\r\n{}\r\n0\r\n\r\n";
    return {
        {"ContentLengthAndChunked", "Content-Length: 4\r\n" + chunked, "0\r\n\r\n" + smuggled},
        {"ChunkedAndContentLength", chunked + "Content-Length: 4\r\n", "0\r\n\r\n" + smuggled},
        {"TwoContentLengths", "Content-Length: 2\r\nContent-Length: 40\r\n", "{}"},
        {"TwoEqualContentLengths", "Content-Length: 2\r\nContent-Length: 2\r\n", "{}"},
        {"ContentLengthList", "Content-Length: 2, 40\r\n", "{}"},
        {"NegativeContentLength", "Content-Length: -1\r\n", "{}"},
        {"SignedContentLength", "Content-Length: +2\r\n", "{}"},
        {"HexContentLength", "Content-Length: 0x2\r\n", "{}"},
        {"ContentLengthWithSpaceInside", "Content-Length: 1 0\r\n", "{}"},
        {"EmptyContentLength", "Content-Length: \r\n", "{}"},
        {"OverflowingContentLength", "Content-Length: 18446744073709551618\r\n", "{}"},
        {"FoldedLine", "X-Folded: a\r\n b\r\nContent-Length: 2\r\n", "{}"},
        {"FoldedContentLength", "Content-Length:\r\n 2\r\n", "{}"},
        {"FirstHeaderBeginsWithSpace", "Content-Length: 2\r\n", "{}", "POST /v1/chat/completions HTTP/1.1\r\n",
         " Host: loom.test\r\n"},
        {"BareLineFeedInHead", "X-A: b\nContent-Length: 2\r\n", "{}"},
        {"BareCarriageReturnInHead", "X-A: b\rContent-Length: 2\r\n\r\n", "{}"},
        {"BareLineFeedAfterRequestLine", "Content-Length: 2\r\n", "{}", "POST /v1/chat/completions HTTP/1.1\n"},
        {"SpaceBeforeColon", "Content-Length : 2\r\n", "{}"},
        {"SpaceBeforeColonOfChunked", "Transfer-Encoding : chunked\r\n", good_chunks},
        {"NulInValue", "X-A: b\0c\r\nContent-Length: 2\r\n"s, "{}"},
        {"NulInName", "X-\0A: b\r\nContent-Length: 2\r\n"s, "{}"},
        {"EmptyHeaderName", ": b\r\nContent-Length: 2\r\n", "{}"},
        {"HeaderWithoutColon", "Nonsense\r\nContent-Length: 2\r\n", "{}"},
        {"ChunkedTwice", "Transfer-Encoding: chunked, chunked\r\n", good_chunks},
        {"ChunkedNotLast", "Transfer-Encoding: chunked, identity\r\n", good_chunks},
        {"TwoTransferEncodings", chunked + chunked, good_chunks},
        {"ChunkedWithVerticalTab",
         "Transfer-Encoding: \x0b"
         "chunked\r\n",
         good_chunks},
        {"ChunkedWithQuote", "Transfer-Encoding: \"chunked\"\r\n", good_chunks},
        {"ChunkedOfHttp10", chunked, good_chunks, "POST /v1/chat/completions HTTP/1.0\r\n"},
        {"ChunkSizeEmpty", chunked, "\r\n{}\r\n0\r\n\r\n"},
        {"ChunkSizeSigned", chunked, "+2\r\n{}\r\n0\r\n\r\n"},
        {"ChunkSizeWithPrefix", chunked, "0x2\r\n{}\r\n0\r\n\r\n"},
        {"ChunkSizeOverflows", chunked, "10000000000000002\r\n{}\r\n0\r\n\r\n"},
        {"ChunkSizeWithUnderscore", chunked, "0_2\r\n{}\r\n0\r\n\r\n"},
        {"ChunkSizeLineEndsWithBareLineFeed", chunked, "2\n{}\r\n0\r\n\r\n"},
        {"ChunkDataEndsWithBareLineFeed", chunked, "2\r\n{}\n0\r\n\r\n"},
        {"ChunkLongerThanItsSize", chunked, "2\r\n{}x\r\n0\r\n\r\n"},
        {"ChunkExtensionWithBareCarriageReturn", chunked, "2;a\rb\r\n{}\r\n0\r\n\r\n"},
        {"ChunkExtensionWithBareLineFeed", chunked, "2;a\nb\r\n{}\r\n0\r\n\r\n"},
        {"ChunkExtensionWithoutEnd", chunked, "2;" + std::string(100'000, 'a') + "\r\n{}\r\n0\r\n\r\n"},
        {"TrailerWithSpaceBeforeColon", chunked, "2\r\n{}\r\n0\r\nX : y\r\n\r\n"},
        {"NoHost", "Content-Length: 2\r\n", "{}", "POST /v1/chat/completions HTTP/1.1\r\n", ""},
        {"TwoHosts", "Host: other.test\r\nContent-Length: 2\r\n", "{}"},
        {"HostWithASpace", "Content-Length: 2\r\n", "{}", "POST /v1/chat/completions HTTP/1.1\r\n", "Host: a b\r\n"},
        {"TargetWithAControlByte", "Content-Length: 2\r\n", "{}", "POST /v1/chat\x01/completions HTTP/1.1\r\n"},
        {"TwoSpacesInTheRequestLine", "Content-Length: 2\r\n", "{}", "POST  /v1/chat/completions HTTP/1.1\r\n"},
        {"TabInTheRequestLine", "Content-Length: 2\r\n", "{}", "POST\t/v1/chat/completions HTTP/1.1\r\n"},
        {"LowerCaseVersion", "Content-Length: 2\r\n", "{}", "POST /v1/chat/completions http/1.1\r\n"},
        {"MethodThatIsNoToken", "Content-Length: 2\r\n", "{}", "PO(ST /v1/chat/completions HTTP/1.1\r\n"},
    };
}

class Smuggling : public testing::TestWithParam<Attempt> {
  protected:
    static void SetUpTestSuite() {
        upstream = std::make_unique<ScriptedUpstream>(answer_always(answer(chat_answer)));
        loom = std::make_unique<LoomProcess>(Conf().use_upstream(upstream->port()).text());
    }
    static void TearDownTestSuite() {
        if (loom) EXPECT_NO_THROW(loom->stop_cleanly());
        loom.reset();
        upstream.reset();
    }
    static std::unique_ptr<ScriptedUpstream> upstream;
    static std::unique_ptr<LoomProcess> loom;
};
std::unique_ptr<ScriptedUpstream> Smuggling::upstream;
std::unique_ptr<LoomProcess> Smuggling::loom;

TEST_P(Smuggling, IsRefusedAndTheConnectionClosed) {
    const Attempt& attempt = GetParam();
    const size_t received_before = upstream->received_bytes();
    const std::string bytes =
        attempt.request_line + attempt.host + auth_header() + attempt.headers + "\r\n" + attempt.body;
    for (const bool is_byte_by_byte : {false, true}) {
        if (is_byte_by_byte && bytes.size() > 10'000) continue;
        RawClient client(loom->port());
        for (size_t at = 0; is_byte_by_byte && at < bytes.size(); ++at) {
            if (!client.try_send(bytes.substr(at, 1)) || !client.wait_until_loom_has_read()) break;
        }
        if (!is_byte_by_byte) client.try_send(bytes + smuggled);
        const Message response = client.read_response();
        const bool is_version = std::string_view(attempt.name) == "LowerCaseVersion" && response.status() == 505;
        const bool is_size = std::string_view(attempt.name) == "ChunkExtensionWithoutEnd" && response.status() == 413;
        if (!is_version && !is_size) EXPECT_EQ(response.status(), 400) << response.raw();
        EXPECT_TRUE(same_name(response.head.value("Connection"), "close")) << response.raw();
        EXPECT_NE(client.read_end(), End::open) << "nothing but the end follows";
    }
    EXPECT_EQ(upstream->received_bytes(), received_before);
}

INSTANTIATE_TEST_SUITE_P(Attempts, Smuggling, testing::ValuesIn(attempts()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_F(Smuggling, TheNextClientIsServed) {
    EXPECT_EQ(ask_once(loom->port(), chat_request(chat_body)).body, chat_answer);
}

}  // namespace
}  // namespace loom::wire
