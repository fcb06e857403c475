// Two halves of a text, the second of which may begin before the first has ended: together they are the text once.
#include "seam.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loom::llm {
namespace {

std::string joined(std::string_view said, std::string_view more, size_t unseen, std::string_view second = {}) {
    std::string fresh;
    Seam seam(said, unseen);
    seam.take(more, fresh);
    seam.take(second, fresh);
    seam.end(fresh);
    return std::string(said) + fresh;
}

const std::string prose =
    "Loom weaves words. Der Fluß läuft über die Brücke, während 雨が静かに降る upon tin roofs;\n\n\t- first \"quoted\" "
    "entry\n\t- second: f(x) = {1, 2};\nNobody knows why.";

bool is_border(std::string_view text, size_t at) {
    return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}
bool begins_word(std::string_view text, size_t at) {
    const auto of_word = [](char c) { return static_cast<signed char>(c) < 0 || std::isalnum(c) != 0; };
    return of_word(text[at]) && (at == 0 || !of_word(text[at - 1]));
}
size_t word_bytes(std::string_view text) {
    size_t count = 0;
    for (const char c : text) count += static_cast<signed char>(c) < 0 || std::isalnum(c) != 0 ? 1 : 0;
    return count;
}

TEST(Seam, EveryCutThatGoesOnExactly) {
    for (size_t cut = 0; cut <= prose.size(); ++cut) {
        if (!is_border(prose, cut)) continue;
        for (size_t split = cut; split <= prose.size(); ++split)
            ASSERT_EQ(joined(prose.substr(0, cut), prose.substr(cut, split - cut), 0, prose.substr(split)), prose)
                << "cut at " << cut << ", its rest at " << split;
    }
}

TEST(Seam, EveryCutAndEveryWordBeforeItFromWhichItGoesOn) {
    for (size_t cut = 0; cut <= prose.size(); ++cut) {
        if (!is_border(prose, cut)) continue;
        for (size_t from = 0; from < cut; ++from) {
            const std::string_view shared = std::string_view(prose).substr(from, cut - from);
            const bool long_enough =
                shared.size() >= Seam::shared_bytes_min && word_bytes(shared) >= Seam::shared_bytes_min / 2;
            const bool a_word = begins_word(prose, from) && word_bytes(shared) >= Seam::word_bytes_min;
            if (!is_border(prose, from) || !(long_enough || a_word || from == 0)) continue;
            const std::string rest = prose.substr(from);
            for (size_t split = 0; split <= rest.size(); split += 1 + split / 8)
                ASSERT_EQ(joined(prose.substr(0, cut), rest.substr(0, split), 0, rest.substr(split)), prose)
                    << "cut at " << cut << ", on from " << from << ", its rest at " << split;
        }
    }
}

TEST(Seam, WhiteSpaceThatWasNotShownMayComeAgain) {
    for (const char* const space : {" ", "\n\n", " \n"}) {
        const std::string said = "A list:" + std::string(space);
        const size_t unseen = std::string_view(space).size();
        EXPECT_EQ(joined(said, std::string(space) + "one", unseen), said + "one");
        EXPECT_EQ(joined(said, "one", unseen), said + "one");
        EXPECT_EQ(joined(said, "list:" + std::string(space) + "one", unseen), said + "one");
    }
}

TEST(Seam, WhatMayBeMeantIsNoRepetition) {
    EXPECT_EQ(joined("hel", "lo", 0), "hello") << "a letter";
    EXPECT_EQ(joined("Wait..", ". And", 0), "Wait... And");
    EXPECT_EQ(joined("        }\n    }\n", "    }\n}", 0), "        }\n    }\n    }\n}") << "brackets of code";
    EXPECT_EQ(joined("1, 1, ", "1, 1", 0), "1, 1, 1, 1");
    EXPECT_EQ(joined("It ended.", ".", 0), "It ended..");
}

TEST(Seam, ARestThatIsOnlyARepetitionIsNothing) {
    EXPECT_EQ(joined("All was said.", "All was said.", 0), "All was said.");
    EXPECT_EQ(joined("All was said.", "was said.", 0), "All was said.");
    EXPECT_EQ(joined("All was said.", "", 0), "All was said.");
}

TEST(Seam, ARestThatStopsWithinARepetitionOfTheMiddleIsNew) {
    EXPECT_EQ(joined("Alpha beta gamma. ", "Alpha beta", 0), "Alpha beta gamma. Alpha beta");
}

/// By its bound of tokens, say: nothing of it is new.
TEST(Seam, ALongRepetitionThatStopsBeforeTheEndIsNone) {
    std::string said;
    for (int i = 0; i < 60; ++i) said += "word " + std::to_string(i) + ", ";
    for (size_t bytes = Seam::stopped_bytes_min; bytes < said.size(); ++bytes)
        ASSERT_EQ(joined(said, said.substr(0, bytes), 0), said) << bytes;
}

/// Each shorter end is the end of a longer one that was no repetition either.
TEST(Seam, ManyBytesThatAreNoWordsTakeNoLonger) {
    const std::string dashes(400'000, '-');
    EXPECT_EQ(joined("x" + dashes, dashes + "y", 0).size(), 2 + 2 * dashes.size());
}

TEST(Seam, OnlyWhatMayBeARepetitionIsHeldBack) {
    std::string fresh;
    Seam seam("The cat sat on the mat and", 0);
    seam.take("the ", fresh);
    EXPECT_EQ(fresh, "") << "as in 'the mat and'";
    seam.take("d", fresh);
    EXPECT_EQ(fresh, "the d");
    seam.take("og", fresh);
    EXPECT_EQ(fresh, "the dog");
}

/// Against the plain way: all suffixes, the longest first.
TEST(Seam, ShortTextsOfTwoLettersAsThePlainWayHasIt) {
    const auto words = [](unsigned bits, int length) {
        std::string text;
        for (int i = 0; i < length; ++i) text += (bits >> i & 1) != 0 ? "abcdefgh " : "ijklmnop ";
        return text;
    };
    for (int said_length = 0; said_length <= 5; ++said_length)
        for (unsigned said_bits = 0; said_bits < 1u << said_length; ++said_bits)
            for (int more_length = 0; more_length <= 5; ++more_length)
                for (unsigned more_bits = 0; more_bits < 1u << more_length; ++more_bits) {
                    const std::string said = words(said_bits, said_length), more = words(more_bits, more_length);
                    size_t shared = std::min(said.size(), more.size());
                    while (shared > 0 && !(said.ends_with(more.substr(0, shared)) && shared % 9 == 0)) --shared;
                    for (size_t split = 0; split <= more.size(); split += 5)
                        ASSERT_EQ(joined(said, more.substr(0, split), 0, more.substr(split)),
                                  said + more.substr(shared))
                            << said << "| " << more;
                }
}

}  // namespace
}  // namespace loom::llm
