// Rows of the keys that keep answers for who asks the same again.
#include "keys/keys.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow rows[] = {
    {.pattern = "cache.exact.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: the answer to a request is kept in memory, and given again to who asks the same: the same model, "
         "messages, tools and parameters, whatever the order of the document's top level, white space, stream "
         "and user. Kept are whole answers with status 200 that say themselves why they ended (not at a limit "
         "or a filter). Never asked or kept: requests with tools that the provider runs itself, stored or "
         "earlier responses, and legacy completions. A client says cache-control: no-store | no-cache | "
         "max-age | only-if-cached, or x-loom-cache: bypass | refresh | only; answers say x-loom-cache: hit | "
         "miss | bypass | stale. Access, limits and budgets come before: whose budget is spent gets no kept answer "
         "either; a hit itself costs nothing and takes no tokens. Not told apart is what a provider looks up "
         "by itself for some of its models: switch those routes off (route.NAME.cache)"},
    {.pattern = "cache.exact.max_size",
     .type = size,
     .default_text = "64MiB",
     .meaning = "what all answers and their index take, in the process; each shard has its part. A change empties it",
     .range = "1MiB..1TiB"},
    {.pattern = "cache.exact.max_entry",
     .type = size,
     .default_text = "1MiB",
     .meaning = "larger answers are not kept",
     .range = "1KiB..64MiB"},
    {.pattern = "cache.exact.ttl",
     .type = duration,
     .default_text = "1h",
     .meaning = "how long an answer is given again, less up to a tenth, so that not all end at once",
     .range = "1ms.."},
    {.pattern = "cache.exact.stale",
     .type = duration,
     .default_text = "0s",
     .meaning = "how long it is kept beyond that, and given (x-loom-cache: stale) where no provider has answered, or "
                "all with 429 or 5xx; 0: "
                "not at all"},
    {.pattern = "cache.exact.scope",
     .type = choice,
     .default_text = "tenant",
     .meaning = "for whom an answer is good: the consumers of one tenant (consumer.NAME.tenant; without one, each for "
                "itself), each consumer, or all alike. Where stored things are told apart (route.NAME.passthrough), "
                "and for nearly the same (semantic_cache.enabled), shared is as tenant",
     .choices = "tenant|consumer|shared"},
    {.pattern = "cache.exact.single_flight",
     .type = duration,
     .default_text = "5s",
     .meaning = "how long a request waits for the answer to the same one that is under way, before it asks itself; 0: "
                "each asks for itself"},
    {.pattern = "cache.snapshot",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: what is kept, nearly the same too, outlives a restart: it is written to the folder cache of "
                "state.directory (encrypted where state.encryption_key is set) each cache.snapshot_interval and when "
                "Loom stops, and read beside the first requests. Prompts and answers then lie on the disk. What is "
                "damaged, of another version, embedder or key is set aside as NAME.refused, and the cache begins "
                "empty. A purge removes the files. One Loom for a state.directory. off: files that are there are "
                "removed at the start",
     .change = KeyChange::restart},
    {.pattern = "cache.snapshot_interval",
     .type = duration,
     .default_text = "5m",
     .meaning = "how often it is written, where anything has come to it; what came since is lost when Loom is killed",
     .change = KeyChange::restart,
     .range = "1s..30d"},
    {.pattern = "route.<name>.cache",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: nothing of this route is kept, or given again, and what clients say of caches (only-if-cached "
                "too) is not heard there"},
    {.pattern = "semantic_cache.enabled",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: who asks nearly the same gets the answer that is kept, where cache.exact (which works then with its "
         "own keys, whether it is enabled or not) has none. Nearly: the last message is one text of the user's, and "
         "only that differs; all else is the same as cache.exact has it (model, system prompt, tools, parameters, "
         "earlier turns, whose it is); the texts are similarity_threshold near; and nothing that changes an answer "
         "stands in "
         "one alone (numbers, names, negations, opposites, code, language ...: the metric "
         "loom_ai_cache_vetoes_total tells which). Answers say x-loom-cache: semantic, x-loom-cache-similarity, age, "
         "and in x-loom-cache-key the entry's key, for a purge. It is looked for on a thread beside the shards; what "
         "takes longer than 100 ms is a miss. Texts are compared up to 8 KiB, of requests up to 256 KiB"},
    {.pattern = "semantic_cache.similarity_threshold",
     .type = share,
     .default_text = "0.95",
     .meaning = "a hit is at least as near: the cosine of the texts' embeddings. Lower finds more, and leaves more to "
                "the comparison of the texts"},
    {.pattern = "semantic_cache.ttl",
     .type = duration,
     .default_text = "1h",
     .meaning = "how long an answer is given to nearly the same requests. The same request is one of them: it is given "
                "its answer for this or for cache.exact.ttl, whichever is longer. A change empties it",
     .range = "1ms.."},
    {.pattern = "semantic_cache.max_size",
     .type = size,
     .default_text = "64MiB",
     .meaning = "what vectors, texts, answers and their index take, in the process; where it is full, what is oldest "
                "goes, up to an eighth of it at once. A change empties it",
     .range = "1MiB..1TiB"},
    {.pattern = "semantic_cache.shadow",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: it is looked up and counted (loom_ai_cache_semantic_would_hit_total, loom_ai_cache_similarity), "
         "nobody waits for it, and nobody is given anything of it. cache.exact, which it works with, gives what it "
         "has, and so must be enabled"},
    {.pattern = "semantic_cache.embedding.provider",
     .type = text,
     .default_text = "local",
     .meaning =
         "local: in the process, by the words of the texts, or by the model in semantic_cache.embedding.model_path. Or "
         "a provider of this conf (provider.NAME), which is asked for the vector of each text that was not asked for "
         "of late, in its own protocol, with its keys: OpenAI's and all that speak like it, Azure, Cohere, Gemini, "
         "Vertex, Titan and Cohere on Bedrock. What it costs is booked to whoever asks. A text goes there as the "
         "guards have left it, and never out of its request's regions (.require_region) or to whom its rule does not "
         "name; without a vector a request is a miss. A provider that fails three times in a row rests, 1 s at first "
         "and 30 s at most; where it has one base URL and one key, after one 429 as well; and for as long as a 429 "
         "says, 60 s at most. Each embedder wants a similarity_threshold of its own. A change empties the index"},
    {.pattern = "semantic_cache.embedding.model",
     .type = text,
     .meaning = "the provider's model that makes vectors, such as text-embedding-3-small: its own name, or one that is "
                "mapped to it. A change empties the index"},
    {.pattern = "semantic_cache.embedding.dimensions",
     .type = integer,
     .default_text = "0",
     .meaning = "how long the vectors are that the provider is asked for (text-embedding-3, Gemini and others can make "
                "shorter ones: less memory, less to compare); another length is refused. 0: the model's own, from 8 to "
                "4096. A change empties the index",
     .range = "0..4096"},
    {.pattern = "semantic_cache.embedding.timeout",
     .type = duration,
     .default_text = "500ms",
     .meaning = "how long a request waits for the provider's vector; later it is a miss, and its answer is not kept "
                "for others' words. A vector that comes late all the same is there for the next who asks",
     .range = "1ms..10s"},
    {.pattern = "semantic_cache.embedding.model_path",
     .type = path,
     .meaning = "a folder with a sentence model, as sentence-transformers keeps it (config.json, vocab.txt, "
                "model.safetensors): texts are near if they mean the same. scripts/fetch-embedder brings one. Unset: "
                "they are near if they share words, with no file and no model",
     .change = KeyChange::restart},
};

}  // namespace

std::span<const KeyRow> cache_keys() { return rows; }

}  // namespace loom::app
