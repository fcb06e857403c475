// Which header fields cross Loom, in either direction. Allow-lists: what is not named stays behind, so that no
// credential of a client reaches a provider, nor one of the provider's a client.
#pragma once

#include "loom/http/message.h"

namespace loom::proxy {

/// Request fields that an AI provider may see. Credentials, cookies and addresses of clients are none of them.
[[nodiscard]] bool reaches_provider(const http::Header& header) noexcept;
/// Request fields of a plain reverse proxy route: all but hop-by-hop ones, what Loom writes itself, and the field that
/// carried the client's key to Loom (`key_header`, "" for none; `bearer`: Authorization did).
[[nodiscard]] bool reaches_upstream(const http::Header& header, std::string_view key_header, bool bearer) noexcept;
/// Answer fields that a client of an AI route sees.
[[nodiscard]] bool reaches_client(const http::Header& header) noexcept;
/// Answer fields of a plain route: all but hop-by-hop ones and those that Loom writes itself.
[[nodiscard]] bool passes_to_client(const http::Header& header) noexcept;

}  // namespace loom::proxy
