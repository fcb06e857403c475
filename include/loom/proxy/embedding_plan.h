// Which provider makes texts' vectors for semantic_cache.*, as the shards ask it: everything that a call needs, so that
// one under way outlives the plan that it began with.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/llm/embed_text.h"
#include "loom/proxy/plan.h"

namespace loom::proxy {

struct EmbeddingPlan {
    std::string provider;
    std::string model;       // as the provider calls it
    size_t provider_ix = 0;  // in Plan::providers
    const llm::ProviderType* type = nullptr;
    llm::EmbedProtocol protocol = llm::EmbedProtocol::openai;
    std::vector<InstancePlan> instances;  // never empty
    std::string path;                     // below an instance's base_path, with its query
    uint32_t dimensions = 0;              // asked for, and what a vector must have; 0: the model's own
    uint64_t timeout_ms = 500;            // that a request waits; later it is a miss
    /// Of who makes the vectors: provider, place, model, dimensions. Vectors of two are never compared. Never 0, which
    /// is the embedder in the process.
    uint64_t identity = 1;
    std::optional<route::Price> price;
    uint16_t provider_label_ix = 0;
    uint16_t model_label_ix = 0;
    std::shared_ptr<const route::ProviderControl> control;  // what operators say of it; null: nobody can

    [[nodiscard]] bool disabled() const noexcept { return control != nullptr && control->terms().disabled; }
};

/// What asking it takes on each shard at worst, in bytes; 0 where no provider is asked.
[[nodiscard]] size_t embedding_memory_bytes(const Plan& plan) noexcept;

}  // namespace loom::proxy
