// A segment's file, read whatever was done to it.
#include "ledger_segment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "../sim/random.h"

namespace loom::store {
namespace {

using tenant::LedgerSettlement;

std::string record(uint64_t id) {
    std::array<char, tenant::ledger_record_bytes_max> room;
    return {room.data(), write_ledger_record(LedgerSettlement{.id = id, .cost = 5}, room)};
}

class File {
  public:
    explicit File(const std::string& bytes) : fd_(::memfd_create("segment", MFD_CLOEXEC)) {
        EXPECT_EQ(::write(fd_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    }
    ~File() { ::close(fd_); }
    File(const File&) = delete;
    int fd() const { return fd_; }

  private:
    int fd_;
};

std::vector<uint64_t> ids(SegmentReader& reader) {
    std::vector<uint64_t> found;
    while (const tenant::LedgerRead* const read = reader.next())
        found.push_back(std::get<LedgerSettlement>(read->record).id);
    return found;
}

struct Walk {
    std::vector<uint64_t> found;
    uint64_t good_end;
    uint64_t damaged;
};
Walk walk(const std::string& bytes, uint64_t from = 0) {
    const File file(bytes);
    SegmentReader reader(file.fd(), from, bytes.size());
    auto found = ids(reader);
    return {std::move(found), reader.good_end(), reader.damaged_bytes()};
}

TEST(SegmentReader, EveryTruncationEndsBehindTheLastWholeRecord) {
    const std::string one = record(1), whole = one + record(2) + record(3);
    for (size_t cut = 0; cut <= whole.size(); ++cut) {
        const Walk walked = walk(whole.substr(0, cut));
        EXPECT_EQ(walked.found.size(), cut / one.size()) << cut;
        EXPECT_EQ(walked.good_end, cut / one.size() * one.size()) << cut;
        EXPECT_EQ(walked.damaged, 0u) << cut;
    }
}

TEST(SegmentReader, EveryChangedByteCostsItsRecordAlone) {
    const std::string one = record(1), whole = one + record(2) + record(3) + record(4);
    for (size_t at = 0; at < whole.size(); ++at)
        for (const int bit : {0, 3, 7}) {
            std::string changed = whole;
            changed[at] = static_cast<char>(changed[at] ^ (1 << bit));
            const Walk walked = walk(changed);
            std::vector<uint64_t> expected;
            for (uint64_t id = 1; id <= 4; ++id)
                if (at / one.size() != id - 1) expected.push_back(id);
            EXPECT_EQ(walked.found, expected) << at;
            if (at / one.size() < 3) {
                EXPECT_EQ(walked.damaged, one.size()) << at;
            }
        }
}

TEST(SegmentReader, ZerosBetweenRecordsAreNoDamage) {
    for (const size_t gap : {1u, 15u, 16u, 17u, 5'000u}) {
        const Walk walked = walk(record(1) + std::string(gap, '\0') + record(2));
        EXPECT_EQ(walked.found, (std::vector<uint64_t>{1, 2})) << gap;
        EXPECT_EQ(walked.damaged, 0u) << gap;
        EXPECT_EQ(walk(record(1) + std::string(gap, '\0')).damaged, 0u) << gap;
    }
}

/// Over many windows, from any record on.
TEST(SegmentReader, ALargeFileIsReadInPieces) {
    std::string whole;
    constexpr uint64_t count = 40'000;
    const size_t each = record(0).size();
    for (uint64_t id = 0; id < count; ++id) whole += record(id);
    ASSERT_GT(whole.size(), size_t{3} << 20);
    sim::Random random(5);
    for (int i = 0; i < 5; ++i) {
        const uint64_t from = i == 0 ? 0 : random.below(count);
        const Walk walked = walk(whole, from * each);
        ASSERT_EQ(walked.found.size(), count - from);
        EXPECT_EQ(walked.found.front(), from);
        EXPECT_EQ(walked.found.back(), count - 1);
    }
    // A hole over the border of two windows.
    whole.replace((size_t{1} << 20) - 200, 400, 400, 'x');
    const Walk damaged = walk(whole);
    EXPECT_GE(damaged.found.size(), count - 6);
    EXPECT_GT(damaged.damaged, 0u);
}

TEST(SegmentName, IsReadBackAndNothingElseIs) {
    const SegmentName name{.epoch = 7, .shard = 0, .number = 12};
    EXPECT_EQ(segment_file_name(name), "7-0-12.log");
    EXPECT_EQ(parse_segment_file_name("7-0-12.log"), name);
    for (const char* const other : {"", ".", "7-0-12.log.corrupt", "07-0-12.log", "7-0-.log", "7-0-12", "-7-0-12.log",
                                    "7-0-99999999999.log", "7-0-12.logx"})
        EXPECT_FALSE(parse_segment_file_name(other)) << other;
}

}  // namespace
}  // namespace loom::store
