// The only place of libyaml: its events become a tree.
#include "yaml_tree.h"

#include <fmt/format.h>
#include <yaml.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "yaml_comments.h"

namespace loom::config {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string_view view(const yaml_char_t* text) {
    return text == nullptr ? std::string_view() : reinterpret_cast<const char*>(text);
}

size_t count_characters(std::string_view text) {
    return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }));
}

/// One event, freed with it.
class Event {
  public:
    Event() = default;
    Event(const Event&) = delete;
    ~Event() { yaml_event_delete(&event_); }
    yaml_event_t* operator->() { return &event_; }
    yaml_event_t* get() { return &event_; }

  private:
    yaml_event_t event_ = {};
};

/// What usually brought the parser to a problem.
std::string_view remedy_for(std::string_view problem) {
    if (problem.find("cannot start any token") != std::string_view::npos) {
        return "indent with spaces, and quote a value that begins with @, `, % or a tab";
    }
    if (problem.find("mapping values are not allowed") != std::string_view::npos) {
        return "look at the indentation, and quote a value that holds ': '";
    }
    if (problem.find("expected ',' or") != std::string_view::npos) {
        return "close the bracket, and quote what holds { or } inside one: [\"${NAME}\"]";
    }
    if (problem.find("did not find expected key") != std::string_view::npos) return "look at the indentation";
    return "quote a value that holds one of : # { } [ ] , & * ! | > ' \" % @ `";
}

class Reader {
  public:
    Reader(std::string_view text, const std::string& file, std::vector<Diagnostic>& diagnostics)
        : text_(text), file_(file), diagnostics_(diagnostics), character_count_(count_characters(text)) {
        is_ready_ = yaml_parser_initialize(&parser_) == 1;
        if (!is_ready_) return;
        yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
        yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    }
    Reader(const Reader&) = delete;
    ~Reader() {
        if (is_ready_) yaml_parser_delete(&parser_);
    }

    YamlDocument run() {
        const auto* root = is_ready_ ? read_stream() : error({file_, 0, 0}, "there is no memory to read it");
        document_.root = root;
        if (root != nullptr) find_comments(text_, scalars_, document_);
        return std::move(document_);
    }

  private:
    // Each reads up to the end of what its name says; null, with an error said, when it cannot.
    const YamlNode* read_stream() {
        const YamlNode* root = nullptr;
        for (;;) {
            Event event;
            if (!next(event)) return nullptr;
            if (event->type == YAML_STREAM_END_EVENT) break;
            if (event->type != YAML_DOCUMENT_START_EVENT) continue;
            if (root != nullptr) {
                return error(place(event->start_mark),
                             "a second document begins here; put each into a file of its own and import them one by "
                             "one");
            }
            if ((root = read_next(0)) == nullptr) return nullptr;
        }
        if (root == nullptr) return error({file_, 0, 0}, "holds no YAML document");
        return root;
    }

    const YamlNode* read_next(size_t depth) {
        Event event;
        return next(event) ? read_value(event, depth) : nullptr;
    }

    const YamlNode* read_value(Event& event, size_t depth) {
        if (event->type == YAML_ALIAS_EVENT) return read_alias(event);
        if (depth == yaml_depth_max) {
            return error(place(event->start_mark), fmt::format("nested more than {} deep", yaml_depth_max));
        }
        YamlNode* node = make(event);
        if (node == nullptr) return nullptr;
        switch (event->type) {
            case YAML_SCALAR_EVENT: return read_scalar(*node, event);
            case YAML_SEQUENCE_START_EVENT: return read_list(*node, event, depth);
            default: return read_mapping(*node, event, depth);
        }
    }

    const YamlNode* read_alias(Event& event) {
        const std::string name(view(event->data.alias.anchor));
        const auto anchor = anchors_.find(name);
        if (anchor == anchors_.end()) {
            return error(place(event->start_mark), fmt::format("no anchor '&{0}' stands before '*{0}'; quote a value "
                                                               "that begins with *",
                                                               printable(name)));
        }
        if (anchor->second->is_open) {
            return error(place(event->start_mark), fmt::format("'*{}' stands inside its own anchor", printable(name)));
        }
        return anchor->second;
    }

    const YamlNode* read_scalar(YamlNode& node, Event& event) {
        const auto& scalar = event->data.scalar;
        if (!remember(node, event, scalar.anchor, scalar.tag)) return nullptr;
        node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        node.is_plain = scalar.style == YAML_PLAIN_SCALAR_STYLE && scalar.tag == nullptr;
        scalars_.push_back({event->start_mark.index, event->end_mark.index});
        return close(node, event);
    }

    const YamlNode* read_list(YamlNode& node, Event& event, size_t depth) {
        node.kind = YamlNode::Kind::list;
        const auto& list = event->data.sequence_start;
        if (!remember(node, event, list.anchor, list.tag)) return nullptr;
        for (;;) {
            Event item;
            if (!next(item)) return nullptr;
            if (item->type == YAML_SEQUENCE_END_EVENT) return close(node, item);
            const YamlNode* value = read_value(item, depth + 1);
            if (value == nullptr) return nullptr;
            node.items.push_back(value);
        }
    }

    const YamlNode* read_mapping(YamlNode& node, Event& event, size_t depth) {
        node.kind = YamlNode::Kind::mapping;
        const auto& mapping = event->data.mapping_start;
        if (!remember(node, event, mapping.anchor, mapping.tag)) return nullptr;
        std::vector<const YamlNode*> merged;
        for (;;) {
            Event item;
            if (!next(item)) return nullptr;
            if (item->type == YAML_MAPPING_END_EVENT) {
                return merge(node, merged) ? close(node, item) : nullptr;
            }
            const YamlNode* key = read_value(item, depth + 1);
            if (key == nullptr) return nullptr;
            if (key->kind != YamlNode::Kind::scalar) return error(key->place, "a key must be one word");
            const YamlNode* value = read_next(depth + 1);
            if (value == nullptr) return nullptr;
            if (key->is_plain && key->text == "<<") {
                merged.push_back(value);
            } else if (!put(node, key, value)) {
                return nullptr;
            }
        }
    }

    bool put(YamlNode& node, const YamlNode* key, const YamlNode* value) {
        if (const YamlNode* first = find_key(node, key->text); first != nullptr) {
            return refuse(key->place, fmt::format("'{}' is given twice, first at {}", printable(key->text),
                                                  to_string(first->place)));
        }
        keys_[&node].try_emplace(key->text, key);
        node.pairs.push_back({key, value});
        return true;
    }

    /// `<<: *defaults`, or a list of such: what they hold and the mapping does not.
    bool merge(YamlNode& node, const std::vector<const YamlNode*>& merged) {
        for (const auto* value : merged) {
            const std::vector<const YamlNode*> one = {value};
            for (const auto* source : value->kind == YamlNode::Kind::list ? value->items : one) {
                if (source->kind != YamlNode::Kind::mapping) {
                    return refuse(source->place, "'<<' takes mappings only: <<: *anchor");
                }
                for (const auto& pair : source->pairs) {
                    if (!count(pair.key->place)) return false;  // those that are there already take time too
                    if (find_key(node, pair.key->text) != nullptr) continue;
                    keys_[&node].try_emplace(pair.key->text, pair.key);
                    node.pairs.push_back(pair);
                }
            }
        }
        keys_.erase(&node);
        return true;
    }

    const YamlNode* find_key(const YamlNode& node, const std::string& key) {
        const auto& keys = keys_[&node];
        const auto found = keys.find(key);
        return found == keys.end() ? nullptr : found->second;
    }

    YamlNode* make(Event& event) {
        if (!count(place(event->start_mark))) return nullptr;
        auto& node = document_.nodes.emplace_back();
        node.place = place(event->start_mark);
        node.last_line = node.place.line;
        node.is_open = true;
        return &node;
    }

    bool count(const Place& place) {
        value_count_ += 1;
        if (value_count_ <= yaml_value_count_max) return true;
        return refuse(place, fmt::format("more than {} values", yaml_value_count_max));
    }

    /// Notes the anchor; refuses a tag that would need a meaning.
    bool remember(YamlNode& node, Event& event, const yaml_char_t* anchor, const yaml_char_t* tag) {
        if (anchor != nullptr) anchors_[std::string(view(anchor))] = &node;
        constexpr std::string_view known[] = {
            "",           "!",         YAML_STR_TAG, YAML_INT_TAG, YAML_FLOAT_TAG, YAML_BOOL_TAG, YAML_NULL_TAG,
            YAML_SEQ_TAG, YAML_MAP_TAG};
        if (std::ranges::find(known, view(tag)) != std::end(known)) return true;
        return refuse(place(event->start_mark),
                      fmt::format("the tag '{}' means nothing here; leave it out (${{NAME}} reads the environment, "
                                  "${{file:PATH}} a file)",
                                  printable(std::string(view(tag)))));
    }

    /// Behind the end of a block a mark stands at the next token: the last line that is its own is not later than that
    /// of its last part.
    const YamlNode* close(YamlNode& node, Event& event) {
        node.is_open = false;
        const uint32_t end = static_cast<uint32_t>(event->end_mark.line) + (event->end_mark.column == 0 ? 0 : 1);
        const bool is_block = event->start_mark.index == event->end_mark.index;
        if (!is_block) node.last_line = std::max(node.last_line, end);
        for (const auto* item : node.items) node.last_line = std::max(node.last_line, item->last_line);
        for (const auto& pair : node.pairs) node.last_line = std::max(node.last_line, pair.value->last_line);
        return &node;
    }

    bool next(Event& event) {
        if (yaml_parser_parse(&parser_, event.get()) == 1) return true;
        return refuse_text();
    }

    bool refuse_text() {
        const std::string_view problem = parser_.problem == nullptr ? "it cannot be read" : parser_.problem;
        if (parser_.error == YAML_READER_ERROR) {
            return refuse(place_of_byte(parser_.problem_offset),
                          fmt::format("{}; the file must be UTF-8 without control bytes", problem));
        }
        std::string text(problem);
        if (parser_.context != nullptr) {
            text += fmt::format(", {} at line {}", parser_.context, parser_.context_mark.line + 1);
        }
        text += fmt::format("; {}", remedy_for(problem));
        return refuse(place(parser_.problem_mark), std::move(text));
    }

    bool refuse(const Place& place, std::string text) {
        diagnostics_.push_back({place, true, std::move(text), ""});
        return false;
    }
    const YamlNode* error(const Place& place, std::string text) {
        refuse(place, std::move(text));
        return nullptr;
    }

    [[nodiscard]] Place place(const yaml_mark_t& mark) const {
        // libyaml takes the end of the file for the beginning of one more line.
        if (mark.index >= character_count_) return place_of_byte(text_.size());
        return {file_, static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
    }

    [[nodiscard]] Place place_of_byte(size_t offset) const {
        const auto before = text_.substr(0, offset);
        const auto lines = static_cast<uint32_t>(std::ranges::count(before, '\n'));
        const size_t line_start = before.rfind('\n') + 1;  // 0 when there is none
        return {file_, lines + 1, static_cast<uint32_t>(count_characters(before.substr(line_start)) + 1)};
    }

    using Keys = std::map<std::string, const YamlNode*, std::less<>>;

    std::string_view text_;
    const std::string& file_;
    std::vector<Diagnostic>& diagnostics_;
    yaml_parser_t parser_ = {};
    size_t character_count_;
    bool is_ready_ = false;
    YamlDocument document_;
    std::vector<ScalarSpan> scalars_;
    std::map<std::string, YamlNode*> anchors_;
    std::map<const YamlNode*, Keys> keys_;  // of the mappings that are being read
    size_t value_count_ = 0;
};

}  // namespace

bool YamlNode::is_null() const {
    if (kind != Kind::scalar || !is_plain) return false;
    return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

const YamlNode* YamlNode::find(std::string_view key) const {
    for (const auto& pair : pairs) {
        if (pair.key->text == key) return pair.value;
    }
    return nullptr;
}

YamlDocument read_yaml(std::string_view text, const std::string& file, std::vector<Diagnostic>& diagnostics) {
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    return Reader(text, file, diagnostics).run();
}

}  // namespace loom::config
