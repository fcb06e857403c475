// What a configuration means to the proxy: built once by app from the conf file, immutable, swapped whole.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/base/secret.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/provider_table.h"
#include "loom/llm/resource.h"
#include "loom/net/address.h"
#include "loom/proxy/alert_plan.h"
#include "loom/proxy/guard_plan.h"
#include "loom/proxy/identity_plan.h"
#include "loom/proxy/rate_limit_plan.h"
#include "loom/proxy/request_cap.h"
#include "loom/proxy/selection_plan.h"
#include "loom/proxy/tokenizers.h"
#include "loom/route/affinity.h"
#include "loom/route/catalogue.h"
#include "loom/route/choose.h"
#include "loom/route/experiment.h"
#include "loom/route/instances.h"
#include "loom/route/model_fallback.h"
#include "loom/route/price.h"
#include "loom/route/retry.h"
#include "loom/route/route_table.h"
#include "loom/tenant/consumer.h"
#include "loom/tenant/lockout.h"
#include "loom/upstream/endpoint.h"

namespace loom::proxy {

/// Milliseconds; 0 switches one off.
struct Timeouts {
    uint64_t connect_ms = 5'000;
    uint64_t response_header_ms = 60'000;
    uint64_t first_token_ms = 60'000;
    uint64_t inter_event_ms = 60'000;
    uint64_t total_ms = 900'000;
};

/// Of a realtime session, which lasts as long as a talk; milliseconds, 0 switches one off.
struct RealtimeTimeouts {
    uint64_t idle_ms = 300'000;
    uint64_t total_ms = 7'200'000;
};

enum class ProviderKind : uint8_t { http, echo };

/// What a provider's requests are signed with. Overwritten with the last plan that holds it.
struct AwsKeys {
    std::string region;
    std::string access_key_id;
    Secret secret_access_key;
    Secret session_token;  // of temporary keys, else ""
};

/// How a provider's instances are asked how they do, off the way of requests.
struct HealthCheckPlan {
    uint64_t interval_ms = 30'000;
    uint64_t timeout_ms = 5'000;
    std::string path;      // below the base URL; ""; there is nothing to ask for that costs nothing: any answer will do
    bool by_conf = false;  // then it stands at the origin
};

/// One way to ask a provider: one of its base URLs with one of its keys.
struct InstancePlan {
    upstream::EndpointOptions endpoint;
    std::string authority;     // what the Host header says
    std::string base_path;     // "/v1", without a slash at its end
    std::string static_lines;  // host, authorization, organization and provider.X.header.*: header lines, ready to send
    std::shared_ptr<const AwsKeys> aws_keys;  // null: nothing is signed
    uint64_t google_account = 0;              // whose access tokens its requests carry; 0: none
    // Of several alone: hashes, which are the same as long as base URL and key are, wherever they stand in the file.
    std::string id;
    std::string key_id;

    /// static_lines without the host's, which is their first.
    [[nodiscard]] std::string_view lines_behind_host() const noexcept {
        const std::string_view lines = static_lines;
        return lines.substr(std::min(lines.find("\r\n"), lines.size() - 2) + 2);
    }
    /// Of the lines that each attempt writes anew to say who asks.
    [[nodiscard]] size_t credentials_bytes_max() const noexcept;
};

struct ProviderPlan {
    std::string name;
    const llm::ProviderType* type = nullptr;
    ProviderKind kind = ProviderKind::http;
    // Each base URL with each key; never empty. What has to stay in one place (uploads, lists of files) is asked of the
    // first.
    std::vector<InstancePlan> instances = std::vector<InstancePlan>(1);
    std::shared_ptr<const route::InstanceSet> instance_set;  // null: there is one
    std::shared_ptr<const HealthCheckPlan> health_check;     // null: off
    std::string api_version;                                 // Azure's
    std::string project;                                     // Vertex's
    std::string location;                                    // Vertex's and Bedrock's region
    std::string guardrail;                                   // Bedrock's, and its version
    std::string guardrail_version;
    llm::Quirks quirks;        // the type's, as provider.X.quirk.* changed them
    uint64_t fingerprint = 0;  // of what in the conf changes its answers: who and where it is, and what it is sent
    Timeouts timeouts;
    uint16_t label_ix = 0;
    std::shared_ptr<route::TargetState> state;            // null where neither failover nor a strategy needs it
    uint32_t weight = 1;                                  // by the conf
    std::shared_ptr<route::ProviderControl> control;      // what operators say of it; null: nobody can
    std::shared_ptr<const route::ProviderLimits> limits;  // null: none
    bool reads_room = true;                               // its answers' headers say what is left of its limits
    // echo
    uint64_t delay_ms = 0;
    uint64_t token_interval_ms = 0;

    /// Not drained: it may be asked what others could be asked too.
    [[nodiscard]] bool takes_requests() const noexcept { return control == nullptr || control->weight() > 0; }
    /// It is asked nothing, not even for what it alone has.
    [[nodiscard]] bool disabled() const noexcept { return control != nullptr && control->terms().disabled; }
};

enum class AuthType : uint8_t { none, credentials };

struct RoutePlan {
    std::string name;
    bool ai = true;
    AuthType auth = AuthType::credentials;
    bool takes_keys = true;            // consumers' keys; tokens are those of `jwt`
    bool takes_certificates = false;   // of clients, verified by their listener's client_ca
    std::vector<uint32_t> jwt;         // in Plan::jwt
    uint32_t introspects = no_issuer;  // … and which of them is asked of a token that says nothing by itself
    static constexpr uint32_t no_issuer = UINT32_MAX;
    AddressRules addresses;
    std::string auth_header;             // one more header that may carry the key; "" for none
    bool bearer = true;                  // Authorization: Bearer carries it
    bool guarded = true;                 // by Plan::guard, where there is one
    uint64_t passthrough = 0;            // bit i: family llm::Endpoint(i) is relayed uninspected
    int provider_ix = -1;                // the one provider of this route; -1: by model, and the first for families
    upstream::EndpointOptions upstream;  // of a plain reverse proxy (ai off)
    std::string upstream_base_path;
    std::string upstream_static_lines;  // host
    uint64_t keepalive_ms = 0;          // SSE comments before the first token; 0 off
    std::optional<route::Strategy> strategy;
    std::vector<std::pair<std::string, route::Strategy>> model_strategies;
    route::AffinityTerms sticky;
    bool caches = true;  // where answers are kept at all (CachePlan)

    [[nodiscard]] bool passes(llm::Endpoint family) const noexcept {
        return (passthrough >> static_cast<unsigned>(family) & 1) != 0;
    }
};

/// What becomes of a request's fields that its provider's protocol cannot carry.
enum class Unsupported : uint8_t {
    warn,    // left out, and named in x-loom-dropped
    drop,    // left out
    reject,  // 400 with their names
};

enum class ForwardedFor : uint8_t { off, append, replace };

struct Limits {
    uint64_t body_bytes = 32u << 20;
    uint64_t bodies_bytes = 256u << 20;  // of all that are held at once, per process; each shard has its part
    uint32_t head_bytes = 32u << 10;
    uint32_t connections = 60'000;         // per process; each shard takes its part
    uint32_t connections_per_address = 0;  // likewise, rounded up; 0: any number
    uint32_t stream_buffer_bytes = 256u << 10;
    uint32_t event_bytes = 1u << 20;
    uint32_t burst_bytes = 64u << 10;  // what a source may still deliver when it has been told to pause

    /// Held bytes above which a source is paused, so that with what is on its way they stay within stream_buffer_bytes.
    [[nodiscard]] uint32_t pause_bytes() const noexcept {
        const uint32_t half = stream_buffer_bytes / 2;
        return stream_buffer_bytes > burst_bytes + half ? stream_buffer_bytes - burst_bytes : half;
    }
};

struct ClientTimeouts {
    uint64_t handshake_ms = 10'000;  // of TLS
    uint64_t head_ms = 10'000;
    uint64_t body_ms = 60'000;
    uint64_t idle_ms = 75'000;
    uint64_t write_ms = 60'000;
    uint64_t drain_ms = 30'000;
};

/// When a failed attempt is followed by another.
struct FailoverPlan {
    static constexpr uint32_t held_start_bytes_max = 32 * 1024;  // an answer's head, and its events without content
    static constexpr uint32_t held_token_bytes_max = 512;        // of an event with a token

    bool enabled = false;
    bool retry_sent = true;  // a request that was sent and got no answer may be sent again, and cost twice
    uint32_t max_retries = 2;
    uint32_t budget_share = 200;  // thousandths of the requests, see route::RetryBudget
    uint64_t timeout_ms = 0;      // of an attempt until its first content; 0: the upstream's timeouts alone
    uint64_t retry_after_max_ms = 10'000;
    std::vector<uint16_t> retry_codes;
    route::Backoff backoff;
    uint32_t hold_tokens = 0;  // of content that wait before a stream's start leaves (HeldStart); 0: it leaves at once
    uint64_t hold_ms = 0;      // that they wait at most; 0: any time
    bool continues = false;    // a stream that breaks behind content goes on with another provider
    uint32_t continuation_bytes = 256 * 1024;  // of text that is kept for it

    /// Of a stream's start: beyond it, it leaves.
    [[nodiscard]] uint32_t held_bytes_max() const noexcept {
        return held_start_bytes_max + hold_tokens * held_token_bytes_max;
    }
};

/// Requests that wait where every provider of their model is at its limit.
struct QueuePlan {
    uint32_t max = 0;  // per process; each shard takes its part, rounded up. 0: nobody waits
    uint64_t timeout_ms = 10'000;
};

/// Above which load a shard refuses requests; 0 is no threshold.
struct OverloadPlan {
    uint64_t lag_ms = 0;      // of the loop
    uint32_t exchanges = 0;   // under way, of the shard
    double bodies_share = 0;  // of the shard's part of limit.bodies_in_memory

    [[nodiscard]] bool watches() const noexcept { return lag_ms != 0 || exchanges != 0 || bodies_share > 0; }
};

/// What requests are sent to one provider by, beside each route's terms.
struct StickyPlan {
    uint32_t prefix_bytes = 64u << 10;  // of a prompt's beginning, which tells its conversation
    bool adds_cache_key = false;        // to OpenAI's requests that have none
};

/// Who gets copies of requests, and of how many.
struct MirrorPlan {
    static constexpr uint64_t whole_share = 1'000'000;
    route::Catalogue catalogue;  // of the shadow alone
    std::string model;           // asked for in place of the client's; "": that
    uint64_t share_ppm = whole_share;
    uint32_t in_flight_max = 16;  // on each shard
    uint64_t body_bytes_max = 1u << 20;

    [[nodiscard]] route::ModelMatch match(std::string_view asked) const noexcept {
        return catalogue.match(model.empty() ? asked : std::string_view(model));
    }
};

/// When a second provider is asked beside one that is slow.
struct HedgePlan {
    static constexpr uint64_t body_bytes_max = 1u << 20;  // of a request that is copied for the second
    uint64_t after_ms = 0;                                // without a first content; 0: by percentile
    uint32_t percentile = 0;                              // of the times that the model took at its provider of late
    uint32_t budget_share = 100;                          // thousandths of the requests, see route::RetryBudget
    uint32_t in_flight_max = 64;                          // on each shard
};

/// For whom an answer that is kept is good, beside the one who asked for it.
enum class CacheScope : uint8_t {
    tenant,    // the consumers of the same tenant, or the one where it has none
    consumer,  // nobody
    shared,    // everybody
};

struct EmbeddingPlan;

/// Answers that are given to who asks nearly the same, where nothing is kept for the very same.
struct SemanticPlan {
    uint64_t bytes_max = 0;  // per process
    uint64_t ttl_ms = 3'600'000;
    float similarity_min = 0.95f;                    // of the last user's text; all else is equal
    bool only_counts = false;                        // it is looked up and told, and nobody is given anything
    std::shared_ptr<const EmbeddingPlan> embedding;  // the provider that makes vectors; null: the process does
    friend bool operator==(const SemanticPlan&, const SemanticPlan&) = default;
};

/// Answers that are kept, and given again to whoever asks the same.
struct CachePlan {
    static constexpr uint32_t jitter_percent = 10;  // of the ttl: what came together does not go together
    uint64_t bytes_max = 0;                         // per process; each shard owns its part
    uint64_t entry_bytes_max = 1u << 20;            // of an answer's body
    uint64_t ttl_ms = 3'600'000;
    uint64_t stale_ms = 0;  // that it is kept beyond, for when no provider answers
    uint64_t wait_ms = 0;   // for the answer to the same request that is under way; 0: each asks for itself
    CacheScope scope = CacheScope::tenant;
    std::shared_ptr<const SemanticPlan> semantic;  // null: nearly the same is another request
};

struct ContextPlan;
class ModelTags;

struct Plan {
    uint64_t generation = 1;
    std::vector<ProviderPlan> providers;
    std::vector<RoutePlan> routes;
    route::RouteTable route_table;
    route::Catalogue catalogue;
    std::shared_ptr<const route::PriceBook> prices;  // whose providers are as those above; null in a plan without any
    route::ChoiceOptions choice;
    FailoverPlan failover;
    route::ModelFallbacks model_fallbacks;           // without failover for budgets alone
    std::shared_ptr<const SelectionPlan> selection;  // null: a request's model alone says who may take it
    QueuePlan queue;
    OverloadPlan overload;                             // exchanges: of the process
    std::shared_ptr<const RateLimitPlan> rate_limits;  // of clients; null: none
    std::shared_ptr<const RequestCaps> request_caps;   // null: none
    std::shared_ptr<const TokenizerPlan> tokenizers;   // null: tokens are estimated
    StickyPlan sticky;
    std::vector<route::Experiment> experiments;
    std::shared_ptr<const GuardPlan> guard;    // null: nothing is looked through
    std::shared_ptr<const MirrorPlan> mirror;  // null: nobody
    std::shared_ptr<const HedgePlan> hedge;    // null: never
    std::shared_ptr<const CachePlan> cache;    // null: nothing is kept
    bool tells_routing = false;                // answers name their provider, and why it was asked
    tenant::ConsumerTable consumers;
    std::vector<JwtPlan> jwt;
    AddressRules addresses;                           // of all routes
    std::shared_ptr<const AccessRules> access_rules;  // null: none
    std::shared_ptr<const ModelTags> model_tags;      // null: no model has any
    std::shared_ptr<tenant::Lockout> lockout;         // null: nobody is locked out
    std::shared_ptr<const AlertPlan> alerts;          // null: events are logged and counted, and told nobody
    std::shared_ptr<const ContextPlan> context;       // null: a prompt goes on, however long
    // Where what teams take is counted, of those that the conf names.
    std::unordered_map<std::string, uint16_t, StringHash, std::equal_to<>> team_slots;
    Limits limits;
    Timeouts timeouts;  // for plain routes
    ClientTimeouts client;
    RealtimeTimeouts realtime;
    bool streaming = true;
    Unsupported unsupported = Unsupported::warn;
    uint64_t max_tokens_default = 4096;  // of a translated request that says none, where the provider must be told
    uint64_t flush_interval_ms = 0;
    std::string health_path = "/healthz";
    std::vector<std::string> cors_origins;  // "*" allows any
    std::vector<net::Network> forwarded_trust;
    ForwardedFor forwarded_for = ForwardedFor::append;
    bool access_log = true;
    bool wants_prompt_tokens = true;        // somebody asks how many tokens a prompt is
    llm::EndpointSet storing_families = 0;  // that some AI route relays

    /// Of a team that a token may have named.
    [[nodiscard]] uint16_t team_slot(std::string_view team) const noexcept {
        if (team.empty()) return OwnerSlots::none;
        const auto found = team_slots.find(team);
        return found == team_slots.end() ? OwnerSlots::other : found->second;
    }
    /// May a token of this issuer name this consumer, whose models, limits and roles are its bearer's then? Where
    /// nothing is said there must be no choice: one issuer, all of whose users the conf knows.
    [[nodiscard]] bool may_name(const JwtPlan& issuer, const tenant::Consumer& consumer) const noexcept {
        if (consumer.issuers.empty()) return jwt.size() == 1 && !issuer.allows_unknown;
        return std::ranges::find(consumer.issuers, issuer.name) != consumer.issuers.end();
    }
    /// Are there clients to be told apart? Else all are one, and what a provider stores is theirs.
    [[nodiscard]] bool keeps_apart() const noexcept { return !consumers.empty() || !jwt.empty(); }
    /// Is it known whose things of this kind are? Only where they can be made through here.
    [[nodiscard]] bool keeps(llm::ResourceKind kind) const noexcept {
        return (storing_families & llm::set_of(llm::family_of(kind))) != 0;
    }
    [[nodiscard]] bool keeps_any() const noexcept { return storing_families != 0; }
};

class LocalStream;

/// An answer made in the process, for the admin listener: status, type and body.
struct LocalAnswer {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    bool is_secret = false;  // no cache keeps it
    /// There is none yet: its resource reads a body of so many bytes at most, which is collected, and then it is asked
    /// again. 0: this is the answer.
    size_t wants_body_bytes = 0;
    /// Another thread makes the answer, whole or piece by piece (local_stream.h): all of the above but the type of its
    /// pieces is without meaning then. Null: this is the answer.
    std::shared_ptr<LocalStream> stream;
};

/// A request of the admin listener. Views of the call's own.
struct LocalRequest {
    std::string_view method;
    std::string_view path;
    std::string_view query;  // without its mark
    std::string_view authorization;
    std::string_view origin;               // of the page that a browser asks for
    std::string_view peer;                 // its address, for the log
    std::optional<std::string_view> body;  // nothing: it was not read, since nobody has asked for it (wants_body_bytes)
};

/// What the admin listener does with a request. On the admin's own thread, which serves no others.
using LocalHandler = std::function<LocalAnswer(const LocalRequest& request)>;

}  // namespace loom::proxy
