#include "loom/tenant/token_cache.h"

#include <algorithm>
#include <cstring>

namespace loom::tenant {
namespace {

size_t bytes_of(const std::string& text) noexcept { return text.capacity(); }
size_t bytes_of(const std::vector<std::string>& texts) noexcept {
    size_t bytes = texts.capacity() * sizeof(std::string);
    for (const std::string& text : texts) bytes += bytes_of(text);
    return bytes;
}

}  // namespace

size_t TokenIdentity::memory_bytes() const noexcept {
    size_t bytes = sizeof *this + bytes_of(roles);
    bytes += claims.capacity() * sizeof(TokenClaim);
    for (const TokenClaim& claim : claims) bytes += bytes_of(claim.name) + bytes_of(claim.text) + bytes_of(claim.list);
    if (own == nullptr) return bytes;
    bytes += sizeof *own + bytes_of(own->models) + bytes_of(own->routes) + bytes_of(own->roles) +
             bytes_of(own->issuers) + own->networks.capacity() * sizeof(IpNetwork);
    for (const std::string* const text :
         {&own->name, &own->tier, &own->team, &own->team_key, &own->project, &own->tenant, &own->issuer})
        bytes += bytes_of(*text);
    return bytes;
}

/// A digest's first bytes spread well, and nobody can make tokens that verify and fall together.
TokenCache::Entry* TokenCache::set_of(const Sha256& token) noexcept {
    uint64_t first;
    std::memcpy(&first, token.data(), sizeof first);
    return &entries_[first % (token_count_max / ways) * ways];
}

const TokenIdentityPtr* TokenCache::find(const Sha256& token, int64_t now_unix_s) noexcept {
    if (entries_.empty()) return nullptr;
    Entry* const set = set_of(token);
    for (Entry* entry = set; entry != set + ways; ++entry) {
        if (entry->identity == nullptr || entry->token != token) continue;
        if (now_unix_s >= entry->identity->is_over_unix_s()) {
            entry->identity.reset();
            return nullptr;
        }
        entry->asked = ++asked_;
        return &entry->identity;
    }
    return nullptr;
}

void TokenCache::put(const Sha256& token, TokenIdentityPtr identity) {
    if (identity->memory_bytes() > identity_bytes_max) return;
    if (entries_.empty()) entries_.resize(token_count_max);
    Entry* const set = set_of(token);
    Entry* place = set;
    for (Entry* entry = set; entry != set + ways; ++entry) {
        const bool same = entry->identity != nullptr && entry->token == token;
        if (same || entry->identity == nullptr) {
            place = entry;
            if (same) break;
            continue;
        }
        if (place->identity != nullptr && entry->asked < place->asked) place = entry;
    }
    *place = {.token = token, .identity = std::move(identity), .asked = ++asked_};
}

void TokenCache::clear() noexcept {
    for (Entry& entry : entries_) entry.identity.reset();
}

size_t TokenCache::size() const noexcept {
    return static_cast<size_t>(
        std::ranges::count_if(entries_, [](const Entry& entry) { return entry.identity != nullptr; }));
}

}  // namespace loom::tenant
