#include "loom_identity.h"

#include <fmt/format.h>

#include "database.h"
#include "loom/base/result.h"
#include "loom/store/shared_usage.h"

namespace loom::store {
namespace {

constexpr int64_t schema_version = 1;
constexpr const char* schema = R"(
    CREATE TABLE loom (id TEXT PRIMARY KEY) WITHOUT ROWID;
    PRAGMA application_id = 1282371437;
    PRAGMA user_version = 1;)";

std::string path_in(const std::string& directory) { return directory + "/identity.db"; }

std::string explain(const std::string& path, const DatabaseFault& fault) {
    if (fault.damaged())
        return fmt::format(
            "{}: is damaged ({}); restore it from a copy, or move it away while usage.db is there, which has this "
            "Loom's id too",
            path, fault.text);
    return fmt::format("{}: {}", path, fault.text);
}

DatabaseResult<Database> open(const std::string& path, VaultPtr vault) {
    auto database = LOOM_TRY(Database::open(path, std::move(vault)));
    LOOM_TRY(database.keep_safe());
    LOOM_TRY(database.take_schema(schema, schema_version));
    return database;
}

DatabaseResult<void> put(Database& database, const std::string& id) {
    auto insert = LOOM_TRY(database.prepare("INSERT INTO loom VALUES (?1)"));
    return insert.bind(1, id).run();
}

}  // namespace

std::expected<std::string, std::string> kept_loom_id(const std::string& directory, VaultPtr vault) {
    const std::string path = path_in(directory);
    if (std::string fault = make_database_file(directory, path); !fault.empty()) return std::unexpected(fault);
    auto database = open(path, std::move(vault));
    if (!database) return std::unexpected(explain(path, database.error()));
    auto id = database->text("SELECT id FROM loom");
    if (!id) return std::unexpected(explain(path, id.error()));
    if (!id->empty() && !is_loom_id(*id))
        return std::unexpected(explain(path, {SQLITE_CORRUPT, "its id is none of a Loom's"}));
    return std::move(*id);
}

std::expected<void, std::string> keep_loom_id(const std::string& directory, VaultPtr vault, const std::string& id) {
    const std::string path = path_in(directory);
    auto database = open(path, std::move(vault));
    if (!database) return std::unexpected(explain(path, database.error()));
    if (const auto done = put(*database, id); !done) return std::unexpected(explain(path, done.error()));
    return {};
}

}  // namespace loom::store
