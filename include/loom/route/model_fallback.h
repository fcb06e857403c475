// Which model is asked in place of one that cannot take a request: its context is too small, its provider's filter of
// contents does not let it through, or the budget of who asks does not do for it.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace loom::route {

enum class FallbackCause : uint8_t { context_window, content_policy, budget };
/// Those that a provider's answer tells.
inline constexpr FallbackCause refusal_causes[] = {FallbackCause::context_window, FallbackCause::content_policy};
inline constexpr FallbackCause fallback_causes[] = {FallbackCause::context_window, FallbackCause::content_policy,
                                                    FallbackCause::budget};
/// "context_window", "content_policy", "budget".
[[nodiscard]] std::string_view cause_name(FallbackCause cause) noexcept;

/// Immutable once built: part of a configuration snapshot.
class ModelFallbacks {
  public:
    /// model  "" for every one that has none of its own.
    void set(std::string_view model, FallbackCause cause, std::string_view instead);
    /// "" where none is asked instead. Lives as long as this does. No allocation.
    [[nodiscard]] std::string_view next(std::string_view model, FallbackCause cause) const noexcept;
    /// None for any model.
    [[nodiscard]] bool empty_of(FallbackCause cause) const noexcept { return map_of(cause).empty(); }
    /// From `model` on, one after the other, until there is no next or one comes again, which then stands at the end.
    [[nodiscard]] std::vector<std::string_view> chain(std::string_view model, FallbackCause cause) const;

  private:
    using Map = std::map<std::string, std::string, std::less<>>;
    [[nodiscard]] const Map& map_of(FallbackCause cause) const noexcept {
        return by_model_[static_cast<size_t>(cause)];
    }
    Map by_model_[std::size(fallback_causes)];  // by cause
};

}  // namespace loom::route
