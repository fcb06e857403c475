// Tokens that were verified of late, so that a signature is checked once and not with each request.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/tenant/consumer.h"
#include "loom/tenant/jwt.h"

namespace loom::tenant {

struct Budget;
struct Limit;

/// What a token's bearer is under that the conf says of no consumer of its own: by the name, the tier and the team that
/// the token has told. Null where there is nothing. Of the plan that the token was verified under, which must be there
/// as long as this.
struct BearerTerms {
    const Limit* own = nullptr;  // counted in a row of its own, of a table; null: as the conf says of the consumer
    const Limit* team = nullptr;
    const Budget* own_budget = nullptr;  // of one that the conf does not list
    const Budget* team_budget = nullptr;
};

/// Who a verified token's bearer is, by the configuration that it was verified under. Immutable.
struct TokenIdentity {
    const Consumer* consumer = nullptr;   // the configuration's, which must be there as long as this, or `own`
    std::unique_ptr<const Consumer> own;  // the configuration's with what the token adds, or one that it alone knows
    BearerTerms terms;                    // of `own`
    std::vector<std::string> roles;       // the consumer's own, and the token's
    std::vector<TokenClaim> claims;       // that rules ask for
    uint32_t issuer_ix = 0;               // among the configuration's
    int64_t expires_unix_s = 0;           // its issuer's leeway and all; 0: it does not say
    int64_t keep_until_unix_s = 0;        // no longer is it believed without asking its issuer again; 0: to its end

    /// When a table forgets it. What says neither is not kept.
    [[nodiscard]] int64_t is_over_unix_s() const noexcept {
        if (keep_until_unix_s == 0 || expires_unix_s == 0) return std::max(keep_until_unix_s, expires_unix_s);
        return std::min(keep_until_unix_s, expires_unix_s);
    }

    /// What it takes, texts and all.
    [[nodiscard]] size_t memory_bytes() const noexcept;
};
using TokenIdentityPtr = std::shared_ptr<const TokenIdentity>;

/// One lives per shard. It is told when what it holds may not be so any more: clear(). Set-associative: where all
/// places of a token are taken, the one that was asked for the longest ago goes.
class TokenCache {
  public:
    static constexpr size_t token_count_max = 4096;
    static constexpr size_t identity_bytes_max = 4096;  // one that is larger is verified each time

    /// By the token's SHA-256. Null where it is not known, or has expired by `now_unix_s`. Good until the next call;
    /// share it to keep it longer.
    [[nodiscard]] const TokenIdentityPtr* find(const Sha256& token, int64_t now_unix_s) noexcept;
    void put(const Sha256& token, TokenIdentityPtr identity);
    void clear() noexcept;

    [[nodiscard]] size_t size() const noexcept;
    [[nodiscard]] static size_t memory_bytes_max() noexcept {
        return token_count_max * (sizeof(Entry) + identity_bytes_max);
    }

  private:
    struct Entry {
        Sha256 token{};
        TokenIdentityPtr identity;  // null: free
        uint64_t asked = 0;         // by the cache's own count
    };
    static constexpr size_t ways = 4;
    [[nodiscard]] Entry* set_of(const Sha256& token) noexcept;

    std::vector<Entry> entries_;  // none until the first token
    uint64_t asked_ = 0;
};

}  // namespace loom::tenant
