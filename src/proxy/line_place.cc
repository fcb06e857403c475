#include "line_place.h"

#include <algorithm>

#include "client_connection.h"
#include "exchange.h"

namespace loom::proxy {

LinePlace::~LinePlace() {
    count(-1);
    line_.leave(*this);
}

bool LinePlace::join(uint8_t priority, uint64_t timeout_ms) noexcept {
    priority_ = priority;
    if (!line_.join(*this, priority, timeout_ms)) return false;
    terms_.yields_from = static_cast<uint8_t>(priority + 1);
    count(1);
    return true;
}

/// Of all that could take its request. Where it may not go it keeps nobody waiting.
template <class Do>
void LinePlace::each_limits(Do what) const noexcept {
    const Exchange& x = exchange_;
    if (x.route_->provider_ix >= 0) return what(*x.provider_->limits);
    const auto candidates = x.match().candidates;
    for (size_t i = 0; i < candidates.size(); ++i) {
        const bool fit = terms_.unfit == nullptr || !(*terms_.unfit)[i];
        if (fit && candidates[i].limits != nullptr) what(*candidates[i].limits);
    }
}

void LinePlace::count(int by) noexcept {
    if (counted_ == (by > 0)) return;
    counted_ = by > 0;
    each_limits([this, by](const route::ProviderLimits& limits) { limits.state->wait(priority_, by); });
}

std::optional<uint64_t> LinePlace::try_to_go(LineWalk& walk) noexcept {
    terms_.now_ms = walk.now_ms;
    if (goes(walk)) {
        count(-1);
        exchange_.wake();
        return std::nullopt;
    }
    const uint64_t least_ms = wait_ms(walk);
    each_limits([&walk](const route::ProviderLimits& limits) { walk.want(limits.state.get()); });
    return least_ms;
}

bool LinePlace::goes(const LineWalk& walk) noexcept {
    Exchange& x = exchange_;
    if (x.route_->provider_ix >= 0) {
        const route::ProviderLimits& limits = *x.provider_->limits;
        return x.provider_->takes_requests() && walk.ahead(limits.state.get()) == 0 &&
               !limits.state->waited_for(terms_.yields_from) &&
               route::enter(limits, terms_.now_ms, terms_.tokens(), x.passage_.limits);
    }
    const route::ModelMatch match = x.match();
    route::Tried wanted;
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        const route::ProviderLimits* const limits = match.candidates[i].limits.get();
        if (limits != nullptr && walk.ahead(limits->state.get()) > 0) wanted.set(i);
    }
    if (wanted.count() == match.candidates.size()) return false;
    const auto choice =
        route::choose(x.plan().choice, terms_, match.candidates, wanted, x.use_->turns[match.set], x.services_.random);
    if (!choice) return false;
    x.passage_ = choice->passage;
    x.choice_reason_ = choice->reason;
    x.candidate_ = &match.candidates[choice->index];
    return true;
}

/// With those before it at the same provider, where there is one; among several nobody knows who goes where.
uint64_t LinePlace::wait_ms(const LineWalk& walk) const noexcept {
    const route::ProviderLimits* only = nullptr;
    bool several = false;
    each_limits([&](const route::ProviderLimits& limits) { several = std::exchange(only, &limits) != nullptr; });
    if (only == nullptr || several) return 0;
    return only->bucket_wait_ms(terms_.now_ms, terms_.tokens(), walk.ahead(only->state.get()));
}

void LinePlace::give_up(LineEnd why) noexcept {
    end_ = why;
    count(-1);
    exchange_.wake();
}

/// The providers of its model are at their limit: may the request wait for them?
bool Exchange::joins_line(const llm::Request& request) {
    if (plan().queue.max == 0 || retry_after_ms_ == 0 || client_->is_mirror()) return false;
    const route::ModelMatch match = this->match();
    auto place = std::make_unique<LinePlace>(*this, services_.line(), choice_terms(match, request));
    if (!place->join(priority(), plan().queue.timeout_ms)) return false;
    place_ = std::move(place);
    retry_after_ms_ = 0;
    return true;
}

/// After a wake-up: has a provider let it go, or is there no use in waiting any longer?
Result<void> Exchange::look_at_line() {
    if (client_gone_ || error_.code != Errc::ok) {
        place_.reset();
        return std::unexpected(error_);
    }
    if (place_->waits()) return {};
    // It is no work of Loom's. In the very turn that it joined in, there was no wait.
    connect_wait_ns_ += std::max(services_.shard().now_ns(), inspected_ns_) - inspected_ns_;
    const auto end = place_->end();
    route::ChoiceTerms terms = place_->terms();
    place_.reset();
    if (end == LineEnd::closing)
        return fail(Errc::exhausted, Side::internal, "the gateway is shutting down; try again");
    const route::ModelMatch match = this->match();
    if (end) {
        terms.now_ms = services_.shard().timers().now_ms();
        const auto wait_ms = route::limited_ms(terms, match.candidates);
        return std::unexpected(at_limit(wait_ms.value_or(route::ProviderLimits::concurrency_wait_ms)));
    }
    if (route_->provider_ix < 0) LOOM_TRY(take_candidate(candidate_, candidate_->provider_ix, match.model));
    const auto request = read_again();
    if (!request) return std::unexpected(request.error());
    return inspect_on(*request);
}

}  // namespace loom::proxy
