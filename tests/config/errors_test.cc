// Every error with its exact text: scripts and editors read them.
#include <gtest/gtest.h>

#include "fake_source.h"

namespace loom::config {
namespace {

TEST(Errors, UnknownKeysNameTheNearest) {
    EXPECT_EQ(errors_of("\n\n\n\n\n\n\n\n\n\n\nprovidr.openai.type = openai"),
              "loom.conf:12:1: unknown key 'providr.openai.type', did you mean 'provider.openai.type'?\n");
    EXPECT_EQ(errors_of("provider.openai.type = openai\nprovider.openai.api_kye = x"),
              "loom.conf:2:1: unknown key 'provider.openai.api_kye', did you mean 'provider.openai.api_key'?\n");
    EXPECT_EQ(errors_of("loop.shard = 2"), "loom.conf:1:1: unknown key 'loop.shard', did you mean 'loop.shards'?\n");
    EXPECT_EQ(errors_of("model_maping.gpt-3.5-turbo.azure = x"),
              "loom.conf:1:1: unknown key 'model_maping.gpt-3.5-turbo.azure', did you mean "
              "'model_mapping.gpt-3.5-turbo.azure'?\n");
    EXPECT_EQ(errors_of("timeout.cnonect = 1s"),
              "loom.conf:1:1: unknown key 'timeout.cnonect', did you mean 'timeout.connect'?\n");
}

TEST(Errors, ALostDotIsSeenWithTheUsersOwnNames) {
    EXPECT_EQ(errors_of("provider.openaibase_url = http://x\nprovider.openai.type = openai"),
              "loom.conf:1:1: unknown key 'provider.openaibase_url', did you mean 'provider.openai.base_url'?\n");
}

TEST(Errors, NothingIsSuggestedForWhatIsFarAway) {
    EXPECT_EQ(errors_of("bananas = 3"), "loom.conf:1:1: unknown key 'bananas'\n");
    EXPECT_EQ(errors_of("provider.a/b.type = echo"), "loom.conf:1:1: unknown key 'provider.a/b.type'\n");
}

TEST(Errors, ANameHasABound) {
    const std::string longest(name_bytes_max, 'n');
    EXPECT_EQ(errors_of("provider." + longest + ".type = echo"), "");
    EXPECT_EQ(errors_of("\nprovider." + longest + "n.type = echo"),
              "loom.conf:2:1: the name 'nnnnnnnnnnnnnnnnnnnnnnnn…' has 65 bytes: shorten it to 64 at most\n");
    EXPECT_EQ(errors_of("consumer." + longest + "n.api_key = ${NOT_SET}"),
              "loom.conf:1:1: the name 'nnnnnnnnnnnnnnnnnnnnnnnn…' has 65 bytes: shorten it to 64 at most\n");
    EXPECT_EQ(errors_of("routing.experiment.canary.arm." + longest + "n.share = 1%"),
              "loom.conf:1:1: the name 'nnnnnnnnnnnnnnnnnnnnnnnn…' has 65 bytes: shorten it to 64 at most\n")
        << "each of a key's names";
    EXPECT_EQ(errors_of("model_mapping." + longest + "-model.azure = x"), "") << "models are named by others";
    EXPECT_EQ(errors_of("provider.p.header.X-" + longest + " = x"), "") << "and so are headers";
}

TEST(Errors, AValuesErrorPointsAtTheValue) {
    EXPECT_EQ(errors_of("timeout.connect =   soon"),
              "loom.conf:1:21: timeout.connect: expected a duration such as 50ms, 30s or 1h, got 'soon'\n");
    EXPECT_EQ(errors_of("timeout.connect = \\\n    soon"),
              "loom.conf:2:5: timeout.connect: expected a duration such as 50ms, 30s or 1h, got 'soon'\n");
    EXPECT_EQ(errors_of("model_mapping.größe.p = ${X}"),
              "loom.conf:1:25: model_mapping.größe.p: environment variable X is not set\n");
}

TEST(Errors, EachTypeSaysWhatItExpects) {
    EXPECT_EQ(errors_of("loop.pin = maybe"), "loom.conf:1:12: loop.pin: expected on or off, got 'maybe'\n");
    EXPECT_EQ(errors_of("provider.p.priority = high"),
              "loom.conf:1:23: provider.p.priority: expected an integer, got 'high'\n");
    EXPECT_EQ(errors_of("loop.shards = 0"), "loom.conf:1:15: loop.shards: expected 1 to 256, got '0'\n");
    EXPECT_EQ(errors_of("buffer.size = 1GB"), "loom.conf:1:15: buffer.size: expected 4KiB to 1MiB, got '1GB'\n");
    EXPECT_EQ(errors_of("buffer.size = 16 K"),
              "loom.conf:1:15: buffer.size: expected a size such as 64KiB or 1GB, got '16 K'\n");
    EXPECT_EQ(errors_of("log.access.sample = 150%"),
              "loom.conf:1:21: log.access.sample: expected a share such as 0.95 or 95%, got '150%'\n");
    EXPECT_EQ(errors_of("log.level = loud"),
              "loom.conf:1:13: log.level: expected one of debug, info, warn, error, got 'loud'\n");
    EXPECT_EQ(errors_of("listener.a.address = 8080"),
              "loom.conf:1:22: listener.a.address: expected an address such as :8080, 127.0.0.1:8080, [::1]:8080 or "
              "unix:/run/loom.sock, got '8080'\n");
    EXPECT_EQ(errors_of("provider.p.models = a,,b"),
              "loom.conf:1:21: provider.p.models: expected an item between the commas, got 'a,,b'\n");
    EXPECT_EQ(errors_of("provider.p.models = [a, b"),
              "loom.conf:1:21: provider.p.models: expected a ']' at the end of the list, got '[a, b'\n");
    EXPECT_EQ(errors_of("loop.features_off = magic"),
              "loom.conf:1:21: loop.features_off: expected one of incremental_buffers, defer_taskrun, got 'magic'\n");
}

TEST(Errors, WhatThisVersionLacksIsRefusedByName) {
    EXPECT_EQ(errors_of("route.r.passthrough = files, realtime"),
              "loom.conf:1:23: route.r.passthrough: 'realtime' is not available in this version\n");
}

TEST(Errors, WhatThisVersionLacksMayBeOff) {
    EXPECT_EQ(
        errors_of("security.content_filtering.enabled = off\nrouting.fallback = no\nsemantic_cache.enabled = false"),
        "");
}

TEST(Errors, TheSameKeyTwiceNamesBothPlaces) {
    EXPECT_EQ(errors_of("health.path = /a\n\nhealth.path = /a"),
              "loom.conf:3:1: 'health.path' is given twice, first at loom.conf:1:1\n");
    const auto loaded =
        load_world({.files = {{"loom.conf", "health.path = /a\ninclude = b.conf"}, {"b.conf", "  health.path = /b"}}});
    EXPECT_EQ(all_of(loaded.diagnostics), "b.conf:1:3: 'health.path' is given twice, first at loom.conf:1:1\n");
}

TEST(Errors, TwoSpellingsMustAgree) {
    EXPECT_EQ(errors_of("provider.p.base_url = http://a\nprovider.p.endpoint = http://a"), "");
    EXPECT_EQ(errors_of("provider.p.base_url = http://a\nprovider.p.endpoint = http://b"),
              "loom.conf:2:23: 'provider.p.endpoint' is another spelling of 'provider.p.base_url', which has another "
              "value at "
              "loom.conf:1:23\n");
}

TEST(Errors, LinesThatAreNoEntry) {
    EXPECT_EQ(errors_of("  what is this"), "loom.conf:1:3: expected 'key = value'\n");
    EXPECT_EQ(errors_of("= x"), "loom.conf:1:1: expected a key before '='\n");
    EXPECT_EQ(errors_of("listen on = x"), "loom.conf:1:1: a key cannot hold a space or '#'\n");
    EXPECT_EQ(errors_of("health.path = \"/a"), "loom.conf:1:15: health.path: a closing quote is missing\n");
    EXPECT_EQ(errors_of(std::string("health.path = a\0b", 17)), "loom.conf:1:16: control byte 0x00\n");
}

TEST(Errors, Variables) {
    EXPECT_EQ(errors_of("health.path = ${NOPE}"),
              "loom.conf:1:15: health.path: environment variable NOPE is not set\n");
    EXPECT_EQ(errors_of("health.path = ${A"),
              "loom.conf:1:15: health.path: '${' without its '}'; write $$ for a dollar\n");
    EXPECT_EQ(errors_of("health.path = ${a-b}"), "loom.conf:1:15: health.path: 'a-b' is no name of a variable\n");
    EXPECT_EQ(errors_of("health.path = ${file:x/y}"),
              "loom.conf:1:15: health.path: cannot read file 'x/y': No such file or directory\n");
    EXPECT_EQ(errors_of("health.path = ${A:-${B}}"),
              "loom.conf:1:15: health.path: a default in ${…} cannot refer to another variable\n");
    EXPECT_EQ(errors_of(R"(health.path = "\x")"),
              "loom.conf:1:15: health.path: inside quotes a backslash stands before \", \\ or n only; write \\\\ for a "
              "backslash\n");
}

TEST(Errors, AllAtOnceInTheOrderOfTheLines) {
    const auto loaded = load_world(
        {.files = {{"loom.conf", "loop.shard = 1\ninclude = b.conf\nfoo\n"}, {"b.conf", "loop.pin = perhaps\n"}}},
        {{"log.level", "loud"}});
    EXPECT_FALSE(loaded.config);
    EXPECT_EQ(all_of(loaded.diagnostics),
              "loom.conf:1:1: unknown key 'loop.shard', did you mean 'loop.shards'?\n"
              "loom.conf:3:1: expected 'key = value'\n"
              "b.conf:1:12: loop.pin: expected on or off, got 'perhaps'\n"
              "-set log.level: log.level: expected one of debug, info, warn, error, got 'loud'\n");
}

TEST(Errors, AFileThatIsNotThere) {
    EXPECT_EQ(all_of(load_world({}).diagnostics), "loom.conf: cannot read 'loom.conf': No such file or directory\n");
}

TEST(Errors, WarningsSaySo) {
    EXPECT_EQ(to_string(Diagnostic{{"loom.conf", 3, 4}, false, "hm", ""}), "loom.conf:3:4: warning: hm");
}

TEST(Redaction, NoErrorHoldsWhatAVariableHeld) {
    const FakeWorld world{
        .files = {{"loom.conf",
                   "timeout.connect = ${KEY}\nprovider.p.endpoint = a-${KEY}\nprovider.p.base_url = b-${KEY}\n"
                   "provider.p.type = ${KEY}\nprovider.p.models = [${KEY}\nprovider.p.priority = x${KEY}"}},
        .environment = {{"KEY", "sk-very-secret"}}};
    const auto text = all_of(load_world(world).diagnostics);
    EXPECT_NE(text.find("got '${KEY}'"), std::string::npos);
    EXPECT_EQ(text.find("very-secret"), std::string::npos) << text;
}

TEST(Redaction, NoMessageHoldsTheValueOfASecretKey) {
    const auto loaded = load_text(
        "provider.p.api_key = sk-secret\nprovider.p.api_key = sk-secret2\nadmin.token = \"sk-secret3\nadmin.tokn = "
        "sk-secret4\n"
        "provider.p.header.X-Key = sk-secret5\nconsumer.c.api_key = sk-secret6");
    const auto text = all_of(loaded.diagnostics) + dump(*loaded.partial);
    EXPECT_EQ(text.find("sk-secret"), std::string::npos) << text;
    EXPECT_NE(text.find("consumer.c.api_key = [redacted]\n"), std::string::npos) << text;
    EXPECT_EQ(loaded.partial->describe("provider.p.header.X-Key"), "[redacted]");
    EXPECT_EQ(loaded.partial->text("provider.p.header.X-Key"), "sk-secret5");
}

TEST(Redaction, ControlBytesOfTheUserDoNotReachATerminal) {
    const auto text = errors_of(R"(loop.pin = "\n)"
                                "\x1b[31m\"");
    EXPECT_EQ(text, "loom.conf:1:15: control byte 0x1b\n");
    EXPECT_EQ(errors_of(R"(loop.pin = "a\nb")"), "loom.conf:1:12: loop.pin: expected on or off, got 'a\\x0ab'\n");
}

}  // namespace
}  // namespace loom::config
