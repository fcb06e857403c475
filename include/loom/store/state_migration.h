// From a plain state.directory to an encrypted one and back, and from one key to another.
//
// Everything is written anew into `migration` in the directory, synced, and checked; a file `commit` there says that it
// is whole. Until then the directory is as it was, from then on nothing but renames is left to do, which whoever comes
// next finishes, without a key, and then does what it was asked for itself. So it may be killed at any moment. It needs
// room for a second copy.
//
// Records of the log, sums and the places up to which they were folded stay. Bytes of a segment that are no records are
// left behind, as they could be anything in plain text. Files belong to whom they belonged before. Loom's own alone are
// looked at.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "loom/store/vault.h"

namespace loom::store {

struct StateMigration {
    std::string directory;
    const StateKey* from = nullptr;                     // that encrypted files have now; null: all are plain
    const StateKey* to = nullptr;                       // that they are to have; null: plain
    std::function<void(const std::string& what)> step;  // before each thing that it does to the disk
};

struct MigrationReport {
    enum class Done : uint8_t {
        nothing,   // all was as it is to be
        migrated,  // what was asked for
    };
    Done done = Done::nothing;
    bool former_finished = false;  // first, what an interrupted one had been asked for
    uint64_t databases = 0;
    uint64_t segments = 0;
    uint64_t records = 0;
    uint64_t damaged_bytes = 0;     // that were left behind
    std::vector<std::string> left;  // segments that a start has set aside and this key does not read: as they were
};

/// No Loom may use the directory. Blocks on the disk.
/// Errors  a text that names the file and a remedy, and whether an interrupted one was finished before; the directory
/// is
///         as it was, but for that, and for write-ahead logs that are in their databases now.
[[nodiscard]] std::expected<MigrationReport, std::string> migrate_state(const StateMigration& asked);

}  // namespace loom::store
