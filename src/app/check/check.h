// What the grammar cannot see: a route to nothing, a provider that nobody defined, an open door.
#pragma once

#include <string>
#include <vector>

#include "loom/config/config.h"

namespace loom::app {

/// Errors and warnings about what the keys say together. `complete` is false when parts of the configuration could not
/// be read: then nothing is said about what seems to be missing, since it may stand in a line that is wrong.
[[nodiscard]] std::vector<config::Diagnostic> check(const config::Config& config, bool complete);

/// Checks what was loaded: adds to its diagnostics and takes its config away when there is an error. Every load is
/// followed by this, at start and on reload.
void add_checks(config::Loaded& loaded);

/// Defined, with a type, and not left out. A provider whose api_key is given and empty (`${OPENAI_API_KEY:-}`) is left
/// out: so one file serves with the key and without it.
[[nodiscard]] bool provider_is_active(const config::Config& config, const std::string& name);

}  // namespace loom::app
