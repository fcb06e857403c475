#include "plan/made.h"

#include <algorithm>

#include "plan/owners.h"
#include "plan/rate_limit.h"
#include "plan/selection.h"
#include "plan/tokens.h"

namespace loom::app {
namespace {

using tenant::Consumer;
using tenant::MadeConsumer;

constexpr int64_t long_ago_s = 1;

bool has_made(const proxy::Plan& plan) {
    return std::ranges::any_of(plan.consumers.consumers(), [](const Consumer& one) { return one.made; });
}

bool is_of_conf(const proxy::Plan& plan, std::string_view name) {
    const Consumer* const found = plan.consumers.named(name);
    return found != nullptr && !found->made;
}

/// One that is disabled is known, and its time is over: its keys are no guesses.
Consumer consumer_of(const MadeConsumer& one, observe::Metrics& metrics) {
    Consumer consumer = one.consumer;
    consumer.issuer = one.id;
    if (one.disabled) consumer.expires_unix_s = long_ago_s;
    consumer.owners = owner_slots(consumer, metrics);
    return consumer;
}

}  // namespace

void fill_made(const config::Config& config, proxy::Plan& plan, const IssuedKeys::Good& good, observe::Metrics& metrics,
               route::TargetTable& targets, tenant::LimitTable& limits) {
    std::vector<tenant::IssuedKey> keys = good.keys;
    std::vector<Consumer> consumers;
    for (const MadeConsumer& one : *good.consumers) {
        const std::string& name = one.consumer.name;
        if (is_of_conf(plan, name))
            std::erase_if(keys, [&name](const tenant::IssuedKey& key) { return key.consumer == name; });
        else
            consumers.push_back(consumer_of(one, metrics));
    }
    const bool changes = has_made(plan) || !consumers.empty();
    plan.consumers = plan.consumers.with_issued(keys, consumers);
    if (!changes) return;
    fill_team_slots(config, plan, metrics);
    fill_rate_limits(config, plan, limits, *good.consumers);
    std::vector<std::string> told;  // when the plan was built
    plan.selection = nullptr;
    fill_selection(config, plan, targets, told, *good.consumers);
    fill_prompt_wish(config, plan);  // one that is made may be the first who asks
}

}  // namespace loom::app
