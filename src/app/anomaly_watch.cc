#include "anomaly_watch.h"

#include <chrono>
#include <utility>

#include "alert_document.h"
#include "loom/base/clock.h"
#include "loom/observe/log.h"

namespace loom::app {
namespace {

constexpr uint64_t ms_ns = 1'000'000;

int64_t wall_s() noexcept { return static_cast<int64_t>(wall_us() / 1'000'000); }

}  // namespace

AnomalyWatch::AnomalyWatch(AnomalyWatchOptions options, store::VaultPtr vault, uint32_t shard_count)
    : options_(std::move(options)),
      vault_(std::move(vault)),
      rings_(shard_count),
      detector_(options_.rules, [this](const tenant::Alert& alert) { tell(alert); }) {
    const bool is_kept = !options_.directory.empty();
    if (is_kept) open_store();
    restore();
    thread_ = std::thread([this] { run(); });
    if (is_kept) saving_ = std::thread([this] { run_saving(); });
}

AnomalyWatch::~AnomalyWatch() { stop(); }

uint64_t AnomalyWatch::memory_bytes_max(const AnomalyWatchOptions& options, uint32_t shard_count) noexcept {
    // A batch is a copy of all, which SQLite holds once more while it is written.
    return (options.rules.consumers_max + 1) * tenant::AnomalyDetector::profile_bytes * 3 +
           shard_count * sizeof(tenant::ActivityRing) + sizeof(AnomalyWatch);
}

/// With all that is in it, which restore() takes: nothing is saved over what was not read.
void AnomalyWatch::open_store() {
    const auto fail = [this](const std::string& fault) {
        if (fault != told_fault_)
            observe::log_warn("alerts.anomaly: {}; what is learned is not kept, and it is tried again", fault);
        told_fault_ = fault;
    };
    auto opened = store::ProfileStore::open(
        options_.directory, vault_, [](const std::string& text) { observe::log_warn("alerts.anomaly: {}", text); });
    if (!opened) return fail(opened.error());
    auto kept = opened->load();
    if (!kept) return fail(kept.error());
    store_ = std::move(*opened);
    if (!std::exchange(told_fault_, "").empty()) observe::log_info("alerts.anomaly: what is learned is kept");
    const std::lock_guard lock(mutex_);
    kept_ = std::move(*kept);
    has_kept_.store(true, std::memory_order_release);
}

/// Before the first look, or between two where the file could not be read at the start.
void AnomalyWatch::restore() {
    if (is_restored_ || !has_kept_.load(std::memory_order_acquire)) return;
    is_restored_ = true;
    std::vector<store::ProfileStore::Profile> kept;
    {
        const std::lock_guard lock(mutex_);
        kept.swap(kept_);
    }
    size_t refused = 0;
    for (const auto& [name, bytes] : kept) refused += detector_.restore(name, bytes) ? 0 : 1;
    if (refused > 0)
        observe::log_warn(
            "alerts.anomaly: what was learned of {} consumers is of another version, another alerts.anomaly.window, or "
            "beyond alerts.anomaly.consumers; it is learned anew",
            refused);
}

void AnomalyWatch::stop() noexcept {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    {
        const std::lock_guard lock(mutex_);
        saving_over_ = true;
    }
    changed_.notify_all();
    if (saving_.joinable()) saving_.join();
}

void AnomalyWatch::run() {
    uint64_t save_at_ms = monotonic_ns() / ms_ns + options_.save_ms;
    for (;;) {
        bool last = false;
        {
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, std::chrono::milliseconds(look_ms), [this] { return stopping_; });
            last = stopping_;
        }
        look();
        const uint64_t now_ms = monotonic_ns() / ms_ns;
        if (!last && now_ms < save_at_ms) continue;
        save_at_ms = now_ms + options_.save_ms;
        give_batch(last);
        if (last) return;
    }
}

void AnomalyWatch::look() {
    restore();
    const int64_t now_s = wall_s();
    detector_.pass(now_s);
    tenant::Activity activity;
    for (tenant::ActivityRing& one : rings_)
        for (uint32_t i = 0; i < decltype(one.ring)::size && one.ring.take(activity); ++i) detector_.note(activity);
    if (std::exchange(counted_s_, now_s) != now_s) count();
    unwatched_.store(detector_.unwatched(), std::memory_order_relaxed);
}

/// Walks over all of them, and so not at each look.
void AnomalyWatch::count() {
    const uint64_t learned = detector_.learned_count();
    learned_.store(learned, std::memory_order_relaxed);
    learning_.store(detector_.consumer_count() - learned, std::memory_order_relaxed);
}

void AnomalyWatch::tell(const tenant::Alert& alert) {
    constexpr auto first = static_cast<size_t>(tenant::AlertType::spend_anomaly);
    static_assert(observe::AnomalyCounts::types.size() == tenant::alert_type_count - first);
    const auto at = static_cast<size_t>(alert.type) - first;
    told_[at].fetch_add(1, std::memory_order_relaxed);
    observe::log_warn("alerts.anomaly: {}", alert_text(alert));
    if (webhook_.load(std::memory_order_relaxed) && !alerts_.put(alert))
        alerts_lost_.fetch_add(1, std::memory_order_relaxed);
}

/// Not while the one before is being saved: what has changed waits for the next.
void AnomalyWatch::give_batch(bool last) {
    if (!is_restored_) {
        (void)detector_.take_forgotten();  // nobody keeps them
        return;
    }
    std::unique_lock lock(mutex_);
    if (last) changed_.wait(lock, [this] { return !batch_; });
    if (batch_) return;
    Batch batch{.changed = {}, .forgotten = detector_.take_forgotten()};
    detector_.save_changed([&](const std::string& name, std::string_view bytes) {
        batch.changed.push_back({.name = name, .bytes = std::string(bytes)});
    });
    if (batch.changed.empty() && batch.forgotten.empty()) return;
    batch_ = std::move(batch);
    changed_.notify_all();
}

void AnomalyWatch::run_saving() {
    std::unique_lock lock(mutex_);
    while (!store_) {
        changed_.wait_for(lock, std::chrono::milliseconds(options_.save_ms), [this] { return saving_over_; });
        if (saving_over_) return;
        lock.unlock();
        open_store();
        lock.lock();
    }
    for (;;) {
        changed_.wait(lock, [this] { return batch_ || saving_over_; });
        if (!batch_) return;
        lock.unlock();
        save(*batch_);  // nobody else touches it while it is there
        lock.lock();
        batch_.reset();
        changed_.notify_all();
    }
}

/// A batch that is lost is of no great harm: the next has what changed since.
void AnomalyWatch::save(const Batch& batch) {
    const auto saved = store_->save(batch.changed, batch.forgotten);
    const std::string fault = saved ? "" : saved.error();
    if (!saved) save_failures_.fetch_add(1, std::memory_order_relaxed);
    if (fault == told_fault_) return;
    if (saved)
        observe::log_info("alerts.anomaly: what is learned is kept again");
    else
        observe::log_warn("alerts.anomaly: {}; what is learned is not kept", fault);
    told_fault_ = fault;
}

observe::AnomalyCounts AnomalyWatch::facts() const noexcept {
    observe::AnomalyCounts counts;
    for (size_t i = 0; i < told_.size(); ++i) counts.told[i] = told_[i].load(std::memory_order_relaxed);
    counts.learning = learning_.load(std::memory_order_relaxed);
    counts.learned = learned_.load(std::memory_order_relaxed);
    counts.unwatched = unwatched_.load(std::memory_order_relaxed);
    counts.alerts_lost = alerts_lost_.load(std::memory_order_relaxed);
    counts.save_failures = save_failures_.load(std::memory_order_relaxed);
    for (const tenant::ActivityRing& one : rings_) counts.lost += one.lost.load(std::memory_order_relaxed);
    return counts;
}

}  // namespace loom::app
