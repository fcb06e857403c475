// Whose the texts of a request are, in each protocol.
#include "loom/llm/role_texts.h"

#include <gtest/gtest.h>

#include <string>

#include "loom/llm/role_names.h"

namespace loom::llm {
namespace {

/// "s:one u:two": in order.
struct Told final : RoleTextSink {
    bool on_text(Speaker speaker, std::string_view raw) override {
        if (!all.empty()) all += ' ';
        all.append(speaker == Speaker::system ? "s:" : "u:").append(raw);
        return --left > 0;
    }
    std::string all;
    size_t left = SIZE_MAX;
};
std::string told(std::string_view document, size_t count = SIZE_MAX) {
    Told sink;
    sink.left = count;
    tell_role_texts(document, sink);
    return sink.all;
}

struct Case {
    std::string_view document, told;
};
constexpr Case cases[] = {
    // Chat.
    {R"({"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"},{"role":"assistant","content":"c"},
        {"role":"tool","tool_call_id":"d","content":"e"}]})",
     "s:a u:b"},
    {R"({"messages":[{"role":"developer","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},
        {"type":"image_url","image_url":{"url":"c"}},{"type":"text","text":"d"}]}]})",
     "s:a u:b u:d"},
    {R"({"messages":[{"content":"a","name":"n","role":"system"},{"content":["b"],"role":"user"}]})", "s:a u:b"},
    {R"({"messages":[{"content":"a"},{"content":"b","role":"System"},{"role":7,"content":"c"}]})", "s:b"},
    // Responses.
    {R"({"instructions":"a","input":"b"})", "s:a u:b"},
    {R"({"input":[{"role":"developer","content":[{"type":"input_text","text":"a"}]},{"type":"message","role":"user",
        "content":"b"},{"type":"function_call_output","call_id":"c","output":"d"},{"type":"reasoning","content":"e"}],
        "instructions":"f"})",
     "s:a u:b s:f"},
    // Anthropic.
    {R"({"system":"a","messages":[{"role":"user","content":"b"}]})", "s:a u:b"},
    {R"({"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}],
        "messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"d"}]},
        {"role":"assistant","content":[{"type":"text","text":"e"}]}]})",
     "s:a s:b u:d"},
    // Gemini.
    {R"({"systemInstruction":{"parts":[{"text":"a"},{"text":"b"}]},"contents":[{"parts":[{"text":"c"}]},
        {"role":"model","parts":[{"text":"d"}]},{"parts":[{"text":"e"}],"role":"user"}]})",
     "s:a s:b u:c u:e"},
    {R"({"system_instruction":{"role":"user","parts":{"text":"a"}},"contents":{"parts":{"text":"b"}}})", "s:a u:b"},
    {R"({"contents":"a"})", "u:a"},
    {R"({"contents":["a",{"role":"function","parts":[{"text":"b"}]}]})", "u:a"},
    // Completions.
    {R"({"prompt":"a"})", "u:a"},
    {R"({"prompt":["a","b",[1,2]],"suffix":"c"})", "u:a u:b"},
    // Cohere.
    {R"({"preamble":"a","message":"b","chat_history":[{"role":"USER","message":"c"},{"role":"CHATBOT","message":"d"},
        {"role":"SYSTEM","message":"e"}]})",
     "s:a u:b u:c s:e"},
    // What is none.
    {R"({"metadata":{"system":"a","messages":[{"role":"user","content":"b"}]},"model":"c","user":"d"})", ""},
    {R"({"messages":null,"input":7,"system":false,"prompt":{}})", ""},
    {R"({"system":[[[[[[["a"]]]]]]],"prompt":[[[[[[[["b"]]]]]]]]})", "s:a"},
    {R"(["system","a"])", ""},
    {"", ""},
};

TEST(RoleTexts, OfEachProtocol) {
    for (const Case& one : cases) EXPECT_EQ(told(one.document), one.told) << one.document;
}

TEST(RoleTexts, EscapesStandAsTheyAre) {
    EXPECT_EQ(told(R"({"system":"a\n\"b\" \\","prompt":"\u0061"})"), R"(s:a\n\"b\" \\ u:\u0061)");
}

TEST(RoleTexts, WhoWantsNoMoreIsToldNoMore) {
    EXPECT_EQ(told(R"({"system":"a","messages":[{"role":"user","content":["b","c"]}],"prompt":"d"})", 2), "s:a u:b");
}

/// Of what is cut off, what was whole is told, and nothing that is not there.
TEST(RoleTexts, AnyBeginningOfADocumentIsRead) {
    for (const Case& one : cases)
        for (size_t size = 0; size < one.document.size(); ++size) {
            const std::string part(one.document.substr(0, size));
            EXPECT_TRUE(std::string(one.told).starts_with(told(part))) << part;
        }
}

TEST(RoleNames, OfTurnsAndMembers) {
    EXPECT_EQ(role_named("Assistant"), TextRole::assistant);
    EXPECT_EQ(role_named("FUNCTION"), TextRole::tool);
    EXPECT_EQ(role_named("users"), TextRole::other);
    EXPECT_EQ(role_named(""), TextRole::other);
    EXPECT_EQ(role_of_member("preamble"), TextRole::system);
    EXPECT_EQ(role_of_member("System"), TextRole::other) << "members are as they stand";
    EXPECT_EQ(role_of_member("messages"), TextRole::other);
    EXPECT_TRUE(holds_turns("chat_history"));
    EXPECT_FALSE(holds_turns("prompt"));
}

}  // namespace
}  // namespace loom::llm
