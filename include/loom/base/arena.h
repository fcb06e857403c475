// Text that lives exactly as long as one request: kept by bumping a pointer, freed all at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

#include "loom/base/block_pool.h"

namespace loom {

class Arena {
  public:
    Arena(BlockPool& pool, size_t first_bytes) noexcept : pool_(&pool), block_bytes_(first_bytes) {}
    Arena(const Arena&) = delete;
    ~Arena() { release(); }

    /// Uninitialised, unaligned bytes.
    [[nodiscard]] char* take(size_t bytes) {
        if (bytes > static_cast<size_t>(end_ - at_)) grow(bytes);
        return std::exchange(at_, at_ + bytes);
    }
    [[nodiscard]] std::string_view keep(std::string_view text) {
        if (text.empty()) return {};
        char* const copy = take(text.size());
        std::memcpy(copy, text.data(), text.size());
        return {copy, text.size()};
    }
    [[nodiscard]] std::string_view join(std::string_view a, std::string_view between, std::string_view b) {
        char* const copy = take(a.size() + between.size() + b.size());
        char* end = std::copy(a.begin(), a.end(), copy);
        end = std::copy(between.begin(), between.end(), end);
        end = std::copy(b.begin(), b.end(), end);
        return {copy, static_cast<size_t>(end - copy)};
    }
    /// One that needs no destructor.
    template <class T>
    [[nodiscard]] T& make() {
        static_assert(std::is_trivially_destructible_v<T>);
        char* const memory = take(sizeof(T) + alignof(T) - 1);
        const auto address = reinterpret_cast<uintptr_t>(memory);
        return *::new (memory + (alignof(T) - address % alignof(T)) % alignof(T)) T();
    }
    /// Several of them.
    template <class T>
    [[nodiscard]] std::span<T> make_span(size_t count) {
        static_assert(std::is_trivially_destructible_v<T>);
        if (count == 0) return {};
        char* const memory = take(count * sizeof(T) + alignof(T) - 1);
        const auto address = reinterpret_cast<uintptr_t>(memory);
        T* const first = reinterpret_cast<T*>(memory + (alignof(T) - address % alignof(T)) % alignof(T));
        std::uninitialized_value_construct_n(first, count);
        return {first, count};
    }
    void release() noexcept {
        while (newest_ != nullptr) {
            Block block = std::move(newest_->block);
            Header* const older = newest_->older;
            newest_->~Header();
            newest_ = older;
        }
        at_ = end_ = nullptr;
    }

  private:
    struct Header {
        Block block;
        Header* older;
    };
    void grow(size_t bytes) {
        Block block = pool_->take(std::max(block_bytes_, bytes + sizeof(Header)));
        char* const memory = block.data();
        end_ = memory + block.capacity();
        at_ = memory + sizeof(Header);
        newest_ = ::new (memory) Header{std::move(block), newest_};
    }

    BlockPool* pool_;
    size_t block_bytes_;
    Header* newest_ = nullptr;
    char* at_ = nullptr;
    char* end_ = nullptr;
};

}  // namespace loom
