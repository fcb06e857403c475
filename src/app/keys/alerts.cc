// Rows of the keys that say where events are told.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "alerts.webhook.url",
     .type = secret,
     .meaning = "where events are told by a POST of JSON, https:// or http://: shares of limits and budgets that are "
                "reached (token_accounting.*.alert), those that are spent, and sudden changes (alerts.anomaly.*). One "
                "that is not taken (2xx) is told "
                "again, with the same id. Unset: nowhere"},
    {.pattern = "alerts.webhook.secret",
     .type = secret,
     .meaning = "what events are signed with, as Standard Webhooks has it (webhook-id, webhook-timestamp, "
                "webhook-signature: HMAC-SHA256): whsec_ and Base64, or a text of 24 bytes or more. Unset: they are "
                "not signed"},
    {.pattern = "alerts.webhook.header.<header>", .type = secret, .meaning = "a header of each of these requests"},
    {.pattern = "alerts.webhook.timeout",
     .type = duration,
     .default_text = "10s",
     .meaning = "of an attempt, from connecting to the end of its answer",
     .range = "100ms..1m"},
    {.pattern = "alerts.webhook.retry_for",
     .type = duration,
     .default_text = "1h",
     .meaning = "how long an event is tried again, with pauses that grow to a minute, or as long as a 429 or 503 asks "
                "for (Retry-After, 15 minutes at most); then it is dropped (loom_alerts_dropped_total)",
     .range = "0..7d"},
    {.pattern = "alerts.webhook.queue",
     .type = integer,
     .default_text = "1000",
     .meaning = "events that may wait to be told; what comes beyond is dropped, and counted",
     .range = "1..100000"},
    {.pattern = "alerts.webhook.tls.ca_file",
     .type = path,
     .meaning = "authorities for the webhook's server, as provider.<name>.tls.ca_file"},
};

}  // namespace

std::span<const KeyRow> alert_keys() { return rows; }

}  // namespace loom::app
