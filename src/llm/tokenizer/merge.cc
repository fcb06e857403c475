#include "merge.h"

#include <algorithm>
#include <array>
#include <functional>

#include "loom/base/assert.h"

namespace loom::llm {
namespace {

constexpr uint32_t no_rank = RankTable::no_rank;
constexpr uint32_t short_bytes_max = 64;

/// Of few parts, looking at all of them is the fastest way to the lowest.
uint32_t merge_short(const RankTable& table, std::string_view piece, uint32_t* out) noexcept {
    std::array<uint8_t, short_bytes_max + 1> starts;
    std::array<uint32_t, short_bytes_max> ranks;
    auto count = static_cast<uint32_t>(piece.size());
    for (uint32_t i = 0; i <= count; ++i) starts[i] = static_cast<uint8_t>(i);
    const auto pair_rank = [&](uint32_t i) noexcept {
        if (i + 2 > count) return no_rank;
        return table.find({piece.data() + starts[i], static_cast<size_t>(starts[i + 2] - starts[i])});
    };
    for (uint32_t i = 0; i < count; ++i) ranks[i] = pair_rank(i);
    while (count > 1) {
        const auto lowest =
            static_cast<uint32_t>(std::min_element(ranks.data(), ranks.data() + count - 1) - ranks.data());
        if (ranks[lowest] == no_rank) break;
        std::copy(starts.data() + lowest + 2, starts.data() + count + 1, starts.data() + lowest + 1);
        std::copy(ranks.data() + lowest + 1, ranks.data() + count, ranks.data() + lowest);
        count -= 1;
        ranks[lowest] = pair_rank(lowest);
        if (lowest > 0) ranks[lowest - 1] = pair_rank(lowest - 1);
    }
    for (uint32_t i = 0; i < count; ++i)
        out[i] = table.find({piece.data() + starts[i], static_cast<size_t>(starts[i + 1] - starts[i])});
    return count;
}

class LongMerge {
  public:
    LongMerge(const RankTable& table, std::string_view piece, MergeScratch& scratch) noexcept
        : table_(table), piece_(piece), size_(static_cast<uint32_t>(piece.size())), s_(scratch) {}

    uint32_t run() noexcept {
        for (uint32_t i = 0; i < size_; ++i) {
            s_.next[i] = static_cast<uint16_t>(i + 1);
            s_.before[i] = static_cast<uint16_t>(i > 0 ? i - 1 : 0);
        }
        for (uint32_t i = 0; i < size_; ++i) {
            s_.ranks[i] = pair_rank(i);
            if (s_.ranks[i] != no_rank) s_.heap[heap_size_++] = entry(i);
        }
        std::make_heap(s_.heap, s_.heap + heap_size_, std::greater<>());
        while (heap_size_ > 0) {
            std::pop_heap(s_.heap, s_.heap + heap_size_, std::greater<>());
            const uint64_t lowest = s_.heap[--heap_size_];
            const auto at = static_cast<uint32_t>(lowest);
            if (s_.ranks[at] == lowest >> 32) merge(at);
        }
        uint32_t count = 0;
        for (uint32_t i = 0; i < size_; i = s_.next[i])
            s_.parts[count++] = table_.find(piece_.substr(i, s_.next[i] - i));
        return count;
    }

  private:
    uint64_t entry(uint32_t at) const noexcept { return uint64_t{s_.ranks[at]} << 32 | at; }
    uint32_t pair_rank(uint32_t at) const noexcept {
        const uint32_t middle = s_.next[at];
        return middle == size_ ? no_rank : table_.find(piece_.substr(at, s_.next[middle] - at));
    }
    /// Each merge takes an entry away and puts two at most, so there are never more than twice the bytes.
    void look_anew(uint32_t at) noexcept {
        s_.ranks[at] = pair_rank(at);
        if (s_.ranks[at] == no_rank) return;
        LOOM_ASSERT(heap_size_ < 2 * MergeScratch::bytes_max);
        s_.heap[heap_size_++] = entry(at);
        std::push_heap(s_.heap, s_.heap + heap_size_, std::greater<>());
    }
    void merge(uint32_t at) noexcept {
        const uint32_t gone = s_.next[at];
        s_.ranks[gone] = no_rank;
        s_.next[at] = s_.next[gone];
        if (s_.next[at] < size_) s_.before[s_.next[at]] = static_cast<uint16_t>(at);
        look_anew(at);
        if (at > 0) look_anew(s_.before[at]);
    }

    const RankTable& table_;
    const std::string_view piece_;
    const uint32_t size_;
    MergeScratch& s_;
    size_t heap_size_ = 0;
};

}  // namespace

uint32_t merge_piece(const RankTable& ranks, std::string_view piece, MergeScratch& scratch) noexcept {
    LOOM_ASSERT(!piece.empty() && piece.size() <= MergeScratch::bytes_max);
    if (const uint32_t whole = ranks.find(piece); whole != no_rank) {
        scratch.parts[0] = whole;
        return 1;
    }
    if (piece.size() <= short_bytes_max) return merge_short(ranks, piece, scratch.parts);
    return LongMerge(ranks, piece, scratch).run();
}

}  // namespace loom::llm
