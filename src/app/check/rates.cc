// Checks of the windows of request_rate and token_rate.
#include "plan/rates.h"

#include "check/report.h"

namespace loom::app {
namespace {

bool is_rate(std::string_view key) {
    if (!key.starts_with("rate_limit.")) return false;
    return key.ends_with(".request_rate") || key.ends_with(".token_rate") || key == "rate_limit.request_rate.limit" ||
           key == "rate_limit.token_rate.limit";
}

/// Of two windows one may never be the one that refuses. Tokens may be overshot by what is under way, which a longer
/// window still counts when a shorter one has forgotten it: of these only the other case is certain.
void check_pair(Report& report, const std::string& key, const Rate& shorter, const Rate& longer) {
    if (shorter.limit >= longer.limit)
        return report.warning(key, fmt::format("{} never counts: {} lets in no more than {} at any time; make the "
                                               "limit of the shorter window the smaller one",
                                               rate_text(shorter), rate_text(longer), longer.limit));
    const uint64_t times = (longer.window_ms + shorter.window_ms - 1) / shorter.window_ms;
    if (!key.ends_with(".request_rate") && key != "rate_limit.request_rate.limit") return;
    if (longer.limit >= shorter.limit * times)
        report.warning(key, fmt::format("{} never counts: {} lets in no more than {} in that time; leave it out, or "
                                        "make it smaller",
                                        rate_text(longer), rate_text(shorter), shorter.limit * times));
}

}  // namespace

void check_rates(Report& report) {
    for (const std::string_view name : report.config.keys()) {
        if (!is_rate(name)) continue;
        const std::string key(name);
        // Nothing is no number: a limit that a variable left empty must not be gone without a word.
        const auto rates =
            report.config.list(key).empty() ? parse_rates(std::vector{std::string()}, 0) : rates_at(report.config, key);
        if (!rates) {
            report.error(key, rates.error());
            continue;
        }
        for (size_t i = 1; i < rates->size(); ++i) check_pair(report, key, (*rates)[i - 1], (*rates)[i]);
    }
}

}  // namespace loom::app
