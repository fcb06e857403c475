// What an exchange has to do with the limits of its client (rate_limit.*), where there are any.
#pragma once

#include <cstdint>

#include "loom/http/head_writer.h"
#include "loom/llm/request.h"
#include "loom/proxy/rate_limit_plan.h"
#include "loom/proxy/relay.h"
#include "loom/tenant/alert.h"
#include "loom/tenant/budget.h"
#include "loom/tenant/limit.h"

namespace loom::proxy {

class Exchange;

struct ClientLimits {
    ClientLimits() noexcept {}  // not zeroed first: most of what it has taken is never touched

    tenant::Admission taken;
    tenant::LimitRefusal refusal;  // of == null: it was admitted
    tenant::BudgetHolds budgets;
    tenant::BudgetRefusal spent;                   // of == null: no budget has refused it
    const tenant::Budget* model_budget = nullptr;  // by the name that its client asks for, once that is known
    uint64_t tokens_input = 0;                     // as they were estimated
    uint64_t tokens_expected = 0;                  // that were reserved at first
    uint64_t tokens_used = 0;                      // that its attempts have reported, and one that was beaten
    uint64_t tokens_held = 0;                      // of its budgets
    Money cost_untold = 0;                         // of attempts before the last
    Money event_cost = 0;                          // of a token of the answer, as it was expected
    bool of_model = false;                         // the model's limit is the one that was entered last
    bool budgets_extend = true;                    // until there is no more to be had

    uint64_t none_left_since_ms = 0;  // of a budget, as far as is known; 0: not so

    static constexpr uint64_t extension_tokens = 256;
    static constexpr uint64_t overdraft_tokens = 16;    // of a limit that has no room for so many: ahead, likewise
    static constexpr uint64_t lease_wait_ms = 500;      // for others to give back what they have of a budget
    static constexpr uint64_t unheld_tokens_max = 256;  // that pass meanwhile
    /// It has taken so many tokens, its prompt's among them: where they outgrow what was reserved, more is taken, so
    /// that others see what is being used. False once its budgets have no more for it. Rate limits never end a stream:
    /// where they have no room it is booked over them, as it is used, and whoever comes next waits the longer.
    [[nodiscard]] bool note_output(uint64_t now_ms, int64_t unix_s, uint64_t tokens) noexcept {
        note_tokens(now_ms, tokens);
        while (budgets_extend && !budgets.empty() && tokens >= tokens_held) {
            if (extend_budgets(unix_s)) {
                none_left_since_ms = 0;
                continue;
            }
            budgets_extend = may_wait(now_ms, unix_s, tokens);
            break;
        }
        return budgets_extend;
    }
    /// The same, of rate limits alone.
    void note_tokens(uint64_t now_ms, uint64_t tokens) noexcept {
        if (taken.reserved() != 0 && tokens >= taken.reserved()) extend_limits(now_ms, tokens);
    }

  private:
    void extend_limits(uint64_t now_ms, uint64_t tokens) noexcept;
    /// For a lease: more is drawn in a moment, where there is any.
    [[nodiscard]] bool may_wait(uint64_t now_ms, int64_t unix_s, uint64_t tokens) noexcept {
        if (!budgets.awaits_lease(unix_s, 1, event_cost)) return false;
        if (!budgets.none_is_left(unix_s)) {
            none_left_since_ms = 0;
            return true;
        }
        if (none_left_since_ms == 0) none_left_since_ms = now_ms != 0 ? now_ms : 1;
        return now_ms - none_left_since_ms < lease_wait_ms && tokens - tokens_held < unheld_tokens_max;
    }
    /// By as much as there is, at least a token.
    [[nodiscard]] bool extend_budgets(int64_t unix_s) noexcept {
        for (uint64_t more = extension_tokens; more > 0; more /= 4) {
            if (!budgets.extend(unix_s, more, event_cost * static_cast<int64_t>(more))) continue;
            tokens_held += more;
            return true;
        }
        return false;
    }
};

/// What an exchange's client may still take, by its rate limits (client_limits.cc) and its budgets (budgets.cc):
/// entered when the request is admitted, held by what is to be expected, booked on every way out. A way to say it, with
/// nothing of its own.
class ClientQuota {
  public:
    explicit ClientQuota(Exchange& exchange) noexcept : x_(exchange) {}

    // client_limits.cc
    Result<void> enter_address();
    Result<void> enter();
    Result<void> reserve(const llm::Request& request);
    Result<void> reserve_unread();
    void leave_model(const Error& why) noexcept;
    [[nodiscard]] uint64_t output_to_expect(const llm::Request& request) const noexcept;
    void note_used(const llm::Usage& usage) noexcept;
    void note_session(const llm::Usage& usage) noexcept;
    void note_cut() noexcept;
    void leave() noexcept;
    void take_from(Exchange& from) noexcept;
    [[nodiscard]] const ClientLimits* told() const noexcept;
    [[nodiscard]] bool is_told() const noexcept;
    [[nodiscard]] bool is_spent() const noexcept;
    void write_lines(http::HeadWriter& head) const;

    // budgets.cc
    [[nodiscard]] RateLimitPlan::Budgets budgets() const noexcept;
    [[nodiscard]] bool has_budgets() const noexcept;
    Result<void> check_budgets();
    [[nodiscard]] bool try_hold_budgets() noexcept;
    Result<void> hold_budgets();
    [[nodiscard]] Error over_budget();
    void prepare_to_stop(RelayOptions& options);
    void note_output() noexcept;

  private:
    Result<void> enter_one(const tenant::Limit& limit, const tenant::LimitRow& row);
    Result<void> enter_model(std::string_view model);
    [[nodiscard]] Error over_limit(const tenant::LimitRefusal& why);
    [[nodiscard]] static std::string_view lease_words(tenant::LeaseLack lack) noexcept;
    [[nodiscard]] Error short_of_lease(tenant::LeaseLack lack, const char* spent) noexcept;
    [[nodiscard]] size_t consumer_ix() const noexcept;
    [[nodiscard]] const tenant::BearerTerms* told_terms() const noexcept;
    [[nodiscard]] tenant::LimitRow row_of_bearer(const tenant::Limit* own) const noexcept;
    [[nodiscard]] uint64_t seen_tokens() const noexcept;
    void settle_budgets(uint64_t tokens, uint64_t untold) noexcept;
    [[nodiscard]] Money cost_of_untold(uint64_t tokens) const noexcept;
    void tell_budget_alerts() noexcept;
    void tell(tenant::AlertType type, const tenant::BudgetAlert& alert) noexcept;
    void tell_refused(const tenant::BudgetRefusal& why) noexcept;
    void tell_spent(const tenant::Budget& budget, tenant::BudgetUnit unit, tenant::BudgetPeriod period) noexcept;

    Exchange& x_;
};

}  // namespace loom::proxy
