// What the answer of such a call brings, takes away or lists: it is written down before its client sees it, and of a
// list the client sees what is its own.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "account.h"
#include "exchange.h"
#include "google_files.h"
#include "ownership.h"
#include "query.h"

namespace loom::proxy {
namespace {

using llm::CallAnswer;

constexpr size_t page_limit_default = 20;

bool reads_backwards(std::string_view query) noexcept {
    size_t from = 0;
    return llm::next_list_place(query, from).name.starts_with("before");
}

/// What the path names, under the account that it was written down with: its key may be another by now, in its line.
store::Resource row_of_path(const Ownership& owned, std::string account) {
    if (!owned.account.empty()) account = owned.account;
    return {{std::string(llm::kind_name(owned.call.kind)), std::string(owned.id)}, std::move(account), {}};
}

}  // namespace

/// Must the answer at hand be known before its client sees it?
bool Exchange::collects_resource() const noexcept {
    if (owned_ == nullptr || translated_ != nullptr || echo_ != nullptr) return false;
    const http::ResponseHead& head = services_.response_head;
    if (head.status / 100 != 2) return false;
    const CallAnswer answer = owned_->call.answer;
    // A list in whatever form: one that cannot be read is not passed.
    if (answer == CallAnswer::list) return plan().keeps_apart();
    return answer != CallAnswer::opaque && !is_event_stream(head);
}

/// Does a streamed response bring ids? A translated one is stored nowhere.
bool Exchange::watches_ids() const noexcept {
    return owned_ != nullptr && translated_ == nullptr && owned_->call.answer == CallAnswer::object;
}

void Exchange::ask_to_write(RegisterStage stage, const std::vector<llm::ResourceName>& made) {
    store::ResourceQuestion question{.tenant = tenant()};
    for (const llm::ResourceName& name : made)
        question.made.push_back({key_of(name), account(), std::string(model_.substr(0, 256))});
    if (owned_->call.kind == llm::ResourceKind::gemini_upload && !owned_->id.empty())  // it has brought its file
        question.gone.push_back(row_of_path(*owned_, account()));
    owned_->ask(stage, std::move(question));
}

/// What the collected answer brings, takes away or lists is asked of the register, if it is anything.
Result<void> Exchange::ask_about_answer() {
    if (owned_ == nullptr || translated_ != nullptr) return {};
    timer_.disarm();
    deadline_ = Deadline::none;
    const llm::ResourceCall& call = owned_->call;
    const std::string_view answer = owned_->collected().body();
    if (call.answer == CallAnswer::deletion) {
        store::ResourceQuestion question{.tenant = tenant()};
        question.gone.push_back(row_of_path(*owned_, account()));
        owned_->ask(RegisterStage::answer, std::move(question));
        return {};
    }
    if (call.answer == CallAnswer::list) {
        owned_->list = LOOM_TRY(services_.resource_reader.read_list(call.kind, answer));
        LOOM_TRY(owned_->hold_memory());
        store::ResourceQuestion question{.tenant = tenant()};
        for (const llm::ListedResource& element : owned_->list.elements)
            question.named.push_back({std::string(llm::kind_name(call.kind)), element.id});
        owned_->ask(RegisterStage::elements, std::move(question));
        return {};
    }
    if (owned_->upload != nullptr && !owned_->upload->passed())
        return fail(Errc::bad_message, Side::upstream, "the upstream answered before it had the whole form");
    (void)services_.usage_reader.read(answer, owned_->usage);
    auto made = LOOM_TRY(services_.resource_reader.read_made(call.kind, answer));
    if (call.kind == llm::ResourceKind::gemini_upload) LOOM_TRY(GoogleFiles(*this).take_upload_url(made));
    if (!made.empty()) ask_to_write(RegisterStage::answer, made);
    return {};
}

/// Of a list, what is the client's, at the provider that was asked. What such an element brings is the client's too.
Result<void> Exchange::keep_own_elements(const store::ResourceAnswer& answer) {
    llm::ResourceList& list = owned_->list;
    owned_->keeps.assign(list.elements.size(), false);
    std::vector<llm::ResourceName> made;
    const size_t count = list.elements.size();
    const std::optional<Account> own = find_account(plan(), account());
    size_t room = owned_->pages > 0 && owned_->list_limit > 0 ? owned_->list_limit : count;
    const bool backwards = reads_backwards(query());
    for (size_t turn = 0; turn < count; ++turn) {
        const size_t i = backwards ? count - 1 - turn : turn;  // from the place that the client named
        if (find_account(plan(), answer.accounts[i]) != own) continue;
        if (room == 0) {
            list.has_more = true;
            break;
        }
        owned_->keeps[i] = true;
        room -= 1;
        made.insert(made.end(), list.elements[i].made.begin(), list.elements[i].made.end());
    }
    if (!made.empty()) ask_to_write(RegisterStage::answer, made);
    return {};
}

/// Hands the collected answer on. A page of a list that holds nothing of the client's is not handed on while there are
/// more: clients take an empty page for the last one. The next is asked for instead.
Result<void> Exchange::deliver_resource() {
    CollectedAnswer& answer = owned_->collected();
    if (!answer.in_step()) upstream_reusable_ = false;
    if (answered_)  // the client has a stream's head already
        return fail(Errc::bad_message, Side::upstream, "the upstream did not stream its answer (route.NAME.keepalive)");
    if (owned_->call.answer != CallAnswer::list) return reply_own(answer.body());
    const llm::ResourceList& list = owned_->list;
    if (llm::is_gemini_family(endpoint_)) return GoogleFiles(*this).deliver_list();
    const bool any = std::ranges::find(owned_->keeps, true) != owned_->keeps.end();
    if (!any && list.has_more && !list.elements.empty()) return ask_for_next_page();
    std::string filtered;
    llm::write_list(answer.body(), list, owned_->keeps, filtered);
    return reply_own(filtered);
}

Result<void> Exchange::reply_own(std::string_view body) {
    std::string edited;
    if (endpoint_ == llm::Endpoint::message_batches && !body.empty()) {
        LOOM_TRY(services_.resource_reader.write_results_paths(body, edited));
        body = edited;
    }
    const CollectedAnswer& answer = owned_->collected();
    std::string lines(answer.lines());
    if (!owned_->upload_url.empty()) lines += fmt::format("x-goog-upload-url: {}\r\n", owned_->upload_url);
    reply(answer.status(), body.empty() ? "" : "application/json", body, lines);
    return {};
}

/// In the direction in which the client reads, from where the page at hand ended.
Result<void> Exchange::ask_for_next_page() {
    if (owned_->pages == pages_max)
        return fail(Errc::exhausted, Side::internal,
                    "too much of other tenants lies before the next of this list: name a place in it (after)");
    owned_->pages += 1;
    if (llm::is_gemini_family(endpoint_)) return GoogleFiles(*this).ask_for_page();
    const std::string_view before = query();
    size_t from = 0;
    const auto place = llm::next_list_place(before, from);
    const bool backwards = reads_backwards(before);
    const bool anthropic = error_protocol() == llm::Protocol::anthropic;
    std::string_view name = place.name;
    if (name.empty()) name = anthropic ? "after_id" : "after";
    const auto& elements = owned_->list.elements;
    const std::string& edge = backwards ? elements.front().id : elements.back().id;
    if (!llm::is_resource_id(edge))
        return fail(Errc::bad_message, Side::upstream, "the upstream's list holds what has no id to go on from");
    if (owned_->pages == 1) {
        const std::string_view asked = query_value(before, "limit");
        owned_->list_limit = page_limit_default;
        (void)std::from_chars(asked.data(), asked.data() + asked.size(), owned_->list_limit);
        owned_->list_limit = std::max<size_t>(1, owned_->list_limit);
    }
    std::string target(target_.substr(0, target_.find('?')));
    target += fmt::format("?limit={}&{}={}", std::max(page_limit, owned_->list_limit), name, edge);
    for (std::string_view rest = before; !rest.empty();) {
        const std::string_view parameter = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
        size_t at = 0;
        if (!parameter.starts_with("limit=") && llm::next_list_place(parameter, at).name.empty())
            target.append("&").append(parameter);
    }
    ask_again_at(target);
    return {};
}

void Exchange::ask_again_at(std::string_view target) {
    target_ = text_.keep(target);
    release_upstream();
    if (attempt_ != nullptr) attempt_->forget_answer();
    answer_ = AnswerState::none;
    attempts_ = 0;
    asked_again_ = true;
    fresh_only_ = false;
}

}  // namespace loom::proxy
