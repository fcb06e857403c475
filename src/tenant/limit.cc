#include "loom/tenant/limit.h"

#include <algorithm>
#include <optional>

#include "loom/tenant/address_limits.h"
#include "loom/tenant/lockout.h"

namespace loom::tenant {
namespace {

/// A place among those under way, if there is one.
bool take_place(LimitLevel& level, uint32_t concurrent_max) noexcept {
    uint32_t under_way = level.concurrent.load(std::memory_order_relaxed);
    do {
        if (concurrent_max != 0 && under_way >= concurrent_max) return false;
    } while (!level.concurrent.compare_exchange_weak(under_way, under_way + 1, std::memory_order_relaxed));
    return true;
}

/// Last of all: with its last place an address's row may go to another (address_limits.cc), on which nothing of this
/// one may fall.
void leave_place(LimitLevel& level) noexcept { level.concurrent.fetch_sub(1, std::memory_order_release); }

/// A window had no room for so many. What others have of it, nobody here knows to the moment.
void tell_window(const RateWindow& window, const WindowTerms& terms, uint64_t now_ms, uint64_t units,
                 LimitRefusal& why) noexcept {
    why.wait_ms = window.wait_ms(terms, now_ms, units);
    if (window.lease() == nullptr) return;
    if (why.wait_ms == 0) why.lack = window.lease()->lack_of(terms.cost(units));
    why.wait_ms = std::max(why.wait_ms, Admission::lease_wait_ms);
}

/// The row of this name, if a configuration still has it.
template <class Row, class Rows>
std::shared_ptr<Row> find_or_make(Rows& rows, std::string_view identity) {
    std::erase_if(rows, [](const auto& one) { return one.second.expired(); });
    if (const auto it = rows.find(identity); it != rows.end())
        if (auto found = it->second.lock(); found != nullptr) return found;
    auto made = std::make_shared<Row>();
    rows[std::string(identity)] = made;
    return made;
}

}  // namespace

bool Admission::enter(const Limit& limit, const LimitRow& row, uint64_t now_ms, LimitRefusal& why) noexcept {
    const LimitTerms& terms = limit.terms;
    why = {.of = &limit, .kind = LimitKind::concurrent, .wait_ms = concurrency_wait_ms};
    if (count_ == limits_max || !take_place(*row.level, terms.concurrent_max)) return false;
    if (row.level->burst.take(terms.burst, now_ms, 1)) {
        std::optional<uint32_t> slice = 0;
        if (terms.requests.limits()) slice = row.requests->take(terms.requests, now_ms, 1);
        if (slice) {
            passes_[count_] = {.of = &limit, .row = row, .request_slice = *slice};
            count_ += 1;
            why = {};
            return true;
        }
        row.level->burst.give_back(terms.burst, 1);
        why.kind = LimitKind::requests;
        tell_window(*row.requests, terms.requests, now_ms, 1, why);
    } else {
        why.kind = LimitKind::burst;
        why.wait_ms = row.level->burst.wait_ms(terms.burst, now_ms, 1);
    }
    leave_place(*row.level);
    return false;
}

bool Admission::counts_tokens() const noexcept {
    return std::any_of(passes_.begin(), passes_.begin() + static_cast<ptrdiff_t>(count_),
                       [](const Pass& pass) { return pass.of->terms.tokens.limits(); });
}

/// Of each, or of none.
bool Admission::take_tokens(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept {
    for (size_t i = 0; i < count_; ++i) {
        Pass& pass = passes_[i];
        const WindowTerms& terms = pass.of->terms.tokens;
        if (!terms.limits()) continue;
        const auto slice = pass.row.tokens->take(terms, now_ms, tokens);
        if (!slice) {
            why = {.of = pass.of, .kind = LimitKind::tokens};
            tell_window(*pass.row.tokens, terms, now_ms, tokens, why);
            for (size_t taken = 0; taken < i; ++taken)
                if (const WindowTerms& of = passes_[taken].of->terms.tokens; of.limits())
                    give_back_tokens(passes_[taken], of.cost(tokens));
            return false;
        }
        note_taken(pass, *slice, terms.cost(tokens));
    }
    why = {};
    return true;
}

void Admission::note_taken(Pass& pass, uint32_t slice, uint64_t units) noexcept {
    if (pass.tokens == 0) pass.first_slice = slice;
    pass.last_tokens = pass.tokens != 0 && pass.token_slice == slice ? pass.last_tokens + units : units;
    pass.token_slice = slice;
    pass.tokens += units;
}

/// The latest first: they count the longest. What is older than those goes by the reservation's slice.
void Admission::give_back_tokens(Pass& pass, uint64_t units) noexcept {
    units = std::min(units, pass.tokens);
    const uint64_t of_last = std::min(units, pass.last_tokens);
    pass.tokens -= units;
    pass.last_tokens -= of_last;
    if (of_last > 0) pass.row.tokens->give_back(pass.token_slice, of_last);
    if (units > of_last) pass.row.tokens->give_back(pass.first_slice, units - of_last);
}

bool Admission::reserve(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept {
    if (!take_tokens(now_ms, tokens, why)) return false;
    if (counts_tokens()) reserved_ += tokens;
    return true;
}

bool Admission::extend(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept {
    return reserve(now_ms, tokens, why);
}

void Admission::overdraw(uint64_t now_ms, uint64_t tokens_used) noexcept {
    for (size_t i = 0; i < count_; ++i) {
        Pass& pass = passes_[i];
        const WindowTerms& terms = pass.of->terms.tokens;
        if (!terms.limits() || tokens_used <= pass.tokens) continue;
        const uint64_t units = tokens_used - pass.tokens;
        note_taken(pass, pass.row.tokens->charge(terms, now_ms, units), units);
    }
    if (counts_tokens()) reserved_ = std::max(reserved_, tokens_used);
}

void Admission::leave(uint64_t now_ms, uint64_t tokens_used) noexcept {
    for (size_t i = 0; i < count_; ++i) {
        Pass& pass = passes_[i];
        const WindowTerms& terms = pass.of->terms.tokens;
        if (terms.limits() && tokens_used < pass.tokens)
            give_back_tokens(pass, pass.tokens - tokens_used);
        else if (terms.limits() && tokens_used > pass.tokens)
            pass.row.tokens->charge(terms, now_ms, tokens_used - pass.tokens);
        leave_place(*pass.row.level);
    }
    count_ = 0;
    reserved_ = 0;
}

void Admission::abandon(Pass& pass) noexcept {
    const LimitTerms& terms = pass.of->terms;
    pass.row.level->burst.give_back(terms.burst, 1);
    if (terms.requests.limits()) pass.row.requests->give_back(pass.request_slice, 1);
    if (terms.tokens.limits()) give_back_tokens(pass, pass.tokens);
    leave_place(*pass.row.level);
}

void Admission::abandon() noexcept {
    for (size_t i = 0; i < count_; ++i) abandon(passes_[i]);
    count_ = 0;
    reserved_ = 0;
}

void Admission::abandon_last() noexcept {
    if (count_ == 0) return;
    count_ -= 1;
    abandon(passes_[count_]);
    if (!counts_tokens()) reserved_ = 0;
}

uint64_t OutputHabit::expected(std::string_view model, uint64_t otherwise) const noexcept {
    const uint64_t known = averages_[index_of(model)].value();
    return known != 0 ? known : otherwise;
}

void OutputHabit::note(std::string_view model, uint64_t tokens) noexcept {
    averages_[index_of(model)].record(std::max<uint64_t>(tokens, 1));
}

std::shared_ptr<RateWindow> LimitTable::window(std::string_view identity, const WindowTerms& terms, uint64_t now_ms) {
    std::erase_if(windows_, [](const auto& one) { return one.second.window.expired(); });
    auto made = std::make_shared<RateWindow>();
    if (const auto it = windows_.find(identity); it != windows_.end()) {
        KnownWindow& known = it->second;
        if (const auto found = known.window.lock(); found != nullptr) {
            if (known.terms.slice_ns == terms.slice_ns) {
                known.terms = terms;
                return found;
            }
            made->charge(terms, now_ms, found->used(known.terms, now_ms));
        }
    }
    windows_[std::string(identity)] = {made, terms};
    return made;
}

std::shared_ptr<LimitLevel> LimitTable::level(std::string_view identity) {
    return find_or_make<LimitLevel>(levels_, identity);
}

std::shared_ptr<OutputHabit> LimitTable::habit(std::string_view consumer) {
    return find_or_make<OutputHabit>(habits_, consumer);
}

namespace {

std::shared_ptr<AddressLimits> find_or_make_table(std::weak_ptr<AddressLimits>& kept, const LimitTerms& terms,
                                                  size_t count) {
    auto known = kept.lock();
    if (known != nullptr && known->fits(terms, count)) return known;
    known = std::make_shared<AddressLimits>(terms, count);
    kept = known;
    return known;
}

}  // namespace

std::shared_ptr<AddressLimits> LimitTable::addresses(const LimitTerms& terms, size_t address_count) {
    return find_or_make_table(addresses_, terms, address_count);
}

std::shared_ptr<AddressLimits> LimitTable::bearers(const LimitTerms& terms, size_t count) {
    return find_or_make_table(bearers_, terms, count);
}

std::shared_ptr<Lockout> LimitTable::lockout(const LockoutTerms& terms) {
    if (terms.failures == 0) return nullptr;
    auto known = lockout_.lock();
    if (known != nullptr && known->terms() == terms) return known;
    known = std::make_shared<Lockout>(terms);
    lockout_ = known;
    return known;
}

}  // namespace loom::tenant
