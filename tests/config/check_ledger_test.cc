// What keys of the ledger must say, and how it is told where they do not.
#include <gtest/gtest.h>

#include "check.h"
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

TEST(CheckLedger, WhereItIsKept) {
    EXPECT_EQ(more("token_accounting.enabled = on\nstate.directory = /var/lib/loom\n"), "");
    EXPECT_EQ(more("token_accounting.enabled = on\ntoken_accounting.store.type = memory\n"), "");
    EXPECT_EQ(
        more("token_accounting.enabled = on\n"),
        "loom.conf:4:28: warning: token_accounting.enabled: what is used is kept in memory and lost at a restart; "
        "set state.directory = /var/lib/loom\n");
}

TEST(CheckLedger, WithoutItTheRestIsIdle) {
    EXPECT_EQ(
        more("token_accounting.on_disk_full = refuse\n"),
        "loom.conf:4:33: warning: token_accounting.on_disk_full: nothing is booked: set token_accounting.enabled = "
        "on\n");
}

TEST(CheckLedger, WhatIsNotThereYet) {
    EXPECT_NE(more("token_accounting.enabled = on\ntoken_accounting.store.type = redis\n"), "");
    EXPECT_NE(more("token_accounting.enabled = on\ntoken_accounting.limit.app.daily_limit = 5\n"), "");
    EXPECT_NE(more("token_accounting.enabled = on\ntoken_accounting.log.segment_size = 1KiB\n"), "");
}

}  // namespace
}  // namespace loom::app
