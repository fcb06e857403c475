#include "ledger.h"

namespace loom::soak {
namespace {

constexpr size_t complaints_max = 20;
constexpr size_t complaint_bytes_max = 1500;

}  // namespace

void FaultWindows::open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
}

void FaultWindows::close() {
    const std::lock_guard lock(mutex_);
    is_open_ = false;
    last_close_ = Clock::now();
}

bool FaultWindows::since(Clock::time_point from) const {
    const std::lock_guard lock(mutex_);
    return is_open_ || last_close_ >= from;
}

void Ledger::book(const std::string& what, const Outcome& outcome) {
    {
        const std::lock_guard lock(mutex_);
        totals_.asked += 1;
        totals_.by_status[outcome.status] += 1;
        kinds_[what] += 1;
        if (outcome.is_error && outcome.complaint.empty()) totals_.explained += 1;
    }
    if (!outcome.complaint.empty()) complain(what + ": " + outcome.complaint);
}

void Ledger::complain(const std::string& text) {
    const std::lock_guard lock(mutex_);
    totals_.unexplained += 1;
    if (complaints_.size() < complaints_max) complaints_.push_back(text.substr(0, complaint_bytes_max));
}

Ledger::Totals Ledger::totals() const {
    const std::lock_guard lock(mutex_);
    return totals_;
}

std::vector<std::string> Ledger::complaints() const {
    const std::lock_guard lock(mutex_);
    return complaints_;
}

std::map<std::string, uint64_t> Ledger::by_kind() const {
    const std::lock_guard lock(mutex_);
    return kinds_;
}

}  // namespace loom::soak
