// The command line. Written by hand: CLI11 reads `-config` as the six short options -c -o -n …
#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "loom/config/config.h"

namespace loom::app {

// As in sysexits.h.
inline constexpr int exit_ok = 0;
inline constexpr int exit_difference = 1;  // of `ledger verify`
inline constexpr int exit_usage = 64;
inline constexpr int exit_internal = 70;
inline constexpr int exit_config = 78;

struct CommandLine {
    enum class Action : uint8_t { run, check, keys, import, verify_ledger, export_ledger, embed, state, version, help };
    Action action = Action::help;
    std::string path;                         // of run, check and import; of the others that have one, a directory
    std::vector<config::Override> overrides;  // -set, in order
    bool as_conf = false;                     // --keys --conf
    std::string output_path;                  // -o of import; "" for standard output
    bool with_redis = false;                  // of verify_ledger: what was told to the store that Looms share, too
    /// Of export_ledger: what is printed, and in which form; names as admin::ExportTerms::set has them.
    std::vector<std::pair<std::string, std::string>> terms;
    std::string verb;  // of state: "encrypt", "decrypt", "rekey"
};

/// arguments  without the program's name. Options with one dash or two, `-config FILE` or `-config=FILE`.
/// Errors     a line for the user; the exit status is exit_usage.
[[nodiscard]] std::expected<CommandLine, std::string> parse_command_line(std::span<const char* const> arguments);

/// What --help prints.
[[nodiscard]] const char* usage();

/// The whole program but for its exit: prints to standard output and error, returns the exit status.
[[nodiscard]] int run_command(std::span<const char* const> arguments);

}  // namespace loom::app
