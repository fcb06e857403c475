// Frames of WebSocket: every cut, every first and second byte, every close code, against a reader that is slow and
// plain.
#include "websocket_reference.h"

#include <algorithm>

#include "support.h"

namespace loom::http::test {
namespace {

constexpr uint64_t message_max = 1 << 20;
constexpr MaskKey test_key = {0x37, 0xfa, 0x21, 0x3d};

std::string frame(bool from_client, bool fin, Opcode opcode, std::string payload, MaskKey key = test_key) {
    std::array<char, frame_head_bytes_max> head;
    const size_t head_bytes = write_frame_head(head, fin, opcode, payload.size(), from_client ? &key : nullptr);
    if (from_client) apply_mask(payload, key, 0);
    return std::string(head.data(), head_bytes) + payload;
}

std::string close_payload(uint16_t code, std::string_view reason = "") {
    std::array<char, control_payload_bytes_max> room;
    return {room.data(), write_close_payload(room, code, reason)};
}

Seen read_whole(std::string_view bytes, bool from_client, uint64_t max = message_max) {
    return read_in_pieces(bytes, from_client, max, [](size_t rest) { return rest; });
}

void expect_same(std::string_view bytes, bool from_client, uint64_t max = message_max) {
    const Seen wanted = reference_read(bytes, from_client, max);
    ASSERT_EQ(read_whole(bytes, from_client, max), wanted);
    ASSERT_EQ(read_in_pieces(bytes, from_client, max, [](size_t) { return size_t{1}; }), wanted);
}

/// A session's worth of everything: fragments, controls between them, empty frames, each encoding of a length.
std::string busy_direction(bool c) {
    return frame(c, true, Opcode::text, "{\"type\":\"session.update\"}") +
           frame(c, true, Opcode::ping, "are you there") + frame(c, false, Opcode::text, "gr\xc3") +
           frame(c, true, Opcode::pong, "") + frame(c, false, Opcode::continuation, "") +
           frame(c, false, Opcode::continuation, "\xbc\xc3\x9f \xf0\x9f") +
           frame(c, true, Opcode::ping, std::string(125, 'p')) + frame(c, true, Opcode::continuation, "\x98\x80!") +
           frame(c, true, Opcode::binary, std::string("\x00\xff\x80\xc0", 4)) + frame(c, true, Opcode::text, "") +
           frame(c, true, Opcode::binary, std::string(125, 'b')) +
           frame(c, true, Opcode::binary, std::string(126, 'c')) +
           frame(c, true, Opcode::close, close_payload(1000, "done \xe2\x9c\x93"));
}

TEST(WebSocketFrames, ExamplesOfTheStandard) {  // RFC 6455, 5.7
    const auto only = [](std::string_view bytes, bool from_client) {
        const Seen seen = read_whole(bytes, from_client);
        EXPECT_EQ(seen.fault, 0);
        return seen.frames;
    };
    using Frames = std::vector<SeenFrame>;
    EXPECT_EQ(only("\x81\x05Hello"sv, false), (Frames{{1, true, "Hello", 0}}));
    EXPECT_EQ(only("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv, true), (Frames{{1, true, "Hello", 0}}));
    EXPECT_EQ(only("\x01\x03Hel\x80\x02lo"sv, false), (Frames{{1, false, "Hel", 0}, {0, true, "lo", 0}}));
    EXPECT_EQ(only("\x89\x05Hello"sv, false), (Frames{{9, true, "Hello", 0}}));
    EXPECT_EQ(only("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"sv, true), (Frames{{10, true, "Hello", 0}}));
    EXPECT_EQ(only("\x82\x7e\x01\x00"s + std::string(256, 'x'), false), (Frames{{2, true, std::string(256, 'x'), 0}}));
    EXPECT_EQ(only("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s + std::string(65536, 'x'), false),
              (Frames{{2, true, std::string(65536, 'x'), 0}}));
}

TEST(WebSocketFrames, AreTheSameWhereverTheyAreCut) {
    for (const bool from_client : {true, false}) {
        const std::string bytes = busy_direction(from_client);
        const Seen wanted = reference_read(bytes, from_client, message_max);
        ASSERT_EQ(wanted.fault, 0);
        ASSERT_EQ(wanted.frames.size(), 13U);
        for (size_t first = 0; first <= bytes.size(); ++first) {
            size_t turn = 0;
            const auto cut = [&](size_t rest) { return turn++ == 0 && first > 0 ? first : rest; };
            ASSERT_EQ(read_in_pieces(bytes, from_client, message_max, cut), wanted) << first;
        }
        for (size_t piece = 1; piece < 40; ++piece)
            ASSERT_EQ(read_in_pieces(bytes, from_client, message_max, [&](size_t) { return piece; }), wanted) << piece;
    }
}

TEST(WebSocketFrames, EveryFrontOfASessionIsReadAsFarAsItGoes) {
    for (const bool from_client : {true, false}) {
        const std::string bytes = busy_direction(from_client);
        for (size_t size = 0; size <= bytes.size(); ++size) expect_same(bytes.substr(0, size), from_client);
    }
}

TEST(WebSocketFrames, EveryFirstAndSecondByteIsJudgedAsTheReferenceDoes) {
    const std::string behind = "\x00\x7e\x11\x22\x33\x44\x55\x66"s + std::string(256, 'z');
    for (const bool from_client : {true, false}) {
        for (const bool inside : {false, true}) {  // a message of fragments
            const std::string before = inside ? frame(from_client, false, Opcode::text, "ab") : "";
            for (int first = 0; first < 256; ++first)
                for (int second = 0; second < 256; ++second) {
                    std::string bytes = before;
                    bytes += static_cast<char>(first);
                    bytes += static_cast<char>(second);
                    const Seen wanted = reference_read(bytes + behind, from_client, message_max);
                    ASSERT_EQ(read_whole(bytes + behind, from_client), wanted) << first << " " << second;
                    ASSERT_EQ(read_whole(bytes, from_client), reference_read(bytes, from_client, message_max));
                }
        }
    }
}

TEST(WebSocketFrames, EveryLengthHasOneEncoding) {
    const auto with_length = [](std::string length, size_t payload) {
        return "\x82"s + length + std::string(payload, 'x');
    };
    EXPECT_EQ(read_whole(with_length("\x7e\x00\x7d"s, 125), false).fault, 1002);
    EXPECT_EQ(read_whole(with_length("\x7e\x00\x7e"s, 126), false).frames.size(), 1U);
    EXPECT_EQ(read_whole(with_length("\x7f\x00\x00\x00\x00\x00\x00\xff\xff"s, 65535), false).fault, 1002);
    EXPECT_EQ(read_whole(with_length("\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s, 65536), false).frames.size(), 1U);
    EXPECT_EQ(read_whole(with_length("\x7f\x80\x00\x00\x00\x00\x00\x00\x00"s, 0), false).fault, 1002);
    EXPECT_EQ(read_whole(with_length("\x7f\xff\xff\xff\xff\xff\xff\xff\xff"s, 0), false).fault, 1002);
    for (const size_t bytes : {0UL, 1UL, 125UL, 126UL, 127UL, 65535UL, 65536UL, 65537UL})
        for (const bool from_client : {true, false}) {
            const Seen seen =
                read_whole(frame(from_client, true, Opcode::binary, std::string(bytes, 'x')), from_client);
            ASSERT_EQ(seen.frames.size(), 1U) << bytes;
            EXPECT_EQ(seen.frames[0].payload.size(), bytes);
        }
}

TEST(WebSocketFrames, EveryCloseCode) {
    for (uint32_t code = 0; code <= 0xffff; ++code) {
        const std::string bytes = frame(false, true, Opcode::close, close_payload(static_cast<uint16_t>(code), "why"));
        ASSERT_EQ(read_whole(bytes, false), reference_read(bytes, false, message_max)) << code;
        ASSERT_EQ(is_close_code(static_cast<uint16_t>(code)), reference_close_code(code)) << code;
    }
    EXPECT_EQ(read_whole(frame(true, true, Opcode::close, ""), true).frames[0].close_code, close_code::none);
    EXPECT_EQ(read_whole(frame(true, true, Opcode::close, "\x03"), true).fault, 1002);
    EXPECT_EQ(read_whole(frame(true, true, Opcode::close, close_payload(1000, "\xff")), true).fault, 1007);
    EXPECT_EQ(read_whole(frame(true, true, Opcode::close, close_payload(1000, "half \xe2\x82")), true).fault, 1007);
}

TEST(WebSocketFrames, AMessageBeyondItsBoundIsRefusedAtTheHeadThatSaysSo) {
    const std::string first = frame(true, false, Opcode::text, std::string(60, 'a'));
    EXPECT_EQ(read_whole(first + frame(true, true, Opcode::continuation, std::string(40, 'b')), true, 100).fault, 0);
    EXPECT_EQ(read_whole(first + frame(true, true, Opcode::continuation, std::string(41, 'b')), true, 100).fault, 1009);
    // The bound is of a message, not of a session, and a ping is none.
    EXPECT_EQ(read_whole(first + frame(true, true, Opcode::ping, std::string(99, 'p')) +
                             frame(true, true, Opcode::continuation, "b") + first,
                         true, 100)
                  .fault,
              0);
    const std::string huge = "\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"s;  // a head alone is enough
    EXPECT_EQ(read_whole(huge, false, UINT64_MAX >> 1).fault, 0);
    EXPECT_EQ(read_whole("\x02\x01x\x80\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"s, false, UINT64_MAX >> 1).fault, 1009)
        << "no sum of lengths wraps";
}

TEST(WebSocketFrames, RandomSessionsAgreeWithTheReference) {
    std::mt19937_64 random = seeded();
    const auto below = [&random](uint64_t bound) { return static_cast<size_t>(random() % bound); };
    for (int round = 0; round < 3000; ++round) {
        const bool from_client = below(2) == 0;
        std::string bytes;
        for (size_t frames = below(8); frames > 0; --frames) {
            const Opcode opcodes[] = {Opcode::continuation, Opcode::text, Opcode::binary,
                                      Opcode::close,        Opcode::ping, Opcode::pong};
            const Opcode opcode = opcodes[below(6)];
            std::string payload(below(opcode == Opcode::binary ? 300 : 40), 'u');
            for (char& c : payload)
                if (below(12) == 0) c = static_cast<char>(below(256));
            if (opcode == Opcode::close && below(4) != 0) payload = close_payload(1000, payload.substr(0, 20));
            bytes += frame(from_client, below(3) != 0, opcode, payload,
                           {static_cast<uint8_t>(below(256)), 2, static_cast<uint8_t>(below(256)), 4});
        }
        if (below(3) == 0 && !bytes.empty()) bytes[below(bytes.size())] ^= static_cast<char>(1 << below(8));
        const Seen wanted = reference_read(bytes, from_client, 256);
        ASSERT_EQ(read_in_pieces(bytes, from_client, 256, [&](size_t rest) { return 1 + below(rest); }), wanted);
        ASSERT_EQ(read_whole(bytes, from_client, 256), wanted);
    }
}

// --- the kernels under them

TEST(WebSocketMask, IsTheScalarOneAtEveryOffsetAndLength) {
    const MaskKey key = {0x01, 0x80, 0xfe, 0x5a};
    for (size_t length = 0; length < 80; ++length)
        for (uint64_t offset = 0; offset < 9; ++offset) {
            std::string text(length, '\0');
            for (size_t i = 0; i < length; ++i) text[i] = static_cast<char>(i * 7 + 1);
            std::string wanted = text;
            for (size_t i = 0; i < length; ++i)
                wanted[i] = static_cast<char>(wanted[i] ^ static_cast<char>(key[(offset + i) % 4]));
            Exact guarded(text);
            const std::span<char> bytes(const_cast<char*>(guarded.view().data()), length);
            apply_mask(bytes, key, offset);
            ASSERT_EQ(guarded.view(), wanted) << length << " " << offset;
            apply_mask(bytes, key, offset);
            ASSERT_EQ(guarded.view(), text) << "twice is not at all";
        }
}

TEST(WebSocketUtf8, EveryPairOfBytesAndEveryCharacterAgreeWithTheReference) {
    const auto check = [](std::string_view text) {
        Utf8Check utf8;
        const bool good = utf8.add(text);
        ASSERT_EQ(good, reference_utf8(text, false)) << testing::PrintToString(text);
        ASSERT_EQ(good && utf8.whole(), reference_utf8(text, true)) << testing::PrintToString(text);
    };
    for (int a = 0; a < 256; ++a)
        for (int b = 0; b < 256; ++b)
            for (const std::string_view behind : {""sv, "\x80"sv, "\x80\x80"sv, "\xbf\xbf"sv, "x"sv}) {
                std::string text = {static_cast<char>(a), static_cast<char>(b)};
                check(text += behind);
            }
    const std::string ascii(40, 'a');  // on either side of a vector's width
    for (size_t at = 0; at < ascii.size(); ++at)
        for (const std::string_view piece :
             {"\xc3\xbc"sv, "\xed\xa0\x80"sv, "\xf4\x8f\xbf\xbf"sv, "\xf4\x90\x80\x80"sv, "\xff"sv}) {
            std::string text = ascii;
            check(text.insert(at, piece));
        }
}

}  // namespace
}  // namespace loom::http::test
