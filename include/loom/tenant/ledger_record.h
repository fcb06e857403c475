// The ledger's records, as bytes: what was asked of a provider in somebody's name, and what became of it.
//
// An intent is written before a request is sent, a settlement once for each intent, whatever happened. What no provider
// was asked for, since it was answered from the cache or refused here, is one record without an intent: nothing of it
// can be in flight.
//
// A record is `length u32, type u8, version u8, zero u16, checksum u64, payload`, little endian; the checksum (XXH3) is
// over all of the rest. A reader tells a record that is not there to its end from one that is damaged. An intent whose
// client has named another model is of version 2, which ends in that name; all else is of version 1. One that is whole
// and of a type or version that this Loom does not know is passed over as LedgerUnknown: whoever adds a type, or
// changes a payload, takes the next number (type 4 is a sealed frame's, segment_cipher.h). (Looms that do not know
// LedgerLocal yet tell such a record as damage, take what stands around it, and set its file aside.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "loom/base/money.h"

namespace loom::tenant {

/// How an attempt ended. Never renumber: these are on disks.
enum class LedgerExit : uint8_t {
    answered,             // whole, and no error
    refused,              // the provider answered with an error
    cancelled_by_client,  // who left before the answer was whole
    cut_by_upstream,      // a part of an answer came
    failed_over,          // another attempt took its place
    hedged,               // another provider's answer was there first
    failed,               // sent, and no answer came
    unsent,               // it never left
    lost,                 // the process ended before it was settled; booked at the next start
    stopped_by_budget,    // a stream that outgrew what was left
    stopped_by_guard,     // an answer that held what may not be told
};
inline constexpr uint8_t ledger_exit_count = 11;

/// Who says how many tokens it took.
enum class LedgerProvenance : uint8_t { none, reported, counted, estimated };
inline constexpr uint8_t ledger_provenance_count = 4;
[[nodiscard]] std::string_view ledger_provenance_name(LedgerProvenance provenance) noexcept;
[[nodiscard]] std::string_view ledger_exit_name(LedgerExit exit) noexcept;

/// An attempt's name: which start of Loom, which of its shards, which of that shard's. Those of one shard rise.
inline constexpr unsigned ledger_sequence_bits = 40;
inline constexpr unsigned ledger_shard_bits = 8;
inline constexpr uint32_t ledger_epoch_mask = 0x7fff;  // an id fits a signed number
[[nodiscard]] constexpr uint64_t make_ledger_id(uint32_t epoch, uint32_t shard, uint64_t sequence) noexcept {
    return uint64_t{epoch & ledger_epoch_mask} << (ledger_sequence_bits + ledger_shard_bits) |
           uint64_t{shard & 0xff} << ledger_sequence_bits | (sequence & ((uint64_t{1} << ledger_sequence_bits) - 1));
}
/// The low bits of the epoch that it was made in.
[[nodiscard]] constexpr uint32_t ledger_epoch_of(uint64_t id) noexcept {
    return static_cast<uint32_t>(id >> (ledger_sequence_bits + ledger_shard_bits));
}

/// Tokens of an attempt; parts hold each other as in llm::Usage.
struct LedgerTokens {
    uint64_t input = 0;           // all of the prompt
    uint64_t cached_input = 0;    // of input
    uint64_t cache_write = 0;     // of input
    uint64_t cache_write_1h = 0;  // of cache_write
    uint64_t output = 0;          // all of the answer
    uint64_t reasoning = 0;       // of output
    friend bool operator==(const LedgerTokens&, const LedgerTokens&) = default;
};
inline constexpr uint64_t ledger_tokens_max = uint64_t{1} << 40;  // of one count: more is that

/// The first of a segment.
struct LedgerBegin {
    uint32_t epoch = 0;
    uint32_t shard = 0;
    uint32_t number = 0;
    uint64_t time_us = 0;
    friend bool operator==(const LedgerBegin&, const LedgerBegin&) = default;
};

/// Texts are borrowed: when read, of the bytes that were read.
struct LedgerIntent {
    uint64_t id = 0;
    uint64_t request = 0;  // the id of its request's first attempt, whose settlement counts the request
    uint64_t time_us = 0;  // since 1970
    std::string_view consumer;
    std::string_view team;
    std::string_view project;
    std::string_view tenant;
    std::string_view tier;
    std::string_view route;
    std::string_view provider;
    std::string_view model;
    std::string_view asked_model;  // that its client named; "": the same
    uint64_t input_tokens = 0;     // as they were estimated
    uint64_t output_tokens = 0;    // that are to be expected
    Money cost = -1;               // of these; -1: no price is known
    friend bool operator==(const LedgerIntent&, const LedgerIntent&) = default;
};

struct LedgerSettlement {
    uint64_t id = 0;  // the intent's
    LedgerExit exit = LedgerExit::answered;
    LedgerProvenance provenance = LedgerProvenance::none;
    uint16_t status = 0;  // that the provider answered with, or its client got; 0: none
    LedgerTokens tokens;
    Money cost = -1;  // -1: no price is known
    friend bool operator==(const LedgerSettlement&, const LedgerSettlement&) = default;
};

/// In place of a consumer, before a provider's name: a copy of a request (mirror), which is on nobody's budget. No
/// consumer's name has a slash.
inline constexpr std::string_view ledger_copy_prefix = "mirror/";
[[nodiscard]] constexpr bool is_ledger_copy(std::string_view consumer) noexcept {
    return consumer.starts_with(ledger_copy_prefix);
}

/// How a request ended that no provider was asked for. Never renumber: these are on disks.
enum class LedgerLocalExit : uint8_t {
    cache_exact,       // answered by what the same request was answered
    cache_semantic,    // … or one that is nearly the same
    cache_stale,       // by an answer whose time was over, since no provider had one
    cache_joined,      // by the answer to the same request, which was under way
    refused_limit,     // a rate limit
    refused_budget,    // a budget is spent
    refused_guard,     // of its content
    refused_access,    // may not use this model, route, region, address or endpoint
    refused_request,   // cannot be served as it is: malformed, too large, too long for its model
    refused_unknown,   // there is no such model or resource
    refused_capacity,  // Loom, its store or its providers had no room for it
    refused_uncached,  // its client wanted a kept answer, and there was none
};
inline constexpr uint8_t ledger_local_exit_count = 12;
inline constexpr uint8_t ledger_first_refusal = static_cast<uint8_t>(LedgerLocalExit::refused_limit);
[[nodiscard]] constexpr bool is_refusal(LedgerLocalExit exit) noexcept {
    return static_cast<uint8_t>(exit) >= ledger_first_refusal;
}
/// "exact", "semantic", …, "limit", "budget", …
[[nodiscard]] std::string_view ledger_local_exit_name(LedgerLocalExit exit) noexcept;

/// Of requests that were settled without a provider: one, or several of a kind. They cost nothing.
struct LedgerLocal {
    uint64_t id = 0;       // of the same row as the intents of its shard
    uint64_t request = 0;  // the id of its request's first attempt, where one had failed before; else `id`
    uint64_t time_us = 0;  // since 1970; of several, the first
    LedgerLocalExit exit = LedgerLocalExit::cache_exact;
    uint16_t status = 0;  // that the client got
    uint32_t count = 1;   // requests; tokens and cost are of all of them
    std::string_view consumer;
    std::string_view team;
    std::string_view project;
    std::string_view tenant;
    std::string_view tier;
    std::string_view route;
    std::string_view model;      // as it was asked for
    bool tells_tokens = false;   // the kept answer has told them
    uint64_t input_tokens = 0;   // that the answer would have taken, all of the prompt …
    uint64_t cached_input = 0;   // of input_tokens
    uint64_t output_tokens = 0;  // … and all of the answer
    uint64_t reasoning = 0;      // of output_tokens
    Money saved = -1;            // what these would have cost; -1: no price is known
    friend bool operator==(const LedgerLocal&, const LedgerLocal&) = default;
};

/// Of refusals that are not told apart (store/ledger_log.h). No consumer's name has a slash.
inline constexpr std::string_view ledger_others = "others/";

/// Whole, and of a type or version that came later.
struct LedgerUnknown {
    uint8_t type = 0;
    uint8_t version = 0;
    friend bool operator==(const LedgerUnknown&, const LedgerUnknown&) = default;
};
inline constexpr uint8_t ledger_type_max = 15;  // types and versions that may come
inline constexpr uint8_t ledger_version_max = 15;

inline constexpr size_t ledger_text_bytes_max = 128;
inline constexpr size_t ledger_header_bytes = 16;
inline constexpr size_t ledger_record_bytes_max = 1280;
inline constexpr size_t ledger_begin_bytes = ledger_header_bytes + 32;

/// A text that fits: itself, or its beginning and a hash of the whole, so that two long ones stay two.
/// room  of ledger_text_bytes_max; what is returned may lie in it.
[[nodiscard]] std::string_view bounded_ledger_text(std::string_view text, std::span<char> room) noexcept;

/// Writes a record to the front of `out` (ledger_record_bytes_max bytes are always enough) and returns its length.
/// Texts longer than ledger_text_bytes_max are written as bounded_ledger_text has them, counts above ledger_tokens_max
/// as that. No allocation.
[[nodiscard]] size_t write_ledger_record(const LedgerBegin& begin, std::span<char> out) noexcept;
[[nodiscard]] size_t write_ledger_record(const LedgerIntent& intent, std::span<char> out) noexcept;
[[nodiscard]] size_t write_ledger_record(const LedgerSettlement& settlement, std::span<char> out) noexcept;
[[nodiscard]] size_t write_ledger_record(const LedgerLocal& local, std::span<char> out) noexcept;

using LedgerRecord = std::variant<LedgerBegin, LedgerIntent, LedgerSettlement, LedgerLocal, LedgerUnknown>;

struct LedgerRead {
    enum class State : uint8_t {
        whole,
        incomplete,  // so far it could be one, and the bytes end
        damaged,     // no record begins here
    };
    State state = State::damaged;
    size_t bytes = 0;       // of a whole one
    uint64_t checksum = 0;  // of a whole one
    LedgerRecord record;    // of a whole one
};

/// What stands at the front of `bytes`. Any bytes may come; nothing beyond them is read. No allocation.
[[nodiscard]] LedgerRead read_ledger_record(std::string_view bytes) noexcept;

/// The length of the whole record at the front of bytes that write_ledger_record has made.
[[nodiscard]] size_t ledger_record_bytes(std::string_view written) noexcept;

}  // namespace loom::tenant
