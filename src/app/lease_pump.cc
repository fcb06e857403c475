#include "lease_pump.h"

#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/observe/log.h"

namespace loom::app {
namespace {

constexpr uint64_t us_per_s = 1'000'000;

}  // namespace

LeasePump::LeasePump(io::Shard& shard, Draw draw) : shard_(shard), draw_(std::move(draw)), book_(random_u64()) {}

LeasePump::~LeasePump() {
    *alive_ = false;
    look_.disarm();
    look_.unlink();
}

tenant::LeaseBook::Now LeasePump::now() const noexcept {
    return {shard_.timers().now_ms(), static_cast<int64_t>(wall_us() / us_per_s)};
}

void LeasePump::use(std::vector<tenant::SharedLimit> limits) {
    book_.use(std::move(limits), now());
    if (!look_.armed() && !stopped_) shard_.timers().arm(look_, 0);
}

void LeasePump::on_store_up() {
    book_.hurry(now());
    if (look_.armed()) shard_.timers().arm(look_, 0);
}

void LeasePump::on_look(io::Timer& timer) noexcept {
    LeasePump& pump = static_cast<Look&>(timer).pump;
    pump.shard_.timers().arm(timer, tenant::LeaseBook::look_ms);
    pump.look();
}

void LeasePump::look() {
    const bool was_lost = book_.facts().lost;
    auto draws = book_.draw(now());
    tell_store(was_lost);
    if (!draws.empty()) {
        draw_(std::move(draws), [this, alive = alive_](Result<std::vector<tenant::LeaseGrant>> grants) {
            if (*alive) drawn(grants);
        });
    } else if (!book_.busy()) {
        begun_.store(true, std::memory_order_release);  // all that was due has been drawn
    }
    const bool waits = !book_.done() && !book_.facts().lost && now().ms < stop_at_ms_;
    if (stop_at_ms_ == 0 || waits) return;
    stopped_ = true;
    look_.disarm();
    if (!book_.done())
        observe::log_warn("leases of shared limits could not be given back; others have them when their time is over");
}

void LeasePump::drawn(const Result<std::vector<tenant::LeaseGrant>>& grants) {
    if (stopped_) return;
    const bool was_lost = book_.facts().lost;
    if (grants) {
        book_.granted(*grants, now());
    } else {
        fault_ = grants.error().what;
        book_.failed(now());
    }
    tell_store(was_lost);
    look();  // there may be more than one batch
}

void LeasePump::tell_store(bool was_lost) const {
    if (book_.facts().lost == was_lost) return;
    if (was_lost)
        observe::log_info("the store that shares limits answers again");
    else
        observe::log_warn(
            "the store that shares limits (token_accounting.store.redis) does not answer ({}): limits go by what is "
            "leased here, or count alone, as on_store_lost says",
            fault_);
}

void LeasePump::stop() noexcept {
    if (stop_at_ms_ != 0) return;
    book_.stop();
    stop_at_ms_ = now().ms + stop_ms;
    if (!stopped_) shard_.timers().arm(look_, 0);
}

bool LeasePump::idle() const noexcept { return stopped_; }

observe::LeaseFacts LeasePump::facts() const noexcept {
    const tenant::LeaseBook::Facts facts = book_.facts();
    return {.limits = facts.limits,
            .draws = facts.draws,
            .failures = facts.failures,
            .unmet = facts.unmet,
            .losses = facts.losses,
            .lost = facts.lost};
}

}  // namespace loom::app
