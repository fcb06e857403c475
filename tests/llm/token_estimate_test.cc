#include "loom/llm/token_estimate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <string_view>

#include "loom/llm/json_text.h"
#include "loom/llm/request.h"
#include "loom/llm/text_count.h"

using namespace loom;
using namespace loom::llm;

namespace {

struct Golden {
    const char* kind;
    uint64_t tokens;  // o200k_base's, by tiktoken 0.14
    std::string_view text;
};

// clang-format off
constexpr Golden goldens[] = {
    {"English", 44,
     "Please read the letter below and answer it for me in two short paragraphs. The tone should be friendly, but say clearly that we cannot deliver before the end of March, because the factory has been closed since the storm."},
    {"German", 44,
     "Bitte lies den Brief unten und beantworte ihn in zwei kurzen Absätzen. Der Ton soll freundlich sein, aber sage deutlich, dass wir vor Ende März nicht liefern können, weil das Werk seit dem Sturm geschlossen ist."},
    {"French", 54,
     "Lisez la lettre ci-dessous et répondez-y en deux courts paragraphes. Le ton doit être aimable, mais dites clairement que nous ne pouvons pas livrer avant la fin du mois de mars, car l'usine est fermée depuis la tempête."},
    {"Russian", 51,
     "Прочитай письмо ниже и ответь на него двумя короткими абзацами. Тон должен быть дружелюбным, но скажи ясно, что мы не можем доставить товар до конца марта, потому что завод закрыт после бури."},
    {"Chinese", 54,
     "请阅读下面的信，并用两小段话替我回复。语气要友好，但要明确说明三月底之前我们无法交货，因为工厂自暴风雨以来一直关闭。如果客户愿意等待，我们可以给他一个折扣。"},
    {"Japanese", 67,
     "下の手紙を読んで、二つの短い段落で返事を書いてください。丁寧な調子で、しかし工場が嵐のあとずっと閉まっているため、三月末までは納品できないことをはっきり伝えてください。"},
    {"Korean", 56,
     "아래 편지를 읽고 짧은 두 단락으로 답장을 써 주세요. 말투는 친절해야 하지만, 폭풍 이후 공장이 문을 닫아서 삼월 말까지는 배송할 수 없다는 점을 분명히 말해 주세요."},
    {"Arabic", 50,
     "اقرأ الرسالة أدناه وأجب عنها في فقرتين قصيرتين. يجب أن تكون اللهجة ودية، لكن قل بوضوح إننا لا نستطيع التسليم قبل نهاية مارس لأن المصنع مغلق منذ العاصفة."},
    {"Hindi", 57,
     "नीचे दिया गया पत्र पढ़ें और दो छोटे अनुच्छेदों में उसका उत्तर दें। लहजा मित्रतापूर्ण हो, लेकिन साफ कहें कि हम मार्च के अंत से पहले सामान नहीं भेज सकते, क्योंकि तूफान के बाद से कारखाना बंद है।"},
    {"C++", 70,
     "std::optional<size_t> find_word(std::string_view text, std::string_view word) {\n    for (size_t i = 0; i + word.size() <= text.size(); ++i) {\n        if (text.substr(i, word.size()) == word) return i;\n    }\n    return std::nullopt;\n}\n"},
    {"Python", 81,
     "def mean_by_key(rows, key, value):\n    sums, counts = {}, {}\n    for row in rows:\n        name = row[key]\n        sums[name] = sums.get(name, 0.0) + float(row[value])\n        counts[name] = counts.get(name, 0) + 1\n    return {name: sums[name] / counts[name] for name in sums}\n"},
    {"JSON", 75,
     "{\"order\": {\"id\": 48213, \"customer\": \"Miller\", \"items\": [{\"sku\": \"A-100\", \"count\": 3, \"price\": 12.50}, {\"sku\": \"B-205\", \"count\": 1, \"price\": 7.99}], \"shipped\": false, \"note\": null}}"},
    {"digits", 67,
     "3.14159 2.71828 1.41421 1.61803 0.57721 48213 90210 65536 1048576 299792458 6.02214 1.60217 8.31446 20240131 17 256 4096"},
    {"base64", 76,
     "TG9vbSBpcyBhIGdhdGV3YXksIGFuZCB0aGlzIGlzIG5vIHByb3NlLiBRdWl0ZSBhIGZldyBsZXR0ZXJzIGhlcmUgbWVhbiBub3RoaW5nIGF0IGFsbC4="},
};
// clang-format on

std::string all_texts() {
    std::string all;
    for (const Golden& golden : goldens) (all += golden.text) += "\n\"\\\t\x01\x7f 😀 — é\n";
    return all;
}

uint64_t of_json(std::string_view raw) {
    TokenEstimate estimate;
    estimate.add_json(raw);
    return estimate.tokens();
}

/// Every UTF-16 unit as an escape, as clients write that send ASCII alone.
std::string in_ascii(std::string_view text) {
    std::string out;
    const auto add = [&out](uint32_t unit) {
        char escape[8];
        std::snprintf(escape, sizeof escape, "\\u%04x", unit);
        out += escape;
    };
    for (size_t at = 0; at < text.size();) {
        const auto lead = static_cast<unsigned char>(text[at]);
        const size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        uint32_t code = bytes == 1 ? lead : lead & (0x7fu >> bytes);
        for (size_t i = 1; i < bytes; ++i) code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
        at += bytes;
        if (code >= 0x10000) {
            add(0xd800 + ((code - 0x10000) >> 10));
            add(0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            add(code);
        }
    }
    return out;
}

}  // namespace

/// Single letters of 200 bytes are further off than the mean of longer texts, which bench/token_error.cc tells.
TEST(TokenEstimate, IsNearTheExactCountInEveryKindOfText) {
    double sum = 0;
    for (const Golden& golden : goldens) {
        const auto exact = static_cast<double>(golden.tokens);
        const double off = static_cast<double>(estimated_tokens(golden.text)) / exact - 1;
        EXPECT_LT(std::abs(off), 0.4) << golden.kind << ' ' << off;
        sum += std::abs(off);
    }
    EXPECT_LT(sum / std::size(goldens), 0.12);
}

TEST(TokenEstimate, OfNothingIsNothingAndOfALetterOne) {
    EXPECT_EQ(estimated_tokens(std::string_view()), 0u);
    EXPECT_EQ(of_json(""), 0u);
    for (int byte = 0; byte < 256; ++byte) {
        const char letter = static_cast<char>(byte);
        EXPECT_EQ(estimated_tokens(std::string_view(&letter, 1)), 1u) << byte;
    }
}

/// One that adds all the ways of cutting would show the smallest difference.
TEST(TokenEstimate, ACutChangesNothingWhereverItIs) {
    const std::string text = all_texts();
    TokenEstimate cut, whole;
    for (size_t at = 0; at <= text.size(); ++at) {
        cut.add(std::string_view(text).substr(0, at));
        cut.add(std::string_view(text).substr(at));
        cut.end_text();
        whole.add(text);
        whole.end_text();
        ASSERT_EQ(cut.tokens(), whole.tokens()) << at;
    }
    TokenEstimate bytewise;
    for (const char letter : text) bytewise.add({&letter, 1});
    EXPECT_EQ(bytewise.tokens(), estimated_tokens(std::string_view(text)));
}

TEST(TokenEstimate, IsOfTheTextThatJsonStandsFor) {
    const std::string text = all_texts();
    std::string raw;
    escape(text, raw);
    EXPECT_GT(raw.size(), text.size());
    EXPECT_EQ(of_json(raw), estimated_tokens(std::string_view(text)));
    EXPECT_EQ(of_json(in_ascii(text)), estimated_tokens(std::string_view(text)));
    EXPECT_EQ(of_json(R"(\/\b\f\n\r\t)"), estimated_tokens(std::string_view("/\b\f\n\r\t")));
    // Whole escapes in each piece, as a stream's deltas have them.
    TokenEstimate pieces;
    for (size_t at = 0; at < raw.size();) {
        size_t bytes = 1;
        if (raw[at] == '\\') bytes = raw[at + 1] == 'u' ? 6 : 2;
        pieces.add_json(std::string_view(raw).substr(at, bytes));
        at += bytes;
    }
    EXPECT_EQ(pieces.tokens(), of_json(raw));
}

TEST(TokenEstimate, TakesWhateverEscapesComeAndWhereverTheyEnd) {
    const std::string_view odd[] = {R"(\)",      R"(\q)",       R"(\u)",           R"(\u12)",        R"(\ud83d)",
                                    R"(\ude00)", R"(\ud83d\n)", R"(\ud83d\u0041)", R"(\uZZZZ)",      R"(\ud83dabc)",
                                    R"(\\)",     R"(\ud83d\u)", R"(\ud83d\ude0)",  R"(\ud83d\ud83d)"};
    for (const std::string_view escape : odd) {
        for (size_t end = 0; end <= escape.size(); ++end) {
            const std::string raw = "before " + std::string(escape.substr(0, end));
            EXPECT_GE(of_json(raw), estimated_tokens(std::string_view("before"))) << raw;
            EXPECT_LE(of_json(raw), raw.size()) << raw;
        }
    }
}

/// Limits and money are taken of this: whatever is put in a row costs a share of what it is. Two bytes a token is what
/// such rows are of o200k_base.
TEST(TokenEstimate, NoRowOfAnythingIsCheap) {
    const std::string_view rows[] = {" ", "\n", "\t", "x", "-", "=", "0",    "\x01", "\xff", "é",
                                     "─", "字", "😀", "&", "[", ":", "esth", "ht",   "ow",   "ab"};
    for (const std::string_view row : rows) {
        std::string run;
        while (run.size() < 64 * 1024) run += row;
        EXPECT_GE(estimated_tokens(std::string_view(run)), run.size() / 8) << row;
        EXPECT_GE(of_json(run), run.size() / 8) << row;
        // Nor does it make what stands beside it cheap.
        EXPECT_GE(estimated_tokens(all_texts() + run), (all_texts().size() + run.size()) / 8) << row;
    }
}

TEST(TokenEstimate, GrowsWithEveryPieceAndIsNeverMoreThanItsBytes) {
    std::mt19937 random(11);
    for (int round = 0; round < 200; ++round) {
        TokenEstimate estimate;
        uint64_t before = 0, bytes = 0;
        for (int i = 0; i < 40; ++i) {
            std::string piece(random() % 50, '\0');
            for (char& letter : piece) letter = static_cast<char>(random() % (round % 2 == 0 ? 256 : 128));
            round % 4 < 2 ? estimate.add(piece) : estimate.add_json(piece);
            bytes += piece.size();
            EXPECT_GE(estimate.tokens(), before);
            before = estimate.tokens();
            EXPECT_LE(before, bytes);
        }
    }
}

/// The document's own spaces and keys are no text, and where nobody asks nothing is estimated.
TEST(PromptEstimate, IsOfTheTextsAlone) {
    RequestReader reader;
    const std::string_view rules = "Sei kurz.", question = "Wie spät ist es\nin „Wien“?";
    const std::string compact = R"({"model":"m","messages":[{"role":"system","content":"Sei kurz."},)"
                                R"({"role":"user","content":"Wie spät ist es\nin „Wien“?"}]})";
    const std::string spread =
        R"({ "model" : "m",  "x":"a word that nobody reads",   "messages" : [ {"role":"system" , "content" : "Sei kurz."} ,
         {"role": "user", "content": [ {"type": "text", "text": "Wie sp\u00e4t ist es\nin \u201eWien\u201c?"} ] } ] })";
    TokenEstimate expected;
    for (const std::string_view text : {rules, question}) {
        expected.add(text);
        expected.end_text();
    }
    for (const std::string& body : {compact, spread}) {
        const auto asked = reader.read(Endpoint::chat_completions, body, PromptWish::estimate);
        ASSERT_TRUE(asked);
        EXPECT_EQ(asked->prompt_tokens_estimated, expected.tokens());
        EXPECT_EQ(asked->prompt_tokens(), expected.tokens());
        const auto unasked = reader.read(Endpoint::chat_completions, body);
        ASSERT_TRUE(unasked);
        EXPECT_EQ(unasked->prompt_tokens_estimated, 0u);
        EXPECT_EQ(unasked->prompt_tokens(), estimated_tokens(unasked->prompt_bytes));
    }
}

/// However a stream's text is cut into deltas, and whatever events without text stand between.
TEST(TextCount, EstimatesAStreamAlikeHoweverItIsCut) {
    for (const Golden& golden : goldens) {
        std::string raw;
        escape(golden.text, raw);
        for (size_t step : {1, 2, 3, 7, 50}) {
            TextCount count;
            for (size_t at = 0; at < raw.size();) {
                size_t end = std::min(raw.size(), at + step);
                if (raw[end - 1] == '\\' && (end - at < 2 || raw[end - 2] != '\\')) end += 1;  // a whole escape
                count.add(std::string_view(raw).substr(at, end - at));
                count.end_event(true);
                count.end_event(false);
                at = end;
            }
            EXPECT_EQ(count.tokens(), estimated_tokens(golden.text)) << golden.kind << ' ' << step;
            EXPECT_FALSE(count.is_exact());
            EXPECT_FALSE(count.counts());
            const uint64_t read = count.tokens();
            count.add_unread(41);
            count.end_event(true);
            EXPECT_EQ(count.tokens(), read + 11) << "what nobody reads is a quarter of its bytes";
        }
    }
}
