// SQLite's files, encrypted: a file system over the default one, for databases, journals and write-ahead logs.
//
// XTS-AES-256 in data units of 512 bytes, whose number is their place, under keys of each file's own. A file is as long
// as SQLite made it, rounded up to blocks of 16 bytes (a log's odd end; behind it zeros are read, which SQLite takes
// for no frame). What is written is written with the rest of the blocks that it begins and ends in; nothing else of a
// file changes. So a torn write may damage up to 15 bytes beside it, and this file system promises less than the disk
// does: no atomic writes, no safe appends, and none that leave their neighbours alone (POWERSAFE_OVERWRITE), whereupon
// SQLite pads each transaction of a write-ahead log to a sector of its own, and is as safe against a kill or a power
// cut as on such a disk.
//
// Against whom: who has the files and not the key reads nothing. XTS has no integrity: who can write to the disk can
// put garbage in a block's place, or what was there before, which SQLite finds by its checksums in a log and by its own
// structure in a database, or not at all. Who sees a file at two times sees which blocks of it have changed. -shm
// files, which hold page numbers and no content, are as they were. No page is ever mapped into memory.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>

#include "loom/base/cipher.h"

namespace loom::store {

class Vault;

class EncryptedVfs {
  public:
    /// Registered under a name of its own as long as it lives; `vault` outlives it.
    explicit EncryptedVfs(const Vault& vault);
    EncryptedVfs(const EncryptedVfs&) = delete;
    /// No database that was opened with it is open.
    ~EncryptedVfs();

    [[nodiscard]] const char* name() const noexcept { return name_.c_str(); }

    static constexpr size_t unit_bytes = 512;

  private:
    static int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out);

    const Vault& vault_;
    std::string name_;
    sqlite3_vfs vfs_{};
};

}  // namespace loom::store
