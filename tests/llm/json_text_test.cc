#include "loom/llm/json_text.h"

#include <gtest/gtest.h>

#include "dom.h"
#include "loom/base/block_pool.h"
#include "random_json.h"

namespace loom::llm {
namespace {

std::string unescaped(std::string_view raw) {
    std::string out;
    return unescape(raw, out) ? out : "BROKEN";
}

TEST(Unescape, KnowsEveryEscape) {
    EXPECT_EQ(unescaped("plain"), "plain");
    EXPECT_EQ(unescaped(R"(\"\\\/\b\f\n\r\t)"), "\"\\/\b\f\n\r\t");
    EXPECT_EQ(unescaped(R"(\u0041\u00e9\u6f22\ud83d\ude00)"), "Aé漢😀");
    EXPECT_EQ(unescaped(R"(\u00E9)"), "é");
    EXPECT_EQ(unescaped(R"(a\ud83db)"), "a\ufffdb");
    EXPECT_EQ(unescaped(R"(\ude00)"), "\ufffd");
    EXPECT_EQ(unescaped(R"(\ud83d\u0041)"), "\ufffdA");
    for (const std::string_view broken : {R"(\x)", R"(\)", R"(\u12)", R"(\u12g4)", R"(a\)"}) {
        EXPECT_EQ(unescaped(broken), "BROKEN") << broken;
    }
}

TEST(Unescape, AgreesWithTheDom) {
    RandomJson random(19);
    for (int round = 0; round < 3000; ++round) {
        const std::string quoted = random.string();
        Dom dom(quoted);
        ASSERT_TRUE(dom.valid()) << quoted;
        EXPECT_EQ(unescaped(std::string_view(quoted).substr(1, quoted.size() - 2)), std::string_view(dom.root()))
            << quoted;
    }
}

TEST(Escape, ComesBackThroughTheDom) {
    std::string all;
    for (int c = 0; c < 128; ++c) all += static_cast<char>(c);
    all += "é漢😀";
    std::string quoted;
    quote(all, quoted);
    Dom dom(quoted);
    ASSERT_TRUE(dom.valid());
    EXPECT_EQ(std::string_view(dom.root()), all);
}

TEST(Escape, ByteBuffersAreWrittenAsStringsAre) {
    std::string all, written;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    escape(all, written);
    BlockPool pool;
    ByteBuffer buffer(pool);
    escape(all, buffer);
    EXPECT_EQ(buffer.view(), written);
}

TEST(EscapeBytes, StepOverWholeEscapes) {
    EXPECT_EQ(escape_bytes(R"(\nab)"), 2u);
    EXPECT_EQ(escape_bytes(R"(\u0041b)"), 6u);
    EXPECT_EQ(escape_bytes(R"(\ud83d\ude00x)"), 12u);
    EXPECT_EQ(escape_bytes(R"(\uD83D\uDE00)"), 12u);
    for (const std::string_view alone : {R"(\ud83d)", R"(\ud83d\u0041)", R"(\ud83d\ude0)", R"(\ud83dabcdef)",
                                         R"(\ude00\ude00)", R"(\ud83d\ud83d\ude00)"})
        EXPECT_EQ(escape_bytes(alone), 6u) << alone;
    for (const std::string_view cut : {R"(\)", R"(\u)", R"(\u0)", R"(\u004)"})
        EXPECT_EQ(escape_bytes(cut), cut == R"(\)" ? 1u : cut.size()) << "no more than there is";
    // Step by step a text is what it is at once.
    RandomJson random(23);
    for (int round = 0; round < 2000; ++round) {
        const std::string quoted = random.string();
        std::string_view raw = std::string_view(quoted).substr(1, quoted.size() - 2);
        const std::string whole = unescaped(raw);
        std::string steps;
        while (!raw.empty()) {
            const size_t bytes = raw[0] == '\\' ? escape_bytes(raw) : 1;
            ASSERT_LE(bytes, std::min(raw.size(), escape_bytes_max));
            ASSERT_TRUE(unescape(raw.substr(0, bytes), steps)) << quoted;
            raw.remove_prefix(bytes);
        }
        ASSERT_EQ(steps, whole) << quoted;
    }
}

TEST(Escape, IntoBoundedMemoryCutsNothingInTwo) {
    const std::string_view text = "a\"é漢😀\n";
    std::string whole;
    escape(text, whole);
    for (size_t room = 0; room <= whole.size() + 1; ++room) {
        std::string out(room, '?');
        const size_t written = escape(text, std::span<char>(out));
        EXPECT_LE(written, room);
        EXPECT_EQ(out.substr(0, written), whole.substr(0, written));
        EXPECT_TRUE(Dom("\"" + out.substr(0, written) + "\"").valid()) << room;
    }
}

TEST(RawOffset, MapsEveryPlaceOfTheText) {
    RandomJson random(23);
    for (int round = 0; round < 2000; ++round) {
        const std::string quoted = random.string();
        const std::string_view raw = std::string_view(quoted).substr(1, quoted.size() - 2);
        const std::string text = unescaped(raw);
        for (size_t at = 0; at <= text.size(); ++at) {
            if (at < text.size() && (text[at] & 0xc0) == 0x80) continue;  // no place of a character
            const size_t offset = raw_offset(raw, at);
            EXPECT_EQ(unescaped(raw.substr(0, offset)), text.substr(0, at)) << raw;
            EXPECT_EQ(unescaped(raw.substr(offset)), text.substr(at)) << raw;
        }
        EXPECT_EQ(raw_offset(raw, text.size()), raw.size());
    }
    EXPECT_EQ(raw_offset(R"(a\u00e9b)", 2), 1u);  // the second byte of é: its escape begins at 1
}

TEST(Utf8Cut, NeverCutsACharacter) {
    const std::string_view text = "aé漢😀b";
    for (size_t wanted = 0; wanted <= text.size() + 2; ++wanted) {
        const size_t cut = utf8_cut(text, wanted);
        EXPECT_LE(cut, wanted);
        EXPECT_TRUE(Dom("\"" + std::string(text.substr(0, cut)) + "\"").valid()) << wanted;
        EXPECT_GE(cut + 4, std::min(wanted + 1, text.size()));
    }
    EXPECT_EQ(utf8_cut("\x80\x80\x80\x80\x80", 4), 4u);
}

}  // namespace
}  // namespace loom::llm
