// Answers by what their questions mean: among requests that are equal in all but the last text, those whose texts have
// vectors near to each other. Pure: the caller says what time it is. One thread at a time.
//
// Entries belong to a partition, the hash of all that must be equal, and are compared within it alone. Partitions are
// kept by generations: one is begun after a part of the time to live, or when the last has its part of the memory, and
// the oldest goes as a whole, when all in it has expired or where memory is needed. So nothing has to be taken out of a
// graph, and what takes memory is known exactly.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/cache/exact_store.h"

namespace loom::cache {

struct SemanticEntry {
    Key key;            // of the whole request, as the exact store has it
    std::string scope;  // whose it is: nobody else finds it. It may be narrower than the answer's own
    std::string text;   // that its vector was made of
    AnswerPtr answer;   // null: it is gone
    uint64_t fresh_until_ms = 0;
};

struct SemanticHit {
    float similarity = -1;
    const SemanticEntry* entry = nullptr;  // until the next change of the index
};

struct SemanticCounts {
    uint64_t entries = 0;
    uint64_t bytes = 0;  // all that the index takes: vectors, texts, answers, links and tables
    uint64_t stored = 0;
    uint64_t evicted = 0;  // still good, for others' sake
    uint64_t expired = 0;
    uint64_t purged = 0;
    uint64_t too_large = 0;
};

class SemanticIndex {
  public:
    struct Options {
        size_t dimensions = 0;
        uint64_t bytes_max = 0;  // bytes_min at least
        uint64_t ttl_ms = 0;
        uint32_t graph_from = graph_from_default;  // entries of a partition of one generation; fewer are looked through
    };
    static constexpr uint64_t bytes_min = uint64_t{64} << 10;
    static constexpr uint32_t graph_from_default = 2048;
    static constexpr size_t generations_by_time = 8;  // in one time to live
    static constexpr size_t generations_by_size = 8;  // in bytes_max
    static constexpr size_t hits_max = 8;

    explicit SemanticIndex(const Options& options);
    ~SemanticIndex();
    SemanticIndex(const SemanticIndex&) = delete;

    /// vector  unit, options.dimensions long. In place of what has the same key in this partition; where that was
    ///         stored of late, and its text is the same, only its answer is another. An entry that is larger than one
    ///         generation's part of the memory is not kept.
    void put(const Key& partition, SemanticEntry entry, std::span<const float> vector, uint64_t now_ms);
    /// The nearest that are this scope's and still good, best first, hits_max at most.
    /// query          unit, options.dimensions long. The span lives until the next call.
    /// stored_from_ms  older answers will not do.
    [[nodiscard]] std::span<const SemanticHit> nearest(const Key& partition, std::string_view scope,
                                                       std::span<const float> query, uint64_t now_ms,
                                                       uint64_t stored_from_ms = 0);
    /// At once: nobody finds them any more, and their answers are let go.
    void purge(const Purge& what);
    /// Generations that have nothing left that is good. To be called now and then.
    void expire(uint64_t now_ms);
    [[nodiscard]] const SemanticCounts& counts() const noexcept { return counts_; }

    /// A place among the entries that stays good whatever changes: each entry that stays is passed once.
    struct Cursor {
        uint64_t generation = 0;  // its number; what is behind the last is nobody's
        uint32_t partition = 0;
        uint32_t entry = 0;
    };
    /// Told of an entry that can be found; vector is unit, options.dimensions long.
    using Tell = std::function<void(const Key& partition, const SemanticEntry& entry, std::span<const float> vector)>;
    /// Looks at so many entries, from the cursor on, and moves it. False: nothing is left behind it.
    bool tell_piece(Cursor& at, size_t entries, uint64_t now_ms, const Tell& tell);
    /// Is there an entry of this key that can be found?
    [[nodiscard]] bool has(const Key& partition, const Key& entry) const noexcept;

  private:
    class Partition;
    class Generation;
    void drop_oldest(uint64_t now_ms) noexcept;
    struct Wanted {
        std::string_view scope;
        uint64_t now_ms;
        uint64_t stored_from_ms;
    };
    [[nodiscard]] bool is_open(uint64_t now_ms) const noexcept;
    [[nodiscard]] Generation& open_generation(uint64_t now_ms);
    [[nodiscard]] bool refresh(const Key& partition, const SemanticEntry& entry, std::span<const float> vector,
                               uint64_t now_ms);
    void remember(const Wanted& wanted, SemanticHit hit);

    const Options options_;
    const size_t vector_size_;  // padded
    const uint64_t generation_bytes_max_;
    std::deque<std::unique_ptr<Generation>> generations_;  // oldest first
    std::vector<float> query_;                             // padded
    std::vector<SemanticHit> hits_;
    uint64_t last_generation_ = 0;  // its number
    SemanticCounts counts_;
};

}  // namespace loom::cache
