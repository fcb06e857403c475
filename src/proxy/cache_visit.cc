#include "cache_visit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "client_connection.h"
#include "client_limits.h"
#include "continuation.h"
#include "embed_desk.h"
#include "exchange.h"
#include "guarding.h"
#include "ledger.h"
#include "loom/base/stream_hash.h"
#include "loom/cache/fingerprint.h"
#include "loom/http/sse.h"
#include "loom/llm/answer_forms.h"
#include "loom/llm/error.h"
#include "loom/llm/json_text.h"
#include "loom/llm/last_turn.h"
#include "owner_name.h"
#include "ownership.h"
#include "selection.h"
#include "semantic_visit.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

constexpr uint64_t ms_of_s = 1000;
constexpr size_t partition_document_bytes_max = 256 * 1024;  // it is copied: longer talks find no like
constexpr std::string_view stream_type = "text/event-stream; charset=utf-8";

/// What a provider does itself, on its own or on others' servers: its answer is of that moment, or leaves something
/// behind. A word that stands in a tool's description keeps a request from the cache, which harms nobody.
constexpr std::string_view server_tools[] = {
    "mcp",          "container",   "code_interpreter", "code_execution", "codeExecution",      "web_search",
    "web_fetch",    "file_search", "google_search",    "googleSearch",   "urlContext",         "url_context",
    "computer_use", "computerUse", "image_generation", "local_shell",    "retrieval",          "googleMaps",
    "google_maps",  "tool_search", "advisor",          "\"memory",       "enterpriseWebSearch"};

std::optional<cache::Family> family_of(llm::Endpoint endpoint) noexcept {
    using llm::Endpoint;
    switch (endpoint) {
        case Endpoint::chat_completions: return cache::Family::openai_chat;
        case Endpoint::responses: return cache::Family::openai_responses;
        case Endpoint::messages: return cache::Family::anthropic;
        case Endpoint::generate_content:
        case Endpoint::stream_generate_content: return cache::Family::gemini;
        case Endpoint::embeddings: return cache::Family::openai_embeddings;
        case Endpoint::embed_content:
        case Endpoint::batch_embed_contents: return cache::Family::gemini_embeddings;
        default: return std::nullopt;
    }
}

std::string_view bytes_of(const uint64_t& number) noexcept {
    return {reinterpret_cast<const char*>(&number), sizeof number};
}

llm::Usage usage_of(const cache::Answer& answer) noexcept {
    if (!answer.tells_usage) return {};
    return {.input = answer.input_tokens,
            .output = answer.output_tokens,
            .cached_input = answer.cached_input_tokens,
            .reasoning = answer.reasoning_tokens,
            .total = answer.input_tokens + answer.output_tokens,
            .provenance = llm::Usage::Provenance::reported};
}

/// Each item of a list of words (RFC 9110, 5.6.1), without white space around.
template <class Do>
void each_word(std::string_view list, Do what) {
    while (!list.empty()) {
        std::string_view word = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), word.size() + 1));
        while (word.starts_with(' ') || word.starts_with('\t')) word.remove_prefix(1);
        while (word.ends_with(' ') || word.ends_with('\t')) word.remove_suffix(1);
        if (!word.empty()) what(word);
    }
}

}  // namespace

std::string_view cache_status_name(CacheStatus status) noexcept {
    constexpr std::array<std::string_view, cache_status_count> names = {"bypass", "miss", "hit", "stale", "semantic"};
    return names[static_cast<size_t>(status)];
}

std::unique_ptr<CacheVisit> CacheVisit::begin(Exchange& exchange, const http::RequestHead& head) {
    const bool asks = exchange.route_->caches && exchange.services_.cache() != nullptr &&
                      !exchange.client_->is_nobody() && family_of(exchange.endpoint_);
    if (!asks) return nullptr;
    auto visit = std::make_unique<CacheVisit>(exchange);
    visit->read_wishes(head);
    return visit;
}

CacheVisit::CacheVisit(Exchange& exchange)
    : BodyHold(exchange.services_.bodies()),
      x_(exchange),
      desk_(*exchange.services_.cache()),
      captured_(exchange.services_.shard().blocks()) {}

CacheVisit::~CacheVisit() {
    wait_.unlink();
    give_up();
}

/// Cache-Control of a request (RFC 9111, 5.2.1), and a field that says the same in fewer words.
void CacheVisit::read_wishes(const http::RequestHead& head) {
    for (const http::Header& header : head.headers()) {
        if (header.id == HeaderId::cache_control)
            each_word(header.value, [this](std::string_view word) {
                constexpr std::string_view max_age = "max-age=";
                if (http::equal_ignoring_case(word, "no-store")) finds_ = keeps_ = false;
                if (http::equal_ignoring_case(word, "no-cache")) finds_ = false;
                if (http::equal_ignoring_case(word, "only-if-cached")) only_ = true;
                if (word.size() <= max_age.size() ||
                    !http::equal_ignoring_case(word.substr(0, max_age.size()), max_age))
                    return;
                uint64_t seconds = 0;
                for (const char c : word.substr(max_age.size())) {
                    if (c < '0' || c > '9') return;
                    seconds = std::min<uint64_t>(seconds * 10 + static_cast<uint64_t>(c - '0'), UINT32_MAX);
                }
                max_age_ms_ = seconds * ms_of_s;
            });
        if (!http::equal_ignoring_case(header.name, "x-loom-cache")) continue;
        if (http::equal_ignoring_case(header.value, "bypass")) finds_ = keeps_ = false;
        if (http::equal_ignoring_case(header.value, "refresh")) finds_ = false;
        if (http::equal_ignoring_case(header.value, "only")) only_ = true;
    }
}

bool CacheVisit::is_cacheable(const llm::Request& request, const route::ModelMatch& match) const {
    if (match.candidates.empty() && x_.route_->provider_ix < 0) return false;
    if (request.uses_stored || x_.wants_json_array()) return false;
    // What its answer is told with is its client's alone.
    if (x_.guarding_ != nullptr && x_.guarding_->has_originals()) return false;
    // OpenRouter's models that search first are of the moment too.
    static constexpr std::string_view searching = ":online";
    const auto searches = [](const route::Candidate& one) { return one.upstream_model.ends_with(searching); };
    if (x_.model_.ends_with(searching) || std::ranges::any_of(match.candidates, searches)) return false;
    const bool responses = x_.endpoint_ == llm::Endpoint::responses;
    if (responses ? request.store != llm::Request::Store::off : request.store == llm::Request::Store::on) return false;
    // A route's own provider is looked at when it is asked, which a hit does not.
    if (x_.route_->provider_ix >= 0 && x_.barred_from(static_cast<size_t>(x_.route_->provider_ix)) != nullptr)
        return false;
    if (!request.has_tools) return true;
    const std::string_view document = x_.body_.view();
    std::string_view tools = document;
    if (request.tools_range.length > 0) tools = document.substr(request.tools_range.offset, request.tools_range.length);
    return std::ranges::none_of(server_tools, [tools](std::string_view word) { return tools.contains(word); });
}

/// Whose answers these are: nobody else finds them, whatever the key.
std::string CacheVisit::scope() const {
    const CacheScope of = x_.plan().cache->scope;
    // What a prompt names of stored things is its tenant's alone.
    if (of == CacheScope::shared && !x_.plan().keeps_any()) return {};
    if (of == CacheScope::consumer && x_.consumer_ != nullptr && x_.consumer_->is_listed())
        return owner_name(*x_.consumer_);
    return x_.tenant();
}

/// Nearly the same is never another tenant's, however the very same is shared: what differs may be what must not be
/// told.
std::string CacheVisit::like_scope() const {
    return x_.plan().cache->scope == CacheScope::shared ? x_.tenant() : scope();
}

/// In the order in which they are asked, where it is the strategy to go by an order: those of the nearest region first.
template <class Do>
void CacheVisit::each_taker(const route::ModelMatch& match, Do what) const {
    const Selection* const selection = x_.selection_;
    const bool ordered = selection != nullptr && !selection->order.empty();
    for (size_t place = 0; place < match.candidates.size(); ++place) {
        const size_t i = ordered ? selection->order[place] : place;
        if (selection != nullptr && selection->unfit[i]) continue;
        const uint8_t region = selection != nullptr && !selection->regions.empty() ? selection->regions[i] : uint8_t{0};
        what(match.candidates[i], region);
    }
}

/// The model of who is asked where all are well; "": it is anybody's turn.
std::string_view CacheVisit::preferred_model(const route::ModelMatch& match) const {
    if (x_.route_->provider_ix >= 0 || !route::goes_by_order(x_.strategy_of(match))) return {};
    const route::Candidate* first = nullptr;
    uint8_t nearest = 0;
    each_taker(match, [&](const route::Candidate& one, uint8_t region) {
        if (first != nullptr && region >= nearest) return;
        first = &one;
        nearest = region;
    });
    if (first == nullptr) return {};
    return first->renamed ? std::string_view(first->upstream_model) : match.model;
}

/// The document, and what beside it changes the answer: whose it is, its route, its model as it was asked for and as it
/// was routed, who may take it, and its protocol's version.
std::optional<cache::Key> CacheVisit::key_of(const llm::Request& request, const route::ModelMatch& match,
                                             std::string_view document, std::string whose) const {
    const uint64_t output_bound = request.max_tokens;  // also where a cap of this client's has set it
    StreamHash takers(desk_.seed());
    const auto add = [&takers, this](size_t provider_ix, std::string_view model) {
        const ProviderPlan& provider = x_.plan().providers[provider_ix];
        takers.add(bytes_of(provider.name.size()));
        takers.add(provider.name);
        takers.add(bytes_of(provider.fingerprint));
        takers.add(bytes_of(model.size()));
        takers.add(model);
    };
    if (x_.route_->provider_ix >= 0) {
        const auto own = static_cast<size_t>(x_.route_->provider_ix);
        const auto candidate = std::ranges::find(match.candidates, own, &route::Candidate::provider_ix);
        add(own, candidate != match.candidates.end() ? std::string_view(candidate->upstream_model) : match.model);
    } else {
        each_taker(match, [&](const route::Candidate& one, uint8_t region) {
            add(one.provider_ix, one.upstream_model);
            takers.add({reinterpret_cast<const char*>(&region), sizeof region});
        });
    }
    const uint64_t taken_by = takers.value();
    // An answer is kept as a guard has left it, and what a guard outside has let through is for those whom it guards.
    const bool is_marked =
        x_.guarding_ != nullptr && (x_.guarding_->guards_answer() || !x_.plan().guard->external.empty());
    if (is_marked) whose.append("/").append(x_.plan().guard->mark);
    const bool streams = x_.endpoint_ == llm::Endpoint::stream_generate_content;
    const std::string_view query = streams && x_.query() == "alt=sse" ? std::string_view{} : x_.query();
    const std::string_view beside[] = {whose,
                                       x_.route_->name,
                                       x_.model_,
                                       match.model,
                                       bytes_of(taken_by),
                                       bytes_of(output_bound),
                                       x_.family_->anthropic_version,
                                       x_.family_->anthropic_beta,
                                       x_.family_->openai_beta,
                                       query,
                                       x_.endpoint_ == llm::Endpoint::batch_embed_contents ? "batch" : ""};
    const auto made = cache::fingerprint(*family_of(x_.endpoint_), document, beside, desk_.seed());
    return made.refusal == nullptr ? std::optional(made.key) : std::nullopt;
}

cache::Form CacheVisit::wanted_form() const noexcept {
    if (!x_.stream_) return cache::Form::document;
    return wants_usage_ ? cache::Form::usage_events : cache::Form::events;
}

/// Who has spent a budget gets nothing of what is kept either. A hit would cost nothing, but is an answer all the same.
bool CacheVisit::budget_is_spent() const {
    if (x_.limited_ == nullptr) return false;
    const int64_t now_s = x_.services_.unix_now_s();
    return std::ranges::any_of(ClientQuota(x_).budgets(), [now_s](const tenant::Budget* budget) {
        return budget != nullptr && tenant::spent_of(*budget, now_s);
    });
}

Result<void> CacheVisit::look_up(const llm::Request& request, const route::ModelMatch& match) {
    looked_ = true;
    choices_ = std::max<uint32_t>(request.n, 1);
    wants_usage_ = x_.endpoint_ == llm::Endpoint::chat_completions && x_.stream_ && request.include_usage;
    // Where one is spent, another model may still do (model_fallback.X.budget): that is found out without the cache.
    const bool spent = budget_is_spent();
    if (spent && only_) return ClientQuota(x_).check_budgets();
    std::optional<cache::Key> key;
    if (!spent && (finds_ || keeps_) && is_cacheable(request, match))
        key = key_of(request, match, x_.body_.view(), scope());
    if (key) {
        ticket_ = desk_.begin(*key, scope());
        if (x_.plan().cache->semantic != nullptr) ticket_->like_scope = like_scope();
        status_ = CacheStatus::miss;
        first_model_ = preferred_model(match);
    } else {
        keeps_ = false;
    }
    if (key && finds_) {
        ask(request, match);
        return {};
    }
    if (key) prepare_semantic(request, match);
    if (semantic_ != nullptr && keeps_) semantic_->prepare_to_keep(*x_.plan().cache->semantic);
    if (only_) refuse_miss();
    return {};
}

void CacheVisit::ask(const llm::Request& request, const route::ModelMatch& match) {
    const uint64_t wait_ms = x_.plan().cache->wait_ms;
    ticket_->joins = keeps_ && wait_ms > 0 && !only_;
    ticket_->visit = this;
    const bool is_here = desk_.ask(ticket_);
    if (is_here && take_found()) return;
    prepare_semantic(request, match);  // while the owner looks
    if (is_here) return go_on_without();
    waits_ = true;
    const uint64_t bound_ms = ticket_->joins ? std::max(wait_ms, CacheDesk::answer_ms_max) : CacheDesk::answer_ms_max;
    x_.services_.shard().timers().arm(wait_, bound_ms);
}

bool CacheVisit::waits() const noexcept { return waits_ || (semantic_ != nullptr && semantic_->waits()); }

/// The request without the text that may differ: who has the same one asks the same, but for that text.
void CacheVisit::prepare_semantic(const llm::Request& request, const route::ModelMatch& match) {
    if (x_.plan().cache->semantic == nullptr || desk_.semantic() == nullptr) return;
    // Who says nearly the same may not have said what made the guard let this answer through.
    if (x_.guarding_ != nullptr && x_.guarding_->exempts_instructions()) return;
    const EmbeddingPlan* const embedding = x_.plan().cache->semantic->embedding.get();
    if (embedding != nullptr && !may_be_embedded()) return desk_.semantic()->note_embedding(EmbeddingResult::barred);
    const std::string_view document = x_.body_.view();
    const llm::Range text = llm::lone_last_text(x_.endpoint_, document, request.messages_range);
    constexpr size_t raw_bytes_max = 2 * SemanticCache::text_bytes_max;  // with its escapes
    if (text.absent() || text.length > raw_bytes_max || document.size() > partition_document_bytes_max) return;
    std::string said;
    if (!llm::unescape(document.substr(text.offset + 1, text.length - 2), said)) return;
    if (said.empty() || said.size() > SemanticCache::text_bytes_max) return;
    ByteBuffer rest(x_.services_.shard().blocks());
    rest.reserve(document.size());
    rest.append(document.substr(0, text.offset + 1));
    rest.append(document.substr(text.end() - 1));
    const auto partition = key_of(request, match, rest.view(), ticket_->like_scope);
    if (!partition) return;
    semantic_ = std::make_unique<SemanticVisit>(*this, *desk_.semantic(), x_.services_.shard(), *partition,
                                                ticket_->like_scope, std::move(said));
    if (embedding != nullptr) semantic_->embed_at(x_.services_.embeddings(), payer());
}

/// Nothing is kept under its key. What is for nearly the same?
void CacheVisit::go_on_without() {
    joined_ = false;  // what has come could not be given
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    const uint64_t stored_from_ms = now_ms - std::min(now_ms, max_age_ms_);
    if (finds_ && semantic_ != nullptr && semantic_->ask(*x_.plan().cache->semantic, stored_from_ms)) return;
    if (only_) refuse_miss();
}

void CacheVisit::on_semantic_answer() noexcept { x_.wake(); }

void CacheVisit::take_semantic() {
    const SemanticTicketPtr answer = semantic_->take_answer();
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    if (answer != nullptr && answer->found != nullptr && answer->found->age_ms(now_ms) <= max_age_ms_ &&
        give_like({.answer = answer->found,
                   .scope = answer->scope,
                   .key = answer->found_key,
                   .similarity = answer->similarity}))
        return;
    if (only_) refuse_miss();
}

/// True: it was given what the same request, for which it has waited, was given.
bool CacheVisit::take_shared() {
    const LikeAnswer like = std::exchange(ticket_->like, {});
    if (like.answer == nullptr) return false;
    joined_ = true;
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    if (like.answer->age_ms(now_ms) > max_age_ms_ || !give_like(like)) return false;
    x_.services_.metrics().cache_joined.add();
    return true;
}

bool CacheVisit::give_like(const LikeAnswer& like) {
    similarity_ = like.similarity;
    kept_key_ = like.key;
    given_like_ = like;
    const bool given = give(*like.answer, CacheStatus::semantic);
    given_like_ = {};
    return given;
}

/// It is the owner's as long as it is under way: what comes home to nobody gives up by itself (CacheDesk::send_home).
void CacheVisit::drop_question() noexcept {
    waits_ = false;
    wait_.disarm();
    std::exchange(ticket_, nullptr)->visit = nullptr;
}

void CacheVisit::on_answer() noexcept {
    ticket_->visit = nullptr;
    waits_ = false;
    wait_.disarm();
    x_.wake();
}

/// Too late: it goes on alone. What may still come finds nobody.
void CacheVisit::on_wait_over(io::Timer& timer) noexcept {
    CacheVisit& visit = static_cast<Wait&>(timer).visit;
    const CacheTicketPtr late = visit.ticket_;
    visit.drop_question();
    visit.ticket_ = visit.desk_.begin(late->key, late->scope);
    visit.ticket_->like_scope = late->like_scope;
    visit.x_.wake();
}

Result<void> CacheVisit::look_at_answer() {
    if (x_.client_gone_ || x_.error_.code != Errc::ok) {
        if (waits_) drop_question();
        if (semantic_ != nullptr) semantic_->forget();
        return std::unexpected(x_.error_);
    }
    if (waits()) return {};
    if (semantic_ != nullptr && semantic_->has_asked())
        take_semantic();
    else if (!take_found() && !take_shared())
        go_on_without();
    if (waits()) return {};
    // It is no work of Loom's; in the very turn that it asked in, there was no wait.
    x_.connect_wait_ns_ += std::max(x_.services_.shard().now_ns(), x_.inspected_ns_) - x_.inspected_ns_;
    if (answered_) return {};
    const auto request = x_.read_again();
    if (!request) return std::unexpected(request.error());
    return x_.inspect_found(x_.choose_candidate(*request), *request);
}

/// True: it was given what is kept under its key.
bool CacheVisit::take_found() {
    ticket_->visit = nullptr;
    const cache::AnswerPtr found = std::exchange(ticket_->found, nullptr);
    joined_ = ticket_->is_joined;
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    if (found != nullptr) {
        age_s_ = found->age_ms(now_ms) / ms_of_s;
        const bool young = found->age_ms(now_ms) <= max_age_ms_;  // for this client
        const bool fresh = young && now_ms < found->fresh_until_ms;
        if (fresh && give(*found, CacheStatus::hit)) {
            if (ticket_->is_joined) x_.services_.metrics().cache_joined.add();
            return true;
        }
        if (young && now_ms < found->kept_until_ms) stale_ = found;
    }
    return false;
}

/// Of a stream that is whole.
bool CacheVisit::take_events(llm::AnswerForms& forms, std::string_view events) const {
    http::SseSplitter splitter;
    ByteBuffer joined(x_.services_.shard().blocks());
    joined.reserve(events.size());
    while (!events.empty()) {
        size_t end = splitter.next_event_end(events);
        if (end == 0) end = events.size();
        http::SseEvent event;
        if (!http::parse_event(events.substr(0, end), event, {joined.data(), joined.capacity()})) return false;
        events.remove_prefix(end);
        if (event.has_data && !forms.take_event(event.event, event.data)) return false;
    }
    return true;
}

bool CacheVisit::give(const cache::Answer& answer, CacheStatus status) {
    if (answer.form == wanted_form()) return reply(answer.body, answer, status);
    return give_other_form(answer, status);
}

/// A stream's answer for who wants it whole, or the other way round.
bool CacheVisit::give_other_form(const cache::Answer& answer, CacheStatus status) {
    const auto protocol = llm::chat_protocol_of(x_.endpoint_);
    if (!protocol) return false;
    const llm::TranslateTerms terms{.client = *protocol,
                                    .provider = *protocol,
                                    .model = x_.model_,
                                    .client_model = x_.model_,
                                    .fallback_id = x_.request_id_,
                                    .created = x_.begun_wall_us_ / 1'000'000,
                                    .stream = x_.stream_,
                                    .include_usage = wants_usage_};
    BlockPool& blocks = x_.services_.shard().blocks();
    const llm::Usage usage = usage_of(answer);
    ByteBuffer document(blocks);
    std::string_view whole = answer.body;
    if (answer.form != cache::Form::document) {
        llm::AnswerForms from(x_.services_.translate_scratch, blocks, terms);
        if (!from.read_request(x_.body_.view())) return false;
        if (!take_events(from, answer.body)) return false;
        if (!from.document_of_taken(usage, document)) return false;
        whole = document.view();
    }
    if (wanted_form() == cache::Form::document) return reply(whole, answer, status);
    llm::AnswerForms to(x_.services_.translate_scratch, blocks, terms);
    ByteBuffer events(blocks);
    if (!to.read_request(x_.body_.view()) || !to.events_of(whole, usage, events)) return false;
    return reply(events.view(), answer, status);
}

/// False: there is no memory for one more answer.
bool CacheVisit::reply(std::string_view body, const cache::Answer& answer, CacheStatus status) {
    if (!try_hold(BlockPool::footprint(body.size()))) return false;
    capturing_ = false;  // of an attempt that came to nothing
    captured_.release();
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    age_s_ = answer.age_ms(now_ms) / ms_of_s;
    status_ = status;
    answered_ = true;
    keeps_ = false;
    give_up();
    if (x_.stream_ && !std::exchange(x_.streaming_, true)) x_.services_.metrics().streams_open.add();
    x_.reply(200, x_.stream_ ? stream_type : "application/json", body);
    Booking(x_).note_cached(layer(), answer);
    observe::ShardMetrics& metrics = x_.services_.metrics();
    if (answer.tells_usage) {
        metrics.cache_saved_input.add(answer.input_tokens);
        metrics.cache_saved_output.add(answer.output_tokens);
    }
    if (answer.cost > 0) metrics.cache_saved_cost.add(static_cast<uint64_t>(answer.cost));
    return true;
}

tenant::LedgerLocalExit CacheVisit::layer() const noexcept {
    using tenant::LedgerLocalExit;
    if (status_ == CacheStatus::stale) return LedgerLocalExit::cache_stale;
    if (joined_) return LedgerLocalExit::cache_joined;
    return status_ == CacheStatus::semantic ? LedgerLocalExit::cache_semantic : LedgerLocalExit::cache_exact;
}

/// 504 (RFC 9111, 5.2.1.7), which SDKs would try again.
void CacheVisit::refuse_miss() {
    answered_ = true;
    keeps_ = false;
    give_up();
    std::array<char, llm::error_bytes_max> room;
    const llm::ErrorBody body{.message = "no answer to this request is kept, and the client wants no other",
                              .type = llm::error_type::invalid_request,
                              .code = "not_cached"};
    Booking(x_).note_refused(tenant::LedgerLocalExit::refused_uncached, 504);
    x_.reply(504, "application/json", llm::write_error(x_.error_protocol(), 504, room, body),
             "x-should-retry: false\r\n");
}

void CacheVisit::begin_capture(cache::Form form) {
    captured_.clear();
    form_ = form;
    finished_ = cut_short_ = done_ = false;
    capturing_ = true;
}

void CacheVisit::end_capture() noexcept {
    capturing_ = false;
    captured_.release();
    let_go();
}

void CacheVisit::watch(RelayOptions& options, const http::ResponseHead& head) {
    if (!keeps_ || ticket_ == nullptr) return;
    end_capture();  // of an attempt before
    const bool plain =
        head.value_of(HeaderId::content_encoding).empty() || options.coding != http::ContentCoding::identity;
    const bool known =
        options.event_stream == x_.stream_ && (options.event_stream || Exchange::has_type(head, "application/json"));
    // Of a stream that goes on with another provider this would be the rest alone.
    if (head.status != 200 || !plain || !known || x_.goes_on()) return;
    begin_capture(wanted_form());
    options.tap = this;
}

void CacheVisit::take_document(int status, std::string_view document) {
    if (!keeps_ || ticket_ == nullptr || status != 200 || x_.stream_) return;
    begin_capture(cache::Form::document);
    on_payload(document);
}

void CacheVisit::on_payload(std::string_view bytes) noexcept {
    if (!capturing_) return;
    const size_t size = captured_.size() + bytes.size();
    if (size > x_.plan().cache->entry_bytes_max) return end_capture();
    if (size > captured_.capacity()) {
        const size_t wanted = std::max(size, 2 * captured_.capacity());
        if (!try_hold(BlockPool::footprint(wanted))) return end_capture();
        captured_.reserve(wanted);
    }
    captured_.append(bytes);
}

void CacheVisit::on_event(const llm::EventFacts& facts) noexcept {
    finished_ |= facts.finished;
    cut_short_ |= facts.cut_short || facts.is_error;
    done_ |= facts.done;
}

/// Nothing but an answer that was given to its end, by the model that was asked for, and says itself that it is whole.
bool CacheVisit::is_whole() const {
    if (x_.client_gone_ || x_.status_ != 200 || x_.error_.code != Errc::ok || !x_.answer_whole()) return false;
    if (x_.guarding_ != nullptr && x_.guarding_->blocked_answer()) return false;
    const bool stands_in = (x_.failover_ != nullptr && !x_.failover_->model.empty()) ||
                           (x_.selection_ != nullptr && x_.selection_->by_budget);
    // A name of one's own may be one model here and another there: who comes later wants what is asked first.
    if (stands_in || x_.upstream_model_ != first_model_) return false;
    if (form_ != cache::Form::document) return stream_is_whole();
    llm::TranslateScratch& scratch = x_.services_.translate_scratch;
    const auto protocol = llm::chat_protocol_of(x_.endpoint_);
    if (!protocol) return llm::AnswerForms::has_embeddings(scratch, captured_.view());
    llm::AnswerForms forms(scratch, x_.services_.shard().blocks(), {.client = *protocol, .provider = *protocol});
    return forms.ends_well(captured_.view());
}

/// Behind the reason to end, what says that nothing follows: Gemini's protocol alone has no such word.
bool CacheVisit::stream_is_whole() const {
    const bool has_end = x_.type_ == nullptr || x_.type_->protocol != llm::Protocol::gemini;
    if (!finished_ || cut_short_ || (has_end && !done_)) return false;
    if (choices_ == 1) return true;
    const auto protocol = llm::chat_protocol_of(x_.endpoint_);
    if (!protocol) return false;
    llm::AnswerForms forms(x_.services_.translate_scratch, x_.services_.shard().blocks(),
                           {.client = *protocol, .provider = *protocol});
    return take_events(forms, captured_.view()) && forms.taken_ends_well(choices_);
}

cache::AnswerPtr CacheVisit::make_answer() const {
    const CachePlan& terms = *x_.plan().cache;
    const uint64_t now_ms = x_.services_.shard().timers().now_ms();
    const uint64_t spread_ms = terms.ttl_ms / 100 * CachePlan::jitter_percent;
    const uint64_t less_ms = spread_ms == 0 ? 0 : x_.services_.random.next() % spread_ms;
    auto answer = std::make_shared<cache::Answer>();
    answer->scope = ticket_->scope;
    if (x_.consumer_ != nullptr)
        answer->tenant = x_.consumer_->tenant.empty() ? x_.consumer_->name : x_.consumer_->tenant;
    answer->model = x_.model_;
    answer->body = captured_.view();
    answer->form = form_;
    answer->stored_ms = now_ms;
    answer->fresh_until_ms = now_ms + terms.ttl_ms - less_ms;
    answer->kept_until_ms = answer->fresh_until_ms + terms.stale_ms;
    const llm::Usage& usage = x_.usage();
    answer->tells_usage = usage.provenance != llm::Usage::Provenance::none;
    if (!answer->tells_usage) return answer;
    answer->input_tokens = usage.input;
    answer->output_tokens = usage.output;
    answer->cached_input_tokens = usage.cached_input;
    answer->reasoning_tokens = usage.reasoning;
    if (const route::Price* const price = x_.price_at_hand(); price != nullptr)
        answer->cost = price->cost(route::parts_of({.input = usage.input,
                                                    .cached_input = usage.cached_input,
                                                    .cache_write = usage.cache_write,
                                                    .cache_write_1h = usage.cache_write_1h,
                                                    .output = usage.output,
                                                    .reasoning = usage.reasoning}));
    return answer;
}

void CacheVisit::finish() {
    if (std::exchange(is_over_, true)) return;
    if (looked_) x_.services_.metrics().cache_request(static_cast<size_t>(status_));
    if (capturing_ && ticket_ != nullptr && is_whole()) {
        const cache::AnswerPtr answer = make_answer();
        desk_.put(ticket_, answer);
        ticket_->leads = false;
        if (semantic_ != nullptr)
            semantic_->keep(*x_.plan().cache->semantic, ticket_->key, answer, ticket_->purges_seen);
    }
    if (!answered_) end_capture();  // what was given is held until its client has it
    give_up();
}

void CacheVisit::give_up() noexcept {
    if (semantic_ != nullptr) semantic_->forget();
    if (waits_) return drop_question();
    if (ticket_ == nullptr || !std::exchange(ticket_->leads, false)) return;
    if (given_like_.answer != nullptr) return desk_.share(ticket_, given_like_);
    desk_.give_up(ticket_);
}

/// Nobody could be asked, or nobody's answer was one.
bool CacheVisit::answers_stale(const Error& why) {
    if (stale_ == nullptr || answered_ || x_.answered_ || why.side == Side::downstream) return false;
    const cache::AnswerPtr answer = std::exchange(stale_, nullptr);
    if (x_.services_.shard().timers().now_ms() >= answer->kept_until_ms) return false;
    return give(*answer, CacheStatus::stale);
}

void CacheVisit::write_lines(http::HeadWriter& head) const {
    if (!looked_) return;  // refused before
    head.header("x-loom-cache", status_name());
    const bool is_semantic = status_ == CacheStatus::semantic;
    if (status_ == CacheStatus::hit || status_ == CacheStatus::stale || is_semantic) head.header("age", age_s_);
    if (is_semantic) {
        std::array<char, 16> text;
        const auto end = fmt::format_to_n(text.data(), text.size(), "{:.3f}", similarity_).out;
        head.header("x-loom-cache-similarity", std::string_view(text.data(), end));
    }
    if (ticket_ == nullptr) return;
    const cache::Key& entry = is_semantic ? kept_key_ : ticket_->key;
    std::array<char, 32> key;
    constexpr std::string_view digits = "0123456789abcdef";
    for (size_t i = 0; i < 16; ++i) {
        key[i] = digits[entry.high >> (60 - 4 * i) & 15];
        key[16 + i] = digits[entry.low >> (60 - 4 * i) & 15];
    }
    head.header("x-loom-cache-key", std::string_view(key.data(), key.size()));
}

}  // namespace loom::proxy
