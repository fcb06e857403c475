// What a provider's limits have to do with an attempt: taken when it is chosen, settled when it is over.
#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "ownership.h"
#include "realtime.h"
#include "translated.h"
#include "waiting_line.h"

namespace loom::proxy {

/// Where nobody chose: a route or what is stored names the provider.
Result<void> Exchange::enter_limits(const route::ChoiceTerms& terms) noexcept {
    const route::ProviderLimits* const limits = provider_->limits.get();
    if (limits == nullptr) return {};
    const bool yields = limits->state->waited_for(terms.yields_from);
    if (!yields && route::enter(*limits, terms.now_ms, terms.tokens(), passage_.limits)) return {};
    const uint64_t wait_ms = limits->wait_ms(terms.now_ms, terms.tokens());
    return std::unexpected(at_limit(wait_ms > 0 ? wait_ms : route::ProviderLimits::concurrency_wait_ms));
}

/// The attempt is over, as far as its provider's limits go. Once; what comes later is nothing.
/// refused  the upstream's answer was an error: it is one of the requests, and took no tokens.
void Exchange::leave_limits(bool refused) noexcept {
    if (passage_.limits.of == nullptr) return;
    const bool is_echo = provider_ != nullptr && provider_->kind == ProviderKind::echo;
    route::Spent spent{.asked = is_echo ? attempts_ > 0 : request_sent_};
    const llm::Usage& usage = this->usage();
    if (usage.provenance != llm::Usage::Provenance::none)
        spent.tokens = usage.input + usage.output;
    else if (refused)
        spent.tokens = 0;
    route::leave(passage_.limits, services_.shard().timers().now_ms(), spent);
    services_.line().nudge();
}

/// Of what passes to a family's provider without a choice, nothing was reserved: what its answer tells is spent all the
/// same. Reading or changing what is stored takes no tokens, whatever it tells (of a batch, all that it ever took): of
/// families that store, only what streams is computed now.
void Exchange::charge_unreserved(const llm::Usage& told) noexcept {
    const bool chosen =
        !llm::is_passthrough(endpoint_) || (owned_ != nullptr && owned_->call.by_model && !model_.empty());
    if (chosen || realtime_ != nullptr || provider_->limits == nullptr || method_ != http::Method::post) return;
    if (told.provenance == llm::Usage::Provenance::none || (llm::stores_things(endpoint_) && !streaming_)) return;
    const route::ProviderLimits& limits = *provider_->limits;
    limits.state->tokens.charge(limits.tokens, services_.shard().timers().now_ms(), told.input + told.output);
}

/// What the answer's head says of its provider's limits, for whoever chooses next.
void Exchange::note_room() noexcept {
    if (candidate_ == nullptr || candidate_->model_state == nullptr || !provider_->reads_room) return;
    const http::ResponseHead& head = services_.response_head;
    const auto now_s = static_cast<int64_t>(services_.wall_now_us() / 1'000'000);
    route::Headroom room;
    for (const http::Header& header : head.headers())
        if (header.id == http::HeaderId::other) room.note(header.name, header.value, now_s);
    const uint64_t now_ms = services_.shard().timers().now_ms();
    const uint64_t spent_ms = room.said ? room.rest_ms() : 0;
    if (instance_set() != nullptr) return rest_key_for(spent_ms);  // others of its keys may have room
    if (room.said) candidate_->model_state->note_room(now_ms, room);
    uint64_t rest_ms = spent_ms;
    if (head.status == 429)
        rest_ms = std::max(rest_ms, retry_after_of(head, static_cast<uint64_t>(now_s)).value_or(rest_default_ms));
    if (rest_ms > 0) candidate_->model_state->rest_until(now_ms + std::min(rest_ms, rest_max_ms));
}

uint8_t Exchange::priority() const noexcept {
    if (client_->is_mirror()) return route::priority_lowest;
    return consumer_ != nullptr ? consumer_->priority : route::priority_default;
}

/// Before its body is read: of what a request costs, its head is the least.
Result<void> Exchange::shed_if_overloaded() noexcept {
    if (client_->is_mirror() || !services_.sheds(priority())) return {};  // a copy was asked about before it was made
    services_.metrics().shed.add();
    constexpr uint32_t soonest_ms = 1'000, latest_ms = 3'000;  // not all at once
    retry_after_ms_ = soonest_ms + static_cast<uint32_t>(services_.random.next() % (latest_ms - soonest_ms));
    return fail(Errc::exhausted, Side::internal, "the gateway is overloaded (overload.*); try again");
}

/// Nobody was chosen: why, and whether it pays to come again.
Error Exchange::none_to_ask(const route::ModelMatch& match, const route::ChoiceTerms& terms) noexcept {
    if (const auto wait_ms = route::limited_ms(terms, match.candidates)) return at_limit(*wait_ms);
    return {.code = Errc::exhausted,
            .side = Side::internal,
            .what = "every provider of this model is out of service; try again"};
}

Error Exchange::at_limit(uint64_t wait_ms) noexcept {
    constexpr uint64_t told_max_ms = 3'600'000;
    retry_after_ms_ = static_cast<uint32_t>(std::min(wait_ms, told_max_ms));
    return {.code = Errc::limited,
            .side = Side::internal,
            .what = "every provider of this model is at its limit (provider.NAME.rate_limit); try again later"};
}

}  // namespace loom::proxy
