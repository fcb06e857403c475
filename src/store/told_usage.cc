#include "loom/store/told_usage.h"

#include <fmt/format.h>

#include <utility>

#include "database.h"
#include "ledger_directory.h"
#include "loom/base/result.h"
#include "loom/store/usage_period.h"
#include "usage_columns.h"

namespace loom::store {
namespace {

std::string text_of(const UsageRowName& name) {
    return fmt::format("{}, consumer '{}', model '{}' of '{}'{}", usage_day_text(name.day), name.consumer, name.model,
                       name.provider, name.provenance.empty() ? "" : fmt::format(" ({})", name.provenance));
}

std::string text_of(const UsageSums& sums) {
    return fmt::format("{} requests, {} attempts, {} input and {} output tokens, cost {}", sums.requests, sums.attempts,
                       sums.input, sums.output, MoneyText(sums.cost).view());
}

std::expected<Database, std::string> open_to_read(const std::string& directory, const VaultPtr& vault) {
    const std::string path = LedgerDirectory::database_path(directory);
    auto database = Database::open_to_read(path, vault);
    if (!database) return std::unexpected(fmt::format("{}: {}", path, database.error().text));
    const auto shared = database->number("SELECT count(*) FROM sqlite_schema WHERE name IN ('loom', 'usage_change')");
    if (!shared) return std::unexpected(fmt::format("{}: {}", path, shared.error().text));
    if (*shared != 2)
        return std::unexpected(
            fmt::format("{}: nothing of it was ever shared (token_accounting.store.type = redis)", path));
    return std::move(*database);
}

}  // namespace

std::expected<std::string, std::string> shared_loom_id(const std::string& directory, const VaultPtr& vault) {
    auto database = LOOM_TRY(open_to_read(directory, vault));
    auto id = database.text("SELECT id FROM loom");
    if (id && is_loom_id(*id)) return std::move(*id);
    return std::unexpected(fmt::format("{}: has no id of its Loom's", LedgerDirectory::database_path(directory)));
}

struct ToldUsage::Own {
    explicit Own(Database opened) : database(std::move(opened)) {}
    Database database;
    uint64_t last_revision = 0;
};

ToldUsage::ToldUsage(std::unique_ptr<Own> own) noexcept : own_(std::move(own)) {}
ToldUsage::ToldUsage(ToldUsage&&) noexcept = default;
ToldUsage::~ToldUsage() = default;

std::expected<ToldUsage, std::string> ToldUsage::open(const std::string& directory, const VaultPtr& vault,
                                                      std::optional<ShippedUsage> shipped, UsageDay since) {
    ToldUsage told(std::make_unique<Own>(LOOM_TRY(open_to_read(directory, vault))));
    Database& database = told.own_->database;
    const auto read = [&]() -> DatabaseResult<void> {
        LOOM_TRY(database.run("BEGIN"));
        const auto last = LOOM_TRY(database.number("SELECT ifnull(max(revision), 0) FROM usage_change"));
        told.own_->last_revision = static_cast<uint64_t>(last);
        const std::string generation = LOOM_TRY(database.text("SELECT name FROM generation"));
        auto shares = LOOM_TRY(database.prepare("SELECT count(*) FROM usage WHERE day >= ?1"));
        const bool has_rows = LOOM_TRY(shares.bind(1, since).step()) && shares.number(0) > 0;
        if (!shipped) {
            if (has_rows) told.differ("the store knows nothing of this Loom; a Loom that runs on it tells all anew");
            return {};
        }
        if (shipped->generation != generation || shipped->revision > told.own_->last_revision) {
            told.differ(
                "what the store has was told by other numbers than usage.db's (it was brought back from a copy, made "
                "anew, or another Loom has its id); its next start tells it anew");
            return {};
        }
        told.comparable_ = true;
        told.shipped_ = shipped->revision;
        return {};
    };
    if (const auto done = read(); !done)
        return std::unexpected(fmt::format("{}: {}", LedgerDirectory::database_path(directory), done.error().text));
    return told;
}

void ToldUsage::differ(std::string text) {
    if (++difference_count_ <= named_max) differences_.push_back(std::move(text));
}

std::expected<void, std::string> ToldUsage::begin_month(UsageDay first) {
    month_.clear();
    const auto read = [&]() -> DatabaseResult<void> {
        auto found = LOOM_TRY(own_->database.prepare(fmt::format("{}WHERE day BETWEEN ?1 AND ?2", changed_rows)));
        found.bind(1, first).bind(2, usage_month_of(first).to);
        while (LOOM_TRY(found.step())) {
            UsageChange own = change_at(found);
            month_[std::move(own.name)] = {.sums = own.sums, .revision = own.revision};
        }
        return {};
    };
    if (const auto done = read(); !done) return std::unexpected(fmt::format("usage.db: {}", done.error().text));
    return {};
}

void ToldUsage::take(const FetchedUsage& page) {
    if (page.unreadable > 0) differ(fmt::format("{} rows that were told cannot be read", page.unreadable));
    for (const UsageChange& told : page.rows) {
        const auto found = month_.find(told.name);
        if (found != month_.end()) {
            compare(told, found->second);
        } else if (told.revision > own_->last_revision) {
            meanwhile_ += 1;
        } else {
            differ(fmt::format("{}: the store has {}, and usage.db nothing", text_of(told.name), text_of(told.sums)));
        }
    }
}

void ToldUsage::compare(const UsageChange& told, Row& row) {
    if (row.seen) return;  // of another page, told anew meanwhile
    row.seen = true;
    rows_ += 1;
    if (told.revision > own_->last_revision) {
        meanwhile_ += 1;
    } else if (told.revision == row.revision) {
        if (usage_sums_text(told.sums) == usage_sums_text(row.sums)) return;
        differ(fmt::format("{}: the store has {}; usage.db has {}", text_of(told.name), text_of(told.sums),
                           text_of(row.sums)));
    } else if (row.revision > shipped_) {
        untold_ += 1;
    } else {
        differ(fmt::format("{}: the store has it as of change {}, and was told change {}", text_of(told.name),
                           told.revision, row.revision));
    }
}

void ToldUsage::end_month() {
    for (const auto& [name, row] : month_) {
        if (row.seen) continue;
        if (row.revision > shipped_)
            untold_ += 1;
        else
            differ(fmt::format("{}: was told, and is not there; usage.db has {}", text_of(name), text_of(row.sums)));
    }
    month_.clear();
}

}  // namespace loom::store
