// The kernel's side of the provided buffers: which are free, and the next one filled.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <string_view>

#include "loom/io/buffers.h"

namespace loom::sim {

class ProvidedBuffers {
  public:
    static constexpr uint32_t flag_buffer = 1;
    static constexpr uint32_t flag_more = 2;
    static constexpr uint32_t flag_buffer_more = 16;

    explicit ProvidedBuffers(io::BufferPool& pool) noexcept : pool_(pool) {}

    void provide(uint16_t id) { free_.push_back(id); }
    [[nodiscard]] bool empty() const noexcept { return free_.empty(); }
    [[nodiscard]] size_t free_count() const noexcept { return free_.size(); }
    /// How many bytes the next one can take.
    [[nodiscard]] size_t room() const noexcept { return pool_.buffer_bytes() - offset_; }

    /// `bytes`, at most room(), in the next free buffer; there must be one. In incremental mode receives share a
    /// buffer.
    [[nodiscard]] io::Cqe fill(std::string_view bytes) {
        LOOM_ASSERT(!free_.empty() && !bytes.empty() && bytes.size() <= room());
        const uint16_t id = free_.front();
        std::memcpy(pool_.buffer(id) + offset_, bytes.data(), bytes.size());
        io::Cqe cqe{static_cast<int32_t>(bytes.size()), flag_buffer | uint32_t{id} << 16};
        offset_ = pool_.incremental() ? offset_ + static_cast<uint32_t>(bytes.size()) : 0;
        if (pool_.incremental() && offset_ < pool_.buffer_bytes()) {
            cqe.flags |= flag_buffer_more;
        } else {
            offset_ = 0;
            free_.pop_front();
        }
        return cqe;
    }

  private:
    io::BufferPool& pool_;
    std::deque<uint16_t> free_;
    uint32_t offset_ = 0;  // into the first free buffer, in incremental mode
};

}  // namespace loom::sim
