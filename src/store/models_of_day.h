// The names of one day's models, which clients can make up: as many as there may be, and what comes beyond is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "loom/base/hash.h"
#include "loom/store/usage.h"

namespace loom::store {

class ModelsOfDay {
  public:
    static constexpr std::string_view beyond = "other";

    /// As it is to be booked. What settles behind midnight is of the day before, which has had its bound: it keeps its
    /// name, and so does all while `names_of(day)`, a DatabaseResult of those that are booked, cannot be read.
    template <class NamesOf>
    [[nodiscard]] std::string bounded(UsageDay day, std::string model, uint64_t names_max, NamesOf&& names_of) {
        if (day < day_) return model;
        if (day > day_) {
            const auto names = names_of(day);
            if (!names) return model;
            begin(day, *names);
        }
        const uint64_t hash = hash64(model);
        if (names_.contains(hash)) return model;
        if (names_.size() >= names_max) return std::string(beyond);
        names_.insert(hash);
        return model;
    }
    void forget() noexcept { day_ = -1; }

  private:
    void begin(UsageDay day, const std::vector<std::string>& names) {
        names_.clear();
        for (const std::string& name : names)
            if (name != beyond) names_.insert(hash64(name));
        day_ = day;
    }

    UsageDay day_ = -1;  // the newest
    std::unordered_set<uint64_t> names_;
};

}  // namespace loom::store
