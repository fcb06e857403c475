#include "loom/http/event_stream.h"

#include <zlib.h>

#include <optional>

#include "support.h"

namespace loom::http::test {
namespace {

void put(std::string& out, uint64_t value, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift & 255);
}
uint32_t crc(std::string_view bytes) {
    return static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string string_header(std::string_view name, std::string_view value) {
    std::string out(1, static_cast<char>(name.size()));
    out += name;
    out += '\7';
    put(out, value.size(), 2);
    return out += value;
}

std::string frame(std::string_view headers, std::string_view payload) {
    std::string out;
    put(out, 16 + headers.size() + payload.size(), 4);
    put(out, headers.size(), 4);
    put(out, crc(out), 4);
    out.append(headers).append(payload);
    put(out, crc(out), 4);
    return out;
}

std::string event(std::string_view type, std::string_view payload) {
    return frame(string_header(":event-type", type) + string_header(":content-type", "application/json") +
                     string_header(":message-type", "event"),
                 payload);
}

std::string from_hex(std::string_view hex) {
    std::string out;
    for (size_t i = 0; i + 1 < hex.size(); i += 2)
        out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
    return out;
}

struct Read {
    std::vector<std::string> frames;
    std::string fault;
    bool at_boundary = false;
    bool operator==(const Read&) const = default;
};

Read read(std::string_view stream, const std::vector<size_t>& cuts,
          uint32_t bytes_max = FrameSplitter::frame_bytes_limit) {
    Read seen;
    FrameSplitter splitter(bytes_max);
    std::string held;
    size_t from = 0;
    for (size_t i = 0; i <= cuts.size(); ++i) {
        const size_t to = i == cuts.size() ? stream.size() : cuts[i];
        const Exact piece(stream.substr(from, to - from));
        std::string_view rest = piece.view();
        while (const size_t end = splitter.next_event_end(rest)) {
            held += rest.substr(0, end);
            rest.remove_prefix(end);
            seen.frames.push_back(held);
            EXPECT_TRUE(splitter.at_event_boundary());
            held.clear();
        }
        held += rest;
        from = to;
    }
    seen.fault = splitter.fault() == nullptr ? "" : splitter.fault();
    seen.at_boundary = splitter.at_event_boundary();
    return seen;
}

const char* fault_of(std::string_view whole) {
    const Exact bytes(whole);
    EventFrame out;
    const auto parsed = parse_frame(bytes.view(), out);
    return parsed ? nullptr : parsed.error().what;
}

// The vectors that AWS's own codecs are tested with.
TEST(EventStream, PublishedVectors) {
    const std::string empty = from_hex("000000100000000005c248eb7d98c8ff");
    EXPECT_EQ(frame("", ""), empty);
    const std::string payload = from_hex("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936");
    EXPECT_EQ(frame("", "{'foo':'bar'}"), payload);
    const std::string int32 =
        from_hex("0000002d0000001041c424b80a6576656e742d74797065040000a00c7b27666f6f273a27626172277d36f480a0");
    EXPECT_EQ(frame(from_hex("0a6576656e742d74797065040000a00c"), "{'foo':'bar'}"), int32);
    for (const std::string& whole : {empty, payload, int32}) {
        EXPECT_EQ(read(whole, {}), (Read{{whole}, "", true}));
        EXPECT_STREQ(fault_of(whole), "an event frame does not say what it is") << "sound, and yet none of Bedrock's";
    }
}

TEST(EventStream, AnEventAnExceptionAndAnError) {
    const std::string whole = event("contentBlockDelta", R"({"delta":{"text":"a"}})");
    EventFrame out;
    ASSERT_TRUE(parse_frame(whole, out));
    EXPECT_EQ(out.kind, EventFrame::Kind::event);
    EXPECT_EQ(out.name, "contentBlockDelta");
    EXPECT_EQ(out.data, R"({"delta":{"text":"a"}})");
    EXPECT_EQ(out.content_type, "application/json");

    const std::string exception =
        frame(string_header(":exception-type", "throttlingException") + string_header(":message-type", "exception"),
              R"({"message":"Slow down"})");
    ASSERT_TRUE(parse_frame(exception, out));
    EXPECT_EQ(out.kind, EventFrame::Kind::exception);
    EXPECT_EQ(out.name, "throttlingException");

    const std::string error =
        frame(string_header(":error-code", "InternalError") + string_header(":error-message", "it broke") +
                  string_header(":message-type", "error"),
              "");
    ASSERT_TRUE(parse_frame(error, out));
    EXPECT_EQ(out.kind, EventFrame::Kind::error);
    EXPECT_EQ(out.name, "error");
    EXPECT_EQ(out.data, "it broke");
    EXPECT_EQ(out.error_code, "InternalError");
}

TEST(EventStream, EveryTypeOfHeaderIsWalked) {
    const std::string headers = from_hex(
        "016100"                  // a: true
        "016201"                  // b: false
        "016302cf"                // c: byte
        "016403012c"              // d: int16
        "0165040000a00c"          // e: int32
        "0166050000000000000001"  // f: int64
        "0167060003010203"        // g: bytes
        "0168070002c3bc"          // h: string
        "01690800000000000000ff"  // i: timestamp
        "016a0900112233445566778899aabbccddeeff");
    const std::string whole = frame(headers + string_header(":message-type", "event"), "x");
    EventFrame out;
    ASSERT_TRUE(parse_frame(whole, out));
    EXPECT_EQ(out.data, "x");
    std::string_view rest = out.headers;
    std::string names;
    size_t value_bytes = 0;
    uint8_t types = 0;
    for (FrameHeader header; next_header(rest, header);) {
        names += header.name;
        value_bytes += header.value.size();
        if (header.name.size() == 1) EXPECT_EQ(static_cast<uint8_t>(header.type), types++);
    }
    EXPECT_EQ(names, "abcdefghij:message-type");
    EXPECT_EQ(value_bytes, 0u + 0 + 1 + 2 + 4 + 8 + 3 + 2 + 8 + 16 + 5);
    EXPECT_TRUE(rest.empty());
}

TEST(EventStream, FramesAreTheSameHoweverTheStreamIsCut) {
    const std::string stream = event("messageStart", "{}") + event("x", "") + event("contentBlockDelta", "{\"a\":1}");
    const Read whole = read(stream, {});
    ASSERT_EQ(whole.frames.size(), 3u);
    EXPECT_EQ(whole.frames[0] + whole.frames[1] + whole.frames[2], stream);
    for (size_t a = 0; a <= stream.size(); ++a) {
        EXPECT_EQ(read(stream, {a}), whole) << "cut at " << a;
        for (size_t b = a; b <= stream.size(); b += 7) EXPECT_EQ(read(stream, {a, b}), whole) << a << ", " << b;
    }
    std::vector<size_t> bytewise;
    for (size_t i = 1; i < stream.size(); ++i) bytewise.push_back(i);
    EXPECT_EQ(read(stream, bytewise), whole);
}

// A flipped bit is found: in the prelude by the splitter, at once; elsewhere by the frame's checksum.
TEST(EventStream, EveryFlippedBitIsDetected) {
    const std::string whole = event("contentBlockDelta", R"({"contentBlockIndex":0,"delta":{"text":"a"}})");
    ASSERT_EQ(fault_of(whole), nullptr);
    for (size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ 1 << bit);
            EXPECT_NE(fault_of(changed), nullptr) << "byte " << at << " bit " << bit;
            const Read seen = read(changed + whole, {at});
            if (at < 12) {
                EXPECT_EQ(seen.fault, "the checksum of an event frame's prelude is wrong") << at;
                EXPECT_TRUE(seen.frames.empty());
            } else {
                EXPECT_EQ(seen.frames.size(), 2u) << "the length is right: the next frame is found";
            }
        }
    }
}

TEST(EventStream, EveryTruncationIsRefusedAndLeavesTheSplitterInside) {
    const std::string whole = event("messageStop", R"({"stopReason":"end_turn"})");
    for (size_t size = 0; size < whole.size(); ++size) {
        EXPECT_NE(fault_of(whole.substr(0, size)), nullptr) << size;
        const Read seen = read(whole.substr(0, size), {});
        EXPECT_TRUE(seen.frames.empty());
        EXPECT_EQ(seen.at_boundary, size == 0);
    }
    EXPECT_NE(fault_of(whole + "x"), nullptr);
}

TEST(EventStream, LengthsOutOfBoundsAreFaultsForGood) {
    const auto prelude = [](uint32_t total, uint32_t headers) {
        std::string out;
        put(out, total, 4);
        put(out, headers, 4);
        put(out, crc(out), 4);
        return out;
    };
    const std::pair<std::string, std::string_view> cases[] = {
        {prelude(15, 0), "an event frame is shorter than its own framing"},
        {prelude(0, 0), "an event frame is shorter than its own framing"},
        {prelude(20, 5), "an event frame's headers do not fit into it"},
        {prelude(20, UINT32_MAX), "an event frame's headers do not fit into it"},
        {prelude(300000, 200000), "an event frame's headers do not fit into it"},
        {prelude((16 << 20) + 1, 0), "an event frame is too large"},
        {prelude(UINT32_MAX, 0), "an event frame is too large"}};
    for (const auto& [bytes, fault] : cases) {
        for (size_t cut = 0; cut <= bytes.size(); ++cut) {
            const Read seen = read(bytes + event("x", "{}"), {cut});
            EXPECT_EQ(seen.fault, fault);
            EXPECT_TRUE(seen.frames.empty());
        }
    }
    const std::string whole = event("x", "{}");
    const auto size = static_cast<uint32_t>(whole.size());
    EXPECT_EQ(read(whole, {}, size).frames.size(), 1u);
    EXPECT_EQ(read(whole, {}, size - 1).fault, "an event frame is too large") << "the caller's bound";
}

TEST(EventStream, ResetForgetsAFaultAndKeepsTheBound) {
    FrameSplitter splitter(64);
    EXPECT_EQ(splitter.next_event_end("0123456789ab"), 0u);
    EXPECT_NE(splitter.fault(), nullptr);
    EXPECT_EQ(splitter.next_event_end(event("x", "{}")), 0u);
    splitter.reset();
    EXPECT_EQ(splitter.fault(), nullptr);
    EXPECT_EQ(splitter.next_event_end(event("x", std::string(60, ' '))), 0u);
    EXPECT_STREQ(splitter.fault(), "an event frame is too large");
}

// Headers whose lengths lie are refused, with checksums that are right.
TEST(EventStream, BrokenHeadersAreRefused) {
    const std::string good = string_header(":message-type", "event");
    for (size_t size = 1; size < good.size(); ++size)
        EXPECT_STREQ(fault_of(frame(good.substr(0, size), "")), "an event frame has broken headers") << size;
    EXPECT_NE(fault_of(frame(good + from_hex("01610a"), "")), nullptr) << "a type that is none";
    EXPECT_NE(fault_of(frame(good + from_hex("0000"), "")), nullptr) << "a header without a name";
    EXPECT_STREQ(fault_of(frame(string_header(":message-type", "other"), "")),
                 "an event frame does not say what it is");
}

}  // namespace
}  // namespace loom::http::test
