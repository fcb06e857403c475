// A world of maps: files and environment without a disk.
#pragma once

#include <fnmatch.h>

#include <cerrno>
#include <map>
#include <string>

#include "keys/keys.h"
#include "loom/config/config.h"

namespace loom::config {

struct FakeWorld {
    std::map<std::string, std::string> files;
    std::map<std::string, std::string> environment;

    [[nodiscard]] Source source() const {
        Source source;
        source.environment = [this](const std::string& name) -> std::optional<std::string> {
            const auto found = environment.find(name);
            if (found == environment.end()) return std::nullopt;
            return found->second;
        };
        source.read_file = [this](const std::string& path, size_t bytes_max) -> Result<std::string> {
            const auto found = files.find(path);
            if (found == files.end()) return fail(Errc::not_found, Side::internal, "no such file", ENOENT);
            if (found->second.size() > bytes_max) return fail(Errc::too_large, Side::internal, "too large");
            return found->second;
        };
        source.glob = [this](const std::string& pattern) {
            std::vector<std::string> found;  // last name first: the loader must sort
            for (auto file = files.rbegin(); file != files.rend(); ++file) {
                if (fnmatch(pattern.c_str(), file->first.c_str(), FNM_PATHNAME) == 0) found.push_back(file->first);
            }
            return found;
        };
        return source;
    }
};

inline const Schema& loom_schema() {
    static const Schema schema(app::all_keys());
    return schema;
}

inline Loaded load_world(const FakeWorld& world, const std::vector<Override>& overrides = {}) {
    return load("loom.conf", overrides, loom_schema(), world.source());
}

inline Loaded load_text(const std::string& text, const std::vector<Override>& overrides = {}) {
    return load_world({.files = {{"loom.conf", text}}}, overrides);
}

/// Every diagnostic, a line each.
inline std::string all_of(const std::vector<Diagnostic>& diagnostics) {
    std::string text;
    for (const auto& diagnostic : diagnostics) text += to_string(diagnostic) + "\n";
    return text;
}

/// What is wrong with `text`, a line each; "" when nothing is.
inline std::string errors_of(const std::string& text) { return all_of(load_text(text).diagnostics); }

}  // namespace loom::config
