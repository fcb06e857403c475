// A text as a guard tells it that takes leaks out.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "loom/guard/leaks.h"

namespace loom::guard::test {

/// A stream that tells what is decided, and forgets what was told.
class LeakStream {
  public:
    explicit LeakStream(const LeakRules& rules, bool placeholders = false, const SystemText* system = nullptr)
        : scan_(rules, system) {
        if (placeholders) scan_.expect_placeholders();
    }

    void feed(std::string_view piece, bool ends = false) {
        window_ += piece;
        if (ends) window_ += '\x1e';
        scan_.advance(window_, ends, [this](const LeakFind& find) {
            finds_.insert(std::ranges::upper_bound(finds_, find.begin, {}, &LeakFind::begin), find);
            count += !find.goes_on;
        });
        const size_t limit = ends ? window_.size() - 1 : scan_.decided();
        while (!finds_.empty() && finds_.front().begin < limit) {
            const LeakFind find = finds_.front();
            finds_.erase(finds_.begin());
            tell(find.begin);
            if (find.end > told_ && !find.goes_on && find.begin >= told_) told += "[link removed]";
            told_ = std::max(told_, find.end);
        }
        tell(limit);
        const size_t gone = std::min(told_, scan_.decided());
        if (gone == 0 || ends) return;
        window_.erase(0, gone);
        scan_.forget(gone);
        told_ -= gone;
        for (LeakFind& find : finds_) find.begin -= gone, find.end -= gone;
    }
    [[nodiscard]] size_t held_bytes() const { return window_.size() - told_; }

    std::string told;
    size_t count = 0;

  private:
    void tell(size_t end) {
        if (end > told_) told += window_.substr(told_, end - told_), told_ = end;
    }
    LeakScan scan_;
    std::string window_;
    std::vector<LeakFind> finds_;
    size_t told_ = 0;
};

inline std::string without_leaks(const LeakRules& rules, std::string_view text) {
    LeakStream stream(rules);
    stream.feed(text, true);
    return stream.told;
}

inline LeakRules rules_of(std::initializer_list<std::string_view> hosts) {
    LeakRules rules;
    rules.links = true;
    for (const std::string_view host : hosts) (void)rules.hosts.add(host);
    return rules;
}

}  // namespace loom::guard::test
