// The cache of answers, as all shards share it: each shard owns the keys that are its part, and is asked for them by
// message. No entry has two owners, so nothing of it is locked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "loom/cache/exact_store.h"
#include "loom/io/mailbox.h"

namespace loom::proxy {

class CacheDesk;
class SemanticCache;

/// One for the process. It outlives the shards, and whatever stands in their mailboxes.
class CacheShards {
  public:
    explicit CacheShards(uint32_t count);
    CacheShards(const CacheShards&) = delete;
    /// Before any shard runs. The mailbox outlives this.
    void set_mailbox(uint32_t index, io::Mailbox& mailbox) noexcept { places_[index].mailbox = &mailbox; }
    /// Before any shard runs: who is asked where nothing is kept under a key. It hears of purges.
    void set_semantic(SemanticCache& semantic) noexcept { semantic_ = &semantic; }
    /// Null: nobody.
    [[nodiscard]] SemanticCache* semantic() const noexcept { return semantic_; }

    // Any thread, at any time.
    /// Whoever asks from now on finds nothing of it, on any shard, and nothing of it that is under way is kept.
    void purge(cache::Purge what);
    struct Totals {
        uint64_t entries = 0;
        uint64_t bytes = 0;
        uint64_t stored = 0;
        uint64_t evicted = 0;
        uint64_t not_admitted = 0;
        uint64_t expired = 0;
        uint64_t purged = 0;
    };
    /// As the shards have told last.
    [[nodiscard]] Totals totals() const noexcept;
    /// What keys are made with.
    [[nodiscard]] uint64_t seed() const noexcept { return seed_; }

  private:
    friend class CacheDesk;
    friend class SemanticCache;
    struct Place {
        io::Mailbox* mailbox = nullptr;
        CacheDesk* desk = nullptr;  // of its own thread alone
        std::atomic<bool> open{false};
        std::atomic<uint64_t> entries{0}, bytes{0}, stored{0}, evicted{0}, not_admitted{0}, expired{0}, purged{0};
    };
    struct NumberedPurge {
        uint64_t number;
        cache::Purge what;
    };
    static constexpr size_t purges_kept = 64;

    [[nodiscard]] uint32_t owner_of(const cache::Key& key) const noexcept {
        return static_cast<uint32_t>((key.high >> 32) % places_.size());
    }
    [[nodiscard]] uint64_t last_purge() const noexcept { return last_purge_.load(std::memory_order_acquire); }
    /// Those behind `seen`; one of everything where some of them are forgotten already.
    [[nodiscard]] std::vector<cache::Purge> purges_since(uint64_t seen);

    const uint64_t seed_;
    std::vector<Place> places_;
    SemanticCache* semantic_ = nullptr;
    std::atomic<uint64_t> last_purge_{0};
    std::mutex mutex_;  // of purges_, which is looked at only where there was a purge
    std::vector<NumberedPurge> purges_;
};

}  // namespace loom::proxy
