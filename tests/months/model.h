// What must have been spent, held and booked, by the plainest arithmetic that says it: maps and sums, a calendar that
// counts days one by one, no words, no bits, no threads. What the real ledger and budgets say is compared with this.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace loom::months {

inline constexpr int64_t day_s = 86'400;

/// Which day, week (from Monday) and month a time is in, as numbers that rise, and how the month lies. Of the years
/// that a run may be in.
class Calendar {
  public:
    Calendar();
    struct Periods {
        std::array<int, 3> id{};  // day, week, month
        int month_first_day = 0;
        int month_days = 0;
    };
    [[nodiscard]] const Periods& at(int64_t unix_s) const {
        return days_.at(static_cast<size_t>(unix_s / day_s - first_));
    }
    /// The days, since 1970, of the same day, week or month as this one that are before it or are it, and behind it.
    [[nodiscard]] std::pair<int64_t, int64_t> span(int period, int64_t unix_s) const;

  private:
    static constexpr int64_t first_ = 19'692;  // 2023-12-01, a Friday
    std::vector<Periods> days_;
};

/// What an attempt was booked with.
struct Booked {
    uint64_t requests = 0, attempts = 0, input = 0, output = 0, cached = 0, reasoning = 0, unpriced = 0, untold = 0;
    __int128 cost = 0;  // 10^-12
    void add(const Booked& more);
    bool operator==(const Booked&) const = default;
};

/// The ledger as it must be: each attempt once, on the day of its intent.
class ModelLedger {
  public:
    struct Attempt {
        int64_t day = 0;
        std::string consumer, team, tenant, provider, model;  // team as sums are called: tenant/team
        bool is_first = false;                                // of its request
        uint64_t input = 0, output = 0;                       // as they were expected
        int64_t cost = -1;                                    // of these
    };
    void book(const Attempt& attempt, Booked what);
    void book_lost(const Attempt& attempt);

    using Groups = std::map<std::string, Booked>;
    /// by  consumer, team, tenant, provider, model, day (as its number).
    [[nodiscard]] Groups sums(const std::string& by, int64_t from, int64_t to,
                              const std::string* consumer = nullptr) const;
    [[nodiscard]] Booked total() const;

  private:
    struct Key {
        int64_t day = 0;
        std::string consumer = {}, team = {}, tenant = {}, provider = {}, model = {};
        auto operator<=>(const Key&) const = default;
    };
    std::map<Key, Booked> rows_;
};

/// One budget's meter: what is spent in the period at hand, and what is held in it.
struct ModelMeter {
    using Terms = std::array<uint64_t, 3>;
    struct Hold {
        uint64_t units = 0;
        std::array<int, 3> id{};
    };
    struct LeaseAt {
        int id = -1;
        uint64_t units = 0;
        bool open = false;
    };

    std::array<int, 3> id{};
    std::array<uint64_t, 3> spent{};
    std::array<uint64_t, 3> held{};
    bool shared = false;
    std::array<LeaseAt, 3> lease{};

    [[nodiscard]] uint64_t used(int period, const std::array<int, 3>& now) const;
    [[nodiscard]] uint64_t room(int period, const std::array<int, 3>& now, uint64_t limit) const;
    /// The period that has no room, the longest of them; nothing: it is taken.
    [[nodiscard]] std::optional<int> take(const Terms& terms, const std::array<int, 3>& now, uint64_t units,
                                          Hold& hold);
    [[nodiscard]] bool extend(const Terms& terms, const std::array<int, 3>& now, uint64_t units, Hold& hold);
    void shrink(uint64_t units, Hold& hold);
    void settle(const std::array<int, 3>& now, uint64_t used, Hold& hold);

  private:
    void begin(int period, int now);
};

/// 10^-9, rounded up, of 10^-12.
[[nodiscard]] constexpr uint64_t nano(int64_t money) {
    return money <= 0 ? 0 : (static_cast<uint64_t>(money) + 999) / 1'000;
}

}  // namespace loom::months
