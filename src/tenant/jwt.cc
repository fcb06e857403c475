#include "loom/tenant/jwt.h"

#include <algorithm>
#include <optional>

#include "loom/base/base64.h"
#include "strict_json.h"
#include "token_claims.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

constexpr size_t header_bytes_max = 4096;  // decoded
constexpr size_t claim_depth_max = 8;

std::unexpected<Error> refuse(const char* what) noexcept { return fail(Errc::unauthenticated, Side::downstream, what); }

/// The parts of `header.claims.signature`, as they stand.
struct Parts {
    std::string_view header;
    std::string_view claims;
    std::string_view signature;
    std::string_view signed_text;  // header.claims
};

Result<Parts> split(std::string_view token) {
    if (token.size() > JwtVerifier::token_bytes_max) return refuse("the token is longer than 16 KiB");
    const size_t first = token.find('.');
    const size_t second = first == token.npos ? first : token.find('.', first + 1);
    if (second == token.npos) return refuse("the token does not have three parts");
    const size_t third = token.find('.', second + 1);
    if (third != token.npos) return refuse("the token has more than three parts: an encrypted one is not taken");
    const Parts parts{.header = token.substr(0, first),
                      .claims = token.substr(first + 1, second - first - 1),
                      .signature = token.substr(second + 1),
                      .signed_text = token.substr(0, second)};
    if (parts.header.empty() || parts.claims.empty() || parts.signature.empty())
        return refuse("a part of the token is empty");
    return parts;
}

struct Header {
    SignatureAlgorithm algorithm;
    std::string key_id;
    bool names_key = false;
};

bool is_token_type(std::string_view type) noexcept {
    constexpr std::string_view media = "application/";
    const auto same = [](std::string_view a, std::string_view b) {
        return std::ranges::equal(a, b, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
    };
    if (same(type.substr(0, media.size()), media)) type.remove_prefix(media.size());
    return same(type, "jwt") || same(type, "at+jwt");
}

Result<Header> read_header(const dom::object& object, const JwtOptions& options) {
    // Extensions must be understood or refused (RFC 7515, 4.1.11; 7797): none is. What is packed or nested is not read.
    for (const char* const name : {"crit", "b64", "zip", "enc", "cty"})
        if (has(object, name)) return refuse("the token's header asks for an extension that is not known here");
    if (has(object, "typ") && !is_token_type(text_at(object, "typ")))
        return refuse("the token's type is no access token's");
    const auto algorithm = signature_algorithm(text_at(object, "alg"));
    if (!algorithm || std::ranges::find(options.algorithms, *algorithm) == options.algorithms.end())
        return refuse("the token's algorithm is not one of those that are taken");
    Header header{.algorithm = *algorithm, .key_id = {}, .names_key = has(object, "kid")};
    if (!header.names_key) return header;
    const std::string_view id = text_at(object, "kid");
    if (id.empty() || id.size() > JwkSet::id_bytes_max) return refuse("the token's key id is none");
    header.key_id = id;
    return header;
}

/// Nothing is tried that does not fit: a token that names no key has to leave no doubt which is meant.
Result<void> check_signature(const Header& header, const JwkSet& keys, std::string_view text,
                             std::string_view signature) {
    size_t tried = 0;
    bool id_known = false, good = false;
    for (const JwkSet::Key& one : keys.keys()) {
        if (header.names_key && !one.any_id && one.id != header.key_id) continue;
        id_known = true;
        if (!one.key.fits(header.algorithm) || (one.algorithm && *one.algorithm != header.algorithm)) continue;
        tried += 1;
        if (!header.names_key && tried > 1) return refuse("the token names no key, and several may be meant");
        if (tried > JwtVerifier::tries_max) break;
        good = one.key.verifies(header.algorithm, text, signature);
        if (good && header.names_key) break;
    }
    if (!id_known && header.names_key) return fail(Errc::not_found, Side::downstream, "the token's key is not known");
    if (tried == 0) return refuse("no key is known for the token's algorithm");
    return good ? Result<void>() : refuse("the token's signature is wrong");
}

/// Whatever else it says: is it for here and now? Returns when it expires.
Result<int64_t> check_claims(const dom::object& claims, const JwtOptions& options, int64_t now_s) {
    if (std::ranges::find(options.issuers, text_at(claims, "iss")) == options.issuers.end())
        return refuse("the token's issuer is not known here");
    LOOM_TRY(check_audience(claims, options));
    return check_times(claims, options, now_s);
}

/// One member's name of a JSON pointer, whose escapes are ~0 and ~1.
std::optional<std::string> unescape_pointer(std::string_view text) {
    std::string out;
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '~') {
            out += text[at];
            continue;
        }
        at += 1;
        if (at == text.size() || (text[at] != '0' && text[at] != '1')) return std::nullopt;
        out += text[at] == '0' ? '~' : '/';
    }
    return out;
}

}  // namespace

Result<ClaimPath> parse_claim_path(std::string_view text) {
    const auto bad = [](const char* what) { return fail(Errc::bad_conf, Side::internal, what); };
    const bool is_pointer = text.starts_with('/');
    const char separator = is_pointer ? '/' : '.';
    if (is_pointer) text.remove_prefix(1);
    ClaimPath path;
    for (bool more = true; more;) {
        const size_t end = text.find(separator);
        more = end != text.npos;
        std::optional<std::string> name(text.substr(0, end));
        if (is_pointer) name = unescape_pointer(*name);
        if (!name) return bad("'~' in a JSON pointer is written ~0, and '/' inside of a name ~1");
        if (name->empty()) return bad("a claim's path holds an empty name");
        path.push_back(std::move(*name));
        if (path.size() > claim_depth_max) return bad("a claim's path has eight names at most");
        if (more) text.remove_prefix(end + 1);
    }
    return path;
}

struct JwtVerifier::Scratch {
    std::string header, claims, signature;
    StrictJson header_json, claims_json;
};

JwtVerifier::JwtVerifier() : scratch_(std::make_unique<Scratch>()) {}
JwtVerifier::~JwtVerifier() = default;
JwtVerifier::JwtVerifier(JwtVerifier&&) noexcept = default;

Result<JwtIdentity> JwtVerifier::verify(std::string_view token, const JwtOptions& options, const JwkSet& keys,
                                        int64_t now_unix_s) {
    Scratch& at = *scratch_;
    fault_ = JwtFault::form;
    const Parts parts = LOOM_TRY(split(token));
    at.header.clear();
    at.claims.clear();
    at.signature.clear();
    const bool decoded = base64url_decode(parts.header, at.header) && base64url_decode(parts.claims, at.claims) &&
                         base64url_decode(parts.signature, at.signature);
    if (!decoded) return refuse("a part of the token is not in base64url");
    if (at.header.size() > header_bytes_max) return refuse("the token's header is longer than 4 KiB");
    dom::object object;
    if (!at.header_json.read(at.header, object))
        return refuse("the token's header is no JSON object, or names a member twice");
    const Header header = LOOM_TRY(read_header(object, options));
    // A signature costs a hundred times what claims do: strangers' tokens that cannot be meant for here get no further.
    fault_ = JwtFault::claims;
    if (!at.claims_json.read(at.claims, object))
        return refuse("the token's claims are no JSON object, or name a member twice");
    const int64_t expires_unix_s = LOOM_TRY(check_claims(object, options, now_unix_s));
    fault_ = JwtFault::signature;
    LOOM_TRY(check_signature(header, keys, parts.signed_text, at.signature));
    fault_ = JwtFault::claims;
    return read_claims(object, options, expires_unix_s);
}

std::string_view JwtVerifier::claimed_issuer(std::string_view token) {
    const auto parts = split(token);
    if (!parts) return {};
    scratch_->claims.clear();
    dom::object object;
    if (!base64url_decode(parts->claims, scratch_->claims) || !scratch_->claims_json.read(scratch_->claims, object))
        return {};
    return text_at(object, "iss");
}

}  // namespace loom::tenant
