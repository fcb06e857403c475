#include "encrypted_vfs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <new>
#include <string_view>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/store/vault.h"

namespace loom::store {
namespace {

constexpr int64_t unit_bytes = EncryptedVfs::unit_bytes;
constexpr int64_t block_bytes = Aes256Xts::block_bytes;
constexpr int64_t scratch_bytes = 16 * 1024;
static_assert(scratch_bytes % unit_bytes == 0);

int64_t down(int64_t offset, int64_t to) noexcept { return offset / to * to; }
int64_t up(int64_t offset, int64_t to) noexcept { return down(offset + to - 1, to); }

/// What SQLite knows as its file: ours, and behind it in the same memory the one below.
struct EncryptedFile {
    sqlite3_file base;
    sqlite3_file* below;
    Aes256Xts* cipher;
    bool is_log;  // a write-ahead log, which one process reads while another writes
};

EncryptedFile& of(sqlite3_file* file) noexcept { return *reinterpret_cast<EncryptedFile*>(file); }

int read_below(EncryptedFile& file, std::span<uint8_t> into, int64_t at) noexcept {
    return file.below->pMethods->xRead(file.below, into.data(), static_cast<int>(into.size()), at);
}

/// A log's frame may end in the block in which the next one begins, whose writing changes all of the block: who reads
/// meanwhile must not get half of it.
int read_settled(EncryptedFile& file, std::span<uint8_t> into, int64_t at) noexcept {
    constexpr int tries_max = 100;
    std::array<uint8_t, scratch_bytes> again;
    int read = read_below(file, into, at);
    for (int i = 0; read == SQLITE_OK && i < tries_max; ++i) {
        const auto second = std::span(again).first(into.size());
        read = read_below(file, second, at);
        if (read != SQLITE_OK || std::ranges::equal(into, second)) return read;
        std::ranges::copy(second, into.begin());
    }
    return read == SQLITE_OK ? SQLITE_IOERR_READ : read;
}

/// Whole blocks from `at` on, which begin a data unit, of a file that has them; scratch_bytes at most.
int read_blocks(EncryptedFile& file, std::span<uint8_t> into, int64_t at) noexcept {
    const int read = file.is_log ? read_settled(file, into, at) : read_below(file, into, at);
    if (read != SQLITE_OK) return read;
    for (size_t done = 0; done < into.size(); done += static_cast<size_t>(unit_bytes)) {
        const auto unit = into.subspan(done, std::min<size_t>(unit_bytes, into.size() - done));
        file.cipher->decrypt(unit, static_cast<uint64_t>(at + static_cast<int64_t>(done)) / unit_bytes);
    }
    return SQLITE_OK;
}

/// `bytes`, which begin a data unit at `at`, but for the first `skipped`, which are as they are in the file.
int write_blocks(EncryptedFile& file, std::span<uint8_t> bytes, int64_t at, int64_t skipped) noexcept {
    for (size_t done = 0; done < bytes.size(); done += static_cast<size_t>(unit_bytes)) {
        const auto unit = bytes.subspan(done, std::min<size_t>(unit_bytes, bytes.size() - done));
        file.cipher->encrypt(unit, static_cast<uint64_t>(at + static_cast<int64_t>(done)) / unit_bytes);
    }
    const auto rest = bytes.subspan(static_cast<size_t>(skipped));
    return file.below->pMethods->xWrite(file.below, rest.data(), static_cast<int>(rest.size()), at + skipped);
}

/// A part that fits the scratch: the units around it are read as far as they are there, and its blocks written.
int write_part(EncryptedFile& file, const uint8_t* from, int64_t bytes, int64_t offset, int64_t size) noexcept {
    std::array<uint8_t, scratch_bytes + 2 * unit_bytes> scratch;
    const int64_t begin = down(offset, unit_bytes);
    const int64_t end = up(offset + bytes, block_bytes);
    const auto window = std::span(scratch).first(static_cast<size_t>(end - begin));
    std::ranges::fill(window, uint8_t{0});
    const int64_t last_unit = std::max(begin, down(end - 1, unit_bytes));
    const auto keep = [&](int64_t unit) -> int {  // what a unit holds beside what is written
        const int64_t there = std::min({unit + unit_bytes, end, size}) - unit;
        if (there <= 0) return SQLITE_OK;
        return read_blocks(file, window.subspan(static_cast<size_t>(unit - begin), static_cast<size_t>(there)), unit);
    };
    if (begin < offset || offset + bytes < end)
        if (const int kept = keep(begin); kept != SQLITE_OK) return kept;
    if (last_unit != begin && offset + bytes < end)
        if (const int kept = keep(last_unit); kept != SQLITE_OK) return kept;
    std::memcpy(window.data() + (offset - begin), from, static_cast<size_t>(bytes));
    const int written = write_blocks(file, window, begin, down(offset, block_bytes) - begin);
    secure_wipe(window);
    return written;
}

int write_parts(EncryptedFile& file, const uint8_t* from, int64_t bytes, int64_t offset, int64_t size) noexcept {
    while (bytes > 0) {
        const int64_t part = std::min(bytes, scratch_bytes - offset % unit_bytes);
        if (const int written = write_part(file, from, part, offset, size); written != SQLITE_OK) return written;
        from += part;
        offset += part;
        bytes -= part;
        size = std::max(size, up(offset, block_bytes));
    }
    return SQLITE_OK;
}

int size_of(EncryptedFile& file, int64_t& size) noexcept {
    sqlite3_int64 found = 0;
    const int asked = file.below->pMethods->xFileSize(file.below, &found);
    size = down(found, block_bytes);  // of a write that was cut off there is no more
    return asked;
}

/// A hole is read as zeros, which must be written here.
int fill_up_to(EncryptedFile& file, int64_t end, int64_t size) noexcept {
    static constexpr std::array<uint8_t, 4096> zeros{};
    while (size < end) {
        const int64_t part = std::min<int64_t>(end - size, zeros.size());
        if (const int written = write_parts(file, zeros.data(), part, size, size); written != SQLITE_OK) return written;
        size = up(size + part, block_bytes);
    }
    return SQLITE_OK;
}

int close_file(sqlite3_file* base) {
    EncryptedFile& file = of(base);
    const int closed = file.below->pMethods->xClose(file.below);
    delete file.cipher;
    file.cipher = nullptr;
    return closed;
}

int read_file(sqlite3_file* base, void* into, int bytes, sqlite3_int64 at) {
    EncryptedFile& file = of(base);
    const int64_t offset = at;
    auto* out = static_cast<uint8_t*>(into);
    int64_t size = 0;
    if (const int asked = size_of(file, size); asked != SQLITE_OK) return asked;
    const int64_t there = std::clamp<int64_t>(size - offset, 0, bytes);
    std::memset(out + there, 0, static_cast<size_t>(bytes - there));
    std::array<uint8_t, scratch_bytes> scratch;
    for (int64_t done = 0; done < there;) {
        const int64_t begin = down(offset + done, unit_bytes);
        const int64_t end = std::min({up(offset + there, block_bytes), begin + scratch_bytes, size});
        const auto window = std::span(scratch).first(static_cast<size_t>(end - begin));
        if (const int read = read_blocks(file, window, begin); read != SQLITE_OK) return read;
        const int64_t part = std::min(end - (offset + done), there - done);
        std::memcpy(out + done, window.data() + (offset + done - begin), static_cast<size_t>(part));
        done += part;
    }
    secure_wipe(scratch);
    return there < bytes ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

int write_file(sqlite3_file* base, const void* from, int bytes, sqlite3_int64 offset) {
    EncryptedFile& file = of(base);
    int64_t size = 0;
    if (const int asked = size_of(file, size); asked != SQLITE_OK) return asked;
    if (const int filled = fill_up_to(file, offset, size); filled != SQLITE_OK) return filled;
    return write_parts(file, static_cast<const uint8_t*>(from), bytes, offset, std::max(size, up(offset, block_bytes)));
}

int truncate_file(sqlite3_file* base, sqlite3_int64 end) {
    EncryptedFile& file = of(base);
    int64_t size = 0;
    if (const int asked = size_of(file, size); asked != SQLITE_OK) return asked;
    if (size < end) return fill_up_to(file, end, size);
    static constexpr std::array<uint8_t, block_bytes> zeros{};
    const int64_t behind = up(end, block_bytes) - end;  // in its last block
    if (behind > 0)
        if (const int written = write_parts(file, zeros.data(), behind, end, size); written != SQLITE_OK)
            return written;
    return file.below->pMethods->xTruncate(file.below, up(end, block_bytes));
}

int sync_file(sqlite3_file* base, int flags) { return of(base).below->pMethods->xSync(of(base).below, flags); }

int file_size(sqlite3_file* base, sqlite3_int64* size) {
    int64_t found = 0;
    const int asked = size_of(of(base), found);
    *size = found;
    return asked;
}

int lock_file(sqlite3_file* base, int level) { return of(base).below->pMethods->xLock(of(base).below, level); }
int unlock_file(sqlite3_file* base, int level) { return of(base).below->pMethods->xUnlock(of(base).below, level); }
int check_reserved_lock(sqlite3_file* base, int* held) {
    return of(base).below->pMethods->xCheckReservedLock(of(base).below, held);
}

int control_file(sqlite3_file* base, int what, void* argument) {
    switch (what) {
        case SQLITE_FCNTL_POWERSAFE_OVERWRITE: *static_cast<int*>(argument) = 0; return SQLITE_OK;
        case SQLITE_FCNTL_SIZE_HINT:     // would make it longer by bytes that nobody has encrypted
        case SQLITE_FCNTL_CHUNK_SIZE:    // likewise
        case SQLITE_FCNTL_MMAP_SIZE:     // would read what is encrypted
        case SQLITE_FCNTL_FILE_POINTER:  // likewise
        case SQLITE_FCNTL_BEGIN_ATOMIC_WRITE: return SQLITE_NOTFOUND;
        default: return of(base).below->pMethods->xFileControl(of(base).below, what, argument);
    }
}

int sector_size(sqlite3_file* base) {
    return std::max(static_cast<int>(unit_bytes), of(base).below->pMethods->xSectorSize(of(base).below));
}
int device_characteristics(sqlite3_file* base) {
    const int below = of(base).below->pMethods->xDeviceCharacteristics(of(base).below);
    return below & (SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | SQLITE_IOCAP_IMMUTABLE);
}

int shm_map(sqlite3_file* base, int page, int bytes, int extend, void volatile** at) {
    return of(base).below->pMethods->xShmMap(of(base).below, page, bytes, extend, at);
}
int shm_lock(sqlite3_file* base, int offset, int count, int flags) {
    return of(base).below->pMethods->xShmLock(of(base).below, offset, count, flags);
}
void shm_barrier(sqlite3_file* base) { of(base).below->pMethods->xShmBarrier(of(base).below); }
int shm_unmap(sqlite3_file* base, int remove) { return of(base).below->pMethods->xShmUnmap(of(base).below, remove); }

/// Version 2: locks of a write-ahead log, and no pages that are mapped.
constexpr sqlite3_io_methods methods = {.iVersion = 2,
                                        .xClose = close_file,
                                        .xRead = read_file,
                                        .xWrite = write_file,
                                        .xTruncate = truncate_file,
                                        .xSync = sync_file,
                                        .xFileSize = file_size,
                                        .xLock = lock_file,
                                        .xUnlock = unlock_file,
                                        .xCheckReservedLock = check_reserved_lock,
                                        .xFileControl = control_file,
                                        .xSectorSize = sector_size,
                                        .xDeviceCharacteristics = device_characteristics,
                                        .xShmMap = shm_map,
                                        .xShmLock = shm_lock,
                                        .xShmBarrier = shm_barrier,
                                        .xShmUnmap = shm_unmap,
                                        .xFetch = nullptr,
                                        .xUnfetch = nullptr};

sqlite3_vfs* default_vfs() noexcept {
    sqlite3_vfs* const vfs = sqlite3_vfs_find("unix");
    LOOM_ASSERT(vfs != nullptr);
    return vfs;
}

/// The file's own; of one without a name, which nobody opens again, a random one.
CipherKey<64> key_of(const Vault& vault, const char* path) {
    CipherKey<64> key;
    if (path == nullptr) {
        random_bytes(key.value);
        return key;
    }
    std::string_view name = path;
    name.remove_prefix(name.rfind('/') + 1);
    vault.derive(fmt::format("database {}", name), {}, key.value);
    return key;
}

}  // namespace

EncryptedVfs::EncryptedVfs(const Vault& vault) : vault_(vault) {
    static std::atomic<uint64_t> count{0};
    name_ = fmt::format("loom-encrypted-{}", ++count);
    vfs_ = *default_vfs();  // its names, times and randomness
    vfs_.iVersion = 2;      // system calls are the default's to replace
    vfs_.szOsFile = static_cast<int>(sizeof(EncryptedFile)) + default_vfs()->szOsFile;
    vfs_.pNext = nullptr;
    vfs_.zName = name_.c_str();
    vfs_.pAppData = this;
    vfs_.xOpen = &EncryptedVfs::open;
    vfs_.xDelete = [](sqlite3_vfs*, const char* path, int sync) {
        return default_vfs()->xDelete(default_vfs(), path, sync);
    };
    vfs_.xAccess = [](sqlite3_vfs*, const char* path, int flags, int* result) {
        return default_vfs()->xAccess(default_vfs(), path, flags, result);
    };
    vfs_.xFullPathname = [](sqlite3_vfs*, const char* path, int bytes, char* out) {
        return default_vfs()->xFullPathname(default_vfs(), path, bytes, out);
    };
    const int registered = sqlite3_vfs_register(&vfs_, 0);
    LOOM_ASSERT(registered == SQLITE_OK);
}

EncryptedVfs::~EncryptedVfs() { sqlite3_vfs_unregister(&vfs_); }

int EncryptedVfs::open(sqlite3_vfs* vfs, const char* path, sqlite3_file* base, int flags, int* flags_out) {
    EncryptedFile& file = of(base);
    file.base.pMethods = nullptr;  // SQLite closes no file that has none
    file.below = reinterpret_cast<sqlite3_file*>(&file + 1);
    file.cipher = nullptr;
    const int opened = default_vfs()->xOpen(default_vfs(), path, file.below, flags, flags_out);
    if (opened != SQLITE_OK) {
        if (file.below->pMethods != nullptr) file.below->pMethods->xClose(file.below);
        return opened;
    }
    file.cipher = new Aes256Xts(key_of(static_cast<EncryptedVfs*>(vfs->pAppData)->vault_, path));
    file.is_log = (flags & SQLITE_OPEN_WAL) != 0;
    file.base.pMethods = &methods;
    return SQLITE_OK;
}

}  // namespace loom::store
