#pragma once
// TLS on one connection of the load client. The library is the one that Loom uses; none of Loom's own code is.
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

struct ssl_st;

namespace bench {

/// The caller's socket, non-blocking, with TLS on it: read and write as recv and send do, -1 with EAGAIN included.
/// Whoever answers is believed: certificates are not what is measured.
class TlsLink {
  public:
    explicit TlsLink(int fd);
    TlsLink(const TlsLink&) = delete;
    ~TlsLink();

    enum class Step : uint8_t { done, wants_read, wants_write, failed };
    Step shake();
    ssize_t recv(char* into, size_t size);
    ssize_t send(const char* bytes, size_t size);

  private:
    ssize_t result_of(int ssl_result);
    ssl_st* ssl_;
};

}  // namespace bench
