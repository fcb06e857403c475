#include "citation.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gemini_grounding.h"
#include "loom/llm/json_text.h"
#include "one_dialect.h"

namespace loom::llm {
namespace {

// Every text of a few pieces: places fall on the pieces' ends, whatever the escapes and the bytes are.
TEST(CitationPlaces, CountCodePointsOfAnySpelling) {
    constexpr std::string_view pieces[] = {
        "a",         R"(\n)",     R"(\")",           R"(\\)",           "é",        "漢", "😀",
        R"(\u00e9)", R"(\u6f22)", R"(\ud83d\ude00)", R"(\uD83D\uDE00)", R"(\ud7ff)"};
    constexpr size_t count = std::size(pieces);
    for (size_t code = 0; code < count * count * count; ++code) {
        std::string text;
        std::vector<size_t> begins;
        for (size_t rest = code, i = 0; i < 3; ++i, rest /= count) {
            begins.push_back(text.size());
            text += pieces[rest % count];
        }
        ASSERT_EQ(code_points(text), 3u) << text;
        for (size_t i = 0; i < 3; ++i) ASSERT_EQ(offset_of(text, i), begins[i]) << text;
        ASSERT_EQ(offset_of(text, 3), text.size());
        ASSERT_EQ(offset_of(text, UINT64_MAX), text.size());
    }
}

// What a broken server cuts stays within its text.
TEST(CitationPlaces, StandTextsThatEndAmidAnEscape) {
    const std::string_view whole = R"(\ud83d\ude00é漢)";
    for (size_t size = 0; size <= whole.size(); ++size) {
        const std::string text(whole.substr(0, size));
        EXPECT_LE(code_points(text), size);
        for (uint64_t i = 0; i < 16; ++i) EXPECT_LE(offset_of(text, i), size);
    }
    EXPECT_EQ(code_points(R"(\ud83dx)"), 2u);
    EXPECT_EQ(code_points(R"(\ud83d\u0041)"), 2u);
}

TEST(Citation, IsReadInEachFamilysShape) {
    OneCall call;
    const auto read = [&](std::string_view json) {
        Citation citation;
        EXPECT_TRUE(read_citation(json, call.context, citation)) << json;
        return citation;
    };
    const Citation nested = read(
        R"({"type":"url_citation","url_citation":{"url":"https://a/","title":"A","start_index":3,"end_index":5}})");
    EXPECT_EQ(nested.kind, Citation::Kind::url);
    EXPECT_TRUE(nested.is_nested);
    EXPECT_EQ(nested.url, "https://a/");
    ASSERT_TRUE(nested.span);
    EXPECT_EQ(nested.span->begin, 3u);
    EXPECT_EQ(nested.span->end, 5u);
    const Citation found = read(
        R"({"type":"search_result_location","source":"https:\/\/b\/","title":"B","cited_text":"t","search_result_index":0})");
    EXPECT_EQ(found.kind, Citation::Kind::url);
    EXPECT_EQ(found.url, R"(https:\/\/b\/)");
    EXPECT_EQ(found.cited_text, "t");
    EXPECT_FALSE(found.span);
    const Citation own = read(R"({"type":"search_result_location","source":"shelf 3","title":"B"})");
    EXPECT_EQ(own.kind, Citation::Kind::document);
    EXPECT_EQ(own.source, "shelf 3");
    EXPECT_FALSE(has(own.url));
    const Citation document =
        read(R"({"type":"char_location","document_title":"D","document_index":2,"file_id":null,"cited_text":"t"})");
    EXPECT_EQ(document.kind, Citation::Kind::document);
    EXPECT_FALSE(has(document.file_id));
    EXPECT_EQ(document.index, "2");
    EXPECT_EQ(read(R"({"type":"page_location","start_page_number":7,"end_page_number":9})").page, "7");
    EXPECT_EQ(read(R"({"type":"file_path","file_id":"f","index":0})").kind, Citation::Kind::other);
    for (const std::string_view wrong : {R"({"start_index":-1,"end_index":2})", R"({"start_index":5,"end_index":2})",
                                         R"({"start_index":1})", R"({"start_index":1,"end_index":1e300})"})
        EXPECT_FALSE(read(wrong).span) << wrong;
    Citation none;
    for (const std::string_view wrong : {"", "[]", "\"x\"", "{", R"({"url":"u"} {})"})
        EXPECT_FALSE(read_citation(wrong, call.context, none)) << wrong;
}

TEST(CitationPlaces, CountBytesOfAnySpelling) {
    constexpr std::pair<std::string_view, uint64_t> pieces[] = {
        {"a", 1},         {R"(\n)", 1},     {R"(\/)", 1}, {R"(\u0041)", 1}, {"é", 2},  {R"(\u00e9)", 2},
        {R"(\u07ff)", 2}, {R"(\u0800)", 3}, {"漢", 3},    {R"(\uFFFD)", 3}, {"😀", 4}, {R"(\ud83d\ude00)", 4}};
    for (const auto& [a, a_bytes] : pieces)
        for (const auto& [b, b_bytes] : pieces)
            EXPECT_EQ(utf8_bytes(std::string(a) + std::string(b)), a_bytes + b_bytes);
    // A pair that comes in two pieces: its sum is the whole's.
    EXPECT_EQ(utf8_bytes(R"(\ud83d)") + utf8_bytes(R"(\ude00)"), 4u);
}

// Every code point of a text that is longer than its marks are apart, whatever pieces it came in.
TEST(PlacedText, FindsEveryCodePoint) {
    std::string_view letters[] = {"a", "é", R"(\u6f22)", "😀", R"(\ud83d\ude00)", R"(\n)"};
    PlacedText text;
    std::vector<PlacedText::Place> places;
    std::string whole, piece;
    uint64_t bytes = 0;
    for (size_t i = 0; i < 1500; ++i) {
        const std::string_view letter = letters[i * 7 % std::size(letters)];
        places.push_back({whole.size(), bytes});
        whole += letter;
        piece += letter;
        bytes += utf8_bytes(letter);
        if (i % 37 != 0) continue;
        text.append(piece);
        piece.clear();
    }
    text.append(piece);
    places.push_back({whole.size(), bytes});
    ASSERT_EQ(text.inside(), whole);
    ASSERT_EQ(text.count(), 1500u);
    for (size_t i = 0; i < places.size(); ++i) {
        ASSERT_EQ(text.find(i).at, places[i].at) << i;
        ASSERT_EQ(text.find(i).bytes, places[i].bytes) << i;
    }
    EXPECT_EQ(text.find(UINT64_MAX).at, whole.size());
    text.clear();
    EXPECT_EQ(text.find(3).at, 0u);
}

TEST(HeldCitations, AreToldOnceInTheirOrder) {
    HeldCitations held;
    DeltaLines told;
    held.take("{\"a\":1}", told);
    held.take("{\"b\":2}", told);
    EXPECT_EQ(told.text(), "");
    held.tell(told);
    held.tell(told);
    EXPECT_EQ(told.text(), "citation(0): {\"a\":1}\ncitation(0): {\"b\":2}\n");
    const std::string large(HeldCitations::bytes_max + 1, 'x');
    held.take(large, told);  // there is no room to keep it
    ASSERT_EQ(told.lines.size(), 3u);
}

// Each piece of a text, in bytes: the place that comes of it is the piece again.
TEST(GroundedText, CountsEveryPlaceInCodePoints) {
    const std::string_view bytes = "a\xc3\xa9\xe6\xbc\xa2\xf0\x9f\x98\x80z";
    const size_t begins[] = {0, 1, 3, 6, 10, 11};
    OneCall call;
    gemini::GroundedText text;
    text.append("a\\u00e9", 0, call.context);  // in pieces, and however it is spelled
    text.append("\xe6\xbc\xa2\\ud83d\\ude00z", 0, call.context);
    for (size_t from = 0; from < 5; ++from) {
        for (size_t to = from + 1; to <= 5; ++to) {
            gemini::Grounding grounding;
            grounding.chunks.add(call.arena, {"https://a/", "A"});
            gemini::Support& support = grounding.supports.add(call.arena);
            support.begin = static_cast<int64_t>(begins[from]);
            support.end = static_cast<int64_t>(begins[to]);
            support.text = bytes.substr(begins[from], begins[to] - begins[from]);
            support.chunks.add(call.arena, 0);
            const ArenaList<gemini::Cited> cited = text.find(grounding, call.context);
            ASSERT_EQ(cited.count(), 1u);
            EXPECT_EQ(cited.front().span.begin, from);
            EXPECT_EQ(cited.front().span.end, to);
        }
    }
    EXPECT_EQ(call.lost(), "");
}

// A place that is counted otherwise is found by its text; one that cannot be found, or has no page, is named.
TEST(GroundedText, TrustsTheTextOfAPlaceMoreThanItsNumbers) {
    OneCall call;
    gemini::GroundedText text;
    text.append("\xc3\xa9\xc3\xa9 one, two two", 0, call.context);
    const auto find = [&](std::string_view segment, int64_t begin, int64_t end, int64_t chunk) {
        gemini::Grounding grounding;
        grounding.chunks.add(call.arena, {"https://a/", "A"});
        grounding.chunks.add(call.arena, {});
        gemini::Support& support = grounding.supports.add(call.arena);
        support.begin = begin;
        support.end = end;
        support.text = segment;
        support.chunks.add(call.arena, chunk);
        return text.find(grounding, call.context);
    };
    const ArenaList<gemini::Cited> found = find("one", 3, 6, 0);
    ASSERT_EQ(found.count(), 1u);
    EXPECT_EQ(found.front().span.begin, 3u);
    EXPECT_EQ(found.front().span.end, 6u);
    EXPECT_EQ(call.lost(), "");
    EXPECT_TRUE(find("two", 0, 3, 0).empty());  // it stands there twice
    EXPECT_EQ(call.lost(), "groundingMetadata");
    EXPECT_TRUE(find("", -1, 3, 0).empty());
    EXPECT_TRUE(find("", 3, INT64_MAX, 0).empty());
    EXPECT_TRUE(find("one", 5, 8, 1).empty());  // no page
    EXPECT_TRUE(find("one", 5, 8, 7).empty());  // no source
    EXPECT_TRUE(find("one", 5, 8, -1).empty());
}

// Google counts in the part that it names, in all of the text where it names none, and not always as it says.
TEST(GroundedText, CountsInItsPartOrInAllOfTheText) {
    OneCall call;
    gemini::GroundedText text;
    text.append("\xc3\xa9 one. ", 1, call.context);
    text.append("two. three.", 3, call.context);
    const auto find = [&](std::optional<int64_t> part, int64_t begin, int64_t end, std::string_view segment) {
        gemini::Grounding grounding;
        grounding.chunks.add(call.arena, {"https://a/", "A"});
        gemini::Support& support = grounding.supports.add(call.arena);
        support.part = part;
        support.begin = begin;
        support.end = end;
        support.text = segment;
        support.chunks.add(call.arena, 0);
        const ArenaList<gemini::Cited> found = text.find(grounding, call.context);
        return found.empty() ? std::string("none")
                             : std::to_string(found.front().span.begin) + "-" + std::to_string(found.front().span.end);
    };
    EXPECT_EQ(find(3, 0, 4, "two."), "7-11");
    EXPECT_EQ(find(3, 0, 4, ""), "7-11");
    EXPECT_EQ(find(std::nullopt, 8, 12, "two."), "7-11");
    EXPECT_EQ(find(1, 3, 7, "one."), "2-6");
    EXPECT_EQ(find(1, 8, 12, "two."), "7-11");     // counted in all of the text after all
    EXPECT_EQ(find(2, 100, 104, "two."), "7-11");  // wrong altogether: it stands there once
    EXPECT_EQ(find(3, 4, 200, ""), "none");
}

}  // namespace
}  // namespace loom::llm
