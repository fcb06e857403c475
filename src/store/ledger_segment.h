// A segment's file as the service sees it: its name, its records from the front, and what to do with those that are no
// records.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "loom/tenant/ledger_record.h"

namespace loom::store {

class SegmentCipher;

struct SegmentName {
    uint32_t epoch = 0;
    uint32_t shard = 0;
    uint32_t number = 0;
    friend auto operator<=>(const SegmentName&, const SegmentName&) = default;
};
inline constexpr uint32_t ledger_recovery_shard = 256;  // whose segments the service writes itself
/// "7-0-12.log"; read back, nothing for any other name.
[[nodiscard]] std::string segment_file_name(const SegmentName& name);
[[nodiscard]] std::optional<SegmentName> parse_segment_file_name(std::string_view name);

/// Walks a file's records. What is damaged in the middle is stepped over, to the next whole record; a gap of zeros is a
/// write that never happened.
class SegmentReader {
  public:
    /// Of the bytes [from, until) of `fd`, which stays the caller's.
    /// cipher  of an encrypted one, whose header is passed over; null: it is plain.
    SegmentReader(int fd, uint64_t from, uint64_t until, const SegmentCipher* cipher = nullptr) noexcept;

    /// The next whole record, good until the next call; null at the end, or where the file cannot be read (error()).
    [[nodiscard]] const tenant::LedgerRead* next();

    /// Behind the last whole record.
    [[nodiscard]] uint64_t good_end() const noexcept { return good_end_; }
    /// The record that next() has told, as it is in a plain segment.
    [[nodiscard]] std::string_view record() const noexcept { return record_; }
    /// Between whole records, or at the end but more than a record that is not whole.
    [[nodiscard]] uint64_t damaged_bytes() const noexcept { return damaged_bytes_; }
    [[nodiscard]] int error() const noexcept { return error_; }

  private:
    [[nodiscard]] std::string_view window();
    [[nodiscard]] bool fill();
    [[nodiscard]] bool step_over();
    [[nodiscard]] tenant::LedgerRead read_at(std::string_view bytes);

    int fd_;
    const SegmentCipher* cipher_;
    uint64_t at_;     // in the file, of the next record
    uint64_t until_;  // of what is to be read
    uint64_t good_end_;
    uint64_t damaged_bytes_ = 0;
    int error_ = 0;
    std::vector<char> buffer_;
    uint64_t buffer_at_ = 0;  // in the file, of buffer_'s front
    tenant::LedgerRead read_;
    std::string_view record_;
    std::array<char, tenant::ledger_record_bytes_max> opened_;  // of an encrypted one
};

}  // namespace loom::store
