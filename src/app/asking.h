// What Loom asks by itself on one shard, off the way of requests (access tokens, issuers' keys, health checks,
// webhooks): when to try again, how a failure reads, and who asks by the configuration in force and the one before it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/assert.h"
#include "loom/upstream/client.h"

namespace loom::app {

inline constexpr uint64_t retry_first_ms = 1'000;
inline constexpr uint64_t retry_max_ms = 60'000;
/// Milliseconds until it is tried again: doubled with each failure, half of it by chance.
/// failures  in a row, 1 and above.      random  any.
[[nodiscard]] uint64_t retry_pause_ms(uint32_t failures, uint64_t random) noexcept;
/// A tenth more or less: those that began together do not stay so.
[[nodiscard]] uint64_t jittered_ms(uint64_t ms) noexcept;
/// For the log: why a client of ours got no answer.
[[nodiscard]] std::string failure_text(const Error& why, const upstream::Client& client);

/// Those who ask, one for each thing of a configuration. One that is let go stays until its connections are gone.
/// Asker  has stop(), after which it asks nothing, and idle(). Used from its shard's loop alone.
template <class Asker>
class Askers {
  public:
    using Owned = std::unique_ptr<Asker>;
    Askers() = default;
    ~Askers() { LOOM_ASSERT(idle()); }
    Askers(const Askers&) = delete;

    /// Takes out those there are: who stays is added again, the others are let go.
    [[nodiscard]] std::vector<Owned> take() noexcept { return std::exchange(current_, {}); }
    Asker& add(Owned asker) { return *current_.emplace_back(std::move(asker)); }
    /// Null pointers are passed over.
    void let_go(std::vector<Owned> before) {
        for (Owned& asker : before) {
            if (asker == nullptr) continue;
            asker->stop();
            leaving_.push_back(std::move(asker));
        }
        sweep();
    }
    /// Nobody is left.
    [[nodiscard]] bool idle() noexcept {
        sweep();
        return current_.empty() && leaving_.empty();
    }
    [[nodiscard]] const std::vector<Owned>& current() const noexcept { return current_; }

  private:
    void sweep() noexcept {
        std::erase_if(leaving_, [](const Owned& asker) { return asker->idle(); });
    }

    std::vector<Owned> current_;
    std::vector<Owned> leaving_;
};

}  // namespace loom::app
