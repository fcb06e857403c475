#include "token_claims.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "strict_json.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

constexpr size_t audiences_max = 64;  // of one token

std::unexpected<Error> refuse(const char* what) noexcept { return fail(Errc::unauthenticated, Side::downstream, what); }

/// A NumericDate; nothing where it is missing.
Result<std::optional<double>> date_at(const dom::object& claims, std::string_view name) {
    if (!has(claims, name)) return std::nullopt;
    constexpr double last = 253402300799;  // of the year 9999
    double date = 0;
    if (claims.at_key(name).get(date) != simdjson::SUCCESS || !(date >= 0 && date <= last))
        return refuse("a time in the token is none");
    return date;
}

bool is_one_of(const std::vector<std::string>& wanted, std::string_view text) {
    return std::ranges::find(wanted, text) != wanted.end();
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

}  // namespace

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

}  // namespace loom::tenant
