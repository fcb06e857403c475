// Who may ask, and for what. Keys are held as SHA-256 only: a dump of the process has no key in it.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "loom/base/crypto.h"
#include "loom/base/hash.h"
#include "loom/base/ip.h"
#include "loom/base/owner_slots.h"

namespace loom::tenant {

/// A team is its tenant's: "acme/dev" and "globex/dev" have nothing in common. Of no tenant: "dev". Empty of no team.
/// What stands before the first '/' is the tenant, whose own '/' and '%' are told as %2F and %25.
[[nodiscard]] std::string team_key_of(std::string_view tenant, std::string_view team);
/// A project is its tenant's in the same way.
[[nodiscard]] inline std::string project_key_of(std::string_view tenant, std::string_view project) {
    return team_key_of(tenant, project);
}

struct Consumer {
    std::string name;
    uint32_t index = 0;               // position in the table; `unlisted` of one that only a token knows
    std::vector<std::string> models;  // names, or prefixes with a trailing '*'; empty allows all
    std::vector<std::string> routes;  // route names, '*' likewise; empty allows all
    std::string tier;
    std::string team;
    std::string project;
    std::string tenant;
    std::string team_key;  // of both: what its team's limits, budgets, sums and counters are called
    std::vector<std::string> roles;
    /// What else is known of it, by name: claims, for rules, as a token's are.
    std::vector<std::pair<std::string, std::string>> metadata;
    std::vector<std::string> issuers;  // whose tokens may name it
    std::string issuer;                // of one unlisted: whose token it is; of one made: its making; names return
    std::vector<IpNetwork> networks;   // it comes from these addresses alone; empty allows all
    int64_t expires_unix_s = 0;        // 0: never
    OwnerSlots owners;                 // where what its team and its tenant take is counted
    uint8_t priority = 5;              // 0..9: the higher, the sooner it is served where not all can be
    bool made = false;                 // over the admin listener: it is none of the conf's

    static constexpr uint32_t unlisted = UINT32_MAX;
    [[nodiscard]] bool is_listed() const noexcept { return index != unlisted; }
    [[nodiscard]] bool may_use_model(std::string_view model) const noexcept;
    [[nodiscard]] bool may_use_route(std::string_view route) const noexcept;
    [[nodiscard]] bool expired(int64_t now_unix_s) const noexcept {
        return expires_unix_s != 0 && now_unix_s >= expires_unix_s;
    }
};

/// A consumer as configured. Several keys serve rotation: each is as good as the others.
struct ConsumerOptions {
    Consumer consumer;
    std::vector<std::string> api_keys;        // plain; wiped once hashed
    std::vector<std::string> api_key_sha256;  // 64 hexadecimal digits
    /// What a client's certificate says of it, to the letter: "URI:spiffe://a/b", "DNS:a.example", "email:…", "IP:…",
    /// "sha256:…" of the certificate itself, or its whole subject, "CN=agent-7,O=Example".
    std::vector<std::string> certificates;
};

/// How keys begin that Loom has made: no issuer's token does.
inline constexpr std::string_view issued_key_prefix = "sk-loom-";

/// A key that Loom has made for a consumer (GET /ai/keys).
struct IssuedKey {
    std::string consumer;
    Sha256 hash{};
};

/// Immutable: shared by all shards as part of a configuration snapshot.
class ConsumerTable {
  public:
    /// Takes over and wipes the plain keys, on failure too.
    /// Errors  a message that names the consumer: an empty key, a bad hash, a key that two consumers share, a name used
    /// twice.
    [[nodiscard]] static std::expected<ConsumerTable, std::string> build(std::vector<ConsumerOptions> options);
    ConsumerTable() = default;  // nobody

    /// The same with these keys, and behind the conf's own with these consumers, in place of those made and issued that
    /// it had. A key that a consumer of the conf has stays that one's; one whose consumer is not here is nobody's. A
    /// consumer of the conf stays as it is, whoever else has its name.
    [[nodiscard]] ConsumerTable with_issued(const std::vector<IssuedKey>& keys,
                                            const std::vector<Consumer>& made = {}) const;

    /// The consumer that owns a key, or null. Hashes the whole key, then compares whole hashes in constant time, found
    /// or not: the time tells the length of what was presented and nothing of what is stored. ≈ 0.15 µs.
    [[nodiscard]] const Consumer* find(std::string_view presented_key) const noexcept {
        return find(sha256(presented_key));
    }
    /// The same of a key's hash, which is all that may be kept of one.
    [[nodiscard]] const Consumer* find(const Sha256& key_hash) const noexcept;

    /// Whose a client's certificate is, which has been verified; null: nobody's, or more than one's.
    /// subject  of RFC 2253, less than subject_bytes_max bytes; one that may have been cut is nobody's.
    /// names    alternative ones, as in ConsumerOptions.       fingerprint  SHA-256, lower-case hexadecimal.
    [[nodiscard]] const Consumer* find_certificate(std::string_view subject, std::span<const std::string> names,
                                                   std::string_view fingerprint) const noexcept;
    static constexpr size_t subject_bytes_max = 256;
    static constexpr std::string_view fingerprint_prefix = "sha256:";

    /// The consumer of this name, where one of its keys has signed `text` (HMAC-SHA-256 by the key's hash); else null.
    [[nodiscard]] const Consumer* find_signer(std::string_view name, std::string_view text,
                                              std::string_view mac_hex) const noexcept;

    [[nodiscard]] bool empty() const noexcept { return consumers_.empty(); }
    [[nodiscard]] const std::vector<Consumer>& consumers() const noexcept { return consumers_; }
    /// By name, or null.
    [[nodiscard]] const Consumer* named(std::string_view name) const noexcept;

  private:
    struct Slot {
        Sha256 hash{};
        uint32_t consumer = vacant;
        bool issued = false;
    };
    static constexpr uint32_t vacant = UINT32_MAX;
    void make_room(size_t key_count);
    [[nodiscard]] size_t conf_key_count() const noexcept;
    [[nodiscard]] bool insert(const Sha256& hash, uint32_t consumer, uint32_t& owner, bool issued = false);

    std::vector<Consumer> consumers_;
    std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> by_name_;
    std::unordered_map<std::string, uint32_t, StringHash, std::equal_to<>> by_certificate_;
    std::vector<std::vector<Sha256>> hashes_;  // of each consumer's keys
    std::vector<Slot> slots_;  // open addressing by the hash's first bytes, at most half full; size a power of two
};

/// "Bearer abc" → "abc", the scheme in any case, blanks around the token dropped. Empty when it is no bearer
/// credential.
[[nodiscard]] std::string_view bearer_token(std::string_view authorization_value) noexcept;

/// `pattern` is a name, or a prefix with a trailing '*'.
[[nodiscard]] bool matches_pattern(std::string_view pattern, std::string_view name) noexcept;

}  // namespace loom::tenant
