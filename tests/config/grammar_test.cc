// The grammar of the flat conf file, as a specification.
#include <gtest/gtest.h>

#include "fake_source.h"

namespace loom::config {
namespace {

/// What health.path, a plain text key, becomes when `written` stands behind its `=`.
std::string value_of(const std::string& written, const std::map<std::string, std::string>& environment = {}) {
    const auto loaded =
        load_world({.files = {{"loom.conf", "health.path = " + written + "\n"}, {"secret", "  s3cret\n\n"}},
                    .environment = environment});
    if (!loaded.config) return "error: " + all_of(loaded.diagnostics);
    return loaded.config->text("health.path");
}

std::vector<std::string> list_of(const std::string& written) {
    const auto loaded = load_text("provider.p.models = " + written + "\n");
    if (!loaded.config) return {"error: " + all_of(loaded.diagnostics)};
    return loaded.config->list("provider.p.models");
}

using Items = std::vector<std::string>;

TEST(Grammar, AValueRunsToTheEndOfTheLineTrimmed) {
    EXPECT_EQ(value_of("a b  c \t "), "a b  c");
    EXPECT_EQ(value_of("a = b"), "a = b");
    EXPECT_EQ(value_of(""), "");
    EXPECT_EQ(load_text("health.path=/x").config->text("health.path"), "/x");
    EXPECT_EQ(load_text("  health.path   =/x\r\n").config->text("health.path"), "/x");
    EXPECT_EQ(load_text("\xef\xbb\xbfhealth.path = /x\n").config->text("health.path"), "/x");
}

TEST(Grammar, AHashBeginsACommentAtTheLinesStartOrAfterABlank) {
    EXPECT_EQ(value_of("a # b"), "a");
    EXPECT_EQ(value_of("a\t#b"), "a");
    EXPECT_EQ(value_of("a#b"), "a#b");
    EXPECT_EQ(value_of("# all of it"), "");
    EXPECT_EQ(errors_of("# a\n   # b\n\n \t \n#"), "");
}

TEST(Grammar, QuotesKeepBlanksAndHashes) {
    EXPECT_EQ(value_of(R"("  a # b ")"), "  a # b ");
    EXPECT_EQ(value_of(R"("a"  # comment)"), "a");
    EXPECT_EQ(value_of(R"("")"), "");
    EXPECT_EQ(value_of(R"("a \"b\" \\ c\nd")"), "a \"b\" \\ c\nd");
}

TEST(Grammar, QuotesInsideABareValueStayAndKeepHashes) {
    EXPECT_EQ(value_of(R"(header.x-team == "legal # one" && tokens > 8000 # why)"),
              R"(header.x-team == "legal # one" && tokens > 8000)");
    EXPECT_EQ(value_of(R"("a" == b)"), R"("a" == b)");
    EXPECT_EQ(value_of(R"(C:\dir\n)"), R"(C:\dir\n)");
}

TEST(Grammar, ATrailingBackslashContinuesTheLine) {
    EXPECT_EQ(value_of("a \\\n   b"), "a b");
    EXPECT_EQ(value_of("a\\\n   b"), "ab");
    EXPECT_EQ(value_of("a \\\r\n b \\\r\n c"), "a b c");
    EXPECT_EQ(value_of("\"a \\\n  b # c\""), "a b # c");
    EXPECT_EQ(value_of("a \\"), "a");
    EXPECT_EQ(list_of("a, \\\n  b, \\\n  c  # and a comment \\\nhealth.path = /x"), (Items{"a", "b", "c"}));
}

TEST(Grammar, TwoTrailingBackslashesDoNotContinue) { EXPECT_EQ(value_of("a\\\\\nprovider.p.priority = 1"), "a\\\\"); }

TEST(Grammar, ACommentIsNeverContinued) {
    EXPECT_EQ(load_text("# a \\\nhealth.path = /x").config->text("health.path"), "/x");
}

TEST(Grammar, VariablesComeFromTheEnvironment) {
    EXPECT_EQ(value_of("${A}", {{"A", "x"}}), "x");
    EXPECT_EQ(value_of("<${A}-${B_2}>", {{"A", "x"}, {"B_2", "y"}}), "<x-y>");
    EXPECT_EQ(value_of("${A}", {{"A", ""}}), "");
    EXPECT_EQ(value_of("\"${A} #\"", {{"A", "x"}}), "x #");
}

TEST(Grammar, WhatAVariableHoldsIsNotReadAgain) {
    EXPECT_EQ(value_of("${A}", {{"A", "\"a\" # ${B} \\n"}}), "\"a\" # ${B} \\n");
}

TEST(Grammar, AVariableMayHaveADefaultForUnsetAndEmpty) {
    EXPECT_EQ(value_of("${A:-d e}"), "d e");
    EXPECT_EQ(value_of("${A:-}"), "");
    EXPECT_EQ(value_of("${A:-d}", {{"A", ""}}), "d");
    EXPECT_EQ(value_of("${A:-d}", {{"A", "x"}}), "x");
}

TEST(Grammar, AFilesContentIsTrimmed) { EXPECT_EQ(value_of("<${file:secret}>"), "<s3cret>"); }

TEST(Grammar, DollarsStandForThemselvesDoubledOrAlone) {
    EXPECT_EQ(value_of("$$"), "$");
    EXPECT_EQ(value_of("$${A}"), "${A}");
    EXPECT_EQ(value_of("$5.00"), "$5.00");
    EXPECT_EQ(value_of("a$"), "a$");
}

TEST(Grammar, ListsWithAndWithoutBrackets) {
    EXPECT_EQ(list_of("a, b,c"), (Items{"a", "b", "c"}));
    EXPECT_EQ(list_of("[a, b, c]"), (Items{"a", "b", "c"}));
    EXPECT_EQ(list_of("[]"), Items{});
    EXPECT_EQ(list_of(""), Items{});
    EXPECT_EQ(list_of("a"), Items{"a"});
}

TEST(Grammar, ListItemsMayBeQuoted) {
    EXPECT_EQ(list_of(R"("a, b", c)"), (Items{"a, b", "c"}));
    EXPECT_EQ(list_of(R"("a, b", "c \" d")"), (Items{"a, b", "c \" d"}));
    EXPECT_EQ(list_of(R"(["a", "b"])"), (Items{"a", "b"}));
    EXPECT_EQ(list_of(R"("a, b")"), Items{"a, b"});
}

TEST(Include, ReadsFilesSortedByNameRelativeToTheFile) {
    const auto loaded = load_world({.files = {{"loom.conf", "include = conf.d/*.conf\nprovider.last.type = echo\n"},
                                              {"conf.d/b.conf", "provider.b.type = echo"},
                                              {"conf.d/a.conf", "provider.a.type = echo\ninclude = sub/c.conf\n"},
                                              {"conf.d/sub/c.conf", "provider.c.type = echo"},
                                              {"conf.d/d.txt", "not read"}}});
    ASSERT_TRUE(loaded.config) << all_of(loaded.diagnostics);
    const auto names = loaded.config->names("provider");
    EXPECT_EQ(Items(names.begin(), names.end()), (Items{"a", "c", "b", "last"}));
}

TEST(Include, APatternMayMatchNothingAPathMayNot) {
    EXPECT_EQ(errors_of("include = conf.d/*.conf\n"), "");
    EXPECT_EQ(errors_of("include = other.conf\n"),
              "loom.conf:1:11: cannot read 'other.conf': No such file or directory\n");
}

// What a variable holds may be a key that stands there by mistake.
TEST(Include, AnErrorShowsTheVariableAndNotItsValue) {
    const auto loaded = load_world(
        {.files = {{"loom.conf", "include = x${SECRET}"}}, .environment = {{"SECRET", "never-print-me"}}});
    EXPECT_EQ(all_of(loaded.diagnostics), "loom.conf:1:11: cannot read 'x${SECRET}': No such file or directory\n");
}

TEST(Include, ACycleIsAnError) {
    const auto loaded =
        load_world({.files = {{"loom.conf", "include = a/b.conf"}, {"a/b.conf", "include = ../loom.conf"}}});
    EXPECT_EQ(all_of(loaded.diagnostics), "a/b.conf:1:11: 'loom.conf' includes itself\n");
}

TEST(Include, MayTakeVariables) {
    const auto loaded = load_world(
        {.files = {{"loom.conf", "include = ${EXTRA:-/etc/loom/none/*.conf}"}, {"x.conf", "health.path = /x"}},
         .environment = {{"EXTRA", "x.conf"}}});
    EXPECT_EQ(loaded.config->text("health.path"), "/x");
}

TEST(Bounds, DepthOfIncludes) {
    FakeWorld world;
    world.files["loom.conf"] = "include = 1";
    for (int i = 1; i < 20; i++) world.files[std::to_string(i)] = "include = " + std::to_string(i + 1);
    EXPECT_EQ(all_of(load_world(world).diagnostics), "15:1:11: more than 16 files deep\n");
}

TEST(Bounds, NumberOfFilesEvenWhenTheyAreTheSame) {
    FakeWorld world;
    world.files["loom.conf"] = "include = 1\ninclude = 1\n";
    for (int i = 1; i < 15; i++)
        world.files[std::to_string(i)] = "include = " + std::to_string(i + 1) + "\ninclude = " + std::to_string(i + 1);
    world.files["15"] = "";
    const auto text = all_of(load_world(world).diagnostics);
    EXPECT_NE(text.find("more than 1000 files\n"), std::string::npos);
}

TEST(Bounds, SizeOfAFile) {
    EXPECT_EQ(errors_of(std::string(file_bytes_max + 1, '#')), "loom.conf: cannot read 'loom.conf': it is too large\n");
}

TEST(Bounds, LengthOfALine) {
    EXPECT_EQ(errors_of("\nhealth.path = " + std::string(70'000, 'x')),
              "loom.conf:2:1: a line longer than 65536 bytes\n");
    EXPECT_EQ(errors_of(std::string(600, 'x') + " = 1"), "loom.conf:1:1: a key longer than 512 bytes\n");
}

TEST(Bounds, NumberOfErrors) {
    std::string text;
    for (int i = 0; i < 5000; i++) text += "x\n";
    EXPECT_EQ(load_text(text).diagnostics.size(), 1000u);
}

TEST(Bounds, NumberOfEntries) {
    FakeWorld world;
    world.files["loom.conf"] = "include = *.part";
    for (int part = 0; part < 3; part++) {
        std::string text;
        for (int i = 0; i < 40'000; i++) text += "include = z*\n";
        world.files[std::to_string(part) + ".part"] = text;
    }
    EXPECT_EQ(all_of(load_world(world).diagnostics), "2.part:20000:1: more than 100000 entries\n");
}

}  // namespace
}  // namespace loom::config
