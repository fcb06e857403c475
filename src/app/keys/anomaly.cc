// Rows of the keys that say which sudden changes are told.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "alerts.anomaly.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: what each consumer usually does is learned, and sudden changes are told: in the log (ten lines in ten "
         "seconds), in loom_anomaly_alerts_total, and to alerts.webhook.url. What is learned is kept in "
         "state.directory "
         "(anomaly.db), if there is one",
     .change = KeyChange::restart},
    {.pattern = "alerts.anomaly.kinds",
     .type = list,
     .default_text = "spend, errors, addresses, models, hours",
     .meaning =
         "what is looked for: tokens and money of a window; the share of its requests that fail, by the client's "
         "fault or without it; a network (/24, /64) or a model that the consumer never used; work at an hour of "
         "the day at which it rests",
     .change = KeyChange::restart,
     .choices = "spend|errors|addresses|models|hours"},
    {.pattern = "alerts.anomaly.window",
     .type = duration,
     .default_text = "1h",
     .meaning = "what is spent and what fails is summed up in windows of this length, and a window is told of as soon "
                "as it has more than is usual. A shorter one is sooner, and sees less of a slow change. Another length "
                "is learned anew",
     .change = KeyChange::restart,
     .range = "1s..1h"},
    {.pattern = "alerts.anomaly.learning",
     .type = duration,
     .default_text = "14d",
     .meaning = "how long a consumer is looked at before anything of it is told; two weeks, since weekends are unlike "
                "other days. And nothing is told of one before it was active, since half of that time, in one of 28 of "
                "the windows that this time has: 12 by default",
     .change = KeyChange::restart,
     .range = "1s..90d"},
    {.pattern = "alerts.anomaly.factor",
     .type = decimal,
     .default_text = "3",
     .meaning = "so many times what a consumer usually spends at most in such an hour, or what usually fails, is told; "
                "of one that works in bursts up to twice as much. Lower tells more, and more that is nothing",
     .change = KeyChange::restart},
    {.pattern = "alerts.anomaly.repeat",
     .type = duration,
     .default_text = "1d",
     .meaning = "a change of one consumer and kind is told again so much later at the earliest, and once it was over",
     .change = KeyChange::restart,
     .range = "1s..30d"},
    {.pattern = "alerts.anomaly.floor.tokens",
     .type = integer,
     .default_text = "100000",
     .meaning = "of fewer tokens in a window nothing is told, whatever is usual; its largest request is left out",
     .change = KeyChange::restart,
     .range = "0..1000000000000"},
    {.pattern = "alerts.anomaly.floor.money",
     .type = text,
     .default_text = "$5",
     .meaning = "the same of money, in the currency that prices are told in",
     .change = KeyChange::restart},
    {.pattern = "alerts.anomaly.floor.requests",
     .type = integer,
     .default_text = "20",
     .meaning = "of a window with fewer requests nothing is told of errors and hours",
     .change = KeyChange::restart,
     .range = "1..1000000"},
    {.pattern = "alerts.anomaly.consumers",
     .type = integer,
     .default_text = "1000",
     .meaning = "that are looked at each by itself, at 4 KiB each, and twice as much again while it is written to the "
                "disk; others are seen "
                "in the sum of all (loom_anomaly_unwatched_total). Who does nothing for 90 days makes room",
     .change = KeyChange::restart,
     .range = "1..100000"},
};

}  // namespace

std::span<const KeyRow> anomaly_keys() { return rows; }

}  // namespace loom::app
