// What requests do: admitted or refused, streams that grow, attempts that fail, an end that is settled once.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "world.h"

namespace loom::months {
namespace {

constexpr std::array models = {"gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "mistral-large"};
constexpr std::array providers = {"openai", "anthropic", "mistral"};
/// 10^-12 for a token, of the prompt and of the answer; no whole number of 10^-9, so that rounding shows. -1: no price.
constexpr std::array<std::array<int64_t, 2>, 4> prices = {
    {{2'500'001, 10'000'003}, {150'007, 600'011}, {3'000'000, 15'000'999}, {-1, -1}}};
constexpr uint64_t extension_tokens = 256;

int64_t cost_of(int64_t price_in, int64_t price_out, uint64_t input, uint64_t output) {
    return price_in < 0 ? -1 : price_in * static_cast<int64_t>(input) + price_out * static_cast<int64_t>(output);
}

}  // namespace

void World::begin_request() {
    result_.requests += 1;
    Flight flight;
    flight.number = ++flight_number_;
    flight.owner = random_.below(owners_.size());
    flight.shard = random_.below(shard_count);
    flight.config = config_;
    const size_t model = random_.below(models.size());
    flight.model = models[model];
    flight.provider = providers[random_.below(providers.size())];
    flight.price_in = prices[model][0];
    flight.price_out = prices[model][1];
    flight.input = random_.between(1, 400);
    flight.expected_output = random_.between(1, 300);
    flight.target = random_.chance(150) ? random_.between(300, 4'000) : random_.between(0, 350);
    flight.held_tokens = flight.input + flight.expected_output;
    flight.begun_s = wall_s();
    if (!admit_by_rate(flight)) return;
    const int64_t cost =
        std::max<int64_t>(0, cost_of(flight.price_in, flight.price_out, flight.input, flight.expected_output));
    if (!hold_budgets(flight, cost)) {
        result_.refused += 1;
        leave_rate(flight, 0);
        return;
    }
    begin_attempt(flight);
    flights_.push_back(std::move(flight));
}

bool World::admit_by_rate(Flight& flight) {
    Window& window = windows_[flight.owner];
    const tenant::WindowTerms& terms = window.limit.terms.tokens;
    if (!terms.limits()) return true;
    tenant::LimitRefusal why;
    if (!flight.admission.enter(window.limit, window.limit.row(), now_ms(), why)) {
        complain("a limit of tokens has refused a request before it has said how many");
        return false;
    }
    if (!flight.admission.reserve(now_ms(), flight.held_tokens, why)) {
        flight.admission.abandon();
        if (why.wait_ms == 0) complain("a refusal that says to come again at once");
        result_.refused += 1;
        return false;
    }
    window.taken.push_back({now_ms(), terms.cost(flight.held_tokens), flight.number});
    check_window(window, "behind a reservation");
    return true;
}

bool World::hold_budgets(Flight& flight, int64_t cost) {
    const auto& budgets = flight.config->of_owner[flight.owner];
    const auto& now = calendar_.at(wall_s()).id;
    for (BudgetPair* const pair : budgets) {
        ModelHolds holds;
        auto refused_by = pair->model->tokens.take(pair->real.tokens, now, flight.held_tokens, holds.tokens);
        const bool by_tokens = refused_by.has_value();
        if (!refused_by) refused_by = pair->model->money.take(pair->real.money, now, nano(cost), holds.money);
        tenant::BudgetRefusal why;
        const bool admitted = flight.holds.enter(pair->real, wall_s(), flight.held_tokens, cost, why);
        if (admitted == refused_by.has_value())
            complain(fmt::format("budget {}:{} {} what the model {}", limit_scope_name(pair->real.scope),
                                 pair->real.name, admitted ? "admits" : "refuses", admitted ? "refuses" : "admits"));
        if (admitted && !refused_by) {
            flight.model_holds.push_back(holds);
            check_pair(*pair, "behind an admission");
            continue;
        }
        if (refused_by && !admitted) {
            const bool same = why.of == &pair->real && static_cast<int>(why.period) == *refused_by &&
                              (why.unit == tenant::BudgetUnit::tokens) == by_tokens;
            if (!same) complain("a refusal names another budget, unit or period");
            const auto [from, to] = calendar_.span(*refused_by, wall_s());
            if (why.wait_s != (to + 1) * day_s - wall_s()) complain("a refusal names another end of its period");
        }
        if (refused_by && !by_tokens) pair->model->tokens.settle(now, 0, holds.tokens);
        for (size_t i = 0; i < flight.model_holds.size(); ++i) {
            budgets[i]->model->tokens.settle(now, 0, flight.model_holds[i].tokens);
            budgets[i]->model->money.settle(now, 0, flight.model_holds[i].money);
        }
        flight.model_holds.clear();
        for (BudgetPair* const one : budgets) check_pair(*one, "behind a refusal");
        return false;
    }
    return true;
}

/// Its intent is in the ledger before it is sent.
void World::begin_attempt(Flight& flight) {
    const Owner& owner = owners_[flight.owner];
    const int64_t cost = cost_of(flight.price_in, flight.price_out, flight.input, flight.expected_output);
    const tenant::LedgerIntent intent{.request = flight.first_id,
                                      .time_us = static_cast<uint64_t>(wall_s()) * 1'000'000 + random_.below(1'000'000),
                                      .consumer = owner.consumer,
                                      .team = owner.team,
                                      .tenant = owner.tenant,
                                      .provider = flight.provider,
                                      .model = flight.model,
                                      .input_tokens = flight.input,
                                      .output_tokens = flight.expected_output,
                                      .cost = cost};
    store::LedgerLog& log = *shards_[flight.shard]->log;
    flight.attempt_id = log.append(intent);
    for (int i = 0; i < 20 && flight.attempt_id == 0; ++i) {
        write_some(flight.shard);
        flight.attempt_id = log.append(intent);
    }
    if (flight.attempt_id == 0) return complain("the log has no room");
    const bool is_first = flight.first_id == 0;
    if (is_first) flight.first_id = flight.attempt_id;
    result_.attempts += 1;
    Written one;
    one.attempt = {.day = wall_s() / day_s,
                   .consumer = owner.consumer,
                   .team = owner.team.empty() ? "" : owner.team_key(),
                   .tenant = owner.tenant,
                   .provider = flight.provider,
                   .model = flight.model,
                   .is_first = is_first,
                   .input = flight.input,
                   .output = flight.expected_output,
                   .cost = cost};
    if (!written_.emplace(flight.attempt_id, std::move(one)).second) complain("an id is given twice");
}

void World::go_on(std::list<Flight>::iterator flight) {
    const auto found = written_.find(flight->attempt_id);
    if (found != written_.end() && !found->second.intent_there) {
        // It waits for the disk; or its client has left, and nobody was asked.
        if (random_.chance(30)) return finish(flight, false);
        return write_some(flight->shard);
    }
    if (flight->output >= flight->target) return finish(flight, false);
    if (random_.chance(25)) return fail_over(*flight);
    flight->output = std::min(flight->target, flight->output + random_.between(1, 260));
    if (!extend(*flight)) finish(flight, true);
}

/// As it grows it takes more, by as much as there is. False where there is no more.
bool World::extend(Flight& flight) {
    extend_rate(flight);
    const uint64_t taken = flight.spent_tokens + flight.input + flight.output;
    while (taken >= flight.held_tokens) {
        uint64_t more = extension_tokens;
        while (more > 0 && !extend_budgets(flight, more)) more /= 4;
        if (more == 0) return false;
        flight.held_tokens += more;
        result_.extensions += 1;
    }
    return true;
}

bool World::extend_budgets(Flight& flight, uint64_t tokens) {
    const auto& budgets = flight.config->of_owner[flight.owner];
    const auto& now = calendar_.at(wall_s()).id;
    const int64_t cost = std::max<int64_t>(0, flight.price_out) * static_cast<int64_t>(tokens);
    bool expected = true;
    for (size_t i = 0; i < budgets.size() && expected; ++i) {
        BudgetPair& pair = *budgets[i];
        ModelHolds& holds = flight.model_holds[i];
        const bool has_tokens = pair.model->tokens.extend(pair.real.tokens, now, tokens, holds.tokens);
        expected = has_tokens && pair.model->money.extend(pair.real.money, now, nano(cost), holds.money);
        if (expected) continue;
        if (has_tokens) pair.model->tokens.shrink(tokens, holds.tokens);
        for (size_t given = 0; given < i; ++given) {
            budgets[given]->model->tokens.shrink(tokens, flight.model_holds[given].tokens);
            budgets[given]->model->money.shrink(nano(cost), flight.model_holds[given].money);
        }
    }
    const bool extended = flight.holds.extend(wall_s(), tokens, cost);
    if (extended != expected) complain(extended ? "a hold grows where the model has no room" : "a hold does not grow");
    for (BudgetPair* const pair : budgets) check_pair(*pair, "behind an extension");
    return extended;
}

/// Of a window, which ends no stream: where it has no room, it is booked over it.
void World::extend_rate(Flight& flight) {
    Window& window = windows_[flight.owner];
    const tenant::WindowTerms& terms = window.limit.terms.tokens;
    const uint64_t taken = flight.spent_tokens + flight.input + flight.output;
    if (!terms.limits() || taken < flight.admission.reserved()) return;
    tenant::LimitRefusal why;
    const uint64_t more = taken - flight.admission.reserved() + extension_tokens;
    if (flight.admission.extend(now_ms(), more, why)) {
        window.taken.push_back({now_ms(), terms.cost(more), flight.number});
        return check_window(window, "behind an extension");
    }
    const uint64_t over = taken - flight.admission.reserved();
    const uint64_t before = window.limit.tokens->used(terms, now_ms());
    flight.admission.overdraw(now_ms(), taken);
    if (window.limit.tokens->used(terms, now_ms()) != before + terms.cost(over))
        complain("a window has not what went over it");
    window.taken.push_back({now_ms(), terms.cost(over), flight.number});
    result_.overdrawn += over > 0 ? 1 : 0;
}

void World::fail_over(Flight& flight) {
    const uint64_t input = random_.chance(500) ? flight.input : 0;
    const int64_t cost = cost_of(flight.price_in, flight.price_out, input, 0);
    settle_attempt(flight, tenant::LedgerExit::failed_over, input, 0, cost);
    flight.output = 0;
    flight.provider = providers[random_.below(providers.size())];
    begin_attempt(flight);
    if (!extend(flight)) finish(std::ranges::find(flights_, flight.number, &Flight::number), true);
}

void World::settle_attempt(Flight& flight, tenant::LedgerExit exit, uint64_t input, uint64_t output, int64_t cost) {
    tenant::LedgerSettlement settlement{.id = flight.attempt_id,
                                        .exit = exit,
                                        .provenance = static_cast<tenant::LedgerProvenance>(random_.between(1, 3)),
                                        .status = 200,
                                        .tokens = {.input = input, .output = output},
                                        .cost = cost};
    settlement.tokens.cached_input = random_.below(input + 1);
    settlement.tokens.reasoning = random_.below(output + 1);
    store::LedgerLog& log = *shards_[flight.shard]->log;
    bool appended = log.append(settlement);
    for (int i = 0; i < 20 && !appended; ++i) {
        write_some(flight.shard);
        appended = log.append(settlement);
    }
    if (random_.chance(10)) (void)log.append(settlement);  // what is there twice counts once
    Written& one = written_[flight.attempt_id];
    if (!appended || one.settled) return complain("a settlement has no room, or is the second");
    one.settled = true;
    one.booked = {.input = input,
                  .output = output,
                  .cached = settlement.tokens.cached_input,
                  .reasoning = settlement.tokens.reasoning,
                  .unpriced = cost < 0 ? 1u : 0u,
                  .untold = settlement.provenance == tenant::LedgerProvenance::reported ? 0u : 1u,
                  .cost = std::max<int64_t>(cost, 0)};
    flight.spent_tokens += input + output;
    flight.spent_cost += std::max<int64_t>(cost, 0);
}

/// On whichever way, once. What it took may be less than what is held, or more.
void World::finish(std::list<Flight>::iterator at, bool stopped) {
    Flight& flight = *at;
    const auto found = written_.find(flight.attempt_id);
    const bool sent = found == written_.end() || found->second.intent_there;
    tenant::LedgerExit exit = stopped ? tenant::LedgerExit::stopped_by_budget : tenant::LedgerExit::answered;
    uint64_t input = flight.input, output = flight.output;
    if (!sent)
        exit = tenant::LedgerExit::unsent, input = output = 0;
    else if (!stopped && random_.chance(100))
        exit = tenant::LedgerExit::refused, input = output = 0;
    else if (!stopped && random_.chance(100))
        exit = tenant::LedgerExit::cancelled_by_client;
    else if (!stopped && random_.chance(100))
        output += random_.below(600);  // it reports more than was seen to pass
    result_.stopped += stopped ? 1 : 0;
    settle_attempt(flight, exit, input, output, cost_of(flight.price_in, flight.price_out, input, output));
    const auto& budgets = flight.config->of_owner[flight.owner];
    const auto& now = calendar_.at(wall_s()).id;
    for (size_t i = 0; i < budgets.size(); ++i) {
        budgets[i]->model->tokens.settle(now, flight.spent_tokens, flight.model_holds[i].tokens);
        budgets[i]->model->money.settle(now, nano(flight.spent_cost), flight.model_holds[i].money);
    }
    flight.holds.settle(wall_s(), flight.spent_tokens, flight.spent_cost);
    if (random_.chance(20)) flight.holds.settle(wall_s(), flight.spent_tokens, flight.spent_cost);  // again is nothing
    for (BudgetPair* const pair : budgets) check_pair(*pair, "behind a settlement");
    if (wall_s() / day_s != flight.begun_s / day_s) result_.over_midnight += 1;
    leave_rate(flight, flight.spent_tokens);
    flights_.erase(at);
}

/// The latest first, as they count the longest; what was used beyond counts from now on.
void World::leave_rate(Flight& flight, uint64_t used) {
    Window& window = windows_[flight.owner];
    if (!window.limit.terms.tokens.limits()) return;
    flight.admission.leave(now_ms(), used);
    uint64_t booked = 0;
    for (const Taken& one : window.taken) booked += one.flight == flight.number ? one.units : 0;
    if (used > booked) window.taken.push_back({now_ms(), used - booked, flight.number});
    for (auto one = window.taken.rbegin(); one != window.taken.rend() && booked > used; ++one) {
        if (one->flight != flight.number) continue;
        const uint64_t back = std::min(one->units, booked - used);
        one->units -= back;
        booked -= back;
    }
}

/// The kernel has done them, in any order.
void World::write_some(size_t shard) {
    sim::SimShard& sim = shards_[shard]->sim;
    sim.tick();
    while (const sim::Operation* const one = sim.ring().oldest(sim::Op::write)) {
        const std::string bytes = one->bytes;
        if (::pwrite(one->fd, bytes.data(), bytes.size(), static_cast<off_t>(one->offset)) !=
            static_cast<ssize_t>(bytes.size()))
            complain("a segment cannot be written");
        sim.ring().complete(one->fd, sim::Op::write, static_cast<int>(bytes.size()));
        note_written(bytes);
    }
    sim.tick();
}

void World::drain() {
    for (size_t shard = 0; shard < shard_count; ++shard)
        for (int i = 0; i < 3; ++i) write_some(shard);
}

/// Records that are whole on the disk: the intents that a start will find, and the settlements that are booked.
void World::note_written(std::string_view bytes) {
    while (!bytes.empty()) {
        const tenant::LedgerRead read = tenant::read_ledger_record(bytes);
        if (read.state != tenant::LedgerRead::State::whole) return;
        bytes.remove_prefix(read.bytes);
        if (const auto* const intent = std::get_if<tenant::LedgerIntent>(&read.record)) {
            if (const auto one = written_.find(intent->id); one != written_.end()) one->second.intent_there = true;
            continue;
        }
        const auto* const settlement = std::get_if<tenant::LedgerSettlement>(&read.record);
        if (settlement == nullptr) continue;
        const auto one = written_.find(settlement->id);
        if (one == written_.end() || !one->second.intent_there) continue;
        ledger_.book(one->second.attempt, one->second.booked);
        written_.erase(one);
    }
}

}  // namespace loom::months
