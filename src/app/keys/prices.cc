// Rows of the keys that say what models cost, of the conf and of the shipped table.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "prices.path",
     .type = path,
     .default_text = "prices.conf",
     .meaning =
         "the table of models' prices, beside this file if it is relative. It is asked where neither price.* nor "
         "provider.NAME.cost.* tells a price; where the key is not set, it may be missing"},
    {.pattern = "provider.<name>.cost.input_per_1k",
     .type = decimal,
     .meaning = "the price of 1000 input tokens of any model of this provider that has no price of its "
                "own"},
    {.pattern = "provider.<name>.cost.input_per_1m", .type = decimal, .meaning = "the same of 1000000 tokens"},
    {.pattern = "provider.<name>.cost.output_per_1k", .type = decimal, .meaning = "the price of 1000 output tokens"},
    {.pattern = "provider.<name>.cost.output_per_1m", .type = decimal, .meaning = "the same of 1000000 tokens"},
    {.pattern = "provider.<name>.cost.cached_input_per_1k",
     .type = decimal,
     .meaning = "the price of 1000 input tokens read from the prompt cache; unset: as other input"},
    {.pattern = "provider.<name>.cost.cached_input_per_1m", .type = decimal, .meaning = "the same of 1000000 tokens"},
    {.pattern = "provider.<name>.cost.per_request",
     .type = decimal,
     .meaning = "the price of each answer, beside its tokens"},
    {.pattern = "routing.provider.<name>.cost.input_per_1k",
     .type = decimal,
     .alias_of = "provider.<name>.cost.input_per_1k"},
    {.pattern = "routing.provider.<name>.cost.output_per_1k",
     .type = decimal,
     .alias_of = "provider.<name>.cost.output_per_1k"},
    {.pattern = "routing.provider.<name>.cost_per_1k_input",
     .type = decimal,
     .alias_of = "provider.<name>.cost.input_per_1k"},
    {.pattern = "routing.provider.<name>.cost_per_1k_output",
     .type = decimal,
     .alias_of = "provider.<name>.cost.output_per_1k"},
};

constexpr KeyRow model_rows[] = {
    {.pattern = "price.<model>.input_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 input tokens of the model, in any one currency (the shipped table: "
                "US dollars). A name may stand for one provider alone, PROVIDER/MODEL; one without a date "
                "is good for all its dates"},
    {.pattern = "price.<model>.input_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.output_per_1m", .type = decimal, .meaning = "the price of 1000000 output tokens"},
    {.pattern = "price.<model>.output_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.cached_input_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 input tokens read from the prompt cache; unset: as other input"},
    {.pattern = "price.<model>.cached_input_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.cache_write_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 input tokens written to the prompt cache; unset: as other input"},
    {.pattern = "price.<model>.cache_write_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.cache_write_1h_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 of those that are kept for an hour; unset: as others that are "
                "written"},
    {.pattern = "price.<model>.cache_write_1h_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.reasoning_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 output tokens of reasoning; unset: as other output"},
    {.pattern = "price.<model>.reasoning_per_1k", .type = decimal, .meaning = "the same of 1000 tokens"},
    {.pattern = "price.<model>.per_request", .type = decimal, .meaning = "the price of each answer, beside its tokens"},
    {.pattern = "price.<model>.long_above",
     .type = integer,
     .meaning = "a request whose prompt has more tokens is billed at the prices below, all of it",
     .range = "1..1000000000"},
    {.pattern = "price.<model>.long_input_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 input tokens of such a request"},
    {.pattern = "price.<model>.long_output_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 output tokens of such a request"},
    {.pattern = "price.<model>.long_cached_input_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 of its input tokens read from the prompt cache"},
    {.pattern = "price.<model>.long_cache_write_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 of its input tokens written to the prompt cache"},
    {.pattern = "price.<model>.long_cache_write_1h_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 of those that are kept for an hour"},
    {.pattern = "price.<model>.long_reasoning_per_1m",
     .type = decimal,
     .meaning = "the price of 1000000 of its output tokens of reasoning"},
};

constexpr KeyRow table_rows[] = {
    {.pattern = "table.<name>.as_of",
     .type = text,
     .meaning = "when the prices for this type of provider were looked up: 2026-11-21"},
    {.pattern = "table.<name>.source", .type = text, .meaning = "the page that tells them"},
};

}  // namespace

std::span<const KeyRow> price_keys() { return rows; }

std::span<const KeyRow> model_price_keys() { return model_rows; }

std::span<const KeyRow> price_table_keys() { return table_rows; }

}  // namespace loom::app
