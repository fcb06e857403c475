#include "account.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace loom::proxy {
namespace {

constexpr char mark = '#';  // no provider's name holds it

}  // namespace

std::string account_name(const ProviderPlan& provider, size_t instance_ix) {
    if (provider.instance_set == nullptr) return provider.name;
    return fmt::format("{}{}{}.{}", provider.name, mark, provider.instances[instance_ix].id, instance_ix);
}

std::optional<Account> find_account(const Plan& plan, std::string_view name) noexcept {
    const size_t at = name.find(mark);
    const auto provider = std::ranges::find(plan.providers, name.substr(0, at), &ProviderPlan::name);
    if (provider == plan.providers.end()) return std::nullopt;
    Account account{.provider_ix = static_cast<int>(provider - plan.providers.begin())};
    if (at == name.npos || provider->instance_set == nullptr) return account;
    const std::string_view rest = name.substr(at + 1);
    const size_t dot = std::min(rest.find('.'), rest.size());
    const auto same = std::ranges::find(provider->instances, rest.substr(0, dot), &InstancePlan::id);
    if (same != provider->instances.end()) {
        account.instance_ix = static_cast<size_t>(same - provider->instances.begin());
        return account;
    }
    size_t place = 0;
    const std::string_view digits = rest.substr(std::min(dot + 1, rest.size()));
    std::from_chars(digits.data(), digits.data() + digits.size(), place);
    if (place < provider->instances.size()) account.instance_ix = place;
    return account;
}

}  // namespace loom::proxy
