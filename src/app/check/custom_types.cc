// Checks of kinds of personal data that a conf file adds.
#include <algorithm>

#include "check/report.h"
#include "loom/base/pii_type.h"
#include "plan/custom_types.h"
#include "plan/security.h"

namespace loom::app {

namespace {

constexpr size_t word_bytes_max = 100;

bool is_name(std::string_view name) noexcept {
    const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto goes_on = [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; };
    return name.size() <= guard::CustomTypes::name_bytes_max && is_letter(name.front()) && is_letter(name.back()) &&
           std::ranges::all_of(name, goes_on);
}

/// Where the conf says anything of it, what it is looked for by before all else.
std::string key_of(const config::Config& config, const std::string& name) {
    for (const char* const last : {"pattern", "words", "action", "check", "max_length"})
        if (auto key = fmt::format("security.rule.{}.{}", name, last); config.has(key)) return key;
    return fmt::format("security.rule.{}.pattern", name);
}

/// Named well, and with something to look for.
bool check_one(Report& report, const std::string& name) {
    const auto refuse = [&report](const std::string& key, std::string_view text) {
        report.error(key, text);
        return false;
    };
    const config::Config& config = report.config;
    const std::string pattern_key = fmt::format("security.rule.{}.pattern", name),
                      words_key = fmt::format("security.rule.{}.words", name);
    const bool has_pattern = config.has(pattern_key) && !config.text(pattern_key).empty();
    const auto& words = config.list(words_key);
    const std::string at = key_of(config, name);
    if (is_pii_type(name))
        return refuse(at, fmt::format("'{}' is a type that Loom has already (security.pii_detection.types)", name));
    if (!is_name(name))
        return refuse(at,
                      fmt::format("'{}' is to be the name of a type: {} of a-z, 0-9 and _ at most, a letter at both "
                                  "ends",
                                  config::printable(name), guard::CustomTypes::name_bytes_max));
    if (has_pattern && !words.empty())
        return refuse(at, fmt::format("has {} beside it: a type is looked for by one of them", words_key));
    if (!has_pattern && words.empty())
        return refuse(at, fmt::format("nothing is looked for: give it {} or words", pattern_key));
    for (const std::string& word : words)
        if (word.size() > word_bytes_max)
            return refuse(words_key, fmt::format("'{}...' is longer than {} bytes",
                                                 config::printable(word.substr(0, 20)), word_bytes_max));
    return true;
}

}  // namespace

void check_custom_types(Report& report) {
    const config::Config& config = report.config;
    const auto& names = config.names("security.rule");
    if (names.empty()) return;
    if (names.size() > custom_type_count_max)
        return report.error(key_of(config, names[custom_type_count_max]),
                            fmt::format("is one type more than there may be: {}", custom_type_count_max));
    bool good = true;
    for (const std::string& name : names) good &= check_one(report, name);
    if (!good) return;
    const auto types = custom_types_of(config);
    if (const auto made = guard::CustomTypes::compile(types, 1); !made)
        report.error(key_of(config, types[made.error().index].name),
                     fmt::format("cannot be looked for: {}", made.error().why));
    else if (!config.boolean("security.pii_detection.enabled"))
        report.warning(key_of(config, names.front()), "nothing looks for it: security.pii_detection.enabled is off");
}

}  // namespace loom::app
