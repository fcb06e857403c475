// What keys of stickiness and of experiments must say, and how it is told where they do not.
#include <gtest/gtest.h>

#include "check/check.h"
#include "fake_source.h"

namespace loom::app {
namespace {

const std::string base = "listener.http.address = 127.0.0.1:8080\nroute.ai.path = /v1/*\nprovider.demo.type = echo\n";

/// Behind the three lines that every configuration needs.
std::string more(const std::string& text) {
    auto loaded = config::load_text(base + text);
    add_checks(loaded);
    return config::all_of(loaded.diagnostics);
}

TEST(CheckSticky, WhatItMayGoBy) {
    for (const char* const text :
         {"off", "ip", "user", "prompt_prefix", "cookie:session.id", "header:X-Session", "header:x_y"})
        EXPECT_EQ(more("routing.sticky = " + std::string(text) + "\n"), "") << text;
    EXPECT_EQ(more("routing.sticky = session\n"),
              "loom.conf:4:18: routing.sticky: 'session': expected off, ip, cookie:NAME, header:NAME, user or "
              "prompt_prefix\n");
    EXPECT_EQ(more("routing.sticky = cookie\n"),
              "loom.conf:4:18: routing.sticky: 'cookie': expected off, ip, cookie:NAME, header:NAME, user or "
              "prompt_prefix\n");
    EXPECT_EQ(more("route.ai.sticky = header:a b\n"), "loom.conf:4:19: route.ai.sticky: 'a b' is no header's name\n");
    EXPECT_EQ(more("route.ai.sticky = cookie:a=b\n"), "loom.conf:4:19: route.ai.sticky: 'a=b' is no cookie's name\n");
}

TEST(CheckSticky, ItsNumbers) {
    EXPECT_EQ(more("routing.sticky.load_factor = 1\nrouting.sticky.prefix_bytes = 1KiB\n"), "");
    for (const char* const factor : {"0.99", "0", "101"})
        EXPECT_EQ(
            more("routing.sticky.load_factor = " + std::string(factor) + "\n"),
            "loom.conf:4:30: routing.sticky.load_factor: expected a number from 1 (each its share and no more) to "
            "100; 1.25 is the default\n");
    EXPECT_NE(more("routing.sticky.prefix_bytes = 1\n"), "");
}

const std::string canary = "routing.experiment.canary.";
const std::string with_model = canary + "model = gpt-4o\n";
const std::string with_arm = canary + "arm.b.share = 10%\n" + canary + "arm.b.use = gpt-4.1\n";

TEST(CheckExperiment, WhatItNeeds) {
    EXPECT_EQ(more(with_model + with_arm), "");
    EXPECT_EQ(more(with_arm),
              "loom.conf:4:1: routing.experiment.canary.model: is missing: whose requests take part?\n");
    EXPECT_EQ(
        more(with_model),
        "loom.conf:4:1: routing.experiment.canary.arm: there is none; add routing.experiment.canary.arm.b.share = "
        "10% and routing.experiment.canary.arm.b.use = another-model\n");
    EXPECT_EQ(more(with_model + canary + "arm.b.share = 10%\n"),
              "loom.conf:5:1: routing.experiment.canary.arm.b.use: is missing\n");
    EXPECT_EQ(more(with_model + canary + "arm.b.use = gpt-4.1\n"),
              "loom.conf:5:1: routing.experiment.canary.arm.b.share: is missing\n");
}

TEST(CheckExperiment, OneModelAndOneExperimentOfIt) {
    EXPECT_EQ(more(canary + "model = gpt-*\n" + with_arm),
              "loom.conf:4:35: routing.experiment.canary.model: must be one model's name\n");
    EXPECT_EQ(more(with_model + with_arm +
                   "routing.experiment.other.model = gpt-4o\nrouting.experiment.other.arm.c.share = 1%\n"
                   "routing.experiment.other.arm.c.use = demo\n"),
              "loom.conf:7:34: routing.experiment.other.model: 'gpt-4o' is in the experiment 'canary' already\n");
}

TEST(CheckExperiment, ThereAreNoMoreThanAllUsers) {
    EXPECT_EQ(more(with_model + with_arm + canary + "arm.c.share = 90%\n" + canary + "arm.c.use = demo\n"), "");
    EXPECT_EQ(more(with_model + with_arm + canary + "arm.c.share = 90.5%\n" + canary + "arm.c.use = demo\n"),
              "loom.conf:4:1: routing.experiment.canary.arm: the shares add up to 100.5%: 100% are the most\n");
}

TEST(CheckExperiment, TheControlIsNoArm) {
    EXPECT_EQ(
        more(with_model + canary + "arm.control.share = 10%\n" + canary + "arm.control.use = gpt-4.1\n"),
        "loom.conf:5:1: routing.experiment.canary.arm.control: the control is whoever is in no arm; name this one "
        "otherwise\n");
}

}  // namespace
}  // namespace loom::app
