// From a plain state.directory to an encrypted one and back, and from one key to another.
//
// Everything is written anew into `migration` in the directory, synced, and checked; a file `commit` there says that it
// is whole. Until then the directory is as it was, from then on nothing but renames is left to do, which whoever comes
// next finishes, without a key. So it may be killed at any moment. It needs room for a second copy.
//
// Records of the log, sums and the places up to which they were folded stay. Bytes of a segment that are no records are
// left behind, as they could be anything in plain text.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

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
        finished,  // what an interrupted one was asked for, whatever this one is
    };
    Done done = Done::nothing;
    uint64_t databases = 0;
    uint64_t segments = 0;
    uint64_t records = 0;
    uint64_t damaged_bytes = 0;  // that were left behind
};

/// No Loom may use the directory. Blocks on the disk.
/// Errors  a text that names the file and a remedy; the directory is as it was, but for write-ahead logs that are in
///         their databases now.
[[nodiscard]] std::expected<MigrationReport, std::string> migrate_state(const StateMigration& asked);

}  // namespace loom::store
