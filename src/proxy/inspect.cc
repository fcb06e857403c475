// The second phase: what the body asks for, and who can answer it.
#include "exchange.h"

namespace loom::proxy {

Result<void> Exchange::inspect() {
    phase_ = Phase::inspect;
    if (client_gone_ || error_.code != Errc::ok) return std::unexpected(error_);
    if (body_mode_ != BodyMode::collect) return {};  // streamed and bodiless requests are not read
    body_mode_ = BodyMode::none;
    body_ns_ = services_.shard().now_ns();
    timer_.disarm();
    deadline_ = Deadline::none;
    const Result<void> step = inspect_model();
    inspected_ns_ = services_.shard().read_clock_ns();
    return step;
}

Result<void> Exchange::inspect_model() {
    const auto request = services_.request_reader.read(endpoint_, body_.view());
    if (!request) {
        json_fault_ = true;
        return std::unexpected(request.error());
    }
    model_ = text_.keep(request->model);
    if (model_.empty()) return fail(Errc::bad_message, Side::downstream, "'model' must name a model");
    stream_ = request->stream;
    if (stream_ && !plan().streaming)
        return fail(Errc::bad_message, Side::downstream, "streaming is switched off here (streaming.enabled)");
    if (consumer_ != nullptr && !consumer_->may_use_model(model_))
        return fail(Errc::forbidden, Side::downstream, "this consumer may not use this model (consumer.NAME.models)");
    const auto found = find_candidate(model_);
    if (!found) return found;

    Block home = services_.shard().blocks().take(sizeof(Draft));
    char* const memory = home.data();
    draft_ = ::new (memory) Draft{*request, {}, std::move(home)};
    draft_->request.model = model_;
    if (candidate_ != nullptr && candidate_->renamed)
        llm::rename_model(draft_->edits, draft_->request, candidate_->quoted_upstream_model);
    if (provider_->kind != ProviderKind::echo) strip_usage_ = llm::ask_for_usage(draft_->edits, draft_->request);
    return {};
}

Result<void> Exchange::find_candidate(std::string_view model) {
    const auto candidates = plan().catalogue.find(model);
    if (route_->provider_ix >= 0) {
        provider_ = &plan().providers[static_cast<size_t>(route_->provider_ix)];
        for (const route::Candidate& one : candidates)
            if (one.provider_ix == route_->provider_ix) candidate_ = &one;
    } else if (!candidates.empty()) {
        candidate_ = &candidates.front();
        provider_ = &plan().providers[candidate_->provider_ix];
    } else if (plan().catalogue.known(model)) {
        return fail(Errc::exhausted, Side::internal, "every provider of this model is drained (weight 0)");
    } else {
        return fail(Errc::not_found, Side::downstream, "model");  // reply.cc names the nearest
    }
    pool_ = use_->provider_pools[static_cast<size_t>(provider_ - plan().providers.data())];
    return {};
}

}  // namespace loom::proxy
