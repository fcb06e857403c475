// Writes a changed document while it is walked: what is not touched is copied as it stands, in runs.
#pragma once

#include <cstdint>
#include <string_view>

#include "cursor.h"
#include "loom/base/block_pool.h"

namespace loom::llm {

/// Changes come in the order of their places. Without any, nothing is written.
class Splicer {
  public:
    Splicer(std::string_view original, ByteBuffer& out) noexcept : original_(original), out_(out) {}

    /// What stands from `begin` to `end` goes; put() writes what stands there instead.
    void cut(uint32_t begin, uint32_t end) {
        insert(begin, {});
        at_ = end;
    }
    void replace(Range range, std::string_view text) {
        cut(range.offset, range.end());
        put(text);
    }
    void insert(uint32_t offset, std::string_view text) {
        LOOM_ASSERT(offset >= at_);
        if (!changed_) out_.reserve(out_.size() + original_.size() + original_.size() / 8);
        changed_ = true;
        out_.append(original_.substr(at_, offset - at_));
        at_ = offset;
        put(text);
    }
    void put(std::string_view text) { out_.append(text); }
    /// False when nothing has changed.
    [[nodiscard]] bool finish() {
        if (changed_) out_.append(original_.substr(at_));
        return changed_;
    }

  private:
    std::string_view original_;
    ByteBuffer& out_;
    uint32_t at_ = 0;  // so far it is written
    bool changed_ = false;
};

/// Cuts members of an object, or elements of an array, with the commas that would be left over.
class ListCutter {
  public:
    ListCutter(const Cursor& cursor, Splicer& splicer) noexcept : cursor_(cursor), splicer_(splicer) {}

    /// The one that was just consumed; it began at `begin`.
    void keep() noexcept {
        any_kept_ = true;
        comma_ = cursor_.offset();
    }
    void cut(uint32_t begin) {
        const bool is_last = cursor_.peek() != ',';
        if (any_kept_)
            splicer_.cut(comma_, cursor_.last_end());
        else
            splicer_.cut(begin, is_last ? cursor_.last_end() : cursor_.offset() + 1);
        comma_ = cursor_.offset();
    }

  private:
    const Cursor& cursor_;
    Splicer& splicer_;
    uint32_t comma_ = 0;  // behind the one before
    bool any_kept_ = false;
};

}  // namespace loom::llm
