// The entries of one partition in one generation: those whose requests are equal in all but the last text.
#pragma once

#include <array>
#include <bit>
#include <memory>
#include <span>
#include <vector>

#include "distance.h"
#include "graph.h"
#include "loom/cache/semantic_index.h"

namespace loom::cache {

/// Entries are only added, and stay where they are: chunks grow from one entry to chunk_max, since most partitions,
/// each the beginning of a conversation, have one entry and some have all that is asked.
class SemanticIndex::Partition final : VectorSource {
  public:
    static constexpr uint32_t chunk_order = 6;
    static constexpr uint32_t chunk_max = 1u << chunk_order;

    explicit Partition(size_t vector_size) noexcept : vector_size_(vector_size) {}
    Partition(const Partition&) = delete;

    [[nodiscard]] uint32_t count() const noexcept { return count_; }
    [[nodiscard]] SemanticEntry& at(uint32_t number) noexcept {
        const Place place = place_of(number);
        return chunks_[place.chunk].entries[place.at];
    }
    [[nodiscard]] const float* vector_at(uint32_t number) const noexcept override {
        const Place place = place_of(number);
        return chunks_[place.chunk].vectors.get() + place.at * vector_size_;
    }

    /// What add() will take at most, beside what its entry has of its own.
    [[nodiscard]] size_t bytes_of_next() const noexcept {
        const Place place = place_of(count_);
        const size_t chunk = place.at == 0 ? bytes_of_chunk(place.chunk) : 0;
        const size_t table = chunks_.size() == chunks_.capacity() ? (chunks_.size() + 1) * sizeof(Chunk) : 0;
        return chunk + table + (graph_ != nullptr ? graph_->bytes() + graph_step_bytes : 0);
    }
    /// vector  as long as the dimensions are.
    /// Returns what the partition takes more than before.
    size_t add(SemanticEntry entry, std::span<const float> vector);

    /// To be called behind each add(): from so many entries on a few more of them are linked each time, so that nobody
    /// waits for a whole graph; until it has caught up, the entries are looked through.
    /// Returns what the partition takes more than before.
    size_t link(uint32_t graph_from);

    /// tell(number, similarity) for those that may be the nearest.
    template <class Tell>
    void search(const float* query, Tell tell) {
        const DotKernel dot = dot_kernel();
        if (!is_linked_) {
            for (uint32_t number = 0; number < count_; ++number)
                tell(number, dot(query, vector_at(number), vector_size_));
            return;
        }
        std::array<Neighbour, neighbours_max> room;
        for (const Neighbour& one : graph_->nearest(query, room)) tell(one.number, one.similarity);
    }

  private:
    static constexpr size_t neighbours_max = 32;  // more than are wanted: some of them are gone
    static constexpr int links_at_once = 4;
    static constexpr size_t graph_step_bytes = links_at_once * 4 * Graph::links * sizeof(int);

    struct Chunk {
        std::unique_ptr<float[]> vectors;
        std::unique_ptr<SemanticEntry[]> entries;
    };
    struct Place {
        uint32_t chunk;
        uint32_t at;
    };
    /// Chunks of 1, 2, 4 … chunk_max / 2 entries, and then of chunk_max each.
    [[nodiscard]] static Place place_of(uint32_t number) noexcept {
        constexpr uint32_t small = chunk_max - 1;
        if (number >= small) return {chunk_order + (number - small) / chunk_max, (number - small) % chunk_max};
        const auto chunk = static_cast<uint32_t>(std::bit_width(number + 1) - 1);
        return {chunk, number + 1 - (1u << chunk)};
    }
    [[nodiscard]] static uint32_t entries_of_chunk(uint32_t chunk) noexcept {
        return chunk < chunk_order ? 1u << chunk : chunk_max;
    }
    [[nodiscard]] size_t bytes_of_chunk(uint32_t chunk) const noexcept {
        constexpr size_t heap_bytes = 32;  // what the heap adds to two pieces
        return entries_of_chunk(chunk) * (vector_size_ * sizeof(float) + sizeof(SemanticEntry)) + heap_bytes;
    }

    const size_t vector_size_;
    uint32_t count_ = 0;
    std::vector<Chunk> chunks_;
    std::unique_ptr<Graph> graph_;
    bool is_linked_ = false;   // the graph has all of them
    bool has_failed_ = false;  // there was no memory for one
};

}  // namespace loom::cache
