// Any bytes as an issuer's answer about a token. What is taken is plain JSON that says so once, for here and now.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/tenant/introspection.h"

using namespace loom;
using namespace loom::tenant;

namespace {

constexpr int64_t now_s = 1'750'000'000;

void require(bool good) {
    if (!good) std::abort();
}

const JwtOptions& options() {
    static const JwtOptions options{.issuers = {"https://issuer.example"},
                                    .audiences = {"loom"},
                                    .leeway_s = 0,
                                    .needs_expiry = false,
                                    .tier = {"tier"},
                                    .roles = {"scope"}};
    return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static IntrospectionReader reader, other;
    const std::string text(reinterpret_cast<const char*>(data), size);  // its end is guarded
    const auto bearer = reader.read(text, options(), now_s);
    require(other.read(text, options(), now_s).has_value() == bearer.has_value());
    if (!bearer) {
        const bool is_garbage = bearer.error().side == Side::upstream;
        require(bearer.error().what[0] != '\0' && is_garbage == (reader.fault() == JwtFault::form));
        if (is_opaque_token(text)) {
            std::string form;
            append_introspection_form(text, form);
            require(form.find('&') == form.rfind('&'));
        }
        return 0;
    }
    require(!bearer->consumer.empty() && bearer->consumer.size() <= JwtIdentity::text_bytes_max);
    require(bearer->roles.size() <= JwtIdentity::roles_max);
    require(bearer->expires_unix_s == 0 || bearer->expires_unix_s > now_s);
    if (bearer->expires_unix_s != 0) require(!reader.read(text, options(), bearer->expires_unix_s));
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    require(parser.parse(simdjson::padded_string(text)).get(object) == simdjson::SUCCESS);
    size_t said = 0;
    for (const auto& [name, value] : object) said += name == "active";
    require(said == 1 && object["active"].get_bool().value());
    require(object["iss"].get_string().value() == "https://issuer.example");
    require(object["cnf"].error() == simdjson::NO_SUCH_FIELD);
    return 0;
}
