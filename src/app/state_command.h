// The state.directory and its key: at a start, and for `loom state …`, `loom ledger …` and `--check`.
#pragma once

#include <expected>
#include <string>

#include "loom/config/config.h"
#include "loom/store/vault.h"
#include "plan/builder.h"

namespace loom::app {

struct OpenedState {
    store::StateHold hold;
    store::VaultPtr vault;  // null: it is not encrypted
};

/// For who serves: held until it ends; an empty one is made an encrypted one where there is a key.
/// Errors  a text that names the file or the key, and a remedy.
[[nodiscard]] std::expected<OpenedState, std::string> open_state_of(const ServerOptions& options);

/// What a start would say to it; "" where nothing is wrong, or where this user may not look. Changes nothing, and is
/// for a process that has no database open.
[[nodiscard]] std::string fault_of_state(const ServerOptions& options);

/// Of `loom ledger …`, whose argument is a state.directory, or the file of a configuration that names one and its key.
struct LedgerPlace {
    std::string directory;
    store::VaultPtr vault;
    store::StateHold hold;  // nobody changes the encryption meanwhile
};
[[nodiscard]] std::expected<LedgerPlace, std::string> ledger_place(const std::string& directory);
[[nodiscard]] std::expected<LedgerPlace, std::string> ledger_place(const config::Config& config);

/// Where `loom state rekey` finds the key that the directory has: in this variable of the environment.
inline constexpr const char* old_key_variable = "LOOM_OLD_ENCRYPTION_KEY";

/// verb  "encrypt", "decrypt" or "rekey". Prints what was done; returns the exit status.
[[nodiscard]] int change_state(const std::string& verb, const config::Config& config);

}  // namespace loom::app
