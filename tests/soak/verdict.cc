#include "verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace loom::soak {
namespace {

constexpr size_t tolerance_share = 20;  // a twentieth
constexpr size_t tolerance_bytes_min = 2 * 1024 * 1024;

uint64_t count_of(const std::map<int, uint64_t>& by_status, int status) {
    const auto found = by_status.find(status);
    return found == by_status.end() ? 0 : found->second;
}

uint64_t counted(const std::map<std::string, double>& metrics, int status) {
    return static_cast<uint64_t>(
        wire::sum_where(metrics, "loom_http_requests_total", {fmt::format("code=\"{}\"", status)}));
}

}  // namespace

size_t ResidentSeries::median(size_t third) const {
    const size_t size = samples_.size() / 3;
    if (size == 0) return 0;
    std::vector<size_t> part(samples_.begin() + static_cast<ptrdiff_t>(third * size),
                             samples_.begin() + static_cast<ptrdiff_t>((third + 1) * size));
    std::nth_element(part.begin(), part.begin() + static_cast<ptrdiff_t>(size / 2), part.end());
    return part[size / 2];
}

size_t ResidentSeries::tolerance_bytes() const {
    return std::max(tolerance_bytes_min, middle_bytes() / tolerance_share);
}

void Verdict::check(bool holds, const std::string& text) {
    lines_.push_back((holds ? "  ok    " : "  FAIL  ") + text);
    if (!holds) ++failure_count_;
}

std::string Verdict::text() const {
    std::string text = is_good() ? "verdict: holds\n" : fmt::format("verdict: {} broken\n", failure_count_);
    for (const std::string& line : lines_) text += line + "\n";
    return text;
}

void check_settlement(Verdict& verdict, const Ledger::Totals& asked, const std::map<std::string, double>& metrics,
                      const LogCount& log) {
    const auto total = static_cast<uint64_t>(wire::sum_where(metrics, "loom_http_requests_total"));
    const auto dropped = static_cast<uint64_t>(wire::sum_where(metrics, "loom_access_log_dropped_total"));
    verdict.check(total == asked.asked,
                  fmt::format("every request settled once: {} asked, {} counted", asked.asked, total));
    verdict.check(log.lines == total && dropped == 0 && log.malformed == 0,
                  fmt::format("one log line a request: {} lines ({} dropped, {} malformed), {} counted", log.lines,
                              dropped, log.malformed, total));
    std::string differing;
    std::set<int> statuses;
    for (const auto* by_status : {&log.by_status, &asked.by_status}) {
        for (const auto& [status, count] : *by_status) statuses.insert(status);
    }
    statuses.erase(0);
    for (const int status : statuses) {
        const uint64_t lines = count_of(log.by_status, status);
        const uint64_t seen = count_of(asked.by_status, status);
        // A client that leaves does not know its status: 499, or 200 where all was sent already.
        const bool agrees = status == 499 || (status == 200 ? lines >= seen : lines == seen);
        if (!agrees || counted(metrics, status) != lines)
            differing += fmt::format(" {}: {} seen by clients, {} lines, {} counted;", status, seen, lines,
                                     counted(metrics, status));
    }
    const uint64_t left = count_of(log.by_status, 499);
    if (left > count_of(asked.by_status, 0)) differing += fmt::format(" 499: {} lines, too many;", left);
    verdict.check(differing.empty(),
                  "log, counters and clients agree on each status" + (differing.empty() ? "" : ":" + differing));
}

void check_resident(Verdict& verdict, const ResidentSeries& series) {
    const std::string text = fmt::format(
        "RSS flat after warm-up: median {:.1f} MiB in the last third, {:.1f} MiB in the second, tolerance {:.1f} MiB",
        static_cast<double>(series.last_bytes()) / 1048576, static_cast<double>(series.middle_bytes()) / 1048576,
        static_cast<double>(series.tolerance_bytes()) / 1048576);
    // Sanitizers keep what was freed, by design.
    if (wire::is_sanitized())
        verdict.note(text + " (not judged under a sanitizer)");
    else
        verdict.check(series.is_flat(), text);
}

}  // namespace loom::soak
