// What no provider was asked for: on its way to the disk, in the sums, and out again.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

#include "../sim/random.h"
#include "../sim/sim_ring.h"
#include "database.h"
#include "directory.h"
#include "ledger_segment.h"
#include "local_tally.h"
#include "loom/base/hash.h"
#include "loom/store/ledger_export.h"
#include "loom/store/usage_store.h"

namespace loom::store {
namespace {

namespace fs = std::filesystem;
using sim::Op;
using tenant::LedgerIntent;
using tenant::LedgerLocal;
using tenant::LedgerLocalExit;
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

std::string intent(uint64_t id) {
    return written(LedgerIntent{
        .id = id, .request = id, .time_us = some_day * day_us, .consumer = "app", .provider = "p", .model = "m"});
}

std::string settled(uint64_t id) {
    return written(LedgerSettlement{.id = id,
                                    .provenance = tenant::LedgerProvenance::reported,
                                    .tokens = {.input = 10, .output = 3},
                                    .cost = 2'500});
}

LedgerLocal hit(uint64_t id = 0, std::string_view consumer = "app", std::string_view model = "m") {
    return {.id = id,
            .request = id,
            .time_us = some_day * day_us + 7,
            .exit = LedgerLocalExit::cache_exact,
            .status = 200,
            .consumer = consumer,
            .team = "team",
            .project = "project",
            .tenant = "acme",
            .route = "ai",
            .model = model,
            .tells_tokens = true,
            .input_tokens = 100,
            .output_tokens = 20,
            .saved = 9'000'000'000'001};
}

LedgerLocal refusal(std::string_view consumer, LedgerLocalExit why = LedgerLocalExit::refused_limit, uint64_t id = 0,
                    uint32_t count = 1) {
    return {.id = id,
            .time_us = some_day * day_us + 9,
            .exit = why,
            .status = 429,
            .count = count,
            .consumer = consumer,
            .route = "ai"};
}

// the tally

struct Total {
    uint64_t count = 0, input = 0;
    unsigned __int128 saved = 0;
    void add(const LedgerLocal& one) {
        count += one.count;
        input += one.input_tokens;
        if (one.saved > 0) saved += static_cast<unsigned __int128>(one.saved);
    }
    friend bool operator==(const Total&, const Total&) = default;
};

/// A random run: whatever is added is there, by how it ended and by its tenant as far as these have room, and the
/// first kinds in full; all of it in a bounded number of records, taken in parts.
TEST(LocalTally, LosesNothingAndHasABound) {
    sim::Random random(20'261'122);
    for (int run = 0; run < 200; ++run) {
        LocalTally tally;
        std::map<std::tuple<int, std::string, std::string>, Total> full;  // exit, consumer, tenant
        std::map<std::pair<int, std::string>, Total> by_tenant, tenants_found;
        std::map<int, Total> by_exit, exits_found;
        const uint64_t names = random.between(1, 60), tenants = random.between(1, 3);
        for (uint64_t i = random.below(600); i > 0; --i) {
            const std::string name = fmt::format("{}-{}", std::string(random.below(2) * 140, 'x'), random.below(names));
            const std::string tenant = fmt::format("t{}", random.below(tenants));
            const int exit = static_cast<int>(random.below(tenant::ledger_local_exit_count));
            LedgerLocal one = is_refusal(static_cast<LedgerLocalExit>(exit))
                                  ? refusal(name, static_cast<LedgerLocalExit>(exit))
                                  : hit(0, name);
            one.exit = static_cast<LedgerLocalExit>(exit);
            one.tenant = tenant;
            tally.add(one);
            std::array<char, tenant::ledger_text_bytes_max> room;
            const std::tuple kind(exit, std::string(tenant::bounded_ledger_text(name, room)), tenant);
            if (full.size() < LedgerLog::local_kinds_max || full.contains(kind)) full[kind].add(one);
            by_tenant[{exit, tenant}].add(one);
            by_exit[exit].add(one);
        }
        EXPECT_EQ(tally.empty(), by_exit.empty());
        size_t records = 0;
        for (int part = 0; !tally.empty() && part < 1'000; ++part) {
            uint64_t places = random.below(5);
            tally.take_out([&](const LedgerLocal& one) {
                if (places == 0) return false;
                places -= 1;
                records += 1;
                const int exit = static_cast<int>(one.exit);
                exits_found[exit].add(one);
                if (!one.tenant.empty()) tenants_found[{exit, std::string(one.tenant)}].add(one);
                const std::tuple kind(exit, std::string(one.consumer), std::string(one.tenant));
                if (!one.route.empty()) {
                    Total told;
                    told.add(one);
                    EXPECT_EQ(told, full[kind]);
                    full.erase(kind);
                }
                return true;
            });
        }
        EXPECT_LE(records, LedgerLog::local_records_max);
        EXPECT_TRUE(full.empty());
        EXPECT_EQ(exits_found, by_exit);
        if (by_tenant.size() <= LedgerLog::local_coarse_max) EXPECT_EQ(tenants_found, by_tenant);
    }
}

TEST(LocalTally, TellsKindsApartByAllThatTheyAre) {
    LocalTally tally;
    const LedgerLocal one = refusal("app");
    tally.add(one);
    tally.add(one);
    size_t kinds = 1;
    for (const auto text : {&LedgerLocal::consumer, &LedgerLocal::team, &LedgerLocal::project, &LedgerLocal::tenant,
                            &LedgerLocal::tier, &LedgerLocal::route, &LedgerLocal::model}) {
        LedgerLocal other = one;
        other.*text = "another";
        tally.add(other);
        kinds += 1;
    }
    LedgerLocal other = one;
    other.status = 503;
    tally.add(other);
    other = one;
    other.team = "ai", other.route = "";  // the same letters, elsewhere
    tally.add(other);
    size_t found = 0;
    tally.take_out([&](const LedgerLocal& record) {
        EXPECT_EQ(record.count, found == 0 ? 2u : 1u);
        found += 1;
        return true;
    });
    EXPECT_EQ(found, kinds + 2);
}

TEST(LocalTally, ACountEndsAtItsBound) {
    LocalTally tally;
    LedgerLocal many = refusal("app");
    many.count = UINT32_MAX - 1;
    for (int i = 0; i < 3; ++i) tally.add(many);
    tally.take_out([](const LedgerLocal& record) {
        EXPECT_EQ(record.count, UINT32_MAX);
        return true;
    });
}

// the shard's log

class LedgerLogOfLocals : public testing::Test {
  protected:
    static constexpr int fd = sim::fd_base + 1;
    LedgerLogOfLocals() {
        segment.fd = fd;
        segment.written = tenant::ledger_begin_bytes;
        file = std::string(tenant::ledger_begin_bytes, '\0');
        channel.epoch = 5;
        channel.segment_bytes = uint64_t{1} << 30;
        channel.first = &segment;
        log = std::make_unique<LedgerLog>(shard.shard(), channel);
    }
    ~LedgerLogOfLocals() override {
        write_all();
        log.reset();
    }
    void write_all() {
        for (int i = 0; i < 50; ++i) {
            while (const sim::Operation* const operation = shard.ring().find(fd, Op::write)) {
                file.resize(std::max<size_t>(file.size(), operation->offset + operation->bytes.size()));
                file.replace(operation->offset, operation->bytes.size(), operation->bytes);
                writes += 1;
                shard.ring().complete(fd, Op::write, static_cast<int>(operation->bytes.size()));
            }
            shard.tick();
        }
    }
    /// While this time goes by the disk takes all at once.
    void run_ms(uint64_t ms) {
        for (uint64_t passed = 0; passed < ms; passed += 10) {
            shard.run_ms(10);
            if (shard.ring().in_flight(fd, Op::write)) write_all();
        }
    }
    std::vector<LedgerLocal> locals() {
        std::vector<LedgerLocal> found;
        std::string_view rest = std::string_view(file).substr(tenant::ledger_begin_bytes);
        while (!rest.empty()) {
            const tenant::LedgerRead read = tenant::read_ledger_record(rest);
            if (read.state != tenant::LedgerRead::State::whole) break;
            if (const auto* const one = std::get_if<LedgerLocal>(&read.record)) found.push_back(*one);
            rest.remove_prefix(read.bytes);
        }
        return found;
    }

    sim::SimShard shard;
    LedgerChannel channel;
    LedgerSegment segment;
    std::string file;
    int writes = 0;
    std::unique_ptr<LedgerLog> log;
};

TEST_F(LedgerLogOfLocals, AHitIsInTheTicksWriteAndItsIdIsOfTheSameRow) {
    const uint64_t asked = log->append(LedgerIntent{.consumer = "c"});
    log->book(hit());
    log->book(hit(0, "web"));
    const uint64_t last = log->append(LedgerIntent{.consumer = "c"});
    shard.tick();
    write_all();
    EXPECT_EQ(writes, 1);
    const auto found = locals();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].id, asked + 1);
    EXPECT_EQ(found[0].request, found[0].id);
    EXPECT_EQ(found[1].id, asked + 2);
    EXPECT_EQ(last, asked + 3);
}

TEST_F(LedgerLogOfLocals, ThousandsOfRefusalsAreFewRecords) {
    for (int i = 0; i < 100'000; ++i) log->book(refusal(fmt::format("c-{}", i % 100)));
    shard.tick();
    EXPECT_FALSE(shard.ring().in_flight(fd, Op::write)) << "not with the tick";
    run_ms(LedgerLog::local_first_ms + 20);
    const auto found = locals();
    EXPECT_EQ(found.size(), LedgerLog::local_kinds_max + LedgerLog::local_coarse_max + 1);
    uint64_t all = 0;
    for (const LedgerLocal& one : found) all += one.count;
    EXPECT_EQ(all, 100'000u) << "none is lost";
    EXPECT_EQ(found.back().consumer, tenant::ledger_others);
    EXPECT_EQ(found.back().count, 52'000u);
}

/// The header's bound, second by second.
TEST_F(LedgerLogOfLocals, WhereTheyGoOnRecordsComeMoreAndMoreSeldom) {
    std::vector<uint64_t> times;
    for (uint64_t ms = 0; ms < 100'000; ms += 10) {
        log->book(refusal("app"));
        const size_t before = locals().size();
        run_ms(10);
        if (locals().size() > before) times.push_back((ms + 500) / 1'000);
    }
    EXPECT_EQ(times, (std::vector<uint64_t>{1, 3, 7, 15, 31, 47, 63, 79, 95}));
    run_ms(LedgerLog::local_last_ms * 2 + 100);
    const size_t before = locals().size();
    log->book(refusal("app"));
    run_ms(LedgerLog::local_first_ms + 20);
    EXPECT_EQ(locals().size(), before + 1) << "after a silence it is soon again";
}

TEST_F(LedgerLogOfLocals, AtTheEndWhatWasCountedIsWritten) {
    log->book(refusal("app"));
    log->book(refusal("app"));
    for (int i = 0; i < 10 && !log->finish(); ++i) {
        shard.tick();
        write_all();
    }
    EXPECT_TRUE(log->finish());
    ASSERT_EQ(locals().size(), 1u);
    EXPECT_EQ(locals()[0].count, 2u);
}

TEST_F(LedgerLogOfLocals, WhileTheDiskTakesNothingRefusalsWaitAndHitsLeaveRoomForAttempts) {
    (void)log->append(LedgerIntent{.consumer = "c"});
    shard.tick();
    shard.ring().complete(fd, Op::write, -ENOSPC);
    shard.tick();
    ASSERT_TRUE(log->failing());
    for (int i = 0; i < 1'000; ++i) log->book(refusal("app"));
    constexpr uint32_t hits = 5'000;
    for (uint32_t i = 0; i < hits; ++i) log->book(hit());
    uint64_t intents = 0;
    while (log->append(LedgerIntent{.consumer = "c"}) != 0) {
        intents += 1;
        ASSERT_LT(intents, LedgerLog::memory_bytes) << "without an end";
    }
    EXPECT_GT(intents, 1'000u) << "there was room for them";
    for (int i = 0; i < 5; ++i) {
        shard.run_ms(LedgerLog::retry_ms + 1);
        write_all();
    }
    EXPECT_FALSE(log->failing());
    run_ms(LedgerLog::local_last_ms + 100);
    const auto found = locals();
    std::map<LedgerLocalExit, uint64_t> counts;
    for (const LedgerLocal& one : found) counts[one.exit] += one.count;
    EXPECT_EQ(counts[LedgerLocalExit::cache_exact], hits) << "those that had no room are summed";
    EXPECT_EQ(counts[LedgerLocalExit::refused_limit], 1'000u);
}

/// A write that stands still for a while, and hits in each tick: what attempts have taken is not lost for them.
TEST_F(LedgerLogOfLocals, HitsLeaveRoomForSettlementsAlsoWhileNothingFails) {
    channel.hits_alone_max = 1'000'000;
    for (int tick = 0; tick < 100; ++tick) {
        log->book(hit());
        shard.tick();  // another batch is the kernel's
    }
    ASSERT_FALSE(log->failing());
    EXPECT_TRUE(log->append(LedgerSettlement{.id = 1}));
    write_all();
    run_ms(LedgerLog::local_first_ms + 100);
    uint64_t all = 0;
    for (const LedgerLocal& one : locals()) all += one.count;
    EXPECT_EQ(all, 100u);
}

TEST_F(LedgerLogOfLocals, HitsBeyondSoManyInASecondAreSummed) {
    channel.hits_alone_max = 10;
    for (int i = 0; i < 1'000; ++i) log->book(hit());
    run_ms(LedgerLog::local_first_ms + 100);
    const auto found = locals();
    ASSERT_EQ(found.size(), 11u);
    EXPECT_EQ(found.back().count, 990u);
    EXPECT_EQ(found.back().input_tokens, 990u * 100);
    EXPECT_EQ(found.back().output_tokens, 990u * 20);
    EXPECT_EQ(found.back().saved, 990 * 9'000'000'000'001);
    for (int i = 0; i < 10; ++i) log->book(hit());
    run_ms(20);
    EXPECT_EQ(locals().size(), 21u) << "another second";
}

TEST_F(LedgerLogOfLocals, WhatASumHasAtTheEndOfAFailingDiskIsToldAsLost) {
    (void)log->append(LedgerIntent{.consumer = "c"});
    shard.tick();
    shard.ring().complete(fd, Op::write, -ENOSPC);
    shard.tick();
    ASSERT_TRUE(log->failing());
    while (log->append(LedgerIntent{.consumer = "c"}) != 0) {
    }
    const uint64_t before = channel.unwritten;
    log->book(refusal("app"));
    EXPECT_FALSE(log->finish()) << "it is tried once more";
    while (shard.ring().find(fd, Op::write) != nullptr) {
        shard.ring().complete(fd, Op::write, -ENOSPC);
        shard.tick();
    }
    EXPECT_TRUE(log->finish());
    EXPECT_GT(channel.unwritten, before);
}

TEST_F(LedgerLogOfLocals, WhatASumHasIsWrittenWhereTheDiskTakesItInTheEnd) {
    (void)log->append(LedgerIntent{.consumer = "c"});
    shard.tick();
    shard.ring().complete(fd, Op::write, -ENOSPC);
    shard.tick();
    while (log->append(LedgerIntent{.consumer = "c"}) != 0) {
    }
    log->book(refusal("app"));
    for (int i = 0; i < 10 && !log->finish(); ++i) write_all();
    EXPECT_TRUE(log->finish());
    EXPECT_EQ(channel.unwritten, 0u);
    ASSERT_EQ(locals().size(), 1u);
}

// the sums

class LocalSumsTest : public testing::Test {
  protected:
    std::string file(const SegmentName& name) const { return directory.path() + "/ledger/" + segment_file_name(name); }
    void write(const SegmentName& name, const std::string& bytes) const {
        fs::create_directories(directory.path() + "/ledger");
        std::ofstream(file(name), std::ios::binary | std::ios::trunc) << bytes;
    }
    void forget_all() const {
        fs::remove_all(directory.path() + "/ledger");
        for (const char* const gone : {"usage.db", "usage.db-wal", "usage.db-shm"}) fs::remove(directory.file(gone));
    }
    std::unique_ptr<UsageStore> open() {
        notices.clear();
        auto opened = UsageStore::open({.directory = directory.path(),
                                        .fold_interval_ms = 10,
                                        .on_notice = [this](const std::string& text) { notices += text + "\n"; }});
        EXPECT_TRUE(opened) << opened.error();
        return opened ? std::move(*opened) : nullptr;
    }
    std::vector<UsageGroup> by(UsageDimension dimension, const std::string& consumer = "") {
        const auto store = open();
        const auto groups = store->usage(
            {{.by = dimension, .from = 0, .to = 1'000'000, .of_consumer = !consumer.empty(), .consumer = consumer}});
        EXPECT_TRUE(groups) << groups.error();
        return (*groups)[0];
    }
    UsageGroup all() {
        UsageGroup sum;
        for (const UsageGroup& group : by(UsageDimension::consumer)) {
            sum.sums += group.sums;
            sum.local += group.local;
        }
        return sum;
    }
    std::vector<std::string> differences() const {
        const auto verdict = verify_ledger(directory.path());
        EXPECT_TRUE(verdict) << verdict.error();
        return verdict ? verdict->differences : std::vector<std::string>{"unread"};
    }

    const Directory directory{Directory::quick()};
    std::string notices;
};

TEST_F(LocalSumsTest, TheyAreCountedOnceAndNothingOfThemIsSpent) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1) + written(hit(2)) + written(hit(3, "web")) +
                         written(refusal("app", LedgerLocalExit::refused_budget, 4, 17)) + written(hit(2)));
    for (int start = 0; start < 3; ++start) {
        const UsageGroup sum = all();
        EXPECT_EQ(sum.sums.requests, 1u);
        EXPECT_EQ(sum.sums.attempts, 1u);
        EXPECT_EQ(sum.sums.total(), 13u) << "what a budget is told of";
        EXPECT_EQ(static_cast<uint64_t>(sum.sums.cost), 2'500u);
        EXPECT_EQ(sum.local.cached(), 2u);
        EXPECT_EQ(sum.local.refused(), 17u);
        EXPECT_EQ(sum.local.input, 200u);
        EXPECT_EQ(sum.local.output, 40u);
        EXPECT_EQ(static_cast<uint64_t>(sum.local.saved), 18'000'000'000'002u);
        EXPECT_EQ(differences(), std::vector<std::string>());
        EXPECT_EQ(notices, "");
    }
    EXPECT_TRUE(open()->knows("web").value()) << "whom the cache alone has answered";
    EXPECT_FALSE(open()->knows("nobody").value());
}

TEST_F(LocalSumsTest, EachIsInItsGroupsAndThoseAreInOrder) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1) + written(hit(2, "app", "a")) + written(hit(3, "web", "z")) +
                         written(hit(4, "app", "m")));
    const auto models = by(UsageDimension::model);
    ASSERT_EQ(models.size(), 3u);
    EXPECT_EQ(models[0].name, "a");
    EXPECT_EQ(models[0].sums, UsageSums());
    EXPECT_EQ(models[1].name, "m");
    EXPECT_EQ(models[1].sums.attempts, 1u);
    EXPECT_EQ(models[1].local.cached(), 1u);
    EXPECT_EQ(models[2].name, "z");
    const auto days = by(UsageDimension::day, "app");
    ASSERT_EQ(days.size(), 1u);
    EXPECT_EQ(days[0].name, "2024-02-29");
    EXPECT_EQ(days[0].local.cached(), 2u);
    ASSERT_EQ(by(UsageDimension::team).size(), 2u);
    EXPECT_EQ(by(UsageDimension::team)[1].name, "acme/team");
    EXPECT_EQ(by(UsageDimension::tenant)[1].local.cached(), 3u);
    for (const auto dimension : {UsageDimension::provider, UsageDimension::provenance}) {
        ASSERT_EQ(by(dimension).size(), 1u);
        EXPECT_EQ(by(dimension)[0].local, LocalSums()) << "nobody was asked";
    }
    EXPECT_EQ(by(UsageDimension::model, "web").size(), 1u);
}

/// A usage.db of before has no tables of these; and one whose Loom cannot read them is read on by that one.
TEST_F(LocalSumsTest, ADatabaseOfBeforeGetsItsTables) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1));
    EXPECT_EQ(all().sums.attempts, 1u);
    {
        auto database = Database::open(directory.file("usage.db"));
        ASSERT_TRUE(database);
        ASSERT_TRUE(database->run("DROP TABLE local_usage; DROP TABLE segment_local"));
    }
    EXPECT_EQ(differences(), std::vector<std::string>()) << "read as it is";
    write({2, 0, 1}, begin(2) + written(hit(tenant::make_ledger_id(2, 0, 1))));
    const UsageGroup sum = all();
    EXPECT_EQ(sum.sums.attempts, 1u);
    EXPECT_EQ(sum.local.cached(), 1u);
    EXPECT_EQ(differences(), std::vector<std::string>());
}

TEST_F(LocalSumsTest, RecordsOfALaterLoomAreNoDamage) {
    std::string later = written(hit(2));
    later[4] = 9;  // a type that there is not
    uint64_t front;
    std::memcpy(&front, later.data(), sizeof front);
    const uint64_t checksum = hash64(std::string_view(later).substr(tenant::ledger_header_bytes), front);
    std::memcpy(later.data() + 8, &checksum, sizeof checksum);
    write({1, 0, 1}, begin(1) + intent(1) + later + settled(1) + written(hit(2)));
    const UsageGroup sum = all();
    EXPECT_EQ(sum.sums.attempts, 1u);
    EXPECT_EQ(sum.local.cached(), 1u);
    EXPECT_EQ(notices, "");
    EXPECT_EQ(differences(), std::vector<std::string>());
}

TEST_F(LocalSumsTest, VerifySeesWhatDoesNotAgree) {
    write({1, 0, 1}, begin(1) + written(hit(1)) + written(refusal("app", LedgerLocalExit::refused_guard, 2, 5)));
    EXPECT_EQ(all().local.refused(), 5u);
    const auto change = [this](const char* sql) {
        auto database = Database::open(directory.file("usage.db"));
        ASSERT_TRUE(database);
        ASSERT_TRUE(database->run(sql));
    };
    for (const char* const column : {"requests", "input", "output", "saved_pico"}) {
        change(fmt::format("UPDATE local_usage SET {0} = {0} + 1 WHERE exit = 0", column).c_str());
        EXPECT_EQ(differences().size(), 1u) << column;
        change(fmt::format("UPDATE local_usage SET {0} = {0} - 1 WHERE exit = 0", column).c_str());
    }
    change("UPDATE local_usage SET requests = requests + 1 WHERE exit = 6");
    change("UPDATE segment_local SET refused = refused + 1");
    const auto found = differences();
    ASSERT_EQ(found.size(), 1u);
    EXPECT_NE(found[0].find("1-0-1.log: 1 answers from the cache and 5 refusals"), std::string::npos) << found[0];
}

/// Random records of some shards, in segments of which the end may be lost and is then told anew in the next, folded in
/// as many starts: the sums are those of a map to which each record was added once.
TEST_F(LocalSumsTest, RandomFoldingIsASimpleSum) {
    sim::Random random(7);
    for (int run = 0; run < 40; ++run) {
        forget_all();
        const bool starts_between = run % 2 == 0;  // then without attempts: one that is cut off is booked as lost
        std::map<std::tuple<std::string, std::string>, LocalSums> model;
        UsageSums spent;
        for (uint32_t shard = 0; shard < 3; ++shard) {
            std::vector<std::string> records;
            for (uint64_t n = 1, count = random.below(40); n <= count; ++n) {
                const uint64_t id = tenant::make_ledger_id(1, shard, n);
                if (!starts_between && random.below(3) == 0) {
                    records.push_back(intent(id));
                    records.push_back(settled(id));
                    spent += UsageSums{.requests = 1, .attempts = 1, .input = 10, .output = 3, .cost = 2'500};
                    continue;
                }
                const std::string consumer = fmt::format("c-{}", random.below(4));
                const std::string name = fmt::format("m-{}", random.below(4));
                LedgerLocal one = hit(id, consumer, name);
                one.exit = static_cast<LedgerLocalExit>(random.below(tenant::ledger_local_exit_count));
                if (is_refusal(one.exit)) {
                    one.count = static_cast<uint32_t>(random.between(1, 1'000));
                    one.input_tokens = one.output_tokens = 0;
                    one.saved = -1;
                } else {
                    one.input_tokens = random.below(100'000);
                    one.output_tokens = random.below(1'000);
                    one.saved = static_cast<Money>(random.below(3'000'000'000)) - 1;
                }
                LocalSums& sums = model[{consumer, name}];
                sums.requests[static_cast<size_t>(one.exit)] += one.count;
                sums.input += one.input_tokens;
                sums.output += one.output_tokens;
                if (one.saved > 0) sums.saved += static_cast<unsigned __int128>(one.saved);
                if (one.saved < 0 && !is_refusal(one.exit)) sums.unpriced += 1;
                records.push_back(written(one));
            }
            uint32_t number = 1;
            for (size_t at = 0; at < records.size();) {
                const size_t end = std::min(records.size(), at + random.between(1, 12));
                std::string bytes = begin(1, shard, number);
                for (size_t i = at; i < end; ++i) bytes += records[i];
                const size_t again = random.below(end - at);  // its last ones may not be there, and come again
                size_t lost = 0;
                for (size_t i = end - again; i < end; ++i) lost += records[i].size();
                const bool breaks = end < records.size() && random.below(2) == 0;
                if (breaks) bytes.resize(bytes.size() - random.below(lost + 1));
                at = breaks ? end - again : end;
                write({1, shard, number++}, bytes);
                if (starts_between && random.below(4) == 0) (void)all();
            }
        }
        for (int start = 0; start < 2; ++start) {
            LocalSums expected;
            std::map<std::string, LocalSums> by_model;
            for (const auto& [key, sums] : model) {
                expected += sums;
                by_model[std::get<1>(key)] += sums;
            }
            const UsageGroup sum = all();
            ASSERT_EQ(sum.local, expected) << "run " << run;
            ASSERT_EQ(sum.sums.attempts, spent.attempts) << "run " << run;
            ASSERT_EQ(sum.sums.input, spent.input);
            for (const UsageGroup& group : by(UsageDimension::model)) {
                if (by_model.contains(group.name)) EXPECT_EQ(group.local, by_model[group.name]) << group.name;
            }
            ASSERT_EQ(differences(), std::vector<std::string>()) << "run " << run;
        }
    }
}

TEST_F(LocalSumsTest, TheExportHasEachOnceWithItsKind) {
    write({1, 0, 1}, begin(1) + intent(1) + settled(1) + written(hit(2)));
    write({1, 0, 2}, begin(1, 0, 2) + written(hit(2)) + written(refusal("app", LedgerLocalExit::refused_limit, 3, 9)));
    std::vector<std::string> rows;
    const auto exported = export_ledger(directory.path(), [&rows](const LedgerRow& row) {
        EXPECT_EQ(row.settlement == nullptr, row.local != nullptr);
        rows.push_back(row.local == nullptr ? "attempt"
                                            : fmt::format("{} {} {} {}", ledger_local_exit_name(row.local->exit),
                                                          row.local->count, row.intent.consumer, row.intent.cost));
        return true;
    });
    ASSERT_TRUE(exported) << exported.error();
    EXPECT_EQ(rows, (std::vector<std::string>{"attempt", "exact 1 app 0", "limit 9 app 0"}));
    EXPECT_EQ(exported->unsettled, 0u);
}

}  // namespace
}  // namespace loom::store
