// What Loom answers itself: health, the admin listener, CORS preflights, the list of models.
#include "admin_call.h"
#include "client_connection.h"
#include "exchange.h"
#include "loom/llm/error.h"
#include "loom/llm/models.h"

namespace loom::proxy {
namespace {

using http::HeaderId;

bool origin_allowed(const std::vector<std::string>& allowed, std::string_view origin) noexcept {
    for (const std::string& one : allowed)
        if (one == "*" || one == origin) return true;
    return false;
}

}  // namespace

bool Exchange::answer_without_upstream(const http::RequestHead& head) {
    if (client_->listener().local) {
        answer_admin(head);
        return true;
    }
    const std::string_view health = plan().health_path;
    const bool reads = head.method == http::Method::get || head.method == http::Method::head;
    if (!reads || health.empty()) return false;
    if (head.path != health && head.path != "/readyz") return false;
    answer_health(head.path);
    return true;
}

void Exchange::answer_health(std::string_view path) {
    const bool leaving = services_.draining() && path != plan().health_path;
    if (leaving) return reply(503, "text/plain", "draining\n", "retry-after: 1\r\n");
    reply(200, "text/plain", "ok\n");
}

void Exchange::answer_admin(const http::RequestHead& head) {
    const std::string peer = client_->peer().to_address().ip_string();
    AdminCall::run(*this, {.method = head.method_text,
                           .path = head.path,
                           .query = head.query,
                           .authorization = head.value_of(HeaderId::authorization),
                           .origin = head.value_of(HeaderId::origin),
                           .peer = peer,
                           .body = {}});
}

/// Notes an allowed origin, and answers a preflight. RFC 9110 9.3.7 for a plain OPTIONS; WHATWG Fetch, "CORS protocol".
bool Exchange::answer_cors(const http::RequestHead& head) {
    const std::string_view origin = head.value_of(HeaderId::origin);
    if (!origin.empty() && origin_allowed(plan().cors_origins, origin)) origin_ = text_.keep(origin);
    if (head.method != http::Method::options || !route_->ai) return false;
    const bool preflight = head.find(HeaderId::access_control_request_method) != nullptr;
    if (!preflight || origin_.empty()) {
        reply(204, {}, {}, "allow: GET, HEAD, POST, DELETE, OPTIONS\r\n");
        return true;
    }
    const std::string_view wanted = head.value_of(HeaderId::access_control_request_headers);
    std::string lines = "access-control-allow-methods: GET, POST, DELETE, OPTIONS\r\naccess-control-max-age: 600\r\n";
    if (!wanted.empty()) lines.append("access-control-allow-headers: ").append(wanted).append("\r\n");
    reply(204, {}, {}, lines);
    return true;
}

/// The list has one path in two protocols: Anthropic's clients say their version.
llm::Protocol Exchange::models_protocol() const noexcept {
    if (path_.starts_with("/v1beta/")) return llm::Protocol::gemini;
    const bool anthropic = services_.request_head.find(HeaderId::anthropic_version) != nullptr;
    return anthropic ? llm::Protocol::anthropic : llm::Protocol::openai_chat;
}

void Exchange::answer_models() {
    const auto may_see = [this](std::string_view id) { return consumer_ == nullptr || consumer_->may_use_model(id); };
    const llm::Protocol protocol = models_protocol();
    std::string body;
    if (endpoint_ == llm::Endpoint::models) {
        std::vector<llm::ModelEntry> entries;
        for (const route::ListedModel& model : plan().catalogue.models())
            if (may_see(model.id)) entries.push_back({.id = model.id, .owned_by = model.owned_by});
        const auto written = llm::write_models(body, protocol, services_.request_head.query, entries);
        if (!written) return refuse(written.error());
        return reply(200, "application/json", body);
    }
    std::string id;
    if (llm::decode_path_id(llm::model_of_path(path_), id) && may_see(id)) {
        for (const route::ListedModel& model : plan().catalogue.models()) {
            if (model.id != id) continue;
            llm::write_model(body, protocol, {.id = model.id, .owned_by = model.owned_by});
            return reply(200, "application/json", body);
        }
    }
    model_ = text_.keep(id);
    refuse(Error{.code = Errc::not_found, .side = Side::downstream, .what = "model"});
}

}  // namespace loom::proxy
