#include <zlib.h>

#include "loom/http/content_coding.h"
#include "support.h"

namespace loom::http::test {
namespace {

constexpr int gzip = 31;
constexpr int zlib = 15;
constexpr int raw = -15;

std::string deflated(std::string_view text, int window) {
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

std::string sample(size_t bytes) {
    std::string text;
    for (size_t i = 0; text.size() < bytes; ++i) text += "data: {\"token\":\"" + std::to_string(i * i) + "\"}\n\n";
    text.resize(bytes);
    return text;
}

struct Inflated {
    std::string text;
    Error error;
};

/// Feeds pieces of `step`, takes output in rooms of `room`.
Inflated inflate_in_steps(ContentCoding coding, std::string_view bytes, size_t step, size_t room,
                          Inflater::Limits limits = {}) {
    Inflater inflater;
    EXPECT_TRUE(inflater.start(coding, limits));
    Inflated result;
    std::vector<char> out(room);
    for (size_t at = 0; at < bytes.size(); at += step) {
        const Exact piece(bytes.substr(at, step));
        std::string_view rest = piece.view();
        while (true) {
            const auto done = inflater.next(rest, out);
            if (!done) return result.error = done.error(), result;
            result.text.append(out.data(), done->produced);
            rest.remove_prefix(done->consumed);
            if (rest.empty() && done->produced < out.size()) break;
        }
    }
    if (const auto end = inflater.on_end(); !end) result.error = end.error();
    return result;
}

TEST(Inflater, DecodesEveryCodingHoweverItIsCut) {
    const std::string text = sample(5000);
    const struct {
        ContentCoding coding;
        int window;
    } kinds[] = {{ContentCoding::gzip, gzip}, {ContentCoding::deflate, zlib}, {ContentCoding::deflate, raw}};
    for (const auto& kind : kinds) {
        const std::string bytes = deflated(text, kind.window);
        for (size_t step : {size_t{1}, size_t{2}, size_t{3}, size_t{17}, bytes.size()}) {
            for (size_t room : {1, 7, 4096, 100000}) {
                const Inflated result = inflate_in_steps(kind.coding, bytes, step, room);
                ASSERT_EQ(result.error.code, Errc::ok)
                    << result.error.what << " window " << kind.window << " step " << step;
                ASSERT_EQ(result.text, text) << "window " << kind.window << " step " << step << " room " << room;
            }
        }
    }
}

TEST(Inflater, GivesOutWhatHasComeSoThatStreamsStream) {
    z_stream stream{};
    ASSERT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, gzip, 8, Z_DEFAULT_STRATEGY), Z_OK);
    Inflater inflater;
    ASSERT_TRUE(inflater.start(ContentCoding::gzip));
    for (int i = 0; i < 5; ++i) {
        std::string text = "data: " + std::to_string(i) + "\n\n";
        char coded[256];
        stream.next_in = reinterpret_cast<Bytef*>(text.data());
        stream.avail_in = static_cast<uInt>(text.size());
        stream.next_out = reinterpret_cast<Bytef*>(coded);
        stream.avail_out = sizeof coded;
        ASSERT_EQ(deflate(&stream, Z_SYNC_FLUSH), Z_OK);
        char out[256];
        const auto step = inflater.next({coded, sizeof coded - stream.avail_out}, out);
        ASSERT_TRUE(step);
        EXPECT_EQ(std::string_view(out, step->produced), text);
        EXPECT_FALSE(step->done);
    }
    deflateEnd(&stream);
    EXPECT_FALSE(inflater.on_end()) << "a stream that is cut must not look whole";
}

TEST(Inflater, TakesMembersInARowAndPadding) {
    const std::string bytes =
        deflated("one ", gzip) + deflated("", gzip) + deflated("two", gzip) + std::string(7, '\0');
    for (size_t step = 1; step <= bytes.size(); ++step) {
        const Inflated result = inflate_in_steps(ContentCoding::gzip, bytes, step, 64);
        EXPECT_EQ(result.text, "one two") << step;
        EXPECT_EQ(result.error.code, Errc::ok) << step;
    }
}

TEST(Inflater, RefusesWhatIsBroken) {
    const std::string good = deflated(sample(300), gzip);
    std::string wrong_check = good;
    wrong_check[good.size() - 6] ^= 1;
    EXPECT_EQ(inflate_in_steps(ContentCoding::gzip, wrong_check, 1000, 1000).error.code, Errc::bad_message);
    EXPECT_EQ(inflate_in_steps(ContentCoding::gzip, good + "x", 1000, 1000).error.code, Errc::bad_message);
    EXPECT_EQ(inflate_in_steps(ContentCoding::gzip, "{\"plain\":1}", 1000, 1000).error.code, Errc::bad_message);
    EXPECT_EQ(inflate_in_steps(ContentCoding::deflate, deflated("a", zlib) + "x", 1000, 1000).error.code,
              Errc::bad_message);
    for (size_t length = 0; length < good.size(); ++length) {
        EXPECT_NE(inflate_in_steps(ContentCoding::gzip, std::string_view(good).substr(0, length), 50, 1000).error.code,
                  Errc::ok)
            << length;
    }
}

TEST(Inflater, SaysWhereItBroke) {
    const std::string good = deflated(sample(300), gzip);
    const auto offset_of = [](std::string_view bytes, size_t step) {
        Inflater inflater;
        EXPECT_TRUE(inflater.start(ContentCoding::gzip, {}, Side::downstream));
        std::vector<char> out(1000);
        for (size_t at = 0; at < bytes.size(); at += step) {
            const auto done = inflater.next(bytes.substr(at, step), out);
            if (done) continue;
            EXPECT_EQ(done.error().side, Side::downstream);
            break;
        }
        return inflater.consumed_bytes();
    };
    for (const size_t step : {size_t{1}, size_t{7}, size_t{1000}}) {
        EXPECT_EQ(offset_of(good, step), good.size());
        EXPECT_EQ(offset_of(good + "x", step), good.size()) << "what stands behind the end";
        EXPECT_LE(offset_of("{\"plain\":1}", step), 4u);
        std::string wrong_check = good;
        wrong_check[good.size() - 8] ^= 1;
        const uint64_t offset = offset_of(wrong_check, step);
        EXPECT_TRUE(offset >= good.size() - 8 && offset <= good.size() - 4) << offset;
    }
}

TEST(Inflater, RefusesBombs) {
    const std::string bomb = deflated(std::string(8 << 20, '\0'), gzip);
    const Inflated by_ratio = inflate_in_steps(ContentCoding::gzip, bomb, 512, 65536);
    EXPECT_EQ(by_ratio.error.code, Errc::too_large);
    EXPECT_LT(by_ratio.text.size(), 2u << 20);
    const Inflated by_size =
        inflate_in_steps(ContentCoding::gzip, deflated(sample(90000), gzip), 512, 4096, {.output_bytes_max = 20000});
    EXPECT_EQ(by_size.error.code, Errc::too_large);
    EXPECT_LE(by_size.text.size(), 24000u);
}

TEST(Inflater, StartsAgain) {
    Inflater inflater;
    char out[64];
    for (int i = 0; i < 3; ++i) {
        for (auto [coding, window] : {std::pair{ContentCoding::gzip, gzip}, std::pair{ContentCoding::deflate, raw}}) {
            ASSERT_TRUE(inflater.start(coding));
            const auto step = inflater.next(deflated("hello", window), out);
            ASSERT_TRUE(step) << step.error().what;
            EXPECT_EQ(std::string_view(out, step->produced), "hello");
            EXPECT_TRUE(step->done);
            EXPECT_TRUE(inflater.on_end());
        }
    }
}

TEST(ContentCodings, AreNamed) {
    EXPECT_EQ(content_coding("GZIP"), ContentCoding::gzip);
    EXPECT_EQ(content_coding("x-gzip"), ContentCoding::gzip);
    EXPECT_EQ(content_coding("deflate"), ContentCoding::deflate);
    EXPECT_EQ(content_coding(""), ContentCoding::identity);
    EXPECT_EQ(content_coding("identity"), ContentCoding::identity);
    EXPECT_EQ(content_coding("Zstd"), ContentCoding::zstd);
    for (std::string_view other : {"br", "gzip, gzip", "gzip, zstd", "gzip;q=1"})
        EXPECT_EQ(content_coding(other), ContentCoding::unknown);
    Inflater inflater;
    EXPECT_EQ(inflater.start(ContentCoding::unknown).error().code, Errc::unsupported);
    EXPECT_EQ(inflater.start(ContentCoding::zstd).error().code, Errc::unsupported) << "zstd.h's";
}

}  // namespace
}  // namespace loom::http::test
