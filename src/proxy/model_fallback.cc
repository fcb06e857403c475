// A request that a model cannot take, as its provider says: another model that the conf names is asked in its place.
#include "exchange.h"
#include "loom/llm/refusal.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr const char* refused = "the upstream cannot take the request for this model";

}  // namespace

/// Must the body of this answer be read before it is known whether it is the client's?
bool Exchange::asks_refusal() const noexcept {
    if (plan().model_fallbacks.empty() || !llm::may_be_refusal(services_.response_head.status)) return false;
    if (echo_ != nullptr || !fails_over() || !llm::chat_protocol_of(endpoint_)) return false;
    const std::string_view model = match().model;
    for (const route::FallbackCause cause : route::fallback_causes)
        if (!plan().model_fallbacks.next(model, cause).empty()) return true;
    return false;
}

/// After an answer was collected: is it the client's, or does another model get the request?
Result<void> Exchange::judge_collected() {
    const auto own = llm::chat_protocol_of(endpoint_);
    if (translated_ == nullptr || !own || !fails_over() || plan().model_fallbacks.empty()) return {};
    const CollectedAnswer& answer = translated_->answer;
    if (!llm::may_be_refusal(answer.status())) return {};
    const llm::Protocol spoken = takes_as_it_comes() ? *own : type_->protocol;
    const llm::Refusal refusal = llm::read_refusal(services_.shard().blocks(), spoken, answer.status(), answer.body());
    if (refusal == llm::Refusal::none) return {};
    const bool by_context = refusal == llm::Refusal::context_window;
    const auto cause = by_context ? route::FallbackCause::context_window : route::FallbackCause::content_policy;
    if (plan().model_fallbacks.next(match().model, cause).empty()) return {};
    const Failure failure{.reason = by_context ? FailoverReason::context_window : FailoverReason::content_policy,
                          .error = {.code = Errc::refused, .side = Side::upstream, .what = refused},
                          .status = answer.status()};
    if (!plan_failover(failure)) return {};  // its own words say it best
    return std::unexpected(failure.error);
}

/// Who is asked for the model that stands in. Nobody where the consumer may not use it.
bool Exchange::choose_fallback_model(const Failure& failure) {
    Failover& course = *failover_;
    const auto cause = failure.reason == FailoverReason::context_window ? route::FallbackCause::context_window
                                                                        : route::FallbackCause::content_policy;
    const std::string_view asked = this->match().model;
    const std::string_view model = plan().model_fallbacks.next(asked, cause);
    if (model.empty()) return false;
    const route::ModelMatch match = plan().catalogue.match(model);
    if (consumer_ != nullptr && !consumer_->may_use_model(match.model)) return false;
    if (!narrow(match, draft_->request)) return false;
    route::Tried others;
    if (course.pinned) {
        others.set();
        for (size_t i = 0; i < match.candidates.size(); ++i)
            if (&plan().providers[match.candidates[i].provider_ix] == provider_) others.reset(i);
    }
    const route::ChoiceTerms terms = choice_terms(match, draft_->request);
    course.next =
        route::choose(plan().choice, terms, match.candidates, others, use_->turns[match.set], services_.random);
    if (!course.next) return false;
    course.terms = terms;
    course.candidate = &match.candidates[course.next->index];
    course.model = model;
    course.tried.reset();
    course.pause_ms = 0;
    return true;
}

}  // namespace loom::proxy
