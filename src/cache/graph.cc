#include "graph.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/impl/HNSW.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <vector>

#include "distance.h"

namespace loom::cache {
namespace {

/// FAISS wants what is nearer to be less. Of unit vectors this is half the square of their distance.
class Distances final : public faiss::DistanceComputer {
  public:
    Distances(const VectorSource& source, size_t size) noexcept : source_(source), size_(size) {}
    void set_query(const float* x) override { query_ = x; }
    float operator()(idx_t i) override { return 1 - dot_(query_, at(i), size_); }
    float symmetric_dis(idx_t i, idx_t j) override { return 1 - dot_(at(i), at(j), size_); }

  private:
    [[nodiscard]] const float* at(idx_t i) const noexcept { return source_.vector_at(static_cast<uint32_t>(i)); }

    const VectorSource& source_;
    const size_t size_;
    const DotKernel dot_ = dot_kernel();
    const float* query_ = nullptr;
};

}  // namespace

class Graph::Impl {
  public:
    Impl(const VectorSource& source, size_t size) : source_(source), distances_(source, size), hnsw_(links) {
        omp_set_num_threads(1);  // of this thread, which is the one that uses it
        hnsw_.efConstruction = look_building;
        hnsw_.efSearch = look_searching;
    }
    ~Impl() {
        for (omp_lock_t& lock : locks_) omp_destroy_lock(&lock);
    }

    void add() {
        const auto number = static_cast<int>(locks_.size());
        locks_.emplace_back();
        omp_init_lock(&locks_.back());
        if (visited_.visited.size() < locks_.size()) visited_.visited.resize(2 * locks_.size());
        (void)hnsw_.prepare_level_tab(1);
        distances_.set_query(source_.vector_at(static_cast<uint32_t>(number)));
        hnsw_.add_with_locks(distances_, hnsw_.levels[static_cast<size_t>(number)] - 1, number, locks_, visited_);
    }

    std::span<const Neighbour> nearest(const float* query, std::span<Neighbour> room) {
        const size_t wanted = std::min({room.size(), found_max, locks_.size()});
        if (wanted == 0) return {};
        std::array<faiss::HNSW::idx_t, found_max> numbers;
        std::array<float, found_max> distances;
        // What is not found stays so: a heap of the worst that there is.
        numbers.fill(-1);
        distances.fill(HUGE_VALF);
        distances_.set_query(query);
        (void)hnsw_.search(distances_, static_cast<int>(wanted), numbers.data(), distances.data(), visited_);
        size_t count = 0;
        for (size_t i = 0; i < wanted; ++i)
            if (numbers[i] >= 0) room[count++] = {static_cast<uint32_t>(numbers[i]), 1 - distances[i]};
        const auto found = room.first(count);
        std::ranges::sort(found, std::ranges::greater(), &Neighbour::similarity);
        return found;
    }

    [[nodiscard]] uint32_t count() const noexcept { return static_cast<uint32_t>(locks_.size()); }

    [[nodiscard]] size_t bytes() const noexcept {
        return sizeof *this + hnsw_.neighbors.capacity() * sizeof(faiss::HNSW::storage_idx_t) +
               hnsw_.offsets.capacity() * sizeof(size_t) + hnsw_.levels.capacity() * sizeof(int) +
               locks_.capacity() * sizeof(omp_lock_t) + visited_.visited.capacity();
    }

  private:
    static constexpr size_t found_max = 64;

    const VectorSource& source_;
    Distances distances_;
    faiss::HNSW hnsw_;
    std::vector<omp_lock_t> locks_;  // that FAISS takes, of each vertex
    faiss::VisitedTable visited_{64};
};

// FAISS and its vectors throw; nothing beyond this file does.

Graph::Graph(const VectorSource& source, size_t size) : impl_(std::make_unique<Impl>(source, size)) {}

Graph::~Graph() = default;

bool Graph::add() {
    try {
        impl_->add();
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

uint32_t Graph::count() const noexcept { return impl_->count(); }

std::span<const Neighbour> Graph::nearest(const float* query, std::span<Neighbour> room) {
    try {
        return impl_->nearest(query, room);
    } catch (const std::exception&) {
        return {};
    }
}

size_t Graph::bytes() const noexcept { return impl_->bytes(); }

}  // namespace loom::cache
