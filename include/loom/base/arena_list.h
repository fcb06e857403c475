// A list that grows at its end and stands as long as its arena: for what is read once, walked, and forgotten at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <type_traits>

#include "loom/base/arena.h"

namespace loom {

/// Elements stay where they are. They are never destroyed: the arena's memory goes as a whole.
template <class T>
class ArenaList {
    struct Node {
        T value;
        Node* next;
    };

  public:
    template <class Value>
    class Walk {
      public:
        using value_type = T;
        using difference_type = std::ptrdiff_t;
        Walk() = default;
        explicit Walk(Node* node) noexcept : node_(node) {}
        Value& operator*() const noexcept { return node_->value; }
        Value* operator->() const noexcept { return &node_->value; }
        Walk& operator++() noexcept {
            node_ = node_->next;
            return *this;
        }
        Walk operator++(int) noexcept {
            Walk before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(Walk, Walk) = default;

      private:
        Node* node_ = nullptr;
    };
    using iterator = Walk<T>;
    using const_iterator = Walk<const T>;

    T& add(Arena& arena, const T& value = {}) {
        static_assert(std::is_trivially_destructible_v<T>, "nothing destroys what lies in an arena");
        size_t room = sizeof(Node) + alignof(Node);
        void* memory = arena.take(room);
        memory = std::align(alignof(Node), sizeof(Node), memory, room);
        Node* const node = ::new (memory) Node{value, nullptr};
        (last_ == nullptr ? first_ : last_->next) = node;
        last_ = node;
        count_ += 1;
        return node->value;
    }
    [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    [[nodiscard]] T& front() const noexcept { return first_->value; }  // not of an empty list, as back()
    [[nodiscard]] T& back() const noexcept { return last_->value; }

    [[nodiscard]] iterator begin() noexcept { return iterator(first_); }
    [[nodiscard]] iterator end() noexcept { return iterator(); }
    [[nodiscard]] const_iterator begin() const noexcept { return const_iterator(first_); }
    [[nodiscard]] const_iterator end() const noexcept { return const_iterator(); }

  private:
    Node* first_ = nullptr;
    Node* last_ = nullptr;
    uint32_t count_ = 0;
};

}  // namespace loom
