// Who owns what the providers keep: files, batches, stored responses …, by the ids that they were given there.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/result.h"
#include "loom/store/vault.h"

namespace loom::store {

/// One thing at a provider. Ids are compared byte by byte.
struct ResourceKey {
    std::string kind;  // "file", "batch", …: ids of two kinds never meet
    std::string id;
    friend bool operator==(const ResourceKey&, const ResourceKey&) = default;
};

struct Resource {
    ResourceKey key;
    std::string account;  // the provider that has it
    std::string model;    // that it was made with; "" where none is known
};

/// What is asked for one tenant, in one go. All of `gone` and `made`, or nothing of them, is on the disk when the
/// answer comes, and `named` is answered as of then.
struct ResourceQuestion {
    std::string tenant;
    std::vector<ResourceKey> named;  // which of them are the tenant's?
    std::vector<Resource> made;      // become the tenant's; what has an owner already keeps it
    std::vector<Resource> gone;      // are nobody's any more, if they were the tenant's
    std::string counted_kind;        // how many of this kind has the tenant, …
    std::string counted_account;     // … at this provider?
    [[nodiscard]] bool writes() const noexcept { return !made.empty() || !gone.empty(); }
};

struct ResourceAnswer {
    std::vector<std::string> accounts;  // by `named`: who has it; "" for what is not the tenant's, whoever else's it is
    uint64_t count = 0;
};

/// Lives on a thread of its own, the only one that touches the database. Any thread may ask; every question is answered
/// exactly once, in the order of asking, also on failure and at stop.
class ResourceRegister {
  public:
    struct Options {
        std::string directory;                       // made with mode 0700 where it is missing; "": kept in memory only
        VaultPtr vault;                              // the directory's; null: it is not encrypted
        uint64_t count_max = count_max_default;      // more push out the oldest of the tenant that has the most
        uint64_t keep_s = 0;                         // forgotten so long after they were made; 0: never
        size_t questions_max = 4096;                 // asked and unanswered
        std::function<void(std::string)> on_notice;  // a line for the log, on the register's thread
    };
    static constexpr uint64_t count_max_default = 1'000'000;
    static constexpr uint64_t count_max_in_memory = 50'000;  // where there is no directory
    static constexpr size_t text_bytes_max = 512;            // of an id, a tenant, an account, a model

    /// Errors  io: the database could not be read or written, nothing was changed.  exhausted: too many
    ///         questions.  cancelled: it has stopped. All internal.  too_large (upstream): a text to be written is
    ///         longer than text_bytes_max.
    using Done = std::move_only_function<void(Result<ResourceAnswer>)>;

    /// Opens or makes `resources.db` (mode 0600) and starts the thread. Blocks on the disk.
    /// Errors  a text that names the file, what is wrong with it, and a remedy.
    [[nodiscard]] static std::expected<std::unique_ptr<ResourceRegister>, std::string> open(Options options);
    ResourceRegister(const ResourceRegister&) = delete;
    ~ResourceRegister();  // stop()

    /// done  called on the register's thread, or at once on the caller's where the question is refused.
    void ask(ResourceQuestion question, Done done);
    /// Answers what was asked so far, and ends the thread. What is asked later is answered `cancelled`.
    void stop() noexcept;

    /// What it takes at worst, its database in memory included where it has no directory.
    [[nodiscard]] static uint64_t memory_bytes_max(const Options& options) noexcept;

  private:
    class Impl;
    explicit ResourceRegister(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loom::store
