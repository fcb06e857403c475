// Keys that Loom has made for its consumers, and consumers that were made beside those of the conf: in `keys.db` of the
// state directory, keys as hashes. Whoever reads the file has no key.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/store/vault.h"

namespace loom::store {

struct StoredKey {
    std::string id;  // "key_…", which is told and logged
    std::string consumer;
    std::string label;  // a person's word for it; "" where there is none
    std::string tail;   // its last four characters, by which a person knows it again
    Sha256 hash{};
    int64_t created_unix_s = 0;
    int64_t expires_unix_s = 0;  // 0: never
    int64_t lasts_s = 0;         // for how long it was made, whatever has ended it sooner; 0: for ever
};

/// What is said of a consumer is a JSON object, which is somebody else's to read.
struct StoredConsumer {
    std::string name;
    std::string document;
    int64_t created_unix_s = 0;
    int64_t changed_unix_s = 0;
    std::string id;  // of its making; "" of one that an earlier Loom wrote
};

/// For one thread at a time. Each change is on the disk when its call returns; it blocks on it.
class KeyStore {
  public:
    static constexpr size_t keys_max = 10'000;
    static constexpr int64_t keys_of_consumer_max = 100;
    static constexpr size_t consumers_max = 1'000;
    /// What all of them take in a process: here, in the plan in force and in the one before.
    static constexpr uint64_t memory_bytes_max = keys_max * 1024;

    /// Errors  a text that names the file, what is wrong with it, and a remedy.
    [[nodiscard]] static std::expected<KeyStore, std::string> open(const std::string& directory, VaultPtr vault = {});
    KeyStore(KeyStore&&) noexcept;
    KeyStore& operator=(KeyStore&&) noexcept;
    ~KeyStore();

    // Errors  a text, for the log: the file cannot be read or written.
    /// All, by the time they were made.
    [[nodiscard]] std::expected<std::vector<StoredKey>, std::string> list();
    /// Adds one; at the same time another, if any, is to end at `ends_unix_s`: both or none.
    [[nodiscard]] std::expected<void, std::string> add(const StoredKey& key, const std::string& replaced_id = {},
                                                       int64_t ends_unix_s = 0);
    /// False where there is none of this id.
    [[nodiscard]] std::expected<bool, std::string> remove(const std::string& id);

    /// By name.
    [[nodiscard]] std::expected<std::vector<StoredConsumer>, std::string> consumers();
    /// Adds one, or puts it in the place of the one of its name.
    [[nodiscard]] std::expected<void, std::string> put(const StoredConsumer& consumer);
    /// With all its keys: both or none. False where there is none of this name.
    [[nodiscard]] std::expected<bool, std::string> remove_consumer(const std::string& name);

  private:
    struct Impl;
    explicit KeyStore(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::store
