#include "loom/http/sigv4.h"

#include "support.h"

namespace loom::http::test {
namespace {

constexpr uint64_t suite_time = 1440938160;  // 2015-08-30T12:36:00Z
constexpr AwsCredentials suite_credentials{"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};

struct Vector {
    const char* name;
    SigV4Request request;
    const char* rest;  // of the authorization, behind "SignedHeaders="
};

std::string authorization(SigV4Signer& signer, SigV4Request request, uint64_t now = suite_time) {
    if (request.host.empty()) request.host = "example.amazonaws.com";
    std::array<char, SigV4Signer::out_bytes_max> out;
    const auto headers = signer.sign(request, now, out);
    EXPECT_TRUE(headers) << (headers ? "" : headers.error().what);
    return headers ? std::string(headers->authorization) : "";
}

// The suite that AWS published, as its SDKs carry it; without the cases whose path has "." segments, which no request
// of Loom's has.
TEST(SigV4, PublishedSuite) {
    constexpr const char* every_byte = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    constexpr const char* every_parameter =
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
        "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const SignedHeader duplicate[] = {{"my-header1", "value2,value2,value1"}};
    const SignedHeader multiline[] = {{"my-header1", "value1,value2,value3"}};
    const SignedHeader order[] = {{"my-header1", "value4,value1,value3,value2"}};
    const SignedHeader trim[] = {{"my-header2", " \"a   b   c\" "}, {"my-header1", " value1"}};
    const SignedHeader one[] = {{"my-header1", "value1"}};
    const SignedHeader upper[] = {{"my-header1", "VALUE1"}};
    const SignedHeader form[] = {{"content-type", "application/x-www-form-urlencoded"}};
    const SignedHeader form_utf8[] = {{"content-type", "application/x-www-form-urlencoded; charset=utf8"}};
    const std::string_view whole_body[] = {"Param1=value1"};
    const std::string_view body_in_pieces[] = {"Param1", "", "=value", "1"};
    const Sha256 body_digest = sha256("Param1=value1");
    const Vector suite[] = {
        {"get-vanilla",
         {.method = "GET", .path = "/"},
         "host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-vanilla, no path",
         {.method = "GET"},
         "host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
        {"get-header-key-duplicate",
         {.method = "GET", .path = "/", .headers = duplicate},
         "host;my-header1;x-amz-date, Signature=c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
        {"get-header-value-multiline",
         {.method = "GET", .path = "/", .headers = multiline},
         "host;my-header1;x-amz-date, Signature=ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790"},
        {"get-header-value-order",
         {.method = "GET", .path = "/", .headers = order},
         "host;my-header1;x-amz-date, Signature=08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
        {"get-header-value-trim",
         {.method = "GET", .path = "/", .headers = trim},
         "host;my-header1;my-header2;x-amz-date, "
         "Signature=acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
        {"get-unreserved",
         {.method = "GET", .path = every_byte},
         "host;x-amz-date, Signature=07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
        {"get-utf8",
         {.method = "GET", .path = "/ሴ"},
         "host;x-amz-date, Signature=8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
        {"get-space",
         {.method = "GET", .path = "/example space/"},
         "host;x-amz-date, Signature=652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"},
        {"get-vanilla-empty-query-key",
         {.method = "GET", .path = "/", .query = "Param1=value1"},
         "host;x-amz-date, Signature=a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
        {"get-vanilla-query-order-key-case",
         {.method = "GET", .path = "/", .query = "Param2=value2&Param1=value1"},
         "host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
        {"get-vanilla-query-unreserved",
         {.method = "GET", .path = "/", .query = every_parameter},
         "host;x-amz-date, Signature=9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
        {"get-vanilla-utf8-query",
         {.method = "GET", .path = "/", .query = "ሴ=bar"},
         "host;x-amz-date, Signature=2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
        {"the same, encoded",
         {.method = "GET", .path = "/", .query = "%E1%88%b4=bar"},
         "host;x-amz-date, Signature=2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
        {"post-vanilla",
         {.path = "/"},
         "host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
        {"post-header-key-sort",
         {.path = "/", .headers = one},
         "host;my-header1;x-amz-date, Signature=c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
        {"post-header-value-case",
         {.path = "/", .headers = upper},
         "host;my-header1;x-amz-date, Signature=cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
        {"post-vanilla-query",
         {.path = "/", .query = "Param1=value1"},
         "host;x-amz-date, Signature=28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
        {"post-vanilla-query-nonunreserved",
         {.path = "/", .query = "@#$%^=&+=/,?><`\";:\\|][{}"},
         "host;x-amz-date, Signature=66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e"},
        {"post-x-www-form-urlencoded",
         {.path = "/", .headers = form, .body = whole_body},
         "content-type;host;x-amz-date, "
         "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
        {"the same, in pieces",
         {.path = "/", .headers = form, .body = body_in_pieces},
         "content-type;host;x-amz-date, "
         "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
        {"the same, hashed before",
         {.path = "/", .headers = form, .body_digest = &body_digest},
         "content-type;host;x-amz-date, "
         "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"},
        {"post-x-www-form-urlencoded-parameters",
         {.path = "/", .headers = form_utf8, .body = whole_body},
         "content-type;host;x-amz-date, "
         "Signature=1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe"},
    };
    SigV4Signer signer("us-east-1", "service");
    signer.use(suite_credentials);
    for (const Vector& one_vector : suite) {
        EXPECT_EQ(authorization(signer, one_vector.request),
                  std::string("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                              "SignedHeaders=") +
                      one_vector.rest)
            << one_vector.name;
    }
}

TEST(SigV4, ASessionTokenIsSignedAndSent) {
    SigV4Signer signer("us-east-1", "service");
    signer.use({suite_credentials.access_key_id, suite_credentials.secret_access_key,
                "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"});
    std::array<char, SigV4Signer::out_bytes_max> out;
    const auto headers = signer.sign({.method = "GET", .host = "example.amazonaws.com", .path = "/"}, suite_time, out);
    ASSERT_TRUE(headers);
    EXPECT_EQ(headers->date, "20150830T123600Z");
    EXPECT_EQ(headers->security_token, "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
    EXPECT_TRUE(
        headers->authorization.ends_with("SignedHeaders=host;x-amz-date;x-amz-security-token, "
                                         "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"));
}

// The key is of a day: a signer that kept yesterday's, or another's secret, would be refused from midnight on.
TEST(SigV4, TheKeyFollowsTheDayAndTheCredentials) {
    const SigV4Request request{.method = "GET", .path = "/"};
    const auto fresh = [&](uint64_t now, AwsCredentials credentials) {
        SigV4Signer signer("us-east-1", "service");
        signer.use(credentials);
        return authorization(signer, request, now);
    };
    constexpr AwsCredentials others{"AKIDOTHER", "another", ""};
    constexpr uint64_t day = 86400, midnight = 16677 * day;
    SigV4Signer kept("us-east-1", "service");
    kept.use(suite_credentials);
    for (const uint64_t now : {midnight - 1, midnight, midnight + day - 1, midnight + day, midnight - 1})
        EXPECT_EQ(authorization(kept, request, now), fresh(now, suite_credentials)) << now;
    kept.use(others);
    EXPECT_EQ(authorization(kept, request, midnight), fresh(midnight, others));
    EXPECT_NE(fresh(midnight, others), fresh(midnight, suite_credentials));
}

TEST(SigV4, DatesOfTheCalendar) {
    SigV4Signer signer("us-east-1", "bedrock");
    signer.use(suite_credentials);
    const std::pair<uint64_t, std::string_view> dates[] = {{0, "19700101T000000Z"},
                                                           {951827696, "20000229T123456Z"},
                                                           {1709251199, "20240229T235959Z"},
                                                           {4102444800, "21000101T000000Z"}};
    for (const auto& [now, text] : dates) {
        std::array<char, SigV4Signer::out_bytes_max> out;
        const auto headers = signer.sign({.host = "h", .path = "/"}, now, out);
        ASSERT_TRUE(headers);
        EXPECT_EQ(headers->date, text);
    }
}

TEST(SigV4, AModelIdsColonIsEncodedTwice) {
    // The path goes as %3A, and what is signed is what a server makes of it: %253A. Signed raw, it would be %3A.
    SigV4Signer signer("us-east-1", "bedrock");
    signer.use(suite_credentials);
    EXPECT_NE(authorization(signer, {.path = "/model/anthropic.claude-v2%3A1/converse"}),
              authorization(signer, {.path = "/model/anthropic.claude-v2:1/converse"}));
}

TEST(SigV4, EveryRoomThatIsTooSmallIsAnErrorAndNoneIsOverrun) {
    SigV4Signer signer("us-east-1", "bedrock");
    signer.use(suite_credentials);
    const SigV4Request request{.host = "example.amazonaws.com", .path = "/"};
    std::array<char, SigV4Signer::out_bytes_max> whole;
    const auto headers = signer.sign(request, suite_time, whole);
    ASSERT_TRUE(headers);
    const size_t needed = headers->date.size() + headers->authorization.size();
    for (size_t size = 0; size <= needed; ++size) {
        const std::unique_ptr<char[]> room(new char[size]);
        const auto tried = signer.sign(request, suite_time, {room.get(), size});
        EXPECT_EQ(tried.has_value(), size == needed) << size;
        if (!tried) EXPECT_EQ(tried.error().code, Errc::too_large);
    }
}

TEST(SigV4, BoundsOfWhatIsSigned) {
    SigV4Signer signer("us-east-1", "bedrock");
    signer.use(suite_credentials);
    std::array<char, SigV4Signer::out_bytes_max> out;
    const std::vector<SignedHeader> many(SigV4Signer::signed_headers_max + 1, {"x", "y"});
    EXPECT_FALSE(signer.sign({.host = "h", .path = "/", .headers = many}, 0, out));
    std::string query;
    for (size_t i = 0; i < SigV4Signer::query_parameters_max; ++i) query += "a=b&";
    EXPECT_TRUE(signer.sign({.host = "h", .path = "/", .query = query}, 0, out));
    query += "a=b";
    EXPECT_FALSE(signer.sign({.host = "h", .path = "/", .query = query}, 0, out));
    EXPECT_FALSE(signer.sign({.host = "h", .path = "/", .query = std::string(3000, 'x')}, 0, out));
}

}  // namespace
}  // namespace loom::http::test
