// A request without what guards outside of Loom have named in its texts.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "guard_texts.h"
#include "loom/base/block_pool.h"
#include "loom/guard/external.h"

namespace loom::proxy {

class GuardEdits {
  public:
    static constexpr size_t turn_bytes = 64 * 1024;

    /// spans  in order, not overlapping, of texts as GuardTexts tells them of this document. Both are borrowed.
    GuardEdits(BlockPool& blocks, std::string_view document, std::span<const guard::ExternalSpan> spans);

    /// One turn. Returns whether there is more to do.
    [[nodiscard]] bool turn();
    /// A span begins or ends inside a character: whoever named it counts otherwise than in bytes of UTF-8.
    [[nodiscard]] bool is_misplaced() const noexcept { return misplaced_; }
    /// A span is not of one string: it cannot go without leaving something else than it meant.
    [[nodiscard]] bool is_unfit() const noexcept { return unfit_; }
    /// Once nothing is left to do, and neither of those is so.
    [[nodiscard]] ByteBuffer& changed() noexcept { return changed_; }
    [[nodiscard]] size_t memory_bytes() const noexcept;

  private:
    struct Edit {
        uint32_t begin = 0, end = 0;
        uint8_t depth = 0;
        bool begun = false;
    };
    void take(const TextPiece& piece);
    void note(Edit& edit, const TextPiece& piece, uint32_t from, uint32_t to) noexcept;
    void write();

    std::string_view document_;
    std::span<const guard::ExternalSpan> spans_;
    GuardTexts texts_;
    std::vector<Edit> edits_;  // by span
    size_t first_ = 0;         // the first span that is not behind
    ByteBuffer changed_;
    bool misplaced_ = false;
    bool unfit_ = false;
};

}  // namespace loom::proxy
