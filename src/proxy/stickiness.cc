// Which requests belong together, so that one provider gets them and finds their prompts in its cache.
#include <fmt/format.h>

#include <algorithm>

#include "client_connection.h"
#include "exchange.h"
#include "loom/llm/prompt_prefix.h"
#include "ownership.h"
#include "translated.h"

namespace loom::proxy {
namespace {

using http::HeaderId;
using observe::Stickiness;
using route::AffinityBy;

constexpr std::string_view cache_key_prefix = "loom-";

/// "" where there is none. The first of two: whoever sets them means the one with the longer path.
std::string_view cookie_of(const http::RequestHead& head, std::string_view name) noexcept {
    for (const http::Header& header : head.headers()) {
        if (header.id != HeaderId::cookie) continue;
        for (std::string_view rest = header.value; !rest.empty();) {
            std::string_view pair = rest.substr(0, rest.find(';'));
            rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
            pair.remove_prefix(std::min(pair.find_first_not_of(' '), pair.size()));
            if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
                return pair.substr(name.size() + 1);
        }
    }
    return {};
}

/// As Exchange::tenant() tells tenants apart, without a text to keep.
uint64_t hash_of_tenant(const tenant::Consumer* consumer, uint64_t seed) noexcept {
    if (consumer == nullptr) return seed;
    if (!consumer->is_listed()) return hash64(consumer->name, hash64(consumer->issuer, seed + 2));
    return consumer->tenant.empty() ? hash64(consumer->name, seed) : hash64(consumer->tenant, seed + 1);
}

}  // namespace

/// What only the head tells.
void Exchange::note_affinity(const http::RequestHead& head) noexcept {
    const route::AffinityTerms& terms = route_->sticky;
    std::array<char, 64> address;
    std::string_view text;
    switch (terms.by) {
        case AffinityBy::ip: text = client_text_.empty() ? client_->peer_text(address) : client_text_; break;
        case AffinityBy::cookie: text = cookie_of(head, terms.name); break;
        case AffinityBy::header:
            if (const http::Header* const header = head.find(terms.name); header != nullptr) text = header->value;
            break;
        default: return;
    }
    affinity_ = route::affinity_key(text);
}

/// What the body tells. A session's first request tells nothing but who asks.
void Exchange::note_affinity(const llm::Request& request) noexcept {
    const AffinityBy by = route_->sticky.by;
    if (by == AffinityBy::user) affinity_ = route::affinity_key(user_of(request));
    if (by != AffinityBy::prompt_prefix || request.messages_range.absent()) return;
    const std::string_view body = body_.view();
    affinity_ = request.cache_key_range.absent() ? llm::hash_prompt_prefix(request, body, plan().sticky.prefix_bytes)
                                                 : route::affinity_key(llm::text_of(body, request.cache_key_range));
}

/// Who the request is made for: what the document says of it, else the consumer; "" where neither is said. Good as long
/// as the body.
std::string_view Exchange::user_of(const llm::Request& request) const noexcept {
    if (!request.user.empty()) return request.user;
    if (!request.identifier_range.absent()) {
        const std::string_view quoted = llm::text_of(body_.view(), request.identifier_range);
        return quoted.substr(1, quoted.size() - 2);
    }
    return consumer_ != nullptr ? std::string_view(consumer_->name) : std::string_view();
}

/// OpenAI looks its cache up by this beside the prompt's own beginning, and sends requests of one key to one machine.
/// Each tenant has keys of its own: how much of a prompt was cached is told in its answer's usage, and would say that
/// another has asked the same.
void Exchange::add_cache_key() {
    const llm::Request& request = draft_->request;
    const bool takes_key = endpoint_ == llm::Endpoint::chat_completions || endpoint_ == llm::Endpoint::responses;
    if (!takes_key || translated_ != nullptr || provider_->type->name != "openai" || !request.cache_key_range.absent())
        return;
    std::array<char, cache_key_prefix.size() + 16> key;
    const uint64_t hash =
        hash_of_tenant(consumer_, llm::hash_prompt_prefix(request, document(), plan().sticky.prefix_bytes));
    fmt::format_to(key.data(), "{}{:016x}", cache_key_prefix, hash);
    (void)llm::put_prompt_cache_key(draft_->edits, request, document(), text_.keep({key.data(), key.size()}));
}

/// How the choice that the client's answer came of stood to the key.
void Exchange::book_stickiness() {
    const bool of_owner = owned_ != nullptr && owned_->provider_ix >= 0;      // what is stored is stored there
    if (choice_reason_ == route::ChoiceReason::strategy || of_owner) return;  // or routing.model_route led there
    const bool kept = choice_reason_ == route::ChoiceReason::sticky;
    const llm::Usage& used = usage();
    services_.metrics().sticky(provider_->label_ix, kept ? Stickiness::kept : Stickiness::moved,
                               {.input = used.input, .cached = used.cached_input});
}

}  // namespace loom::proxy
