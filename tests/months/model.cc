#include "model.h"

#include <algorithm>

namespace loom::months {

Calendar::Calendar() {
    constexpr std::array<int, 12> lengths = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = 2023, month = 12, day = 1, weekday = 5, week = 0;
    int64_t month_first = first_;
    for (int64_t number = first_; number < first_ + 600; ++number) {
        const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        const int length = lengths[static_cast<size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
        days_.push_back({.id = {static_cast<int>(number), week, year * 100 + month},
                         .month_first_day = static_cast<int>(month_first),
                         .month_days = length});
        weekday = weekday % 7 + 1;
        if (weekday == 1) week += 1;
        if (++day <= length) continue;
        day = 1;
        month_first = number + 1;
        if (++month > 12) month = 1, year += 1;
    }
}

std::pair<int64_t, int64_t> Calendar::span(int period, int64_t unix_s) const {
    const int64_t today = unix_s / day_s;
    const auto id_of = [&](int64_t day) { return at(day * day_s).id[static_cast<size_t>(period)]; };
    int64_t from = today, to = today;
    while (from > first_ && id_of(from - 1) == id_of(today)) from -= 1;
    while (id_of(to + 1) == id_of(today)) to += 1;
    return {from, to};
}

void Booked::add(const Booked& more) {
    requests += more.requests, attempts += more.attempts, input += more.input, output += more.output;
    cached += more.cached, reasoning += more.reasoning, unpriced += more.unpriced, untold += more.untold;
    cost += more.cost;
}

void ModelLedger::book(const Attempt& attempt, Booked what) {
    what.requests = attempt.is_first ? 1 : 0;
    what.attempts = 1;
    rows_[{attempt.day, attempt.consumer, attempt.team, attempt.tenant, attempt.provider, attempt.model}].add(what);
}

void ModelLedger::book_lost(const Attempt& attempt) {
    book(attempt, {.input = attempt.input,
                   .output = attempt.output,
                   .unpriced = attempt.cost < 0 ? 1u : 0u,
                   .untold = 1,
                   .cost = std::max<int64_t>(attempt.cost, 0)});
}

ModelLedger::Groups ModelLedger::sums(const std::string& by, int64_t from, int64_t to,
                                      const std::string* consumer) const {
    Groups groups;
    for (auto row = rows_.lower_bound(Key{.day = from}); row != rows_.end() && row->first.day <= to; ++row) {
        const auto& [key, booked] = *row;
        if (consumer != nullptr && key.consumer != *consumer) continue;
        const std::string name = by == "consumer"   ? key.consumer
                                 : by == "team"     ? key.team
                                 : by == "tenant"   ? key.tenant
                                 : by == "provider" ? key.provider
                                 : by == "model"    ? key.model
                                                    : std::to_string(key.day);
        groups[name].add(booked);
    }
    return groups;
}

Booked ModelLedger::total() const {
    Booked all;
    for (const auto& [key, booked] : rows_) all.add(booked);
    return all;
}

void ModelMeter::begin(int period, int now) {
    const auto i = static_cast<size_t>(period);
    if (now <= id[i]) return;  // a clock that lags behind another's counts as that one
    id[i] = now;
    spent[i] = held[i] = 0;
}

uint64_t ModelMeter::used(int period, const std::array<int, 3>& now) const {
    const auto i = static_cast<size_t>(period);
    return now[i] > id[i] ? 0 : spent[i] + held[i];
}

uint64_t ModelMeter::room(int period, const std::array<int, 3>& now, uint64_t limit) const {
    const auto i = static_cast<size_t>(period);
    if (!shared || lease[i].open) return limit;
    return lease[i].id == std::max(now[i], id[i]) ? std::min(limit, lease[i].units) : 0;
}

std::optional<int> ModelMeter::take(const Terms& terms, const std::array<int, 3>& now, uint64_t units, Hold& hold) {
    for (int period = 2; period >= 0; --period) {
        const uint64_t limit = terms[static_cast<size_t>(period)];
        if (limit == 0 || units == 0) continue;
        if (used(period, now) + units > room(period, now, limit)) return period;
    }
    for (int period = 0; period < 3; ++period) {
        const auto i = static_cast<size_t>(period);
        begin(period, now[i]);
        held[i] += units;
        hold.id[i] = id[i];
    }
    hold.units = units;
    return std::nullopt;
}

/// What is held goes along into a period that has begun since.
bool ModelMeter::extend(const Terms& terms, const std::array<int, 3>& now, uint64_t units, Hold& hold) {
    Hold more;
    if (take(terms, now, units, more)) return false;
    for (size_t i = 0; i < 3; ++i)
        if (more.id[i] != hold.id[i]) held[i] += hold.units;
    hold.id = more.id;
    hold.units += units;
    return true;
}

void ModelMeter::shrink(uint64_t units, Hold& hold) {
    for (size_t i = 0; i < 3; ++i)
        if (hold.id[i] == id[i]) held[i] -= units;
    hold.units -= units;
}

void ModelMeter::settle(const std::array<int, 3>& now, uint64_t used, Hold& hold) {
    for (int period = 0; period < 3; ++period) {
        const auto i = static_cast<size_t>(period);
        begin(period, now[i]);
        if (hold.id[i] == id[i]) held[i] -= hold.units;
        spent[i] += used;
    }
    hold = {};
}

}  // namespace loom::months
