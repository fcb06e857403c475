// Models → candidates: who can answer for a model name, in which order, under which name there.
#pragma once

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "loom/base/hash.h"
#include "loom/route/instances.h"
#include "loom/route/price.h"
#include "loom/route/provider_control.h"
#include "loom/route/strategy.h"
#include "loom/route/target_state.h"

namespace loom::route {

/// One provider that can take a request for a model.
struct Candidate {
    uint16_t provider_ix = 0;        // into the options' providers
    uint16_t provider_label_ix = 0;  // its metrics slot, as given
    uint16_t model_label_ix =
        0;                 // the model's metrics slot: of the configured name or pattern, never of a client's spelling
    bool renamed = false;  // the provider knows the model by another name
    std::string upstream_model;  // the name there; empty when it is whatever the client said (a pattern, any, default)
    std::string quoted_upstream_model;  // the same as a JSON string, quotes included: what is spliced into the body
    uint64_t identity = 0;  // of its provider's name, the same in every process: where keys have their places
    int32_t priority = 0;
    uint32_t weight = 1;                     // the conf's; see weight_now()
    bool routed = false;                     // by routing.model_route: asked before any strategy
    bool fallback = false;                   // asked when the others have failed; last in its set
    const Price* price = nullptr;            // of upstream_model; null: none is known, or it takes any name
    const ProviderPrices* prices = nullptr;  // the provider's; null: it has none
    // Null where the options make none: then it is never known to be unwell.
    std::shared_ptr<TargetState> provider_state;
    std::shared_ptr<TargetState> model_state;        // of this model at this provider
    std::shared_ptr<const InstanceSet> instances;    // null: the provider has one
    std::shared_ptr<const ProviderLimits> limits;    // the provider's; null: none
    std::shared_ptr<const ProviderControl> control;  // null: nobody can say more than the conf does

    /// As an operator has it now; 0: drained.
    [[nodiscard]] uint32_t weight_now() const noexcept { return control != nullptr ? control->weight() : weight; }
    /// asked  the client's name for the model. Null: no price is known. No allocation.
    [[nodiscard]] const Price* price_for(std::string_view asked) const noexcept {
        if (price != nullptr || prices == nullptr || !upstream_model.empty()) return price;
        return prices->find(asked, {});
    }
};

struct ProviderOptions {
    std::string name;
    uint16_t label_ix = 0;
    std::optional<std::vector<std::string>> models;  // names, or prefixes with a trailing '*'; nullopt: any model
    std::vector<std::string> deployments;            // with `models` absent, these are the models
    int32_t priority = 0;                            // the lowest goes first
    uint32_t weight = 1;                             // 0: drained, takes no new request
    const ProviderPrices* prices = nullptr;          // outlives the catalogue and its copies; null: none
    std::shared_ptr<TargetState> state;
    std::shared_ptr<const InstanceSet> instances;
    std::shared_ptr<const ProviderLimits> limits;    // null: none
    std::shared_ptr<const ProviderControl> control;  // with it a drained one stays a candidate: it may come back
};

struct MappingOptions {  // model_mapping.<model>.<provider> = <upstream_model>
    std::string model;
    std::string provider;
    std::string upstream_model;
};

struct ModelRouteOptions {  // routing.model_route.<model> = <provider>; the model `default` is for unknown ones
    std::string model;
    std::string provider;
};

struct CatalogueOptions {
    std::vector<ProviderOptions> providers;  // in file order
    std::vector<MappingOptions> mappings;
    std::vector<ModelRouteOptions> model_routes;
    std::vector<std::string>
        selection;         // routing.providers: selects and orders; empty: all, by priority, then file order
    std::string fallback;  // routing.fallback.provider; "": none
    Strategy strategy = Strategy::priority;
    std::vector<std::pair<std::string, Strategy>> model_strategies;  // routing.model.<model>.strategy
    std::function<uint16_t(std::string_view)> model_label;           // the metrics slot of a configured name; absent: 0
    /// The row of a provider's model, by its name there (a pattern or "*" for names that clients say); absent: none.
    std::function<std::shared_ptr<TargetState>(const ProviderOptions&, std::string_view)> model_state;
};

struct ListedModel {
    std::string_view id;
    std::string_view owned_by;  // the provider that would be asked first
};

/// Who can answer, and for which name.
struct ModelMatch {
    std::span<const Candidate> candidates;  // best first; none: unknown, or (known) all drained
    std::string_view model;                 // the name asked for, without a provider's in front
    bool known = false;
    uint32_t set = 0;  // whose turns these are, of Catalogue::set_sizes()
    Strategy strategy = Strategy::priority;
    bool own_strategy = false;  // by routing.model.<model>.strategy
};

/// What a list of models or a mapping may name: a model, or all whose names begin as it does (`gpt-*`).
[[nodiscard]] bool is_model_name(std::string_view name) noexcept;
/// The same of one model alone.
[[nodiscard]] bool is_one_model(std::string_view name) noexcept;

/// Immutable: part of a configuration snapshot. What it returns lives as long as it does.
///
/// The candidates of a model are the providers that list it (by name, by pattern, or by listing nothing) and those it
/// is mapped to. A model route puts its provider first, whether or not it lists the model; the others stay behind it
/// for failover.
class Catalogue {
  public:
    /// Errors  messages, all of them: an undefined provider, a malformed pattern, a provider defined twice.
    [[nodiscard]] static std::expected<Catalogue, std::vector<std::string>> build(const CatalogueOptions& options);
    Catalogue() = default;
    Catalogue(const Catalogue& other);
    Catalogue(Catalogue&&) = default;
    Catalogue& operator=(Catalogue&&) = default;

    /// Best first: exact name, then the longest pattern, then providers of any model, then the default. Empty: unknown
    /// model (404), or, when known() says so, one whose providers are all drained (503). No allocation.
    [[nodiscard]] std::span<const Candidate> find(std::string_view model) const noexcept;
    [[nodiscard]] bool known(std::string_view model) const noexcept;
    /// The same for a client's spelling: a name that nobody lists may begin with a provider's, `openai/gpt-4o` or
    /// `openai:gpt-4o`, which then alone is asked for the rest.
    [[nodiscard]] ModelMatch match(std::string_view asked) const noexcept;

    /// Up to three names that the client may have meant, nearest first. For the text of a 404.
    /// may_be_told  of a name that this client may hear; absent: all are. Who may not is given the next ones.
    [[nodiscard]] std::vector<std::string_view> nearest(
        std::string_view model, const std::function<bool(std::string_view)>& may_be_told = {}) const;

    /// Every model that can be asked for by name now, merged over providers, in file order: GET /v1/models. A model
    /// whose providers an operator has drained is left out until one of them is back. The views live as long as this
    /// does.
    [[nodiscard]] std::vector<ListedModel> models() const;
    /// Has the conf this very name? Not one of a pattern, nor one that a provider without a list may have.
    [[nodiscard]] bool is_named(std::string_view model) const noexcept { return exact_.contains(model); }
    /// The same whoever is drained.
    [[nodiscard]] size_t model_count() const noexcept { return listed_.size(); }

    /// Of every set.
    template <class Do>
    void each_candidate(Do what) const {
        for (const Set& set : entries_) std::ranges::for_each(set.candidates, what);
        std::ranges::for_each(any_.candidates, what);
    }
    /// How many candidates each set has: a shard keeps one Turn for each.
    [[nodiscard]] std::vector<size_t> set_sizes() const;

    /// What --check should tell, e.g. a failover candidate that has no name for a model ("add
    /// model_mapping.gpt-4.anthropic").
    [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

  private:
    friend class CatalogueBuilder;
    struct Pattern {
        std::string prefix;
        uint32_t entry;
    };
    /// Those who can answer for one name, pattern, or any name.
    struct Set {
        std::vector<Candidate> candidates;
        Strategy strategy = Strategy::priority;
        bool own_strategy = false;
    };
    struct Listed {
        std::string_view id;  // a key of exact_
        uint32_t entry;
    };
    [[nodiscard]] const Set* lookup(std::string_view model) const noexcept;
    [[nodiscard]] const Set* listed(std::string_view model) const noexcept;
    [[nodiscard]] ModelMatch match_of(const Set* set, std::string_view model) const noexcept;

    std::vector<Set> entries_;
    std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> exact_;
    std::vector<Pattern> patterns_;  // longest prefix first
    Set any_;                        // for a name that nobody lists: the default, then providers without a list
    bool any_known_ = false;         // there are such, if drained
    std::vector<Listed> listed_;     // in file order
    std::vector<std::string> provider_names_;
    std::vector<std::string> warnings_;
};

}  // namespace loom::route
