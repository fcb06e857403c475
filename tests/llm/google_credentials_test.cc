#include "loom/llm/google_credentials.h"

#include <gtest/gtest.h>

#include "../base/test_key.h"
#include "dom.h"
#include "loom/llm/json_text.h"

namespace loom::llm {
namespace {

/// Decodes base64url, as a server of tokens would.
std::string decoded(std::string_view text) {
    std::string out;
    uint32_t bits = 0;
    unsigned count = 0;
    for (const char c : text) {
        const size_t value =
            std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_").find(c);
        EXPECT_NE(value, std::string_view::npos) << c;
        bits = bits << 6 | static_cast<uint32_t>(value);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        out += static_cast<char>(bits >> count & 255);
    }
    return out;
}

std::string service_account_file(const test::TestKey& key) {
    std::string json = R"({"type":"service_account","project_id":"p-1","private_key_id":"abc","private_key":)";
    quote(key.private_pem, json);
    return json +
           R"(,"client_email":"loom@p-1.iam.gserviceaccount.com","client_id":"1",)"
           R"("auth_uri":"https://accounts.google.com/o/oauth2/auth","token_uri":"https://oauth2.googleapis.com/token"})";
}

const char* refusal_of(std::string_view json) {
    const auto read = read_google_credentials(json);
    return read ? "" : read.error().what;
}

TEST(GoogleCredentials, AServiceAccountsAssertionIsSignedByItsKey) {
    const test::TestKey key = test::make_rsa_key(2048);
    const auto credentials = read_google_credentials(service_account_file(key));
    ASSERT_TRUE(credentials) << credentials.error().what;
    EXPECT_EQ(credentials->kind, GoogleCredentials::Kind::service_account);
    EXPECT_EQ(credentials->project_id, "p-1");
    EXPECT_EQ(credentials->token_url, "https://oauth2.googleapis.com/token");

    const auto body = google_token_request(*credentials, "", 1700000000);
    ASSERT_TRUE(body);
    constexpr std::string_view front = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    ASSERT_TRUE(body->view().starts_with(front));
    const std::string_view jwt = body->view().substr(front.size());
    const size_t first = jwt.find('.'), second = jwt.rfind('.');
    ASSERT_LT(first, second);
    EXPECT_EQ(decoded(jwt.substr(0, first)), R"({"alg":"RS256","typ":"JWT","kid":"abc"})");
    EXPECT_EQ(decoded(jwt.substr(first + 1, second - first - 1)),
              R"({"iss":"loom@p-1.iam.gserviceaccount.com","scope":"https://www.googleapis.com/auth/cloud-platform",)"
              R"("aud":"https://oauth2.googleapis.com/token","iat":1700000000,"exp":1700003600})");
    EXPECT_TRUE(test::verifies_rs256(key.public_pem, jwt.substr(0, second), decoded(jwt.substr(second + 1))));
}

TEST(GoogleCredentials, AUsersRefreshToken) {
    const auto credentials = read_google_credentials(
        R"({"type":"authorized_user","client_id":"id.apps","client_secret":"s/1","refresh_token":"1//r+t","quota_project_id":"q"})");
    ASSERT_TRUE(credentials) << credentials.error().what;
    EXPECT_EQ(credentials->project_id, "q");
    EXPECT_EQ(credentials->token_url, "https://oauth2.googleapis.com/token");
    const auto body = google_token_request(*credentials, "", 1);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->view(),
              "grant_type=refresh_token&client_id=id.apps&client_secret=s%2F1&refresh_token=1%2F%2Fr%2Bt");
}

constexpr std::string_view external =
    R"({"type":"external_account","audience":"//iam.googleapis.com/projects/1/providers/k8s",)"
    R"("subject_token_type":"urn:ietf:params:oauth:token-type:jwt","token_url":"https://sts.googleapis.com/v1/token",)"
    R"("service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/x:generateAccessToken",)"
    R"("credential_source":{"file":"/var/run/token","format":{"type":"json","subject_token_field_name":"id_token"}}})";

TEST(GoogleCredentials, AnExternalAccountsExchangeAndImpersonation) {
    const auto credentials = read_google_credentials(external);
    ASSERT_TRUE(credentials) << credentials.error().what;
    EXPECT_EQ(credentials->subject_token_file, "/var/run/token");
    EXPECT_EQ(credentials->impersonation_url, "https://iamcredentials.googleapis.com/v1/x:generateAccessToken");
    const auto token = google_subject_token(*credentials, R"({"other":1,"id_token":"a.b\/c"})");
    ASSERT_TRUE(token);
    EXPECT_EQ(token->view(), "a.b/c");
    const auto body = google_token_request(*credentials, token->view(), 1);
    ASSERT_TRUE(body);
    EXPECT_EQ(body->view(),
              "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
              "&audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Fproviders%2Fk8s"
              "&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
              "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
              "&subject_token=a.b%2Fc&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt");
    EXPECT_EQ(google_impersonation_request(),
              R"({"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"3600s"})");
}

TEST(GoogleCredentials, ATokensFileIsTextOrJson) {
    GoogleCredentials text;
    EXPECT_EQ(google_subject_token(text, " a.b.c\n")->view(), "a.b.c");
    EXPECT_FALSE(google_subject_token(text, " \n"));
    EXPECT_FALSE(google_subject_token(text, ""));
    GoogleCredentials json;
    json.subject_token_field = "t";
    EXPECT_FALSE(google_subject_token(json, "a.b.c"));
    EXPECT_FALSE(google_subject_token(json, R"({"u":"x"})"));
    EXPECT_FALSE(google_subject_token(json, R"({"t":7})"));
}

TEST(GoogleCredentials, WhatIsMissingIsNamed) {
    const test::TestKey key = test::make_rsa_key(2048);
    const std::string good = service_account_file(key);
    const auto without = [](std::string json, std::string_view word) {
        json.replace(json.find(word), word.size(), "x");
        return json;
    };
    EXPECT_STREQ(refusal_of(without(good, "client_email")), "the service account's file has no client_email");
    EXPECT_STREQ(refusal_of(R"({"type":"service_account","client_email":"e"})"),
                 "the service account's file has no private_key");
    EXPECT_STREQ(refusal_of(R"({"type":"service_account","client_email":"e","private_key":"k"})"),
                 "not a private key in PEM, or an encrypted one");
    EXPECT_STREQ(refusal_of(R"({"type":"authorized_user","client_id":"i","client_secret":"s"})"),
                 "the user's credentials lack client_id, client_secret or refresh_token");
    EXPECT_STREQ(refusal_of(R"({"type":"gdch_service_account"})"),
                 "Google's credentials are of a type other than service_account, authorized_user, external_account");
    EXPECT_STREQ(refusal_of(R"({"type":"external_account","credential_source":{"url":"http://169.254.169.254"}})"),
                 "of an external account's credential_source only a file is read");
    EXPECT_STREQ(refusal_of(without(std::string(external), "audience")),
                 "the external account's file lacks audience or subject_token_type");
    EXPECT_STREQ(refusal_of(without(std::string(external), "token_url")),
                 "the external account's file has no token_url");
    for (size_t size = 0; size < external.size(); ++size)
        EXPECT_STREQ(refusal_of(external.substr(0, size)), "Google's credentials are no JSON object") << size;
}

TEST(GoogleToken, BothEndpointsAnswers) {
    const auto token = read_google_token(R"({"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"})", 1000);
    ASSERT_TRUE(token);
    EXPECT_EQ(token->access_token.view(), "ya29.x");
    EXPECT_EQ(token->expires, 4599u);
    const auto impersonated =
        read_google_token(R"({"accessToken":"ya29.y","expireTime":"2024-02-29T12:34:56Z"})", 1000);
    ASSERT_TRUE(impersonated);
    EXPECT_EQ(impersonated->expires, 1709210096u);
    for (const std::string_view odd :
         {"2024-02-30T12:34:56Z", "2024-02-29 12:34:56Z", "2024-02-29T12:34:56", "x", ""}) {
        const auto read = read_google_token(R"({"accessToken":"t","expireTime":")" + std::string(odd) + "\"}", 1000);
        ASSERT_TRUE(read);
        EXPECT_EQ(read->expires, 1000u) << "not known: to be renewed at once";
    }
    for (const std::string_view bad : {"", "{", "[]", "{}", R"({"access_token":""})", R"({"access_token":7})"}) {
        const auto read = read_google_token(bad, 1000);
        ASSERT_FALSE(read) << bad;
        EXPECT_EQ(read.error().side, Side::upstream);
    }
}

TEST(GoogleToken, ErrorsForTheLog) {
    EXPECT_EQ(google_token_error(R"({"error":"invalid_grant","error_description":"Invalid JWT\nSignature."})"),
              "invalid_grant: Invalid JWT Signature.");
    EXPECT_EQ(google_token_error(R"({"error":{"code":403,"message":"Permission denied"}})"), "Permission denied");
    EXPECT_EQ(google_token_error("<html>"), "");
    EXPECT_EQ(google_token_error(R"({"error":")" + std::string(1000, 'x') + "\"}").size(), 200u);
}

}  // namespace
}  // namespace loom::llm
