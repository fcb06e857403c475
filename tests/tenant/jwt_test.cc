// Who a token says its bearer is, and every way in which it says nothing.
#include "loom/tenant/jwt.h"

#include <gtest/gtest.h>

#include "jwt_vectors.h"
#include "loom/base/base64.h"
#include "loom/base/crypto.h"

namespace loom::tenant {
namespace {

using enum SignatureAlgorithm;

constexpr int64_t now_s = 1'750'000'000;
const std::string secret = [] {
    std::string bytes;
    for (int i = 0; i < 64; ++i) bytes += static_cast<char>(i);
    return bytes;
}();

std::string encoded(std::string_view text) {
    std::string out;
    base64url_encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out);
    return out;
}

/// A token whose signature is good, whatever it says.
std::string sign(std::string_view header, std::string_view claims, std::string_view key = secret) {
    std::string token = encoded(header) + "." + encoded(claims);
    const Sha256 mac = hmac_sha256(key, token);
    token += '.';
    base64url_encode(mac, token);
    return token;
}

JwkSet keys_of(std::string_view document) {
    auto set = JwkSet::parse(document);
    EXPECT_TRUE(set) << (set ? "" : set.error().what);
    return set ? std::move(*set) : JwkSet();
}

constexpr std::string_view hs_header = R"({"alg":"HS256","kid":"secret"})";

class Jwt : public testing::Test {
  protected:
    Jwt() {
        options.issuers = {"https://issuer.example", "https://other.example"};
        options.audiences = {"loom"};
        options.algorithms = {rs256, rs384, rs512, ps256, ps384, ps512, es256, es384, eddsa, hs256, hs384, hs512};
    }
    Result<JwtIdentity> verify(std::string_view token, int64_t at_s = now_s) {
        return verifier.verify(token, options, keys, at_s);
    }
    /// Why it is refused; "" where it is taken.
    std::string why(std::string_view token, int64_t at_s = now_s) {
        const auto identity = verify(token, at_s);
        if (identity) return "";
        EXPECT_EQ(identity.error().side, Side::downstream);
        EXPECT_TRUE(identity.error().code == Errc::unauthenticated || identity.error().code == Errc::not_found);
        return identity.error().what;
    }
    /// Of the claims of a good token with one member more or another.
    std::string why_claims(std::string_view claims, int64_t at_s = now_s) { return why(sign(hs_header, claims), at_s); }
    std::string why_header(std::string_view header) {
        return why(sign(header, R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,"sub":"alice"})"));
    }

    JwkSet keys = keys_of(vector_keys);
    JwtOptions options;
    JwtVerifier verifier;
};

TEST_F(Jwt, EachAlgorithmAsAnotherImplementationSigned) {
    options.tier = {"tier"};
    options.roles = {"realm_access", "roles"};
    for (const auto& [algorithm, token] : signed_tokens) {
        const auto identity = verify(token);
        ASSERT_TRUE(identity) << algorithm << ": " << identity.error().what;
        EXPECT_EQ(identity->consumer, "alice");
        EXPECT_EQ(identity->tier, "gold");
        EXPECT_EQ(identity->roles, (std::vector<std::string>{"admin", "dev"}));
        EXPECT_EQ(identity->expires_unix_s, 4102444800);
    }
}

TEST_F(Jwt, AnyChangedByteIsSeen) {
    for (const auto& [algorithm, token] : signed_tokens) {
        std::string changed(token);
        for (size_t at = 0; at < changed.size(); at += algorithm.starts_with("HS") ? 1 : 29) {
            const char before = changed[at];
            for (const char other : {'A', 'b', '.', '='}) {
                if (other == before) continue;
                changed[at] = other;
                EXPECT_FALSE(verify(changed)) << algorithm << " at " << at;
            }
            changed[at] = before;
        }
        for (size_t size = 0; size < changed.size(); size += 7) EXPECT_FALSE(verify(changed.substr(0, size)));
        EXPECT_FALSE(verify(changed + "A"));
    }
}

/// RFC 7515, A.1 to A.3.
TEST_F(Jwt, VectorsOfRfc7515) {
    const std::string_view claims =
        "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    keys = keys_of(
        R"({"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},)"
        R"({"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"},)"
        R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
    ASSERT_EQ(keys.keys().size(), 3u);
    options.issuers = {"joe"};
    options.audiences.clear();
    options.consumer = {"iss"};
    const std::string tokens[] = {
        "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + std::string(claims) +
            ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        "eyJhbGciOiJSUzI1NiJ9." + std::string(claims) +
            ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_"
            "O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_"
            "nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-"
            "eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_"
            "IoypGlUPQGe77Rw",
        "eyJhbGciOiJFUzI1NiJ9." + std::string(claims) +
            ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"};
    for (const std::string& token : tokens) {
        EXPECT_EQ(why(token, 1300819379), "") << token;
        EXPECT_EQ(why(token, 1300819380 + 60), "the token has expired") << token;
    }
    EXPECT_EQ(why("eyJhbGciOiJub25lIn0." + std::string(claims) + ".", 1300819379), "a part of the token is empty")
        << "RFC 7519, 6.1: an unsecured one";
    EXPECT_EQ(why("eyJhbGciOiJub25lIn0." + std::string(claims) + ".AA", 1300819379),
              "the token's algorithm is not one of those that are taken");
}

/// RFC 8037, A.4: what is signed there is no JSON.
TEST(SignatureKeys, VectorOfRfc8037) {
    std::string public_key, signature;
    ASSERT_TRUE(base64url_decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", public_key));
    ASSERT_TRUE(base64url_decode(
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", signature));
    const auto key = SignatureKey::ed25519(public_key);
    ASSERT_TRUE(key);
    const std::string_view text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    EXPECT_TRUE(key->verifies(eddsa, text, signature));
    EXPECT_FALSE(key->verifies(eddsa, text.substr(1), signature));
    EXPECT_FALSE(key->verifies(es256, text, signature));
}

TEST_F(Jwt, NoAlgorithmIsTakenThatIsNotListed) {
    for (const char* const header : {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"nOnE"})", R"({"alg":""})",
                                     R"({"alg":null})", R"({})", R"({"alg":["HS256"]})", R"({"alg":"hs256"})",
                                     R"({"alg":"HS256 "})", R"({"alg":"ES512"})", R"({"alg":"RSA-OAEP"})"})
        EXPECT_EQ(why_header(header), "the token's algorithm is not one of those that are taken") << header;
    options.algorithms = {rs256};
    for (const auto& [algorithm, token] : signed_tokens)
        EXPECT_EQ(verify(token).has_value(), algorithm == "RS256") << algorithm;
}

/// An RSA key's public half is no secret: who signs with it by HMAC has signed nothing.
TEST_F(Jwt, AKeyIsOfOneKind) {
    const std::string claims = R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,"sub":"mallory"})";
    for (const std::string_view id : {"rsa", "p256", "p384", "ed"}) {
        const std::string header = R"({"alg":"HS256","kid":")" + std::string(id) + "\"}";
        for (const std::string_view key : {vector_rsa_pem, vector_rsa_pem.substr(0, vector_rsa_pem.size() - 1)})
            EXPECT_EQ(why(sign(header, claims, key)), "no key is known for the token's algorithm") << id;
    }
    keys = keys_of(R"({"keys":[{"kty":"oct","kid":"short","k":"AAECAwQFBgcICQoLDA0ODw"}]})");
    EXPECT_EQ(why(sign(R"({"alg":"HS256","kid":"short"})", claims, secret.substr(0, 16))),
              "no key is known for the token's algorithm")
        << "RFC 7518, 3.2: a secret has at least the hash's bytes";
}

TEST_F(Jwt, KeysThatATokenBringsAreNotLookedAt) {
    const std::string mine(64, 'm');
    const std::string claims = R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,"sub":"mallory"})";
    const std::string jwk = R"("jwk":{"kty":"oct","kid":"secret","k":")" + encoded(mine) + "\"}";
    for (const std::string& brought :
         {jwk, std::string(R"("jku":"https://evil.example/keys")"), std::string(R"("x5u":"https://evil.example/x")"),
          std::string(R"("x5c":["MIIB"])"), std::string(R"("x5t":"AAAA")")}) {
        const std::string header = R"({"alg":"HS256","kid":"secret",)" + brought + "}";
        EXPECT_EQ(why(sign(header, claims, mine)), "the token's signature is wrong") << brought;
        EXPECT_EQ(why(sign(header, claims)), "") << "no harm is in naming them";
    }
}

TEST_F(Jwt, WhatIsNotUnderstoodIsRefused) {
    for (const char* const member : {R"("crit":["exp"])", R"("crit":[])", R"("b64":false)", R"("zip":"DEF")",
                                     R"("enc":"A128GCM")", R"("cty":"JWT")"})
        EXPECT_EQ(why_header(std::string(R"({"alg":"HS256","kid":"secret",)") + member + "}"),
                  "the token's header asks for an extension that is not known here")
            << member;
    for (const char* const type : {R"("secevent+jwt")", R"("")", "7", R"("dpop+jwt")"})
        EXPECT_EQ(why_header(std::string(R"({"alg":"HS256","kid":"secret","typ":)") + type + "}"),
                  "the token's type is no access token's")
            << type;
    for (const char* const type : {"JWT", "jwt", "at+jwt", "application/at+JWT"})
        EXPECT_EQ(why_header(std::string(R"({"alg":"HS256","kid":"secret","typ":")") + type + "\"}"), "") << type;
}

TEST_F(Jwt, AKeyIsFoundByItsIdAlone) {
    const auto unknown =
        verify(sign(R"({"alg":"HS256","kid":"rotated"})",
                    R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,"sub":"alice"})"));
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Errc::not_found) << "there may be newer keys";
    for (const char* const id : {R"("")", "7", "null", R"(["secret"])"})
        EXPECT_EQ(why_header(std::string(R"({"alg":"HS256","kid":)") + id + "}"), "the token's key id is none") << id;
    EXPECT_EQ(why_header(R"({"alg":"HS256","kid":")" + std::string(257, 'k') + "\"}"), "the token's key id is none");
    for (const char* const id : {R"(secret\u0000)", "../../secret", "secret' OR '1'='1", " secret"})
        EXPECT_EQ(why_header(R"({"alg":"HS256","kid":")" + std::string(id) + "\"}"), "the token's key is not known")
            << id;
    EXPECT_EQ(why_header(R"({"alg":"HS256"})"), "") << "one key fits";
    keys = keys_of(R"({"keys":[{"kty":"oct","kid":"a","k":")" + encoded(secret) + R"("},{"kty":"oct","kid":"b","k":")" +
                   encoded(std::string(64, 'b')) + R"("}]})");
    EXPECT_EQ(why_header(R"({"alg":"HS256"})"), "the token names no key, and several may be meant");
    std::string same;
    for (int i = 0; i < 5; ++i) same += R"({"kty":"oct","kid":"a","k":")" + encoded(std::string(64, 'a' + i)) + "\"},";
    keys = keys_of(R"({"keys":[)" + same + R"({"kty":"oct","kid":"a","k":")" + encoded(secret) + R"("}]})");
    EXPECT_EQ(why_header(R"({"alg":"HS256","kid":"a"})"), "the token's signature is wrong") << "so many are not tried";
}

TEST_F(Jwt, AMemberStandsOnce) {
    const char* const twice = "the token's header is no JSON object, or names a member twice";
    EXPECT_EQ(why_header(R"({"alg":"HS256","alg":"none"})"), twice);
    EXPECT_EQ(why_header(R"({"alg":"none","\u0061lg":"HS256"})"), twice);
    EXPECT_EQ(why_header(R"(["alg","HS256"])"), twice);
    EXPECT_EQ(why_header(R"({"alg":"HS256"}{})"), twice);
    const char* const claims = "the token's claims are no JSON object, or name a member twice";
    EXPECT_EQ(why_claims(R"({"iss":"https://issuer.example","sub":"a","sub":"b"})"), claims);
    EXPECT_EQ(why_claims(R"({"iss":"https://issuer.example","x":[{"y":1,"y":2}]})"), claims);
    EXPECT_EQ(why_claims(std::string(20, '[') + std::string(20, ']')), claims);
    EXPECT_EQ(why_claims("\"text\""), claims);
    EXPECT_EQ(why_claims("{\"iss\":\"\xff\"}"), claims);
    std::string many = "{\"x0\":0";
    for (int i = 1; i < 600; ++i) many += ",\"x" + std::to_string(i) + "\":0";
    EXPECT_EQ(why_claims(many + "}"), claims);
}

TEST_F(Jwt, AnEncodingHasOneSpelling) {
    const std::string token =
        sign(hs_header, R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,"sub":"a"})");
    ASSERT_EQ(why(token), "");
    for (const std::string& other : {token + "=", token + "\n", " " + token, token.substr(0, token.size() - 1) + "+"})
        EXPECT_EQ(why(other), "a part of the token is not in base64url") << other;
    std::string loose = token;  // the last digit of 32 bytes carries two bits for nothing
    loose.back() = static_cast<char>(loose.back() + 1);
    EXPECT_NE(why(loose), "");
    EXPECT_EQ(why(""), "the token does not have three parts");
    EXPECT_EQ(why("a.b"), "the token does not have three parts");
    EXPECT_EQ(why(".."), "a part of the token is empty");
    EXPECT_EQ(why("a.b.c.d.e"), "the token has more than three parts: an encrypted one is not taken");
    EXPECT_EQ(why(std::string(JwtVerifier::token_bytes_max + 1, 'a')), "the token is longer than 16 KiB");
    EXPECT_EQ(why_header(R"({"alg":"HS256","x":")" + std::string(5000, 'x') + "\"}"),
              "the token's header is longer than 4 KiB");
}

TEST_F(Jwt, WhoHasSignedItAndForWhom) {
    const auto with = [&](const std::string& members) {
        return why_claims(R"({"exp":4102444800,"sub":"a",)" + members + "}");
    };
    EXPECT_EQ(with(R"("iss":"https://other.example","aud":"loom")"), "");
    for (const char* const issuer : {R"("iss":"https://issuer.example/")", R"("iss":"HTTPS://issuer.example")",
                                     R"("iss":["https://issuer.example"])", R"("iss":null)", R"("x":1)", R"("iss":"")"})
        EXPECT_EQ(with(std::string(issuer) + R"(,"aud":"loom")"), "the token's issuer is not known here") << issuer;
    EXPECT_EQ(with(R"("iss":"https://issuer.example","aud":["other","loom"])"), "");
    for (const char* const audience : {R"("other")", R"("loom ")", "[]", R"(["other"])", R"([["loom"]])",
                                       R"({"loom":1})", "7", R"(["loom",7])", "null"})
        EXPECT_NE(with(std::string(R"("iss":"https://issuer.example","aud":)") + audience), "") << audience;
    EXPECT_EQ(with(R"("iss":"https://issuer.example")"), "the token does not say whom it is for");
    options.audiences.clear();
    EXPECT_EQ(with(R"("iss":"https://issuer.example")"), "");
    EXPECT_EQ(with(R"("iss":"https://issuer.example","aud":"loom")"), "the token is for somebody else")
        << "RFC 7519, 4.1.3: who has no name is not meant";
}

TEST_F(Jwt, ItsTimes) {
    const auto with = [&](const std::string& times, int64_t at_s) {
        return why_claims(R"({"iss":"https://issuer.example","aud":"loom","sub":"a")" + times + "}", at_s);
    };
    const std::string expired = "the token has expired", early = "the token is not good yet";
    EXPECT_EQ(with(R"(,"exp":1000)", 1059), "");
    EXPECT_EQ(with(R"(,"exp":1000)", 1060), expired);
    EXPECT_EQ(with(R"(,"exp":1000.5)", 1060), "");
    EXPECT_EQ(with(R"(,"exp":1e3)", 1060), expired);
    EXPECT_EQ(with(R"(,"exp":2000,"nbf":1000)", 940), "");
    EXPECT_EQ(with(R"(,"exp":2000,"nbf":1000)", 939), early);
    for (const char* const time : {R"("1000")", "-1", "1e300", "null", "[]", "99999999999999999999"}) {
        EXPECT_NE(with(std::string(R"(,"exp":)") + time, 500), "") << time;
        EXPECT_NE(with(std::string(R"(,"exp":2000,"nbf":)") + time, 1500), "") << time;
        EXPECT_NE(with(std::string(R"(,"exp":2000,"iat":)") + time, 1500), "") << time;
    }
    EXPECT_EQ(with("", 500), "the token does not say when it expires");
    options.needs_expiry = false;
    EXPECT_EQ(with("", 500), "");
    options.leeway_s = 0;
    EXPECT_EQ(with(R"(,"exp":1000)", 999), "");
    EXPECT_EQ(with(R"(,"exp":1000)", 1000), expired) << "on or after it (RFC 7519, 4.1.4)";
}

TEST_F(Jwt, ClaimsTellTheConsumerItsTierAndItsRoles) {
    options.consumer = *parse_claim_path("org.team");
    options.tier = *parse_claim_path("/https:~1~1example.com~1tier");
    options.roles = {"scope"};
    const auto of = [&](const std::string& members) {
        return verify(
            sign(hs_header, R"({"iss":"https://issuer.example","aud":"loom","exp":4102444800,)" + members + "}"));
    };
    const auto all = of(R"("org":{"team":"red"},"https://example.com/tier":"gold","scope":" chat  embed ")");
    ASSERT_TRUE(all) << all.error().what;
    EXPECT_EQ(all->consumer, "red");
    EXPECT_EQ(all->tier, "gold");
    EXPECT_EQ(all->roles, (std::vector<std::string>{"chat", "embed"}));
    EXPECT_TRUE(of(R"("org":{"team":"red"})")) << "a tier and roles need not be there";
    for (const char* const missing :
         {R"("x":1)", R"("org":"red")", R"("org":{})", R"("org":{"team":""})", R"("org":{"team":7})",
          R"("org":{"team":"a\nb"})", R"("org":{"team":"a\u0000b"})"})
        EXPECT_FALSE(of(missing)) << missing;
    EXPECT_FALSE(of(R"("org":{"team":")" + std::string(257, 'a') + "\"}"));
    for (const char* const bad : {R"("scope":7)", R"("scope":["a",7])", R"("scope":[["a"]])", R"("scope":["a\u0007"])",
                                  R"("https://example.com/tier":7)"})
        EXPECT_FALSE(of(R"("org":{"team":"red"},)" + std::string(bad))) << bad;
    std::string many;
    for (size_t i = 0; i < JwtIdentity::roles_max; ++i) many += "r" + std::to_string(i) + " ";
    EXPECT_TRUE(of(R"("org":{"team":"red"},"scope":")" + many + "\""));
    EXPECT_FALSE(of(R"("org":{"team":"red"},"scope":")" + many + "more\""));
}

TEST(ClaimPaths, DotsOrAPointer) {
    EXPECT_EQ(*parse_claim_path("sub"), ClaimPath{"sub"});
    EXPECT_EQ(*parse_claim_path("a.b"), (ClaimPath{"a", "b"}));
    EXPECT_EQ(*parse_claim_path("/a.b/c~0~1"), (ClaimPath{"a.b", "c~/"}));
    for (const char* const bad : {"", ".", "a.", ".a", "/", "/a/", "/~", "/~2", "a.b.c.d.e.f.g.h.i"})
        EXPECT_FALSE(parse_claim_path(bad)) << bad;
}

TEST(JwkSets, KeysWithoutUseAreLeftOut) {
    const std::string oct = R"("kty":"oct","k":")" + encoded(secret) + "\"";
    const auto kept = [](const std::string& key) { return keys_of(R"({"keys":[)" + key + "]}").keys().size(); };
    EXPECT_EQ(kept("{" + oct + "}"), 1u);
    EXPECT_EQ(
        kept("{" + oct + R"(,"use":"sig","key_ops":["sign","verify"],"alg":"HS512","x5u":"https://evil.example"})"),
        1u);
    for (const char* const more :
         {R"("use":"enc")", R"("use":null)", R"("key_ops":["encrypt"])", R"("key_ops":"verify")", R"("alg":"RS256")",
          R"("alg":"A128KW")", R"("alg":7)", R"("kid":7)", R"("kid":"")"})
        EXPECT_EQ(kept("{" + oct + "," + more + "}"), 0u) << more;
    for (
        const char* const key :
        {"7", "null", "{}", R"({"kty":"oct"})", R"({"kty":"oct","k":"AAA="})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
         R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})",
         R"({"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"})",
         R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})", R"({"kty":"OKP","crv":"Ed25519","x":"AA"})",
         R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"})
        EXPECT_EQ(kept(key), 0u) << key;
    const JwkSet mixed = keys_of("{\"keys\":[7,{" + oct + "},{}]}");
    EXPECT_EQ(mixed.keys().size(), 1u);
    EXPECT_EQ(mixed.left_out(), 2u);
    std::string many;
    for (int i = 0; i < 200; ++i) many += "{" + oct + "},";
    EXPECT_EQ(kept(many + "{" + oct + "}"), JwkSet::keys_max);
    for (const char* const bad : {"", "[]", "{}", R"({"keys":{}})", R"({"keys":[],"keys":[]})",
                                  R"({"keys":[{"kty":"oct","kty":"RSA"}]})", "{\"keys\":["})
        EXPECT_FALSE(JwkSet::parse(bad)) << bad;
    EXPECT_FALSE(JwkSet::parse(std::string(JwkSet::document_bytes_max + 1, ' ')));
}

/// r and s of 0, or of the order, sign everything for a careless reader (CVE-2022-21449).
TEST(SignatureKeys, EcdsaNumbersAreInRange) {
    const JwkSet set = keys_of(vector_keys);
    for (const JwkSet::Key& one : set.keys()) {
        if (one.id != "p256") continue;
        EXPECT_FALSE(one.key.verifies(es256, "text", std::string(64, '\0')));
        EXPECT_FALSE(one.key.verifies(es256, "text", std::string(64, '\xff')));
        EXPECT_FALSE(one.key.verifies(es256, "text", std::string(63, '\1')));
        EXPECT_FALSE(one.key.verifies(es256, "text", ""));
        EXPECT_FALSE(one.key.verifies(es384, "text", std::string(96, '\1')));
    }
}

TEST_F(Jwt, NoErrorHoldsAnyPartOfAToken) {
    for (const auto& [algorithm, token] : signed_tokens) {
        std::string changed(token);
        changed[changed.size() / 2] ^= 1;
        const std::string text = why(changed);
        for (size_t at = 0; at + 8 < token.size(); ++at) EXPECT_EQ(text.find(token.substr(at, 8)), text.npos);
    }
}

}  // namespace
}  // namespace loom::tenant
