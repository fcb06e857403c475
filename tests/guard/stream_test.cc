// The law of streams: however a text is cut, what is told is what the whole text has.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../sim/random.h"
#include "labelled.h"
#include "loom/guard/pii_scanner.h"
#include "stream_law.h"

namespace loom::guard::test {
namespace {

const PiiScanner& everything() {
    static const PiiScanner scanner(PiiTypes::all());
    return scanner;
}

TEST(PiiStream, EqualsTheWholeTextForEveryLabelledTextAndCut) {
    const char* const folder = std::getenv("GUARD_LABELLED");
    ASSERT_NE(folder, nullptr);
    const auto texts = read_labelled(folder);
    ASSERT_GT(texts.size(), 100u);
    for (const LabelledText& labelled : texts) {
        cut_everywhere(everything(), labelled.text, 90);
        if (HasFatalFailure()) return;
    }
}

/// Texts of what finders look at, glued together by chance.
std::string draw(sim::Random& random, size_t pieces) {
    constexpr std::string_view parts[] = {"a@b.co",
                                          "@",
                                          ".",
                                          "-",
                                          "_",
                                          "+49 30 1234567",
                                          "(555) 123-4567",
                                          " ",
                                          " ",
                                          "\n",
                                          "4111 1111 1111 1111",
                                          "4111111111111111",
                                          "DE89 3704 0044 0532 0130 00",
                                          "GB82WEST12345698765432",
                                          "123-45-6789",
                                          "10.0.0.1",
                                          "2001:db8::1",
                                          ":",
                                          "::",
                                          "=",
                                          "password=",
                                          "token: \"",
                                          "aB3dE5gH7jK9mN1pQ",
                                          "\"",
                                          "sk-",
                                          "AKIAIOSFODNN7EXAMPL3",
                                          "ghp_",
                                          "eyJhbGciOiJIUzI1NiJ9",
                                          ".eyJzdWIiOiIxMjM0In0",
                                          ".c2lnbmF0dXJlc2lnbmF0dXJl",
                                          "-----BEGIN PRIVATE KEY-----",
                                          "\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
                                          "-----END PRIVATE KEY-----",
                                          "https://u:pw@h.example/",
                                          "AB 12 34 56 C",
                                          "AB123456C",
                                          "00-1A-2B-3C-4D-5E",
                                          "00:1a:2b:3c:4d:5e",
                                          "12345678Z",
                                          "X1234567L",
                                          "bc1q",
                                          "phone ",
                                          "RSSMRA85T10A562S",
                                          "123.456.789-09",
                                          "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
                                          "0x",
                                          "\xc3\xa9",
                                          "\xe4\xbd\xa0",
                                          "\xf0\x9f\x98\x80",
                                          "\xf0\x9f",
                                          "\x80",
                                          "7",
                                          "42",
                                          "x",
                                          "word",
                                          "(",
                                          ")",
                                          "+",
                                          "'",
                                          "/",
                                          "//",
                                          "2A"};
    std::string text;
    for (size_t i = 0; i < pieces; ++i) text += parts[random.below(std::size(parts))];
    return text;
}

TEST(PiiStream, EqualsTheWholeTextForTextsDrawnByChance) {
    sim::Random random(2026);
    for (int run = 0; run < 1500; ++run) {
        SCOPED_TRACE(run);
        cut_everywhere(everything(), draw(random, random.between(1, 14)), 40);
        if (HasFatalFailure()) return;
    }
}

TEST(PiiStream, EqualsTheWholeTextWhereItForgetsWhatIsBehind) {
    sim::Random random(11);
    for (int run = 0; run < 60; ++run) {
        const std::string text = draw(random, 400);
        const auto expected = whole(everything(), text);
        for (int times = 0; times < 8; ++times) {
            std::vector<size_t> cuts;
            for (size_t at = random.below(40); at < text.size(); at += random.between(1, 60)) cuts.push_back(at);
            expect_same(everything(), text, expected, cuts);
            if (HasFatalFailure()) return;
        }
    }
}

PiiStrictness stricter(PiiType type) {
    PiiStrictness strictness{};
    strictness[static_cast<size_t>(type)] = 2;
    return strictness;
}

TEST(PiiScanner, OfFindsThatOverlapTheStricterIsTold) {
    const std::string_view text = "see https://ann:secret@example.org/x";
    PiiTypes types;
    types.add(PiiType::email);
    types.add(PiiType::url_credentials);
    EXPECT_EQ(whole(PiiScanner(types), text), (std::vector<PiiSpan>{{4, 34, PiiType::url_credentials}}));
    EXPECT_EQ(whole(PiiScanner(types, stricter(PiiType::email)), text),
              (std::vector<PiiSpan>{{16, 34, PiiType::email}}));
    EXPECT_EQ(whole(PiiScanner(types, stricter(PiiType::url_credentials)), text),
              (std::vector<PiiSpan>{{4, 34, PiiType::url_credentials}}));
}

TEST(PiiStream, EqualsTheWholeTextWhateverIsStricter) {
    sim::Random random(77);
    for (int run = 0; run < 300; ++run) {
        PiiStrictness strictness;
        for (uint8_t& of_type : strictness) of_type = static_cast<uint8_t>(random.below(3));
        const PiiScanner scanner(PiiTypes::all(), strictness);
        cut_everywhere(scanner, draw(random, random.between(2, 14)), 40);
        if (HasFatalFailure()) return;
    }
}

TEST(PiiStream, HoldsPlainProseForLessThanAWord) {
    Told told;
    PiiStream stream(everything());
    for (std::string_view piece : {"The quick brown ", "fox jumps over the la", "zy dog. Then it slept"}) {
        stream.feed(piece, told);
        EXPECT_LE(stream.held_bytes(), 5u) << piece;
    }
    stream.finish(told);
    EXPECT_EQ(told.stream, "The quick brown fox jumps over the lazy dog. Then it slept");
}

TEST(PiiStream, TellsAMailAddressWhenItsEndHasCome) {
    Told told;
    PiiStream stream(everything());
    stream.feed("mail ann@exam", told);
    EXPECT_EQ(told.stream, "mail ");
    stream.feed("ple.org now", told);
    ASSERT_EQ(told.spans.size(), 1u);
    EXPECT_EQ(told.spans[0], (PiiSpan{5, 20, PiiType::email}));
    EXPECT_EQ(told.stream, "mail ann@example.org ");
    stream.finish(told);
}

TEST(PiiStream, TextNeverEndsInsideACharacter) {
    struct Whole final : PiiStreamSink {
        void text(std::string_view part) override { ASSERT_NE(static_cast<unsigned char>(part.front()) & 0xc0, 0x80); }
        void found(const PiiSpan&, std::string_view) override {}
    } sink;
    PiiStream stream(everything());
    for (char c : std::string_view("caf\xc3\xa9 \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80!"))
        stream.feed({&c, 1}, sink);
    stream.finish(sink);
}

TEST(PiiStream, NeverHoldsMoreThanItSays) {
    for (std::string_view endless :
         {"eyJ", "-----BEGIN PRIVATE KEY-----\n", "ya29.", "password=", "a", "1", "https://u:"}) {
        Told told;
        PiiStream stream(everything());
        stream.feed(endless, told);
        for (int i = 0; i < 400; ++i) {
            stream.feed("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", told);
            ASSERT_LE(stream.held_bytes(), stream.held_bytes_max()) << endless;
        }
        stream.finish(told);
    }
}

}  // namespace
}  // namespace loom::guard::test
