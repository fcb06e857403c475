#include "loom/base/block_pool.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#define LOOM_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOOM_ASAN 1
#endif
#endif
#ifdef LOOM_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace loom {
namespace {

/// For the address sanitizer a block that lies in the pool is no memory, whatever the pool does with it.
void mark_free([[maybe_unused]] char* data, [[maybe_unused]] size_t bytes) noexcept {
#ifdef LOOM_ASAN
    ASAN_POISON_MEMORY_REGION(data, bytes);
#endif
}
void mark_taken([[maybe_unused]] char* data, [[maybe_unused]] size_t bytes) noexcept {
#ifdef LOOM_ASAN
    ASAN_UNPOISON_MEMORY_REGION(data, bytes);
#endif
}

constexpr size_t alignment = 64;
constexpr uint8_t small_order_max = 16;      // up to 64 KiB a block comes from a slab
constexpr size_t slab_bytes = size_t{64} << 10;

char* allocate(size_t bytes) {
    void* const memory = std::aligned_alloc(alignment, bytes);
    LOOM_ASSERT(memory != nullptr);
    return static_cast<char*>(memory);
}

}  // namespace

BlockPool::~BlockPool() {
    LOOM_ASSERT(live_count_ == 0);
    for (uint8_t order = small_order_max + 1; order <= order_max; ++order)
        while (Free* const block = free_[order]) {
            free_[order] = block->next;
            std::free(block);
        }
    while (Slab* const slab = slabs_) {
        slabs_ = slab->next;
        std::free(slab);
    }
}

Block BlockPool::take(size_t bytes) {
    LOOM_ASSERT(bytes <= bytes_max);
    const size_t rounded = std::bit_ceil(bytes < (size_t{1} << order_min) ? size_t{1} << order_min : bytes);
    const auto order = static_cast<uint8_t>(std::countr_zero(rounded));
    if (free_[order] == nullptr && order <= small_order_max) carve(order);
    char* data;
    if (Free* const block = free_[order]) {
        free_[order] = block->next;
        if (order > small_order_max) spare_bytes_ -= rounded;
        data = reinterpret_cast<char*>(block);
        mark_taken(data, rounded);
    } else {
        data = allocate(rounded);
    }
    live_bytes_ += rounded;
    live_count_ += 1;
    return Block(*this, data, order);
}

void BlockPool::carve(uint8_t order) {
    const size_t block_bytes = size_t{1} << order;
    char* const memory = allocate(slab_bytes + alignment);
    auto* const slab = reinterpret_cast<Slab*>(memory);
    slab->next = slabs_;
    slabs_ = slab;
    for (size_t offset = slab_bytes; offset >= block_bytes; offset -= block_bytes) {
        auto* const block = reinterpret_cast<Free*>(memory + alignment + offset - block_bytes);
        block->next = free_[order];
        free_[order] = block;
        mark_free(memory + alignment + offset - block_bytes + sizeof(Free), block_bytes - sizeof(Free));
    }
}

void BlockPool::give_back(char* data, uint8_t order) noexcept {
    const size_t bytes = size_t{1} << order;
    LOOM_ASSERT(live_count_ > 0 && live_bytes_ >= bytes);
    live_bytes_ -= bytes;
    live_count_ -= 1;
    if (order > small_order_max && spare_bytes_ + bytes > spare_bytes_max_) {
        std::free(data);
        return;
    }
    if (order > small_order_max) spare_bytes_ += bytes;
    auto* const block = reinterpret_cast<Free*>(data);
    block->next = free_[order];
    free_[order] = block;
    mark_free(data + sizeof(Free), bytes - sizeof(Free));
}

void ByteBuffer::reserve(size_t capacity) {
    if (capacity <= block_.capacity()) return;
    Block larger = pool_->take(capacity);
    if (size_ > 0) std::memcpy(larger.data(), block_.data(), size_);
    block_ = std::move(larger);
}

void ByteBuffer::append(std::string_view bytes) {
    if (bytes.empty()) return;
    if (size_ + bytes.size() > block_.capacity()) reserve(size_ + bytes.size());
    std::memcpy(block_.data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
}

void ByteBuffer::remove_prefix(size_t count) noexcept {
    LOOM_ASSERT(count <= size_);
    size_ -= count;
    if (size_ > 0) std::memmove(block_.data(), block_.data() + count, size_);
}

}  // namespace loom
