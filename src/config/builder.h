// Entries with resolved values → a Config: which spelling, which type, given twice or not.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lexer.h"
#include "loom/config/config.h"
#include "suggest.h"

namespace loom::config {

class Builder {
  public:
    Builder(const Schema& schema, const std::string& path, std::vector<Diagnostic>& diagnostics);

    /// Says so when no value at all would be accepted for this key, so that none is looked up in vain.
    [[nodiscard]] bool refuses(const Match& match, const RawEntry& entry);

    /// Understands one entry and keeps it. `value` is its text with variables resolved.
    void add(const Match& match, const RawEntry& entry, const std::string& value);

    /// The same for the command line, whose values replace those of the files. Call after all files.
    void override_with(const Match& match, const RawEntry& entry, const std::string& value);

    void error(const Place& place, std::string text, const std::string& key = "");
    /// A key of no row; what was meant is looked for in `finish`, when the user's names are all known.
    void unknown(const RawEntry& entry);

    [[nodiscard]] std::shared_ptr<const Config> finish();

  private:
    struct Unknown {
        size_t diagnostic;  // index
        std::string key;
    };

    void keep(const Match& match, Setting setting, const std::string& written);
    void keep_again(Config::Entry& entry, const Match& match, Setting setting, const std::string& written);
    void remember_names(const Match& match, const Place& place);

    const Schema& schema_;
    std::vector<Diagnostic>& diagnostics_;
    std::shared_ptr<Config> config_;
    std::vector<Unknown> unknown_;
    std::map<std::string, std::string, std::less<>> spelling_;  // canonical key → how the user wrote it first
    std::map<std::string, bool, std::less<>> overridden_;       // canonical keys the command line has set
};

}  // namespace loom::config
