#include "plan/embedding.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/stream_hash.h"
#include "loom/proxy/embedding_plan.h"
#include "plan/milliseconds.h"

namespace loom::app {
namespace {

constexpr const char* provider_key = "semantic_cache.embedding.provider";
constexpr const char* model_key = "semantic_cache.embedding.model";

/// Vectors of one are compared with no other's. Keys, prices and times are not among it.
uint64_t identity_of(const proxy::EmbeddingPlan& plan, uint64_t provider_fingerprint) {
    StreamHash hash;
    const uint64_t numbers[] = {provider_fingerprint, plan.dimensions, plan.provider.size()};
    hash.add({reinterpret_cast<const char*>(numbers), sizeof numbers});
    hash.add(plan.provider);
    hash.add(plan.path);
    hash.add(plan.model);
    return std::max<uint64_t>(hash.value(), 1);
}

/// The name there, and its price: where the provider's models are listed or mapped by other names, as deployments are,
/// the catalogue's candidate has them.
void fill_model(const config::Config& config, const proxy::Plan& plan, observe::Metrics& metrics,
                proxy::EmbeddingPlan& embedding) {
    const std::string& asked = config.text(model_key);
    embedding.model = asked;
    const route::Price* price = nullptr;
    for (const route::Candidate& one : plan.catalogue.find(asked)) {
        if (one.provider_ix != embedding.provider_ix || one.fallback) continue;
        if (!one.upstream_model.empty()) embedding.model = one.upstream_model;
        price = one.price_for(asked);
        break;
    }
    if (price == nullptr && plan.prices != nullptr)
        price = plan.prices->providers[embedding.provider_ix].find(embedding.model, asked);
    if (price != nullptr) embedding.price = *price;
    embedding.model_label_ix = metrics.model(asked);
}

void put_into(proxy::Plan& plan, std::shared_ptr<const proxy::EmbeddingPlan> embedding) {
    auto semantic = std::make_shared<proxy::SemanticPlan>(*plan.cache->semantic);
    semantic->embedding = std::move(embedding);
    auto cache = std::make_shared<proxy::CachePlan>(*plan.cache);
    cache->semantic = std::move(semantic);
    plan.cache = std::move(cache);
}

}  // namespace

void fill_embedding(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics,
                    std::vector<std::string>& messages) {
    const std::string& name = config.text(provider_key);
    if (plan.cache == nullptr || plan.cache->semantic == nullptr || name == local_embedder) return;
    const auto provider = std::ranges::find(plan.providers, name, &proxy::ProviderPlan::name);
    if (provider == plan.providers.end()) {
        messages.push_back(fmt::format("{}: '{}' is no provider that could be asked: it is not defined, or has no key",
                                       provider_key, config::printable(name)));
        return;
    }
    auto embedding = std::make_shared<proxy::EmbeddingPlan>();
    embedding->provider = name;
    embedding->provider_ix = static_cast<size_t>(provider - plan.providers.begin());
    fill_model(config, plan, metrics, *embedding);
    embedding->type = &llm::type_for_model(*provider->type, embedding->model);
    const auto protocol = llm::embed_protocol_of(*embedding->type, embedding->model);
    if (!protocol || provider->kind != proxy::ProviderKind::http) {
        messages.push_back(fmt::format("{}: '{}' has no embeddings of '{}'", provider_key, config::printable(name),
                                       config::printable(embedding->model)));
        return;
    }
    embedding->protocol = *protocol;
    embedding->instances = provider->instances;
    llm::write_upstream_path(embedding->path, *embedding->type, llm::Endpoint::embeddings,
                             {.model = embedding->model,
                              .api_version = provider->api_version,
                              .project = provider->project,
                              .location = provider->location});
    embedding->dimensions = static_cast<uint32_t>(config.integer("semantic_cache.embedding.dimensions"));
    embedding->timeout_ms = ms(config, "semantic_cache.embedding.timeout");
    embedding->identity = identity_of(*embedding, provider->fingerprint);
    embedding->provider_label_ix = provider->label_ix;
    embedding->control = provider->control;
    metrics.declare(embedding->provider_label_ix, embedding->model_label_ix);
    put_into(plan, std::move(embedding));
}

void renew_embedding(proxy::Plan& plan) {
    if (plan.cache == nullptr || plan.cache->semantic == nullptr || plan.cache->semantic->embedding == nullptr) return;
    auto renewed = std::make_shared<proxy::EmbeddingPlan>(*plan.cache->semantic->embedding);
    renewed->instances = plan.providers[renewed->provider_ix].instances;
    put_into(plan, std::move(renewed));
}

}  // namespace loom::app
