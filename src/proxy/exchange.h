// One request and its answer: admit → inspect → forward → relay → settle, as a flat coroutine over plain steps.
//
// The coroutine (exchange.cc) awaits only at real waits; each step is a plain function in the file of its phase.
// Whatever happens, it goes on to settle, once. The client's connection outlives the exchange, and an upstream
// connection that still sends bytes of the request is waited for.
#pragma once

#include <array>
#include <memory>
#include <span>

#include "attempt.h"
#include "body_budget.h"
#include "failover.h"
#include "loom/base/arena.h"
#include "loom/base/auth_failure.h"
#include "loom/http/body.h"
#include "loom/http/head_parser.h"
#include "loom/http/head_writer.h"
#include "loom/io/task.h"
#include "loom/llm/edits.h"
#include "loom/llm/endpoint.h"
#include "loom/llm/request.h"
#include "loom/proxy/memory.h"
#include "loom/proxy/relay.h"
#include "loom/proxy/services.h"
#include "loom/tenant/token_cache.h"
#include "loom/upstream/pool.h"
#include "token_provenance.h"

namespace loom::proxy {

class AdminCall;
class CacheVisit;
class ClientConnection;
class CodedBody;
class CollectedAnswer;
class EchoSource;
class Guarding;
class LinePlace;
class Ownership;
class Realtime;
class RuleFacts;
class TokenVisit;
enum class RegisterStage : uint8_t;
struct AuthTrial;
struct Continuation;
struct Hedge;
struct ClientLimits;
struct LedgerEntry;
struct ListenerPlan;
struct Selection;
struct Translated;

/// For debuggers: where an exchange is, since waiting coroutines are not on the stack.
enum class Phase : uint8_t { admit, body, inspect, forward, relay, deliver, settle };

class Exchange final : upstream::ConnectionUser, RelayOwner, io::Doomed, BodyHold {
  public:
    /// Begins with the head that lies parsed in `services.request_head`. `body` is what came behind the head in the
    /// same read; the exchange takes what is its own and says how much by `first_bytes_taken()`.
    static Exchange& begin(Services& services, ClientConnection& client, std::string_view body);
    [[nodiscard]] size_t first_bytes_taken() const noexcept { return first_bytes_taken_; }

    /// Bytes from the client. Returns how many belonged to this request's body.
    size_t on_client_bytes(std::string_view bytes, io::BufferLease* lease);
    [[nodiscard]] bool wants_client_bytes() const noexcept;
    /// The client is gone: it closed, broke, or was closed by us.
    void on_client_gone(const Error& why);
    void on_client_sent(net::Sender::State state);
    /// The shard takes no new requests: a session, which has no end of its own, is ended.
    void on_drain();
    /// Another configuration is in force. A session keeps the one it began with, but not the leave that this one has
    /// withdrawn: it may last for hours.
    void on_new_plan();
    /// The whole answer is with the kernel; what is left is bookkeeping.
    [[nodiscard]] bool delivered() const noexcept;

    static constexpr size_t early_body_bytes_max = 64 * 1024;  // of a streamed body, before its upstream is there
    static constexpr size_t head_slack_bytes = 1600;           // of a head, beside what others' heads say

  private:
    friend class ActivityNote;
    friend class AdminCall;
    friend class BatchUpload;
    friend class Booking;
    friend class CacheVisit;
    friend class ClientQuota;
    friend class ContextVisit;
    friend class EchoSource;
    friend class GoogleFiles;
    friend class Guarding;
    friend class LinePlace;
    friend class Ownership;
    friend class Race;
    friend class Realtime;
    friend class RuleFacts;
    friend class TokenVisit;
    friend MemoryTerms exchange_memory(const MemoryShape& shape);
    enum class BodyMode : uint8_t { none, collect, stream, discard };
    enum class AnswerState : uint8_t { none, awaited, ready };
    enum class Deadline : uint8_t {
        none,
        client_body,
        connect,
        intent,  // of the ledger, until it is written
        response_header,
        first_token,
        inter_event,
        client_write,
        session,
        pause  // before the next attempt
    };
    /// Fields that only servers of the client's own protocol understand.
    struct FamilyFields {
        std::string_view content_type;
        std::string_view accept;
        std::string_view openai_beta;
        std::string_view anthropic_version;
        std::string_view anthropic_beta;
        [[nodiscard]] size_t bytes() const noexcept {
            constexpr size_t names = 128;
            return names + content_type.size() + accept.size() + openai_beta.size() + anthropic_version.size() +
                   anthropic_beta.size();
        }
    };
    /// Needed until the request is on its way for good.
    struct Draft {
        llm::Request request;
        llm::Edits edits;
        ByteBuffer changed;  // the client's document without what its provider refuses; empty: as it came
        Block home;
    };
    struct Timer : io::Timer {
        explicit Timer(Exchange& x) : io::Timer(&Exchange::on_deadline), exchange(x) {}
        Exchange& exchange;
    };
    struct KeepAlive : io::Timer {
        explicit KeepAlive(Exchange& x) : io::Timer(&Exchange::on_keepalive), exchange(x) {}
        Exchange& exchange;
    };

    Exchange(Services& services, ClientConnection& client, Block home);
    ~Exchange();
    static void free_exchange(io::Doomed& doomed) noexcept;
    static io::Task run(Exchange& x, std::string_view first_body);
    // admit.cc
    Result<void> admit();
    Result<void> admit_route(const http::RequestHead& head);
    Result<void> admit_bearer(const http::RequestHead& head);
    // authenticate.cc
    Result<void> check_address();
    Result<void> refuse_address(const char* key);
    Result<void> authenticate(const http::RequestHead& head);
    Result<void> identify(const http::RequestHead& head, AuthTrial& trial);
    Result<void> identify_without_key(const http::RequestHead& head);
    Result<void> identify_by_key(std::string_view key, int64_t now_unix_s, AuthTrial& trial);
    Result<void> identify_by_token(std::string_view key, const Sha256& digest, int64_t now_unix_s, AuthTrial& trial);
    Result<void> authorize(AuthFailure& why);
    [[nodiscard]] const AccessRule* denied_as(std::string_view model, const llm::Request& request,
                                              const route::Candidate* who);
    [[nodiscard]] const AccessRule* denied_by(std::string_view model, const llm::Request& request);
    [[nodiscard]] bool may_be_led_to(std::string_view model, const llm::Request& request);
    Result<void> refuse_access(const AccessRule& rule);
    Result<void> check_access(const llm::Request& request);
    Result<void> check_access_unread();
    [[nodiscard]] std::optional<IpBytes> client_ip() const noexcept;
    [[nodiscard]] std::optional<IpBytes> peer_ip() const noexcept;
    [[nodiscard]] bool comes_from(const tenant::Consumer& consumer) const noexcept;
    [[nodiscard]] std::optional<IpBytes> lockable_address() const noexcept;
    void note_auth_failure(AuthFailure why) noexcept;
    // admit.cc
    [[nodiscard]] std::string_view client_key(const http::RequestHead& head) const noexcept;
    Result<void> admit_body(const http::RequestHead& head);
    Result<void> admit_coding(const http::RequestHead& head);
    Result<void> admit_endpoint(const http::RequestHead& head);
    void note_client(const http::RequestHead& head);
    void note_request_id(const http::RequestHead& head);
    bool note_family_field(const http::Header& header);
    void keep_request_lines(const http::RequestHead& head);
    bool answer_without_upstream(const http::RequestHead& head);
    bool answer_cors(const http::RequestHead& head);
    void answer_health(std::string_view path);
    void answer_admin(const http::RequestHead& head);
    // body.cc: the request's body
    void take_first_body(std::string_view bytes);
    void expect_body();
    [[nodiscard]] bool waits_for_body() const noexcept;
    size_t collect(std::string_view bytes);
    size_t collect_coded(std::string_view bytes);
    static void on_decoding_turn(io::Runnable& coded) noexcept;
    void decode_on();
    [[nodiscard]] bool make_room_for_plain();
    void pause_for_decoding() noexcept;
    void end_coded();
    void fail_coded(const Error& why);
    [[nodiscard]] uint64_t body_bytes_max() const noexcept;
    [[nodiscard]] bool make_room_for(size_t more_bytes);
    void on_room() noexcept override;
    void release_body() noexcept;
    size_t upload(std::string_view bytes, io::BufferLease* lease);
    void upload_piece(std::string_view payload, bool leased);
    void finish_upload();
    void await_upload() noexcept;
    [[nodiscard]] bool judges_upload() const noexcept;
    [[nodiscard]] bool upload_whole() const noexcept;
    [[nodiscard]] bool upload_held_up() const noexcept;
    void upload_kept_end(bool ready);
    [[nodiscard]] bool judge_upload(std::span<std::string_view> payloads);
    void on_upload_judged(const Result<void>& judged) noexcept;
    void read_upload_on() noexcept;
    void refuse_upload(const Error& why);
    void fail_body(const Error& why);
    [[nodiscard]] bool guards_document();
    // inspect.cc
    Result<void> inspect();
    Result<void> inspect_model();
    Result<void> inspect_found(const Result<void>& found, const llm::Request& request);
    Result<void> inspect_on(const llm::Request& request);
    Result<void> prepare(const llm::Request& request);
    // request_cap.cc
    void count_prompt(llm::Request& request);
    [[nodiscard]] std::optional<uint64_t> output_cap(const llm::Request& request) const noexcept;
    [[nodiscard]] bool copy_is_capped_alike() const noexcept;
    Result<void> check_request_cap(llm::Request& request);
    Result<llm::Request> read_again();
    void cap_document(std::string_view body);
    Result<void> prepare_quirky();
    Result<void> note_model(const llm::Request& request);
    void take_provider(size_t provider_ix) noexcept;
    Result<void> prepare_document(const llm::Request& request);
    [[nodiscard]] llm::Protocol models_protocol() const noexcept;
    void answer_models();
    // resource_call.cc: what providers keep
    Result<void> admit_family(const http::RequestHead& head);
    Result<void> check_family_provider();
    [[nodiscard]] const route::RoutingRule* rule_of_head();
    Result<void> refuse_rule(const route::RoutingRule& rule);
    Result<void> check_in_service() const;
    [[nodiscard]] size_t family_provider();
    Result<void> admit_upload(const http::RequestHead& head);
    [[nodiscard]] bool reads_family_body(const http::RequestHead& head) const noexcept;
    [[nodiscard]] bool waits_for_form() const noexcept;
    [[nodiscard]] std::string_view form_front() const noexcept;
    Result<void> inspect_unread();
    Result<void> inspect_form();
    Result<void> inspect_family();
    Result<void> choose_by_model();
    Result<void> look_for_ids();
    Result<void> ask_owners();
    [[nodiscard]] bool asks_register() const noexcept;
    void on_register_answer() noexcept;
    Result<void> look_at_register();
    Result<void> go_to_owner(const store::ResourceAnswer& answer);
    Result<void> prepare_for_owner();
    [[nodiscard]] bool collects_resource() const noexcept;
    [[nodiscard]] bool watches_ids() const noexcept;
    void ask_to_write(RegisterStage stage, const std::vector<llm::ResourceName>& made);
    Result<void> ask_about_answer();
    Result<void> keep_own_elements(const store::ResourceAnswer& answer);
    Result<void> deliver_resource();
    Result<void> reply_own(std::string_view body);
    Result<void> ask_for_next_page();
    void ask_again_at(std::string_view target);
    [[nodiscard]] std::string tenant() const;
    // candidate.cc: who is asked
    Result<void> find_candidate(const llm::Request& request = {});
    Result<void> find_candidate_unread();
    Result<void> choose_candidate(const llm::Request& request);
    Result<void> find_candidate_of_model(const llm::Request& request);
    Result<void> refuse_model();
    [[nodiscard]] route::Strategy strategy_of(const route::ModelMatch& match) const noexcept;
    [[nodiscard]] route::ChoiceTerms choice_terms(const route::ModelMatch& match, const llm::Request& request) noexcept;
    [[nodiscard]] std::optional<route::Choice> choose(const route::ModelMatch& match,
                                                      const route::ChoiceTerms& terms) noexcept;
    // instance.cc: by which base URL and key
    void take_instance() noexcept;
    void use_instance(size_t index) noexcept;
    void leave_instance() noexcept;
    [[nodiscard]] const route::InstanceSet* instance_set() const noexcept {
        return provider_ != nullptr ? provider_->instance_set.get() : nullptr;
    }
    [[nodiscard]] size_t instance_ix() const noexcept {
        return static_cast<size_t>(instance_ - provider_->instances.data());
    }
    [[nodiscard]] std::string account() const;
    void rest_key(const http::ResponseHead& head) noexcept;
    void rest_key_for(uint64_t rest_ms) noexcept;
    [[nodiscard]] bool has_other_key() const noexcept;
    bool choose_other_instance(const Failure& failure, size_t own_index);

    Result<void> take_candidate(const route::Candidate* candidate, size_t provider_ix, std::string_view model);
    [[nodiscard]] std::string_view quoted_upstream_model();
    void judge_candidate(route::Verdicts verdicts) noexcept;
    void leave_candidate(bool refused = false) noexcept;
    void note_latency(uint64_t now_ns) noexcept;
    void note_throughput(uint64_t now_ns) noexcept;
    // selection.cc: who of a model's candidates may take it
    [[nodiscard]] Selection& selection();
    [[nodiscard]] std::string_view routed_model() const noexcept;
    [[nodiscard]] route::ModelMatch match() const noexcept;
    void keep_rule_fields(const http::RequestHead& head);
    [[nodiscard]] const route::Estimate& estimate_of(const llm::Request& request) noexcept;
    [[nodiscard]] route::Strategy strategy_of_name(const SelectionPlan& terms) const noexcept;
    void choose_by_prompt(const llm::Request& request);
    Result<void> narrow(const route::ModelMatch& match, const llm::Request& request);
    Result<void> keep_to_regions(const route::ModelMatch& match, route::Tried& unfit);
    Result<void> keep_to_rule(const route::ModelMatch& match, const llm::Request& request, route::Tried& unfit);
    Result<void> keep_to_able(const route::ModelMatch& match, const llm::Request& request, route::Tried& unfit);
    void keep_to_serving(const route::ModelMatch& match, route::Tried& unfit) const noexcept;
    [[nodiscard]] bool serves(const route::Candidate& candidate, std::string_view model) const noexcept;
    void put_preferred_first(const route::ModelMatch& match);
    void put_near_first(const route::ModelMatch& match);
    void note_distance(uint64_t connect_ns) noexcept;
    [[nodiscard]] std::array<const route::RegionRequirement*, 2> region_requirements() const noexcept;
    [[nodiscard]] const route::RegionRequirement* barred_from(size_t provider_ix) const noexcept;
    [[nodiscard]] bool is_barred_by(const Plan& now) const noexcept;
    Result<void> check_region();
    Result<void> refuse_region(const route::RegionRequirement& requirement);
    Result<void> refuse_needs(route::CapabilitySet missing);
    void write_selection_lines(http::HeadWriter& head) const;
    // limits.cc: providers' limits
    Result<void> enter_limits(const route::ChoiceTerms& terms) noexcept;
    void leave_limits(bool refused) noexcept;
    void charge_unreserved(const llm::Usage& told) noexcept;
    void note_room() noexcept;
    [[nodiscard]] Error none_to_ask(const route::ModelMatch& match, const route::ChoiceTerms& terms) noexcept;
    [[nodiscard]] Error at_limit(uint64_t wait_ms) noexcept;
    [[nodiscard]] uint8_t priority() const noexcept;
    Result<void> shed_if_overloaded() noexcept;
    // adaptive.cc: how much they take at once
    [[nodiscard]] route::LimitState* learned_limit() const noexcept;
    void learn_of_head() noexcept;
    [[nodiscard]] bool is_word_on_concurrency() const noexcept;
    void learn_of_answer(uint64_t at_ns) noexcept;
    void learn_of_refusal() noexcept;
    // line_place.cc: waiting for them
    [[nodiscard]] bool joins_line(const llm::Request& request);
    Result<void> look_at_line();
    // stickiness.cc: which requests belong together
    void note_affinity(const http::RequestHead& head) noexcept;
    void note_affinity(const llm::Request& request) noexcept;
    [[nodiscard]] std::string_view user_of(const llm::Request& request) const noexcept;
    void add_cache_key();
    void book_stickiness();
    // experiment.cc: who is led to another model than the one asked for
    void choose_arm(const llm::Request& request);
    [[nodiscard]] bool may_lead(const llm::Request& request);
    void leave_arm() noexcept;
    [[nodiscard]] std::string_view asked_model() const noexcept;
    void book_arm(observe::Outcome outcome, uint64_t duration_us);
    // mirror.cc: copies of requests for a shadow
    [[nodiscard]] bool may_mirror() const noexcept;
    [[nodiscard]] bool may_copy_to(const route::Candidate& shadow) const noexcept;
    [[nodiscard]] bool access_lets_copy();
    [[nodiscard]] bool leaves_something() const noexcept;
    void mirror();
    Result<void> find_shadow(const llm::Request& request);
    void book_mirror();
    // hedge.cc: a second provider beside one that is slow
    [[nodiscard]] bool races() const noexcept;
    [[nodiscard]] bool is_hedge() const noexcept;
    void claim_client() noexcept override;
    [[nodiscard]] uint64_t attempts_told() const noexcept;

    // failover.cc: what follows when an attempt has failed
    [[nodiscard]] bool committed() const noexcept;
    [[nodiscard]] bool fails_over() const noexcept;
    Result<void> judge_answer();
    Result<void> look_at_relay();
    bool plan_next(const Error& why);
    void begin_failover();
    bool plan_failover(const Failure& failure);
    bool go_on_after(const Failure& failure);
    void note_failure(const Failure& failure);
    bool choose_next(const Failure& failure);
    void book_attempt();
    [[nodiscard]] uint64_t rest_of(const route::Candidate& candidate) const noexcept;
    void begin_pause() noexcept;
    [[nodiscard]] bool pausing() const noexcept { return pausing_ && !client_gone_; }
    bool choose_paused() noexcept;
    Result<void> begin_next();
    void switch_candidate();
    Result<void> make_request_anew();
    [[nodiscard]] Error telling_error(const Error& last);
    void judge_end();
    void write_routing_lines(http::HeadWriter& head) const;

    // continuation.cc: another provider goes on with a stream
    [[nodiscard]] bool goes_on() const noexcept;
    [[nodiscard]] bool keeps_request() const noexcept;
    void keep_told(RelayOptions& options);
    Result<void> look_at_cut();
    [[nodiscard]] llm::Translation* stream_writer() const noexcept;
    void book_continuation();

    // model_fallback.cc: another model than the client asked for
    [[nodiscard]] std::string_view stand_in(route::FallbackCause cause) const noexcept;
    [[nodiscard]] bool asks_refusal() const noexcept;
    Result<void> judge_collected();
    bool choose_fallback_model(const Failure& failure);
    [[nodiscard]] bool answers_lead_on() const noexcept;
    Result<void> hold_for_some_model(const llm::Request& request);

    // translate.cc: a provider of another protocol
    [[nodiscard]] bool takes_as_it_comes() const noexcept;
    void read_collected_usage();
    void estimate_count();
    [[nodiscard]] bool cannot_count() const noexcept;
    [[nodiscard]] bool wants_json_array() const noexcept;
    [[nodiscard]] std::string_view query() const noexcept;
    Result<void> translate();
    Result<void> translate_chat();
    Result<void> translate_count();
    Result<void> translate_embedding(std::string_view asked);
    [[nodiscard]] std::string_view names_of(const ArenaList<std::string_view>& dropped);
    Result<void> tell_dropped(const ArenaList<std::string_view>& dropped);
    void note_lost_of_answer();
    [[nodiscard]] std::string_view document() const noexcept;
    [[nodiscard]] bool collects_answer() const noexcept;
    [[nodiscard]] CollectedAnswer& collected() noexcept;
    Result<void> hold_collected();
    Result<void> begin_collecting();
    Result<void> look_at_collected();
    Result<void> deliver_collected();
    void take_collected(std::string_view bytes) noexcept;
    void end_collected(const Error& why) noexcept;
    void watch_stream(RelayOptions& options);
    void read_beside(RelayOptions& options, llm::Protocol protocol);
    [[nodiscard]] static bool has_type(const http::ResponseHead& head, std::string_view wanted) noexcept;
    [[nodiscard]] static bool is_event_stream(const http::ResponseHead& head) noexcept;
    [[nodiscard]] static bool is_frame_stream(const http::ResponseHead& head) noexcept;
    [[nodiscard]] const llm::Usage& usage() const noexcept;
    [[nodiscard]] bool answer_whole() const noexcept;

    // forward.cc
    Result<void> start_attempt();
    void begin_attempt();
    void end_attempt() noexcept;
    Result<void> write_attempt_head();
    [[nodiscard]] std::string_view upstream_target();
    void write_family_lines(http::HeadWriter& head);
    [[nodiscard]] uint64_t uploaded_bytes() const noexcept;
    void send_attempt();
    Result<void> look_at_answer();
    [[nodiscard]] bool may_reconnect(const Error& why) const noexcept;
    void drop_upstream(net::Close how) noexcept;
    void release_upstream() noexcept;
    [[nodiscard]] bool upstream_sending() const noexcept { return upstream_draining_; }
    void on_upstream_connected(Result<void> result) noexcept override;
    void on_upstream_bytes(io::BufferLease bytes) noexcept override;
    void on_upstream_end(Error why) noexcept override;
    void on_upstream_sent(net::Sender::State state) noexcept override;
    void on_upstream_closed() noexcept override;

    // credentials.cc: those that are not lines of the conf
    Result<std::string_view> access_token_line();
    [[nodiscard]] size_t credentials_bytes() const noexcept;
    void note_refused_token() const noexcept;
    [[nodiscard]] bool hashes_document();
    static void on_digest_turn(io::Runnable& digest) noexcept;
    Result<void> write_credentials(http::HeadWriter& head, std::string_view base, std::string_view rest);
    Result<void> sign(http::HeadWriter& head, std::string_view base, std::string_view rest);

    // answer.cc: from the upstream's head to the relay
    Result<void> begin_relay();
    void relay_answer();
    void take_back_answer(size_t held_before);
    void forget_relay();
    [[nodiscard]] HoldTerms hold_terms(const RelayOptions& options) const noexcept;
    void begin_made_relay();
    void release_request() noexcept;
    void release_draft() noexcept;
    void start_relay(const RelayOptions& options);
    void count_texts(RelayOptions& options);
    void write_answer_head(const http::ResponseHead& head, const RelayOptions& options);
    void finish_answer_head(http::HeadWriter& head, bool ends_by_close);
    [[nodiscard]] uint64_t overhead_ns() const noexcept;
    void begin_stream_early();
    void pause_source() noexcept override;
    void resume_source() noexcept override;
    void on_content_came() noexcept override;
    void on_first_content() noexcept override;
    void on_event_passed() noexcept override;
    llm::Usage stop_usage() noexcept override;
    void on_relay_end() noexcept override;

    // realtime.cc: a WebSocket in place of an answer
    [[nodiscard]] bool is_realtime_session() const noexcept;
    [[nodiscard]] bool in_session() const noexcept { return realtime_ != nullptr && session_begun(); }
    [[nodiscard]] bool session_begun() const noexcept;
    [[nodiscard]] bool relay_over() const noexcept { return realtime_ != nullptr ? session_ended() : relay_.ended(); }
    [[nodiscard]] bool session_ended() const noexcept;
    Result<void> admit_realtime(const http::RequestHead& head);
    [[nodiscard]] bool still_allowed(const Plan& plan) const noexcept;
    [[nodiscard]] const tenant::Consumer* bearer_by(const Plan& now) const noexcept;
    void end_with_token() noexcept;
    [[nodiscard]] bool token_is_over() const noexcept;
    Result<void> find_realtime_provider();
    Result<void> find_transcriber();
    void ask_for_upgrade(const char* what);
    Result<void> answer_upgrade();
    Result<void> begin_session();
    void arm_session(uint64_t at_ms) noexcept;
    void on_session_deadline(bool total);
    void on_session_end() noexcept;

    // reply.cc: answers of Loom's own
    void refuse(const Error& why);
    void refuse_in_stream(const Error& why);
    void reply(int status, std::string_view content_type, std::string_view body, std::string_view extra_lines = {});
    [[nodiscard]] bool client_settled() const noexcept;
    [[nodiscard]] llm::Protocol error_protocol() const noexcept;

    // settle.cc
    void settle();
    [[nodiscard]] bool left_early() const noexcept;
    [[nodiscard]] bool was_stopped() const noexcept { return relay_.end() == Relay::End::stopped; }
    [[nodiscard]] uint32_t event_count() const noexcept;
    void book(uint64_t now_ns);
    void book_tokens(const llm::Usage& usage, bool answered = false);
    void book_cost(const llm::Usage& usage);
    [[nodiscard]] const route::Price* price_at_hand() const noexcept;
    void add_cost(Money cost) noexcept;
    void write_log(uint64_t now_ns);

    // deadlines
    static void on_deadline(io::Timer& timer) noexcept;
    static void on_keepalive(io::Timer& timer) noexcept;
    void arm(Deadline what, uint64_t delay_ms) noexcept;
    [[nodiscard]] bool total_passed() const noexcept;
    void count_timeout() noexcept;
    void wake() noexcept { wait_.wake(services_.shard()); }
    [[nodiscard]] const Timeouts& timeouts() const noexcept;
    [[nodiscard]] const Plan& plan() const noexcept { return *use_->plan; }

    Services& services_;
    ClientConnection* client_;  // never null; who waits for the answer, or where it goes in its place
    PlanUse* use_;
    io::Wait wait_;

    // the request
    const RoutePlan* route_ = nullptr;
    const tenant::Consumer* consumer_ = nullptr;
    tenant::TokenIdentityPtr token_;  // of who has shown a token; consumer_ is its
    const route::Candidate* candidate_ = nullptr;
    const route::Arm* arm_ = nullptr;  // of the experiment that the request is in
    const ProviderPlan* provider_ = nullptr;
    const InstancePlan* instance_ = nullptr;   // of provider_
    const llm::ProviderType* type_ = nullptr;  // the provider's, for this model; of an inspected request
    std::unique_ptr<Translated> translated_;
    std::unique_ptr<llm::StreamWatch> watch_;
    std::unique_ptr<llm::Translation> shadow_;  // of a stream that may be stopped: knows how
    std::unique_ptr<Realtime> realtime_;        // of a request for a session, and of the session
    std::unique_ptr<CacheVisit> cache_;         // of a request whose answer may be kept, or was
    std::unique_ptr<Ownership> owned_;          // of a request that has to do with what providers keep
    Draft* draft_ = nullptr;
    Selection* selection_ = nullptr;   // in text_; null where nothing narrows who may take it
    ClientLimits* limited_ = nullptr;  // in text_; null where clients have no limits
    LedgerEntry* entry_ = nullptr;     // in a block; null where nothing is booked
    Arena text_;
    std::string_view method_text_;
    std::string_view path_;
    std::string_view target_;  // path and query, for the upstream
    std::string_view request_id_;
    std::string_view client_text_;
    std::string_view user_agent_;
    std::string_view origin_;  // of a CORS request that is allowed
    std::string_view model_;
    std::string_view upstream_model_;     // the name at the provider
    std::string_view detail_;             // behind the text of a refusal
    std::string_view context_line_;       // of a prompt beyond its model's context: what its answer says of it
    std::string_view dropped_;            // what the provider's protocol cannot carry: "logit_bias, seed"
    FamilyFields* family_ = nullptr;      // in text_
    ByteBuffer request_lines_;            // headers for the upstream
    ByteBuffer body_;                     // a collected body, or what came before the upstream was there
    std::unique_ptr<TokenVisit> visit_;   // while an issuer is asked whose the client's token is
    std::unique_ptr<AdminCall> call_;     // of the admin listener, whose body is read
    std::unique_ptr<Guarding> guarding_;  // of a body that is, or was, looked through
    std::unique_ptr<CodedBody> coded_;    // of a body that came compressed, until it is plain
    http::BodyReader client_body_;
    http::Method method_ = http::Method::other;
    llm::Endpoint endpoint_ = llm::Endpoint::unknown;
    BodyMode body_mode_ = BodyMode::none;
    Phase phase_ = Phase::admit;
    Deadline deadline_ = Deadline::none;
    uint8_t minor_version_ = 1;
    bool keep_alive_ = false;
    bool client_unnamed_ = false;  // a trusted proxy asks, and does not say for whom
    bool expect_continue_ = false;
    bool speaks_anthropic_ = false;  // a family's client, whose path alone does not tell
    bool stream_ = false;
    bool strip_usage_ = false;
    bool json_fault_ = false;     // the reader of the request knows where
    bool closing_told_ = false;   // "connection: close" was sent
    bool ends_by_close_ = false;  // only the connection's end says where the answer's body ends
    uint32_t first_bytes_taken_ = 0;

    // the upstream
    upstream::Connection* upstream_ = nullptr;
    PoolEntry* pool_ = nullptr;
    std::unique_ptr<EchoSource> echo_;
    std::unique_ptr<LinePlace> place_;            // while it waits for a provider at its limit
    std::unique_ptr<Failover> failover_;          // once an attempt has failed
    std::unique_ptr<Continuation> continuation_;  // of a stream that others may go on with
    std::unique_ptr<Hedge> hedge_;                // once a second provider is asked beside the first
    Attempt* attempt_ = nullptr;                  // null once its answer passes
    uint64_t affinity_ = 0;                       // the key of routing.sticky; 0: none
    route::Passage passage_;
    route::InstancePassage instance_passage_;  // where the provider has several
    route::ChoiceReason choice_reason_ = route::ChoiceReason::strategy;
    route::Strategy strategy_ = route::Strategy::priority;
    AnswerState answer_ = AnswerState::none;
    PromptTokens prompt_;
    uint8_t attempts_ = 0;            // connections that were tried, of all providers
    uint8_t connects_ = 0;            // of the one at hand
    bool upstream_draining_ = false;  // dropped while the kernel still held bytes of ours
    bool upstream_reusable_ = false;
    bool request_sent_ = false;
    bool upload_paused_ = false;
    bool fresh_only_ = false;
    bool pausing_ = false;
    uint16_t status_ = 0;          // that the client gets
    uint32_t retry_after_ms_ = 0;  // of a refusal; 0: it does not say
    bool opened_early_ = false;    // by keep-alives: the client has a head, and none of the answer

    // the answer
    Relay relay_;
    bool answered_ = false;        // a head has been given to the client
    bool answer_is_ours_ = false;  // whatever of it there is waits for the end of this turn
    bool relaying_ = false;
    bool collecting_ = false;      // the answer is needed whole
    bool streaming_ = false;       // counted among the open streams
    bool reader_stalled_ = false;  // the stream's pace was the client's for a while
    bool client_gone_ = false;
    bool aborted_ = false;  // the client's connection was broken off by us
    bool counted_ = false;  // among the live exchanges
    Error error_;           // what went wrong, if anything did

    // times
    Timer timer_{*this};
    KeepAlive keepalive_{*this};
    uint64_t total_deadline_ms_ = 0;
    uint64_t begun_ns_;
    uint64_t begun_wall_us_;
    uint64_t body_ns_ = 0;  // the request was whole
    uint64_t inspected_ns_ = 0;
    uint64_t forwarded_ns_ = 0;  // it was on its way to the upstream
    uint64_t answer_ns_ = 0;     // the answer's head came
    uint64_t head_ns_ = 0;       // it left for the client
    uint64_t content_ns_ = 0;    // the first content left
    uint64_t admitted_ns_ = 0;
    uint64_t connect_from_ns_ = 0;
    uint64_t connect_wait_ns_ = 0;
    uint64_t bytes_in_ = 0;
    Money cost_ = -1;           // of all attempts so far; -1: no price is known
    uint64_t sent_before_ = 0;  // of the connection, by earlier exchanges
    Block home_;
};

}  // namespace loom::proxy
