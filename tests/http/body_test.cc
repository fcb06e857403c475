#include "loom/http/body.h"

#include "support.h"

namespace loom::http::test {
namespace {

struct Read {
    std::string payload;
    size_t consumed = 0;
    bool done = false;
    Errc code = Errc::ok;
    std::string_view what = "";
    uint32_t trailers = 0;
};

void read_piece(BodyReader& reader, std::string_view bytes, Read& out) {
    while (!bytes.empty() && !reader.done() && out.code == Errc::ok) {
        const auto step = reader.next(bytes);
        if (!step) {
            out.code = step.error().code;
            out.what = step.error().what;
            return;
        }
        ASSERT_GT(step->consumed, 0u) << "next() must go on";
        ASSERT_LE(step->consumed, bytes.size());
        out.payload += step->payload;
        out.consumed += step->consumed;
        out.done = step->done;
        bytes.remove_prefix(step->consumed);
    }
}

Read read_in_steps(std::string_view bytes, size_t step) {
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    Read out;
    for (size_t at = 0; at < bytes.size() && !reader.done() && out.code == Errc::ok; at += step) {
        const Exact piece(bytes.substr(at, step));
        read_piece(reader, piece.view(), out);
    }
    out.trailers = reader.trailer_count();
    if (out.done) {
        EXPECT_EQ(reader.payload_bytes(), out.payload.size());
    }
    return out;
}

Read read_chunked(std::string_view bytes) { return read_in_steps(bytes, bytes.size() + 1); }

/// The whole, every cut in two, and bytes one by one, agree.
Read read_every_way(std::string_view bytes) {
    const Read whole = read_chunked(bytes);
    const auto agree = [&](const Read& other, const std::string& how) {
        EXPECT_EQ(other.payload, whole.payload) << how;
        EXPECT_EQ(other.done, whole.done) << how;
        EXPECT_EQ(other.code, whole.code) << how;
        EXPECT_EQ(other.trailers, whole.trailers) << how;
        if (whole.done) {
            EXPECT_EQ(other.consumed, whole.consumed) << how;
        }
    };
    for (size_t step : {1, 2, 3, 5}) agree(read_in_steps(bytes, step), "steps of " + std::to_string(step));
    for (size_t cut = 1; cut < bytes.size(); ++cut) {
        BodyReader reader;
        reader.start(BodyFraming::chunked, 0);
        Read out;
        read_piece(reader, bytes.substr(0, cut), out);
        if (out.code == Errc::ok) read_piece(reader, bytes.substr(out.consumed), out);
        out.trailers = reader.trailer_count();
        agree(out, "cut at " + std::to_string(cut));
    }
    return whole;
}

TEST(Chunked, YieldsItsPayloadAndLeavesWhatFollows) {
    const Read read = read_every_way("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /next");
    EXPECT_EQ(read.payload, "hello world");
    EXPECT_TRUE(read.done);
    EXPECT_EQ(read.consumed, 26u);
}

TEST(Chunked, PayloadViewsAreOfTheBytesGiven) {
    const std::string_view bytes = "5\r\nhello\r\n0\r\n\r\n";
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    const auto step = reader.next(bytes);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->payload.data(), bytes.data() + 3);
    EXPECT_EQ(step->consumed, 10u) << "a whole chunk with its CRLF";
    EXPECT_TRUE(reader.at_chunk_boundary());
}

TEST(Chunked, TakesSizesInAnyHexSpelling) {
    EXPECT_EQ(read_every_way("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n").payload.size(), 20u);
    EXPECT_EQ(read_every_way("000000000000000a\r\n0123456789\r\n00\r\n\r\n").payload.size(), 10u);
    EXPECT_TRUE(read_every_way("0000000000000000\r\n\r\n").done);
}

TEST(Chunked, RefusesSizesThatAreNone) {
    for (std::string_view bytes :
         {"\r\n", "x\r\n", "-1\r\n", "+1\r\na", "0x1\r\na", " 1\r\na\r\n", "1 \r\na\r\n", "1\t\r\na\r\n", "1\na\r\n",
          "1\ra\r\n", "1,1\r\na", "00000000000000001\r\na", "8000000000000000\r\n", "ffffffffffffffff\r\n",
          "10000000000000000\r\n", "1_0\r\n", "\n1\r\na", "1\r\r\na"}) {
        EXPECT_EQ(read_every_way(bytes).code, Errc::bad_message) << bytes;
    }
}

TEST(Chunked, RefusesAChunkThatDoesNotEndWithCrlf) {
    for (std::string_view bytes : {"1\r\nab\r\n", "1\r\na\n", "1\r\na\rb", "1\r\na0\r\n\r\n", "1\r\na\r\r\n"}) {
        EXPECT_EQ(read_every_way(bytes).code, Errc::bad_message) << bytes;
    }
}

TEST(Chunked, ReadsOverExtensions) {
    for (std::string_view extension :
         {";a", ";a=b", ";a=\"b c\"", ";a=\"\\\"\"", ";a;b=c;d=\"\"", " ; a", "\t;\ta=b", ";a=\"\t;\x80\""}) {
        const std::string bytes = "3" + std::string(extension) + "\r\nabc\r\n0" + std::string(extension) + "\r\n\r\n";
        const Read read = read_every_way(bytes);
        EXPECT_EQ(read.payload, "abc") << extension;
        EXPECT_TRUE(read.done) << extension;
    }
}

TEST(Chunked, RefusesMalformedExtensions) {
    for (std::string_view extension :
         {";", ";=b", ";a=", ";a=b c", ";a=\"b", ";a=\"b\"c", ";a\n", ";\n", ";a=\"\n\"", ";a=\"\r\n\"", ";a=\x01",
          ";;", " ", ";a ", ";a = b", ";a=b\r", ";a\x80", ";a=\"\\\n\""}) {
        const std::string bytes = "3" + std::string(extension) + "\r\nabc\r\n0\r\n\r\n";
        EXPECT_EQ(read_every_way(bytes).code, Errc::bad_message) << extension;
    }
}

TEST(Chunked, BoundsExtensionsByWhatThePayloadPaysFor) {
    const std::string extension = ";sig=" + std::string(80, 's');
    std::string cheap;
    for (int i = 0; i < 200; ++i) cheap += "100" + extension + "\r\n" + std::string(256, 'x') + "\r\n";
    EXPECT_EQ(read_chunked(cheap + "0\r\n\r\n").payload.size(), 200u * 256) << "signed chunks are fine";
    std::string dear;
    for (int i = 0; i < 200; ++i) dear += "1" + extension + "\r\nx\r\n";
    EXPECT_EQ(read_chunked(dear + "0\r\n\r\n").code, Errc::too_large);
    EXPECT_EQ(read_chunked("1;" + std::string(5000, 'x')).code, Errc::too_large) << "before its end has come";
}

TEST(Chunked, ChecksTrailersAndLeavesThem) {
    const Read read = read_every_way("1\r\na\r\n0\r\nX-Checksum: abc\r\nEmpty:\r\n\r\nrest");
    EXPECT_TRUE(read.done);
    EXPECT_EQ(read.trailers, 2u);
    for (std::string_view trailer : {"Content-Length: 5", "transfer-encoding: chunked", "HOST: a", "Authorization: x",
                                     "Trailer: x", "Content-Type: x", "No colon", "A : b", " fold: x", ": x",
                                     "A: b\nC: d", "A: \x01", "A: b\rC", "A\x80: b", "proxy-authorization: x"}) {
        const std::string bytes = "0\r\n" + std::string(trailer) + "\r\n\r\n";
        EXPECT_EQ(read_every_way(bytes).code, Errc::bad_message) << trailer;
    }
    const std::string long_name(300, 'n');
    EXPECT_TRUE(read_every_way("0\r\n" + long_name + ": x\r\nhost" + long_name + ": y\r\n\r\n").done);
    EXPECT_EQ(read_chunked("0\r\nA: " + std::string(9000, 'x') + "\r\n\r\n").code, Errc::too_large);
}

TEST(Chunked, KnowsWhereAChunkOfOnesOwnMayGo) {
    const std::string_view bytes = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
        BodyReader reader;
        reader.start(BodyFraming::chunked, 0);
        Read out;
        read_piece(reader, bytes.substr(0, cut), out);
        const bool boundary = cut == 0 || cut == 8 || cut == 15 || cut == bytes.size();
        EXPECT_EQ(reader.at_chunk_boundary(), boundary) << cut;
    }
}

TEST(Chunked, IsWalkedInOneGo) {
    const std::string_view bytes = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nnext";
    std::string_view payloads[8];
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    const auto walk = reader.walk(bytes, payloads);
    EXPECT_EQ(walk.payload_count, 2u);
    EXPECT_EQ(payloads[0], "abc");
    EXPECT_EQ(payloads[1], "de");
    EXPECT_EQ(walk.payload_bytes, 5u);
    EXPECT_EQ(walk.consumed, bytes.size() - 4);
    EXPECT_TRUE(walk.done);
    EXPECT_TRUE(walk.boundary);
}

TEST(Chunked, StopsItsWalkWhenTheViewsAreUsedUp) {
    const std::string_view bytes = "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    std::string_view payloads[1];
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    const auto walk = reader.walk(bytes, payloads);
    EXPECT_EQ(walk.consumed, 8u);
    EXPECT_FALSE(walk.done);
    EXPECT_TRUE(walk.boundary);
}

TEST(Chunked, GivesWhatStoodInFrontOfAFaultWithIt) {
    std::string_view payloads[8];
    BodyReader reader;
    reader.start(BodyFraming::chunked, 0);
    const auto walk = reader.walk("3\r\nabc\r\n2\r\ndeX", payloads);
    ASSERT_EQ(walk.payload_count, 2u);
    EXPECT_EQ(payloads[0], "abc");
    EXPECT_EQ(payloads[1], "de");
    EXPECT_EQ(walk.fault.code, Errc::bad_message);
    EXPECT_STREQ(walk.fault.what, "a chunk that is longer than its size");
    EXPECT_FALSE(walk.boundary);
    EXPECT_FALSE(walk.done);
}

TEST(Length, CountsDown) {
    BodyReader reader;
    reader.start(BodyFraming::length, 5);
    EXPECT_EQ(reader.remaining_bytes(), 5u);
    auto step = reader.next("abc");
    ASSERT_TRUE(step);
    EXPECT_EQ(step->payload, "abc");
    EXPECT_FALSE(step->done);
    step = reader.next("defgh");
    ASSERT_TRUE(step);
    EXPECT_EQ(step->payload, "de");
    EXPECT_EQ(step->consumed, 2u);
    EXPECT_TRUE(step->done);
    EXPECT_EQ(reader.payload_bytes(), 5u);
    EXPECT_EQ(reader.next("more")->consumed, 0u);
}

TEST(Length, OfZeroAndNoBodyAreDoneAtOnce) {
    BodyReader reader;
    reader.start(BodyFraming::length, 0);
    EXPECT_TRUE(reader.done());
    reader.start(BodyFraming::none, 7);
    EXPECT_TRUE(reader.done());
    EXPECT_TRUE(reader.on_eof());
}

TEST(Eof, IsTheEndOnlyWhereItMayBe) {
    BodyReader reader;
    reader.start(BodyFraming::until_close, 0, Side::upstream);
    EXPECT_EQ(reader.next("abc")->payload, "abc");
    EXPECT_FALSE(reader.done());
    EXPECT_TRUE(reader.on_eof());
    EXPECT_TRUE(reader.done());

    reader.start(BodyFraming::length, 5, Side::upstream);
    ASSERT_TRUE(reader.next("abc"));
    const auto cut = reader.on_eof();
    ASSERT_FALSE(cut) << "a truncated answer must never look whole";
    EXPECT_EQ(cut.error().code, Errc::closed);
    EXPECT_EQ(cut.error().side, Side::upstream);

    const std::string_view whole = "3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    for (size_t length = 0; length <= whole.size(); ++length) {
        reader.start(BodyFraming::chunked, 0);
        Read out;
        read_piece(reader, whole.substr(0, length), out);
        EXPECT_EQ(reader.on_eof().has_value(), length == whole.size()) << length;
    }
}

TEST(ChunkHead, IsLowerHexWithoutLeadingZeros) {
    const auto written = [](uint64_t bytes) {
        char out[chunk_head_bytes_max];
        return std::string(out, write_chunk_head(out, bytes));
    };
    EXPECT_EQ(written(1), "1\r\n");
    EXPECT_EQ(written(15), "f\r\n");
    EXPECT_EQ(written(16), "10\r\n");
    EXPECT_EQ(written(500), "1f4\r\n");
    EXPECT_EQ(written(65536), "10000\r\n");
    EXPECT_EQ(written(UINT64_MAX), "ffffffffffffffff\r\n");
    for (uint64_t bytes = 1; bytes < 70000; bytes += 37) {
        char expected[32];
        std::snprintf(expected, sizeof expected, "%zx\r\n", static_cast<size_t>(bytes));
        EXPECT_EQ(written(bytes), expected);
    }
}

}  // namespace
}  // namespace loom::http::test
