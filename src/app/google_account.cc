#include "google_account.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace loom::app {
namespace {

/// Tokens are asked for over https only, or of this machine itself.
Result<ClientPlace> place_of(const std::string& url_text, const net::TlsTrustPtr& trust) {
    return client_place(url_text, trust, PlainHttp::loopback_only);
}

/// Closes it.
struct Descriptor {
    int fd;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

}  // namespace

Result<Secret> read_credentials_file(const std::string& path, std::string& text, size_t bytes_max) {
    const auto refuse = [&](Errc code, std::string_view why) {
        text = fmt::format("{}: {}", path, why);
        return fail(code, Side::internal, "a credentials file cannot be read");
    };
    // Without waiting: a pipe in the file's place would wait for ever.
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    struct stat status{};
    if (file.fd < 0 || ::fstat(file.fd, &status) != 0)
        return refuse(errno == ENOENT ? Errc::not_found : Errc::io, std::strerror(errno));
    if (!S_ISREG(status.st_mode)) return refuse(Errc::io, "is no file");
    Secret bytes;
    bytes.text().resize(bytes_max + 1);
    size_t size = 0;
    while (size < bytes.text().size()) {
        const ssize_t got = ::read(file.fd, bytes.text().data() + size, bytes.text().size() - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return refuse(Errc::io, std::strerror(errno));
        if (got == 0) break;
        size += static_cast<size_t>(got);
    }
    if (size > bytes_max)
        return refuse(Errc::too_large, fmt::format("is larger than such a file may be ({} KiB)", bytes_max / 1024));
    bytes.text().resize(size);
    return bytes;
}

Result<GoogleAccount> read_google_account(const std::string& provider, const std::string& path, std::string_view bytes,
                                          const net::TlsTrustPtr& trust, std::string& text) {
    const auto refuse = [&](std::string_view what, const Error& why) {
        text = fmt::format("{}: {}{}", path, what, why.what);
        return std::unexpected(why);
    };
    GoogleAccount account;
    account.provider = provider;
    auto credentials = llm::read_google_credentials(bytes);
    if (!credentials) return refuse("", credentials.error());
    account.credentials = std::move(*credentials);
    auto token = place_of(account.credentials.token_url, trust);
    if (!token) return refuse("its token URL: ", token.error());
    account.token = std::move(*token);
    if (account.credentials.impersonation_url.empty()) return account;
    auto impersonation = place_of(account.credentials.impersonation_url, trust);
    if (!impersonation) return refuse("its impersonation URL: ", impersonation.error());
    account.impersonation = std::move(*impersonation);
    return account;
}

}  // namespace loom::app
