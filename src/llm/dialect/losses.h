// What a translation could not carry, by the names that its own document gives it: for `x-loom-dropped`, or a refusal.
#pragma once

#include <string_view>

#include "loom/base/arena_list.h"

namespace loom::llm {

class Losses {
  public:
    explicit Losses(Arena& arena) noexcept : arena_(arena) {}

    /// name  "logit_bias", "tools[].strict", …: of a client's own field, as it stands; it is kept once, and made fit
    /// for
    ///       a header (other bytes than visible ASCII without comma become '?', over 64 bytes it is cut).
    void add(std::string_view name);
    [[nodiscard]] const ArenaList<std::string_view>& names() const noexcept { return names_; }
    [[nodiscard]] bool empty() const noexcept { return names_.empty(); }

    static constexpr uint32_t names_max = 24;  // the last one says "…" in place of all others

  private:
    Arena& arena_;
    ArenaList<std::string_view> names_;
};

}  // namespace loom::llm
