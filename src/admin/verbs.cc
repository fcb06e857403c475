#include "loom/admin/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "answers.h"
#include "loom/admin/providers.h"
#include "loom/llm/error.h"
#include "loom/observe/log.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalRequest;
using route::ProviderControl;
using route::ProviderTerms;

constexpr std::array<std::string_view, 5> verbs = {"drain", "undrain", "disable", "enable", "weight"};

/// "/ai/providers/NAME/VERB" in its two parts; nothing for another path.
struct Call {
    std::string_view provider;
    std::string_view verb;
};
std::optional<Call> call_of(std::string_view path) noexcept {
    if (!path.starts_with(providers_path)) return std::nullopt;
    path.remove_prefix(providers_path.size());
    if (!path.starts_with('/')) return std::nullopt;
    path.remove_prefix(1);
    const size_t slash = path.find('/');
    if (slash == path.npos) return std::nullopt;
    const Call call{.provider = path.substr(0, slash), .verb = path.substr(slash + 1)};
    return std::ranges::find(verbs, call.verb) == verbs.end() ? std::nullopt : std::optional(call);
}

/// Of "value=N", and nothing else.
std::optional<uint32_t> weight_of(std::string_view query) noexcept {
    constexpr std::string_view name = "value=";
    if (!query.starts_with(name)) return std::nullopt;
    query.remove_prefix(name.size());
    uint32_t weight = 0;
    const auto [end, fault] = std::from_chars(query.data(), query.data() + query.size(), weight);
    const bool whole = fault == std::errc() && end == query.data() + query.size();
    return whole && weight <= ProviderControl::weight_max ? std::optional(weight) : std::nullopt;
}

LocalAnswer bad_request(std::string_view message, std::string_view code) {
    return refuse(400, message, llm::error_type::invalid_request, code);
}

std::string shown(const proxy::ProviderPlan& provider, const ProviderTerms& terms) {
    return fmt::format(R"({{"name":{},{}}})", quoted(provider.name), terms_json(terms));
}

ProviderTerms apply(ProviderControl& control, std::string_view verb, uint32_t weight) {
    if (verb == "drain" || verb == "undrain") return control.set_drained(verb == "drain");
    if (verb == "disable" || verb == "enable") return control.set_disabled(verb == "disable");
    return control.set_weight(weight);
}

}  // namespace

bool is_verb(std::string_view path) noexcept { return call_of(path).has_value(); }

LocalAnswer run_verb(const proxy::Plan& plan, const LocalRequest& request) {
    const Call call = *call_of(request.path);
    const bool by_weight = call.verb == "weight";
    if (request.method != "POST" && !(by_weight && request.method == "PUT"))
        return refuse(405, by_weight ? "this resource takes PUT and POST" : "this resource takes POST",
                      llm::error_type::invalid_request, "method_not_allowed");
    // A page in an operator's browser can reach loopback too, where no token may be asked for.
    if (!request.origin.empty())
        return refuse(403, "requests of web pages change nothing here", llm::error_type::permission, "origin_refused");
    const auto provider = std::ranges::find(plan.providers, call.provider, &proxy::ProviderPlan::name);
    if (provider == plan.providers.end() || provider->control == nullptr)
        return refuse(404, "no such provider; GET /ai/providers lists them", llm::error_type::not_found, "not_found");
    const std::optional<uint32_t> weight = weight_of(request.query);
    if (by_weight && !weight)
        return bad_request("say the weight as ?value=N, from 0 to 1000000; 0 drains", "invalid_weight");
    if (!by_weight && !request.query.empty()) return bad_request("this resource takes no query", "unexpected_query");
    const ProviderTerms terms = apply(*provider->control, call.verb, weight.value_or(0));
    observe::log_warn("admin: {} {}{} by {}: its weight is {} of {} by the conf", call.verb, provider->name,
                      by_weight ? fmt::format(" {}", *weight) : "", request.peer, terms.weight(), terms.configured);
    return {.body = shown(*provider, terms)};
}

}  // namespace loom::admin
