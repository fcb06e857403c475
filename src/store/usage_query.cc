#include "usage_query.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::store {
namespace {

constexpr int first_only = 6;  // of the parameters: what UsageQuery::only names

// tenant::team_key_of(); a project is its tenant's as a team is.
constexpr const char* key_of_team =
    "CASE WHEN team = '' OR (tenant = '' AND instr(team, '/') = 0) THEN team ELSE "
    "replace(replace(tenant, '%', '%25'), '/', '%2F') || '/' || team END";
constexpr const char* key_of_project =
    "CASE WHEN project = '' OR (tenant = '' AND instr(project, '/') = 0) THEN project ELSE "
    "replace(replace(tenant, '%', '%25'), '/', '%2F') || '/' || project END";

}  // namespace

const char* usage_column(UsageDimension by) noexcept {
    switch (by) {
        case UsageDimension::consumer: return "consumer";
        case UsageDimension::team: return key_of_team;
        case UsageDimension::tenant: return "tenant";
        case UsageDimension::provider: return "provider";
        case UsageDimension::model: return "model";
        case UsageDimension::provenance: return "provenance";
        case UsageDimension::day: return "day";
        case UsageDimension::project: return key_of_project;
        case UsageDimension::none: return "''";
    }
    return "consumer";
}

bool asks_for_projects(const UsageQuery& query) noexcept {
    const auto is_project = [](const UsageOnly& one) { return one.in == UsageDimension::project; };
    return query.by == UsageDimension::project || std::ranges::any_of(query.only, is_project);
}

std::string usage_condition(const UsageQuery& query, UsageColumn column) {
    std::string text = "day BETWEEN ?1 AND ?2";
    if (query.of_consumer) text += " AND consumer = ?3";
    if (query.after) text += fmt::format(" AND {} > ?5", column(query.by));
    for (size_t i = 0; i < query.only.size(); ++i)
        text += fmt::format(" AND {} = ?{}", column(query.only[i].in), static_cast<size_t>(first_only) + i);
    return text;
}

void bind_condition(Statement& statement, const UsageQuery& query) {
    statement.bind(1, query.from).bind(2, query.to);
    if (query.of_consumer) statement.bind(3, query.consumer);
    if (query.after) statement.bind(5, *query.after);
    for (size_t i = 0; i < query.only.size(); ++i) statement.bind(first_only + static_cast<int>(i), query.only[i].name);
}

std::string usage_group_name(const Statement& row, UsageDimension by) {
    return by == UsageDimension::day ? usage_day_text(row.number(0)) : std::string(row.text(0));
}

}  // namespace loom::store
