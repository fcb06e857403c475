// What models can do at their providers, and what a request needs: who cannot is not asked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace loom::route {

enum class Capability : uint8_t {
    tools,
    vision,       // images in the prompt
    audio,        // in the prompt, or as the answer
    json_schema,  // an answer that follows one
};
inline constexpr uint32_t capability_count = static_cast<uint32_t>(Capability::json_schema) + 1;
[[nodiscard]] std::string_view capability_name(Capability capability) noexcept;
[[nodiscard]] std::optional<Capability> find_capability(std::string_view name) noexcept;

/// One bit each.
using CapabilitySet = uint8_t;
[[nodiscard]] constexpr CapabilitySet set_of(Capability capability) noexcept {
    return static_cast<CapabilitySet>(1u << static_cast<unsigned>(capability));
}
inline constexpr CapabilitySet every_capability = (1u << capability_count) - 1;

/// What is known of a provider, or of one of its models. What is not said is not known, and taken for granted.
struct CapabilityOptions {
    std::optional<CapabilitySet> can;
    uint64_t context_tokens = 0;  // of prompt and answer together; 0: not known
};

struct Needs {
    CapabilitySet what = 0;
    uint64_t tokens = 0;  // of prompt and answer, estimated
};

/// By provider, and there by the model's name at the provider. Immutable: part of a configuration snapshot.
class Capabilities {
  public:
    /// Of a provider's models that have no row of their own.
    void set_provider(size_t provider_ix, const CapabilityOptions& options);
    /// model  a name, or a prefix with a trailing '*'. What it does not say is the provider's.
    void set_model(size_t provider_ix, std::string_view model, const CapabilityOptions& options);
    [[nodiscard]] bool empty() const noexcept { return providers_.empty(); }

    /// What of the needs cannot be met; 0: nothing that is known. The length is not among it.
    [[nodiscard]] CapabilitySet missing(const Needs& needs, size_t provider_ix, std::string_view model) const noexcept;
    /// Of prompt and answer together; 0: not known.
    [[nodiscard]] uint64_t context_tokens(size_t provider_ix, std::string_view model) const noexcept;
    /// By the estimate. No allocation, as above: the exact name, else the longest prefix.
    [[nodiscard]] bool fits_context(const Needs& needs, size_t provider_ix, std::string_view model) const noexcept;

  private:
    struct Model {
        std::string name;  // without its '*'
        bool prefix = false;
        CapabilityOptions options;
    };
    struct Provider {
        CapabilityOptions options;
        std::vector<Model> models;  // exact names, then prefixes, the longest first
    };
    Provider& row(size_t provider_ix);
    [[nodiscard]] CapabilityOptions of(size_t provider_ix, std::string_view model) const noexcept;

    std::vector<Provider> providers_;
};

}  // namespace loom::route
