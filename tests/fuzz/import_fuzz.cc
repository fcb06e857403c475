// Any bytes as a YAML file: no crash, no hang, and what is written is a flat file: every line an entry, every entry a
// key of the table.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../config/fake_source.h"
#include "lexer.h"
#include "loom/config/import.h"

namespace {

using namespace loom;

void must(bool condition) {
    if (!condition) std::abort();
}

void check_places(std::string_view yaml, const std::vector<config::Diagnostic>& diagnostics) {
    const auto breaks = std::ranges::count_if(yaml, [](char c) { return c == '\n' || c == '\r' || (c & 0x80) != 0; });
    for (const auto& diagnostic : diagnostics) {
        must(diagnostic.place.line <= static_cast<size_t>(breaks) + 1);
        must((diagnostic.place.line == 0) == (diagnostic.place.column == 0));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view yaml(reinterpret_cast<const char*>(data), size);
    const auto imported = config::import_yaml(yaml, "x.yaml", config::loom_schema());
    check_places(yaml, imported.diagnostics);
    must(imported.conf.empty() == config::has_error(imported.diagnostics));
    std::vector<config::Diagnostic> wrong;
    for (const auto& entry : config::lex(imported.conf, "x.conf", wrong)) {
        const auto match = config::loom_schema().match(entry.key);
        must(match.has_value() && match->canonical == entry.key);
    }
    must(wrong.empty());
    return 0;
}
