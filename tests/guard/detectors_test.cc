// What is found and what is not, type by type. Marks as in labelled.h; a text without a mark is one in which nothing
// is.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "check_digits.h"
#include "detectors.h"
#include "keccak.h"
#include "labelled.h"
#include "loom/base/crypto.h"
#include "loom/guard/pii_scanner.h"

namespace loom::guard::test {
namespace {

std::vector<PiiSpan> scan(std::string_view text, PiiTypes types = PiiTypes::all()) {
    std::vector<PiiSpan> spans;
    PiiScanner(types).scan(text, [&](const PiiSpan& span) { spans.push_back(span); });
    return spans;
}

std::string describe(std::string_view text, const std::vector<PiiSpan>& spans) {
    std::string out;
    for (const PiiSpan& span : spans) {
        out += std::string(pii_info(span.type).name) + " '";
        out += text.substr(span.begin, span.end - span.begin);
        out += "'  ";
    }
    return out.empty() ? "nothing" : out;
}

void expect_all(std::initializer_list<std::string_view> lines) {
    int number = 0;
    for (std::string_view line : lines) {
        const LabelledText labelled = parse_labelled(line, "here", ++number);
        const auto found = scan(labelled.text);
        EXPECT_EQ(found, labelled.spans) << line << "\n  found " << describe(labelled.text, found);
    }
}

TEST(Detectors, EveryTypeHasAFinderANameAndABound) {
    for (uint32_t i = 0; i < pii_named_count; ++i) {
        const auto type = static_cast<PiiType>(i);
        EXPECT_EQ(pii_type(pii_info(type).name), type);
        EXPECT_GT(pii_info(type).bytes_max, 10u);
        bool any = false;
        for (const Detector& row : detectors()) any |= row.type == type;
        EXPECT_TRUE(any) << pii_info(type).name;
    }
    EXPECT_FALSE(pii_type("nothing_of_the_kind"));
}

TEST(Detectors, CheckDigits) {
    constexpr uint8_t card[] = {4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    EXPECT_TRUE(luhn(card));
    constexpr uint8_t verhoeffs[] = {2, 3, 6, 3};  // the example of en.wikipedia.org/wiki/Verhoeff_algorithm
    EXPECT_TRUE(verhoeff(verhoeffs));
    constexpr uint8_t tax[] = {3, 6, 5, 7, 4, 2, 6, 1, 8, 0, 9};
    EXPECT_TRUE(mod_11_10(tax));
    EXPECT_EQ(hex_encode(keccak256("")), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    EXPECT_EQ(hex_encode(keccak256("abc")), "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

TEST(Detectors, Email) {
    expect_all({
        "{{email|ann@example.org}}",
        "to {{email|first.last+tag@sub.example.co.uk}}, please.",
        "<{{email|a_b@x-y.example}}>",
        "'{{email|ann@example.org}}'",
        "({{email|o'brien@example.ie}})",
        "{{email|x@xn--bcher-kva.xn--p1ai}}",
        "user@localhost",
        "@decorator",
        "a@b",
        "logo@2x.png",
        "npm i left-pad@1.3.0",
        "git@github.com:owner/repo.git",
        "a..b@example.org",
        "trailing.@example.org",
        "x@-bad.example",
        "{{email|x@example.org}}.",
        "x@example.c",
        "x@y@z.org",
        "{{email|a@b.example}},{{email|c@d.example}}",
        "x@example.org@",
        // Emphasis of Markdown, and what a name is glued to.
        "_{{email|ann@example.org}}_",
        "**_{{email|ann@example.org}}_**",
        "{{email|x@example.org}}_",
        "{{email|_ann@example.org}}",
        // RFC 6531: letters of other scripts.
        "{{email|m\xc3\xbcller@example.de}}",
        "an {{email|ren\xc3\xa9@caf\xc3\xa9.example}}",
        "{{email|\xd0\xb8\xd0\xb2\xd0\xb0\xd0\xbd@example.org}}",
        "{{email|\xe7\x94\xa8\xe6\x88\xb7@example.cn}}",
        // A script without blanks stands right before an address of another.
        "\xe8\xaf\xb7\xe8\x81\x94\xe7\xb3\xbb{{email|ann@example.org}}",
        "\xe2\x80\x9c{{email|ann@example.org}}\xe2\x80\x9d",
    });
}

TEST(Detectors, EmailHasTheLengthsOfTheRfc) {
    const std::string longest(64, 'a');
    EXPECT_EQ(scan(longest + "@example.org").size(), 1u);
    EXPECT_EQ(scan(longest + "a@example.org").size(), 0u);
    EXPECT_EQ(scan("a@" + std::string(63, 'b') + ".org").size(), 1u);
    EXPECT_EQ(scan("a@" + std::string(64, 'b') + ".org").size(), 0u);
}

TEST(Detectors, CreditCard) {
    expect_all({
        "{{credit_card|4111111111111111}}",
        "card {{credit_card|4111 1111 1111 1111}}, ok",
        "{{credit_card|5555-5555-5555-4444}}",
        "{{credit_card|3782 822463 10005}}",
        "{{credit_card|378282246310005}}",
        "{{credit_card|3056 930902 5904}}",
        "diners {{credit_card|30569309025904}}",
        "30569309025904",
        "4111111111111112",
        "1111111111111117",
        "id4111111111111111",
        "4111111111111111x",
        "4111.1111.1111.1111",
        "14111111111111111",
        "{{credit_card|4111 1111 1111 1111}} 123",
        "0.4111111111111111",
        "{{credit_card|6011111111111117}}",
        "{{credit_card|3530111333300000}}",
    });
}

TEST(Detectors, Iban) {
    expect_all({
        "{{iban|DE89370400440532013000}}",
        "{{iban|DE89 3704 0044 0532 0130 00}}",
        "IBAN {{iban|GB82 WEST 1234 5698 7654 32}}.",
        "{{iban|NO9386011117947}}",
        "DE88370400440532013000",
        "DE8937040044053201300",
        "XX89370400440532013000",
        "DE89370400440532013000A",
        "{{iban|MT84MALT011000012345MTLCAST001S}}",
        "{{iban|FR1420041010050500013M02606}} est",
    });
}

TEST(Detectors, AmericanNumbers) {
    expect_all({
        "{{ssn|123-45-6789}}",
        "123-45-0000",
        "000-45-6789",
        "666-45-6789",
        "900-45-6789",
        "123-00-6789",
        "078-05-1120",
        "123456789",
        "SSN {{ssn|123456789}}",
        "ssn: {{ssn|123 45 6789}}",
        "123-45-67890",
        "2123-45-6789",
        "123-45-6789-1",
        "{{itin|912-70-1234}}",
        "912-69-1234",
        "912-93-1234",
        "ITIN {{itin|900501234}}",
        "routing {{bank_routing|021000021}}",
        "routing 021000022",
        "021000021",
        "routing 991000021",
        "passport {{us_passport|A12345678}}",
        "A12345678",
    });
}

TEST(Detectors, BritishNumbers) {
    expect_all({
        "{{uk_nino|AB123456C}}",
        "{{uk_nino|AB 12 34 56 C}}",
        "AB123456E",
        "DB123456C",
        "BG123456A",
        "AB1234567",
        "xAB123456C",
        "AB123456CD",
        "nhs {{uk_nhs|943 476 5919}}",
        "NHS number: {{uk_nhs|9434765919}}",
        "943 476 5919",
        "nhs 9434765918",
    });
}

TEST(Detectors, EuropeanNumbers) {
    expect_all({
        "{{de_tax_id|36 574 261 809}}",
        "Steuer-ID {{de_tax_id|36574261809}}",
        "36574261809",
        "Steuer-ID 36574261890",
        "{{fr_nir|295109912611193}}",
        "{{fr_nir|2 95 10 99 126 111 93}}",
        "{{fr_nir|253072B07300470}}",
        "295109912611199",
        "{{it_codice_fiscale|RCCMNL83S18D969H}}",
        "RCCMNL83S18D969A",
        "{{it_codice_fiscale|rccmnl83s18d969h}}",
        "{{es_dni|12345678Z}}",
        "{{es_dni|12.345.678-Z}}",
        "{{es_dni|X1234567L}}",
        "12345678A",
        "X1234567A",
        "20240101T120000Z",
        "NIF {{pt_nif|501964843}}",
        "501964843",
        "NIF 501964842",
        "BSN {{nl_bsn|111222333}}",
        "111222333",
        "PESEL {{pl_pesel|44051401359}}",
        "PESEL 44051401358",
        "44051401359",
    });
}

TEST(Detectors, NumbersOfBrazilIndiaAndAustralia) {
    expect_all({
        "{{br_cpf|390.533.447-05}}",
        "390.533.447-06",
        "CPF {{br_cpf|39053344705}}",
        "39053344705",
        "111.111.111-11",
        "{{br_cnpj|16.727.230/0001-97}}",
        "16.727.230/0001-98",
        "{{in_aadhaar|2341 2341 2346}}",
        "2341 2341 2347",
        "aadhaar {{in_aadhaar|234123412346}}",
        "234123412346",
        "2341 2341 2346 1234",
        "TFN {{au_tfn|123 456 782}}",
        "123 456 782",
        "TFN 123456783",
        "{{au_medicare|2123 45670 1}}",
        "2123 45671 1",
    });
}

TEST(Detectors, Addresses) {
    expect_all({
        "{{ip|192.168.1.20}}",
        "from {{ip|203.0.113.7}}:443",
        "{{ip|10.0.0.0}}/8",
        "127.0.0.1",
        "0.0.0.0",
        "255.255.255.0",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.5",
        "version 1.2.3.4",
        "v1.2.3.4",
        "01.2.3.4",
        "{{ip|2001:db8::1}}",
        "[{{ip|2001:db8:0:1::dead}}]:80",
        "{{ip|2001:0db8:85a3:0000:0000:8a2e:0370:7334}}",
        "::1",
        "std::vector",
        "dead::beef",
        "12:34:56",
        "a::b::c",
        "{{mac|00:1a:2b:3c:4d:5e}}",
        "{{mac|00-1A-2B-3C-4D-5E}}",
        "{{mac|001a.2b3c.4d5e}}",
        "ff:ff:ff:ff:ff:ff",
        "00:00:00:00:00:00",
        "00:1a:2b:3c:4d:5e:6f",
        "{{mac|ab:cd:ef:ab:cd:ef}}",
    });
}

TEST(Detectors, UrlCredentials) {
    expect_all({
        "{{url_credentials|postgres://admin:s3cret@db.example.com:5432}}/app",
        "{{url_credentials|https://u:p4ss@example.org}}/x",
        "https://example.org/a:b@c",
        "https://{{email|user@example.org}}/",
        "http://u:${PASSWORD}@{host}/",
        "https://example.org:8080/",
    });
}

TEST(Detectors, Wallets) {
    expect_all({
        "{{crypto_wallet|1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2}}",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3",
        "{{crypto_wallet|3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy}}",
        "{{crypto_wallet|bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4}}",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "{{crypto_wallet|0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed}}",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
        "{{crypto_wallet|0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed}}",
        "0x0000000000000000000000000000000000000000",
        "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaedff",
    });
}

TEST(Detectors, Phone) {
    expect_all({
        "{{phone|+49 30 1234567}}",
        "{{phone|+1 (555) 123-4567}}",
        "{{phone|+44 (0)20 7946 0958}}",
        "{{phone|(555) 123-4567}}",
        "{{phone|555-123-4567}}",
        "{{phone|06 12 34 56 78}}",
        "{{phone|07700 900123}}",
        "tel {{phone|030 1234567}}",
        "030 1234567",
        "call {{phone|5551234567}}",
        "5551234567",
        "{{phone|(11) 91234-5678}}",
        "{{phone|010-1234-5678}}",
        "2024-01-02",
        "2024-01-02 10:20:30",
        "12 34 56",
        "1,234,567,890",
        "+999 1234567",
        "+1234",
        "{{phone|(+49) 89 1234567}}",
        "call: {{phone|+4915112345678}}.",
        "0x12345678",
        "+1 155 123 4567",
        "id 12345678",
        "\xe6\x89\x8b\xe6\x9c\xba{{phone|13812345678}}",
    });
}

TEST(Detectors, Keys) {
    expect_all({
        "{{aws_key|AKI{+}AIOSFODNN7EXAMPL3}}",
        "AKI{+}AIOSFODNN7EXAMPL",
        "xAKI{+}AIOSFODNN7EXAMPL3",
        "{{github_token|ghp{+}_abcdefGHIJKLmnopqrst0123456789uvwxyz}}",
        "ghp_short",
        "{{stripe_key|sk_{+}live_4eC39HqLyjWDarjtT1zdp7dc}}",
        "{{api_key|sk-{+}proj-abcDEF123456abcDEF123456abcDEF123456abcDEF123456}}",
        "sk-learn-is-a-library-for-machine-learning",
        "task-force-of-many-long-words-1234567890",
        "{{slack_token|xox{+}b-123456789012-123456789012-AbCdEfGhIjKlMnOpQrStUvWx}}",
        "{{gcp_key|AIz{+}aSyA1234567890abcdefghijklmnopqrstuv}}",
        "{{api_key|hf_{+}AbCdEfGhIjKlMnOpQrStUvWxYz01234567}}",
    });
}

TEST(Detectors, Tokens) {
    expect_all({
        "Bearer "
        "{{jwt|eyJ{+}hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U}}.",
        "eyJ{+}hbGciOiJIUzI1NiJ9",
        "eyJ{+}hbGciOiJIUzI1NiJ9.abc",
        "{{private_key|-----BEGIN RSA PRIVATE "
        "KEY-----\\nMIIEpAIBAAKCAQEA04up8hoqzS1APIB0RhjXyObwHQnOzhAk5Bd7mhkSbPkyhP1i"
        "\\n-----END RSA PRIVATE KEY-----}}\\nmore",
        "{{private_key|-----BEGIN EC PRIVATE KEY-----\\nProc-Type: 4,ENCRYPTED\\nDEK-Info: AES-128-CBC,0011\\n\\n"
        "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY}} and then it was cut",
        "-----BEGIN PUBLIC KEY-----\\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA04up8hoqzS1A\\n-----END PUBLIC "
        "KEY-----",
        "write -----BEGIN PRIVATE KEY----- at the top",
    });
}

TEST(Detectors, Assignments) {
    expect_all({
        "password = \"{{secret|hT7#kq9!Lm2$}}\"",
        "API_KEY={{secret|9fK2mQ7xR4tB8vN1}}",
        "\"client_secret\": \"{{secret|Zx81kQpL03mNvB7tY2}}\"",
        "password = \"correct horse\"",
        "password = os.environ['DB_PASSWORD_2024']",
        "token = get_token(user1, scope2)",
        "password=${DB_PASSWORD_1234}",
        "api_key = \"your_api_key_goes_here1\"",
        "tokens = 1234567890123456",
        "name = \"aB3dE5gH7jK9mN1pQ\"",
        "AccountKey={{azure_key|Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/"
        "KBHBeksoGMGw==}};x=1",
    });
}

TEST(Detectors, OneOfThoseThatOverlapIsTold) {
    expect_all({
        "{{url_credentials|https://ann:s3cret@mail.example.org}}",
        "\"token\": \"{{github_token|ghp{+}_abcdefGHIJKLmnopqrst0123456789uvwxyz}}\"",
        "{{iban|DE89 3704 0044 0532 0130 00}} {{email|x@example.org}} {{ip|10.1.2.3}}",
    });
}

TEST(Detectors, WhatIsNotAskedForIsNotFound) {
    PiiTypes types;
    types.add(PiiType::email);
    EXPECT_EQ(scan("a@b.example 4111111111111111 10.1.2.3", types).size(), 1u);
    EXPECT_EQ(scan("a@b.example 4111111111111111 10.1.2.3", {}).size(), 0u);
}

/// The table's bounds are true: no finder is undecided about a find that is longer.
TEST(Detectors, NothingIsLongerThanItsBound) {
    const char* const folder = std::getenv("GUARD_LABELLED");
    ASSERT_NE(folder, nullptr);
    for (const LabelledText& labelled : read_labelled(folder))
        for (const PiiSpan& span : scan(labelled.text))
            EXPECT_LE(span.end - span.begin, pii_info(span.type).bytes_max) << labelled.text;
}

/// The bars of the labelled set; guard_accuracy prints the figures.
TEST(Detectors, PrecisionAndRecallOnTheLabelledSet) {
    const char* const folder = std::getenv("GUARD_LABELLED");
    ASSERT_NE(folder, nullptr);
    struct Count {
        int right = 0, wrong = 0, missed = 0;
    };
    std::map<PiiType, Count> counts;
    for (const LabelledText& labelled : read_labelled(folder)) {
        const auto found = scan(labelled.text);
        for (const PiiSpan& span : found)
            (std::ranges::find(labelled.spans, span) != labelled.spans.end() ? counts[span.type].right
                                                                             : counts[span.type].wrong) += 1;
        for (const PiiSpan& span : labelled.spans)
            counts[span.type].missed += std::ranges::find(found, span) == found.end();
    }
    for (const auto& [type, count] : counts) {
        const double precision = count.right / (count.right + count.wrong + 1e-9);
        const double recall = count.right / (count.right + count.missed + 1e-9);
        const bool is_phone = type == PiiType::phone;
        EXPECT_GE(precision, is_phone ? 0.95 : 0.97) << pii_info(type).name;
        EXPECT_GE(recall, is_phone ? 0.92 : 0.97) << pii_info(type).name;
    }
}

}  // namespace
}  // namespace loom::guard::test
