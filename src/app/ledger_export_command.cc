#include <fmt/format.h>

#include <cstdio>

#include "cli.h"
#include "ledger_command.h"
#include "loom/admin/ledger_lines.h"

namespace loom::app {
namespace {

bool print_out(std::string& text) {
    const bool good = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
    text.clear();
    return good;
}

}  // namespace

int export_ledger_in(const LedgerPlace& place, const std::vector<std::pair<std::string, std::string>>& said) {
    admin::ExportTerms terms;
    for (const auto& [name, value] : said) {
        const auto taken = terms.set(name, value);
        if (taken) continue;
        fmt::print(stderr, "loom: --{} {}\n", name, taken.error());
        return exit_usage;
    }
    std::string text;
    admin::write_line_names(terms.format, text);
    (void)print_out(text);
    const auto exported = store::export_ledger(
        place.directory,
        [&](const store::LedgerRow& row) {
            admin::write_line(terms.format, row, text);
            return print_out(text);
        },
        place.vault, terms.filter);
    if (!exported) {
        fmt::print(stderr, "loom: {}\n", exported.error());
        return exit_config;
    }
    if (exported->without_intent > 0)
        fmt::print(stderr, "note: of {} attempts the segment with their beginning is gone; they have no line\n",
                   exported->without_intent);
    if (exported->gone > 0)
        fmt::print(stderr, "note: {} segments were removed meanwhile, since their time was over\n", exported->gone);
    if (exported->damaged_bytes == 0) return exit_ok;
    fmt::print(stderr, "difference: {} bytes of the log are damaged: attempts may be missing; see loom ledger verify\n",
               exported->damaged_bytes);
    return exit_difference;
}

}  // namespace loom::app
