// A request whose provider speaks another protocol than its client: the document that goes there, and the answer's way
// back. Streams are translated in the relay, event by event; what comes whole is collected here.
#include <fmt/format.h>

#include <algorithm>

#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "continuation.h"
#include "echo_source.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"
#include "ownership.h"
#include "realtime.h"
#include "token_provenance.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr size_t dropped_bytes_max = 1024;
constexpr size_t error_type_bytes_max = 128;

/// Of an endpoint that counts tokens.
llm::CountProtocol count_protocol_of(llm::Endpoint endpoint) noexcept {
    if (endpoint == llm::Endpoint::count_tokens) return llm::CountProtocol::anthropic;
    return endpoint == llm::Endpoint::input_tokens ? llm::CountProtocol::responses : llm::CountProtocol::gemini;
}

}  // namespace

/// Can the provider take the client's own document?
bool Exchange::takes_as_it_comes() const noexcept {
    if (goes_on()) return false;  // it is not the client's alone
    if ((type_->endpoints & llm::set_of(endpoint_)) == 0) return false;
    // In one JSON array nothing could be read, cut or told on the way.
    return !wants_json_array();
}

std::string_view Exchange::query() const noexcept {
    const size_t mark = target_.find('?');
    return mark == target_.npos ? std::string_view{} : target_.substr(mark + 1);
}

/// What Gemini streams to a client that does not say alt=sse.
bool Exchange::wants_json_array() const noexcept {
    if (endpoint_ != llm::Endpoint::stream_generate_content) return false;
    for (std::string_view rest = query(); !rest.empty();) {
        const std::string_view field = rest.substr(0, rest.find('&'));
        if (field == "alt=sse") return false;
        rest.remove_prefix(std::min(rest.size(), field.size() + 1));
    }
    return true;
}

/// How many tokens a prompt is, of a provider that cannot be asked: as its model's own tokenizer has counted it, or an
/// estimate, and the answer says which.
void Exchange::estimate_count() {
    ByteBuffer body(services_.shard().blocks());
    llm::write_count(count_protocol_of(endpoint_), prompt_.tokens, body);
    reply(200, "application/json", body.view(),
          prompt_.is_counted() && Booking(*this).counts_as_asked() ? "x-loom-token-count: counted\r\n"
                                                                   : "x-loom-token-count: estimated\r\n");
}

/// The provider was asked for a count in a way that it does not know for this model.
bool Exchange::cannot_count() const noexcept {
    if (translated_->counting == nullptr) return false;
    const int status = translated_->answer.status();
    if (status == 404 || status == 405 || status == 501) return true;
    // Bedrock: "The provided model doesn't support counting tokens", or its key may not.
    return type_->protocol == llm::Protocol::bedrock && (status == 400 || status == 403);
}

Result<void> Exchange::translate() {
    const bool counts = llm::counts_tokens(endpoint_);
    if (counts && !llm::count_protocol_of(*type_, upstream_model_)) {
        estimate_count();
        return {};
    }
    const std::string_view asked = draft_->request.model;
    // Where nothing is left of a cap, it is no cap of none: the least that a provider takes.
    const auto left = plan().request_caps != nullptr ? output_cap(draft_->request) : std::nullopt;
    const uint64_t cap = left ? std::max<uint64_t>(*left, 1) : 0;
    const auto chat = llm::chat_protocol_of(endpoint_);
    const llm::TranslateTerms terms{.client = chat.value_or(llm::error_protocol_of(endpoint_)),
                                    .provider = type_->protocol,
                                    .model = upstream_model_,
                                    .client_model = asked,
                                    .fallback_id = request_id_,
                                    .created = begun_wall_us_ / 1'000'000,
                                    .max_tokens_default = plan().max_tokens_default,
                                    .max_tokens_cap = cap,
                                    .stream = stream_,
                                    .include_usage = draft_->request.include_usage,
                                    .quirks = provider_->quirks | type_->quirks,
                                    .body_version = type_->body_version,
                                    .json_array = wants_json_array(),
                                    .guardrail = provider_->guardrail,
                                    .guardrail_version = provider_->guardrail_version};
    translated_ = std::make_unique<Translated>(services_, terms);
    if (goes_on()) {
        continuation_->told.go_on();
        translated_->translation.tell(continuation_->told);
    }
    const auto made = chat ? translate_chat() : counts ? translate_count() : translate_embedding(asked);
    if (!made) return made;
    LOOM_TRY(translated_->hold_documents());
    // What follows (edits, the embedded model) reads the document that goes out.
    if (provider_->kind != ProviderKind::echo) return {};
    const auto made_endpoint = chat ? llm::Endpoint::chat_completions : llm::Endpoint::embeddings;
    const auto request = services_.request_reader.read(made_endpoint, document());
    if (!request) return fail(Errc::bad_message, Side::internal, "the translated request cannot be read");
    const uint64_t estimated = draft_->request.prompt_tokens_estimated;  // of the client's own document
    draft_->request = *request;
    draft_->request.model = model_;
    draft_->request.prompt_tokens_estimated = estimated;
    prompt_.tell(draft_->request);
    return {};
}

Result<void> Exchange::translate_chat() {
    const auto made = translated_->translation.request(body_.view(), translated_->request);
    if (made) return tell_dropped(translated_->translation.dropped());
    detail_ = translated_->translation.error_param();
    return made;
}

Result<void> Exchange::translate_count() {
    const llm::CountTerms terms{.client = count_protocol_of(endpoint_),
                                .provider = *llm::count_protocol_of(*type_, upstream_model_),
                                .model = upstream_model_,
                                .body_version = type_->body_version,
                                .quirks = provider_->quirks | type_->quirks};
    auto& counting = translated_->counting;
    counting = std::make_unique<llm::CountTranslation>(services_.translate_scratch, services_.shard().blocks(), terms);
    const auto made = counting->request(body_.view(), translated_->request);
    if (!made) detail_ = counting->error_param();
    return made;
}

Result<void> Exchange::translate_embedding(std::string_view asked) {
    const auto protocol = llm::embed_protocol_of(*type_, upstream_model_);
    if (!protocol) {
        detail_ = provider_->name;
        return fail(Errc::unsupported, Side::downstream, "the model's provider has no such endpoint");
    }
    llm::EmbedProtocol client = llm::EmbedProtocol::openai;
    if (endpoint_ == llm::Endpoint::embed_content) client = llm::EmbedProtocol::gemini;
    if (endpoint_ == llm::Endpoint::batch_embed_contents) client = llm::EmbedProtocol::gemini_batch;
    const llm::EmbedTerms terms{.client = client,
                                .provider = *protocol,
                                .model = upstream_model_,
                                .client_model = asked,
                                .fallback_id = request_id_};
    auto& embedding = translated_->embedding;
    embedding = std::make_unique<llm::EmbedTranslation>(services_.translate_scratch, services_.shard().blocks(), terms);
    const auto made = embedding->request(body_.view(), translated_->request);
    if (made) return tell_dropped(embedding->dropped());
    detail_ = embedding->error_param();
    return made;
}

Translated::Translated(Services& services, const llm::TranslateTerms& terms)
    : BodyHold(services.bodies()),
      translation(services.translate_scratch, services.shard().blocks(), terms),
      request(services.shard().blocks()),
      answer(services.shard().blocks(), services.plan().limits.body_bytes) {}

Result<void> Translated::hold_documents() {
    if (hold(request.capacity() + answer.memory_bytes())) return {};
    let_go();
    return fail(Errc::exhausted, Side::internal, "no memory for one more translated body (limit.bodies_in_memory)");
}

Result<void> Translated::write_answer(ByteBuffer& out) {
    if (!error_type.empty()) {  // in its client's own protocol
        out.append(answer.body());
        return {};
    }
    const bool good = answer.status() / 100 == 2;
    if (good && counting != nullptr) return counting->answer(answer.body(), out);
    if (good && embedding != nullptr) return embedding->answer(answer.body(), out, usage);
    if (good) return translation.answer(answer.body(), out, usage);
    translation.error(answer.status(), answer.body(), out);
    return {};
}

std::string_view Exchange::names_of(const ArenaList<std::string_view>& dropped) {
    ByteBuffer names(services_.shard().blocks());
    for (const std::string_view name : dropped) {
        if (names.size() + name.size() > dropped_bytes_max) break;
        if (!names.empty()) names.append(", ");
        names.append(name);
    }
    return text_.keep(names.view());
}

/// What was left out is never left out in silence, unless the conf says so.
Result<void> Exchange::tell_dropped(const ArenaList<std::string_view>& dropped) {
    if (plan().unsupported == Unsupported::drop || dropped.empty()) return {};
    const std::string_view told = names_of(dropped);
    if (plan().unsupported == Unsupported::warn) {
        dropped_ = told;
        return {};
    }
    detail_ = told;  // and no x-loom-dropped: nothing was left out of a request that nobody was sent
    return fail(Errc::bad_message, Side::downstream,
                "the model's provider cannot do this (translate.unsupported = reject)");
}

/// What the answer has that its client's protocol cannot carry is told too, where it came whole; a stream's head has
/// left when that is known.
void Exchange::note_lost_of_answer() {
    const bool chat = translated_->embedding == nullptr && translated_->counting == nullptr;
    if (chat && plan().unsupported == Unsupported::warn) dropped_ = names_of(translated_->translation.dropped());
}

/// The document that goes to the provider, before its edits.
std::string_view Exchange::document() const noexcept {
    if (translated_ != nullptr) return translated_->request.view();
    return draft_ != nullptr && !draft_->changed.empty() ? draft_->changed.view() : body_.view();
}

/// Is the answer at hand needed whole before the client gets any of it?
bool Exchange::collects_answer() const noexcept {
    if (collects_resource()) return true;
    if (Guarding::collects(*this)) return true;
    const http::ResponseHead& head = services_.response_head;
    // Whole behind a head of a stream: the client can be told nothing but that, yet what it cost is in there.
    if (asks_refusal()) return true;
    if (translated_ == nullptr)
        return answered_ && echo_ == nullptr && head.status == 200 && !is_event_stream(head) &&
               llm::chat_protocol_of(endpoint_).has_value();
    if (echo_ != nullptr) return !echo_->streams();
    return head.status / 100 != 2 || (!is_event_stream(head) && !is_frame_stream(head));
}

CollectedAnswer& Exchange::collected() noexcept {
    return translated_ != nullptr ? translated_->answer : owned_->collected();
}

Result<void> Exchange::hold_collected() {
    return translated_ != nullptr ? translated_->hold_documents() : owned_->hold_memory();
}

Result<void> Exchange::begin_collecting() {
    if (translated_ == nullptr && !collects_resource()) {
        const llm::Protocol own = *llm::chat_protocol_of(endpoint_);
        translated_ = std::make_unique<Translated>(services_, llm::TranslateTerms{.client = own, .provider = own});
        const std::string_view type =
            echo_ == nullptr ? services_.response_head.value_of(http::HeaderId::content_type) : std::string_view();
        const bool fits = !type.empty() && type.size() <= error_type_bytes_max;
        translated_->error_type = text_.keep(fits ? type : "application/json");
    }
    CollectedAnswer& answer = translated_ != nullptr ? translated_->answer : owned_->collect();
    collecting_ = true;
    attempt_->deadline_ms = 0;  // it answers
    attempt_->hedge_timer.disarm();
    error_ = {};  // an end that came in the same tick stands behind the answer, not in its place
    if (echo_ != nullptr) {
        http::ResponseHead head;
        head.status = 200;
        head.framing = http::BodyFraming::length;
        head.content_length = echo_->whole().size();
        LOOM_TRY(answer.begin(head, ClientQuota(*this).is_told()));
        LOOM_TRY(answer.take(echo_->whole()));
        return look_at_collected();
    }
    const http::ResponseHead& head = services_.response_head;
    const size_t head_bytes = head.head_bytes;
    upstream_reusable_ = head.keep_alive && head.framing != http::BodyFraming::until_close;
    LOOM_TRY(answer.begin(head, ClientQuota(*this).is_told()));
    LOOM_TRY(hold_collected());
    arm(Deadline::inter_event, timeouts().inter_event_ms);
    if (attempt_->answer_lease) {
        attempt_->answer_lease.remove_prefix(head_bytes);
        const io::BufferLease rest = std::move(attempt_->answer_lease);
        LOOM_TRY(answer.take(rest.view()));
    } else {
        LOOM_TRY(answer.take(attempt_->answer_bytes.view().substr(head_bytes)));
        attempt_->answer_bytes.release();
    }
    if (!answer.whole() && upstream_->ended()) LOOM_TRY(answer.on_end(upstream_->end()));
    return look_at_collected();
}

void Exchange::take_collected(std::string_view bytes) noexcept {
    CollectedAnswer& answer = collected();
    const size_t before = answer.memory_bytes();
    Result<void> taken = answer.take(bytes);
    if (taken && answer.memory_bytes() != before) taken = hold_collected();
    arm(Deadline::inter_event, timeouts().inter_event_ms);
    if (!taken && error_.code == Errc::ok) error_ = taken.error();
    if (!taken || answer.whole()) wake();
}

void Exchange::end_collected(const Error& why) noexcept {
    auto ended = collected().on_end(why);
    if (!ended) ended.error().retry = Retry::never;  // a part of an answer came: the model has worked
    if (!ended && error_.code == Errc::ok) error_ = ended.error();
    wake();
}

/// After a wake-up: is it whole, has something gone wrong, or is there more to wait for?
Result<void> Exchange::look_at_collected() {
    if (client_gone_ || error_.code != Errc::ok) return std::unexpected(error_);
    collecting_ = !collected().whole();
    if (!collecting_ && !stream_ && collected().status() < 400) note_latency(services_.shard().now_ns());
    return {};
}

Result<void> Exchange::deliver_collected() {
    if (translated_ == nullptr) return deliver_resource();
    CollectedAnswer& answer = translated_->answer;
    if (!answer.in_step()) upstream_reusable_ = false;
    if (answered_) {  // the client has a stream's head already
        read_collected_usage();
        return fail(Errc::bad_message, Side::upstream,
                    answer.status() / 100 == 2
                        ? "the upstream did not stream its answer (route.NAME.keepalive)"
                        : "the upstream refused after the stream had been opened (route.NAME.keepalive)");
    }
    if (cannot_count()) {
        estimate_count();
        return {};
    }
    ByteBuffer document(services_.shard().blocks());
    LOOM_TRY(translated_->write_answer(document));
    note_lost_of_answer();
    const bool as_it_came = !translated_->error_type.empty();
    if (cache_ != nullptr && translated_->counting == nullptr) cache_->take_document(answer.status(), document.view());
    reply(answer.status(), as_it_came ? translated_->error_type : "application/json", document.view(), answer.lines());
    return {};
}

/// Of an answer that reaches nobody: it was paid for all the same.
void Exchange::read_collected_usage() {
    if (translated_->answer.status() / 100 != 2) return;
    ByteBuffer unused(services_.shard().blocks());
    (void)translated_->translation.answer(translated_->answer.body(), unused, translated_->usage);
    if (translated_->usage.provenance == llm::Usage::Provenance::none)
        (void)services_.usage_reader.read(translated_->answer.body(), translated_->usage);
}

/// A stream that Loom may end before its provider does, and that nobody translates: whoever writes its end has to know
/// where it stands. Once, whoever may end it.
void Exchange::read_beside(RelayOptions& options, llm::Protocol protocol) {
    if (options.translation != nullptr || options.shadow != nullptr) return;
    // Legacy completions have chat's events, as far as it matters here.
    const bool is_legacy = protocol == llm::Protocol::openai_completions;
    const llm::TranslateTerms equal{.client = protocol,
                                    .provider = is_legacy ? llm::Protocol::openai_chat : protocol,
                                    .fallback_id = request_id_,
                                    .created = begun_wall_us_ / 1'000'000,
                                    .stream = true,
                                    .include_usage = draft_ != nullptr && draft_->request.include_usage};
    shadow_ = std::make_unique<llm::Translation>(services_.translate_scratch, services_.shard().blocks(), equal);
    options.shadow = shadow_.get();
}

/// What the relay needs to know of a stream's protocols.
void Exchange::watch_stream(RelayOptions& options) {
    options.client_protocol = error_protocol();
    if (options.event_stream && watches_ids()) options.observer = owned_.get();
    if (type_ == nullptr) return;
    if (translated_ != nullptr) {
        if (options.event_stream) options.translation = &translated_->translation;
        return;
    }
    const auto protocol = llm::chat_protocol_of(endpoint_);
    if (!protocol || *protocol == llm::Protocol::openai_chat) return;
    // The usage of a whole answer is found from its end, whatever else it says, but for Gemini's.
    if (!options.event_stream && *protocol != llm::Protocol::gemini) return;
    watch_ = std::make_unique<llm::StreamWatch>(services_.translate_scratch, services_.shard().blocks(), *protocol);
    options.watch = watch_.get();
}

const llm::Usage& Exchange::usage() const noexcept {
    if (realtime_ != nullptr) return realtime_->usage();
    if (translated_ != nullptr && translated_->usage.provenance != llm::Usage::Provenance::none)
        return translated_->usage;
    return owned_ != nullptr && !relaying_ ? owned_->usage : relay_.usage();
}

/// The upstream's whole answer came, and went on to the client: no error in the middle of its stream.
bool Exchange::answer_whole() const noexcept {
    if (relaying_) return relay_.end() == Relay::End::whole && !relay_.error_told();
    if (in_session()) return realtime_->session().ended_well();
    if (translated_ == nullptr) return owned_ != nullptr && owned_->answer_whole();
    return translated_->answer.whole();
}

}  // namespace loom::proxy
