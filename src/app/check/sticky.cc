// Checks of what requests belong together by.
#include <algorithm>

#include "check/report.h"
#include "loom/route/affinity.h"

namespace loom::app {
namespace {

void check_terms(Report& report, const std::string& key) {
    if (!report.config.has(key)) return;
    const std::string& text = report.config.text(key);
    const auto terms = route::parse_affinity(text);
    if (!terms)
        return report.error(key, fmt::format("'{}': expected off, ip, cookie:NAME, header:NAME, user or prompt_prefix",
                                             config::printable(text)));
    if (terms->name.empty() || config::fits(config::PatternPart::Kind::header, terms->name)) return;
    const bool is_header = terms->by == route::AffinityBy::header;
    report.error(key,
                 fmt::format("'{}' is no {}'s name", config::printable(terms->name), is_header ? "header" : "cookie"));
}

}  // namespace

void check_sticky(Report& report) {
    constexpr double load_factor_max = 100;
    const double load_factor = report.config.decimal("routing.sticky.load_factor");
    if (load_factor < 1 || load_factor > load_factor_max)
        report.error("routing.sticky.load_factor",
                     "expected a number from 1 (each its share and no more) to 100; 1.25 is the default");
    check_terms(report, "routing.sticky");
    for (const auto& name : report.config.names("route")) check_terms(report, fmt::format("route.{}.sticky", name));
}

}  // namespace loom::app
