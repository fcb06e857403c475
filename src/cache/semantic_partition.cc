#include "semantic_partition.h"

#include <algorithm>

namespace loom::cache {

size_t SemanticIndex::Partition::add(SemanticEntry entry, std::span<const float> vector) {
    const size_t table_before = chunks_.capacity() * sizeof(Chunk);
    const size_t graph_before = graph_ != nullptr ? graph_->bytes() : 0;
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
    if (graph_ == nullptr) return more;
    if (graph_->add()) return more + graph_->bytes() - graph_before;
    graph_.reset();  // what it took before is still counted: it goes with its generation
    return more;
}

size_t SemanticIndex::Partition::link_from(uint32_t graph_from) {
    if (graph_ != nullptr || count_ < graph_from) return 0;
    auto graph = std::make_unique<Graph>(static_cast<const VectorSource&>(*this), vector_size_);
    while (graph->count() < count_)
        if (!graph->add()) return 0;
    graph_ = std::move(graph);
    return graph_->bytes();
}

}  // namespace loom::cache
