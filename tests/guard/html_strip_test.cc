#include "loom/guard/html_strip.h"

#include <gtest/gtest.h>

#include <random>

#include "html_fixture.h"

namespace loom::guard {
namespace {

using namespace test;
using enum HtmlMode;

struct Case {
    std::string text, told;
};

void expect(HtmlMode mode, const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        uint32_t count = 0;
        const std::string told = stripped(mode, one.text, {}, false, &count);
        EXPECT_EQ(told, one.told) << one.text;
        EXPECT_EQ(count > 0, one.told != one.text) << one.text;
        EXPECT_EQ(fault_of(mode, told), "") << told;
        EXPECT_EQ(stripped(mode, told), told) << one.text;
    }
}

TEST(HtmlStrip, WhatBeginsNoTagStays) {
    for (const HtmlMode mode : {scripts, all})
        for (const std::string_view text :
             {"a < b and c > d", "x <3 you", "1<2", "<<< here", "<-- no", "<=>", "if (a <= b && c >= d)", "",
              "<\xc3\xa4>", "\\u003cscript>", "&lt;script&gt;", "<\t", "< script>alert(1)</ x", "<$x>", "<_>"})
            if (!std::string_view(text).contains("</")) EXPECT_EQ(stripped(mode, text), text);
}

TEST(HtmlStrip, ElementsThatActGo) {
    expect(scripts,
           {
               {"a<script>alert(1)</script>b", "ab"},
               {"a<ScRiPt/x src=//evil.test>x</script >b", "ab"},
               {"a<script\n>if (a<b) x();</SCRIPT\t\nfoo>b", "ab"},
               {"<script>'</script'+'>'</script>x", "x"},
               {"<script><!--<script></script>--></script>x", "-->x"},
               {"a<style>b{}</style>c", "ac"},
               {"a<iframe src=x>y</iframe>b", "ayb"},
               {"<object data=x><embed src=y></object>", ""},
               {"<link rel=stylesheet href=//x><meta http-equiv=refresh content=0><base href=//x>", ""},
               {"<form action=x><input name=pw><button>go</button></form>", "go"},
               {"<svg onload=alert(1)>", ""},
               {"<svg/onload=alert(1)><animate attributeName=href values=javascript:1 /></svg>", ""},
               {"<math href=javascript:alert(1)>x</math>", "x"},
               {"<svg:script>x</svg:script>", "x"},
               {"<javascript:alert(1)>", ""},
               {"<JAVASCRIPT:alert(1)//x>y", "y"},
               {"<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "< p title=\"<img src=x >\">"},
               {"</script>x", "x"},
           });
}

TEST(HtmlStrip, AttributesThatAreCodeGo) {
    expect(scripts, {
                        {"<img src=x onerror=alert(1)>", "<img src=x >"},
                        {"<img src=x oNeRrOr = 'alert(1)' alt=y>", "<img src=x  alt=y>"},
                        {"<img/src=\"x\"onerror=\"alert(1)\"alt=y>", "<img/src=\"x\"alt=y>"},
                        {"<a href=\"javascript:alert(1)\">x</a>", "<a >x</a>"},
                        {"<a href=' \n java\tscript&colon;alert(1)'>x</a>", "<a >x</a>"},
                        {"<a href=&#106;avascript:x>y</a>", "<a >y</a>"},
                        {"<a href=&#x6Aavascript:x>y</a>", "<a href=&#x6Aavascript:x>y</a>"},  // U+6AA
                        {"<a href=&#0000106avascript:x>y</a>", "<a >y</a>"},
                        {"<a href='&Tab;vbscript&#58;x'>y</a>", "<a >y</a>"},
                        {"<a xlink:href=javascript:x>y</a>", "<a >y</a>"},
                        {"<a href=data:text/html,x>y</a>", "<a >y</a>"},
                        {"<img src='data:image/svg+xml;base64,AA'>", "<img >"},
                        {"<img src='data:image/png;base64,AA=='>", "<img src='data:image/png;base64,AA=='>"},
                        {"<p srcdoc='x' style=\"position:fixed\" class=c>", "<p   class=c>"},
                        {"<p id=a formaction=x>", "<p id=a >"},
                        {"<a href onclick=x =\"javascript:y\">", "< a href onclick=x =\"javascript:y\">"},
                        {"<p title='javascript: the good parts'>", "<p title='javascript: the good parts'>"},
                        {"<p onclick>", "<p onclick>"},
                        {"<p on=5 once=2>", "<p on=5 >"},
                        {"<img src=x`onerror=y>", "< img src=x`onerror=y>"},
                        {"<img alt=x\"onerror=y\">", "< img alt=x\"onerror=y\">"},
                        {std::string("<p a\0=b>", 8), std::string("< p a\0=b>", 9)},
                    });
}

TEST(HtmlStrip, HarmlessMarkupStays) {
    for (const std::string_view text :
         {"<p>a <b>b</b><br/></p>", "<a href=\"https://example.com/?a=b&c=d\" title=x>y</a>",
          "vector<int> v; List<String> w", "#include <stdio.h>", "<!-- note --><!DOCTYPE html><?xml version=\"1.0\"?>",
          "<details open><summary>x</summary>", "<https://example.com/a?b=c> <ann@example.org>",
          "<img src=a.png alt='a > b'>", "</3 x>", "<think>x</think>", "<a href=mailto:x>y</a>", "if (a<b && c>d)",
          "<>", "</>"})
        EXPECT_EQ(stripped(scripts, text), text);
}

TEST(HtmlStrip, OfAllOnlyTextIsLeft) {
    expect(all, {
                    {"<p>a <b class=\"x > y\">b</b></p> c", "a b c"},
                    {"a<!-- x <b> -- > y -->b<!-->c<!--->d<!--x--!>e", "abcde"},
                    {"a<!DOCTYPE html><?php echo 1; ?>b</3>c<![CDATA[x]]>d", "abcd"},
                    {"a<script>x<y</script>b<style>y</style>c", "abc"},
                    {"see <https://example.com/?a=b> or <ann@example.org>",
                     "see https://example.com/?a=b or ann@example.org"},
                    {"<a href=mailto:ann@example.org>mail</a>", "mail"},
                    {"vector<int> v", "vector v"},
                    {"x</>y", "xy"},
                });
}

TEST(HtmlStrip, TakingOutMakesNoTag) {
    expect(scripts, {
                        {"<<script>x</script>script>alert(1)", "< script>alert(1)"},
                        {"<scr<script></script>ipt>", "< script>"},
                        {"<<svg>svg onload=x>", "< svg onload=x>"},
                        {"<<<form><form>form>", "<< form>"},
                        {"</<form>script>", "< /script>"},
                        {"<!<form>-- x", "< !-- x"},
                        {std::string("<\0<form>form>", 13), std::string("<\0 form>", 8)},
                    });
    expect(all, {
                    {"<<b>script>alert(1)", "< script>alert(1)"},
                    {"<scr<b>ipt>", "< script>"},
                    {"<<https://x>", "< https://x"},
                    {"<<!---->script>", "< script>"},
                });
}

/// Nothing is lost of it, and it begins nothing.
TEST(HtmlStrip, WhatIsNotWholeIsBroken) {
    expect(scripts, {
                        {"see <a href=\"https://x", "see < a href=\"https://x"},
                        {"<img src=x onerror=alert(1)", "< img src=x onerror=alert(1)"},
                        {"the <script> tag and more", "the  tag and more"},
                        {"the <script> and the <style> tag, <b onclick=x>y</b>", "the  and the  tag, <b >y</b>"},
                        {"a <!-- never <b onclick=x>closed</b>", "a < !-- never <b >closed</b>"},
                        {"</", "< /"},
                        {"for (i=0;i<n;i++) if (i<m) x->y", "for (i=0;i< n;i++) if (i<m) x->y"},
                        {"Map<String, List<Integer>> m", "Map< String, List<Integer>> m"},
                        {std::string("<\0script>x", 10), std::string("< \0script>x", 11)},
                    });
    expect(all, {{"<img src=x onerror=alert(1)", "< img src=x onerror=alert(1)"}, {std::string("<\0b>x", 5), "x"}});
    const std::string filler(HtmlStrip::tag_bytes_max, 'x');
    expect(scripts, {{"<a title=\"" + filler + "\">y", "< a title=\"" + filler + "\">y"},
                     {"<!--" + filler + "-->", "< !--" + filler + "-->"},
                     {"<script>" + filler + "<b onclick=z>y</script>!", filler + "<b >y!"},
                     {"<style>" + filler + "</style><script>a<b</script>!", filler + "a< b!"}});
    const std::string fits(HtmlStrip::tag_bytes_max - 6, 'x');
    EXPECT_EQ(stripped(scripts, "<a b=" + fits + ">"), "<a b=" + fits + ">");
    EXPECT_EQ(stripped(all, "<a b=" + fits + ">y"), "y");
}

TEST(HtmlStrip, ValuesThatArePutBackMakeNone) {
    EXPECT_EQ(stripped(scripts, "<[NAME_1] x>", {}, true), "< [NAME_1] x>");
    EXPECT_EQ(stripped(scripts, "<a title='[NAME_1]'>[NAME_1]<b>", {}, true), "< a title='[NAME_1]'>[NAME_1]<b>");
    EXPECT_EQ(stripped(scripts, "<!-- [NAME_1] -->x", {}, true), "x");
    EXPECT_EQ(stripped(all, "<x[NAME_1]@a>y", {}, true), "y");
}

/// A character is written as an escape, or as several bytes: what stays is written as it came.
TEST(HtmlStrip, WhatStaysIsWrittenAsItCame) {
    BlockPool pool;
    ByteBuffer out(pool);
    HtmlStrip strip(scripts, pool);
    const std::pair<char, std::string_view> units[] = {
        {'<', "\\u003c"}, {'p', "p"}, {' ', " "},       {'o', "\\u006f"}, {'n', "n"},    {'x', "x"}, {'=', "="},
        {'1', "1"},       {' ', " "}, {'a', "\\u0061"}, {'=', "="},       {'\x80', "é"}, {'>', ">"},
    };
    for (const auto& [c, written] : units) strip.put(c, written, out);
    strip.end(out);
    EXPECT_EQ(out.view(), "\\u003cp  \\u0061=é>");
}

/// Others may put the next text right behind it.
TEST(HtmlStrip, NoTextEndsWithAnOpenOne) {
    for (const HtmlMode mode : {scripts, all})
        expect(mode, {{"<", "< "}, {"a <", "a < "}, {"<<", "<< "}, {"a <\x01", "a < \x01"}, {"<svg><", "< "}});
    EXPECT_EQ(stripped(scripts, "<", {}, true), "< ");
    EXPECT_EQ(stripped(scripts, "<!-- x <"), "< !-- x < ");
}

constexpr std::string_view parts[] = {
    "<",
    ">",
    "/",
    "script",
    "</script",
    "<script>",
    "<!--",
    "-->",
    "--!>",
    "<b",
    " onclick",
    "=",
    "\"",
    "'",
    "x",
    " ",
    "\n",
    "`",
    "<svg",
    "<a href=",
    "javascript:",
    "&#106;avascript&colon;",
    "<?",
    "<!",
    "</",
    "style",
    "<style>",
    "</style>",
    "[X_1]",
    "!",
    "-",
    "a<b",
    " title=",
    "data:text/html,",
    "\t",
    "<iframe ",
    "</b>",
    "@",
    "://",
    "s",
    std::string_view("\0", 1),
    "\x01",
    "\xc3\xa9",
    "<p/",
    "srcdoc",
    "=x ",
};

std::string drawn(std::mt19937& random) {
    std::string text;
    for (size_t i = 0, n = 1 + random() % 14; i < n; ++i) text += parts[random() % std::size(parts)];
    return text;
}

void expect_law(HtmlMode mode, const std::string& text, bool placeholders) {
    const std::string whole = stripped(mode, text, {}, placeholders);
    ASSERT_EQ(fault_of(mode, whole), "") << testing::PrintToString(text) << " → " << testing::PrintToString(whole);
    ASSERT_EQ(stripped(mode, whole, {}, placeholders), whole) << testing::PrintToString(text);
    for (size_t cut = 0; cut <= text.size(); ++cut) ASSERT_EQ(stripped(mode, text, {cut}, placeholders), whole);
}

TEST(HtmlStrip, NothingActsAndNothingChangesTwiceWhateverTheTextAndItsCuts) {
    std::mt19937 random(7);
    for (int round = 0; round < 60'000; ++round) {
        const std::string text = drawn(random);
        for (const HtmlMode mode : {scripts, all}) {
            expect_law(mode, text, round % 4 == 0);
            if (HasFatalFailure()) return;
        }
    }
}

/// Texts that are joined have no tag where they meet.
TEST(HtmlStrip, NothingActsWhereTextsAreJoined) {
    std::mt19937 random(8);
    for (int round = 0; round < 60'000; ++round) {
        const std::string first = drawn(random), second = drawn(random);
        for (const HtmlMode mode : {scripts, all}) {
            const bool placeholders = round % 4 == 0;
            const std::string told = stripped(mode, first, {}, placeholders) + stripped(mode, second, {}, placeholders);
            ASSERT_EQ(fault_of(mode, told), "") << testing::PrintToString(first) << testing::PrintToString(second);
            ASSERT_EQ(stripped(mode, told, {}, placeholders), told)
                << testing::PrintToString(first) << testing::PrintToString(second);
        }
    }
}

/// Of every text of few characters.
TEST(HtmlStrip, TheSameOfAllShortTexts) {
    constexpr std::string_view signs = "<>/!-as=\" ";
    for (size_t size = 1; size <= 6; ++size) {
        size_t count = 1;
        for (size_t i = 0; i < size; ++i) count *= signs.size();
        for (size_t number = 0; number < count; ++number) {
            std::string text;
            for (size_t i = 0, rest = number; i < size; ++i, rest /= signs.size()) text += signs[rest % signs.size()];
            if (!text.starts_with('<')) continue;
            for (const HtmlMode mode : {scripts, all}) {
                const std::string whole = stripped(mode, text);
                ASSERT_EQ(fault_of(mode, whole), "") << text;
                ASSERT_EQ(stripped(mode, whole), whole) << text;
            }
        }
    }
}

TEST(HtmlStrip, HoldsNoMoreThanATag) {
    BlockPool pool;
    ByteBuffer out(pool);
    HtmlStrip strip(all, pool);
    size_t put = 0;
    for (const std::string_view part : {"<script>", "<!--", "<a b='", "<\x01", "</x "}) {
        for (const char c : std::string(part) + std::string(3 * HtmlStrip::tag_bytes_max, 'y')) {
            strip.put(c, {&c, 1}, out);
            put += 1;
            ASSERT_LE(put, out.size() + HtmlStrip::tag_bytes_max + 64);
        }
    }
}

}  // namespace
}  // namespace loom::guard
