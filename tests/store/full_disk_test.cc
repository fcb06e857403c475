// A start on a disk that is full, or nearly: it begins, loses nothing, and goes on by itself once there is room.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "directory.h"
#include "ledger_segment.h"
#include "loom/store/key_store.h"
#include "loom/store/resource_register.h"
#include "loom/store/usage_store.h"
#include "loom/tenant/ledger_record.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using tenant::LedgerIntent;
using tenant::LedgerSettlement;

class FullDisk : public testing::Test {
  protected:
    FullDisk() { mounted_ = ::mount("none", directory_.path().c_str(), "tmpfs", 0, "size=2m") == 0; }
    ~FullDisk() override {
        if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
    }
    void SetUp() override {
        if (!mounted_) GTEST_SKIP() << "mounting a file system is not allowed here";
    }
    [[nodiscard]] std::string file(const std::string& name) const { return directory_.path() + "/" + name; }
    [[nodiscard]] const std::string& directory_path() const noexcept { return directory_.path(); }
    void fill(size_t but_kib = 0) const {
        const std::string path = file("filler"), block(4096, 'x');
        std::ofstream out(path, std::ios::binary);
        while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
        out.close();
        fs::resize_file(path, fs::file_size(path) - but_kib * 1024);
    }
    void make_room() const { fs::remove(file("filler")); }
    void forget_all() const {
        for (const auto& entry : fs::directory_iterator(directory_.path())) fs::remove_all(entry.path());
    }
    UsageStore::Options options(bool shared = false) {
        return {.directory = directory_.path(),
                .fold_interval_ms = 10,
                .recovery_interval_ms = 20,
                .shared = shared,
                .on_notice = [this](const std::string& text) {
                    const std::lock_guard lock(mutex_);
                    notices_ += text + "\n";
                }};
    }
    [[nodiscard]] size_t count(const std::string& text) {
        const std::lock_guard lock(mutex_);
        size_t found = 0;
        for (size_t at = notices_.find(text); at != notices_.npos; at = notices_.find(text, at + 1)) found += 1;
        return found;
    }
    std::unique_ptr<UsageStore> open(bool shared = false) {
        auto opened = UsageStore::open(options(shared));
        EXPECT_TRUE(opened) << opened.error();
        return opened ? std::move(*opened) : nullptr;
    }
    /// A process that has it open, and is killed then.
    void open_and_kill(bool shared = false) {
        const pid_t child = ::fork();
        if (child == 0) {
            const auto store = UsageStore::open(options(shared));
            (void)::raise(store ? SIGKILL : SIGTERM);
        }
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_EQ(WTERMSIG(status), SIGKILL);
    }
    /// One request of 10 and 3 tokens, of a former start.
    void put_segment(uint32_t epoch) const {
        const auto written = [](const auto& record) {
            std::array<char, tenant::ledger_record_bytes_max> room;
            return std::string(room.data(), write_ledger_record(record, room));
        };
        const uint64_t id = tenant::make_ledger_id(epoch, 0, 1);
        fs::create_directories(file("ledger"));
        std::ofstream(file("ledger/" + segment_file_name({epoch, 0, 1})), std::ios::binary)
            << written(tenant::LedgerBegin{.epoch = epoch, .shard = 0, .number = 1, .time_us = 1})
            << written(LedgerIntent{.id = id, .request = id, .time_us = 5, .consumer = "app", .input_tokens = 100})
            << written(LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 10, .output = 3}});
    }
    static uint64_t input_of(UsageStore& store) {
        const auto groups = store.usage({{.by = UsageDimension::consumer, .from = 0, .to = 1'000'000, .consumer = {}}});
        uint64_t sum = 0;
        if (groups)
            for (const UsageGroup& group : (*groups)[0]) sum += group.sums.input;
        return sum;
    }
    template <class Question>
    static void wait_until(const char* what, Question question) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (!question()) {
            ASSERT_LT(std::chrono::steady_clock::now(), end) << what;
            std::this_thread::yield();
        }
    }
    static bool is_supplied(UsageStore& store) {
        return store.channel(0).spare.load(std::memory_order_acquire) != nullptr && store.failing_count() == 0;
    }

  private:
    Directory directory_;
    bool mounted_ = false;
    std::mutex mutex_;
    std::string notices_;
};

/// A process that was killed has left its -wal and -shm: the database opens, and a segment has no room.
TEST_F(FullDisk, WhatIsSharedDoesNotBeginWithoutRoom) {
    for (size_t kib = 0; kib <= 128; kib += 8) {
        SCOPED_TRACE(fmt::format("{} KiB are left", kib));
        forget_all();
        open_and_kill(true);
        ASSERT_TRUE(fs::exists(file("usage.db-shm")));
        fill(kib);
        UsageStore::Options many = options(true);
        many.shard_count = 64;
        {
            const auto opened = UsageStore::open(many);
            ASSERT_FALSE(opened);
            EXPECT_NE(opened.error().find("make room"), std::string::npos) << opened.error();
        }
        make_room();
        EXPECT_NE(open(true), nullptr);
    }
}

TEST_F(FullDisk, AfterAKillItGoesOnWithWhatWasFolded) {
    put_segment(1);
    open_and_kill();
    fill();
    const auto store = open();
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(store->failing_count(), 1u);
    make_room();
    wait_until("room", [&] { return is_supplied(*store) && input_of(*store) == 10; });
}

/// Whatever of its first files still fits, and however much of them is there at the next start.
TEST_F(FullDisk, AFirstStartWithLittleRoom_AndEveryLaterOne) {
    for (size_t kib = 0; kib <= 320; kib += 4) {
        SCOPED_TRACE(fmt::format("{} KiB are left", kib));
        forget_all();
        fill(kib);
        for (int start = 0; start < 2; ++start) ASSERT_NE(open(), nullptr) << start;
        fill();  // what the starts before have given back, too
        const auto store = open();
        ASSERT_NE(store, nullptr);
        make_room();
        wait_until("room", [&] { return is_supplied(*store); });
    }
}

/// These have to write: keys that are made, ids that are stored.
TEST_F(FullDisk, KeysAndRegisterSayThatThereIsNoRoom) {
    for (const size_t kib : {0, 8, 24}) {
        forget_all();
        fill(kib);
        const auto keys = KeyStore::open(directory_path());
        ASSERT_FALSE(keys);
        EXPECT_NE(keys.error().find("its disk is full: make room there"), std::string::npos) << keys.error();
        ResourceRegister::Options where;
        where.directory = directory_path();
        const auto ids = ResourceRegister::open(where);
        ASSERT_FALSE(ids);
        EXPECT_NE(ids.error().find("its disk is full: make room there"), std::string::npos) << ids.error();
    }
}

/// Who writes the log needs segments, and not the sums of former starts.
TEST_F(FullDisk, TheLogIsWrittenAlsoWhereRecoveryFails_AndThatIsSaidUntilItDoesNot) {
    put_segment(1);
    EXPECT_EQ(input_of(*open()), 10u);
    put_segment(5);
    fill();
    const auto store = open();
    ASSERT_NE(store, nullptr);
    EXPECT_EQ(input_of(*store), 10u);
    EXPECT_EQ(store->failing_count(), 1u);
    std::ofstream(file("usage.db"), std::ios::binary | std::ios::trunc) << std::string(4'096, 'x');
    make_room();
    wait_until("segments", [&] { return is_supplied(*store); });
    wait_until("it to be said again", [&] { return count("is damaged") >= 3; });
    for (const char* const end : {"", "-wal", "-shm"}) fs::remove(file("usage.db") + end);
    wait_until("what the segments tell", [&] { return input_of(*store) == 20; });
    EXPECT_EQ(count("what a former start has left is made good"), 1u);
}

}  // namespace
}  // namespace loom::store
