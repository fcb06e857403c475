#include "loom/cache/semantic_index.h"

#include <algorithm>
#include <atomic>
#include <unordered_map>

#include "loom/base/assert.h"
#include "semantic_partition.h"

namespace loom::cache {
namespace {

struct KeyHash {
    size_t operator()(const Key& key) const noexcept { return key.low; }
};

/// What an entry has of its own on the heap.
size_t own_bytes(const SemanticEntry& entry) noexcept {
    constexpr size_t heap_bytes = 16;
    return entry.text.capacity() + entry.scope.capacity() + 2 * heap_bytes + entry_bytes(*entry.answer);
}

/// The same request may be asked in more than one scope, each of which has a partition of its own.
Key place_key(const Key& partition, const Key& entry) noexcept {
    return {partition.high ^ entry.high, partition.low ^ entry.low};
}

// Of a node of std::unordered_map: its pointer, the heap's part, and places in its table, which may be a half empty.
constexpr size_t node_bytes = 8 + 16 + 32;

/// Each generation of the process has a number of its own: a cursor into an index that is gone is before all of the
/// next.
uint64_t next_generation() noexcept {
    static std::atomic<uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

/// What was stored in one span of time.
class SemanticIndex::Generation {
  public:
    Generation(const Options& options, size_t vector_size, uint64_t number, uint64_t begun_ms) noexcept
        : options_(options), vector_size_(vector_size), number_(number), begun_ms_(begun_ms) {}

    [[nodiscard]] uint64_t number() const noexcept { return number_; }
    /// From the partition and the entry on that the cursor names; it is at the end of the generation in the end, or
    /// behind the last that `entries` allow, which counts down.
    void tell(Cursor& at, size_t& entries, uint64_t now_ms, const Tell& tell) {
        while (at.partition < order_.size() && entries > 0) {
            auto& [key, where] = *order_[at.partition];
            if (at.entry == where.count()) {
                at.partition += 1;
                at.entry = 0;
                continue;
            }
            const SemanticEntry& entry = where.at(at.entry);
            if (entry.answer != nullptr && entry.fresh_until_ms > now_ms)
                tell(key, entry, {where.vector_at(at.entry), options_.dimensions});
            at.entry += 1;
            entries -= 1;
        }
    }
    [[nodiscard]] bool is_behind(const Cursor& at) const noexcept { return at.partition >= order_.size(); }
    [[nodiscard]] bool has(const Key& partition, const Key& entry) const noexcept {
        return places_.contains(place_key(partition, entry));
    }

    [[nodiscard]] size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] uint64_t live() const noexcept { return live_; }
    [[nodiscard]] uint64_t begun_ms() const noexcept { return begun_ms_; }
    [[nodiscard]] bool is_over(uint64_t now_ms) const noexcept { return live_ == 0 || fresh_until_ms_ <= now_ms; }

    [[nodiscard]] Partition* partition(const Key& key) noexcept {
        const auto found = partitions_.find(key);
        return found != partitions_.end() ? &found->second : nullptr;
    }

    /// What put() will take at most.
    [[nodiscard]] size_t bytes_of_next(const Key& key, const SemanticEntry& entry) noexcept {
        const Partition* const there = partition(key);
        const size_t places =
            there != nullptr ? there->bytes_of_next() : partition_bytes + Partition(vector_size_).bytes_of_next();
        return places + own_bytes(entry) + place_bytes;
    }

    void put(const Key& key, SemanticEntry entry, std::span<const float> vector) {
        const auto [found, is_new] = partitions_.try_emplace(key, vector_size_);
        Partition& where = found->second;
        if (is_new) order_.push_back(&*found);
        bytes_ += (is_new ? partition_bytes : 0) + place_bytes + own_bytes(entry);
        fresh_until_ms_ = std::max(fresh_until_ms_, entry.fresh_until_ms);
        places_.insert_or_assign(place_key(key, entry.key), Place{&where, where.count()});
        bytes_ += where.add(std::move(entry), vector);
        bytes_ += where.link(options_.graph_from);
        live_ += 1;
    }

    /// An answer that is newer, to the same text: nothing else of it changes, and no place is lost.
    /// Returns false where there is none, or where the generation would become larger than bytes_max.
    bool refresh(const Key& key, const SemanticEntry& entry, std::span<const float> vector, size_t bytes_max) {
        const auto found = places_.find(place_key(key, entry.key));
        if (found == places_.end()) return false;
        Partition& where = *found->second.partition;
        SemanticEntry& old = where.at(found->second.number);
        if (old.text != entry.text || old.scope != entry.scope) return false;
        if (!std::ranges::equal(vector, std::span(where.vector_at(found->second.number), vector.size()))) return false;
        const size_t without = bytes_ - entry_bytes(*old.answer);
        if (without + entry_bytes(*entry.answer) > bytes_max) return false;
        bytes_ = without + entry_bytes(*entry.answer);
        old.answer = entry.answer;
        old.fresh_until_ms = entry.fresh_until_ms;
        fresh_until_ms_ = std::max(fresh_until_ms_, entry.fresh_until_ms);
        return true;
    }

    /// Its answer and its text go; its place stays until the generation does.
    bool remove(const Key& partition, const Key& key) noexcept {
        const auto found = places_.find(place_key(partition, key));
        if (found == places_.end()) return false;
        let_go(found->second.partition->at(found->second.number));
        places_.erase(found);
        return true;
    }

    uint64_t purge(const Purge& what) noexcept {
        const uint64_t before = live_;
        for (auto place = places_.begin(); place != places_.end();) {
            SemanticEntry& entry = place->second.partition->at(place->second.number);
            if (!what.meets(entry.key, *entry.answer)) {
                ++place;
                continue;
            }
            let_go(entry);
            place = places_.erase(place);
        }
        return before - live_;
    }

    [[nodiscard]] uint64_t count_fresh(uint64_t now_ms) noexcept {
        return static_cast<uint64_t>(std::ranges::count_if(places_, [now_ms](auto& one) {
            return one.second.partition->at(one.second.number).fresh_until_ms > now_ms;
        }));
    }

  private:
    struct Place {
        Partition* partition;
        uint32_t number;
    };
    static constexpr size_t place_bytes = sizeof(std::pair<const Key, Place>) + node_bytes;
    static constexpr size_t order_bytes = 2 * sizeof(void*);  // whose table may be half empty
    static constexpr size_t partition_bytes = sizeof(std::pair<const Key, Partition>) + node_bytes + order_bytes;

    void let_go(SemanticEntry& entry) noexcept {
        bytes_ -= own_bytes(entry) + place_bytes;
        entry.answer = nullptr;
        entry.text = std::string();
        entry.scope = std::string();
        live_ -= 1;
    }

    const Options& options_;
    const size_t vector_size_;
    const uint64_t number_;
    const uint64_t begun_ms_;
    uint64_t fresh_until_ms_ = 0;  // of the last
    size_t bytes_ = 0;
    uint64_t live_ = 0;
    std::unordered_map<Key, Partition, KeyHash> partitions_;
    std::vector<std::pair<const Key, Partition>*> order_;  // in which they came; whoever goes through them may stop
    std::unordered_map<Key, Place, KeyHash> places_;       // by the entries' keys, those that are not gone
};

SemanticIndex::SemanticIndex(const Options& options)
    : options_(options),
      vector_size_(padded_size(options.dimensions)),
      generation_bytes_max_(std::max(options.bytes_max, bytes_min) / generations_by_size) {
    LOOM_ASSERT(options.dimensions > 0);
    query_.resize(vector_size_);
    hits_.reserve(hits_max + 1);
}

SemanticIndex::~SemanticIndex() = default;

void SemanticIndex::drop_oldest(uint64_t now_ms) noexcept {
    Generation& oldest = *generations_.front();
    const uint64_t fresh = oldest.count_fresh(now_ms);
    counts_.evicted += fresh;
    counts_.expired += oldest.live() - fresh;
    counts_.entries -= oldest.live();
    counts_.bytes -= oldest.bytes();
    generations_.pop_front();
}

void SemanticIndex::expire(uint64_t now_ms) {
    while (!generations_.empty() && generations_.front()->is_over(now_ms)) drop_oldest(now_ms);
}

/// The last generation takes more.
bool SemanticIndex::is_open(uint64_t now_ms) const noexcept {
    const uint64_t span_ms = std::max<uint64_t>(options_.ttl_ms / generations_by_time, 1);
    return !generations_.empty() && generations_.back()->bytes() < generation_bytes_max_ &&
           now_ms - std::min(now_ms, generations_.back()->begun_ms()) < span_ms;
}

SemanticIndex::Generation& SemanticIndex::open_generation(uint64_t now_ms) {
    if (!is_open(now_ms)) {
        last_generation_ = next_generation();
        generations_.push_back(std::make_unique<Generation>(options_, vector_size_, last_generation_, now_ms));
    }
    return *generations_.back();
}

/// True: it was in the open generation, and has the new answer there.
bool SemanticIndex::refresh(const Key& partition, const SemanticEntry& entry, std::span<const float> vector,
                            uint64_t now_ms) {
    if (!is_open(now_ms)) return false;
    Generation& open = *generations_.back();
    const size_t before = open.bytes();
    const size_t others = counts_.bytes - before;
    const size_t room = std::max(options_.bytes_max, bytes_min) - others;
    if (!open.refresh(partition, entry, vector, std::min<size_t>(room, generation_bytes_max_))) return false;
    counts_.bytes = others + open.bytes();
    counts_.stored += 1;
    return true;
}

void SemanticIndex::put(const Key& partition, SemanticEntry entry, std::span<const float> vector, uint64_t now_ms) {
    LOOM_ASSERT(vector.size() == options_.dimensions && entry.answer != nullptr);
    entry.text.shrink_to_fit();
    entry.scope.shrink_to_fit();
    expire(now_ms);
    if (refresh(partition, entry, vector, now_ms)) return;
    for (const auto& generation : generations_) {
        const size_t before = generation->bytes();
        if (generation->remove(partition, entry.key)) counts_.entries -= 1;
        counts_.bytes -= before - generation->bytes();
    }
    if (own_bytes(entry) + Partition(vector_size_).bytes_of_next() > generation_bytes_max_) {
        counts_.too_large += 1;
        return;
    }
    const uint64_t bytes_max = std::max(options_.bytes_max, bytes_min);
    Generation* into = &open_generation(now_ms);
    while (counts_.bytes + into->bytes_of_next(partition, entry) > bytes_max) {
        drop_oldest(now_ms);  // which may be the one that it would have gone into
        into = &open_generation(now_ms);
    }
    const size_t before = into->bytes();
    into->put(partition, std::move(entry), vector);
    counts_.bytes += into->bytes() - before;
    counts_.entries += 1;
    counts_.stored += 1;
    while (counts_.bytes > bytes_max && generations_.size() > 1) drop_oldest(now_ms);  // for its links' sake
}

/// Among the best so far, if it is one of them.
void SemanticIndex::remember(const Wanted& wanted, SemanticHit hit) {
    const SemanticEntry& entry = *hit.entry;
    const bool full = hits_.size() == hits_max;
    if (full && hit.similarity <= hits_.back().similarity) return;
    if (entry.answer == nullptr || entry.fresh_until_ms <= wanted.now_ms || entry.scope != wanted.scope) return;
    const Answer& answer = *entry.answer;
    if (answer.stored_ms - std::min(answer.stored_ms, answer.aged_ms) < wanted.stored_from_ms) return;
    const auto place =
        std::ranges::upper_bound(hits_, hit.similarity, std::ranges::greater(), &SemanticHit::similarity);
    hits_.insert(place, hit);
    if (full) hits_.pop_back();
}

std::span<const SemanticHit> SemanticIndex::nearest(const Key& partition, std::string_view scope,
                                                    std::span<const float> query, uint64_t now_ms,
                                                    uint64_t stored_from_ms) {
    LOOM_ASSERT(query.size() == options_.dimensions);
    std::ranges::copy(query, query_.begin());
    hits_.clear();
    const Wanted wanted{.scope = scope, .now_ms = now_ms, .stored_from_ms = stored_from_ms};
    for (const auto& generation : generations_) {
        Partition* const where = generation->partition(partition);
        if (where == nullptr) continue;
        where->search(query_.data(), [&](uint32_t number, float similarity) {
            remember(wanted, {.similarity = similarity, .entry = &where->at(number)});
        });
    }
    return hits_;
}

bool SemanticIndex::tell_piece(Cursor& at, size_t entries, uint64_t now_ms, const Tell& tell) {
    for (const auto& generation : generations_) {
        if (generation->number() < at.generation) continue;
        if (generation->number() > at.generation) at = {.generation = generation->number()};
        generation->tell(at, entries, now_ms, tell);
        if (entries == 0 && !generation->is_behind(at)) return true;
    }
    return false;
}

bool SemanticIndex::has(const Key& partition, const Key& entry) const noexcept {
    return std::ranges::any_of(generations_, [&](const auto& one) { return one->has(partition, entry); });
}

void SemanticIndex::purge(const Purge& what) {
    for (const auto& generation : generations_) {
        const size_t before = generation->bytes();
        const uint64_t gone = generation->purge(what);
        counts_.purged += gone;
        counts_.entries -= gone;
        counts_.bytes -= before - generation->bytes();
    }
    // The places of those that are gone come home with their generation, at once where nothing else is in it.
    for (auto at = generations_.begin(); at != generations_.end();) {
        if ((*at)->live() > 0) {
            ++at;
            continue;
        }
        counts_.bytes -= (*at)->bytes();
        at = generations_.erase(at);
    }
}

}  // namespace loom::cache
