#pragma once
// TLS on one connection of the load client or of the mock. The library is the one that Loom uses; none of Loom's own
// code is.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

struct ssl_st;
struct ssl_ctx_st;

namespace bench {

/// What the server's connections share: its certificate and the keys of its tickets. Ends the program where the files
/// are none.
class TlsServer {
  public:
    TlsServer(const std::string& certificate, const std::string& key);
    TlsServer(const TlsServer&) = delete;
    ~TlsServer();

  private:
    friend class TlsLink;
    ssl_ctx_st* context_;
};

/// The caller's socket, non-blocking, with TLS on it: read and write as recv and send do, -1 with EAGAIN included.
/// Whoever answers is believed: certificates are not what is measured.
class TlsLink {
  public:
    explicit TlsLink(int fd);
    TlsLink(int fd, const TlsServer& server);
    TlsLink(const TlsLink&) = delete;
    ~TlsLink();

    enum class Step : uint8_t { done, wants_read, wants_write, failed };
    /// For a client, which has to begin; a server's recv does it on the way.
    Step shake();
    ssize_t recv(char* into, size_t size);
    ssize_t send(const char* bytes, size_t size);

  private:
    ssize_t result_of(int ssl_result);
    ssl_st* ssl_;
};

}  // namespace bench
