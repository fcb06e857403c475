// The table alone: who owns what, what has to go, and which files it refuses.
#include "resource_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "directory.h"

namespace loom::store {
namespace {

constexpr ResourceTable::Limits wide{.count_max = 1'000'000, .keep_s = 0};

Resource file(const std::string& id, const std::string& account = "openai") { return {{"file", id}, account, "m"}; }

ResourceAnswer ask(ResourceTable& table, const ResourceQuestion& question, int64_t now_s = 1'000) {
    const ResourceQuestion* const one = &question;
    auto answers = table.answer({&one, 1}, now_s);
    EXPECT_TRUE(answers) << (answers ? "" : answers.error().text);
    return answers ? std::move(answers->front()) : ResourceAnswer{};
}
void put(ResourceTable& table, const std::string& tenant, const Resource& made, int64_t now_s = 1'000) {
    ask(table, {.tenant = tenant, .made = {made}}, now_s);
}
std::string owner(ResourceTable& table, const std::string& tenant, const ResourceKey& key, int64_t now_s = 1'000) {
    const auto answer = ask(table, {.tenant = tenant, .named = {key}}, now_s);
    return answer.accounts.empty() ? "no answer" : answer.accounts[0];
}
std::string fault_of(const std::string& directory) {
    const auto table = ResourceTable::open(directory, wide, 1'000);
    return table ? "" : table.error();
}

TEST(ResourceTable, AnswersToNobodyButTheTenant) {
    auto table = ResourceTable::open("", wide, 1'000);
    ASSERT_TRUE(table) << table.error();
    put(*table, "a", file("file-1"));
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai");
    EXPECT_EQ(owner(*table, "b", {"file", "file-1"}), "");
    EXPECT_EQ(owner(*table, "", {"file", "file-1"}), "");
    EXPECT_EQ(owner(*table, "a", {"batch", "file-1"}), "") << "ids of two kinds never meet";
    EXPECT_EQ(owner(*table, "a", {"file", "FILE-1"}), "");
    EXPECT_EQ(owner(*table, "a", {"file", ""}), "");
    EXPECT_EQ(owner(*table, "a", {"file", "x' OR '1'='1"}), "");
}

TEST(ResourceTable, WhatHasAnOwnerKeepsIt) {
    auto table = ResourceTable::open("", wide, 1'000);
    ASSERT_TRUE(table);
    put(*table, "a", file("file-1"));
    put(*table, "b", file("file-1"));
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai");
    EXPECT_EQ(owner(*table, "b", {"file", "file-1"}), "");
    ask(*table, {.tenant = "b", .gone = {file("file-1")}});
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai") << "another's cannot be deleted";
    put(*table, "b", file("file-1", "azure"));
    EXPECT_EQ(owner(*table, "b", {"file", "file-1"}), "azure") << "two providers may give the same id";
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai");
}

TEST(ResourceTable, ForgetsWhatIsGoneAndCounts) {
    auto table = ResourceTable::open("", wide, 1'000);
    ASSERT_TRUE(table);
    for (int i = 0; i < 5; ++i) put(*table, "a", file(fmt::format("file-{}", i)));
    put(*table, "a", file("file-9", "azure"));
    ask(*table, {.tenant = "a", .gone = {file("file-2")}});
    EXPECT_EQ(owner(*table, "a", {"file", "file-2"}), "");
    const auto count = [&](const std::string& tenant) {
        return ask(*table, {.tenant = tenant, .counted_kind = "file", .counted_account = "openai"}).count;
    };
    EXPECT_EQ(count("a"), 4U);
    EXPECT_EQ(count("b"), 0U);
    EXPECT_EQ(table->count(), 5U);
}

/// A tenant that floods the table pushes out its own, oldest first.
TEST(ResourceTable, IsBoundedAndTheFlooderGivesWay) {
    constexpr uint64_t count_max = 1'000;
    auto table = ResourceTable::open("", {.count_max = count_max, .keep_s = 0}, 1'000);
    ASSERT_TRUE(table);
    put(*table, "quiet", file("file-quiet"), 1);
    for (int64_t i = 0; i < 5'000; ++i) put(*table, "loud", file(fmt::format("file-{}", i)), 10 + i);
    EXPECT_LE(table->count(), count_max);
    EXPECT_GE(table->count(), count_max - count_max / 100);
    EXPECT_EQ(owner(*table, "quiet", {"file", "file-quiet"}), "openai");
    EXPECT_EQ(owner(*table, "loud", {"file", "file-0"}), "");
    EXPECT_EQ(owner(*table, "loud", {"file", "file-4999"}), "openai");
    EXPECT_GT(table->evicted_count(), 3'900U);
}

TEST(ResourceTable, ForgetsWhatIsTooOldAtOnceAndOnTheDiskLater) {
    auto table = ResourceTable::open("", {.count_max = 1'000'000, .keep_s = 100}, 1'000);
    ASSERT_TRUE(table);
    for (int i = 0; i < 1'500; ++i) put(*table, "a", file(fmt::format("file-{}", i)), 1'000);
    put(*table, "a", file("file-young"), 1'050);
    EXPECT_EQ(owner(*table, "a", {"file", "file-0"}, 1'100), "openai");
    EXPECT_EQ(owner(*table, "a", {"file", "file-0"}, 1'101), "");
    EXPECT_EQ(table->count(), 1'501U);
    EXPECT_TRUE(table->expire(1'101).value_or(false)) << "in slices: nobody waits for all of it";
    EXPECT_FALSE(table->expire(1'101).value_or(true));
    EXPECT_EQ(table->count(), 1U);
    EXPECT_EQ(owner(*table, "a", {"file", "file-young"}, 1'101), "openai");
}

TEST(ResourceTable, IsNobodyElsesToRead) {
    const Directory outer;
    const std::string directory = outer.file("state");
    auto table = ResourceTable::open(directory, wide, 1'000);
    ASSERT_TRUE(table) << table.error();
    put(*table, "a", file("file-1"));
    struct stat status{};
    ASSERT_EQ(::stat(directory.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
    for (const char* name : {"/resources.db", "/resources.db-wal"}) {
        ASSERT_EQ(::stat((directory + name).c_str(), &status), 0) << name;
        EXPECT_EQ(status.st_mode & 0777, 0600U) << name;
    }
}

TEST(ResourceTable, RemembersAcrossARestart) {
    const Directory directory;
    {
        auto table = ResourceTable::open(directory.path(), wide, 1'000);
        ASSERT_TRUE(table);
        put(*table, "a", file("file-1"));
    }
    auto table = ResourceTable::open(directory.path(), wide, 1'000);
    ASSERT_TRUE(table) << table.error();
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai");
    EXPECT_EQ(table->count(), 1U);
}

/// Runs in a child: whatever it does to itself, this process goes on.
template <class Work>
int status_of(Work&& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        work();
        ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

TEST(ResourceTable, WhatWasAnsweredSurvivesAKill) {
    const Directory directory;
    constexpr int count = 50;
    const int status = status_of([&] {
        auto table = ResourceTable::open(directory.path(), wide, 1'000);
        if (!table) ::_exit(1);
        for (int i = 0; i < count; ++i) {
            const ResourceQuestion question{.tenant = "a", .made = {file(fmt::format("file-{}", i))}};
            const ResourceQuestion* const one = &question;
            if (!table->answer({&one, 1}, 1'000)) ::_exit(1);
        }
        ::kill(::getpid(), SIGKILL);
    });
    ASSERT_TRUE(WIFSIGNALED(status));
    auto table = ResourceTable::open(directory.path(), wide, 1'000);
    ASSERT_TRUE(table) << table.error();
    for (int i = 0; i < count; ++i) EXPECT_EQ(owner(*table, "a", {"file", fmt::format("file-{}", i)}), "openai") << i;
}

/// RLIMIT_FSIZE is a disk that is full for one process alone.
TEST(ResourceTable, AFullDiskIsAFaultAndWhatIsThereStays) {
    const Directory directory;
    const int status = status_of([&] {
        auto table = ResourceTable::open(directory.path(), wide, 1'000);
        if (!table) ::_exit(1);
        put(*table, "a", file("file-before"));
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{.rlim_cur = 64 * 1024, .rlim_max = 64 * 1024};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        bool failed = false;
        for (int i = 0; i < 2'000 && !failed; ++i) {
            const ResourceQuestion question{.tenant = "a", .made = {file(fmt::format("file-{:0>300}", i))}};
            const ResourceQuestion* const one = &question;
            const auto answer = table->answer({&one, 1}, 1'000);
            failed = !answer && !answer.error().text.empty() && !answer.error().damaged();
        }
        const ResourceQuestion question{.tenant = "a", .named = {{"file", "file-before"}}};
        const ResourceQuestion* const one = &question;
        const auto answer = table->answer({&one, 1}, 1'000);
        const bool reads_on = answer && answer->front().accounts[0] == "openai";
        ::_exit(failed && reads_on ? 0 : 2);
    });
    EXPECT_EQ(WEXITSTATUS(status), 0);
    auto table = ResourceTable::open(directory.path(), wide, 1'000);
    ASSERT_TRUE(table) << table.error();
    EXPECT_EQ(owner(*table, "a", {"file", "file-before"}), "openai");
}

TEST(ResourceTable, OneFaultUndoesAllThatWasAskedTogether) {
    const Directory directory;
    auto table = ResourceTable::open(directory.path(), wide, 1'000);
    ASSERT_TRUE(table);
    auto other = Database::open(directory.file("resources.db"));
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE"));  // as a second process would
    const ResourceQuestion first{.tenant = "a", .made = {file("file-1")}},
        second{.tenant = "b", .made = {file("file-2")}};
    const std::array<const ResourceQuestion*, 2> both{&first, &second};
    const auto refused = table->answer(both, 1'000);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, SQLITE_BUSY) << refused.error().text;
    ASSERT_TRUE(other->run("ROLLBACK"));
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "");
    EXPECT_EQ(table->count(), 0U);
    put(*table, "a", file("file-1"));
    EXPECT_EQ(owner(*table, "a", {"file", "file-1"}), "openai");
}

TEST(ResourceTable, ADamagedFileIsNamedWithARemedy) {
    const Directory directory;
    std::ofstream(directory.file("resources.db")) << std::string(8'192, 'x');
    const std::string fault = fault_of(directory.path());
    EXPECT_NE(fault.find(directory.file("resources.db")), fault.npos) << fault;
    EXPECT_NE(fault.find("is damaged"), fault.npos) << fault;
    EXPECT_NE(fault.find("move it away"), fault.npos) << fault;
}

TEST(ResourceTable, DamageInTheMiddleIsFoundAtTheStart) {
    const Directory directory;
    {
        auto table = ResourceTable::open(directory.path(), wide, 1'000);
        ASSERT_TRUE(table);
        for (int i = 0; i < 500; ++i) put(*table, "a", file(fmt::format("file-{:0>100}", i)));
    }
    std::fstream bytes(directory.file("resources.db"), std::ios::in | std::ios::out | std::ios::binary);
    for (const int page : {3, 4, 5, 6, 7, 8}) {
        bytes.seekp(page * 4'096);
        bytes << std::string(200, '\xee');
    }
    bytes.close();
    EXPECT_NE(fault_of(directory.path()).find("is damaged"), std::string::npos) << fault_of(directory.path());
}

TEST(ResourceTable, AnothersOrANewerFileIsLeftAlone) {
    const Directory directory;
    {
        auto other = Database::open(directory.file("resources.db"));
        ASSERT_TRUE(other);
        ASSERT_TRUE(other->run("CREATE TABLE theirs (x)"));
    }
    EXPECT_NE(fault_of(directory.path()).find("another program"), std::string::npos) << fault_of(directory.path());
    const Directory second;
    ASSERT_TRUE(ResourceTable::open(second.path(), wide, 1'000));
    {
        auto newer = Database::open(second.file("resources.db"));
        ASSERT_TRUE(newer);
        ASSERT_TRUE(newer->run("PRAGMA user_version = 7"));
    }
    EXPECT_NE(fault_of(second.path()).find("version 7"), std::string::npos) << fault_of(second.path());
}

TEST(ResourceTable, ADirectoryThatCannotBeIsNamed) {
    const Directory directory;
    std::ofstream(directory.file("plain")) << "x";
    const std::string fault = fault_of(directory.file("plain"));
    EXPECT_NE(fault.find("state.directory"), fault.npos) << fault;
    EXPECT_NE(fault.find(directory.file("plain")), fault.npos) << fault;
    EXPECT_NE(fault_of(directory.file("no/such/parent")).find("cannot be made"), std::string::npos);
}

}  // namespace
}  // namespace loom::store
