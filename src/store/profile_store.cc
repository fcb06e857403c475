#include "loom/store/profile_store.h"

#include <fmt/format.h>

#include <cstdio>

#include "database.h"
#include "loom/base/result.h"

namespace loom::store {
namespace {

constexpr const char* file_name = "anomaly.db";
constexpr int64_t schema_version = 1;
constexpr const char* schema = R"(
    CREATE TABLE profile (name TEXT NOT NULL PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;
    PRAGMA application_id = 1282371437;
    PRAGMA user_version = 1;)";

}  // namespace

struct ProfileStore::Impl {
    std::string path;
    Database database;

    DatabaseResult<void> begin() {
        LOOM_TRY(
            database.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA trusted_schema = OFF; "
                         "PRAGMA journal_size_limit = 16777216"));
        const std::string checked = LOOM_TRY(database.text("PRAGMA quick_check(1)"));
        if (checked != "ok") return std::unexpected(DatabaseFault{SQLITE_CORRUPT, checked});
        return database.take_schema(schema, schema_version);
    }

    DatabaseResult<std::vector<Profile>> load() {
        std::vector<Profile> all;
        auto rows = LOOM_TRY(database.prepare("SELECT name, bytes FROM profile ORDER BY name"));
        while (LOOM_TRY(rows.step()))
            all.push_back({.name = std::string(rows.text(0)), .bytes = std::string(rows.text(1))});
        return all;
    }

    DatabaseResult<void> write(const std::vector<Profile>& changed, const std::vector<std::string>& forgotten) {
        auto drop = LOOM_TRY(database.prepare("DELETE FROM profile WHERE name = ?"));
        for (const std::string& name : forgotten) {
            drop.bind(1, name);
            LOOM_TRY(drop.run());
        }
        auto put = LOOM_TRY(database.prepare("INSERT OR REPLACE INTO profile VALUES (?, CAST(? AS BLOB))"));
        for (const Profile& one : changed) {
            put.bind(1, one.name).bind(2, one.bytes);
            LOOM_TRY(put.run());
        }
        return {};
    }

    DatabaseResult<void> save(const std::vector<Profile>& changed, const std::vector<std::string>& forgotten) {
        LOOM_TRY(database.run("BEGIN IMMEDIATE"));
        DatabaseResult<void> done = write(changed, forgotten);
        if (done) done = database.run("COMMIT");
        if (!done && database.in_transaction()) (void)database.run("ROLLBACK");
        return done;
    }
};

namespace {

/// With what belongs to it.
void put_aside(const std::string& path) {
    for (const char* const end : {"", "-wal", "-shm"})
        (void)std::rename((path + end).c_str(), (path + ".corrupt" + end).c_str());
}

}  // namespace

ProfileStore::ProfileStore(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
ProfileStore::ProfileStore(ProfileStore&&) noexcept = default;
ProfileStore& ProfileStore::operator=(ProfileStore&&) noexcept = default;
ProfileStore::~ProfileStore() = default;

std::expected<ProfileStore, std::string> ProfileStore::open(const std::string& directory, VaultPtr vault,
                                                            const std::function<void(std::string)>& on_notice) {
    const std::string path = fmt::format("{}/{}", directory, file_name);
    for (bool again = false;; again = true) {
        auto impl = std::make_unique<Impl>();
        impl->path = path;
        if (std::string fault = make_database_file(directory, path); !fault.empty())
            return std::unexpected(std::move(fault));
        auto database = Database::open(path, vault);
        DatabaseResult<void> begun;
        if (database) {
            impl->database = std::move(*database);
            begun = impl->begin();
        } else {
            begun = std::unexpected(database.error());
        }
        if (begun) return ProfileStore(std::move(impl));
        if (again || !begun.error().damaged()) return std::unexpected(fmt::format("{}: {}", path, begun.error().text));
        impl.reset();
        put_aside(path);
        on_notice(fmt::format("{}: is damaged ({}); it is kept as {}.corrupt, and what is usual is learned anew", path,
                              begun.error().text, file_name));
    }
}

std::expected<std::vector<ProfileStore::Profile>, std::string> ProfileStore::load() {
    auto all = impl_->load();
    if (!all) return std::unexpected(fmt::format("{}: {}", impl_->path, all.error().text));
    return std::move(*all);
}

std::expected<void, std::string> ProfileStore::save(const std::vector<Profile>& changed,
                                                    const std::vector<std::string>& forgotten) {
    const auto done = impl_->save(changed, forgotten);
    if (!done) return std::unexpected(fmt::format("{}: {}", impl_->path, done.error().text));
    return {};
}

}  // namespace loom::store
