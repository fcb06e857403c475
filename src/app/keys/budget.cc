// Rows of the keys that say what may be spent by the calendar.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr const char* tokens_range = "0..1000000000000000";

constexpr KeyRow tokens(const char* pattern, const char* meaning) {
    return {.pattern = pattern, .type = integer, .meaning = meaning, .range = tokens_range};
}
constexpr KeyRow money(const char* pattern, const char* meaning) {
    return {.pattern = pattern, .type = text, .meaning = meaning};
}
constexpr KeyRow alert(const char* pattern) {
    return {.pattern = pattern,
            .type = list,
            .meaning =
                "shares of each limit and budget above, `80%, 95%`: the first to reach one says so in the log "
                "and in loom_ai_budget_alerts_total, once in each period"};
}

constexpr KeyRow rows[] = {
    tokens("token_accounting.limit.<name>.daily_limit",
           "tokens of prompts and answers that this consumer may take in a day of UTC. What a request is expected to "
           "take is held when it is admitted, and what it took is booked at its end. Who is over it gets 429 with "
           "insufficient_quota, and Retry-After the day's end. 0: no limit"),
    tokens("token_accounting.limit.<name>.weekly_limit", "the same in a week, which begins on Monday"),
    tokens("token_accounting.limit.<name>.monthly_limit", "the same in a month of the calendar"),
    money("token_accounting.limit.<name>.budget.daily",
          "what this consumer may spend in a day of UTC, `$5.00`, in the currency that prices are told in. Of a model "
          "without a price nothing counts. 0: no budget"),
    money("token_accounting.limit.<name>.budget.weekly", "the same in a week, which begins on Monday"),
    money("token_accounting.limit.<name>.budget.monthly", "the same in a month of the calendar"),
    alert("token_accounting.limit.<name>.alert"),
    {.pattern = "token_accounting.on_budget_spent",
     .type = choice,
     .default_text = "stop",
     .meaning = "of a stream that outgrows what its budgets have left: stop ends it as if its model had reached "
                "max_tokens, with the usage as it was counted; serve lets it go on, and books what it takes beyond",
     .choices = "stop|serve"},
    {.pattern = "token_accounting.on_store_lost",
     .type = choice,
     .default_text = "fail_closed",
     .meaning =
         "where token_accounting.store.type = redis, these limits and budgets are one for all Looms, each of which "
         "has a lease of them. While Redis does not answer for a second: fail_closed, and what is leased here is "
         "used until its period ends; more is refused with 503, or fail_open, and each Loom counts what it has "
         "used itself",
     .choices = "fail_open|fail_closed"},
    tokens("token_accounting.team.<name>.daily_limit", "tokens in a day of this team's consumers together"),
    tokens("token_accounting.team.<name>.weekly_limit", "the same in a week"),
    tokens("token_accounting.team.<name>.monthly_limit", "the same in a month"),
    money("token_accounting.team.<name>.budget.daily", "what this team's consumers together may spend in a day"),
    money("token_accounting.team.<name>.budget.weekly", "the same in a week"),
    money("token_accounting.team.<name>.budget.monthly", "the same in a month"),
    alert("token_accounting.team.<name>.alert"),
    tokens("token_accounting.tier.<name>.daily_limit",
           "tokens in a day of each consumer of this tier (consumer.NAME.tier); what token_accounting.limit.NAME says "
           "of a consumer goes before it, number by number. Of consumers that only tokens name none counts"),
    tokens("token_accounting.tier.<name>.weekly_limit", "the same in a week"),
    tokens("token_accounting.tier.<name>.monthly_limit", "the same in a month"),
    money("token_accounting.tier.<name>.budget.daily", "what each consumer of this tier may spend in a day"),
    money("token_accounting.tier.<name>.budget.weekly", "the same in a week"),
    money("token_accounting.tier.<name>.budget.monthly", "the same in a month"),
    alert("token_accounting.tier.<name>.alert"),
    tokens("token_accounting.project.<name>.daily_limit",
           "tokens in a day of this project's consumers together (consumer.NAME.project). Each tenant's project of "
           "this name has as many of its own"),
    tokens("token_accounting.project.<name>.weekly_limit", "the same in a week"),
    tokens("token_accounting.project.<name>.monthly_limit", "the same in a month"),
    money("token_accounting.project.<name>.budget.daily", "what this project's consumers together may spend in a day"),
    money("token_accounting.project.<name>.budget.weekly", "the same in a week"),
    money("token_accounting.project.<name>.budget.monthly", "the same in a month"),
    alert("token_accounting.project.<name>.alert"),
    tokens("token_accounting.tenant.<name>.daily_limit",
           "tokens in a day of this tenant's consumers together (consumer.NAME.tenant), whatever their teams and "
           "projects"),
    tokens("token_accounting.tenant.<name>.weekly_limit", "the same in a week"),
    tokens("token_accounting.tenant.<name>.monthly_limit", "the same in a month"),
    money("token_accounting.tenant.<name>.budget.daily", "what this tenant's consumers together may spend in a day"),
    money("token_accounting.tenant.<name>.budget.weekly", "the same in a week"),
    money("token_accounting.tenant.<name>.budget.monthly", "the same in a month"),
    alert("token_accounting.tenant.<name>.alert"),
    tokens("token_accounting.route.<name>.daily_limit", "tokens in a day of all clients on this route"),
    tokens("token_accounting.route.<name>.weekly_limit", "the same in a week"),
    tokens("token_accounting.route.<name>.monthly_limit", "the same in a month"),
    money("token_accounting.route.<name>.budget.daily", "what all clients may spend on this route in a day"),
    money("token_accounting.route.<name>.budget.weekly", "the same in a week"),
    money("token_accounting.route.<name>.budget.monthly", "the same in a month"),
    alert("token_accounting.route.<name>.alert"),
    tokens("token_accounting.model.<model>.daily_limit",
           "tokens in a day of all clients for this model, as they name it: whichever model answers in its place, by "
           "an alias, an experiment, a rule or model_fallback, what it takes is this one's. Sessions of transcription, "
           "which "
           "name their model later, are on no model's budget"),
    tokens("token_accounting.model.<model>.weekly_limit", "the same in a week"),
    tokens("token_accounting.model.<model>.monthly_limit", "the same in a month"),
    money("token_accounting.model.<model>.budget.daily", "what all clients may spend for this model in a day"),
    money("token_accounting.model.<model>.budget.weekly", "the same in a week"),
    money("token_accounting.model.<model>.budget.monthly", "the same in a month"),
    alert("token_accounting.model.<model>.alert"),
    tokens("token_accounting.global.daily_limit", "tokens in a day of all clients together"),
    tokens("token_accounting.global.weekly_limit", "the same in a week"),
    tokens("token_accounting.global.monthly_limit", "the same in a month"),
    money("token_accounting.global.budget.daily", "what all clients together may spend in a day"),
    money("token_accounting.global.budget.weekly", "the same in a week"),
    money("token_accounting.global.budget.monthly", "the same in a month"),
    alert("token_accounting.global.alert"),
};

}  // namespace

std::span<const KeyRow> budget_keys() { return rows; }

}  // namespace loom::app
