// Who is to pay: an intent for each attempt before it is sent, and one settlement of it, however it ends.
#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "hedge.h"
#include "ledger_entry.h"
#include "realtime.h"

namespace loom::proxy {
namespace {

using tenant::LedgerExit;
using tenant::LedgerProvenance;
using tenant::LedgerSettlement;

constexpr std::string_view anonymous = "anonymous";    // where a route asks for no key
constexpr std::string_view mirror_prefix = "mirror/";  // no consumer's name has a slash
constexpr uint64_t choices_max = 128;

bool makes_output(llm::Endpoint endpoint) noexcept {
    return endpoint != llm::Endpoint::embeddings && endpoint != llm::Endpoint::embed_content &&
           endpoint != llm::Endpoint::batch_embed_contents;
}

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
Result<void> Exchange::check_ledger() const {
    if (!services_.ledger_refuses()) return {};
    return fail(Errc::exhausted, Side::internal,
                "what is used cannot be written down (token_accounting.on_disk_full = refuse); the log says why");
}

/// What a model computes at a provider. Reading what is stored, and asking how many tokens something has, costs none.
bool Exchange::is_booked() const noexcept {
    if (services_.ledger() == nullptr || route_ == nullptr || !route_->ai || provider_ == nullptr) return false;
    return realtime_ != nullptr || (!upstream_model_.empty() && !llm::counts_tokens(endpoint_));
}

void Exchange::make_entry(uint64_t request) {
    Block home = services_.shard().blocks().take(sizeof(LedgerEntry));
    char* const memory = home.data();
    entry_ = ::new (memory) LedgerEntry(&Exchange::on_intent_written, *this, std::move(home));
    entry_->request = request;
}

void Exchange::end_entry() noexcept {
    if (entry_ == nullptr) return;
    Block home = std::move(entry_->home);
    std::exchange(entry_, nullptr)->~LedgerEntry();
}

/// Of a second attempt beside another one's: the request is one.
void Exchange::take_entry_of(const Exchange& first) {
    if (first.entry_ != nullptr) make_entry(first.entry_->request);
}

/// An attempt begins: the same again on another connection is the same attempt.
void Exchange::begin_entry() {
    if (!is_booked()) return;
    if (entry_ == nullptr) make_entry(0);
    LedgerEntry& entry = *entry_;
    entry.status = 0;
    if (entry.open) return;
    entry.open = true;
    entry.written = false;
    entry.time_us = services_.wall_now_us();
    entry.input_tokens = entry.output_tokens = 0;
    if (draft_ != nullptr) {
        const llm::Request& request = draft_->request;
        entry.input_tokens = request.prompt_tokens();
        if (makes_output(endpoint_)) {
            uint64_t output = llm::output_tokens_expected;
            if (request.max_tokens != 0) output = std::min(output, request.output_tokens_max());
            entry.output_tokens = output * std::clamp<uint64_t>(request.n, 1, choices_max);
        }
    }
    const route::Price* const price = price_at_hand();
    const auto parts = route::parts_of({.input = entry.input_tokens, .output = entry.output_tokens});
    entry.cost = price != nullptr ? price->cost(parts) : -1;
    entry.id = 0;
    write_intent();
}

void Exchange::write_intent() {
    LedgerEntry& entry = *entry_;
    tenant::LedgerIntent intent{.request = entry.request,
                                .time_us = entry.time_us,
                                .consumer = consumer_ != nullptr ? std::string_view(consumer_->name) : anonymous,
                                .route = route_->name,
                                .provider = provider_->name,
                                .model = upstream_model_,
                                .input_tokens = entry.input_tokens,
                                .output_tokens = entry.output_tokens,
                                .cost = entry.cost};
    if (client_->is_mirror()) intent.consumer = text_.join(mirror_prefix, "", provider_->name);
    if (consumer_ != nullptr) {
        intent.team = consumer_->team;
        intent.project = consumer_->project;
        intent.tenant = consumer_->tenant;
        intent.tier = consumer_->tier;
    }
    entry.id = services_.ledger()->append(intent);
    if (entry.request == 0) entry.request = entry.id;
}

/// Nothing leaves before its intent is in the file: a provider is never asked for what nobody could be told of.
bool Exchange::waits_for_intent() {
    if (entry_ == nullptr || !entry_->open || entry_->written) return false;
    if (entry_->linked()) return true;
    entry_->waits_from_ms = services_.shard().timers().now_ms();
    return services_.ledger()->wait(*entry_);
}

/// The disk began to fail after the request was admitted.
bool Exchange::refuses_unwritten() const noexcept {
    return entry_ != nullptr && entry_->open && !entry_->written && services_.ledger_refuses();
}

void Exchange::on_intent_written(store::LedgerLog::Waiter& waiter) noexcept {
    auto& entry = static_cast<LedgerEntry&>(waiter);
    Exchange& x = entry.exchange;
    const bool goes_on = x.upstream_ != nullptr && x.answer_ == AnswerState::awaited && x.error_.code == Errc::ok &&
                         !x.client_gone_ && !x.request_sent_;
    if (!goes_on) return;
    const bool failing = x.services_.ledger()->failing();
    entry.written = !failing && entry.id != 0;
    if (!failing && entry.id == 0) x.write_intent();  // there was no room for it: now it is waited for
    if (x.attempt_->deadline_ms != 0)
        x.attempt_->deadline_ms += x.services_.shard().timers().now_ms() - entry.waits_from_ms;
    x.send_attempt();
}

/// The attempt's connection is given up.
void Exchange::leave_intent() noexcept {
    if (entry_ != nullptr) entry_->unlink();
}

void Exchange::note_entry_status(int status) noexcept {
    if (entry_ != nullptr) entry_->status = static_cast<uint16_t>(status);
}

/// As the last attempt has ended.
LedgerExit Exchange::entry_exit() const noexcept {
    const bool beaten = client_->is_nobody() && !client_->is_mirror();
    if (beaten) return LedgerExit::hedged;
    if (left_early()) return LedgerExit::cancelled_by_client;
    if (answer_whole()) return status_ < 400 ? LedgerExit::answered : LedgerExit::refused;
    if (entry_->status >= 400) return LedgerExit::refused;
    return relaying_ || in_session() ? LedgerExit::cut_by_upstream : LedgerExit::failed;
}

void Exchange::settle_last_entry() {
    if (entry_ != nullptr && entry_->open) settle_entry(entry_exit());
}

/// Once for each attempt. Where an answer comes in one tick, its last bytes and this enter the kernel in one call; else
/// the bytes may have left before. Nobody waits for it: a process that ends before the disk has it leaves an intent
/// alone, which is booked by its estimate.
void Exchange::settle_entry(LedgerExit exit) {
    if (entry_ == nullptr || !entry_->open) return;
    LedgerEntry& entry = *entry_;
    entry.open = false;
    entry.unlink();
    store::LedgerLog& log = *services_.ledger();
    if (entry.id == 0) write_intent();
    LedgerSettlement settlement = settlement_of(exit);
    settlement.id = entry.id;
    if (entry.id == 0 || !log.append(settlement)) services_.metrics().ledger_lost.add();
}

/// What the provider has told counts as it stands, but for a stream that did not come to its end: at its beginning it
/// tells of the prompt alone. Else, for what was sent and not refused, the prompt as it was estimated, and of the
/// answer as many tokens as events have come, or as were to be expected where it was to come whole.
LedgerSettlement Exchange::settlement_of(LedgerExit exit) const {
    const LedgerEntry& entry = *entry_;
    const bool is_echo = provider_->kind == ProviderKind::echo;
    const bool sent = is_echo || request_sent_;
    const bool refused = exit == LedgerExit::refused || entry.status >= 400;
    const llm::Usage& told = usage();
    const bool tells = told.provenance != llm::Usage::Provenance::none;
    LedgerSettlement settlement{
        .exit = sent ? exit : LedgerExit::unsent, .status = entry.status != 0 ? entry.status : status_, .cost = 0};
    if (!sent || (refused && !tells)) return settlement;
    settlement.tokens = tokens_of(told);
    settlement.provenance = provenance_of(told.provenance);
    const bool told_at_end = !streaming_ || exit == LedgerExit::answered || exit == LedgerExit::refused;
    if (!tells || !told_at_end) add_untold(settlement, tells);
    const route::Price* const price = price_at_hand();
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

void Exchange::add_untold(LedgerSettlement& settlement, bool tells) const noexcept {
    tenant::LedgerTokens& tokens = settlement.tokens;
    const LedgerEntry& entry = *entry_;
    if (!tells) tokens.input = entry.input_tokens;
    const bool counts_events = realtime_ == nullptr && (streaming_ || relay_.event_count() > 0);
    uint64_t seen = counts_events ? relay_.event_count() : 0;
    // An answer that comes whole is worked out before its first byte: whoever did not wait for it pays for what was to
    // be expected. Of a stream nothing was seen.
    if (!counts_events && !tells && answer_whole())
        seen = std::min(entry.output_tokens, llm::estimated_tokens(relay_.payload_bytes()));
    else if (!counts_events && !tells && !stream_)
        seen = entry.output_tokens;
    tokens.output = std::max(tokens.output, seen);
    settlement.provenance = tells || counts_events ? LedgerProvenance::counted : LedgerProvenance::estimated;
}

}  // namespace loom::proxy
