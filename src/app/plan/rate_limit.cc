#include "plan/rate_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "loom/base/clock.h"
#include "plan/budget.h"
#include "plan/leases.h"
#include "plan/owners.h"
#include "plan/rates.h"

namespace loom::app {
namespace {

using config::Config;
using tenant::Limit;
using tenant::LimitKind;
using tenant::LimitTerms;

/// Where a limit's numbers may stand, the most particular place first: "rate_limit.consumer.bob".
struct Home {
    LimitScope scope;
    std::string prefix;
};
using Homes = std::vector<Home>;

/// A limit has rows of its own, or each who is under it has some in a table.
enum class Rows : uint8_t { own, of_a_table };

class Builder {
  public:
    Builder(const Config& config, tenant::LimitTable& table, std::span<const tenant::MadeConsumer> made)
        : config_(config), table_(table), made_(made), now_ms_(monotonic_ns() / 1'000'000) {}

    std::shared_ptr<const proxy::RateLimitPlan> build(const proxy::Plan& plan) {
        limits_.tells = config_.boolean("rate_limit.headers");
        fill_budgets(config_, plan, limits_, table_.budgets(), made_);
        if (config_.boolean("rate_limit.enabled")) make_limits(plan);
        if (limits_.limits.empty() && limits_.budgets.empty()) return nullptr;
        fill_up(plan);
        if (table_.shares()) share_limits(config_, limits_);
        return std::make_shared<const proxy::RateLimitPlan>(std::move(limits_));
    }

  private:
    void make_limits(const proxy::Plan& plan) {
        limits_.global = make(LimitScope::global, "", {{LimitScope::global, "rate_limit.global"}});
        limits_.ip = make(LimitScope::ip, "", {{LimitScope::ip, "rate_limit.ip"}}, Rows::of_a_table);
        if (limits_.ip != nullptr)
            limits_.addresses = table_.addresses(place_in_table(tenant::RowWindows()),
                                                 static_cast<size_t>(config_.integer("rate_limit.ip.addresses")));
        make_consumers(plan);
        if (!plan.jwt.empty()) make_bearers(plan);
        for (const proxy::RoutePlan& route : plan.routes)
            limits_.routes.push_back(make(LimitScope::route, route.name,
                                          {{LimitScope::route, fmt::format("rate_limit.route.{}", route.name)}}));
        for (const std::string& model : config_.names("rate_limit.model"))
            if (const Limit* const limit =
                    make(LimitScope::model, model, {{LimitScope::model, fmt::format("rate_limit.model.{}", model)}}))
                limits_.models[model].limit = limit;
    }

    /// What there is none of has its places all the same: whoever asks has an index.
    void fill_up(const proxy::Plan& plan) {
        const size_t consumer_count = plan.consumers.consumers().size() + 1;
        limits_.consumers.resize(consumer_count);
        limits_.teams.resize(consumer_count);
        limits_.routes.resize(plan.routes.size());
        limits_.budgets_of.resize(consumer_count);
        for (const tenant::Consumer& consumer : plan.consumers.consumers())
            limits_.habits.push_back(table_.habit(consumer.name));
        limits_.habits.push_back(table_.habit(""));
    }

    void make_consumers(const proxy::Plan& plan) {
        for (const tenant::Consumer& consumer : plan.consumers.consumers()) {
            Homes homes = {{LimitScope::consumer, fmt::format("rate_limit.consumer.{}", consumer.name)}};
            if (!consumer.tier.empty())
                homes.push_back({LimitScope::tier, fmt::format("rate_limit.tier.{}", consumer.tier)});
            own_ = own_limits(consumer);
            limits_.consumers.push_back(make(LimitScope::consumer, consumer.name, homes));
            own_ = nullptr;
            limits_.teams.push_back(shared(LimitScope::team, consumer.team, consumer.team_key));
            limits_.owners.push_back({.project = shared(LimitScope::project, consumer.project,
                                                        tenant::project_key_of(consumer.tenant, consumer.project)),
                                      .tenant = shared(LimitScope::tenant, consumer.tenant, consumer.tenant)});
        }
        limits_.owners.emplace_back();
        const auto limits_nothing = [](const auto& one) { return one.project == nullptr && one.tenant == nullptr; };
        if (std::ranges::all_of(limits_.owners, limits_nothing)) limits_.owners.clear();
        limits_.consumers.push_back(make(LimitScope::consumer, "", {}));
        limits_.teams.push_back(nullptr);
    }

    /// A team's, a project's and a tenant's limits are those of all who are in them: made once, whoever asks for them.
    /// name  in the conf; "": nobody's.      key  in the plan: a tenant's own.
    const Limit* shared(LimitScope scope, const std::string& name, const std::string& key) {
        if (name.empty()) return nullptr;
        const auto [known, is_new] = shared_.try_emplace({scope, key}, nullptr);
        if (is_new)
            known->second = make(scope, key, {{scope, fmt::format("rate_limit.{}.{}", limit_scope_name(scope), name)}});
        return known->second;
    }

    /// Limits of those whom tokens tell of: their rows are one table's.
    void make_bearers(const proxy::Plan& plan) {
        proxy::RateLimitPlan::Bearers& bearers = limits_.bearers;
        const auto named = config_.names("rate_limit.consumer");
        for (const tenant::Consumer& consumer : plan.consumers.consumers())
            bearers.has_own.push_back(std::ranges::find(named, consumer.name) != named.end() || has_own(consumer));
        bearers.any = make(LimitScope::consumer, "", {}, Rows::of_a_table);
        bool any = bearers.any != nullptr;
        for (const std::string& tier : config_.names("rate_limit.tier")) {
            const Limit* const limit =
                make(LimitScope::tier, tier, {{LimitScope::tier, fmt::format("rate_limit.tier.{}", tier)}},
                     Rows::of_a_table);
            if (limit == nullptr) continue;
            bearers.tiers.emplace(tier, limit);
            any = true;
        }
        for (const std::string& team : config_.names("rate_limit.team"))
            for (const std::string& key : team_keys(plan, team))
                if (const Limit* const limit = shared(LimitScope::team, team, key))
                    limits_.told_teams[key].limit = limit;
        if (!any) return;
        // Those of everybody's numbers are there whether these limit now or not: a reload may change it.
        LimitTerms everybodys;
        everybodys.requests = tenant::WindowTerms::of(1, window_ms("rate_limit.request_rate.window"));
        everybodys.tokens = tenant::WindowTerms::of(1, window_ms("rate_limit.token_rate.window"));
        bearers.rows = table_.bearers(place_in_table(everybodys), proxy::RateLimitPlan::bearers_max);
    }

    /// The windows of a table in whose rows the limits count that were made since the last: these, and all of theirs.
    tenant::RowWindows place_in_table(tenant::RowWindows windows) {
        for (const Limit* const limit : of_table_) windows.add(limit->terms);
        for (Limit* const limit : of_table_) windows.place(*limit);
        of_table_.clear();
        return windows;
    }

    /// Of one that was made over the admin listener; else null.
    const tenant::MadeLimits* own_limits(const tenant::Consumer& consumer) const {
        if (!consumer.made) return nullptr;
        const auto found = std::ranges::find_if(
            made_, [&consumer](const tenant::MadeConsumer& one) { return one.consumer.name == consumer.name; });
        return found != made_.end() ? &found->limits : nullptr;
    }
    bool has_own(const tenant::Consumer& consumer) const {
        const tenant::MadeLimits* const own = own_limits(consumer);
        return own != nullptr && own->any();
    }
    std::optional<uint64_t> own_number(std::string_view word) const {
        if (own_ == nullptr) return std::nullopt;
        if (word == "request_rate") return own_->request_rate;
        if (word == "token_rate") return own_->token_rate;
        return word == "burst" ? own_->burst : own_->concurrent;
    }

    /// Where a kind stands, which `source` tells then: at a key, or as a number of the consumer's own. Neither:
    /// nowhere.
    struct Place {
        std::string key;
        std::optional<uint64_t> own;
    };
    /// everybodys  a consumer's may be everybody's default.
    Place find(LimitScope scope, const Homes& homes, const char* word, const char* everybodys,
               Limit::Source& source) const {
        for (const Home& home : homes) {
            std::string key = fmt::format("{}.{}", home.prefix, word);
            if (!config_.has(key)) {
                const auto own = home.scope == LimitScope::consumer ? own_number(word) : std::nullopt;
                if (!own) continue;
                source = {home.scope, fmt::format("/ai/consumers: limits.{}", word)};
                return {{}, own};
            }
            source = {home.scope, key};
            return {std::move(key), std::nullopt};
        }
        if ((scope != LimitScope::consumer && scope != LimitScope::tier) || everybodys == nullptr) return {};
        source = {LimitScope::consumer, everybodys};
        return {everybodys, std::nullopt};
    }

    uint64_t number(LimitScope scope, const Homes& homes, const char* word, Limit::Source& source) const {
        const Place place = find(scope, homes, word, nullptr, source);
        if (place.own) return *place.own;
        return place.key.empty() ? 0 : static_cast<uint64_t>(config_.integer(place.key));
    }

    /// word  "request_rate" or "token_rate".
    std::vector<Rate> rates(LimitScope scope, const Homes& homes, const char* word, Limit::Source& source) const {
        const std::string prefix = fmt::format("rate_limit.{}.", word);
        const Place place = find(scope, homes, word, (prefix + "limit").c_str(), source);
        if (place.own)
            return *place.own == 0 ? std::vector<Rate>()
                                   : std::vector{Rate{*place.own, window_ms((prefix + "window").c_str())}};
        if (place.key.empty()) return {};
        return rates_at(config_, place.key).value_or(std::vector<Rate>());  // the check has told of what is wrong
    }

    /// Null where it limits nothing.
    const Limit* make(LimitScope scope, const std::string& name, const Homes& homes, Rows rows = Rows::own) {
        Limit limit{.scope = scope, .name = name};
        const auto source = [&limit](LimitKind kind) -> Limit::Source& {
            return limit.sources[static_cast<size_t>(kind)];
        };
        const auto requests = this->rates(scope, homes, "request_rate", source(LimitKind::requests));
        const auto tokens = this->rates(scope, homes, "token_rate", source(LimitKind::tokens));
        const uint64_t burst = number(scope, homes, "burst", source(LimitKind::burst));
        limit.terms.concurrent_max =
            static_cast<uint32_t>(number(scope, homes, "concurrent", source(LimitKind::concurrent)));
        if (burst != 0 && !requests.empty())  // which comes in by the shortest window
            limit.terms.burst = BucketTerms::per_window(requests[0].limit, requests[0].window_ms, burst);
        set_windows(limit, requests, tokens, 0);
        if (!limit.terms.any()) return nullptr;
        if (rows == Rows::own) limit.level = table_.level(fmt::format("{}:{}", limit_scope_name(scope), name));
        Limit* const first = add(std::move(limit), rows);
        Limit* last = first;
        for (size_t i = 1; i < std::max(requests.size(), tokens.size()); ++i) {
            Limit longer{.scope = scope, .name = name, .sources = first->sources, .first = first};
            set_windows(longer, requests, tokens, i);
            Limit* const next = add(std::move(longer), rows);
            last->longer = next;
            last = next;
        }
        return first;
    }

    /// Of each kind the one of that number, as far as there are so many.
    static void set_windows(Limit& limit, const std::vector<Rate>& requests, const std::vector<Rate>& tokens,
                            size_t number) {
        LimitTerms& terms = limit.terms;
        if (number < requests.size()) {
            terms.requests_window_ms = requests[number].window_ms;
            terms.requests = tenant::WindowTerms::of(requests[number].limit, terms.requests_window_ms);
        }
        if (number < tokens.size()) {
            terms.tokens_window_ms = tokens[number].window_ms;
            terms.tokens = tenant::WindowTerms::of(tokens[number].limit, terms.tokens_window_ms);
        }
    }

    Limit* add(Limit limit, Rows rows) {
        Limit* const added = &limits_.limits.emplace_back(std::move(limit));
        if (rows == Rows::of_a_table) {
            of_table_.push_back(added);
            return added;
        }
        const std::string identity = fmt::format("{}:{}", limit_scope_name(added->scope), added->name);
        const LimitTerms& terms = added->terms;
        if (terms.requests.limits()) added->requests = table_.window(identity + ":requests", terms.requests, now_ms_);
        if (terms.tokens.limits()) added->tokens = table_.window(identity + ":tokens", terms.tokens, now_ms_);
        return added;
    }

    uint64_t window_ms(const char* key) const { return static_cast<uint64_t>(config_.milliseconds(key).count()); }

    const Config& config_;
    tenant::LimitTable& table_;
    const std::span<const tenant::MadeConsumer> made_;
    const tenant::MadeLimits* own_ = nullptr;  // of the consumer at hand
    std::map<std::pair<LimitScope, std::string>, const Limit*> shared_;
    const uint64_t now_ms_;
    std::vector<Limit*> of_table_;  // of the table at hand
    proxy::RateLimitPlan limits_;
};

}  // namespace

void fill_rate_limits(const Config& config, proxy::Plan& plan, tenant::LimitTable& table,
                      std::span<const tenant::MadeConsumer> made) {
    plan.rate_limits = Builder(config, table, made).build(plan);
}

}  // namespace loom::app
