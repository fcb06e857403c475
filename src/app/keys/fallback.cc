// Rows of the keys that say which model stands in for one that cannot take a request.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.fallback.context_window",
     .type = text,
     .meaning =
         "the model that is asked where a provider says that the prompt does not fit another's context. It needs "
         "routing.failover.enabled; unset: the client gets the refusal"},
    {.pattern = "routing.fallback.content_policy",
     .type = text,
     .meaning = "the model that is asked where a provider's filter of contents refuses the prompt"},
    {.pattern = "routing.fallback.budget",
     .type = text,
     .meaning =
         "the model that is asked where a budget of money (token_accounting.*.budget.*) does not do for another: a "
         "cheaper one, or one without a price, for chats alone. It needs no failover; unset: the client gets a 429"},
    {.pattern = "model_fallback.<model>.context_window",
     .type = text,
     .meaning = "of this model, in place of routing.fallback.context_window"},
    {.pattern = "model_fallback.<model>.content_policy",
     .type = text,
     .meaning = "of this model, in place of routing.fallback.content_policy"},
    {.pattern = "model_fallback.<model>.budget",
     .type = text,
     .meaning = "of this model, in place of routing.fallback.budget"},
};

}  // namespace

std::span<const KeyRow> fallback_keys() { return rows; }

}  // namespace loom::app
