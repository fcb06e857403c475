#include "semantic_partition.h"

#include <algorithm>

namespace loom::cache {

size_t SemanticIndex::Partition::add(SemanticEntry entry, std::span<const float> vector) {
    const size_t table_before = chunks_.capacity() * sizeof(Chunk);
    const Place place = place_of(count_);
    size_t more = 0;
    if (place.at == 0) {
        const uint32_t entries = entries_of_chunk(place.chunk);
        chunks_.push_back({.vectors = std::make_unique<float[]>(entries * vector_size_),  // zeros behind the dimensions
                           .entries = std::make_unique<SemanticEntry[]>(entries)});
        more += bytes_of_chunk(place.chunk) + chunks_.capacity() * sizeof(Chunk) - table_before;
    }
    Chunk& chunk = chunks_[place.chunk];
    std::ranges::copy(vector, chunk.vectors.get() + place.at * vector_size_);
    chunk.entries[place.at] = std::move(entry);
    count_ += 1;
    return more;
}

size_t SemanticIndex::Partition::link(uint32_t graph_from) {
    if (count_ < graph_from || has_failed_) return 0;
    const size_t before = graph_ != nullptr ? graph_->bytes() : 0;
    if (graph_ == nullptr) graph_ = std::make_unique<Graph>(static_cast<const VectorSource&>(*this), vector_size_);
    for (int i = 0; i < links_at_once && graph_->count() < count_; ++i) {
        if (graph_->add()) continue;
        graph_.reset();  // what it took is still counted: it goes with its generation
        is_linked_ = false;
        has_failed_ = true;
        return 0;
    }
    is_linked_ = graph_->count() == count_;
    return graph_->bytes() - before;
}

}  // namespace loom::cache
