// Who may become a WebSocket, and whose answer is believed. RFC 6455, 4.
#include "loom/http/websocket_handshake.h"

#include "support.h"

namespace loom::http::test {
namespace {

constexpr std::string_view sample_key = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view sample_accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

std::string upgrade_lines() {
    return "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " +
           std::string(sample_key) + "\r\n";
}
RequestHead asking(std::string_view lines, std::string_view line = "GET /v1/realtime HTTP/1.1") {
    return request(std::string(line) + "\r\nHost: a\r\n" + std::string(lines) + "\r\n");
}
std::string without(std::string lines, std::string_view name) {
    const size_t at = lines.find(name);
    return lines.erase(at, lines.find("\r\n", at) + 2 - at);
}

TEST(WebSocketHandshake, TheSampleOfTheStandard) {
    const auto accept = websocket_accept(sample_key);
    EXPECT_EQ(std::string_view(accept.data(), accept.size()), sample_accept);
    const std::array<uint8_t, 16> random = {'t', 'h', 'e', ' ', 's', 'a', 'm', 'p',
                                            'l', 'e', ' ', 'n', 'o', 'n', 'c', 'e'};
    const auto key = websocket_key(random);
    EXPECT_EQ(std::string_view(key.data(), key.size()), sample_key);
}

TEST(WebSocketHandshake, ARequestThatFollowsTheRulesIsTaken) {
    for (const std::string& lines :
         {upgrade_lines(),
          "upgrade: h2c, WebSocket\r\nCONNECTION: upgrade\r\n" +
              without(without(upgrade_lines(), "Upgrade"), "Connection"),
          upgrade_lines() + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
          upgrade_lines() + "Content-Length: 0\r\n"}) {
        const auto key = check_upgrade_request(asking(lines));
        ASSERT_TRUE(key) << lines << key.error().what;
        EXPECT_EQ(*key, sample_key);
    }
}

TEST(WebSocketHandshake, EachFaultOfARequestIsNamed) {
    const std::string good = upgrade_lines();
    const auto expect_fault = [](const RequestHead& head, std::string_view part, Errc code = Errc::bad_message) {
        const auto checked = check_upgrade_request(head);
        ASSERT_FALSE(checked) << part;
        EXPECT_EQ(checked.error().code, code) << part;
        EXPECT_EQ(checked.error().side, Side::downstream);
        EXPECT_NE(std::string_view(checked.error().what).find(part), std::string_view::npos) << checked.error().what;
    };
    expect_fault(asking(good, "POST /v1/realtime HTTP/1.1"), "GET");
    expect_fault(asking(good, "GET /v1/realtime HTTP/1.0"), "HTTP/1.1");
    expect_fault(asking(without(good, "Upgrade")), "Upgrade: websocket");
    expect_fault(asking(without(good, "Connection")), "Connection: Upgrade");
    expect_fault(asking(without(good, "Sec-WebSocket-Version")), "Version");
    expect_fault(asking(good + "Sec-WebSocket-Version: 13\r\n"), "Version");
    expect_fault(asking(without(good, "Sec-WebSocket-Version") + "Sec-WebSocket-Version: 8\r\n"), "13",
                 Errc::unsupported);
    expect_fault(asking(good + "Content-Length: 1\r\n"), "body");
    expect_fault(asking(good + "Transfer-Encoding: chunked\r\n"), "body");
    expect_fault(asking(without(good, "Sec-WebSocket-Key")), "Key");
    expect_fault(asking(good + "Sec-WebSocket-Key: " + std::string(sample_key) + "\r\n"), "Key");
    for (const std::string_view key :
         {"", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZ===", "dGhlIHNhbXBsZSBub25jZR==",
          "dGhlIHNhbXBsZSBub25j-Q==", "dGhlIHNhbXBsZSBub25jZQ==AAAA"})
        expect_fault(asking(without(good, "Sec-WebSocket-Key") + "Sec-WebSocket-Key: " + std::string(key) + "\r\n"),
                     "Key");
}

TEST(WebSocketHandshake, WhoAsksIsKnownBeforeItIsJudged) {
    EXPECT_TRUE(asks_for_websocket(asking(upgrade_lines())));
    EXPECT_TRUE(asks_for_websocket(asking("Sec-WebSocket-Key: x\r\n"))) << "it is told what is missing";
    EXPECT_FALSE(asks_for_websocket(asking("")));
    EXPECT_FALSE(asks_for_websocket(asking("Connection: upgrade\r\nUpgrade: h2c\r\n")));
}

std::string answer_lines() {
    return "upgrade: WebSocket\r\nconnection: Upgrade\r\nsec-websocket-accept: " + std::string(sample_accept) + "\r\n";
}
ResponseHead answering(std::string_view lines) {
    return response("HTTP/1.1 101 Switching Protocols\r\n" + std::string(lines) + "\r\n");
}

TEST(WebSocketHandshake, AnAnswerThatFollowsTheRulesIsBelieved) {
    const auto plain = check_upgrade_answer(answering(answer_lines()), sample_accept, "");
    ASSERT_TRUE(plain) << plain.error().what;
    EXPECT_EQ(*plain, "");
    const auto chosen = check_upgrade_answer(answering(answer_lines() + "Sec-WebSocket-Protocol: realtime\r\n"),
                                             sample_accept, "a, realtime");
    ASSERT_TRUE(chosen) << chosen.error().what;
    EXPECT_EQ(*chosen, "realtime");
}

TEST(WebSocketHandshake, EachFaultOfAnAnswerIsNamed) {
    const std::string good = answer_lines();
    const auto expect_fault = [](const std::string& lines, std::string_view part, std::string_view offered = "") {
        const auto checked = check_upgrade_answer(answering(lines), sample_accept, offered);
        ASSERT_FALSE(checked) << lines;
        EXPECT_EQ(checked.error().side, Side::upstream);
        EXPECT_NE(std::string_view(checked.error().what).find(part), std::string_view::npos) << checked.error().what;
    };
    expect_fault(without(good, "upgrade"), "websocket");
    expect_fault(without(good, "connection"), "Connection");
    expect_fault(without(good, "sec-websocket-accept"), "Accept");
    expect_fault(good + "Sec-WebSocket-Accept: " + std::string(sample_accept) + "\r\n", "Accept");
    expect_fault(without(good, "sec-websocket-accept") + "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOO=\r\n",
                 "Accept");
    expect_fault(good + "sec-websocket-extensions: permessage-deflate\r\n", "extension");
    expect_fault(good + "sec-websocket-protocol: realtime\r\n", "subprotocol");
    expect_fault(good + "sec-websocket-protocol: Realtime\r\n", "subprotocol", "realtime");
    expect_fault(good + "sec-websocket-protocol: a\r\nsec-websocket-protocol: a\r\n", "subprotocol", "a");
}

}  // namespace
}  // namespace loom::http::test
