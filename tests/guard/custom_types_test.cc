// Types that a configuration adds: what they find, by brute force, and that a cut text tells no less.
#include "loom/guard/custom_types.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "../sim/random.h"
#include "loom/guard/pii_scanner.h"
#include "repetition.h"
#include "stream_law.h"

namespace loom::guard::test {
namespace {

std::shared_ptr<const CustomTypes> compiled(std::vector<CustomType> types, uint32_t threads = 1) {
    for (size_t i = 0; i < types.size(); ++i)
        if (types[i].name.empty()) types[i].name = std::string("type_") + static_cast<char>('a' + i);
    auto made = CustomTypes::compile(types, threads);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().why);
    return made ? *made : nullptr;
}
PiiScanner only(std::vector<CustomType> types) { return PiiScanner(PiiTypes{}, {}, compiled(std::move(types))); }

/// "[...]" around each find.
std::string marked(const PiiScanner& scanner, std::string_view text) {
    std::string out;
    size_t at = 0;
    scanner.scan(text, [&](const PiiSpan& span) {
        out.append(text.substr(at, span.begin - at)).append("[").append(text.substr(span.begin, span.end - span.begin));
        out += ']';
        at = span.end;
    });
    return out.append(text.substr(at));
}

TEST(Repetitions, HaveAnEndAfterwards) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"a+", "a{1,9}"},
        {"a*b?", "a{0,9}b?"},
        {"a+?b*?", "a{1,9}?b{0,9}?"},
        {"a{2,}", "a{2,11}"},
        {"a{2,5}b{3}", "a{2,5}b{3}"},
        {"a{2,5}?+", "a{2,5}?{1,9}"},
        {"(ab)+", "(ab){1,9}"},
        {"[+*]+", "[+*]{1,9}"},
        {"[]+]*", "[]+]{0,9}"},
        {"[^]+]*", "[^]+]{0,9}"},
        {"[[:alpha:]+]*", "[[:alpha:]+]{0,9}"},
        {"[\\]+]+", "[\\]+]{1,9}"},
        {"\\+\\*+", "\\+\\*{1,9}"},
        {"\\Qa+b*\\E+", "\\Qa+b*\\E{1,9}"},
        {"(?#a+)b+", "(?#a+)b{1,9}"},
        {"(?i)(?:x)+", "(?i)(?:x){1,9}"},
        {"a++", "a{1,9}+"},
        {"{,3}{x}a{", "{,3}{x}a{"},
        {"[a+", "[a+"},
        {"a\\", "a\\"},
        {"\\Qa+", "\\Qa+"},
        {"", ""},
    };
    for (const auto& [pattern, bounded] : cases) EXPECT_EQ(bound_repetitions(pattern, 9), bounded) << pattern;
}

/// Any bytes: it ends, and does not change what it has bounded already.
TEST(Repetitions, AreBoundedOnce) {
    sim::Random random(3);
    constexpr std::string_view signs = "ab+*?{}[](),23\\QE#:^";
    for (int run = 0; run < 20000; ++run) {
        std::string pattern;
        for (uint64_t i = random.below(12); i > 0; --i) pattern += signs[random.below(signs.size())];
        const std::string once = bound_repetitions(pattern, 5);
        if (once.find("}+") != once.npos || once.find("?+") != once.npos) continue;  // what says how greedy it is
        ASSERT_EQ(bound_repetitions(once, 5), once) << pattern;
    }
}

TEST(CustomTypes, FindWhatIsAskedFor) {
    const PiiScanner project = only({{.pattern = "(?i)project\\s+titan"}});
    EXPECT_EQ(marked(project, "about Project  Titan, or PROJECT\ntitan; projecttitan"),
              "about [Project  Titan], or [PROJECT\ntitan]; projecttitan");
    const PiiScanner number = only({{.pattern = "\\bEMP-\\d{6}\\b"}});
    EXPECT_EQ(marked(number, "EMP-123456 EMP-1234567 xEMP-123456 (EMP-000000)"),
              "[EMP-123456] EMP-1234567 xEMP-123456 ([EMP-000000])");
    const PiiScanner words = only({{.words = {"titan", "blue moon", "C++", "Zo\xc3\xab"}}});
    EXPECT_EQ(marked(words, "Titan titans BLUE  MOON c++ c+ Zo\xc3\xab"),
              "[Titan] titans [BLUE  MOON] [c++] c+ [Zo\xc3\xab]");
    EXPECT_EQ(marked(only({{.pattern = "^begin"}}), "begin, begin"), "[begin], begin");
    EXPECT_EQ(marked(only({{.pattern = "end$"}}), "end, end"), "end, [end]");
    EXPECT_EQ(marked(only({{.pattern = "a.c"}}),
                     "abc a\nc a\x1e"
                     "c"),
              "[abc] a\nc a\x1e"
              "c")
        << "not over two texts";
    EXPECT_EQ(marked(only({{.pattern = "a[^x]c"}}),
                     "a\nc a\x1e"
                     "c"),
              "[a\nc] a\x1e"
              "c");
}

TEST(CustomTypes, CheckWhatIsToBeRight) {
    const PiiScanner luhn = only({{.pattern = "\\b\\d{15}\\b", .check = CustomCheck::luhn}});
    EXPECT_EQ(marked(luhn, "490154203237518 490154203237519"), "[490154203237518] 490154203237519");
    const PiiScanner verhoeff = only({{.pattern = "\\b\\d{4}\\b", .check = CustomCheck::verhoeff}});
    EXPECT_EQ(marked(verhoeff, "2363 2364"), "[2363] 2364");
    const PiiScanner mod_97 = only({{.pattern = "\\b\\d{4}-\\d{2}\\b", .check = CustomCheck::mod_97}});
    EXPECT_EQ(marked(mod_97, "0794-44 0794-45"), "[0794-44] 0794-45");  // ISO 7064's own example: 79444
    const PiiScanner mod_11_10 = only({{.pattern = "\\b\\d{5}\\b", .check = CustomCheck::mod_11_10}});
    EXPECT_EQ(marked(mod_11_10, "07945 07946"), "[07945] 07946");  // likewise
}

TEST(CustomTypes, AreRefusedWithTheReason) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"a(", "Missing close parenthesis"},
        {"(a)\\1", "Back-references"},
        {"(?=a)b", "Zero-width"},
        {"a?", "it matches where nothing stands"},
        {"(\\w+\\.)+x", "bytes, and 512 are the most"},
        {"a{600}", "bytes, and 512 are the most"},
        {"(*UTF8)a", "verbs"},
        {"[a", "Unterminated"},
    };
    for (const auto& [pattern, why] : cases) {
        const auto made =
            CustomTypes::compile({{.name = "a", .pattern = "fine"}, {.name = "b", .pattern = std::string(pattern)}}, 1);
        ASSERT_FALSE(made.has_value()) << pattern;
        EXPECT_EQ(made.error().index, 1u) << pattern;
        EXPECT_NE(made.error().why.find(why), std::string::npos) << pattern << ": " << made.error().why;
    }
}

/// Every byte that any match covers, for expressions whose matches end and begin in all ways.
TEST(CustomTypes, FindEveryByteThatAMatchCovers) {
    const char* const patterns[] = {"a{2,4}", "ab|bcd",   "a[bc]{0,3}d", "(a|bc){1,3}",
                                    "abcd|b", "[abc]{3}", "c{1,9}",      "ca?c?a"};
    sim::Random random(5);
    for (const char* const pattern : patterns) {
        const std::regex reference(pattern);
        const PiiScanner scanner = only({{.pattern = pattern}});
        for (int run = 0; run < 150; ++run) {
            std::string text;
            for (uint64_t i = random.between(1, 40); i > 0; --i) text += "abcd"[random.below(4)];
            std::vector<bool> covered(text.size()), found(text.size());
            for (size_t begin = 0; begin < text.size(); ++begin)
                for (size_t end = begin + 1; end <= std::min(text.size(), begin + 12); ++end)
                    if (std::regex_match(text.substr(begin, end - begin), reference))
                        std::fill(covered.begin() + static_cast<ptrdiff_t>(begin),
                                  covered.begin() + static_cast<ptrdiff_t>(end), true);
            size_t last = 0;
            for (const PiiSpan& span : whole(scanner, text)) {
                ASSERT_GE(span.begin, last);
                last = span.end;
                std::fill(found.begin() + static_cast<ptrdiff_t>(span.begin),
                          found.begin() + static_cast<ptrdiff_t>(span.end), true);
            }
            ASSERT_EQ(found, covered) << pattern << " in " << text;
        }
    }
}

const PiiScanner& mixed() {
    static const PiiScanner scanner(PiiTypes::all(), {},
                                    compiled({{.pattern = "\\d{3,5}"},
                                              {.pattern = "(?i)project\\s+titan", .repeat_max = 6},
                                              {.pattern = "\\bx{1,3}\\b"},
                                              {.pattern = "[a-c]+@"},
                                              {.words = {"ann", "caf\xc3\xa9", "blue moon"}},
                                              {.pattern = "^to|moon$"},
                                              {.pattern = "\\d{4}-\\d{4}", .check = CustomCheck::luhn}}));
    return scanner;
}

std::string draw(sim::Random& random, size_t pieces) {
    constexpr std::string_view parts[] = {"a",
                                          "b",
                                          "c@",
                                          "ann",
                                          "@example.org",
                                          " ",
                                          "\n",
                                          "x",
                                          "xx",
                                          "12",
                                          "7",
                                          "4111 1111 1111 1111",
                                          "Project",
                                          "  ",
                                          "Titan",
                                          "caf",
                                          "\xc3\xa9",
                                          "\xe4\xbd\xa0",
                                          "\xf0\x9f\x98\x80",
                                          "\x80",
                                          "\x1e",
                                          "to",
                                          "blue",
                                          "moon",
                                          "1234-5674",
                                          "https://ann:pw@h.example",
                                          "-",
                                          "word",
                                          "+49 30 1234567"};
    std::string text;
    for (size_t i = 0; i < pieces; ++i) text += parts[random.below(std::size(parts))];
    return text;
}

TEST(CustomTypes, InAStreamFindWhatTheWholeTextHas) {
    sim::Random random(41);
    for (int run = 0; run < 400; ++run) {
        SCOPED_TRACE(run);
        cut_everywhere(mixed(), draw(random, random.between(1, 14)), 40);
        if (HasFatalFailure()) return;
    }
}

TEST(CustomTypes, InALongStreamToo) {
    sim::Random random(43);
    for (int run = 0; run < 30; ++run) {
        std::string text = draw(random, 600);
        if (run % 3 == 0) text.insert(random.below(text.size()), std::string(random.between(1000, 9000), '7'));
        const auto expected = whole(mixed(), text);
        for (int times = 0; times < 4; ++times) {
            std::vector<size_t> cuts;
            for (size_t at = random.below(40); at < text.size(); at += random.between(1, 200)) cuts.push_back(at);
            expect_same(mixed(), text, expected, cuts);
            if (HasFatalFailure()) return;
        }
    }
}

TEST(CustomTypes, InAStreamFindWhatTheWholeTextHas_WhateverIsStricter) {
    sim::Random random(47);
    for (int run = 0; run < 150; ++run) {
        PiiStrictness strictness;
        for (uint8_t& of_type : strictness) of_type = static_cast<uint8_t>(random.below(3));
        const PiiScanner scanner(PiiTypes::all(), strictness, mixed().custom());
        cut_everywhere(scanner, draw(random, random.between(2, 14)), 40);
        if (HasFatalFailure()) return;
    }
}

/// What overlaps without end is several finds, and nothing of it is left out.
TEST(CustomTypes, ARunWithoutEndIsCoveredByFindsOfABoundedLength) {
    const PiiScanner scanner = only({{.pattern = "\\d{3,5}"}});
    for (const size_t size : {2047u, 2048u, 2049u, 5000u, 100'000u}) {
        const std::string text = "a" + std::string(size, '7') + "b";
        uint64_t at = 1;
        for (const PiiSpan& span : whole(scanner, text)) {
            EXPECT_EQ(span.begin, at);
            EXPECT_LE(span.end - span.begin, CustomTypes::run_bytes_max);
            at = span.end;
        }
        EXPECT_EQ(at, size + 1);
    }
}

/// Sixteen types that match everywhere: more in a chunk than a batch has room for.
TEST(CustomTypes, ManyMatchesAreNoFewer) {
    std::vector<CustomType> types;
    for (uint32_t i = 0; i < custom_type_count_max; ++i) types.push_back({.pattern = std::string(i % 4 + 1, '.')});
    const PiiScanner scanner = only(std::move(types));
    const std::string text(20'000, 'x');
    uint64_t covered = 0;
    for (const PiiSpan& span : whole(scanner, text)) covered += span.end - span.begin;
    EXPECT_EQ(covered, text.size());
}

}  // namespace
}  // namespace loom::guard::test
