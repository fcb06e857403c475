#include "loom/tenant/jwt.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "loom/base/base64.h"
#include "strict_json.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

constexpr size_t header_bytes_max = 4096;  // decoded
constexpr size_t claim_depth_max = 8;
constexpr size_t audiences_max = 64;  // of one token

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

/// A NumericDate; nothing where it is missing.
Result<std::optional<double>> date_at(const dom::object& claims, std::string_view name) {
    if (!has(claims, name)) return std::nullopt;
    constexpr double last = 253402300799;  // of the year 9999
    double date = 0;
    if (claims.at_key(name).get(date) != simdjson::SUCCESS || !(date >= 0 && date <= last))
        return refuse("a time in the token is none");
    return date;
}

Result<int64_t> check_times(const dom::object& claims, const JwtOptions& options, int64_t now_s) {
    const std::optional<double> expires = LOOM_TRY(date_at(claims, "exp"));
    const std::optional<double> begins = LOOM_TRY(date_at(claims, "nbf"));
    (void)LOOM_TRY(date_at(claims, "iat"));
    if (!expires && options.needs_expiry) return refuse("the token does not say when it expires");
    const auto now = static_cast<double>(now_s);
    if (expires && now >= *expires + options.leeway_s) return refuse("the token has expired");
    if (begins && now + options.leeway_s < *begins) return refuse("the token is not good yet");
    // A token that is good for less than a second still expires: 0 would be "never".
    return expires ? std::max<int64_t>(1, static_cast<int64_t>(std::ceil(*expires))) : 0;
}

bool is_one_of(const std::vector<std::string>& wanted, std::string_view text) {
    return std::ranges::find(wanted, text) != wanted.end();
}

Result<void> check_audience(const dom::object& claims, const JwtOptions& options) {
    if (!has(claims, "aud"))
        return options.audiences.empty() ? Result<void>() : refuse("the token does not say whom it is for");
    if (options.audiences.empty()) return refuse("the token is for somebody else");
    std::string_view one;
    if (claims.at_key("aud").get(one) == simdjson::SUCCESS)
        return is_one_of(options.audiences, one) ? Result<void>() : refuse("the token is for somebody else");
    dom::array several;
    if (claims.at_key("aud").get(several) != simdjson::SUCCESS || several.size() > audiences_max)
        return refuse("the token's audience is none");
    bool meant = false;
    for (const dom::element element : several) {
        if (element.get(one) != simdjson::SUCCESS) return refuse("the token's audience is none");
        meant |= is_one_of(options.audiences, one);
    }
    return meant ? Result<void>() : refuse("the token is for somebody else");
}

std::optional<dom::element> claim_at(const dom::object& claims, const ClaimPath& path) {
    dom::object object = claims;
    for (size_t i = 0; i < path.size(); ++i) {
        dom::element found;
        if (object.at_key(path[i]).get(found) != simdjson::SUCCESS) return std::nullopt;
        if (i + 1 == path.size()) return found;
        if (found.get(object) != simdjson::SUCCESS) return std::nullopt;
    }
    return std::nullopt;
}

/// It ends in logs, headers and metrics.
bool is_plain_text(std::string_view text) noexcept {
    const auto is_control = [](char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; };
    return !text.empty() && text.size() <= JwtIdentity::text_bytes_max && std::ranges::none_of(text, is_control);
}

/// False for what is no name. "" where the claim is missing.
bool take_name(const dom::object& claims, const ClaimPath& path, std::string& out) {
    const auto claim = claim_at(claims, path);
    if (!claim) return true;
    std::string_view text;
    if (claim->get(text) != simdjson::SUCCESS || !is_plain_text(text)) return false;
    out = text;
    return true;
}

bool add_role(std::string_view role, std::vector<std::string>& roles) {
    if (!is_plain_text(role) || roles.size() == JwtIdentity::roles_max) return false;
    roles.emplace_back(role);
    return true;
}

bool take_roles(const dom::object& claims, const ClaimPath& path, std::vector<std::string>& roles) {
    const auto claim = claim_at(claims, path);
    if (!claim) return true;
    std::string_view text;
    if (claim->get(text) == simdjson::SUCCESS) {  // as `scope` has them (RFC 8693, 4.2)
        while (!text.empty()) {
            const std::string_view role = text.substr(0, text.find(' '));
            text.remove_prefix(std::min(text.size(), role.size() + 1));
            if (!role.empty() && !add_role(role, roles)) return false;
        }
        return true;
    }
    dom::array several;
    if (claim->get(several) != simdjson::SUCCESS) return false;
    for (const dom::element element : several)
        if (element.get(text) != simdjson::SUCCESS || !add_role(text, roles)) return false;
    return true;
}

TokenClaim read_claim(const std::string& name, const dom::element& element) {
    TokenClaim claim{.name = name};
    std::string_view text;
    dom::array several;
    if (element.get(text) == simdjson::SUCCESS) {
        if (text.size() > JwtIdentity::text_bytes_max) return claim;
        claim.kind = TokenClaim::Kind::text;
        claim.text = text;
    } else if (element.get(claim.number) == simdjson::SUCCESS) {
        claim.kind = TokenClaim::Kind::number;
    } else if (element.get(claim.flag) == simdjson::SUCCESS) {
        claim.kind = TokenClaim::Kind::flag;
    } else if (element.get(several) == simdjson::SUCCESS && several.size() <= JwtIdentity::roles_max) {
        for (const dom::element one : several) {
            if (one.get(text) != simdjson::SUCCESS || text.size() > JwtIdentity::text_bytes_max) return claim;
            claim.list.emplace_back(text);
        }
        claim.kind = TokenClaim::Kind::list;
    }
    return claim;
}

/// Whatever else it says: is it for here and now? Returns when it expires.
Result<int64_t> check_claims(const dom::object& claims, const JwtOptions& options, int64_t now_s) {
    if (!is_one_of(options.issuers, text_at(claims, "iss"))) return refuse("the token's issuer is not known here");
    LOOM_TRY(check_audience(claims, options));
    return check_times(claims, options, now_s);
}

Result<JwtIdentity> read_claims(const dom::object& claims, const JwtOptions& options, int64_t expires_unix_s) {
    JwtIdentity identity;
    identity.expires_unix_s = expires_unix_s;
    if (!take_name(claims, options.consumer, identity.consumer) || identity.consumer.empty())
        return refuse("the token does not name a consumer");
    if (!take_name(claims, options.tier, identity.tier)) return refuse("the token's tier is none");
    if (!take_name(claims, options.team, identity.team)) return refuse("the token's team is none");
    if (!take_roles(claims, options.roles, identity.roles)) return refuse("the token's roles are none");
    for (const WantedClaim& wanted : options.claims)
        if (const auto found = claim_at(claims, wanted.path))
            identity.claims.push_back(read_claim(wanted.name, *found));
    return identity;
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
