// Who is asked: the candidate of an attempt, and what follows from it.
#include <algorithm>

#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "loom/llm/json_text.h"
#include "loom/llm/provider_table.h"
#include "selection.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr uint64_t output_tokens_min = 8;  // of a stream whose pace says something
constexpr const char* drained_route = "the provider of this route is drained";

constexpr bool is_embedding(llm::Endpoint endpoint) noexcept {
    return endpoint == llm::Endpoint::embeddings || endpoint == llm::Endpoint::embed_content ||
           endpoint == llm::Endpoint::batch_embed_contents;
}

}  // namespace

/// Who may take it, and who of them is asked; nobody where an answer is kept, or waited for (CacheVisit).
Result<void> Exchange::find_candidate(const llm::Request& request) {
    if (client_->is_mirror()) return find_shadow(request);
    if (selection_ == nullptr || !selection_->is_led) {
        if (!plan().experiments.empty()) choose_arm(request);
        choose_by_prompt(request);
    }
    const route::ModelMatch match = this->match();
    const bool led = routed_model().data() != model_.data();
    const std::string_view asked = led ? plan().catalogue.match(model_).model : match.model;
    if (consumer_ != nullptr && (!consumer_->may_use_model(match.model) || !consumer_->may_use_model(asked)))
        return refuse_model();
    if (led)
        if (const AccessRule* const rule = denied_by(routed_model(), request)) return refuse_access(*rule);
    if (cache_ != nullptr) {  // who may take it is part of what it asks for
        if (route_->provider_ix < 0 && !match.candidates.empty()) LOOM_TRY(narrow(match, request));
        LOOM_TRY(cache_->look_up(request, match));
        if (cache_->answered() || cache_->waits()) return {};
    }
    return choose_candidate(request);
}

/// Of a session, or a call for a model whose prompt is not read.
Result<void> Exchange::find_candidate_unread() {
    if (limited_ != nullptr) LOOM_TRY(ClientQuota(*this).reserve_unread());
    const auto found = find_candidate();
    if (!found && limited_ != nullptr) ClientQuota(*this).leave_model(found.error());
    return found ? ClientQuota(*this).hold_budgets() : found;
}

/// One of those who may take it.
Result<void> Exchange::choose_candidate(const llm::Request& request) {
    if (plan().failover.enabled) services_.retries.on_request(plan().failover.budget_share);
    if (plan().hedge != nullptr) services_.hedges.on_request(plan().hedge->budget_share);
    return find_candidate_of_model(request);
}

/// Which model it is for is known (routed_model).
Result<void> Exchange::find_candidate_of_model(const llm::Request& request) {
    const route::ModelMatch match = this->match();
    if (route_->provider_ix >= 0) {
        if (!plan().providers[static_cast<size_t>(route_->provider_ix)].takes_requests())
            return fail(Errc::exhausted, Side::internal, drained_route);
        const route::Candidate* own = nullptr;
        for (const route::Candidate& one : match.candidates)
            if (one.provider_ix == route_->provider_ix) own = &one;
        LOOM_TRY(take_candidate(own, static_cast<size_t>(route_->provider_ix), match.model));
        return provider_->limits != nullptr ? enter_limits(choice_terms(match, request)) : Result<void>();
    }
    const auto is_drained = [](const route::Candidate& one) { return one.weight_now() == 0; };
    if (match.candidates.empty() && match.known)
        return fail(Errc::exhausted, Side::internal, "every provider of this model is drained");
    if (match.candidates.empty())
        return fail(Errc::not_found, Side::downstream, "model");  // reply.cc names the nearest
    LOOM_TRY(narrow(match, request));
    note_affinity(request);
    const route::ChoiceTerms terms = choice_terms(match, request);
    const auto choice = choose(match, terms);
    if (!choice && std::ranges::all_of(match.candidates, is_drained))
        return fail(Errc::exhausted, Side::internal, "every provider of this model is drained");
    if (!choice) return std::unexpected(none_to_ask(match, terms));
    passage_ = choice->passage;
    choice_reason_ = choice->reason;
    const route::Candidate& chosen = match.candidates[choice->index];
    return take_candidate(&chosen, chosen.provider_ix, match.model);
}

Result<void> Exchange::refuse_model() {
    return fail(Errc::forbidden, Side::downstream, "this consumer may not use this model (consumer.NAME.models)");
}

/// The strategy of this model on this route: the most particular one that the conf names.
route::Strategy Exchange::strategy_of(const route::ModelMatch& match) const noexcept {
    for (const auto& [model, strategy] : route_->model_strategies)
        if (model == match.model) return strategy;
    return match.own_strategy ? match.strategy : route_->strategy.value_or(match.strategy);
}

route::ChoiceTerms Exchange::choice_terms(const route::ModelMatch& match, const llm::Request& request) noexcept {
    strategy_ = strategy_of(match);
    // The prompt has said which model; among its candidates goes what is said of that one, else their order.
    if (selection_ != nullptr && selection_->decided != route::Strategy::priority && route::goes_by_order(strategy_))
        strategy_ = selection_->decided;
    route::ChoiceTerms terms{.strategy = strategy_,
                             .now_ms = services_.shard().timers().now_ms(),
                             .affinity = affinity_,
                             .stream = stream_,
                             .model = match.model,
                             .unfit = selection_ != nullptr ? &selection_->unfit : nullptr,
                             .regions = selection_ != nullptr ? selection_->regions : std::span<const uint8_t>(),
                             .order = selection_ != nullptr ? selection_->order : std::span<const uint16_t>()};
    if (plan().queue.max > 0) terms.yields_from = priority();
    if (llm::counts_tokens(endpoint_)) return terms;  // which costs none
    terms.input_tokens = request.prompt_tokens();
    terms.output_tokens_max = request.output_tokens_max();
    if (!is_embedding(endpoint_))
        terms.output_tokens = request.max_tokens != 0 ? terms.output_tokens_max : llm::output_tokens_expected;
    return terms;
}

std::optional<route::Choice> Exchange::choose(const route::ModelMatch& match,
                                              const route::ChoiceTerms& terms) noexcept {
    return route::choose(plan().choice, terms, match.candidates, {}, use_->turns[match.set], services_.random);
}

/// candidate  null where a route names its provider, which does not list the model.
Result<void> Exchange::take_candidate(const route::Candidate* candidate, size_t provider_ix, std::string_view model) {
    leave_instance();
    candidate_ = candidate;
    provider_ = &plan().providers[provider_ix];
    take_instance();
    const bool renamed = candidate_ != nullptr && candidate_->renamed;
    upstream_model_ = renamed ? std::string_view(candidate_->upstream_model) : model;
    if (cache_ != nullptr) cache_->note_asked(upstream_model_);
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
    if (const route::InstanceSet* const set = instance_set(); set != nullptr) {
        const uint64_t now_ms = services_.shard().timers().now_ms();
        route::judge_instance(*set, instance_ix(), now_ms, instance_passage_,
                              {.own = verdicts.instance, .place = verdicts.provider});
        verdicts.provider = route::BreakerOutcome::none;  // that a place cannot be reached is not all of them
    }
    if (candidate_ == nullptr) return;
    route::judge(plan().choice, *candidate_, services_.shard().timers().now_ms(), passage_, verdicts);
}

/// refused  the upstream's answer was an error.
void Exchange::leave_candidate(bool refused) noexcept {
    leave_limits(refused);
    leave_instance();
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

/// A sample for the strategy throughput: what a stream's tokens took, from its first content to its end. Tokens of
/// reasoning came before that, and a reader that stood still has set the pace itself.
void Exchange::note_throughput(uint64_t now_ns) noexcept {
    if (candidate_ == nullptr || candidate_->model_state == nullptr || reader_stalled_ || content_ns_ == 0) return;
    route::TargetLatency* const latency = candidate_->model_state->latency();
    const llm::Usage& told = usage();
    const uint64_t tokens = told.output - std::min(told.reasoning, told.output);
    const uint64_t from_ns = relay_.content_came_ns();  // it may have waited before it left
    if (latency == nullptr || tokens < output_tokens_min || now_ns < from_ns) return;
    latency->per_token.record(plan().choice.throughput, services_.shard().timers().now_ms(),
                              std::max<uint64_t>(1, (now_ns - from_ns) / tokens));
}

}  // namespace loom::proxy
