#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <tuple>

#include "builder.h"
#include "expand.h"
#include "lexer.h"
#include "loom/config/config.h"

namespace loom::config {

namespace {

constexpr std::string_view include_key = "include";

bool is_pattern(std::string_view path) { return path.find_first_of("*?[") != std::string_view::npos; }

std::string directory_of(const std::string& file) { return std::filesystem::path(file).parent_path().string(); }

class Loader {
  public:
    Loader(const std::string& path, const Schema& schema, const Source& source)
        : schema_(schema), source_(source), builder_(schema, path, diagnostics_) {}

    Loaded run(const std::string& path, std::span<const Override> overrides) {
        read(path, Place{path}, "", path);
        for (const auto& item : overrides) take_override(item);
        Loaded loaded;
        loaded.partial = builder_.finish();
        sort_by_place();
        if (!has_error(diagnostics_)) loaded.config = loaded.partial;
        loaded.diagnostics = std::move(diagnostics_);
        return loaded;
    }

  private:
    using Rank = std::tuple<size_t, uint32_t, uint32_t>;  // file, line, column

    /// Reads one file; `from` is where it was asked for, `shown` what errors call it.
    void read(const std::string& path, const Place& from, const std::string& key, const std::string& shown) {
        const auto normal = std::filesystem::path(path).lexically_normal().string();
        if (const auto cycle = std::ranges::find(open_files_, normal); cycle != open_files_.end()) {
            return builder_.error(from, fmt::format("'{}' includes itself", printable(shown)), key);
        }
        if (open_files_.size() == include_depth_max) {
            return builder_.error(from, fmt::format("more than {} files deep", include_depth_max), key);
        }
        if (file_count_ == file_count_max) return stop(from, fmt::format("more than {} files", file_count_max), key);
        file_count_ += 1;
        const auto text = source_.read_file(path, file_bytes_max);
        if (!text) {
            return builder_.error(
                from, fmt::format("cannot read '{}': {}", printable(shown), read_failure(text.error())), key);
        }
        file_order_.try_emplace(path, file_order_.size());
        open_files_.push_back(normal);
        for (const auto& entry : lex(*text, path, diagnostics_)) {
            if (!stopped_) take(entry);
        }
        open_files_.pop_back();
    }

    /// A bound is met: what follows is not read, be it right or wrong.
    void stop(const Place& place, std::string why, const std::string& key) {
        builder_.error(place, std::move(why), key);
        stopped_ = true;
    }

    void take(const RawEntry& entry) {
        entry_count_ += 1;
        if (entry_count_ > entry_count_max) {
            return stop(entry.key_place, fmt::format("more than {} entries", entry_count_max), entry.key);
        }
        if (diagnostics_.size() >= diagnostic_count_max) {
            return stop(entry.key_place, "too many errors, the rest is not read", entry.key);
        }
        if (entry.key == include_key) return include(entry);
        const auto match = understood(entry);
        if (!match || builder_.refuses(*match, entry)) return;
        if (const auto value = resolved(entry)) builder_.add(*match, entry, *value);
    }

    void take_override(const Override& item) {
        const Place place{fmt::format("-set {}", printable(item.key))};
        const RawEntry entry{item.key, item.value, Quoting::bare, place, place};
        if (item.key == include_key)
            return builder_.error(place, "files cannot be included from the command line", item.key);
        const auto match = understood(entry);
        if (!match || builder_.refuses(*match, entry)) return;
        if (const auto value = resolved(entry)) builder_.override_with(*match, entry, *value);
    }

    std::optional<Match> understood(const RawEntry& entry) {
        auto match = schema_.match(entry.key);
        if (!match) builder_.unknown(entry);
        return match;
    }

    std::optional<std::string> resolved(const RawEntry& entry) {
        const bool from_file = entry.value_place.line != 0;
        const auto directory = from_file ? directory_of(entry.value_place.file) : "";
        auto value = expand(entry.value, entry.quoting, directory, source_);
        if (value) return std::move(*value);
        builder_.error(entry.value_place, fmt::format("{}: {}", printable(entry.key), value.error()), entry.key);
        return std::nullopt;
    }

    void include(const RawEntry& entry) {
        const auto value = resolved(entry);
        if (!value) return;
        if (value->empty()) return builder_.error(entry.value_place, "include: expected a path", entry.key);
        const auto path = resolve_path(directory_of(entry.key_place.file), *value);
        // What a variable holds may be a secret that stands here by mistake: errors show the line as it was written.
        const bool literal = entry.value.find("${") == std::string::npos;
        if (!is_pattern(path)) return read(path, entry.value_place, entry.key, literal ? path : entry.value);
        auto paths = source_.glob(path);
        std::ranges::sort(paths);
        for (const auto& found : paths) read(found, entry.value_place, entry.key, found);
    }

    /// Files in the order they were opened, lines in theirs; what the command line did comes last.
    void sort_by_place() {
        const auto rank = [this](const Diagnostic& d) {
            const auto file = file_order_.find(d.place.file);
            return Rank(file == file_order_.end() ? file_order_.size() : file->second, d.place.line, d.place.column);
        };
        std::vector<std::pair<Rank, size_t>> order;  // the index keeps what stands at one place in its order
        for (size_t i = 0; i < diagnostics_.size(); i++) order.emplace_back(rank(diagnostics_[i]), i);
        std::ranges::sort(order);
        std::vector<Diagnostic> sorted;
        for (const auto& [place, index] : order) sorted.push_back(std::move(diagnostics_[index]));
        diagnostics_ = std::move(sorted);
    }

    const Schema& schema_;
    const Source& source_;
    std::vector<Diagnostic> diagnostics_;
    Builder builder_;
    std::vector<std::string> open_files_;       // from the first file to the one being read
    std::map<std::string, size_t> file_order_;  // by first opening
    size_t file_count_ = 0;
    size_t entry_count_ = 0;
    bool stopped_ = false;
};

}  // namespace

Loaded load(const std::string& path, std::span<const Override> overrides, const Schema& schema, const Source& source) {
    return Loader(path, schema, source).run(path, overrides);
}

}  // namespace loom::config
