// A request that a model cannot take, as its provider says, or that a budget does not do for: another model that the
// conf names is asked in its place.
#include <algorithm>

#include "client_limits.h"
#include "exchange.h"
#include "loom/llm/refusal.h"
#include "selection.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr const char* refused = "the upstream cannot take the request for this model";

}  // namespace

/// Which model the conf names for one that cannot take the request; "": none. By the name that it was asked by: the
/// conf was checked for rounds of those.
std::string_view Exchange::stand_in(route::FallbackCause cause) const noexcept {
    // Whoever is over its budget is led to no model that it was not asked for: that one may be dear.
    if (selection_ != nullptr && selection_->by_budget) return {};
    const bool stands_in = failover_ != nullptr && !failover_->model.empty();
    if (stands_in && failover_->stand_ins >= Failover::stand_ins_max) return {};
    return plan().model_fallbacks.next(stands_in ? failover_->model : match().model, cause);
}

/// Does the conf name a model for what a provider refuses?
bool Exchange::answers_lead_on() const noexcept {
    return std::ranges::any_of(route::refusal_causes,
                               [this](auto cause) { return !plan().model_fallbacks.empty_of(cause); });
}

/// Must the body of this answer be read before it is known whether it is the client's?
bool Exchange::asks_refusal() const noexcept {
    if (!answers_lead_on() || !llm::may_be_refusal(services_.response_head.status)) return false;
    if (echo_ != nullptr || !fails_over() || !llm::chat_protocol_of(endpoint_)) return false;
    return std::ranges::any_of(route::refusal_causes, [this](auto cause) { return !stand_in(cause).empty(); });
}

/// After an answer was collected: is it the client's, or does another model get the request?
Result<void> Exchange::judge_collected() {
    const auto own = llm::chat_protocol_of(endpoint_);
    if (translated_ == nullptr || !own || !fails_over() || !answers_lead_on()) return {};
    const CollectedAnswer& answer = translated_->answer;
    if (!llm::may_be_refusal(answer.status())) return {};
    const llm::Protocol spoken = takes_as_it_comes() ? *own : type_->protocol;
    const llm::Refusal refusal = llm::read_refusal(services_.shard().blocks(), spoken, answer.status(), answer.body());
    if (refusal == llm::Refusal::none) return {};
    const bool by_context = refusal == llm::Refusal::context_window;
    const auto cause = by_context ? route::FallbackCause::context_window : route::FallbackCause::content_policy;
    if (stand_in(cause).empty()) return {};
    const Failure failure{.reason = by_context ? FailoverReason::context_window : FailoverReason::content_policy,
                          .error = {.code = Errc::refused, .side = Side::upstream, .what = refused},
                          .status = answer.status()};
    if (!plan_failover(failure) && !client_gone_) return {};  // its own words say it best
    return std::unexpected(failure.error);
}

/// Who is asked for the model that stands in. Nobody where the consumer, or an access rule, does not let it be used.
bool Exchange::choose_fallback_model(const Failure& failure) {
    Failover& course = *failover_;
    const auto cause = failure.reason == FailoverReason::context_window ? route::FallbackCause::context_window
                                                                        : route::FallbackCause::content_policy;
    const std::string_view model = stand_in(cause);
    if (model.empty()) return false;
    const route::ModelMatch match = plan().catalogue.match(model);
    const auto request = read_again();
    if (!request || !may_be_led_to(model, *request) || !narrow(match, *request)) return false;
    route::Tried others;
    if (course.pinned) {
        others.set();
        for (size_t i = 0; i < match.candidates.size(); ++i)
            if (&plan().providers[match.candidates[i].provider_ix] == provider_) others.reset(i);
    }
    const route::ChoiceTerms terms = choice_terms(match, *request);
    course.next =
        route::choose(plan().choice, terms, match.candidates, others, use_->turns[match.set], services_.random);
    if (!course.next) return false;
    course.terms = terms;
    course.candidate = &match.candidates[course.next->index];
    course.model = model;
    course.stand_ins += 1;
    course.tried.reset();
    course.pause_ms = 0;
    return true;
}

/// Of the budgets of who asks, for the model that it asked for, or for one that the conf names in its place: a cheaper
/// one, where it is money that is short. Where none does, the answer says which budget is spent, as of the first; where
/// one is only busy, how long that is. Before anything is made for a provider.
Result<void> Exchange::hold_for_some_model(const llm::Request& request) {
    if (ClientQuota(*this).try_hold_budgets()) return {};
    const tenant::BudgetRefusal why = limited_->spent;
    const bool may_lead = llm::chat_protocol_of(endpoint_).has_value() && route_->provider_ix < 0 &&
                          why.unit == tenant::BudgetUnit::money && why.lack == tenant::LeaseLack::spent;
    for (unsigned led = 0; may_lead && led < Failover::stand_ins_max; ++led) {
        const std::string_view model = plan().model_fallbacks.next(match().model, route::FallbackCause::budget);
        if (model.empty() || !may_be_led_to(model, request)) break;
        leave_candidate();
        leave_arm();
        Selection& own = selection();
        own.model = model;
        own.preferred_ix = -1;
        own.by_budget = true;
        if (const auto found = find_candidate_of_model(request); !found) {
            if (found.error().code != Errc::limited) break;
            limited_->spent = {};
            return found;
        }
        if (!ClientQuota(*this).try_hold_budgets()) continue;
        limited_->spent = {};
        services_.metrics().budget_fallbacks.add();
        return {};
    }
    limited_->spent = why;
    return std::unexpected(ClientQuota(*this).over_budget());
}

}  // namespace loom::proxy
