// Keys and consumers that are made and ended while Loom runs: kept by the admin's thread, put in force by the one that
// puts plans in force.
#pragma once

#include <condition_variable>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "loom/admin/consumers.h"
#include "loom/admin/keys.h"
#include "loom/store/key_store.h"
#include "loom/tenant/consumer.h"

namespace loom::app {

class IssuedKeys final : public admin::KeyDesk, public admin::ConsumerDesk {
  public:
    /// on_change  called on the admin's thread: who puts plans in force is to look.
    /// Errors  a text that names the file, what is wrong with it, and a remedy.
    [[nodiscard]] static std::expected<std::unique_ptr<IssuedKeys>, std::string> open(const std::string& directory,
                                                                                      store::VaultPtr vault,
                                                                                      std::function<void()> on_change);

    // On the admin's thread.
    [[nodiscard]] Keys keys() const override;
    [[nodiscard]] std::expected<bool, std::string> add(const store::StoredKey& key, const std::string& replaced_id,
                                                       int64_t ends_unix_s) override;
    [[nodiscard]] std::expected<bool, std::string> remove(const std::string& id) override;
    [[nodiscard]] Consumers consumers() const override;
    [[nodiscard]] Counts counts() const override;
    [[nodiscard]] std::expected<bool, std::string> put(const tenant::MadeConsumer& consumer) override;
    [[nodiscard]] std::expected<bool, std::string> remove_consumer(const std::string& name) override;

    // On any.
    /// Those that are good at this time, and which state of the tables that is.
    struct Good {
        std::vector<tenant::IssuedKey> keys;
        Consumers consumers;  // all of them
        uint64_t version = 0;
    };
    [[nodiscard]] Good good_at(int64_t unix_s) const;
    /// When the next of them ends, after `unix_s`; nothing where none does.
    [[nodiscard]] std::optional<int64_t> next_end(int64_t unix_s) const;
    /// Every shard goes by this state of the table, or a later one.
    void note_in_force(uint64_t version);
    /// By the configuration in force.
    void note_counts(const Counts& counts);

  private:
    IssuedKeys(store::KeyStore store, Keys keys, Consumers consumers, std::function<void()> on_change)
        : store_(std::move(store)),
          keys_(std::move(keys)),
          consumers_(std::move(consumers)),
          on_change_(std::move(on_change)) {}
    /// The tables are these now. True once that is in force, which is waited for a while.
    [[nodiscard]] bool take(Keys keys, Consumers consumers);

    store::KeyStore store_;     // the admin's thread alone
    mutable std::mutex mutex_;  // held for a pointer or a number at a time: shards take it too
    std::condition_variable in_force_;
    Keys keys_;
    Consumers consumers_;
    Counts counts_;
    uint64_t version_ = 0;
    uint64_t version_in_force_ = 0;
    std::function<void()> on_change_;
};

}  // namespace loom::app
