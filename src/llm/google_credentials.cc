#include "loom/llm/google_credentials.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "cursor.h"
#include "loom/base/base64.h"
#include "loom/base/percent.h"
#include "loom/llm/json_text.h"
#include "structure.h"

namespace loom::llm {

namespace {

constexpr std::string_view default_token_url = "https://oauth2.googleapis.com/token";
constexpr size_t error_bytes_max = 200;

std::unexpected<Error> bad_conf(const char* what) noexcept { return fail(Errc::bad_conf, Side::internal, what); }

/// Walks an object's members; the reader consumes each value. False for what is no JSON object.
template <class OnMember>
bool read_object(std::string_view json, OnMember&& on_member) {
    Structure structure;
    Tokens tokens;
    Fault fault;
    if (!structure.index(json, Structure::Utf8::checked, tokens, fault)) return false;
    Cursor cursor(json, tokens);
    return cursor.each_member([&](Range key) { return on_member(cursor, inside(json, key)); }) && cursor.at_end();
}

/// A string, decoded; another type leaves it as it is.
bool take(Cursor& cursor, std::string& out) {
    if (cursor.peek() != '"') return cursor.skip_value();
    const std::string_view raw = inside(cursor.text(), cursor.take_string());
    out.clear();
    out.reserve(raw.size());  // of a secret, growth would leave a copy behind
    return unescape(raw, out);
}

/// The members of a credentials file, of whichever kind.
struct File {
    std::string type;
    Secret private_key;
    bool other_source = false;  // a token of another issuer that stands in no file
    GoogleCredentials credentials;
};

bool read_format(Cursor& cursor, File& file) {
    if (cursor.peek() != '{') return cursor.skip_value();
    std::string type, field;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        if (name == "type") return take(cursor, type);
        return name == "subject_token_field_name" ? take(cursor, field) : cursor.skip_value();
    });
    if (type == "json") file.credentials.subject_token_field = std::move(field);
    return good;
}

bool read_source(Cursor& cursor, File& file) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        if (name == "file") return take(cursor, file.credentials.subject_token_file);
        if (name == "format") return read_format(cursor, file);
        file.other_source |= name == "url" || name == "executable" || name == "environment_id";
        return cursor.skip_value();
    });
}

bool read_member(Cursor& cursor, std::string_view name, File& file) {
    GoogleCredentials& c = file.credentials;
    if (name == "type") return take(cursor, file.type);
    if (name == "private_key") return take(cursor, file.private_key.text());
    if (name == "private_key_id") return take(cursor, c.key_id);
    if (name == "client_email") return take(cursor, c.client_email);
    if (name == "client_id") return take(cursor, c.client_id);
    if (name == "client_secret") return take(cursor, c.client_secret.text());
    if (name == "refresh_token") return take(cursor, c.refresh_token.text());
    if (name == "token_uri" || name == "token_url") return take(cursor, c.token_url);
    if (name == "project_id" || name == "quota_project_id") return take(cursor, c.project_id);
    if (name == "audience") return take(cursor, c.audience);
    if (name == "subject_token_type") return take(cursor, c.subject_token_type);
    if (name == "service_account_impersonation_url") return take(cursor, c.impersonation_url);
    return name == "credential_source" ? read_source(cursor, file) : cursor.skip_value();
}

Result<GoogleCredentials> service_account(File& file) {
    GoogleCredentials& c = file.credentials;
    if (c.client_email.empty()) return bad_conf("the service account's file has no client_email");
    if (file.private_key.empty()) return bad_conf("the service account's file has no private_key");
    c.kind = GoogleCredentials::Kind::service_account;
    c.key = LOOM_TRY(RsaKey::parse(file.private_key.view()));
    return std::move(c);
}

Result<GoogleCredentials> authorized_user(File& file) {
    GoogleCredentials& c = file.credentials;
    if (c.client_id.empty() || c.client_secret.empty() || c.refresh_token.empty())
        return bad_conf("the user's credentials lack client_id, client_secret or refresh_token");
    c.kind = GoogleCredentials::Kind::authorized_user;
    return std::move(c);
}

Result<GoogleCredentials> external_account(File& file) {
    GoogleCredentials& c = file.credentials;
    if (c.subject_token_file.empty()) {
        return bad_conf(file.other_source ? "of an external account's credential_source only a file is read"
                                          : "the external account's file has no credential_source.file");
    }
    if (c.audience.empty() || c.subject_token_type.empty())
        return bad_conf("the external account's file lacks audience or subject_token_type");
    if (c.token_url == default_token_url) return bad_conf("the external account's file has no token_url");
    c.kind = GoogleCredentials::Kind::external_account;
    return std::move(c);
}

/// One field of a form, percent-encoded.
void add_field(std::string_view name, std::string_view value, std::string& out) {
    if (!out.empty()) out += '&';
    out.append(name) += '=';
    percent_encode(value, out);
}

void encode(std::string_view bytes, std::string& out) {
    base64url_encode({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, out);
}

/// A JWT that says who asks, signed: good for one hour from now.
Result<Secret> assertion(const GoogleCredentials& c, uint64_t now) {
    std::string header = R"({"alg":"RS256","typ":"JWT")";
    if (!c.key_id.empty()) {
        header += R"(,"kid":)";
        quote(c.key_id, header);
    }
    header += '}';
    std::string claims = R"({"iss":)";
    quote(c.client_email, claims);
    claims += R"(,"scope":)";
    quote(google_cloud_scope, claims);
    claims += R"(,"aud":)";
    quote(c.token_url, claims);
    claims += R"(,"iat":)" + std::to_string(now) + R"(,"exp":)" + std::to_string(now + google_token_seconds) + '}';

    Secret jwt;
    jwt.text().reserve(2 * (header.size() + claims.size()) + 1024);
    encode(header, jwt.text());
    jwt.text() += '.';
    encode(claims, jwt.text());
    const std::string signature = LOOM_TRY(c.key->sign_rs256(jwt.view()));
    jwt.text() += '.';
    encode(signature, jwt.text());
    return jwt;
}

/// "2014-10-02T15:01:23Z", with or without a fraction; nothing for what is none.
std::optional<uint64_t> unix_seconds(std::string_view text) noexcept {
    using namespace std::chrono;
    constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd";
    if (text.size() <= form.size() || !text.ends_with('Z')) return std::nullopt;
    for (size_t i = 0; i < form.size(); ++i) {
        const bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return std::nullopt;
    }
    const auto number = [text](size_t at, size_t count) {
        unsigned value = 0;
        for (size_t i = at; i < at + count; ++i) value = 10 * value + static_cast<unsigned>(text[i] - '0');
        return value;
    };
    const year_month_day date(year(static_cast<int>(number(0, 4))), month(number(5, 2)), day(number(8, 2)));
    if (!date.ok()) return std::nullopt;
    const auto moment = sys_days(date) + hours(number(11, 2)) + minutes(number(14, 2)) + seconds(number(17, 2));
    const auto count = moment.time_since_epoch() / seconds(1);
    return count < 0 ? std::nullopt : std::optional<uint64_t>(static_cast<uint64_t>(count));
}

}  // namespace

Result<GoogleCredentials> read_google_credentials(std::string_view json) {
    File file;
    file.credentials.token_url = default_token_url;
    const bool good =
        read_object(json, [&](Cursor& cursor, std::string_view name) { return read_member(cursor, name, file); });
    if (!good) return bad_conf("Google's credentials are no JSON object");
    if (file.type == "service_account") return service_account(file);
    if (file.type == "authorized_user") return authorized_user(file);
    if (file.type == "external_account") return external_account(file);
    return bad_conf("Google's credentials are of a type other than service_account, authorized_user, external_account");
}

Result<Secret> google_subject_token(const GoogleCredentials& credentials, std::string_view file) {
    Secret token;
    if (credentials.subject_token_field.empty()) {
        constexpr std::string_view blanks = " \t\r\n";
        const size_t begin = std::min(file.find_first_not_of(blanks), file.size());
        token.text() = file.substr(begin, file.find_last_not_of(blanks) + 1 - begin);
    } else {
        const bool good = read_object(file, [&](Cursor& cursor, std::string_view name) {
            return name == credentials.subject_token_field ? take(cursor, token.text()) : cursor.skip_value();
        });
        if (!good) return bad_conf("the file with an external account's token is no JSON object");
    }
    if (token.empty()) return bad_conf("the file with an external account's token holds none");
    return token;
}

Result<Secret> google_token_request(const GoogleCredentials& c, std::string_view subject_token, uint64_t now) {
    Secret body;
    std::string& out = body.text();
    switch (c.kind) {
        case GoogleCredentials::Kind::service_account: {
            const Secret jwt = LOOM_TRY(assertion(c, now));
            out.reserve(jwt.view().size() + 128);
            add_field("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", out);
            add_field("assertion", jwt.view(), out);
            break;
        }
        case GoogleCredentials::Kind::authorized_user:
            out.reserve(3 * (c.client_id.size() + c.client_secret.view().size() + c.refresh_token.view().size()) + 128);
            add_field("grant_type", "refresh_token", out);
            add_field("client_id", c.client_id, out);
            add_field("client_secret", c.client_secret.view(), out);
            add_field("refresh_token", c.refresh_token.view(), out);
            break;
        case GoogleCredentials::Kind::external_account:
            out.reserve(3 * (c.audience.size() + c.subject_token_type.size() + subject_token.size()) + 512);
            add_field("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange", out);
            add_field("audience", c.audience, out);
            add_field("scope", google_cloud_scope, out);
            add_field("requested_token_type", "urn:ietf:params:oauth:token-type:access_token", out);
            add_field("subject_token", subject_token, out);
            add_field("subject_token_type", c.subject_token_type, out);
            break;
    }
    return body;
}

std::string google_impersonation_request() {
    std::string body = R"({"scope":[)";
    quote(google_cloud_scope, body);
    return body + R"(],"lifetime":")" + std::to_string(google_token_seconds) + R"(s"})";
}

Result<GoogleToken> read_google_token(std::string_view json, uint64_t now) {
    GoogleToken token;
    std::string expire_time;
    uint64_t seconds = 0;
    const bool good = read_object(json, [&](Cursor& cursor, std::string_view name) {
        if (name == "access_token" || name == "accessToken") return take(cursor, token.access_token.text());
        if (name == "expireTime") return take(cursor, expire_time);
        return (name == "expires_in" && cursor.take_count(seconds)) || cursor.skip_value();
    });
    if (!good || token.access_token.empty())
        return fail(Errc::bad_message, Side::upstream, "no token in Google's answer");
    // Where the answer does not say, the hour that was asked for is not to be relied upon.
    token.expires = unix_seconds(expire_time).value_or(now + std::min<uint64_t>(seconds, 86400));
    return token;
}

std::string google_token_error(std::string_view json) {
    std::string error, description, message;
    (void)read_object(json, [&](Cursor& cursor, std::string_view name) {
        if (name == "error_description") return take(cursor, description);
        if (name != "error") return cursor.skip_value();
        if (cursor.peek() != '{') return take(cursor, error);
        return cursor.each_member([&](Range key) {  // of impersonation: {"error":{"message":…}}
            return inside(cursor.text(), key) == "message" ? take(cursor, message) : cursor.skip_value();
        });
    });
    std::string text = !message.empty() ? message : error;
    if (!description.empty()) text += (text.empty() ? "" : ": ") + description;
    text.resize(utf8_cut(text, std::min(text.size(), error_bytes_max)));
    for (char& c : text)
        if (static_cast<uint8_t>(c) < ' ' || c == '\x7f') c = ' ';
    return text;
}

}  // namespace loom::llm
