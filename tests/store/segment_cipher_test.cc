// A segment on an encrypted disk: whatever is done to it, what is read of it was written there.
#include "segment_cipher.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "ledger_directory.h"
#include "vault_fixture.h"

namespace loom::store {
namespace {

using tenant::LedgerIntent;

constexpr SegmentName name{.epoch = 7, .shard = 0, .number = 12};

std::string record(uint64_t id) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    const size_t size = write_ledger_record(
        LedgerIntent{.id = id, .consumer = "consumer-name", .model = "model-name", .output_tokens = id * 3}, room);
    return {room.data(), size};
}
const size_t frame = SegmentCipher::frame_bytes + record(1).size();

/// With the records 1 to `count`.
std::string segment(const Vault& vault, uint64_t count, const SegmentName& of = name) {
    auto [cipher, bytes] = SegmentCipher::make(vault, of);
    for (uint64_t id = 1; id <= count; ++id) bytes += sealed_record(*cipher, record(id), bytes.size());
    return bytes;
}

struct Walk {
    bool readable = false;
    std::vector<uint64_t> found;
    uint64_t good_end = 0;
    uint64_t damaged = 0;
};
Walk walk(const std::string& bytes, const VaultPtr& vault, const SegmentName& of = name) {
    const int fd = ::memfd_create("segment", MFD_CLOEXEC);
    EXPECT_EQ(::write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    Walk walked;
    const SegmentForm form = form_of_segment(fd, of, vault);
    walked.readable = form.readable;
    if (form.readable) {
        SegmentReader reader(fd, 0, bytes.size(), form.cipher.get());
        while (const tenant::LedgerRead* const read = reader.next()) {
            const auto& intent = std::get<LedgerIntent>(read->record);
            EXPECT_EQ(intent.consumer, "consumer-name");
            EXPECT_EQ(intent.output_tokens, intent.id * 3) << "a changed record was taken";
            EXPECT_EQ(reader.record(), record(intent.id));
            walked.found.push_back(intent.id);
        }
        walked.good_end = reader.good_end();
        walked.damaged = reader.damaged_bytes();
    }
    ::close(fd);
    return walked;
}

TEST(SegmentCipher, TellsNothingAndReadsAll) {
    const VaultPtr vault = test_vault();
    const std::string bytes = segment(*vault, 5);
    EXPECT_FALSE(bytes.contains("consumer-name") || bytes.contains("model-name"));
    EXPECT_EQ(walk(bytes, vault).found, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
    EXPECT_TRUE(SegmentCipher::looks_sealed(bytes));
    EXPECT_NE(bytes.substr(128), segment(*vault, 5).substr(128)) << "of the same name and records, another salt";
}

TEST(SegmentCipher, EveryTruncationEndsBehindTheLastWholeRecord) {
    const VaultPtr vault = test_vault();
    const std::string whole = segment(*vault, 3);
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
        const Walk walked = walk(whole.substr(0, cut), vault);
        ASSERT_EQ(walked.readable, cut >= SegmentCipher::copy_bytes) << cut;
        const size_t records = cut < SegmentCipher::header_bytes ? 0 : (cut - SegmentCipher::header_bytes) / frame;
        ASSERT_EQ(walked.found.size(), records) << cut;
        ASSERT_EQ(walked.good_end, records == 0 ? 0 : SegmentCipher::header_bytes + records * frame) << cut;
        ASSERT_EQ(walked.damaged, 0u) << cut;
    }
}

TEST(SegmentCipher, EveryChangedBitCostsItsRecordAlone) {
    const VaultPtr vault = test_vault();
    const std::string whole = segment(*vault, 4);
    for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string changed = whole;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
        const Walk walked = walk(changed, vault);
        ASSERT_TRUE(walked.readable) << "its header is there twice";
        std::vector<uint64_t> expected;
        const size_t at = bit / 8;
        for (uint64_t id = 1; id <= 4; ++id)
            if (at < SegmentCipher::header_bytes || (at - SegmentCipher::header_bytes) / frame != id - 1)
                expected.push_back(id);
        ASSERT_EQ(walked.found, expected) << bit;
        if (expected.size() == 3 && expected.back() == 4) ASSERT_EQ(walked.damaged, frame) << bit;
    }
}

TEST(SegmentCipher, ARecordCountsAtItsPlaceAlone) {
    const VaultPtr vault = test_vault();
    const std::string whole = segment(*vault, 3), other = segment(*vault, 3);
    constexpr size_t begin = SegmentCipher::header_bytes;
    std::string swapped = whole;
    swapped.replace(begin, frame, whole.substr(begin + frame, frame));
    swapped.replace(begin + frame, frame, whole.substr(begin, frame));
    EXPECT_EQ(walk(swapped, vault).found, (std::vector<uint64_t>{3}));
    EXPECT_EQ(walk(whole + whole.substr(begin), vault).found, (std::vector<uint64_t>{1, 2, 3})) << "told twice";
    std::string mixed = whole;
    mixed.replace(begin, frame, other.substr(begin, frame));
    EXPECT_EQ(walk(mixed, vault).found, (std::vector<uint64_t>{2, 3})) << "another file's";
    EXPECT_EQ(walk(whole + record(9), vault).found, (std::vector<uint64_t>{1, 2, 3})) << "a plain one";
}

TEST(SegmentCipher, AnotherKeyOrNameReadsNothing) {
    const std::string bytes = segment(*test_vault(), 3);
    EXPECT_FALSE(walk(bytes, test_vault('2')).readable);
    EXPECT_FALSE(walk(bytes, test_vault(), {.epoch = 7, .shard = 0, .number = 13}).readable);
    EXPECT_TRUE(walk(bytes, nullptr).found.empty()) << "read as a plain one";
    EXPECT_FALSE(walk(record(1) + record(2), test_vault()).readable) << "a plain one where all is encrypted";
}

TEST(SegmentCipher, ZerosBetweenRecordsAreNoDamage) {
    const VaultPtr vault = test_vault();
    for (const size_t gap : {1u, 23u, 24u, 5'000u}) {
        auto [cipher, bytes] = SegmentCipher::make(*vault, name);
        bytes += sealed_record(*cipher, record(1), bytes.size());
        bytes += std::string(gap, '\0');
        bytes += sealed_record(*cipher, record(2), bytes.size());
        const Walk walked = walk(bytes, vault);
        EXPECT_EQ(walked.found, (std::vector<uint64_t>{1, 2})) << gap;
        EXPECT_EQ(walked.damaged, 0u) << gap;
    }
}

}  // namespace
}  // namespace loom::store
