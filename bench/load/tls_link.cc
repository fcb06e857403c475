#include "tls_link.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "sockets.h"

namespace bench {

static constexpr long write_mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

static SSL_CTX* context() {
    static SSL_CTX* const made = [] {
        SSL_CTX* ctx = SSL_CTX_new(TLS_method());
        if (ctx == nullptr) die("SSL_CTX_new");
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
        SSL_CTX_set_mode(ctx, write_mode);
        return ctx;
    }();
    return made;
}

TlsServer::TlsServer(const std::string& certificate, const std::string& key) : context_(SSL_CTX_new(TLS_method())) {
    if (context_ == nullptr || SSL_CTX_use_certificate_chain_file(context_, certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context_, key.c_str(), SSL_FILETYPE_PEM) != 1)
        die("the certificate or its key");
    SSL_CTX_set_mode(context_, write_mode);
}

TlsServer::~TlsServer() { SSL_CTX_free(context_); }

TlsLink::TlsLink(int fd) : ssl_(SSL_new(context())) {
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) die("SSL_new");
    SSL_set_connect_state(ssl_);
}

TlsLink::TlsLink(int fd, const TlsServer& server) : ssl_(SSL_new(server.context_)) {
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) die("SSL_new");
    SSL_set_accept_state(ssl_);
}

TlsLink::~TlsLink() { SSL_free(ssl_); }

TlsLink::Step TlsLink::shake() {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_);
    if (done == 1) return Step::done;
    const int error = SSL_get_error(ssl_, done);
    if (error == SSL_ERROR_WANT_READ) return Step::wants_read;
    return error == SSL_ERROR_WANT_WRITE ? Step::wants_write : Step::failed;
}

ssize_t TlsLink::result_of(int ssl_result) {
    if (ssl_result > 0) return ssl_result;
    const int error = SSL_get_error(ssl_, ssl_result);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return -1;
}

ssize_t TlsLink::recv(char* into, size_t size) {
    ERR_clear_error();
    return result_of(SSL_read(ssl_, into, int(std::min<size_t>(size, INT_MAX))));
}

ssize_t TlsLink::send(const char* bytes, size_t size) {
    ERR_clear_error();
    return result_of(SSL_write(ssl_, bytes, int(std::min<size_t>(size, INT_MAX))));
}

}  // namespace bench
