#include "state_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "ledger_directory.h"
#include "segment_cipher.h"

namespace loom::store {
namespace {

using Form = StateFile::Form;

// One that was set aside is as secret as it was.
constexpr std::array<const char*, 6> databases = {"anomaly.db", "anomaly.db.corrupt", "identity.db",
                                                  "keys.db",    "resources.db",       "usage.db"};
constexpr std::string_view sqlite_magic{"SQLite format 3\0", 16};
constexpr size_t front_bytes = 256;
static_assert(front_bytes >= SegmentCipher::header_bytes && front_bytes >= tenant::ledger_begin_bytes);
constexpr size_t small_bytes = 64 * 1024;

bool is_absent(int error) noexcept { return error == ENOENT || error == ENOTDIR; }

/// The first bytes; nothing where there is no such file.
/// Errors  an errno.
std::expected<std::optional<std::string>, int> front_of(const std::string& path, size_t most) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && is_absent(errno)) return std::nullopt;
    if (fd < 0) return std::unexpected(errno);
    std::string bytes(most, '\0');
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), 0);
    const int fault = errno;
    ::close(fd);
    if (got < 0) return std::unexpected(fault);
    bytes.resize(static_cast<size_t>(got));
    return bytes;
}

Form form_of_database(std::string_view front) {
    if (front.empty()) return Form::empty;
    return front.starts_with(sqlite_magic) ? Form::plain : Form::sealed;
}

Form form_of_segment(std::string_view front) {
    if (front.empty()) return Form::empty;
    if (SegmentCipher::looks_sealed(front)) return Form::sealed;
    const tenant::LedgerRead first = tenant::read_ledger_record(front);
    return first.state == tenant::LedgerRead::State::whole ? Form::plain : Form::unknown;
}

std::expected<std::vector<std::string>, int> names_in(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), &::closedir);
    if (folder == nullptr) return std::unexpected(errno);
    std::vector<std::string> names;
    while (const dirent* const entry = ::readdir(folder.get())) names.emplace_back(entry->d_name);
    std::ranges::sort(names);
    return names;
}

}  // namespace

std::expected<std::vector<StateFile>, std::string> state_files(const std::string& directory) {
    std::vector<StateFile> files;
    const auto add = [&](StateFile file) {
        const auto front = front_of(directory + "/" + file.name, front_bytes);
        if (front && !*front) return;
        if (!front)
            file.form = Form::unreadable;
        else
            file.form = file.segment ? form_of_segment(**front) : form_of_database(**front);
        files.push_back(std::move(file));
    };
    for (const char* const name : databases) add({.name = name, .segment = std::nullopt});
    const std::string ledger = LedgerDirectory::segments_path(directory);
    const auto segments = names_in(ledger);
    if (!segments && is_absent(segments.error())) return files;
    if (!segments)
        return std::unexpected(
            fmt::format("state.directory: {} cannot be read: {}", ledger, std::strerror(segments.error())));
    for (const std::string& name : *segments) {
        std::string_view plain_name = name;
        const bool aside = plain_name.ends_with(".corrupt");
        if (aside) plain_name.remove_suffix(std::strlen(".corrupt"));
        const auto segment = parse_segment_file_name(plain_name);
        if (segment) add({.name = "ledger/" + name, .segment = segment, .aside = aside});
    }
    return files;
}

std::vector<std::string> snapshot_files(const std::string& directory) {
    std::vector<std::string> names;
    for (const char* const name : {"exact", "semantic"})
        for (const char* const end : {"", ".new", ".refused"}) {
            std::string file = fmt::format("cache/{}.snapshot{}", name, end);
            if (::access(fmt::format("{}/{}", directory, file).c_str(), F_OK) == 0) names.push_back(std::move(file));
        }
    return names;
}

std::expected<std::optional<std::string>, int> read_small_file(const std::string& path) {
    return front_of(path, small_bytes);
}

std::expected<void, int> write_file_whole(const std::string& path, std::string_view bytes) {
    const std::string beside = path + ".new";
    const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return std::unexpected(errno);
    auto written = write_all(fd, bytes, 0);
    if (written && ::fsync(fd) != 0) written = std::unexpected(errno);
    ::close(fd);
    if (written && ::rename(beside.c_str(), path.c_str()) != 0) written = std::unexpected(errno);
    if (!written) {
        ::unlink(beside.c_str());
        return written;
    }
    (void)sync_folder(path.substr(0, path.rfind('/')));
    return {};
}

std::expected<void, int> sync_folder(const std::string& path) {
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return std::unexpected(errno);
    const int error = ::fsync(folder) == 0 ? 0 : errno;
    ::close(folder);
    return error == 0 ? std::expected<void, int>() : std::unexpected(error);
}

}  // namespace loom::store
