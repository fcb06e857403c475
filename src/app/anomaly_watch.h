// Looks for sudden changes (alerts.anomaly.*) beside the requests: shards put what was settled into rings, from which
// one thread takes it twenty times a second and feeds the detector. What that tells goes to the log, the counters, and
// a ring from which the webhook takes it. Another thread keeps what is learned on the disk, so that a disk that does
// not answer delays nobody.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "loom/observe/metrics.h"
#include "loom/store/profile_store.h"
#include "loom/tenant/activity.h"
#include "loom/tenant/anomaly.h"

namespace loom::app {

struct AnomalyWatchOptions {
    tenant::AnomalyOptions rules;
    std::string directory;      // "": what is learned ends with the process
    uint64_t save_ms = 60'000;  // so often it is saved, and a file that could not be opened tried again
};

class AnomalyWatch {
  public:
    /// Reads what was learned before, and begins. Where it cannot be read or kept, the log says so, and it is tried
    /// again each `save_ms`: what is learned meanwhile ends with the process unless that succeeds.
    AnomalyWatch(AnomalyWatchOptions options, store::VaultPtr vault, uint32_t shard_count);
    ~AnomalyWatch();  // stop()
    AnomalyWatch(const AnomalyWatch&) = delete;

    /// Of one shard. Outlives it.
    [[nodiscard]] tenant::ActivityRing& ring(uint32_t shard) noexcept { return rings_[shard]; }
    /// What the webhook takes, while there is one.
    [[nodiscard]] tenant::AlertRing& alerts() noexcept { return alerts_; }
    void tell_webhook(bool there_is_one) noexcept { webhook_.store(there_is_one, std::memory_order_relaxed); }
    /// Any thread.
    [[nodiscard]] observe::AnomalyCounts facts() const noexcept;
    /// After the shards: what they have put is looked at still, and what is learned is kept. Waits for the disk, as
    /// long as that takes.
    void stop() noexcept;

    static constexpr uint64_t look_ms = 50;
    [[nodiscard]] static uint64_t memory_bytes_max(const AnomalyWatchOptions& options, uint32_t shard_count) noexcept;

  private:
    struct Batch {
        std::vector<store::ProfileStore::Profile> changed;
        std::vector<std::string> forgotten;
    };
    void open_store();
    void restore();
    void run();
    void look();
    void count();
    void tell(const tenant::Alert& alert);
    void give_batch(bool last);
    void run_saving();
    void save(const Batch& batch);

    const AnomalyWatchOptions options_;
    const store::VaultPtr vault_;
    std::deque<tenant::ActivityRing> rings_;  // by shard
    tenant::AlertRing alerts_;
    std::atomic<bool> webhook_{false};
    tenant::AnomalyDetector detector_;          // of the thread that looks
    std::optional<store::ProfileStore> store_;  // of the thread that saves
    std::string told_fault_;                    // likewise
    std::array<std::atomic<uint64_t>, observe::AnomalyCounts::types.size()> told_{};
    std::atomic<uint64_t> learning_{0}, learned_{0}, unwatched_{0}, alerts_lost_{0}, save_failures_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false, saving_over_ = false;     // under mutex_
    std::optional<Batch> batch_;                      // to be saved, likewise
    std::vector<store::ProfileStore::Profile> kept_;  // what was read, until it is restored; likewise
    std::atomic<bool> has_kept_{false};
    bool is_restored_ = false;       // of the thread that looks
    int64_t counted_s_ = INT64_MIN;  // likewise: when learned_ and learning_ were
    std::thread thread_, saving_;
};

}  // namespace loom::app
