#include "loom/cache/fingerprint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "loom/base/json.h"

namespace loom::cache {
namespace {

constexpr uint64_t seed = 0x5eed;
using Members = std::vector<std::pair<std::string, std::string>>;

Key key_of(Family family, std::string_view document, std::vector<std::string_view> beside = {}) {
    const Fingerprint made = fingerprint(family, document, beside, seed);
    EXPECT_EQ(made.refusal, nullptr) << document;
    return made.key;
}

std::string refusal_of(Family family, std::string_view document) {
    const char* const refusal = fingerprint(family, document, {}, seed).refusal;
    return refusal == nullptr ? "" : refusal;
}

std::string written(const Members& members) {
    std::string document = "{";
    for (const auto& [name, value] : members) {
        if (document.size() > 1) document += ',';
        document += '"' + name + "\":" + value;
    }
    return document + '}';
}

/// The top level of a document, value by value, without white space between tokens.
Members members_of(const std::string& document) {
    simdjson::dom::parser parser;
    Members members;
    simdjson::dom::object object;
    if (parser.parse(simdjson::padded_string(document)).get(object) != simdjson::SUCCESS) return members;
    for (const auto member : object) members.emplace_back(std::string(member.key), simdjson::minify(member.value));
    return members;
}

constexpr std::pair<std::string_view, Family> protocols[] = {
    {"openai_chat", Family::openai_chat},
    {"anthropic", Family::anthropic},
    {"openai_responses", Family::openai_responses},
    {"gemini", Family::gemini},
};

struct Golden {
    std::string name;
    Family family;
    Members members;
};

/// What clients send, of every protocol: the translations' goldens.
std::vector<Golden> goldens() {
    std::vector<Golden> found;
    for (const auto& entry : std::filesystem::directory_iterator(std::getenv("CACHE_GOLDEN"))) {
        const std::string name = entry.path().filename();
        for (const auto& [protocol, family] : protocols) {
            if (name.substr(name.find('.') + 1) != protocol) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
            found.push_back({name, family, members_of(text)});
        }
    }
    return found;
}

TEST(Fingerprint, OfGoldensEveryMemberThatIsNotNamedChangesIt) {
    std::map<Family, size_t> seen;
    for (const Golden& golden : goldens()) {
        Members members = golden.members;
        ASSERT_FALSE(members.empty()) << golden.name;
        for (const std::string_view state : members_of_state(golden.family))  // else there is no key at all
            std::erase_if(members, [state](const auto& one) { return one.first == state; });
        const Key whole = key_of(golden.family, written(members));
        const auto left_out = members_left_out(golden.family);
        for (size_t i = 0; i < members.size(); ++i) {
            const bool counts = std::ranges::find(left_out, members[i].first) == left_out.end();
            Members other = members;
            other[i].second = "\"something else\"";
            EXPECT_EQ(key_of(golden.family, written(other)) != whole, counts) << golden.name << ' ' << members[i].first;
            other.erase(other.begin() + static_cast<ptrdiff_t>(i));
            EXPECT_EQ(key_of(golden.family, written(other)) != whole, counts) << golden.name << ' ' << members[i].first;
            seen[golden.family] += counts;
        }
        Members more = members;
        more.emplace_back("x_unknown_parameter", "1");
        EXPECT_NE(key_of(golden.family, written(more)), whole) << golden.name;
    }
    for (const auto& [protocol, family] : protocols) {
        EXPECT_GT(seen[family], 5u) << protocol;
    }
}

/// A change anywhere inside of what counts is another question: one byte of a message, of a tool, of a schema.
TEST(Fingerprint, OfGoldensEveryByteOfAValueCounts) {
    for (const Golden& golden : goldens()) {
        for (const auto& [name, value] : golden.members) {
            const auto left_out = members_left_out(golden.family);
            const auto state = members_of_state(golden.family);
            if (std::ranges::find(left_out, name) != left_out.end()) continue;
            if (std::ranges::find(state, name) != state.end()) continue;
            const Key whole = key_of(golden.family, written({{name, value}}));
            for (size_t i = 0; i < value.size(); i += 1 + value.size() / 97) {
                if (!std::isalnum(static_cast<unsigned char>(value[i]))) continue;
                std::string other = value;
                other[i] = other[i] == 'q' ? 'r' : 'q';
                EXPECT_NE(key_of(golden.family, written({{name, other}})), whole) << golden.name << ' ' << name;
            }
        }
    }
}

TEST(Fingerprint, IsTheSameWhateverTheOrderAndTheWhiteSpace) {
    std::mt19937 random(7);
    for (const Golden& golden : goldens()) {
        Members members = golden.members;
        for (const std::string_view state : members_of_state(golden.family))
            std::erase_if(members, [state](const auto& one) { return one.first == state; });
        const Key whole = key_of(golden.family, written(members));
        std::ranges::shuffle(members, random);
        EXPECT_EQ(key_of(golden.family, written(members)), whole) << golden.name;
        // White space behind every token, outside of strings.
        std::string spaced;
        bool in_string = false, escaped = false;
        for (const char c : written(members)) {
            spaced += c;
            if (escaped) {
                escaped = false;
            } else if (in_string && c == '\\') {
                escaped = true;
            } else if (c == '"') {
                in_string = !in_string;
            }
            if (!in_string && (c == '"' || c == ',' || c == ':' || c == '{' || c == '[' || c == '}' || c == ']'))
                spaced += random() % 2 == 0 ? " " : "\r\n\t  ";
        }
        EXPECT_EQ(key_of(golden.family, spaced), whole) << golden.name << '\n' << spaced;
    }
}

TEST(Fingerprint, WhiteSpaceInsideOfTextCounts) {
    EXPECT_NE(key_of(Family::openai_chat, R"({"messages":"a b"})"),
              key_of(Family::openai_chat, R"({"messages":"ab"})"));
    EXPECT_NE(key_of(Family::openai_chat, R"({"messages": "a \" b"})"),
              key_of(Family::openai_chat, R"({"messages": "a \"b"})"));
    EXPECT_NE(key_of(Family::openai_chat, R"({"messages": ["a\\", " b"]})"),
              key_of(Family::openai_chat, R"({"messages": ["a\\", "b"]})"));
}

TEST(Fingerprint, OrderInsideOfAValueCounts) {
    EXPECT_NE(key_of(Family::openai_chat, R"({"tools":[1,2]})"), key_of(Family::openai_chat, R"({"tools":[2,1]})"));
}

TEST(Fingerprint, OfTheSameNameTwiceTheOrderCounts) {
    EXPECT_NE(key_of(Family::openai_chat, R"({"seed":1,"seed":2})"),
              key_of(Family::openai_chat, R"({"seed":2,"seed":1})"));
    EXPECT_NE(key_of(Family::openai_chat, R"({"seed":1,"seed":2})"), key_of(Family::openai_chat, R"({"seed":1})"));
}

TEST(Fingerprint, WhoStreamsAndWhoAsksDoNotCount) {
    const Key key = key_of(Family::openai_chat, R"({"messages":[]})");
    EXPECT_EQ(key, key_of(Family::openai_chat, R"({"stream":true,"messages":[],"stream_options":{"include_usage":true},
                                               "user":"u","metadata":{"a":"b"},"model":"gpt-4o","store":false})"));
    EXPECT_EQ(key_of(Family::anthropic, R"({"messages":[]})"),
              key_of(Family::anthropic, R"({"messages":[],"metadata":{"user_id":"7"},"stream":true})"));
}

TEST(Fingerprint, AMemberOfAnotherProtocolCounts) {
    EXPECT_NE(key_of(Family::anthropic, R"({"user":"a"})"), key_of(Family::anthropic, R"({"user":"b"})"));
    EXPECT_NE(key_of(Family::gemini, R"({"stream":true})"), key_of(Family::gemini, R"({})"));
}

TEST(Fingerprint, WhatStandsOnStateHasNone) {
    for (size_t i = 0; i < family_count; ++i) {
        const auto family = static_cast<Family>(i);
        for (const std::string_view name : members_of_state(family)) {
            const std::string member = "{\"" + std::string(name) + "\":";
            EXPECT_NE(refusal_of(family, member + "true}"), "") << name;
            EXPECT_NE(refusal_of(family, member + "\"id\"}"), "") << name;
            EXPECT_NE(refusal_of(family, member + " {\"type\":\"auto\"} }"), "") << name;
            EXPECT_EQ(refusal_of(family, member + "null}"), "") << name;
            EXPECT_EQ(refusal_of(family, member + " false }"), "") << name;
        }
    }
}

TEST(Fingerprint, WhatStandsBesideIsToldApart) {
    const auto with = [](std::vector<std::string_view> beside) { return key_of(Family::openai_chat, "{}", beside); };
    EXPECT_EQ(with({"tenant/a", "gpt-4o"}), with({"tenant/a", "gpt-4o"}));
    EXPECT_NE(with({"tenant/a", "gpt-4o"}), with({"tenant/b", "gpt-4o"}));
    EXPECT_NE(with({"tenant/a", "gpt-4o"}), with({"tenant/ag", "pt-4o"}));
    EXPECT_NE(with({"tenant/a", "gpt-4o"}), with({"gpt-4o", "tenant/a"}));
    EXPECT_NE(with({"a"}), with({"a", ""}));
    EXPECT_NE(key_of(Family::openai_chat, "{}"), key_of(Family::anthropic, "{}"));
}

TEST(Fingerprint, AnotherSeedMakesOtherKeys) {
    EXPECT_NE(fingerprint(Family::openai_chat, R"({"a":1})", {}, 1).key,
              fingerprint(Family::openai_chat, R"({"a":1})", {}, 2).key);
}

TEST(Fingerprint, ADocumentCutAnywhereHasNone) {
    const std::string document = R"( { "messages" : [ { "role":"user", "content":"a \"b\" \\" } ], "n":1 } )";
    const size_t end = document.rfind('}') + 1;
    for (size_t i = 0; i < end; ++i) EXPECT_NE(refusal_of(Family::openai_chat, document.substr(0, i)), "") << i;
    EXPECT_EQ(refusal_of(Family::openai_chat, document.substr(0, end)), "");
    EXPECT_NE(refusal_of(Family::openai_chat, document + "x"), "");
}

TEST(Fingerprint, MoreMembersThanAnyRequestHasAreRefused) {
    Members members;
    for (size_t i = 0; i < members_max; ++i) members.emplace_back("m" + std::to_string(i), "1");
    EXPECT_EQ(refusal_of(Family::openai_chat, written(members)), "");
    members.emplace_back("one_more", "1");
    EXPECT_NE(refusal_of(Family::openai_chat, written(members)), "");
}

}  // namespace
}  // namespace loom::cache
