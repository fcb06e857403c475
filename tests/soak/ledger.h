// What was asked and what came of it; and when faults were injected that excuse what else would be an error.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace loom::soak {

using Clock = std::chrono::steady_clock;

/// The times in which the flapping upstream was away. A request that overlaps none of them has no excuse.
class FaultWindows {
  public:
    void open();
    void close();
    /// Was the upstream away at any time from `from` until now?
    [[nodiscard]] bool since(Clock::time_point from) const;

  private:
    mutable std::mutex mutex_;
    bool is_open_ = false;
    Clock::time_point last_close_{};
};

/// How one request ended, as its client saw it.
struct Outcome {
    int status = 0;         // 0: the client left before it knew one
    bool is_error = false;  // no whole 2xx with what was asked for
    std::string complaint;  // what no fault explains; "" when all is as it has to be
};

class Ledger {
  public:
    struct Totals {
        uint64_t asked = 0;        // requests whose head Loom has read
        uint64_t explained = 0;    // errors that are the injected fault's own
        uint64_t unexplained = 0;  // must stay 0
        std::map<int, uint64_t> by_status;
    };

    void book(const std::string& what, const Outcome& outcome);
    /// Something beside a request went wrong: a peer's script, a reload.
    void complain(const std::string& text);
    [[nodiscard]] Totals totals() const;
    /// The first of the unexplained, for the verdict.
    [[nodiscard]] std::vector<std::string> complaints() const;
    [[nodiscard]] std::map<std::string, uint64_t> by_kind() const;

  private:
    mutable std::mutex mutex_;
    Totals totals_;
    std::map<std::string, uint64_t> kinds_;
    std::vector<std::string> complaints_;
};

}  // namespace loom::soak
