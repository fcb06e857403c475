// The cache of answers as the process has it: what shards share, what is nearly the same, and what of it outlives a
// restart.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "loom/cache/embedder.h"
#include "loom/proxy/cache_shards.h"
#include "loom/proxy/cache_snapshots.h"
#include "loom/proxy/semantic_cache.h"
#include "plan/builder.h"

namespace loom::app {

/// Outlives the shards and their mailboxes.
class AnswerCache {
  public:
    /// With the keys that an earlier process has made, where it has left something in state.directory.
    /// vault  of that directory; null: it is not encrypted.
    /// False: the log says why.
    [[nodiscard]] bool open(const ServerOptions& options, const store::VaultPtr& vault);
    /// By this plan from now on. For the first time before the shards run.
    void put_in_force(const proxy::Plan& plan);
    /// All shards run: what an earlier process has left is loaded.
    void begin(const proxy::Plan& plan);
    /// Before the shards end: nothing is written any more meanwhile. Waits for nothing.
    void begin_end() noexcept;
    /// Nobody is answered any more; while the shards' mailboxes are there.
    void stop() noexcept;
    /// No thread of it runs any more; likewise. Blocks as long as a call to the disk does that is under way.
    void join() noexcept;
    /// When the shards and the admin have ended: what there is then is written.
    /// gives_up  true: no longer; what was written before stays.
    void end(std::function<bool()> gives_up);

    [[nodiscard]] proxy::CacheShards& shards() noexcept { return *shards_; }
    /// Nothing where nobody is given the answer to nearly the same.
    [[nodiscard]] std::optional<observe::SemanticCacheFacts> semantic_facts(const proxy::Plan& plan) const;
    [[nodiscard]] std::optional<observe::CacheSnapshotFacts> snapshot_facts() const;

  private:
    std::unique_ptr<proxy::CacheShards> shards_;
    std::unique_ptr<proxy::SemanticCache> semantic_;
    std::unique_ptr<proxy::CacheSnapshots> snapshots_;  // null: the cache ends with the process
};

}  // namespace loom::app
