#include "plan/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "loom/config/source.h"
#include "loom/proxy/context_plan.h"
#include "loom/proxy/guard_plan.h"

namespace loom::app {
namespace {

using config::Config;

uint64_t cap_at(const Config& config, const std::string& key) {
    return config.has(key) ? static_cast<uint64_t>(config.integer(key)) : 0;
}

proxy::RequestCaps::ByName caps_of(const Config& config, const char* scope) {
    proxy::RequestCaps::ByName caps;
    for (const std::string& name : config.names(fmt::format("rate_limit.{}", scope)))
        if (const uint64_t cap = cap_at(config, fmt::format("rate_limit.{}.{}.max_tokens_per_request", scope, name)))
            caps.emplace(name, cap);
    return caps;
}

/// Nothing after a message.
std::optional<llm::Tokenizer> read_tokenizer(const Config& config, const std::string& name,
                                             std::vector<std::string>& messages) {
    const std::string key = fmt::format("tokenizer.{}.path", name);
    const auto refuse = [&](std::string text) {
        messages.push_back(std::move(text));
        return std::nullopt;
    };
    const std::string pattern_key = fmt::format("tokenizer.{}.pattern", name);
    const auto pattern = llm::split_pattern(config.has(pattern_key) ? config.text(pattern_key) : name);
    if (!pattern)
        return refuse(
            fmt::format("{}: set {} = cl100k_base or o200k_base: the name of the family does not say how it "
                        "splits text",
                        key, pattern_key));
    const std::string& path = config.text(key);
    const auto file = config::system_source().read_file(path, llm::Tokenizer::file_bytes_max);
    if (!file) {
        const bool is_large = file.error().code == Errc::too_large;
        return refuse(
            fmt::format("{}: {} cannot be read: {}", key, path,
                        is_large ? "it is larger than any rank file (32 MiB)" : std::strerror(file.error().sys_errno)));
    }
    auto tokenizer = llm::Tokenizer::parse(*pattern, *file);
    if (tokenizer) return std::move(*tokenizer);
    const llm::Tokenizer::Fault& fault = tokenizer.error();
    if (fault.line == 0) return refuse(fmt::format("{}: {} {}", key, path, fault.what));
    return refuse(fmt::format("{}: {}:{} {}", key, path, fault.line, fault.what));
}

}  // namespace

void fill_request_caps(const Config& config, proxy::Plan& plan) {
    proxy::RequestCaps caps{.all = cap_at(config, "security.max_tokens_per_request"),
                            .tiers = caps_of(config, "tier"),
                            .consumers = caps_of(config, "consumer"),
                            .routes = {},
                            .refuses = config.text("security.max_tokens_policy") == "refuse"};
    for (const proxy::RoutePlan& route : plan.routes)
        caps.routes.push_back(cap_at(config, fmt::format("rate_limit.route.{}.max_tokens_per_request", route.name)));
    if (caps.any()) plan.request_caps = std::make_shared<const proxy::RequestCaps>(std::move(caps));
}

void fill_context(const Config& config, proxy::Plan& plan) {
    const auto action_of = [](std::string_view word) {
        if (word == "refuse") return proxy::OnOverflow::refuse;
        if (word == "flag") return proxy::OnOverflow::flag;
        return word == "trim" ? proxy::OnOverflow::trim : proxy::OnOverflow::serve;
    };
    proxy::ContextPlan context;
    context.answer_tokens = static_cast<uint64_t>(config.integer("context_window.answer_tokens"));
    for (const proxy::RoutePlan& route : plan.routes) {
        const std::string own = fmt::format("route.{}.context_window.on_overflow", route.name);
        context.routes.push_back(action_of(config.text(config.has(own) ? own : "context_window.on_overflow")));
    }
    const auto acts = [](proxy::OnOverflow one) { return one != proxy::OnOverflow::serve; };
    if (std::ranges::any_of(context.routes, acts))
        plan.context = std::make_shared<const proxy::ContextPlan>(std::move(context));
}

void fill_tokenizers(const Config& config, proxy::Plan& plan, std::vector<std::string>& messages) {
    auto tokenizers = std::make_shared<proxy::TokenizerPlan>();
    for (const std::string& name : config.names("tokenizer")) {
        if (!config.has(fmt::format("tokenizer.{}.path", name))) {
            messages.push_back(
                fmt::format("tokenizer.{0}.path is missing: the rest of tokenizer.{0} means nothing "
                            "without its rank file",
                            name));
            continue;
        }
        auto tokenizer = read_tokenizer(config, name, messages);
        if (!tokenizer) continue;
        const std::string models = fmt::format("tokenizer.{}.models", name);
        tokenizers->families.push_back(
            {.name = name,
             .tokenizer = std::move(*tokenizer),
             .models = config.has(models) ? config.list(models) : std::vector<std::string>()});
    }
    if (!tokenizers->families.empty()) plan.tokenizers = std::move(tokenizers);
}

/// The providers' limits and strategies have said so for themselves (fill_routing).
void fill_prompt_wish(const Config& config, proxy::Plan& plan) {
    plan.wants_prompt_tokens |= config.boolean("token_accounting.enabled") || plan.rate_limits != nullptr ||
                                plan.request_caps != nullptr || plan.context != nullptr || plan.selection != nullptr ||
                                plan.access_rules != nullptr || (plan.guard != nullptr && plan.guard->blocks_answers());
}

}  // namespace loom::app
