// Any bytes as a text that is shown as HTML: however it is cut, what is told is what the whole gives, no place of it
// is a tag that acts, and nothing of it changes a second time. As a text of an answer's JSON it leaves JSON.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "../guard/html_fixture.h"
#include "html_text.h"
#include "loom/llm/json_text.h"

using namespace loom;
using namespace loom::guard;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

void check(HtmlMode mode, std::string_view text, size_t first, size_t step, bool placeholders) {
    std::vector<size_t> cuts;
    for (size_t at = first; at < text.size(); at += step) cuts.push_back(at);
    const std::string whole = test::stripped(mode, text, {}, placeholders);
    require(test::stripped(mode, text, cuts, placeholders) == whole);
    require(test::fault_of(mode, whole).empty());
    require(test::stripped(mode, whole, {}, placeholders) == whole);
}

/// The same inside of a document.
void check_document(HtmlMode mode, std::string_view text) {
    if (!std::ranges::all_of(text, [](char c) { return static_cast<signed char>(c) > 0; })) return;
    std::string escaped;
    llm::escape(text, escaped);
    const std::string document = "{\"content\":\"" + escaped + "\",\"n\":1}";
    BlockPool pool;
    proxy::HtmlDocument strip({.mode = mode}, pool, document);
    while (strip.turn()) {
    }
    const std::string_view changed = strip.changed().view();
    const std::string whole = test::stripped(mode, text);
    std::string expected;
    llm::escape(whole, expected);
    require(changed.empty() ? strip.count() == 0 : changed == "{\"content\":\"" + expected + "\",\"n\":1}");
    require(!changed.empty() || whole == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 2, size - 2);
    for (const HtmlMode mode : {HtmlMode::scripts, HtmlMode::all}) {
        check(mode, text, data[0], 1 + data[1] % 64, data[1] >= 128);
        check_document(mode, text);
    }
    return 0;
}
