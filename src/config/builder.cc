#include "builder.h"

#include <fmt/format.h>

#include <algorithm>

namespace loom::config {

namespace {
constexpr size_t suggestion_count_max = 20;  // a file of another program is not compared line by line
}

Builder::Builder(const Schema& schema, const std::string& path, std::vector<Diagnostic>& diagnostics)
    : schema_(schema), diagnostics_(diagnostics), config_(new Config(schema, path)) {}

void Builder::error(const Place& place, std::string text, const std::string& key) {
    diagnostics_.push_back({place, true, std::move(text), key});
}

void Builder::unknown(const RawEntry& entry) {
    unknown_.push_back({diagnostics_.size(), entry.key});
    error(entry.key_place, fmt::format("unknown key '{}'", printable(entry.key)), entry.key);
}

bool Builder::refuses(const Match& match, const RawEntry& entry) {
    std::string fault = name_fault(match);
    if (fault.empty()) return false;
    error(entry.key_place, std::move(fault), entry.key);
    return true;
}

void Builder::add(const Match& match, const RawEntry& entry, const std::string& value) {
    const bool refers = entry.value.find("${") != std::string::npos;
    auto parsed = parse_value(*match.row, value, entry.quoting, refers ? entry.value : value);
    if (!parsed)
        return error(entry.value_place, fmt::format("{}: {}", printable(entry.key), parsed.error()), entry.key);
    keep(match, {std::move(*parsed), entry.key_place, entry.value_place}, entry.key);
}

void Builder::override_with(const Match& match, const RawEntry& entry, const std::string& value) {
    auto& seen = overridden_[match.canonical];
    if (!seen || !match.row->repeatable) config_->entries_.erase(match.canonical);
    seen = true;
    add(match, entry, value);
}

void Builder::keep(const Match& match, Setting setting, const std::string& written) {
    remember_names(match, setting.key_place);
    auto& entry = config_->entries_[match.canonical];
    if (!entry.settings.empty()) return keep_again(entry, match, std::move(setting), written);
    entry.row = match.row;
    entry.settings.push_back(std::move(setting));
    spelling_[match.canonical] = written;
}

void Builder::keep_again(Config::Entry& entry, const Match& match, Setting setting, const std::string& written) {
    const Setting& first = entry.settings.front();
    const auto& first_written = spelling_[match.canonical];
    const bool same = same_value(match.row->type, first.value, setting.value);
    const bool other_spelling = first_written != written;
    if (other_spelling && same) return;
    if (match.row->repeatable && !other_spelling) return entry.settings.push_back(std::move(setting));
    if (other_spelling) {
        return error(setting.value_place,
                     fmt::format("'{}' is another spelling of '{}', which has another value at {}", printable(written),
                                 printable(first_written), to_string(first.value_place)),
                     written);
    }
    error(setting.key_place,
          fmt::format("'{}' is given twice, first at {}", printable(written), to_string(first.key_place)), written);
}

void Builder::remember_names(const Match& match, const Place& place) {
    std::string prefix;
    size_t index = 0;
    for (const auto& part : parse_pattern(match.row->pattern)) {
        if (part.kind == PatternPart::Kind::fixed) {
            prefix += part.text;
            continue;
        }
        const auto& name = match.names[index++];
        auto& named = config_->names_[prefix.substr(0, prefix.size() - 1)];
        if (named.places.try_emplace(name, place).second) named.names.push_back(name);
        prefix += name;
    }
}

std::shared_ptr<const Config> Builder::finish() {
    NamesByPrefix names;
    if (!unknown_.empty()) {
        for (const auto& [prefix, named] : config_->names_) names[prefix] = named.names;
    }
    for (size_t i = 0; i < std::min(unknown_.size(), suggestion_count_max); i++) {
        const auto nearest = nearest_key(schema_, names, unknown_[i].key);
        if (!nearest.empty())
            diagnostics_[unknown_[i].diagnostic].text += fmt::format(", did you mean '{}'?", printable(nearest));
    }
    return config_;
}

}  // namespace loom::config
