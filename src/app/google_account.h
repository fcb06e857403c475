// Who Loom is for Google: what a credentials file says, and where a token is asked for with it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "client_place.h"
#include "loom/llm/google_credentials.h"

namespace loom::app {

/// Immutable. The same file of the same provider, unchanged, is one object over reloads, so that its token stays.
struct GoogleAccount {
    uint64_t id = 0;       // unlike any other of this process
    std::string provider;  // of provider.X, for the log
    llm::GoogleCredentials credentials;
    ClientPlace token;
    ClientPlace impersonation;  // where credentials.impersonation_url is set
};
using GoogleAccountPtr = std::shared_ptr<const GoogleAccount>;

inline constexpr size_t credentials_file_bytes_max = 64 * 1024;

/// A regular file's bytes, `bytes_max` at most.
/// Errors  not_found, too_large, io; `text` is one line: which file, what is wrong.       Blocks on the file.
[[nodiscard]] Result<Secret> read_credentials_file(const std::string& path, std::string& text,
                                                   size_t bytes_max = credentials_file_bytes_max);

/// bytes  of a credentials file, which is `path`.     trust  the system's: tokens are asked for over https, or over
/// http of
///        this machine itself.
/// Errors  bad_conf; `text` is one line.
[[nodiscard]] Result<GoogleAccount> read_google_account(const std::string& provider, const std::string& path,
                                                        std::string_view bytes, const net::TlsTrustPtr& trust,
                                                        std::string& text);

}  // namespace loom::app
