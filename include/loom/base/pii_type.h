// The kinds of personal data and secrets that Loom finds (guard), tells its counts by (observe) and is told about
// (conf).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace loom {

/// In the order of their priority: where two finds of one length overlap, the earlier kind is told.
enum class PiiType : uint8_t {
    private_key,
    jwt,
    aws_key,
    gcp_key,
    github_token,
    slack_token,
    stripe_key,
    api_key,
    url_credentials,
    email,
    credit_card,
    iban,
    ssn,
    itin,
    uk_nino,
    it_codice_fiscale,
    es_dni,
    br_cnpj,
    br_cpf,
    fr_nir,
    de_tax_id,
    pl_pesel,
    nl_bsn,
    pt_nif,
    in_aadhaar,
    au_medicare,
    au_tfn,
    uk_nhs,
    bank_routing,
    us_passport,
    crypto_wallet,
    mac,
    ip,
    phone,
    azure_key,
    secret,
    custom,  // the first of custom_type_count_max that a configuration names
};
/// Of Loom's own, which have names.
inline constexpr uint32_t pii_named_count = static_cast<uint32_t>(PiiType::secret) + 1;
inline constexpr uint32_t custom_type_count_max = 16;
inline constexpr uint32_t pii_type_count = pii_named_count + custom_type_count_max;

/// index  below custom_type_count_max.
[[nodiscard]] constexpr PiiType custom_type(uint32_t index) noexcept {
    return static_cast<PiiType>(pii_named_count + index);
}
[[nodiscard]] constexpr bool is_custom(PiiType type) noexcept { return type >= PiiType::custom; }
[[nodiscard]] constexpr uint32_t custom_index(PiiType type) noexcept {
    return static_cast<uint32_t>(type) - pii_named_count;
}

/// In the conf and in metrics.
inline constexpr std::array<std::string_view, pii_named_count> pii_type_names = {
    "private_key",
    "jwt",
    "aws_key",
    "gcp_key",
    "github_token",
    "slack_token",
    "stripe_key",
    "api_key",
    "url_credentials",
    "email",
    "credit_card",
    "iban",
    "ssn",
    "itin",
    "uk_nino",
    "it_codice_fiscale",
    "es_dni",
    "br_cnpj",
    "br_cpf",
    "fr_nir",
    "de_tax_id",
    "pl_pesel",
    "nl_bsn",
    "pt_nif",
    "in_aadhaar",
    "au_medicare",
    "au_tfn",
    "uk_nhs",
    "bank_routing",
    "us_passport",
    "crypto_wallet",
    "mac",
    "ip",
    "phone",
    "azure_key",
    "secret",
};
/// Of one that is not custom: a custom one's name is its configuration's.
[[nodiscard]] constexpr std::string_view pii_type_name(PiiType type) noexcept {
    return pii_type_names[static_cast<size_t>(type)];
}

/// Where finds are counted: a series of each type that has a name, one of custom types for which there is no room, and
/// one of each other custom type that any configuration of the process has had.
inline constexpr uint32_t custom_series_max = 33;
inline constexpr uint32_t pii_series_count = pii_named_count + custom_series_max;
/// By type.
using PiiSeries = std::array<uint8_t, pii_type_count>;
[[nodiscard]] constexpr PiiSeries pii_series_of_named() noexcept {
    PiiSeries series{};
    for (uint32_t i = 0; i < pii_type_count; ++i)
        series[i] = static_cast<uint8_t>(i < pii_named_count ? i : pii_named_count);
    return series;
}

/// Why a guard has refused a request, or an answer.
enum class GuardReason : uint8_t {
    pii,
    prompt_injection,
    unread,    // no guard reads such a body
    too_many,  // more to mask than there is room for
    content,   // of a category that is not to be asked for
    // Leaks of an answer, in the order of LeakKind.
    link,
    canary,
    system_prompt,
};
inline constexpr size_t guard_reason_count = 8;
[[nodiscard]] constexpr std::string_view guard_reason_name(GuardReason reason) noexcept {
    constexpr std::array<std::string_view, guard_reason_count> names = {
        "pii", "prompt_injection", "unread", "too_many", "content_filter", "link", "canary", "system_prompt"};
    return names[static_cast<size_t>(reason)];
}

}  // namespace loom
