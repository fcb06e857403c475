// A request whose provider speaks another protocol than its client: the document that goes there, and the answer's way
// back. Streams are translated in the relay, event by event; what comes whole is collected here.
#include <fmt/format.h>

#include <algorithm>

#include "client_connection.h"
#include "echo_source.h"
#include "exchange.h"
#include "translated.h"

namespace loom::proxy {
namespace {

constexpr size_t dropped_bytes_max = 1024;

}  // namespace

/// Can the provider take the client's own document?
bool Exchange::takes_as_it_comes() const noexcept {
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

/// How many tokens a prompt is, of a provider that cannot be asked: an estimate, and the answer says so.
bool Exchange::answers_count() {
    constexpr uint64_t bytes_per_token = 4;
    const bool anthropic = endpoint_ == llm::Endpoint::count_tokens;
    if (!anthropic && endpoint_ != llm::Endpoint::gemini_count_tokens) return false;
    const uint64_t tokens = (draft_->request.prompt_bytes + bytes_per_token - 1) / bytes_per_token;
    const std::string body = fmt::format(R"({{"{}":{}}})", anthropic ? "input_tokens" : "totalTokens", tokens);
    reply(200, "application/json", body, "x-loom-token-count: estimated\r\n");
    return true;
}

Result<void> Exchange::translate() {
    const std::string_view asked = draft_->request.model;
    const auto chat = llm::chat_protocol_of(endpoint_);
    const llm::TranslateTerms terms{.client = chat.value_or(llm::error_protocol_of(endpoint_)),
                                    .provider = type_->protocol,
                                    .model = upstream_model_,
                                    .client_model = asked,
                                    .fallback_id = request_id_,
                                    .created = begun_wall_us_ / 1'000'000,
                                    .max_tokens_default = plan().max_tokens_default,
                                    .stream = stream_,
                                    .include_usage = draft_->request.include_usage,
                                    .quirks = provider_->quirks | type_->quirks,
                                    .body_version = type_->body_version,
                                    .json_array = wants_json_array()};
    translated_ = std::make_unique<Translated>(services_, terms);
    const auto made = chat ? translate_chat() : translate_embedding(asked);
    if (!made) return made;
    LOOM_TRY(translated_->hold_documents());
    // What follows (edits, the embedded model) reads the document that goes out.
    if (provider_->kind != ProviderKind::echo) return {};
    const auto made_endpoint = chat ? llm::Endpoint::chat_completions : llm::Endpoint::embeddings;
    const auto request = services_.request_reader.read(made_endpoint, document());
    if (!request) return fail(Errc::bad_message, Side::internal, "the translated request cannot be read");
    draft_->request = *request;
    draft_->request.model = model_;
    return {};
}

Result<void> Exchange::translate_chat() {
    const auto made = translated_->translation.request(body_.view(), translated_->request);
    if (made) return tell_dropped(translated_->translation.dropped());
    detail_ = translated_->translation.error_param();
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
    const bool good = answer.status() / 100 == 2;
    if (good && embedding != nullptr) return embedding->answer(answer.body(), out, usage);
    if (good) return translation.answer(answer.body(), out, usage);
    translation.error(answer.status(), answer.body(), out);
    return {};
}

/// What was left out is never left out in silence, unless the conf says so.
Result<void> Exchange::tell_dropped(const ArenaList<std::string_view>& dropped) {
    if (plan().unsupported == Unsupported::drop || dropped.empty()) return {};
    ByteBuffer names(services_.shard().blocks());
    for (const std::string_view name : dropped) {
        if (names.size() + name.size() > dropped_bytes_max) break;
        if (!names.empty()) names.append(", ");
        names.append(name);
    }
    dropped_ = text_.keep(names.view());
    if (plan().unsupported == Unsupported::warn) return {};
    detail_ = dropped_;
    return fail(Errc::bad_message, Side::downstream,
                "the model's provider cannot do this (translate.unsupported = reject)");
}

/// The document that goes to the provider, before its edits.
std::string_view Exchange::document() const noexcept {
    return translated_ != nullptr ? translated_->request.view() : body_.view();
}

/// Is the answer at hand needed whole before the client gets any of it?
bool Exchange::collects_answer() const noexcept {
    if (translated_ == nullptr) return false;
    if (echo_ != nullptr) return !echo_->streams();
    const http::ResponseHead& head = services_.response_head;
    return head.status / 100 != 2 || (!is_event_stream(head) && !is_frame_stream(head));
}

Result<void> Exchange::begin_collecting() {
    CollectedAnswer& answer = translated_->answer;
    collecting_ = true;
    attempt_->deadline_ms = 0;  // it answers
    error_ = {};  // an end that came in the same tick stands behind the answer, not in its place
    if (echo_ != nullptr) {
        http::ResponseHead head;
        head.status = 200;
        head.framing = http::BodyFraming::length;
        head.content_length = echo_->whole().size();
        LOOM_TRY(answer.begin(head));
        LOOM_TRY(answer.take(echo_->whole()));
        return look_at_collected();
    }
    const http::ResponseHead& head = services_.response_head;
    const size_t head_bytes = head.head_bytes;
    upstream_reusable_ = head.keep_alive && head.framing != http::BodyFraming::until_close;
    LOOM_TRY(answer.begin(head));
    LOOM_TRY(translated_->hold_documents());
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
    const size_t before = translated_->answer.memory_bytes();
    Result<void> taken = translated_->answer.take(bytes);
    if (taken && translated_->answer.memory_bytes() != before) taken = translated_->hold_documents();
    arm(Deadline::inter_event, timeouts().inter_event_ms);
    if (!taken && error_.code == Errc::ok) error_ = taken.error();
    if (!taken || translated_->answer.whole()) wake();
}

void Exchange::end_collected(const Error& why) noexcept {
    auto ended = translated_->answer.on_end(why);
    if (!ended) ended.error().retry = Retry::never;  // a part of an answer came: the model has worked
    if (!ended && error_.code == Errc::ok) error_ = ended.error();
    wake();
}

/// After a wake-up: is it whole, has something gone wrong, or is there more to wait for?
Result<void> Exchange::look_at_collected() {
    if (client_gone_ || error_.code != Errc::ok) return std::unexpected(error_);
    collecting_ = !translated_->answer.whole();
    return {};
}

Result<void> Exchange::deliver_collected() {
    CollectedAnswer& answer = translated_->answer;
    if (!answer.in_step()) upstream_reusable_ = false;
    if (answered_)  // the client has a stream's head already
        return fail(Errc::bad_message, Side::upstream, "the upstream did not stream its answer (route.NAME.keepalive)");
    ByteBuffer document(services_.shard().blocks());
    LOOM_TRY(translated_->write_answer(document));
    reply(answer.status(), "application/json", document.view(), answer.lines());
    return {};
}

/// What the relay needs to know of a stream's protocols.
void Exchange::watch_stream(RelayOptions& options) {
    options.client_protocol = llm::error_protocol_of(endpoint_);
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
    return translated_ != nullptr && !relaying_ ? translated_->usage : relay_.usage();
}

/// The upstream's whole answer came, and went on to the client: no error in the middle of its stream.
bool Exchange::answer_whole() const noexcept {
    if (relaying_) return relay_.end() == Relay::End::whole && !relay_.error_told();
    return translated_ != nullptr && translated_->answer.whole();
}

}  // namespace loom::proxy
