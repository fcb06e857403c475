// Which header fields cross Loom, in either direction. Allow-lists: what is not named stays behind, so that no
// credential of a client reaches a provider, nor one of the provider's a client.
#pragma once

#include "loom/http/message.h"

namespace loom::proxy {

/// Request fields that an AI provider may see, beside those of the client's protocol (Exchange::note_family_field).
/// Credentials, cookies and addresses of clients are none of them. `inspected`: the body was decoded here.
[[nodiscard]] bool reaches_provider(const http::Header& header, bool inspected) noexcept;
/// Request fields of a plain reverse proxy route: all but hop-by-hop ones, what Loom writes itself, and where Loom asks
/// for a key (`keyed`), every field that may carry one: `key_header` ("" for none), Authorization where `bearer`.
[[nodiscard]] bool reaches_upstream(const http::Header& header, bool keyed, std::string_view key_header,
                                    bool bearer) noexcept;
/// Request fields of Google's resumable uploads.
[[nodiscard]] bool is_upload_field(const http::Header& header) noexcept;
/// Of these, what an upload that has begun needs.
[[nodiscard]] bool goes_on_with_upload(const http::Header& header) noexcept;
/// Answer fields that a client of an AI route sees.
[[nodiscard]] bool reaches_client(const http::Header& header) noexcept;
/// What is left of somebody's limits, in OpenAI's words or the IETF's: where Loom tells of its own, no other's.
[[nodiscard]] bool tells_of_limits(const http::Header& header) noexcept;
/// Answer fields of a plain route: all but hop-by-hop ones and those that Loom writes itself.
[[nodiscard]] bool passes_to_client(const http::Header& header) noexcept;

}  // namespace loom::proxy
