// The detectors: each looks at one anchor of its kind and says from where to where it found something. All are pure,
// and exact: what they return has passed every check that its kind has. Rows and bounds are in detectors.cc.
#pragma once

#include "../probe.h"

namespace loom::guard {

// Anchored at the first digit of a number.
[[nodiscard]] Match find_phone(Probe& probe) noexcept;
[[nodiscard]] Match find_credit_card(Probe& probe) noexcept;
[[nodiscard]] Match find_iban(Probe& probe) noexcept;
[[nodiscard]] Match find_ipv4(Probe& probe) noexcept;
[[nodiscard]] Match find_ssn(Probe& probe) noexcept;
[[nodiscard]] Match find_itin(Probe& probe) noexcept;
[[nodiscard]] Match find_bank_routing(Probe& probe) noexcept;
[[nodiscard]] Match find_us_passport(Probe& probe) noexcept;
[[nodiscard]] Match find_uk_nino(Probe& probe) noexcept;
[[nodiscard]] Match find_uk_nhs(Probe& probe) noexcept;
[[nodiscard]] Match find_de_tax_id(Probe& probe) noexcept;
[[nodiscard]] Match find_fr_nir(Probe& probe) noexcept;
[[nodiscard]] Match find_it_codice_fiscale(Probe& probe) noexcept;
[[nodiscard]] Match find_es_dni(Probe& probe) noexcept;
[[nodiscard]] Match find_pt_nif(Probe& probe) noexcept;
[[nodiscard]] Match find_nl_bsn(Probe& probe) noexcept;
[[nodiscard]] Match find_pl_pesel(Probe& probe) noexcept;
[[nodiscard]] Match find_br_cpf(Probe& probe) noexcept;
[[nodiscard]] Match find_br_cnpj(Probe& probe) noexcept;
[[nodiscard]] Match find_in_aadhaar(Probe& probe) noexcept;
[[nodiscard]] Match find_au_tfn(Probe& probe) noexcept;
[[nodiscard]] Match find_au_medicare(Probe& probe) noexcept;
[[nodiscard]] Match find_mac_in_number(Probe& probe) noexcept;
[[nodiscard]] Match find_base58_address(Probe& probe) noexcept;
[[nodiscard]] Match find_hex_address(Probe& probe) noexcept;

// Anchored at '@'.
[[nodiscard]] Match find_email(Probe& probe) noexcept;

// Anchored at ':'.
[[nodiscard]] Match find_ipv6(Probe& probe) noexcept;
[[nodiscard]] Match find_mac(Probe& probe) noexcept;
[[nodiscard]] Match find_url_credentials(Probe& probe) noexcept;

// Anchored at ':' or '='.
[[nodiscard]] Match find_azure_key(Probe& probe) noexcept;
[[nodiscard]] Match find_secret(Probe& probe) noexcept;

// Anchored at the third byte of a literal (literals.h).
[[nodiscard]] Match find_aws_key(Probe& probe) noexcept;
[[nodiscard]] Match find_gcp_key(Probe& probe) noexcept;
[[nodiscard]] Match find_github_token(Probe& probe) noexcept;
[[nodiscard]] Match find_slack_token(Probe& probe) noexcept;
[[nodiscard]] Match find_stripe_key(Probe& probe) noexcept;
[[nodiscard]] Match find_api_key(Probe& probe) noexcept;
[[nodiscard]] Match find_jwt(Probe& probe) noexcept;
[[nodiscard]] Match find_private_key(Probe& probe) noexcept;
[[nodiscard]] Match find_bech32_address(Probe& probe) noexcept;

}  // namespace loom::guard
