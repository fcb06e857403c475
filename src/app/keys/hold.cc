// Rows of the keys that say how long a stream's start waits, and what becomes of one that breaks behind it.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.failover.hold_tokens",
     .type = integer,
     .default_text = "0",
     .meaning =
         "so many tokens of a stream wait before the first of them leaves, so that a stream that breaks, stands "
         "still or brings an error among them is replaced as if it had never begun; about 4 bytes of text each, "
         "one at least for each event, and no more than fit 32 KiB and 512 bytes for each of them. A stream that "
         "ends earlier leaves at once; 0: the first content does",
     .range = "0..4096"},
    {.pattern = "routing.failover.hold_time",
     .type = duration,
     .default_text = "0",
     .meaning =
         "the longest that they wait, from the first of them on; 0: until there are hold_tokens. A stream that stands "
         "still is only known by timeout.inter_event: with a shorter hold_time it has left by then",
     .range = "0..1m"},
    {.pattern = "routing.failover.continuation",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: a stream of text that breaks when its client has a part of it goes on with another provider, which "
         "is shown what was said and asked for the rest. For streams of chat completions, messages and "
         "streamGenerateContent, and of responses where they are translated; not with tools called, thinking "
         "that has not ended, several choices, JSON asked for or logprobs: those end with an error event. Requests' "
         "bodies are kept until their streams end. Experimental: a provider may repeat what cannot be told from new"},
    {.pattern = "routing.failover.continuation_max",
     .type = size,
     .default_text = "256KiB",
     .meaning = "how much text of a stream is kept for that; a longer one cannot go on",
     .range = "1KiB..16MiB"},
};

}  // namespace

std::span<const KeyRow> hold_keys() { return rows; }

}  // namespace loom::app
