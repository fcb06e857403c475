#include "plan/security.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <thread>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"
#include "loom/guard/pii.h"
#include "loom/llm/endpoint.h"
#include "plan/custom_types.h"
#include "plan/guards.h"
#include "plan/mark.h"

namespace loom::app {

namespace {

guard::PiiTypes types_of(const config::Config& config) {
    guard::PiiTypes types;
    for (const std::string& name : config.list("security.pii_detection.types")) {
        if (name == "all") {
            for (uint32_t i = 0; i < pii_named_count; ++i)
                if (guard::PiiTypes::reliable().has(static_cast<PiiType>(i))) types.add(static_cast<PiiType>(i));
        } else if (const auto type = guard::pii_type(name)) {
            types.add(*type);
        }
    }
    return types;
}

guard::PiiStrictness strictness_of(const proxy::PiiPlan& pii) {
    guard::PiiStrictness strictness;
    for (uint32_t i = 0; i < pii_type_count; ++i) strictness[i] = static_cast<uint8_t>(pii.actions[i]);
    return strictness;
}

guard::MaskStyle style_of(std::string_view text) {
    if (text == "reversible") return guard::MaskStyle::reversible;
    if (text == "partial") return guard::MaskStyle::partial;
    return text == "hash" ? guard::MaskStyle::hash : guard::MaskStyle::placeholder;
}

proxy::InjectionAction injection_action_of(std::string_view text) {
    if (text == "sanitize") return proxy::InjectionAction::sanitize;
    return text == "log" ? proxy::InjectionAction::log : proxy::InjectionAction::block;
}

/// Of a route.
guard::HtmlMode html_mode_of(const config::Config& config, const std::string& route) {
    const auto own = fmt::format("route.{}.strip_html", route);
    const std::string& mode = config.text(config.has(own) ? own : "security.strip_html");
    if (mode == "scripts") return guard::HtmlMode::scripts;
    return mode == "all" ? guard::HtmlMode::all : guard::HtmlMode::off;
}

bool filters_answers(const config::Config& config) {
    return config.text("security.content_filtering.response.action") != "off";
}

/// Without it the mark is as it was before there was any.
void mark_content(const config::Config& config, Mark& mark) {
    if (!filters_answers(config)) return;
    const auto add_given = [&](const std::string& key) {
        mark.add(config.has(key) ? config.text(key) : std::string());
    };
    mark.add(config.text("security.content_filtering.response.action"));
    mark.add(config.text("security.content_filtering.severity"));
    add_given("security.content_filtering.response.severity");
    for (const char* const key : {"security.content_filtering.categories", "security.content_filtering.words"})
        mark.add_list(config.list(key));
    for (const std::string_view name : content_category_names)
        add_given(fmt::format("security.content_filtering.category.{}.action", name));
}

/// Whatever may make another answer of the same one.
std::string mark_of(const config::Config& config) {
    Mark mark;
    const auto add = [&mark](std::string_view text) { mark.add(text); };
    const auto add_list = [&mark](const std::vector<std::string>& list) { mark.add_list(list); };
    for (const char* const key :
         {"security.pii_detection.action", "security.pii_detection.mask", "security.pii_detection.hash_key"})
        add(config.text(key));
    for (const char* const key :
         {"security.pii_detection.types", "security.pii_detection.exempt", "security.pii_detection.direction"})
        add_list(config.list(key));
    for (const std::string_view name : pii_type_names) {
        const auto own = fmt::format("security.pii_detection.type.{}.action", name);
        add(config.has(own) ? config.text(own) : std::string());
    }
    const auto types = custom_types_of(config);
    mark.add_count(types.size());
    for (const guard::CustomType& type : types) {
        add_list(type.words);
        for (const std::string& text :
             {type.name, type.pattern, fmt::format("{} {}", type.repeat_max, int(type.check))})
            add(text);
        const auto own = fmt::format("security.rule.{}.action", type.name);
        add(config.has(own) ? config.text(own) : std::string());
    }
    mark_external_guards(config, mark);
    add(config.text("security.exfiltration.links"));
    add(config.text("security.exfiltration.system_prompt"));
    for (const char* const key : {"security.exfiltration.allowed_hosts", "security.exfiltration.canary"})
        add_list(config.list(key));
    for (const std::string& name : config.names("route")) {
        const guard::HtmlMode mode = html_mode_of(config, name);
        if (mode == guard::HtmlMode::off) continue;
        add(name);
        mark.add_count(static_cast<size_t>(mode));
    }
    mark_content(config, mark);
    add(config.boolean("security.dry_run") ? "dry" : "");
    const Sha256 digest = sha256(mark.text());
    return fmt::format("{:02x}", fmt::join(std::span(digest).first(16), ""));
}

proxy::GuardAction action_of(std::string_view text) {
    if (text == "block") return proxy::GuardAction::block;
    return text == "log" ? proxy::GuardAction::log : proxy::GuardAction::mask;
}

guard::ContentSeverity severity_of(std::string_view text) {
    using enum guard::ContentSeverity;
    return text == "low" ? low : text == "high" ? high : medium;
}

/// Of requests.
proxy::ContentPlan content_of(const config::Config& config) {
    proxy::ContentPlan content;
    content.severity = severity_of(config.text("security.content_filtering.severity"));
    const auto set_action = [&](ContentCategory category) {
        const auto own = fmt::format("security.content_filtering.category.{}.action", content_category_name(category));
        const std::string& action = config.text(config.has(own) ? own : "security.content_filtering.action");
        content.actions[static_cast<size_t>(category)] =
            action == "log" ? proxy::ContentAction::log : proxy::ContentAction::block;
    };
    for (const std::string& name : config.list("security.content_filtering.categories"))
        if (const auto category = content_category(name)) set_action(*category);
    for (const std::string& phrase : config.list("security.content_filtering.words")) (void)content.words.add(phrase);
    if (!content.words.empty()) set_action(ContentCategory::custom);
    return content;
}

/// Who is counted alone in requests is so in answers.
proxy::ContentPlan answer_content_of(const config::Config& config) {
    using enum proxy::ContentAction;
    proxy::ContentPlan content = content_of(config);
    constexpr const char* severity = "security.content_filtering.response.severity";
    if (config.has(severity)) content.severity = severity_of(config.text(severity));
    const bool blocks = config.text("security.content_filtering.response.action") == "block";
    for (size_t i = 0; i < content_category_count; ++i) {
        if (content.actions[i] == none) continue;
        const auto own = fmt::format("security.content_filtering.category.{}.action", content_category_names[i]);
        content.actions[i] = blocks && !(config.has(own) && config.text(own) == "log") ? block : log;
    }
    return content;
}

/// None where nothing is asked for.
std::optional<proxy::LeakPlan> leaks_of(const config::Config& config) {
    const std::string& links = config.text("security.exfiltration.links");
    const auto& canary = config.list("security.exfiltration.canary");
    const std::string& instructions = config.text("security.exfiltration.system_prompt");
    if (links == "off" && instructions == "off" && canary.empty()) return std::nullopt;
    proxy::LeakPlan leaks;
    leaks.rules.links = links != "off";
    for (const std::string& name : config.list("security.exfiltration.allowed_hosts"))
        (void)leaks.rules.hosts.add(name);
    for (const std::string& word : canary) (void)leaks.rules.canary.add(word);
    leaks.rules.canary.make();
    const auto set_action = [&](LeakKind kind, proxy::GuardAction action) {
        leaks.actions[static_cast<size_t>(kind)] = action;
    };
    if (leaks.rules.links) set_action(LeakKind::link, action_of(links));
    leaks.rules.system_prompt = instructions != "off";
    if (leaks.rules.system_prompt) set_action(LeakKind::system_prompt, action_of(instructions));
    if (!canary.empty()) set_action(LeakKind::canary, proxy::GuardAction::block);
    return leaks;
}

/// Null where there are none.
std::shared_ptr<const guard::CustomTypes> compiled(const std::vector<guard::CustomType>& types) {
    if (types.empty()) return nullptr;
    auto made = guard::CustomTypes::compile(types, std::thread::hardware_concurrency() + 1);
    LOOM_ASSERT(made.has_value());  // the checks have compiled it
    return std::move(*made);
}

}  // namespace

bool is_pii_type(std::string_view name) noexcept { return guard::pii_type(name).has_value(); }

bool is_pii_asked_for(const config::Config& config, std::string_view name) {
    const auto type = guard::pii_type(name);
    return type && types_of(config).has(*type);
}

void fill_security(const config::Config& config, proxy::Plan& plan, observe::Metrics& metrics, TlsFiles& files,
                   std::vector<std::string>& messages) {
    proxy::GuardPlan guards;
    if (config.boolean("security.pii_detection.enabled")) {
        proxy::PiiPlan& pii = guards.pii.emplace();
        const auto set_action = [&](PiiType type, const std::string& own) {
            pii.actions[static_cast<size_t>(type)] =
                action_of(config.text(config.has(own) ? own : "security.pii_detection.action"));
        };
        for (uint32_t i = 0; i < pii_named_count; ++i)
            set_action(static_cast<PiiType>(i),
                       fmt::format("security.pii_detection.type.{}.action", pii_type_names[i]));
        const auto custom = compiled(custom_types_of(config));
        for (uint32_t i = 0; custom != nullptr && i < custom->size(); ++i) {
            const PiiType type = custom_type(i);
            set_action(type, fmt::format("security.rule.{}.action", custom->name(type)));
            pii.series[static_cast<size_t>(type)] = metrics.custom_type(custom->name(type));
        }
        pii.scanner = guard::PiiScanner(types_of(config), strictness_of(pii), custom);
        pii.style = style_of(config.text("security.pii_detection.mask"));
        const std::string& key = config.text("security.pii_detection.hash_key");
        pii.hash_key.assign(key.begin(), key.end());
        for (const std::string& value : config.list("security.pii_detection.exempt")) pii.exempt.add(value);
        const auto& directions = config.list("security.pii_detection.direction");
        pii.requests = std::ranges::find(directions, "request") != directions.end();
        pii.answers = std::ranges::find(directions, "response") != directions.end();
    }
    if (config.boolean("security.prompt_injection.enabled")) {
        using enum guard::InjectionSensitivity;
        const std::string& sensitivity = config.text("security.prompt_injection.sensitivity");
        guards.injection = {.sensitivity = sensitivity == "low"    ? low
                                           : sensitivity == "high" ? high
                                                                   : medium,
                            .action = injection_action_of(config.text("security.prompt_injection.action"))};
    }
    if (config.boolean("security.content_filtering.enabled")) guards.content = content_of(config);
    if (filters_answers(config)) guards.answer_content = answer_content_of(config);
    guards.leaks = leaks_of(config);
    for (proxy::RoutePlan& route : plan.routes) {
        if (route.ai && route.guarded) route.html = html_mode_of(config, route.name);
        guards.strips_html |= route.html != guard::HtmlMode::off;
    }
    fill_guards(config, guards, metrics, files, messages);
    const bool is_alone = guards.is_html_alone();
    if (guards.pii || guards.leaks || guards.answer_content || guards.strips_html || !guards.external.empty())
        guards.mark = mark_of(config);
    guards.dry_run = config.boolean("security.dry_run");
    for (const std::string& family : config.list("security.unread"))
        guards.unread |= llm::set_of(llm::endpoint_of_name(family));
    if (!is_alone || guards.strips_html) plan.guard = std::make_shared<const proxy::GuardPlan>(std::move(guards));
}

}  // namespace loom::app
