#include "loom/config/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "loom/base/assert.h"
#include "loom/base/crypto.h"

namespace loom::config {

namespace {

const Value no_value;
constexpr int64_t microseconds_per_millisecond = 1000;

bool same_settings(KeyType type, std::span<const Setting> a, std::span<const Setting> b) {
    return std::ranges::equal(
        a, b, [type](const Setting& x, const Setting& y) { return same_value(type, x.value, y.value); });
}

}  // namespace

const KeyRow& Config::row_of(std::string_view key) const {
    if (const auto entry = entries_.find(key); entry != entries_.end()) return *entry->second.row;
    const auto match = schema_->match(key);
    LOOM_ASSERT(match.has_value());
    LOOM_ASSERT(match->row == match->written);  // an alias is for users; code asks for the canonical key
    return *match->row;
}

const Value& Config::value_of(std::string_view key) const {
    if (const auto entry = entries_.find(key); entry != entries_.end()) return entry->second.settings.front().value;
    return schema_->default_of(row_of(key));
}

bool Config::has(std::string_view key) const { return !settings(key).empty(); }

bool Config::boolean(std::string_view key) const {
    LOOM_ASSERT(row_of(key).type == KeyType::boolean);
    return value_of(key).number != 0;
}

int64_t Config::integer(std::string_view key) const {
    LOOM_ASSERT(row_of(key).type == KeyType::integer);
    return value_of(key).number;
}

double Config::decimal(std::string_view key) const {
    const KeyType type = row_of(key).type;
    LOOM_ASSERT(type == KeyType::decimal || type == KeyType::share);
    return value_of(key).decimal;
}

uint64_t Config::bytes(std::string_view key) const {
    LOOM_ASSERT(row_of(key).type == KeyType::size);
    return static_cast<uint64_t>(value_of(key).number);
}

std::chrono::microseconds Config::microseconds(std::string_view key) const {
    LOOM_ASSERT(row_of(key).type == KeyType::duration);
    return std::chrono::microseconds(value_of(key).number);
}

std::chrono::milliseconds Config::milliseconds(std::string_view key) const {
    const int64_t exact = microseconds(key).count();
    return std::chrono::milliseconds((exact + microseconds_per_millisecond - 1) / microseconds_per_millisecond);
}

const std::string& Config::text(std::string_view key) const { return value_of(key).text; }

const std::vector<std::string>& Config::list(std::string_view key) const {
    LOOM_ASSERT(row_of(key).type == KeyType::list);
    return value_of(key).items;
}

std::vector<std::string_view> Config::all(std::string_view key) const {
    std::vector<std::string_view> texts;
    for (const auto& setting : settings(key)) texts.emplace_back(setting.value.text);
    const auto& fallback = schema_->default_of(row_of(key)).text;
    if (texts.empty() && !fallback.empty()) texts.emplace_back(fallback);
    return texts;
}

std::span<const Setting> Config::settings(std::string_view key) const {
    const auto entry = entries_.find(key);
    if (entry != entries_.end()) return entry->second.settings;
    static_cast<void>(row_of(key));  // a misspelt key must not read as "unset"
    return {};
}

std::span<const std::string> Config::names(std::string_view prefix) const {
    const auto found = names_.find(prefix);
    if (found == names_.end()) return {};
    return found->second.names;
}

std::vector<std::pair<std::string_view, std::string_view>> Config::entries_below(std::string_view prefix) const {
    LOOM_ASSERT(prefix.ends_with('.'));
    std::vector<std::pair<std::string_view, std::string_view>> found;
    for (const auto& name : names(prefix.substr(0, prefix.size() - 1))) {
        const auto entry = entries_.find(std::string(prefix) + name);
        if (entry == entries_.end()) continue;
        for (const auto& setting : entry->second.settings) found.emplace_back(name, setting.value.text);
    }
    return found;
}

Place Config::place(std::string_view key) const {
    const auto given = settings(key);
    return given.empty() ? Place{path_} : given.front().value_place;
}

Place Config::place_of_name(std::string_view prefix, std::string_view name) const {
    const auto named = names_.find(prefix);
    if (named == names_.end()) return Place{path_};
    const auto found = named->second.places.find(name);
    return found == named->second.places.end() ? Place{path_} : found->second;
}

std::string Config::describe(std::string_view key) const {
    const auto& shown = text(key);
    return row_of(key).type == KeyType::secret && !shown.empty() ? "[redacted]" : shown;
}

std::vector<std::string_view> Config::keys() const {
    std::vector<std::string_view> given;
    for (const auto& [key, entry] : entries_) given.emplace_back(key);
    return given;
}

std::vector<std::string> changed_keys(const Config& before, const Config& after, KeyChange needs) {
    std::vector<std::string> changed;
    for (const auto& [key, entry] : before.entries_) {
        if (entry.row->change == needs && !same_settings(entry.row->type, entry.settings, after.settings(key))) {
            changed.push_back(key);
        }
    }
    for (const auto& [key, entry] : after.entries_) {
        if (entry.row->change == needs && !before.has(key)) changed.push_back(key);
    }
    std::ranges::sort(changed);
    return changed;
}

std::shared_ptr<const Config> without_secrets(const Config& config) {
    static const uint64_t salt = random_u64();
    const std::shared_ptr<Config> copy(new Config(config));
    for (auto& [key, entry] : copy->entries_) {
        if (entry.row->type != KeyType::secret) continue;
        for (auto& setting : entry.settings) {
            const std::string& secret = setting.value.text;
            setting.value = {.text = secret.empty() ? "" : hex_encode(sha256(fmt::format("{}:{}", salt, secret)))};
        }
    }
    return copy;
}

std::string dump(const Config& config) {
    std::string text;
    for (const auto key : config.keys()) {
        const size_t count = config.settings(key).size();
        const auto value = count == 1 ? printable(config.describe(key)) : fmt::format("[{} values]", count);
        text += fmt::format("{} = {}\n", key, value);
    }
    return text;
}

}  // namespace loom::config
