#include "loom/llm/text_strings.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loom::llm {
namespace {

using Texts = std::vector<std::string>;

Texts texts(std::string_view document) {
    Texts found;
    TextStrings strings(document);
    while (const auto string = strings.next()) found.emplace_back(text_of(document, *string));
    return found;
}

TEST(TextStrings, OfChat) {
    EXPECT_EQ(texts(R"({"model":"m","messages":[{"role":"system","content":"s"},{"role":"developer","content":"d"},
        {"role":"user","content":[{"type":"text","text":"t"},{"type":"image_url","image_url":{"url":"u","detail":"x"}}]},
        {"role":"assistant","tool_calls":[{"id":"i","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},
        {"role":"tool","tool_call_id":"i","content":"r"}],"user":"ann","stop":["a","b"]})"),
              (Texts{"s", "d", "t", R"({\"a\":1})", "r", "a", "b"}));
}

TEST(TextStrings, OfResponsesMessagesAndContents) {
    EXPECT_EQ(
        texts(
            R"({"instructions":"n","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"t"}]},
        {"type":"function_call_output","call_id":"c","output":"o"},{"type":"reasoning","encrypted_content":"e"}]})"),
        (Texts{"n", "t", "o"}));
    EXPECT_EQ(texts(R"({"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":[
        {"type":"tool_result","tool_use_id":"i","content":[{"type":"text","text":"r"}]},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}},
        {"type":"tool_use","id":"i","name":"f","input":{"to":"a","deep":{"list":["b",["c"]]}}}]}]})"),
              (Texts{"s", "r", "a", "b", "c"}));
    EXPECT_EQ(texts(R"({"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"t"},
        {"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"functionResponse":{"name":"f","response":{"x":"y"}}}]}]})"),
              (Texts{"s", "t", "y"}));
}

TEST(TextStrings, OfWhatStandsAloneOrInLists) {
    EXPECT_EQ(texts(R"({"input":["a","b"],"prompt":"c"})"), (Texts{"a", "b", "c"}));
    EXPECT_EQ(texts(R"({"input":[{"type":"x"},"behind an object"]})"), (Texts{"behind an object"}));
    EXPECT_EQ(texts(R"({"unknown":{"member":"m"},"empty":""})"), (Texts{"m"}));
    EXPECT_EQ(texts(R"("alone")"), (Texts{"alone"}));
}

TEST(TextStrings, OfToolsWhateverTheirMembersAreCalled) {
    EXPECT_EQ(
        texts(R"({"type":"tool_use","name":"f","input":{"user":"u","id":"i","data":["d",{"url":"l"}]},"id":"x"})"),
        (Texts{"u", "i", "d", "l"}));
    EXPECT_EQ(
        texts(
            R"({"functionCall":{"name":"f","args":{"name":"n"}},"functionResponse":{"name":"f","response":{"type":"t"}}})"),
        (Texts{"n", "t"}));
    EXPECT_EQ(texts(R"({"input":[{"id":"x","role":"user","content":"c"}]})"), (Texts{"c"}));  // Responses' items
}

TEST(TextStrings, QuotesAndBackslashesInside) {
    EXPECT_EQ(texts(R"({"text":"a\"b\\","next":"\\\""})"), (Texts{R"(a\"b\\)", R"(\\\")"}));
    EXPECT_EQ(texts(R"({"a : b" : "c", "type" :"t"})"), (Texts{"c"}));
    EXPECT_EQ(texts(R"({"\u0074ype":"spelled otherwise"})"), (Texts{"spelled otherwise"}));  // looked at, not left out
}

TEST(TextStrings, ReadNothingOutsideOfWhatIsBroken) {
    const std::string document = R"({"messages":[{"content":"a\"b"},["c",{"type":"d"}]],"x":"\\"})";
    for (size_t size = 0; size <= document.size(); ++size) {
        const std::string cut = document.substr(0, size);
        for (const std::string& text : texts(cut)) EXPECT_LE(text.size(), cut.size());
    }
    EXPECT_EQ(texts(std::string(1000, '[') + "\"deep\"").size(), 1u);
    EXPECT_EQ(texts("]]]}}}\"x\"").size(), 1u);
}

}  // namespace
}  // namespace loom::llm
