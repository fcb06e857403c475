// What is learned outlives a start at which its file could not be opened.
#include "anomaly_watch.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <chrono>
#include <filesystem>
#include <fstream>

namespace loom::app {
namespace {

namespace fs = std::filesystem;

class AnomalyFile : public testing::Test {
  protected:
    AnomalyFile() {
        if (::mkdtemp(path_.data()) != nullptr) mounted_ = ::mount("none", path_.c_str(), "tmpfs", 0, "size=2m") == 0;
        options_.directory = path_;
        options_.save_ms = 20;
    }
    ~AnomalyFile() override {
        if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
        ::rmdir(path_.c_str());
    }
    void SetUp() override {
        if (!mounted_) GTEST_SKIP() << "mounting a file system is not allowed here";
    }
    void fill() const {
        std::ofstream file(path_ + "/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (file.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { fs::remove(path_ + "/filler"); }
    static void note(AnomalyWatch& watch, std::string_view consumer) {
        tenant::Activity activity;
        activity.consumer = consumer;
        activity.identified = true;
        watch.ring(0).put(activity);
    }
    static void wait_for_learning(const AnomalyWatch& watch, uint64_t count) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (watch.facts().learning != count && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        EXPECT_EQ(watch.facts().learning, count);
    }
    /// While the watch has the file open.
    [[nodiscard]] bool is_saved(std::string_view name) const {
        std::ifstream log(path_ + "/anomaly.db-wal", std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(log)), std::istreambuf_iterator<char>());
        return bytes.find(name) != bytes.npos;
    }
    std::vector<std::string> kept() const {
        std::vector<std::string> names;
        auto store = store::ProfileStore::open(path_, {}, [](const std::string& text) { ADD_FAILURE() << text; });
        EXPECT_TRUE(store) << store.error();
        if (!store) return names;
        const auto profiles = store->load();
        EXPECT_TRUE(profiles) << profiles.error();
        if (profiles)
            for (const auto& one : *profiles) names.push_back(one.name);
        return names;
    }

    AnomalyWatchOptions options_;

  private:
    std::string path_ = "/tmp/loom-anomaly-XXXXXX";
    bool mounted_ = false;
};

TEST_F(AnomalyFile, WhatWasLearnedIsTakenOnceThereIsRoom_AndKeptWithWhatWasLearnedMeanwhile) {
    {
        AnomalyWatch watch(options_, {}, 1);
        note(watch, "app");
        wait_for_learning(watch, 1);
    }
    EXPECT_EQ(kept(), (std::vector<std::string>{"", "app"}));
    fill();
    {
        AnomalyWatch watch(options_, {}, 1);
        note(watch, "meanwhile");
        wait_for_learning(watch, 1);
        make_room();
        wait_for_learning(watch, 2);
    }
    EXPECT_EQ(kept(), (std::vector<std::string>{"", "app", "meanwhile"}));
}

TEST_F(AnomalyFile, AFirstStartWithoutRoom) {
    fill();
    {
        AnomalyWatch watch(options_, {}, 1);
        note(watch, "first");
        wait_for_learning(watch, 1);
        EXPECT_FALSE(is_saved("first"));
        make_room();
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!is_saved("first") && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        note(watch, "more");
        wait_for_learning(watch, 2);
    }
    EXPECT_EQ(kept(), (std::vector<std::string>{"", "first", "more"}));
}

}  // namespace
}  // namespace loom::app
