// Checks of what the guards are to look for.
#include <algorithm>

#include "check/report.h"
#include "loom/base/content_category.h"
#include "loom/base/pii_type.h"
#include "loom/guard/content.h"
#include "loom/guard/leaks.h"
#include "loom/llm/endpoint.h"
#include "plan/security.h"

namespace loom::app {

namespace {

constexpr const char* types_key = "security.pii_detection.types";

void check_type(Report& report, const std::string& key, const std::string& name) {
    if (is_pii_type(name)) return;
    report.error(key, fmt::format("'{}' is no type that can be looked for; there are all, {}", config::printable(name),
                                  fmt::join(pii_type_names, ", ")));
}

void check_content(Report& report) {
    const config::Config& config = report.config;
    constexpr const char* categories_key = "security.content_filtering.categories";
    constexpr const char* words_key = "security.content_filtering.words";
    const auto check_category = [&report](const std::string& key, const std::string& name) {
        if (!content_category(name))
            report.error(key, fmt::format("'{}' is no category; there are {}", config::printable(name),
                                          fmt::join(content_category_names, ", ")));
    };
    const auto& categories = config.list(categories_key);
    const auto& words = config.list(words_key);
    for (const std::string& name : categories) {
        check_category(categories_key, name);
        if (name == content_category_name(ContentCategory::custom))
            report.error(categories_key, fmt::format("custom is what {} has, and need not be named", words_key));
    }
    guard::ContentWords read;
    for (const std::string& phrase : words)
        if (!read.add(phrase))
            report.error(words_key,
                         fmt::format("'{}' has no word, more than {}, one of more than {} bytes, or a letter that is "
                                     "neither Latin nor Cyrillic",
                                     config::printable(phrase), guard::ContentWords::words_max,
                                     guard::ContentWords::word_bytes_max));
    const bool answers = config.text("security.content_filtering.response.action") != "off";
    constexpr const char* severity_key = "security.content_filtering.response.severity";
    if (!answers && config.has(severity_key))
        report.warning(severity_key,
                       "has no effect: security.content_filtering.response.action is off, and answers are not looked "
                       "at");
    if (categories.empty() && words.empty() && (answers || config.boolean("security.content_filtering.enabled")))
        report.error(categories_key,
                     fmt::format("nothing is named, and {} is empty: nothing would be looked for", words_key));
    for (const auto& name : config.names("security.content_filtering.category")) {
        const auto key = fmt::format("security.content_filtering.category.{}.action", name);
        check_category(key, name);
        const bool is_custom = name == content_category_name(ContentCategory::custom);
        const bool is_asked = is_custom ? !words.empty() : std::ranges::find(categories, name) != categories.end();
        if (content_category(name) && !is_asked)
            report.warning(key, fmt::format("nothing looks for '{}': {} does not name it", name,
                                            is_custom ? words_key : categories_key));
    }
}

void check_html(Report& report) {
    for (const std::string& name : report.config.names("route")) {
        const auto key = fmt::format("route.{}.strip_html", name);
        if (!report.config.has(key) || report.config.text(key) == "off") continue;
        if (!report.config.boolean(fmt::format("route.{}.ai_gateway", name)))
            report.error(key, "this route is no AI gateway: nobody here reads its answers");
        else if (!report.config.boolean(fmt::format("route.{}.security", name)))
            report.warning(key, fmt::format("has no effect: route.{}.security is off", name));
    }
}

/// A canary is a secret: no error repeats it.
void check_exfiltration(Report& report) {
    const config::Config& config = report.config;
    constexpr const char* hosts_key = "security.exfiltration.allowed_hosts";
    constexpr const char* canary_key = "security.exfiltration.canary";
    guard::HostList hosts;
    for (const std::string& name : config.list(hosts_key))
        if (!hosts.add(name))
            report.error(hosts_key,
                         fmt::format("'{}' is no name of a host; write example.com or *.example.com, without "
                                     "scheme, port and path, and other letters than ASCII's as xn--",
                                     config::printable(name)));
    if (!hosts.empty() && config.text("security.exfiltration.links") == "off")
        report.warning(hosts_key, "nothing looks at links: security.exfiltration.links is off");
    guard::CanaryWords words;
    size_t place = 0;
    for (const std::string& word : config.list(canary_key)) {
        place += 1;
        if (!words.add(word))
            report.error(canary_key,
                         fmt::format("word {} has less than {} bytes, more than {}, or is too much with "
                                     "those before it (all: {})",
                                     place, guard::CanaryWords::word_bytes_min, guard::CanaryWords::word_bytes_max,
                                     guard::CanaryWords::all_bytes_max));
    }
}

}  // namespace

void check_security(Report& report) {
    const config::Config& config = report.config;
    check_html(report);
    check_content(report);
    check_exfiltration(report);
    for (const std::string& name : config.list(types_key))
        if (name != "all") check_type(report, types_key, name);
    if (config.list(types_key).empty() && config.names("security.rule").empty() &&
        config.boolean("security.pii_detection.enabled"))
        report.error(types_key,
                     "nothing is named: with security.pii_detection.enabled = on, no text would be looked at");
    for (const auto& name : config.names("security.pii_detection.type")) {
        const auto key = fmt::format("security.pii_detection.type.{}.action", name);
        check_type(report, key, name);
        if (is_pii_type(name) && !is_pii_asked_for(config, name))
            report.warning(key, fmt::format("nothing looks for '{}': {} does not name it", name, types_key));
    }
    const auto& directions = config.list("security.pii_detection.direction");
    if (directions.empty()) report.error("security.pii_detection.direction", "must name request, response or both");
    const bool reads_requests = std::ranges::find(directions, "request") != directions.end();
    if (config.text("security.pii_detection.mask") == "reversible" && !reads_requests)
        report.error(
            "security.pii_detection.mask",
            "reversible puts back what was masked in requests, which security.pii_detection.direction does not "
            "name");
    if (config.text("security.pii_detection.mask") == "hash" &&
        config.text("security.pii_detection.hash_key").size() < 16)
        report.error("security.pii_detection.hash_key",
                     "security.pii_detection.mask = hash needs a key of 16 bytes or more: ${LOOM_HASH_KEY}");
    for (const std::string& family : config.list("security.unread"))
        if (!llm::is_passthrough(llm::endpoint_of_name(family)))
            report.error("security.unread",
                         fmt::format("'{}' is no family that can be passed", config::printable(family)));
}

}  // namespace loom::app
