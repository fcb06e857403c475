// Memory for what lives as long as a request: blocks in powers of two, kept for reuse by the shard that made them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "loom/base/assert.h"

namespace loom {

class BlockPool;

/// Sizes of blocks: 2^n (even classes), and 1.5 × 2^n between them (odd ones) up to 64 KiB, so that what is a little
/// over a power of two does not take twice its size, nor lie at strides that share a few sets of the cache.
[[nodiscard]] constexpr size_t class_bytes(uint8_t size_class) noexcept {
    const unsigned order = size_class / 2u;
    return (size_class & 1) != 0 ? size_t{3} << (order - 1) : size_t{1} << order;
}

/// Owns one block; gives it back where it came from. Move only. Not for other threads.
class Block {
  public:
    Block() noexcept = default;
    Block(Block&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)),
          data_(std::exchange(other.data_, nullptr)),
          class_(other.class_) {}
    Block& operator=(Block&& other) noexcept {
        if (this == &other) return *this;
        release();
        pool_ = std::exchange(other.pool_, nullptr);
        data_ = std::exchange(other.data_, nullptr);
        class_ = other.class_;
        return *this;
    }
    ~Block() { release(); }

    [[nodiscard]] char* data() const noexcept { return data_; }
    [[nodiscard]] size_t capacity() const noexcept { return data_ == nullptr ? 0 : class_bytes(class_); }
    explicit operator bool() const noexcept { return data_ != nullptr; }
    void release() noexcept;

  private:
    friend class BlockPool;
    Block(BlockPool& pool, char* data, uint8_t size_class) noexcept : pool_(&pool), data_(data), class_(size_class) {}

    BlockPool* pool_ = nullptr;
    char* data_ = nullptr;
    uint8_t class_ = 0;
};

/// Size classes 256 B, 384 B, 512 B … 1 GiB. Small blocks are carved from slabs that live as long as the pool; those
/// above 64 KiB go back to the process when more than `spare_bytes_max` of them lie idle. One pool per shard: no locks.
class BlockPool {
  public:
    static constexpr uint8_t order_min = 8;
    static constexpr uint8_t order_max = 30;
    static constexpr size_t bytes_max = size_t{1} << order_max;

    static constexpr size_t spare_bytes_max_default = size_t{8} << 20;

    explicit BlockPool(size_t spare_bytes_max = spare_bytes_max_default) noexcept : spare_bytes_max_(spare_bytes_max) {}
    BlockPool(const BlockPool&) = delete;
    ~BlockPool();

    /// At least `bytes` (≤ bytes_max) of uninitialised memory, 64-byte aligned. Terminates when the system has none
    /// left: a bound that fails is a broken promise of the configuration.
    [[nodiscard]] Block take(size_t bytes);

    /// Memory that a block of `bytes` costs, its share of a slab included.
    [[nodiscard]] static size_t footprint(size_t bytes) noexcept;
    /// Beside it: what a buffer of any size up to `bytes` may have left in the pool on its way there. Small classes
    /// keep their slabs and never serve each other, so many buffers that grow together leave each smaller class at its
    /// peak.
    [[nodiscard]] static size_t leftover(size_t bytes) noexcept;
    /// The same of `count` such buffers that never hold more than `live_bytes_max` together.
    [[nodiscard]] static uint64_t leftover(size_t bytes, uint64_t count, uint64_t live_bytes_max) noexcept;
    /// What a pool keeps when nothing is taken: a slab begun in each small class, and spare large blocks.
    [[nodiscard]] static size_t idle_bytes_max() noexcept;

    /// Taken from the system and not given back: blocks in use, spare ones, slabs.
    [[nodiscard]] size_t reserved_bytes() const noexcept { return reserved_bytes_; }
    [[nodiscard]] size_t live_bytes() const noexcept { return live_bytes_; }
    [[nodiscard]] size_t live_count() const noexcept { return live_count_; }

  private:
    friend class Block;
    struct Free {
        Free* next;
    };
    void give_back(char* data, uint8_t size_class) noexcept;
    void carve(uint8_t size_class);

    std::array<Free*, 2 * order_max + 1> free_{};
    struct Slab {
        Slab* next;
    };
    Slab* slabs_ = nullptr;
    size_t spare_bytes_ = 0;  // of the large classes
    size_t spare_bytes_max_;
    size_t reserved_bytes_ = 0;
    size_t live_bytes_ = 0;
    size_t live_count_ = 0;
};

inline void Block::release() noexcept {
    if (data_ == nullptr) return;
    pool_->give_back(std::exchange(data_, nullptr), class_);
}

/// A growing byte string in one block. Growth copies; `reserve` first where the size is known.
class ByteBuffer {
  public:
    explicit ByteBuffer(BlockPool& pool) noexcept : pool_(&pool) {}
    /// What was moved from is empty, and as good as new.
    ByteBuffer(ByteBuffer&& other) noexcept
        : pool_(other.pool_), block_(std::move(other.block_)), size_(std::exchange(other.size_, 0)) {}
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        pool_ = other.pool_;
        block_ = std::move(other.block_);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    [[nodiscard]] std::string_view view() const noexcept { return {block_.data(), size_}; }
    [[nodiscard]] char* data() const noexcept { return block_.data(); }
    [[nodiscard]] size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] size_t capacity() const noexcept { return block_.capacity(); }
    void reserve(size_t capacity);
    void append(std::string_view bytes) {
        if (bytes.empty()) return;
        if (size_ + bytes.size() > capacity()) [[unlikely]]
            reserve(size_ + bytes.size());
        std::memcpy(block_.data() + size_, bytes.data(), bytes.size());
        size_ += bytes.size();
    }
    void resize(size_t size) noexcept {
        LOOM_ASSERT(size <= capacity());
        size_ = size;
    }
    void clear() noexcept { size_ = 0; }
    /// Forgets the bytes and gives the block back.
    void release() noexcept {
        size_ = 0;
        block_.release();
    }
    /// Drops the first `count` bytes, moving the rest to the front.
    void remove_prefix(size_t count) noexcept;

  private:
    BlockPool* pool_;
    Block block_;
    size_t size_ = 0;
};

}  // namespace loom
