// Where a shard asks guards that stand outside of Loom about requests that wait for them.
//
// On the shard itself, as issuers are asked about tokens (introspection_desk.h): a client waits. Everything is bounded:
// questions under way, their time, their size, and answers. A guard that has failed several times in a row rests, for
// all shards, and is asked again by one request alone.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/guard/external.h"
#include "loom/io/shard.h"
#include "loom/net/resolver.h"
#include "loom/observe/metrics.h"
#include "loom/proxy/external_guard.h"

namespace loom::proxy {

class GuardDesk;
struct Plan;

/// Who waits for one answer. Its end takes the question back.
class GuardWaiter {
  public:
    GuardWaiter() noexcept = default;
    GuardWaiter(const GuardWaiter&) = delete;

    /// Of each text that was asked about.
    [[nodiscard]] virtual std::span<const uint32_t> text_bytes() const noexcept = 0;
    /// Once, from the loop, never inside ask(). verdict  of no failure.
    virtual void on_guard_answer(GuardResult result, guard::ExternalVerdict verdict) noexcept = 0;

  protected:
    ~GuardWaiter();

  private:
    friend class GuardDesk;
    GuardDesk* desk_ = nullptr;  // while it waits
};

class GuardDesk {
  public:
    GuardDesk(io::Shard& shard, net::NameService& names, observe::ShardMetrics& metrics);
    ~GuardDesk();  // idle() first
    GuardDesk(const GuardDesk&) = delete;

    /// Another configuration is in force: guards that it does not ask are let go when nobody waits for them.
    void on_new_plan(const Plan& plan);

    /// question  its document; what was written of it is moved away. allow: it is asked, and `waiter` will hear of it.
    /// Returns   else why not: resting, busy. It has been counted, as answers are, but for those that name what is to
    /// be
    ///           masked: whether they can be obeyed is yet to be seen.
    [[nodiscard]] GuardResult ask(const std::shared_ptr<const ExternalGuardPlan>& guard, ByteBuffer question,
                                  GuardWaiter& waiter);
    /// A guard that is not asked: counted and told.
    void note_failure(const std::shared_ptr<const ExternalGuardPlan>& guard, GuardResult result, std::string_view what);
    /// For the log alone.
    void tell(const std::shared_ptr<const ExternalGuardPlan>& guard, std::string_view what);

    /// Ends what runs: nobody waits any more.
    void close() noexcept;
    [[nodiscard]] bool idle() noexcept;

  private:
    friend class GuardWaiter;
    class Source;
    [[nodiscard]] Source& source_of(const std::shared_ptr<const ExternalGuardPlan>& guard);
    void leave(GuardWaiter& waiter) noexcept;
    void sweep() noexcept;

    io::Shard& shard_;
    net::NameService& names_;
    observe::ShardMetrics& metrics_;
    guard::ExternalReader reader_;
    std::vector<std::unique_ptr<Source>> sources_;
    std::vector<const ExternalGuardPlan*> in_force_;
    bool closed_ = false;
};

}  // namespace loom::proxy
