#include "loom/tenant/discovery.h"

#include "strict_json.h"

namespace loom::tenant {

std::string discovery_url(std::string_view issuer) {
    if (issuer.ends_with('/')) issuer.remove_suffix(1);
    return std::string(issuer) + "/.well-known/openid-configuration";
}

Result<std::string> read_discovery(std::string_view document, std::string_view issuer) {
    const auto bad = [](const char* what) { return fail(Errc::bad_message, Side::upstream, what); };
    StrictJson json;
    simdjson::dom::object object;
    if (document.size() > discovery_bytes_max || !json.read(document, object))
        return bad("the discovery document is no JSON object, or names a member twice");
    if (text_at(object, "issuer") != issuer) return bad("the discovery document is another issuer's");
    const std::string_view uri = text_at(object, "jwks_uri");
    if (uri.empty()) return bad("the discovery document has no jwks_uri");
    return std::string(uri);
}

}  // namespace loom::tenant
