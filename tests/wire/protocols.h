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

/// A streamed answer with one chunk, whatever its framing inside.
[[nodiscard]] std::string stream_answer(const ProviderProtocol& provider);
/// An answer without what differs from one to the next: times, and ids that are made of the request's.
[[nodiscard]] std::string without_times(std::string text);

/// As in zlib and in AWS's frames.
[[nodiscard]] uint32_t crc32(std::string_view bytes);
/// A gzip member (RFC 1952) of stored blocks.
[[nodiscard]] std::string gzipped(std::string_view bytes);

}  // namespace loom::wire
