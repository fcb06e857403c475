// Rows of the keys that send copies of requests to a shadow.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "routing.mirror.provider",
     .type = text,
     .meaning = "gets a copy of requests that are read and leave nothing behind, with its own key, names and protocol; "
                "its answers are read and thrown away. provider.NAME.weight = 0 keeps it from answering clients"},
    {.pattern = "routing.mirror.share",
     .type = share,
     .default_text = "100%",
     .meaning = "of the requests, evenly spread: what is mirrored is paid for twice"},
    {.pattern = "routing.mirror.model",
     .type = text,
     .meaning =
         "what the shadow is asked for; unset: the client's model. Models that it does not have are not mirrored"},
    {.pattern = "routing.mirror.max_in_flight",
     .type = integer,
     .default_text = "16",
     .meaning = "copies under way on each shard; further ones are dropped, and counted",
     .range = "1..10000"},
    {.pattern = "routing.mirror.max_body",
     .type = size,
     .default_text = "1MiB",
     .meaning = "requests with larger bodies are not mirrored: they are copied while they are sent",
     .range = "1KiB..32MiB"},
};

}  // namespace

std::span<const KeyRow> mirror_keys() { return rows; }

}  // namespace loom::app
