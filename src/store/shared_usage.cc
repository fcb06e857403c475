#include "loom/store/shared_usage.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "loom/tenant/ledger_record.h"
#include "redis_words.h"

namespace loom::store {
namespace {

constexpr uint64_t number_max = uint64_t{1} << 44;  // of one sum: those of 500,000 rows still fit the database's sum()
constexpr size_t generation_digits = 16;
constexpr uint64_t pico_per_micro = 1'000'000;
constexpr uint64_t ms_per_day = 86'400'000;
constexpr uint64_t month_dies_ms = (usage_keep_months + 1) * 31 * ms_per_day;

// KEYS: usage:loom:<loom>, usage:<month>, its rows, their order. ARGV: loom, revision, start, generation, when all of
// it dies, how many Looms a month has; then name, revision and sums of each row. 0: the month is full.
constexpr std::string_view ship_text = R"(if #ARGV > 6 and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0
    and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[6]) then
  return 0
end
for i = 7, #ARGV, 3 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 2])
  redis.call('ZADD', KEYS[4], ARGV[i + 1], ARGV[i])
end
if #ARGV > 6 then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ' ' .. ARGV[4])
  for i = 2, 4 do redis.call('PEXPIRE', KEYS[i], ARGV[5]) end
end
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4], 'PX', ARGV[5])
return 1)";

// KEYS: a month's rows of a Loom, their order. ARGV: since which revision, how many at most.
constexpr std::string_view fetch_text =
    R"(local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local out = {}
for i = 1, #found, 2 do
  out[#out + 1] = found[i]
  out[#out + 1] = found[i + 1]
  out[#out + 1] = redis.call('HGET', KEYS[1], found[i]) or ''
end
return out)";

// KEYS: of each month its Looms, a Loom's rows, their order. ARGV: the Loom.
constexpr std::string_view count_text = R"(local out = {}
for i = 1, #KEYS, 3 do
  local rows = 0
  if redis.call('HEXISTS', KEYS[i], ARGV[1]) == 1 then
    rows = math.min(redis.call('HLEN', KEYS[i + 1]), redis.call('ZCARD', KEYS[i + 2]))
  end
  out[#out + 1] = rows
end
return out)";

std::string loom_name(std::string_view loom) { return fmt::format("usage:loom:{}", loom); }
std::string month_name(std::string_view month) { return fmt::format("usage:{}", month); }
std::string rows_name(std::string_view month, std::string_view loom) { return fmt::format("usage:{}:{}", month, loom); }
std::string order_name(std::string_view month, std::string_view loom) {
    return fmt::format("usage:{}:{}:order", month, loom);
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }
std::string decimal(uint64_t number) { return fmt::format_int(number).str(); }

/// Takes a number off the front; nothing, and all as it was, where there is none up to `max`.
std::optional<uint64_t> take_number(std::string_view& text, uint64_t max) {
    uint64_t number = 0;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (fault != std::errc() || number > max) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    return number;
}

bool take(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

std::optional<uint64_t> whole_number(std::string_view text, uint64_t max) {
    const auto number = take_number(text, max);
    return text.empty() ? number : std::nullopt;
}

/// In the order in which they are written. Name  const or not.
template <class Name>
auto texts_of(Name& name) {
    return std::array{&name.consumer, &name.team, &name.tenant, &name.provider, &name.model, &name.provenance};
}

template <class Sums>
auto numbers_of(Sums& sums) {
    return std::array{&sums.requests,       &sums.attempts, &sums.input,     &sums.cached_input, &sums.cache_write,
                      &sums.cache_write_1h, &sums.output,   &sums.reasoning, &sums.unpriced,     &sums.estimated};
}

std::chrono::year_month month_at(UsageDay day) {
    const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{day}}};
    return date.year() / date.month();
}

std::unexpected<Error> bad(const char* what) { return fail(Errc::bad_message, Side::upstream, what); }

}  // namespace

std::string usage_month(UsageDay day) {
    const auto month = month_at(day);
    return fmt::format("{:04}-{:02}", static_cast<int>(month.year()), static_cast<unsigned>(month.month()));
}

UsageDay usage_month_begin(UsageDay day) { return std::chrono::sys_days(month_at(day) / 1).time_since_epoch().count(); }

UsageDay usage_months_before(UsageDay day, uint64_t count) {
    constexpr uint64_t count_max = 12 * 1'000;
    const auto month = month_at(day) - std::chrono::months(static_cast<int>(std::min(count, count_max)));
    return std::max<UsageDay>(std::chrono::sys_days(month / 1).time_since_epoch().count(), 0);
}

UsageDay usage_shared_since(UsageDay today) { return usage_months_before(today, usage_keep_months - 1); }

bool is_loom_id(std::string_view text) noexcept { return text.size() == 32 && std::ranges::all_of(text, is_hex); }

bool is_usage_generation(std::string_view text) noexcept {
    return text.size() == generation_digits && std::ranges::all_of(text, is_hex);
}

std::string usage_name_text(const UsageRowName& name) {
    std::string text = fmt::format("{} ", name.day);
    for (const std::string* const one : texts_of(name))
        fmt::format_to(std::back_inserter(text), "{}:{}", one->size(), *one);
    return text;
}

std::optional<UsageRowName> parse_usage_name(std::string_view text) {
    constexpr uint64_t day_max = 1'000'000;  // in the year 4707
    UsageRowName name;
    const auto day = take_number(text, day_max);
    if (!day || !take(text, ' ')) return std::nullopt;
    name.day = static_cast<UsageDay>(*day);
    for (std::string* const one : texts_of(name)) {
        const auto bytes = take_number(text, tenant::ledger_text_bytes_max);
        if (!bytes || !take(text, ':') || text.size() < *bytes) return std::nullopt;
        one->assign(text.substr(0, *bytes));
        text.remove_prefix(*bytes);
    }
    return text.empty() ? std::optional(std::move(name)) : std::nullopt;
}

std::string usage_sums_text(const UsageSums& sums) {
    std::string text;
    for (const uint64_t* const one : numbers_of(sums))
        fmt::format_to(std::back_inserter(text), "{} ", std::min(*one, number_max));
    const auto micro = std::min<unsigned __int128>(sums.cost / pico_per_micro, number_max);
    fmt::format_to(std::back_inserter(text), "{} {}", static_cast<uint64_t>(micro),
                   static_cast<uint64_t>(sums.cost % pico_per_micro));
    return text;
}

std::optional<UsageSums> parse_usage_sums(std::string_view text) {
    UsageSums sums;
    for (uint64_t* const one : numbers_of(sums)) {
        const auto number = take_number(text, number_max);
        if (!number || !take(text, ' ')) return std::nullopt;
        *one = *number;
    }
    const auto micro = take_number(text, number_max);
    if (!micro || !take(text, ' ')) return std::nullopt;
    const auto pico = whole_number(text, pico_per_micro - 1);
    if (!pico) return std::nullopt;
    sums.cost = static_cast<unsigned __int128>(*micro) * pico_per_micro + *pico;
    return sums;
}

const RedisScript& ship_script() {
    static const RedisScript script = make_redis_script(ship_text);
    return script;
}

const RedisScript& fetch_script() {
    static const RedisScript script = make_redis_script(fetch_text);
    return script;
}

const RedisScript& count_script() {
    static const RedisScript script = make_redis_script(count_text);
    return script;
}

std::string count_command(std::string_view prefix, std::string_view loom, const std::vector<CountOfMonth>& months,
                          bool with_script) {
    std::vector<std::string> keys;
    for (const CountOfMonth& one : months) {
        keys.push_back(redis_key(prefix, month_name(one.month)));
        keys.push_back(redis_key(prefix, rows_name(one.month, loom)));
        keys.push_back(redis_key(prefix, order_name(one.month, loom)));
    }
    return script_command(count_script(), keys, {std::string(loom)}, with_script);
}

Result<std::string> month_with_holes(const std::vector<CountOfMonth>& months, const RedisReply& reply) {
    if (reply.type != RedisReply::Type::array || reply.items.size() != months.size())
        return bad("the answer about a Loom's months is none");
    for (size_t i = 0; i < months.size(); ++i)
        if (reply.items[i].integer < static_cast<int64_t>(months[i].rows)) return months[i].month;
    return std::string();
}

std::string shipped_command(std::string_view prefix, std::string_view loom) {
    const std::string key = redis_key(prefix, loom_name(loom));
    const std::string_view words[] = {"GET", key};
    return redis_command(words);
}

Result<std::optional<ShippedUsage>> read_shipped(const RedisReply& reply) {
    if (reply.type == RedisReply::Type::nil) return std::nullopt;
    const auto foreign = [] { return bad("it has as this Loom's what no Loom writes"); };
    if (reply.type != RedisReply::Type::text) return foreign();
    std::string_view text = reply.text;
    const auto revision = take_number(text, usage_revision_max);
    if (!revision || !take(text, ' ')) return foreign();
    const size_t blank = text.find(' ');
    if (blank == text.npos || !is_usage_generation(text.substr(blank + 1))) return foreign();
    return ShippedUsage{.revision = *revision,
                        .start = std::string(text.substr(0, blank)),
                        .generation = std::string(text.substr(blank + 1))};
}

std::string ship_command(std::string_view prefix, std::string_view loom, std::string_view start,
                         const UsageChanges& changes, bool with_script) {
    // What was shipped before stays so where nothing has changed: the page is there to say who is here.
    const uint64_t revision = changes.rows.empty() ? changes.last_revision : changes.rows.back().revision;
    const std::vector<std::string> keys = {
        redis_key(prefix, loom_name(loom)), redis_key(prefix, month_name(changes.month)),
        redis_key(prefix, rows_name(changes.month, loom)), redis_key(prefix, order_name(changes.month, loom))};
    std::vector<std::string> arguments = {std::string(loom),  decimal(revision),      std::string(start),
                                          changes.generation, decimal(month_dies_ms), decimal(usage_month_looms)};
    arguments.reserve(arguments.size() + 3 * changes.rows.size());
    for (const UsageChange& row : changes.rows) {
        arguments.push_back(usage_name_text(row.name));
        arguments.push_back(decimal(row.revision));
        arguments.push_back(usage_sums_text(row.sums));
    }
    return script_command(ship_script(), keys, arguments, with_script);
}

std::string month_command(std::string_view prefix, std::string_view month) {
    const std::string key = redis_key(prefix, month_name(month));
    const std::string_view words[] = {"HGETALL", key};
    return redis_command(words);
}

Result<std::vector<MonthOfLoom>> read_month(std::string_view month, const RedisReply& reply) {
    if (reply.type != RedisReply::Type::array || reply.items.size() % 2 != 0)
        return bad("the answer about a month's Looms is none");
    std::vector<MonthOfLoom> all;
    for (size_t i = 0; i < reply.items.size(); i += 2) {
        std::string_view text = reply.items[i + 1].text;
        const auto revision = take_number(text, usage_revision_max);
        if (!revision || !take(text, ' ') || !is_usage_generation(text) || !is_loom_id(reply.items[i].text)) continue;
        all.push_back({.loom = reply.items[i].text,
                       .month = std::string(month),
                       .revision = *revision,
                       .generation = std::string(text)});
    }
    return all;
}

std::string fetch_command(std::string_view prefix, const MonthOfLoom& of, uint64_t since, bool with_script) {
    const std::vector<std::string> keys = {redis_key(prefix, rows_name(of.month, of.loom)),
                                           redis_key(prefix, order_name(of.month, of.loom))};
    return script_command(fetch_script(), keys, {decimal(since), decimal(usage_page_rows)}, with_script);
}

Result<FetchedUsage> read_fetched(std::string_view month, const RedisReply& reply) {
    if (reply.type != RedisReply::Type::array || reply.items.size() % 3 != 0)
        return bad("the answer about a Loom's sums is none");
    FetchedUsage fetched;
    for (size_t i = 0; i < reply.items.size(); i += 3) {
        const auto revision = whole_number(reply.items[i + 1].text, usage_revision_max);
        if (!revision) return bad("a revision of a Loom's sums is no number");
        fetched.last_revision = std::max(fetched.last_revision, *revision);
        auto name = parse_usage_name(reply.items[i].text);
        const auto sums = parse_usage_sums(reply.items[i + 2].text);
        if (name && sums && usage_month(name->day) == month)
            fetched.rows.push_back({.name = std::move(*name), .sums = *sums, .revision = *revision});
        else if (++fetched.unreadable == 1)
            fetched.unreadable_at = *revision;
    }
    fetched.whole = reply.items.size() < 3 * usage_page_rows;
    return fetched;
}

}  // namespace loom::store
