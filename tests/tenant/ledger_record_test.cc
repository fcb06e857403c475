// The ledger's records: what is written reads back, and what is not whole is told from what is damaged.
#include "loom/tenant/ledger_record.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "loom/base/hash.h"

namespace loom::tenant {
namespace {

using State = LedgerRead::State;

template <class Record>
std::string written(const Record& record) {
    std::array<char, ledger_record_bytes_max> room;
    return {room.data(), write_ledger_record(record, room)};
}

LedgerIntent intent() {
    return {.id = make_ledger_id(7, 3, 41),
            .request = make_ledger_id(7, 3, 40),
            .time_us = 1'755'780'059'000'001,
            .consumer = "mobile-app",
            .team = "apps",
            .project = "p",
            .tenant = "acme",
            .tier = "free_tier",
            .route = "ai",
            .provider = "openai",
            .model = "gpt-4o",
            .input_tokens = 1234,
            .output_tokens = 512,
            .cost = 987'654'321};
}

/// Whose client has named another model.
LedgerIntent by_alias() {
    LedgerIntent one = intent();
    one.asked_model = "fast";
    return one;
}

LedgerSettlement settlement() {
    return {
        .id = make_ledger_id(7, 3, 41),
        .exit = LedgerExit::cut_by_upstream,
        .provenance = LedgerProvenance::counted,
        .status = 200,
        .tokens = {.input = 9, .cached_input = 8, .cache_write = 7, .cache_write_1h = 6, .output = 5, .reasoning = 4},
        .cost = 3'121'000'000};
}

LedgerLocal local() {
    return {.id = make_ledger_id(7, 3, 42),
            .request = make_ledger_id(7, 3, 41),
            .time_us = 1'755'780'059'000'002,
            .exit = LedgerLocalExit::cache_semantic,
            .status = 200,
            .consumer = "mobile-app",
            .team = "apps",
            .project = "p",
            .tenant = "acme",
            .tier = "free_tier",
            .route = "ai",
            .model = "gpt-4o",
            .tells_tokens = true,
            .input_tokens = 1234,
            .cached_input = 1000,
            .output_tokens = 512,
            .reasoning = 12,
            .saved = 987'654'321};
}

/// As a Loom that comes later may write it.
std::string of_later(uint8_t type, uint8_t version, const std::string& like) {
    std::string bytes = like;
    bytes[4] = static_cast<char>(type);
    bytes[5] = static_cast<char>(version);
    uint64_t front, checksum;
    std::memcpy(&front, bytes.data(), sizeof front);
    checksum = hash64(std::string_view(bytes).substr(ledger_header_bytes), front);
    std::memcpy(bytes.data() + 8, &checksum, sizeof checksum);
    return bytes;
}

std::vector<std::string> samples() {
    return {written(LedgerBegin{.epoch = 7, .shard = 3, .number = 2, .time_us = 5}),
            written(intent()),
            written(by_alias()),
            written(LedgerIntent{.id = 1, .request = 1}),
            written(settlement()),
            written(local()),
            written(LedgerLocal{.id = 1}),
            written(LedgerLocal{.id = 2, .exit = LedgerLocalExit::refused_limit, .status = 429, .count = 4711}),
            of_later(9, 1, written(local()))};
}

TEST(LedgerRecord, ReadsBackAsItWasWritten) {
    const std::string bytes = written(intent());
    const LedgerRead read = read_ledger_record(bytes);
    ASSERT_EQ(read.state, State::whole);
    EXPECT_EQ(read.bytes, bytes.size());
    EXPECT_EQ(ledger_record_bytes(bytes), bytes.size());
    EXPECT_EQ(std::get<LedgerIntent>(read.record), intent());
    const std::string other = written(settlement());
    EXPECT_EQ(std::get<LedgerSettlement>(read_ledger_record(other).record), settlement());
    const LedgerBegin begin{.epoch = 9, .shard = 256, .number = 4'000'000'000, .time_us = 1};
    const std::string first = written(begin);
    EXPECT_EQ(first.size(), ledger_begin_bytes);
    EXPECT_EQ(std::get<LedgerBegin>(read_ledger_record(first).record), begin);
}

TEST(LedgerRecord, TheModelThatWasAskedStandsInAnotherVersion) {
    constexpr size_t version_at = 5;
    EXPECT_EQ(written(intent())[version_at], 1) << "as it always was";
    const std::string bytes = written(by_alias());
    EXPECT_EQ(bytes[version_at], 2);
    EXPECT_EQ(bytes.size(), written(intent()).size() + 1 + by_alias().asked_model.size());
    const LedgerRead read = read_ledger_record(bytes);
    ASSERT_EQ(read.state, State::whole);
    EXPECT_EQ(std::get<LedgerIntent>(read.record), by_alias());
}

TEST(LedgerRecord, WhatNoProviderWasAskedForReadsBackOfEachExit) {
    for (uint8_t exit = 0; exit < ledger_local_exit_count; ++exit) {
        LedgerLocal one = local();
        one.exit = static_cast<LedgerLocalExit>(exit);
        one.count = is_refusal(one.exit) ? 4'000'000'000u : 1;
        EXPECT_EQ(std::get<LedgerLocal>(read_ledger_record(written(one)).record), one);
        EXPECT_FALSE(ledger_local_exit_name(one.exit).empty());
    }
    EXPECT_FALSE(is_refusal(LedgerLocalExit::cache_joined));
    EXPECT_TRUE(is_refusal(LedgerLocalExit::refused_limit));
}

/// Whole, and nothing that this Loom understands: it is passed over, and no damage.
TEST(LedgerRecord, WhatALaterLoomHasWrittenIsPassedOver) {
    for (const auto& [type, version] : {std::pair<uint8_t, uint8_t>{6, 1}, {15, 15}, {2, 3}, {3, 2}, {5, 3}}) {
        const std::string bytes = of_later(type, version, written(local()));
        const LedgerRead read = read_ledger_record(bytes);
        ASSERT_EQ(read.state, State::whole) << int{type};
        EXPECT_EQ(read.bytes, bytes.size());
        EXPECT_EQ(std::get<LedgerUnknown>(read.record), (LedgerUnknown{.type = type, .version = version}));
    }
    for (const auto& [type, version] : {std::pair<uint8_t, uint8_t>{0, 1}, {16, 1}, {2, 0}, {2, 16}, {4, 1}})
        EXPECT_NE(read_ledger_record(of_later(type, version, written(local()))).state, State::whole) << int{type};
}

/// Its checksum is good, and what it says cannot be.
TEST(LedgerRecord, ALocalRecordThatMakesNoSenseIsNone) {
    const std::string good = written(local());
    const auto with = [&good](size_t at, char byte) {
        std::string bytes = good;
        bytes[ledger_header_bytes + at] = byte;
        return read_ledger_record(of_later(5, 1, bytes)).state;
    };
    EXPECT_EQ(with(24, ledger_local_exit_count), State::damaged) << "an exit";
    EXPECT_EQ(with(25, 2), State::damaged) << "whether it tells tokens";
    EXPECT_EQ(with(28, 0), State::damaged) << "a count of nothing";
    EXPECT_EQ(with(32 + 7, 1), State::damaged) << "more tokens than there can be";
    EXPECT_EQ(with(72, 11), State::damaged) << "a text that ends elsewhere";
    EXPECT_EQ(with(24, 0), State::whole);
}

TEST(LedgerRecord, EveryTruncationIsIncomplete) {
    for (const std::string& bytes : samples())
        for (size_t cut = 0; cut < bytes.size(); ++cut) {
            const std::string part = bytes.substr(0, cut);  // of the exact size, whose end a sanitizer guards
            EXPECT_EQ(read_ledger_record(part).state, State::incomplete) << cut << " of " << bytes.size();
        }
}

TEST(LedgerRecord, EveryChangedByteIsNoticed) {
    for (const std::string& bytes : samples())
        for (size_t at = 0; at < bytes.size(); ++at)
            for (int other = 0; other < 256; ++other) {
                std::string changed = bytes;
                changed[at] = static_cast<char>(other);
                if (changed == bytes) continue;
                EXPECT_NE(read_ledger_record(changed).state, State::whole) << at << " " << other;
            }
}

TEST(LedgerRecord, WhatFollowsIsNotRead) {
    for (const std::string& bytes : samples()) {
        const LedgerRead read = read_ledger_record(bytes + "behind");
        EXPECT_EQ(read.state, State::whole);
        EXPECT_EQ(read.bytes, bytes.size());
    }
}

TEST(LedgerRecord, LongTextsAreBoundedAndStayApart) {
    LedgerIntent one = intent();
    const std::string a(500, 'm'), b = std::string(499, 'm') + "n";
    one.model = a;
    const std::string first = written(one);
    one.model = b;
    const std::string second = written(one);
    const auto model = [](const std::string& bytes) {
        return std::string(std::get<LedgerIntent>(read_ledger_record(bytes).record).model);
    };
    EXPECT_EQ(model(first).size(), ledger_text_bytes_max);
    EXPECT_NE(model(first), model(second));
    one.model = std::string_view(a).substr(0, ledger_text_bytes_max);
    EXPECT_EQ(model(written(one)), one.model) << "the longest that is written as it is";
}

TEST(LedgerRecord, TheLargestFits) {
    const std::string longest(ledger_text_bytes_max, 'x');
    LedgerIntent one = intent();
    for (std::string_view* const text : {&one.consumer, &one.team, &one.project, &one.tenant, &one.tier, &one.route,
                                         &one.provider, &one.model, &one.asked_model})
        *text = longest;
    const std::string bytes = written(one);
    EXPECT_LE(bytes.size(), ledger_record_bytes_max);
    EXPECT_EQ(std::get<LedgerIntent>(read_ledger_record(bytes).record), one);
}

TEST(LedgerRecord, TheLargestLocalFits) {
    const std::string longest(ledger_text_bytes_max + 1, 'x');
    LedgerLocal one = local();
    for (std::string_view* const text :
         {&one.consumer, &one.team, &one.project, &one.tenant, &one.tier, &one.route, &one.model})
        *text = longest;
    const std::string bytes = written(one);
    EXPECT_LE(bytes.size(), ledger_record_bytes_max);
    const auto read = std::get<LedgerLocal>(read_ledger_record(bytes).record);
    EXPECT_EQ(read.model.size(), ledger_text_bytes_max);
    EXPECT_EQ(read.saved, one.saved);
}

TEST(LedgerRecord, CountsBeyondTheBoundAreTheBound) {
    LedgerSettlement one = settlement();
    one.tokens.output = std::numeric_limits<uint64_t>::max();
    one.cost = -5;
    const std::string bytes = written(one);
    const auto read = std::get<LedgerSettlement>(read_ledger_record(bytes).record);
    EXPECT_EQ(read.tokens.output, ledger_tokens_max);
    EXPECT_EQ(read.cost, -1);
}

TEST(LedgerRecord, IdsTellTheirStartAndRise) {
    static_assert(make_ledger_id(1, 0, 2) > make_ledger_id(1, 0, 1));
    static_assert(ledger_epoch_of(make_ledger_id(7, 255, 1)) == 7);
    static_assert(ledger_epoch_of(make_ledger_id(ledger_epoch_mask + 8, 0, 1)) == 7);
    EXPECT_LT(make_ledger_id(ledger_epoch_mask, 255, ~uint64_t{0}), uint64_t{1} << 63);
    EXPECT_NE(make_ledger_id(1, 1, 5), make_ledger_id(1, 2, 5));
}

}  // namespace
}  // namespace loom::tenant
