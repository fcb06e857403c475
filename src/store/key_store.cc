#include "loom/store/key_store.h"

#include <fmt/format.h>

#include <type_traits>

#include "database.h"
#include "loom/base/result.h"

namespace loom::store {
namespace {

constexpr const char* file_name = "keys.db";
constexpr int64_t schema_version = 1;
constexpr int64_t time_s_max = 253'402'300'799;  // the end of 9999
constexpr const char* schema = R"(
    CREATE TABLE key (
        id TEXT NOT NULL PRIMARY KEY, consumer TEXT NOT NULL, label TEXT NOT NULL, tail TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE, created_s INTEGER NOT NULL, expires_s INTEGER NOT NULL,
        lasts_s INTEGER NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = 1282371437;
    PRAGMA user_version = 1;)";

}  // namespace

struct KeyStore::Impl {
    std::string path;
    Database database;

    [[nodiscard]] std::string explain(const DatabaseFault& fault) const {
        if (fault.damaged())
            return fmt::format(
                "{}: is damaged ({}); restore it from a copy, or move it away: the keys in it are then "
                "refused, and others have to be made",
                path, fault.text);
        return fmt::format("{}: {}", path, fault.text);
    }
    template <class T>
    [[nodiscard]] std::expected<T, std::string> told(DatabaseResult<T> result) const {
        if (!result) return std::unexpected(explain(result.error()));
        if constexpr (std::is_void_v<T>)
            return {};
        else
            return std::move(*result);
    }

    DatabaseResult<void> begin() {
        LOOM_TRY(database.keep_safe());
        LOOM_TRY(database.run("PRAGMA trusted_schema = OFF"));
        const std::string checked = LOOM_TRY(database.text("PRAGMA quick_check(1)"));
        if (checked != "ok") return std::unexpected(DatabaseFault{SQLITE_CORRUPT, checked});
        return database.take_schema(schema, schema_version);
    }

    DatabaseResult<std::vector<StoredKey>> list() {
        std::vector<StoredKey> keys;
        auto rows = LOOM_TRY(database.prepare(
            "SELECT id, consumer, label, tail, hash, created_s, expires_s, lasts_s FROM key ORDER BY created_s, id"));
        while (LOOM_TRY(rows.step())) {
            StoredKey& key = keys.emplace_back();
            key.id = rows.text(0);
            key.consumer = rows.text(1);
            key.label = rows.text(2);
            key.tail = rows.text(3);
            if (!hex_decode(rows.text(4), key.hash))
                return std::unexpected(DatabaseFault{SQLITE_CORRUPT, fmt::format("the hash of {} is none", key.id)});
            key.created_unix_s = rows.number(5);
            key.expires_unix_s = rows.number(6);
            key.lasts_s = rows.number(7);
            for (const int64_t time_s : {key.created_unix_s, key.expires_unix_s, key.lasts_s})
                if (time_s < 0 || time_s > time_s_max)
                    return std::unexpected(DatabaseFault{SQLITE_CORRUPT, fmt::format("a time of {} is none", key.id)});
        }
        return keys;
    }

    DatabaseResult<void> add(const StoredKey& key, const std::string& replaced_id, int64_t ends_unix_s) {
        LOOM_TRY(database.run("BEGIN IMMEDIATE"));
        auto done = write(key, replaced_id, ends_unix_s);
        if (done) done = database.run("COMMIT");
        if (!done && database.in_transaction()) (void)database.run("ROLLBACK");
        return done;
    }

    DatabaseResult<void> write(const StoredKey& key, const std::string& replaced_id, int64_t ends_unix_s) {
        const std::string hash = hex_encode(key.hash);
        auto put = LOOM_TRY(database.prepare("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?, ?)"));
        put.bind(1, key.id).bind(2, key.consumer).bind(3, key.label).bind(4, key.tail).bind(5, hash);
        put.bind(6, key.created_unix_s).bind(7, key.expires_unix_s).bind(8, key.lasts_s);
        LOOM_TRY(put.run());
        if (replaced_id.empty()) return {};
        auto end = LOOM_TRY(database.prepare("UPDATE key SET expires_s = ? WHERE id = ?"));
        end.bind(1, ends_unix_s).bind(2, replaced_id);
        return end.run();
    }

    DatabaseResult<bool> remove(const std::string& id) {
        auto drop = LOOM_TRY(database.prepare("DELETE FROM key WHERE id = ?"));
        drop.bind(1, id);
        LOOM_TRY(drop.run());
        return database.changes() > 0;
    }
};

KeyStore::KeyStore(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
KeyStore::KeyStore(KeyStore&&) noexcept = default;
KeyStore& KeyStore::operator=(KeyStore&&) noexcept = default;
KeyStore::~KeyStore() = default;

std::expected<KeyStore, std::string> KeyStore::open(const std::string& directory, VaultPtr vault) {
    auto impl = std::make_unique<Impl>();
    impl->path = fmt::format("{}/{}", directory, file_name);
    if (std::string fault = make_database_file(directory, impl->path); !fault.empty())
        return std::unexpected(std::move(fault));
    auto database = Database::open(impl->path, std::move(vault));
    if (!database) return std::unexpected(impl->explain(database.error()));
    impl->database = std::move(*database);
    if (const auto begun = impl->begin(); !begun) return std::unexpected(impl->explain(begun.error()));
    return KeyStore(std::move(impl));
}

std::expected<std::vector<StoredKey>, std::string> KeyStore::list() { return impl_->told(impl_->list()); }

std::expected<void, std::string> KeyStore::add(const StoredKey& key, const std::string& replaced_id,
                                               int64_t ends_unix_s) {
    return impl_->told(impl_->add(key, replaced_id, ends_unix_s));
}

std::expected<bool, std::string> KeyStore::remove(const std::string& id) { return impl_->told(impl_->remove(id)); }

}  // namespace loom::store
