// Who is to pay: an intent for each attempt before it is sent, and one settlement of it, however it ends.
#include "ledger.h"

#include <algorithm>

#include "client_connection.h"
#include "client_limits.h"
#include "exchange.h"
#include "guarding.h"
#include "hedge.h"
#include "realtime.h"
#include "token_provenance.h"

namespace loom::proxy {
namespace {

using tenant::LedgerExit;
using tenant::LedgerProvenance;
using tenant::LedgerSettlement;

constexpr std::string_view anonymous = "anonymous";  // where a route asks for no key
constexpr uint16_t beaten_status = 499;              // it has no client any more

tenant::LedgerTokens tokens_of(const llm::Usage& usage) noexcept {
    return {.input = usage.input,
            .cached_input = usage.cached_input,
            .cache_write = usage.cache_write,
            .cache_write_1h = usage.cache_write_1h,
            .output = usage.output,
            .reasoning = usage.reasoning};
}

LedgerProvenance provenance_of(llm::Usage::Provenance provenance) noexcept {
    switch (provenance) {
        case llm::Usage::Provenance::none: return LedgerProvenance::none;
        case llm::Usage::Provenance::reported: return LedgerProvenance::reported;
        case llm::Usage::Provenance::counted: return LedgerProvenance::counted;
        case llm::Usage::Provenance::estimated: return LedgerProvenance::estimated;
    }
    return LedgerProvenance::none;
}

}  // namespace

/// A disk that takes nothing, and a conf that wants nothing served without the ledger.
Result<void> Booking::check() const {
    if (!x_.services_.ledger_refuses()) return {};
    return fail(Errc::exhausted, Side::internal,
                "what is used cannot be written down (token_accounting.on_disk_full = refuse); the log says why");
}

/// What a model computes at a provider. Reading what is stored, and asking how many tokens something has, costs none.
bool Booking::is_booked() const noexcept {
    if (x_.services_.ledger() == nullptr || x_.route_ == nullptr || !x_.route_->ai || x_.provider_ == nullptr)
        return false;
    return x_.realtime_ != nullptr || (!x_.upstream_model_.empty() && !llm::counts_tokens(x_.endpoint_));
}

void Booking::make_entry(uint64_t request) {
    Block home = x_.services_.shard().blocks().take(sizeof(LedgerEntry));
    char* const memory = home.data();
    x_.entry_ = ::new (memory) LedgerEntry(&Booking::on_intent_written, x_, std::move(home));
    x_.entry_->request = request;
}

void Booking::end() noexcept {
    if (x_.entry_ == nullptr) return;
    Block home = std::move(x_.entry_->home);
    std::exchange(x_.entry_, nullptr)->~LedgerEntry();
}

/// Of a second attempt beside another one's: the request is one.
void Booking::go_on_with(const Exchange& first) {
    if (first.entry_ != nullptr) make_entry(first.entry_->request);
}

/// An attempt begins: the same again on another connection is the same attempt.
void Booking::begin_attempt() {
    if (!is_booked()) return;
    if (x_.entry_ == nullptr) make_entry(0);
    LedgerEntry& entry = *x_.entry_;
    entry.status = 0;
    if (entry.open) return;
    entry.open = true;
    entry.written = false;
    entry.time_us = x_.services_.wall_now_us();
    entry.input_tokens = entry.output_tokens = 0;
    entry.input_counted = false;
    if (x_.draft_ != nullptr) {
        entry.input_tokens = x_.prompt_.tokens;
        entry.input_counted = x_.prompt_.is_counted() && counts_as_asked();  // another may be asked when it settles
        entry.output_tokens = ClientQuota(x_).output_to_expect(x_.draft_->request);
    }
    const route::Price* const price = x_.price_at_hand();
    const auto parts = route::parts_of({.input = entry.input_tokens, .output = entry.output_tokens});
    entry.cost = price != nullptr ? price->cost(parts) : -1;
    entry.id = 0;
    write_intent();
}

/// By the name that budgets of models go by; "" where that is what its provider calls it.
std::string_view Booking::asked_model() const noexcept {
    const std::string_view asked = x_.plan().catalogue.match(x_.model_).model;
    return asked == x_.upstream_model_ ? std::string_view() : asked;
}

void Booking::write_intent() {
    LedgerEntry& entry = *x_.entry_;
    tenant::LedgerIntent intent{.request = entry.request,
                                .time_us = entry.time_us,
                                .route = x_.route_->name,
                                .provider = x_.provider_->name,
                                .model = x_.upstream_model_,
                                .asked_model = asked_model(),
                                .input_tokens = entry.input_tokens,
                                .output_tokens = entry.output_tokens,
                                .cost = entry.cost};
    put_owner(intent);
    if (x_.client_->is_mirror()) intent.consumer = x_.text_.join(tenant::ledger_copy_prefix, "", x_.provider_->name);
    entry.id = x_.services_.ledger()->append(intent);
    if (entry.request == 0) entry.request = entry.id;
}

template <class Record>
void Booking::put_owner(Record& record) const noexcept {
    record.consumer = x_.consumer_ != nullptr ? std::string_view(x_.consumer_->name) : anonymous;
    if (x_.consumer_ == nullptr) return;
    record.team = x_.consumer_->team;
    record.project = x_.consumer_->project;
    record.tenant = x_.consumer_->tenant;
    record.tier = x_.consumer_->tier;
}
template void Booking::put_owner(tenant::LedgerIntent&) const noexcept;
template void Booking::put_owner(tenant::LedgerLocal&) const noexcept;

/// Nothing leaves before its intent is in the file: a provider is never asked for what nobody could be told of.
bool Booking::waits_for_intent() {
    if (x_.entry_ == nullptr || !x_.entry_->open || x_.entry_->written) return false;
    if (x_.entry_->linked()) return true;
    x_.entry_->waits_from_ms = x_.services_.shard().timers().now_ms();
    return x_.services_.ledger()->wait(*x_.entry_);
}

/// The disk began to fail after the request was admitted.
bool Booking::refuses_unwritten() const noexcept {
    return x_.entry_ != nullptr && x_.entry_->open && !x_.entry_->written && x_.services_.ledger_refuses();
}

void Booking::on_intent_written(store::LedgerLog::Waiter& waiter) noexcept {
    auto& entry = static_cast<LedgerEntry&>(waiter);
    Exchange& x = entry.exchange;
    const bool goes_on = x.upstream_ != nullptr && x.answer_ == Exchange::AnswerState::awaited &&
                         x.error_.code == Errc::ok && !x.client_gone_ && !x.request_sent_;
    if (!goes_on) return;
    const bool failing = x.services_.ledger()->failing();
    entry.written = !failing && entry.id != 0;
    if (!failing && entry.id == 0) Booking(x).write_intent();  // there was no room for it: now it is waited for
    if (x.attempt_->deadline_ms != 0)
        x.attempt_->deadline_ms += x.services_.shard().timers().now_ms() - entry.waits_from_ms;
    x.send_attempt();
}

/// The attempt's connection is given up.
void Booking::leave_intent() noexcept {
    if (x_.entry_ != nullptr) x_.entry_->unlink();
}

void Booking::note_status(int status) noexcept {
    if (x_.entry_ != nullptr) x_.entry_->status = static_cast<uint16_t>(status);
}

/// As the last attempt has ended.
LedgerExit Booking::last_exit() const noexcept {
    const bool beaten = x_.client_->is_nobody() && !x_.client_->is_mirror();
    if (beaten) return LedgerExit::hedged;
    if (x_.left_early()) return LedgerExit::cancelled_by_client;
    // One that was blocked in its last words has told all that it took.
    const bool told_whole = x_.relaying_ && x_.answer_whole();
    if (x_.guarding_ != nullptr && x_.guarding_->blocked_answer() && !told_whole) return LedgerExit::stopped_by_guard;
    if (x_.was_stopped()) return LedgerExit::stopped_by_budget;
    if (x_.answer_whole()) return x_.status_ < 400 ? LedgerExit::answered : LedgerExit::refused;
    if (x_.entry_->status >= 400) return LedgerExit::refused;
    return x_.relaying_ || x_.in_session() ? LedgerExit::cut_by_upstream : LedgerExit::failed;
}

void Booking::settle_last() {
    if (x_.entry_ != nullptr && x_.entry_->open) settle(last_exit());
}

/// Once for each attempt. Where an answer comes in one tick, its last bytes and this enter the kernel in one call; else
/// the bytes may have left before. Nobody waits for it: a process that ends before the disk has it leaves an intent
/// alone, which is booked by its estimate.
void Booking::settle(LedgerExit exit) {
    if (x_.entry_ == nullptr || !x_.entry_->open) return;
    LedgerEntry& entry = *x_.entry_;
    entry.open = false;
    entry.unlink();
    store::LedgerLog& log = *x_.services_.ledger();
    if (entry.id == 0) write_intent();
    LedgerSettlement settlement = settlement_of(exit);
    settlement.id = entry.id;
    entry.last = settlement;
    entry.took_tokens += settlement.tokens.input + settlement.tokens.output;
    const bool priced =
        settlement.cost > 0 || (settlement.cost == 0 && settlement.provenance != LedgerProvenance::none);
    if (priced) entry.took_cost = sum_of(std::max<Money>(entry.took_cost, 0), settlement.cost);
    if (entry.id == 0 || !log.append(settlement)) x_.services_.metrics().ledger_lost.add();
}

void Booking::hand_over_to(Exchange& other) noexcept {
    settle_last();
    if (x_.entry_ == nullptr || other.entry_ == nullptr) return;
    LedgerEntry& from = *x_.entry_;
    LedgerEntry& to = *other.entry_;
    to.took_tokens += std::exchange(from.took_tokens, 0);
    to.cost_told = sum_of(to.cost_told, std::exchange(from.cost_told, 0));
    const Money took = std::exchange(from.took_cost, -1);
    if (took >= 0) to.took_cost = sum_of(std::max<Money>(to.took_cost, 0), took);
}

Money Booking::cost() const noexcept {
    if (x_.entry_ == nullptr || x_.entry_->took_cost < 0) return x_.cost_;
    const Money else_made = std::max<Money>(x_.cost_, 0) - x_.entry_->cost_told;
    return sum_of(std::max<Money>(else_made, 0), x_.entry_->took_cost);
}

/// What a provider calls a model says something only where that name is known: deployments have names of their own.
bool Booking::counts_as_asked() const noexcept {
    const TokenizerPlan* const all = x_.plan().tokenizers.get();
    if (all == nullptr) return true;
    const llm::Tokenizer* const asked = all->of_model(x_.model_);
    const std::string_view used = x_.match().model;
    if (used != x_.plan().catalogue.match(x_.model_).model && all->of_model(used) != asked) return false;
    const llm::Tokenizer* const there = all->of_model(x_.upstream_model_);
    return there == nullptr || there == asked;
}

/// What the provider has told counts as it stands, but for a stream that did not come to its end: at its beginning it
/// tells of the prompt alone. Else, for what was sent and not refused, the prompt as it was estimated, and of the
/// answer as many tokens as have passed, or as were to be expected where it was to come whole.
LedgerSettlement Booking::settlement_of(LedgerExit exit) const {
    const LedgerEntry& entry = *x_.entry_;
    const bool is_echo = x_.provider_->kind == ProviderKind::echo;
    const bool sent = is_echo || x_.request_sent_;
    const bool refused = exit == LedgerExit::refused || entry.status >= 400;
    const llm::Usage& told = x_.usage();
    const bool tells = told.provenance != llm::Usage::Provenance::none;
    const uint16_t own_status = x_.status_ == 0 && exit == LedgerExit::hedged ? beaten_status : x_.status_;
    LedgerSettlement settlement{
        .exit = sent ? exit : LedgerExit::unsent, .status = entry.status != 0 ? entry.status : own_status, .cost = 0};
    if (!sent || (refused && !tells)) return settlement;
    const bool stopped = x_.was_stopped();
    const llm::Usage took = stopped ? x_.stop_usage() : told;
    settlement.tokens = tokens_of(took);
    settlement.provenance = provenance_of(took.provenance);
    const bool told_at_end = !x_.streaming_ || exit == LedgerExit::answered || exit == LedgerExit::refused;
    if (!stopped && (!tells || !told_at_end)) add_untold(settlement, tells);
    const route::Price* const price = x_.price_at_hand();
    const tenant::LedgerTokens& tokens = settlement.tokens;
    settlement.cost = price == nullptr ? -1
                                       : price->cost(route::parts_of({.input = tokens.input,
                                                                      .cached_input = tokens.cached_input,
                                                                      .cache_write = tokens.cache_write,
                                                                      .cache_write_1h = tokens.cache_write_1h,
                                                                      .output = tokens.output,
                                                                      .reasoning = tokens.reasoning}));
    return settlement;
}

void Booking::add_untold(LedgerSettlement& settlement, bool tells) const noexcept {
    tenant::LedgerTokens& tokens = settlement.tokens;
    const LedgerEntry& entry = *x_.entry_;
    if (!tells) tokens.input = entry.input_tokens;
    const bool counts_events = x_.realtime_ == nullptr && (x_.streaming_ || x_.relay_.event_count() > 0);
    uint64_t seen = counts_events ? x_.relay_.seen_tokens() : 0;
    // An answer that comes whole is worked out before its first byte: whoever did not wait for it pays for what was to
    // be expected. Of a stream nothing was seen.
    if (!counts_events && !tells && x_.answer_whole())
        seen = std::min(entry.output_tokens, llm::estimated_tokens(x_.relay_.payload_bytes()));
    else if (!counts_events && !tells && !x_.stream_)
        seen = entry.output_tokens;
    tokens.output = std::max(tokens.output, seen);
    const bool output_counted = counts_events ? x_.relay_.seen_counted() : tokens.output == 0 && x_.answer_whole();
    const bool counted = output_counted && (tells || entry.input_counted);
    settlement.provenance = provenance_of(untold_provenance(counted));
}

}  // namespace loom::proxy
