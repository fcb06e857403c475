// Rows of the keys of this version, a table for each folder that owns them.
#include "keys/keys.h"

#include "loom/config/keys.h"
#include "loom/llm/protocol.h"

namespace loom::app {

namespace {

using enum KeyType;

constexpr KeyRow app_rows[] = {
    {.pattern = "ai_gateway.enabled",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: routes with ai_gateway = on answer 404, plain routes go on"},
    {.pattern = "health.path",
     .type = text,
     .default_text = "/healthz",
     .meaning = "answered on the main listeners too, without a key, for balancers; empty: not there"},
    {.pattern = "timeout.drain",
     .type = duration,
     .default_text = "30s",
     .meaning = "how long SIGTERM waits for requests in flight; longer spares streams, shorter restarts sooner"},
    {.pattern = "state.directory",
     .type = path,
     .meaning = "where is kept what outlives a restart: whose the files, batches and stored responses at providers are "
                "(resources.db), and what is used (token_accounting.enabled). Made with mode 0700 where it is missing; "
                "unset: kept in memory, and lost",
     .change = KeyChange::restart},
    {.pattern = "state.encryption_key",
     .type = secret,
     .meaning = "encrypts what is in state.directory: 32 random bytes as 64 hexadecimal digits or base64, such as "
                "${file:/run/secrets/loom_state}; `openssl rand -hex 32` makes one. Without it nothing there can be "
                "read. A directory that holds something goes over by `loom state encrypt FILE`, back by `decrypt`, to "
                "another key by `rekey`",
     .change = KeyChange::restart},
    {.pattern = "state.resources.count_max",
     .type = integer,
     .default_text = "1000000",
     .meaning = "ids of such things that are kept, 200 bytes each; above it the oldest of the tenant that has the most "
                "are forgotten, and then not found. Without state.directory 50000 at most",
     .change = KeyChange::restart,
     .range = "1000..1000000000"},
    {.pattern = "state.resources.max_age",
     .type = duration,
     .default_text = "0",
     .meaning = "ids are forgotten so long after they were made; 0: never",
     .change = KeyChange::restart},
};

constexpr KeyRow admin_rows[] = {
    {.pattern = "admin.listen",
     .type = address,
     .default_text = "127.0.0.1:9091",
     .meaning = "metrics, health and the admin API; off loopback it needs admin.token",
     .change = KeyChange::restart,
     .choices = "off"},
    {.pattern = "admin.share_address",
     .type = boolean,
     .default_text = "off",
     .meaning = "as listener.<name>.share_address; who asks then meets either process",
     .change = KeyChange::restart},
    {.pattern = "admin.token",
     .type = secret,
     .meaning = "what `Authorization: Bearer` must carry on the admin listener",
     .change = KeyChange::restart},
    {.pattern = "admin.read_token",
     .type = secret,
     .meaning = "another that reads everything there and changes nothing: for who scrapes metrics",
     .change = KeyChange::restart},
};

constexpr KeyRow io_rows[] = {
    {.pattern = "loop.shards",
     .type = integer,
     .default_text = "auto",
     .meaning = "threads, each with its own ring, pools and buffers; auto: one for each core this process may use",
     .change = KeyChange::restart,
     .choices = "auto",
     .range = "1..256"},
    {.pattern = "loop.pin",
     .type = boolean,
     .default_text = "on",
     .meaning = "each shard stays on one core: warmer caches; off where other work shares the cores",
     .change = KeyChange::restart},
    {.pattern = "loop.ring_entries",
     .type = integer,
     .default_text = "1024",
     .meaning = "submissions a ring holds, a power of two; more survives bursts in one system call and takes memory",
     .change = KeyChange::restart,
     .range = "64..32768"},
    {.pattern = "loop.features_off",
     .type = list,
     .meaning = "io_uring features left unused although the kernel has them, to test the older path",
     .change = KeyChange::restart,
     .choices = "incremental_buffers|defer_taskrun"},
    {.pattern = "buffer.count",
     .type = integer,
     .default_text = "256",
     .meaning = "receive buffers of a shard, a power of two; more takes deeper bursts, at buffer.size each",
     .change = KeyChange::restart,
     .range = "8..32768"},
    {.pattern = "buffer.size",
     .type = size,
     .default_text = "16KiB",
     .meaning = "bytes of one receive buffer; larger means fewer wake-ups for large bodies, smaller less memory",
     .change = KeyChange::restart,
     .range = "4KiB..1MiB"},
};

constexpr KeyRow net_rows[] = {
    {.pattern = "listener.<name>.address",
     .type = address,
     .meaning = "where clients connect: :8080, 127.0.0.1:8080, [::1]:8080, unix:/run/loom.sock",
     .change = KeyChange::restart},
    {.pattern = "listener.<name>.share_address",
     .type = boolean,
     .default_text = "off",
     .meaning =
         "on: may listen where another process of this user does, and the kernel spreads the clients over both: to "
         "roll over to a new process. off: an address in use is an error",
     .change = KeyChange::restart},
    {.pattern = "listener.<name>.protocol",
     .type = choice,
     .default_text = "http",
     .meaning = "what is spoken there; unset and with a tls.certificate: https",
     .change = KeyChange::restart,
     .choices = "http|https"},
    {.pattern = "listener.<name>.tls.certificate",
     .type = list,
     .meaning = "PEM files, host's certificate first, then its intermediates; several, /etc/loom/tls/*.crt too, are "
                "chosen by the name that the client asks for, the first for any other name. Renewed files are picked "
                "up by themselves"},
    {.pattern = "listener.<name>.tls.key",
     .type = list,
     .meaning = "PEM files with the private keys, in the certificates' order; unset: x.key beside x.crt, or in it"},
    {.pattern = "listener.<name>.tls.client_ca",
     .type = path,
     .meaning = "PEM file with authorities: clients must show a certificate by one of them (mTLS)"},
    {.pattern = "listener.<name>.tls.min_version",
     .type = choice,
     .default_text = "1.2",
     .meaning = "the oldest TLS that clients may speak there",
     .choices = "1.2|1.3"},
    {.pattern = "tls.ticket_rotation",
     .type = duration,
     .default_text = "8h",
     .meaning = "how often the keys of session tickets change; a client may resume for twice to three times this",
     .change = KeyChange::restart,
     .range = "1s.."},
    {.pattern = "tls.watch_interval",
     .type = duration,
     .default_text = "10s",
     .meaning = "how often certificates, keys, CA and credentials files are looked at for a change; 0: on SIGHUP only",
     .change = KeyChange::restart},
    {.pattern = "limit.connections",
     .type = integer,
     .default_text = "60000",
     .meaning = "client connections at once, over all shards; more wait in the backlog",
     .range = "1..10000000"},
    {.pattern = "limit.connections_per_address",
     .type = integer,
     .default_text = "0",
     .meaning =
         "client connections at once from one address (IPv6: from its /64); more are closed. Each shard allows its "
         "part, rounded up: leave room. Not for unix sockets and forwarded.trust. 0: any number, as behind a "
         "balancer all share one; where clients connect directly, set it",
     .range = "0..10000000"},
    {.pattern = "tcp.nodelay",
     .type = boolean,
     .default_text = "on",
     .meaning = "small writes leave at once; off saves packets and delays tokens"},
    {.pattern = "tcp.keepalive",
     .type = duration,
     .default_text = "60s",
     .meaning = "idle time before the kernel probes a peer; 0 never, then a vanished peer is found by timeouts only"},
    {.pattern = "tcp.backlog",
     .type = integer,
     .default_text = "4096",
     .meaning = "connections the kernel holds until they are accepted; net.core.somaxconn caps it",
     .change = KeyChange::restart,
     .range = "1..65535"},
};

constexpr KeyRow http_rows[] = {
    {.pattern = "limit.head_size",
     .type = size,
     .default_text = "32KiB",
     .meaning = "a request line and its headers; a larger head is answered 431",
     .range = "1KiB..1MiB"},
    {.pattern = "limit.body_size",
     .type = size,
     .default_text = "32MiB",
     .meaning = "a request body that is read; a larger one is answered 413. It bounds the memory of a request. Also a "
                "message of a realtime session, which passes in pieces; a larger one ends it with 1009",
     .range = "1KiB..1GiB"},
    {.pattern = "limit.bodies_in_memory",
     .type = size,
     .default_text = "256MiB",
     .meaning =
         "the memory of all request bodies held at once; each shard has its part, and one body beyond it. Beyond "
         "it clients are read no further until there is room, timeout.client_body at most; then 503. A body is "
         "held until its answer begins: slow models need more",
     .range = "1MiB..16TiB"},
    {.pattern = "stream.event_max",
     .type = size,
     .default_text = "1MiB",
     .meaning = "one event of a stream that is held until it is whole; a larger one passes in parts, unread",
     .range = "4KiB..64MiB"},
    {.pattern = "timeout.client_handshake",
     .type = duration,
     .default_text = "10s",
     .meaning = "from a connection to the end of its TLS handshake; then it is closed"},
    {.pattern = "timeout.client_head",
     .type = duration,
     .default_text = "10s",
     .meaning = "from the first byte of a request to the end of its head; then 408. Short stops slow senders"},
    {.pattern = "timeout.client_body",
     .type = duration,
     .default_text = "60s",
     .meaning = "without a byte of the body; then 408"},
    {.pattern = "timeout.client_idle",
     .type = duration,
     .default_text = "75s",
     .meaning = "a kept-alive connection without a request; longer saves handshakes, shorter saves memory"},
    {.pattern = "timeout.client_write",
     .type = duration,
     .default_text = "60s",
     .meaning = "a client that takes no byte of its answer; then it is cut off"},
};

constexpr KeyRow upstream_rows[] = {
    {.pattern = "upstream.pool.max_idle",
     .type = integer,
     .default_text = "256",
     .meaning = "idle connections kept for each upstream and shard; more saves handshakes, fewer saves descriptors",
     .range = "0..65536"},
    {.pattern = "upstream.pool.idle_timeout",
     .type = duration,
     .default_text = "55s",
     .meaning = "how long one is kept: below the upstream's own timeout, or requests meet closed connections"},
    {.pattern = "timeout.connect", .type = duration, .default_text = "5s", .meaning = "to reach an upstream; then 504"},
    {.pattern = "timeout.response_header",
     .type = duration,
     .default_text = "60s",
     .meaning = "from the last byte of the request to the upstream's head; then 504"},
    {.pattern = "timeout.first_token",
     .type = duration,
     .default_text = "60s",
     .meaning = "from the upstream's head to its first content; models that think long need more"},
    {.pattern = "timeout.inter_event",
     .type = duration,
     .default_text = "60s",
     .meaning = "between two events of a stream; then it ends with an error event"},
    {.pattern = "timeout.total",
     .type = duration,
     .default_text = "15m",
     .meaning = "a whole request, stream included; 0: no bound"},
    {.pattern = "timeout.realtime_idle",
     .type = duration,
     .default_text = "5m",
     .meaning =
         "without a frame of a realtime session in either direction, pings included; then it is closed; 0: no bound"},
    {.pattern = "timeout.realtime_total",
     .type = duration,
     .default_text = "2h",
     .meaning = "a whole realtime session, in place of timeout.total; providers end theirs after an hour; 0: no bound"},
};

constexpr KeyRow llm_rows[] = {
    {.pattern = "provider.<name>.type",
     .type = choice,
     .meaning = "whose API it is: where it is, how its key is sent, what it takes and what has to be translated for it "
                "(conf/providers.conf has a block for each). local: any server of OpenAI's API; echo: built in, "
                "deterministic, for trying out",
     .choices =
         "openai|azure_openai|azure|anthropic|gemini|google|vertex|vertex_ai|bedrock|cohere|mistral|ollama|local|"
         "openai_compatible|echo|vllm|sglang|lmstudio|llamacpp|groq|deepseek|together|fireworks|openrouter|xai|"
         "perplexity|"
         "cerebras|nvidia|huggingface|sambanova|deepinfra|novita|hyperbolic|nebius|moonshot|dashscope|zai|github"},
    {.pattern = "provider.<name>.api_key",
     .type = secret,
     .meaning =
         "sent in the header that the provider's API has for it; a provider with an empty one takes no requests. "
         "Several are balanced, each with each base_url; one that is refused or limited rests",
     .repeatable = true},
    {.pattern = "provider.<name>.access_key_id",
     .type = text,
     .meaning =
         "bedrock: of the AWS access key that each request is signed with; empty: the provider takes no requests. "
         "An api_key goes before it"},
    {.pattern = "provider.<name>.secret_access_key", .type = secret, .meaning = "bedrock: the key itself"},
    {.pattern = "provider.<name>.session_token", .type = secret, .meaning = "bedrock: what temporary keys come with"},
    {.pattern = "provider.<name>.credentials_file",
     .type = path,
     .meaning =
         "vertex: what GOOGLE_APPLICATION_CREDENTIALS names: the JSON of a service account, of a user (gcloud auth "
         "application-default login) or of workload identity federation with a token in a file. Access tokens are "
         "fetched with it and renewed; a renewed file is picked up by itself. Empty: the provider takes no requests"},
    {.pattern = "provider.<name>.base_url",
     .type = text,
     .meaning =
         "http:// or https://; with the /v1 where the API is OpenAI's, without a path for anthropic, azure_openai, "
         "gemini, vertex, bedrock and cohere. Unset: the provider's own; local and azure_openai need one. Several are "
         "balanced, by the fewer requests under way of two; what is uploaded goes to the first",
     .repeatable = true},
    {.pattern = "provider.<name>.endpoint", .type = text, .repeatable = true, .alias_of = "provider.<name>.base_url"},
    {.pattern = "provider.<name>.tls.ca_file",
     .type = path,
     .meaning = "PEM file with the authorities that its https certificate may be by; unset: those this system trusts"},
    {.pattern = "provider.<name>.tls.certificate",
     .type = path,
     .meaning =
         "PEM file with the certificate that Loom shows where the provider asks for one, then its intermediates"},
    {.pattern = "provider.<name>.tls.key",
     .type = path,
     .meaning = "PEM file with its private key; unset: x.key beside x.crt, or in it"},
    {.pattern = "provider.<name>.tls.min_version",
     .type = choice,
     .default_text = "1.2",
     .meaning = "the oldest TLS that Loom speaks with it",
     .choices = "1.2|1.3"},
    {.pattern = "provider.<name>.api_version",
     .type = text,
     .meaning = "azure_openai: the version of its deployments' API (2024-10-21 …); unset: the v1 path, which has none"},
    {.pattern = "provider.<name>.deployment.<model>",
     .type = text,
     .meaning = "azure_openai: the deployment that serves the model; unset: it is called as the model is"},
    {.pattern = "provider.<name>.project_id", .type = text, .meaning = "vertex: the project that pays"},
    {.pattern = "provider.<name>.location",
     .type = text,
     .meaning = "vertex and bedrock: the region (us-central1, eu-west-1 …), or vertex's `global`"},
    {.pattern = "provider.<name>.guardrail",
     .type = text,
     .meaning = "bedrock: the guardrail, by its id or ARN, that AWS puts every conversation through"},
    {.pattern = "provider.<name>.guardrail_version",
     .type = text,
     .default_text = "DRAFT",
     .meaning = "its version: a number, or DRAFT"},
    {.pattern = "provider.<name>.quirks",
     .type = list,
     .meaning = "what its server refuses or spells otherwise, beside what its type is known for: such fields are left "
                "out or renamed, in requests that are translated for it and in chats that go there as they came",
     .choices = llm::quirk_choices.data()},  // the end of a literal
    {.pattern = "translate.unsupported",
     .type = choice,
     .default_text = "warn",
     .meaning = "fields of a request that its provider's protocol cannot carry. warn: left out, and named in "
                "x-loom-dropped; drop: left out; reject: 400 with their names",
     .choices = "warn|drop|reject"},
    {.pattern = "translate.max_tokens_default",
     .type = integer,
     .default_text = "4096",
     .meaning = "the answer's bound where a provider must be told one (Anthropic's) and the client said none",
     .range = "1..1000000"},
    {.pattern = "provider.<name>.organization", .type = text, .meaning = "sent as `OpenAI-Organization`"},
    {.pattern = "provider.<name>.models",
     .type = list,
     .meaning = "what it serves, a trailing * for any ending; unset: any model"},
    {.pattern = "provider.<name>.priority",
     .type = integer,
     .default_text = "100",
     .meaning = "the lowest is asked first",
     .range = "0..1000000"},
    {.pattern = "routing.provider.<name>.priority", .type = integer, .alias_of = "provider.<name>.priority"},
    {.pattern = "provider.<name>.header.<header>",
     .type = secret,
     .meaning = "a header added to each request to it, in place of a client's of that name"},
    {.pattern = "provider.<name>.delay",
     .type = duration,
     .default_text = "0",
     .meaning = "echo: the pause before the first token"},
    {.pattern = "provider.<name>.token_interval",
     .type = duration,
     .default_text = "0",
     .meaning = "echo: the pause between two tokens of a stream"},
    {.pattern = "provider.<name>.timeout.connect", .type = duration, .meaning = "in place of timeout.connect"},
    {.pattern = "provider.<name>.timeout.response_header",
     .type = duration,
     .meaning = "in place of timeout.response_header"},
    {.pattern = "provider.<name>.timeout.first_token", .type = duration, .meaning = "in place of timeout.first_token"},
    {.pattern = "provider.<name>.timeout.inter_event", .type = duration, .meaning = "in place of timeout.inter_event"},
    {.pattern = "provider.<name>.timeout.total", .type = duration, .meaning = "in place of timeout.total"},
};

constexpr KeyRow tenant_rows[] = {
    {.pattern = "consumer.<name>.api_key",
     .type = secret,
     .meaning = "who presents it is this consumer; several for rotation",
     .repeatable = true},
    {.pattern = "consumer.<name>.api_key_sha256",
     .type = secret,
     .meaning = "the same as 64 hexadecimal digits of its SHA-256, so that no file holds the key",
     .repeatable = true},
    {.pattern = "consumer.<name>.expires",
     .type = text,
     .meaning = "from then on its keys are refused (401): 2026-12-31 (until that day begins, UTC) or "
                "2026-12-31T18:00:00Z. Unset: never"},
    {.pattern = "consumer.<name>.models",
     .type = list,
     .meaning = "models it may ask for, a trailing * for any ending; unset: all"},
    {.pattern = "consumer.<name>.routes", .type = list, .meaning = "routes it may use, likewise; unset: all"},
    {.pattern = "consumer.<name>.tenant",
     .type = text,
     .meaning =
         "consumers of one tenant share what they have stored at providers (files, batches, responses); unset: it "
         "is the consumer's own"},
    {.pattern = "consumer.<name>.team",
     .type = text,
     .meaning = "whom it belongs to, within its tenant: for routing.rule.<name>.when, limits and budgets of teams, and "
                "loom_ai_team_tokens_total"},
    {.pattern = "consumer.<name>.project", .type = text, .meaning = "likewise, for rules"},
    {.pattern = "consumer.<name>.tier", .type = text, .meaning = "likewise, for rules and limits of tiers"},
};

constexpr KeyRow proxy_rows[] = {
    {.pattern = "route.<name>.path",
     .type = text,
     .meaning = "/exact or /prefix/*; the longest match takes the request"},
    {.pattern = "route.<name>.ai_gateway",
     .type = boolean,
     .default_text = "on",
     .meaning = "on: read as an AI API; off: relayed as it is to .upstream, with the same keys and limits"},
    {.pattern = "route.<name>.upstream",
     .type = text,
     .meaning = "http://host:port or https://host:port of a route with ai_gateway = off"},
    {.pattern = "route.<name>.tls.ca_file",
     .type = path,
     .meaning = "of an https upstream, as provider.<name>.tls.ca_file"},
    {.pattern = "route.<name>.tls.certificate", .type = path, .meaning = "likewise"},
    {.pattern = "route.<name>.tls.key", .type = path, .meaning = "likewise"},
    {.pattern = "route.<name>.tls.min_version",
     .type = choice,
     .default_text = "1.2",
     .meaning = "likewise",
     .choices = "1.2|1.3"},
    {.pattern = "route.<name>.provider",
     .type = text,
     .meaning = "the one provider of this route, whatever the model; also where the passthrough families store things"},
    {.pattern = "route.<name>.passthrough",
     .type = list,
     .meaning =
         "endpoint families relayed without being inspected; others are refused. What they store at the "
         "provider is its "
         "tenant's alone, and not found by others. responses: stored responses and conversations, also named in "
         "requests (previous_response_id, conversation); batches: Anthropic's message batches too; files: Gemini's "
         "too (uploads are asked for at /upload/v1beta/files); cached_contents: Gemini's",
     .choices =
         "files|batches|audio|images|moderations|uploads|fine_tuning|assistants|threads|vector_stores|containers|"
         "rerank|responses|cached_contents|-realtime"},
    {.pattern = "route.<name>.keepalive",
     .type = duration,
     .default_text = "0",
     .meaning = "a comment to the client this often until the first token, for impatient middle boxes; 0: none. The "
                "status is sent with the first, so an upstream's error comes as an event after it"},
    {.pattern = "route.<name>.auth.type",
     .type = list,
     .meaning =
         "api_key: a consumer's key is needed; jwt: a token of an issuer that auth.jwt names; introspection: a token "
         "whose issuer is asked about it (auth.introspection); mtls: a certificate "
         "of a consumer (consumer.<name>.certificate), over a listener with tls.client_ca; several: any of "
         "them, keys and tokens before certificates; none: anyone may. Unset: api_key as soon as there is a "
         "consumer or an issuer (jwt.NAME, introspection.NAME), or with auth.issued_keys",
     .choices = "api_key|none|jwt|mtls|introspection"},
    {.pattern = "route.<name>.auth.header",
     .type = text,
     .meaning = "one more header that may carry the key, such as X-API-Key"},
    {.pattern = "route.<name>.auth.bearer",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: `Authorization: Bearer` is not looked at"},
    {.pattern = "route.<name>.middleware.auth.type", .type = list, .alias_of = "route.<name>.auth.type"},
    {.pattern = "route.<name>.middleware.auth.header", .type = text, .alias_of = "route.<name>.auth.header"},
    {.pattern = "route.<name>.middleware.auth.bearer", .type = boolean, .alias_of = "route.<name>.auth.bearer"},
    {.pattern = "streaming.enabled",
     .type = boolean,
     .default_text = "on",
     .meaning = "off: a request with \"stream\": true is refused with 400"},
    {.pattern = "streaming.flush_interval",
     .type = duration,
     .default_text = "0ms",
     .meaning = "0 sends each event at once; more gathers events, for less CPU and later tokens"},
    {.pattern = "stream.buffer_max",
     .type = size,
     .default_text = "256KiB",
     .meaning = "bytes held for a client that reads slowly; then its upstream is no longer read until it has caught up",
     .range = "16KiB..64MiB"},
    {.pattern = "cors.origins",
     .type = list,
     .meaning = "origins whose browsers may call, * for any; empty: no CORS answers"},
    {.pattern = "forwarded.trust",
     .type = list,
     .meaning =
         "networks whose X-Forwarded-For is believed: 10.0.0.0/8. Of several proxies in a row name each: read from "
         "its end, the first address that is in none is the client's; empty: nobody's"},
    {.pattern = "forwarded.headers",
     .type = choice,
     .default_text = "append",
     .meaning = "X-Forwarded-For and -Proto to the upstreams of plain routes: added to, written anew, or left out",
     .choices = "append|replace|off"},
};

constexpr KeyRow observe_rows[] = {
    {.pattern = "log.access.path",
     .type = path,
     .default_text = "stdout",
     .meaning = "one line a request to stdout, a file, or off; a reload opens the file anew",
     .change = KeyChange::restart},
    {.pattern = "log.access.format",
     .type = choice,
     .default_text = "json",
     .meaning = "how a line is written",
     .choices = "json"},
    {.pattern = "log.access.sample",
     .type = share,
     .default_text = "1.0",
     .meaning = "the share of requests that is logged; errors always are. Less saves disk",
     .change = KeyChange::restart},
    {.pattern = "log.audit.path",
     .type = path,
     .default_text = "off",
     .meaning =
         "one line for each request in which guards found something, in it or in its answer: what, where and how "
         "often, never the text; to stdout, stderr or a file; a reload opens the file anew",
     .change = KeyChange::restart},
    {.pattern = "log.level",
     .type = choice,
     .default_text = "info",
     .meaning = "the least that reaches the process log on standard error",
     .choices = "debug|info|warn|error"},
    {.pattern = "metrics.compat",
     .type = boolean,
     .default_text = "off",
     .meaning = "on: the older metric names too, as families of their own"},
};

}  // namespace

std::span<const std::span<const KeyRow>> all_keys() {
    static const std::span<const KeyRow> tables[] = {
        config::keys(),    app_rows,           net_rows,          proxy_rows,       llm_rows,
        routing_keys(),    hold_keys(),        limit_keys(),      selection_keys(), fallback_keys(),
        health_keys(),     sticky_keys(),      experiment_keys(), mirror_keys(),    hedge_keys(),
        price_keys(),      model_price_keys(), tenant_rows,       identity_keys(),  introspection_keys(),
        rate_limit_keys(), ledger_keys(),      budget_keys(),     alert_keys(),     anomaly_keys(),
        upstream_rows,     http_rows,          io_rows,           observe_rows,     admin_rows,
        security_keys(),   guard_keys(),       token_keys(),      cache_keys(),
    };
    return tables;
}

}  // namespace loom::app
