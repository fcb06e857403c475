// A state.directory that is encrypted: as a plain one to who has the key, and from one to the other without a loss,
// whenever it is killed.
#include "loom/store/state_migration.h"

#include <fmt/format.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>

#include "directory.h"
#include "ledger_directory.h"
#include "loom/store/key_store.h"
#include "loom/store/ledger_export.h"
#include "loom/store/resource_register.h"
#include "loom/store/usage_store.h"
#include "loom_identity.h"
#include "resource_table.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using tenant::LedgerIntent;
using tenant::LedgerSettlement;

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr const char* words[] = {"secret-consumer", "secret-model", "secret-tenant"};

template <class Record>
std::string written(const Record& record) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    return {room.data(), write_ledger_record(record, room)};
}
std::string intent(uint64_t id) {
    return written(LedgerIntent{.id = id,
                                .request = id,
                                .time_us = 19'782 * day_us,
                                .consumer = words[0],
                                .tenant = words[2],
                                .provider = "openai",
                                .model = words[1],
                                .input_tokens = 100,
                                .output_tokens = 50});
}
std::string settled(uint64_t id) {
    return written(
        LedgerSettlement{.id = id, .status = 200, .tokens = {.input = 10, .output = 3}, .cost = int64_t(id)});
}

class StateTest : public testing::Test {
  protected:
    std::string file(const std::string& name) const { return directory.file(name); }
    UsageStore::Options options(const VaultPtr& vault) {
        return {.directory = directory.path(),
                .vault = vault,
                .fold_interval_ms = 10,
                .on_notice = [this](const std::string& text) { notices += text + "\n"; }};
    }
    /// A segment of a former start, in the directory's form.
    void write(const SegmentName& name, const std::vector<std::string>& records, const VaultPtr& vault) {
        fs::create_directories(file("ledger"));
        const std::string begin =
            written(tenant::LedgerBegin{.epoch = name.epoch, .shard = name.shard, .number = name.number});
        std::string bytes;
        std::unique_ptr<SegmentCipher> cipher;
        if (vault != nullptr) {
            auto made = SegmentCipher::make(*vault, name);
            cipher = std::move(made.cipher);
            bytes = made.header;
        }
        for (size_t i = 0; i <= records.size(); ++i) {
            const std::string& record = i == 0 ? begin : records[i - 1];
            bytes += cipher == nullptr ? record : sealed_record(*cipher, record, bytes.size());
        }
        put_bytes(file("ledger/" + segment_file_name(name)), bytes);
    }
    UsageSums sums(const VaultPtr& vault) {
        notices.clear();
        auto store = UsageStore::open(options(vault));
        EXPECT_TRUE(store) << store.error();
        if (!store) return {};
        const auto groups =
            (*store)->usage({{.by = UsageDimension::consumer, .from = 0, .to = 1'000'000, .consumer = {}}});
        UsageSums all;
        if (groups)
            for (const UsageGroup& group : (*groups)[0]) all += group.sums;
        return all;
    }
    VaultPtr opened(char digit) {
        const StateKey key = test_key(digit);
        auto vault = open_vault(directory.path(), &key, VaultUse::write);
        EXPECT_TRUE(vault) << vault.error();
        return vault ? *vault : nullptr;
    }
    std::string refusal(char digit, VaultUse use = VaultUse::write) const {
        const StateKey key = test_key(digit == 0 ? '1' : digit);
        const auto vault = open_vault(directory.path(), digit == 0 ? nullptr : &key, use);
        return vault ? "" : vault.error();
    }
    /// Everything that a Loom keeps, with intents that are open, a segment set aside, and some that are not folded.
    void fill(const VaultPtr& vault) {
        write({4, 0, 1}, {intent(1), settled(1), intent(2), settled(2)}, vault);
        write({4, 0, 2}, {intent(3), settled(3), intent(4)}, vault);
        EXPECT_EQ(sums(vault).attempts, 4u);
        fs::rename(file("ledger/4-0-1.log"), file("ledger/4-0-1.log.corrupt"));
        write({9, 0, 1}, {intent(7), settled(7), intent(8)}, vault);
        auto keys = KeyStore::open(directory.path(), vault);
        ASSERT_TRUE(keys) << keys.error();
        ASSERT_TRUE(keys->add({.id = "key_1", .consumer = words[0], .label = "label", .tail = "tail"}));
        auto table = ResourceTable::open(directory.path(), {.count_max = 100}, 0, vault);
        ASSERT_TRUE(table) << table.error();
        const ResourceQuestion made{.tenant = words[2],
                                    .made = {{.key = {"file", "file-1"}, .account = "openai", .model = words[1]}}};
        const ResourceQuestion* const questions[] = {&made};
        ASSERT_TRUE(table->answer(questions, 1));
        ASSERT_TRUE(keep_loom_id(directory.path(), vault, std::string(32, 'a')));
    }
    /// As fill() has left it, in this form; nothing is changed but by who folds.
    void expect_all(const VaultPtr& vault) {
        const auto verdict = verify_ledger(directory.path(), vault);
        ASSERT_TRUE(verdict) << verdict.error();
        for (const std::string& difference : verdict->differences) ADD_FAILURE() << difference;
        std::map<uint64_t, bool> rows;
        const auto exported = export_ledger(
            directory.path(),
            [&rows](const LedgerRow& row) {
                EXPECT_EQ(row.intent.consumer, words[0]);
                rows[row.intent.id] = row.settlement != nullptr;
                return true;
            },
            vault);
        ASSERT_TRUE(exported) << exported.error();
        EXPECT_EQ(rows, (std::map<uint64_t, bool>{{1, true}, {2, true}, {3, true}, {4, true}, {7, true}, {8, false}}));
        auto keys = KeyStore::open(directory.path(), vault);
        ASSERT_TRUE(keys) << keys.error();
        const auto list = keys->list();
        ASSERT_TRUE(list);
        ASSERT_EQ(list->size(), 1u);
        EXPECT_EQ(list->front().consumer, words[0]);
        auto table = ResourceTable::open(directory.path(), {.count_max = 100}, 0, vault);
        ASSERT_TRUE(table) << table.error();
        EXPECT_EQ(table->count(), 1u);
        EXPECT_EQ(kept_loom_id(directory.path(), vault), std::string(32, 'a'));
    }
    void expect_secret() const {
        for (const char* const word : {words[0], words[1], words[2], "SQLite format", "file-1", "key_1"})
            EXPECT_EQ(file_with(directory.path(), word), "") << word;
    }
    std::expected<MigrationReport, std::string> migrate(char from, char to,
                                                        std::function<void(const std::string&)> step = {}) const {
        const StateKey old_key = test_key(from == 0 ? '1' : from), new_key = test_key(to == 0 ? '1' : to);
        return migrate_state({.directory = directory.path(),
                              .from = from == 0 ? nullptr : &old_key,
                              .to = to == 0 ? nullptr : &new_key,
                              .step = std::move(step)});
    }
    /// Names, sizes and contents of all that is there.
    std::map<std::string, std::string> snapshot() const {
        std::map<std::string, std::string> all;
        for (const auto& entry : fs::recursive_directory_iterator(directory.path()))
            if (entry.is_regular_file()) all[entry.path().string()] = bytes_in(entry.path().string());
        return all;
    }

    Directory directory{Directory::quick()};
    std::string notices;
};

TEST_F(StateTest, AKeyIsThirtyTwoBytes) {
    EXPECT_TRUE(parse_state_key(std::string(64, 'a')));
    EXPECT_TRUE(parse_state_key("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="));
    for (const std::string bad :
         {"", "short", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==", "correct horse battery"}) {
        const auto key = parse_state_key(bad);
        ASSERT_FALSE(key);
        EXPECT_TRUE(bad.empty() || !key.error().contains(bad)) << "a secret in an error";
    }
}

TEST_F(StateTest, AnEncryptedDirectoryIsAsAPlainOneToWhoHasTheKey) {
    fill(opened('1'));
    expect_all(opened('1'));
    expect_secret();
    const UsageSums all = sums(opened('1'));
    EXPECT_EQ(all.attempts, 6u);
    EXPECT_EQ(all.estimated, 2u) << "4 and 8 were never settled";
    expect_secret();
    struct stat found{};
    ASSERT_EQ(::stat(file("encryption").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(StateTest, WhatDoesNotFitIsRefusedAndNothingIsChanged) {
    fill(opened('1'));
    auto before = snapshot();
    EXPECT_TRUE(refusal('2').contains("is not the key that " + directory.path())) << refusal('2');
    EXPECT_TRUE(refusal('2').contains("loom state rekey"));
    EXPECT_TRUE(refusal(0).contains(directory.path() + " is encrypted")) << refusal(0);
    EXPECT_TRUE(refusal(0).contains("set state.encryption_key"));
    EXPECT_EQ(snapshot(), before);
    put_bytes(file("ledger/10-0-1.log"), written(tenant::LedgerBegin{.epoch = 10, .number = 1}) + intent(9));
    before = snapshot();
    EXPECT_TRUE(refusal('1').contains("10-0-1.log is not encrypted")) << refusal('1');
    EXPECT_TRUE(refusal('1').contains("loom state encrypt"));
    EXPECT_EQ(snapshot(), before);
    fs::remove(file("ledger/10-0-1.log"));
    fs::remove(file("encryption"));
    EXPECT_TRUE(refusal(0).contains("is encrypted, as")) << refusal(0);
    EXPECT_TRUE(refusal('1').contains("encryption is not")) << refusal('1');
    EXPECT_TRUE(migrate('1', '1')) << "which makes it again";
    expect_all(opened('1'));
}

TEST_F(StateTest, AKeyOnPlainFilesIsRefused) {
    fill(nullptr);
    const auto before = snapshot();
    for (const VaultUse use : {VaultUse::write, VaultUse::read}) {
        const std::string said = refusal('1', use);
        EXPECT_TRUE(said.contains(".db is not encrypted") && said.contains("loom state encrypt")) << said;
    }
    EXPECT_EQ(refusal(0), "");
    EXPECT_EQ(snapshot(), before);
    const Directory empty(Directory::quick());
    const StateKey key = test_key();
    EXPECT_TRUE(open_vault(empty.path() + "/not-there", &key, VaultUse::read));
    EXPECT_FALSE(fs::exists(empty.path() + "/not-there"));
}

TEST_F(StateTest, GoesOverAndToAnotherKeyAndBack) {
    fill(nullptr);
    const auto plain = export_ledger(directory.path(), [](const LedgerRow&) { return true; });
    auto report = migrate('1', '1');
    ASSERT_TRUE(report) << report.error();
    EXPECT_EQ(report->databases, 4u);
    EXPECT_EQ(report->segments, 4u);
    expect_secret();
    expect_all(opened('1'));
    EXPECT_EQ(migrate('1', '1')->done, MigrationReport::Done::nothing);
    EXPECT_FALSE(migrate('2', '3')) << "not its key";
    EXPECT_FALSE(migrate('2', 0));
    EXPECT_FALSE(migrate(0, 0));
    ASSERT_TRUE(migrate('1', '2'));
    EXPECT_NE(refusal('1'), "");
    expect_secret();
    expect_all(opened('2'));
    ASSERT_TRUE(migrate('2', 0));
    EXPECT_EQ(refusal(0), "");
    EXPECT_FALSE(fs::exists(file("encryption")) || fs::exists(file("migration")));
    expect_all(nullptr);
    EXPECT_EQ(sums(nullptr).attempts, 6u);
    EXPECT_NE(file_with(directory.path(), words[0]), "") << "or the tests above see nothing";
}

TEST_F(StateTest, WhoUsesItIsWaitedForByNobody) {
    fill(nullptr);
    {
        const auto hold = StateHold::share(directory.path());
        ASSERT_TRUE(hold);
        EXPECT_TRUE(StateHold::share(directory.path())) << "one drains while its successor starts";
        const auto refused = migrate('1', '1');
        ASSERT_FALSE(refused);
        EXPECT_TRUE(refused.error().contains("a Loom uses")) << refused.error();
    }
    const auto open = KeyStore::open(directory.path());
    ASSERT_TRUE(open);
    const auto refused = migrate('1', '1');
    ASSERT_FALSE(refused) << "whatever it holds";
    EXPECT_TRUE(refused.error().contains("keys.db")) << refused.error();
}

/// At each step of each way, and at each step of who comes next, and then it is finished.
TEST_F(StateTest, AKillAtAnyStepIsMadeGoodByTheNext) {
    struct Way {
        char from, to;
    };
    for (const Way way : {Way{'1', '1'}, Way{'1', '2'}, Way{'2', 0}}) {
        if (way.from == '1' && way.to == '1') fill(nullptr);
        const VaultPtr before = way.to == '1' ? nullptr : test_vault(way.from);
        const VaultPtr after = way.to == 0 ? nullptr : test_vault(way.to);
        const std::string copy = directory.path() + "-copy";
        fs::copy(directory.path(), copy, fs::copy_options::recursive);
        int steps = 0;
        ASSERT_TRUE(migrate(way.from, way.to, [&steps](const std::string&) { ++steps; }));
        ASSERT_GT(steps, 20);
        int committed_at = 0;
        for (int killed_at = 1; killed_at <= steps; ++killed_at) {
            SCOPED_TRACE(fmt::format("{} -> {}, step {}", way.from, int(way.to), killed_at));
            fs::remove_all(directory.path());
            fs::copy(copy, directory.path(), fs::copy_options::recursive);
            const pid_t child = ::fork();
            if (child == 0) {
                int count = 0;
                (void)migrate(way.from, way.to, [&](const std::string&) {
                    if (++count == killed_at) ::_exit(9);
                });
                ::_exit(0);
            }
            int status = 0;
            ::waitpid(child, &status, 0);
            ASSERT_EQ(WEXITSTATUS(status), 9);
            const bool committed = fs::exists(file("migration/commit"));
            const bool done = !committed && committed_at != 0;
            if (committed && committed_at == 0) committed_at = killed_at;
            if (committed) {
                EXPECT_TRUE(refusal(way.to).contains("was interrupted")) << refusal(way.to);
                EXPECT_TRUE(refusal(way.from).contains("was interrupted"));
            } else if (!done) {
                expect_all(before);  // as it was
            }
            const auto next = migrate(way.from, way.to);
            if (done && way.to != 0 && way.to != way.from) {
                EXPECT_FALSE(next) << "the old key is the old key";
            } else {
                ASSERT_TRUE(next) << next.error();
            }
            expect_all(after);
            if (after != nullptr) expect_secret();
            EXPECT_EQ(refusal(way.to), "");
            EXPECT_FALSE(fs::exists(file("migration")));
        }
        EXPECT_GT(committed_at, 0);
        fs::remove_all(copy);
    }
}

/// A kill before it was whole may leave plain text of an encrypted directory.
TEST_F(StateTest, AStartRemovesWhatOneThatWasKilledHasLeft) {
    fill(opened('1'));
    const pid_t child = ::fork();
    if (child == 0) {
        (void)migrate('1', 0, [](const std::string& what) {
            if (what == "it is whole") ::_exit(9);
        });
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    ASSERT_NE(file_with(directory.path(), words[0]), "");
    expect_all(opened('1'));
    expect_secret();
}

TEST_F(StateTest, EveryTruncationOfAnEncryptedSegmentIsCutToItsLastWholeRecord) {
    const VaultPtr vault = opened('1');
    write({4, 0, 1}, {intent(1), settled(1), intent(2), settled(2)}, vault);
    const std::string whole = bytes_in(file("ledger/4-0-1.log"));
    const size_t begin = LedgerDirectory::begin_bytes_of(vault);
    const size_t one = SegmentCipher::frame_bytes + intent(1).size(),
                 two = one + SegmentCipher::frame_bytes + settled(1).size();
    for (size_t cut = 0; cut <= whole.size(); cut += cut % 5 == 0 ? 1 : 4) {
        fs::remove(file("usage.db"));
        fs::remove_all(file("ledger"));
        fs::create_directories(file("ledger"));
        put_bytes(file("ledger/4-0-1.log"), whole.substr(0, cut));
        const UsageSums all = sums(vault);
        const size_t behind = cut < begin ? 0 : cut - begin;
        const size_t intents = (behind + two - one) / two;
        ASSERT_EQ(all.attempts, std::min<size_t>(intents, 2)) << cut;
        ASSERT_EQ(all.estimated, intents - behind / two) << cut;
        const auto verdict = verify_ledger(directory.path(), vault);
        ASSERT_TRUE(verdict && verdict->differences.empty()) << cut;
    }
}

TEST_F(StateTest, EveryChangedByteOfAnEncryptedSegmentCostsItsRecordAlone) {
    const VaultPtr vault = opened('1');
    write({4, 0, 1}, {intent(1), settled(1), intent(2), settled(2), intent(3), settled(3)}, vault);
    const std::string whole = bytes_in(file("ledger/4-0-1.log"));
    const size_t begin = LedgerDirectory::begin_bytes_of(vault);
    for (size_t at = 0; at < whole.size(); at += 7) {
        fs::remove(file("usage.db"));
        fs::remove_all(file("ledger"));
        fs::create_directories(file("ledger"));
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x10);
        put_bytes(file("ledger/4-0-1.log"), changed);
        const UsageSums all = sums(vault);
        ASSERT_GE(all.attempts, at < begin ? 3u : 2u) << at;
        ASSERT_LE(all.attempts, 3u) << at;
        ASSERT_LE(static_cast<uint64_t>(all.cost), 6u) << at;
        ASSERT_EQ(all.input % 10, 0u) << "10 of each that is settled, 100 of each that is not";
    }
}

TEST_F(StateTest, ASegmentWithoutItsHeaderIsSetAsideAndTheOthersCount) {
    const VaultPtr vault = opened('1');
    write({4, 0, 1}, {intent(1), settled(1)}, vault);
    write({4, 1, 1}, {intent(5), settled(5)}, vault);
    std::string bytes = bytes_in(file("ledger/4-0-1.log"));
    bytes[20] ^= 1;
    bytes[84] ^= 1;  // both of its copies
    put_bytes(file("ledger/4-0-1.log"), bytes);
    EXPECT_EQ(sums(vault).attempts, 1u);
    EXPECT_TRUE(notices.contains("its header is damaged")) << notices;
    EXPECT_TRUE(fs::exists(file("ledger/4-0-1.log.corrupt")));
    const auto report = migrate('1', '2');
    ASSERT_TRUE(report) << report.error();
    EXPECT_EQ(report->left, std::vector<std::string>{"ledger/4-0-1.log.corrupt"});
    EXPECT_EQ(bytes_in(file("ledger/4-0-1.log.corrupt")), bytes);
    EXPECT_EQ(sums(opened('2')).attempts, 1u);
    ASSERT_TRUE(migrate('2', 0));
    EXPECT_EQ(refusal(0), "") << "it holds nobody up";
    EXPECT_EQ(sums(nullptr).attempts, 1u);
    fs::rename(file("ledger/4-0-1.log.corrupt"), file("ledger/4-0-1.log"));
    const auto refused = migrate('1', '2');
    ASSERT_FALSE(refused) << "no start has set it aside";
    EXPECT_TRUE(refused.error().contains("4-0-1.log") && refused.error().contains("move it away"));
    EXPECT_FALSE(fs::exists(file("migration"))) << "nothing half done stays";
}

TEST_F(StateTest, WhatWasBeingMadeAtACutHoldsNoMigrationUp) {
    const VaultPtr vault = opened('1');
    write({4, 0, 1}, {intent(1), settled(1)}, vault);
    write({4, 0, 2}, {}, vault);
    put_bytes(file("ledger/4-0-2.log"), bytes_in(file("ledger/4-0-2.log")).substr(0, 60));
    put_bytes(file("ledger/4-0-3.log"), std::string(2'000'000, '\0'));
    put_bytes(file("ledger/4-0-4.log"), "");
    const auto report = migrate('1', '2');
    ASSERT_TRUE(report) << report.error();
    EXPECT_FALSE(fs::exists(file("ledger/4-0-2.log")) || fs::exists(file("ledger/4-0-3.log")));
    EXPECT_EQ(sums(opened('2')).attempts, 1u);
}

/// The marker says whose key it is; without it a key that is wrong, or that there is none, shows at the files.
TEST_F(StateTest, AWrongKeyWithoutTheMarkerChangesNothing) {
    {
        EXPECT_TRUE(KeyStore::open(directory.path(), opened('1')));
    }
    const pid_t child = ::fork();
    if (child == 0) {  // whose last keys are in the write-ahead log alone
        auto keys = KeyStore::open(directory.path(), test_vault('1'));
        (void)keys->add({.id = "key_1", .consumer = words[0], .label = "label", .tail = "tail"});
        ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    fs::remove(file("encryption"));
    const auto before = snapshot();
    ASSERT_GT(before.at(file("keys.db-wal")).size(), 1'000u);
    EXPECT_FALSE(migrate('2', '2'));
    EXPECT_FALSE(migrate('2', 0));
    EXPECT_FALSE(migrate('2', '3'));
    EXPECT_FALSE(KeyStore::open(directory.path(), test_vault('2')));
    EXPECT_FALSE(KeyStore::open(directory.path(), nullptr));
    EXPECT_EQ(snapshot(), before);
    ASSERT_TRUE(migrate('1', '1'));
    auto keys = KeyStore::open(directory.path(), opened('1'));
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->list()->size(), 1u);
}

TEST_F(StateTest, WhoFinishesAnInterruptedOneThenDoesWhatItWasAskedFor) {
    fill(opened('1'));
    const auto interrupt = [this](char from, char to) {
        const pid_t child = ::fork();
        if (child == 0) {
            (void)migrate(from, to, [](const std::string& what) {
                if (what == "put keys.db") ::_exit(9);
            });
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        ASSERT_TRUE(fs::exists(file("migration/commit")));
    };
    interrupt('1', 0);
    auto report = migrate('1', '1');
    ASSERT_TRUE(report) << report.error();
    EXPECT_TRUE(report->former_finished && report->done == MigrationReport::Done::migrated);
    expect_secret();
    expect_all(opened('1'));
    interrupt('1', '2');
    report = migrate('1', '2');
    ASSERT_TRUE(report) << report.error();
    EXPECT_TRUE(report->former_finished && report->done == MigrationReport::Done::nothing);
    interrupt('2', '3');
    report = migrate('2', 0);
    ASSERT_FALSE(report) << "it has the third key now";
    EXPECT_TRUE(report.error().contains("is not done") && report.error().contains("is not the key")) << report.error();
    EXPECT_FALSE(fs::exists(file("migration")));
    expect_all(opened('3'));
}

TEST_F(StateTest, AMarkerThatCannotBeReadIsNoMissingOne) {
    fill(opened('1'));
    fs::rename(file("encryption"), file("elsewhere"));
    fs::create_symlink("elsewhere", file("encryption"));
    const auto before = snapshot();
    for (const char key : {'1', char(0)}) {
        EXPECT_TRUE(refusal(key).contains("encryption cannot be read")) << refusal(key);
        EXPECT_FALSE(migrate(key, '1'));
        EXPECT_FALSE(migrate(key, 0));
    }
    EXPECT_EQ(snapshot(), before);
    const Directory empty(Directory::quick());
    fs::create_symlink("nowhere", empty.file("encryption"));
    const StateKey key = test_key('1');
    EXPECT_FALSE(open_vault(empty.path(), &key, VaultUse::write));
    EXPECT_TRUE(fs::is_symlink(empty.file("encryption")));
}

TEST_F(StateTest, FilesBelongToWhomTheyBelongedBefore) {
    if (::geteuid() != 0) GTEST_SKIP() << "for root alone";
    fill(nullptr);
    constexpr uid_t user = 65'534;
    const auto each = [this](const std::function<void(const std::string&)>& what) {
        what(directory.path());
        for (const auto& entry : fs::recursive_directory_iterator(directory.path())) what(entry.path().string());
    };
    each([](const std::string& path) { ASSERT_EQ(::chown(path.c_str(), user, user), 0); });
    const auto expect_owner = [&] {
        each([](const std::string& path) {
            struct stat found{};
            ASSERT_EQ(::lstat(path.c_str(), &found), 0);
            EXPECT_TRUE(found.st_uid == user && found.st_gid == user) << path;
        });
    };
    ASSERT_TRUE(migrate('1', '1'));
    expect_owner();
    ASSERT_TRUE(migrate('1', '2', [&](const std::string& what) {
        if (what == "it is whole") expect_owner();
    }));
    ASSERT_TRUE(migrate('2', 0));
    expect_owner();
    ASSERT_EQ(::chown(file("keys.db").c_str(), user, 12'345), 0);
    const auto before = snapshot();
    const pid_t child = ::fork();
    if (child == 0) {  // who may not give it to that group
        if (::setgroups(0, nullptr) != 0 || ::setgid(user) != 0 || ::setuid(user) != 0) ::_exit(1);
        const auto refused = migrate('1', '1');
        ::_exit(!refused && refused.error().contains("cannot be given to the owner") ? 9 : 2);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 9);
    EXPECT_EQ(snapshot(), before);
}

/// It can do without them: in neither form is anything of them left.
TEST_F(StateTest, SnapshotsOfTheCacheGo_WhicheverWay) {
    const StateKey one = test_key('1'), two = test_key('2');
    const std::pair<const StateKey*, const StateKey*> ways[] = {{nullptr, &one}, {&one, &two}, {&two, nullptr}};
    fill({});
    fs::create_directories(file("cache"));
    for (const auto& [from, to] : ways) {
        for (const char* const name : {"exact.snapshot", "exact.snapshot.refused", "semantic.snapshot.new"})
            put_bytes(file(std::string("cache/") + name), "a prompt");
        put_bytes(file("cache/other"), "not Loom's");
        const auto report = migrate_state({.directory = directory.path(), .from = from, .to = to, .step = nullptr});
        ASSERT_TRUE(report) << report.error();
        EXPECT_EQ(report->done, MigrationReport::Done::migrated);
        EXPECT_EQ(file_with(directory.path(), "a prompt"), "");
        EXPECT_TRUE(fs::exists(file("cache/other")));
    }
}

TEST_F(StateTest, WhatIsNotLoomsIsLeftAlone) {
    fill(nullptr);
    put_bytes(file("other.db"), std::string("SQLite format 3\0 of somebody else", 33));
    ASSERT_TRUE(migrate('1', '1'));
    expect_all(opened('1'));
    ASSERT_TRUE(migrate('1', 0));
    EXPECT_TRUE(bytes_in(file("other.db")).ends_with("somebody else"));
}

/// As it was set aside: nobody who encrypts leaves it readable without saying so.
TEST_F(StateTest, ADatabaseThatWasSetAsideIsEncryptedToo_OrNamed) {
    fill(nullptr);
    fs::copy_file(file("keys.db"), file("anomaly.db.corrupt"));
    const auto whole = bytes_in(file("anomaly.db.corrupt"));
    ASSERT_TRUE(migrate('1', '1'));
    expect_secret();
    expect_all(opened('1'));
    put_bytes(file("anomaly.db.corrupt"), whole);
    EXPECT_TRUE(refusal('1').contains("anomaly.db.corrupt is not encrypted")) << refusal('1');
    put_bytes(file("anomaly.db.corrupt"), whole.substr(0, 4096) + std::string(4096, 'x'));
    const auto report = migrate('1', '1');
    ASSERT_FALSE(report);
    EXPECT_TRUE(report.error().contains("anomaly.db.corrupt: ") && report.error().contains("move it away"))
        << report.error();
    fs::remove(file("anomaly.db.corrupt"));
    expect_all(opened('1'));
}

/// Who can write to the disk cannot put a record in.
TEST_F(StateTest, APlainSegmentInAnEncryptedDirectoryIsNotFolded) {
    const VaultPtr vault = opened('1');
    write({4, 0, 1}, {intent(1), settled(1)}, vault);
    write({4, 0, 2}, {intent(2), settled(2)}, nullptr);
    EXPECT_NE(refusal('1'), "");
    EXPECT_EQ(sums(vault).attempts, 1u) << "also where nobody has looked";
}

TEST_F(StateTest, DamageIsLeftBehindAndTheSumsStay) {
    write({4, 0, 1}, {intent(1), settled(1), intent(2), settled(2)}, nullptr);
    EXPECT_EQ(sums(nullptr).attempts, 2u);
    put_bytes(file("ledger/5-0-1.log"), written(tenant::LedgerBegin{.epoch = 5, .number = 1}) + intent(6) +
                                            "some secret-consumer text that is no record at all" + settled(6));
    EXPECT_EQ(sums(nullptr).attempts, 3u);
    const auto report = migrate('1', '1');
    ASSERT_TRUE(report) << report.error();
    EXPECT_EQ(report->damaged_bytes, 50u);
    expect_secret();
    const auto verdict = verify_ledger(directory.path(), opened('1'));
    ASSERT_TRUE(verdict);
    for (const std::string& difference : verdict->differences) ADD_FAILURE() << difference;
    EXPECT_EQ(sums(opened('1')).attempts, 3u);
}

}  // namespace
}  // namespace loom::store
