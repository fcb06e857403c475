// By which base URL and key a provider is asked, where it has several.
#include "account.h"
#include "exchange.h"
#include "loom/base/assert.h"
#include "ownership.h"

namespace loom::proxy {
namespace {

constexpr uint64_t refused_rest_ms = 60'000;  // of one that is refused: then it is asked again, to see

}  // namespace

/// Of the provider at hand: the only one, mostly; the one that has what the request names; else by choice.
void Exchange::take_instance() noexcept {
    const route::InstanceSet* const set = instance_set();
    if (set == nullptr) return use_instance(0);
    if (owned_ != nullptr && owned_->provider_ix >= 0) return use_instance(owned_->instance_ix);
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const route::InstanceMask tried = failover_ != nullptr ? failover_->tried_instances : 0;
    auto choice = route::choose_instance(*set, now_ms, tried, services_.random.next());
    if (!choice) choice = route::choose_instance(*set, now_ms, 0, services_.random.next());  // all were tried
    LOOM_ASSERT(choice.has_value());  // a set is never empty, and none of it is out now
    instance_passage_ = choice->passage;
    use_instance(choice->index);
}

void Exchange::use_instance(size_t index) noexcept {
    instance_ = &provider_->instances[index];
    pool_ = use_->instances[static_cast<size_t>(provider_ - plan().providers.data())][index].pool;
}

/// Before another is taken, and at the end.
void Exchange::leave_instance() noexcept {
    const route::InstanceSet* const set = instance_set();
    if (set == nullptr || instance_ == nullptr) return;
    route::leave_instance(*set, instance_ix(), services_.shard().timers().now_ms(), instance_passage_);
}

/// As the register of ids knows who is asked.
std::string Exchange::account() const { return account_name(*provider_, instance_ix()); }

/// A key that is refused, or has spent what it may, rests: whoever comes next is asked with another.
void Exchange::rest_key(const http::ResponseHead& head) noexcept {
    const bool limited = head.status == 429;
    // 403 is as often the request's fault: then another key may do, and none rests for everybody.
    if (!limited && head.status != 401 && head.status != 402) return;
    const auto asked_ms = retry_after_of(head, services_.wall_now_us() / 1'000'000);
    rest_key_for(asked_ms.value_or(limited ? rest_default_ms : refused_rest_ms));
}

void Exchange::rest_key_for(uint64_t rest_ms) noexcept {
    if (rest_ms == 0) return;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    provider_->instance_set->instances[instance_ix()].key->rest_until(now_ms + std::min(rest_ms, rest_max_ms));
}

/// Is there a key that may do better, and may the request be sent again?
bool Exchange::has_other_key() const noexcept {
    const route::InstanceSet* const set = instance_set();
    if (set == nullptr || (owned_ != nullptr && owned_->provider_ix >= 0)) return false;
    if (route_->provider_ix >= 0 || (draft_ != nullptr && draft_->request.uses_stored)) return false;
    const route::InstanceMask tried = failover_ != nullptr ? failover_->tried_instances : 0;
    if (failover_ != nullptr && failover_->retries >= plan().failover.max_retries) return false;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const route::InstanceMask out = tried | route::of_same_key(*set, instance_ix());
    return route::best_standing(*set, now_ms, out, 0) <= route::InstanceStanding::recovering;
}

/// Another instance of the same provider goes before another provider: what was wrong may be of this one alone.
bool Exchange::choose_other_instance(const Failure& failure, size_t own_index) {
    const route::InstanceSet* const set = instance_set();
    Failover& course = *failover_;
    if (set == nullptr || course.pinned || failure.reason == FailoverReason::untranslatable) return false;
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const size_t own = instance_ix();
    const bool of_place = failure.reason == FailoverReason::connect || failure.reason == FailoverReason::tls;
    const bool of_key = failure.reason == FailoverReason::rate_limit || refuses_key(failure.status);
    course.tried_instances |= of_place ? route::of_same_place(*set, own)
                              : of_key ? route::of_same_key(*set, own)
                                       : route::InstanceMask{1} << own;
    if (route::best_standing(*set, now_ms, course.tried_instances, 0) > route::InstanceStanding::recovering)
        return false;
    const route::ModelMatch match = this->match();
    route::Tried others;
    others.set().reset(own_index);
    route::ChoiceTerms terms = course.terms;
    terms.now_ms = now_ms;
    auto choice =
        route::choose(plan().choice, terms, match.candidates, others, use_->turns[match.set], services_.random);
    if (!choice) return false;
    const route::Candidate& candidate = match.candidates[own_index];
    if (choice->reason == route::ChoiceReason::last_resort) {  // the model fails everywhere
        route::leave(plan().choice, candidate, now_ms, choice->passage);
        return false;
    }
    course.next = choice;
    course.candidate = &candidate;
    return true;
}

}  // namespace loom::proxy
