#include "loom/admin/keys.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "answers.h"
#include "loom/admin/consumers.h"
#include "loom/base/base64.h"
#include "loom/base/clock.h"
#include "loom/base/secret.h"
#include "loom/llm/error.h"
#include "loom/observe/log.h"
#include "query.h"

namespace loom::admin {
namespace {

using proxy::LocalAnswer;
using proxy::LocalRequest;
using store::StoredKey;

constexpr std::string_view key_prefix = "sk-loom-";
constexpr size_t key_random_bytes = 32;
constexpr size_t id_random_bytes = 12;
constexpr size_t tail_bytes = 4;
constexpr size_t label_bytes_max = 128;
constexpr int64_t default_overlap_s = 0;
constexpr int64_t span_s_max = int64_t{100} * 366 * 86'400;

int64_t now_s() noexcept { return static_cast<int64_t>(wall_us() / 1'000'000); }

/// "/ai/keys", "/ai/keys/ID" or "/ai/keys/ID/rotate".
struct Place {
    std::string_view id;
    bool rotates = false;
    bool known = true;
};
Place place_of(std::string_view path) noexcept {
    path.remove_prefix(keys_path.size());
    if (path.empty()) return {};
    path.remove_prefix(1);
    const size_t slash = path.find('/');
    const std::string_view id = path.substr(0, slash);
    const std::string_view verb = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    return {.id = id, .rotates = verb == "rotate", .known = !id.empty() && (slash == path.npos || verb == "rotate")};
}

LocalAnswer bad_request(std::string_view message, std::string_view code = "invalid_parameter") {
    return refuse(400, message, llm::error_type::invalid_request, code);
}

LocalAnswer not_found() {
    return refuse(404, "no such key; GET /ai/keys lists them", llm::error_type::not_found, "not_found");
}

/// What a query may say here.
struct Terms {
    std::string consumer;
    std::string label;
    std::optional<int64_t> expires_in_s;
    std::optional<int64_t> overlap_s;
};

/// As OAuth's expires_in (RFC 6749, 5.1). Nothing for what is no number, or one without an end in sight.
std::optional<int64_t> seconds_of(std::string_view text, int64_t least) {
    int64_t seconds = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const bool whole = fault == std::errc() && end == text.data() + text.size();
    return whole && seconds >= least && seconds <= span_s_max ? std::optional(seconds) : std::nullopt;
}

/// "" or what is wrong with it.
std::string take(Terms& terms, std::string_view name, std::string value) {
    if (name == "consumer") {
        terms.consumer = std::move(value);
    } else if (name == "label") {
        if (value.size() > label_bytes_max) return fmt::format("a label has {} bytes at most", label_bytes_max);
        if (std::ranges::any_of(value, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
            return "a label has no control characters";
        terms.label = std::move(value);
    } else if (name == "expires_in") {
        terms.expires_in_s = seconds_of(value, 1);
        if (!terms.expires_in_s) return "say expires_in in seconds: 2592000 are 30 days";
    } else if (name == "overlap") {
        terms.overlap_s = seconds_of(value, 0);
        if (!terms.overlap_s) return "say overlap in seconds: 3600, or 0";
    } else {
        return fmt::format("'{}' is no parameter here", name);
    }
    return "";
}

std::expected<Terms, std::string> terms_of(std::string_view query) {
    Terms terms;
    LOOM_TRY(each_parameter(
        query, [&terms](std::string_view name, std::string_view value) -> std::expected<void, std::string> {
            if (std::string fault = take(terms, name, std::string(value)); !fault.empty())
                return std::unexpected(std::move(fault));
            return {};
        }));
    return terms;
}

std::string time_json(int64_t unix_s) {
    if (unix_s == 0) return "null";
    return fmt::format("\"{:%Y-%m-%dT%H:%M:%SZ}\"", fmt::gmtime(static_cast<time_t>(unix_s)));
}

bool was_made(const ConsumerDesk* consumers, std::string_view name) {
    if (consumers == nullptr) return false;
    return std::ranges::any_of(*consumers->consumers(), [name](const auto& one) { return one.consumer.name == name; });
}

/// Made here before the conf had one of its name.
bool is_shadowed(const ConsumerDesk* consumers, const proxy::Plan& plan, std::string_view name) {
    const tenant::Consumer* const known = plan.consumers.named(name);
    return known != nullptr && !known->made && was_made(consumers, name);
}

/// Whose keys these are, by the plan in force and by what was made.
struct Owners {
    const proxy::Plan& plan;
    const ConsumerDesk* made = nullptr;
};

std::string_view status_of(const Owners& owners, const StoredKey& key) {
    if (key.expires_unix_s != 0 && now_s() >= key.expires_unix_s) return "expired";
    if (is_shadowed(owners.made, owners.plan, key.consumer)) return "consumer_shadowed";
    return owners.plan.consumers.named(key.consumer) != nullptr ? "active" : "consumer_unknown";
}

std::string fields(const Owners& owners, const StoredKey& key) {
    return fmt::format(R"("id":{},"consumer":{},"label":{},"tail":{},"created":{},"expires":{},"status":"{}")",
                       quoted(key.id), quoted(key.consumer), quoted(key.label), quoted(key.tail),
                       time_json(key.created_unix_s), time_json(key.expires_unix_s), status_of(owners, key));
}

LocalAnswer list(const KeyDesk& desk, const Owners& owners, const std::string& consumer) {
    std::string body = R"({"keys":[)";
    for (const StoredKey& key : *desk.keys()) {
        if (!consumer.empty() && key.consumer != consumer) continue;
        if (body.back() == '}') body += ',';
        body += fmt::format("{{{}}}", fields(owners, key));
    }
    return {.body = body + "]}"};
}

/// key  of nothing but printable characters; told once, here.
StoredKey draw(std::string consumer, std::string label, std::optional<int64_t> expires_in_s, Secret& key) {
    std::array<uint8_t, key_random_bytes> random;
    random_bytes(random);
    std::string text(key_prefix);
    base64url_encode(random, text);
    secure_wipe(std::span<uint8_t>(random));
    std::array<uint8_t, id_random_bytes> id;
    random_bytes(id);
    StoredKey made{.id = "key_" + hex_encode(id),
                   .consumer = std::move(consumer),
                   .label = std::move(label),
                   .tail = text.substr(text.size() - tail_bytes),
                   .hash = sha256(text),
                   .created_unix_s = now_s()};
    made.lasts_s = expires_in_s.value_or(0);
    if (expires_in_s) made.expires_unix_s = made.created_unix_s + *expires_in_s;
    key = Secret(std::move(text));
    return made;
}

LocalAnswer make(KeyDesk& desk, const Owners& owners, Terms terms, const StoredKey* replaced, std::string_view peer) {
    const KeyDesk::Keys all = desk.keys();
    const auto of_consumer = std::ranges::count(*all, terms.consumer, &StoredKey::consumer);
    if (all->size() >= store::KeyStore::keys_max || of_consumer >= store::KeyStore::keys_of_consumer_max)
        return refuse(409, "there are as many keys as may be, of this consumer or of all; end some",
                      llm::error_type::invalid_request, "too_many_keys");
    Secret secret;
    const StoredKey key = draw(std::move(terms.consumer), std::move(terms.label), terms.expires_in_s, secret);
    int64_t ends_s = key.created_unix_s + terms.overlap_s.value_or(default_overlap_s);
    if (replaced != nullptr && replaced->expires_unix_s != 0) ends_s = std::min(ends_s, replaced->expires_unix_s);
    const std::string replaced_id = replaced != nullptr ? replaced->id : std::string();
    const auto added = desk.add(key, replaced_id, ends_s);
    if (!added) return refuse(503, added.error(), llm::error_type::server, "key_not_kept");
    observe::log_warn("admin: {} of consumer {} was made by {}{}", key.id, key.consumer, peer,
                      replaced != nullptr ? fmt::format(", in place of {}", replaced_id) : "");
    std::string body =
        fmt::format(R"({{"key":{},{},"in_force":{})", quoted(secret.view()), fields(owners, key), *added);
    if (replaced != nullptr)
        body += fmt::format(R"(,"replaces":{{"id":{},"expires":{}}})", quoted(replaced_id), time_json(ends_s));
    return {.status = 201, .body = body + "}", .is_secret = true};
}

LocalAnswer make_one(KeyDesk& desk, const Owners& owners, Terms terms, std::string_view peer) {
    if (terms.overlap_s) return bad_request("overlap is for /ai/keys/ID/rotate");
    if (terms.consumer.empty()) return bad_request("say whose key it is: ?consumer=NAME", "missing_consumer");
    if (is_shadowed(owners.made, owners.plan, terms.consumer))
        return refuse(409,
                      "a consumer of this name was made here before the conf had one: whose the key is to be is not "
                      "clear; DELETE /ai/consumers/NAME first",
                      llm::error_type::invalid_request, "consumer_shadowed");
    if (owners.plan.consumers.named(terms.consumer) == nullptr && !was_made(owners.made, terms.consumer))
        return refuse(404,
                      "no such consumer; POST /ai/consumers makes one, or add consumer.NAME.… to the conf and reload",
                      llm::error_type::not_found, "consumer_not_found");
    return make(desk, owners, std::move(terms), nullptr, peer);
}

LocalAnswer rotate(KeyDesk& desk, const Owners& owners, Terms terms, const StoredKey& old, std::string_view peer) {
    if (!terms.consumer.empty()) return bad_request("the new key is of the same consumer");
    if (status_of(owners, old) != "active")
        return refuse(409, "this key is good for nothing any more; make a new one", llm::error_type::invalid_request,
                      "key_not_active");
    terms.consumer = old.consumer;
    if (terms.label.empty()) terms.label = old.label;
    // As long as the old one was to last from its beginning.
    if (!terms.expires_in_s && old.lasts_s != 0) terms.expires_in_s = old.lasts_s;
    return make(desk, owners, std::move(terms), &old, peer);
}

LocalAnswer end(KeyDesk& desk, const StoredKey& key, std::string_view peer) {
    const auto removed = desk.remove(key.id);
    if (!removed) return refuse(503, removed.error(), llm::error_type::server, "key_not_ended");
    observe::log_warn("admin: {} of consumer {} was ended by {}", key.id, key.consumer, peer);
    return {.body = fmt::format(R"({{"id":{},"ended":true,"in_force":{}}})", quoted(key.id), *removed)};
}

LocalAnswer wrong_method(std::string_view takes) {
    return refuse(405, fmt::format("this resource takes {}", takes), llm::error_type::invalid_request,
                  "method_not_allowed");
}

}  // namespace

bool is_keys(std::string_view path) noexcept {
    return path == keys_path || (path.starts_with(keys_path) && path[keys_path.size()] == '/');
}

LocalAnswer answer_keys(KeyDesk& desk, const ConsumerDesk* consumers, const proxy::Plan& plan,
                        const LocalRequest& request) {
    const Owners owners{.plan = plan, .made = consumers};
    const Place place = place_of(request.path);
    const bool reads = request.method == "GET" || request.method == "HEAD";
    // A page in an operator's browser can reach loopback too, where no token may be asked for.
    if (!reads && !request.origin.empty())
        return refuse(403, "requests of web pages change nothing here", llm::error_type::permission, "origin_refused");
    if (!place.known) return not_found();
    auto terms = terms_of(request.query);
    if (!terms) return bad_request(terms.error());
    if (place.id.empty()) {
        if (reads) return list(desk, owners, terms->consumer);
        return request.method == "POST" ? make_one(desk, owners, std::move(*terms), request.peer)
                                        : wrong_method("GET and POST");
    }
    if (request.method != (place.rotates ? "POST" : "DELETE")) return wrong_method(place.rotates ? "POST" : "DELETE");
    const KeyDesk::Keys all = desk.keys();
    const auto key = std::ranges::find(*all, place.id, &StoredKey::id);
    if (key == all->end()) return not_found();
    if (place.rotates) return rotate(desk, owners, std::move(*terms), *key, request.peer);
    if (!request.query.empty()) return bad_request("this resource takes no query", "unexpected_query");
    return end(desk, *key, request.peer);
}

}  // namespace loom::admin
