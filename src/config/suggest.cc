#include "suggest.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "loom/base/edit_distance.h"
#include "text.h"

namespace loom::config {

namespace {

constexpr size_t suggested_key_bytes_max = 128;  // a longer key is compared with nothing
constexpr size_t known_names_max = 32;           // of the user's names, tried for one placeholder

/// How many edits still read as a slip.
size_t edits_max(std::string_view key) { return std::clamp<size_t>(key.size() / 5, 1, 4); }

std::string join(std::span<const std::string_view> segments) {
    std::string text(segments.front());
    for (const auto segment : segments.subspan(1)) text.append(1, '.').append(segment);
    return text;
}

/// What `key` has where the pattern has placeholders: one segment each, a model what is left over. Nothing when the
/// segments do not line up.
std::optional<std::vector<std::string>> aligned_names(const Schema::Row& row, std::string_view key) {
    const auto pattern = split(row.row->pattern, '.');
    const auto segments = split(key, '.');
    std::vector<std::string> names;
    size_t at = 0;
    for (const auto word : pattern) {
        const bool dotted = word == "<model>" || word == "<header>";
        const size_t spare = segments.size() < pattern.size() ? 0 : segments.size() - pattern.size();
        const size_t taken = dotted ? 1 + spare : 1;
        if (at + taken > segments.size()) return std::nullopt;
        if (word.starts_with('<')) names.push_back(join(std::span(segments).subspan(at, taken)));
        at += taken;
    }
    if (at != segments.size()) return std::nullopt;
    return names;
}

bool all_fit(const Schema::Row& row, std::span<const std::string> names) {
    size_t at = 0;
    for (const auto& part : row.parts) {
        if (part.kind != PatternPart::Kind::fixed && !fits(part.kind, names[at++])) return false;
    }
    return true;
}

class Nearest {
  public:
    Nearest(const Schema& schema, const NamesByPrefix& names, std::string_view key)
        : schema_(schema), names_(names), key_(key), limit_(edits_max(key)) {}

    std::string run() {
        for (const auto& row : schema_.rows()) {
            if (const auto names = aligned_names(row, key_); names && all_fit(row, *names)) {
                consider(row, fill_pattern(row.parts, *names));
            }
            fill_known(row, 0, "");
        }
        return best_;
    }

  private:
    /// Tries the user's names for each placeholder, so that a lost dot (`provider.openaitype`) is seen too.
    void fill_known(const Schema::Row& row, size_t index, const std::string& prefix) {
        if (index == row.parts.size()) return consider(row, prefix);
        const auto& part = row.parts[index];
        if (part.kind == PatternPart::Kind::fixed) return fill_known(row, index + 1, prefix + part.text);
        const auto known = names_.find(std::string_view(prefix).substr(0, prefix.size() - 1));
        if (known == names_.end()) return;
        const size_t count = std::min(known->second.size(), known_names_max);
        for (size_t i = 0; i < count; i++) fill_known(row, index + 1, prefix + known->second[i]);
    }

    /// Keeps the nearest; of equals the first.
    void consider(const Schema::Row& row, const std::string& candidate) {
        const size_t distance = edit_distance(key_, candidate, limit_);
        if (distance > limit_) return;
        if (!best_.empty() && distance >= best_distance_) return;
        best_ = candidate;
        best_distance_ = distance;
    }

    const Schema& schema_;
    const NamesByPrefix& names_;
    std::string_view key_;
    size_t limit_;
    std::string best_;
    size_t best_distance_ = 0;
};

}  // namespace

std::string nearest_key(const Schema& schema, const NamesByPrefix& names, std::string_view key) {
    if (key.size() > suggested_key_bytes_max) return "";
    return Nearest(schema, names, key).run();
}

}  // namespace loom::config
