// A graph over vectors that are near each other (HNSW, of FAISS), for partitions that are too large to be looked
// through. Only the links are FAISS's: the vectors stay where their partition keeps them, and are compared by our own
// kernel. The one file that knows FAISS is graph.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace loom::cache {

/// Where a graph's vectors are, by their numbers: 0, 1, 2 … in the order of add().
class VectorSource {
  public:
    /// padded_size() numbers that stay put as long as the graph is there.
    [[nodiscard]] virtual const float* vector_at(uint32_t number) const noexcept = 0;

  protected:
    ~VectorSource() = default;
};

struct Neighbour {
    uint32_t number;
    float similarity;
};

/// One thread at a time. It is never taken from: what is gone is skipped by whoever asks.
class Graph {
  public:
    /// size  of a vector, padded. source  outlives this.
    Graph(const VectorSource& source, size_t size);
    ~Graph();
    Graph(const Graph&) = delete;

    /// The next number's vector is there.
    /// Returns false where there is no memory for it; the graph is of no use then.
    [[nodiscard]] bool add();
    [[nodiscard]] uint32_t count() const noexcept;
    /// The nearest, best first; fewer where there are fewer, or none where memory has run out.
    [[nodiscard]] std::span<const Neighbour> nearest(const float* query, std::span<Neighbour> room);
    /// What it takes, the room for its growth included; its vectors are not its own.
    [[nodiscard]] size_t bytes() const noexcept;

    // Links of a vertex, and how far it is looked around while it is linked and while it is searched.
    static constexpr int links = 16;
    static constexpr int look_building = 100;
    static constexpr int look_searching = 96;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::cache
