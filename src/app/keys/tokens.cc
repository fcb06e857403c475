// Rows of the keys that say how tokens are counted, and how many one request may take.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr const char* cap_range = "0..1000000000";

constexpr KeyRow rows[] = {
    {.pattern = "security.max_tokens_per_request",
     .type = integer,
     .meaning =
         "tokens of a request's prompt and answer together: a longer prompt is refused with 400, and its answer is "
         "bounded by what is left, whether the client asks for more or says nothing. 0: any number",
     .range = cap_range},
    {.pattern = "security.max_tokens_policy",
     .type = choice,
     .default_text = "clamp",
     .meaning =
         "of a request that asks for a longer answer than it may have: clamp lowers its max_tokens, refuse answers "
         "400. One that says no bound is given one either way",
     .choices = "clamp|refuse"},
    {.pattern = "rate_limit.tier.<name>.max_tokens_per_request",
     .type = integer,
     .meaning =
         "security.max_tokens_per_request of each consumer of this tier; the smallest that a request is under counts",
     .range = cap_range},
    {.pattern = "rate_limit.consumer.<name>.max_tokens_per_request",
     .type = integer,
     .meaning = "the same of this consumer",
     .range = cap_range},
    {.pattern = "rate_limit.route.<name>.max_tokens_per_request",
     .type = integer,
     .meaning = "the same of this route's requests",
     .range = cap_range},
    {.pattern = "context_window.on_overflow",
     .type = choice,
     .default_text = "serve",
     .meaning = "of a chat whose prompt, and what is left for its answer, is more than the context of its model at all "
                "who have it (provider.<name>.context_length, .model.<model>.context_length): serve sends it as it is; "
                "refuse answers 400 (context_length_exceeded), before a model stands in; flag sends it, and its answer "
                "says x-loom-context-overflow; trim leaves out its oldest turns until it fits, "
                "x-loom-context-trimmed says how many messages, and refuses where that does not do. Prompts are "
                "counted as for limits (tokenizer.<name>.path), else estimated",
     .choices = "serve|refuse|flag|trim"},
    {.pattern = "context_window.answer_tokens",
     .type = integer,
     .default_text = "1024",
     .meaning = "what is left for the answer of a request that does not say how long it may be; else that is",
     .range = "0..10000000"},
    {.pattern = "route.<name>.context_window.on_overflow",
     .type = choice,
     .meaning = "of this route, in place of context_window.on_overflow",
     .choices = "serve|refuse|flag|trim"},
    {.pattern = "tokenizer.<name>.path",
     .type = path,
     .meaning =
         "tiktoken's rank file of a family of models (scripts/fetch-tokenizer brings those of cl100k_base and "
         "o200k_base): their prompts are counted exactly where they are admitted, and their streams where no usage "
         "is told. Without one a prompt's text is estimated, and a stream is a token for each event or its text's "
         "estimate, whichever is more"},
    {.pattern = "tokenizer.<name>.pattern",
     .type = choice,
     .default_text = "",
     .meaning = "how the family splits text; needed where its name is neither",
     .choices = "cl100k_base|o200k_base"},
    {.pattern = "tokenizer.<name>.models",
     .type = list,
     .meaning =
         "models of the family beside those of OpenAI's whose names are known, `llama-3*`: as clients name them, a "
         "star at the end stands for anything"},
};

}  // namespace

std::span<const KeyRow> token_keys() { return rows; }

}  // namespace loom::app
