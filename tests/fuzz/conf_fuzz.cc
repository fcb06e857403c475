// Any bytes as a conf file: no crash, no hang, and what must hold of every file holds. The input is cut at 0xff into
// the main file, included files and the environment, so that these meet too.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "../config/fake_source.h"
#include "check/check.h"

namespace {

using namespace loom;

constexpr char separator = '\xff';
constexpr std::string_view secret = "never-print-me";

std::string take_part(std::string_view& rest) {
    const size_t end = rest.find(separator);
    std::string part(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    return part;
}

void must(bool condition) {
    if (!condition) std::abort();
}

/// `guessed`: the input itself holds the secret's text, which then may be printed like any other.
void check_diagnostics(const config::FakeWorld& world, const std::vector<config::Diagnostic>& diagnostics,
                       bool guessed) {
    for (const auto& diagnostic : diagnostics) {
        must(guessed || diagnostic.text.find(secret) == std::string::npos);
        if (diagnostic.place.line == 0) continue;
        must(diagnostic.place.column > 0);
        const auto& text = world.files.at(diagnostic.place.file);
        must(diagnostic.place.line <= static_cast<size_t>(std::ranges::count(text, '\n')) + 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    const bool guessed = rest.find(secret) != std::string_view::npos;
    config::FakeWorld world;
    world.files["loom.conf"] = take_part(rest);
    world.files["a.conf"] = take_part(rest);
    world.files["d/b.conf"] = take_part(rest);
    world.environment["SECRET"] = secret;
    world.environment["X"] = take_part(rest);
    auto loaded = config::load_world(world);
    must((loaded.config != nullptr) == !config::has_error(loaded.diagnostics));
    app::add_checks(loaded);
    check_diagnostics(world, loaded.diagnostics, guessed);
    must(config::dump(*loaded.partial).size() < 100'000'000);
    must(config::changed_keys(*loaded.partial, *loaded.partial, KeyChange::reload).empty());
    return 0;
}
