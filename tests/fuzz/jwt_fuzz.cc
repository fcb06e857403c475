// Any bytes as a token (v), as a set of keys (k), as the path of a claim (p), or as header and claims, one line each,
// of a token that is signed for them (s). What is taken has said all that must be said; with one bit less it is
// refused.
#include <cstdlib>
#include <string>
#include <string_view>

#include "../tenant/jwt_vectors.h"
#include "loom/base/base64.h"
#include "loom/base/crypto.h"
#include "loom/base/json.h"
#include "loom/tenant/jwt.h"

using namespace loom;
using namespace loom::tenant;

namespace {

constexpr int64_t now_s = 1'750'000'000;

void require(bool good) {
    if (!good) std::abort();
}

const JwkSet& keys() {
    static const JwkSet set = *JwkSet::parse(vector_keys);
    return set;
}

const JwtOptions& options() {
    using enum SignatureAlgorithm;
    static const JwtOptions options{
        .issuers = {"https://issuer.example"},
        .audiences = {"loom"},
        .algorithms = {rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, eddsa, hs256},
        .tier = {"tier"},
        .roles = {"realm_access", "roles"}};
    return options;
}

std::string encoded(std::string_view text) {
    std::string out;
    base64url_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out);
    return out;
}

void check_taken(const JwtIdentity& identity) {
    require(!identity.consumer.empty() && identity.consumer.size() <= JwtIdentity::text_bytes_max);
    require(identity.roles.size() <= JwtIdentity::roles_max && identity.expires_unix_s > 0);
    require(identity.expires_unix_s + options().leeway_s >= now_s);
}

void check_token(std::string_view token) {
    static JwtVerifier verifier, other;
    const auto identity = verifier.verify(token, options(), keys(), now_s);
    require(other.verify(token, options(), keys(), now_s).has_value() == identity.has_value());
    require(!verifier.verify(token, options(), JwkSet(), now_s));
    if (!identity) {
        require(identity.error().side == Side::downstream && identity.error().what[0] != '\0');
        return;
    }
    check_taken(*identity);
    require(!verifier.verify(token, options(), keys(), identity->expires_unix_s + options().leeway_s));
    std::string changed(token);
    changed[changed.find('.') + 1] ^= 1;
    require(!verifier.verify(changed, options(), keys(), now_s));
    changed = std::string(token.substr(0, token.rfind('.') + 1)) + "AA";
    require(!verifier.verify(changed, options(), keys(), now_s));
}

/// Signed with the set's secret. What is taken is plain JSON that says so.
void check_signed(std::string_view header, std::string_view claims) {
    static const std::string secret = [] {
        std::string bytes;
        for (int i = 0; i < 64; ++i) bytes += static_cast<char>(i);
        return bytes;
    }();
    std::string token = encoded(header) + "." + encoded(claims);
    const Sha256 mac = hmac_sha256(secret, token);
    token += '.';
    base64url_encode(mac, token);
    check_token(token);
    static JwtVerifier verifier;
    if (!verifier.verify(token, options(), keys(), now_s)) return;
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    require(parser.parse(simdjson::padded_string(header)).get(object) == simdjson::SUCCESS);
    require(object["alg"].get_string().value() == "HS256" && object["crit"].error() == simdjson::NO_SUCH_FIELD);
    require(parser.parse(simdjson::padded_string(claims)).get(object) == simdjson::SUCCESS);
    require(object["iss"].get_string().value() == "https://issuer.example");
    require(object["sub"].error() == simdjson::SUCCESS && object["exp"].error() == simdjson::SUCCESS);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);  // its end is guarded
    switch (data[0]) {
        case 'k':
            if (const auto set = JwkSet::parse(text)) require(set->keys().size() <= JwkSet::keys_max);
            break;
        case 'p':
            if (const auto path = parse_claim_path(text)) require(!path->empty() && path->size() <= 8);
            break;
        case 's': {
            const size_t line = text.find('\n');
            if (line != text.npos) check_signed(text.substr(0, line), text.substr(line + 1));
            break;
        }
        default: check_token(text);
    }
    return 0;
}
