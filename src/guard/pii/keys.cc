// Keys whose makers gave them a beginning that nothing else has. Formats: the providers' own pages, and the rules of
// gitleaks (github.com/gitleaks/gitleaks, config/gitleaks.toml).
#include <algorithm>

#include "detectors.h"

namespace loom::guard {

namespace {

/// The signs that a key is made of.
enum class Body : uint8_t { alnum, base32, hex, word, dotted };

constexpr bool is_of(Body body, int c) noexcept {
    switch (body) {
        case Body::alnum: return is_alnum(c);
        case Body::base32: return is_upper(c) || (c >= '2' && c <= '7');
        case Body::hex: return is_hex(c);
        case Body::word: return is_name(c) || c == '-';
        case Body::dotted: return is_name(c) || c == '-' || c == '.';
    }
    return false;
}

struct Key {
    std::string_view prefix;
    Body body;
    uint16_t length_min, length_max;  // behind the prefix
};

constexpr Key aws_keys[] = {
    {"AKIA", Body::base32, 16, 16}, {"ASIA", Body::base32, 16, 16}, {"ABIA", Body::base32, 16, 16},
    {"ACCA", Body::base32, 16, 16}, {"A3T", Body::base32, 17, 17},
};
constexpr Key gcp_keys[] = {
    {"AIza", Body::word, 35, 35},
    {"GOCSPX-", Body::word, 28, 28},
    {"ya29.", Body::dotted, 40, 1024},
};
constexpr Key github_tokens[] = {
    {"ghp_", Body::alnum, 36, 251}, {"gho_", Body::alnum, 36, 251}, {"ghu_", Body::alnum, 36, 251},
    {"ghs_", Body::alnum, 36, 251}, {"ghr_", Body::alnum, 36, 251}, {"github_pat_", Body::word, 36, 244},
};
constexpr Key slack_tokens[] = {
    {"xoxb-", Body::word, 20, 200},      {"xoxp-", Body::word, 20, 200}, {"xoxe-", Body::word, 20, 200},
    {"xoxa-", Body::word, 20, 200},      {"xoxr-", Body::word, 20, 200}, {"xoxs-", Body::word, 20, 200},
    {"xoxe.xoxp-", Body::word, 20, 200}, {"xapp-", Body::word, 20, 200},
};
constexpr Key stripe_keys[] = {
    {"sk_live_", Body::alnum, 10, 247}, {"sk_test_", Body::alnum, 10, 247}, {"rk_live_", Body::alnum, 10, 247},
    {"rk_test_", Body::alnum, 10, 247}, {"whsec_", Body::alnum, 24, 64},
};
constexpr Key api_keys[] = {
    {"sk-ant-", Body::word, 32, 140},                // Anthropic
    {"sk-proj-", Body::word, 40, 200},               // OpenAI
    {"sk-svcacct-", Body::word, 40, 200},            // OpenAI
    {"sk-admin-", Body::word, 40, 200},              // OpenAI
    {"sk-or-v1-", Body::hex, 64, 64},                // OpenRouter
    {"sk-", Body::alnum, 20, 64},                    // OpenAI, DeepSeek and others
    {"gsk_", Body::alnum, 40, 64},                   // Groq
    {"xai-", Body::alnum, 70, 90},                   // xAI
    {"pplx-", Body::alnum, 40, 64},                  // Perplexity
    {"r8_", Body::alnum, 37, 37},                    // Replicate
    {"nvapi-", Body::word, 60, 80},                  // NVIDIA
    {"hf_", Body::alnum, 34, 40},                    // Hugging Face
    {"tvly-", Body::word, 20, 50},                   // Tavily
    {"glpat-", Body::word, 20, 64},                  // GitLab
    {"glsa_", Body::word, 41, 41},                   // Grafana
    {"npm_", Body::alnum, 36, 36},                   // npm
    {"pypi-AgEIcHlwaS5vcmc", Body::word, 50, 1000},  // PyPI
    {"dop_v1_", Body::hex, 64, 64},                  // DigitalOcean
    {"shpat_", Body::hex, 32, 32},                   // Shopify
    {"SG.", Body::dotted, 66, 66},                   // SendGrid
    {"dapi", Body::hex, 32, 34},                     // Databricks
    {"hvs.", Body::word, 90, 120},                   // HashiCorp Vault
    {"lin_api_", Body::alnum, 40, 40},               // Linear
    {"ntn_", Body::alnum, 43, 50},                   // Notion
    {"AGE-SECRET-KEY-1", Body::alnum, 58, 58},       // age
};

/// A word with dashes is no key: keys are drawn by chance, and hold digits and letters of both cases or many of one.
bool looks_drawn(std::string_view body) noexcept {
    const auto digits = std::ranges::count_if(body, [](char c) { return is_digit(c); });
    const auto capitals = std::ranges::count_if(body, [](char c) { return is_upper(c); });
    uint64_t seen_low = 0, seen_high = 0;
    for (char c : body) (c < 64 ? seen_low : seen_high) |= uint64_t{1} << (c & 63);
    const int distinct = __builtin_popcountll(seen_low) + __builtin_popcountll(seen_high);
    return distinct >= 6 && (digits >= 2 || (digits + capitals >= 3 && capitals < static_cast<long>(body.size())));
}

Match find_key(Probe& probe, std::span<const Key> keys) noexcept {
    Window& text = probe.text;
    const Pos begin = probe.anchor - 2;
    const int before = text.at(begin - 1);
    if (is_name(before) || before == '-') return {};
    for (const Key& key : keys) {
        // A run of a key's signs is read from its beginning alone: else a text of beginnings were read again from each.
        if (key.body == Body::dotted && before == '.') continue;
        if (!text.starts(begin, key.prefix)) continue;
        const Pos body = begin + static_cast<Pos>(key.prefix.size());
        Pos end = body;
        while (is_of(key.body, text.at(end)) && end - body <= Pos{key.length_max}) end += 1;
        while (end > body && (text.at(end - 1) == '.' || text.at(end - 1) == '-')) end -= 1;  // a sentence's
        if (end - body < Pos{key.length_min} || end - body > Pos{key.length_max} || is_alnum(text.at(end))) continue;
        if (looks_drawn(text.view(body, end))) return {begin, end};
    }
    return {};
}

}  // namespace

Match find_aws_key(Probe& probe) noexcept { return find_key(probe, aws_keys); }
Match find_gcp_key(Probe& probe) noexcept { return find_key(probe, gcp_keys); }
Match find_github_token(Probe& probe) noexcept { return find_key(probe, github_tokens); }
Match find_slack_token(Probe& probe) noexcept { return find_key(probe, slack_tokens); }
Match find_stripe_key(Probe& probe) noexcept { return find_key(probe, stripe_keys); }
Match find_api_key(Probe& probe) noexcept { return find_key(probe, api_keys); }

}  // namespace loom::guard
