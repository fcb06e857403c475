// The protocols that clients and providers speak, as bytes: for tests of what Loom makes of one in front of another.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "fixture.h"

namespace loom::wire {

/// How a client asks. Every question is "Say hello" of the model that it is given.
struct ClientProtocol {
    const char* name;
    /// With the client's key where the protocol puts it; `headers` are whole lines.
    std::string (*ask)(std::string_view model, bool stream, std::string_view headers);
    std::string_view error_start;   // of the document of an error
    std::string_view stream_error;  // what a broken stream's last event holds
    std::string_view stream_end;    // what the last event of a whole stream holds
};
[[nodiscard]] std::span<const ClientProtocol> client_protocols();
[[nodiscard]] const ClientProtocol& client_protocol(std::string_view name);

/// What a provider answers: "Hello world", 9 tokens in and 12 out.
struct ProviderProtocol {
    const char* type;    // provider.mock.type
    const char* client;  // the client protocol that needs no translation here, "" where none
    std::string answer;  // a whole answer's body
    std::string stream;  // a streamed one's
    std::string stream_type;
    std::string (*error)(int status, std::string_view message);
};
[[nodiscard]] const std::vector<ProviderProtocol>& provider_protocols();
[[nodiscard]] const ProviderProtocol& provider_protocol(std::string_view type);

/// A server that speaks chat's words where it is asked in Responses' is none that exists.
[[nodiscard]] bool is_pair(const ProviderProtocol& provider, const ClientProtocol& client);
/// The provider says so in place of "Hello world"; its stream in two pieces.
[[nodiscard]] ProviderProtocol saying(ProviderProtocol provider, std::string_view first, std::string_view second);
/// Each `what` of the text is `with`.
[[nodiscard]] std::string replaced(std::string text, std::string_view what, std::string_view with);
/// A chat's request of the model "big". content  as JSON has it.
[[nodiscard]] std::string chat_of(std::string_view content, bool stream = false);
/// A route for Gemini's clients beside the others', and "big" for all.
void serve_every_protocol(Conf& conf);

/// A streamed answer with one chunk, whatever its framing inside.
[[nodiscard]] std::string stream_answer(const ProviderProtocol& provider);
/// An answer without what differs from one to the next: times, and ids that are made of the request's.
[[nodiscard]] std::string without_times(std::string text);

/// As in zlib and in AWS's frames.
[[nodiscard]] uint32_t crc32(std::string_view bytes);
/// A gzip member (RFC 1952) of stored blocks.
[[nodiscard]] std::string gzipped(std::string_view bytes);

}  // namespace loom::wire
