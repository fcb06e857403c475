// What keys of mirroring must say, and how it is told where they do not.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"

namespace loom::app {
namespace {

const std::string base =
    "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n"
    "provider.shadow.type = echo\nprovider.shadow.weight = 0\n";

/// Behind the five lines that every configuration needs.
std::string more(const std::string& text) {
    auto loaded = config::load_text(base + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}

TEST(CheckMirror, TheShadow) {
    EXPECT_EQ(more("routing.mirror.provider = shadow\nrouting.mirror.share = 5%\n"), "");
    EXPECT_EQ(more("routing.mirror.provider = shade\n"),
              "loom.conf:6:27: routing.mirror.provider: no provider 'shade' is defined\n");
    EXPECT_EQ(more("routing.mirror.provider = demo\n"),
              "loom.conf:6:27: warning: routing.mirror.provider: 'demo' answers clients too; provider.demo.weight = 0 "
              "keeps it to copies\n");
}

TEST(CheckMirror, WithoutAShadowTheRestIsIdle) {
    EXPECT_EQ(more("routing.mirror.share = 5%\n"),
              "loom.conf:6:24: warning: routing.mirror.share: nothing is mirrored: routing.mirror.provider names "
              "nobody\n");
}

TEST(CheckMirror, ItsModelAndNumbers) {
    EXPECT_EQ(more("routing.mirror.provider = shadow\nrouting.mirror.model = gpt-*\n"),
              "loom.conf:7:24: routing.mirror.model: must be one model's name\n");
    EXPECT_NE(more("routing.mirror.provider = shadow\nrouting.mirror.max_in_flight = 0\n"), "");
    EXPECT_NE(more("routing.mirror.provider = shadow\nrouting.mirror.max_body = 64MiB\n"), "");
}

}  // namespace
}  // namespace loom::app
