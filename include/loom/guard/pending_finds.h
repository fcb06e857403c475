// Finds that are known and not told yet, since one that overlaps them may still come.
#pragma once

#include <array>
#include <cstdint>

#include "loom/base/pii_type.h"
#include "loom/guard/pii.h"

namespace loom::guard {

/// By type: what is stricter has more. Of 0 is what is counted alone.
using PiiStrictness = std::array<uint8_t, pii_type_count>;

/// In order, and none overlaps another. Of those that do, what is counted alone gives way to what is not; the others
/// become one, from the first byte of any to the last, of the strictest type, then of the longer find's, then of the
/// type of higher priority: else a part of one of them were told as text.
class PendingFinds {
  public:
    /// More than begin in one word, which is what a find may begin before its anchor.
    static constexpr uint32_t count_max = 80;

    void add(PiiSpan span, const PiiStrictness& strictness) noexcept;
    /// Calls tell(const PiiSpan&) for those that nothing can overlap any more, in order, and forgets them.
    /// begin  nothing that comes begins before it.
    template <class Tell>
    void tell_up_to(uint64_t begin, Tell&& tell) {
        uint32_t told = 0;
        while (told < count_ && spans_[told].end <= begin) tell(spans_[told++]);
        drop(0, told);
    }
    template <class Tell>
    void tell_all(Tell&& tell) {
        for (uint32_t i = 0; i < count_; ++i) tell(spans_[i]);
        count_ = 0;
    }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    /// Of the first. Not where there is none.
    [[nodiscard]] uint64_t begin() const noexcept { return spans_[0].begin; }
    /// So many bytes before all of them are gone.
    void move_back(uint64_t bytes) noexcept;

  private:
    struct Kept {  // without initialisers: few are ever used, and there is one of this for each text
        uint64_t begin, end;
        PiiType type;
        operator PiiSpan() const noexcept { return {begin, end, type}; }
    };
    void drop(uint32_t first, uint32_t last) noexcept;

    uint32_t count_ = 0;
    std::array<Kept, count_max> spans_;
};

}  // namespace loom::guard
