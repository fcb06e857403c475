// The first phase: which route, whose request, may they, and what of the head goes on.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cache_visit.h"
#include "client_connection.h"
#include "client_limits.h"
#include "coded_body.h"
#include "exchange.h"
#include "forwarded.h"
#include "google_files.h"
#include "guarding.h"
#include "header_policy.h"
#include "known_by.h"
#include "ledger.h"
#include "loom/base/crypto.h"
#include "loom/llm/models.h"
#include "ownership.h"
#include "realtime.h"
#include "token_visit.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

constexpr size_t request_id_bytes_max = 128;

bool is_visible_ascii(std::string_view text) noexcept {
    for (const char c : text)
        if (c <= ' ' || c > '~') return false;
    return true;
}

/// "/a/../b", also as "%2e%2e": this gateway would match one route and the upstream serve another's resource.
bool has_dot_segment(std::string_view path) noexcept {
    while (!path.empty()) {
        const size_t slash = path.find('/');
        std::string_view segment = path.substr(0, slash);
        size_t dots = 0;
        for (; !segment.empty(); ++dots) {
            const bool encoded =
                segment.size() >= 3 && segment[0] == '%' && segment[1] == '2' && (segment[2] | 32) == 'e';
            if (!encoded && segment[0] != '.') break;
            segment.remove_prefix(encoded ? 3 : 1);
        }
        if (segment.empty() && (dots == 1 || dots == 2)) return true;
        if (slash == std::string_view::npos) return false;
        path.remove_prefix(slash + 1);
    }
    return false;
}

constexpr std::string_view key_parameter = "key=";  // Google's clients may send their key in the query

/// The parameter's place in a query, "key=…" without the '&' around; empty where there is none.
std::string_view find_key_parameter(std::string_view query) noexcept {
    while (!query.empty()) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        if (parameter.starts_with(key_parameter)) return parameter;
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
    }
    return {};
}

/// Google's wish of another form of its answer, however its name is written.
bool asks_for_form(std::string_view parameter) {
    std::string name;
    return llm::decode_path_id(parameter.substr(0, parameter.find('=')), name) && (name == "alt" || name == "$alt");
}

/// What an AI provider is sent of a target: never a client's key, and where the answer is `read`, no form of it that
/// cannot be.
void append_for_provider(std::string& out, std::string_view target, bool read) {
    const size_t mark = target.find('?');
    out += target.substr(0, mark);
    if (mark == target.npos) return;
    char separator = '?';
    for (std::string_view query = target.substr(mark + 1); !query.empty();) {
        const std::string_view parameter = query.substr(0, query.find('&'));
        query.remove_prefix(std::min(parameter.size() + 1, query.size()));
        if (parameter.starts_with(key_parameter) || (read && asks_for_form(parameter))) continue;
        out += separator;
        out += parameter;
        separator = '&';
    }
}

/// How the body is coded. Two fields in a row are one list of two codings.
http::ContentCoding coding_of(const http::RequestHead& head) noexcept {
    const http::Header* first = nullptr;
    for (const http::Header& header : head.headers()) {
        if (header.id != HeaderId::content_encoding) continue;
        if (first != nullptr) return http::ContentCoding::unknown;
        first = &header;
    }
    return first == nullptr ? http::ContentCoding::identity : http::content_coding(first->value);
}

/// All clients share the provider's key, and so what it remembers of their idempotency keys: each tenant has its own of
/// them, and so have all those together whom a route without keys lets in. A tenant's name is part of what is hashed,
/// so nobody can make a key that another one's becomes; and nothing else is, so it is the same on every shard, and
/// behind a restart.
std::array<char, 64> own_idempotency_key(std::string_view tenant, std::string_view given) noexcept {
    return hex_of(hmac_sha256(tenant, given));
}

/// The key in whichever header this route takes it from.
std::string_view presented_key(const http::RequestHead& head, const RoutePlan& route) noexcept {
    if (route.bearer) {
        const std::string_view token = tenant::bearer_token(head.value_of(HeaderId::authorization));
        if (!token.empty()) return token;
    }
    if (!route.auth_header.empty())
        if (const http::Header* const header = head.find(std::string_view(route.auth_header))) return header->value;
    for (const HeaderId id : {HeaderId::x_api_key, HeaderId::api_key, HeaderId::x_goog_api_key})
        if (const std::string_view value = head.value_of(id); !value.empty()) return value;
    return head.upgrade ? websocket_key_of(head) : std::string_view();
}

}  // namespace

Result<void> Exchange::admit() {
    const http::RequestHead& head = services_.request_head;
    method_ = head.method;
    method_text_ = text_.keep(head.method_text);
    path_ = text_.keep(head.path);
    minor_version_ = head.minor_version;
    keep_alive_ = head.keep_alive;
    expect_continue_ = head.expect_continue;
    note_request_id(head);
    client_body_.start(head.framing, head.content_length);
    if (!client_body_.done()) body_mode_ = BodyMode::discard;

    if (method_ == http::Method::trace)
        return fail(Errc::bad_method, Side::downstream, "TRACE is refused: it would echo credentials");
    if (answer_without_upstream(head)) return {};
    const Result<void> step = admit_route(head);
    admitted_ns_ = services_.shard().read_clock_ns();
    return step;
}

Result<void> Exchange::admit_route(const http::RequestHead& head) {
    if (has_dot_segment(head.path))
        return fail(Errc::bad_message, Side::downstream,
                    "the path has '.' or '..' segments: two servers could read it as two resources");
    const uint32_t index = plan().route_table.find(head.path);
    if (index == route::no_route) return fail(Errc::not_found, Side::downstream, "no route has this path");
    route_ = &plan().routes[index];
    note_client(head);
    note_affinity(head);
    if (answer_cors(head)) return {};
    const bool reads = head.method == http::Method::get || head.method == http::Method::head;
    if (route_->ai) {  // first: a refusal has its client's own shape
        endpoint_ = llm::classify(reads, head.path);
        if (endpoint_ == llm::Endpoint::files && head.find(HeaderId::x_goog_api_key) != nullptr)
            endpoint_ = llm::Endpoint::gemini_files;
        speaks_anthropic_ = llm::is_passthrough(endpoint_) && !head.value_of(HeaderId::anthropic_version).empty();
    }
    auto step = check_address();
    if (step) step = ClientQuota(*this).enter_address();
    return step ? admit_bearer(head) : step;
}

/// Who asks, and what they may. It begins anew when it is known whose an opaque token is.
Result<void> Exchange::admit_bearer(const http::RequestHead& head) {
    auto step = authenticate(head);
    if (step && visit_ != nullptr && visit_->answer() == nullptr) {  // its issuer is asked: admission waits
        body_mode_ = BodyMode::none;
        return step;
    }
    if (step) step = shed_if_overloaded();
    if (step && route_->ai) step = Booking(*this).check();
    if (step) step = ClientQuota(*this).enter();
    if (step && route_->ai) keep_rule_fields(head);
    const bool read_later = route_->ai && (llm::is_inspected(endpoint_) || is_realtime_session());
    if (step && !read_later) step = check_access_unread();
    if (step) step = admit_endpoint(head);
    if (step && !answered_) step = admit_body(head);
    return step;
}

/// Wherever it stands; "" without one.
std::string_view Exchange::client_key(const http::RequestHead& head) const noexcept {
    const std::string_view key = presented_key(head, *route_);
    const bool google =
        path_.starts_with("/v1beta/") || llm::names_model_in_path(endpoint_) || llm::is_gemini_family(endpoint_);
    const std::string_view given = find_key_parameter(head.query);
    return google && key.empty() && !given.empty() ? given.substr(key_parameter.size()) : key;
}

Result<void> Exchange::admit_endpoint(const http::RequestHead& head) {
    if (!route_->ai) {
        pool_ = use_->route_pools[static_cast<size_t>(route_ - plan().routes.data())];
        return {};
    }
    if (endpoint_ == llm::Endpoint::models || endpoint_ == llm::Endpoint::model) {
        answer_models();
        return {};
    }
    if (llm::is_inspected(endpoint_)) {
        if (head.method != http::Method::post)
            return fail(Errc::bad_method, Side::downstream, "this endpoint takes POST");
        if (plan().cache != nullptr) cache_ = CacheVisit::begin(*this, head);
        return {};
    }
    if (is_realtime_session()) {
        const auto step = admit_realtime(head);
        if (realtime_ != nullptr && consumer_ != nullptr) {
            const std::string_view key = presented_key(head, *route_);
            const bool by_certificate = is_known_by_certificate(*route_, key, *client_);
            realtime_->key_hash = by_certificate ? Sha256{} : sha256(key);  // no key has that digest
        }
        return step;
    }
    if (!llm::is_passthrough(endpoint_))
        return fail(Errc::not_found, Side::downstream, "no endpoint of this gateway has this path");
    if (!route_->passes(llm::passthrough_family(endpoint_)))
        return fail(Errc::forbidden, Side::downstream,
                    "this endpoint is relayed only where route.NAME.passthrough names its family");
    const auto step = admit_family(head);
    const bool uploads = owned_ != nullptr && owned_->call.kind == llm::ResourceKind::gemini_upload;
    if (uploads && consumer_ != nullptr) owned_->key_hash = sha256(client_key(head));
    return step;
}

Result<void> Exchange::admit_body(const http::RequestHead& head) {
    target_ = text_.keep(head.target);
    if (!target_.starts_with('/')) {  // absolute-form: an origin is told the path alone
        char* const text = text_.take(head.path.size() + 1 + head.query.size());
        char* end = std::copy(head.path.begin(), head.path.end(), text);
        if (!head.query.empty()) *end++ = '?';
        end = std::copy(head.query.begin(), head.query.end(), end);
        target_ = {text, static_cast<size_t>(end - text)};
    }
    const bool answer_read =
        owned_ != nullptr && llm::is_gemini_family(endpoint_) && owned_->call.answer != llm::CallAnswer::opaque;
    if (route_->ai && (answer_read || !find_key_parameter(head.query).empty())) {
        std::string without;
        append_for_provider(without, target_, answer_read);
        target_ = text_.keep(without);
    }
    const bool inspected = route_->ai && (llm::is_inspected(endpoint_) || reads_family_body(head));
    if (inspected && head.framing == http::BodyFraming::length && head.content_length > plan().limits.body_bytes)
        return fail(Errc::too_large, Side::downstream, "the body is larger than limit.body_size");
    if (inspected) LOOM_TRY(admit_coding(head));
    keep_request_lines(head);
    if (inspected)
        body_mode_ = BodyMode::collect;
    else
        body_mode_ = client_body_.done() ? BodyMode::none : BodyMode::stream;
    if (body_mode_ == BodyMode::stream) client_->watch_bursts();
    if (plan().guard != nullptr) LOOM_TRY(Guarding::check_unread(*this));
    return route_->ai ? admit_upload(head) : Result<void>();
}

/// What is sent compressed is decoded as it comes, and from then on as if it had been sent plain.
Result<void> Exchange::admit_coding(const http::RequestHead& head) {
    const http::ContentCoding coding = coding_of(head);
    if (coding == http::ContentCoding::unknown)
        return fail(Errc::bad_content_type, Side::downstream,
                    "this gateway reads the body: its Content-Encoding may be one of gzip, deflate and zstd, once");
    if (coding == http::ContentCoding::identity || client_body_.done()) return {};
    coded_ = std::make_unique<CodedBody>(&Exchange::on_decoding_turn, *this, services_.shard().blocks(), coding,
                                         plan().limits.body_bytes);
    return {};
}

void Exchange::note_request_id(const http::RequestHead& head) {
    const std::string_view given = head.value_of(HeaderId::x_request_id);
    if (!given.empty() && given.size() <= request_id_bytes_max && is_visible_ascii(given)) {
        request_id_ = text_.keep(given);
        return;
    }
    const auto made = services_.new_request_id();
    request_id_ = text_.keep({made.data(), made.size()});
}

void Exchange::note_client(const http::RequestHead& head) {
    user_agent_ = text_.keep(head.value_of(HeaderId::user_agent).substr(0, 256));
    const std::vector<net::Network>& trust = plan().forwarded_trust;
    if (trust.empty()) return;
    const auto has_peer = [this](const net::Network& network) { return network.contains(client_->peer()); };
    if (std::ranges::none_of(trust, has_peer)) return;
    client_text_ = text_.keep(forwarded_client(head, trust));
    client_unnamed_ = client_text_.empty();
}

/// Keeps apart what goes on only to a server of the client's own protocol.
bool Exchange::note_family_field(const http::Header& header) {
    std::string_view* kept = nullptr;
    switch (header.id) {
        case HeaderId::content_type: kept = &family_->content_type; break;
        case HeaderId::accept: kept = &family_->accept; break;
        case HeaderId::openai_beta: kept = &family_->openai_beta; break;
        case HeaderId::anthropic_version: kept = &family_->anthropic_version; break;
        case HeaderId::anthropic_beta: kept = &family_->anthropic_beta; break;
        default: return false;
    }
    if (header.named_in_connection) return true;
    *kept = kept->empty() ? text_.keep(header.value) : text_.join(*kept, ", ", header.value);
    return true;
}

/// Writes the fields that go on, once; every attempt sends the same.
void Exchange::keep_request_lines(const http::RequestHead& head) {
    family_ = &text_.make<FamilyFields>();
    request_lines_.reserve(512);
    const auto line = [this](std::string_view name, std::string_view value) {
        request_lines_.append(name);
        request_lines_.append(": ");
        request_lines_.append(value);
        request_lines_.append("\r\n");
    };
    bool has_idempotency_key = false;
    for (const http::Header& header : head.headers()) {
        if (route_->ai && note_family_field(header)) continue;
        const bool keyed = route_->auth != AuthType::none;
        const bool of_upload = GoogleFiles(*this).passes_field(header) && is_upload_field(header);
        const bool passes = route_->ai ? of_upload || reaches_provider(header, llm::is_inspected(endpoint_))
                                       : reaches_upstream(header, keyed, route_->auth_header, route_->bearer);
        if (!passes) continue;
        if (client_->is_mirror() && header.id == HeaderId::idempotency_key) continue;  // it is the original's
        if (route_->ai && plan().keeps_apart() && header.id == HeaderId::idempotency_key) {
            if (std::exchange(has_idempotency_key, true)) continue;  // there is one, and what is made of it is longer
            const auto own = own_idempotency_key(tenant(), header.value);
            line(header.name, {own.data(), own.size()});
            continue;
        }
        line(header.name, header.value);
    }
    line("x-request-id", request_id_);
    if (route_->ai || plan().forwarded_for == ForwardedFor::off) return;
    const std::string address = client_->peer().to_address().ip_string();
    std::string chain(head.value_of(HeaderId::x_forwarded_for));
    const bool trusted = !client_text_.empty();
    if (plan().forwarded_for == ForwardedFor::replace || !trusted) chain.clear();
    line("x-forwarded-for", chain.empty() ? address : chain + ", " + address);
    line("x-forwarded-proto", trusted && !head.value_of(HeaderId::x_forwarded_proto).empty()
                                  ? head.value_of(HeaderId::x_forwarded_proto)
                                  : std::string_view(client_->is_tls() ? "https" : "http"));
    if (!head.host.empty()) line("x-forwarded-host", head.host);
}

}  // namespace loom::proxy
