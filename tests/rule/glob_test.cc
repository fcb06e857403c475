// The automaton against the plain reading of a pattern.
#include "glob.h"

#include <gtest/gtest.h>

#include <string>

#include "../sim/random.h"

namespace loom::rule {
namespace {

bool matches(std::string_view pattern, std::string_view text) {
    const auto glob = Glob::compile(pattern);
    EXPECT_TRUE(glob.has_value()) << pattern;
    return glob && glob->matches(text);
}

bool goes_on(char c) { return (c & 0xc0) == 0x80; }

/// As the documentation says it, with all the backtracking that the automaton does without.
bool reads(std::string_view pattern, std::string_view text) {
    if (pattern.empty()) return text.empty();
    if (pattern[0] == '*') return reads(pattern.substr(1), text) || (!text.empty() && reads(pattern, text.substr(1)));
    if (text.empty()) return false;
    const auto behind_character = [&](std::string_view rest) {
        for (size_t length = 1;; ++length) {
            if (reads(rest, text.substr(length))) return true;
            if (length == text.size() || !goes_on(text[length])) return false;
        }
    };
    if (pattern[0] == '?') return !goes_on(text[0]) && behind_character(pattern.substr(1));
    if (pattern[0] != '[') return pattern[0] == text[0] && reads(pattern.substr(1), text.substr(1));
    size_t at = 1;
    const bool negated = pattern[at] == '!';
    at += negated;
    bool member = false;
    for (bool first = true; first || pattern[at] != ']'; first = false) {
        const char low = pattern[at];
        char high = low;
        if (pattern[at + 1] == '-' && pattern[at + 2] != ']') {
            high = pattern[at + 2];
            at += 2;
        }
        at += 1;
        member |= text[0] >= low && text[0] <= high;
    }
    if (goes_on(text[0]) || member == negated) return false;
    return negated ? behind_character(pattern.substr(at + 1)) : reads(pattern.substr(at + 1), text.substr(1));
}

TEST(Glob, ReadsStarsQuestionMarksAndClasses) {
    EXPECT_TRUE(matches("gpt-4*", "gpt-4"));
    EXPECT_TRUE(matches("gpt-4*", "gpt-4o-mini"));
    EXPECT_FALSE(matches("gpt-4*", "my-gpt-4"));
    EXPECT_TRUE(matches("*", ""));
    EXPECT_TRUE(matches("**a**", "bab"));
    EXPECT_FALSE(matches("", "x"));
    EXPECT_TRUE(matches("", ""));
    EXPECT_TRUE(matches("gpt-[345]*", "gpt-5"));
    EXPECT_FALSE(matches("gpt-[!345]*", "gpt-5"));
    EXPECT_TRUE(matches("[a-z]?[0-9-]", "xy-"));
    EXPECT_TRUE(matches("[]]", "]"));
    EXPECT_TRUE(matches("[[*?]", "*"));
    EXPECT_TRUE(matches("*.example.com", "api.example.com"));
}

TEST(Glob, AQuestionMarkIsACharacterNotAByte) {
    EXPECT_TRUE(matches("caf?", "café"));
    EXPECT_FALSE(matches("caf??", "café"));
    EXPECT_TRUE(matches("?", "漢"));
    EXPECT_TRUE(matches("[!a]x", "éx"));
    EXPECT_TRUE(matches("é?", "é漢"));
}

TEST(Glob, RefusesWhatItCannotMean) {
    for (const char* pattern : {"[", "[a", "[!", "[]", "a[b-", "[z-a]", "[é]", "[a-é]"})
        EXPECT_FALSE(Glob::compile(pattern)) << pattern;
    EXPECT_TRUE(Glob::compile(std::string(63, 'a')));
    EXPECT_FALSE(Glob::compile(std::string(64, 'a')));
    EXPECT_TRUE(matches(std::string(63, '?') + "*", std::string(63, 'a')));
    EXPECT_FALSE(matches(std::string(63, '?'), std::string(64, 'a')));
}

TEST(Glob, DoesAsItsPlainReading) {
    constexpr std::string_view pieces[] = {"a", "b", "c", "*", "?", "[ab]", "[!a]", "[a-c]", "é", "*a", "?*"};
    constexpr std::string_view characters[] = {"a", "b", "c", "é", "漢", "\x80", "\xff"};
    sim::Random random(20261121);
    for (int i = 0; i < 60'000; ++i) {
        std::string pattern, text;
        for (uint64_t n = random.below(7); n > 0; --n) pattern += pieces[random.below(std::size(pieces))];
        for (uint64_t n = random.below(9); n > 0; --n) text += characters[random.below(std::size(characters))];
        ASSERT_EQ(matches(pattern, text), reads(pattern, text)) << '"' << pattern << "\" on \"" << text << '"';
    }
}

TEST(Glob, TakesTimeByTheTextAlone) {
    // What a backtracking reader would not finish in this universe.
    std::string pattern;
    for (int i = 0; i < 30; ++i) pattern += "*a?";
    const std::string text(1 << 20, 'a');
    EXPECT_FALSE(matches(pattern + "b", text));
}

}  // namespace
}  // namespace loom::rule
