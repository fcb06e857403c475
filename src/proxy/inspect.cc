// The second phase: what the body asks for, and who can answer it.
#include "admin_call.h"
#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "context_visit.h"
#include "exchange.h"
#include "loom/llm/models.h"
#include "loom/llm/quirk_edits.h"
#include "ownership.h"
#include "translated.h"

namespace loom::proxy {

Result<void> Exchange::inspect() {
    phase_ = Phase::inspect;
    if (client_gone_ || error_.code != Errc::ok) return std::unexpected(error_);
    if (call_ != nullptr) return AdminCall::answer(*this);
    if (body_mode_ != BodyMode::collect)  // streamed and bodiless requests are not read
        return owned_ != nullptr ? inspect_unread() : Result<void>();
    body_mode_ = BodyMode::none;
    if (body_ns_ == 0) body_ns_ = services_.shard().now_ns();
    timer_.disarm();
    deadline_ = Deadline::none;
    const Result<void> step = llm::is_inspected(endpoint_) ? inspect_model() : inspect_family();
    inspected_ns_ = services_.shard().read_clock_ns();
    return step;
}

Result<void> Exchange::inspect_model() {
    auto request = services_.request_reader.read(endpoint_, body_.view(), prompt_wish(plan(), endpoint_));
    if (!request) {
        json_fault_ = true;
        return std::unexpected(request.error());
    }
    if (const auto noted = note_model(*request); !noted) return noted;
    count_prompt(*request);
    LOOM_TRY(check_access(*request));
    if (plan().context != nullptr) LOOM_TRY(ContextVisit(*this).check(*request));
    if (plan().request_caps != nullptr) LOOM_TRY(check_request_cap(*request));
    if (stream_ && !plan().streaming)
        return fail(Errc::bad_message, Side::downstream, "streaming is switched off here (streaming.enabled)");
    if (limited_ != nullptr) LOOM_TRY(ClientQuota(*this).reserve(*request));
    const auto found = find_candidate(*request);
    if (cache_ != nullptr && (cache_->answered() || cache_->waits())) return found;
    return inspect_found(found, *request);
}

/// Was there somebody to ask?
Result<void> Exchange::inspect_found(const Result<void>& found, const llm::Request& request) {
    if (!found && limited_ != nullptr) ClientQuota(*this).leave_model(found.error());
    const bool may_wait =
        !found && found.error().side == Side::internal;  // for a provider, and no limit of the client's
    if (!found) return may_wait && joins_line(request) ? Result<void>() : found;
    return inspect_on(request);
}

/// Who is asked is known.
Result<void> Exchange::inspect_on(const llm::Request& request) {
    LOOM_TRY(hold_for_some_model(request));
    if (plan().keeps_any() && !client_->is_mirror()) {
        if (const auto looked = look_for_ids(); !looked || asks_register()) return looked;
    }
    return prepare(request);
}

/// The candidate is known: what it will be sent is made of what the client sent.
Result<void> Exchange::prepare(const llm::Request& request) {
    const bool quirky = llm::QuirkEdits::may_change(endpoint_, request, provider_->quirks) && takes_as_it_comes();
    LOOM_TRY(quirky ? prepare_quirky() : prepare_document(request));
    if (plan().sticky.adds_cache_key) add_cache_key();
    return {};
}

/// A provider that takes the client's document but not all of its words: those go, and what is left is read again. The
/// client's own stays: another provider may take all of it.
Result<void> Exchange::prepare_quirky() {
    llm::QuirkEdits quirks(services_.translate_scratch, services_.shard().blocks());
    ByteBuffer changed(services_.shard().blocks());
    const bool is_changed = LOOM_TRY(quirks.apply(endpoint_, body_.view(), provider_->quirks, changed));
    LOOM_TRY(tell_dropped(quirks.dropped()));
    const auto request = services_.request_reader.read(endpoint_, is_changed ? changed.view() : body_.view(),
                                                       prompt_wish(plan(), endpoint_));
    if (!request) return fail(Errc::bad_message, Side::internal, "the changed request cannot be read");
    LOOM_TRY(prepare_document(*request));
    if (!is_changed) return {};
    if (!hold(BlockPool::footprint(body_.capacity()) + BlockPool::footprint(changed.capacity()))) {
        release_body();  // no waiting: who waits with a body in hand keeps others waiting
        return fail(Errc::exhausted, Side::internal, "no memory for one more changed body (limit.bodies_in_memory)");
    }
    draft_->changed = std::move(changed);
    return {};
}

/// Gemini's clients name the model in the path, and say there whether they stream.
Result<void> Exchange::note_model(const llm::Request& request) {
    stream_ = request.stream;
    model_ = request.model;
    std::string decoded;
    if (llm::names_model_in_path(endpoint_)) {
        stream_ = endpoint_ == llm::Endpoint::stream_generate_content;
        if (!llm::decode_path_id(llm::model_of_path(path_), decoded))
            return fail(Errc::bad_message, Side::downstream, "the model's name in the path is not well encoded");
        model_ = decoded;
    }
    model_ = text_.keep(model_);
    if (model_.empty()) return fail(Errc::bad_message, Side::downstream, "'model' must name a model");
    if (const char* const withdrawn = llm::withdrawn_model(model_); withdrawn != nullptr)
        return fail(Errc::bad_message, Side::downstream, withdrawn);
    return {};
}

/// What the provider is sent: the client's own bytes with edits, or a document in its own protocol.
Result<void> Exchange::prepare_document(const llm::Request& request) {
    Block home = services_.shard().blocks().take(sizeof(Draft));
    char* const memory = home.data();
    draft_ = ::new (memory) Draft{request, {}, ByteBuffer(services_.shard().blocks()), std::move(home)};
    draft_->request.model = model_;
    prompt_.tell(draft_->request);
    // Under the provider's one key every consumer could go on with what another one said. Where the route passes stored
    // responses, whose they are was asked before (resource_call.cc).
    const bool shared = consumer_ != nullptr && !route_->passes(llm::Endpoint::responses);
    if (request.uses_stored && shared && takes_as_it_comes())
        return fail(Errc::forbidden, Side::downstream,
                    "what is stored at the provider is not kept apart by consumer: send the conversation itself "
                    "(allowed where route.NAME.passthrough names responses)");
    if (!takes_as_it_comes()) return translate();
    if (plan().request_caps != nullptr) cap_document(document());
    const bool in_path = llm::names_model_in_path(endpoint_);
    const std::string_view version = type_->body_version;
    if (!version.empty()) llm::put_anthropic_version(draft_->edits, draft_->request, version);
    if (!version.empty() && !llm::counts_tokens(endpoint_))  // whose path names none
        llm::drop_model(draft_->edits, draft_->request);
    else if (upstream_model_ != model_ && !in_path)
        llm::rename_model(draft_->edits, draft_->request, quoted_upstream_model());
    const bool openai = endpoint_ == llm::Endpoint::chat_completions || endpoint_ == llm::Endpoint::completions;
    if (openai && provider_->kind != ProviderKind::echo && !provider_->quirks.no_stream_options)
        strip_usage_ = llm::ask_for_usage(draft_->edits, draft_->request);
    return {};
}

}  // namespace loom::proxy
