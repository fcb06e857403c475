#include "loom/cache/exact_store.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "loom/base/assert.h"

namespace loom::cache {
namespace {

constexpr size_t expected_entry_bytes = 2048;  // what index and counters are made for
constexpr size_t heap_bytes = 96;              // of its three allocations at worst, beside what was asked for
constexpr size_t shared_bytes = 32;            // a shared pointer's counters
constexpr size_t window_part = 100;            // one of so many bytes is the window's
constexpr size_t guarded_percent = 80;         // of the rest

size_t expected_entries(size_t bytes_max) noexcept { return bytes_max / expected_entry_bytes; }

size_t bucket_count(size_t bytes_max) noexcept {
    return std::bit_ceil(std::max<size_t>(16, expected_entries(bytes_max)));
}

/// A short text lies in the string itself.
size_t heap_of(const std::string& text) noexcept {
    constexpr size_t in_place = 15;
    return text.capacity() <= in_place ? 0 : text.capacity() + 1 + heap_bytes / 3;
}

}  // namespace

size_t entry_bytes(const Answer& answer) noexcept {
    constexpr size_t node_bytes = 128;
    return sizeof(Answer) + shared_bytes + node_bytes + heap_bytes + heap_of(answer.scope) + heap_of(answer.tenant) +
           heap_of(answer.model) + heap_of(answer.body);
}

bool Purge::meets(const Key& of, const Answer& answer) const noexcept {
    return (!by_key || of == key) && (tenant.empty() || tenant == answer.tenant) &&
           (model.empty() || model == answer.model);
}

ExactStore::ExactStore(size_t bytes_max)
    : buckets_(bucket_count(std::max(bytes_max, bytes_min))),
      frequency_(expected_entries(std::max(bytes_max, bytes_min))) {
    static_assert(sizeof(Node) <= 128, "as entry_bytes has it");
    bytes_max = std::max(bytes_max, bytes_min);
    const size_t fixed = sizeof(*this) + buckets_.size() * sizeof(Node*) +
                         Frequency::memory_bytes(expected_entries(bytes_max)) + purges_max * sizeof(PurgeUnderWay);
    purges_.reserve(purges_max);
    LOOM_ASSERT(fixed < bytes_max);
    room_bytes_ = bytes_max - fixed;
    counts_.bytes = fixed;
}

ExactStore::~ExactStore() {
    for (Segments& segment : segments_)
        while (!segment.empty()) remove(segment.front());
}

ExactStore::Node* ExactStore::node_of(const Key& key) noexcept {
    Node* node = bucket_of(key);
    while (node != nullptr && !(node->key == key)) node = node->next_in_bucket;
    return node;
}

size_t ExactStore::used_bytes() const noexcept { return segment_bytes_[0] + segment_bytes_[1] + segment_bytes_[2]; }

bool ExactStore::is_purged(const Node& node) const noexcept {
    return std::ranges::any_of(purges_, [&node](const PurgeUnderWay& one) {
        return node.number < one.below && one.what.meets(node.key, *node.answer);
    });
}

AnswerPtr ExactStore::find(const Key& key, std::string_view scope, uint64_t now_ms) {
    frequency_.note(key);
    Node* const node = node_of(key);
    if (node == nullptr) return nullptr;
    if (!purges_.empty() && is_purged(*node)) {
        counts_.purged += 1;
        remove(*node);
        return nullptr;
    }
    if (now_ms >= node->answer->kept_until_ms) {
        counts_.expired += 1;
        remove(*node);
        return nullptr;
    }
    if (node->answer->scope != scope) return nullptr;
    touch(*node);
    return node->answer;
}

void ExactStore::put(const Key& key, AnswerPtr answer) {
    const size_t bytes = entry_bytes(*answer);
    if (bytes > room_bytes_) {
        counts_.too_large += 1;
        return;
    }
    bool was_guarded = false;
    if (Node* const before = node_of(key); before != nullptr) {
        was_guarded = before->segment == Segment::guarded;
        remove(*before);
    }
    auto* const node = new Node;
    node->key = key;
    node->answer = std::move(answer);
    node->bytes = bytes;
    node->number = ++last_number_;
    Node*& bucket = bucket_of(key);
    node->next_in_bucket = bucket;
    bucket = node;
    counts_.stored += 1;
    counts_.entries += 1;
    counts_.bytes += bytes;
    enter(*node, was_guarded ? Segment::guarded : Segment::window);
    make_room();
}

bool ExactStore::restore(const Key& key, AnswerPtr answer, uint32_t asked) {
    if (Node* const there = node_of(key); there != nullptr && !is_purged(*there)) return false;
    for (uint32_t i = 0; i < asked; ++i) frequency_.note(key);
    put(key, std::move(answer));
    return node_of(key) != nullptr;
}

void ExactStore::enter(Node& node, Segment segment) noexcept {
    node.segment = segment;
    bytes_of(segment) += node.bytes;
    list_of(segment).push_front(node);
}

void ExactStore::leave(Node& node) noexcept {
    bytes_of(node.segment) -= node.bytes;
    static_cast<ListLink<SegmentTag>&>(node).unlink();
}

void ExactStore::remove(Node& node) noexcept {
    leave(node);
    Node** link = &bucket_of(node.key);
    while (*link != &node) link = &(*link)->next_in_bucket;
    *link = node.next_in_bucket;
    counts_.entries -= 1;
    counts_.bytes -= node.bytes;
    delete &node;
}

/// Found again: of the window it is the newest, of the rest it is protected.
void ExactStore::touch(Node& node) noexcept {
    const Segment segment = node.segment == Segment::window ? Segment::window : Segment::guarded;
    leave(node);
    enter(node, segment);
    const size_t guarded_max = room_bytes_ / 100 * guarded_percent;
    while (bytes_of(Segment::guarded) > guarded_max) {
        Node& oldest = list_of(Segment::guarded).back();
        leave(oldest);
        enter(oldest, Segment::probation);
    }
}

/// Who falls out of the window stays if there is room, or if it is worth more than all that would have to go for it.
void ExactStore::make_room() noexcept {
    const size_t window_max = room_bytes_ / window_part;
    while (bytes_of(Segment::window) > window_max && !list_of(Segment::window).empty()) {
        Node& candidate = list_of(Segment::window).back();
        if (used_bytes() > room_bytes_ && !admits(candidate)) {
            counts_.not_admitted += 1;
            remove(candidate);
            continue;
        }
        leave(candidate);
        enter(candidate, Segment::probation);
    }
    while (used_bytes() > room_bytes_) {  // a replaced answer that has grown
        const bool any = !list_of(Segment::probation).empty();
        Segments& from = any                                  ? list_of(Segment::probation)
                         : !list_of(Segment::guarded).empty() ? list_of(Segment::guarded)
                                                              : list_of(Segment::window);
        counts_.evicted += 1;
        remove(from.back());
    }
}

/// True: those that were worth less have gone, and there is room. False: nobody has gone.
bool ExactStore::admits(const Node& candidate) noexcept {
    const uint32_t worth = frequency_.of(candidate.key);
    for (const bool goes : {false, true}) {
        size_t over = used_bytes() - room_bytes_;
        for (const Segment segment : {Segment::probation, Segment::guarded}) {
            Segments& list = list_of(segment);
            if (goes) {
                while (used_bytes() > room_bytes_ && !list.empty()) {
                    counts_.evicted += 1;
                    remove(list.back());
                }
                continue;
            }
            if (list.empty()) continue;
            size_t found = 0;
            for (ListLink<SegmentTag>* link = &list.back(); over > found;) {
                const Node& victim = *static_cast<Node*>(link);
                if (frequency_.of(victim.key) >= worth) return false;
                found += victim.bytes;
                if (link == &list.front()) break;
                link = link->previous;
            }
            over -= std::min(over, found);
        }
        if (!goes && over > 0) return false;  // the window alone is too full
    }
    return true;
}

void ExactStore::purge(Purge what) {
    if (purges_.size() == purges_max) {
        purges_.clear();
        what = {};
    }
    purges_.push_back({.what = std::move(what), .below = last_number_ + 1, .buckets_left = buckets_.size()});
}

bool ExactStore::sweep(size_t buckets, uint64_t now_ms) {
    if (purges_.empty()) return false;
    for (size_t i = 0; i < buckets && !purges_.empty(); ++i) {
        for (Node* node = buckets_[sweep_at_]; node != nullptr;) {
            Node& one = *std::exchange(node, node->next_in_bucket);
            const bool is_over = now_ms >= one.answer->kept_until_ms;
            if (!is_over && !is_purged(one)) continue;
            (is_over ? counts_.expired : counts_.purged) += 1;
            remove(one);
        }
        sweep_at_ = (sweep_at_ + 1) & (buckets_.size() - 1);
        for (PurgeUnderWay& one : purges_) one.buckets_left -= 1;
        std::erase_if(purges_, [](const PurgeUnderWay& one) { return one.buckets_left == 0; });
    }
    return !purges_.empty();
}

}  // namespace loom::cache
