#include "loom/admin/limits.h"

#include <fmt/format.h>

#include "answers.h"

namespace loom::admin {
namespace {

using tenant::Limit;
using tenant::LimitKind;

std::string window_json(const Limit& limit, LimitKind kind, uint64_t now_ms) {
    const bool tokens = kind == LimitKind::tokens;
    const tenant::WindowTerms& terms = tokens ? limit.terms.tokens : limit.terms.requests;
    if (!terms.limits()) return "null";
    std::string out = fmt::format(R"({{"limit":{},"window_ms":{},"key":{})", terms.limit,
                                  tokens ? limit.terms.tokens_window_ms : limit.terms.requests_window_ms,
                                  quoted(limit.source(kind).key));
    const tenant::RateWindow* const window = tokens ? limit.tokens.get() : limit.requests.get();
    if (window != nullptr)
        out += fmt::format(R"(,"used":{},"remaining":{},"reset_ms":{})", window->used(terms, now_ms),
                           window->left(terms, now_ms), window->wait_ms(terms, now_ms, terms.limit));
    return out + "}";
}

std::string limit_json(const Limit& limit, uint64_t now_ms) {
    std::string out = fmt::format(
        R"({{"scope":"{}","name":{},"requests":{},"tokens":{},"burst":{},"concurrent_max":{})",
        limit_scope_name(limit.scope), quoted(limit.name), window_json(limit, LimitKind::requests, now_ms),
        window_json(limit, LimitKind::tokens, now_ms), limit.terms.burst.capacity, limit.terms.concurrent_max);
    if (limit.level != nullptr)
        out += fmt::format(R"(,"in_flight":{})", limit.level->concurrent.load(std::memory_order_relaxed));
    return out + "}";
}

}  // namespace

std::string show_limits(const proxy::Plan& plan, uint64_t now_ms) {
    if (plan.rate_limits == nullptr) return R"({"limits":[]})";
    std::string out = R"({"limits":[)";
    bool first = true;
    for (const Limit& limit : plan.rate_limits->limits) {
        out += fmt::format("{}{}", first ? "" : ",", limit_json(limit, now_ms));
        first = false;
    }
    out += ']';
    if (const tenant::AddressLimits* const table = plan.rate_limits->addresses.get())
        out += fmt::format(R"(,"addresses":{{"counted":{},"max":{}}})", table->size(), table->capacity());
    return out + "}";
}

}  // namespace loom::admin
