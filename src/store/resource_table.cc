#include "resource_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::store {
namespace {

constexpr int64_t schema_version = 1;
constexpr const char* file_name = "resources.db";

// A row for each id that a client got. The provider's ids are unique in its account; two providers may give the same.
constexpr const char* schema = R"(
    CREATE TABLE resource (
        kind TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL,
        tenant TEXT NOT NULL, model TEXT NOT NULL, created_s INTEGER NOT NULL,
        PRIMARY KEY (kind, id, account)) WITHOUT ROWID;
    CREATE INDEX resource_by_tenant ON resource (tenant, created_s);
    CREATE INDEX resource_by_age ON resource (created_s);
    PRAGMA application_id = 1282371437;
    PRAGMA user_version = 1;)";
static_assert(database_owner == 1282371437 && schema_version == 1);

constexpr uint64_t slices = 256;        // of the table: so much is pushed out at once where there is no room
constexpr int64_t expire_rows = 1'000;  // in one go: questions wait no longer than that takes

template <class... Parts>
DatabaseResult<void> first_fault(Parts&&... parts) {
    DatabaseResult<void> result;
    (void)((result = parts(), result.has_value()) && ...);
    return result;
}

std::string explain(const std::string& path, const DatabaseFault& fault) {
    if (fault.damaged())
        return fmt::format(
            "{}: is damaged ({}); restore it from a copy, or move it away and start without: what clients have stored "
            "at providers is then not found here any more",
            path, fault.text);
    return fmt::format("{}: {}{}", path, fault.text, room_remedy(path, fault));
}

}  // namespace

std::expected<ResourceTable, std::string> ResourceTable::open(const std::string& directory, Limits limits,
                                                              int64_t now_s, VaultPtr vault) {
    const bool in_memory = directory.empty();
    const std::string path = in_memory ? ":memory:" : fmt::format("{}/{}", directory, file_name);
    if (!in_memory)
        if (std::string fault = make_database_file(directory, path); !fault.empty())
            return std::unexpected(std::move(fault));
    auto database = Database::open(path, in_memory ? VaultPtr() : std::move(vault));
    if (!database) return std::unexpected(explain(path, database.error()));
    ResourceTable table(std::move(*database), limits);
    if (const auto begun = table.begin(in_memory); !begun) return std::unexpected(explain(path, begun.error()));
    if (const auto expired = table.expire(now_s); !expired) return std::unexpected(explain(path, expired.error()));
    return table;
}

DatabaseResult<void> ResourceTable::begin(bool in_memory) {
    return first_fault(
        [&] { return in_memory ? DatabaseResult<void>() : database_.keep_safe(); },
        [&] {
            return database_.run("PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
        },
        [&]() -> DatabaseResult<void> {
            const auto checked = database_.text("PRAGMA quick_check(1)");
            if (!checked) return std::unexpected(checked.error());
            if (*checked != "ok") return std::unexpected(DatabaseFault{SQLITE_CORRUPT, *checked});
            return {};
        },
        [&] { return database_.take_schema(schema, schema_version); }, [&] { return prepare(); },
        [&] { return count_tenants(); });
}

DatabaseResult<void> ResourceTable::prepare() {
    const auto into = [this](Statement& statement, std::string_view sql) -> DatabaseResult<void> {
        auto prepared = database_.prepare(sql);
        if (!prepared) return std::unexpected(prepared.error());
        statement = std::move(*prepared);
        return {};
    };
    return first_fault(
        [&] {
            return into(find_,
                        "SELECT account FROM resource WHERE kind = ? AND id = ? AND tenant = ? AND created_s >= ? "
                        "ORDER BY created_s DESC LIMIT 1");
        },
        // What has an owner keeps it: nobody gets another's by an id that comes a second time.
        [&] { return into(put_, "INSERT OR IGNORE INTO resource VALUES (?, ?, ?, ?, ?, ?)"); },
        [&] { return into(forget_, "DELETE FROM resource WHERE kind = ? AND id = ? AND account = ? AND tenant = ?"); },
        [&] {
            return into(
                count_of_,
                "SELECT count(*) FROM resource WHERE tenant = ? AND kind = ? AND account = ? AND created_s >= ?");
        },
        [&] {
            return into(evict_,
                        "DELETE FROM resource WHERE (kind, id, account) IN (SELECT kind, id, account FROM "
                        "resource WHERE tenant = ? ORDER BY created_s LIMIT ?)");
        },
        [&] {
            return into(expire_,
                        "DELETE FROM resource WHERE (kind, id, account) IN (SELECT kind, id, account FROM "
                        "resource WHERE created_s < ? ORDER BY created_s LIMIT ?)");
        });
}

DatabaseResult<void> ResourceTable::count_tenants() {
    counts_.clear();
    count_ = 0;
    auto rows = database_.prepare("SELECT tenant, count(*) FROM resource GROUP BY tenant");
    if (!rows) return std::unexpected(rows.error());
    for (;;) {
        const auto row = rows->step();
        if (!row) return std::unexpected(row.error());
        if (!*row) return {};
        note(std::string(rows->text(0)), rows->number(1));
    }
}

void ResourceTable::note(const std::string& tenant, int64_t more) {
    const auto at = counts_.try_emplace(tenant, 0).first;
    // Another process on the same file may have taken what this one counted.
    const uint64_t less = std::min(at->second, static_cast<uint64_t>(std::max<int64_t>(0, -more)));
    const uint64_t plus = static_cast<uint64_t>(std::max<int64_t>(0, more));
    at->second += plus - less;
    count_ += plus - less;
    if (at->second == 0) counts_.erase(at);
}

DatabaseResult<std::vector<ResourceAnswer>> ResourceTable::answer(std::span<const ResourceQuestion* const> questions,
                                                                  int64_t now_s) {
    const bool writes = std::ranges::any_of(questions, &ResourceQuestion::writes);
    if (const auto begun = database_.run(writes ? "BEGIN IMMEDIATE" : "BEGIN"); !begun)
        return std::unexpected(begun.error());
    const auto give_up = [this](DatabaseFault fault) {
        if (database_.in_transaction()) (void)database_.run("ROLLBACK");
        (void)count_tenants();
        return std::unexpected(std::move(fault));
    };
    std::vector<ResourceAnswer> answers;
    answers.reserve(questions.size());
    for (const ResourceQuestion* const question : questions) {
        auto one = answer(*question, now_s);
        if (!one) return give_up(std::move(one.error()));
        answers.push_back(std::move(*one));
    }
    const auto done = database_.run("COMMIT");
    if (!done) return give_up(done.error());
    return answers;
}

DatabaseResult<ResourceAnswer> ResourceTable::answer(const ResourceQuestion& question, int64_t now_s) {
    ResourceAnswer answer;
    for (const Resource& resource : question.gone)
        if (const auto gone = forget(question.tenant, resource); !gone) return std::unexpected(gone.error());
    for (const Resource& resource : question.made)
        if (const auto made = put(question.tenant, resource, now_s); !made) return std::unexpected(made.error());
    for (const ResourceKey& key : question.named) {
        auto account = account_of(question.tenant, key, now_s);
        if (!account) return std::unexpected(account.error());
        answer.accounts.push_back(std::move(*account));
    }
    if (question.counted_kind.empty()) return answer;
    count_of_.bind(1, question.tenant).bind(2, question.counted_kind).bind(3, question.counted_account);
    count_of_.bind(4, oldest_s(now_s));
    const auto row = count_of_.step();
    if (!row) return std::unexpected(row.error());
    answer.count = static_cast<uint64_t>(count_of_.number(0));
    count_of_.reset();
    return answer;
}

DatabaseResult<std::string> ResourceTable::account_of(const std::string& tenant, const ResourceKey& key,
                                                      int64_t now_s) {
    find_.bind(1, key.kind).bind(2, key.id).bind(3, tenant).bind(4, oldest_s(now_s));
    const auto row = find_.step();
    if (!row) return std::unexpected(row.error());
    std::string account(*row ? find_.text(0) : std::string_view());
    find_.reset();
    return account;
}

DatabaseResult<void> ResourceTable::put(const std::string& tenant, const Resource& resource, int64_t now_s) {
    if (count_ >= limits_.count_max)
        if (const auto room = make_room(); !room) return room;
    put_.bind(1, resource.key.kind).bind(2, resource.key.id).bind(3, resource.account).bind(4, tenant);
    put_.bind(5, resource.model).bind(6, now_s);
    if (const auto put = put_.run(); !put) return put;
    note(tenant, static_cast<int64_t>(database_.changes()));
    return {};
}

DatabaseResult<void> ResourceTable::forget(const std::string& tenant, const Resource& resource) {
    forget_.bind(1, resource.key.kind).bind(2, resource.key.id).bind(3, resource.account).bind(4, tenant);
    if (const auto gone = forget_.run(); !gone) return gone;
    note(tenant, -static_cast<int64_t>(database_.changes()));
    return {};
}

/// Whoever has the most gives way: a tenant that floods the table pushes out its own.
DatabaseResult<void> ResourceTable::make_room() {
    if (counts_.empty()) return {};
    const auto most = std::ranges::max_element(counts_, {}, [](const auto& one) { return one.second; });
    const std::string tenant = most->first;
    evict_.bind(1, tenant).bind(2, static_cast<int64_t>(std::max<uint64_t>(1, limits_.count_max / slices)));
    if (const auto evicted = evict_.run(); !evicted) return evicted;
    evicted_count_ += database_.changes();
    if (database_.changes() == 0) return count_tenants();  // another process has
    note(tenant, -static_cast<int64_t>(database_.changes()));
    return {};
}

DatabaseResult<bool> ResourceTable::expire(int64_t now_s) {
    if (limits_.keep_s == 0) return false;
    expire_.bind(1, oldest_s(now_s)).bind(2, expire_rows);
    if (const auto gone = expire_.run(); !gone) return std::unexpected(gone.error());
    const uint64_t count = database_.changes();
    if (count == 0) return false;
    if (const auto counted = count_tenants(); !counted) return std::unexpected(counted.error());
    return count == static_cast<uint64_t>(expire_rows);
}

}  // namespace loom::store
