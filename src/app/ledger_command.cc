#include "ledger_command.h"

#include <fmt/format.h>

#include <cstdio>

#include "cli.h"
#include "loom/store/usage_store.h"

namespace loom::app {

int verify_ledger_in(const LedgerPlace& place) {
    const std::string& directory = place.directory;
    const auto verdict = store::verify_ledger(directory, place.vault);
    if (!verdict) {
        fmt::print(stderr, "loom: {}\n", verdict.error());
        return exit_config;
    }
    for (const std::string& note : verdict->notes) fmt::print("note: {}\n", note);
    for (const std::string& difference : verdict->differences) fmt::print("difference: {}\n", difference);
    const store::UsageSums& total = verdict->total;
    fmt::print("{}: {} records of {} segments; {} requests, {} attempts, {} input and {} output tokens, cost {}\n",
               directory, verdict->records, verdict->segments, total.requests, total.attempts, total.input,
               total.output, MoneyText(total.cost).view());
    const store::LocalSums& local = verdict->local;
    if (local.cached() + local.refused() > 0)
        fmt::print("{}: {} requests answered from the cache, cost saved {}; {} refused\n", directory, local.cached(),
                   MoneyText(local.saved).view(), local.refused());
    const size_t differences = verdict->differences.size();
    if (differences == 0) fmt::print("{}: log and database agree\n", directory);
    if (differences > 0) fmt::print("{}: {} difference{}\n", directory, differences, differences == 1 ? "" : "s");
    return differences == 0 ? exit_ok : exit_difference;
}

}  // namespace loom::app
