// Calls that make, name or list what a provider keeps: whose it is decides whether they go on, and where to. Their
// answers are resource_answer.cc's.
#include <algorithm>

#include "account.h"
#include "client_connection.h"
#include "exchange.h"
#include "google_files.h"
#include "loom/http/form_data.h"
#include "loom/tenant/activity.h"
#include "owner_name.h"
#include "ownership.h"
#include "token_provenance.h"

namespace loom::proxy {
namespace {

using llm::CallAnswer;
using llm::CallBody;

/// That a response is made is an inspected call; its answer is handled like a row's.
constexpr llm::ResourceCall response_call{.verb = llm::Verb::post,
                                          .path = "responses",
                                          .family = llm::Endpoint::responses,
                                          .kind = llm::ResourceKind::response,
                                          .body = CallBody::json,
                                          .answer = CallAnswer::object,
                                          .by_model = true};
/// An inspected call that names what is kept, and makes nothing.
constexpr llm::ResourceCall naming_call{.verb = llm::Verb::post, .body = CallBody::json};

llm::Verb verb_of(http::Method method) noexcept {
    switch (method) {
        case http::Method::get: return llm::Verb::get;
        case http::Method::post: return llm::Verb::post;
        case http::Method::patch: return llm::Verb::patch;
        case http::Method::delete_: return llm::Verb::remove;
        default: return llm::Verb::other;
    }
}

constexpr std::string_view model_prefix = "models/";  // of Gemini's names

}  // namespace

/// As the register knows the client. A tenant and a consumer of one name are two.
std::string Exchange::tenant() const {
    if (consumer_ == nullptr) return {};
    // Whom only a token knows is its issuer's alone.
    if (!consumer_->is_listed())
        return std::string(tenant::token_consumer_prefix) + consumer_->issuer + "/" + consumer_->name;
    return consumer_->tenant.empty() ? owner_name(*consumer_) : "tenant/" + consumer_->tenant;
}

void Exchange::take_provider(size_t provider_ix) noexcept {
    leave_instance();
    provider_ = &plan().providers[provider_ix];
    // One home for what is uploaded and listed: a batch finds its file there.
    use_instance(owned_ != nullptr && owned_->provider_ix >= 0 ? owned_->instance_ix : 0);
}

/// Who is asked where neither an id nor a model tells: the route's provider, else the first that has such calls and
/// speaks the client's protocol.
size_t Exchange::family_provider() {
    if (route_->provider_ix >= 0) return static_cast<size_t>(route_->provider_ix);
    const route::RoutingRule* const rule = rule_of_head();
    const auto protocol_of = [](llm::PathStyle path) {
        if (path == llm::PathStyle::anthropic) return llm::Protocol::anthropic;
        return path == llm::PathStyle::gemini ? llm::Protocol::gemini : llm::Protocol::openai_chat;
    };
    llm::Protocol wanted = error_protocol();
    if (wanted != llm::Protocol::anthropic && wanted != llm::Protocol::gemini) wanted = llm::Protocol::openai_chat;
    size_t first = plan().providers.size();
    for (size_t i = 0; i < plan().providers.size(); ++i) {
        const ProviderPlan& provider = plan().providers[i];
        if (provider.kind == ProviderKind::echo || !provider.type->serves_families) continue;
        if (!provider.takes_requests() || barred_from(i) != nullptr) continue;
        if (rule != nullptr && !rule->leads_to(i)) continue;
        if (protocol_of(provider.type->path) == wanted) return i;
        if (provider.type->path != llm::PathStyle::gemini) first = std::min(first, i);
    }
    return first < plan().providers.size() ? first : 0;
}

Result<void> Exchange::admit_family(const http::RequestHead& head) {
    take_provider(family_provider());
    if (GoogleFiles(*this).is_upload(head)) return GoogleFiles(*this).admit_upload(head);
    std::string path(head.path);
    // Google's table is that of one version; all of them have the same calls.
    if (llm::is_gemini_family(endpoint_)) path.replace(0, path.find('/', 1), "/v1beta");
    const auto match = llm::match_resource_call(verb_of(head.method), path);
    if (match.call != nullptr) {
        owned_ = std::make_unique<Ownership>(*this, services_, *match.call, text_.keep(match.id));
        return {};
    }
    // Where all clients are one there is nothing to tell apart, and what this table does not know may pass.
    if (plan().keeps_apart())
        return fail(Errc::not_found, Side::downstream,
                    "no call of this family that is known here has this method and path");
    return check_family_provider();
}

Result<void> Exchange::check_family_provider() {
    if (llm::is_gemini_family(endpoint_) && provider_->type->path != llm::PathStyle::gemini)
        return fail(Errc::unsupported, Side::downstream, "this provider has no such endpoint: it is Gemini's");
    LOOM_TRY(check_in_service());
    const bool free =
        route_->provider_ix < 0 && candidate_ == nullptr && !(owned_ != nullptr && owned_->provider_ix >= 0);
    const route::RoutingRule* const rule = free ? rule_of_head() : nullptr;
    if (rule != nullptr && !rule->leads_to(static_cast<size_t>(provider_ - plan().providers.data())))
        return refuse_rule(*rule);
    if (pool_ == nullptr)
        return fail(Errc::unsupported, Side::downstream, "the embedded provider has no such endpoint");
    if (instance_->aws_keys != nullptr)
        return fail(Errc::unsupported, Side::downstream,
                    "this provider's requests are signed whole: nothing can be relayed to it unread");
    return {};
}

/// Who is drained is asked for what it stores, which nobody else has, and for nothing new.
Result<void> Exchange::check_in_service() const {
    const bool stores_it = owned_ != nullptr && owned_->provider_ix >= 0;
    if (stores_it ? !provider_->disabled() : provider_->takes_requests()) return {};
    return fail(Errc::exhausted, Side::internal,
                stores_it ? "the provider that has what this request names is disabled"
                          : "every provider that could be asked is drained");
}

/// A file that is uploaded as it comes, where clients are told apart: what could not be read on the way is not taken.
Result<void> Exchange::admit_upload(const http::RequestHead& head) {
    if (owned_ != nullptr && owned_->call.kind == llm::ResourceKind::gemini_upload) {
        GoogleFiles(*this).aim_upload(head);
        return {};
    }
    const bool judged = owned_ != nullptr && owned_->call.body == CallBody::file_form && plan().keeps_apart();
    if (!judged || body_mode_ != BodyMode::stream) return {};
    if (head.find(http::HeaderId::content_encoding) != nullptr)
        return fail(Errc::bad_content_type, Side::downstream,
                    "this gateway reads the file as it passes: send the form without Content-Encoding");
    owned_->upload = std::make_unique<BatchUpload>(*this, services_, family_->content_type);
    return {};
}

/// Must its body be read? A form passes as it comes.
bool Exchange::reads_family_body(const http::RequestHead& head) const noexcept {
    if (owned_ == nullptr || owned_->call.body == CallBody::none || client_body_.done()) return false;
    constexpr std::string_view json = "application/json";
    const std::string_view type = head.value_of(http::HeaderId::content_type);
    const bool is_json = type.size() >= json.size() && http::equal_ignoring_case(type.substr(0, json.size()), json);
    const bool form = owned_->call.body == CallBody::multipart || owned_->call.body == CallBody::file_form;
    if (form && !is_json) return false;
    return owned_->call.by_model || plan().keeps_apart() || plan().providers.size() > 1;
}

/// A form's model stands in its first part, or behind a file that is not waited for.
bool Exchange::waits_for_form() const noexcept {
    if (owned_ == nullptr || body_mode_ != BodyMode::stream || !owned_->call.by_model) return false;
    if (client_body_.done() || body_.size() >= early_body_bytes_max || client_gone_ || error_.code != Errc::ok)
        return false;
    return http::find_form_field(family_->content_type, form_front(), "model").state == http::FormField::State::open;
}

/// As much of a form as is looked at, however much has come.
std::string_view Exchange::form_front() const noexcept { return body_.view().substr(0, early_body_bytes_max); }

/// A request whose body passes, or that has none.
Result<void> Exchange::inspect_unread() {
    timer_.disarm();
    deadline_ = Deadline::none;
    if (body_mode_ == BodyMode::stream && owned_->call.by_model) LOOM_TRY(inspect_form());
    return ask_owners();
}

Result<void> Exchange::inspect_form() {
    const auto field = http::find_form_field(family_->content_type, form_front(), "model");
    const bool found = field.state == http::FormField::State::found;
    if (!found) return choose_by_model();
    model_ = text_.keep(field.value);
    LOOM_TRY(choose_by_model());
    if (upstream_model_ == model_) return {};
    // The provider's own name in its place; what the head says of the length follows (forward.cc).
    ByteBuffer edited(services_.shard().blocks());
    const std::string_view whole = body_.view();
    edited.append(whole.substr(0, field.offset));
    edited.append(upstream_model_);
    edited.append(whole.substr(field.offset + field.value.size()));
    owned_->grown_bytes = static_cast<int64_t>(upstream_model_.size()) - static_cast<int64_t>(field.value.size());
    body_ = std::move(edited);
    return {};
}

Result<void> Exchange::inspect_family() {
    auto read = services_.resource_reader.read_request(body_.view());
    if (!read) return std::unexpected(read.error());
    Block home = services_.shard().blocks().take(sizeof(Draft));
    char* const memory = home.data();
    draft_ = ::new (memory) Draft{{}, {}, ByteBuffer(services_.shard().blocks()), std::move(home)};
    draft_->request.model_range = read->model_range;
    std::string_view model = read->model;
    const bool prefixed = llm::is_gemini_family(endpoint_) && model.starts_with(model_prefix);
    if (prefixed) model.remove_prefix(model_prefix.size());
    model_ = text_.keep(model);
    owned_->named = std::move(read->named);
    const bool in_parts = owned_->call.kind == llm::ResourceKind::upload && !read->purpose.empty();
    if (in_parts && plan().keeps_apart() && may_mean_batch(read->purpose))
        return fail(Errc::bad_message, Side::downstream,
                    "a batch's file must be uploaded whole (POST /v1/files): what its lines name is judged on the way");
    if (owned_->call.kind == llm::ResourceKind::gemini_upload && read->names_file && plan().keeps_apart())
        return fail(Errc::bad_message, Side::downstream,
                    "'file.name' is the provider's to give: one that was another tenant's would be taken for its");
    LOOM_TRY(choose_by_model());
    if (owned_->call.by_model && upstream_model_ != model_) {
        std::string_view quoted = quoted_upstream_model();
        if (prefixed) quoted = text_.join("\"", model_prefix, quoted.substr(1));
        llm::rename_model(draft_->edits, draft_->request, quoted);
    }
    return ask_owners();
}

/// The model's provider, where the call is for a model.
Result<void> Exchange::choose_by_model() {
    upstream_model_ = model_;
    if (model_.empty()) {
        if (!owned_->call.by_model || consumer_ == nullptr || consumer_->models.empty()) return {};
        return fail(Errc::bad_message, Side::downstream,
                    "'model' must name a model, in a form before its files: this consumer may use some only");
    }
    if (model_.size() > llm::RequestReader::name_bytes_max)
        return fail(Errc::bad_message, Side::downstream, "'model' is longer than any model's name (4096 bytes)");
    if (owned_->call.by_model) {
        LOOM_TRY(find_candidate_unread());
        type_ = nullptr;                                                   // the path stays the client's
        if (instance_set() != nullptr && llm::stores_things(endpoint_)) {  // its things have one home
            leave_instance();
            use_instance(0);
        }
        return {};
    }
    return consumer_ != nullptr && !consumer_->may_use_model(model_) ? refuse_model() : Result<void>();
}

/// An inspected request: does it name what is kept, or make it?
Result<void> Exchange::look_for_ids() {
    auto read = services_.resource_reader.read_request(body_.view());
    if (!read) return std::unexpected(read.error());
    std::erase_if(read->named, [this](const auto& name) { return !plan().keeps(name.kind); });
    // Where a route does not pass them, what is stored is refused as such (prepare_document).
    if (!route_->passes(llm::Endpoint::responses))
        std::erase_if(read->named,
                      [](const auto& name) { return llm::family_of(name.kind) == llm::Endpoint::responses; });
    const bool makes =
        endpoint_ == llm::Endpoint::responses && route_->passes(llm::Endpoint::responses) && read->stores;
    if (read->named.empty() && !makes) return {};
    owned_ = std::make_unique<Ownership>(*this, services_, makes ? response_call : naming_call, std::string_view{});
    owned_->named = std::move(read->named);
    return owned_->named.empty() ? Result<void>() : ask_owners();
}

Result<void> Exchange::ask_owners() {
    const llm::ResourceCall& call = owned_->call;
    store::ResourceQuestion question{.tenant = tenant()};
    if (!owned_->id.empty())
        question.named.push_back({std::string(llm::kind_name(call.kind)), std::string(owned_->id)});
    if (call.answer == CallAnswer::list) {
        size_t from = 0;
        for (;;) {
            const auto place = llm::next_list_place(query(), from);
            if (place.name.empty()) break;
            question.named.push_back({std::string(llm::kind_name(call.kind)), std::string(place.id)});
        }
        if (provider_->instance_set == nullptr) {  // else what others of them made would not be counted
            question.counted_kind = llm::kind_name(call.kind);
            question.counted_account = provider_->name;
        }
    }
    for (const llm::ResourceName& name : owned_->named)
        if (plan().keeps(name.kind)) question.named.push_back(key_of(name));
    owned_->named.clear();
    for (const store::ResourceKey& key : question.named) owned_->asked_ids.push_back(text_.keep(key.id));
    if (question.named.empty() && question.counted_kind.empty())
        return llm::is_inspected(endpoint_) ? Result<void>() : check_family_provider();
    LOOM_TRY(owned_->hold_memory());
    owned_->ask(RegisterStage::request, std::move(question));
    return {};
}

bool Exchange::asks_register() const noexcept { return owned_ != nullptr && owned_->asks(); }

void Exchange::on_register_answer() noexcept {
    if (owned_->stage() != RegisterStage::event) return wake();
    const auto answer = owned_->take_answer();
    if (answer)
        relay_.resume();
    else
        relay_.fail(answer.error());
}

/// After a wake-up: has the register answered, has something gone wrong, or is there more to wait for?
Result<void> Exchange::look_at_register() {
    if (client_gone_ || error_.code != Errc::ok) return std::unexpected(error_);
    if (asks_register()) return {};
    const auto answer = owned_->take_answer();
    if (!answer) return std::unexpected(answer.error());
    switch (owned_->stage()) {
        case RegisterStage::request: return go_to_owner(*answer);
        case RegisterStage::elements: return keep_own_elements(*answer);
        case RegisterStage::answer:
        case RegisterStage::event: return {};
    }
    return {};
}

/// What is another's is not there, and neither is what nobody has: both answers are the same, and nobody else is asked.
Result<void> Exchange::go_to_owner(const store::ResourceAnswer& answer) {
    for (size_t i = 0; i < answer.accounts.size(); ++i) {
        const auto owner = find_account(plan(), answer.accounts[i]);
        if (!owner || plan().providers[owner->provider_ix].kind == ProviderKind::echo) {
            if (!plan().keeps_apart()) continue;
            detail_ = owned_->asked_ids[i].substr(0, 128);
            return fail(Errc::not_found, Side::downstream, "nothing is stored here under this id");
        }
        const bool elsewhere = owned_->provider_ix != owner->provider_ix || owned_->instance_ix != owner->instance_ix;
        if (owned_->provider_ix >= 0 && elsewhere)
            return fail(Errc::bad_message, Side::downstream,
                        "what this request names is stored at different providers, or by different keys, and none has "
                        "all of it");
        owned_->provider_ix = owner->provider_ix;
        owned_->instance_ix = owner->instance_ix;
        if (owned_->asked_ids[i] == owned_->id) owned_->account = answer.accounts[i];
    }
    owned_->asked_ids.clear();
    if (llm::is_inspected(endpoint_)) return prepare_for_owner();
    const bool elsewhere =
        owned_->provider_ix >= 0 && provider_ != &plan().providers[static_cast<size_t>(owned_->provider_ix)];
    if (candidate_ != nullptr && elsewhere) {
        detail_ = plan().providers[static_cast<size_t>(owned_->provider_ix)].name;
        return fail(Errc::bad_message, Side::downstream,
                    "what this request names is stored at a provider that is not asked for this model");
    }
    if (owned_->provider_ix >= 0) take_provider(static_cast<size_t>(owned_->provider_ix));
    LOOM_TRY(check_family_provider());
    // Counted at the provider that would have been asked: a place in the list may lead to another.
    const bool nothing_own = owned_->call.answer == CallAnswer::list && answer.count == 0 && answer.accounts.empty();
    if (nothing_own && plan().keeps_apart())
        reply(200, "application/json",
              llm::is_gemini_family(endpoint_)
                  ? "{}"
                  : R"({"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false})");
    return {};
}

/// The model at the provider that has what the request names.
Result<void> Exchange::prepare_for_owner() {
    const int owner = owned_->provider_ix;
    if (owner >= 0 && provider_ != &plan().providers[static_cast<size_t>(owner)]) {
        const auto has = [owner](const route::Candidate& one) { return one.provider_ix == owner; };
        if (std::ranges::none_of(match().candidates, has)) leave_arm();  // what the client asked for may be there
        const auto candidates = match().candidates;
        const auto there = std::ranges::find_if(candidates, has);
        if (there == candidates.end() || route_->provider_ix >= 0) {
            detail_ = plan().providers[static_cast<size_t>(owner)].name;
            return fail(Errc::bad_message, Side::downstream,
                        "what this request names is stored at a provider that is not asked for this model");
        }
        leave_candidate();
        LOOM_TRY(take_candidate(&*there, there->provider_ix, match().model));
    }
    if (owner >= 0 && provider_->instance_set != nullptr) {
        leave_instance();
        take_instance();
    }
    if (owner >= 0) LOOM_TRY(check_in_service());
    // Read again: while the register was asked, the reader has read for others.
    const auto request = services_.request_reader.read(endpoint_, body_.view(), prompt_wish(plan(), endpoint_));
    if (!request) return std::unexpected(request.error());
    if (provider_->limits != nullptr && passage_.limits.of == nullptr)
        LOOM_TRY(enter_limits(choice_terms(match(), *request)));
    const auto prepared = prepare(*request);
    inspected_ns_ = services_.shard().read_clock_ns();
    return prepared;
}

}  // namespace loom::proxy
