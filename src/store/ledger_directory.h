// Where the ledger lies: its segments, its database, and the lock that says whose they are.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ledger_segment.h"
#include "loom/store/vault.h"
#include "segment_cipher.h"

namespace loom::store {

class LedgerDirectory {
  public:
    /// Makes what is missing (0700) and takes the lock. directory "": nothing is on a disk, and segments die with their
    /// descriptors.
    /// vault   by which its files are encrypted; not those that are on no disk.
    /// Errors  a text that names the place and a remedy: another Loom has it, it cannot be written.
    [[nodiscard]] static std::expected<LedgerDirectory, std::string> open(const std::string& directory,
                                                                          VaultPtr vault = {});
    LedgerDirectory(LedgerDirectory&& other) noexcept;
    LedgerDirectory& operator=(LedgerDirectory&&) = delete;
    ~LedgerDirectory();

    [[nodiscard]] bool in_memory() const noexcept { return directory_.empty(); }
    /// Of the database, which is made for its owner alone where it is missing.
    [[nodiscard]] std::expected<std::string, std::string> database();
    /// In the order of their writing, with those that were set aside.
    [[nodiscard]] std::expected<std::vector<SegmentName>, std::string> segments() const;
    struct Segment {
        int fd = -1;
        std::unique_ptr<SegmentCipher> cipher;  // null: it is plain
    };
    /// A new one, with its first record, that outlives a power cut.
    /// Errors  an errno.
    [[nodiscard]] std::expected<Segment, int> make_segment(const SegmentName& name, uint64_t time_us);
    /// Of every new segment, where its second record begins.
    [[nodiscard]] uint64_t begin_bytes() const noexcept { return begin_bytes_of(vault_); }
    [[nodiscard]] static uint64_t begin_bytes_of(const VaultPtr& vault) noexcept;
    [[nodiscard]] const VaultPtr& vault() const noexcept { return vault_; }
    /// Under its own name, or the one that it has where it was set aside.
    [[nodiscard]] std::expected<int, int> open_segment(const SegmentName& name) const;
    /// To `<name>.corrupt`.
    void set_aside(const SegmentName& name) const;
    [[nodiscard]] bool is_aside(const SegmentName& name) const;
    void remove(const SegmentName& name) const;
    /// Seconds since 1970 of its last write; nothing where it is not there.
    [[nodiscard]] std::optional<int64_t> last_write_s(const SegmentName& name) const;
    [[nodiscard]] std::string path_of(const SegmentName& name) const;
    /// Its disk does not take as much as a start has to write.
    [[nodiscard]] bool is_full() const;
    static constexpr size_t room_bytes = 256 * 1024;

    /// Of a directory that need not be this process's own.
    [[nodiscard]] static std::string database_path(const std::string& directory);
    [[nodiscard]] static std::string segments_path(const std::string& directory);
    /// In the order of their writing, with those that were set aside.
    [[nodiscard]] static std::expected<std::vector<SegmentName>, std::string> segments_in(const std::string& directory);

  private:
    LedgerDirectory(std::string directory, int lock_fd, VaultPtr vault) noexcept
        : directory_(std::move(directory)), lock_fd_(lock_fd), vault_(std::move(vault)) {}
    void sync_entries() const;

    std::string directory_;
    int lock_fd_ = -1;
    VaultPtr vault_;
};

/// How a segment's file is read.
struct SegmentForm {
    bool readable = true;                   // false: it is to be encrypted, and has no header of this vault
    std::unique_ptr<SegmentCipher> cipher;  // null: it is plain
};
[[nodiscard]] SegmentForm form_of_segment(int fd, const SegmentName& name, const VaultPtr& vault);

/// Writes all of it at `offset`, or says why not (an errno).
[[nodiscard]] std::expected<void, int> write_all(int fd, std::string_view bytes, uint64_t offset);

}  // namespace loom::store
