#include "answer_cache.h"

#include <string>

#include "loom/observe/log.h"
#include "sentence_model.h"

namespace loom::app {
namespace {

/// Null: nobody is given the answer to nearly the same.
std::shared_ptr<const proxy::SemanticPlan> semantic_terms(const proxy::Plan& plan) {
    return plan.cache != nullptr ? plan.cache->semantic : nullptr;
}

}  // namespace

bool AnswerCache::open(const ServerOptions& options, const store::VaultPtr& vault) {
    std::unique_ptr<cache::Embedder> embedder;  // null: texts are compared by their words
    if (!options.model_path.empty()) {
        auto model = load_sentence_model(options.model_path);
        if (!model) {
            observe::log_error("semantic_cache.embedding.model_path: {}", model.error());
            return false;
        }
        embedder = std::move(*model);
    }
    const std::string& directory = options.resources.directory;
    if (options.cache_snapshot_ms && !directory.empty())
        snapshots_ = std::make_unique<proxy::CacheSnapshots>(
            proxy::CacheSnapshots::Options{.directory = directory,
                                           .vault = vault,
                                           .interval_ms = *options.cache_snapshot_ms,
                                           .version = LOOM_VERSION});
    std::string left;  // what an earlier process has left, and nobody would keep true to purges
    if (snapshots_ == nullptr && !directory.empty()) left = proxy::CacheSnapshots::remove_all(directory);
    shards_ = snapshots_ != nullptr ? std::make_unique<proxy::CacheShards>(options.shard_count, snapshots_->seed())
                                    : std::make_unique<proxy::CacheShards>(options.shard_count);
    semantic_ = std::make_unique<proxy::SemanticCache>(*shards_, std::move(embedder));
    shards_->set_semantic(*semantic_);
    if (snapshots_ != nullptr) snapshots_->attach(*shards_, *semantic_);
    if (!left.empty()) {
        observe::log_warn("cache.snapshot is off: {}", left);
        shards_->tell_purges_to([directory] { return proxy::CacheSnapshots::remove_all(directory); });
    }
    return true;
}

void AnswerCache::put_in_force(const proxy::Plan& plan) {
    semantic_->set_terms(semantic_terms(plan));
    if (snapshots_ != nullptr) snapshots_->note_terms();
}

void AnswerCache::begin(const proxy::Plan& plan) {
    if (snapshots_ != nullptr) snapshots_->begin(plan.cache);
}

void AnswerCache::begin_end() noexcept {
    if (snapshots_ != nullptr) snapshots_->ask_to_stop();
}

void AnswerCache::stop() noexcept {
    begin_end();
    if (semantic_ != nullptr) semantic_->stop();
}

void AnswerCache::join() noexcept {
    if (snapshots_ != nullptr) snapshots_->stop();
}

void AnswerCache::end(std::function<bool()> gives_up) {
    join();
    if (snapshots_ != nullptr) snapshots_->write_last(std::move(gives_up));
}

std::optional<observe::SemanticCacheFacts> AnswerCache::semantic_facts(const proxy::Plan& plan) const {
    return semantic_terms(plan) != nullptr ? std::optional(semantic_->facts()) : std::nullopt;
}

std::optional<observe::CacheSnapshotFacts> AnswerCache::snapshot_facts() const {
    return snapshots_ != nullptr ? std::optional(snapshots_->facts()) : std::nullopt;
}

}  // namespace loom::app
