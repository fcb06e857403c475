#include "seal.h"

#include "one_dialect.h"

namespace loom::llm {
namespace {

using Kind = Part::Kind;

constexpr Protocol clients[] = {Protocol::openai_chat, Protocol::anthropic, Protocol::gemini};
constexpr Protocol providers[] = {Protocol::anthropic, Protocol::bedrock, Protocol::gemini, Protocol::openai_chat};
constexpr Kind kinds[] = {Kind::thinking, Kind::redacted_thinking, Kind::tool_call};
constexpr std::string_view proof = "EqQBCgIYAhIM+/==";

Part part_with(Kind kind, Text text) {
    Part part{.kind = kind};
    (kind == Kind::redacted_thinking ? part.text : part.signature) = text;
    return part;
}
Text proof_of(const Part& part) { return part.kind == Kind::redacted_thinking ? part.text : part.signature; }

/// What a client keeps of a proof that the provider's answer held.
std::string told(Protocol client, Protocol provider, Kind kind) {
    OneCall call({.client = client, .provider = provider});
    ChatAnswer answer;
    Choice& choice = answer.choices.add(call.arena);
    choice.parts.add(call.arena, part_with(kind, proof));
    seal_proofs(answer, call.context);
    return std::string(proof_of(choice.parts.front()));
}

/// What a provider gets of what the client kept; "-" for nothing, with a loss noted.
std::string sent(Protocol client, Protocol provider, Kind kind, const std::string& kept) {
    OneCall call({.client = client, .provider = provider});
    ChatRequest request;
    Message& message = request.messages.add(call.arena);
    message.parts.add(call.arena, part_with(kind, kept));
    message.parts.add(call.arena, {.kind = Kind::text, .text = "beside it"});
    keep_own_proofs(request, call.context);
    EXPECT_EQ(message.parts.back().text, "beside it");
    const Part& first = message.parts.front();
    const bool gone = first.kind != kind || !has(proof_of(first));
    EXPECT_EQ(gone, !call.lost().empty());
    return gone ? "-" : std::string(proof_of(first));
}

/// Claude's proofs are good wherever Claude is.
bool same_family(Protocol a, Protocol b) {
    const auto family = [](Protocol p) { return p == Protocol::bedrock ? Protocol::anthropic : p; };
    return family(a) == family(b);
}

TEST(Proofs, GoBackToWhoMadeThemAndToNobodyElse) {
    for (const Protocol client : clients) {
        for (const Kind kind : kinds) {
            for (const Protocol maker : providers) {
                const std::string kept = told(client, maker, kind);
                for (const Protocol asked : providers) {
                    const std::string_view expected = same_family(maker, asked) ? proof : "-";
                    EXPECT_EQ(sent(client, asked, kind, kept), expected)
                        << protocol_name(client) << " kept " << kept << " of " << protocol_name(maker) << " for "
                        << protocol_name(asked);
                }
            }
        }
    }
}

TEST(Proofs, StandUnsealedWhereTheClientsOwnProtocolHasThem) {
    EXPECT_EQ(told(Protocol::anthropic, Protocol::bedrock, Kind::thinking), proof);
    EXPECT_EQ(told(Protocol::gemini, Protocol::gemini, Kind::tool_call), proof);
    EXPECT_EQ(told(Protocol::openai_chat, Protocol::anthropic, Kind::thinking), proof);  // thinking_blocks
    EXPECT_EQ(told(Protocol::openai_chat, Protocol::gemini, Kind::tool_call), proof);    // extra_content.google
    EXPECT_EQ(told(Protocol::anthropic, Protocol::gemini, Kind::thinking), "loom.gemini.thinking:EqQBCgIYAhIM+/==");
    // What a client brought from elsewhere is its protocol's own.
    EXPECT_EQ(sent(Protocol::anthropic, Protocol::anthropic, Kind::thinking, "abc"), "abc");
    EXPECT_EQ(sent(Protocol::anthropic, Protocol::gemini, Kind::thinking, "abc"), "-");
}

/// Google's SDKs decode the signature and encode it again, some with '-' and '_'.
TEST(Proofs, SurviveAnyBase64OfGooglesClients) {
    for (size_t length = 1; length < 9; ++length) {
        OneCall call({.client = Protocol::gemini, .provider = Protocol::anthropic});
        ChatAnswer answer;
        const std::string text(length, '+');
        Choice& choice = answer.choices.add(call.arena);
        choice.parts.add(call.arena, part_with(Kind::thinking, text));
        seal_proofs(answer, call.context);
        const std::string kept(proof_of(choice.parts.front()));
        EXPECT_EQ(kept.size() % 4, 0u);
        EXPECT_EQ(kept.find_first_not_of("0123456789abcdef"), kept.npos);
        EXPECT_EQ(sent(Protocol::gemini, Protocol::anthropic, Kind::thinking, kept), text);
    }
    EXPECT_EQ(sent(Protocol::gemini, Protocol::anthropic, Kind::thinking, "6c6f6f6d2ezz"), "-");
    EXPECT_EQ(sent(Protocol::gemini, Protocol::gemini, Kind::thinking, "6c6f6f6d2ezz"), "6c6f6f6d2ezz");
}

TEST(Proofs, OfDeltasAreSealedAlike) {
    OneCall call({.client = Protocol::anthropic, .provider = Protocol::gemini});
    const auto of = [&](const Delta& delta) { return with_sealed_proof(delta, call.context); };
    EXPECT_EQ(of({.kind = Delta::Kind::signature, .signature = "s"}).signature, "loom.gemini.thinking:s");
    EXPECT_EQ(of({.kind = Delta::Kind::redacted_thinking, .text = "r"}).text, "loom.gemini.redacted:r");
    EXPECT_EQ(of({.kind = Delta::Kind::tool_call, .signature = "c"}).signature, "loom.gemini.call:c");
    EXPECT_EQ(of({.kind = Delta::Kind::text, .text = "t"}).text, "t");
    EXPECT_FALSE(has(of({.kind = Delta::Kind::tool_call}).signature));
}

}  // namespace
}  // namespace loom::llm
