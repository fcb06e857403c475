// Requests whose bodies are compressed: read as if they had been sent plain, within the same bounds, or refused.
#include <fmt/format.h>

#include <thread>

#include "protocols.h"

namespace loom::wire {
namespace {

using namespace std::string_literals;

std::string little_endian(uint64_t value, size_t bytes) {
    std::string out;
    for (size_t i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
    return out;
}

/// RFC 1950 around stored blocks.
std::string deflated(std::string_view text) {
    uint32_t low = 1, high = 0;
    for (const char c : text) {
        low = (low + static_cast<uint8_t>(c)) % 65521;
        high = (high + low) % 65521;
    }
    const std::string size = little_endian(text.size(), 2);
    const std::string not_size = little_endian(~text.size() & 0xffff, 2);
    std::string check;
    for (const uint32_t half : {high, low}) check += {static_cast<char>(half >> 8), static_cast<char>(half & 0xff)};
    return "\x78\x01\x01"s + size + not_size + std::string(text) + check;
}

/// RFC 8878: blocks as they are, and such of one byte that is repeated.
class ZstdFrame {
  public:
    explicit ZstdFrame(char window = 0x38) : bytes_("\x28\xB5\x2F\xFD\x00"s + window) {}  // 128 KiB
    ZstdFrame& raw(std::string_view text) { return block(0, text.size(), text); }
    ZstdFrame& repeated(char byte, size_t count) { return block(1, count, {&byte, 1}); }
    [[nodiscard]] std::string end() const { return bytes_ + "\x01\x00\x00"s; }
    [[nodiscard]] const std::string& unfinished() const { return bytes_; }

  private:
    ZstdFrame& block(uint64_t type, size_t size, std::string_view content) {
        bytes_ += little_endian(type << 1 | size << 3, 3);
        bytes_ += content;
        return *this;
    }
    std::string bytes_;
};

std::string zstd(std::string_view text) { return ZstdFrame().raw(text.substr(0, 20)).raw(text.substr(20)).end(); }

std::string coded_request(std::string_view coding, std::string_view bytes, std::string_view more = "") {
    return chat_request(bytes, fmt::format("Content-Encoding: {}\r\n{}", coding, more));
}

/// In chunks of so many bytes.
std::string chunked_request(std::string_view coding, std::string_view bytes, size_t step) {
    std::string body;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size()))) body += chunk(bytes.substr(0, step));
    return request("POST", "/v1/chat/completions",
                   auth_header() + fmt::format("content-type: application/json\r\ncontent-encoding: {}\r\n", coding) +
                       "transfer-encoding: chunked\r\n") +
           body + std::string(last_chunk);
}

struct Coded {
    const char* name;
    std::string bytes;
};
std::vector<Coded> codings() {
    return {{"gzip", gzipped(chat_body)},
            {"X-Gzip", gzipped(chat_body.substr(0, 30)) + gzipped("") + gzipped(chat_body.substr(30))},
            {"deflate", deflated(chat_body)},
            {"zstd", zstd(chat_body)},
            {"identity", chat_body}};
}

class CodedBody : public WireTest {};

TEST_F(CodedBody, IsReadAsIfItHadBeenSentPlainHoweverItIsCut) {
    start(answer_with([](const Message& asked) { return answer(asked.body); }));
    RawClient one = client();
    for (const auto& [name, bytes] : codings()) {
        for (const std::string& framed : {coded_request(name, bytes), chunked_request(name, bytes, 7)}) {
            const size_t head_bytes = framed.find("\r\n\r\n");
            for (size_t cut = head_bytes; cut <= framed.size(); ++cut) {
                one.send_cut_at(framed, cut);
                ASSERT_EQ(one.read_response().body, chat_body) << name << ", cut at " << cut;
            }
        }
    }
    for (size_t i = 0; i < upstream().request_count(); ++i) {
        const Message asked = upstream().request(i);
        ASSERT_FALSE(asked.head.has("Content-Encoding"));
        ASSERT_EQ(asked.head.value("Content-Length"), std::to_string(chat_body.size()));
    }
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

TEST_F(CodedBody, IsTranslatedToo) {
    conf.set("provider.mock.type", "anthropic").set("provider.mock.models", "big");
    start(answer_always(answer(provider_protocol("anthropic").answer)));
    const std::string body = R"({"model":"big","messages":[{"role":"user","content":"hi"}]})";
    EXPECT_EQ(json_text(ask(coded_request("zstd", zstd(body))).body, "content"), "Hello world");
    EXPECT_TRUE(contains(upstream().request(0).body, "\"hi\""));
    EXPECT_FALSE(upstream().request(0).head.has("Content-Encoding"));
}

TEST_F(CodedBody, RequestsBehindItKeepTheirPlace) {
    start(answer_with([](const Message& asked) { return answer(asked.body); }));
    const auto body = [](int n) { return fmt::format(R"({{"model":"gpt-4o","n":{},"messages":[]}})", n); };
    RawClient one = client();
    one.send(coded_request("zstd", zstd(body(1))) + chat_request(body(2)) +
             chunked_request("gzip", gzipped(body(3)), 5) + chat_request(body(4)));
    for (int n = 1; n <= 4; ++n) EXPECT_EQ(one.read_response().body, body(n));
}

TEST_F(CodedBody, InAnUnknownCodingGets415AndWhatIsTaken) {
    start(answer_always(answer(chat_answer)));
    const std::string bytes = gzipped(gzipped(chat_body));
    for (const std::string& asked :
         {coded_request("br", bytes), coded_request("gzip, gzip", bytes), coded_request("gzip;q=1", bytes),
          coded_request("gzip", bytes, "Content-Encoding: gzip\r\n"),
          coded_request("identity", bytes, "Content-Encoding: gzip\r\n")}) {
        const Message response = ask(asked);
        expect_error(response, 415, "unsupported_media_type");
        EXPECT_EQ(response.head.value("Accept-Encoding"), "gzip, deflate, zstd");
        EXPECT_TRUE(contains(response.body, "gzip, deflate and zstd")) << response.body;
    }
    EXPECT_EQ(upstream().request_count(), 0u);
}

TEST_F(CodedBody, ThatIsBrokenOrCutShortGets400AndThePlace) {
    start(answer_always(answer(chat_answer)));
    for (const auto& [name, bytes] : codings()) {
        if (name == "identity"s) continue;
        const Message cut = ask(coded_request(name, bytes.substr(0, bytes.size() - 3)));
        expect_error(cut, 400, "invalid_request");
        EXPECT_TRUE(contains(cut.body, fmt::format("at byte {} of the compressed body", bytes.size() - 3))) << cut.body;
        expect_error(ask(chunked_request(name, bytes.substr(0, bytes.size() - 3), 9)), 400);
        const Message behind = ask(coded_request(name, bytes + "x"));
        expect_error(behind, 400, "invalid_request");
        EXPECT_TRUE(contains(behind.body, fmt::format("at byte {}", bytes.size()))) << behind.body;
        const Message plain = ask(coded_request(name, chat_body));
        expect_error(plain, 400, "invalid_request");
        EXPECT_TRUE(contains(plain.body, "at byte ")) << plain.body;
        expect_error(ask(coded_request(name, "")), 400);
    }
    EXPECT_EQ(upstream().request_count(), 0u);
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

constexpr size_t limit_bytes = 256 * 1024;

/// A request that is so many bytes long when decoded.
std::string spaced(size_t bytes) {
    ZstdFrame frame;
    const std::string_view front = std::string_view(chat_body).substr(0, 1);
    const std::string_view rest = std::string_view(chat_body).substr(1);
    frame.raw(front);
    for (size_t left = bytes - chat_body.size(); left > 0;) {
        const size_t run = std::min<size_t>(left, 128 * 1024);
        frame.repeated(' ', run);
        left -= run;
    }
    return frame.raw(rest).end();
}

TEST_F(CodedBody, CountsWhatItIsWhenDecoded) {
    conf.set("limit.body_size", std::to_string(limit_bytes));
    start(answer_with([](const Message& asked) { return answer(std::to_string(asked.body.size())); }));
    for (size_t bytes : {limit_bytes - 1, limit_bytes})
        EXPECT_EQ(ask(coded_request("zstd", spaced(bytes))).body, std::to_string(bytes));
    const std::string bomb = spaced(1000 * limit_bytes);
    ASSERT_LT(bomb.size(), 20'000u);
    for (const std::string& body : {spaced(limit_bytes + 1), bomb}) {
        expect_error(ask(coded_request("zstd", body)), 413, "request_too_large");
        expect_error(ask(chunked_request("zstd", body, 11)), 413, "request_too_large");
    }
    std::string endless;  // members that hold nothing
    while (endless.size() <= limit_bytes) endless += gzipped("");
    expect_error(ask(chunked_request("gzip", endless, 10'000)), 413, "request_too_large");
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

TEST_F(CodedBody, ThatExpandsBeyondReasonIsRefusedWithinItsLimitToo) {
    start(answer_always(answer(chat_answer)));
    const Message response = ask(coded_request("zstd", spaced(8 << 20)));
    expect_error(response, 413, "request_too_large");
    EXPECT_TRUE(contains(response.body, "expands beyond reason")) << response.body;
}

/// Others are served between its turns, and what comes behind it while it is decoded is not lost.
TEST_F(CodedBody, AsLargeAsItMayBeIsDecodedInTurns) {
    start(answer_with([](const Message& asked) { return answer(std::to_string(asked.body.size())); }));
    constexpr size_t plain_bytes = 12 << 20;
    ZstdFrame frame;
    frame.raw(chat_body.substr(0, 1));
    const size_t spaces = plain_bytes - chat_body.size();
    for (size_t i = 0; i < spaces / 700; ++i) frame.repeated(' ', 700);
    const std::string bytes = frame.repeated(' ', spaces % 700).raw(chat_body.substr(1)).end();
    ASSERT_LT(bytes.size(), 100'000u);
    for (int turn = 0; turn < 3; ++turn) {
        RawClient one = client();
        one.send(coded_request("zstd", bytes) + chat_request(chat_body));
        EXPECT_EQ(ask(chat_request(chat_body)).body, std::to_string(chat_body.size()));
        EXPECT_EQ(one.read_response().body, std::to_string(plain_bytes));
        EXPECT_EQ(one.read_response().body, std::to_string(chat_body.size()));
    }
    EXPECT_EQ(ask(chunked_request("zstd", bytes, 1'000)).body, std::to_string(plain_bytes));
}

/// Decoders are counted among the bodies: who finds no room for one waits for its turn.
TEST_F(CodedBody, WaitsForRoomForItsDecoder) {
    constexpr size_t budget_bytes = 1 << 20;
    constexpr size_t decoder_bytes_max = 10 << 20;
    constexpr size_t client_count = 6;
    conf.set("limit.bodies_in_memory", std::to_string(budget_bytes)).set("limit.body_size", "1MiB");
    start(answer_always(answer(chat_answer)));
    const std::string wide = ZstdFrame(0x68).raw(chat_body).unfinished();  // 8 MiB
    const std::string end = "\x01\x00\x00"s;
    const std::string asked = coded_request("zstd", wide + end);
    std::vector<RawClient> clients;
    for (size_t i = 0; i < client_count; ++i) {
        clients.push_back(client());
        clients.back().send(asked.substr(0, asked.size() - end.size()));
    }
    wait_until("the others to wait", [&] { return loom().metric("loom_bodies_waited_total") == client_count - 1; });
    EXPECT_LE(loom().metric("loom_body_memory_bytes"), budget_bytes + decoder_bytes_max);
    for (RawClient& one : clients) one.send(end);
    for (RawClient& one : clients) EXPECT_EQ(one.read_response().body, chat_answer);
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

TEST_F(CodedBody, WhoLeavesWhileItIsDecodedLeavesNothingBehind) {
    conf.set("limit.bodies_in_memory", "1MiB");
    start(answer_always(answer(chat_answer)));
    const std::string asked = coded_request("zstd", ZstdFrame(0x68).raw(chat_body).end());
    for (size_t cut = asked.size() - 40; cut < asked.size(); cut += 3) {
        RawClient one = client(), waiting = client();
        one.send(asked.substr(0, cut));
        waiting.send(asked);
        one.close();
        EXPECT_EQ(waiting.read_response().body, chat_answer);
    }
    wait_until("all to have come home", [&] { return loom().metric_sum("loom_exchanges_live") == 0; });
    EXPECT_EQ(loom().eventually("loom_body_memory_bytes"), 0);
}

TEST_F(CodedBody, ThatIsRelayedUnreadKeepsItsCoding) {
    conf.set("route.ai.passthrough", "audio");
    start(answer_always(answer("{}")));
    const std::string bytes = gzipped("a file");
    EXPECT_EQ(
        ask(request("POST", "/v1/audio/translations", auth_header() + "Content-Encoding: gzip\r\n", bytes)).status(),
        200);
    EXPECT_EQ(upstream().request(0).body, bytes);
    EXPECT_EQ(upstream().request(0).head.value("Content-Encoding"), "gzip");
}

}  // namespace
}  // namespace loom::wire
