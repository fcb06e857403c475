#include "loom/llm/edits.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "dom.h"
#include "random_json.h"

namespace loom::llm {
namespace {

std::string applied(const Edits& edits, std::string_view original) {
    std::string out;
    uint32_t pieces = 0;
    edits.gather(original, [&](std::string_view piece) {
        EXPECT_FALSE(piece.empty());
        out += piece;
        pieces += 1;
    });
    EXPECT_LE(pieces, Edits::pieces_max);
    EXPECT_EQ(edits.output_bytes(original.size()), out.size());
    return out;
}

TEST(Edits, NoneMeansOnePieceThatIsTheOriginal) {
    const std::string_view original = "unchanged";
    Edits edits;
    EXPECT_TRUE(edits.empty());
    edits.gather(original, [&](std::string_view piece) {
        EXPECT_EQ(piece.data(), original.data());
        EXPECT_EQ(piece.size(), original.size());
    });
    EXPECT_EQ(edits.output_bytes(9), 9u);
}

TEST(Edits, ReplacesInsertsAndDeletesInWhateverOrderTheyCome) {
    const std::string_view original = "0123456789";
    Edits edits;
    ASSERT_TRUE(edits.replace({8, 2}, "END"));
    ASSERT_TRUE(edits.insert(0, "<"));
    ASSERT_TRUE(edits.replace({3, 2}, ""));
    ASSERT_TRUE(edits.insert(5, "mid"));
    EXPECT_EQ(applied(edits, original), "<012mid567END");
    edits.clear();
    EXPECT_EQ(applied(edits, original), original);
}

TEST(Edits, InsertsAtOnePlaceKeepTheirOrderAndPrecedeAReplacement) {
    Edits edits;
    ASSERT_TRUE(edits.replace({1, 1}, "B"));
    ASSERT_TRUE(edits.insert(1, "x"));
    ASSERT_TRUE(edits.insert(1, "y"));
    EXPECT_EQ(applied(edits, "abc"), "axyBc");
}

TEST(Edits, AreBounded) {
    Edits edits;
    const std::string original(100, '.');
    for (uint32_t i = 0; i < Edits::count_max; ++i) EXPECT_TRUE(edits.replace({i * 2, 1}, "ab"));
    EXPECT_FALSE(edits.replace({90, 1}, "z"));
    EXPECT_EQ(applied(edits, original).size(), 100 + Edits::count_max);
}

TEST(EditsDeath, AnOverlapIsABrokenPromise) {
    Edits edits;
    ASSERT_TRUE(edits.replace({2, 4}, "x"));
    EXPECT_DEATH((void)edits.replace({5, 1}, "y"), "broken promise");
    EXPECT_DEATH((void)edits.replace({1, 2}, "y"), "broken promise");
    EXPECT_DEATH((void)edits.insert(3, "y"), "broken promise");
    EXPECT_TRUE(edits.insert(6, "after"));
}

TEST(Edits, EqualAPlainRewriteForRandomSplices) {
    RandomJson random(3);
    for (int round = 0; round < 2000; ++round) {
        const std::string original = random.object() + "padding";
        std::vector<std::string> replacements(1 + random.below(Edits::count_max));
        std::vector<Range> ranges;
        uint32_t at = 0;
        for (auto& replacement : replacements) {
            const uint32_t left = static_cast<uint32_t>(original.size()) - at;
            const Range range{at + random.below(left + 1), 0};
            const uint32_t length = random.below(static_cast<uint32_t>(original.size()) - range.offset + 1) / 3;
            ranges.push_back({range.offset, length});
            replacement.assign(random.below(4), 'R');
            at = ranges.back().end();
        }
        std::string expected = original;
        for (size_t i = ranges.size(); i-- > 0;) expected.replace(ranges[i].offset, ranges[i].length, replacements[i]);
        Edits edits;
        for (size_t i = 0; i < ranges.size(); ++i) ASSERT_TRUE(edits.replace(ranges[i], replacements[i]));
        EXPECT_EQ(applied(edits, original), expected);
    }
}

TEST(Edits, AModelLeavesWithOneCommaWhereverItStands) {
    RequestReader reader;
    struct Case {
        std::string_view body, expected;
    };
    for (const Case& one : {
             Case{R"({"model":"m","messages":[]})", R"({"messages":[]})"},
             Case{R"({ "model" : "m" , "messages" : [] })", R"({  "messages" : [] })"},
             Case{R"({"messages":[],"model":"m"})", R"({"messages":[]})"},
             Case{"{\"messages\":[] ,\n \"model\" : \"m\"\n}", "{\"messages\":[] \n}"},
             Case{R"({"max_tokens":1,"model":"m","messages":[{"model":"x"}]})",
                  R"({"max_tokens":1,"messages":[{"model":"x"}]})"},
         }) {
        const auto request = reader.read(Endpoint::messages, one.body);
        ASSERT_TRUE(request) << one.body;
        Edits edits;
        drop_model(edits, *request);
        EXPECT_EQ(applied(edits, one.body), one.expected);
    }
}

TEST(Edits, ABodySaysTheVersionOnceWhateverTheClientSaid) {
    RequestReader reader;
    for (const std::string_view said : {R"("2023-06-01")", R"("")", "null", "7", R"({"a":[1]})"}) {
        const std::string body = R"({"messages":[],"anthropic_version": )" + std::string(said) + R"( ,"model":"m"})";
        const auto request = reader.read(Endpoint::messages, body);
        ASSERT_TRUE(request) << body;
        Edits edits;
        put_anthropic_version(edits, *request, "v-1");
        drop_model(edits, *request);
        EXPECT_EQ(applied(edits, body), R"({"messages":[],"anthropic_version": "v-1" })");
    }
    EXPECT_FALSE(
        reader.read(Endpoint::messages, R"({"model":"m","messages":[],"anthropic_version":1,"anthropic_version":2})"));
}

/// Members in every order, around random others: what is left reparses to the other members and the version.
TEST(Edits, TheVersionInTheModelsPlaceIsAnObjectForRandomBodies) {
    RequestReader reader;
    RandomJson random(7);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::string> others = {R"("messages":[])"};
        for (uint32_t i = 0; i < random.below(4); ++i)
            others.push_back("\"x" + std::to_string(i) + "\"" + random.space() + ":" + random.space() + random.value());
        const size_t at = random.below(static_cast<uint32_t>(others.size()) + 1);
        std::string body = "{", expected = R"({"anthropic_version":"v-1")";
        for (size_t i = 0; i <= others.size(); ++i) {
            const std::string member = i == at ? R"("model":"m")" : others[i < at ? i : i - 1];
            body += (i == 0 ? "" : random.space() + "," + random.space()) + member;
            if (i != at) expected += "," + member;
        }
        body += random.space() + "}";
        expected += "}";
        const auto request = reader.read(Endpoint::messages, body);
        ASSERT_TRUE(request) << body;
        Edits edits;
        put_anthropic_version(edits, *request, "v-1");
        drop_model(edits, *request);
        const auto bare = [](std::string text) {
            std::erase_if(text, [](char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; });
            return text;
        };
        EXPECT_EQ(bare(applied(edits, body)), bare(expected)) << body;
    }
}

struct Asked {
    std::string_view body;
    std::string_view expected;  // "" unchanged, and the client asked itself or does not stream
};

TEST(AskForUsage, AddsTheMemberAndKeepsTheOthers) {
    RequestReader reader;
    for (const Asked& asked : {
             Asked{R"({"model":"m","messages":[],"stream":true})",
                   R"({"stream_options":{"include_usage":true},"model":"m","messages":[],"stream":true})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":null})",
                   R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":{ }})",
                   R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":{"a":1}})",
                   R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true,"a":1}})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":{"a":1,"include_usage":false}})",
                   R"({"model":"m","messages":[],"stream":true,"stream_options":{"a":1,"include_usage":true}})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":null}})",
                   R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}})"},
             Asked{R"({"model":"m","messages":[],"stream":true,"stream_options":{"include_usage":true}})", ""},
             Asked{R"({"model":"m","messages":[]})", ""},
             Asked{R"({"model":"m","messages":[],"stream":false,"stream_options":{}})", ""},
         }) {
        const auto request = reader.read(Endpoint::chat_completions, asked.body);
        ASSERT_TRUE(request) << asked.body;
        Edits edits;
        EXPECT_EQ(ask_for_usage(edits, *request), !asked.expected.empty()) << asked.body;
        EXPECT_EQ(applied(edits, asked.body), asked.expected.empty() ? asked.body : asked.expected);
    }
}

/// Random members around the ones we know: what comes out reparses to what a plain rewrite of the pieces gives.
TEST(AskForUsage, AndARenameReparseToAPlainRewrite) {
    RequestReader reader;
    RandomJson random(5);
    for (int round = 0; round < 3000; ++round) {
        std::vector<std::string> members;
        for (uint32_t i = 0; i < random.below(4); ++i) {
            members.push_back("\"x" + std::to_string(i) + "\"" + random.space() + ":" + random.space() +
                              random.value());
        }
        const size_t before = random.below(static_cast<uint32_t>(members.size()) + 1);
        members.insert(members.begin() + static_cast<long>(before),
                       {R"("messages":[])", R"("stream" : true)", "MODEL"});
        const auto build = [&](std::string_view model, std::string_view first) {
            std::string out = "{" + std::string(first);
            for (const std::string& member : members) {
                if (out.size() > 1 && out.back() != ',') out += ",";
                out += member == "MODEL" ? "\"model\":" + std::string(model) : member;
            }
            return out + "}";
        };
        const std::string body = build(random.string(), "");
        const auto request = reader.read(Endpoint::chat_completions, body);
        ASSERT_TRUE(request) << body << request.error().what;
        Edits edits;
        rename_model(edits, *request, R"("other")");
        EXPECT_TRUE(ask_for_usage(edits, *request));
        const std::string expected = build(R"("other")", R"("stream_options":{"include_usage":true},)");
        EXPECT_EQ(minified(applied(edits, body)), minified(expected)) << body;
        EXPECT_FALSE(minified(expected).empty()) << expected;
    }
}

}  // namespace
}  // namespace loom::llm
