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

/// Beside the schema, whose version stays: a Loom that knows no such consumers reads the keys all the same.
constexpr const char* consumer_schema = R"(
    CREATE TABLE IF NOT EXISTS consumer (
        name TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL, created_s INTEGER NOT NULL,
        changed_s INTEGER NOT NULL, id TEXT NOT NULL DEFAULT '') WITHOUT ROWID;)";
constexpr const char* has_consumer_id = "SELECT count(*) FROM pragma_table_info('consumer') WHERE name = 'id'";
constexpr const char* add_consumer_id = "ALTER TABLE consumer ADD COLUMN id TEXT NOT NULL DEFAULT ''";

bool is_time(int64_t unix_s) noexcept { return unix_s >= 0 && unix_s <= time_s_max; }

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
        return fmt::format("{}: {}{}", path, fault.text, room_remedy(path, fault));
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
        LOOM_TRY(database.take_schema(schema, schema_version));
        LOOM_TRY(database.run(consumer_schema));
        if (LOOM_TRY(database.number(has_consumer_id)) == 0) return database.run(add_consumer_id);
        return {};
    }

    template <class Do>
    DatabaseResult<void> as_one(Do what) {
        LOOM_TRY(database.run("BEGIN IMMEDIATE"));
        DatabaseResult<void> done = what();
        if (done) done = database.run("COMMIT");
        if (!done && database.in_transaction()) (void)database.run("ROLLBACK");
        return done;
    }

    DatabaseResult<std::vector<StoredConsumer>> consumers() {
        std::vector<StoredConsumer> all;
        auto rows =
            LOOM_TRY(database.prepare("SELECT name, document, created_s, changed_s, id FROM consumer ORDER BY name"));
        while (LOOM_TRY(rows.step())) {
            StoredConsumer& one = all.emplace_back();
            one.name = rows.text(0);
            one.document = rows.text(1);
            one.created_unix_s = rows.number(2);
            one.changed_unix_s = rows.number(3);
            one.id = rows.text(4);
            if (!is_time(one.created_unix_s) || !is_time(one.changed_unix_s))
                return std::unexpected(
                    DatabaseFault{SQLITE_CORRUPT, fmt::format("a time of consumer {} is none", one.name)});
        }
        return all;
    }

    DatabaseResult<void> put(const StoredConsumer& one) {
        auto write = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO consumer VALUES (?, ?, ?, ?, ?)"));
        write.bind(1, one.name).bind(2, one.document).bind(3, one.created_unix_s).bind(4, one.changed_unix_s);
        write.bind(5, one.id);
        return write.run();
    }

    DatabaseResult<bool> remove_consumer(const std::string& name) {
        bool was_there = false;
        LOOM_TRY(as_one([&]() -> DatabaseResult<void> {
            auto drop = LOOM_TRY(database.prepare("DELETE FROM consumer WHERE name = ?"));
            drop.bind(1, name);
            LOOM_TRY(drop.run());
            was_there = database.changes() > 0;
            if (!was_there) return {};
            auto keys = LOOM_TRY(database.prepare("DELETE FROM key WHERE consumer = ?"));
            keys.bind(1, name);
            return keys.run();
        }));
        return was_there;
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
                if (!is_time(time_s))
                    return std::unexpected(DatabaseFault{SQLITE_CORRUPT, fmt::format("a time of {} is none", key.id)});
        }
        return keys;
    }

    DatabaseResult<void> add(const StoredKey& key, const std::string& replaced_id, int64_t ends_unix_s) {
        return as_one([&] { return write(key, replaced_id, ends_unix_s); });
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

std::expected<std::vector<StoredConsumer>, std::string> KeyStore::consumers() {
    return impl_->told(impl_->consumers());
}

std::expected<void, std::string> KeyStore::put(const StoredConsumer& consumer) {
    return impl_->told(impl_->put(consumer));
}

std::expected<bool, std::string> KeyStore::remove_consumer(const std::string& name) {
    return impl_->told(impl_->remove_consumer(name));
}

}  // namespace loom::store
