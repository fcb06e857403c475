#include "loom/admin/consumers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "answers.h"
#include "loom/base/clock.h"
#include "loom/base/crypto.h"
#include "loom/base/timestamp.h"
#include "loom/llm/error.h"
#include "loom/observe/log.h"
#include "loom/store/key_store.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalRequest;
using tenant::MadeConsumer;

constexpr size_t id_random_bytes = 12;

int64_t now_s() noexcept { return static_cast<int64_t>(wall_us() / 1'000'000); }

std::string drawn_id() {
    std::array<uint8_t, id_random_bytes> random;
    random_bytes(random);
    return hex_encode(random);
}

LocalAnswer conflict(std::string_view message, std::string_view code) {
    return refuse(409, message, llm::error_type::invalid_request, code);
}

LocalAnswer not_found() {
    return refuse(404, "no such consumer was made here; GET /ai/consumers lists them", llm::error_type::not_found,
                  "not_found");
}

LocalAnswer not_kept(std::string_view why) { return refuse(503, why, llm::error_type::server, "consumer_not_kept"); }

LocalAnswer bad_member(const tenant::MadeFault& fault) {
    return refuse(400,
                  fault.member.empty() ? fmt::format("the body {}", fault.text)
                                       : fmt::format("'{}': {}", fault.member, fault.text),
                  llm::error_type::invalid_request, "invalid_consumer");
}

/// Of the conf, whoever was made of that name.
bool is_of_conf(const proxy::Plan& plan, std::string_view name) noexcept {
    const tenant::Consumer* const found = plan.consumers.named(name);
    return found != nullptr && !found->made;
}

std::string_view status_of(const proxy::Plan& plan, const MadeConsumer& one) {
    if (is_of_conf(plan, one.consumer.name)) return "shadowed_by_conf";
    if (one.disabled) return "disabled";
    return one.consumer.expired(now_s()) ? "expired" : "active";
}

std::string fields(const proxy::Plan& plan, const MadeConsumer& one) {
    return fmt::format(R"({},"created":"{}","changed":"{}","status":"{}")", made_consumer_members(one),
                       rfc3339_text(one.created_unix_s), rfc3339_text(one.changed_unix_s), status_of(plan, one));
}

/// {"ann":{"department":"legal"}}, of those of the conf that have any.
std::string metadata_of_conf(const proxy::Plan& plan) {
    std::string all = "{";
    for (const tenant::Consumer& one : plan.consumers.consumers()) {
        if (one.made || one.metadata.empty()) continue;
        if (all.size() > 1) all += ',';
        all += quoted(one.name) + ":{";
        std::string_view separator;
        for (const auto& [name, value] : one.metadata)
            all += fmt::format("{}{}:{}", std::exchange(separator, ","), quoted(name), quoted(value));
        all += '}';
    }
    return all + '}';
}

LocalAnswer list(const ConsumerDesk& desk, const proxy::Plan& plan) {
    std::string body = R"({"consumers":[)";
    std::string_view separator;
    for (const MadeConsumer& one : *desk.consumers()) {
        body += fmt::format("{}{{{}}}", std::exchange(separator, ","), fields(plan, one));
    }
    body += R"(],"of_conf":[)";
    separator = {};
    for (const tenant::Consumer& one : plan.consumers.consumers())
        if (!one.made) body += fmt::format("{}{}", std::exchange(separator, ","), quoted(one.name));
    return {.body = body + R"(],"metadata_of_conf":)" + metadata_of_conf(plan) + '}'};
}

/// Numbers that nobody would count are no limits. "" or what is missing. What was said of it before may stay: the conf
/// has moved on since, and one that could not be disabled for that would be worse.
std::string uncounted(const ConsumerDesk& desk, const MadeConsumer& one, const MadeConsumer& before) {
    const ConsumerDesk::Counts counts = desk.counts();
    if (one.limits.any() && !counts.limits && one.limits != before.limits)
        return "'limits': needs rate_limit.enabled = on in the conf";
    if (one.budgets.any() && !counts.budgets && one.budgets != before.budgets)
        return "'budgets': needs token_accounting.enabled = on in the conf";
    return "";
}

/// Routes and models may come and go with the conf; one that is not there when it is named is a slip, mostly.
std::string unknown_route(const proxy::Plan& plan, const MadeConsumer& one, const MadeConsumer& before) {
    for (const std::string& wanted : one.consumer.routes)
        if (std::ranges::find(before.consumer.routes, wanted) == before.consumer.routes.end() &&
            std::ranges::none_of(plan.routes, [&](const auto& r) { return tenant::matches_pattern(wanted, r.name); }))
            return fmt::format("'routes': no route is named {}", quoted(wanted));
    return "";
}

/// before  as it was; of one that is new, nothing.
LocalAnswer keep(ConsumerDesk& desk, const proxy::Plan& plan, MadeConsumer one, const MadeConsumer& before,
                 std::string_view peer) {
    const bool is_new = before.consumer.name.empty();
    for (std::string fault : {uncounted(desk, one, before), unknown_route(plan, one, before)})
        if (!fault.empty()) return refuse(400, fault, llm::error_type::invalid_request, "invalid_consumer");
    one.changed_unix_s = now_s();
    if (is_new) {
        one.created_unix_s = one.changed_unix_s;
        one.id = drawn_id();
    }
    const auto put = desk.put(one);
    if (!put) return not_kept(put.error());
    observe::log_warn("admin: consumer {} was {} by {}", one.consumer.name, is_new ? "made" : "changed", peer);
    return {.status = is_new ? 201 : 200, .body = fmt::format(R"({{{},"in_force":{}}})", fields(plan, one), *put)};
}

LocalAnswer make(ConsumerDesk& desk, const KeyDesk& keys, const proxy::Plan& plan, std::string_view body,
                 std::string_view peer) {
    auto one = tenant::merge_made_consumer({}, body, true);
    if (!one) return bad_member(one.error());
    const std::string& name = one->consumer.name;
    if (is_of_conf(plan, name))
        return conflict(fmt::format("consumer '{}' is the conf's (consumer.{}.…): it is changed there", name, name),
                        "consumer_of_conf");
    const ConsumerDesk::Consumers all = desk.consumers();
    if (std::ranges::any_of(*all, [&name](const MadeConsumer& other) { return other.consumer.name == name; }))
        return conflict(fmt::format("consumer '{}' is there already; PATCH /ai/consumers/{} changes it", name, name),
                        "consumer_exists");
    if (std::ranges::any_of(*keys.keys(), [&name](const auto& key) { return key.consumer == name; }))
        return conflict(fmt::format("keys of a former consumer '{}' are there, which would be good again; end them "
                                    "first (GET /ai/keys?consumer={})",
                                    name, name),
                        "consumer_has_keys");
    if (all->size() >= store::KeyStore::consumers_max)
        return conflict("there are as many consumers as may be made here; remove some", "too_many_consumers");
    return keep(desk, plan, std::move(*one), {}, peer);
}

LocalAnswer change(ConsumerDesk& desk, const proxy::Plan& plan, const MadeConsumer& before, std::string_view body,
                   std::string_view peer) {
    auto one = tenant::merge_made_consumer(before, body, false);
    if (!one) return bad_member(one.error());
    return keep(desk, plan, std::move(*one), before, peer);
}

LocalAnswer remove(ConsumerDesk& desk, const KeyDesk& keys, const std::string& name, std::string_view peer) {
    const auto count = std::ranges::count(*keys.keys(), name, &store::StoredKey::consumer);
    const auto removed = desk.remove_consumer(name);
    if (!removed) return not_kept(removed.error());
    observe::log_warn("admin: consumer {} and {} keys of it were removed by {}", name, count, peer);
    return {.body = fmt::format(R"({{"name":{},"removed":true,"keys_ended":{},"in_force":{}}})", quoted(name), count,
                                *removed)};
}

LocalAnswer wrong_method(std::string_view takes) {
    return refuse(405, fmt::format("this resource takes {}", takes), llm::error_type::invalid_request,
                  "method_not_allowed");
}

}  // namespace

bool is_consumers(std::string_view path) noexcept {
    return path == consumers_path || (path.starts_with(consumers_path) && path[consumers_path.size()] == '/');
}

LocalAnswer answer_consumers(ConsumerDesk& desk, const KeyDesk& keys, const proxy::Plan& plan,
                             const LocalRequest& request) {
    const bool reads = request.method == "GET" || request.method == "HEAD";
    // A page in an operator's browser can reach loopback too, where no token may be asked for.
    if (!reads && !request.origin.empty())
        return refuse(403, "requests of web pages change nothing here", llm::error_type::permission, "origin_refused");
    if (!request.query.empty())
        return refuse(400, "this resource takes no query: what is said of a consumer stands in the body, as JSON",
                      llm::error_type::invalid_request, "unexpected_query");
    const bool of_all = request.path == consumers_path;
    const std::string name(of_all ? "" : request.path.substr(consumers_path.size() + 1));
    if (of_all && reads) return list(desk, plan);
    if (of_all && request.method != "POST") return wrong_method("GET and POST");
    const ConsumerDesk::Consumers all = desk.consumers();
    const auto one = std::ranges::find_if(*all, [&name](const auto& each) { return each.consumer.name == name; });
    if (!of_all && one == all->end()) {
        if (!reads && is_of_conf(plan, name))
            return conflict(fmt::format("consumer '{}' is the conf's (consumer.{}.…): it is changed there", name, name),
                            "consumer_of_conf");
        return not_found();
    }
    if (reads) return {.body = fmt::format("{{{}}}", fields(plan, *one))};
    if (request.method == "DELETE") return remove(desk, keys, name, request.peer);
    if (!of_all && request.method != "PATCH") return wrong_method("GET, PATCH and DELETE");
    if (!request.body) return {.wants_body_bytes = MadeConsumer::document_bytes_max};
    return of_all ? make(desk, keys, plan, *request.body, request.peer)
                  : change(desk, plan, *one, *request.body, request.peer);
}

}  // namespace loom::admin
