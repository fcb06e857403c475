// Rows of the keys of active health checks.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "provider.<name>.health_check.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: it is asked now and then for something that costs nothing, never for a completion. Whoever fails "
                "twice in a row, or refuses the key, gets no requests until it does well again"},
    {.pattern = "provider.<name>.health_check.interval",
     .type = duration,
     .default_text = "30s",
     .meaning =
         "between two checks of each base_url with each api_key, a tenth more or less; a first failure is looked "
         "at again after a second",
     .range = "100ms..1h"},
    {.pattern = "provider.<name>.health_check.timeout",
     .type = duration,
     .default_text = "5s",
     .meaning = "of a check, from connecting to the end of its answer",
     .range = "10ms..1m"},
    {.pattern = "provider.<name>.health_check.endpoint",
     .type = text,
     .meaning = "a path for GET, from the origin of base_url: /v1/models. Unset: the provider's list of models; vertex "
                "and bedrock have none, and any answer of theirs will do"},
    {.pattern = "routing.provider.<name>.health_check.enabled",
     .type = boolean,
     .alias_of = "provider.<name>.health_check.enabled"},
    {.pattern = "routing.provider.<name>.health_check.interval",
     .type = duration,
     .alias_of = "provider.<name>.health_check.interval"},
    {.pattern = "routing.provider.<name>.health_check.timeout",
     .type = duration,
     .alias_of = "provider.<name>.health_check.timeout"},
    {.pattern = "routing.provider.<name>.health_check.endpoint",
     .type = text,
     .alias_of = "provider.<name>.health_check.endpoint"},
};

}  // namespace

std::span<const KeyRow> health_keys() { return rows; }

}  // namespace loom::app
