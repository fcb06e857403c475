// What was learned, in a file: what was saved is there again, byte for byte, and a damaged file stops nobody.
#include "loom/store/profile_store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "directory.h"

namespace loom::store {
namespace {

ProfileStore opened(const Directory& directory, VaultPtr vault = {}, std::string* notice = nullptr) {
    auto store = ProfileStore::open(directory.path(), std::move(vault), [notice](const std::string& text) {
        if (notice != nullptr) *notice += text;
    });
    EXPECT_TRUE(store) << (store ? "" : store.error());
    return std::move(*store);
}

std::string all_bytes() {
    std::string bytes;
    for (int i = 0; i < 4'096; ++i) bytes += static_cast<char>(i * 7);
    return bytes;
}

TEST(ProfileStore, WhatWasSavedIsThereAgain) {
    const Directory directory;
    {
        ProfileStore store = opened(directory);
        ASSERT_TRUE(store.save({{"", all_bytes()}, {"app", "1"}, {"old", "2"}}, {}));
        ASSERT_TRUE(store.save({{"app", std::string("\0x\0", 3)}}, {"old", "nobody"}));
    }
    ProfileStore store = opened(directory);
    const auto kept = store.load();
    ASSERT_TRUE(kept);
    ASSERT_EQ(kept->size(), 2u);
    EXPECT_EQ((*kept)[0].name, "");
    EXPECT_EQ((*kept)[0].bytes, all_bytes());
    EXPECT_EQ((*kept)[1].name, "app");
    EXPECT_EQ((*kept)[1].bytes, std::string("\0x\0", 3));
}

TEST(ProfileStore, WhoWasForgottenAndIsKnownAgainIsKept) {
    const Directory directory;
    ProfileStore store = opened(directory);
    ASSERT_TRUE(store.save({{"app", "1"}}, {}));
    ASSERT_TRUE(store.save({{"app", "2"}}, {"app"}));
    const auto kept = store.load();
    ASSERT_TRUE(kept);
    ASSERT_EQ(kept->size(), 1u);
    EXPECT_EQ((*kept)[0].bytes, "2");
}

TEST(ProfileStore, ADamagedFileIsSetAside) {
    const Directory directory;
    std::filesystem::create_directories(directory.path());
    std::ofstream(directory.path() + "/anomaly.db") << std::string(9'000, 'x');
    std::string notice;
    ProfileStore store = opened(directory, {}, &notice);
    EXPECT_NE(notice.find("is damaged"), std::string::npos) << notice;
    EXPECT_TRUE(store.load()->empty());
    EXPECT_TRUE(std::filesystem::exists(directory.path() + "/anomaly.db.corrupt"));
    EXPECT_TRUE(store.save({{"app", "1"}}, {}));
}

TEST(ProfileStore, ADirectoryThatCannotBeMadeIsAnError) {
    const auto store = ProfileStore::open("/proc/nothing", {}, [](const std::string&) {});
    ASSERT_FALSE(store);
    EXPECT_NE(store.error().find("/proc/nothing"), std::string::npos) << store.error();
}

}  // namespace
}  // namespace loom::store
