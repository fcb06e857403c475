// Affinity: requests of one key go to one member of a set, by weighted rendezvous hashing under a bound of load.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace loom::route {

/// What makes requests belong together (routing.sticky).
enum class AffinityBy : uint8_t { off, ip, cookie, header, user, prompt_prefix };
struct AffinityTerms {
    AffinityBy by = AffinityBy::off;
    std::string name;  // the cookie's, or the header's
};
/// off | ip | cookie:NAME | header:NAME | user | prompt_prefix.
[[nodiscard]] std::optional<AffinityTerms> parse_affinity(std::string_view text);

/// The key of a text; 0, which is none, of "". The same in every process, so that several Looms agree: who chooses
/// texts can choose whom they lead to, and no further than the bound of load goes.
[[nodiscard]] uint64_t affinity_key(std::string_view text) noexcept;

/// How near a key is to a member: the member with the highest score is the key's own. Each is so for its weight's share
/// of all keys, whoever else is there: one that is added takes its share of each other's keys, and moves no other.
/// True where this member's score is higher than `most`, which it becomes then; begin with 0.
///
/// identity  what makes it the same member.     weight  at least 1.
/// Source    weighted rendezvous hashing (Schindelhauer, Schomaker 2005).
[[nodiscard]] bool raise_affinity_score(uint64_t key, uint64_t identity, uint32_t weight, double& most) noexcept;

/// Without initial values: a choice has an array of them on its stack.
struct AffinityMember {
    uint64_t identity;
    uint32_t weight;
    int64_t load;  // requests under way
};

/// The key's own among those that have room, else the next in its order: nobody gets more than `load_factor` times its
/// weight's share of all requests under way, this one counted. Somebody always has room.
/// members      at least one.     load_factor  at least 1.
/// Source       consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018).
[[nodiscard]] size_t pick_by_affinity(uint64_t key, std::span<const AffinityMember> members,
                                      double load_factor) noexcept;

}  // namespace loom::route
