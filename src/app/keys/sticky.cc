// Rows of the keys that keep requests of one client, user or conversation at one provider.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.sticky",
     .type = text,
     .default_text = "off",
     .meaning =
         "off, ip, cookie:NAME, header:NAME, user or prompt_prefix: requests of the same go to the same provider while "
         "it is well, each having its weight's share of all. user: the request's user, safety_identifier or "
         "metadata.user_id, else the consumer; prompt_prefix: its prompt_cache_key, else a hash of the tools, the "
         "system prompt and the first user's message, so that a conversation finds its prompt cached. Among those that "
         "the strategy takes first: priority, those of one number; cost, the cheapest; latency, those within half "
         "again of the fastest; the others, all"},
    {.pattern = "route.<name>.sticky", .type = text, .meaning = "of this route, in place of routing.sticky"},
    {.pattern = "routing.sticky.load_factor",
     .type = decimal,
     .default_text = "1.25",
     .meaning = "a provider with more than this times its weight's share of the requests under way is passed over: "
                "less spreads better, more keeps more prompts cached; from 1 to 100"},
    {.pattern = "routing.sticky.prefix_bytes",
     .type = size,
     .default_text = "64KiB",
     .meaning = "how much of a prompt's beginning tells its conversation (prompt_prefix): less lets all that share a "
                "long system prompt share a provider",
     .range = "256B..16MiB"},
    {.pattern = "routing.sticky.prompt_cache_key",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: chat and Responses requests that go on to a provider of type openai in their own words get a "
                "prompt_cache_key where they have none, the same for all turns of a conversation"},
};

}  // namespace

std::span<const KeyRow> sticky_keys() { return rows; }

}  // namespace loom::app
