// Copies of requests for a shadow, which answers nobody.
//
// A copy is a request of its own on a connection whose peer takes everything and says nothing (DiscardStream): it goes
// all the way of a client's request, and whatever becomes of it reaches nobody. What is different is here.
#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "loom/http/head_writer.h"
#include "ownership.h"
#include "selection.h"
#include "translated.h"

namespace loom::proxy {
namespace {

/// Does the provider, for such a request, call others in the client's name, or make something that stays? Words that
/// may say so are enough: a copy less harms nobody.
bool may_act(const llm::Request& request, std::string_view document) noexcept {
    constexpr std::string_view words[] = {"mcp", "container", "code_interpreter", "code_execution"};
    return (request.has_tools || document.contains("mcp_servers")) &&
           std::ranges::any_of(words, [document](std::string_view word) { return document.contains(word); });
}

}  // namespace

/// Has the request a copy, now that it is on its way itself? One that leaves something behind at the provider has none,
/// and neither has any while an operator has disabled the shadow.
bool Exchange::may_mirror() const noexcept {
    if (plan().mirror == nullptr || &plan() != &services_.plan() || attempts_ != 1 || client_->is_nobody() ||
        !llm::is_inspected(endpoint_))
        return false;
    if (draft_ == nullptr || leaves_something() || !copy_is_capped_alike()) return false;
    const route::ModelMatch match = plan().mirror->match(model_);
    return !match.candidates.empty() && may_copy_to(match.candidates.front());
}

/// Is the request one that a second provider must not be asked beside the first, for what it would do there?
bool Exchange::leaves_something() const noexcept {
    if (owned_ != nullptr || draft_->request.uses_stored || may_act(draft_->request, body_.view())) return true;
    // Responses are stored where the request does not forbid it.
    return endpoint_ == llm::Endpoint::responses ? draft_->request.store != llm::Request::Store::off
                                                 : draft_->request.store == llm::Request::Store::on;
}

/// A copy goes nowhere that the request itself must not go: neither out of its region, nor to whom its rule does not
/// name. Asked here, where its consumer and its rule are known; nobody asks for the copy itself.
bool Exchange::may_copy_to(const route::Candidate& shadow) const noexcept {
    const bool ruled = selection_ != nullptr && selection_->rule != nullptr;
    return !plan().providers[shadow.provider_ix].disabled() && barred_from(shadow.provider_ix) == nullptr &&
           (!ruled || route::unfit_for(*selection_->rule, {&shadow, 1}).none());
}

/// By the rules of access: a copy is a request too, for the model that the shadow has, by each of its names. Read
/// again, since the reader has read for others; only where there are rules, and of the requests that are copied.
bool Exchange::access_lets_copy() {
    if (plan().access_rules == nullptr) return true;
    const MirrorPlan& terms = *plan().mirror;
    const route::ModelMatch match = terms.match(model_);
    const std::string_view asked = terms.model.empty() ? model_ : std::string_view(terms.model);
    const auto request = read_again();
    if (!request || denied_as(asked, *request, &match.candidates.front()) != nullptr) return false;
    return match.model == asked || denied_as(match.model, *request, &match.candidates.front()) == nullptr;
}

/// Behind the request, in the turn that it left in: what this takes is a copy of its bytes.
void Exchange::mirror() {
    if (!may_mirror()) return;
    const MirrorPlan& terms = *plan().mirror;
    services_.mirror_credit += terms.share_ppm;
    if (services_.mirror_credit < MirrorPlan::whole_share) return;
    services_.mirror_credit -= MirrorPlan::whole_share;
    const bool room = services_.mirror_count < terms.in_flight_max && body_.size() <= terms.body_bytes_max &&
                      services_.bodies().has_room(BlockPool::footprint(body_.size()));
    const bool busy = services_.draining() || services_.sheds(route::priority_lowest);
    if (!room || busy || !access_lets_copy()) return services_.metrics().mirrors_dropped.add();
    ByteBuffer request(services_.shard().blocks());
    request.reserve(method_text_.size() + target_.size() + request_lines_.size() + family_->bytes() + head_slack_bytes +
                    body_.size());
    http::HeadWriter head(request.data(), request.capacity() - body_.size());
    head.request_line(method_text_, target_).raw("host: mirror\r\n").raw(request_lines_.view());
    const auto line = [&head](std::string_view name, std::string_view value) {
        if (!value.empty()) head.header(name, value);
    };
    line("content-type", family_->content_type);
    line("accept", family_->accept);
    line("openai-beta", family_->openai_beta);
    line("anthropic-version", family_->anthropic_version);
    line("anthropic-beta", family_->anthropic_beta);
    head.header("content-length", uint64_t{body_.size()}).end();
    LOOM_ASSERT(head.ok());
    request.resize(head.size());
    request.append(body_.view());
    ClientConnection::begin_mirror(services_, std::move(request));
}

/// By the plan that the request was copied by: copies that have not begun when it changes never do.
Result<void> Exchange::find_shadow(const llm::Request& request) {
    const MirrorPlan* const terms = plan().mirror.get();
    if (terms == nullptr) return fail(Errc::cancelled, Side::internal, "requests are not mirrored any more");
    const route::ModelMatch match = terms->match(model_);
    if (match.candidates.empty()) return fail(Errc::not_found, Side::internal, "the shadow does not have this model");
    const route::Candidate& shadow = match.candidates.front();
    LOOM_TRY(take_candidate(&shadow, shadow.provider_ix, match.model));
    return enter_limits(choice_terms(match, request));
}

/// What it cost is the shadow's; in the counts of clients' requests it is none.
void Exchange::book_mirror() {
    observe::ShardMetrics& metrics = services_.metrics();
    const bool good = !client_gone_ && answer_whole() && status_ != 0 && status_ < 400;
    const bool asked = provider_ != nullptr && attempts_ > 0;
    (good ? metrics.mirrors_answered : asked ? metrics.mirrors_failed : metrics.mirrors_dropped).add();
    if (asked) book_tokens(usage(), good);
}

}  // namespace loom::proxy
