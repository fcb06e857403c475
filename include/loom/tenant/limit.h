// What clients may ask for: requests and tokens by a window of time, requests at once, and how many of them may come
// together. A limit is for one thing (a consumer, a team, a project, a tenant, a route, a model, an address, all
// together), and a request is under several: it takes of all of them or of none, and what it has taken is settled once,
// at its end.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/base/limit_scope.h"
#include "loom/base/moving_average.h"
#include "loom/base/token_bucket.h"
#include "loom/tenant/budget.h"
#include "loom/tenant/rate_window.h"

namespace loom::tenant {

/// Which of a limit's terms; the order in which they are asked.
enum class LimitKind : uint8_t { concurrent, burst, requests, tokens };
inline constexpr size_t limit_kind_count = 4;

/// What a configuration allows.
struct LimitTerms {
    WindowTerms requests;
    WindowTerms tokens;
    uint64_t requests_window_ms = 60'000;
    uint64_t tokens_window_ms = 60'000;
    BucketTerms burst;            // of requests: what may come at once, and how fast more may follow
    uint32_t concurrent_max = 0;  // requests under way; 0: any number

    [[nodiscard]] bool any() const noexcept {
        return requests.limits() || tokens.limits() || burst.limits() || concurrent_max != 0;
    }
};

/// Shared by all shards, as the windows are.
struct LimitLevel {
    Bucket burst;
    std::atomic<uint32_t> concurrent{0};  // under way
};

/// Where it is kept what has been taken of one thing. Null where nothing is limited.
struct LimitRow {
    RateWindow* requests = nullptr;
    RateWindow* tokens = nullptr;
    LimitLevel* level = nullptr;
};

/// One limited thing of a configuration. Immutable, but for its rows, which it shares with those before it.
/// Where its requests or its tokens are limited in several windows, it has the shortest of each kind and all else, and
/// `longer` is a limit of the next windows alone. Bursts and requests at once are the first's.
struct Limit {
    /// Whose a number is, and its key: a consumer's may be its tier's.
    struct Source {
        LimitScope scope = LimitScope::global;
        std::string key;
    };

    LimitScope scope = LimitScope::global;
    std::string name;  // of the consumer, team, route, model; "" for global and ip
    LimitTerms terms;
    std::array<Source, limit_kind_count> sources;
    std::shared_ptr<RateWindow> requests;
    std::shared_ptr<RateWindow> tokens;
    std::shared_ptr<LimitLevel> level;
    static constexpr size_t windows_max = 4;
    const Limit* longer = nullptr;
    const Limit* first = nullptr;  // of those that are another's longer windows: that one
    // Where rows are a table's: its windows' places among those of a row; of a longer one, behind its first's.
    uint32_t requests_at = 0;
    uint32_t tokens_at = 0;

    [[nodiscard]] LimitRow row() const noexcept { return {requests.get(), tokens.get(), level.get()}; }
    /// Of a table's row, what this limit counts in.
    [[nodiscard]] LimitRow row_in(const LimitRow& of_table) const noexcept {
        return {of_table.requests + requests_at, of_table.tokens + tokens_at, of_table.level};
    }
    /// Of one that is another's longer windows: beside the row that its first has.
    [[nodiscard]] LimitRow row_beside(const LimitRow& of_first) const noexcept {
        if (requests != nullptr || tokens != nullptr) return {requests.get(), tokens.get(), nullptr};
        return {of_first.requests + requests_at, of_first.tokens + tokens_at, nullptr};
    }
    [[nodiscard]] const Limit& whole() const noexcept { return first != nullptr ? *first : *this; }
    /// Of requests or of tokens: in more than one window.
    [[nodiscard]] bool is_in_several(LimitKind kind) const noexcept {
        const Limit* const next = whole().longer;
        return next != nullptr && (kind == LimitKind::tokens ? next->terms.tokens : next->terms.requests).limits();
    }
    [[nodiscard]] const Source& source(LimitKind kind) const noexcept { return sources[static_cast<size_t>(kind)]; }
};

/// Who refused, and when it pays to come again.
struct LimitRefusal {
    const Limit* of = nullptr;  // null: nobody
    LimitKind kind = LimitKind::requests;
    uint64_t wait_ms = 0;  // exact, if nobody else comes before; of requests under way a second, for nobody knows
    /// Anything but spent: it is shared, and this Loom's part of it does not do, though it may have room.
    LeaseLack lack = LeaseLack::spent;
};

/// What one request has taken of the limits that it is under. Whoever has one calls `leave` or `abandon` at the end;
/// the limits and their rows outlive it. Times are those of RateWindow.
class Admission {
  public:
    static constexpr size_t limits_max = limit_scope_count - 1;  // a tier's is its consumer's
    static constexpr size_t passes_max = limits_max * Limit::windows_max;
    static constexpr uint64_t concurrency_wait_ms = 1'000;
    static constexpr uint64_t lease_wait_ms = 1'000;  // at least, of a limit that other Looms share

    Admission() noexcept {}  // which does not touch what only limits of several windows need
    Admission(const Admission& other) noexcept { *this = other; }
    Admission& operator=(const Admission& other) noexcept;

    /// Takes one request of each window, and a place among those under way. False where that is not to be had: then
    /// nothing is taken of this one; what was taken of others, the caller abandons. Of several windows without room
    /// `why` names the one that has some last.
    [[nodiscard]] bool enter(const Limit& limit, const LimitRow& row, uint64_t now_ms, LimitRefusal& why) noexcept;
    /// Takes these tokens of each that it has entered, or of none. Once.
    [[nodiscard]] bool reserve(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept;
    /// The same, for more of them: `why` one of them has no room, or no lease at the moment.
    [[nodiscard]] bool extend(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept;
    /// It has taken so many by now, its reservation among them, and goes on: what of them was not taken of each limit
    /// is booked at once, over the limit too, so that others wait for it as soon as it is used.
    void overdraw(uint64_t now_ms, uint64_t tokens_used) noexcept;
    /// It is over, and took so many tokens: what was not used is given back, what is more is booked. Again is nothing.
    void leave(uint64_t now_ms, uint64_t tokens_used) noexcept;
    /// It was refused: nothing of it counts.
    void abandon() noexcept;
    /// Nothing of it counts for the limit that it entered last.
    void abandon_last() noexcept;
    /// Tokens taken so far; 0 where no limit counts them.
    [[nodiscard]] uint64_t reserved() const noexcept { return reserved_; }
    [[nodiscard]] bool counts_tokens() const noexcept;
    /// The windows that it is under (one of each kind at a time), in the order in which it entered them.
    [[nodiscard]] size_t size() const noexcept { return count_; }
    /// Calls `tell` with each of them, a longer one behind its first, and its row.
    template <class Tell>
    void each(Tell&& tell) const {
        for (size_t i = 0; i < count_; ++i) tell(*passes_[i].of, passes_[i].row);
    }

  private:
    struct Pass {
        const Limit* of;
        LimitRow row;  // of a longer window without a level
        uint32_t request_slice;
        uint32_t token_slice;  // of the last that were taken
        uint64_t tokens;       // taken in all
        uint64_t last_tokens;  // of these, those of that slice
        uint32_t first_slice;  // of the reservation
    };
    [[nodiscard]] bool enter_longer(const Limit& limit, const LimitRow& row, uint64_t now_ms,
                                    LimitRefusal& why) noexcept;
    [[nodiscard]] bool take_tokens(uint64_t now_ms, uint64_t tokens, LimitRefusal& why) noexcept;
    void tell_tokens(size_t refused, uint64_t now_ms, uint64_t tokens, LimitRefusal& why) const noexcept;
    static void note_taken(Pass& pass, uint32_t slice, uint64_t units) noexcept;
    static void give_back_tokens(Pass& pass, uint64_t units) noexcept;
    static void abandon(Pass& pass) noexcept;

    size_t count_ = 0;
    uint64_t reserved_ = 0;
    std::array<Pass, passes_max> passes_;  // count_ of them; last, for the others are never touched
};

/// How long the answers are that a consumer gets, by model: what to expect of the next. In few words: models whose
/// names fall together are one.
class OutputHabit {
  public:
    /// Tokens; nothing known: `otherwise`.
    [[nodiscard]] uint64_t expected(std::string_view model, uint64_t otherwise) const noexcept;
    void note(std::string_view model, uint64_t tokens) noexcept;

  private:
    static constexpr size_t count = 8;
    [[nodiscard]] static size_t index_of(std::string_view model) noexcept { return hash64(model) % count; }
    std::array<MovingAverage, count> averages_;
};

class AddressLimits;
struct RowWindows;
class Lockout;
struct LockoutTerms;

/// The rows of a process, found again by a reload: what was taken stays taken. A row lives as long as a configuration
/// that names it. Of the thread that builds configurations.
class LimitTable {
  public:
    /// Another configuration asks from now on.
    void begin_build() noexcept { build_ += 1; }
    /// identity  what makes it the same thing: "consumer:mobile-app:requests". It may have several windows, each of a
    /// length of its own, by which it is known. One of a length that was not there before has what counted in the
    /// shortest that was no shorter, else in the longest: never less than these know of.
    [[nodiscard]] std::shared_ptr<RateWindow> window(std::string_view identity, const WindowTerms& terms,
                                                     uint64_t now_ms);
    [[nodiscard]] std::shared_ptr<LimitLevel> level(std::string_view identity);
    [[nodiscard]] std::shared_ptr<OutputHabit> habit(std::string_view consumer);
    /// Anew where the number of addresses or a window's length has changed.
    [[nodiscard]] std::shared_ptr<AddressLimits> addresses(const RowWindows& windows, size_t address_count);
    [[nodiscard]] BudgetTable& budgets() noexcept { return budgets_; }
    /// Other Looms share the limits of all but addresses and of whom only tokens name; before the first configuration
    /// is built.
    void share() noexcept { shares_ = true; }
    [[nodiscard]] bool shares() const noexcept { return shares_; }
    /// The same for those whom tokens name.
    [[nodiscard]] std::shared_ptr<AddressLimits> bearers(const RowWindows& windows, size_t count);
    /// Anew where the terms have changed; null where they lock nobody out.
    [[nodiscard]] std::shared_ptr<Lockout> lockout(const LockoutTerms& terms);

  private:
    struct KnownWindow {
        std::weak_ptr<RateWindow> window;
        WindowTerms terms;
        uint64_t build = 0;   // the last configuration that asked for it
        uint64_t before = 0;  // that one's last before; 0: it was made for it
    };
    template <class Row>
    using Rows = std::unordered_map<std::string, Row, StringHash, std::equal_to<>>;
    Rows<std::vector<KnownWindow>> windows_;  // by their lengths
    Rows<std::weak_ptr<LimitLevel>> levels_;
    Rows<std::weak_ptr<OutputHabit>> habits_;
    std::weak_ptr<AddressLimits> addresses_;
    BudgetTable budgets_;
    bool shares_ = false;
    uint64_t build_ = 1;
    std::weak_ptr<AddressLimits> bearers_;
    std::weak_ptr<Lockout> lockout_;
};

}  // namespace loom::tenant
