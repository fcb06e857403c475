// Which requests end with one text of the user's, and nothing beside it.
#include "loom/llm/last_turn.h"

#include <gtest/gtest.h>

#include "loom/llm/request.h"

namespace loom::llm {
namespace {

/// Without its quotes; "-": there is none.
std::string last(Endpoint endpoint, std::string_view document) {
    RequestReader reader;
    const auto request = reader.read(endpoint, document);
    EXPECT_TRUE(request) << document << ": " << request.error().what;
    if (!request) return "?";
    const Range text = lone_last_text(endpoint, document, request->messages_range);
    return text.absent() ? "-" : std::string(document.substr(text.offset + 1, text.length - 2));
}

std::string chat(std::string_view messages) {
    return last(Endpoint::chat_completions,
                R"({"model":"m", "messages" : [)" + std::string(messages) + R"( ] ,"temperature":0})");
}

TEST(LastTurn, OfChat) {
    EXPECT_EQ(chat(R"({"role":"user","content":"Why?"})"), "Why?");
    EXPECT_EQ(chat(R"( { "content" : "a \"b\" \\" , "role" : "user" } )"), R"(a \"b\" \\)");
    EXPECT_EQ(chat(R"({"role":"system","content":"Be short]}"},{"role":"user","content":"one"},)"
                   R"({"role":"assistant","content":"two","tool_calls":[]},{"role":"user","content":"three"})"),
              "three");
    EXPECT_EQ(chat(R"({"role":"user","content":[{"type":"text","text":"Why?"}],"name":"eve"})"), "Why?");
    EXPECT_EQ(chat(R"({"role":"user","content":[{"text":"Why?","type":"text","cache_control":{"type":"e"}}]})"),
              "Why?");
    EXPECT_EQ(chat(R"({"role":"user","content":""})"), "");
}

TEST(LastTurn, OfWhatIsMoreThanATextThereIsNone) {
    for (const char* const messages : {
             R"({"role":"assistant","content":"Why?"})",
             R"({"role":"user","content":"Why?"},{"role":"assistant","content":"Since"})",
             R"({"role":"user","content":"Why?"},{"role":"tool","tool_call_id":"c","content":"7"})",
             R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]})",
             R"({"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"u"}}]})",
             R"({"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]})",
             R"({"role":"user","content":[{"type":"text","text":"a","extra":1}]})",
             R"({"role":"user","content":[{"type":"other","text":"a"}]})",
             R"({"role":"user","content":[{"text":"a"}]})",
             R"({"role":"user","content":["a"]})",
             R"({"role":"user","content":[]})",
             R"({"role":"user","content":null})",
             R"({"role":"user"})",
             R"({"content":"a"})",
             R"({"role":"user","content":"a","audio":{"id":"b"}})",
             R"({"role":"user","con\u0074ent":"b","content":"a"})",
             R"({"role":"developer","content":"a"})",
         })
        EXPECT_EQ(chat(messages), "-") << messages;
}

TEST(LastTurn, OfTheOtherProtocols) {
    EXPECT_EQ(
        last(Endpoint::messages,
             R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text","text":"Why?"}]}]})"),
        "Why?");
    EXPECT_EQ(last(Endpoint::messages, R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[)"
                                       R"({"type":"tool_result","tool_use_id":"t","content":"7"}]}]})"),
              "-");
    EXPECT_EQ(last(Endpoint::responses, R"({"model":"m","input":"Why?"})"), "Why?");
    EXPECT_EQ(last(Endpoint::responses, R"({"model":"m","input":[{"type":"message","role":"user","content":)"
                                        R"([{"type":"input_text","text":"Why?"}]}]})"),
              "Why?");
    EXPECT_EQ(last(Endpoint::responses, R"({"model":"m","input":[{"role":"user","content":"a"},)"
                                        R"({"type":"function_call_output","call_id":"c","output":"7"}]})"),
              "-");
    EXPECT_EQ(last(Endpoint::generate_content, R"({"contents":[{"parts":[{"text":"Why?"}]}]})"), "Why?");
    EXPECT_EQ(last(Endpoint::generate_content, R"({"contents":[{"role":"user","parts":[{"text":"Why?"}]}]})"), "Why?");
    EXPECT_EQ(last(Endpoint::generate_content, R"({"contents":[{"role":"model","parts":[{"text":"Why?"}]}]})"), "-");
    EXPECT_EQ(last(Endpoint::generate_content,
                   R"({"contents":[{"parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]}]})"),
              "-");
    EXPECT_EQ(last(Endpoint::embeddings, R"({"model":"m","input":"Why?"})"), "-");
    EXPECT_EQ(last(Endpoint::completions, R"({"model":"m","prompt":"Why?"})"), "-");
}

/// It looks at what a reader has accepted; but whatever it is given, it stays within.
TEST(LastTurn, EveryBeginningOfADocumentIsSafe) {
    constexpr std::string_view whole =
        R"([{"role":"user","content":"a\\"},{"content":[{"type":"text","text":"b\"c"}],"role":"user"}])";
    for (size_t size = 0; size <= whole.size(); ++size) {
        const std::string document(whole.substr(0, size));  // so that a sanitizer sees its end
        const Range text =
            lone_last_text(Endpoint::chat_completions, document, {0, static_cast<uint32_t>(document.size())});
        EXPECT_EQ(text.absent(), size < whole.size()) << document;
    }
}

}  // namespace
}  // namespace loom::llm
