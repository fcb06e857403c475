#include "loom/base/block_pool.h"

#include <algorithm>
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
constexpr unsigned small_order_max = 16;  // up to 64 KiB a block comes from a slab, and there are classes in between
constexpr uint8_t small_class_max = 2 * small_order_max;
constexpr size_t slab_bytes = size_t{64} << 10;

uint8_t class_for(size_t bytes) noexcept {
    if (bytes <= size_t{1} << BlockPool::order_min) return 2 * BlockPool::order_min;
    const auto order = static_cast<unsigned>(std::bit_width(bytes - 1));
    const bool fits_between = order <= small_order_max && bytes <= size_t{3} << (order - 2);
    return static_cast<uint8_t>(2 * order - (fits_between ? 1 : 0));
}

char* allocate(size_t bytes) {
    void* const memory = std::aligned_alloc(alignment, bytes);
    LOOM_ASSERT(memory != nullptr);
    return static_cast<char*>(memory);
}

}  // namespace

BlockPool::~BlockPool() {
    LOOM_ASSERT(live_count_ == 0);
    for (size_t large = small_class_max + 1; large < free_.size(); ++large)
        while (Free* const block = free_[large]) {
            free_[large] = block->next;
            std::free(block);
        }
    while (Slab* const slab = slabs_) {
        slabs_ = slab->next;
        std::free(slab);
    }
}

Block BlockPool::take(size_t bytes) {
    LOOM_ASSERT(bytes <= bytes_max);
    const uint8_t size_class = class_for(bytes);
    const size_t rounded = class_bytes(size_class);
    if (free_[size_class] == nullptr && size_class <= small_class_max) carve(size_class);
    char* data;
    if (Free* const block = free_[size_class]) {
        free_[size_class] = block->next;
        if (size_class > small_class_max) spare_bytes_ -= rounded;
        data = reinterpret_cast<char*>(block);
        mark_taken(data, rounded);
    } else {
        data = allocate(rounded);
        reserved_bytes_ += rounded;
    }
    live_bytes_ += rounded;
    live_count_ += 1;
    return Block(*this, data, size_class);
}

void BlockPool::carve(uint8_t size_class) {
    const size_t block_bytes = class_bytes(size_class);
    char* const memory = allocate(slab_bytes + alignment);
    auto* const slab = reinterpret_cast<Slab*>(memory);
    slab->next = slabs_;
    slabs_ = slab;
    reserved_bytes_ += slab_bytes + alignment;
    for (size_t offset = slab_bytes; offset >= block_bytes; offset -= block_bytes) {
        auto* const block = reinterpret_cast<Free*>(memory + alignment + offset - block_bytes);
        block->next = free_[size_class];
        free_[size_class] = block;
        mark_free(memory + alignment + offset - block_bytes + sizeof(Free), block_bytes - sizeof(Free));
    }
}

void BlockPool::give_back(char* data, uint8_t size_class) noexcept {
    const size_t bytes = class_bytes(size_class);
    LOOM_ASSERT(live_count_ > 0 && live_bytes_ >= bytes);
    live_bytes_ -= bytes;
    live_count_ -= 1;
    const bool large = size_class > small_class_max;
    if (large && spare_bytes_ + bytes > spare_bytes_max_) {
        std::free(data);
        reserved_bytes_ -= bytes;
        return;
    }
    if (large) spare_bytes_ += bytes;
    auto* const block = reinterpret_cast<Free*>(data);
    block->next = free_[size_class];
    free_[size_class] = block;
    mark_free(data + sizeof(Free), bytes - sizeof(Free));
}

size_t BlockPool::footprint(size_t bytes) noexcept {
    const uint8_t size_class = class_for(bytes);
    const size_t block_bytes = class_bytes(size_class);
    if (size_class > small_class_max) return block_bytes;
    const size_t in_a_slab = slab_bytes / block_bytes;
    return (slab_bytes + alignment + in_a_slab - 1) / in_a_slab;
}

size_t BlockPool::leftover(size_t bytes) noexcept { return leftover(bytes, 1, UINT64_MAX); }

uint64_t BlockPool::leftover(size_t bytes, uint64_t count, uint64_t live_bytes_max) noexcept {
    const uint8_t last = class_for(bytes);
    uint64_t sum = 0;
    for (uint8_t size_class = 2 * order_min; size_class <= small_class_max && size_class < last; ++size_class)
        sum += std::min(count * footprint(class_bytes(size_class)), live_bytes_max);
    return sum;
}

size_t BlockPool::idle_bytes_max() noexcept {
    constexpr size_t small_class_count = small_class_max - 2 * order_min + 1;
    return small_class_count * (slab_bytes + alignment) + spare_bytes_max_default;
}

void ByteBuffer::reserve(size_t capacity) {
    if (capacity <= block_.capacity()) return;
    Block larger = pool_->take(capacity);
    if (size_ > 0) std::memcpy(larger.data(), block_.data(), size_);
    block_ = std::move(larger);
}

void ByteBuffer::remove_prefix(size_t count) noexcept {
    LOOM_ASSERT(count <= size_);
    size_ -= count;
    if (size_ > 0) std::memmove(block_.data(), block_.data() + count, size_);
}

}  // namespace loom
