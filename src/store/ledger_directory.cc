#include "ledger_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace loom::store {
namespace {

constexpr std::string_view aside_suffix = ".corrupt";

std::string aside(const std::string& path) { return path + std::string(aside_suffix); }

std::string fault(const std::string& path, const char* what) {
    return fmt::format("state.directory: {} {}: {}", path, what, std::strerror(errno));
}

std::expected<void, std::string> make_directory(const std::string& path) {
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return std::unexpected(fault(path, "cannot be made"));
}

std::string holder_of(int fd) {
    std::array<char, 32> text{};
    const ssize_t got = ::pread(fd, text.data(), text.size() - 1, 0);
    std::string_view pid(text.data(), got > 0 ? static_cast<size_t>(got) : 0);
    pid = pid.substr(0, pid.find('\n'));
    return pid.empty() ? "" : fmt::format(" (process {})", pid);
}

/// Held as long as the descriptor is open, and let go of by the kernel however its process ends.
std::expected<int, std::string> take_lock(const std::string& directory) {
    const std::string path = directory + "/ledger.lock";
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return std::unexpected(fault(path, "cannot be written"));
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const std::string text =
            errno == EWOULDBLOCK
                ? fmt::format(
                      "state.directory: another Loom keeps its ledger in {}{}; stop it, or give this one a "
                      "directory of its own",
                      directory, holder_of(fd))
                : fault(path, "cannot be locked");
        ::close(fd);
        return std::unexpected(text);
    }
    const std::string pid = fmt::format("{}\n", ::getpid());
    if (::ftruncate(fd, 0) == 0) (void)write_all(fd, pid, 0);
    return fd;
}

}  // namespace

std::expected<void, int> write_all(int fd, std::string_view bytes, uint64_t offset) {
    while (!bytes.empty()) {
        const ssize_t wrote = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return std::unexpected(wrote == 0 ? EIO : errno);
        bytes.remove_prefix(static_cast<size_t>(wrote));
        offset += static_cast<uint64_t>(wrote);
    }
    return {};
}

std::string LedgerDirectory::database_path(const std::string& directory) { return directory + "/usage.db"; }
std::string LedgerDirectory::segments_path(const std::string& directory) { return directory + "/ledger"; }

std::expected<LedgerDirectory, std::string> LedgerDirectory::open(const std::string& directory, VaultPtr vault) {
    if (directory.empty()) return LedgerDirectory("", -1, {});
    if (auto made = make_directory(directory); !made) return std::unexpected(made.error());
    const auto lock = take_lock(directory);
    if (!lock) return std::unexpected(lock.error());
    LedgerDirectory opened(directory, *lock, std::move(vault));
    if (auto made = make_directory(segments_path(directory)); !made) return std::unexpected(made.error());
    return opened;
}

LedgerDirectory::LedgerDirectory(LedgerDirectory&& other) noexcept
    : directory_(std::move(other.directory_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)),
      vault_(std::move(other.vault_)) {}

LedgerDirectory::~LedgerDirectory() {
    if (lock_fd_ >= 0) ::close(lock_fd_);
}

std::expected<std::string, std::string> LedgerDirectory::database() {
    if (in_memory()) return ":memory:";
    const std::string path = database_path(directory_);
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return std::unexpected(fault(path, "cannot be written"));
    ::close(fd);
    return path;
}

std::expected<std::vector<SegmentName>, std::string> LedgerDirectory::segments() const {
    if (in_memory()) return std::vector<SegmentName>();
    return segments_in(directory_);
}

std::expected<std::vector<SegmentName>, std::string> LedgerDirectory::segments_in(const std::string& directory) {
    std::vector<SegmentName> names;
    const std::string path = segments_path(directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
    if (folder == nullptr) return std::unexpected(fault(path, "cannot be read"));
    while (const dirent* const entry = ::readdir(folder.get())) {
        std::string_view text = entry->d_name;
        if (text.ends_with(aside_suffix)) text.remove_suffix(aside_suffix.size());
        if (const auto name = parse_segment_file_name(text)) names.push_back(*name);
    }
    std::ranges::sort(names);
    names.erase(std::ranges::unique(names).begin(), names.end());
    return names;
}

std::string LedgerDirectory::path_of(const SegmentName& name) const {
    return fmt::format("{}/{}", segments_path(directory_), segment_file_name(name));
}

uint64_t LedgerDirectory::begin_bytes_of(const VaultPtr& vault) noexcept {
    if (vault == nullptr) return tenant::ledger_begin_bytes;
    return SegmentCipher::header_bytes + SegmentCipher::frame_bytes + tenant::ledger_begin_bytes;
}

std::expected<LedgerDirectory::Segment, int> LedgerDirectory::make_segment(const SegmentName& name, uint64_t time_us) {
    const int fd = in_memory() ? ::memfd_create("loom-ledger", MFD_CLOEXEC)
                               : ::open(path_of(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return std::unexpected(errno);
    Segment segment{.fd = fd, .cipher = nullptr};
    std::array<char, tenant::ledger_record_bytes_max> room;
    const size_t size = tenant::write_ledger_record(
        tenant::LedgerBegin{.epoch = name.epoch, .shard = name.shard, .number = name.number, .time_us = time_us}, room);
    std::string bytes(room.data(), size);
    if (vault_ != nullptr) {
        SegmentCipher::Made made = SegmentCipher::make(*vault_, name);
        bytes = made.header + sealed_record(*made.cipher, bytes, made.header.size());
        segment.cipher = std::move(made.cipher);
    }
    auto written = write_all(fd, bytes, 0);
    if (written && !in_memory() && ::fsync(fd) != 0) written = std::unexpected(errno);
    if (!written) {
        ::close(fd);
        if (!in_memory()) ::unlink(path_of(name).c_str());
        return std::unexpected(written.error());
    }
    sync_entries();
    return segment;
}

SegmentForm form_of_segment(int fd, const SegmentName& name, const VaultPtr& vault) {
    SegmentForm form;
    if (vault == nullptr) return form;
    std::array<char, SegmentCipher::header_bytes> front;
    const ssize_t got = ::pread(fd, front.data(), front.size(), 0);
    if (got > 0) form.cipher = SegmentCipher::read(*vault, name, {front.data(), static_cast<size_t>(got)});
    form.readable = form.cipher != nullptr;
    return form;
}

std::expected<int, int> LedgerDirectory::open_segment(const SegmentName& name) const {
    constexpr int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    const std::string path = path_of(name);
    int fd = ::open(path.c_str(), flags);
    if (fd < 0 && errno == ENOENT) fd = ::open(aside(path).c_str(), flags);
    if (fd < 0) return std::unexpected(errno);
    return fd;
}

void LedgerDirectory::set_aside(const SegmentName& name) const {
    const std::string path = path_of(name);
    ::rename(path.c_str(), aside(path).c_str());
    sync_entries();
}

bool LedgerDirectory::is_aside(const SegmentName& name) const {
    struct stat found{};
    return ::lstat(path_of(name).c_str(), &found) != 0;
}

void LedgerDirectory::remove(const SegmentName& name) const {
    if (!in_memory()) ::unlink(path_of(name).c_str());
}

std::optional<int64_t> LedgerDirectory::last_write_s(const SegmentName& name) const {
    struct stat found{};
    if (::stat(path_of(name).c_str(), &found) != 0) return std::nullopt;
    return found.st_mtim.tv_sec;
}

/// By writing, since what is free may be kept for others, or is beyond a quota.
bool LedgerDirectory::is_full() const {
    if (in_memory()) return false;
    const std::string path = directory_ + "/ledger.room";
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return errno == ENOSPC || errno == EDQUOT;
    auto written = write_all(fd, std::string(room_bytes, '\0'), 0);
    if (written && ::fsync(fd) != 0) written = std::unexpected(errno);
    ::close(fd);
    ::unlink(path.c_str());
    return !written && (written.error() == ENOSPC || written.error() == EDQUOT);
}

void LedgerDirectory::sync_entries() const {
    if (in_memory()) return;
    const int folder = ::open(segments_path(directory_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    ::fsync(folder);
    ::close(folder);
}

}  // namespace loom::store
