#include "database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "loom/base/assert.h"
#include "loom/base/result.h"

namespace loom::store {
namespace {

constexpr int busy_wait_ms = 2'000;  // for another process on the same file: one that drains while its successor starts

std::unexpected<DatabaseFault> fault_of(sqlite3* database) {
    return std::unexpected(DatabaseFault{sqlite3_errcode(database), sqlite3_errmsg(database)});
}

// https://www.sqlite.org/fileformat2.html, 1.3.1, 3 and 4.1
constexpr std::string_view database_magic{"SQLite format 3\0", 16};
constexpr std::string_view journal_magic{"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", 8};
constexpr std::array<std::string_view, 2> log_magic = {std::string_view("\x37\x7f\x06\x82\x00\x2d\xe2\x18", 8),
                                                       std::string_view("\x37\x7f\x06\x83\x00\x2d\xe2\x18", 8)};

/// Of a file of a database, as its file system tells it; nothing of one that is not there.
DatabaseResult<std::string> front_of(sqlite3_file* file) {
    std::string front(database_magic.size(), '\0');
    const int read = file->pMethods->xRead(file, front.data(), static_cast<int>(front.size()), 0);
    if (read == SQLITE_OK || read == SQLITE_IOERR_SHORT_READ) return front;
    return std::unexpected(DatabaseFault{read & 0xff, sqlite3_errstr(read)});
}
std::string front_of(sqlite3* database, const char* path, int kind) {
    sqlite3_vfs* vfs = nullptr;
    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_VFS_POINTER, static_cast<void*>(&vfs)) != SQLITE_OK)
        return "";
    std::vector<std::max_align_t> memory(static_cast<size_t>(vfs->szOsFile) / sizeof(std::max_align_t) + 1);
    auto* const file = reinterpret_cast<sqlite3_file*>(memory.data());
    int flags = 0;
    if (vfs->xOpen(vfs, path, file, kind | SQLITE_OPEN_READONLY, &flags) != SQLITE_OK) return "";
    const auto front = front_of(file);
    file->pMethods->xClose(file);
    return front ? *front : "";
}

/// Before SQLite has looked at anything: it takes a log or journal that it cannot read for an empty one, and removes
/// it. One that can be read makes a database good whose first page a power cut has kept from the disk.
DatabaseResult<void> check_front(sqlite3* database, bool encrypted) {
    sqlite3_file* file = nullptr;
    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, static_cast<void*>(&file)) != SQLITE_OK ||
        file == nullptr || file->pMethods == nullptr)
        return {};  // in memory
    sqlite3_int64 size = 0;
    if (const int asked = file->pMethods->xFileSize(file, &size); asked != SQLITE_OK)
        return std::unexpected(DatabaseFault{asked & 0xff, sqlite3_errstr(asked)});
    if (size == 0 || LOOM_TRY(front_of(file)) == database_magic) return {};
    const char* const path = sqlite3_db_filename(database, "main");
    if (front_of(database, sqlite3_filename_journal(path), SQLITE_OPEN_MAIN_JOURNAL).starts_with(journal_magic))
        return {};
    const std::string log = front_of(database, sqlite3_filename_wal(path), SQLITE_OPEN_WAL);
    if (log.starts_with(log_magic[0]) || log.starts_with(log_magic[1])) return {};
    return std::unexpected(DatabaseFault{SQLITE_NOTADB, encrypted ? "file is not a database, or has another key"
                                                                  : "file is not a database, or encrypted"});
}

}  // namespace

Statement& Statement::bind(int at, std::string_view text) {
    const int bound = sqlite3_bind_text64(handle_.get(), at, text.data() == nullptr ? "" : text.data(), text.size(),
                                          SQLITE_STATIC, SQLITE_UTF8);
    LOOM_ASSERT(bound == SQLITE_OK);
    return *this;
}

Statement& Statement::bind(int at, int64_t number) {
    const int bound = sqlite3_bind_int64(handle_.get(), at, number);
    LOOM_ASSERT(bound == SQLITE_OK);
    return *this;
}

DatabaseResult<bool> Statement::step() {
    const int stepped = sqlite3_step(handle_.get());
    if (stepped == SQLITE_ROW) return true;
    if (stepped == SQLITE_DONE) return false;
    auto fault = fault_of(database_);
    reset();
    return fault;
}

DatabaseResult<void> Statement::run() {
    for (;;) {
        const auto row = step();
        if (!row) return std::unexpected(row.error());
        if (*row) continue;
        reset();
        return {};
    }
}

void Statement::reset() noexcept {
    sqlite3_reset(handle_.get());
    sqlite3_clear_bindings(handle_.get());
}

std::string_view Statement::text(int column) const noexcept {
    const auto* const bytes = reinterpret_cast<const char*>(sqlite3_column_text(handle_.get(), column));
    if (bytes == nullptr) return {};
    return {bytes, static_cast<size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

int64_t Statement::number(int column) const noexcept { return sqlite3_column_int64(handle_.get(), column); }

DatabaseResult<Database> Database::open(const std::string& path, VaultPtr vault) {
    return open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, std::move(vault));
}

DatabaseResult<Database> Database::open_to_read(const std::string& path, VaultPtr vault) {
    return open(path, SQLITE_OPEN_READONLY, std::move(vault));
}

DatabaseResult<Database> Database::open(const std::string& path, int flags, VaultPtr vault) {
    Database database;
    sqlite3* handle = nullptr;
    const char* const vfs = vault == nullptr ? nullptr : vault->vfs_name();
    database.vault_ = std::move(vault);
    const int opened = sqlite3_open_v2(path.c_str(), &handle, flags | SQLITE_OPEN_NOMUTEX, vfs);
    database.handle_.reset(handle);  // also where it failed: its words are in there
    if (handle == nullptr) return std::unexpected(DatabaseFault{SQLITE_NOMEM, "no memory"});
    if (opened != SQLITE_OK) return fault_of(handle);
    LOOM_TRY(check_front(handle, vfs != nullptr));
    sqlite3_busy_timeout(handle, busy_wait_ms);
    if (vfs != nullptr) LOOM_TRY(database.run("PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0"));
    return database;
}

DatabaseResult<void> Database::copy_of(Database& other) {
    sqlite3_backup* const copy = sqlite3_backup_init(handle_.get(), "main", other.handle_.get(), "main");
    if (copy == nullptr) return fault_of(handle_.get());
    const int stepped = sqlite3_backup_step(copy, -1);
    const int finished = sqlite3_backup_finish(copy);
    if (stepped == SQLITE_DONE && finished == SQLITE_OK) return {};
    const int code = stepped == SQLITE_DONE ? finished : stepped;
    return std::unexpected(DatabaseFault{code & 0xff, sqlite3_errstr(code)});
}

DatabaseResult<void> Database::take_schema(const char* schema, int64_t version) {
    const int64_t present = LOOM_TRY(number("PRAGMA user_version"));
    const int64_t owner = LOOM_TRY(number("PRAGMA application_id"));
    if (present == 0 && LOOM_TRY(number("SELECT count(*) FROM sqlite_schema")) == 0) {
        LOOM_TRY(run("BEGIN IMMEDIATE"));
        auto made = run(schema);
        if (made) made = run("COMMIT");
        if (!made) (void)run("ROLLBACK");
        return made;
    }
    if (owner != database_owner)
        return std::unexpected(
            DatabaseFault{SQLITE_MISMATCH, "is a database of another program; name another directory"});
    if (present != version)
        return std::unexpected(DatabaseFault{
            SQLITE_MISMATCH, fmt::format("has version {} and this Loom reads version {}; start the Loom that wrote it",
                                         present, version)});
    return {};
}

DatabaseResult<void> Database::keep_safe() {
    return run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216");
}

DatabaseResult<void> Database::run(const char* sql) {
    if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fault_of(handle_.get());
    return {};
}

DatabaseResult<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* handle = nullptr;
    const int prepared = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                            SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    if (prepared != SQLITE_OK) return fault_of(handle_.get());
    Statement statement;
    statement.handle_.reset(handle);
    statement.database_ = handle_.get();
    return statement;
}

DatabaseResult<int64_t> Database::number(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    const auto row = statement->step();
    if (!row) return std::unexpected(row.error());
    return *row ? statement->number(0) : 0;
}

DatabaseResult<std::string> Database::text(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) return std::unexpected(statement.error());
    const auto row = statement->step();
    if (!row) return std::unexpected(row.error());
    return *row ? std::string(statement->text(0)) : std::string();
}

uint64_t Database::changes() const noexcept { return static_cast<uint64_t>(sqlite3_changes64(handle_.get())); }

bool Database::in_transaction() const noexcept { return sqlite3_get_autocommit(handle_.get()) == 0; }

/// SQLite has an I/O error where there is no room for the memory that processes share.
std::string room_remedy(const std::string& path, const DatabaseFault& fault) {
    constexpr uint64_t shared_bytes = 32 * 1024;
    struct statvfs disk{};
    const bool no_room = fault.code == SQLITE_IOERR && ::statvfs(path.c_str(), &disk) == 0 &&
                         uint64_t{disk.f_bavail} * disk.f_frsize < 2 * shared_bytes;
    return fault.code == SQLITE_FULL || no_room ? "; its disk is full: make room there" : "";
}

std::string make_database_file(const std::string& directory, const std::string& path) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
        return fmt::format("state.directory: {} cannot be made: {}", directory, std::strerror(errno));
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return fmt::format("state.directory: {} cannot be written: {}", path, std::strerror(errno));
    ::fsync(fd);
    ::close(fd);
    const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {  // the new entry outlives a power cut
        ::fsync(folder);
        ::close(folder);
    }
    return "";
}

}  // namespace loom::store
