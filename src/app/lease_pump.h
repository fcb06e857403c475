// Draws leases of the limits that several Looms share, beside the requests: twenty times a second it is looked which
// meters want more or have too much, and a batch goes to the store, one at a time. Whoever serves only looks at its
// lease (tenant/lease.h).
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "loom/base/result.h"
#include "loom/io/shard.h"
#include "loom/observe/metrics.h"
#include "loom/tenant/lease_book.h"

namespace loom::app {

/// Lives on one shard and is used from its loop alone.
class LeasePump {
  public:
    using Drawn = std::move_only_function<void(Result<std::vector<tenant::LeaseGrant>>)>;
    /// Asks the store: `done` is called once, later, with as many grants as draws, in their order; an error says that
    /// nothing is known.
    using Draw = std::function<void(std::vector<tenant::LeaseDraw> draws, Drawn done)>;

    LeasePump(io::Shard& shard, Draw draw);
    ~LeasePump();  // idle() first
    LeasePump(const LeasePump&) = delete;

    /// Of the configuration in force.
    void use(std::vector<tenant::SharedLimit> limits);
    /// The connection to the store is there again.
    void on_store_up();
    /// Gives back what is left of all leases, as far as the store takes it in time.
    void stop() noexcept;
    /// After stop.
    [[nodiscard]] bool idle() const noexcept;
    [[nodiscard]] observe::LeaseFacts facts() const noexcept;
    /// All that was due at first has been drawn. From any thread.
    [[nodiscard]] bool has_begun() const noexcept { return begun_.load(std::memory_order_acquire); }

    static constexpr uint64_t stop_ms = 2'000;

  private:
    struct Look : io::Timer {
        explicit Look(LeasePump& p) : Timer(&LeasePump::on_look), pump(p) {}
        LeasePump& pump;
    };
    static void on_look(io::Timer& timer) noexcept;
    void look();
    void drawn(const Result<std::vector<tenant::LeaseGrant>>& grants);
    void tell_store(bool was_lost) const;
    [[nodiscard]] tenant::LeaseBook::Now now() const noexcept;

    io::Shard& shard_;
    Draw draw_;
    tenant::LeaseBook book_;
    Look look_{*this};
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // answers may come behind its end
    uint64_t stop_at_ms_ = 0;                                     // 0: it runs
    bool stopped_ = false;
    const char* fault_ = "no answer in time";  // of the last draw that failed
    std::atomic<bool> begun_{false};
};

}  // namespace loom::app
