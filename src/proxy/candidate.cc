// Who is asked: the candidate of an attempt, and what follows from it.
#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "loom/llm/json_text.h"
#include "loom/llm/provider_table.h"
#include "realtime.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr uint64_t bytes_per_token = 4;  // of a prompt, as a rule of thumb
constexpr const char* drained_route = "the provider of this route is drained";
constexpr uint64_t output_tokens_expected = 512;  // where the client sets no bound

}  // namespace

Result<void> Exchange::find_candidate(const llm::Request& request) {
    if (client_.is_mirror()) return find_shadow();
    const route::ModelMatch asked = plan().catalogue.match(model_);
    if (consumer_ != nullptr && !consumer_->may_use_model(asked.model))
        return fail(Errc::forbidden, Side::downstream, "this consumer may not use this model (consumer.NAME.models)");
    if (!plan().experiments.empty()) choose_arm(request);
    const route::ModelMatch match = arm_ == nullptr ? asked : this->match();
    if (plan().failover.enabled) services_.retries.on_request(plan().failover.budget_share);
    if (route_->provider_ix >= 0) {
        if (!plan().providers[static_cast<size_t>(route_->provider_ix)].takes_requests())
            return fail(Errc::exhausted, Side::internal, drained_route);
        const route::Candidate* own = nullptr;
        for (const route::Candidate& one : match.candidates)
            if (one.provider_ix == route_->provider_ix) own = &one;
        return take_candidate(own, static_cast<size_t>(route_->provider_ix), match.model);
    }
    const auto is_drained = [](const route::Candidate& one) { return one.weight_now() == 0; };
    if (match.candidates.empty() && match.known)
        return fail(Errc::exhausted, Side::internal, "every provider of this model is drained");
    if (match.candidates.empty())
        return fail(Errc::not_found, Side::downstream, "model");  // reply.cc names the nearest
    note_affinity(request);
    const route::ChoiceTerms terms = choice_terms(match, request);
    const auto choice = realtime_ == nullptr ? choose(match, terms) : choose_for_session(match, terms);
    if (!choice && std::ranges::all_of(match.candidates, is_drained))
        return fail(Errc::exhausted, Side::internal, "every provider of this model is drained");
    if (!choice)
        return fail(Errc::exhausted, Side::internal, "every provider of this model is out of service; try again");
    passage_ = choice->passage;
    choice_reason_ = choice->reason;
    const route::Candidate& chosen = match.candidates[choice->index];
    return take_candidate(&chosen, chosen.provider_ix, match.model);
}

/// The strategy of this model on this route: the most particular one that the conf names.
route::Strategy Exchange::strategy_of(const route::ModelMatch& match) const noexcept {
    for (const auto& [model, strategy] : route_->model_strategies)
        if (model == match.model) return strategy;
    return match.own_strategy ? match.strategy : route_->strategy.value_or(match.strategy);
}

route::ChoiceTerms Exchange::choice_terms(const route::ModelMatch& match, const llm::Request& request) noexcept {
    strategy_ = strategy_of(match);
    return {.strategy = strategy_,
            .now_ms = services_.shard().timers().now_ms(),
            .affinity = affinity_,
            .stream = stream_,
            .input_tokens = request.prompt_bytes / bytes_per_token,
            .output_tokens = request.max_tokens != 0 ? request.max_tokens : output_tokens_expected};
}

std::optional<route::Choice> Exchange::choose(const route::ModelMatch& match,
                                              const route::ChoiceTerms& terms) noexcept {
    return route::choose(plan().choice, terms, match.candidates, {}, use_->turns[match.set], services_.random);
}

/// Among the providers that have sessions. Where none has, any: its name stands in the refusal.
std::optional<route::Choice> Exchange::choose_for_session(const route::ModelMatch& match,
                                                          route::ChoiceTerms terms) noexcept {
    route::Tried unfit;
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        const route::Candidate& one = match.candidates[i];
        const std::string_view model = one.renamed ? std::string_view(one.upstream_model) : match.model;
        const llm::ProviderType& type = llm::type_for_model(*plan().providers[one.provider_ix].type, model);
        if (!llm::takes_endpoint(type, llm::Endpoint::realtime)) unfit.set(i);
    }
    if (unfit.count() < match.candidates.size()) terms.unfit = &unfit;
    return choose(match, terms);
}

/// candidate  null where a route names its provider, which does not list the model.
Result<void> Exchange::take_candidate(const route::Candidate* candidate, size_t provider_ix, std::string_view model) {
    candidate_ = candidate;
    provider_ = &plan().providers[provider_ix];
    pool_ = use_->provider_pools[provider_ix];
    const bool renamed = candidate_ != nullptr && candidate_->renamed;
    upstream_model_ = renamed ? std::string_view(candidate_->upstream_model) : model;
    // Some providers name the model in the path: there these would leave its segment. Only the name at the provider
    // tells: what the client said may have begun with the provider's own.
    if (upstream_model_ == "." || upstream_model_ == "..")
        return fail(Errc::bad_message, Side::downstream, "'model' must name a model");
    type_ = &llm::type_for_model(*provider_->type, upstream_model_);
    return {};
}

/// As a JSON string. Prepared at load, but for a name that only the client said.
std::string_view Exchange::quoted_upstream_model() {
    if (candidate_ != nullptr && candidate_->upstream_model == upstream_model_)
        return candidate_->quoted_upstream_model;
    std::string quoted;
    llm::quote(upstream_model_, quoted);
    return text_.keep(quoted);
}

/// What an attempt has learned of its candidate, for all shards. Once; what comes later is nothing.
void Exchange::judge_candidate(route::Verdicts verdicts) noexcept {
    if (candidate_ == nullptr) return;
    route::judge(plan().choice, *candidate_, services_.shard().timers().now_ms(), passage_, verdicts);
}

void Exchange::leave_candidate() noexcept {
    if (candidate_ == nullptr) return;
    route::leave(plan().choice, *candidate_, services_.shard().timers().now_ms(), passage_);
}

/// A sample for the strategy latency.
void Exchange::note_latency(uint64_t now_ns) noexcept {
    if (candidate_ == nullptr || candidate_->model_state == nullptr || forwarded_ns_ == 0) return;
    route::TargetLatency* const latency = candidate_->model_state->latency();
    if (latency == nullptr || now_ns < forwarded_ns_) return;
    latency->of(stream_).record(plan().choice.latency, services_.shard().timers().now_ms(),
                                (now_ns - forwarded_ns_) / 1000);
}

}  // namespace loom::proxy
