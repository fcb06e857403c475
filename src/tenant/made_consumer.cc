#include "loom/tenant/made_consumer.h"

#include <algorithm>
#include <cstdio>

#include "loom/base/money.h"
#include "loom/base/timestamp.h"
#include "loom/tenant/budget.h"
#include "strict_json.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;
using Faulty = std::optional<MadeFault>;

constexpr uint64_t rate_max = 1'000'000'000'000;
constexpr uint64_t burst_max = 1'000'000'000;
constexpr uint64_t concurrent_max = 100'000'000;
constexpr uint64_t tokens_max = 1'000'000'000'000'000;
constexpr int64_t time_s_max = 253'402'300'799;  // the end of 9999: a later one could not be written to be read again
constexpr size_t braces_bytes = 2;
constexpr std::string_view token_words[] = {"daily_limit", "weekly_limit", "monthly_limit"};
constexpr std::string_view money_words[] = {"daily_budget", "weekly_budget", "monthly_budget"};

MadeFault fault(std::string_view member, std::string text) { return {std::string(member), std::move(text)}; }

bool is_plain(std::string_view text) noexcept {
    return std::ranges::none_of(text, [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; });
}

Faulty take_text(std::string_view member, const dom::element& value, std::string& out) {
    std::string_view text;
    if (value.is_null()) {
        out.clear();
        return {};
    }
    if (value.get(text) != simdjson::SUCCESS) return fault(member, "expected a string");
    if (text.size() > MadeConsumer::text_bytes_max || !is_plain(text))
        return fault(member, "expected a string of 128 bytes at most, without control characters");
    out = text;
    return {};
}

Faulty take_list(std::string_view member, const dom::element& value, std::vector<std::string>& out) {
    if (value.is_null()) {
        out.clear();
        return {};
    }
    dom::array list;
    if (value.get(list) != simdjson::SUCCESS) return fault(member, "expected a list of strings");
    std::vector<std::string> read;
    for (const dom::element one : list) {
        std::string_view text;
        if (one.get(text) != simdjson::SUCCESS || text.empty() || text.size() > MadeConsumer::text_bytes_max ||
            !is_plain(text))
            return fault(member, "expected a list of strings of 1 to 128 bytes, without control characters");
        if (read.size() == MadeConsumer::list_max) return fault(member, "has more than 64 entries");
        read.emplace_back(text);
    }
    // An empty list would read as "none may", and means "all may": whoever wants that says null.
    if (read.empty()) return fault(member, "is an empty list; say null to take it back");
    out = std::move(read);
    return {};
}

Faulty take_number(std::string_view member, const dom::element& value, uint64_t least, uint64_t most,
                   std::optional<uint64_t>& out) {
    if (value.is_null()) {
        out.reset();
        return {};
    }
    uint64_t number = 0;
    if (value.get(number) != simdjson::SUCCESS || !value.is<uint64_t>() || number < least || number > most)
        return fault(member, "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    out = number;
    return {};
}

Faulty take_flag(std::string_view member, const dom::element& value, bool& out) {
    out = false;
    if (value.is_null() || value.get(out) == simdjson::SUCCESS) return {};
    return fault(member, "expected true or false");
}

Faulty take_time(std::string_view member, const dom::element& value, int64_t& out) {
    out = 0;
    if (value.is_null()) return {};
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) text = {};
    auto time = parse_date(text);
    if (!time) time = parse_rfc3339(text);
    if (!time) return fault(member, "expected a date, \"2026-12-31\", or a time, \"2026-12-31T18:00:00Z\"");
    if (*time > time_s_max) return fault(member, "is after the end of 9999; say null for one that never expires");
    out = std::max<int64_t>(1, *time);
    return {};
}

Faulty take_networks(std::string_view member, const dom::element& value, MadeConsumer& out) {
    if (Faulty wrong = take_list(member, value, out.allow_ips)) return wrong;
    out.consumer.networks.clear();
    for (const std::string& text : out.allow_ips) {
        const auto network = IpNetwork::parse(text);
        if (!network) return fault(member, "'" + text + "' is no address and no network: " + network.error().what);
        out.consumer.networks.push_back(*network);
    }
    return {};
}

Faulty take_money(std::string_view member, const dom::element& value, std::string& out) {
    std::string_view text;
    if (value.is_null()) {
        out.clear();
        return {};
    }
    if (value.get(text) != simdjson::SUCCESS)
        return fault(member, "expected an amount as a string, \"5.00\": numbers of JSON are not exact");
    const auto amount = parse_money(text.substr(text.starts_with('$') ? 1 : 0), 0);
    if (!amount) return fault(member, std::string("expected an amount, \"5.00\": it ") + amount.error());
    if (text.size() > 32) return fault(member, "is longer than 32 bytes");
    if (*amount > money_of_budget_units(BudgetMeter::units_max)) return fault(member, "is more than can be counted");
    out = text;
    return {};
}

/// Goes into an object of the document; null takes all of it back.
template <class Take>
Faulty each_in(std::string_view member, const dom::element& value, Take take) {
    dom::object object;
    if (value.get(object) != simdjson::SUCCESS) return fault(member, "expected an object");
    for (const auto& [name, inner] : object) {
        const std::string place = std::string(member) + "." + std::string(name.substr(0, 64));
        if (Faulty wrong = take(name, inner, place)) return wrong;
    }
    return {};
}

Faulty take_limits(const dom::element& value, MadeLimits& out) {
    if (value.is_null()) out = {};
    if (value.is_null()) return {};
    const auto one = [&out](std::string_view name, const dom::element& inner, std::string_view place) -> Faulty {
        if (name == "request_rate") return take_number(place, inner, 0, rate_max, out.request_rate);
        if (name == "token_rate") return take_number(place, inner, 0, rate_max, out.token_rate);
        if (name == "burst") return take_number(place, inner, 1, burst_max, out.burst);
        if (name == "concurrent") return take_number(place, inner, 0, concurrent_max, out.concurrent);
        return fault(place, "is not known; there are request_rate, token_rate, burst and concurrent");
    };
    if (Faulty wrong = each_in("limits", value, one)) return wrong;
    if (out.burst && out.request_rate.value_or(0) == 0)
        return fault("limits.burst", "needs limits.request_rate, by which it fills again");
    return {};
}

Faulty take_budgets(const dom::element& value, MadeBudgets& out) {
    if (value.is_null()) out = {};
    if (value.is_null()) return {};
    return each_in("budgets", value, [&out](std::string_view name, const dom::element& inner, std::string_view place) {
        for (size_t i = 0; i < out.tokens.size(); ++i) {
            if (name == token_words[i]) return take_number(place, inner, 0, tokens_max, out.tokens[i]);
            if (name == money_words[i]) return take_money(place, inner, out.money[i]);
        }
        return Faulty(fault(place,
                            "is not known; there are daily_, weekly_ and monthly_limit (tokens) and "
                            "daily_, weekly_ and monthly_budget (money)"));
    });
}

/// Who says it: somebody now, or what was kept.
enum class Said : uint8_t { now, before };

Faulty take_metadata(const dom::element& value, Said said, std::vector<std::pair<std::string, std::string>>& out) {
    if (value.is_null()) out.clear();
    if (value.is_null()) return {};
    const auto one = [&out, said](std::string_view name, const dom::element& inner, std::string_view place) -> Faulty {
        std::string_view text;
        if (name.empty() || name.size() > MadeConsumer::name_bytes_max || !is_plain(name))
            return fault("metadata", "a name in it has 1 to 64 bytes, without control characters");
        std::erase_if(out, [name](const auto& entry) { return entry.first == name; });
        if (inner.is_null()) return {};
        if (inner.get(text) != simdjson::SUCCESS || text.size() > MadeConsumer::metadata_bytes_max)
            return fault(place, "expected a string of 256 bytes at most");
        // A rule that denies what is not there, or what is something, would not meet it.
        if (text.empty() && said == Said::before) return {};
        if (text.empty()) return fault(place, "is empty; null takes it back");
        if (out.size() == MadeConsumer::metadata_max) return fault("metadata", "has more than 16 entries");
        out.emplace_back(name, text);
        return {};
    };
    return each_in("metadata", value, one);
}

Faulty take_priority(const dom::element& value, uint8_t& out) {
    std::optional<uint64_t> number;
    if (Faulty wrong = take_number("priority", value, 0, 9, number)) return wrong;
    out = static_cast<uint8_t>(number.value_or(Consumer().priority));
    return {};
}

Faulty take_name(const dom::element& value, bool takes_name, std::string& out) {
    std::string_view name;
    if (value.get(name) != simdjson::SUCCESS || !is_consumer_name(name))
        return fault("name", "expected 1 to 64 letters, digits, '_' and '-'");
    if (!takes_name && name != out) return fault("name", "cannot be changed; make another consumer");
    out = name;
    return {};
}

Faulty take_member(std::string_view name, const dom::element& value, bool takes_name, Said said, MadeConsumer& out) {
    Consumer& consumer = out.consumer;
    if (name == "name") return take_name(value, takes_name, consumer.name);
    for (const auto& [word, text] : {std::pair{"tenant", &consumer.tenant}, std::pair{"project", &consumer.project},
                                     std::pair{"team", &consumer.team}, std::pair{"tier", &consumer.tier}})
        if (name == word) return take_text(word, value, *text);
    for (const auto& [word, list] : {std::pair{"roles", &consumer.roles}, std::pair{"models", &consumer.models},
                                     std::pair{"routes", &consumer.routes}, std::pair{"regions", &out.regions}})
        if (name == word) return take_list(word, value, *list);
    if (name == "allow_ips") return take_networks(name, value, out);
    if (name == "priority") return take_priority(value, consumer.priority);
    if (name == "expires") return take_time(name, value, consumer.expires_unix_s);
    if (name == "disabled") return take_flag(name, value, out.disabled);
    if (name == "metadata") return take_metadata(value, said, out.consumer.metadata);
    if (name == "limits") return take_limits(value, out.limits);
    if (name == "budgets") return take_budgets(value, out.budgets);
    return fault(is_plain(name) ? name.substr(0, 64) : std::string_view(),
                 "is not known here; GET /ai/openapi.json says what may be said of a consumer");
}

void append_quoted(std::string_view text, std::string& out) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<uint8_t>(c) < 0x20) {
            char escape[8];
            std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned>(static_cast<uint8_t>(c)));
            out += escape;
        } else {
            out += c;
        }
    }
    out += '"';
}

/// Writes members with commas between.
class Writer {
  public:
    explicit Writer(std::string& out) : out_(out) {}
    std::string& member(std::string_view name) {
        if (!first_) out_ += ',';
        first_ = false;
        append_quoted(name, out_);
        out_ += ':';
        return out_;
    }
    void text(std::string_view name, std::string_view value) {
        if (!value.empty()) append_quoted(value, member(name));
    }
    void number(std::string_view name, const std::optional<uint64_t>& value) {
        if (value) member(name) += std::to_string(*value);
    }
    void list(std::string_view name, const std::vector<std::string>& values) {
        if (values.empty()) return;
        char separator = '[';
        member(name);
        for (const std::string& value : values) {
            out_ += separator;
            separator = ',';
            append_quoted(value, out_);
        }
        out_ += ']';
    }

  private:
    std::string& out_;
    bool first_ = true;
};

std::expected<MadeConsumer, MadeFault> merge(MadeConsumer before, std::string_view document, bool takes_name,
                                             Said said) {
    StrictJson json;
    dom::object object;
    if (document.size() > MadeConsumer::document_bytes_max) return std::unexpected(fault("", "is larger than 8 KiB"));
    if (!json.read(document, object))
        return std::unexpected(fault(
            "", "is no JSON object, or names a member twice, is nested too deeply, or holds a number beyond 64 bits"));
    before.consumer.made = true;
    for (const auto& [name, value] : object)
        if (Faulty wrong = take_member(name, value, takes_name, said, before))
            return std::unexpected(std::move(*wrong));
    if (before.consumer.name.empty()) return std::unexpected(fault("name", "is missing"));
    if (made_consumer_members(before).size() + braces_bytes > MadeConsumer::document_bytes_max)
        return std::unexpected(fault("", "says, with what was said before, more than 8 KiB of one consumer"));
    return before;
}

}  // namespace

bool MadeBudgets::any() const noexcept {
    return std::ranges::any_of(tokens, [](const auto& one) { return one.has_value(); }) ||
           std::ranges::any_of(money, [](const std::string& one) { return !one.empty(); });
}

bool is_consumer_name(std::string_view name) noexcept {
    const auto fits = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
    };
    return !name.empty() && name.size() <= MadeConsumer::name_bytes_max && std::ranges::all_of(name, fits);
}

std::expected<MadeConsumer, MadeFault> merge_made_consumer(MadeConsumer before, std::string_view document,
                                                           bool takes_name) {
    return merge(std::move(before), document, takes_name, Said::now);
}

std::expected<MadeConsumer, MadeFault> restore_made_consumer(std::string_view document) {
    return merge({}, document, true, Said::before);
}

std::string made_consumer_members(const MadeConsumer& one) {
    std::string out;
    Writer write(out);
    const Consumer& consumer = one.consumer;
    write.text("name", consumer.name);
    write.text("tenant", consumer.tenant);
    write.text("project", consumer.project);
    write.text("team", consumer.team);
    write.text("tier", consumer.tier);
    write.list("roles", consumer.roles);
    write.list("models", consumer.models);
    write.list("routes", consumer.routes);
    write.list("regions", one.regions);
    write.list("allow_ips", one.allow_ips);
    write.number("priority", consumer.priority);
    if (consumer.expires_unix_s != 0) write.text("expires", rfc3339_text(consumer.expires_unix_s));
    write.member("disabled") += one.disabled ? "true" : "false";
    if (!consumer.metadata.empty()) {
        write.member("metadata") += '{';
        Writer inner(out);
        for (const auto& [name, value] : consumer.metadata) append_quoted(value, inner.member(name));
        out += '}';
    }
    if (one.limits.any()) {
        write.member("limits") += '{';
        Writer inner(out);
        inner.number("request_rate", one.limits.request_rate);
        inner.number("token_rate", one.limits.token_rate);
        inner.number("burst", one.limits.burst);
        inner.number("concurrent", one.limits.concurrent);
        out += '}';
    }
    if (one.budgets.any()) {
        write.member("budgets") += '{';
        Writer inner(out);
        for (size_t i = 0; i < one.budgets.tokens.size(); ++i) inner.number(token_words[i], one.budgets.tokens[i]);
        for (size_t i = 0; i < one.budgets.money.size(); ++i) inner.text(money_words[i], one.budgets.money[i]);
        out += '}';
    }
    return out;
}

}  // namespace loom::tenant
