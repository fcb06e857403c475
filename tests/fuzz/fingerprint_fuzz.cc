// Any bytes as a request: walked within their bounds; what has a key has the same one with white space around its
// tokens, and another one with a member more, in another scope, or with another seed.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/cache/fingerprint.h"

using namespace loom::cache;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

bool is_object(std::string_view text) {
    static simdjson::dom::parser parser;
    simdjson::dom::object object;
    return parser.parse(simdjson::padded_string(text)).get(object) == simdjson::SUCCESS;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const auto family = static_cast<Family>(data[0] % family_count);
    const std::string document(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    constexpr std::string_view scope[] = {"tenant/a"}, other[] = {"tenant/b"};
    const Fingerprint made = fingerprint(family, document, scope, 1);
    if (made.refusal != nullptr) return 0;
    require(fingerprint(family, document, scope, 1).key == made.key);
    require(fingerprint(family, document, other, 1).key != made.key);
    require(fingerprint(family, document, scope, 2).key != made.key);
    if (!is_object(document)) return 0;
    const size_t brace = document.find('{');
    const bool empty = document[document.find_first_not_of(" \t\r\n", brace + 1)] == '}';
    std::string spaced = " " + document + "\n";
    spaced.insert(brace + 2, "\t ");
    require(fingerprint(family, spaced, scope, 1).key == made.key);
    std::string more = document;
    more.insert(brace + 1, empty ? R"("x_new":1)" : R"("x_new":1,)");
    const Fingerprint longer = fingerprint(family, more, scope, 1);
    require(longer.refusal != nullptr || longer.key != made.key);
    return 0;
}
