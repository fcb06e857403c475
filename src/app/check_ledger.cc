// Checks of what is written down of what clients use.
#include "check_report.h"

namespace loom::app {

void check_ledger(Report& report) {
    const config::Config& config = report.config;
    if (!config.boolean("token_accounting.enabled")) {
        for (const char* const key : {"token_accounting.store.type", "token_accounting.on_disk_full"})
            if (config.has(key)) return report.warning(key, "nothing is booked: set token_accounting.enabled = on");
        return;
    }
    const bool in_memory = config.text("token_accounting.store.type") == "memory";
    if (in_memory || config.has("state.directory")) return;
    report.warning("token_accounting.enabled",
                   "what is used is kept in memory and lost at a restart; set state.directory = /var/lib/loom");
}

}  // namespace loom::app
