// A request's text on its way to a provider that makes vectors: whether it may go there, and who pays.
#include "cache_visit.h"
#include "client_limits.h"
#include "embed_desk.h"
#include "exchange.h"
#include "selection.h"
#include "semantic_visit.h"

namespace loom::proxy {

/// A text goes to no provider that its request must not go to: neither out of its region, nor to whom its rule does not
/// name.
bool CacheVisit::may_be_embedded() const {
    const size_t provider_ix = x_.plan().cache->semantic->embedding->provider_ix;
    if (x_.barred_from(provider_ix) != nullptr) return false;
    const route::RoutingRule* const rule = x_.selection_ != nullptr ? x_.selection_->rule : nullptr;
    return rule == nullptr || rule->leads_to(provider_ix);
}

EmbedPayer CacheVisit::payer() const {
    EmbedPayer who{.consumer = "anonymous", .route = x_.route_->name};
    who.model = x_.plan().catalogue.match(x_.model_).model;
    if (x_.limited_ != nullptr) who.budgets = ClientQuota(x_).budgets();
    if (x_.consumer_ == nullptr) return who;
    const tenant::Consumer& consumer = *x_.consumer_;
    who.consumer = consumer.name;
    who.team = consumer.team;
    who.project = consumer.project;
    who.tenant = consumer.tenant;
    who.tier = consumer.tier;
    who.owners = consumer.owners;
    return who;
}

/// It is the request's, whatever comes of it: its budgets hear of it, and the log.
void CacheVisit::on_embedding_cost(Money cost) noexcept { x_.add_cost(cost); }

void CacheVisit::leave_embedder() noexcept {
    if (semantic_ != nullptr) semantic_->forget();
}

}  // namespace loom::proxy
