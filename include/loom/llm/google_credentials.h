// How Google's token endpoints are asked for an access token: the files that hold credentials, the requests made of
// them, and the answers. Pure: who reads files and speaks HTTP is elsewhere. Source: Google Cloud's "Authentication"
// pages (service accounts, RFC 7523; workload identity federation, RFC 8693; google-auth's readers of the files).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "loom/base/result.h"
#include "loom/base/rsa_key.h"
#include "loom/base/secret.h"

namespace loom::llm {

struct GoogleCredentials {
    enum class Kind : uint8_t {
        service_account,   // signs an assertion with its key
        authorized_user,   // has a refresh token (gcloud auth application-default login)
        external_account,  // exchanges a token of another issuer, which stands in a file
    };
    Kind kind = Kind::service_account;
    std::string token_url;   // where the request goes
    std::string project_id;  // "" where the file does not say
    // service_account
    std::string client_email;
    std::string key_id;
    std::optional<RsaKey> key;
    // authorized_user
    std::string client_id;
    Secret client_secret;
    Secret refresh_token;
    // external_account
    std::string audience;
    std::string subject_token_type;
    std::string subject_token_file;   // to be read anew for each request
    std::string subject_token_field;  // of the JSON in it; "": the file is the token
    std::string impersonation_url;    // "" or where the exchanged token is changed for a service account's
};

inline constexpr std::string_view google_cloud_scope = "https://www.googleapis.com/auth/cloud-platform";
inline constexpr uint64_t google_token_seconds = 3600;  // asked for; the most that Google gives without more ado

/// json    what GOOGLE_APPLICATION_CREDENTIALS names. Holds secrets: overwrite it afterwards.
/// Errors  bad_conf; `what` says what is missing, or that the kind is none of the three (a token from a URL, a program
///         or AWS is not read).
[[nodiscard]] Result<GoogleCredentials> read_google_credentials(std::string_view json);

/// The token of another issuer out of its file's bytes.
/// Errors  bad_conf: no JSON, or not the field.
[[nodiscard]] Result<Secret> google_subject_token(const GoogleCredentials& credentials, std::string_view file);

/// The body of a POST to token_url, application/x-www-form-urlencoded.
/// subject_token  of an external account, else "".      now  Unix seconds, right within a minute or so.
/// Errors  exhausted: no memory to sign.
[[nodiscard]] Result<Secret> google_token_request(const GoogleCredentials& credentials, std::string_view subject_token,
                                                  uint64_t now);

/// The body of a POST to impersonation_url, application/json, with the exchanged token as its bearer.
[[nodiscard]] std::string google_impersonation_request();

struct GoogleToken {
    Secret access_token;
    uint64_t expires = 0;  // Unix seconds
};

/// json    the answer (200) of token_url or of impersonation_url.
/// Errors  bad_message (upstream): it is none.
[[nodiscard]] Result<GoogleToken> read_google_token(std::string_view json, uint64_t now);

/// What an answer that is an error says ("invalid_grant: Invalid JWT Signature."), for the log: printable, short,
/// without the tokens that were sent. "" where it says nothing.
[[nodiscard]] std::string google_token_error(std::string_view json);

}  // namespace loom::llm
