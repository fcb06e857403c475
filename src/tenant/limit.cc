#include "loom/tenant/limit.h"

#include <algorithm>
#include <optional>

#include "loom/base/assert.h"
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

/// Of several windows without room the one that has some last is told of: who comes then is let in by all. One that has
/// room, or lacks no more than a lease, is not among them.
void tell_later(const Limit& limit, LimitKind kind, const LimitRow& row, uint64_t now_ms, uint64_t units,
                LimitRefusal& why) noexcept {
    const bool tokens = kind == LimitKind::tokens;
    const WindowTerms& terms = tokens ? limit.terms.tokens : limit.terms.requests;
    const RateWindow* const window = tokens ? row.tokens : row.requests;
    if (!terms.limits() || window->wait_ms(terms, now_ms, units) <= why.wait_ms) return;
    why = {.of = &limit, .kind = kind};
    tell_window(*window, terms, now_ms, units, why);
}

/// `from` had no room for a request; `of_first` is the row of the limit whose window it is.
[[gnu::noinline]] void tell_requests(const Limit& from, const LimitRow& its, const LimitRow& of_first, uint64_t now_ms,
                                     LimitRefusal& why) noexcept {
    why = {.of = &from, .kind = LimitKind::requests};
    tell_window(*its.requests, from.terms.requests, now_ms, 1, why);
    for (const Limit* one = from.longer; one != nullptr; one = one->longer)
        tell_later(*one, LimitKind::requests, one->row_beside(of_first), now_ms, 1, why);
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

/// Of what counts in a window of that length: the shortest knows it best of those that are no shorter, else the
/// longest.
bool knows_more(const WindowTerms& one, const WindowTerms& than, const WindowTerms& of) noexcept {
    const bool covers = one.slice_ns >= of.slice_ns;
    if (covers != (than.slice_ns >= of.slice_ns)) return covers;
    return covers ? one.slice_ns < than.slice_ns : one.slice_ns > than.slice_ns;
}

}  // namespace

Admission& Admission::operator=(const Admission& other) noexcept {
    count_ = other.count_;
    reserved_ = other.reserved_;
    std::copy_n(other.passes_.begin(), count_, passes_.begin());
    return *this;
}

bool Admission::enter(const Limit& limit, const LimitRow& row, uint64_t now_ms, LimitRefusal& why) noexcept {
    const LimitTerms& terms = limit.terms;
    why = {.of = &limit, .kind = LimitKind::concurrent, .wait_ms = concurrency_wait_ms};
    if (count_ + Limit::windows_max > passes_max || !take_place(*row.level, terms.concurrent_max)) return false;
    if (row.level->burst.take(terms.burst, now_ms, 1)) {
        std::optional<uint32_t> slice = 0;
        if (terms.requests.limits()) slice = row.requests->take(terms.requests, now_ms, 1);
        if (slice) {
            passes_[count_] = {.of = &limit, .row = row, .request_slice = *slice};
            count_ += 1;
            why = {};
            return limit.longer == nullptr || enter_longer(limit, row, now_ms, why);
        }
        row.level->burst.give_back(terms.burst, 1);
        tell_requests(limit, row, row, now_ms, why);
    } else {
        why.kind = LimitKind::burst;
        why.wait_ms = row.level->burst.wait_ms(terms.burst, now_ms, 1);
    }
    leave_place(*row.level);
    return false;
}

/// The shortest first: it refuses the most. Where one of them has no room nothing of the whole limit is taken. Apart,
/// so that a limit in one window has a branch of it alone.
[[gnu::noinline]] bool Admission::enter_longer(const Limit& limit, const LimitRow& row, uint64_t now_ms,
                                               LimitRefusal& why) noexcept {
    for (const Limit* one = limit.longer; one != nullptr; one = one->longer) {
        LOOM_ASSERT(count_ < passes_max);  // a limit has windows_max of them
        const WindowTerms& requests = one->terms.requests;
        const LimitRow its = one->row_beside(row);
        std::optional<uint32_t> slice = 0;
        if (requests.limits()) slice = its.requests->take(requests, now_ms, 1);
        if (!slice) {
            tell_requests(*one, its, row, now_ms, why);
            abandon_last();
            return false;
        }
        passes_[count_] = {.of = one, .row = its, .request_slice = *slice};
        count_ += 1;
    }
    return true;
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
            tell_tokens(i, now_ms, tokens, why);
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

/// By the window that refused, or a longer one of the same limit.
[[gnu::noinline]] void Admission::tell_tokens(size_t refused, uint64_t now_ms, uint64_t tokens,
                                              LimitRefusal& why) const noexcept {
    const Pass& pass = passes_[refused];
    why = {.of = pass.of, .kind = LimitKind::tokens};
    tell_window(*pass.row.tokens, pass.of->terms.tokens, now_ms, tokens, why);
    for (size_t i = refused + 1; i < count_ && passes_[i].row.level == nullptr; ++i)
        tell_later(*passes_[i].of, LimitKind::tokens, passes_[i].row, now_ms, tokens, why);
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

/// The last first, here and below: longer windows of a row before the place that keeps it for this one.
void Admission::leave(uint64_t now_ms, uint64_t tokens_used) noexcept {
    while (count_ > 0) {
        Pass& pass = passes_[--count_];
        const WindowTerms& terms = pass.of->terms.tokens;
        if (terms.limits() && tokens_used < pass.tokens)
            give_back_tokens(pass, pass.tokens - tokens_used);
        else if (terms.limits() && tokens_used > pass.tokens)
            pass.row.tokens->charge(terms, now_ms, tokens_used - pass.tokens);
        if (pass.row.level != nullptr) leave_place(*pass.row.level);
    }
    reserved_ = 0;
}

void Admission::abandon(Pass& pass) noexcept {
    const LimitTerms& terms = pass.of->terms;
    if (terms.requests.limits()) pass.row.requests->give_back(pass.request_slice, 1);
    if (terms.tokens.limits()) give_back_tokens(pass, pass.tokens);
    if (pass.row.level == nullptr) return;
    pass.row.level->burst.give_back(terms.burst, 1);
    leave_place(*pass.row.level);
}

void Admission::abandon() noexcept {
    while (count_ > 0) abandon(passes_[--count_]);
    reserved_ = 0;
}

void Admission::abandon_last() noexcept {
    for (bool longer = true; longer && count_ > 0;) {
        count_ -= 1;
        longer = passes_[count_].row.level == nullptr;
        abandon(passes_[count_]);
    }
    if (!counts_tokens()) reserved_ = 0;
}

uint64_t OutputHabit::expected(std::string_view model, uint64_t otherwise) const noexcept {
    const uint64_t known = averages_[index_of(model)].value();
    return known != 0 ? known : otherwise;
}

void OutputHabit::note(std::string_view model, uint64_t tokens) noexcept {
    averages_[index_of(model)].record(std::max<uint64_t>(tokens, 1));
}

namespace {

/// Of a window that was out of force: what the others have counted meanwhile, as far as it is more.
void catch_up(RateWindow& window, const WindowTerms& terms, const RateWindow& other, const WindowTerms& of_other,
              uint64_t now_ms) {
    RateWindow known;
    known.inherit(terms, other, of_other, now_ms);
    const uint64_t before = window.used(terms, now_ms), since = known.used(terms, now_ms);
    if (since > before) window.charge(terms, now_ms, since - before);
}

}  // namespace

std::shared_ptr<RateWindow> LimitTable::window(std::string_view identity, const WindowTerms& terms, uint64_t now_ms) {
    static constexpr auto expired = [](const KnownWindow& one) { return one.window.expired(); };
    std::erase_if(windows_, [](const auto& one) { return std::ranges::all_of(one.second, expired); });
    std::vector<KnownWindow>& lengths = windows_[std::string(identity)];
    std::erase_if(lengths, expired);
    // Those of configurations before the last, which streams of theirs keep alive, do not know what came since.
    uint64_t newest = 0;
    const auto was_in = [this](const KnownWindow& known) { return known.build < build_ ? known.build : known.before; };
    for (const KnownWindow& known : lengths) newest = std::max(newest, was_in(known));
    KnownWindow* same = nullptr;
    std::shared_ptr<RateWindow> older;
    WindowTerms of_older;
    for (KnownWindow& known : lengths) {
        if (known.terms.slice_ns == terms.slice_ns) same = &known;
        if (was_in(known) < newest || &known == same) continue;
        auto found = known.window.lock();
        if (found == nullptr || (older != nullptr && !knows_more(known.terms, of_older, terms))) continue;
        older = std::move(found);
        of_older = known.terms;
    }
    if (auto found = same != nullptr ? same->window.lock() : nullptr; found != nullptr) {
        if (was_in(*same) < newest && older != nullptr) catch_up(*found, terms, *older, of_older, now_ms);
        same->terms = terms;
        if (same->build < build_) same->before = std::exchange(same->build, build_);
        return found;
    }
    auto made = std::make_shared<RateWindow>();
    if (older != nullptr) made->inherit(terms, *older, of_older, now_ms);
    lengths.push_back({made, terms, build_, 0});
    return made;
}

std::shared_ptr<LimitLevel> LimitTable::level(std::string_view identity) {
    return find_or_make<LimitLevel>(levels_, identity);
}

std::shared_ptr<OutputHabit> LimitTable::habit(std::string_view consumer) {
    return find_or_make<OutputHabit>(habits_, consumer);
}

namespace {

std::shared_ptr<AddressLimits> find_or_make_table(std::weak_ptr<AddressLimits>& kept, const RowWindows& windows,
                                                  size_t count) {
    auto known = kept.lock();
    if (known != nullptr && known->fits(windows, count)) return known;
    known = std::make_shared<AddressLimits>(windows, count);
    kept = known;
    return known;
}

}  // namespace

std::shared_ptr<AddressLimits> LimitTable::addresses(const RowWindows& windows, size_t address_count) {
    return find_or_make_table(addresses_, windows, address_count);
}

std::shared_ptr<AddressLimits> LimitTable::bearers(const RowWindows& windows, size_t count) {
    return find_or_make_table(bearers_, windows, count);
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
