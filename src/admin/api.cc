#include "loom/admin/api.h"

#include "answers.h"
#include "loom/admin/cache.h"
#include "loom/admin/limits.h"
#include "loom/admin/openapi.h"
#include "loom/admin/providers.h"
#include "loom/admin/usage.h"
#include "loom/admin/verbs.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/llm/error.h"
#include "loom/tenant/consumer.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalRequest;

enum class Allowed : uint8_t { nothing, reading, all };

Allowed allowed(const ApiOptions& options, std::string_view authorization) {
    if (options.token.empty()) return Allowed::all;
    const std::string_view token = tenant::bearer_token(authorization);
    if (equal_constant_time(token, options.token)) return Allowed::all;
    const bool reads = !options.read_token.empty() && equal_constant_time(token, options.read_token);
    return reads ? Allowed::reading : Allowed::nothing;
}

std::optional<observe::SharedStoreFacts> shared_facts(const ApiOptions& options) {
    return options.shared_store ? options.shared_store() : std::nullopt;
}

LocalAnswer answer(const ApiOptions& options, const LocalRequest& request) {
    const std::string_view path = request.path;
    const bool verb = is_verb(path);
    const bool changes = verb || is_keys(path) || is_consumers(path) || is_cache(path);
    const bool known = path == options.health_path || path == "/readyz" || path == "/metrics" || path == limits_path ||
                       path == openapi_path || is_usage(path) || is_keys(path) || is_consumers(path) ||
                       path == providers_path || path.starts_with(std::string(providers_path) + "/");
    if (known && !changes && request.method != "GET" && request.method != "HEAD")
        return refuse(405, "this resource takes GET", llm::error_type::invalid_request, "method_not_allowed");
    if (path == options.health_path) return {.content_type = "text/plain", .body = "ok\n"};
    if (path == "/readyz") {
        if (options.ready()) return {.content_type = "text/plain", .body = "ok\n"};
        return {.status = 503, .content_type = "text/plain", .body = "draining\n"};
    }
    const Allowed may = allowed(options, request.authorization);
    if (may == Allowed::nothing)
        return refuse(401, "send the admin token as 'Authorization: Bearer TOKEN' (admin.token)",
                      llm::error_type::authentication, "invalid_admin_token");
    if (may == Allowed::reading && request.method != "GET" && request.method != "HEAD")
        return refuse(403, "this token reads only; changing anything takes the admin token (admin.token)",
                      llm::error_type::permission, "read_only_token");
    if (path == "/metrics")
        return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
                .body = options.metrics->expose(options.facts())};
    if (path == limits_path)
        return {.body = show_limits(*options.plan(), monotonic_ns() / 1'000'000,
                                    static_cast<int64_t>(wall_us() / 1'000'000))};
    if (path == openapi_path) return {.body = std::string(openapi_document())};
    if (is_usage(path)) {
        if (options.usage.usage != nullptr)
            return show_usage(options.usage, options.plan(), shared_facts(options), request);
        return refuse(404, "nothing is booked here: set token_accounting.enabled = on", llm::error_type::not_found,
                      "not_found");
    }
    if (is_cache(path)) return run_cache(options.cache, *options.plan(), request);
    if (is_keys(path)) {
        if (options.keys != nullptr) return answer_keys(*options.keys, options.consumers, *options.plan(), request);
        return refuse(404, "no keys are made here: set auth.issued_keys = on", llm::error_type::not_found, "not_found");
    }
    if (is_consumers(path)) {
        if (options.consumers != nullptr)
            return answer_consumers(*options.consumers, *options.keys, *options.plan(), request);
        return refuse(404, "no consumers are made here: set auth.issued_keys = on", llm::error_type::not_found,
                      "not_found");
    }
    if (verb) return run_verb(*options.plan(), request);
    if (known) {
        auto shown = show_providers(*options.plan(), *options.metrics, path);
        return shown ? LocalAnswer{.body = std::move(*shown)}
                     : refuse(404, "no such provider; GET /ai/providers lists them", llm::error_type::not_found,
                              "not_found");
    }
    return refuse(404,
                  "the admin listener has /metrics, /healthz, /readyz, /ai/providers, /ai/limits, /ai/usage, /ai/keys, "
                  "/ai/consumers and /ai/cache; /ai/openapi.json describes them",
                  llm::error_type::not_found, "not_found");
}

}  // namespace

proxy::LocalHandler make_api(ApiOptions options) {
    return [options = std::move(options)](const LocalRequest& request) { return answer(options, request); };
}

}  // namespace loom::admin
