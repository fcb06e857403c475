// Output of TLS sessions: blocks that stay where they are, since the kernel may be sending from them, and that go home
// to the shard's list when they are sent. An idle session holds none.
#pragma once

#include <cstddef>
#include <cstdint>

#include "loom/base/assert.h"

namespace loom::net {

struct TlsBlock {
    static constexpr size_t capacity = 4096 - 16;
    TlsBlock* next = nullptr;
    uint32_t begin = 0;  // sent up to here
    uint32_t end = 0;    // filled up to here
    char bytes[capacity];
};
static_assert(sizeof(TlsBlock) == 4096);

/// Free blocks of one shard, so that a record costs no visit to the heap.
class TlsBlockList {
  public:
    static constexpr size_t free_max = 64;  // 256 KiB; more than that goes back to the heap

    TlsBlockList() = default;
    TlsBlockList(const TlsBlockList&) = delete;
    ~TlsBlockList() {
        LOOM_ASSERT(taken_count_ == 0);  // a session outlived its context
        while (free_ != nullptr) {
            TlsBlock* next = free_->next;
            delete free_;
            free_ = next;
        }
    }

    [[nodiscard]] TlsBlock* take() {
        taken_count_ += 1;
        if (free_ == nullptr) return new TlsBlock;
        TlsBlock* block = free_;
        free_ = block->next;
        free_count_ -= 1;
        block->next = nullptr;
        block->begin = block->end = 0;
        return block;
    }

    void give_back(TlsBlock* block) noexcept {
        LOOM_ASSERT(taken_count_ > 0);
        taken_count_ -= 1;
        if (free_count_ == free_max) {
            delete block;
            return;
        }
        block->next = free_;
        free_ = block;
        free_count_ += 1;
    }

    [[nodiscard]] size_t taken_count() const noexcept { return taken_count_; }

  private:
    TlsBlock* free_ = nullptr;
    size_t free_count_ = 0;
    size_t taken_count_ = 0;
};

}  // namespace loom::net
