#include "loom/llm/quirk_edits.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "dom.h"
#include "loom/llm/protocol.h"

namespace loom::llm {
namespace {

class QuirkEditsTest : public testing::Test {
  protected:
    /// The changed document; "unchanged" where none was made, "broken" where it is refused.
    std::string changed(const Quirks& quirks, std::string_view body, Endpoint endpoint = Endpoint::chat_completions) {
        QuirkEdits edits(scratch, pool);
        ByteBuffer out(pool);
        const Result<bool> made = edits.apply(endpoint, body, quirks, out);
        if (made && *made) EXPECT_TRUE(foreseen(endpoint, body, quirks)) << body;
        lost.clear();
        for (const std::string_view name : edits.dropped()) lost += (lost.empty() ? "" : ", ") + std::string(name);
        if (!made) return "broken";
        if (!*made) {
            EXPECT_TRUE(out.empty());
            return "unchanged";
        }
        return std::string(out.view());
    }

    /// What is changed has been foreseen by who read the request (which these bodies need a model for).
    bool foreseen(Endpoint endpoint, std::string_view body, const Quirks& quirks) {
        const std::string whole = R"({"model":"m",)" + std::string(body.substr(body.find('{') + 1));
        const auto request = reader.read(endpoint, whole);
        return !request || QuirkEdits::may_change(endpoint, *request, quirks);
    }

    BlockPool pool;
    TranslateScratch scratch;
    RequestReader reader;
    std::string lost;
};

constexpr std::string_view hi = R"("messages":[{"role":"user","content":"Hi"}])";

std::string with(std::string_view front, std::string_view behind = "") {
    return "{" + std::string(front) + std::string(hi) + std::string(behind) + "}";
}

TEST_F(QuirkEditsTest, WhatIsRefusedGoesWhereverItStands) {
    const struct {
        Quirks quirks;
        std::string_view name, value, lost;
    } cases[] = {
        {{.no_stream_options = true}, "stream_options", R"({"include_usage":true})", ""},
        {{.no_parallel_tool_calls = true}, "parallel_tool_calls", "false", "parallel_tool_calls"},
        {{.no_parallel_tool_calls = true}, "parallel_tool_calls", "true", ""},
        {{.no_seed = true}, "seed", "7", "seed"},
        {{.no_seed = true, .seed_is_random_seed = true}, "seed", "7", "seed"},
        {{.no_penalties = true}, "presence_penalty", "0.5", "presence_penalty"},
        {{.no_penalties = true}, "frequency_penalty", "0.0", ""},
        {{.no_n = true}, "n", "2", "n"},
        {{.no_n = true}, "n", "1", ""},
        {{.no_logprobs = true}, "logprobs", "true", "logprobs"},
        {{.no_logprobs = true}, "logprobs", "false", ""},
        {{.no_logprobs = true}, "top_logprobs", "3", "top_logprobs"},
        {{.no_user = true}, "user", R"("u")", "user"},
        {{.no_user = true}, "user", "null", ""},
    };
    for (const auto& one : cases) {
        const std::string member = "\"" + std::string(one.name) + "\" : " + std::string(one.value);
        EXPECT_EQ(changed(one.quirks, with(member + " , ")), "{ " + std::string(hi) + "}") << member;
        EXPECT_EQ(lost, one.lost) << member;
        EXPECT_EQ(changed(one.quirks, with("", " ,\n" + member + "\n")), with("", " \n")) << member;
        EXPECT_EQ(changed(one.quirks, with(R"("a":1,)" + member + ",", ",\"z\" : 2")), with(R"("a":1,)", ",\"z\" : 2"));
        EXPECT_EQ(changed(one.quirks, with("", "," + member + "," + member)), with("")) << "twice, at the end";
        EXPECT_EQ(changed(one.quirks, with(member + "," + member + ",")), with("")) << "twice, at the front";
        EXPECT_EQ(changed(one.quirks, "{" + member + "}"), "{}");
        EXPECT_EQ(changed({}, with(member + ",")), "unchanged");
        EXPECT_EQ(changed(one.quirks, with(R"("x":{)" + member + "},")), "unchanged") << "of something else";
        EXPECT_EQ(changed(one.quirks, "{\"prompt\":\"Hi\"," + member + "}", Endpoint::completions),
                  R"({"prompt":"Hi"})");
    }
}

TEST_F(QuirkEditsTest, WhatIsSpelledOtherwiseIsRenamed) {
    const Quirks bounds{.max_tokens_only = true};
    EXPECT_EQ(changed(bounds, with(R"("max_completion_tokens": 5,)")), with(R"("max_tokens": 5,)"));
    EXPECT_EQ(changed(bounds, with(R"("max_tokens":9,)", R"(,"max_completion_tokens":5)")),
              with("", R"(,"max_tokens":5)"))
        << "OpenAI's own order: the newer one counts";
    EXPECT_EQ(changed(bounds, with(R"("max_tokens":9,"max_completion_tokens":null,)")), with(R"("max_tokens":9,)"));
    EXPECT_EQ(changed(bounds, with(R"("max_tokens":9,)")), "unchanged");
    EXPECT_EQ(changed({.seed_is_random_seed = true}, with(R"("seed":7,)")), with(R"("random_seed":7,)"));
    const Quirks choice{.no_tool_choice_required = true};
    EXPECT_EQ(changed(choice, with(R"("tool_choice": "required",)")), with(R"("tool_choice": "any",)"));
    EXPECT_EQ(changed(choice, with(R"("tool_choice":"auto",)")), "unchanged");
    EXPECT_EQ(changed(choice, with(R"("tool_choice":{"type":"function"},)")), "unchanged");
    const Quirks role{.no_developer_role = true};
    EXPECT_EQ(changed(role, R"({"messages":[{"content":"a","role" : "developer"},{"role":"system","content":"b"},)"
                            R"({"role":"developer","name":"developer","content":"developer"}]})"),
              R"({"messages":[{"content":"a","role" : "system"},{"role":"system","content":"b"},)"
              R"({"role":"system","name":"developer","content":"developer"}]})");
    EXPECT_EQ(lost, "");
}

TEST_F(QuirkEditsTest, ListsOfTextsBecomeOneText) {
    const Quirks quirks{.no_content_parts = true};
    const std::string parts =
        R"([{"type":"text","text":"a\n"}, {"text":"b","cache_control":{"type":"ephemeral"},"type":"text"}])";
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"user","content":)" + parts + "}]}"),
              R"({"messages":[{"role":"user","content":"a\n\n\nb"}]})");
    EXPECT_EQ(lost, "cache_control");
    EXPECT_EQ(changed(quirks, R"({"messages":[{"content":)" + parts + R"(,"role":"assistant"}]})"),
              R"({"messages":[{"content":"a\nb","role":"assistant"}]})")
        << "one answer, as it was given";
    const std::string image = R"([{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"http://x"}}])";
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"user","content":)" + image + "}]}"), "unchanged");
    EXPECT_EQ(changed(quirks, with("")), "unchanged");
}

TEST_F(QuirkEditsTest, ThinkingIsTakenOutOfWhatTheAssistantSaid) {
    const Quirks quirks{.no_reasoning_content = true};
    EXPECT_EQ(
        changed(quirks,
                R"({"messages":[{"role":"assistant","reasoning_content":"hm","content":"a"},)"
                R"({"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking"}],"reasoning":null}]})"),
        R"({"messages":[{"role":"assistant","content":"a"},{"role":"assistant","content":"b"}]})");
    EXPECT_EQ(lost, "reasoning_content");
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"user","reasoning":"x","content":"a"}]})"), "unchanged");
}

TEST_F(QuirkEditsTest, ASchemaThatIsNotTakenIsToldToTheModel) {
    const Quirks quirks{.no_json_schema = true};
    const std::string format =
        R"("response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object"},"strict":true}})";
    const std::string hint =
        R"({"role":"system","content":"Answer with a JSON object that follows this JSON Schema: {\"type\":\"object\"}"})";
    const std::string plain = R"("response_format":{"type":"json_object"})";
    EXPECT_EQ(changed(quirks, with(format + ",")),
              "{" + plain + R"(,"messages":[)" + hint + R"(,{"role":"user","content":"Hi"}]})");
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"system","content":"S"},{"role":"user","content":"Hi"}],)" +
                                  format + "}"),
              R"({"messages":[{"role":"system","content":"S"},)" + hint + R"(,{"role":"user","content":"Hi"}],)" +
                  plain + "}");
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"system","content":"S"}],)" + format + "}"),
              R"({"messages":[{"role":"system","content":"S"},)" + hint + "]," + plain + "}");
    EXPECT_EQ(changed(quirks, R"({"messages":[],)" + format + "}"), R"({"messages":[)" + hint + "]," + plain + "}");
    EXPECT_EQ(changed(quirks, with(plain + ",")), "unchanged");
}

TEST_F(QuirkEditsTest, SystemTextsMoveToTheFirstQuestion) {
    const Quirks quirks{.no_system_in_messages = true};
    const std::string system = R"({"role":"system","content":"S"},)";
    const std::string developer = R"({"role":"developer","content":[{"type":"text","text":"D"}]})";
    EXPECT_EQ(changed(quirks, R"({"messages":[)" + system + R"({"role":"user","content":"Hi"}, )" + developer + "]}"),
              R"({"messages":[{"role":"user","content":"S\n\nD\n\nHi"}]})");
    const std::string image = R"({"type":"image_url","image_url":{"url":"http://x"}})";
    EXPECT_EQ(changed(quirks, R"({"messages":[)" + system + R"({"role":"user","content":[)" + image + "]},{}]}"),
              R"({"messages":[{"role":"user","content":[{"type":"text","text":"S"},)" + image + "]},{}]}");
    EXPECT_EQ(changed(quirks, R"({"messages":[)" + system + R"({"role":"user","content":[]}]})"),
              R"({"messages":[{"role":"user","content":[{"type":"text","text":"S"}]}]})");
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"system","content":"S"}]})"),
              R"({"messages":[{"role":"user","content":"S"}]})")
        << "nobody else says anything";
    EXPECT_EQ(changed(quirks, R"({"messages":[)" + system + R"({"role":"user"}]})"),
              R"({"messages":[{"role":"user","content":"S"},{"role":"user"}]})")
        << "nothing is lost";
    EXPECT_EQ(changed(quirks, R"({"messages":[{"role":"assistant","content":"A"},)" + system +
                                  R"({"role":"user","content":"1"},{"role":"user","content":"2"}]})"),
              R"({"messages":[{"role":"assistant","content":"A"},{"role":"user","content":"S\n\n1"},)"
              R"({"role":"user","content":"2"}]})");
    EXPECT_EQ(changed(quirks, with("")), "unchanged");
    const Quirks all{.no_json_schema = true, .no_system_in_messages = true, .no_content_parts = true};
    EXPECT_EQ(changed(all, R"({"response_format":{"type":"json_schema","json_schema":{"schema":{}}},"messages":[)" +
                               system + R"({"role":"user","content":[{"type":"text","text":"Hi"}]}]})"),
              R"({"response_format":{"type":"json_object"},"messages":[{"role":"user","content":)"
              R"("S\n\nAnswer with a JSON object that follows this JSON Schema: {}\n\nHi"}]})");
}

constexpr std::string_view everything =
    R"({ "model":"m","max_tokens":1 ,"max_completion_tokens":2,"seed":3,"n":2,"user":"u","logprobs":true,)"
    R"("top_logprobs":2,"presence_penalty":1,"frequency_penalty":1,"parallel_tool_calls":false,)"
    R"("stream_options":{"include_usage":true},"tool_choice":"required","messages":[{"role":"developer","content":"D"},)"
    R"({"role":"system","content":[{"type":"text","text":"S"}]}, {"role":"user","content":[{"type":"text","text":"a"},)"
    R"({"type":"text","text":"b"}]},{"role":"assistant","reasoning_content":"r","content":"c"}],)"
    R"("response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}},"vendor":{"keep":[1.0]} })";

Quirks some_quirks(uint32_t bits) {
    Quirks quirks;
    uint32_t at = 0;
#define LOOM_QUIRK(word) quirks.word = (bits >> at++ & 1) != 0;
    LOOM_QUIRKS(LOOM_QUIRK)
#undef LOOM_QUIRK
    return quirks;
}

TEST_F(QuirkEditsTest, AnySetOfQuirksLeavesADocumentThatNeedsNoMore) {
    for (uint32_t bits = 1; bits < 1u << 15; bits += 7) {
        const Quirks quirks = some_quirks(bits);
        const std::string once = changed(quirks, everything);
        ASSERT_TRUE(Dom(once).valid()) << bits << "\n" << once;
        ASSERT_NE(once.find(R"("vendor":{"keep":[1.0]} })"), once.npos) << once;
        ASSERT_EQ(changed(quirks, once), "unchanged") << bits << "\n" << once;
    }
}

TEST_F(QuirkEditsTest, AnyBytesAreChangedOrRefused) {
    for (size_t length = 0; length < everything.size(); ++length)
        EXPECT_EQ(changed(some_quirks(0x7fff), std::string(everything.substr(0, length))), "broken") << length;
    std::mt19937 random(20261121);
    for (int round = 0; round < 4000; ++round) {
        std::string body(everything);
        for (uint32_t flips = 1 + random() % 4; flips > 0; --flips)
            body[random() % body.size()] = "\"{}[],:0a"[random() % 9];
        const std::string made = changed(some_quirks(random()), body);
        if (made == "broken" || made == "unchanged") continue;
        ASSERT_TRUE(Dom(made).valid() || !Dom(body).valid()) << body << "\n" << made;
    }
}

// The list of quirks.

TEST(Quirks, AreOneList) {
    std::string_view rest = quirk_choices;
    uint32_t count = 0;
    for (uint32_t bit = 1; !rest.empty(); bit <<= 1) {
        const std::string_view word = rest.substr(0, rest.find('|'));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        Quirks quirks;
        EXPECT_TRUE(set_quirk(quirks, word)) << word;
        EXPECT_EQ(quirks, some_quirks(bit)) << word;
        EXPECT_EQ(quirks | Quirks{}, quirks);
        count += 1;
    }
    EXPECT_EQ(some_quirks(0x7fff), some_quirks(0x5555) | some_quirks(0x2aaa));
    EXPECT_EQ(count, 15u);
    Quirks quirks;
    EXPECT_FALSE(set_quirk(quirks, "no_quirk"));
    EXPECT_EQ(quirks, Quirks{});
}

}  // namespace
}  // namespace loom::llm
