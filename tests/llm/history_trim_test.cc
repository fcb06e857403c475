// A conversation without its oldest turns is one that its provider takes, whatever went.
#include "loom/llm/history_trim.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "dom.h"
#include "loom/llm/request.h"

namespace loom::llm {
namespace {

class HistoryTrimTest : public testing::Test {
  protected:
    /// What is left; "as it was" where nothing went, "broken" where it is refused.
    std::string trimmed(Endpoint endpoint, std::string_view body, uint64_t bytes) {
        HistoryTrim trim(scratch, pool);
        ByteBuffer out(pool);
        const Result<TrimmedHistory> made = trim.trim(endpoint, body, bytes, out);
        gone = made ? made->messages : 0;
        gone_bytes = made ? made->text_bytes : 0;
        if (!made) return "broken";
        if (gone == 0) EXPECT_TRUE(out.empty());
        return gone == 0 ? "as it was" : std::string(out.view());
    }
    std::string chat(std::string_view messages, uint64_t bytes) {
        return trimmed(Endpoint::chat_completions, messages, bytes);
    }

    BlockPool pool;
    TranslateScratch scratch;
    uint32_t gone = 0;
    uint64_t gone_bytes = 0;
};

constexpr uint64_t all = UINT64_MAX / 2;

TEST_F(HistoryTrimTest, WholeTurnsGo_TheOldestFirst_AndNoMoreThanAsked) {
    const std::string body = R"({"model":"m","messages":[{"role":"system","content":"S"},)"
                             R"({"role":"user","content":"one"},{"role":"assistant","content":"1"}, )"
                             R"({"role":"user","content":"two"},{"role":"assistant","content":"2"},)"
                             R"({"role":"user","content":"three"}],"temperature":0.5})";
    EXPECT_EQ(chat(body, 1), R"({"model":"m","messages":[{"role":"system","content":"S"}, )"
                             R"({"role":"user","content":"two"},{"role":"assistant","content":"2"},)"
                             R"({"role":"user","content":"three"}],"temperature":0.5})");
    EXPECT_EQ(gone, 2u);
    const std::string least = R"({"model":"m","messages":[{"role":"system","content":"S"},)"
                              R"({"role":"user","content":"three"}],"temperature":0.5})";
    EXPECT_EQ(gone_bytes, 4u) << "of text, as the reader counts it";
    EXPECT_EQ(chat(body, 5), least);
    EXPECT_EQ(gone, 4u);
    EXPECT_EQ(chat(body, all), least) << "the system's words and the last user's stay";
    EXPECT_EQ(chat(least, all), "as it was");
}

TEST_F(HistoryTrimTest, WhatAnAssistantSaidFirstGoesFirst) {
    EXPECT_EQ(trimmed(Endpoint::messages,
                      R"({"messages":[{"role":"assistant","content":"Hello"},{"role":"user","content":"Hi"}]})", 1),
              R"({"messages":[{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(gone, 1u);
}

TEST_F(HistoryTrimTest, CallsGoWithTheirResults_AndTheLastRoundStays) {
    const auto call = [](int n) {
        const std::string id = std::to_string(n);
        return R"({"role":"assistant","content":null,"tool_calls":[{"id":"a)" + id +
               R"(","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b)" + id +
               R"(","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a)" +
               id + R"(","content":"x"},{"role":"tool","tool_call_id":"b)" + id + R"(","content":"y"})";
    };
    const std::string user = R"({"role":"user","content":"go"})", early = R"({"role":"user","content":"early"})";
    const std::string head = R"({"messages":[)", tail = "]}";
    const std::string body =
        head + early + "," + call(0) + "," + user + "," + call(1) + "," + call(2) + "," + call(3) + tail;
    EXPECT_EQ(chat(body, 1), head + user + "," + call(1) + "," + call(2) + "," + call(3) + tail);
    EXPECT_EQ(gone, 4u);
    EXPECT_EQ(chat(body, gone_bytes + 1), head + user + "," + call(2) + "," + call(3) + tail);
    EXPECT_EQ(chat(body, all), head + user + "," + call(3) + tail);
    EXPECT_EQ(gone, 10u);
}

TEST_F(HistoryTrimTest, AnthropicsResultsAreNoTurnOfAUser) {
    const std::string round = R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},)"
                              R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"},)"
                              R"({"type":"text","text":"and now?"}]})";
    const std::string user = R"({"role":"user","content":[{"type":"text","text":"go"}]})";
    EXPECT_EQ(trimmed(Endpoint::messages, R"({"system":"S","messages":[)" + user + "," + round + "]}", all),
              "as it was");
    EXPECT_EQ(trimmed(Endpoint::messages, R"({"messages":[)" + user + "," + round + "," + user + "," + round + "]}", 1),
              R"({"messages":[)" + user + "," + round + "]}");
}

TEST_F(HistoryTrimTest, WhatAUserSaysBesideAResultStays) {
    const auto round = [](const std::string& words) {
        return R"({"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},)"
               R"({"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"r"})" +
               (words.empty() ? "" : R"(,{"type":"text","text":")" + words + "\"}") + "]}";
    };
    const std::string user = R"({"role":"user","content":"go"})";
    const auto of = [&](const std::string& rest) { return R"({"messages":[)" + user + "," + rest + "]}"; };
    EXPECT_EQ(
        trimmed(Endpoint::messages, of(round("") + "," + round("not so") + "," + round("") + "," + round("")), all),
        of(round("not so") + "," + round("") + "," + round("")));
    EXPECT_EQ(trimmed(Endpoint::messages, of(round("a") + "," + round("b") + "," + round("")), all),
              of(round("b") + "," + round("")));
    const std::string prefill = R"({"role":"assistant","content":"{"})";
    EXPECT_EQ(trimmed(Endpoint::messages, of(round("") + "," + round("") + "," + prefill), all),
              of(round("") + "," + prefill))
        << "the last round stays, whatever the answer is to begin with";
    EXPECT_EQ(trimmed(Endpoint::messages, of(round("") + "," + prefill), all), "as it was");
}

TEST_F(HistoryTrimTest, GeminisContents) {
    const std::string turn = R"({"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"b"}]})";
    const std::string call = R"({"role":"user","parts":[{"text":"c"}]},)"
                             R"({"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},)"
                             R"({"role":"user","parts":[{"functionResponse":{"name":"f","response":{"x":1}}}]})";
    EXPECT_EQ(trimmed(Endpoint::generate_content, R"({"contents":[)" + turn + "," + call + "]}", all),
              R"({"contents":[)" + call + "]}");
    EXPECT_EQ(trimmed(Endpoint::stream_generate_content, R"({"contents":[{"parts":[{"text":"a"}]},)" + turn + "]}", 1),
              R"({"contents":[)" + turn + "]}")
        << "who does not say its role is the user";
}

TEST_F(HistoryTrimTest, OfResponsesNoAnswerIsLeftWithoutItsCall) {
    const std::string one = R"({"role":"user","content":"one"})", two = R"({"role":"user","content":"two"})";
    const std::string call = R"({"type":"function_call","call_id":"c","name":"f","arguments":"{}"})";
    const std::string output = R"({"type":"function_call_output","call_id":"c","output":"o"})";
    const std::string reasoning = R"({"type":"reasoning","id":"rs_1","summary":[]})";
    const auto of = [](std::initializer_list<std::string> items) {
        std::string text = R"({"input":[)";
        for (const std::string& item : items) text += (text.back() == '[' ? "" : ",") + item;
        return text + "]}";
    };
    EXPECT_EQ(trimmed(Endpoint::responses, of({one, reasoning, call, output, two}), 1), of({two}));
    EXPECT_EQ(trimmed(Endpoint::responses, of({one, call, two, output}), all), "as it was")
        << "the answer to what was called before came behind";
    EXPECT_EQ(trimmed(Endpoint::responses, of({one, reasoning, call, output, reasoning, call, output}), all),
              of({one, reasoning, call, output}));
    const std::string compaction = R"({"type":"compaction","encrypted_content":"e"})";
    EXPECT_EQ(trimmed(Endpoint::responses, of({compaction, one, two}), all), of({compaction, two}));
    EXPECT_EQ(trimmed(Endpoint::responses, R"({"input":"all in one"})", all), "as it was");
    const std::string shell = R"({"type":"local_shell_call","id":"l","call_id":"c","action":{},"status":"completed"})";
    const std::string shown = R"({"type":"local_shell_call_output","id":"l","output":"o"})";
    EXPECT_EQ(trimmed(Endpoint::responses, of({one, shell, shown, two}), 1), of({two})) << "answered by its id";
    EXPECT_EQ(trimmed(Endpoint::responses, of({one, shell, two, shown}), all), "as it was");
}

TEST_F(HistoryTrimTest, WhatIsNoConversation) {
    EXPECT_EQ(trimmed(Endpoint::completions, R"({"prompt":["a","b"]})", all), "as it was");
    EXPECT_EQ(trimmed(Endpoint::embeddings, R"({"input":["a","b"]})", all), "as it was");
    EXPECT_EQ(chat(R"({"messages":[]})", all), "as it was");
    EXPECT_EQ(chat(R"({"messages":[{"role":"assistant","content":"x"},{"role":"tool","content":"y"}]})", all),
              "as it was");
    EXPECT_EQ(chat(R"({"messages":[1,2)", all), "broken");
    std::string many = R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"})";
    for (uint32_t n = 2; n < HistoryTrim::messages_max; ++n) many += ",{}";
    EXPECT_NE(chat(many + "]}", all), "as it was");
    EXPECT_EQ(chat(many + ",{}]}", all), "as it was") << "memory is bounded";
    EXPECT_EQ(chat("", all), "broken");
}

/// Of any conversation of turns and rounds, and any number of bytes: what is left keeps the system's words, begins
/// with a user behind them, has each result behind its call, ends as it ended, and is no shorter than it had to be.
TEST_F(HistoryTrimTest, TheLawOfWhatIsLeft) {
    std::mt19937 random(20'261'122);
    RequestReader reader;
    for (int run = 0; run < 400; ++run) {
        std::vector<std::string> items;
        size_t systems = 0, calls = 0;
        const auto say = [&](const std::string& role, const std::string& text) {
            items.push_back(R"({"role":")" + role + R"(","content":")" + text + "\"}");
        };
        const int turns = 1 + static_cast<int>(random() % 6);
        if (random() % 2) say("assistant", "welcome");
        for (int turn = 0; turn < turns; ++turn) {
            if (random() % 3 == 0) say(random() % 2 ? "system" : "developer", "s" + std::to_string(systems++));
            say("user", std::to_string(items.size()) + std::string(random() % 50, 'u'));
            for (uint32_t round = random() % 4; round > 0; --round) {
                const std::string id = std::to_string(calls++);
                items.push_back(R"({"role":"assistant","tool_calls":[{"id":"call)" + id + R"("}]})");
                items.push_back(R"({"role":"tool","tool_call_id":"call)" + id + R"(","content":"r"})");
            }
            if (turn + 1 < turns || random() % 2)
                say("assistant", std::to_string(items.size()) + std::string(random() % 50, 'a'));
        }
        std::string body = R"({"model":"m","messages":[)";
        for (const std::string& item : items) body += (body.back() == '[' ? "" : ",") + item;
        body += "]}";
        const uint64_t bytes = 1 + random() % (body.size() / 2);
        const std::string left = chat(body, bytes);
        if (left == "as it was") continue;
        ASSERT_TRUE(reader.read(Endpoint::chat_completions, left)) << left;
        EXPECT_TRUE(left.ends_with(items.back() + "]}")) << left;
        size_t kept = 0;
        std::vector<std::string> rest;
        for (const std::string& item : items) {
            const bool is_there = left.find(item) != left.npos;
            kept += is_there;
            if (is_there && item.find(R"("role":"system")") == item.npos && item.find("developer") == item.npos)
                rest.push_back(item);
        }
        for (size_t n = 0; n < systems; ++n) EXPECT_NE(left.find("\"s" + std::to_string(n) + "\""), left.npos) << left;
        ASSERT_FALSE(rest.empty());
        EXPECT_NE(rest.front().find(R"("role":"user")"), rest.front().npos) << left;
        for (size_t n = 0; n < calls; ++n) {
            const std::string id = "\"call" + std::to_string(n) + "\"";
            const size_t first = left.find(id);
            if (first != left.npos) EXPECT_NE(left.find(id, first + 1), left.npos) << left;
        }
        EXPECT_LT(left.size(), body.size());
    }
}

/// Turns of any size, and what no reader counts in them: for each number of bytes, so many go that one less would be
/// too few.
TEST_F(HistoryTrimTest, NoShorterThanItHadToBe) {
    RequestReader reader;
    const std::string image =
        R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" + std::string(2 << 20, 'A') + "\"}}";
    const auto turn = [](const std::string& user, const std::string& model) {
        return R"({"role":"user","content":)" + user + R"(},{"role":"assistant","content":")" + model + "\"},";
    };
    const auto check = [&](const std::vector<std::string>& turns, uint64_t bytes_of_turn, uint64_t bytes) {
        std::string body = R"({"model":"m","messages":[)";
        for (const std::string& one : turns) body += one;
        body += R"({"role":"user","content":"end"}],"tools":[{"type":"function","function":{"name":"f"}}]})";
        const uint64_t before = reader.read(Endpoint::chat_completions, body)->prompt_bytes;
        const std::string left = chat(body, bytes);
        const auto read = reader.read(Endpoint::chat_completions, left);
        ASSERT_TRUE(read);
        EXPECT_EQ(before - read->prompt_bytes, gone_bytes);
        EXPECT_GE(gone_bytes, bytes);
        EXPECT_LT(gone_bytes, bytes + bytes_of_turn);
    };
    for (const size_t size : {10u, 20u}) {
        std::vector<std::string> turns(5'000, turn("\"" + std::string(size, 'u') + "\"", std::string(size, 'a')));
        for (const uint64_t bytes : {1ul, 2 * size, 2 * size + 1, 1'000 * size, 9'999 * size})
            check(turns, 2 * size, bytes);
    }
    std::vector<std::string> turns(20, turn(R"([{"type":"text","text":"what is it?"}])", "a cat"));
    turns[0] = turns[3] = turn(R"([{"type":"text","text":"what is it?"},)" + image + "]", "a cat");
    for (const uint64_t bytes : {1, 16, 17, 100, 300}) check(turns, 16, bytes);
}

/// Turns of any texts, with words before them that stay and tools behind them: for each number of tokens, so many go
/// that one turn less would be too few, what is left is told as its reader says, and each text was read once.
TEST_F(HistoryTrimTest, AsManyGoAsHaveToForSoManyTokens) {
    std::mt19937 random(20'261'123);
    RequestReader reader;
    const char* const words[] = {"the ", "Übermaß ",       "0xdeadbeef ",        "x",
                                 "\\n",  "\\u4f60\\u597d", "a very common word "};
    const auto text = [&] {
        std::string made;
        for (uint32_t n = random() % 40; n > 0; --n) made += words[random() % std::size(words)];
        return made;
    };
    const auto tokens_of = [&](std::string_view body) {
        const auto read = reader.read(Endpoint::chat_completions, body, PromptWish::estimate);
        EXPECT_TRUE(read) << body;
        return read ? read->prompt_tokens_estimated : 0;
    };
    for (int run = 0; run < 200; ++run) {
        const std::string head = R"({"model":"m","messages":[{"role":"system","content":")" + text() + "\"}";
        const std::string tail =
            R"(,{"role":"user","content":"end"}],"tools":[{"type":"function","function":{"name":"f",)"
            R"("description":")" +
            text() + "\"}}]}";
        std::vector<std::string> turns(1 + random() % 12);
        for (std::string& turn : turns)
            turn = R"(,{"role":"user","content":")" + text() + R"("},{"role":"assistant","content":")" + text() + "\"}";
        const auto without = [&](size_t gone) {
            std::string body = head;
            for (size_t n = gone; n < turns.size(); ++n) body += turns[n];
            return body + tail;
        };
        const std::string body = without(0);
        const uint64_t before = tokens_of(body);
        const uint64_t text_bytes = reader.read(Endpoint::chat_completions, body)->prompt_bytes;
        for (const uint64_t tokens_max : {before, before - 1, before / 2, before / 4, uint64_t{1}}) {
            HistoryTrim trim(scratch, pool);
            ByteBuffer out(pool);
            const Result<TrimmedHistory> gone = trim.trim_to(Endpoint::chat_completions, body, tokens_max, out);
            ASSERT_TRUE(gone);
            size_t wanted = 0;
            while (wanted < turns.size() && tokens_of(without(wanted)) > tokens_max) wanted += 1;
            ASSERT_EQ(gone->messages, 2 * wanted) << tokens_max << " of " << before << body;
            const std::string_view left = gone->messages == 0 ? body : out.view();
            EXPECT_EQ(gone->tokens_left, tokens_of(left)) << left;
            EXPECT_EQ(gone->tokens_left, tokens_of(without(wanted)));
            EXPECT_EQ(gone->estimated_bytes, text_bytes + 2) << "each text once, and the tools with their brackets";
        }
    }
}

/// Who has no turn to lose keeps what it has, and hears how much that is.
TEST_F(HistoryTrimTest, WhereNothingMayGoItsTokensAreTold) {
    RequestReader reader;
    const std::string body =
        R"({"model":"m","messages":[{"role":"system","content":"Be brief"},{"role":"user","content":"end"}]})";
    HistoryTrim trim(scratch, pool);
    ByteBuffer out(pool);
    const Result<TrimmedHistory> gone = trim.trim_to(Endpoint::chat_completions, body, 1, out);
    ASSERT_TRUE(gone);
    EXPECT_EQ(gone->messages, 0u);
    EXPECT_TRUE(out.empty());
    EXPECT_EQ(gone->tokens_left,
              reader.read(Endpoint::chat_completions, body, PromptWish::estimate)->prompt_tokens_estimated);
}

/// A document that is cut anywhere is refused, or is none that could be shortened; nothing is read behind its end.
TEST_F(HistoryTrimTest, EveryCut) {
    const std::string body = R"({"messages":[{"role":"user","content":[{"type":"text","text":"a\n"}]},)"
                             R"({"role":"assistant","content":"b"},{"role":"user","content":"c"}],"n":1})";
    for (size_t size = 0; size < body.size(); ++size) {
        const std::string cut = body.substr(0, size);
        EXPECT_EQ(chat(std::string_view(cut.data(), cut.size()), all), "broken") << cut;
    }
}

}  // namespace
}  // namespace loom::llm
