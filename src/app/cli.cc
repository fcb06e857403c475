#include "cli.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iterator>
#include <string_view>

#include "check/check.h"
#include "keys/keys.h"
#include "ledger_command.h"
#include "loom/admin/ledger_lines.h"
#include "loom/base/result.h"
#include "loom/config/import.h"
#include "loom/config/keys.h"
#include "machine.h"
#include "memory.h"
#include "plan/builder.h"
#include "prices.h"
#include "sentence_model.h"
#include "server.h"
#include "state_command.h"

namespace loom::app {

namespace {

constexpr const char* usage_text =
    "Loom, an AI gateway.\n"
    "\n"
    "  loom -config FILE        serve what FILE says\n"
    "  loom --check FILE        read FILE, print every error and warning, and how much memory it may take at worst\n"
    "  loom --keys [--conf]     print every key with type, default and meaning; --conf: as a file to copy from\n"
    "  loom import FILE.yaml    print the flat file that says what the YAML file says; -o FILE: write it there\n"
    "  loom ledger verify DIR   compare the ledger's log with its sums; DIR is a state.directory, in use or not, or "
    "the\n"
    "                           FILE that names it and, where it is encrypted, its key\n"
    "  loom ledger export DIR   print the ledger's attempts, one a line; --format csv|jsonl; --period a month or a "
    "day, "
    "--from\n"
    "                           and --to a date or an RFC 3339 moment (from then, and before then); of --consumer, "
    "--team,\n"
    "                           --project, --tenant, --tier, --route, --provider or --model NAME alone\n"
    "  loom state encrypt FILE  encrypt the state.directory that FILE names with its state.encryption_key, while no "
    "Loom "
    "uses\n"
    "                           it; decrypt FILE: back; rekey FILE: from the key in LOOM_OLD_ENCRYPTION_KEY to FILE's\n"
    "  loom embed DIR           print the vector of each line of standard input by the sentence model in DIR\n"
    "  loom --version | --help\n"
    "\n"
    "  -set KEY=VALUE           overrides the file; as often as needed, with -config and --check\n"
    "\n"
    "SIGHUP reads the file again, SIGTERM lets requests end and stops.\n"
    "Exit status: 0, 1 a difference in a ledger, 64 a wrong command line, 78 a wrong configuration, 70 a fault of "
    "Loom.\n";

using Parsed = std::expected<void, std::string>;
using Action = CommandLine::Action;

std::unexpected<std::string> wrong(std::string text) { return std::unexpected(std::move(text)); }

bool is_yaml(std::string_view path) { return path.ends_with(".yaml") || path.ends_with(".yml"); }

class Parser {
  public:
    explicit Parser(std::span<const char* const> arguments) : rest_(arguments) {}

    std::expected<CommandLine, std::string> run() {
        if (rest_.empty()) return wrong("nothing to do");
        while (!rest_.empty()) LOOM_TRY(take());
        if (line_.as_conf && line_.action != Action::keys) return wrong("--conf goes with --keys");
        const bool reads_conf =
            line_.action == Action::run || line_.action == Action::check || line_.action == Action::state;
        if (!line_.overrides.empty() && !reads_conf) return wrong("-set goes with -config, --check or state");
        if (!line_.output_path.empty() && line_.action != Action::import) return wrong("-o goes with import");
        return std::move(line_);
    }

  private:
    Parsed take() {
        std::string_view word = rest_.front();
        rest_ = rest_.subspan(1);
        if (word == "import" && !chosen_) return choose_with_path(Action::import, "import", {});
        if (word == "ledger" && !chosen_) return ledger();
        if (word == "embed" && !chosen_) return embed();
        if (word == "state" && !chosen_) return state();
        if (!word.starts_with('-') && chosen_)
            return wrong(fmt::format("'{}' is one word too many: a command takes one file", word));
        if (!word.starts_with('-')) {
            const char* const meant = is_yaml(word) ? "import" : "-config";
            return wrong(fmt::format("'{}' is no option; did you mean {} {}?", word, meant, word));
        }
        word.remove_prefix(word.starts_with("--") ? 2 : 1);
        const size_t equals = word.find('=');
        const auto name = word.substr(0, equals);
        const auto attached = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
        return option(name, attached);
    }

    Parsed option(std::string_view name, std::string_view attached) {
        if (name == "config") return choose_with_path(Action::run, name, attached);
        if (name == "check") return choose_with_path(Action::check, name, attached);
        if (name == "set") return override_with(attached);
        if (name == "o") return write_to(attached);
        if (admin::ExportTerms::knows(name)) return say(name, attached);
        if (!attached.empty()) return wrong(fmt::format("--{} takes no value", name));
        if (name == "keys") return choose(Action::keys);
        if (name == "version") return choose(Action::version);
        if (name == "help" || name == "h") return choose(Action::help);
        if (name == "redis") return compare_redis();
        if (name != "conf") return wrong(fmt::format("unknown option --{}", name));
        line_.as_conf = true;
        return {};
    }

    Parsed compare_redis() {
        if (line_.action != Action::verify_ledger) return wrong("--redis goes with ledger verify");
        line_.with_redis = true;
        return {};
    }

    Parsed embed() {
        LOOM_TRY(choose(Action::embed));
        line_.path = LOOM_TRY(argument("embed", {}, "a folder"));
        return {};
    }

    Parsed state() {
        const std::string_view verb = rest_.empty() ? std::string_view() : rest_.front();
        if (verb != "encrypt" && verb != "decrypt" && verb != "rekey")
            return wrong("state needs a verb: loom state encrypt FILE, decrypt FILE, or rekey FILE");
        rest_ = rest_.subspan(1);
        line_.verb = verb;
        return choose_with_path(Action::state, "state " + line_.verb, {});
    }

    Parsed ledger() {
        const std::string_view verb = rest_.empty() ? std::string_view() : rest_.front();
        if (verb != "verify" && verb != "export")
            return wrong("ledger needs a verb: loom ledger verify DIR, or loom ledger export DIR");
        rest_ = rest_.subspan(1);
        const bool verifies = verb == "verify";
        LOOM_TRY(choose(verifies ? Action::verify_ledger : Action::export_ledger));
        line_.path = LOOM_TRY(argument(verifies ? "ledger verify" : "ledger export", {}, "a state.directory"));
        return {};
    }

    Parsed say(std::string_view name, std::string_view attached) {
        if (line_.action != Action::export_ledger) return wrong(fmt::format("--{} goes with ledger export", name));
        const char* const what = name == "format"                 ? "csv or jsonl"
                                 : name == "period"               ? "a month or a day"
                                 : name == "from" || name == "to" ? "a date or a moment"
                                                                  : "a name";
        line_.terms.emplace_back(name, LOOM_TRY(argument(name, attached, what)));
        return {};
    }

    Parsed choose(Action action) {
        if (chosen_) return wrong("one command at a time");
        chosen_ = true;
        line_.action = action;
        return {};
    }

    Parsed choose_with_path(Action action, std::string_view name, std::string_view attached) {
        LOOM_TRY(choose(action));
        line_.path = LOOM_TRY(argument(name, attached, "a file"));
        return {};
    }

    Parsed write_to(std::string_view attached) {
        line_.output_path = LOOM_TRY(argument("o", attached, "a file"));
        return {};
    }

    Parsed override_with(std::string_view attached) {
        const std::string text = LOOM_TRY(argument("set", attached, "KEY=VALUE"));
        const size_t equals = text.find('=');
        if (equals == 0 || equals == std::string::npos)
            return wrong(fmt::format("-set '{}': expected KEY=VALUE", text));
        line_.overrides.push_back({text.substr(0, equals), text.substr(equals + 1)});
        return {};
    }

    std::expected<std::string, std::string> argument(std::string_view name, std::string_view attached,
                                                     std::string_view what) {
        if (!attached.empty()) return std::string(attached);
        std::string text = rest_.empty() ? "" : rest_.front();
        if (text.empty())
            return wrong(fmt::format(
                "{}{} needs {}",
                name == "import" || name == "embed" || name.starts_with("ledger ") || name.starts_with("state ") ? ""
                                                                                                                 : "-",
                name, what));
        rest_ = rest_.subspan(1);
        return text;
    }

    std::span<const char* const> rest_;
    CommandLine line_;
    bool chosen_ = false;
};

void print(std::FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

const config::Schema& schema() {
    static const config::Schema schema(all_keys());
    return schema;
}

config::Loaded load_and_check(const CommandLine& line) {
    auto loaded = config::load(line.path, line.overrides, schema(), config::system_source());
    add_checks(loaded);
    return loaded;
}

void print_diagnostics(std::span<const config::Diagnostic> diagnostics) {
    for (const auto& diagnostic : diagnostics) print(stderr, config::to_string(diagnostic) + "\n");
}

/// For its owner alone, as it may hold keys. A file that is there is somebody's work and stays.
int write_new_file(const std::string& path, std::string_view text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) {
        print(stderr, fmt::format("loom: {} is there already; move it away or name another file\n", path));
        return exit_usage;
    }
    std::FILE* file = fd < 0 ? nullptr : ::fdopen(fd, "w");
    const bool is_written = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    const bool is_closed = file != nullptr && std::fclose(file) == 0;
    if (is_written && is_closed) return exit_ok;
    print(stderr, fmt::format("loom: cannot write {}: {}\n", path, std::strerror(errno)));
    if (fd >= 0) ::unlink(path.c_str());  // half a configuration is worse than none
    return exit_internal;
}

std::string count_of(size_t count, std::string_view thing) {
    return fmt::format("{} {}{}", count, thing, count == 1 ? "" : "s");
}

using Messages = std::vector<std::string>;

struct Trial {
    MemoryBound bound;
    Messages warnings;
};

/// Builds all that a start would build, without a thread or a socket. Errors are those a start would meet: a CA file
/// that cannot be read.
std::expected<Trial, Messages> try_start(const config::Config& config) {
    const auto server = LOOM_TRY(build_server_options(config));
    observe::Metrics metrics(1);
    TlsFiles files;
    route::TargetTable targets;
    tenant::LimitTable limits;
    const auto plan = LOOM_TRY(build_plan(config, metrics, files, targets, limits, 1));
    if (std::string fault = fault_of_state(server); !fault.empty()) return std::unexpected(Messages{std::move(fault)});
    Messages warnings = plan->catalogue.warnings();
    std::ranges::copy(price_warnings(*plan), std::back_inserter(warnings));
    return Trial{memory_bound(server, *plan), std::move(warnings)};
}

int check(const CommandLine& line) {
    const auto loaded = load_and_check(line);
    print_diagnostics(loaded.diagnostics);
    size_t errors = 0;
    for (const auto& diagnostic : loaded.diagnostics) errors += diagnostic.is_error ? 1 : 0;
    auto warnings = loaded.diagnostics.size() - errors;
    const auto trial = errors == 0 ? try_start(*loaded.config) : std::unexpected(Messages());
    if (errors == 0 && !trial) {
        errors += trial.error().size();
        for (const auto& message : trial.error()) print(stderr, fmt::format("{}: {}\n", line.path, message));
    }
    if (trial) {
        warnings += trial->warnings.size();
        for (const auto& message : trial->warnings) print(stderr, fmt::format("{}: warning: {}\n", line.path, message));
    }
    const auto verdict = errors == 0 ? "ok" : count_of(errors, "error");
    print(stdout,
          fmt::format("{}: {}{}\n", line.path, verdict, warnings == 0 ? "" : ", " + count_of(warnings, "warning")));
    if (errors > 0) return exit_config;
    print(stdout, to_string(trial->bound));
    print(stdout, advice(trial->bound, machine_memory_bytes()));
    return exit_ok;
}

int run_state_verb(const CommandLine& line) {
    const auto loaded = load_and_check(line);
    if (loaded.config != nullptr) return change_state(line.verb, *loaded.config);
    print_diagnostics(loaded.diagnostics);
    return exit_config;
}

using LedgerAction = std::function<int(const LedgerPlace& place, const config::Config* config)>;

/// config  null of a directory that was named itself.
int with_ledger(const CommandLine& line, const LedgerAction& action) {
    std::error_code ignored;
    const bool is_file = std::filesystem::is_regular_file(line.path, ignored);
    const auto loaded = is_file ? load_and_check(line) : config::Loaded();
    if (is_file && loaded.config == nullptr) {
        print_diagnostics(loaded.diagnostics);
        return exit_config;
    }
    const auto place = is_file ? ledger_place(*loaded.config) : ledger_place(line.path);
    if (place) return action(*place, loaded.config.get());
    print(stderr, fmt::format("loom: {}\n", place.error()));
    return exit_config;
}

int verify(const CommandLine& line, const LedgerPlace& place, const config::Config* config) {
    if (line.with_redis && config == nullptr) {
        print(stderr, "loom: --redis needs the FILE that says where the store is, in place of its state.directory\n");
        return exit_usage;
    }
    const int status = verify_ledger_in(place);
    if (!line.with_redis || (status != exit_ok && status != exit_difference)) return status;
    const int told = verify_told_in(place, *config);
    return told == exit_ok ? status : told;
}

int serve(const CommandLine& line) {
    auto loaded = load_and_check(line);
    print_diagnostics(loaded.diagnostics);
    if (loaded.config == nullptr) return exit_config;
    loaded.partial.reset();  // the server keeps what it needs of it, and no client's key
    return run_server(std::move(loaded.config), {line.path, line.overrides});
}

std::string why_unread(const Error& error) {
    if (error.code == Errc::too_large)
        return fmt::format("it has more than {} bytes; import it in parts, which an `include` joins",
                           config::file_bytes_max);
    const auto* remedy = "";
    if (error.sys_errno == ENOENT) remedy = "; look at the path, which begins in the working directory";
    if (error.sys_errno == EACCES) remedy = "; run as a user who may read it";
    if (error.sys_errno == EISDIR) remedy = "; name a file in it";
    return fmt::format("{}{}", std::strerror(error.sys_errno), remedy);
}

int import(const CommandLine& line) {
    const auto yaml = config::system_source().read_file(line.path, config::file_bytes_max);
    if (!yaml) {
        print(stderr, fmt::format("loom: cannot read {}: {}\n", line.path, why_unread(yaml.error())));
        return exit_config;
    }
    const auto imported = config::import_yaml(*yaml, line.path, schema());
    print_diagnostics(imported.diagnostics);
    if (config::has_error(imported.diagnostics)) return exit_config;
    if (!line.output_path.empty()) return write_new_file(line.output_path, imported.conf);
    print(stdout, imported.conf);
    return exit_ok;
}

int run_line(const CommandLine& line) {
    const bool reads_conf = line.action == Action::run || line.action == Action::check;
    if (reads_conf && is_yaml(line.path)) {
        print(stderr, fmt::format("loom: {} is YAML: run `loom import {}` to get a flat file\n", line.path, line.path));
        return exit_usage;
    }
    switch (line.action) {
        case Action::run: return serve(line);
        case Action::check: return check(line);
        case Action::keys:
            print(stdout, line.as_conf ? config::reference_conf(schema()) : config::key_list(schema()));
            return exit_ok;
        case Action::version: print(stdout, "loom " LOOM_VERSION "\n"); return exit_ok;
        case Action::help: print(stdout, usage_text); return exit_ok;
        case Action::import: return import(line);
        case Action::state: return run_state_verb(line);
        case Action::verify_ledger:
            return with_ledger(line, [&line](const LedgerPlace& place, const config::Config* config) {
                return verify(line, place, config);
            });
        case Action::embed: return embed_lines_with(line.path);
        case Action::export_ledger:
            return with_ledger(line, [&line](const LedgerPlace& place, const config::Config*) {
                return export_ledger_in(place, line.terms);
            });
    }
    return exit_internal;
}

}  // namespace

std::expected<CommandLine, std::string> parse_command_line(std::span<const char* const> arguments) {
    return Parser(arguments).run();
}

const char* usage() { return usage_text; }

int run_command(std::span<const char* const> arguments) {
    const auto line = parse_command_line(arguments);
    if (line) {
        const int status = run_line(*line);
        if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
        print(stderr, "loom: what was to be printed could not be written: is the disk full?\n");
        return exit_internal;
    }
    print(stderr, fmt::format("loom: {}\nTry `loom --help`.\n", line.error()));
    return exit_usage;
}

}  // namespace loom::app
