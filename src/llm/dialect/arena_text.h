// Text made piece by piece in an arena, where its length is not known before.
#pragma once

#include <algorithm>
#include <cstring>

#include "chat.h"
#include "loom/base/arena.h"

namespace loom::llm {

/// What it grew out of stays in the arena until that goes: no more than the text's own bytes again.
class ArenaText {
  public:
    explicit ArenaText(Arena& arena, size_t room = 256) : arena_(arena), data_(arena.take(room)), room_(room) {}

    ArenaText& append(std::string_view bytes) {
        if (bytes.size() > room_ - size_) grow(size_ + bytes.size());
        if (!bytes.empty()) std::memcpy(data_ + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
        return *this;
    }
    /// In the middle: what stands behind moves.
    void insert(size_t at, std::string_view bytes) {
        append(bytes);
        std::rotate(data_ + at, data_ + size_ - bytes.size(), data_ + size_);
    }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

  private:
    void grow(size_t bytes) {
        room_ = std::max(bytes, 2 * room_);
        char* const larger = arena_.take(room_);
        std::memcpy(larger, data_, size_);
        data_ = larger;
    }

    Arena& arena_;
    char* data_;
    size_t room_;
    size_t size_ = 0;
};

}  // namespace loom::llm
