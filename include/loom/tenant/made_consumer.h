// Consumers that are made over the admin listener: what may be said of one, as JSON. No I/O.
//
//   {"name": "team-a-ci", "tenant": "acme", "project": "site", "team": "a", "tier": "gold",
//    "roles": ["ci"], "models": ["gpt-4o*"], "routes": ["ai"], "regions": ["eu"], "allow_ips": ["10.0.0.0/8"],
//    "priority": 5, "expires": "2027-01-31T00:00:00Z", "disabled": false, "metadata": {"owner": "jane"},
//    "limits": {"request_rate": 60, "token_rate": 100000, "burst": 10, "concurrent": 4},
//    "budgets": {"daily_limit": 1000000, "weekly_limit": …, "monthly_limit": …,
//                "daily_budget": "5.00", "weekly_budget": …, "monthly_budget": …}}
//
// Each means what consumer.NAME.…, rate_limit.consumer.NAME.… and token_accounting.limit.NAME.… of the conf mean. Keys,
// certificates, issuers of tokens and budgets' alerts are not among them.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "loom/tenant/consumer.h"

namespace loom::tenant {

/// Numbers of its own; nothing: its tier's, or everybody's.
struct MadeLimits {
    std::optional<uint64_t> request_rate;
    std::optional<uint64_t> token_rate;
    std::optional<uint64_t> burst;
    std::optional<uint64_t> concurrent;
    [[nodiscard]] bool any() const noexcept { return request_rate || token_rate || burst || concurrent; }
    bool operator==(const MadeLimits&) const = default;
};

/// By period: day, week, month.
struct MadeBudgets {
    std::array<std::optional<uint64_t>, 3> tokens;
    std::array<std::string, 3> money;  // as it was said; "" for none
    [[nodiscard]] bool any() const noexcept;
    bool operator==(const MadeBudgets&) const = default;
};

struct MadeConsumer {
    Consumer consumer;  // without index and owners; expires_unix_s as it was said
    std::vector<std::string> regions;
    std::vector<std::string> allow_ips;  // as they were said; `consumer.networks` are these
    MadeLimits limits;
    MadeBudgets budgets;
    bool disabled = false;
    std::string id;  // drawn when it was made: who is made of a name later is somebody else
    int64_t created_unix_s = 0;
    int64_t changed_unix_s = 0;

    static constexpr size_t name_bytes_max = 64;
    static constexpr size_t text_bytes_max = 128;
    static constexpr size_t list_max = 64;
    static constexpr size_t metadata_max = 16;
    static constexpr size_t metadata_bytes_max = 256;
    static constexpr size_t document_bytes_max = 8 * 1024;  // of all that is said of one, braces too
};

/// What is wrong with a document, and where: "limits.burst". "" for the document as a whole.
struct MadeFault {
    std::string member;
    std::string text;
};

/// Changes what a document says of it (RFC 7396: null takes a member back, objects are gone into); on a fault nothing.
/// document  any bytes.
/// takes_name  it may be named here: of one that is new.
[[nodiscard]] std::expected<MadeConsumer, MadeFault> merge_made_consumer(MadeConsumer before, std::string_view document,
                                                                         bool takes_name);
/// One that was kept. An entry of its metadata that is "", which older releases took, is none: a rule that asks for it
/// asks as where nothing was said.
[[nodiscard]] std::expected<MadeConsumer, MadeFault> restore_made_consumer(std::string_view document);
/// The members of such a document, without braces and without those that were not said; `name` is the first. In braces
/// they are read as the same again, and are no larger than document_bytes_max.
[[nodiscard]] std::string made_consumer_members(const MadeConsumer& one);

/// [A-Za-z0-9_-]{1,64}, as the conf has them.
[[nodiscard]] bool is_consumer_name(std::string_view name) noexcept;

}  // namespace loom::tenant
