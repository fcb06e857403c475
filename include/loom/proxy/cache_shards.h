// The cache of answers, as all shards share it: each shard owns the keys that are its part, and is asked for them by
// message. No entry has two owners, so nothing of it is locked.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "loom/cache/exact_store.h"
#include "loom/cache/snapshot_record.h"
#include "loom/io/mailbox.h"

namespace loom::proxy {

class CacheDesk;
class SemanticCache;

/// One for the process. It outlives the shards, and whatever stands in their mailboxes.
class CacheShards {
  public:
    explicit CacheShards(uint32_t count);
    /// seed  that an earlier process has made its keys with, so that what it has left is found.
    CacheShards(uint32_t count, uint64_t seed);
    ~CacheShards();
    CacheShards(const CacheShards&) = delete;
    /// Before any shard runs. The mailbox outlives this.
    void set_mailbox(uint32_t index, io::Mailbox& mailbox) noexcept { places_[index].mailbox = &mailbox; }
    /// Before any shard runs: who is asked where nothing is kept under a key. It hears of purges.
    void set_semantic(SemanticCache& semantic) noexcept { semantic_ = &semantic; }
    /// Null: nobody.
    [[nodiscard]] SemanticCache* semantic() const noexcept { return semantic_; }

    /// Before any shard runs: told of each purge, on the thread that asks for it, when nobody finds it any more.
    /// on_purge  returns what is to be said of what may not last: "" where all of it does.
    void tell_purges_to(std::function<std::string()> on_purge) { on_purge_ = std::move(on_purge); }
    /// Before any shard runs: what shards have when they end is left here (tell_left).
    void keep_what_is_left() noexcept { keeps_left_ = true; }

    // Any thread, at any time.
    /// Whoever asks from now on finds nothing of it, on any shard, and nothing of it that is under way is kept.
    /// Returns a sentence where that may not outlive a restart; "" where it does.
    std::string purge(cache::Purge what);
    /// How many there were: who has seen as many knows of all.
    [[nodiscard]] uint64_t last_purge() const noexcept { return last_purge_.load(std::memory_order_acquire); }
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

    // For who keeps what is there over a restart; on a thread that is no shard's.
    [[nodiscard]] uint32_t count() const noexcept { return static_cast<uint32_t>(places_.size()); }
    [[nodiscard]] uint32_t owner_of(const cache::Key& key) const noexcept {
        return static_cast<uint32_t>((key.high >> 32) % places_.size());
    }
    /// A part of what a shard has (cache::ExactStore::tell_piece).
    struct Piece {
        bool is_there = false;  // the shard keeps something
        std::vector<cache::KeptAnswer> answers;
        size_t next = 0;  // where to go on; 0: that was all
    };
    using OnPiece = std::move_only_function<void(Piece)>;
    /// done is called on the shard's thread, or destroyed uncalled where the shard is over.
    void ask_piece(uint32_t shard, size_t at, OnPiece done);
    struct Restored {
        bool is_there = false;  // the shard keeps something
        uint32_t kept = 0;
        uint32_t purged = 0;  // since it was read
    };
    using OnRestored = std::move_only_function<void(Restored)>;
    /// answers      all of this shard's; what has come since stays in their place.
    /// purges_seen  last_purge() when they were read, or before.
    void restore(uint32_t shard, std::vector<cache::KeptAnswer> answers, uint64_t purges_seen, OnRestored done);
    /// When all shards have ended: what they had then, without what was purged since.
    void tell_left(const std::function<void(const cache::KeptAnswer&)>& tell);
    /// Those behind `seen`; one of everything where some of them are forgotten.
    [[nodiscard]] std::vector<cache::Purge> purges_since(uint64_t seen);

  private:
    friend class CacheDesk;
    friend class SemanticCache;
    struct Place {
        io::Mailbox* mailbox = nullptr;
        CacheDesk* desk = nullptr;  // of its own thread alone
        std::atomic<bool> open{false};
        std::atomic<uint64_t> entries{0}, bytes{0}, stored{0}, evicted{0}, not_admitted{0}, expired{0}, purged{0};
        std::unique_ptr<cache::ExactStore> left;  // of the shard that has ended
        uint64_t left_purges_seen = 0;
    };
    struct NumberedPurge {
        uint64_t number;
        cache::Purge what;
    };
    static constexpr size_t purges_kept = 64;

    const uint64_t seed_;
    std::vector<Place> places_;
    SemanticCache* semantic_ = nullptr;
    std::function<std::string()> on_purge_;
    bool keeps_left_ = false;
    std::atomic<uint64_t> last_purge_{0};
    std::mutex mutex_;  // of purges_, which is looked at only where there was a purge
    std::vector<NumberedPurge> purges_;
};

}  // namespace loom::proxy
