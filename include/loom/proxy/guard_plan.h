// What is looked for in requests and answers, and what becomes of it.
#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loom/guard/content.h"
#include "loom/guard/html_strip.h"
#include "loom/guard/injection.h"
#include "loom/guard/leaks.h"
#include "loom/guard/mask.h"
#include "loom/guard/pii_scanner.h"

namespace loom::proxy {

/// The later, the stricter.
enum class GuardAction : uint8_t { log, mask, block };

/// What is looked at: what clients send, or what they get.
enum class GuardSide : uint8_t { request, answer };

struct PiiPlan {
    guard::PiiScanner scanner{guard::PiiTypes{}};
    std::array<GuardAction, pii_type_count> actions{};  // by type
    PiiSeries series = pii_series_of_named();
    guard::MaskStyle style = guard::MaskStyle::placeholder;
    std::vector<uint8_t> hash_key;  // of MaskStyle::hash
    guard::Exemptions exempt;
    bool requests = true;
    bool answers = false;

    [[nodiscard]] bool looks_at(GuardSide side) const noexcept {
        return side == GuardSide::request ? requests : answers;
    }
    /// Does it more than count?
    [[nodiscard]] bool acts() const noexcept {
        return std::ranges::any_of(actions, [](GuardAction action) { return action != GuardAction::log; });
    }
    /// Values that were masked in a request are put back into its answer.
    [[nodiscard]] bool restores() const noexcept { return requests && style == guard::MaskStyle::reversible; }
    [[nodiscard]] GuardAction action(PiiType type) const noexcept { return actions[static_cast<size_t>(type)]; }
};

enum class InjectionAction : uint8_t { log, sanitize, block };

struct InjectionPlan {
    guard::InjectionSensitivity sensitivity = guard::InjectionSensitivity::medium;
    InjectionAction action = InjectionAction::block;
};

enum class ContentAction : uint8_t { none, log, block };

struct ContentPlan {
    std::array<ContentAction, content_category_count> actions{};  // by category
    guard::ContentSeverity severity = guard::ContentSeverity::medium;
    guard::ContentWords words;  // of the category `custom`

    [[nodiscard]] ContentAction action(ContentCategory category) const noexcept {
        return actions[static_cast<size_t>(category)];
    }
    [[nodiscard]] bool acts() const noexcept {
        return std::ranges::find(actions, ContentAction::block) != actions.end();
    }
    /// A bit each category that is looked for.
    [[nodiscard]] uint8_t categories() const noexcept {
        unsigned bits = 0;
        for (size_t i = 0; i < actions.size(); ++i) bits |= (actions[i] != ContentAction::none ? 1u : 0u) << i;
        return static_cast<uint8_t>(bits);
    }
};

struct ExternalGuardPlan;

/// Of answers alone.
struct LeakPlan {
    guard::LeakRules rules;
    std::array<GuardAction, leak_kind_count> actions{};  // by kind; mask: it is taken out

    [[nodiscard]] GuardAction action(LeakKind kind) const noexcept { return actions[static_cast<size_t>(kind)]; }
    [[nodiscard]] bool acts() const noexcept {
        return std::ranges::any_of(actions, [](GuardAction action) { return action != GuardAction::log; });
    }
};

struct GuardPlan {
    std::optional<PiiPlan> pii;
    std::optional<InjectionPlan> injection;
    std::optional<ContentPlan> content;         // of requests
    std::optional<ContentPlan> answer_content;  // of answers
    std::optional<LeakPlan> leaks;
    std::vector<std::shared_ptr<const ExternalGuardPlan>> external;  // asked about requests, all at once
    bool dry_run = false;                                            // all is counted, nothing is changed or refused
    /// Of what is done to answers, and of who is asked about requests: kept answers are of this configuration alone.
    std::string mark;
    bool strips_html = false;  // from answers of some routes (RoutePlan::html)
    uint64_t unread = 0;       // bit i: bodies of family llm::Endpoint(i) pass though no guard reads them

    /// Nothing to do on a route that keeps its HTML?
    [[nodiscard]] bool is_html_alone() const noexcept {
        return !pii && !injection && !content && !answer_content && !leaks && external.empty();
    }
    [[nodiscard]] bool reads_requests() const noexcept { return injection || content || (pii && pii->requests); }
    [[nodiscard]] bool looks_at_answers() const noexcept { return leaks || answer_content || (pii && pii->answers); }
    /// Does it look at answers in order to change or refuse them?
    [[nodiscard]] bool acts_on_answers() const noexcept {
        return (leaks && leaks->acts()) || (answer_content && answer_content->acts()) ||
               (pii && pii->answers && pii->acts());
    }
    /// Does it refuse answers, or end streams?
    [[nodiscard]] bool blocks_answers() const noexcept {
        constexpr auto block = GuardAction::block;
        return (leaks && std::ranges::find(leaks->actions, block) != leaks->actions.end()) ||
               (answer_content && answer_content->acts()) ||
               (pii && pii->answers && std::ranges::find(pii->actions, block) != pii->actions.end());
    }
    [[nodiscard]] bool restores() const noexcept { return pii && pii->restores(); }
    /// May it change what clients get?
    [[nodiscard]] bool tells_answers() const noexcept { return looks_at_answers() || restores(); }
};

}  // namespace loom::proxy
