#include "seal.h"

#include <algorithm>

namespace loom::llm {

namespace {

using Kind = Part::Kind;

constexpr std::string_view seal_mark = "loom.";
constexpr std::string_view seal_names[] = {".thinking:", ".redacted:", ".call:"};
constexpr std::string_view hex_mark = "6c6f6f6d2e";  // seal_mark

/// Claude's signatures are good at Anthropic, on Bedrock and on Vertex alike.
Protocol family_of(Protocol provider) noexcept {
    return provider == Protocol::bedrock ? Protocol::anthropic : provider;
}

bool sees_to_it_itself(const TranslateTerms& terms) noexcept {
    const auto responses = Protocol::openai_responses;
    return terms.client == responses || terms.provider == responses || terms.client == Protocol::openai_completions;
}

/// Whose proof stands at this place of the client's documents without a seal. OpenAI's chat has `thinking_blocks` after
/// Anthropic's and `extra_content.google`.
Protocol native_at(Protocol client, Kind kind) noexcept {
    if (client != Protocol::openai_chat) return family_of(client);
    const bool thinking = kind == Kind::thinking || kind == Kind::redacted_thinking;
    return thinking ? Protocol::anthropic : Protocol::gemini;
}

Seal seal_of(Kind kind) noexcept {
    if (kind == Kind::redacted_thinking) return Seal::redacted;
    return kind == Kind::tool_call ? Seal::call : Seal::thinking;
}

/// Google's SDKs take a thoughtSignature for base64 and write it anew, some with another alphabet: hexadecimal digits,
/// by fours, are the same in each.
Text as_hex(Text text, Arena& arena) {
    const size_t bytes = text.size() + text.size() % 2;
    char* const room = arena.take(2 * bytes);
    for (size_t i = 0; i < bytes; ++i) {
        const auto byte = static_cast<uint8_t>(i < text.size() ? text[i] : ' ');
        room[2 * i] = "0123456789abcdef"[byte >> 4];
        room[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    return {room, 2 * bytes};
}

/// The text itself where it is no hexadecimal seal.
Text from_hex(Text text, Arena& arena) {
    if (!text.starts_with(hex_mark) || text.size() % 2 != 0) return text;
    const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    char* const room = arena.take(text.size() / 2);
    for (size_t i = 0; i < text.size(); i += 2) {
        const int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0) return text;
        room[i / 2] = static_cast<char>(high << 4 | low);
    }
    Text plain(room, text.size() / 2);
    if (plain.ends_with(' ')) plain.remove_suffix(1);
    return plain;
}

Text for_client(Text proof, Kind kind, Context& context) {
    const TranslateTerms& terms = context.terms;
    const Protocol origin = family_of(terms.provider);
    if (proof.empty() || native_at(terms.client, kind) == origin) return proof;
    const Text marked = sealed({seal_of(kind), proof}, origin, context.arena);
    const bool is_bytes = terms.client == Protocol::gemini && kind != Kind::redacted_thinking;
    return is_bytes ? as_hex(marked, context.arena) : marked;
}

/// Absent where it is another provider's.
Text for_provider(Text proof, Kind kind, Context& context) {
    const TranslateTerms& terms = context.terms;
    const Protocol provider = family_of(terms.provider);
    const Text text = terms.client == Protocol::gemini ? from_hex(proof, context.arena) : proof;
    if (!text.starts_with(seal_mark)) return native_at(terms.client, kind) == provider ? text : Text();
    const auto own = unsealed(text, provider);
    return own ? own->opaque : Text();
}

/// False for a part that is nothing without its proof.
bool keep_own_proof(Part& part, Context& context) {
    const bool redacted = part.kind == Kind::redacted_thinking;
    Text& proof = redacted ? part.text : part.signature;
    if (proof.empty()) return true;
    proof = for_provider(proof, part.kind, context);
    if (has(proof)) return true;
    context.losses.add(redacted ? "redacted_thinking" : "signature");
    return !redacted;
}

}  // namespace

Text sealed(Sealed what, Protocol origin, Arena& arena) {
    if (what.opaque.starts_with(seal_mark)) return what.opaque;  // it was, where the answer was read
    const std::string_view pieces[] = {seal_mark, protocol_name(origin), seal_names[static_cast<size_t>(what.seal)],
                                       what.opaque};
    size_t bytes = 0;
    for (const std::string_view piece : pieces) bytes += piece.size();
    char* const room = arena.take(bytes);
    char* end = room;
    for (const std::string_view piece : pieces) end = std::ranges::copy(piece, end).out;
    return {room, bytes};
}

std::optional<Sealed> unsealed(Text text, Protocol origin) noexcept {
    if (!text.starts_with(seal_mark)) {
        if (origin != Protocol::openai_responses) return {};
        return Sealed{Seal::thinking, text};
    }
    text.remove_prefix(seal_mark.size());
    const std::string_view name = protocol_name(origin);
    if (!text.starts_with(name)) return {};
    text.remove_prefix(name.size());
    for (size_t i = 0; i < std::size(seal_names); ++i)
        if (text.starts_with(seal_names[i])) return Sealed{static_cast<Seal>(i), text.substr(seal_names[i].size())};
    return {};
}

void keep_own_proofs(ChatRequest& request, Context& context) {
    if (sees_to_it_itself(context.terms)) return;
    for (Message& message : request.messages) {
        ArenaList<Part> kept;
        bool all = true;
        for (Part& part : message.parts) all &= keep_own_proof(part, context);
        if (all) continue;
        for (const Part& part : message.parts)
            if (part.kind != Kind::redacted_thinking || has(part.text)) kept.add(context.arena, part);
        message.parts = kept;
    }
}

void seal_proofs(ChatAnswer& answer, Context& context) {
    if (sees_to_it_itself(context.terms)) return;
    for (Choice& choice : answer.choices) {
        for (Part& part : choice.parts) {
            Text& proof = part.kind == Kind::redacted_thinking ? part.text : part.signature;
            proof = for_client(proof, part.kind, context);
        }
    }
}

Delta with_sealed_proof(const Delta& delta, Context& context) {
    Delta told = delta;
    if (sees_to_it_itself(context.terms)) return told;
    switch (delta.kind) {
        case Delta::Kind::thinking:
        case Delta::Kind::signature: told.signature = for_client(delta.signature, Kind::thinking, context); break;
        case Delta::Kind::text: told.signature = for_client(delta.signature, Kind::text, context); break;
        case Delta::Kind::tool_call: told.signature = for_client(delta.signature, Kind::tool_call, context); break;
        case Delta::Kind::redacted_thinking:
            told.text = for_client(delta.text, Kind::redacted_thinking, context);
            break;
        default: break;
    }
    return told;
}

}  // namespace loom::llm
