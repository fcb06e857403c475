#include "loom/tenant/introspection.h"

#include <algorithm>

#include "strict_json.h"
#include "token_claims.h"

namespace loom::tenant {

namespace {

namespace dom = simdjson::dom;

std::unexpected<Error> refuse(const char* what) noexcept { return fail(Errc::unauthenticated, Side::downstream, what); }
std::unexpected<Error> no_answer(const char* what) noexcept { return fail(Errc::bad_message, Side::upstream, what); }

bool is_bearer(std::string_view type) noexcept {
    constexpr std::string_view bearer = "bearer";
    return std::ranges::equal(type, bearer, [](char a, char b) { return (a | 0x20) == b; });
}

bool is_letter_or_digit(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/// Is it a bearer's access token? Some issuers answer about refresh tokens too, and call them active.
Result<void> check_kind(const dom::object& answer) {
    if (has(answer, "cnf")) return refuse("the token is bound to a key of its sender, which is not verified here");
    if (has(answer, "token_type") && !is_bearer(text_at(answer, "token_type")))
        return refuse("the token is no bearer token");
    if (text_at(answer, "token_use") == "refresh_token") return refuse("the token is no access token");
    return {};
}

Result<void> check_issuer(const dom::object& answer, const JwtOptions& options) {
    if (options.issuers.empty()) return {};
    if (std::ranges::find(options.issuers, text_at(answer, "iss")) != options.issuers.end()) return {};
    return refuse("the token's issuer is not known here");
}

}  // namespace

struct IntrospectionReader::Scratch {
    StrictJson json;
};

IntrospectionReader::IntrospectionReader() : scratch_(std::make_unique<Scratch>()) {}
IntrospectionReader::~IntrospectionReader() = default;
IntrospectionReader::IntrospectionReader(IntrospectionReader&&) noexcept = default;

Result<JwtIdentity> IntrospectionReader::read(std::string_view document, const JwtOptions& options,
                                              int64_t now_unix_s) {
    fault_ = JwtFault::form;
    dom::object answer;
    if (!scratch_->json.read(document, answer)) return no_answer("is no JSON object, or names a member twice");
    bool active = false;
    if (answer.at_key("active").get(active) != simdjson::SUCCESS)
        return no_answer("does not say 'active' as a boolean");
    fault_ = JwtFault::signature;
    if (!active) return refuse("the token is not good: its issuer says so");
    fault_ = JwtFault::claims;
    LOOM_TRY(check_kind(answer));
    LOOM_TRY(check_issuer(answer, options));
    LOOM_TRY(check_audience(answer, options));
    const int64_t expires_unix_s = LOOM_TRY(check_times(answer, options, now_unix_s));
    return read_claims(answer, options, expires_unix_s);
}

bool is_opaque_token(std::string_view token) noexcept {
    const auto fits = [](char c) {
        return is_letter_or_digit(c) || std::string_view("-._~+/=").find(c) != std::string_view::npos;
    };
    return !token.empty() && token.size() <= opaque_token_bytes_max && std::ranges::all_of(token, fits);
}

void append_form_encoded(std::string_view text, std::string& out) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    for (const char c : text) {
        if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_') {
            out += c;
            continue;
        }
        const auto byte = static_cast<uint8_t>(c);
        out += '%';
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
}

void append_introspection_form(std::string_view token, std::string& out) {
    out += "token=";
    append_form_encoded(token, out);
    out += "&token_type_hint=access_token";
}

}  // namespace loom::tenant
