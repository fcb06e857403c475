// What a soak has to show at its end, line by line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ledger.h"
#include "site.h"

namespace loom::soak {

/// Loom's resident memory over time. Flat: what it is in the last third of the run is what it was in the second, the
/// median of each, but for the noise of the traffic that runs just then. The first third is warm-up: pools, slabs and
/// buffers grow to what the traffic needs.
class ResidentSeries {
  public:
    void add(size_t bytes) { samples_.push_back(bytes); }
    [[nodiscard]] size_t middle_bytes() const { return median(1); }
    [[nodiscard]] size_t last_bytes() const { return median(2); }
    [[nodiscard]] size_t tolerance_bytes() const;
    [[nodiscard]] bool is_flat() const { return last_bytes() <= middle_bytes() + tolerance_bytes(); }

  private:
    [[nodiscard]] size_t median(size_t third) const;
    std::vector<size_t> samples_;
};

class Verdict {
  public:
    void check(bool holds, const std::string& text);
    /// Said, and not judged.
    void note(const std::string& text) { lines_.push_back("  note  " + text); }
    [[nodiscard]] bool is_good() const { return failure_count_ == 0; }
    [[nodiscard]] std::string text() const;

  private:
    std::vector<std::string> lines_;
    size_t failure_count_ = 0;
};

/// Every request that a client made stands once in the counters and once in the access log.
void check_settlement(Verdict& verdict, const Ledger::Totals& asked, const std::map<std::string, double>& metrics,
                      const LogCount& log);
void check_resident(Verdict& verdict, const ResidentSeries& series);

}  // namespace loom::soak
