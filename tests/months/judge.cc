// The real thing and the model, side by side.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "loom/admin/usage.h"
#include "world.h"

namespace loom::months {

namespace fs = std::filesystem;

void World::check_pair(const BudgetPair& pair, const char* when) {
    const auto& now = calendar_.at(wall_s()).id;
    const tenant::PeriodNumbers numbers = tenant::period_numbers(wall_s());
    for (const bool tokens : {true, false}) {
        const tenant::BudgetMeter& real = tokens ? pair.real.meters->tokens : pair.real.meters->money;
        const ModelMeter& model = tokens ? pair.model->tokens : pair.model->money;
        for (int period = 0; period < 3; ++period) {
            const uint64_t used = real.used(tenant::budget_periods[static_cast<size_t>(period)], numbers);
            if (used == model.used(period, now)) continue;
            complain(fmt::format("{}: {} of {}:{} in this {}: {} are held and spent, and must be {}", when,
                                 tokens ? "tokens" : "money", limit_scope_name(pair.real.scope), pair.real.name,
                                 tenant::budget_period_names[static_cast<size_t>(period)], used,
                                 model.used(period, now)));
        }
    }
}

void World::check_budgets(const Config& config, const char* when) {
    for (const BudgetPair& pair : config.budgets) check_pair(pair, when);
}

/// In no span of a window's length more than its limit, by what was let in.
void World::check_window(Window& window, const char* when) {
    constexpr uint64_t window_ms = 600'000;
    std::deque<Taken>& taken = window.taken;
    const uint64_t oldest =
        flights_.empty() ? flight_number_ : flights_.front().number;  // that may give something back
    while (!taken.empty() && taken.front().ms + window_ms < now_ms() && taken.front().flight < oldest)
        taken.pop_front();
    uint64_t sum = 0;
    for (const Taken& one : taken)
        if (one.ms + window_ms > now_ms()) sum += one.units;
    if (sum > window.limit.terms.tokens.limit)
        complain(fmt::format("{}: {} tokens in one window of {}", when, sum, window.limit.terms.tokens.limit));
}

void World::check_groups(store::UsageDimension by, const char* name, int64_t from, int64_t to,
                         const std::string* consumer) {
    store::UsageQuery query{.by = by, .from = from, .to = to};
    if (consumer != nullptr) query.of_consumer = true, query.consumer = *consumer;
    const auto found = store_->usage({query});
    if (!found) return complain(found.error());
    ModelLedger::Groups expected = ledger_.sums(name, from, to, consumer);
    for (const store::UsageGroup& group : found->front()) {
        std::string key = group.name;
        if (by == store::UsageDimension::day) {
            int year = 0;
            unsigned month = 0, day = 0;
            if (std::sscanf(key.c_str(), "%d-%u-%u", &year, &month, &day) != 3) complain("no day: " + key);
            const std::chrono::sys_days date =
                std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
            key = std::to_string(date.time_since_epoch().count());
        }
        const Booked real{.requests = group.sums.requests,
                          .attempts = group.sums.attempts,
                          .input = group.sums.input,
                          .output = group.sums.output,
                          .cached = group.sums.cached_input,
                          .reasoning = group.sums.reasoning,
                          .unpriced = group.sums.unpriced,
                          .untold = group.sums.estimated,
                          .cost = static_cast<__int128>(group.sums.cost)};
        const auto model = expected.find(key);
        if (model == expected.end()) {
            complain(fmt::format("sums by {}: nothing must be there of '{}'", name, key));
            continue;
        }
        if (real != model->second)
            complain(
                fmt::format("sums by {}, days {}-{}: of '{}' {} requests, {} attempts, {} + {} tokens, {} money; must "
                            "be {}, {}, {} + {}, {}",
                            name, from, to, key, real.requests, real.attempts, real.input, real.output,
                            static_cast<int64_t>(real.cost), model->second.requests, model->second.attempts,
                            model->second.input, model->second.output, static_cast<int64_t>(model->second.cost)));
        expected.erase(model);
    }
    for (const auto& [missing, booked] : expected) complain(fmt::format("sums by {}: '{}' is missing", name, missing));
}

/// Of all that was, of this month, of a month and a day of before, of one consumer.
void World::check_sums() {
    result_.checks += 1;
    drain();
    const int64_t today = wall_s() / day_s, first = start_s_ / day_s - 1;
    const auto month = calendar_.span(2, wall_s());
    const int64_t some_day = first + static_cast<int64_t>(random_.below(static_cast<uint64_t>(today - first + 1)));
    const auto some_month = calendar_.span(2, std::max(some_day, first + 1) * day_s);
    const std::string& someone = owners_[random_.below(owners_.size())].consumer;
    struct By {
        store::UsageDimension by;
        const char* name;
    };
    using enum store::UsageDimension;
    constexpr std::array<By, 6> all = {{{consumer, "consumer"},
                                        {team, "team"},
                                        {tenant, "tenant"},
                                        {provider, "provider"},
                                        {model, "model"},
                                        {day, "day"}}};
    for (const By& by : all) {
        check_groups(by.by, by.name, month.first, month.second, nullptr);
        check_groups(by.by, by.name, some_month.first, some_month.second, nullptr);
        check_groups(by.by, by.name, some_day, some_day, nullptr);
    }
    const By& of_one = all[random_.below(all.size())];
    check_groups(of_one.by, of_one.name, first, today + 1, &someone);
    const By& whole = all[random_.below(all.size())];
    check_groups(whole.by, whole.name, first, today + 1, nullptr);
    check_budgets(*config_, "between requests");
    check_projection();
}

/// What the month comes to is never less than it has come to, at its end just that, and at an even pace the same
/// throughout.
void World::check_projection() {
    const auto& at = calendar_.at(wall_s());
    const auto from_s = static_cast<uint64_t>(at.month_first_day) * 86'400,
               all_s = static_cast<uint64_t>(at.month_days) * 86'400;
    const auto now = static_cast<uint64_t>(wall_s());
    Booked booked;
    for (const auto& [name, one] : ledger_.sums("tenant", at.month_first_day, at.month_first_day + at.month_days - 1))
        booked.add(one);
    const auto cost = static_cast<unsigned __int128>(booked.cost);
    const unsigned __int128 whole = admin::month_at_pace(cost, from_s, from_s + all_s, now);
    if (whole < cost || whole > cost * static_cast<unsigned>(at.month_days)) complain("a projection that cannot be");
    if (admin::month_at_pace(cost, from_s, from_s + all_s, from_s + all_s - 1) - cost > cost / 1'000'000 + 1)
        complain("a month's end is projected as more");
    const uint64_t passed = std::max<uint64_t>(now - from_s, 86'400);
    const unsigned __int128 even =
        admin::month_at_pace(static_cast<unsigned __int128>(passed) * 1'000, from_s, from_s + all_s, now);
    if (even != static_cast<unsigned __int128>(all_s) * 1'000) complain("an even pace is projected as another");
}

/// As if weeks had gone by on the disk's clock too: what is folded whole may go.
void World::age_segments() {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator(directory_ + "/ledger"))
        fs::last_write_time(entry.path(), fs::file_time_type::clock::now() - std::chrono::hours(24), gone);
}

}  // namespace loom::months
