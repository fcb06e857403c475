// Keys of consumers, made and ended while Loom runs.
//
//   GET    /ai/keys[?consumer=NAME]                               all, or those of one; never the keys themselves
//   POST   /ai/keys?consumer=NAME[&label=TEXT][&expires_in=SECONDS]
//                                                                 makes one, and shows it this once
//   POST   /ai/keys/ID/rotate[?overlap=SECONDS][&expires_in=SECONDS]
//                                                                 one more, for the same; the old one ends after
//                                                                 `overlap`
//   DELETE /ai/keys/ID                                            ends one
//
// An answer comes when every shard does as it says ("in_force": true), or, should that take longer than five seconds,
// before.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "loom/proxy/plan.h"
#include "loom/store/key_store.h"

namespace loom::admin {

inline constexpr std::string_view keys_path = "/ai/keys";

/// Keeps the keys that were made. Of the admin's thread; calls block until what they did is kept and in force.
class KeyDesk {
  public:
    virtual ~KeyDesk() = default;
    using Keys = std::shared_ptr<const std::vector<store::StoredKey>>;
    [[nodiscard]] virtual Keys keys() const = 0;
    // True when every shard goes by it; false when it is kept, and will be in force.
    // Errors  a text for whoever asked: nothing has changed.
    /// One more, in place of `replaced_id`, if any, which ends at `ends_unix_s`.
    [[nodiscard]] virtual std::expected<bool, std::string> add(const store::StoredKey& key,
                                                               const std::string& replaced_id, int64_t ends_unix_s) = 0;
    [[nodiscard]] virtual std::expected<bool, std::string> remove(const std::string& id) = 0;
};

[[nodiscard]] bool is_keys(std::string_view path) noexcept;

class ConsumerDesk;

/// consumers  that were made here; null: none are.
[[nodiscard]] proxy::LocalAnswer answer_keys(KeyDesk& desk, const ConsumerDesk* consumers, const proxy::Plan& plan,
                                             const proxy::LocalRequest& request);

}  // namespace loom::admin
