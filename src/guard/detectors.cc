#include "detectors.h"

#include <algorithm>
#include <array>

#include "pii/detectors.h"

namespace loom::guard {

namespace {

/// In the order of PiiType.
constexpr PiiInfo infos[] = {
    {"private_key", "PRIVATE_KEY", 8704, true},
    {"jwt", "JWT", 8194, true},
    {"aws_key", "AWS_KEY", 21, true},
    {"gcp_key", "GCP_KEY", 1031, true},
    {"github_token", "GITHUB_TOKEN", 257, true},
    {"slack_token", "SLACK_TOKEN", 212, true},
    {"stripe_key", "STRIPE_KEY", 257, true},
    {"api_key", "API_KEY", 1021, true},
    {"url_credentials", "URL_CREDENTIALS", 548, true},
    {"email", "EMAIL", 322, true},
    {"credit_card", "CREDIT_CARD", 72, true},
    {"iban", "IBAN", 44, true},
    {"ssn", "SSN", 72, true},
    {"itin", "ITIN", 72, true},
    {"uk_nino", "UK_NINO", 72, true},
    {"it_codice_fiscale", "IT_CODICE_FISCALE", 18, true},
    {"es_dni", "ES_DNI", 72, true},
    {"br_cnpj", "BR_CNPJ", 72, true},
    {"br_cpf", "BR_CPF", 72, true},
    {"fr_nir", "FR_NIR", 33, true},
    {"de_tax_id", "DE_TAX_ID", 72, true},
    {"pl_pesel", "PL_PESEL", 72, true},
    {"nl_bsn", "NL_BSN", 72, true},
    {"pt_nif", "PT_NIF", 72, true},
    {"in_aadhaar", "IN_AADHAAR", 72, true},
    {"au_medicare", "AU_MEDICARE", 72, true},
    {"au_tfn", "AU_TFN", 72, true},
    {"uk_nhs", "UK_NHS", 72, true},
    {"bank_routing", "BANK_ROUTING", 72, true},
    {"us_passport", "US_PASSPORT", 72, false},
    {"crypto_wallet", "CRYPTO_WALLET", 94, true},
    {"mac", "MAC", 36, true},
    {"ip", "IP", 72, true},
    {"phone", "PHONE", 74, true},
    {"azure_key", "AZURE_KEY", 124, true},
    {"secret", "SECRET", 520, false},
};
static_assert(std::size(infos) == pii_named_count);

using enum PiiType;
using enum Trigger;

constexpr Detector rows[] = {
    {private_key, literal, &find_private_key},
    {jwt, literal, &find_jwt},
    {aws_key, literal, &find_aws_key},
    {gcp_key, literal, &find_gcp_key},
    {github_token, literal, &find_github_token},
    {slack_token, literal, &find_slack_token},
    {stripe_key, literal, &find_stripe_key},
    {api_key, literal, &find_api_key},
    {url_credentials, colon, &find_url_credentials},
    {email, at_sign, &find_email},
    {credit_card, number, &find_credit_card, digits(4, 14, 15, 16, 17, 18, 19)},
    {iban, number, &find_iban, any_digits, Beside::letter_before},
    {ssn, number, &find_ssn, digits(3, 9)},
    {itin, number, &find_itin, digits(3, 9)},
    {uk_nino, number, &find_uk_nino, digits(2, 6)},
    {it_codice_fiscale, number, &find_it_codice_fiscale, any_digits, Beside::letter_before},
    {es_dni, number, &find_es_dni, digits(2, 7, 8)},
    {br_cnpj, number, &find_br_cnpj, digits(2, 14)},
    {br_cpf, number, &find_br_cpf, digits(3, 11)},
    {fr_nir, number, &find_fr_nir},
    {de_tax_id, number, &find_de_tax_id, digits(2, 11)},
    {pl_pesel, number, &find_pl_pesel, digits(11)},
    {nl_bsn, number, &find_nl_bsn, digits(3, 4, 9)},
    {pt_nif, number, &find_pt_nif, digits(3, 9)},
    {in_aadhaar, number, &find_in_aadhaar, digits(4, 12)},
    {au_medicare, number, &find_au_medicare, digits(4, 10, 11)},
    {au_tfn, number, &find_au_tfn, digits(3, 9)},
    {uk_nhs, number, &find_uk_nhs, digits(3, 10)},
    {bank_routing, number, &find_bank_routing, digits(9)},
    {us_passport, number, &find_us_passport, digits(8, 9)},
    {crypto_wallet, number, &find_base58_address, any_digits, Beside::letter_behind},
    {crypto_wallet, number, &find_hex_address, digits(1), Beside::letter_behind},
    {crypto_wallet, literal, &find_bech32_address},
    {mac, number, &find_mac_in_number, digits(1, 2, 3, 4)},
    {mac, colon, &find_mac},
    {ip, number, &find_ipv4, digits(1, 2, 3)},
    {ip, colon, &find_ipv6},
    {phone, number, &find_phone},
    {azure_key, equals, &find_azure_key},
    {secret, colon, &find_secret},
    {secret, equals, &find_secret},
};

}  // namespace

std::span<const Detector> detectors() noexcept { return rows; }

const PiiInfo& pii_info(PiiType type) noexcept { return infos[static_cast<uint32_t>(type)]; }

std::optional<PiiType> pii_type(std::string_view name) noexcept {
    const auto* row = std::ranges::find(infos, name, &PiiInfo::name);
    if (row == std::end(infos)) return {};
    return static_cast<PiiType>(row - std::begin(infos));
}

PiiTypes PiiTypes::reliable() noexcept {
    PiiTypes types;
    for (uint32_t i = 0; i < pii_named_count; ++i)
        if (infos[i].reliable) types.add(static_cast<PiiType>(i));
    return types;
}

uint32_t PiiTypes::bytes_max() const noexcept {
    uint32_t most = 0;
    for (uint32_t i = 0; i < pii_named_count; ++i)
        if (has(static_cast<PiiType>(i))) most = std::max(most, infos[i].bytes_max);
    return most;
}

}  // namespace loom::guard
