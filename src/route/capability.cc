#include "loom/route/capability.h"

#include <algorithm>
#include <array>

namespace loom::route {
namespace {

constexpr std::array<std::string_view, capability_count> names = {"tools", "vision", "audio", "json_schema"};

}  // namespace

std::string_view capability_name(Capability capability) noexcept { return names[static_cast<size_t>(capability)]; }

std::optional<Capability> find_capability(std::string_view name) noexcept {
    const auto found = std::ranges::find(names, name);
    return found == names.end() ? std::nullopt : std::optional(static_cast<Capability>(found - names.begin()));
}

Capabilities::Provider& Capabilities::row(size_t provider_ix) {
    if (provider_ix >= providers_.size()) providers_.resize(provider_ix + 1);
    return providers_[provider_ix];
}

void Capabilities::set_provider(size_t provider_ix, const CapabilityOptions& options) {
    row(provider_ix).options = options;
}

void Capabilities::set_model(size_t provider_ix, std::string_view model, const CapabilityOptions& options) {
    const bool prefix = model.ends_with('*');
    if (prefix) model.remove_suffix(1);
    auto& models = row(provider_ix).models;
    models.push_back({std::string(model), prefix, options});
    std::ranges::sort(models, [](const Model& a, const Model& b) {
        if (a.prefix != b.prefix) return b.prefix;
        return a.name.size() > b.name.size();
    });
}

CapabilityOptions Capabilities::of(size_t provider_ix, std::string_view model) const noexcept {
    if (provider_ix >= providers_.size()) return {};
    const Provider& provider = providers_[provider_ix];
    CapabilityOptions found = provider.options;
    for (const Model& one : provider.models) {
        if (one.prefix ? !model.starts_with(one.name) : model != one.name) continue;
        if (one.options.can) found.can = one.options.can;
        if (one.options.context_tokens != 0) found.context_tokens = one.options.context_tokens;
        break;
    }
    return found;
}

CapabilitySet Capabilities::missing(const Needs& needs, size_t provider_ix, std::string_view model) const noexcept {
    if (needs.what == 0) return 0;
    return static_cast<CapabilitySet>(needs.what & ~of(provider_ix, model).can.value_or(every_capability));
}

uint64_t Capabilities::context_tokens(size_t provider_ix, std::string_view model) const noexcept {
    return of(provider_ix, model).context_tokens;
}

bool Capabilities::fits_context(const Needs& needs, size_t provider_ix, std::string_view model) const noexcept {
    const uint64_t context_tokens = of(provider_ix, model).context_tokens;
    return context_tokens == 0 || needs.tokens <= context_tokens;
}

}  // namespace loom::route
