// What rules mean.
#include "loom/rule/rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "fact_table.h"
#include "heap_watch.h"

namespace loom::rule {
namespace {

using enum Attribute;

Rule rule_of(std::string_view text) {
    auto rule = Rule::compile(text);
    if (!rule) {
        ADD_FAILURE() << text << "\n  " << rule.error().front().column << ": " << rule.error().front().text;
        return *Rule::compile("false");
    }
    return std::move(*rule);
}

class Rules : public testing::Test {
  protected:
    Rules() {
        facts.text(model, "gpt-4o-mini").text(Attribute::route, "ai").text(path, "/v1/chat/completions");
        facts.text(header, "legal", "x-team").text(header, "7", "x-level").text(header, "true", "x-urgent");
        facts.text(query, "1", "debug").address("10.1.2.3").text(consumer, "mobile-app").text(tenant, "acme");
        facts.list(roles, {"developer", "finance"}).text(claim, "acme", "tenant").number(claim, 3, "level");
        facts.list(claim, {"eu", "us"}, "regions").flag(claim, true, "verified");
        facts.flag(stream, true).flag(tools, false).number(messages, 4).number(prompt_tokens, 9000);
        facts.number(complexity, 0.7).text(task, "code").number(Attribute::time, 9 * 3600).text(weekday, "mon");
        facts.set(header, Value::unclear(), "x-twice");
    }
    Verdict of(std::string_view text) const { return rule_of(text).evaluate(facts); }

    FactTable facts;
};

#define EXPECT_YES(text) EXPECT_EQ(of(text), Verdict::yes) << text
#define EXPECT_NO(text) EXPECT_EQ(of(text), Verdict::no) << text
#define EXPECT_UNKNOWN(text) EXPECT_EQ(of(text), Verdict::unknown) << text

TEST_F(Rules, CompareTexts) {
    EXPECT_YES(R"(model == "gpt-4o-mini")");
    EXPECT_YES(R"("gpt-4o-mini" == model)");
    EXPECT_YES(R"(model == 'gpt-4o-mini')");
    EXPECT_NO(R"(model == "GPT-4o-mini")");
    EXPECT_YES(R"(model != "gpt-4o")");
    EXPECT_YES(R"(model in ["a", "gpt-4o-mini", "b"])");
    EXPECT_YES(R"(model not in ["a", "b"])");
    EXPECT_YES(R"(model starts_with "gpt-" and model ends_with "mini" and model contains "4o")");
    EXPECT_NO(R"(model starts_with "mini" or model ends_with "gpt-" or model contains "5o")");
    EXPECT_YES(R"(model matches "gpt-*")");
    EXPECT_YES(R"(model matches ["claude-*", "gpt-?o*"])");
    EXPECT_NO(R"(model matches "gpt")");
    EXPECT_YES(R"(claim["tenant"] == tenant)");
    EXPECT_NO(R"(consumer == tenant)");
}

TEST_F(Rules, CompareNumbers) {
    EXPECT_YES("prompt_tokens > 8000");
    EXPECT_YES("tokens > 8k and tokens < 0.01m and tokens <= 9K and tokens >= 9000.0");
    EXPECT_NO("8k > prompt_tokens");
    EXPECT_YES("8k < prompt_tokens");
    EXPECT_YES("complexity >= 70% and complexity == 0.7");
    EXPECT_YES("messages in [1, 4, 2]");
    EXPECT_NO("messages in [1, 2, 3]");
    EXPECT_YES("messages != 5");
}

TEST_F(Rules, ReadHeadersAndClaimsAsWhatTheyAreComparedWith) {
    EXPECT_YES(R"(header["X-Team"] == "legal" and header.x-team == "legal")");
    EXPECT_YES(R"(header.x-level == 7 and header.x-level > 6.5 and header.x-level == "7")");
    EXPECT_YES(R"(header.x-urgent == true and header.x-urgent == "true")");
    EXPECT_YES(R"(query.debug == 1)");
    EXPECT_YES(R"(claim["level"] >= 3)");
    EXPECT_YES(R"(claim.verified == true)");
    EXPECT_YES(R"(claim.verified != false)");
    EXPECT_UNKNOWN(R"(header.x-team > 5)");
    EXPECT_UNKNOWN(R"(header.x-team == true)");
    EXPECT_YES(R"(claim.level == "3" and claim.level in ["x", "3"])");
    EXPECT_NO(R"(claim.level == "4" or claim.level in ["4", "5"])");
    EXPECT_UNKNOWN(R"(claim.level in ["x", "4"])") << "as a number is not the text x";
    EXPECT_UNKNOWN(R"(claim.verified == 1)");
}

TEST_F(Rules, AskLists) {
    EXPECT_YES(R"("finance" in roles)");
    EXPECT_YES(R"("finance" in role)") << "the other name";
    EXPECT_YES(R"(roles contains "finance")");
    EXPECT_NO(R"("fin" in roles)") << "a member, not a part";
    facts.list(tags, {"restricted", "eu"});
    EXPECT_YES(R"("restricted" in tags and "us" not in tags)");
    EXPECT_YES(R"("eu" in tag)");
    facts.list(tags, {});
    EXPECT_NO(R"("restricted" in tags)") << "it is known to have none";
    EXPECT_YES(R"("admin" not in roles)");
    EXPECT_YES(R"("eu" in claim["regions"] and claim.regions contains "us")");
    EXPECT_YES(R"("acme" in claim["tenant"])") << "a text is a list of one";
    EXPECT_NO(R"("ac" in claim["tenant"])");
    EXPECT_YES(R"(tenant in claim["tenant"])");
    EXPECT_NO(R"(claim["tenant"] contains "ac")") << "whether an issuer writes a text or a list, it is a member";
    EXPECT_YES(R"(claim["tenant"] contains "acme")");
    EXPECT_YES(R"(tenant contains "ac")");
    EXPECT_UNKNOWN(R"(claim["regions"] == "eu")");
    EXPECT_UNKNOWN(R"(claim["regions"] in ["eu", "us"])");
}

TEST_F(Rules, AskAddressesAndTimes) {
    EXPECT_YES(R"(ip in "10.0.0.0/8")");
    EXPECT_YES(R"(ip in ["192.0.2.0/24", "10.1.2.3"])");
    EXPECT_YES(R"(ip == "10.1.2.3" and ip not in ["fd00::/8", "::/0"])");
    EXPECT_YES(R"(ip != "10.1.2.4")");
    EXPECT_YES("time >= 09:00 and time < 17:30");
    EXPECT_NO("time > 09:00 or time < 9:00");
    EXPECT_YES("time <= 24:00");
    EXPECT_YES(R"(weekday not in ["sat", "sun"])");
}

TEST_F(Rules, JoinTests) {
    EXPECT_YES("stream");
    EXPECT_NO("tools");
    EXPECT_YES("not tools");
    EXPECT_YES("!tools && stream == true");
    EXPECT_YES("tools or stream and not tools");
    EXPECT_NO("(tools or stream) and tools");
    EXPECT_NO("not (stream or tools)");
    EXPECT_YES("!!stream");
    EXPECT_YES(R"(not model == "x")");
    EXPECT_YES("true");
    EXPECT_NO("not true or false");
    EXPECT_YES("stream or tools and tools") << "and binds closer";
}

TEST_F(Rules, WhatIsMissingIsUnknownAndSoIsItsNegation) {
    for (const char* test : {R"(tier == "free")",        R"(tier != "free")",
                             R"(tier in ["free"])",      R"(tier not in ["free"])",
                             R"(tier matches "*")",      R"(tier contains "f")",
                             R"(tier starts_with "f")",  R"(tier ends_with "e")",
                             R"(header.absent == "x")",  R"(header.absent > 3)",
                             R"(header.absent <= 3)",    R"(claim.absent == true)",
                             R"("x" in claim.absent)",   R"(claim.absent contains "x")",
                             R"(max_tokens > 100)",      R"(max_tokens in [1])",
                             R"(json_schema)",           R"(tier == tenant)",
                             R"(tenant != tier)",        R"(header.x-twice == "a")",
                             R"(header.x-twice != "a")", R"(header.x-twice matches "*")"}) {
        EXPECT_UNKNOWN(test);
        EXPECT_UNKNOWN("not (" + std::string(test) + ")");
        EXPECT_UNKNOWN("stream and (" + std::string(test) + ")");
        EXPECT_UNKNOWN("tools or (" + std::string(test) + ")");
        EXPECT_NO("tools and (" + std::string(test) + ")") << "whatever it would be";
        EXPECT_YES("stream or (" + std::string(test) + ")");
        EXPECT_NO("(" + std::string(test) + ") and tools");
        EXPECT_YES("(" + std::string(test) + ") or stream");
    }
    facts.forget(ip);
    EXPECT_UNKNOWN(R"(ip in "0.0.0.0/0")");
    EXPECT_UNKNOWN(R"(ip not in "0.0.0.0/0")");
    facts.forget(roles);
    EXPECT_UNKNOWN(R"("admin" in roles)");
    EXPECT_UNKNOWN(R"("restricted" in tags)");
    EXPECT_UNKNOWN(R"("admin" not in roles)");
    facts.list(roles, {});
    EXPECT_NO(R"("admin" in roles)") << "known to have none";
}

TEST_F(Rules, WhoGrantsAndWhoDeniesTakeTheUnknownApart) {
    const Rule rule = rule_of(R"(tier != "free")");
    EXPECT_FALSE(rule.known_to_hold(facts)) << "grants nothing to those without a tier";
    EXPECT_TRUE(rule.may_hold(facts)) << "and denies them";
    facts.text(tier, "free");
    EXPECT_FALSE(rule.known_to_hold(facts));
    EXPECT_FALSE(rule.may_hold(facts));
    facts.text(tier, "paid");
    EXPECT_TRUE(rule.known_to_hold(facts));
    EXPECT_TRUE(rule.may_hold(facts));
}

TEST_F(Rules, HasIsAlwaysYesOrNo) {
    EXPECT_NO("has(tier)");
    EXPECT_YES("not has(tier)");
    EXPECT_YES("has(model) && has(header.x-team)");
    EXPECT_YES("has(header[\"x-twice\"])") << "said, if twice";
    EXPECT_YES(R"(not has(tier) or tier == "free")");
}

TEST_F(Rules, AnEmptyPartIsNobodysMeaning) {
    facts.text(header, "", "x-empty");
    EXPECT_UNKNOWN("path starts_with header.x-empty") << "else a client's empty header would open every path";
    EXPECT_UNKNOWN("path contains header.x-empty");
    EXPECT_UNKNOWN("path ends_with header.x-empty");
    EXPECT_YES(R"(header.x-empty == "")");
}

TEST_F(Rules, NumbersInTextsAreWholeAndFinite) {
    for (const char* text : {"", " 7", "7 ", "7x", "inf", "nan", "1e999", "0x7", "--7"}) {
        facts.text(header, text, "n");
        EXPECT_UNKNOWN("header.n < 10");
        EXPECT_UNKNOWN("header.n >= 10");
        EXPECT_UNKNOWN("header.n in [7]");
    }
    facts.text(header, "-7.5e0", "n");
    EXPECT_YES("header.n < 10");
}

TEST_F(Rules, AskOnlyForWhatDecides) {
    EXPECT_TRUE(rule_of("tools and complexity > 50%").uses().test(static_cast<size_t>(complexity)));
    EXPECT_FALSE(rule_of("tools and complexity > 50%").uses().test(static_cast<size_t>(task)));
    const Rule named = rule_of("header.A == \"x\" and header[\"b\"] > 1 and claim.b == header.a and stream");
    EXPECT_EQ(named.names_of(header), (std::vector<std::string_view>{"a", "b"}));
    EXPECT_EQ(named.names_of(claim), std::vector<std::string_view>{"b"});
    EXPECT_TRUE(named.names_of(query).empty());
    const int before = facts.asked();
    EXPECT_NO("tools and complexity > 50% and model == tenant");
    EXPECT_EQ(facts.asked(), before + 1);
    EXPECT_YES("stream or complexity > 50%");
    EXPECT_EQ(facts.asked(), before + 2);
}

TEST_F(Rules, EvaluationAllocatesNothing) {
    const Rule rule = rule_of(R"((model matches ["claude-*", "gpt-*"] and "finance" in roles and ip in ["10.0.0.0/8"])
        and (header.x-team contains "leg" or tokens > 8k) and weekday not in ["sat", "sun"] and claim.level in [1, 3])");
    EXPECT_TRUE(rule.known_to_hold(facts));
    const test::HeapWatch watch;
    EXPECT_EQ(rule.evaluate(facts), Verdict::yes);
    EXPECT_EQ(watch.allocations(), 0u);
}

TEST_F(Rules, MoveAndStayAsTheyAre) {
    Rule rule = rule_of(R"(model == "gpt-4o-mini" and header.x == "a text that is longer than any small buffer")");
    Rule moved = std::move(rule);
    facts.text(header, "a text that is longer than any small buffer", "x");
    EXPECT_TRUE(moved.known_to_hold(facts));
    moved = rule_of("tools");
    EXPECT_FALSE(moved.known_to_hold(facts));
}

TEST_F(Rules, KeepToTheirBounds) {
    const auto nested = [](size_t depth) { return std::string(depth, '(') + "stream" + std::string(depth, ')'); };
    EXPECT_YES(nested(depth_max));
    EXPECT_FALSE(Rule::compile(nested(depth_max + 1)));
    EXPECT_FALSE(Rule::compile(nested(1000)));
    EXPECT_FALSE(Rule::compile(std::string(text_bytes_max, '!')));
    std::string deepest = "stream";  // each level leaves two verdicts waiting
    for (uint32_t i = 0; i < depth_max; ++i) deepest = "tools or stream and (" + deepest + ")";
    EXPECT_YES(deepest);
    std::string longest = "stream";
    while (longest.size() + 11 <= text_bytes_max) longest += " and stream";
    EXPECT_YES(longest);
    EXPECT_FALSE(Rule::compile(longest + " and stream"));
}

TEST(RuleValues, ThatCannotBeAreSlips) {
    const std::vector<KnownValues> known = {{task, {"code", "summary", "chat"}}, {tier, {"free", "paid"}}};
    EXPECT_TRUE(Rule::compile(R"(task == "code" and tier in ["free", "paid"])", known));
    const auto wrong = Rule::compile(R"(task == "cod" and tier in ["free", "piad"])", known);
    ASSERT_FALSE(wrong);
    ASSERT_EQ(wrong.error().size(), 2u) << "all at once";
    EXPECT_EQ(wrong.error()[0].text, R"(task is never "cod", did you mean "code"? It is one of code, summary, chat)");
    EXPECT_EQ(wrong.error()[1].text, R"(tier is never "piad", did you mean "paid"? It is one of free, paid)");
    EXPECT_EQ(wrong.error()[1].column, 36u);
}

TEST(RuleThread, OneRuleServesAllShards) {
    const Rule rule = rule_of(R"(model matches "gpt-*" and prompt_tokens > 10)");
    const auto ask = [&rule] {
        FactTable facts;
        facts.text(model, "gpt-4").number(prompt_tokens, 11);
        for (int i = 0; i < 1000; ++i) EXPECT_TRUE(rule.known_to_hold(facts));
    };
    std::thread one(ask), two(ask);
    one.join();
    two.join();
}

}  // namespace
}  // namespace loom::rule
