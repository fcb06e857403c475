// A file of records that is there whole or not at all: what a process knows and could do without, kept over a restart.
//
//   header  magic[8] "loomsnap", version u32, sealed u32 (0 or 1), salt[32], check[16]
//   frame   length u32 (of the payload), type u8 (1: head, 2: record, 3: end), zero[3], check[16], payload
//
// All little endian. The first frame is the head, the last the end, whose payload is the number of records (u64); no
// byte follows it. salt is drawn for each file. In a plain file a check is XXH3-128 over the frame's place in the order
// (u64), its first 8 bytes and its payload, seeded by the salt: it finds damage, not forgery. In a sealed one the
// payload is encrypted with AES-256-GCM and the check is its tag; the key is the file's own, of the vault's, of the
// file's name and of its salt, and the nonce is the frame's place, so that no frame can be changed, moved, left out or
// taken from another file unseen. The header's check is XXH3-128 there, and an HMAC here.
//
// It is written beside, as NAME.new, synced, and then takes NAME's place. One that cannot be used is set aside as
// NAME.refused, in place of the last such.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "loom/store/vault.h"

namespace loom::store {

/// How the frames of one file are protected.
class SnapshotSeal;

struct SnapshotPlace {
    std::string directory;  // is there
    std::string name;       // of the file in it; a sealed file opens under this name alone
    VaultPtr vault;         // null: files are plain

    [[nodiscard]] std::string path() const { return directory + "/" + name; }
};

/// All calls block on the disk. One that was not published leaves nothing.
class SnapshotWriter {
  public:
    /// head  what is read before any record; payload_bytes_max at most, as a record.
    /// Errors  an errno.
    [[nodiscard]] static std::expected<SnapshotWriter, int> begin(const SnapshotPlace& place, std::string_view head);
    SnapshotWriter(SnapshotWriter&& other) noexcept;
    SnapshotWriter& operator=(SnapshotWriter&&) = delete;
    ~SnapshotWriter();

    /// Errors  an errno, as of the two below; then nothing more is to be asked of it.
    [[nodiscard]] std::expected<void, int> add(std::string_view record);
    /// All of it is on the disk, beside.
    [[nodiscard]] std::expected<void, int> finish();
    /// It takes its name, in place of what was there, and keeps it through a power cut: the two that follow.
    [[nodiscard]] std::expected<void, int> publish();
    [[nodiscard]] std::expected<void, int> take_name();
    [[nodiscard]] std::expected<void, int> keep_name() const;
    [[nodiscard]] uint64_t records() const noexcept { return records_; }
    [[nodiscard]] uint64_t bytes() const noexcept { return written_ + waiting_.size(); }

  private:
    SnapshotWriter(SnapshotPlace place, int fd, std::unique_ptr<SnapshotSeal> seal) noexcept;
    [[nodiscard]] std::expected<void, int> put(uint8_t type, std::string_view payload);
    [[nodiscard]] std::expected<void, int> flush();

    SnapshotPlace place_;
    int fd_ = -1;
    std::unique_ptr<SnapshotSeal> seal_;
    std::string waiting_;
    uint64_t written_ = 0;
    uint64_t frames_ = 0;
    uint64_t records_ = 0;
};

/// Why a file is not read.
struct SnapshotFault {
    enum class Cause : uint8_t {
        absent,
        unreadable,  // the disk, or whose the file is: it stays where it is
        foreign,     // no such file, or of a form that this Loom does not know
        plain,       // and this directory is encrypted
        sealed,      // and there is no key
        other_key,   // or its front is damaged
        damaged,
    };
    Cause cause = Cause::absent;
    int sys_errno = 0;    // of unreadable
    uint64_t offset = 0;  // of the frame
    /// What is to be said behind the file's name.
    [[nodiscard]] std::string text() const;
};

/// Reads frame by frame; one record is in memory at a time. All calls block on the disk.
class SnapshotReader {
  public:
    [[nodiscard]] static std::expected<SnapshotReader, SnapshotFault> open(const SnapshotPlace& place);
    /// The same of a file that is open, which is the reader's from here on.
    [[nodiscard]] static std::expected<SnapshotReader, SnapshotFault> read(int fd, const std::string& name,
                                                                           const VaultPtr& vault);
    SnapshotReader(SnapshotReader&& other) noexcept;
    SnapshotReader& operator=(SnapshotReader&&) = delete;
    ~SnapshotReader();

    [[nodiscard]] const std::string& head() const noexcept { return head_; }
    /// Longer ones are passed over, unread, from here on: memory for them is not taken.
    void set_record_bytes_max(uint64_t bytes) noexcept { record_bytes_max_ = bytes; }
    /// So many were, since the first record.
    [[nodiscard]] uint64_t passed_over() const noexcept { return passed_over_; }
    /// False: that was all, and the file is whole, but for what was passed over.
    [[nodiscard]] std::expected<bool, SnapshotFault> next(std::string& record);
    /// To the first record again.
    void rewind() noexcept;
    /// All of it is as it was written. It is at its first record then.
    [[nodiscard]] std::expected<void, SnapshotFault> verify();
    [[nodiscard]] uint64_t bytes() const noexcept { return size_; }

    static constexpr uint64_t payload_bytes_max = uint64_t{256} << 20;
    static constexpr uint64_t head_bytes_max = uint64_t{4} << 20;

  private:
    SnapshotReader(int fd, uint64_t size, std::unique_ptr<SnapshotSeal> seal) noexcept;
    /// payload  stays as it is where the record is passed over.
    [[nodiscard]] std::expected<uint8_t, SnapshotFault> take_frame(std::string& payload, uint64_t bytes_max);
    [[nodiscard]] SnapshotFault damaged() const noexcept;

    int fd_ = -1;
    uint64_t size_ = 0;
    std::unique_ptr<SnapshotSeal> seal_;
    std::string head_;
    uint64_t record_bytes_max_ = payload_bytes_max;
    uint64_t passed_over_ = 0;
    uint64_t at_ = 0;
    uint64_t frames_ = 0;
    uint64_t records_ = 0;
    uint64_t first_at_ = 0;  // of the first record
};

/// To NAME.refused, in place of the last; it is removed where that cannot be.
void set_snapshot_aside(const SnapshotPlace& place);

/// What a process that was killed has left: what it was writing goes, and, where the directory is encrypted, what was
/// set aside and is not.
void tidy_snapshot(const SnapshotPlace& place);

/// Neither it, nor what was being written, nor what was set aside is there any more, also through a power cut.
/// Errors  an errno.
[[nodiscard]] std::expected<void, int> remove_snapshot(const SnapshotPlace& place);

}  // namespace loom::store
