// Where an issuer's keys are: a document that is taken is plain JSON of that very issuer, and says so once.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/tenant/discovery.h"

using namespace loom;

namespace {

constexpr std::string_view issuer = "https://id.example/realm";

void require(bool good) {
    if (!good) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string document(reinterpret_cast<const char*>(data), size);
    const auto uri = tenant::read_discovery(document, issuer);
    require(!tenant::read_discovery(document, "https://id.example/other") || !uri);
    if (!uri) {
        require(uri.error().side == Side::upstream && uri.error().what[0] != '\0');
        return 0;
    }
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    require(parser.parse(simdjson::padded_string(document)).get(object) == simdjson::SUCCESS);
    size_t issuers = 0;
    for (const auto& [name, value] : object) issuers += name == "issuer";
    require(issuers == 1 && object["issuer"].get_string().value() == issuer);
    require(!uri->empty() && object["jwks_uri"].get_string().value() == *uri);
    return 0;
}
