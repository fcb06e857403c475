// A file of records is read as it was written, or not at all: whatever is cut off, changed, moved or added.
#include "loom/store/snapshot_file.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <vector>

#include "directory.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using Cause = SnapshotFault::Cause;

const std::string head = "what it is";
const std::vector<std::string> records = {"one", "", std::string(3000, 'x'), std::string("\0two\xff", 5)};

class SnapshotFile : public testing::TestWithParam<bool> {
  protected:
    [[nodiscard]] SnapshotPlace place(const std::string& name = "exact.snapshot") const {
        return {.directory = directory_.path(), .name = name, .vault = vault_};
    }
    [[nodiscard]] std::string path() const { return place().path(); }
    void write(const std::vector<std::string>& all = records, const std::string& name = "exact.snapshot") {
        auto writer = SnapshotWriter::begin(place(name), head);
        ASSERT_TRUE(writer);
        for (const std::string& one : all) ASSERT_TRUE(writer->add(one));
        ASSERT_TRUE(writer->finish());
        ASSERT_TRUE(writer->publish());
        EXPECT_EQ(writer->records(), all.size());
        EXPECT_EQ(writer->bytes(), fs::file_size(place(name).path()));
    }
    /// Its records; or why it is refused.
    static std::expected<std::vector<std::string>, SnapshotFault> read(const SnapshotPlace& from) {
        auto reader = SnapshotReader::open(from);
        if (!reader) return std::unexpected(reader.error());
        if (const auto good = reader->verify(); !good) return std::unexpected(good.error());
        EXPECT_EQ(reader->head(), head);
        std::vector<std::string> all;
        std::string record;
        for (;;) {
            const auto more = reader->next(record);
            EXPECT_TRUE(more) << "it was whole";
            if (!more || !*more) return all;
            all.push_back(record);
        }
    }
    static Cause cause_of(const SnapshotPlace& from) {
        const auto all = read(from);
        EXPECT_FALSE(all);
        return all ? Cause::absent : all.error().cause;
    }
    [[nodiscard]] bool is_there(const std::string& end = "") const { return fs::exists(path() + end); }

    const Directory directory_{Directory::quick()};
    VaultPtr vault_ = GetParam() ? test_vault() : VaultPtr();
};

TEST_P(SnapshotFile, IsReadAsItWasWritten) {
    for (const std::vector<std::string>& all :
         {records, {}, std::vector<std::string>{std::string(5 << 20, 'y'), "after"}}) {
        write(all);
        EXPECT_EQ(read(place()), all);
        EXPECT_FALSE(is_there(".new"));
    }
}

TEST_P(SnapshotFile, SaysNothingWithoutTheKey) {
    write({"a prompt that nobody may read"});
    EXPECT_EQ(bytes_in(path()).contains("prompt"), !GetParam());
    EXPECT_EQ(fs::status(path()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
}

TEST_P(SnapshotFile, EveryCutIsRefused) {
    write();
    const std::string whole = bytes_in(path());
    for (size_t length = 0; length < whole.size(); ++length) {
        put_bytes(path(), whole.substr(0, length));
        EXPECT_FALSE(read(place())) << length;
    }
}

TEST_P(SnapshotFile, EveryChangedBitIsRefused) {
    write({"one", "two"});
    const std::string whole = bytes_in(path());
    for (size_t at = 0; at < whole.size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
            put_bytes(path(), changed);
            EXPECT_FALSE(read(place())) << at << " bit " << bit;
        }
}

TEST_P(SnapshotFile, SoIsWhatWasAddedLeftOutOrMoved) {
    write({"first", "other"});
    const std::string whole = bytes_in(path());
    constexpr size_t header = 64, frame = 24;
    const size_t one = header + frame + head.size(), length = frame + 5;
    const std::string front = whole.substr(0, one), first = whole.substr(one, length),
                      second = whole.substr(one + length, length), end = whole.substr(one + 2 * length);
    put_bytes(path(), front + first + second + end);
    ASSERT_TRUE(read(place()));
    for (const std::string& changed :
         {front + second + first + end, front + first + end, front + second + end, front + first + first + end,
          front + first + second + second + end, front + first + second, front + end, front,
          front + first + second + end + end, front + first + second + end + '\0', first + second + end}) {
        put_bytes(path(), changed);
        EXPECT_FALSE(read(place()));
    }
    write({"first", "other"});
    const std::string later = bytes_in(path());
    put_bytes(path(), front + later.substr(one, length) + second + end);
    EXPECT_EQ(cause_of(place()), Cause::damaged) << "a frame of another file";
}

TEST_P(SnapshotFile, AKeyThatIsAnotherOrMissingOrNewIsTold) {
    write();
    const VaultPtr own = vault_;
    vault_ = test_vault('2');
    EXPECT_EQ(cause_of(place()), GetParam() ? Cause::other_key : Cause::plain);
    vault_ = nullptr;
    if (GetParam())
        EXPECT_EQ(cause_of(place()), Cause::sealed);
    else
        EXPECT_TRUE(read(place()));
    vault_ = own;
    fs::rename(path(), place("semantic.snapshot").path());
    if (GetParam()) EXPECT_EQ(cause_of(place("semantic.snapshot")), Cause::other_key) << "under another name";
}

TEST_P(SnapshotFile, WhatIsNoSnapshotIsRefused) {
    EXPECT_EQ(cause_of(place()), Cause::absent);
    put_bytes(path(), std::string(500, 'z'));
    EXPECT_EQ(cause_of(place()), Cause::foreign);
    put_bytes(path(), "");
    EXPECT_EQ(cause_of(place()), Cause::damaged);
    fs::remove(path());
    fs::create_directory(path());
    EXPECT_FALSE(read(place()));
    fs::remove(path());
    fs::create_symlink("/etc/passwd", path());
    EXPECT_EQ(cause_of(place()), Cause::unreadable) << "nobody is followed elsewhere";
}

TEST_P(SnapshotFile, OneOfALaterFormIsForeign) {
    write();
    std::string later = bytes_in(path());
    later[8] = 2;
    put_bytes(path(), later);
    EXPECT_EQ(cause_of(place()), Cause::foreign);
}

TEST_P(SnapshotFile, WhatWasNotPublishedLeavesWhatWasBefore) {
    write();
    {
        auto writer = SnapshotWriter::begin(place(), head);
        ASSERT_TRUE(writer);
        ASSERT_TRUE(writer->add("another"));
        ASSERT_TRUE(writer->finish());
        EXPECT_TRUE(is_there(".new"));
    }
    EXPECT_FALSE(is_there(".new"));
    EXPECT_EQ(read(place()), records);
}

TEST_P(SnapshotFile, WhatIsBesideIsNotWrittenThrough) {
    const std::string other = directory_.path() + "/other";
    put_bytes(other, "another's");
    fs::create_symlink(other, path() + ".new");
    write();
    EXPECT_EQ(bytes_in(other), "another's");
    EXPECT_EQ(read(place()), records);
}

TEST_P(SnapshotFile, LongerRecordsArePassedOver_AndTheRestIsRead) {
    write();
    auto reader = SnapshotReader::open(place());
    ASSERT_TRUE(reader);
    reader->set_record_bytes_max(2999);
    for (int twice = 0; twice < 2; ++twice) {
        std::vector<std::string> all;
        std::string record;
        for (auto more = reader->next(record); more && *more; more = reader->next(record)) all.push_back(record);
        EXPECT_EQ(all, (std::vector<std::string>{records[0], records[1], records[3]}));
        EXPECT_EQ(reader->passed_over(), 1u);
        EXPECT_LT(record.capacity(), 2999u);
        reader->rewind();
    }
    fs::resize_file(path(), 1500);
    auto cut = SnapshotReader::open(place());
    ASSERT_TRUE(cut);
    cut->set_record_bytes_max(10);
    std::string record;
    EXPECT_TRUE(cut->next(record) && cut->next(record));
    EXPECT_EQ(cut->next(record).error().cause, Cause::damaged) << "also in what would be passed over";
}

TEST_P(SnapshotFile, OneIsSetAside_TheLast) {
    write({"old"});
    set_snapshot_aside(place());
    write({"new"});
    const std::string last = bytes_in(path());
    set_snapshot_aside(place());
    EXPECT_FALSE(is_there());
    EXPECT_EQ(bytes_in(path() + ".refused"), last);
}

TEST_P(SnapshotFile, NothingOfItIsThereWhenItIsRemoved) {
    write();
    set_snapshot_aside(place());
    write();
    put_bytes(path() + ".new", "half");
    EXPECT_TRUE(remove_snapshot(place()));
    for (const char* const end : {"", ".new", ".refused"}) EXPECT_FALSE(is_there(end)) << end;
    EXPECT_TRUE(remove_snapshot(place())) << "where there is none, too";
    EXPECT_TRUE(remove_snapshot({.directory = directory_.path() + "/none", .name = "x", .vault = {}}));
}

TEST_P(SnapshotFile, WhatAKilledProcessHasLeftGoes_AndWhatShouldBeEncryptedAndIsNot) {
    write();
    set_snapshot_aside(place());
    put_bytes(path() + ".new", "half");
    tidy_snapshot(place());
    EXPECT_FALSE(is_there(".new"));
    EXPECT_TRUE(is_there(".refused"));
    vault_ = test_vault('3');
    tidy_snapshot(place());
    EXPECT_EQ(is_there(".refused"), GetParam());
}

TEST_P(SnapshotFile, ADiskThatIsFullIsSaid_AndWhatWasBeforeStays) {
    const Directory small;
    if (::mount("none", small.path().c_str(), "tmpfs", 0, "size=1m") != 0)
        GTEST_SKIP() << "mounting a file system is not allowed here";
    const SnapshotPlace there{.directory = small.path(), .name = "exact.snapshot", .vault = vault_};
    {
        auto first = SnapshotWriter::begin(there, head);
        ASSERT_TRUE(first && first->add("kept") && first->finish() && first->publish());
        auto writer = SnapshotWriter::begin(there, head);
        ASSERT_TRUE(writer);
        const auto added = writer->add(std::string(2 << 20, 'x'));
        ASSERT_FALSE(added);
        EXPECT_EQ(added.error(), ENOSPC);
    }
    EXPECT_EQ(read(there), std::vector<std::string>{"kept"});
    EXPECT_FALSE(fs::exists(there.path() + ".new")) << "its room is free again";
    ::umount2(small.path().c_str(), MNT_DETACH);
}

INSTANTIATE_TEST_SUITE_P(Form, SnapshotFile, testing::Bool(),
                         [](const auto& info) { return info.param ? "Sealed" : "Plain"; });

}  // namespace
}  // namespace loom::store
