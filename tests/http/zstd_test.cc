#include "loom/http/zstd.h"

#include <zstd.h>

#include "support.h"

namespace loom::http::test {
namespace {

std::string compressed(std::string_view text, int level = 3, int window_log = 0, bool with_size = true) {
    ZSTD_CCtx* const context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    if (window_log != 0) ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    std::string out(ZSTD_compressBound(text.size()) + 64, '\0');
    ZSTD_inBuffer input{text.data(), text.size(), 0};
    ZSTD_outBuffer output{out.data(), out.size(), 0};
    if (!with_size) {  // as a stream, whose length nobody knew at its begin
        ZSTD_inBuffer none{nullptr, 0, 0};
        EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context, &output, &none, ZSTD_e_flush)));
        EXPECT_FALSE(ZSTD_isError(ZSTD_compressStream2(context, &output, &input, ZSTD_e_flush)));
    }
    EXPECT_EQ(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end), 0u);
    ZSTD_freeCCtx(context);
    out.resize(output.pos);
    return out;
}

std::string sample(size_t bytes) {
    std::string text;
    for (size_t i = 0; text.size() < bytes; ++i)
        text += R"({"role":"user","content":")" + std::to_string(i * i) + "\"}";
    text.resize(bytes);
    return text;
}

std::string little_endian(uint64_t value, size_t bytes) {
    std::string out;
    for (size_t i = 0; i < bytes; ++i, value >>= 8) out += static_cast<char>(value & 0xff);
    return out;
}

const std::string magic = "\x28\xB5\x2F\xFD"s;

/// A frame without a size: its window's byte, and blocks of one byte that stands for 128 KiB each.
std::string run_lengths(size_t blocks, char window = 0x40) {
    std::string frame = magic + '\0' + window;
    for (size_t i = 0; i < blocks; ++i)
        frame += little_endian((i + 1 == blocks ? 1 : 0) | 1 << 1 | (128 * 1024) << 3, 3) + ' ';
    return frame;
}

std::string skippable(std::string_view text) {
    return "\x53\x2A\x4D\x18"s + little_endian(text.size(), 4) + std::string(text);
}

struct Decoded {
    std::string text;
    Error error;
    uint64_t offset = 0;
    uint64_t memory_bytes = 0;
    size_t held_bytes = 0;
};

Decoded decode_in_steps(std::string_view bytes, size_t step, size_t room, DecodeLimits limits = {}) {
    ZstdDecoder decoder;
    decoder.start(limits, Side::downstream);
    Decoded result;
    std::vector<char> out(room);
    const auto end = [&](const Error& error) {
        result.error = error;
        result.offset = decoder.consumed_bytes();
        return result;
    };
    for (size_t at = 0; at < bytes.size(); at += step) {
        const Exact piece(bytes.substr(at, step));
        std::string_view rest = piece.view();
        while (true) {
            const uint64_t allowed = decoder.memory_bytes();
            const auto done = decoder.next(rest, out);
            EXPECT_LE(decoder.held_bytes(), allowed) << "more than it had told before";
            result.memory_bytes = std::max(result.memory_bytes, decoder.memory_bytes());
            result.held_bytes = std::max(result.held_bytes, decoder.held_bytes());
            if (!done) return end(done.error());
            result.text.append(out.data(), done->produced);
            rest.remove_prefix(done->consumed);
            if (rest.empty() && done->produced < out.size()) break;
        }
    }
    const auto whole = decoder.on_end();
    return end(whole ? Error{} : whole.error());
}

TEST(Zstd, DecodesHoweverItIsCut) {
    const std::string text = sample(300'000);
    for (const bool with_size : {true, false}) {
        for (const int level : {1, 3, 19}) {
            const std::string bytes = compressed(text, level, 0, with_size);
            for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
                for (const size_t room : {1000, 100'000, 400'000}) {
                    const Decoded result = decode_in_steps(bytes, step, room);
                    ASSERT_EQ(result.error.code, Errc::ok) << result.error.what << " step " << step;
                    ASSERT_EQ(result.text, text) << "level " << level << " step " << step << " room " << room;
                }
            }
        }
    }
}

TEST(Zstd, TakesFramesInARow) {
    const std::string bytes = skippable("about these frames") + compressed("one ") + compressed("") + skippable("") +
                              compressed("two", 3, 0, false);
    for (size_t step = 1; step <= bytes.size(); ++step) {
        for (const size_t room : {1, 2, 64}) {
            const Decoded result = decode_in_steps(bytes, step, room);
            EXPECT_EQ(result.error.code, Errc::ok) << result.error.what << " step " << step;
            EXPECT_EQ(result.text, "one two") << step;
        }
    }
}

TEST(Zstd, EveryCutIsToldFromAWholeOne) {
    const std::string bytes = compressed("one ") + compressed(sample(500));
    const size_t first = compressed("one ").size();
    for (size_t length = 0; length < bytes.size(); ++length) {
        const Decoded result = decode_in_steps(std::string_view(bytes).substr(0, length), 5, 1000);
        const bool is_whole = length == first;
        EXPECT_EQ(result.error.code, is_whole ? Errc::ok : Errc::bad_message) << length;
        EXPECT_EQ(result.offset, length);
    }
}

TEST(Zstd, RefusesWhatIsBrokenAndSaysWhere) {
    const std::string good = compressed(sample(300));
    const struct {
        const char* name;
        std::string bytes;
        uint64_t offset_max;
    } broken[] = {
        {"plain", R"({"model":"gpt"})", 4},
        {"gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00"s, 4},
        {"garbage behind", good + "garbage", good.size() + 4},
        {"one byte behind", good + "x", good.size() + 1},
        {"a frame of version 0.7", "\x27\xB5\x2F\xFD\x20\x00\x01\x00\x00"s, 4},
        {"a reserved bit", magic + "\x08\x40\x01\x00\x00"s, 5},
        {"a reserved block", magic + "\x00\x40\x07\x00\x00"s, 9},
        {"a dictionary", magic + "\x21\x07\x03\x19\x00\x00 ab"s, 7},
    };
    for (const auto& one : broken) {
        for (const size_t step : {size_t{1}, size_t{1000}}) {
            const Decoded result = decode_in_steps(one.bytes, step, 1000);
            EXPECT_EQ(result.error.code, Errc::bad_message) << one.name;
            EXPECT_EQ(result.error.side, Side::downstream);
            EXPECT_LE(result.offset, one.offset_max) << one.name;
        }
    }
    for (size_t at = 0; at < good.size(); ++at) {  // its checksum sees what its blocks do not
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
        const Decoded result = decode_in_steps(bytes, 50, 1000);
        EXPECT_TRUE(result.error.code != Errc::ok || result.text == sample(300)) << at;
    }
}

TEST(Zstd, TellsWhatAFrameCostsBeforeItIsPaid) {
    const std::string text = sample(100);
    const Decoded small = decode_in_steps(compressed(text), 10, 100);
    EXPECT_LT(small.memory_bytes, 1u << 20);
    const std::string wide = compressed(sample(9 << 20), 3, 23, false);
    const Decoded large = decode_in_steps(wide, 100'000, 100'000);
    EXPECT_EQ(large.error.code, Errc::ok) << large.error.what;
    EXPECT_GT(large.held_bytes, ZstdDecoder::window_bytes_max);
    EXPECT_LE(large.held_bytes, large.memory_bytes);
    EXPECT_LE(large.memory_bytes, ZstdDecoder::memory_bytes_max);
    const Decoded over = decode_in_steps(compressed(sample(9 << 20), 3, 24, false), 100'000, 100'000);
    EXPECT_EQ(over.error.code, Errc::bad_message);
    EXPECT_EQ(over.held_bytes, 0u) << "refused by its head";
    EXPECT_NE(std::string_view(over.error.what).find("8 MiB"), std::string_view::npos);
}

TEST(Zstd, RefusesBombs) {
    const Decoded by_ratio = decode_in_steps(run_lengths(100), 16, 65536);
    EXPECT_EQ(by_ratio.error.code, Errc::too_large);
    EXPECT_LT(by_ratio.text.size(), 2u << 20);
    const Decoded by_size = decode_in_steps(compressed(sample(90'000)), 512, 4096, {.output_bytes_max = 20'000});
    EXPECT_EQ(by_size.error.code, Errc::too_large);
    EXPECT_LE(by_size.text.size(), 24'000u);
    const Decoded exact = decode_in_steps(compressed(sample(20'000)), 512, 4096, {.output_bytes_max = 20'000});
    EXPECT_EQ(exact.error.code, Errc::ok) << exact.error.what;
}

TEST(Zstd, StartsAgain) {
    ZstdDecoder decoder;
    char out[64];
    for (int i = 0; i < 3; ++i) {
        decoder.start({}, Side::downstream);
        EXPECT_FALSE(decoder.on_end()) << "nothing came";
        std::string text;
        for (std::string_view rest = kept(compressed("hello")); !rest.empty();) {
            const auto step = decoder.next(rest, out);
            ASSERT_TRUE(step) << step.error().what;
            text.append(out, step->produced);
            rest.remove_prefix(step->consumed);
        }
        EXPECT_EQ(text, "hello");
        EXPECT_TRUE(decoder.on_end());
        EXPECT_FALSE(decoder.next("{", out) && decoder.on_end()) << "a byte too many";
    }
}

}  // namespace
}  // namespace loom::http::test
