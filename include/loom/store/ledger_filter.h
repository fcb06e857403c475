// Which of the ledger's records are meant: by when they began, and by whose and what they were. What no provider was
// asked for is of none, and its model is what its client has named.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/tenant/ledger_record.h"

namespace loom::store {

class LedgerFilter {
  public:
    uint64_t from_us = 0;         // since 1970: those that began then or later …
    uint64_t to_us = UINT64_MAX;  // … and before this

    /// What can be asked for, as the columns of an export are called.
    static constexpr std::array<std::string_view, 8> names = {"consumer", "team",  "project",  "tenant",
                                                              "tier",     "route", "provider", "model"};
    /// Only those that have this; "" are those that have none. A team, and a project, is named as sums are: "acme/dev"
    /// is a tenant's, "dev" that of none (tenant::team_key_of). The last value of a name counts.
    /// False: the name is none of `names`.
    [[nodiscard]] bool set(std::string_view name, std::string_view value);

    [[nodiscard]] bool takes(const tenant::LedgerIntent& intent) const;

    struct Wanted {
        std::string_view name;  // of `names`
        std::string value;      // as records have it, or a key
    };
    [[nodiscard]] const std::vector<Wanted>& wanted() const noexcept { return wanted_; }

  private:
    std::vector<Wanted> wanted_;
};

}  // namespace loom::store
