// What keys of the ledger must say, and how it is told where they do not.
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

const std::string redis =
    "token_accounting.enabled = on\nstate.directory = /var/lib/loom\ntoken_accounting.store.type = redis\n";

TEST(CheckLedger, AStoreThatLoomsShareIsNamed) {
    const std::string address = redis + "token_accounting.store.redis.address = ";
    for (const char* const good :
         {"redis:6379", "redis", "redis://10.0.0.1:6379", "rediss://redis:6380/", "[::1]:6379"})
        EXPECT_EQ(more(address + good + "\n"), "") << good;
    for (const auto& [wrong, what] : {std::pair{"redis://user:secret@redis:6379", "holds a user or a password"},
                                      {"redis://redis:6379/3", ".database"},
                                      {"http://redis:6379", "is HOST:PORT"},
                                      {"unix:/run/redis.sock", "is HOST:PORT"},
                                      {":6379", "names no host"},
                                      {"redis:70000", "port"}}) {
        const std::string said = more(address + wrong + "\n");
        EXPECT_NE(said.find(what), said.npos) << said;
        EXPECT_EQ(said.find("secret"), said.npos) << said;
    }
    const std::string missing = more(redis);
    EXPECT_NE(missing.find("token_accounting.store.redis.address: is missing"), missing.npos) << missing;
}

TEST(CheckLedger, KeysOfTheStoreThatMeanNothingAreTold) {
    const auto says = [](const std::string& text, const std::string& what) {
        const std::string said = more(text);
        EXPECT_NE(said.find(what), said.npos) << said;
    };
    const std::string there = redis + "token_accounting.store.redis.address = 10.0.0.1:6379\n";
    says("token_accounting.enabled = on\ntoken_accounting.store.redis.address = redis:6379\n",
         "means nothing without token_accounting.store.type = redis");
    says(there + "token_accounting.store.redis.password = sesame\n", "use rediss://");
    says(there + "token_accounting.store.redis.username = loom\n", "needs token_accounting.store.redis.password");
    says(there + "token_accounting.store.redis.key_prefix = {}x\n", "an empty hash tag");
    says(there + "token_accounting.store.redis.tls.ca_file = /etc/ca.pem\n", "a rediss:// address only");
    says(
        "token_accounting.enabled = on\ntoken_accounting.store.type = redis\ntoken_accounting.store.redis.address = "
        "redis:6379\n",
        "each start counts as another Loom");
}

TEST(CheckLedger, RetentionThatMeansNothingIsTold) {
    const std::string on = "token_accounting.enabled = on\nstate.directory = /tmp\n";
    const auto says = [](const std::string& text, const std::string& what) {
        const std::string said = more(text);
        EXPECT_NE(said.find(what), said.npos) << said;
    };
    EXPECT_EQ(more(on + "token_accounting.retention.days = 90\ntoken_accounting.retention.months = 24\n"), "");
    EXPECT_EQ(more(on + "token_accounting.retention.days = 90\n"), "");
    says(on + "token_accounting.retention.days = 90\ntoken_accounting.retention.months = 2\n",
         "token_accounting.retention.months = 2 is less");
    says(redis + "token_accounting.store.redis.address = 127.0.0.1:6379\ntoken_accounting.retention.days = 90\n",
         "sums of the last 13 months stay as they are");
    says(on + "token_accounting.retention.days = -1\n", "token_accounting.retention.days");
}

TEST(CheckLedger, WhatIsNotThereYet) {
    EXPECT_NE(more("token_accounting.enabled = on\ntoken_accounting.limit.app.daily_limit = 5\n"), "");
    EXPECT_NE(more("token_accounting.enabled = on\ntoken_accounting.log.segment_size = 1KiB\n"), "");
}

}  // namespace
}  // namespace loom::app
