// The ledger's service: what shards have written is in the sums once, whatever happens to files and processes.
#include "loom/store/usage_store.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>
#include <utility>

#include "../sim/random.h"
#include "directory.h"
#include "ledger_segment.h"
#include "loom/tenant/consumer.h"
#include "usage_table.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using tenant::LedgerIntent;
using tenant::LedgerSettlement;

constexpr uint64_t day_us = uint64_t{86'400} * 1'000'000;
constexpr UsageDay some_day = 19'782;  // 2024-02-29

template <class Record>
std::string written(const Record& record) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    return {room.data(), write_ledger_record(record, room)};
}

std::string begin(uint32_t epoch, uint32_t shard = 0, uint32_t number = 1) {
    return written(tenant::LedgerBegin{.epoch = epoch, .shard = shard, .number = number, .time_us = 1});
}

/// Whose estimate is 100 and 50.
std::string intent(uint64_t id, uint64_t request = 0, std::string_view consumer = "app") {
    return written(LedgerIntent{.id = id,
                                .request = request == 0 ? id : request,
                                .time_us = some_day * day_us + 5,
                                .consumer = consumer,
                                .team = "team",
                                .tenant = "acme",
                                .provider = "openai",
                                .model = "gpt-4o",
                                .input_tokens = 100,
                                .output_tokens = 50,
                                .cost = 7'000});
}

/// With 10 and 3, reported.
std::string settled(uint64_t id) {
    return written(LedgerSettlement{.id = id,
                                    .provenance = tenant::LedgerProvenance::reported,
                                    .status = 200,
                                    .tokens = {.input = 10, .cached_input = 4, .output = 3, .reasoning = 1},
                                    .cost = 2'500});
}

class UsageStoreTest : public testing::Test {
  protected:
    std::string file(const SegmentName& name) const { return directory.path() + "/ledger/" + segment_file_name(name); }
    void write(const SegmentName& name, const std::string& bytes) const {
        fs::create_directories(directory.path() + "/ledger");
        std::ofstream(file(name), std::ios::binary | std::ios::trunc) << bytes;
    }
    UsageStore::Options options() {
        return {.directory = directory.path(), .fold_interval_ms = 10, .on_notice = [this](const std::string& text) {
                    notices += text + "\n";
                }};
    }
    std::unique_ptr<UsageStore> open() {
        notices.clear();
        auto opened = UsageStore::open(options());
        EXPECT_TRUE(opened) << opened.error();
        return opened ? std::move(*opened) : nullptr;
    }
    static UsageSums sums(UsageStore& store) {
        const auto groups = store.usage({{.by = UsageDimension::consumer, .from = 0, .to = 1'000'000, .consumer = {}}});
        EXPECT_TRUE(groups) << groups.error();
        UsageSums all;
        if (groups)
            for (const UsageGroup& group : (*groups)[0]) all += group.sums;
        return all;
    }
    UsageSums recovered() {
        const auto store = open();
        return store == nullptr ? UsageSums() : sums(*store);
    }
    void expect_agreement() const {
        const auto verdict = verify_ledger(directory.path());
        ASSERT_TRUE(verdict) << verdict.error();
        for (const std::string& difference : verdict->differences) ADD_FAILURE() << difference;
    }

    Directory directory;
    std::string notices;
};

TEST_F(UsageStoreTest, WhatAFormerStartHasLeftIsFoldedOnce) {
    write({4, 0, 1}, begin(4) + intent(1) + settled(1) + intent(2));
    write({4, 0, 2}, begin(4, 0, 2) + settled(2) + intent(3, 0, "web") + settled(3));
    for (int start = 0; start < 3; ++start) {
        const UsageSums all = recovered();
        EXPECT_EQ(all.requests, 3u);
        EXPECT_EQ(all.attempts, 3u);
        EXPECT_EQ(all.input, 30u);
        EXPECT_EQ(all.cached_input, 12u);
        EXPECT_EQ(all.output, 9u);
        EXPECT_EQ(all.reasoning, 3u);
        EXPECT_EQ(static_cast<uint64_t>(all.cost), 7'500u);
        EXPECT_EQ(all.estimated, 0u);
        EXPECT_EQ(notices, "");
        expect_agreement();
    }
}

TEST_F(UsageStoreTest, ARequestsAttemptsAreOneRequest) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1) + intent(2, 1) + settled(2) + intent(3, 1));
    const UsageSums all = recovered();
    EXPECT_EQ(all.requests, 1u);
    EXPECT_EQ(all.attempts, 3u);
}

/// Budgets of teams find by it what was spent before a start.
TEST_F(UsageStoreTest, ATeamIsCalledAsEverywhereElse) {
    const std::pair<std::string_view, std::string_view> owners[] = {
        {"", ""},       {"", "dev"},      {"", "a/b"},  {"acme", "dev"}, {"acme", "a/b"},
        {"a/b", "dev"}, {"a%2Fb", "dev"}, {"%", "%2F"}, {"acme", ""},
    };
    std::string records = begin(1);
    std::map<std::string, uint64_t> expected;
    uint64_t id = 1;
    for (const auto& [tenant, team] : owners) {
        records += written(LedgerIntent{.id = id,
                                        .request = id,
                                        .time_us = some_day * day_us + 5,
                                        .consumer = "app",
                                        .team = team,
                                        .tenant = tenant,
                                        .provider = "openai",
                                        .model = "gpt-4o"}) +
                   settled(id);
        ++id;
        expected[tenant::team_key_of(tenant, team)] += 1;
    }
    write({1, 0, 1}, records);
    const auto store = open();
    ASSERT_NE(store, nullptr);
    const auto groups = store->usage({{.by = UsageDimension::team, .from = 0, .to = 1'000'000, .consumer = {}}});
    ASSERT_TRUE(groups) << groups.error();
    std::map<std::string, uint64_t> told;
    for (const UsageGroup& group : (*groups)[0]) told[group.name] = group.sums.requests;
    EXPECT_EQ(told, expected);
}

TEST_F(UsageStoreTest, WhatWasInFlightIsBookedByItsEstimateOnce) {
    write({1, 0, 1}, begin(1) + intent(tenant::make_ledger_id(1, 0, 1)) + intent(tenant::make_ledger_id(1, 0, 2)) +
                         settled(tenant::make_ledger_id(1, 0, 2)));
    for (int start = 0; start < 3; ++start) {
        const UsageSums all = recovered();
        EXPECT_EQ(all.requests, 2u);
        EXPECT_EQ(all.estimated, 1u);
        EXPECT_EQ(all.input, 110u);
        EXPECT_EQ(all.output, 53u);
        EXPECT_EQ(static_cast<uint64_t>(all.cost), 9'500u);
        EXPECT_EQ(start == 0, notices.find("when Loom ended last: 1,") != std::string::npos) << notices;
        expect_agreement();
    }
}

TEST_F(UsageStoreTest, ASettlementThatIsThereTwiceCountsOnce) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1) + settled(1) + intent(1) + settled(1));
    EXPECT_EQ(recovered().attempts, 1u);
    EXPECT_EQ(recovered().input, 10u);
}

/// Every byte: tests/store/ledger_segment_test.cc. Each cut leaves the records before it, and nothing else.
TEST_F(UsageStoreTest, EveryTruncationIsCutToItsLastWholeRecord) {
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    const std::vector<std::string> records = {begin(1), intent(id(1)), settled(id(1)), intent(id(2)), settled(id(2))};
    std::string whole;
    for (const std::string& record : records) whole += record;
    for (size_t cut = 0; cut <= whole.size(); cut += 11) {
        fs::remove_all(directory.path() + "/ledger");
        fs::remove(directory.path() + "/usage.db");
        fs::remove(directory.path() + "/usage.db-wal");
        write({1, 0, 1}, whole.substr(0, cut));
        size_t kept = 0, bytes = 0;
        while (kept < records.size() && bytes + records[kept].size() <= cut) bytes += records[kept++].size();
        const UsageSums all = recovered();
        const uint64_t intents = kept >= 4 ? 2 : kept >= 2 ? 1 : 0;
        const uint64_t settlements = kept == 5 ? 2 : kept >= 3 ? 1 : 0;
        EXPECT_EQ(all.requests, intents) << cut;
        EXPECT_EQ(all.input, settlements * 10 + (intents - settlements) * 100) << cut;
        if (kept > 1) {
            EXPECT_EQ(fs::file_size(file({1, 0, 1})), bytes) << cut;
        }
        EXPECT_FALSE(fs::exists(file({1, 0, 1}) + ".corrupt")) << cut;
        expect_agreement();
    }
}

/// Whatever byte is wrong: the records around it are taken, and a file that is damaged is kept beside.
TEST_F(UsageStoreTest, EveryChangedByteCostsItsRecordAlone) {
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    std::string whole = begin(1);
    for (uint64_t n = 1; n <= 3; ++n) whole += intent(id(n)) + settled(id(n));
    const size_t last = whole.size() - settled(id(3)).size();
    for (size_t at = 0; at < whole.size(); at += 41) {
        fs::remove_all(directory.path() + "/ledger");
        fs::remove(directory.path() + "/usage.db");
        fs::remove(directory.path() + "/usage.db-wal");
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x15);
        write({1, 0, 1}, changed);
        const UsageSums all = recovered();
        EXPECT_GE(all.requests, 2u) << at;
        EXPECT_LE(all.requests, 3u) << at;
        if (at < last) {
            EXPECT_TRUE(fs::exists(file({1, 0, 1}) + ".corrupt")) << at;
            EXPECT_NE(notices.find("are no records"), std::string::npos) << notices;
        }
        expect_agreement();
    }
}

TEST_F(UsageStoreTest, AGapOfZerosIsAWriteThatNeverHappened) {
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    write({1, 0, 1}, begin(1) + intent(id(1)) + std::string(300, '\0') + intent(id(2)) + settled(id(2)));
    EXPECT_EQ(recovered().requests, 2u);
    EXPECT_FALSE(fs::exists(file({1, 0, 1}) + ".corrupt"));
}

/// Three batches were on their way to a broken segment: any of them may be in its file, though it was not known, and
/// all of them are in the next, which breaks as well. The process is killed before either was cut to what is known.
TEST_F(UsageStoreTest, WhatIsWrittenAnewAfterABrokenSegmentIsBookedOnce) {
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    const std::array<std::string, 3> batches = {
        intent(id(2)) + settled(id(1)) + intent(id(3)) + settled(id(2)),
        intent(id(4)) + settled(id(3)) + settled(id(4)) + intent(id(5)),
        settled(id(5)) + intent(id(6)),
    };
    const auto of_them = [&batches](unsigned there) {
        std::string bytes;
        for (size_t i = 0; i < batches.size(); ++i)
            bytes += (there >> i & 1) != 0 ? batches[i] : std::string(batches[i].size(), '\0');
        return bytes;
    };
    const std::string all_of_them = of_them(7);
    for (unsigned first = 0; first < 8; ++first)
        for (unsigned second = 0; second < 8; ++second) {
            fs::remove_all(directory.path() + "/ledger");
            for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"})
                fs::remove(directory.file(gone));
            write({1, 0, 1}, begin(1) + intent(id(1)) + of_them(first));
            write({1, 0, 2}, begin(1, 0, 2) + of_them(second));
            write({1, 0, 3}, begin(1, 0, 3) + all_of_them + settled(id(6)) + intent(id(7)) + settled(id(7)));
            for (int start = 0; start < 2; ++start) {
                const UsageSums all = recovered();
                EXPECT_EQ(all.requests, 7u) << first << " " << second;
                EXPECT_EQ(all.attempts, 7u) << first << " " << second;
                EXPECT_EQ(all.input, 70u) << first << " " << second;
                EXPECT_EQ(all.estimated, 0u) << first << " " << second;
            }
            expect_agreement();
        }
}

/// Neither booked nor read back: it is tried again, and nothing that was open is forgotten.
TEST_F(UsageStoreTest, AFailedCommitForgetsNothingThatWasOpen) {
    const std::string path = directory.file("table.db");
    auto table = UsageTable::open(path);
    ASSERT_TRUE(table);
    const SegmentName name{.epoch = 1, .shard = 0, .number = 1};
    const auto take = [&](const std::string& bytes) {
        auto row = table->segment(name);
        if (!row) return false;
        for (std::string_view rest = bytes; !rest.empty();) {
            const tenant::LedgerRead read = tenant::read_ledger_record(rest);
            table->take(*row, read);
            rest.remove_prefix(read.bytes);
        }
        return table->commit(*row).has_value();
    };
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    ASSERT_TRUE(take(intent(id(1)) + intent(id(3))));
    auto other = Database::open(path);
    ASSERT_TRUE(other);
    ASSERT_TRUE(other->run("ALTER TABLE open_intent RENAME TO elsewhere"));
    EXPECT_FALSE(take(settled(id(1)) + intent(id(4))));
    EXPECT_FALSE(table->segment(name)) << "it is not known what is open";
    SegmentRow row{.name = name, .sums = {}};
    EXPECT_FALSE(table->commit(row)) << "nothing is folded meanwhile";
    ASSERT_TRUE(other->run("ALTER TABLE elsewhere RENAME TO open_intent"));
    EXPECT_TRUE(take(settled(id(1)) + intent(id(2)) + settled(id(2)) + settled(id(3))));
    const auto total = table->total();
    ASSERT_TRUE(total);
    EXPECT_EQ(total->attempts, 3u);
    EXPECT_EQ(total->input, 30u);
    EXPECT_EQ(table->open_count(), 0u);
}

/// A database of before, and the log as it is now: what was folded since is folded again.
TEST_F(UsageStoreTest, AnOlderDatabaseCatchesUp) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    fs::copy(directory.file("usage.db"), directory.file("before.db"));
    write({2, 0, 1}, begin(2) + intent(tenant::make_ledger_id(2, 0, 1)) + settled(tenant::make_ledger_id(2, 0, 1)));
    EXPECT_EQ(recovered().attempts, 2u);
    for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"}) fs::remove(directory.file(gone));
    fs::copy(directory.file("before.db"), directory.file("usage.db"));
    EXPECT_EQ(recovered().attempts, 2u);
    expect_agreement();
    for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"}) fs::remove(directory.file(gone));
    EXPECT_EQ(recovered().attempts, 2u) << "from the log alone";
    expect_agreement();
}

TEST_F(UsageStoreTest, AFoldThatIsKilledAnywhereCountsNothingTwice) {
    constexpr uint64_t segments = 4, each = 3'000;
    for (uint32_t n = 1; n <= segments; ++n) {
        std::string bytes = begin(1, 0, n);
        for (uint64_t i = 0; i < each; ++i) {
            const uint64_t id = tenant::make_ledger_id(1, 0, n * each + i);
            bytes += intent(id);
            if (i % 10 != 0) bytes += settled(id);
        }
        write({1, 0, n}, bytes);
    }
    sim::Random random(20'260'711);
    for (int kill_number = 0; kill_number < 25; ++kill_number) {
        const pid_t child = ::fork();
        if (child == 0) {
            (void)UsageStore::open({.directory = directory.path()});
            ::_exit(0);
        }
        std::this_thread::sleep_for(std::chrono::microseconds(random.below(40'000)));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
    }
    const UsageSums all = recovered();
    constexpr uint64_t total = segments * each, lost = total / 10;
    EXPECT_EQ(all.requests, total);
    EXPECT_EQ(all.attempts, total);
    EXPECT_EQ(all.estimated, lost);
    EXPECT_EQ(all.input, lost * 100 + (total - lost) * 10);
    expect_agreement();
}

TEST_F(UsageStoreTest, ASecondOneOnTheSameDirectoryIsRefused) {
    auto first = open();
    const auto second = UsageStore::open(options());
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().find("another Loom keeps its ledger in " + directory.path()), std::string::npos)
        << second.error();
    EXPECT_NE(second.error().find(fmt::format("process {}", ::getpid())), std::string::npos) << second.error();
    first.reset();
    EXPECT_NE(open(), nullptr);
}

TEST_F(UsageStoreTest, NobodyElseCanReadIt) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    for (const char* const name : {"usage.db", "ledger.lock"})
        EXPECT_EQ(fs::status(directory.file(name)).permissions(), fs::perms::owner_read | fs::perms::owner_write)
            << name;
}

/// A shard's writer in this test's place: what it says is written is in the sums at once.
TEST_F(UsageStoreTest, WhatIsWrittenNowIsInTheSumsThatAreAskedFor) {
    const auto store = open();
    LedgerSegment& segment = *store->channel(0).first;
    uint64_t at = segment.written;
    for (uint64_t n = 1; n <= 20; ++n) {
        const uint64_t id = tenant::make_ledger_id(segment.epoch, 0, n);
        const std::string bytes = intent(id) + settled(id);
        ASSERT_EQ(::pwrite(segment.fd, bytes.data(), bytes.size(), static_cast<off_t>(at)),
                  static_cast<ssize_t>(bytes.size()));
        at += bytes.size();
        segment.written = at;
        EXPECT_EQ(sums(*store).attempts, n);
    }
    expect_agreement();
}

TEST_F(UsageStoreTest, ASettlementInTheNextSegmentWaitsForItsIntentInTheOneBefore) {
    const auto store = open();
    LedgerChannel& channel = store->channel(0);
    LedgerSegment& first = *channel.first;
    LedgerSegment& second = *channel.spare.exchange(nullptr);
    const uint64_t id = tenant::make_ledger_id(first.epoch, 0, 1);
    const std::string one = intent(id), two = settled(id);
    ASSERT_GT(::pwrite(second.fd, two.data(), two.size(), static_cast<off_t>(second.written.load())), 0);
    second.written += two.size();
    EXPECT_EQ(sums(*store).attempts, 0u);
    ASSERT_GT(::pwrite(first.fd, one.data(), one.size(), static_cast<off_t>(first.written.load())), 0);
    first.written += one.size();
    first.closed = true;
    EXPECT_EQ(sums(*store).attempts, 1u);
    EXPECT_EQ(sums(*store).estimated, 0u);
}

TEST_F(UsageStoreTest, OnlyWhatIsFoldedAndOfFormerStartsIsRemovedByAge) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1'000);
    fs::last_write_time(file({1, 0, 1}), long_ago);
    auto with_age = options();
    with_age.keep_s = 3'600;
    auto store = UsageStore::open(with_age);
    ASSERT_TRUE(store);
    const std::string own = file({(*store)->channel(0).epoch, 0, 1});
    for (int i = 0; i < 500 && fs::exists(file({1, 0, 1})); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(fs::exists(file({1, 0, 1})));
    EXPECT_TRUE(fs::exists(own));
    EXPECT_EQ(sums(**store).attempts, 1u) << "its sums stay";
    store->reset();
    expect_agreement();
}

/// Shards on rings and files of the kernel's, over many segments, while their sums are asked for.
TEST_F(UsageStoreTest, ShardsWriteWhileOthersAsk) {
    constexpr uint64_t count = 6'000;
    auto small = options();
    small.shard_count = 2;
    small.segment_bytes = 64 * 1024;
    small.fold_interval_ms = 1;
    small.sync_interval_ms = 5;
    auto opened = UsageStore::open(small);
    ASSERT_TRUE(opened) << opened.error();
    UsageStore& store = **opened;
    std::atomic<int> writing = 2;
    std::vector<std::thread> shards;
    for (uint32_t index = 0; index < 2; ++index)
        shards.emplace_back([&store, &writing, index] {
            io::Shard shard(index, {.ring_entries = 64, .buffer_count = 8, .buffer_bytes = 4096});
            ASSERT_TRUE(shard.open());
            {
                LedgerLog log(shard, store.channel(index));
                for (uint64_t n = 0; n < count; ++n) {
                    uint64_t id = 0;
                    while ((id = log.append(LedgerIntent{.time_us = some_day * day_us, .consumer = "app"})) == 0)
                        shard.tick();
                    while (!log.append(LedgerSettlement{.id = id, .tokens = {.input = 2, .output = 1}})) shard.tick();
                    if (n % 16 == 0) shard.tick();
                }
                shard.stop();
                shard.run([&log] { return log.idle(); }, [](uint64_t) {});
            }
            shard.close();
            writing -= 1;
        });
    uint64_t before = 0;
    while (writing > 0) {
        const uint64_t now = sums(store).attempts;
        EXPECT_GE(now, before);
        before = now;
        std::this_thread::yield();  // the service has its turn
    }
    for (std::thread& shard : shards) shard.join();
    EXPECT_EQ(sums(store).attempts, 2 * count);
    EXPECT_EQ(sums(store).input, 4 * count);
    opened->reset();
    EXPECT_EQ(notices, "");
    EXPECT_TRUE(fs::exists(file({1, 1, 2}))) << "there was more than one segment";
    expect_agreement();
    EXPECT_EQ(recovered().attempts, 2 * count);
}

TEST_F(UsageStoreTest, VerifySeesWhatDoesNotAgree) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    expect_agreement();
    write({1, 0, 1}, begin(1) + intent(1) + settled(2));  // as long, and another record
    const auto verdict = verify_ledger(directory.path());
    ASSERT_TRUE(verdict);
    ASSERT_EQ(verdict->differences.size(), 1u);
    EXPECT_NE(verdict->differences[0].find("1-0-1.log"), std::string::npos) << verdict->differences[0];
    EXPECT_FALSE(verify_ledger(directory.path() + "/nothing"));
}

/// Models' names come from clients: a day has so many rows of them and no more.
TEST_F(UsageStoreTest, TheModelsOfADayAreBounded) {
    std::string bytes = begin(1);
    for (uint64_t n = 1; n <= 30; ++n) {
        const uint64_t id = tenant::make_ledger_id(1, 0, n);
        const std::string model = fmt::format("m-{}", n % 10);
        bytes += written(LedgerIntent{.id = id, .request = id, .time_us = some_day * day_us, .model = model});
        bytes += settled(id);
        if (n == 15) write({1, 0, 1}, bytes);
    }
    auto bounded = options();
    bounded.models_per_day_max = 4;
    for (int start = 0; start < 2; ++start) {
        if (start == 1) write({2, 0, 1}, begin(2) + bytes.substr(begin(1).size()));  // some of the same names
        const auto opened = UsageStore::open(bounded);
        ASSERT_TRUE(opened) << opened.error();
        const auto groups =
            (*opened)->usage({{.by = UsageDimension::model, .from = 0, .to = 1'000'000, .consumer = {}}});
        ASSERT_TRUE(groups);
        ASSERT_EQ((*groups)[0].size(), 5u);
        EXPECT_EQ((*groups)[0][4].name, "other");
        EXPECT_EQ(sums(**opened).attempts, start == 0 ? 15u : 45u);
    }
}

/// The database was changed, as its own sums do not show.
TEST_F(UsageStoreTest, VerifyFoldsTheFilesAnew) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    {
        auto database = Database::open(directory.file("usage.db"));
        ASSERT_TRUE(database);
        ASSERT_TRUE(database->run("UPDATE usage SET output = output + 5; UPDATE segment SET output = output + 5"));
    }
    const auto verdict = verify_ledger(directory.path());
    ASSERT_TRUE(verdict);
    ASSERT_EQ(verdict->differences.size(), 1u);
    EXPECT_EQ(verdict->differences[0],
              "1-0-1.log: 1 attempts, 10 input and 3 output tokens are in it, and the database has 1, 10 and 8 of it");
}

TEST_F(UsageStoreTest, VerifyTellsOfFilesThatAreNotFolded) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    write({2, 0, 1}, begin(2) + intent(tenant::make_ledger_id(2, 0, 1)));
    const auto verdict = verify_ledger(directory.path());
    ASSERT_TRUE(verdict);
    EXPECT_TRUE(verdict->differences.empty());
    ASSERT_FALSE(verdict->notes.empty());
    EXPECT_NE(verdict->notes[0].find("2-0-1.log"), std::string::npos) << verdict->notes[0];
    EXPECT_EQ(recovered().attempts, 2u);
    expect_agreement();
}

TEST_F(UsageStoreTest, VerifyChangesNothing) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    (void)recovered();
    std::ofstream(directory.file("usage.db"), std::ios::trunc).close();
    EXPECT_FALSE(verify_ledger(directory.path())) << "it is no ledger's, and is not made one";
    EXPECT_EQ(fs::file_size(directory.file("usage.db")), 0u);
}

/// What was set aside is a part of the log all the same.
TEST_F(UsageStoreTest, ANewDatabaseHasWhatDamagedFilesTell) {
    const auto id = [](uint64_t n) { return tenant::make_ledger_id(1, 0, n); };
    std::string whole = begin(1);
    for (uint64_t n = 1; n <= 5; ++n) whole += intent(id(n)) + settled(id(n));
    whole[begin(1).size() + 30] ^= 1;  // the first intent
    write({1, 0, 1}, whole);
    for (int start = 0; start < 3; ++start) {
        const UsageSums all = recovered();
        EXPECT_EQ(all.attempts, 4u) << start;
        EXPECT_EQ(all.input, 40u) << start;
        EXPECT_EQ(notices.empty(), start == 1) << notices;
        EXPECT_TRUE(fs::exists(file({1, 0, 1}) + ".corrupt"));
        expect_agreement();
        if (start == 1)
            for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"})
                fs::remove(directory.file(gone));
    }
}

/// None of them is a reason not to serve.
TEST_F(UsageStoreTest, WhatIsNoSegmentIsSetAside) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    fs::create_directory(file({1, 0, 2}));
    fs::create_symlink("/dev/zero", file({1, 0, 3}));
    write({1, 0, 4}, begin(1) + intent(1) + settled(1));  // a copy of the first
    ASSERT_EQ(::mkfifo(file({1, 0, 5}).c_str(), 0600), 0);
    EXPECT_EQ(recovered().attempts, 1u);
    for (uint32_t number = 2; number <= 5; ++number) {
        EXPECT_TRUE(fs::exists(fs::symlink_status(file({1, 0, number}) + ".corrupt"))) << number;
        EXPECT_NE(notices.find(segment_file_name({1, 0, number}) + ".corrupt"), std::string::npos) << notices;
    }
    EXPECT_EQ(recovered().attempts, 1u);
    expect_agreement();
}

/// Also of a Loom that runs for longer than they are kept.
TEST_F(UsageStoreTest, WhatAShardHasEndedIsRemovedByAge) {
    auto with_age = options();
    with_age.keep_s = 3'600;
    with_age.retention_interval_ms = 10;
    const auto store = UsageStore::open(with_age);
    ASSERT_TRUE(store);
    LedgerChannel& channel = (*store)->channel(0);
    LedgerSegment& first = *channel.first;
    const std::string own = file({first.epoch, 0, 1}), next = file({first.epoch, 0, 2});
    const uint64_t id = tenant::make_ledger_id(first.epoch, 0, 1);
    const std::string bytes = intent(id) + settled(id);
    ASSERT_GT(::pwrite(first.fd, bytes.data(), bytes.size(), static_cast<off_t>(first.written.load())), 0);
    first.written += bytes.size();
    (void)channel.spare.exchange(nullptr);
    const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1'000);
    for (const std::string& path : {own, next}) fs::last_write_time(path, long_ago);
    first.closed = true;
    for (int i = 0; i < 500 && fs::exists(own); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_FALSE(fs::exists(own));
    EXPECT_TRUE(fs::exists(next)) << "the shard has it";
    EXPECT_EQ(sums(**store).attempts, 1u);
}

TEST_F(UsageStoreTest, InMemoryItIsTheSame) {
    auto opened = UsageStore::open({.directory = ""});
    ASSERT_TRUE(opened);
    LedgerSegment& segment = *(*opened)->channel(0).first;
    const uint64_t id = tenant::make_ledger_id(segment.epoch, 0, 1);
    const std::string bytes = intent(id) + settled(id);
    ASSERT_GT(::pwrite(segment.fd, bytes.data(), bytes.size(), static_cast<off_t>(segment.written.load())), 0);
    segment.written += bytes.size();
    EXPECT_EQ(sums(**opened).attempts, 1u);
}

/// Others know its sums by the id: one that is made anew must not be another's.
TEST(LoomId, OutlivesAUsageDbThatIsLost) {
    for (const VaultPtr& vault : {VaultPtr(), test_vault()}) {
        const Directory directory;
        const auto id = [&] {
            auto opened = UsageStore::open({.directory = directory.path(), .vault = vault, .shared = true});
            EXPECT_TRUE(opened) << opened.error();
            return opened ? (*opened)->loom_id() : std::string();
        };
        const std::string before = id();
        EXPECT_TRUE(is_loom_id(before));
        EXPECT_EQ(id(), before);
        fs::remove(directory.file("usage.db"));
        EXPECT_EQ(id(), before);
        fs::remove(directory.file("identity.db"));
        EXPECT_EQ(id(), before) << "of one that has it in usage.db alone";
        fs::remove(directory.file("usage.db"));
        EXPECT_EQ(id(), before);
        std::ifstream file(directory.file("identity.db"), std::ios::binary);
        const std::string bytes((std::istreambuf_iterator<char>(file)), {});
        EXPECT_EQ(bytes.find(before) == bytes.npos, vault != nullptr) << "not to be read without the key";
        std::ofstream(directory.file("identity.db"), std::ios::trunc) << "x" << std::string(5'000, 'y');
        const auto damaged = UsageStore::open({.directory = directory.path(), .vault = vault, .shared = true});
        ASSERT_FALSE(damaged);
        EXPECT_NE(damaged.error().find("move it away while usage.db is there"), std::string::npos) << damaged.error();
    }
}

}  // namespace
}  // namespace loom::store
