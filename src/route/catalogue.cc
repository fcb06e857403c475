#include "loom/route/catalogue.h"

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/edit_distance.h"

namespace loom::route {
namespace {

constexpr std::string_view default_model = "default";
constexpr size_t nearest_max = 3;

bool is_pattern(std::string_view name) noexcept { return name.ends_with('*'); }

/// Does a list item stand for `name`, which may be a pattern itself?
bool covers(std::string_view item, std::string_view name) noexcept {
    if (!is_pattern(item)) return item == name;
    item.remove_suffix(1);
    if (is_pattern(name)) name.remove_suffix(1);
    return name.starts_with(item);
}

/// One is the other without its end: a date or a size left out, or added.
bool shortened(std::string_view a, std::string_view b) noexcept {
    constexpr size_t common_bytes_min = 3;
    const size_t common = std::min(a.size(), b.size());
    return common >= common_bytes_min && a.substr(0, common) == b.substr(0, common);
}

std::string quote_json(std::string_view text) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    return out += '"';
}

const Candidate* first_in_use(const std::vector<Candidate>& candidates) {
    for (const Candidate& one : candidates)
        if (one.weight_now() > 0) return &one;
    return nullptr;
}

}  // namespace

bool is_model_name(std::string_view name) noexcept {
    return !name.empty() && name.substr(0, name.size() - 1).find('*') == name.npos;
}

bool is_one_model(std::string_view name) noexcept { return !name.empty() && !is_pattern(name); }

/// Makes a catalogue in one pass over the names that the options mention, in their order.
class CatalogueBuilder {
  public:
    explicit CatalogueBuilder(const CatalogueOptions& options) : options_(options) {}

    std::expected<Catalogue, std::vector<std::string>> build() {
        check();
        if (!errors_.empty()) return std::unexpected(std::move(errors_));
        order_providers();
        collect_names();
        for (const std::string_view name : names_) add_entry(name);
        add_any();
        sort_patterns();
        list_models();
        return std::move(out_);
    }

  private:
    using ProviderIx = uint16_t;

    const ProviderOptions& provider(ProviderIx ix) const { return options_.providers[ix]; }

    std::optional<ProviderIx> index_of(std::string_view name) const {
        for (size_t i = 0; i < options_.providers.size(); ++i) {
            if (options_.providers[i].name == name) return static_cast<ProviderIx>(i);
        }
        return std::nullopt;
    }

    void check() {
        for (size_t i = 0; i < options_.providers.size(); ++i) {
            const ProviderOptions& p = options_.providers[i];
            if (index_of(p.name) != i) errors_.push_back("provider '" + p.name + "' is defined twice");
            if (p.models) {
                for (const std::string& m : *p.models) check_name(m, "provider." + p.name + ".models");
            }
        }
        for (const MappingOptions& m : options_.mappings) {
            check_name(m.model, "model_mapping");
            check_provider(m.provider, "model_mapping." + m.model);
            if (!is_one_model(m.upstream_model))
                errors_.push_back("model_mapping." + m.model + "." + m.provider + " must be one model's name");
        }
        for (const ModelRouteOptions& r : options_.model_routes) {
            check_name(r.model, "routing.model_route");
            check_provider(r.provider, "routing.model_route." + r.model);
        }
        for (const std::string& name : options_.selection) check_provider(name, "routing.providers");
        if (!options_.fallback.empty()) check_provider(options_.fallback, "routing.fallback.provider");
        if (options_.providers.size() > candidates_max)
            errors_.push_back("more than " + std::to_string(candidates_max) + " providers cannot be chosen among");
    }
    void check_name(std::string_view name, const std::string& where) {
        if (!is_model_name(name))
            errors_.push_back(where + ": '" + std::string(name) + "' is no model name; '*' may only stand at its end");
    }
    void check_provider(std::string_view name, const std::string& where) {
        if (!index_of(name)) errors_.push_back(where + ": provider '" + std::string(name) + "' is not defined");
    }

    void order_providers() {
        if (!options_.selection.empty()) {
            for (const std::string& name : options_.selection) {
                const ProviderIx ix = *index_of(name);
                if (std::find(order_.begin(), order_.end(), ix) == order_.end()) order_.push_back(ix);
            }
            return;
        }
        for (size_t i = 0; i < options_.providers.size(); ++i) order_.push_back(static_cast<ProviderIx>(i));
        std::sort(order_.begin(), order_.end(), [&](ProviderIx a, ProviderIx b) {
            return std::pair(provider(a).priority, a) < std::pair(provider(b).priority, b);
        });
    }

    bool lists_nothing(ProviderIx ix) const { return !provider(ix).models && provider(ix).deployments.empty(); }
    const std::vector<std::string>& list_of(ProviderIx ix) const {
        return provider(ix).models ? *provider(ix).models : provider(ix).deployments;
    }

    void collect_names() {
        for (const ProviderIx ix : order_) {
            for (const std::string& name : list_of(ix)) add_name(name);
        }
        for (const MappingOptions& m : options_.mappings) add_name(m.model);
        for (const ModelRouteOptions& r : options_.model_routes) {
            if (r.model != default_model) add_name(r.model);
        }
    }
    void add_name(std::string_view name) {
        if (seen_.try_emplace(std::string(name), 0).second) names_.push_back(name);
    }

    /// The mapping of a model at a provider: of that name, else of the longest pattern that covers it.
    const MappingOptions* mapping_of(std::string_view model, ProviderIx ix) const {
        const MappingOptions* best = nullptr;
        for (const MappingOptions& m : options_.mappings) {
            if (m.provider != provider(ix).name || !covers(m.model, model)) continue;
            if (m.model == model) return &m;
            if (!best || m.model.size() > best->model.size()) best = &m;
        }
        return best;
    }
    /// The provider that a model route names, likewise.
    std::optional<ProviderIx> routed(std::string_view model) const {
        const ModelRouteOptions* best = nullptr;
        for (const ModelRouteOptions& r : options_.model_routes) {
            if (!covers(r.model, model) || (r.model == default_model && model == default_model)) continue;
            if (r.model == model) return index_of(r.provider);
            if (!best || r.model.size() > best->model.size()) best = &r;
        }
        return best ? index_of(best->provider) : std::nullopt;
    }
    /// Now, or once an operator wants it so.
    bool may_be_asked(ProviderIx ix) const { return provider(ix).weight > 0 || provider(ix).control != nullptr; }
    bool takes(ProviderIx ix, std::string_view model) const {
        if (lists_nothing(ix) || mapping_of(model, ix)) return true;
        const auto& list = list_of(ix);
        return std::any_of(list.begin(), list.end(), [&](const std::string& item) { return covers(item, model); });
    }

    Candidate candidate(ProviderIx ix, std::string_view model, uint16_t model_label) const {
        Candidate c;
        c.provider_ix = ix;
        c.provider_label_ix = provider(ix).label_ix;
        c.model_label_ix = model_label;
        c.identity = hash64(provider(ix).name);
        c.priority = provider(ix).priority;
        c.weight = provider(ix).weight;
        c.control = provider(ix).control;
        c.instances = provider(ix).instances;
        c.fallback = provider(ix).name == options_.fallback;
        c.prices = provider(ix).prices;
        c.provider_state = provider(ix).state;
        c.limits = provider(ix).limits;
        const MappingOptions* mapping = mapping_of(model, ix);
        c.renamed = mapping && mapping->upstream_model != model;
        if (mapping)
            c.upstream_model = mapping->upstream_model;
        else if (!is_pattern(model))
            c.upstream_model = model;
        if (!c.upstream_model.empty()) c.quoted_upstream_model = quote_json(c.upstream_model);
        if (c.prices != nullptr && !c.upstream_model.empty())
            c.price = c.prices->find(c.upstream_model, is_pattern(model) ? std::string_view() : model);
        if (options_.model_state)
            c.model_state = options_.model_state(provider(ix), c.upstream_model.empty() ? model : c.upstream_model);
        return c;
    }

    /// The strategy of a name: its own, of the longest pattern that covers it, or everybody's.
    void set_strategy(Catalogue::Set& set, std::string_view model) const {
        const std::pair<std::string, Strategy>* best = nullptr;
        for (const auto& one : options_.model_strategies) {
            if (!covers(one.first, model)) continue;
            if (best == nullptr || one.first == model ||
                (best->first != model && one.first.size() > best->first.size()))
                best = &one;
        }
        set.own_strategy = best != nullptr;
        set.strategy = best != nullptr ? best->second : options_.strategy;
    }

    /// Who is asked when the others have failed stands behind them.
    static void put_fallback_last(std::vector<Candidate>& candidates) {
        const auto one = std::ranges::find(candidates, true, &Candidate::fallback);
        if (one != candidates.end()) std::rotate(one, one + 1, candidates.end());
    }

    void add_entry(std::string_view name) {
        const uint16_t label = options_.model_label ? options_.model_label(name) : uint16_t{0};
        const uint32_t entry = static_cast<uint32_t>(out_.entries_.size());
        Catalogue::Set& set = out_.entries_.emplace_back();
        set_strategy(set, name);
        std::vector<Candidate>& candidates = set.candidates;
        const std::optional<ProviderIx> first = routed(name);
        if (first && may_be_asked(*first)) {
            candidates.push_back(candidate(*first, name, label));
            candidates.back().routed = true;
        }
        for (const ProviderIx ix : order_) {
            if (ix == first || !takes(ix, name) || !may_be_asked(ix)) continue;
            candidates.push_back(candidate(ix, name, label));
        }
        put_fallback_last(candidates);
        warn(name, candidates);
        if (is_pattern(name))
            out_.patterns_.push_back({std::string(name.substr(0, name.size() - 1)), entry});
        else
            out_.exact_.emplace(std::string(name), entry);
    }

    /// A model that is mapped at some providers is meant to fail over by name; one that has no name for it is skipped,
    /// or asked for a name that it may not have.
    void warn(std::string_view name, const std::vector<Candidate>& candidates) {
        const bool mapped = std::any_of(options_.mappings.begin(), options_.mappings.end(),
                                        [&](const MappingOptions& m) { return m.model == name; });
        if (first_in_use(candidates) == nullptr) {
            out_.warnings_.push_back("model '" + std::string(name) + "' has no provider in use");
        } else if (mapped) {
            for (const ProviderIx ix : order_) warn_unmapped(name, ix);
        } else if (!options_.fallback.empty() && !takes(*index_of(options_.fallback), name)) {
            warn_unmapped(name, *index_of(options_.fallback));
        }
    }
    void warn_unmapped(std::string_view name, ProviderIx ix) {
        if (mapping_of(name, ix) || (takes(ix, name) && !lists_nothing(ix))) return;
        const std::string& who = provider(ix).name;
        const std::string key = "model_mapping." + std::string(name) + "." + who;
        const char* what = lists_nothing(ix) ? " has no mapping and would be asked for it by that name: add "
                                             : " is skipped for it: add ";
        out_.warnings_.push_back("model '" + std::string(name) + "': provider '" + who + "'" + what + key);
    }

    void add_any() {
        std::vector<Candidate>& any = out_.any_.candidates;
        set_strategy(out_.any_, "*");
        for (const ProviderIx ix : order_) {
            if (!lists_nothing(ix)) continue;
            any_known_ = true;
            if (may_be_asked(ix)) any.push_back(candidate(ix, "*", 0));
        }
        // The default goes first among those that take any name: it was named for just this.
        for (const ModelRouteOptions& r : options_.model_routes) {
            if (r.model != default_model) continue;
            const ProviderIx ix = *index_of(r.provider);
            any_known_ = true;
            std::erase_if(any, [&](const Candidate& c) { return c.provider_ix == ix; });
            if (!may_be_asked(ix)) continue;
            any.insert(any.begin(), candidate(ix, "*", 0));
            any.front().routed = true;
        }
        put_fallback_last(any);
        out_.any_known_ = any_known_;
    }

    void sort_patterns() {
        std::sort(out_.patterns_.begin(), out_.patterns_.end(), [](const auto& a, const auto& b) {
            return std::pair(b.prefix.size(), a.entry) < std::pair(a.prefix.size(), b.entry);
        });
    }

    void list_models() {
        for (const ProviderOptions& p : options_.providers) out_.provider_names_.push_back(p.name);
        for (const std::string_view name : names_) {
            const auto it = out_.exact_.find(name);
            if (it == out_.exact_.end()) continue;
            if (!out_.entries_[it->second].candidates.empty()) out_.listed_.push_back({it->first, it->second});
        }
    }

    const CatalogueOptions& options_;
    std::vector<std::string> errors_;
    std::vector<ProviderIx> order_;
    std::vector<std::string_view> names_;
    std::unordered_map<std::string, int, StringHash, std::equal_to<>> seen_;
    bool any_known_ = false;
    Catalogue out_;
};

std::expected<Catalogue, std::vector<std::string>> Catalogue::build(const CatalogueOptions& options) {
    return CatalogueBuilder(options).build();
}

const Catalogue::Set* Catalogue::listed(std::string_view model) const noexcept {
    if (const auto it = exact_.find(model); it != exact_.end()) return &entries_[it->second];
    for (const Pattern& p : patterns_) {
        if (model.starts_with(p.prefix)) return &entries_[p.entry];
    }
    return nullptr;
}

const Catalogue::Set* Catalogue::lookup(std::string_view model) const noexcept {
    if (const Set* const entry = listed(model); entry != nullptr) return entry;
    return any_known_ ? &any_ : nullptr;
}

/// The listing views the names of its own catalogue.
Catalogue::Catalogue(const Catalogue& other)
    : entries_(other.entries_),
      exact_(other.exact_),
      patterns_(other.patterns_),
      any_(other.any_),
      any_known_(other.any_known_),
      listed_(other.listed_),
      provider_names_(other.provider_names_),
      warnings_(other.warnings_) {
    for (Listed& model : listed_) model.id = exact_.find(model.id)->first;
}

std::vector<ListedModel> Catalogue::models() const {
    std::vector<ListedModel> models;
    models.reserve(listed_.size());
    for (const auto& [id, entry] : listed_) {
        const Candidate* const owner = first_in_use(entries_[entry].candidates);
        if (owner != nullptr) models.push_back({id, provider_names_[owner->provider_ix]});
    }
    return models;
}

std::span<const Candidate> Catalogue::find(std::string_view model) const noexcept {
    const Set* const set = lookup(model);
    return set != nullptr ? std::span<const Candidate>(set->candidates) : std::span<const Candidate>();
}

bool Catalogue::known(std::string_view model) const noexcept { return lookup(model) != nullptr; }

std::vector<size_t> Catalogue::set_sizes() const {
    std::vector<size_t> sizes;
    for (const Set& set : entries_) sizes.push_back(set.candidates.size());
    sizes.push_back(any_.candidates.size());
    return sizes;
}

ModelMatch Catalogue::match_of(const Set* set, std::string_view model) const noexcept {
    if (set == nullptr) return {.model = model};
    const bool any = set == &any_;
    return {.candidates = set->candidates,
            .model = model,
            .known = true,
            .set = static_cast<uint32_t>(any ? entries_.size() : static_cast<size_t>(set - entries_.data())),
            .strategy = set->strategy,
            .own_strategy = set->own_strategy};
}

ModelMatch Catalogue::match(std::string_view asked) const noexcept {
    const Set* const as_listed = listed(asked);
    const size_t mark = as_listed != nullptr ? asked.npos : asked.find_first_of("/:");
    const auto as_asked = [&] {
        const Set* const any = any_known_ ? &any_ : nullptr;
        return match_of(as_listed != nullptr ? as_listed : any, asked);
    };
    if (mark == asked.npos) return as_asked();
    const auto provider = std::ranges::find(provider_names_, asked.substr(0, mark));
    const std::string_view model = asked.substr(mark + 1);
    if (provider == provider_names_.end() || model.empty()) return as_asked();
    const auto provider_ix = static_cast<uint16_t>(provider - provider_names_.begin());
    for (const Set* const set : {listed(model), &any_}) {
        if (set == nullptr) continue;
        const auto one = std::ranges::find(set->candidates, provider_ix, &Candidate::provider_ix);
        if (one == set->candidates.end()) continue;
        ModelMatch match = match_of(set, model);
        match.candidates = {&*one, 1};
        return match;
    }
    return {.model = model};
}

std::vector<std::string_view> Catalogue::nearest(std::string_view model,
                                                 const std::function<bool(std::string_view)>& may_be_told) const {
    if (model.empty()) return {};
    const size_t limit = std::clamp<size_t>(model.size() / 3, 2, 8);
    std::vector<std::pair<size_t, size_t>> near;  // distance, then the order of the list
    for (size_t i = 0; i < listed_.size(); ++i) {
        size_t distance = edit_distance(model, listed_[i].id, limit);
        if (distance > limit && shortened(model, listed_[i].id)) distance = limit;
        if (distance <= limit && (!may_be_told || may_be_told(listed_[i].id))) near.push_back({distance, i});
    }
    std::sort(near.begin(), near.end());
    std::vector<std::string_view> out;
    for (size_t i = 0; i < near.size() && i < nearest_max; ++i) out.push_back(listed_[near[i].second].id);
    return out;
}

}  // namespace loom::route
