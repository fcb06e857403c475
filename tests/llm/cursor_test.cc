#include "../../src/llm/cursor.h"

#include "dom.h"
#include "random_json.h"

namespace loom::llm {
namespace {

class Walker {
  public:
    bool accepts(std::string_view text) {
        Tokens tokens;
        if (!structure_.index(text, Structure::Utf8::checked, tokens, fault_)) return false;
        Cursor cursor(text, tokens);
        const bool good = cursor.skip_value() && cursor.at_end();
        fault_ = cursor.fault();
        if (fault_.what == nullptr) fault_ = {"bytes behind", cursor.offset()};
        return good;
    }
    const Fault& fault() const { return fault_; }

  private:
    Structure structure_;
    Fault fault_;
};

struct Bad {
    std::string_view text;
    std::string_view what;
    uint32_t offset;
};

TEST(Cursor, SaysWhatIsWrongAndWhere) {
    Walker walker;
    for (const Bad& bad : {
             Bad{"", "the document is empty", 0},
             Bad{" \n ", "the document is empty", 3},
             Bad{"{", "the document ends too early", 1},
             Bad{R"({"a":)", "the document ends too early", 5},
             Bad{R"({"a":[1,2)", "the document ends too early", 9},
             Bad{R"({"a":"b)", "a string is not closed", 5},
             Bad{R"({"a" 1})", "a colon is expected behind the key", 5},
             Bad{R"({a:1})", "a key in quotes is expected", 1},
             Bad{R"({"a":1,})", "a key in quotes is expected", 7},
             Bad{R"([1 2])", "a comma or the end of the array or object is expected", 3},
             Bad{R"([1})", "a comma or the end of the array or object is expected", 2},
             Bad{R"({"a":1])", "a comma or the end of the array or object is expected", 6},
             Bad{R"([1,])", "a value is expected", 3},
             Bad{R"([tru])", "a value is expected", 1},
             Bad{R"([nulll])", "a value is expected", 1},
             Bad{R"([01])", "a value is expected", 1},
             Bad{R"([1.])", "a value is expected", 1},
             Bad{R"([.5])", "a value is expected", 1},
             Bad{R"([-])", "a value is expected", 1},
             Bad{R"([1e])", "a value is expected", 1},
             Bad{R"([0"a"])", "a value is expected", 1},
             Bad{R"([null"a"])", "a value is expected", 1},
             Bad{R"([+1])", "a value is expected", 1},
             Bad{R"(["a"b])", "a comma or the end of the array or object is expected", 4},
             Bad{"[\"a\nb\"]", "a control character stands unescaped in a string", 3},
             Bad{"[\"a\xff\"]", "the document is not valid UTF-8", 3},
             Bad{"[\"\xed\xa0\x80\"]", "the document is not valid UTF-8", 2},
             Bad{"{}{}", "bytes behind", 2},
         }) {
        EXPECT_FALSE(walker.accepts(bad.text)) << bad.text;
        EXPECT_EQ(walker.fault().what, bad.what) << bad.text;
        EXPECT_EQ(walker.fault().offset, bad.offset) << bad.text;
    }
}

TEST(Cursor, BoundsTheDepth) {
    Walker walker;
    const auto nested = [](size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_TRUE(walker.accepts(nested(Cursor::depth_max)));
    EXPECT_FALSE(walker.accepts(nested(Cursor::depth_max + 1)));
    EXPECT_EQ(walker.fault().what, std::string_view("the document is nested too deep"));
    EXPECT_FALSE(walker.accepts(std::string(1 << 20, '[')));
    EXPECT_FALSE(walker.accepts(std::string(1 << 20, '{')));
}

TEST(Cursor, AcceptsWhatTheDomAccepts) {
    Walker walker;
    const uint64_t seed = 7;
    RandomJson random(seed);
    for (int round = 0; round < 3000; ++round) {
        const std::string text = random.space() + random.value() + random.space();
        EXPECT_TRUE(walker.accepts(text)) << "seed " << seed << ": " << text;
    }
}

bool has_large_exponent(std::string_view text) {
    for (size_t at = text.find_first_of("eE"); at < text.size(); at = text.find_first_of("eE", at + 1)) {
        const size_t end = text.find_first_not_of("0123456789", at + 1);
        if (end != text.npos && end - at > 3) return true;
    }
    return false;
}

/// One byte more, less or other: the walker must judge as the DOM does. It does not judge escapes in strings that
/// nobody decodes, nor numbers beyond a double; so it may only be the more lenient one, and only about those.
TEST(Cursor, RefusesWhatTheDomRefuses) {
    Walker walker;
    const uint64_t seed = 11;
    RandomJson random(seed);
    int refused = 0;
    for (int round = 0; round < 20000; ++round) {
        std::string text = random.object();
        const uint32_t at = random.below(static_cast<uint32_t>(text.size()));
        const char byte = R"({}[]:,"\ 0-.etn)"[random.below(16)];
        const uint32_t kind = random.below(3);
        kind == 0 ? void(text.erase(at, 1)) : kind == 1 ? void(text.insert(at, 1, byte)) : void(text[at] = byte);
        Dom dom(text);
        const bool accepted = walker.accepts(text);
        refused += !accepted;
        if (accepted == dom.valid()) continue;
        const bool has_escape = text.find('\\') != text.npos;
        EXPECT_TRUE(accepted && (has_escape || has_large_exponent(text))) << "seed " << seed << ": " << text;
    }
    EXPECT_GT(refused, 1000);
}

TEST(Structure, NeedsNoPadding) {
    // Each size in a block of its own, so that ASan sees a read past it.
    Walker walker;
    for (size_t size = 2; size < 300; ++size) {
        const std::unique_ptr<char[]> block(new char[size]);
        std::memset(block.get(), 'a', size);
        block[0] = block[size - 1] = '"';
        EXPECT_TRUE(walker.accepts({block.get(), size})) << size;
        block[size - 1] = 'a';
        EXPECT_FALSE(walker.accepts({block.get(), size})) << size;
    }
}

TEST(Structure, GrowsAndGivesBack) {
    Structure structure;
    Tokens tokens;
    Fault fault;
    std::string large = "[";
    for (int i = 0; i < 1 << 20; ++i) large += "1,";
    large += "1]";
    ASSERT_TRUE(structure.index(large, Structure::Utf8::checked, tokens, fault));
    EXPECT_EQ(tokens.count, (2u << 20) + 3);
    EXPECT_EQ(tokens.begin[tokens.count], large.size());
    structure.trim();
    ASSERT_TRUE(structure.index("[]", Structure::Utf8::checked, tokens, fault));
    EXPECT_EQ(tokens.count, 2u);
}

}  // namespace
}  // namespace loom::llm
