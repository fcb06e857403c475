// Consumers beside those of the conf, made, changed and removed while Loom runs.
//
//   GET    /ai/consumers                 all that were made here, and the names of the conf's
//   POST   /ai/consumers                 makes one; what is said of it is a JSON body (tenant/made_consumer.h)
//   GET    /ai/consumers/NAME            one
//   PATCH  /ai/consumers/NAME            changes what its JSON body says (RFC 7396); {"disabled": true} lets it do
//   nothing DELETE /ai/consumers/NAME            removes it, and ends its keys
//
// Their keys are made over /ai/keys. The conf's own are shown by name and stay as the conf says them. An answer comes
// when every shard does as it says ("in_force": true), or, should that take longer than five seconds, before.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/admin/keys.h"
#include "loom/proxy/plan.h"
#include "loom/tenant/made_consumer.h"

namespace loom::admin {

inline constexpr std::string_view consumers_path = "/ai/consumers";

/// Keeps the consumers that were made. Of the admin's thread; calls block until what they did is kept and in force.
class ConsumerDesk {
  public:
    virtual ~ConsumerDesk() = default;
    using Consumers = std::shared_ptr<const std::vector<tenant::MadeConsumer>>;
    /// By name.
    [[nodiscard]] virtual Consumers consumers() const = 0;
    /// What its numbers need is switched on: limits (rate_limit.enabled), budgets (token_accounting.enabled).
    struct Counts {
        bool limits = false;
        bool budgets = false;
    };
    [[nodiscard]] virtual Counts counts() const = 0;
    // True when every shard goes by it; false when it is kept, and will be in force.
    // Errors  a text for whoever asked: nothing has changed.
    /// One more, or in the place of the one of its name.
    [[nodiscard]] virtual std::expected<bool, std::string> put(const tenant::MadeConsumer& consumer) = 0;
    /// With its keys.
    [[nodiscard]] virtual std::expected<bool, std::string> remove_consumer(const std::string& name) = 0;
};

[[nodiscard]] bool is_consumers(std::string_view path) noexcept;

[[nodiscard]] proxy::LocalAnswer answer_consumers(ConsumerDesk& desk, const KeyDesk& keys, const proxy::Plan& plan,
                                                  const proxy::LocalRequest& request);

}  // namespace loom::admin
