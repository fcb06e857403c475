// What import refuses: each error has a place in the YAML and a way out.
#include <gtest/gtest.h>

#include <chrono>

#include "fake_source.h"
#include "loom/config/import.h"

namespace loom::config {
namespace {

std::string errors(const std::string& yaml) {
    const auto imported = import_yaml(yaml, "l.yaml", loom_schema());
    EXPECT_EQ(imported.conf.empty(), has_error(imported.diagnostics));
    return all_of(imported.diagnostics);
}

TEST(ImportErrors, UnknownKeysWithTheNearest) {
    EXPECT_EQ(errors("ai_gateway:\n  providrs:\n    - name: a\n      type: echo\n"),
              "l.yaml:2:3: unknown key 'providrs', did you mean 'providers'?\n");
    EXPECT_EQ(errors("providers: [{name: a, typ: echo}]\n"),
              "l.yaml:1:23: unknown key 'provider.a.typ', did you mean 'type'?\n");
    EXPECT_EQ(errors("xyzzy: {}\n"), "l.yaml:1:1: unknown key 'xyzzy'\n");
}

TEST(ImportErrors, AllAtOnceInTheOrderOfTheFile) {
    EXPECT_EQ(errors("loop: {shards: many}\nstream: {buffer_max: [1]}\ntcp: {nodelay: {a: 1}}\n"),
              "l.yaml:1:16: loop.shards: expected an integer, got 'many'\n"
              "l.yaml:2:22: stream.buffer_max: expected a size, got a list\n"
              "l.yaml:3:16: tcp.nodelay: expected on or off, got keys\n");
}

TEST(ImportErrors, WrongTypes) {
    EXPECT_EQ(errors("timeout: {connect: 5}\n"),
              "l.yaml:1:20: timeout.connect: expected a duration such as 50ms, 30s or 1h, got '5'\n");
    EXPECT_EQ(errors("cors: {origins: 'a, b'}\n"),
              "l.yaml:1:17: cors.origins: expected a list; write it in brackets: [a, b]\n");
    EXPECT_EQ(errors("cors: {origins: [[a]]}\n"),
              "l.yaml:1:17: cors.origins: expected a list of words, got a list in it\n");
    EXPECT_EQ(errors("providers: openai\n"),
              "l.yaml:1:12: provider: expected items with a name, and keys below each\n");
    EXPECT_EQ(errors("loop: 4\n"), "l.yaml:1:7: loop: expected keys below it\n");
    EXPECT_EQ(errors("health: {path: [{name: a}]}\n"),
              "l.yaml:1:16: health.path: expected a text, got a list of items\n");
    EXPECT_EQ(errors("routing: {strategy: fastest}\n"),
              "l.yaml:1:21: routing.strategy: expected one of priority, model, round_robin, weighted, random, "
              "least_connections, latency, least_latency, cost, cost_optimized, throughput, complexity, "
              "task, got 'fastest'\n");
}

TEST(ImportErrors, ItemsNeedANameThatIsTheirOwn) {
    EXPECT_EQ(errors("providers: [{type: echo}]\n"),
              "l.yaml:1:13: provider: an item needs a name (name, id or consumer)\n");
    EXPECT_EQ(errors("providers: [{name: a, type: echo}, {name: a, type: local}]\n"),
              "l.yaml:1:43: provider: 'a' is given twice, first at l.yaml:1:20\n");
    EXPECT_EQ(errors("providers: [{name: a.b, type: echo}]\n"),
              "l.yaml:1:20: 'a.b' below provider may hold letters, digits, _ and - only; choose such a name\n");
    EXPECT_EQ(errors("routing: {model_routes: {'a b': x}}\n"),
              "l.yaml:1:26: 'a b' below routing.model_route may hold any byte but a space, = and #\n");
}

TEST(ImportErrors, TheSameKeyTwice) {
    EXPECT_EQ(errors("loop: {pin: on}\ntcp: {}\nloop: {shards: 1}\n"),
              "l.yaml:3:1: 'loop' is given twice, first at l.yaml:1:1\n");
}

TEST(ImportErrors, OneDocumentAFile) {
    EXPECT_EQ(
        errors("---\nloop: {pin: on}\n---\nloop: {pin: off}\n"),
        "l.yaml:3:1: a second document begins here; put each into a file of its own and import them one by one\n");
    EXPECT_EQ(errors(""), "l.yaml: holds no YAML document\n");
    EXPECT_EQ(errors("# nothing\n"), "l.yaml: holds no YAML document\n");
    EXPECT_EQ(errors("- a\n"), "l.yaml:1:1: expected keys at the top: ai_gateway, routes, listeners\n");
}

TEST(ImportErrors, WhatIsNoYamlIsExplained) {
    EXPECT_EQ(errors("routing:\n  providers: [${A}, b]\n"),
              "l.yaml:2:16: did not find expected ',' or ']', while parsing a flow sequence at line 2; close the "
              "bracket, and quote what holds { or } inside one: [\"${NAME}\"]\n");
    EXPECT_EQ(errors("loop:\n\tpin: on\n"),
              "l.yaml:2:1: found character that cannot start any token, while scanning for the next token at line 2; "
              "indent with spaces, and quote a value that begins with @, `, % or a tab\n");
    EXPECT_EQ(errors("cors: {origins: [a").substr(0, 12), "l.yaml:1:19:") << "at the end of the file, not behind it";
    EXPECT_EQ(errors("health:\n  path: *\n").substr(0, 12), "l.yaml:2:10:");
    EXPECT_EQ(errors("health: {path: *x}\n"),
              "l.yaml:1:16: no anchor '&x' stands before '*x'; quote a value that begins with *\n");
    EXPECT_EQ(errors("loop: !env {pin: on}\n"),
              "l.yaml:1:7: the tag '!env' means nothing here; leave it out (${NAME} reads the environment, "
              "${file:PATH} a file)\n");
    EXPECT_EQ(errors("? [a]\n: b\n"), "l.yaml:1:3: a key must be one word\n");
    EXPECT_EQ(errors("a: b\nc: \xff\n"),
              "l.yaml:2:4: invalid leading UTF-8 octet; the file must be UTF-8 without control bytes\n");
}

TEST(ImportErrors, BombsAreBounded) {
    std::string laughs = "a0: &a0 {x: 1, y: 1, z: 1, w: 1}\n";
    for (int i = 1; i < 12; i++) {
        const auto last = std::to_string(i - 1);
        laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " {x: *a" + last + ", y: *a" + last +
                  ", z: *a" + last + ", w: *a" + last + "}\n";
    }
    EXPECT_EQ(errors(laughs + "model_mapping: *a11\n").find("l.yaml:1:1: unknown key 'a0'"), 0u);
    std::string square = "model_mapping:\n  m0: &m {p0: x";
    for (int i = 1; i < 400; i++) square += ", p" + std::to_string(i) + ": x";
    square += "}\n";
    for (int i = 1; i < 400; i++) square += "  m" + std::to_string(i) + ": *m\n";
    EXPECT_EQ(
        errors(square),
        "l.yaml:2:433: up to here it makes more than the 1048576 bytes that a flat file may have; import it in parts, "
        "which an `include` joins\n");
    std::string merged = "a: &a {k0: x";
    for (int i = 1; i < 1000; i++) merged += ", k" + std::to_string(i) + ": x";
    merged += "}\nb: {<<: [*a";
    for (int i = 1; i < 1000; i++) merged += ", *a";
    EXPECT_NE(errors(merged + "]}\n").find("more than 100000 values"), std::string::npos) << "what is there counts too";
    EXPECT_EQ(errors("loop: &l {pin: *l}\n"), "l.yaml:1:16: '*l' stands inside its own anchor\n");
    EXPECT_EQ(errors(std::string(70, '[') + std::string(70, ']')), "l.yaml:1:65: nested more than 64 deep\n");
    EXPECT_EQ(errors("cors: {origins: [" +
                     [] {
                         std::string items;
                         for (int i = 0; i < 100'001; i++) items += "a,";
                         return items;
                     }() +
                     "]}\n"),
              "l.yaml:1:200008: more than 100000 values\n");
    EXPECT_EQ(errors(std::string(file_bytes_max + 1, ' ')), "l.yaml: more than 1048576 bytes\n");
    EXPECT_EQ(errors("health: {path: " + std::string(70'000, 'a') + "}\n"),
              "l.yaml:1:16: health.path: longer than the 65536 bytes of a line\n");
}

/// A value counts as often as it is used, with each of its items; so do the bytes of what is made of it.
TEST(ImportErrors, BombsOfListsAndLongTextsAreBounded) {
    std::string lists = "providers:\n  - {name: p0, models: &m [m0";
    for (int i = 1; i < 1000; i++) lists += ", m" + std::to_string(i);
    lists += "]}\n";
    std::string texts = "providers:\n  - {name: p0, organization: &o " + std::string(60'000, 'a') + "}\n";
    for (int i = 1; i < 200; i++) {
        lists += "  - {name: p" + std::to_string(i) + ", models: *m}\n";
        texts += "  - {name: p" + std::to_string(i) + ", organization: *o}\n";
    }
    EXPECT_NE(errors(lists).find(": aliases make it more than 100000 values\n"), std::string::npos);
    EXPECT_NE(errors(texts).find(": up to here it makes more than the 1048576 bytes that a flat file may have; import "
                                 "it in parts, which an `include` joins\n"),
              std::string::npos);
    EXPECT_EQ(errors("cors: {origins: [&a " + std::string(40'000, 'a') + ", *a]}\n"),
              "l.yaml:1:17: cors.origins: longer than the 65536 bytes of a line\n");
}

/// Each dollar is looked at once, however many braces never close.
TEST(ImportErrors, OpenReferencesTakeLinearTime) {
    for (const std::string part : {"${", "${a", "${A:-", "${file:", "$${file:a"}) {
        std::string text;
        while (text.size() < 60'000) text += part;
        std::string yaml = "providers:\n  - {name: p0, organization: &o \"" + text + "\"}\n";
        for (int i = 1; i < 16; i++) yaml += "  - {name: p" + std::to_string(i) + ", organization: *o}\n";
        const auto begun = std::chrono::steady_clock::now();
        (void)import_yaml(yaml, "l.yaml", loom_schema());
        EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5)) << part;
    }
}

TEST(ImportErrors, WhatTheFlatFileCannotSpell) {
    EXPECT_EQ(errors("providers: [{name: a, headers: {X-#: '${B}'}}]\n"),
              "l.yaml:1:33: 'provider.a.header.X-#' has no spelling in the flat file\n");
    EXPECT_EQ(errors("health: {path: \"a\\x01\"}\n"),
              "l.yaml:1:16: health.path: holds the control byte 0x01, which the flat file cannot\n");
    EXPECT_EQ(errors("cors: {origins: [\"a\\nb\", c]}\n"),
              "l.yaml:1:17: cors.origins: an item that holds a line break cannot be written among others in the flat "
              "file\n");
    EXPECT_EQ(errors("health: {path: '${A:-\"}'}\n"),
              "l.yaml:1:16: health.path: a default or path in ${…} that holds a quote, a backslash or a line break "
              "cannot stand inside quotes; set the variable instead\n");
}

TEST(ImportErrors, ASecretIsNeverPrinted) {
    for (const auto* yaml :
         {"providers: [{name: a, api_key: {sk-secret: 1}}]\n", "providers: [{name: a, api_key: [sk-secret]}]\n",
          "admin: {token: \"sk-secret\\x01\"}\n", "admin: {token: sk-secret$A}\n", "admin: {token: [[sk-secret]]}\n"}) {
        EXPECT_EQ(errors(yaml).find("sk-secret"), std::string::npos) << errors(yaml);
    }
}

}  // namespace
}  // namespace loom::config
