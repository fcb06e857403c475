// Checks of what a provider knows its customer by.
#include <algorithm>
#include <span>

#include "check/check.h"
#include "check/report.h"

namespace loom::app {

namespace {

using config::Config;
using llm::AuthStyle;

/// Words of the keys that can be a provider's credential, one of which suffices.
std::span<const char* const> credential_words(AuthStyle auth) {
    static constexpr const char* api_key[] = {"api_key"};
    static constexpr const char* aws[] = {"api_key", "access_key_id"};
    static constexpr const char* google[] = {"credentials_file"};
    if (auth == AuthStyle::aws_sigv4) return aws;
    if (auth == AuthStyle::google_token) return google;
    return api_key;
}

std::string key_of(const std::string& provider, const char* word) {
    return fmt::format("provider.{}.{}", provider, word);
}

/// One that is given and empty, as a variable that is not set leaves it, says: without this provider.
bool is_left_out(const Config& config, const std::string& name, AuthStyle auth) {
    bool is_given = false;
    for (const char* const word : credential_words(auth)) {
        if (std::ranges::any_of(config.all(key_of(name, word)), [](std::string_view one) { return !one.empty(); }))
            return false;
        is_given = is_given || config.has(key_of(name, word));
    }
    return is_given;
}

void check_aws_keys(Report& report, const std::string& name) {
    const Config& config = report.config;
    const auto id = key_of(name, "access_key_id"), secret = key_of(name, "secret_access_key");
    const auto place = config.place_of_name("provider", name);
    for (const std::string& key : {id, key_of(name, "session_token")})
        if (!fits_a_header(config.text(key))) report.error(key, "holds a control byte");
    if (!config.has(id)) {
        for (const std::string& key : {secret, key_of(name, "session_token")})
            if (config.has(key)) report.error(key, fmt::format("needs {}", id));
        if (!config.has(key_of(name, "api_key")))
            report.missing(place, id,
                           fmt::format("is missing; {} needs an access key (access_key_id and secret_access_key) or a "
                                       "Bedrock API key (api_key)",
                                       name));
        return;
    }
    if (!config.text(id).empty() && config.text(secret).empty())
        report.missing(config.has(secret) ? config.place(secret) : place, secret,
                       "is missing, and access_key_id is set");
    if (!config.text(id).empty() && !config.text(key_of(name, "api_key")).empty())
        report.warning(id, fmt::format("{} goes before it", key_of(name, "api_key")));
    for (const auto& [header, value] : config.entries_below(fmt::format("provider.{}.header.", name)))
        for (const std::string_view own : {"authorization", "x-amz-date", "x-amz-security-token"})
            if (std::ranges::equal(header, own, {}, [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; }))
                report.error(fmt::format("provider.{}.header.{}", name, header),
                             "stands in the signature that access_key_id asks for");
}

void check_google_credentials(Report& report, const std::string& name) {
    const auto file = key_of(name, "credentials_file"), api_key = key_of(name, "api_key");
    const bool has_own = std::ranges::any_of(
        report.config.entries_below(fmt::format("provider.{}.header.", name)), [](const auto& entry) {
            return std::ranges::equal(entry.first, std::string_view("authorization"), {},
                                      [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
        });
    if (report.config.has(api_key))
        report.warning(api_key, fmt::format("is not sent: Vertex AI takes access tokens ({})", file));
    if (!report.config.has(file) && !has_own)
        report.missing(report.config.place_of_name("provider", name), file,
                       "is missing; Vertex AI is asked with access tokens, which a credentials file is good for");
    if (report.config.has(file) && has_own)
        report.error(file, "the provider has a header.Authorization of its own: one of the two");
}

}  // namespace

bool fits_a_header(std::string_view value) {
    return std::ranges::none_of(
        value, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

bool provider_is_active(const Config& config, const std::string& name) {
    if (!is_defined_provider(config, name) || !config.has(key_of(name, "type"))) return false;
    const llm::ProviderType* const type = llm::find_provider_type(config.text(key_of(name, "type")));
    return type == nullptr || !is_left_out(config, name, type->auth);
}

void check_credentials(Report& report, const std::string& provider, const llm::ProviderType& type) {
    const Config& config = report.config;
    const auto key = key_of(provider, "api_key");
    for (const config::Setting& one : config.settings(key))
        if (!fits_a_header(one.value.text)) report.add(one.value_place, true, key, "holds a control byte");
    if (type.auth == AuthStyle::aws_sigv4) check_aws_keys(report, provider);
    if (type.auth == AuthStyle::google_token) check_google_credentials(report, provider);
    if (is_left_out(config, provider, type.auth)) {
        for (const char* const word : credential_words(type.auth))
            if (config.has(key_of(provider, word)))
                return report.warning(key_of(provider, word), "is empty: the provider is left out");
    }
    const bool by_key = type.auth == AuthStyle::bearer || type.auth == AuthStyle::header;
    if (!by_key || type.key_optional || config.has(key) || !report.complete) return;
    report.add(config.place_of_name("provider", provider), false, key, "is not set: requests go there without a key");
}

}  // namespace loom::app
