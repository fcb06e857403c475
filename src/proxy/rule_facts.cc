#include "rule_facts.h"

#include <algorithm>
#include <array>

#include "client_connection.h"
#include "exchange.h"
#include "loom/proxy/model_tags.h"
#include "selection.h"

namespace loom::proxy {
namespace {

using rule::Attribute;
using rule::Value;

constexpr uint64_t day_s = 86'400;
constexpr std::array<std::string_view, 7> weekdays = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr uint64_t first_weekday = 3;  // 1970 began on a Thursday

int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// %XX, and in a form's parameter '+' for a blank. What is not well encoded stands for itself.
size_t decode(std::string_view text, char* out, char plus) noexcept {
    size_t size = 0;
    for (size_t at = 0; at < text.size(); ++at) {
        const bool coded = text[at] == '%' && at + 2 < text.size();
        const int high = coded ? hex_digit(text[at + 1]) : -1, low = coded ? hex_digit(text[at + 2]) : -1;
        if (high >= 0 && low >= 0) {
            out[size++] = static_cast<char>(high << 4 | low);
            at += 2;
        } else {
            out[size++] = text[at] == '+' ? plus : text[at];
        }
    }
    return size;
}

}  // namespace

Value RuleFacts::get(Attribute attribute, std::string_view name) const noexcept {
    switch (attribute) {
        case Attribute::consumer:
        case Attribute::tenant:
        case Attribute::team:
        case Attribute::project:
        case Attribute::tier:
        case Attribute::roles: return of_consumer(attribute);
        case Attribute::user:
        case Attribute::stream:
        case Attribute::tools:
        case Attribute::vision:
        case Attribute::json_schema:
        case Attribute::messages:
        case Attribute::prompt_tokens:
        case Attribute::max_tokens:
        case Attribute::task:
        case Attribute::complexity: return of_prompt(attribute);
        case Attribute::time:
        case Attribute::weekday: return of_time(attribute);
        case Attribute::claim: return claim(name);
        default: return of_head(attribute, name);
    }
}

Value RuleFacts::of_head(Attribute attribute, std::string_view name) const noexcept {
    switch (attribute) {
        case Attribute::model: return Value::of_name(model_.value_or(x_.model_));
        case Attribute::endpoint: return Value::of_text(llm::endpoint_name(x_.endpoint_));
        case Attribute::route: return Value::of_text(x_.route_->name);
        case Attribute::path: return path();
        case Attribute::method: return Value::of_text(x_.method_text_);
        case Attribute::header: return header(name);
        case Attribute::query: return query(name);
        case Attribute::ip: return address();
        case Attribute::region: return region();
        case Attribute::tags: return tags();
        default: return {};
    }
}

Value RuleFacts::of_consumer(Attribute attribute) const noexcept {
    if (x_.consumer_ == nullptr) return {};
    const tenant::Consumer& consumer = *x_.consumer_;
    switch (attribute) {
        case Attribute::consumer: return Value::of_text(consumer.name);
        case Attribute::tenant: return Value::of_name(consumer.tenant);
        case Attribute::team: return Value::of_name(consumer.team);
        case Attribute::project: return Value::of_name(consumer.project);
        case Attribute::tier: return Value::of_name(consumer.tier);
        case Attribute::roles: return roles();
        default: return {};
    }
}

/// The consumer's own, and those of its token.
Value RuleFacts::roles() const noexcept {
    const std::vector<std::string>& roles = x_.token_ != nullptr ? x_.token_->roles : x_.consumer_->roles;
    if (!roles_) roles_ = list(roles);  // who has none is known to have none
    return *roles_;
}

/// What is said here of the consumer goes before what its token says, as its tier does.
Value RuleFacts::claim(std::string_view name) const noexcept {
    if (x_.consumer_ != nullptr)
        for (const auto& [key, value] : x_.consumer_->metadata)
            if (key == name) return Value::of_text(value);
    if (x_.token_ == nullptr) return {};
    const auto& claims = x_.token_->claims;
    const auto found = std::ranges::find(claims, name, &tenant::TokenClaim::name);
    if (found == claims.end()) return {};
    switch (found->kind) {
        case tenant::TokenClaim::Kind::text: return Value::of_text(found->text);
        case tenant::TokenClaim::Kind::number: return Value::of_number(found->number);
        case tenant::TokenClaim::Kind::flag: return Value::of_flag(found->flag);
        case tenant::TokenClaim::Kind::list: return list(found->list);
        case tenant::TokenClaim::Kind::unclear: break;
    }
    return Value::unclear();
}

Value RuleFacts::list(const std::vector<std::string>& texts) const noexcept {
    const std::span<std::string_view> views = x_.text_.make_span<std::string_view>(texts.size());
    std::ranges::copy(texts, views.begin());
    return Value::of_list(views);
}

/// Of a request that is relayed unread nobody can say.
Value RuleFacts::of_prompt(Attribute attribute) const noexcept {
    if (!llm::is_inspected(x_.endpoint_)) return {};
    const auto number = [](auto value) { return Value::of_number(static_cast<double>(value)); };
    switch (attribute) {
        case Attribute::user: return Value::of_name(request_.user);
        case Attribute::stream: return Value::of_flag(x_.stream_);
        case Attribute::tools: return Value::of_flag(request_.has_tools);
        case Attribute::vision: return Value::of_flag(request_.has_images);
        case Attribute::json_schema: return Value::of_flag(request_.has_schema);
        case Attribute::messages: return number(request_.message_count);
        case Attribute::prompt_tokens: return number(request_.prompt_tokens());
        case Attribute::max_tokens: return request_.max_tokens == 0 ? Value() : number(request_.max_tokens);
        case Attribute::task: return Value::of_text(route::task_name(estimate().task));
        case Attribute::complexity: return number(estimate().complexity);
        default: return {};
    }
}

Value RuleFacts::of_time(Attribute attribute) const noexcept {
    const uint64_t now_s = x_.begun_wall_us_ / 1'000'000;
    if (attribute == Attribute::time) return Value::of_number(static_cast<double>(now_s % day_s));
    return Value::of_text(weekdays[(now_s / day_s + first_weekday) % weekdays.size()]);
}

/// As it was kept when the head was there.
Value RuleFacts::header(std::string_view name) const noexcept {
    if (x_.selection_ == nullptr || x_.plan().selection == nullptr) return {};
    const std::vector<std::string>& names = x_.plan().selection->rule_headers;
    for (size_t i = 0; i < x_.selection_->headers.size(); ++i)
        if (names[i] == name) return x_.selection_->headers[i];
    return {};
}

Value RuleFacts::query(std::string_view name) const noexcept {
    Value found;
    // A session is led somewhere while its head is still there, and before its target is kept.
    std::string_view rest = x_.target_.empty() ? std::string_view(x_.services_.request_head.query) : x_.query();
    while (!rest.empty()) {
        const std::string_view parameter = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(rest.size(), parameter.size() + 1));
        const size_t mark = parameter.find('=');
        if (parameter.substr(0, mark) != name) continue;
        if (found.kind != rule::Kind::missing) return Value::unclear();
        std::string_view value = mark == parameter.npos ? std::string_view() : parameter.substr(mark + 1);
        if (value.find_first_of("%+") != value.npos) {
            char* const decoded = x_.text_.take(value.size());
            value = {decoded, decode(value, decoded, ' ')};
        }
        found = Value::of_text(value);
    }
    return found;
}

/// Of the client, as the trusted proxy in front says it.
Value RuleFacts::address() const noexcept {
    const auto ip = x_.client_ip();
    if (!ip) return x_.client_unnamed_ ? Value::unclear() : Value();
    ip_ = *ip;
    return Value::of_address(ip_);
}

/// %65 is an e, and several slashes are one.
Value RuleFacts::path() const noexcept {
    const std::string_view raw = x_.path_;
    if (!model_ || (raw.find('%') == raw.npos && raw.find("//") == raw.npos)) return Value::of_text(raw);
    char* const text = x_.text_.take(raw.size());
    const size_t decoded = decode(raw, text, '+');
    const auto both_slashes = [](char a, char b) { return a == '/' && b == '/'; };
    char* const end = std::unique(text, text + decoded, both_slashes);
    return Value::of_text({text, static_cast<size_t>(end - text)});
}

/// One for all who ask of a request, but for rules of access: those may come before anything is chosen.
const route::Estimate& RuleFacts::estimate() const noexcept {
    if (!model_) return x_.estimate_of(request_);
    if (!estimate_) estimate_ = estimate_prompt(request_);
    return *estimate_;
}

/// A model goes by the client's name, by the one that it has here, and by the one that it has at whoever may answer. Of
/// a request without one nobody can say.
Value RuleFacts::tags() const noexcept {
    if (tags_) return *tags_;
    const std::string_view asked = model_.value_or(x_.model_);
    if (asked.empty()) return {};
    const ModelTags* const known = x_.plan().model_tags.get();
    if (known == nullptr) return *(tags_ = Value::of_list({}));
    const route::ModelMatch match = x_.plan().catalogue.match(asked);
    const auto each = [&](auto&& take) {
        known->each_of(asked, take);
        if (match.model != asked) known->each_of(match.model, take);
        if (who_ != nullptr && who_->renamed) known->each_of(who_->upstream_model, take);
        if (who_ != nullptr) return;
        for (const route::Candidate& one : match.candidates)
            if (one.renamed) known->each_of(one.upstream_model, take);
    };
    size_t count = 0;
    each([&count](std::string_view) { count += 1; });
    const std::span<std::string_view> all = x_.text_.make_span<std::string_view>(count);
    each([&, at = size_t{0}](std::string_view tag) mutable { all[at++] = tag; });
    return *(tags_ = Value::of_list(all));
}

/// The one that is required; of several none is the request's.
Value RuleFacts::region() const noexcept {
    for (const route::RegionRequirement* const one : x_.region_requirements())
        if (one != nullptr && one->regions().size() == 1) return Value::of_text(one->regions().front());
    return {};
}

}  // namespace loom::proxy
