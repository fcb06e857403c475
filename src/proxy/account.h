// The name under which the register of ids knows who stores a thing: the provider, and which of its instances.
//
//   openai                          the only instance, or the first
//   openai#1f0c5d2a9b3e4c77.2       of several: the hash of base URL and key, and the place in the file
//
// The hash finds the instance wherever it stands by then; the place finds it after its key has been exchanged for
// another of the same account, in its line.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "loom/proxy/plan.h"

namespace loom::proxy {

struct Account {
    int provider_ix = 0;
    size_t instance_ix = 0;
    bool operator==(const Account&) const = default;
};

[[nodiscard]] std::string account_name(const ProviderPlan& provider, size_t instance_ix);
/// Nothing for a provider that the plan does not have.
[[nodiscard]] std::optional<Account> find_account(const Plan& plan, std::string_view name) noexcept;

}  // namespace loom::proxy
