// The one door to SQLite: a connection and its prepared statements. For one thread at a time.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "loom/store/vault.h"

namespace loom::store {

/// Something that SQLite refused, in its words.
struct DatabaseFault {
    int code = SQLITE_OK;  // primary
    std::string text;
    [[nodiscard]] bool damaged() const noexcept { return code == SQLITE_CORRUPT || code == SQLITE_NOTADB; }
};

template <class T>
using DatabaseResult = std::expected<T, DatabaseFault>;

class Database;

/// A prepared statement, used again and again: bind, step until done, reset.
class Statement {
  public:
    Statement() = default;
    Statement& bind(int at, std::string_view text);  // borrowed until the next reset
    Statement& bind(int at, int64_t number);
    /// True for a row, false at the end.
    [[nodiscard]] DatabaseResult<bool> step();
    /// For a statement without rows: steps to its end and resets.
    [[nodiscard]] DatabaseResult<void> run();
    void reset() noexcept;

    [[nodiscard]] std::string_view text(int column) const noexcept;  // good until the next step or reset
    [[nodiscard]] int64_t number(int column) const noexcept;

  private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const noexcept { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
    sqlite3* database_ = nullptr;
};

/// SQLite's application_id of each of Loom's files: "Loom".
inline constexpr int64_t database_owner = 0x4c6f6f6d;

class Database {
  public:
    /// path   ":memory:" for one that dies with the connection.
    /// vault  of the directory that it lies in.
    /// Errors  SQLITE_NOTADB: it is none, or has another key than the vault's; it, its log and its journal are as they
    /// were.
    [[nodiscard]] static DatabaseResult<Database> open(const std::string& path, VaultPtr vault = {});
    /// Of one that is there, for asking alone.
    [[nodiscard]] static DatabaseResult<Database> open_to_read(const std::string& path, VaultPtr vault = {});

    /// Puts `schema` into one that is empty; takes one that is Loom's and of this version. In one transaction.
    /// schema  sets application_id and user_version itself.
    [[nodiscard]] DatabaseResult<void> take_schema(const char* schema, int64_t version);
    /// Commits are on the disk when they return, also if the machine loses its power then.
    [[nodiscard]] DatabaseResult<void> keep_safe();

    [[nodiscard]] DatabaseResult<void> run(const char* sql);
    [[nodiscard]] DatabaseResult<Statement> prepare(std::string_view sql);
    /// The first column of the first row; 0 where there is none.
    [[nodiscard]] DatabaseResult<int64_t> number(std::string_view sql);
    [[nodiscard]] DatabaseResult<std::string> text(std::string_view sql);
    /// Rows that the last statement inserted or deleted.
    [[nodiscard]] uint64_t changes() const noexcept;
    [[nodiscard]] bool in_transaction() const noexcept;
    /// All of another one, in place of what is in this one.
    [[nodiscard]] DatabaseResult<void> copy_of(Database& other);

  private:
    [[nodiscard]] static DatabaseResult<Database> open(const std::string& path, int flags, VaultPtr vault);
    struct Close {
        void operator()(sqlite3* database) const noexcept { sqlite3_close_v2(database); }
    };
    VaultPtr vault_;  // outlives the connection, whose files it encrypts
    std::unique_ptr<sqlite3, Close> handle_;
};

/// Runs `work`, which returns a DatabaseResult, whole or not at all.
template <class Work>
auto in_transaction(Database& database, Work&& work) -> decltype(work()) {
    if (auto begun = database.run("BEGIN IMMEDIATE"); !begun) return std::unexpected(begun.error());
    auto done = work();
    if (done)
        if (auto committed = database.run("COMMIT"); !committed) done = std::unexpected(committed.error());
    if (!done && database.in_transaction()) (void)database.run("ROLLBACK");
    return done;
}

/// "; its disk is full: …" where that is why a database of `path` could not be opened or written, else "".
[[nodiscard]] std::string room_remedy(const std::string& path, const DatabaseFault& fault);

/// Makes the directory (0700) and the file (0600) where they are missing, so that it is nobody else's to read from the
/// start; its -wal and -shm take its mode. "" or what is wrong.
[[nodiscard]] std::string make_database_file(const std::string& directory, const std::string& path);

}  // namespace loom::store
