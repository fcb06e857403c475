// SQLite over files that are encrypted: the same as over plain ones, whatever ends its process.
#include "encrypted_vfs.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "../sim/random.h"
#include "database.h"
#include "directory.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;

/// A file as SQLite sees it.
class VfsFile {
  public:
    VfsFile(const Vault& vault, const std::string& path) : path_(path) {
        sqlite3_vfs* const vfs = sqlite3_vfs_find(vault.vfs_name());
        memory_.resize(static_cast<size_t>(vfs->szOsFile));
        path_ += std::string(4, '\0');  // SQLite's own names have parameters behind them
        int flags = 0;
        EXPECT_EQ(vfs->xOpen(vfs, path_.c_str(), file(),
                             SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &flags),
                  SQLITE_OK);
    }
    ~VfsFile() { methods().xClose(file()); }
    VfsFile(const VfsFile&) = delete;
    sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(memory_.data()); }
    const sqlite3_io_methods& methods() { return *file()->pMethods; }
    void write(const std::string& bytes, int64_t at) {
        EXPECT_EQ(methods().xWrite(file(), bytes.data(), static_cast<int>(bytes.size()), at), SQLITE_OK);
    }
    std::string read(size_t bytes, int64_t at, bool whole) {
        std::string out(bytes, '?');
        EXPECT_EQ(methods().xRead(file(), out.data(), static_cast<int>(bytes), at),
                  whole ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
        return out;
    }
    void truncate(int64_t at) { EXPECT_EQ(methods().xTruncate(file(), at), SQLITE_OK); }
    int64_t size() {
        sqlite3_int64 size = 0;
        EXPECT_EQ(methods().xFileSize(file(), &size), SQLITE_OK);
        return size;
    }

  private:
    std::string path_;
    std::vector<char> memory_;
};

std::string some_bytes(sim::Random& random, size_t count) {
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    return bytes;
}

/// A plain file's bytes, whose length is a multiple of 16 with zeros at the end.
TEST(EncryptedVfs, IsAPlainFileWhateverIsReadAndWritten) {
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        SCOPED_TRACE(seed);
        sim::Random random(seed);
        const Directory directory(Directory::quick());
        const VaultPtr vault = test_vault();
        auto file = std::make_unique<VfsFile>(*vault, directory.file("x.db"));
        std::string plain;
        const uint64_t space = seed % 4 == 0 ? 100'000 : 3'000;
        for (int i = 0; i < 150; ++i) {
            const uint64_t at = random.below(space);
            const uint64_t what = random.below(10);
            if (what < 5) {
                const std::string bytes = some_bytes(random, 1 + random.below(random.below(3) == 0 ? 40'000 : 700));
                if (plain.size() < at + bytes.size()) plain.resize(at + bytes.size());
                plain.replace(at, bytes.size(), bytes);
                file->write(bytes, static_cast<int64_t>(at));
            } else if (what < 6) {
                plain.resize(at);
                file->truncate(static_cast<int64_t>(at));
            } else if (what < 7) {
                file.reset();
                file = std::make_unique<VfsFile>(*vault, directory.file("x.db"));
            } else {
                const size_t count = 1 + random.below(30'000);
                std::string expected = at < plain.size() ? plain.substr(at, count) : "";
                expected.resize(count);
                const bool whole = at + count <= plain.size();
                ASSERT_EQ(file->read(count, static_cast<int64_t>(at), whole), expected) << i;
            }
            plain.resize((plain.size() + 15) / 16 * 16);
            ASSERT_EQ(static_cast<size_t>(file->size()), plain.size()) << i;
            ASSERT_EQ(fs::file_size(directory.file("x.db")), plain.size());
        }
    }
}

/// What a write must not touch is as it was, block by block.
TEST(EncryptedVfs, AWriteChangesTheBlocksThatItTouchesAlone) {
    const Directory directory(Directory::quick());
    const VaultPtr vault = test_vault();
    VfsFile file(*vault, directory.file("x.db"));
    file.write(std::string(2'048, 'a'), 0);
    sim::Random random(3);
    for (int i = 0; i < 200; ++i) {
        const uint64_t at = random.below(2'000), count = 1 + random.below(48);
        const std::string before = bytes_in(directory.file("x.db"));
        file.write(some_bytes(random, count), static_cast<int64_t>(at));
        const std::string after = bytes_in(directory.file("x.db"));
        for (size_t block = 0; block < 128; ++block) {
            if (block >= at / 16 && block <= (at + count - 1) / 16) continue;
            ASSERT_EQ(before.substr(block * 16, 16), after.substr(block * 16, 16)) << at << " " << count;
        }
    }
}

TEST(EncryptedVfs, PromisesNoMoreThanItHolds) {
    const Directory directory(Directory::quick());
    const VaultPtr vault = test_vault();
    VfsFile file(*vault, directory.file("x.db"));
    constexpr int promises = SQLITE_IOCAP_ATOMIC | SQLITE_IOCAP_ATOMIC512 | SQLITE_IOCAP_ATOMIC4K |
                             SQLITE_IOCAP_SAFE_APPEND | SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_BATCH_ATOMIC;
    EXPECT_EQ(file.methods().xDeviceCharacteristics(file.file()) & promises, 0);
    EXPECT_GE(file.methods().xSectorSize(file.file()), 512);
    EXPECT_LT(file.methods().iVersion, 3) << "it could be mapped";
    int safe = 1;
    EXPECT_EQ(file.methods().xFileControl(file.file(), SQLITE_FCNTL_POWERSAFE_OVERWRITE, &safe), SQLITE_OK);
    EXPECT_EQ(safe, 0);
}

Database open(const std::string& path, const VaultPtr& vault) {
    auto database = Database::open(path, vault);
    EXPECT_TRUE(database) << database.error().text;
    return std::move(*database);
}
void run(Database& database, const std::string& sql) {
    const auto done = database.run(sql.c_str());
    EXPECT_TRUE(done) << sql << ": " << done.error().text;
}

TEST(EncryptedVfs, ADatabaseIsTheSameInEveryJournalMode) {
    for (const char* const mode : {"WAL", "DELETE", "TRUNCATE", "PERSIST"})
        for (const int page : {512, 4'096, 65'536}) {
            SCOPED_TRACE(fmt::format("{} {}", mode, page));
            const Directory directory(Directory::quick());
            const VaultPtr vault = test_vault();
            const std::string path = directory.file("x.db");
            {
                Database database = open(path, vault);
                run(database, fmt::format("PRAGMA page_size = {}; PRAGMA journal_mode = {}; PRAGMA cache_size = 5; "
                                          "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)",
                                          page, mode));
                for (int i = 0; i < 50; ++i) {
                    run(database, "BEGIN");
                    for (int row = 0; row < 20; ++row)
                        run(database, fmt::format("INSERT INTO t VALUES ({}, '{}')", i * 20 + row,
                                                  std::string(static_cast<size_t>(row * 30), 'p') + "plain-words"));
                    run(database, i % 5 == 4 ? "ROLLBACK" : "COMMIT");
                }
                run(database, "DELETE FROM t WHERE id % 3 = 0; VACUUM");
                EXPECT_EQ(file_with(directory.path(), "plain-words"), "");
                EXPECT_EQ(file_with(directory.path(), "SQLite format"), "");
            }
            Database database = open(path, vault);
            EXPECT_EQ(*database.text("PRAGMA integrity_check"), "ok");
            EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 533);
            const auto other = Database::open(path, test_vault('2'));
            ASSERT_FALSE(other) << "by another key";
            EXPECT_TRUE(other.error().damaged());
        }
}

/// By a process that is killed then: its log or journal stays.
void run_and_be_killed(const std::string& path, const VaultPtr& vault, const std::string& sql) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        auto database = Database::open(path, vault);
        ::_exit(database && database->run(sql.c_str()) ? 9 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(WEXITSTATUS(status), 9);
}
const std::string many_rows =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, hex("
    "randomblob(100)) FROM n; ";

/// Asks it something, as a Loom would that has a wrong key, or none, and closes it.
bool is_readable(const std::string& path, const VaultPtr& vault) {
    auto database = Database::open(path, vault);
    return database && database->number("SELECT count(*) FROM sqlite_schema") &&
           database->run("PRAGMA user_version = 1");
}

TEST(EncryptedVfs, AnotherKeyLeavesLogAndJournalAsTheyWere) {
    const VaultPtr vaults[] = {nullptr, test_vault('1'), test_vault('2')};
    for (const bool log : {true, false})
        for (const VaultPtr& own : {vaults[0], vaults[1]}) {
            SCOPED_TRACE(fmt::format("{} {}", log, own != nullptr));
            const Directory directory(Directory::quick());
            const std::string path = directory.file("x.db"), beside = path + (log ? "-wal" : "-journal");
            run_and_be_killed(
                path, own,
                fmt::format("PRAGMA page_size = 512; PRAGMA journal_mode = {}; CREATE TABLE t (id INTEGER, "
                            "text TEXT); {} PRAGMA cache_size = 1; BEGIN; UPDATE t SET text = 'x'; {}",
                            log ? "WAL" : "DELETE", many_rows, log ? "COMMIT" : ""));
            const std::string main = bytes_in(path), kept = bytes_in(beside);
            ASSERT_GT(kept.size(), 1'000u);
            for (const VaultPtr& other : vaults) {
                if (other == own) continue;
                EXPECT_FALSE(is_readable(path, other));
                EXPECT_TRUE(bytes_in(path) == main && bytes_in(beside) == kept);
            }
            Database database = open(path, own);
            EXPECT_EQ(*database.text("PRAGMA integrity_check"), "ok");
            EXPECT_EQ(*database.number("SELECT count(*) FROM t WHERE text = 'x'"), log ? 200 : 0);
            EXPECT_EQ(*database.number("SELECT count(*) FROM t"), 200);
        }
}

/// A power cut may keep the first page from the disk, which the journal or the log makes good.
TEST(EncryptedVfs, AFirstPageThatIsOnlyInJournalOrLogIsTakenFromThere) {
    for (const bool log : {true, false})
        for (const VaultPtr& own : {VaultPtr(), test_vault('1')}) {
            SCOPED_TRACE(fmt::format("{} {}", log, own != nullptr));
            const Directory directory(Directory::quick());
            const std::string path = directory.file("x.db"), beside = path + (log ? "-wal" : "-journal");
            run_and_be_killed(path, own,
                              fmt::format("PRAGMA page_size = 512; PRAGMA journal_mode = {}; PRAGMA cache_size = 1; "
                                          "BEGIN; CREATE TABLE t (id INTEGER, text TEXT); {} {}",
                                          log ? "WAL" : "DELETE", many_rows, log ? "COMMIT" : ""));
            std::string main = bytes_in(path);
            ASSERT_GE(main.size(), 512u);
            main.replace(0, 512, 512, '\0');
            put_bytes(path, main);
            const std::string kept = bytes_in(beside);
            ASSERT_GT(kept.size(), 500u);
            EXPECT_FALSE(is_readable(path, test_vault('2')));
            EXPECT_EQ(bytes_in(beside), kept);
            Database database = open(path, own);
            EXPECT_EQ(*database.text("PRAGMA integrity_check"), "ok");
            EXPECT_EQ(*database.number("SELECT count(*) FROM sqlite_schema"), log ? 1 : 0);
        }
}

/// A log that ends anywhere holds the transactions before its end, and no other.
TEST(EncryptedVfs, EveryTruncationOfAWriteAheadLogEndsBehindATransaction) {
    const Directory directory(Directory::quick());
    const VaultPtr vault = test_vault();
    const std::string path = directory.file("x.db"), cut = directory.file("cut");
    Database database = open(path, vault);
    run(database,
        "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA "
        "wal_autocheckpoint = 0; CREATE TABLE t (id INTEGER PRIMARY KEY)");
    for (int i = 0; i < 8; ++i) run(database, fmt::format("INSERT INTO t VALUES ({})", i));
    const std::string main = bytes_in(path), log = bytes_in(path + "-wal");
    ASSERT_GT(log.size(), 4'000u);
    int64_t most = 0;
    for (size_t size = 0; size <= log.size(); size += 37) {
        fs::create_directory(cut);
        put_bytes(cut + "/x.db", main);
        put_bytes(cut + "/x.db-wal", log.substr(0, size));
        {
            Database opened = open(cut + "/x.db", vault);
            ASSERT_EQ(*opened.text("PRAGMA integrity_check"), "ok") << size;
            const int64_t tables = *opened.number("SELECT count(*) FROM sqlite_schema");
            const int64_t rows = tables == 0 ? 0 : *opened.number("SELECT count(*) FROM t");
            ASSERT_GE(rows, most) << size;
            if (rows > 0) ASSERT_EQ(*opened.number("SELECT max(id) FROM t"), rows - 1) << size;
            most = rows;
        }
        fs::remove_all(cut);
    }
    EXPECT_EQ(most, 8);
}

/// Commits one after the other, and tells each when it is done.
[[noreturn]] void commit_for_ever(const std::string& path, const VaultPtr& vault, int told) {
    auto database = Database::open(path, vault);
    if (!database || !database->keep_safe()) ::_exit(1);
    if (!database->run("PRAGMA cache_size = 10; PRAGMA wal_autocheckpoint = 20")) ::_exit(1);
    for (int64_t i = *database->number("SELECT coalesce(max(id), -1) + 1 FROM t");; ++i) {
        const std::string sql =
            fmt::format("BEGIN; INSERT INTO t VALUES ({}, hex(randomblob({}))); UPDATE sum SET n = n + {}; COMMIT", i,
                        100 + i * 37 % 3'000, i);
        if (!database->run(sql.c_str())) ::_exit(1);
        if (::write(told, &i, sizeof i) != sizeof i) ::_exit(1);
    }
}

TEST(EncryptedVfs, AKillInTheMiddleLosesNoCommitAndLeavesNoHalfOne) {
    const Directory directory(Directory::quick());
    const std::string path = directory.file("x.db");
    {
        Database database = open(path, test_vault());
        run(database,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE sum (n INTEGER); INSERT INTO "
            "sum VALUES (0)");
    }
    sim::Random random(11);
    int64_t last = -1;
    for (int kill = 0; kill < 40; ++kill) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            ::close(ends[0]);
            commit_for_ever(path, test_vault(), ends[1]);
        }
        ::close(ends[1]);
        const int64_t wanted = last + 1 + static_cast<int64_t>(random.below(12));
        while (last < wanted && ::read(ends[0], &last, sizeof last) == sizeof last) {
        }
        ::usleep(static_cast<useconds_t>(random.below(3'000)));
        ::kill(child, SIGKILL);
        while (::read(ends[0], &last, sizeof last) == sizeof last) {
        }
        ::close(ends[0]);
        int status = 0;
        ::waitpid(child, &status, 0);
        ASSERT_TRUE(WIFSIGNALED(status));
        Database database = open(path, test_vault());
        ASSERT_EQ(*database.text("PRAGMA integrity_check"), "ok");
        const int64_t there = *database.number("SELECT max(id) FROM t");
        ASSERT_GE(there, last) << "a commit is lost";
        ASSERT_LE(there, last + 1);
        ASSERT_EQ(*database.number("SELECT count(*) FROM t"), there + 1);
        ASSERT_EQ(*database.number("SELECT n FROM sum"), there * (there + 1) / 2) << "half a commit";
        last = there;
    }
    EXPECT_GT(last, 40);
}

/// As `loom ledger verify` reads while a Loom writes.
TEST(EncryptedVfs, OneProcessReadsWhileAnotherWrites) {
    const Directory directory(Directory::quick());
    const std::string path = directory.file("x.db");
    {
        Database database = open(path, test_vault());
        run(database,
            "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT); CREATE TABLE sum (n INTEGER); INSERT INTO "
            "sum VALUES (0); PRAGMA journal_mode = WAL");
    }
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) commit_for_ever(path, test_vault(), ends[1]);
    int64_t last = 0;
    Database database = open(path, test_vault());
    for (int i = 0; i < 200; ++i) {
        ASSERT_EQ(::read(ends[0], &last, sizeof last), static_cast<ssize_t>(sizeof last));
        run(database, "BEGIN");
        const int64_t there = *database.number("SELECT max(id) FROM t");
        ASSERT_GE(there, last);
        ASSERT_EQ(*database.number("SELECT n FROM sum"), there * (there + 1) / 2);
        if (i % 20 == 0) ASSERT_EQ(*database.text("PRAGMA integrity_check"), "ok");
        run(database, "COMMIT");
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace loom::store
