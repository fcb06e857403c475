// What all turns of a conversation have in common, and what tells one from another.
#include "loom/llm/prompt_prefix.h"

#include <gtest/gtest.h>

#include <string>

namespace loom::llm {
namespace {

constexpr size_t all = 1u << 20;

class PromptPrefix : public testing::Test {
  protected:
    uint64_t hash(std::string_view body, Endpoint endpoint = Endpoint::chat_completions, size_t bytes_max = all) {
        const auto request = reader.read(endpoint, body);
        EXPECT_TRUE(request) << body;
        return request ? hash_prompt_prefix(*request, body, bytes_max) : 0;
    }
    RequestReader reader;
};

/// A chat's document with these messages.
std::string chat(const std::string& messages, const std::string& more = "") {
    return R"({"model":"m",)" + more + R"("messages":[)" + messages + "]}";
}
const std::string rules = R"({"role":"system","content":"Be brief."},)";
const std::string first = R"({"role":"user","content":"What is a loom?"})";
const std::string second = R"(,{"role":"assistant","content":"A machine."},{"role":"user","content":"Who made it?"})";

TEST_F(PromptPrefix, TheNextTurnHasTheFirstOnes) {
    const uint64_t one = hash(chat(rules + first));
    EXPECT_EQ(hash(chat(rules + first + second)), one);
    EXPECT_EQ(hash(chat(rules + first + second, R"("stream":true,"temperature":0.5,)")), one);
    EXPECT_EQ(hash(chat(rules + first + "\n ,  " + first)), one);
    EXPECT_NE(hash(chat(first)), one);
    EXPECT_NE(hash(chat(rules + R"({"role":"user","content":"What is a Loom?"})")), one);
    EXPECT_NE(hash(chat(rules + first, R"("tools":[{"type":"function","function":{"name":"f"}}],)")), one);
}

TEST_F(PromptPrefix, EachProtocolsTurns) {
    const std::string said = R"({"role":"user","content":"a"})",
                      more = R"(,{"role":"assistant","content":"b"},)" + said;
    const std::string claude = R"({"model":"m","max_tokens":9,"system":"s","messages":[)";
    EXPECT_EQ(hash(claude + said + "]}", Endpoint::messages), hash(claude + said + more + "]}", Endpoint::messages));
    EXPECT_NE(hash(claude + said + "]}", Endpoint::messages),
              hash(R"({"model":"m","max_tokens":9,"system":"t","messages":[)" + said + "]}", Endpoint::messages));
    const std::string item = R"({"model":"m","instructions":"s","input":[)";
    EXPECT_EQ(hash(item + said + "]}", Endpoint::responses), hash(item + said + more + "]}", Endpoint::responses));
    EXPECT_NE(hash(item + said + "]}", Endpoint::responses),
              hash(R"({"model":"m","instructions":"t","input":[)" + said + "]}", Endpoint::responses));
    const std::string part = R"({"role":"user","parts":[{"text":"a"}]})",
                      rest = R"(,{"role":"model","parts":[{"text":"b"}]},)" + part,
                      gemini = R"({"systemInstruction":{"parts":[{"text":"s"}]},"contents":[)";
    EXPECT_EQ(hash(gemini + part + "]}", Endpoint::generate_content),
              hash(gemini + part + rest + "]}", Endpoint::generate_content));
    EXPECT_NE(hash(gemini + part + "]}", Endpoint::generate_content),
              hash(R"({"systemInstruction":{"parts":[{"text":"t"}]},"contents":[)" + part + "]}",
                   Endpoint::generate_content));
}

/// Claude's clients mark the last message, which is another one in each turn.
TEST_F(PromptPrefix, MarksForTheCacheMayMove) {
    const auto talk = [](const std::string& first_block, const std::string& later) {
        return R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[)" + first_block + "]}" + later +
               "]}";
    };
    const std::string later =
        R"(,{"role":"assistant","content":"b"},{"role":"user","content":[{"type":"text","text":"c","cache_control":{"type":"ephemeral"}}]})";
    const uint64_t plain = hash(talk(R"({"type":"text","text":"a"})", later), Endpoint::messages);
    for (const std::string& marked : {R"({"type":"text","text":"a","cache_control":{"type":"ephemeral"}})",
                                      R"({"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}})",
                                      R"({"type":"text","text":"a", "cache_control" : null})",
                                      R"({"cache_control":{"type":"ephemeral"},"type":"text","text":"a"})"}) {
        EXPECT_EQ(hash(talk(marked, ""), Endpoint::messages), plain) << marked;
        for (const size_t bytes_max : {20u, 50u, 60u, 70u})
            EXPECT_EQ(hash(talk(marked, ""), Endpoint::messages, bytes_max),
                      hash(talk(R"({"type":"text","text":"a"})", later), Endpoint::messages, bytes_max))
                << bytes_max << " of " << marked;
    }
    EXPECT_NE(hash(talk(R"({"type":"text","text":"\"cache_control\":{}"})", ""), Endpoint::messages),
              hash(talk(R"({"type":"text","text":"\"cache_control\":{ }"})", ""), Endpoint::messages))
        << "words of a prompt are no mark";
}

TEST_F(PromptPrefix, OnlySoManyBytesTell) {
    const std::string long_rules = R"({"role":"system","content":")" + std::string(5'000, 'r') + R"("},)";
    const std::string other = R"({"role":"user","content":"Another question"})";
    EXPECT_EQ(hash(chat(long_rules + first), Endpoint::chat_completions, 4'096),
              hash(chat(long_rules + other), Endpoint::chat_completions, 4'096));
    EXPECT_NE(hash(chat(long_rules + first)), hash(chat(long_rules + other)));
}

TEST_F(PromptPrefix, WhatHasNoUsersMessageIsToldByAllItHas) {
    EXPECT_NE(hash(R"({"model":"m","input":["a","b"]})", Endpoint::embeddings),
              hash(R"({"model":"m","input":["a","c"]})", Endpoint::embeddings));
    EXPECT_NE(hash(R"({"model":"m","prompt":"a"})", Endpoint::completions),
              hash(R"({"model":"m","prompt":"b"})", Endpoint::completions));
    EXPECT_NE(hash(chat("")), 0u);
}

TEST_F(PromptPrefix, BrokenMarksAreHashedAndNoMore) {
    for (const char* const body :
         {R"({"messages":[{"role":"user","content":"a","cache_control")", R"([{"role":"user","cache_control":{"type")",
          R"("cache_control")", R"( "cache_control":{},)"}) {
        Request request;
        request.opening_range = {0, static_cast<uint32_t>(std::string_view(body).size())};
        EXPECT_NE(hash_prompt_prefix(request, body, all), 0u) << body;
    }
}

TEST_F(PromptPrefix, WhoItIsForIsReadOfEachProtocolsField) {
    const auto identifier = [&](const std::string& body, Endpoint endpoint) -> std::string {
        const auto request = reader.read(endpoint, body);
        EXPECT_TRUE(request) << body;
        return std::string(text_of(body, request->identifier_range));
    };
    EXPECT_EQ(identifier(chat(first, R"("safety_identifier":"u1",)"), Endpoint::chat_completions), "\"u1\"");
    const std::string claude = R"(,"max_tokens":9,"messages":[]})";
    EXPECT_EQ(identifier(R"({"model":"m","metadata":{"x":1,"user_id":"u2"})" + claude, Endpoint::messages), "\"u2\"");
    EXPECT_EQ(
        identifier(R"({"model":"m","metadata":{"user_id":"u2"},"safety_identifier":"u1")" + claude, Endpoint::messages),
        "\"u1\"");
    for (const char* const nobody : {R"("safety_identifier":"",)", R"("safety_identifier":7,)", R"("metadata":null,)",
                                     R"("metadata":{"user_id":null},)", R"("metadata":["user_id"],)"})
        EXPECT_EQ(identifier(chat(first, nobody), Endpoint::chat_completions), "") << nobody;
}

TEST_F(PromptPrefix, ACacheKeyIsPutInFront) {
    const std::string body = chat(first);
    const auto request = reader.read(Endpoint::chat_completions, body);
    ASSERT_TRUE(request);
    Edits edits;
    ASSERT_TRUE(put_prompt_cache_key(edits, *request, body, "loom-1"));
    std::string edited;
    edits.gather(body, [&](std::string_view piece) { edited += piece; });
    EXPECT_EQ(edited, R"({"prompt_cache_key":"loom-1",)" + body.substr(1));
    const auto again = reader.read(Endpoint::chat_completions, edited);
    ASSERT_TRUE(again);
    EXPECT_EQ(text_of(edited, again->cache_key_range), "\"loom-1\"");
}

TEST_F(PromptPrefix, AClientsCacheKeyStaysTheOnlyOne) {
    for (const char* const member :
         {R"("prompt_cache_key":"k",)", R"("prompt_cache_key":null,)", R"("prompt_cache_key":"",)",
          R"("prompt\u005Fcache_key":"k",)", R"("\u0070rompt_cache_ke\u0079":"k",)"}) {
        const std::string body = chat(first, member);
        const auto request = reader.read(Endpoint::chat_completions, body);
        ASSERT_TRUE(request) << member;
        Edits edits;
        EXPECT_FALSE(put_prompt_cache_key(edits, *request, body, "loom-1")) << member;
        EXPECT_TRUE(edits.empty());
    }
    const std::string accented = chat(R"({"role":"user","content":"caf\u00e9 \u003cb\u003e"})");
    const auto request = reader.read(Endpoint::chat_completions, accented);
    ASSERT_TRUE(request);
    Edits edits;
    EXPECT_TRUE(put_prompt_cache_key(edits, *request, accented, "loom-1")) << "other escapes are common";
}

}  // namespace
}  // namespace loom::llm
