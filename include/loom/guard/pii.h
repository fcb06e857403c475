// The kinds of personal data and secrets that Loom finds, by the names that the conf knows them by.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "loom/base/pii_type.h"

namespace loom::guard {

using loom::pii_named_count;
using loom::pii_type_count;
using loom::PiiType;

struct PiiInfo {
    std::string_view name;   // in the conf and in metrics
    std::string_view label;  // "EMAIL"
    /// What it is at most long, from its first byte, or from the sign before it that tells it, to what must be seen
    /// behind it. A stream never holds more for it, and the word that it stands in.
    uint32_t bytes_max;
    /// Whether a check (digits, issuer, format) tells it from other text. What has none has to be asked for by name.
    bool reliable;
};
/// Of a type that is not custom.
[[nodiscard]] const PiiInfo& pii_info(PiiType type) noexcept;
[[nodiscard]] std::optional<PiiType> pii_type(std::string_view name) noexcept;

class PiiTypes {
  public:
    constexpr PiiTypes() noexcept = default;
    [[nodiscard]] static PiiTypes reliable() noexcept;
    /// But for custom ones.
    [[nodiscard]] static constexpr PiiTypes all() noexcept {
        PiiTypes every;
        every.bits_ = (uint64_t{1} << pii_named_count) - 1;
        return every;
    }
    constexpr void add(PiiType type) noexcept { bits_ |= bit(type); }
    constexpr void remove(PiiType type) noexcept { bits_ &= ~bit(type); }
    [[nodiscard]] constexpr bool has(PiiType type) const noexcept { return (bits_ & bit(type)) != 0; }
    [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
    /// The longest of their bytes_max, but for custom ones.
    [[nodiscard]] uint32_t bytes_max() const noexcept;

  private:
    static constexpr uint64_t bit(PiiType type) noexcept { return uint64_t{1} << static_cast<uint32_t>(type); }
    uint64_t bits_ = 0;
};

/// What was found where. Offsets in bytes of the whole text.
struct PiiSpan {
    uint64_t begin = 0;
    uint64_t end = 0;
    PiiType type = PiiType::email;
    friend bool operator==(const PiiSpan&, const PiiSpan&) = default;
};

}  // namespace loom::guard
