// The files of a state.directory, and which of them are encrypted: by what they begin with, without a key.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ledger_segment.h"

namespace loom::store {

inline constexpr std::string_view encryption_marker = "encryption";
/// Where who changes the encryption builds what comes, and what says that it is complete.
inline constexpr std::string_view migration_folder = "migration";
inline constexpr std::string_view migration_commit = "commit";

struct StateFile {
    enum class Form : uint8_t {
        empty,
        plain,
        sealed,
        unknown,     // of a segment: damaged where it would show
        unreadable,  // by this process
    };
    std::string name;                    // within the directory: "usage.db", "ledger/7-0-12.log"
    std::optional<SegmentName> segment;  // nothing: it is a database
    Form form = Form::empty;
    bool aside = false;  // a segment that a start has renamed to .corrupt
};

/// Loom's databases and segments, also those set aside; none where the directory is not there. No database of the list
/// may be open in this process: closing a file lets go of all locks on it. Errors  a text: what cannot be read.
[[nodiscard]] std::expected<std::vector<StateFile>, std::string> state_files(const std::string& directory);

/// What the cache has left there, with what was set aside or is half written.
[[nodiscard]] std::vector<std::string> snapshot_files(const std::string& directory);

/// The whole of a small file; nothing where it is not there.
/// Errors  an errno: it may be there.
[[nodiscard]] std::expected<std::optional<std::string>, int> read_small_file(const std::string& path);

/// All of it is on the disk under this name, or nothing. 0600.
/// Errors  an errno.
[[nodiscard]] std::expected<void, int> write_file_whole(const std::string& path, std::string_view bytes);

/// What was renamed or removed in it stays so through a power cut.
/// Errors  an errno.
std::expected<void, int> sync_folder(const std::string& path);

}  // namespace loom::store
