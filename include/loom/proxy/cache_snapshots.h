// What the cache keeps, over a restart: two files in state.directory/cache, `exact.snapshot` and `semantic.snapshot`,
// written every now and then and when Loom stops, and read beside the first requests.
//
// Shards, and the index's thread, hand over copies of pointers in small pieces, by message; a thread of this one's own
// does all that touches the disk. Keys are made with a seed, which the files hold: who reads them early enough gives it
// to CacheShards. Nothing is loaded of a file that is not whole, was made by another Loom or another embedder, or is
// not encrypted as state.directory is: it is set aside (store/snapshot_file.h), and Loom begins without.
//
// What is purged does not come back: a purge removes the files before it is answered, and one that is being written
// then never takes its name. The next is written soon after.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "loom/cache/snapshot_record.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/plan.h"
#include "loom/store/snapshot_file.h"

namespace loom::proxy {

class SemanticCache;

class CacheSnapshots {
  public:
    struct Options {
        std::string directory;  // state.directory
        store::VaultPtr vault;  // null: it is not encrypted
        uint64_t interval_ms = 300'000;
        std::string version;  // of this Loom: files of another are refused
    };
    /// Reads the heads of what is there. Where another Loom keeps its own there, or nothing can be made there, the log
    /// says so, nothing is read, and nothing kept before that has an end; a purge says then what may come back.
    explicit CacheSnapshots(Options options);
    ~CacheSnapshots();  // stop()
    CacheSnapshots(const CacheSnapshots&) = delete;

    /// What the keys in the files were made with, or one that is new.
    [[nodiscard]] uint64_t seed() const noexcept { return seed_; }
    /// Before any shard runs. They outlive this, until stop().
    void attach(CacheShards& shards, SemanticCache& semantic);
    /// When all shards run: loads, and goes on writing. terms  null: nothing is kept, so nothing is loaded.
    void begin(std::shared_ptr<const CachePlan> terms);
    /// There are others: what is kept may have begun anew, so that its count says nothing. Any thread.
    void note_terms() noexcept;
    /// Before the shards end. What is being written or loaded is left, at the next record. Waits for nothing.
    void ask_to_stop() noexcept;
    /// The same, and the thread has ended: it may be in a call to the disk. While the shards' mailboxes are there.
    void stop() noexcept;
    /// When all of them, the index's thread and the admin's have ended: what they had. Blocks on the disk.
    /// gives_up  asked before each record; true: what was written before stays. So it does after last_ms_max.
    void write_last(std::function<bool()> gives_up = [] { return false; });

    /// Any thread.
    [[nodiscard]] observe::CacheSnapshotFacts facts() const;

    /// There is none any more in this directory, since nobody would keep it true to purges.
    /// Returns what is to be said of one that may still be there; "" where there is none.
    [[nodiscard]] static std::string remove_all(const std::string& directory);

    /// What it takes beside the cache.
    [[nodiscard]] static constexpr uint64_t memory_bytes_max(uint64_t entry_bytes) noexcept {
        return (uint64_t{4} << 20) + 4 * entry_bytes;
    }
    static constexpr uint64_t after_purge_ms = 10'000;  // the next is written, where the interval is longer
    static constexpr size_t answers_of_letter = 32;     // that a shard takes back in one turn
    static constexpr size_t entries_of_letter = 8;      // that the index's thread does
    static constexpr size_t letter_bytes_max = 512 * 1024;
    static constexpr size_t letters_bytes_max = size_t{2} << 20;  // of all that are being filled
    static constexpr uint64_t record_bytes_more = 512 * 1024;     // than its answer's: names, its text, its vector
    static constexpr uint64_t claim_again_ms = 1'000;             // where the directory is another Loom's
    static constexpr uint64_t last_ms_max = 60'000;               // for the last file of each

  private:
    using Kind = cache::SnapshotHead::Kind;
    /// One of the two files.
    struct Layer {
        Kind kind;
        const char* name;  // for metrics
        store::SnapshotPlace place;
        std::optional<store::SnapshotReader> reader;  // what an earlier process has left, until it is loaded
        cache::SnapshotHead head;                     // of it
        uint64_t written_stored = 0;                  // as much was stored when it was last written …
        bool is_written = false;                      // … which holds until a purge; under mutex_
        bool is_loading = false;  // not all of it is in the cache yet: the file has more; under mutex_
        std::atomic<uint64_t> loaded{0}, expired{0}, purged{0}, not_kept{0}, refused{0};
        std::atomic<uint64_t> entries{0}, bytes{0}, written_ms{0}, failures{0};
    };
    /// A file under way.
    struct Draft {
        Layer& layer;
        uint64_t purges_seen = 0;
        uint64_t stored = 0;
        cache::SnapshotMoment moment;
        uint64_t wall_ms = 0;
        std::optional<store::SnapshotWriter> writer = std::nullopt;
        std::string record = {};
        cache::EmbedderMark embedder = {};
        std::function<bool()> gives_up = {};
    };
    enum class Outcome : uint8_t { done, stopped, failed };

    /// Why a directory is not this process's.
    struct ClaimFault {
        bool is_anothers = false;
        std::string text;
    };
    /// A descriptor that holds it as long as it is open.
    [[nodiscard]] static std::expected<int, ClaimFault> claim(const std::string& folder);
    [[nodiscard]] bool take_directory();
    [[nodiscard]] bool claim_again();
    void open_layer(Layer& layer);
    void refuse(Layer& layer, const std::string& why, bool keeps = true);
    void refuse(Layer& layer, const store::SnapshotFault& fault);

    void run();
    [[nodiscard]] bool stops() const noexcept { return stopping_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool is_wanted(const Layer& layer) const noexcept;
    void load(Layer& layer);
    [[nodiscard]] bool is_good(Layer& layer, const cache::SnapshotMoment& moment);
    [[nodiscard]] bool load_exact(Layer& layer, const cache::SnapshotMoment& moment);
    [[nodiscard]] bool load_semantic(Layer& layer, const cache::SnapshotMoment& moment);
    [[nodiscard]] bool give_back(Layer& layer, uint32_t shard, std::vector<cache::KeptAnswer> answers);
    [[nodiscard]] bool give_back(Layer& layer, std::vector<cache::KeptEntry> entries);
    void tell_loaded(const Layer& layer) const;

    void write_all();
    void note_loaded(Layer& layer);
    [[nodiscard]] bool is_unchanged(const Layer& layer);
    [[nodiscard]] uint64_t stored_now(const Layer& layer) const;
    [[nodiscard]] Draft draft_of(Layer& layer, std::function<bool()> gives_up) const;
    [[nodiscard]] Outcome write_exact(Draft& draft);
    [[nodiscard]] Outcome write_semantic(Draft& draft);
    [[nodiscard]] bool begin_file(Draft& draft, const cache::EmbedderMark& embedder);
    [[nodiscard]] Outcome add_entries(Draft& draft, const std::vector<cache::KeptEntry>& entries);
    template <class Kept>
    [[nodiscard]] Outcome add(Draft& draft, const Kept& kept);
    [[nodiscard]] Outcome write_left_exact(Draft& draft, bool keeps);
    [[nodiscard]] Outcome write_left_semantic(Draft& draft);
    void finish(Draft& draft, Outcome outcome);
    bool fail(Draft& draft, int error);
    void remove_file(Layer& layer);
    static void forget(Layer& layer) noexcept;
    [[nodiscard]] std::string remove_files();
    [[nodiscard]] std::string on_purge();
    template <class Value, class Ask>
    [[nodiscard]] std::optional<Value> answer_of(Ask ask);

    const Options options_;
    const std::string folder_;
    uint64_t seed_;
    std::array<Layer, 2> layers_;
    CacheShards* shards_ = nullptr;
    SemanticCache* semantic_ = nullptr;
    std::shared_ptr<const CachePlan> terms_;

    std::mutex mutex_;           // of what the files are called: held over calls to the disk
    int lock_fd_ = -1;           // held as long as this lives; -1: nothing is kept; under mutex_
    bool purged_apart_ = false;  // while the directory was another's; under mutex_

    std::mutex turn_mutex_;  // of what follows; taken last, and for no call to the disk
    std::condition_variable something_;
    std::atomic<bool> stopping_{false};
    bool was_purged_ = false;
    std::thread thread_;
};

}  // namespace loom::proxy
