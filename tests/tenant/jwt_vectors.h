// Tokens that another implementation has signed (Python's cryptography 48), one of each algorithm, and the keys. The
// private halves are gone.
#pragma once

#include <string_view>

namespace loom::tenant {

struct SignedToken {
    std::string_view algorithm;
    std::string_view token;
};

inline constexpr std::string_view vector_keys =
    R"({"keys":[{"kty":"RSA","kid":"rsa","use":"sig","n":"5P8oAVXrJUMTqwyx8uaavCnKrc13YI2pmeyLP3KRb-DkY)"
    R"(HCfRmlFupwtbIwaqNUXkXK7SmlAIE5zY4QAmiNhTVhCMpSegugvYQ2-2MbSfgGNISMVmkMlZ2CS-9dudda3yN-KV2BttsYUT)"
    R"(hRdpBrQMdAUPT5tEkIl3gnqn42Sslhf1T7dEy8bz9gA_xCN6trDyckZiyZtUGCqiqvBBy41E0iyMuy0P_eLp1c1rFhyZFnE2)"
    R"(mLVApiX2NOPjOxqprra8gQcwvJgXzkunHhypbjXxplBCap0I1oWMggXCCMVJ9LDFNQamRmx8jwYlBL7vaw8AOZoS1RSSDRqx)"
    R"(jy0jTDXvQ","e":"AQAB"},{"kty":"EC","kid":"p256","crv":"P-256","use":"sig","x":"RFmCEBPmFavyzpGkl)"
    R"(ViUlSuevQGS4avS0mvM944F7I0","y":"0zkC9H6dTHTbQR1ODzyg1Z-7qtx4XMqTqQZ061HqFIg"},{"kty":"EC","kid")"
    R"(:"p384","crv":"P-384","alg":"ES384","x":"M_W7T_8bEhAdKBSwP3QXqAlAhTuWXquOJbdR1tJJQbuSCwgWyV9HMCn)"
    R"(wXJHDob2k","y":"-YiOxlTIe2P_EQgl7rckpKWBw4CtX70jdAKhbypkR-UAN_pYzDXr2OUG-omzWI3c"},{"kty":"OKP",)"
    R"("kid":"ed","crv":"Ed25519","alg":"EdDSA","key_ops":["verify"],"x":"kdxXcmAzaNba8hcwrx2uFuu-8szGE)"
    R"(8mbRqFUSEqS7Co"},{"kty":"oct","kid":"secret","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gIS)"
    R"(IjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"}]})";

/// The RSA key once more, as attackers have it.
inline constexpr std::string_view vector_rsa_pem =
    R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5P8oAVXrJUMTqwyx8uaa
vCnKrc13YI2pmeyLP3KRb+DkYHCfRmlFupwtbIwaqNUXkXK7SmlAIE5zY4QAmiNh
TVhCMpSegugvYQ2+2MbSfgGNISMVmkMlZ2CS+9dudda3yN+KV2BttsYUThRdpBrQ
MdAUPT5tEkIl3gnqn42Sslhf1T7dEy8bz9gA/xCN6trDyckZiyZtUGCqiqvBBy41
E0iyMuy0P/eLp1c1rFhyZFnE2mLVApiX2NOPjOxqprra8gQcwvJgXzkunHhypbjX
xplBCap0I1oWMggXCCMVJ9LDFNQamRmx8jwYlBL7vaw8AOZoS1RSSDRqxjy0jTDX
vQIDAQAB
-----END PUBLIC KEY-----
)";

/// iss https://issuer.example, sub alice, aud loom and other, exp 2100-01-01, nbf 1700000000, tier gold,
/// realm_access.roles admin and dev, scope "chat  embed".
inline constexpr SignedToken signed_tokens[] = {
    {"RS256", R"(eyJhbGciOiJSUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.kZA8IlUO5CjP4J2yUc0rjDBx4FbjviQcVKBvwq2rZkAe6P0q4jhehGiflwlM9gsOivq)"
              R"(GkOdkZyfabnoZzVJdTGyaXwrEx2T_8pp-W1h3OeliiYG1CkPqOdtdGadK-HoWJwyf82VZqvzTx9eTSGuDaE0UYsetjyzzWcn)"
              R"(c1qwQGukLnVCHnca0X7LhEwlrN5sF_QyPLot7ryt-6-TC0Kl9ikUXzPP1qXvFPciacNh4_CpvlPy0IvtXvID9uomCAHdy02J)"
              R"(t8-j1WbR-r-20IJIBX94FN3XMI97BdRfAFVXNgYvW90qO4XUsL35U1rX3VYX5-_rLt__rVnbZoi4XPAM8fw)"},
    {"RS384", R"(eyJhbGciOiJSUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.SRBKed5m9GbH6hJoP2fDktHAdgQvZ5zl42c-ENcbil5LtzoaQEc1VE5HQ0l4Vc3W2xw)"
              R"(ZYY3cp9CsKZ2oYqDd-7PBttTjtQBx69u5iRgqlVj029tsZ5zqzmBObGlWBvcH2h8F-H62H-aytylHSUh0JpwvCP07-1VAtov)"
              R"(xa81z79UMBltPSFPf711Hn9_5efv-WOqBKmvV_9oa8Ujcg80QWAbjswEfe4dmqwz-j6A1BvEYhxDIuHJ2iWykFt_cbZRYMJr)"
              R"(Zp5aOBf3wHMh1OaI__-YAjSr53qwylvU7-_qcO6yu8IXlB085JSfMASRqJW-doo0BXIJRv_gcECPlzVhHVQ)"},
    {"RS512", R"(eyJhbGciOiJSUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.qH69Y85l1kYzKxjgGb6Bo4kp8u49TtsQ1khQE-S0OZLn3g23SGDEsXBrLz0AI5Md571)"
              R"(bWAu14o4AYAAmQid8g1_O8GejKq-9KyniDXcmWVcMfOWq6AQSn5esdUMGrEDvtATBUZSqkc2W3jVt-CY_E2MdEGyRYXhDu4b)"
              R"(rzrnQvJWASWxzlFt8L7_austScHibDiWswK7yjtA4J5ZKaRc9D1k36gMW0bAVAws2B4c4nEZtIzZ7kcF94CXgPF8sP2ieYOO)"
              R"(48NJYsRIuSTBi7FfuIoTG0uNh2JLa_B48q6vu3FYxpp0PF3TCtJKcPDXsGzgXqQ0Uy-TjAUIdBKNZkwPImQ)"},
    {"PS256", R"(eyJhbGciOiJQUzI1NiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.ArwNlc7MAYt7JNf0Ky4f5CvOFpxPIV0UbutBZhcn-ggviZ_raEa4my8Sr015Vjs3Mg0)"
              R"(BEpjinMxUD_8FYodhWrQOXKXD7cSEod65yjdjVbDXnOb2V2OzoKcPWjEOGKor0MsbSvtFE01DWdKrMg-4bPPCIPb-XuGa2TT)"
              R"(XDuuBU2Cta4WrKGy9RKciKqIVL6b1VwNZfTgkYmQR51PxSRieE91t8ge7Cs0ENqVAbnvpFNwaMopz7buCZ8AwPQQ2nkD64Ue)"
              R"(rHWjuYJeV3rZpR4AIa73KYRPsEGLNZb2CtH1Wuf2F2_JuRcUB5VAO2UK09W9JBXwgUxWS2V1Cq_NCYvFHhQ)"},
    {"PS384", R"(eyJhbGciOiJQUzM4NCIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.rTwW1uu2yro_ecPQU4v4TI473DH3OK-inCC1VCQ-SHYwpIDpJwB0Hru4kFsRoovMzoT)"
              R"(JVqsPCQdDbuOrP51RbDnCj8wESGEu2PU31v9shV5CZn8GhJctffP8hnMyc8cMVTYc6bOxOEl0Bla9_Kv7i7bgLaDOjJGKU5E)"
              R"(XpPMtlw4CgPFkj3gdJcZeUOIZgrkIb1sjitdU-aIQ9cjssGVJt19hMiA98HyxbYxOQInyyxtjpsenI1NTZbjYh_1yifDBLOm)"
              R"(hAonx0vnu1dZZ1Wiso0vIzjHxq3ZnwMyDuXblMVgVwIdp13fEi7fqx0tw5Nf8c6HNhfjsApSmOaGdAxYjFA)"},
    {"PS512", R"(eyJhbGciOiJQUzUxMiIsImtpZCI6InJzYSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiw)"
              R"(ic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJ)"
              R"(pYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJ)"
              R"(zY29wZSI6ImNoYXQgIGVtYmVkIn0.btfYFpvmYQWuYypdOeM_UtwZg_dgXMaWOC_jEwt_2hDqasL3lFfzD52gQbCsjuNHJKC)"
              R"(x_K7bVJ-uS3pM1SFvRJgGn6Bf59dyVdPQytz26ZdsU3V9SwRBIPEhg3Kcwb9DiylvWG6vtfQr-0Fi7N7iz71a9g9Re6hWqF8)"
              R"(IzcrMx2iZZPrcXuJzSHL5KxXL2H77aAn0vUO1FfJHMJOK5diRE42WximvMOKhhjXiYKplhOOZlMxiPlU_Amdt0NL3-OnnIOf)"
              R"(H4Mjm0xMMdKmT1EgSYmoT2p2U2bm0ncIpXrRhguuPniY6nWbwCj-5K4Hcjz_pLWUyqd6fYk84ii1ojANcLw)"},
    {"ES256", R"(eyJhbGciOiJFUzI1NiIsImtpZCI6InAyNTYiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlI)"
              R"(iwic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwL)"
              R"(CJpYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19L)"
              R"(CJzY29wZSI6ImNoYXQgIGVtYmVkIn0.Z_6kC8qn0nxEv-7hBY2UOIGaNAkawAcDWthimQrlK1AHc7npGgcEMdWunxCDquBHz)"
              R"(n279RxZ5gnpprPbQrz_RA)"},
    {"ES384", R"(eyJhbGciOiJFUzM4NCIsImtpZCI6InAzODQiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlI)"
              R"(iwic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwL)"
              R"(CJpYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19L)"
              R"(CJzY29wZSI6ImNoYXQgIGVtYmVkIn0.Or-G7A1HV694n9ssGqcd3eAxBaj6-uBPWzbhFSYihaW1N-E53KEQ9fgD26oZiuY9T)"
              R"(lsE6MBnWQhcYidmYeW0rAAUzPsNj57Sn9dxUML_-m2coAwcXZ_GCwIqyd0jeUJu)"},
    {"EdDSA", R"(eyJhbGciOiJFZERTQSIsImtpZCI6ImVkIiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIiwi)"
              R"(c3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDAwLCJp)"
              R"(YXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il19LCJz)"
              R"(Y29wZSI6ImNoYXQgIGVtYmVkIn0.NMHllsKcKp00wnkV_8P1i5zJX3cTgB2MMF2tqiwDPxXYiF6zJljgoXzUh1wafFvoG7fs)"
              R"(h6ISbJQ7EfoRfq9YDw)"},
    {"HS256", R"(eyJhbGciOiJIUzI1NiIsImtpZCI6InNlY3JldCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGx)"
              R"(lIiwic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDA)"
              R"(wLCJpYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il1)"
              R"(9LCJzY29wZSI6ImNoYXQgIGVtYmVkIn0.1I-gfxOgs90G3qHJU7ZnIR1wK0MJFD7hI45Hoe-Mh-o)"},
    {"HS384", R"(eyJhbGciOiJIUzM4NCIsImtpZCI6InNlY3JldCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGx)"
              R"(lIiwic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDA)"
              R"(wLCJpYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il1)"
              R"(9LCJzY29wZSI6ImNoYXQgIGVtYmVkIn0.LXdUvYfkEw3NQe7EL7bTdouOyoVE986WUG-6nlLhbUuXq0UrJJCNCEf4tuGS8SQ)"
              R"(X)"},
    {"HS512", R"(eyJhbGciOiJIUzUxMiIsImtpZCI6InNlY3JldCIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGx)"
              R"(lIiwic3ViIjoiYWxpY2UiLCJhdWQiOlsibG9vbSIsIm90aGVyIl0sImV4cCI6NDEwMjQ0NDgwMCwibmJmIjoxNzAwMDAwMDA)"
              R"(wLCJpYXQiOjE3MDAwMDAwMDAsInRpZXIiOiJnb2xkIiwicmVhbG1fYWNjZXNzIjp7InJvbGVzIjpbImFkbWluIiwiZGV2Il1)"
              R"(9LCJzY29wZSI6ImNoYXQgIGVtYmVkIn0.IyyLzhURFBY8CgyLl0Hr4R3k3ftaEXkGwIVhkHQF2_9UkmpPLIZTCN3-SeCuKBe)"
              R"(KXWgzegWWr81TRi3yXyxG8g)"},
};

}  // namespace loom::tenant
