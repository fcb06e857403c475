// The limits of clients: taken when a request is admitted, settled when it is over. A request that one of them refuses
// has taken of none.
#include "client_limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "cache_visit.h"
#include "client_connection.h"
#include "exchange.h"
#include "expected_output.h"
#include "guarding.h"
#include "hedge.h"
#include "limit_lines.h"
#include "loom/proxy/rate_limit_plan.h"

namespace loom::proxy {
namespace {

using tenant::Limit;
using tenant::LimitKind;

constexpr size_t message_bytes = 256;

/// That it tells of; nothing where it tells nothing.
uint64_t told_tokens(const llm::Usage& usage) noexcept {
    if (usage.provenance == llm::Usage::Provenance::none) return 0;
    return std::min(usage.input + usage.output, llm::tokens_bound);
}

/// What strangers take of a limit too is not told: its number would tell each of them what the others do.
bool is_own(LimitScope scope) noexcept {
    return scope == LimitScope::consumer || scope == LimitScope::tier || scope == LimitScope::team ||
           scope == LimitScope::project || scope == LimitScope::tenant || scope == LimitScope::ip;
}

}  // namespace

/// Ahead, so that this is rare; what is taken and not used comes back at its end.
void ClientLimits::extend_limits(uint64_t now_ms, uint64_t tokens) noexcept {
    tenant::LimitRefusal why;
    const bool has_room = taken.extend(now_ms, tokens - taken.reserved() + extension_tokens, why);
    // Of a limit that is less than so many, extend has taken all of it and no more.
    taken.overdraw(now_ms, has_room ? tokens : tokens + overdraft_tokens);
}

/// By whom it comes, before it is known who that is: guesses at keys are requests too.
Result<void> ClientQuota::enter_address() {
    const RateLimitPlan* const limits = x_.plan().rate_limits.get();
    if (limits == nullptr || x_.client_->is_nobody()) return {};
    x_.limited_ = &x_.text_.make<ClientLimits>();
    if (limits->ip == nullptr) return {};
    std::optional<IpBytes> address = x_.client_ip();
    if (!address) address = x_.peer_ip();  // of a proxy that names nobody: its own
    if (!address) return {};
    const tenant::LimitRow row = limits->addresses->row(*address, x_.services_.shard().timers().now_ms());
    return enter_one(*limits->ip, row);
}

Result<void> ClientQuota::enter() {
    if (x_.limited_ == nullptr) return {};
    const RateLimitPlan& limits = *x_.plan().rate_limits;
    const size_t consumer_ix = this->consumer_ix();
    const auto route_ix = static_cast<size_t>(x_.route_ - x_.plan().routes.data());
    const Limit* own = limits.consumers[consumer_ix];
    const Limit* team = limits.teams[consumer_ix];
    tenant::LimitRow own_row = own != nullptr ? own->row() : tenant::LimitRow();
    if (const tenant::BearerTerms* const told = told_terms()) {
        if (!x_.consumer_->team.empty()) team = told->team;
        // Of a stranger the conf says nothing but in these.
        if (told->own != nullptr || !x_.consumer_->is_listed()) {
            own = told->own;
            own_row = row_of_bearer(own);
        }
    }
    if (own != nullptr) LOOM_TRY(enter_one(*own, own_row));
    const auto owners = limits.owners.empty() ? RateLimitPlan::OwnerLimits() : limits.owners[consumer_ix];
    // The narrowest first: it refuses the most, and is its client's own.
    for (const Limit* const limit : {team, owners.project, owners.tenant, limits.routes[route_ix], limits.global})
        if (limit != nullptr) LOOM_TRY(enter_one(*limit, limit->row()));
    const bool asks = x_.method_ == http::Method::post || x_.endpoint_ == llm::Endpoint::realtime;
    return x_.route_->ai && asks && !llm::is_inspected(x_.endpoint_) ? check_budgets() : Result<void>();
}

/// By what its token tells beyond the conf; null: the conf has said it all.
const tenant::BearerTerms* ClientQuota::told_terms() const noexcept {
    return x_.token_ != nullptr && x_.token_->own != nullptr ? &x_.token_->terms : nullptr;
}

tenant::LimitRow ClientQuota::row_of_bearer(const Limit* own) const noexcept {
    if (own == nullptr) return {};
    return own->row_in(x_.plan().rate_limits->bearers.rows->row(x_.consumer_->name, x_.consumer_->issuer,
                                                                x_.services_.shard().timers().now_ms()));
}

Result<void> ClientQuota::enter_one(const Limit& limit, const tenant::LimitRow& row) {
    tenant::LimitRefusal why;
    if (x_.limited_->taken.enter(limit, row, x_.services_.shard().timers().now_ms(), why)) return {};
    return std::unexpected(over_limit(why));
}

/// The model's limit is everybody's who may use it: who may not takes nothing of it.
Result<void> ClientQuota::enter_model(std::string_view model) {
    const RateLimitPlan::Terms terms = x_.plan().rate_limits->of_model(model);
    x_.limited_->model_budget = terms.budget;
    if (terms.limit == nullptr) return {};
    if (x_.consumer_ != nullptr && !x_.consumer_->may_use_model(model)) return x_.refuse_model();
    LOOM_TRY(enter_one(*terms.limit, terms.limit->row()));
    x_.limited_->of_model = true;
    return {};
}

/// This client may not have that model after all, by a rule or its region, or nobody has it: it counts for the client
/// alone.
void ClientQuota::leave_model(const Error& why) noexcept {
    if (why.code != Errc::forbidden && why.code != Errc::not_found) return;
    if (std::exchange(x_.limited_->of_model, false)) x_.limited_->taken.abandon_last();
}

/// The model is known, and how long the prompt is. Of the answer, so much is reserved as is to be expected: a client's
/// max_tokens is what it fears, not what it takes.
Result<void> ClientQuota::reserve(const llm::Request& request) {
    const std::string_view model = x_.plan().catalogue.match(x_.model_).model;
    LOOM_TRY(enter_model(model));
    if (llm::counts_tokens(x_.endpoint_) || (!has_budgets() && !x_.limited_->taken.counts_tokens())) return {};
    x_.limited_->tokens_input = request.prompt_tokens();
    tenant::LimitRefusal why;
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    x_.limited_->tokens_expected = x_.limited_->tokens_input + output_to_expect(request);
    if (x_.limited_->taken.reserve(now_ms, x_.limited_->tokens_expected, why)) return {};
    return std::unexpected(over_limit(why));
}

/// What this client's answers of the model use to take, as far as that was learned.
uint64_t ClientQuota::output_to_expect(const llm::Request& request) const noexcept {
    uint64_t usual = llm::output_tokens_expected;
    if (const RateLimitPlan* const limits = x_.plan().rate_limits.get(); limits != nullptr && !x_.model_.empty())
        usual = limits->habits[consumer_ix()]->expected(x_.plan().catalogue.match(x_.model_).model, usual);
    return expected_output(x_.endpoint_, request, usual);
}

/// What it takes is known when it is over; it begins where there is anything left at all.
Result<void> ClientQuota::reserve_unread() {
    const std::string_view model = x_.plan().catalogue.match(x_.model_).model;
    LOOM_TRY(enter_model(model));
    tenant::LimitRefusal why;
    if (x_.limited_->taken.reserve(x_.services_.shard().timers().now_ms(), 1, why)) return {};
    return std::unexpected(over_limit(why));
}

/// Nothing of it counts, and its answer says who refused and when to come again.
Error ClientQuota::over_limit(const tenant::LimitRefusal& why) {
    x_.limited_->taken.abandon();
    x_.limited_->of_model = false;
    x_.limited_->refusal = why;
    x_.services_.metrics().rate_limited(why.of->source(why.kind).scope);
    x_.retry_after_ms_ = static_cast<uint32_t>(std::max<uint64_t>(1, std::min<uint64_t>(why.wait_ms, UINT32_MAX)));
    const ToldLimit told = told_refusal(why);
    const std::string& key = why.of->source(why.kind).key;
    fmt::basic_memory_buffer<char, message_bytes> text;
    const auto out = std::back_inserter(text);
    switch (why.kind) {
        case LimitKind::concurrent: fmt::format_to(out, "{} is {} requests at once", key, told.limit); break;
        case LimitKind::burst:
            fmt::format_to(out, "{} is {} requests at once, and {} in {}s after them", key,
                           why.of->terms.burst.capacity, told.limit, whole_seconds(told.window_ms));
            break;
        default:
            fmt::format_to(out, "{} is {} {} in {}s", key, told.limit, limit_unit(why.kind),
                           whole_seconds(told.window_ms));
    }
    fmt::format_to(out, "{}; try again in {}s", lease_words(why.lack), whole_seconds(x_.retry_after_ms_));
    x_.detail_ = x_.text_.keep({text.data(), text.size()});
    return short_of_lease(why.lack, "a rate limit is reached");
}

/// What of a limit that other Looms share was not to be had here: why, for whoever is refused.
std::string_view ClientQuota::lease_words(tenant::LeaseLack lack) noexcept {
    switch (lack) {
        case tenant::LeaseLack::spent: return "";
        case tenant::LeaseLack::drawing: return ", shared with other gateways: more of it is being drawn for this one";
        case tenant::LeaseLack::lost: break;
    }
    return ", shared with other gateways by a store that does not answer: what this one had of it is spent";
}

/// The refusal by a limit, or by the store that shares it, which is nobody's fault who asks.
Error ClientQuota::short_of_lease(tenant::LeaseLack lack, const char* spent) noexcept {
    if (lack == tenant::LeaseLack::drawing) x_.services_.metrics().lease_short.add();
    if (lack != tenant::LeaseLack::lost) return {.code = Errc::limited, .side = Side::downstream, .what = spent};
    x_.services_.metrics().lease_lost.add();
    return {.code = Errc::io, .side = Side::internal, .what = "the store that shares a limit does not answer"};
}

size_t ClientQuota::consumer_ix() const noexcept {
    return x_.consumer_ != nullptr && x_.consumer_->is_listed() ? x_.consumer_->index
                                                                : x_.plan().rate_limits->consumers.size() - 1;
}

/// What an attempt's answer says that it took.
void ClientQuota::note_used(const llm::Usage& usage) noexcept { x_.limited_->tokens_used += told_tokens(usage); }

/// What a session has told by now. It is not ended by its limits, and whoever comes next waits for what it takes.
void ClientQuota::note_session(const llm::Usage& usage) noexcept {
    if (x_.limited_ == nullptr) return;
    x_.limited_->note_tokens(x_.services_.shard().timers().now_ms(), x_.limited_->tokens_used + told_tokens(usage));
}

/// A part of an answer that its client has, and that another provider goes on with: it tells of no more than it has
/// said by then, often of nothing.
void ClientQuota::note_cut() noexcept {
    const uint64_t said = told_tokens(x_.relay_.usage());
    const uint64_t seen = x_.limited_->tokens_input + x_.relay_.seen_tokens();
    if (seen <= said) return;
    x_.limited_->tokens_used += seen - said;
    x_.limited_->cost_untold = sum_of(x_.limited_->cost_untold, cost_of_untold(seen - said));
}

/// On every way out, once. An answer that was begun and does not tell what it took, or did not come to its end, where
/// that is told, leaves what was reserved spent, and what has passed of a stream beyond that: an answer whose client
/// has left costs what it costs. What a stream says at its beginning (Anthropic's message_start) is the prompt alone.
void ClientQuota::leave() noexcept {
    ClientLimits& limited = *x_.limited_;
    const bool is_echo = x_.provider_ != nullptr && x_.provider_->kind == ProviderKind::echo;
    const bool asked = is_echo ? x_.attempts_ > 0 : x_.request_sent_;
    const bool told = x_.answer_whole() && x_.usage().provenance != llm::Usage::Provenance::none;
    // Where an old answer stood in for a provider's, the status is that answer's: what was asked has failed. Of one
    // that was stopped all was noted as it is booked (stop_usage).
    const bool kept = x_.cache_ != nullptr && x_.cache_->answered();
    const bool withheld = x_.guarding_ != nullptr && x_.guarding_->refused_answer();  // by a guard of ours
    const bool cost = x_.status_ < 400 || x_.status_ == 499 || withheld;
    const bool unknown = !told && !x_.was_stopped() && asked && !kept && cost;
    const uint64_t seen = limited.tokens_input + x_.relay_.seen_tokens();
    const uint64_t said = told_tokens(x_.usage());
    const uint64_t before = limited.tokens_used - std::min(said, limited.tokens_used);
    const uint64_t least = std::max(seen, limited.tokens_expected);
    const uint64_t used = unknown ? before + std::max(said, least) : limited.tokens_used;
    if (told && x_.usage().output != 0 && makes_output(x_.endpoint_) && !x_.model_.empty())
        x_.plan().rate_limits->habits[consumer_ix()]->note(x_.plan().catalogue.match(x_.model_).model,
                                                           x_.usage().output);
    limited.taken.leave(x_.services_.shard().timers().now_ms(), used);
    settle_budgets(used, unknown ? used - before - said : 0);
}

/// Its client's; of a hedge that has no client yet, they are with the exchange that it stands beside.
const ClientLimits* ClientQuota::told() const noexcept {
    return x_.limited_ == nullptr && x_.is_hedge() ? x_.hedge_->rival->limited_ : x_.limited_;
}

/// Is its client under limits, as far as they may be told? Then nothing is told of a provider's own, which all share.
bool ClientQuota::is_told() const noexcept {
    const ClientLimits* const limited = told();
    if (limited == nullptr) return false;
    if (limited->spent.of != nullptr) return true;
    if (!x_.plan().rate_limits->tells) return false;
    if (limited->refusal.of != nullptr) return true;
    bool any = false;
    limited->taken.each([&any](const Limit& limit, const tenant::LimitRow&) {
        any |= limit.terms.requests.limits() || limit.terms.tokens.limits();
    });
    for (const tenant::Budget* const budget : budgets())
        any |= budget != nullptr && budget->tokens != tenant::BudgetTerms{};
    return any;
}

/// A budget has refused it until its period ends.
bool ClientQuota::is_spent() const noexcept {
    return x_.limited_ != nullptr && x_.limited_->spent.of != nullptr &&
           x_.limited_->spent.lack == tenant::LeaseLack::spent;
}

/// From another exchange, whose client this one goes on with.
void ClientQuota::take_from(Exchange& from) noexcept {
    if (from.limited_ == nullptr) return;
    x_.limited_ = &x_.text_.make<ClientLimits>();
    *x_.limited_ = *std::exchange(from.limited_, nullptr);
}

void ClientQuota::write_lines(http::HeadWriter& head) const {
    if (!is_told()) return;
    const ClientLimits& limited = *told();
    const bool tells = x_.plan().rate_limits->tells;
    std::array<char, limit_lines_bytes_max> room;
    const auto write = [&](std::span<const ToldLimit> told) { head.raw(write_limit_lines(told, room)); };
    if (limited.spent.of != nullptr) {
        if (limited.spent.lack != tenant::LeaseLack::spent) return;
        // SDKs ask again, however long the wait: this line, which OpenAI's and Anthropic's know, keeps them from it.
        head.raw("x-should-retry: false\r\n");
        const ToldLimit told = told_spent(limited.spent, x_.services_.unix_now_s());
        if (tells) write({&told, 1});
        return;
    }
    if (limited.refusal.of != nullptr) {
        const ToldLimit told = told_refusal(limited.refusal);
        return write({&told, 1});
    }
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    NearestLimits nearest(now_ms);
    const Limit* const of_strangers = x_.plan().rate_limits->consumers.back();  // all whom no key tells apart
    limited.taken.each([&](const Limit& limit, const tenant::LimitRow& row) {
        if (is_own(limit.scope) && &limit.whole() != of_strangers) nearest.see(limit, row);
    });
    for (const tenant::Budget* const budget : budgets())
        if (budget != nullptr && is_own(budget->scope) && x_.consumer_ != nullptr)
            nearest.see(*budget, x_.services_.unix_now_s());
    const std::span<const ToldLimit> told = nearest.told();
    if (std::ranges::all_of(told, [](const ToldLimit& one) { return one.several == nullptr; })) return write(told);
    write(ToldWindows(told, limited.taken, now_ms).all());
}

}  // namespace loom::proxy
