// Keys as hashes in a file: what was added is there again, and what cannot be read is refused.
#include "loom/store/key_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>

#include "directory.h"

namespace loom::store {
namespace {

StoredKey key(const std::string& id, int64_t created_s = 10, int64_t expires_s = 0) {
    return {.id = id,
            .consumer = "mobile",
            .label = "a \"label\"",
            .tail = "abcd",
            .hash = sha256(id),
            .created_unix_s = created_s,
            .expires_unix_s = expires_s};
}

KeyStore opened(const Directory& directory) {
    auto store = KeyStore::open(directory.path());
    EXPECT_TRUE(store) << (store ? "" : store.error());
    return std::move(*store);
}

std::vector<std::string> ids(KeyStore& store) {
    std::vector<std::string> all;
    for (const StoredKey& one : *store.list()) all.push_back(one.id);
    return all;
}

TEST(KeyStore, WhatWasAddedIsThereAgain) {
    const Directory directory;
    {
        KeyStore store = opened(directory);
        ASSERT_TRUE(store.add(key("b", 20, 99)));
        ASSERT_TRUE(store.add(key("a", 10)));
    }
    KeyStore store = opened(directory);
    const auto all = *store.list();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].id, "a") << "by the time they were made";
    EXPECT_EQ(all[1].expires_unix_s, 99);
    EXPECT_EQ(all[1].label, "a \"label\"");
    EXPECT_EQ(all[1].hash, sha256("b"));
    struct stat facts{};
    ASSERT_EQ(::stat(directory.file("keys.db").c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST(KeyStore, AReplacementIsBothOrNone) {
    const Directory directory;
    KeyStore store = opened(directory);
    ASSERT_TRUE(store.add(key("a")));
    ASSERT_TRUE(store.add(key("b"), "a", 55));
    EXPECT_EQ((*store.list())[0].expires_unix_s, 55);
    StoredKey same = key("c");
    same.hash = sha256("b");
    EXPECT_FALSE(store.add(same, "b", 66)) << "a key is one's alone";
    EXPECT_EQ(ids(store), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ((*store.list())[1].expires_unix_s, 0);
    EXPECT_TRUE(*store.remove("a"));
    EXPECT_FALSE(*store.remove("a"));
    EXPECT_EQ(ids(store), (std::vector<std::string>{"b"}));
}

TEST(KeyStore, RefusesTimesThatAreNone) {
    const Directory directory;
    KeyStore store = opened(directory);
    ASSERT_TRUE(store.add(key("a", 10, INT64_MAX)));
    const auto all = store.list();
    ASSERT_FALSE(all);
    EXPECT_NE(all.error().find("a time of a is none"), std::string::npos) << all.error();
}

TEST(KeyStore, RefusesWhatIsNotItsOwn) {
    const Directory directory;
    std::ofstream(directory.file("keys.db")) << std::string(8192, 'x');
    const auto damaged = KeyStore::open(directory.path());
    ASSERT_FALSE(damaged);
    EXPECT_NE(damaged.error().find("keys.db: is damaged"), std::string::npos) << damaged.error();
    const auto nowhere = KeyStore::open("/proc/none");
    ASSERT_FALSE(nowhere);
    EXPECT_NE(nowhere.error().find("state.directory: /proc/none cannot be made"), std::string::npos);
}

TEST(KeyStore, KeepsConsumersBesideTheirKeys) {
    const Directory directory;
    {
        KeyStore store = opened(directory);
        ASSERT_TRUE(
            store.put({.name = "web", .document = R"({"name":"web"})", .created_unix_s = 1, .changed_unix_s = 2}));
        ASSERT_TRUE(store.put({.name = "mobile", .document = "{}", .created_unix_s = 3, .changed_unix_s = 4}));
        ASSERT_TRUE(store.put({.name = "mobile", .document = R"({"a":1})", .created_unix_s = 3, .changed_unix_s = 9}));
        ASSERT_TRUE(store.add(key("a")));
        ASSERT_TRUE(store.add(key("b")));
        StoredKey other = key("c");
        other.consumer = "web";
        ASSERT_TRUE(store.add(other));
    }
    KeyStore store = opened(directory);
    const auto all = *store.consumers();
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].name, "mobile") << "by name";
    EXPECT_EQ(all[0].document, R"({"a":1})");
    EXPECT_EQ(all[0].changed_unix_s, 9);
    EXPECT_EQ(all[1].document, R"({"name":"web"})");
    EXPECT_TRUE(*store.remove_consumer("mobile"));
    EXPECT_FALSE(*store.remove_consumer("mobile"));
    EXPECT_EQ(ids(store), (std::vector<std::string>{"c"})) << "its keys are gone with it, and nobody else's";
    EXPECT_FALSE(*store.remove_consumer("nobody"));
    EXPECT_EQ(store.consumers()->size(), 1u);
}

/// The column of ids came later than the table.
TEST(KeyStore, TakesConsumersOfALoomThatGaveThemNoIds) {
    const Directory directory;
    {
        KeyStore store = opened(directory);
        ASSERT_TRUE(store.put({.name = "web", .document = "{}", .created_unix_s = 1, .changed_unix_s = 2, .id = "x"}));
    }
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open((directory.path() + "/keys.db").c_str(), &raw), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(raw, "ALTER TABLE consumer DROP COLUMN id", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(raw);
    for (const std::string id : {"", "y"}) {
        KeyStore store = opened(directory);
        const auto all = *store.consumers();
        ASSERT_EQ(all.size(), 1u);
        EXPECT_EQ(all[0].id, id);
        ASSERT_TRUE(store.put({.name = "web", .document = "{}", .created_unix_s = 1, .changed_unix_s = 2, .id = "y"}));
    }
}

}  // namespace
}  // namespace loom::store
