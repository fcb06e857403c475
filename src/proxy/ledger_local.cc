// What no provider is asked for: answers from the cache, and refusals.
#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"

namespace loom::proxy {

using tenant::LedgerLocal;
using tenant::LedgerLocalExit;

/// Of what somebody asks of a model, and nobody asks for another one's sake.
bool Booking::books_locally() const noexcept {
    return x_.services_.ledger() != nullptr && x_.route_ != nullptr && x_.route_->ai && !x_.client_->is_nobody();
}

void Booking::note_cached(LedgerLocalExit layer, const cache::Answer& answer) noexcept {
    if (!books_locally()) return;
    LedgerLocal local{.request = x_.entry_ != nullptr ? x_.entry_->request : 0,
                      .time_us = x_.begun_wall_us_,
                      .exit = layer,
                      .status = x_.status_,
                      .route = x_.route_->name,
                      .model = x_.model_,
                      .tells_tokens = answer.tells_usage};
    put_owner(local);
    if (answer.tells_usage) {
        local.input_tokens = answer.input_tokens;
        local.cached_input = answer.cached_input_tokens;
        local.output_tokens = answer.output_tokens;
        local.reasoning = answer.reasoning_tokens;
        local.saved = answer.cost;
    }
    x_.services_.ledger()->book(local);
}

void Booking::note_refused(const Error& why, int status) noexcept {
    const bool is_stranger = why.code == Errc::unauthenticated && why.side == Side::downstream;
    if (why.side != Side::upstream && !is_stranger) note_refused(refusal_of(why), status);
}

/// A model is named where the conf does, letter by letter: else clients could make names up, each a row of its own.
void Booking::note_refused(LedgerLocalExit why, int status) noexcept {
    const bool asked = x_.attempts_ > 0 || x_.entry_ != nullptr || x_.asked_again_;
    if (!books_locally() || asked || (x_.consumer_ == nullptr && x_.route_->auth != AuthType::none)) return;
    const bool is_known =
        !x_.model_.empty() && x_.plan().catalogue.is_named(x_.plan().catalogue.match(x_.model_).model);
    LedgerLocal local{.time_us = x_.begun_wall_us_,
                      .exit = why,
                      .status = static_cast<uint16_t>(status),
                      .route = x_.route_->name,
                      .model = is_known ? x_.model_ : std::string_view()};
    put_owner(local);
    x_.services_.ledger()->book(local);
}

LedgerLocalExit Booking::refusal_of(const Error& why) const noexcept {
    if (x_.limited_ != nullptr && x_.limited_->spent.of != nullptr) return LedgerLocalExit::refused_budget;
    if (x_.limited_ != nullptr && x_.limited_->refusal.of != nullptr) return LedgerLocalExit::refused_limit;
    if (x_.guarding_ != nullptr && !x_.guarding_->refusal_code().empty()) return LedgerLocalExit::refused_guard;
    if (why.side == Side::internal) return LedgerLocalExit::refused_capacity;
    switch (why.code) {
        case Errc::forbidden: return LedgerLocalExit::refused_access;
        case Errc::not_found: return LedgerLocalExit::refused_unknown;
        case Errc::limited: return LedgerLocalExit::refused_limit;
        default: return LedgerLocalExit::refused_request;
    }
}

}  // namespace loom::proxy
