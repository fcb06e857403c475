// How long usage.db keeps its sums: by day for a while, then by month, then not at all but for what they come to.
//
// A day's rows become their month's, and a month's become what is gone, in transactions of few rows each, so that
// nobody waits for them; wherever that is cut off, every row is counted once. What is gone stays as few rows, by which
// the log's sums can still be compared with the database's.
//
// The tables are made when a row leaves for the first time. They have the columns of the one whose rows leave, whatever
// these are.
#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "database.h"
#include "loom/store/usage.h"

namespace loom::store {

class UsageTable;

/// As the conf has it; 0: for ever.
struct UsageKeep {
    uint64_t days = 0;    // the current one is the first
    uint64_t months = 0;  // likewise
};

/// Days before these are not kept by day, months that begin before these are not kept; 0: all are.
struct RetentionTerms {
    UsageDay days_since = 0;
    UsageDay months_since = 0;
    [[nodiscard]] bool any() const noexcept { return days_since > 0; }
};
/// The day by which it is told what may go. What goes does not come back, so a clock alone does not say so: it is not
/// believed further than a day behind the newest that had sums when Loom started, and the days that it runs.
[[nodiscard]] UsageDay retention_today(UsageDay clock, UsageDay newest_at_start, uint64_t uptime_ms) noexcept;

/// On `today`. Never what a budget asks for (the current day, its week from Monday on, its month), and where sums are
/// shared no day that is told to others.
[[nodiscard]] RetentionTerms retention_terms(const UsageKeep& keep, UsageDay today, bool shared);

class UsageRetention {
  public:
    /// table  of rows by day, whose primary key has all that is no sum; a literal.
    /// stays  one of that key, by which what is gone is told apart all the same; a literal. "": there is one row of it.
    [[nodiscard]] static DatabaseResult<UsageRetention> begin(Database& database, const char* table,
                                                              const char* stays = "");

    /// What has left goes on, rows_max of it at most, in one transaction. False: nothing more has to go.
    [[nodiscard]] DatabaseResult<bool> step(Database& database, const RetentionTerms& terms);
    static constexpr int64_t rows_max = 500;

    /// Months of [from, to] that are kept as such, as a part of a statement behind "SELECT * FROM <table>"; "" for
    /// none.
    [[nodiscard]] std::string month_rows(UsageDay from, UsageDay to) const;
    /// Likewise: all months that are kept, and what is gone.
    [[nodiscard]] std::string all_rows() const;
    /// What was kept and is not any more.
    [[nodiscard]] DatabaseResult<UsageSums> gone(Database& database, std::string_view sum_columns,
                                                 UsageSums (*read)(const Statement& row, int at)) const;
    /// From when on days, and months, are kept: of all tables.
    [[nodiscard]] static DatabaseResult<UsageKept> kept(Database& database);

  private:
    struct Columns {
        std::vector<std::string> names;  // of the primary key, day among them
        std::vector<std::string> sums;
    };
    using Row = std::vector<std::string>;  // names, then sums
    [[nodiscard]] DatabaseResult<Columns> columns_of(Database& database) const;
    [[nodiscard]] DatabaseResult<void> make_tables(Database& database);
    [[nodiscard]] DatabaseResult<bool> leave(Database& database, const RetentionTerms& terms);
    [[nodiscard]] static DatabaseResult<std::vector<Row>> oldest(Database& database, const Columns& columns,
                                                                 const std::string& from, UsageDay before);
    [[nodiscard]] static DatabaseResult<void> add(Database& database, const Columns& columns, const std::string& to,
                                                  const std::vector<Row>& rows);
    [[nodiscard]] static DatabaseResult<void> drop(Database& database, const Columns& columns, const std::string& from,
                                                   const std::vector<Row>& rows);

    std::string days_ = "usage";  // the tables' names
    std::string months_;
    std::string gone_;
    const char* stays_ = "";
    bool has_tables_ = false;
    bool made_tables_ = false;  // in the transaction at hand
};

/// When the service does it: a step at a time, as long as there is something to do, then again in a minute.
class RetentionWork {
  public:
    /// lock  of the table.      notice  what has failed, once.
    void go_on(UsageTable& table, std::mutex& lock, const UsageKeep& keep, bool shared,
               const std::function<void(std::string)>& notice);

    /// Before anything is booked of this start.
    void begin(UsageTable& table);

  private:
    uint64_t next_ms_ = 0;
    uint64_t begun_ms_ = 0;
    UsageDay newest_ = -1;  // of the days that have sums, at the start; -1: none had
    bool told_clock_ = false;
    std::string told_;
};

}  // namespace loom::store
