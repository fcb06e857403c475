// Who of a model's candidates may take a request. Each reason to leave one out stands for itself: the one that leaves
// nobody is what the client is told.
#include "selection.h"

#include <fmt/format.h>

#include <algorithm>

#include "exchange.h"
#include "loom/llm/provider_table.h"
#include "realtime.h"
#include "rule_facts.h"

namespace loom::proxy {
namespace {

[[nodiscard]] bool is_by_prompt(route::Strategy strategy) noexcept {
    return strategy == route::Strategy::complexity || strategy == route::Strategy::task;
}

route::CapabilitySet needs_of(const llm::Request& request) noexcept {
    using enum route::Capability;
    route::CapabilitySet needs = 0;
    if (request.has_tools) needs |= route::set_of(tools);
    if (request.has_images) needs |= route::set_of(vision);
    if (request.has_audio) needs |= route::set_of(audio);
    if (request.has_schema) needs |= route::set_of(json_schema);
    return needs;
}

std::string_view model_at(const route::Candidate& candidate, std::string_view model) noexcept {
    return candidate.renamed ? std::string_view(candidate.upstream_model) : model;
}

}  // namespace

Selection& Exchange::selection() {
    if (selection_ == nullptr) selection_ = &text_.make<Selection>();
    return *selection_;
}

/// The model that is asked for: the client's or its arm's, the one that its prompt is for, or the one that stands in.
std::string_view Exchange::routed_model() const noexcept {
    if (failover_ != nullptr && !failover_->model.empty()) return failover_->model;
    return selection_ != nullptr && !selection_->model.empty() ? selection_->model : asked_model();
}

/// Its candidates.
route::ModelMatch Exchange::match() const noexcept { return plan().catalogue.match(routed_model()); }

/// What rules ask of the head, which is gone when they do.
void Exchange::keep_rule_fields(const http::RequestHead& head) {
    const SelectionPlan* const terms = plan().selection.get();
    if (terms == nullptr || terms->rule_headers.empty() || route_->provider_ix >= 0) return;
    const auto kept = text_.make_span<rule::Value>(terms->rule_headers.size());
    for (const http::Header& header : head.headers()) {
        const auto is_it = [&header](const std::string& name) { return http::equal_ignoring_case(header.name, name); };
        const auto name = std::ranges::find_if(terms->rule_headers, is_it);
        if (name == terms->rule_headers.end()) continue;
        rule::Value& value = kept[static_cast<size_t>(name - terms->rule_headers.begin())];
        const bool first = value.kind == rule::Kind::missing;
        value = first ? rule::Value::of_text(text_.keep(header.value)) : rule::Value::unclear();
    }
    selection().headers = kept;
}

const route::Estimate& Exchange::estimate_of(const llm::Request& request) noexcept {
    std::optional<route::Estimate>& made = selection().estimate;
    if (!made) made = estimate_prompt(request);
    return *made;
}

route::Estimate estimate_prompt(const llm::Request& request) noexcept {
    return route::estimate({.text = request.last_user_text,
                            .prompt_bytes = request.prompt_bytes,
                            .message_count = request.message_count,
                            .output_tokens = request.max_tokens,
                            .has_tools = request.has_tools,
                            .has_images = request.has_images,
                            .has_audio = request.has_audio,
                            .has_schema = request.has_schema});
}

/// Of a name that is nobody's model: what the conf says of that very name, lest a slip be taken for one.
route::Strategy Exchange::strategy_of_name(const SelectionPlan& terms) const noexcept {
    for (const auto& [name, strategy] : route_->model_strategies)
        if (name == model_) return strategy;
    for (const auto& [name, strategy] : terms.by_prompt)
        if (tenant::matches_pattern(name, model_)) return strategy;
    return route::Strategy::priority;
}

/// By the strategies complexity and task: which model, or which provider, such a prompt is for.
void Exchange::choose_by_prompt(const llm::Request& request) {
    const SelectionPlan* const terms = plan().selection.get();
    if (terms == nullptr || route_->provider_ix >= 0 || !llm::is_inspected(endpoint_)) return;
    const route::ModelMatch asked = plan().catalogue.match(asked_model());
    const route::Strategy strategy = asked.known ? strategy_of(asked) : strategy_of_name(*terms);
    if (!is_by_prompt(strategy)) return;
    const route::Estimate& estimate = estimate_of(request);
    const PromptTarget& target =
        strategy == route::Strategy::task ? terms->of_task(estimate.task) : terms->of_complexity(estimate.complexity);
    // Whoever may not use that model keeps to the one that it asked for.
    const bool may = target.model.empty() || may_be_led_to(target.model, request);
    if (target.empty() || (!may && asked.known)) return;
    selection().decided = strategy;
    selection().model = target.model;
    selection().preferred_ix = target.provider_ix;
}

/// Which of them may take the request, and who is preferred.
Result<void> Exchange::narrow(const route::ModelMatch& match, const llm::Request& request) {
    route::Tried unfit;
    if (plan().selection != nullptr) {
        LOOM_TRY(keep_to_regions(match, unfit));
        LOOM_TRY(keep_to_rule(match, request, unfit));
        LOOM_TRY(keep_to_able(match, request, unfit));
    }
    keep_to_serving(match, unfit);
    const bool near_first = plan().selection != nullptr && !plan().selection->preferred_regions.empty();
    if (unfit.none() && selection_ == nullptr && !near_first) return {};
    selection().unfit = unfit;
    put_preferred_first(match);
    if (near_first) put_near_first(match);
    return {};
}

Result<void> Exchange::keep_to_regions(const route::ModelMatch& match, route::Tried& unfit) {
    const route::RegionRequirement* broken = nullptr;
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        const route::RegionRequirement* const one = barred_from(match.candidates[i].provider_ix);
        if (one == nullptr) continue;
        unfit.set(i);
        broken = one;
    }
    return unfit.count() < match.candidates.size() ? Result<void>() : refuse_region(*broken);
}

Result<void> Exchange::keep_to_rule(const route::ModelMatch& match, const llm::Request& request, route::Tried& unfit) {
    const route::RoutingRules& rules = plan().selection->rules;
    if (rules.empty() || route_->provider_ix >= 0) return {};
    if (selection_ != nullptr) selection_->rule = nullptr;  // which held for another model
    const auto found = rules.find(RuleFacts(*this, request));
    if (!found) return {};
    selection().rule = &rules[*found];
    unfit |= route::unfit_for(rules[*found], match.candidates);
    return unfit.count() < match.candidates.size() ? Result<void>() : refuse_rule(rules[*found]);
}

/// The first rule that holds of a request whose body is not read; null: none.
const route::RoutingRule* Exchange::rule_of_head() {
    if (plan().selection == nullptr || plan().selection->rules.empty()) return nullptr;
    const llm::Request unread;
    const auto found = plan().selection->rules.find(RuleFacts(*this, unread));
    return found ? &plan().selection->rules[*found] : nullptr;
}

Result<void> Exchange::refuse_rule(const route::RoutingRule& rule) {
    detail_ = text_.join("routing", ".rule.", rule.name);
    return fail(Errc::forbidden, Side::downstream,
                "none of the providers that a rule of this gateway leads this request to may be asked for it");
}

/// What cannot be met is refused; a prompt that seems too long is not, since the length is an estimate: then it is the
/// provider who says so.
Result<void> Exchange::keep_to_able(const route::ModelMatch& match, const llm::Request& request, route::Tried& unfit) {
    const route::Capabilities& known = plan().selection->capabilities;
    if (known.empty() || !llm::is_inspected(endpoint_)) return {};
    const route::Needs needs{.what = needs_of(request),
                             .tokens = request.prompt_tokens() + request.output_tokens_max()};
    route::Tried unable, too_short;
    route::CapabilitySet missing = 0;
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        if (unfit[i]) continue;
        const route::Candidate& one = match.candidates[i];
        const std::string_view model = model_at(one, match.model);
        const route::CapabilitySet lacks = known.missing(needs, one.provider_ix, model);
        missing |= lacks;
        unable[i] = lacks != 0;
        too_short[i] = !known.fits_context(needs, one.provider_ix, model);
    }
    unfit |= unable;
    if (unfit.count() == match.candidates.size()) return refuse_needs(missing);
    if ((unfit | too_short).count() < match.candidates.size()) unfit |= too_short;
    return {};
}

/// Who has no such endpoint, and none that the request could be translated for. Where nobody has, the first says so.
void Exchange::keep_to_serving(const route::ModelMatch& match, route::Tried& unfit) const noexcept {
    if (realtime_ == nullptr && (llm::chat_protocol_of(endpoint_) || llm::counts_tokens(endpoint_))) return;
    route::Tried serving;
    for (size_t i = 0; i < match.candidates.size(); ++i)
        serving[i] = !unfit[i] && serves(match.candidates[i], match.model);
    if (serving.none()) return;
    for (size_t i = 0; i < match.candidates.size(); ++i)
        if (!serving[i]) unfit.set(i);
}

bool Exchange::serves(const route::Candidate& candidate, std::string_view model) const noexcept {
    const ProviderPlan& provider = plan().providers[candidate.provider_ix];
    const std::string_view name = model_at(candidate, model);
    const llm::ProviderType& type = llm::type_for_model(*provider.type, name);
    if (realtime_ != nullptr) return llm::takes_endpoint(type, llm::Endpoint::realtime);
    if (llm::is_passthrough(endpoint_))
        return provider.kind != ProviderKind::echo && type.serves_families &&
               provider.instances.front().aws_keys == nullptr &&
               (!llm::is_gemini_family(endpoint_) || type.path == llm::PathStyle::gemini);
    if (llm::takes_endpoint(type, endpoint_)) return true;
    return llm::embed_protocol_of(type, name).has_value();
}

void Exchange::put_preferred_first(const route::ModelMatch& match) {
    selection_->order = {};
    const bool listed = selection_->rule != nullptr && selection_->rule->providers.size() > 1;
    if (!listed && selection_->preferred_ix < 0) return;
    const auto rank = [this](const route::Candidate& one) -> size_t {
        if (one.provider_ix == selection_->preferred_ix) return 0;
        if (selection_->rule == nullptr) return 1;
        const auto& providers = selection_->rule->providers;
        return 1 + static_cast<size_t>(std::ranges::find(providers, one.provider_ix) - providers.begin());
    };
    const auto order = text_.make_span<uint16_t>(match.candidates.size());
    size_t count = 0;
    // By insertion: they are few, and no sort that is stable does without memory.
    for (size_t i = 0; i < match.candidates.size(); ++i) {
        size_t at = count++;
        for (; at > 0 && rank(match.candidates[order[at - 1]]) > rank(match.candidates[i]); --at)
            order[at] = order[at - 1];
        order[at] = static_cast<uint16_t>(i);
    }
    selection_->order = order;
}

// --- where it may go

/// Who is preferred by a rule's order or by what the prompt asks for is preferred wherever it is; strategies that heed
/// no order go by regions all the same.
void Exchange::put_near_first(const route::ModelMatch& match) {
    selection_->regions = {};
    if (!selection_->order.empty() && route::goes_by_order(strategy_of(match))) return;
    const auto ranks = text_.make_span<uint8_t>(match.candidates.size());
    const bool keyed = route_->sticky.by != route::AffinityBy::off;
    plan().selection->preferred_regions.rank(match.candidates, selection_->unfit, keyed,
                                             services_.shard().timers().now_ms(), ranks);
    selection_->regions = ranks;
}

/// A connection to its region was made, and took that long.
void Exchange::note_distance(uint64_t connect_ns) noexcept {
    if (plan().selection == nullptr || provider_ == nullptr || !route_->ai) return;
    const auto provider_ix = static_cast<size_t>(provider_ - plan().providers.data());
    route::RegionState* const region = plan().selection->preferred_regions.row(provider_ix);
    if (region != nullptr) region->note_connect(services_.shard().timers().now_ms(), connect_ns / 1'000);
}

/// The route's (else the gateway's), and the consumer's. Null: none.
std::array<const route::RegionRequirement*, 2> Exchange::region_requirements() const noexcept {
    const SelectionPlan* const terms = plan().selection.get();
    if (terms == nullptr || route_ == nullptr || !route_->ai) return {};
    const auto route_ix = static_cast<size_t>(route_ - plan().routes.data());
    std::array<const route::RegionRequirement*, 2> found{};
    if (!terms->route_regions.empty() && !terms->route_regions[route_ix].empty())
        found[0] = &terms->route_regions[route_ix];
    const bool is_listed = consumer_ != nullptr && consumer_->is_listed();
    if (is_listed && !terms->consumer_regions.empty() && !terms->consumer_regions[consumer_->index].empty())
        found[1] = &terms->consumer_regions[consumer_->index];
    return found;
}

/// What keeps this request from a provider; null where nothing does.
const route::RegionRequirement* Exchange::barred_from(size_t provider_ix) const noexcept {
    for (const route::RegionRequirement* const one : region_requirements())
        if (one != nullptr && !one->admits(provider_ix)) return one;
    return nullptr;
}

/// Before anything leaves, whoever has chosen where it goes.
Result<void> Exchange::check_region() {
    if (provider_ == nullptr || plan().selection == nullptr) return {};
    const auto* const broken = barred_from(static_cast<size_t>(provider_ - plan().providers.data()));
    return broken == nullptr ? Result<void>() : refuse_region(*broken);
}

/// Would this plan keep the request from the provider that it has gone to? One that is gone lies nowhere.
bool Exchange::is_barred_by(const Plan& now) const noexcept {
    const SelectionPlan* const terms = now.selection.get();
    if (terms == nullptr || provider_ == nullptr) return false;
    const auto provider = std::ranges::find(now.providers, provider_->name, &ProviderPlan::name);
    const auto provider_ix = static_cast<size_t>(provider - now.providers.begin());
    const auto route = std::ranges::find(now.routes, route_->name, &RoutePlan::name);
    const auto route_ix = static_cast<size_t>(route - now.routes.begin());
    if (route_ix < terms->route_regions.size() && !terms->route_regions[route_ix].admits(provider_ix)) return true;
    const tenant::Consumer* const consumer =
        consumer_ != nullptr && consumer_->is_listed() ? now.consumers.named(consumer_->name) : nullptr;
    return consumer != nullptr && !terms->consumer_regions.empty() &&
           !terms->consumer_regions[consumer->index].admits(provider_ix);
}

Result<void> Exchange::refuse_region(const route::RegionRequirement& requirement) {
    detail_ = requirement.source();
    return fail(Errc::forbidden, Side::downstream,
                "this request must not leave its region, and nobody there can take it");
}

Result<void> Exchange::refuse_needs(route::CapabilitySet missing) {
    std::string_view names;
    for (uint32_t i = 0; i < route::capability_count; ++i) {
        const auto one = static_cast<route::Capability>(i);
        if ((missing & route::set_of(one)) == 0) continue;
        const std::string_view name = route::capability_name(one);
        names = names.empty() ? name : text_.join(names, ", ", name);
    }
    detail_ = names;
    return fail(Errc::bad_message, Side::downstream,
                "no provider of this model that may be asked can do all that this request needs");
}

/// Which rule or budget led it here, and what its prompt was taken for.
void Exchange::write_selection_lines(http::HeadWriter& head) const {
    if (selection_ == nullptr) return;
    if (selection_->rule != nullptr) head.header("x-loom-rule", selection_->rule->name);
    if (selection_->by_budget) head.header("x-loom-fallback", "budget");
    if (selection_->decided == route::Strategy::priority) return;
    const route::Estimate& estimate = *selection_->estimate;
    if (selection_->decided == route::Strategy::task) {
        head.header("x-loom-task", route::task_name(estimate.task));
    } else {
        const bool large = estimate.complexity >= plan().selection->complexity_threshold;
        std::array<char, 32> text;
        const auto end =
            fmt::format_to_n(text.data(), text.size(), "{:.2f} ({})", estimate.complexity, large ? "large" : "small")
                .out;
        head.header("x-loom-complexity", std::string_view(text.data(), static_cast<size_t>(end - text.data())));
    }
}

}  // namespace loom::proxy
