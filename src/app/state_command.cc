#include "state_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "cli.h"
#include "loom/base/result.h"
#include "loom/store/state_migration.h"

namespace loom::app {
namespace {

using store::MigrationReport;
using store::StateKey;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

const StateKey* pointer_to(const std::optional<StateKey>& key) { return key ? &*key : nullptr; }

std::expected<std::optional<StateKey>, std::string> key_of(const config::Config& config) {
    if (!config.has("state.encryption_key")) return std::nullopt;
    auto key = store::parse_state_key(config.text("state.encryption_key"));
    if (!key) return wrong(fmt::format("state.encryption_key: {}", key.error()));
    return *key;
}

std::expected<std::optional<StateKey>, std::string> old_key() {
    const char* const text = std::getenv(old_key_variable);
    if (text == nullptr)
        return wrong(
            fmt::format("the key that the directory has is expected in the environment, as {}; "
                        "state.encryption_key is the one that it gets",
                        old_key_variable));
    auto key = store::parse_state_key(text);
    if (!key) return wrong(fmt::format("{}: {}", old_key_variable, key.error()));
    return *key;
}

std::expected<MigrationReport, std::string> migrate(const std::string& verb, const config::Config& config) {
    const std::string directory = config.text("state.directory");
    if (directory.empty()) return wrong("state.directory is not set: there is nothing to change");
    const auto key = LOOM_TRY(key_of(config));
    if (!key)
        return wrong(fmt::format("state.encryption_key is not set; it is the key that the directory {}",
                                 verb == "decrypt" ? "has" : "gets"));
    std::optional<StateKey> from = key;  // also of `encrypt`: a part may be encrypted already
    if (verb == "rekey") from = LOOM_TRY(old_key());
    return store::migrate_state({.directory = directory,
                                 .from = pointer_to(from),
                                 .to = verb == "decrypt" ? nullptr : pointer_to(key),
                                 .step = nullptr});
}

}  // namespace

std::expected<OpenedState, std::string> open_state_of(const ServerOptions& options) {
    const std::string& directory = options.resources.directory;
    OpenedState state;
    if (directory.empty()) return state;
    const bool on_disk = options.ledger && !options.ledger->directory.empty();
    if (on_disk || options.issues_keys || options.state_key || options.anomaly || options.cache_snapshot_ms)
        (void)::mkdir(directory.c_str(), 0700);  // to be held; who needs it says why it cannot be made
    state.hold = LOOM_TRY(store::StateHold::share(directory));
    state.vault = LOOM_TRY(store::open_vault(directory, pointer_to(options.state_key), store::VaultUse::write));
    return state;
}

std::string fault_of_state(const ServerOptions& options) {
    const std::string& directory = options.resources.directory;
    if (directory.empty() || ::access(directory.c_str(), R_OK | X_OK) != 0) return "";
    const auto opened = store::open_vault(directory, pointer_to(options.state_key), store::VaultUse::read);
    return opened ? "" : opened.error();
}

std::expected<LedgerPlace, std::string> ledger_place(const std::string& directory) {
    auto hold = LOOM_TRY(store::StateHold::share(directory));
    const auto vault = store::open_vault(directory, nullptr, store::VaultUse::read);
    if (!vault)
        return wrong(
            fmt::format("{}; here: name the file of the configuration in place of the directory", vault.error()));
    return LedgerPlace{directory, nullptr, std::move(hold)};
}

std::expected<LedgerPlace, std::string> ledger_place(const config::Config& config) {
    const std::string directory = config.text("state.directory");
    if (directory.empty()) return wrong("state.directory is not set in this configuration");
    const auto key = LOOM_TRY(key_of(config));
    auto hold = LOOM_TRY(store::StateHold::share(directory));
    auto vault = LOOM_TRY(store::open_vault(directory, pointer_to(key), store::VaultUse::read));
    return LedgerPlace{directory, std::move(vault), std::move(hold)};
}

int change_state(const std::string& verb, const config::Config& config) {
    const auto report = migrate(verb, config);
    if (!report) {
        fmt::print(stderr, "loom: {}\n", report.error());
        return exit_config;
    }
    const std::string& directory = config.text("state.directory");
    if (report->damaged_bytes > 0)
        fmt::print(stderr, "note: {} bytes of the ledger's log were no records, and were left behind\n",
                   report->damaged_bytes);
    for (const std::string& name : report->left)
        fmt::print(stderr, "note: {}/{} has another key, or its header is damaged; it is left as it was\n", directory,
                   name);
    if (report->former_finished) fmt::print("{}: what an interrupted `loom state` was at is finished\n", directory);
    switch (report->done) {
        case MigrationReport::Done::nothing:
            fmt::print("{}: nothing {}to do\n", directory, report->former_finished ? "more " : "");
            break;
        case MigrationReport::Done::migrated:
            fmt::print("{}: {}: {} databases, {} segments with {} records\n", directory,
                       verb == "decrypt" ? "decrypted" : "encrypted", report->databases, report->segments,
                       report->records);
            break;
    }
    return exit_ok;
}

}  // namespace loom::app
