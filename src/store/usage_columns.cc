#include "usage_columns.h"

#include <string>

namespace loom::store {

unsigned __int128 money_at(const Statement& row, int at) noexcept {
    return static_cast<unsigned __int128>(static_cast<uint64_t>(row.number(at))) * pico_per_micro +
           static_cast<uint64_t>(row.number(at + 1));
}

void bind_money(Statement& statement, int at, unsigned __int128 money) {
    statement.bind(at, static_cast<int64_t>(money / pico_per_micro));
    statement.bind(at + 1, static_cast<int64_t>(money % pico_per_micro));
}

UsageSums sums_at(const Statement& row, int at) {
    UsageSums sums;
    for (uint64_t* const one : {&sums.requests, &sums.attempts, &sums.input, &sums.cached_input, &sums.cache_write,
                                &sums.cache_write_1h, &sums.output, &sums.reasoning, &sums.unpriced, &sums.estimated})
        *one = static_cast<uint64_t>(row.number(at++));
    sums.cost = money_at(row, at);
    return sums;
}

void bind_sums(Statement& statement, int at, const UsageSums& sums) {
    for (const uint64_t one : {sums.requests, sums.attempts, sums.input, sums.cached_input, sums.cache_write,
                               sums.cache_write_1h, sums.output, sums.reasoning, sums.unpriced, sums.estimated})
        statement.bind(at++, static_cast<int64_t>(one));
    bind_money(statement, at, sums.cost);
}

UsageChange change_at(const Statement& row) {
    UsageChange change;
    change.revision = static_cast<uint64_t>(row.number(0));
    change.name = {.day = row.number(1),
                   .consumer = std::string(row.text(2)),
                   .team = std::string(row.text(3)),
                   .tenant = std::string(row.text(4)),
                   .provider = std::string(row.text(5)),
                   .model = std::string(row.text(6)),
                   .provenance = std::string(row.text(7))};
    change.sums = sums_at(row, 8);
    return change;
}

}  // namespace loom::store
