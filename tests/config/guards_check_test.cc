// Guards outside of Loom: what is missing, what cannot be meant so, and what they are asked with.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"
#include "plan/guards.h"

namespace loom::app {
namespace {

const std::string basis =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
    "provider.demo.models = small\n";
const std::string lakera = "security.guard.lakera.url = https://guard.example/check\n";
const std::string openai =
    "security.guard.openai.url = https://api.openai.com/v1/moderations\nsecurity.guard.openai.type = moderations\n";

std::string said(const std::string& text) {
    auto loaded = config::load_text(basis + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}
void expect_said(const std::string& text, const std::string& part) {
    EXPECT_NE(said(text).find(part), std::string::npos) << said(text) << " not " << part;
}

TEST(CheckGuards, AnAddressIsEnough) {
    EXPECT_EQ(said(lakera + openai), "");
    EXPECT_EQ(
        said(openai + "security.guard.openai.key = sk-1\nsecurity.guard.openai.thresholds = self-harm/intent:0.2, "
                      "violence:1\nsecurity.guard.openai.categories = hate\n"),
        "");
}

TEST(CheckGuards, HtmlIsOfRoutesThatAreGuarded) {
    EXPECT_EQ(said("security.strip_html = all\nroute.ai.strip_html = scripts\n"), "");
    EXPECT_EQ(said("security.strip_html = all\nroute.ai.security = off\n"), "");
    expect_said("security.strip_html = on\n", "security.strip_html");
    expect_said("route.ai.strip_html = some\n", "route.ai.strip_html");
    expect_said("route.ai.strip_html = all\nroute.ai.security = off\n", "has no effect: route.ai.security is off");
    expect_said("route.ai.strip_html = all\nroute.ai.ai_gateway = off\n", "this route is no AI gateway");
}

TEST(CheckGuards, AnswersAreJudgedByWhatIsNamed) {
    const std::string answers = "security.content_filtering.response.action = ";
    const std::string severity = "security.content_filtering.response.severity = low\n";
    EXPECT_EQ(said(answers + "block\n" + severity), "");
    expect_said(severity, "security.content_filtering.response.severity: has no effect");
    expect_said(answers + "mask\n", "security.content_filtering.response.action");
    const std::string nothing = "security.content_filtering.categories =\n";
    EXPECT_EQ(said(nothing), "");
    expect_said(nothing + answers + "log\n", "nothing would be looked for");
    EXPECT_EQ(said(nothing + answers + "log\nsecurity.content_filtering.words = bluebird\n"), "");
}

TEST(CheckGuards, WhatIsMissing) {
    expect_said("security.guard.lakera.timeout = 1s\n", "security.guard.lakera.url: is missing");
    std::string many;
    for (int i = 0; i < 17; ++i) many += "security.guard.g" + std::to_string(i) + ".url = https://guard.example/\n";
    expect_said(many, "there are 17 guards, and 16 at most may be");
}

TEST(CheckGuards, WhatCannotBeMeantSo) {
    expect_said("security.guard.a.url = guard.example\n", "security.guard.a.url");
    expect_said("security.guard.a.url = http://guard.example/\n", "whoever is on the way reads prompts");
    EXPECT_EQ(said("security.guard.a.url = http://127.0.0.1:9000/check\n"), "");
    expect_said(lakera + "security.guard.lakera.categories = hate\n", "means nothing without type = moderations");
    expect_said(lakera + "security.guard.lakera.model = m\n", "means nothing without type = moderations");
    expect_said(openai + "security.guard.openai.model =\n", "security.guard.openai.model: is empty");
    for (const char* const threshold : {"violence", ":0.5", "violence:", "violence:0", "violence:1.1", "violence:x",
                                        "violence:-1", "violence:0.5x", "violence:nan", "violence:inf"})
        expect_said(openai + "security.guard.openai.thresholds = " + threshold + "\n",
                    "security.guard.openai.thresholds: '" + std::string(threshold) + "'");
    expect_said(lakera + "security.guard.lakera.on_failure = maybe\n", "security.guard.lakera.on_failure");
    expect_said(lakera + "security.guard.lakera.action = mask\n", "security.guard.lakera.action");
    expect_said(lakera + "security.guard.lakera.action = log\nsecurity.guard.lakera.on_failure = closed\n",
                "has no effect: with action = log nothing is refused");
    expect_said(lakera + "security.guard.lakera.timeout = 1m\n", "security.guard.lakera.timeout");
    expect_said(lakera + "security.guard.lakera.max_text = 1GiB\n", "security.guard.lakera.max_text");
}

TEST(PlanGuards, AreClosedAndActWhereNothingIsSaid) {
    const auto loaded = config::load_text(basis + lakera + openai +
                                          "security.guard.openai.on_failure = open\n"
                                          "security.guard.openai.thresholds = self-harm/intent:0.25\n");
    ASSERT_NE(loaded.config, nullptr);
    const auto one = external_guard_plan(*loaded.config, "lakera");
    ASSERT_TRUE(one);
    EXPECT_EQ(one->shape, proxy::GuardShape::webhook);
    EXPECT_TRUE(one->is_closed && one->acts);
    EXPECT_EQ(one->target, "/check");
    EXPECT_EQ(one->lines->view(), "content-type: application/json\r\n");
    const auto other = external_guard_plan(*loaded.config, "openai");
    ASSERT_TRUE(other);
    EXPECT_FALSE(other->is_closed);
    EXPECT_EQ(other->model, "omni-moderation-latest");
    ASSERT_EQ(other->terms.thresholds.size(), 1U);
    EXPECT_EQ(other->terms.thresholds[0].category, "self-harm/intent");
    EXPECT_EQ(other->terms.thresholds[0].score, 0.25);
    // Of moderations an answer grows with the texts; OpenAI's has about 2000 bytes for each.
    EXPECT_EQ(one->client.answer_bytes_max, 64U * 1024);
    EXPECT_FALSE(one->is_large(2000));
    EXPECT_GE(other->client.answer_bytes_max, 256U * 2100);
    EXPECT_FALSE(other->is_large(256));
    EXPECT_TRUE(other->is_large(257));
    EXPECT_GE(other->large_client().answer_bytes_max, other->texts_max() * 2100U);
    EXPECT_LE(other->large_client().exchange_count_max, 4U);
}

TEST(PlanGuards, AnotherGuardIsAnotherMark) {
    const auto mark = [](const std::string& text) {
        Mark mark;
        mark_external_guards(*config::load_text(basis + text).config, mark);
        return mark.text();
    };
    EXPECT_NE(mark(""), mark(lakera));
    EXPECT_NE(mark(openai), mark(openai + "security.guard.openai.thresholds = hate:0.5\n"));
    EXPECT_NE(mark(openai), mark(openai + "security.guard.openai.on_failure = open\n"));
    EXPECT_EQ(mark(openai), mark(openai + "security.guard.openai.timeout = 1s\n"));
}

}  // namespace
}  // namespace loom::app
