// Intrusive doubly linked list: membership costs no allocation and an object can leave in O(1) without knowing its
// list.
#pragma once

#include "loom/base/assert.h"

namespace loom {

/// A place in one list. Derive from `ListLink<Tag>` once per list an object may be in.
template <class Tag>
struct ListLink {
    ListLink* next = nullptr;
    ListLink* previous = nullptr;

    ListLink() = default;
    ListLink(const ListLink&) = delete;
    ListLink& operator=(const ListLink&) = delete;
    ~ListLink() { unlink(); }

    [[nodiscard]] bool linked() const noexcept { return next != nullptr; }
    void unlink() noexcept {
        if (next == nullptr) return;
        next->previous = previous;
        previous->next = next;
        next = previous = nullptr;
    }
};

/// `T` derives from `ListLink<Tag>`. The list owns nothing and must be empty when it dies.
template <class T, class Tag>
class List {
    using Link = ListLink<Tag>;

  public:
    List() noexcept { head_.next = head_.previous = &head_; }
    List(const List&) = delete;
    ~List() {
        LOOM_ASSERT(empty());
        head_.next = head_.previous = nullptr;
    }

    [[nodiscard]] bool empty() const noexcept { return head_.next == &head_; }
    [[nodiscard]] T& front() noexcept { return *static_cast<T*>(head_.next); }
    [[nodiscard]] T& back() noexcept { return *static_cast<T*>(head_.previous); }

    void push_back(T& item) noexcept { insert_before(head_, item); }
    void push_front(T& item) noexcept { insert_before(*head_.next, item); }

    T* pop_front() noexcept {
        if (empty()) return nullptr;
        T& item = front();
        static_cast<Link&>(item).unlink();
        return &item;
    }

    /// Moves everything into `other`, which must be empty: how a tick takes what is due and leaves the rest for later.
    void move_to(List& other) noexcept {
        LOOM_ASSERT(other.empty());
        if (empty()) return;
        other.head_.next = head_.next;
        other.head_.previous = head_.previous;
        other.head_.next->previous = other.head_.previous->next = &other.head_;
        head_.next = head_.previous = &head_;
    }

    template <class Visit>
    void for_each(Visit&& visit) {
        for (Link* link = head_.next; link != &head_;) {
            Link* const next = link->next;  // the visited may leave the list
            visit(*static_cast<T*>(link));
            link = next;
        }
    }

  private:
    static void insert_before(Link& place, T& item) noexcept {
        Link& link = item;
        LOOM_ASSERT(!link.linked());
        link.next = &place;
        link.previous = place.previous;
        place.previous->next = &link;
        place.previous = &link;
    }

    mutable Link head_;
};

}  // namespace loom
