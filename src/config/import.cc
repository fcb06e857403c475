#include "loom/config/import.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <tuple>

#include "import_value.h"
#include "import_writer.h"
#include "key_tree.h"
#include "lexer.h"
#include "loom/config/config.h"
#include "suggest.h"
#include "yaml_tree.h"

namespace loom::config {

namespace {

using Kind = YamlNode::Kind;

/// Where the walk stands: the keys that may follow, and the flat key up to here.
struct Spot {
    const KeyNode* node;
    std::string path;

    [[nodiscard]] std::string key_of(std::string_view segment) const {
        return path.empty() ? std::string(segment) : fmt::format("{}.{}", path, segment);
    }
};

bool holds_mappings(const YamlNode& list) {
    return std::ranges::any_of(list.items, [](const YamlNode* item) { return item->kind == Kind::mapping; });
}
bool holds_named_items(const YamlNode& value) { return value.kind == Kind::mapping || holds_mappings(value); }

/// What keys an item of a list: the first of these that it has.
const YamlNode::Pair* name_pair(const YamlNode& item) {
    for (const std::string_view word : {"name", "id", "consumer"}) {
        const auto found =
            std::ranges::find_if(item.pairs, [word](const auto& pair) { return pair.key->text == word; });
        if (found != item.pairs.end()) return &*found;
    }
    return nullptr;
}

class Importer {
  public:
    Importer(const std::string& file, const Schema& schema, std::vector<Diagnostic>& diagnostics)
        : file_(file), schema_(schema), tree_(make_key_tree(schema)), diagnostics_(diagnostics) {}

    std::string run(const YamlDocument& document) {
        const YamlNode& root = *document.root;
        if (root.kind != Kind::mapping) {
            error(root.place, "expected keys at the top: ai_gateway, routes, listeners");
            return "";
        }
        learn_consumers(root);
        for (const auto& pair : root.pairs) take_top(pair);
        return write_flat(entries_, document, file_);
    }

  private:
    /// `ai_gateway` is dropped, but for its own switch.
    void take_top(const YamlNode::Pair& pair) {
        const Spot top{tree_.get(), ""};
        if (pair.key->text != "ai_gateway" || pair.value->kind != Kind::mapping) return take(top, pair);
        for (const auto& below : pair.value->pairs) {
            const bool is_switch = below.key->text == "enabled";
            take(is_switch ? Spot{tree_->word("ai_gateway"), "ai_gateway"} : top, below);
        }
    }

    void take(const Spot& spot, const YamlNode::Pair& pair) {
        value_count_ += 1 + pair.value->items.size();
        const bool is_too_much = value_count_ > yaml_value_count_max || flat_bytes_ > file_bytes_max;
        if (is_too_much || diagnostics_.size() >= diagnostic_count_max) return stop(pair);
        const auto next = step(spot, pair);
        if (next) take_value(*next, pair);
    }

    /// Says once that the rest is not looked at: aliases of aliases, or a file of something else.
    void stop(const YamlNode::Pair& pair) {
        if (stopped_) return;
        stopped_ = true;
        std::string text = "too many errors, the rest is not read";
        if (value_count_ > yaml_value_count_max)
            text = fmt::format("aliases make it more than {} values", yaml_value_count_max);
        else if (flat_bytes_ > file_bytes_max)
            text = fmt::format("up to here it makes more than the {} bytes that a flat file may have; import it in "
                               "parts, which an `include` joins",
                               file_bytes_max);
        error(pair.key->place, std::move(text));
    }

    /// One segment further: a word of the table, a plural's singular, or a name of the user's.
    std::optional<Spot> step(const Spot& spot, const YamlNode::Pair& pair) {
        const auto& text = pair.key->text;
        const KeyNode* word = spot.node->word(text);
        const std::string singular = singular_of(text);
        const KeyNode* container = spot.node->word(singular);
        const bool is_container = container != nullptr && container->named != nullptr;
        if (is_container && (word == nullptr || (word->is_leaf() && holds_named_items(*pair.value)))) {
            if (word != nullptr) keep_names(spot.key_of(text), pair);
            return Spot{container, spot.key_of(singular)};
        }
        if (word != nullptr) return Spot{word, spot.key_of(text)};
        if (spot.node->named != nullptr) return step_to_name(spot, *pair.key);
        unknown(spot, *pair.key);
        return std::nullopt;
    }

    std::optional<Spot> step_to_name(const Spot& spot, const YamlNode& name) {
        if (fits(spot.node->name_kind, name.text)) return Spot{spot.node->named.get(), spot.key_of(name.text)};
        const auto* allowed = spot.node->name_kind == PatternPart::Kind::name
                                  ? "letters, digits, _ and - only; choose such a name"
                                  : "any byte but a space, = and #";
        error(name.place,
              fmt::format("'{}' below {} may hold {}", printable(name.text), printable(spot.path), allowed));
        return std::nullopt;
    }

    void unknown(const Spot& spot, const YamlNode& key) {
        const auto written = spot.key_of(key.text);
        auto text = fmt::format("unknown key '{}'", printable(written));
        auto nearest = nearest_word(*spot.node, key.text);
        if (nearest.empty()) nearest = nearest_key(schema_, {}, written);
        if (!nearest.empty()) text += fmt::format(", did you mean '{}'?", printable(nearest));
        error(key.place, text);
    }

    void take_value(const Spot& spot, const YamlNode::Pair& pair) {
        const YamlNode& value = *pair.value;
        if (value.is_null()) return warning(pair.key->place, spot.path, "has no value, so it is not set");
        if (value.kind == Kind::mapping) return take_mapping(spot, pair);
        if (holds_mappings(value)) return take_items(spot, pair);
        const bool is_empty_container = value.kind == Kind::list && value.items.empty() && spot.node->named != nullptr;
        if (spot.node->row == nullptr && is_empty_container) return;
        if (spot.node->row == nullptr) return expected_more(spot, value);
        keep(spot.path, pair.key->place, value);
    }

    void take_mapping(const Spot& spot, const YamlNode::Pair& pair) {
        if (spot.node->is_leaf()) {
            const auto expected = expected_of(*spot.node->row);
            return error(pair.value->place, fmt::format("{}: expected {}, got keys", printable(spot.path), expected));
        }
        for (const auto& below : pair.value->pairs) {
            take(spot.path == "rate_limit.consumer" ? tier_or_consumer(below.key->text) : spot, below);
        }
    }

    void take_items(const Spot& spot, const YamlNode::Pair& pair) {
        if (spot.node->named == nullptr) {
            const auto expected = spot.node->row != nullptr ? expected_of(*spot.node->row) : "keys";
            return error(pair.value->place,
                         fmt::format("{}: expected {}, got a list of items", printable(spot.path), expected));
        }
        std::map<std::string, Place> seen;
        for (const auto* item : pair.value->items) take_item(spot, *item, seen);
    }

    void take_item(const Spot& spot, const YamlNode& item, std::map<std::string, Place>& seen) {
        if (item.kind == Kind::scalar && names_kept_.contains(&item)) return;
        const auto* name = item.kind == Kind::mapping ? name_pair(item) : nullptr;
        if (name == nullptr || name->value->kind != Kind::scalar || name->value->text.empty()) {
            return error(item.place,
                         fmt::format("{}: an item needs a name (name, id or consumer)", printable(spot.path)));
        }
        const YamlNode& text = *name->value;
        const auto [first, is_new] = seen.try_emplace(text.text, text.place);
        if (!is_new) {
            return error(text.place, fmt::format("{}: '{}' is given twice, first at {}", printable(spot.path),
                                                 printable(text.text), to_string(first->second)));
        }
        const auto below = step_to_name(spot.path == "rate_limit.consumer" ? tier_or_consumer(text.text) : spot, text);
        if (!below) return;
        for (const auto& pair : item.pairs) {
            if (&pair != name) take(*below, pair);
        }
        if (item.pairs.size() == 1 && !names_kept_.contains(&text)) {
            warning(text.place, below->path, "says nothing but its name, so it leaves no line");
        }
    }

    /// `rate_limit.consumers.NAME` means a tier first, then a consumer.
    Spot tier_or_consumer(const std::string& name) const {
        const bool is_consumer = consumers_.contains(name) && !tiers_.contains(name);
        const auto* word = is_consumer ? "consumer" : "tier";
        return {tree_->word("rate_limit")->word(word), fmt::format("rate_limit.{}", word)};
    }

    void learn_consumers(const YamlNode& root) {
        const YamlNode* inner = root.find("ai_gateway");
        for (const YamlNode* level : {&root, inner}) {
            const YamlNode* consumers = level != nullptr ? level->find("consumers") : nullptr;
            if (consumers == nullptr) continue;
            for (const auto* item : consumers->items) {
                if (const auto* name = name_pair(*item)) learn_consumer(name->value->text, *item);
            }
            for (const auto& [name, item] : consumers->pairs) learn_consumer(name->text, *item);
        }
    }
    void learn_consumer(const std::string& name, const YamlNode& consumer) {
        consumers_.insert(name);
        if (const YamlNode* tier = consumer.find("tier")) tiers_.insert(tier->text);
    }

    /// A list key whose items say more about each: its names, in their order, are the list.
    void keep_names(const std::string& path, const YamlNode::Pair& pair) {
        YamlNode& names = made_.emplace_back();
        names.kind = Kind::list;
        names.place = pair.value->place;
        names.last_line = pair.key->place.line;
        for (const auto* item : pair.value->items) {
            const auto* name = name_pair(*item);
            const YamlNode* text = item->kind == Kind::scalar ? item : name != nullptr ? name->value : nullptr;
            if (text == nullptr) continue;  // said when the items are taken
            names.items.push_back(text);
            names_kept_.insert(text);
        }
        for (const auto& [name, value] : pair.value->pairs) {
            names.items.push_back(name);
            names_kept_.insert(name);
        }
        keep(path, pair.key->place, names);
    }

    void expected_more(const Spot& spot, const YamlNode& value) {
        const auto* expected = spot.node->named != nullptr ? "items with a name, and keys below each" : "keys below it";
        error(value.place, fmt::format("{}: expected {}", printable(spot.path), expected));
    }

    void keep(const std::string& path, const Place& key_place, const YamlNode& value) {
        const auto match = schema_.match(path);
        const bool has_spelling = path.size() <= key_bytes_max && path.find('#') == std::string::npos;  // X-#: a header
        flat_bytes_ += path.size() + text_bytes(value);  // before anything is made of it
        if (!match || !has_spelling) {
            return error(key_place, fmt::format("'{}' has no spelling in the flat file", printable(path)));
        }
        if (std::string fault = name_fault(*match); !fault.empty()) return error(key_place, std::move(fault));
        const bool several = match->row->repeatable && match->row->type != KeyType::list && value.kind == Kind::list;
        if (!several) return keep_one(*match, path, key_place, value);
        for (const auto* item : value.items) keep_one(*match, path, key_place, *item);
    }

    void keep_one(const Match& match, const std::string& path, const Place& key_place, const YamlNode& value) {
        auto imported = import_value(*match.row, value);
        for (const auto& text : imported.warnings) warning(value.place, path, text);
        if (!imported.flat) {
            return error(value.place, fmt::format("{}: {}", printable(path), imported.flat.error()));
        }
        if (match.canonical.size() + imported.flat->size() + 3 > line_bytes_max) {
            return error(value.place,
                         fmt::format("{}: longer than the {} bytes of a line", printable(path), line_bytes_max));
        }
        if (!match.row->repeatable && is_known(match, path, value, imported)) return;
        const bool is_here = value.place.line >= key_place.line;  // an alias's value stands elsewhere
        entries_.push_back(
            {match.canonical, std::move(*imported.flat), key_place, is_here ? value.last_line : key_place.line});
    }

    /// Two spellings of one key, `routing.providers[].priority` and `providers[].priority`, may say the same twice.
    bool is_known(const Match& match, const std::string& path, const YamlNode& value, const ImportedValue& imported) {
        const auto [first, is_new] = given_.try_emplace(match.canonical, Given{path, value.place, imported});
        if (is_new) return false;
        const Given& given = first->second;
        const bool same =
            *given.value.flat == *imported.flat || (given.value.parsed && imported.parsed &&
                                                    same_value(match.row->type, *given.value.parsed, *imported.parsed));
        if (!same) {
            error(value.place, fmt::format("{}: has another value at {}, as {}; keep one of them", printable(path),
                                           to_string(given.place), printable(given.path)));
        }
        return true;
    }

    void error(const Place& place, std::string text) { diagnostics_.push_back({place, true, std::move(text), ""}); }
    void warning(const Place& place, const std::string& path, std::string_view text) {
        diagnostics_.push_back({place, false, fmt::format("{}: {}", printable(path), text), path});
    }

    struct Given {
        std::string path;  // as the YAML spells it
        Place place;
        ImportedValue value;
    };

    const std::string& file_;
    const Schema& schema_;
    std::unique_ptr<const KeyNode> tree_;
    std::vector<Diagnostic>& diagnostics_;
    std::vector<ImportedEntry> entries_;
    std::map<std::string, Given> given_;    // by canonical key
    std::deque<YamlNode> made_;             // lists of names
    std::set<const YamlNode*> names_kept_;  // names that such a list holds
    std::set<std::string> consumers_;       // that the YAML defines
    std::set<std::string> tiers_;           // that its consumers are in
    size_t value_count_ = 0;
    size_t flat_bytes_ = 0;  // of the flat file, or a little less
    bool stopped_ = false;
};

void sort_by_place(std::vector<Diagnostic>& diagnostics) {
    std::vector<std::tuple<uint32_t, uint32_t, size_t>> order;  // the index keeps what stands at one place in its order
    for (size_t i = 0; i < diagnostics.size(); i++) {
        order.emplace_back(diagnostics[i].place.line, diagnostics[i].place.column, i);
    }
    std::ranges::sort(order);
    std::vector<Diagnostic> sorted;
    for (const auto& [line, column, index] : order) sorted.push_back(std::move(diagnostics[index]));
    diagnostics = std::move(sorted);
}

}  // namespace

Imported import_yaml(std::string_view yaml, const std::string& file, const Schema& schema) {
    Imported imported;
    if (yaml.size() > file_bytes_max) {
        imported.diagnostics.push_back({{file, 0, 0}, true, fmt::format("more than {} bytes", file_bytes_max), ""});
        return imported;
    }
    const YamlDocument document = read_yaml(yaml, file, imported.diagnostics);
    if (document.root != nullptr) imported.conf = Importer(file, schema, imported.diagnostics).run(document);
    sort_by_place(imported.diagnostics);
    if (has_error(imported.diagnostics)) imported.conf.clear();
    return imported;
}

}  // namespace loom::config
