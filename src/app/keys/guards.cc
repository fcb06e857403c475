// Rows of the keys of guards that stand outside of Loom.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "security.guard.<name>.url",
     .type = text,
     .meaning = "where a guard of somebody else's is asked about the texts of each request that a route guards "
                "(route.<name>.security), behind Loom's own: what those have masked it does not see. All guards are "
                "asked at the same time, and the request waits for the slowest. http:// or https://, with its path: "
                "https://api.openai.com/v1/moderations"},
    {.pattern = "security.guard.<name>.type",
     .type = choice,
     .default_text = "webhook",
     .meaning = "what it is asked, and how it answers. moderations: as OpenAI's; webhook: README says how, for a "
                "service of one's own or an adapter in front of another",
     .choices = "moderations|webhook"},
    {.pattern = "security.guard.<name>.key",
     .type = secret,
     .meaning = "shown to it as a bearer token (authorization: Bearer KEY)"},
    {.pattern = "security.guard.<name>.tls.ca_file",
     .type = path,
     .meaning = "authorities for its server, as provider.<name>.tls.ca_file"},
    {.pattern = "security.guard.<name>.timeout",
     .type = duration,
     .default_text = "2s",
     .meaning = "that a request waits for its answer, connecting and all; then it has failed",
     .range = "50ms..30s"},
    {.pattern = "security.guard.<name>.on_failure",
     .type = choice,
     .default_text = "closed",
     .meaning = "where it does not answer, or with something that is no answer, or may not be asked. closed: the "
                "request is refused with 503; open: it goes on without its verdict. Where it has said what to mask, "
                "and there is no memory to mask it, the request is refused either way",
     .choices = "open|closed"},
    {.pattern = "security.guard.<name>.action",
     .type = choice,
     .default_text = "block",
     .meaning =
         "block: what it says is done: a request is refused with 400, or goes on with what it names masked; log: "
         "verdicts and failures are counted alone, and the request waits all the same",
     .choices = "block|log"},
    {.pattern = "security.guard.<name>.model",
     .type = text,
     .default_text = "omni-moderation-latest",
     .meaning = "of moderations: the model that is asked"},
    {.pattern = "security.guard.<name>.categories",
     .type = list,
     .meaning = "of moderations: the categories whose flags count: hate, self-harm/intent. Unset: whatever is flagged, "
                "or where there are thresholds every flag"},
    {.pattern = "security.guard.<name>.thresholds",
     .type = list,
     .meaning = "of moderations: scores that count in place of their category's flag: violence:0.8, harassment:0.95"},
    {.pattern = "security.guard.<name>.max_text",
     .type = size,
     .default_text = "256KiB",
     .meaning =
         "the most text of one request that it is sent, whole: where there is more it is not asked, and has "
         "failed. 2048 texts at most, and 1024 of moderations, whose answer has a result for each. In JSON it may take "
         "twice that and 128 KiB: control characters but breaks and tabs take six bytes there",
     .range = "1KiB..4MiB"},
    {.pattern = "security.guard.<name>.max_in_flight",
     .type = integer,
     .default_text = "32",
     .meaning =
         "requests of each shard that wait for it at once; for more it has failed. Of moderations, four of those "
         "at most may have more than 256 texts",
     .range = "1..256"},
    {.pattern = "security.guard.<name>.rest",
     .type = duration,
     .default_text = "10s",
     .meaning = "that it is not asked, and has failed at once, after five failures in a row: it cannot be reached, is "
                "late, answers with 401, 403, 429 or 5xx, or with no JSON; then one request tries it again",
     .range = "100ms..10m"},
};

}  // namespace

std::span<const KeyRow> guard_keys() { return rows; }

}  // namespace loom::app
