// What is kept is the same behind a restart, but for its times: older by as long as nobody was there.
#include "loom/cache/snapshot_record.h"

#include <gtest/gtest.h>

#include <cmath>

namespace loom::cache {
namespace {

constexpr uint64_t then_ms = 5'000'000;
constexpr SnapshotMoment written{.now_ms = then_ms};

Answer full_answer() {
    Answer answer;
    answer.scope = "tenant/a";
    answer.tenant = "a";
    answer.model = "gpt-4o";
    answer.body = std::string("{\"x\":\"\0\xff\"}", 11);
    answer.form = Form::usage_events;
    answer.input_tokens = 9;
    answer.output_tokens = UINT64_MAX;
    answer.cached_input_tokens = 3;
    answer.reasoning_tokens = 4;
    answer.tells_usage = true;
    answer.cost = 123'456;
    answer.stored_ms = then_ms - 10'000;
    answer.aged_ms = 2'000;
    answer.fresh_until_ms = then_ms + 50'000;
    answer.kept_until_ms = then_ms + 80'000;
    return answer;
}
KeptAnswer kept_answer(const Answer& answer = full_answer()) {
    return {.key = {.low = 1, .high = UINT64_MAX}, .answer = std::make_shared<Answer>(answer), .asked = 15};
}
KeptEntry kept_entry() {
    return {.partition = {.low = 7, .high = 8},
            .entry = {.key = {.low = 5, .high = 6},
                      .scope = "consumer/x",
                      .text = "How do I … ?",
                      .answer = std::make_shared<Answer>(full_answer()),
                      .fresh_until_ms = then_ms + 40'000},
            .vector = {0.6f, 0.8f, 0}};
}
template <class Kept>
std::string record_of(const Kept& kept) {
    std::string record;
    write_record(record, kept, written);
    return record;
}
void expect_same(const Answer& one, const Answer& two) {
    EXPECT_EQ(one.scope, two.scope);
    EXPECT_EQ(one.tenant, two.tenant);
    EXPECT_EQ(one.model, two.model);
    EXPECT_EQ(one.body, two.body);
    EXPECT_EQ(one.form, two.form);
    EXPECT_EQ(one.input_tokens, two.input_tokens);
    EXPECT_EQ(one.output_tokens, two.output_tokens);
    EXPECT_EQ(one.cached_input_tokens, two.cached_input_tokens);
    EXPECT_EQ(one.reasoning_tokens, two.reasoning_tokens);
    EXPECT_EQ(one.tells_usage, two.tells_usage);
    EXPECT_EQ(one.cost, two.cost);
}

TEST(SnapshotRecord, AnAnswerIsTheSame) {
    const auto read = read_answer_record(record_of(kept_answer()), written);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->key, kept_answer().key);
    EXPECT_EQ(read->asked, 15u);
    expect_same(*read->answer, full_answer());
    EXPECT_EQ(read->answer->age_ms(then_ms), 12'000u);
    EXPECT_EQ(read->answer->fresh_until_ms, then_ms + 50'000);
    EXPECT_EQ(read->answer->kept_until_ms, then_ms + 80'000);
}

TEST(SnapshotRecord, SoIsAnEntryWithItsVector) {
    const auto read = read_entry_record(record_of(kept_entry()), written);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->partition, kept_entry().partition);
    EXPECT_EQ(read->entry.key, kept_entry().entry.key);
    EXPECT_EQ(read->entry.scope, "consumer/x");
    EXPECT_EQ(read->entry.text, kept_entry().entry.text);
    EXPECT_EQ(read->entry.fresh_until_ms, then_ms + 40'000);
    EXPECT_EQ(read->vector, kept_entry().vector);
    expect_same(*read->entry.answer, full_answer());
}

/// The machine may have been started anew meanwhile: its clock is at less than an answer is old.
TEST(SnapshotRecord, AnAnswerIsOlderByTheTimeBetween) {
    const SnapshotMoment later{.now_ms = 100, .elapsed_ms = 30'000};
    const auto read = read_answer_record(record_of(kept_answer()), later);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->answer->age_ms(100), 42'000u);
    EXPECT_EQ(read->answer->age_ms(1'100), 43'000u);
    EXPECT_EQ(read->answer->fresh_until_ms, 100 + 20'000u);
    EXPECT_EQ(read->answer->kept_until_ms, 100 + 50'000u);
    const auto over = read_answer_record(record_of(kept_answer()), {.now_ms = 100, .elapsed_ms = 1'000'000'000});
    ASSERT_TRUE(over);
    EXPECT_EQ(over->answer->fresh_until_ms, 100u);
    EXPECT_EQ(over->answer->kept_until_ms, 100u);
    EXPECT_EQ(read_entry_record(record_of(kept_entry()), {.now_ms = 100, .elapsed_ms = 40'000})->entry.fresh_until_ms,
              100u);
}

TEST(SnapshotRecord, ATimeToLiveThatIsShorterNowCounts) {
    const auto read_with = [](uint64_t ttl_ms, uint64_t stale_ms) {
        return read_answer_record(record_of(kept_answer()),
                                  {.now_ms = 1'000, .elapsed_ms = 8'000, .ttl_ms = ttl_ms, .stale_ms = stale_ms})
            ->answer;
    };
    EXPECT_EQ(read_with(60'000, 100'000)->fresh_until_ms, 1'000 + 40'000u) << "20 s old";
    EXPECT_EQ(read_with(60'000, 100'000)->kept_until_ms, 1'000 + 72'000u);
    EXPECT_EQ(read_with(60'000, 0)->kept_until_ms, 1'000 + 40'000u);
    EXPECT_EQ(read_with(15'000, 10'000)->fresh_until_ms, 1'000u);
    EXPECT_EQ(read_with(15'000, 10'000)->kept_until_ms, 1'000 + 5'000u) << "over for 5 s already";
    EXPECT_EQ(read_with(15'000, 0)->kept_until_ms, 1'000u);
}

TEST(SnapshotRecord, EveryCutIsNone_AndSoIsWhatIsLonger) {
    const std::string answer = record_of(kept_answer()), entry = record_of(kept_entry());
    for (size_t length = 0; length < answer.size(); ++length)
        EXPECT_FALSE(read_answer_record(answer.substr(0, length), written)) << length;
    for (size_t length = 0; length < entry.size(); ++length)
        EXPECT_FALSE(read_entry_record(entry.substr(0, length), written)) << length;
    EXPECT_FALSE(read_answer_record(answer + '\0', written));
    EXPECT_FALSE(read_entry_record(entry + '\0', written));
}

/// Any byte may be another in a plain file that somebody has written: it is a record, or it is none.
TEST(SnapshotRecord, WhateverABytesIsNothingBreaks) {
    const std::string answer = record_of(kept_answer()), entry = record_of(kept_entry());
    for (const int value : {0, 1, 127, 255}) {
        for (size_t at = 0; at < answer.size(); ++at) {
            std::string changed = answer;
            changed[at] = static_cast<char>(value);
            if (const auto read = read_answer_record(changed, written)) {
                EXPECT_LE(static_cast<int>(read->answer->form), 2);
                EXPECT_LE(read->asked, 15u);
            }
        }
        for (size_t at = 0; at < entry.size(); ++at) {
            std::string changed = entry;
            changed[at] = static_cast<char>(value);
            if (const auto read = read_entry_record(changed, written)) {
                float sum = 0;
                for (const float one : read->vector) sum += one * one;
                EXPECT_NEAR(sum, 1, 0.03);
            }
        }
    }
}

TEST(SnapshotRecord, AVectorThatIsNoneIsRefused) {
    KeptEntry kept = kept_entry();
    for (const std::vector<float>& wrong :
         {std::vector<float>{}, {0, 0, 0}, {2, 0, 0}, {NAN, 1, 0}, {INFINITY, 0, 0}}) {
        kept.vector = wrong;
        EXPECT_FALSE(read_entry_record(record_of(kept), written));
    }
}

TEST(SnapshotHead, IsTheSame) {
    const SnapshotHead head{.kind = SnapshotHead::Kind::semantic,
                            .version = "0.1.0",
                            .seed = 77,
                            .wall_ms = 1'800'000'000'000,
                            .embedder = {.identity = 0, .dimensions = 2, .probe = {0.5f, 0.25f}}};
    const std::string bytes = head.write();
    const auto read = SnapshotHead::read(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->kind, head.kind);
    EXPECT_EQ(read->version, head.version);
    EXPECT_EQ(read->seed, head.seed);
    EXPECT_EQ(read->wall_ms, head.wall_ms);
    EXPECT_TRUE(read->embedder.is_like(head.embedder));
    for (size_t length = 0; length < bytes.size(); ++length)
        EXPECT_FALSE(SnapshotHead::read(bytes.substr(0, length))) << length;
    EXPECT_FALSE(SnapshotHead::read(bytes + 'x'));
    EXPECT_FALSE(SnapshotHead::read(""));
}

TEST(SnapshotHead, AnEmbedderIsKnownByWhatItMakes) {
    const EmbedderMark own{.identity = 0, .dimensions = 2, .probe = {0.5f, 0.25f}};
    EXPECT_TRUE(own.is_like({.identity = 0, .dimensions = 2, .probe = {0.50001f, 0.25f}})) << "another machine rounds";
    EXPECT_FALSE(own.is_like({.identity = 0, .dimensions = 2, .probe = {0.51f, 0.25f}}));
    EXPECT_FALSE(own.is_like({.identity = 0, .dimensions = 2, .probe = {0.5f}}));
    EXPECT_FALSE(own.is_like({.identity = 9, .dimensions = 2, .probe = {}}));
    const EmbedderMark provider{.identity = 9, .dimensions = 3, .probe = {}};
    EXPECT_TRUE(provider.is_like({.identity = 9, .dimensions = 0, .probe = {}})) << "it has not answered yet";
    EXPECT_FALSE(provider.is_like({.identity = 8, .dimensions = 3, .probe = {}}));
    const EmbedderMark broken{.identity = 0, .dimensions = 1, .probe = {NAN}};
    EXPECT_FALSE(broken.is_like(broken));
}

}  // namespace
}  // namespace loom::cache
